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
        if let Err(denied) = turn.wait(lease).await {
            let other = self.parts().idempotency_conflict();
            if let Some(refusal) = self.denied(denied, other, "the first request with this key") {
                return Err(refusal);
            }
        }
        let ended = async {
            match self.kept_answer(Some(key)).await? {
                Some(answer) => Ok(answer),
                None => run.await,
            }
        };
        turn.held(lease, ended).await
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
        if let Err(denied) = turn.wait(lease).await {
            let other = self.parts().workflow().node_conflict();
            let refusal = self.denied(denied, other, "a node with the same requestId");
            return refusal.map_or(Ok(None), Err);
        }
        let (held, dropped) = oneshot::channel::<()>();
        self.tasks()
            .spawn(async move { drop(turn.held(lease, dropped).await) });
        Ok(Some(Hold::new(held)))
    }

    /// The refusal of what is not this replica's to run; `None` where a key in use for something else (`other`) is no hindrance.
    fn denied(
        &self,
        denied: Denied,
        other: Option<ErrorObject>,
        what: &str,
    ) -> Option<ErrorObject> {
        match denied {
            Denied::Other => other,
            Denied::Endless => Some(ErrorObject::new(
                Code::Conflict,
                format!("{what} still runs at another replica; send it again later"),
            )),
            Denied::Failed(error) => Some(self.ledger_failed(&error)),
        }
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

    /// Keeps the call this one's until something ends, and lets go of it then.
    async fn held<T>(&self, lease: Duration, until: impl Future<Output = T>) -> T {
        tokio::pin!(until);
        let outcome = loop {
            tokio::select! {
                outcome = &mut until => break outcome,
                // What cannot be said now is said the next time; till then the lease holds.
                () = sleep(lease / 4) => drop(self.say(lease).await),
            }
        };
        // What cannot be let go of ends by itself.
        let _ = self.say(Duration::ZERO).await;
        outcome
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
