//! Case files to cases: strict, and every error at once with its file and line.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use serde_json::Value;

use super::case::{Case, Expect, ManifestChoice, Stimulus, Register, is_requirement_id};
use super::matcher::Matcher;
use super::prepare::{self, Origins};
use super::{substitute, yaml};
use crate::requirement::Registry;
use crate::{embedded, json, schema};

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
        }]
    })?;
    paths.sort();
    let files: Vec<_> = paths
        .into_iter()
        .map(|path| {
            let text = std::fs::metadata(&path)
                .map_err(|error| error.to_string())
                .and_then(|meta| {
                    if meta.len() > yaml::MOST_BYTES as u64 {
                        return Err(format!(
                            "the file has {} bytes; split it, at most {} are read",
                            meta.len(),
                            yaml::MOST_BYTES
                        ));
                    }
                    std::fs::read_to_string(&path).map_err(|error| format!("cannot be read: {error}"))
                });
            (path.display().to_string(), text)
        })
        .collect();
    if files.is_empty() {
        return Err(vec![LoadError {
            file: folder.display().to_string(),
            line: 1,
            message: "holds no .yaml file; name a folder with cases".to_owned(),
        }]);
    }
    assemble(files, registry)
}

fn walk(folder: &Path, depth: usize, paths: &mut Vec<std::path::PathBuf>) -> Result<(), String> {
    if depth > MOST_FOLDERS {
        return Err(format!("folders nest deeper than {MOST_FOLDERS}; flatten them"));
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
            return Err(format!("holds more than {MOST_FILES} case files; split the folder"));
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
                }]
            })
            .and_then(|text| case(&file, &text, registry));
        match loaded {
            Ok(case) => {
                if let Some(other) = cases.get(&case.id) {
                    errors.push(LoadError {
                        file,
                        line: 1,
                        message: format!("{} is already the id of {}; ids are unique", case.id, other.file),
                    });
                } else {
                    cases.insert(case.id.clone(), case);
                }
            }
            Err(found) => errors.extend(found),
        }
    }
    if errors.is_empty() {
        Ok(cases.into_values().collect())
    } else {
        errors.sort();
        Err(errors)
    }
}

/// One case from its file's text.
///
/// # Errors
/// Everything that is wrong with it.
pub fn case(file: &str, text: &str, registry: &Registry) -> Result<Case, Vec<LoadError>> {
    let one = |line: usize, message: String| {
        vec![LoadError {
            file: file.to_owned(),
            line,
            message,
        }]
    };
    let document =
        yaml::read(text).map_err(|error| one(error.line, error.message))?;
    if let Some(schema) = schema::named("case") {
        let violations = schema.violations(&document.value);
        if !violations.is_empty() {
            return Err(violations
                .into_iter()
                .map(|violation| LoadError {
                    file: file.to_owned(),
                    line: document.line(&violation.pointer),
                    message: format!("{}: {}", place(&violation.pointer), violation.message),
                })
                .collect());
        }
    }
    let mut case: Case = serde_json::from_value(document.value.clone())
        .map_err(|error| one(1, format!("{error}; see conformance/README.md")))?;
    case.file = file.to_owned();
    case.source = text.to_owned();
    let mut review = Review {
        file,
        document: &document,
        errors: Vec::new(),
    };
    review.case(&case, registry);
    if review.errors.is_empty() {
        Ok(case)
    } else {
        review.errors.sort();
        review.errors.dedup();
        Err(review.errors)
    }
}

fn place(pointer: &str) -> &str {
    if pointer.is_empty() { "the case" } else { pointer }
}

/// What a schema cannot say.
struct Review<'a> {
    file: &'a str,
    document: &'a yaml::Document,
    errors: Vec<LoadError>,
}

impl Review<'_> {
    fn say(&mut self, pointer: &str, message: impl fmt::Display) {
        self.errors.push(LoadError {
            file: self.file.to_owned(),
            line: self.document.line(pointer),
            message: format!("{}: {message}", place(pointer)),
        });
    }

    fn case(&mut self, case: &Case, registry: &Registry) {
        let stem = Path::new(self.file).file_stem().and_then(|stem| stem.to_str());
        if stem != Some(case.id.as_str()) {
            self.say("/id", format!("the file must be named {}.yaml", case.id));
        }
        let main = case.requirements.first().map(String::as_str).unwrap_or_default();
        if !case.id.starts_with(&format!("{main}-")) {
            self.say("/id", format!("the id must begin with its main requirement, {main}-"));
        }
        for id in case.cited() {
            if !is_requirement_id(id) || registry.get(id).is_none() {
                self.say(
                    "/requirements",
                    format!("{id} is no requirement; see spec/requirements/"),
                );
            }
        }
        self.manifest("/manifest", &case.manifest);
        if let Err(error) = mock_services::Script::from_value(case.script()) {
            self.say("/model", format!("the script cannot be used: {error}"));
        }
        let mut bound: BTreeSet<String> = BOUND.iter().map(|name| (*name).to_owned()).collect();
        let (mut asserts, mut closes) = (false, false);
        for (index, step) in case.steps.iter().enumerate() {
            let pointer = format!("/steps/{index}");
            self.stimulus(&pointer, &step.stimulus, &bound);
            closes |= matches!(step.stimulus, Stimulus::Close(_));
            if let Stimulus::Together(inner) = &step.stimulus {
                closes |= inner.iter().any(|inner| matches!(inner, Stimulus::Close(_)));
            }
            bound.extend(step.save.keys().cloned());
            let patterns = self.expectation(&pointer, &step.expect);
            asserts |= !patterns.is_empty() && !step.setup;
            for (place, pattern) in patterns {
                self.matcher(&place, pattern, &bound);
            }
            if matches!(step.expect, Expect::Nothing) && (step.setup || !step.cites.is_empty()) {
                self.say(&pointer, "setup and cites speak of an expectation; add expect or drop them");
            }
        }
        for sight in case.expect.sights() {
            asserts = true;
            self.matcher("/expect", sight.matcher, &bound);
            if sight.place == super::case::Place::Transcript && !closes {
                self.say(
                    "/expect/transcript",
                    "no step closes the session, so there is no transcript; add a close step",
                );
            }
        }
        if !asserts {
            self.say("", "nothing is expected; a case that cannot fail is no case");
        }
    }

    fn manifest(&mut self, pointer: &str, choice: &ManifestChoice) {
        let changes = match choice {
            ManifestChoice::Named(name) if name == "none" => return,
            ManifestChoice::Named(name) => super::case::Changes {
                fixture: name.clone(),
                ..super::case::Changes::default()
            },
            ManifestChoice::Changed(changes) => changes.clone(),
        };
        self.changes(pointer, &changes);
    }

    fn changes(&mut self, pointer: &str, changes: &super::case::Changes) {
        let prepared = prepare::fixture(&changes.fixture).and_then(|document| {
            prepare::changed(document, changes, "oapt0000000000000000", &Origins::default())
        });
        if let Err(error) = prepared {
            self.say(pointer, error);
        }
    }

    fn stimulus(&mut self, pointer: &str, stimulus: &Stimulus, bound: &BTreeSet<String>) {
        let here = json::push(pointer, stimulus.verb());
        match stimulus {
            Stimulus::Together(inner) => {
                for (index, inner) in inner.iter().enumerate() {
                    self.stimulus(&json::push(&here, &index.to_string()), inner, bound);
                }
            }
            // A manifest's own `${VAR}` belongs to the protocol.
            Stimulus::Register(Register { fixture: Some(_), .. }) => {
                if let Stimulus::Register(register) = stimulus
                    && let Some(changes) = register.changes()
                {
                    self.changes(&here, &changes);
                }
            }
            Stimulus::Register(_) => {}
            _ => {
                let raw = self.document.value.pointer(&here).cloned().unwrap_or_default();
                self.names(&here, &raw, bound);
            }
        }
    }

    fn names(&mut self, pointer: &str, value: &Value, bound: &BTreeSet<String>) {
        for name in substitute::names(value) {
            if !bound.contains(&name) {
                self.say(pointer, substitute::Unbound(name));
            }
        }
    }

    fn matcher(&mut self, pointer: &str, source: &Value, bound: &BTreeSet<String>) {
        self.names(pointer, source, bound);
        if let Err(error) = Matcher::compile(source) {
            let inside = format!("{pointer}{}", error.pointer);
            self.say(&inside, error);
        }
    }

    /// Every matcher of an expectation with its place.
    fn expectation<'e>(&self, pointer: &str, expect: &'e Expect) -> Vec<(String, &'e Value)> {
        let mut found = Vec::new();
        let mut answer = |pointer: String, expect: &'e super::case::AnswerExpect| {
            found.extend(expect.status.iter().map(|value| (format!("{pointer}/status"), value)));
            found.extend(expect.body.iter().map(|value| (format!("{pointer}/body"), value)));
            found.extend(expect.headers.iter().map(|(name, value)| {
                (json::push(&format!("{pointer}/headers"), name), value)
            }));
        };
        match expect {
            Expect::Nothing => {}
            Expect::One(one) => answer(format!("{pointer}/expect"), one),
            Expect::Many(many) => {
                if let Some(each) = &many.each {
                    answer(format!("{pointer}/expect/each"), each);
                }
                for (index, tally) in many.tally.iter().enumerate() {
                    answer(format!("{pointer}/expect/tally/{index}/of"), &tally.of);
                }
                for (index, tally) in many.tally.iter().enumerate() {
                    found.push((format!("{pointer}/expect/tally/{index}/is"), &tally.is));
                }
            }
        }
        found
    }
}

/// Names that the harness binds itself.
const BOUND: [&str; 6] = [
    "token",
    "session",
    "intervention",
    "manifest",
    "manifest_name",
    "digest",
];

#[cfg(test)]
mod tests {
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
        case("steps/STP-001-good.yaml", text, &registry())
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
        assert!(found[0].to_string().starts_with("steps/STP-001-good.yaml:5: "));
    }

    #[test]
    fn what_cannot_mean_anything_is_refused() {
        for (from, to, told) in [
            ("title:", "titel:", "titel"),
            ("[STP-001]", "[STP-999]", "STP-999"),
            ("id: STP-001-good", "id: STP-001-bad", "named"),
            ("emit: {finished: true}", "emmit: {}", ""),
            ("session: \"${mine}\"", "session: \"${yours}\"", "${yours}"),
            ("session_id: \"${mine}\"", "session_id: \"${yours}\"", "${yours}"),
            ("  - close: {}\n", "", "close"),
            ("- step: {session", "- step: {sesion", ""),
            ("body: {completed: false}", "body: {a: {$pattern: \"(\"}}", ""),
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
    fn a_case_that_expects_nothing_is_no_case() {
        let text = GOOD
            .replace("    expect: {status: 200, body: {completed: false}}\n", "")
            .split("expect:")
            .next()
            .expect("first part")
            .to_owned();
        let found = load(&text).expect_err("refused");
        assert!(found.iter().any(|error| error.message.contains("nothing is expected")));
    }

    #[test]
    fn all_errors_of_all_files_come_at_once() {
        let bad = GOOD.replace("[STP-001]", "[STP-999]").replace("${mine}\"}", "${gone}\"}");
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

    #[test]
    fn ids_are_unique() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["a", "b"] {
            std::fs::create_dir(folder.path().join(name)).expect("made");
            std::fs::write(folder.path().join(name).join("STP-001-good.yaml"), GOOD).expect("written");
        }
        let found = directory(folder.path(), &registry()).expect_err("refused");
        assert!(found[0].message.contains("already the id"));
    }
}
