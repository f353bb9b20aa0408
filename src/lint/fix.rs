//! Mending what rules know how to mend.

use super::{Change, DocumentKind, Finding, Selection, check};
use crate::document::edit::{self, Edit};
use crate::document::{Document, Limits};

/// Most rounds: one fix may make room for another, but not for ever.
const MOST_ROUNDS: usize = 32;
/// Most changes that are tried one by one in a round, when they do not go together.
const MOST_ALONE: usize = 100;

/// A change that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The rule whose finding it mended.
    pub rule: &'static str,
    /// Where that was, as JSON Pointer into the document as it was in that round.
    pub pointer: String,
    /// What was done.
    pub title: String,
}

/// A document after all changes.
#[derive(Debug, Clone)]
pub struct Fixed {
    /// The document, read anew.
    pub document: Document,
    /// What was done, in order; empty when nothing was.
    pub applied: Vec<Applied>,
}

/// Makes every safe change that the findings of the selected rules offer, and with `also_unsafe` the others too, until none is left.
///
/// A change that the text does not allow is left out; `keep` says which findings may be mended at all.
pub fn apply(
    document: &Document,
    kind: DocumentKind,
    selection: &Selection,
    also_unsafe: bool,
    limits: &Limits,
    keep: impl Fn(&Document, &Finding) -> bool,
) -> Fixed {
    let mut fixed = Fixed {
        document: document.clone(),
        applied: Vec::new(),
    };
    for _ in 0..MOST_ROUNDS {
        let outcome = check(&fixed.document, kind, selection);
        let offered: Vec<(&Finding, &Change)> = outcome
            .findings
            .iter()
            .filter(|finding| keep(&fixed.document, finding))
            .filter_map(|finding| Some((finding, finding.change.as_ref()?)))
            .filter(|(_, change)| change.safe || also_unsafe)
            .collect();
        let Some((next, done)) = round(&fixed.document, &offered, limits) else {
            break;
        };
        fixed.document = next;
        fixed.applied.extend(done);
    }
    fixed
}

/// One round: as many changes as go together; `None` when none can be made.
fn round(
    document: &Document,
    offered: &[(&Finding, &Change)],
    limits: &Limits,
) -> Option<(Document, Vec<Applied>)> {
    let mut together: Vec<Edit> = Vec::new();
    let mut taken = Vec::new();
    for (finding, change) in offered {
        if apart(document, &together, &change.steps) {
            together.extend(change.steps.iter().cloned());
            taken.push((*finding, *change));
        }
    }
    if taken.is_empty() {
        return None;
    }
    if let Ok(next) = edit::apply(document, &together, limits) {
        return Some((next, taken.iter().map(|(f, c)| applied(f, c)).collect()));
    }
    // Something among them cannot be done in this text: the first that can be done alone is.
    offered
        .iter()
        .take(MOST_ALONE)
        .find_map(|(finding, change)| {
            let next = edit::apply(document, &change.steps, limits).ok()?;
            (next.text() != document.text()).then(|| (next, vec![applied(finding, change)]))
        })
}

fn applied(finding: &Finding, change: &Change) -> Applied {
    Applied {
        rule: finding.rule.id,
        pointer: finding.pointer.clone(),
        title: change.title.clone(),
    }
}

/// Whether steps touch no place that others touch, and none within or around one.
fn apart(document: &Document, others: &[Edit], steps: &[Edit]) -> bool {
    let clash = |a: &Edit, b: &Edit| {
        let inserts = |edit: &Edit| matches!(edit, Edit::Insert { .. });
        let (p, q) = (a.pointer(), b.pointer());
        match (inserts(a), inserts(b)) {
            // What is put into an object clashes with what becomes of the object, not of its other members.
            (true, true) => p == q,
            (true, false) => leads_into(p, q),
            (false, true) => leads_into(q, p),
            (false, false) => leads_into(p, q) || leads_into(q, p),
        }
    };
    let exists = |edit: &Edit| document.value().pointer(edit.pointer()).is_some();
    steps
        .iter()
        .all(|step| exists(step) && !others.iter().any(|other| clash(step, other)))
}

/// Whether `inner` is at or below `outer`.
pub(super) fn leads_into(inner: &str, outer: &str) -> bool {
    inner
        .strip_prefix(outer)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
