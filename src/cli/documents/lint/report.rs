//! What was found in all files, ready for every form of a report.

use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};

use crate::document::edit;
use crate::document::{Document, Lines, Span};
use crate::lint::fix::Applied;
use crate::lint::{Change, Finding, Rule, Severity};

use super::draw::Excerpt;
use super::look::{Ask, Unreadable};

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct At {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// In bytes from the beginning.
    pub offset: usize,
}

impl At {
    fn of(text: &str, lines: &Lines, offset: usize) -> Self {
        let place = lines.place(text, offset);
        Self {
            line: place.line,
            column: place.column,
            offset,
        }
    }
}

/// Bytes that become others.
#[derive(Debug, Clone, Serialize)]
pub(super) struct TextEdit {
    pub start: At,
    pub end: At,
    pub text: String,
}

/// How a finding can be mended.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Fix {
    pub title: String,
    pub safe: bool,
    /// None where the text does not allow it.
    pub edits: Vec<TextEdit>,
}

/// A finding with all that is shown of it.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    pub rule: &'static Rule,
    pub severity: Severity,
    pub pointer: String,
    pub message: String,
    pub start: At,
    pub end: At,
    pub fix: Option<Fix>,
    pub excerpt: Excerpt,
}

impl Shown {
    /// A finding in a text; with its document also the bytes that mend it. What is drawn comes from `drawn`, the text without its
    /// secrets.
    pub fn new(
        finding: &Finding,
        text: &str,
        drawn: &str,
        lines: &Lines,
        document: Option<&Document>,
    ) -> Self {
        let start = At::of(text, lines, finding.span.start);
        let fix = finding.change.as_ref().map(|change| Fix {
            title: change.title.clone(),
            safe: change.safe,
            edits: document.map_or_else(Vec::new, |document| edits(document, change)),
        });
        Self {
            rule: finding.rule,
            severity: finding.severity,
            pointer: finding.pointer.clone(),
            message: finding.message.clone(),
            start,
            end: At::of(text, lines, finding.span.end),
            fix,
            excerpt: Excerpt::of(drawn, lines, start.line, finding.span),
        }
    }

    /// As the JSON report has it.
    pub fn value(&self) -> Value {
        let mut value = json!({
            "rule": self.rule.id,
            "group": self.rule.group,
            "severity": self.severity,
            "clause": self.rule.clause,
            "message": self.message,
            "pointer": self.pointer,
            "start": self.start,
            "end": self.end,
        });
        if let (Some(fix), Some(members)) = (&self.fix, value.as_object_mut()) {
            members.insert("fix".to_owned(), json!(fix));
        }
        value
    }
}

/// The bytes that a change takes; none when the text does not allow all of it.
fn edits(document: &Document, change: &Change) -> Vec<TextEdit> {
    let at = |offset| At::of(document.text(), document.lines(), offset);
    let mut edits = Vec::new();
    for step in &change.steps {
        let Ok(splices) = edit::splices(document, step) else {
            return Vec::new();
        };
        edits.extend(splices.into_iter().map(|splice| {
            let Span { start, end } = splice.span;
            TextEdit {
                start: at(start),
                end: at(end),
                text: splice.text,
            }
        }));
    }
    edits.sort_by_key(|edit| edit.start.offset);
    edits
}

/// A change that was made, or would be.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Fixed {
    rule: &'static str,
    pointer: String,
    title: String,
}

impl From<&Applied> for Fixed {
    fn from(applied: &Applied) -> Self {
        Self {
            rule: applied.rule,
            pointer: applied.pointer.clone(),
            title: applied.title.clone(),
        }
    }
}

/// What is to be said about one file.
#[derive(Debug)]
pub(super) struct FileReport {
    pub path: String,
    /// None for what is no document, and for the configuration.
    pub kind: Option<&'static str>,
    pub score: u64,
    pub findings: Vec<Shown>,
    /// Findings that were only counted.
    pub left_out: usize,
    pub accepted: usize,
    pub fixed: Vec<Fixed>,
    /// What mending would change.
    pub diff: Option<String>,
}

impl FileReport {
    /// The configuration as a file in which something was found.
    pub fn of_config(path: &Path, findings: Vec<Shown>) -> Self {
        Self {
            path: path.to_string_lossy().into_owned(),
            kind: None,
            score: 100,
            findings,
            left_out: 0,
            accepted: 0,
            fixed: Vec::new(),
            diff: None,
        }
    }

    /// Keeps at most so many findings.
    pub fn keep(&mut self, most: usize) {
        self.left_out += self.findings.len().saturating_sub(most);
        self.findings.truncate(most);
    }
}

/// What was found.
#[derive(Debug)]
pub(super) struct Report {
    pub files: Vec<FileReport>,
    pub unreadable: Vec<Unreadable>,
    /// Files that look like no document of this protocol.
    pub unknown: Vec<String>,
    /// Name of the preset; none where the rules were named one by one.
    pub preset: Option<&'static str>,
    /// How many rules were asked.
    pub rules: usize,
    /// None where no document was looked at.
    pub score: Option<u64>,
    /// Whether changes were only shown.
    pub only_shown: bool,
}

impl Report {
    /// All files together.
    pub fn new(
        files: Vec<FileReport>,
        unreadable: Vec<Unreadable>,
        unknown: Vec<String>,
        ask: &Ask,
        score: Option<u64>,
    ) -> Self {
        Self {
            files,
            unreadable,
            unknown,
            preset: (!ask.chosen).then(|| ask.preset.name()),
            rules: ask.rules,
            score,
            only_shown: ask.mend.only_show,
        }
    }

    /// Every finding with its file.
    pub fn findings(&self) -> impl Iterator<Item = (&FileReport, &Shown)> {
        let files = self.files.iter();
        files.flat_map(|file| file.findings.iter().map(move |finding| (file, finding)))
    }

    /// How many findings of a severity there are.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings()
            .filter(|(_, finding)| finding.severity == severity)
            .count()
    }

    /// How many of a severity or a worse one.
    pub fn count_from(&self, least: Severity) -> usize {
        let (mut count, mut left_out) = (0, 0);
        for file in &self.files {
            left_out += file.left_out;
            count += file
                .findings
                .iter()
                .filter(|finding| finding.severity >= least)
                .count();
        }
        // Of what was only counted nobody knows how bad it is.
        count + left_out
    }

    /// Counts for every form.
    pub fn summary(&self) -> Value {
        let sum = |of: fn(&FileReport) -> usize| self.files.iter().map(of).sum::<usize>();
        json!({
            "files": self.files.iter().filter(|file| !file.is_config()).count(),
            "files_with_findings": self.files.iter().filter(|file| !file.findings.is_empty()).count(),
            "unreadable": self.unreadable.len(),
            "unknown": self.unknown.len(),
            "preset": self.preset,
            "rules": self.rules,
            "errors": self.count(Severity::Error),
            "warnings": self.count(Severity::Warning),
            "notes": self.count(Severity::Note),
            "left_out": sum(|file| file.left_out),
            "accepted": sum(|file| file.accepted),
            "fixed": if self.only_shown { 0 } else { sum(|file| file.fixed.len()) },
            "score": self.score,
        })
    }
}

impl FileReport {
    /// Whether it is the configuration, in which only its own entries are found.
    pub fn is_config(&self) -> bool {
        self.kind.is_none() && self.score == 100
    }
}
