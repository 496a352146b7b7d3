//! Services behind the layer: who waits for whom, when calls are settled, and that nothing is changed.
#![cfg(feature = "tower")]

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures::stream;
use http::{HeaderMap, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody};
use tollgate::tower::{Ask, Tollgate, TollgateLayer};
use tollgate::{AcquireError, Cost, Limiter, Limits, Priority, Quota, Unit};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};

const M: &str = "gpt-4o-mini";
const TOKENS: i64 = 1_000_000;
const SLOTS: i64 = 2;
const USED: &str = "{\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":7}}";

#[derive(Clone, Debug)]
struct Chat;

fn limiter() -> Limiter {
    let tokens = Quota::sliding(Unit::Tokens, TOKENS as u64, Duration::from_secs(60));
    Limiter::builder().model(M, Limits::new().with(tokens).concurrency(SLOTS as u64)).build().unwrap()
}

fn ask(_: &Chat) -> Ask {
    Ask::new(M, Cost::input(100).max_output(300))
}

/// What the books hold against the calls, and how many are out.
fn charged(limiter: &Limiter) -> (i64, i64) {
    let snapshot = limiter.snapshot();
    let budgets = &snapshot.scopes()[0].budgets;
    let left = |unit| budgets.iter().find(|budget| budget.quota.unit() == unit).unwrap().remaining;
    (TOKENS - left(Unit::Tokens), SLOTS - left(Unit::InFlight))
}

type Frames = Vec<Result<Frame<Bytes>, io::Error>>;

fn data(text: &'static str) -> Result<Frame<Bytes>, io::Error> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

fn body_of(frames: Frames) -> impl Body<Data = Bytes, Error = io::Error> + Send + Unpin + 'static {
    StreamBody::new(stream::iter(frames))
}

fn answer(status: u16, body: &'static str) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::from(body)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn clones_share_the_budgets_and_a_call_is_out_until_its_body_ends() {
    let (limiter, out, most) = (limiter(), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let layer = TollgateLayer::new(limiter.clone(), ask);
    let counted = (out.clone(), most.clone());
    let inner = service_fn(move |_: Chat| {
        let (out, most) = counted.clone();
        async move {
            most.fetch_max(out.fetch_add(1, Relaxed) + 1, Relaxed);
            // The head comes at once, the body later.
            let body = stream::once(async move {
                tokio::time::sleep(Duration::from_millis(100)).await;
                out.fetch_sub(1, Relaxed);
                data(USED)
            });
            Ok::<_, Infallible>(Response::new(StreamBody::new(Box::pin(body))))
        }
    });
    let service = layer.layer(inner.clone());
    let calls: Vec<_> = (0..20)
        .map(|call| {
            let one = if call < 10 { service.clone() } else { layer.layer(inner.clone()) };
            tokio::spawn(async move { one.oneshot(Chat).await.unwrap().into_body().collect().await.unwrap() })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().to_bytes(), USED);
    }
    assert_eq!(most.load(Relaxed), SLOTS as usize);
    assert_eq!(charged(&limiter), (20 * 27, 0));
}

#[tokio::test(start_paused = true)]
async fn a_body_passes_frame_by_frame_with_its_trailers_and_its_length() {
    let limiter = limiter();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-end", "1".parse().unwrap());
    let sent = trailers.clone();
    let inner = service_fn(move |_: Chat| {
        let end = Ok(Frame::trailers(sent.clone()));
        let frames = vec![data("{\"usage\":{\"prompt_tokens\":20,"), data("\"completion_tokens\":7}}"), end];
        async { Ok::<_, Infallible>(Response::new(body_of(frames))) }
    });
    let answer = TollgateLayer::new(limiter.clone(), ask).layer(inner).oneshot(Chat).await.unwrap();
    let mut body = answer.into_body();
    let mut frames = Vec::new();
    while let Some(frame) = body.frame().await {
        frames.push(frame.unwrap());
        assert_eq!(charged(&limiter).1, 1);
    }
    assert_eq!(frames.len(), 3);
    assert_eq!(frames[1].data_ref().unwrap(), "\"completion_tokens\":7}}");
    assert_eq!(frames[2].trailers_ref(), Some(&trailers));
    assert_eq!(charged(&limiter), (27, 0));

    let inner = service_fn(async |_: Chat| Ok::<_, Infallible>(answer_of_known_length()));
    let answer = TollgateLayer::new(limiter.clone(), ask).layer(inner).oneshot(Chat).await.unwrap();
    let mut body = answer.into_body();
    assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(USED.len() as u64), false));
    body.frame().await.unwrap().unwrap();
    assert!(body.is_end_stream());
    assert_eq!(charged(&limiter), (54, 0), "settled with its last byte, though nobody asked for the end");
}

fn answer_of_known_length() -> Response<Full<Bytes>> {
    answer(200, USED)
}

#[tokio::test(start_paused = true)]
async fn a_body_whose_stream_is_boxed_may_be_read_in_a_task() {
    let inner = service_fn(async |_: Chat| {
        let frames: stream::BoxStream<'static, _> = Box::pin(stream::iter([data(USED)]));
        Ok::<_, Infallible>(Response::new(StreamBody::new(frames)))
    });
    let limiter = limiter();
    let service = TollgateLayer::new(limiter.clone(), ask).layer(inner);
    let read = tokio::spawn(async move { service.oneshot(Chat).await.unwrap().into_body().collect().await });
    assert_eq!(read.await.unwrap().unwrap().to_bytes(), USED);
    assert_eq!(charged(&limiter), (27, 0));
}

#[tokio::test(start_paused = true)]
async fn data_of_any_kind_passes() {
    let limiter = limiter();
    let inner = service_fn(async |_: Chat| {
        let halves =
            Bytes::from_static(&USED.as_bytes()[..9]).chain(Bytes::from_static(&USED.as_bytes()[9..]));
        Ok::<_, Infallible>(Response::new(Full::new(halves)))
    });
    let answer = TollgateLayer::new(limiter.clone(), ask).layer(inner).oneshot(Chat).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), USED);
    assert_eq!(charged(&limiter), (27, 0));
}

#[tokio::test(start_paused = true)]
async fn a_boxed_body_may_be_read_in_a_task() {
    let limiter = limiter();
    let inner = service_fn(async |_: Chat| {
        Ok::<_, Infallible>(Response::new(body_of(vec![data(USED)]).boxed_unsync()))
    });
    let service = TollgateLayer::new(limiter.clone(), ask).layer(inner);
    let reads = async move { service.oneshot(Chat).await.unwrap().into_body().collect().await.unwrap() };
    assert_eq!(tokio::spawn(reads).await.unwrap().to_bytes(), USED);
    assert_eq!(charged(&limiter), (27, 0));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_shuts_the_budget_at_once_and_passes_as_it_came() {
    let limiter = limiter();
    let inner = service_fn(async |_: Chat| {
        let mut refusal = answer(429, "{\"error\":{\"message\":\"Slow\"}}");
        refusal.headers_mut().insert("retry-after", "22".parse().unwrap());
        Ok::<_, Infallible>(refusal)
    });
    let refusal = TollgateLayer::new(limiter.clone(), ask).layer(inner).oneshot(Chat).await.unwrap();
    let AcquireError::NotYet(why) = limiter.try_acquire(M, Cost::input(1)).unwrap_err() else { panic!() };
    assert_eq!(why.blocking.unwrap().wait.unwrap().as_secs(), 22);
    assert_eq!(charged(&limiter), (0, 0));
    assert_eq!((refusal.status().as_u16(), &refusal.headers()["retry-after"]), (429, &"22".parse().unwrap()));
    assert_eq!(refusal.body().size_hint().exact(), Some(28));
    assert_eq!(refusal.into_body().collect().await.unwrap().to_bytes(), "{\"error\":{\"message\":\"Slow\"}}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_longer_than_what_is_read_ahead_passes_whole_and_so_does_one_that_breaks_off() {
    let limiter = limiter();
    let page: &'static str = "x".repeat(10_000).leak();
    let inner = service_fn(move |_: Chat| {
        let frames: Frames = (0..30).map(|_| data(page)).collect();
        async { Ok::<_, Infallible>(Response::builder().status(400).body(body_of(frames)).unwrap()) }
    });
    let refusal = TollgateLayer::new(limiter.clone(), ask).layer(inner).oneshot(Chat).await.unwrap();
    assert_eq!(charged(&limiter).1, 0);
    assert_eq!(refusal.into_body().collect().await.unwrap().to_bytes().len(), 300_000);

    let inner = service_fn(async |_: Chat| {
        let frames = vec![data("half"), Err(io::Error::other("gone"))];
        Ok::<_, Infallible>(Response::builder().status(500).body(body_of(frames)).unwrap())
    });
    let refusal = TollgateLayer::new(limiter.clone(), ask).layer(inner).oneshot(Chat).await.unwrap();
    assert_eq!(charged(&limiter).1, 0);
    let mut body = refusal.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "half");
    assert_eq!(body.frame().await.unwrap().unwrap_err().to_string(), "gone");
}

#[tokio::test(start_paused = true)]
async fn a_permit_ends_however_its_call_does() {
    const PIECE: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Three rivers\"}}]}\n\n";
    let limiter = limiter();
    let layer = TollgateLayer::new(limiter.clone(), ask);

    let breaks = layer.layer(service_fn(async |_: Chat| {
        let frames = vec![data(PIECE), Err(io::Error::other("gone"))];
        Ok::<_, Infallible>(Response::new(body_of(frames)))
    }));
    let mut body = breaks.clone().oneshot(Chat).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    body.frame().await.unwrap().unwrap_err();
    assert_eq!(charged(&limiter), (106, 0), "broken off");
    let mut body = breaks.oneshot(Chat).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!(charged(&limiter), (106 + 400, 1));
    drop(body);
    assert_eq!(charged(&limiter), (212, 0), "dropped half-way");

    let fails =
        layer.layer(service_fn(async |_: Chat| Err::<Response<Full<Bytes>>, _>(io::Error::other("down"))));
    assert_eq!(fails.oneshot(Chat).await.unwrap_err().to_string(), "down");
    assert_eq!(charged(&limiter), (612, 0), "no answer");

    let panics =
        layer.layer(service_fn(async |_: Chat| -> Result<Response<Full<Bytes>>, Infallible> { panic!() }));
    assert!(tokio::spawn(panics.oneshot(Chat)).await.unwrap_err().is_panic());
    assert_eq!(charged(&limiter), (1_012, 0), "a panic");

    let hangs = layer
        .layer(service_fn(|_: Chat| std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>()));
    let mut call = Box::pin(hangs.clone().oneshot(Chat));
    assert!(futures::poll!(&mut call).is_pending());
    assert_eq!(charged(&limiter), (1_412, 1));
    let mut second = Box::pin(hangs.clone().oneshot(Chat));
    let mut waits = Box::pin(hangs.oneshot(Chat));
    assert!(futures::poll!(&mut second).is_pending() && futures::poll!(&mut waits).is_pending());
    assert_eq!((charged(&limiter), limiter.waiting()), ((1_812, 2), 1));
    drop(waits);
    drop(call);
    drop(second);
    assert_eq!((charged(&limiter), limiter.waiting()), ((1_812, 0), 0), "given up");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_asked_for_passes_untouched_and_what_cannot_be_admitted_is_not_sent() {
    let limiter = limiter();
    let sent = service_fn(async |_: Chat| Ok::<_, Infallible>(answer(200, USED)));
    let passes = TollgateLayer::new(limiter.clone(), |_: &Chat| None::<Ask>).layer(sent);
    assert_eq!(passes.oneshot(Chat).await.unwrap().into_body().collect().await.unwrap().to_bytes(), USED);
    assert_eq!(charged(&limiter), (0, 0));

    let never =
        service_fn(async |_: Chat| -> Result<Response<Full<Bytes>>, Infallible> { panic!("it was sent") });
    let unknown = |_: &Chat| Ask::new("gpt-of-others", Cost::input(1)).priority(Priority::Low).tenant("acme");
    let error: BoxError = TollgateLayer::new(limiter, unknown).layer(never).oneshot(Chat).await.unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(AcquireError::UnknownModel(_))));
}

/// A service that may only be called where it was ready, as one whose readiness is a place that it holds.
#[derive(Debug, Default)]
struct Strict {
    ready: bool,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Strict::default()
    }
}

impl Service<Chat> for Strict {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Chat) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called before it was ready");
        std::future::ready(Ok(answer(200, USED)))
    }
}

#[tokio::test(start_paused = true)]
async fn the_service_within_that_was_ready_is_the_one_that_is_called() {
    let limiter = limiter();
    let mut service = TollgateLayer::new(limiter.clone(), ask).layer(Strict::default());
    for _ in 0..3 {
        let answer = service.ready().await.unwrap().call(Chat).await.unwrap();
        Pin::new(&mut answer.into_body()).frame().await;
    }
    assert_eq!(charged(&limiter), (81, 0));
}

#[test]
fn a_service_may_cross_threads() {
    fn crosses<T: Clone + Send + Sync + 'static>() {}
    crosses::<Tollgate<Strict, fn(&Chat) -> Ask>>();
    crosses::<TollgateLayer<fn(&Chat) -> Ask>>();
}
