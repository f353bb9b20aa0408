//! Files in the memory of this process, apart for each name of a manifest and bounded (`spec/storage.md`, 1.3).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use object_store::memory::InMemory;
use tokio::sync::Mutex;

use super::failure::Failure;
use super::objects::{self, Object};
use super::settings::MemoryBounds;
use super::{Found, Stored};

/// What one file takes up besides its name and content, in bytes.
const OVERHEAD: usize = 256;

/// The files of all manifests.
pub(super) struct Memory {
    bounds: MemoryBounds,
    books: Mutex<Books>,
}

/// What there is, and how much of it: the stores themselves cannot be bounded.
#[derive(Default)]
struct Books {
    spaces: BTreeMap<String, Space>,
    bytes: usize,
    files: usize,
}

/// The files of one manifest.
#[derive(Default)]
struct Space {
    store: Arc<InMemory>,
    /// What each file takes up.
    weights: BTreeMap<String, usize>,
    bytes: usize,
}

impl Memory {
    pub(super) fn new(bounds: MemoryBounds) -> Self {
        Self {
            bounds,
            books: Mutex::default(),
        }
    }

    pub(super) async fn get(&self, space: &str, key: &str, limit: usize) -> Result<Found, Failure> {
        let store = {
            let books = self.books.lock().await;
            let space = books.spaces.get(space).ok_or(Failure::NotFound)?;
            Arc::clone(&space.store)
        };
        objects::get(&*store, key, limit).await
    }

    /// Writes a file if there is room for it; where there is none, spaces that are not among the living make some.
    ///
    /// One write at a time is entered into the books, and none of them waits for anything else.
    pub(super) async fn put(
        &self,
        space: &str,
        key: &str,
        object: Object,
        living: &(dyn Fn() -> BTreeSet<String> + Sync),
    ) -> Result<Stored, Failure> {
        let weight = object.bytes.len() + key.len() + OVERHEAD;
        let mut books = self.books.lock().await;
        if books.full(&self.bounds, space, key, weight) {
            books.keep(space, &living());
            if books.full(&self.bounds, space, key, weight) {
                return Err(Failure::Full);
            }
        }
        let own = books.spaces.entry(space.to_owned()).or_default();
        let stored = objects::put(&*own.store, key, object).await?;
        let before = own.weights.insert(key.to_owned(), weight);
        own.bytes = own.bytes - before.unwrap_or(0) + weight;
        books.bytes = books.bytes - before.unwrap_or(0) + weight;
        books.files += usize::from(before.is_none());
        Ok(stored)
    }
}

impl Books {
    /// Whether a file of this weight has no room in the place of the one that is there, if one is.
    ///
    /// What is not held yet is never for one alone: a space grows to half of what the others leave of it, so that the next one
    /// finds some, however greedy those before it were. What takes up no more than before always has room.
    fn full(&self, bounds: &MemoryBounds, space: &str, key: &str, weight: usize) -> bool {
        let own = self.spaces.get(space);
        let before = own.and_then(|own| own.weights.get(key)).copied();
        if before.is_some_and(|before| weight <= before) {
            return false;
        }
        let (bytes, files) = own.map_or((0, 0), |own| (own.bytes, own.weights.len()));
        let half = |bound: usize, held: usize, own: usize| bound.saturating_sub(held - own) / 2;
        let after = bytes - before.unwrap_or(0) + weight;
        after
            > bounds
                .manifest_bytes
                .min(half(bounds.bytes, self.bytes, bytes))
            || (before.is_none()
                && files
                    >= bounds
                        .manifest_files
                        .min(half(bounds.files, self.files, files)))
    }

    /// Drops all spaces but one and those of the living.
    fn keep(&mut self, own: &str, living: &BTreeSet<String>) {
        self.spaces
            .retain(|name, _| name == own || living.contains(name));
        self.bytes = self.spaces.values().map(|space| space.bytes).sum();
        self.files = self.spaces.values().map(|space| space.weights.len()).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> Memory {
        Memory::new(MemoryBounds {
            manifest_bytes: 2_000,
            manifest_files: 4,
            bytes: 5_000,
            files: 12,
        })
    }

    async fn put(memory: &Memory, space: &str, key: &str, bytes: usize) -> Result<bool, Failure> {
        let object = Object {
            bytes: vec![b'x'; bytes],
            content_type: None,
        };
        // Of these manifests only `gone` does not live.
        let living = || ["a", "b", "c"].map(str::to_owned).into();
        let stored = memory.put(space, key, object, &living).await?;
        Ok(stored.created)
    }

    async fn get(memory: &Memory, space: &str, key: &str, limit: usize) -> Result<usize, Failure> {
        let found = memory.get(space, key, limit).await?;
        Ok(found.bytes.len())
    }

    #[tokio::test]
    async fn spaces_are_apart() {
        let memory = memory();
        for (space, created) in [("a", true), ("a", false), ("b", true)] {
            assert_eq!(put(&memory, space, "k", 3).await, Ok(created), "{space}");
        }
        assert_eq!(get(&memory, "a", "k", 3).await, Ok(3));
        assert_eq!(get(&memory, "a", "k", 2).await, Err(Failure::TooLarge(2)));
        assert_eq!(get(&memory, "c", "k", 9).await, Err(Failure::NotFound));
        assert_eq!(get(&memory, "a", "l", 9).await, Err(Failure::NotFound));
    }

    #[tokio::test]
    async fn what_is_full_refuses_and_keeps_the_old_content() {
        let memory = memory();
        assert_eq!(put(&memory, "a", "k", 1_000).await, Ok(true));
        // 1 000 and 1 000 with their names and the rest are more than one manifest has.
        assert_eq!(put(&memory, "a", "l", 1_000).await, Err(Failure::Full));
        assert_eq!(put(&memory, "a", "k", 2_000).await, Err(Failure::Full));
        assert_eq!(get(&memory, "a", "k", 9_999).await, Ok(1_000));
        // What takes the place of another does not count beside it.
        assert_eq!(put(&memory, "a", "k", 1_500).await, Ok(false));
    }

    #[tokio::test]
    async fn one_takes_half_of_what_the_others_leave_at_most() {
        let memory = memory();
        assert_eq!(put(&memory, "a", "k", 1_500).await, Ok(true));
        // The file of the first is 1 757 with its name and the rest: the second has (5 000 - 1 757) / 2, which is 1 621.
        assert_eq!(put(&memory, "b", "k", 1_400).await, Err(Failure::Full));
        assert_eq!(put(&memory, "b", "k", 1_300).await, Ok(true));
        // The first holds more than its half by now, and keeps what it has.
        assert_eq!(put(&memory, "a", "k", 1_500).await, Ok(false));
        assert_eq!(put(&memory, "a", "k", 1_501).await, Err(Failure::Full));
        // (5 000 - 1 757 - 1 557) / 2 is 843.
        assert_eq!(put(&memory, "c", "k", 600).await, Err(Failure::Full));
        assert_eq!(put(&memory, "c", "k", 580).await, Ok(true));
    }

    #[tokio::test]
    async fn the_files_are_counted_too() {
        let memory = memory();
        // Of 12 files one has 4; then half of the 8, of the 4 and of the 2 that are left.
        for (space, most) in [("a", 4), ("b", 4), ("c", 2), ("d", 1)] {
            for name in ["k", "l", "m", "n"].into_iter().take(most) {
                let stored = put(&memory, space, name, 1).await;
                assert_eq!(stored, Ok(true), "{space} {name}");
            }
            let more = put(&memory, space, "o", 1).await;
            assert_eq!(more, Err(Failure::Full), "{space}");
            assert_eq!(put(&memory, space, "k", 2).await, Ok(false), "{space}");
        }
    }

    #[tokio::test]
    async fn the_dead_make_room() {
        let memory = memory();
        assert_eq!(put(&memory, "gone", "k", 1_000).await, Ok(true));
        assert_eq!(put(&memory, "a", "k", 900).await, Ok(true));
        assert_eq!(get(&memory, "gone", "k", 9_999).await, Ok(1_000));
        // The half of what is left is 1 293, and 1 921 without the dead.
        assert_eq!(put(&memory, "b", "k", 1_100).await, Ok(true));
        assert_eq!(
            get(&memory, "gone", "k", 9_999).await,
            Err(Failure::NotFound)
        );
        assert_eq!(get(&memory, "a", "k", 9_999).await, Ok(900));
        // Whoever writes lives.
        assert_eq!(put(&memory, "gone", "k", 1_700).await, Err(Failure::Full));
    }
}
