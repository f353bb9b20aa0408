//! The report as Markdown for the summary of a pipeline's step: verdict, table, failures with details folded.

use std::fmt::Write as _;

use crate::requirement::Registry;
use crate::suite::report::phrase::{self, Outcome};
use crate::suite::report::text::{one_line, value};
use crate::suite::report::{CaseReport, LevelTotals, Report};
use crate::suite::verdict::{RunVerdict, Verdict};

/// Most bytes of the whole: GitHub takes no more than 1 MiB for a step's summary.
const MOST_BYTES: usize = 1024 * 1024;
/// Room for what is said of failures that have none.
const RESERVE: usize = 256;
/// Longest value of a mismatch, in characters.
const MOST_CHARACTERS: usize = 500;
/// Most mismatches of one case.
const MOST_MISMATCHES: usize = 6;
/// Most problems of a baseline.
const MOST_PROBLEMS: usize = 100;

/// The report as Markdown with HTML, at most 1 MiB: cases that have no room are counted.
pub fn render(report: &Report, registry: &Registry) -> String {
    let mut out = head(report);
    let mut left_out = 0_usize;
    for (title, wanted) in [
        ("Failures", Outcome::Failed),
        ("Warnings", Outcome::Warned),
        ("Not observed", Outcome::Unsettled),
        ("Passed in part", Outcome::Partly),
        ("Not implemented", Outcome::Missing),
        ("Expected by the baseline", Outcome::Expected),
    ] {
        let cases: Vec<&CaseReport> = report
            .cases
            .iter()
            .filter(|case| Outcome::of(case) == wanted)
            .collect();
        if cases.is_empty() {
            continue;
        }
        let heading = format!("### {title} ({})\n\n", cases.len());
        if out.len() + heading.len() + RESERVE > MOST_BYTES {
            left_out += cases.len();
            continue;
        }
        out.push_str(&heading);
        for case in cases {
            let text = details(case, report, registry);
            if out.len() + text.len() + RESERVE > MOST_BYTES {
                left_out += 1;
            } else {
                out.push_str(&text);
            }
        }
    }
    if left_out > 0 {
        let _ = writeln!(
            out,
            "And {left_out} more that have no room here; they are in the JSON report."
        );
    }
    out
}

fn head(report: &Report) -> String {
    let mark = match report.verdict {
        RunVerdict::Conformant => "✅",
        RunVerdict::NotConformant => "❌",
        RunVerdict::Incomplete => "⚠️",
    };
    let mut out = format!(
        "## {mark} {}\n\nOpen-Action Protocol 2.0 {}\n\n",
        report.verdict.title(),
        phrase::standing(report)
    );
    if let Some(part) = phrase::selection(report) {
        let _ = writeln!(out, "> {part}\n");
    }
    out.push_str(
        "| | passed | of | failed | not observed | not applicable |\n|---|--:|--:|--:|--:|--:|\n",
    );
    for (name, totals) in [
        ("MUST", &report.totals.must),
        ("SHOULD", &report.totals.should),
    ] {
        let LevelTotals {
            passed,
            failed,
            not_observed,
            not_applicable,
            total,
        } = totals;
        let _ = writeln!(
            out,
            "| {name} | {passed} | {total} | {failed} | {not_observed} | {not_applicable} |"
        );
    }
    let _ = writeln!(
        out,
        "\n{}; {:.2} s, seed {}\n",
        phrase::counts(report),
        report.run.duration_ms / 1000.0,
        report.run.seed
    );
    let problems = report.baseline.iter().flat_map(|own| &own.problems);
    for problem in problems.take(MOST_PROBLEMS) {
        let _ = writeln!(out, "- baseline: {}", inline(&problem.message));
    }
    for flake in &report.run.flakes {
        let _ = writeln!(
            out,
            "- flaky: {}: {}",
            inline(&flake.id),
            phrase::varied(flake)
        );
        for sample in &flake.samples {
            let first = sample.mismatches.first();
            let first = first.map(|own| format!(" at {}", phrase::place(own)));
            let _ = writeln!(
                out,
                "  - {}: {}{}",
                phrase::company(sample),
                phrase::spoken(sample.verdict),
                inline(&first.unwrap_or_default())
            );
        }
    }
    out
}

fn details(case: &CaseReport, report: &Report, registry: &Registry) -> String {
    let mut out = format!(
        "<details><summary>{} {}</summary>\n\n",
        inline(&case.id),
        inline(phrase::title(case))
    );
    for clause in phrase::clauses(case, registry) {
        let _ = writeln!(
            out,
            "> **{} {}** spec/{}.md: {}\n",
            clause.id,
            clause.level,
            clause.section,
            // The specification's own Markdown.
            clause.quote
        );
    }
    let mut text = String::new();
    for mismatch in case.mismatches.iter().take(MOST_MISMATCHES) {
        let _ = writeln!(
            text,
            "at {}  [{}]\n  expected {}\n  got      {}",
            phrase::place(mismatch),
            one_line(&mismatch.cites.join(", ")),
            value(&mismatch.expected, MOST_CHARACTERS),
            value(&mismatch.got, MOST_CHARACTERS)
        );
        if !mismatch.message.is_empty() {
            let _ = writeln!(text, "  {}", one_line(&mismatch.message));
        }
    }
    let more = case.mismatches.len().saturating_sub(MOST_MISMATCHES);
    if more > 0 {
        let _ = writeln!(text, "and {more} more");
    }
    if case.expected {
        let _ = writeln!(text, "{}", phrase::expectation(report, case));
    }
    if let Some(reason) = &case.reason {
        let label = if matches!(case.verdict, Verdict::Fail | Verdict::Warn) {
            "not taken further: "
        } else {
            ""
        };
        let _ = writeln!(text, "{label}{}", one_line(reason));
    }
    let _ = writeln!(text, "repeat: {}", phrase::repeat(report, case));
    // In an HTML block nothing is Markdown, and it ends at its closing tag.
    let _ = writeln!(out, "<pre>{}</pre>\n\n</details>\n", html(&text));
    out
}

/// A text in which nothing is Markdown or HTML: punctuation stands as entities, which are never structure.
pub fn inline(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for c in one_line(text).chars() {
        // What stands in words anyway stays as it is, so that the source can be read.
        if c.is_ascii_punctuation() && !matches!(c, '-' | '.' | ',' | '/' | '\'' | '(' | ')') {
            let _ = write!(out, "&#{};", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

fn html(text: &str) -> String {
    text.trim_end()
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        // A blank line would be allowed here; a mention of somebody would still be one in a comment.
        .replace('@', "&#64;")
}
