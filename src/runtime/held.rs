//! What a JSON value takes up in memory, which for small objects is a hundred times its text.

use std::mem::size_of;

use serde_json::Value;

/// An entry of an object besides its name's text: the name, the value, a hash and its place in the index.
const ENTRY: usize = size_of::<String>() + size_of::<Value>() + 3 * size_of::<usize>();

/// The fewest entries that an object makes room for, once it has one.
const FEWEST_ENTRIES: usize = 4;

/// Roughly the bytes that a value holds, itself included; what is bounded by bytes is counted so.
pub fn held_bytes(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            Value::String(text) => text.len(),
            Value::Array(elements) => elements.iter().map(held_bytes).sum(),
            Value::Object(members) => {
                let room = match members.len() {
                    0 => 0,
                    some => some.next_power_of_two().max(FEWEST_ENTRIES),
                };
                let below = |(name, member): (&String, &Value)| {
                    name.len() + held_bytes(member) - size_of::<Value>()
                };
                room * ENTRY + members.iter().map(below).sum::<usize>()
            }
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn small_objects_count_for_what_they_take() {
        let text = |value: &Value| value.to_string().len();
        let long = json!("x".repeat(10_000));
        assert!(held_bytes(&long) < 2 * text(&long));
        let dense = Value::Array(vec![json!({"": 1}); 1000]);
        assert!(held_bytes(&dense) > 50 * text(&dense));
        assert!(held_bytes(&json!([1, 2])) > held_bytes(&json!([1])));
    }
}
