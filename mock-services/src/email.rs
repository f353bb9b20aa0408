//! The email service: messages that were sent.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::calendar::with_object;
use crate::script::Seed;
use crate::wire::{Answer, Incoming};

/// Messages kept for one token.
const MAX_MESSAGES: usize = 10_000;

/// One token's outbox.
#[derive(Debug, Clone, Default)]
pub(crate) struct Email {
    messages: Vec<Value>,
    sent: u32,
}

/// `seed` of the email service.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmailSeed {
    #[serde(default)]
    messages: Vec<Map<String, Value>>,
}

impl Seed for Email {
    type Raw = EmailSeed;

    fn grow(raw: EmailSeed) -> Result<Self, (String, String)> {
        Ok(Email {
            messages: raw.messages.into_iter().map(Value::Object).collect(),
            sent: 0,
        })
    }
}

impl Email {
    /// The answer to a call; `None` when the service has no such endpoint.
    pub(crate) fn answer(&mut self, incoming: &Incoming) -> Option<Answer> {
        match (incoming.method.as_str(), incoming.path.as_str()) {
            ("POST", "/v1/send") => Some(with_object(incoming, |body| self.send(body))),
            ("GET", "/v1/messages") => Some(Answer::json(200, &self.state())),
            _ => None,
        }
    }

    /// `{messages}`.
    pub(crate) fn state(&self) -> Value {
        json!({"messages": self.messages})
    }

    fn send(&mut self, mut members: Map<String, Value>) -> Answer {
        let addressed = match members.get("to") {
            Some(Value::String(to)) => !to.is_empty(),
            Some(Value::Array(to)) => !to.is_empty() && to.iter().all(Value::is_string),
            _ => false,
        };
        if !addressed {
            return Answer::error(
                422,
                "invalid_message",
                "`to` must be an address or a list of addresses",
            );
        }
        if self.messages.len() >= MAX_MESSAGES {
            return Answer::error(507, "mailbox_full", "this outbox holds no more messages");
        }
        self.sent += 1;
        let id = format!("msg_{:04}", self.sent);
        members.insert("id".to_owned(), json!(id));
        self.messages.push(Value::Object(members));
        Answer::json(200, &json!({"id": id, "status": "sent"}))
    }
}
