//! Places for those who are told of the progress of sessions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::access::Caller;

/// How many callers at least can be told at the same time, where callers are told apart: none has more than this part of the places.
const CALLERS: usize = 4;

/// A bounded number of places, of which no caller that is known can take all.
#[derive(Debug)]
pub(super) struct Streams {
    places: Arc<Semaphore>,
    share: usize,
    taken: Arc<Mutex<HashMap<String, usize>>>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    subject: Option<String>,
    taken: Arc<Mutex<HashMap<String, usize>>>,
}

impl Streams {
    /// So many places.
    pub(super) fn new(most: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(most)),
            share: (most / CALLERS).max(1),
            taken: Arc::default(),
        }
    }

    /// A place, if there is one for this caller.
    pub(super) fn place(&self, caller: &Caller) -> Option<Place> {
        let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let subject = caller.authenticated.then(|| caller.subject.clone());
        if let Some(subject) = &subject {
            let mut taken = lock(&self.taken);
            let own = taken.entry(subject.clone()).or_default();
            if *own >= self.share {
                return None;
            }
            *own += 1;
        }
        Some(Place {
            _permit: permit,
            subject,
            taken: Arc::clone(&self.taken),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(subject) = &self.subject else {
            return;
        };
        let mut taken = lock(&self.taken);
        if let Some(own) = taken.get_mut(subject) {
            *own -= 1;
            if *own == 0 {
                taken.remove(subject);
            }
        }
    }
}

/// A panic elsewhere leaves the counts whole: nothing in here panics half way.
fn lock(taken: &Mutex<HashMap<String, usize>>) -> MutexGuard<'_, HashMap<String, usize>> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_caller_takes_all_places() {
        let streams = Streams::new(8);
        let [one, other] = ["one", "other"].map(|name| Caller::known(name, BTreeSet::new()));
        let first = streams.place(&one).expect("a place");
        let _second = streams.place(&one).expect("a place");
        assert!(streams.place(&one).is_none(), "a quarter is enough");
        assert!(streams.place(&other).is_some());
        drop(first);
        assert!(streams.place(&one).is_some(), "the place is free again");
        assert_eq!(lock(&streams.taken).get("other"), None);
    }

    #[test]
    fn everybody_together_has_all_of_them_and_no_more() {
        let streams = Streams::new(2);
        let caller = Caller::anonymous(BTreeSet::new());
        let held: Vec<_> = (0..2).filter_map(|_| streams.place(&caller)).collect();
        assert_eq!(held.len(), 2);
        assert!(streams.place(&caller).is_none());
    }
}
