//! What a reply of the model is by `spec/plans.md`: a finish, an action that may run, or one of the refusals.

use serde_json::{Map, Value};

use super::agreement::{Agreement, Bar, Rights};
use crate::json::{self, Duplicates, Limits};

/// Bounds of a reply: 256 KiB and 64 levels.
const REPLY: Limits = Limits {
    bytes: 256 * 1024,
    depth: 64,
};

/// What a reply is.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// The work is done.
    Finish,
    /// An action that the session may use, with valid arguments.
    Act {
        /// Its name.
        action: String,
        /// Its arguments.
        args: Value,
    },
    /// Not a plan that may be executed.
    Refused(Refusal),
    /// The spec leaves it to the runtime whether this is a plan.
    Free,
}

/// Why a reply is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub code: &'static str,
    /// The rule that it breaks.
    pub requirement: &'static str,
    /// Where arguments do not satisfy their schema, within `args`.
    pub pointers: Vec<String>,
}

impl Refusal {
    fn invalid(requirement: &'static str) -> Reading {
        Reading::Refused(Self {
            code: "invalid_plan",
            requirement,
            pointers: Vec::new(),
        })
    }
}

/// Reads the text of a reply.
pub fn read(reply: &str, agreement: &Agreement, rights: &Rights) -> Reading {
    let inner = reply.trim_matches([' ', '\t', '\n', '\r']);
    if inner.is_empty() {
        return Refusal::invalid("PLN-004");
    }
    // Other white space, and a fence around the whole, may be taken away or not.
    if inner != reply.trim() || inner.starts_with('\u{feff}') || inner.starts_with("```") {
        return Reading::Free;
    }
    if reply.len() > REPLY.bytes {
        return Refusal::invalid("PLN-008");
    }
    match json::read(inner.as_bytes(), &REPLY, Duplicates::Refuse) {
        Ok(Value::Object(plan)) => of_object(&plan, agreement, rights),
        Ok(_) => Refusal::invalid("PLN-004"),
        Err(error) => Refusal::invalid(match error.code {
            "duplicate_key" => "PLN-005",
            "too_large" | "too_deep" => "PLN-008",
            _ => "PLN-002",
        }),
    }
}

/// Checks a plan that is an object already, such as a person's.
pub fn of_object(plan: &Map<String, Value>, agreement: &Agreement, rights: &Rights) -> Reading {
    if let Some(finished) = plan.get("finished") {
        let is_finish = finished == &Value::Bool(true)
            && !plan.contains_key("action")
            && !plan.contains_key("args")
            && plan.get("summary").is_none_or(Value::is_string);
        return if is_finish {
            Reading::Finish
        } else {
            Refusal::invalid("PLN-007")
        };
    }
    let (Some(Value::String(action)), Some(args @ Value::Object(_))) =
        (plan.get("action"), plan.get("args"))
    else {
        return Refusal::invalid("PLN-006");
    };
    if let Some(Bar { code, requirement }) = agreement.bar(action, rights) {
        return Reading::Refused(Refusal {
            code,
            requirement,
            pointers: Vec::new(),
        });
    }
    let objections = agreement
        .action(action)
        .map(|declared| declared.objections(args))
        .unwrap_or_default();
    if objections.is_empty() {
        return Reading::Act {
            action: action.clone(),
            args: args.clone(),
        };
    }
    // A member that is missing has a place of its own for some and none for others.
    let pointers = objections
        .into_iter()
        .filter(|(pointer, rule)| !pointer.is_empty() && rule != "required")
        .map(|(pointer, _)| pointer)
        .collect();
    Reading::Refused(Refusal {
        code: "input_validation_failed",
        requirement: "PLN-014",
        pointers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn reading(reply: &str) -> Reading {
        let agreement = Agreement::new(&json!({"actions": [{
            "name": "find", "type": "invoke_api", "output_schema": true,
            "input_schema": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
        }]}));
        read(reply, &agreement, &Rights::default())
    }

    fn refusal(reply: &str) -> &'static str {
        match reading(reply) {
            Reading::Refused(refusal) => refusal.requirement,
            other => panic!("{reply} is {other:?}"),
        }
    }

    #[test]
    fn plans_are_plans() {
        let act = Reading::Act {
            action: "find".to_owned(),
            args: json!({"n": 1}),
        };
        assert_eq!(
            reading(" {\"action\":\"find\",\"args\":{\"n\":1},\"why\":0}\n"),
            act
        );
        assert_eq!(
            reading("{\"finished\":true,\"summary\":\"s\"}"),
            Reading::Finish
        );
        assert_eq!(reading("```json\n{\"finished\":true}\n```"), Reading::Free);
    }

    #[test]
    fn everything_else_is_refused_by_its_rule() {
        for (reply, requirement) in [
            ("", "PLN-004"),
            ("[]", "PLN-004"),
            ("{\"finished\":true} and so", "PLN-002"),
            ("{\"finished\":true}{\"finished\":true}", "PLN-002"),
            ("{\"finished\":true,\"finished\":true}", "PLN-005"),
            ("{\"action\":\"find\"}", "PLN-006"),
            ("{\"action\":\"find\",\"args\":[]}", "PLN-006"),
            ("{\"finished\":false}", "PLN-007"),
            ("{\"finished\":true,\"action\":\"find\"}", "PLN-007"),
            ("{\"action\":\"Find\",\"args\":{\"n\":1}}", "PLN-010"),
            ("{\"action\":\"find\",\"args\":{\"n\":\"x\"}}", "PLN-014"),
        ] {
            assert_eq!(refusal(reply), requirement, "{reply}");
        }
        let deep = format!(
            "{{\"finished\":true,\"x\":{}{}}}",
            "[".repeat(64),
            "]".repeat(64)
        );
        assert_eq!(refusal(&deep), "PLN-008");
        let long = format!("{{\"finished\":true,\"x\":\"{}\"}}", "x".repeat(256 * 1024));
        assert_eq!(refusal(&long), "PLN-008");
    }

    #[test]
    fn violations_have_their_pointers() {
        match reading("{\"action\":\"find\",\"args\":{\"n\":\"x\"}}") {
            Reading::Refused(refusal) => assert_eq!(refusal.pointers, ["/n"]),
            other => panic!("{other:?}"),
        }
    }
}
