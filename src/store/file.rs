//! The ledger in a file of its own, for one process.
//!
//! One thread writes. What waits for it is written in one transaction and made durable together, so that the price of a flush
//! to the disk is shared by all sessions that go on at that moment. After an error of the disk the file is opened anew; what
//! had not been acknowledged may be there or not, and what had been is.

mod tables;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use redb::{Database, DatabaseError, WriteTransaction};
use tokio::sync::oneshot;

use super::ledger::{
    Addition, Archived, Beginning, Filed, Kept, KeptAnswer, Later, Ledger, LedgerError, Registered,
    Retention,
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

/// After this long without work the writer looks whether the file has to be opened anew, and so long at most it waits between
/// two attempts.
const LOOK: Duration = Duration::from_secs(1);

/// How long the writer waits after the first attempt to open the file anew; twice as long after each further one.
const PAUSE: Duration = Duration::from_millis(20);

/// A file smaller than this is not made smaller when it is opened, in bytes.
const SMALL: u64 = 64 * 1024 * 1024;

/// With more than this in use, making the file smaller would take too long, in bytes.
const TOO_MUCH_TO_MOVE: u64 = 1024 * 1024 * 1024;

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
                write!(
                    f,
                    "{}: {error}; name a folder that can be written",
                    path.display()
                )
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

/// A change within a transaction.
type Change = dyn FnOnce(&WriteTransaction) -> Result<Told, Failure> + Send;

/// A piece of work: what it changes, and whom it tells.
struct Work {
    change: Box<Change>,
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
    /// What is pruned leaves room in the file for what comes. The file gets smaller when it is opened, if more than half of it is
    /// such room and there is not too much to move.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        make_folder(folder).map_err(|error| OpenError::Folder(folder.to_owned(), error))?;
        let path = folder.join(NAME);
        make_file(&path).map_err(|error| OpenError::Folder(path.clone(), error))?;
        let file = path.clone();
        Self::with(path, move || {
            Database::builder().set_cache_size(CACHE).create(&file)
        })
    }

    fn with(
        path: PathBuf,
        open: impl Fn() -> Result<Database, DatabaseError> + Send + Sync + 'static,
    ) -> Result<Self, OpenError> {
        let open_it = || {
            open().map_err(|error| match error {
                DatabaseError::DatabaseAlreadyOpen => OpenError::InUse(path.clone()),
                error => OpenError::Unreadable(path.clone(), error.to_string()),
            })
        };
        let mut database = open_it()?;
        if wasteful(&database, &path).unwrap_or(false) && database.compact().is_err() {
            // It was for the room only; after an error of the disk the file has to be opened anew.
            drop(database);
            database = open_it()?;
        }
        let unreadable =
            |error: redb::Error| OpenError::Unreadable(path.clone(), error.to_string());
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

/// Makes the folder; what is in it is the owner's alone.
fn make_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

/// Makes the file, if it is not there, for the owner alone, whoever may enter the folder.
fn make_file(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.mode(0o600).open(path).map(drop)
}

/// Whether more than half of a file is room, and what is not can be moved in a moment.
fn wasteful(database: &Database, path: &Path) -> Result<bool, redb::Error> {
    let length = fs::metadata(path).map_or(0, |found| found.len());
    if length < SMALL {
        return Ok(false);
    }
    let transaction = database.begin_write()?;
    let stats = transaction.stats()?;
    let used = stats
        .allocated_pages()
        .saturating_mul(stats.page_size() as u64);
    transaction.abort()?;
    Ok(used < length / 2 && used < TOO_MUCH_TO_MOVE)
}

fn gone() -> LedgerError {
    LedgerError::Unavailable("the file is closed".to_owned())
}

fn closed() -> LedgerError {
    LedgerError::Unavailable(closed_reason())
}

fn closed_reason() -> String {
    "the file is opened anew after an error of the disk".to_owned()
}

fn current(shared: &Shared) -> Option<Arc<Database>> {
    let held = shared.read().unwrap_or_else(PoisonError::into_inner);
    held.clone()
}

/// Lets go of a database that met an error of the disk: it takes nothing more until it is opened anew.
fn forget(shared: &Shared, met: &Arc<Database>) {
    let mut held = shared.write().unwrap_or_else(PoisonError::into_inner);
    if held.as_ref().is_some_and(|held| Arc::ptr_eq(held, met)) {
        *held = None;
    }
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
