//! Every transcript of `fixtures/transcripts/`: the good ones pass, and each violation is found under the requirement that its name
//! begins with.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::*;
use crate::suite::verdict::ExitCode;

/// What one broken thing breaks besides the requirement that it is about.
const CONSEQUENCES: [(&str, &[&str]); 1] = [("TRN-013--target-with-its-query", &["TRN-002"])];

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/transcripts")
        .join(name)
}

fn report(name: &str) -> Report {
    run(&folder(name), &Options::default(), &()).expect("judged")
}

fn cites(case: &CaseReport) -> BTreeSet<&str> {
    case.mismatches
        .iter()
        .flat_map(|mismatch| &mismatch.cites)
        .map(String::as_str)
        .collect()
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
fn each_violation_is_found_under_its_requirement() {
    let report = report("violations");
    assert!(report.cases.len() >= 12);
    let mut wrong = Vec::new();
    for case in &report.cases {
        let name = case.file.trim_end_matches(".json");
        let id = name.split("--").next().expect("a name");
        let mut expected = BTreeSet::from([id]);
        expected.extend(
            CONSEQUENCES
                .iter()
                .filter(|(of, _)| *of == name)
                .flat_map(|(_, more)| *more),
        );
        if cites(case) != expected {
            wrong.push(format!("{name}: {:?} {:#?}", cites(case), case.mismatches));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(report.exit_code(), ExitCode::Violation);
}
