//! What a call takes of each unit and what it has cost, read off the documents of the charge rules
//! and verdicts.

use super::super::End;
use crate::provider::Verdict;
use crate::quota::{Charge, Cost, Unit};

/// What a call takes of a unit when it is admitted.
pub(super) fn reserve(rule: Charge, unit: Unit, cost: &Cost) -> u64 {
    match unit {
        Unit::Requests | Unit::InFlight => 1,
        Unit::Tokens if rule == Charge::InputOnly => cost.input_tokens(),
        Unit::Tokens => cost.input_tokens().saturating_add(cost.max_output_tokens()),
        Unit::InputTokens => cost.input_tokens(),
        Unit::OutputTokens => cost.max_output_tokens(),
    }
}

/// What a call has cost of a unit in the end.
pub(super) fn price(rule: Charge, unit: Unit, cost: &Cost, end: &End) -> u64 {
    if unit == Unit::InFlight {
        return 0;
    }
    let used = |input: u64, output: u64| match unit {
        Unit::Requests | Unit::InFlight => 1,
        Unit::Tokens if rule == Charge::InputOnly => input,
        Unit::Tokens => input.saturating_add(output),
        Unit::InputTokens => input,
        Unit::OutputTokens => output,
    };
    match end {
        End::Released(usage) if rule == Charge::InputPlusMaxOutput => {
            used(usage.input_tokens(), cost.max_output_tokens())
        }
        End::Released(usage) => used(usage.input_tokens(), usage.output_tokens()),
        End::Lost | End::Refused(Verdict::Failed) => reserve(rule, unit, cost),
        End::Refused(Verdict::Rejected) => used(cost.input_tokens(), 0),
        End::Refused(_) => used(0, 0),
        End::Cancelled => 0,
    }
}

/// Whether the provider may charge a unit as late as at the end of the answer.
pub(super) fn late(rule: Charge, unit: Unit) -> bool {
    match unit {
        Unit::Tokens => rule == Charge::Usage,
        Unit::OutputTokens => rule != Charge::InputPlusMaxOutput,
        _ => false,
    }
}
