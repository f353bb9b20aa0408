//! The definition of a target as people write it: TOML. It is judged as JSON, and the places are those of the text.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::document::{Document, Format, ReadError, Span};

/// A text of TOML that was read.
#[derive(Debug)]
pub struct TomlText<'t> {
    /// What it says, as JSON; places in it are not those of the text.
    pub document: Document,
    table: Spanned<DeTable<'t>>,
}

/// Reads a text of TOML.
///
/// # Errors
/// A [`ReadError`] `malformed_toml` with the place where the text stops being TOML, or one of [`Document::read`].
pub fn read(text: &str) -> Result<TomlText<'_>, ReadError> {
    let malformed = |error: &toml::de::Error| {
        let range = error.span().unwrap_or_default();
        ReadError {
            code: "malformed_toml",
            span: Span::new(range.start, range.end),
            message: format!("not TOML: {}", error.message().replace('\n', " ")),
        }
    };
    let table = DeTable::parse(text).map_err(|error| malformed(&error))?;
    let value: serde_json::Value = toml::from_str(text).map_err(|error| malformed(&error))?;
    let document = Document::read(value.to_string(), Format::Json).map_err(|error| ReadError {
        span: Span::new(0, text.len()),
        ..error
    })?;
    Ok(TomlText { document, table })
}

impl TomlText<'_> {
    /// Where the value at a pointer, or the nearest around it, stands in the text.
    pub fn span(&self, pointer: &str) -> Span {
        let mut range = self.table.span();
        let mut members = Some(self.table.get_ref());
        let mut elements = None;
        for token in pointer.split('/').skip(1) {
            let token = token.replace("~1", "/").replace("~0", "~");
            let value = match (members, elements) {
                (Some(members), _) => members
                    .iter()
                    .find(|(name, _)| name.get_ref().as_ref() == token.as_str())
                    .map(|(_, value)| value),
                (None, Some(elements)) => {
                    let elements: &toml::de::DeArray<'_> = elements;
                    token
                        .parse::<usize>()
                        .ok()
                        .and_then(|index| elements.get(index))
                }
                (None, None) => None,
            };
            let Some(value) = value else {
                break;
            };
            range = value.span();
            (members, elements) = match value.get_ref() {
                DeValue::Table(table) => (Some(table), None),
                DeValue::Array(array) => (None, Some(array)),
                _ => (None, None),
            };
        }
        Span::new(range.start, range.end)
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn places_are_those_of_the_text() {
        let text = "name = \"x\"\n[start]\ncommand = [\"a\", \"b\"]\n";
        let read = read(text).expect("is TOML");
        let at = |pointer: &str| {
            let span = read.span(pointer);
            text.get(span.start..span.end).expect("within")
        };
        assert_eq!(at("/start/command/1"), "\"b\"");
        assert_eq!(at("/start/command/7"), "[\"a\", \"b\"]");
        assert_eq!(at("/name"), "\"x\"");
    }

    #[test]
    fn what_is_no_toml_is_told_with_its_place() {
        let text = "name = \"x\"\n[start\ncommand = 1\n";
        let error = read(text).expect_err("is none");
        assert_eq!(error.code, "malformed_toml");
        assert_eq!(
            text[..error.span.start].matches('\n').count(),
            1,
            "{error:?}"
        );
    }
}
