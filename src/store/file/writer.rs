//! The thread that writes: what waits for it becomes durable together, and after an error of the disk it opens the file anew.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use redb::{Database, DatabaseError, WriteTransaction};
use tokio::sync::oneshot;

use super::tables::{self, Failure};
use crate::store::ledger::{Filed, LedgerError};

/// How much work is made durable together.
const MOST_TOGETHER: usize = 512;

/// After this long without work the writer looks whether the file has to be opened anew, and so long at most it waits between
/// two attempts.
const LOOK: Duration = Duration::from_secs(1);

/// How long the writer waits after the first attempt to open the file anew; twice as long after each further one.
const PAUSE: Duration = Duration::from_millis(20);

/// Opens the storage, at the start and again after an error.
pub(super) type Opener = dyn Fn() -> Result<Database, DatabaseError> + Send + Sync;

/// What the writer and the readers share; `None` while the file cannot be opened.
pub(super) type Shared = Arc<RwLock<Option<Arc<Database>>>>;

/// A change within a transaction.
pub(super) type Change = dyn FnOnce(&WriteTransaction) -> Result<Told, Failure> + Send;

/// A piece of work: what it changes, and whom it tells.
pub(super) struct Work {
    pub(super) change: Box<Change>,
    pub(super) done: oneshot::Sender<Result<Told, LedgerError>>,
}

/// What a piece of work came to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Told {
    Done,
    Filed(Filed),
    Removed(bool),
}

pub(super) fn closed() -> LedgerError {
    LedgerError::Unavailable(closed_reason())
}

fn closed_reason() -> String {
    "the file is opened anew after an error of the disk".to_owned()
}

pub(super) fn current(shared: &Shared) -> Option<Arc<Database>> {
    let held = shared.read().unwrap_or_else(PoisonError::into_inner);
    held.clone()
}

/// Lets go of a database that met an error of the disk: it takes nothing more until it is opened anew.
pub(super) fn forget(shared: &Shared, met: &Arc<Database>) {
    let mut held = shared.write().unwrap_or_else(PoisonError::into_inner);
    if held.as_ref().is_some_and(|held| Arc::ptr_eq(held, met)) {
        *held = None;
    }
}

pub(super) fn lost(error: &redb::Error) -> LedgerError {
    if tables::is_damage(error) {
        LedgerError::Damaged(error.to_string())
    } else {
        LedgerError::Unavailable(error.to_string())
    }
}

/// The writer's life: take what waits, write it together, tell everybody.
pub(super) fn write(work: &Receiver<Work>, shared: &Shared, open: &Opener) {
    let mut again = Again::default();
    loop {
        let first = match work.recv_timeout(LOOK) {
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout) => {
                // Those who only read are not to wait for somebody who writes. Whoever writes hears what is the matter.
                let _ = again.database(shared, open);
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let mut together = vec![first];
        while together.len() < MOST_TOGETHER
            && let Ok(next) = work.try_recv()
        {
            together.push(next);
        }
        match again.database(shared, open) {
            Ok(database) => write_together(&database, together, shared),
            Err(told) => {
                for work in together {
                    let _ = work.done.send(Err(told.clone()));
                }
            }
        }
    }
}

/// Opens the file again after an error closed it, not too often: after an error all of it may have to be read.
#[derive(Default)]
struct Again {
    next: Option<Instant>,
    pause: Duration,
    reason: String,
}

impl Again {
    fn database(&mut self, shared: &Shared, open: &Opener) -> Result<Arc<Database>, LedgerError> {
        if let Some(database) = current(shared) {
            return Ok(database);
        }
        let now = Instant::now();
        if self.next.is_some_and(|next| now < next) {
            return Err(LedgerError::Unavailable(self.reason.clone()));
        }
        match open() {
            Ok(database) => {
                *self = Self::default();
                let database = Arc::new(database);
                *shared.write().unwrap_or_else(PoisonError::into_inner) =
                    Some(Arc::clone(&database));
                Ok(database)
            }
            Err(error) => {
                self.reason = match error {
                    // By this process: somebody still reads from before the error.
                    DatabaseError::DatabaseAlreadyOpen => closed_reason(),
                    error => error.to_string(),
                };
                self.pause = (self.pause * 2).clamp(PAUSE, LOOK);
                self.next = Some(Instant::now() + self.pause);
                Err(LedgerError::Unavailable(self.reason.clone()))
            }
        }
    }
}

fn write_together(database: &Arc<Database>, together: Vec<Work>, shared: &Shared) {
    let mut waiting = Vec::with_capacity(together.len());
    let mut together = together.into_iter();
    let written = (|| {
        let transaction = database.begin_write()?;
        for Work { change, done } in together.by_ref() {
            match change(&transaction) {
                Ok(told) => waiting.push((done, told)),
                // Refused before anything was changed: the others are not concerned.
                Err(Failure::Refused(error)) => {
                    let _ = done.send(Err(error));
                }
                Err(Failure::Lost(error)) => {
                    waiting.push((done, Told::Done));
                    return Err(error);
                }
            }
        }
        transaction.commit()?;
        Ok(())
    })();
    match written {
        Ok(()) => {
            for (done, told) in waiting {
                let _ = done.send(Ok(told));
            }
        }
        Err(error) => {
            // The next work opens it anew, when the last reader has let go of it.
            forget(shared, database);
            let told = lost(&error);
            let unasked = together.map(|work| work.done);
            for done in waiting.into_iter().map(|(done, _)| done).chain(unasked) {
                let _ = done.send(Err(told.clone()));
            }
        }
    }
}
