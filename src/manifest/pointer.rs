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

#[cfg(test)]
mod tests {
    use super::Pointer;
    use proptest::prelude::*;
    use serde_json::json;

    fn parse(text: &str) -> Pointer {
        Pointer::parse(text).expect("a pointer")
    }

    #[test]
    fn finds_what_the_rfc_says() {
        // The document and the values of RFC 6901, section 5.
        let document = json!({"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "i\\j": 5, "k\"l": 6, " ": 7, "m~n": 8});
        for (text, value) in [
            ("", document.clone()),
            ("/foo", json!(["bar", "baz"])),
            ("/foo/0", json!("bar")),
            ("/", json!(0)),
            ("/a~1b", json!(1)),
            ("/c%d", json!(2)),
            ("/e^f", json!(3)),
            ("/i\\j", json!(5)),
            ("/k\"l", json!(6)),
            ("/ ", json!(7)),
            ("/m~0n", json!(8)),
        ] {
            assert_eq!(parse(text).find(&document), Some(&value), "{text}");
            assert_eq!(parse(text).to_string(), text);
        }
        for absent in [
            "/foo/2", "/foo/-", "/foo/00", "/foo/+1", "/foo/bar", "/gone", "//", "/foo/0/0",
        ] {
            assert_eq!(parse(absent).find(&document), None, "{absent}");
        }
    }

    #[test]
    fn refuses_what_is_no_pointer() {
        for wrong in ["a", "a/b", "#/a", "/~", "/~2", "/a~", " /a"] {
            assert!(Pointer::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn covers_itself_and_what_lies_below() {
        assert!(parse("/a").covers(&parse("/a")) && parse("/a").covers(&parse("/a/b")));
        assert!(parse("").covers(&parse("/a")));
        assert!(!parse("/a").covers(&parse("/ab")) && !parse("/a/b").covers(&parse("/a")));
    }

    proptest! {
        #[test]
        fn the_text_form_survives(tokens in proptest::collection::vec("[a~/01 -]{0,4}", 0..5)) {
            let text = tokens.iter().fold(String::new(), |at, token| crate::json::push(&at, token));
            let pointer = parse(&text);
            prop_assert_eq!(pointer.tokens(), &tokens[..]);
            prop_assert_eq!(pointer.to_string(), text);
        }
    }
}
