//! Every fixture under `fixtures/manifests/`: the valid ones load, each invalid one breaks exactly the rule of the index.

use serde::Deserialize;
use serde_json::Value;

use super::super::{LoadError, load, read};
use super::loaded;
use crate::json::{self, Duplicates, Limits};
use crate::{embedded, schema};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    fixture: Vec<Fixture>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    file: String,
    #[serde(default)]
    pointer: String,
    #[serde(alias = "code")]
    rule: String,
}

fn index(folder: &str) -> Vec<Fixture> {
    let path = format!("fixtures/manifests/{folder}/index.toml");
    let text = embedded::text(&path).expect("is there");
    toml::from_str::<Index>(&text).expect("is there").fixture
}

/// The files of a folder but for its index, by name.
fn files(folder: &str) -> Vec<String> {
    let prefix = format!("fixtures/manifests/{folder}/");
    let paths = embedded::list(&prefix).into_iter();
    let names = paths.filter_map(|path| path.strip_prefix(&prefix).map(str::to_owned));
    names.filter(|name| name != "index.toml").collect()
}

fn document(folder: &str, name: &str) -> Value {
    let text = embedded::text(&format!("fixtures/manifests/{folder}/{name}")).expect("is there");
    json::read(text.as_bytes(), &Limits::DOCUMENT, Duplicates::Refuse).expect("is there")
}

/// The published schema of the spelling that a document is in.
fn published(document: &Value) -> &'static schema::Schema {
    let name = if document.get("@type").is_some() {
        "manifest-jsonld"
    } else {
        "manifest"
    };
    schema::named(name).expect("is there")
}

#[test]
fn valid_fixtures_load_and_satisfy_the_published_schema() {
    let names = files("valid");
    assert!(names.len() >= 9, "{names:?}");
    for name in names {
        let document = document("valid", &name);
        let manifest = loaded(&document);
        assert_eq!(published(&document).violations(&document), [], "{name}");
        // The snake_case form is a manifest of the other schema, with the same digest.
        assert_eq!(
            published(&manifest.document).violations(&manifest.document),
            [],
            "{name}"
        );
        assert_eq!(loaded(&manifest.document).digest, manifest.digest, "{name}");
    }
}

#[test]
fn the_index_names_every_invalid_fixture_once() {
    for folder in ["invalid", "raw"] {
        let mut indexed: Vec<_> = index(folder)
            .into_iter()
            .map(|fixture| fixture.file)
            .collect();
        indexed.sort_unstable();
        assert_eq!(indexed, files(folder), "{folder}");
    }
    assert!(index("invalid").len() >= 60);
}

#[test]
fn each_invalid_fixture_breaks_the_rule_of_its_name_and_no_other() {
    let mut wrong = Vec::new();
    for fixture in index("invalid") {
        let told = load(&document("invalid", &fixture.file))
            .err()
            .unwrap_or_default();
        let told: Vec<_> = told
            .iter()
            .map(|violation| (violation.pointer.as_str(), violation.rule.as_str()))
            .collect();
        if told != [(fixture.pointer.as_str(), fixture.rule.as_str())] {
            wrong.push(format!(
                "{}: {} {} expected, {told:?} told",
                fixture.file, fixture.pointer, fixture.rule
            ));
        }
        assert!(
            fixture.file.starts_with(&format!("{}--", fixture.rule)),
            "{}",
            fixture.file
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_the_published_schema_refuses_is_refused_at_the_same_place() {
    for fixture in index("invalid") {
        let document = document("invalid", &fixture.file);
        for violation in published(&document).violations(&document) {
            // Composed schemas report at the place of the composition, which is this one or above it.
            assert!(
                fixture.pointer.starts_with(&violation.pointer),
                "{}: the schema refuses {}",
                fixture.file,
                violation.pointer
            );
        }
    }
}

#[test]
fn raw_texts_are_refused_by_their_code() {
    for fixture in index("raw") {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fixtures/manifests/raw")
            .join(&fixture.file);
        match read(&std::fs::read(path).expect("is there")) {
            Err(LoadError::Json(error)) => {
                assert_eq!(
                    (error.code, error.pointer.as_str()),
                    (fixture.rule.as_str(), fixture.pointer.as_str()),
                    "{}",
                    fixture.file
                );
            }
            other => panic!("{}: {other:?}", fixture.file),
        }
    }
}
