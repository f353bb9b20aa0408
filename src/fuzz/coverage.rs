//! What generated worlds have reached: rows of the table of a session's life, error codes, profiles of calls. Numbers, no verdicts.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::embedded;
use crate::requirement::Profile;
use crate::suite::Capabilities;
use crate::suite::observed::Observed;
use crate::suite::target::Exchange;

/// Deepest place in an answer where an error is looked for.
const DEEPEST: usize = 32;

/// One row of `spec/transitions.toml`, as far as it is counted.
#[derive(Debug, Clone, Deserialize)]
struct Row {
    from: String,
    input: String,
    to: String,
    profile: Profile,
}

#[derive(Debug, Deserialize)]
struct Rows {
    statuses: Vec<String>,
    transition: Vec<Row>,
}

#[derive(Debug, Deserialize)]
struct Code {
    name: String,
    profile: Profile,
}

#[derive(Debug, Deserialize)]
struct Codes {
    code: Vec<Code>,
}

fn rows() -> &'static Rows {
    static ROWS: OnceLock<Rows> = OnceLock::new();
    ROWS.get_or_init(|| {
        let text = embedded::text("spec/transitions.toml").unwrap_or_default();
        toml::from_str(&text).unwrap_or_else(|_| Rows {
            statuses: Vec::new(),
            transition: Vec::new(),
        })
    })
}

fn codes() -> &'static [Code] {
    static CODES: OnceLock<Vec<Code>> = OnceLock::new();
    CODES.get_or_init(|| {
        let text = embedded::text("spec/error-codes.toml").unwrap_or_default();
        toml::from_str(&text).map_or_else(|_| Vec::new(), |codes: Codes| codes.code)
    })
}

/// Counts over many runs.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    statuses: BTreeMap<String, usize>,
    transitions: BTreeMap<(String, String), usize>,
    codes: BTreeMap<String, usize>,
}

/// How often each of some things was seen, and which never.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// How many of them there are on this target.
    pub of: usize,
    /// How often each was seen.
    pub seen: BTreeMap<String, usize>,
    /// Those that were not.
    pub unseen: Vec<String>,
}

/// What was reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Statuses of sessions.
    pub statuses: Seen,
    /// Rows of `spec/transitions.toml`, as `from --input--> to`.
    pub transitions: Seen,
    /// Codes of `spec/error-codes.toml`, in answers and in results.
    pub codes: Seen,
}

/// What is known of one session while a run is read.
#[derive(Debug, Clone)]
struct Session {
    status: String,
    /// The kind of the question that waits.
    question: String,
}

impl Tally {
    /// Reads one run.
    pub fn take(&mut self, observed: &Observed) {
        let mut sessions: BTreeMap<String, Session> = BTreeMap::new();
        for step in &observed.steps {
            for exchange in &step.exchanges {
                let Some(body) = exchange.answer().and_then(|answer| answer.json()) else {
                    continue;
                };
                self.errors(&body, 0);
                // What happened first at the same time is not known, and what it led from neither.
                if step.exchanges.len() == 1 {
                    self.exchange(exchange, &body, &mut sessions);
                } else {
                    learn(exchange, &body, &mut sessions);
                }
            }
        }
    }

    /// Adds what another tally has counted.
    pub fn add(&mut self, other: &Tally) {
        for (name, count) in &other.statuses {
            *self.statuses.entry(name.clone()).or_default() += count;
        }
        for (row, count) in &other.transitions {
            *self.transitions.entry(row.clone()).or_default() += count;
        }
        for (code, count) in &other.codes {
            *self.codes.entry(code.clone()).or_default() += count;
        }
    }

    fn errors(&mut self, value: &Value, depth: usize) {
        if depth > DEEPEST {
            return;
        }
        match value {
            Value::Object(members) => {
                if let Some(code) = members.get("errorCode").and_then(Value::as_str)
                    && codes().iter().any(|known| known.name == code)
                {
                    *self.codes.entry(code.to_owned()).or_default() += 1;
                }
                for member in members.values() {
                    self.errors(member, depth + 1);
                }
            }
            Value::Array(items) => {
                for item in items {
                    self.errors(item, depth + 1);
                }
            }
            _ => {}
        }
    }

    fn exchange(
        &mut self,
        exchange: &Exchange,
        body: &Value,
        sessions: &mut BTreeMap<String, Session>,
    ) {
        if let Some((id, call)) = on_session(exchange)
            && exchange.request.method == "POST"
            && let Some(session) = sessions.get(id)
            && let Some(status) = exchange.answer().map(|answer| answer.status)
            && let Some(input) = input(call, status, session, exchange, body)
        {
            let row = (session.status.clone(), input.to_owned());
            *self.transitions.entry(row).or_default() += 1;
        }
        if let Some(status) = learn(exchange, body, sessions) {
            *self.statuses.entry(status).or_default() += 1;
        }
    }

    /// What was reached, of what the target can be asked for.
    pub fn coverage(&self, capabilities: &Capabilities) -> Coverage {
        let has = |profile: &Profile| capabilities.profiles.contains(profile);
        let table = rows();
        let rows: Vec<&Row> = table
            .transition
            .iter()
            .filter(|row| has(&row.profile))
            .collect();
        let named = |row: &Row| format!("{} --{}--> {}", row.from, row.input, row.to);
        let count = |row: &Row| {
            let key = (row.from.clone(), row.input.clone());
            self.transitions.get(&key).copied().unwrap_or_default()
        };
        let statuses = table.statuses.iter().map(|name| {
            let count = self.statuses.get(name).copied().unwrap_or_default();
            (name.clone(), count)
        });
        let codes = codes()
            .iter()
            .filter(|code| has(&code.profile))
            .map(|code| {
                let count = self.codes.get(&code.name).copied().unwrap_or_default();
                (code.name.clone(), count)
            });
        Coverage {
            statuses: seen(statuses),
            transitions: seen(rows.into_iter().map(|row| (named(row), count(row)))),
            codes: seen(codes),
        }
    }
}

fn seen(counts: impl Iterator<Item = (String, usize)>) -> Seen {
    let counts: Vec<(String, usize)> = counts.collect();
    let unseen = counts.iter().filter(|(_, count)| *count == 0);
    Seen {
        of: counts.len(),
        unseen: unseen.map(|(name, _)| name.clone()).collect(),
        seen: counts.into_iter().filter(|(_, count)| *count > 0).collect(),
    }
}

/// The session that a request is about, and what is done with it.
fn on_session(exchange: &Exchange) -> Option<(&str, &str)> {
    let path = exchange.request.path.split('?').next()?;
    let rest = path.strip_prefix("/sessions/")?;
    Some(rest.split_once('/').unwrap_or((rest, "")))
}

/// Takes up what an answer says of a session; the status that it says.
fn learn(
    exchange: &Exchange,
    body: &Value,
    sessions: &mut BTreeMap<String, Session>,
) -> Option<String> {
    let answer = exchange.answer()?;
    if !(200..300).contains(&answer.status) {
        return None;
    }
    let status = body.get("status")?.as_str()?.to_owned();
    if !rows().statuses.contains(&status) {
        return None;
    }
    let id = match on_session(exchange) {
        Some((id, _)) => id.to_owned(),
        None => body.get("session_id")?.as_str()?.to_owned(),
    };
    let question = body.pointer("/pending/kind").and_then(Value::as_str);
    let session = Session {
        status: status.clone(),
        question: question.unwrap_or_default().to_owned(),
    };
    sessions.insert(id, session);
    Some(status)
}

/// The input of the table that a call was, by how it was answered.
fn input(
    call: &str,
    status: u16,
    session: &Session,
    exchange: &Exchange,
    body: &Value,
) -> Option<&'static str> {
    let code = body
        .get("errorCode")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let to = body
        .get("status")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let result = body.get("result").filter(|result| !result.is_null());
    let succeeded = result.is_some_and(|result| result["success"] == true);
    let skipped = result.is_some_and(|result| result["status"] == "skipped");
    let completed = to == "completed";
    if call == "step" {
        return Some(match (status, code, result) {
            (200, _, Some(_)) if skipped => "action_skipped",
            (200, _, Some(_)) if succeeded && completed => "goal_action_succeeded",
            (200, _, Some(_)) if succeeded => "action_succeeded",
            (200, _, Some(_)) => "action_failed",
            (200, _, None) => match to {
                "completed" => "plan_finished",
                "failed" => "plan_refused_thrice_unattended",
                "max_steps_reached" => "limit_reached",
                "awaiting_human" if body.pointer("/pending/kind")? == "invalid_plan" => {
                    "plan_refused_thrice"
                }
                "awaiting_human" => "person_asked",
                _ => return None,
            },
            (503, "llm_unavailable", _) => "model_failed",
            (_, "awaiting_human" | "session_finished" | "session_not_found", _) => "step_called",
            _ => return None,
        });
    }
    if call == "close" {
        return (status == 200 || code == "session_not_found").then_some("close_called");
    }
    if !call.starts_with("interventions/") {
        return None;
    }
    let sent: Value = serde_json::from_slice(&exchange.request.body).unwrap_or_default();
    let rejected = sent["decision"] == "reject";
    let question = session.question.as_str();
    match (status, code) {
        (409, "intervention_answered") => return Some("late_answer"),
        (404, "session_not_found") if session.status == "closed" => return Some("late_answer"),
        (422, "invalid_answer") if question == "invalid_plan" => {
            return Some("person_plan_invalid");
        }
        (422, "invalid_answer") => return Some("answer_invalid"),
        (200, _) => {}
        _ => return None,
    }
    match question {
        "invalid_plan" if rejected => Some("plan_rejected"),
        "invalid_plan" if sent.pointer("/output/retry").is_some() => Some("retry_chosen"),
        "invalid_plan" if result.is_none() && completed => Some("person_plan_finished"),
        "invalid_plan" if result.is_none() => Some("person_plan_asked"),
        "invalid_plan" if skipped => Some("person_plan_skipped"),
        "invalid_plan" if succeeded && completed => Some("person_plan_succeeded_goal"),
        "invalid_plan" if succeeded => Some("person_plan_succeeded"),
        "invalid_plan" => Some("person_plan_failed"),
        _ if rejected => Some("question_rejected"),
        "approval" if succeeded && completed => Some("approved_action_succeeded_goal"),
        "approval" if succeeded => Some("approved_action_succeeded"),
        "approval" => Some("approved_action_failed"),
        "human_intervention" if succeeded && completed => Some("answer_accepted_goal"),
        "human_intervention" if succeeded => Some("answer_accepted"),
        "human_intervention" => Some("answer_failed"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::observed::StepObserved;
    use crate::suite::target::{Answer, HttpRequest};
    use serde_json::json;
    use std::time::Duration;

    fn exchange(path: &str, sent: &Value, status: u16, body: &Value) -> StepObserved {
        StepObserved {
            exchanges: vec![Exchange {
                request: HttpRequest::new("POST", path).json(sent),
                outcome: Ok(Answer {
                    status,
                    headers: Vec::new(),
                    body: body.to_string().into_bytes(),
                }),
                duration: Duration::ZERO,
                answered: None,
            }],
            ..StepObserved::default()
        }
    }

    #[test]
    fn rows_are_told_by_what_was_answered() {
        let mut observed = Observed::broken("oapt0000000000000000", String::new());
        let failed = json!({"action_name": "a", "success": false, "output": null, "error": {"errorCode": "upstream_status"}});
        let asked = json!({"result": null, "status": "awaiting_human", "pending": {"kind": "invalid_plan"}});
        observed.steps = vec![
            exchange(
                "/sessions",
                &json!({}),
                201,
                &json!({"session_id": "s", "status": "active"}),
            ),
            exchange(
                "/sessions/s/step",
                &json!({}),
                200,
                &json!({"result": failed, "status": "active"}),
            ),
            exchange("/sessions/s/step", &json!({}), 200, &asked),
            exchange(
                "/sessions/s/interventions/i",
                &json!({"decision": "reject"}),
                200,
                &json!({"result": null, "status": "failed"}),
            ),
            exchange(
                "/sessions/s/close",
                &json!({}),
                200,
                &json!({"status": "closed"}),
            ),
            exchange(
                "/sessions/s/step",
                &json!({}),
                404,
                &json!({"errorCode": "session_not_found"}),
            ),
        ];
        let mut tally = Tally::default();
        tally.take(&observed);
        let coverage = tally.coverage(&Capabilities::of(Profile::ALL));
        let rows: Vec<&str> = coverage
            .transitions
            .seen
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(
            rows,
            [
                "active --action_failed--> active",
                "active --plan_refused_thrice--> awaiting_human",
                "awaiting_human --plan_rejected--> failed",
                "closed --step_called--> closed",
                "failed --close_called--> closed",
            ]
        );
        assert_eq!(
            coverage.transitions.of,
            coverage.transitions.unseen.len() + 5
        );
        assert_eq!(
            coverage.codes.seen.keys().collect::<Vec<_>>(),
            ["session_not_found", "upstream_status"]
        );
        assert_eq!(coverage.statuses.seen.len(), 4);
    }

    #[test]
    fn what_a_target_does_not_declare_is_not_missing() {
        let coverage = Tally::default().coverage(&Capabilities::of([Profile::Session]));
        assert!(
            coverage
                .transitions
                .unseen
                .iter()
                .all(|row| !row.contains("person_"))
        );
        assert!(!coverage.transitions.unseen.is_empty() && !coverage.codes.unseen.is_empty());
    }
}
