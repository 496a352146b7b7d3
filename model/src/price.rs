//! What a call costs, written from the documentation of [`Charge`], [`Limits`] and [`Verdict`].

use tollgate::{Charge, Cost, Limits, Unit, Usage, Verdict};

/// How a call ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    Released(Usage),
    Refused(Verdict),
    Cancelled,
    Lost,
}

fn tokens(limits: &Limits, input: u64, output: u64) -> u64 {
    let weighed = output.saturating_mul(u64::from(limits.weight_of_output()));
    match limits.charge_rule() {
        Charge::InputOnly => input,
        Charge::LargerOfInputAndMaxOutput => input.max(weighed),
        _ => input.saturating_add(weighed),
    }
}

fn of(limits: &Limits, unit: Unit, input: u64, output: u64) -> u64 {
    match unit {
        Unit::Requests => 1,
        Unit::Tokens => tokens(limits, input, output),
        Unit::InputTokens => input,
        Unit::OutputTokens => output,
        Unit::InFlight => 0,
    }
}

/// The most that the answer may hold is charged at admission, for good.
fn keeps_most(limits: &Limits) -> bool {
    matches!(limits.charge_rule(), Charge::InputPlusMaxOutput | Charge::LargerOfInputAndMaxOutput)
}

/// What is taken of a budget when the call is admitted.
pub(crate) fn reserve(limits: &Limits, unit: Unit, cost: &Cost) -> u64 {
    match unit {
        Unit::InFlight => 1,
        _ => of(limits, unit, cost.input_tokens(), cost.max_output_tokens()),
    }
}

/// What it has cost in the end. A slot is no price: it is free again.
pub(crate) fn price(limits: &Limits, unit: Unit, cost: &Cost, end: &End) -> u64 {
    match end {
        _ if unit == Unit::InFlight => 0,
        End::Cancelled => 0,
        End::Lost | End::Refused(Verdict::Failed) => reserve(limits, unit, cost),
        End::Released(usage) => {
            let free = if limits.is_cached_input_free() { usage.cached_input_tokens() } else { 0 };
            let output = if keeps_most(limits) { cost.max_output_tokens() } else { usage.output_tokens() };
            of(limits, unit, usage.input_tokens() - free, output)
        }
        // The prompt was read, output is not charged.
        End::Refused(Verdict::Rejected) => of(limits, unit, cost.input_tokens(), 0),
        End::Refused(_) => u64::from(unit == Unit::Requests),
    }
}

/// Whether the provider knows the price only when the answer is complete.
pub(crate) fn is_late(limits: &Limits, unit: Unit) -> bool {
    match unit {
        Unit::Tokens => limits.charge_rule() == Charge::Usage,
        Unit::OutputTokens => !keeps_most(limits),
        _ => false,
    }
}
