//! What was under way when a process died (`spec/sessions.md` section 5), and what a store needs done from time to time.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::error::{Code, ErrorObject};
use super::invoke;
use super::keeping::Claimed;
use super::questions;
use super::runtime::Runtime;
use super::session::entry::CallKey;
use super::session::{Execution, Flight, Input};
use crate::manifest::{Action, Effect};
use crate::store::Slot;
use crate::store::ledger::Retention;

/// How often sessions are looked for in which a call was under way when its process died.
const LOOK: Duration = Duration::from_secs(2);

/// How often what is over is let go of, in looks.
const TIDY: u32 = 30;

/// A session that nobody called for so long leaves the memory; the ledger has it.
const PUT_AWAY: SignedDuration = SignedDuration::from_mins(10);

/// How many sessions are taken up at a time.
const AT_ONCE: usize = 64;

/// Whether a call whose end is not known may be made again: what costs or is critical is made at most once, all else at least
/// once, with the same idempotency key.
pub fn repeatable(action: &Action) -> bool {
    !action
        .effects
        .iter()
        .any(|effect| matches!(effect, Effect::Cost | Effect::Critical))
}

/// Ends an execution that was begun by a process that died.
pub(super) async fn resolve(
    runtime: &Runtime,
    slot: &Slot,
    flight: Flight,
    key: Option<CallKey>,
) -> Result<(), ErrorObject> {
    let begun: Vec<_> = flight
        .calls
        .iter()
        .filter_map(|call| invoke::interrupted(runtime, call))
        .collect();
    let again = flight.calls.iter().all(|call| repeatable(&call.action));
    let mut input = if again {
        runtime.execute(flight).await
    } else {
        Input::Executed(flight, Execution::refused(lost()))
    };
    if let Input::Executed(_, execution) = &mut input {
        // The first attempt may have been made, so it stands among the effects; what became of it nobody knows.
        execution.side_effects.splice(0..0, begun);
    }
    runtime.drive(slot, input, key.as_ref()).await.map(drop)
}

/// The failure of a call that may or may not have been made.
pub(super) fn lost() -> ErrorObject {
    ErrorObject::new(
        Code::UpstreamUnreachable,
        "the runtime ended while the action ran; whether it took effect is not known",
    )
    .retryable(false)
}

/// Takes up what processes that died left, and lets go of what is over, until told to stop.
pub(super) async fn keep_house(runtime: Arc<Runtime>, stop: CancellationToken) {
    let mut looks: u32 = 0;
    loop {
        let round = async {
            runtime.take_up().await;
            if looks.is_multiple_of(TIDY) {
                runtime.let_go().await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = round => {}
        }
        looks = looks.wrapping_add(1);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

impl Runtime {
    /// Ends calls that were under way when their process died.
    async fn take_up(&self) {
        let Some(ledger) = self.ledger() else {
            return;
        };
        let found = match ledger.in_flight(AT_ONCE).await {
            Ok(found) => found,
            Err(error) => return self.complain(&error),
        };
        for id in found {
            if let Some(question) = questions::marked(&id) {
                self.take_up_question(question).await;
                continue;
            }
            // A claim ends what is under way; whoever has the turn here is about to do so, or is the one under way.
            if let Ok(Some(slot)) = self.slot(&id).await
                && let Ok(_turn) = slot.turn().try_lock()
            {
                // Whoever calls the session next learns what is wrong.
                let _ = self.claim(&slot).await;
            }
        }
    }

    /// An open session, from memory or from the ledger; no call of anybody.
    pub(super) async fn slot(&self, id: &str) -> Result<Option<Arc<Slot>>, ErrorObject> {
        match self.store().get(id) {
            Some(slot) => Ok(Some(slot)),
            None => self.load(id).await,
        }
    }

    /// Closes sessions that expired and were left alone as long again, and prunes what is over.
    async fn let_go(&self) {
        let Some(ledger) = self.ledger() else {
            return;
        };
        let now = self.now();
        let long_ago = self.idle_since(self.idle_since(now));
        match ledger.idle(long_ago, AT_ONCE).await {
            Ok(idle) => {
                for id in idle {
                    if let Some(question) = questions::marked(&id) {
                        self.forget_question(question).await;
                        continue;
                    }
                    // One that cannot be closed now is found again.
                    let _ = self.close_left_alone(&id, now, long_ago).await;
                }
            }
            Err(error) => self.complain(&error),
        }
        let limits = self.limits();
        let before = |age: SignedDuration| now.checked_sub(age).unwrap_or(Timestamp::MIN);
        let retention = Retention {
            transcripts_before: before(self.keep_transcripts()),
            most_transcripts: u64::MAX,
            answers_before: before(SignedDuration::from_hours(24)),
            most_answers: limits.idempotent_answers as u64 * 100,
        };
        if let Err(error) = ledger.prune(retention).await {
            self.complain(&error);
        }
        if let Err(error) = ledger.forget_counts(now).await {
            self.complain(&error);
        }
        self.store().put_away(before(PUT_AWAY));
    }

    async fn close_left_alone(
        &self,
        id: &str,
        now: Timestamp,
        long_ago: Timestamp,
    ) -> Result<(), ErrorObject> {
        let Some(slot) = self.slot(id).await? else {
            return Ok(());
        };
        self.leave_alone(&slot, now).await?;
        let _turn = slot.turn().lock().await;
        let Claimed::Held(_claim) = self.claim(&slot).await? else {
            return Ok(());
        };
        if slot.touched() < long_ago {
            self.drive(&slot, Input::Close, None).await?;
        }
        Ok(())
    }
}
