//! Answers to requests that nothing was decided on, because they are wrong.

use super::headers::Headers;
use super::problem::{Problem, anthropic_error};
use crate::config::HeaderFamily;
use serde_json::{Value, json};

/// What is wrong with a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wrong<'a> {
    /// Its body cannot be read at all.
    NotJson,
    /// A parameter that has to be there is not, or not in its form.
    Parameter(&'a str),
    /// The key.
    Key,
    /// There is no such model.
    Model(&'a str),
}

impl Problem {
    /// What a client reads. Nothing of the request but the model's name is ever in it.
    pub(crate) fn invalid(words: HeaderFamily, request_id: &str, wrong: Wrong<'_>) -> Self {
        let status = match wrong {
            Wrong::NotJson | Wrong::Parameter(_) => 400,
            Wrong::Key => 401,
            Wrong::Model(_) => 404,
        };
        let body = match words {
            HeaderFamily::Anthropic => anthropic(request_id, wrong),
            HeaderFamily::Azure => azure(wrong),
            _ => openai(wrong),
        };
        Self { status, headers: Headers::new(), body }
    }
}

fn openai(wrong: Wrong<'_>) -> Value {
    let (message, param, code) = match wrong {
        Wrong::NotJson => (NOT_JSON.to_owned(), Value::Null, Value::Null),
        Wrong::Parameter(name) => {
            let text = format!("The parameter '{name}' is missing or has the wrong form.");
            (text, name.into(), Value::Null)
        }
        Wrong::Key => ("Incorrect API key provided.".to_owned(), Value::Null, "invalid_api_key".into()),
        Wrong::Model(model) => {
            let text = format!("The model `{model}` does not exist or you do not have access to it.");
            (text, Value::Null, "model_not_found".into())
        }
    };
    json!({ "error": { "message": message, "type": "invalid_request_error", "param": param, "code": code } })
}

/// Azure tells of what its own front door finds in fewer fields.
fn azure(wrong: Wrong<'_>) -> Value {
    let (code, message) = match wrong {
        Wrong::NotJson | Wrong::Parameter(_) => return openai(wrong),
        Wrong::Key => ("401", "Access denied due to invalid subscription key or wrong API endpoint."),
        Wrong::Model(_) => ("DeploymentNotFound", "The API deployment for this resource does not exist."),
    };
    json!({ "error": { "code": code, "message": message } })
}

fn anthropic(request_id: &str, wrong: Wrong<'_>) -> Value {
    let (kind, message) = match wrong {
        Wrong::NotJson => ("invalid_request_error", NOT_JSON.to_owned()),
        Wrong::Parameter(name) => {
            ("invalid_request_error", format!("{name}: Field required, or not of its type"))
        }
        Wrong::Key => ("authentication_error", "invalid x-api-key".to_owned()),
        Wrong::Model(model) => ("not_found_error", format!("model: {model}")),
    };
    anthropic_error(request_id, kind, &message)
}

const NOT_JSON: &str = "The body of the request is not valid JSON.";
