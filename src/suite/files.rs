//! The folder that harness and target share for roots of scheme `file:` (`spec/harness.md`, section 9).
//!
//! Each run of a case has a place of its own, `<folder>/<token>/`. Its root is `root/` within, so that a `..` or a link can lead
//! beside the root and still not beyond the place.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::case::Laid;

/// Largest file that is laid or looked at, in bytes.
const MOST_BYTES: usize = 16 << 20;

/// Most entries of a directory that are looked at.
const MOST_ENTRIES: usize = 1000;

/// A folder that the target sees under the same path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    folder: PathBuf,
    path: String,
}

impl Files {
    /// The folder at this path.
    ///
    /// # Errors
    /// When there is none, or its path cannot stand in a root as it is.
    pub fn at(folder: &Path) -> Result<Self, String> {
        let named = |reason: &str| format!("the folder {} {reason}", folder.display());
        let folder = fs::canonicalize(folder)
            .ok()
            .filter(|folder| folder.is_dir())
            .ok_or_else(|| named("is not there; make it, or name another"))?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.');
        match folder.to_str() {
            Some(path) if path.chars().all(plain) && path != "/" => Ok(Self {
                path: path.to_owned(),
                folder: folder.clone(),
            }),
            _ => Err(named(
                "cannot stand in a root; name one with letters, digits, `-`, `_` and `.` in its path",
            )),
        }
    }

    /// The folder's absolute path, without a slash at its end.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What the operator of the target has to allow.
    pub fn prefix(&self) -> String {
        format!("file://{}/", self.path)
    }

    /// Makes the place of a case and lays its files; what lay there before is removed.
    ///
    /// # Errors
    /// When the disk does not let it, or a file of the case cannot be made.
    pub fn lay(&self, token: &str, files: &BTreeMap<String, Laid>) -> Result<(), String> {
        self.clear(token);
        let place = self.folder.join(token);
        fs::create_dir_all(place.join("root"))
            .map_err(|error| format!("{} cannot be made: {error}", place.display()))?;
        for (name, laid) in files {
            let path = place.join(within(name)?);
            self.lay_one(&place, &path, laid)
                .map_err(|error| format!("the file {name} cannot be laid: {error}"))?;
        }
        Ok(())
    }

    fn lay_one(&self, place: &Path, path: &Path, laid: &Laid) -> io::Result<()> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        match laid {
            Laid::Text(text) => fs::write(path, text),
            Laid::Base64 { base64 } => {
                let bytes = STANDARD.decode(base64).map_err(io::Error::other)?;
                fs::write(path, bytes)
            }
            Laid::Repeat { repeat } => {
                if repeat.text.len().saturating_mul(repeat.times) > MOST_BYTES {
                    return Err(io::Error::other(format!(
                        "it has more than {MOST_BYTES} bytes"
                    )));
                }
                fs::write(path, repeat.text.repeat(repeat.times))
            }
            Laid::Directory { .. } => fs::create_dir_all(path),
            Laid::Symlink { symlink } => {
                let place = place.to_string_lossy();
                std::os::unix::fs::symlink(symlink.replace("${place}", &place), path)
            }
        }
    }

    /// What is at a name of a case now: a text, `{base64}`, `{size}` of what is too large, `{directory}` with its entries in order, or
    /// `{symlink}`; nothing where nothing is.
    pub fn look(&self, token: &str, name: &str) -> Option<Value> {
        let path = self.folder.join(token).join(within(name).ok()?);
        let found = fs::symlink_metadata(&path).ok()?;
        if found.is_symlink() {
            let target = fs::read_link(&path).ok()?;
            return Some(json!({"symlink": target.to_string_lossy()}));
        }
        if found.is_dir() {
            let entries = fs::read_dir(&path).ok()?.take(MOST_ENTRIES).flatten();
            let mut names: Vec<String> = entries
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect();
            names.sort_unstable();
            return Some(json!({"directory": names}));
        }
        if !found.is_file() {
            return Some(json!({"other": true}));
        }
        let mut bytes = Vec::new();
        let most = MOST_BYTES as u64 + 1;
        let file = fs::File::open(&path).ok()?;
        file.take(most).read_to_end(&mut bytes).ok()?;
        if bytes.len() > MOST_BYTES {
            return Some(json!({"size": found.len()}));
        }
        Some(match String::from_utf8(bytes) {
            Ok(text) => Value::String(text),
            Err(error) => json!({"base64": STANDARD.encode(error.as_bytes())}),
        })
    }

    /// Removes the place of a case; links are removed, not followed.
    pub fn clear(&self, token: &str) {
        // What is not there needs no removing, and what cannot be removed does not change a verdict.
        let _ = fs::remove_dir_all(self.folder.join(token));
    }
}

/// Where a file of a case is, seen from the case's place: below its root, or with one leading `..` beside it. `.` is the root.
///
/// # Errors
/// When the name leads elsewhere.
pub fn within(name: &str) -> Result<PathBuf, String> {
    let (start, rest) = match name.strip_prefix("../") {
        Some(rest) => (Path::new("").to_owned(), rest),
        None => (Path::new("root").to_owned(), name),
    };
    if name == "." {
        return Ok(start);
    }
    let is_plain = |segment: &str| !matches!(segment, "" | "." | "..") && !segment.contains('\0');
    if rest.split('/').all(is_plain) {
        Ok(start.join(rest))
    } else {
        Err(format!(
            "'{name}' is no file of a case; write a path below the root, or '../' and one beside it"
        ))
    }
}

/// A folder of its own for a target that this process starts; it is removed with this value.
#[derive(Debug)]
pub struct Temporary(Files);

impl Temporary {
    /// Makes one.
    ///
    /// # Errors
    /// When the system's folder for such things does not let it.
    pub fn new() -> Result<Self, String> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        for _ in 0..100 {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("oap-conform-{}-{number}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            match fs::create_dir(&folder) {
                Ok(()) => return Files::at(&folder).map(Self),
                // Left by a process that had our number.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(format!(
                        "{} cannot be made: {error}; set TMPDIR to a folder that can be written",
                        folder.display()
                    ));
                }
            }
        }
        Err("no name is free for a folder in TMPDIR; tidy up there".to_owned())
    }

    /// The folder.
    pub fn files(&self) -> &Files {
        &self.0
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0.folder);
    }
}

/// The place of one case while it runs; it is removed with this value.
pub(super) struct Place<'f> {
    files: &'f Files,
    token: &'f str,
}

impl<'f> Place<'f> {
    /// Lays the files of a case.
    ///
    /// # Errors
    /// As [`Files::lay`].
    pub(super) fn lay(
        files: &'f Files,
        token: &'f str,
        laid: &BTreeMap<String, Laid>,
    ) -> Result<Self, String> {
        // Made first: what was laid in part is removed too.
        let place = Self { files, token };
        files.lay(token, laid)?;
        Ok(place)
    }

    /// What is at these names now.
    pub(super) fn look<'n>(&self, names: impl Iterator<Item = &'n str>) -> BTreeMap<String, Value> {
        names
            .filter_map(|name| Some((name.to_owned(), self.files.look(self.token, name)?)))
            .collect()
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.files.clear(self.token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "oapt0123456789abcdef";

    fn laid(document: Value) -> BTreeMap<String, Laid> {
        serde_json::from_value(document).expect("files of a case")
    }

    #[test]
    fn what_is_laid_is_seen() {
        let folder = Temporary::new().expect("a folder");
        let files = folder.files();
        let all = laid(json!({
            "a/b.txt": "text",
            "bytes": {"base64": "/w=="},
            "empty": {"directory": true},
            "many": {"repeat": {"text": "ab", "times": 3}},
            "out": {"symlink": "../outside/canary.txt"},
            "away": {"symlink": "${place}/outside"},
            "../outside/canary.txt": "canary"
        }));
        files.lay(TOKEN, &all).expect("laid");
        let seen = |name: &str| files.look(TOKEN, name);
        assert_eq!(seen("a/b.txt"), Some(json!("text")));
        assert_eq!(seen("bytes"), Some(json!({"base64": "/w=="})));
        assert_eq!(seen("empty"), Some(json!({"directory": []})));
        assert_eq!(seen("many"), Some(json!("ababab")));
        assert_eq!(
            seen("out"),
            Some(json!({"symlink": "../outside/canary.txt"}))
        );
        let away = format!("{}/{TOKEN}/outside", files.path());
        assert_eq!(seen("away"), Some(json!({"symlink": away})));
        assert_eq!(
            seen("../outside"),
            Some(json!({"directory": ["canary.txt"]}))
        );
        assert_eq!(
            seen("."),
            Some(json!({"directory": ["a", "away", "bytes", "empty", "many", "out"]}))
        );
        assert_eq!(seen("nothing"), None);
        files.clear(TOKEN);
        assert_eq!(seen("."), None);
    }

    #[test]
    fn a_temporary_folder_goes() {
        let folder = Temporary::new().expect("a folder");
        let path = folder.files().path().to_owned();
        assert!(folder.files().prefix().ends_with('/'));
        assert!(Path::new(&path).is_dir());
        drop(folder);
        assert!(!Path::new(&path).exists());
        assert!(Files::at(Path::new(&path)).is_err());
    }

    #[test]
    fn names_stay_within_the_place() {
        assert_eq!(within("a/b"), Ok(PathBuf::from("root/a/b")));
        assert_eq!(within("."), Ok(PathBuf::from("root")));
        assert_eq!(within("../a"), Ok(PathBuf::from("a")));
        for name in ["", "/a", "../../a", "a/../b", "..", "a/", "../", "./a"] {
            assert!(within(name).is_err(), "{name}");
        }
    }
}
