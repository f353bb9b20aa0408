//! The form of a root, the place below which an action reads or writes files (`spec/storage.md`, section 1).

use std::fmt;
use std::str::FromStr;

use super::path_form;

/// The rule under which a root of another form is reported (`STO-024`).
pub const INVALID_ROOT: &str = "invalid_root";

/// Most bytes of a root.
const LONGEST_ROOT: usize = 1024;

/// Where a root leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// A folder of this machine.
    File,
    /// A bucket of an object store that speaks the protocol of S3.
    S3,
    /// The memory of this process.
    Memory,
}

impl Scheme {
    /// All schemes, in the order in which error texts list them.
    pub const ALL: [Scheme; 3] = [Scheme::File, Scheme::S3, Scheme::Memory];

    /// What a root of this scheme begins with, up to its first segment.
    pub fn beginning(self) -> &'static str {
        match self {
            Scheme::File => "file:///",
            Scheme::S3 => "s3://",
            Scheme::Memory => "memory:",
        }
    }

    /// The name before the colon.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::File => "file",
            Scheme::S3 => "s3",
            Scheme::Memory => "memory",
        }
    }
}

/// A root, or a prefix of roots: a place below which files are read and written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    scheme: Scheme,
    bucket: String,
    segments: Vec<String>,
}

/// Why a text is no root, or none that may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RootRefusal {
    /// The rule, for programs.
    pub rule: &'static str,
    /// What to change, for people.
    pub message: &'static str,
}

impl RootRefusal {
    fn form(message: &'static str) -> Self {
        Self {
            rule: INVALID_ROOT,
            message,
        }
    }
}

impl fmt::Display for RootRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message)
    }
}

impl std::error::Error for RootRefusal {}

impl Root {
    /// Where it leads to.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The bucket; empty for schemes without.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The names of the folders down to it.
    pub fn segments(&self) -> &[String] {
        &self.segments
    }

    /// Whether another root is this one or lies below it: whole segments are compared, byte by byte.
    pub fn holds(&self, other: &Root) -> bool {
        self.scheme == other.scheme
            && self.bucket == other.bucket
            && other.segments.starts_with(&self.segments)
    }

    /// The key of a file below it, as object stores name it.
    pub fn key(&self, path: &str) -> String {
        let mut key = String::new();
        for segment in &self.segments {
            key.push_str(segment);
            key.push('/');
        }
        key.push_str(path);
        key
    }
}

/// Reads `file:///folder/`, `s3://bucket/folder/` or `memory:folder/`; a `/` at the end changes nothing.
impl FromStr for Root {
    type Err = RootRefusal;

    fn from_str(text: &str) -> Result<Self, RootRefusal> {
        if text.len() > LONGEST_ROOT {
            return Err(RootRefusal::form("write a root of at most 1024 bytes"));
        }
        let begins = |scheme: &Scheme| {
            let colon = text.strip_prefix(scheme.name());
            colon.is_some_and(|rest| rest.starts_with(':'))
        };
        let Some(scheme) = Scheme::ALL.into_iter().find(begins) else {
            let message = "begin the root with file:///, s3:// or memory:";
            return Err(RootRefusal::form(message));
        };
        let Some(rest) = text.strip_prefix(scheme.beginning()) else {
            return Err(RootRefusal::form(match scheme {
                Scheme::File => {
                    "write a root of files as file:///folder/, with three slashes and no host"
                }
                _ => "write a root of objects as s3://bucket/folder/",
            }));
        };
        let (bucket, rest) = match scheme {
            Scheme::S3 => rest.split_once('/').unwrap_or((rest, "")),
            _ => ("", rest),
        };
        if scheme == Scheme::S3 && !is_bucket(bucket) {
            let message = "name a bucket after s3://: 3 to 63 lower-case letters, digits, dots and hyphens, a letter or digit at either end";
            return Err(RootRefusal::form(message));
        }
        Ok(Self {
            scheme,
            bucket: bucket.to_owned(),
            segments: read_segments(rest)?,
        })
    }
}

fn read_segments(text: &str) -> Result<Vec<String>, RootRefusal> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let text = text.strip_suffix('/').unwrap_or(text);
    if text.contains(['%', '?', '#']) {
        let message = "write the root as it is, without percent-encoding, query and fragment";
        return Err(RootRefusal::form(message));
    }
    if !path_form::is_names(text) {
        let message = "join the names of folders by single slashes, with none of them `.` or `..`";
        return Err(RootRefusal::form(message));
    }
    if path_form::has_marks(text) || path_form::has_look_alikes(text) {
        let message = "leave colons, backslashes, control characters and what looks like a dot or slash out of the root";
        return Err(RootRefusal::form(message));
    }
    Ok(text.split('/').map(str::to_owned).collect())
}

fn is_bucket(name: &str) -> bool {
    let end = |byte: Option<&u8>| {
        byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let bytes = name.as_bytes();
    let inner =
        |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(byte);
    (3..=63).contains(&bytes.len())
        && end(bytes.first())
        && end(bytes.last())
        && bytes.iter().all(inner)
        && !name.contains("..")
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.scheme.beginning())?;
        if self.scheme == Scheme::S3 {
            write!(f, "{}/", self.bucket)?;
        }
        self.segments
            .iter()
            .try_for_each(|segment| write!(f, "{segment}/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(text: &str) -> Root {
        text.parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn the_end_slash_changes_nothing() {
        for (text, written) in [
            ("file:///srv/notes/", "file:///srv/notes/"),
            ("file:///srv/notes", "file:///srv/notes/"),
            ("file:///", "file:///"),
            ("s3://my-bucket/notes/", "s3://my-bucket/notes/"),
            ("s3://my-bucket", "s3://my-bucket/"),
            ("s3://my.bucket-2/", "s3://my.bucket-2/"),
            ("memory:scratch/", "memory:scratch/"),
            ("memory:scratch", "memory:scratch/"),
            ("memory:", "memory:"),
        ] {
            assert_eq!(root(text).to_string(), written, "{text}");
        }
        assert_eq!(root("s3://my-bucket/a/b").key("c/d.txt"), "a/b/c/d.txt");
        assert_eq!(root("memory:").key("c"), "c");
    }

    #[test]
    fn whatever_could_lead_elsewhere_is_refused() {
        for text in [
            "",
            "file:",
            "file:srv/notes",
            "file:/srv/notes",
            "file://srv/notes",
            "file://localhost/srv/notes/",
            "file:////",
            "file:////srv/",
            "file:///srv//notes/",
            "file:///srv/../etc/",
            "file:///srv/./notes/",
            "file:///srv/%2e%2e/etc/",
            "file:///srv/a%20b/",
            "file:///srv/notes/?x",
            "file:///srv/notes/#x",
            "file:///srv\\notes/",
            "file:///C:/notes/",
            "file:///srv/\u{0}/",
            "file:///srv/\u{ff0e}\u{ff0e}/",
            "file:///srv\u{ff0f}notes/",
            "FILE:///srv/",
            "s3:bucket/notes",
            "s3://",
            "s3:///notes/",
            "s3://ab/",
            "s3://Bucket/",
            "s3://bucket_/",
            "s3://-bucket/",
            "s3://user@bucket/",
            "s3://bucket:9000/",
            "s3://bu..cket/",
            "s3://bucket//",
            "s3://bucket//notes/",
            "s3://bucket/../other/",
            "memory:/",
            "memory:/scratch/",
            "memory://scratch/",
            "memory:a//b",
            "memory:..",
            "http://host/",
        ] {
            assert!(text.parse::<Root>().is_err(), "{text}");
        }
        assert!(
            format!("memory:{}", "a".repeat(1017))
                .parse::<Root>()
                .is_ok()
        );
        assert!(
            format!("memory:{}", "a".repeat(1018))
                .parse::<Root>()
                .is_err()
        );
    }
}
