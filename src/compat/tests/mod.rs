mod calls;
mod hostile;
mod random;
mod schemas;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::kinds::KINDS;
use super::{Change, Direction, Level, compare, kinds};
use crate::document::{Document, Format};
use crate::{embedded, manifest, schema};

fn document(value: &Value) -> Document {
    Document::read(value.to_string(), Format::Json).expect("a document")
}

fn fixture(kind: &str, name: &str) -> Document {
    for ending in ["json", "yaml"] {
        let path = format!("fixtures/compat/{kind}/{name}.{ending}");
        if let Some(text) = embedded::text(&path) {
            let format = Format::of(Path::new(&path));
            return Document::read(text.into_owned(), format)
                .unwrap_or_else(|error| panic!("{path}: {error}"));
        }
    }
    panic!("no fixture {kind}/{name}")
}

/// The same in the other spelling, where it can be said there.
fn json_ld(one: &Document) -> Option<Document> {
    let manifest = manifest::load(one.value()).ok()?;
    let spelled = manifest::to_json_ld(&manifest).ok()?;
    Some(document(&spelled))
}

/// The pairs with what each changes.
fn index() -> BTreeMap<String, Vec<String>> {
    let text = embedded::text("fixtures/compat/index.toml").expect("the index");
    toml::from_str(&text).expect("TOML")
}

fn pairs() -> impl Iterator<Item = (String, Document, Document)> {
    index().into_keys().map(|kind| {
        let (old, new) = (fixture(&kind, "old"), fixture(&kind, "new"));
        (kind, old, new)
    })
}

fn told(changes: &[Change]) -> Vec<String> {
    let mut told: Vec<String> = changes
        .iter()
        .map(|change| format!("{} {}", change.kind, change.level))
        .collect();
    told.sort();
    told
}

fn kinds_of(changes: &[Change]) -> Vec<&'static str> {
    let mut kinds: Vec<&str> = changes.iter().map(|change| change.kind).collect();
    kinds.sort_unstable();
    kinds
}

fn mirrored(changes: &[Change]) -> Vec<&'static str> {
    let mut kinds: Vec<&str> = changes
        .iter()
        .map(|change| kinds::find(change.kind).mirror)
        .collect();
    kinds.sort_unstable();
    kinds
}

#[test]
fn every_kind_has_a_pair_that_shows_it() {
    let index = index();
    let known: BTreeSet<&str> = KINDS.iter().map(|kind| kind.id).collect();
    assert_eq!(known.len(), KINDS.len(), "a kind stands twice");
    assert!(known.len() >= 80);
    for kind in &known {
        // What is too large for a fixture has a test of its own.
        assert!(
            index.contains_key(*kind) || *kind == "comparison_cut_short",
            "no pair for {kind}"
        );
    }
    for (kind, mut expected) in index {
        let changes = compare(&fixture(&kind, "old"), &fixture(&kind, "new"));
        expected.sort();
        assert_eq!(told(&changes), expected, "{kind}: {changes:#?}");
        assert!(changes.iter().any(|change| change.kind == kind), "{kind}");
    }
}

#[test]
fn each_kind_read_backwards_is_its_mirror() {
    for kind in KINDS {
        let mirror = KINDS.iter().find(|other| other.id == kind.mirror);
        let mirror = mirror.unwrap_or_else(|| panic!("{} has no mirror", kind.id));
        assert_eq!(mirror.mirror, kind.id);
        assert_eq!(mirror.direction, kind.direction, "{}", kind.id);
    }
    for (kind, old, new) in pairs() {
        let (there, back) = (compare(&old, &new), compare(&new, &old));
        assert_eq!(mirrored(&there), kinds_of(&back), "{kind}");
        let paths = |changes: &[Change]| -> BTreeSet<String> {
            changes.iter().map(|change| change.path.clone()).collect()
        };
        // What is renamed has its path by the older name.
        if !kind.ends_with("_renamed") {
            assert_eq!(paths(&there), paths(&back), "{kind}");
        }
    }
}

#[test]
fn a_document_does_not_differ_from_itself_however_it_is_spelled_and_ordered() {
    for (kind, old, new) in pairs() {
        for one in [&old, &new] {
            assert_eq!(compare(one, one), [], "{kind}");
            let turned = document(&turned(one.value()));
            assert_eq!(compare(one, &turned), [], "{kind}");
            if let Some(spelled) = json_ld(one) {
                assert_eq!(compare(one, &spelled), [], "{kind}");
                assert_eq!(compare(&spelled, one), [], "{kind}");
            }
        }
        let (was, is) = (
            document(&turned(old.value())),
            document(&turned(new.value())),
        );
        let prints = |changes: Vec<Change>| -> Vec<String> {
            changes
                .into_iter()
                .map(|change| change.fingerprint)
                .collect()
        };
        assert_eq!(
            prints(compare(&old, &new)),
            prints(compare(&was, &is)),
            "{kind}"
        );
    }
}

/// The same with members, actions and intents in the other order.
fn turned(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut other = Map::new();
            for (name, value) in members.iter().rev() {
                let mut value = turned(value);
                if let (Value::Array(elements), "actions" | "intents") = (&mut value, name.as_str())
                {
                    elements.reverse();
                }
                other.insert(name.clone(), value);
            }
            Value::Object(other)
        }
        Value::Array(elements) => elements.iter().map(turned).collect(),
        other => other.clone(),
    }
}

#[test]
fn pointers_lead_into_the_documents_as_written() {
    for (kind, old, new) in pairs() {
        let spelled = json_ld(&new);
        let spelled = spelled.unwrap_or_else(|| new.clone());
        for newer in [&new, &spelled] {
            for change in compare(&old, newer) {
                let (before, after) = (&change.pointer_old, &change.pointer_new);
                assert!(old.value().pointer(before).is_some(), "{kind}: {before}");
                assert!(newer.value().pointer(after).is_some(), "{kind}: {after}");
            }
        }
    }
}

#[test]
fn fingerprints_tell_the_changes_of_a_pair_apart() {
    for (kind, old, new) in pairs() {
        let changes = compare(&old, &new);
        let prints: BTreeSet<&str> = changes
            .iter()
            .map(|change| change.fingerprint.as_str())
            .collect();
        assert_eq!(prints.len(), changes.len(), "{kind}");
        assert!(prints.iter().all(|print| print.len() == 16));
    }
}

/// The manifest with input and output exchanged.
fn exchanged(document: &Document) -> Option<Document> {
    let mut value = document.value().clone();
    for action in value.get_mut("actions")?.as_array_mut()? {
        let members = action.as_object_mut()?;
        let (input, output) = (
            members.shift_remove("input_schema"),
            members.shift_remove("output_schema"),
        );
        if let Some(input) = input {
            members.insert("output_schema".to_owned(), input);
        }
        if let Some(output) = output {
            members.insert("input_schema".to_owned(), output);
        }
    }
    Some(self::document(&value))
}

#[test]
fn the_level_follows_from_kind_and_direction() {
    for (kind, old, new) in pairs() {
        let (Some(was), Some(is)) = (exchanged(&old), exchanged(&new)) else {
            continue;
        };
        let changes = compare(&old, &new);
        let other = compare(&was, &is);
        assert_eq!(kinds_of(&changes), kinds_of(&other), "{kind}");
        for change in changes.iter().chain(&other) {
            let kind = kinds::find(change.kind);
            assert_eq!(change.level, kind.level(change.direction));
            match kind.direction {
                Some(direction) => assert_eq!(change.direction, direction),
                None => assert!(matches!(
                    change.direction,
                    Direction::Input | Direction::Output
                )),
            }
        }
    }
}

#[test]
fn counterexamples_are_accepted_on_one_side_only() {
    let mut without = BTreeSet::new();
    for (kind, old, new) in pairs() {
        for (old, new) in [
            (old.clone(), new.clone()),
            (
                exchanged(&old).expect("a manifest"),
                exchanged(&new).expect("a manifest"),
            ),
        ] {
            for change in compare(&old, &new) {
                let member = match change.direction {
                    Direction::Input => "input_schema",
                    Direction::Output => "output_schema",
                    _ => {
                        assert_eq!(change.counterexample, None);
                        continue;
                    }
                };
                if change.level != Level::Breaking {
                    assert_eq!(change.counterexample, None);
                    continue;
                }
                let Some(value) = &change.counterexample else {
                    without.insert(change.kind);
                    continue;
                };
                let accepts = |document: &Document| {
                    let schema = &document.value()["actions"][0][member];
                    schema::compile(schema).expect("a schema").is_valid(value)
                };
                let expected = match change.direction {
                    Direction::Output => (false, true),
                    _ => (true, false),
                };
                assert_eq!((accepts(&old), accepts(&new)), expected, "{kind}: {value}");
            }
        }
    }
    // A schema that is missing or broken shows nothing, and the later draft of the pair accepts nothing that the earlier refuses.
    let expected = BTreeSet::from([
        "dialect_changed",
        "schema_added",
        "schema_removed",
        "schema_unproven",
    ]);
    assert_eq!(without, expected);
}

fn with_schemas(input: &Value, output: &Value) -> Document {
    document(&json!({"name": "n", "version": "1.0.0", "actions": [
        {"name": "a", "type": "plugin", "input_schema": input, "output_schema": output},
    ]}))
}

#[test]
fn the_table_in_the_prose_is_the_table() {
    let text = embedded::text("spec/compatibility.md").expect("the prose");
    let rows: Vec<String> = text
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(str::to_owned)
        .collect();
    let expected: Vec<String> = KINDS.iter().map(row).collect();
    for (row, expected) in rows.iter().zip(&expected) {
        assert_eq!(row, expected);
    }
    assert_eq!(
        rows.len(),
        expected.len(),
        "write these rows:\n{}",
        expected.join("\n")
    );
}

fn row(kind: &kinds::Kind) -> String {
    let levels = match kind.direction {
        Some(direction) => format!("{} | {}", direction.name(), kind.input),
        None if kind.input == kind.output => format!("schema | {}", kind.input),
        None => format!("schema | in {}, out {}", kind.input, kind.output),
    };
    let seen = if kind.security { ", security" } else { "" };
    format!(
        "| `{}` | {levels}{seen} | {} | `{}` |",
        kind.id, kind.what, kind.mirror
    )
}
