//! The JSON Schemas under `spec/schemas/`, as far as they say what may stand at a place.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::{Map, Value};

use crate::embedded;

/// Most references followed for one place.
const MOST_STEPS: usize = 64;

/// A schema that a value may have to satisfy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schema {
    pub(super) file: &'static str,
    pub(super) value: &'static Value,
    /// Whether it must satisfy it, and not one of several.
    pub(super) certain: bool,
}

impl Schema {
    fn with(self, value: &'static Value) -> Self {
        Self { value, ..self }
    }

    fn perhaps(self, value: &'static Value) -> Self {
        Self {
            value,
            certain: false,
            ..self
        }
    }
}

pub(super) fn step(here: &[Schema], token: &str) -> Vec<Schema> {
    let mut next = Vec::new();
    for schema in opened(here, None) {
        let value = schema.value;
        let member = value.get("properties").and_then(|all| all.get(token));
        let is_index = token.parse::<usize>().is_ok();
        let element = value.get("items").filter(|_| is_index);
        let other = value
            .get("additionalProperties")
            .filter(|other| member.is_none() && element.is_none() && other.is_object());
        let found = [member, element, other].into_iter().flatten();
        next.extend(found.map(|found| schema.with(found)));
    }
    next
}

/// Schemas with their references followed and their alternatives laid side by side; of a condition that the members around
/// decide, only what follows from it.
pub(super) fn opened(here: &[Schema], around: Option<&Map<String, Value>>) -> Vec<Schema> {
    let mut queue: Vec<Schema> = here.to_vec();
    let mut done = Vec::new();
    let mut at = 0;
    while let Some(&schema) = queue.get(at) {
        at += 1;
        if at > MOST_STEPS {
            break;
        }
        done.push(schema);
        let value = schema.value;
        if let Some(target) = value.get("$ref").and_then(Value::as_str) {
            let (other, fragment) = target.split_once('#').unwrap_or((target, ""));
            let named = if other.is_empty() {
                Some((schema.file, file(schema.file)))
            } else {
                static_name(other).map(|other| (other, file(other)))
            };
            if let Some((name, Some(root))) = named
                && let Some(found) = root.pointer(fragment)
            {
                queue.push(Schema {
                    file: name,
                    ..schema.with(found)
                });
            }
        }
        let branches = |keyword: &str| {
            value
                .get(keyword)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
        };
        queue.extend(branches("allOf").map(|branch| schema.with(branch)));
        for keyword in ["anyOf", "oneOf"] {
            queue.extend(branches(keyword).map(|branch| schema.perhaps(branch)));
        }
        let (then, otherwise) = (value.get("then"), value.get("else"));
        let condition = value.get("if").and_then(|condition| {
            let around = around?;
            holds(condition, around)
        });
        match condition {
            Some(true) => queue.extend(then.map(|then| schema.with(then))),
            Some(false) => queue.extend(otherwise.map(|otherwise| schema.with(otherwise))),
            None => {
                let both = [then, otherwise].into_iter().flatten();
                queue.extend(both.map(|branch| schema.perhaps(branch)));
            }
        }
    }
    done
}

/// Whether an object satisfies a condition, as far as the members that are known tell. As deep as our own schemas.
fn holds(condition: &Value, around: &Map<String, Value>) -> Option<bool> {
    let mut sure = true;
    for (keyword, asked) in condition.as_object()? {
        let outcome = match keyword.as_str() {
            "required" => {
                let mut names = asked.as_array()?.iter().filter_map(Value::as_str);
                // A member that is not known may still be written, or stand where nobody looked.
                names.all(|name| around.contains_key(name)).then_some(true)
            }
            "properties" => of_properties(asked, around),
            "type" => match asked {
                Value::Array(kinds) => Some(kinds.iter().any(|kind| kind == "object")),
                kind => Some(kind == "object"),
            },
            _ => None,
        };
        match outcome {
            Some(true) => {}
            Some(false) => return Some(false),
            None => sure = false,
        }
    }
    sure.then_some(true)
}

fn of_properties(asked: &Value, around: &Map<String, Value>) -> Option<bool> {
    let mut sure = true;
    for (name, schema) in asked.as_object()? {
        let Some(value) = around.get(name) else {
            sure = false;
            continue;
        };
        let allowed = match (schema.get("const"), schema.get("enum")) {
            (Some(only), _) => Some(only == value),
            (None, Some(Value::Array(listed))) => Some(listed.contains(value)),
            _ => None,
        };
        match allowed {
            Some(true) => {}
            Some(false) => return Some(false),
            None => sure = false,
        }
    }
    sure.then_some(true)
}

/// The members with the type of a node by its abbreviated name, whatever name of the vocabulary it is written with.
pub(super) fn with_term(around: &Map<String, Value>) -> Map<String, Value> {
    let mut around = around.clone();
    if let Some(Value::String(kind)) = around.get_mut("@type") {
        for term in ["Action", "HumanApproval"] {
            if kind.rsplit([':', '#']).next() == Some(term) {
                *kind = format!("OpenAction:{term}");
                break;
            }
        }
    }
    around
}

pub(super) fn description(file: &'static str, schema: &'static Value) -> Option<String> {
    let here = Schema {
        file,
        value: schema,
        certain: true,
    };
    opened(&[here], None)
        .iter()
        .find_map(|schema| schema.value.get("description")?.as_str())
        .map(str::to_owned)
}

/// All schemas, parsed once.
fn files() -> &'static BTreeMap<String, Value> {
    static FILES: OnceLock<BTreeMap<String, Value>> = OnceLock::new();
    FILES.get_or_init(|| {
        embedded::list("spec/schemas/")
            .into_iter()
            .filter_map(|path| {
                let text: Cow<'static, str> = embedded::text(&path)?;
                let name = path.rsplit('/').next()?.to_owned();
                Some((name, serde_json::from_str(&text).ok()?))
            })
            .collect()
    })
}

pub(super) fn file(name: &str) -> Option<&'static Value> {
    files().get(name)
}

fn static_name(name: &str) -> Option<&'static str> {
    files().get_key_value(name).map(|(name, _)| name.as_str())
}
