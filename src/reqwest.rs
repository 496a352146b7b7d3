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

use std::error::Error as StdError;
use std::mem;

use http::Extensions;
use parking_lot::Mutex;
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next, Result};

#[cfg(doc)]
use crate::error::AcquireError;
#[cfg(doc)]
use crate::estimate::DEFAULT_MAX_OUTPUT;
#[cfg(doc)]
use crate::limiter::Acquire;
use crate::limiter::Limiter;
use crate::quota::{Cost, Priority};
use crate::requests::{Failure, Requests, Whose};

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
    requests: Requests,
}

impl TollgateMiddleware {
    /// Calls go to the models of `limiter`, whose clones share its budgets.
    pub fn new(limiter: Limiter) -> Self {
        TollgateMiddleware { requests: Requests::new(limiter) }
    }

    /// Calls whose body is not read are calls to `model` and cost `cost`: those that are streamed, longer than
    /// [`most_read`](Self::most_read), or no JSON object. A deployment in the path goes before `model`. A request
    /// that is read and cannot be estimated costs the same.
    ///
    /// Unless told, they cost 1,000 tokens of input and [`DEFAULT_MAX_OUTPUT`] of output, and pass untouched where the path
    /// names no deployment.
    pub fn unread(self, model: impl Into<String>, cost: Cost) -> Self {
        TollgateMiddleware { requests: self.requests.unread(model, cost) }
    }

    /// Bodies of requests that are longer are not read; 16 MiB unless told.
    pub fn most_read(self, bytes: usize) -> Self {
        TollgateMiddleware { requests: self.requests.most_read(bytes) }
    }

    /// Calls of a model without limits fail with [`AcquireError::UnknownModel`] in place of passing untouched.
    pub fn refuse_unknown(self) -> Self {
        TollgateMiddleware { requests: self.requests.refuse_unknown() }
    }
}

impl Failure for Error {
    fn unsent(reason: impl StdError + Send + Sync + 'static) -> Self {
        Error::middleware(reason)
    }

    fn is_unconnected(&self) -> bool {
        self.is_connect()
    }
}

#[async_trait::async_trait]
impl Middleware for TollgateMiddleware {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let Some(ask) = self.requests.ask(&request).await.map_err(Error::unsent)? else {
            return next.run(request, extensions).await;
        };
        let whose = Whose {
            tenant: extensions.get::<Tenant>().map(|tenant| tenant.0.clone()),
            priority: extensions.get::<Priority>().copied(),
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
                sent
            }
        };
        let called = self.requests.call(ask, &whose, send).await;
        *extensions = shared.into_inner();
        called
    }
}
