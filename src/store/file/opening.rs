//! How the file is made and looked at when it is opened, and why it is not opened.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use redb::Database;

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

/// Makes the file, if it is not there, for the owner alone, whoever may enter the folder.
pub(super) fn make_file(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.mode(0o600).open(path).map(drop)
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
