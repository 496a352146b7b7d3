//! throttle-net as its cookbook says: one `MultiLimiter`, calls admitted on the most they may cost and settled with what they
//! used, and every answer's header fields brought into it.

use std::sync::Arc;
use std::time::Duration;

use throttle_net::provider::{HeaderProfile, RateLimitInfo};
use throttle_net::{MultiLimiter, SlidingWindowLog, Throttle, TokioClock};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tollgate_sim::{ChargeRule, ErrorAnswer, LawKind};

use crate::contenders::{Admission, Contender, Pass, back_off, most, slot, slots};
use crate::scenarios::Scenario;
use crate::traces::Call;

#[derive(Debug)]
pub(crate) struct ThrottleNet {
    limiter: MultiLimiter,
    slots: Option<Arc<Semaphore>>,
    charge: ChargeRule,
    has_day: bool,
}

/// What a call pays, by the dimensions' names.
type Costs = Vec<(&'static str, u32)>;

struct Paid {
    limiter: MultiLimiter,
    costs: Costs,
    charge: ChargeRule,
    has_day: bool,
    _slot: Option<OwnedSemaphorePermit>,
}

impl ThrottleNet {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let config = &scenario.config;
        let narrow =
            |limit: Option<u64>| limit.map(|limit| u32::try_from(limit).expect("the limits are small"));
        let mut limiter = MultiLimiter::builder();
        for (name, limit) in [("requests", narrow(config.rpm)), ("tokens", narrow(config.tpm))] {
            let limit = limit.expect("all scenarios limit requests and tokens");
            limiter = match config.law {
                LawKind::Sliding => limiter
                    .dimension(name, SlidingWindowLog::new(limit, config.minute).with_clock(TokioClock)),
                // It has no windows that follow the clock.
                LawKind::Refill | LawKind::Fixed => limiter
                    .dimension(name, Throttle::per_duration(limit, config.minute).with_clock(TokioClock)),
            };
        }
        if let Some(limit) = narrow(config.tpd) {
            limiter =
                limiter.dimension("day", Throttle::per_duration(limit, config.day).with_clock(TokioClock));
        }
        ThrottleNet {
            limiter: limiter.build(),
            slots: slots(scenario),
            charge: config.charge,
            has_day: config.tpd.is_some(),
        }
    }
}

fn costs(tokens: u32, has_day: bool) -> Costs {
    let mut costs = vec![("requests", 1), ("tokens", tokens)];
    if has_day {
        costs.push(("day", tokens));
    }
    costs
}

impl Contender for ThrottleNet {
    fn admit(&self, call: &Call) -> Admission {
        let &ThrottleNet { charge, has_day, .. } = self;
        let costs = costs(most(charge, call), has_day);
        let (limiter, slots) = (self.limiter.clone(), self.slots.clone());
        Box::pin(async move {
            let slot = slot(slots).await;
            limiter.acquire_costs(&costs).await.expect("every call fits");
            Box::new(Paid { limiter, costs, charge, has_day, _slot: slot }) as Box<dyn Pass>
        })
    }
}

impl Paid {
    fn settle(&self, tokens: u64) {
        let used = costs(u32::try_from(tokens).expect("no call is so large"), self.has_day);
        self.limiter.settle_costs(&self.costs, &used);
    }
}

impl Pass for Paid {
    fn head(&mut self, fields: &[(String, String)]) {
        read(fields).sync_multi(&self.limiter);
    }

    fn answered(self: Box<Self>, call: &Call, output: u64) {
        if self.charge == ChargeRule::RealUsage {
            self.settle(call.input + output);
        }
    }

    /// A refused call has cost no tokens.
    fn refused(self: Box<Self>, call: &Call, answer: &ErrorAnswer, tried: u32) -> Duration {
        self.settle(0);
        let info = read(&answer.headers);
        info.sync_multi(&self.limiter);
        info.retry_after.unwrap_or_else(|| back_off(call, tried))
    }
}

fn read(fields: &[(String, String)]) -> RateLimitInfo {
    let fields: Vec<(&str, &str)> =
        fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    HeaderProfile::OPENAI.parse(&fields)
}
