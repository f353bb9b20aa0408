//! The CRM: recorded meetings and contacts.

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::calendar::with_object;
use crate::script::Seed;
use crate::wire::{Answer, Incoming};

/// Meetings kept for one token.
const MAX_MEETINGS: usize = 10_000;

/// One token's CRM.
#[derive(Debug, Clone, Default)]
pub(crate) struct Crm {
    meetings: Vec<Value>,
    contacts: Map<String, Value>,
}

/// `seed` of the CRM: meetings, and contacts by address.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CrmSeed {
    #[serde(default)]
    meetings: Vec<Map<String, Value>>,
    #[serde(default)]
    contacts: Map<String, Value>,
}

impl Seed for Crm {
    type Raw = CrmSeed;

    fn grow(raw: CrmSeed) -> Result<Self, (String, String)> {
        if let Some((address, _)) = raw
            .contacts
            .iter()
            .find(|(_, contact)| !contact.is_object())
        {
            return Err((
                "/contacts".to_owned(),
                format!("contact `{address}` must be an object"),
            ));
        }
        Ok(Crm {
            meetings: raw.meetings.into_iter().map(Value::Object).collect(),
            contacts: raw.contacts,
        })
    }
}

impl Crm {
    /// The answer to a call; `None` when the CRM has no such endpoint.
    pub(crate) fn answer(&mut self, incoming: &Incoming) -> Option<Answer> {
        match (incoming.method.as_str(), incoming.path.as_str()) {
            ("POST", "/v1/meetings") => Some(with_object(incoming, |body| self.record(body))),
            ("GET", "/v1/meetings") => Some(Answer::json(200, &json!({"meetings": self.meetings}))),
            ("GET", path) => {
                let address = path
                    .strip_prefix("/v1/contacts/")
                    .filter(|rest| !rest.is_empty() && !rest.contains('/'))?;
                let address = percent_decode_str(address).decode_utf8_lossy();
                Some(Answer::json(200, &self.contact(&address)))
            }
            _ => None,
        }
    }

    /// `{meetings, contacts}`.
    pub(crate) fn state(&self) -> Value {
        json!({"meetings": self.meetings, "contacts": self.contacts})
    }

    /// A contact as seeded; anybody else is known with the first article's figures.
    fn contact(&self, address: &str) -> Value {
        let mut contact =
            json!({"email": address, "last_contacted": "2026-02-15", "open_deals": 3});
        if let (Some(Value::Object(seeded)), Some(members)) =
            (self.contacts.get(address), contact.as_object_mut())
        {
            members.extend(seeded.clone());
        }
        contact
    }

    fn record(&mut self, members: Map<String, Value>) -> Answer {
        if !members.get("contact_email").is_some_and(Value::is_string) {
            return Answer::error(422, "invalid_meeting", "`contact_email` must be a string");
        }
        if self.meetings.len() >= MAX_MEETINGS {
            return Answer::error(507, "crm_full", "this CRM holds no more meetings");
        }
        self.meetings.push(Value::Object(members));
        Answer::json(200, &json!({"status": "recorded"}))
    }
}
