//! One action through the whole target, as a case would have it done, and what is to be read from what was seen.

use mock_services::{Auth, Call, Service};
use serde_json::{Value, json};

use crate::suite::case::Case;
use crate::suite::observed::Observed;
use crate::suite::secrets::{Leak, Secrets};
use crate::suite::target::{Answer, Exchange};

/// Longest part of a target's own message that is told, in characters.
const LONGEST: usize = 200;

/// How an action is brought about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// A session whose model proposes it.
    Session,
    /// `POST /execute`, after a `POST /plan`.
    Workflow,
    /// Not at all: the target has neither, and only gets the manifest.
    Neither,
}

/// One action.
#[derive(Debug, Clone)]
pub(super) struct Errand {
    /// The fixture that declares it.
    pub manifest: &'static str,
    /// Its name there.
    pub action: &'static str,
    /// What it is given.
    pub input: Value,
    /// What lies in the shared folder meanwhile.
    pub files: Value,
}

impl Errand {
    /// One that calls a service, and the secret that this takes.
    pub fn to(service: Service) -> Self {
        let (action, input) = match service {
            Service::Email => (
                "send_invitation",
                json!({"to": "alice@example.com", "subject": "Demo", "body": "Tuesday"}),
            ),
            Service::Crm => (
                "log_meeting_crm",
                json!({"contact_email": "alice@example.com", "event_id": "e1", "title": "Demo", "agenda": "Demo"}),
            ),
            _ => (
                "search_free_slots",
                json!({"participants": ["alice@example.com"], "duration_minutes": 30}),
            ),
        };
        Self {
            manifest: "meetbot",
            action,
            input,
            files: json!({}),
        }
    }

    /// The errand as a case.
    ///
    /// # Errors
    /// When it is none: a fault of the suite.
    pub fn case(&self, way: Way) -> Result<Case, String> {
        let node = json!({"@type": "OpenAction:Action", "name": self.action, "input": self.input});
        let says = |reply: Value| json!([{"emit": reply, "times": "any"}]);
        let (model, steps) = match way {
            Way::Session => (
                says(json!({"action": self.action, "args": self.input})),
                json!([{"open": {}}, {"step": {}}, {"close": {}}]),
            ),
            Way::Workflow => (
                says(json!([node])),
                json!([{"plan": {}}, {"execute": {"open_action": [node]}}]),
            ),
            Way::Neither => (json!([]), json!([])),
        };
        let case = json!({
            "id": format!("doctor-{}", self.action),
            "title": "One action, as a case would have it done.",
            "requirements": [],
            "manifest": self.manifest,
            "session": {"max_steps": 1},
            "model": model,
            "files": self.files,
            "steps": steps,
        });
        serde_json::from_value(case).map_err(|error| format!("an errand is no case: {error}"))
    }
}

/// What was seen of an errand.
pub(super) struct Seen<'o> {
    pub observed: &'o Observed,
    pub way: Way,
}

impl<'o> Seen<'o> {
    /// The registration.
    pub fn registration(&self) -> Option<&'o Exchange> {
        self.observed.control.exchanges.first()
    }

    /// The request that opened the session.
    pub fn open(&self) -> Option<&'o Exchange> {
        (self.way == Way::Session).then(|| self.step(0)).flatten()
    }

    /// The request for which the model should have been asked.
    pub fn planned(&self) -> Option<&'o Exchange> {
        self.step(if self.way == Way::Session { 1 } else { 0 })
    }

    /// The request that should have executed the action.
    pub fn acted(&self) -> Option<&'o Exchange> {
        self.step(1)
    }

    fn step(&self, index: usize) -> Option<&'o Exchange> {
        self.observed.steps.get(index)?.exchanges.first()
    }

    /// The session's id, where there is one.
    pub fn has_session(&self) -> bool {
        let answer = self.open().and_then(Exchange::answer);
        answer.is_some_and(|answer| {
            (200..300).contains(&answer.status)
                && answer
                    .json()
                    .is_some_and(|body| body.get("session_id").is_some_and(Value::is_string))
        })
    }

    /// The calls that reached one mock.
    pub fn calls(&self, service: Service) -> Vec<&'o Call> {
        let calls = self.observed.calls.iter();
        calls.filter(|call| call.service == service).collect()
    }

    /// The calls that reached one mock and do not say whose they are.
    pub fn strays(&self, service: Service) -> Vec<&'o Call> {
        let calls = self.observed.strays.iter();
        calls.filter(|call| call.service == service).collect()
    }

    /// What the action came to: its result, as far as it has one.
    pub fn result(&self) -> Option<Value> {
        let body = self.acted()?.answer()?.json()?;
        let pointer = match self.way {
            Way::Session => "/result",
            _ => "/results/0",
        };
        body.pointer(pointer).filter(|it| !it.is_null()).cloned()
    }

    /// The code with which the action, or the call that should have brought it about, ended.
    pub fn code(&self) -> Option<String> {
        let result = self.result();
        let body = self
            .acted()
            .and_then(Exchange::answer)
            .and_then(Answer::json);
        let in_result = result.as_ref().and_then(|result| result.get("error"));
        [
            in_result,
            body.as_ref().and_then(|body| body.get("error")),
            body.as_ref(),
        ]
        .into_iter()
        .flatten()
        .find_map(|error| error.get("errorCode")?.as_str())
        .map(str::to_owned)
    }

    /// What became of the action, in words.
    pub fn fate(&self) -> String {
        match (self.acted(), self.result()) {
            (None, _) => "the action was not asked for".to_owned(),
            (Some(_), Some(result)) => match result.get("error").filter(|error| !error.is_null()) {
                Some(error) => format!("the action ended with {}", told_error(error)),
                None => "the action says that it succeeded".to_owned(),
            },
            (Some(exchange), None) => told(exchange),
        }
    }

    /// Whether the target gave no answer at all.
    pub fn is_silent(&self) -> bool {
        let all = self.observed.control.exchanges.iter().chain(
            self.observed
                .steps
                .iter()
                .flat_map(|step| step.exchanges.iter()),
        );
        all.into_iter().any(|exchange| exchange.outcome.is_err())
    }

    /// Every secret in an answer or in a prompt, with its place.
    pub fn leaks(&self, secrets: &Secrets) -> Vec<String> {
        let exchanges = self.observed.control.exchanges.iter().chain(
            self.observed
                .steps
                .iter()
                .flat_map(|step| step.exchanges.iter()),
        );
        let mut found: Vec<String> = exchanges
            .filter_map(|exchange| Some((exchange, exchange.answer()?)))
            .flat_map(|(exchange, answer)| {
                let call = named(exchange);
                in_answer(answer, secrets)
                    .into_iter()
                    .map(move |leak| format!("the answer of {call}, {leak}"))
            })
            .collect();
        for call in self.calls(Service::Model) {
            let leaks = secrets.in_value(&call.body);
            found.extend(
                leaks
                    .iter()
                    .map(|leak| format!("what the model was sent, {}", at("", leak))),
            );
        }
        found
    }
}

/// Every secret in an answer, with its place.
pub(super) fn in_answer(answer: &Answer, secrets: &Secrets) -> Vec<String> {
    let mut found: Vec<String> = secrets
        .in_bytes(&answer.body)
        .iter()
        .map(|leak| at("/body", leak))
        .collect();
    for (name, value) in &answer.headers {
        let leaks = secrets.in_text(value);
        found.extend(
            leaks
                .iter()
                .map(|leak| at(&format!("/headers/{name}"), leak)),
        );
    }
    found
}

fn at(place: &str, leak: &Leak) -> String {
    format!(
        "at {place}{}: the value of {}, {}",
        leak.pointer, leak.name, leak.encoding
    )
}

/// A request without what is of this one run alone.
pub(super) fn named(exchange: &Exchange) -> String {
    let path = exchange.request.path.split('?').next().unwrap_or_default();
    let segments: Vec<&str> = path
        .split('/')
        .enumerate()
        .map(|(at, segment)| if at == 2 { "…" } else { segment })
        .collect();
    format!("{} {}", exchange.request.method, segments.join("/"))
}

/// What a request was answered, in words.
pub(super) fn told(exchange: &Exchange) -> String {
    let call = named(exchange);
    match &exchange.outcome {
        Err(error) => format!("{call}: {error}"),
        Ok(answer) => {
            let body = answer.json().unwrap_or_default();
            let error = told_error(&body);
            let error = if error.is_empty() {
                error
            } else {
                format!(" {error}")
            };
            format!("{call} answers {}{error}", answer.status)
        }
    }
}

/// An error object in words; empty where it is none.
fn told_error(error: &Value) -> String {
    let text = |member: &str| error.get(member).and_then(Value::as_str);
    let mut words: Vec<String> = text("errorCode").map(str::to_owned).into_iter().collect();
    words.extend(text("message").map(short));
    let violation = error.pointer("/details/violations/0");
    if let Some(violation) = violation {
        let text = |member: &str| violation.get(member).and_then(Value::as_str);
        let pointer = text("pointer").unwrap_or_default();
        let place = if pointer.is_empty() {
            "the document"
        } else {
            pointer
        };
        words.push(format!(
            "at {}: {}",
            short(place),
            short(text("message").unwrap_or("is wrong"))
        ));
    }
    words.join("; ")
}

/// A text of bounded length.
fn short(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// How a call showed who it is, in words; `None`: as it should.
pub(super) fn credential(call: &Call) -> Option<&'static str> {
    match call.auth {
        Auth::Ok => None,
        Auth::Missing => Some("without"),
        Auth::Wrong => Some("with another value than"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mock_services::Script;

    #[test]
    fn every_errand_is_a_case_and_its_script_is_one() {
        for service in [Service::Calendar, Service::Email, Service::Crm] {
            for way in [Way::Session, Way::Workflow, Way::Neither] {
                let case = Errand::to(service).case(way).expect("a case");
                assert!(Script::from_value(case.script()).is_ok(), "{}", case.id);
            }
        }
    }

    #[test]
    fn a_refusal_is_told_with_its_first_violation() {
        let error = json!({"errorCode": "manifest_invalid", "message": "2 violations",
            "details": {"violations": [{"pointer": "", "message": "x".repeat(900)}, {}]}});
        let told = told_error(&error);
        assert!(told.starts_with("manifest_invalid; 2 violations; at the document: xxx"));
        assert!(told.chars().count() < 300);
        for odd in [json!(null), json!([]), json!({"errorCode": 5})] {
            assert_eq!(told_error(&odd), "");
        }
    }
}
