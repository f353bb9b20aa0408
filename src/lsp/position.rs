//! Positions as editors count them: lines from 0, columns in units of the encoding that was agreed on.

use serde_json::{Value, json};

use crate::document::{Lines, Span};

/// In what columns are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// Units of UTF-16, what every client knows.
    #[default]
    Utf16,
    /// Bytes of UTF-8.
    Utf8,
}

impl Encoding {
    /// The best one that a client offers.
    pub fn of_client(offered: Option<&Value>) -> Self {
        let offers = |name: &str| {
            let list = offered.and_then(Value::as_array);
            list.is_some_and(|list| list.iter().any(|one| one == name))
        };
        if offers("utf-8") {
            Self::Utf8
        } else {
            Self::Utf16
        }
    }

    /// Its name in the protocol.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Utf16 => "utf-16",
            Self::Utf8 => "utf-8",
        }
    }

    fn width(self, c: char) -> usize {
        match self {
            Self::Utf16 => c.len_utf16(),
            Self::Utf8 => c.len_utf8(),
        }
    }
}

/// A text, with what it takes to translate positions.
#[derive(Debug)]
pub struct Positions<'t> {
    text: &'t str,
    lines: Lines,
    encoding: Encoding,
}

impl<'t> Positions<'t> {
    /// Looks through the text once.
    pub fn new(text: &'t str, encoding: Encoding) -> Self {
        Self {
            text,
            lines: Lines::of(text),
            encoding,
        }
    }

    /// A byte as `{line, character}`.
    pub fn position(&self, offset: usize) -> Value {
        let line = self.lines.place(self.text, offset).line;
        let start = self.lines.start(line);
        let before = self.text.get(start..offset).unwrap_or_default();
        let character: usize = before.chars().map(|c| self.encoding.width(c)).sum();
        json!({"line": line - 1, "character": character})
    }

    /// A span as `{start, end}`.
    pub fn range(&self, span: Span) -> Value {
        json!({"start": self.position(span.start), "end": self.position(span.end)})
    }

    /// The byte at a `{line, character}`; past a line's end it is the end of the line, as the protocol says.
    pub fn offset(&self, position: &Value) -> Option<usize> {
        let number = |name: &str| usize::try_from(position.get(name)?.as_u64()?).ok();
        let (line, character) = (number("line")?, number("character")?);
        if line >= self.lines.count() {
            return Some(self.text.len());
        }
        let start = self.lines.start(line + 1);
        let rest = self.text.get(start..)?;
        let mut width = 0;
        for (at, c) in rest.char_indices() {
            if width >= character || c == '\n' {
                return Some(start + at);
            }
            width += self.encoding.width(c);
        }
        Some(self.text.len())
    }

    /// The bytes of a `{start, end}`.
    pub fn span(&self, range: &Value) -> Option<Span> {
        let start = self.offset(range.get("start")?)?;
        let end = self.offset(range.get("end")?)?;
        Some(Span::new(start, end.max(start)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_in_the_agreed_unit() {
        let text = "a\n😀ä=1\nlast";
        for (encoding, column) in [(Encoding::Utf16, 3), (Encoding::Utf8, 6)] {
            let positions = Positions::new(text, encoding);
            let offset = text.find('=').expect("is there");
            let position = positions.position(offset);
            assert_eq!(position, json!({"line": 1, "character": column}));
            assert_eq!(positions.offset(&position), Some(offset));
        }
    }

    #[test]
    fn positions_outside_are_the_nearest_inside() {
        let positions = Positions::new("ab\ncd", Encoding::Utf16);
        let at = |line: u64, character: u64| {
            positions.offset(&json!({"line": line, "character": character}))
        };
        assert_eq!(at(0, 99), Some(2));
        assert_eq!(at(1, 99), Some(5));
        assert_eq!(at(99, 0), Some(5));
        assert_eq!(positions.offset(&json!({"line": -1, "character": 0})), None);
    }
}
