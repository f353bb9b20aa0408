//! How much work a stranger's schema can cause, judged before it is compiled.
//!
//! A kilobyte of references that each lead twice to the next doubles the work two dozen times over, and a chain
//! of ten thousand overflows the stack; the validator bounds neither. So schemas are walked here first, as the
//! validator will walk them, and refused beyond bounds that no honest schema comes near.

use std::collections::{HashMap, HashSet};

use jsonschema::Draft;
use serde_json::{Map, Value};

use super::visits::{Part, visits};
use super::{SchemaError, draft, is_dialect};
use crate::json::push;

/// Most subschemas, each counted as often as references lead to it.
const MOST_PLACES: usize = 10_000;

/// Most subschemas applied to one value within one another; the stack bounds it.
const DEEPEST_RUN: usize = 32;

/// Deepest nesting of values that a schema speaks of without recursion, the depth of documents.
const DEEPEST: usize = 64;

/// What a reference to a dialect's own schema counts for.
const DIALECT_PLACES: usize = 100;

/// Most visits that listing violations may cost; each can leave an error of some hundred bytes in memory.
const MOST_VISITS: f64 = 3e5;

/// Most visits that finding out whether a value is valid may cost.
const MOST_WORK: f64 = 5e7;

/// What a schema can cost.
#[derive(Debug)]
pub(super) struct Weight {
    places: usize,
    /// How often, at most, the parts look at one value at each depth; `None` where that does not matter.
    visits: Option<Vec<f64>>,
    /// Whether it leads back to itself.
    recursive: bool,
}

impl Weight {
    /// Of a schema that is the protocol's own, and so trusted.
    pub(super) const OWN: Weight = Weight {
        places: 0,
        visits: None,
        recursive: false,
    };

    /// The number of subschemas, each counted as often as references lead to it.
    pub(super) fn places(&self) -> usize {
        self.places
    }

    /// Whether finding out that this value is valid, or not, is affordable.
    ///
    /// With a recursive schema it always is: there the validator remembers what it has seen.
    pub(super) fn allows_checking(&self, value: &Value) -> bool {
        self.recursive || self.allows(value, MOST_WORK)
    }

    /// Whether listing what is wrong with this value is affordable.
    ///
    /// A list is built without that memory, and doubles its work at each level of a schema that recurs twice; each
    /// branch that a value does not satisfy is kept until the list is there.
    pub(super) fn allows_listing(&self, value: &Value) -> bool {
        self.allows(value, MOST_VISITS)
    }

    fn allows(&self, value: &Value, most: f64) -> bool {
        let Some(visits) = &self.visits else {
            return true;
        };
        let (mut level, mut total) = (vec![value], 0.0);
        for &each in visits {
            total += each * level.len() as f64;
            let below = level.into_iter().flat_map(|value| match value {
                Value::Array(elements) => elements.iter().collect::<Vec<_>>(),
                Value::Object(members) => members.values().collect(),
                _ => Vec::new(),
            });
            level = below.collect();
            if total > most || level.is_empty() {
                break;
            }
        }
        total <= most && level.is_empty()
    }
}

/// Weighs a document that is a valid schema of its dialect.
///
/// # Errors
/// When a reference leads nowhere or back to itself without going into the value, or when the schema is too
/// large, counted with its references; the pointer names the place.
pub(super) fn weigh(document: &Value) -> Result<Weight, SchemaError> {
    let mut walk = Walk {
        root: document,
        id: if draft(document) == Draft::Draft4 {
            "id"
        } else {
            "$id"
        },
        anchors: anchors(document),
        places: 0,
        nodes: HashMap::new(),
        edges: Vec::new(),
        recursive: false,
    };
    walk.run()?;
    let visits = visits(walk.nodes.len(), &walk.edges, DEEPEST);
    Ok(Weight {
        places: walk.places,
        visits: Some(visits),
        recursive: walk.recursive,
    })
}

struct Walk<'d> {
    root: &'d Value,
    /// The dialect's keyword for a document's own name.
    id: &'static str,
    anchors: HashMap<&'d str, Vec<&'d Value>>,
    places: usize,
    /// Every subschema met, by its address in the document.
    nodes: HashMap<*const Value, usize>,
    /// Subschema, the part it hands on, and the subschema that it is handed to.
    edges: Vec<(usize, Part<'d>, usize)>,
    recursive: bool,
}

/// A subschema about to be entered.
struct Entry<'d> {
    node: &'d Value,
    /// What `#` means here: the document, or an embedded one with its own `$id`.
    base: &'d Value,
    /// Subschemas applied to this same value above it.
    run: usize,
    /// How deep in the value.
    depth: usize,
}

enum Event<'d> {
    Enter(Entry<'d>),
    Leave(*const Value),
}

impl<'d> Walk<'d> {
    fn run(&mut self) -> Result<(), SchemaError> {
        let mut path: HashMap<*const Value, usize> = HashMap::new();
        let mut open = vec![Event::Enter(Entry {
            node: self.root,
            base: self.root,
            run: 0,
            depth: 0,
        })];
        self.node(self.root);
        let mut expanded = HashSet::new();
        while let Some(event) = open.pop() {
            let entry = match event {
                Event::Leave(address) => {
                    path.remove(&address);
                    continue;
                }
                Event::Enter(entry) => entry,
            };
            self.count(1, entry.node)?;
            let Value::Object(members) = entry.node else {
                continue;
            };
            let address: *const Value = entry.node;
            if let Some(&depth) = path.get(&address) {
                if depth == entry.depth {
                    return Err(self.refuse(entry.node, "",
                        "leads back to itself without going into the value; let a recursion go through properties or items",
                    ));
                }
                self.recursive = true;
                continue;
            }
            if entry.run > DEEPEST_RUN || entry.depth > DEEPEST {
                return Err(self.refuse(
                    entry.node,
                    "",
                    "nests too many schemas within one another; flatten them",
                ));
            }
            path.insert(address, entry.depth);
            open.push(Event::Leave(address));
            let base = if members.get(self.id).is_some_and(names_base) {
                entry.node
            } else {
                entry.base
            };
            let mut below = applied(members);
            self.follow(entry.node, members, base, &mut below)?;
            let first = expanded.insert(address);
            let from = self.node(entry.node);
            for (part, node) in below {
                if first {
                    let to = self.node(node);
                    self.edges.push((from, part, to));
                }
                let same = part == Part::Same;
                open.push(Event::Enter(Entry {
                    node,
                    base,
                    run: if same { entry.run + 1 } else { 0 },
                    depth: if same { entry.depth } else { entry.depth + 1 },
                }));
            }
        }
        Ok(())
    }

    fn count(&mut self, places: usize, node: &Value) -> Result<(), SchemaError> {
        self.places += places;
        if self.places > MOST_PLACES {
            return Err(self.refuse(
                node,
                "",
                "has too many parts, counted as often as references lead to them; make it smaller",
            ));
        }
        Ok(())
    }

    /// An error at a subschema, or at its member of this name.
    fn refuse(&self, node: &Value, member: &str, message: &str) -> SchemaError {
        let pointer = locate(self.root, node).unwrap_or_default();
        SchemaError {
            message: message.to_owned(),
            pointer: if member.is_empty() {
                pointer
            } else {
                push(&pointer, member)
            },
        }
    }

    fn node(&mut self, node: &'d Value) -> usize {
        let next = self.nodes.len();
        *self.nodes.entry(std::ptr::from_ref(node)).or_insert(next)
    }

    /// Adds the targets of a subschema's references to what is applied to the same value.
    fn follow(
        &mut self,
        node: &'d Value,
        members: &'d Map<String, Value>,
        base: &'d Value,
        below: &mut Vec<(Part<'d>, &'d Value)>,
    ) -> Result<(), SchemaError> {
        for name in ["$ref", "$dynamicRef", "$recursiveRef"] {
            let Some(Value::String(target)) = members.get(name) else {
                continue;
            };
            if is_dialect(target) {
                self.count(DIALECT_PLACES, node)?;
                continue;
            }
            let found = target
                .strip_prefix('#')
                .map(|fragment| self.resolve(fragment, base));
            let found = found.unwrap_or_default();
            if found.is_empty() {
                return Err(self.refuse(node, name, "leads nowhere in this schema; correct it"));
            }
            below.extend(found.into_iter().map(|target| (Part::Same, target)));
        }
        Ok(())
    }

    fn resolve(&self, fragment: &str, base: &'d Value) -> Vec<&'d Value> {
        let Some(decoded) = percent_decoded(fragment) else {
            return Vec::new();
        };
        if decoded.is_empty() || decoded.starts_with('/') {
            return base.pointer(&decoded).into_iter().collect();
        }
        self.anchors
            .get(decoded.as_str())
            .cloned()
            .unwrap_or_default()
    }
}

/// The subschemas that a schema applies, each with the part of the value that it gets.
fn applied(members: &Map<String, Value>) -> Vec<(Part<'_>, &Value)> {
    let mut found = Vec::new();
    for (name, value) in members {
        match (name.as_str(), value) {
            ("not" | "if" | "then" | "else", one) => found.push((Part::Same, one)),
            ("allOf" | "anyOf" | "oneOf", Value::Array(each)) => {
                found.extend(each.iter().map(|one| (Part::Same, one)));
            }
            ("prefixItems" | "items", Value::Array(each)) => {
                let each = each.iter().enumerate();
                found.extend(each.map(|(index, one)| (Part::Element(index), one)));
            }
            ("items" | "additionalItems" | "unevaluatedItems" | "contains", one) => {
                found.push((Part::Elements, one));
            }
            ("additionalProperties" | "unevaluatedProperties", one) => {
                found.push((Part::Members, one));
            }
            ("propertyNames", one) => found.push((Part::Key, one)),
            ("properties", Value::Object(each)) => {
                found.extend(each.iter().map(|(key, one)| (Part::Member(key), one)));
            }
            ("patternProperties", Value::Object(each)) => {
                found.extend(each.values().map(|one| (Part::Members, one)));
            }
            ("dependentSchemas" | "dependencies", Value::Object(each)) => {
                found.extend(each.values().map(|one| (Part::Same, one)));
            }
            _ => {}
        }
    }
    found
}

/// The pointer to a value of the document, found by its address.
fn locate(document: &Value, wanted: &Value) -> Option<String> {
    let mut open = vec![(document, String::new())];
    while let Some((value, pointer)) = open.pop() {
        if std::ptr::eq(value, wanted) {
            return Some(pointer);
        }
        match value {
            Value::Object(members) => {
                let each = members.iter();
                open.extend(each.map(|(name, member)| (member, push(&pointer, name))));
            }
            Value::Array(elements) => {
                let each = elements.iter().enumerate();
                open.extend(
                    each.map(|(index, element)| (element, push(&pointer, &index.to_string()))),
                );
            }
            _ => {}
        }
    }
    None
}

/// Whether an `$id` begins an embedded document; one that is only a fragment names a place.
fn names_base(id: &Value) -> bool {
    id.as_str()
        .is_some_and(|id| !id.is_empty() && !id.starts_with('#'))
}

/// Every place that a plain name leads to, whatever the dialect calls such names.
fn anchors(document: &Value) -> HashMap<&str, Vec<&Value>> {
    let mut found: HashMap<&str, Vec<&Value>> = HashMap::new();
    let mut open = vec![document];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) => {
                let names = ["$anchor", "$dynamicAnchor", "$id", "id"].into_iter();
                let names: HashSet<&str> = names
                    .filter_map(|keyword| {
                        let name = members.get(keyword)?.as_str()?;
                        match keyword {
                            "$id" | "id" => name.strip_prefix('#'),
                            _ => Some(name),
                        }
                    })
                    .collect();
                for name in names {
                    found.entry(name).or_default().push(value);
                }
                open.extend(members.values());
            }
            Value::Array(elements) => open.extend(elements),
            _ => {}
        }
    }
    found
}

fn percent_decoded(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%' {
            let digits = text.get(at + 1..at + 3)?;
            decoded.push(u8::from_str_radix(digits, 16).ok()?);
            at += 3;
        } else {
            decoded.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests;
