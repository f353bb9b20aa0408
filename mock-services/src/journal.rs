//! The journal: every call that reached a mock, in order. It is the oracle for "must not call".

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Calls kept for one token; a runaway loop beyond it is counted, not stored.
const MAX_CALLS: usize = 10_000;

/// Bytes of bodies kept for one token; later bodies are replaced by a remark.
const MAX_BODY_BYTES: usize = 64 << 20;

/// One of the mocks; each listens on its own port and so is its own origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// The scripted model.
    Model,
    /// Free slots, events, agendas.
    Calendar,
    /// Sent messages.
    Email,
    /// Meetings and contacts.
    Crm,
    /// Objects of a bucket, as S3 keeps them.
    Objects,
}

impl Service {
    /// All of them, the model first.
    pub const ALL: [Service; 5] = [
        Service::Model,
        Service::Calendar,
        Service::Email,
        Service::Crm,
        Service::Objects,
    ];

    /// The name used in scripts, journals and addresses.
    pub fn name(self) -> &'static str {
        match self {
            Service::Model => "model",
            Service::Calendar => "calendar",
            Service::Email => "email",
            Service::Crm => "crm",
            Service::Objects => "objects",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Service {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Service::ALL
            .into_iter()
            .find(|service| service.name() == text)
            .ok_or_else(|| {
                format!("unknown service `{text}`: use model, calendar, email, crm or objects")
            })
    }
}

/// What the check of credentials found in a call's `Authorization` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Auth {
    /// The service's own credential.
    Ok,
    /// No `Authorization` header.
    Missing,
    /// Another credential, another scheme, or more than one header.
    Wrong,
}

/// One call that reached a mock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Position in its journal, from 1; calls of one token are numbered over all services.
    pub seq: u64,
    /// Milliseconds since the mocks started.
    pub at: u64,
    /// The correlation token found in the call, known or not.
    pub token: Option<String>,
    /// The mock that was called.
    pub service: Service,
    /// HTTP method.
    pub method: String,
    /// Path as sent, without query and without `/t/<token>`, or bucket and token.
    pub path: String,
    /// Decoded query pairs in order.
    pub query: Vec<(String, String)>,
    /// Headers by lower-case name; values of a repeated header are joined with `, `.
    pub headers: BTreeMap<String, String>,
    /// The body: its JSON value, else its text; null when there was none.
    pub body: Value,
    /// Result of the check of credentials.
    pub auth: Auth,
    /// The status answered; 0 when a fault left the caller without a whole answer (timeout, disconnect, truncated).
    pub status: u16,
    /// Position (from 0) of the script entry that answered, if one did.
    pub entry: Option<usize>,
    /// Why nothing could answer: no script entry fits, no such endpoint, or a malformed call.
    pub unmatched: Option<String>,
}

/// A script entry that was expected to be used (more often) and was not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnusedEntry {
    /// Whose script it stands in.
    pub service: Service,
    /// Position in that script, from 0.
    pub index: usize,
    /// What the entry says, in one line.
    pub summary: String,
    /// How often it was used.
    pub used: u32,
    /// How often it should have been used.
    pub times: u32,
}

/// The calls of one token, bounded.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    calls: Vec<Call>,
    seen: u64,
    body_bytes: usize,
}

impl Journal {
    /// Files a call under the next number; `size` is the length of its body in bytes.
    pub(crate) fn file(&mut self, mut call: Call, size: usize) {
        self.seen += 1;
        call.seq = self.seen;
        if self.calls.len() >= MAX_CALLS {
            return;
        }
        if self.body_bytes + size > MAX_BODY_BYTES {
            call.body = Value::String(format!(
                "(body of {size} bytes not kept: the journal of this token is full)"
            ));
        } else {
            self.body_bytes += size;
        }
        self.calls.push(call);
    }

    /// A copy of all calls kept.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.calls.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> Call {
        Call {
            seq: 0,
            at: 0,
            token: None,
            service: Service::Crm,
            method: "GET".into(),
            path: "/".into(),
            query: Vec::new(),
            headers: BTreeMap::new(),
            body: Value::Null,
            auth: Auth::Ok,
            status: 200,
            entry: None,
            unmatched: None,
        }
    }

    #[test]
    fn numbers_from_one_and_stays_bounded() {
        let mut journal = Journal::default();
        for _ in 0..MAX_CALLS + 5 {
            journal.file(call(), 0);
        }
        let calls = journal.calls();
        assert_eq!(calls.len(), MAX_CALLS);
        assert_eq!((calls[0].seq, calls[1].seq), (1, 2));
        assert_eq!(journal.seen, MAX_CALLS as u64 + 5);
    }

    #[test]
    fn bodies_beyond_the_bound_are_replaced() {
        let mut journal = Journal::default();
        journal.file(call(), MAX_BODY_BYTES);
        journal.file(call(), 1);
        let calls = journal.calls();
        assert_eq!(calls[0].body, Value::Null);
        assert!(
            calls[1]
                .body
                .as_str()
                .is_some_and(|text| text.contains("not kept"))
        );
    }

    #[test]
    fn service_names_round_trip() {
        for service in Service::ALL {
            assert_eq!(service.name().parse(), Ok(service));
        }
        assert!(
            "crmm"
                .parse::<Service>()
                .is_err_and(|error| error.contains("crmm"))
        );
    }
}
