//! What the runtime tells its operator: log lines, the context of traces, spans and metrics (`spec/observability.md`).
//!
//! The machines know nothing of it. The edges ask `scope` which call is under way and hand what they see to `observe`;
//! [`parts`] names every decision. Signals never hold up what they tell of: each has a bounded queue, and what finds no room is
//! counted and lost. Without the profile `observability` nothing of this exists.

mod export;
pub mod line;
mod log;
pub mod metrics;
mod observe;
mod otlp;
pub mod parts;
mod scope;
pub mod settings;
pub mod span;
pub mod trace;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::HeaderMap as Headers;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url};
use serde_json::Value;
use tokio::time::timeout;

pub(super) use observe::{Mark, goes_on_with, node_begins};
pub use parts::{Peer, Signal, TelemetryParts, Within};
pub(super) use scope::{Begun, Scope, current, within};
pub use settings::{LogSink, TelemetrySettings};
pub use span::What;

use super::StartError;
use super::clock::Clock;
use super::error::ErrorObject;
use super::parts::Parts;
use super::redact::Redactor;
use export::{Exporter, Route};
use line::Facts;
use log::LogWriter;
use metrics::{Label, Metric, Metrics};
use span::{Attribute, Span};

/// The name of the service where the operator gives none.
const SERVICE: &str = "oap-conform";

/// How long a runtime that stops waits for the last signals to leave.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Signals that found no room, or that nobody took.
#[derive(Debug, Default)]
pub struct Losses {
    lines: AtomicU64,
    spans: AtomicU64,
}

impl Losses {
    fn line(&self) {
        self.lines.fetch_add(1, Ordering::Relaxed);
    }

    fn spans(&self, lost: usize) {
        let lost = u64::try_from(lost).unwrap_or(u64::MAX);
        self.spans.fetch_add(lost, Ordering::Relaxed);
    }
}

/// The telemetry of a runtime.
pub struct Telemetry {
    parts: Arc<dyn Parts>,
    redactor: Redactor,
    clock: Clock,
    log: Option<LogWriter>,
    exporter: Option<Exporter>,
    metrics: Metrics,
    losses: Arc<Losses>,
}

impl Telemetry {
    /// Opens the places that signals go to. `own`: labels that are always told apart.
    ///
    /// # Errors
    /// When the log cannot be opened, or the collector's address or a header for it cannot be used.
    pub(super) fn start(
        settings: &TelemetrySettings,
        parts: Arc<dyn Parts>,
        redactor: Redactor,
        clock: Clock,
        client: &Client,
        own: BTreeSet<Label>,
    ) -> Result<Self, StartError> {
        let losses = Arc::new(Losses::default());
        let log = settings.log.as_ref().map(|sink| {
            LogWriter::start(sink).map_err(|error| {
                let place = match sink {
                    LogSink::File(path) => path.display().to_string(),
                    LogSink::Stdout | LogSink::Stderr => "the log".to_owned(),
                };
                StartError::Telemetry(format!("{place} cannot be written: {error}"))
            })
        });
        let log = log.transpose()?;
        let exporter = match &settings.otlp {
            None => None,
            Some(base) => Some(Exporter::start(Route {
                parts: Arc::clone(&parts),
                client: client.clone(),
                url: traces_url(base)?,
                headers: headers(&settings.otlp_headers)?,
                service: match settings.service.as_str() {
                    "" => SERVICE.to_owned(),
                    name => name.to_owned(),
                },
                losses: Arc::clone(&losses),
            })),
        };
        Ok(Self {
            parts,
            redactor,
            clock,
            log,
            exporter,
            metrics: Metrics::telling(own),
            losses,
        })
    }

    pub(super) fn rules(&self) -> &dyn TelemetryParts {
        self.parts.telemetry()
    }

    fn clean(&self, signal: Signal, text: &str) -> String {
        self.rules().clean(signal, &self.redactor, text)
    }

    /// Writes the line of an event, with what the call that is under way knows besides.
    fn log(&self, facts: &Facts<'_>) {
        let Some(log) = &self.log else {
            return;
        };
        let at = self.parts.format_time(self.clock.shown(self.parts.now()));
        let scope = current();
        // Before anything is cut: half a secret would pass unseen.
        let clean = |text: Option<&str>| text.map(|text| self.clean(Signal::Log, text));
        let request_id = scope.as_ref().and_then(Scope::request_id);
        let request_id = clean(facts.request_id.or(request_id));
        let action_name = clean(facts.action_name);
        let refused = clean(facts.refused);
        let facts = Facts {
            at: &at,
            request_id: request_id.as_deref(),
            action_name: action_name.as_deref(),
            refused: refused.as_deref(),
            trace_id: facts
                .trace_id
                .or_else(|| scope.as_ref().map(|scope| scope.trace().id)),
            ..*facts
        };
        if !self.rules().logs(&facts) {
            return;
        }
        let mut line = self.rules().line(&facts);
        line.values_mut().for_each(|value| self.clean_value(value));
        if !log.put(self.rules().written(facts.event, line)) {
            self.losses.line();
        }
    }

    fn clean_value(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.clean(Signal::Log, text),
            Value::Array(elements) => elements.iter_mut().for_each(|one| self.clean_value(one)),
            Value::Object(members) => {
                members.values_mut().for_each(|one| self.clean_value(one));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Sends a span, which is made only if somebody collects spans.
    fn ended(&self, span: impl FnOnce() -> Span) {
        let Some(exporter) = &self.exporter else {
            return;
        };
        let Some(mut span) = self.rules().finish_span(span()) else {
            return;
        };
        let clean = |text: &mut String| *text = self.clean(Signal::Span, text);
        clean(&mut span.name);
        span.error.iter_mut().for_each(clean);
        for (_, attribute) in &mut span.attributes {
            if let Attribute::Text(text) = attribute {
                clean(text);
            }
        }
        if !exporter.put(span) {
            self.losses.spans(1);
        }
    }

    fn count(&self, metric: Metric, labels: Vec<Label>, within: &Within<'_>, more: u64) {
        if let Some(labels) = self.labels(metric, labels, within) {
            let most = self.rules().most_values();
            self.metrics.add(metric, labels, most, more);
        }
    }

    fn observe(&self, metric: Metric, labels: Vec<Label>, within: &Within<'_>, value: f64) {
        if let Some(labels) = self.labels(metric, labels, within) {
            let most = self.rules().most_values();
            self.metrics.observe(metric, labels, most, value);
        }
    }

    fn labels(
        &self,
        metric: Metric,
        labels: Vec<Label>,
        within: &Within<'_>,
    ) -> Option<Vec<Label>> {
        let mut labels = self.rules().labels(metric, labels, within);
        for (_, value) in &mut labels {
            *value = self.clean(Signal::Metric, value);
        }
        self.rules().counts(metric, &labels).then_some(labels)
    }

    /// Media type and text of `GET /metrics`.
    pub(super) fn metrics(&self) -> (&'static str, String) {
        let mut families = self.metrics.families().clone();
        let dropped = families.entry(Metric::SignalsDropped).or_default();
        for (signal, lost) in [("log", &self.losses.lines), ("span", &self.losses.spans)] {
            let labels = vec![("signal", signal.to_owned())];
            let series = dropped.series.entry(labels).or_default();
            series.count = lost.load(Ordering::Relaxed);
        }
        (
            self.rules().metrics_type(),
            self.rules().metrics_text(&families),
        )
    }

    /// The refusal of a call whose trace context is there and not valid, if there is one.
    pub(super) fn refused_context(&self, headers: &Headers) -> Option<ErrorObject> {
        let given = headers.get_all("traceparent").iter();
        let given: Vec<&[u8]> = given.map(HeaderValue::as_bytes).collect();
        let invalid = !given.is_empty() && self.rules().continued(&given).is_none();
        invalid
            .then(|| self.rules().invalid_context(&given))
            .flatten()
    }

    /// Waits until the collector has taken the spans so far; whether it has.
    async fn delivered(&self) -> bool {
        match &self.exporter {
            Some(exporter) => exporter.flush().await,
            None => true,
        }
    }

    /// Lets the last signals leave, as long as that takes a moment only.
    pub(super) async fn flush(&self) {
        let written = async {
            if let Some(told) = self.log.as_ref().and_then(LogWriter::written) {
                // Where the thread has gone there is nothing left to wait for.
                let _ = told.await;
            }
        };
        let both = async { tokio::join!(written, self.delivered()) };
        let _ = timeout(LAST_WORDS, both).await;
    }
}

/// Where spans go at a collector with this base URL.
fn traces_url(base: &Url) -> Result<Url, StartError> {
    let wrong = || {
        let message = "the collector's address is not a base URL; write it as http://host:4318";
        StartError::Telemetry(message.to_owned())
    };
    if !matches!(base.scheme(), "http" | "https") {
        return Err(wrong());
    }
    let mut url = base.clone();
    url.path_segments_mut()
        .map_err(|()| wrong())?
        .pop_if_empty()
        .extend(["v1", "traces"]);
    Ok(url)
}

fn headers(given: &[(String, String)]) -> Result<HeaderMap, StartError> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let known = HeaderName::from_bytes(name.as_bytes());
        let sent = HeaderValue::from_str(value);
        let (Ok(known), Ok(mut sent)) = (known, sent) else {
            let message = format!("the header {name:?} for the collector cannot be sent");
            return Err(StartError::Telemetry(message));
        };
        sent.set_sensitive(true);
        headers.append(known, sent);
    }
    Ok(headers)
}
