//! The spans and events that `tracing` is told of.

#![cfg(feature = "tracing")]

use std::fmt::{Debug, Write};
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tollgate::tracing::Spans;
use tollgate::{Cost, Limiter, Limits, Quota, Unit, Usage, Verdict};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

const M: &str = "gpt-4o-mini";

/// Writes a line for each span that closes and for each event.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

/// ` name=value` for each field.
#[derive(Default)]
struct Fields(String);

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        write!(self.0, " {}={value:.2}", field.name()).unwrap();
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        context.span(id).unwrap().extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        values.record(context.span(id).unwrap().extensions_mut().get_mut::<Fields>().unwrap());
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let parent = context.event_span(event).map_or("", |span| span.name());
        let (level, target) = (event.metadata().level(), event.metadata().target());
        self.0.lock().unwrap().push(format!("{level} {target} in {parent:?}{}", fields.0));
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let span = context.span(&id).unwrap();
        let parent = span.parent().map_or("", |parent| parent.name());
        let extensions = span.extensions();
        let fields = &extensions.get::<Fields>().unwrap().0;
        self.0.lock().unwrap().push(format!("{} in {parent:?}{fields}", span.name()));
    }
}

/// Runs a story under paused time; gives the lines.
fn tell<F: Future<Output = ()>>(story: F) -> Vec<String> {
    let lines = Lines::default();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let subscriber = tracing_subscriber::registry().with(lines.clone());
    tracing::subscriber::with_default(subscriber, || runtime.block_on(story));
    std::mem::take(&mut *lines.0.lock().unwrap())
}

fn limiter() -> Limiter {
    let quota = Quota::refill(Unit::Tokens, 1_000, Duration::from_secs(10)).guard(Duration::ZERO);
    let limiter = Limiter::builder().model(M, Limits::new().with(quota)).build().unwrap();
    limiter.add_observer(Spans);
    limiter
}

#[test]
fn a_call_that_asks_for_leave_is_a_span_with_its_wait() {
    let limiter = limiter();
    let lines = tell(async {
        limiter
            .acquire(M, Cost::input(700).max_output(300))
            .await
            .unwrap()
            .release(Usage::new(1_000, 0))
            .await;
        let work = tracing::info_span!("work");
        let second = tracing::Span::in_scope(&work, || {
            let mut second = Box::pin(limiter.acquire(M, Cost::input(200)));
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(second.as_mut().poll(&mut context).is_pending());
            second
        });
        second.await.unwrap().release(Usage::new(200, 0)).await;
    });
    let model = format!("gen_ai.request.model=\"{M}\"");
    let empty = "\"\"";
    assert_eq!(
        lines[..2],
        [
            format!(
                "tollgate.acquire in {empty} {model} tollgate.cost.input=700 tollgate.cost.max_output=300 tollgate.wait=0.00"
            ),
            format!(
                "tollgate.acquire in \"work\" {model} tollgate.cost.input=200 tollgate.cost.max_output=0 tollgate.wait=2.00"
            ),
        ]
    );
}

#[test]
fn a_call_without_leave_says_why_in_its_span_and_in_words() {
    let limiter = limiter();
    let lines = tell(async {
        assert!(limiter.acquire(M, Cost::input(2_000)).await.is_err());
        limiter.acquire(M, Cost::input(1_000)).await.unwrap().release(Usage::new(1_000, 0)).await;
        assert!(limiter.try_acquire(M, Cost::input(10)).is_err());
        let given_up = limiter.acquire(M, Cost::input(500));
        assert!(tokio::time::timeout(Duration::from_secs(1), given_up).await.is_err());
    });
    assert_eq!(lines.len(), 6, "{lines:#?}");
    assert!(lines[0].starts_with("WARN tollgate in \"tollgate.acquire\""), "{}", lines[0]);
    assert!(lines[0].contains("error=gpt-4o-mini: the call costs 2000 tokens"), "{}", lines[0]);
    assert!(lines[1].ends_with("tollgate.wait=0.00 error.type=\"exceeds_quota\""), "{}", lines[1]);
    assert!(lines[3].starts_with("DEBUG tollgate in \"tollgate.acquire\""), "{}", lines[3]);
    assert!(lines[4].ends_with("error.type=\"not_yet\""), "{}", lines[4]);
    assert!(lines[5].ends_with("tollgate.wait=1.00 error.type=\"given_up\""), "{}", lines[5]);
}

#[test]
fn a_refusal_and_the_closing_it_brings_are_events() {
    let limiter = limiter();
    let lines = tell(async {
        let permit = limiter.acquire(M, Cost::input(10)).await.unwrap();
        permit.refused(Verdict::rate_limited(Some(Duration::from_secs(7)))).await;
        tokio::time::sleep(Duration::from_secs(8)).await;
        let permit = limiter.acquire(M, Cost::input(10)).await.unwrap();
        permit.observe(200_u16, &[("x-request-id", "1")]);
        permit.release(Usage::new(10, 0)).await;
    });
    let events: Vec<&String> = lines.iter().filter(|line| !line.starts_with("tollgate.acquire")).collect();
    assert_eq!(events.len(), 3, "{events:#?}");
    assert!(events[0].starts_with("WARN ") && events[0].contains("closed for 7s"), "{}", events[0]);
    assert!(
        events[1].starts_with("WARN ") && events[1].contains("error.type=\"rate_limited\""),
        "{}",
        events[1]
    );
    assert!(events[2].starts_with("INFO ") && events[2].contains("is open again"), "{}", events[2]);
}
