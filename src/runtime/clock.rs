//! A clock that tests may move ahead of the system's.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// How far the time that a runtime shows is ahead of the system's; clones move together.
///
/// It never goes back: what has expired stays so.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    ahead_ms: Arc<AtomicI64>,
}

impl Clock {
    /// Moves the clock on; at the end of all time it stays there.
    pub fn advance(&self, by: Duration) {
        let step = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        let _ = self
            .ahead_ms
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |ahead| {
                Some(ahead.saturating_add(step))
            });
    }

    /// What the clock shows when the system shows this.
    pub fn shown(&self, system: Timestamp) -> Timestamp {
        let ahead = SignedDuration::from_millis(self.ahead_ms.load(Ordering::Relaxed));
        system.checked_add(ahead).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_move_together_and_never_beyond_the_end() {
        let clock = Clock::default();
        let other = clock.clone();
        assert_eq!(clock.shown(Timestamp::UNIX_EPOCH), Timestamp::UNIX_EPOCH);
        other.advance(Duration::from_millis(1500));
        other.advance(Duration::from_millis(500));
        assert_eq!(clock.shown(Timestamp::UNIX_EPOCH).as_millisecond(), 2000);
        assert_eq!(clock.shown(Timestamp::MAX), Timestamp::MAX);
    }
}
