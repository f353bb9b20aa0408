//! The protocol's own schemas, each as one document that refers to nothing outside itself, for editors and other validators.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::embedded;

/// The names of the protocol's own schemas, in order.
pub fn names() -> Vec<String> {
    let paths = embedded::list("spec/schemas/").into_iter();
    let mut names: Vec<String> = paths
        .filter_map(|path| {
            let name = path.strip_prefix("spec/schemas/")?.strip_suffix(".json")?;
            Some(name.to_owned())
        })
        .collect();
    names.sort_unstable();
    names
}

/// The schema of a message or document as it is published; it may refer to others beside it.
pub fn published(name: &str) -> Option<Value> {
    let text = embedded::text(&format!("spec/schemas/{name}.json"))?;
    serde_json::from_str(&text).ok()
}

/// The same with all that it refers to under its `$defs`.
pub fn self_contained(name: &str) -> Option<Value> {
    let mut document = published(name)?;
    let mut joined = BTreeMap::new();
    let own = definitions(&document).keys().cloned().collect();
    let mut joiner = Joiner {
        joined: &mut joined,
        own,
    };
    joiner.follow(&mut document, None);
    if joined.is_empty() {
        return Some(document);
    }
    let mut definitions = definitions(&document);
    definitions.extend(joined.into_values().flatten());
    document
        .as_object_mut()?
        .insert("$defs".to_owned(), Value::Object(definitions));
    Some(document)
}

fn definitions(document: &Value) -> Map<String, Value> {
    let named = document.get("$defs").and_then(Value::as_object);
    named.cloned().unwrap_or_default()
}

struct Joiner<'j> {
    /// By its name, a schema that was joined: its definition's name and content; none while it is being read.
    joined: &'j mut BTreeMap<String, Option<(String, Value)>>,
    /// Names that definitions of the document itself have.
    own: Vec<String>,
}

impl Joiner<'_> {
    /// Rewrites the references of a schema; `part` is the definition that it becomes. These schemas are our own and name no
    /// member `$ref` that is a text and no reference.
    fn follow(&mut self, value: &mut Value, part: Option<&str>) {
        match value {
            Value::Array(elements) => {
                for element in elements {
                    self.follow(element, part);
                }
            }
            Value::Object(members) => {
                for (name, member) in members {
                    match (name.as_str(), &mut *member) {
                        ("$ref", Value::String(target)) => {
                            if let Some(local) = self.local(target, part) {
                                *target = local;
                            }
                        }
                        _ => self.follow(member, part),
                    }
                }
            }
            _ => {}
        }
    }

    fn local(&mut self, target: &str, part: Option<&str>) -> Option<String> {
        if let Some(fragment) = target.strip_prefix('#') {
            return part.map(|part| format!("#/$defs/{part}{fragment}"));
        }
        let (file, fragment) = target.split_once('#').unwrap_or((target, ""));
        let name = file.strip_suffix(".json")?;
        let part = self.definition_name(name);
        if !self.joined.contains_key(name) {
            self.joined.insert(name.to_owned(), None);
            let mut document = published(name)?;
            self.follow(&mut document, Some(&part));
            if let Value::Object(members) = &mut document {
                members.shift_remove("$schema");
                members.shift_remove("$id");
            }
            self.joined
                .insert(name.to_owned(), Some((part.clone(), document)));
        }
        Some(format!("#/$defs/{part}{fragment}"))
    }

    fn definition_name(&self, name: &str) -> String {
        let mut free = name.to_owned();
        while self.own.contains(&free) {
            free.push_str("-message");
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Array(elements) => elements
                .iter()
                .for_each(|element| references(element, found)),
            Value::Object(members) => {
                for (name, member) in members {
                    match member {
                        Value::String(target) if name == "$ref" => found.push(target.clone()),
                        member => references(member, found),
                    }
                }
            }
            _ => {}
        }
    }

    #[test]
    fn every_schema_stands_alone_and_every_reference_leads_somewhere() {
        let names = names();
        assert!(names.len() >= 40, "{}", names.len());
        for name in names {
            let document = self_contained(&name).expect("a schema");
            let mut found = Vec::new();
            references(&document, &mut found);
            for target in found {
                let pointer = target
                    .strip_prefix('#')
                    .unwrap_or_else(|| panic!("{name}: {target}"));
                assert!(document.pointer(pointer).is_some(), "{name}: {target}");
            }
            jsonschema::options()
                .should_validate_formats(true)
                .build(&document)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    #[test]
    fn it_judges_as_the_published_one_does() {
        for (name, folder) in [
            ("transcript", "fixtures/transcripts/"),
            ("manifest", "fixtures/manifests/valid/"),
            ("observation", "fixtures/observations/"),
            ("case", "fixtures/transcripts/good/"),
        ] {
            let alone = jsonschema::options()
                .should_validate_formats(true)
                .build(&self_contained(name).expect("a schema"))
                .expect("a schema");
            let published = schema::named(name).expect("a schema");
            for path in embedded::list(folder) {
                let text = embedded::text(&path).unwrap_or_default();
                let Ok(value) = serde_json::from_str(&text) else {
                    continue;
                };
                assert_eq!(
                    alone.is_valid(&value),
                    published.is_valid(&value),
                    "{name}: {path}"
                );
            }
        }
    }
}
