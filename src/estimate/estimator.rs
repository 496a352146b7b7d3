use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;

use super::count::{CountingThread, Counts, Tally, give_way};
use super::learned::{Forecast, Learned, Report};
use super::request::{self, Request};
use super::{Encoding, Estimate, EstimateError, Tiktoken, TokenCounter};
use crate::quota::Usage;

/// Nanoseconds of counting that are done on the caller's thread.
const HERE: usize = 500_000;
/// Nanoseconds of anything else before the thread is lent to others.
const AT_ONCE: usize = 200_000;

/// Estimates requests for a program that goes on: counts each text once, never holds an executor's
/// thread for long, and learns from what the provider counted. Clones share what they know.
///
/// # How long does it hold a thread?
///
/// Texts that were counted before cost a hash. New ones are counted where the caller is, if that takes
/// less than half a millisecond (5 kB of ordinary text); else on a thread of the estimator's
/// own, while the caller's future waits. All else that it does for a long request is interrupted to
/// let other tasks run. What is not: reading the JSON (2 ms for 10,000 messages) and
/// hashing a text (a millisecond for 16 MB). Measured in `docs/estimate`.
///
/// Of a request with more than 1 MiB of new text ([`EstimatorBuilder::exact_up_to`]), texts beyond are sampled if they
/// have 64 KiB, and told by the kinds of their characters if they are shorter. Until a vocabulary is built (180 ms, on that thread), estimates go by the kinds of
/// characters. [`Estimate::accuracy`] says how far each is to be trusted.
///
/// # Example: estimate, call, learn
///
/// ```
/// use serde_json::json;
/// use tollgate::{Usage, estimate::{Accuracy, Estimator}};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let estimator = Estimator::new();
/// estimator.warm_up().await;
///
/// let request = json!({ "model": "gpt-4o", "messages": [{ "role": "user", "content": "hello world" }] });
/// let estimate = estimator.request(&request).await?;
/// assert_eq!(estimate.accuracy(), Accuracy::Exact);
/// // ... acquire `estimate.cost()`, send, read the answer's usage ...
/// estimator.learn(&estimate, &Usage::new(9, 212));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Estimator {
    inner: Arc<Inner>,
    key: Option<Arc<str>>,
}

struct Inner {
    counter: Arc<dyn TokenCounter>,
    thread: CountingThread,
    counts: Counts,
    exact_up_to: usize,
    forecast: Forecast,
    learned: Mutex<Learned>,
}

impl Default for Estimator {
    fn default() -> Self {
        Estimator::new()
    }
}

impl Estimator {
    /// One with [`Tiktoken`]'s counts that reserves the most that an answer may hold.
    pub fn new() -> Self {
        Estimator::builder().build()
    }

    /// Starts from what [`Estimator::new`] does.
    pub fn builder() -> EstimatorBuilder {
        EstimatorBuilder {
            counter: Arc::new(Tiktoken),
            forecast: Forecast::default(),
            exact_up_to: 1024 * 1024,
            remembers: 16_384,
        }
    }

    /// The same estimator for calls of one kind, such as "summaries" or a tenant's: the lengths of their
    /// answers are learned apart. 1,024 kinds of a model are told apart.
    pub fn key(&self, key: &str) -> Estimator {
        Estimator { inner: self.inner.clone(), key: Some(key.into()) }
    }

    /// Estimates a request from its JSON body: see [`estimate::request`](super::request()) for what
    /// counts.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing but the work.
    ///
    /// # Errors
    ///
    /// As [`estimate::request`](super::request()).
    pub async fn request(&self, body: &Value) -> Result<Estimate, EstimateError> {
        let request = request::read(body)?;
        let Inner { counter, thread, counts, .. } = &*self.inner;
        let mut tally = self.begin(&request);
        if !counter.is_ready(tally.encoding()) {
            thread.prepare(tally.encoding());
            while !tally.tell(AT_ONCE) {
                give_way().await;
            }
            return Ok(self.finish(&request, tally));
        }
        while !tally.look_up(counts, AT_ONCE) {
            give_way().await;
        }
        if tally.takes_less_than(HERE) {
            tally.count(&**counter, counts);
        } else {
            let counted = thread.count(tally.missing(), tally.encoding()).await;
            while !tally.take(counted.as_deref(), counts, AT_ONCE) {
                give_way().await;
            }
        }
        Ok(self.finish(&request, tally))
    }

    /// The same on this thread, however long it takes: builds the vocabulary if need be.
    ///
    /// # Errors
    ///
    /// As [`estimate::request`](super::request()).
    pub fn request_blocking(&self, body: &Value) -> Result<Estimate, EstimateError> {
        let request = request::read(body)?;
        let Inner { counter, counts, .. } = &*self.inner;
        let mut tally = self.begin(&request);
        counter.prepare(tally.encoding());
        if counter.is_ready(tally.encoding()) {
            tally.look_up(counts, usize::MAX);
            tally.count(&**counter, counts);
        } else {
            tally.tell(usize::MAX);
        }
        Ok(self.finish(&request, tally))
    }

    /// Builds the vocabularies, on the estimator's own thread: 250 ms and some 70 MB for both.
    pub async fn warm_up(&self) {
        for encoding in [Encoding::O200kBase, Encoding::Cl100kBase] {
            if let Some(built) = self.inner.thread.prepare(encoding) {
                let _ = built.await;
            }
        }
    }

    /// Tells what a call that was estimated has really used: the whole prompt, cached or not.
    pub fn learn(&self, estimate: &Estimate, usage: &Usage) {
        let mut learned = self.inner.learned.lock();
        // Of a partial estimate, nobody knows how much of the rest the provider counted.
        if !estimate.is_certain() && !estimate.is_partial() {
            let parts = estimate.parts();
            let flat = parts.images.saturating_add(parts.files);
            let counted = usage.input_tokens().saturating_sub(flat);
            let estimated = parts.tokens().saturating_sub(flat);
            if counted > 0 && estimated > 0 {
                learned.learn_input(estimate.model(), estimate.accuracy(), estimated, counted);
            }
        }
        let cap = estimate.cost().max_output_tokens();
        if cap > 0 {
            learned.learn_output(estimate.model(), estimate.key(), cap, usage.output_tokens());
        }
    }

    /// What it has counted and learned so far.
    pub fn report(&self) -> Report {
        let counts = &self.inner.counts;
        Report {
            cache_hits: counts.hits(),
            cache_misses: counts.misses(),
            cache_entries: counts.len(),
            models: self.inner.learned.lock().report(),
        }
    }

    fn begin<'a>(&self, request: &'a Request<'_>) -> Tally<'a> {
        let encoding = request.encoding.unwrap_or(Encoding::FALLBACK);
        Tally::new(request.prompt.texts(), encoding, self.inner.exact_up_to, request.accuracy())
    }

    fn finish(&self, request: &Request<'_>, tally: Tally<'_>) -> Estimate {
        let mut learned = self.inner.learned.lock();
        let ratio = learned.ratio(request.model, tally.accuracy());
        let expected = learned.expected(self.inner.forecast, request.model, self.key.as_deref());
        drop(learned);
        Estimate::new(request, tally, ratio, expected, self.key.clone())
    }
}

impl fmt::Debug for Estimator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Estimator").field("key", &self.key).finish_non_exhaustive()
    }
}

/// Puts an [`Estimator`] together; made by [`Estimator::builder`].
///
/// # Example: reserve what answers probably hold instead of their caps
///
/// ```
/// use tollgate::estimate::{Estimator, Forecast};
///
/// let estimator = Estimator::builder().forecast(Forecast::Learned { percentile: 80 }).build();
/// let summaries = estimator.key("summaries"); // learned apart from other answers
/// ```
#[must_use]
pub struct EstimatorBuilder {
    counter: Arc<dyn TokenCounter>,
    forecast: Forecast,
    exact_up_to: usize,
    remembers: usize,
}

impl EstimatorBuilder {
    /// Counts with another counter than [`Tiktoken`].
    pub fn counter(self, counter: impl TokenCounter + 'static) -> Self {
        EstimatorBuilder { counter: Arc::new(counter), ..self }
    }

    /// How long answers are expected to be.
    pub fn forecast(self, forecast: Forecast) -> Self {
        EstimatorBuilder { forecast, ..self }
    }

    /// The bytes of new text that are counted in one request, at most; of what is beyond, texts of 64 KiB are sampled, and shorter ones told by the kinds of their characters. 1 MiB unless
    /// told, which takes 50 to 100 ms, and 600 ms for text without blanks.
    pub fn exact_up_to(self, bytes: usize) -> Self {
        EstimatorBuilder { exact_up_to: bytes, ..self }
    }

    /// How many texts' counts are remembered: 16,384 unless told, of some 50 bytes each.
    pub fn remembers(self, texts: usize) -> Self {
        EstimatorBuilder { remembers: texts, ..self }
    }

    /// Makes the estimator.
    pub fn build(self) -> Estimator {
        let inner = Inner {
            thread: CountingThread::new(self.counter.clone()),
            counter: self.counter,
            counts: Counts::new(self.remembers),
            exact_up_to: self.exact_up_to,
            forecast: self.forecast,
            learned: Mutex::default(),
        };
        Estimator { inner: Arc::new(inner), key: None }
    }
}

impl fmt::Debug for EstimatorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("EstimatorBuilder");
        fields.field("forecast", &self.forecast).field("exact_up_to", &self.exact_up_to);
        fields.field("remembers", &self.remembers).finish_non_exhaustive()
    }
}
