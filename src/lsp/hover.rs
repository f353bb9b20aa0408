//! What is told of the place under a cursor: what the member is for, its clause, and the rules that were broken there.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::clauses;
use super::members::Members;
use super::position::Positions;
use super::server::Open;
use crate::lint::Subject;

/// The answer to a hover; `None` where there is nothing to tell.
pub(super) fn at(open: &Open, positions: &Positions<'_>, offset: usize) -> Option<Value> {
    let document = open.read.as_ref().ok()?;
    let (pointer, named) = document.pointer_at(offset);
    let subject = Subject::new(document, open.kind);
    let members = Members::of(open.kind, subject.is_json_ld(), open.form);
    let mut told = String::new();
    let name = pointer.rsplit('/').next().unwrap_or_default();
    let is_member = !name.is_empty() && name.parse::<usize>().is_err();
    if is_member && let Some(description) = members.description(&pointer) {
        // Writing to a string cannot fail.
        let _ = writeln!(told, "**`{name}`** {description}\n");
        for clause in clauses::of(open.kind, document.value(), &pointer) {
            let _ = writeln!(told, "> {} _{}_\n", clause.quote, clause.id);
        }
    }
    for finding in open
        .findings
        .iter()
        .filter(|finding| finding.span.touches(offset))
    {
        let rule = finding.rule;
        let _ = writeln!(
            told,
            "**{}** `{}`: {}\n\n{} _{}_\n",
            finding.severity.name(),
            rule.id,
            finding.message,
            rule.why,
            rule.clause
        );
    }
    let span = if named {
        document.key_span(&pointer)
    } else {
        document.span(&pointer)
    };
    (!told.is_empty()).then(|| {
        json!({
            "contents": {"kind": "markdown", "value": told.trim_end()},
            "range": positions.range(span),
        })
    })
}
