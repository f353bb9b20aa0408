//! Values that a schema may accept, or just not: guesses, which whoever takes them holds against the schema.

mod scalars;

use serde_json::{Map, Value, json};

use scalars::{numbers, texts};

use super::merged::merged;
use super::schema::types::{Types, listed};
use super::schema::{ANYTHING, Step};

/// Most values guessed for one schema.
const MOST: usize = 48;

/// Deepest values that are built.
const DEEPEST: usize = 8;

/// Longest text and longest array that is built.
const LONGEST: usize = 2048;

/// Most members of an object that are varied one by one.
const MOST_MEMBERS: usize = 16;

/// Guesses values of the schemas of one document.
pub(super) struct Sampler<'v> {
    pub root: &'v Value,
    /// How many values may still be built.
    pub left: usize,
}

impl Sampler<'_> {
    fn spend(&mut self, values: usize) -> bool {
        self.left = self.left.saturating_sub(values);
        self.left > 0
    }

    /// One value that the schema probably accepts, as small as it can be.
    pub fn first(&mut self, schema: &Value, depth: usize) -> Option<Value> {
        if depth > DEEPEST || !self.spend(1) {
            return None;
        }
        let root = self.root;
        let keywords = merged(root, schema)?;
        if let Some(values) = listed(&keywords) {
            return values.first().map(|value| (*value).clone());
        }
        for keyword in ["anyOf", "oneOf"] {
            if let Some(branches) = keywords.get(keyword).and_then(Value::as_array) {
                let mut branches = branches.iter().take(MOST_MEMBERS);
                return branches.find_map(|branch| self.first(branch, depth + 1));
            }
        }
        let types = types_of(&keywords);
        if Types::OBJECT.within(types) {
            return self.object(&keywords, depth).map(Value::Object);
        }
        if Types::STRING.within(types) {
            return texts(&keywords).into_iter().next().map(Value::from);
        }
        if Types::INTEGER.within(types) {
            return numbers(&keywords, types).into_iter().next();
        }
        if Types::ARRAY.within(types) {
            return self.array(&keywords, count(&keywords, "minItems"), depth);
        }
        if Types::BOOLEAN.within(types) {
            return Some(Value::Bool(true));
        }
        Some(Value::Null)
    }

    /// An object with its required members.
    fn object(
        &mut self,
        keywords: &Map<String, Value>,
        depth: usize,
    ) -> Option<Map<String, Value>> {
        let mut object = Map::new();
        let required = keywords.get("required").and_then(Value::as_array);
        for name in required.into_iter().flatten().filter_map(Value::as_str) {
            let value = self.first(property(keywords, name), depth + 1)?;
            object.insert(name.to_owned(), value);
        }
        Some(object)
    }

    fn array(
        &mut self,
        keywords: &Map<String, Value>,
        length: usize,
        depth: usize,
    ) -> Option<Value> {
        if length > LONGEST {
            return None;
        }
        let unique = keywords.get("uniqueItems") == Some(&Value::Bool(true));
        let mut elements = Vec::new();
        let several = match length > 1 && unique {
            true => self.values(element(keywords, 0), depth + 1),
            false => Vec::new(),
        };
        for index in 0..length {
            let value = match several.get(index) {
                Some(value) => value.clone(),
                None => self.first(element(keywords, index), depth + 1)?,
            };
            elements.push(value);
        }
        Some(Value::Array(elements))
    }

    /// Values at and around all borders of the schema, those that it probably accepts first.
    pub fn values(&mut self, schema: &Value, depth: usize) -> Vec<Value> {
        let mut found: Vec<Value> = self.first(schema, depth).into_iter().collect();
        if depth > DEEPEST || !self.spend(1) {
            return found;
        }
        let root = self.root;
        let Some(keywords) = merged(root, schema) else {
            return found;
        };
        if let Some(values) = listed(&keywords) {
            found.extend(values.into_iter().take(MOST).cloned());
        }
        for keyword in ["anyOf", "oneOf"] {
            let branches = keywords.get(keyword).and_then(Value::as_array);
            for branch in branches.into_iter().flatten().take(MOST_MEMBERS) {
                found.extend(self.values(branch, depth + 1).into_iter().take(6));
            }
        }
        for keyword in ["not", "if", "then", "else"] {
            let Some(schema) = keywords.get(keyword) else {
                continue;
            };
            let first = found.first().cloned();
            for value in self.values(schema, depth + 1).into_iter().take(6) {
                if let (Some(Value::Object(base)), Value::Object(more)) = (&first, &value) {
                    let mut both = base.clone();
                    both.extend(more.clone());
                    found.push(Value::Object(both));
                }
                found.push(value);
            }
        }
        let types = types_of(&keywords);
        if types.meets(Types::NUMBER) {
            found.extend(numbers(&keywords, types));
        }
        if types.meets(Types::STRING) {
            found.extend(texts(&keywords).into_iter().map(Value::from));
        }
        if types.meets(Types::ARRAY) {
            self.arrays(&keywords, depth, &mut found);
        }
        if types.meets(Types::OBJECT) {
            self.objects(&keywords, depth, &mut found);
        }
        for other in [
            json!(true),
            json!(null),
            json!(1),
            json!(0.5),
            json!("a"),
            json!({}),
            json!([]),
        ] {
            if !found.contains(&other) {
                found.push(other);
            }
        }
        found.truncate(MOST * 2);
        found
    }

    fn arrays(&mut self, keywords: &Map<String, Value>, depth: usize, found: &mut Vec<Value>) {
        for keyword in ["minItems", "maxItems"] {
            if !keywords.contains_key(keyword) {
                continue;
            }
            let border = count(keywords, keyword);
            for length in [border, border.saturating_sub(1), border.saturating_add(1)] {
                found.extend(self.array(keywords, length, depth));
            }
        }
        for length in 0..3 {
            found.extend(self.array(keywords, length, depth));
        }
        if let Some(value) = self.first(element(keywords, 0), depth + 1) {
            found.push(json!([value, value]));
        }
        if let Some(contained) = keywords.get("contains") {
            let counted = self.first(contained, depth + 1);
            for keyword in ["minContains", "maxContains"] {
                let border = count(keywords, keyword);
                for length in [border, border + 1, border.saturating_sub(1)] {
                    if let Some(value) = counted.as_ref().filter(|_| length <= MOST) {
                        found.push(Value::Array(vec![value.clone(); length]));
                    }
                }
            }
            for value in self.values(contained, depth + 1).into_iter().take(6) {
                found.push(json!([value]));
                found.push(json!([value, value]));
            }
        }
    }

    fn objects(&mut self, keywords: &Map<String, Value>, depth: usize, found: &mut Vec<Value>) {
        let Some(base) = self.object(keywords, depth) else {
            return;
        };
        if !self.spend(base.len() * MOST_MEMBERS) {
            return;
        }
        for name in base.keys().take(MOST_MEMBERS) {
            let mut less = base.clone();
            less.shift_remove(name);
            found.push(Value::Object(less));
        }
        let with = |base: &Map<String, Value>, name: &str, value: Value| {
            let mut more = base.clone();
            more.insert(name.to_owned(), value);
            Value::Object(more)
        };
        let declared = keywords.get("properties").and_then(Value::as_object);
        let mut full = base.clone();
        for (name, schema) in declared.into_iter().flatten().take(MOST_MEMBERS) {
            for value in self.values(schema, depth + 2).into_iter().take(4) {
                found.push(with(&base, name, value.clone()));
                full.entry(name).or_insert(value);
            }
        }
        found.push(Value::Object(full.clone()));
        let patterns = keywords.get("patternProperties").and_then(Value::as_object);
        let mut extra = vec!["undeclared".to_owned(), "a".to_owned(), "x-a".to_owned()];
        for (pattern, _) in patterns.into_iter().flatten().take(4) {
            let name: String = pattern.chars().filter(|c| !"^$\\".contains(*c)).collect();
            extra.push(name);
        }
        for name in extra {
            for value in [json!("a"), json!(1), json!(null)] {
                found.push(with(&base, &name, value));
            }
        }
        for keyword in ["minProperties", "maxProperties"] {
            let border = count(keywords, keyword);
            if !keywords.contains_key(keyword) || border > MOST_MEMBERS {
                continue;
            }
            for wanted in [border, border + 1, border.saturating_sub(1)] {
                let mut object = base.clone();
                for (name, value) in &full {
                    if object.len() < wanted {
                        object.insert(name.clone(), value.clone());
                    }
                }
                for number in 0..wanted {
                    if object.len() < wanted {
                        object.insert(format!("undeclared{number}"), json!("a"));
                    }
                }
                found.push(Value::Object(object));
            }
        }
    }

    /// The object of a schema with a member, and that with all declared members but it.
    pub fn around_member(&mut self, schema: &Value, name: &str) -> Vec<Value> {
        let root = self.root;
        let Some(keywords) = merged(root, schema) else {
            return Vec::new();
        };
        let Some(base) = self.object(&keywords, 0) else {
            return Vec::new();
        };
        let mut without = base.clone();
        without.shift_remove(name);
        let mut found = vec![Value::Object(without)];
        for value in self
            .values(property(&keywords, name), 1)
            .into_iter()
            .take(24)
        {
            let mut with = base.clone();
            with.insert(name.to_owned(), value);
            found.push(Value::Object(with));
        }
        found
    }

    /// A value of the schema with another value at a place in it.
    pub fn place(&mut self, schema: &Value, steps: &[Step], value: Value) -> Option<Value> {
        let Some((step, rest)) = steps.split_first() else {
            return Some(value);
        };
        if !self.spend(1) {
            return None;
        }
        let root = self.root;
        let keywords = merged(root, schema)?;
        match step {
            Step::Member(name) => {
                let inner = self.place(property(&keywords, name), rest, value)?;
                let mut object = match self.first(schema, 0)? {
                    Value::Object(object) => object,
                    _ => self.object(&keywords, 0)?,
                };
                object.insert(name.clone(), inner);
                Some(Value::Object(object))
            }
            Step::Element(index) => {
                let inner = self.place(element(&keywords, *index), rest, value)?;
                let least = count(&keywords, "minItems").max(index.checked_add(1)?);
                let Value::Array(mut elements) = self.array(&keywords, least, 0)? else {
                    return None;
                };
                *elements.get_mut(*index)? = inner;
                Some(Value::Array(elements))
            }
        }
    }
}

/// The types that a schema accepts; where it does not say, those that its keywords speak of.
fn types_of(keywords: &Map<String, Value>) -> Types {
    let types = Types::of(keywords);
    if types != Types::ALL {
        return types;
    }
    let speaks = |names: &[&str]| names.iter().any(|name| keywords.contains_key(*name));
    if speaks(&[
        "properties",
        "required",
        "additionalProperties",
        "minProperties",
        "propertyNames",
    ]) {
        Types::OBJECT
    } else if speaks(&[
        "items",
        "prefixItems",
        "minItems",
        "maxItems",
        "contains",
        "uniqueItems",
    ]) {
        Types::ARRAY
    } else if speaks(&["minLength", "maxLength", "pattern", "format"]) {
        Types::STRING
    } else if speaks(&[
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
    ]) {
        Types::NUMBER
    } else {
        Types::ALL
    }
}

fn count(keywords: &Map<String, Value>, keyword: &str) -> usize {
    let number = keywords.get(keyword).and_then(Value::as_f64);
    // What is below zero or too large becomes a bound.
    number.map_or(0, |number| number as usize)
}

fn property<'k>(keywords: &'k Map<String, Value>, name: &str) -> &'k Value {
    let declared = keywords.get("properties").and_then(|all| all.get(name));
    let rest = || keywords.get("additionalProperties");
    declared.or_else(rest).unwrap_or(&ANYTHING)
}

fn element(keywords: &Map<String, Value>, index: usize) -> &Value {
    let items = keywords.get("items");
    let first = match items {
        Some(Value::Array(first)) => first.get(index),
        _ => keywords
            .get("prefixItems")
            .and_then(Value::as_array)
            .and_then(|first| first.get(index)),
    };
    let rest = match items {
        Some(Value::Array(_)) => keywords.get("additionalItems"),
        rest => rest,
    };
    first.or(rest).unwrap_or(&ANYTHING)
}
