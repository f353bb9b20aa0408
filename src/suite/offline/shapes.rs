//! Credentials that nobody told of, by the shapes that their issuers give them.
//!
//! Only shapes that hardly anything else has: an auditor who is told of every long word soon reads no further.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::OnceLock;

use regex::Regex;
use serde_json::Value;

use crate::json;
use crate::suite::secrets::REDACTED;

/// What is looked for. The linter has a list of its own, and both must come to the same (`fixtures/secrets/shapes.toml`).
#[derive(Debug)]
struct Shape {
    name: &'static str,
    /// How it begins, as a regular expression.
    prefix: &'static str,
    /// What the rest is made of, and how long that can be, in bytes.
    of: fn(u8) -> bool,
    length: (usize, usize),
    /// What else the rest must be.
    fits: fn(&str) -> bool,
}

/// The longest of those whose issuers set no bound.
const LONG: usize = 4_096;

/// Of two that begin alike the longer begin comes first.
#[rustfmt::skip]
const SHAPES: [Shape; 17] = [
    shape("an AWS access key", "AKIA", capital, (16, 16), always),
    shape("a temporary AWS access key", "ASIA", capital, (16, 16), always),
    shape("a GitHub token", "gh[pousr]_", letter, (36, 255), always),
    shape("a GitHub token", "github_pat_", word, (22, 255), always),
    shape("a GitLab token", "glpat-", dashed, (20, 255), always),
    shape("an npm token", "npm_", letter, (36, 36), always),
    shape("a PyPI token", "pypi-AgE", dashed, (48, LONG), always),
    shape("a Slack token", "xox[abeprs]-", dashed, (10, 255), has_digits),
    shape("a Slack webhook", r"hooks\.slack\.com/services/", slashed, (20, 255), always),
    shape("a Stripe key", "[rs]k_(?:live|test)_", letter, (16, 255), always),
    shape("a Google key", "AIza", dashed, (35, 35), always),
    shape("a Hugging Face token", "hf_", letter, (30, 64), always),
    shape("a SendGrid key", r"SG\.", dotted, (49, 97), is_of_sendgrid),
    shape("an Anthropic key", "sk-ant-", dashed, (20, LONG), always),
    shape("an OpenAI key", "sk-", dashed, (25, LONG), is_of_openai),
    shape("a JSON Web Token", "eyJ", dotted, (29, LONG), is_of_three_parts),
    shape("a private key", "-----BEGIN ", titled, (16, LONG), is_private),
];

const fn shape(
    name: &'static str,
    prefix: &'static str,
    of: fn(u8) -> bool,
    length: (usize, usize),
    fits: fn(&str) -> bool,
) -> Shape {
    Shape {
        name,
        prefix,
        of,
        length,
        fits,
    }
}

fn capital(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

fn letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn word(byte: u8) -> bool {
    letter(byte) || byte == b'_'
}

fn dashed(byte: u8) -> bool {
    word(byte) || byte == b'-'
}

fn dotted(byte: u8) -> bool {
    dashed(byte) || byte == b'.'
}

fn slashed(byte: u8) -> bool {
    letter(byte) || byte == b'/'
}

fn titled(byte: u8) -> bool {
    capital(byte) || b" -".contains(&byte)
}

fn always(_: &str) -> bool {
    true
}

fn has_digits(rest: &str) -> bool {
    rest.bytes().filter(u8::is_ascii_digit).nth(1).is_some()
}

/// With what was issued for in front of it, or nothing but letters and digits.
fn is_of_openai(rest: &str) -> bool {
    const FOR: [&str; 5] = ["proj-", "svcacct-", "admin-", "None-", "or-v1-"];
    let named = FOR.iter().find_map(|before| rest.strip_prefix(before));
    has_digits(rest)
        && match named {
            Some(own) => own.len() >= 20,
            None => rest.len() >= 32 && rest.bytes().all(letter),
        }
}

fn is_of_sendgrid(rest: &str) -> bool {
    rest.split_once('.')
        .is_some_and(|(id, secret)| id.len() >= 16 && secret.len() >= 32 && !secret.contains('.'))
}

/// Header, payload and signature, the first two of them JSON objects.
fn is_of_three_parts(rest: &str) -> bool {
    let mut parts = rest.split('.');
    let mut next = |least: usize| parts.next().filter(|part| part.len() >= least);
    next(7).is_some()
        && next(10).is_some_and(|payload| payload.starts_with("eyJ"))
        && next(10).is_some()
        && parts.next().is_none()
}

fn is_private(rest: &str) -> bool {
    rest.split_once("-----").is_some_and(|(kind, _)| {
        kind.len() < 40 && (kind.ends_with("PRIVATE KEY") || kind.ends_with("PRIVATE KEY BLOCK"))
    })
}

/// Whether a text only holds the place of a credential.
fn is_placeholder(rest: &str) -> bool {
    const WORDS: [&str; 7] = [
        "xxxx",
        "your",
        "placeholder",
        "redacted",
        "changeme",
        "0000000000",
        "1234567890123456",
    ];
    let lower = rest.to_ascii_lowercase();
    let letters: BTreeSet<u8> = lower.bytes().collect();
    letters.len() <= 3 || lower.contains("...") || WORDS.iter().any(|one| lower.contains(one))
}

/// The shapes, ready to be searched for.
#[derive(Debug)]
pub struct Shapes {
    /// Where one can begin: the n-th group is the n-th of [`SHAPES`].
    begins: Regex,
}

/// A credential's likeness.
pub(super) struct Likeness {
    pub pointer: String,
    pub name: &'static str,
}

impl Shapes {
    /// All shapes, compiled once.
    ///
    /// # Errors
    /// When an expression does not compile: the suite itself is at fault.
    pub fn all() -> Result<&'static Self, String> {
        static ALL: OnceLock<Result<Shapes, String>> = OnceLock::new();
        ALL.get_or_init(|| {
            let prefixes = SHAPES.each_ref().map(|shape| format!("({})", shape.prefix));
            let begins = format!("(?:^|[^A-Za-z0-9_-])(?:{})", prefixes.join("|"));
            let begins = Regex::new(&begins).map_err(|error| error.to_string())?;
            Ok(Self { begins })
        })
        .as_ref()
        .map_err(Clone::clone)
    }

    /// Every text of a value that holds such a thing, `pointer` before its place.
    pub(super) fn in_value(&self, value: &Value, pointer: &str, found: &mut Vec<Likeness>) {
        match value {
            Value::String(text) => found.extend(self.in_text(text, pointer)),
            Value::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    if element.is_string() || element.is_object() || element.is_array() {
                        self.in_value(element, &json::push(pointer, &index.to_string()), found);
                    }
                }
            }
            Value::Object(members) => {
                for (name, member) in members {
                    found.extend(self.in_text(name, pointer));
                    if member.is_string() || member.is_object() || member.is_array() {
                        self.in_value(member, &json::push(pointer, name), found);
                    }
                }
            }
            _ => {}
        }
    }

    fn in_text(&self, text: &str, pointer: &str) -> Option<Likeness> {
        let (name, _) = self.first(text, 0)?;
        Some(Likeness {
            pointer: pointer.to_owned(),
            name,
        })
    }

    /// The first from a place on: its name, and where it is.
    fn first(&self, text: &str, mut from: usize) -> Option<(&'static str, Range<usize>)> {
        // Where the run ends that was looked at last for each shape: what begins within it ends there too.
        let mut runs = [0; SHAPES.len()];
        while let Some(found) = self.begins.captures_at(text, from) {
            let mut groups = found.iter().skip(1);
            let (at, prefix) = groups
                .by_ref()
                .enumerate()
                .find_map(|(at, group)| Some((at, group?)))?;
            if let (Some(shape), Some(run)) = (SHAPES.get(at), runs.get_mut(at)) {
                if *run < prefix.end() {
                    *run = shape.run(text, prefix.end());
                }
                let rest = text.get(prefix.end()..*run).unwrap_or_default();
                // What ends a sentence belongs to none.
                let rest = rest.trim_end_matches('.');
                if shape.is_of(rest) {
                    return Some((shape.name, prefix.start()..prefix.end() + rest.len()));
                }
            }
            // What only resembles one can hold one.
            from = prefix.start() + 1;
        }
        None
    }

    /// The text without any of them.
    pub(super) fn redact_text(&self, text: &str) -> String {
        let mut clean = String::new();
        let mut from = 0;
        while let Some((_, place)) = self.first(text, from) {
            clean.push_str(text.get(from..place.start).unwrap_or_default());
            clean.push_str(REDACTED);
            from = place.end;
        }
        clean.push_str(text.get(from..).unwrap_or_default());
        clean
    }
}

impl Shape {
    /// Where that ends which one is made of.
    fn run(&self, text: &str, from: usize) -> usize {
        let rest = text.as_bytes().get(from..).unwrap_or_default();
        from + rest.iter().take_while(|byte| (self.of)(**byte)).count()
    }

    fn is_of(&self, rest: &str) -> bool {
        let (least, most) = self.length;
        (least..=most).contains(&rest.len()) && (self.fits)(rest) && !is_placeholder(rest)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Texts {
        text: Vec<Text>,
    }

    #[derive(Deserialize)]
    struct Text {
        parts: Vec<String>,
        is: Option<String>,
    }

    fn named(text: &str) -> Option<&'static str> {
        let shapes = Shapes::all().expect("they compile");
        shapes.in_text(text, "").map(|found| found.name)
    }

    /// The same texts as those of the linter's test.
    #[test]
    fn credentials_are_known_by_their_shape_and_nothing_else_is() {
        let texts = include_str!("../../../fixtures/secrets/shapes.toml");
        let texts: Texts = toml::from_str(texts).expect("the texts");
        let mut untold: BTreeSet<&str> = SHAPES.iter().map(|shape| shape.name).collect();
        for text in &texts.text {
            let joined = text.parts.concat();
            assert_eq!(named(&joined), text.is.as_deref(), "{joined}");
            untold.retain(|name| Some(*name) != text.is.as_deref());
        }
        assert!(untold.is_empty(), "no text has {untold:?}");
    }

    #[test]
    fn every_credential_of_a_text_is_taken_out() {
        let shapes = Shapes::all().expect("they compile");
        let key = ["AKIA", "IOSFODNN7EXAMPLE"].concat();
        let text = format!("{key} {key}, then \"{key}\"");
        let clean = shapes.redact_text(&text);
        assert_eq!(clean, format!("{REDACTED} {REDACTED}, then \"{REDACTED}\""));
        assert_eq!(shapes.redact_text("AKIAshort"), "AKIAshort");
    }

    #[test]
    fn what_resembles_many_is_searched_in_bounded_time() {
        let text = "eyJ.".repeat(100_000);
        assert_eq!(named(&text), None);
    }
}
