//! The shape of a mock script as it is written; what makes sense is checked one level up.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::reply::ServiceFault;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawScript {
    pub(super) model: Option<Vec<Value>>,
    pub(super) services: Option<Value>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawServices {
    pub(super) calendar: Option<Value>,
    pub(super) email: Option<Value>,
    pub(super) crm: Option<Value>,
    pub(super) objects: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawService {
    pub(super) seed: Option<Value>,
    pub(super) script: Option<Vec<Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawModelEntry {
    pub(super) on: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    pub(super) emit: Option<Value>,
    pub(super) text: Option<String>,
    pub(super) fault: Option<RawModelFault>,
    pub(super) status: Option<u16>,
    pub(super) retry_after: Option<u64>,
    pub(super) finish_reason: Option<String>,
    pub(super) usage: Option<Value>,
    pub(super) delay_ms: Option<u64>,
    pub(super) times: Option<RawTimes>,
    #[serde(default)]
    pub(super) optional: bool,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawModelOn {
    pub(super) saw: Option<Texts>,
    pub(super) not_saw: Option<Texts>,
    pub(super) saw_error: Option<String>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawModelFault {
    Status,
    Timeout,
    Disconnect,
    Truncated,
    NotJson,
    EmptyChoices,
    Unfinished,
    Garbage,
    Empty,
    WrongType,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawServiceEntry {
    pub(super) on: Option<Value>,
    pub(super) reply: Option<Value>,
    pub(super) fault: Option<ServiceFault>,
    pub(super) redirect: Option<Value>,
    pub(super) delay_ms: Option<u64>,
    pub(super) times: Option<RawTimes>,
    #[serde(default)]
    pub(super) optional: bool,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawServiceOn {
    pub(super) method: Option<String>,
    pub(super) path: Option<String>,
    pub(super) saw: Option<Texts>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawReply {
    pub(super) status: Option<u16>,
    #[serde(default, deserialize_with = "present")]
    pub(super) json: Option<Value>,
    pub(super) text: Option<String>,
    pub(super) base64: Option<String>,
    pub(super) content_type: Option<String>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Texts>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRedirect {
    pub(super) to: String,
    pub(super) status: Option<u16>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
pub(super) enum Texts {
    One(String),
    Many(Vec<String>),
}

impl From<Texts> for Vec<String> {
    fn from(texts: Texts) -> Self {
        match texts {
            Texts::One(text) => vec![text],
            Texts::Many(texts) => texts,
        }
    }
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected `times` to be a whole number from 1 or the word `any`"
)]
pub(super) enum RawTimes {
    Count(u32),
    Word(AnyWord),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum AnyWord {
    Any,
}

/// A member that is there, even as null.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}
