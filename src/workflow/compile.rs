//! Nodes held against a manifest without running them: what can be known before there is a state.
//!
//! A runtime makes the same checks when the nodes arrive ([`request`](super::request), [`check`]). Here they are
//! made for each node on its own, so that all that is wrong is told at once, and inputs are looked at as far as they are written
//! out: what a template or `state.lastResult` will bring is not judged.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::bound::{Bound, BoundAction, Catalogue};
use super::check;
use super::node::Node;
use super::parts::WorkflowParts;
use crate::diagnostic::Violation;
use crate::expression::Templates;
use crate::json::push;
use crate::manifest::vocabulary::Vocabulary;
use crate::manifest::{self, Action, Intent, Manifest};
use crate::runtime::error::ErrorObject;
use crate::schema;

/// Keywords that hold for each member of an object on its own, and what they refer to.
const MEMBERWISE: [&str; 9] = [
    "$schema",
    "$id",
    "id",
    "$defs",
    "definitions",
    "properties",
    "patternProperties",
    "additionalProperties",
    "propertyNames",
];

/// What nodes come to.
#[derive(Debug, Default)]
pub struct Compiled {
    /// What would be refused, or would fail for certain; pointers lead into the document as given.
    pub violations: Vec<Violation>,
    /// Every scope that the call needs.
    pub scopes: BTreeSet<String>,
    /// What each node is about, in order.
    pub nodes: Vec<CompiledNode>,
}

/// What one node comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompiledNode {
    /// Pointer to it in the document as given.
    pub pointer: String,
    /// What its action is called in results.
    pub action: String,
    /// Whether a person is asked before it runs.
    pub approval: bool,
    /// Required members that its input does not give, and that must be in `state.lastResult`.
    pub defaulted: Vec<String>,
    /// What runs in its place when it fails.
    pub fallback: Option<String>,
}

/// Holds nodes against a manifest.
pub fn compile(
    parts: &dyn WorkflowParts,
    nodes: &[Node],
    manifest: &Manifest,
    intent: Option<&str>,
    request_scopes: &[String],
    plugins: &dyn Catalogue,
) -> Compiled {
    let mut compiled = Compiled::default();
    let known: Option<&Intent> = intent.and_then(|name| manifest.intent(name));
    if intent.is_some() && known.is_none() {
        let message = "the manifest declares no such intent";
        compiled
            .violations
            .push(Violation::new("", "intent_not_found", message));
        return compiled;
    }
    let mut all = Vec::new();
    for node in nodes {
        match check::bind(parts, vec![node.clone()], manifest, intent, plugins) {
            Ok(bound) => {
                for bound in bound {
                    compiled.look_at(node, &bound);
                    all.push(bound);
                }
            }
            Err(error) => compiled
                .violations
                .extend(told(&error, &node.action().place)),
        }
    }
    compiled.scopes = check::required_scopes(parts, &all, manifest, intent, request_scopes);
    compiled
}

impl Compiled {
    fn look_at(&mut self, node: &Node, bound: &Bound) {
        let action = bound.action();
        let place = &node.action().place;
        let source = &node.action().source;
        let given = action.input.clone().unwrap_or_default();
        let found = judge(&action.action, &given);
        let input = input_place(source, place);
        self.violations.extend(at(found.violations, &input, None));
        if let Some(fallback) = &action.fallback {
            self.look_at_fallback(fallback, &given, place, &input);
        }
        self.nodes.push(CompiledNode {
            pointer: place.clone(),
            action: action.label.clone(),
            approval: matches!(bound, Bound::Approval { .. }),
            defaulted: found.missing,
            fallback: action
                .fallback
                .as_ref()
                .map(|fallback| fallback.label.clone()),
        });
    }

    /// A fallback gets an input of its own, or that of the action in whose place it runs.
    fn look_at_fallback(
        &mut self,
        fallback: &BoundAction,
        first: &Map<String, Value>,
        place: &str,
        input: &str,
    ) {
        let given = fallback.input.as_ref().unwrap_or(first);
        let violations = judge(&fallback.action, given).violations;
        // What its definition says of the input stands in the manifest, and was written without this node in mind.
        let input = if fallback.input.is_some() {
            place
        } else {
            input
        };
        let violations = match &fallback.input {
            Some(_) => violations
                .into_iter()
                .map(|mut violation| {
                    violation.pointer = String::new();
                    violation
                })
                .collect(),
            None => violations,
        };
        self.violations
            .extend(at(violations, input, Some(&fallback.label)));
    }
}

/// What can be said of an input that may hold templates.
#[derive(Debug, Default, PartialEq)]
struct Judged {
    violations: Vec<Violation>,
    missing: Vec<String>,
}

/// Judges what is written out of an input: all of it where there is no template and nothing to be filled in, and else the members
/// without a template, by what the schema says of each on its own.
fn judge(action: &Action, input: &Map<String, Value>) -> Judged {
    let required = action
        .input_schema
        .get("required")
        .and_then(Value::as_array);
    let required = required.into_iter().flatten().filter_map(Value::as_str);
    let missing: Vec<String> = required
        .filter(|name| !input.contains_key(*name))
        .map(str::to_owned)
        .collect();
    let literal: Map<String, Value> = input
        .iter()
        .filter(|(_, value)| Templates::parse(value).is_ok_and(|found| found.is_literal()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if missing.is_empty() && literal.len() == input.len() {
        return Judged {
            violations: action.input.violations(&Value::Object(literal)),
            missing,
        };
    }
    let memberwise = action.input_schema.as_object().map(|schema| {
        let kept = schema
            .iter()
            .filter(|(name, _)| MEMBERWISE.contains(&name.as_str()));
        let kept = kept.map(|(name, value)| (name.clone(), value.clone()));
        Value::Object(kept.collect())
    });
    // References to what was left out make it unusable; then nothing is said.
    let memberwise = memberwise.and_then(|schema| schema::compile(&schema).ok());
    let violations = memberwise.map(|schema| schema.violations(&Value::Object(literal)));
    Judged {
        violations: violations.unwrap_or_default(),
        missing,
    }
}

/// Violations of an input as they stand in the document.
fn at(violations: Vec<Violation>, place: &str, fallback: Option<&str>) -> Vec<Violation> {
    let placed = violations.into_iter().map(|mut violation| {
        violation.pointer.insert_str(0, place);
        if let Some(fallback) = fallback {
            let name: String = fallback.chars().take(128).collect();
            violation.message = format!("for the fallback `{name}`: {}", violation.message);
        }
        violation
    });
    placed.collect()
}

/// Where a node's input stands, whatever it is called there; the node where it has none.
fn input_place(node: &Value, place: &str) -> String {
    let root = Vocabulary::default();
    let (vocabulary, _) = root.within(node.get("@context"));
    let mut names = node.as_object().into_iter().flat_map(Map::keys);
    match names.find(|name| vocabulary.member(name) == "input") {
        Some(name) => push(place, name),
        None => place.to_owned(),
    }
}

/// The violations of a refusal; one at the node where it names no places.
fn told(error: &ErrorObject, place: &str) -> Vec<Violation> {
    let mut violations = error.violations();
    if violations.is_empty() {
        let whole = Violation::new(place, error.code.name(), error.message.clone());
        violations.push(whole);
    }
    for violation in &mut violations {
        // Of a fallback that the manifest names, no place in the document is known.
        if !violation.pointer.starts_with(place) {
            violation.pointer = place.to_owned();
        }
    }
    violations
}

/// Takes every plugin for one that is installed and accepts anything, where nobody says which there are.
#[derive(Debug, Clone, Copy)]
pub struct AnyPlugin;

impl Catalogue for AnyPlugin {
    fn get(&self, name: &str) -> Option<Arc<Action>> {
        let described = json!({
            "name": "plugins",
            "version": "1.0.0",
            "actions": [{"name": name, "type": "plugin", "input_schema": true, "output_schema": true}],
        });
        let manifest = manifest::load(&described).ok()?;
        manifest.action(name).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requirement::Profile;
    use crate::runtime::parts::Reference;
    use crate::workflow::request;

    /// Three actions: `book` with three required members, `say` for a fallback, `guarded` behind scopes and an approval.
    fn manifest() -> Manifest {
        let document = json!({"name": "m", "version": "1.0.0", "actions": [
            {"name": "book", "type": "plugin", "output_schema": true, "fallback_action": "say",
             "access_control": {"required_scopes": ["rooms:book"]},
             "input_schema": {
                "type": "object", "required": ["title", "minutes", "room"], "additionalProperties": false,
                "properties": {"title": {"$ref": "#/$defs/text"}, "minutes": {"type": "integer", "minimum": 1}, "room": true},
                "if": {"properties": {"title": {"const": "long"}}}, "then": {"properties": {"minutes": {"minimum": 60}}},
                "$defs": {"text": {"type": "string"}}}},
            {"name": "say", "type": "plugin", "output_schema": true, "input_schema": {"properties": {"room": {"type": "string"}}}},
            {"name": "guarded", "type": "plugin", "output_schema": true, "input_schema": true,
             "access_control": {"required_scopes": ["all:of", "it"], "verification": "approval"}},
        ], "intents": [{"name": "only_say", "actions": ["say"]}]});
        manifest::load(&document).unwrap_or_else(|found| panic!("{found:?}"))
    }

    fn compiled(nodes: Value, intent: Option<&str>) -> Compiled {
        let nodes = request::read_nodes(&Reference, &nodes, &Profile::ALL).expect("nodes");
        compile(&Reference, &nodes, &manifest(), intent, &[], &AnyPlugin)
    }

    fn node(name: &str, input: Value) -> Value {
        json!({"@type": "OpenAction:Action", "name": name, "input": input})
    }

    fn places(compiled: &Compiled) -> Vec<(&str, &str)> {
        let each = compiled.violations.iter();
        each.map(|found| (found.pointer.as_str(), found.rule.as_str()))
            .collect()
    }

    #[test]
    fn what_is_written_out_is_judged_and_the_rest_is_not() {
        let judged = |input: Value| {
            let compiled = compiled(json!([node("book", input)]), None);
            let places = places(&compiled).into_iter();
            places
                .map(|(pointer, rule)| format!("{pointer} {rule}"))
                .collect::<Vec<_>>()
        };
        let none: [String; 0] = [];
        assert_eq!(
            judged(json!({"title": "a", "minutes": 30, "room": "r"})),
            none
        );
        // All is there: all of the schema holds, conditions too.
        assert_eq!(
            judged(json!({"title": "long", "minutes": 30, "room": "r"})),
            ["/0/input/minutes minimum"]
        );
        // The title is not known yet, and so neither is what it asks for.
        assert_eq!(
            judged(json!({"title": "{{ state.t }}", "minutes": 30, "room": "r"})),
            none
        );
        assert_eq!(judged(json!({"title": "long", "minutes": 30})), none);
        // Whatever the others are, these are wrong.
        assert_eq!(judged(json!({"minutes": 0})), ["/0/input/minutes minimum"]);
        assert_eq!(
            judged(json!({"title": "{{ state.t }}", "minutes": "x", "more": 1})),
            ["/0/input/minutes type", "/0/input additionalProperties"]
        );
        // The fallback of the definition gets the same input.
        assert_eq!(
            judged(json!({"title": "a", "minutes": 30, "room": 7})),
            ["/0/input/room type"]
        );
    }

    #[test]
    fn scopes_approvals_and_what_the_state_must_bring_are_told() {
        let compiled = compiled(
            json!([
                node("book", json!({"minutes": 1})),
                node("guarded", json!({}))
            ]),
            None,
        );
        assert_eq!(places(&compiled), []);
        assert_eq!(
            Vec::from_iter(compiled.scopes),
            ["all:of", "it", "rooms:book"]
        );
        let book = &compiled.nodes[0];
        assert_eq!((book.pointer.as_str(), book.approval), ("/0", false));
        assert_eq!(book.defaulted, ["title", "room"]);
        assert_eq!(book.fallback.as_deref(), Some("say"));
        assert!(compiled.nodes[1].approval && compiled.nodes[1].fallback.is_none());
    }

    #[test]
    fn every_node_is_looked_at() {
        let nodes = json!([
            node("nowhere", json!({})),
            node("book", json!({"minutes": -1})),
            {"@type": "OpenAction:Action", "name": "say", "fallbackAction": "gone"},
            {"@type": "OpenAction:Action", "pluginReference": "any.plugin", "fallbackAction": node("say", json!({"room": 1}))},
        ]);
        assert_eq!(
            places(&compiled(nodes, None)),
            [
                ("/0/name", "undeclared_action"),
                ("/1/input/minutes", "minimum"),
                ("/2/fallbackAction/name", "undeclared_action"),
                ("/3", "type"),
            ]
        );
    }

    #[test]
    fn an_intent_narrows() {
        let nodes = json!([node("say", json!({})), node("guarded", json!({}))]);
        assert_eq!(
            places(&compiled(nodes.clone(), Some("only_say"))),
            [("/1/name", "undeclared_action")]
        );
        assert_eq!(
            places(&compiled(nodes, Some("none"))),
            [("", "intent_not_found")]
        );
    }

    #[test]
    fn names_of_the_document_are_kept_in_places() {
        let nodes = json!([{"@context": {"oa": "https://open-action.example/2.0/vocab#"}, "@type": "oa:Action",
            "oa:name": "book", "oa:input": {"minutes": 0}}]);
        assert_eq!(
            places(&compiled(nodes, None)),
            [("/0/oa:input/minutes", "minimum")]
        );
    }
}
