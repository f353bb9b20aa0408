//! What the model may reply, and what is checked before anything runs (`spec/plans.md`).

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::error::{Code, ErrorObject};
use crate::diagnostic::Violation;
use crate::json::{self, Duplicates, Limits};
use crate::manifest::{Action, Manifest};

/// The longest reply that is read as a plan, in bytes.
pub const LONGEST_REPLY: usize = 256 * 1024;

/// A reply that has the form of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The object as it came, extra members included.
    pub raw: Value,
    /// What it asks for.
    pub wish: Wish,
}

/// What a plan asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Wish {
    /// Run an action.
    Act {
        /// The action's name, not yet looked up.
        action: String,
        /// Its arguments, not yet validated.
        args: Map<String, Value>,
    },
    /// The goal is reached.
    Finish,
}

/// What one session may use of its manifest.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The session's own version of the manifest.
    pub manifest: &'a Manifest,
    /// The intent that the goal names.
    pub intent: Option<&'a str>,
    /// The flags the session was created with.
    pub flags: &'a BTreeSet<String>,
}

/// The reply without one surrounding code fence, if it has one.
pub fn strip_fence(reply: &str) -> &str {
    let trimmed = reply.trim();
    let inner = trimmed
        .strip_prefix("```")
        .and_then(|rest| rest.strip_suffix("```"));
    match inner.and_then(|inner| inner.split_once('\n')) {
        Some((tag, body)) if tag.trim().chars().all(|c| c.is_ascii_alphanumeric()) => body.trim(),
        _ => trimmed,
    }
}

/// Refuses a reply that is too long to be read at all.
///
/// # Errors
/// `invalid_plan`.
pub fn check_length(reply: &str, longest: usize) -> Result<(), ErrorObject> {
    if reply.len() <= longest {
        return Ok(());
    }
    Err(invalid(
        "",
        "too_large",
        format!("the reply is longer than {longest} bytes; send one plan"),
    ))
}

/// Whether a reply is whole, as far as the model said; one that was cut off is no plan even if it reads like one.
///
/// # Errors
/// `invalid_plan`.
pub fn check_whole(is_cut_off: bool) -> Result<(), ErrorObject> {
    if !is_cut_off {
        return Ok(());
    }
    Err(invalid(
        "",
        "cut_off",
        "the reply was cut off at its longest length; send a shorter plan",
    ))
}

/// Reads a reply as a plan; the caller has checked its length and stripped a fence.
///
/// # Errors
/// `invalid_plan`, with the reason in the message and the place in `details.violations`.
pub fn read_plan(text: &str) -> Result<Plan, ErrorObject> {
    let limits = Limits {
        bytes: usize::MAX,
        depth: Limits::DOCUMENT.depth,
    };
    let value = json::read(text.as_bytes(), &limits, Duplicates::Refuse)
        .map_err(|error| invalid(&error.pointer, error.code, error.message))?;
    plan_of(value)
}

/// The plan that a JSON value is.
///
/// # Errors
/// `invalid_plan` when it has not the form of one.
pub fn plan_of(value: Value) -> Result<Plan, ErrorObject> {
    let Value::Object(members) = &value else {
        return Err(invalid("", "type", "a plan is one JSON object"));
    };
    if members.contains_key("finished")
        && (members.contains_key("action") || members.contains_key("args"))
    {
        return Err(invalid(
            "",
            "oneOf",
            "a plan has either `action` with `args` or `finished`, not both",
        ));
    }
    let wish = match (members.get("action"), members.get("finished")) {
        (None, None) => {
            return Err(invalid(
                "",
                "oneOf",
                "a plan has `action` with `args`, or `finished`",
            ));
        }
        (None, Some(Value::Bool(true))) => {
            if members
                .get("summary")
                .is_some_and(|summary| !summary.is_string())
            {
                return Err(invalid("/summary", "type", "`summary` is a string"));
            }
            Wish::Finish
        }
        (None, Some(_)) => {
            return Err(invalid(
                "/finished",
                "const",
                "`finished` is true or absent",
            ));
        }
        (Some(Value::String(action)), _) => match members.get("args") {
            Some(Value::Object(args)) => Wish::Act {
                action: action.clone(),
                args: args.clone(),
            },
            Some(_) => return Err(invalid("/args", "type", "`args` is an object")),
            None => {
                return Err(invalid(
                    "",
                    "required",
                    "`args` is missing; send {} when there are none",
                ));
            }
        },
        (Some(_), _) => return Err(invalid("/action", "type", "`action` is a string")),
    };
    Ok(Plan { raw: value, wish })
}

fn invalid(pointer: &str, rule: &str, message: impl Into<String>) -> ErrorObject {
    let message = message.into();
    ErrorObject::new(Code::InvalidPlan, message.clone())
        .with_violations(&[Violation::new(pointer, rule, message)])
}

/// Whether a session may use an action of its manifest: its intent lists it and its feature flag is set.
pub fn may_use_action(scope: &Scope<'_>, action: &Action) -> bool {
    granted_by_intent(scope, action) && granted_by_flag(scope, action)
}

/// Whether the goal's intent, if it names one, lists the action.
pub fn granted_by_intent(scope: &Scope<'_>, action: &Action) -> bool {
    scope.intent.is_none_or(|name| {
        scope
            .manifest
            .intent(name)
            .is_some_and(|intent| intent.actions.contains(&action.name))
    })
}

/// Whether the action's feature flag, if it has one, is among the session's flags.
pub fn granted_by_flag(scope: &Scope<'_>, action: &Action) -> bool {
    action
        .feature_flag
        .as_ref()
        .is_none_or(|flag| scope.flags.contains(flag))
}

/// What is wrong with an action's arguments; empty when they satisfy its input schema.
pub fn check_arguments(action: &Action, args: &Value) -> Vec<Violation> {
    if action.input.is_valid(args) {
        Vec::new()
    } else {
        action.input.violations(args)
    }
}

/// The refusal of a name that the session does not have.
pub fn undeclared(name: &str) -> ErrorObject {
    // The name comes from the model and may be long.
    let shown: String = name.chars().take(128).collect();
    ErrorObject::new(
        Code::UndeclaredAction,
        format!("this session has no action `{shown}`; use one of the contract"),
    )
    .with_violations(&[Violation::new(
        "/action",
        "undeclared_action",
        "not an action of this session",
    )])
}

/// The refusal of arguments that break the input schema; pointers lead into the arguments (plans.md 3.2, schemas.md 4.1).
pub fn invalid_arguments(action: &Action, violations: &[Violation]) -> ErrorObject {
    ErrorObject::new(
        Code::InputValidationFailed,
        format!(
            "the arguments do not satisfy the input schema of `{}`",
            action.name
        ),
    )
    .with_violations(violations)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{action, manifest};
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn place(text: &str) -> String {
        match check_length(text, LONGEST_REPLY).and_then(|()| read_plan(text)) {
            Ok(_) => "read".to_owned(),
            Err(error) => {
                assert_eq!(error.code, Code::InvalidPlan);
                error.details["violations"][0]["pointer"]
                    .as_str()
                    .unwrap_or("none")
                    .to_owned()
            }
        }
    }

    #[test]
    fn both_forms_are_read_and_extra_members_stay() {
        let plan = read_plan(r#" {"action":"a","args":{"x":1},"why":"because"} "#).expect("a plan");
        assert_eq!(plan.raw["why"], "because");
        assert!(matches!(plan.wish, Wish::Act { action, .. } if action == "a"));
        let finished = read_plan(r#"{"finished":true,"summary":"done"}"#).expect("a plan");
        assert_eq!(finished.wish, Wish::Finish);
    }

    #[test]
    fn everything_else_is_refused() {
        for (text, pointer) in [
            ("", ""),
            ("I will call it", ""),
            (r#"{"action":"a","args":{}} and done"#, ""),
            (r#"{"action":"a","args":{}}{"finished":true}"#, ""),
            (r#"[{"action":"a","args":{}}]"#, ""),
            (r#"{"action":"a"}"#, ""),
            (r#"{"action":"a","args":[]}"#, "/args"),
            (r#"{"action":1,"args":{}}"#, "/action"),
            (r#"{"action":"a","args":{},"finished":true}"#, ""),
            (r#"{"finished":true,"args":{}}"#, ""),
            (r#"{"finished":false}"#, "/finished"),
            (r#"{"finished":"true"}"#, "/finished"),
            (r#"{"finished":true,"summary":1}"#, "/summary"),
            (r#"{"action":"a","action":"b","args":{}}"#, "/action"),
            (r#"{"action":"a","args":{"n":NaN}}"#, ""),
            ("{}", ""),
        ] {
            assert_eq!(place(text), pointer, "{text}");
        }
        let long = format!(
            r#"{{"action":"a","args":{{"x":"{}"}}}}"#,
            "y".repeat(LONGEST_REPLY)
        );
        assert_eq!(place(&long), "");
    }

    #[test]
    fn one_fence_is_stripped_and_prose_is_not() {
        let plan = r#"{"finished":true}"#;
        for fenced in [
            format!("```json\n{plan}\n```"),
            format!("```\n{plan}```"),
            format!("  {plan}\n"),
        ] {
            assert_eq!(strip_fence(&fenced), plan);
        }
        for other in [
            format!("here: ```json\n{plan}\n```"),
            format!("```json\n{plan}\n``` done"),
            "```".to_owned(),
            "``````".to_owned(),
        ] {
            assert_ne!(strip_fence(&other), plan, "{other}");
        }
        assert_ne!(
            strip_fence(&format!("```json\n```json\n{plan}\n```\n```")),
            plan
        );
    }

    #[test]
    fn intent_and_flag_bound_what_may_be_used() {
        let manifest = manifest(&json!({
            "intents": [{"name": "look", "description": "d", "actions": ["probe"]}],
        }));
        let flags = BTreeSet::from(["beta".to_owned()]);
        let none = BTreeSet::new();
        let free = Scope {
            manifest: &manifest,
            intent: None,
            flags: &none,
        };
        let bound = Scope {
            intent: Some("look"),
            ..free
        };
        let unknown = Scope {
            intent: Some("other"),
            ..free
        };
        assert!(may_use_action(&free, &action("anything", &json!({}))));
        assert!(may_use_action(&bound, &action("probe", &json!({}))));
        assert!(!may_use_action(&bound, &action("other", &json!({}))));
        assert!(!may_use_action(&unknown, &action("probe", &json!({}))));
        let flagged = action("probe", &json!({"feature_flag": "beta"}));
        assert!(!may_use_action(&free, &flagged));
        assert!(may_use_action(
            &Scope {
                flags: &flags,
                ..free
            },
            &flagged
        ));
    }

    #[test]
    fn argument_errors_point_into_the_arguments() {
        let strict = action(
            "probe",
            &json!({"input_schema": {"type": "object", "properties": {"n": {"type": "integer"}}}}),
        );
        let violations = check_arguments(&strict, &json!({"n": "x"}));
        let error = invalid_arguments(&strict, &violations);
        assert_eq!(error.details["violations"][0]["pointer"], "/n");
        assert!(check_arguments(&strict, &json!({"n": 1})).is_empty());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,200}") {
            let _ = read_plan(strip_fence(&text));
        }

        #[test]
        fn no_json_panics(text in r#"[\[\]{}",:a0-9`\n]{0,80}"#) {
            let _ = read_plan(strip_fence(&text));
        }
    }
}
