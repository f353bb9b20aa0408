//! Transcripts judged from the command line, and that an honest runtime's are never found fault with.

mod program;

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;

use oap_conform::requirement::Registry;
use oap_conform::runtime::{self, Reference};
use oap_conform::schema;
use oap_conform::selftest::reference;
use oap_conform::suite::case::Stimulus;
use oap_conform::suite::execute::{Bench, execute};
use oap_conform::suite::identity::Keys;
use oap_conform::suite::offline::{Record, judge};
use oap_conform::suite::options::test_secrets;
use oap_conform::suite::secrets::Secrets;
use oap_conform::suite::wire::Wire;
use oap_conform::suite::{Case, HttpTarget, Times, load};
use program::{finished, program, told};
use serde_json::Value;

fn fixtures(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/transcripts")
        .join(name)
}

fn judged(folder: &Path, more: &[&str], environment: &[(&str, &str)]) -> Output {
    let elsewhere = tempfile::tempdir().expect("a folder");
    finished(
        program(elsewhere.path())
            .args(["run", "--transcripts"])
            .arg(folder)
            .args(more)
            .envs(environment.iter().copied()),
    )
}

#[test]
fn good_ones_are_incomplete_and_violations_fail() {
    let good = judged(&fixtures("good"), &["--format", "json"], &[]);
    assert_eq!(good.status.code(), Some(4), "{}", told(&good));
    let report: Value = serde_json::from_slice(&good.stdout).expect("JSON");
    let violations = schema::named("report")
        .expect("a schema")
        .violations(&report);
    assert!(violations.is_empty(), "{violations:?}");
    assert_eq!(report["totals"]["by_verdict"]["fail"], 0);
    let bad = judged(&fixtures("violations"), &[], &[]);
    assert_eq!(bad.status.code(), Some(1), "{}", told(&bad));
    let one = judged(
        &fixtures("violations"),
        &[
            "--filter",
            "TRANSCRIPT-PLN-014--invalid-arguments-executed.json",
        ],
        &[],
    );
    let said = told(&one);
    assert!(
        said.contains("1 fail") && said.contains("/steps/0/plan/args/minutes"),
        "{said}"
    );
}

#[test]
fn one_good_transcript_is_no_conformance() {
    let one = judged(
        &fixtures("good"),
        &["--filter", "TRANSCRIPT-desk.json"],
        &[],
    );
    assert_eq!(one.status.code(), Some(4), "{}", told(&one));
    assert!(told(&one).contains("INCOMPLETE"));
}

#[test]
fn what_is_no_transcript_passes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let nothing = judged(folder.path(), &[], &[]);
    assert_eq!(nothing.status.code(), Some(2));
    assert!(told(&nothing).contains("there is no transcript in"));
    for (name, text) in [
        ("empty.json", ""),
        ("object.json", "{}"),
        ("list.json", "[]"),
        ("cut.json", "{\"session_id\": "),
        ("lines.jsonl", "{}\n"),
    ] {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    let all = judged(folder.path(), &[], &[]);
    assert_eq!(all.status.code(), Some(1));
    assert!(told(&all).contains("5 fail"), "{}", told(&all));
    let absent = judged(&folder.path().join("absent"), &[], &[]);
    assert_eq!(absent.status.code(), Some(2));
    std::fs::write(folder.path().join("x.manifest.json"), "{").expect("written");
    assert_eq!(judged(folder.path(), &[], &[]).status.code(), Some(2));
}

#[test]
fn secrets_of_the_environment_are_found_and_not_told() {
    const VALUE: &str = "production-token-0f3c9a";
    let folder = tempfile::tempdir().expect("a folder");
    let text = std::fs::read_to_string(fixtures("good/desk.json")).expect("read");
    let leaking = text.replace("B-12", VALUE);
    std::fs::write(folder.path().join("desk.json"), leaking).expect("written");
    let environment = [("CALENDAR_TOKEN", VALUE)];
    for format in ["text", "json"] {
        let found = judged(folder.path(), &["--format", format], &environment);
        let said = told(&found);
        assert_eq!(found.status.code(), Some(1), "{said}");
        assert!(said.contains("SEC-010") && !said.contains(VALUE), "{said}");
    }
    let unknown = judged(folder.path(), &[], &[]);
    assert_eq!(unknown.status.code(), Some(4), "{}", told(&unknown));
}

/// Whether a case leaves a transcript, and needs neither clock nor folder nor sandbox.
fn leaves_a_transcript(case: &Case) -> bool {
    let closes = case
        .steps
        .iter()
        .any(|step| matches!(step.stimulus, Stimulus::Close(_)));
    closes && !case.runs_alone() && !case.shares_files() && case.language.is_none()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_transcripts_of_the_reference_are_never_found_fault_with() {
    let mocks = mock_services::start(mock_services::Options::default());
    let mocks = Arc::new(mocks.await.expect("mocks"));
    let running = runtime::start(reference(&mocks), Arc::new(Reference))
        .await
        .expect("it starts");
    let url = format!("http://{}", running.addr);
    let target = HttpTarget::new(&url, Vec::new()).expect("a URL");
    let mut bench = Bench::new(Arc::new(target), mocks, Times::default());
    bench.keys = Some(Keys::default());
    let secrets = Secrets::new(test_secrets());
    let wire = Wire::embedded().expect("the wire");
    let cases = load::embedded_cases(Registry::embedded()).expect("the cases load");
    let (mut seen, mut replayed, mut wrong) = (0, 0, Vec::new());
    for (index, case) in cases.iter().enumerate() {
        if !leaves_a_transcript(case) {
            continue;
        }
        let observed = execute(case, &format!("oapt{index:016x}"), &bench).await;
        let Some(transcript) = &observed.transcript else {
            continue;
        };
        let digest = transcript["manifest"]["digest"]
            .as_str()
            .unwrap_or_default();
        let record = Record {
            transcript,
            manifest: observed.documents.get(digest),
        };
        seen += 1;
        replayed += usize::from(record.manifest.is_some());
        for finding in judge(&record, wire, &secrets).findings {
            wrong.push(format!("{}: {finding:?}", case.id));
        }
    }
    running.shutdown().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        seen > 150 && replayed > 150,
        "{seen} seen, {replayed} replayed"
    );
}
