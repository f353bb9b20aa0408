//! Intents: which actions a session that names one may use.

use serde_json::Value;

use super::change::Changes;
use super::members::{Element, Matched, Pair, elements, matched};
use super::{access, quoted};

/// Compares the intents of two documents.
pub(super) fn compare(document: &Pair<'_>, old: &Value, new: &Value, changes: &mut Changes) {
    let at = document.at.member("intents");
    let Matched {
        both,
        gone,
        added,
        renamed,
    } = matched(
        &elements(document.old, "intents"),
        &elements(document.new, "intents"),
    );
    for (name, Element { index, .. }) in gone {
        let at = at.element(Some(index), None, &name);
        changes.add(
            "intent_removed",
            &at,
            format!("intent {} is gone", quoted(&name)),
        );
    }
    for (name, Element { index, .. }) in added {
        let at = at.element(None, Some(index), &name);
        changes.add(
            "intent_added",
            &at,
            format!("intent {} is new", quoted(&name)),
        );
    }
    for ((before, older), (after, newer)) in renamed {
        let at = at.element(Some(older.index), Some(newer.index), &before);
        let message = format!(
            "intent {} is called {} now",
            quoted(&before),
            quoted(&after)
        );
        changes.add("intent_renamed", &at, message);
    }
    for (name, older, newer) in both {
        let at = at.element(Some(older.index), Some(newer.index), &name);
        let Some(pair) = Pair::of(older.value, newer.value, at, changes) else {
            continue;
        };
        pair.words("description", "intent_description_changed", changes);
        if let Some((gone, added)) = pair.sets("actions", changes) {
            let at = pair.at.member("actions");
            for action in gone {
                let message = format!(
                    "intent {} no longer allows {}",
                    quoted(&name),
                    quoted(action)
                );
                changes.add("intent_action_removed", &at.called(action), message);
            }
            for action in added {
                let message = format!("intent {} allows {} too", quoted(&name), quoted(action));
                changes.add("intent_action_added", &at.called(action), message);
            }
        }
        access::compare(&pair, old, new, changes);
        pair.unknown_here(old, new, changes);
    }
}
