//! What is wrong with a transcript, collected within bounds: so many findings of each requirement, each short and without secrets.

use std::collections::BTreeMap;

use serde_json::Value;

use super::shapes::Shapes;
use crate::suite::matcher::{Difference, absent};
use crate::suite::secrets::Secrets;
use crate::suite::wire::Finding;

/// Most findings of one requirement that are told of one transcript.
const MOST: usize = 10;

/// Longest value in a finding, in bytes of its compact JSON.
const MOST_BYTES: usize = 2_000;

/// A finding, and the line of a stream that it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// What is wrong.
    pub finding: Finding,
    /// The line, counted from 1; `None`: the transcript is one document, or the finding is about the whole.
    pub line: Option<u64>,
}

/// The findings so far.
#[derive(Debug)]
pub(super) struct Findings<'j> {
    secrets: &'j Secrets,
    shapes: Option<&'j Shapes>,
    /// The line that is being looked at.
    pub line: Option<u64>,
    kept: Vec<Told>,
    counts: BTreeMap<String, usize>,
}

impl<'j> Findings<'j> {
    pub fn new(secrets: &'j Secrets, shapes: Option<&'j Shapes>) -> Self {
        Self {
            secrets,
            shapes,
            line: None,
            kept: Vec::new(),
            counts: BTreeMap::new(),
        }
    }

    /// Says that something is wrong. `got`: what stands there, if anything does.
    pub fn say(
        &mut self,
        requirement: &str,
        pointer: impl Into<String>,
        expected: Value,
        got: Option<&Value>,
        message: &str,
    ) {
        if self.is_full(requirement) {
            return;
        }
        let finding = Finding {
            requirement: requirement.to_owned(),
            difference: Difference {
                pointer: pointer.into(),
                expected,
                got: got.map_or_else(absent, |got| self.short(got)),
                message: message.to_owned(),
            },
        };
        self.push(finding);
    }

    /// Takes in a finding that was made elsewhere.
    pub fn push(&mut self, mut finding: Finding) {
        if self.is_full(&finding.requirement) {
            return;
        }
        let difference = &mut finding.difference;
        difference.expected = self.short(&difference.expected);
        difference.got = self.short(&difference.got);
        difference.pointer = self.clean(&difference.pointer);
        difference.message = self.clean(&difference.message);
        let told = Told {
            finding,
            line: self.line,
        };
        if self.kept.contains(&told) {
            return;
        }
        let count = self.counts.entry(told.finding.requirement.clone());
        *count.or_default() += 1;
        self.kept.push(told);
    }

    pub fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        findings.into_iter().for_each(|finding| self.push(finding));
    }

    pub fn all(self) -> Vec<Told> {
        self.kept
    }

    fn is_full(&self, requirement: &str) -> bool {
        self.counts
            .get(requirement)
            .is_some_and(|count| *count >= MOST)
    }

    fn clean(&self, text: &str) -> String {
        let text = self.secrets.redact_text(text);
        match self.shapes {
            Some(shapes) => shapes.redact_text(&text),
            None => text,
        }
    }

    /// A value as it can be shown: redacted first, so that no part of a secret is left at the cut.
    fn short(&self, value: &Value) -> Value {
        let value = self.secrets.redact(value);
        let text = value.to_string();
        let clean = match self.shapes {
            Some(shapes) => shapes.redact_text(&text),
            None => text.clone(),
        };
        if clean.len() <= MOST_BYTES {
            if clean == text {
                return value;
            }
            return serde_json::from_str(&clean).unwrap_or(Value::String(clean));
        }
        let kept = &clean[..clean.floor_char_boundary(MOST_BYTES)];
        Value::from(format!("{kept}… ({} bytes in all)", clean.len()))
    }
}
