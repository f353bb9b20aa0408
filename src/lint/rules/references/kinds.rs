//! The kinds of JSON values that a schema takes, or that an expression can have.

use serde_json::Value;

/// A set of the kinds of JSON values, and of there being none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lint::rules) struct Kinds(u8);

impl Kinds {
    pub(in crate::lint::rules) const NOTHING: Kinds = Kinds(0);
    pub(in crate::lint::rules) const UNDEFINED: Kinds = Kinds(1);
    pub(in crate::lint::rules) const NULL: Kinds = Kinds(2);
    pub(in crate::lint::rules) const BOOLEAN: Kinds = Kinds(4);
    pub(in crate::lint::rules) const NUMBER: Kinds = Kinds(8);
    pub(in crate::lint::rules) const TEXT: Kinds = Kinds(16);
    pub(in crate::lint::rules) const ARRAY: Kinds = Kinds(32);
    pub(in crate::lint::rules) const OBJECT: Kinds = Kinds(64);
    /// Any value, and none.
    pub(in crate::lint::rules) const ALL: Kinds = Kinds(127);
    /// Any value.
    pub(in crate::lint::rules) const DEFINED: Kinds = Kinds(126);

    pub(in crate::lint::rules) fn or(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }

    pub(in crate::lint::rules) fn and(self, other: Kinds) -> Kinds {
        Kinds(self.0 & other.0)
    }

    pub(in crate::lint::rules) fn without(self, other: Kinds) -> Kinds {
        Kinds(self.0 & !other.0)
    }

    pub(in crate::lint::rules) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(in crate::lint::rules) fn meets(self, other: Kinds) -> bool {
        !self.and(other).is_empty()
    }

    /// Whether there is nothing in it that is not in `other`.
    pub(in crate::lint::rules) fn within(self, other: Kinds) -> bool {
        self.without(other).is_empty()
    }

    /// The kind of a value.
    pub(in crate::lint::rules) fn of(value: &Value) -> Kinds {
        match value {
            Value::Null => Kinds::NULL,
            Value::Bool(_) => Kinds::BOOLEAN,
            Value::Number(_) => Kinds::NUMBER,
            Value::String(_) => Kinds::TEXT,
            Value::Array(_) => Kinds::ARRAY,
            Value::Object(_) => Kinds::OBJECT,
        }
    }

    /// The kinds of the values that a schema takes, by its own `type`, `const` and `enum`.
    pub(in crate::lint::rules) fn taken_by(schema: &Value) -> Kinds {
        let Value::Object(members) = schema else {
            return if schema == &Value::Bool(false) {
                Kinds::NOTHING
            } else {
                Kinds::DEFINED
            };
        };
        let mut kinds = match members.get("type") {
            Some(Value::String(name)) => Kinds::named(name),
            Some(Value::Array(names)) => names
                .iter()
                .filter_map(Value::as_str)
                .fold(Kinds::NOTHING, |kinds, name| kinds.or(Kinds::named(name))),
            _ => Kinds::DEFINED,
        };
        if let Some(value) = members.get("const") {
            kinds = kinds.and(Kinds::of(value));
        }
        if let Some(Value::Array(values)) = members.get("enum") {
            let each = values.iter().map(Kinds::of);
            kinds = kinds.and(each.fold(Kinds::NOTHING, Kinds::or));
        }
        kinds
    }

    fn named(name: &str) -> Kinds {
        match name {
            "null" => Kinds::NULL,
            "boolean" => Kinds::BOOLEAN,
            "number" | "integer" => Kinds::NUMBER,
            "string" => Kinds::TEXT,
            "array" => Kinds::ARRAY,
            "object" => Kinds::OBJECT,
            _ => Kinds::DEFINED,
        }
    }

    /// The kinds in words, for messages.
    pub(in crate::lint::rules) fn words(self) -> String {
        let names = [
            (Kinds::NULL, "null"),
            (Kinds::BOOLEAN, "a boolean"),
            (Kinds::NUMBER, "a number"),
            (Kinds::TEXT, "a string"),
            (Kinds::ARRAY, "an array"),
            (Kinds::OBJECT, "an object"),
        ];
        let named = names.iter().filter(|(kind, _)| self.meets(*kind));
        let words: Vec<_> = named.map(|(_, word)| *word).collect();
        match words.len() {
            0 => "undefined".to_owned(),
            6 => "any value".to_owned(),
            _ => words.join(" or "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Kinds;
    use serde_json::json;

    #[test]
    fn kinds_in_words() {
        assert_eq!(
            Kinds::taken_by(&json!({"type": ["integer", "null"]})).words(),
            "null or a number"
        );
        assert_eq!(
            Kinds::taken_by(&json!({"enum": ["a", 1], "type": "string"})),
            Kinds::TEXT
        );
        assert_eq!(Kinds::taken_by(&json!(true)), Kinds::DEFINED);
    }
}
