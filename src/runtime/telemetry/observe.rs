//! What the edges see, as signals: steps and refused plans out of a session's record, nodes out of a workflow's results.
//!
//! Everything is read off what the machines have recorded, so that signals and transcripts cannot disagree.

use axum::http::HeaderMap as Headers;
use reqwest::Url;
use serde_json::Value;

use super::Telemetry;
use super::line::{Event, Facts};
use super::metrics::{Label, Metric};
use super::parts::Within;
use super::scope::Begun;
use super::scope::{self, Scope};
use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::session::Session;
use crate::runtime::session::status::Status;

/// How far a session's record went before an input.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    steps: usize,
    turns: usize,
    over: bool,
}

impl Mark {
    /// The record as it is.
    pub fn of(session: &Session) -> Self {
        let record = session.record();
        Self {
            steps: record.steps.len(),
            turns: record.turns.len(),
            over: is_over(session.status()),
        }
    }
}

fn is_over(status: Status) -> bool {
    !matches!(status, Status::Active | Status::AwaitingHuman)
}

/// The members of a result that signals are made of.
struct Ran<'a> {
    action: &'a str,
    success: bool,
    error_code: Option<&'a str>,
    message: Option<&'a str>,
}

impl<'a> Ran<'a> {
    fn of(result: &'a Value) -> Self {
        let text = |pointer: &str| result.pointer(pointer).and_then(Value::as_str);
        Self {
            action: text("/action_name").unwrap_or_default(),
            success: result.get("success") == Some(&Value::Bool(true)),
            error_code: text("/error/errorCode"),
            message: text("/error/message"),
        }
    }
}

/// The attempts of a result, or the result itself where there was one only.
fn attempts(result: &Value) -> Vec<&Value> {
    match result.get("attempts").and_then(Value::as_array) {
        Some(attempts) if !attempts.is_empty() => attempts.iter().collect(),
        _ => vec![result],
    }
}

impl Telemetry {
    /// An input was taken: tells of the steps, the refused plans and the end that it led to.
    pub fn session_moved(&self, before: &Mark, session: &Session) {
        let scope = scope::current();
        if let Some(scope) = &scope {
            scope.in_session(session.id());
        }
        let record = session.record();
        for turn in record.turns.iter().skip(before.turns) {
            if let Some(refused) = &turn.refused {
                let code = refused.pointer("/0/errorCode").and_then(Value::as_str);
                let text = turn.reply.as_deref();
                self.plan_refused(Some(session.id()), code.unwrap_or_default(), text);
            }
        }
        for step in record.steps.iter().skip(before.steps) {
            let ran = Ran::of(&step.result);
            if let Some(scope) = &scope {
                scope.stepped(step.step_number, ran.action, ran.error_code);
            }
            self.log(&Facts {
                session_id: Some(session.id()),
                step_number: Some(step.step_number),
                action_name: Some(ran.action),
                duration_ms: Some(step.duration_ms),
                success: Some(ran.success),
                error_code: ran.error_code,
                plan: Some(&step.plan),
                result: Some(&step.result),
                ..Facts::of(Event::Step, "")
            });
            self.ran(Some(session.id()), step.step_number, &step.result, |_| None);
        }
        if !before.over && is_over(session.status()) {
            let labels = vec![("manifest", session.manifest().name.clone())];
            let within = Within {
                session_id: Some(session.id()),
                ..Within::default()
            };
            // As many as a session can have are exact.
            #[expect(
                clippy::cast_precision_loss,
                reason = "a session has 1000 steps at most"
            )]
            self.observe(
                Metric::SessionSteps,
                labels,
                &within,
                session.steps_done() as f64,
            );
        }
    }

    /// Tells of the nodes of a workflow that were reached since `seen` of them were; `declared` has the names of actions that a
    /// client called otherwise.
    pub fn nodes_reached<'w>(
        &self,
        results: &[Value],
        seen: &mut usize,
        declared: impl Fn(&str) -> Option<&'w str>,
    ) {
        let scope = scope::current();
        for (position, result) in results.iter().enumerate().skip(*seen) {
            let position = u64::try_from(position).unwrap_or(u64::MAX);
            let ran = Ran::of(result);
            let duration = scope
                .as_ref()
                .map(|scope| scope.leave_node(position, ran.action, ran.error_code));
            self.log(&Facts {
                step_number: Some(position),
                action_name: Some(ran.action),
                duration_ms: Some(duration.unwrap_or_default()),
                success: Some(ran.success),
                error_code: ran.error_code,
                result: Some(result),
                ..Facts::of(Event::Node, "")
            });
            self.ran(None, position, result, &declared);
            node_begins();
        }
        *seen = results.len();
    }

    /// A plan of the model was refused.
    pub fn plan_refused(&self, session_id: Option<&str>, code: &str, text: Option<&str>) {
        self.log(&Facts {
            session_id,
            error_code: Some(code),
            refused: text,
            ..Facts::of(Event::Security, "")
        });
        let within = Within {
            session_id,
            refused: text,
            ..Within::default()
        };
        let labels = vec![("reason", code.to_owned())];
        self.count(Metric::PlansRefused, labels, &within, 1);
    }

    /// A token was not accepted. What was sent is told to nobody.
    pub fn token_refused(&self, headers: &Headers, error: &ErrorObject) {
        if error.code != Code::Unauthenticated {
            return;
        }
        let trace = scope::trace_of(self, headers);
        let given = headers.get("authorization");
        self.log(&Facts {
            trace_id: Some(trace.id),
            error_code: Some(error.code.name()),
            refused: given.and_then(|value| value.to_str().ok()),
            ..Facts::of(Event::Security, "")
        });
    }

    /// Code was denied a call that it may have gone on without.
    pub fn code_denied(&self, scope: &Scope, number: u64, action: &str, refused: &str) {
        scope.denied();
        let session = scope.session_id();
        self.log(&Facts {
            session_id: session.as_deref(),
            request_id: scope.request_id(),
            trace_id: Some(scope.trace().id),
            step_number: Some(number),
            action_name: Some(action),
            error_code: Some(Code::SandboxNetworkDenied.name()),
            refused: Some(refused),
            ..Facts::of(Event::Security, "")
        });
    }

    /// What a result, with all attempts, means besides its line.
    fn ran<'w>(
        &self,
        session_id: Option<&str>,
        number: u64,
        result: &Value,
        declared: impl Fn(&str) -> Option<&'w str>,
    ) {
        let logged = scope::current().is_some_and(|scope| scope.was_denied());
        for attempt in attempts(result) {
            let ran = Ran::of(attempt);
            let code = ran.error_code.and_then(Code::named);
            let told = logged && code == Some(Code::SandboxNetworkDenied);
            if code.is_some_and(|code| self.rules().is_security(code)) && !told {
                self.log(&Facts {
                    session_id,
                    step_number: Some(number),
                    action_name: Some(ran.action),
                    error_code: ran.error_code,
                    refused: ran.message,
                    result: Some(attempt),
                    ..Facts::of(Event::Security, "")
                });
            }
            // A client may call an action what it likes, and as often otherwise (4.4).
            let name = declared(ran.action);
            let labels: Vec<Label> = vec![
                ("action", name.unwrap_or(ran.action).to_owned()),
                ("success", ran.success.to_string()),
                ("error_code", ran.error_code.unwrap_or_default().to_owned()),
            ];
            let within = Within {
                session_id,
                label: name.map(|_| ran.action),
                ..Within::default()
            };
            self.count(Metric::ActionResults, labels, &within, 1);
        }
    }

    /// A call of the model, or of a service, has ended.
    pub fn called(&self, kind: &'static str, url: &Url, begun: &Begun) {
        let labels = vec![
            ("kind", kind.to_owned()),
            ("host", url.host_str().unwrap_or_default().to_owned()),
        ];
        let within = Within {
            url: Some(url),
            ..Within::default()
        };
        let seconds = self.rules().seconds(begun.elapsed());
        self.observe(Metric::UpstreamDuration, labels, &within, seconds);
    }
}

/// The call that is under way goes on with this session.
pub fn goes_on_with(session_id: &str) {
    if let Some(scope) = scope::current() {
        scope.in_session(session_id);
    }
}

/// The next node of the workflow under way begins.
pub fn node_begins() {
    if let Some(scope) = scope::current() {
        scope.enter_node();
    }
}
