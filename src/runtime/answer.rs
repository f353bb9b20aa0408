//! An HTTP answer before it is put on the wire.

use std::sync::Arc;

use serde_json::Value;

use super::error::ErrorObject;
use super::parts::Parts;

/// Status, headers and JSON body; cheap to clone, since idempotent calls repeat it.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Headers besides the content type, names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Arc<Value>,
}

impl Answer {
    /// 200 with a body.
    pub fn ok(body: Value) -> Self {
        Self::new(200, body)
    }

    /// Any status with a body.
    pub fn new(status: u16, body: Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Arc::new(body),
        }
    }

    /// The answer that an error calls for.
    pub fn error(parts: &dyn Parts, error: &ErrorObject) -> Self {
        // A code that belongs inside results has no status of its own; to answer with it would be a defect.
        let status = match error.status() {
            0 => 500,
            status => status,
        };
        let answer = Self::new(status, parts.error_answer(error));
        let access = parts.access();
        let headers = [
            ("www-authenticate", access.challenge(error)),
            ("retry-after", access.retry_after(error)),
        ];
        headers
            .into_iter()
            .fold(answer, |answer, (name, value)| match value {
                Some(value) => answer.with_header(name, value),
                None => answer,
            })
    }

    /// The same with one more header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}
