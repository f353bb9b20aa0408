//! Known secrets in what a target sends, in every encoding that the protocol lists: raw, JSON-escaped, percent-encoded, base64 and
//! base64url at the three alignments (`spec/secrets.md`).

use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use regex::{Regex, RegexBuilder};
use serde_json::Value;

use crate::json;

/// What a secret is replaced by in everything the suite writes.
pub const REDACTED: &str = "[REDACTED]";

/// Shorter needles would be found by chance.
const LEAST: usize = 6;

/// What percent-encoding leaves as it is: the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What the encoding of forms leaves as it is; a blank becomes `+` there.
const FORM: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'*')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b' ');

/// A secret that came out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leak {
    /// Its name, never its value.
    pub name: String,
    /// How it was encoded.
    pub encoding: &'static str,
    /// Where in the value that was searched, as a JSON Pointer.
    pub pointer: String,
}

/// The secrets of a run, ready to be searched for.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    needles: Vec<Needle>,
    any: Option<Regex>,
}

#[derive(Debug, Clone)]
struct Needle {
    name: String,
    encoding: &'static str,
    text: String,
}

impl Secrets {
    /// Prepares the search for secrets given as (name, value).
    pub fn new(secrets: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut needles: Vec<Needle> = Vec::new();
        for (name, value) in secrets {
            for (encoding, text) in encodings(&value) {
                if text.len() >= LEAST && !needles.iter().any(|needle| needle.text == text) {
                    needles.push(Needle {
                        name: name.clone(),
                        encoding,
                        text,
                    });
                }
            }
        }
        // The longest first: a part of a secret must not hide the whole.
        needles.sort_by(|a, b| b.text.len().cmp(&a.text.len()).then(a.text.cmp(&b.text)));
        let pattern: Vec<String> = needles
            .iter()
            .map(|needle| regex::escape(&needle.text))
            .collect();
        let any = (!pattern.is_empty())
            .then(|| {
                RegexBuilder::new(&pattern.join("|"))
                    .size_limit(1 << 26)
                    .build()
                    .ok()
            })
            .flatten();
        Self { needles, any }
    }

    /// Every secret in a text; each name once.
    pub fn in_text(&self, text: &str) -> Vec<Leak> {
        let Some(any) = &self.any else {
            return Vec::new();
        };
        let mut leaks: Vec<Leak> = Vec::new();
        for found in any.find_iter(text) {
            if let Some(needle) = self
                .needles
                .iter()
                .find(|needle| needle.text == found.as_str())
                && !leaks.iter().any(|leak| leak.name == needle.name)
            {
                leaks.push(Leak {
                    name: needle.name.clone(),
                    encoding: needle.encoding,
                    pointer: String::new(),
                });
            }
        }
        leaks
    }

    /// Every secret in the strings and member names of a value.
    pub fn in_value(&self, value: &Value) -> Vec<Leak> {
        let mut leaks = Vec::new();
        if self.any.is_some() {
            self.walk(value, "", &mut leaks);
        }
        leaks
    }

    /// Every secret in a body: in its decoded strings if it is JSON, in its text otherwise.
    pub fn in_bytes(&self, bytes: &[u8]) -> Vec<Leak> {
        let text = String::from_utf8_lossy(bytes);
        let decoded = serde_json::from_slice::<Value>(bytes)
            .map(|value| self.in_value(&value))
            .unwrap_or_default();
        if decoded.is_empty() {
            self.in_text(&text)
        } else {
            decoded
        }
    }

    fn walk(&self, value: &Value, pointer: &str, leaks: &mut Vec<Leak>) {
        let note = |text: &str, at: &str, leaks: &mut Vec<Leak>| {
            for mut leak in self.in_text(text) {
                leak.pointer = at.to_owned();
                leaks.push(leak);
            }
        };
        match value {
            Value::String(text) => note(text, pointer, leaks),
            Value::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    self.walk(element, &json::push(pointer, &index.to_string()), leaks);
                }
            }
            Value::Object(members) => {
                for (name, member) in members {
                    note(name, pointer, leaks);
                    self.walk(member, &json::push(pointer, name), leaks);
                }
            }
            _ => {}
        }
    }

    /// The text without any secret: what the suite itself writes must not leak either.
    pub fn redact_text(&self, text: &str) -> String {
        match &self.any {
            Some(any) => any.replace_all(text, REDACTED).into_owned(),
            None => text.to_owned(),
        }
    }

    /// The value without any secret.
    pub fn redact(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.redact_text(text)),
            Value::Array(elements) => elements
                .iter()
                .map(|element| self.redact(element))
                .collect(),
            Value::Object(members) => members
                .iter()
                .map(|(name, member)| (self.redact_text(name), self.redact(member)))
                .collect(),
            other => other.clone(),
        }
    }
}

/// The texts under which a secret can stand.
fn encodings(secret: &str) -> Vec<(&'static str, String)> {
    let escaped = Value::from(secret).to_string();
    let escaped = escaped[1..escaped.len() - 1].to_owned();
    let percent = percent_encode(secret.as_bytes(), RESERVED).to_string();
    let mut texts = vec![
        ("raw", secret.to_owned()),
        ("JSON-escaped", escaped.replace('/', "\\/")),
        ("JSON-escaped", escaped),
        ("percent-encoded", lower_hex(&percent)),
        ("percent-encoded", percent),
    ];
    let form = percent_encode(secret.as_bytes(), FORM)
        .to_string()
        .replace(' ', "+");
    texts.push(("percent-encoded", lower_hex(&form)));
    texts.push(("percent-encoded", form));
    for shift in 0..3 {
        texts.push((
            "base64",
            aligned(secret.as_bytes(), shift, &STANDARD_NO_PAD),
        ));
        texts.push((
            "base64url",
            aligned(secret.as_bytes(), shift, &URL_SAFE_NO_PAD),
        ));
    }
    texts
}

/// `%2F` to `%2f`: both are in use.
fn lower_hex(percent: &str) -> String {
    let mut text = String::with_capacity(percent.len());
    let mut left = 0;
    for c in percent.chars() {
        if c == '%' {
            left = 3;
        }
        text.push(if left > 0 { c.to_ascii_lowercase() } else { c });
        left = usize::saturating_sub(left, 1);
    }
    text
}

/// The characters of a base64 text that the secret alone decides when `shift` bytes stand before it (counted modulo three).
fn aligned(secret: &[u8], shift: usize, engine: &impl base64::Engine) -> String {
    let mut bytes = vec![0; shift];
    bytes.extend_from_slice(secret);
    let text = engine.encode(&bytes);
    let from = (shift * 8).div_ceil(6);
    let to = bytes.len() * 8 / 6;
    text.get(from..to).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use proptest::prelude::*;
    use serde_json::json;

    const SECRET: &str = "cal-tok+en/3f9a1c77==";

    fn secrets() -> Secrets {
        Secrets::new([
            ("CALENDAR_TOKEN".to_owned(), SECRET.to_owned()),
            (
                "MULTILINE".to_owned(),
                "first-line\r\nX-Injected: yes".to_owned(),
            ),
        ])
    }

    fn encoding(text: &str) -> Option<&'static str> {
        secrets().in_text(text).first().map(|leak| leak.encoding)
    }

    #[test]
    fn every_listed_encoding_is_found() {
        assert_eq!(encoding(&format!("Bearer {SECRET}.")), Some("raw"));
        assert_eq!(
            encoding("a cal-tok+en\\/3f9a1c77== b"),
            Some("JSON-escaped")
        );
        assert_eq!(
            encoding("x first-line\\r\\nX-Injected: yes"),
            Some("JSON-escaped")
        );
        assert_eq!(
            encoding("t=cal-tok%2Ben%2F3f9a1c77%3D%3D"),
            Some("percent-encoded")
        );
        assert_eq!(
            encoding("t=cal-tok%2ben%2f3f9a1c77%3d%3d"),
            Some("percent-encoded")
        );
        assert_eq!(
            encoding("q=first-line%0D%0AX-Injected%3A+yes"),
            Some("percent-encoded")
        );
        for before in ["", "a", "ab", "abc"] {
            let whole = format!("{before}{SECRET}{before}");
            assert_eq!(
                encoding(&STANDARD.encode(&whole)),
                Some("base64"),
                "{before}"
            );
            assert!(encoding(&URL_SAFE.encode(&whole)).is_some(), "{before}");
        }
        assert_eq!(encoding("cal-tok+en/3f9a"), None);
    }

    #[test]
    fn leaks_are_found_inside_values_and_never_shown() {
        let value = json!({"a": [{"b": format!("x{SECRET}")}], SECRET: 1});
        let leaks = secrets().in_value(&value);
        assert_eq!(leaks.len(), 2);
        assert_eq!(leaks[0].pointer, "/a/0/b");
        let redacted = secrets().redact(&value).to_string();
        assert!(!redacted.contains(SECRET) && redacted.contains(REDACTED));
        assert!(secrets().in_value(&secrets().redact(&value)).is_empty());
    }

    #[test]
    fn an_escape_in_json_hides_nothing() {
        let body = br#"{"a":"\u0063al-tok+en\/3f9a1c77=="}"#;
        assert_eq!(secrets().in_bytes(body).len(), 1);
        assert_eq!(
            secrets().in_bytes(format!("<p>{SECRET}").as_bytes()).len(),
            1
        );
        assert!(secrets().in_bytes(b"{}").is_empty());
    }

    #[test]
    fn without_secrets_nothing_is_found() {
        let none = Secrets::new([("X".to_owned(), String::new())]);
        assert!(none.in_text("anything").is_empty());
        assert_eq!(none.redact_text("anything"), "anything");
    }

    proptest! {
        #[test]
        fn base64_is_found_at_every_alignment(before in prop::collection::vec(any::<u8>(), 0..12), after in prop::collection::vec(any::<u8>(), 0..12)) {
            let mut bytes = before;
            bytes.extend_from_slice(SECRET.as_bytes());
            bytes.extend_from_slice(&after);
            prop_assert!(encoding(&STANDARD.encode(&bytes)).is_some());
            prop_assert!(encoding(&URL_SAFE.encode(&bytes)).is_some());
        }

        #[test]
        fn redaction_leaves_nothing(text in ".{0,20}") {
            let all = secrets();
            let with = format!("{text}{SECRET}{text}");
            prop_assert!(all.in_text(&all.redact_text(&with)).is_empty());
        }
    }
}
