//! What the wires of the model have in common: which one a request speaks, what an answer says, and how a stream of events is
//! written.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Usage, anthropic, cohere, openai};
use crate::wire::{Answer, Incoming};

/// Characters of a reply in one event of a stream: few, so that every reply comes in pieces.
const PIECE: usize = 7;

/// A format in which the scripted model is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelWire {
    /// OpenAI chat completions, `POST …/chat/completions`.
    #[default]
    OpenAi,
    /// Anthropic messages, `POST …/v1/messages`.
    Anthropic,
    /// Cohere v2 chat, `POST …/v2/chat`.
    Cohere,
}

impl ModelWire {
    /// All of them, the default first.
    pub const ALL: [ModelWire; 3] = [ModelWire::OpenAi, ModelWire::Anthropic, ModelWire::Cohere];

    /// The name used in definitions of targets.
    pub fn name(self) -> &'static str {
        match self {
            ModelWire::OpenAi => "openai",
            ModelWire::Anthropic => "anthropic",
            ModelWire::Cohere => "cohere",
        }
    }

    /// How its address ends, below the base URL.
    pub fn path(self) -> &'static str {
        match self {
            ModelWire::OpenAi => "/chat/completions",
            ModelWire::Anthropic => "/v1/messages",
            ModelWire::Cohere => "/v2/chat",
        }
    }

    /// The variables that tell base URL, key and model: those that the tools of the wire's maker read, as far as there are any.
    pub fn variables(self) -> [&'static str; 3] {
        match self {
            ModelWire::OpenAi => ["OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_MODEL"],
            ModelWire::Anthropic => ["ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY", "ANTHROPIC_MODEL"],
            ModelWire::Cohere => ["CO_API_URL", "CO_API_KEY", "CO_MODEL"],
        }
    }

    /// The wire that a path belongs to.
    pub fn of_path(path: &str) -> Option<ModelWire> {
        ModelWire::ALL
            .into_iter()
            .find(|wire| path.ends_with(wire.path()))
    }

    /// An error in the wire's own form; `code` is for people, the kind of the error comes from the status.
    pub(crate) fn error(self, status: u16, code: &str, message: &str) -> Answer {
        let body = match self {
            ModelWire::OpenAi => openai::error(status, code, message),
            ModelWire::Anthropic => anthropic::error(status, message),
            ModelWire::Cohere => cohere::error(code, message),
        };
        Answer::json(status, &body)
    }

    /// What makes a request one that the wire's maker would refuse.
    pub(super) fn objection(self, request: &Value, incoming: &Incoming) -> Option<String> {
        if !request.get("messages").is_some_and(Value::is_array) {
            return Some("the body is no JSON object with a list of `messages`".to_owned());
        }
        match self {
            ModelWire::OpenAi => None,
            ModelWire::Anthropic => anthropic::objection(request, incoming),
            ModelWire::Cohere => cohere::objection(request),
        }
    }

    /// A reply in one piece, or as a stream of events.
    pub(super) fn answer(self, reply: &Reply<'_>) -> Answer {
        let Some(stream) = reply.stream else {
            let body = match self {
                ModelWire::OpenAi => openai::whole(reply),
                ModelWire::Anthropic => anthropic::whole(reply),
                ModelWire::Cohere => cohere::whole(reply),
            };
            return Answer::json(200, &body);
        };
        let events = match self {
            ModelWire::OpenAi => openai::events(reply, stream),
            ModelWire::Anthropic => anthropic::events(reply),
            ModelWire::Cohere => cohere::events(reply),
        };
        Answer::bytes(200, "text/event-stream", events.0.into_bytes())
    }
}

impl fmt::Display for ModelWire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ModelWire {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = ModelWire::ALL.into_iter().find(|wire| wire.name() == text);
        found.ok_or_else(|| "write openai, anthropic or cohere".to_owned())
    }
}

/// What an answer says, whatever the wire.
#[derive(Clone, Copy)]
pub(super) struct Reply<'r> {
    /// How many replies the script has given, this one included.
    pub serial: u64,
    /// The model that was asked for.
    pub model: &'r str,
    /// The text; `None`: nothing stands where a message should.
    pub text: Option<&'r str>,
    /// Why the model stopped, in the words of OpenAI; other words stay as they are. `None`: it did not.
    pub finish_reason: Option<&'r str>,
    /// Tokens.
    pub usage: Usage,
    /// Whether a stream was asked for, and which.
    pub stream: Option<Stream>,
}

/// A stream that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stream {
    /// Whether it is to tell the usage, where that has to be asked for.
    pub usage: bool,
}

impl Stream {
    /// What a request asks for.
    pub fn of(request: &Value) -> Option<Stream> {
        let asked = request.get("stream") == Some(&Value::Bool(true));
        asked.then(|| Stream {
            usage: request.pointer("/stream_options/include_usage") == Some(&Value::Bool(true)),
        })
    }
}

impl Reply<'_> {
    /// The reason in the words of a wire.
    pub fn reason(&self, words: &[(&str, &'static str)]) -> Option<&str> {
        let reason = self.finish_reason?;
        let own = words.iter().find(|(known, _)| *known == reason);
        Some(own.map_or(reason, |(_, own)| own))
    }

    /// The text in pieces, cut between characters.
    pub fn pieces(&self) -> Vec<String> {
        let text: Vec<char> = self.text.unwrap_or_default().chars().collect();
        text.chunks(PIECE)
            .map(|piece| piece.iter().collect())
            .collect()
    }
}

/// Server-sent events, as text.
#[derive(Debug, Default)]
pub(super) struct Events(pub String);

impl Events {
    /// An event without a name.
    pub fn data(&mut self, data: &str) {
        self.0.push_str(&format!("data: {data}\n\n"));
    }

    /// An event that is named as its `type`.
    pub fn named(&mut self, data: &Value) {
        let name = data.get("type").and_then(Value::as_str).unwrap_or_default();
        self.0.push_str(&format!("event: {name}\ndata: {data}\n\n"));
    }
}
