//! Keyed calls that belong to no session, and nodes of workflows with a key, among replicas: one of them runs, and the others
//! wait for its answer (`spec/idempotency.md`, `spec/workflows.md` section 14). Calls of a session need none of this: whoever has
//! the session has the turn.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::{Answer, CallKey, Code, ErrorObject, Runtime, damaged, session};
use crate::runtime::clock::Clock;
use crate::runtime::idempotency::Hold;
use crate::runtime::parts::Parts;
use crate::store::LedgerError;
use crate::store::ledger::{Count, Ledger};

/// How often a call looks what became of the one that runs, at first and at last.
const LOOK: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(500)];

/// How long it waits for the other.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// Who runs a call, as the ledger keeps it; nobody does after `until`, by the clocks of the replicas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Holding {
    by: String,
    fingerprint: String,
    until: Timestamp,
}

/// A call that is to run at one replica alone.
struct Turn {
    ledger: Arc<dyn Ledger>,
    parts: Arc<dyn Parts>,
    clock: Clock,
    fingerprint: String,
    /// What the ledger knows the call by.
    scope: String,
    /// This attempt, among all.
    by: String,
}

/// Why a call is not this one's to run.
enum Denied {
    /// The key is in use for another request.
    Other,
    /// The one that runs does not come to an end.
    Endless,
    /// The ledger does not do its part.
    Failed(LedgerError),
}

impl Runtime {
    /// Runs a call that belongs to no session, unless another replica runs it: then its answer, once it is there.
    ///
    /// # Errors
    /// Those of the call and of the ledger; `conflict` where the other does not come to an end.
    pub(in crate::runtime) async fn alone(
        &self,
        key: Option<&CallKey>,
        run: impl Future<Output = Result<Answer, ErrorObject>>,
    ) -> Result<Answer, ErrorObject> {
        let Some(key) = key else {
            return run.await;
        };
        let Some((turn, lease)) = self.turn(&format!("call {}", key.scope), &key.fingerprint)
        else {
            return run.await;
        };
        match turn.wait(lease).await {
            Ok(()) => {}
            Err(Denied::Other) => {
                if let Some(conflict) = self.parts().idempotency_conflict() {
                    return Err(conflict);
                }
            }
            Err(Denied::Endless) => {
                return Err(ErrorObject::new(
                    Code::Conflict,
                    "the first request with this key still runs at another replica; send it again later",
                ));
            }
            Err(Denied::Failed(error)) => return Err(self.ledger_failed(&error)),
        }
        let ended = async {
            match self.kept_answer(Some(key)).await? {
                Some(answer) => Ok(answer),
                None => run.await,
            }
        };
        tokio::pin!(ended);
        let outcome = loop {
            tokio::select! {
                outcome = &mut ended => break outcome,
                () = sleep(lease / 4) => turn.renew(lease).await,
            }
        };
        turn.end().await;
        outcome
    }

    /// Has a node with a key run at this replica alone until what is given is dropped, where others use the ledger too.
    ///
    /// # Errors
    /// `node_conflict` where another replica runs a node of another content under the key, `conflict` where it does not come to
    /// an end, and those of the ledger.
    pub(in crate::runtime) async fn hold_node(
        &self,
        scope: &str,
        fingerprint: &str,
    ) -> Result<Option<Hold>, ErrorObject> {
        let Some((turn, lease)) = self.turn(&format!("node {scope}"), fingerprint) else {
            return Ok(None);
        };
        match turn.wait(lease).await {
            Ok(()) => {}
            Err(Denied::Other) => {
                return match self.parts().workflow().node_conflict() {
                    Some(conflict) => Err(conflict),
                    None => Ok(None),
                };
            }
            Err(Denied::Endless) => {
                return Err(ErrorObject::new(
                    Code::Conflict,
                    "a node with the same requestId still runs at another replica; send it again later",
                ));
            }
            Err(Denied::Failed(error)) => return Err(self.ledger_failed(&error)),
        }
        let (held, mut dropped) = oneshot::channel::<()>();
        self.tasks().spawn(async move {
            loop {
                tokio::select! {
                    _ = &mut dropped => break,
                    () = sleep(lease / 4) => turn.renew(lease).await,
                }
            }
            turn.end().await;
        });
        Ok(Some(Hold::new(held)))
    }

    /// A turn, with its lease, where other processes use the ledger too.
    fn turn(&self, scope: &str, fingerprint: &str) -> Option<(Turn, Duration)> {
        let ledger = self.ledger()?;
        let lease = ledger.lease()?;
        let turn = Turn {
            ledger: Arc::clone(ledger),
            parts: self.shared_parts(),
            clock: self.clock().clone(),
            fingerprint: fingerprint.to_owned(),
            scope: session::transcript::text_digest(scope),
            by: Uuid::new_v4().to_string(),
        };
        Some((turn, lease))
    }
}

impl Turn {
    fn now(&self) -> Timestamp {
        self.clock.shown(self.parts.now())
    }

    /// Waits until the call is this one's to run.
    async fn wait(&self, lease: Duration) -> Result<(), Denied> {
        let deadline = Instant::now() + LONGEST_WAIT;
        let [mut pause, longest] = LOOK;
        loop {
            let (before, running) = self.look().await.map_err(Denied::Failed)?;
            let running = running.filter(|running| running.until > self.now());
            let Some(running) = running else {
                match self.ledger.recount(before, self.holding(lease)).await {
                    Ok(()) => return Ok(()),
                    // Somebody else was quicker.
                    Err(LedgerError::Conflict) => continue,
                    Err(error) => return Err(Denied::Failed(error)),
                }
            };
            if running.fingerprint != self.fingerprint {
                return Err(Denied::Other);
            }
            if Instant::now() > deadline {
                return Err(Denied::Endless);
            }
            sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }

    /// Says that the call still runs. What cannot be said now is said the next time; till then the lease holds.
    async fn renew(&self, lease: Duration) {
        let _ = self.say(lease).await;
    }

    /// Lets go of the call. What cannot be let go of ends by itself.
    async fn end(&self) {
        let _ = self.say(Duration::ZERO).await;
    }

    /// Says that the call runs for so long from now, if it is still this one's.
    async fn say(&self, lease: Duration) -> Result<(), LedgerError> {
        let (before, running) = self.look().await?;
        match running {
            Some(running) if running.by == self.by => {
                self.ledger.recount(before, self.holding(lease)).await
            }
            _ => Ok(()),
        }
    }

    /// What the ledger keeps of the call, as text and read.
    async fn look(&self) -> Result<(Option<String>, Option<Holding>), LedgerError> {
        let text = self.ledger.count(&self.scope).await?;
        let read = text.as_deref().map(serde_json::from_str).transpose();
        Ok((text, read.map_err(damaged)?))
    }

    fn holding(&self, lease: Duration) -> Count {
        let lease = SignedDuration::try_from(lease).unwrap_or(SignedDuration::MAX);
        let until = self.now().saturating_add(lease);
        let until = until.unwrap_or(Timestamp::MAX);
        let holding = Holding {
            by: self.by.clone(),
            fingerprint: self.fingerprint.clone(),
            until,
        };
        Count {
            scope: self.scope.clone(),
            text: json!(holding).to_string(),
            until,
        }
    }
}
