//! The target's clock, where it offers one that can be moved (`spec/harness.md`, section 7).

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::target::{HttpRequest, HttpTarget, Target};

/// A clock that goes forward on demand.
#[derive(Debug)]
pub struct Clock {
    door: HttpTarget,
    moved: AtomicI64,
}

impl Clock {
    /// The clock behind this base URL.
    ///
    /// # Errors
    /// When it is no URL, or no HTTP client can be made.
    pub fn new(url: &str) -> Result<Self, String> {
        Ok(Self {
            door: HttpTarget::new(url, Vec::new())?,
            moved: AtomicI64::new(0),
        })
    }

    /// Asks the clock where it stands: an earlier run may have moved it. One that does not say was not moved.
    pub async fn look(&self, patience: Duration) {
        self.moved.store(0, Ordering::Relaxed);
        let request = HttpRequest::new("GET", "/now");
        let Ok(answer) = self.door.send(request, patience).await.outcome else {
            return;
        };
        let body = answer.json().unwrap_or_default();
        let told = body.get("now").and_then(Value::as_str);
        if let Some(now) = told.and_then(|now| now.parse::<jiff::Timestamp>().ok()) {
            let ahead = now.as_second().saturating_sub(seconds(0));
            self.moved.store(ahead.max(0), Ordering::Relaxed);
        }
    }

    /// Moves the clock forward.
    ///
    /// # Errors
    /// When the target does not say that it did.
    pub async fn advance(&self, seconds: u32, patience: Duration) -> Result<(), String> {
        let body = json!({"advance_ms": u64::from(seconds) * 1000});
        let request = HttpRequest::new("POST", "/advance").json(&body);
        match self.door.send(request, patience).await.outcome {
            Ok(answer) if (200..300).contains(&answer.status) => {
                self.moved.fetch_add(i64::from(seconds), Ordering::Relaxed);
                Ok(())
            }
            Ok(answer) => Err(format!(
                "the target's clock answered {} when it was to be moved",
                answer.status
            )),
            Err(error) => Err(format!("the target's clock cannot be moved: {error}")),
        }
    }

    /// How far it was moved, in seconds.
    pub fn moved(&self) -> i64 {
        self.moved.load(Ordering::Relaxed)
    }
}

/// The time in seconds since 1970, of a target whose clock was moved by `moved` seconds.
pub fn seconds(moved: i64) -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
        });
    now.saturating_add(moved)
}
