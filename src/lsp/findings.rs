//! Findings as diagnostics, and their changes as code actions.

use serde_json::{Value, json};

use super::position::Positions;
use super::server::{Open, Rules};
use crate::document::edit::{self, Edit};
use crate::document::{Document, Limits, Span};
use crate::lint::ignore::not_accepted;
use crate::lint::{Change, Finding, Severity, fix};

/// The diagnostics of a text: what does not read, or what the rules find.
pub(super) fn diagnostics(open: &Open, positions: &Positions<'_>) -> Vec<Value> {
    match &open.read {
        Err(error) => {
            let end = error.span.end.max(error.span.start);
            vec![json!({
                "range": positions.range(Span::new(error.span.start, end)),
                "severity": 1,
                "source": "oap-conform",
                "code": error.code,
                "message": error.message,
            })]
        }
        Ok(_) => open
            .findings
            .iter()
            .map(|finding| diagnostic(finding, positions))
            .collect(),
    }
}

fn diagnostic(finding: &Finding, positions: &Positions<'_>) -> Value {
    json!({
        "range": positions.range(finding.span),
        "severity": match finding.severity {
            Severity::Error => 1,
            Severity::Warning => 2,
            Severity::Note => 3,
        },
        "source": "oap-conform",
        "code": finding.rule.id,
        "message": finding.message,
    })
}

/// The changes that mend findings within a span, and one that mends all of the text that can be mended safely.
pub(super) fn actions(
    uri: &str,
    open: &Open,
    rules: &Rules,
    positions: &Positions<'_>,
    wanted: Span,
    only: Option<&[Value]>,
) -> Vec<Value> {
    let Ok(document) = &open.read else {
        return Vec::new();
    };
    let allows = |kind: &str| {
        only.is_none_or(|kinds| {
            kinds.iter().filter_map(Value::as_str).any(|wanted| {
                kind == wanted
                    || kind
                        .strip_prefix(wanted)
                        .is_some_and(|rest| rest.starts_with('.'))
            })
        })
    };
    let mut actions = Vec::new();
    if allows("quickfix") {
        let touched = open
            .findings
            .iter()
            .filter(|finding| finding.span.start <= wanted.end && wanted.start <= finding.span.end);
        for finding in touched {
            let Some(change) = &finding.change else {
                continue;
            };
            if let Some(edits) = text_edits(document, change, positions) {
                actions.push(json!({
                    "title": change.title,
                    "kind": "quickfix",
                    "isPreferred": change.safe,
                    "diagnostics": [diagnostic(finding, positions)],
                    "edit": {"changes": {uri: edits}},
                }));
            }
        }
    }
    let can_be_mended = open
        .findings
        .iter()
        .any(|finding| finding.change.as_ref().is_some_and(|change| change.safe));
    if can_be_mended && allows("source.fixAll.oap-conform") {
        let fixed = fix::apply(
            document,
            open.kind,
            &rules.selection,
            false,
            &Limits::DOCUMENT,
            not_accepted(&rules.config, Some(&open.path)),
        );
        if !fixed.applied.is_empty() {
            let whole = Span::new(0, document.text().len());
            actions.push(json!({
                "title": format!("make all {} safe changes", fixed.applied.len()),
                "kind": "source.fixAll.oap-conform",
                "edit": {"changes": {uri: [{
                    "range": positions.range(whole),
                    "newText": fixed.document.text(),
                }]}},
            }));
        }
    }
    actions
}

/// A change as edits of the text; `None` when the text does not allow it.
fn text_edits(
    document: &Document,
    change: &Change,
    positions: &Positions<'_>,
) -> Option<Vec<Value>> {
    // Whether it can be made at all is known only after it was made.
    edit::apply(document, &change.steps, &Limits::DOCUMENT).ok()?;
    let splices: Result<Vec<_>, _> = change
        .steps
        .iter()
        .map(|step: &Edit| edit::splices(document, step))
        .collect();
    let edits = splices
        .ok()?
        .into_iter()
        .flatten()
        .map(|splice| json!({"range": positions.range(splice.span), "newText": splice.text}));
    Some(edits.collect())
}
