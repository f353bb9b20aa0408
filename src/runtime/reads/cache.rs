//! Replies that are given again, within bounds.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use super::Stored;
use super::equal::Key;
use crate::runtime::held_bytes;

/// Most replies.
const MOST: usize = 10_000;

/// Most bytes of memory of all replies.
const MOST_BYTES: usize = 128 * 1024 * 1024;

/// What a reply takes beside its value, roughly.
const OVERHEAD: usize = 512;

/// Replies by what equal calls have in common; the oldest go first.
#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<Shelf>);

#[derive(Debug, Default)]
struct Shelf {
    replies: HashMap<Key, Kept>,
    /// The keys in the order in which their replies came.
    order: BTreeMap<u64, Key>,
    next: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    stored: Arc<Stored>,
    number: u64,
    weight: usize,
}

impl Cache {
    /// The reply to a call like this one.
    pub(super) fn get(&self, key: &Key) -> Option<Arc<Stored>> {
        let shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.replies.get(key).map(|kept| Arc::clone(&kept.stored))
    }

    /// Keeps a reply, in place of an older one; one that came meanwhile to a call that began later stays.
    pub(super) fn put(&self, key: Key, stored: Stored) {
        let held = match &stored.outcome {
            Ok(reply) => held_bytes(reply),
            Err(error) => held_bytes(&error.to_value()),
        };
        let weight = held + OVERHEAD;
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let newer = |kept: &Kept| kept.stored.at > stored.at;
        if weight > MOST_BYTES || shelf.replies.get(&key).is_some_and(newer) {
            return;
        }
        shelf.take_out(&key);
        let number = shelf.next;
        shelf.next += 1;
        shelf.order.insert(number, key);
        shelf.bytes += weight;
        let kept = Kept {
            stored: Arc::new(stored),
            number,
            weight,
        };
        shelf.replies.insert(key, kept);
        while shelf.replies.len() > MOST || shelf.bytes > MOST_BYTES {
            let Some((_, oldest)) = shelf.order.pop_first() else {
                return;
            };
            shelf.take_out(&oldest);
        }
    }
}

impl Shelf {
    fn take_out(&mut self, key: &Key) {
        if let Some(kept) = self.replies.remove(key) {
            self.order.remove(&kept.number);
            self.bytes = self.bytes.saturating_sub(kept.weight);
        }
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
            side_effects: Vec::new(),
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
        let shelf = cache.0.lock().expect("a lock");
        assert_eq!((shelf.replies.len(), shelf.order.len()), (2, 2));
        assert!(shelf.bytes <= MOST_BYTES);
    }

    #[test]
    fn a_later_reply_takes_the_place_of_an_earlier_one() {
        let cache = Cache::default();
        cache.put([1; 32], stored(json!("old"), 1));
        cache.put([1; 32], stored(json!("new"), 2));
        cache.put([1; 32], stored(json!("late"), 1));
        assert_eq!(reply(&cache, 1), Some(json!("new")));
        let shelf = cache.0.lock().expect("a lock");
        assert_eq!((shelf.replies.len(), shelf.order.len()), (1, 1));
    }
}
