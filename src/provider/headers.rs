use std::time::Duration;

/// The header fields of an answer, whatever HTTP client it came from.
///
/// Ready-made for slices and vectors of pairs, and for `http::HeaderMap` with the feature `http`.
pub trait Headers {
    /// The value of the field `name`, given in lower case, if it is there and is text.
    fn field(&self, name: &str) -> Option<&str>;
}

impl<N: AsRef<str>, V: AsRef<str>> Headers for [(N, V)] {
    fn field(&self, name: &str) -> Option<&str> {
        let found = self.iter().find(|(key, _)| key.as_ref().eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_ref())
    }
}

impl<N: AsRef<str>, V: AsRef<str>, const LEN: usize> Headers for [(N, V); LEN] {
    fn field(&self, name: &str) -> Option<&str> {
        self.as_slice().field(name)
    }
}

impl<N: AsRef<str>, V: AsRef<str>> Headers for Vec<(N, V)> {
    fn field(&self, name: &str) -> Option<&str> {
        self.as_slice().field(name)
    }
}

#[cfg(feature = "http")]
impl Headers for http::HeaderMap {
    fn field(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|value| value.to_str().ok())
    }
}

/// How long the provider itself worked on the answer, rounded down.
///
/// OpenAI says it in `openai-processing-ms` (whole milliseconds; seen on recorded answers of 2023
/// to 2025, openllmetry and dd-trace-py cassettes), and relays that speak its dialect repeat it.
pub(crate) fn processing_time<H: Headers + ?Sized>(headers: &H) -> Option<Duration> {
    let millis = headers.field("openai-processing-ms")?.trim().parse().ok()?;
    Some(Duration::from_millis(millis))
}
