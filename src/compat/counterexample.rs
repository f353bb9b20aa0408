//! Values that show what a change breaks: accepted on the one side, refused on the other. Both schemas are asked before one is shown.

use serde_json::Value;

use super::change::{Changes, Direction};
use super::sample::Sampler;
use super::schema::Found;
use crate::json;
use crate::schema::{self, Schema};

/// Longest value that is shown, as canonical text in bytes.
const LONGEST: usize = 4096;

/// Largest schema that is asked so often, in subschemas.
const MOST_PLACES: usize = 2000;

/// Most values that are tried for one change.
const MOST_TRIED: usize = 160;

/// What looking for values may cost in one comparison.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    /// Values that schemas are asked about.
    asked: usize,
    /// Values that are built.
    built: usize,
    /// Schemas that are compiled.
    compiled: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            asked: 30_000,
            built: 600_000,
            compiled: 400,
        }
    }
}

/// Looks for a value for each breaking change of one schema.
pub(super) fn show(
    old: &Value,
    new: &Value,
    direction: Direction,
    found: &[Found<'_>],
    budget: &mut Budget,
    changes: &mut Changes,
) {
    if found.is_empty() || budget.compiled < 2 {
        return;
    }
    budget.compiled -= 2;
    let (Ok(before), Ok(after)) = (schema::compile(old), schema::compile(new)) else {
        return;
    };
    if before.places() > MOST_PLACES || after.places() > MOST_PLACES {
        return;
    }
    // What was accepted and no longer is, or what may come now and could not before.
    let (accepts, refuses, source) = match direction {
        Direction::Output => (after, before, new),
        _ => (before, after, old),
    };
    let judge = Judge { accepts, refuses };
    for one in found {
        if budget.asked == 0 || budget.built == 0 {
            return;
        }
        let tried = candidates(one, (old, new, source), changes, budget);
        for candidate in tried.into_iter().take(MOST_TRIED) {
            if budget.asked == 0 {
                return;
            }
            budget.asked -= 1;
            if judge.shows(&candidate) {
                changes.show(one.index, candidate);
                break;
            }
        }
    }
}

struct Judge {
    accepts: Schema,
    refuses: Schema,
}

impl Judge {
    fn shows(&self, value: &Value) -> bool {
        self.accepts.is_valid(value)
            && !self.refuses.is_valid(value)
            && json::canonical(value).len() <= LONGEST
    }
}

/// Values of the whole schema that differ where the change is.
fn candidates(
    found: &Found<'_>,
    (old, new, source): (&Value, &Value, &Value),
    changes: &Changes,
    budget: &mut Budget,
) -> Vec<Value> {
    // One change may use up a part of what is left only.
    let share = (budget.built / 4).clamp(1000, 20_000);
    let mut older = Sampler {
        root: old,
        left: share / 3,
    };
    let mut newer = Sampler {
        root: new,
        left: share / 3,
    };
    let mut whole = Sampler {
        root: source,
        left: share / 3,
    };
    let (kind, last) = changes.named(found.index);
    let mut inner = Vec::new();
    match kind {
        "enum_value_added" | "enum_value_removed" => {
            inner.extend(serde_json::from_str::<Value>(&last));
        }
        "required_added" | "required_removed" | "property_forbidden" | "property_allowed"
        | "property_removed" => {
            inner.extend(older.around_member(found.old, &last));
            inner.extend(newer.around_member(found.new, &last));
        }
        _ => {}
    }
    let (from_old, from_new) = (older.values(found.old, 0), newer.values(found.new, 0));
    let longest = from_old.len().max(from_new.len());
    for index in 0..longest {
        inner.extend(from_old.get(index).cloned());
        inner.extend(from_new.get(index).cloned());
    }
    let Some(steps) = &found.steps else {
        // No single place: values of the whole are all there is.
        let mut found = whole.values(source, 0);
        found.truncate(MOST_TRIED);
        budget.built = budget
            .built
            .saturating_sub(share.saturating_sub(whole.left));
        return found;
    };
    inner.truncate(MOST_TRIED);
    let mut placed = Vec::new();
    for value in inner {
        if let Some(value) = whole.place(source, steps, value) {
            placed.push(value);
        }
    }
    let spent = share.saturating_sub(older.left + newer.left + whole.left);
    budget.built = budget.built.saturating_sub(spent.max(100));
    placed
}
