//! Binding nodes to definitions and plugins, and the scopes that a request needs: checks 4 and 5 of `spec/workflows.md`,
//! section 6, for a client's nodes as for a model's.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use serde_json::Value;

use super::bound::{Bound, BoundAction, Catalogue};
use super::node::{ActionNode, Condition, Node, NodeAccess, NodeFallback};
use super::parts::WorkflowParts;
use crate::diagnostic::Violation;
use crate::expression::{Expression, Templates};
use crate::json;
use crate::manifest::{
    AccessControl, Action, Fallback, FallbackNode, Intent, Kind, Manifest, RateLimit, Verification,
};
use crate::runtime::error::{Code, ErrorObject};

/// Whose scopes are demanded (access.md, section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Demand {
    /// An action of its own right, with what its node adds.
    Action,
    /// An action that may run in another's place.
    Fallback,
    /// An action wrapped in an approval.
    Wrapped,
    /// The named intent.
    Intent,
    /// The request itself.
    Request,
}

/// Binds all nodes, fallbacks and wrapped actions included.
///
/// # Errors
/// The first of `intent_not_found`, and for each node in order `undeclared_action`, `plugin_not_found` and
/// `invalid_request` (3.5, 3.6, access.md 5.5).
pub fn bind(
    parts: &dyn WorkflowParts,
    nodes: Vec<Node>,
    manifest: &Manifest,
    intent: Option<&str>,
    plugins: &dyn Catalogue,
) -> Result<Vec<Bound>, ErrorObject> {
    let intent = match intent {
        Some(name) => parts.find_intent(manifest, name)?,
        None => None,
    };
    let binder = Binder {
        parts,
        manifest,
        intent,
        plugins,
    };
    nodes.iter().map(|node| binder.node(node)).collect()
}

/// What a definition's own `fallback_action` is, for a session; none where there is none, or it is not there any more.
///
/// Neither intents nor flags are looked at; sessions have their own.
pub fn bind_fallback(
    parts: &dyn WorkflowParts,
    action: &Action,
    manifest: &Manifest,
    plugins: &dyn Catalogue,
) -> Option<BoundAction> {
    let binder = Binder {
        parts,
        manifest,
        intent: None,
        plugins,
    };
    let fallback = Use::declared_fallback(action.fallback_action.as_ref()?);
    binder.used(&fallback, Permit::All).ok()
}

/// Every scope that a request needs (access.md 3.3 to 3.6).
pub fn required_scopes(
    parts: &dyn WorkflowParts,
    bound: &[Bound],
    manifest: &Manifest,
    intent: Option<&str>,
    request_scopes: &[String],
) -> BTreeSet<String> {
    let mut needed = BTreeSet::new();
    let mut demand = |demand, scopes: &[String]| {
        if parts.demands(demand) {
            needed.extend(scopes.iter().cloned());
        }
    };
    for node in bound {
        let action = node.action();
        let own = match node {
            Bound::Action(_) => Demand::Action,
            Bound::Approval { .. } => Demand::Wrapped,
        };
        demand(own, &action.scopes);
        if let Some(fallback) = &action.fallback {
            demand(Demand::Fallback, &fallback.scopes);
        }
    }
    let intent = intent.and_then(|name| manifest.intent(name));
    if let Some(access) = intent.and_then(|intent| intent.access_control.as_ref()) {
        demand(Demand::Intent, &access.required_scopes);
    }
    demand(Demand::Request, request_scopes);
    needed
}

/// What one use of an action says, whether a request's node says it or a definition's fallback.
struct Use<'a> {
    name: Option<&'a str>,
    reference: Option<&'a str>,
    input: Option<&'a serde_json::Map<String, Value>>,
    templates: Option<&'a Templates>,
    condition: Option<Condition>,
    access: NodeAccess,
    request_id: Option<&'a str>,
    /// Pointer into the request; empty for what a manifest says.
    place: &'a str,
    source: Value,
}

impl<'a> Use<'a> {
    fn node(node: &'a ActionNode) -> Self {
        Self {
            name: node.name.as_deref(),
            reference: node.plugin_reference.as_deref(),
            input: node.input.as_ref(),
            templates: Some(&node.templates),
            condition: node.conditional.clone(),
            access: node.access.clone(),
            request_id: node.request_id.as_deref(),
            place: &node.place,
            source: node.source.clone(),
        }
    }

    fn named(name: &'a str, place: &'a str) -> Self {
        Self {
            name: Some(name),
            reference: None,
            input: None,
            templates: None,
            condition: None,
            access: NodeAccess::default(),
            request_id: None,
            place,
            source: Value::from(name),
        }
    }

    fn declared_fallback(fallback: &'a Fallback) -> Self {
        match fallback {
            Fallback::Action(name) => Self::named(name, ""),
            Fallback::Node(node) => Self::declared_node(node),
        }
    }

    fn declared_node(node: &'a FallbackNode) -> Self {
        let access = node.access_control.as_ref();
        Self {
            name: node.name.as_deref(),
            reference: node.plugin_reference.as_deref(),
            input: node.input.as_ref(),
            templates: Some(&node.templates),
            condition: node.conditional.as_ref().map(Condition::from),
            access: access.map(NodeAccess::from).unwrap_or_default(),
            request_id: node.request_id.as_deref(),
            place: "",
            source: node.source.clone(),
        }
    }
}

/// Which of the manifest's actions may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Permit {
    /// Those that the intent lists and that need no flag.
    Request,
    /// All of them.
    All,
}

struct Binder<'a> {
    parts: &'a dyn WorkflowParts,
    manifest: &'a Manifest,
    intent: Option<&'a Intent>,
    plugins: &'a dyn Catalogue,
}

impl Binder<'_> {
    fn node(&self, node: &Node) -> Result<Bound, ErrorObject> {
        let action = Box::new(self.action(node.action())?);
        let (prompt, prompt_text) = match node {
            Node::Approval(approval) => (approval.prompt.clone(), approval.prompt_text.clone()),
            Node::Action(_) if action.approval => {
                let text = self.parts.approval_prompt(&action.label);
                let prompt = self.parts.parse_prompt(&text).map_err(|_| {
                    ErrorObject::new(Code::InternalError, "the question cannot be made")
                })?;
                (prompt, text)
            }
            Node::Action(_) => return Ok(Bound::Action(action)),
        };
        Ok(Bound::Approval {
            prompt,
            prompt_text,
            action,
            source: node.source().clone(),
        })
    }

    fn action(&self, node: &ActionNode) -> Result<BoundAction, ErrorObject> {
        let mut bound = self.used(&Use::node(node), Permit::Request)?;
        let declared = self
            .definition_of(&bound, node)
            .and_then(|definition| definition.fallback_action.as_ref());
        let place = json::push(&node.place, "fallbackAction");
        let fallback = match (&node.fallback, declared) {
            (Some(fallback), declared) if self.parts.prefers_nodes_fallback(declared.is_some()) => {
                Some(match fallback {
                    NodeFallback::Named(name) => Use::named(name, &place),
                    NodeFallback::Node(node) => Use::node(node),
                })
            }
            (_, declared) => declared.map(|declared| Use {
                place: &node.place,
                ..Use::declared_fallback(declared)
            }),
        };
        if let Some(fallback) = fallback {
            let bound_fallback = self.used(&fallback, Permit::Request)?;
            self.parts
                .check_fallback(&bound_fallback)
                .map_err(|error| placed(error, fallback.place, "fallback_needs_approval"))?;
            bound.fallback = Some(Box::new(bound_fallback));
        }
        Ok(bound)
    }

    /// The definition that a node is about, which for a plugin is one of the same name.
    fn definition_of(&self, bound: &BoundAction, node: &ActionNode) -> Option<&Arc<Action>> {
        match node.plugin_reference {
            None => self.manifest.action(&bound.action.name),
            Some(_) => self.manifest.action(node.name.as_deref()?),
        }
    }

    /// Binds one use of an action, but for its fallback.
    fn used(&self, used: &Use<'_>, permit: Permit) -> Result<BoundAction, ErrorObject> {
        let (action, definition) = self.find(used, permit)?;
        let plugin = match (&action.kind, used.reference) {
            (Kind::Plugin(_), None) => Some(self.plugin_of(&action, used)?),
            _ => None,
        };
        // Whatever declares it: what one of them guards, the other does not open.
        let guards = [Some(&action), definition.as_ref(), plugin.as_ref()];
        let guards: Vec<&AccessControl> = guards
            .into_iter()
            .flatten()
            .filter_map(|action| action.access_control.as_ref())
            .collect();
        let declared: Vec<String> = guards
            .iter()
            .flat_map(|guard| guard.required_scopes.iter().cloned())
            .collect();
        let verification = guards
            .iter()
            .any(|guard| guard.verification == Verification::Approval);
        let mut rates = guards.iter().filter_map(|guard| guard.rate_limit);
        let (rate, other_rate): (Option<RateLimit>, Option<RateLimit>) =
            (rates.next(), rates.next());
        let conditional = [Some(&action), definition.as_ref()]
            .into_iter()
            .flatten()
            .find_map(|action| action.conditional.as_ref());
        let label = self.parts.label(used.name, used.reference);
        let templates = match used.templates {
            Some(templates) => templates.clone(),
            None => no_templates(self.parts)?,
        };
        Ok(BoundAction {
            label,
            input: used.input.cloned(),
            templates,
            conditions: conditional
                .map(|expression: &Expression| Condition::from(expression))
                .into_iter()
                .chain(used.condition.clone())
                .collect(),
            fallback: None,
            rate,
            other_rate,
            node_rate: used.access.rate_limit,
            approval: self
                .parts
                .needs_approval(verification, used.access.verification),
            scopes: self
                .parts
                .action_scopes(&declared, &used.access.required_scopes),
            request_id: used.request_id.map(str::to_owned),
            source: used.source.clone(),
            action,
        })
    }

    /// What runs, and beside a plugin the definition that has its name.
    fn find(
        &self,
        used: &Use<'_>,
        permit: Permit,
    ) -> Result<(Arc<Action>, Option<Arc<Action>>), ErrorObject> {
        let intent = self.intent.filter(|_| permit == Permit::Request);
        let Some(reference) = used.reference else {
            let name = used.name.unwrap_or_default();
            let action = self.parts.find_definition(self.manifest, intent, name);
            let action =
                action.filter(|action| permit == Permit::All || self.parts.flag_allows(action));
            let action = action.ok_or_else(|| undeclared(name, used.place, "name"))?;
            self.parts
                .check_usable(&action)
                .map_err(|error| placed(error, used.place, "question"))?;
            return Ok((action, None));
        };
        let definition = used
            .name
            .and_then(|name| self.manifest.action(name))
            .cloned();
        if let Some(definition) = &definition {
            self.parts
                .check_both_names(definition, reference)
                .map_err(|error| placed(error, used.place, "other_action"))?;
        }
        let plugin = self
            .parts
            .find_plugin(self.plugins, reference)
            .ok_or_else(|| unknown_plugin(reference, used.place))?;
        if !self.parts.intent_allows_plugin(intent, reference) {
            return Err(undeclared(reference, used.place, "pluginReference"));
        }
        Ok((plugin, definition))
    }

    /// The plugin that a definition is bound to.
    fn plugin_of(&self, action: &Action, used: &Use<'_>) -> Result<Arc<Action>, ErrorObject> {
        let name = self.parts.plugin_name(action);
        self.parts
            .find_plugin(self.plugins, name)
            .ok_or_else(|| unknown_plugin(name, used.place))
    }
}

/// The templates of an input that is not there.
fn no_templates(parts: &dyn WorkflowParts) -> Result<Templates, ErrorObject> {
    parts
        .parse_templates(&Value::Null)
        .map_err(|_| ErrorObject::new(Code::InternalError, "an empty input cannot be read"))
}

fn undeclared(name: &str, place: &str, member: &str) -> ErrorObject {
    let message = "not an action of this manifest, or not of the intent";
    ErrorObject::new(
        Code::UndeclaredAction,
        format!(
            "there is no action `{}` to use; name a declared one",
            shown(name)
        ),
    )
    .with_violations(&[Violation::new(
        json::push(place, member),
        Code::UndeclaredAction.name(),
        message,
    )])
}

fn unknown_plugin(name: &str, place: &str) -> ErrorObject {
    ErrorObject::new(
        Code::PluginNotFound,
        format!(
            "there is no plugin `{}`; name an installed one",
            shown(name)
        ),
    )
    .with_violations(&[Violation::new(
        json::push(place, "pluginReference"),
        Code::PluginNotFound.name(),
        "not an installed plugin",
    )])
}

fn placed(error: ErrorObject, place: &str, rule: &str) -> ErrorObject {
    let violation = Violation::new(place, rule, error.message.clone());
    error.with_violations(&[violation])
}

/// A stranger's name may be long.
fn shown(name: &str) -> String {
    name.chars().take(128).collect()
}

// --- the decisions, as the specification has them ---

/// The action of exactly this name, if the intent lists it (6.4).
pub fn find_definition(
    manifest: &Manifest,
    intent: Option<&Intent>,
    name: &str,
) -> Option<Arc<Action>> {
    let listed = intent.is_none_or(|intent| intent.actions.iter().any(|listed| listed == name));
    manifest.action(name).filter(|_| listed).cloned()
}

/// The intent of this name (6.5).
///
/// # Errors
/// `intent_not_found`.
pub fn find_intent<'m>(
    manifest: &'m Manifest,
    name: &str,
) -> Result<Option<&'m Intent>, ErrorObject> {
    match manifest.intent(name) {
        Some(intent) => Ok(Some(intent)),
        None => Err(ErrorObject::new(
            Code::IntentNotFound,
            "the manifest declares no such intent",
        )),
    }
}

/// The name of the plugin that a definition is bound to: its own, unless it refers to another (13.6).
pub fn plugin_name(action: &Action) -> &str {
    match &action.kind {
        Kind::Plugin(plugin) => plugin.reference.as_deref().unwrap_or(&action.name),
        _ => &action.name,
    }
}

/// Whether a definition that stands beside a `pluginReference` is that very plugin (3.5).
///
/// # Errors
/// `invalid_request`.
pub fn check_both_names(definition: &Action, reference: &str) -> Result<(), ErrorObject> {
    if matches!(definition.kind, Kind::Plugin(_)) && plugin_name(definition) == reference {
        return Ok(());
    }
    let message = "this name is that of another action; choose another label for the plugin";
    Err(ErrorObject::new(Code::InvalidRequest, message))
}

/// Whether a definition can be a node: one that asks a person cannot (3.6).
///
/// # Errors
/// `invalid_request`.
pub fn check_usable(action: &Action) -> Result<(), ErrorObject> {
    if !matches!(action.kind, Kind::HumanIntervention { .. }) {
        return Ok(());
    }
    let message = "this action asks a person; in a workflow use OpenAction:HumanApproval";
    Err(ErrorObject::new(Code::InvalidRequest, message))
}

/// Whether a fallback can run without anybody being asked (access.md 5.5).
///
/// # Errors
/// `invalid_request`.
pub fn check_fallback(fallback: &BoundAction) -> Result<(), ErrorObject> {
    if !fallback.approval {
        return Ok(());
    }
    let message = "a fallback runs without approval; name one that needs none";
    Err(ErrorObject::new(Code::InvalidRequest, message))
}

/// The scopes of definition and node, each once (access.md 3.5).
pub fn action_scopes(declared: &[String], node: &[String]) -> Vec<String> {
    let mut known = HashSet::new();
    let both = declared.iter().chain(node);
    both.filter(|scope| known.insert(*scope)).cloned().collect()
}
