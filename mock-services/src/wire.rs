//! What goes in and out of the mocks, free of any HTTP library.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

/// Largest request body that is looked at, in bytes.
pub(crate) const MAX_BODY: usize = 8 << 20;

/// How long the timeout fault holds an answer back.
pub(crate) const HOLD: Duration = Duration::from_secs(30);

/// One request as it came from the wire.
#[derive(Debug, Clone)]
pub(crate) struct Incoming {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: BTreeMap<String, String>,
    /// The `Authorization` values, apart from `headers` because two of them must not be joined.
    pub(crate) authorization: Vec<String>,
    pub(crate) body: Vec<u8>,
}

impl Incoming {
    /// The body as the journal shows it: JSON value, else text, else null when empty or too large to look at.
    pub(crate) fn body_value(&self) -> Value {
        if self.body.is_empty() || self.body.len() > MAX_BODY {
            return Value::Null;
        }
        serde_json::from_slice(&self.body).unwrap_or_else(|_| Value::String(self.text()))
    }

    /// The body as text; bytes that are not UTF-8 are replaced.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// What came after `Bearer ` in the only `Authorization` header.
    pub(crate) fn bearer(&self) -> Option<&str> {
        let [value] = self.authorization.as_slice() else {
            return None;
        };
        let (scheme, credential) = value.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then(|| credential.trim_start())
    }
}

/// How much of an answer reaches the caller, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// All of it, after a pause.
    Whole(Duration),
    /// The head with the full length, half of the body, end of connection; after a pause.
    Cut(Duration),
    /// Nothing for [`HOLD`], then 504.
    Held,
    /// End of connection without a byte.
    Dropped,
}

/// An answer decided by the router, to be put on the wire by the server.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) content_type: Option<String>,
    pub(crate) body: Vec<u8>,
    pub(crate) delivery: Delivery,
}

impl Answer {
    /// A JSON answer.
    pub(crate) fn json(status: u16, value: &Value) -> Self {
        Answer::bytes(status, "application/json", value.to_string().into_bytes())
    }

    /// The services' error form: `{error, message}`.
    pub(crate) fn error(status: u16, error: &str, message: &str) -> Self {
        Answer::json(status, &json!({"error": error, "message": message}))
    }

    /// An answer with a body of the given type.
    pub(crate) fn bytes(status: u16, content_type: &str, body: Vec<u8>) -> Self {
        Answer {
            content_type: Some(content_type.to_owned()),
            body,
            ..Answer::empty(status)
        }
    }

    /// An answer without a body.
    pub(crate) fn empty(status: u16) -> Self {
        Answer {
            status,
            headers: Vec::new(),
            content_type: None,
            body: Vec::new(),
            delivery: Delivery::Whole(Duration::ZERO),
        }
    }

    /// The timeout fault.
    pub(crate) fn held() -> Self {
        let late = Answer::error(
            504,
            "held_back",
            "the mock held this answer back on purpose",
        );
        Answer {
            delivery: Delivery::Held,
            ..late
        }
    }

    /// The disconnect fault.
    pub(crate) fn dropped() -> Self {
        Answer {
            delivery: Delivery::Dropped,
            ..Answer::empty(500)
        }
    }

    /// The same answer with a header more.
    pub(crate) fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same answer after a pause.
    pub(crate) fn after(mut self, pause: Duration) -> Self {
        self.delivery = match self.delivery {
            Delivery::Whole(_) => Delivery::Whole(pause),
            Delivery::Cut(_) => Delivery::Cut(pause),
            other => other,
        };
        self
    }

    /// The same answer, cut short on the wire.
    pub(crate) fn cut(mut self) -> Self {
        self.delivery = Delivery::Cut(Duration::ZERO);
        self
    }

    /// The status for the journal: 0 unless the caller gets the whole answer.
    pub(crate) fn journal_status(&self) -> u16 {
        if matches!(self.delivery, Delivery::Whole(_)) {
            self.status
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incoming(authorization: &[&str], body: &[u8]) -> Incoming {
        Incoming {
            method: "POST".into(),
            path: "/".into(),
            query: Vec::new(),
            headers: BTreeMap::new(),
            authorization: authorization
                .iter()
                .map(|&value| value.to_owned())
                .collect(),
            body: body.to_vec(),
        }
    }

    #[test]
    fn bearer_is_one_header_of_that_scheme() {
        assert_eq!(incoming(&["Bearer a/b+c=="], b"").bearer(), Some("a/b+c=="));
        assert_eq!(incoming(&["bearer x"], b"").bearer(), Some("x"));
        assert_eq!(incoming(&["Basic x"], b"").bearer(), None);
        assert_eq!(incoming(&["Bearer"], b"").bearer(), None);
        assert_eq!(incoming(&["Bearer x", "Bearer x"], b"").bearer(), None);
        assert_eq!(incoming(&[], b"").bearer(), None);
    }

    #[test]
    fn body_is_json_or_text_or_null() {
        assert_eq!(incoming(&[], b"{\"a\":1}").body_value(), json!({"a": 1}));
        assert_eq!(incoming(&[], b"a=1").body_value(), json!("a=1"));
        assert_eq!(incoming(&[], b"\xff").body_value(), json!("\u{fffd}"));
        assert_eq!(incoming(&[], b"").body_value(), Value::Null);
        let deep = "[".repeat(5000);
        assert_eq!(incoming(&[], deep.as_bytes()).body_value(), json!(deep));
    }

    #[test]
    fn a_fault_has_no_status() {
        assert_eq!(Answer::held().journal_status(), 0);
        assert_eq!(Answer::dropped().journal_status(), 0);
        assert_eq!(Answer::empty(200).cut().journal_status(), 0);
        assert_eq!(Answer::empty(204).after(HOLD).journal_status(), 204);
    }
}
