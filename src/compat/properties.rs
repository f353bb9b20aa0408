//! How a manifest is written is no change of it: order of members, white space and spelling.

use proptest::prelude::*;
use serde_json::Value;

use super::{Change, compare};
use crate::document::{Document, Format};
use crate::json::properties::{cases, reordered};
use crate::{embedded, manifest};

/// The fixtures of changes.
fn folders() -> Vec<String> {
    let mut folders: Vec<String> = embedded::list("fixtures/compat/")
        .into_iter()
        .filter_map(|path| Some(path.strip_suffix("/old.json")?.to_owned()))
        .collect();
    folders.sort();
    assert!(folders.len() > 100, "the fixtures of changes are gone");
    folders
}

/// Both sides of a fixture's change.
fn sides(folder: &str) -> (Value, Value) {
    let side = |name: &str| {
        let text = embedded::text(&format!("{folder}/{name}.json")).expect("a fixture");
        serde_json::from_str(&text).expect("JSON")
    };
    (side("old"), side("new"))
}

fn pair() -> impl Strategy<Value = (Value, Value)> {
    proptest::sample::select(folders()).prop_map(|folder| sides(&folder))
}

/// Manifests that load, of the fixtures, and so have both spellings.
fn valid() -> impl Strategy<Value = Value> {
    let mut all: Vec<(String, Value)> = embedded::list("fixtures/manifests/valid/")
        .into_iter()
        .filter_map(|path| {
            let value = serde_json::from_str(&embedded::text(&path)?).ok()?;
            respelled(&value)?;
            Some((path, value))
        })
        .collect();
    assert!(all.len() > 5, "the manifests are gone");
    all.sort_by(|one, other| one.0.cmp(&other.0));
    proptest::sample::select(all).prop_map(|(_, value)| value)
}

fn document(value: &Value) -> Document {
    Document::read(
        serde_json::to_string_pretty(value).expect("text"),
        Format::Json,
    )
    .expect("a document")
}

/// What is told, less the pointers into the documents as written.
fn told(changes: &[Change]) -> Vec<(&'static str, &'static str, String)> {
    let mut told: Vec<_> = changes
        .iter()
        .map(|change| (change.kind, change.level.name(), change.path.clone()))
        .collect();
    told.sort();
    told
}

/// The same in the other spelling, where it is a manifest that has one.
fn respelled(value: &Value) -> Option<Value> {
    manifest::to_json_ld(&manifest::load(value).ok()?).ok()
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn a_manifest_is_not_changed_by_how_it_is_written(manifest in valid(), by in 0_usize..6) {
        let linked = respelled(&manifest).expect("the other spelling");
        let all = [manifest.clone(), reordered(&manifest, by), linked.clone(), reordered(&linked, by)];
        for one in &all {
            prop_assert_eq!(told(&compare(&document(&manifest), &document(one))), vec![]);
            prop_assert_eq!(told(&compare(&document(one), &document(&linked))), vec![]);
        }
    }

    #[test]
    fn a_change_is_the_same_however_both_sides_are_written((old, new) in pair(), by in 0_usize..6, other in 0_usize..6) {
        let plain = compare(&document(&old), &document(&new));
        prop_assert!(!plain.is_empty());
        let turned = compare(&document(&reordered(&old, by)), &document(&reordered(&new, other)));
        prop_assert_eq!(told(&turned), told(&plain));
        if let (Some(old), Some(new)) = (respelled(&old), respelled(&new)) {
            prop_assert_eq!(told(&compare(&document(&old), &document(&new))), told(&plain));
        }
    }
}

/// What was added one way was removed the other; a new name is told at the old one, which is another on the way back.
#[test]
fn there_and_back_is_as_many_changes() {
    for folder in folders() {
        let (old, new) = sides(&folder);
        let (there, back) = (
            compare(&document(&old), &document(&new)),
            compare(&document(&new), &document(&old)),
        );
        assert_eq!(places(&there), places(&back), "{folder}");
    }
}

fn places(changes: &[Change]) -> Vec<&str> {
    let mut places: Vec<&str> = changes
        .iter()
        .map(|change| match change.kind {
            renamed @ ("action_renamed" | "intent_renamed") => renamed,
            _ => change.path.as_str(),
        })
        .collect();
    places.sort_unstable();
    places
}
