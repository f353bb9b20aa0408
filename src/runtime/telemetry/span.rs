//! Spans: what a call did, and how long each part took (`spec/observability.md` section 3).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::Url;

use super::trace::{SpanId, Trace, TraceId};
use crate::model::{ModelConfig, ModelFailure, ModelReply};

/// When something began, by the clock of the system and by one that never goes back.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    wall: SystemTime,
    steady: std::time::Instant,
}

impl Moment {
    /// This one.
    pub fn now() -> Self {
        Self {
            wall: SystemTime::now(),
            steady: std::time::Instant::now(),
        }
    }

    /// The time since.
    pub fn elapsed(&self) -> Duration {
        self.steady.elapsed()
    }

    /// Nanoseconds since 1970.
    pub fn unix_nanos(&self) -> u128 {
        let since = self.wall.duration_since(UNIX_EPOCH);
        since.map_or(0, |since| since.as_nanos())
    }
}

/// On which side of a call a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Neither: it stays in the runtime.
    Internal,
    /// The runtime was called.
    Server,
    /// The runtime calls.
    Client,
}

/// What a span is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum What {
    /// A step, or a node.
    Step,
    /// A call of a workflow as a whole.
    Workflow,
    /// A call of the model.
    Model,
    /// A call of a service.
    Api,
    /// A run of code.
    Sandbox,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Attribute::Text(text.to_owned())
    }
}

impl From<u64> for Attribute {
    fn from(number: u64) -> Self {
        Attribute::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

/// One span that has ended.
#[derive(Debug, Clone)]
pub struct Span {
    /// What it is of.
    pub what: What,
    /// The trace.
    pub trace: TraceId,
    /// Whether the trace is recorded.
    pub sampled: bool,
    /// The trace's state.
    pub state: Option<String>,
    /// The span's own id.
    pub id: SpanId,
    /// What it is part of.
    pub parent: Option<SpanId>,
    /// Its name.
    pub name: String,
    /// On which side it is.
    pub kind: Kind,
    /// Nanoseconds since 1970.
    pub start: u128,
    /// Nanoseconds since 1970.
    pub end: u128,
    /// Its attributes, each once.
    pub attributes: Vec<(&'static str, Attribute)>,
    /// Why what it is of failed.
    pub error: Option<String>,
}

impl Span {
    /// A span that began then and ends now.
    pub fn ended(
        what: What,
        trace: &Trace,
        id: SpanId,
        parent: Option<SpanId>,
        began: Moment,
    ) -> Self {
        let start = began.unix_nanos();
        Self {
            what,
            trace: trace.id,
            sampled: trace.sampled,
            state: trace.state.clone(),
            id,
            parent,
            name: String::new(),
            kind: match what {
                What::Step | What::Sandbox => Kind::Internal,
                What::Workflow => Kind::Server,
                What::Model | What::Api => Kind::Client,
            },
            start,
            end: start.saturating_add(began.elapsed().as_nanos()),
            attributes: Vec::new(),
            error: None,
        }
    }

    /// With a name.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// With an attribute.
    pub fn with(mut self, name: &'static str, value: impl Into<Attribute>) -> Self {
        self.attributes.push((name, value.into()));
        self
    }

    /// With an attribute, if there is a value for it.
    pub fn with_some(self, name: &'static str, value: Option<impl Into<Attribute>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// As failed, if it did.
    pub fn failed(mut self, error: Option<String>) -> Self {
        if let Some(error) = error {
            self.attributes
                .push(("error.type", Attribute::Text(error.clone())));
            self.error = Some(error);
        }
        self
    }
}

/// A span of a step or of a node.
pub fn step(
    span: Span,
    session_id: Option<&str>,
    number: Option<u64>,
    action: Option<&str>,
    error: Option<String>,
) -> Span {
    span.named("oap.step")
        .with_some("oap.session.id", session_id)
        .with_some("oap.step.number", number)
        .with_some("oap.action.name", action)
        .failed(error)
}

/// A span of a call of the model.
pub fn model(span: Span, model: &ModelConfig, outcome: &Result<ModelReply, ModelFailure>) -> Span {
    let usage = outcome.as_ref().ok().and_then(|reply| reply.usage);
    let address = Url::parse(&model.base_url).ok();
    let host = address.as_ref().and_then(Url::host_str);
    let port = address.as_ref().and_then(Url::port_or_known_default);
    let error = outcome.as_ref().err().map(|failure| match failure.status {
        Some(status) if !(200..300).contains(&status) => status.to_string(),
        _ => "llm_unavailable".to_owned(),
    });
    span.named(format!("chat {}", model.model))
        .with("gen_ai.operation.name", "chat")
        .with("gen_ai.provider.name", model.wire.name())
        .with("gen_ai.request.model", model.model.as_str())
        .with_some(
            "gen_ai.usage.input_tokens",
            usage.map(|usage| usage.prompt_tokens),
        )
        .with_some(
            "gen_ai.usage.output_tokens",
            usage.map(|usage| usage.completion_tokens),
        )
        .with_some("server.address", host)
        .with_some("server.port", port.map(u64::from))
        .failed(error)
}

/// A span of a call of a service.
pub fn api(
    span: Span,
    method: &str,
    url: &Url,
    status: Option<u16>,
    error: Option<String>,
) -> Span {
    let error = match status {
        Some(status) if status >= 400 => Some(status.to_string()),
        _ => error,
    };
    span.named(method)
        .with("http.request.method", method)
        .with_some("server.address", url.host_str())
        .with_some("server.port", url.port_or_known_default().map(u64::from))
        .with_some("http.response.status_code", status.map(u64::from))
        .failed(error)
}

/// A span of a run of code.
pub fn sandbox(span: Span, action: &str, error: Option<String>) -> Span {
    span.named(format!("execute_tool {action}"))
        .with("gen_ai.operation.name", "execute_tool")
        .with("gen_ai.tool.name", action)
        .failed(error)
}
