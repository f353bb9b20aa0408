//! How mutants read documents wrongly: by overlooking violations, by adding some, by enforcing other schemas.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::Mutant;
use crate::diagnostic::Violation;
use crate::manifest::{self, Action, Manifest};
use crate::runtime::Parts;
use crate::schema;

/// What reading a document comes to.
pub type Loaded = Result<Manifest, Vec<Violation>>;

/// A mutant that overlooks some violations: a document that has no others is mended until it loads.
pub fn overlooking(
    name: &'static str,
    requirement: &'static str,
    behaviour: &'static str,
    which: fn(&Violation) -> bool,
    mend: fn(&mut Value, &Violation),
) -> Mutant {
    struct Overlooks(fn(&Violation) -> bool, fn(&mut Value, &Violation));
    impl Parts for Overlooks {
        fn read_manifest(&self, document: &Value) -> Loaded {
            overlook(document, self.0, self.1)
        }
    }
    Mutant::part(name, requirement, behaviour, Overlooks(which, mend))
}

/// A mutant that finds fault with good manifests.
pub fn refusing(
    name: &'static str,
    requirement: &'static str,
    behaviour: &'static str,
    fault: fn(&Manifest, &Value) -> Option<Violation>,
) -> Mutant {
    struct Refuses(fn(&Manifest, &Value) -> Option<Violation>);
    impl Parts for Refuses {
        fn read_manifest(&self, document: &Value) -> Loaded {
            let manifest = manifest::load(document)?;
            (self.0)(&manifest, document).map_or(Ok(manifest), |fault| Err(vec![fault]))
        }
    }
    Mutant::part(name, requirement, behaviour, Refuses(fault))
}

/// A mutant that enforces other schemas than the ones declared; `change` gets each schema with its `$schema` at the top.
pub fn enforcing(
    name: &'static str,
    requirement: &'static str,
    behaviour: &'static str,
    change: fn(&mut Value),
) -> Mutant {
    struct Enforces(fn(&mut Value));
    impl Parts for Enforces {
        fn read_manifest(&self, document: &Value) -> Loaded {
            with_schemas(manifest::load(document)?, self.0)
        }
    }
    Mutant::part(name, requirement, behaviour, Enforces(change))
}

/// Loads a document as if the violations that `which` knows were none.
pub fn overlook(
    document: &Value,
    which: impl Fn(&Violation) -> bool,
    mend: impl Fn(&mut Value, &Violation),
) -> Loaded {
    let violations = match manifest::load(document) {
        Ok(manifest) => return Ok(manifest),
        Err(violations) => violations,
    };
    let (overlooked, others): (Vec<_>, Vec<_>) = violations.into_iter().partition(which);
    if !others.is_empty() {
        return Err(others);
    }
    let mut mended = document.clone();
    // From the last to the first, so that places in lists stay what they are.
    for violation in overlooked.iter().rev() {
        mend(&mut mended, violation);
    }
    manifest::load(&mended)
}

/// Takes the member or element at a pointer out.
pub fn take_out(document: &mut Value, pointer: &str) {
    let Some((above, token)) = pointer.rsplit_once('/') else {
        return;
    };
    match document.pointer_mut(above) {
        Some(Value::Object(members)) => {
            members.shift_remove(&token.replace("~1", "/").replace("~0", "~"));
        }
        Some(Value::Array(elements)) => {
            if let Some(index) = token.parse().ok().filter(|index| *index < elements.len()) {
                elements.remove(index);
            }
        }
        _ => {}
    }
}

/// Puts a value in the place of the one at a pointer.
pub fn put(document: &mut Value, pointer: &str, value: impl Into<Value>) {
    if let Some(place) = document.pointer_mut(pointer) {
        *place = value.into();
    }
}

/// Gives the object at a pointer a member that it lacks.
pub fn fill(document: &mut Value, pointer: &str, name: &str, value: impl Into<Value>) {
    if let Some(Value::Object(members)) = document.pointer_mut(pointer) {
        members.entry(name).or_insert_with(|| value.into());
    }
}

/// The first `tokens` tokens of a pointer.
pub fn head(pointer: &str, tokens: usize) -> String {
    let kept: Vec<&str> = pointer.split('/').take(tokens + 1).collect();
    kept.join("/")
}

/// The same manifest with other schemas in force; what is declared, and so what the model is shown, stays.
pub fn with_schemas(mut manifest: Manifest, change: impl Fn(&mut Value)) -> Loaded {
    for (index, action) in manifest.actions.iter_mut().enumerate() {
        let mut other = Action::clone(action);
        for (declared, compiled, member) in [
            (&action.input_schema, &mut other.input, "input_schema"),
            (&action.output_schema, &mut other.output, "output_schema"),
        ] {
            let mut changed = declared.clone();
            change(&mut changed);
            if changed != *declared {
                *compiled = schema::compile(&changed).map_err(|error| {
                    let place = format!("/actions/{index}/{member}{}", error.pointer);
                    vec![Violation::new(place, "invalid_schema", error.message)]
                })?;
            }
        }
        *action = Arc::new(other);
    }
    Ok(manifest)
}

/// Takes keywords out of a schema and all its subschemas.
pub fn without(schema: &mut Value, keywords: &[&str]) {
    each_schema(schema, &|members| {
        members.retain(|name, _| !keywords.contains(&name.as_str()))
    });
}

/// Changes a schema and all its subschemas, from the outside inwards.
pub fn each_schema(schema: &mut Value, change: &impl Fn(&mut Map<String, Value>)) {
    match schema {
        Value::Object(members) => {
            change(members);
            for (name, member) in members {
                match (name.as_str(), member) {
                    ("const" | "enum" | "default" | "examples", _) => {}
                    (
                        "properties" | "patternProperties" | "$defs" | "definitions",
                        Value::Object(named),
                    ) => {
                        named
                            .values_mut()
                            .for_each(|schema| each_schema(schema, change));
                    }
                    (_, member) => each_schema(member, change),
                }
            }
        }
        Value::Array(elements) => elements
            .iter_mut()
            .for_each(|schema| each_schema(schema, change)),
        _ => {}
    }
}

/// An action that does nothing anywhere.
pub fn some_action() -> Value {
    json!({"name": "nothing", "type": "invoke_api", "method": "GET", "endpoint": "http://127.0.0.1:9/",
           "input_schema": {}, "output_schema": {}})
}

/// The value with every number that was written with a fraction turned into its text.
pub fn with_fractions(value: &Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => json!(number.to_string()),
        Value::Array(elements) => elements.iter().map(with_fractions).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| (name.clone(), with_fractions(member)))
            .collect(),
        other => other.clone(),
    }
}
