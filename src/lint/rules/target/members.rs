//! Members that a closed schema does not have, with the names that were meant.

use serde_json::{Map, Value};

use crate::diagnostic::Violation;
use crate::embedded;
use crate::json;
use crate::lint::Edit;
use crate::lint::near::nearest;
use crate::lint::rule::Found;
use crate::schema;

/// Most references that are followed one after another.
const MOST_REFERENCES: usize = 16;

/// Deepest place that is looked at.
const DEEPEST: usize = 100;

/// A member that does not belong where it stands.
#[derive(Debug, PartialEq)]
pub(in crate::lint::rules) struct Stray {
    /// The object that has it.
    pub(in crate::lint::rules) around: String,
    /// Its name.
    pub(in crate::lint::rules) name: String,
    /// The name that was meant, if that can be told, and is not taken.
    pub(in crate::lint::rules) meant: Option<String>,
    /// The names that it could have.
    pub(in crate::lint::rules) known: Vec<String>,
}

impl Stray {
    /// Where it stands.
    pub(in crate::lint::rules) fn pointer(&self) -> String {
        json::push(&self.around, &self.name)
    }

    /// What to do about it.
    pub(in crate::lint::rules) fn message(&self) -> String {
        match &self.meant {
            Some(meant) => format!("there is no member '{}' here; write '{meant}'", self.name),
            None => format!(
                "there is no member '{}' here; there are {}",
                self.name,
                self.known.join(", ")
            ),
        }
    }
}

/// Tells where a value does not have the published shape, but for what has a rule of its own.
pub(in crate::lint::rules) fn shape(
    name: &str,
    value: &Value,
    has_its_own_rule: impl Fn(&Violation) -> bool,
    found: &mut Found<'_>,
) {
    // Asked for last: the first to ask for one compiles them all.
    let Some(schema) = schema::named(name) else {
        return;
    };
    for violation in schema.violations(value) {
        if !has_its_own_rule(&violation) {
            found.at(violation.pointer, violation.message);
        }
    }
}

/// Tells the members of a value that its published schema does not know, each with the name that was meant where there is one.
pub(in crate::lint::rules) fn unknown(name: &str, value: &Value, found: &mut Found<'_>) {
    for stray in strays(name, value) {
        let noted = found.at_name(stray.pointer(), stray.message());
        if let Some(meant) = &stray.meant {
            let steps = vec![Edit::Rename {
                pointer: stray.pointer(),
                name: meant.clone(),
            }];
            noted.fix(format!("rename '{}' to '{meant}'", stray.name), steps);
        }
    }
}

/// The members of a value that the published schema of this name closes its objects to. Branches of a schema are not followed: what is
/// told is surely wrong.
fn strays(schema: &str, value: &Value) -> Vec<Stray> {
    let text = embedded::text(&format!("spec/schemas/{schema}.json"));
    let document: Value = text
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    let mut strays = Vec::new();
    enter(&document, &document, value, "", DEEPEST, &mut strays);
    strays
}

/// A schema with its references within the document followed; those to others are not.
fn resolved<'s>(root: &'s Value, mut schema: &'s Value) -> Option<&'s Map<String, Value>> {
    for _ in 0..MOST_REFERENCES {
        let members = schema.as_object()?;
        let Some(reference) = members.get("$ref").and_then(Value::as_str) else {
            return Some(members);
        };
        schema = root.pointer(reference.strip_prefix('#')?)?;
    }
    None
}

fn enter(
    root: &Value,
    schema: &Value,
    value: &Value,
    pointer: &str,
    depth: usize,
    strays: &mut Vec<Stray>,
) {
    let Some(schema) = resolved(root, schema).filter(|_| depth > 0) else {
        return;
    };
    match value {
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                if let Some(items) = schema.get("items") {
                    enter(
                        root,
                        items,
                        element,
                        &json::push(pointer, &index.to_string()),
                        depth - 1,
                        strays,
                    );
                }
            }
        }
        Value::Object(members) => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let more = schema.get("additionalProperties");
            for (name, member) in members {
                let below = json::push(pointer, name);
                if let Some(property) = properties.and_then(|properties| properties.get(name)) {
                    enter(root, property, member, &below, depth - 1, strays);
                } else if more == Some(&Value::Bool(false)) {
                    let known: Vec<String> = properties
                        .into_iter()
                        .flat_map(Map::keys)
                        .cloned()
                        .collect();
                    let meant = nearest(name, known.iter().map(String::as_str));
                    let meant = meant
                        .filter(|meant| !members.contains_key(*meant))
                        .map(str::to_owned);
                    strays.push(Stray {
                        around: pointer.to_owned(),
                        name: name.clone(),
                        meant,
                        known,
                    });
                } else if let Some(more) = more {
                    enter(root, more, member, &below, depth - 1, strays);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::strays;
    use serde_json::json;

    #[test]
    fn finds_what_a_schema_does_not_have() {
        let target = json!({"start": {"comand": "x", "env": {"ANY": "1"}}, "colour": 1});
        let found = strays("target", &target);
        let told: Vec<_> = found
            .iter()
            .map(|stray| (stray.pointer(), stray.meant.as_deref()))
            .collect();
        assert_eq!(
            told,
            [
                ("/start/comand".to_owned(), Some("command")),
                ("/colour".to_owned(), None)
            ]
        );
        assert!(strays("target", &json!([1])).is_empty());
        assert!(strays("nothing", &json!({"a": 1})).is_empty());
    }
}
