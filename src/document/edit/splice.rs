//! Which bytes of a text an edit takes.

use serde_json::Value;

use super::{Edit, EditError};
use crate::document::{BYTE_ORDER_MARK, Document, Format, Kind, Member, Node, Span};
use crate::json;

/// Most members of one name that are taken out at once: each of them may have a finding that offers to do so.
const MOST_EARLIER: usize = 100;

/// Bytes that become others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splice {
    /// Which.
    pub span: Span,
    /// What stands there afterwards.
    pub text: String,
}

/// The text with all splices done; `None` when two of them overlap.
pub(super) fn spliced(text: &str, mut splices: Vec<Splice>) -> Option<String> {
    splices.sort_by_key(|splice| splice.span);
    let mut done = String::with_capacity(text.len());
    let mut from = 0;
    for splice in splices {
        if splice.span.start < from {
            return None;
        }
        done.push_str(text.get(from..splice.span.start)?);
        done.push_str(&splice.text);
        from = splice.span.end;
    }
    done.push_str(text.get(from..)?);
    Some(done)
}

/// What an edit does to the text.
pub(super) fn splices(document: &Document, edit: &Edit) -> Result<Vec<Splice>, EditError> {
    let nowhere = || EditError::NoPlace(edit.pointer().to_owned());
    let one = |splice: Option<Splice>| splice.map(|splice| vec![splice]).ok_or_else(nowhere);
    match edit {
        Edit::Replace { pointer, value } => {
            let node = document.at(pointer).ok_or_else(nowhere)?;
            one(Some(replace(document, pointer, node, value)))
        }
        Edit::Rename { pointer, name } => one(owner(document, pointer).and_then(|(up, token)| {
            let member = last_named(up, &token)?;
            Some(Splice {
                span: member.key_span,
                text: spell_key(document, member.key_span, name),
            })
        })),
        Edit::Remove { pointer } => one(owner(document, pointer).and_then(|(up, token)| {
            let index = match &up.kind {
                Kind::Array(_) => token.parse::<usize>().ok()?,
                Kind::Object(members) => members.iter().rposition(|member| member.key == token)?,
                Kind::Scalar | Kind::Alias => return None,
            };
            remove(document, up, index)
        })),
        Edit::KeepLast { pointer } => {
            let (up, token) = owner(document, pointer).ok_or_else(nowhere)?;
            let Kind::Object(members) = &up.kind else {
                return Err(nowhere());
            };
            let named = members
                .iter()
                .enumerate()
                .filter(|(_, member)| member.key == token);
            let named: Vec<usize> = named.map(|(index, _)| index).collect();
            let (_, earlier) = named.split_last().ok_or_else(nowhere)?;
            if earlier.len() > MOST_EARLIER {
                return Err(nowhere());
            }
            let parts = parts(up);
            let removed: Option<Vec<Splice>> = earlier
                .iter()
                .map(|index| remove_part(document, up, &parts, *index))
                .collect();
            removed.ok_or_else(nowhere)
        }
        Edit::DropMark { .. } => one(document.is_marked().then(|| Splice {
            span: Span::new(0, BYTE_ORDER_MARK.len_utf8()),
            text: String::new(),
        })),
        Edit::Insert {
            pointer,
            name,
            value,
        } => {
            let node = document.at(pointer).ok_or_else(nowhere)?;
            one(insert(document, node, name, value))
        }
    }
}

/// The collection a pointer's last token belongs to, and that token.
fn owner<'d>(document: &'d Document, pointer: &str) -> Option<(&'d Node, String)> {
    let (parent, token) = json::pop(pointer)?;
    Some((document.at(parent)?, token))
}

fn last_named<'n>(node: &'n Node, name: &str) -> Option<&'n Member> {
    match &node.kind {
        Kind::Object(members) => members.iter().rev().find(|member| member.key == name),
        _ => None,
    }
}

/// Brackets and commas, as in JSON; else the indented lines of YAML.
fn is_flow(document: &Document, node: &Node) -> bool {
    document.format() == Format::Json
        || document
            .text()
            .get(node.span.start..)
            .is_some_and(|text| text.starts_with(['{', '[']))
}

fn replace(document: &Document, pointer: &str, node: &Node, value: &Value) -> Splice {
    let text = document.text();
    let mut span = node.span;
    if let Some(splice) = stripped(document, pointer, span, value) {
        return splice;
    }
    let mut written = spell_value(document, span, value);
    if is_block_text(document, span) {
        // Blanks behind the last word are part of the text that goes.
        let rest = text.get(span.end..).unwrap_or_default();
        let line = rest.split('\n').next().unwrap_or_default();
        if line.trim().is_empty() {
            span.end += line.trim_end_matches('\r').len();
        }
    }
    // A block of YAML begins on the line below its name; what is written in brackets belongs beside it.
    let name = document.key_span(pointer);
    let between = text.get(name.end..span.start).unwrap_or_default();
    if document.format() == Format::Yaml && name.end < span.start && between.contains('\n') {
        let rest = between.trim_start();
        // The place of a list is that of its first element, behind the dash.
        let dashes = |c: char| c == '-' && matches!(node.kind, Kind::Array(_));
        if rest.strip_prefix(':').is_some_and(|rest| {
            rest.trim_matches(|c: char| c.is_whitespace() || dashes(c))
                .is_empty()
        }) {
            span.start = name.end;
            written = format!(": {written}");
        }
    }
    Splice {
        span,
        text: written,
    }
}

/// Whether a text of YAML stands in lines of its own, below `|` or `>`.
fn is_block_text(document: &Document, span: Span) -> bool {
    let written = document.text().get(span.start..span.end);
    document.format() == Format::Yaml && written.is_some_and(|text| text.starts_with(['|', '>']))
}

/// A text in lines of its own that only loses its last line feeds keeps its lines: its head says that they do not count.
fn stripped(document: &Document, pointer: &str, span: Span, value: &Value) -> Option<Splice> {
    if !is_block_text(document, span) {
        return None;
    }
    let before = document.value().pointer(pointer)?.as_str()?;
    let after = value.as_str()?;
    if after.is_empty() || after == before || before.trim_end_matches('\n') != after {
        return None;
    }
    let written = document.text().get(span.start..span.end)?;
    let head = written.split_whitespace().next()?;
    let plain: String = head.chars().filter(|c| !matches!(c, '-' | '+')).collect();
    Some(Splice {
        span: Span::new(span.start, span.start + head.len()),
        text: format!("{plain}-"),
    })
}

fn parts(node: &Node) -> Vec<Span> {
    match &node.kind {
        Kind::Array(elements) => elements.iter().map(|element| element.span).collect(),
        Kind::Object(members) => members
            .iter()
            .map(|member| {
                Span::new(
                    member.key_span.start,
                    member.value.span.end.max(member.key_span.end),
                )
            })
            .collect(),
        Kind::Scalar | Kind::Alias => Vec::new(),
    }
}

fn remove(document: &Document, node: &Node, index: usize) -> Option<Splice> {
    remove_part(document, node, &parts(node), index)
}

fn remove_part(document: &Document, node: &Node, parts: &[Span], index: usize) -> Option<Splice> {
    let part = *parts.get(index)?;
    let before = index.checked_sub(1).and_then(|index| parts.get(index));
    let after = parts.get(index + 1);
    if parts.len() == 1 {
        let is_array = matches!(node.kind, Kind::Array(_));
        return Some(Splice {
            span: node.span,
            text: if is_array { "[]" } else { "{}" }.to_owned(),
        });
    }
    let span = if is_flow(document, node) {
        match (before, after) {
            (_, Some(after)) => Span::new(part.start, after.start),
            (Some(before), None) => Span::new(before.end, part.end),
            (None, None) => return None,
        }
    } else {
        block_lines(document, node, part, after)?
    };
    Some(Splice {
        span,
        text: String::new(),
    })
}

/// The lines of a part of a block; a first part that shares its line with a dash leaves the dash to the next.
fn block_lines(document: &Document, node: &Node, part: Span, after: Option<&Span>) -> Option<Span> {
    let text = document.text();
    let line_start = text.get(..part.start)?.rfind('\n').map_or(0, |at| at + 1);
    let lead = text.get(line_start..part.start)?;
    let own_line = match node.kind {
        Kind::Array(_) => lead.trim() == "-",
        _ => lead.trim().is_empty(),
    };
    if own_line {
        let line_end = text.get(part.end..)?.find('\n');
        let end = line_end.map_or(text.len(), |at| part.end + at + 1);
        Some(Span::new(line_start, end))
    } else {
        Some(Span::new(part.start, after?.start))
    }
}

fn insert(document: &Document, node: &Node, name: &str, value: &Value) -> Option<Splice> {
    let Kind::Object(members) = &node.kind else {
        return None;
    };
    let text = document.text();
    let parts = parts(node);
    let Some(last) = parts.last() else {
        // An object without members is always written with brackets.
        return Some(Splice {
            span: node.span,
            text: format!("{{{}: {}}}", quoted(name), in_brackets(value)),
        });
    };
    let written = |key: String, value: String| format!("{key}: {value}");
    if is_flow(document, node) {
        let gap = match parts
            .len()
            .checked_sub(2)
            .and_then(|index| parts.get(index))
        {
            Some(before) => {
                let between = text.get(before.end..last.start)?;
                let blank = between.trim_start().trim_start_matches(',');
                if between.contains('#') || !blank.trim().is_empty() {
                    " ".to_owned()
                } else {
                    blank.to_owned()
                }
            }
            None => {
                let lead = text.get(node.span.start + 1..last.start)?;
                if lead.trim().is_empty() && lead.contains('\n') {
                    lead.to_owned()
                } else {
                    " ".to_owned()
                }
            }
        };
        return Some(Splice {
            span: Span::new(last.end, last.end),
            text: format!(",{gap}{}", written(quoted(name), in_brackets(value))),
        });
    }
    let first = members.first()?.key_span.start;
    let line_start = text.get(..first)?.rfind('\n').map_or(0, |at| at + 1);
    let indent = text.get(line_start..first)?.chars().count();
    let line_end = text.get(last.end..)?.find('\n');
    let at = line_end.map_or(text.len(), |at| last.end + at);
    let value = spell_value(document, Span::new(at, at), value);
    let line = written(spell_key(document, Span::new(at, at), name), value);
    Some(Splice {
        span: Span::new(at, at),
        text: format!("\n{}{line}", " ".repeat(indent)),
    })
}

/// A name as the text around would write it.
fn spell_key(document: &Document, span: Span, name: &str) -> String {
    let written = document.text().get(span.start..span.end);
    let was_quoted = written.is_some_and(|written| written.starts_with(['"', '\'']));
    if document.format() == Format::Json || was_quoted || !is_plain(name) {
        quoted(name)
    } else {
        name.to_owned()
    }
}

/// A value as the text around would write it; collections stand in brackets.
fn spell_value(document: &Document, span: Span, value: &Value) -> String {
    let written = document.text().get(span.start..span.end);
    let was_quoted = written.is_some_and(|written| written.starts_with(['"', '\'']));
    match value {
        Value::String(text)
            if document.format() == Format::Yaml && !was_quoted && is_plain(text) =>
        {
            text.clone()
        }
        _ => in_brackets(value),
    }
}

/// JSON with a blank behind commas and colons.
fn in_brackets(value: &Value) -> String {
    match value {
        Value::Array(elements) => {
            let elements: Vec<String> = elements.iter().map(in_brackets).collect();
            format!("[{}]", elements.join(", "))
        }
        Value::Object(members) => {
            let members: Vec<String> = members
                .iter()
                .map(|(name, value)| format!("{}: {}", quoted(name), in_brackets(value)))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
        other => other.to_string(),
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// Whether YAML reads a text as itself without quotes, wherever it stands.
fn is_plain(text: &str) -> bool {
    let begins = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let words = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    begins
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'))
        && !words.iter().any(|word| text.eq_ignore_ascii_case(word))
}
