//! A database that stands still is not waited for by everybody: once one call has waited in vain, the others are told at once,
//! and one call now and then looks whether it is back.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long after an attempt the next one is let through.
const AGAIN: Duration = Duration::from_secs(1);

/// Whether the database is asked at all.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// When one may look next, if it stands still as far as is known.
    closed_until: Mutex<Option<Instant>>,
}

impl Breaker {
    /// Whether to ask now: always while the database answers, and one call in [`AGAIN`] while it does not.
    pub(super) fn admits(&self, now: Instant) -> bool {
        let mut closed_until = self.lock();
        match *closed_until {
            Some(until) if now < until => false,
            Some(_) => {
                *closed_until = Some(now + AGAIN);
                true
            }
            None => true,
        }
    }

    /// Somebody waited in vain. It may have been that one statement alone, so the first time the next call looks at once.
    pub(super) fn stood_still(&self, now: Instant) {
        let mut closed_until = self.lock();
        *closed_until = Some(match *closed_until {
            None => now,
            Some(_) => now + AGAIN,
        });
    }

    /// It answered, whatever it said.
    pub(super) fn answered(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.closed_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_as_long_as_it_is_answered() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        assert!(breaker.admits(now) && breaker.admits(now));
        breaker.answered();
        assert!(breaker.admits(now));
    }

    #[test]
    fn one_call_in_vain_has_the_next_look_at_once_and_no_other_beside_it() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        breaker.stood_still(now);
        assert!(breaker.admits(now));
        assert!(!breaker.admits(now));
        breaker.answered();
        assert!(breaker.admits(now) && breaker.admits(now));
    }

    #[test]
    fn one_call_now_and_then_looks_while_it_stands_still() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        breaker.stood_still(now);
        assert!(breaker.admits(now));
        breaker.stood_still(now);
        assert!(!breaker.admits(now + AGAIN / 2));
        assert!(breaker.admits(now + AGAIN));
        assert!(!breaker.admits(now + AGAIN), "the one that looks is enough");
        assert!(breaker.admits(now + AGAIN * 2));
    }
}
