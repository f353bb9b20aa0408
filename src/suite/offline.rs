//! Transcripts judged without their runtime: a folder of files, each a case of the report, as far as a transcript alone can show.
//!
//! What it cannot show is not observed, so the verdict on a folder is at most "incomplete".

mod enforced;
mod people;
mod read;
mod record;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use super::baseline;
use super::case::Case;
use super::event::{Event, EventSink};
use super::matcher::{Difference, absent};
use super::options::{OBJECT_KEY, Options, select};
use super::report::{CaseReport, Report, RunBlock, TargetBlock, assemble};
use super::secrets::Secrets;
use super::transcript;
use super::verdict::{Mismatch, RunError, RunVerdict, Verdict};
use super::wire::{Finding, Wire};
use crate::requirement::{Level, Profile, Registry};
use crate::schema;
use read::{Folder, Manifests};

/// The members of a transcript.
const MEMBERS: &str = "TRN-002";
/// Its manifest is that of the creation.
const CREATION: &str = "TRN-003";
/// No secret in a transcript.
const SECRETS: &str = "SEC-010";
/// No key of a store in one.
const KEY_OF_A_STORE: &str = "STO-004";

/// What a transcript can show to hold, with the array that must not be empty for it; any other shows nothing of it.
const SHOWN: [(&str, Option<&str>); 5] = [
    (MEMBERS, None),
    ("TRN-006", Some("turns")),
    ("TRN-008", Some("turns")),
    ("TRN-009", Some("steps")),
    (REPLAY, Some("steps")),
];

/// The replay, which needs the manifest.
const REPLAY: &str = "TRN-011";

/// Most findings of one kind that are told of one transcript.
const MOST: usize = 10;

/// Longest value in a report, in characters of its compact JSON.
const MOST_CHARACTERS: usize = 2_000;

/// One transcript that is to be judged.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// The transcript.
    pub transcript: &'a Value,
    /// Its manifest in snake_case form, where it is known.
    pub manifest: Option<&'a Value>,
}

/// What came of one transcript.
#[derive(Debug, Clone)]
pub struct Judged {
    /// Everything in it that breaks a requirement.
    pub findings: Vec<Finding>,
    /// The requirements that it shows to hold, unless a finding cites them.
    pub shown: Vec<&'static str>,
    /// How many things were looked at.
    pub assertions: usize,
}

/// Judges one transcript. Pure: equal input, equal findings, in the same order.
pub fn judge(record: &Record<'_>, wire: &Wire, secrets: &Secrets) -> Judged {
    let Record {
        transcript,
        manifest,
    } = *record;
    let mut findings = against_schema(transcript);
    findings.extend(leaks(transcript, secrets));
    findings.extend(transcript::check_alone(transcript, manifest));
    findings.extend(record::check(transcript, manifest, wire));
    findings.extend(people::check(transcript));
    if let Some(manifest) = manifest {
        findings.extend(enforced::check(transcript, manifest));
    }
    let shown: Vec<&'static str> = SHOWN
        .iter()
        .filter(|(_, member)| member.is_none_or(|member| has_some(transcript, member)))
        .filter(|(id, _)| *id != REPLAY || manifest.is_some())
        .map(|(id, _)| *id)
        .collect();
    let assertions = shown.len();
    Judged {
        findings: bounded(findings),
        shown,
        assertions,
    }
}

/// Judges every transcript of a folder and reports. Of the options those count that choose and those that name secrets.
///
/// # Errors
/// [`RunError::Usage`] when the folder cannot be read, [`RunError::NothingSelected`] when it has no transcript or the filter leaves none.
pub fn run(folder: &Path, options: &Options, sink: &dyn EventSink) -> Result<Report, RunError> {
    let began = Instant::now();
    let started_at = jiff::Timestamp::now().to_string();
    let registry = Registry::embedded();
    let wire = Wire::embedded().map_err(RunError::Harness)?;
    let secrets = Secrets::new(options.secrets.iter().cloned());
    let folder = Folder::list(folder).map_err(RunError::Usage)?;
    if folder.transcripts.is_empty() {
        return Err(RunError::NothingSelected(format!(
            "there is no transcript in {}; put *.json or *.jsonl files there",
            folder.path.display()
        )));
    }
    let manifests = folder.manifests().map_err(RunError::Usage)?;
    let mut cases = Vec::new();
    for name in &folder.transcripts {
        cases.push(case_of(name).map_err(RunError::Harness)?);
    }
    let folder_cases: Vec<String> = cases.iter().map(|case| case.id.clone()).collect();
    let (selected, selection) = select(&cases, registry, options, None);
    if selected.is_empty() {
        return Err(RunError::NothingSelected(format!(
            "no transcript of {} is left by filter '{}'; their cases are named {PREFIX}<file name>",
            cases.len(),
            options.filter
        )));
    }
    let target = format!("transcripts of {}", folder.path.display());
    sink.event(&Event::RunStarted {
        total: selected.len(),
        target: &target,
        seed: options.seed,
        jobs: 1,
    });
    let mut profiles = BTreeSet::from([Profile::Core, Profile::Session]);
    let mut judged_cases = Vec::new();
    let mut results = Vec::new();
    for case in selected {
        sink.event(&Event::CaseStarted { id: &case.id });
        let at = Instant::now();
        let mut case = case.clone();
        let name = case.file.clone();
        let result = match folder.read(&name) {
            Err(read::Unread::Aside(reason)) => CaseReport {
                reason: Some(reason),
                ..report_of(&case, Verdict::SetupFailed)
            },
            Err(read::Unread::Wrong(why)) => {
                case.requirements = vec![MEMBERS.to_owned()];
                let judged = Judged {
                    findings: vec![no_transcript(why)],
                    shown: vec![MEMBERS],
                    assertions: 1,
                };
                concluded(&case, judged, None, registry, &secrets)
            }
            Ok(transcript) => {
                if has_some(&transcript, "interventions") {
                    profiles.insert(Profile::Human);
                }
                let (judged, note) = judge_file(&transcript, &name, &manifests, wire, &secrets);
                // What this one does not show is not spoken for.
                case.requirements = judged.shown.iter().map(|id| (*id).to_owned()).collect();
                concluded(&case, judged, note, registry, &secrets)
            }
        };
        sink.event(&Event::CaseFinished {
            case: &result,
            duration: at.elapsed(),
        });
        judged_cases.push(case);
        results.push(result);
    }
    let run = RunBlock {
        suite: format!("oap-conform {}", env!("CARGO_PKG_VERSION")),
        started_at,
        duration_ms: (began.elapsed().as_secs_f64() * 100_000.0).round() / 100.0,
        command: options.command.clone(),
        seed: options.seed,
        jobs: 1,
        repeat: 1,
        selection,
        target: TargetBlock {
            base_url: target,
            profiles: profiles.clone(),
            implementation: None,
        },
        ..RunBlock::default()
    };
    let cases: Vec<&Case> = judged_cases.iter().collect();
    let mut report = assemble(&cases, results, registry, &profiles, &options.profiles, run);
    if report.verdict == RunVerdict::Conformant {
        // A part of the requirements, however well it holds, is not the whole.
        report.verdict = RunVerdict::Incomplete;
    }
    if let Some(known) = &options.baseline {
        let universe = folder_cases.iter().map(String::as_str).collect();
        baseline::apply(&mut report, known, &universe, baseline::today());
    }
    sink.event(&Event::RunFinished { report: &report });
    Ok(report)
}

const PREFIX: &str = "TRANSCRIPT-";

/// The case that a file is in the report. It has no steps that anybody takes; the model of a case wants one.
fn case_of(name: &str) -> Result<Case, String> {
    let shown: Vec<&str> = SHOWN.iter().map(|(id, _)| *id).collect();
    let mut case: Case = serde_json::from_value(json!({
        "id": format!("{PREFIX}{name}"),
        "title": "the transcript is complete, agrees with itself and shows nothing that is forbidden",
        "requirements": shown,
        "manifest": "none",
        "steps": [{"close": {}}],
    }))
    .map_err(|error| format!("the case of {name}: {error}"))?;
    case.file = name.to_owned();
    Ok(case)
}

fn judge_file(
    transcript: &Value,
    name: &str,
    manifests: &Manifests,
    wire: &Wire,
    secrets: &Secrets,
) -> (Judged, Option<String>) {
    let known = manifests.of(name, transcript);
    let record = Record {
        transcript,
        manifest: known.as_ref().map(|known| known.document.as_ref()),
    };
    let mut judged = judge(&record, wire, secrets);
    match known {
        Some(known) if !known.same_digest => {
            judged.findings.push(Finding {
                requirement: CREATION.to_owned(),
                difference: Difference {
                    pointer: "/manifest/digest".to_owned(),
                    expected: Value::from(known.digest),
                    got: transcript
                        .pointer("/manifest/digest")
                        .cloned()
                        .unwrap_or_else(absent),
                    message: "is not the digest of the manifest that lies beside".to_owned(),
                },
            });
            (judged, None)
        }
        Some(_) => (judged, None),
        None => {
            let reason = format!(
                "no manifest with its digest is known, so nothing was replayed or checked against schemas; \
                 put it beside as {}",
                read::manifest_name(name)
            );
            (judged, Some(reason))
        }
    }
}

fn concluded(
    case: &Case,
    judged: Judged,
    note: Option<String>,
    registry: &Registry,
    secrets: &Secrets,
) -> CaseReport {
    let must = |finding: &Finding| {
        registry
            .get(&finding.requirement)
            .is_none_or(|requirement| requirement.level == Level::Must)
    };
    let verdict = match judged.findings.as_slice() {
        [] if judged.assertions == 0 => Verdict::NotObserved,
        [] => Verdict::Pass,
        findings if findings.iter().any(must) => Verdict::Fail,
        _ => Verdict::Warn,
    };
    let mut report = report_of(case, verdict);
    report.reason = note;
    report.assertions = judged.assertions.max(judged.findings.len());
    report.mismatches = judged
        .findings
        .into_iter()
        .map(|finding| told(mismatch(finding), secrets))
        .collect();
    report.mismatches.dedup();
    report
}

fn report_of(case: &Case, verdict: Verdict) -> CaseReport {
    CaseReport {
        id: case.id.clone(),
        title: case.title.clone(),
        file: case.file.clone(),
        requirements: case.requirements.clone(),
        profile: Profile::Session,
        verdict,
        mismatches: Vec::new(),
        assertions: 0,
        reason: None,
        leaves_open: Vec::new(),
        expected: false,
    }
}

fn mismatch(finding: Finding) -> Mismatch {
    let mut cites = vec![finding.requirement];
    if cites == [SECRETS] && finding.difference.message.contains(OBJECT_KEY) {
        cites.push(KEY_OF_A_STORE.to_owned());
    }
    Mismatch {
        cites,
        place: "transcript".to_owned(),
        pointer: finding.difference.pointer,
        expected: finding.difference.expected,
        got: finding.difference.got,
        message: finding.difference.message,
        no_answer: false,
    }
}

/// A mismatch as it goes into the report: redacted and bounded.
fn told(mismatch: Mismatch, secrets: &Secrets) -> Mismatch {
    let short = |value: &Value| {
        let value = secrets.redact(value);
        let text = value.to_string();
        if text.len() <= MOST_CHARACTERS {
            return value;
        }
        let kept: String = text.chars().take(MOST_CHARACTERS).collect();
        Value::from(format!("{kept}… ({} bytes in all)", text.len()))
    };
    Mismatch {
        pointer: secrets.redact_text(&mismatch.pointer),
        expected: short(&mismatch.expected),
        got: short(&mismatch.got),
        message: secrets.redact_text(&mismatch.message),
        ..mismatch
    }
}

fn no_transcript(why: String) -> Finding {
    Finding {
        requirement: MEMBERS.to_owned(),
        difference: Difference {
            pointer: String::new(),
            expected: Value::from("as spec/schemas/transcript.json says"),
            got: absent(),
            message: why,
        },
    }
}

fn against_schema(transcript: &Value) -> Vec<Finding> {
    let Some(schema) = schema::named("transcript") else {
        return vec![no_transcript(
            "the schema of transcripts is missing".to_owned(),
        )];
    };
    schema
        .violations(transcript)
        .into_iter()
        .map(|violation| Finding {
            requirement: MEMBERS.to_owned(),
            difference: Difference {
                expected: Value::from("as spec/schemas/transcript.json says"),
                got: transcript
                    .pointer(&violation.pointer)
                    .cloned()
                    .unwrap_or_else(absent),
                message: format!("{} ({})", violation.message, violation.rule),
                pointer: violation.pointer,
            },
        })
        .collect()
}

fn leaks(transcript: &Value, secrets: &Secrets) -> Vec<Finding> {
    secrets
        .in_value(transcript)
        .into_iter()
        .map(|leak| Finding {
            requirement: SECRETS.to_owned(),
            difference: Difference {
                pointer: leak.pointer,
                expected: json!({"$not": {"$has": format!("the value of {}", leak.name)}}),
                got: Value::from(format!("the value of {}, {}", leak.name, leak.encoding)),
                message: format!("lets the secret {} out", leak.name),
            },
        })
        .collect()
}

/// At most so many of each requirement.
fn bounded(findings: Vec<Finding>) -> Vec<Finding> {
    let mut kept: Vec<Finding> = Vec::new();
    for finding in findings {
        let of_kind = kept
            .iter()
            .filter(|other| other.requirement == finding.requirement)
            .count();
        if of_kind < MOST && !kept.contains(&finding) {
            kept.push(finding);
        }
    }
    kept
}

fn has_some(transcript: &Value, member: &str) -> bool {
    array(transcript, member).next().is_some()
}

/// The elements of a member that is an array.
fn array<'a>(value: &'a Value, member: &str) -> std::slice::Iter<'a, Value> {
    value
        .get(member)
        .and_then(Value::as_array)
        .map(|elements| elements.iter())
        .unwrap_or_default()
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value
        .get(member)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn number(value: &Value, member: &str) -> Option<u64> {
    value.get(member).and_then(Value::as_u64)
}

/// A time of the transcript; texts that are none are the schema's business.
fn time(value: &Value, member: &str) -> Option<jiff::Timestamp> {
    text(value, member).parse().ok()
}

fn finding(
    requirement: &str,
    pointer: impl Into<String>,
    expected: Value,
    got: Option<&Value>,
    message: &str,
) -> Finding {
    Finding {
        requirement: requirement.to_owned(),
        difference: Difference {
            pointer: pointer.into(),
            expected,
            got: got.cloned().unwrap_or_else(absent),
            message: message.to_owned(),
        },
    }
}
