//! The two spellings of one model: snake_case, and JSON-LD with camelCase.
//!
//! Everything past this module sees snake_case only; [`Places`] leads back to the document as given.
//! Only members of the model are renamed: schemas, maps, headers, inputs, unknown and `x-` members stay as they are.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::report::Report;
use crate::json;

/// How a document is spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Spelling {
    /// Members in snake_case, no JSON-LD keywords.
    #[default]
    Snake,
    /// Members in camelCase, with `@context` and `@type`.
    JsonLd,
}

/// Where a member of the snake_case form stands in the document as given.
#[derive(Debug, Default)]
pub(super) struct Places {
    spelling: Spelling,
    renamed: BTreeMap<String, String>,
}

impl Places {
    /// The pointer into the document as given, for a pointer into the snake_case form.
    pub(super) fn original(&self, pointer: &str) -> String {
        let mut head = pointer;
        while !head.is_empty() && !self.renamed.is_empty() {
            if let Some(original) = self.renamed.get(head) {
                return format!("{original}{}", &pointer[head.len()..]);
            }
            head = &head[..head.rfind('/').unwrap_or(0)];
        }
        pointer.to_owned()
    }

    /// A member's name as this document spells it, for messages.
    pub(super) fn name<'n>(&self, snake: &'n str) -> &'n str {
        match self.spelling {
            Spelling::Snake => snake,
            Spelling::JsonLd => SHAPES
                .iter()
                .find_map(|shape| shape.camel(snake))
                .unwrap_or(snake),
        }
    }
}

/// The objects of the model whose members have two spellings or hold such objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Manifest,
    Action,
    Intent,
    Limits,
    Access,
    Node,
}

const SHAPES: [Shape; 6] = [
    Shape::Manifest,
    Shape::Action,
    Shape::Intent,
    Shape::Limits,
    Shape::Access,
    Shape::Node,
];

impl Shape {
    /// The members with two spellings: snake_case, camelCase.
    fn names(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Shape::Manifest => &[("protocol_version", "protocolVersion")],
            Shape::Action => &[
                ("type", "actionType"),
                ("input_schema", "inputSchema"),
                ("output_schema", "outputSchema"),
                ("timeout_ms", "timeoutMs"),
                ("request_map", "requestMap"),
                ("response_map", "responseMap"),
                ("plugin_reference", "pluginReference"),
                ("access_control", "accessControl"),
                ("fallback_action", "fallbackAction"),
                ("result_path", "resultPath"),
                ("completes_goal", "completesGoal"),
                ("feature_flag", "featureFlag"),
            ],
            Shape::Intent => &[("access_control", "accessControl")],
            Shape::Limits => &[("cpu_ms", "cpuMs"), ("memory_mib", "memoryMib")],
            Shape::Access => &[
                ("required_scopes", "requiredScopes"),
                ("rate_limit", "rateLimit"),
            ],
            Shape::Node => &[
                ("plugin_reference", "pluginReference"),
                ("access_control", "accessControl"),
                ("fallback_action", "fallbackAction"),
                ("request_id", "requestId"),
            ],
        }
    }

    fn camel(self, snake: &str) -> Option<&'static str> {
        let found = self.names().iter().find(|(name, _)| *name == snake);
        found.map(|(_, camel)| *camel)
    }

    fn snake(self, camel: &str) -> Option<&'static str> {
        let found = self.names().iter().find(|(_, name)| *name == camel);
        found.map(|(snake, _)| *snake)
    }

    /// The shape of the objects under a member, named in snake_case.
    fn inner(self, member: &str) -> Option<Inner> {
        match (self, member) {
            (Shape::Manifest, "actions") => Some(Inner::Each(Shape::Action)),
            (Shape::Manifest, "intents") => Some(Inner::Each(Shape::Intent)),
            (Shape::Action, "limits") => Some(Inner::One(Shape::Limits)),
            (Shape::Action | Shape::Intent | Shape::Node, "access_control") => {
                Some(Inner::One(Shape::Access))
            }
            (Shape::Action | Shape::Node, "fallback_action") => Some(Inner::One(Shape::Node)),
            _ => None,
        }
    }

    /// What `@type` says of such an object, where it is given.
    fn type_name(self) -> Option<&'static str> {
        match self {
            Shape::Manifest => Some("OpenAction:Manifest"),
            Shape::Action | Shape::Node => Some("OpenAction:Action"),
            Shape::Intent => Some("OpenAction:Intent"),
            Shape::Limits | Shape::Access => None,
        }
    }
}

enum Inner {
    One(Shape),
    Each(Shape),
}

/// The snake_case form of a document, and the way back to it.
///
/// Mixed spellings are reported and then read as if they were spelled right, so that the other
/// violations of the document are found in the same go.
pub(super) fn unify(document: &Map<String, Value>, report: &mut Report) -> (Value, Places) {
    let spelling = if document.contains_key("@type") {
        Spelling::JsonLd
    } else {
        Spelling::Snake
    };
    if spelling == Spelling::JsonLd {
        check_context(document, report);
    }
    let mut unifier = Unifier {
        spelling,
        renamed: BTreeMap::new(),
        report,
    };
    let unified = unifier.object(document, Shape::Manifest, &At::default());
    let places = Places {
        spelling,
        renamed: unifier.renamed,
    };
    (Value::Object(unified), places)
}

/// `@context` names the vocabulary; it is never fetched, so only its type is looked at.
fn check_context(document: &Map<String, Value>, report: &mut Report) {
    match document.get("@context") {
        None | Some(Value::String(_) | Value::Array(_) | Value::Object(_)) => {}
        Some(other) => report.wrong_type("/@context", "a string, an object or an array", other),
    }
}

/// The same place in both documents.
#[derive(Default)]
struct At {
    unified: String,
    original: String,
}

impl At {
    fn below(&self, unified: &str, original: &str) -> At {
        At {
            unified: json::push(&self.unified, unified),
            original: json::push(&self.original, original),
        }
    }
}

struct Unifier<'r> {
    spelling: Spelling,
    renamed: BTreeMap<String, String>,
    report: &'r mut Report,
}

impl Unifier<'_> {
    fn value(&mut self, value: &Value, shape: Shape, at: &At) -> Value {
        match value {
            Value::Object(members) => Value::Object(self.object(members, shape, at)),
            other => other.clone(),
        }
    }

    fn object(
        &mut self,
        members: &Map<String, Value>,
        shape: Shape,
        at: &At,
    ) -> Map<String, Value> {
        if self.spelling == Spelling::JsonLd {
            self.check_type(members, shape, at);
        }
        let mut unified = Map::with_capacity(members.len());
        for (name, value) in members {
            if matches!(name.as_str(), "@context" | "@type") && self.is_keyword(name, shape, at) {
                continue;
            }
            let (snake, mixed) = self.respell(name, shape);
            let below = at.below(snake, name);
            if mixed {
                let right = self.right_name(snake, shape);
                let place = &below.original;
                self.report.refuse(
                    place,
                    "mixed_spelling",
                    format!(
                        "spell this member \"{right}\", as the rest of the document is spelled"
                    ),
                );
                if members.contains_key(right) {
                    continue;
                }
            }
            if snake != name {
                self.renamed
                    .insert(below.unified.clone(), below.original.clone());
            }
            let value = match (shape.inner(snake), value) {
                (Some(Inner::One(inner)), value) => self.value(value, inner, &below),
                (Some(Inner::Each(inner)), Value::Array(elements)) => {
                    let each = elements.iter().enumerate().map(|(index, element)| {
                        let index = index.to_string();
                        self.value(element, inner, &below.below(&index, &index))
                    });
                    Value::Array(each.collect())
                }
                (_, value) => value.clone(),
            };
            unified.insert(snake.to_owned(), value);
        }
        // An action of the JSON-LD spelling may leave its type out; the snake_case form says it.
        if self.spelling == Spelling::JsonLd
            && shape == Shape::Action
            && !unified.contains_key("type")
        {
            unified.insert("type".to_owned(), Value::from("plugin"));
            self.renamed
                .insert(json::push(&at.unified, "type"), at.original.clone());
        }
        unified
    }

    /// The snake_case name of a member, and whether it is spelled in the other way.
    fn respell<'n>(&self, name: &'n str, shape: Shape) -> (&'n str, bool) {
        if let Some(snake) = shape.snake(name) {
            return (snake, self.spelling == Spelling::Snake);
        }
        let foreign = self.spelling == Spelling::JsonLd && shape.camel(name).is_some();
        (name, foreign)
    }

    fn right_name<'n>(&self, snake: &'n str, shape: Shape) -> &'n str {
        match self.spelling {
            Spelling::Snake => snake,
            Spelling::JsonLd => shape.camel(snake).unwrap_or(snake),
        }
    }

    /// Whether a member is JSON-LD's own, which is no part of the model; an action of the other spelling has none.
    fn is_keyword(&mut self, name: &str, shape: Shape, at: &At) -> bool {
        let stray = self.spelling == Spelling::Snake && shape == Shape::Action && name == "@type";
        if stray {
            self.report.refuse(
                &json::push(&at.original, name),
                "mixed_spelling",
                "leave this out, or spell the whole document as JSON-LD, with \"@type\" at its top",
            );
        }
        stray || self.spelling == Spelling::JsonLd
    }

    fn check_type(&mut self, members: &Map<String, Value>, shape: Shape, at: &At) {
        let Some(wanted) = shape.type_name() else {
            return;
        };
        let place = json::push(&at.original, "@type");
        match members.get("@type") {
            None if matches!(shape, Shape::Action | Shape::Node) => self.report.refuse(
                &at.original,
                "required",
                format!("add \"@type\": \"{wanted}\""),
            ),
            None => {}
            Some(Value::String(name)) if name == wanted => {}
            Some(Value::String(_)) => {
                self.report
                    .refuse(&place, "enum", format!("write \"{wanted}\" here"));
            }
            Some(other) => self
                .report
                .wrong_type(&place, &format!("\"{wanted}\""), other),
        }
    }
}
