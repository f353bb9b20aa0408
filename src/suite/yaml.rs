//! YAML of case files as JSON values, strictly: one document, string keys, no key twice, everything bounded, and the line of
//! every value kept so that an error can name it.

use std::collections::BTreeMap;
use std::fmt;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};
use serde_json::{Map, Number, Value};

use crate::json;

/// Longest case file, in bytes.
pub const MOST_BYTES: usize = 256 * 1024;
/// Deepest nesting.
pub const MOST_DEPTH: usize = 48;
/// Most values in one file, those that aliases repeat included.
pub const MOST_NODES: usize = 20_000;

/// Longest key, in bytes: it stands in the place of every value below it.
const MOST_KEY_BYTES: usize = 1024;
/// Most bytes of text that the aliases of one file repeat together.
const MOST_REPEATED_BYTES: usize = 16 << 20;

/// What a file holds, and on which line each value begins.
#[derive(Debug, Clone)]
pub struct Document {
    /// The value.
    pub value: Value,
    /// JSON Pointer to line, counted from 1.
    pub lines: BTreeMap<String, usize>,
}

impl Document {
    /// The line on which the value at `pointer` begins, or the nearest one around it that has a line.
    pub fn line(&self, pointer: &str) -> usize {
        let mut pointer = pointer;
        loop {
            if let Some(line) = self.lines.get(pointer) {
                return *line;
            }
            match pointer.rfind('/') {
                Some(end) => pointer = &pointer[..end],
                None => return 1,
            }
        }
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
    if text.len() > MOST_BYTES {
        return Err(fail(
            1,
            format!(
                "the file has {} bytes; split it, at most {MOST_BYTES} are read",
                text.len()
            ),
        ));
    }
    let mut builder = Builder::default();
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event
            .map_err(|error| fail(error.marker().line(), format!("not YAML: {}", error.info())))?;
        builder.take(event, span)?;
    }
    let value = builder
        .root
        .ok_or_else(|| fail(1, "the file is empty; write one document"))?;
    Ok(Document {
        value,
        lines: builder.lines,
    })
}

fn fail(line: usize, message: impl Into<String>) -> YamlError {
    YamlError {
        line: line.max(1),
        message: message.into(),
    }
}

/// A collection that is being read.
struct Open {
    value: Value,
    /// In a mapping: the key whose value comes next.
    key: Option<String>,
    pointer: String,
    anchor: usize,
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Value>,
    lines: BTreeMap<String, usize>,
    anchors: BTreeMap<usize, Value>,
    nodes: usize,
    repeated: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), YamlError> {
        let line = span.start.line();
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.as_deref();
                if self.expects_key() {
                    return self.key(&text, line);
                }
                let value = scalar(&text, style, tag).map_err(|message| fail(line, message))?;
                let pointer = self.next_pointer(line)?;
                self.place(value, pointer, anchor, line)
            }
            Event::SequenceStart(anchor, _) => self.start(Value::Array(Vec::new()), anchor, line),
            Event::MappingStart(anchor, _) => self.start(Value::Object(Map::new()), anchor, line),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(done) => self.place(done.value, done.pointer, done.anchor, line),
                None => Err(fail(line, "a collection ends that never began")),
            },
            Event::Alias(anchor) => {
                let value = self.anchors.get(&anchor).cloned().ok_or_else(|| {
                    fail(
                        line,
                        "an alias stands inside its own anchor; write the value out",
                    )
                })?;
                self.nodes += count(&value);
                self.repeated += text_bytes(&value);
                if self.repeated > MOST_REPEATED_BYTES {
                    return Err(fail(
                        line,
                        format!(
                            "aliases repeat more than {MOST_REPEATED_BYTES} bytes; use fewer aliases"
                        ),
                    ));
                }
                let pointer = self.next_pointer(line)?;
                self.place(value, pointer, 0, line)
            }
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(fail(line, "a second document begins; one file holds one"))
            }
            _ => Ok(()),
        }
    }

    fn expects_key(&self) -> bool {
        self.open
            .last()
            .is_some_and(|open| open.value.is_object() && open.key.is_none())
    }

    fn key(&mut self, text: &str, line: usize) -> Result<(), YamlError> {
        if text.len() > MOST_KEY_BYTES {
            return Err(fail(
                line,
                format!("a key has more than {MOST_KEY_BYTES} bytes; shorten it"),
            ));
        }
        if let Some(open) = self.open.last_mut() {
            if open.value.get(text).is_some() {
                return Err(fail(
                    line,
                    format!("'{text}' stands twice; keep one of them"),
                ));
            }
            self.lines.insert(json::push(&open.pointer, text), line);
            open.key = Some(text.to_owned());
        }
        Ok(())
    }

    fn start(&mut self, value: Value, anchor: usize, line: usize) -> Result<(), YamlError> {
        if self.open.len() >= MOST_DEPTH {
            return Err(fail(
                line,
                format!("nested deeper than {MOST_DEPTH} levels; flatten it"),
            ));
        }
        let pointer = self.next_pointer(line)?;
        self.open.push(Open {
            value,
            key: None,
            pointer,
            anchor,
        });
        Ok(())
    }

    /// Where the value that comes next will stand.
    fn next_pointer(&mut self, line: usize) -> Result<String, YamlError> {
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            return Err(fail(
                line,
                format!("more than {MOST_NODES} values; split the file or use fewer aliases"),
            ));
        }
        let pointer = match self.open.last() {
            None => String::new(),
            Some(open) => match (&open.value, &open.key) {
                (Value::Array(elements), _) => {
                    json::push(&open.pointer, &elements.len().to_string())
                }
                (_, Some(key)) => json::push(&open.pointer, key),
                (_, None) => return Err(fail(line, "a key is not plain text; quote it")),
            },
        };
        self.lines.entry(pointer.clone()).or_insert(line);
        Ok(pointer)
    }

    fn place(
        &mut self,
        value: Value,
        pointer: String,
        anchor: usize,
        line: usize,
    ) -> Result<(), YamlError> {
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
        match self.open.last_mut() {
            None if pointer.is_empty() => self.root = Some(value),
            None => return Err(fail(line, "a value stands outside the document")),
            Some(open) => match (&mut open.value, open.key.take()) {
                (Value::Array(elements), _) => elements.push(value),
                (Value::Object(members), Some(key)) => {
                    members.insert(key, value);
                }
                _ => return Err(fail(line, "a value stands where a key belongs")),
            },
        }
        Ok(())
    }
}

fn text_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(elements) => elements.iter().map(text_bytes).sum(),
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| name.len() + text_bytes(member))
            .sum(),
        _ => 0,
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(elements) => elements.iter().map(count).sum(),
        Value::Object(members) => members.values().map(count).sum(),
        _ => 0,
    }
}

/// The core schema of YAML 1.2, as far as JSON can say it.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    if let Some(tag) = tag {
        return if tag.is_yaml_core_schema() && tag.suffix == "str" {
            Ok(Value::from(text))
        } else {
            Err(format!("the tag {tag} is not read; leave it out"))
        };
    }
    if style != ScalarStyle::Plain {
        return Ok(Value::from(text));
    }
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text)?.unwrap_or_else(|| Value::from(text)),
    })
}

fn number(text: &str) -> Result<Option<Value>, String> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let looks_numeric = digits.starts_with(|c: char| c.is_ascii_digit())
        || (digits.starts_with('.') && digits[1..].starts_with(|c: char| c.is_ascii_digit()));
    if matches!(digits, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
        return Err("JSON has no such number; quote it if text is meant".to_owned());
    }
    if !looks_numeric {
        return Ok(None);
    }
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let plain = text.strip_prefix('+').unwrap_or(text);
        return match (plain.parse::<i64>(), plain.parse::<u64>()) {
            (Ok(value), _) => Ok(Some(value.into())),
            (_, Ok(value)) => Ok(Some(value.into())),
            _ => Err("the integer does not fit into 64 bits; quote it or use raw text".to_owned()),
        };
    }
    if !digits
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'))
    {
        return Ok(None);
    }
    // Dates and versions such as 2026-04-03 or 1.2.3 hold the same characters and are text.
    match text.parse::<f64>() {
        Ok(value) => Number::from_f64(value)
            .map(|number| Some(Value::Number(number)))
            .ok_or_else(|| "the number is too large for JSON; quote it".to_owned()),
        Err(_) => Ok(None),
    }
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
