//! Where sessions live, behind a trait so that another store can take the place of the memory.

mod memory;

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::Mutex as TurnLock;

use crate::runtime::Session;

pub use memory::Memory;

/// Sessions and the transcripts of closed ones.
pub trait Store: Send + Sync + 'static {
    /// Keeps a new session.
    ///
    /// # Errors
    /// [`Full`] when no further session can be kept.
    fn insert(&self, slot: Arc<Slot>) -> Result<(), Full>;

    /// Whether the open sessions hold as much as they may together; none may grow then.
    fn full(&self) -> bool;

    /// The open session of this id.
    fn get(&self, id: &str) -> Option<Arc<Slot>>;

    /// Takes a session out and keeps its transcript.
    fn archive(&self, id: &str, closed: Closed);

    /// What is left of a closed session, while it is kept.
    fn closed(&self, id: &str) -> Option<Closed>;

    /// The sessions that were not touched since `before`.
    fn untouched_since(&self, before: Timestamp) -> Vec<Arc<Slot>>;
}

/// No further session can be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// What is left of a closed session; cheap to clone.
#[derive(Debug, Clone)]
pub struct Closed {
    /// The subject that opened it.
    pub owner: Arc<str>,
    /// Its transcript.
    pub transcript: Arc<Value>,
}

/// One open session with what is needed to use it from many tasks.
#[derive(Debug)]
pub struct Slot {
    id: String,
    owner: Arc<str>,
    turn: TurnLock<()>,
    session: Mutex<Session>,
    touched: AtomicI64,
    held: AtomicUsize,
}

impl Slot {
    /// A slot for a new session that this subject opened.
    pub fn new(session: Session, owner: &str, now: Timestamp) -> Self {
        Self {
            id: session.id().to_owned(),
            owner: owner.into(),
            turn: TurnLock::new(()),
            held: AtomicUsize::new(session.held_bytes()),
            session: Mutex::new(session),
            touched: AtomicI64::new(now.as_millisecond()),
        }
    }

    /// The session's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The subject that opened the session.
    pub fn owner(&self) -> &Arc<str> {
        &self.owner
    }

    /// Held by whoever takes a turn, across everything that belongs to it; fair.
    pub fn turn(&self) -> &TurnLock<()> {
        &self.turn
    }

    /// The session itself; held for moments only, never across I/O.
    pub fn session(&self) -> MutexGuard<'_, Session> {
        // A panic inside the machine leaves a session that is still readable and closable.
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes of memory that the session held when it was last weighed.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Notes how much memory the session holds by now.
    pub fn weigh(&self, held: usize) {
        self.held.store(held, Ordering::Relaxed);
    }

    /// Notes that something was called, and tells when the time before was.
    pub fn touch(&self, now: Timestamp) -> Timestamp {
        let before = self.touched.swap(now.as_millisecond(), Ordering::Relaxed);
        Timestamp::from_millisecond(before).unwrap_or(now)
    }

    /// When something was called last.
    pub fn touched(&self) -> Timestamp {
        Timestamp::from_millisecond(self.touched.load(Ordering::Relaxed)).unwrap_or(Timestamp::MAX)
    }
}
