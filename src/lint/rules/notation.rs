//! Rules of how a text is written, of any kind: what it says is clear here, and another reader takes it otherwise.

mod scalars;

use serde_json::Value;

use crate::document::edit::Edit;
use crate::document::{Document, Format, Kind, Node};
use crate::json;
use crate::lint::rule::{Check, Found, Group, Preset, Rule, Severity};
use crate::lint::subject::Subject;

const DOCUMENT: &str = "manifests.md#1-the-document";

const GROUP: Group = Group::Structure;

/// The rules.
pub(super) const RULES: &[Rule] = &[
    Rule {
        severity: Severity::Error,
        preset: Preset::Spec,
        clause: "MAN-001",
        ..GROUP.warned(
            "byte_order_mark",
            DOCUMENT,
            Check::Other(mark),
            "a byte order mark stands before JSON",
            "Some editors put three bytes before a text of UTF-8 that nobody sees. JSON has no place for them, and a runtime refuses the text \
             as `malformed_json`. Take the mark out, and tell the editor to save UTF-8 without it.",
        )
    },
    GROUP.warned(
        "merge_key",
        DOCUMENT,
        Check::Other(merge_keys),
        "a member of YAML is called `<<`",
        "Older readers of YAML put the members of what stands behind `<<` into the object around. YAML 1.2 has no such thing: here it is a member \
         like any other, and what it should bring is missing. Write the members out.",
    ),
    GROUP.warned(
        "ambiguous_scalar",
        DOCUMENT,
        Check::Other(scalars::ambiguous),
        "a plain text or number of YAML is something else to readers of YAML 1.1",
        "`yes` is a text in YAML 1.2 and true in 1.1, `010` is ten and eight, `12:30` a text and 750, a date a text and a point in time. \
         Many libraries still read 1.1. Quote what is a text, and write numbers in digits.",
    ),
];

fn mark(subject: &Subject<'_>, found: &mut Found<'_>) {
    if subject.document().is_marked() {
        let pointer = String::new();
        found
            .at(
                "",
                "a byte order mark stands before the text; save it without one",
            )
            .fix(
                "remove the byte order mark",
                vec![Edit::DropMark { pointer }],
            );
    }
}

fn merge_keys(subject: &Subject<'_>, found: &mut Found<'_>) {
    let document = subject.document();
    if document.format() != Format::Yaml || !document.text().contains("<<") {
        return;
    }
    each(document.root(), &mut String::new(), &mut |pointer, node| {
        let Kind::Object(members) = &node.kind else {
            return;
        };
        for member in members.iter().filter(|member| member.key == "<<") {
            if written(document, member.key_span) == "<<" {
                found.at_name(
                    subject.unified(&json::push(pointer, "<<")),
                    "YAML 1.2 merges nothing here, so this is a member called '<<'; write its members out",
                );
            }
        }
    });
}

fn written(document: &Document, span: crate::document::Span) -> &str {
    document
        .text()
        .get(span.start..span.end)
        .unwrap_or_default()
}

/// Visits every part of a text; the depth of a tree is bounded by its reader.
fn each(node: &Node, pointer: &mut String, visit: &mut impl FnMut(&str, &Node)) {
    visit(pointer, node);
    let length = pointer.len();
    match &node.kind {
        Kind::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                json::append(pointer, &index.to_string());
                each(element, pointer, visit);
                pointer.truncate(length);
            }
        }
        Kind::Object(members) => {
            for member in members {
                json::append(pointer, &member.key);
                each(&member.value, pointer, visit);
                pointer.truncate(length);
            }
        }
        Kind::Scalar | Kind::Alias => {}
    }
}

/// The value at a place, written anew.
fn rewritten(subject: &Subject<'_>, pointer: &str) -> Option<(Value, Vec<Edit>)> {
    let value = subject.document().value().pointer(pointer)?.clone();
    let pointer = subject.unified(pointer);
    let step = Edit::Replace {
        pointer,
        value: value.clone(),
    };
    Some((value, vec![step]))
}
