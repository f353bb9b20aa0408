//! Replies that are given again, within bounds.

use std::sync::Arc;

use super::Stored;
use super::equal::Key;
use crate::runtime::held_bytes;
use crate::runtime::shelf::Shelf;

/// Most bytes of memory of all replies.
const MOST_BYTES: usize = 128 * 1024 * 1024;

/// What a reply takes beside its value, roughly.
const OVERHEAD: usize = 512;

/// Replies by what equal calls have in common; the oldest go first.
#[derive(Debug)]
pub(super) struct Cache(Shelf<Stored>);

impl Default for Cache {
    fn default() -> Self {
        Self(Shelf::new(MOST_BYTES))
    }
}

impl Cache {
    /// The reply to a call like this one.
    pub(super) fn get(&self, key: &Key) -> Option<Arc<Stored>> {
        self.0.get(key)
    }

    /// Keeps a reply, in place of an older one; one that came meanwhile to a call that began later stays.
    pub(super) fn put(&self, key: Key, stored: Stored) {
        let held = match &stored.outcome {
            Ok(reply) => held_bytes(reply),
            Err(error) => held_bytes(&error.to_value()),
        };
        let at = stored.at;
        self.0
            .put(key, stored, held + OVERHEAD, |known| known.at > at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use serde_json::{Value, json};

    fn stored(reply: Value, second: i64) -> Stored {
        Stored {
            outcome: Ok(reply),
            at: Timestamp::from_second(second).expect("a time"),
        }
    }

    fn reply(cache: &Cache, key: u8) -> Option<Value> {
        cache.get(&[key; 32])?.outcome.clone().ok()
    }

    #[test]
    fn the_oldest_go_first_and_the_bound_holds() {
        let cache = Cache::default();
        let large = "x".repeat(MOST_BYTES / 2 - 2 * OVERHEAD);
        for number in 0..3 {
            cache.put([number; 32], stored(json!(large), 1));
        }
        assert!(reply(&cache, 0).is_none());
        assert!(reply(&cache, 1).is_some() && reply(&cache, 2).is_some());
        cache.put([7; 32], stored(json!("x".repeat(MOST_BYTES)), 1));
        assert!(reply(&cache, 7).is_none());
    }

    #[test]
    fn a_later_reply_takes_the_place_of_an_earlier_one() {
        let cache = Cache::default();
        cache.put([1; 32], stored(json!("old"), 1));
        cache.put([1; 32], stored(json!("new"), 2));
        cache.put([1; 32], stored(json!("late"), 1));
        assert_eq!(reply(&cache, 1), Some(json!("new")));
    }
}
