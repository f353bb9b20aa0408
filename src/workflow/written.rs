//! What can be said of an input that is only partly written out: of the parts without a template, by what the schema says of each.

use serde_json::{Map, Value};

use crate::diagnostic::Violation;
use crate::expression::{Template, Templates};
use crate::json::push;
use crate::schema;

/// Most subschemas that are looked at on the way to those of one member.
const MOST_STEPS: usize = 64;

/// Most subschemas that are compiled for one input.
const MOST_COMPILED: usize = 32;

/// Most things that are told of one input.
const MOST_TOLD: usize = 100;

/// Judges every member of an input; pointers lead into it. What stands under `anyOf`, `oneOf`, `not` and conditions is not judged.
pub(super) fn members(schema: &Value, input: &Map<String, Value>) -> Vec<Violation> {
    let mut judge = Judge {
        root: schema,
        dialect: Dialect::of(schema),
        violations: Vec::new(),
        compiled: 0,
    };
    for (name, value) in input {
        judge.member(schema, name, value, &push("", name));
    }
    judge.violations
}

/// What drafts read differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// Drafts 3 to 7: nothing holds beside a reference, and the first elements of an array stand under `items`.
    Old,
    /// 2019-09: the first elements stand under `items` as well.
    Tuples,
    /// 2020-12, which counts where nothing is said.
    Prefixes,
}

impl Dialect {
    fn of(schema: &Value) -> Self {
        match schema.get("$schema").and_then(Value::as_str) {
            Some(draft) if draft.contains("draft-0") => Self::Old,
            Some(draft) if draft.contains("2019-09") => Self::Tuples,
            _ => Self::Prefixes,
        }
    }

    /// Whether a subschema is a resource of its own, whose references are relative to itself and whose dialect may be another.
    fn is_resource(self, schema: &Value) -> bool {
        let has = |name: &str| schema.get(name).is_some_and(Value::is_string);
        has("$id") || has("$schema") || self == Self::Old && has("id")
    }

    /// The schemas of the first elements of an array, and that of the others.
    fn elements(self, schema: &Value) -> (Option<&Vec<Value>>, Option<&Value>) {
        let items = schema.get("items");
        if self == Self::Prefixes {
            let first = schema.get("prefixItems").and_then(Value::as_array);
            return (first, items.filter(|items| !items.is_array()));
        }
        match items {
            Some(Value::Array(first)) => (Some(first), schema.get("additionalItems")),
            others => (None, others),
        }
    }
}

struct Judge<'s> {
    root: &'s Value,
    dialect: Dialect,
    violations: Vec<Violation>,
    compiled: usize,
}

impl<'s> Judge<'s> {
    fn tell(&mut self, pointer: &str, rule: &str, message: String) {
        self.violations.push(Violation::new(pointer, rule, message));
    }

    fn member(&mut self, schema: &'s Value, name: &str, value: &Value, pointer: &str) {
        for schema in self.all(schema) {
            let own = schema.get("properties").and_then(|all| all.get(name));
            let others = schema
                .get("additionalProperties")
                .filter(|_| schema.get("patternProperties").is_none());
            match own.or(others) {
                Some(Value::Bool(false)) => self.tell(
                    pointer,
                    "additionalProperties",
                    format!("the schema has no member `{name}`; leave it out"),
                ),
                Some(below) => self.value(below, value, pointer),
                None => {}
            }
        }
    }

    /// The schema with all that hold besides it.
    fn all(&self, schema: &'s Value) -> Vec<&'s Value> {
        let mut found = vec![schema];
        let mut next = 0;
        while let Some(&schema) = found.get(next) {
            next += 1;
            if next > MOST_STEPS {
                break;
            }
            if self.is_elsewhere(schema) {
                continue;
            }
            let target = schema.get("$ref").and_then(Value::as_str);
            found.extend(target.and_then(|target| self.target(target)));
            let each = schema.get("allOf").and_then(Value::as_array);
            found.extend(each.into_iter().flatten());
        }
        // Nothing is said of what another base or dialect makes something else.
        found.retain(|schema| {
            let is_alone = self.dialect == Dialect::Old && schema.get("$ref").is_some();
            !is_alone && !self.is_elsewhere(schema)
        });
        found
    }

    fn is_elsewhere(&self, schema: &Value) -> bool {
        !std::ptr::eq(schema, self.root) && self.dialect.is_resource(schema)
    }

    /// What a reference within the schema leads to, unless it leads through a resource of its own.
    fn target(&self, target: &str) -> Option<&'s Value> {
        let pointer = target.strip_prefix('#')?;
        // Nothing is written with escapes of addresses but by programs.
        if !pointer.starts_with('/') || pointer.contains('%') {
            return None;
        }
        let ends = pointer.match_indices('/').map(|(end, _)| end).skip(1);
        for end in ends.chain([pointer.len()]) {
            let passed = self.root.pointer(pointer.get(..end)?)?;
            if self.dialect.is_resource(passed) {
                return None;
            }
        }
        self.root.pointer(pointer)
    }

    /// Recursion ends where the input ends.
    fn value(&mut self, schema: &'s Value, value: &Value, pointer: &str) {
        if Templates::parse(value).is_ok_and(|found| found.is_literal()) {
            return self.literal(schema, value, pointer);
        }
        let kind = match value {
            Value::Object(_) => "object",
            Value::Array(_) => "array",
            // A template alone has whatever type its value has.
            Value::String(text) if !is_text(text) => return,
            _ => "string",
        };
        let all = self.all(schema);
        if let Some(wanted) = all.iter().find_map(|schema| excludes(schema, kind)) {
            let message =
                format!("this becomes a value of type {kind}, and the schema wants {wanted}");
            return self.tell(pointer, "type", message);
        }
        match value {
            Value::Object(members) => {
                let required = all
                    .iter()
                    .filter_map(|schema| schema.get("required")?.as_array());
                for name in required.flatten().filter_map(Value::as_str) {
                    if !members.contains_key(name) {
                        self.tell(pointer, "required", format!("add the member `{name}`"));
                    }
                }
                for (name, value) in members {
                    self.member(schema, name, value, &push(pointer, name));
                }
            }
            Value::Array(elements) => {
                for schema in all {
                    let (first, others) = self.dialect.elements(schema);
                    for (index, element) in elements.iter().enumerate() {
                        let own = first.and_then(|first| first.get(index));
                        if let Some(below) = own.or(others) {
                            self.value(below, element, &push(pointer, &index.to_string()));
                        }
                    }
                }
            }
            _ => {}
        }
    }

    fn literal(&mut self, below: &Value, value: &Value, pointer: &str) {
        if self.compiled >= MOST_COMPILED {
            return;
        }
        self.compiled += 1;
        let Some(schema) = alone(self.root, below).and_then(|alone| schema::compile(&alone).ok())
        else {
            return;
        };
        let room = MOST_TOLD.saturating_sub(self.violations.len());
        let found = schema.violations(value).into_iter().take(room);
        self.violations.extend(found.map(|mut violation| {
            violation.pointer.insert_str(0, pointer);
            violation
        }));
    }
}

/// Whether a text with a template becomes text whatever the template gives.
fn is_text(text: &str) -> bool {
    let Ok(template) = Template::parse(text) else {
        return false;
    };
    let lone =
        text.starts_with("{{") && text.ends_with("}}") && template.expressions().count() == 1;
    !lone
}

/// The types that a schema wants, where a value's is none of them.
fn excludes(schema: &Value, kind: &str) -> Option<String> {
    match schema.get("type")? {
        Value::String(only) => (only != kind).then(|| only.clone()),
        Value::Array(several) => {
            let names: Vec<&str> = several.iter().filter_map(Value::as_str).collect();
            (!names.contains(&kind)).then(|| names.join(" or "))
        }
        _ => None,
    }
}

/// A part of a schema as a schema of its own; none where that would not say the same.
fn alone(root: &Value, below: &Value) -> Option<Value> {
    let Value::Object(own) = below else {
        return Some(below.clone());
    };
    let mut whole = Map::new();
    for name in ["$schema", "$defs", "definitions"] {
        if let Some(value) = root.get(name) {
            if own.contains_key(name) {
                return None;
            }
            whole.insert(name.to_owned(), value.clone());
        }
    }
    whole.extend(own.clone());
    let whole = Value::Object(whole);
    stands_alone(&whole).then_some(whole)
}

/// Whether all references lead to definitions that were taken along. As deep as the schema.
fn stands_alone(value: &Value) -> bool {
    match value {
        Value::Object(members) => {
            members
                .iter()
                .all(|(name, value)| match (name.as_str(), value) {
                    ("$ref", Value::String(target)) => {
                        target.starts_with("#/$defs/") || target.starts_with("#/definitions/")
                    }
                    (
                        "$id" | "id" | "$anchor" | "$dynamicRef" | "$recursiveRef",
                        Value::String(_),
                    ) => false,
                    _ => stands_alone(value),
                })
        }
        Value::Array(elements) => elements.iter().all(stands_alone),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(schema: Value, input: Value) -> Vec<String> {
        let input = input.as_object().expect("an object");
        let found = members(&schema, input).into_iter();
        found
            .map(|violation| format!("{} {}", violation.pointer, violation.rule))
            .collect()
    }

    #[test]
    fn parts_beside_templates_are_judged() {
        let schema = json!({
            "type": "object", "required": ["not_judged_here"], "allOf": [{"properties": {"n": {"type": "integer"}}}],
            "properties": {
                "slot": {"$ref": "#/$defs/slot"}, "count": {"type": "integer"},
                "list": {"type": "array", "prefixItems": [{"type": "integer"}], "items": {"type": "string"}},
                "either": {"anyOf": [{"type": "integer"}, {"type": "null"}]}},
            "$defs": {"slot": {"type": "object", "required": ["start", "room"], "additionalProperties": false,
                "properties": {"start": {"type": "string"}, "room": {"$ref": "#/$defs/room"}}}, "room": {"maximum": 9}}});
        for (input, wanted) in [
            (
                json!({"slot": {"start": "{{ state.a }}", "room": 1}}),
                vec![],
            ),
            (
                json!({"slot": {"start": "{{ state.a }}", "room": 10}}),
                vec!["/slot/room maximum"],
            ),
            (
                json!({"slot": {"start": "{{ state.a }}"}}),
                vec!["/slot required"],
            ),
            (
                json!({"slot": {"start": "{{ state.a }}", "room": 1, "more": "{{ state.b }}"}}),
                vec!["/slot/more additionalProperties"],
            ),
            (json!({"n": "x"}), vec!["/n type"]),
            (json!({"count": "{{ state.a }}"}), vec![]),
            (json!({"count": "{{ state.a }} "}), vec!["/count type"]),
            (json!({"count": ["{{ state.a }}"]}), vec!["/count type"]),
            (
                json!({"list": ["{{ state.a }}", "x", 3]}),
                vec!["/list/2 type"],
            ),
            (
                json!({"list": ["x", "{{ state.a }}"]}),
                vec!["/list/0 type"],
            ),
            (json!({"either": "{{ state.a }}", "unknown": 1}), vec![]),
        ] {
            assert_eq!(told(schema.clone(), input.clone()), wanted, "{input}");
        }
        // A part that refers to the whole cannot stand alone.
        let round = json!({"properties": {"a": {"$ref": "#"}, "b": {"properties": {"c": {"$ref": "#/properties/d"}}}, "d": {"type": "null"}}});
        assert_eq!(told(round, json!({"b": {"c": 1}})), [""; 0]);
        let old = json!({"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"t": {"type": "string"}},
            "properties": {"a": {"$ref": "#/definitions/t", "properties": {"b": false}}}});
        assert_eq!(told(old, json!({"a": {"b": "{{ state.a }}"}})), ["/a type"]);
    }

    #[test]
    fn elements_are_read_by_their_draft() {
        const OLD: &str = "http://json-schema.org/draft-07/schema#";
        const TUPLES: &str = "https://json-schema.org/draft/2019-09/schema";
        const NEW: &str = "https://json-schema.org/draft/2020-12/schema";
        let none: [&str; 0] = [];
        for (draft, list, wanted) in [
            (OLD, json!({"prefixItems": [{"type": "integer"}]}), vec![]),
            (
                TUPLES,
                json!({"prefixItems": [{"type": "integer"}]}),
                vec![],
            ),
            (
                NEW,
                json!({"prefixItems": [{"type": "integer"}]}),
                vec!["/list/0 type"],
            ),
            (
                OLD,
                json!({"items": [{"type": "integer"}]}),
                vec!["/list/0 type"],
            ),
            (
                TUPLES,
                json!({"items": [{"type": "integer"}]}),
                vec!["/list/0 type"],
            ),
            (
                OLD,
                json!({"items": [true], "additionalItems": {"type": "integer"}}),
                vec!["/list/2 type"],
            ),
            (
                OLD,
                json!({"items": {"type": "string"}, "additionalItems": false}),
                vec![],
            ),
            (
                NEW,
                json!({"items": {"type": "string"}, "additionalItems": false}),
                vec![],
            ),
        ] {
            let schema = json!({"$schema": draft, "properties": {"list": list}});
            let input = json!({"list": ["x", "{{ state.a }}", "y"]});
            assert_eq!(told(schema.clone(), input), wanted, "{schema}");
        }
        assert_eq!(told(json!(true), json!({"list": []})), none);
    }

    #[test]
    fn a_resource_of_its_own_is_left_to_the_run() {
        // `#/$defs/t` of the inner resource is its own, and wants a text.
        let inner = |more: Value| {
            let mut inner = json!({"$id": "https://a.example/inner", "type": "object", "$defs": {"t": {"type": "string"}},
                "properties": {"b": {"$ref": "#/$defs/t"}, "c": {"properties": {"d": {"$ref": "#/$defs/t"}}}}});
            for (name, value) in more.as_object().expect("an object") {
                inner[name] = value.clone();
            }
            inner
        };
        let schema = |inner: Value| {
            json!({"$defs": {"t": {"type": "integer"}}, "properties": {
                "a": inner,
                "through": {"$ref": "#/properties/a/properties/c"}, "plain": {"properties": {"d": {"$ref": "#/$defs/t"}}}}})
        };
        let input = json!({"a": {"b": "x", "n": "{{ state.n }}"}, "through": {"d": "x", "n": "{{ state.n }}"},
            "plain": {"d": "x", "n": "{{ state.n }}"}});
        assert_eq!(
            told(schema(inner(json!({}))), input.clone()),
            ["/plain/d type"]
        );
        // Another dialect is read otherwise.
        let other = json!({"$schema": "http://json-schema.org/draft-07/schema#", "$ref": "#/$defs/t", "required": ["z"]});
        assert_eq!(told(schema(inner(other)), input), ["/plain/d type"]);
        let old = json!({"$schema": "http://json-schema.org/draft-04/schema#", "definitions": {"t": {"type": "integer"}},
            "properties": {"a": {"id": "http://a.example/x", "definitions": {"t": {}}, "properties": {"b": {"$ref": "#/definitions/t"}}}}});
        assert_eq!(
            told(old, json!({"a": {"b": "x", "n": "{{ state.n }}"}})),
            [""; 0]
        );
    }
}
