//! The report for programs: `spec/schemas/lint-report.json`.

use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::cli::harness::pretty;
use crate::suite::report::text::{RUNNER_COMMAND, RUNNER_COMMAND_ESCAPED};

use super::report::{FileReport, Report};

/// Most files that are no documents and are named.
const MOST_UNKNOWN: usize = 100;

/// Indented, with a line feed at the end.
pub(super) fn render(report: &Report) -> Result<String, Failure> {
    let files: Vec<Value> = report.files.iter().map(file).collect();
    let unreadable = report.unreadable.iter();
    let unreadable: Vec<Value> = unreadable
        .map(|(path, why)| json!({"path": path, "message": why}))
        .collect();
    written(&json!({
        "summary": report.summary(),
        "files": files,
        "unreadable": unreadable,
        "unknown": report.unknown.iter().take(MOST_UNKNOWN).collect::<Vec<_>>(),
    }))
}

/// A value as a text that the machine which collects a log takes no command from.
pub(super) fn written(value: &Value) -> Result<String, Failure> {
    let text = pretty(value)?.replace(RUNNER_COMMAND, RUNNER_COMMAND_ESCAPED);
    Ok(format!("{text}\n"))
}

fn file(file: &FileReport) -> Value {
    let findings: Vec<Value> = file.findings.iter().map(super::Shown::value).collect();
    json!({
        "path": file.path,
        "kind": file.kind,
        "score": file.score,
        "findings": findings,
        "left_out": file.left_out,
        "accepted": file.accepted,
        "fixed": file.fixed,
        "diff": file.diff,
    })
}
