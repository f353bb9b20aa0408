//! The report as SARIF 2.1.0: requirements are the rules, mismatches the results.
//!
//! A result points at the file of its case, and beside it at the sentence of the specification. What was not observed is no
//! result: it stands among the notifications of the invocation.

mod format;

use std::collections::BTreeMap;

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::requirement::{Level, Registry, Requirement};
use crate::suite::report::phrase::{self, Outcome};
use crate::suite::report::prose::{self, Prose};
use crate::suite::report::text::{RUNNER_COMMAND, RUNNER_COMMAND_ESCAPED, one_line, value};
use crate::suite::report::{CaseReport, Report};
use crate::suite::verdict::{Mismatch, Verdict};

use format::{
    Artifact, Configuration, Descriptor, Details, Driver, Invocation, Location, Log, Message,
    Notification, Physical, Region, RelatedLocation, Run, SarifResult, Suppression, Tool,
};

/// Longest value in a message, in characters.
const MOST_CHARACTERS: usize = 400;
/// Most results: those who show SARIF take no more than 25 000 of one run.
const MOST_RESULTS: usize = 20_000;

/// The report as SARIF, indented, with a line feed at its end.
///
/// # Errors
/// When it cannot be written as JSON: a fault of the suite.
pub fn render(report: &Report, registry: &Registry) -> Result<String, String> {
    let prose = Prose::of(registry);
    let mut rules = Rules {
        registry,
        prose: &prose,
        index: BTreeMap::new(),
        list: Vec::new(),
    };
    // Every requirement of the report is a rule, also one that nobody violated: so a reader sees what was judged.
    for requirement in &report.requirements {
        rules.of(&requirement.id, requirement.level);
    }
    let mut results = Vec::new();
    let mut left_out = 0;
    for case in &report.cases {
        let violates = matches!(case.verdict, Verdict::Fail | Verdict::Warn);
        for mismatch in case.mismatches.iter().filter(|_| violates) {
            if results.len() < MOST_RESULTS {
                results.push(result(case, mismatch, report, &mut rules));
            } else {
                left_out += 1;
            }
        }
    }
    let mut notifications: Vec<Notification> = report
        .cases
        .iter()
        .filter(|case| {
            let outcome = Outcome::of(case);
            matches!(
                outcome,
                Outcome::Unsettled | Outcome::Missing | Outcome::Partly
            )
        })
        .take(MOST_RESULTS)
        .map(|case| notification(case, report))
        .collect();
    if left_out > 0 {
        notifications.push(Notification {
            level: "warning",
            message: Message::new(format!("{left_out} more results are in the JSON report")),
            locations: Vec::new(),
        });
    }
    let log = Log {
        schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        version: "2.1.0",
        runs: vec![Run {
            tool: Tool {
                driver: Driver {
                    name: "oap-conform",
                    semantic_version: env!("CARGO_PKG_VERSION"),
                    rules: rules.list,
                },
            },
            automation_details: Details {
                id: "oap-conform/run/".to_owned(),
                description: Message::new(phrase::headline(report)),
            },
            invocations: vec![Invocation {
                execution_successful: report.exit_code().number() != 5,
                exit_code: report.exit_code().number(),
                command_line: one_line(&report.run.command).into_owned(),
                tool_execution_notifications: notifications,
            }],
            column_kind: "unicodeCodePoints",
            results,
            properties: json!({
                "verdict": report.verdict,
                "must": report.totals.must,
                "should": report.totals.should,
                "byVerdict": report.totals.by_verdict,
                "profiles": report.run.target.profiles,
                "selection": report.run.selection,
            }),
        }],
    };
    let mut text = serde_json::to_string_pretty(&log)
        .map_err(|error| format!("the report cannot be written as SARIF: {error}"))?;
    // `properties` hold texts as they are, for programs.
    if text.contains(RUNNER_COMMAND) {
        text = text.replace(RUNNER_COMMAND, RUNNER_COMMAND_ESCAPED);
    }
    text.push('\n');
    Ok(text)
}

/// The rules that are used, in the order of their first use.
struct Rules<'r> {
    registry: &'r Registry,
    prose: &'r Prose,
    index: BTreeMap<String, usize>,
    list: Vec<Descriptor>,
}

impl Rules<'_> {
    /// The place of a requirement among the rules.
    fn of(&mut self, id: &str, level: Level) -> usize {
        if let Some(index) = self.index.get(id) {
            return *index;
        }
        let index = self.list.len();
        let rule = match self.registry.get(id) {
            Some(requirement) => self.known(requirement),
            None => Descriptor {
                id: one_line(id).into_owned(),
                short_description: Message::new("a requirement of another revision"),
                full_description: None,
                help: None,
                default_configuration: Configuration {
                    level: level_of(level),
                },
                properties: None,
            },
        };
        self.list.push(rule);
        self.index.insert(id.to_owned(), index);
        index
    }

    fn known(&self, requirement: &Requirement) -> Descriptor {
        let place = format!(
            "{}:{}",
            prose::file(requirement),
            self.prose.line(requirement)
        );
        Descriptor {
            id: requirement.id.clone(),
            short_description: Message::new(format!("{} {place}", requirement.level)),
            full_description: Some(Message::new(requirement.quote.clone())),
            help: Some(Message::new(format!(
                "{} ({place}). 'oap-conform explain {}' shows it with its cases.",
                requirement.quote, requirement.id
            ))),
            default_configuration: Configuration {
                level: level_of(requirement.level),
            },
            properties: Some(json!({
                "level": requirement.level,
                "profile": requirement.profile,
                "tags": [requirement.section, requirement.profile.name()],
            })),
        }
    }
}

fn result(
    case: &CaseReport,
    mismatch: &Mismatch,
    report: &Report,
    rules: &mut Rules<'_>,
) -> SarifResult {
    let main = mismatch.cites.first().or(case.requirements.first());
    let main = main.map_or("unknown", String::as_str);
    let level = match case.verdict {
        Verdict::Fail => rules
            .registry
            .get(main)
            .map_or(Level::Must, |requirement| requirement.level),
        _ => Level::Should,
    };
    let mut text = format!(
        "{}: {}\nat {}: expected {}, got {}",
        one_line(&case.id),
        one_line(&case.title),
        phrase::place(mismatch),
        value(&mismatch.expected, MOST_CHARACTERS),
        value(&mismatch.got, MOST_CHARACTERS),
    );
    if !mismatch.message.is_empty() {
        text.push_str(&format!("\n{}", one_line(&mismatch.message)));
    }
    text.push_str(&format!("\nrepeat: {}", phrase::repeat(report, case)));
    let related = mismatch
        .cites
        .iter()
        .filter_map(|id| rules.registry.get(id))
        .enumerate()
        .map(|(index, requirement)| RelatedLocation {
            id: index + 1,
            message: Message::new(format!("{}: {}", requirement.id, requirement.quote)),
            physical_location: Physical {
                artifact_location: Artifact {
                    uri: prose::file(requirement),
                },
                region: Region {
                    start_line: rules.prose.line(requirement),
                },
            },
        })
        .collect();
    SarifResult {
        rule_id: one_line(main).into_owned(),
        rule_index: rules.of(main, level),
        level: level_of(level),
        message: Message::new(text),
        locations: vec![location(case)],
        related_locations: related,
        partial_fingerprints: BTreeMap::from([(
            "oapMismatch/v1",
            fingerprint(&[&case.id, main, &mismatch.place, &mismatch.pointer]),
        )]),
        suppressions: case.expected.then(|| {
            vec![Suppression {
                kind: "external",
                justification: phrase::expectation(report, case),
            }]
        }),
        properties: json!({
            "case": one_line(&case.id),
            "cites": mismatch.cites,
            "where": mismatch.place,
            "pointer": mismatch.pointer,
        }),
    }
}

fn notification(case: &CaseReport, report: &Report) -> Notification {
    let reason = case.reason.as_deref().unwrap_or_default();
    let mut text = format!(
        "{}: {}: {}",
        phrase::said(case),
        one_line(&case.id),
        one_line(phrase::title(case))
    );
    if !reason.is_empty() {
        text.push_str(&format!("\n{}", one_line(reason)));
    }
    text.push_str(&format!("\nrepeat: {}", phrase::repeat(report, case)));
    Notification {
        level: match case.verdict {
            Verdict::HarnessError => "error",
            Verdict::NotImplemented => "note",
            _ => "warning",
        },
        message: Message::new(text),
        locations: vec![location(case)],
    }
}

/// The file of a case; without one the id stands in for it, so that there is a place at all.
fn location(case: &CaseReport) -> Location {
    let path = if case.file.is_empty() {
        &case.id
    } else {
        &case.file
    };
    Location {
        physical_location: Physical {
            artifact_location: Artifact { uri: uri(path) },
            region: Region { start_line: 1 },
        },
    }
}

/// A path as a URI reference.
pub fn uri(path: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~')
        .remove(b'/');
    let path = path.strip_prefix("./").unwrap_or(path);
    let encoded = utf8_percent_encode(path, KEPT).to_string();
    if encoded.starts_with('/') {
        format!("file://{encoded}")
    } else {
        encoded
    }
}

const fn level_of(level: Level) -> &'static str {
    match level {
        Level::Must => "error",
        Level::Should => "warning",
        Level::May => "note",
    }
}

/// What stays the same as long as the finding does; the parts are kept apart.
fn fingerprint(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hasher
        .finalize()
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
