//! What may stand where, read from the JSON Schemas under `spec/schemas/`.

mod keywords;
mod schemas;

use serde_json::{Map, Value};

use crate::lint::DocumentKind;

use keywords::{FORMATS, KEYWORDS, TYPES, within_schema};
use schemas::{Schema, description, file, opened, step, with_term};

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

/// The forms of plans, which have schemas of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PlanForm {
    /// An array of nodes.
    #[default]
    Nodes,
    /// One node.
    Node,
    /// A body of `POST /execute`.
    Request,
}

impl PlanForm {
    /// The form that a document looks like.
    pub fn guess(value: &Value) -> Self {
        if value.get("open_action").is_some() {
            Self::Request
        } else if value.is_object() {
            Self::Node
        } else {
            Self::Nodes
        }
    }

    const fn file(self) -> &'static str {
        match self {
            Self::Nodes => "nodes.json",
            Self::Node => "node.json",
            Self::Request => "execute-request.json",
        }
    }
}

/// What a text that never did read is taken for: a plan where it speaks of nodes, and else a manifest.
pub fn guess(text: &str) -> (DocumentKind, PlanForm) {
    let is_node = text.contains("HumanApproval") || text.contains("OpenAction:Action");
    let is_manifest = ["actions", "inputSchema", "OpenAction:Manifest"]
        .iter()
        .any(|name| text.contains(name));
    if text.contains("open_action") {
        (DocumentKind::Plan, PlanForm::Request)
    } else if is_node && !is_manifest {
        let form = match text.trim_start().starts_with(['[', '-']) {
            true => PlanForm::Nodes,
            false => PlanForm::Node,
        };
        (DocumentKind::Plan, form)
    } else {
        (DocumentKind::Manifest, PlanForm::Nodes)
    }
}

/// The schema of a kind of document.
#[derive(Debug, Clone, Copy)]
pub struct Members {
    file: &'static str,
}

impl Members {
    /// The schema of a kind; manifests have one for each spelling, and plans for each form that a plan has.
    pub fn of(kind: DocumentKind, json_ld: bool, form: PlanForm) -> Self {
        Self {
            file: match kind {
                DocumentKind::Manifest if json_ld => "manifest-jsonld.json",
                DocumentKind::Manifest => "manifest.json",
                DocumentKind::Plan => form.file(),
                DocumentKind::Target => "target.json",
                DocumentKind::Case => "case.json",
            },
        }
    }

    /// The members that may stand in the object at a pointer, by those that are known to stand there: what they make
    /// the object leaves out what is forbidden in such a one.
    pub fn offered(self, pointer: &str, around: &Map<String, Value>) -> Vec<Offered> {
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
        let around = with_term(around);
        let Some(here) = self.here(pointer) else {
            return Vec::new();
        };
        let schemas = opened(&here, Some(&around));
        let certain = || schemas.iter().filter(|schema| schema.certain);
        let is_required = |name: &str| {
            certain().any(|schema| {
                let required = schema.value.get("required").and_then(Value::as_array);
                required.is_some_and(|required| required.iter().any(|one| one == name))
            })
        };
        let property = |schema: &Schema, name: &str| schema.value.get("properties")?.get(name);
        let is_forbidden = |name: &str| {
            certain().any(|schema| property(schema, name) == Some(&Value::Bool(false)))
        };
        let mut offered: Vec<Offered> = Vec::new();
        for schema in &schemas {
            let properties = schema.value.get("properties").and_then(Value::as_object);
            for (name, member) in properties.into_iter().flatten() {
                if *member == Value::Bool(false) || is_forbidden(name) {
                    continue;
                }
                let told = description(schema.file, member).unwrap_or_default();
                match offered.iter_mut().find(|known| known.name == *name) {
                    // What only holds a value to something says nothing of the member.
                    Some(known) if known.description.is_empty() => known.description = told,
                    Some(_) => {}
                    None => offered.push(Offered {
                        name: name.clone(),
                        description: told,
                        required: is_required(name),
                    }),
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
        let mut values: Vec<Value> = Vec::new();
        let here = self.here(pointer).unwrap_or_default();
        for Schema { value: schema, .. } in opened(&here, None) {
            if let Some(listed) = schema.get("enum").and_then(Value::as_array) {
                values.extend(listed.iter().cloned());
            } else if let Some(only) = schema.get("const") {
                values.push(only.clone());
            } else if schema.get("type").is_some_and(|kind| kind == "boolean") {
                values.extend([true.into(), false.into()]);
            }
        }
        let mut known: Vec<Value> = Vec::new();
        for value in values {
            if !known.contains(&value) {
                known.push(value);
            }
        }
        known
    }

    /// What the member at a pointer is for.
    pub fn description(self, pointer: &str) -> Option<String> {
        if let Some(rest) = within_schema(pointer) {
            let name = rest.rsplit('/').next()?;
            let found = KEYWORDS.iter().find(|(keyword, _)| *keyword == name);
            return found.map(|(_, description)| (*description).to_owned());
        }
        let here = self.here(pointer)?;
        here.iter()
            .find_map(|schema| description(schema.file, schema.value))
    }

    /// The schemas that a value at a pointer may have to satisfy, references not yet followed.
    fn here(self, pointer: &str) -> Option<Vec<Schema>> {
        let mut here = vec![Schema {
            file: self.file,
            value: file(self.file)?,
            certain: true,
        }];
        for token in pointer.split('/').skip(1) {
            let token = token.replace("~1", "/").replace("~0", "~");
            here = step(&here, &token);
        }
        Some(here)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn names(kind: DocumentKind, json_ld: bool, pointer: &str) -> Vec<String> {
        names_beside(kind, json_ld, pointer, json!({}))
    }

    fn names_beside(
        kind: DocumentKind,
        json_ld: bool,
        pointer: &str,
        around: Value,
    ) -> Vec<String> {
        let around = around.as_object().expect("an object");
        let offered = Members::of(kind, json_ld, PlanForm::Nodes).offered(pointer, around);
        offered.into_iter().map(|member| member.name).collect()
    }

    #[test]
    fn what_a_node_forbids_is_not_offered() {
        let of =
            |around: Value, pointer: &str| names_beside(DocumentKind::Plan, true, pointer, around);
        let has = |names: &[String], name: &str| names.iter().any(|known| known == name);
        for kind in ["OpenAction:HumanApproval", "oa:HumanApproval"] {
            let names = of(json!({"@type": kind}), "/0");
            assert!(has(&names, "prompt") && has(&names, "action"), "{names:?}");
            for name in [
                "conditional",
                "fallbackAction",
                "requestId",
                "input",
                "name",
            ] {
                assert!(!has(&names, name), "{kind}: {names:?}");
            }
        }
        let names = of(json!({"@type": "OpenAction:Action"}), "/0");
        assert!(
            has(&names, "conditional") && has(&names, "name"),
            "{names:?}"
        );
        assert!(
            !has(&names, "prompt") && !has(&names, "action"),
            "{names:?}"
        );
        // The other spelling is forbidden in every node, and nothing is offered twice.
        for around in [json!({}), json!({"@type": "OpenAction:Action"})] {
            for pointer in ["/0", "/0/accessControl", "/0/action", "/0/fallbackAction"] {
                let mut names = of(around.clone(), pointer);
                assert!(!names.iter().any(|name| name.contains('_')), "{names:?}");
                let count = names.len();
                names.sort();
                names.dedup();
                assert_eq!(names.len(), count, "{pointer}");
            }
        }
    }

    #[test]
    fn what_a_type_needs_is_required() {
        let manifest = Members::of(DocumentKind::Manifest, false, PlanForm::Nodes);
        let required = |kind: &str, name: &str| {
            let around = json!({"type": kind});
            let around = around.as_object().expect("an object");
            let offered = manifest.offered("/actions/0", around);
            offered
                .iter()
                .any(|member| member.name == name && member.required)
        };
        assert!(required("invoke_api", "endpoint"));
        assert!(!required("run_code", "endpoint"));
        assert!(required("run_code", "code"));
    }

    #[test]
    fn values_are_known_once_and_plans_in_every_form() {
        let of = |form| Members::of(DocumentKind::Plan, true, form);
        let kinds = json!(["OpenAction:Action", "OpenAction:HumanApproval"]);
        for (form, pointer) in [
            (PlanForm::Nodes, "/0/@type"),
            (PlanForm::Node, "/@type"),
            (PlanForm::Request, "/open_action/@type"),
        ] {
            assert_eq!(Value::from(of(form).values(pointer)), kinds, "{pointer}");
        }
        let names = |value: Value| {
            let offered = of(PlanForm::guess(&value)).offered("", &Map::new());
            Vec::from_iter(offered.into_iter().map(|member| member.name))
        };
        assert!(names(json!({"open_action": []})).contains(&"user_id".to_owned()));
        assert!(names(json!({"@type": ""})).contains(&"conditional".to_owned()));
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
        let manifest = Members::of(DocumentKind::Manifest, false, PlanForm::Nodes);
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
