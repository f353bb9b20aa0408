//! Manifests in several files: what they become, and what is never read.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::bundle::{Bundle, bundle};
use super::super::load;
use super::plain;
use crate::diagnostic::Violation;
use crate::document::{Document, Format};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/bundle")
}

fn document(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("a fixture");
    let read = Document::read(text, Format::of(path));
    read.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .value()
        .clone()
}

/// The joined manifest, or what is wrong with it.
fn joined(document: &Value, folder: &Path) -> Result<Bundle, Vec<Violation>> {
    let bundled = bundle(document, folder)?;
    load(&bundled.document).map(|_| bundled)
}

#[test]
fn files_become_one_document() {
    let folder = fixtures().join("desk");
    let bundled = joined(&document(&folder.join("manifest.yaml")), &folder);
    let bundled = bundled.unwrap_or_else(|found| panic!("{found:?}"));
    assert_eq!(bundled.document, document(&folder.join("bundled.json")));
    let files: Vec<&str> = bundled
        .files
        .iter()
        .filter_map(|file| file.to_str())
        .collect();
    assert_eq!(
        files,
        [
            "code/agenda.py",
            "schemas/parts/hour.json",
            "schemas/search.json",
            "schemas/slot.json",
            "schemas/time.yaml",
            "texts/about.txt",
            "texts/ask.txt",
        ]
    );
    // What is joined already stays as it is.
    let again = joined(&bundled.document, &folder).expect("joins");
    assert_eq!(
        (again.document, again.files),
        (bundled.document, Vec::new())
    );
}

#[derive(Deserialize)]
struct Index {
    refused: Vec<Refused>,
}

#[derive(Deserialize)]
struct Refused {
    file: String,
    pointer: String,
    rule: String,
}

#[test]
fn what_cannot_be_joined_is_refused_where_it_is_named() {
    let folder = fixtures().join("refused");
    let text = std::fs::read_to_string(folder.join("index.toml")).expect("an index");
    let index: Index = toml::from_str(&text).expect("an index");
    let listed = std::fs::read_dir(&folder).expect("a folder");
    let files = listed.filter(|entry| {
        let path = entry.as_ref().expect("an entry").path();
        path.extension().is_some_and(|ending| ending == "json")
    });
    assert_eq!(files.count(), index.refused.len());
    for refused in index.refused {
        let found = joined(&document(&folder.join(&refused.file)), &folder);
        let found = found.expect_err(&refused.file);
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|found| (found.pointer.as_str(), found.rule.as_str()))
            .collect();
        let wanted = (refused.pointer.as_str(), refused.rule.as_str());
        assert_eq!(found, [wanted], "{}", refused.file);
    }
}

/// A manifest with this output schema in a folder with these files.
fn in_folder(schema: Value, files: &[(&str, &[u8])]) -> Result<Bundle, Vec<Violation>> {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).expect("written");
    }
    let mut manifest = plain();
    manifest["actions"][0]["output_schema"] = schema;
    joined(&manifest, folder.path())
}

fn rules(result: Result<Bundle, Vec<Violation>>) -> Vec<String> {
    let found = result.expect_err("refused");
    found.into_iter().map(|found| found.rule).collect()
}

#[test]
fn links_are_followed_within_the_folder_only() {
    let outer = tempfile::tempdir().expect("a folder");
    std::fs::write(outer.path().join("secret.json"), "{\"type\": \"string\"}").expect("written");
    let folder = outer.path().join("inner");
    std::fs::create_dir(&folder).expect("made");
    std::fs::write(folder.join("own.json"), "{\"type\": \"string\"}").expect("written");
    std::os::unix::fs::symlink("../secret.json", folder.join("out.json")).expect("linked");
    std::os::unix::fs::symlink("own.json", folder.join("in.json")).expect("linked");
    std::os::unix::fs::symlink("round.json", folder.join("round.json")).expect("linked");
    let with = |target: &str| {
        let mut manifest = plain();
        manifest["actions"][0]["output_schema"] = json!({"items": {"$ref": target}});
        joined(&manifest, &folder)
    };
    assert!(with("in.json").is_ok());
    assert_eq!(rules(with("out.json")), ["remote_ref"]);
    assert_eq!(rules(with("../secret.json")), ["remote_ref"]);
    assert_eq!(rules(with("round.json")), ["unreadable_file"]);
}

#[test]
fn a_module_becomes_base64_and_text_stays() {
    let module = b"\0asm\x01\0\0\0";
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("m.wasm"), module).expect("written");
    let encoded = base64::engine::general_purpose::STANDARD.encode(module);
    std::fs::write(folder.path().join("m.b64"), format!("{encoded}\n")).expect("written");
    for file in ["m.wasm", "m.b64"] {
        let manifest = json!({"name": "m", "version": "1.0.0", "actions": [{
            "name": "run", "type": "run_code", "runtime": "wasm", "code": {"file": file},
            "input_schema": {}, "output_schema": {},
        }]});
        let bundled = joined(&manifest, folder.path()).expect("joins");
        assert_eq!(
            bundled.document["actions"][0]["code"],
            encoded.as_str(),
            "{file}"
        );
    }
}

#[test]
fn the_json_ld_spelling_is_joined_too() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("s.json"), "{\"type\": \"string\"}").expect("written");
    let manifest = json!({"@type": "OpenAction:Manifest", "name": "m", "version": "1.0.0", "actions": [{
        "@type": "OpenAction:Action", "actionType": "plugin", "name": "run",
        "inputSchema": {"$ref": "s.json"}, "OpenAction:outputSchema": {"items": {"$ref": "s.json"}},
    }]});
    let bundled = joined(&manifest, folder.path()).expect("joins");
    let action = &bundled.document["actions"][0];
    assert_eq!(action["inputSchema"], json!({"type": "string"}));
    assert_eq!(
        action["OpenAction:outputSchema"]["items"],
        json!({"$ref": "#/$defs/s"})
    );
}

#[test]
fn definitions_stand_where_the_dialect_has_them() {
    let draft = "http://json-schema.org/draft-07/schema#";
    let bundled = in_folder(
        json!({"$schema": draft, "properties": {"a": {"$ref": "s.json"}, "$ref": {"$ref": "s.json"}}}),
        &[("s.json", br#"{"type": "string"}"#)],
    );
    let schema = &bundled.expect("joins").document["actions"][0]["output_schema"];
    assert_eq!(schema["definitions"], json!({"s": {"type": "string"}}));
    assert_eq!(
        schema["properties"]["$ref"],
        json!({"$ref": "#/definitions/s"})
    );
}

#[test]
fn what_is_read_is_bounded() {
    let large = format!("\"{}\"", " ".repeat(1024 * 1024));
    assert_eq!(
        rules(in_folder(
            json!({"items": {"$ref": "l.json"}}),
            &[("l.json", large.as_bytes())]
        )),
        ["too_large"]
    );
    let deep = "[".repeat(100_000);
    assert_eq!(
        rules(in_folder(
            json!({"items": {"$ref": "d.json"}}),
            &[("d.json", deep.as_bytes())]
        )),
        ["too_deep"]
    );
    // Files that lead from one to the next, further than anybody needs.
    let chain: Vec<(String, String)> = (0..40)
        .map(|index| {
            (
                format!("c{index}.json"),
                format!("{{\"items\": {{\"$ref\": \"c{}.json\"}}}}", index + 1),
            )
        })
        .collect();
    let files: Vec<(&str, &[u8])> = chain
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_bytes()))
        .collect();
    assert_eq!(
        rules(in_folder(json!({"items": {"$ref": "c0.json"}}), &files)),
        ["circular_files"]
    );
    // One file in very many schemas.
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("s.json"), "{}").expect("written");
    let mut manifest = plain();
    let mut action = manifest["actions"][0].clone();
    action["input_schema"] = json!({"items": {"$ref": "s.json"}});
    action["output_schema"] = action["input_schema"].clone();
    manifest["actions"] = (0..600)
        .map(|index| {
            let mut action = action.clone();
            action["name"] = json!(format!("a{index}"));
            action
        })
        .collect();
    let found = rules(joined(&manifest, folder.path()));
    assert!(
        found.iter().all(|rule| rule == "too_large") && !found.is_empty(),
        "{found:?}"
    );
}
