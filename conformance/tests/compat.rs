//! `oap-conform diff` of manifests, as programs see it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use oap_conform::schema;
use serde_json::{Value, json};

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_oap-conform"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("an exit code")
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

fn manifest(version: &str, minimum: i64) -> Value {
    json!({"name": "desk", "version": version, "actions": [{
        "name": "book", "type": "plugin", "output_schema": {},
        "input_schema": {"type": "object", "properties": {"desk": {"type": "integer", "minimum": minimum}}},
    }]})
}

/// A folder with these manifests under these names.
fn folder(files: &[(&str, &Value)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, value) in files {
        let text = serde_json::to_string_pretty(value).expect("JSON");
        fs::write(folder.path().join(name), text).expect("written");
    }
    folder
}

const NEW_YAML: &str = "\
name: desk
version: 1.1.0
actions:
  - name: book
    type: plugin
    output_schema: {}
    input_schema:
      type: object
      properties:
        desk:
          type: integer
          minimum: 5
";

#[test]
fn changes_have_their_places_in_both_files() {
    let here = folder(&[("old.json", &manifest("1.0.0", 1))]);
    fs::write(here.path().join("new.yaml"), NEW_YAML).expect("written");
    let output = run(here.path(), &["diff", "old.json", "new.yaml"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    let text = out(&output);
    for part in [
        "BREAKING   the minimum was 1 and is 5 [minimum_raised, input]",
        "in /actions/book/input_schema/properties/desk/minimum",
        "old old.json:14:13",
        "new new.yaml:12:11",
        "no longer accepted: {\"desk\":1}",
        "2 changes: 1 breaking, 0 compatible, 1 patch",
        "demands a major version, 2.0.0 or higher; 1.1.0 is declared",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let markdown = out(&run(
        here.path(),
        &["diff", "old.json", "new.yaml", "--format", "markdown"],
    ));
    assert!(
        markdown.contains("| breaking | minimum_raised |"),
        "{markdown}"
    );
    let back = out(&run(here.path(), &["diff", "new.yaml", "old.json"]));
    assert!(back.contains("COMPATIBLE"), "{back}");
    let same = run(
        here.path(),
        &[
            "diff",
            "--check",
            "--fail-on",
            "any",
            "old.json",
            "old.json",
        ],
    );
    assert_eq!(code(&same), 0);
    assert!(out(&same).contains("the manifests say the same"));
}

#[test]
fn the_json_form_satisfies_its_schema() {
    let here = folder(&[
        ("old.json", &manifest("1.0.0", 1)),
        ("new.json", &manifest("1.0.1", 5)),
        ("odd.json", &json!({"actions": 3})),
    ]);
    let schema = schema::named("manifest-diff").expect("a schema");
    for arguments in [
        &["diff", "--format", "json", "old.json", "new.json"][..],
        &[
            "diff", "--format", "json", "--check", "old.json", "new.json",
        ],
        &[
            "diff",
            "--format",
            "json",
            "--accept",
            "0123456789abcdef",
            "odd.json",
            "new.json",
        ],
        &["diff", "--format", "json", "old.json", "old.json"],
    ] {
        let output = run(here.path(), arguments);
        let value: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(schema.violations(&value), [], "{arguments:?}");
    }
    let output = run(
        here.path(),
        &[
            "diff", "--format", "json", "--check", "old.json", "new.json",
        ],
    );
    let value: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(value["check"]["fits"], false);
    assert_eq!(value["least_version"], "2.0.0");
    assert_eq!(value["changes"][0]["counterexample"], json!({"desk": 1}));
    assert_eq!(
        value["changes"][0]["old"],
        json!({"pointer": "/actions/0/input_schema/properties/desk/minimum", "line": 14, "column": 13})
    );
}

#[test]
fn declared_versions_are_checked() {
    let mut reordered = manifest("1.0.0", 1);
    reordered["actions"][0]["effects"] = json!(["read", "write"]);
    let mut other = reordered.clone();
    other["actions"][0]["effects"] = json!(["write", "read"]);
    let here = folder(&[
        ("1.0.0.json", &manifest("1.0.0", 1)),
        ("same.json", &manifest("1.0.0", 5)),
        ("minor.json", &manifest("1.1.0", 5)),
        ("major.json", &manifest("2.0.0", 5)),
        ("looser.json", &manifest("1.1.0", 0)),
        ("patch.json", &manifest("1.0.1", 0)),
        ("early.json", &manifest("0.3.0", 1)),
        ("later.json", &manifest("0.4.0", 5)),
        ("lower.json", &manifest("0.9.0", 1)),
        ("none.json", &json!({"name": "desk", "actions": []})),
        ("order.json", &reordered),
        ("order2.json", &other),
    ]);
    for (old, new, exit, says) in [
        ("1.0.0.json", "major.json", 0, "the version fits"),
        ("1.0.0.json", "looser.json", 0, "the version fits"),
        ("early.json", "later.json", 0, "the version fits"),
        ("1.0.0.json", "minor.json", 1, "declare 2.0.0 or higher"),
        ("1.0.0.json", "patch.json", 1, "declare 1.1.0 or higher"),
        (
            "1.0.0.json",
            "same.json",
            1,
            "both documents are version 1.0.0 and differ",
        ),
        ("1.0.0.json", "lower.json", 1, "the version went down"),
        (
            "order.json",
            "order2.json",
            1,
            "both documents are version 1.0.0 and differ",
        ),
        (
            "1.0.0.json",
            "none.json",
            2,
            "--check needs the version of none.json",
        ),
    ] {
        let output = run(here.path(), &["diff", "--check", old, new]);
        assert_eq!(
            code(&output),
            exit,
            "{old} {new}: {}{}",
            out(&output),
            err(&output)
        );
        let told = out(&output) + &err(&output);
        assert!(told.contains(says), "{old} {new}: {told}");
    }
}

#[test]
fn changes_can_be_accepted_and_can_fail() {
    let here = folder(&[
        ("old.json", &manifest("1.0.0", 1)),
        ("new.json", &manifest("1.0.1", 5)),
    ]);
    let fails = |arguments: &[&str]| {
        let arguments = [&["diff"], arguments, &["old.json", "new.json"]].concat();
        run(here.path(), &arguments)
    };
    assert_eq!(code(&fails(&["--fail-on", "breaking"])), 1);
    assert_eq!(code(&fails(&["--fail-on", "any"])), 1);
    assert_eq!(code(&fails(&["--fail-on", "none"])), 0);
    let value: Value = serde_json::from_slice(&fails(&["--format", "json"]).stdout).expect("JSON");
    let print = value["changes"][0]["fingerprint"].as_str().expect("text");
    let accepted = fails(&["--fail-on", "breaking", "--check", "--accept", print]);
    assert_eq!(code(&accepted), 0, "{}", out(&accepted));
    assert!(out(&accepted).contains("ACCEPTED"));
    let idle = fails(&["--accept", "0123456789abcdef"]);
    assert!(out(&idle).contains("no change has the fingerprint 0123456789abcdef"));
    assert_eq!(code(&fails(&["--accept", "nonsense"])), 2);
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let here = folder(&[
        ("good.json", &manifest("1.0.0", 1)),
        (
            "report.json",
            &json!({"verdict": "conformant", "totals": {}, "cases": [], "requirements": [], "run": {}}),
        ),
        ("other.json", &json!({"some": "thing"})),
    ]);
    let path = here.path();
    fs::write(
        path.join("twice.json"),
        "{\"name\": \"a\", \"name\": \"b\", \"actions\": []}",
    )
    .expect("written");
    fs::write(path.join("broken.json"), "{\"actions\": [").expect("written");
    fs::write(path.join("bytes.json"), [0xff, 0xfe, 0, 1, 2]).expect("written");
    fs::write(
        path.join("deep.json"),
        format!(
            "{{\"actions\": {}{}}}",
            "[".repeat(50_000),
            "]".repeat(50_000)
        ),
    )
    .expect("written");
    fs::write(
        path.join("large.json"),
        format!("{{\"actions\": [], \"x\": \"{}\"}}", "a".repeat(1 << 20)),
    )
    .expect("written");
    for (file, says) in [
        (
            "report.json",
            "report.json is a report and good.json is no report",
        ),
        ("other.json", "no report and no manifest"),
        (
            "twice.json",
            "twice.json:1:15: error: name this member once",
        ),
        ("broken.json", "[malformed_json]"),
        ("bytes.json", "[invalid_utf8]"),
        ("deep.json", "[too_deep]"),
        ("large.json", "[too_large]"),
        ("gone.json", "gone.json"),
    ] {
        for arguments in [["diff", file, "good.json"], ["diff", "good.json", file]] {
            let output = run(path, &arguments);
            assert_eq!(code(&output), 2, "{arguments:?}: {}", out(&output));
            assert!(
                err(&output).contains(says),
                "{arguments:?}: {}",
                err(&output)
            );
        }
    }
    let output = run(path, &["diff", "--check", "report.json", "report.json"]);
    assert_eq!(code(&output), 2);
    assert!(
        err(&output).contains("--check is for manifests"),
        "{}",
        err(&output)
    );
}
