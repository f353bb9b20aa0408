//! The life of a session as `spec/transitions.toml` has it, read as data.

use std::sync::OnceLock;

use serde::Deserialize;

use crate::embedded;

/// One row: what an input does to a session of this status.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Row {
    /// The status before.
    pub from: String,
    /// What was done.
    pub input: String,
    /// The status after.
    pub to: String,
    /// Whether a step counts.
    pub counts: bool,
    /// HTTP status of the answer; 0: there is no call.
    pub answer: u16,
    /// The code of the answer, where it is an error.
    #[serde(default)]
    pub code: Option<String>,
    /// The rule behind the row.
    pub requirement: String,
}

#[derive(Debug, Deserialize)]
struct Table {
    transition: Vec<Row>,
}

fn table() -> Option<&'static Table> {
    static TABLE: OnceLock<Option<Table>> = OnceLock::new();
    TABLE
        .get_or_init(|| {
            let text = embedded::text("spec/transitions.toml")?;
            toml::from_str(&text).ok()
        })
        .as_ref()
}

/// The row of this pair; `None`: the pair cannot occur.
pub fn row(from: &str, input: &str) -> Option<&'static Row> {
    let mut rows = table()?.transition.iter();
    rows.find(|row| row.from == from && row.input == input)
}

/// Whether one call can lead from one status to the other.
#[cfg(test)]
pub fn leads(from: &str, to: &str) -> bool {
    let rows = table().map_or(&[][..], |table| &table.transition);
    rows.iter().any(|row| row.from == from && row.to == to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read() {
        let row = row("active", "plan_finished").expect("a row");
        assert_eq!(
            (row.to.as_str(), row.counts, row.answer),
            ("completed", false, 200)
        );
        assert!(leads("active", "awaiting_human") && !leads("completed", "active"));
        assert_eq!(super::row("completed", "plan_finished"), None);
    }
}
