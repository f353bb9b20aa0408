//! The nodes of a plan, by the names of the vocabulary (`spec/workflows.md`, section 2), wherever they stand.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::json;
use crate::lint::subject::{DocumentKind, Subject};
use crate::manifest::vocabulary::Vocabulary;

/// Deepest nesting of nodes that is looked at; readers stop before.
const DEEPEST: usize = 64;

/// Most elements of a plan that are looked at; no call takes as many.
const MOST_ELEMENTS: usize = 1000;

/// What `@type` says a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lint::rules) enum NodeType {
    Action,
    Approval,
}

/// Where a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lint::rules) enum Place {
    /// An element of the plan, or the plan itself.
    Plan,
    /// The action of an approval.
    Approved,
    /// What runs when another one fails; how many fallbacks lie above, itself included.
    Fallback(usize),
}

/// One node.
#[derive(Debug)]
pub(in crate::lint::rules) struct Node<'d> {
    /// Its place in the document as given.
    pub pointer: String,
    pub place: Place,
    /// None when `@type` is missing or names neither.
    pub kind: Option<NodeType>,
    pub members: Vec<Member<'d>>,
}

/// One member of a node.
#[derive(Debug)]
pub(in crate::lint::rules) struct Member<'d> {
    /// By the vocabulary.
    pub name: Cow<'d, str>,
    /// As it is written.
    pub written: &'d str,
    pub value: &'d Value,
}

impl<'d> Node<'d> {
    /// A member by its name in the vocabulary.
    pub fn member(&self, name: &str) -> Option<&Member<'d>> {
        self.members.iter().find(|member| member.name == name)
    }

    pub fn get(&self, name: &str) -> Option<&'d Value> {
        self.member(name).map(|member| member.value)
    }

    pub fn text(&self, name: &str) -> Option<&'d str> {
        self.get(name)?.as_str()
    }

    /// Where a member stands as it is written, or would stand.
    pub fn pointer_of(&self, name: &str) -> String {
        let written = self.member(name).map_or(name, |member| member.written);
        json::push(&self.pointer, written)
    }
}

/// What a document of the kind plan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lint::rules) enum Form<'d> {
    /// A node or a list of nodes.
    Nodes(&'d Value),
    /// The body of a call, which holds nodes.
    Request(&'d Map<String, Value>),
    /// What a model answers in a session (`spec/plans.md`).
    Answer(&'d Map<String, Value>),
}

/// What the subject is; none when it is no plan.
pub(in crate::lint::rules) fn form<'s>(subject: &'s Subject<'_>) -> Option<Form<'s>> {
    if subject.kind() != DocumentKind::Plan {
        return None;
    }
    let value = subject.value();
    let Value::Object(members) = value else {
        return Some(Form::Nodes(value));
    };
    let has = |name: &str| members.contains_key(name);
    Some(if has("open_action") {
        Form::Request(members)
    } else if !has("@type")
        && (has("finished") || has("args") || members.get("action").is_some_and(Value::is_string))
    {
        Form::Answer(members)
    } else {
        Form::Nodes(value)
    })
}

/// Every node of the subject in the order of the document, outer ones first; none when it is no plan of nodes.
pub(in crate::lint::rules) fn nodes<'s>(subject: &'s Subject<'_>) -> Vec<Node<'s>> {
    let mut found = Vec::new();
    let root = Vocabulary::default();
    let (value, pointer) = match form(subject) {
        Some(Form::Nodes(value)) => (value, ""),
        Some(Form::Request(members)) => match members.get("open_action") {
            Some(value) => (value, "/open_action"),
            None => return found,
        },
        _ => return found,
    };
    match value {
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate().take(MOST_ELEMENTS) {
                let pointer = format!("{pointer}/{index}");
                gather(element, pointer, Place::Plan, &root, DEEPEST, &mut found);
            }
        }
        node => gather(
            node,
            pointer.to_owned(),
            Place::Plan,
            &root,
            DEEPEST,
            &mut found,
        ),
    }
    found
}

fn gather<'d>(
    value: &'d Value,
    pointer: String,
    place: Place,
    outer: &Vocabulary<'_>,
    left: usize,
    found: &mut Vec<Node<'d>>,
) {
    let (Value::Object(members), Some(left)) = (value, left.checked_sub(1)) else {
        return;
    };
    let (vocabulary, _) = outer.within(members.get("@context"));
    let named: Vec<Member<'d>> = members
        .iter()
        .map(|(written, value)| Member {
            name: vocabulary.member(written),
            written,
            value,
        })
        .collect();
    let typed = named.iter().find(|member| member.name == "@type");
    let term = typed.and_then(|member| vocabulary.type_term(member.value));
    let kind = match term.as_deref() {
        Some("Action") => Some(NodeType::Action),
        Some("HumanApproval") => Some(NodeType::Approval),
        _ => None,
    };
    let node = Node {
        pointer,
        place,
        kind,
        members: named,
    };
    let below: Vec<(&'d Value, String, Place)> = [
        ("action", Place::Approved),
        ("fallbackAction", level(place)),
    ]
    .into_iter()
    .filter_map(|(name, place)| {
        let inner = node.get(name).filter(|inner| inner.is_object())?;
        Some((inner, node.pointer_of(name), place))
    })
    .collect();
    found.push(node);
    for (inner, pointer, place) in below {
        gather(inner, pointer, place, &vocabulary, left, found);
    }
}

fn level(place: Place) -> Place {
    match place {
        Place::Fallback(level) => Place::Fallback(level + 1),
        _ => Place::Fallback(1),
    }
}

/// The node by the bare names of the vocabulary and with the abbreviated type, as the published schema wants it, without the
/// nodes in it: those are held against it by themselves.
pub(in crate::lint::rules) fn bare(node: &Node<'_>) -> Value {
    let kind = node.kind.map(|kind| match kind {
        NodeType::Action => "OpenAction:Action",
        NodeType::Approval => "OpenAction:HumanApproval",
    });
    let members = node.members.iter().map(|member| {
        let value = match (member.name.as_ref(), kind) {
            ("@type", Some(kind)) => Value::from(kind),
            ("action" | "fallbackAction", _) if member.value.is_object() => {
                serde_json::json!({"@type": "OpenAction:Action", "name": "inner"})
            }
            _ => member.value.clone(),
        };
        (member.name.clone().into_owned(), value)
    });
    Value::Object(members.collect())
}
