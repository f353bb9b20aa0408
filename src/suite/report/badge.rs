//! The verdict as a badge: the endpoint format of shields.io.

use serde_json::json;

use crate::suite::report::Report;
use crate::suite::verdict::RunVerdict;

/// The badge as JSON with a line feed at its end. It counts requirements of level MUST, with the denominator; over a part of the
/// cases it says that it is one.
pub fn render(report: &Report) -> String {
    let (word, colour) = match report.verdict {
        RunVerdict::Conformant => ("conformant", "brightgreen"),
        RunVerdict::NotConformant => ("not conformant", "red"),
        RunVerdict::Incomplete => ("incomplete", "orange"),
    };
    let must = &report.totals.must;
    let part = if report.run.selection.partial {
        ", a selection"
    } else {
        ""
    };
    let badge = json!({
        "schemaVersion": 1,
        "label": "OAP 2.0",
        "message": format!("{word} · {} of {} MUST{part}", must.passed, must.total),
        "color": if report.run.selection.partial && report.verdict == RunVerdict::Conformant { "green" } else { colour },
        "isError": report.verdict == RunVerdict::NotConformant,
    });
    format!("{badge:#}\n")
}
