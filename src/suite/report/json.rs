//! The report as JSON: one object, members in a fixed order.

use crate::suite::report::Report;
use crate::suite::report::text::{RUNNER_COMMAND, RUNNER_COMMAND_ESCAPED};

/// The report as indented JSON with a line feed at its end.
///
/// What a pipeline that collects standard output would take for a command stands behind an escape; it can be in strings only.
///
/// # Errors
/// When it cannot be written as JSON: a fault of the suite.
pub fn render(report: &Report) -> Result<String, String> {
    let mut text = serde_json::to_string_pretty(report)
        .map_err(|error| format!("the report cannot be written as JSON: {error}"))?;
    if text.contains(RUNNER_COMMAND) {
        text = text.replace(RUNNER_COMMAND, RUNNER_COMMAND_ESCAPED);
    }
    text.push('\n');
    Ok(text)
}
