//! Files, folders and streams of transcripts, as an auditor names them, with the manifests to judge them by.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::read::{Known, MANIFEST, MOST_FILES, Manifests, is_lines, manifest_name, whole};
use super::{Input, Place, STDIN, Whole, cases};
use crate::document::{Document, Format};
use crate::json::{self, Duplicates, Limits};
use crate::suite::event::EventSink;
use crate::suite::options::Options;
use crate::suite::report::Report;
use crate::suite::verdict::RunError;

/// Folders are gone into so deep.
const DEPTH: usize = 16;

/// What is judged, and by what.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Files, folders, and `-` for standard input.
    pub paths: Vec<PathBuf>,
    /// Manifests.
    pub manifests: Vec<PathBuf>,
    /// Folders of manifests.
    pub against: Vec<PathBuf>,
    /// Whether what looks like a secret is taken for one.
    pub by_shape: bool,
}

/// Judges transcripts and reports. Of the options those count that choose and those that name secrets.
///
/// # Errors
/// [`RunError::Usage`] when a folder or a manifest cannot be read; a transcript that cannot be is a case that could not be set up.
/// [`RunError::NothingSelected`] when there is no transcript, or the filter leaves none.
pub fn verify(
    sources: &Sources,
    options: &Options,
    sink: &dyn EventSink,
) -> Result<Report, RunError> {
    let mut found = Found::default();
    found.manifests.by_option = true;
    for path in &sources.manifests {
        let known = manifest(path)
            .and_then(|known| known.ok_or_else(|| "is no manifest: it has no actions".to_owned()));
        let known = known.map_err(|why| RunError::Usage(format!("{} {why}", path.display())))?;
        found.manifests.name(known);
    }
    for folder in &sources.against {
        found.against(folder).map_err(RunError::Usage)?;
    }
    for path in &sources.paths {
        found.path(path).map_err(RunError::Usage)?;
    }
    if found.inputs.is_empty() {
        return Err(RunError::NothingSelected(
            "there is no transcript there; name *.json or *.jsonl files, folders of them, or - for standard input".to_owned(),
        ));
    }
    let named: Vec<String> = sources.paths.iter().map(|path| shown(path)).collect();
    let whole = Whole {
        inputs: found.inputs,
        manifests: found.manifests,
        target: format!("transcripts of {}", named.join(" ")),
        by_shape: sources.by_shape,
    };
    whole.judge(options, sink)
}

#[derive(Default)]
struct Found {
    inputs: Vec<Input>,
    manifests: Manifests,
    ids: BTreeSet<String>,
    files: usize,
}

impl Found {
    fn path(&mut self, path: &Path) -> Result<(), String> {
        if path == Path::new("-") {
            return self.input(STDIN.to_owned(), Place::Stdin);
        }
        if path.is_dir() {
            return self.folder(path, DEPTH);
        }
        let name = shown(path);
        if name.ends_with(MANIFEST) {
            // As where a shell names all files of a folder.
            return self.beside(path);
        }
        let beside = PathBuf::from(manifest_name(&name));
        if beside.is_file() {
            self.beside(&beside)?;
        }
        self.input(name, Place::File(path.to_owned()))
    }

    fn folder(&mut self, folder: &Path, deeper: usize) -> Result<(), String> {
        for (path, is_folder) in self.entries(folder)? {
            let name = shown(&path);
            if is_folder {
                let left = deeper.checked_sub(1).ok_or_else(|| {
                    format!("{name} lies more than {DEPTH} folders deep; name it itself")
                })?;
                self.folder(&path, left)?;
            } else if name.ends_with(MANIFEST) {
                self.beside(&path)?;
            } else if name.ends_with(".json") || is_lines(&name) {
                self.input(name, Place::File(path))?;
            }
        }
        Ok(())
    }

    /// What is in a folder, by name, and whether it is a folder itself. Links to folders are not followed.
    fn entries(&mut self, folder: &Path) -> Result<Vec<(PathBuf, bool)>, String> {
        let cannot = |error: std::io::Error| format!("{} cannot be read: {error}", shown(folder));
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(cannot)? {
            let entry = entry.map_err(cannot)?;
            let is_folder = entry.file_type().map_err(cannot)?.is_dir();
            entries.push((entry.path(), is_folder));
            self.files += 1;
            if self.files > MOST_FILES {
                return Err(format!(
                    "{} and the folders before it hold more than {MOST_FILES} files; judge them in parts",
                    shown(folder)
                ));
            }
        }
        entries.sort_unstable();
        Ok(entries)
    }

    fn input(&mut self, name: String, place: Place) -> Result<(), String> {
        // A file that is named twice is one.
        if self.ids.insert(name.clone()) {
            let case = cases::of(&name)?;
            self.inputs.push(Input { case, place, name });
        }
        Ok(())
    }

    fn beside(&mut self, path: &Path) -> Result<(), String> {
        let name = shown(path);
        // A manifest can be said wrong of; what has no actions is none of a transcript.
        if let Some(known) = manifest(path).map_err(|why| format!("{name} {why}"))? {
            self.manifests.lay_beside(name, known);
        }
        Ok(())
    }

    /// All manifests of a folder; other documents are passed over.
    fn against(&mut self, folder: &Path) -> Result<(), String> {
        let mut found = false;
        for (path, is_folder) in self.entries(folder)? {
            let name = shown(&path);
            let wanted = [".json", ".yaml", ".yml"]
                .iter()
                .any(|end| name.ends_with(end));
            if is_folder || !wanted {
                continue;
            }
            if let Some(known) = manifest(&path).map_err(|why| format!("{name} {why}"))? {
                self.manifests.name(known);
                found = true;
            }
        }
        if found {
            Ok(())
        } else {
            Err(format!("{} holds no manifest", shown(folder)))
        }
    }
}

/// Reads a manifest, JSON or YAML; `None`: it is a document of another kind.
fn manifest(path: &Path) -> Result<Option<Known>, String> {
    let bytes = whole(path)?;
    let document = if Format::of(path) == Format::Yaml {
        yaml(bytes)?
    } else {
        json::read(&bytes, &Limits::DOCUMENT, Duplicates::Refuse)
            .map_err(|error| format!("is no manifest: {error}"))?
    };
    let is_manifest = document.get("actions").is_some_and(Value::is_array);
    Ok(is_manifest.then(|| Known::new(&document)))
}

fn yaml(bytes: Vec<u8>) -> Result<Value, String> {
    let text = String::from_utf8(bytes).map_err(|_| "is no UTF-8".to_owned())?;
    let read = Document::read(&text, Format::Yaml)
        .map_err(|error| format!("is no manifest: {}", error.message))?;
    if read.duplicates().is_empty() {
        Ok(read.value().clone())
    } else {
        Err("names a member twice".to_owned())
    }
}

/// A path as it is shown: without the folder that it is in anyway.
fn shown(path: &Path) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    path.to_string_lossy().into_owned()
}
