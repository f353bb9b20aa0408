//! Nodes: one use of an action in a request, or a question around one (`spec/workflows.md`, sections 2, 3 and 12).

use serde_json::{Map, Value};

use crate::expression::{Expression, Template, Templates};
use crate::manifest::{AccessControl, RateLimit, Verification};

/// What `@type` makes of an object (2.1, 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeType {
    /// `OpenAction:Action`.
    Action,
    /// `OpenAction:HumanApproval`.
    Approval,
}

impl NodeType {
    /// The abbreviated name.
    pub fn name(self) -> &'static str {
        match self {
            NodeType::Action => "OpenAction:Action",
            NodeType::Approval => "OpenAction:HumanApproval",
        }
    }
}

/// A conditional, as it was written and as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The text.
    pub text: String,
    /// What it says.
    pub expression: Expression,
}

impl From<&Expression> for Condition {
    /// The conditional of a definition, which registration has parsed.
    fn from(expression: &Expression) -> Self {
        Self {
            text: expression.text().to_owned(),
            expression: expression.clone(),
        }
    }
}

/// One node.
#[derive(Debug, Clone)]
pub enum Node {
    /// An action.
    Action(Box<ActionNode>),
    /// A question to a person, with the action that it is about.
    Approval(Box<ApprovalNode>),
}

impl Node {
    /// The action, whether or not a person is asked about it.
    pub fn action(&self) -> &ActionNode {
        match self {
            Node::Action(action) => action,
            Node::Approval(approval) => &approval.action,
        }
    }

    /// The node as it came.
    pub fn source(&self) -> &Value {
        match self {
            Node::Action(action) => &action.source,
            Node::Approval(approval) => &approval.source,
        }
    }
}

/// An action node.
#[derive(Debug, Clone)]
pub struct ActionNode {
    /// The definition's name, or with `plugin_reference` a label.
    pub name: Option<String>,
    /// The plugin's dotted name.
    pub plugin_reference: Option<String>,
    /// The input before templates; absent is not the same as `{}` in a fallback.
    pub input: Option<Map<String, Value>>,
    /// The templates of the input.
    pub templates: Templates,
    /// The node's own conditional.
    pub conditional: Option<Condition>,
    /// What runs in its place when it fails.
    pub fallback: Option<NodeFallback>,
    /// What the node adds to the definition's access control.
    pub access: NodeAccess,
    /// The key that makes the node idempotent.
    pub request_id: Option<String>,
    /// Pointer to the node in the request.
    pub place: String,
    /// The node as it came.
    pub source: Value,
}

/// `accessControl` of a node.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NodeAccess {
    /// Further scopes, each once.
    pub required_scopes: Vec<String>,
    /// A lower rate.
    pub rate_limit: Option<RateLimit>,
    /// Whether a person decides; absent leaves it to the definition.
    pub verification: Option<Verification>,
}

impl From<&AccessControl> for NodeAccess {
    fn from(access: &AccessControl) -> Self {
        Self {
            required_scopes: access.required_scopes.clone(),
            rate_limit: access.rate_limit,
            verification: Some(access.verification),
        }
    }
}

/// `fallbackAction` of a node.
#[derive(Debug, Clone)]
pub enum NodeFallback {
    /// A definition's name.
    Named(String),
    /// A node of its own.
    Node(Box<ActionNode>),
}

/// A human approval.
#[derive(Debug, Clone)]
pub struct ApprovalNode {
    /// The question, parsed.
    pub prompt: Template,
    /// The question as written.
    pub prompt_text: String,
    /// What runs when it is approved.
    pub action: ActionNode,
    /// Pointer to the node in the request.
    pub place: String,
    /// The node as it came.
    pub source: Value,
}
