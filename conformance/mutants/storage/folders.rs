//! Mutants of what happens in folders: making them, replacing files in them, and links.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::thread::sleep;
use std::time::Duration;

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::mutants::Mutant;
use crate::runtime::Parts;
use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::files::StorageParts;
use crate::runtime::files::content::{self, WriteInput};
use crate::runtime::files::failure::Failure;
use crate::runtime::files::folder::{self, Replacement, failure};

/// How long a mutant stops in the middle, so that others meet it there.
const PAUSE: Duration = Duration::from_millis(20);

type Opened = Result<OwnedFd, Failure>;

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [making(), replacing(), links(), telling()]
        .into_iter()
        .flatten()
        .collect()
}

fn making() -> Vec<Mutant> {
    vec![
        swap_storage!(
            "folders-are-not-made",
            "STO-014",
            "finds no place for a file whose directory is missing",
            fn make_folders(&self, above: BorrowedFd<'_>, path: &str) -> Opened {
                folder::open_below(above, path, OFlags::RDONLY | OFlags::DIRECTORY)
            }
        ),
        swap_storage!(
            "one-folder-is-made",
            "STO-014",
            "makes the first directory that is missing, and not those within it",
            fn make_folders(&self, above: BorrowedFd<'_>, path: &str) -> Opened {
                let first = path.split('/').next().unwrap_or_default();
                // It may be there already; opening it tells.
                let _ = rustix::fs::mkdirat(above, first, Mode::from_raw_mode(0o777));
                folder::open_below(above, path, OFlags::RDONLY | OFlags::DIRECTORY)
            }
        ),
        swap_storage!(
            "what-is-in-the-way-is-a-fault",
            "STO-014",
            "takes a directory or a file in the way of a write for a failure of the store",
            fn make_folders(&self, above: BorrowedFd<'_>, path: &str) -> Opened {
                folder::make_folders(self, above, path).map_err(|_| Failure::Broken)
            },
            fn replace(&self, new: &Replacement<'_>) -> Result<bool, Failure> {
                folder::replace(new).map_err(|_| Failure::Broken)
            }
        ),
        swap_storage!(
            "refused-writes-leave-directories",
            "STO-014",
            "makes the directories on the way to a file before it finds the file's name too long",
            fn names_fit(&self, _: BorrowedFd<'_>, _: &str) -> bool {
                true
            }
        ),
        swap_storage!(
            "only-flat-names",
            "STO-014",
            "writes files at the top of a root only",
            fn write_input(&self, args: &serde_json::Value) -> Result<WriteInput, ErrorObject> {
                let input = content::write_input(args)?;
                if input.path.contains('/') {
                    let message = "there is no such directory";
                    return Err(ErrorObject::new(Code::FileNotFound, message));
                }
                Ok(input)
            }
        ),
    ]
}

/// Writes into a file where it stands, in two halves; whether it was made for that.
fn in_place(new: &Replacement<'_>, flags: OFlags) -> Result<bool, Failure> {
    let old = rustix::fs::statat(new.folder, new.name, AtFlags::empty());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC | flags;
    let file = rustix::fs::openat(new.folder, new.name, flags, Mode::from_raw_mode(0o666));
    let mut file = File::from(file.map_err(failure)?);
    let (first, second) = new.bytes.split_at(new.bytes.len() / 2);
    let written = file.write_all(first).and_then(|()| {
        sleep(PAUSE);
        file.write_all(second)
    });
    written.map_err(|_| Failure::Broken)?;
    Ok(old.is_err())
}

fn replacing() -> Vec<Mutant> {
    vec![
        swap_storage!(
            "writes-in-place",
            "STO-012",
            "empties a file and fills it while others read and write it",
            fn replace(&self, new: &Replacement<'_>) -> Result<bool, Failure> {
                in_place(new, OFlags::TRUNC | OFlags::NOFOLLOW)
            }
        ),
        swap_storage!(
            "old-ends-stay",
            "STO-010",
            "writes over the beginning of an old file and leaves its end",
            fn replace(&self, new: &Replacement<'_>) -> Result<bool, Failure> {
                in_place(new, OFlags::NOFOLLOW)
            }
        ),
        swap_storage!(
            "asks-before-it-creates",
            "STO-011",
            "asks whether a file is there some time before it writes it",
            fn replace(&self, new: &Replacement<'_>) -> Result<bool, Failure> {
                let found = rustix::fs::statat(new.folder, new.name, AtFlags::SYMLINK_NOFOLLOW);
                sleep(PAUSE);
                folder::replace(new)?;
                Ok(found.is_err())
            }
        ),
        swap_storage!(
            "directories-are-faults",
            "STO-007",
            "takes a directory in the place of a file for a failure of the store",
            fn open_below(&self, above: BorrowedFd<'_>, path: &str, flags: OFlags) -> Opened {
                let opened = folder::open_below(above, path, flags)?;
                let status = rustix::fs::fstat(&opened).map_err(failure)?;
                let is_folder = FileType::from_raw_mode(status.st_mode) == FileType::Directory;
                match is_folder && !flags.contains(OFlags::DIRECTORY) {
                    true => Err(Failure::Broken),
                    false => Ok(opened),
                }
            }
        ),
    ]
}

/// Opens a path and follows whatever links are on it.
fn follow(above: BorrowedFd<'_>, path: &str, flags: OFlags) -> Opened {
    rustix::fs::openat(above, path, flags | OFlags::CLOEXEC, Mode::empty()).map_err(failure)
}

fn links() -> Vec<Mutant> {
    vec![
        swap_storage!(
            "links-are-followed",
            "STO-020",
            "follows links wherever they lead",
            fn open_below(&self, above: BorrowedFd<'_>, path: &str, flags: OFlags) -> Opened {
                follow(above, path, flags)
            },
            fn replace(&self, new: &Replacement<'_>) -> Result<bool, Failure> {
                in_place(new, OFlags::TRUNC)
            }
        ),
        swap_storage!(
            "only-links-on-the-way-are-refused",
            "STO-020",
            "looks for links in the directories of a path, not at its end",
            fn open_below(&self, above: BorrowedFd<'_>, path: &str, flags: OFlags) -> Opened {
                let Some((folders, name)) = path.rsplit_once('/') else {
                    return follow(above, path, flags);
                };
                let folders =
                    folder::open_below(above, folders, OFlags::RDONLY | OFlags::DIRECTORY)?;
                follow(folders.as_fd(), name, flags)
            },
            fn replace(&self, new: &Replacement<'_>) -> Result<bool, Failure> {
                in_place(new, OFlags::TRUNC)
            }
        ),
        swap_storage!(
            "only-last-links-are-refused",
            "STO-020",
            "looks for links at the end of a path, not in its directories",
            fn open_below(&self, above: BorrowedFd<'_>, path: &str, flags: OFlags) -> Opened {
                follow(above, path, flags | OFlags::NOFOLLOW)
            }
        ),
        swap_storage!(
            "circles-are-faults",
            "STO-020",
            "takes links in a circle for a failure of the store",
            fn open_below(&self, above: BorrowedFd<'_>, path: &str, flags: OFlags) -> Opened {
                let followed = rustix::fs::openat(above, path, flags, Mode::empty());
                match followed {
                    Err(Errno::LOOP) => Err(Failure::Broken),
                    _ => folder::open_below(above, path, flags),
                }
            }
        ),
    ]
}

fn telling() -> Vec<Mutant> {
    vec![
        swap_storage!(
            "links-tell-what-is-there",
            "STO-021",
            "finds nothing where a link leads to nothing, and refuses the others",
            fn open_below(&self, above: BorrowedFd<'_>, path: &str, flags: OFlags) -> Opened {
                folder::open_below(above, path, flags).map_err(|found| {
                    let behind = follow(above, path, OFlags::RDONLY | OFlags::NONBLOCK);
                    match (found, behind) {
                        (Failure::Link, Err(Failure::NotFound)) => Failure::NotFound,
                        (found, _) => found,
                    }
                })
            }
        ),
        Mutant::part(
            "refusals-tell-what-is-there",
            "STO-021",
            "refuses dots within a path only if there is a file where they lead",
            Curious,
        ),
    ]
}

/// Looks where dots would lead before it refuses them.
struct Curious;

/// A path whose dots do not climb out of their first folder.
const WITHIN: &str = "/../";

impl StorageParts for Curious {
    fn check_segments(&self, path: &str) -> Result<(), ErrorObject> {
        match path.contains(WITHIN) {
            true => Ok(()),
            false => crate::runtime::files::path::check_segments(path),
        }
    }

    fn open_below(&self, above: BorrowedFd<'_>, path: &str, flags: OFlags) -> Opened {
        let opened = folder::open_below(above, path, flags);
        match path.contains(WITHIN) {
            true => Err(opened.err().unwrap_or(Failure::Link)),
            false => opened,
        }
    }
}

impl Parts for Curious {
    fn storage(&self) -> &dyn StorageParts {
        self
    }
}
