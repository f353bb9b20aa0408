//! Which JSON types a schema admits.

use serde_json::{Map, Value};

/// A set of types; whole numbers are a part of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Types(u8);

impl Types {
    pub(super) const NULL: Types = Types(1);
    pub(super) const BOOLEAN: Types = Types(2);
    pub(super) const OBJECT: Types = Types(4);
    pub(super) const ARRAY: Types = Types(8);
    pub(super) const STRING: Types = Types(16);
    pub(super) const INTEGER: Types = Types(32);
    pub(super) const NUMBER: Types = Types(32 | 64);
    pub(super) const ALL: Types = Types(127);

    const NAMED: [(&'static str, Types); 7] = [
        ("null", Types::NULL),
        ("boolean", Types::BOOLEAN),
        ("object", Types::OBJECT),
        ("array", Types::ARRAY),
        ("string", Types::STRING),
        ("number", Types::NUMBER),
        ("integer", Types::INTEGER),
    ];

    /// What `type` says; `None` where it is absent or broken.
    pub(super) fn of(schema: &Map<String, Value>) -> Option<Types> {
        let named = |name: &Value| {
            let name = name.as_str()?;
            let found = Self::NAMED.iter().find(|(known, _)| *known == name);
            found.map(|(_, types)| *types)
        };
        match schema.get("type")? {
            Value::Array(names) => {
                let mut all = Types(0);
                for name in names {
                    all = Types(all.0 | named(name)?.0);
                }
                (all.0 != 0).then_some(all)
            }
            name => named(name),
        }
    }

    /// The narrowest type of a value.
    pub(super) fn of_value(value: &Value) -> Types {
        match value {
            Value::Null => Self::NULL,
            Value::Bool(_) => Self::BOOLEAN,
            Value::Object(_) => Self::OBJECT,
            Value::Array(_) => Self::ARRAY,
            Value::String(_) => Self::STRING,
            Value::Number(number) => {
                let whole = number.is_i64()
                    || number.is_u64()
                    || number.as_f64().is_some_and(|number| number.fract() == 0.0);
                if whole { Self::INTEGER } else { Types(64) }
            }
        }
    }

    /// Whether the two have a type in common.
    pub(super) fn meets(self, other: Types) -> bool {
        self.0 & other.0 != 0
    }

    /// What both have.
    pub(super) fn and(self, other: Types) -> Types {
        Types(self.0 & other.0)
    }

    /// Whether there is none.
    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The name of a value's type.
    pub(super) fn name(value: &Value) -> &'static str {
        let one = Self::of_value(value);
        let mut named = Self::NAMED.iter().rev();
        // `integer` stands behind `number`, and so is asked first.
        let found = named.find(|(_, types)| types.meets(one));
        found.map_or("null", |(name, _)| *name)
    }
}
