//! `bench` as a user meets it: what is right is measured, what is wrong fails however fast it is, and every form of report is written.

mod program;

use std::path::Path;

use program::reported;
use serde_json::Value;

fn bench(folder: &Path, arguments: &[&str]) -> (Option<i32>, Value, String) {
    reported(folder, "bench", arguments)
}

#[test]
fn all_workloads_of_the_reference_are_right_and_all_reports_are_written() {
    let folder = tempfile::tempdir().expect("a folder");
    // Whether it keeps up is no question of this test: others use the machine.
    let arguments = [
        "--reference",
        "--workload",
        "mixed",
        "--rate",
        "20",
        "--for",
        "2s",
        "--warm-up",
        "0s",
        "--error-budget",
        "100%",
        "--seed",
        "7",
        "--report",
        "html=load.html",
        "--report",
        "markdown=load.md",
        "--report",
        "text=load.txt",
    ];
    let (code, report, told) = bench(folder.path(), &arguments);
    assert_eq!(code, Some(0), "{told}");
    let totals = &report["contenders"][0]["totals"];
    assert_eq!(totals["wrong"], 0, "{totals}");
    let count = |member: &str| totals[member].as_u64().unwrap_or_default();
    assert!(count("right") > 0, "{totals}");
    assert_eq!(
        count("due"),
        count("right") + count("errors"),
        "everything that was due came to something: {totals}"
    );
    assert_eq!(
        report["contenders"][0]["by_workload"]
            .as_array()
            .map(Vec::len),
        Some(6),
        "{report:#}"
    );
    for (file, says) in [
        ("load.html", "<svg"),
        ("load.md", "| reference |"),
        ("load.txt", "every answer was right"),
    ] {
        let text = std::fs::read_to_string(folder.path().join(file)).expect("written");
        assert!(text.contains(says), "{file}: {text}");
    }
}

#[test]
fn a_wrong_answer_fails_beside_one_that_is_right() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = [
        "--reference",
        "--mutant",
        "steps-count-twice",
        "--rate",
        "20",
        "--for",
        "1s",
        "--slices",
        "2",
        "--warm-up",
        "0s",
        "--error-budget",
        "100%",
    ];
    let (code, report, told) = bench(folder.path(), &arguments);
    assert_eq!(code, Some(1), "{told}");
    let of = |number: usize| &report["contenders"][number];
    assert_eq!(of(0)["totals"]["wrong"], 0, "{told}");
    assert_ne!(of(1)["totals"]["wrong"], 0, "{told}");
    assert_eq!(of(1)["totals"]["right"], 0, "{told}");
    assert!(of(1)["faults"].to_string().contains("steps_done"), "{told}");
    for part in ["FAILS: steps-count-twice", "/body/steps_done"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(
        report["failures"]
            .as_array()
            .is_some_and(|failures| !failures.iter().any(|one| {
                one.as_str()
                    .is_some_and(|text| text.starts_with("reference"))
            })),
        "{told}"
    );
}

#[test]
fn effects_that_no_answer_shows_are_wrong_too() {
    // The second refusal reads as the first, so only the service knows.
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = [
        "--mutant",
        "every-call-twice",
        "--workload",
        "step-failing",
        "--rate",
        "20",
        "--for",
        "1s",
        "--warm-up",
        "0s",
        "--error-budget",
        "100%",
    ];
    let (code, report, told) = bench(folder.path(), &arguments);
    assert_eq!(code, Some(1), "{told}");
    assert!(
        report["contenders"][0]["faults"]
            .to_string()
            .contains("crm"),
        "{told}"
    );
}

#[test]
fn the_wrong_use_is_told_before_anything_starts() {
    let folder = tempfile::tempdir().expect("a folder");
    for (arguments, code, says) in [
        (&["--workload", "none"][..], 2, "meetbot"),
        (&["--rate", "0"], 2, "rate"),
        (&["--rate", "5", "--find-knee", "--hold", "p99"], 2, "p99"),
        (&["--hold", "p99=1ms"], 2, "--find-knee"),
        (&["--contender", "a=--nothing"], 2, "--nothing"),
        (&["--url", "http://127.0.0.1:9"], 2, "--url"),
        (
            &[
                "--contender",
                "mine=--url http://127.0.0.1:9",
                "--for",
                "1s",
            ],
            3,
            "127.0.0.1:9",
        ),
    ] {
        let (found, report, told) = bench(folder.path(), arguments);
        assert_eq!(found, Some(code), "{arguments:?}: {told}");
        assert!(told.contains(says), "{arguments:?}: {told}");
        assert!(report.is_null(), "{arguments:?}");
    }
}
