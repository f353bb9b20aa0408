//! Findings as SARIF 2.1.0, with regions and fixes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::cli::failure::Failure;
use crate::lint::Rule;
use crate::lint::explain::clause;
use crate::suite::report::artifact_uri;
use crate::suite::report::text::one_line;

use super::json::written;
use super::report::{At, FileReport, Report, Shown};

/// Most results: those who show SARIF take no more than 25 000 of one run.
const MOST_RESULTS: usize = 20_000;

/// The report. A file that cannot be read is a notification.
pub(super) fn render(report: &Report) -> Result<String, Failure> {
    let used: BTreeSet<&str> = report.findings().map(|(_, one)| one.rule.id).collect();
    let rules: Vec<&'static Rule> = crate::lint::all()
        .filter(|rule| used.contains(rule.id))
        .collect();
    let index: BTreeMap<&str, usize> = rules
        .iter()
        .enumerate()
        .map(|(at, rule)| (rule.id, at))
        .collect();
    let descriptors: Vec<Value> = rules.iter().map(|rule| descriptor(rule)).collect();
    let mut seen = BTreeMap::new();
    let results: Vec<Value> = report
        .findings()
        .take(MOST_RESULTS)
        .map(|(file, finding)| result(file, finding, &index, &mut seen))
        .collect();
    let unreadable = report.unreadable.iter();
    let notifications: Vec<Value> = unreadable
        .map(|(path, why)| {
            json!({
                "level": "error",
                "message": {"text": one_line(why)},
                "locations": [{"physicalLocation": {"artifactLocation": {"uri": artifact_uri(path)}}}],
            })
        })
        .collect();
    written(&json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "oap-conform",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": descriptors,
            }},
            "automationDetails": {"id": "oap-conform/lint/"},
            "invocations": [{
                "executionSuccessful": report.unreadable.is_empty(),
                "toolExecutionNotifications": notifications,
            }],
            "columnKind": "unicodeCodePoints",
            "results": results,
            "properties": report.summary(),
        }],
    }))
}

fn descriptor(rule: &Rule) -> Value {
    let sentence = clause(rule.clause)
        .map(|clause| clause.sentence)
        .unwrap_or_default();
    json!({
        "id": rule.id,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.why},
        "help": {"text": format!("{}\n{}: {sentence}", rule.why, rule.clause)},
        "defaultConfiguration": {"level": rule.severity.name()},
        "properties": {
            "group": rule.group,
            "preset": rule.preset,
            "clause": rule.clause,
            "tags": [rule.group],
        },
    })
}

fn result(
    file: &FileReport,
    finding: &Shown,
    index: &BTreeMap<&str, usize>,
    seen: &mut BTreeMap<String, usize>,
) -> Value {
    let artifact = json!({"uri": artifact_uri(&file.path)});
    let base = fingerprint(&[&file.path, finding.rule.id, &finding.pointer]);
    // Two findings of one rule at one place are told apart by their order.
    let nth = seen.entry(base.clone()).or_insert(0);
    *nth += 1;
    let mut result = json!({
        "ruleId": finding.rule.id,
        "ruleIndex": index.get(finding.rule.id),
        "level": finding.severity,
        "message": {"text": one_line(&finding.message)},
        "locations": [{
            "physicalLocation": {
                "artifactLocation": artifact,
                "region": region(finding.start, finding.end),
            },
            "logicalLocations": [{"fullyQualifiedName": one_line(&finding.pointer)}],
        }],
        "partialFingerprints": {"oapLint/v1": format!("{base}:{nth}")},
    });
    let fix = finding.fix.as_ref().filter(|fix| !fix.edits.is_empty());
    if let (Some(fix), Some(members)) = (fix, result.as_object_mut()) {
        let replacements: Vec<Value> = fix
            .edits
            .iter()
            .map(|edit| {
                json!({
                    "deletedRegion": region(edit.start, edit.end),
                    "insertedContent": {"text": edit.text},
                })
            })
            .collect();
        members.insert(
            "fixes".to_owned(),
            json!([{
                "description": {"text": one_line(&fix.title)},
                "artifactChanges": [{"artifactLocation": artifact, "replacements": replacements}],
            }]),
        );
    }
    result
}

fn region(start: At, end: At) -> Value {
    json!({
        "startLine": start.line,
        "startColumn": start.column,
        "endLine": end.line,
        "endColumn": end.column,
    })
}

/// What stays the same as long as the finding does; the parts are kept apart.
fn fingerprint(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    let digest = hasher.finalize();
    digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
