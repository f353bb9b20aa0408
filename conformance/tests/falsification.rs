//! That failures are found, told the same way each time, and kept without secrets.

use std::sync::Arc;
use std::time::Duration;

use mock_services::MockServices;
use oap_conform::mutants;
use oap_conform::null_targets;
use oap_conform::requirement::Registry;
use oap_conform::selftest::reference;
use oap_conform::suite::options::test_secrets;
use oap_conform::suite::report::{Report, render_json};
use oap_conform::suite::{self, Case, HttpTarget, Options, Times, load};
use serde_json::Value;

fn cases() -> Vec<Case> {
    load::embedded_cases(Registry::embedded()).expect("the cases load")
}

async fn mocks() -> Arc<MockServices> {
    Arc::new(
        mock_services::start(mock_services::Options::default())
            .await
            .expect("mocks"),
    )
}

/// Judges this mutant by the cases of its requirement.
async fn against_mutant(name: &str, options: Options) -> (Report, String) {
    let mocks = mocks().await;
    let mutant = mutants::all()
        .into_iter()
        .find(|mutant| mutant.name == name)
        .expect("a mutant");
    let standing = mutant.start(reference(&mocks)).await.expect("it starts");
    let target = HttpTarget::new(&standing.url, Vec::new()).expect("a URL");
    let options = Options {
        filter: mutant.requirement.to_owned(),
        ..options
    };
    let report = suite::run(&cases(), Arc::new(target), mocks, &options, &())
        .await
        .expect("a report");
    standing.shutdown().await;
    (report, mutant.requirement.to_owned())
}

fn without_run(report: &Report) -> String {
    let mut value: Value = serde_json::from_str(&render_json(report).expect("JSON")).expect("JSON");
    value.as_object_mut().expect("an object").remove("run");
    serde_json::to_string_pretty(&value).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_target_gives_the_same_bytes_twice() {
    // None of them wins or loses a race: such a target does not do the same twice, so it cannot be told of the same way.
    for name in [
        "acts-before-it-finishes",
        "contracts-under-other-digests",
        "answers-unredacted",
        "last-registration-wins",
    ] {
        let (first, requirement) = against_mutant(
            name,
            Options {
                seed: 1,
                jobs: 1,
                ..Options::default()
            },
        )
        .await;
        let (second, _) = against_mutant(
            name,
            Options {
                seed: 2,
                jobs: 4,
                ..Options::default()
            },
        )
        .await;
        assert_eq!(first.exit_code().number(), 1, "{requirement} is broken");
        assert_eq!(without_run(&first), without_run(&second), "{requirement}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_of_a_failure_holds_no_secret() {
    let folder = tempfile::tempdir().expect("a folder");
    let keep = folder.path().join("kept");
    let options = Options {
        keep: Some(keep.clone()),
        ..Options::default()
    };
    let (report, _) = against_mutant("answers-unredacted", options).await;
    assert_eq!(report.exit_code().number(), 1);
    let mut files = 0;
    for entry in std::fs::read_dir(&keep).expect("a folder") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("text");
        for (name, secret) in test_secrets() {
            assert!(!text.contains(&secret), "{} holds {name}", path.display());
        }
        files += 1;
    }
    assert!(files > 0, "a failure is kept");
    let json = render_json(&report).expect("JSON");
    assert!(
        test_secrets()
            .iter()
            .all(|(_, secret)| !json.contains(secret.as_str()))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_given_the_port_where_nothing_listens() {
    let refused = null_targets::ALL
        .into_iter()
        .find(|null| null.name == "connection-refused")
        .expect("a null target");
    let standing = refused.start().await.expect("it starts");
    let taken = tokio::net::TcpListener::bind(standing.address).await;
    assert_eq!(
        taken.expect_err("reserved").kind(),
        std::io::ErrorKind::AddrInUse
    );
    let called = tokio::net::TcpStream::connect(standing.address).await;
    assert_eq!(
        called.expect_err("refused").kind(),
        std::io::ErrorKind::ConnectionRefused
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_case_passes_against_a_target_that_implements_nothing() {
    let cases = cases();
    let mocks = mocks().await;
    assert!(null_targets::ALL.len() >= 12);
    // Each meets a quarter, another one each time, so that every case is met; `selftest` runs all against all.
    for (index, null) in null_targets::ALL.iter().enumerate() {
        let cases: Vec<_> = cases.iter().skip(index % 4).step_by(4).cloned().collect();
        let standing = null.start().await.expect("it starts");
        let patience = Duration::from_millis(150);
        let options = Options {
            jobs: 32,
            force: true,
            times: Times {
                request: patience,
                ready: patience,
                tidy: patience,
            },
            ..Options::default()
        };
        let target = HttpTarget::new(&standing.url(), Vec::new()).expect("a URL");
        let report = suite::run(&cases, Arc::new(target), Arc::clone(&mocks), &options, &())
            .await
            .expect("a report");
        let result = suite::null::NullResult::of(null.name, &report);
        assert_eq!(
            (result.cases_executed, result.passes),
            (cases.len(), 0),
            "{}",
            null.name
        );
    }
}

#[test]
fn mutants_are_many_named_once_and_break_known_requirements() {
    let all = mutants::all();
    assert!(all.len() >= 70, "{} mutants", all.len());
    let mut names: Vec<&str> = all.iter().map(|mutant| mutant.name).collect();
    names.dedup();
    assert_eq!(names.len(), all.len(), "a name stands twice");
    for mutant in &all {
        assert!(
            Registry::embedded().get(mutant.requirement).is_some(),
            "{}",
            mutant.name
        );
    }
    for case in cases() {
        for name in &case.kills {
            assert!(
                names.contains(&name.as_str()),
                "{} kills {name}, which there is not",
                case.id
            );
        }
    }
}
