//! YAML of case files: what [`document`] reads, within the bounds of a case and with no key twice.

use std::fmt;

use serde_json::Value;

use crate::document::{self, Format, Limits};

/// Longest case file, in bytes.
pub const MOST_BYTES: usize = 256 * 1024;
/// Deepest nesting.
pub const MOST_DEPTH: usize = 48;
/// Most values in one file, those that aliases repeat included.
pub const MOST_NODES: usize = 20_000;

/// What a file holds, and on which line each value begins.
#[derive(Debug, Clone)]
pub struct Document {
    /// The value.
    pub value: Value,
    read: document::Document,
}

impl Document {
    /// The line on which the value at `pointer` begins, or the nearest one around it that is there; counted from 1.
    pub fn line(&self, pointer: &str) -> usize {
        self.read.place(self.read.key_span(pointer).start).line
    }
}

/// Why a text is not a usable document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YamlError {
    /// Counted from 1.
    pub line: usize,
    /// What to do about it.
    pub message: String,
}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for YamlError {}

/// Reads one YAML document.
///
/// # Errors
/// The first thing that is wrong with the text, with its line.
pub fn read(text: &str) -> Result<Document, YamlError> {
    let bounds = Limits {
        bytes: MOST_BYTES,
        depth: MOST_DEPTH,
        values: MOST_NODES,
    };
    let read = document::Document::read_within(text, Format::Yaml, &bounds).map_err(|error| {
        YamlError {
            line: document::Lines::of(text).place(text, error.span.start).line,
            message: error.message,
        }
    })?;
    if let Some(twice) = read.duplicates().first() {
        let name = text.get(twice.again.start..twice.again.end);
        return Err(YamlError {
            line: read.place(twice.again.start).line,
            message: format!(
                "'{}' stands twice; keep one of them",
                name.unwrap_or_default()
            ),
        });
    }
    Ok(Document {
        value: read.value().clone(),
        read,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn value(text: &str) -> Value {
        read(text).expect("reads").value
    }

    fn error(text: &str) -> YamlError {
        read(text).expect_err("refused")
    }

    #[test]
    fn scalars_follow_the_core_schema() {
        assert_eq!(
            value(
                "[1, -2, 1.5, 1e3, true, no, null, ~, '1', 2026-04-03, 1.2.3, 18446744073709551615, +7, '']"
            ),
            json!([
                1,
                -2,
                1.5,
                1000.0,
                true,
                "no",
                null,
                null,
                "1",
                "2026-04-03",
                "1.2.3",
                18446744073709551615_u64,
                7,
                ""
            ])
        );
        assert_eq!(value("a:\nb: !!str 5"), json!({"a": null, "b": "5"}));
    }

    #[test]
    fn blocks_and_flows_nest_and_aliases_repeat() {
        assert_eq!(
            value("a: &x {b: [1, {c: d}]}\ne: *x\nf: |\n  two\n  lines\n"),
            json!({"a": {"b": [1, {"c": "d"}]}, "e": {"b": [1, {"c": "d"}]}, "f": "two\nlines\n"})
        );
    }

    #[test]
    fn lines_are_kept_for_every_value() {
        let document = read("a: 1\nb:\n  - x\n  - y: 2\n").expect("reads");
        assert_eq!(document.line("/b/1/y"), 4);
        assert_eq!(document.line("/b/0"), 3);
        assert_eq!(document.line("/b/1/y/absent/deeper"), 4);
        assert_eq!(document.line("/zzz"), 1);
    }

    #[test]
    fn a_key_stands_once() {
        let error = error("a: 1\nb: {c: 1,\n  c: 2}\n");
        assert_eq!(error.line, 3);
        assert!(error.message.contains("'c' stands twice"));
    }

    #[test]
    fn hostile_files_are_refused() {
        assert!(error(&"[".repeat(100_000)).line >= 1);
        assert!(error(&"- ".repeat(5_000)).message.contains("deeper"));
        assert!(error(&" ".repeat(MOST_BYTES + 1)).message.contains("bytes"));
        assert!(error("").message.contains("empty"));
        assert!(
            error("a: 1\n---\nb: 2\n")
                .message
                .contains("second document")
        );
        assert!(error("a: .nan").message.contains("no such number"));
        assert!(error("a: !!binary aGk=").message.contains("tag"));
        assert!(error("? [a, b]\n: 1").message.contains("key"));
        assert!(error("a: &x [*x]").message.contains("alias"));
        assert!(
            error("a: 99999999999999999999999")
                .message
                .contains("64 bits")
        );
        assert!(error("a: [1, 2\nb: 3").message.contains("not YAML"));
        let long_key = format!("? \"{}\"\n: [1, 2]", "k".repeat(2000));
        assert!(error(&long_key).message.contains("shorten"));
        let repeated = format!(
            "a: &a {}\nb: [{}*a]",
            "x".repeat(100_000),
            "*a, ".repeat(200)
        );
        assert!(error(&repeated).message.contains("aliases"));
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..9 {
            let before = level - 1;
            bomb.push_str(&format!(
                "a{level}: &a{level} [{}]\n",
                vec![format!("*a{before}"); 10].join(", ")
            ));
        }
        assert!(error(&bomb).message.contains("aliases"));
    }
}
