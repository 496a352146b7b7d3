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
    /// What a tool found, in a part of that kind.
    pub content: Option<Content>,
}

/// The body of a request by Anthropic's protocol.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct MessagesRequest {
    pub(crate) model: String,
    /// Required there; that it is missing is told by name.
    pub(crate) max_tokens: Option<u64>,
    pub(crate) system: Option<Content>,
    pub(crate) messages: Vec<Message>,
    #[serde(default)]
    pub(crate) stream: bool,
}

/// The body of a request to the Responses endpoint.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ResponsesRequest {
    pub(crate) model: String,
    pub(crate) instructions: Option<String>,
    pub(crate) input: ResponsesInput,
    pub(crate) max_output_tokens: Option<u64>,
    pub(crate) stream: Option<bool>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum ResponsesInput {
    Text(String),
    Items(Vec<Item>),
}

/// A message, or what a tool was asked or found.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Item {
    role: Option<String>,
    content: Option<Content>,
    arguments: Option<String>,
    output: Option<Content>,
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

impl MessagesRequest {
    /// All that the model reads, the system prompt first.
    pub(crate) fn conversation(&self) -> Vec<Message> {
        let system = self.system.clone().map(|content| Message::new("system", content));
        system.into_iter().chain(self.messages.iter().cloned()).collect()
    }
}

impl ResponsesRequest {
    /// All that the model reads, the instructions first.
    pub(crate) fn conversation(&self) -> Vec<Message> {
        let instructions = self.instructions.clone().map(|text| Message::new("system", Content::Text(text)));
        let input = match &self.input {
            ResponsesInput::Text(text) => vec![Message::new("user", Content::Text(text.clone()))],
            ResponsesInput::Items(items) => items.iter().cloned().map(Item::into_message).collect(),
        };
        instructions.into_iter().chain(input).collect()
    }
}

impl Item {
    fn into_message(self) -> Message {
        Message {
            role: self.role.unwrap_or_else(|| "tool".to_owned()),
            content: self.content.or(self.output).or(self.arguments.map(Content::Text)),
            name: None,
        }
    }
}

impl Message {
    fn new(role: &str, content: Content) -> Self {
        Self { role: role.to_owned(), content: Some(content), name: None }
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
