//! JSON with positions: the strict reader decides what is JSON, the syntax tree says where it stands.

use jsonc_parser::ast;
use jsonc_parser::{CollectOptions, CommentCollectionStrategy, ParseOptions, parse_to_ast};
use serde_json::Value;

use super::{Kind, Limits, Member, Node, ReadError, Span};
use crate::json::{self, Duplicates};

const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// Reads one JSON value; its members may be named twice.
pub(super) fn read(text: &str, limits: &Limits) -> Result<(Value, Node), ReadError> {
    let bounds = json::Limits {
        bytes: limits.bytes,
        depth: limits.depth,
    };
    let value =
        json::read(text.as_bytes(), &bounds, Duplicates::KeepLast).map_err(|error| ReadError {
            code: error.code,
            span: broken_at(text, error.offset),
            message: match error.offset {
                Some(offset) if is_vast(text, offset) => VAST.to_owned(),
                _ => error.message,
            },
        })?;
    let collect = CollectOptions {
        comments: CommentCollectionStrategy::Off,
        tokens: false,
    };
    // Depth was bounded above, so the parser's own recursion is.
    let tree = parse_to_ast(text, &collect, &STRICT)
        .ok()
        .and_then(|parsed| parsed.value);
    let Some(tree) = tree else {
        return Err(ReadError {
            code: "malformed_json",
            span: Span::new(0, text.len()),
            message: "write one JSON value, strictly as RFC 8259 has it".to_owned(),
        });
    };
    Ok((value, convert(tree)))
}

const VAST: &str =
    "the number is larger than any that can be read; write a smaller one, or quote it";

/// Whether reading stopped at a number that a double has no room for.
fn is_vast(text: &str, offset: usize) -> bool {
    let is_part = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
    let offset = text.floor_char_boundary(offset.min(text.len()));
    let (before, behind) = text.split_at(offset);
    let start = before.trim_end_matches(is_part).len();
    let end = offset + (behind.len() - behind.trim_start_matches(is_part).len());
    let number = text.get(start..end).unwrap_or_default();
    number.parse::<f64>().is_ok_and(f64::is_infinite)
}

/// The character at which reading stopped, for a span that can be shown.
fn broken_at(text: &str, offset: Option<usize>) -> Span {
    let mut start = offset.unwrap_or(0).min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let width = text.get(start..).and_then(|rest| rest.chars().next());
    Span::new(start, start + width.map_or(0, char::len_utf8))
}

fn convert(value: ast::Value<'_>) -> Node {
    use jsonc_parser::common::Ranged;
    let range = value.range();
    let kind = match value {
        ast::Value::Array(array) => Kind::Array(array.elements.into_iter().map(convert).collect()),
        ast::Value::Object(object) => {
            let members = object.properties.into_iter().map(|property| {
                let name = property.name.range();
                Member {
                    key: property.name.into_string(),
                    key_span: Span::new(name.start, name.end),
                    value: convert(property.value),
                }
            });
            Kind::Object(members.collect())
        }
        _ => Kind::Scalar,
    };
    Node {
        span: Span::new(range.start, range.end),
        kind,
    }
}
