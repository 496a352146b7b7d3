//! What the plain numbers of an operation stand for in the state that it meets.

use std::time::Duration;

use tollgate::{AccountProblem, Cost, Hit, ModelProblem, Overload, Unit, Usage, Verdict};

use crate::books::Charge;
use crate::budget::Budget;
use crate::op::{No, Size, Used, Wait};
use crate::world::World;

pub(crate) fn share(of: u64, parts: u8) -> u64 {
    of * u64::from(parts) / 255
}

impl World {
    pub(crate) fn size(&self, charge: &Charge, size: Size) -> u64 {
        let near = |n: i128, off: i8| u64::try_from(n + i128::from(off % 2)).unwrap_or(0);
        let of = |which: u8| {
            let amounts = self.books.amounts(charge);
            let tokens = |it: &&(usize, usize, u64)| {
                let unit = self.books.in_scope(it.0)[it.1].quota().unit();
                !matches!(unit, Unit::Requests | Unit::InFlight)
            };
            let found: Vec<_> = amounts.iter().filter(tokens).collect();
            pick(which, found.len()).map(|i| &self.books.in_scope(found[i].0)[found[i].1])
        };
        match size {
            Size::Few(tokens) => u64::from(tokens % 12),
            Size::Share(parts) => {
                let all = self.books.budgets().map(Budget::quota);
                let tokens = all.filter(|quota| !matches!(quota.unit(), Unit::Requests | Unit::InFlight));
                tokens.map(|quota| quota.capacity()).min().unwrap_or(100) * u64::from(parts % 12) / 16
            }
            Size::Left(which, off) => of(which).map_or(0, |budget| {
                let now = self.time.now();
                near(budget.remaining(now, (now, u64::MAX)).1, off)
            }),
            Size::Most(which, off) => {
                of(which).map_or(0, |budget| near(budget.quota().capacity().into(), off))
            }
        }
    }

    pub(crate) fn length(&self, wait: Wait) -> Duration {
        let budget = |which: u8| {
            let all: Vec<&Budget> = self.books.budgets().collect();
            all[usize::from(which) % all.len()]
        };
        let grain = i128::from(self.grain());
        let period =
            |budget: &Budget| budget.quota().window().period().map_or(0, |period| period.as_nanos() as i128);
        let length = match wait {
            Wait::Nanos(nanos) => i128::from(nanos),
            Wait::Millis(millis) => i128::from(millis) * 1_000_000,
            Wait::Share(which, parts) => period(budget(which)) * i128::from(parts) / 255,
            Wait::Edge { budget: which, which: units, off } => {
                budget(which).edge(units, self.time.now()) + i128::from(off % 3) * grain
            }
            Wait::Told(off) => self.told.as_nanos() as i128 + i128::from(off % 3) * grain,
            Wait::Minutes(minutes) => i128::from(minutes % 16) * 60_000_000_000,
            Wait::Day => 86_400_000_000_000,
        };
        let whole = if grain > 1 { (length + grain - 1).div_euclid(grain) * grain } else { length };
        Duration::from_nanos(u64::try_from(whole).unwrap_or(0))
    }
}

/// Where in a list a number points.
pub(crate) fn pick(number: u8, len: usize) -> Option<usize> {
    (len > 0).then(|| usize::from(number) % len)
}

impl Used {
    pub(crate) fn of(self, cost: &Cost) -> Usage {
        let (input, output) = (cost.input_tokens(), cost.max_output_tokens());
        match self {
            Used::AsReserved => Usage::new(input, output),
            Used::Less(of_input, of_output, cached) => {
                let input = share(input, of_input);
                Usage::new(input, share(output, of_output)).cached_input(share(input, cached))
            }
            Used::More(of_input, of_output) => {
                Usage::new(input + u64::from(of_input % 64), output + u64::from(of_output % 64))
            }
        }
    }
}

impl No {
    pub(crate) fn verdict(self) -> Verdict {
        let wait = |tenths: Option<u8>| tenths.map(|tenths| Duration::from_millis(u64::from(tenths) * 100));
        match self {
            No::RateLimited(retry, unit) => {
                let unit = unit.map(|tokens| if tokens { Unit::Tokens } else { Unit::Requests });
                let hit = Hit { unit, ..Hit::default() };
                Verdict::RateLimited { hit, retry_after: wait(retry), futile: false }
            }
            No::Overloaded(retry) => {
                Verdict::Overloaded { cause: Overload::Capacity, retry_after: wait(retry) }
            }
            No::TooLarge => Verdict::too_large(),
            No::Account => Verdict::Account { problem: AccountProblem::Credit, until: None },
            No::Model => Verdict::Model { problem: ModelProblem::Forbidden },
            No::Rejected => Verdict::Rejected,
            No::Failed => Verdict::Failed,
        }
    }
}
