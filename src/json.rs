//! Reading JSON of strangers strictly, and the canonical form (RFC 8785) that digests are made of.
//!
//! `serde_json` alone keeps the last of two equal keys in silence and reports deep nesting as a syntax error; the protocol
//! wants both refused by name (`spec/errors.md`).

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use sha2::{Digest, Sha256};

/// Bounds of a text that is about to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest accepted text, in bytes.
    pub bytes: usize,
    /// Deepest accepted nesting of arrays and objects; at most 100.
    pub depth: usize,
}

impl Limits {
    /// What the protocol allows for one document or body: 1 MiB, 64 levels.
    pub const DOCUMENT: Limits = Limits {
        bytes: 1024 * 1024,
        depth: 64,
    };
}

/// What to do with an object that names a member twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// Refuse the text with `duplicate_key`.
    Refuse,
    /// Keep the last of them, as most parsers do.
    KeepLast,
}

/// Why a text is not a JSON value that may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadError {
    /// `too_large`, `too_deep`, `invalid_utf8`, `duplicate_key` or `malformed_json`. Contract.
    pub code: &'static str,
    /// For people; never quotes the text itself.
    pub message: String,
    /// Where a key stands twice; empty for every other code.
    pub pointer: String,
    /// The byte at which the text stops being one, where that is known.
    pub offset: Option<usize>,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ReadError {}

/// Reads exactly one JSON value.
///
/// # Errors
/// A [`ReadError`] with one of its five codes; the bounds are checked before anything is parsed.
pub fn read(bytes: &[u8], limits: &Limits, duplicates: Duplicates) -> Result<Value, ReadError> {
    if bytes.len() > limits.bytes {
        return Err(refuse(
            "too_large",
            format!(
                "the text has {} bytes; send at most {}",
                bytes.len(),
                limits.bytes
            ),
        ));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| ReadError {
        offset: Some(error.valid_up_to()),
        ..refuse(
            "invalid_utf8",
            format!("byte {} is not UTF-8; send UTF-8 text", error.valid_up_to()),
        )
    })?;
    if let Some(offset) = deeper_than(bytes, limits.depth) {
        return Err(ReadError {
            offset: Some(offset),
            ..refuse(
                "too_deep",
                format!("nested deeper than {} levels; flatten it", limits.depth),
            )
        });
    }
    let mut twice = None;
    let mut parser = serde_json::Deserializer::from_str(text);
    let seed = Strict {
        place: None,
        refuse: duplicates == Duplicates::Refuse,
        twice: &mut twice,
    };
    let parsed = seed
        .deserialize(&mut parser)
        .and_then(|value| parser.end().map(|()| value));
    match (parsed, twice) {
        (_, Some(pointer)) => Err(ReadError {
            code: "duplicate_key",
            message: format!("a member is named twice at {pointer}; name it once"),
            pointer,
            offset: None,
        }),
        (Ok(value), None) => Ok(value),
        (Err(error), None) => Err(ReadError {
            offset: Some(offset(text, error.line(), error.column())),
            ..refuse("malformed_json", describe(&error))
        }),
    }
}

/// The canonical text of a value, RFC 8785.
///
/// Values with a number beyond what a double can hold exactly lose digits there, as the RFC says.
pub fn canonical(value: &Value) -> String {
    // The canonicalizer fails on numbers that are not finite only, and a `Value` cannot hold one.
    serde_json_canonicalizer::to_string(value).unwrap_or_else(|_| value.to_string())
}

/// `sha256:` and 64 hexadecimal digits over the canonical text (`spec/manifests.md`, digest).
pub fn digest(value: &Value) -> String {
    use fmt::Write as _;
    let sum = Sha256::digest(canonical(value).as_bytes());
    let mut text = String::with_capacity(7 + 64);
    text.push_str("sha256:");
    for byte in sum {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The pointer one member or element further down, escaped as RFC 6901 wants.
pub fn push(pointer: &str, token: &str) -> String {
    let mut longer = String::with_capacity(pointer.len() + 1 + token.len());
    longer.push_str(pointer);
    append(&mut longer, token);
    longer
}

/// Makes a pointer lead one member or element further down.
pub fn append(pointer: &mut String, token: &str) {
    pointer.push('/');
    let mut rest = token;
    while let Some(at) = rest.find(['~', '/']) {
        let (plain, escaped) = rest.split_at(at);
        pointer.push_str(plain);
        pointer.push_str(if escaped.starts_with('~') { "~0" } else { "~1" });
        rest = escaped.get(1..).unwrap_or_default();
    }
    pointer.push_str(rest);
}

/// A pointer without its last token, and that token unescaped; `None` for the root.
pub fn pop(pointer: &str) -> Option<(&str, String)> {
    let (parent, token) = pointer.rsplit_once('/')?;
    Some((parent, token.replace("~1", "/").replace("~0", "~")))
}

fn refuse(code: &'static str, message: String) -> ReadError {
    ReadError {
        code,
        message,
        pointer: String::new(),
        offset: None,
    }
}

/// The byte that `serde_json` calls by line and column: it has read that column when it stops.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let lines = text.split_inclusive('\n');
    let before: usize = lines.take(line.saturating_sub(1)).map(str::len).sum();
    before + column.saturating_sub(1)
}

/// `serde_json`'s messages can quote the text (`invalid type: string "…"`), so only class and place are passed on.
fn describe(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Eof => "the text ends too early",
        _ => "not one JSON value",
    };
    format!(
        "{what} (line {}, column {}); send one JSON value and nothing else",
        error.line(),
        error.column()
    )
}

/// The bracket outside strings that nests deeper than `most`, whether or not the text is JSON otherwise.
fn deeper_than(bytes: &[u8], most: usize) -> Option<usize> {
    let mut now = 0_usize;
    let (mut in_string, mut escaped) = (false, false);
    for (offset, &byte) in bytes.iter().enumerate() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                now += 1;
                if now > most {
                    return Some(offset);
                }
            }
            b']' | b'}' => now = now.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// Where a value stands, written out only when somebody asks: under one long name there may be a million values.
struct Place<'p> {
    up: Option<&'p Place<'p>>,
    token: Token<'p>,
}

enum Token<'p> {
    Name(&'p str),
    Index(usize),
}

impl Place<'_> {
    fn pointer(&self) -> String {
        let above = self.up.map_or_else(String::new, Place::pointer);
        match self.token {
            Token::Name(name) => push(&above, name),
            Token::Index(index) => push(&above, &index.to_string()),
        }
    }
}

/// Builds a `Value` and notes the first object that names a member twice.
struct Strict<'p, 't> {
    place: Option<&'p Place<'p>>,
    refuse: bool,
    twice: &'t mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Strict<'_, '_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut elements = Vec::new();
        loop {
            let place = Place {
                up: self.place,
                token: Token::Index(elements.len()),
            };
            let element = access.next_element_seed(Strict {
                place: Some(&place),
                refuse: self.refuse,
                twice: &mut *self.twice,
            })?;
            match element {
                Some(element) => elements.push(element),
                None => return Ok(Value::Array(elements)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            let place = Place {
                up: self.place,
                token: Token::Name(&name),
            };
            if self.refuse && self.twice.is_none() && members.contains_key(&name) {
                *self.twice = Some(place.pointer());
            }
            let value = access.next_value_seed(Strict {
                place: Some(&place),
                refuse: self.refuse,
                twice: &mut *self.twice,
            })?;
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
pub(crate) mod properties;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn strict(text: &str) -> Result<Value, ReadError> {
        read(text.as_bytes(), &Limits::DOCUMENT, Duplicates::Refuse)
    }

    fn code(text: &str) -> &'static str {
        strict(text).map_or_else(|error| error.code, |_| "read")
    }

    #[test]
    fn one_value_and_nothing_else() {
        assert_eq!(
            strict(r#" {"a":[1,2.5,null]} "#),
            Ok(json!({"a":[1,2.5,null]}))
        );
        for text in [
            "",
            "{",
            "{} {}",
            "{'a':1}",
            "[1,]",
            "NaN",
            "1e999",
            "\u{feff}{}",
            "nul",
        ] {
            assert_eq!(code(text), "malformed_json", "{text}");
        }
    }

    #[test]
    fn a_key_named_twice_is_found_wherever_it_stands() {
        let error = strict(r#"{"a":[{"b":1,"c":{},"b":2}]}"#).expect_err("refused");
        assert_eq!(
            (error.code, error.pointer.as_str()),
            ("duplicate_key", "/a/0/b")
        );
        // An escape spells the same key.
        assert_eq!(code(r#"{"a":1,"\u0061":2}"#), "duplicate_key");
        assert_eq!(
            read(br#"{"a":1,"a":2}"#, &Limits::DOCUMENT, Duplicates::KeepLast),
            Ok(json!({"a":2}))
        );
    }

    #[test]
    fn bounds_are_checked_before_parsing() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert_eq!(code(&nested(64)), "read");
        assert_eq!(code(&nested(65)), "too_deep");
        assert_eq!(code(&"[".repeat(1_000_000)), "too_deep");
        assert_eq!(code(&format!("\"{}\"", "[".repeat(80))), "read");
        assert_eq!(code(&" ".repeat(1024 * 1024 + 1)), "too_large");
        let invalid = read(b"\"\xff\"", &Limits::DOCUMENT, Duplicates::Refuse);
        assert_eq!(invalid.map_err(|error| error.code), Err("invalid_utf8"));
    }

    #[test]
    fn a_long_name_costs_once_and_not_for_each_value_below_it() {
        // Written out for each value, the places alone would be 100 GB.
        let text = format!(
            "{{\"{}\":[{}0]}}",
            "k".repeat(500_000),
            "1,".repeat(200_000)
        );
        let started = std::time::Instant::now();
        assert_eq!(code(&text), "read");
        assert!(started.elapsed() < std::time::Duration::from_secs(2));
    }

    #[test]
    fn messages_never_quote_the_text() {
        let error = strict(r#"{"token":"s3cret" "x"}"#).expect_err("refused");
        assert!(!error.message.contains("s3cret"));
    }

    #[test]
    fn the_digest_does_not_depend_on_order_or_number_spelling() {
        let one = strict(r#"{"b":1.0,"a":"\u00e9"}"#).expect("json");
        let other = strict(r#"{"a":"é","b":1}"#).expect("json");
        assert_eq!(digest(&one), digest(&other));
        // RFC 8785 of {} is "{}", whose SHA-256 is known.
        assert_eq!(
            digest(&json!({})),
            "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        );
    }

    #[test]
    fn the_canonical_text_is_that_of_the_rfc() {
        // RFC 8785, sections 3.2.2 and 3.2.3: numbers as ECMAScript writes them, names in the order of UTF-16.
        let numbers =
            strict("[333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001, -0.0]");
        assert_eq!(
            canonical(&numbers.expect("json")),
            "[333333333.3333333,1e+30,4.5,0.002,1e-27,0]"
        );
        let names = json!({"\u{20ac}": 1, "\r": 2, "\u{fb33}": 3, "1": 4, "\u{1f600}": 5, "\u{80}": 6, "\u{f6}": 7});
        assert_eq!(
            canonical(&names),
            "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"\u{f6}\":7,\"\u{20ac}\":1,\"\u{1f600}\":5,\"\u{fb33}\":3}"
        );
    }

    proptest::proptest! {
        #[test]
        fn reading_never_panics_and_agrees_with_a_plain_parser(text in "[\\[\\]{}\",:0-9a-c .eE\\\\u+-]{0,40}") {
            let plain: Result<Value, _> = serde_json::from_str(&text);
            match strict(&text) {
                Ok(value) => proptest::prop_assert_eq!(Some(value), plain.ok()),
                Err(error) => proptest::prop_assert!(plain.is_err() || error.code == "duplicate_key", "{}", error.code),
            }
        }

        #[test]
        fn reading_bytes_never_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
            let _ = read(&bytes, &Limits::DOCUMENT, Duplicates::Refuse);
        }
    }

    #[test]
    fn pointers_are_escaped() {
        assert_eq!(push("/a", "b/c~d"), "/a/b~1c~0d");
    }
}
