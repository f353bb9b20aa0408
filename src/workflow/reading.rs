//! From canonical nodes to typed ones (`spec/workflows.md`, sections 2, 3 and 12): the parsing that check 2 of section 6 asks for.

use std::collections::HashSet;

use serde_json::Value;

use super::node::{ActionNode, ApprovalNode, Condition, Node, NodeAccess, NodeFallback, NodeType};
use super::parts::WorkflowParts;
use super::schema::Canonical;
use crate::diagnostic::Violation;
use crate::expression::{Error, Template, Templates};
use crate::json;
use crate::manifest::{RateLimit, Verification};
use crate::requirement::Profile;
use crate::runtime::error::{Code, ErrorObject};

/// The names of the version's member; the second is for requests, and read in nodes as well lest it be read over.
const VERSIONS: [&str; 2] = ["protocolVersion", "protocol_version"];

/// Most things that are told in one refusal.
const MOST_TOLD: usize = 100;

/// Refuses every version that is not spoken: a canonical request's own, and those of its nodes (5.2, 5.3).
///
/// # Errors
/// `unsupported_protocol_version`.
pub fn check_versions(parts: &dyn WorkflowParts, value: &Value) -> Result<(), ErrorObject> {
    match value {
        Value::Array(nodes) => nodes
            .iter()
            .try_for_each(|node| check_versions(parts, node)),
        Value::Object(members) => {
            let mut given = VERSIONS.iter().filter_map(|name| members.get(*name));
            match given.next() {
                None => parts.check_version(None)?,
                Some(first) => std::iter::once(first)
                    .chain(given)
                    .try_for_each(|version| parts.check_version(Some(version)))?,
            }
            // Nodes stand under these names only; what stands elsewhere is plain JSON.
            ["open_action", "action", "fallbackAction"]
                .iter()
                .filter_map(|name| members.get(*name))
                .try_for_each(|inner| check_versions(parts, inner))
        }
        _ => Ok(()),
    }
}

/// Whether a version is spoken: text of the form `MAJOR.MINOR` with 2 for the first (5.2, 5.3).
///
/// # Errors
/// `unsupported_protocol_version`, answered 400.
pub fn check_version(version: Option<&Value>) -> Result<(), ErrorObject> {
    let Some(version) = version else {
        return Ok(());
    };
    let number = |part: &str| {
        let plain = part == "0" || !part.starts_with('0');
        plain && (1..=9).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let parts = version.as_str().and_then(|version| version.split_once('.'));
    match parts {
        Some(("2", minor)) if number(minor) => Ok(()),
        _ => Err(ErrorObject::new(
            Code::UnsupportedProtocolVersion,
            "this runtime speaks version 2.0 of the protocol",
        )
        .answered_with(400)),
    }
}

/// Makes typed nodes of canonical ones. It takes every value for what it can be, since what is wrong with the shape is told
/// apart; what does not parse, and what needs a profile, is gathered. A node in which something does not parse is left out,
/// and [`Reading::finish`] then refuses all of them.
pub struct Reading<'d> {
    parts: &'d dyn WorkflowParts,
    canonical: &'d Canonical,
    document: &'d Value,
    failures: Vec<Failure>,
    needs: Vec<(Profile, Violation)>,
}

/// A conditional or template that does not parse.
struct Failure {
    code: Code,
    pointer: String,
    error: Error,
}

impl<'d> Reading<'d> {
    /// Reads from the canonical form of `document`.
    pub fn new(
        parts: &'d dyn WorkflowParts,
        canonical: &'d Canonical,
        document: &'d Value,
    ) -> Self {
        Self {
            parts,
            canonical,
            document,
            failures: Vec::new(),
            needs: Vec::new(),
        }
    }

    /// The nodes of an array, or one node, at `place`, a pointer into the canonical form.
    pub fn nodes(&mut self, nodes: &Value, place: &str) -> Vec<Node> {
        match nodes {
            Value::Array(nodes) => {
                let each = nodes.iter().enumerate();
                each.filter_map(|(index, node)| {
                    self.node(node, &json::push(place, &index.to_string()))
                })
                .collect()
            }
            node => self.node(node, place).into_iter().collect(),
        }
    }

    /// Notes that a member at `place` belongs to a profile.
    pub fn need(&mut self, profile: Profile, place: &str, member: &str) {
        let message = format!("`{member}` needs the profile {}", profile.name());
        let rule = Code::ProfileNotSupported.name();
        let need = Violation::new(self.canonical.original(place), rule, message);
        self.needs.push((profile, need));
    }

    /// What came of it, under the profiles that the runtime declares.
    ///
    /// # Errors
    /// `conditional_error` or `template_error`, whichever stands first, with all others in the violations; else
    /// `profile_not_supported`.
    pub fn finish(self, profiles: &[Profile]) -> Result<(), ErrorObject> {
        if let Some(first) = self.failures.first() {
            let what = match first.code {
                Code::ConditionalError => "a conditional",
                _ => "a template",
            };
            let told = self.failures.iter().take(MOST_TOLD);
            let told: Vec<Violation> = told.map(Failure::violation).collect();
            let message = format!("{what} does not parse: {}", first.error.message);
            return Err(ErrorObject::new(first.code, message)
                .with("reason", first.error.reason.as_str())
                .with("offset", first.error.offset)
                .with_violations(&told));
        }
        let lacking =
            |(profile, _): &&(Profile, Violation)| !self.parts.supports(profiles, *profile);
        let lacking = self.needs.iter().filter(lacking).take(MOST_TOLD);
        let lacking: Vec<Violation> = lacking.map(|(_, need)| need.clone()).collect();
        if lacking.is_empty() {
            return Ok(());
        }
        Err(ErrorObject::new(
            Code::ProfileNotSupported,
            "the request needs profiles that this runtime does not declare",
        )
        .with_violations(&lacking))
    }

    fn node(&mut self, node: &Value, place: &str) -> Option<Node> {
        if type_of(node) != Some(NodeType::Approval) {
            let action = self.action(node, place, 0)?;
            return Some(Node::Action(Box::new(action)));
        }
        self.need(Profile::Human, place, NodeType::Approval.name());
        let prompt_text = text(node, "prompt").unwrap_or_default();
        let prompt = self.prompt(&prompt_text, &json::push(place, "prompt"));
        let inner = node.get("action").unwrap_or(&Value::Null);
        let action = self.action(inner, &json::push(place, "action"), 0);
        let (place, source) = self.origin(place);
        Some(Node::Approval(Box::new(ApprovalNode {
            prompt: prompt?,
            prompt_text,
            action: action?,
            place,
            source,
        })))
    }

    /// An action node, `level` fallbacks below the one that a request names.
    fn action(&mut self, node: &Value, place: &str, level: usize) -> Option<ActionNode> {
        // An approval within another node is refused by its shape; without that check it is its action.
        if let Some(action) = node
            .get("action")
            .filter(|_| type_of(node) == Some(NodeType::Approval))
        {
            return self.action(action, &json::push(place, "action"), level);
        }
        let below = |member: &str| json::push(place, member);
        let conditional =
            text(node, "conditional").and_then(|text| self.condition(&text, &below("conditional")));
        let given = node.get("input");
        let templates = self.templates(given, &below("input"));
        let fallback = match node.get("fallbackAction") {
            Some(Value::String(name)) => Some(NodeFallback::Named(name.clone())),
            Some(node @ Value::Object(_)) => self
                .action(node, &below("fallbackAction"), level + 1)
                .map(|node| NodeFallback::Node(Box::new(node))),
            _ => None,
        };
        let access = self.access(node.get("accessControl"), &below("accessControl"));
        // A fallback of a fallback is read for what is wrong with it only, and a chain of them is not kept over and over.
        let (place, source) = match level {
            0 | 1 => self.origin(place),
            _ => (self.canonical.original(place), Value::Null),
        };
        Some(ActionNode {
            name: text(node, "name"),
            plugin_reference: text(node, "pluginReference"),
            input: given.and_then(Value::as_object).cloned(),
            templates: templates?,
            conditional,
            fallback,
            access,
            request_id: text(node, "requestId"),
            place,
            source,
        })
    }

    /// Where a canonical node stands in the document as given, and what stands there.
    fn origin(&self, place: &str) -> (String, Value) {
        let place = self.canonical.original(place);
        let source = self.document.pointer(&place).cloned().unwrap_or_default();
        (place, source)
    }

    fn access(&mut self, access: Option<&Value>, place: &str) -> NodeAccess {
        let Some(access) = access else {
            return NodeAccess::default();
        };
        self.need(Profile::Access, place, "accessControl");
        let verification = match access.get("verification").and_then(Value::as_str) {
            Some("approval") => Some(Verification::Approval),
            Some(_) => Some(Verification::None),
            None => None,
        };
        if verification.is_some() {
            self.need(
                Profile::Human,
                &json::push(place, "verification"),
                "verification",
            );
        }
        NodeAccess {
            required_scopes: scopes(access),
            rate_limit: text(access, "rateLimit").and_then(|rate| RateLimit::parse(&rate)),
            verification,
        }
    }

    fn condition(&mut self, text: &str, place: &str) -> Option<Condition> {
        self.parts
            .parse_condition(text)
            .map_err(|error| self.fail(Code::ConditionalError, place, error))
            .ok()
    }

    fn templates(&mut self, input: Option<&Value>, place: &str) -> Option<Templates> {
        let nothing = Value::Null;
        self.parts
            .parse_templates(input.unwrap_or(&nothing))
            .map_err(|found| {
                let place = format!("{place}{}", found.pointer);
                self.fail(Code::TemplateError, &place, found.error);
            })
            .ok()
    }

    fn prompt(&mut self, text: &str, place: &str) -> Option<Template> {
        self.parts
            .parse_prompt(text)
            .map_err(|error| self.fail(Code::TemplateError, place, error))
            .ok()
    }

    fn fail(&mut self, code: Code, place: &str, error: Error) {
        let pointer = self.canonical.original(place);
        self.failures.push(Failure {
            code,
            pointer,
            error,
        });
    }
}

impl Failure {
    fn violation(&self) -> Violation {
        let message = format!("{} (byte {})", self.error.message, self.error.offset);
        Violation::new(self.pointer.clone(), self.code.name(), message)
    }
}

/// The scopes of an `accessControl`, each once.
pub fn scopes(access: &Value) -> Vec<String> {
    let listed = access.get("requiredScopes").and_then(Value::as_array);
    let listed = listed.into_iter().flatten().filter_map(Value::as_str);
    // A stranger may list as many as fit into a body.
    let mut known = HashSet::new();
    listed
        .filter(|scope| known.insert(*scope))
        .map(str::to_owned)
        .collect()
}

/// A member that is text.
pub fn text(members: &Value, name: &str) -> Option<String> {
    members.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn type_of(node: &Value) -> Option<NodeType> {
    let name = node.get("@type").and_then(Value::as_str)?;
    [NodeType::Action, NodeType::Approval]
        .into_iter()
        .find(|kind| kind.name() == name)
}
