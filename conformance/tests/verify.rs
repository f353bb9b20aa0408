//! Transcripts verified from the command line: files, folders and streams, exit codes, reports, and memory that does not grow.

mod program;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use oap_conform::schema;
use oap_conform::suite::transcript::generate::{self, Order};
use program::{finished, program, told};
use serde_json::Value;

/// Most resident memory of the judge, in KiB, where it is built as it is shipped: without that the program itself takes as much.
const MOST_RESIDENT: u64 = 64 * 1024;

/// What a long stream may take more than a short one, in KiB: one session's steps, whose number is bounded.
const MOST_MORE: u64 = 16 * 1024;

/// The size of the stream that it is measured with, in bytes.
const STREAM: u64 = 30_000_000;

fn fixtures(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/transcripts")
        .join(name)
}

fn verify(folder: &Path) -> Command {
    let mut command = program(folder);
    command.arg("verify");
    command
}

fn verified(paths: &[&Path], more: &[&str]) -> Output {
    let elsewhere = tempfile::tempdir().expect("a folder");
    finished(verify(elsewhere.path()).args(paths).args(more))
}

/// What comes of a text on standard input, which `write` writes, with the most memory that the judge took in KiB.
fn fed(
    more: &[&str],
    write: impl FnOnce(&mut dyn std::io::Write) + Send + 'static,
) -> (Output, u64) {
    let elsewhere = tempfile::tempdir().expect("a folder");
    let mut child = verify(elsewhere.path())
        .arg("-")
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let status = format!("/proc/{}/status", child.id());
    let stdin = child.stdin.take().expect("its input");
    let author = std::thread::spawn(move || {
        let mut out = std::io::BufWriter::new(stdin);
        write(&mut out);
        let _ = out.flush();
        // The judge has read all but what a pipe holds, and lives until this end is closed.
        let status = std::fs::read_to_string(status).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|peak| peak.trim().strip_suffix("kB")?.trim().parse().ok());
        peak.unwrap_or_default()
    });
    let output = child.wait_with_output().expect("it ends");
    (output, author.join().expect("no panic"))
}

#[test]
fn what_breaks_nothing_ends_with_0_and_what_breaks_something_with_1() {
    let good = verified(
        &[&fixtures("good"), &fixtures("streams")],
        &["--format", "json"],
    );
    assert_eq!(good.status.code(), Some(0), "{}", told(&good));
    let report: Value = serde_json::from_slice(&good.stdout).expect("JSON");
    let violations = schema::named("report")
        .expect("a schema")
        .violations(&report);
    assert!(violations.is_empty(), "{violations:?}");
    assert_eq!(report["totals"]["by_verdict"]["fail"], 0);
    assert_eq!(report["verdict"], "incomplete");
    let strict = verified(&[&fixtures("good")], &["--fail-on", "violation,incomplete"]);
    assert_eq!(strict.status.code(), Some(4), "{}", told(&strict));
    let bad = verified(&[&fixtures("violations")], &[]);
    assert_eq!(bad.status.code(), Some(1), "{}", told(&bad));
    let one = fixtures("violations/TRN-011--an-observation-lost-on-the-way.jsonl");
    let manifests = fixtures("streams").display().to_string();
    let one = verified(&[&one], &["--against", &manifests]);
    let said = told(&one);
    assert_eq!(one.status.code(), Some(1), "{said}");
    assert!(
        said.contains("line ") && said.contains("/steps/2/observation"),
        "{said}"
    );
}

#[test]
fn reports_have_the_forms_of_a_run() {
    let out = tempfile::tempdir().expect("a folder");
    let bad = fixtures("violations/ACC-036--a-payment-nobody-approved.json");
    let forms = ["json", "junit", "sarif", "tap", "markdown", "html"];
    let destinations: Vec<String> = forms
        .iter()
        .map(|form| format!("{form}={}", out.path().join(form).display()))
        .collect();
    let mut more = vec!["--format", "junit"];
    more.extend(destinations.iter().flat_map(|one| ["--report", one]));
    let manifests = fixtures("streams").display().to_string();
    more.extend(["--against", &manifests]);
    let said = verified(&[&bad], &more);
    assert_eq!(said.status.code(), Some(1), "{}", told(&said));
    assert!(said.stdout.starts_with(b"<?xml"), "{}", told(&said));
    for form in forms {
        let text = std::fs::read_to_string(out.path().join(form)).expect("written");
        assert!(text.contains("ACC-036"), "{form}");
    }
}

#[test]
fn what_cannot_be_read_ends_with_2_unless_something_is_broken() {
    let good = fixtures("good/desk.json");
    let absent = Path::new("/nowhere/x.json");
    let unread = verified(&[&good, absent], &[]);
    assert_eq!(unread.status.code(), Some(2), "{}", told(&unread));
    assert!(
        told(&unread).contains("1 could not be read"),
        "{}",
        told(&unread)
    );
    let bad = fixtures("violations/TRN-002--without-closed-at.json");
    let broken = verified(&[&bad, absent], &[]);
    assert_eq!(broken.status.code(), Some(1), "{}", told(&broken));
    for wrong in [
        vec!["--manifest", "/nowhere/m.json"],
        vec!["--against", "/nowhere"],
        vec!["--filter", "nothing-has-this-name"],
        vec!["--secret", "OAP_NOT_SET_ANYWHERE"],
    ] {
        let refused = verified(&[&good], &wrong);
        assert_eq!(
            refused.status.code(),
            Some(2),
            "{wrong:?} {}",
            told(&refused)
        );
    }
    let place = tempfile::tempdir().expect("a folder");
    let nothing = verified(&[place.path()], &[]);
    assert_eq!(nothing.status.code(), Some(2), "{}", told(&nothing));
}

#[test]
fn manifests_are_found_by_digest_and_by_name() {
    let place = tempfile::tempdir().expect("a folder");
    let manifests = place.path().join("manifests");
    std::fs::create_dir(&manifests).expect("made");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("fixtures/manifests/valid/desk.json"));
    let mut manifest: Value = serde_json::from_str(&text.expect("read")).expect("JSON");
    manifest["name"] = "reception".into();
    let digest = oap_conform::json::digest(&manifest);
    let text = std::fs::read_to_string(fixtures("good/desk.json")).expect("read");
    let mut transcript: Value = serde_json::from_str(&text).expect("JSON");
    transcript["manifest"]["name"] = "reception".into();
    let file = place.path().join("desk.json");
    std::fs::write(&file, transcript.to_string()).expect("written");
    // The digest is that of a manifest which this program carries, and which has another name.
    let renamed = verified(&[&file], &[]);
    assert_eq!(renamed.status.code(), Some(1), "{}", told(&renamed));
    assert!(
        told(&renamed).contains("/manifest/name"),
        "{}",
        told(&renamed)
    );
    transcript["manifest"]["digest"] = digest.as_str().into();
    std::fs::write(&file, transcript.to_string()).expect("written");
    let unknown = verified(&[&file], &[]);
    assert_eq!(unknown.status.code(), Some(0), "{}", told(&unknown));
    // No form of the report reads as if all had been judged.
    for (form, words) in [
        ("text", "PASS IN PART"),
        ("markdown", "Passed in part"),
        ("junit", "passed-in-part"),
        ("tap", "in part"),
    ] {
        let said = told(&verified(&[&file], &["--format", form]));
        for part in [words, digest.as_str(), "--manifest FILE", "--against DIR"] {
            assert!(said.contains(part), "{form}: {part} is not in {said}");
        }
    }

    // By name and version only: then the digest is wrong.
    transcript["manifest"]["digest"] = format!("sha256:{}", "0".repeat(64)).into();
    std::fs::write(&file, transcript.to_string()).expect("written");
    std::fs::write(manifests.join("own.json"), manifest.to_string()).expect("written");
    std::fs::write(manifests.join("notes.json"), "[1]").expect("written");
    let against = manifests.display().to_string();
    let other = verified(&[&file], &["--against", &against]);
    assert_eq!(other.status.code(), Some(1), "{}", told(&other));
    assert!(told(&other).contains("TRN-003"), "{}", told(&other));

    // By digest, in YAML too, of which JSON is a part.
    transcript["manifest"]["digest"] = digest.into();
    std::fs::write(&file, transcript.to_string()).expect("written");
    let own = manifests.join("own.yaml");
    std::fs::rename(manifests.join("own.json"), &own).expect("renamed");
    let own = own.display().to_string();
    for more in [["--manifest", &own], ["--against", &against]] {
        let right = verified(&[&file], &[&more[..], &["--format", "json"]].concat());
        assert_eq!(right.status.code(), Some(0), "{}", told(&right));
        let report: Value = serde_json::from_slice(&right.stdout).expect("JSON");
        assert_eq!(report["cases"][0].get("reason"), None, "{report:#}");
    }
}

#[test]
fn standard_input_is_a_document_or_lines() {
    for name in [
        "good/desk.json",
        "streams/till.jsonl",
        "streams/several.jsonl",
    ] {
        let bytes = std::fs::read(fixtures(name)).expect("read");
        let (judged, _) = fed(&[], move |out| {
            let _ = out.write_all(&bytes);
        });
        assert_eq!(judged.status.code(), Some(0), "{name}: {}", told(&judged));
    }
    for text in ["", "{", "no transcript", "{}\n", "[]", "5\n5\n"] {
        let (judged, _) = fed(&[], move |out| {
            let _ = out.write_all(text.as_bytes());
        });
        assert_eq!(judged.status.code(), Some(1), "{text}: {}", told(&judged));
        assert!(
            told(&judged).contains("TRN-002"),
            "{text}: {}",
            told(&judged)
        );
    }
}

#[test]
fn a_secret_is_known_by_its_shape_and_by_its_name() {
    let place = tempfile::tempdir().expect("a folder");
    let file = fixtures("violations/SEC-010--a-key-known-by-its-shape.json");
    let shaped = finished(verify(place.path()).arg(&file));
    assert_eq!(shaped.status.code(), Some(1), "{}", told(&shaped));
    let key = ["AKIA", "IOSFODNN7EXAMPLE"].concat();
    assert!(!told(&shaped).contains(&key), "{}", told(&shaped));
    let silent = finished(verify(place.path()).arg(&file).arg("--no-secret-shapes"));
    assert_eq!(silent.status.code(), Some(0), "{}", told(&silent));
    let named = finished(
        verify(place.path())
            .arg(&file)
            .args(["--no-secret-shapes", "--secret", "MY_OWN_KEY"])
            .env("MY_OWN_KEY", &key),
    );
    assert_eq!(named.status.code(), Some(1), "{}", told(&named));
    assert!(!told(&named).contains(&key), "{}", told(&named));
}

/// The most memory that the judge takes for so many steps, which it finds nothing wrong with, and their bytes.
fn peak_of(steps: u64) -> (u64, u64) {
    let order = Order {
        steps,
        of_a_session: generate::MOST_OF_A_SESSION,
        seed: 7,
    };
    let (counted, count) = std::sync::mpsc::channel();
    let (judged, peak) = fed(&[], move |out| {
        let mut out = Counted { out, bytes: 0 };
        generate::write(&order, &mut out).expect("written");
        let _ = counted.send(out.bytes);
    });
    assert_eq!(judged.status.code(), Some(0), "{}", told(&judged));
    (peak, count.recv().expect("counted"))
}

fn is_bounded(peak: u64) {
    // More than a pipe holds, so that most of it is judged when the memory is looked at.
    let (short, _) = peak_of(1_000);
    assert!(short > 0);
    assert!(
        peak < short + MOST_MORE,
        "{peak} KiB, and {short} for a short one"
    );
    assert!(cfg!(debug_assertions) || peak < MOST_RESIDENT, "{peak} KiB");
}

#[test]
fn a_long_stream_takes_no_more_memory_than_a_short_one() {
    let (peak, bytes) = peak_of(STREAM / 1_500);
    assert!(bytes >= STREAM, "{bytes} bytes only");
    is_bounded(peak);
}

/// One session that never ends breaks a rule, and no memory.
#[test]
fn a_session_beyond_its_limit_takes_no_more_memory_either() {
    let order = Order {
        steps: 9_000,
        of_a_session: generate::MOST_OF_A_SESSION,
        seed: 8,
    };
    let mut written = Vec::new();
    generate::write(&order, &mut written).expect("written");
    let text = String::from_utf8(written).expect("UTF-8");
    let mut lines = text.lines();
    let head = lines.next().expect("a head").to_owned();
    let entries: Vec<String> = lines
        .filter(|line| !line.contains("\"closed_at\""))
        .map(str::to_owned)
        .collect();
    let (judged, peak) = fed(&[], move |out| {
        let _ = writeln!(out, "{head}");
        for _ in 0..3 {
            for entry in &entries {
                let _ = writeln!(out, "{entry}");
            }
        }
    });
    assert_eq!(judged.status.code(), Some(1), "{}", told(&judged));
    is_bounded(peak);
}

struct Counted<W> {
    out: W,
    bytes: u64,
}

impl<W: std::io::Write> std::io::Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
