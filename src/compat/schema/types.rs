//! The types that a schema accepts, and the values that it lists.

use serde_json::{Map, Value};

use super::{Here, Walk, number};
use crate::compat::{equal, shown};

/// A set of types of JSON; a number without fraction is apart from the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::compat) struct Types(u8);

impl Types {
    pub const ALL: Self = Self(127);
    pub const NULL: Self = Self(1);
    pub const BOOLEAN: Self = Self(2);
    pub const OBJECT: Self = Self(4);
    pub const ARRAY: Self = Self(8);
    pub const STRING: Self = Self(16);
    pub const INTEGER: Self = Self(32);
    /// Numbers with a fraction and those without.
    pub const NUMBER: Self = Self(96);

    pub fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub fn within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "null" => Self::NULL,
            "boolean" => Self::BOOLEAN,
            "object" => Self::OBJECT,
            "array" => Self::ARRAY,
            "string" => Self::STRING,
            "integer" => Self::INTEGER,
            "number" => Self::NUMBER,
            _ => return None,
        })
    }

    fn of_value(value: &Value) -> Self {
        match value {
            Value::Null => Self::NULL,
            Value::Bool(_) => Self::BOOLEAN,
            Value::Object(_) => Self::OBJECT,
            Value::Array(_) => Self::ARRAY,
            Value::String(_) => Self::STRING,
            Value::Number(number) if number::whole(number).is_some() => Self::INTEGER,
            Value::Number(_) => Self(64),
        }
    }

    /// The types that `type` allows; all where it is absent or cannot be read.
    pub fn declared(keywords: &Map<String, Value>) -> Self {
        match keywords.get("type") {
            Some(Value::String(name)) => Self::named(name).unwrap_or(Self::ALL),
            Some(Value::Array(names)) => names
                .iter()
                .map(|name| name.as_str().and_then(Self::named))
                .try_fold(Self(0), |all, one| Some(all.or(one?)))
                .unwrap_or(Self::ALL),
            _ => Self::ALL,
        }
    }

    /// The types that `type`, `enum` and `const` allow together.
    pub fn of(keywords: &Map<String, Value>) -> Self {
        let declared = Self::declared(keywords);
        match listed(keywords) {
            Some(values) => declared.and(Self::of_values(&values)),
            None => declared,
        }
    }

    fn of_values(values: &[&Value]) -> Self {
        let types = values.iter().map(|value| Self::of_value(value));
        types.fold(Self(0), Self::or)
    }

    fn told(self) -> String {
        if self == Self::ALL {
            return "any".to_owned();
        }
        let mut names = Vec::new();
        for (name, types) in [
            ("null", Self::NULL),
            ("boolean", Self::BOOLEAN),
            ("object", Self::OBJECT),
            ("array", Self::ARRAY),
            ("string", Self::STRING),
            ("number", Self::NUMBER),
            ("integer", Self::INTEGER),
        ] {
            let covered = name == "integer" && Self::NUMBER.within(self);
            if types.within(self) && !covered {
                names.push(name);
            }
        }
        match names.is_empty() {
            true => "none".to_owned(),
            false => names.join(" or "),
        }
    }
}

/// The only values that a schema accepts, where `enum` or `const` list them.
pub(in crate::compat) fn listed(keywords: &Map<String, Value>) -> Option<Vec<&Value>> {
    let of_enum = keywords.get("enum").and_then(Value::as_array);
    let of_const = keywords.get("const");
    let values: Vec<&Value> = match (of_enum, of_const) {
        (None, None) => return None,
        (Some(values), None) => values.iter().collect(),
        (None, Some(value)) => vec![value],
        (Some(values), Some(value)) => {
            let both = values.iter().filter(|one| equal(one, value));
            both.take(1).collect()
        }
    };
    let types = Types::declared(keywords);
    let typed = values.into_iter();
    Some(
        typed
            .filter(|value| Types::of_value(value).within(types))
            .collect(),
    )
}

/// A text that two values share only when they are equal.
fn key(value: &Value) -> String {
    match value {
        // A canonical text writes these as doubles.
        Value::Number(number) => match number::whole(number) {
            Some(whole) => whole.to_string(),
            None => number::double(number).to_string(),
        },
        other => crate::json::canonical(other),
    }
}

impl<'v> Walk<'v, '_> {
    /// Compares types and listed values; gives the types that both schemas accept.
    pub(super) fn types_and_values(&mut self, here: &Here<'v, '_>) -> Types {
        let (old, new) = (Types::of(here.old), Types::of(here.new));
        let shared = old.and(new);
        let only_const = |keywords: &Map<String, Value>| {
            keywords.contains_key("const") && !keywords.contains_key("enum")
        };
        let keyword = |keywords| match only_const(keywords) {
            true => "const",
            false => "enum",
        };
        match (listed(here.old), listed(here.new)) {
            (None, None) => self.types(here, old, new),
            (None, Some(_)) => {
                if !new.within(old) {
                    self.types(here, old, new);
                }
                let keyword = keyword(here.new);
                let message = "only the listed values are accepted";
                self.tell(&format!("{keyword}_added"), here, keyword, message);
            }
            (Some(_), None) => {
                if !old.within(new) {
                    self.types(here, old, new);
                }
                let keyword = keyword(here.old);
                let message = "other values than the listed ones are accepted";
                self.tell(&format!("{keyword}_removed"), here, keyword, message);
            }
            (Some(old), Some(new)) => {
                if let ([old], [new]) = (&old[..], &new[..])
                    && only_const(here.old)
                    && only_const(here.new)
                {
                    if !equal(old, new) {
                        let message = format!("was {} and is {}", shown(old), shown(new));
                        self.tell("const_changed", here, "const", message);
                    }
                    return shared;
                }
                self.values(here, &old, &new, [keyword(here.old), keyword(here.new)]);
            }
        }
        shared
    }

    fn types(&mut self, here: &Here<'v, '_>, old: Types, new: Types) {
        let kind = match (new.within(old), old.within(new)) {
            (true, true) => return,
            (true, false) => "type_narrowed",
            (false, true) => "type_widened",
            (false, false) => "type_changed",
        };
        let message = format!("the type was {} and is {}", old.told(), new.told());
        self.tell(kind, here, "type", message);
    }

    fn values(
        &mut self,
        here: &Here<'v, '_>,
        old: &[&Value],
        new: &[&Value],
        [keyword_old, keyword_new]: [&str; 2],
    ) {
        let keys = |values: &[&Value]| -> std::collections::BTreeMap<String, Value> {
            let keyed = values.iter().map(|value| (key(value), (*value).clone()));
            keyed.collect()
        };
        let (before, after) = (keys(old), keys(new));
        let mut at = here.at.member("enum");
        at.old = crate::json::push(&here.at.old, keyword_old);
        at.new = crate::json::push(&here.at.new, keyword_new);
        for (key, value) in &before {
            if !after.contains_key(key) {
                let message = format!("{} is no longer accepted", shown(value));
                let at = at.called(key);
                self.tell_at("enum_value_removed", &at, here.steps, here.schemas, message);
            }
        }
        for (key, value) in &after {
            if !before.contains_key(key) {
                let message = format!("{} is accepted too", shown(value));
                let at = at.called(key);
                self.tell_at("enum_value_added", &at, here.steps, here.schemas, message);
            }
        }
    }
}
