//! Files in folders of this machine. Nothing here trusts a name twice: what is looked at is what is held open, so that nobody
//! can put a link in its place in between (`spec/storage.md`, 3.3 and 4.4).

mod walk;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use uuid::Uuid;

use super::failure::Failure;
use super::parts::StorageParts;
use super::root::Root;
use super::{Found, Stored};

pub use walk::open_below;

/// What a folder is opened with.
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY);

/// A place in a folder that the operator allows.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The allowed folder on this machine.
    folder: String,
    /// The path from there.
    path: String,
    /// How many segments of the path belong to the root; the others must not lead out of it.
    depth: usize,
}

impl Place {
    /// Where a file below a root is, seen from an allowed prefix that holds the root.
    pub(super) fn of(allowed: &Root, root: &Root, path: &str) -> Self {
        let below = root.segments().get(allowed.segments().len()..);
        let below = below.unwrap_or_default();
        let mut full = below.join("/");
        if !full.is_empty() {
            full.push('/');
        }
        full.push_str(path);
        Self {
            folder: format!("/{}", allowed.segments().join("/")),
            path: full,
            depth: below.len(),
        }
    }

    /// The root's part of the path, and the rest.
    fn split(&self) -> (&str, &str) {
        let end = self
            .path
            .match_indices('/')
            .nth(self.depth.wrapping_sub(1))
            .map(|(index, _)| index);
        match (self.depth, end) {
            (0, _) | (_, None) => ("", &self.path),
            (_, Some(end)) => {
                let (root, rest) = self.path.split_at(end);
                (root, rest.strip_prefix('/').unwrap_or(rest))
            }
        }
    }

    fn open_allowed(&self) -> Result<OwnedFd, Failure> {
        rustix::fs::open(
            self.folder.as_str(),
            FOLDER | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(|errno| match errno {
            Errno::NOENT | Errno::NOTDIR => Failure::NoPlace,
            other => failure(other),
        })
    }
}

/// Reads a file of at most `limit` bytes.
pub(super) fn read(
    rules: &dyn StorageParts,
    place: &Place,
    limit: usize,
) -> Result<Found, Failure> {
    let allowed = place.open_allowed()?;
    let (root, path) = place.split();
    let below;
    let folder = if root.is_empty() {
        allowed.as_fd()
    } else {
        below = rules.open_below(allowed.as_fd(), root, FOLDER)?;
        below.as_fd()
    };
    // Without a wait: opening a pipe would else last until somebody writes into it.
    let file = rules
        .open_below(folder, path, OFlags::RDONLY | OFlags::NONBLOCK)
        .map_err(|failure| match failure {
            // So long a name no file here can have.
            Failure::LongName => Failure::NotFound,
            other => other,
        })?;
    let bytes = read_whole(file, limit)?;
    Ok(Found { bytes, etag: None })
}

fn read_whole(file: OwnedFd, limit: usize) -> Result<Vec<u8>, Failure> {
    let status = rustix::fs::fstat(&file).map_err(failure)?;
    if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
        return Err(Failure::NotFound);
    }
    // The size that it states is not trusted: it can grow while it is read.
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    File::from(file)
        .take(most)
        .read_to_end(&mut bytes)
        .map_err(|_| Failure::Broken)?;
    if bytes.len() > limit {
        return Err(Failure::TooLarge(limit));
    }
    Ok(bytes)
}

/// Writes a file, and the folders on the way to it; `wanted` turns false when nobody waits for it any more.
pub(super) fn write(
    rules: &dyn StorageParts,
    place: &Place,
    bytes: &[u8],
    wanted: &AtomicBool,
) -> Result<Stored, Failure> {
    let allowed = place.open_allowed()?;
    // Before anything is made: a refused write leaves no folders behind.
    if !rules.names_fit(allowed.as_fd(), &place.path) {
        return Err(Failure::LongName);
    }
    let (root, path) = place.split();
    let below;
    let folder = if root.is_empty() {
        allowed.as_fd()
    } else {
        below = rules.make_folders(allowed.as_fd(), root)?;
        below.as_fd()
    };
    let above;
    let (folder, name) = match path.rsplit_once('/') {
        None => (folder, path),
        Some((folders, name)) => {
            above = rules.make_folders(folder, folders)?;
            (above.as_fd(), name)
        }
    };
    let created = rules.replace(&Replacement {
        folder,
        name,
        bytes,
        wanted,
    })?;
    Ok(Stored {
        created,
        etag: None,
    })
}

/// Whether no name in a path is longer than a folder's file system takes, as far as that says so.
pub fn names_fit(folder: BorrowedFd<'_>, path: &str) -> bool {
    let longest = rustix::fs::fstatvfs(folder).map_or(0, |system| system.f_namemax);
    let longest = usize::try_from(longest).unwrap_or(usize::MAX);
    longest == 0 || path.split('/').all(|name| name.len() <= longest)
}

/// Opens a folder below another; those on the way that are missing are made.
///
/// # Errors
/// [`Failure::NotFound`] where a file stands in the way, and what opening and making folders can fail with.
pub fn make_folders(
    rules: &(impl StorageParts + ?Sized),
    folder: BorrowedFd<'_>,
    path: &str,
) -> Result<OwnedFd, Failure> {
    match rules.open_below(folder, path, FOLDER) {
        Err(Failure::NotFound) => {}
        opened => return opened,
    }
    let mut ends: Vec<usize> = path.match_indices('/').map(|(index, _)| index).collect();
    ends.push(path.len());
    let mut above: Option<OwnedFd> = None;
    let mut start = 0;
    for end in ends {
        let (so_far, name) = (
            path.get(..end).unwrap_or_default(),
            path.get(start..end).unwrap_or_default(),
        );
        start = end + 1;
        // Always seen from the top: a link on the way may lead up again, as long as it stays below.
        let opened = match rules.open_below(folder, so_far, FOLDER) {
            Err(Failure::NotFound) => {
                let parent = above.as_ref().map_or(folder, |above| above.as_fd());
                match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o777)) {
                    // Somebody else was faster, or something else stands there; opening it tells.
                    Ok(()) | Err(Errno::EXIST) => rules.open_below(folder, so_far, FOLDER)?,
                    Err(errno) => return Err(failure(errno)),
                }
            }
            opened => opened?,
        };
        above = Some(opened);
    }
    above.ok_or(Failure::NotFound)
}

/// A file's new content.
pub struct Replacement<'a> {
    /// The folder in which it stands, held open.
    pub folder: BorrowedFd<'a>,
    /// Its name there.
    pub name: &'a str,
    /// The content.
    pub bytes: &'a [u8],
    /// Turns false when nobody waits for the write any more: then it must not happen.
    pub wanted: &'a AtomicBool,
}

/// Puts a file in the place of another at once, or where none was, and tells whether it is new.
///
/// The content is written beside it under a name that no path can have, and reaches the disk before the name does. A crash
/// leaves the old file or the new one, and perhaps that other one, which is nobody's.
///
/// # Errors
/// Where something other than a file has the name, and what the system can fail with.
pub fn replace(new: &Replacement<'_>) -> Result<bool, Failure> {
    let old = match rustix::fs::statat(new.folder, new.name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(status) => Some(status.st_mode),
        Err(Errno::NOENT) => None,
        Err(errno) => return Err(failure(errno)),
    };
    match old.map(FileType::from_raw_mode) {
        None | Some(FileType::RegularFile) => {}
        // To write through a link would need its target's folder, which it alone names.
        Some(FileType::Symlink) => return Err(Failure::Link),
        Some(_) => return Err(Failure::NotFound),
    }
    let beside = Beside::write(new, old.map(Mode::from_raw_mode))?;
    if !new.wanted.load(Ordering::SeqCst) {
        return Err(Failure::Silent);
    }
    let created = beside.take_place(new.name).map_err(failure)?;
    // Some file systems cannot do this with a folder; the content is on the disk anyway.
    let _ = rustix::fs::fsync(new.folder);
    Ok(created)
}

/// A file beside the one that it will be; gone when it does not come to that.
struct Beside<'a> {
    folder: BorrowedFd<'a>,
    name: String,
}

impl<'a> Beside<'a> {
    fn write(new: &Replacement<'a>, mode: Option<Mode>) -> Result<Self, Failure> {
        let beside = Self {
            folder: new.folder,
            // A path never holds a colon (4.1).
            name: format!(".oap:{}", Uuid::new_v4().simple()),
        };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let file = rustix::fs::openat(
            beside.folder,
            beside.name.as_str(),
            flags | OFlags::CLOEXEC,
            Mode::from_raw_mode(0o666),
        )
        .map_err(failure)?;
        if let Some(mode) = mode {
            // Rights to read, write and execute only: that somebody else's program runs as its owner was said of the old content.
            let rights = mode.intersection(Mode::from_raw_mode(0o777));
            rustix::fs::fchmod(&file, rights).map_err(failure)?;
        }
        let mut file = File::from(file);
        file.write_all(new.bytes)
            .and_then(|()| file.sync_all())
            .map_err(|error| Errno::from_io_error(&error).map_or(Failure::Broken, failure))?;
        Ok(beside)
    }

    /// Takes a name; true if nothing had it. Of several that take a new name at once, one is told so.
    fn take_place(mut self, name: &str) -> Result<bool, Errno> {
        match self.take_free(name) {
            Ok(()) => {
                self.name.clear();
                Ok(true)
            }
            Err(Errno::EXIST) => {
                rustix::fs::renameat(self.folder, self.name.as_str(), self.folder, name)?;
                self.name.clear();
                Ok(false)
            }
            Err(errno) => Err(errno),
        }
    }

    /// Takes a name if it is free.
    fn take_free(&self, name: &str) -> Result<(), Errno> {
        #[cfg(target_os = "linux")]
        match rustix::fs::renameat_with(
            self.folder,
            self.name.as_str(),
            self.folder,
            name,
            rustix::fs::RenameFlags::NOREPLACE,
        ) {
            // Not every file system knows the flag.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            renamed => return renamed,
        }
        rustix::fs::linkat(
            self.folder,
            self.name.as_str(),
            self.folder,
            name,
            AtFlags::empty(),
        )?;
        let _ = rustix::fs::unlinkat(self.folder, self.name.as_str(), AtFlags::empty());
        Ok(())
    }
}

impl Drop for Beside<'_> {
    fn drop(&mut self) {
        if !self.name.is_empty() {
            let _ = rustix::fs::unlinkat(self.folder, self.name.as_str(), AtFlags::empty());
        }
    }
}

/// What an error of the system means.
pub fn failure(errno: Errno) -> Failure {
    match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::ISDIR | Errno::NXIO => Failure::NotFound,
        Errno::XDEV | Errno::LOOP => Failure::Link,
        Errno::NAMETOOLONG => Failure::LongName,
        Errno::NOSPC | Errno::DQUOT | Errno::FBIG => Failure::Full,
        Errno::ACCESS | Errno::PERM | Errno::ROFS => Failure::KeyRefused,
        _ => Failure::Broken,
    }
}

#[cfg(test)]
mod tests;
