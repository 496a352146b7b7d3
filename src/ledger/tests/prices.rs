//! What a call takes of each unit and what it has cost, read off the documents of the charge rules
//! and verdicts.

use super::super::End;
use crate::provider::Verdict;
use crate::quota::{Charge, Cost, Rule, Unit, Usage};

/// What a call counts where input and output meet in one budget.
fn together(rule: Rule, input: u64, output: u64) -> u64 {
    let weighed = (u128::from(output) * u128::from(rule.output_weight)).min(u128::from(u64::MAX)) as u64;
    match rule.charge {
        Charge::Usage | Charge::InputPlusMaxOutput => input.saturating_add(weighed),
        Charge::LargerOfInputAndMaxOutput if input >= weighed => input,
        Charge::LargerOfInputAndMaxOutput => weighed,
        Charge::InputOnly => input,
    }
}

fn takes_the_cap(rule: Rule) -> bool {
    rule.charge == Charge::InputPlusMaxOutput || rule.charge == Charge::LargerOfInputAndMaxOutput
}

/// What the provider counts of the prompt.
fn counted(rule: Rule, usage: &Usage) -> u64 {
    let fresh = usage.input_tokens().saturating_sub(usage.cached_input_tokens());
    if rule.cached_is_free { fresh } else { usage.input_tokens() }
}

/// What a call takes of a unit when it is admitted.
pub(super) fn reserve(rule: Rule, unit: Unit, cost: &Cost) -> u64 {
    match unit {
        Unit::Requests | Unit::InFlight => 1,
        Unit::Tokens => together(rule, cost.input_tokens(), cost.max_output_tokens()),
        Unit::InputTokens => cost.input_tokens(),
        Unit::OutputTokens => cost.max_output_tokens(),
    }
}

/// What a call has cost of a unit in the end.
pub(super) fn price(rule: Rule, unit: Unit, cost: &Cost, end: &End) -> u64 {
    if unit == Unit::InFlight {
        return 0;
    }
    let used = |input: u64, output: u64| match unit {
        Unit::Requests | Unit::InFlight => 1,
        Unit::Tokens => together(rule, input, output),
        Unit::InputTokens => input,
        Unit::OutputTokens => output,
    };
    match end {
        End::Released(usage) | End::Broken(_, usage) if takes_the_cap(rule) => {
            used(counted(rule, usage), cost.max_output_tokens())
        }
        End::Released(usage) | End::Broken(_, usage) => used(counted(rule, usage), usage.output_tokens()),
        End::Lost | End::Refused(Verdict::Failed) => reserve(rule, unit, cost),
        End::Refused(Verdict::Rejected) => used(cost.input_tokens(), 0),
        End::Refused(_) => used(0, 0),
        End::Cancelled => 0,
    }
}

/// Whether the provider may charge a unit as late as at the end of the answer.
pub(super) fn late(rule: Rule, unit: Unit) -> bool {
    match unit {
        Unit::Tokens => rule.charge == Charge::Usage,
        Unit::OutputTokens => !takes_the_cap(rule),
        _ => false,
    }
}
