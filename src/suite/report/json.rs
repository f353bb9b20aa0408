//! The report as JSON: one object, members in a fixed order.

use crate::suite::report::Report;

/// The report as indented JSON with a line feed at its end.
///
/// # Errors
/// When it cannot be written as JSON: a fault of the suite.
pub fn render(report: &Report) -> Result<String, String> {
    let mut text = serde_json::to_string_pretty(report)
        .map_err(|error| format!("the report cannot be written as JSON: {error}"))?;
    text.push('\n');
    Ok(text)
}
