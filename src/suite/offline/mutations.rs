//! Every good transcript with every single member changed, left out or doubled, and with every two entries left out together: what of it
//! is found, and why the rest need not be.
//!
//! What is not found is listed in `fixtures/transcripts/undetected.toml` with the reason for which the prose allows it; an entry that
//! nothing needs any more is refused too, so the list cannot rot.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::read::MANIFEST;
use super::rules::Rules;
use super::session::{Bench, begin_with};
use crate::json;
use crate::suite::options::{Options, test_secrets};
use crate::suite::report::CaseReport;
use crate::suite::secrets::Secrets;
use crate::suite::verdict::Verdict;
use crate::suite::wire::Wire;

/// The least share of all changes that is found, in percent.
const LEAST: usize = 92;

/// Members whose insides are all alike to a judge.
const OPAQUE: [&str; 8] = [
    "args",
    "contracts",
    "environment",
    "output",
    "preferences",
    "input_schema",
    "last_result",
    "attempts",
];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Undetected {
    entry: Vec<Entry>,
    pair: Vec<Pair>,
    forgery: Vec<Forgery>,
}

/// A transcript of `fixtures/transcripts/undetected/` that somebody changed in several places at once, so that it agrees with itself.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Forgery {
    /// The file, without its ending.
    name: String,
    /// Why the prose gives a reader nothing to tell it by.
    reason: String,
}

/// Two entries of which nobody can tell when both are gone.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    /// What both are: the array, and the kind of an entry that has one.
    of: [String; 2],
    /// The transcripts.
    transcripts: Vec<String>,
    /// Why the prose allows it.
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// Pointers, with `*` for an index and `**` for all that is within.
    places: Vec<String>,
    /// The changes that are not always found.
    changes: Vec<String>,
    /// Why the prose allows them.
    reason: String,
}

fn transcripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/transcripts");
    let good = std::fs::read_dir(folder.join("good")).expect("a folder");
    let mut paths: Vec<PathBuf> = good.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| !path.to_string_lossy().ends_with(MANIFEST));
    paths.push(folder.join("streams/till.json"));
    paths.sort_unstable();
    paths
}

fn document(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("read")).expect("JSON")
}

/// The manifest with a digest, in snake_case form.
fn manifest(digest: &str) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let valid = std::fs::read_dir(root.join("manifests/valid")).expect("a folder");
    valid
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .chain([
            root.join("transcripts/streams/till.manifest.json"),
            root.join("transcripts/good/clerk.manifest.json"),
        ])
        .map(|path| crate::suite::prepare::snake_case(&document(&path)))
        .find(|manifest| json::digest(manifest) == digest)
        .expect("the manifest of a good transcript")
}

/// What can be done to a value in its place.
fn changes(value: &Value) -> Vec<(&'static str, Value)> {
    match value {
        Value::Null => vec![("other", json!("x"))],
        Value::Bool(own) => vec![("other", json!(!own))],
        Value::Number(own) => {
            let own = own.as_f64().unwrap_or_default();
            let more = |by: f64| json!((own + by) as i64);
            vec![("more", more(1.0)), ("much_more", more(1e7))]
        }
        Value::String(own) => match own.parse::<Timestamp>() {
            Ok(at) => {
                let moved = |seconds: i64| {
                    let at = at + SignedDuration::from_secs(seconds);
                    json!(format!("{at:.3}"))
                };
                vec![
                    ("later", moved(1)),
                    ("earlier", moved(-1)),
                    ("years_later", moved(100_000_000)),
                    ("years_earlier", moved(-100_000_000)),
                    ("no_time", json!("today")),
                ]
            }
            Err(_) => vec![("other", json!(format!("{own}x"))), ("empty", json!(""))],
        },
        Value::Array(elements) if elements.is_empty() => vec![],
        Value::Object(members) if members.is_empty() => vec![],
        Value::Array(_) => vec![("empty", json!([]))],
        Value::Object(_) => vec![("empty", json!({}))],
    }
}

/// All changes of one document: where, what, and what came of it.
fn mutants(
    value: &Value,
    pointer: &str,
    root: &Value,
    each: &mut dyn FnMut(&str, &'static str, Value),
) {
    let mut with = |pointer: &str, what: &'static str, change: &dyn Fn(&mut Value)| {
        let mut all = root.clone();
        change(all.pointer_mut(pointer).expect("its place"));
        each(pointer, what, all);
    };
    if !pointer.is_empty() {
        for (what, other) in changes(value) {
            with(pointer, what, &|place| *place = other.clone());
        }
    }
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let here = json::push(pointer, name);
                let mut all = root.clone();
                let own = all.pointer_mut(pointer).and_then(Value::as_object_mut);
                own.expect("an object").remove(name);
                each(&here, "absent", all);
                mutants(member, &here, root, each);
            }
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                let here = json::push(pointer, &index.to_string());
                let mut array = |what: &'static str, change: &dyn Fn(&mut Vec<Value>)| {
                    let mut all = root.clone();
                    let own = all.pointer_mut(pointer).and_then(Value::as_array_mut);
                    change(own.expect("an array"));
                    each(&here, what, all);
                };
                array("absent", &|own| {
                    own.remove(index);
                });
                array("twice", &|own| own.insert(index, element.clone()));
                if index + 1 < elements.len() && elements[index] != elements[index + 1] {
                    array("swapped", &|own| own.swap(index, index + 1));
                }
                mutants(element, &here, root, each);
            }
        }
        _ => {}
    }
}

/// A pointer as it stands in the list.
fn pattern(pointer: &str) -> String {
    let mut pattern = String::new();
    for token in pointer.split('/').skip(1) {
        let index = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_digit());
        pattern.push('/');
        pattern.push_str(if index { "*" } else { token });
        if OPAQUE.contains(&token) && pattern.len() < pointer.len() {
            let deeper = pointer.split('/').skip_while(|one| *one != token).count() > 1;
            if deeper {
                pattern.push_str("/**");
                return pattern;
            }
        }
    }
    pattern
}

fn covers(place: &str, pattern: &str) -> bool {
    match place.strip_suffix("/**") {
        Some(outside) => pattern
            .strip_prefix(outside)
            .is_some_and(|rest| rest.starts_with('/')),
        None => place == pattern,
    }
}

fn undetected() -> Undetected {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/transcripts/undetected.toml");
    let list = std::fs::read_to_string(list).expect("the list");
    toml::from_str(&list).expect("the list")
}

/// How often a change was made and found, and a place where it was not.
#[derive(Default)]
struct Tally {
    made: usize,
    found: usize,
    missed: Option<String>,
}

#[test]
fn a_single_change_is_found_or_allowed() {
    let wire = Wire::embedded().expect("the wire");
    let secrets = Secrets::new(test_secrets());
    let bench = Bench {
        wire,
        secrets: &secrets,
        shapes: None,
    };
    let mut table: BTreeMap<(String, &'static str), Tally> = BTreeMap::new();
    for path in transcripts() {
        let transcript = document(&path);
        let digest = transcript["manifest"]["digest"].as_str().expect("a digest");
        let rules = Arc::new(Rules::new(manifest(digest)));
        let name = path.file_stem().expect("a name").to_string_lossy();
        mutants(
            &transcript,
            "",
            &transcript,
            &mut |pointer, what, mutant| {
                if mutant == transcript {
                    return;
                }
                let members: Map<String, Value> = match mutant {
                    Value::Object(members) => members,
                    _ => return,
                };
                let session = begin_with(members, Some(Arc::clone(&rules)), bench, None);
                let tally = table.entry((pattern(pointer), what)).or_default();
                tally.made += 1;
                if session.finish().findings.is_empty() {
                    tally
                        .missed
                        .get_or_insert_with(|| format!("{name}{pointer}"));
                } else {
                    tally.found += 1;
                }
            },
        );
    }
    let list = undetected();
    let (mut made, mut found, mut wrong) = (0, 0, Vec::new());
    let mut used = vec![false; list.entry.len()];
    for ((place, what), tally) in &table {
        made += tally.made;
        found += tally.found;
        let Some(missed) = &tally.missed else {
            continue;
        };
        let mut listed = false;
        for (entry, used) in list.entry.iter().zip(&mut used) {
            let named = entry.places.iter().any(|own| covers(own, place));
            if named && entry.changes.iter().any(|own| own == what) {
                *used = true;
                listed = true;
            }
        }
        if !listed {
            let (own, of) = (tally.found, tally.made);
            wrong.push(format!("{place} {what}: {own} of {of}, not {missed}"));
        }
    }
    for (entry, used) in list.entry.iter().zip(used) {
        assert!(entry.reason.len() > 20, "{entry:?}");
        if !used {
            wrong.push(format!(
                "nothing needs {:?} {:?}",
                entry.places, entry.changes
            ));
        }
    }
    println!("{found} of {made} changes are found");
    assert!(wrong.is_empty(), "{}\n{found} of {made}", wrong.join("\n"));
    assert!(found * 100 >= made * LEAST, "{found} of {made}");
}

/// What an entry is: its array, and its kind if it has one.
fn named(array: &str, entry: &Value) -> String {
    match entry.get("kind").and_then(Value::as_str) {
        Some(kind) => format!("{array}/{kind}"),
        None => array.to_owned(),
    }
}

/// What stands in two places is found when it is left out of both.
#[test]
fn two_entries_left_out_together_are_found_or_allowed() {
    let wire = Wire::embedded().expect("the wire");
    let secrets = Secrets::new(test_secrets());
    let bench = Bench {
        wire,
        secrets: &secrets,
        shapes: None,
    };
    let list = undetected();
    let mut used = vec![BTreeSet::new(); list.pair.len()];
    let mut wrong = BTreeSet::new();
    for path in transcripts() {
        let transcript = document(&path);
        let digest = transcript["manifest"]["digest"].as_str().expect("a digest");
        let rules = Arc::new(Rules::new(manifest(digest)));
        let name = path.file_stem().expect("a name").to_string_lossy();
        let mut entries = Vec::new();
        for (array, _) in super::session::ARRAYS {
            let own = transcript[array].as_array().expect("an array");
            entries.extend((0..own.len()).map(|index| (array, index)));
        }
        for (at, one) in entries.iter().enumerate() {
            for other in &entries[at + 1..] {
                let mut of = [one, other].map(|(array, at)| named(array, &transcript[*array][*at]));
                of.sort_unstable();
                let mut members = transcript.as_object().expect("an object").clone();
                // Of one array the later entry goes first.
                for (array, at) in [other, one] {
                    members[*array]
                        .as_array_mut()
                        .expect("an array")
                        .remove(*at);
                }
                let session = begin_with(members, Some(Arc::clone(&rules)), bench, None);
                if !session.finish().findings.is_empty() {
                    continue;
                }
                let allowed = list.pair.iter().position(|pair| {
                    pair.of == of && pair.transcripts.iter().any(|own| **own == *name)
                });
                match allowed {
                    Some(at) => {
                        used[at].insert(name.to_string());
                    }
                    None => {
                        wrong.insert(format!("{name}: {of:?}"));
                    }
                }
            }
        }
    }
    for (pair, used) in list.pair.iter().zip(used) {
        assert!(pair.reason.len() > 20, "{pair:?}");
        if pair.transcripts.iter().any(|own| !used.contains(own)) {
            wrong.insert(format!("only {used:?} need {pair:?}"));
        }
    }
    let wrong: Vec<String> = wrong.into_iter().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What nobody can tell is named, and what is named cannot be told.
#[test]
fn forgeries_that_agree_with_themselves_are_named() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/transcripts/undetected");
    let sources = super::Sources {
        paths: vec![folder],
        by_shape: true,
        ..super::Sources::default()
    };
    let report = super::verify(&sources, &Options::default(), &()).expect("judged");
    let names = |case: &CaseReport| {
        let path = Path::new(&case.file);
        path.file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
    };
    let there: BTreeSet<String> = report.cases.iter().filter_map(names).collect();
    let list = undetected();
    let named: BTreeSet<String> = list.forgery.iter().map(|own| own.name.clone()).collect();
    assert_eq!(there, named);
    for forgery in &list.forgery {
        assert!(forgery.reason.len() > 20, "{forgery:?}");
    }
    for case in &report.cases {
        // Found, it belongs to the violations.
        assert_eq!(case.verdict, Verdict::Pass, "{case:#?}");
        assert_eq!(case.reason, None, "{case:#?}");
    }
}
