//! The call that is under way: its trace, and what its spans are part of.
//!
//! The session machine knows nothing of it. It travels with the task of a call, so that the edges find it without being handed it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::HeaderMap as Headers;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::Telemetry;
use super::parts::{Peer, Signal};
use super::span::{self, Moment, Span, What};
use super::trace::{SpanId, Trace};
use crate::runtime::answer::Answer;

tokio::task_local! {
    static CURRENT: Scope;
}

/// The call that is under way; cheap to clone.
#[derive(Clone)]
pub struct Scope(Arc<Inner>);

struct Inner {
    telemetry: Arc<Telemetry>,
    trace: Trace,
    request_id: Option<String>,
    /// What the call is; none of the sorts that have a span of their own.
    what: Option<What>,
    root: SpanId,
    began: Moment,
    place: Mutex<Place>,
    /// Whether a denied call of code was logged since the last result.
    denied: AtomicBool,
}

/// Where in the call things happen.
#[derive(Debug, Clone, Default)]
struct Place {
    /// The node that is under way.
    node: Option<(SpanId, Moment)>,
    session_id: Option<String>,
    /// Number, action and failure of the step that the call led to.
    step: Option<(u64, String, Option<String>)>,
}

/// The context that headers give, or a new one.
pub(super) fn trace_of(telemetry: &Telemetry, headers: &Headers) -> Trace {
    let rules = telemetry.rules();
    let all = |name: &str| -> Vec<&[u8]> {
        let values = headers.get_all(name).iter();
        values.map(HeaderValue::as_bytes).collect()
    };
    let given = all("traceparent");
    // A header with a secret in it is passed on to nobody.
    let is_clean = |text: &str| telemetry.clean(Signal::Header, text) == text;
    let clean = given
        .iter()
        .all(|value| std::str::from_utf8(value).is_ok_and(is_clean));
    match rules.continued(&given).filter(|_| clean) {
        Some(caller) => Trace {
            id: caller.id,
            parent: Some(caller.span),
            sampled: rules.sampled(Some(caller.sampled)),
            state: rules
                .state(&all("tracestate"))
                .filter(|state| is_clean(state)),
        },
        None => Trace {
            id: rules.new_trace(),
            parent: None,
            sampled: rules.sampled(None),
            state: None,
        },
    }
}

/// The scope of the task, if the call has one.
pub fn current() -> Option<Scope> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Runs what belongs to a call.
pub async fn within<F: Future>(scope: Option<Scope>, work: F) -> F::Output {
    match scope {
        Some(scope) => CURRENT.scope(scope, work).await,
        None => work.await,
    }
}

impl Scope {
    /// The scope of a call with these headers.
    pub(in crate::runtime) fn open(
        telemetry: &Arc<Telemetry>,
        headers: &Headers,
        route: &str,
        request_id: Option<String>,
    ) -> Self {
        let what = match route {
            "POST /sessions/{id}/step" | "POST /sessions/{id}/interventions/{iid}" => {
                Some(What::Step)
            }
            "POST /execute" | "POST /plan" => Some(What::Workflow),
            _ => None,
        };
        let trace = trace_of(telemetry, headers);
        let root = telemetry
            .rules()
            .new_span(what.unwrap_or(What::Step), trace.parent);
        Self(Arc::new(Inner {
            telemetry: Arc::clone(telemetry),
            trace,
            request_id,
            what,
            root,
            began: Moment::now(),
            place: Mutex::default(),
            denied: AtomicBool::new(false),
        }))
    }

    /// The trace.
    pub fn trace(&self) -> &Trace {
        &self.0.trace
    }

    /// The client's id of the request.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.0.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers the session that the call goes on with.
    pub(super) fn in_session(&self, id: &str) {
        self.place().session_id = Some(id.to_owned());
    }

    /// The session that the call goes on with.
    pub fn session_id(&self) -> Option<String> {
        self.place().session_id.clone()
    }

    /// Remembers the step that the call led to.
    pub(super) fn stepped(&self, number: u64, action: &str, error: Option<&str>) {
        self.place().step = Some((number, action.to_owned(), error.map(str::to_owned)));
    }

    /// The next node begins.
    pub(super) fn enter_node(&self) {
        let id = self.0.telemetry.rules().new_span(What::Step, None);
        self.place().node = Some((id, Moment::now()));
    }

    /// Sends the span of a node that has ended; its milliseconds.
    pub(super) fn leave_node(&self, position: u64, action: &str, error: Option<&str>) -> u64 {
        let Some((id, began)) = self.place().node.take() else {
            return 0;
        };
        let span = Span::ended(What::Step, &self.0.trace, id, Some(self.0.root), began);
        let error = error.map(str::to_owned);
        self.0
            .telemetry
            .ended(|| span::step(span, None, Some(position), Some(action), error));
        u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// What a call to the outside is part of: the node, or the call as a whole, where the model is asked in between.
    fn parent(&self, what: What) -> SpanId {
        let node = match what {
            What::Model => None,
            _ => self.place().node.map(|(id, _)| id),
        };
        node.unwrap_or(self.0.root)
    }

    /// A span begins.
    pub(in crate::runtime) fn begin(&self, what: What) -> Begun {
        Begun {
            id: self.0.telemetry.rules().new_span(what, self.0.trace.parent),
            parent: self.parent(what),
            began: Moment::now(),
            what,
            scope: self.clone(),
        }
    }

    /// Notes that code was denied a call; whether that is news.
    pub(super) fn denied(&self) {
        self.0.denied.store(true, Ordering::Relaxed);
    }

    /// Whether a denied call was logged since this was asked last.
    pub(super) fn was_denied(&self) -> bool {
        self.0.denied.swap(false, Ordering::Relaxed)
    }

    /// The call ends with this answer.
    pub(in crate::runtime) async fn end(&self, answer: Answer) -> Answer {
        let telemetry = &self.0.telemetry;
        let Some(what) = self.0.what else {
            return answer;
        };
        telemetry.ended(|| self.whole(what, &answer));
        if !telemetry.rules().waits_for_collector() {
            return answer;
        }
        let delivered = telemetry.delivered().await;
        telemetry.rules().after_collector(delivered, answer)
    }

    /// The span of the call as a whole.
    fn whole(&self, what: What, answer: &Answer) -> Span {
        let place = self.place().clone();
        let trace = &self.0.trace;
        let span = Span::ended(what, trace, self.0.root, trace.parent, self.0.began);
        let refused = (answer.status >= 400)
            .then(|| answer.body.get("errorCode")?.as_str().map(str::to_owned))
            .flatten();
        if what == What::Workflow {
            return span.named("oap.workflow").failed(refused);
        }
        let (number, action, error) = match place.step {
            Some((number, action, error)) => (Some(number), Some(action), error),
            None => (None, None, refused),
        };
        let session = place.session_id.as_deref();
        span::step(span, session, number, action.as_deref(), error)
    }
}

/// A span that is under way, of something that the runtime does for a call.
#[derive(Clone)]
pub struct Begun {
    scope: Scope,
    what: What,
    id: SpanId,
    parent: SpanId,
    began: Moment,
}

impl Begun {
    /// Puts the headers of the trace into a request, in the place of others of these names.
    pub fn stamp(&self, to: Peer, headers: &mut HeaderMap) {
        let inner = &self.scope.0;
        headers.remove("traceparent");
        headers.remove("tracestate");
        for (name, value) in inner.telemetry.rules().headers(to, &inner.trace, self.id) {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.append(HeaderName::from_static(name), value);
            }
        }
    }

    /// The span ends; what is to be said of it is worked out only if somebody collects spans.
    pub(in crate::runtime) fn end(self, say: impl FnOnce(Span) -> Span) {
        let inner = &self.scope.0;
        inner.telemetry.ended(|| {
            say(Span::ended(
                self.what,
                &inner.trace,
                self.id,
                Some(self.parent),
                self.began,
            ))
        });
    }

    /// A span that is part of this one begins.
    pub(in crate::runtime) fn child(&self, what: What) -> Self {
        Self {
            parent: self.id,
            ..self.scope.begin(what)
        }
    }

    /// Code that runs in it was denied a call, without which it may go on.
    pub(in crate::runtime) fn denied(&self, number: u64, action: &str, refused: &str) {
        let telemetry = &self.scope.0.telemetry;
        telemetry.code_denied(&self.scope, number, action, refused);
    }

    /// What it is of has ended: a call of this kind to this place.
    pub(in crate::runtime) fn called(&self, kind: &'static str, url: &Url) {
        self.scope.0.telemetry.called(kind, url, self);
    }

    /// The time since it began.
    pub fn elapsed(&self) -> std::time::Duration {
        self.began.elapsed()
    }
}
