//! Which requests are calls of a model.

use http::Method;

/// A request that calls a model.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Known<'a> {
    /// Azure's name for the model, which is in the path.
    pub(super) deployment: Option<&'a str>,
    /// Whether it is answered with vectors: its body may look like a call that is answered with text.
    pub(super) embeds: bool,
}

/// Told by method and path, whatever the server: relays speak like the providers, under prefixes of their own.
///
/// Azure's paths: learn.microsoft.com/azure/ai-foundry/openai/reference, read November 2026.
pub(super) fn known<'a>(method: &Method, path: &'a str) -> Option<Known<'a>> {
    if method != Method::POST {
        return None;
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let (before, of_openai) = match parts[..] {
        // DeepSeek and others have it without a version.
        [ref before @ .., "chat", "completions"] => {
            return Some(Known { deployment: deployment(before), embeds: false });
        }
        [ref before @ .., "completions" | "embeddings" | "responses"] => (before, true),
        [ref before @ .., "messages"] => (before, false),
        _ => return None,
    };
    let deployment = deployment(before).filter(|_| of_openai);
    let versioned = before.last().is_some_and(|part| is_version(part));
    let embeds = of_openai && parts.last() == Some(&"embeddings");
    (versioned || deployment.is_some()).then_some(Known { deployment, embeds })
}

fn deployment<'a>(before: &[&'a str]) -> Option<&'a str> {
    match before {
        [.., "openai", "deployments", deployment] => Some(deployment),
        _ => None,
    }
}

/// `v1`, `v3`, `v1beta`.
fn is_version(part: &str) -> bool {
    part.strip_prefix('v').is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_models_are_told_by_their_path_under_any_prefix() {
        for path in [
            "/v1/chat/completions",
            "/openai/v1/chat/completions",
            "/api/v1/chat/completions/",
            "/chat/completions",
            "/v1/completions",
            "/v1/embeddings",
            "/v1/responses",
            "/openai/v1/responses",
            "/v1/messages",
            "/anthropic/v1/messages",
        ] {
            let embeds = path.ends_with("embeddings");
            assert_eq!(known(&Method::POST, path), Some(Known { deployment: None, embeds }), "{path}");
            assert_eq!(known(&Method::GET, path), None, "{path}");
        }
        for call in ["chat/completions", "completions", "embeddings", "responses"] {
            let path = format!("/openai/deployments/my-gpt/{call}");
            let deployment = Some("my-gpt");
            let embeds = call == "embeddings";
            assert_eq!(known(&Method::POST, &path), Some(Known { deployment, embeds }), "{path}");
        }
    }

    #[test]
    fn whatever_else_is_sent_is_none() {
        for path in [
            "/",
            "/v1/models",
            "/v1/files",
            "/v1/messages/batches",
            "/v1/messages/count_tokens",
            "/v1/threads/thread_1/messages",
            "/v1/responses/resp_1/cancel",
            "/v1/chat/completions/id/messages",
            "/forum/messages",
            "/survey/responses",
            "/version/completions",
            "/openai/deployments/my-gpt/images/generations",
        ] {
            assert_eq!(known(&Method::POST, path), None, "{path}");
        }
    }
}
