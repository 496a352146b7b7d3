//! Metrics for the [`metrics`](https://docs.rs/metrics) facade (feature `metrics`).
//!
//! [`Metrics`] counts what becomes of calls as they come and go; [`record_levels`] reads the budgets when somebody asks for
//! them. A program chooses the recorder: Prometheus, StatsD, OpenTelemetry.
//!
//! # Names
//!
//! They follow OpenTelemetry's rules (dots between names, underscores within, units by UCUM), and so do exporters'
//! translations: in Prometheus `tollgate.queue.wait` is `tollgate_queue_wait`. OpenTelemetry has names for the model
//! (`gen_ai.request.model`) and for kinds of failures (`error.type`), which are taken; it has none for limits that a
//! client keeps (semantic conventions, read November 2026; the nearest, `aspnetcore.rate_limiting`, is about servers). Its
//! `gen_ai.client.token.usage` demands the operation and the provider, which a limiter does not know: it is left
//! to the client that sends the call.
//!
//! | name | kind, unit | labels | what it tells |
//! |---|---|---|---|
//! | `tollgate.queue.wait` | histogram, s | model | how long calls waited for leave, those that had not to included; of admitted ones |
//! | `tollgate.queue.refusals` | counter, {call} | model, error | calls that got no leave |
//! | `tollgate.calls` | counter, {call} | model, end | calls that are over |
//! | `tollgate.provider.refusals` | counter, {call} | model, error | calls that the provider refused; `rate_limited` are the 429s |
//! | `tollgate.settlement.ratio` | histogram, 1 | model | tokens charged in the end for each one reserved: 1 is a right estimate, 0.2 one five times too large; of released calls |
//! | `tollgate.settlement.unused` | counter, {token} | model | tokens that were reserved and came back; of released calls |
//! | `tollgate.settlement.overrun` | counter, {token} | model | tokens charged beyond what was reserved; of released calls |
//! | `tollgate.closings` | counter, {closing} | scope, budget | budgets that were shut because the provider refused a call |
//! | `tollgate.budget.limit` | gauge, the budget's | scope, budget | what the provider promises, as it is known now |
//! | `tollgate.budget.remaining` | gauge, the budget's | scope, budget | what is left; below zero is debt |
//! | `tollgate.budget.reserved` | gauge, the budget's | scope, budget | what calls have taken that are still out |
//! | `tollgate.budget.debt` | gauge, the budget's | scope, budget | what has to flow back before anything is left |
//! | `tollgate.queue.length` | gauge, {call} | | calls that wait, over all models |
//!
//! | label | values |
//! |---|---|
//! | model: `gen_ai.request.model` | the name or pattern under which the model's limits were given, so that there are no more than these |
//! | error: `error.type` | no leave: `not_yet`, `exceeds_quota`, `prompt_too_long`, `stopped`, `queue_full`, and `given_up` for calls that were dropped while they waited; from the provider: `rate_limited`, `overloaded`, `too_large`, `account`, `model`, `rejected`, `failed` |
//! | end: `tollgate.end` | `released`, `refused`, `broken` (refused in the middle of a stream), `cancelled`, `lost` |
//! | scope: `tollgate.scope` | `model gpt-4o-mini`, `group openai`, `tenant alice of group openai` |
//! | budget: `tollgate.budget` | `rpm`, `tpm`, `tpd`, `concurrency`; others by unit and period: `tokens_per_10s` |
//!
//! "Tokens" in settlements are those of the model's charge rule, whether or not it has a budget of tokens.
//! Gauges of a budget that was removed keep their last value, since the facade cannot take one back. They are told apart by
//! scope and budget: of several limiters in one process, the one that was recorded last is shown.
//!
//! # What does it cost?
//!
//! Without the feature, nothing. Without [`Limiter::add_observer`], a call looks twice whether somebody observes: 16
//! instructions of 1,150. With it, each call makes its labels and finds its metrics in the recorder by name.
//!
//! # Example: metrics of every call, and gauges when they are read
//!
//! ```
//! use tollgate::{Cost, Limiter, Limits, Usage, metrics};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // let prometheus = metrics_exporter_prometheus::PrometheusBuilder::new().install_recorder()?;
//! metrics::describe();
//! let limiter = Limiter::builder().model("gpt-4o-mini", Limits::new().rpm(500).tpm(200_000)).build()?;
//! limiter.add_observer(metrics::Metrics);
//!
//! let permit = limiter.acquire("gpt-4o-mini", Cost::input(1_200).max_output(500)).await?;
//! permit.release(Usage::new(1_187, 212)).await;
//!
//! metrics::record_levels(&limiter); // when it is scraped
//! // prometheus.render()
//! # Ok(()) }
//! ```

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::event::Event;
use crate::ledger::End;
use crate::limiter::Limiter;
use crate::observe::{Asking, Decision, Ended, Kept, Observer};
use crate::quota::Quota;

const MODEL: &str = "gen_ai.request.model";
const ERROR: &str = "error.type";
const END: &str = "tollgate.end";
const SCOPE: &str = "tollgate.scope";
const BUDGET: &str = "tollgate.budget";

const WAIT: &str = "tollgate.queue.wait";
const LENGTH: &str = "tollgate.queue.length";
const REFUSALS: &str = "tollgate.queue.refusals";
const CALLS: &str = "tollgate.calls";
const PROVIDER_REFUSALS: &str = "tollgate.provider.refusals";
const RATIO: &str = "tollgate.settlement.ratio";
const UNUSED: &str = "tollgate.settlement.unused";
const OVERRUN: &str = "tollgate.settlement.overrun";
const CLOSINGS: &str = "tollgate.closings";
const LIMIT: &str = "tollgate.budget.limit";
const REMAINING: &str = "tollgate.budget.remaining";
const RESERVED: &str = "tollgate.budget.reserved";
const DEBT: &str = "tollgate.budget.debt";

/// Tells the `metrics` facade what becomes of calls; for [`Limiter::add_observer`](crate::Limiter::add_observer).
///
/// The recorder that is installed when something happens is told, so it may come later.
#[derive(Clone, Copy, Debug, Default)]
pub struct Metrics;

impl Observer for Metrics {
    fn decided(&self, call: &Asking<'_>, decision: Decision<'_>, waited: Duration, _: Option<Kept>) {
        let model = call.model.to_owned();
        match decision.error_type() {
            None => histogram!(WAIT, MODEL => model).record(waited),
            Some(error) => counter!(REFUSALS, MODEL => model, ERROR => error).increment(1),
        }
    }

    fn ended(&self, call: &Ended<'_>) {
        let model = || call.model.to_owned();
        let end = match call.end {
            End::Released(_) => "released",
            End::Refused(_) => "refused",
            End::Broken(..) => "broken",
            End::Cancelled => "cancelled",
            End::Lost => "lost",
        };
        counter!(CALLS, MODEL => model(), END => end).increment(1);
        if let Some(error) = call.error_type() {
            counter!(PROVIDER_REFUSALS, MODEL => model(), ERROR => error).increment(1);
        }
        if let End::Released(_) = call.end {
            let (reserved, charged) = (call.reserved, call.charged);
            if reserved > 0 {
                histogram!(RATIO, MODEL => model()).record(charged as f64 / reserved as f64);
            }
            counter!(UNUSED, MODEL => model()).increment(reserved.saturating_sub(charged));
            counter!(OVERRUN, MODEL => model()).increment(charged.saturating_sub(reserved));
        }
    }

    fn happened(&self, event: &Event) {
        if let Event::Closed { scope, quota, .. } = event {
            counter!(CLOSINGS, SCOPE => scope.clone(), BUDGET => budget(quota)).increment(1);
        }
    }
}

/// Sets the gauges of every budget, and of the queue: call it when they are to be read.
pub fn record_levels(limiter: &Limiter) {
    for level in limiter.levels() {
        let labels = [(SCOPE, level.scope), (BUDGET, budget(&level.quota))];
        gauge!(LIMIT, &labels).set(level.quota.limit() as f64);
        gauge!(REMAINING, &labels).set(level.remaining as f64);
        gauge!(RESERVED, &labels).set(level.reserved as f64);
        gauge!(DEBT, &labels).set(level.remaining.min(0).unsigned_abs() as f64);
    }
    gauge!(LENGTH).set(limiter.waiting() as f64);
}

/// Tells the recorder that is installed what each name means: once, at the start of a program.
pub fn describe() {
    describe_histogram!(WAIT, Unit::Seconds, "How long admitted calls waited for leave");
    describe_gauge!(LENGTH, Unit::Count, "Calls that wait for leave");
    describe_counter!(REFUSALS, Unit::Count, "Calls that got no leave, by the reason");
    describe_counter!(CALLS, Unit::Count, "Calls that are over, by how they ended");
    describe_counter!(PROVIDER_REFUSALS, Unit::Count, "Calls that the provider refused, by the reason");
    describe_histogram!(RATIO, "Tokens charged for each one that was reserved");
    describe_counter!(UNUSED, Unit::Count, "Tokens that were reserved and came back");
    describe_counter!(OVERRUN, Unit::Count, "Tokens charged beyond what was reserved");
    describe_counter!(CLOSINGS, Unit::Count, "Budgets shut because the provider refused a call");
    describe_gauge!(LIMIT, "What the provider promises, in the budget's unit");
    describe_gauge!(REMAINING, "What is left of the budget; below zero is debt");
    describe_gauge!(RESERVED, "What calls that are out have taken of the budget");
    describe_gauge!(DEBT, "What has to flow back before anything is left of the budget");
}

/// `tpm`, `tokens_per_10s`.
fn budget(quota: &Quota) -> String {
    match (quota.abbreviation(), quota.window().period()) {
        (Some(name), _) => name.to_lowercase(),
        (None, period) => {
            let unit = quota.unit().noun().replace(' ', "_");
            let period = period.map(|period| humantime::format_duration(period).to_string().replace(' ', ""));
            period.map_or(unit.clone(), |period| format!("{unit}_per_{period}"))
        }
    }
}
