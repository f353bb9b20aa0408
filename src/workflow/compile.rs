//! Nodes held against a manifest without running them: what can be known before there is a state.
//!
//! A runtime makes the same checks when the nodes arrive ([`request`](super::request), [`check`]). Here they are
//! made for each node on its own, so that all that is wrong is told at once, and inputs are looked at as far as they are written
//! out. What templates, conditionals and `state.lastResult` will bring is judged as far as the state is known.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::bound::{Bound, BoundAction, Catalogue};
use super::check;
pub use super::foresee::Start;
use super::foresee::{Ahead, Foreseen, Places};
use super::node::Node;
use super::parts::WorkflowParts;
use super::written;
use crate::diagnostic::Violation;
use crate::expression::Templates;
use crate::json::push;
use crate::lint::near::nearest;
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
    /// What is likely to fail, or has no effect.
    pub warnings: Vec<Violation>,
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

/// Holds nodes against a manifest; `start` is the state that they begin with.
pub fn compile(
    parts: &dyn WorkflowParts,
    nodes: &[Node],
    manifest: &Manifest,
    intent: Option<&str>,
    request_scopes: &[String],
    plugins: &dyn Catalogue,
    start: Start<'_>,
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
    let mut ahead = Ahead::new(start);
    for node in nodes {
        match check::bind(parts, vec![node.clone()], manifest, intent, plugins) {
            Ok(bound) => {
                for bound in bound {
                    let foreseen = foresee(node, &bound, &ahead);
                    compiled.look_at(node, &bound, foreseen.runs);
                    compiled.take(foreseen);
                    ahead.pass(bound.action());
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
    /// Judges what is written out; what is wrong with a node that may not run at all is only likely to fail.
    fn look_at(&mut self, node: &Node, bound: &Bound, runs: bool) {
        let action = bound.action();
        let place = &node.action().place;
        let source = &node.action().source;
        let given = action.input.clone().unwrap_or_default();
        let found = judge(&action.action, &given);
        let input = member_place(source, place, "input");
        let list = match runs {
            true => &mut self.violations,
            false => &mut self.warnings,
        };
        list.extend(at(found.violations, &input, None));
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

    /// Takes what was foreseen of a node; nothing is told twice.
    fn take(&mut self, found: Foreseen) {
        let told = |known: &[Violation], one: &Violation| {
            known
                .iter()
                .any(|known| known.pointer == one.pointer && known.rule == one.rule)
        };
        for error in found.errors {
            if self.violations.len() < manifest::MAX_VIOLATIONS && !told(&self.violations, &error) {
                self.violations.push(error);
            }
        }
        for warning in found.warnings {
            let has_room = self.warnings.len() < manifest::MAX_VIOLATIONS;
            if has_room && !told(&self.violations, &warning) && !told(&self.warnings, &warning) {
                self.warnings.push(warning);
            }
        }
    }

    /// A fallback gets an input of its own, or that of the action in whose place it runs. It only runs when that fails.
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
        self.warnings
            .extend(at(violations, input, Some(&fallback.label)));
    }
}

/// What will become of a node, by what is known of the state.
fn foresee(node: &Node, bound: &Bound, ahead: &Ahead<'_>) -> Foreseen {
    let action = node.action();
    let place = |name: &str| member_place(&action.source, &action.place, name);
    let (input, conditional) = (place("input"), place("conditional"));
    let question = match (node, bound) {
        (Node::Approval(approval), Bound::Approval { prompt, .. }) => Some((
            member_place(&approval.source, &approval.place, "prompt"),
            prompt,
        )),
        _ => None,
    };
    ahead.look(
        bound.action(),
        &Places {
            node: &action.place,
            input: &input,
            conditional: action.conditional.as_ref().map(|_| conditional.as_str()),
            prompt: question
                .as_ref()
                .map(|(place, prompt)| (place.as_str(), *prompt)),
        },
    )
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
    let memberwise = action.input_schema.as_object().filter(|schema| {
        // In the older drafts nothing holds beside a reference.
        let draft = schema.get("$schema").and_then(Value::as_str);
        !(schema.contains_key("$ref") && draft.is_some_and(|draft| draft.contains("draft-0")))
    });
    let memberwise = memberwise.map(|schema| {
        let kept = schema
            .iter()
            .filter(|(name, _)| MEMBERWISE.contains(&name.as_str()));
        let kept = kept.map(|(name, value)| (name.clone(), value.clone()));
        Value::Object(kept.collect())
    });
    // References to what was left out make it unusable; then nothing is said.
    let memberwise = memberwise.and_then(|schema| schema::compile(&schema).ok());
    let violations = memberwise.map(|schema| schema.violations(&Value::Object(literal)));
    let mut violations = violations.unwrap_or_default();
    for violation in written::members(&action.input_schema, input) {
        let mut known = violations.iter();
        // Of a name that may not be there the keyword is told at the object.
        let around = violation
            .pointer
            .rsplit_once('/')
            .map_or("", |(around, _)| around);
        let is_told = known.any(|known| {
            known.rule == violation.rule
                && (known.pointer == violation.pointer
                    || known.rule == "additionalProperties" && known.pointer == around)
        });
        if !is_told {
            violations.push(violation);
        }
    }
    Judged {
        violations,
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

/// Where a member of a node stands, whatever it is called there; the node where it has none.
fn member_place(node: &Value, place: &str, member: &str) -> String {
    let root = Vocabulary::default();
    let (vocabulary, _) = root.within(node.get("@context"));
    let mut names = node.as_object().into_iter().flat_map(Map::keys);
    match names.find(|name| vocabulary.member(name) == member) {
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

/// Members of nodes that look like keywords of JSON-LD and are none, and members of `accessControl` that have no meaning.
pub fn unknown_members(document: &Value) -> Vec<Violation> {
    let nodes = document.get("open_action").unwrap_or(document);
    let place = match document.get("open_action") {
        Some(_) => "/open_action",
        None => "",
    };
    let mut found = Vec::new();
    match nodes {
        Value::Array(nodes) => {
            for (index, node) in nodes.iter().enumerate() {
                unknown_in(node, &push(place, &index.to_string()), &mut found);
            }
        }
        node => unknown_in(node, place, &mut found),
    }
    found
}

/// As deep as the document.
fn unknown_in(node: &Value, place: &str, found: &mut Vec<Violation>) {
    const KEYWORDS: [&str; 3] = ["@type", "@context", "@id"];
    const OF_ACCESS: [&str; 3] = ["requiredScopes", "rateLimit", "verification"];
    let told = |name: &str, known: &[&str]| match nearest(name, known.iter().copied()) {
        Some(meant) => format!("`{name}` has no effect; did you mean `{meant}`?"),
        None => format!("`{name}` has no effect; leave it out"),
    };
    for (name, value) in node.as_object().into_iter().flatten() {
        let below = push(place, name);
        match (name.as_str(), value) {
            ("accessControl", Value::Object(access)) => {
                let names = access.keys().map(String::as_str);
                let known = |name: &&str| {
                    OF_ACCESS.contains(name)
                        || name.starts_with("x-")
                        || name.starts_with('@')
                        || name.contains(':')
                };
                for name in names.filter(|name| !known(name)) {
                    let message = told(name, &OF_ACCESS);
                    found.push(Violation::new(
                        push(&below, name),
                        "unknown_member",
                        message,
                    ));
                }
            }
            ("action" | "fallbackAction", inner) => unknown_in(inner, &below, found),
            (name, _) if name.starts_with('@') && !KEYWORDS.contains(&name) => {
                let message = told(name, &KEYWORDS);
                found.push(Violation::new(below, "unknown_member", message));
            }
            _ => {}
        }
    }
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
        let start = Start::Unknown;
        compile(
            &Reference,
            &nodes,
            &manifest(),
            intent,
            &[],
            &AnyPlugin,
            start,
        )
    }

    fn node(name: &str, input: Value) -> Value {
        json!({"@type": "OpenAction:Action", "name": name, "input": input})
    }

    fn places(compiled: &Compiled) -> Vec<(&str, &str)> {
        let each = compiled.violations.iter();
        each.map(|found| (found.pointer.as_str(), found.rule.as_str()))
            .collect()
    }

    fn warned(compiled: &Compiled) -> Vec<(&str, &str)> {
        let each = compiled.warnings.iter();
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
        // The fallback of the definition gets the same input, when it is needed at all.
        let nodes = json!([node(
            "book",
            json!({"title": "a", "minutes": 30, "room": 7})
        )]);
        let compiled = compiled(nodes, None);
        assert_eq!(places(&compiled), []);
        assert_eq!(warned(&compiled), [("/0/input/room", "type")]);
    }

    #[test]
    fn what_may_not_run_is_no_error() {
        let guarded = |conditional: &str, input: Value| {
            let mut node = node("book", input);
            node["conditional"] = json!(conditional);
            json!([node])
        };
        let whole = json!({"title": 1, "minutes": 1, "room": "r"});
        let partly = json!({"title": "{{ state.t }}", "minutes": 0, "room": "r"});
        for (input, place, rule) in [
            (whole, "/0/input/title", "type"),
            (partly, "/0/input/minutes", "minimum"),
        ] {
            for conditional in ["false", "state.on", "1 > 2"] {
                let compiled = compiled(guarded(conditional, input.clone()), None);
                assert_eq!(places(&compiled), [], "{conditional}");
                assert_eq!(warned(&compiled), [(place, rule)], "{conditional}");
            }
            let compiled = compiled(guarded("1 < 2", input), None);
            assert_eq!(places(&compiled), [(place, rule)]);
        }
        let old = json!({"name": "m", "version": "1.0.0", "actions": [{"name": "a", "type": "plugin", "output_schema": true,
            "input_schema": {"$schema": "http://json-schema.org/draft-07/schema#", "$ref": "#/definitions/all",
                "properties": {"n": {"type": "integer"}}, "definitions": {"all": {}}}}]});
        let old = manifest::load(&old).unwrap_or_else(|found| panic!("{found:?}"));
        let input = Map::from_iter([
            ("n".to_owned(), json!("x")),
            ("t".to_owned(), json!("{{ state.t }}")),
        ]);
        let action = old.action("a").expect("an action");
        assert_eq!(judge(action, &input), Judged::default());
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
        let compiled = compiled(nodes, None);
        assert_eq!(warned(&compiled), [("/3", "type")]);
        assert_eq!(
            places(&compiled),
            [
                ("/0/name", "undeclared_action"),
                ("/1/input/minutes", "minimum"),
                ("/2/fallbackAction/name", "undeclared_action"),
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

    /// Two actions of which the second needs what the first may give: `find` with `slots` and nothing else, `open` that does
    /// not say what it gives.
    fn foreseen(state: Option<Value>, nodes: Value) -> (Vec<String>, Vec<String>) {
        let document = json!({"name": "m", "version": "1.0.0", "actions": [
            {"name": "find", "type": "plugin", "input_schema": true, "output_schema":
                {"type": "object", "additionalProperties": false, "properties": {"slots": {"type": "array"}}}},
            {"name": "vague", "type": "plugin", "input_schema": true, "output_schema":
                {"type": "object", "properties": {"room": true}}},
            {"name": "open", "type": "plugin", "input_schema": true, "output_schema": true},
            {"name": "book", "type": "plugin", "output_schema": true, "input_schema":
                {"type": "object", "required": ["title"], "properties": {"title": {"type": "string"}, "n": {"type": "integer"}}}},
        ]});
        let manifest = manifest::load(&document).unwrap_or_else(|found| panic!("{found:?}"));
        let nodes = request::read_nodes(&Reference, &nodes, &Profile::ALL).expect("nodes");
        let start = match &state {
            Some(state) => Start::Given(state),
            None => Start::Unknown,
        };
        let compiled = compile(&Reference, &nodes, &manifest, None, &[], &AnyPlugin, start);
        let told = |found: &[Violation]| {
            let each = found.iter();
            each.map(|found| format!("{} {}", found.pointer, found.rule))
                .collect()
        };
        (told(&compiled.violations), told(&compiled.warnings))
    }

    #[test]
    fn what_nothing_can_provide_is_foreseen() {
        let empty = || Some(json!({}));
        let book = |title: &str| node("book", json!({"title": title}));
        let none: Vec<String> = Vec::new();
        for (state, nodes, errors, warnings) in [
            (
                empty(),
                json!([book("{{ state.user }}")]),
                vec!["/0/input/title template_error"],
                vec![],
            ),
            (None, json!([book("{{ state.user }}")]), vec![], vec![]),
            (
                Some(json!({"user": "a"})),
                json!([book("{{ state.user }}")]),
                vec![],
                vec![],
            ),
            (
                Some(json!({"user": 1})),
                json!([book("{{ state.user }}")]),
                vec!["/0/input/title type"],
                vec![],
            ),
            (
                empty(),
                json!([book("{{ state.user | default('a') }}")]),
                vec![],
                vec![],
            ),
            (
                empty(),
                json!([book("{{ input.nope }}")]),
                vec!["/0/input/title template_error"],
                vec![],
            ),
            // A required member that nobody gives.
            (
                empty(),
                json!([node("book", json!({}))]),
                vec!["/0/input required"],
                vec![],
            ),
            (
                Some(json!({"lastResult": {"title": "a"}})),
                json!([node("book", json!({}))]),
                vec![],
                vec![],
            ),
            (
                empty(),
                json!([node("find", json!({})), node("book", json!({}))]),
                vec!["/1/input required"],
                vec![],
            ),
            (
                empty(),
                json!([node("open", json!({})), node("book", json!({}))]),
                vec![],
                vec![],
            ),
            (
                empty(),
                json!([node("vague", json!({})), node("book", json!({}))]),
                vec![],
                vec!["/1/input required"],
            ),
            // What earlier outputs can have, and what they cannot.
            (
                empty(),
                json!([
                    node("find", json!({})),
                    book("{{ state.lastResult.slots[0] }}")
                ]),
                vec![],
                vec![],
            ),
            (
                empty(),
                json!([
                    node("find", json!({})),
                    book("{{ state.lastResult.slot[0] }}")
                ]),
                vec!["/1/input/title template_error"],
                vec![],
            ),
            (
                empty(),
                json!([
                    node("vague", json!({})),
                    book("{{ state.lastResult.slot }}")
                ]),
                vec![],
                vec!["/1/input/title template_error"],
            ),
            (
                empty(),
                json!([
                    node("find", json!({})),
                    book("{{ state.results.fnd.slots }}")
                ]),
                vec!["/1/input/title template_error"],
                vec![],
            ),
            (
                empty(),
                json!([
                    node("find", json!({})),
                    book("{{ state.results.find.slots }}")
                ]),
                vec![],
                vec![],
            ),
        ] {
            let told = foreseen(state.clone(), nodes.clone());
            let wanted = (errors, warnings);
            let told = (
                Vec::from_iter(told.0.iter().map(String::as_str)),
                Vec::from_iter(told.1.iter().map(String::as_str)),
            );
            assert_eq!(told, wanted, "{state:?} {nodes}");
        }
        assert_eq!(
            foreseen(None, json!([node("book", json!({}))])),
            (none.clone(), none)
        );
    }

    #[test]
    fn a_plan_of_any_size_is_looked_at_in_bounds() {
        let many = |text: &str| {
            json!([
                node("vague", json!({})),
                node("open", json!({"a": vec![text; 10_000]}))
            ])
        };
        let state = || Some(json!({"list": vec![1; 20_000]}));
        for text in [
            "{{ state.no }}",
            "{{ state.lastResult.no }}",
            "{{ state.list | join }}",
            "{{ 1 / 0 }}",
        ] {
            let began = std::time::Instant::now();
            let (errors, warnings) = foreseen(state(), many(text));
            assert!(errors.len() <= 100 && warnings.len() <= 100, "{text}");
            assert!(began.elapsed().as_secs() < 60, "{text}");
        }
    }

    #[test]
    fn what_the_rules_of_expressions_refuse_is_foreseen() {
        let guarded = |conditional: &str| json!([{"@type": "OpenAction:Action", "name": "open", "conditional": conditional}]);
        for (nodes, error, warning) in [
            (guarded("1 < 'a'"), "/0/conditional conditional_error", ""),
            (
                guarded("1 < 'a' or state.x"),
                "/0/conditional conditional_error",
                "",
            ),
            (
                guarded("state.x and 1 < 'a'"),
                "",
                "/0/conditional conditional_error",
            ),
            (guarded("state.x and 1 < 2"), "", ""),
            (
                guarded("(state.x + (1 / 0)) > 1"),
                "/0/conditional conditional_error",
                "",
            ),
            (
                json!([node("open", json!({"a": "{{ 'a' - 1 }}"}))]),
                "/0/input/a template_error",
                "",
            ),
            (
                json!([{"@type": "OpenAction:HumanApproval", "prompt": "{{ input.a }} {{ 1 / 0 }}",
                    "action": node("open", json!({"a": 1}))}]),
                "/0/prompt template_error",
                "",
            ),
            // Whether it runs at all is not known.
            (
                json!([{"@type": "OpenAction:Action", "name": "open", "conditional": "state.x", "input": {"a": "{{ 1 < 'a' }}"}}]),
                "",
                "/0/input/a template_error",
            ),
        ] {
            let (errors, warnings) = foreseen(None, nodes.clone());
            assert_eq!(
                (errors.join(" "), warnings.join(" ")),
                (error.to_owned(), warning.to_owned()),
                "{nodes}"
            );
        }
        // Nothing runs, and nothing fails.
        let state = || Some(json!({"on": false}));
        let never = json!([{"@type": "OpenAction:Action", "name": "open", "conditional": "state.on", "input": {"a": "{{ 1 < 'a' }}"}}]);
        assert_eq!(foreseen(state(), never), (vec![], vec![]));
        let nowhere = guarded("state.of");
        assert_eq!(
            foreseen(state(), nowhere),
            (vec![], vec!["/0/conditional never_true".to_owned()])
        );
    }
}
