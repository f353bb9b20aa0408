//! Transcripts judged without their runtime: files, folders and streams, each transcript a case of the report, as far as a transcript
//! alone can show.
//!
//! What it cannot show is not observed, so the verdict on it is at most "incomplete".

mod allowed;
mod answers;
mod asking;
mod cases;
mod contracts;
mod course;
mod echoes;
mod effects;
mod endpoints;
mod errors;
mod fallbacks;
mod files;
mod findings;
mod head;
mod ledger;
mod lines;
#[cfg(test)]
mod mutations;
mod order;
mod people;
mod prompts;
#[cfg(test)]
mod properties;
mod reach;
mod read;
mod refusals;
mod rules;
mod sent;
mod session;
mod settle;
mod shapes;
mod steps;
#[cfg(test)]
mod tests;
mod times;
mod turns;
mod verify;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value};

use super::baseline;
use super::case::Case;
use super::event::{Event, EventSink};
use super::matcher::{Difference, absent};
use super::options::{Options, select};
use super::report::{CaseReport, Report, RunBlock, TargetBlock, assemble};
use super::secrets::Secrets;
use super::verdict::RunError;
use super::wire::{Finding, Wire};
use crate::requirement::Registry;
use cases::Cases;
pub use findings::Told;
use read::{Folder, Manifests};
use rules::Rules;
use session::Bench;
use shapes::Shapes;
pub use verify::{Sources, verify};

/// The members of a transcript.
const MEMBERS: &str = "TRN-002";
/// Its manifest is that of the creation.
const CREATION: &str = "TRN-003";
/// No secret in a transcript.
const SECRETS: &str = "SEC-010";

/// What a transcript can show to hold, with the array that must not be empty for it; any other shows nothing of it.
const SHOWN: [(&str, Option<&str>); 5] = [
    (MEMBERS, None),
    ("TRN-006", Some("turns")),
    ("TRN-008", Some("turns")),
    ("TRN-009", Some("steps")),
    (steps::REPLAY, Some("steps")),
];

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
    /// What in it breaks a requirement, ten of each at most, short and without secrets.
    pub findings: Vec<Told>,
    /// The requirements that it shows to hold, unless a finding cites them.
    pub shown: Vec<&'static str>,
    /// How many things were looked at.
    pub assertions: usize,
    /// Whether a person was asked.
    has_questions: bool,
}

/// What came of one transcript of a file, which may be one of many.
#[derive(Debug)]
struct Conclusion {
    /// Its place among those of the file, from 1.
    ordinal: u64,
    judged: Judged,
    /// Why not everything was looked at.
    note: Option<String>,
}

impl Conclusion {
    /// That a file holds no transcript.
    fn none(why: &str) -> Self {
        let finding = Finding {
            requirement: MEMBERS.to_owned(),
            difference: Difference {
                pointer: String::new(),
                expected: Value::from("as spec/schemas/transcript.json says"),
                got: absent(),
                message: why.to_owned(),
            },
        };
        Self {
            ordinal: 1,
            judged: Judged {
                findings: vec![Told {
                    finding,
                    line: None,
                }],
                shown: vec![MEMBERS],
                assertions: 1,
                has_questions: false,
            },
            note: None,
        }
    }
}

/// Judges one transcript. Pure: equal input, equal findings, in the same order.
pub fn judge(record: &Record<'_>, wire: &Wire, secrets: &Secrets) -> Judged {
    let members = match record.transcript {
        Value::Object(members) => members.clone(),
        _ => Map::new(),
    };
    let rules = record.manifest.map(|manifest| Rules::new(manifest.clone()));
    let bench = Bench {
        wire,
        secrets,
        shapes: None,
    };
    session::begin_with(members, rules.map(Arc::new), bench, None).finish()
}

/// One file, or standard input.
struct Input {
    /// The case that it is in the report.
    case: Case,
    place: Place,
    /// Under which its manifest can lie beside it.
    name: String,
}

enum Place {
    File(std::path::PathBuf),
    Stdin,
}

/// Judges every transcript of a folder and reports. Of the options those count that choose and those that name secrets.
///
/// # Errors
/// [`RunError::Usage`] when the folder cannot be read, [`RunError::NothingSelected`] when it has no transcript or the filter leaves none.
pub fn run(folder: &Path, options: &Options, sink: &dyn EventSink) -> Result<Report, RunError> {
    let folder = Folder::list(folder).map_err(RunError::Usage)?;
    if folder.transcripts.is_empty() {
        return Err(RunError::NothingSelected(format!(
            "there is no transcript in {}; put *.json or *.jsonl files there",
            folder.path.display()
        )));
    }
    let manifests = folder.manifests().map_err(RunError::Usage)?;
    let inputs = folder.transcripts.iter().map(|name| {
        Ok(Input {
            case: cases::of(name)?,
            place: Place::File(folder.path.join(name)),
            name: name.clone(),
        })
    });
    let inputs: Result<Vec<Input>, String> = inputs.collect();
    let whole = Whole {
        inputs: inputs.map_err(RunError::Harness)?,
        manifests,
        target: format!("transcripts of {}", folder.path.display()),
        by_shape: false,
    };
    whole.judge(options, sink)
}

/// Everything that is to be judged.
struct Whole {
    inputs: Vec<Input>,
    manifests: Manifests,
    /// What the report calls it.
    target: String,
    /// Whether what looks like a secret is taken for one.
    by_shape: bool,
}

impl Whole {
    fn judge(&self, options: &Options, sink: &dyn EventSink) -> Result<Report, RunError> {
        let began = Instant::now();
        let started_at = jiff::Timestamp::now().to_string();
        let registry = Registry::embedded();
        let wire = Wire::embedded().map_err(RunError::Harness)?;
        let shapes = Shapes::all().map_err(RunError::Harness)?;
        let secrets = Secrets::new(options.secrets.iter().cloned());
        let bench = Bench {
            wire,
            secrets: &secrets,
            shapes: self.by_shape.then_some(shapes),
        };
        let all: Vec<Case> = self.inputs.iter().map(|input| input.case.clone()).collect();
        let (selected, selection) = select(&all, registry, options, None);
        if selected.is_empty() {
            return Err(RunError::NothingSelected(format!(
                "no transcript of {} is left by filter '{}'; their cases are named {}<file name>",
                all.len(),
                options.filter,
                cases::PREFIX
            )));
        }
        sink.event(&Event::RunStarted {
            total: selected.len(),
            target: &self.target,
            seed: options.seed,
            jobs: 1,
        });
        let chosen: BTreeSet<&str> = selected.iter().map(|case| case.id.as_str()).collect();
        let mut judged = Cases::new(registry, &secrets);
        for input in &self.inputs {
            if chosen.contains(input.case.id.as_str()) {
                sink.event(&Event::CaseStarted { id: &input.case.id });
                self.input(input, bench, &mut judged, sink);
            }
        }
        let profiles = judged.profiles.clone();
        let run = RunBlock {
            // A part of the requirements, however well it holds, is not the whole.
            unseen: true,
            suite: format!("oap-conform {}", env!("CARGO_PKG_VERSION")),
            started_at,
            duration_ms: (began.elapsed().as_secs_f64() * 100_000.0).round() / 100.0,
            command: options.command.clone(),
            seed: options.seed,
            jobs: 1,
            repeat: 1,
            selection,
            target: TargetBlock {
                base_url: self.target.clone(),
                profiles: profiles.clone(),
                implementation: None,
            },
            ..RunBlock::default()
        };
        let known: Vec<&Case> = judged.cases.iter().collect();
        let only = &options.profiles;
        let mut report = assemble(&known, judged.results, registry, &profiles, only, run);
        if let Some(known) = &options.baseline {
            let ids = all.iter().chain(&judged.cases);
            let universe = ids.map(|case| case.id.as_str()).collect();
            baseline::apply(&mut report, known, &universe, baseline::today());
        }
        sink.event(&Event::RunFinished { report: &report });
        Ok(report)
    }

    /// Judges all transcripts of one file.
    fn input(&self, input: &Input, bench: Bench<'_>, judged: &mut Cases<'_>, sink: &dyn EventSink) {
        let manifests = &self.manifests;
        let mut at = Instant::now();
        let mut each = |conclusion: Conclusion| {
            if let Some(case) = judged.add(&input.case, conclusion) {
                sink.event(&Event::CaseFinished {
                    case,
                    duration: at.elapsed(),
                });
            }
            at = Instant::now();
        };
        let name = &input.name;
        let read = match &input.place {
            Place::Stdin => {
                let stdin = std::io::stdin();
                read::sniffed(&mut stdin.lock(), name, manifests, bench, &mut each)
            }
            Place::File(path) if read::is_lines(name) => read::file(path).and_then(|file| {
                let mut reader = std::io::BufReader::new(file);
                lines::judge(None, &mut reader, name, manifests, bench, &mut each)
            }),
            Place::File(path) if name.ends_with(".json") => read::whole(path)
                .and_then(|bytes| read::one(&bytes, name, manifests, bench, &mut each)),
            Place::File(path) => read::file(path).and_then(|file| {
                let mut reader = std::io::BufReader::new(file);
                read::sniffed(&mut reader, name, manifests, bench, &mut each)
            }),
        };
        if let Err(why) = read {
            let case = judged.unread(&input.case, format!("{name} {why}"));
            sink.event(&Event::CaseFinished {
                case: &case,
                duration: at.elapsed(),
            });
        }
    }
}

/// The beginning of the command that verifies transcripts; what follows in it are options.
pub const VERIFY: &str = "oap-conform verify";

/// What to name so that a case is verified again; `None`: it is none of [`VERIFY`].
pub(super) fn verified<'c>(command: &str, case: &'c CaseReport) -> Option<&'c str> {
    of_file(case).filter(|_| command.starts_with(VERIFY))?;
    Some(if case.file == STDIN { "-" } else { &case.file })
}

/// The id of the case that the file of a transcript is; `None`: the case is about no transcript.
pub(super) fn of_file(case: &CaseReport) -> Option<String> {
    let id = format!("{}{}", cases::PREFIX, case.file);
    case.id.starts_with(&id).then_some(id)
}

/// Whether a case is a transcript of which everything was looked at, and all that is wrong is told, ten of each requirement.
pub(super) fn is_judged_to_its_end(case: &CaseReport) -> bool {
    of_file(case).is_some() && !case.id.ends_with(cases::FURTHER)
}

/// What standard input is called.
const STDIN: &str = "stdin";

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
