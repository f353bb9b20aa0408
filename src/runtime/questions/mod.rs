//! Questions of workflows that outlive the process (`spec/workflows.md` section 12, `spec/sessions.md` section 5).
//!
//! A question is kept as a session of the ledger's is: its rows are [how its call goes on](rows::Asked), the decision, and what
//! the outside said after it. The decision is kept before anything is executed for it, and with what came before each further
//! execution, so that a call that was under way when its process died goes on where it was, and no step that was done is done
//! again. When the call is over, a note takes the place of the rows, by which a second decision is known.

mod hands;
mod journal;
mod replay;
mod rows;

use super::access::Caller;
use super::answer::Answer;
use super::error::ErrorObject;
use super::keeping::{damaged, is_session_id};
use super::runtime::Runtime;
use super::session::entry::CallKey;
use super::session::transcript::text_digest;
use crate::store::ledger::{Beginning, KeptAnswer};
use crate::store::{Ledger, LedgerError};
use crate::workflow::approvals::{self, Claim, Question, REMEMBERED, RepeatKey, Standing};
use crate::workflow::check;
use crate::workflow::request;
use hands::{Turn, Why};
use journal::Note;
use rows::{Asked, FORMAT};

pub(super) use hands::Hands;
pub(super) use journal::Journal;
pub(super) use rows::Decision;

/// What the ledger's ids of questions begin with; no session's id has such a mark.
const MARK: &str = "question:";

/// The owner in the ledger: no subject has this name, so that nobody finds a question among the own sessions.
const NOBODY: &str = "";

/// The question of this id in the ledger, if it is one's.
pub(super) fn marked(id: &str) -> Option<&str> {
    id.strip_prefix(MARK)
}

fn kept_id(id: &str) -> String {
    format!("{MARK}{id}")
}

/// Under what the question of a call is found again by the call's key.
fn scope_of(key: &CallKey) -> String {
    text_digest(&format!("{MARK}{}", key.scope))
}

/// What a decision finds.
pub(super) enum Reached<'r> {
    /// Nothing outlives the process: memory has all there is.
    Memory,
    /// A question without a decision, and nobody else goes on with it.
    Open(Turn<'r>),
    /// Somebody here goes on with it.
    Busy,
    /// It was decided, and its call is over.
    Over,
}

impl Runtime {
    /// Keeps a question; gives the answer of the call that asked, which is an earlier one's where the call is a repetition.
    ///
    /// # Errors
    /// `capacity_exceeded` where there is no room, or the ledger could not keep it.
    pub(super) async fn hold_question(
        &self,
        question: Question,
        repeat: Option<&RepeatKey>,
        key: Option<&CallKey>,
    ) -> Result<Answer, ErrorObject> {
        let approvals = self.workflows().approvals();
        let (id, answer) = (question.id.clone(), question.answer.clone());
        let beginning = self.ledger().map(|_| Beginning {
            id: kept_id(&id),
            owner: NOBODY.to_owned(),
            // It is left alone from the moment on in which nobody can ask about it any more.
            at: question
                .expires_at
                .checked_add(REMEMBERED)
                .unwrap_or(question.expires_at),
            digest: question.pause.manifest.digest.clone(),
            document: question.pause.manifest.document.to_string(),
            row: Asked::of(&question, key.is_some()).written(self.redactor()),
            answer: key.map(|key| KeptAnswer {
                scope: scope_of(key),
                fingerprint: key.fingerprint.clone(),
                at: self.now(),
                text: id.clone(),
            }),
        });
        approvals.hold(question, repeat.cloned(), self.now())?;
        let (Some(ledger), Some(beginning)) = (self.ledger(), beginning) else {
            return Ok(answer);
        };
        let begun = match ledger.begin(beginning.clone()).await {
            Err(LedgerError::Conflict) => self.begin_anyway(&**ledger, beginning, key).await,
            begun => begun
                .map(|()| None)
                .map_err(|error| self.ledger_failed(&error)),
        };
        match begun {
            Ok(None) => Ok(answer),
            Ok(Some(first)) => {
                approvals.let_go(&id);
                Ok(first)
            }
            Err(error) => {
                approvals.let_go(&id);
                Err(error)
            }
        }
    }

    /// Keeps a question where something is in the way: the same question, that of another call with the key, whose answer is
    /// given back, or what is left of one that has expired.
    async fn begin_anyway(
        &self,
        ledger: &dyn Ledger,
        beginning: Beginning,
        key: Option<&CallKey>,
    ) -> Result<Option<Answer>, ErrorObject> {
        let known = ledger.load(&beginning.id, 0).await;
        if known.map_err(|error| self.ledger_failed(&error))?.is_some() {
            return Ok(None);
        }
        if let Some(key) = key
            && let Some((Standing::Open, first)) = self.asked_before(key).await?
        {
            return Ok(Some(first));
        }
        let alone = Beginning {
            answer: None,
            ..beginning
        };
        let begun = ledger.begin(alone).await;
        begun
            .map(|()| None)
            .map_err(|error| self.ledger_failed(&error))
    }

    /// The question that a call with this key asked before, by the ledger.
    ///
    /// # Errors
    /// `idempotency_conflict` where the call was another one.
    pub(super) async fn asked_before(
        &self,
        key: &CallKey,
    ) -> Result<Option<(Standing, Answer)>, ErrorObject> {
        let Some(ledger) = self.ledger() else {
            return Ok(None);
        };
        let failed = |error| self.ledger_failed(&error);
        let known = ledger.answer(&scope_of(key)).await.map_err(failed)?;
        let lifetime = self.parts().workflow().approval_lifetime();
        let fresh = |kept: &KeptAnswer| self.now().duration_since(kept.at) < lifetime;
        let Some(known) = known.filter(fresh) else {
            return Ok(None);
        };
        if known.fingerprint != key.fingerprint {
            return self.parts().idempotency_conflict().map_or(Ok(None), Err);
        }
        let id = kept_id(&known.text);
        let Some(kept) = ledger.load(&id, 0).await.map_err(failed)? else {
            return Ok(Some((Standing::Used, Answer::new(202, "".into()))));
        };
        let decided = kept.rows.len() > 1;
        let asked = asked(&kept.rows).map_err(failed)?;
        let expired = self
            .parts()
            .workflow()
            .is_expired(asked.expires_at, self.now());
        let answer = Answer::new(202, asked.answer.unwrap_or_default());
        Ok(match (decided, expired) {
            (true, _) => Some((Standing::Used, answer)),
            (false, true) => None,
            (false, false) => Some((Standing::Open, answer)),
        })
    }

    /// Finds the question of a decision, in memory or in the ledger, and sees to it that nobody else goes on with it. What was
    /// under way for it when a process died is ended.
    ///
    /// # Errors
    /// `approval_not_found`, `approval_used`, `approval_expired`, and those of the ledger.
    pub(super) async fn reach_question(
        &self,
        id: &str,
        caller: &Caller,
    ) -> Result<Reached<'_>, ErrorObject> {
        let Some(ledger) = self.ledger() else {
            return Ok(Reached::Memory);
        };
        let ledger = &**ledger;
        let rules = self.parts().workflow();
        match self.workflows().approvals().may_decide(rules, id, caller) {
            Some(true) => {}
            Some(false) => return Err(approvals::not_found()),
            None => self.load_question(ledger, id, caller).await?,
        }
        let Some(turn) = self.question_turn(ledger, id, Why::Decision).await? else {
            return Ok(Reached::Busy);
        };
        let newer = ledger.load(&kept_id(id), 1).await;
        match newer.map_err(|error| self.ledger_failed(&error))? {
            Some(kept) if kept.rows.is_empty() => Ok(Reached::Open(turn)),
            Some(_) => {
                self.end_question(turn).await?;
                Ok(Reached::Over)
            }
            None => {
                self.workflows().approvals().let_go(id);
                Ok(Reached::Over)
            }
        }
    }

    /// Takes a question into memory, for who may decide it.
    async fn load_question(
        &self,
        ledger: &dyn Ledger,
        id: &str,
        caller: &Caller,
    ) -> Result<(), ErrorObject> {
        // No stranger's id needs to reach the ledger: no question has one of another form.
        if !is_session_id(id) {
            return Err(approvals::not_found());
        }
        let failed = |error| self.ledger_failed(&error);
        let rules = self.parts().workflow();
        if let Some(kept) = ledger.load(&kept_id(id), 0).await.map_err(failed)? {
            let asked = asked(&kept.rows).map_err(failed)?;
            if !rules.may_decide(&asked.asker, caller) {
                return Err(approvals::not_found());
            }
            let question = self.question_of(ledger, asked, &kept.digest).await?;
            return self.workflows().approvals().adopt(question, self.now());
        }
        let over = ledger.archived(&kept_id(id)).await.map_err(failed)?;
        let note: Option<Note> = over.and_then(|over| serde_json::from_str(&over.transcript).ok());
        match note {
            Some(note) if rules.may_decide(&note.asker, caller) => {
                rules.admit_decision(if note.decided {
                    Standing::Used
                } else {
                    Standing::Expired
                })?;
                Err(approvals::not_found())
            }
            _ => Err(approvals::not_found()),
        }
    }

    /// The question of a row, with its nodes bound to what this runtime has.
    async fn question_of(
        &self,
        ledger: &dyn Ledger,
        asked: Asked,
        digest: &str,
    ) -> Result<Question, ErrorObject> {
        let rules = self.parts().workflow();
        let manifest = self.manifest_of(ledger, digest).await;
        let manifest = manifest.map_err(|error| self.ledger_failed(&error))?;
        let nodes = request::read_nodes(rules, &asked.resume, self.profiles())?;
        let intent = asked.intent().map(str::to_owned);
        let plugins = &**self.plugins();
        let bound = check::bind(rules, nodes, &manifest, intent.as_deref(), plugins)?;
        let question = asked.question(manifest, bound);
        question.ok_or_else(|| self.ledger_failed(&damaged("a question has no node")))
    }

    /// The answer of a resumed call, once the ledger keeps that the call is over; a refusal before anything was executed leaves
    /// the question open.
    ///
    /// # Errors
    /// Those of the ledger, which has the question as it was when something was last executed.
    pub(super) async fn conclude(
        &self,
        journal: Option<&Journal<'_>>,
        claim: Option<&Claim>,
        answer: Answer,
    ) -> Result<Answer, ErrorObject> {
        let acts = journal.is_some_and(Journal::acts);
        if acts || !self.parts().workflow().reopens(answer.status) {
            if let Some(journal) = journal {
                journal.end(self, Some(&answer)).await?;
            }
            if let Some(claim) = claim {
                claim.use_up();
            }
        }
        Ok(answer)
    }

    /// Ends the call of a decision that was under way when a process died.
    pub(super) async fn take_up_question(&self, id: &str) {
        let Some(ledger) = self.ledger() else {
            return;
        };
        // Whoever has the turn is the one under way; whoever decides next learns what is wrong.
        if let Ok(Some(turn)) = self.question_turn(&**ledger, id, Why::House).await {
            let _ = self.end_question(turn).await;
        }
    }

    /// Lets go of a question that nobody can ask about any more.
    pub(super) async fn forget_question(&self, id: &str) {
        let Some(ledger) = self.ledger() else {
            return;
        };
        let Ok(Some(turn)) = self.question_turn(&**ledger, id, Why::House).await else {
            return;
        };
        let Ok(Some(kept)) = ledger.load(&kept_id(id), 0).await else {
            return;
        };
        let Ok(asked) = asked(&kept.rows) else {
            return;
        };
        let over = asked.expires_at.checked_add(REMEMBERED);
        if kept.rows.len() == 1 && over.is_ok_and(|over| over < self.now()) {
            let journal = Journal {
                turn,
                note: Note {
                    asker: asked.asker,
                    decided: false,
                },
                last: 1,
                unwritten: Vec::new(),
                key: None,
            };
            // One that stays is found again.
            let _ = journal.end(self, None).await;
        }
    }
}

/// The first row of a question.
fn asked(rows: &[(u64, String)]) -> Result<Asked, LedgerError> {
    let (_, first) = rows
        .first()
        .ok_or_else(|| damaged("a question has no rows"))?;
    let asked: Asked = serde_json::from_str(first).map_err(damaged)?;
    if asked.format > FORMAT {
        return Err(damaged(format!(
            "a question is of form {}, and this version reads up to {FORMAT}; use a newer version",
            asked.format
        )));
    }
    Ok(asked)
}
