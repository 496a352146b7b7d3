//! What the adapters of clients that speak reqwest's types have in common: which requests are calls of a model, what
//! those cost, and how their answers settle them.

mod arrived;
mod known;

use std::error::Error;
use std::fmt;
use std::future::Future;

use reqwest::{Request, Response};
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

/// Judges requests and makes those that are calls.
#[derive(Clone, Debug)]
pub(crate) struct Requests {
    limiter: Limiter,
    /// For requests that can be sent only once.
    once: Limiter,
    unread: (Option<String>, Cost),
    most_read: usize,
    refuse_unknown: bool,
}

/// What a request asks leave for.
#[derive(Debug)]
pub(crate) struct Ask {
    model: String,
    cost: Cost,
    estimate: Option<Estimate>,
    repeats: bool,
}

/// Whose call it is, and how urgent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Whose {
    pub(crate) tenant: Option<String>,
    pub(crate) priority: Option<Priority>,
}

/// The error of a client.
pub(crate) trait Failure: fmt::Display {
    /// A call was not sent, for this reason.
    fn unsent(reason: impl Error + Send + Sync + 'static) -> Self;

    /// Whether no connection came about: then nothing was sent.
    fn is_unconnected(&self) -> bool;
}

impl Requests {
    pub(crate) fn new(limiter: Limiter) -> Self {
        Requests {
            once: limiter.with_retries(Retries::none()),
            limiter,
            unread: (None, Cost::input(1_000).max_output(DEFAULT_MAX_OUTPUT)),
            most_read: MOST_READ,
            refuse_unknown: false,
        }
    }

    pub(crate) fn unread(self, model: impl Into<String>, cost: Cost) -> Self {
        Requests { unread: (Some(model.into()), cost), ..self }
    }

    pub(crate) fn most_read(self, bytes: usize) -> Self {
        Requests { most_read: bytes, ..self }
    }

    pub(crate) fn refuse_unknown(self) -> Self {
        Requests { refuse_unknown: true, ..self }
    }

    /// What a request asks leave for; `None` for one that passes untouched.
    pub(crate) async fn ask(&self, request: &Request) -> Result<Option<Ask>, AcquireError> {
        let Some(known) = known(request.method(), request.url().path()) else { return Ok(None) };
        let body = self.body(request);
        let Some(model) = self.model(&known, body.as_ref()) else { return Ok(None) };
        match self.limiter.model(&model) {
            Err(unknown) if self.refuse_unknown => return Err(AcquireError::UnknownModel(unknown)),
            Err(_) => return Ok(None),
            Ok(_) => {}
        }
        let repeats = request.try_clone().is_some();
        let estimate = self.estimate(body, &model).await;
        let cost = estimate.as_ref().map_or(self.unread.1, Estimate::cost);
        // Read as a call that is answered with text, it would teach that such answers are empty.
        let estimate = estimate.filter(|it| !known.embeds || it.cost().max_output_tokens() == 0);
        let cost = if known.embeds { Cost::input(cost.input_tokens()) } else { cost };
        Ok(Some(Ask { model, cost, estimate, repeats }))
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

    /// Makes attempts with `send` until one is answered, or it is enough: then the provider's last answer is given, with
    /// the [`Story`](crate::Story) among its extensions, or the last error.
    pub(crate) async fn call<Fut, E>(
        &self,
        ask: Ask,
        whose: &Whose,
        mut send: impl FnMut() -> Fut,
    ) -> Result<Response, E>
    where
        Fut: Future<Output = Result<Response, E>>,
        E: Failure,
    {
        let Ask { model, cost, estimate, repeats } = ask;
        let limiter = if repeats { &self.limiter } else { &self.once };
        let acquire = || {
            let acquire = limiter.acquire(&model, cost);
            let acquire = whose.priority.into_iter().fold(acquire, Acquire::priority);
            whose.tenant.iter().fold(acquire, |acquire, tenant| acquire.tenant(tenant))
        };
        let send = || {
            let sent = send();
            async { Ok(Arrived::new(sent.await?).await) }
        };
        match limiter.attempts(acquire, send, E::is_unconnected, |_| {}).await {
            Ok((arrived, _, permit)) => {
                let estimator = self.limiter.estimator().clone();
                let learn = move |usage: &Usage| {
                    estimate.iter().for_each(|estimate| estimator.learn(estimate, usage));
                };
                Ok(arrived.metered(permit, learn))
            }
            Err(CallError::Refused(refused)) => Ok(refused.answer.refused(refused.story)),
            Err(CallError::Send { error, .. }) => Err(error),
            Err(CallError::Acquire(error)) => Err(E::unsent(error)),
            Err(CallError::Estimate(error)) => Err(E::unsent(error)),
        }
    }
}
