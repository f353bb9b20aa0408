//! The files below a manifest's folder, as much of them as may be read.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Defect, MOST_BYTES, MOST_FILES};
use crate::document::{Document, Format, Lines};

/// Reads files, and remembers which.
pub(super) struct Files {
    /// The manifest's folder, without links.
    root: PathBuf,
    /// The bytes of files by their paths below the root.
    read: BTreeMap<PathBuf, Vec<u8>>,
    /// How many were asked for, and their bytes, each as often as it was.
    files: usize,
    bytes: usize,
}

impl Files {
    /// Those below a folder.
    pub(super) fn below(folder: &Path) -> std::io::Result<Self> {
        Ok(Self {
            root: folder.canonicalize()?,
            read: BTreeMap::new(),
            files: 0,
            bytes: 0,
        })
    }

    /// The folder, without links.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The files that were read, in order.
    pub(super) fn names(self) -> Vec<PathBuf> {
        self.read.into_keys().collect()
    }

    /// The path of a file that is named in a document of this folder.
    pub(super) fn resolve(&self, folder: &Path, name: &str) -> Result<PathBuf, Defect> {
        let elsewhere = || {
            let message = format!(
                "\"{}\" is no file below the manifest's folder; nothing else is joined, and nothing fetched",
                shown(name)
            );
            ("remote_ref", message)
        };
        let has_scheme = name.split_once(':').is_some_and(|(scheme, _)| {
            scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte))
        });
        if name.is_empty()
            || name.starts_with(['/', '\\', '~'])
            || has_scheme
            || name.contains('\0')
        {
            return Err(elsewhere());
        }
        let path = folder.join(name).canonicalize().map_err(|error| {
            (
                "unreadable_file",
                format!("cannot read {}: {error}", shown(name)),
            )
        })?;
        if path.starts_with(&self.root) {
            Ok(path)
        } else {
            Err(elsewhere())
        }
    }

    /// A file's name below the manifest's folder.
    pub(super) fn shown(&self, path: &Path) -> String {
        let below = path.strip_prefix(&self.root).unwrap_or(path);
        shown(&below.display().to_string())
    }

    /// The schema in a file.
    pub(super) fn document(&mut self, path: &Path) -> Result<Value, Defect> {
        let name = self.shown(path);
        let bytes = self.bytes_of(path)?;
        let text = String::from_utf8(bytes.to_vec())
            .map_err(|_| ("invalid_utf8", format!("{name} is not UTF-8")))?;
        let lines = Lines::of(&text);
        let document = Document::read(text.as_str(), Format::of(path)).map_err(|error| {
            let place = lines.place(&text, error.span.start);
            let (line, column) = (place.line, place.column);
            (
                error.code,
                format!("{name}:{line}:{column}: {}", error.message),
            )
        })?;
        if let Some(twice) = document.duplicates().first() {
            let place = document.place(twice.again.start);
            let (line, column) = (place.line, place.column);
            let message = format!("{name}:{line}:{column}: a member is named twice");
            return Err(("duplicate_key", message));
        }
        Ok(document.value().clone())
    }

    /// A file's bytes.
    pub(super) fn bytes_of(&mut self, path: &Path) -> Result<&[u8], Defect> {
        let too_much = || {
            let message = format!(
                "the manifest is joined from more than {MOST_FILES} files or {MOST_BYTES} bytes; join less"
            );
            ("too_large", message)
        };
        if self.files > MOST_FILES || self.bytes > MOST_BYTES {
            return Err(too_much());
        }
        let relative = path.strip_prefix(&self.root).unwrap_or(path).to_owned();
        if !self.read.contains_key(&relative) {
            let bytes = read_file(path).map_err(|error| {
                (
                    "unreadable_file",
                    format!("cannot read {}: {error}", relative.display()),
                )
            })?;
            self.read.insert(relative.clone(), bytes);
        }
        let bytes = self.read.get(&relative).map_or(&[][..], Vec::as_slice);
        self.files += 1;
        self.bytes += bytes.len();
        if self.files > MOST_FILES || self.bytes > MOST_BYTES {
            return Err(too_much());
        }
        Ok(bytes)
    }
}

/// Reads a file, and no folder, pipe or device.
fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is no plain file"));
    }
    let mut bytes = Vec::new();
    let most = MOST_BYTES as u64 + 1;
    std::fs::File::open(path)?
        .take(most)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A stranger's name may be long.
pub(super) fn shown(name: &str) -> String {
    name.chars()
        .take(128)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}
