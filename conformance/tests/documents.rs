//! The commands about documents, as people and pipelines run them: `validate`, `schema`, `fmt`, `bundle`, `compile`, `convert`.

#[path = "documents/made.rs"]
mod made;
mod program;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use oap_conform::{json, manifest, schema};
use program::{finished, program, told};
use serde_json::{Value, json};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The files of a folder of the repository that end so, in order.
fn files(folder: &str, ending: &str) -> Vec<String> {
    let listed = std::fs::read_dir(repository(folder)).expect("a folder");
    let mut paths: Vec<String> = listed
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .map(|path| path.to_str().expect("text").to_owned())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "{folder}");
    paths
}

/// Runs the program in this folder.
fn run_in(folder: &Path, arguments: &[&str]) -> Output {
    finished(program(folder).args(arguments))
}

fn run(arguments: &[&str]) -> Output {
    run_in(Path::new(env!("CARGO_MANIFEST_DIR")), arguments)
}

/// Runs the program with a text on its standard input.
fn fed(arguments: &[&str], text: &[u8]) -> Output {
    let mut child = program(Path::new(env!("CARGO_MANIFEST_DIR")))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut input = child.stdin.take().expect("a pipe");
    // Who has seen enough stops reading.
    let _ = input.write_all(text);
    drop(input);
    child.wait_with_output().expect("it ends")
}

fn code(output: &Output) -> i32 {
    let said = told(output);
    assert!(!said.contains("panicked"), "{said}");
    output.status.code().expect("it ended by itself")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

/// The documents of an answer as JSON, which satisfies its schema.
fn documents(output: &Output) -> Vec<Value> {
    let answer: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", told(output)));
    let published = schema::named("documents").expect("a schema");
    assert_eq!(published.violations(&answer), [], "{answer}");
    answer["documents"].as_array().expect("an array").clone()
}

fn with<'a>(before: &[&'a str], paths: &'a [String]) -> Vec<&'a str> {
    let paths = paths.iter().map(String::as_str);
    before.iter().copied().chain(paths).collect()
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("a file");
    serde_json::from_str(&text).expect("json")
}

fn digest(document: &Value) -> String {
    let loaded = manifest::load(document);
    loaded.unwrap_or_else(|found| panic!("{found:?}")).digest
}

// === validate ===

#[test]
fn manifests_are_held_against_every_rule() {
    let valid = files("fixtures/manifests/valid", "json");
    let output = run(&with(&["validate", "manifest", "--format", "json"], &valid));
    assert_eq!(code(&output), 0, "{}", told(&output));
    for (document, path) in documents(&output).iter().zip(&valid) {
        assert_eq!(document["path"], path.as_str());
        assert_eq!(document["digest"], digest(&read(Path::new(path))).as_str());
    }
    let index = std::fs::read_to_string(repository("fixtures/manifests/invalid/index.toml"));
    let index: Value = toml::from_str(&index.expect("an index")).expect("toml");
    let listed = index["fixture"].as_array().expect("a list");
    let paths: Vec<String> = listed
        .iter()
        .map(|fixture| {
            let file = fixture["file"].as_str().expect("a name");
            format!("fixtures/manifests/invalid/{file}")
        })
        .collect();
    let output = run(&with(&["validate", "manifest", "--format", "json"], &paths));
    assert_eq!(code(&output), 1, "{}", told(&output));
    for (document, wanted) in documents(&output).iter().zip(listed) {
        let found = &document["violations"][0];
        assert_eq!(document["status"], "invalid", "{document}");
        assert_eq!(found["pointer"], wanted["pointer"], "{document}");
        assert_eq!(found["rule"], wanted["rule"], "{document}");
        assert!(found["line"].as_u64() >= Some(1) && found["column"].as_u64() >= Some(1));
    }
}

#[test]
fn what_is_no_document_is_told_apart_from_what_is_wrong() {
    for path in files("fixtures/manifests/raw", "txt") {
        let output = run(&["validate", "manifest", &path]);
        // A member that is named twice can be read, and is wrong.
        let wanted = if path.contains("duplicate-key") { 1 } else { 2 };
        assert_eq!(code(&output), wanted, "{}", told(&output));
    }
    let output = run(&[
        "validate",
        "manifest",
        "fixtures/manifests/raw/duplicate-key-top.txt",
    ]);
    assert!(
        stdout(&output).contains(" [duplicate_key] at /"),
        "{}",
        told(&output)
    );
}

#[test]
fn messages_are_held_against_their_schemas() {
    for (kind, folder, ending, wanted) in [
        ("observation", "fixtures/observations/valid", "json", 0),
        ("transcript", "fixtures/transcripts/good", "json", 0),
    ] {
        let mut paths = files(folder, ending);
        // The manifest of one stands beside it.
        paths.retain(|path| !path.ends_with(".manifest.json"));
        let output = run(&with(&["validate", kind], &paths));
        assert_eq!(code(&output), wanted, "{}", told(&output));
    }
    for (kind, text, wanted) in [
        ("plan", r#"{"action": "a", "args": {}}"#, 0),
        ("plan", r#"{"action": "a"}"#, 1),
        ("plan", r#"{"finished": true, "args": {}}"#, 1),
        ("node", r#"{"@type": "OpenAction:Action", "name": "a"}"#, 0),
        ("node", "\"@type\": OpenAction:Action\nname: a\n", 0),
        (
            "node",
            r#"{"@type": "OpenAction:Action", "name": "a", "conditional": "1 +"}"#,
            1,
        ),
        (
            "node",
            r#"[{"@type": "OpenAction:Action", "name": "a"}]"#,
            1,
        ),
        ("nodes", "[]", 1),
        (
            "nodes",
            r#"[{"@type": "OpenAction:Action", "name": "a", "input": {"b": "{{"}}]"#,
            1,
        ),
        (
            "execute-request",
            r#"{"user_id": "u", "open_action": {"@type": "OpenAction:Action", "name": "a"}}"#,
            0,
        ),
        ("execute-request", r#"{"open_action": []}"#, 1),
        (
            "error",
            r#"{"errorCode": "not_found", "message": "m", "retryable": false}"#,
            0,
        ),
        ("health", "[]", 1),
        ("manifest-jsonld", r#"{"name": "a"}"#, 1),
    ] {
        let output = fed(&["validate", kind, "-"], text.as_bytes());
        assert_eq!(code(&output), wanted, "{kind} {text}: {}", told(&output));
    }
}

#[test]
fn places_are_told_as_line_and_column() {
    let output = fed(
        &["validate", "manifest", "-"],
        "name: a\nversion: 1.0.0\nactions:\n  - name: é\n    type: plugin\n    input_schema: {}\n    output_schema: {}\n".as_bytes(),
    );
    assert_eq!(code(&output), 1);
    let text = stdout(&output);
    assert!(text.starts_with("<stdin>:4:11: error: "), "{text}");
    assert!(text.ends_with(" [pattern] at /actions/0/name\n"), "{text}");
}

// === schema ===

#[test]
fn every_kind_has_a_schema_that_stands_alone() {
    let output = run(&["schema", "--format", "json"]);
    assert_eq!(code(&output), 0);
    let kinds: Value = serde_json::from_slice(&output.stdout).expect("json");
    let kinds = kinds["kinds"].as_array().expect("a list").clone();
    let lines = stdout(&run(&["schema"])).lines().count();
    assert_eq!(kinds.len(), lines);
    for kind in [
        "manifest",
        "manifest-jsonld",
        "plan",
        "nodes",
        "execute-request",
        "transcript",
    ] {
        assert!(
            kinds
                .iter()
                .any(|listed| listed["kind"] == kind && listed["about"] != ""),
            "{kind}"
        );
        let output = run(&["schema", kind]);
        let text = stdout(&output);
        assert_eq!(code(&output), 0, "{kind}");
        assert!(
            !text.contains(".json#") && !text.contains("\"$ref\": \"error.json\""),
            "{text}"
        );
        let document: Value = serde_json::from_str(&text).expect("json");
        assert!(
            document["$schema"].is_string() && document["title"].is_string(),
            "{kind}"
        );
    }
    assert_eq!(code(&run(&["schema", "nothing"])), 2);
}

// === fmt ===

#[test]
fn documents_in_order_say_the_same_and_stay_as_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path();
    let mut names = Vec::new();
    for kind in ["manifests/valid", "transcripts/good", "observations/valid"] {
        for path in files(&format!("fixtures/{kind}"), "json") {
            let name = format!("{}-{}.json", kind.replace('/', "-"), names.len());
            std::fs::copy(&path, here.join(&name)).expect("copied");
            names.push((name, read(Path::new(&path))));
        }
    }
    let all: Vec<String> = names.iter().map(|(name, _)| name.clone()).collect();
    let output = run_in(here, &with(&["fmt", "--check"], &all));
    assert_eq!(code(&output), 1, "{}", told(&output));
    let output = run_in(here, &with(&["fmt", "--write", "--format", "json"], &all));
    assert_eq!(code(&output), 0, "{}", told(&output));
    assert_eq!(documents(&output).len(), names.len());
    for (name, before) in &names {
        let after = read(&here.join(name));
        assert_eq!(json::digest(&after), json::digest(before), "{name}");
        let text = std::fs::read_to_string(here.join(name)).expect("a file");
        let long = text.lines().find(|line| {
            let line = line.trim_start();
            line.len() > 98
                && (line.ends_with(['}', ']']) || line.ends_with("},") || line.ends_with("],"))
                && line.chars().count() > 100
                && !line.ends_with("[]")
                && !line.ends_with("{}")
        });
        assert_eq!(long, None, "{name}");
    }
    let output = run_in(here, &with(&["fmt", "--check"], &all));
    assert_eq!(code(&output), 0, "{}", told(&output));
    // One file without options is printed, and nothing else is.
    let (name, before) = names.first().expect("a file");
    let output = run_in(here, &["fmt", name]);
    let printed: Value = serde_json::from_slice(&output.stdout).expect("json");
    assert_eq!(&printed, before);
    assert_eq!(code(&run_in(here, &["fmt", name, name])), 2);
}

#[test]
fn links_permissions_and_what_is_wrong_survive() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path();
    let write = |name: &str, text: &str| std::fs::write(here.join(name), text).expect("written");
    write("real.json", "{\"args\":{\"n\":1.50},\"action\":\"a\"}");
    std::os::unix::fs::symlink("real.json", here.join("link.json")).expect("linked");
    let mode = std::fs::Permissions::from_mode(0o640);
    std::fs::set_permissions(here.join("real.json"), mode).expect("set");
    write("twice.json", "{\"a\": 1, \"a\": 1}\n");
    write("broken.json", "{\"a\": ");
    write(
        "notes.yaml",
        "# why\r\nname: a  \r\n\r\n\r\n\r\ntext: |\r\n  one  \r\n",
    );
    let output = run_in(
        here,
        &[
            "fmt",
            "--write",
            "link.json",
            "twice.json",
            "broken.json",
            "notes.yaml",
        ],
    );
    assert_eq!(code(&output), 2, "{}", told(&output));
    let text = |name: &str| std::fs::read_to_string(here.join(name)).expect("a file");
    assert_eq!(
        text("real.json"),
        "{\n  \"action\": \"a\",\n  \"args\": {\"n\": 1.50}\n}\n"
    );
    assert!(here.join("link.json").is_symlink());
    let mode = std::fs::metadata(here.join("real.json"))
        .expect("there")
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o640);
    assert_eq!(text("twice.json"), "{\"a\": 1, \"a\": 1}\n");
    assert_eq!(text("broken.json"), "{\"a\": ");
    assert!(text("notes.yaml").starts_with("# why\nname: a\n\ntext: |\n"));
    let left = std::fs::read_dir(here).expect("a folder").count();
    assert_eq!(left, 5, "nothing else is left behind");
}

#[test]
fn nothing_is_written_through_a_link_to_elsewhere() {
    let (folder, other) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    let here = folder.path();
    let manifest = repository("fixtures/manifests/valid/meetbot.json");
    let manifest = manifest.to_str().expect("text");
    let victim = other.path().join("victim.json");
    let untouched = "{\"b\":1,   \"a\":2}";
    std::fs::write(&victim, untouched).expect("written");
    for (link, target) in [
        ("far.json", victim.clone()),
        ("dangling.json", other.path().join("new.json")),
        ("manifest-0001.json", victim.clone()),
    ] {
        std::os::unix::fs::symlink(target, here.join(link)).expect("linked");
    }
    for (arguments, wanted) in [
        (&["fmt", "--write", "far.json"][..], 1),
        (
            &[
                "convert", "--to", "jsonld", manifest, "--output", "far.json",
            ],
            2,
        ),
        (
            &[
                "convert",
                "--to",
                "jsonld",
                manifest,
                "--output",
                "dangling.json",
            ],
            2,
        ),
        (&["bundle", manifest, "--output", "dangling.json"], 2),
        (&["generate", "manifest", "--into", "."], 2),
    ] {
        let output = run_in(here, arguments);
        assert_eq!(code(&output), wanted, "{arguments:?}: {}", told(&output));
        assert!(told(&output).contains("it is a link"), "{}", told(&output));
        let text = std::fs::read_to_string(&victim).expect("a file");
        assert_eq!(text, untouched, "{arguments:?}");
        assert!(!other.path().join("new.json").exists(), "{arguments:?}");
    }
    // A file of its own is replaced, and keeps its permissions.
    use std::os::unix::fs::PermissionsExt as _;
    let own = here.join("own.json");
    std::fs::write(&own, "old").expect("written");
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&own, mode).expect("set");
    let output = run_in(
        here,
        &[
            "convert", "--to", "jsonld", manifest, "--output", "own.json",
        ],
    );
    assert_eq!(code(&output), 0, "{}", told(&output));
    assert!(read(&own).get("@type").is_some());
    let mode = own.metadata().expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

// === bundle ===

#[test]
fn what_cannot_be_read_ends_with_two_and_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path();
    let write = |name: &str, bytes: &[u8]| std::fs::write(here.join(name), bytes).expect("written");
    write("latin.json", b"{\"name\": \"\xe9\"}");
    write("large.json", " ".repeat(17 * 1024 * 1024).as_bytes());
    write("deep.json", "[".repeat(100_000).as_bytes());
    std::fs::create_dir(here.join("folder.json")).expect("made");
    std::os::unix::fs::symlink("round.json", here.join("round.json")).expect("linked");
    for (name, says) in [
        ("gone.json", "[unreadable_file]"),
        ("latin.json", "[invalid_utf8]"),
        ("large.json", "[too_large]"),
        ("deep.json", "[too_deep]"),
        ("folder.json", "[unreadable_file]"),
        ("round.json", "[unreadable_file]"),
    ] {
        for command in [
            &["validate", "manifest"][..],
            &["validate", "transcript"],
            &["fmt"],
            &["fmt", "--check"],
            &["bundle"],
            &["compile"],
            &["convert", "--to", "snake"],
            &["convert", "--to", "node", "--format", "json"],
        ] {
            let output = run_in(here, &[command, &[name]].concat());
            let said = told(&output);
            assert_eq!(code(&output), 2, "{command:?} {name}: {said}");
            let rule = says.trim_matches(['[', ']']);
            assert!(
                said.contains(says) || said.contains(&format!("\"{rule}\"")),
                "{command:?} {name}: {said}"
            );
            assert!(said.len() < 2000, "{command:?} {name}");
        }
    }
    let output = fed(&["validate", "manifest", "-", "-"], b"{}");
    assert_eq!(code(&output), 2);
    assert!(told(&output).contains("can be read once"));
}

#[test]
fn answers_have_an_end_however_long_the_names_are() {
    let headers: serde_json::Map<String, Value> = (0..9)
        .map(|index| (format!("{index}{}", "x".repeat(100_000)), json!(1)))
        .collect();
    let action = json!({"name": "a", "type": "invoke_api", "endpoint": "https://a.example", "method": "GET",
        "input_schema": {}, "output_schema": {}, "headers": headers});
    let many: Vec<Value> = (0..900).map(|index| json!({"name": index})).collect();
    for actions in [json!([action]), json!(many)] {
        let text = json!({"name": "m", "version": "1.0.0", "actions": actions}).to_string();
        for format in ["text", "json"] {
            let arguments = ["validate", "manifest", "-", "--format", format];
            let output = fed(&arguments, text.as_bytes());
            assert_eq!(code(&output), 1);
            assert!(output.stdout.len() < 64 * 1024, "{}", output.stdout.len());
        }
        let output = fed(
            &["validate", "manifest", "-", "--format", "json"],
            text.as_bytes(),
        );
        assert!(!documents(&output).is_empty());
    }
    // Very many values take more memory than their text.
    let values = format!("[{}1]", "1,".repeat(700_000));
    let output = fed(&["validate", "transcript", "-"], values.as_bytes());
    assert_eq!(code(&output), 2, "{}", told(&output));
    assert!(told(&output).contains("[too_large]"));
}
