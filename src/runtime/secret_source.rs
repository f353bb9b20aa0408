//! Where an operator keeps the values of secrets: the environment, mounted files, a table. A vault is asked over the
//! network and is [`super::secrets::vault`].

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// The longest secret that is read from a file or a vault, in bytes.
pub(super) const LONGEST_SECRET: u64 = 64 * 1024;

/// Somewhere that secrets are kept under names.
pub trait SecretSource {
    /// The value of a name; `None` when this source does not know it.
    ///
    /// # Errors
    /// When the source knows the name and cannot give the value.
    fn read(&self, name: &str) -> Result<Option<String>, SourceError>;
}

/// Why a source cannot give a value that it should have; never says anything of the value.
#[derive(Debug)]
pub enum SourceError {
    /// The file cannot be read.
    Unreadable(PathBuf, io::Error),
    /// The value is longer than any secret.
    TooLong(PathBuf),
    /// The value is not UTF-8.
    NotText(String),
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, error) => {
                write!(f, "cannot read the secret in {}: {error}", path.display())
            }
            Self::TooLong(path) => write!(
                f,
                "{} has more than {LONGEST_SECRET} bytes; a secret file holds the secret alone",
                path.display()
            ),
            Self::NotText(name) => write!(f, "the secret {name} is not UTF-8 text"),
        }
    }
}

impl std::error::Error for SourceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable(_, error) => Some(error),
            Self::TooLong(_) | Self::NotText(_) => None,
        }
    }
}

/// The environment of the process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Environment;

impl SecretSource for Environment {
    fn read(&self, name: &str) -> Result<Option<String>, SourceError> {
        // The system's own functions refuse such names by a panic.
        if name.is_empty() || name.contains(['=', '\0']) {
            return Ok(None);
        }
        match std::env::var_os(name).map(std::ffi::OsString::into_string) {
            None => Ok(None),
            Some(Ok(value)) => Ok(Some(value)),
            Some(Err(_)) => Err(SourceError::NotText(name.to_owned())),
        }
    }
}

/// Files that each hold one secret, as orchestrators mount them; one line break at the end is none of the secret.
#[derive(Debug, Clone, Default)]
pub struct MountedFiles(pub BTreeMap<String, PathBuf>);

impl SecretSource for MountedFiles {
    fn read(&self, name: &str) -> Result<Option<String>, SourceError> {
        self.0.get(name).map(|path| read_file(path)).transpose()
    }
}

/// Values that are at hand.
#[derive(Clone, Default)]
pub struct Table(pub BTreeMap<String, String>);

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl SecretSource for Table {
    fn read(&self, name: &str) -> Result<Option<String>, SourceError> {
        Ok(self.0.get(name).cloned())
    }
}

/// The secret that a file holds.
///
/// # Errors
/// When the file cannot be read, is too long, or is not UTF-8.
pub fn read_file(path: &Path) -> Result<String, SourceError> {
    let unreadable = |error| SourceError::Unreadable(path.to_owned(), error);
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(LONGEST_SECRET + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > LONGEST_SECRET {
        return Err(SourceError::TooLong(path.to_owned()));
    }
    let text =
        String::from_utf8(bytes).map_err(|_| SourceError::NotText(path.display().to_string()))?;
    Ok(without_line_break(text))
}

/// A text without the line break that editors and shells leave at its end.
pub(super) fn without_line_break(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_lose_one_line_break() {
        let folder = tempfile::tempdir().expect("a folder");
        let source = |bytes: &[u8]| {
            let path = folder.path().join("secret");
            std::fs::write(&path, bytes).expect("written");
            MountedFiles(BTreeMap::from([("A".to_owned(), path)]))
        };
        for (bytes, value) in [
            ("abc", "abc"),
            ("abc\n", "abc"),
            ("abc\r\n", "abc"),
            ("abc\n\n", "abc\n"),
        ] {
            assert_eq!(
                source(bytes.as_bytes()).read("A").expect("read").as_deref(),
                Some(value)
            );
        }
        assert!(matches!(source(b"").read("B"), Ok(None)));
        assert!(matches!(
            source(b"\xff").read("A"),
            Err(SourceError::NotText(_))
        ));
        let long = vec![b'x'; 70_000];
        assert!(matches!(
            source(&long).read("A"),
            Err(SourceError::TooLong(_))
        ));
        assert!(matches!(
            read_file(&folder.path().join("none")),
            Err(SourceError::Unreadable(..))
        ));
    }

    #[test]
    fn other_sources() {
        let table = Table(BTreeMap::from([("A".to_owned(), "value-of-a".to_owned())]));
        assert!(matches!(table.read("A"), Ok(Some(value)) if value == "value-of-a"));
        assert!(matches!(table.read("B"), Ok(None)));
        assert!(!format!("{table:?}").contains("value-of-a"));
        assert!(matches!(Environment.read("PATH"), Ok(Some(_))));
        for none in ["", "OAP_TEST_NOT_SET_ANYWHERE", "A=B", "A\0"] {
            assert!(matches!(Environment.read(none), Ok(None)));
        }
    }
}
