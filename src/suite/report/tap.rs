//! The report as TAP 14: one point a case, what was wrong as a YAML block below it.

use std::fmt::Write as _;

use serde_json::Value;

use crate::requirement::Registry;
use crate::suite::report::phrase::{self, Outcome};
use crate::suite::report::text::{one_line, value};
use crate::suite::report::{CaseReport, Report};

/// Longest value of a mismatch, in characters.
const MOST_CHARACTERS: usize = 1_000;

/// The report as TAP 14. What was not observed is `not ok`; what is not about the target is skipped; what its maker says is
/// missing, or the baseline expects, is `not ok` with `TODO`.
pub fn render(report: &Report, registry: &Registry) -> String {
    let mut out = String::from("TAP version 14\n");
    add(&mut out, format_args!("1..{}", report.cases.len()));
    for (index, case) in report.cases.iter().enumerate() {
        point(&mut out, index + 1, case, report, registry);
    }
    for line in [
        phrase::counts(report),
        phrase::level("MUST", &report.totals.must),
        phrase::level("SHOULD", &report.totals.should),
        phrase::headline(report),
    ] {
        add(&mut out, format_args!("# {}", one_line(&line)));
    }
    out
}

fn point(out: &mut String, number: usize, case: &CaseReport, report: &Report, registry: &Registry) {
    let outcome = Outcome::of(case);
    let ok = match outcome {
        Outcome::Passed | Outcome::Partly | Outcome::Warned | Outcome::Skipped => "ok",
        Outcome::Failed | Outcome::Unsettled | Outcome::Missing | Outcome::Expected => "not ok",
    };
    let reason = case.reason.as_deref().unwrap_or_default();
    let directive = match outcome {
        Outcome::Skipped => format!(" # SKIP {}", description(reason)),
        Outcome::Missing => format!(" # TODO not implemented: {}", description(reason)),
        Outcome::Expected => {
            format!(
                " # TODO {}",
                description(&phrase::expectation(report, case))
            )
        }
        _ => String::new(),
    };
    add(
        out,
        format_args!(
            "{ok} {number} - {}: {}{}",
            description(&case.id),
            description(phrase::title(case)),
            directive.trim_end()
        ),
    );
    if matches!(
        outcome,
        Outcome::Partly
            | Outcome::Warned
            | Outcome::Failed
            | Outcome::Unsettled
            | Outcome::Expected
    ) {
        block(out, case, report, registry);
    }
}

fn block(out: &mut String, case: &CaseReport, report: &Report, registry: &Registry) {
    add(out, format_args!("  ---"));
    add(out, format_args!("  verdict: {}", case.verdict));
    if let Some(reason) = &case.reason {
        add(out, format_args!("  reason: {}", scalar(reason)));
    }
    let clauses = phrase::clauses(case, registry);
    if !clauses.is_empty() {
        add(out, format_args!("  clauses:"));
    }
    for clause in clauses {
        let text = format!(
            "{} {} spec/{}.md: {}",
            clause.id, clause.level, clause.section, clause.quote
        );
        add(out, format_args!("    - {}", scalar(&text)));
    }
    if !case.mismatches.is_empty() {
        add(out, format_args!("  mismatches:"));
    }
    for mismatch in &case.mismatches {
        add(
            out,
            format_args!("    - at: {}", scalar(&phrase::place(mismatch))),
        );
        add(
            out,
            format_args!("      cites: {}", scalar(&mismatch.cites.join(", "))),
        );
        for (name, text) in [
            ("expected", value(&mismatch.expected, MOST_CHARACTERS)),
            ("got", value(&mismatch.got, MOST_CHARACTERS)),
            ("message", mismatch.message.clone()),
        ] {
            if !text.is_empty() {
                add(out, format_args!("      {name}: {}", scalar(&text)));
            }
        }
    }
    add(
        out,
        format_args!("  repeat: {}", scalar(&phrase::repeat(report, case))),
    );
    add(out, format_args!("  ..."));
}

/// A text in a description: `#` would begin a directive, and `\` escapes.
fn description(text: &str) -> String {
    one_line(text).replace('\\', "\\\\").replace('#', "\\#")
}

/// A YAML scalar in double quotes, which a JSON string is.
fn scalar(text: &str) -> String {
    Value::from(one_line(text).into_owned()).to_string()
}

fn add(out: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{line}");
}
