//! From the snake_case spelling to JSON-LD: what [`spelling`](super::spelling) undoes.
//!
//! Both say the same where the snake_case form that is read from the result is the one that was given (`spec/manifests.md`,
//! 4.5). The few documents of which that cannot be true are refused, never changed in silence.

use std::fmt;

use serde_json::{Map, Value};

use super::spelling::{Inner, Shape};
use super::{Manifest, load, vocabulary};
use crate::json;

/// A member that the JSON-LD spelling has no room for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CannotRespell {
    /// Pointer to it in the snake_case form.
    pub pointer: String,
    /// What to do about it.
    pub message: String,
}

impl fmt::Display for CannotRespell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.pointer, self.message)
    }
}

impl std::error::Error for CannotRespell {}

/// The document of a manifest in the JSON-LD spelling, with the published context; its digest is that of the manifest.
///
/// # Errors
/// When the document has a member that would mean something else in that spelling, or nothing: `@context` and `@type`
/// where they are members like any other, and keywords that hold members.
pub fn to_json_ld(manifest: &Manifest) -> Result<Value, CannotRespell> {
    let respelled = value(&manifest.document, Shape::Manifest, "")?;
    // What is written here is read by other code; the two must agree about this very document.
    match load(&respelled) {
        Ok(read) if read.digest == manifest.digest => Ok(respelled),
        Ok(read) => Err(CannotRespell {
            pointer: difference(&manifest.document, &read.document, String::new()),
            message: "this would read otherwise in the other spelling; leave it out, or rename it"
                .to_owned(),
        }),
        Err(violations) => {
            let first = violations.into_iter().next();
            Err(CannotRespell {
                pointer: first
                    .as_ref()
                    .map(|first| first.pointer.clone())
                    .unwrap_or_default(),
                message: first.map(|first| first.message).unwrap_or_default(),
            })
        }
    }
}

fn value(given: &Value, shape: Shape, pointer: &str) -> Result<Value, CannotRespell> {
    match given {
        Value::Object(members) => object(members, shape, pointer).map(Value::Object),
        other => Ok(other.clone()),
    }
}

/// Recurses as deep as a document that was loaded.
fn object(
    members: &Map<String, Value>,
    shape: Shape,
    pointer: &str,
) -> Result<Map<String, Value>, CannotRespell> {
    let mut respelled = Map::with_capacity(members.len() + 2);
    if shape == Shape::Manifest {
        respelled.insert("@context".to_owned(), Value::from(vocabulary::CONTEXT));
    }
    if let Some(term) = shape.type_term() {
        respelled.insert(
            "@type".to_owned(),
            Value::from(format!("OpenAction:{term}")),
        );
    }
    for (name, given) in members {
        let place = json::push(pointer, name);
        if matches!(name.as_str(), "@context" | "@type") || vocabulary::hides(name) {
            return Err(CannotRespell {
                pointer: place,
                message: format!(
                    "leave this out, or rename it; \"{name}\" is JSON-LD's own in the other spelling"
                ),
            });
        }
        let inner = match (shape.inner(name), given) {
            (Some(Inner::One(inner)), given) => value(given, inner, &place)?,
            (Some(Inner::Each(inner)), Value::Array(elements)) => {
                let each = elements.iter().enumerate();
                let each = each.map(|(index, element)| {
                    value(element, inner, &json::push(&place, &index.to_string()))
                });
                Value::Array(each.collect::<Result<_, _>>()?)
            }
            (_, given) => given.clone(),
        };
        respelled.insert(shape.camel(name).unwrap_or(name).to_owned(), inner);
    }
    Ok(respelled)
}

/// Where two values that are not the same begin to differ.
fn difference(one: &Value, other: &Value, pointer: String) -> String {
    let below = match (one, other) {
        (Value::Object(ones), Value::Object(others)) => ones
            .iter()
            .map(|(name, one)| (name.clone(), Some(one), others.get(name)))
            .chain(
                others
                    .iter()
                    .filter(|(name, _)| !ones.contains_key(*name))
                    .map(|(name, other)| (name.clone(), None, Some(other))),
            )
            .find(|(_, one, other)| one != other),
        (Value::Array(ones), Value::Array(others)) => ones
            .iter()
            .enumerate()
            .map(|(index, one)| (index.to_string(), Some(one), others.get(index)))
            .find(|(_, one, other)| one != other),
        _ => None,
    };
    match below {
        Some((token, Some(one), Some(other))) => {
            difference(one, other, json::push(&pointer, &token))
        }
        Some((token, _, _)) => json::push(&pointer, &token),
        None => pointer,
    }
}
