//! The verdict as `key=value` lines, which the steps of a pipeline hand on.

use crate::suite::report::Report;
use crate::suite::verdict::RunVerdict;

/// One line each for `conformant`, `must-passed`, `must-total` and `not-observed` (of level MUST). Numbers and words of our own only:
/// nothing that a target sent can begin a line.
pub fn render(report: &Report) -> String {
    let must = &report.totals.must;
    format!(
        "conformant={}\nmust-passed={}\nmust-total={}\nnot-observed={}\n",
        report.verdict == RunVerdict::Conformant,
        must.passed,
        must.total,
        must.not_observed
    )
}
