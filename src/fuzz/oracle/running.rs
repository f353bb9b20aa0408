//! One execution of an action: the request that has to be seen, and the result that its reply has to give (`spec/actions.md`).

use mock_services::Call;
use serde_json::{Value, json};

use super::agreement::Declared;
use super::calls::Calls;
use super::journal::Journal;
use super::request::{self, Wanted};
use super::said::{Failure, Got};
use super::session::{Session, size};
use super::surprise::{Seen, Surprise, elsewhere};
use crate::suite::matcher::{absent, same};

/// Redirects that are followed in a row.
const REDIRECTS: usize = 5;

/// Time that an action has where it names none, in milliseconds.
const TIMEOUT: u64 = 10_000;

/// Largest observation, in bytes, and how near to it nothing is foretold: the time is not known to the letter.
const MOST: usize = 1024 * 1024;
const NEAR: usize = 4096;

/// What the execution of an action has to give.
#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    /// A success with this output.
    Output(Value),
    /// A failure.
    Failure(Failure),
    /// That cannot be foretold; whether an output has to satisfy the schema of the action can.
    Open {
        /// What the output must satisfy.
        fits: Option<bool>,
    },
}

impl Ended {
    /// What is wrong with the result of an action.
    pub fn check(&self, seen: &Seen<'_>, action: &str, result: &Value) -> Vec<Surprise> {
        let mut found = Vec::new();
        match self {
            Self::Output(output) => {
                found.extend(seen.wants(
                    "ACT-001",
                    "/body/result/action_name",
                    Value::from(action),
                    "is not the action that ran",
                ));
                let succeeded = result.get("success") == Some(&Value::Bool(true));
                if !succeeded {
                    found.push(seen.surprise(
                        "ACT-013",
                        "/body/result/success",
                        Value::Bool(true),
                        "failed although the service answered well",
                    ));
                } else if !result.get("output").is_some_and(|got| same(got, output)) {
                    found.push(seen.surprise(
                        "ACT-018",
                        "/body/result/output",
                        json!({"$exact": output}),
                        "is not what the service answered",
                    ));
                }
            }
            Self::Failure(failure) => {
                found.extend(seen.wants(
                    "ACT-001",
                    "/body/result/action_name",
                    Value::from(action),
                    "is not the action that ran",
                ));
                let code = result.pointer("/error/errorCode").and_then(Value::as_str);
                if code != Some(failure.code) {
                    found.push(seen.surprise(
                        failure.requirement,
                        "/body/result/error/errorCode",
                        Value::from(failure.code),
                        "is not how the action failed",
                    ));
                } else if let Some(status) = failure.status {
                    found.extend(seen.wants(
                        "ACT-011",
                        "/body/result/error/details/status",
                        Value::from(status),
                        "is not the status of the service",
                    ));
                    let again = matches!(status, 408 | 429 | 500..=599);
                    found.extend(seen.wants(
                        "ACT-012",
                        "/body/result/error/retryable",
                        Value::Bool(again),
                        "is not whether another try can help",
                    ));
                }
            }
            Self::Open { fits: Some(false) }
                if result.get("success") == Some(&Value::Bool(true)) =>
            {
                found.push(seen.surprise(
                    "ACT-022",
                    "/body/result/success",
                    Value::Bool(false),
                    "succeeded with an output that breaks its schema",
                ));
            }
            Self::Open { .. } => {}
        }
        found
    }
}

impl Calls<'_> {
    /// What the execution of an accepted action has to give, and what is wrong with what was sent.
    pub(super) fn run(
        &self,
        journal: &mut Journal<'_>,
        session: &Session,
        seen: &Seen<'_>,
        action: &str,
        args: &Value,
    ) -> (Ended, Vec<Surprise>) {
        let token = &self.ground.observed.token;
        let agreement = std::sync::Arc::clone(&session.agreement);
        let Some(declared) = agreement.action(action) else {
            return (Ended::Open { fits: None }, Vec::new());
        };
        let is_known = declared.kind() == "invoke_api"
            && declared.is_plain()
            && request::is_sendable(declared);
        let wanted = if is_known {
            request::wanted(declared, args, token)
        } else {
            None
        };
        let Some(wanted) = wanted.filter(|wanted| wanted.path.is_some()) else {
            return (self.unforeseen(journal, declared, seen), Vec::new());
        };
        let Some(call) = journal.service(&wanted) else {
            let sent = Value::from(format!(
                "{} {}",
                wanted.method,
                wanted.path.as_deref().unwrap_or_default()
            ));
            let message =
                format!("has no request of the action {action}, which was planned and valid");
            let found = elsewhere(
                "ACT-003",
                Some(seen.step),
                "services",
                "",
                sent,
                absent(),
                message,
            );
            return (Ended::Open { fits: None }, vec![found]);
        };
        let found = flaws(&wanted, call, action, seen);
        let ended = self.reply(journal, declared, call, &wanted, session);
        (ended, found)
    }

    /// Takes whatever an action that is not known did.
    fn unforeseen(&self, journal: &mut Journal<'_>, declared: &Declared, seen: &Seen<'_>) -> Ended {
        if seen.grouped {
            journal.mixed = true;
        } else if !journal.mixed {
            while journal.any_service().is_some() {}
        }
        let body = seen.body();
        let result = body.get("result").unwrap_or(&Value::Null);
        let own = result.get("action_name") == declared.definition.get("name");
        let skipped = result.get("status").is_some();
        let output = result.get("output").unwrap_or(&Value::Null);
        Ended::Open {
            fits: (own && !skipped).then(|| declared.gives(output)),
        }
    }

    fn reply(
        &self,
        journal: &mut Journal<'_>,
        declared: &Declared,
        call: &Call,
        wanted: &Wanted,
        session: &Session,
    ) -> Ended {
        let secrets = self.ground.judge.secrets;
        let timeout = declared
            .definition
            .get("timeout_ms")
            .and_then(Value::as_u64)
            .unwrap_or(TIMEOUT);
        let mut got = self.scripts.got(call, timeout, secrets);
        let mut followed = 0;
        while got == Got::Redirect && wanted.method == "GET" && followed < REDIRECTS {
            if journal.mixed {
                return Ended::Open { fits: None };
            }
            let Some(next) = journal.any_service() else {
                // That it was not followed shows in the result.
                return Ended::Output(Value::from("what the redirect leads to"));
            };
            followed += 1;
            got = self.scripts.got(next, timeout, secrets);
        }
        let output = match got {
            Got::Failure(failure) => return Ended::Failure(failure),
            Got::Redirect if wanted.method == "GET" => {
                return Ended::Failure(Failure::of("redirect_refused", "ACT-020"));
            }
            Got::Redirect => return Ended::Failure(Failure::of("redirect_refused", "ACT-021")),
            Got::Elsewhere if wanted.method == "GET" => {
                return Ended::Failure(Failure::of("redirect_refused", "ACT-019"));
            }
            Got::Elsewhere => return Ended::Failure(Failure::of("redirect_refused", "ACT-021")),
            Got::Unknown => return Ended::Open { fits: None },
            Got::Output(output) => output,
        };
        let built = match declared
            .definition
            .get("response_map")
            .and_then(Value::as_object)
        {
            None => Some(output),
            Some(map) => request::build(map, &output),
        };
        match built {
            Some(output) => settled(declared, output, session),
            None => Ended::Open { fits: None },
        }
    }
}

/// An output validated and merged.
fn settled(declared: &Declared, output: Value, session: &Session) -> Ended {
    if !declared.gives(&output) {
        return Ended::Failure(Failure::of("output_validation_failed", "ACT-022"));
    }
    let name = declared.definition.get("name").cloned().unwrap_or_default();
    let result = json!({"action_name": name, "success": true, "output": output, "error": null});
    let mut after = session.clone();
    if after.count(&result).is_err() {
        let parts = declared
            .definition
            .get("result_path")
            .and_then(Value::as_object);
        let lacks = parts.is_some_and(|parts| {
            let mut sources = parts.values().filter_map(Value::as_str);
            sources.any(|source| output.pointer(source).is_none())
        });
        return Ended::Failure(if lacks {
            Failure::of("output_validation_failed", "OBS-014")
        } else {
            Failure::of("result_path_blocked", "OBS-013")
        });
    }
    match size(&after.observation) {
        size if size > MOST + NEAR => {
            Ended::Failure(Failure::of("observation_too_large", "OBS-015"))
        }
        size if size + NEAR > MOST => Ended::Open { fits: None },
        _ => Ended::Output(output),
    }
}

fn flaws(wanted: &Wanted, call: &Call, action: &str, seen: &Seen<'_>) -> Vec<Surprise> {
    wanted
        .flaws(call)
        .into_iter()
        .map(|flaw| {
            let message = format!("is not as the action {action} and its arguments say");
            elsewhere(
                flaw.requirement,
                Some(seen.step),
                call.service.name(),
                &flaw.pointer,
                flaw.expected,
                flaw.got,
                message,
            )
        })
        .collect()
}
