//! Mutants of section 1 of `spec/sessions.md`: creating a session.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use crate::diagnostic::Violation;
use crate::json;
use crate::manifest::{Action, Manifest};
use crate::mutants::{Mutant, held};
use crate::runtime::answer::Answer;
use crate::runtime::error::ErrorObject;
use crate::runtime::plan::Scope;
use crate::runtime::session::Session;
use crate::runtime::{Parts, Reference};

/// The mutants of the creation.
pub(super) fn mutants() -> Vec<Mutant> {
    vec![
        swap!(
            "create-forgets-session",
            "SES-001",
            "answers with the id of a session that it does not keep",
            fn created_answer(&self, session: &Session) -> Answer {
                let answer = Reference.created_answer(session);
                edited(answer, |body| {
                    body["session_id"] = Value::from(Reference.session_id())
                })
            }
        ),
        swap!(
            "create-demands-max-steps",
            "SES-001",
            "refuses a creation that names no limit",
            fn read_max_steps(&self, given: Option<&Value>) -> Result<u64, Violation> {
                let missing = || Violation::new("/max_steps", "required", "`max_steps` is missing");
                Reference.read_max_steps(Some(given.ok_or_else(missing)?))
            }
        ),
        swap!(
            "created-is-200",
            "SES-002",
            "answers a creation with 200",
            fn created_answer(&self, session: &Session) -> Answer {
                Answer {
                    status: 200,
                    ..Reference.created_answer(session)
                }
            }
        )
        .rewriting(),
        swap!(
            "created-names-its-own-digest",
            "SES-003",
            "answers a creation with the digest of the manifest's name",
            fn created_answer(&self, session: &Session) -> Answer {
                edited(Reference.created_answer(session), |body| {
                    body["manifest"]["digest"] =
                        Value::from(json::digest(&body["manifest"]["name"]));
                })
            }
        )
        .rewriting(),
        swap!(
            "session-ids-are-short",
            "SES-004",
            "makes ids of eight characters",
            fn session_id(&self) -> String {
                Reference.session_id().chars().take(8).collect()
            }
        ),
        Mutant::part(
            "session-ids-are-counted",
            "SES-004",
            "makes ids by counting, filled up with zeros",
            SessionIdsAreCounted(AtomicU64::new(1)),
        ),
        swap!(
            "goal-is-not-looked-at",
            "SES-005",
            "takes any goal, or none",
            fn check_goal(&self, _goal: Option<&Value>) -> Vec<Violation> {
                Vec::new()
            }
        ),
        swap!(
            "max-steps-is-bent",
            "SES-006",
            "bends a limit that is out of range into the range",
            fn read_max_steps(&self, given: Option<&Value>) -> Result<u64, Violation> {
                match given
                    .filter(|given| !given.is_null())
                    .and_then(Value::as_i64)
                {
                    Some(number) => Ok(number.clamp(1, 10_000).unsigned_abs()),
                    None => Reference.read_max_steps(given),
                }
            }
        ),
        swap!(
            "null-limit-is-the-default",
            "SES-006",
            "takes null for an absent limit",
            fn read_max_steps(&self, given: Option<&Value>) -> Result<u64, Violation> {
                Reference.read_max_steps(given.filter(|given| !given.is_null()))
            }
        ),
        swap!(
            "max-steps-up-to-a-hundred",
            "SES-006",
            "refuses a limit of more than 100",
            fn read_max_steps(&self, given: Option<&Value>) -> Result<u64, Violation> {
                match Reference.read_max_steps(given)? {
                    number @ 1..=100 => Ok(number),
                    _ => Err(Violation::new(
                        "/max_steps",
                        "maximum",
                        "`max_steps` is at most 100",
                    )),
                }
            }
        ),
        Mutant::part(
            "default-limit-is-nine",
            "SES-007",
            "allows nine steps where none are named",
            DefaultLimit(9),
        ),
        Mutant::part(
            "default-limit-is-twenty",
            "SES-007",
            "allows twenty steps where none are named",
            DefaultLimit(20),
        ),
        swap!(
            "unknown-intent-is-ignored",
            "SES-008",
            "creates a session for any intent",
            fn check_intent(&self, _manifest: &Manifest, _goal: &Value) -> Result<(), ErrorObject> {
                Ok(())
            }
        ),
        swap!(
            "flags-are-forgotten",
            "SES-009",
            "creates sessions without their flags",
            fn read_flags(&self, _given: Option<&Value>) -> Result<Option<Vec<String>>, Violation> {
                Ok(None)
            }
        ),
        Mutant::part(
            "flags-of-everybody",
            "SES-009",
            "gives a session the flags of all sessions before it",
            FlagsOfEverybody::default(),
        ),
        swap!(
            "flags-match-loosely",
            "SES-009",
            "takes a flag for another one of nearly the same name",
            fn may_use_action(&self, scope: &Scope<'_>, action: &Action) -> bool {
                let similar = |flag: &String| {
                    let wanted = action.feature_flag.as_deref().unwrap_or_default();
                    flag.to_lowercase().starts_with(wanted)
                };
                Reference.may_use_action(scope, action)
                    || scope.intent.is_none() && scope.flags.iter().any(similar)
            }
        ),
        swap!(
            "create-takes-a-step",
            "SES-010",
            "takes the first step as it creates a session",
            fn steps_on_open(&self) -> bool {
                true
            }
        ),
    ]
}

struct SessionIdsAreCounted(AtomicU64);
impl Parts for SessionIdsAreCounted {
    fn session_id(&self) -> String {
        format!("{:032}", self.0.fetch_add(1, Ordering::Relaxed))
    }
}

struct DefaultLimit(u64);
impl Parts for DefaultLimit {
    fn read_max_steps(&self, given: Option<&Value>) -> Result<u64, Violation> {
        given.map_or(Ok(self.0), |given| Reference.read_max_steps(Some(given)))
    }
}

#[derive(Default)]
struct FlagsOfEverybody(Mutex<BTreeSet<String>>);
impl Parts for FlagsOfEverybody {
    fn read_flags(&self, given: Option<&Value>) -> Result<Option<Vec<String>>, Violation> {
        let mut all = held(&self.0);
        all.extend(Reference.read_flags(given)?.into_iter().flatten());
        Ok(Some(all.iter().cloned().collect()))
    }
}

fn edited(answer: Answer, change: impl FnOnce(&mut Value)) -> Answer {
    let mut body = Value::clone(&answer.body);
    change(&mut body);
    Answer {
        body: body.into(),
        ..answer
    }
}
