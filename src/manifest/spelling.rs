//! The two spellings of one model: snake_case, and JSON-LD with camelCase.
//!
//! Everything past this module sees snake_case only; [`Places`] leads back to the document as given.
//! Only members of the model are renamed: schemas, maps, headers, inputs, unknown and `x-` members stay as they are.
//! In the JSON-LD spelling a member and a type go by whatever name the contexts in force give them ([`vocabulary`](super::vocabulary)).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::report::Report;
use super::vocabulary::{self, Vocabulary};
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
#[derive(Debug, Clone, Default)]
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

    /// The pointer into the snake_case form, for a pointer into the document as given.
    pub(super) fn unified(&self, original: &str) -> String {
        let inside = |outer: &str| {
            let rest = original.strip_prefix(outer)?;
            (rest.is_empty() || rest.starts_with('/')).then_some(rest)
        };
        let found = self
            .renamed
            .iter()
            .filter_map(|(snake, outer)| Some((outer.len(), snake, inside(outer)?)))
            .max_by_key(|(length, _, _)| *length);
        found.map_or_else(
            || original.to_owned(),
            |(_, snake, rest)| format!("{snake}{rest}"),
        )
    }

    /// How the document is spelled.
    pub(super) fn spelling(&self) -> Spelling {
        self.spelling
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
pub(super) enum Shape {
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

    pub(super) fn camel(self, snake: &str) -> Option<&'static str> {
        let found = self.names().iter().find(|(name, _)| *name == snake);
        found.map(|(_, camel)| *camel)
    }

    fn snake(self, camel: &str) -> Option<&'static str> {
        let found = self.names().iter().find(|(_, name)| *name == camel);
        found.map(|(snake, _)| *snake)
    }

    /// The shape of the objects under a member, named in snake_case.
    pub(super) fn inner(self, member: &str) -> Option<Inner> {
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

    /// The term that `@type` names for such an object, where it is given.
    pub(super) fn type_term(self) -> Option<&'static str> {
        match self {
            Shape::Manifest => Some("Manifest"),
            Shape::Action | Shape::Node => Some("Action"),
            Shape::Intent => Some("Intent"),
            Shape::Limits | Shape::Access => None,
        }
    }
}

/// What is under a member.
pub(super) enum Inner {
    /// An object.
    One(Shape),
    /// An array of objects.
    Each(Shape),
}

/// The snake_case form of a document, and the way back to it.
///
/// Mixed spellings are reported and then read as if they were spelled right, so that the other
/// violations of the document are found in the same go.
pub(super) fn unify(document: &Map<String, Value>, report: &mut Report) -> (Value, Places) {
    let root = Vocabulary::default();
    let spelling = if is_json_ld(document, &root) {
        Spelling::JsonLd
    } else {
        Spelling::Snake
    };
    let mut unifier = Unifier {
        spelling,
        renamed: BTreeMap::new(),
        report,
    };
    let unified = unifier.object(document, Shape::Manifest, &At::default(), &root);
    let places = Places {
        spelling,
        renamed: unifier.renamed,
    };
    (Value::Object(unified), places)
}

/// `@type`, by whatever name, makes a document one of the JSON-LD spelling.
fn is_json_ld(document: &Map<String, Value>, root: &Vocabulary<'_>) -> bool {
    let (vocabulary, _) = root.within(document.get("@context"));
    let mut names = document.keys();
    names.any(|name| vocabulary.member(name) == "@type")
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

/// A member by the name that it has in the vocabulary, and by the one that the document gives it.
struct Member<'d> {
    name: Cow<'d, str>,
    original: &'d str,
    value: &'d Value,
}

impl Unifier<'_> {
    fn value(&mut self, value: &Value, shape: Shape, at: &At, outer: &Vocabulary<'_>) -> Value {
        match value {
            Value::Object(members) => Value::Object(self.object(members, shape, at, outer)),
            other => other.clone(),
        }
    }

    fn object(
        &mut self,
        members: &Map<String, Value>,
        shape: Shape,
        at: &At,
        outer: &Vocabulary<'_>,
    ) -> Map<String, Value> {
        let vocabulary = self.context(members, at, outer);
        let members = self.named(members, at, &vocabulary);
        if self.spelling == Spelling::JsonLd {
            self.check_type(&members, shape, at, &vocabulary);
        }
        let mut unified = Map::with_capacity(members.len());
        for member in &members {
            if matches!(member.name.as_ref(), "@context" | "@type")
                && self.is_keyword(member, shape, at)
            {
                continue;
            }
            if self.is_unreadable(member, at) {
                continue;
            }
            let (snake, mixed) = self.respell(&member.name, shape);
            let below = at.below(snake, member.original);
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
                if members.iter().any(|other| other.name == right) {
                    continue;
                }
            }
            if snake != member.original {
                self.renamed
                    .insert(below.unified.clone(), below.original.clone());
            }
            let value = match (shape.inner(snake), member.value) {
                (Some(Inner::One(inner)), value) => self.value(value, inner, &below, &vocabulary),
                (Some(Inner::Each(inner)), Value::Array(elements)) => {
                    let each = elements.iter().enumerate().map(|(index, element)| {
                        let index = index.to_string();
                        self.value(element, inner, &below.below(&index, &index), &vocabulary)
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

    /// The names in force within an object. In a document of the other spelling they tell what is mixed in, and no more.
    fn context<'d>(
        &mut self,
        members: &'d Map<String, Value>,
        at: &At,
        outer: &'d Vocabulary<'d>,
    ) -> Vocabulary<'d> {
        let (vocabulary, found) = outer.within(members.get("@context"));
        let found = match self.spelling {
            Spelling::JsonLd => found,
            Spelling::Snake => Vec::new(),
        };
        for violation in found {
            let place = json::push(&at.original, "@context") + &violation.pointer;
            self.report
                .refuse(&place, &violation.rule, violation.message);
        }
        vocabulary
    }

    /// The members by their names in the vocabulary; of two with one name the first stays, and the other is reported.
    fn named<'d>(
        &mut self,
        members: &'d Map<String, Value>,
        at: &At,
        vocabulary: &Vocabulary<'_>,
    ) -> Vec<Member<'d>> {
        let mut named = Vec::with_capacity(members.len());
        let mut stood_for = BTreeSet::new();
        for (original, value) in members {
            let name = vocabulary.member(original);
            let name = match self.spelling {
                Spelling::JsonLd => name,
                Spelling::Snake => {
                    if name != original.as_str() {
                        self.report.refuse(
                            &json::push(&at.original, original),
                            "mixed_spelling",
                            "spell this member in snake_case, as the rest of the document is spelled",
                        );
                    }
                    Cow::Borrowed(original.as_str())
                }
            };
            // Only a name of the vocabulary that stands for another one can meet it.
            let is_taken = name != original.as_str()
                && (members.contains_key(name.as_ref()) || !stood_for.insert(name.clone()));
            if is_taken {
                self.report.refuse(
                    &json::push(&at.original, original),
                    "duplicate_key",
                    format!("leave this out; it is another name of \"{name}\", which is there too"),
                );
                continue;
            }
            named.push(Member {
                name,
                original,
                value,
            });
        }
        named
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
    fn is_keyword(&mut self, member: &Member<'_>, shape: Shape, at: &At) -> bool {
        let stray =
            self.spelling == Spelling::Snake && shape == Shape::Action && member.name == "@type";
        if stray {
            self.report.refuse(
                &json::push(&at.original, member.original),
                "mixed_spelling",
                "leave this out, or spell the whole document as JSON-LD, with \"@type\" at its top",
            );
        }
        stray || self.spelling == Spelling::JsonLd
    }

    /// Whether a member may hold others of its object, which are not read there; it is reported.
    fn is_unreadable(&mut self, member: &Member<'_>, at: &At) -> bool {
        let hides = self.spelling == Spelling::JsonLd && vocabulary::hides(&member.name);
        if hides {
            self.report.refuse(
                &json::push(&at.original, member.original),
                "unsupported_keyword",
                "write its members into the object around it; they are not read here",
            );
        }
        hides
    }

    fn check_type(
        &mut self,
        members: &[Member<'_>],
        shape: Shape,
        at: &At,
        vocabulary: &Vocabulary<'_>,
    ) {
        let Some(wanted) = shape.type_term() else {
            return;
        };
        let wanted_name = format!("\"OpenAction:{wanted}\"");
        let Some(member) = members.iter().find(|member| member.name == "@type") else {
            if matches!(shape, Shape::Action | Shape::Node) {
                let message = format!("add \"@type\": {wanted_name}");
                self.report.refuse(&at.original, "required", message);
            }
            return;
        };
        let place = json::push(&at.original, member.original);
        match member.value {
            value if vocabulary.type_term(value).as_deref() == Some(wanted) => {}
            Value::String(_) | Value::Array(_) => {
                let message = format!("write {wanted_name} here");
                self.report.refuse(&place, "enum", message);
            }
            other => self.report.wrong_type(&place, &wanted_name, other),
        }
    }
}
