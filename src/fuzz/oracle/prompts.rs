//! What a prompt has to hold (`spec/model.md` section 1, `spec/plans.md` section 3).

use std::collections::BTreeSet;

use mock_services::{Call, prompt_text};
use serde_json::Value;

use super::agreement::{Rights, text};
use super::plan::Refusal;
use super::session::Session;
use super::surprise::{Surprise, elsewhere};
use crate::suite::matcher::absent;
use crate::suite::secrets::{REDACTED, Secrets};
use crate::suite::sight::model_request;

/// A refused reply may be cut there, in bytes.
const CUT: usize = 16 * 1024;

/// A reply that was refused earlier in the same step call.
pub struct Refused {
    /// Its text.
    pub reply: String,
    /// Why.
    pub refusal: Refusal,
}

/// What is wrong with the prompt of one request.
pub fn check(
    call: &Call,
    session: &Session,
    rights: &Rights,
    earlier: &[Refused],
    secrets: &Secrets,
    step: usize,
) -> Vec<Surprise> {
    let mut found = Vec::new();
    let prompt = prompt_text(&call.body).unwrap_or_default();
    let mut say = |requirement: &str, pointer: &str, expected: Value, got: Value, message: &str| {
        found.push(elsewhere(
            requirement,
            Some(step),
            "model",
            pointer,
            expected,
            got,
            message,
        ));
    };
    let holds = |part: &str| prompt.contains(part) || prompt.contains(escaped(part).as_str());
    let goal = secrets.redact_text(&session.goal);
    if !holds(&goal) {
        say(
            "MOD-004",
            "/text",
            serde_json::json!({"$has": goal}),
            absent(),
            "does not hold the goal word for word",
        );
    }
    match model_request(call).get("observation") {
        Some(shown @ Value::Object(_)) => {
            if let Some(pointer) = session.differs(shown) {
                let own = session
                    .observation
                    .pointer(pointer)
                    .cloned()
                    .unwrap_or_else(absent);
                let got = shown.pointer(pointer).cloned().unwrap_or_else(absent);
                let requirement = match pointer {
                    "/step" => "OBS-006",
                    "/last_result" => "OBS-005",
                    _ => "MOD-005",
                };
                say(
                    requirement,
                    &format!("/observation{pointer}"),
                    own,
                    got,
                    "is not the observation of the session",
                );
            }
            let time = |value: &Value| text(value, "timestamp").to_owned();
            if time(shown) == time(&session.observation) {
                let message = "is the time of the first observation, not that of the step call";
                say(
                    "OBS-004",
                    "/observation/timestamp",
                    serde_json::json!({"$not": time(shown)}),
                    Value::from(time(shown)),
                    message,
                );
            }
        }
        _ => say(
            "MOD-005",
            "/observation",
            session.observation.clone(),
            absent(),
            "does not show the observation as one JSON text",
        ),
    }
    for (name, action) in session.agreement.usable(rights) {
        let definition = &action.definition;
        let mut missing = (!prompt.contains(name)).then(|| name.to_owned());
        let description = text(definition, "description");
        if missing.is_none() && !holds(&secrets.redact_text(description)) {
            missing = Some(description.to_owned());
        }
        for member in ["input_schema", "output_schema"] {
            let words = definition.get(member).map(words).unwrap_or_default();
            missing = missing.or_else(|| {
                words
                    .into_iter()
                    .find(|word| !prompt.contains(word.as_str()))
            });
        }
        if let Some(missing) = missing {
            say(
                "MOD-001",
                "/text",
                serde_json::json!({"$has": missing}),
                absent(),
                &format!("does not tell all of the action {name}"),
            );
            break;
        }
    }
    for refused in earlier {
        let reply = secrets.redact_text(&refused.reply);
        let reply = reply
            .get(..CUT.min(reply.len()).saturating_sub(3))
            .filter(|_| reply.len() > CUT)
            .unwrap_or(&reply);
        if !reply.contains(REDACTED) && !holds(reply) {
            say(
                "PLN-018",
                "/text",
                serde_json::json!({"$has": reply.chars().take(200).collect::<String>()}),
                absent(),
                "does not hold a reply that was refused in this step call",
            );
        }
        if !prompt.contains(refused.refusal.code) {
            say(
                "PLN-018",
                "/text",
                Value::from(refused.refusal.code),
                absent(),
                "does not hold the code of a refusal",
            );
        }
        if let Some(pointer) = refused
            .refusal
            .pointers
            .iter()
            .find(|pointer| !holds(pointer))
        {
            say(
                "PLN-019",
                "/text",
                Value::from(pointer.as_str()),
                absent(),
                "does not say where the arguments are wrong",
            );
        }
    }
    found
}

/// A text as it stands within a JSON string.
fn escaped(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// The plain words of a schema: names and texts that are written the same in every JSON text.
fn words(schema: &Value) -> BTreeSet<String> {
    fn walk(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::String(text) => keep(text, found),
            Value::Array(elements) => elements.iter().for_each(|element| walk(element, found)),
            Value::Object(members) => {
                for (name, member) in members {
                    keep(name, found);
                    walk(member, found);
                }
            }
            _ => {}
        }
    }
    fn keep(text: &str, found: &mut BTreeSet<String>) {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b' ');
        if !text.is_empty() && text.len() < 80 && text.bytes().all(plain) {
            found.insert(text.to_owned());
        }
    }
    let mut found = BTreeSet::new();
    walk(schema, &mut found);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::oracle::journal::sample_call;
    use crate::fuzz::oracle::session::sample;
    use mock_services::Service;
    use serde_json::json;

    fn prompt(text: &str) -> Call {
        let body = json!({"messages": [{"role": "user", "content": text}]});
        Call {
            entry: Some(0),
            ..sample_call(Service::Model, "/v1/chat/completions", body)
        }
    }

    fn requirements(text: &str, earlier: &[Refused]) -> Vec<String> {
        let found = check(
            &prompt(text),
            &sample(),
            &Rights::default(),
            earlier,
            &Secrets::default(),
            0,
        );
        found
            .into_iter()
            .map(|surprise| surprise.requirement)
            .collect()
    }

    const SHOWN: &str =
        r#"{"timestamp":"now","user_context":{"user_id":"u"},"environment":{"a":1}}"#;

    #[test]
    fn a_prompt_holds_goal_contract_and_observation() {
        assert_eq!(
            requirements(&format!("goal find {SHOWN}"), &[]),
            Vec::<String>::new()
        );
        assert_eq!(requirements(&format!("go find {SHOWN}"), &[]), ["MOD-004"]);
        assert_eq!(requirements(&format!("goal {SHOWN}"), &[]), ["MOD-001"]);
        assert_eq!(requirements("goal find", &[]), ["MOD-005"]);
        assert_eq!(
            requirements(&format!("goal find {}", SHOWN.replace("now", "t")), &[]),
            ["OBS-004"]
        );
    }

    #[test]
    fn a_second_prompt_says_what_was_wrong() {
        let refused = || Refused {
            reply: "no plan \"at\" all".to_owned(),
            refusal: Refusal {
                code: "input_validation_failed",
                requirement: "PLN-014",
                pointers: vec!["/n".to_owned()],
            },
        };
        let good = format!("goal find {SHOWN} no plan \\\"at\\\" all input_validation_failed /n");
        assert_eq!(requirements(&good, &[refused()]), Vec::<String>::new());
        let silent = format!("goal find {SHOWN}");
        assert_eq!(
            requirements(&silent, &[refused()]),
            ["PLN-018", "PLN-018", "PLN-019"]
        );
    }
}
