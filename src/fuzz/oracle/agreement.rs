//! What one manifest allows, read from the document that was registered (`spec/manifests.md`, `spec/plans.md` section 2).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::schema::{self, Schema};

/// Members of an API action whose meaning the model of the protocol knows. With any other one the action can do more.
const KNOWN: [&str; 19] = [
    "name",
    "type",
    "description",
    "input_schema",
    "output_schema",
    "endpoint",
    "method",
    "auth",
    "headers",
    "timeout_ms",
    "request_map",
    "response_map",
    "result_path",
    "completes_goal",
    "feature_flag",
    "prompt",
    "access_control",
    "effects",
    "version",
];

/// A manifest, ready to be asked.
#[derive(Debug)]
pub struct Agreement {
    /// The document in snake_case form.
    pub document: Value,
    actions: BTreeMap<String, Declared>,
}

/// One of its actions.
#[derive(Debug)]
pub struct Declared {
    /// The definition.
    pub definition: Value,
    input: Option<Schema>,
    output: Option<Schema>,
}

/// Why a session may not use an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    /// The code of the refusal.
    pub code: &'static str,
    /// The rule.
    pub requirement: &'static str,
}

/// What of a session decides which actions it may use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights {
    /// The intent of its goal.
    pub intent: Option<String>,
    /// Its flags.
    pub flags: BTreeSet<String>,
    /// The scopes of the caller; `None`: they are not known.
    pub scopes: Option<BTreeSet<String>>,
}

impl Agreement {
    /// Reads a document.
    pub fn new(document: &Value) -> Self {
        let actions = list(document, "actions")
            .map(|definition| {
                (
                    text(definition, "name").to_owned(),
                    Declared::new(definition),
                )
            })
            .collect();
        Self {
            document: document.clone(),
            actions,
        }
    }

    /// The action of that name, code point by code point.
    pub fn action(&self, name: &str) -> Option<&Declared> {
        self.actions.get(name)
    }

    /// Whether it declares an intent.
    pub fn has_intent(&self, name: &str) -> bool {
        self.intent(name).is_some()
    }

    fn intent(&self, name: &str) -> Option<&Value> {
        list(&self.document, "intents").find(|intent| text(intent, "name") == name)
    }

    /// Why a session with these rights may not use an action; `None`: it may. An unknown scope bars nobody here.
    pub fn bar(&self, name: &str, rights: &Rights) -> Option<Bar> {
        let Some(action) = self.action(name) else {
            return Some(Bar {
                code: "undeclared_action",
                requirement: "PLN-010",
            });
        };
        if let Some(intent) = &rights.intent {
            let listed = self.intent(intent).is_some_and(|intent| {
                list(intent, "actions").any(|own| own.as_str() == Some(name))
            });
            if !listed {
                return Some(Bar {
                    code: "undeclared_action",
                    requirement: "PLN-012",
                });
            }
        }
        let flag = action
            .definition
            .get("feature_flag")
            .and_then(Value::as_str);
        if flag.is_some_and(|flag| !rights.flags.contains(flag)) {
            return Some(Bar {
                code: "undeclared_action",
                requirement: "PLN-013",
            });
        }
        let held = rights.scopes.as_ref()?;
        let lacks = |owner: &Value| scopes_of(owner).any(|scope| !held.contains(scope));
        let intent = rights.intent.as_deref().and_then(|name| self.intent(name));
        let lacking = intent.is_some_and(lacks)
            || self.in_line(action).any(|action| lacks(&action.definition));
        lacking.then_some(Bar {
            code: "insufficient_scope",
            requirement: "ACC-021",
        })
    }

    /// An action and its fallbacks, whether or not they will run (access.md 3.1).
    fn in_line<'a>(&'a self, first: &'a Declared) -> impl Iterator<Item = &'a Declared> {
        let next = |action: &&'a Declared| self.action(text(&action.definition, "fallback_action"));
        // A line of fallbacks is no longer than the list of actions.
        std::iter::successors(Some(first), next).take(self.actions.len())
    }

    /// The actions that a session with these rights may use.
    pub fn usable<'a>(
        &'a self,
        rights: &'a Rights,
    ) -> impl Iterator<Item = (&'a str, &'a Declared)> {
        self.actions
            .iter()
            .map(|(name, action)| (name.as_str(), action))
            .filter(|(name, _)| self.bar(name, rights).is_none())
    }

    /// Whether something in it depends on scopes.
    pub fn is_guarded(&self) -> bool {
        let guarded = |owner: &Value| scopes_of(owner).next().is_some();
        list(&self.document, "intents").any(guarded)
            || self
                .actions
                .values()
                .any(|action| guarded(&action.definition))
    }
}

impl Declared {
    fn new(definition: &Value) -> Self {
        let compiled = |member: &str| schema::compile(definition.get(member)?).ok();
        Self {
            input: compiled("input_schema"),
            output: compiled("output_schema"),
            definition: definition.clone(),
        }
    }

    /// Its `type`.
    pub fn kind(&self) -> &str {
        text(&self.definition, "type")
    }

    /// Whether success completes the goal.
    pub fn completes(&self) -> bool {
        self.definition.get("completes_goal") == Some(&Value::Bool(true))
    }

    /// Whether all that it does is known: no fallback, no conditional, no limit, nothing of an extension.
    pub fn is_plain(&self) -> bool {
        let known = |name: &String| KNOWN.contains(&name.as_str()) || name.starts_with("x-");
        let members = self.definition.as_object();
        let control = self.definition.get("access_control");
        members.is_some_and(|members| members.keys().all(known))
            && control.is_none_or(|control| control.get("rate_limit").is_none())
    }

    /// Whether a person has to agree.
    pub fn wants_approval(&self) -> bool {
        let control = self.definition.get("access_control");
        self.kind() != "human_intervention"
            && control.is_some_and(|control| text(control, "verification") == "approval")
    }

    /// Where arguments do not satisfy its `input_schema`, with the rule that is broken; empty where they do.
    pub fn objections(&self, args: &Value) -> Vec<(String, String)> {
        violations(self.input.as_ref(), args)
    }

    /// Whether a value satisfies its `output_schema`; a schema that cannot be read is no bar.
    pub fn gives(&self, output: &Value) -> bool {
        violations(self.output.as_ref(), output).is_empty()
    }
}

fn violations(schema: Option<&Schema>, value: &Value) -> Vec<(String, String)> {
    schema.map_or_else(Vec::new, |schema| {
        let violations = schema.violations(value).into_iter();
        violations
            .map(|violation| (violation.pointer, violation.rule))
            .collect()
    })
}

fn scopes_of(owner: &Value) -> impl Iterator<Item = &str> {
    let scopes = owner.pointer("/access_control/required_scopes");
    let scopes = scopes.and_then(Value::as_array).map(Vec::as_slice);
    scopes.unwrap_or_default().iter().filter_map(Value::as_str)
}

/// The elements of a member that is an array.
pub(super) fn list<'a>(value: &'a Value, member: &str) -> std::slice::Iter<'a, Value> {
    let elements = value.get(member).and_then(Value::as_array);
    elements.map(|elements| elements.iter()).unwrap_or_default()
}

/// A member that is a text; else the empty one.
pub(super) fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value
        .get(member)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn agreement() -> Agreement {
        Agreement::new(&json!({
            "actions": [
                {"name": "open", "type": "invoke_api", "input_schema": {"type": "object", "required": ["a"]}, "output_schema": true},
                {"name": "beta", "type": "invoke_api", "feature_flag": "b", "input_schema": true, "output_schema": false},
                {"name": "paid", "type": "run_code", "access_control": {"required_scopes": ["pay"], "rate_limit": "1/s"}}
            ],
            "intents": [{"name": "few", "actions": ["open"]}]
        }))
    }

    fn code(name: &str, rights: &Rights) -> Option<(&'static str, &'static str)> {
        agreement()
            .bar(name, rights)
            .map(|bar| (bar.code, bar.requirement))
    }

    #[test]
    fn names_intents_flags_and_scopes_bar() {
        let free = Rights::default();
        assert_eq!(code("open", &free), None);
        assert_eq!(code("Open", &free), Some(("undeclared_action", "PLN-010")));
        assert_eq!(code("beta", &free), Some(("undeclared_action", "PLN-013")));
        let few = Rights {
            intent: Some("few".to_owned()),
            flags: BTreeSet::from(["b".to_owned()]),
            scopes: Some(BTreeSet::new()),
        };
        assert_eq!(code("beta", &few), Some(("undeclared_action", "PLN-012")));
        let poor = Rights {
            scopes: Some(BTreeSet::new()),
            ..Rights::default()
        };
        assert_eq!(code("paid", &poor), Some(("insufficient_scope", "ACC-021")));
        assert_eq!(code("paid", &free), None);
        assert!(agreement().is_guarded());
        let line = Agreement::new(&json!({"actions": [
            {"name": "a", "fallback_action": "b"}, {"name": "b", "fallback_action": "c"},
            {"name": "c", "fallback_action": "a", "access_control": {"required_scopes": ["pay"]}}, {"name": "d"}
        ]}));
        let barred = |name| line.bar(name, &poor).map(|bar| bar.code);
        assert_eq!(barred("a"), Some("insufficient_scope"));
        assert_eq!(barred("d"), None);
    }

    #[test]
    fn schemas_and_plainness_are_read() {
        let agreement = agreement();
        let open = agreement.action("open").expect("declared");
        assert_eq!(open.objections(&json!({})).len(), 1);
        assert!(open.is_plain() && open.objections(&json!({"a": 1})).is_empty());
        assert!(!agreement.action("beta").expect("declared").gives(&json!(1)));
        assert!(!agreement.action("paid").expect("declared").is_plain());
    }
}
