//! A service for async-openai's client: its calls wait for leave, are settled by their answers, plain or streamed,
//! and are tried again where that is worth it. Calling code stays as it is.
//!
//! It knows chats, completions, embeddings and Responses, of OpenAI and of whoever speaks like it, by the same rules
//! as the [middleware](mod@crate::reqwest) for reqwest's clients; all else that the client does passes
//! untouched. It sits where the client's own retries are, and takes their place: those would send again what nobody has
//! given leave for. So do not put an `OpenAIRetryLayer` around it.
//!
//! # Example: a client that keeps to its limits
//!
//! ```no_run
//! use async_openai::Client;
//! use tollgate::async_openai::TollgateService;
//! use tollgate::{Limiter, Limits};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let limiter = Limiter::builder().model("gpt-4o-mini", Limits::new().rpm(500).tpm(200_000)).build()?;
//! let client = Client::new().with_http_service(TollgateService::new(limiter));
//!
//! // client.chat().create(request).await?;
//! # Ok(()) }
//! ```
//!
//! # Example: a reqwest client with settings of its own
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use async_openai::Client;
//! use async_openai::middleware::ReqwestService;
//! use tollgate::async_openai::TollgateService;
//!
//! # fn example(limiter: tollgate::Limiter) -> reqwest::Result<()> {
//! let http = reqwest::Client::builder().read_timeout(Duration::from_secs(60)).build()?;
//! let service = TollgateService::new(limiter).around(ReqwestService::new(http));
//! let client = Client::new().with_http_service(service);
//! # Ok(()) }
//! ```

use std::error::Error;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use async_openai::error::OpenAIError;
use async_openai::middleware::{HttpRequestFactory, ReqwestService};
use reqwest::Response;
use tower_service::Service;

#[cfg(doc)]
use crate::error::AcquireError;
#[cfg(doc)]
use crate::estimate::DEFAULT_MAX_OUTPUT;
#[cfg(doc)]
use crate::limiter::Acquire;
use crate::limiter::Limiter;
use crate::quota::{Cost, Priority};
use crate::requests::{Failure, Requests, Whose};

/// Keeps the calls of a client at the limits of their models: see [the module](self).
///
/// A call is estimated by the limiter's estimator ([`Limiter::with_estimator`]), waits for leave, is sent through the
/// service within, and is tried again by the limiter's policy ([`Limiter::with_retries`]). The permit lives until the body
/// of the answer ends or is dropped; a stream of the client's drops it soon after it is dropped itself.
///
/// The service within sees each attempt, and a timeout in it is one of each attempt. What makes calls wait for
/// one another belongs around this service, not within: within, a call has its leave already.
///
/// # Cancel safety
///
/// As [`Limiter::call`]; the body of the answer settles the call when it ends or is dropped.
///
/// # Errors
///
/// A call that is not admitted is an [`OpenAIError::Boxed`] that holds an [`AcquireError`]. When all attempts are in vain,
/// the caller gets what the client makes of the last: an [`OpenAIError::ApiError`] of a refusal, or the error of the service
/// within.
#[derive(Clone, Debug)]
pub struct TollgateService<S = ReqwestService> {
    within: S,
    requests: Requests,
    whose: Whose,
}

impl TollgateService {
    /// Calls go to the models of `limiter`, whose clones share its budgets, and are sent by a reqwest client with
    /// its defaults.
    pub fn new(limiter: Limiter) -> Self {
        TollgateService {
            within: ReqwestService::default(),
            requests: Requests::new(limiter),
            whose: Whose::default(),
        }
    }
}

impl<S> TollgateService<S> {
    /// Has another service send the calls.
    pub fn around<T>(self, service: T) -> TollgateService<T> {
        TollgateService { within: service, requests: self.requests, whose: self.whose }
    }

    /// Whose calls these are: see [`Acquire::tenant`]. Services for several tenants share the budgets of one limiter.
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.whose.tenant = Some(tenant.into());
        self
    }

    /// How urgent these calls are: see [`Acquire::priority`].
    pub fn priority(mut self, priority: Priority) -> Self {
        self.whose.priority = Some(priority);
        self
    }

    /// Calls whose body is not read are calls to `model` and cost `cost`: those that are longer than
    /// [`most_read`](Self::most_read). A deployment in the path goes before `model`. A request that is read and cannot be
    /// estimated costs the same.
    ///
    /// Unless told, they cost 1,000 tokens of input and [`DEFAULT_MAX_OUTPUT`] of output, and pass untouched where the path
    /// names no deployment.
    pub fn unread(self, model: impl Into<String>, cost: Cost) -> Self {
        TollgateService { requests: self.requests.unread(model, cost), ..self }
    }

    /// Bodies of requests that are longer are not read; 16 MiB unless told.
    pub fn most_read(self, bytes: usize) -> Self {
        TollgateService { requests: self.requests.most_read(bytes), ..self }
    }

    /// Calls of a model without limits fail with [`AcquireError::UnknownModel`] in place of passing untouched.
    pub fn refuse_unknown(self) -> Self {
        TollgateService { requests: self.requests.refuse_unknown(), ..self }
    }
}

impl Failure for OpenAIError {
    fn unsent(reason: impl Error + Send + Sync + 'static) -> Self {
        OpenAIError::Boxed(Box::new(reason))
    }

    fn is_unconnected(&self) -> bool {
        matches!(self, OpenAIError::Reqwest(error) if error.is_connect())
    }
}

async fn send<S>(mut within: S, request: HttpRequestFactory) -> Result<Response, OpenAIError>
where
    S: Service<HttpRequestFactory, Response = Response>,
    S::Error: Into<OpenAIError>,
{
    poll_fn(|cx| within.poll_ready(cx)).await.map_err(Into::into)?;
    within.call(request).await.map_err(Into::into)
}

impl<S> Service<HttpRequestFactory> for TollgateService<S>
where
    S: Service<HttpRequestFactory, Response = Response> + Clone + Send + Sync + 'static,
    S::Error: Into<OpenAIError> + Send,
    S::Future: Send,
{
    type Response = Response;
    type Error = OpenAIError;
    type Future = Pin<Box<dyn Future<Output = Result<Response, OpenAIError>> + Send>>;

    /// Always: each attempt waits for the service within by itself.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), OpenAIError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequestFactory) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let asked = this.requests.ask(&request.build().await?).await;
            let Some(ask) = asked.map_err(OpenAIError::unsent)? else {
                return send(this.within, request).await;
            };
            this.requests.call(ask, &this.whose, || send(this.within.clone(), request.clone())).await
        })
    }
}
