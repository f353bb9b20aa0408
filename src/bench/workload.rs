//! What is asked: each workload is an ordinary case, some of whose requests are timed.
//!
//! The expected values are written by hand from the prose, as those of any case.

use std::fmt;
use std::str::FromStr;

use serde_json::{Value, json};

use crate::requirement::{Profile, Registry};
use crate::suite::Capabilities;
use crate::suite::case::{Case, Expect};
use crate::suite::judge::expected_value;
use crate::suite::load;
use crate::suite::matcher::Matcher;
use crate::suite::target::HttpRequest;

/// Timed requests of one round, but of a whole session: what is asked besides (a manifest, a session to step) is then a small part.
pub const ROUND: usize = 16;

/// The case of the suite that tells the first article's story.
const MEETBOT: &str = "STP-008-meetbot";

/// One kind of load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Workload {
    /// `POST /sessions`.
    Create,
    /// A step whose action calls a service.
    Step,
    /// A step whose service refuses.
    StepFailing,
    /// A step whose action is code.
    StepCode,
    /// A whole session: opened, four steps, closed.
    MeetBot,
    /// `POST /execute` with one node that calls a service.
    Execute,
}

impl Workload {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Create,
        Self::Step,
        Self::StepFailing,
        Self::StepCode,
        Self::MeetBot,
        Self::Execute,
    ];

    /// The name on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Step => "step",
            Self::StepFailing => "step-failing",
            Self::StepCode => "step-code",
            Self::MeetBot => "meetbot",
            Self::Execute => "execute",
        }
    }

    /// How often it comes in `mixed` unless that is said.
    pub const fn weight(self) -> u32 {
        match self {
            Self::Create => 2,
            Self::Step => 10,
            Self::StepFailing | Self::StepCode | Self::MeetBot => 1,
            Self::Execute => 3,
        }
    }

    /// What its figures are of.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::MeetBot => "sessions",
            _ => "requests",
        }
    }

    /// How many arrivals one round of its case serves.
    pub const fn round(self) -> usize {
        match self {
            Self::MeetBot => 1,
            _ => ROUND,
        }
    }

    /// Whether a request begins something timed.
    pub fn begins(self, request: &HttpRequest) -> bool {
        let path = request.path.as_str();
        request.method == "POST"
            && match self {
                Self::Create | Self::MeetBot => path == "/sessions",
                Self::Step | Self::StepFailing | Self::StepCode => path.ends_with("/step"),
                Self::Execute => path == "/execute",
            }
    }

    /// Whether the answer to a request ends what was begun.
    pub fn ends(self, request: &HttpRequest) -> bool {
        match self {
            Self::MeetBot => request.method == "POST" && request.path.ends_with("/close"),
            _ => self.begins(request),
        }
    }

    /// Why it cannot be asked of a target.
    ///
    /// # Errors
    /// The profile that the target does not claim, or what else stands in the way.
    pub fn fits(self, capabilities: &Capabilities) -> Result<(), String> {
        let claims = |profile: Profile| capabilities.profiles.contains(&profile);
        let lacks = |what: &str| Err(format!("the target does not claim {what}"));
        if !capabilities.registers || capabilities.delivered {
            return Err(
                "the target takes no manifests by POST /manifests, and each round needs its own"
                    .to_owned(),
            );
        }
        if !capabilities.model && self != Self::Create && self != Self::Execute {
            return Err(
                "the target asks a model of its own, and the workload needs the scripted one"
                    .to_owned(),
            );
        }
        match self {
            Self::Execute if !claims(Profile::Workflow) => lacks("workflow"),
            Self::Execute => Ok(()),
            _ if !claims(Profile::Session) => lacks("session"),
            Self::StepCode if language(capabilities).is_none() => {
                lacks("sandbox.python or sandbox.javascript")
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Workload {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|workload| workload.name() == text)
            .ok_or_else(|| {
                let names: Vec<&str> = Self::ALL.iter().map(|one| one.name()).collect();
                format!("there is no workload '{text}'; use {}", names.join(", "))
            })
    }
}

/// The cases of a workload: the whole round, and each part of it that the end of a run may leave.
#[derive(Debug, Clone)]
pub struct Cases {
    /// The workload.
    pub workload: Workload,
    /// The whole round.
    pub whole: Case,
    /// After so many timed requests, and without what comes after them; the first is of none.
    parts: Vec<Case>,
    /// What the answer to each timed request must be; none for a whole session, which only the judge can tell.
    pub answers: Vec<Matcher>,
}

impl Cases {
    /// Makes them.
    ///
    /// # Errors
    /// When one is no case: the suite is at fault.
    pub fn of(workload: Workload, capabilities: &Capabilities) -> Result<Self, String> {
        if workload == Workload::MeetBot {
            let cases =
                load::embedded_cases(Registry::embedded()).map_err(|errors| told(&errors))?;
            let whole = cases
                .into_iter()
                .find(|case| case.id == MEETBOT)
                .ok_or_else(|| format!("there is no case {MEETBOT}"))?;
            return Ok(Self {
                workload,
                whole,
                parts: Vec::new(),
                answers: Vec::new(),
            });
        }
        let whole = case(&document(workload, ROUND, true, capabilities))?;
        let parts = (1..=ROUND)
            .map(|count| case(&document(workload, count, false, capabilities)))
            .collect::<Result<_, _>>()?;
        let first = usize::from(opens(workload));
        let answers = whole
            .steps
            .iter()
            .skip(first)
            .take(ROUND)
            .map(|step| match &step.expect {
                Expect::One(expect) => {
                    Matcher::compile(&expected_value(expect)).map_err(|error| error.to_string())
                }
                _ => Err(format!("a timed request of {workload} expects nothing")),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            workload,
            whole,
            parts,
            answers,
        })
    }

    /// The case of a round that was cut off after so many timed requests, and how many of its steps were taken by then.
    pub fn part(&self, count: usize) -> Option<(&Case, usize)> {
        let case = self.parts.get(count.checked_sub(1)?)?;
        Some((case, case.steps.len()))
    }
}

/// Whether a session is opened before the first timed request.
fn opens(workload: Workload) -> bool {
    matches!(
        workload,
        Workload::Step | Workload::StepFailing | Workload::StepCode
    )
}

fn told(errors: &[load::LoadError]) -> String {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

fn case(document: &Value) -> Result<Case, String> {
    let id = document["id"].as_str().unwrap_or_default();
    // JSON is YAML as the suite reads it.
    let text = document.to_string();
    let mut cases = load::read(&format!("bench/{id}.yaml"), &text, Registry::embedded())
        .map_err(|errors| told(&errors))?;
    cases.pop().ok_or_else(|| format!("{id} holds no case"))
}

/// The language of code that a target offers, and the code.
fn language(capabilities: &Capabilities) -> Option<(&'static str, &'static str)> {
    let claims = |profile: Profile| capabilities.profiles.contains(&profile);
    if claims(Profile::SandboxPython) {
        return Some((
            "python3",
            "def generate(n):\n    return {\"twice\": n * 2}\n",
        ));
    }
    claims(Profile::SandboxJavascript).then_some((
        "javascript",
        "function generate({n}) { return {twice: n * 2}; }",
    ))
}

/// What code of a workload runs in on a target, for people.
pub fn runs_in(capabilities: &Capabilities) -> Option<&'static str> {
    language(capabilities).map(|(name, _)| name)
}

/// The case of a round of so many timed requests; `whole` with what comes after the last.
fn document(workload: Workload, count: usize, whole: bool, capabilities: &Capabilities) -> Value {
    let (requirement, profile) = match workload {
        Workload::Create => ("SES-001", "session"),
        Workload::Execute => ("WFL-001", "workflow"),
        _ => ("STP-004", "session"),
    };
    let mut document = json!({
        "id": format!("{requirement}-bench-{workload}"),
        "title": "a round of a workload of the load generator",
        "requirements": [requirement],
        "needs": [profile],
        "manifest": {"use": "control", "add_actions": actions(workload, capabilities)},
        "session": {"max_steps": ROUND * 2, "environment": {"desk": "${token}"}},
    });
    let numbers = 1..=count;
    let mut steps: Vec<Value> = Vec::new();
    if opens(workload) {
        steps.push(json!({"open": {}, "setup": true, "expect": {"status": {"$between": [200, 299]}, "body": {"status": "active"}}}));
    }
    steps.extend(numbers.clone().map(|number| timed(workload, number)));
    if opens(workload) && whole {
        steps.push(json!({"close": {}, "expect": {"status": 200}}));
    }
    document["steps"] = Value::Array(steps);
    let title = |number: usize| format!("Demo {number} of ${{token}}");
    match workload {
        Workload::Step => {
            document["model"] = (1..=ROUND)
                .map(|number| {
                    json!({"optional": number > count, "emit": {"action": "book", "args": {
                        "title": title(number),
                        "start": format!("2026-05-{number:02}T10:00:00Z"),
                        "end": format!("2026-05-{number:02}T10:45:00Z"),
                    }}})
                })
                .collect();
            let requests: Vec<Value> = numbers
                .map(|number| json!({"method": "POST", "path": "/v1/events", "auth": "ok", "body": {"title": title(number)}}))
                .collect();
            document["expect"] = json!({
                "model": {"calls": count},
                "services": {"calendar": {"calls": count, "requests": requests}, "crm": {"calls": 0}},
            });
        }
        Workload::StepFailing => {
            document["model"] = json!([{"times": "any", "emit": {"action": "note", "args": {"text": "for ${token}"}}}]);
            document["services"] = json!({"crm": {"script": [{"on": {"path": "/v1/notes"}, "reply": {"status": 409}, "times": "any"}]}});
            let requests: Vec<Value> = numbers
                .map(|_| json!({"method": "POST", "path": "/v1/notes", "auth": "ok", "body": {"text": "for ${token}"}}))
                .collect();
            document["expect"] = json!({
                "model": {"calls": count},
                "services": {"crm": {"calls": count, "requests": requests}, "calendar": {"calls": 0}},
            });
        }
        Workload::StepCode => {
            document["model"] = (1..=ROUND)
                .map(|number| json!({"optional": number > count, "emit": {"action": "double", "args": {"n": number}}}))
                .collect();
            document["expect"] = json!({
                "model": {"calls": count},
                "services": {"crm": {"calls": 0}, "calendar": {"calls": 0}},
            });
        }
        Workload::Execute => {
            let requests: Vec<Value> = numbers
                .map(|number| json!({"method": "POST", "path": "/v1/events", "auth": "ok", "body": {"title": title(number)}}))
                .collect();
            document["expect"] = json!({
                "model": {"calls": 0},
                "services": {"calendar": {"calls": count, "requests": requests}},
            });
        }
        Workload::Create | Workload::MeetBot => {
            document["expect"] = json!({
                "model": {"calls": 0},
                "services": {"calendar": {"calls": 0}, "crm": {"calls": 0}},
            });
        }
    }
    document
}

/// The timed request of this number and what its answer must be.
fn timed(workload: Workload, number: usize) -> Value {
    let stepped = |result: Value| json!({"step": {}, "expect": {"status": 200, "body": {"result": result, "steps_done": number, "status": "active", "completed": false}}});
    match workload {
        Workload::Create | Workload::MeetBot => {
            json!({"open": {}, "expect": {"status": {"$between": [200, 299]}, "body": {"session_id": {"$pattern": "."}, "status": "active"}}})
        }
        Workload::Step => stepped(json!({
            "action_name": "book", "success": true, "output": {"event_id": format!("ev_{number:04}")},
        })),
        Workload::StepFailing => stepped(json!({
            "action_name": "note", "success": false,
            "error": {"errorCode": "upstream_status", "retryable": false, "details": {"status": 409}},
        })),
        Workload::StepCode => stepped(json!({
            "action_name": "double", "success": true, "output": {"twice": number * 2},
        })),
        Workload::Execute => json!({
            "execute": {"open_action": {"@type": "OpenAction:Action", "name": "book", "input": {
                "title": format!("Demo {number} of ${{token}}"),
                "start": format!("2026-05-{number:02}T10:00:00Z"),
                "end": format!("2026-05-{number:02}T10:45:00Z"),
            }}},
            "expect": {"status": 200, "body": {"status": "completed", "result": {"event_id": format!("ev_{number:04}")}}},
        }),
    }
}

fn actions(workload: Workload, capabilities: &Capabilities) -> Vec<Value> {
    match workload {
        Workload::Step | Workload::Execute => vec![json!({
            "name": "book", "type": "invoke_api", "method": "POST",
            "endpoint": "https://api.calendar.example.com/v1/events",
            "auth": "Bearer ${CALENDAR_TOKEN}",
            "input_schema": {
                "type": "object", "required": ["title", "start", "end"],
                "properties": {"title": {"type": "string"}, "start": {"type": "string", "format": "date-time"}, "end": {"type": "string", "format": "date-time"}},
            },
            "output_schema": {"type": "object", "required": ["event_id"], "properties": {"event_id": {"type": "string"}}},
        })],
        Workload::StepFailing => vec![json!({
            "name": "note", "type": "invoke_api", "method": "POST",
            "endpoint": "https://api.crm.example.com/v1/notes",
            "auth": "Bearer ${CRM_TOKEN}",
            "input_schema": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}},
            "output_schema": {"type": "object"},
        })],
        Workload::StepCode => language(capabilities)
            .map(|(runtime, code)| {
                json!({
                    "name": "double", "type": "run_code", "runtime": runtime, "code": code,
                    "input_schema": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}},
                    "output_schema": {"type": "object", "required": ["twice"], "properties": {"twice": {"type": "integer"}}},
                })
            })
            .into_iter()
            .collect(),
        Workload::Create | Workload::MeetBot => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workload_is_a_case_whole_and_in_parts() {
        let able = Capabilities::of(Profile::ALL);
        for workload in Workload::ALL {
            assert_eq!(workload.fits(&able), Ok(()));
            let cases = Cases::of(workload, &able).expect("cases");
            assert_eq!(workload.name().parse(), Ok(workload));
            if workload == Workload::MeetBot {
                continue;
            }
            assert_eq!(cases.answers.len(), ROUND, "{workload}");
            assert!(cases.part(0).is_none() && cases.part(ROUND + 1).is_none());
            let (_, steps) = cases.part(3).expect("a part");
            assert_eq!(steps, 3 + usize::from(opens(workload)), "{workload}");
        }
        assert!("stp".parse::<Workload>().is_err());
    }

    #[test]
    fn what_a_target_does_not_claim_is_not_asked_of_it() {
        let bare = Capabilities::of([Profile::Core]);
        assert!(Workload::ALL.iter().all(|one| one.fits(&bare).is_err()));
        let session = Capabilities::of([Profile::Session]);
        assert_eq!(Workload::Step.fits(&session), Ok(()));
        let error = Workload::StepCode.fits(&session).expect_err("no sandbox");
        assert!(error.contains("sandbox"), "{error}");
        let delivered = Capabilities {
            delivered: true,
            ..Capabilities::of(Profile::ALL)
        };
        assert!(Workload::Create.fits(&delivered).is_err());
    }

    #[test]
    fn a_wrong_answer_does_not_match() {
        let able = Capabilities::of(Profile::ALL);
        let cases = Cases::of(Workload::Step, &able).expect("cases");
        let answer = |done: usize| {
            json!({"status": 200, "headers": {}, "body": {"steps_done": done, "status": "active", "completed": false,
                "result": {"action_name": "book", "success": true, "output": {"event_id": "ev_0002"}}}})
        };
        assert!(cases.answers[1].matches(Some(&answer(2))));
        assert!(
            !cases.answers[1].matches(Some(&answer(3))),
            "one step counted twice"
        );
        assert!(
            !cases.answers[2].matches(Some(&answer(3))),
            "another step's event"
        );
    }
}
