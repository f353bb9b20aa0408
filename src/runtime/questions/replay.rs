//! A resumed call that was under way when its process died, made again of its rows and driven to its end.

use std::sync::Arc;

use jiff::Timestamp;

use super::hands::Turn;
use super::journal::{Journal, Note};
use super::rows::{Asked, Came, Decision, Recalled};
use super::{asked, damaged, kept_id};
use crate::runtime::answer::Answer;
use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::idempotency::Admission;
use crate::runtime::recovery;
use crate::runtime::runtime::Runtime;
use crate::runtime::session::Execution;
use crate::runtime::session::entry::Entry;
use crate::runtime::workflows::{Driven, First};
use crate::store::LedgerError;
use crate::workflow::run::{Decided, Effect, Input, Opening, Recollection, Workflow};

/// A row that does not follow from the rows before it.
fn misfit() -> LedgerError {
    damaged(
        "a row of a question does not follow from those before it: what its call was made with, such as a plugin, is not what it was",
    )
}

impl Runtime {
    /// Ends the call of a decision that another process died in; one without a decision is left as it is.
    pub(super) async fn end_question(&self, turn: Turn<'_>) -> Result<(), ErrorObject> {
        if self.draining() {
            return Err(ErrorObject::new(
                Code::CapacityExceeded,
                "the runtime shuts down; try another",
            ));
        }
        let failed = |error| self.ledger_failed(&error);
        let kept = turn.ledger.load(&kept_id(&turn.id), 0).await;
        let Some(kept) = kept.map_err(failed)? else {
            return Ok(());
        };
        let asked: Asked = asked(&kept.rows).map_err(failed)?;
        let Some((_, decision)) = kept.rows.get(1) else {
            return Ok(());
        };
        let read = |text: &str| serde_json::from_str(text).map_err(damaged);
        let decision: Decision = read(decision).map_err(failed)?;
        let came = kept.rows.iter().skip(2).map(|(_, row)| {
            let row: Came = serde_json::from_str(row).map_err(damaged)?;
            Ok(row)
        });
        let came: Result<Vec<Came>, LedgerError> = came.collect();
        let came = came.map_err(failed)?;
        let asker = asked.asker.clone();
        let question = self.question_of(turn.ledger, asked, &kept.digest).await?;
        let pause = Arc::new(question.pause);
        let load = self.workflows().take_load(pause.weight())?;
        let mut workflow = Workflow::open(Opening {
            id: decision.run,
            approval_id: decision.next,
            caller: decision.by.into(),
            manifest: Arc::clone(&pause.manifest),
            single: decision.single,
            terms: pause.terms.clone(),
            state: decision.state,
        });
        let decided = Decided {
            id: turn.id.clone(),
            approve: decision.approve,
            pause,
            sent_input: decision.sent_input,
        };
        let followed = self.follow(&mut workflow, decided, decision.at, came);
        let waiting = followed.await.map_err(failed)?;
        let first = match waiting {
            Effect::Execute(call) if !recovery::repeatable(&call.action) => {
                First::Input(Input::Executed(Execution::refused(recovery::lost())))
            }
            waiting => First::Effect(waiting),
        };
        let mut driven = Driven {
            repeat: None,
            key: decision.key.clone(),
            claim: None,
            journal: Some(Journal {
                turn,
                note: Note {
                    asker,
                    decided: true,
                },
                last: kept.rows.len() as u64,
                unwritten: Vec::new(),
                key: decision.key,
            }),
            load,
        };
        let answer: Answer = self.drive_workflow(workflow, first, &mut driven).await?;
        self.conclude(driven.journal.as_ref(), None, answer)
            .await
            .map(drop)
    }

    /// Feeds a call with what the outside said then; what it waits for after that.
    async fn follow(
        &self,
        workflow: &mut Workflow,
        decided: Decided,
        at: Timestamp,
        came: Vec<Came>,
    ) -> Result<Effect, LedgerError> {
        let mut came = came.into_iter();
        let mut now = at;
        let mut input = Input::Decided(decided);
        loop {
            let mut waiting = None;
            for effect in workflow.step(&self.around(now), input) {
                match effect {
                    // The ledger has it since then.
                    Effect::Keep(ticket, record) => {
                        ticket.complete(self.parts(), &Answer::ok(record));
                    }
                    Effect::ChargeInVain(..) => {}
                    other => waiting = Some(other),
                }
            }
            input = match waiting.ok_or_else(misfit)? {
                Effect::Rest => {
                    tokio::task::yield_now().await;
                    Input::Rested
                }
                effect => match came.next() {
                    None => return Ok(effect),
                    Some(row) => {
                        now = row.at();
                        self.awaited(effect, row, now).ok_or_else(misfit)?
                    }
                },
            };
        }
    }

    /// The input that a row makes, with what the call asked; `None` where it asked for something else.
    fn awaited(&self, effect: Effect, row: Came, now: Timestamp) -> Option<Input> {
        Some(match (effect, row) {
            (Effect::Recall { scope, fingerprint }, Came::Recalled(recalled)) => {
                Input::Recalled(match recalled {
                    Recalled::Unknown { keeps: true, .. } => {
                        match self.workflows().nodes().admit(scope, fingerprint, now) {
                            Admission::Run(ticket) => Recollection::Fresh(ticket),
                            _ => Recollection::Unkept,
                        }
                    }
                    Recalled::Unknown { .. } => Recollection::Unkept,
                    Recalled::Known { record, .. } => Recollection::Stored(record),
                    Recalled::Refused { error, .. } => Recollection::Refused(error.into()),
                })
            }
            (Effect::Charge(..), Came::Outside(Entry::Charged { wait, .. })) => {
                Input::Charged(wait.map_or(Ok(()), Err))
            }
            (Effect::Execute(_), Came::Outside(entry)) => Input::Executed(entry.execution()?),
            (Effect::Ask(_), Came::Outside(Entry::Replied { reply, .. })) => Input::Replied(reply),
            (Effect::Ask(_), Came::Outside(Entry::NotReplied { failure, .. })) => {
                Input::NotReplied(failure)
            }
            _ => return None,
        })
    }
}
