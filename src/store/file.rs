//! The ledger in a file of its own, for one process.
//!
//! One thread writes. What waits for it is written in one transaction and made durable together, so that the price of a flush
//! to the disk is shared by all sessions that go on at that moment. After an error of the disk the file is opened anew; what
//! had not been acknowledged may be there or not, and what had been is.

mod opening;
mod tables;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;
use redb::{Builder, Database, DatabaseError, WriteTransaction};
use tokio::sync::oneshot;

use super::ledger::{
    Addition, Archived, Beginning, Count, Filed, Kept, KeptAnswer, Later, Ledger, LedgerError,
    Place, Registered, Retention,
};
pub use opening::OpenError;
use opening::{is_there, make_file, make_folder, wasteful};
use tables::{Failure, View};
use writer::{Shared, Told, Work, closed, current, forget, lost, write};

/// The file's name in the folder of data.
const NAME: &str = "sessions.redb";

/// How much work may wait; beyond that the disk is too slow for what is asked of it, and callers hear so.
const MOST_WAITING: usize = 4096;

/// Memory for pages of the file.
const CACHE: usize = 64 * 1024 * 1024;

/// The ledger in a file.
pub struct File {
    database: Shared,
    work: Option<SyncSender<Work>>,
    writer: Option<JoinHandle<()>>,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").finish_non_exhaustive()
    }
}

impl File {
    /// Opens the ledger in this folder, which is made if it is not there.
    ///
    /// What is pruned leaves room in the file for what comes. The file gets smaller when it is opened, if more than half of it is
    /// such room and there is not too much to move.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        make_folder(folder).map_err(|error| OpenError::Folder(folder.to_owned(), error))?;
        let path = folder.join(NAME);
        let made = match is_there(&path)? {
            true => None,
            false => make_file(&path, &builder())?,
        };
        let file = path.clone();
        Self::with(path, made, move || builder().open(&file))
    }

    /// `made`: the database, where it was just made.
    fn with(
        path: PathBuf,
        made: Option<Database>,
        open: impl Fn() -> Result<Database, DatabaseError> + Send + Sync + 'static,
    ) -> Result<Self, OpenError> {
        let open_it = || {
            open().map_err(|error| match error {
                DatabaseError::DatabaseAlreadyOpen => OpenError::InUse(path.clone()),
                error => OpenError::met(&path, error.into()),
            })
        };
        let mut database = match made {
            Some(database) => database,
            None => open_it()?,
        };
        if wasteful(&database, &path).unwrap_or(false) && database.compact().is_err() {
            // It was for the room only; after an error of the disk the file has to be opened anew.
            drop(database);
            database = open_it()?;
        }
        let prepared = (|| {
            let transaction = database.begin_write()?;
            let prepared = tables::prepare(&transaction)?;
            transaction.commit()?;
            Ok(prepared)
        })();
        if let Err(newer) = prepared.map_err(|error| OpenError::met(&path, error))? {
            return Err(OpenError::Newer(path, newer));
        }
        let database: Shared = Arc::new(RwLock::new(Some(Arc::new(database))));
        let (sender, receiver) = sync_channel(MOST_WAITING);
        let shared = Arc::clone(&database);
        let writer = std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || write(&receiver, &shared, &open))
            .map_err(|error| OpenError::Folder(path, error))?;
        Ok(Self {
            database,
            work: Some(sender),
            writer: Some(writer),
        })
    }

    /// Has the writer do something.
    fn ask<'a>(
        &'a self,
        change: impl FnOnce(&WriteTransaction) -> Result<Told, Failure> + Send + 'static,
    ) -> Later<'a, Told> {
        let (done, told) = oneshot::channel();
        let change = Box::new(change);
        let sent = match &self.work {
            Some(work) => work.try_send(Work { change, done }),
            None => return Box::pin(std::future::ready(Err(gone()))),
        };
        Box::pin(async move {
            match sent {
                Ok(()) => told.await.unwrap_or_else(|_| Err(gone())),
                Err(TrySendError::Full(_)) => Err(LedgerError::Unavailable(
                    "more waits to be written than the disk keeps up with".to_owned(),
                )),
                Err(TrySendError::Disconnected(_)) => Err(gone()),
            }
        })
    }

    fn do_it<'a>(
        &'a self,
        change: impl FnOnce(&WriteTransaction) -> Result<(), Failure> + Send + 'static,
    ) -> Later<'a, ()> {
        let asked = self.ask(move |transaction| change(transaction).map(|()| Told::Done));
        Box::pin(async move { asked.await.map(drop) })
    }

    /// Reads on a thread that may wait for the disk.
    fn read<'a, T: Send + 'static>(
        &self,
        look: impl FnOnce(&View<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Later<'a, T> {
        let database = Arc::clone(&self.database);
        Box::pin(async move {
            let read = tokio::task::spawn_blocking(move || {
                let held = current(&database).ok_or_else(closed)?;
                let seen = (|| {
                    let transaction = redb::ReadableDatabase::begin_read(&*held)?;
                    look(&View(&transaction))
                })();
                seen.map_err(|failure| match failure {
                    Failure::Refused(error) => error,
                    Failure::Lost(error) => {
                        forget(&database, &held);
                        lost(&error)
                    }
                })
            });
            read.await.unwrap_or_else(|_| Err(gone()))
        })
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // Without a sender the writer ends when it has written what waits.
        drop(self.work.take());
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE);
    builder
}

fn gone() -> LedgerError {
    LedgerError::Unavailable("the file is closed".to_owned())
}

impl Ledger for File {
    fn lease(&self) -> Option<Duration> {
        None
    }

    fn begin(&self, beginning: Beginning) -> Later<'_, ()> {
        self.do_it(move |transaction| tables::begin(transaction, beginning))
    }

    fn add(&self, addition: Addition) -> Later<'_, ()> {
        self.do_it(move |transaction| tables::add(transaction, addition))
    }

    fn load<'a>(&'a self, id: &'a str, after: u64) -> Later<'a, Option<Kept>> {
        let id = id.to_owned();
        self.read(move |view| view.session(&id, after))
    }

    fn claim<'a>(&'a self, _: &'a str) -> Later<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn release(&self, _: &str) {}

    fn touch<'a>(&'a self, id: &'a str, at: Timestamp) -> Later<'a, ()> {
        let id = id.to_owned();
        self.do_it(move |transaction| tables::touch(transaction, &id, at))
    }

    fn archived<'a>(&'a self, id: &'a str) -> Later<'a, Option<Archived>> {
        let id = id.to_owned();
        self.read(move |view| view.archived(&id))
    }

    fn answer<'a>(&'a self, scope: &'a str) -> Later<'a, Option<KeptAnswer>> {
        let scope = scope.to_owned();
        self.read(move |view| view.answer(&scope))
    }

    fn keep_answer(&self, answer: KeptAnswer) -> Later<'_, ()> {
        self.do_it(move |transaction| tables::keep_answer(transaction, answer))
    }

    fn count<'a>(&'a self, scope: &'a str) -> Later<'a, Option<String>> {
        let scope = scope.to_owned();
        self.read(move |view| view.count(&scope))
    }

    fn recount(&self, before: Option<String>, count: Count) -> Later<'_, ()> {
        self.do_it(move |transaction| tables::recount(transaction, before.as_deref(), &count))
    }

    fn forget_counts(&self, before: Timestamp) -> Later<'_, ()> {
        self.do_it(move |transaction| tables::forget_counts(transaction, before))
    }

    fn manifests_revision(&self) -> Later<'_, u64> {
        self.read(|view| view.revision())
    }

    fn manifests(&self) -> Later<'_, Vec<Registered>> {
        self.read(|view| view.manifests())
    }

    fn file_manifest(&self, manifest: Registered, answer: Option<KeptAnswer>) -> Later<'_, Filed> {
        let asked = self.ask(move |transaction| {
            tables::file_manifest(transaction, manifest, answer).map(Told::Filed)
        });
        Box::pin(async move {
            match asked.await? {
                Told::Filed(filed) => Ok(filed),
                Told::Done | Told::Removed(_) => Err(gone()),
            }
        })
    }

    fn remove_manifest<'a>(&'a self, name: &'a str, version: &'a str) -> Later<'a, bool> {
        let (name, version) = (name.to_owned(), version.to_owned());
        let asked = self.ask(move |transaction| {
            tables::remove_manifest(transaction, &name, &version).map(Told::Removed)
        });
        Box::pin(async move {
            match asked.await? {
                Told::Removed(removed) => Ok(removed),
                Told::Done | Told::Filed(_) => Err(gone()),
            }
        })
    }

    fn document<'a>(&'a self, digest: &'a str) -> Later<'a, Option<String>> {
        let digest = digest.to_owned();
        self.read(move |view| view.document(&digest))
    }

    fn owned<'a>(
        &'a self,
        owner: &'a str,
        after: Option<Place>,
        most: usize,
    ) -> Later<'a, Vec<Place>> {
        let owner = owner.to_owned();
        self.read(move |view| view.owned(&owner, after.as_ref(), most))
    }

    fn idle(&self, before: Timestamp, most: usize) -> Later<'_, Vec<String>> {
        self.read(move |view| view.idle(before, most))
    }

    fn in_flight(&self, most: usize) -> Later<'_, Vec<String>> {
        self.read(move |view| view.in_flight(most))
    }

    fn open_sessions(&self) -> Later<'_, u64> {
        self.read(|view| view.open_sessions())
    }

    fn prune(&self, retention: Retention) -> Later<'_, ()> {
        self.do_it(move |transaction| tables::prune(transaction, retention))
    }
}
