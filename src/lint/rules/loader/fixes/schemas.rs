//! How schemas that are none can be mended.

use serde_json::{Value, json};

use super::{Advice, Case, pieces};
use crate::json;
use crate::lint::Edit;
use crate::lint::near::nearest;
use crate::lint::rule::Change;

const TYPES: [&str; 7] = [
    "null", "boolean", "object", "array", "number", "integer", "string",
];

/// Keywords whose values are whole numbers or numbers.
const NUMERIC: [&str; 13] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "minContains",
    "maxContains",
];

pub(super) fn fix(case: &Case<'_, '_>) -> Option<Change> {
    let (parent, token) = json::pop(case.pointer)?;
    match token.as_str() {
        "items" if case.value.is_array() => items(case, parent),
        "$schema" => dialect(case),
        "$ref" => reference(case),
        "required" => match case.value {
            Value::String(name) => case.replace_as("put it into a list", true, json!([name])),
            Value::Array(names) => {
                let once = pieces::each_once(names);
                (once.len() < names.len())
                    .then(|| case.replace_as("name each once", true, Value::Array(once)))?
            }
            _ => None,
        },
        keyword if NUMERIC.contains(&keyword) => {
            let number: serde_json::Number = case.text()?.trim().parse().ok()?;
            case.replace(true, Value::Number(number))
        }
        _ => None,
    }
}

/// A list of schemas for the first elements: `items` until draft 2019-09, `prefixItems` since.
fn items(case: &Case<'_, '_>, parent: &str) -> Option<Change> {
    let (_, members) = case.parent()?;
    if members.contains_key("prefixItems") {
        return None;
    }
    let step = if members.contains_key("additionalItems") {
        // What one of the two is renamed to is the old name of the other, so the object is written anew.
        let renamed = members.iter().map(|(name, value)| {
            let name = match name.as_str() {
                "items" => "prefixItems",
                "additionalItems" => "items",
                other => other,
            };
            (name.to_owned(), value.clone())
        });
        Edit::Replace {
            pointer: parent.to_owned(),
            value: Value::Object(renamed.collect()),
        }
    } else {
        Edit::Rename {
            pointer: case.pointer.to_owned(),
            name: "prefixItems".to_owned(),
        }
    };
    let steps = vec![step];
    case.change("rename 'items' to 'prefixItems'".to_owned(), true, steps)
}

/// A type that there is not, with the one that was meant; in a list each that is wrong is mended at once.
pub(super) fn type_advice(case: &Case<'_, '_>) -> Option<Advice> {
    let (parent, token) = json::pop(case.pointer)?;
    let in_list = json::pop(parent).is_some_and(|(_, above)| above == "type")
        && token.bytes().all(|byte| byte.is_ascii_digit());
    if token != "type" && !in_list {
        return None;
    }
    let mended = |given: &Value| Some(json!(meant(given.as_str()?)?));
    let (given, value) = match case.value {
        Value::Array(names) if token == "type" => {
            let wrong = names
                .iter()
                .find(|name| name.as_str().is_some_and(|name| !TYPES.contains(&name)))?;
            let all = names.iter().map(|name| match name.as_str() {
                Some(known) if TYPES.contains(&known) => Some(name.clone()),
                _ => mended(name),
            });
            let all: Option<Vec<Value>> = all.collect();
            let all = all.map(|names| Value::Array(pieces::each_once(&names)));
            (wrong.as_str()?, all)
        }
        Value::String(given) if !TYPES.contains(&given.as_str()) => {
            (given.as_str(), mended(case.value))
        }
        _ => return None,
    };
    let message = match meant(given) {
        Some(name) => format!("there is no type '{}'; write '{name}'", shown(given)),
        None => format!(
            "there is no type '{}'; there are {}",
            shown(given),
            TYPES.join(", ")
        ),
    };
    Some(Advice {
        message: Some(message),
        change: value.and_then(|value| case.replace(true, value)),
    })
}

/// As much of a name as a message has room for.
fn shown(name: &str) -> String {
    name.chars().take(40).collect()
}

/// The type that a name surely means.
fn meant(given: &str) -> Option<&'static str> {
    Some(match given.to_ascii_lowercase().as_str() {
        "str" | "text" | "char" | "uuid" | "date" | "datetime" => "string",
        "int" | "int32" | "int64" | "long" => "integer",
        "float" | "double" | "decimal" => "number",
        "bool" => "boolean",
        "list" | "tuple" | "set" => "array",
        "dict" | "map" | "struct" => "object",
        "none" | "nil" => "null",
        _ => nearest(given, TYPES)?,
    })
}

/// The offered draft whose URI was meant.
fn dialect(case: &Case<'_, '_>) -> Option<Change> {
    let given = case.text()?;
    let known = [
        ("draft-04", "http://json-schema.org/draft-04/schema#"),
        ("draft-06", "http://json-schema.org/draft-06/schema#"),
        ("draft-07", "http://json-schema.org/draft-07/schema#"),
        ("2019-09", "https://json-schema.org/draft/2019-09/schema"),
        ("2020-12", "https://json-schema.org/draft/2020-12/schema"),
    ];
    let (_, uri) = known
        .iter()
        .find(|(mark, uri)| given.contains(mark) && given != *uri)?;
    case.replace(true, json!(uri))
}

/// The definition that a reference nearly names, in the schema it stands in.
fn reference(case: &Case<'_, '_>) -> Option<Change> {
    let given = case.text()?;
    let (_, name) = json::pop(given.strip_prefix('#')?)?;
    let place = case.subject.unified(case.pointer);
    let root: Vec<&str> = place.split('/').take(4).collect();
    let root = case.subject.value().pointer(&root.join("/"))?;
    let defined = ["$defs", "definitions"].into_iter().flat_map(|keyword| {
        let members = root.get(keyword).and_then(Value::as_object);
        let names = members.into_iter().flat_map(|members| members.keys());
        names.map(move |name| {
            (
                name.as_str(),
                format!("#{}", json::push(&format!("/{keyword}"), name)),
            )
        })
    });
    let defined: Vec<(&str, String)> = defined.take(1000).collect();
    let exact = defined.iter().find(|(other, _)| *other == name);
    let meant = exact.or_else(|| {
        let near = nearest(&name, defined.iter().map(|(name, _)| *name))?;
        defined.iter().find(|(other, _)| *other == near)
    });
    let (_, target) = meant?;
    (target != given).then(|| case.replace(true, json!(target)))?
}
