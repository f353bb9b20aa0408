//! Requests and nodes by the names of the vocabulary, held against the published schemas (`spec/workflows.md`, 2 and 3.1).
//!
//! Whatever prefixes and IRIs a request uses, what is read further on is its *canonical* form: nodes with the bare names of
//! the vocabulary and the abbreviated types. [`Canonical::original`] leads back to the request as it came.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::node::NodeType;
use super::parts::WorkflowParts;
use crate::diagnostic::Violation;
use crate::json;
use crate::manifest::vocabulary::{self, Vocabulary};
use crate::schema;

/// Most things wrong with names that are told.
const MOST_TOLD: usize = 100;

/// A request or an array of nodes, its nodes in canonical form.
#[derive(Debug)]
pub struct Canonical {
    /// The canonical form.
    pub value: Value,
    /// What the names themselves are wrong about, with pointers into the document as given.
    found: Vec<Violation>,
    renamed: BTreeMap<String, String>,
}

impl Canonical {
    /// The pointer into the document as given, for a pointer into the canonical form.
    pub fn original(&self, pointer: &str) -> String {
        let mut head = pointer;
        while !head.is_empty() && !self.renamed.is_empty() {
            if let Some(original) = self.renamed.get(head) {
                return format!("{original}{}", pointer.get(head.len()..).unwrap_or(""));
            }
            head = head.get(..head.rfind('/').unwrap_or(0)).unwrap_or("");
        }
        pointer.to_owned()
    }

    /// Everything wrong with it, by its names and by the published schema `schema`; pointers lead into the document as given.
    pub fn violations(&self, parts: &dyn WorkflowParts, schema: &str) -> Vec<Violation> {
        let shape = parts.check_shape(schema, &self.value);
        let shape = shape.into_iter().map(|mut violation| {
            violation.pointer = self.original(&violation.pointer);
            violation
        });
        self.found.iter().cloned().chain(shape).collect()
    }
}

/// What is wrong with a value by a published schema.
pub fn check_shape(schema: &str, value: &Value) -> Vec<Violation> {
    let Some(schema) = schema::named(schema) else {
        // A test of this crate excludes it; nothing is let through on that account.
        let message = "the schema is not there to hold this against";
        return vec![Violation::new("", "schema", message)];
    };
    let mut violations = schema.violations(value);
    for violation in &mut violations {
        if violation.rule == "falseSchema" {
            violation.message = "leave this member out here, or spell it in camelCase".to_owned();
        }
    }
    violations
}

/// A request, with the nodes of `open_action` in canonical form; its own members are not renamed.
pub fn of_request(parts: &dyn WorkflowParts, body: &Value) -> Canonical {
    let mut finder = Finder::new(parts);
    let value = match body {
        Value::Object(members) => {
            let mut canonical = members.clone();
            if let Some(action) = canonical.get_mut("open_action") {
                let at = At::default().below("open_action", "open_action");
                *action = finder.nodes(action, &at, &Vocabulary::default());
            }
            Value::Object(canonical)
        }
        other => other.clone(),
    };
    finder.into_canonical(value)
}

/// An array of nodes, or one node, in canonical form.
pub fn of_nodes(parts: &dyn WorkflowParts, nodes: &Value) -> Canonical {
    let mut finder = Finder::new(parts);
    let value = finder.nodes(nodes, &At::default(), &Vocabulary::default());
    finder.into_canonical(value)
}

/// The term of `@type` that makes a node.
pub fn node_type(vocabulary: &Vocabulary<'_>, value: &Value) -> Option<NodeType> {
    match vocabulary.type_term(value)?.as_str() {
        "Action" => Some(NodeType::Action),
        "HumanApproval" => Some(NodeType::Approval),
        _ => None,
    }
}

/// The same place in both forms.
#[derive(Default)]
struct At {
    canonical: String,
    original: String,
}

impl At {
    fn below(&self, canonical: &str, original: &str) -> At {
        At {
            canonical: json::push(&self.canonical, canonical),
            original: json::push(&self.original, original),
        }
    }
}

struct Finder<'p> {
    parts: &'p dyn WorkflowParts,
    found: Vec<Violation>,
    renamed: BTreeMap<String, String>,
}

impl<'p> Finder<'p> {
    fn new(parts: &'p dyn WorkflowParts) -> Self {
        Self {
            parts,
            found: Vec::new(),
            renamed: BTreeMap::new(),
        }
    }

    fn into_canonical(self, value: Value) -> Canonical {
        Canonical {
            value,
            found: self.found,
            renamed: self.renamed,
        }
    }

    fn tell(&mut self, violations: Vec<Violation>, place: &str) {
        let room = MOST_TOLD.saturating_sub(self.found.len());
        let placed = violations.into_iter().take(room).map(|mut violation| {
            violation.pointer.insert_str(0, place);
            violation
        });
        self.found.extend(placed);
    }

    fn nodes(&mut self, nodes: &Value, at: &At, outer: &Vocabulary<'_>) -> Value {
        match nodes {
            Value::Array(nodes) => {
                let each = nodes.iter().enumerate().map(|(index, node)| {
                    let index = index.to_string();
                    self.node(node, &at.below(&index, &index), outer)
                });
                Value::Array(each.collect())
            }
            node => self.node(node, at, outer),
        }
    }

    /// A node and the nodes in it. The depth is that of the body, which is bounded when it is read.
    fn node(&mut self, node: &Value, at: &At, outer: &Vocabulary<'_>) -> Value {
        let Value::Object(members) = node else {
            return node.clone();
        };
        let (vocabulary, found) = outer.within(members.get("@context"));
        self.tell(found, &json::push(&at.original, "@context"));
        let mut canonical = Map::with_capacity(members.len());
        for (name, original, value) in self.named(members, at, &vocabulary) {
            let below = at.below(&name, original);
            let value = match (name.as_ref(), value) {
                ("@type", value) => match self.parts.node_type(&vocabulary, value) {
                    Some(kind) => Value::from(kind.name()),
                    None => value.clone(),
                },
                ("action" | "fallbackAction", Value::Object(_)) => {
                    self.node(value, &below, &vocabulary)
                }
                ("accessControl", Value::Object(access)) => {
                    let (vocabulary, found) = vocabulary.within(access.get("@context"));
                    self.tell(found, &json::push(&below.original, "@context"));
                    let each = self.named(access, &below, &vocabulary).into_iter();
                    let each = each.map(|(name, _, value)| (name.into_owned(), value.clone()));
                    Value::Object(each.collect())
                }
                (_, value) => value.clone(),
            };
            canonical.insert(name.into_owned(), value);
        }
        Value::Object(canonical)
    }

    /// The members by their names in the vocabulary, with the names that they came under; of two with one name the first
    /// stays, and the other is reported.
    fn named<'d>(
        &mut self,
        members: &'d Map<String, Value>,
        at: &At,
        vocabulary: &Vocabulary<'_>,
    ) -> Vec<(Cow<'d, str>, &'d str, &'d Value)> {
        let mut named = Vec::with_capacity(members.len());
        let mut stood_for = BTreeSet::new();
        for (original, value) in members {
            if vocabulary::hides(original) {
                let message = "write its members into the object around it; they are not read here";
                let hidden = Violation::new("", "unsupported_keyword", message);
                self.tell(vec![hidden], &json::push(&at.original, original));
                continue;
            }
            let name = self.parts.member_name(vocabulary, original);
            if name != original.as_str() {
                if members.contains_key(name.as_ref()) || !stood_for.insert(name.clone()) {
                    let message = format!(
                        "leave this out; it is another name of \"{name}\", which is there too"
                    );
                    let twice = Violation::new("", "duplicate_key", message);
                    self.tell(vec![twice], &json::push(&at.original, original));
                    continue;
                }
                let below = at.below(&name, original);
                self.renamed.insert(below.canonical, below.original);
            }
            named.push((name, original.as_str(), value));
        }
        named
    }
}
