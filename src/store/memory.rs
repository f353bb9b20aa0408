//! The store that forgets everything with its process.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::Value;

use super::{Full, Slot, Store};
use crate::runtime::compact_size;

/// Sessions and transcripts in memory, bounded in number and bytes.
#[derive(Debug)]
pub struct Memory {
    shelves: Mutex<Shelves>,
    most_sessions: usize,
    most_transcripts: usize,
    most_bytes: usize,
}

#[derive(Debug, Default)]
struct Shelves {
    sessions: HashMap<String, Arc<Slot>>,
    transcripts: HashMap<String, (Arc<Value>, usize)>,
    order: VecDeque<String>,
    bytes: usize,
}

impl Memory {
    /// An empty store with these bounds.
    pub fn new(most_sessions: usize, most_transcripts: usize, most_bytes: usize) -> Self {
        Self {
            shelves: Mutex::default(),
            most_sessions,
            most_transcripts,
            most_bytes,
        }
    }

    fn shelves(&self) -> MutexGuard<'_, Shelves> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Memory {
    fn insert(&self, slot: Arc<Slot>) -> Result<(), Full> {
        let mut shelves = self.shelves();
        if shelves.sessions.len() >= self.most_sessions {
            return Err(Full);
        }
        shelves.sessions.insert(slot.id().to_owned(), slot);
        Ok(())
    }

    fn get(&self, id: &str) -> Option<Arc<Slot>> {
        self.shelves().sessions.get(id).cloned()
    }

    fn archive(&self, id: &str, transcript: Arc<Value>) {
        let weight = compact_size(&transcript);
        let mut shelves = self.shelves();
        shelves.sessions.remove(id);
        if shelves
            .transcripts
            .insert(id.to_owned(), (transcript, weight))
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

    fn transcript(&self, id: &str) -> Option<Arc<Value>> {
        self.shelves()
            .transcripts
            .get(id)
            .map(|(transcript, _)| Arc::clone(transcript))
    }

    fn untouched_since(&self, before: Timestamp) -> Vec<Arc<Slot>> {
        self.shelves()
            .sessions
            .values()
            .filter(|slot| slot.touched() < before)
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_oldest_transcripts_go_first() {
        let store = Memory::new(1, 2, 1000);
        for id in ["a", "b", "c"] {
            store.archive(id, Arc::new(json!(id)));
        }
        assert!(store.transcript("a").is_none() && store.transcript("c").is_some());
        store.archive("large", Arc::new(json!("x".repeat(998))));
        assert!(store.transcript("c").is_none() && store.transcript("large").is_some());
        store.archive("too large", Arc::new(json!("x".repeat(2000))));
        assert!(store.transcript("too large").is_none());
    }
}
