//! The planner behind the runtime: what is sent to it, what comes back, and why it may not have answered (`spec/model.md`).
//!
//! The wires are what a conformance suite looks at, so they are written out here over plain HTTP instead of taken from client
//! libraries. [`Wire`] is the door to the three; nothing here sends anything.

mod answer;
mod anthropic;
pub mod backoff;
mod cohere;
mod openai;
pub mod stream;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use wire::Wire;

/// The largest reply of a model that is read, in bytes: an HTTP answer in one piece, or the text of a stream.
pub const LARGEST_ANSWER: usize = 4 * 1024 * 1024;

/// The largest stream that is read, in bytes: each piece of the text comes in an event of its own.
pub const LARGEST_STREAM: usize = 4 * LARGEST_ANSWER;

/// The longest silence within a stream; a model that is at work says something more often.
pub const LONGEST_SILENCE: Duration = Duration::from_secs(30);

/// Low enough that the same observation tends to give the same plan.
pub const TEMPERATURE: f64 = 0.2;

/// Enough for any plan of sensible size.
pub const MAX_TOKENS: u64 = 2048;

/// How long a call of the model may take where the operator does not say (`spec/model.md` 3.2).
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// Where the model is and how to ask it.
#[derive(Clone)]
pub struct ModelConfig {
    /// The format in which it is asked.
    pub wire: Wire,
    /// Base URL of the API, such as `https://api.openai.com/v1`.
    pub base_url: String,
    /// The key; also a known secret. Empty: no header for it is sent.
    pub api_key: String,
    /// Name of the model.
    pub model: String,
    /// Whether replies are asked for as streams.
    pub stream: bool,
    /// Time limit of one call, streams as a whole included.
    pub timeout: Duration,
}

impl std::fmt::Debug for ModelConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ModelConfig")
            .field("wire", &self.wire)
            .field("base_url", &self.base_url)
            .field("model", &self.model)
            .field("stream", &self.stream)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Sampling parameters of every call; the wires have the same names for them.
pub fn parameters() -> Map<String, Value> {
    let mut parameters = Map::new();
    parameters.insert("temperature".to_owned(), json!(TEMPERATURE));
    parameters.insert("max_tokens".to_owned(), json!(MAX_TOKENS));
    parameters
}

/// Who speaks in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The contract.
    System,
    /// The runtime, for the session.
    User,
    /// The model itself, earlier in the same step.
    Assistant,
}

impl Role {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        }
    }
}

/// One message to the model; the text is shared, since an observation may be large and is recorded too.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// The text.
    pub content: Arc<str>,
}

impl Message {
    /// A message.
    pub fn new(role: Role, content: impl Into<Arc<str>>) -> Self {
        Self {
            role,
            content: content.into(),
        }
    }

    /// The message as most wires write it.
    pub fn to_value(&self) -> Value {
        json!({"role": self.role.name(), "content": &*self.content})
    }
}

/// Tokens that a call used, as the model counted them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: u64,
    /// Tokens of the reply.
    pub completion_tokens: u64,
}

/// What the model said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelReply {
    /// The text; empty when the model sent none.
    pub text: String,
    /// Why the model stopped, in the words of its wire, if it said so.
    pub finish_reason: Option<String>,
    /// Tokens, if it said so.
    pub usage: Option<Usage>,
}

impl ModelReply {
    /// Whether the model says that the reply was cut off at its longest length (`spec/model.md` 3.5).
    pub fn is_cut_off(&self) -> bool {
        self.finish_reason
            .as_deref()
            .is_some_and(answer::is_cut_off)
    }
}

/// Why there is no reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelFailure {
    /// What happened, without anything the other side sent.
    pub message: String,
    /// The other side's `Retry-After`, if it sent one that can be passed on.
    pub retry_after: Option<String>,
    /// The HTTP status, if there was one.
    pub status: Option<u16>,
}

impl ModelFailure {
    /// A failure without an HTTP answer, or with one that cannot be used.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            retry_after: None,
            status: None,
        }
    }
}
