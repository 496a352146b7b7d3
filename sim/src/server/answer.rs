//! What all answers have in common.

use crate::config::HeaderFamily;
use crate::provider::{Fault, Request};
use crate::shared::{SharedProvider, Slot};
use crate::speech::headers::{self, Headers, Scene};
use crate::speech::invalid::Wrong;
use crate::speech::problem::Problem;
use crate::speech::request_id;
use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Marks a response that is not to be sent: the connection is closed in its place.
#[derive(Debug, Clone)]
pub(super) struct HangUp;

/// A call that came in, as far as it is the same for every kind of call.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) provider: SharedProvider,
    /// Names the call; see [`Request::id`].
    pub(super) id: u64,
    /// What is shown as the key.
    key: Option<String>,
    /// The model, where the path tells it.
    deployment: Option<String>,
    /// Whether it is made by Anthropic's own protocol.
    by_messages: bool,
    body: Bytes,
}

impl Incoming {
    pub(super) fn new(provider: SharedProvider, headers: &HeaderMap, body: Bytes) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let bearer = text("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let key = bearer.or_else(|| text("api-key")).or_else(|| text("x-api-key")).map(str::to_owned);
        let id = text("x-sim-request").and_then(|value| value.parse().ok()).unwrap_or_else(|| hash(&body));
        Self { provider, id, key, deployment: None, by_messages: false, body }
    }

    /// The same call, to a path that tells the model.
    pub(super) fn at(self, deployment: Option<Path<String>>) -> Self {
        Self { deployment: deployment.map(|Path(name)| name), ..self }
    }

    /// The same call, by Anthropic's own protocol.
    pub(super) fn by_messages(self) -> Self {
        Self { by_messages: true, ..self }
    }

    /// Lets in who shows the right key, and reads the body. `field` is the one that is wrong if the model is not.
    pub(super) fn read<T: DeserializeOwned>(&self, field: &'static str) -> Result<T, Problem> {
        let config = self.provider.config();
        if config.api_key.is_some() && config.api_key != self.key {
            return Err(self.invalid(Wrong::Key));
        }
        let mut body: Value = serde_json::from_slice(&self.body).map_err(|_| self.invalid(Wrong::NotJson))?;
        if let (Some(deployment), Some(body)) = (&self.deployment, body.as_object_mut()) {
            body.insert("model".to_owned(), deployment.clone().into());
        }
        let Some(model) = body.get("model").and_then(Value::as_str) else {
            return Err(self.parameter("model"));
        };
        if !config.models.is_empty() && !config.models.iter().any(|known| known == model) {
            return Err(self.invalid(Wrong::Model(model)));
        }
        for limit in ["max_tokens", "max_completion_tokens", "max_output_tokens"] {
            if body
                .get(limit)
                .is_some_and(|value| !value.is_null() && value.as_u64().is_none_or(|n| n > LONGEST))
            {
                return Err(self.parameter(limit));
            }
        }
        serde_json::from_value(body).map_err(|_| self.parameter(field))
    }

    /// What is said to a call whose parameter `name` is wrong.
    pub(super) fn parameter(&self, name: &str) -> Problem {
        self.invalid(Wrong::Parameter(name))
    }

    fn invalid(&self, wrong: Wrong<'_>) -> Problem {
        let words = if self.by_messages { HeaderFamily::Anthropic } else { self.provider.config().headers };
        Problem::invalid(words, &self.request_id(), wrong)
    }

    /// Names this answer.
    pub(super) fn request_id(&self) -> String {
        request_id(self.id, self.provider.now())
    }

    /// Asks the provider, and waits until the failure of a call that is to fail.
    pub(super) async fn admit(&self, request: &Request, scene: &Scene<'_>) -> Result<Slot, Response> {
        let slot = match self.provider.admit(request) {
            Ok(slot) => slot,
            Err(denied) => {
                return Err(self.head(Problem::denied(scene, &denied).into_response(), scene));
            }
        };
        let (at, levels) = (slot.at(), slot.levels());
        match slot.fault() {
            None => Ok(slot),
            Some(Fault::DroppedConnection) => {
                slot.answer().await;
                let mut response = Response::new(Body::empty());
                response.extensions_mut().insert(HangUp);
                Err(response)
            }
            Some(Fault::ServerError) => {
                slot.answer().await;
                let response = self.head(Problem::server_error(scene, &levels).into_response(), scene);
                Err(self.processing_ms(response, at))
            }
        }
    }

    /// The head of a good answer to a call that was charged at `at`.
    pub(super) fn good(
        &self,
        mut response: Response,
        scene: &Scene<'_>,
        at: u64,
        rate_limits: Headers,
    ) -> Response {
        set(&mut response, rate_limits);
        let response = self.head(response, scene);
        self.processing_ms(response, at)
    }

    pub(super) fn scene<'a>(&self, model: &'a str, streamed: bool) -> Scene<'a> {
        let scene = self.provider.scene(model, self.id, streamed, self.provider.now());
        if self.by_messages { scene.by_messages() } else { scene }
    }

    fn head(&self, mut response: Response, scene: &Scene<'_>) -> Response {
        set(&mut response, headers::of_any(scene, self.provider.now()));
        response
    }

    fn processing_ms(&self, mut response: Response, at: u64) -> Response {
        set(&mut response, vec![headers::processing_ms(at, self.provider.now())]);
        response
    }
}

impl Problem {
    pub(super) fn into_response(self) -> Response {
        let mut response = json(&self.body);
        *response.status_mut() = StatusCode::from_u16(self.status).expect("all are from 400 to 599");
        set(&mut response, self.headers);
        response
    }
}

/// The largest `max_tokens` that is accepted.
const LONGEST: u64 = 1_000_000;

/// A JSON answer with status 200.
pub(super) fn json(value: &impl Serialize) -> Response {
    let text = serde_json::to_string(value).expect("these values have no keys but strings");
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Sets headers; one whose value could not be sent is left out.
pub(super) fn set(response: &mut Response, headers: Headers) {
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
}

/// Whole seconds since the Unix epoch.
pub(super) fn seconds(now: u64) -> u64 {
    now / 1_000_000_000
}

/// FNV-1a: the same for the same bytes, everywhere and always.
fn hash(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3))
}
