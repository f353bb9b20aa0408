//! Keyed calls that belong to no session, among replicas: one of them runs, and the others wait for its answer
//! (`spec/idempotency.md`). Calls of a session need none of this: whoever has the session has the turn.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::{Answer, CallKey, Code, ErrorObject, Runtime, damaged, session};
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
struct Turn<'a> {
    runtime: &'a Runtime,
    ledger: &'a dyn Ledger,
    key: &'a CallKey,
    /// What the ledger knows the call by.
    scope: String,
    /// This attempt, among all.
    by: String,
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
        let (Some(ledger), Some(key)) = (self.ledger(), key) else {
            return run.await;
        };
        let Some(lease) = ledger.lease() else {
            return run.await;
        };
        let turn = Turn {
            runtime: self,
            ledger: ledger.as_ref(),
            key,
            scope: session::transcript::text_digest(&format!("call {}", key.scope)),
            by: Uuid::new_v4().to_string(),
        };
        turn.wait(lease).await?;
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
                // What cannot be said now is said the next time; till then the lease holds.
                () = sleep(lease / 4) => drop(turn.say(lease).await),
            }
        };
        // What cannot be let go of ends by itself.
        let _ = turn.say(Duration::ZERO).await;
        outcome
    }
}

impl Turn<'_> {
    /// Waits until the call is this one's to run.
    async fn wait(&self, lease: Duration) -> Result<(), ErrorObject> {
        let deadline = Instant::now() + LONGEST_WAIT;
        let [mut pause, longest] = LOOK;
        loop {
            let (before, running) = self.look().await.map_err(|error| self.failed(&error))?;
            let running = running.filter(|running| running.until > self.runtime.now());
            let Some(running) = running else {
                match self.ledger.recount(before, self.holding(lease)).await {
                    Ok(()) => return Ok(()),
                    // Somebody else was quicker.
                    Err(LedgerError::Conflict) => continue,
                    Err(error) => return Err(self.failed(&error)),
                }
            };
            if running.fingerprint != self.key.fingerprint
                && let Some(conflict) = self.runtime.parts().idempotency_conflict()
            {
                return Err(conflict);
            }
            if Instant::now() > deadline {
                return Err(ErrorObject::new(
                    Code::Conflict,
                    "the first request with this key still runs at another replica; send it again later",
                ));
            }
            sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
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
        let until = self.runtime.now().saturating_add(lease);
        let until = until.unwrap_or(Timestamp::MAX);
        let holding = Holding {
            by: self.by.clone(),
            fingerprint: self.key.fingerprint.clone(),
            until,
        };
        Count {
            scope: self.scope.clone(),
            text: json!(holding).to_string(),
            until,
        }
    }

    fn failed(&self, error: &LedgerError) -> ErrorObject {
        self.runtime.ledger_failed(error)
    }
}
