//! Schemas of generated actions: closed, bounded, with a sentence for each member.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value, json};

use super::chance::Chance;
use super::words;

/// Deepest object within an object.
const DEEPEST: usize = 4;

/// Fewest bytes that are worth an object of their own.
const WORTH_AN_OBJECT: usize = 300;

/// Most members of one object while the room can be spent further down.
const MOST_MEMBERS: usize = 24;

/// Longest a member's name and its colon are, about; what `"required"` says of it included.
const NAME: usize = 28;

/// Definitions that schemas share, by name.
const SHARED: &[&str] = &["address", "money", "period"];

/// A closed object whose schema takes about as many bytes as there is room, as compact JSON; at least a few members.
pub(super) fn object(chance: &mut Chance, room: usize) -> Value {
    let mut shared = BTreeSet::new();
    let mut schema = members(chance, room, 0, &mut shared);
    if !shared.is_empty() {
        let definitions = shared
            .into_iter()
            .map(|name| (name.to_owned(), definition(name)));
        if let Value::Object(schema) = &mut schema {
            schema.insert("$defs".to_owned(), Value::Object(definitions.collect()));
        }
    }
    schema
}

fn members(
    chance: &mut Chance,
    room: usize,
    depth: usize,
    shared: &mut BTreeSet<&'static str>,
) -> Value {
    let mut taken = HashSet::new();
    let mut properties = Map::new();
    let mut required = Vec::new();
    let mut used = 60;
    while properties.is_empty() || used + NAME < room {
        let name = words::member(chance, &mut taken);
        let left = room.saturating_sub(used + NAME);
        let crowded = properties.len() >= MOST_MEMBERS;
        let schema = if depth < DEEPEST && left > WORTH_AN_OBJECT && (crowded || chance.percent(20))
        {
            let share = if crowded {
                left / 2
            } else {
                left.min(4 * WORTH_AN_OBJECT)
            };
            let inner = chance.between(WORTH_AN_OBJECT / 2, share.max(WORTH_AN_OBJECT));
            nested(chance, &name, inner, depth + 1, shared)
        } else {
            leaf(chance, &name, shared)
        };
        used += NAME + size(&schema);
        if properties.is_empty() || chance.percent(45) {
            used += name.len() + 3;
            required.push(Value::from(name.clone()));
        }
        properties.insert(name, schema);
    }
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn nested(
    chance: &mut Chance,
    name: &str,
    room: usize,
    depth: usize,
    shared: &mut BTreeSet<&'static str>,
) -> Value {
    let about = words::about(chance, name);
    let inner = members(chance, room, depth, shared);
    match chance.below(4) {
        0 => described(about, inner),
        1 => {
            let other = members(chance, WORTH_AN_OBJECT / 3, depth, shared);
            json!({"description": about, "anyOf": [inner, other, {"type": "null"}]})
        }
        _ => json!({
            "type": "array",
            "description": about,
            "items": inner,
            "minItems": chance.below(2),
            "maxItems": chance.between(5, 200),
        }),
    }
}

/// A member without members of its own.
fn leaf(chance: &mut Chance, name: &str, shared: &mut BTreeSet<&'static str>) -> Value {
    let about = words::about(chance, name);
    let schema = match chance.below(15) {
        0 | 1 => json!({"type": "string", "minLength": 1, "maxLength": 10 * chance.between(2, 50)}),
        2 => json!({"type": "string", "format": "email", "maxLength": 254}),
        3 => json!({"type": "string", "format": "date-time", "maxLength": 40}),
        4 => {
            json!({"type": "string", "format": chance.word(&["date", "uuid", "uri", "hostname"]), "maxLength": 255})
        }
        5 => {
            let pattern = chance.word(&[
                "^[A-Z]{2}[0-9]{6}$",
                "^[a-z][a-z0-9-]{2,30}$",
                "^[0-9]{4}-Q[1-4]$",
                "^[A-Z]{3}$",
            ]);
            json!({"type": "string", "pattern": pattern, "maxLength": 32})
        }
        6 | 7 => json!({"type": "string", "enum": choice(chance)}),
        8 => {
            json!({"type": "integer", "minimum": chance.below(3), "maximum": 10 * chance.between(1, 1000)})
        }
        9 => {
            json!({"type": "number", "minimum": 0, "maximum": 1000 * chance.between(1, 1000), "multipleOf": 0.01})
        }
        10 => json!({"type": "boolean"}),
        11 => json!({
            "type": "array",
            "items": {"type": "string", "minLength": 1, "maxLength": 64},
            "maxItems": chance.between(3, 50),
            "uniqueItems": true,
        }),
        12 => json!({"type": ["string", "null"], "maxLength": 10 * chance.between(2, 50)}),
        13 => json!({
            "type": "object",
            "propertyNames": {"pattern": "^[a-z][a-z_]{0,30}$"},
            "additionalProperties": {"type": "string", "maxLength": 200},
            "maxProperties": chance.between(4, 32),
        }),
        _ => {
            let name = SHARED
                .get(chance.below(SHARED.len()))
                .copied()
                .unwrap_or("money");
            shared.insert(name);
            json!({"$ref": format!("#/$defs/{name}")})
        }
    };
    described(about, schema)
}

fn choice(chance: &mut Chance) -> Vec<&'static str> {
    let choices = words::CHOICES.get(chance.below(words::CHOICES.len()));
    choices.copied().unwrap_or_default().to_vec()
}

/// The schema with a sentence about it, behind its type.
fn described(about: String, schema: Value) -> Value {
    let Value::Object(members) = schema else {
        return schema;
    };
    let mut described = Map::new();
    let mut about = Some(Value::from(about));
    for (name, value) in members {
        described.insert(name, value);
        if let Some(about) = about.take() {
            described.insert("description".to_owned(), about);
        }
    }
    Value::Object(described)
}

fn definition(name: &str) -> Value {
    match name {
        "address" => json!({
            "type": "object",
            "properties": {
                "street": {"type": "string", "maxLength": 200},
                "postal_code": {"type": "string", "pattern": "^[A-Z0-9 -]{3,10}$", "maxLength": 10},
                "city": {"type": "string", "minLength": 1, "maxLength": 100},
                "country": {"type": "string", "pattern": "^[A-Z]{2}$", "maxLength": 2},
            },
            "required": ["city", "country"],
            "additionalProperties": false,
        }),
        "period" => json!({
            "type": "object",
            "properties": {
                "from": {"type": "string", "format": "date", "maxLength": 10},
                "to": {"type": "string", "format": "date", "maxLength": 10},
            },
            "required": ["from"],
            "additionalProperties": false,
        }),
        _ => json!({
            "type": "object",
            "properties": {
                "amount": {"type": "number", "minimum": 0, "maximum": 1_000_000},
                "currency": {"type": "string", "enum": ["EUR", "USD", "GBP", "CHF"]},
            },
            "required": ["amount", "currency"],
            "additionalProperties": false,
        }),
    }
}

/// An expression over an argument that is always there; some inputs satisfy it and some do not. None when no argument fits.
pub(super) fn conditional(input: &Value) -> Option<String> {
    required(input).find_map(|(name, schema)| {
        let choices = schema.get("enum").and_then(Value::as_array);
        if let Some(choice) = choices.and_then(|choices| choices.first()) {
            return Some(format!("input.{name} != {choice}"));
        }
        match schema.get("type").and_then(Value::as_str)? {
            "integer" => Some(format!(
                "input.{name} > {}",
                schema.get("maximum")?.as_u64()? / 2
            )),
            "boolean" => Some(format!("not input.{name}")),
            "string" if schema.get("maxLength")?.as_u64()? > 64 => {
                Some(format!("input.{name}.length > 12"))
            }
            "array" => Some(format!("input.{name}.length < 3")),
            _ => None,
        }
    })
}

/// The members of an object that are always there, with their schemas.
pub(super) fn required(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let names = schema.get("required").and_then(Value::as_array);
    let names = names.into_iter().flatten().filter_map(Value::as_str);
    names.filter_map(|name| Some((name, schema.get("properties")?.get(name)?)))
}

/// How many bytes a value takes as compact JSON, but for escapes.
pub(super) fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 4,
        Value::Number(number) => number.to_string().len(),
        Value::String(text) => text.len() + 2,
        Value::Array(elements) => {
            2 + elements
                .iter()
                .map(|element| size(element) + 1)
                .sum::<usize>()
        }
        Value::Object(members) => {
            2 + members
                .iter()
                .map(|(name, member)| name.len() + size(member) + 4)
                .sum::<usize>()
        }
    }
}
