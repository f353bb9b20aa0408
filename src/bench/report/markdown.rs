//! The outcome as Markdown, for the summary of a pipeline's step.

use std::fmt::Write as _;

use super::Outcome;
use super::text::{HEADS, asked, cells, notes, ratio};
use crate::suite::report::text::one_line;

/// A text that is nothing but text in Markdown, also in a cell of a table.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for c in one_line(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '#' | '~' | '!' | '@' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}

pub(super) fn render(outcome: &Outcome) -> String {
    let mut out = String::from("## Load\n\n");
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{}.\n", plain(&asked(outcome)));
    let _ = writeln!(out, "| {} |", HEADS.join(" | "));
    let _ = writeln!(out, "|---{}|", "|---:".repeat(HEADS.len() - 1));
    for one in outcome
        .contenders
        .iter()
        .filter(|one| one.skipped.is_none())
    {
        let cells: Vec<String> = cells(one).iter().map(|cell| plain(cell)).collect();
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    if !outcome.comparisons.is_empty() {
        out.push_str(
            "\n| contender beside | p50 | p99 | throughput | knee |\n|---|---:|---:|---:|---:|\n",
        );
        for one in &outcome.comparisons {
            let _ = writeln!(
                out,
                "| {} beside {} | {} | {} | {} | {} |",
                plain(&one.contender),
                plain(&one.base),
                plain(&ratio(one.p50)),
                plain(&ratio(one.p99)),
                plain(&ratio(one.throughput)),
                one.knee
                    .map_or_else(|| "-".to_owned(), |knee| format!("{knee:.2}"))
            );
        }
    }
    for one in &outcome.contenders {
        let _ = writeln!(out, "\n**{}**\n", plain(&one.name));
        for note in notes(one) {
            let _ = writeln!(out, "- {}", plain(&note));
        }
    }
    out.push('\n');
    for remark in &outcome.remarks {
        let _ = writeln!(out, "- {}", plain(remark));
    }
    for failure in &outcome.failures {
        let _ = writeln!(out, "- **fails**: {}", plain(failure));
    }
    let _ = writeln!(out, "\nRepeat: {}", plain(&outcome.command));
    out
}
