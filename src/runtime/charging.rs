//! Counting calls whose rate is limited (`spec/access.md` section 4): in memory, or in the ledger where there is one, so that a
//! limit holds over replicas and restarts.
//!
//! A call is counted before it is made, by whoever has seen the count as it is: of two replicas that want the last call of a
//! window at once, one finds the count changed and looks again. That costs a limited call one reading and one durable write, and
//! every other call nothing.

use serde_json::json;

use super::access::{RateKey, Window};
use super::error::ErrorObject;
use super::keeping::damaged;
use super::runtime::Runtime;
use super::session::transcript::text_digest;
use crate::manifest::RateLimit;
use crate::store::ledger::Count;
use crate::store::{Ledger, LedgerError};

/// How often a count is looked at again after others have changed it, before the call is told to come back.
const LOOKS: usize = 50;

/// What a call is told then, in seconds.
const COME_BACK: u64 = 1;

impl Runtime {
    /// Counts one more call, or tells how many seconds to wait for that.
    ///
    /// # Errors
    /// Those of the ledger; the call is not counted then, or is and must not be made.
    pub(super) async fn charge(
        &self,
        key: RateKey,
        limits: &[RateLimit],
    ) -> Result<Result<(), u64>, ErrorObject> {
        match self.ledger() {
            Some(ledger) if !limits.is_empty() => {
                let charged = self.charge_kept(&**ledger, &key, limits).await;
                charged.map_err(|error| self.ledger_failed(&error))
            }
            _ => {
                let access = self.parts().access();
                Ok(self.rates().charge(access, key, limits, self.now()))
            }
        }
    }

    async fn charge_kept(
        &self,
        ledger: &dyn Ledger,
        key: &RateKey,
        limits: &[RateLimit],
    ) -> Result<Result<(), u64>, LedgerError> {
        let whom = json!(["rate", key.subject, key.manifest, key.action]);
        let scope = text_digest(&whom.to_string());
        // Those of this process take turns, so that only other processes can come in between.
        let _turn = self.rates().turn(key).await;
        for _ in 0..LOOKS {
            let before = ledger.count(&scope).await?;
            let mut window = match &before {
                Some(text) => Window::read(text).ok_or_else(|| damaged("a count of calls"))?,
                None => Window::default(),
            };
            let admitted = self
                .parts()
                .access()
                .admit_call(&mut window, limits, self.now());
            if admitted.is_err() {
                return Ok(admitted);
            }
            let count = Count {
                scope: scope.clone(),
                text: window.written(),
                until: window.over(),
            };
            match ledger.recount(before, count).await {
                Err(LedgerError::Conflict) => {}
                counted => return counted.map(Ok),
            }
        }
        Ok(Err(COME_BACK))
    }
}
