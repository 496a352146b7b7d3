use serde_json::Value;

use super::{Encoding, EstimateError, text};

/// The prompts of a completion, or the inputs of an embedding.
pub(super) struct Prompts {
    /// Tokens of all of them together.
    pub(super) tokens: u64,
    /// How many there are.
    pub(super) count: u64,
}

impl Prompts {
    /// Reads any of the four forms that the API takes: a string, an array of strings, an array of
    /// token ids (one prompt), an array of arrays of token ids.
    pub(super) fn read(field: &str, value: &Value, encoding: Encoding) -> Result<Prompts, EstimateError> {
        match value {
            Value::String(it) => Ok(Prompts { tokens: text(it, encoding), count: 1 }),
            Value::Array(ids) if ids.first().is_some_and(Value::is_number) => {
                Ok(Prompts { tokens: token_ids(field, ids)?, count: 1 })
            }
            Value::Array(prompts) => {
                let mut tokens = 0;
                for (index, prompt) in prompts.iter().enumerate() {
                    tokens += match prompt {
                        Value::String(it) => text(it, encoding),
                        Value::Array(ids) => token_ids(&format!("{field}[{index}]"), ids)?,
                        other => {
                            let field = format!("{field}[{index}]");
                            return Err(EstimateError::unexpected(
                                field,
                                "a string or an array of token ids",
                                other,
                            ));
                        }
                    };
                }
                Ok(Prompts { tokens, count: prompts.len() as u64 })
            }
            other => Err(EstimateError::unexpected(field, "a string or an array", other)),
        }
    }
}

fn token_ids(field: &str, ids: &[Value]) -> Result<u64, EstimateError> {
    match ids.iter().enumerate().find(|(_, id)| !id.is_number()) {
        Some((index, other)) => {
            Err(EstimateError::unexpected(format!("{field}[{index}]"), "a token id", other))
        }
        None => Ok(ids.len() as u64),
    }
}
