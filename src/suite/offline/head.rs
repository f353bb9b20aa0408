//! What a transcript has beside its entries: who, with what, from when to when, and how it ended.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::findings::Findings;
use super::times;
use super::{array, number, text, time};
use crate::suite::matcher::same;
use crate::suite::secrets::REDACTED;

/// The members that are no arrays of entries.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub members: Map<String, Value>,
    /// The goal in words, unless something was taken out of it.
    pub goal: Option<String>,
    /// The intent that limits the actions.
    pub intent: Option<String>,
    pub flags: BTreeSet<String>,
    pub max_steps: Option<u64>,
    pub started: Option<Timestamp>,
}

impl Head {
    pub fn new(members: Map<String, Value>) -> Self {
        let whole = Value::Object(members);
        let at = |pointer: &str| whole.pointer(pointer).and_then(Value::as_str);
        Self {
            goal: at("/goal/description")
                .filter(|goal| !goal.contains(REDACTED))
                .map(str::to_owned),
            intent: at("/goal/intent").map(str::to_owned),
            flags: array(&whole, "flags")
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            max_steps: number(&whole, "max_steps"),
            started: time(&whole, "started_at"),
            members: match whole {
                Value::Object(members) => members,
                _ => Map::new(),
            },
        }
    }

    pub fn get(&self, member: &str) -> Option<&Value> {
        self.members.get(member)
    }

    pub fn status(&self) -> &str {
        self.get("status")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    pub fn closed(&self) -> Option<Timestamp> {
        self.get("closed_at")?.as_str()?.parse().ok()
    }

    /// Takes in the last line of a stream, which can repeat what the first said and not change it.
    pub fn end(&mut self, tail: Map<String, Value>, found: &mut Findings<'_>) {
        for (name, value) in tail {
            match self.members.get(&name) {
                None => {
                    self.members.insert(name, value);
                }
                Some(own) if same(own, &value) => {}
                Some(own) => {
                    let message = "is another in the last line than in the first";
                    let place = crate::json::push("", &name);
                    found.say("TRN-003", place, own.clone(), Some(&value), message);
                }
            }
        }
    }

    /// What the members say that the schema does not judge.
    pub fn check(&self, found: &mut Findings<'_>) {
        let initial = self.get("initial_observation").unwrap_or(&Value::Null);
        for member in ["last_result", "step"] {
            if let Some(got) = initial.get(member) {
                let pointer = format!("/initial_observation/{member}");
                let message = "is set by the runtime, never by the client";
                let none = json!({"$absent": true});
                found.say("OBS-002", pointer, none, Some(got), message);
            }
        }
        for member in ["started_at", "closed_at"] {
            let own = json!({member: self.get(member)});
            times::forms(&own, &[member], "", found);
        }
        if let (Some(started), Some(closed)) = (self.started, self.closed())
            && closed < started
        {
            let message = "is before started_at";
            let expected = json!("a time after started_at");
            found.say(
                "TRN-002",
                "/closed_at",
                expected,
                self.get("closed_at"),
                message,
            );
        }
    }
}

/// The id under which a transcript's session is known, for people.
pub(super) fn session_id(members: &Map<String, Value>) -> &str {
    let id = members.get("session_id").and_then(Value::as_str);
    id.unwrap_or_default()
}

/// Digest, name and version of the manifest that a transcript names.
pub(super) fn manifest(members: &Map<String, Value>) -> (&str, &str, &str) {
    static NONE: Value = Value::Null;
    let named = members.get("manifest").unwrap_or(&NONE);
    (
        text(named, "digest"),
        text(named, "name"),
        text(named, "version"),
    )
}
