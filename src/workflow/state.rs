//! The state that travels with a workflow: what an output does to it, and how large it may be (`spec/workflows.md`, section 8).

use serde_json::{Map, Value};

use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::merge;

/// The largest state, in bytes of compact UTF-8 JSON.
pub const LARGEST_STATE: usize = 1024 * 1024;

/// The members of an output over those of an earlier one: later ones replace, earlier ones stay (8.1.1).
pub fn lay_over(last: &Map<String, Value>, output: &Map<String, Value>) -> Map<String, Value> {
    let mut laid = last.clone();
    for (name, member) in output {
        laid.insert(name.clone(), member.clone());
    }
    laid
}

/// Keeps the last entries of a history; without a number all of them (8.3.3, 8.3.4).
pub fn prune(history: &mut Vec<Value>, keep: Option<usize>) {
    if let Some(keep) = keep {
        let dropped = history.len().saturating_sub(keep);
        history.drain(..dropped);
    }
}

/// Whether a state is not too large to be kept (8.3.2).
pub fn fits(state: &Value) -> bool {
    merge::fits(state, LARGEST_STATE)
}

/// Refuses a state of a request that is too large (8.3.1).
///
/// # Errors
/// `state_too_large`.
pub fn check_size(state: &Value) -> Result<(), ErrorObject> {
    if fits(state) {
        return Ok(());
    }
    Err(ErrorObject::new(
        Code::StateTooLarge,
        format!(
            "the state has more than {LARGEST_STATE} bytes as compact JSON; send less, or prune its history"
        ),
    ))
}

/// The failure of a node whose output, or whose entry, would make the state too large (8.3.2).
pub fn too_large() -> ErrorObject {
    ErrorObject::new(
        Code::StateTooLarge,
        format!(
            "with this node's output the state would have more than {LARGEST_STATE} bytes, so it stays as it was before"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().expect("an object").clone()
    }

    #[test]
    fn later_members_win_and_earlier_ones_stay() {
        let laid = lay_over(
            &object(json!({"a": 1, "b": {"x": 1}})),
            &object(json!({"b": {"y": 2}, "c": null})),
        );
        assert_eq!(
            Value::Object(laid),
            json!({"a": 1, "b": {"y": 2}, "c": null})
        );
    }

    #[test]
    fn only_a_number_prunes() {
        let pruned = |keep| {
            let mut history = vec![json!(1), json!(2), json!(3)];
            prune(&mut history, keep);
            Value::Array(history)
        };
        assert_eq!(pruned(None), json!([1, 2, 3]));
        assert_eq!(pruned(Some(2)), json!([2, 3]));
        assert_eq!(pruned(Some(0)), json!([]));
        assert_eq!(pruned(Some(9)), json!([1, 2, 3]));
    }

    #[test]
    fn a_mebibyte_fits_and_one_byte_more_does_not() {
        // {"a":"…"} has eight bytes besides the text.
        let state = |bytes: usize| json!({"a": "x".repeat(bytes - 8)});
        assert!(check_size(&state(LARGEST_STATE)).is_ok());
        let refused = check_size(&state(LARGEST_STATE + 1)).map_err(|error| error.code);
        assert_eq!(refused, Err(Code::StateTooLarge));
        // Bytes count, not characters.
        assert!(!fits(&json!("é".repeat(LARGEST_STATE / 2))));
    }
}
