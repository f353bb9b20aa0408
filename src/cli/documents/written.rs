//! Documents written to where a command line says: whole or not at all, and never through a link to somewhere else.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{Error, ErrorKind, Result, Write as _};
use std::path::Path;

/// Links that name what a process has open.
const STREAMS: [&str; 3] = ["/dev/stdout", "/dev/stderr", "/dev/fd"];

/// Puts a text in the place of a file that was read, with the permissions it has. A link to a file of its own folder stays a
/// link, and that file is replaced.
///
/// # Errors
/// A link that leads elsewhere, what is no file, and what writing fails with; the file is then as it was.
pub(super) fn over(path: &Path, text: &str) -> Result<()> {
    if !path.symlink_metadata()?.is_symlink() {
        return whole(path, text);
    }
    let target = path.canonicalize()?;
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    if target.parent() != Some(folder.canonicalize()?.as_path()) {
        return Err(refused(
            "it is a link that leads out of its folder; name the file itself",
        ));
    }
    whole(&target, text)
}

/// Writes a text where nothing may be yet: a file that is there is replaced with its permissions kept, and a link is not followed,
/// but for those of the system that name what a process has open, such as `/dev/stdout`.
///
/// # Errors
/// A link, a folder, and what writing fails with.
pub(in crate::cli) fn to(path: &Path, text: &str) -> Result<()> {
    if STREAMS.iter().any(|stream| path.starts_with(stream)) {
        // What the shell opened may be a file that holds something already.
        let mut stream = OpenOptions::new().append(true).open(path)?;
        return stream.write_all(text.as_bytes());
    }
    match path.symlink_metadata() {
        Ok(about) if about.is_symlink() => Err(refused(
            "it is a link, and none is followed; name the file itself, or another one",
        )),
        _ => whole(path, text),
    }
}

fn refused(message: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}

/// Writes a file beside its place and then puts it there, so that nobody ever sees half of it. What stands there is not
/// followed, whatever it has become meanwhile.
fn whole(path: &Path, text: &str) -> Result<()> {
    let permissions = match path.symlink_metadata() {
        Ok(about) if about.is_file() => Some(about.permissions()),
        Ok(about) if about.is_dir() => return Err(refused("it is a folder")),
        // A device or a pipe takes what is written, and has no place for another file.
        Ok(about) if !about.is_symlink() => {
            let mut device = OpenOptions::new().write(true).open(path)?;
            return device.write_all(text.as_bytes());
        }
        Ok(_) => return Err(refused("it is a link; name the file itself")),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let name = path
        .file_name()
        .ok_or_else(|| refused("it has no name"))?
        .to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}.new", std::process::id()));
    // What somebody else left under this name is not ours to remove.
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&beside)?;
    put(file, permissions, text)
        .and_then(|()| fs::rename(&beside, path))
        .inspect_err(|_| {
            let _ = fs::remove_file(&beside);
        })
}

fn put(mut file: fs::File, permissions: Option<Permissions>, text: &str) -> Result<()> {
    if let Some(permissions) = permissions {
        file.set_permissions(permissions)?;
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn files_are_replaced_whole_with_their_permissions() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.json");
        to(&path, "new").expect("written");
        fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("a mode");
        for (write, text) in [
            (to as fn(&Path, &str) -> Result<()>, "again"),
            (over, "anew"),
        ] {
            write(&path, text).expect("replaced");
            assert_eq!(fs::read_to_string(&path).expect("a text"), text);
            let mode = path.metadata().expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o640);
        }
        assert!(to(folder.path(), "x").is_err());
        assert!(to(&folder.path().join("none/a.json"), "x").is_err());
        to(Path::new("/dev/null"), "gone").expect("a device takes it");
        to(Path::new("/dev/stdout"), "").expect("it is open");
        let names = fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(names, 1, "nothing is left beside it");
    }

    #[test]
    fn links_out_of_the_folder_are_refused() {
        let (folder, other) = (
            tempfile::tempdir().expect("a folder"),
            tempfile::tempdir().expect("a folder"),
        );
        let outside = other.path().join("victim.json");
        fs::write(&outside, "old").expect("written");
        let (far, near, dangling) = (
            folder.path().join("far.json"),
            folder.path().join("near.json"),
            folder.path().join("dangling.json"),
        );
        fs::write(folder.path().join("real.json"), "old").expect("written");
        symlink(&outside, &far).expect("a link");
        symlink("real.json", &near).expect("a link");
        symlink(other.path().join("new.json"), &dangling).expect("a link");
        assert!(over(&far, "x").is_err());
        for link in [&far, &near, &dangling] {
            assert!(to(link, "x").is_err(), "{}", link.display());
        }
        assert_eq!(fs::read_to_string(&outside).expect("a text"), "old");
        assert!(!other.path().join("new.json").exists());
        over(&near, "new").expect("the file in the same folder");
        assert!(near.is_symlink());
        let real = fs::read_to_string(folder.path().join("real.json"));
        assert_eq!(real.expect("a text"), "new");
    }
}
