//! What nodes of workflows with a key gave before (`spec/workflows.md` section 14): in memory, and in the ledger where there is
//! one.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::Value;
use tokio::time::timeout;

use super::answer::Answer;
use super::error::{Code, ErrorObject};
use super::idempotency::{Admission, Ticket};
use super::runtime::Runtime;
use super::session::transcript::text_digest;
use crate::store::LedgerError;
use crate::store::ledger::KeptAnswer;
use crate::workflow::run::Recollection;

/// How long a node waits for one with the same key in another call, which may wait for a node in turn.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

impl Runtime {
    /// What is known under a node's key; waits for one that is running in another call, here or at another replica.
    ///
    /// # Errors
    /// Those of the ledger.
    pub(super) async fn recall_node(
        &self,
        scope: String,
        fingerprint: String,
    ) -> Result<Recollection, ErrorObject> {
        let recalled = self.recall_node_here(scope, fingerprint).await;
        let Recollection::Fresh(ticket) = recalled else {
            return Ok(recalled);
        };
        let recalled = self.recall_kept_node(ticket).await?;
        let Recollection::Fresh(mut ticket) = recalled else {
            return Ok(recalled);
        };
        let (scope, fingerprint) = ticket.place();
        let Some(hold) = self.hold_node(scope, fingerprint).await? else {
            return Ok(Recollection::Fresh(ticket));
        };
        ticket.keep_hold(hold);
        // Another replica may have executed it meanwhile.
        self.recall_kept_node(ticket).await
    }

    /// What the ledger knows of the node that a ticket is for; the ticket, where that is nothing.
    async fn recall_kept_node(&self, ticket: Ticket) -> Result<Recollection, ErrorObject> {
        let (scope, fingerprint) = ticket.place();
        let Some(kept) = self.kept_node(scope).await? else {
            return Ok(Recollection::Fresh(ticket));
        };
        if kept.fingerprint != fingerprint {
            let conflict = self.parts().workflow().node_conflict();
            return Ok(conflict.map_or(Recollection::Unkept, Recollection::Refused));
        }
        match serde_json::from_str::<Value>(&kept.text) {
            Ok(record) if self.parts().workflow().recalls() => {
                ticket.complete(self.parts(), &Answer::ok(record.clone()));
                Ok(Recollection::Stored(record))
            }
            _ => Ok(Recollection::Unkept),
        }
    }

    /// The same, as far as this process knows.
    async fn recall_node_here(&self, scope: String, fingerprint: String) -> Recollection {
        let rules = self.parts().workflow();
        let look = async {
            loop {
                let nodes = self.workflows().nodes();
                let mut running = match nodes.admit(scope.clone(), fingerprint.clone(), self.now())
                {
                    Admission::Run(ticket) => return Recollection::Fresh(ticket),
                    Admission::Repeat(answer) if rules.recalls() => {
                        return Recollection::Stored(Value::clone(&answer.body));
                    }
                    Admission::Wait(running) if rules.nodes_wait() => running,
                    Admission::Repeat(_) | Admission::Wait(_) => return Recollection::Unkept,
                    Admission::Conflict => {
                        let conflict = rules.node_conflict();
                        return conflict.map_or(Recollection::Unkept, Recollection::Refused);
                    }
                };
                let answer = running.wait_for(Option::is_some).await;
                let answer = answer.ok().and_then(|answer| answer.clone());
                // Without an answer the other one failed, and it is this one's turn.
                if let Some(answer) = answer {
                    return Recollection::Stored(Value::clone(&answer.body));
                }
            }
        };
        timeout(LONGEST_WAIT, look).await.unwrap_or_else(|_| {
            Recollection::Refused(ErrorObject::new(
                Code::Conflict,
                "a node with the same requestId is still running; send it again later",
            ))
        })
    }

    /// The record that the ledger keeps under a node's key.
    ///
    /// # Errors
    /// Those of the ledger.
    async fn kept_node(&self, scope: &str) -> Result<Option<KeptAnswer>, ErrorObject> {
        let Some(ledger) = self.ledger() else {
            return Ok(None);
        };
        let kept = ledger.answer(&node_scope(scope)).await;
        let kept = kept.map_err(|error| self.ledger_failed(&error))?;
        let day = SignedDuration::from_hours(24);
        Ok(kept.filter(|kept| self.now().duration_since(kept.at) < day))
    }

    /// Keeps the record of a node that was executed under its key.
    ///
    /// # Errors
    /// Those of the ledger.
    pub(super) async fn keep_node(
        &self,
        scope: &str,
        fingerprint: &str,
        record: &Value,
    ) -> Result<(), ErrorObject> {
        let Some(ledger) = self.ledger() else {
            return Ok(());
        };
        let kept = KeptAnswer {
            scope: node_scope(scope),
            fingerprint: fingerprint.to_owned(),
            at: self.now(),
            text: self.redactor().value(record.clone()).to_string(),
        };
        match ledger.keep_answer(kept).await {
            // Another replica executed it too, since this one's lease was over; the first result stays.
            Ok(()) | Err(LedgerError::Conflict) => Ok(()),
            Err(error) => Err(self.ledger_failed(&error)),
        }
    }
}

fn node_scope(scope: &str) -> String {
    text_digest(&format!("node:{scope}"))
}
