//! Which files are looked at.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cli::failure::Failure;
use crate::lint::near::nearest;
use crate::lint::{DocumentKind, glob};

/// Most files of one call.
const MOST_FILES: usize = 20_000;
/// Most entries of folders that are looked through.
const MOST_ENTRIES: usize = 1_000_000;
/// Deepest folder that is looked into, counted from the one that was named.
const DEEPEST: usize = 64;

/// A text to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// The standard input.
    Stdin,
    /// A file that was named, or that a glob names.
    Named(PathBuf),
    /// A file of a folder: only looked at when it looks like a document of ours.
    Found(PathBuf),
}

impl Source {
    /// Whether it is the standard input.
    pub fn is_stdin(&self) -> bool {
        *self == Self::Stdin
    }

    /// Whether it was named, not found in a folder.
    pub fn is_named(&self) -> bool {
        !matches!(self, Self::Found(_))
    }

    /// Whether its name says that it is a document of ours: `oap-shop.yaml`, `shop.oap.json`.
    pub fn is_ours_by_name(&self) -> bool {
        let name = self.path().and_then(Path::file_name);
        let name = name.map(|name| name.to_string_lossy().to_ascii_lowercase());
        name.is_some_and(|name| {
            let stem = name.rsplit_once('.').map_or("", |(stem, _)| stem);
            stem.starts_with("oap-") || stem.ends_with(".oap")
        })
    }

    /// The file.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Stdin => None,
            Self::Named(path) | Self::Found(path) => Some(path),
        }
    }

    /// Its name in reports, without `./` before it.
    pub fn name(&self) -> String {
        match self.path() {
            None => "<stdin>".to_owned(),
            Some(path) => {
                let name = path.to_string_lossy();
                name.strip_prefix("./").unwrap_or(&name).to_owned()
            }
        }
    }
}

/// The files that paths, globs and folders name, each once, in the order they are named, those of a folder by name.
pub(super) fn found(paths: &[PathBuf]) -> Result<Vec<Source>, Failure> {
    let here = [PathBuf::from(".")];
    let paths = if paths.is_empty() { &here } else { paths };
    let mut walk = Walk::default();
    for path in paths {
        if path == Path::new("-") {
            walk.add(Source::Stdin)?;
        } else if path.is_dir() {
            walk.folder(path, None)?;
        } else if path.symlink_metadata().is_err() && glob::is_pattern(&path.to_string_lossy()) {
            walk.pattern(&path.to_string_lossy())?;
        } else {
            walk.add(Source::Named(path.clone()))?;
        }
    }
    Ok(walk.files)
}

#[derive(Default)]
struct Walk {
    files: Vec<Source>,
    seen: BTreeSet<String>,
    entries: usize,
}

impl Walk {
    fn add(&mut self, source: Source) -> Result<(), Failure> {
        if self.files.len() >= MOST_FILES {
            return Err(Failure::usage(format!(
                "there are more than {MOST_FILES} files; name fewer folders at once"
            )));
        }
        if self.seen.insert(source.name()) {
            self.files.push(source);
        }
        Ok(())
    }

    fn pattern(&mut self, pattern: &str) -> Result<(), Failure> {
        // The folders before the first part that is a pattern are where the search begins.
        let parts: Vec<&str> = pattern.split('/').collect();
        let fixed = parts.iter().take_while(|part| !glob::is_pattern(part));
        let root = match fixed.copied().collect::<Vec<_>>().join("/") {
            root if root.is_empty() && pattern.starts_with('/') => "/".to_owned(),
            root if root.is_empty() => ".".to_owned(),
            root => root,
        };
        let before = self.files.len();
        // A pattern without a slash is about this folder alone, as for a shell.
        let deep = pattern.contains('/');
        if Path::new(&root).is_dir() {
            self.folder(Path::new(&root), Some((pattern, deep)))?;
        }
        if self.files.len() == before && !self.seen.iter().any(|name| glob::fits(pattern, name)) {
            return Err(Failure::usage(format!(
                "no file fits '{}'",
                pattern.escape_debug()
            )));
        }
        Ok(())
    }

    /// Looks through a folder; links are followed to files, not to folders.
    fn folder(&mut self, root: &Path, pattern: Option<(&str, bool)>) -> Result<(), Failure> {
        let mut open = vec![(root.to_path_buf(), 0)];
        while let Some((folder, depth)) = open.pop() {
            let entries = match std::fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if depth == 0 => {
                    return Err(Failure::usage(format!(
                        "cannot read the folder {}: {error}",
                        folder.display()
                    )));
                }
                // A folder that somebody closed is not ours to judge.
                Err(_) => continue,
            };
            let mut names = Vec::new();
            for entry in entries.flatten() {
                self.entries += 1;
                if self.entries > MOST_ENTRIES {
                    return Err(Failure::usage(format!(
                        "the folders have more than {MOST_ENTRIES} entries; name smaller ones"
                    )));
                }
                names.push((entry.file_name(), entry.file_type().ok()));
            }
            names.sort_by(|a, b| b.0.cmp(&a.0));
            let mut files = Vec::new();
            for (name, kind) in names {
                let path = join(&folder, Path::new(&name));
                let name = name.to_string_lossy();
                let is_folder = kind.is_some_and(|kind| kind.is_dir());
                if is_folder {
                    let deeper = pattern.is_none_or(|(_, deep)| deep);
                    if deeper && depth < DEEPEST && !is_passed_over(&name) {
                        open.push((path, depth + 1));
                    }
                    continue;
                }
                let text = path.to_string_lossy();
                match pattern {
                    Some((pattern, _)) if glob::fits(pattern, &text) => {
                        files.push(Source::Named(path));
                    }
                    Some(_) => {}
                    None if is_candidate(&name) && path.is_file() => {
                        files.push(Source::Found(path));
                    }
                    None => {}
                }
            }
            for file in files.into_iter().rev() {
                self.add(file)?;
            }
        }
        Ok(())
    }
}

fn join(folder: &Path, name: &Path) -> PathBuf {
    if folder == Path::new(".") {
        name.to_path_buf()
    } else {
        folder.join(name)
    }
}

fn is_passed_over(name: &str) -> bool {
    name.starts_with('.') || name == "node_modules" || name == "target"
}

fn is_candidate(name: &str) -> bool {
    let ending = name
        .rsplit_once('.')
        .map(|(_, ending)| ending.to_ascii_lowercase());
    name == "oap-target.toml" || matches!(ending.as_deref(), Some("json" | "yaml" | "yml"))
}

/// What a document is, when it looks like one of ours, or would but for a slip of the hand.
pub(super) fn ours(value: &Value) -> Option<DocumentKind> {
    let is_near = |wanted: &str| {
        let mut names = value
            .as_object()
            .into_iter()
            .flat_map(|members| members.keys());
        names.any(|name| name == wanted || nearest(name, [wanted]).is_some())
    };
    let kind = if is_near("requirements") && (is_near("steps") || is_near("stimulus")) {
        DocumentKind::Case
    } else {
        DocumentKind::guess(value)
    };
    let is_one = match kind {
        DocumentKind::Manifest => looks_like_a_manifest(value),
        DocumentKind::Plan => value.as_array().is_none_or(|nodes| !nodes.is_empty()),
        DocumentKind::Target => {
            let start = value.get("start");
            value.get("connect").is_some_and(Value::is_object)
                || ["command", "stdio"]
                    .iter()
                    .any(|way| start.is_some_and(|start| start.get(*way).is_some()))
        }
        DocumentKind::Case => true,
    };
    is_one.then_some(kind)
}

/// It has a list of actions, in either spelling, and something that other files with such a list do not have.
fn looks_like_a_manifest(value: &Value) -> bool {
    let Some(members) = value.as_object() else {
        return false;
    };
    let plain = |name: &str| name.rsplit(':').next().unwrap_or(name).to_owned();
    let mut actions = None;
    let mut marked = false;
    for (name, value) in members {
        match plain(name).as_str() {
            "actions" => actions = value.as_array(),
            near if actions.is_none() && nearest(near, ["actions"]).is_some() => {
                actions = value.as_array();
            }
            "protocol_version" | "protocolVersion" => marked = true,
            "type" => {
                marked |= value
                    .as_str()
                    .is_some_and(|kind| kind.ends_with("Manifest"))
            }
            _ if name == "@type" => {
                marked |= value
                    .as_str()
                    .is_some_and(|kind| kind.ends_with("Manifest"));
            }
            _ => {}
        }
    }
    let has_schemas = |action: &Value| {
        let names = action
            .as_object()
            .into_iter()
            .flat_map(|action| action.keys());
        let schemas = [
            "input_schema",
            "output_schema",
            "inputSchema",
            "outputSchema",
        ];
        names.into_iter().any(|name| {
            let name = plain(name);
            // One by one: both spellings are equally near to a third.
            let mut schemas = schemas.into_iter();
            schemas.any(|wanted| name == wanted || nearest(&name, [wanted]).is_some())
        })
    };
    actions.is_some_and(|actions| marked || actions.iter().any(has_schemas))
}

/// Whether a text that cannot be read was meant to be a document of ours.
pub(super) fn seems_ours(text: &str) -> bool {
    let has = |names: &[&str]| names.iter().any(|name| text.contains(name));
    text.contains("actions")
        && has(&[
            "input_schema",
            "inputSchema",
            "protocol_version",
            "protocolVersion",
        ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documents_of_ours_are_known_by_their_looks() {
        for (value, kind) in [
            (
                json!({"actions": [{"input_schema": {}}]}),
                Some(DocumentKind::Manifest),
            ),
            (
                json!({"protocolVersion": "2.0", "oap:actions": []}),
                Some(DocumentKind::Manifest),
            ),
            (
                json!({"acitons": [{"inputschema": {}}]}),
                Some(DocumentKind::Manifest),
            ),
            (
                json!({"protocol_version": "2.0", "action": []}),
                Some(DocumentKind::Manifest),
            ),
            (
                json!({"requirments": ["CAP-001"], "steps": []}),
                Some(DocumentKind::Case),
            ),
            (json!({"action": "x", "on": {}}), None),
            (json!({"name": "x", "version": "1.0.0"}), None),
            (json!({"actions": ["a"]}), None),
            (json!({"scripts": {"start": "x"}}), None),
            (
                json!({"start": {"command": ["x"]}}),
                Some(DocumentKind::Target),
            ),
            (json!({"start": "x"}), None),
            (json!([]), None),
            (
                json!([{"@type": "OpenAction:HumanApproval"}]),
                Some(DocumentKind::Plan),
            ),
            (
                json!({"requirements": ["CAP-001"], "steps": []}),
                Some(DocumentKind::Case),
            ),
            (json!(null), None),
        ] {
            assert_eq!(ours(&value), kind, "{value}");
        }
    }
}
