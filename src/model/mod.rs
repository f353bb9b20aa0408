//! The planner behind the runtime: what is sent to it, what comes back, and why it may not have answered (`spec/model.md`).
//!
//! The wire is what a conformance suite looks at, so it is written out here over plain HTTP instead of taken from a client
//! library. One wire so far: OpenAI chat completions ([`openai`]).

pub mod openai;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

/// How long a call of the model may take where the operator does not say (`spec/model.md` 3.2).
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// Where the model is and how to ask it.
#[derive(Clone)]
pub struct ModelConfig {
    /// Base URL of the API, such as `https://api.openai.com/v1`.
    pub base_url: String,
    /// The bearer key; also a known secret. Empty: no `Authorization` is sent.
    pub api_key: String,
    /// Name of the model.
    pub model: String,
    /// Time limit of one call.
    pub timeout: Duration,
}

impl std::fmt::Debug for ModelConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ModelConfig")
            .field("base_url", &self.base_url)
            .field("model", &self.model)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: u64,
    /// Tokens of the reply.
    pub completion_tokens: u64,
}

/// What the model said.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelReply {
    /// The text; empty when the model sent none.
    pub text: String,
    /// Why the model stopped, if it said so.
    pub finish_reason: Option<String>,
    /// Tokens, if it said so.
    pub usage: Option<Usage>,
}

/// Why there is no reply.
#[derive(Debug, Clone, PartialEq)]
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
