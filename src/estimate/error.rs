use serde_json::Value;

/// Why a request could not be estimated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EstimateError {
    /// The body is JSON, but no object.
    #[error("a request is a JSON object, found {found}")]
    NotAnObject {
        /// The type that was found.
        found: &'static str,
    },
    /// The value to estimate does not serialize to JSON.
    #[error("the request does not serialize to JSON: {reason}")]
    NotJson {
        /// What the serializer said.
        reason: String,
    },
    /// There is no model, or it is not a string. (A body for Azure or Gemini has none: it is in
    /// the address. Add one to the body that is estimated.)
    #[error("`model` should be a string, found {found}")]
    MissingModel {
        /// The type that was found; `nothing` where the field is not there.
        found: &'static str,
    },
    /// There is nothing to count.
    #[error("found none of `messages` (chat), `contents` (Gemini), `prompt` (completion) and `input`")]
    MissingContent,
    /// A part of the prompt is of a type that the API does not take.
    #[error("`{field}` should be {expected}, found {found}")]
    UnexpectedType {
        /// Where, such as `messages[2]`.
        field: String,
        /// The types that the API takes.
        expected: &'static str,
        /// The type that was found.
        found: &'static str,
    },
}

impl EstimateError {
    pub(super) fn unexpected(field: impl Into<String>, expected: &'static str, value: &Value) -> Self {
        EstimateError::UnexpectedType { field: field.into(), expected, found: found(Some(value)) }
    }
}

/// What stands where something else should, in words.
pub(super) fn found(value: Option<&Value>) -> &'static str {
    match value {
        None => "nothing",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "a boolean",
        Some(Value::Number(_)) => "a number",
        Some(Value::String(_)) => "a string",
        Some(Value::Array(_)) => "an array",
        Some(Value::Object(_)) => "an object",
    }
}
