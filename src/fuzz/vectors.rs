//! Conditionals of which it is known what they come to: the vectors of `fixtures/expressions/`, written by hand from `spec/expressions.md`.

use std::sync::OnceLock;

use serde_json::{Map, Value};

use crate::embedded;
use crate::suite::matcher::same;

/// Files whose expressions are about limits, which a runtime may set higher.
const LIMITS: &str = "limits.json";

/// What a conditional comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comes {
    /// It is true, so the node runs.
    True,
    /// It is false, so the node is skipped.
    False,
    /// It is none: the request is refused.
    Refused,
    /// Its evaluation fails, and the node with it.
    Fails,
}

/// One conditional.
#[derive(Debug, Clone, PartialEq)]
pub struct Vector {
    /// The rule that it is about.
    pub requirement: String,
    /// The expression.
    pub conditional: String,
    /// The state that it reads.
    pub state: Map<String, Value>,
    /// What it comes to.
    pub comes: Comes,
}

/// All of them, in the order of the files.
pub fn all() -> &'static [Vector] {
    static ALL: OnceLock<Vec<Vector>> = OnceLock::new();
    ALL.get_or_init(|| {
        let files = embedded::list("fixtures/expressions/").into_iter();
        files
            .filter(|path| path.ends_with(".json") && !path.ends_with(LIMITS))
            .filter_map(|path| embedded::text(&path))
            .filter_map(|text| serde_json::from_str::<Value>(&text).ok())
            .flat_map(|file| of_file(&file))
            .collect()
    })
}

/// The vector of a conditional with this state, if it is one.
pub fn of(conditional: &str, state: &Value) -> Option<&'static Vector> {
    all().iter().find(|vector| {
        vector.conditional == conditional && same(state, &Value::Object(vector.state.clone()))
    })
}

fn of_file(file: &Value) -> Vec<Vector> {
    let vectors = file.get("vectors").and_then(Value::as_array);
    let vectors = vectors.into_iter().flatten();
    vectors.filter_map(|vector| read(vector, file)).collect()
}

fn read(vector: &Value, file: &Value) -> Option<Vector> {
    let expression = vector.get("expression")?.as_str()?;
    // References and control characters mean something to the form of a case, and an input is that of a node.
    let is_plain = !expression.contains("${") && !expression.contains(char::is_control);
    if !is_plain || expression.contains("input") || vector.get("input").is_some() {
        return None;
    }
    let state = match vector.get("use").and_then(Value::as_str) {
        Some(name) => file.get("states")?.get(name)?.as_object()?.clone(),
        None => vector
            .get("state")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default(),
    };
    let (conditional, comes) = match vector.get("error").and_then(Value::as_str) {
        Some("syntax") => (expression.to_owned(), Comes::Refused),
        Some("type" | "zero_division" | "overflow") => (expression.to_owned(), Comes::Fails),
        Some(_) => return None,
        None => match vector.get("value")? {
            Value::Bool(true) => (expression.to_owned(), Comes::True),
            Value::Bool(false) => (expression.to_owned(), Comes::False),
            Value::Number(number) => (format!("({expression}) == {number}"), Comes::True),
            Value::String(text) if text.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                (format!("({expression}) == \"{text}\""), Comes::True)
            }
            _ => return None,
        },
    };
    Some(Vector {
        requirement: vector.get("requirement")?.as_str()?.to_owned(),
        conditional,
        state,
        comes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_vectors_are_read_and_found_again() {
        for comes in [Comes::True, Comes::False, Comes::Refused, Comes::Fails] {
            let count = all().iter().filter(|vector| vector.comes == comes).count();
            assert!(count > 50, "{comes:?}: {count}");
        }
        let first = &all()[0];
        let state = Value::Object(first.state.clone());
        assert_eq!(of(&first.conditional, &state), Some(first));
        assert_eq!(of(&first.conditional, &json!({"other": 1})), None);
    }

    #[test]
    fn a_value_is_compared_with_what_it_has_to_be() {
        let file = json!({"states": {"s": {"n": 2}}});
        let vector = |extra: Value| {
            let mut vector = json!({"requirement": "EXP-018", "expression": "state.n", "use": "s"});
            if let (Value::Object(own), Value::Object(extra)) = (&mut vector, extra) {
                own.extend(extra);
            }
            read(&vector, &file).map(|vector| (vector.conditional, vector.comes))
        };
        let two = Some(("(state.n) == 2".to_owned(), Comes::True));
        assert_eq!(vector(json!({"value": 2})), two);
        let fails = Some(("state.n".to_owned(), Comes::Fails));
        assert_eq!(vector(json!({"error": "type"})), fails);
        assert_eq!(vector(json!({"error": "limit"})), None);
        assert_eq!(vector(json!({"value": null})), None);
    }
}
