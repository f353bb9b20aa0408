//! How the file is made and looked at when it is opened, and why it is not opened.
//!
//! A file that has its name is whole: it is made under another name, and gets its own when it holds all that a new one does. So
//! a crash while it is made leaves none, and one that is empty has lost what it kept.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{Builder, Database};

use super::tables;

/// A file smaller than this is not made smaller when it is opened, in bytes.
const SMALL: u64 = 64 * 1024 * 1024;

/// With more than this in use, making the file smaller would take too long, in bytes.
const TOO_MUCH_TO_MOVE: u64 = 1024 * 1024 * 1024;

/// Why a file is not opened.
#[derive(Debug)]
pub enum OpenError {
    /// The folder cannot be made or entered.
    Folder(PathBuf, io::Error),
    /// The file is there and empty: what it kept is gone.
    Emptied(PathBuf),
    /// Another process has the file.
    InUse(PathBuf),
    /// The file is of a newer version.
    Newer(PathBuf, u64),
    /// The disk has no room for what has to be written when the file is opened.
    NoRoom(PathBuf, io::Error),
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
            OpenError::Emptied(path) => write!(
                f,
                "{}: the file is empty, and what it kept is lost; restore it from a copy, or remove it to begin anew",
                path.display()
            ),
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
            OpenError::NoRoom(path, error) => {
                write!(f, "{}: {error}; make room on its disk", path.display())
            }
            OpenError::Unreadable(path, reason) => {
                write!(f, "{}: {reason}; restore it from a copy", path.display())
            }
        }
    }
}

impl std::error::Error for OpenError {}

impl OpenError {
    /// Whatever else keeps a file from being opened: no damage where there is only no room.
    pub(super) fn met(path: &Path, error: redb::Error) -> Self {
        match error {
            redb::Error::Io(error) if lacks_room(&error) => Self::NoRoom(path.to_owned(), error),
            error => Self::Unreadable(path.to_owned(), error.to_string()),
        }
    }
}

fn lacks_room(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// Makes the folder; what is in it is the owner's alone.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

/// Whether there is something to open.
///
/// # Errors
/// [`OpenError::Emptied`] where it is empty, which it never is when it is left by who made it.
pub(super) fn is_there(path: &Path) -> Result<bool, OpenError> {
    let mut options = fs::OpenOptions::new();
    let opened = options.read(true).write(true).open(path);
    let failed = |error| OpenError::Folder(path.to_owned(), error);
    match opened.and_then(|file| file.metadata()) {
        Ok(found) if found.is_file() && found.len() == 0 => {
            Err(OpenError::Emptied(path.to_owned()))
        }
        Ok(_) => Ok(true),
        // A link that leads nowhere is no place for a new one: its disk may not be mounted.
        Err(error)
            if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(path).is_err() =>
        {
            Ok(false)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Makes the file, for the owner alone, whoever may enter the folder; `None` where another process has made it meanwhile.
///
/// # Errors
/// [`OpenError::InUse`] where another process is making it, and those of the disk.
pub(super) fn make_file(path: &Path, builder: &Builder) -> Result<Option<Database>, OpenError> {
    let met = |error: io::Error| OpenError::met(path, error.into());
    let half = path.with_extension("redb.new");
    let Some(file) = take_half(&half, path)? else {
        return Ok(None);
    };
    // What is in there was left by who died over it.
    file.set_len(0).map_err(met)?;
    let backend = FileBackend::new(file).map_err(|error| OpenError::met(path, error.into()))?;
    let database = builder.create_with_backend(backend);
    let database = database.map_err(|error| OpenError::met(path, error.into()))?;
    let filled = (|| {
        let transaction = database.begin_write()?;
        let prepared = tables::prepare(&transaction)?;
        transaction.commit()?;
        Ok(prepared)
    })();
    // A file without a form has none that is newer.
    let _: Result<(), u64> = filled.map_err(|error| OpenError::met(path, error))?;
    fs::rename(&half, path).map_err(met)?;
    if let Some(folder) = path.parent() {
        fs::File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(met)?;
    }
    Ok(Some(database))
}

/// The file under the name that it has until it is whole, locked; `None` where it has become the whole one.
fn take_half(half: &Path, path: &Path) -> Result<Option<fs::File>, OpenError> {
    use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
    let failed = |error| OpenError::Folder(half.to_owned(), error);
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let file = options.mode(0o600).open(half).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => return Err(OpenError::InUse(path.to_owned())),
        Err(fs::TryLockError::Error(error)) => return Err(failed(error)),
    }
    // Only who has the lock gives the file its name. Whoever had it before may have done so since this one was opened.
    let own = file.metadata().map_err(failed)?;
    let same = fs::symlink_metadata(half)
        .is_ok_and(|found| (found.dev(), found.ino()) == (own.dev(), own.ino()));
    if same && is_there(path)? {
        fs::remove_file(half).map_err(failed)?;
        return Ok(None);
    }
    Ok(same.then_some(file))
}

/// Whether more than half of a file is room, and what is not can be moved in a moment.
pub(super) fn wasteful(database: &Database, path: &Path) -> Result<bool, redb::Error> {
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
