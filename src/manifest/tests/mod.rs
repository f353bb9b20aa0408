//! Whole documents: what loads, what is refused and where, what the typed form holds.

mod actions;
mod bundled;
mod document;
mod expressions;
mod findings;
mod fixtures;
mod reads;
mod respelled;
mod spelled;
mod vocabulary;

use serde_json::{Value, json};

use super::{Manifest, load};

/// A manifest of one API action that breaks no rule and warns of nothing.
fn plain() -> Value {
    json!({
        "name": "Plain",
        "version": "1.2.3",
        "protocol_version": "2.0",
        "actions": [api("look")]
    })
}

/// An API action of this name with the required members only.
fn api(name: &str) -> Value {
    json!({
        "type": "invoke_api",
        "name": name,
        "input_schema": {"type": "object"},
        "output_schema": {},
        "endpoint": "https://api.calendar.example.com/v1/events",
        "method": "GET"
    })
}

/// An action of this type with these members besides name and schemas.
fn typed(kind: &str, members: Value) -> Value {
    let mut action = json!({
        "type": kind,
        "name": "act",
        "input_schema": {"type": "object"},
        "output_schema": {}
    });
    merge(&mut action, members);
    action
}

/// Lays members over an object; null takes one away.
fn merge(onto: &mut Value, members: Value) {
    let (Value::Object(onto), Value::Object(members)) = (onto, members) else {
        panic!("two objects are needed");
    };
    for (name, value) in members {
        if value.is_null() {
            onto.remove(&name);
        } else {
            onto.insert(name, value);
        }
    }
}

/// The plain manifest with members laid over its own.
fn with(members: Value) -> Value {
    let mut document = plain();
    merge(&mut document, members);
    document
}

/// The plain manifest with members laid over those of its action.
fn with_action(members: Value) -> Value {
    let mut document = plain();
    merge(&mut document["actions"][0], members);
    document
}

fn loaded(document: &Value) -> Manifest {
    match load(document) {
        Ok(manifest) => manifest,
        Err(violations) => panic!("refused: {violations:#?}"),
    }
}

/// Pointer and rule of every violation, in order.
fn refusals(document: &Value) -> Vec<(String, String)> {
    load(document)
        .err()
        .unwrap_or_default()
        .into_iter()
        .map(|violation| (violation.pointer, violation.rule))
        .collect()
}

/// Asserts that a document breaks exactly one rule, at this place.
fn assert_refused(document: &Value, pointer: &str, rule: &str) {
    assert_eq!(
        refusals(document),
        [(pointer.to_owned(), rule.to_owned())],
        "{document}"
    );
}

/// Pointer and rule of every warning of a document that loads.
fn warnings(document: &Value) -> Vec<(String, String)> {
    loaded(document)
        .warnings()
        .iter()
        .map(|warning| (warning.pointer.clone(), warning.rule.clone()))
        .collect()
}
