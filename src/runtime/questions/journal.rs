//! What the ledger is told of a resumed call: the decision and all that led to an effect, before the effect.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::hands::Turn;
use super::kept_id;
use super::rows::{Decision, Recalled};
use crate::runtime::answer::Answer;
use crate::runtime::error::ErrorObject;
use crate::runtime::runtime::Runtime;
use crate::runtime::session::entry::{CallKey, Entry};
use crate::store::ledger::Addition;
use crate::workflow::run::Input;

/// What is left of a question that is over.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Note {
    /// The subject that asked.
    pub(super) asker: String,
    /// Whether it was decided; else its time is over.
    pub(super) decided: bool,
}

/// What the ledger is told of a resumed call while it is under way.
pub(in crate::runtime) struct Journal<'r> {
    pub(super) turn: Turn<'r>,
    pub(super) note: Note,
    /// Number of the last row that the ledger keeps.
    pub(super) last: u64,
    pub(super) unwritten: Vec<String>,
    pub(super) key: Option<CallKey>,
}

impl<'r> Journal<'r> {
    /// The journal of a call that has just been resumed.
    pub(in crate::runtime) fn begin(
        runtime: &Runtime,
        turn: Turn<'r>,
        asker: String,
        decision: Decision,
    ) -> Self {
        let key = decision.key.clone();
        Self {
            turn,
            note: Note {
                asker,
                decided: true,
            },
            last: 1,
            unwritten: vec![decision.written(runtime.redactor())],
            key,
        }
    }

    /// Notes what comes in from outside.
    pub(in crate::runtime) fn note(&mut self, runtime: &Runtime, input: &Input, at: Timestamp) {
        let entry = match input {
            Input::Recalled(recollection) => {
                let row = Recalled::of(recollection, at);
                self.unwritten.push(row.written(runtime.redactor()));
                return;
            }
            Input::Charged(charged) => Entry::Charged {
                at,
                wait: charged.err(),
            },
            Input::Executed(execution) => Entry::executed(at, execution),
            Input::Replied(reply) => Entry::Replied {
                at,
                reply: reply.clone(),
            },
            Input::NotReplied(failure) => Entry::NotReplied {
                at,
                failure: failure.clone(),
            },
            Input::Begin(_) | Input::Decided(_) | Input::NotKept(_) | Input::Rested => return,
        };
        self.unwritten.push(entry.written(runtime.redactor()));
    }

    /// Whether something may have been executed.
    pub(in crate::runtime) fn acts(&self) -> bool {
        self.last > 1
    }

    /// Keeps what led to an effect, before the effect.
    pub(in crate::runtime) async fn intend(
        &mut self,
        runtime: &Runtime,
    ) -> Result<(), ErrorObject> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        let written = self.unwritten.len();
        let addition = Addition {
            rows: std::mem::take(&mut self.unwritten),
            in_flight: true,
            ..self.addition(runtime)
        };
        let added = self.turn.ledger.add(addition).await;
        added.map_err(|error| runtime.ledger_failed(&error))?;
        self.last += written as u64;
        Ok(())
    }

    /// Keeps that the call is over, with its answer, before the answer is given.
    pub(super) async fn end(
        &self,
        runtime: &Runtime,
        answer: Option<&Answer>,
    ) -> Result<(), ErrorObject> {
        let key = self.key.as_ref();
        let addition = Addition {
            answer: answer.and_then(|answer| runtime.answer_to_keep("POST /execute", key, answer)),
            transcript: Some(serde_json::to_string(&self.note).unwrap_or_default()),
            ..self.addition(runtime)
        };
        let added = self.turn.ledger.add(addition).await;
        added.map_err(|error| runtime.ledger_failed(&error))
    }

    fn addition(&self, runtime: &Runtime) -> Addition {
        Addition {
            id: kept_id(&self.turn.id),
            after: self.last,
            rows: Vec::new(),
            at: runtime.now(),
            in_flight: false,
            answer: None,
            transcript: None,
        }
    }
}
