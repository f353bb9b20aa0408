//! The drafts that two schemas are of, and what nothing refers to.

use serde_json::Value;

use super::{Walk, equal};
use crate::compat::member;

const LATEST: &str = "https://json-schema.org/draft/2020-12/schema";

fn dialect(schema: &Value) -> &str {
    let named = member(schema, "$schema").and_then(Value::as_str);
    named.map_or(LATEST, |uri| uri.trim_end_matches('#'))
}

/// Whether a keyword may mean one thing in one draft and another, or nothing, in another.
fn is_of_a_draft(keyword: &str, value: &Value) -> bool {
    match keyword {
        "items" => value.is_array(),
        "additionalItems" | "prefixItems" | "contains" | "minContains" | "maxContains" => true,
        "dependencies" | "dependentRequired" | "dependentSchemas" => true,
        "unevaluatedItems" | "unevaluatedProperties" => true,
        "$recursiveRef" | "$recursiveAnchor" | "$dynamicRef" | "$dynamicAnchor" => true,
        "$id" | "id" | "$anchor" | "$ref" | "$defs" | "definitions" | "format" => true,
        _ => false,
    }
}

/// The depth of a document is bounded by whoever read it.
fn is_of_any_draft(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => members
            .iter()
            .all(|(keyword, value)| !is_of_a_draft(keyword, value) && is_of_any_draft(value)),
        Value::Array(elements) => elements.iter().all(is_of_any_draft),
        _ => true,
    }
}

/// From draft 7 on the plain keywords mean the same.
fn is_recent(dialect: &str) -> bool {
    !dialect.contains("draft-04") && !dialect.contains("draft-06")
}

impl<'v> Walk<'v, '_> {
    /// Compares the drafts.
    pub(super) fn dialect(&mut self) {
        let name = "$schema";
        let (old, new) = (member(self.old, name), member(self.new, name));
        if old == new {
            return;
        }
        let (was, is) = (dialect(self.old), dialect(self.new));
        let plain = |schema, dialect| is_recent(dialect) && is_of_any_draft(schema);
        let same = was == is || (plain(self.old, was) && plain(self.new, is));
        let (kind, message) = match same {
            true => (
                "dialect_respelled",
                "another draft is named, in which these keywords mean the same",
            ),
            false => (
                "dialect_changed",
                "another draft is named, in which keywords may mean something else",
            ),
        };
        let at = self.root.member(name);
        let schemas = (self.old, self.new);
        self.tell_at(kind, &at, &Some(Vec::new()), schemas, message);
    }

    /// Compares definitions: those that are new or gone, and those that differ and were not compared where they are used.
    pub(super) fn definitions(&mut self) {
        for keyword in ["$defs", "definitions"] {
            let find = |schema| member(schema, keyword).and_then(Value::as_object);
            let (old, new) = (find(self.old), find(self.new));
            let at = self.root.member(keyword);
            let schemas = (self.old, self.new);
            for (name, was) in old.into_iter().flatten() {
                let at = at.member(name);
                let (kind, message) = match new.and_then(|new| new.get(name)) {
                    None => ("definition_removed", "a definition is gone"),
                    Some(is) if !equal(was, is) && !self.was_compared(was, is) => (
                        "unused_definition_changed",
                        "a definition differs that nothing in common refers to",
                    ),
                    Some(_) => continue,
                };
                self.tell_at(kind, &at, &None, schemas, message);
            }
            for name in new.into_iter().flatten().map(|(name, _)| name) {
                if old.is_none_or(|old| !old.contains_key(name)) {
                    let message = "a definition is new";
                    self.tell_at(
                        "definition_added",
                        &at.member(name),
                        &None,
                        schemas,
                        message,
                    );
                }
            }
        }
    }

    fn was_compared(&self, old: &Value, new: &Value) -> bool {
        let (old, new) = (
            std::ptr::from_ref(old).addr(),
            std::ptr::from_ref(new).addr(),
        );
        // A definition is compared with another one, too, where a reference leads elsewhere now.
        self.met.0.contains(&old) || self.met.1.contains(&new)
    }
}
