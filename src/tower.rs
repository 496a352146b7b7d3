//! A layer for tower's services: each call waits for leave, and is settled when the body of its answer ends.
//!
//! It goes around whatever sends HTTP requests, of any type whose cost can be told; what tells it is a closure, or
//! a type with [`Tell`]. All clones of a service share the budgets of the limiter.
//!
//! # Example: a service that sends chats
//!
//! ```
//! use bytes::Bytes;
//! use http_body_util::{BodyExt, Full};
//! use tollgate::tower::{Ask, TollgateLayer};
//! use tollgate::{Cost, Limiter, Limits};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! struct Chat {
//!     prompt_tokens: u64,
//!     most: u64,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), tower::BoxError> {
//! let limiter = Limiter::builder().model("gpt-4o-mini", Limits::new().rpm(500).tpm(200_000)).build()?;
//! let layer = TollgateLayer::new(limiter, |chat: &Chat| {
//!     Ask::new("gpt-4o-mini", Cost::input(chat.prompt_tokens).max_output(chat.most))
//! });
//! let client = service_fn(async |_: Chat| {
//!     // Send it.
//!     Ok::<_, std::io::Error>(http::Response::new(Full::new(Bytes::from("{}"))))
//! });
//!
//! let answer = layer.layer(client).oneshot(Chat { prompt_tokens: 1_200, most: 500 }).await?;
//! let body = answer.into_body().collect().await?.to_bytes(); // the call is settled when the body ends
//! # assert_eq!(body, "{}");
//! # Ok(()) }
//! ```

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::body::Metered;
use crate::limiter::{Acquire, Limiter};
use crate::quota::{Cost, Priority};
use crate::stream::Meter;

/// What a service of [`Tollgate`] gives where there is no answer: the error of the service within, or an
/// [`AcquireError`](crate::AcquireError).
pub type BoxError = Box<dyn Error + Send + Sync>;

/// What one request asks leave for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Ask {
    model: String,
    cost: Cost,
    tenant: Option<String>,
    priority: Option<Priority>,
}

impl Ask {
    /// Leave for a call to `model` that is expected to cost `cost`.
    pub fn new(model: impl Into<String>, cost: Cost) -> Self {
        Ask { model: model.into(), cost, tenant: None, priority: None }
    }

    /// Whose call it is: see [`Acquire::tenant`].
    pub fn tenant(self, tenant: impl Into<String>) -> Self {
        Ask { tenant: Some(tenant.into()), ..self }
    }

    /// How urgent it is: see [`Acquire::priority`].
    pub fn priority(self, priority: Priority) -> Self {
        Ask { priority: Some(priority), ..self }
    }

    fn acquire(&self, limiter: &Limiter) -> Acquire {
        let acquire = limiter.acquire(&self.model, self.cost);
        let acquire = self.priority.into_iter().fold(acquire, Acquire::priority);
        self.tenant.iter().fold(acquire, |acquire, tenant| acquire.tenant(tenant))
    }
}

/// Tells what requests of a type will cost. Ready-made for closures that give an [`Ask`] or an
/// `Option<Ask>`.
pub trait Tell<R> {
    /// What the request asks leave for; `None` for one that passes untouched.
    fn ask(&self, request: &R) -> Option<Ask>;
}

impl<R, F, A> Tell<R> for F
where
    F: Fn(&R) -> A,
    A: Into<Option<Ask>>,
{
    fn ask(&self, request: &R) -> Option<Ask> {
        self(request).into()
    }
}

/// Puts a limiter around a service: see [the module](self).
pub struct TollgateLayer<T> {
    limiter: Limiter,
    tell: Arc<T>,
}

impl<T> TollgateLayer<T> {
    /// `tell` says what each request will cost.
    pub fn new<R>(limiter: Limiter, tell: T) -> Self
    where
        T: Tell<R>,
    {
        TollgateLayer { limiter, tell: Arc::new(tell) }
    }
}

impl<T> Clone for TollgateLayer<T> {
    fn clone(&self) -> Self {
        TollgateLayer { limiter: self.limiter.clone(), tell: self.tell.clone() }
    }
}

impl<T> fmt::Debug for TollgateLayer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TollgateLayer").field("limiter", &self.limiter).finish_non_exhaustive()
    }
}

impl<S, T> Layer<S> for TollgateLayer<T> {
    type Service = Tollgate<S, T>;

    fn layer(&self, inner: S) -> Tollgate<S, T> {
        Tollgate { inner, layer: self.clone() }
    }
}

/// A service whose calls wait for leave; made by [`TollgateLayer`].
///
/// A call waits after the service within is ready for it, and keeps that place. It waits for as long as it
/// takes: put a timeout around it where that is too long. It is sent once; what is refused passes on as it came, and its
/// budget is shut for all. The body of a refusal is read before it is handed on, up to 64 KiB.
///
/// # Cancel safety
///
/// Dropped while it waits, a call has taken nothing. Dropped later, or unwound by a panic in the service within,
/// what was reserved stays charged. The body of the answer settles the call when it ends or is dropped: see
/// [`Meter`].
///
/// # Errors
///
/// An [`AcquireError`](crate::AcquireError) where a call is not admitted, and what the service within gives.
#[derive(Debug)]
pub struct Tollgate<S, T> {
    inner: S,
    layer: TollgateLayer<T>,
}

impl<S: Clone, T> Clone for Tollgate<S, T> {
    fn clone(&self) -> Self {
        Tollgate { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S, T, R, B> Service<R> for Tollgate<S, T>
where
    S: Service<R, Response = http::Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    T: Tell<R>,
    R: Send + 'static,
    B: Body + Send + Unpin,
    B::Error: Send,
{
    type Response = http::Response<Metered<B>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: R) -> Self::Future {
        // The one that is ready goes with the call; a clone need not be ready.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let ask = self.layer.tell.ask(&request);
        let acquire = ask.map(|ask| ask.acquire(&self.layer.limiter));
        Box::pin(async move {
            let Some(acquire) = acquire else {
                let answer = inner.call(request).await.map_err(Into::into)?;
                return Ok(answer.map(Metered::plain));
            };
            let permit = acquire.await?;
            let answer = inner.call(request).await.map_err(Into::into)?;
            if answer.status().as_u16() < 400 {
                return Ok(Metered::response(permit, answer));
            }
            let mut meter = Meter::new(permit, answer.status(), answer.headers());
            let mut answer = answer.map(Metered::plain);
            meter.see(&Pin::new(answer.body_mut()).read_ahead().await);
            meter.finish();
            Ok(answer)
        })
    }
}
