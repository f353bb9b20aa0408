//! Runtimes behind adapters: the examples work, and what an adapter can do wrong is told in one sentence, without a secret, and
//! leaves no process behind.

mod processes;
mod program;

use std::path::PathBuf;
use std::process::Output;

use processes::{left, mark};
use program::{finished, program, told};

/// Cases that the tiny runtime passes, in `conformance/cases/capabilities/`.
const CASES: [&str; 3] = [
    "CAP-002-profiles",
    "CAP-003-capabilities",
    "CAP-005-health-of-core",
];

/// Beginnings of secrets that an odd adapter shows.
const SECRETS: [&str; 2] = ["cal-tok+en", "sk-test-model-key"];

fn target(file: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("conformance/targets/stdio");
    folder.join(file).display().to_string()
}

/// A folder to run in, with the cases: reading all of them takes longer than running these.
fn place() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let cases = folder.path().join("cases/capabilities");
    std::fs::create_dir_all(&cases).expect("made");
    let from = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("conformance/cases/capabilities");
    // One more, so that a run of the others is a part and can come to a good end.
    for case in CASES.into_iter().chain(["CAP-004-limits"]) {
        let name = format!("{case}.yaml");
        std::fs::copy(from.join(&name), cases.join(&name)).expect("copied");
    }
    folder
}

fn judge(folder: &tempfile::TempDir, more: &[&str]) -> Output {
    finished(
        program(folder.path())
            .args(["run", "--cases", "cases", "--filter", &CASES.join(",")])
            .args(more),
    )
}

/// Judges what this definition describes.
fn judge_defined(definition: &str, more: &[&str]) -> Output {
    let folder = place();
    std::fs::write(folder.path().join("oap-target.toml"), definition).expect("written");
    judge(&folder, &[&["--jobs", "1"], more].concat())
}

fn example(words: &str) {
    let output = judge(&place(), &["--stdio", words]);
    let said = told(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("3 pass"), "{said}");
    assert!(said.contains("CONFORMANT (core)"), "{said}");
}

#[test]
fn the_example_in_python_works() {
    example(&format!(
        "python3 '{}' '{}'",
        target("adapter.py"),
        target("tiny.py")
    ));
}

#[test]
fn the_example_in_javascript_works() {
    example(&format!(
        "node '{}' '{}'",
        target("adapter.mjs"),
        target("tiny.mjs")
    ));
}

#[test]
fn the_examples_are_short() {
    for name in ["adapter.py", "adapter.mjs"] {
        let text = std::fs::read_to_string(target(name)).expect(name);
        assert!(text.lines().count() <= 40, "{name}");
    }
}

#[test]
fn odd_adapters_are_told_in_one_sentence() {
    for (mode, code, says) in [
        ("well", 0, "3 pass"),
        ("ignores-its-end", 0, "3 pass"),
        (
            "ends-at-once",
            3,
            "the adapter ended before it was ready, with exit code 7; the last that it wrote:",
        ),
        (
            "silent",
            3,
            "the adapter said nothing within 1 s; its first line has to be",
        ),
        (
            "prints-first",
            3,
            "the adapter's line 1 breaks oap-stdio/1: it is not JSON",
        ),
        ("shouts-a-secret", 3, "the line begins: key [REDACTED]"),
        (
            "other-protocol",
            3,
            "the adapter's line 1 breaks oap-stdio/1: /protocol",
        ),
        (
            "prints-in-between",
            3,
            "line 4 breaks oap-stdio/1: it is not JSON",
        ),
        ("status-is-a-text", 3, "line 4 breaks oap-stdio/1: /status"),
        (
            "unknown-id",
            3,
            "line 4 breaks oap-stdio/1: no request has its id",
        ),
        (
            "answers-twice",
            3,
            "line 5 breaks oap-stdio/1: its id was answered already",
        ),
        (
            "answers-again-at-its-end",
            3,
            " breaks oap-stdio/1: its id was answered already",
        ),
        ("not-utf-8", 3, "line 4 breaks oap-stdio/1: it is not UTF-8"),
        (
            "line-without-end",
            3,
            "line 4 breaks oap-stdio/1: it has more than 33554432 bytes",
        ),
    ] {
        let mark = mark();
        let definition = format!(
            "[start]\nstdio = ['python3', '{}', '{mode}', '{mark}']\nready_timeout_s = {}\nstop_timeout_s = 1\n",
            target("odd.py"),
            // Only one of them is waited for in vain.
            if mode == "silent" { 1 } else { 20 }
        );
        let output = judge_defined(&definition, &[]);
        let said = told(&output);
        assert_eq!(output.status.code(), Some(code), "{mode}: {said}");
        assert!(said.contains(says), "{mode}: {said}");
        // Where there is no verdict, none is told.
        assert_eq!(said.contains("CONFORMANT"), code == 0, "{mode}: {said}");
        for secret in SECRETS {
            assert!(!said.contains(secret), "{mode}: {said}");
        }
        assert_eq!(left(&mark), Vec::<String>::new(), "{mode}");
    }
}

#[test]
fn an_adapter_that_ends_costs_the_requests_that_were_open() {
    for mode in ["dies-at-the-third", "closes-its-output"] {
        let mark = mark();
        let definition = format!(
            "[start]\nstdio = ['python3', '{}', '{mode}', '{mark}']\nstop_timeout_s = 1\n",
            target("odd.py")
        );
        let output = judge_defined(&definition, &["--keep", "kept"]);
        let said = told(&output);
        assert_ne!(output.status.code(), Some(0), "{mode}: {said}");
        assert!(
            said.contains("the adapter ended during the run"),
            "{mode}: {said}"
        );
        assert_eq!(left(&mark), Vec::<String>::new(), "{mode}");
    }
}
