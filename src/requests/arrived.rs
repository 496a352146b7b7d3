//! An answer whose head is in.

use std::pin::Pin;

use reqwest::{Body, Response, ResponseBuilderExt};

use crate::body::Metered;
use crate::call::{Answer, Story};
use crate::permit::Permit;
use crate::provider::{Headers, Verdict};
use crate::quota::Usage;
use crate::stream::Meter;

#[derive(Debug)]
pub(super) struct Arrived {
    head: http::response::Parts,
    body: Body,
    verdict: Option<Verdict>,
}

impl Arrived {
    /// Of a refusal, the body is read up to 64 KiB, so that it can be judged and still be handed on.
    pub(super) async fn new(response: Response) -> Arrived {
        // Lost on the way through the types of the `http` crate, unless it goes along.
        let url = http::Response::builder().url(response.url().clone()).body(());
        let (mut head, body) = http::Response::from(response).into_parts();
        head.extensions.extend(url.map(|marked| marked.into_parts().0.extensions).unwrap_or_default());
        if head.status.as_u16() < 400 {
            return Arrived { head, body, verdict: None };
        }
        let mut body = Metered::plain(body);
        let read = Pin::new(&mut body).read_ahead().await;
        let verdict = Verdict::of_answer(head.status, &head.headers, Some(&read));
        Arrived { head, body: Body::wrap(body), verdict }
    }

    /// The answer whose body settles the call.
    pub(super) fn metered(
        self,
        permit: Permit,
        tell: impl FnOnce(&Usage) + Send + Sync + 'static,
    ) -> Response {
        let meter = Meter::new(permit, self.head.status, &self.head.headers).on_usage(tell);
        let body = Body::wrap(Metered::new(meter, self.body));
        http::Response::from_parts(self.head, body).into()
    }

    /// A refusal for the caller, with what became of each attempt.
    pub(super) fn refused(mut self, story: Story) -> Response {
        self.head.extensions.insert(story);
        http::Response::from_parts(self.head, self.body).into()
    }
}

impl Answer for Arrived {
    fn status(&self) -> Option<u16> {
        Some(self.head.status.as_u16())
    }

    fn each_header<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a str)) {
        self.head.headers.each(visit);
    }

    /// Not known before the body has ended.
    fn usage(&self) -> Option<Usage> {
        None
    }

    fn verdict(&self) -> Option<Verdict> {
        self.verdict
    }
}
