//! The OpenAI Batch format: lines of requests in, lines of results out.
//! (platform.openai.com/docs/api-reference/batch, read November 2026)

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use tollgate::estimate::Estimate;

/// A request that can be sent.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) custom_id: String,
    /// The path, `/v1/chat/completions`.
    pub(crate) url: String,
    /// Sent as it was written: nothing is lost or reordered.
    pub(crate) body: String,
    /// Names the model, too.
    pub(crate) estimate: Estimate,
}

/// A line that cannot be sent.
#[derive(Debug)]
pub(crate) struct BadLine {
    /// Known where the line says at least that; then the result file can tell, too.
    pub(crate) custom_id: Option<String>,
    pub(crate) why: String,
}

/// A line whose form is right; its body is not looked into yet.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) custom_id: String,
    pub(crate) url: String,
    pub(crate) body: String,
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    custom_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    url: Option<Cow<'a, str>>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

impl Line {
    /// Reads one line of the input.
    pub(crate) fn read(text: &[u8]) -> Result<Line, BadLine> {
        let nameless = |why: String| BadLine { custom_id: None, why };
        let text = std::str::from_utf8(text).map_err(|error| nameless(format!("not UTF-8: {error}")))?;
        let fields: Fields<'_> =
            serde_json::from_str(text).map_err(|error| nameless(not_a_request(&error)))?;
        let Some(custom_id) = fields.custom_id.filter(|id| !id.is_empty()) else {
            return Err(nameless("custom_id: missing".to_owned()));
        };
        let bad = |why: String| BadLine { custom_id: Some(custom_id.clone().into_owned()), why };
        match fields.method.as_deref() {
            Some("POST") => {}
            Some(other) => return Err(bad(format!("method: {other} is not POST"))),
            None => return Err(bad("method: missing".to_owned())),
        }
        let url = fields.url.ok_or_else(|| bad("url: missing".to_owned()))?;
        // A whole address in the file could send the key to anyone.
        if !url.starts_with('/') || url.starts_with("//") || url.contains(char::is_whitespace) {
            return Err(bad(format!("url: {url} is not a path such as /v1/chat/completions")));
        }
        let body = fields.body.ok_or_else(|| bad("body: missing".to_owned()))?.get();
        if !body.starts_with('{') {
            return Err(bad("body: not an object".to_owned()));
        }
        let (url, body) = (url.into_owned(), body.to_owned());
        Ok(Line { custom_id: custom_id.into_owned(), url, body })
    }

    /// Looks into the body.
    pub(crate) fn body(&self) -> Result<Value, BadLine> {
        let bad = |why: String| BadLine { custom_id: Some(self.custom_id.clone()), why };
        let body: Value = serde_json::from_str(&self.body).map_err(|error| bad(format!("body: {error}")))?;
        if body.get("stream").is_some_and(|stream| *stream != Value::Bool(false) && !stream.is_null()) {
            return Err(bad("body.stream: a batch has no streamed answers; remove it".to_owned()));
        }
        match body.get("model") {
            Some(Value::String(model)) if !model.is_empty() => Ok(body),
            Some(_) => Err(bad("body.model: not a name".to_owned())),
            None => Err(bad("body.model: missing".to_owned())),
        }
    }
}

/// The line has a number already, and within it every error is in "line 1".
fn not_a_request(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    match error.classify() {
        serde_json::error::Category::Data => text.to_owned(),
        _ => format!("not JSON: {text} (column {})", error.column()),
    }
}

/// One line of the output.
#[derive(Serialize)]
pub(crate) struct ResultLine<'a> {
    id: String,
    custom_id: &'a str,
    response: Option<Response<'a>>,
    error: Option<Problem<'a>>,
}

/// What the endpoint answered.
#[derive(Serialize)]
struct Response<'a> {
    status_code: u16,
    request_id: &'a str,
    body: Body<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Body<'a> {
    Json(Box<RawValue>),
    Text(&'a str),
}

/// Why there is no answer.
#[derive(Serialize)]
struct Problem<'a> {
    code: &'a str,
    message: &'a str,
}

impl<'a> ResultLine<'a> {
    pub(crate) fn answered(custom_id: &'a str, status_code: u16, request_id: &'a str, body: &'a str) -> Self {
        let (body, error) = match RawValue::from_string(on_one_line(body)) {
            Ok(json) => (Body::Json(json), None),
            Err(_) => {
                let message = "the answer is not JSON; the body holds its text";
                (Body::Text(body), Some(Problem { code: "not_json", message }))
            }
        };
        // A refusal by a proxy is often a page of HTML; its status says enough.
        let error = error.filter(|_| (200..300).contains(&status_code));
        let response = Some(Response { status_code, request_id, body });
        ResultLine { id: result_id(), custom_id, response, error }
    }

    /// What an error says that came in an answer with a good status.
    pub(crate) fn with_error_inside(self, message: Option<&'a str>) -> Self {
        let is_good = self.response.as_ref().is_some_and(|head| (200..300).contains(&head.status_code));
        let inside = message.filter(|_| is_good).map(|message| Problem { code: "error_in_answer", message });
        ResultLine { error: inside.or(self.error), ..self }
    }

    pub(crate) fn failed(custom_id: &'a str, code: &'a str, message: &'a str) -> Self {
        ResultLine { id: result_id(), custom_id, response: None, error: Some(Problem { code, message }) }
    }

    /// With the line feed, so that one write makes it complete.
    pub(crate) fn to_bytes(&self) -> serde_json::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

fn result_id() -> String {
    format!("batch_req_{:016x}{:08x}", fastrand::u64(..), fastrand::u32(..))
}

/// Takes the white space between the tokens of `json` away: providers answer in many lines, a result is one.
fn on_one_line(json: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    let keep = |c: &char| {
        if in_string {
            match *c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => in_string = false,
                _ => {}
            }
            return true;
        }
        in_string = *c == '"';
        !c.is_ascii_whitespace()
    };
    json.chars().filter(keep).collect()
}

/// What a line of an earlier run says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Earlier<'a> {
    pub(crate) custom_id: Cow<'a, str>,
    /// The answer's status; `None` where there was none, or no usable one.
    pub(crate) status: Option<u16>,
}

impl<'a> Earlier<'a> {
    /// Reads one line of the output; `None` if it is not a result.
    pub(crate) fn read(text: &'a [u8]) -> Option<Earlier<'a>> {
        #[derive(Deserialize)]
        struct Fields<'a> {
            #[serde(borrow)]
            custom_id: Cow<'a, str>,
            response: Option<Head>,
            error: Option<serde::de::IgnoredAny>,
        }
        #[derive(Deserialize)]
        struct Head {
            status_code: u16,
        }
        let fields: Fields<'_> = serde_json::from_slice(text).ok()?;
        let status = match fields.error {
            None => fields.response.map(|head| head.status_code),
            Some(_) => None,
        };
        Some(Earlier { custom_id: fields.custom_id, status })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(line: &str) -> String {
        match Line::read(line.as_bytes()).and_then(|line| line.body()) {
            Ok(_) => "good".to_owned(),
            Err(bad) => bad.why,
        }
    }

    #[test]
    fn a_bad_line_says_what_is_wrong_with_it() {
        let line = |rest: &str| format!(r#"{{"custom_id": "a", "method": "POST", {rest}}}"#);
        assert_eq!(why(&line(r#""url": "/v1/x", "body": {"model": "m"}"#)), "good");
        assert_eq!(why("hello"), "not JSON: expected value (column 1)");
        assert_eq!(why("{\"custom_id\": \"a\""), "not JSON: EOF while parsing an object (column 17)");
        assert_eq!(why("[1]"), "invalid type: integer `1`, expected a string");
        assert_eq!(why("{}"), "custom_id: missing");
        assert_eq!(why(r#"{"custom_id": "a", "method": "GET"}"#), "method: GET is not POST");
        assert_eq!(why(&line(r#""body": {}"#)), "url: missing");
        let elsewhere = line(r#""url": "https://evil.example/v1", "body": {"model": "m"}"#);
        assert_eq!(
            why(&elsewhere),
            "url: https://evil.example/v1 is not a path such as /v1/chat/completions"
        );
        assert_eq!(why(&line(r#""url": "/v1/x", "body": 5"#)), "body: not an object");
        assert_eq!(why(&line(r#""url": "/v1/x", "body": {}"#)), "body.model: missing");
        let streamed = line(r#""url": "/v1/x", "body": {"model": "m", "stream": true}"#);
        assert_eq!(why(&streamed), "body.stream: a batch has no streamed answers; remove it");
    }

    #[test]
    fn an_answer_of_many_lines_is_written_on_one_and_loses_nothing() {
        let body = "{\n  \"a\": 1e400,\n  \"text\": \"two  \\\" spaces\\n\"\n}\n";
        let bytes = ResultLine::answered("x", 200, "", body).to_bytes().unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text.matches('\n').count(), 1);
        assert!(text.contains(r#""body":{"a":1e400,"text":"two  \" spaces\n"}"#), "{text}");
    }

    #[test]
    fn a_success_that_is_not_json_does_not_count_as_answered() {
        let read = |status| {
            let bytes = ResultLine::answered("x", status, "", "<html>").to_bytes().unwrap();
            Earlier::read(&bytes).unwrap().status
        };
        assert_eq!(read(200), None);
        assert_eq!(read(403), Some(403));
    }

    #[test]
    fn a_success_with_an_error_inside_does_not_count_as_answered() {
        let read = |status| {
            let line = ResultLine::answered("x", status, "", r#"{"error": {}}"#);
            let bytes = line.with_error_inside(Some("the provider failed")).to_bytes().unwrap();
            Earlier::read(&bytes).unwrap().status
        };
        assert_eq!(read(200), None);
        assert_eq!(read(404), Some(404));
    }
}
