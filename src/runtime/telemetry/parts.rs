//! Every decision of the runtime that `spec/observability.md` pins, as one replaceable method; see [`crate::runtime::parts`].

use reqwest::Url;
use serde_json::{Map, Value};

use super::line::{self, Event, Facts};
use super::metrics::{self, Families, Label, Metric};
use super::span::{Span, What};
use super::trace::{self, SpanId, Trace, TraceId};
use crate::runtime::answer::Answer;
use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::parts::Reference;
use crate::runtime::redact::Redactor;

/// Whom the runtime calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Peer {
    /// The model.
    Model,
    /// A service, called by an action.
    Service,
    /// A host, called by code in the sandbox.
    Sandbox,
    /// The object store.
    Objects,
}

/// What a text is on its way into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signal {
    /// A log line.
    Log,
    /// A span.
    Span,
    /// A metric.
    Metric,
    /// A header of the trace.
    Header,
}

/// The call that a metric is counted in, for labels.
#[derive(Debug, Clone, Copy, Default)]
pub struct Within<'a> {
    /// The session, if it is one.
    pub session_id: Option<&'a str>,
    /// The URL that was called, if one was.
    pub url: Option<&'a Url>,
    /// The text that was refused, if one was.
    pub refused: Option<&'a str>,
    /// What a client called the action, where it has another name.
    pub label: Option<&'a str>,
}

/// The replaceable decisions about telemetry; each default calls a pure function of this room.
pub trait TelemetryParts: Send + Sync {
    // --- 1: log lines ---

    /// Whether an event is logged at all (1.1, 1.2, 1.6).
    fn logs(&self, facts: &Facts<'_>) -> bool {
        let _ = facts;
        true
    }

    /// The members of a line (1.1 to 1.3, 1.5, 1.7, 5.2). Redaction comes after it.
    fn line(&self, facts: &Facts<'_>) -> Map<String, Value> {
        line::members(facts)
    }

    /// The text of a line, without its end (1.4).
    fn written(&self, event: Event, line: Map<String, Value>) -> String {
        let _ = event;
        line::written(line)
    }

    /// Whether a failure with this code is logged as `security` (1.6). Refused plans and failed token checks always are, if
    /// [`TelemetryParts::logs`] lets them.
    fn is_security(&self, code: Code) -> bool {
        line::is_security(code)
    }

    // --- 2: the context of traces ---

    /// The context that the caller's `traceparent` headers give (2.1, 2.2).
    fn continued(&self, headers: &[&[u8]]) -> Option<trace::Caller> {
        trace::continued(headers)
    }

    /// The refusal of a call whose `traceparent` is not valid; `None`: it is served (2.2).
    fn invalid_context(&self, headers: &[&[u8]]) -> Option<ErrorObject> {
        let _ = headers;
        None
    }

    /// The id of a new trace (2.2, 2.3).
    fn new_trace(&self) -> TraceId {
        TraceId::new()
    }

    /// The id of a new span (2.1, 2.3).
    fn new_span(&self, what: What, caller: Option<SpanId>) -> SpanId {
        let _ = (what, caller);
        SpanId::new()
    }

    /// Whether a trace is recorded: as the caller says, and a new one always (2.5).
    fn sampled(&self, caller: Option<bool>) -> bool {
        caller.unwrap_or(true)
    }

    /// What is passed on of the caller's `tracestate` headers with a continued trace (2.4).
    fn state(&self, headers: &[&[u8]]) -> Option<String> {
        trace::state(headers)
    }

    /// The headers of the trace in a request of this span (2.1, 2.3 to 2.5).
    fn headers(&self, to: Peer, trace: &Trace, span: SpanId) -> Vec<(&'static str, String)> {
        let _ = to;
        let parent = trace::traceparent(trace.id, span, trace.sampled);
        let state = trace.state.clone().map(|state| ("tracestate", state));
        std::iter::once(("traceparent", parent))
            .chain(state)
            .collect()
    }

    // --- 3: spans ---

    /// The last look at a span that has ended; `None`: it is not sent (3.1 to 3.3). Redaction comes after it.
    fn finish_span(&self, span: Span) -> Option<Span> {
        Some(span).filter(|span| span.sampled)
    }

    /// The body of a request to the collector (3.4).
    fn finish_export(&self, body: Value) -> Value {
        body
    }

    /// Whether an answer waits until its spans are delivered (3.5).
    fn waits_for_collector(&self) -> bool {
        false
    }

    /// The answer of a call that waited for the collector (3.5).
    fn after_collector(&self, delivered: bool, answer: Answer) -> Answer {
        let _ = delivered;
        answer
    }

    // --- 4: metrics ---

    /// Whether something is counted at all (4.1, 4.2).
    fn counts(&self, metric: Metric, labels: &[Label]) -> bool {
        let _ = (metric, labels);
        true
    }

    /// The labels under which something is counted (4.4).
    fn labels(&self, metric: Metric, labels: Vec<Label>, within: &Within<'_>) -> Vec<Label> {
        let _ = (metric, within);
        labels
    }

    /// Most values of one label; whatever comes later is counted as `other` (4.4).
    fn most_values(&self) -> usize {
        metrics::MOST_VALUES
    }

    /// The seconds that a call took (4.2).
    fn seconds(&self, took: std::time::Duration) -> f64 {
        took.as_secs_f64()
    }

    /// The text of `GET /metrics` (4.3).
    fn metrics_text(&self, families: &Families) -> String {
        metrics::text(families)
    }

    /// The media type of that text (4.3).
    fn metrics_type(&self) -> &'static str {
        metrics::MEDIA_TYPE
    }

    // --- 5: secrets ---

    /// A text without secrets (5.1).
    fn clean(&self, signal: Signal, redactor: &Redactor, text: &str) -> String {
        let _ = signal;
        redactor.text(text).into_owned()
    }
}

impl TelemetryParts for Reference {}
