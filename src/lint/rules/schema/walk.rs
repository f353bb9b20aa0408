//! Every subschema of every schema of a manifest, as they stand in the document: references are not followed.

use std::borrow::Cow;

use jsonschema::Draft;
use serde_json::{Map, Value};

use crate::json;
use crate::lint::Subject;

/// Longest pointer to a subschema that is visited, in bytes: under one long name there may be a hundred thousand.
pub(in crate::lint::rules) const LONGEST: usize = 4096;

/// What members of a keyword's value are schemas.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// It is one itself.
    Schema,
    /// Its elements are.
    List,
    /// Its members are, by names of the author's.
    Named,
}

/// A subschema that is an object.
pub(in crate::lint::rules) struct Sub<'v, 't> {
    /// Its keywords.
    pub(in crate::lint::rules) members: &'v Map<String, Value>,
    /// The whole schema that it is part of.
    pub(in crate::lint::rules) root: &'v Value,
    /// The draft of that.
    pub(in crate::lint::rules) draft: Draft,
    /// Whether it is part of an input schema.
    pub(in crate::lint::rules) input: bool,
    /// Whether it judges the same value as the schema around it, as a branch of `allOf` does.
    pub(in crate::lint::rules) branch: bool,
    /// Whether it is the whole schema.
    pub(in crate::lint::rules) whole: bool,
    trail: Trail<'v, 't>,
}

/// The way to a subschema; written out only where something is found.
#[derive(Clone)]
struct Trail<'v, 't> {
    up: Option<&'t Trail<'v, 't>>,
    token: Cow<'v, str>,
}

impl Trail<'_, '_> {
    fn length(&self) -> usize {
        self.token.len() + 1 + self.up.map_or(0, Trail::length)
    }

    fn pointer(&self) -> String {
        match self.up {
            None => self.token.to_string(),
            Some(up) => json::push(&up.pointer(), &self.token),
        }
    }
}

impl<'v> Sub<'v, '_> {
    /// Where it stands.
    pub(in crate::lint::rules) fn pointer(&self) -> String {
        self.trail.pointer()
    }

    /// Where the whole schema stands.
    pub(in crate::lint::rules) fn whole_pointer(&self) -> String {
        let mut trail = &self.trail;
        while let Some(up) = trail.up {
            trail = up;
        }
        trail.token.to_string()
    }

    /// Where a member of it stands.
    pub(in crate::lint::rules) fn pointer_of(&self, keyword: &str) -> String {
        json::push(&self.pointer(), keyword)
    }

    /// Where an element or a member of a member of it stands.
    pub(in crate::lint::rules) fn pointer_in(&self, keyword: &str, token: impl ToString) -> String {
        json::push(&self.pointer_of(keyword), &token.to_string())
    }

    /// A keyword's value.
    pub(in crate::lint::rules) fn get(&self, keyword: &str) -> Option<&'v Value> {
        self.members.get(keyword)
    }

    /// Whether a keyword is there.
    pub(in crate::lint::rules) fn has(&self, keyword: &str) -> bool {
        self.members.contains_key(keyword)
    }

    /// A keyword's value that is a text.
    pub(in crate::lint::rules) fn text(&self, keyword: &str) -> Option<&'v str> {
        self.get(keyword)?.as_str()
    }

    /// A keyword's value that is a number.
    pub(in crate::lint::rules) fn number(&self, keyword: &str) -> Option<f64> {
        self.get(keyword)?.as_f64()
    }

    /// A keyword's value that is an array.
    pub(in crate::lint::rules) fn list(&self, keyword: &str) -> Option<&'v Vec<Value>> {
        self.get(keyword)?.as_array()
    }

    /// A keyword's value that is an object.
    pub(in crate::lint::rules) fn object(&self, keyword: &str) -> Option<&'v Map<String, Value>> {
        self.get(keyword)?.as_object()
    }

    /// The texts in a keyword's array, each with its index.
    pub(in crate::lint::rules) fn texts(&self, keyword: &str) -> Vec<(usize, &'v str)> {
        let elements = self.list(keyword).into_iter().flatten().enumerate();
        elements
            .filter_map(|(index, element)| Some((index, element.as_str()?)))
            .collect()
    }
}

/// Visits every subschema, the outer before the inner, in the order of the document.
pub(in crate::lint::rules) fn each<'v>(
    subject: &'v Subject<'_>,
    mut visit: impl FnMut(&Sub<'v, '_>),
) {
    for schema in subject.schemas() {
        let Value::Object(members) = schema.schema else {
            continue;
        };
        let sub = Sub {
            members,
            root: schema.schema,
            draft: crate::schema::draft(schema.schema),
            input: schema.input,
            branch: false,
            whole: true,
            trail: Trail {
                up: None,
                token: Cow::Owned(schema.pointer),
            },
        };
        enter(&sub, &mut visit);
    }
}

/// The depth is that of the document, which its reader has bounded.
fn enter<'v>(sub: &Sub<'v, '_>, visit: &mut impl FnMut(&Sub<'v, '_>)) {
    if sub.trail.length() > LONGEST {
        return;
    }
    visit(sub);
    for (keyword, value) in sub.members {
        let Some((holds, branch)) = holds(keyword, value) else {
            continue;
        };
        let trail = Trail {
            up: Some(&sub.trail),
            token: Cow::Borrowed(keyword.as_str()),
        };
        match (holds, value) {
            (Holds::Schema, Value::Object(members)) => {
                enter(&below(sub, members, branch, trail), visit);
            }
            (Holds::List, Value::Array(elements)) => {
                for (index, element) in elements.iter().enumerate() {
                    if let Value::Object(members) = element {
                        let trail = Trail {
                            up: Some(&trail),
                            token: Cow::Owned(index.to_string()),
                        };
                        enter(&below(sub, members, branch, trail), visit);
                    }
                }
            }
            (Holds::Named, Value::Object(schemas)) => {
                for (name, schema) in schemas {
                    if let Value::Object(members) = schema {
                        let trail = Trail {
                            up: Some(&trail),
                            token: Cow::Borrowed(name.as_str()),
                        };
                        enter(&below(sub, members, branch, trail), visit);
                    }
                }
            }
            _ => {}
        }
    }
}

fn below<'v, 't>(
    sub: &Sub<'v, '_>,
    members: &'v Map<String, Value>,
    branch: bool,
    trail: Trail<'v, 't>,
) -> Sub<'v, 't> {
    Sub {
        members,
        root: sub.root,
        draft: sub.draft,
        input: sub.input,
        branch,
        whole: false,
        trail,
    }
}

/// What of a keyword's value are schemas, and whether they judge the same value as the schema that has the keyword.
fn holds(keyword: &str, value: &Value) -> Option<(Holds, bool)> {
    Some(match keyword {
        "not" | "if" | "then" | "else" => (Holds::Schema, true),
        "allOf" | "anyOf" | "oneOf" => (Holds::List, true),
        "dependentSchemas" | "dependencies" => (Holds::Named, true),
        "items" if value.is_array() => (Holds::List, false),
        "prefixItems" => (Holds::List, false),
        "items"
        | "additionalItems"
        | "unevaluatedItems"
        | "contains"
        | "additionalProperties"
        | "unevaluatedProperties"
        | "propertyNames"
        | "contentSchema" => (Holds::Schema, false),
        "properties" | "patternProperties" | "$defs" | "definitions" => (Holds::Named, false),
        _ => return None,
    })
}
