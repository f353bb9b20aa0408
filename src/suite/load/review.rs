//! What a schema cannot say of a case: names that are bound, matchers that compile, requirements and fixtures that exist.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use serde_json::Value;

use super::{LoadError, place};
use crate::json;
use crate::requirement::Registry;
use crate::suite::case::{
    self, Case, Expect, ManifestChoice, Register, Stimulus, is_requirement_id,
};
use crate::suite::files;
use crate::suite::matcher::Matcher;
use crate::suite::prepare::{self, Origins};
use crate::suite::{substitute, yaml};

/// What a schema cannot say.
pub(super) struct Review<'a> {
    pub(super) file: &'a str,
    pub(super) document: &'a yaml::Document,
    pub(super) errors: Vec<LoadError>,
}

impl Review<'_> {
    fn say(&mut self, pointer: &str, message: impl fmt::Display) {
        self.errors.push(LoadError {
            file: self.file.to_owned(),
            line: self.document.line(pointer),
            message: format!("{}: {message}", place(pointer)),
            pointer: pointer.to_owned(),
        });
    }

    pub(super) fn case(&mut self, case: &Case, registry: &Registry) {
        let stem = Path::new(self.file)
            .file_stem()
            .and_then(|stem| stem.to_str());
        let id = case::id_in_file(&case.id);
        if stem != Some(id) {
            self.say("/id", format!("the file must be named {id}.yaml"));
        }
        let main = case
            .requirements
            .first()
            .map(String::as_str)
            .unwrap_or_default();
        if !case.id.starts_with(&format!("{main}-")) {
            self.say(
                "/id",
                format!("the id must begin with its main requirement, {main}-"),
            );
        }
        for id in case.cited() {
            if !is_requirement_id(id) || registry.get(id).is_none() {
                self.say(
                    "/requirements",
                    format!("{id} is no requirement; see spec/requirements/"),
                );
            }
        }
        for (index, step) in case.steps.iter().enumerate() {
            for name in step.callers.iter().flatten() {
                if name != "user" && !case.access.contains_key(name) {
                    self.say(
                        &format!("/steps/{index}"),
                        format!("there is no identity '{name}'; name it under access"),
                    );
                }
            }
        }
        for name in case.files.keys() {
            if let Err(error) = files::within(name) {
                self.say("/files", error);
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
                closes |= inner
                    .iter()
                    .any(|inner| matches!(inner, Stimulus::Close(_)));
            }
            bound.extend(step.save.keys().cloned());
            let patterns = self.expectation(&pointer, &step.expect);
            asserts |= !patterns.is_empty() && !step.setup;
            for (place, pattern) in patterns {
                self.matcher(&place, pattern, &bound);
            }
            if matches!(step.expect, Expect::Nothing) && (step.setup || !step.cites.is_empty()) {
                self.say(
                    &pointer,
                    "setup and cites speak of an expectation; add expect or drop them",
                );
            }
        }
        for sight in case.expect.sights() {
            asserts = true;
            self.matcher("/expect", sight.matcher, &bound);
            if let case::Place::File(name) = sight.place
                && let Err(error) = files::within(name)
            {
                self.say("/expect/files", error);
            }
            if sight.place == case::Place::Transcript && !closes {
                self.say(
                    "/expect/transcript",
                    "no step closes the session, so there is no transcript; add a close step",
                );
            }
        }
        if !asserts {
            self.say(
                "",
                "nothing is expected; a case that cannot fail is no case",
            );
        }
    }

    fn manifest(&mut self, pointer: &str, choice: &ManifestChoice) {
        let changes = match choice {
            ManifestChoice::Named(name) if name == "none" => return,
            ManifestChoice::Named(name) => case::Changes {
                fixture: name.clone(),
                ..case::Changes::default()
            },
            ManifestChoice::Changed(changes) => changes.clone(),
        };
        self.changes(pointer, &changes);
    }

    fn changes(&mut self, pointer: &str, changes: &case::Changes) {
        let prepared = prepare::fixture(&changes.fixture).and_then(|document| {
            prepare::changed(
                document,
                changes,
                "oapt0000000000000000",
                &Origins::default(),
            )
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
            Stimulus::Register(Register {
                fixture: Some(_), ..
            }) => {
                if let Stimulus::Register(register) = stimulus
                    && let Some(changes) = register.changes()
                {
                    self.changes(&here, &changes);
                }
            }
            Stimulus::Register(_) => {}
            _ => {
                let raw = self
                    .document
                    .value
                    .pointer(&here)
                    .cloned()
                    .unwrap_or_default();
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
        // What will be put in is not known yet, only that it is there.
        let stand_ins = bound
            .iter()
            .map(|name| (name.clone(), Value::from("x")))
            .collect();
        let Ok(source) = substitute::substitute(source, &stand_ins) else {
            return;
        };
        if let Err(error) = Matcher::compile(&source) {
            let inside = format!("{pointer}{}", error.pointer);
            self.say(&inside, error);
        }
    }

    /// Every matcher of an expectation with its place.
    fn expectation<'e>(&self, pointer: &str, expect: &'e Expect) -> Vec<(String, &'e Value)> {
        let mut found = Vec::new();
        let mut answer = |pointer: String, expect: &'e case::AnswerExpect| {
            found.extend(
                expect
                    .status
                    .iter()
                    .map(|value| (format!("{pointer}/status"), value)),
            );
            found.extend(
                expect
                    .body
                    .iter()
                    .map(|value| (format!("{pointer}/body"), value)),
            );
            found.extend(
                expect
                    .headers
                    .iter()
                    .map(|(name, value)| (json::push(&format!("{pointer}/headers"), name), value)),
            );
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
const BOUND: [&str; 18] = [
    "file_root",
    "folder",
    "object_root",
    "trace",
    "caller_span",
    "calendar",
    "calendar_address",
    "language",
    "token",
    "session",
    "intervention",
    "manifest",
    "manifest_name",
    "digest",
    "user",
    "approval",
    "resume",
    "resumed_state",
];
