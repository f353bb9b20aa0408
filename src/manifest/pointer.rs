//! JSON Pointers (RFC 6901), parsed once.

use std::fmt;

use serde_json::Value;

use crate::json;

/// A parsed JSON Pointer; empty points at the whole document.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Pointer(Vec<String>);

impl Pointer {
    /// Parses the text form.
    ///
    /// # Errors
    /// A sentence that says what is wrong: no leading `/`, or `~` not followed by `0` or `1`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let Some(rest) = text.strip_prefix('/') else {
            return Err("a JSON pointer is empty or begins with `/`");
        };
        rest.split('/')
            .map(unescape)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The reference tokens, unescaped.
    pub fn tokens(&self) -> &[String] {
        &self.0
    }

    /// Whether it points at the whole document.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `other` is this place or lies below it.
    pub fn covers(&self, other: &Pointer) -> bool {
        other.0.starts_with(&self.0)
    }

    /// The value at this place; none where a member, an element or a container is missing.
    pub fn find<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(value, |at, token| match at {
            Value::Object(members) => members.get(token),
            Value::Array(elements) => elements.get(index(token)?),
            _ => None,
        })
    }
}

/// An array index as RFC 6901 writes it: digits without leading zero; `-` is past the end.
fn index(token: &str) -> Option<usize> {
    let plain = token.bytes().all(|byte| byte.is_ascii_digit());
    let padded = token.len() > 1 && token.starts_with('0');
    if plain && !padded {
        token.parse().ok()
    } else {
        None
    }
}

fn unescape(token: &str) -> Result<String, &'static str> {
    let mut plain = String::with_capacity(token.len());
    let mut chars = token.chars();
    while let Some(next) = chars.next() {
        plain.push(match next {
            '~' => match chars.next() {
                Some('0') => '~',
                Some('1') => '/',
                _ => return Err("in a JSON pointer `~` is followed by `0` or `1`"),
            },
            other => other,
        });
    }
    Ok(plain)
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self
            .0
            .iter()
            .fold(String::new(), |at, token| json::push(&at, token));
        f.write_str(&text)
    }
}
