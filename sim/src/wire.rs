//! The parts of a request body that matter here. Everything else is accepted and ignored.

use serde::Deserialize;

/// The body of a chat completion request.
#[derive(Debug, Clone, Deserialize)]
pub struct ChatRequest {
    /// The model's name.
    pub model: String,
    /// The conversation.
    pub messages: Vec<Message>,
    /// The most tokens the answer may have, by its old name.
    pub max_tokens: Option<u64>,
    /// The most tokens the answer may have, by its new name, which wins.
    pub max_completion_tokens: Option<u64>,
    /// Whether the answer comes in pieces.
    pub stream: Option<bool>,
    /// How it comes in pieces.
    pub stream_options: Option<StreamOptions>,
}

/// How a streamed answer is sent.
#[derive(Debug, Clone, Deserialize)]
pub struct StreamOptions {
    /// Whether a last chunk tells the usage.
    #[serde(default)]
    pub include_usage: bool,
}

/// One message of a conversation.
#[derive(Debug, Clone, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: String,
    /// What is said; absent in some tool calls.
    pub content: Option<Content>,
    /// Which participant speaks.
    pub name: Option<String>,
}

/// What a message says.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Content {
    /// Plain text.
    Text(String),
    /// Text and images mixed.
    Parts(Vec<Part>),
}

/// A part of a message.
#[derive(Debug, Clone, Deserialize)]
pub struct Part {
    /// `text`, `image_url` or another kind.
    #[serde(rename = "type")]
    pub kind: String,
    /// The text, in a part of that kind.
    pub text: Option<String>,
}

/// The body of an embeddings request.
#[derive(Debug, Clone, Deserialize)]
pub struct EmbeddingRequest {
    /// The model's name.
    pub model: String,
    /// What to embed.
    pub input: EmbeddingInput,
}

/// What to embed.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum EmbeddingInput {
    /// One text.
    Text(String),
    /// Several texts.
    Texts(Vec<String>),
    /// One text, as tokens.
    Tokens(Vec<u64>),
    /// Several texts, as tokens.
    TokenLists(Vec<Vec<u64>>),
}

impl ChatRequest {
    /// The most tokens the answer may have, if the call says so.
    pub fn max_output_tokens(&self) -> Option<u64> {
        self.max_completion_tokens.or(self.max_tokens)
    }
}

impl EmbeddingInput {
    /// How many vectors the answer has.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(_) | Self::Tokens(_) => 1,
            Self::Texts(texts) => texts.len(),
            Self::TokenLists(lists) => lists.len(),
        }
    }

    /// Whether there is nothing to embed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
