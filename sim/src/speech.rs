//! What a provider says: header fields and error bodies, in the dialects of the providers.
//!
//! The server sends them; clients in the same process are given them as data.

pub(crate) mod headers;
#[cfg(feature = "server")]
pub(crate) mod invalid;
pub(crate) mod problem;

use crate::provider::Request;
use crate::shared::{Denied, SharedProvider, Slot};
use headers::{Headers, Scene};
use problem::Problem;

/// An error as a client reads it, in the dialect of the provider's [`HeaderFamily`](crate::HeaderFamily).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorAnswer {
    /// The HTTP status.
    pub status: u16,
    /// Names and values of the header fields.
    pub headers: Vec<(String, String)>,
    /// The body: JSON.
    pub body: String,
}

impl SharedProvider {
    /// What a client reads whose `request` to `model` was denied.
    ///
    /// ```
    /// use tollgate_sim::{Config, Request, SharedProvider};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let provider = SharedProvider::new(Config { rpm: Some(1), ..Config::default() });
    /// let request = Request { id: 1, input_tokens: 10, max_output_tokens: None, output_tokens: None };
    /// let slot = provider.admit(&request).expect("there was room");
    /// assert_eq!(slot.head("gpt-4o").iter().filter(|(name, _)| name.starts_with("x-ratelimit-")).count(), 3);
    /// let denied = provider.admit(&request).expect_err("there was no room");
    /// let answer = provider.refusal("gpt-4o", &request, &denied);
    /// assert_eq!(answer.status, 429);
    /// assert!(answer.body.contains("Limit 1, Used 1, Requested 1. Please try again in 1m0s."));
    /// # }
    /// ```
    pub fn refusal(&self, model: &str, request: &Request, denied: &Denied) -> ErrorAnswer {
        let now = self.now();
        let scene = self.scene(model, request.id, false, now);
        let mut problem = Problem::denied(&scene, denied);
        problem.headers.extend(headers::of_any(&scene, now));
        ErrorAnswer {
            status: problem.status,
            headers: owned(problem.headers),
            body: problem.body.to_string(),
        }
    }

    /// A call named `id` that was decided on at `now`.
    pub(crate) fn scene<'a>(&self, model: &'a str, id: u64, streamed: bool, now: u64) -> Scene<'a> {
        let config = self.config();
        Scene {
            family: config.headers,
            words: config.headers,
            charge: config.charge,
            model,
            request_id: request_id(id, now),
            streamed,
            now: headers::utc(now),
        }
    }
}

impl Slot {
    /// The header fields of a good answer from `model`, sent now in one piece. The budgets are as they were right after
    /// the charge, however long ago that is.
    pub fn head(&self, model: &str) -> Vec<(String, String)> {
        let (provider, at) = (self.provider(), self.at());
        let now = provider.now();
        let scene = provider.scene(model, self.id(), false, at);
        let mut headers = headers::of_good(&scene, &self.levels(), self.cost());
        headers.extend(headers::of_any(&scene, now));
        headers.push(headers::processing_ms(at, now));
        owned(headers)
    }
}

/// Names the answer to the call `id` at `now`.
pub(crate) fn request_id(id: u64, now: u64) -> String {
    format!("req_{id:016x}{now:016x}")
}

fn owned(headers: Headers) -> Vec<(String, String)> {
    headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
