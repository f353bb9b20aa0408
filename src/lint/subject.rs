//! What rules look at: one document, read once.

use std::cell::OnceCell;

use serde_json::{Map, Value};

use crate::document::Document;
use crate::json;
use crate::manifest::{self, Problems, Unified};

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocumentKind {
    /// A manifest, in either spelling.
    Manifest,
    /// A plan: a node of the workflow profile, a list of them, or a request with `open_action`.
    Plan,
    /// The definition of a target, `oap-target.toml` written as JSON or YAML.
    Target,
    /// A case of the suite.
    Case,
}

impl DocumentKind {
    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Plan => "plan",
            Self::Target => "target",
            Self::Case => "case",
        }
    }

    /// What a document looks like; a manifest, when it looks like nothing else.
    pub fn guess(value: &Value) -> Self {
        let has = |name: &str| value.get(name).is_some();
        let is_node = |value: &Value| {
            let kind = value.get("@type").and_then(Value::as_str).unwrap_or("");
            kind.ends_with("HumanApproval")
                || (kind.ends_with("Action") && value.get("inputSchema").is_none())
        };
        if has("requirements") && (has("steps") || has("stimulus")) {
            Self::Case
        } else if has("start") || has("connect") {
            Self::Target
        } else if has("open_action")
            || is_node(value)
            || value
                .as_array()
                .is_some_and(|nodes| nodes.iter().all(is_node))
        {
            Self::Plan
        } else {
            Self::Manifest
        }
    }
}

/// A document and what can be known about it.
#[derive(Debug)]
pub struct Subject<'d> {
    document: &'d Document,
    kind: DocumentKind,
    unified: Unified,
    problems: OnceCell<Problems>,
    /// Most problems of the loader's that are listed; `None` is as many as the loader lists.
    most: Option<usize>,
}

/// An object of the document and where it stands in the form that [`Subject::value`] gives.
#[derive(Debug, Clone)]
pub struct Part<'v> {
    /// Its place.
    pub pointer: String,
    /// Its members.
    pub members: &'v Map<String, Value>,
}

impl<'v> Part<'v> {
    /// The pointer of a member of it, there or not.
    pub fn pointer_of(&self, name: &str) -> String {
        json::push(&self.pointer, name)
    }

    /// A member.
    pub fn get(&self, name: &str) -> Option<&'v Value> {
        self.members.get(name)
    }

    /// A member that is a string.
    pub fn text(&self, name: &str) -> Option<&'v str> {
        self.members.get(name)?.as_str()
    }
}

/// A schema of an action.
#[derive(Debug, Clone)]
pub struct ActionSchema<'v> {
    /// Its place.
    pub pointer: String,
    /// The schema.
    pub schema: &'v Value,
    /// Whether it is the input's.
    pub input: bool,
}

impl<'d> Subject<'d> {
    /// A subject of a kind.
    pub fn new(document: &'d Document, kind: DocumentKind) -> Self {
        let unified = match kind {
            DocumentKind::Manifest => manifest::unified(document.value()),
            _ => Unified::plain(document.value().clone()),
        };
        Self {
            document,
            kind,
            unified,
            problems: OnceCell::new(),
            most: None,
        }
    }

    /// The same with more of what the loader says than it lists to those who only read.
    #[must_use]
    pub fn listing(self, most: usize) -> Self {
        Self {
            most: Some(most),
            ..self
        }
    }

    /// The text and its positions.
    pub fn document(&self) -> &'d Document {
        self.document
    }

    /// What it is.
    pub fn kind(&self) -> DocumentKind {
        self.kind
    }

    /// The document; of a manifest, the snake_case form, whatever its spelling. It may be broken in any way: ask for every member.
    pub fn value(&self) -> &Value {
        &self.unified.value
    }

    /// Whether the document is in the JSON-LD spelling.
    pub fn is_json_ld(&self) -> bool {
        self.unified.is_json_ld()
    }

    /// A member's name as the document spells it, for messages.
    pub fn spelled<'n>(&self, name: &'n str) -> &'n str {
        self.unified.name(name)
    }

    /// A pointer into the document as given, for one into [`Subject::value`].
    pub fn original(&self, pointer: &str) -> String {
        self.unified.original(pointer)
    }

    /// A pointer into [`Subject::value`], for one into the document as given.
    pub fn unified(&self, original: &str) -> String {
        self.unified.unified(original)
    }

    /// Everything the loader says of a manifest; compiles every schema, once.
    pub fn problems(&self) -> &Problems {
        self.problems.get_or_init(|| match self.most {
            Some(most) => self.unified.problems_up_to(most),
            None => self.unified.problems(),
        })
    }

    /// The actions that are objects, in order.
    pub fn actions(&self) -> Vec<Part<'_>> {
        self.parts("actions")
    }

    /// The intents that are objects, in order.
    pub fn intents(&self) -> Vec<Part<'_>> {
        self.parts("intents")
    }

    /// The declared names of actions.
    pub fn action_names(&self) -> Vec<&str> {
        self.actions()
            .iter()
            .filter_map(|action| action.text("name"))
            .collect()
    }

    /// Every `input_schema` and `output_schema` that is there.
    pub fn schemas(&self) -> Vec<ActionSchema<'_>> {
        let mut schemas = Vec::new();
        for action in self.actions() {
            for (name, input) in [("input_schema", true), ("output_schema", false)] {
                if let Some(schema) = action.get(name) {
                    schemas.push(ActionSchema {
                        pointer: action.pointer_of(name),
                        schema,
                        input,
                    });
                }
            }
        }
        schemas
    }

    fn parts(&self, list: &str) -> Vec<Part<'_>> {
        let elements = self.value().get(list).and_then(Value::as_array);
        elements
            .into_iter()
            .flatten()
            .enumerate()
            .filter_map(|(index, element)| {
                Some(Part {
                    pointer: format!("/{list}/{index}"),
                    members: element.as_object()?,
                })
            })
            .collect()
    }
}
