//! Findings that somebody looked at and accepts: told in the document, or in the configuration.
//!
//! [`judge`] is [`check`](super::check) and what the author said about it. Whatever is accepted and is not there is itself a
//! finding, so that no exception outlives its cause.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::config::{self, Config};
use super::fix::leads_into;
use super::rule::{Check, Group, Preset, Rule, Severity};
use super::{DocumentKind, Finding, MOST_FINDINGS, Outcome, Selection, Told, check_with};
use crate::document::{Document, Format, Kind, Node, Span};
use crate::json;

/// The member that silences rules for the object it stands in.
pub const MEMBER: &str = "x-lint-ignore";
/// How a comment of YAML begins that silences rules for a line.
pub const COMMENT: &str = "# oap-lint-ignore:";

/// What both have in common; a text without it holds no ignores.
const MARK: &str = "lint-ignore";

/// The rules about ignores themselves.
pub(super) const RULES: &[Rule] = &[Rule {
    id: "unused_ignore",
    group: Group::Structure,
    severity: Severity::Warning,
    preset: Preset::Recommended,
    clause: "lint.md#ignores",
    summary: "an ignore silences nothing",
    why: "What it was written for is mended, moved or misspelt. Left alone it would hide the next mistake of that kind at this \
          place. Remove it, or correct the rule's name.",
    check: Check::Ignores,
}];

/// A document's findings, less those that are accepted.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The findings, in the order of the text.
    pub findings: Vec<Finding>,
    /// How many more there were, accepted or not.
    pub left_out: usize,
    /// How many are accepted.
    pub ignored: usize,
    /// Which entries of the configuration accepted one, by their index.
    pub used: BTreeSet<usize>,
}

/// Holds a document against the selected rules, as its author and the configuration want it; `file` is its path, if it has one.
pub fn judge(
    document: &Document,
    kind: DocumentKind,
    selection: &Selection,
    config: &Config,
    file: Option<&str>,
) -> Judged {
    judge_with(document, kind, selection, config, file, None)
}

/// The same, with what the loaders of other rooms refuse; `None` where none was asked.
pub fn judge_with(
    document: &Document,
    kind: DocumentKind,
    selection: &Selection,
    config: &Config,
    file: Option<&str>,
    told: Option<&[Told]>,
) -> Judged {
    let Outcome {
        mut findings,
        left_out,
    } = check_with(
        document,
        kind,
        selection,
        told.unwrap_or_default(),
        MOST_FINDINGS,
    );
    let ignores = Ignores::of(document, config, file);
    let mut used = BTreeSet::new();
    let before = findings.len();
    findings.retain(|finding| match ignores.silencing(document, finding) {
        None => true,
        Some(index) => {
            used.insert(index);
            false
        }
    });
    let ignored = before - findings.len();
    for finding in &mut findings {
        finding.severity = config.severity_of(finding.rule);
    }
    let complete = left_out == 0;
    let unused = RULES.iter().filter(|rule| complete && selection.has(rule));
    for rule in unused {
        for (index, ignore) in ignores.list.iter().enumerate() {
            let message = match &ignore.from {
                Origin::Config(_) => continue,
                _ if used.contains(&index) => continue,
                Origin::Text { fault: Some(fault) } => fault.clone(),
                Origin::Text { fault: None } => match config::known(&ignore.rule) {
                    Ok(silenced) if !selection.has(silenced) => continue,
                    // Nobody asked, so nobody knows.
                    Ok(silenced) if told.is_none() && matches!(silenced.check, Check::Told) => {
                        continue;
                    }
                    Ok(silenced) => {
                        format!("'{}' finds nothing here; remove this ignore", silenced.id)
                    }
                    Err(message) => message,
                },
            };
            findings.push(Finding {
                rule,
                severity: config.severity_of(rule),
                pointer: document.pointer_at(ignore.span.start).0,
                span: ignore.span,
                message,
                change: None,
            });
        }
    }
    findings.sort_by_key(|finding| finding.span.start);
    let used = used.into_iter().filter_map(|index| ignores.entry(index));
    Judged {
        used: used.collect(),
        findings,
        left_out,
        ignored,
    }
}

/// Whether a finding may be mended, for [`fix::apply`](super::fix::apply): what is accepted is left as it is.
pub fn not_accepted<'c>(
    config: &'c Config,
    file: Option<&'c str>,
) -> impl Fn(&Document, &Finding) -> bool + 'c {
    let last: RefCell<Option<(String, Ignores)>> = RefCell::new(None);
    move |document, finding| {
        let mut last = last.borrow_mut();
        if last
            .as_ref()
            .is_some_and(|(text, _)| text != document.text())
        {
            *last = None;
        }
        let (_, ignores) = last.get_or_insert_with(|| {
            let ignores = Ignores::of(document, config, file);
            (document.text().to_owned(), ignores)
        });
        ignores.silencing(document, finding).is_none()
    }
}

/// One ignore.
#[derive(Debug, Clone)]
struct Ignore {
    rule: String,
    scope: Scope,
    span: Span,
    from: Origin,
}

#[derive(Debug, Clone)]
enum Origin {
    /// The document, perhaps with something wrong about it.
    Text { fault: Option<String> },
    /// An entry of the configuration.
    Config(usize),
}

#[derive(Debug, Clone)]
enum Scope {
    /// At this pointer and below.
    Below(String),
    /// What begins in this line.
    Line(usize),
    /// Nothing.
    Nowhere,
}

/// All ignores that count for one document.
#[derive(Debug, Clone, Default)]
struct Ignores {
    list: Vec<Ignore>,
    by_rule: BTreeMap<String, Vec<usize>>,
}

impl Ignores {
    fn of(document: &Document, config: &Config, file: Option<&str>) -> Self {
        let mut list = Vec::new();
        if document.text().contains(MARK) {
            members(document.root(), document, &mut String::new(), &mut list);
            if document.format() == Format::Yaml {
                comments(document, &mut list);
            }
            list.sort_by_key(|ignore| ignore.span.start);
        }
        for (index, entry) in config.ignores.iter().enumerate() {
            if entry.is_about(file) {
                list.push(Ignore {
                    rule: entry.rule.clone(),
                    scope: Scope::Below(entry.pointer.clone()),
                    span: Span::default(),
                    from: Origin::Config(index),
                });
            }
        }
        let mut by_rule: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, ignore) in list.iter().enumerate() {
            by_rule.entry(ignore.rule.clone()).or_default().push(index);
        }
        Self { list, by_rule }
    }

    /// The first ignore that is about a finding.
    fn silencing(&self, document: &Document, finding: &Finding) -> Option<usize> {
        let candidates = self.by_rule.get(finding.rule.id)?;
        let line = document.place(finding.span.start).line;
        candidates.iter().copied().find(|index| {
            self.list
                .get(*index)
                .is_some_and(|ignore| match &ignore.scope {
                    Scope::Below(pointer) => leads_into(&finding.pointer, pointer),
                    Scope::Line(of) => *of == line,
                    Scope::Nowhere => false,
                })
        })
    }

    /// The entry of the configuration that an ignore is.
    fn entry(&self, index: usize) -> Option<usize> {
        match self.list.get(index)?.from {
            Origin::Config(entry) => Some(entry),
            Origin::Text { .. } => None,
        }
    }
}

/// The ignores that stand in members; the depth of a tree is bounded by its reader.
fn members(node: &Node, document: &Document, pointer: &mut String, found: &mut Vec<Ignore>) {
    let length = pointer.len();
    match &node.kind {
        Kind::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                if !matches!(element.kind, Kind::Scalar | Kind::Alias) {
                    pointer.push_str(&format!("/{index}"));
                    members(element, document, pointer, found);
                    pointer.truncate(length);
                }
            }
        }
        Kind::Object(list) => {
            for member in list {
                if member.key == MEMBER {
                    listed(&member.value, member.key_span, document, pointer, found);
                } else if !matches!(member.value.kind, Kind::Scalar | Kind::Alias) {
                    *pointer = json::push(pointer, &member.key);
                    members(&member.value, document, pointer, found);
                    pointer.truncate(length);
                }
            }
        }
        Kind::Scalar | Kind::Alias => {}
    }
}

/// The rules that one member names, for the object at `pointer`.
fn listed(node: &Node, key: Span, document: &Document, pointer: &str, found: &mut Vec<Ignore>) {
    let value = document.value().pointer(&json::push(pointer, MEMBER));
    let (Kind::Array(nodes), Some(values)) =
        (&node.kind, value.and_then(serde_json::Value::as_array))
    else {
        return found.push(misshapen(key));
    };
    if nodes.is_empty() {
        return found.push(misshapen(key));
    }
    for (node, value) in nodes.iter().zip(values) {
        let Some(text) = value.as_str() else {
            found.push(misshapen(node.span));
            continue;
        };
        found.push(Ignore {
            rule: text.split_whitespace().next().unwrap_or("").to_owned(),
            scope: Scope::Below(pointer.to_owned()),
            span: node.span,
            from: Origin::Text { fault: None },
        });
    }
}

/// What is meant as an ignore and names no rules.
fn misshapen(span: Span) -> Ignore {
    Ignore {
        rule: String::new(),
        scope: Scope::Nowhere,
        span,
        from: Origin::Text {
            fault: Some(format!("write '{MEMBER}' as a list of rule names")),
        },
    }
}

/// The ignores that stand in comments: for the line they stand in, or, alone in a line, for the next one that is no comment.
fn comments(document: &Document, found: &mut Vec<Ignore>) {
    let text = document.text();
    for (start, _) in text.match_indices(COMMENT) {
        let place = document.place(start);
        let line_start = document.lines().start(place.line);
        let before = text.get(line_start..start).unwrap_or_default();
        let alone = before.trim().is_empty();
        if !alone && !before.ends_with([' ', '\t']) || within_text(document, start) {
            continue;
        }
        let rest = text.get(start..).unwrap_or_default();
        let comment = rest.split('\n').next().unwrap_or(rest).trim_end();
        let line = if alone {
            next_line(text, document, place.line)
        } else {
            place.line
        };
        let said = comment.get(COMMENT.len()..).unwrap_or_default();
        let ids = rules_of(said);
        let none = ids.is_empty();
        let ids = if none { vec![String::new()] } else { ids };
        for rule in ids {
            found.push(Ignore {
                rule,
                scope: if none {
                    Scope::Nowhere
                } else {
                    Scope::Line(line)
                },
                span: Span::new(start, start + comment.len()),
                from: Origin::Text {
                    fault: none
                        .then(|| format!("name the rule that is meant: '{COMMENT} rule reason'")),
                },
            });
        }
    }
}

/// The rules of a comment: names with commas between them; what follows is the reason.
fn rules_of(said: &str) -> Vec<String> {
    let mut ids = Vec::new();
    for word in said.split_whitespace() {
        let more = word.ends_with(',');
        let names = word.split(',').filter(|name| !name.is_empty());
        ids.extend(names.map(str::to_owned));
        if !more {
            break;
        }
    }
    ids
}

/// Whether a byte belongs to a string of the document, where `#` begins no comment.
fn within_text(document: &Document, offset: usize) -> bool {
    let (pointer, named) = document.pointer_at(offset);
    let scalar = document
        .at(&pointer)
        .is_some_and(|node| matches!(node.kind, Kind::Scalar));
    let span = if named {
        document.key_span(&pointer)
    } else {
        document.span(&pointer)
    };
    (named || scalar) && span.start <= offset && offset < span.end
}

/// The first line after one that holds more than a comment.
fn next_line(text: &str, document: &Document, line: usize) -> usize {
    let rest = text.get(document.lines().start(line)..).unwrap_or_default();
    let further = rest
        .split('\n')
        .skip(1)
        .position(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    further.map_or(line, |further| line + 1 + further)
}

#[cfg(test)]
mod tests;
