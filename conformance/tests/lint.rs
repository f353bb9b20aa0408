//! The command `lint`, as a program: what it reads, says, mends and ends with.

#[path = "lint/hook.rs"]
mod hook;
#[path = "lint/reports.rs"]
mod reports;
#[path = "lint/strangers.rs"]
mod strangers;

mod program;

use std::fs;
use std::path::Path;
use std::process::Output;

use program::{finished, program, told};
use serde_json::Value;

/// A manifest in which three rules find something: an error without a fix, a warning with one, and an error with an unsafe one.
const BAD: &str = r#"{
  "name": "desk", "name": "desk",
  "version": "1.0",
  "actions": [
    {
      "name": "find_room",
      "type": "invoke_api",
      "description": "Find a free room.",
      "endpoint": "ftp://rooms.example.com/v1/rooms",
      "method": "GET",
      "input_schema": {"type": "object"},
      "output_schema": {"type": "object"}
    }
  ]
}
"#;

/// The rules that these tests are about; others may find more.
const ONLY: [&str; 8] = [
    "--only",
    "duplicate_key",
    "--only",
    "two_part_version",
    "--only",
    "invalid_endpoint",
    "--only",
    "unused_ignore",
];

/// `BAD` without what is wrong.
fn good() -> String {
    BAD.replace(r#""name": "desk", "name": "desk","#, r#""name": "desk","#)
        .replace("\"1.0\"", "\"1.0.0\"")
        .replace("ftp:", "https:")
}

/// A folder with one file in it.
fn folder(name: &str, text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), name, text);
    folder
}

fn put(folder: &Path, name: &str, text: impl AsRef<[u8]>) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, text).expect("written");
}

fn lint(folder: &Path, arguments: &[&str]) -> Output {
    finished(program(folder).arg("lint").args(arguments))
}

/// The same, with the rules of these tests only.
fn lint_only(folder: &Path, arguments: &[&str]) -> Output {
    finished(program(folder).arg("lint").args(ONLY).args(arguments))
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn json(output: &Output) -> Value {
    let value: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", told(output)));
    let schema = oap_conform::schema::named("lint-report").expect("the schema of the report");
    let violations = schema.violations(&value);
    assert!(violations.is_empty(), "{violations:?}");
    value
}

/// Rule, pointer, line and column of every finding.
fn places(report: &Value) -> Vec<(String, String, u64, u64)> {
    let files = report["files"].as_array().expect("files").iter();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    files
        .flat_map(|file| file["findings"].as_array().expect("findings"))
        .map(|finding| {
            (
                text(&finding["rule"]),
                text(&finding["pointer"]),
                finding["start"]["line"].as_u64().expect("a line"),
                finding["start"]["column"].as_u64().expect("a column"),
            )
        })
        .collect()
}

fn place(rule: &str, pointer: &str, line: u64, column: u64) -> (String, String, u64, u64) {
    (rule.to_owned(), pointer.to_owned(), line, column)
}

#[test]
fn findings_are_drawn_on_their_lines() {
    let folder = folder("a.json", BAD);
    let output = lint_only(folder.path(), &["a.json"]);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let text = out(&output);
    for part in [
        "error[duplicate_key]: ",
        " --> a.json:2:19\n",
        "2 |   \"name\": \"desk\", \"name\": \"desk\",\n  |                   ^^^^^^\n",
        "= clause: REG-006\n",
        "warning[two_part_version]: ",
        " --> a.json:3:14\n",
        "= help: write \"1.0.0\" here (--fix)\n",
        " --> a.json:9:19\n",
        "1 file against 4 rules: 2 errors, 1 warning, 0 notes in 1 file; score 30\n",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

#[test]
fn places_are_those_of_the_text_in_both_formats() {
    let folder = folder("a.json", BAD);
    put(
        folder.path(),
        "b.yaml",
        "name: desk\nversion: \"1.0\"\nactions:\n  - name: find_room\n    endpoint: &place ftp://x.example/é\n    name: again\n",
    );
    let output = lint_only(folder.path(), &["a.json", "b.yaml", "--format", "json"]);
    let report = json(&output);
    assert_eq!(
        places(&report)[..4],
        [
            place("duplicate_key", "/name", 2, 19),
            place("two_part_version", "/version", 3, 14),
            place("invalid_endpoint", "/actions/0/endpoint", 9, 19),
            place("two_part_version", "/version", 2, 10),
        ]
    );
    assert!(places(&report).contains(&place("duplicate_key", "/actions/0/name", 6, 5)));
    assert_eq!(report["summary"]["files"], 2);
    assert_eq!(report["summary"]["rules"], 4);
}

#[test]
fn a_folder_is_searched_for_documents_of_ours() {
    let folder = folder("agents/deep/a.json", BAD);
    put(folder.path(), "agents/b.yml", good());
    for stranger in [
        "node_modules/a.json",
        "target/a.json",
        ".hidden/a.json",
        "agents/notes.txt",
    ] {
        put(folder.path(), stranger, BAD);
    }
    put(
        folder.path(),
        "package.json",
        r#"{"name": "x", "version": "1.0"}"#,
    );
    put(folder.path(), "list.json", "[]");
    put(
        folder.path(),
        "agents/slip.json",
        good().replace("actions", "acitons"),
    );
    put(folder.path(), "oap-empty.yaml", "name: desk\n");
    put(
        folder.path(),
        "broken.json",
        "{\"protocol_version\": \"2.0\", \"actions\": [",
    );
    std::os::unix::fs::symlink(folder.path(), folder.path().join("agents/round")).expect("a link");
    let report = json(&lint(folder.path(), &["--format", "json"]));
    let paths: Vec<&str> = report["files"]
        .as_array()
        .expect("files")
        .iter()
        .map(|file| file["path"].as_str().expect("a path"))
        .collect();
    assert_eq!(
        paths,
        [
            "broken.json",
            "oap-empty.yaml",
            "agents/b.yml",
            "agents/slip.json",
            "agents/deep/a.json"
        ]
    );
    assert_eq!(places(&report)[0].0, "malformed_json");
    assert_eq!(
        report["unknown"],
        serde_json::json!(["list.json", "package.json"])
    );

    for (pattern, count) in [
        ("agents/*.yml", 1),
        ("agents/**/*.json", 2),
        ("**/*.yml", 1),
        ("*.json", 3),
        ("./agents", 3),
    ] {
        let report = json(&lint(folder.path(), &[pattern, "--format", "json"]));
        assert_eq!(report["summary"]["files"], count, "{pattern}");
    }
    let nothing = folder.path().join("agents/deep/none");
    fs::create_dir(&nothing).expect("made");
    let output = lint(&nothing, &[]);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        out(&output).starts_with("no documents found"),
        "{}",
        told(&output)
    );
}

#[test]
fn the_standard_input_is_read() {
    use std::io::Write as _;
    let folder = tempfile::tempdir().expect("a folder");
    for (text, expected) in [
        (BAD, "<stdin>:3:14"),
        ("name: x\nversion: '1.0'\n", "<stdin>:2:10"),
    ] {
        let mut command = program(folder.path());
        let mut child = command
            .args([
                "lint",
                "-",
                "--format",
                "short",
                "--only",
                "two_part_version",
            ])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut input = child.stdin.take().expect("an input");
        input.write_all(text.as_bytes()).expect("taken");
        drop(input);
        let output = child.wait_with_output().expect("it ends");
        assert!(out(&output).starts_with(expected), "{}", told(&output));
    }
}

#[test]
fn wrong_usage_ends_with_two() {
    let folder = folder("a.json", BAD);
    put(folder.path(), "skip.toml", "skip = ['unused_ignroe']");
    put(folder.path(), "unknown.toml", "x = 1");
    for (arguments, says) in [
        (
            &["a.json", "--only", "duplicate_kye"][..],
            "did you mean 'duplicate_key'",
        ),
        (&["a.json", "--skip", "nothing_alike"], "--list-rules"),
        (&["none.json"], "cannot use none.json"),
        (&["a.json", "none.json"], "cannot use none.json"),
        (&["none*.json"], "no file fits 'none*.json'"),
        (&["a.json", "--config", "none.toml"], "cannot use none.toml"),
        (&["a.json", "--config", "skip.toml"], "skip.toml:1:9: "),
        (
            &["a.json", "--config", "unknown.toml"],
            "unknown.toml:1:1: unknown field",
        ),
        (&["a.json", "--report", "pdf=x"], "the form is one of"),
        (&["-", "--fix"], "the standard input cannot be mended"),
        (&["--list-rules", "--format", "sarif"], "text or json"),
        (
            &[
                "a.json",
                "--only",
                "duplicate_key",
                "--skip",
                "duplicate_key",
            ],
            "no rule is left",
        ),
    ] {
        let output = lint(folder.path(), arguments);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            told(&output)
        );
        assert!(
            told(&output).contains(says),
            "{arguments:?}: {}",
            told(&output)
        );
    }
}

#[test]
fn the_exit_code_is_what_was_asked_for() {
    let folder = folder("bad.json", BAD);
    let warned = good().replace("\"1.0.0\"", "\"1.0\"");
    put(folder.path(), "warned.json", warned);
    put(folder.path(), "good.json", good());
    for (arguments, code) in [
        (&["bad.json"][..], 1),
        (&["bad.json", "--fail-on", "never"], 0),
        (&["warned.json"], 0),
        (&["warned.json", "--fail-on", "warning"], 1),
        (&["warned.json", "--max-warnings", "1"], 0),
        (&["warned.json", "--max-warnings", "0"], 1),
        // 13 values and 3 points: floor(100 * 10 / 13).
        (&["warned.json", "--min-score", "76"], 0),
        (&["warned.json", "--min-score", "77"], 1),
        (
            &["good.json", "--min-score", "100", "--max-warnings", "0"],
            0,
        ),
    ] {
        let output = lint_only(folder.path(), arguments);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {}",
            told(&output)
        );
    }
}

#[test]
fn the_configuration_is_obeyed_and_its_unused_ignores_are_told() {
    let folder = folder("old/a.json", BAD);
    put(
        folder.path(),
        "oap-lint.toml",
        "skip = ['invalid_endpoint']\n[severity]\ntwo_part_version = 'error'\n\n[[ignore]]\nrule = 'duplicate_key'\nfile = 'old/**'\n\
         reason = 'the importer'\n\n[[ignore]]\nrule = 'duplicate_key'\npointer = '/actions'\nreason = 'gone'\n",
    );
    let whole = json(&lint_only(folder.path(), &["--format", "json"]));
    assert_eq!(
        places(&whole),
        [
            place("two_part_version", "/version", 3, 14),
            place("unused_ignore", "", 10, 1),
        ]
    );
    assert_eq!(whole["files"][0]["findings"][0]["severity"], "error");
    assert_eq!(whole["files"][1]["path"], "oap-lint.toml");
    assert_eq!(whole["summary"]["accepted"], 1);
    // Of one file nobody knows whether the entry is needed elsewhere.
    let one = json(&lint_only(
        folder.path(),
        &["old/a.json", "--format", "json"],
    ));
    assert_eq!(places(&one).len(), 1);
}

#[test]
fn ignores_in_the_document_are_obeyed() {
    let accepted = BAD.replacen(
        "{\n",
        "{\n  \"x-lint-ignore\": [\"two_part_version\", \"duplicate_key\", \"invalid_endpoint soon\"],\n",
        1,
    );
    let folder = folder("a.json", &accepted);
    let output = lint_only(folder.path(), &["a.json"]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(
        out(&output).contains("nothing found, 3 accepted; score 100"),
        "{}",
        told(&output)
    );
}

#[test]
fn fixes_are_made_and_a_second_time_nothing_is_left() {
    use std::os::unix::fs::PermissionsExt as _;
    let yaml = "# The desk.\nname: desk   # its name\nversion: \"1.0\"  # two parts\nactions:\n  - {name: x,   type: invoke_api}\n";
    let folder = folder("a.json", BAD);
    put(folder.path(), "b.yaml", yaml);
    let path = folder.path().join("b.yaml");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("a mode");

    let shown = lint_only(folder.path(), &["a.json", "b.yaml", "--fix", "--diff"]);
    assert_eq!(
        fs::read_to_string(&path).expect("a text"),
        yaml,
        "only shown"
    );
    let patch = out(&shown);
    assert!(
        patch.contains("--- a/b.yaml\n+++ b/b.yaml\n")
            && patch.contains("-version: \"1.0\"  # two parts\n+version: \"1.0.0\"  # two parts\n"),
        "{patch}"
    );

    let output = lint_only(folder.path(), &["a.json", "b.yaml", "--fix"]);
    assert!(out(&output).contains("2 mended"), "{}", told(&output));
    let mended = fs::read_to_string(&path).expect("a text");
    assert_eq!(mended, yaml.replace("\"1.0\"", "\"1.0.0\""));
    let mode = fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    let text = fs::read_to_string(folder.path().join("a.json")).expect("a text");
    assert_eq!(
        text,
        BAD.replace("\"1.0\"", "\"1.0.0\""),
        "the other fix is unsafe"
    );

    lint_only(folder.path(), &["a.json", "--fix-unsafe"]);
    let text = fs::read_to_string(folder.path().join("a.json")).expect("a text");
    assert_eq!(text, good().replace("https:", "ftp:"));
    let again = lint_only(folder.path(), &["a.json", "b.yaml", "--fix-unsafe"]);
    assert!(!out(&again).contains("mended"), "{}", told(&again));
}

#[test]
fn a_link_is_not_followed_to_be_mended() {
    let folder = folder("a.json", BAD);
    std::os::unix::fs::symlink("a.json", folder.path().join("b.json")).expect("a link");
    let output = lint_only(folder.path(), &["b.json", "--fix"]);
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(told(&output).contains("it is a link"), "{}", told(&output));
    let text = fs::read_to_string(folder.path().join("a.json")).expect("a text");
    assert_eq!(text, BAD);
}

#[test]
fn texts_of_strangers_do_nothing_to_a_terminal() {
    let nasty = "{\n  \"name\": \"\u{202e}desk\u{1b}[31m\", \"version\": \"1.0\",\n  \"x\u{1b}]0;t\u{7}\": 1, \"x\u{1b}]0;t\u{7}\": 2}";
    let folder = folder("a.json", &nasty.replace(['\u{7}', '\u{1b}'], ""));
    put(
        folder.path(),
        "raw.yaml",
        "name: \"\u{202e}x\"\nversion: \"1.0\"\n\"\u{2067}y\": 1\n\"\u{2067}y\": 2\n",
    );
    for format in ["text", "short", "github", "junit", "sarif"] {
        let output = lint(
            folder.path(),
            &[
                "a.json", "raw.yaml", "--format", format, "--preset", "strict",
            ],
        );
        let text = told(&output);
        let hidden = |c: char| {
            (c.is_control() && c != '\n')
                || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        // What a SARIF fix inserts is the text itself.
        let shown = text
            .lines()
            .filter(|line| format != "sarif" || !line.trim_start().starts_with("\"text\": \"\\\""));
        for line in shown {
            assert!(!line.contains(hidden), "{format}: {}", line.escape_debug());
        }
    }
}

#[test]
fn a_target_in_toml_has_places_too() {
    let folder = folder(
        "oap-target.toml",
        "name = \"x\"\n\n[connect]\nbase_url = 5\n",
    );
    let report = json(&lint(
        folder.path(),
        &["oap-target.toml", "--format", "json"],
    ));
    assert_eq!(report["files"][0]["kind"], "target");
    let lines: Vec<u64> = places(&report).into_iter().map(|place| place.2).collect();
    assert!(lines.contains(&4), "{report:#}");
    put(folder.path(), "oap-target.toml", "name = \n");
    let output = lint(folder.path(), &["oap-target.toml", "--format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let report = json(&output);
    let finding = &report["files"][0]["findings"][0];
    assert_eq!(finding["rule"], "malformed_toml");
    assert_eq!(finding["severity"], "error");
    assert_eq!(finding["start"]["line"], 1);
    assert!(
        report["summary"]["score"].as_u64() < Some(100),
        "{report:#}"
    );
}

#[test]
fn what_the_suite_refuses_of_a_case_is_a_finding() {
    let case = "id: ACC-001-challenge\ntitle: A request without a token is answered with a challenge.\nrequirements: [ACC-001]\n\
                manifest: nodes\naccess: {nobody: {none: true}}\nsteps:\n  - execute: {open_action: []}\n    as: nobody\n    \
                expect: {status: 401, body: {errorCode: \"${code}\"}}\nkills: [no-challenge]\n";
    let folder = folder("ACC-001-challenge.yaml", case);
    let report = json(&lint(
        folder.path(),
        &[
            "ACC-001-challenge.yaml",
            "--kind",
            "case",
            "--format",
            "json",
        ],
    ));
    let findings = report["files"][0]["findings"].as_array().expect("findings");
    let [finding] = findings.as_slice() else {
        panic!("{report:#}");
    };
    assert_eq!(finding["rule"], "case_not_loadable");
    assert_eq!(finding["pointer"], "/steps/0/expect/body");
    assert_eq!(finding["start"]["line"], 9);
}

#[test]
fn names_in_a_difference_end_no_line() {
    let name = "a\n+++ b\u{1b}[2J.json";
    let folder = folder(name, r#"{"name": "n", "version": "1.0", "actions": []}"#);
    let output = lint(
        folder.path(),
        &["--only", "two_part_version", "--fix", "--diff", name],
    );
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.starts_with("--- \"a/a\\n+++ b\\033[2J.json\"\n"),
        "{text}"
    );
}

#[test]
fn rules_are_listed_and_explained() {
    let folder = tempfile::tempdir().expect("a folder");
    let list: Value =
        serde_json::from_slice(&lint(folder.path(), &["--list-rules", "--format", "json"]).stdout)
            .expect("JSON");
    let rules = list["rules"].as_array().expect("rules");
    assert!(rules.len() >= 60, "{}", rules.len());
    let text = out(&lint(folder.path(), &["--list-rules"]));
    let explain =
        |arguments: &[&str]| finished(program(folder.path()).arg("explain").args(arguments));
    for rule in rules {
        let id = rule["id"].as_str().expect("an id");
        assert!(text.contains(&format!("  {id} ")), "{id}");
    }
    let output = explain(&["two_part_version"]);
    assert_eq!(output.status.code(), Some(0));
    for part in [
        "MAN-004 (spec/manifests.md)",
        "bad: fixtures/lint/two_part_version/bad-1",
        "warning[two_part_version]",
        "good: fixtures/lint/two_part_version/good-1",
        "fix: 'oap-conform lint --fix' can",
    ] {
        assert!(out(&output).contains(part), "{part}: {}", told(&output));
    }
    let value: Value =
        serde_json::from_slice(&explain(&["two_part_version", "--format", "json"]).stdout)
            .expect("JSON");
    assert_eq!(value["fix"], "safe");
    assert_eq!(explain(&["two_part_versoin"]).status.code(), Some(2));
    assert_eq!(explain(&["MAN-004"]).status.code(), Some(0));
}

#[test]
fn hundreds_of_files_keep_their_order() {
    let folder = tempfile::tempdir().expect("a folder");
    for index in 0..300 {
        put(folder.path(), &format!("m{index:03}.json"), good());
    }
    let report = json(&lint_only(folder.path(), &["--format", "json"]));
    let paths: Vec<String> = report["files"]
        .as_array()
        .expect("files")
        .iter()
        .map(|file| file["path"].as_str().expect("a path").to_owned())
        .collect();
    let expected: Vec<String> = (0..300).map(|index| format!("m{index:03}.json")).collect();
    assert_eq!(paths, expected);
}
