//! Failures as annotations of a pipeline: the workflow commands of GitHub.

use std::fmt::Write as _;

use crate::requirement::Registry;
use crate::suite::report::phrase::{self, Outcome};
use crate::suite::report::text::{one_line, value};
use crate::suite::report::{CaseReport, Report};

/// Most annotations; of one level GitHub shows no more of a step.
const MOST: usize = 10;
/// Longest value, in characters.
const MOST_CHARACTERS: usize = 200;

/// The first ten failures, and if there are fewer, cases about which nothing is known, or not all; one workflow command a line.
pub fn github(report: &Report, registry: &Registry) -> String {
    let mut out = String::new();
    for (command, outcome) in [
        ("error", Outcome::Failed),
        ("warning", Outcome::Unsettled),
        ("notice", Outcome::Partly),
    ] {
        let cases = report
            .cases
            .iter()
            .filter(|case| Outcome::of(case) == outcome);
        for case in cases.take(MOST.saturating_sub(out.lines().count())) {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{}", line(command, case, report, registry));
        }
    }
    out
}

fn line(command: &str, case: &CaseReport, report: &Report, registry: &Registry) -> String {
    let mut properties = String::new();
    if !case.file.is_empty() {
        let _ = write!(properties, "file={},line=1,", property(&case.file));
    }
    let _ = write!(
        properties,
        "title={}",
        property(&format!("{} {}", phrase::said(case), case.id))
    );
    let mut text = one_line(phrase::title(case)).into_owned();
    for clause in phrase::clauses(case, registry).into_iter().take(2) {
        let _ = write!(
            text,
            "\n{} {} spec/{}.md: \"{}\"",
            clause.id, clause.level, clause.section, clause.quote
        );
    }
    if let Some(first) = case.mismatches.first() {
        let _ = write!(
            text,
            "\nat {}: expected {}, got {}",
            phrase::place(first),
            value(&first.expected, MOST_CHARACTERS),
            value(&first.got, MOST_CHARACTERS)
        );
    } else if let Some(reason) = &case.reason {
        let _ = write!(text, "\n{}", one_line(reason));
    }
    let _ = write!(text, "\nrepeat: {}", phrase::repeat(report, case));
    format!("::{command} {properties}::{}", data(&text))
}

/// The value of a property: what would end it, or the line, is escaped.
pub fn property(text: &str) -> String {
    data(&one_line(text))
        .replace(':', "%3A")
        .replace(',', "%2C")
}

/// The message: what would end the line is escaped.
pub fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}
