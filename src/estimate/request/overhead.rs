//! What a provider adds to a chat's texts, by family of models.

use super::Encoding;
use super::encoding::base_name;

/// Tokens beside those of the texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Overhead {
    /// The beginning of the reply.
    pub(super) reply: i64,
    /// Each message.
    pub(super) message: i64,
    /// Each `name` of a message.
    pub(super) name: i64,
    /// A message's call of a tool, beside the tool's name (twice) and the arguments.
    pub(super) call: i64,
    /// Having tools, beside their declarations.
    pub(super) tools: i64,
    /// Whether each call is a message of its own, and tools stand in a message of their own; else calls
    /// share their message, and tools the one of the system.
    pub(super) apart: bool,
}

/// GPT-3.5 and GPT-4.
const GPT_4: Overhead = Overhead { reply: 3, message: 3, name: 1, call: 2, tools: 0, apart: false };
/// The first GPT-3.5 (github.com/openai/openai-cookbook, "How to count tokens with tiktoken", read
/// November 2026).
const FIRST: Overhead = Overhead { message: 4, name: -1, ..GPT_4 };
/// GPT-4o and GPT-4.1; also what is assumed of models that are not known.
const GPT_4O: Overhead = Overhead { call: 5, ..GPT_4 };
/// o3 and o4.
const O3: Overhead = Overhead { reply: 2, ..GPT_4O };
/// GPT-5. The message that explains its tools costs 82 tokens with each of the recorded calls to
/// gpt-5-nano (github.com/crmne/ruby_llm, read November 2026); later models of the family were seen
/// to take up to 20 more.
const GPT_5: Overhead = Overhead { call: 11, tools: 82, apart: true, ..O3 };

impl Overhead {
    pub(super) fn of(model: &str) -> Overhead {
        let name = base_name(model);
        let begins = |beginnings: &[&str]| beginnings.iter().any(|it| name.starts_with(it));
        if begins(&["gpt-3.5-turbo-0301", "gpt-35-turbo-0301"]) {
            FIRST
        } else if begins(&["gpt-5"]) {
            GPT_5
        } else if begins(&["o3", "o4-mini"]) {
            O3
        } else if Encoding::of(model) == Some(Encoding::Cl100kBase) {
            GPT_4
        } else {
            GPT_4O
        }
    }
}
