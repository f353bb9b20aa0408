//! Every transcript of `fixtures/transcripts/`: the good ones pass, and each violation is found under the requirement that its name
//! begins with.

use crate::suite::verdict::RunVerdict;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::*;
use crate::suite::verdict::{ExitCode, Verdict};

/// What one broken thing breaks besides the requirement that it is about.
const CONSEQUENCES: [(&str, &[&str]); 8] = [
    ("TRN-013--target-with-its-query", &["TRN-002"]),
    ("TRN-004--turns-out-of-order", &["OBS-004"]),
    ("HUM-016--asked-before-its-plan", &["STP-010"]),
    ("STP-005--approved-and-no-step", &["TRN-013"]),
    ("PLN-015--a-refused-reply-became-a-step", &["TRN-005"]),
    (
        "PLN-020--a-fourth-request-after-three-refused-replies",
        &["TRN-004"],
    ),
    ("TRN-009--two-turns-of-one-step", &["TRN-004"]),
    (
        "STP-010--asked-the-model-while-a-person-was-asked",
        &["ACC-036", "HUM-016", "TRN-012"],
    ),
];

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/transcripts")
        .join(name)
}

fn report(name: &str) -> Report {
    let sources = Sources {
        paths: vec![folder(name)],
        by_shape: true,
        ..Sources::default()
    };
    verify(&sources, &Options::default(), &()).expect("judged")
}

/// What a file's name says, without folder and ending.
fn stem(file: &str) -> &str {
    let name = file.rsplit('/').next().unwrap_or_default();
    name.split('.').next().unwrap_or_default()
}

fn cites(case: &CaseReport) -> BTreeSet<&str> {
    case.mismatches
        .iter()
        .flat_map(|mismatch| &mismatch.cites)
        .map(String::as_str)
        .collect()
}

#[test]
fn nothing_is_wrong_with_good_streams() {
    let report = report("streams");
    // A document, two streams of one session, and one of seven.
    assert_eq!(report.cases.len(), 10);
    for case in &report.cases {
        assert_eq!(case.verdict, Verdict::Pass, "{case:#?}");
        assert_eq!(case.reason, None);
    }
}

#[test]
fn good_transcripts_pass_and_the_verdict_is_incomplete() {
    let report = report("good");
    for case in &report.cases {
        assert_eq!(case.verdict, Verdict::Pass, "{case:#?}");
        assert_eq!(case.reason, None);
    }
    assert_eq!(report.verdict, RunVerdict::Incomplete);
    assert_eq!(report.exit_code(), ExitCode::Incomplete);
    let verdict = |id: &str| {
        let of_id = report.requirements.iter().find(|one| one.id == id);
        of_id.expect(id).verdict
    };
    for (id, _) in SHOWN {
        assert_eq!(verdict(id), Verdict::Pass, "{id}");
    }
    for id in ["TRN-003", "TRN-012", "STP-001", "PLN-014"] {
        assert_eq!(verdict(id), Verdict::NotObserved, "{id}");
    }
}

#[test]
fn what_only_a_manifest_could_tell_is_no_alarm_without_one() {
    let report = report("in_part");
    assert_eq!(report.cases.len(), 2);
    for case in &report.cases {
        assert_eq!(case.verdict, Verdict::Pass, "{case:#?}");
        assert!(
            case.reason.is_some(),
            "without its manifest it is judged in part"
        );
    }
}

#[test]
fn each_violation_is_found_under_its_requirement() {
    let report = report("violations");
    assert!(report.cases.len() >= 230);
    // A stream may have several transcripts.
    let mut files: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for case in &report.cases {
        files
            .entry(stem(&case.file))
            .or_default()
            .extend(cites(case));
    }
    let mut wrong = Vec::new();
    for (name, cited) in files {
        let id = name.split("--").next().expect("a name");
        let mut expected = BTreeSet::from([id]);
        expected.extend(
            CONSEQUENCES
                .iter()
                .filter(|(of, _)| *of == name)
                .flat_map(|(_, more)| *more),
        );
        if cited != expected {
            let told: Vec<String> = report
                .cases
                .iter()
                .filter(|case| stem(&case.file) == name)
                .flat_map(|case| &case.mismatches)
                .map(|one| {
                    format!(
                        "  {:?} {} {} {}",
                        one.cites, one.place, one.pointer, one.message
                    )
                })
                .collect();
            wrong.push(format!("{name}: {cited:?}\n{}", told.join("\n")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(report.exit_code(), ExitCode::Violation);
}

/// The requirements that are cited of each file, by its stem.
fn cited(report: &Report) -> BTreeMap<String, BTreeSet<String>> {
    let mut files: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for case in &report.cases {
        let own = files.entry(stem(&case.file).to_owned()).or_default();
        own.extend(cites(case).into_iter().map(str::to_owned));
    }
    files
}

/// A document as lines: its begin, its entries kind by kind, its end.
fn in_lines(document: &Value, kinds: [&str; 4]) -> String {
    let ends = ["status", "closed_at", "final_observation", "usage"];
    let mut head = document.as_object().expect("an object").clone();
    let mut tail = Map::new();
    for end in ends {
        if let Some(value) = head.remove(end) {
            tail.insert(end.to_owned(), value);
        }
    }
    let mut lines = Vec::new();
    for kind in kinds {
        let entries = head.remove(kind).expect("an array");
        lines.extend(entries.as_array().expect("an array").clone());
    }
    lines.insert(0, Value::Object(head));
    lines.push(Value::Object(tail));
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_transcript_is_judged_alike_as_a_document_and_in_lines() {
    let orders = [
        ["turns", "interventions", "steps", "side_effects"],
        ["side_effects", "steps", "interventions", "turns"],
        ["steps", "turns", "side_effects", "interventions"],
    ];
    for name in ["good", "streams", "violations"] {
        let expected = cited(&report(name));
        for order in orders {
            let place = tempfile::tempdir().expect("a folder");
            for entry in std::fs::read_dir(folder(name)).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.extension().is_none_or(|ending| ending != "json") {
                    continue;
                }
                let bytes = std::fs::read(&path).expect("read");
                let name = path.file_name().expect("a name");
                if path.to_string_lossy().ends_with(read::MANIFEST) {
                    std::fs::write(place.path().join(name), bytes).expect("written");
                    continue;
                }
                let document = serde_json::from_slice(&bytes).expect("JSON");
                let file = path.with_extension("jsonl");
                let file = place.path().join(file.file_name().expect("a name"));
                std::fs::write(file, in_lines(&document, order)).expect("written");
            }
            let sources = Sources {
                paths: vec![place.path().to_owned()],
                by_shape: true,
                ..Sources::default()
            };
            let judged = verify(&sources, &Options::default(), &()).expect("judged");
            for (stem, cited) in cited(&judged) {
                assert_eq!(Some(&cited), expected.get(&stem), "{stem} {order:?}");
            }
        }
    }
}

#[test]
fn a_stream_of_many_transcripts_has_not_as_many_cases() {
    let bytes = std::fs::read(folder("good").join("empty.json")).expect("read");
    let mut one: Value = serde_json::from_slice(&bytes).expect("JSON");
    let mut text = String::new();
    for number in 1..=700 {
        one["session_id"] = format!("session-{number:020}").into();
        one["usage"]["model_calls"] = u64::from(number == 650).into();
        text.push_str(&format!("{one}\n"));
    }
    let place = tempfile::tempdir().expect("a folder");
    let file = place.path().join("many.jsonl");
    std::fs::write(&file, text).expect("written");
    let sources = Sources {
        paths: vec![file],
        ..Sources::default()
    };
    let report = verify(&sources, &Options::default(), &()).expect("judged");
    assert_eq!(report.cases.len(), 501);
    let further = report
        .cases
        .iter()
        .find(|case| case.id.ends_with("#further"));
    let further = further.expect("a case");
    assert_eq!(further.verdict, Verdict::Fail);
    let [mismatch] = further.mismatches.as_slice() else {
        panic!("{further:#?}");
    };
    assert_eq!(mismatch.cites, ["TRN-008"]);
    assert!(
        mismatch.place.starts_with("transcript 650"),
        "{}",
        mismatch.place
    );
}

#[test]
fn no_text_makes_a_judge_panic() {
    let bytes = std::fs::read(folder("streams").join("till.jsonl")).expect("read");
    let text = String::from_utf8(bytes).expect("UTF-8");
    let place = tempfile::tempdir().expect("a folder");
    let file = place.path().join("x.jsonl");
    let lines: Vec<&str> = text.lines().collect();
    // Each member of each line becomes, one after the other, what it must not be.
    let wrong = [
        Value::Null,
        Value::from(-1),
        Value::from(u64::MAX),
        Value::from("é"),
        // The last time that there is, and the first.
        Value::from("9999-12-30T22:00:00.999Z"),
        Value::from("-009999-01-02T01:59:59Z"),
        Value::Array(vec![Value::Null]),
        Value::Object(Map::new()),
    ];
    let mut broken = String::new();
    for (at, line) in lines.iter().enumerate() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        for member in line.as_object().expect("an object").keys() {
            for value in &wrong {
                let mut line = line.clone();
                line[member] = value.clone();
                let mut all = lines.clone();
                let line = line.to_string();
                all[at] = &line;
                broken.push_str(&all.join("\n"));
                broken.push('\n');
            }
        }
    }
    std::fs::write(&file, broken).expect("written");
    let sources = Sources {
        paths: vec![file],
        against: vec![folder("streams")],
        by_shape: true,
        ..Sources::default()
    };
    let report = verify(&sources, &Options::default(), &()).expect("judged");
    assert!(report.cases.len() > 400);
}
