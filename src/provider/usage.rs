use serde_json::Value;

use crate::quota::Usage;

impl Usage {
    /// What an answer's body says that the call used, with the whole prompt as its input; `None` where it says
    /// nothing.
    ///
    /// - OpenAI's chat, completions and embeddings, and whoever speaks like it: `prompt_tokens` holds what was cached
    ///   (`prompt_tokens_details.cached_tokens`; DeepSeek: `prompt_cache_hit_tokens`);
    /// - OpenAI's Responses: `input_tokens` holds what was cached (`input_tokens_details.cached_tokens`);
    /// - Anthropic's messages: `input_tokens` holds neither what was read from the cache nor what was written to it,
    ///   and so it is with `inputTokens` of Bedrock's Converse;
    /// - Gemini: `promptTokenCount` holds what was cached; thoughts are counted beside the candidates;
    /// - Cohere: `tokens`, or else `billed_units`, in `usage` or in `meta`.
    ///
    /// (The providers' documentation, read November 2026.)
    ///
    /// # Example: settle a call with what its answer says
    ///
    /// ```
    /// use serde_json::json;
    /// use tollgate::Usage;
    ///
    /// let answer = json!({ "usage": { "prompt_tokens": 12, "completion_tokens": 30 } });
    /// assert_eq!(Usage::of_answer(&answer), Some(Usage::new(12, 30)));
    /// ```
    pub fn of_answer(body: &Value) -> Option<Usage> {
        let usage = &body["usage"];
        of_openai(usage)
            .or_else(|| of_messages(usage))
            .or_else(|| of_converse(usage))
            .or_else(|| of_gemini(&body["usageMetadata"]))
            .or_else(|| of_cohere(usage))
            .or_else(|| of_cohere(&body["meta"]))
    }
}

/// A count; some write whole numbers as `75.0`.
fn count(value: &Value) -> Option<u64> {
    // Beyond, not every whole number is a float.
    let whole = |float: f64| float >= 0.0 && float.fract() == 0.0 && float <= (1_u64 << 53) as f64;
    value.as_u64().or_else(|| value.as_f64().filter(|float| whole(*float)).map(|float| float as u64))
}

/// The sum of those that are there.
fn sum(of: &Value, names: &[&str]) -> u64 {
    names.iter().filter_map(|name| count(&of[*name])).fold(0, u64::saturating_add)
}

fn output(usage: &Value) -> u64 {
    count(&usage["completion_tokens"]).or_else(|| count(&usage["output_tokens"])).unwrap_or(0)
}

fn of_openai(usage: &Value) -> Option<Usage> {
    let input = count(&usage["prompt_tokens"])?;
    let cached = count(&usage["prompt_tokens_details"]["cached_tokens"])
        .or_else(|| count(&usage["prompt_cache_hit_tokens"]));
    Some(Usage::new(input, output(usage)).cached_input(cached.unwrap_or(0)))
}

fn of_messages(usage: &Value) -> Option<Usage> {
    let input = count(&usage["input_tokens"])?;
    if let Some(cached) = count(&usage["input_tokens_details"]["cached_tokens"]) {
        return Some(Usage::new(input, output(usage)).cached_input(cached));
    }
    let beside = sum(usage, &["cache_creation_input_tokens", "cache_read_input_tokens"]);
    let used = Usage::new(input.saturating_add(beside), output(usage));
    Some(used.cached_input(sum(usage, &["cache_read_input_tokens"])))
}

fn of_converse(usage: &Value) -> Option<Usage> {
    let fresh = count(&usage["inputTokens"])?;
    let beside = sum(usage, &["cacheReadInputTokens", "cacheWriteInputTokens"]);
    let used = Usage::new(fresh.saturating_add(beside), sum(usage, &["outputTokens"]));
    Some(used.cached_input(sum(usage, &["cacheReadInputTokens"])))
}

fn of_gemini(usage: &Value) -> Option<Usage> {
    let input = count(&usage["promptTokenCount"])?;
    let output = sum(usage, &["candidatesTokenCount", "thoughtsTokenCount"]);
    Some(Usage::new(input, output).cached_input(sum(usage, &["cachedContentTokenCount"])))
}

fn of_cohere(told: &Value) -> Option<Usage> {
    let counts = ["tokens", "billed_units"].map(|name| &told[name]);
    let input = |counts: &&Value| count(&counts["input_tokens"]).map(|input| (input, output(counts)));
    let (input, output) = counts.iter().find_map(input)?;
    Some(Usage::new(input, output))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    // The shapes are those of the providers' API references, read November 2026; the numbers are made up.

    #[test]
    fn the_usage_of_chats_embeddings_and_messages_is_read() {
        let chat = json!({"usage": {"prompt_tokens": 8, "completion_tokens": 82, "total_tokens": 90}});
        assert_eq!(Usage::of_answer(&chat), Some(Usage::new(8, 82)));
        let embedding = json!({"usage": {"prompt_tokens": 5, "total_tokens": 5}});
        assert_eq!(Usage::of_answer(&embedding), Some(Usage::new(5, 0)));
        let message = json!({"usage": {"input_tokens": 12, "output_tokens": 30}});
        assert_eq!(Usage::of_answer(&message), Some(Usage::new(12, 30)));
    }

    #[test]
    fn openais_prompt_holds_what_was_cached() {
        let chat = json!({"usage": {
            "prompt_tokens": 2_006, "completion_tokens": 300, "total_tokens": 2_306,
            "prompt_tokens_details": {"cached_tokens": 1_920, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 64},
        }});
        assert_eq!(Usage::of_answer(&chat), Some(Usage::new(2_006, 300).cached_input(1_920)));
        let responses = json!({"object": "response", "usage": {
            "input_tokens": 1_500, "input_tokens_details": {"cached_tokens": 1_024},
            "output_tokens": 87, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 1_587,
        }});
        assert_eq!(Usage::of_answer(&responses), Some(Usage::new(1_500, 87).cached_input(1_024)));
        let no_details = json!({"usage": {"prompt_tokens": 8, "prompt_tokens_details": null}});
        assert_eq!(Usage::of_answer(&no_details), Some(Usage::new(8, 0)));
    }

    #[test]
    fn deepseeks_cache_hits_are_part_of_the_prompt() {
        let chat = json!({"usage": {
            "prompt_tokens": 1_000, "completion_tokens": 50, "total_tokens": 1_050,
            "prompt_cache_hit_tokens": 896, "prompt_cache_miss_tokens": 104,
        }});
        assert_eq!(Usage::of_answer(&chat), Some(Usage::new(1_000, 50).cached_input(896)));
    }

    #[test]
    fn anthropics_whole_prompt_is_what_is_new_and_what_was_written_to_the_cache_and_read_from_it() {
        let message = json!({"type": "message", "usage": {
            "input_tokens": 50, "cache_creation_input_tokens": 248, "cache_read_input_tokens": 100_000,
            "cache_creation": {"ephemeral_5m_input_tokens": 148, "ephemeral_1h_input_tokens": 100},
            "output_tokens": 503, "service_tier": "standard",
        }});
        assert_eq!(Usage::of_answer(&message), Some(Usage::new(100_298, 503).cached_input(100_000)));
        let null = json!({"usage": {
            "input_tokens": 50, "cache_creation_input_tokens": null, "cache_read_input_tokens": null,
            "output_tokens": 5,
        }});
        assert_eq!(Usage::of_answer(&null), Some(Usage::new(50, 5)));
    }

    #[test]
    fn a_relay_that_repeats_anthropics_counts_beside_openais_does_not_double_them() {
        let relayed = json!({"usage": {
            "prompt_tokens": 1_100, "completion_tokens": 20, "total_tokens": 1_120,
            "prompt_tokens_details": {"cached_tokens": 1_000},
            "cache_creation_input_tokens": 0, "cache_read_input_tokens": 1_000,
        }});
        assert_eq!(Usage::of_answer(&relayed), Some(Usage::new(1_100, 20).cached_input(1_000)));
        let responses = json!({"usage": {
            "input_tokens": 1_100, "input_tokens_details": {"cached_tokens": 1_000},
            "cache_read_input_tokens": 1_000, "output_tokens": 20,
        }});
        assert_eq!(Usage::of_answer(&responses), Some(Usage::new(1_100, 20).cached_input(1_000)));
    }

    #[test]
    fn geminis_thoughts_are_output() {
        let answer = json!({"candidates": [], "usageMetadata": {
            "promptTokenCount": 4_100, "candidatesTokenCount": 120, "thoughtsTokenCount": 700,
            "totalTokenCount": 4_920, "cachedContentTokenCount": 4_000,
        }});
        assert_eq!(Usage::of_answer(&answer), Some(Usage::new(4_100, 820).cached_input(4_000)));
        let blocked = json!({"usageMetadata": {"promptTokenCount": 12, "totalTokenCount": 12}});
        assert_eq!(Usage::of_answer(&blocked), Some(Usage::new(12, 0)));
    }

    #[test]
    fn the_whole_prompt_of_bedrocks_converse_is_what_is_new_written_and_read() {
        let answer = json!({"stopReason": "end_turn", "usage": {
            "inputTokens": 30, "outputTokens": 628, "totalTokens": 4_658,
            "cacheReadInputTokens": 3_000, "cacheWriteInputTokens": 1_000,
        }});
        assert_eq!(Usage::of_answer(&answer), Some(Usage::new(4_030, 628).cached_input(3_000)));
        let plain = json!({"usage": {"inputTokens": 30, "outputTokens": 628, "totalTokens": 658}});
        assert_eq!(Usage::of_answer(&plain), Some(Usage::new(30, 628)));
    }

    #[test]
    fn coheres_tokens_go_before_what_it_bills() {
        let chat = json!({"usage": {
            "billed_units": {"input_tokens": 5, "output_tokens": 418},
            "tokens": {"input_tokens": 71, "output_tokens": 418},
        }});
        assert_eq!(Usage::of_answer(&chat), Some(Usage::new(71, 418)));
        let embedding =
            json!({"meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 9.0}}});
        assert_eq!(Usage::of_answer(&embedding), Some(Usage::new(9, 0)));
        let rerank = json!({"meta": {"billed_units": {"search_units": 1}}});
        assert_eq!(Usage::of_answer(&rerank), None);
    }

    #[test]
    fn absurd_usage_is_no_usage() {
        for body in [
            json!(null),
            json!({}),
            json!([]),
            json!("usage"),
            json!({"usage": null}),
            json!({"usage": {"prompt_tokens": -4}}),
            json!({"usage": {"input_tokens": 4.5}}),
            json!({"usage": {"input_tokens": 1e300}}),
            json!({"usageMetadata": []}),
        ] {
            assert_eq!(Usage::of_answer(&body), None, "{body}");
        }
        let most = json!({"usage": {"input_tokens": u64::MAX, "cache_read_input_tokens": u64::MAX}});
        assert_eq!(Usage::of_answer(&most), Some(Usage::new(u64::MAX, 0).cached_input(u64::MAX)));
        let negative = json!({"usage": {"prompt_tokens": 4, "prompt_cache_hit_tokens": -1}});
        assert_eq!(Usage::of_answer(&negative), Some(Usage::new(4, 0)));
    }
}
