//! One try of one request: sends it, tells the books, reads the answer.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Url};
use tollgate::{Permit, Usage, Verdict};

use crate::batch::Request;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// An endpoint that speaks OpenAI's dialect.
#[derive(Debug)]
pub(crate) struct Endpoint {
    client: Client,
    base: String,
}

/// What came of a try. The permit is ended in each case.
#[derive(Debug)]
pub(crate) enum Tried {
    Answered(Answer),
    /// Not even a connection; says why.
    NotConnected(String),
    /// It was sent, or part of it, and no whole answer came; says why.
    Broken(String),
    /// It could never be sent.
    Impossible(String),
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) request_id: String,
    pub(crate) body: String,
    /// Why the provider said no, if it did.
    pub(crate) verdict: Option<Verdict>,
    /// What a successful answer says it used.
    pub(crate) usage: Option<Usage>,
}

/// Whether the address is one of this machine, where no key is needed.
pub(crate) fn is_loopback(base: &Url) -> bool {
    match base.host_str() {
        Some("localhost") => true,
        Some(host) => {
            let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
            address.is_ok_and(|address| address.is_loopback())
        }
        None => false,
    }
}

/// Reads the address of an endpoint.
pub(crate) fn base_url(text: &str) -> Result<Url> {
    let base = Url::parse(text).with_context(|| format!("--base-url: {text} is not an address"))?;
    if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
        bail!("--base-url: {text} does not begin with http:// or https://");
    }
    if base.query().is_some() || base.fragment().is_some() {
        bail!("--base-url: {text} has more than a path behind its host");
    }
    Ok(base)
}

impl Endpoint {
    pub(crate) fn new(base: &Url, api_key: Option<&str>, timeout: Duration) -> Result<Self> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(key) = api_key {
            let mut value = HeaderValue::try_from(format!("Bearer {key}"))
                .ok()
                .context("the API key holds a character that no header may hold")?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let client = Client::builder()
            .default_headers(headers)
            .user_agent(concat!("tollgate/", env!("CARGO_PKG_VERSION")))
            // A redirected POST arrives as a GET; better to show the redirect.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(timeout)
            .tcp_nodelay(true)
            .build()
            .context("cannot set up HTTP")?;
        Ok(Endpoint { client, base: base.as_str().trim_end_matches('/').to_owned() })
    }

    /// The address as a person knows it.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Where a request goes. People write the base with and without the `/v1` that the file's paths have.
    fn address(&self, path: &str) -> String {
        let base = self.base.strip_suffix("/v1").filter(|_| path.starts_with("/v1/")).unwrap_or(&self.base);
        format!("{base}{path}")
    }

    /// Sends `request` under `permit`, and ends the permit by what comes back.
    pub(crate) async fn send(&self, request: &Request, permit: Permit) -> Tried {
        let sending = self.client.post(self.address(&request.url)).body(request.body.clone()).send();
        let response = match sending.await {
            Ok(response) => response,
            Err(error) if error.is_connect() => {
                permit.cancel().await;
                return Tried::NotConnected(cause(&error));
            }
            Err(error) if error.is_builder() => {
                permit.cancel().await;
                return Tried::Impossible(cause(&error));
            }
            // It may have been received and charged: the dropped permit keeps the estimate charged.
            Err(error) => return Tried::Broken(cause(&error)),
        };
        let status = response.status();
        let headers = response.headers().clone();
        permit.observe(status, &headers);
        let request_id = request_id(&headers);
        let body = match response.bytes().await {
            Ok(body) => body,
            Err(error) => return Tried::Broken(format!("the answer broke off: {}", cause(&error))),
        };
        let verdict = Verdict::of_answer(status, &headers, Some(&body));
        let body = String::from_utf8_lossy(&body).into_owned();
        let usage = if status.is_success() && verdict.is_none() { usage(&body) } else { None };
        match (verdict, usage) {
            (Some(verdict), _) => permit.refused(verdict).await,
            (None, Some(usage)) => permit.release(usage).await,
            // A success that does not say what it used: the estimate stays charged.
            (None, None) => drop(permit),
        }
        Tried::Answered(Answer { status: status.as_u16(), request_id, body, verdict, usage })
    }
}

/// What the answer says it used.
fn usage(body: &str) -> Option<Usage> {
    Usage::of_answer(&serde_json::from_str(body).ok()?)
}

/// OpenAI, Anthropic and Azure name it differently.
fn request_id(headers: &HeaderMap) -> String {
    let names = ["x-request-id", "request-id", "apim-request-id"];
    let found = names.iter().find_map(|name| headers.get(*name)?.to_str().ok());
    found.unwrap_or_default().to_owned()
}

/// The whole chain of causes without the address, which the caller knows: "connection refused" is at its end.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() && !error.is_connect() {
        return "no answer in time (--timeout)".to_owned();
    }
    let mut text = String::new();
    let mut next = std::error::Error::source(error);
    while let Some(error) = next {
        let part = error.to_string();
        // Wrappers repeat what they wrap.
        if !text.ends_with(&part) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&part);
        }
        next = error.source();
    }
    if text.is_empty() { error.to_string() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_may_be_written_with_and_without_v1() {
        for base in
            ["https://a.example", "https://a.example/", "https://a.example/v1", "https://a.example/v1/"]
        {
            let endpoint = Endpoint::new(&base_url(base).unwrap(), None, Duration::from_secs(1)).unwrap();
            assert_eq!(endpoint.address("/v1/embeddings"), "https://a.example/v1/embeddings");
        }
    }

    #[test]
    fn only_this_machine_needs_no_key() {
        for base in ["http://127.0.0.1:9", "http://localhost", "http://[::1]:80/v1"] {
            assert!(is_loopback(&base_url(base).unwrap()), "{base}");
        }
        assert!(!is_loopback(&base_url("https://127.0.0.1.example").unwrap()));
        assert!(base_url("api.openai.com").is_err());
        assert!(base_url("ftp://a.example").is_err());
    }

    #[test]
    fn usage_is_read_by_its_old_and_new_names() {
        let read = |text| usage(text).map(|usage| (usage.input_tokens(), usage.output_tokens()));
        assert_eq!(read(r#"{"usage": {"prompt_tokens": 3, "completion_tokens": 4}}"#), Some((3, 4)));
        assert_eq!(read(r#"{"usage": {"prompt_tokens": 3, "total_tokens": 3}}"#), Some((3, 0)));
        assert_eq!(read(r#"{"usage": {"input_tokens": 3, "output_tokens": 4}}"#), Some((3, 4)));
        assert_eq!(read(r#"{"usage": null}"#), None);
        assert_eq!(read("<html>"), None);
    }
}
