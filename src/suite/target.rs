//! The runtime under test, seen as a stranger on the wire.

pub mod claims;
pub mod command;
mod counted;
pub mod definition;
mod discovery;
pub mod environment;
pub mod family;
mod http;
mod lives;
pub mod output;
mod patience;
pub mod placeholders;
pub mod process;
pub mod started;
pub mod starting;
pub mod stdio;

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use serde_json::Value;

pub use counted::Counted;
pub use discovery::{discover, wait_ready};
pub use http::HttpTarget;
pub(in crate::suite) use http::{MOST_BODY, MOST_MARKS, marks};
pub use patience::Patience;

/// A request to the target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpRequest {
    /// HTTP method.
    pub method: String,
    /// Path with its query, relative to the base URL.
    pub path: String,
    /// Headers in order.
    pub headers: Vec<(String, String)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
}

impl HttpRequest {
    /// A request without a body.
    pub fn new(method: &str, path: impl Into<String>) -> Self {
        Self {
            method: method.to_owned(),
            path: path.into(),
            ..Self::default()
        }
    }

    /// The same request with a JSON body.
    #[must_use]
    pub fn json(mut self, body: &Value) -> Self {
        self.body = body.to_string().into_bytes();
        self.default_header("content-type", "application/json");
        self
    }

    /// Sets a header unless the request has it.
    pub fn default_header(&mut self, name: &str, value: &str) {
        if !self
            .headers
            .iter()
            .any(|(own, _)| own.eq_ignore_ascii_case(name))
        {
            self.headers.push((name.to_owned(), value.to_owned()));
        }
    }
}

/// What the target answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers by lower-case name, in order.
    pub headers: Vec<(String, String)>,
    /// The body, bounded.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; `None` when it is none.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The body as matchers see it: JSON, else text; `None` when it is empty.
    pub fn body_value(&self) -> Option<Value> {
        if self.body.is_empty() {
            return None;
        }
        Some(
            self.json()
                .unwrap_or_else(|| Value::String(String::from_utf8_lossy(&self.body).into_owned())),
        )
    }

    /// The value of a header; values of a repeated one are joined with `, `.
    pub fn header(&self, name: &str) -> Option<String> {
        let values: Vec<&str> = self
            .headers
            .iter()
            .filter(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect();
        (!values.is_empty()).then(|| values.join(", "))
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendError {
    /// Not within the time that was given.
    TimedOut(Duration),
    /// Nobody listens at the address.
    Unreachable(String),
    /// The connection broke, or what came was not HTTP.
    Broken(String),
    /// The target ended, or was given up, before there was an answer: what became of it.
    Ended(String),
    /// The body is larger than what is read, in bytes.
    TooLarge(usize),
    /// The body has more brackets and commas than what is read: parsed it would take a hundred times its size.
    TooDense(usize),
    /// The request itself cannot be sent: a fault of the case.
    Unsendable(String),
}

impl std::fmt::Display for SendError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TimedOut(time) => write!(f, "no answer within {} ms", time.as_millis()),
            Self::Unreachable(_) => f.write_str("nobody listens there"),
            Self::Broken(_) => f.write_str("the connection broke before the answer was complete"),
            Self::Ended(how) => f.write_str(how),
            Self::TooLarge(bytes) => write!(f, "the answer has more than {bytes} bytes"),
            Self::TooDense(marks) => {
                write!(f, "the answer has more than {marks} brackets and commas")
            }
            Self::Unsendable(why) => write!(f, "the request cannot be sent: {why}"),
        }
    }
}

impl std::error::Error for SendError {}

/// One request and what became of it.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// What was sent.
    pub request: HttpRequest,
    /// What came back.
    pub outcome: Result<Answer, SendError>,
    /// How long it took.
    pub duration: Duration,
    /// Of requests at the same time: how many answers were there before this one.
    pub answered: Option<usize>,
}

impl Exchange {
    /// The answer, if there is one.
    pub fn answer(&self) -> Option<&Answer> {
        self.outcome.as_ref().ok()
    }
}

/// A future that a trait object returns.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A runtime under test.
pub trait Target: Send + Sync {
    /// Its base URL, for reports.
    fn base_url(&self) -> &str;

    /// Sends one request and waits for the answer, at most `timeout`.
    fn send(&self, request: HttpRequest, timeout: Duration) -> Boxed<'_, Exchange>;

    /// Brings it back when it ended by itself; called before each case. What the harness did not start is always there.
    ///
    /// # Errors
    /// When it does not come back any more, with a sentence that says how it ended.
    fn revive(&self) -> Boxed<'_, Result<(), String>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// How often it ended by itself, as far as the harness can know.
    fn deaths(&self) -> usize {
        0
    }

    /// Its process, where the harness started it.
    fn process(&self) -> Option<u32> {
        None
    }

    /// Ends it because it hangs; it can be brought back then. `false`: the harness did not start it.
    fn abandon(&self) -> Boxed<'_, bool> {
        Box::pin(std::future::ready(false))
    }
}

/// What is seen of a target that ended while a case ran.
pub const ENDED: &str = "the target ended while the case ran";

/// How long after its time a target is given up that does not keep to it.
const LEEWAY: Duration = Duration::from_millis(250);

/// Sends one request and comes back in time even if the target does not: no run waits for ever.
async fn bounded(target: &dyn Target, request: HttpRequest, timeout: Duration) -> Exchange {
    let started = Instant::now();
    let sent = target.send(request.clone(), timeout);
    match tokio::time::timeout(timeout.saturating_add(LEEWAY), sent).await {
        Ok(exchange) => exchange,
        Err(_) => Exchange {
            request,
            outcome: Err(SendError::TimedOut(timeout)),
            duration: started.elapsed(),
            answered: None,
        },
    }
}
