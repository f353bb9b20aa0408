//! How good a document is, as a number from 0 to 100 (`spec/lint.md`, "The score").

use serde_json::Value;

use super::{Finding, Severity};

/// What an error takes.
const ERROR: u64 = 10;
/// What a warning takes.
const WARNING: u64 = 3;
/// What a note takes.
const NOTE: u64 = 1;
/// Values of a document that make one unit of its size.
const VALUES: u64 = 10;
/// The size of the smallest documents, and of those that cannot be read.
const LEAST: u64 = 10;

/// The score of one document and its weight among others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Score {
    size: u64,
    points: Option<u64>,
}

impl Score {
    /// Of a document with these findings.
    pub fn of<'f>(value: &Value, findings: impl IntoIterator<Item = &'f Finding>) -> Self {
        let points = findings.into_iter().map(|finding| match finding.severity {
            Severity::Error => ERROR,
            Severity::Warning => WARNING,
            Severity::Note => NOTE,
        });
        Self {
            size: (values(value) / VALUES).max(LEAST),
            points: Some(points.sum()),
        }
    }

    /// The same with findings that were only counted.
    #[must_use]
    pub fn and_more(mut self, left_out: usize) -> Self {
        self.points = self.points.map(|points| points + left_out as u64);
        self
    }

    /// Of a text that is no document.
    pub const fn unreadable() -> Self {
        Self {
            size: LEAST,
            points: None,
        }
    }

    /// 100 when nothing was found, 0 when there is no document.
    pub fn number(self) -> u64 {
        match self.points {
            None => 0,
            Some(points) => 100 * self.size / (self.size + points),
        }
    }

    /// The score of several together: their mean by size; none when there are none.
    pub fn overall(scores: impl IntoIterator<Item = Score>) -> Option<u64> {
        let (mut sum, mut size) = (0, 0);
        for score in scores {
            sum += score.size * score.number();
            size += score.size;
        }
        sum.checked_div(size)
    }
}

/// How many values there are, those within others included; the depth of a document is bounded by its reader.
fn values(value: &Value) -> u64 {
    1 + match value {
        Value::Array(elements) => elements.iter().map(values).sum(),
        Value::Object(members) => members.values().map(values).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn score(size: u64, points: u64) -> Score {
        Score {
            size,
            points: Some(points),
        }
    }

    #[test]
    fn only_nothing_is_a_hundred() {
        assert_eq!(score(10, 0).number(), 100);
        assert_eq!(score(1_000_000, 1).number(), 99);
        assert_eq!(score(10, 10).number(), 50);
        assert_eq!(Score::unreadable().number(), 0);
        assert_eq!(Score::of(&json!({"a": [1, 2]}), []), score(10, 0));
    }

    #[test]
    fn the_mean_is_by_size() {
        assert_eq!(Score::overall([]), None);
        assert_eq!(Score::overall([score(10, 0), score(10, 10)]), Some(75));
        assert_eq!(
            Score::overall([score(30, 0), Score::unreadable()]),
            Some(75)
        );
        assert_eq!(Score::overall([score(1_000, 0), score(1_000, 1)]), Some(99));
    }
}
