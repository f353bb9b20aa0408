//! Who goes on with which question: one in this process, and one of all that share the ledger.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::kept_id;
use crate::runtime::error::ErrorObject;
use crate::runtime::runtime::Runtime;
use crate::store::Ledger;

/// Questions that somebody in this process goes on with, and why.
#[derive(Debug, Default)]
pub(in crate::runtime) struct Hands {
    held: Mutex<HashMap<String, Why>>,
    freed: Notify,
}

/// Why somebody goes on with a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// A decision has come.
    Decision,
    /// Its process died, or its time is over.
    House,
}

impl Hands {
    fn held(&self) -> MutexGuard<'_, HashMap<String, Why>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a question that nobody has; else why it was taken.
    fn take(&self, id: &str, why: Why) -> Result<(), Why> {
        match self.held().entry(id.to_owned()) {
            Entry::Occupied(taken) => Err(*taken.get()),
            Entry::Vacant(free) => {
                free.insert(why);
                Ok(())
            }
        }
    }

    /// Takes a question for a decision, after whoever looks after it for the house; false where another decision has it.
    async fn take_for_decision(&self, id: &str) -> bool {
        loop {
            let mut freed = pin!(self.freed.notified());
            freed.as_mut().enable();
            match self.take(id, Why::Decision) {
                Ok(()) => return true,
                Err(Why::Decision) => return false,
                Err(Why::House) => freed.await,
            }
        }
    }

    fn free(&self, id: &str) {
        self.held().remove(id);
        self.freed.notify_waiters();
    }
}

/// The right to go on with a question, until it is dropped.
pub(in crate::runtime) struct Turn<'r> {
    hands: &'r Hands,
    pub(super) ledger: &'r dyn Ledger,
    pub(super) id: String,
    claimed: bool,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.claimed {
            self.ledger.release(&kept_id(&self.id));
        }
        self.hands.free(&self.id);
    }
}

impl Runtime {
    /// Takes a question, for this process and among all; `None` where somebody here has it.
    pub(super) async fn question_turn<'r>(
        &'r self,
        ledger: &'r dyn Ledger,
        id: &str,
        why: Why,
    ) -> Result<Option<Turn<'r>>, ErrorObject> {
        let hands = self.workflows().hands();
        let taken = match why {
            Why::Decision => hands.take_for_decision(id).await,
            Why::House => hands.take(id, why).is_ok(),
        };
        if !taken {
            return Ok(None);
        }
        let mut turn = Turn {
            hands,
            ledger,
            id: id.to_owned(),
            claimed: false,
        };
        if ledger.shared() {
            let claimed = ledger.claim(&kept_id(id)).await;
            claimed.map_err(|error| self.ledger_failed(&error))?;
            turn.claimed = true;
        }
        Ok(Some(turn))
    }
}
