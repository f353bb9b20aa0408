//! What the ledger keeps of a question: how its call goes on, the decision, and what the outside said after it.
//!
//! The nodes are kept as they left in `resume` and are read again; the action that was asked about is run with the input that is
//! kept, which is never resolved again (`spec/workflows.md` 12.2.1). No row holds a known secret.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::manifest::Manifest;
use crate::runtime::answer::Answer;
use crate::runtime::redact::Redactor;
use crate::runtime::session::entry::{CallKey, Entry, Failure, Who};
use crate::workflow::approvals::{Kept, Question};
use crate::workflow::bound::Bound;
use crate::workflow::run::{Pause, Prepared, Ready, Recollection, Terms};

/// The form of rows that this version writes; it reads no newer one.
pub const FORMAT: u32 = 1;

/// The first row: the question, and how its call goes on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// The form of all rows of the question.
    pub format: u32,
    /// Its id.
    pub id: String,
    /// The subject that asked.
    pub asker: String,
    /// Until when it can be answered.
    pub expires_at: Timestamp,
    kept: [String; 2],
    members: BTreeMap<String, String>,
    terms: KeptTerms,
    /// The nodes, that of the question first, as they left.
    pub resume: Value,
    ready: KeptReady,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fallback: Option<KeptPrepared>,
    replans: u32,
    /// The 202, where a repeat of the call may ask for it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Value>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptTerms {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    intent: Option<String>,
    required_scopes: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    goal: Option<String>,
    replan_max: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prune: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clock: Option<Timestamp>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptReady {
    input: Value,
    defaulted: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum KeptPrepared {
    Ready(KeptReady),
    Skipped(Vec<String>),
    Failed(Failure),
}

/// The second row: the decision, with all that the resumed call begins with. It is there once something may have been executed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// When.
    pub at: Timestamp,
    /// Who decided.
    pub by: Who,
    /// Whether the action may run.
    pub approve: bool,
    /// The input of the node that the call brought; never what is run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_input: Option<Value>,
    /// The id of the run, of which the keys of its calls are made.
    pub run: String,
    /// The id of the question that the run may ask.
    pub next: String,
    /// Whether `open_action` was one node.
    pub single: bool,
    /// The state, without secrets.
    pub state: Map<String, Value>,
    /// The key of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<CallKey>,
}

/// A further row: what came in from outside.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Came {
    /// What was known under a node's key.
    Recalled(Recalled),
    /// Anything else, as in a session.
    Outside(Entry),
}

/// What was known under a node's key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "row", rename_all = "snake_case", deny_unknown_fields)]
pub enum Recalled {
    /// Nothing.
    Unknown {
        /// When.
        at: Timestamp,
        /// Whether the result is to be kept.
        keeps: bool,
    },
    /// A result.
    Known {
        /// When.
        at: Timestamp,
        /// The record.
        record: Value,
    },
    /// A refusal.
    Refused {
        /// When.
        at: Timestamp,
        /// Why.
        error: Failure,
    },
}

impl From<&Ready> for KeptReady {
    fn from(ready: &Ready) -> Self {
        Self {
            input: ready.input.clone(),
            defaulted: ready.defaulted.clone(),
        }
    }
}

impl From<KeptReady> for Ready {
    fn from(kept: KeptReady) -> Self {
        Self {
            input: kept.input,
            defaulted: kept.defaulted,
        }
    }
}

impl Asked {
    /// The row of a question; `repeated` where the call that asks has a key.
    pub fn of(question: &Question, repeated: bool) -> Self {
        let pause = &question.pause;
        let terms = &pause.terms;
        let body = &question.answer.body;
        Self {
            format: FORMAT,
            id: question.id.clone(),
            asker: question.asker.clone(),
            expires_at: question.expires_at,
            kept: [
                question.kept.open_action.clone(),
                question.kept.state.clone(),
            ],
            members: terms.members.clone(),
            terms: KeptTerms {
                intent: terms.intent.clone(),
                required_scopes: terms.required_scopes.clone(),
                goal: terms.goal.clone(),
                replan_max: terms.replan_max,
                prune: terms.prune,
                seed: terms.seed,
                clock: terms.clock,
            },
            resume: body.get("resume").cloned().unwrap_or_default(),
            ready: KeptReady::from(&pause.ready),
            fallback: pause.fallback.as_ref().map(|fallback| match fallback {
                Prepared::Ready(ready) => KeptPrepared::Ready(KeptReady::from(ready)),
                Prepared::Skipped(undefined) => KeptPrepared::Skipped(undefined.clone()),
                Prepared::Failed(error) => KeptPrepared::Failed(Failure::from(error)),
            }),
            replans: pause.replans,
            answer: repeated.then(|| Value::clone(body)),
        }
    }

    /// The row as it is kept: what clients and services wrote holds no known secret.
    pub fn written(mut self, redactor: &Redactor) -> String {
        let clean = |value: &mut Value| *value = redactor.value(value.take());
        clean(&mut self.resume);
        clean(&mut self.ready.input);
        if let Some(KeptPrepared::Ready(ready)) = &mut self.fallback {
            clean(&mut ready.input);
        }
        self.answer.iter_mut().for_each(clean);
        if let Some(goal) = &mut self.terms.goal {
            *goal = redactor.text(goal).into_owned();
        }
        // Every part of a row can be written as JSON, so there is always a text.
        serde_json::to_string(&self).unwrap_or_default()
    }

    /// The intent of the call that asked.
    pub fn intent(&self) -> Option<&str> {
        self.terms.intent.as_deref()
    }

    /// The question again, with its nodes bound anew; `None` where there is no node.
    pub fn question(self, manifest: Arc<Manifest>, bound: Vec<Bound>) -> Option<Question> {
        let mut nodes = bound.into_iter();
        let node = nodes.next()?;
        let [open_action, state] = self.kept;
        let terms = Terms {
            intent: self.terms.intent,
            required_scopes: self.terms.required_scopes,
            goal: self.terms.goal,
            replan_max: self.terms.replan_max,
            prune: self.terms.prune,
            seed: self.terms.seed,
            clock: self.terms.clock,
            members: self.members.clone(),
        };
        Some(Question {
            id: self.id,
            asker: self.asker,
            expires_at: self.expires_at,
            kept: Kept {
                open_action,
                state,
                members: self.members,
            },
            pause: Pause {
                manifest,
                terms,
                node,
                ready: self.ready.into(),
                fallback: self.fallback.map(|fallback| match fallback {
                    KeptPrepared::Ready(ready) => Prepared::Ready(ready.into()),
                    KeptPrepared::Skipped(undefined) => Prepared::Skipped(undefined),
                    KeptPrepared::Failed(failure) => Prepared::Failed(failure.into()),
                }),
                rest: nodes.collect(),
                replans: self.replans,
            },
            answer: Answer::new(202, self.answer.unwrap_or_default()),
        })
    }
}

impl Decision {
    /// The row as it is kept.
    pub fn written(mut self, redactor: &Redactor) -> String {
        self.sent_input = self.sent_input.map(|input| redactor.value(input));
        serde_json::to_string(&self).unwrap_or_default()
    }
}

impl Recalled {
    /// The row of a recollection.
    pub fn of(recollection: &Recollection, at: Timestamp) -> Self {
        match recollection {
            Recollection::Fresh(_) => Recalled::Unknown { at, keeps: true },
            Recollection::Unkept => Recalled::Unknown { at, keeps: false },
            Recollection::Stored(record) => Recalled::Known {
                at,
                record: record.clone(),
            },
            Recollection::Refused(error) => Recalled::Refused {
                at,
                error: Failure::from(error),
            },
        }
    }

    /// The row as it is kept.
    pub fn written(mut self, redactor: &Redactor) -> String {
        if let Recalled::Known { record, .. } = &mut self {
            *record = redactor.value(record.take());
        }
        serde_json::to_string(&self).unwrap_or_default()
    }
}

impl Came {
    /// When it came.
    pub fn at(&self) -> Timestamp {
        match self {
            Came::Recalled(
                Recalled::Unknown { at, .. }
                | Recalled::Known { at, .. }
                | Recalled::Refused { at, .. },
            ) => *at,
            Came::Outside(entry) => entry.at(),
        }
    }
}
