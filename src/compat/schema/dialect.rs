//! The drafts that two schemas are of, and what nothing refers to.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::annotations::asserts_nothing;
use super::{Walk, equal};
use crate::compat::member;
use crate::json;

const LATEST: &str = "https://json-schema.org/draft/2020-12/schema";

fn dialect(schema: &Value) -> &str {
    let named = member(schema, "$schema").and_then(Value::as_str);
    named.map_or(LATEST, |uri| uri.trim_end_matches('#'))
}

/// A draft by its year or number: the later, the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Draft {
    Four,
    Six,
    Seven,
    Of2019,
    Of2020,
}

/// The draft that a schema names; none where it names none that is known.
fn named(schema: &Value) -> Option<Draft> {
    let uri = member(schema, "$schema").and_then(Value::as_str)?;
    let uri = uri.trim_end_matches('#');
    Some(match uri.split_once("://")?.1 {
        "json-schema.org/draft-04/schema" => Draft::Four,
        "json-schema.org/draft-06/schema" => Draft::Six,
        "json-schema.org/draft-07/schema" => Draft::Seven,
        "json-schema.org/draft/2019-09/schema" => Draft::Of2019,
        "json-schema.org/draft/2020-12/schema" => Draft::Of2020,
        _ => return None,
    })
}

/// The draft of a whole schema.
pub(super) fn draft(schema: &Value) -> Draft {
    named(schema).unwrap_or(Draft::Of2020)
}

impl Draft {
    /// Whether the draft defines a keyword that others define, or is it nothing to it but a name.
    fn defines(self, keyword: &str) -> bool {
        match keyword {
            "const" | "contains" | "propertyNames" => self >= Self::Six,
            "if" | "then" | "else" => self >= Self::Seven,
            "minContains"
            | "maxContains"
            | "dependentRequired"
            | "dependentSchemas"
            | "unevaluatedItems"
            | "unevaluatedProperties" => self >= Self::Of2019,
            "$recursiveRef" => self == Self::Of2019,
            "prefixItems" | "$dynamicRef" => self >= Self::Of2020,
            "additionalItems" => self <= Self::Of2019,
            _ => true,
        }
    }

    /// Whether what stands beside `$ref` is ignored.
    fn has_lone_references(self) -> bool {
        self <= Self::Seven
    }
}

/// What a draft ignores in a schema: by the pointer of each keyword, what it says.
pub(super) type Ignored = BTreeMap<String, Value>;

/// Most bytes of the pointers to what is ignored; what is beyond them is left out without a word.
const MOST_BYTES: usize = 1 << 20;

/// The schema without what its draft ignores, and that.
pub(super) fn effective(schema: &Value) -> (Cow<'_, Value>, Ignored) {
    let mut ignored = Ignored::new();
    if draft(schema) == Draft::Of2020 && !names_drafts(schema) {
        return (Cow::Borrowed(schema), ignored);
    }
    let mut left = MOST_BYTES;
    let mut schema = schema.clone();
    strip(&mut schema, Draft::Of2020, "", &mut ignored, &mut left);
    (Cow::Owned(schema), ignored)
}

/// Whether any part names a draft. The depth of a document is bounded by whoever read it.
fn names_drafts(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => {
            members.contains_key("$schema") || members.values().any(names_drafts)
        }
        Value::Array(elements) => elements.iter().any(names_drafts),
        _ => false,
    }
}

/// Whether any part is of a draft in which what a string holds may be checked.
fn may_check_content(schema: &Value) -> bool {
    let of_named = |draft| matches!(draft, Draft::Six | Draft::Seven);
    match schema {
        Value::Object(members) => {
            named(schema).is_some_and(of_named) || members.values().any(may_check_content)
        }
        Value::Array(elements) => elements.iter().any(may_check_content),
        _ => false,
    }
}

/// Whether what is said about what strings hold differs at any place.
fn content_differs(old: &Value, new: &Value) -> bool {
    const CONTENT: [&str; 2] = ["contentEncoding", "contentMediaType"];
    static NOTHING: Value = Value::Null;
    match (old, new) {
        (Value::Array(old), Value::Array(new)) => (0..old.len().max(new.len())).any(|index| {
            let (old, new) = (old.get(index), new.get(index));
            content_differs(old.unwrap_or(&NOTHING), new.unwrap_or(&NOTHING))
        }),
        (Value::Object(old), Value::Object(new)) => {
            let gone = old.iter().any(|(name, old)| match new.get(name) {
                Some(new) if CONTENT.contains(&name.as_str()) => !equal(old, new),
                None if CONTENT.contains(&name.as_str()) => true,
                new => content_differs(old, new.unwrap_or(&NOTHING)),
            });
            gone || new.iter().any(|(name, new)| {
                !old.contains_key(name)
                    && (CONTENT.contains(&name.as_str()) || content_differs(&NOTHING, new))
            })
        }
        (Value::Object(_), Value::Array(_)) | (Value::Array(_), Value::Object(_)) => {
            content_differs(old, &NOTHING) || content_differs(&NOTHING, new)
        }
        (Value::Object(_) | Value::Array(_), _) => content_differs(old, &empty_like(old)),
        (_, Value::Object(_) | Value::Array(_)) => content_differs(&empty_like(new), new),
        _ => false,
    }
}

fn empty_like(value: &Value) -> Value {
    match value {
        Value::Array(_) => Value::Array(Vec::new()),
        _ => Value::Object(serde_json::Map::new()),
    }
}

/// Takes out what the draft ignores. A schema within may be of another draft.
fn strip(
    schema: &mut Value,
    around: Draft,
    pointer: &str,
    ignored: &mut Ignored,
    left: &mut usize,
) {
    let draft = named(schema).unwrap_or(around);
    let Value::Object(keywords) = schema else {
        return;
    };
    let lone = draft.has_lone_references() && keywords.get("$ref").is_some_and(Value::is_string);
    let unused: Vec<String> = keywords
        .keys()
        .filter(|name| !draft.defines(name) || lone && *name != "$ref" && !asserts_nothing(name))
        .cloned()
        .collect();
    for name in unused {
        let Some(value) = keywords.shift_remove(&name) else {
            continue;
        };
        if let Some(rest) = left.checked_sub(pointer.len() + name.len()) {
            *left = rest;
            ignored.insert(json::push(pointer, &name), value);
        }
    }
    for (keyword, value) in keywords.iter_mut() {
        let at = json::push(pointer, keyword);
        match (keyword.as_str(), value) {
            (
                "properties" | "patternProperties" | "dependentSchemas" | "dependencies"
                | "definitions" | "$defs",
                Value::Object(schemas),
            ) => {
                for (name, schema) in schemas.iter_mut() {
                    strip(schema, draft, &json::push(&at, name), ignored, left);
                }
            }
            ("allOf" | "anyOf" | "oneOf" | "items" | "prefixItems", Value::Array(schemas)) => {
                for (index, schema) in schemas.iter_mut().enumerate() {
                    strip(schema, draft, &format!("{at}/{index}"), ignored, left);
                }
            }
            (
                "items"
                | "additionalItems"
                | "unevaluatedItems"
                | "contains"
                | "additionalProperties"
                | "unevaluatedProperties"
                | "propertyNames"
                | "not"
                | "if"
                | "then"
                | "else",
                schema,
            ) => strip(schema, draft, &at, ignored, left),
            _ => {}
        }
    }
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
    /// Compares what strings hold, in drafts that let it be checked.
    pub(super) fn content(&mut self) {
        let checked = may_check_content(self.old) || may_check_content(self.new);
        if checked && content_differs(self.old, self.new) {
            let message = "what strings hold differs, and up to draft 7 it may be checked";
            let (at, schemas) = (self.root.clone(), (self.old, self.new));
            self.tell_at("schema_unproven", &at, &Some(Vec::new()), schemas, message);
        }
    }

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

    /// Tells of what the drafts ignore, where it differs and the schema around it is there on both sides.
    pub(super) fn ignored(&mut self, old: &Ignored, new: &Ignored) {
        let places: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for place in places {
            let same = match (old.get(place), new.get(place)) {
                (Some(old), Some(new)) => equal(old, new),
                _ => false,
            };
            let Some((around, keyword)) = json::pop(place) else {
                continue;
            };
            let (Some(was), Some(is)) = (self.old.pointer(around), self.new.pointer(around)) else {
                continue;
            };
            // Where one draft ignores it and the other does not, that is told of the drafts.
            let read = member(was, &keyword).is_some() || member(is, &keyword).is_some();
            if same || read {
                continue;
            }
            let mut at = self.root.clone();
            for text in [&mut at.old, &mut at.new, &mut at.path] {
                text.push_str(place);
            }
            let message = format!("{keyword} differs, and this draft ignores it here");
            let schemas = (self.old, self.new);
            self.tell_at("ineffective_keyword_changed", &at, &None, schemas, message);
        }
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
