//! Expressions and templates: the first line is the text, what follows is the state as JSON.

use oap_conform::expression::{Expression, Roots, TEXT, Template, Templates};
use oap_conform::json::{self, Duplicates, Limits};
use serde_json::{Value, json};

use super::first_line;

/// The text and the state it is evaluated over; a state that is no JSON is a small fixed one, and all of it is text.
fn given(bytes: &[u8]) -> Option<(&str, Value)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (line, rest) = first_line(text);
    match json::read(rest.as_bytes(), &Limits::DOCUMENT, Duplicates::Refuse) {
        Ok(state) => Some((line, state)),
        Err(_) => Some((
            text,
            json!({"a": [1, 2.5, "x", null, true], "b": {"length": 3, "c": "é"}, "n": -7}),
        )),
    }
}

/// An expression: its canonical text has the same tree and the same value, and evaluating twice gives the same.
pub fn expression(bytes: &[u8]) {
    let Some((text, state)) = given(bytes) else {
        return;
    };
    let Ok(expression) = Expression::parse(text) else {
        return;
    };
    assert_eq!(expression.text(), text);
    let roots = Roots {
        state: Some(&state),
        observation: Some(&state),
        input: Some(&state),
    };
    let first = expression.evaluate(&roots);
    let second = expression.evaluate(&roots);
    assert_eq!(first.is_ok(), second.is_ok());
    let canonical = expression.to_string();
    if canonical.len() > TEXT {
        return;
    }
    let again = Expression::parse(&canonical)
        .unwrap_or_else(|error| panic!("{canonical:?} of {text:?}: {error}"));
    assert!(
        again == expression,
        "{canonical:?} is not what {text:?} says"
    );
    match (&first, &again.evaluate(&roots)) {
        (Ok(one), Ok(other)) => assert_eq!(one, other, "{text:?} and {canonical:?}"),
        (Err(one), Err(other)) => {
            assert_eq!(one.reason, other.reason, "{text:?} and {canonical:?}")
        }
        (one, other) => panic!("{text:?} gives {one:?}, {canonical:?} gives {other:?}"),
    }
}

/// A template: literal text stands for itself, and a value made of it resolves as it does.
pub fn template(bytes: &[u8]) {
    let Some((text, state)) = given(bytes) else {
        return;
    };
    let roots = Roots {
        state: Some(&state),
        observation: None,
        input: Some(&state),
    };
    let inside = json!([{"a": text}]);
    let (template, templates) = (Template::parse(text), Templates::parse(&inside));
    assert_eq!(template.is_ok(), templates.is_ok(), "{text:?}");
    let (Ok(template), Ok(templates)) = (template, templates) else {
        return;
    };
    assert_eq!(template.is_literal(), templates.is_literal());
    let resolved = template.resolve(&roots);
    match (&resolved, &templates.resolve(&inside, &roots)) {
        (Ok(one), Ok(other)) => assert_eq!(&json!([{"a": one}]), other, "{text:?}"),
        (Err(_), Err(_)) => {}
        (one, other) => panic!("{text:?} gives {one:?} alone and {other:?} in a value"),
    }
    if let (Ok(Value::String(value)), Ok(written)) = (&resolved, &template.resolve_text(&roots)) {
        assert_eq!(value, written, "{text:?}");
    }
}
