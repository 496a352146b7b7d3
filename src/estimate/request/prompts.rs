use serde_json::Value;

use super::EstimateError;
use super::prompt::{Part, Prompt};

/// Adds the prompts of a completion, or the inputs of an embedding, in any of the four forms that the
/// API takes: a string, an array of strings, an array of token ids (one prompt), an array of arrays
/// of token ids. Says how many there are.
pub(super) fn read<'a>(
    field: &str,
    value: &'a Value,
    prompt: &mut Prompt<'a>,
) -> Result<usize, EstimateError> {
    match value {
        Value::String(it) => {
            prompt.text(Part::Text, it);
            Ok(1)
        }
        Value::Array(ids) if ids.first().is_some_and(Value::is_number) => {
            prompt.add(Part::Text, token_ids(field, ids)?);
            Ok(1)
        }
        Value::Array(prompts) => {
            for (index, value) in prompts.iter().enumerate() {
                let field = || format!("{field}[{index}]");
                match value {
                    Value::String(it) => prompt.text(Part::Text, it),
                    Value::Array(ids) => prompt.add(Part::Text, token_ids(&field(), ids)?),
                    other => {
                        let expected = "a string or an array of token ids";
                        return Err(EstimateError::unexpected(field(), expected, other));
                    }
                }
            }
            Ok(prompts.len())
        }
        other => Err(EstimateError::unexpected(field, "a string or an array", other)),
    }
}

fn token_ids(field: &str, ids: &[Value]) -> Result<i64, EstimateError> {
    match ids.iter().enumerate().find(|(_, id)| !id.is_number()) {
        Some((index, other)) => {
            Err(EstimateError::unexpected(format!("{field}[{index}]"), "a token id", other))
        }
        None => Ok(ids.len() as i64),
    }
}
