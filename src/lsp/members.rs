//! What may stand where, read from the JSON Schemas under `spec/schemas/`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::Value;

use crate::embedded;
use crate::lint::DocumentKind;

/// Most references followed for one place.
const MOST_STEPS: usize = 64;

/// Keywords of JSON Schema that are offered within an action's schemas, with what they say.
const KEYWORDS: [(&str, &str); 24] = [
    ("$ref", "Another schema of this document, `#/$defs/…`."),
    ("$defs", "Schemas to refer to."),
    (
        "type",
        "`object`, `array`, `string`, `number`, `integer`, `boolean` or `null`, or several of them.",
    ),
    ("description", "What the value means; the model reads it."),
    ("properties", "Schemas of the members, by name."),
    ("required", "Names of members that must be there."),
    (
        "additionalProperties",
        "Schema of members that `properties` does not name; `false` refuses them.",
    ),
    ("items", "Schema of the elements."),
    ("prefixItems", "Schemas of the first elements, in order."),
    ("enum", "The values that are allowed."),
    ("const", "The only value that is allowed."),
    (
        "default",
        "The value that is meant when there is none; for people, nothing fills it in.",
    ),
    ("examples", "Values that show what is meant."),
    ("minimum", "Least number."),
    ("maximum", "Greatest number."),
    ("minLength", "Least length of a text, in code points."),
    ("maxLength", "Greatest length of a text, in code points."),
    (
        "pattern",
        "Regular expression that a text must match somewhere.",
    ),
    (
        "format",
        "Form of a text, asserted: `date-time`, `date`, `email`, `uri`, `uuid`, …",
    ),
    ("minItems", "Least number of elements."),
    ("maxItems", "Greatest number of elements."),
    ("uniqueItems", "Whether no two elements may be equal."),
    ("anyOf", "At least one of these schemas."),
    ("oneOf", "Exactly one of these schemas."),
];

/// Values of some keywords of JSON Schema.
const TYPES: [&str; 7] = [
    "object", "array", "string", "number", "integer", "boolean", "null",
];
const FORMATS: [&str; 12] = [
    "date-time",
    "date",
    "time",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "uri",
    "uuid",
    "json-pointer",
    "regex",
];

/// One member that may stand in an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Whether the object must have it.
    pub required: bool,
}

/// The schema of a kind of document.
#[derive(Debug, Clone, Copy)]
pub struct Members {
    file: &'static str,
}

impl Members {
    /// The schema of a kind; manifests have one for each spelling.
    pub fn of(kind: DocumentKind, json_ld: bool) -> Self {
        Self {
            file: match kind {
                DocumentKind::Manifest if json_ld => "manifest-jsonld.json",
                DocumentKind::Manifest => "manifest.json",
                DocumentKind::Plan => "nodes.json",
                DocumentKind::Target => "target.json",
                DocumentKind::Case => "case.json",
            },
        }
    }

    /// The members that may stand in the object at a pointer.
    pub fn offered(self, pointer: &str) -> Vec<Offered> {
        if let Some(rest) = within_schema(pointer) {
            // Names under these are the author's own.
            let last = rest.rsplit('/').next().unwrap_or_default();
            if matches!(last, "properties" | "$defs" | "patternProperties") {
                return Vec::new();
            }
            return KEYWORDS
                .iter()
                .map(|(name, description)| Offered {
                    name: (*name).to_owned(),
                    description: (*description).to_owned(),
                    required: false,
                })
                .collect();
        }
        let mut offered: Vec<Offered> = Vec::new();
        for (file, schema) in self.schemas(pointer) {
            let required = schema.get("required").and_then(Value::as_array);
            let is_required = |name: &str| {
                required.is_some_and(|required| required.iter().any(|one| one == name))
            };
            let properties = schema.get("properties").and_then(Value::as_object);
            for (name, member) in properties.into_iter().flatten() {
                if offered.iter().all(|known| known.name != *name) {
                    offered.push(Offered {
                        name: name.clone(),
                        description: description(file, member).unwrap_or_default(),
                        required: is_required(name),
                    });
                }
            }
        }
        offered
    }

    /// The values that are known for a pointer: of an enumeration, or of a boolean.
    pub fn values(self, pointer: &str) -> Vec<Value> {
        if let Some(rest) = within_schema(pointer) {
            let names: &[&str] = match rest.rsplit('/').next().unwrap_or_default() {
                "type" => &TYPES,
                "format" => &FORMATS,
                "additionalProperties" | "uniqueItems" => return vec![false.into(), true.into()],
                _ => return Vec::new(),
            };
            return names.iter().map(|name| Value::from(*name)).collect();
        }
        let mut values = Vec::new();
        for (_, schema) in self.schemas(pointer) {
            if let Some(listed) = schema.get("enum").and_then(Value::as_array) {
                values.extend(listed.iter().cloned());
            } else if let Some(only) = schema.get("const") {
                values.push(only.clone());
            } else if schema.get("type").is_some_and(|kind| kind == "boolean") {
                values.extend([true.into(), false.into()]);
            }
        }
        values.dedup();
        values
    }

    /// What the member at a pointer is for.
    pub fn description(self, pointer: &str) -> Option<String> {
        if let Some(rest) = within_schema(pointer) {
            let name = rest.rsplit('/').next()?;
            let found = KEYWORDS.iter().find(|(keyword, _)| *keyword == name);
            return found.map(|(_, description)| (*description).to_owned());
        }
        let (file, schema) = self.place(pointer)?;
        description(file, schema)
    }

    /// The schema at a pointer, references not yet followed.
    fn place(self, pointer: &str) -> Option<(&'static str, &'static Value)> {
        let mut here = vec![(self.file, file(self.file)?)];
        for token in pointer.split('/').skip(1) {
            let token = token.replace("~1", "/").replace("~0", "~");
            here = step(&here, &token);
        }
        here.into_iter().next()
    }

    /// The schemas that a value at a pointer may satisfy.
    fn schemas(self, pointer: &str) -> Vec<(&'static str, &'static Value)> {
        let Some(root) = file(self.file) else {
            return Vec::new();
        };
        let mut here = vec![(self.file, root)];
        for token in pointer.split('/').skip(1) {
            let token = token.replace("~1", "/").replace("~0", "~");
            here = step(&here, &token);
        }
        opened(&here)
    }
}

/// The rest of a pointer that leads into an action's own schema.
fn within_schema(pointer: &str) -> Option<&str> {
    [
        "/input_schema",
        "/output_schema",
        "/inputSchema",
        "/outputSchema",
    ]
    .iter()
    .find_map(|name| {
        let at = pointer.find(name)?;
        let rest = pointer.get(at + name.len()..)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    })
}

fn step(
    here: &[(&'static str, &'static Value)],
    token: &str,
) -> Vec<(&'static str, &'static Value)> {
    let mut next = Vec::new();
    for (file, schema) in opened(here) {
        let member = schema.get("properties").and_then(|all| all.get(token));
        let is_index = token.parse::<usize>().is_ok();
        let element = schema.get("items").filter(|_| is_index);
        let other = schema
            .get("additionalProperties")
            .filter(|other| member.is_none() && element.is_none() && other.is_object());
        next.extend(
            [member, element, other]
                .into_iter()
                .flatten()
                .map(|found| (file, found)),
        );
    }
    next
}

/// Schemas with their references followed and their alternatives laid side by side.
fn opened(here: &[(&'static str, &'static Value)]) -> Vec<(&'static str, &'static Value)> {
    let mut queue: Vec<(&'static str, &'static Value)> = here.to_vec();
    let mut done = Vec::new();
    let mut at = 0;
    while let Some(&(name, schema)) = queue.get(at) {
        at += 1;
        if at > MOST_STEPS {
            break;
        }
        done.push((name, schema));
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            let (other, fragment) = target.split_once('#').unwrap_or((target, ""));
            let named = if other.is_empty() {
                Some((name, file(name)))
            } else {
                static_name(other).map(|other| (other, file(other)))
            };
            if let Some((name, Some(root))) = named
                && let Some(found) = root.pointer(fragment)
            {
                queue.push((name, found));
            }
        }
        for keyword in ["anyOf", "oneOf", "allOf"] {
            let branches = schema.get(keyword).and_then(Value::as_array);
            queue.extend(branches.into_iter().flatten().map(|branch| (name, branch)));
        }
        for keyword in ["then", "else"] {
            queue.extend(schema.get(keyword).map(|branch| (name, branch)));
        }
    }
    done
}

fn description(file: &'static str, schema: &'static Value) -> Option<String> {
    opened(&[(file, schema)])
        .iter()
        .find_map(|(_, schema)| schema.get("description")?.as_str())
        .map(str::to_owned)
}

/// All schemas, parsed once.
fn files() -> &'static BTreeMap<String, Value> {
    static FILES: OnceLock<BTreeMap<String, Value>> = OnceLock::new();
    FILES.get_or_init(|| {
        embedded::list("spec/schemas/")
            .into_iter()
            .filter_map(|path| {
                let text: Cow<'static, str> = embedded::text(&path)?;
                let name = path.rsplit('/').next()?.to_owned();
                Some((name, serde_json::from_str(&text).ok()?))
            })
            .collect()
    })
}

fn file(name: &str) -> Option<&'static Value> {
    files().get(name)
}

fn static_name(name: &str) -> Option<&'static str> {
    files().get_key_value(name).map(|(name, _)| name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(kind: DocumentKind, json_ld: bool, pointer: &str) -> Vec<String> {
        let offered = Members::of(kind, json_ld).offered(pointer);
        offered.into_iter().map(|member| member.name).collect()
    }

    #[test]
    fn members_of_every_level_are_known() {
        let has = |pointer: &str, name: &str| {
            let names = names(DocumentKind::Manifest, false, pointer);
            assert!(
                names.iter().any(|known| known == name),
                "{pointer}: {names:?}"
            );
        };
        has("", "actions");
        has("/actions/3", "timeout_ms");
        has("/actions/0/access_control", "required_scopes");
        has("/intents/0", "actions");
        has("/actions/0/input_schema", "properties");
        has("/actions/0/input_schema/properties/a", "maxLength");
        assert!(
            names(
                DocumentKind::Manifest,
                false,
                "/actions/0/input_schema/properties"
            )
            .is_empty()
        );
        let camel = names(DocumentKind::Manifest, true, "/actions/0");
        assert!(camel.iter().any(|name| name == "inputSchema"), "{camel:?}");
        let node = names(DocumentKind::Plan, true, "/0");
        assert!(node.iter().any(|name| name == "conditional"), "{node:?}");
        let target = names(DocumentKind::Target, false, "/start");
        assert!(target.iter().any(|name| name == "command"), "{target:?}");
    }

    #[test]
    fn values_and_descriptions_are_those_of_the_schemas() {
        let manifest = Members::of(DocumentKind::Manifest, false);
        assert!(
            manifest
                .values("/actions/0/type")
                .contains(&"run_code".into())
        );
        assert!(
            manifest
                .values("/actions/0/method")
                .contains(&"DELETE".into())
        );
        assert!(
            manifest
                .values("/actions/0/completes_goal")
                .contains(&true.into())
        );
        assert!(
            manifest
                .values("/actions/0/output_schema/type")
                .contains(&"integer".into())
        );
        let told = manifest
            .description("/actions/0/timeout_ms")
            .expect("described");
        assert!(told.contains("milliseconds"), "{told}");
        assert_eq!(manifest.description("/nothing/here"), None);
    }
}
