//! What came in from outside, as the rows that a store keeps of a session.
//!
//! The machine is a function of its inputs, so these are all that has to be kept: [`super::replay`] makes the session of them
//! again. A row holds what the outside said, never what the machine made of it, and no known secret.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::transcript::SideEffect;
use super::{Execution, Input, Opening};
use crate::model::{ModelFailure, ModelReply};
use crate::runtime::access::Caller;
use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::redact::Redactor;

/// The form of rows that this version writes; it reads no newer one.
pub const FORMAT: u32 = 1;

/// One row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "row", rename_all = "snake_case", deny_unknown_fields)]
pub enum Entry {
    /// The session was opened; the first row, and only that.
    Opened {
        /// The form of all rows of the session.
        format: u32,
        /// When.
        at: Timestamp,
        /// `{description, intent?}`.
        goal: Value,
        /// The first observation.
        observation: Value,
        /// The most steps.
        max_steps: u64,
        /// The flags; absent when the client gave none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        flags: Option<Vec<String>>,
        /// The seed of sandboxed code.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seed: Option<u64>,
        /// Who opened it.
        caller: Who,
        /// Whether a person could be asked.
        human: bool,
        /// The most bytes of its record.
        heaviest_record: usize,
    },
    /// A step call.
    Called {
        /// When.
        at: Timestamp,
        /// Who called.
        caller: Who,
        /// The key of the call.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<CallKey>,
    },
    /// The model replied.
    Replied {
        /// When.
        at: Timestamp,
        /// What.
        reply: ModelReply,
    },
    /// The model did not reply.
    NotReplied {
        /// When.
        at: Timestamp,
        /// Why.
        failure: ModelFailure,
    },
    /// A rate was charged, or was used up.
    Charged {
        /// When.
        at: Timestamp,
        /// The seconds to wait where it was used up.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wait: Option<u64>,
    },
    /// An execution ended.
    Executed {
        /// When.
        at: Timestamp,
        /// The output as the service sent it, where there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output: Option<Output>,
        /// Why there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Failure>,
        /// What happened outside.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        side_effects: Vec<SideEffect>,
        /// What code wrote.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        logs: Option<String>,
    },
    /// A person answered.
    Answered {
        /// When.
        at: Timestamp,
        /// Who.
        caller: Who,
        /// The key of the call.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<CallKey>,
        /// The question, as the client wrote its id.
        id: String,
        /// The body.
        body: Value,
    },
    /// Nothing was called for too long.
    LeftAlone {
        /// When that was noticed.
        at: Timestamp,
    },
}

/// An output that may be null, which would otherwise look like none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// The value.
    pub value: Value,
}

/// Who called, with the scopes of that call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Who {
    /// The subject.
    pub subject: String,
    /// What it may do.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub scopes: BTreeSet<String>,
    /// Whether a token said so.
    pub authenticated: bool,
}

/// The idempotency key of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallKey {
    /// Digest of its scope.
    pub scope: String,
    /// Digest of the request.
    pub fingerprint: String,
}

/// An error object with all that decides what comes of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// The code's name.
    pub code: String,
    /// For people.
    pub message: String,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// Facts.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub details: Map<String, Value>,
}

impl From<&Caller> for Who {
    fn from(caller: &Caller) -> Self {
        Self {
            subject: caller.subject.clone(),
            scopes: BTreeSet::clone(&caller.scopes),
            authenticated: caller.authenticated,
        }
    }
}

impl From<Who> for Caller {
    fn from(who: Who) -> Self {
        Self {
            subject: who.subject,
            scopes: Arc::new(who.scopes),
            authenticated: who.authenticated,
        }
    }
}

impl From<&ErrorObject> for Failure {
    fn from(error: &ErrorObject) -> Self {
        Self {
            code: error.code.name().to_owned(),
            message: error.message.clone(),
            retryable: error.retryable,
            details: error.details.clone(),
        }
    }
}

impl From<Failure> for ErrorObject {
    fn from(failure: Failure) -> Self {
        // A later version may have codes that this one has not: what it says is kept, as a defect.
        let code = Code::named(&failure.code).unwrap_or(Code::InternalError);
        let mut error = ErrorObject::new(code, failure.message).retryable(failure.retryable);
        error.details = failure.details;
        error
    }
}

impl Entry {
    /// The first row of a session.
    pub fn opened(at: Timestamp, opening: &Opening) -> Self {
        Entry::Opened {
            format: FORMAT,
            at,
            goal: opening.goal.clone(),
            observation: opening.observation.clone(),
            max_steps: opening.max_steps,
            flags: opening.flags.clone(),
            seed: opening.seed,
            caller: Who::from(&opening.caller),
            human: opening.human,
            heaviest_record: opening.heaviest_record,
        }
    }

    /// The row of an input; a close has none, since the transcript takes the place of all rows.
    pub fn of(input: &Input, at: Timestamp, key: Option<&CallKey>) -> Option<Self> {
        Some(match input {
            Input::Step(caller) => Entry::Called {
                at,
                caller: Who::from(caller),
                key: key.cloned(),
            },
            Input::Replied(_, reply) => Entry::Replied {
                at,
                reply: reply.clone(),
            },
            Input::NotReplied(_, failure) => Entry::NotReplied {
                at,
                failure: failure.clone(),
            },
            Input::Charged(_, charged) => Entry::Charged {
                at,
                wait: charged.err(),
            },
            Input::Executed(_, execution) => Self::executed(at, execution),
            Input::Answered { caller, id, body } => Entry::Answered {
                at,
                caller: Who::from(caller),
                key: key.cloned(),
                id: id.clone(),
                body: body.clone(),
            },
            Input::LeftAlone => Entry::LeftAlone { at },
            Input::Close => return None,
        })
    }

    /// The row as it is kept, without the secrets that are known.
    ///
    /// What the machine decides by stays as it is; what strangers wrote is searched, as the machine searches it too.
    pub fn written(mut self, redactor: &Redactor) -> String {
        let clean = |value: &mut Value| *value = redactor.value(value.take());
        let clean_text = |text: &mut String| {
            if let Cow::Owned(cleaned) = redactor.text(text) {
                *text = cleaned;
            }
        };
        match &mut self {
            Entry::Opened {
                goal, observation, ..
            } => {
                clean(goal);
                clean(observation);
            }
            Entry::Replied { reply, .. } => clean_text(&mut reply.text),
            Entry::NotReplied { failure, .. } => clean_text(&mut failure.message),
            Entry::Executed {
                output,
                error,
                side_effects,
                logs,
                ..
            } => {
                output
                    .iter_mut()
                    .for_each(|output| clean(&mut output.value));
                if let Some(failure) = error {
                    clean_text(&mut failure.message);
                    let details = Value::Object(std::mem::take(&mut failure.details));
                    if let Value::Object(details) = redactor.value(details) {
                        failure.details = details;
                    }
                }
                for effect in side_effects {
                    clean_text(&mut effect.target);
                }
                logs.iter_mut().for_each(clean_text);
            }
            Entry::Answered { body, .. } => clean(body),
            Entry::Called { .. } | Entry::Charged { .. } | Entry::LeftAlone { .. } => {}
        }
        // Every part of a row can be written as JSON, so there is always a text.
        serde_json::to_string(&self).unwrap_or_default()
    }

    /// The row of an execution.
    pub fn executed(at: Timestamp, execution: &Execution) -> Self {
        let (output, error) = match &execution.outcome {
            Ok(value) => (
                Some(Output {
                    value: value.clone(),
                }),
                None,
            ),
            Err(error) => (None, Some(Failure::from(error))),
        };
        Entry::Executed {
            at,
            output,
            error,
            side_effects: execution.side_effects.clone(),
            logs: execution.logs.clone(),
        }
    }

    /// The execution of a row that is one's, and whole.
    pub fn execution(self) -> Option<Execution> {
        let Entry::Executed {
            output,
            error,
            side_effects,
            logs,
            ..
        } = self
        else {
            return None;
        };
        let outcome = match (output, error) {
            (Some(output), None) => Ok(output.value),
            (None, Some(failure)) => Err(failure.into()),
            _ => return None,
        };
        Some(Execution {
            outcome,
            side_effects,
            logs,
        })
    }

    /// When it came.
    pub fn at(&self) -> Timestamp {
        match self {
            Entry::Opened { at, .. }
            | Entry::Called { at, .. }
            | Entry::Replied { at, .. }
            | Entry::NotReplied { at, .. }
            | Entry::Charged { at, .. }
            | Entry::Executed { at, .. }
            | Entry::Answered { at, .. }
            | Entry::LeftAlone { at } => *at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_row_is_read_as_it_was_written() {
        let at = Timestamp::UNIX_EPOCH;
        let error = ErrorObject::new(Code::UpstreamStatus, "refused").with("status", 500);
        let effect = SideEffect {
            step_number: Some(3),
            kind: "http",
            method: "POST".to_owned(),
            target: "https://a.example/x".to_owned(),
            status: json!(500),
            at: "2026-01-01T00:00:00Z".to_owned(),
        };
        for outcome in [Ok(json!(null)), Ok(json!({"a": 1.0})), Err(error)] {
            let execution = Execution {
                outcome,
                side_effects: vec![effect.clone()],
                logs: Some("l".to_owned()),
            };
            let entry = Entry::executed(at, &execution);
            let text = serde_json::to_string(&entry).expect("rows are JSON");
            assert_eq!(
                serde_json::from_str::<Entry>(&text).expect("a row is read"),
                entry
            );
            let back = entry.execution().expect("an execution");
            assert_eq!(back.outcome, execution.outcome);
        }
    }

    #[test]
    fn rows_of_another_form_are_refused() {
        for text in [
            r#"{"row":"teleported","at":"1970-01-01T00:00:00Z"}"#,
            r#"{"row":"left_alone"}"#,
            r#"{"row":"left_alone","at":"1970-01-01T00:00:00Z","more":1}"#,
            "[]",
        ] {
            assert!(serde_json::from_str::<Entry>(text).is_err(), "{text}");
        }
    }
}
