//! Between sessions in memory and the ledger that keeps them (`spec/sessions.md` section 5).
//!
//! The order of things is the promise: what a step is about to do is kept before it does it, and what came of it is kept before
//! anybody is told. Whatever the ledger does not take is given up in memory too, so that memory is never ahead of it.

mod alone;
mod manifests;
mod sessions;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::answer::Answer;
use super::error::{Code, ErrorObject};
use super::runtime::Runtime;
use super::session::entry::{CallKey, Entry};
use super::session::{self, Input};
use crate::store::ledger::{Addition, Beginning, KeptAnswer};
use crate::store::{Closed, LedgerError, Slot, Told};

pub(super) use sessions::{Claimed, is_session_id};

/// How long a client waits where the store cannot be used: as long at most as a store waits before it is tried again.
pub(super) const RETRY_AFTER_SECONDS: u64 = 1;

/// The answer where the ledger does not do its part.
pub(super) fn refused(error: &LedgerError) -> ErrorObject {
    match error {
        LedgerError::Unavailable(_) => ErrorObject::new(
            Code::CapacityExceeded,
            "the store cannot be used at the moment, so nothing was promised; send the call again",
        )
        .with("retry_after", RETRY_AFTER_SECONDS),
        LedgerError::Conflict => ErrorObject::new(
            Code::Conflict,
            "another replica has the session; send the call again",
        ),
        LedgerError::Damaged(_) => ErrorObject::new(
            Code::InternalError,
            "what was kept of this cannot be used; the operator finds the reason in the log",
        ),
    }
}

pub(super) fn damaged(reason: impl ToString) -> LedgerError {
    LedgerError::Damaged(reason.to_string())
}

/// The key of a call, as the ledger knows it: scopes hold names of subjects and keys of clients, so only their digest is kept.
pub(super) fn call_key(scope: &str, fingerprint: String) -> CallKey {
    CallKey {
        scope: session::transcript::text_digest(scope),
        fingerprint,
    }
}

impl Runtime {
    /// The refusal, noted for the operator: the client learns no reason.
    pub(super) fn ledger_failed(&self, error: &LedgerError) -> ErrorObject {
        if !matches!(error, LedgerError::Conflict) {
            self.complain(error);
        }
        refused(error)
    }

    /// The row of an input, where there is a ledger and the input is one that it keeps.
    pub(super) fn row(
        &self,
        input: &Input,
        now: Timestamp,
        key: Option<&CallKey>,
    ) -> Option<String> {
        self.ledger()?;
        let entry = Entry::of(input, now, key)?;
        Some(entry.written(self.redactor()))
    }

    /// Keeps a new session with the answer to its opening; gives another answer where the key had one already.
    pub(super) async fn keep_beginning(
        &self,
        slot: &Slot,
        row: Entry,
        at: Timestamp,
        key: Option<&CallKey>,
        answer: &Answer,
    ) -> Result<Option<Answer>, ErrorObject> {
        let Some(ledger) = self.ledger() else {
            return Ok(None);
        };
        let manifest = Arc::clone(slot.session().manifest());
        let beginning = Beginning {
            id: slot.id().to_owned(),
            owner: slot.owner().to_string(),
            at,
            digest: manifest.digest.clone(),
            document: manifest.document.to_string(),
            row: row.written(self.redactor()),
            answer: self.answer_to_keep("POST /sessions", key, answer),
        };
        match ledger.begin(beginning).await {
            Ok(()) => {
                slot.trail().last = 1;
                Ok(None)
            }
            Err(LedgerError::Conflict) if key.is_some() => {
                let first = self.kept_answer(key).await?;
                first
                    .map(Some)
                    .ok_or_else(|| refused(&LedgerError::Conflict))
            }
            Err(error) => Err(self.ledger_failed(&error)),
        }
    }

    /// An answer as it is kept under its key, if it is final.
    pub(super) fn answer_to_keep(
        &self,
        route: &'static str,
        key: Option<&CallKey>,
        answer: &Answer,
    ) -> Option<KeptAnswer> {
        let key = key?;
        self.ledger()?;
        let answer = self.finish(route, answer.clone());
        if !self.parts().storable(&answer) {
            return None;
        }
        Some(KeptAnswer {
            scope: key.scope.clone(),
            fingerprint: key.fingerprint.clone(),
            at: self.now(),
            text: json!({"status": answer.status, "body": *answer.body}).to_string(),
        })
    }

    /// Keeps the answer to a call that belongs to no session, before it is given.
    pub(super) async fn keep_answer(
        &self,
        route: &'static str,
        key: Option<&CallKey>,
        answer: &Answer,
    ) -> Result<(), ErrorObject> {
        let (Some(ledger), Some(kept)) = (self.ledger(), self.answer_to_keep(route, key, answer))
        else {
            return Ok(());
        };
        match ledger.keep_answer(kept).await {
            // Another replica ran it too, which was taken for dead; the first answer stays.
            Ok(()) | Err(LedgerError::Conflict) => Ok(()),
            Err(error) => Err(self.ledger_failed(&error)),
        }
    }

    /// The answer that the ledger keeps under this key.
    ///
    /// # Errors
    /// `idempotency_conflict` where it was given to another request.
    pub(super) async fn kept_answer(
        &self,
        key: Option<&CallKey>,
    ) -> Result<Option<Answer>, ErrorObject> {
        let (Some(ledger), Some(key)) = (self.ledger(), key) else {
            return Ok(None);
        };
        let kept = ledger.answer(&key.scope).await;
        let kept = kept.map_err(|error| self.ledger_failed(&error))?;
        let day = SignedDuration::from_hours(24);
        let Some(kept) = kept.filter(|kept| self.now().duration_since(kept.at) < day) else {
            return Ok(None);
        };
        if kept.fingerprint != key.fingerprint {
            return self.parts().idempotency_conflict().map_or(Ok(None), Err);
        }
        let read: Option<Answer> =
            serde_json::from_str::<Value>(&kept.text)
                .ok()
                .and_then(|mut kept| {
                    let status = u16::try_from(kept.get("status")?.as_u64()?).ok()?;
                    Some(Answer::new(status, kept.get_mut("body")?.take()))
                });
        let read = read.ok_or_else(|| damaged("an answer is not of the form that is written"));
        read.map(Some).map_err(|error| self.ledger_failed(&error))
    }

    /// What came of a call; but where it was refused, and another replica has kept an answer under its key since the key was looked
    /// up, that answer: the call may have been refused for what it did itself over there, such as closing its session.
    ///
    /// # Errors
    /// Those of the call, and those of [`Runtime::kept_answer`].
    pub(super) async fn unless_answered(
        &self,
        key: Option<&CallKey>,
        outcome: Result<Answer, ErrorObject>,
    ) -> Result<Answer, ErrorObject> {
        let refused = outcome.as_ref().map_or(true, |answer| answer.status >= 400);
        if !refused || !self.ledger().is_some_and(|ledger| ledger.shared()) {
            return outcome;
        }
        self.kept_answer(key).await?.map_or(outcome, Ok)
    }

    /// Keeps what led to an effect, before the effect.
    pub(super) async fn keep_intent(&self, slot: &Slot) -> Result<(), ErrorObject> {
        self.keep(slot, true, None, None).await
    }

    /// Keeps what a call led to, before its answer is given; the transcript too, where the call closed the session.
    pub(super) async fn keep_answered(
        &self,
        slot: &Slot,
        key: Option<&CallKey>,
        answer: &Answer,
        transcript: Option<Arc<Value>>,
    ) -> Result<(), ErrorObject> {
        if self.ledger().is_some() {
            {
                // A call that was refused outright changed nothing, and is not worth a row.
                let mut trail = slot.trail();
                if answer.status >= 400 && trail.unwritten.len() == 1 {
                    trail.unwritten.clear();
                }
            }
            let kept = self.answer_to_keep("", key, answer);
            let text = transcript.as_ref().map(ToString::to_string);
            self.keep(slot, false, kept, text).await?;
        }
        if let Some(transcript) = transcript {
            self.archive(slot, transcript);
        }
        Ok(())
    }

    async fn keep(
        &self,
        slot: &Slot,
        in_flight: bool,
        answer: Option<KeptAnswer>,
        transcript: Option<String>,
    ) -> Result<(), ErrorObject> {
        let Some(ledger) = self.ledger() else {
            return Ok(());
        };
        // Whoever calls this has the turn, so the session is what these rows make of it.
        let told = Told::all(&slot.session());
        let (after, rows) = {
            let trail = slot.trail();
            (trail.last, trail.unwritten.clone())
        };
        if rows.is_empty() && answer.is_none() && transcript.is_none() {
            return Ok(());
        }
        let written = rows.len();
        let addition = Addition {
            id: slot.id().to_owned(),
            after,
            rows,
            at: self.now(),
            in_flight,
            answer,
            transcript,
        };
        match ledger.add(addition).await {
            Ok(()) => {
                let mut trail = slot.trail();
                trail.last += written as u64;
                trail.unwritten.drain(..written);
                drop(trail);
                slot.note_kept(told);
                slot.announce();
                Ok(())
            }
            Err(error) => {
                self.surrender(slot);
                Err(self.ledger_failed(&error))
            }
        }
    }

    /// Gives a session in memory up, which may be ahead of the ledger: whoever calls next reads it anew.
    pub(super) fn surrender(&self, slot: &Slot) {
        slot.give_up();
        self.store().forget(slot);
        slot.announce();
    }

    /// The transcript that the ledger keeps of a closed session.
    pub(super) async fn archived(&self, id: &str) -> Result<Option<Closed>, ErrorObject> {
        let Some(ledger) = self.ledger() else {
            return Ok(None);
        };
        let archived = ledger.archived(id).await;
        let archived = archived.map_err(|error| self.ledger_failed(&error))?;
        let Some(archived) = archived else {
            return Ok(None);
        };
        match serde_json::from_str(&archived.transcript) {
            Ok(transcript) => Ok(Some(Closed {
                owner: archived.owner.into(),
                transcript: Arc::new(transcript),
            })),
            Err(error) => Err(self.ledger_failed(&damaged(error))),
        }
    }
}
