//! What decides an exit code, through whole runs: flakes, shards, revisions, baselines.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::fake::{self, Defect};
use super::{CALL, REFUSAL, WISH, case, registry, wire};
use crate::suite::baseline::{Baseline, Kind, lines};
use crate::suite::case::Case;
use crate::suite::gate::FailOn;
use crate::suite::options::{Options, Times};
use crate::suite::report::Report;
use crate::suite::revision::Revision;
use crate::suite::runner::run_on;
use crate::suite::shard::Shard;
use crate::suite::target::HttpTarget;
use crate::suite::verdict::{ExitCode, RunError, RunVerdict, Verdict};

fn cases() -> Vec<Case> {
    [REFUSAL, CALL, WISH].map(case).to_vec()
}

fn quick() -> Options {
    Options {
        times: Times {
            request: Duration::from_secs(5),
            ready: Duration::from_secs(5),
            tidy: Duration::from_secs(1),
        },
        ..Options::default()
    }
}

async fn with(defect: Defect, options: &Options) -> Result<Report, RunError> {
    let mocks = mock_services::start(mock_services::Options::default()).await;
    let mocks = Arc::new(mocks.expect("starts"));
    let fake = fake::start(defect, mocks.model_url()).await;
    let target = Arc::new(HttpTarget::new(&fake.url, Vec::new()).expect("a target"));
    run_on(&registry(), &wire(), &cases(), target, mocks, options, &()).await
}

fn impatient(filter: &str) -> Options {
    Options {
        filter: filter.into(),
        verify_alone: true,
        times: Times {
            request: Duration::from_millis(400),
            ..quick().times
        },
        ..quick()
    }
}

fn fail_on(text: &str) -> FailOn {
    text.parse().expect("outcomes")
}

#[tokio::test]
async fn a_silence_that_was_chance_is_a_flake_and_never_a_pass() {
    let report = with(Defect::HangsOnce, &impatient("STP-001"))
        .await
        .expect("runs");
    let case = &report.cases[0];
    assert_eq!(case.verdict, Verdict::Fail, "{case:#?}");
    let [flake] = report.run.flakes.as_slice() else {
        panic!("{:#?}", report.run.flakes);
    };
    assert_eq!((flake.verdicts["fail"], flake.verdicts["pass"]), (1, 1));
    let [first, again] = flake.samples.as_slice() else {
        panic!("{flake:#?}");
    };
    assert_eq!((first.alone, first.verdict), (false, Verdict::Fail));
    assert!(first.mismatches.iter().all(|mismatch| mismatch.no_answer));
    assert_eq!((again.alone, again.verdict), (true, Verdict::Pass));
    assert!(again.mismatches.is_empty());
    assert_eq!(report.verdict, RunVerdict::NotConformant);
    assert_eq!(report.exit_code(), ExitCode::Violation);
    assert_eq!(
        report.exit_code_by(&fail_on("violation,incomplete")),
        ExitCode::Conformant
    );
    assert_eq!(report.exit_code_by(&fail_on("flaky")), ExitCode::Violation);
}

#[tokio::test]
async fn a_silence_that_stays_is_a_failure() {
    let report = with(Defect::Hangs, &impatient("STP-001"))
        .await
        .expect("runs");
    assert!(report.run.flakes.is_empty(), "{:#?}", report.run.flakes);
    assert_eq!(report.cases[0].verdict, Verdict::Fail);
    assert_eq!(
        report.exit_code_by(&fail_on("violation")),
        ExitCode::Violation
    );
    // Without verification nothing runs twice.
    let options = Options {
        verify_alone: false,
        ..impatient("STP-001")
    };
    let report = with(Defect::HangsOnce, &options).await.expect("runs");
    assert!(report.run.flakes.is_empty());
    assert_eq!(report.cases[0].verdict, Verdict::Fail);
}

#[tokio::test]
async fn shards_hold_every_case_once() {
    let mut seen = BTreeSet::new();
    let all: Vec<Case> = cases();
    for index in 1..=4 {
        let shard = Shard::new(index, 4).expect("a shard");
        let own = all.iter().filter(|case| shard.holds(&case.id)).count();
        let options = Options {
            shard: Some(shard),
            ..quick()
        };
        match with(Defect::None, &options).await {
            Ok(report) => {
                assert_eq!(report.totals.cases, own);
                let selection = &report.run.selection;
                assert_eq!((selection.shard, selection.of), (Some(shard), 3));
                assert!(selection.partial);
                for case in report.cases {
                    assert!(seen.insert(case.id));
                }
            }
            Err(error) => {
                assert_eq!(own, 0);
                assert!(error.to_string().contains("fewer shards"), "{error}");
            }
        }
    }
    assert_eq!(seen.len(), 3);
}

#[tokio::test]
async fn a_revision_judges_what_it_froze_and_nothing_else() {
    let frozen = |keeps: &dyn Fn(&str) -> bool| {
        let cases: Vec<Case> = cases().into_iter().filter(|case| keeps(&case.id)).collect();
        Revision::of("2.0", "2026-04-02", &registry(), &cases)
    };
    let by = |revision: Revision| Options {
        revision: Some(Arc::new(revision)),
        ..quick()
    };
    let report = with(Defect::None, &by(frozen(&|id| id != "STP-002-created")))
        .await
        .expect("runs");
    assert_eq!(report.totals.cases, 2);
    let selection = &report.run.selection;
    assert_eq!(
        (
            selection.revision.as_deref(),
            selection.of,
            selection.partial
        ),
        (Some("2.0"), 2, false)
    );
    // A rule that came later fails nobody who is judged by the earlier revision.
    let mut old = frozen(&|_| true);
    old.requirements.retain(|own| own.id != "SEC-010");
    let now = with(Defect::Leaks, &quick()).await.expect("runs");
    assert_eq!(now.verdict, RunVerdict::NotConformant);
    let then = with(Defect::Leaks, &by(old)).await.expect("runs");
    assert!(
        then.cases.iter().all(|case| case.verdict == Verdict::Pass),
        "{:#?}",
        then.cases
    );
    assert!(then.requirements.iter().all(|own| own.id != "SEC-010"));
}

#[tokio::test]
async fn a_run_with_a_baseline_ends_well_while_nothing_else_fails() {
    let baseline = |check: &str| {
        let text = format!(
            "[[expected]]\ncase = \"ACT-001-undeclared-action\"\ncheck = \"{check}\"\nreason = \"later\"\n"
        );
        Some(Arc::new(Baseline::read("b.toml", &text).expect("reads")))
    };
    let options = |check: &str| Options {
        baseline: baseline(check),
        // Some requirements of this registry have no case, which nobody can expect.
        filter: "ACT,STP-001".into(),
        fail_fast: true,
        jobs: 1,
        ..quick()
    };
    let report = with(Defect::CallsAnyway, &options("*"))
        .await
        .expect("runs");
    assert_eq!(report.verdict, RunVerdict::NotConformant);
    assert_eq!(report.exit_code(), ExitCode::Conformant, "{report:#?}");
    assert_eq!(lines(&report), ["1 failure, all expected by b.toml"]);
    // An expected failure is no reason to stop.
    assert_eq!(report.cases[1].verdict, Verdict::Pass);
    let report = with(Defect::CallsAnyway, &options("calendar /calls"))
        .await
        .expect("runs");
    let problems = &report.baseline.as_ref().expect("applied").problems;
    assert_eq!(problems[0].kind, Kind::Unexpected);
    assert_eq!(report.exit_code(), ExitCode::Violation);
    let report = with(Defect::None, &options("*")).await.expect("runs");
    assert_eq!(report.verdict, RunVerdict::Conformant);
    assert_eq!(report.exit_code(), ExitCode::Violation);
}
