//! The expression language: every public vector against the real evaluator and against the naive one, the two against each other on expressions
//! that nobody wrote down, and the proof that the vectors can fail.

#[path = "expressions/generate.rs"]
mod generate;
#[path = "expressions/vectors.rs"]
mod vectors;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use oap_conform::expression::{self, Expression, Template};
use oap_conform::naive::{self, Flaw};
use oap_conform::requirement::Registry;
use oap_conform::schema;
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use serde_json::Value;
use vectors::{Kind, Outcome, Vector};

/// What one evaluator makes of a text, and where it found an error.
fn naive(
    text: &str,
    kind: Kind,
    roots: naive::Roots<'_>,
    flaw: Option<Flaw>,
) -> (Outcome, Option<usize>) {
    let result = match kind {
        Kind::Expression => naive::evaluate(text, roots, flaw),
        Kind::Template => naive::template(text, roots, flaw).map(Some),
    };
    let offset = result.as_ref().err().map(|error| error.offset);
    (Outcome::new(result, |error| error.reason), offset)
}

/// The same of the real evaluator, with the undefined paths that it read.
fn real(
    text: &str,
    kind: Kind,
    roots: expression::Roots<'_>,
) -> (Outcome, Option<usize>, Vec<String>) {
    let mut paths = Vec::new();
    let result = match kind {
        Kind::Expression => Expression::parse(text).and_then(|expression| {
            let outcome = expression.evaluate(&roots)?;
            paths = outcome.undefined;
            Ok(outcome.value.map(Cow::into_owned))
        }),
        Kind::Template => {
            Template::parse(text).and_then(|template| template.resolve(&roots).map(Some))
        }
    };
    let offset = result.as_ref().err().map(|error| error.offset);
    let outcome = Outcome::new(result, |error| error.reason.as_str());
    (outcome, offset, paths)
}

fn naive_roots(vector: &Vector) -> naive::Roots<'_> {
    naive::Roots {
        state: vector.state.as_deref(),
        observation: vector.observation.as_deref(),
        input: vector.input.as_deref(),
    }
}

/// What is wrong with an answer to a vector, if anything.
fn complaint(vector: &Vector, got: &Outcome, offset: Option<usize>) -> Option<String> {
    let text: String = vector.text.chars().take(120).collect();
    if !got.is_same(&vector.expected) {
        return Some(format!(
            "{} ({}): {text}\n    expected {}, got {got}",
            vector.id, vector.requirement, vector.expected
        ));
    }
    if vector.offset.is_some() && vector.offset != offset {
        return Some(format!(
            "{}: {text}\n    expected offset {:?}, got {offset:?}",
            vector.id, vector.offset
        ));
    }
    None
}

fn assert_none(complaints: Vec<String>) {
    assert!(
        complaints.is_empty(),
        "{} vectors fail:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}

#[test]
fn the_naive_evaluator_satisfies_every_vector() {
    let vectors = vectors::all();
    let complaints = vectors.iter().filter_map(|vector| {
        let (got, offset) = naive(&vector.text, vector.kind, naive_roots(vector), None);
        complaint(vector, &got, offset)
    });
    assert_none(complaints.collect());
}

#[test]
fn the_real_evaluator_satisfies_every_vector() {
    let vectors = vectors::all();
    let complaints = vectors.iter().filter_map(|vector| {
        let roots = expression::Roots {
            state: vector.state.as_deref(),
            observation: vector.observation.as_deref(),
            input: vector.input.as_deref(),
        };
        let (got, offset, paths) = real(&vector.text, vector.kind, roots);
        complaint(vector, &got, offset).or_else(|| {
            let expected = vector.undefined_paths.as_ref()?;
            (*expected != paths).then(|| {
                format!(
                    "{}: expected undefined paths {expected:?}, got {paths:?}",
                    vector.id
                )
            })
        })
    });
    assert_none(complaints.collect());
}

/// A flaw that no vector notices would be one that an implementer could have too.
#[test]
fn every_flaw_fails_a_vector() {
    let vectors = vectors::all();
    let mut unnoticed = Vec::new();
    for flaw in Flaw::ALL {
        let noticed = vectors.iter().any(|vector| {
            let (got, _) = naive(&vector.text, vector.kind, naive_roots(vector), Some(*flaw));
            !got.is_same(&vector.expected)
        });
        if !noticed {
            unnoticed.push(flaw.name());
        }
    }
    assert!(unnoticed.is_empty(), "no vector notices {unnoticed:?}");
}

#[test]
fn the_files_are_what_their_schema_says() {
    let schema = schema::named("expression-vectors").expect("the schema is there");
    let mut ids = BTreeSet::new();
    for (name, document) in vectors::files() {
        let violations = schema.violations(&document);
        assert!(violations.is_empty(), "{name}: {violations:?}");
        for vector in document["vectors"].as_array().expect("vectors") {
            let id = vector["id"].as_str().expect("an id").to_owned();
            assert!(ids.insert(id.clone()), "{id} is there twice");
            let topic = name.trim_end_matches(".json");
            assert!(id.starts_with(topic), "{id} does not begin with {topic}");
        }
    }
    assert!(ids.len() >= 700, "{} vectors", ids.len());
}

/// Every requirement of the section that one evaluation can show has vectors.
#[test]
fn every_requirement_has_vectors() {
    // These are about whole runs: answers that carry `details`, and evaluation that depends on nothing else.
    const OF_RUNS: [&str; 2] = ["EXP-029", "EXP-032"];
    let mut counts: BTreeMap<String, usize> = Registry::embedded()
        .iter()
        .map(|requirement| requirement.id.to_string())
        .filter(|id| id.starts_with("EXP-") && !OF_RUNS.contains(&id.as_str()))
        .map(|id| (id, 0))
        .collect();
    for vector in vectors::all() {
        *counts
            .get_mut(&vector.requirement)
            .expect("a known requirement") += 1;
    }
    let without: Vec<&String> = counts
        .iter()
        .filter(|(_, count)| **count == 0)
        .map(|(id, _)| id)
        .collect();
    assert!(without.is_empty(), "no vector for {without:?}");
}

fn agree(text: &str, kind: Kind, state: &Value) -> TestCaseResult {
    let input: Value = serde_json::json!({"a": 5, "length": 2});
    let simple = naive(
        text,
        kind,
        naive::Roots {
            state: Some(state),
            observation: None,
            input: Some(&input),
        },
        None,
    );
    let full = real(
        text,
        kind,
        expression::Roots {
            state: Some(state),
            observation: None,
            input: Some(&input),
        },
    );
    prop_assert!(
        full.0.is_same(&simple.0),
        "{kind:?} {text}\n  the real one: {}\n  the naive one: {}",
        full.0,
        simple.0
    );
    Ok(())
}

/// What a text comes to over a state and nothing else, in full.
fn evaluated_apart(text: &str, kind: Kind, state: &Value) -> String {
    let roots = expression::Roots {
        state: Some(state),
        ..expression::Roots::default()
    };
    let (outcome, offset, undefined) = real(text, kind, roots);
    format!("{outcome} at {offset:?}, undefined {undefined:?}")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_agree_on_derived_expressions(text in generate::derived()) {
        agree(&text, Kind::Expression, &generate::state())?;
    }

    #[test]
    fn both_agree_on_calculations(text in generate::calculated()) {
        agree(&text, Kind::Expression, &generate::state())?;
    }

    #[test]
    fn both_agree_on_loose_tokens(text in generate::soup()) {
        agree(&text, Kind::Expression, &generate::state())?;
    }

    #[test]
    fn both_agree_on_templates(text in generate::template()) {
        agree(&text, Kind::Template, &generate::state())?;
    }

    /// EXP-029: the same text over the same roots gives the same, read again and elsewhere, and the roots stay what they were.
    #[test]
    fn evaluation_depends_on_text_and_roots_alone(text in generate::derived(), template in generate::template()) {
        for (text, kind) in [(&text, Kind::Expression), (&template, Kind::Template)] {
            let state = generate::state();
            let once = evaluated_apart(text, kind, &state);
            prop_assert_eq!(&state, &generate::state());
            let again = std::thread::scope(|scope| scope.spawn(|| evaluated_apart(text, kind, &generate::state())).join());
            prop_assert_eq!(Some(once), again.ok());
        }
    }
}
