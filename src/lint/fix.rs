//! Mending what rules know how to mend.

use std::collections::HashSet;

use super::{Change, DocumentKind, Finding, Selection, check_with};
use crate::document::edit::{self, Edit};
use crate::document::{Document, Limits};
use crate::json;

/// Most rounds: one fix may make room for another, but not for ever.
const MOST_ROUNDS: usize = 32;
/// Most findings of one round: what one round leaves, the next one looks for anew in the whole document.
const MOST_OF_A_ROUND: usize = 20_000;
/// Most times that a round is tried with a part of its changes, when they do not go together.
const MOST_TRIES: usize = 100;

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
        let outcome = check_with(&fixed.document, kind, selection, &[], MOST_OF_A_ROUND);
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
    let mut touched = Touched::default();
    let taken: Vec<(&Finding, &Change)> = offered
        .iter()
        .filter(|(_, change)| touched.takes(document, &change.steps))
        .copied()
        .collect();
    let mut round = Round {
        document,
        limits,
        taken: Vec::new(),
        done: None,
        tries: 0,
    };
    round.add(&taken);
    let Round { taken, done, .. } = round;
    Some((done?, taken.iter().map(|(f, c)| applied(f, c)).collect()))
}

/// Changes that go together.
struct Round<'r> {
    document: &'r Document,
    limits: &'r Limits,
    taken: Vec<(&'r Finding, &'r Change)>,
    /// The document with all that is taken.
    done: Option<Document>,
    tries: usize,
}

impl<'r> Round<'r> {
    /// Takes of some changes those that can be done: all, or of each half as many as go. The depth is that of halving.
    fn add(&mut self, some: &[(&'r Finding, &'r Change)]) {
        if some.is_empty() || self.tries >= MOST_TRIES {
            return;
        }
        self.tries += 1;
        let steps = self.taken.iter().chain(some);
        let steps: Vec<Edit> = steps.flat_map(|(_, change)| change.steps.clone()).collect();
        let next = edit::apply(self.document, &steps, self.limits).ok();
        if let Some(next) = next.filter(|next| next.text() != self.document.text()) {
            self.taken.extend(some);
            self.done = Some(next);
        } else if some.len() > 1 {
            let (first, second) = some.split_at(some.len() / 2);
            self.add(first);
            self.add(second);
        }
    }
}

fn applied(finding: &Finding, change: &Change) -> Applied {
    Applied {
        rule: finding.rule.id,
        pointer: finding.pointer.clone(),
        title: change.title.clone(),
    }
}

/// The places that changes touch.
#[derive(Debug, Default)]
struct Touched {
    /// What is replaced, renamed or removed.
    places: HashSet<String>,
    /// What is around those.
    around: HashSet<String>,
    /// Objects that get a member more, and what is around them.
    inserts: HashSet<String>,
    around_inserts: HashSet<String>,
    /// What members will be called.
    names: HashSet<String>,
}

impl Touched {
    /// Takes the steps of a change when they touch no place that others touch, and none within or around one.
    fn takes(&mut self, document: &Document, steps: &[Edit]) -> bool {
        let exists = |edit: &Edit| document.value().pointer(edit.pointer()).is_some();
        if !steps.iter().all(|step| exists(step) && !self.clashes(step)) {
            return false;
        }
        for step in steps {
            let pointer = step.pointer();
            self.names.extend(name_of(step));
            let above = above(pointer).map(str::to_owned);
            if matches!(step, Edit::Insert { .. }) {
                self.around_inserts.extend(above);
                self.inserts.insert(pointer.to_owned());
            } else {
                self.around.extend(above);
                self.places.insert(pointer.to_owned());
            }
        }
        true
    }

    fn clashes(&self, step: &Edit) -> bool {
        let pointer = step.pointer();
        let is_within = self.places.contains(pointer)
            || above(pointer).any(|place| self.places.contains(place));
        // What is put into an object clashes with what becomes of the object, not of its other members.
        let meets = if matches!(step, Edit::Insert { .. }) {
            self.inserts.contains(pointer)
        } else {
            self.around.contains(pointer)
                || self.inserts.contains(pointer)
                || self.around_inserts.contains(pointer)
        };
        is_within || meets || name_of(step).is_some_and(|name| self.names.contains(&name))
    }
}

/// What a member will be called, as the pointer that it will have.
fn name_of(step: &Edit) -> Option<String> {
    match step {
        Edit::Rename { pointer, name } => Some(json::push(json::pop(pointer)?.0, name)),
        Edit::Insert { pointer, name, .. } => Some(json::push(pointer, name)),
        _ => None,
    }
}

/// The places around one, the nearest first.
fn above(pointer: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(pointer), |place| {
        place.rsplit_once('/').map(|(above, _)| above)
    })
    .skip(1)
}

/// Whether `inner` is at or below `outer`.
pub(super) fn leads_into(inner: &str, outer: &str) -> bool {
    inner
        .strip_prefix(outer)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::document::Format;

    #[test]
    fn what_touches_the_same_place_waits() {
        let document = Document::read(r#"{"a": {"b": 1, "c": {}}, "ab": [1, 2]}"#, Format::Json);
        let document = document.expect("reads");
        let remove = |pointer: &str| Edit::Remove {
            pointer: pointer.to_owned(),
        };
        let insert = |pointer: &str, name: &str| Edit::Insert {
            pointer: pointer.to_owned(),
            name: name.to_owned(),
            value: json!(1),
        };
        let rename = |pointer: &str, name: &str| Edit::Rename {
            pointer: pointer.to_owned(),
            name: name.to_owned(),
        };
        for (first, second, together) in [
            (remove("/a"), remove("/ab"), true),
            (remove("/a"), remove("/a/b"), false),
            (remove("/a/b"), remove("/a"), false),
            (remove("/a/b"), remove("/a/b"), false),
            (remove("/a/b"), insert("/a", "x"), true),
            (insert("/a", "x"), insert("/a", "y"), false),
            (insert("/a/c", "x"), insert("/a", "y"), true),
            (insert("/a/c", "x"), remove("/a"), false),
            (remove("/a"), insert("/a/c", "x"), false),
            (rename("/a/b", "x"), rename("/a/c", "x"), false),
            (rename("/a/b", "x"), insert("/a", "x"), false),
            (rename("/a/b", "x"), rename("/a/c", "y"), true),
            (remove("/ab/0"), remove("/ab/1"), true),
            (remove("/ab/0"), remove("/ab/2"), false),
        ] {
            let mut touched = Touched::default();
            assert!(touched.takes(&document, std::slice::from_ref(&first)));
            let taken = touched.takes(&document, std::slice::from_ref(&second));
            assert_eq!(taken, together, "{first:?} {second:?}");
        }
    }

    #[test]
    fn more_is_mended_than_the_loader_lists() {
        let manifest = |count: usize| {
            let actions: Vec<String> = (0..count)
                .map(|index| format!("- name: a{index}\n  type: human_intervention\n  prompt: p\n  descripton: x{index}\n"))
                .collect();
            format!("name: n\nversion: 1.0.0\nactions:\n{}", actions.concat())
        };
        let document = Document::read(manifest(300), Format::Yaml).expect("reads");
        let selection =
            Selection::preset(crate::lint::Preset::Spec).only(["unknown_member".to_owned()]);
        let fixed = apply(
            &document,
            DocumentKind::Manifest,
            &selection,
            false,
            &Limits::DOCUMENT,
            |_, _| true,
        );
        assert_eq!(fixed.applied.len(), 300);
        assert!(!fixed.document.text().contains("descripton"));
    }
}
