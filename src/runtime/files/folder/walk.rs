//! Opening what lies below a folder, and nothing else.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::failure;
use crate::runtime::files::failure::Failure;

/// How often the system may say that it cannot tell where a path led, since something was moved meanwhile.
#[cfg(target_os = "linux")]
const MOST_TRIES: u32 = 64;

/// Opens what a path names below a folder. Links that stay below may be followed; one that leads out is refused, however
/// quickly it was put there.
///
/// # Errors
/// [`Failure::Link`] for a path that leads out, and what the system can fail with.
pub fn open_below(folder: BorrowedFd<'_>, path: &str, flags: OFlags) -> Result<OwnedFd, Failure> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::ResolveFlags;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let flags = flags | OFlags::CLOEXEC | OFlags::NOCTTY;
        for _ in 0..MOST_TRIES {
            match rustix::fs::openat2(folder, path, flags, Mode::empty(), resolve) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                // An old system, or one that forbids the call, has to do without links.
                Err(Errno::NOSYS | Errno::PERM) => return walk(folder, path, flags),
                opened => return opened.map_err(failure),
            }
        }
        Err(Failure::Broken)
    }
    #[cfg(not(target_os = "linux"))]
    walk(folder, path, flags | OFlags::CLOEXEC | OFlags::NOCTTY)
}

/// The same, name by name; no link is followed at all.
pub(super) fn walk(folder: BorrowedFd<'_>, path: &str, flags: OFlags) -> Result<OwnedFd, Failure> {
    let mut above: Option<OwnedFd> = None;
    let mut names = path.split('/').peekable();
    while let Some(name) = names.next() {
        let parent = above.as_ref().map_or(folder, |above| above.as_fd());
        let last = names.peek().is_none();
        let flags = if last {
            flags
        } else {
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC
        };
        let opened = rustix::fs::openat(parent, name, flags | OFlags::NOFOLLOW, Mode::empty());
        let opened = match opened {
            // A link in the place of a folder is told like this too.
            Err(Errno::NOTDIR) if is_link(parent, name) => return Err(Failure::Link),
            opened => opened.map_err(failure)?,
        };
        if last {
            return Ok(opened);
        }
        above = Some(opened);
    }
    Err(Failure::NotFound)
}

fn is_link(folder: BorrowedFd<'_>, name: &str) -> bool {
    let status = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
    status.is_ok_and(|status| FileType::from_raw_mode(status.st_mode) == FileType::Symlink)
}
