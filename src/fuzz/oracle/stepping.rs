//! A step call (`spec/steps.md`, `spec/plans.md`).

use serde_json::{Value, json};

use super::calls::{Calls, unknown};
use super::journal::Journal;
use super::plan::{self, Reading};
use super::prompts::{self, Refused};
use super::running::Ended;
use super::said::Said;
use super::session::{Pending, Session};
use super::surprise::{Seen, Surprise, elsewhere};
use super::table::{self, Row};

/// Replies of one step call that may be refused.
const ATTEMPTS: usize = 3;

impl Calls<'_> {
    /// A step call on a session.
    pub(super) fn stepped(
        &self,
        journal: &mut Journal<'_>,
        session: &mut Session,
        seen: &Seen<'_>,
    ) -> Vec<Surprise> {
        if session.status != "active" {
            return still(session, seen);
        }
        if session.steps >= session.max_steps {
            return self.ended(session, seen, "limit_reached", None);
        }
        if session.rests && seen.answer.status == 503 {
            // The model asked to be left alone, and is.
            return Vec::new();
        }
        let mut rights = session.rights.clone();
        rights.scopes = self.scopes(seen);
        if self.has_access && rights.scopes.is_none() && session.agreement.is_guarded() {
            session.lost = true;
            journal.mixed = true;
            return Vec::new();
        }
        let mut found = Vec::new();
        let mut refused: Vec<Refused> = Vec::new();
        while refused.len() < ATTEMPTS {
            let (strays, call) = journal.model(session);
            found.extend(strays.into_iter().map(|call| {
                elsewhere(
                    "PLN-015",
                    Some(seen.step),
                    call.service.name(),
                    "",
                    crate::suite::matcher::absent(),
                    Value::from(format!("{} {}", call.method, call.path)),
                    "is a call that no accepted plan stands for",
                )
            }));
            let Some(call) = call else {
                let requirement = if refused.is_empty() {
                    "STP-001"
                } else {
                    "PLN-017"
                };
                let message = "did not ask the model, which it had to";
                found.push(elsewhere(
                    requirement,
                    Some(seen.step),
                    seen.place,
                    "",
                    Value::from("a request to the model"),
                    crate::suite::matcher::absent(),
                    message,
                ));
                return found;
            };
            found.extend(prompts::check(
                call,
                session,
                &rights,
                &refused,
                self.ground.judge.secrets,
                seen.step,
            ));
            let (text, is_cut) = match self.scripts.said(call) {
                Said::Failed(rests) => {
                    session.turns.push(None);
                    session.rests = rests;
                    found.extend(self.ended(session, seen, "model_failed", None));
                    return found;
                }
                Said::Free => {
                    session.lost = true;
                    return found;
                }
                Said::Text(text) => (text, false),
                Said::CutOff(text) => (text, true),
            };
            session.rests = false;
            let reply = self.ground.judge.secrets.redact_text(&text);
            let reading = if is_cut {
                Reading::Refused(plan::Refusal {
                    code: "invalid_plan",
                    requirement: "MOD-015",
                    pointers: Vec::new(),
                })
            } else {
                plan::read(&reply, &session.agreement, &rights)
            };
            match reading {
                Reading::Free => {
                    session.lost = true;
                    return found;
                }
                Reading::Finish => {
                    session.turns.push(None);
                    found.extend(self.ended(session, seen, "plan_finished", None));
                    return found;
                }
                Reading::Refused(refusal) => {
                    session.turns.push(Some(refusal.code));
                    refused.push(Refused {
                        reply: text,
                        refusal,
                    });
                }
                Reading::Act { action, args } => {
                    session.turns.push(None);
                    found.extend(self.planned(journal, session, seen, &action, &args));
                    return found;
                }
            }
        }
        let input = if self.has_people {
            session.pending = Some(Pending::Plan);
            "plan_refused_thrice"
        } else {
            "plan_refused_thrice_unattended"
        };
        found.extend(self.ended(session, seen, input, None));
        found
    }

    /// What an accepted plan comes to, be it the model's or a person's.
    pub(super) fn planned(
        &self,
        journal: &mut Journal<'_>,
        session: &mut Session,
        seen: &Seen<'_>,
        action: &str,
        args: &Value,
    ) -> Vec<Surprise> {
        let agreement = std::sync::Arc::clone(&session.agreement);
        let Some(declared) = agreement.action(action) else {
            session.lost = true;
            return Vec::new();
        };
        let asks = declared.kind() == "human_intervention";
        let wants = self.has_access && declared.wants_approval();
        if (asks || wants) && !declared.is_plain() {
            // It may be skipped, or answered by another action.
            session.lost = true;
            return Vec::new();
        }
        let from_person = session.status == "awaiting_human";
        if asks || wants {
            session.pending = Some(if asks {
                Pending::Question {
                    action: action.to_owned(),
                }
            } else {
                Pending::Approval {
                    action: action.to_owned(),
                    args: args.clone(),
                }
            });
            let input = if from_person {
                "person_plan_asked"
            } else {
                "person_asked"
            };
            let templated = asks && declared.definition.to_string().contains("{{");
            if templated {
                session.lost = true;
                return Vec::new();
            }
            let mut found = self.ended(session, seen, input, None);
            found.extend(seen.wants(
                "HUM-001",
                "/body/pending/action_name",
                Value::from(action),
                "is not the action that asks",
            ));
            found.extend(seen.wants(
                "HUM-001",
                "/body/pending/args",
                args.clone(),
                "is not what the plan says",
            ));
            if asks {
                let prompt = declared
                    .definition
                    .get("prompt")
                    .cloned()
                    .unwrap_or_default();
                found.extend(seen.wants(
                    "HUM-002",
                    "/body/pending/prompt",
                    prompt,
                    "is not the prompt of the manifest",
                ));
                let schema = declared
                    .definition
                    .get("output_schema")
                    .cloned()
                    .unwrap_or_default();
                found.extend(seen.wants(
                    "HUM-002",
                    "/body/pending/output_schema",
                    schema,
                    "is not the schema of the manifest",
                ));
            }
            return found;
        }
        let (ended, mut found) = self.run(journal, session, seen, action, args);
        let prefix = if from_person { "person_plan" } else { "action" };
        found.extend(self.counted(session, seen, action, &ended, prefix));
        found
    }

    /// The end of a call in which an action was attempted.
    pub(super) fn counted(
        &self,
        session: &mut Session,
        seen: &Seen<'_>,
        action: &str,
        ended: &Ended,
        prefix: &str,
    ) -> Vec<Surprise> {
        let mut found = Vec::new();
        let body = seen.body();
        let result = body.get("result").cloned().unwrap_or_default();
        found.extend(ended.check(seen, action, &result));
        if !result.is_object() {
            if found.is_empty() {
                found.push(seen.surprise(
                    "STP-001",
                    "/body/result",
                    json!({"$type": "object"}),
                    "is no result of the attempted action",
                ));
            }
            return found;
        }
        let success = result.get("success") == Some(&Value::Bool(true));
        let skipped = result.get("status") == Some(&Value::from("skipped"));
        let ran = result
            .get("action_name")
            .and_then(Value::as_str)
            .unwrap_or(action);
        let completes = session
            .agreement
            .action(ran)
            .is_some_and(super::agreement::Declared::completes);
        let input = match (success, skipped, completes) {
            (_, true, _) => "skipped",
            (true, false, true) => "succeeded_goal",
            (true, false, false) => "succeeded",
            (false, false, _) => "failed",
        };
        let input = match (prefix, input) {
            ("action", "succeeded_goal") => "goal_action_succeeded".to_owned(),
            _ => format!("{prefix}_{input}"),
        };
        found.extend(self.ended(session, seen, &input, Some(&result)));
        found
    }

    /// Takes the row of this input, and says what of the answer is not as it says.
    pub(super) fn ended(
        &self,
        session: &mut Session,
        seen: &Seen<'_>,
        input: &str,
        result: Option<&Value>,
    ) -> Vec<Surprise> {
        let Some(row) = table::row(&session.status, input) else {
            session.lost = true;
            return Vec::new();
        };
        let mut found = Vec::new();
        if row.counts
            && let Some(result) = result
            && let Err(why) = session.count(result)
        {
            let message = format!("succeeded, and its output cannot be merged: {why}");
            found.push(seen.surprise(
                "OBS-013",
                "/body/result/success",
                Value::Bool(false),
                &message,
            ));
        }
        session.status.clone_from(&row.to);
        if row.to != "awaiting_human" {
            session.pending = None;
        }
        found.extend(answered_so(session, seen, row, result.is_some()));
        if let Some(id) = seen.body().pointer("/pending/id").and_then(Value::as_str)
            && row.to == "awaiting_human"
        {
            session.asked.push(id.to_owned());
        }
        found
    }
}

/// A step call on a session that cannot be stepped.
fn still(session: &Session, seen: &Seen<'_>) -> Vec<Surprise> {
    let Some(row) = table::row(&session.status, "step_called") else {
        return Vec::new();
    };
    if session.status == "closed" && seen.answer.status == 404 {
        return unknown(seen).into_iter().collect();
    }
    let requirement = match session.status.as_str() {
        "max_steps_reached" => "STP-014",
        _ => &row.requirement,
    };
    let code = row.code.as_deref().unwrap_or_default();
    let message = format!("is a step call on a session that is {}", session.status);
    seen.refused(&[(row.answer, code)], requirement, &message)
        .into_iter()
        .collect()
}

/// Whether the answer is that of a row.
fn answered_so(session: &Session, seen: &Seen<'_>, row: &Row, has_result: bool) -> Vec<Surprise> {
    let requirement = row.requirement.as_str();
    let message = format!("is not what follows {}", row.input.replace('_', " "));
    if let Some(code) = &row.code {
        return seen
            .refused(&[(row.answer, code)], requirement, &message)
            .into_iter()
            .collect();
    }
    if let Some(found) = seen.wants(requirement, "/status", Value::from(row.answer), &message) {
        return vec![found];
    }
    let mut found = Vec::new();
    found.extend(seen.wants(requirement, "/body/status", Value::from(&*row.to), &message));
    found.extend(seen.wants(
        "STP-004",
        "/body/steps_done",
        Value::from(session.steps),
        "is not the number of counted steps",
    ));
    let completed = Value::Bool(row.to == "completed");
    found.extend(seen.wants(
        "STP-002",
        "/body/completed",
        completed,
        "is not whether the session is completed",
    ));
    if !has_result {
        found.extend(seen.wants(
            requirement,
            "/body/result",
            Value::Null,
            "is a result of a call in which no step counted",
        ));
    }
    let kind = session.pending.as_ref().map(Pending::kind);
    match kind {
        Some(kind) => found.extend(seen.wants(
            "HUM-001",
            "/body/pending/kind",
            Value::from(kind),
            "is not the question that waits",
        )),
        None if seen.body().get("pending").is_some() => {
            found.push(seen.surprise(
                "HUM-001",
                "/body/pending",
                json!({"$absent": true}),
                "is a question that nobody asked",
            ));
        }
        None => {}
    }
    found
}
