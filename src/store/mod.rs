//! Where sessions live: in memory while they are used, and in a [`Ledger`] where they are to outlive the process.

#[cfg(test)]
pub(crate) mod contract;
mod file;
pub mod ledger;
mod memory;
#[cfg(test)]
pub(crate) mod plain;
mod postgres;
mod weight;

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::Mutex as TurnLock;
use tokio::sync::watch;

use crate::runtime::Session;
use crate::runtime::session::replay::Tail;
use crate::runtime::session::status::Status;

pub use file::{File, OpenError};
pub use ledger::{Ledger, LedgerError};
pub use memory::Memory;
#[cfg(test)]
pub(crate) use postgres::server::Server as PostgresServer;
pub use postgres::{ConnectError, Postgres};
use weight::Weight;

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
    noted: AtomicI64,
    weight: Weight,
    trail: Mutex<Trail>,
    gone: AtomicBool,
    changes: watch::Sender<u64>,
    opened: Timestamp,
    kept: Mutex<Told>,
}

/// What clients may be told of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// So many changes of its record.
    pub changes: usize,
    /// That it has this status.
    pub status: Status,
}

impl Told {
    /// All that the session is.
    pub fn all(session: &Session) -> Self {
        Self {
            changes: session.record().changes.len(),
            status: session.status(),
        }
    }
}

/// How a session stands to its rows in the ledger; without a ledger nothing of it is used.
#[derive(Debug, Default)]
pub struct Trail {
    /// Number of the last row that the ledger keeps and the session has taken.
    pub last: u64,
    /// Rows that the session has taken and the ledger does not keep yet.
    pub unwritten: Vec<String>,
    /// What the rows of others left it waiting for.
    pub tail: Tail,
    /// Whether a call was ended here that another process had begun: an answer may be kept then that nobody here gave.
    pub taken_up: bool,
}

impl Slot {
    /// A slot for a session that this subject opened then, and that was called last now.
    pub fn new(session: Session, owner: &str, opened: Timestamp, now: Timestamp) -> Self {
        Self {
            id: session.id().to_owned(),
            owner: owner.into(),
            turn: TurnLock::new(()),
            weight: Weight::new(session.held_bytes()),
            kept: Mutex::new(Told::all(&session)),
            opened,
            session: Mutex::new(session),
            touched: AtomicI64::new(now.as_millisecond()),
            noted: AtomicI64::new(now.as_millisecond()),
            trail: Mutex::default(),
            gone: AtomicBool::new(false),
            changes: watch::Sender::new(0),
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

    /// When the session was opened.
    pub fn opened(&self) -> Timestamp {
        self.opened
    }

    /// What the ledger keeps of the session, and so what clients may be told where there is one.
    pub fn kept(&self) -> Told {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what the ledger keeps by now.
    pub fn note_kept(&self, told: Told) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = told;
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
        self.weight.bytes()
    }

    /// Notes how much memory the session holds by now.
    pub fn weigh(&self, held: usize) {
        self.weight.set(held);
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

    /// How the session stands to the ledger; held for moments only.
    pub fn trail(&self) -> MutexGuard<'_, Trail> {
        self.trail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the ledger is to hear that the session was called, since it last did so long ago; if so, it counts as told.
    pub fn to_be_noted(&self, now: Timestamp, every: jiff::SignedDuration) -> bool {
        let before = self.noted.load(Ordering::Relaxed);
        let due = now.as_millisecond().saturating_sub(before)
            >= i64::try_from(every.as_millis()).unwrap_or(i64::MAX);
        if due {
            self.noted.store(now.as_millisecond(), Ordering::Relaxed);
        }
        due
    }

    /// Gives the slot up: what is in memory may not be what the ledger keeps. Whoever waits for a turn looks the session up
    /// anew.
    pub fn give_up(&self) {
        self.gone.store(true, Ordering::Relaxed);
    }

    /// Whether the slot was given up.
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    /// Tells those who watch that something of the session changed.
    pub fn announce(&self) {
        self.changes.send_modify(|number| *number += 1);
    }

    /// Hears of changes from now on; ends when the session is over.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}
