//! A schema as the conjunction of its own keywords, of what it refers to, and of its `allOf`.

use serde_json::Value;

use super::annotations::asserts_nothing;
use super::{Here, Steps, Types, Walk, applies_in_place, reference};
use crate::compat::change::At;
use crate::compat::{equal, member};

/// Most parts of one schema that are compared with those of another.
const MOST_PARTS: usize = 64;

/// One part.
#[derive(Clone)]
struct Part<'v> {
    schema: &'v Value,
    /// Its pointer within the snake_case form.
    pointer: String,
    /// Its place among the parts of the schema: empty for the schema's own keywords.
    label: String,
    /// Where a reference led to it, its pointer within the schema.
    definition: Option<String>,
}

/// Which document a part is of.
#[derive(Clone, Copy)]
enum Of {
    Old,
    New,
}

impl<'v> Walk<'v, '_> {
    /// Compares two schemas part by part.
    pub(super) fn parts(&mut self, old: &'v Value, new: &'v Value, at: &At, steps: &Steps) {
        let (parts_old, parts_new) = match (
            self.parts_of(old, &at.old, Of::Old),
            self.parts_of(new, &at.new, Of::New),
        ) {
            (Some(old), Some(new)) => (old, new),
            _ if self.same(old, new) => return,
            _ => {
                let message =
                    "a reference leads nowhere, or in a circle, or there are too many parts";
                return self.tell_at("schema_unproven", at, steps, (old, new), message);
            }
        };
        for (part, list) in [(&parts_old, 0), (&parts_new, 1)] {
            let met = part
                .iter()
                .map(|part| std::ptr::from_ref(part.schema).addr());
            match list {
                0 => self.met.0.extend(met),
                _ => self.met.1.extend(met),
            }
        }
        self.conjunction(old, new, at, steps, parts_old, parts_new);
    }

    fn conjunction(
        &mut self,
        old: &'v Value,
        new: &'v Value,
        at: &At,
        steps: &Steps,
        parts_old: Vec<Part<'v>>,
        parts_new: Vec<Part<'v>>,
    ) {
        let is_own = |part: Option<&Part<'_>>| part.is_some_and(|part| part.label.is_empty());
        if !(is_own(parts_old.first()) && is_own(parts_new.first()))
            && let (Value::Object(old_keywords), Value::Object(new_keywords)) = (old, new)
        {
            // What the schema says beside its parts.
            let here = Here {
                old: old_keywords,
                new: new_keywords,
                schemas: (old, new),
                at,
                steps,
                shared: Types::ALL,
            };
            self.annotations(&here);
        }
        let applies = |schema: &Value| schema.as_object().is_some_and(applies_in_place);
        let several = parts_old.len() > 1
            || parts_new.len() > 1
            || parts_old
                .iter()
                .chain(&parts_new)
                .any(|part| applies(part.schema));
        let open = |schema: &Value| {
            ["unevaluatedProperties", "unevaluatedItems"]
                .iter()
                .any(|keyword| member(schema, keyword).is_some())
        };
        let unevaluated = parts_old
            .iter()
            .chain(&parts_new)
            .any(|part| open(part.schema));
        let before = self.told();
        let (left_old, left_new) = self.likely_pairs(parts_old, parts_new, at, steps);
        for part in left_old {
            let mut at = labelled(at, &part.label);
            at.old = part.pointer;
            let message = "a schema need not be satisfied as well any more";
            self.tell_at("all_of_removed", &at, steps, (old, new), message);
        }
        for part in left_new {
            let mut at = labelled(at, &part.label);
            at.new = part.pointer;
            let message = "one more schema must be satisfied as well";
            self.tell_at("all_of_added", &at, steps, (old, new), message);
        }
        if several && unevaluated && self.told() > before && !self.same(old, new) {
            let message = "parts differ on which it depends what counts as undeclared";
            self.tell_at("schema_unproven", at, steps, (old, new), message);
        }
    }

    /// Compares parts that are surely meant to be the same, then those that are most alike; gives those that are left over.
    fn likely_pairs(
        &mut self,
        parts_old: Vec<Part<'v>>,
        parts_new: Vec<Part<'v>>,
        at: &At,
        steps: &Steps,
    ) -> (Vec<Part<'v>>, Vec<Part<'v>>) {
        let mut likely = Vec::new();
        for (index_old, old) in parts_old.iter().enumerate() {
            for (index_new, new) in parts_new.iter().enumerate() {
                let sure = old.definition.is_some() && old.definition == new.definition
                    || old.label.is_empty() && new.label.is_empty()
                    || equal(old.schema, new.schema);
                let likeness = match sure {
                    true => usize::MAX,
                    false => likeness(old.schema, new.schema),
                };
                if likeness > 0 {
                    // The same order whichever document is the older one.
                    let apart = (index_old + index_new, index_old.abs_diff(index_new));
                    likely.push((std::cmp::Reverse(likeness), apart, index_old, index_new));
                }
            }
        }
        likely.sort_unstable();
        let mut left_old: Vec<Option<Part<'v>>> = parts_old.into_iter().map(Some).collect();
        let mut left_new: Vec<Option<Part<'v>>> = parts_new.into_iter().map(Some).collect();
        for (_, _, index_old, index_new) in likely {
            let (Some(old), Some(new)) = (left_old.get_mut(index_old), left_new.get_mut(index_new))
            else {
                continue;
            };
            if old.is_none() || new.is_none() {
                continue;
            }
            if let (Some(old), Some(new)) = (old.take(), new.take()) {
                self.one_part(old, new, at, steps);
            }
        }
        (
            left_old.into_iter().flatten().collect(),
            left_new.into_iter().flatten().collect(),
        )
    }

    fn one_part(&mut self, old: Part<'v>, new: Part<'v>, at: &At, steps: &Steps) {
        let path = match (&old.definition, &new.definition) {
            // A definition has one name wherever it is used.
            (Some(was), Some(is)) if was == is => format!("{}{was}", self.root.path),
            _ => labelled(at, &old.label).path,
        };
        let inner = At {
            old: old.pointer,
            new: new.pointer,
            path,
        };
        let place = |schema: &Value| std::ptr::from_ref(schema).addr();
        // What several references lead to is compared where it is met first.
        let key = (place(old.schema), place(new.schema));
        if let Some(told) = self.compared.get(&key) {
            self.met_again += usize::from(*told);
            return;
        }
        self.compared.insert(key, true);
        let before = self.told();
        self.own(old.schema, new.schema, &inner, steps);
        let told = self.told() != before;
        self.compared.insert(key, told);
    }

    /// The parts of a schema; none where a reference cannot be followed or there are too many.
    fn parts_of(&self, schema: &'v Value, pointer: &str, of: Of) -> Option<Vec<Part<'v>>> {
        let (root, place) = match of {
            Of::Old => (self.old, &self.root.old),
            Of::New => (self.new, &self.root.new),
        };
        let mut parts: Vec<Part<'v>> = Vec::new();
        let mut met: Vec<*const Value> = Vec::new();
        let mut next = vec![Part {
            schema,
            pointer: pointer.to_owned(),
            label: String::new(),
            definition: None,
        }];
        while let Some(part) = next.pop() {
            let here = std::ptr::from_ref(part.schema);
            if met.contains(&here) {
                continue;
            }
            if met.len() >= MOST_PARTS {
                return None;
            }
            met.push(here);
            if let Some(keywords) = part.schema.as_object() {
                if let Some(list) = keywords.get("allOf").and_then(Value::as_array) {
                    for (index, schema) in list.iter().enumerate().rev() {
                        next.push(Part {
                            schema,
                            pointer: format!("{}/allOf/{index}", part.pointer),
                            label: format!("{}/allOf/{index}", part.label),
                            definition: None,
                        });
                    }
                }
                if let Some(target) = keywords.get("$ref").and_then(Value::as_str) {
                    let (schema, fragment) = reference::follow(root, target)?;
                    next.push(Part {
                        schema,
                        pointer: format!("{place}{fragment}"),
                        label: format!("{}/$ref", part.label),
                        definition: Some(fragment),
                    });
                }
                let says_nothing = keywords.iter().all(|(keyword, _)| {
                    asserts_nothing(keyword) || matches!(keyword.as_str(), "$ref" | "allOf")
                });
                let leads_on = keywords.contains_key("$ref") || keywords.contains_key("allOf");
                if says_nothing && leads_on {
                    continue;
                }
            }
            parts.push(part);
        }
        if parts.is_empty() {
            parts.push(Part {
                schema: &super::ANYTHING,
                pointer: pointer.to_owned(),
                label: String::new(),
                definition: None,
            });
        }
        Some(parts)
    }
}

fn labelled(at: &At, label: &str) -> At {
    At {
        path: format!("{}{label}", at.path),
        ..at.clone()
    }
}

/// How much two schemas have in common: keywords, and members by name.
fn likeness(old: &Value, new: &Value) -> usize {
    let (Value::Object(old), Value::Object(new)) = (old, new) else {
        return usize::from(old == new);
    };
    let shared = old
        .keys()
        .filter(|keyword| new.contains_key(*keyword))
        .count();
    let properties = |keywords: &'_ serde_json::Map<String, Value>| {
        let members = keywords.get("properties").and_then(Value::as_object);
        members.map(|members| members.keys().cloned().collect::<Vec<_>>())
    };
    let (old, new) = (properties(old), properties(new));
    let named = old
        .into_iter()
        .flatten()
        .filter(|name| new.as_ref().is_some_and(|new| new.contains(name)))
        .count();
    shared + 2 * named
}
