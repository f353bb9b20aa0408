//! Mounted files that secrets were read from: each is looked at when a request is made, and read when it has changed.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::runtime::secret_source::{SourceError, read_file};

/// A file that changed less than this ago may change once more without looking different: clocks of file systems are coarse.
const SETTLED: Duration = Duration::from_secs(2);

/// One file with what was seen of it last.
pub(super) struct Followed {
    name: String,
    path: PathBuf,
    seen: Option<Stamp>,
    trouble: Option<String>,
}

/// What differs when a file was written, or another one took its place.
#[derive(PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    file: (u64, u64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let (file, changed) = {
            use std::os::unix::fs::MetadataExt as _;
            let file = (metadata.dev(), metadata.ino());
            (file, (metadata.ctime(), metadata.ctime_nsec()))
        };
        #[cfg(not(unix))]
        let (file, changed) = ((0, 0), (0, 0));
        Self {
            modified: metadata.modified().ok(),
            length: metadata.len(),
            file,
            changed,
        }
    }

    fn is_settled(&self) -> bool {
        let age = self.modified.and_then(|at| at.elapsed().ok());
        age.is_some_and(|age| age > SETTLED)
    }
}

impl Followed {
    /// These files, by the names of their secrets.
    pub fn all(files: &BTreeMap<String, PathBuf>) -> Vec<Self> {
        let followed = files.iter().map(|(name, path)| Self {
            name: name.clone(),
            path: path.clone(),
            seen: None,
            trouble: None,
        });
        followed.collect()
    }

    /// The secret's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the file holds, if that may be something else than before.
    ///
    /// # Errors
    /// When it cannot be read, told once as long as it is for the same reason.
    pub fn look(&mut self) -> Result<Option<String>, String> {
        let result = self.read();
        let trouble = result.as_ref().err().map(|error| {
            format!(
                "the secret {} keeps the value that it has: {error}",
                self.name
            )
        });
        let news = trouble != self.trouble;
        self.trouble.clone_from(&trouble);
        match trouble {
            Some(warning) if news => Err(warning),
            _ => Ok(result.ok().flatten()),
        }
    }

    fn read(&mut self) -> Result<Option<String>, SourceError> {
        let metadata = std::fs::metadata(&self.path)
            .map_err(|error| SourceError::Unreadable(self.path.clone(), error))?;
        // A pipe gave its secret at the start, and would keep whoever opens it again waiting.
        if !metadata.is_file() {
            return Ok(None);
        }
        // Taken before the file is read: what is written meanwhile is seen next time.
        let stamp = Stamp::of(&metadata);
        if self.seen.as_ref() == Some(&stamp) {
            return Ok(None);
        }
        let value = read_file(&self.path)?;
        self.seen = stamp.is_settled().then_some(stamp);
        Ok(Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_until_it_is_settled() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a");
        std::fs::write(&path, "value-of-a").expect("written");
        let files = BTreeMap::from([("A".to_owned(), path.clone())]);
        let mut followed = Followed::all(&files);
        let file = followed.first_mut().expect("one");
        let value = Ok(Some("value-of-a".to_owned()));
        assert_eq!((file.look(), file.look()), (value.clone(), value.clone()));
        let opened = std::fs::File::options().write(true).open(&path);
        let past = SystemTime::now() - Duration::from_secs(60);
        let set = opened.and_then(|opened| opened.set_modified(past));
        set.expect("an older file");
        assert_eq!((file.look(), file.look()), (value, Ok(None)));
    }
}
