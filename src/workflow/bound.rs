//! Nodes bound to what the manifest and the plugins declare: all that a run needs, and nothing to look up any more.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::node::Condition;
use crate::expression::{Template, Templates};
use crate::manifest::{Action, RateLimit};

/// The plugins that are known (`spec/workflows.md`, section 13).
pub trait Catalogue: Send + Sync {
    /// The plugin of this name: its descriptor as an action of [`Kind::Plugin`](crate::manifest::Kind::Plugin).
    fn get(&self, name: &str) -> Option<Arc<Action>>;
}

/// One node, ready to run.
#[derive(Debug, Clone)]
pub enum Bound {
    /// Runs when it is reached.
    Action(Box<BoundAction>),
    /// Asks a person when it is reached.
    Approval {
        /// The question; a default one where `verification` asks for it.
        prompt: Template,
        /// The question as it was written.
        prompt_text: String,
        /// What runs when it is approved.
        action: Box<BoundAction>,
        /// The node as it came.
        source: Value,
    },
}

impl Bound {
    /// The action, whether or not a person is asked about it.
    pub fn action(&self) -> &BoundAction {
        match self {
            Bound::Action(action) | Bound::Approval { action, .. } => action,
        }
    }

    /// The node as it came.
    pub fn source(&self) -> &Value {
        match self {
            Bound::Action(action) => &action.source,
            Bound::Approval { source, .. } => source,
        }
    }
}

/// One action of a node with all that holds for it.
#[derive(Debug, Clone)]
pub struct BoundAction {
    /// The definition, or the plugin's descriptor.
    pub action: Arc<Action>,
    /// What it is called in results, state and history (3.4).
    pub label: String,
    /// The input before templates; absent in a fallback: the first action's resolved input.
    pub input: Option<Map<String, Value>>,
    /// The templates of the input.
    pub templates: Templates,
    /// The definition's conditional, then the node's; all must hold (3.7).
    pub conditions: Vec<Condition>,
    /// What runs in its place when it fails (3.8); a fallback has none.
    pub fallback: Option<Box<BoundAction>>,
    /// The rate of the definition, or of the plugin.
    pub rate: Option<RateLimit>,
    /// The other's, where a definition is bound to a plugin and both have one: both hold (section 13).
    pub other_rate: Option<RateLimit>,
    /// The node's own rate, which holds besides the definition's (access.md 4.8).
    pub node_rate: Option<RateLimit>,
    /// Whether every call goes through a person (access.md 5).
    pub approval: bool,
    /// Scopes of the definition, the plugin and the node (access.md 3.5).
    pub scopes: Vec<String>,
    /// The key that makes the node idempotent.
    pub request_id: Option<String>,
    /// The node as it came; the name for a fallback that is only named.
    pub source: Value,
}
