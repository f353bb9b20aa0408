//! What a target tells its operator: log lines, spans and metrics, as far as they belong to one case. They come when the answer is long
//! there, so they are waited for; nothing is judged here.

pub mod book;
pub mod prometheus;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use mock_services::{CollectorFault, SLOW_COLLECTOR};
use serde_json::{Value, json};

use super::case::{Case, Place};
use super::execute::Bench;
use super::matcher::Matcher;
use super::observed::{Observed, Seen};
use super::substitute;
use super::target::{Exchange, HttpRequest};
use book::LogBook;

/// How long to wait before signals are looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Longest wait for signals.
const LONGEST: Duration = Duration::from_secs(6);

/// Most log lines and most spans of one case.
const MOST: usize = 2_000;

/// What can be seen of a target's signals.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    /// Whether the target was told the collector.
    pub collector: bool,
    /// Where its log lines are read.
    pub logs: Option<LogBook>,
    /// The path of its metrics.
    pub metrics: Option<String>,
}

/// How things stood before the case.
pub(super) struct Before {
    line: u64,
    metrics: Option<prometheus::Text>,
    requests: usize,
    spans: usize,
}

/// The trace id of a case and the parent id of its caller, as `traceparent` has them: what the token differs in, twice and once.
pub(super) fn context(token: &str) -> (String, String) {
    let digits = token.strip_prefix("oapt").unwrap_or(token);
    (format!("{digits}{digits}"), digits.to_owned())
}

/// Whether anything of this is looked at.
fn looks(case: &Case) -> bool {
    case.collector != CollectorFault::None
        || case
            .expect
            .sights()
            .iter()
            .any(|sight| sight.place.is_signal())
}

fn wants(case: &Case, places: &[Place<'_>]) -> bool {
    let sights = case.expect.sights();
    sights.iter().any(|sight| places.contains(&sight.place))
}

/// Notes how things stand, and has the collector fail if the case wants it to; `None`: the case looks at no signals.
pub(super) async fn begin(case: &Case, bench: &Bench) -> Option<Before> {
    if !looks(case) {
        return None;
    }
    let metrics = match &bench.signals.metrics {
        Some(path) if wants(case, &[Place::Metrics]) => ask(path, bench).await,
        _ => None,
    };
    let collector = bench.mocks.collector();
    collector.fail(case.collector);
    Some(Before {
        line: bench.signals.logs.as_ref().map_or(0, LogBook::end),
        metrics,
        requests: collector.requests(),
        // The same token, and so the same trace, comes again when a case is run again.
        spans: collector.taken(),
    })
}

/// Waits until everything is there that the case expects, or the time is over, and tells what is there.
pub(super) async fn end(
    case: &Case,
    bench: &Bench,
    before: &Before,
    observed: &Observed,
    sessions: &[String],
) -> Seen {
    let deadline = Instant::now() + LONGEST.min(bench.times.request / 2);
    let mut told = 0;
    loop {
        let seen = look(case, bench, before, observed, sessions).await;
        // What must not be there can still come: it is waited for until something came, and nothing more does.
        let settled = seen.texts.len() == told;
        told = seen.texts.len();
        if Instant::now() >= deadline || (settled && is_whole(case, observed, &seen)) {
            bench.mocks.collector().fail(CollectorFault::None);
            return seen;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Whether waiting longer cannot bring anything that is expected.
fn is_whole(case: &Case, observed: &Observed, seen: &Seen) -> bool {
    let bindings = observed.steps.last().map(|step| step.bindings.clone());
    let bindings = bindings.unwrap_or_default();
    case.expect
        .sights()
        .iter()
        .filter(|sight| sight.place.is_signal())
        .all(|sight| {
            let Some(value) = seen.at(sight.place) else {
                return true;
            };
            if value.as_array().is_some_and(Vec::is_empty) {
                return false;
            }
            substitute::substitute(sight.matcher, &bindings)
                .ok()
                .and_then(|source| Matcher::compile(&source).ok())
                .is_none_or(|matcher| matcher.matches(Some(value)))
        })
}

async fn look(
    case: &Case,
    bench: &Bench,
    before: &Before,
    observed: &Observed,
    sessions: &[String],
) -> Seen {
    let (trace, caller) = context(&observed.token);
    let mut traces = BTreeSet::from([trace.clone()]);
    for call in bench.mocks.calls(&observed.token) {
        let header = call.headers.get("traceparent");
        traces.extend(header.and_then(|header| trace_of(header)));
    }
    let mut seen = Seen::default();
    if let Some(book) = &bench.signals.logs {
        let mut marks = vec![observed.token.clone()];
        marks.extend(traces.iter().cloned());
        marks.extend(sessions.iter().cloned());
        let lines = book.lines(before.line, &marks, MOST);
        let values: Vec<Value> = lines
            .iter()
            .map(|line| match serde_json::from_str::<Value>(line) {
                Ok(value) if value.is_object() => value,
                _ => Value::from(line.as_str()),
            })
            .collect();
        let named = |line: &Value| line.get("trace_id")?.as_str().map(str::to_owned);
        traces.extend(values.iter().filter_map(named));
        seen.texts
            .extend(lines.into_iter().map(|line| ("logs", line)));
        seen.logs = Some(Value::from(values));
    }
    if bench.signals.collector {
        let mut spans = bench.mocks.collector().spans(&traces, before.spans);
        spans.truncate(MOST);
        seen.spans = Some(related(
            spans.iter().map(|span| span.value.clone()),
            &caller,
        ));
        seen.texts
            .extend(spans.into_iter().map(|span| ("spans", span.text)));
        let slow = |exchange: &&Exchange| exchange.duration >= SLOW_COLLECTOR;
        let exchanges = observed.steps.iter().flat_map(|step| &step.exchanges);
        seen.collector = Some(json!({
            "requests": bench.mocks.collector().requests().saturating_sub(before.requests),
            "slow_answers": exchanges.filter(slow).count(),
        }));
    }
    if let Some(path) = &bench.signals.metrics
        && wants(case, &[Place::Metrics, Place::Texts])
        && let Some(now) = ask(path, bench).await
    {
        seen.texts.push(("metrics", now.text.clone()));
        seen.metrics = Some(now.since(before.metrics.as_ref()));
    }
    seen.told = Some(seen.texts.iter().map(|(_, text)| text.as_str()).collect());
    seen
}

/// Each span with `parent`: the name of the span above it, `caller` below the caller's, absent where it is none of these.
fn related(spans: impl Iterator<Item = Value>, caller: &str) -> Value {
    let spans: Vec<Value> = spans.collect();
    let text = |span: &Value, name: &str| span.get(name)?.as_str().map(str::to_owned);
    let above = |span: &Value| {
        let parent = text(span, "parent_span_id")?;
        if parent == caller {
            return Some("caller".to_owned());
        }
        let above = spans
            .iter()
            .find(|other| text(other, "span_id").as_deref() == Some(&parent))?;
        text(above, "name")
    };
    spans
        .iter()
        .map(|span| {
            let mut span = span.clone();
            if let (Some(parent), Some(members)) = (above(&span), span.as_object_mut()) {
                members.insert("parent".to_owned(), parent.into());
            }
            span
        })
        .collect()
}

/// The trace id of a `traceparent`.
fn trace_of(header: &str) -> Option<String> {
    let id = header.split('-').nth(1)?;
    let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| id.to_ascii_lowercase())
}

/// The metrics as they are now; `None` where there is no answer.
async fn ask(path: &str, bench: &Bench) -> Option<prometheus::Text> {
    let request = HttpRequest::new("GET", path);
    let exchange = bench.target.send(request, bench.times.request).await;
    exchange.answer().map(prometheus::Text::of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_of_a_case_is_one_of_w3c() {
        let (trace, span) = context("oapt0123456789abcdef");
        assert_eq!(trace, "0123456789abcdef0123456789abcdef");
        assert_eq!(span, "0123456789abcdef");
        assert_eq!(trace_of(&format!("00-{trace}-{span}-01")), Some(trace));
        assert_eq!(trace_of("00-xyz"), None);
    }

    #[test]
    fn spans_know_whom_they_are_below() {
        let spans = [
            json!({"name": "oap.step", "span_id": "aa", "parent_span_id": "cc"}),
            json!({"name": "GET", "span_id": "bb", "parent_span_id": "aa"}),
            json!({"name": "GET", "span_id": "dd", "parent_span_id": "ee"}),
        ];
        let found = related(spans.into_iter(), "cc");
        let parents: Vec<_> = (0..3)
            .map(|at| found[at]["parent"].as_str().map(str::to_owned))
            .collect();
        assert_eq!(
            parents,
            [Some("caller".to_owned()), Some("oap.step".to_owned()), None]
        );
    }
}
