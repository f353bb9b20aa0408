//! Mutants of `spec/sessions.md`.

mod creation;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Bytes;
use axum::http::Method;
use serde_json::{Map, Value, json};

use super::proxy::{Request, Response, Tamper};
use super::{Mutant, held};
use crate::manifest::Action;
use crate::runtime::answer::Answer;
use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::session::status::{Event, Status};
use crate::runtime::session::{Pending, Session};
use crate::runtime::{Parts, Reference};

/// The mutants of this section.
pub fn mutants() -> Vec<Mutant> {
    [creation::mutants(), life(), end()]
        .into_iter()
        .flatten()
        .collect()
}

fn life() -> Vec<Mutant> {
    vec![
        Mutant::part(
            "sessions-share-their-environment",
            "SES-011",
            "lays what one session learnt into the next one",
            SessionsShareTheirEnvironment::default(),
        ),
        Mutant::part(
            "sessions-share-their-limit",
            "SES-011",
            "counts the steps of all sessions against each limit",
            SessionsShareTheirLimit::default(),
        ),
        Mutant::proxy(
            "reading-takes-a-step",
            "SES-012",
            "takes a step when a session is read",
            ReadingTakesAStep,
        ),
        swap!(
            "reading-shows-no-environment",
            "SES-012",
            "shows an empty environment to whoever reads a session",
            fn session_answer(&self, session: &Session) -> Value {
                let mut answer = Reference.session_answer(session);
                answer["observation"]["environment"] = json!({});
                answer
            }
        )
        .rewriting(),
        swap!(
            "unknown-session-is-400",
            "SES-013",
            "answers a call on an unknown session with 400",
            fn finish_answer(&self, _route: &str, answer: Answer) -> Answer {
                let unknown = answer.body.get("errorCode").and_then(Value::as_str)
                    == Some("session_not_found");
                let status = if unknown { 400 } else { answer.status };
                Answer { status, ..answer }
            }
        )
        .rewriting(),
        Mutant::proxy(
            "session-ids-are-cut",
            "SES-013",
            "compares the first 36 characters of an id",
            SessionIdsAreCut,
        ),
        Mutant::part(
            "rejection-fails-the-session",
            "SES-015",
            "ends a session whose question is rejected",
            Moves(
                Status::AwaitingHuman,
                Event::QuestionRejected,
                Status::Failed,
            ),
        ),
        Mutant::part(
            "failed-action-fails-the-session",
            "SES-015",
            "ends a session whose action fails",
            Moves(Status::Active, Event::ActionFailed, Status::Failed),
        ),
        Mutant::part(
            "completed-sessions-go-on",
            "SES-016",
            "takes further steps after completion",
            Admits(Status::Completed),
        ),
        Mutant::part(
            "failed-sessions-go-on",
            "SES-016",
            "takes further steps after failure",
            Admits(Status::Failed),
        ),
    ]
}

fn end() -> Vec<Mutant> {
    vec![
        Mutant::proxy(
            "finished-sessions-cannot-be-closed",
            "SES-018",
            "refuses to close a session that is finished or waits",
            FinishedCannotBeClosed::default(),
        ),
        swap!(
            "close-refuses-a-body",
            "SES-018",
            "refuses a body with nothing in it but perhaps a key",
            fn check_shape(&self, value: &Value) -> Result<(), ErrorObject> {
                let nothing = value
                    .as_object()
                    .is_some_and(|members| members.keys().all(|name| name == "requestId"));
                if nothing {
                    return Err(ErrorObject::new(
                        Code::InvalidRequest,
                        "this call takes no body",
                    ));
                }
                Reference.check_shape(value)
            }
        ),
        swap!(
            "close-does-not-wait",
            "SES-019",
            "closes a session while its step is in flight",
            fn close_waits(&self) -> bool {
                false
            }
        ),
        swap!(
            "close-leaves-the-question",
            "SES-020",
            "takes an answer to a question of a closed session",
            fn close_cancels(&self) -> bool {
                false
            },
            fn close_removes(&self) -> bool {
                false
            },
            fn admit_answer(
                &self,
                status: Status,
                known: bool,
                waiting: Option<Pending>,
            ) -> Result<Pending, ErrorObject> {
                match (status, waiting) {
                    (Status::Closed, Some(waiting)) => Ok(waiting),
                    (status, waiting) => Reference.admit_answer(status, known, waiting),
                }
            }
        ),
        swap!(
            "closed-sessions-go-on",
            "SES-021",
            "takes further steps after the close",
            fn close_removes(&self) -> bool {
                false
            },
            fn admit_step(&self, status: Status) -> Result<(), ErrorObject> {
                if status == Status::Closed {
                    Ok(())
                } else {
                    Reference.admit_step(status)
                }
            }
        ),
        swap!(
            "closed-is-only-finished",
            "SES-021",
            "answers a step call on a closed session as on a finished one",
            fn close_removes(&self) -> bool {
                false
            },
            fn admit_step(&self, status: Status) -> Result<(), ErrorObject> {
                Reference.admit_step(if status == Status::Closed {
                    Status::Completed
                } else {
                    status
                })
            }
        ),
        swap!(
            "second-close-makes-another-record",
            "SES-022",
            "answers a second close with a transcript of the closed session",
            fn second_close(&self, session_id: &str, transcript: &Value) -> Option<Value> {
                let mut again = transcript.clone();
                again["status"] = Value::from("closed");
                Some(Reference.close_answer(session_id, &again))
            }
        )
        .rewriting(),
    ]
}

#[derive(Default)]
struct SessionsShareTheirEnvironment(Mutex<Map<String, Value>>);
impl Parts for SessionsShareTheirEnvironment {
    fn merge(
        &self,
        observation: &Value,
        action: &Action,
        output: &Value,
    ) -> Result<Value, ErrorObject> {
        let mut merged = Reference.merge(observation, action, output)?;
        let mut shared = held(&self.0);
        if let Some(Value::Object(environment)) = merged.get_mut("environment") {
            for (name, member) in shared.iter() {
                environment
                    .entry(name.clone())
                    .or_insert_with(|| member.clone());
            }
            shared.clone_from(environment);
        }
        Ok(merged)
    }
}

#[derive(Default)]
struct SessionsShareTheirLimit(AtomicU64);
impl Parts for SessionsShareTheirLimit {
    fn observe_step(
        &self,
        observation: Value,
        started_at: &str,
        step_number: u64,
        result: &Value,
    ) -> Value {
        self.0.fetch_add(1, Ordering::Relaxed);
        Reference.observe_step(observation, started_at, step_number, result)
    }

    fn max_steps_reached(&self, _steps_done: u64, max_steps: u64) -> bool {
        self.0.load(Ordering::Relaxed) >= max_steps
    }
}

struct ReadingTakesAStep;
impl Tamper for ReadingTakesAStep {
    fn request(&self, request: &mut Request) {
        if request.is(Method::GET, "/sessions/*") {
            request.method = Method::POST;
            request.path.push_str("/step");
            request.body = Bytes::new();
        }
    }
}

struct SessionIdsAreCut;
impl Tamper for SessionIdsAreCut {
    fn request(&self, request: &mut Request) {
        let mut segments: Vec<String> = request.path.split('/').map(str::to_owned).collect();
        if let [_, first, id, ..] = segments.as_mut_slice()
            && first == "sessions"
            && id.is_ascii()
        {
            id.truncate(36);
            request.path = segments.join("/");
        }
    }
}

/// Takes another way through the table at one place.
struct Moves(Status, Event, Status);
impl Parts for Moves {
    fn status_after(&self, status: Status, event: Event) -> Option<Status> {
        if (status, event) == (self.0, self.1) {
            Some(self.2)
        } else {
            Reference.status_after(status, event)
        }
    }
}

/// Lets step calls pass in a status in which there are none.
struct Admits(Status);
impl Parts for Admits {
    fn admit_step(&self, status: Status) -> Result<(), ErrorObject> {
        if status == self.0 {
            Ok(())
        } else {
            Reference.admit_step(status)
        }
    }
}

#[derive(Default)]
struct FinishedCannotBeClosed(Mutex<BTreeSet<String>>);
impl Tamper for FinishedCannotBeClosed {
    fn request(&self, request: &mut Request) {
        let stuck = request
            .path
            .strip_suffix("/close")
            .is_some_and(|session| held(&self.0).contains(session));
        if stuck && request.method == Method::POST {
            request.path = "/sessions/none/close".to_owned();
        }
    }

    fn response(&self, request: &Request, response: &mut Response) {
        let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        let ended = body.get("completed").is_some()
            && body.get("status").and_then(Value::as_str) != Some("active");
        let session = request
            .path
            .split("/interventions/")
            .next()
            .unwrap_or_default();
        if ended && request.method == Method::POST {
            let session = session.strip_suffix("/step").unwrap_or(session);
            held(&self.0).insert(session.to_owned());
        }
    }
}
