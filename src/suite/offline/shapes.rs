//! Credentials that nobody told of, by the shapes that their issuers give them.
//!
//! Only shapes that hardly anything else has: an auditor who is told of every long word soon reads no further.

use std::sync::OnceLock;

use regex::Regex;
use serde_json::Value;

use crate::json;
use crate::suite::secrets::REDACTED;

/// What is looked for, and what it is called.
const SHAPES: [(&str, &str); 13] = [
    ("AWS access key id", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    ("GitHub token", r"\bgh[pousr]_[A-Za-z0-9]{36,}\b"),
    (
        "GitHub token",
        r"\bgithub_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}\b",
    ),
    ("GitLab token", r"\bglpat-[A-Za-z0-9_-]{20,}\b"),
    ("npm token", r"\bnpm_[A-Za-z0-9]{36}\b"),
    ("PyPI token", r"\bpypi-AgE[A-Za-z0-9_-]{50,}"),
    ("Slack token", r"\bxox[abeprs]-[A-Za-z0-9-]{20,}\b"),
    ("Stripe key", r"\b[rs]k_live_[A-Za-z0-9]{24,}\b"),
    ("Google API key", r"\bAIza[A-Za-z0-9_-]{35}\b"),
    (
        "key of a model's provider",
        r"\bsk-(?:ant-|proj-|svcacct-)[A-Za-z0-9_-]{32,}\b",
    ),
    (
        "SendGrid key",
        r"\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}\b",
    ),
    (
        "JSON Web Token",
        r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{16,}\b",
    ),
    (
        "private key",
        r"-----BEGIN (?:[A-Z]+ ){0,2}PRIVATE KEY-----",
    ),
];

/// The shapes, ready to be searched for.
#[derive(Debug)]
pub struct Shapes {
    any: Regex,
    each: Vec<(&'static str, Regex)>,
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
            let compiled = |pattern: &str| Regex::new(pattern).map_err(|error| error.to_string());
            let each: Result<Vec<_>, String> = SHAPES
                .iter()
                .map(|(name, pattern)| Ok((*name, compiled(pattern)?)))
                .collect();
            Ok(Self {
                any: compiled(&SHAPES.map(|(_, pattern)| pattern).join("|"))?,
                each: each?,
            })
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
        if !self.any.is_match(text) {
            return None;
        }
        let (name, _) = self.each.iter().find(|(_, one)| one.is_match(text))?;
        Some(Likeness {
            pointer: pointer.to_owned(),
            name,
        })
    }

    /// The text without any of them.
    pub(super) fn redact_text(&self, text: &str) -> String {
        self.any.replace_all(text, REDACTED).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Option<&'static str> {
        let shapes = Shapes::all().expect("they compile");
        shapes.in_text(text, "").map(|found| found.name)
    }

    #[test]
    fn credentials_are_known_by_their_shape() {
        // Put together here, so that nobody who searches this file finds one.
        let jwt = [
            "eyJhbGciOiJub25l",
            "eyJzdWIiOiJ1MSJ9",
            "c2lnbmF0dXJlLW9mLWl0",
        ]
        .join(".");
        for (text, name) in [
            (
                format!("id {}", "AKIA".to_owned() + "IOSFODNN7EXAMPLE"),
                "AWS access key id",
            ),
            ("ghp_".to_owned() + &"a1B2".repeat(9), "GitHub token"),
            (format!("Bearer {jwt}"), "JSON Web Token"),
            (
                "-----BEGIN RSA ".to_owned() + "PRIVATE KEY-----",
                "private key",
            ),
            ("sk_live_".to_owned() + &"x9".repeat(12), "Stripe key"),
        ] {
            assert_eq!(named(&text), Some(name), "{text}");
        }
    }

    #[test]
    fn what_only_resembles_one_is_none() {
        for text in [
            "sk-test-model-key-0001",
            "AKIAshort",
            "sha256:a66ab869d6e1b662433df7ec70ac6202814c64bc7c1b7e475d3b810ede13b504",
            "9d2f6f0e-54f3-4b8a-8d0b-0c1e7f6a2b35",
            "${CALENDAR_TOKEN}",
            "eyJ.eyJ.x",
            "-----BEGIN PUBLIC KEY-----",
        ] {
            assert_eq!(named(text), None, "{text}");
        }
    }
}
