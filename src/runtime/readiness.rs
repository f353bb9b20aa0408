//! Whether calls can be served now, for whoever sends them to this process or to another (`spec/capabilities.md` 4.4).

use std::time::Duration;

use serde_json::json;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::answer::Answer;
use super::error::{Code, ErrorObject};
use super::keeping::RETRY_AFTER_SECONDS;
use super::runtime::Runtime;
use crate::store::LedgerError;

/// How long the store may take to answer: whoever asks does not wait much longer itself.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long an answer holds. Anybody may ask, so the store is asked for all of them together.
const HOLDS: Duration = Duration::from_millis(500);

/// What the store said last, and when.
#[derive(Debug, Default)]
pub(super) struct Readiness {
    looked: Mutex<Option<(Instant, bool)>>,
}

impl Runtime {
    /// `GET /readyz`.
    ///
    /// # Errors
    /// `capacity_exceeded` where the store does not answer, within about a second.
    pub(super) async fn ready(&self) -> Result<Answer, ErrorObject> {
        if !self.store_answers().await {
            let error = ErrorObject::new(
                Code::CapacityExceeded,
                "the store does not answer, so calls cannot be served; this process goes on by itself when it does",
            );
            return Err(error.with("retry_after", RETRY_AFTER_SECONDS));
        }
        Ok(Answer::ok(json!({"status": "ready"})))
    }

    async fn store_answers(&self) -> bool {
        let Some(ledger) = self.ledger() else {
            return true;
        };
        // Held for as long as one look takes; whoever waits for it gets the same answer.
        let mut looked = self.readiness().looked.lock().await;
        if let Some((at, answered)) = *looked
            && at.elapsed() < HOLDS
        {
            return answered;
        }
        let asked = timeout(PATIENCE, ledger.manifests_revision()).await;
        let failed = match asked {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(error),
            Err(_) => {
                let reason = "it did not answer within a second".to_owned();
                Some(LedgerError::Unavailable(reason))
            }
        };
        if let Some(error) = &failed {
            self.complain(error);
        }
        let answered = failed.is_none();
        *looked = Some((Instant::now(), answered));
        answered
    }
}
