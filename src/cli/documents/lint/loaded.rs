//! What the suite's own loaders refuse of cases and targets, as findings: the rules do not know the suite, and the command line does.

use crate::document::Document;
use crate::lint::{DocumentKind, Preset, Selection, Severity, Told, check};
use crate::mutants;
use crate::requirement::Registry;
use crate::suite::load;
use crate::suite::target::definition::Definition;

/// The rules whose findings come from here.
const CASE: &str = "case_not_loadable";
const TARGET: &str = "target_not_loadable";

/// What of the loader's refusals has a rule of its own: a part of the loader's words.
const OF_OTHER_RULES: [&str; 5] = [
    "the id must begin with its main requirement",
    "is no requirement; see spec/requirements/",
    "setup and cites speak of an expectation",
    "no step closes the session",
    "nothing is expected; a case that cannot fail",
];

/// What the suite refuses of a document of a kind; `file` is its path, and a text without one is called as it should be.
pub(in crate::cli::documents) fn told(
    document: &Document,
    kind: DocumentKind,
    file: Option<&str>,
    selection: &Selection,
) -> Vec<Told> {
    let is_asked = |rule: &str| crate::lint::named(rule).is_some_and(|rule| selection.has(rule));
    match kind {
        DocumentKind::Case if is_asked(CASE) => of_case(document, file),
        DocumentKind::Target if is_asked(TARGET) => of_target(document),
        _ => Vec::new(),
    }
}

/// The same for an example, which has no file of its own.
pub(super) fn told_of_example(document: &Document, kind: DocumentKind) -> Vec<Told> {
    told(document, kind, None, &Selection::preset(Preset::Spec))
}

/// Whether the rules refuse a document's shape, so that what else is wrong with it is not looked at yet.
fn is_misshapen(document: &Document, kind: DocumentKind, rules: &[&str]) -> bool {
    let only = rules.iter().map(|rule| (*rule).to_owned());
    let outcome = check(document, kind, &Selection::preset(Preset::Spec).only(only));
    let mut findings = outcome.findings.iter();
    findings.any(|finding| finding.severity == Severity::Error)
}

fn of_case(document: &Document, file: Option<&str>) -> Vec<Told> {
    let tell = |pointer: String, message: String| Told {
        rule: CASE,
        pointer,
        message,
    };
    // A case is read as YAML, where a name stands once.
    if !document.duplicates().is_empty() {
        let twice = document.duplicates().iter();
        let message = "a member is named twice; name it once";
        return twice
            .map(|twice| tell(twice.pointer.clone(), message.to_owned()))
            .collect();
    }
    let shape = ["case_shape", "unknown_case_member", "unknown_profile"];
    if is_misshapen(document, DocumentKind::Case, &shape) {
        return Vec::new();
    }
    let id = document.value().get("id").and_then(|id| id.as_str());
    let own_name = format!("{}.yaml", id.unwrap_or("case"));
    let file = file.unwrap_or(&own_name);
    let refused = load::read(file, document.text(), Registry::embedded());
    let mut told: Vec<Told> = refused
        .err()
        .into_iter()
        .flatten()
        .filter(|error| {
            !OF_OTHER_RULES
                .iter()
                .any(|words| error.message.contains(words))
        })
        .map(|error| {
            // The place is drawn beside the words.
            let place = format!("{}: ", error.pointer);
            let message = error.message.strip_prefix(&place);
            let message = message.unwrap_or(&error.message).to_owned();
            let message = message.strip_prefix("the case: ").unwrap_or(&message);
            tell(error.pointer.clone(), message.to_owned())
        })
        .collect();
    told.extend(
        unknown_mutants(document)
            .into_iter()
            .map(|(pointer, message)| tell(pointer, message)),
    );
    told
}

/// Names under `kills` that no mutant has.
fn unknown_mutants(document: &Document) -> Vec<(String, String)> {
    let Some(named) = document
        .value()
        .get("kills")
        .and_then(|kills| kills.as_array())
    else {
        return Vec::new();
    };
    let known: std::collections::HashSet<&str> = mutants::all()
        .into_iter()
        .map(|mutant| mutant.name)
        .collect();
    let named = named.iter().enumerate();
    named
        .filter_map(|(index, name)| Some((index, name.as_str().filter(|name| !known.contains(name))?)))
        .map(|(index, name)| {
            let message = format!(
                "there is no mutant '{name}'; 'oap-conform explain REQUIREMENT' names those of a requirement"
            );
            (format!("/kills/{index}"), message)
        })
        .collect()
}

fn of_target(document: &Document) -> Vec<Told> {
    let shape = [
        "target_shape",
        "unknown_target_member",
        "unknown_placeholder",
    ];
    if is_misshapen(document, DocumentKind::Target, &shape) {
        return Vec::new();
    }
    let refused = match serde_json::from_value::<Definition>(document.value().clone()) {
        Ok(definition) => definition.check_as("").err(),
        Err(error) => Some(error.to_string()),
    };
    let Some(refused) = refused else {
        return Vec::new();
    };
    // ": [table] member: reason"
    let words = refused.strip_prefix(": ").unwrap_or(&refused);
    let (pointer, message) = match words.split_once(": ") {
        Some((member, reason)) if member.starts_with('[') => {
            let message = format!("{member}: {reason}");
            (pointer_of(member), message)
        }
        _ => (String::new(), words.to_owned()),
    };
    vec![Told {
        rule: TARGET,
        pointer,
        message,
    }]
}

/// The pointer of what the loader calls `[table.inner] member`.
fn pointer_of(member: &str) -> String {
    let names = member.split(['[', ']', '.', ' ']);
    names
        .filter(|name| !name.is_empty())
        .fold(String::new(), |pointer, name| {
            crate::json::push(&pointer, name)
        })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::document::Format;
    use crate::embedded;
    use crate::lint::explain::examples_with;
    use crate::lint::{Check, all};

    /// The examples of `fixtures/lint/<id>/`, as the tests of the rules hold the others.
    #[test]
    fn every_example_is_refused_where_it_says() {
        let told = all().filter(|rule| matches!(rule.check, Check::Told));
        for rule in told {
            let path = format!("fixtures/lint/{}/expect.toml", rule.id);
            let text = embedded::text(&path).expect("is there");
            let expected: BTreeMap<String, Vec<String>> = toml::from_str(&text).expect("reads");
            let bad = examples_with(rule, "bad", &told_of_example);
            assert_eq!(bad.len(), expected.len(), "{path}");
            for example in bad {
                let name = example.path.rsplit('/').next().unwrap_or_default();
                let wanted = expected.get(name.split('.').next().unwrap_or_default());
                let found = example.findings.iter();
                let found: Vec<String> = found.map(|finding| finding.pointer.clone()).collect();
                assert_eq!(
                    Some(&found),
                    wanted,
                    "{}: {:?}",
                    example.path,
                    example.findings
                );
            }
            for example in examples_with(rule, "good", &told_of_example) {
                assert!(
                    example.findings.is_empty(),
                    "{}: {:?}",
                    example.path,
                    example.findings
                );
            }
        }
    }

    #[test]
    fn every_case_of_this_repository_is_taken() {
        for path in embedded::list("conformance/cases/") {
            let text = embedded::text(&path).expect("a text").into_owned();
            let document = Document::read(text, Format::of(path.as_ref())).expect("a document");
            assert_eq!(of_case(&document, Some(&path)), [], "{path}");
        }
    }

    /// What is left to the rules is told by them.
    #[test]
    fn what_is_left_out_has_a_rule_of_its_own() {
        for (rule, words) in [
            ("case_id_of_another", OF_OTHER_RULES[0]),
            ("unknown_requirement", OF_OTHER_RULES[1]),
            ("cites_without_expectation", OF_OTHER_RULES[2]),
            ("transcript_without_close", OF_OTHER_RULES[3]),
            ("case_without_expectation", OF_OTHER_RULES[4]),
        ] {
            let rule = crate::lint::named(rule).expect("a rule");
            let refused = examples_with(rule, "bad", &told_of_example)
                .into_iter()
                .filter_map(|example| {
                    let file = example.path.clone();
                    load::read(&file, &example.text, Registry::embedded()).err()
                });
            let mut refused = refused.flatten();
            assert!(
                refused.any(|error| error.message.contains(words)),
                "{}: the loader does not say '{words}'",
                rule.id
            );
        }
    }

    #[test]
    fn members_of_tables_have_pointers() {
        assert_eq!(pointer_of("[start] env.A"), "/start/env/A");
        assert_eq!(pointer_of("[inject.clock] url"), "/inject/clock/url");
        assert_eq!(pointer_of("[secrets]"), "/secrets");
    }
}
