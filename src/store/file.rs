//! The ledger in a file of its own, for one process.
//!
//! One thread writes. What waits for it is written in one transaction and made durable together, so that the price of a flush
//! to the disk is shared by all sessions that go on at that moment. After an error of the disk the file is opened anew; what
//! had not been acknowledged may be there or not, and what had been is.

mod tables;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;

use jiff::Timestamp;
use redb::{Database, DatabaseError, WriteTransaction};
use tokio::sync::oneshot;

use super::ledger::{
    Addition, Archived, Beginning, Filed, KeptAnswer, Kept, Later, Ledger, LedgerError,
    Registered, Retention,
};
use tables::{Failure, View};

/// The file's name in the folder of data.
const NAME: &str = "sessions.redb";

/// How much work may wait; beyond that the disk is too slow for what is asked of it, and callers hear so.
const MOST_WAITING: usize = 4096;

/// How much work is made durable together.
const MOST_TOGETHER: usize = 512;

/// Memory for pages of the file.
const CACHE: usize = 64 * 1024 * 1024;

/// Why a file is not opened.
#[derive(Debug)]
pub enum OpenError {
    /// The folder cannot be made or entered.
    Folder(PathBuf, io::Error),
    /// Another process has the file.
    InUse(PathBuf),
    /// The file is of a newer version.
    Newer(PathBuf, u64),
    /// The file cannot be read.
    Unreadable(PathBuf, String),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Folder(path, error) => {
                write!(f, "{}: {error}; name a folder that can be written", path.display())
            }
            OpenError::InUse(path) => write!(
                f,
                "{}: another process has it open; end that one, or name another folder",
                path.display()
            ),
            OpenError::Newer(path, form) => write!(
                f,
                "{}: its form {form} is newer than this version reads; use a newer version",
                path.display()
            ),
            OpenError::Unreadable(path, reason) => {
                write!(f, "{}: {reason}; restore it from a copy", path.display())
            }
        }
    }
}

impl std::error::Error for OpenError {}

/// Opens the storage, at the start and again after an error.
type Opener = dyn Fn() -> Result<Database, DatabaseError> + Send + Sync;

/// What the writer and the readers share; `None` while the file cannot be opened.
type Shared = Arc<RwLock<Option<Arc<Database>>>>;

/// A piece of work: what it changes, and whom it tells.
struct Work {
    change: Box<dyn FnOnce(&WriteTransaction) -> Result<Told, Failure> + Send>,
    done: oneshot::Sender<Result<Told, LedgerError>>,
}

/// What a piece of work came to.
#[derive(Debug, Clone, Copy)]
enum Told {
    Done,
    Filed(Filed),
    Removed(bool),
}

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
    /// # Errors
    /// See [`OpenError`].
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        make_folder(folder).map_err(|error| OpenError::Folder(folder.to_owned(), error))?;
        let path = folder.join(NAME);
        let file = path.clone();
        Self::with(path, move || {
            Database::builder().set_cache_size(CACHE).create(&file)
        })
    }

    fn with(
        path: PathBuf,
        open: impl Fn() -> Result<Database, DatabaseError> + Send + Sync + 'static,
    ) -> Result<Self, OpenError> {
        let database = open().map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => OpenError::InUse(path.clone()),
            error => OpenError::Unreadable(path.clone(), error.to_string()),
        })?;
        let unreadable = |error: redb::Error| OpenError::Unreadable(path.clone(), error.to_string());
        let prepared = (|| {
            let transaction = database.begin_write()?;
            let prepared = tables::prepare(&transaction)?;
            transaction.commit()?;
            Ok(prepared)
        })();
        if let Err(newer) = prepared.map_err(unreadable)? {
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
                let held = database.read().unwrap_or_else(PoisonError::into_inner);
                let held = held.clone().ok_or_else(gone)?;
                let seen = (|| {
                    let transaction = redb::ReadableDatabase::begin_read(&*held)?;
                    look(&View(&transaction))
                })();
                seen.map_err(|failure| match failure {
                    Failure::Refused(error) => error,
                    Failure::Lost(error) => lost(&error),
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

/// Makes the folder; what is in it is the owner's alone.
fn make_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

fn gone() -> LedgerError {
    LedgerError::Unavailable("the file is closed".to_owned())
}

fn lost(error: &redb::Error) -> LedgerError {
    if tables::is_damage(error) {
        LedgerError::Damaged(error.to_string())
    } else {
        LedgerError::Unavailable(error.to_string())
    }
}

/// The writer's life: take what waits, write it together, tell everybody.
fn write(work: &Receiver<Work>, shared: &Shared, open: &Opener) {
    while let Ok(first) = work.recv() {
        let mut together = vec![first];
        while together.len() < MOST_TOGETHER
            && let Ok(next) = work.try_recv()
        {
            together.push(next);
        }
        if let Err(error) = reopen(shared, open) {
            let told = LedgerError::Unavailable(error.to_string());
            for work in together {
                let _ = work.done.send(Err(told.clone()));
            }
            continue;
        }
        let held = shared
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let Some(database) = held else {
            continue;
        };
        write_together(&database, together, shared);
    }
}

/// Opens the file again if an error closed it.
fn reopen(shared: &Shared, open: &Opener) -> Result<(), DatabaseError> {
    let mut held = shared.write().unwrap_or_else(PoisonError::into_inner);
    if held.is_none() {
        *held = Some(Arc::new(open()?));
    }
    Ok(())
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
            // The database takes nothing more after an error of its storage; the next work opens it anew, when the last
            // reader has let go of it.
            *shared.write().unwrap_or_else(PoisonError::into_inner) = None;
            let told = lost(&error);
            let unasked = together.map(|work| work.done);
            for done in waiting.into_iter().map(|(done, _)| done).chain(unasked) {
                let _ = done.send(Err(told.clone()));
            }
        }
    }
}

impl Ledger for File {
    fn shared(&self) -> bool {
        false
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
