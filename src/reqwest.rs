//! A middleware for reqwest's clients: every call of a model waits for leave, is settled by its answer, plain or
//! streamed, and is tried again where that is worth it. Calling code stays as it is.
//!
//! # Which requests does it know?
//!
//! By method and path, under any host and prefix:
//!
//! | `POST` | model |
//! |---|---|
//! | `.../chat/completions` | `model` in the body |
//! | `.../v1/completions`, `.../v1/embeddings`, `.../v1/responses` | the same |
//! | `.../openai/deployments/NAME/chat/completions` and the others (Azure) | `NAME`, else `model` in the body |
//! | `.../v1/messages` (Anthropic) | `model` in the body |
//!
//! All else passes untouched, and so does a call of a model without limits, unless
//! [`refuse_unknown`](TollgateMiddleware::refuse_unknown) says otherwise. The bytes of requests and answers are never changed:
//! where a streamed chat does not ask for its usage (`stream_options.include_usage`), it is settled by what was
//! seen of the answer ([`Meter`](crate::Meter)).
//!
//! # Example: a client that keeps to its limits
//!
//! ```no_run
//! use reqwest_middleware::ClientBuilder;
//! use serde_json::json;
//! use tollgate::reqwest::TollgateMiddleware;
//! use tollgate::{Limiter, Limits};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let limiter = Limiter::builder().model("gpt-4o-mini", Limits::new().rpm(500).tpm(200_000)).build()?;
//! let client = ClientBuilder::new(reqwest::Client::new()).with(TollgateMiddleware::new(limiter)).build();
//!
//! let request = json!({ "model": "gpt-4o-mini", "messages": [{ "role": "user", "content": "Hello!" }] });
//! let response = client
//!     .post("https://api.openai.com/v1/chat/completions")
//!     .header("content-type", "application/json")
//!     .body(request.to_string())
//!     .send()
//!     .await?;
//! println!("{}", response.text().await?);
//! # Ok(()) }
//! ```

mod arrived;
mod known;

use std::mem;

use http::Extensions;
use parking_lot::Mutex;
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next, Result};
use serde_json::Value;

use crate::call::CallError;
use crate::error::AcquireError;
use crate::estimate::{DEFAULT_MAX_OUTPUT, Estimate};
use crate::limiter::{Acquire, Limiter};
use crate::quota::{Cost, Priority, Usage};
use crate::retry::Retries;

use arrived::Arrived;
use known::{Known, known};

/// The most of a request that is read, in bytes, unless told otherwise.
const MOST_READ: usize = 16 << 20;

/// Whose call a request is, given with `RequestBuilder::with_extension`: see [`Acquire::tenant`]. A
/// [`Priority`] can be given the same way.
///
/// # Example: two customers who share a budget
///
/// ```no_run
/// # async fn example(client: reqwest_middleware::ClientWithMiddleware, body: String) -> reqwest_middleware::Result<()> {
/// use tollgate::Priority;
/// use tollgate::reqwest::Tenant;
///
/// let request = client.post("https://api.openai.com/v1/responses").body(body);
/// request.with_extension(Tenant("acme".to_owned())).with_extension(Priority::Low).send().await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant(pub String);

/// Keeps the calls of a client at the limits of their models: see [the module](self).
///
/// A call is estimated by the limiter's estimator ([`Limiter::with_estimator`]), waits for leave, is sent, and is tried
/// again by the limiter's policy ([`Limiter::with_retries`]); a request whose body is a stream can be sent only once. When all is
/// in vain, the caller gets the provider's last answer, as without the middleware; what became of each attempt
/// is a [`Story`](crate::Story) among its extensions. The permit lives until the body of the answer ends or is dropped.
///
/// A timeout of the request or the client is one of each attempt, and does not count the wait for leave. Middleware that
/// is added after it sees each attempt.
///
/// # Cancel safety
///
/// As [`Limiter::call`]; the body of the answer settles the call when it ends or is dropped.
///
/// # Errors
///
/// A call that is not admitted is an [`Error::Middleware`] that holds an [`AcquireError`]; one that came to no answer,
/// the error of its last attempt.
#[derive(Clone, Debug)]
pub struct TollgateMiddleware {
    limiter: Limiter,
    /// For requests that can be sent only once.
    once: Limiter,
    unread: (Option<String>, Cost),
    most_read: usize,
    refuse_unknown: bool,
}

impl TollgateMiddleware {
    /// Calls go to the models of `limiter`, whose clones share its budgets.
    pub fn new(limiter: Limiter) -> Self {
        TollgateMiddleware {
            once: limiter.with_retries(Retries::none()),
            limiter,
            unread: (None, Cost::input(1_000).max_output(DEFAULT_MAX_OUTPUT)),
            most_read: MOST_READ,
            refuse_unknown: false,
        }
    }

    /// Calls whose body is not read are calls to `model` and cost `cost`: those that are streamed, longer than
    /// [`most_read`](Self::most_read), or no JSON object. A deployment in the path goes before `model`. A request
    /// that is read and cannot be estimated costs the same.
    ///
    /// Unless told, they cost 1,000 tokens of input and [`DEFAULT_MAX_OUTPUT`] of output, and pass untouched where the path
    /// names no deployment.
    pub fn unread(self, model: impl Into<String>, cost: Cost) -> Self {
        TollgateMiddleware { unread: (Some(model.into()), cost), ..self }
    }

    /// Bodies of requests that are longer are not read; 16 MiB unless told.
    pub fn most_read(self, bytes: usize) -> Self {
        TollgateMiddleware { most_read: bytes, ..self }
    }

    /// Calls of a model without limits fail with [`AcquireError::UnknownModel`] in place of passing untouched.
    pub fn refuse_unknown(self) -> Self {
        TollgateMiddleware { refuse_unknown: true, ..self }
    }

    /// The body of a call as JSON, if it is one that is read.
    fn body(&self, request: &Request) -> Option<Value> {
        let bytes = request.body()?.as_bytes().filter(|bytes| bytes.len() <= self.most_read)?;
        serde_json::from_slice(bytes).ok().filter(Value::is_object)
    }

    /// The model that the limits are looked up for: the deployment where it has some, else what the body says.
    fn model(&self, known: &Known<'_>, body: Option<&Value>) -> Option<String> {
        let unread = || self.unread.0.as_deref();
        let said = body.map_or_else(unread, |body| body["model"].as_str());
        let deployment = known.deployment.filter(|name| said.is_none() || self.limiter.model(name).is_ok());
        deployment.or(said).map(str::to_owned)
    }

    async fn estimate(&self, body: Option<Value>, model: &str) -> Option<Estimate> {
        let mut body = body?;
        if !body["model"].is_string() {
            body["model"] = model.into();
        }
        self.limiter.estimator().request(&body).await.ok()
    }

    async fn call(
        &self,
        model: &str,
        cost: Cost,
        estimate: Option<Estimate>,
        sent: Sent<'_>,
    ) -> Result<Response> {
        let Sent { request, extensions, next } = sent;
        let limiter = if request.try_clone().is_some() { &self.limiter } else { &self.once };
        let priority = extensions.get::<Priority>().copied();
        let tenant = extensions.get::<Tenant>().cloned();
        let acquire = || {
            let acquire = limiter.acquire(model, cost);
            let acquire = priority.into_iter().fold(acquire, Acquire::priority);
            tenant.iter().fold(acquire, |acquire, tenant| acquire.tenant(&tenant.0))
        };
        let (mut request, shared) = (Some(request), Mutex::new(mem::take(extensions)));
        let send = || {
            let copy = request.as_ref().and_then(Request::try_clone).or_else(|| request.take());
            let (next, shared) = (next.clone(), &shared);
            async move {
                let mut own = mem::take(&mut *shared.lock());
                let copy = copy.expect("what cannot be cloned is sent once");
                let sent = next.run(copy, &mut own).await;
                *shared.lock() = own;
                Ok::<_, Error>(Arrived::new(sent?).await)
            }
        };
        let called = limiter.attempts(acquire, send, |_| {}).await;
        *extensions = shared.into_inner();
        match called {
            Ok((arrived, _, permit)) => {
                let estimator = self.limiter.estimator().clone();
                let learn = move |usage: &Usage| {
                    estimate.iter().for_each(|estimate| estimator.learn(estimate, usage));
                };
                Ok(arrived.metered(permit, learn))
            }
            Err(CallError::Refused(refused)) => Ok(refused.answer.refused(refused.story)),
            Err(CallError::Send { error, .. }) => Err(error),
            Err(CallError::Acquire(error)) => Err(Error::middleware(error)),
            Err(CallError::Estimate(error)) => Err(Error::middleware(error)),
        }
    }
}

/// What is sent, and how.
struct Sent<'a> {
    request: Request,
    extensions: &'a mut Extensions,
    next: Next<'a>,
}

#[async_trait::async_trait]
impl Middleware for TollgateMiddleware {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let Some(known) = known(request.method(), request.url().path()) else {
            return next.run(request, extensions).await;
        };
        let body = self.body(&request);
        let Some(model) = self.model(&known, body.as_ref()) else {
            return next.run(request, extensions).await;
        };
        if let Err(unknown) = self.limiter.model(&model) {
            if self.refuse_unknown {
                return Err(Error::middleware(AcquireError::UnknownModel(unknown)));
            }
            return next.run(request, extensions).await;
        }
        let estimate = self.estimate(body, &model).await;
        let cost = estimate.as_ref().map_or(self.unread.1, Estimate::cost);
        self.call(&model, cost, estimate, Sent { request, extensions, next }).await
    }
}
