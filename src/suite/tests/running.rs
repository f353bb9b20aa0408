//! The runner against a small runtime with one defect at a time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::fake::{self, Defect, Fake};
use super::{CALL, REFUSAL, WISH, case, registry, wire};
use crate::requirement::Profile;
use crate::suite::case::Case;
use crate::suite::event::{Event, EventSink};
use crate::suite::options::{Options, Times};
use crate::suite::report::{Report, render_json};
use crate::suite::runner::run_on;
use crate::suite::target::{Boxed, Exchange, HttpRequest, HttpTarget, Target};
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

async fn mocks() -> Arc<mock_services::MockServices> {
    Arc::new(
        mock_services::start(mock_services::Options::default())
            .await
            .expect("starts"),
    )
}

async fn with(defect: Defect, options: &Options) -> Result<Report, RunError> {
    let mocks = mocks().await;
    let fake: Fake = fake::start(defect, mocks.model_url()).await;
    let target = Arc::new(HttpTarget::new(&fake.url, Vec::new()).expect("a target"));
    run_on(&registry(), &wire(), &cases(), target, mocks, options, &()).await
}

fn verdict(report: &Report, id: &str) -> Verdict {
    report
        .cases
        .iter()
        .find(|case| case.id.starts_with(id))
        .expect(id)
        .verdict
}

fn cited(report: &Report) -> Vec<String> {
    let mut cited: Vec<String> = report
        .cases
        .iter()
        .flat_map(|case| {
            case.mismatches
                .iter()
                .flat_map(|mismatch| mismatch.cites.clone())
        })
        .collect();
    cited.sort();
    cited.dedup();
    cited
}

#[tokio::test]
async fn a_good_target_passes() {
    let report = with(Defect::None, &quick()).await.expect("runs");
    for case in &report.cases {
        assert_eq!(case.verdict, Verdict::Pass, "{case:#?}");
    }
    assert!(
        report.totals.assertions > 12,
        "{}",
        report.totals.assertions
    );
    assert_eq!(
        report.run.target.implementation.as_ref().expect("said")["name"],
        "fake"
    );
    assert!(report.run.requests > 9 && report.run.median_case_ms > 0.0);
    // What the suite itself took is known where nothing else ran at the same time.
    let jobs = |jobs| Options { jobs, ..quick() };
    let alone = with(Defect::None, &jobs(1)).await.expect("runs");
    let own = alone.run.median_harness_ms;
    assert!(own.is_some_and(|own| own > 0.0), "{own:?}");
    let beside = with(Defect::None, &jobs(2)).await.expect("runs").run;
    assert_eq!(beside.median_harness_ms, None);
    // The registry has requirements without a case, and they are not forgotten.
    assert_eq!(report.verdict, RunVerdict::Incomplete);
    assert_eq!(report.exit_code(), ExitCode::Incomplete);
}

#[tokio::test]
async fn a_selection_is_judged_for_itself() {
    let options = Options {
        filter: "ACT,STP-001".into(),
        ..quick()
    };
    let report = with(Defect::None, &options).await.expect("runs");
    assert_eq!(
        (report.verdict, report.totals.cases),
        (RunVerdict::Conformant, 2)
    );
    assert!(report.run.selection.partial);
    let options = Options {
        filter: "nothing".into(),
        ..quick()
    };
    let error = with(Defect::None, &options).await.expect_err("nothing");
    assert_eq!(error.exit_code(), ExitCode::Usage);
}

#[tokio::test]
async fn an_effect_that_must_not_happen_is_found_by_the_journal() {
    let report = with(Defect::CallsAnyway, &quick()).await.expect("runs");
    assert_eq!(verdict(&report, "ACT-001"), Verdict::Fail);
    assert_eq!(verdict(&report, "STP-001"), Verdict::Pass);
    let case = &report.cases[0];
    let effect = case
        .mismatches
        .iter()
        .find(|mismatch| mismatch.place == "calendar")
        .expect("seen");
    assert_eq!(
        (effect.pointer.as_str(), &effect.got),
        ("/calls", &1.into())
    );
    assert!(effect.message.contains("GET /v1/events"));
    assert_eq!(report.verdict, RunVerdict::NotConformant);
}

#[tokio::test]
async fn a_wish_that_is_not_met_is_a_warning() {
    let report = with(Defect::CreatedIs200, &quick()).await.expect("runs");
    assert_eq!(verdict(&report, "STP-002"), Verdict::Warn);
    assert_eq!(report.totals.should.failed, 1);
    assert_ne!(report.verdict, RunVerdict::NotConformant);
}

#[tokio::test]
async fn a_leak_is_found_in_every_case_and_never_repeated() {
    let report = with(Defect::Leaks, &quick()).await.expect("runs");
    assert_eq!(verdict(&report, "STP-001"), Verdict::Fail);
    assert_eq!(cited(&report), ["SEC-010"]);
    assert!(!render_json(&report).expect("json").contains("3f9a1c77"));
}

#[tokio::test]
async fn a_prompt_without_token_is_blamed_on_the_target() {
    let report = with(Defect::ForgetsGoal, &quick()).await.expect("runs");
    let case = report
        .cases
        .iter()
        .find(|case| case.id.starts_with("STP-001"))
        .expect("there");
    assert_eq!(case.verdict, Verdict::Fail);
    assert!(
        case.mismatches
            .iter()
            .any(|mismatch| mismatch.cites == ["MOD-004"]),
        "{case:#?}"
    );
}

#[tokio::test]
async fn a_failed_control_never_passes() {
    let report = with(Defect::WrongDigest, &quick()).await.expect("runs");
    assert!(
        report
            .cases
            .iter()
            .all(|case| case.verdict == Verdict::SetupFailed),
        "{:#?}",
        report.cases
    );
    assert!(
        report.cases[0]
            .reason
            .as_ref()
            .expect("said")
            .contains("digest")
    );
    assert_eq!(report.verdict, RunVerdict::Incomplete);
}

#[tokio::test]
async fn silence_is_a_failure_that_kills_no_mutant() {
    let options = Options {
        times: Times {
            request: Duration::from_millis(150),
            ..quick().times
        },
        filter: "STP-001".into(),
        ..quick()
    };
    let report = with(Defect::Hangs, &options).await.expect("runs");
    let case = &report.cases[0];
    assert_eq!(case.verdict, Verdict::Fail);
    assert!(
        case.mismatches.iter().all(|mismatch| mismatch.no_answer),
        "{case:#?}"
    );
}

#[tokio::test]
async fn a_null_target_is_tried_with_every_case_and_passes_none() {
    let options = Options {
        force: true,
        times: Times::default().scaled(0.02),
        ..quick()
    };
    let report = with(Defect::EmptyObjects, &options).await.expect("runs");
    let null = crate::suite::null::NullResult::of("empty-objects", &report);
    assert!(null.holds(3), "{null:?}");
    // Nobody listens at all.
    // Bound and not listening: nobody else is given the port.
    let dead = tokio::net::TcpSocket::new_v4().expect("a socket");
    dead.bind(([127, 0, 0, 1], 0).into()).expect("bound");
    let url = format!("http://{}", dead.local_addr().expect("an address"));
    let target = Arc::new(HttpTarget::new(&url, Vec::new()).expect("a target"));
    let report = run_on(
        &registry(),
        &wire(),
        &cases(),
        target,
        mocks().await,
        &options,
        &(),
    )
    .await
    .expect("runs");
    assert!(crate::suite::null::NullResult::of("refused", &report).holds(3));
    assert_eq!(report.verdict, RunVerdict::Incomplete);
}

/// A target that takes requests and never comes back, not even when its time is over.
struct Gone;

impl Target for Gone {
    fn base_url(&self) -> &'static str {
        "http://127.0.0.1:9"
    }

    fn send(&self, _: HttpRequest, _: Duration) -> Boxed<'_, Exchange> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_run_ends_though_the_target_never_comes_back() {
    let options = Options {
        force: true,
        jobs: 3,
        times: Times::default().scaled(0.002),
        ..quick()
    };
    let (registry, wire, cases, mocks) = (registry(), wire(), cases(), mocks().await);
    let run = run_on(
        &registry,
        &wire,
        &cases,
        Arc::new(Gone),
        mocks,
        &options,
        &(),
    );
    let report = tokio::time::timeout(Duration::from_secs(60), run)
        .await
        .expect("it ends")
        .expect("runs");
    assert!(crate::suite::null::NullResult::of("gone", &report).holds(3));
    let unready = Options {
        force: false,
        ..options
    };
    let run = run_on(
        &registry,
        &wire,
        &cases,
        Arc::new(Gone),
        self::mocks().await,
        &unready,
        &(),
    );
    let error = tokio::time::timeout(Duration::from_secs(60), run)
        .await
        .expect("it ends")
        .expect_err("not ready");
    assert_eq!(error.exit_code(), ExitCode::Unreachable);
}

#[tokio::test]
async fn a_dead_target_is_unreachable() {
    // Bound and not listening: nobody else is given the port.
    let dead = tokio::net::TcpSocket::new_v4().expect("a socket");
    dead.bind(([127, 0, 0, 1], 0).into()).expect("bound");
    let url = format!("http://{}", dead.local_addr().expect("an address"));
    let target = Arc::new(HttpTarget::new(&url, Vec::new()).expect("a target"));
    let options = Options {
        times: Times::default().scaled(0.01),
        ..quick()
    };
    let error = run_on(
        &registry(),
        &wire(),
        &cases(),
        target,
        mocks().await,
        &options,
        &(),
    )
    .await
    .expect_err("nobody");
    assert_eq!(error.exit_code(), ExitCode::Unreachable);
}

#[tokio::test]
async fn equal_runs_of_a_bad_target_give_equal_bytes() {
    let mut seen = Vec::new();
    for (seed, jobs) in [(1, 1), (99, 3)] {
        let options = Options {
            seed,
            jobs,
            ..quick()
        };
        let mut report = with(Defect::CallsAnyway, &options).await.expect("runs");
        report.run = Default::default();
        seen.push(render_json(&report).expect("json"));
    }
    assert_eq!(seen[0], seen[1]);
    assert!(!seen[0].contains("127.0.0.1") && !seen[0].contains("oapt"));
}

#[tokio::test]
async fn repetition_finds_flakes() {
    let options = Options {
        repeat: 4,
        jobs: 1,
        filter: "STP-001".into(),
        ..quick()
    };
    let report = with(Defect::Flaky, &options).await.expect("runs");
    assert_eq!(report.run.flakes.len(), 1, "{:?}", report.run.flakes);
    assert_eq!(report.run.flakes[0].verdicts.values().sum::<usize>(), 4);
    assert_eq!(verdict(&report, "STP-001"), Verdict::Fail);
    let steady = with(Defect::None, &options).await.expect("runs");
    assert!(steady.run.flakes.is_empty());
}

#[tokio::test]
async fn fail_fast_last_failed_and_keep() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options {
        jobs: 1,
        fail_fast: true,
        state_file: Some(folder.path().join("state/last-failed")),
        keep: Some(folder.path().join("kept")),
        ..quick()
    };
    let report = with(Defect::CallsAnyway, &options).await.expect("runs");
    assert_eq!(report.totals.cases, 3);
    assert_eq!(verdict(&report, "ACT-001"), Verdict::Fail);
    let kept = std::fs::read_to_string(folder.path().join("kept/ACT-001-undeclared-action.json"))
        .expect("kept");
    assert!(kept.contains("/v1/events") && !kept.contains("3f9a1c77"));
    let options = Options {
        last_failed: true,
        fail_fast: false,
        keep: None,
        filter: "ACT".into(),
        ..options
    };
    let report = with(Defect::None, &options).await.expect("runs");
    assert_eq!(report.totals.cases, 1);
    assert_eq!(report.verdict, RunVerdict::Conformant);
    let error = with(Defect::None, &options).await.expect_err("none failed");
    assert_eq!(error.exit_code(), ExitCode::Usage);
}

#[tokio::test]
async fn profiles_that_are_not_claimed_do_not_apply() {
    let options = Options {
        capabilities: Some(crate::suite::Capabilities::of([Profile::Core])),
        ..quick()
    };
    let report = with(Defect::None, &options).await.expect("runs");
    assert!(
        report
            .cases
            .iter()
            .all(|case| case.verdict == Verdict::NotApplicable)
    );
    assert_eq!(report.verdict, RunVerdict::Incomplete);
}

#[tokio::test]
async fn events_tell_the_whole_story() {
    struct Told(Mutex<Vec<String>>);
    impl EventSink for Told {
        fn event(&self, event: &Event<'_>) {
            let line = match event {
                Event::RunStarted { total, .. } => format!("started {total}"),
                Event::CaseStarted { .. } => "case".to_owned(),
                Event::CaseFinished { case, .. } => format!("finished {}", case.verdict),
                Event::CaseRepeatedAlone { .. } => "alone".to_owned(),
                Event::RunFinished { report } => format!("done {}", report.totals.cases),
            };
            self.0.lock().expect("lock").push(line);
        }
    }
    let mocks = mocks().await;
    let fake = fake::start(Defect::None, mocks.model_url()).await;
    let target = Arc::new(HttpTarget::new(&fake.url, Vec::new()).expect("a target"));
    let told = Told(Mutex::default());
    let options = Options { jobs: 1, ..quick() };
    run_on(
        &registry(),
        &wire(),
        &cases(),
        target,
        mocks,
        &options,
        &told,
    )
    .await
    .expect("runs");
    let lines = told.0.into_inner().expect("lock");
    assert_eq!(
        lines,
        [
            "started 3",
            "case",
            "finished pass",
            "case",
            "finished pass",
            "case",
            "finished pass",
            "done 3"
        ]
    );
}
