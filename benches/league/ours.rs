//! tollgate as its README says: default settings, each head observed, each call settled.

use std::time::Duration;

use serde_json::json;
use tollgate::estimate::{Encoding, Estimate, Estimator, Forecast, TokenCounter};
use tollgate::{Charge, Cost, Limiter, Limits, Model, Permit, Priority, Quota, Retry, Unit, Usage, Verdict};
use tollgate_sim::{ChargeRule, Config, ErrorAnswer, LawKind};

use crate::contenders::{Admission, Contender, Pass, back_off};
use crate::drive::MODEL;
use crate::scenarios::Scenario;
use crate::traces::Call;

#[derive(Debug)]
pub(crate) struct Tollgate {
    model: Model,
    /// Where the provider charges what was used: says what answers probably hold.
    estimator: Option<Estimator>,
}

/// For requests without texts.
struct NoTexts;

impl TokenCounter for NoTexts {
    fn count(&self, text: &str, _: Encoding) -> u64 {
        unreachable!("no text is counted: {text}")
    }
}

struct Permitted {
    permit: Permit,
    learns: Option<(Estimator, Estimate)>,
}

impl Tollgate {
    /// One that expects answers to be as long as this percentage of the recent ones, where that matters.
    pub(crate) fn new(scenario: &Scenario, percentile: u8) -> Self {
        let limiter = Limiter::builder().model(MODEL, limits(&scenario.config)).build();
        let model = limiter.expect("the limits are valid").model(MODEL).expect("it was just given");
        // Prompts are told as numbers of tokens, so no vocabulary is needed.
        let forecast = Forecast::Learned { percentile };
        let estimator = || Estimator::builder().counter(NoTexts).forecast(forecast).build();
        let estimator = (!scenario.is_known()).then(estimator);
        Tollgate { model, estimator }
    }
}

fn limits(config: &Config) -> Limits {
    let window = |law, unit, limit, period| match law {
        LawKind::Refill => Quota::refill(unit, limit, period),
        LawKind::Fixed => Quota::fixed(unit, limit, period),
        LawKind::Sliding => Quota::sliding(unit, limit, period),
    };
    let quotas = [
        config.rpm.map(|limit| window(config.law, Unit::Requests, limit, config.minute)),
        config.tpm.map(|limit| window(config.law, Unit::Tokens, limit, config.minute)),
        config.tpd.map(|limit| window(config.day_law, Unit::Tokens, limit, config.day)),
        config.concurrency.map(Quota::concurrency),
    ];
    let charge = match config.charge {
        ChargeRule::InputOnly => Charge::InputOnly,
        ChargeRule::InputPlusMaxOutput => Charge::InputPlusMaxOutput,
        ChargeRule::RealUsage => Charge::Usage,
    };
    quotas.into_iter().flatten().fold(Limits::new(), Limits::with).charge(charge)
}

impl Contender for Tollgate {
    fn admit(&self, call: &Call) -> Admission {
        let priority = if call.interactive { Priority::High } else { Priority::Normal };
        let (model, estimator) = (self.model.clone().priority(priority), self.estimator.clone());
        let known = Cost::input(call.input).max_output(call.max_output);
        // A prompt of so many tokens, none of which needs to be counted.
        let prompt = vec![1; estimator.as_ref().map_or(0, |_| call.input as usize)];
        let body = json!({ "model": MODEL, "prompt": prompt, "max_tokens": call.max_output });
        Box::pin(async move {
            let learns = match estimator {
                None => None,
                Some(estimator) => {
                    let estimate = estimator.request(&body).await.expect("the body is a request");
                    Some((estimator, estimate))
                }
            };
            let cost = learns.as_ref().map_or(known, |(_, estimate)| estimate.cost());
            let permit = model.acquire(cost).await.expect("within the limits, and it may wait");
            Box::new(Permitted { permit, learns }) as Box<dyn Pass>
        })
    }
}

impl Pass for Permitted {
    fn head(&mut self, fields: &[(String, String)]) {
        self.permit.observe(200_u16, fields);
    }

    fn answered(self: Box<Self>, call: &Call, output: u64) {
        let usage = Usage::new(call.input, output);
        if let Some((estimator, estimate)) = &self.learns {
            estimator.learn(estimate, &usage);
        }
        let _settled = self.permit.release(usage);
    }

    fn refused(self: Box<Self>, call: &Call, answer: &ErrorAnswer, tried: u32) -> Duration {
        let (status, fields) = (answer.status, answer.headers.as_slice());
        let verdict = Verdict::of_answer(status, fields, Some(answer.body.as_bytes())).expect("a refusal");
        self.permit.observe(status, fields);
        let _settled = self.permit.refused(verdict);
        match verdict.retry() {
            Retry::After(wait) => wait,
            Retry::BackOff | Retry::No => back_off(call, tried),
        }
    }
}
