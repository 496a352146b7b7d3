//! Spans and events for [`tracing`](https://docs.rs/tracing) (feature `tracing`), with the target `tollgate`.
//!
//! # The span `tollgate.acquire`
//!
//! Level `INFO`, from the first poll of a call that asks for leave until that is decided, as a child of the span in which
//! it was polled. It is not entered: what the call waits for happens elsewhere.
//!
//! | field | what it tells |
//! |---|---|
//! | `gen_ai.request.model` | the name or pattern under which the model's limits were given |
//! | `tollgate.cost.input` | tokens of the prompt |
//! | `tollgate.cost.max_output` | the most tokens that the answer may hold |
//! | `tollgate.wait` | seconds until it was decided |
//! | `error.type` | where it got no leave: the reason, as in `tollgate::metrics`; `given_up` where it was dropped |
//!
//! # Events
//!
//! | level | message | fields |
//! |---|---|---|
//! | `WARN` | `no leave` | `gen_ai.request.model`, `error.type`, and `error`: the reason in words |
//! | `DEBUG` | `no leave` | the same, where the call was not to wait so long (`not_yet`) |
//! | `WARN` | `the provider refused a call` | `gen_ai.request.model`, `error.type`, and `error`: its verdict in words |
//! | `WARN` | `closed` | `event`: an [`Event`] in words, by which a budget or the account was shut |
//! | `INFO` | `changed` | `event`: any other [`Event`] in words |
//!
//! # Example: spans of every call
//!
//! ```
//! use tollgate::{Limiter, Limits, tracing::Spans};
//!
//! let limiter = Limiter::builder().model("gpt-4o-mini", Limits::new().rpm(500).tpm(200_000)).build()?;
//! limiter.add_observer(Spans);
//! # Ok::<(), tollgate::BuildError>(())
//! ```

use std::time::Duration;

use tracing::field::Empty;
use tracing::{Span, debug, info, info_span, warn};

use crate::error::AcquireError;
use crate::event::Event;
use crate::observe::{Asking, Decision, Ended, Kept, Observer};

const TARGET: &str = "tollgate";

/// Makes spans and events of what becomes of calls; for [`Limiter::add_observer`](crate::Limiter::add_observer).
#[derive(Clone, Copy, Debug, Default)]
pub struct Spans;

impl Observer for Spans {
    fn asks(&self, call: &Asking<'_>) -> Option<Kept> {
        let span = info_span!(
            target: TARGET,
            "tollgate.acquire",
            gen_ai.request.model = call.model,
            tollgate.cost.input = call.cost.input_tokens(),
            tollgate.cost.max_output = call.cost.max_output_tokens(),
            tollgate.wait = Empty,
            "error.type" = Empty,
        );
        let kept = || -> Kept { Box::new(span.clone()) };
        (!span.is_disabled()).then(kept)
    }

    fn decided(&self, call: &Asking<'_>, decision: Decision<'_>, waited: Duration, kept: Option<Kept>) {
        let span = kept.and_then(|kept| kept.downcast().ok()).map_or_else(Span::none, |span| *span);
        span.record("tollgate.wait", waited.as_secs_f64());
        let Some(kind) = decision.error_type() else { return };
        span.record("error.type", kind);
        let Decision::Refused(error) = decision else { return };
        let model = call.model;
        match error {
            AcquireError::NotYet(_) => {
                span.in_scope(|| debug!(target: TARGET, { gen_ai.request.model = model, "error.type" = kind, %error }, "no leave"));
            }
            _ => {
                span.in_scope(|| warn!(target: TARGET, { gen_ai.request.model = model, "error.type" = kind, %error }, "no leave"));
            }
        }
    }

    fn ended(&self, call: &Ended<'_>) {
        if let Some(verdict) = call.end.verdict() {
            let (model, kind) = (call.model, call.error_type());
            warn!(
                target: TARGET,
                { gen_ai.request.model = model, "error.type" = kind, error = %verdict },
                "the provider refused a call"
            );
        }
    }

    fn happened(&self, event: &Event) {
        match event {
            Event::Closed { .. } | Event::Stopped { .. } => {
                warn!(target: TARGET, %event, "closed");
            }
            _ => info!(target: TARGET, %event, "changed"),
        }
    }
}
