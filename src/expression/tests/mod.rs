//! By requirement, and properties that hold for every text, tree and value.

mod limits;
mod parsing;
mod properties;
mod semantics;
mod templates;

use serde_json::{Value, json};

use super::{Error, Expression, Outcome, Reason, Roots};

/// The state of the article, and a few more things to read.
fn state() -> Value {
    json!({
        "lastResult": {"availableSlots": [
            {"start": "2025-10-21T10:00:00Z", "end": "2025-10-21T10:30:00Z"},
            {"start": "2025-10-21T11:00:00Z", "end": "2025-10-21T11:30:00Z"}
        ]},
        "n": 3, "d": 2.5, "s": "Zoë", "t": true, "nil": null, "empty": [], "none": {},
        "own": {"length": "mine", "a b": 1, "if": 2},
        "list": [1, "two", null, [4], {"five": 5}],
        "big": 9_007_199_254_740_993_i64,
        "huge": 18_446_744_073_709_551_615_u64
    })
}

fn parse(text: &str) -> Expression {
    Expression::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn over<'a>(expression: &'a Expression, state: &'a Value) -> Result<Outcome<'a>, Error> {
    expression.evaluate(&Roots {
        state: Some(state),
        ..Roots::default()
    })
}

/// The value as compact text, `undefined`, or `!` and the reason of the error.
fn show(text: &str) -> String {
    show_over(text, &state())
}

fn show_over(text: &str, state: &Value) -> String {
    let expression = match Expression::parse(text) {
        Ok(expression) => expression,
        Err(error) => return format!("!{}", error.reason),
    };
    match over(&expression, state) {
        Ok(outcome) => outcome
            .value
            .map_or_else(|| "undefined".to_owned(), |value| value.to_string()),
        Err(error) => format!("!{}", error.reason),
    }
}

/// Each text has the value beside it.
fn all(expected: &[(&str, &str)]) {
    for (text, value) in expected {
        assert_eq!(show(text), *value, "{text}");
    }
}

fn syntax_error(text: &str) -> Error {
    let error = Expression::parse(text).expect_err(text);
    assert_eq!(error.reason, Reason::Syntax, "{text}: {error}");
    error
}
