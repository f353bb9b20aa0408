//! `fuzz` as a user meets it: it holds of the reference, finds a broken target, and what it saves fails again under `run`.

mod program;

use std::path::Path;

use program::{finished, program, reported, told};
use serde_json::Value;

fn fuzz(folder: &Path, arguments: &[&str]) -> (Option<i32>, Value, String) {
    reported(folder, "fuzz", arguments)
}

fn failures(report: &Value) -> Vec<(String, String)> {
    let named =
        |failure: &Value, member: &str| failure[member].as_str().unwrap_or_default().to_owned();
    report["failures"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|failure| (named(failure, "property"), named(failure, "requirement")))
        .collect()
}

#[test]
fn every_property_holds_of_the_reference() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = ["--reference", "--seed", "1", "--cases", "60"];
    let (code, report, told) = fuzz(folder.path(), &arguments);
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(report["tried"]["worlds"], 60);
    assert_eq!(report["tried"]["refused"], 0);
    assert!(
        told.contains("properties hold in 60 worlds of seed 1"),
        "{told}"
    );
    assert!(
        !folder.path().join(".oap-conform/fuzz").exists(),
        "nothing failed, so nothing is saved"
    );
}

#[test]
fn a_broken_target_is_found_and_what_is_saved_fails_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = ["--mutant", MUTANT];
    let worlds = [
        "--property",
        "limits-hold",
        "--seed",
        SEED,
        "--at",
        "0",
        "--cases",
        "24",
    ];
    let (code, report, story) = fuzz(folder.path(), &[target.as_slice(), &worlds].concat());
    assert_eq!(code, Some(1), "{story}");
    let found = failures(&report);
    assert!(
        found.iter().any(|(_, requirement)| requirement == BROKEN),
        "{found:?}"
    );
    for part in [
        "the client",
        "what broke",
        BROKEN,
        "repeat   oap-conform fuzz --mutant",
    ] {
        assert!(story.contains(part), "{part}: {story}");
    }
    let failure = report["failures"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|failure| failure["requirement"] == BROKEN)
        .expect("it is there");
    let sizes = &failure["sizes"];
    assert!(
        sizes["shrunk"].as_u64() <= sizes["found"].as_u64(),
        "{sizes}"
    );
    assert_eq!(failure["judged_by_run"], true, "{failure:#}");
    let file = failure["file"].as_str().expect("it was saved");
    let name = Path::new(file)
        .file_stem()
        .and_then(|stem| stem.to_str())
        .expect("a name");
    let run = |target: &[&str]| {
        let arguments = [
            "--cases",
            ".oap-conform/fuzz",
            "--filter",
            name,
            "--seed",
            "5",
            // One case alone leaves most requirements unobserved.
            "--fail-on",
            "violation",
        ];
        finished(
            program(folder.path())
                .arg("run")
                .args(target)
                .args(arguments),
        )
    };
    let broken = run(&target);
    assert_eq!(broken.status.code(), Some(1), "{}", told(&broken));
    let good = run(&["--reference"]);
    assert_eq!(good.status.code(), Some(0), "{}", told(&good));
    // The same worlds, whatever runs at the same time.
    let index = failure["index"].as_u64().expect("a number").to_string();
    let again = [
        "--seed",
        SEED,
        "--at",
        &index,
        "--cases",
        "1",
        "--jobs",
        "1",
        "--no-save",
        "--property",
        "limits-hold",
    ];
    let (code, report, told) = fuzz(folder.path(), &[target.as_slice(), &again].concat());
    assert_eq!(code, Some(1), "{told}");
    assert!(
        failures(&report)
            .iter()
            .any(|(_, requirement)| requirement == BROKEN),
        "{told}"
    );
}

/// A target that ends otherwise than it should when its steps are used up, a requirement that it breaks, and a seed in whose first
/// worlds plain steps show it: simultaneous ones would show it at times only.
const MUTANT: &str = "limit-completes";
const BROKEN: &str = "STP-013";
const SEED: &str = "3";

#[test]
fn the_wrong_use_is_told_before_anything_starts() {
    let folder = tempfile::tempdir().expect("a folder");
    for (arguments, code, says) in [
        (&["--property", "there-is-none"][..], 2, "--list"),
        (&["--transcripts", "."], 2, "cannot be fuzzed"),
        (
            &["--known", "there-is-no-such-file"],
            2,
            "there-is-no-such-file",
        ),
        (&["--cases", "0"], 2, "cases"),
        (
            &["--url", "http://127.0.0.1:9", "--cases", "1"],
            3,
            "127.0.0.1:9",
        ),
    ] {
        let (found, _, told) = fuzz(folder.path(), arguments);
        assert_eq!(found, Some(code), "{arguments:?}: {told}");
        assert!(told.contains(says), "{arguments:?}: {told}");
    }
    let listed = finished(program(folder.path()).args(["fuzz", "--list", "--format", "json"]));
    let list: Value = serde_json::from_slice(&listed.stdout).expect("a list");
    assert!(
        list.as_array().is_some_and(|list| list.len() >= 20),
        "{list}"
    );
}
