//! Case files to cases: strict, and every error at once with its file and line.

mod review;

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::path::Path;

use review::Review;

use super::case::{Case, variants};
use super::yaml;
use crate::requirement::Registry;
use crate::{embedded, schema};

/// Most case files read from one folder.
const MOST_FILES: usize = 5_000;
/// Deepest folder below the one that is given.
const MOST_FOLDERS: usize = 8;

/// One thing that is wrong with a case file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LoadError {
    /// The file, as it was found.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// What to do about it.
    pub message: String,
    /// Where in the case, as JSON Pointer; the case itself where nothing else can be said.
    pub pointer: String,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

impl std::error::Error for LoadError {}

/// The cases that this binary carries, in order of their ids.
///
/// # Errors
/// Everything that is wrong with any of them.
pub fn embedded_cases(registry: &Registry) -> Result<Vec<Case>, Vec<LoadError>> {
    let files = embedded::list("conformance/cases/")
        .into_iter()
        .filter(|path| path.ends_with(".yaml"))
        .map(|path| {
            let text = embedded::text(&path)
                .map(std::borrow::Cow::into_owned)
                .ok_or_else(|| "the file is not UTF-8; save it as UTF-8".to_owned());
            (path, text)
        })
        .collect();
    assemble(files, registry)
}

/// The cases in a folder and the folders below it, in order of their ids.
///
/// # Errors
/// Everything that is wrong with any of them; a folder that cannot be read, or holds no case, is an error too.
pub fn directory(folder: &Path, registry: &Registry) -> Result<Vec<Case>, Vec<LoadError>> {
    let mut paths = Vec::new();
    walk(folder, 0, &mut paths).map_err(|message| {
        vec![LoadError {
            file: folder.display().to_string(),
            line: 1,
            message,
            pointer: String::new(),
        }]
    })?;
    paths.sort();
    let files: Vec<_> = paths
        .into_iter()
        .map(|path| {
            let text = text_of(&path);
            (path.display().to_string(), text)
        })
        .collect();
    if files.is_empty() {
        return Err(vec![LoadError {
            file: folder.display().to_string(),
            line: 1,
            message: "holds no .yaml file; name a folder with cases".to_owned(),
            pointer: String::new(),
        }]);
    }
    assemble(files, registry)
}

/// The text of a case file; what is no plain file, such as a pipe or a device, may never end and is not opened.
fn text_of(path: &Path) -> Result<String, String> {
    let cannot = |error: std::io::Error| format!("cannot be read: {error}");
    let about = std::fs::metadata(path).map_err(cannot)?;
    if !about.is_file() {
        return Err("is no plain file; take it away".to_owned());
    }
    let most = yaml::MOST_BYTES as u64;
    if about.len() > most {
        return Err(format!(
            "the file has {} bytes; split it, at most {most} are read",
            about.len()
        ));
    }
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(cannot)?;
    // A file may have grown since; what is longer by now is refused by the reader.
    file.take(most + 1)
        .read_to_string(&mut text)
        .map_err(cannot)?;
    Ok(text)
}

fn walk(folder: &Path, depth: usize, paths: &mut Vec<std::path::PathBuf>) -> Result<(), String> {
    if depth > MOST_FOLDERS {
        return Err(format!(
            "folders nest deeper than {MOST_FOLDERS}; flatten them"
        ));
    }
    let entries = std::fs::read_dir(folder)
        .map_err(|error| format!("{} cannot be read: {error}", folder.display()))?;
    for entry in entries {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.is_dir() {
            walk(&path, depth + 1, paths)?;
        } else if path.extension().is_some_and(|ending| ending == "yaml") {
            paths.push(path);
        }
        if paths.len() > MOST_FILES {
            return Err(format!(
                "holds more than {MOST_FILES} case files; split the folder"
            ));
        }
    }
    Ok(())
}

fn assemble(
    files: Vec<(String, Result<String, String>)>,
    registry: &Registry,
) -> Result<Vec<Case>, Vec<LoadError>> {
    let mut cases: BTreeMap<String, Case> = BTreeMap::new();
    let mut errors = Vec::new();
    for (file, text) in files {
        let loaded = text
            .map_err(|message| {
                vec![LoadError {
                    file: file.clone(),
                    line: 1,
                    message,
                    pointer: String::new(),
                }]
            })
            .and_then(|text| read(&file, &text, registry));
        for case in loaded.unwrap_or_else(|found| {
            errors.extend(found);
            Vec::new()
        }) {
            if let Some(other) = cases.get(&case.id) {
                errors.push(LoadError {
                    file: file.clone(),
                    line: 1,
                    message: format!(
                        "{} is already the id of {}; ids are unique",
                        case.id, other.file
                    ),
                    pointer: "/id".to_owned(),
                });
            } else {
                cases.insert(case.id.clone(), case);
            }
        }
    }
    if errors.is_empty() {
        Ok(cases.into_values().collect())
    } else {
        errors.sort();
        Err(errors)
    }
}

/// The cases of a file's text: one, or with `runtimes` one for each language.
///
/// # Errors
/// Everything that is wrong with them.
pub fn read(file: &str, text: &str, registry: &Registry) -> Result<Vec<Case>, Vec<LoadError>> {
    let one = |line: usize, pointer: String, message: String| {
        vec![LoadError {
            file: file.to_owned(),
            line,
            message,
            pointer,
        }]
    };
    let document =
        yaml::read(text).map_err(|error| one(error.line, String::new(), error.message))?;
    if let Some(schema) = schema::named("case") {
        let violations = schema.violations(&document.value);
        if !violations.is_empty() {
            return Err(violations
                .into_iter()
                .map(|violation| LoadError {
                    file: file.to_owned(),
                    line: document.line(&violation.pointer),
                    message: format!("{}: {}", place(&violation.pointer), violation.message),
                    pointer: violation.pointer,
                })
                .collect());
        }
    }
    let variants = variants(&document.value)
        .map_err(|(pointer, message)| one(document.line(&pointer), pointer, message))?;
    let mut cases = Vec::new();
    let mut review = Review {
        file,
        document: &document,
        errors: Vec::new(),
    };
    for variant in variants {
        let mut case: Case = serde_json::from_value(variant.document).map_err(|error| {
            let message = format!("{error}; see conformance/README.md");
            one(1, String::new(), message)
        })?;
        case.language = variant.language;
        case.file = file.to_owned();
        case.source = text.to_owned();
        review.case(&case, registry);
        cases.push(case);
    }
    if review.errors.is_empty() {
        Ok(cases)
    } else {
        review.errors.sort();
        review.errors.dedup();
        Err(review.errors)
    }
}

fn place(pointer: &str) -> &str {
    if pointer.is_empty() {
        "the case"
    } else {
        pointer
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn registry() -> Registry {
        let mut registry = Registry::default();
        registry.add_section(
            "steps",
            r#"
            [[requirement]]
            id = "STP-001"
            level = "MUST"
            profile = "session"
            quote = "A step is a step."
            judged = "live"
            "#,
            "A step is a step.",
        );
        registry
    }

    const GOOD: &str = "\
id: STP-001-good
title: a step is a step
requirements: [STP-001]
needs: [session]
manifest: none
model:
  - emit: {finished: true}
steps:
  - open: {}
    save: {mine: /session_id}
  - step: {session: \"${mine}\"}
    expect: {status: 200, body: {completed: false}}
  - close: {}
expect:
  services: {calendar: {calls: 0}}
  transcript: {session_id: \"${mine}\"}
";

    fn load(text: &str) -> Result<Case, Vec<LoadError>> {
        read("steps/STP-001-good.yaml", text, &registry()).map(|mut cases| cases.remove(0))
    }

    fn errors(from: &str, to: &str) -> Vec<LoadError> {
        assert!(GOOD.contains(from), "{from}");
        load(&GOOD.replace(from, to)).expect_err("refused")
    }

    #[test]
    fn a_good_case_loads() {
        let case = load(GOOD).expect("loads");
        assert_eq!(case.steps.len(), 3);
        assert_eq!(case.expect.sights().len(), 2);
        assert_eq!(case.cited(), BTreeSet::from(["STP-001"]));
    }

    #[test]
    fn errors_name_file_line_and_what_to_do() {
        let found = errors("completed: false", "completed: {$tipe: string}");
        assert_eq!(found[0].file, "steps/STP-001-good.yaml");
        assert_eq!(found[0].line, 12, "{found:?}");
        let found = errors("manifest: none", "manifest: no-such-fixture");
        assert_eq!(found[0].line, 5);
        assert!(
            found[0]
                .to_string()
                .starts_with("steps/STP-001-good.yaml:5: ")
        );
    }

    #[test]
    fn what_cannot_mean_anything_is_refused() {
        for (from, to, told) in [
            ("title:", "titel:", "titel"),
            ("[STP-001]", "[STP-999]", "STP-999"),
            ("id: STP-001-good", "id: STP-001-bad", "named"),
            ("emit: {finished: true}", "emmit: {}", ""),
            ("session: \"${mine}\"", "session: \"${yours}\"", "${yours}"),
            (
                "session_id: \"${mine}\"",
                "session_id: \"${yours}\"",
                "${yours}",
            ),
            ("  - close: {}\n", "", "close"),
            ("- step: {session", "- step: {sesion", ""),
            (
                "body: {completed: false}",
                "body: {a: {$pattern: \"(\"}}",
                "",
            ),
            ("title: a step", "title: a\ntitle: a step", "twice"),
        ] {
            let found = errors(from, to);
            assert!(
                found.iter().any(|error| error.message.contains(told)),
                "{from} -> {to}: {found:?}"
            );
        }
    }

    #[test]
    fn names_may_stand_in_patterns_and_as_members() {
        let text = GOOD.replace(
            "{completed: false}",
            "{a: {$pattern: \"^${token}{2}$\"}, \"${mine}\": 1}",
        );
        load(&text).expect("loads");
    }

    #[test]
    fn a_case_that_expects_nothing_is_no_case() {
        let text = GOOD
            .replace("    expect: {status: 200, body: {completed: false}}\n", "")
            .split("expect:")
            .next()
            .expect("first part")
            .to_owned();
        let found = load(&text).expect_err("refused");
        assert!(
            found
                .iter()
                .any(|error| error.message.contains("nothing is expected"))
        );
    }

    #[test]
    fn all_errors_of_all_files_come_at_once() {
        let bad = GOOD
            .replace("[STP-001]", "[STP-999]")
            .replace("${mine}\"}", "${gone}\"}");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("steps")).expect("made");
        std::fs::write(folder.path().join("steps/STP-001-good.yaml"), bad).expect("written");
        std::fs::write(folder.path().join("STP-001-broken.yaml"), "a: [").expect("written");
        let found = directory(folder.path(), &registry()).expect_err("refused");
        assert!(found.len() >= 3, "{found:?}");
        assert!(directory(&folder.path().join("absent"), &registry()).is_err());
    }

    #[test]
    fn every_case_of_this_repository_loads() {
        if let Err(errors) = embedded_cases(Registry::embedded()) {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            panic!("{}", lines.join("\n"));
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_plain_file_is_not_opened() {
        let folder = tempfile::tempdir().expect("a folder");
        std::os::unix::fs::symlink("/dev/zero", folder.path().join("a.yaml")).expect("linked");
        let found = directory(folder.path(), &registry()).expect_err("refused");
        assert!(found[0].message.contains("plain file"), "{found:?}");
    }

    #[test]
    fn ids_are_unique() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["a", "b"] {
            std::fs::create_dir(folder.path().join(name)).expect("made");
            std::fs::write(folder.path().join(name).join("STP-001-good.yaml"), GOOD)
                .expect("written");
        }
        let found = directory(folder.path(), &registry()).expect_err("refused");
        assert!(found[0].message.contains("already the id"));
    }
}
