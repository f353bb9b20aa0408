//! Rules over documents: what a runtime would refuse, and what it would take and somebody would regret.
//!
//! [`check`] is the door: a document in, findings out, in the order of the text. Rules are data ([`Rule`]), one table a group under
//! `rules/`; each has at least two bad and two good examples under `fixtures/lint/<id>/`, and `lint/tests.rs` holds every rule
//! against them. What the loaders of `manifest` refuse is not judged again: the loader's violations become findings of
//! the rules of the same names.

pub mod config;
pub mod explain;
mod finding;
pub mod fix;
pub mod glob;
pub mod ignore;
pub mod near;
mod rule;
mod rules;
pub mod score;
mod subject;
pub mod toml_text;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::document::{Document, Span};

pub use crate::document::edit::Edit;
pub use finding::Finding;
pub use ignore::{Judged, judge, judge_with};
pub use rule::{Change, Check, Found, Group, Noted, Preset, Rule, Severity};
pub use rules::{all, named};
pub use subject::{ActionSchema, DocumentKind, Part, Subject};

use rule::Raw;

/// Most findings of one document; the rest is only counted.
pub const MOST_FINDINGS: usize = 1000;

/// Which rules are asked.
#[derive(Debug, Clone)]
pub struct Selection {
    preset: Preset,
    only: BTreeSet<String>,
    also: BTreeSet<String>,
    skip: BTreeSet<String>,
}

impl Selection {
    /// The rules of a preset.
    pub fn preset(preset: Preset) -> Self {
        Self {
            preset,
            only: BTreeSet::new(),
            also: BTreeSet::new(),
            skip: BTreeSet::new(),
        }
    }

    /// Only these rules, whatever the preset, when there are any.
    #[must_use]
    pub fn only(mut self, ids: impl IntoIterator<Item = String>) -> Self {
        self.only.extend(ids);
        self
    }

    /// These too, whatever the preset.
    #[must_use]
    pub fn also(mut self, ids: impl IntoIterator<Item = String>) -> Self {
        self.also.extend(ids);
        self
    }

    /// Not these.
    #[must_use]
    pub fn skip(mut self, ids: impl IntoIterator<Item = String>) -> Self {
        self.skip.extend(ids);
        self
    }

    /// Whether a rule is asked.
    pub fn has(&self, rule: &Rule) -> bool {
        if self.skip.contains(rule.id) {
            false
        } else if self.only.is_empty() {
            rule.preset <= self.preset || self.also.contains(rule.id)
        } else {
            self.only.contains(rule.id)
        }
    }
}

/// What is wrong with one document.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The findings, in the order of the text; of one place, the worst first.
    pub findings: Vec<Finding>,
    /// How many more there were, at least.
    pub left_out: usize,
}

/// What the loader of another room refuses, for the rule that is found by [`Check::Told`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The rule.
    pub rule: &'static str,
    /// Where, as JSON Pointer into the document as given.
    pub pointer: String,
    /// What to do about it.
    pub message: String,
}

/// Holds a document against the selected rules.
pub fn check(document: &Document, kind: DocumentKind, selection: &Selection) -> Outcome {
    check_with(document, kind, selection, &[], MOST_FINDINGS)
}

/// The same, with what others were told of the document, and at most so many findings.
fn check_with(
    document: &Document,
    kind: DocumentKind,
    selection: &Selection,
    told: &[Told],
    most: usize,
) -> Outcome {
    let subject = Subject::new(document, kind);
    let subject = if most > MOST_FINDINGS {
        subject.listing(most)
    } else {
        subject
    };
    let mut raw = Vec::new();
    for rule in all().filter(|rule| selection.has(rule)) {
        let run = match (rule.check, kind) {
            (Check::Manifest(run), DocumentKind::Manifest) => run,
            (Check::Other(run), _) => run,
            _ => continue,
        };
        let mut found = Found {
            rule,
            raw: &mut raw,
            most: 2 * most,
        };
        run(&subject, &mut found);
    }
    let asks_loader = all().any(|rule| matches!(rule.check, Check::Loader) && selection.has(rule));
    if asks_loader {
        rules::loaded(&subject, selection, &mut raw);
    }
    rules::told(told, selection, &mut raw);
    placed(&subject, raw, most)
}

/// Where secrets stand in a document, whatever rules are asked: the pointer of the text that holds one, and its place. Whoever shows a
/// part of the document leaves them out.
pub fn secrets(document: &Document) -> Vec<(String, Span)> {
    rules::secrets(document)
}

/// The same for a text that is no document; only secrets of known forms can be told there.
pub fn secrets_in_text(text: &str) -> Vec<Span> {
    rules::secrets_in_text(text)
}

/// Gives findings their places in the text, in its order.
fn placed(subject: &Subject<'_>, raw: Vec<Raw>, most: usize) -> Outcome {
    let document = subject.document();
    let mut findings: Vec<Finding> = raw
        .into_iter()
        .map(|raw| {
            let lead = |pointer: &str| {
                if raw.original {
                    pointer.to_owned()
                } else {
                    subject.original(pointer)
                }
            };
            let pointer = lead(&raw.pointer);
            let span = if raw.name {
                document.key_span(&pointer)
            } else {
                document.span(&pointer)
            };
            let change = raw.change.clone().map(|mut change| {
                for step in &mut change.steps {
                    let pointer = step.pointer_mut();
                    *pointer = lead(pointer);
                }
                change
            });
            Finding {
                rule: raw.rule,
                severity: raw.rule.severity,
                span: narrowed(document, span, &pointer, raw.within),
                pointer,
                message: raw.message,
                change,
            }
        })
        .collect();
    findings.sort_by(|a, b| {
        (a.span.start, b.severity, a.rule.id, &a.pointer, &a.message).cmp(&(
            b.span.start,
            a.severity,
            b.rule.id,
            &b.pointer,
            &b.message,
        ))
    });
    let left_out = findings.len().saturating_sub(most);
    findings.truncate(most);
    Outcome { findings, left_out }
}

/// The part of a string that is meant, where the text has it without escapes.
fn narrowed(
    document: &Document,
    span: Span,
    pointer: &str,
    within: Option<(usize, usize)>,
) -> Span {
    let exact = || {
        let (start, end) = within?;
        let content = document.value().pointer(pointer)?.as_str()?;
        let written = document.text().get(span.start..span.end)?;
        let begins = span.start + written.find(content)?;
        (start <= end && end <= content.len()).then(|| Span::new(begins + start, begins + end))
    };
    exact().unwrap_or(span)
}
