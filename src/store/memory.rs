//! What is in memory, and forgotten with the process.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::ledger::Place;
use super::weight::Total;
use super::{Closed, Full, Slot};
use crate::runtime::held_bytes;
use crate::runtime::session::contract::Contracts;

/// Sessions and transcripts in memory, bounded in number and bytes.
#[derive(Debug)]
pub struct Memory {
    shelves: Mutex<Shelves>,
    contracts: Contracts,
    most_sessions: usize,
    most_session_bytes: usize,
    most_transcripts: usize,
    most_bytes: usize,
}

/// The open sessions, with the bytes that they hold together: whoever comes is counted in, and whoever leaves is counted out.
#[derive(Debug, Default)]
struct Open {
    by_id: HashMap<String, Arc<Slot>>,
    held: Total,
}

impl Open {
    fn insert(&mut self, slot: Arc<Slot>) {
        self.remove(slot.id());
        slot.weight.count_in(&self.held);
        self.by_id.insert(slot.id().to_owned(), slot);
    }

    fn remove(&mut self, id: &str) {
        if let Some(slot) = self.by_id.remove(id) {
            slot.weight.count_out();
        }
    }

    fn retain(&mut self, stays: impl Fn(&Arc<Slot>) -> bool) {
        self.by_id.retain(|_, slot| {
            let stays = stays(slot);
            if !stays {
                slot.weight.count_out();
            }
            stays
        });
    }
}

#[derive(Debug, Default)]
struct Shelves {
    open: Open,
    transcripts: HashMap<String, (Closed, usize)>,
    order: VecDeque<String>,
    bytes: usize,
}

impl Memory {
    /// An empty store with these bounds.
    pub fn new(
        most_sessions: usize,
        most_session_bytes: usize,
        most_transcripts: usize,
        most_bytes: usize,
    ) -> Self {
        Self {
            shelves: Mutex::default(),
            contracts: Contracts::default(),
            most_sessions,
            most_session_bytes,
            most_transcripts,
            most_bytes,
        }
    }

    fn shelves(&self) -> MutexGuard<'_, Shelves> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    /// The contracts of the open sessions, which count among what these hold.
    pub fn contracts(&self) -> &Contracts {
        &self.contracts
    }

    /// Bytes that the open sessions hold together.
    fn held(&self, open: &Open) -> usize {
        open.held
            .bytes()
            .saturating_add(self.contracts.held_bytes())
    }

    /// Takes a new session in.
    ///
    /// # Errors
    /// [`Full`] when no further session can be held.
    pub fn insert(&self, slot: Arc<Slot>) -> Result<(), Full> {
        let mut shelves = self.shelves();
        self.room(&shelves.open, &slot)?;
        shelves.open.insert(slot);
        Ok(())
    }

    /// Takes a session in that was read from a ledger; one that is there already is given back instead, since others may use it.
    ///
    /// # Errors
    /// [`Full`] when no further session can be held.
    pub fn adopt(&self, slot: Arc<Slot>) -> Result<Arc<Slot>, Full> {
        let mut shelves = self.shelves();
        if let Some(known) = shelves.open.by_id.get(slot.id()) {
            return Ok(Arc::clone(known));
        }
        self.room(&shelves.open, &slot)?;
        shelves.open.insert(Arc::clone(&slot));
        Ok(slot)
    }

    /// Whether a further session can be held.
    ///
    /// # Errors
    /// [`Full`] when it cannot.
    pub fn has_room(&self, slot: &Slot) -> Result<(), Full> {
        self.room(&self.shelves().open, slot)
    }

    fn room(&self, open: &Open, slot: &Slot) -> Result<(), Full> {
        let held = self.held(open).saturating_add(slot.held());
        if open.by_id.len() >= self.most_sessions || held > self.most_session_bytes {
            return Err(Full);
        }
        Ok(())
    }

    /// Whether the open sessions hold as much as they may together; none may grow then.
    pub fn full(&self) -> bool {
        self.held(&self.shelves().open) >= self.most_session_bytes
    }

    /// The open session of this id.
    pub fn get(&self, id: &str) -> Option<Arc<Slot>> {
        self.shelves().open.by_id.get(id).cloned()
    }

    /// Lets a slot go; the ledger has the session.
    pub fn forget(&self, slot: &Slot) {
        let mut shelves = self.shelves();
        let same = |known: &Arc<Slot>| std::ptr::eq(&**known, slot);
        if shelves.open.by_id.get(slot.id()).is_some_and(same) {
            shelves.open.remove(slot.id());
        }
    }

    /// Lets sessions go that nobody uses and that were not called since; the ledger has them.
    pub fn put_away(&self, before: Timestamp) {
        // Nobody can get hold of a slot while the shelves are locked, so one reference is ours alone.
        self.shelves()
            .open
            .retain(|slot| Arc::strong_count(slot) > 1 || slot.touched() >= before);
    }

    /// Takes a session out and keeps its transcript.
    pub fn archive(&self, id: &str, closed: Closed) {
        let weight = held_bytes(&closed.transcript);
        let mut shelves = self.shelves();
        shelves.open.remove(id);
        if shelves
            .transcripts
            .insert(id.to_owned(), (closed, weight))
            .is_none()
        {
            shelves.order.push_back(id.to_owned());
            shelves.bytes += weight;
        }
        // Kept as long as there is room, which is longer than the day that is promised unless there is a flood.
        while shelves.order.len() > self.most_transcripts || shelves.bytes > self.most_bytes {
            let Some(oldest) = shelves.order.pop_front() else {
                return;
            };
            if let Some((_, weight)) = shelves.transcripts.remove(&oldest) {
                shelves.bytes = shelves.bytes.saturating_sub(weight);
            }
        }
    }

    /// What is left of a closed session, while it is held.
    pub fn closed(&self, id: &str) -> Option<Closed> {
        self.shelves()
            .transcripts
            .get(id)
            .map(|(closed, _)| closed.clone())
    }

    /// Up to so many open sessions that this subject opened, the newest first, after this place or from the first.
    pub fn owned(&self, owner: &str, after: Option<&Place>, most: usize) -> Vec<Place> {
        let shelves = self.shelves();
        let own = shelves.open.by_id.values();
        let own = own.filter(|slot| **slot.owner() == *owner);
        let own = own.map(|slot| (slot.opened().as_microsecond(), slot.id()));
        let after = after.map(|place| (place.opened.as_microsecond(), place.id.as_str()));
        let mut own: Vec<_> = own
            .filter(|place| after.is_none_or(|after| *place < after))
            .collect();
        own.sort_unstable_by(|one, other| other.cmp(one));
        own.truncate(most);
        let place = |(opened, id): (i64, &str)| Place {
            opened: Timestamp::from_microsecond(opened).unwrap_or(Timestamp::MIN),
            id: id.to_owned(),
        };
        own.into_iter().map(place).collect()
    }

    /// The sessions that were not called since `before`.
    pub fn untouched_since(&self, before: Timestamp) -> Vec<Arc<Slot>> {
        self.shelves()
            .open
            .by_id
            .values()
            .filter(|slot| slot.touched() < before)
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn archive(store: &Memory, id: &str, transcript: Value) {
        store.archive(
            id,
            Closed {
                owner: "u".into(),
                transcript: Arc::new(transcript),
            },
        );
    }

    #[test]
    fn transcripts_count_for_the_memory_they_hold() {
        let store = Memory::new(1, 1, 10, 100_000);
        // 7 KB of text.
        archive(&store, "dense", Value::Array(vec![json!({"": 1}); 1000]));
        assert!(store.closed("dense").is_none());
    }

    #[test]
    fn the_oldest_transcripts_go_first() {
        let store = Memory::new(1, 1, 2, 1500);
        for id in ["a", "b", "c"] {
            archive(&store, id, json!(id));
        }
        assert!(store.closed("a").is_none() && store.closed("c").is_some());
        archive(&store, "large", json!("x".repeat(1400)));
        assert!(store.closed("c").is_none() && store.closed("large").is_some());
        archive(&store, "too large", json!("x".repeat(2000)));
        assert!(store.closed("too large").is_none());
    }
}
