//! Reports as programs see them: every form written, read again, compared, joined.

use std::path::Path;

use super::{code, command, json, run, text};
use serde_json::Value;

const FORMS: [&str; 8] = [
    "json", "junit", "sarif", "tap", "markdown", "html", "badge", "text",
];

/// Arguments that write every form into a folder.
fn forms(folder: &Path) -> Vec<String> {
    FORMS
        .iter()
        .flat_map(|form| {
            let path = folder.join(form);
            ["--report".to_owned(), format!("{form}={}", path.display())]
        })
        .collect()
}

fn with(first: &[&str], more: &[String]) -> std::process::Output {
    let arguments: Vec<&str> = first
        .iter()
        .copied()
        .chain(more.iter().map(String::as_str))
        .collect();
    run(&arguments)
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("written")).expect("JSON")
}

#[test]
fn what_is_rendered_again_is_what_the_run_wrote() {
    let folder = tempfile::tempdir().expect("a folder");
    let (first, again) = (folder.path().join("first"), folder.path().join("again"));
    let broken = [
        "run",
        "--mutant",
        "skips-input-validation",
        "--filter",
        "PLN-014",
    ];
    let output = with(&broken, &forms(&first));
    assert_eq!(code(&output), 1, "{}", text(&output.stderr));
    let source = first.join("json").display().to_string();
    let rendered = with(&["report", &source], &forms(&again));
    assert_eq!(code(&rendered), 0, "{}", text(&rendered.stderr));
    assert_eq!(text(&rendered.stdout), text(&output.stdout));
    for form in FORMS {
        let bytes = |folder: &Path| std::fs::read(folder.join(form)).expect(form);
        assert!(!bytes(&first).is_empty(), "{form}");
        assert_eq!(bytes(&first), bytes(&again), "{form}");
    }
    let exchanges = &read(&first.join("json"))["run"]["exchanges"];
    assert!(exchanges.as_object().is_some_and(|all| !all.is_empty()));
}

#[test]
fn a_pipeline_is_told_of_failures_and_standard_output_stays_a_report() {
    let arguments = [
        "run",
        "--mutant",
        "skips-input-validation",
        "--filter",
        "PLN-014",
        "--format",
        "json",
    ];
    let folder = tempfile::tempdir().expect("a folder");
    let told = |more: &[&str]| {
        command(&arguments)
            .args(more)
            .env("GITHUB_ACTIONS", "true")
            .current_dir(folder.path())
            .output()
            .expect("the binary runs")
    };
    let output = told(&[]);
    assert_eq!(json(&output)["verdict"], "not_conformant");
    let errors = text(&output.stderr);
    let first = errors
        .lines()
        .find(|line| line.starts_with("::error "))
        .expect(&errors);
    assert!(
        first.contains("file=conformance/cases/plans/PLN-014"),
        "{first}"
    );
    assert!(!text(&told(&["--annotations", "none"]).stderr).contains("::error"));
}

#[test]
fn shards_joined_are_one_run_and_a_missing_one_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let judge = |name: &str, more: &[&str]| {
        let report = format!("json={}", path(name));
        let arguments = ["run", "--filter", "capabilities", "--report", &report];
        let output = run(&[&arguments[..], more].concat());
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    };
    judge("whole", &[]);
    judge("1", &["--shard", "1/2"]);
    judge("2", &["--shard", "2/2"]);
    let merged = format!("json={}", path("merged"));
    let joined = run(&["merge", &path("2"), &path("1"), "--report", &merged]);
    assert_eq!(code(&joined), 0, "{}", text(&joined.stderr));
    let without_run = |name: &str| {
        let mut report = read(&folder.path().join(name));
        report.as_object_mut().expect("an object").remove("run");
        report.to_string()
    };
    assert_eq!(without_run("merged"), without_run("whole"));
    let compared = run(&["diff", &path("whole"), &path("merged"), "--format", "json"]);
    assert_eq!(code(&compared), 0, "{}", text(&compared.stderr));
    assert_eq!(json(&compared)["cases"]["worse"], serde_json::json!([]));
    let schema = oap_conform::schema::named("report-diff").expect("a schema");
    assert_eq!(schema.violations(&json(&compared)), []);

    let missing = run(&["merge", &path("2"), "--report", &merged]);
    assert_eq!(code(&missing), 2);
    assert!(text(&missing.stderr).contains("shard 1/2 is missing"));
    let whole = run(&["merge", &path("whole")]);
    assert_eq!(code(&whole), 2);
    assert!(text(&whole.stderr).contains("is no shard"));
}

#[test]
fn a_comparison_ends_with_1_if_something_got_worse() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    for (name, more) in [
        ("good", &[][..]),
        ("bad", &["--mutant", "skips-input-validation"][..]),
    ] {
        let report = format!("json={}", path(name));
        let arguments = ["run", "--filter", "PLN-014", "--report", &report];
        run(&[&arguments[..], more].concat());
    }
    let worse = run(&["diff", &path("good"), &path("bad")]);
    assert_eq!(code(&worse), 1, "{}", text(&worse.stderr));
    assert!(
        text(&worse.stdout).contains("WORSE"),
        "{}",
        text(&worse.stdout)
    );
    let better = run(&["diff", &path("bad"), &path("good"), "--format", "markdown"]);
    assert_eq!(code(&better), 0);
    assert!(text(&better.stdout).contains("| better | case PLN-014"));
}

#[test]
fn what_is_no_report_and_no_place_for_one_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("x.json");
    std::fs::write(&file, "{\"verdict\": \"conformant\"}").expect("written");
    let file = file.display().to_string();
    let here = folder.path().display().to_string();
    for (arguments, says) in [
        (vec!["report", &file], "it is no report"),
        (vec!["report", &here], "it is a folder"),
        (vec!["report", "/nowhere/x.json"], "cannot use"),
        (vec!["diff", &file, &file], "it is no report"),
        (vec!["run", "--report", "pdf=x"], "no format 'pdf'"),
        (vec!["run", "--report", "x"], "FORMAT=PATH"),
        (
            vec!["run", "--report", "json=a", "--report", "html=a"],
            "two reports",
        ),
        (vec!["run", "--report", "json=/"], "it is a folder"),
    ] {
        super::refused(&arguments, 2, says);
    }
}
