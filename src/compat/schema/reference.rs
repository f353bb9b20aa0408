//! References within a schema.

use serde_json::{Map, Value};

use crate::json;
use crate::schema::local_fragment;

/// Most values that are looked through for an anchor.
const MOST_VALUES: usize = 20_000;

/// What a reference leads to: the schema and its pointer within the document.
pub(in crate::compat) fn follow<'v>(root: &'v Value, target: &str) -> Option<(&'v Value, String)> {
    let fragment = local_fragment(root, target)?;
    if fragment.is_empty() || fragment.starts_with('/') {
        let pointer = unescaped(fragment)?;
        let schema = root.pointer(&pointer)?;
        return Some((schema, pointer));
    }
    anchored(root, fragment)
}

/// Percent escapes of a fragment undone.
fn unescaped(fragment: &str) -> Option<String> {
    if !fragment.contains('%') {
        return Some(fragment.to_owned());
    }
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let digits = std::str::from_utf8(after.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after.get(2..)?;
    }
    String::from_utf8(bytes).ok()
}

fn anchored<'v>(root: &'v Value, name: &str) -> Option<(&'v Value, String)> {
    let mut next = vec![(root, String::new())];
    for _ in 0..MOST_VALUES {
        let (value, pointer) = next.pop()?;
        match value {
            Value::Object(members) => {
                let text = |keyword: &str| members.get(keyword).and_then(Value::as_str);
                let named = text("$anchor") == Some(name)
                    || ["$id", "id"].iter().any(|keyword| {
                        text(keyword).and_then(|id| id.strip_prefix('#')) == Some(name)
                    });
                if named {
                    return Some((value, pointer));
                }
                for (key, value) in members {
                    next.push((value, json::push(&pointer, key)));
                }
            }
            Value::Array(elements) => {
                for (index, value) in elements.iter().enumerate() {
                    next.push((value, format!("{pointer}/{index}")));
                }
            }
            _ => {}
        }
    }
    None
}

const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];

/// Whether anything in a value is a reference.
pub(super) fn refers(value: &Value) -> bool {
    any(value, &|members| {
        REFERENCES.iter().any(|name| members.contains_key(*name))
    })
}

/// Whether all references in a value lead to definitions of the whole.
pub(super) fn refers_to_definitions_only(value: &Value) -> bool {
    !any(value, &|members| {
        members.iter().any(|(name, target)| match name.as_str() {
            "$ref" => !target.as_str().is_some_and(|target| {
                target.starts_with("#/$defs/") || target.starts_with("#/definitions/")
            }),
            name => REFERENCES.contains(&name),
        })
    })
}

/// The depth of a document is bounded by whoever read it.
fn any(value: &Value, matches: &impl Fn(&Map<String, Value>) -> bool) -> bool {
    match value {
        Value::Object(members) => {
            matches(members) || members.values().any(|value| any(value, matches))
        }
        Value::Array(elements) => elements.iter().any(|value| any(value, matches)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn references_lead_to_pointers_anchors_and_the_whole() {
        let root = json!({"$id": "https://x.example/s", "$defs": {"a b": {"$anchor": "here", "const": 1}}});
        for target in ["#/$defs/a%20b", "#here", "https://x.example/s#here"] {
            let (schema, pointer) = follow(&root, target).expect(target);
            assert_eq!(schema["const"], 1, "{target}");
            assert_eq!(pointer, "/$defs/a b");
        }
        assert_eq!(follow(&root, "#").map(|found| found.1), Some(String::new()));
        for nowhere in ["#/x", "#gone", "https://y.example/s", "#/%zz", "#/%"] {
            assert!(follow(&root, nowhere).is_none(), "{nowhere}");
        }
    }
}
