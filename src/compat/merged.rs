//! A schema with what it refers to and its `allOf` in one object, for guesses only: where keywords meet, one of them wins.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::member;
use super::schema::reference;

/// Most parts that are put together.
const MOST_PARTS: usize = 32;

/// The keywords of a schema; none for one that accepts nothing.
pub(super) fn merged<'v>(
    root: &'v Value,
    schema: &'v Value,
) -> Option<Cow<'v, Map<String, Value>>> {
    let keywords = match schema {
        Value::Object(keywords) => keywords,
        Value::Bool(false) => return None,
        _ => return Some(Cow::Owned(Map::new())),
    };
    if !keywords.contains_key("$ref") && !keywords.contains_key("allOf") {
        return Some(Cow::Borrowed(keywords));
    }
    let mut all = Map::new();
    let mut next = vec![schema];
    for _ in 0..MOST_PARTS {
        let Some(part) = next.pop() else { break };
        let Some(keywords) = part.as_object() else {
            continue;
        };
        if let Some(list) = keywords.get("allOf").and_then(Value::as_array) {
            next.extend(list.iter().take(MOST_PARTS));
        }
        let target = member(part, "$ref").and_then(Value::as_str);
        next.extend(target.and_then(|target| Some(reference::follow(root, target)?.0)));
        for (keyword, value) in keywords {
            match (keyword.as_str(), all.get_mut(keyword), value) {
                ("$ref" | "allOf", _, _) => {}
                (_, Some(Value::Object(members)), Value::Object(more)) => {
                    members.extend(more.clone());
                }
                ("required", Some(Value::Array(names)), Value::Array(more)) => {
                    names.extend(more.iter().cloned());
                }
                (_, Some(_), _) => {}
                (_, None, value) => {
                    all.insert(keyword.clone(), value.clone());
                }
            }
        }
    }
    Some(Cow::Owned(all))
}
