//! Where precompiled code is kept between processes: a folder of the user that nobody else may enter.
//!
//! A file is used only when the folder and it belong to this user and are closed to all others, and when its content has the
//! digest that it begins with. It is read wholly before it is checked, and what was checked is what is used.

use std::fs::{DirBuilder, File};
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, Mode, OFlags, Stat};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

/// What a file of ours begins with; the digest of the rest follows.
const MAGIC: &[u8; 16] = b"oap-conform code";

/// Most bytes of code that are read; the largest guest has a fifth of it.
const MOST_BYTES: u64 = 256 * 1024 * 1024;

/// How a file is called while it is written.
const UNFINISHED: &str = ".new-";

/// After this time an unfinished file belongs to no process any more.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Code of another version that was made so long ago is not expected to be used again.
const OUTDATED: Duration = Duration::from_hours(30 * 24);

/// Content of a file that this user wrote, whole and unchanged. Only this module makes one.
pub(super) struct Checked(Vec<u8>);

impl Checked {
    /// The content, without what identifies the file.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A folder that is fit for code.
#[derive(Debug)]
pub(super) struct Folder {
    handle: OwnedFd,
    path: PathBuf,
}

impl Folder {
    /// Opens the sub-folder `key` of the user's cache folder, and makes both where they are missing.
    ///
    /// # Errors
    /// Why there is none that may be used, and what to do about it.
    pub(super) fn open(key: &str) -> Result<Self, String> {
        Self::open_in(&root(|name| std::env::var_os(name))?, key)
    }

    pub(super) fn open_in(root: &Path, key: &str) -> Result<Self, String> {
        let cannot = |path: &Path, reason: &dyn std::fmt::Display| {
            format!(
                "cannot use {}: {reason}; name another folder in OAP_CONFORM_CACHE",
                path.display()
            )
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(root)
            .map_err(|error| cannot(root, &error))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let above = rustix::fs::open(root, flags, Mode::empty())
            .map_err(|error| cannot(root, &std::io::Error::from(error)))?;
        // Others may look into the folder above, for it holds no code itself, but not change it.
        private(&above, 0o022).map_err(|reason| cannot(root, &reason))?;
        let path = root.join(key);
        let errno = |error: Errno| cannot(&path, &std::io::Error::from(error));
        match rustix::fs::mkdirat(&above, key, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(errno(error)),
        }
        let handle = rustix::fs::openat(&above, key, flags | OFlags::NOFOLLOW, Mode::empty())
            .map_err(errno)?;
        private(&handle, 0o077).map_err(|reason| cannot(&path, &reason))?;
        Ok(Self { handle, path })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The content of a file that [`Folder::write`] wrote; `None` when there is no such file, or it is not as it was written.
    pub(super) fn read(&self, name: &str) -> Option<Checked> {
        // Not blocking: a pipe of that name must not hold us up.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let handle = rustix::fs::openat(&self.handle, name, flags, Mode::empty()).ok()?;
        let stat = private(&handle, 0o077).ok()?;
        if !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() {
            return None;
        }
        let size = u64::try_from(stat.st_size)
            .ok()
            .filter(|size| *size <= MOST_BYTES)?;
        let mut file = File::from(handle);
        let mut head = [0_u8; MAGIC.len() + 32];
        file.read_exact(&mut head).ok()?;
        let (magic, sum) = head.split_at(MAGIC.len());
        let mut content = Vec::with_capacity(usize::try_from(size).ok()?);
        file.take(MOST_BYTES).read_to_end(&mut content).ok()?;
        let whole = magic == MAGIC && Sha256::digest(&content).as_slice() == sum;
        whole.then_some(Checked(content))
    }

    /// Keeps content under a name, all of it or nothing, and drops other files of the same `family`: their name begins with it.
    ///
    /// # Errors
    /// Why it could not be written; the folder is as before.
    pub(super) fn write(&self, family: &str, name: &str, content: &[u8]) -> Result<(), String> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let unfinished = format!(
            "{UNFINISHED}{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let done = self.write_as(&unfinished, content).and_then(|()| {
            rustix::fs::renameat(&self.handle, &unfinished, &self.handle, name)
                .map_err(std::io::Error::from)
        });
        match done {
            Ok(()) => {
                self.tidy(family, name);
                Ok(())
            }
            Err(error) => {
                // Best effort: what stays is found as abandoned later.
                let _ = rustix::fs::unlinkat(&self.handle, &unfinished, AtFlags::empty());
                Err(format!("cannot write to {}: {error}", self.path.display()))
            }
        }
    }

    fn write_as(&self, name: &str, content: &[u8]) -> std::io::Result<()> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let mut file = File::from(rustix::fs::openat(&self.handle, name, flags, mode)?);
        file.write_all(MAGIC)?;
        file.write_all(&Sha256::digest(content))?;
        file.write_all(content)
    }

    /// Removes what no process needs: code of the same family that is old, and files that nobody finished. Best effort.
    ///
    /// Other versions of this program may be in use beside it, and each of them needs its own.
    fn tidy(&self, family: &str, keep: &str) {
        let Ok(entries) = rustix::fs::Dir::read_from(self.handle.as_fd()) else {
            return;
        };
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            let older_than = |limit| {
                rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW)
                    .is_ok_and(|stat| age(&stat) > limit)
            };
            let stale = if name.starts_with(UNFINISHED) {
                older_than(ABANDONED)
            } else {
                name.starts_with(family) && name != keep && older_than(OUTDATED)
            };
            if stale {
                let _ = rustix::fs::unlinkat(&self.handle, name, AtFlags::empty());
            }
        }
    }
}

/// The folder of this program among the user's cached data.
fn root(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Result<PathBuf, String> {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    if let Some(named) = set("OAP_CONFORM_CACHE") {
        return Ok(named.into());
    }
    // A relative path means nothing here, as the XDG base directory specification says.
    let absolute = |name| {
        set(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map(|caches| caches.join("oap-conform"))
        .ok_or_else(|| "there is no home directory; name a folder in OAP_CONFORM_CACHE".to_owned())
}

/// Checks that it is the user's own, and that others have none of the permissions in `closed`.
fn private(handle: impl AsFd, closed: u32) -> Result<Stat, String> {
    let stat =
        rustix::fs::fstat(handle).map_err(|error| std::io::Error::from(error).to_string())?;
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err("it belongs to another user".to_owned());
    }
    if stat.st_mode & closed != 0 {
        return Err(format!(
            "others may {} it (mode {:o})",
            if closed == 0o022 { "write to" } else { "enter" },
            stat.st_mode & 0o7777
        ));
    }
    Ok(stat)
}

fn age(stat: &Stat) -> Duration {
    let changed = u64::try_from(stat.st_mtime).map(Duration::from_secs);
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .ok()
        .zip(changed.ok())
        .map_or(Duration::ZERO, |(now, changed)| now.saturating_sub(changed))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    use super::*;

    fn folder(root: &Path) -> Folder {
        Folder::open_in(&root.join("cache"), "key").expect("usable")
    }

    #[test]
    fn what_was_written_is_read_and_closed_to_others() {
        let temporary = tempfile::tempdir().expect("made");
        let folder = folder(temporary.path());
        assert!(folder.read("a-1").is_none());
        folder.write("a-", "a-1", b"one").expect("written");
        assert_eq!(folder.read("a-1").expect("there").bytes(), b"one");
        folder.write("a-", "a-1", b"two").expect("replaced");
        assert_eq!(folder.read("a-1").expect("there").bytes(), b"two");
        let mode = |path: &Path| fs::metadata(path).expect("there").mode() & 0o777;
        assert_eq!(mode(folder.path()), 0o700);
        assert_eq!(mode(&folder.path().join("a-1")), 0o600);
    }

    #[test]
    fn older_code_of_the_family_goes_and_other_files_stay() {
        let temporary = tempfile::tempdir().expect("made");
        let folder = folder(temporary.path());
        let abandoned = folder.path().join(".new-1-1");
        fs::write(&abandoned, "").expect("written");
        let made_before = |path: &Path, time: Duration| {
            let file = File::options().write(true).open(path).expect("there");
            file.set_modified(SystemTime::now() - time).expect("set");
        };
        made_before(&abandoned, 2 * ABANDONED);
        fs::write(folder.path().join(".new-1-2"), "").expect("written");
        for (family, name) in [("a-", "a-1"), ("b-", "b-1"), ("a-", "a-2")] {
            folder.write(family, name, b"x").expect("written");
        }
        for name in ["a-1", "b-1"] {
            made_before(&folder.path().join(name), 2 * OUTDATED);
        }
        folder.write("a-", "a-3", b"x").expect("written");
        let mut names: Vec<OsString> = fs::read_dir(folder.path())
            .expect("there")
            .map(|entry| entry.expect("read").file_name())
            .collect();
        names.sort();
        assert_eq!(names, [".new-1-2", "a-2", "a-3", "b-1"]);
    }

    #[test]
    fn a_file_that_is_not_as_it_was_written_is_no_file() {
        let temporary = tempfile::tempdir().expect("made");
        let folder = folder(temporary.path());
        folder.write("a-", "a-1", b"some code").expect("written");
        let path = folder.path().join("a-1");
        let good = fs::read(&path).expect("read");
        let mut changed = good.clone();
        *changed.last_mut().expect("not empty") ^= 1;
        let mut foreign = good.clone();
        foreign[0] ^= 1;
        let longer = [good.as_slice(), b"x"].concat();
        for bad in [
            changed.as_slice(),
            foreign.as_slice(),
            longer.as_slice(),
            &good[..good.len() - 1],
            &good[..20],
            b"",
        ] {
            fs::write(&path, bad).expect("written");
            assert!(folder.read("a-1").is_none());
        }
        fs::write(&path, &good).expect("written");
        assert!(folder.read("a-1").is_some());
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("set");
        assert!(folder.read("a-1").is_none());
    }

    #[test]
    fn links_folders_and_pipes_are_no_files() {
        let temporary = tempfile::tempdir().expect("made");
        let folder = folder(temporary.path());
        folder.write("a-", "a-1", b"x").expect("written");
        symlink("a-1", folder.path().join("link")).expect("made");
        fs::create_dir(folder.path().join("folder")).expect("made");
        let pipe = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(&folder.handle, "pipe", pipe, Mode::RUSR | Mode::WUSR, 0)
            .expect("made");
        for name in ["link", "folder", "pipe"] {
            assert!(folder.read(name).is_none(), "{name}");
        }
    }

    #[test]
    fn a_folder_that_others_may_change_is_refused() {
        let temporary = tempfile::tempdir().expect("made");
        let root = temporary.path().join("cache");
        fs::create_dir(&root).expect("made");
        for mode in [0o777, 0o770, 0o720] {
            fs::set_permissions(&root, Permissions::from_mode(mode)).expect("set");
            let reason = Folder::open_in(&root, "key").expect_err("refused");
            assert!(reason.contains("others may write to it"), "{reason}");
            assert!(reason.contains("OAP_CONFORM_CACHE"), "{reason}");
        }
        fs::set_permissions(&root, Permissions::from_mode(0o755)).expect("set");
        let folder = Folder::open_in(&root, "key").expect("usable");
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("set");
        let reason = Folder::open_in(&root, "key").expect_err("refused");
        assert!(
            reason.contains("others may enter it (mode 755)"),
            "{reason}"
        );
    }

    #[test]
    fn a_folder_elsewhere_or_none_is_refused() {
        let temporary = tempfile::tempdir().expect("made");
        let root = temporary.path().join("cache");
        let elsewhere = temporary.path().join("elsewhere");
        for path in [&root, &elsewhere] {
            DirBuilder::new().mode(0o700).create(path).expect("made");
        }
        symlink(&elsewhere, root.join("key")).expect("made");
        assert!(Folder::open_in(&root, "key").is_err());
        let file = temporary.path().join("file");
        fs::write(&file, "").expect("written");
        assert!(Folder::open_in(&file, "key").is_err());
        assert!(Folder::open_in(&file.join("below"), "key").is_err());
    }

    #[test]
    fn the_environment_says_where() {
        let at = |set: &[(&str, &str)]| {
            root(|name| {
                let found = set.iter().find(|(known, _)| *known == name)?;
                Some(OsString::from(found.1))
            })
        };
        let all = [
            ("OAP_CONFORM_CACHE", "here"),
            ("XDG_CACHE_HOME", "/xdg"),
            ("HOME", "/home/ada"),
        ];
        assert_eq!(at(&all), Ok("here".into()));
        assert_eq!(at(&all[1..]), Ok("/xdg/oap-conform".into()));
        assert_eq!(at(&all[2..]), Ok("/home/ada/.cache/oap-conform".into()));
        let relative = [("XDG_CACHE_HOME", "xdg"), ("HOME", "/home/ada")];
        assert_eq!(at(&relative), Ok("/home/ada/.cache/oap-conform".into()));
        assert!(at(&[("OAP_CONFORM_CACHE", ""), ("HOME", "")]).is_err());
    }
}
