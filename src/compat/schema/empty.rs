//! Schemas that no value satisfies, as far as that is plain to see.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::annotations::is_anything;
use super::bounds::{Side, limit_of};
use super::number;
use super::reference;
use super::types::Types;

/// Most subschemas that are looked at for one answer.
const MOST_LOOKED_AT: u32 = 200;

/// Deepest of them, references counted.
const DEEPEST: u32 = 16;

/// Whether no value satisfies a schema for sure. False where that is not plain to see.
pub(super) fn accepts_nothing(root: &Value, schema: &Value) -> bool {
    let mut left = MOST_LOOKED_AT;
    Look {
        root,
        left: &mut left,
    }
    .nothing(schema, 0)
}

struct Look<'v, 'l> {
    root: &'v Value,
    left: &'l mut u32,
}

impl Look<'_, '_> {
    fn nothing(&mut self, schema: &Value, depth: u32) -> bool {
        if depth > DEEPEST || *self.left == 0 {
            return false;
        }
        *self.left -= 1;
        let keywords = match schema {
            Value::Bool(anything) => return !anything,
            Value::Object(keywords) => keywords,
            _ => return false,
        };
        if keywords.get("not").is_some_and(is_anything) || self.types(keywords, depth).is_empty() {
            return true;
        }
        let list = |keyword: &str| {
            let list = keywords.get(keyword).and_then(Value::as_array);
            list.filter(|list| !list.is_empty())
        };
        if list("allOf").is_some_and(|all| all.iter().any(|one| self.nothing(one, depth + 1))) {
            return true;
        }
        for keyword in ["anyOf", "oneOf"] {
            if list(keyword).is_some_and(|all| all.iter().all(|one| self.nothing(one, depth + 1))) {
                return true;
            }
        }
        let target = keywords.get("$ref").and_then(Value::as_str);
        // An anchor would have to be looked for in the whole document, once for each member.
        let target = target.filter(|target| target.contains("#/"));
        let target = target.and_then(|target| reference::follow(self.root, target));
        target.is_some_and(|(schema, _)| self.nothing(schema, depth + 1))
    }

    /// The types of which a value may satisfy the keywords.
    fn types(&mut self, keywords: &Map<String, Value>, depth: u32) -> Types {
        let mut types = Types::of(keywords);
        for (of, least, most) in [
            (Types::STRING, "minLength", "maxLength"),
            (Types::ARRAY, "minItems", "maxItems"),
            (Types::OBJECT, "minProperties", "maxProperties"),
        ] {
            let count = |keyword: &str| match keywords.get(keyword) {
                Some(Value::Number(count)) => Some(count),
                _ => None,
            };
            if let (Some(least), Some(most)) = (count(least), count(most))
                && number::order(least, most) == Ordering::Greater
            {
                types = types.without(of);
            }
        }
        let limits = (
            limit_of(keywords, Side::Above),
            limit_of(keywords, Side::Below),
        );
        if let (Some(least), Some(most)) = limits {
            let crossed = match number::order(least.number, most.number) {
                Ordering::Less => false,
                Ordering::Equal => least.exclusive || most.exclusive,
                Ordering::Greater => true,
            };
            if crossed {
                types = types.without(Types::NUMBER);
            }
        }
        let required = keywords.get("required").and_then(Value::as_array);
        let properties = keywords.get("properties").and_then(Value::as_object);
        if let (Some(required), Some(properties)) = (required, properties) {
            let mut demanded = required.iter().filter_map(Value::as_str);
            if demanded.any(|name| {
                let property = properties.get(name);
                property.is_some_and(|property| self.nothing(property, depth + 1))
            }) {
                types = types.without(Types::OBJECT);
            }
        }
        types
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_no_value_satisfies_is_empty() {
        for empty in [
            json!(false),
            json!({"not": {}}),
            json!({"not": true}),
            json!({"type": "string", "enum": [1, 2]}),
            json!({"type": "string", "minLength": 3, "maxLength": 2}),
            json!({"type": "integer", "minimum": 3, "exclusiveMaximum": 3}),
            json!({"type": "array", "minItems": 1, "maxItems": 0}),
            json!({"type": "object", "required": ["a"], "properties": {"a": false}}),
            json!({"allOf": [{"type": "string"}, false]}),
            json!({"anyOf": [false, {"not": {}}]}),
            json!({"$ref": "#/$defs/no", "$defs": {"no": false}}),
        ] {
            assert!(accepts_nothing(&empty, &empty), "{empty}");
            let compiled = crate::schema::compile(&empty).expect("a schema");
            for value in [json!(null), json!(3), json!("ab"), json!([]), json!({})] {
                assert!(!compiled.is_valid(&value), "{empty} {value}");
            }
        }
        for open in [
            json!(true),
            json!({}),
            json!({"minLength": 3, "maxLength": 2}),
            json!({"type": "integer", "minimum": 3, "maximum": 3}),
            json!({"required": ["a"], "properties": {"a": false}}),
            json!({"type": "object", "properties": {"a": false}}),
            json!({"anyOf": [false, {"type": "null"}]}),
            json!({"$ref": "#"}),
        ] {
            assert!(!accepts_nothing(&open, &open), "{open}");
        }
    }
}
