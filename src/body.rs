//! A body that settles its call when it ends.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};

use crate::permit::Permit;
use crate::stream::Meter;

pin_project_lite::pin_project! {
    /// The body of an answer, with the [`Meter`] that settles its call: at its end, or when it breaks off or is
    /// dropped.
    ///
    /// Every frame passes as it comes, and so does what is known of its length and its end. Data that is not one
    /// [`Bytes`] already is copied into one.
    ///
    /// # Example: a client that speaks the types of the `http` crate
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http_body_util::{BodyExt, Full};
    /// use tollgate::{Cost, Limiter, Limits, Metered};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let limiter = Limiter::builder().model("gpt-4o-mini", Limits::new().tpm(200_000)).build()?;
    /// let permit = limiter.acquire("gpt-4o-mini", Cost::input(1_200).max_output(500)).await?;
    /// # let answer = r#"{"usage": {"prompt_tokens": 1187, "completion_tokens": 212}}"#;
    /// // let response = client.request(request).await?;
    /// let response = http::Response::new(Full::new(Bytes::from(answer)));
    /// let response = Metered::response(permit, response);
    /// let body = response.into_body().collect().await?; // settled here: 1,187 and 212
    /// # assert_eq!(body.to_bytes(), answer);
    /// # Ok(()) }
    /// ```
    pub struct Metered<B>
    where
        B: Body,
    {
        // What was read ahead.
        front: VecDeque<Result<Frame<Bytes>, B::Error>>,
        #[pin]
        inner: B,
        ended: bool,
        meter: Option<Meter>,
    }
}

impl<B: Body> Metered<B> {
    /// The body of an answer, with a meter that has seen its head.
    pub fn new(meter: Meter, body: B) -> Self {
        Metered { front: VecDeque::new(), inner: body, ended: false, meter: Some(meter) }
    }

    /// An answer whose body settles the call. Its head is told to the books at once.
    pub fn response(permit: Permit, response: http::Response<B>) -> http::Response<Self> {
        let meter = Meter::new(permit, response.status(), response.headers());
        response.map(|body| Metered::new(meter, body))
    }

    fn poll_inner(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.as_mut().project();
        if *this.ended {
            return Poll::Ready(None);
        }
        let frame = ready!(this.inner.as_mut().poll_frame(cx));
        let frame = frame.map(|frame| frame.map(|frame| frame.map_data(into_bytes)));
        match &frame {
            Some(Ok(frame)) => {
                if let (Some(meter), Some(data)) = (this.meter.as_mut(), frame.data_ref()) {
                    meter.see(data);
                }
                // Many a reader stops when it has got the length that was said, without asking for the end.
                if this.inner.is_end_stream()
                    && let Some(meter) = this.meter.take()
                {
                    meter.finish();
                }
            }
            // Cut.
            Some(Err(_)) => {
                *this.ended = true;
                this.meter.take();
            }
            None => {
                *this.ended = true;
                if let Some(meter) = this.meter.take() {
                    meter.finish();
                }
            }
        }
        Poll::Ready(frame)
    }
}

/// For adapters: the body of a refusal is read before it is handed on, since many a caller does not.
#[cfg(any(feature = "async-openai", feature = "tower", feature = "reqwest"))]
impl<B: Body> Metered<B> {
    /// The most that is read ahead, in bytes: what an error may have to be judged.
    const AHEAD: usize = 64 * 1_024;

    /// The most frames of those: some may be empty.
    const FRAMES: usize = 1_024;

    /// A body that settles nothing.
    pub(crate) fn plain(body: B) -> Self {
        Metered { front: VecDeque::new(), inner: body, ended: false, meter: None }
    }

    /// Reads ahead, up to the end or to the most; gives what it has read, and keeps it for the reader.
    pub(crate) async fn read_ahead(mut self: Pin<&mut Self>) -> Vec<u8> {
        let mut read = Vec::new();
        while read.len() <= Self::AHEAD && self.front.len() < Self::FRAMES {
            let Some(frame) = std::future::poll_fn(|cx| self.as_mut().poll_inner(cx)).await else { break };
            if let Some(data) = frame.as_ref().ok().and_then(Frame::data_ref) {
                read.extend_from_slice(data);
            }
            self.as_mut().project().front.push_back(frame);
        }
        read
    }
}

impl<B: Body> fmt::Debug for Metered<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metered").field("meter", &self.meter).finish_non_exhaustive()
    }
}

fn into_bytes(mut data: impl Buf) -> Bytes {
    data.copy_to_bytes(data.remaining())
}

impl<B: Body> Body for Metered<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.as_mut().project().front.pop_front() {
            Some(frame) => Poll::Ready(Some(frame)),
            None => self.poll_inner(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.front.is_empty() && (self.ended || self.inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let ahead = self.front.iter().filter_map(|frame| frame.as_ref().ok()?.data_ref());
        let ahead = ahead.map(|data| data.len() as u64).fold(0, u64::saturating_add);
        let rest = self.inner.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(ahead));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(ahead));
        }
        hint
    }
}
