//! A transcript against its manifest: what was executed was declared, allowed and valid, and what it brought was valid too
//! (`spec/plans.md`, section 2; `spec/actions.md`; `spec/secrets.md`).

use std::collections::BTreeMap;

use reqwest::Url;
use serde_json::{Value, json};

use super::{array, finding, number, text};
use crate::schema::{self, Schema};
use crate::suite::wire::Finding;

/// Most violations of one schema that are told of one value.
const MOST: usize = 3;

/// Everything that is wrong; `manifest` is in snake_case form.
pub(super) fn check(transcript: &Value, manifest: &Value) -> Vec<Finding> {
    let bench = Bench {
        transcript,
        actions: array(manifest, "actions")
            .map(|action| (text(action, "name"), Action::new(action)))
            .collect(),
        intent: intent(transcript, manifest),
    };
    let mut found = Vec::new();
    for (index, step) in array(transcript, "steps").enumerate() {
        bench.plan(index, step, &mut found);
        bench.output(index, step, &mut found);
        bench.effects(index, step, &mut found);
        bench.completion(index, step, &mut found);
    }
    bench.contracts(&mut found);
    found
}

/// The actions of the session's intent; `None`: it has none, so every action is allowed.
fn intent<'a>(transcript: &Value, manifest: &'a Value) -> Option<Vec<&'a str>> {
    let name = transcript.pointer("/goal/intent")?.as_str()?;
    let intent = array(manifest, "intents").find(|intent| text(intent, "name") == name)?;
    Some(array(intent, "actions").filter_map(Value::as_str).collect())
}

struct Action<'a> {
    definition: &'a Value,
    input: Option<Schema>,
    output: Option<Schema>,
}

impl<'a> Action<'a> {
    fn new(definition: &'a Value) -> Self {
        let compiled = |member: &str| {
            let schema = definition.get(member)?;
            schema::compile(schema).ok()
        };
        Self {
            definition,
            input: compiled("input_schema"),
            output: compiled("output_schema"),
        }
    }
}

struct Bench<'a> {
    transcript: &'a Value,
    actions: BTreeMap<&'a str, Action<'a>>,
    intent: Option<Vec<&'a str>>,
}

impl Bench<'_> {
    /// The requirement that forbids an action to this session.
    fn forbidden(&self, name: &str, action: &Action<'_>) -> Option<&'static str> {
        if self
            .intent
            .as_ref()
            .is_some_and(|allowed| !allowed.contains(&name))
        {
            return Some("PLN-012");
        }
        let flag = action.definition.get("feature_flag")?.as_str()?;
        let carried = array(self.transcript, "flags").any(|own| own.as_str() == Some(flag));
        (!carried).then_some("PLN-013")
    }

    fn plan(&self, index: usize, step: &Value, found: &mut Vec<Finding>) {
        let name = step.pointer("/plan/action");
        let place = format!("/steps/{index}/plan/action");
        let Some((name, action)) = name
            .and_then(Value::as_str)
            .and_then(|name| Some((name, self.actions.get(name)?)))
        else {
            let known: Vec<&&str> = self.actions.keys().collect();
            let message = "is no action of the manifest, and was executed";
            found.push(finding(
                "PLN-010",
                place,
                json!({"$any_of": known}),
                name,
                message,
            ));
            return;
        };
        if let Some(requirement) = self.forbidden(name, action) {
            let message = "is not allowed in this session, and was executed";
            let expected = json!({"$not": name});
            found.push(finding(
                requirement,
                place,
                expected,
                Some(&json!(name)),
                message,
            ));
        }
        let args = step.pointer("/plan/args").unwrap_or(&Value::Null);
        let place = format!("/steps/{index}/plan/args");
        let words = "the input_schema of the action";
        violations("PLN-014", action.input.as_ref(), args, &place, words, found);
    }

    fn output(&self, index: usize, step: &Value, found: &mut Vec<Finding>) {
        let result = step.get("result").unwrap_or(&Value::Null);
        let brought =
            result.get("success") == Some(&json!(true)) && text(result, "status") != "skipped";
        let Some(action) = self
            .actions
            .get(text(result, "action_name"))
            .filter(|_| brought)
        else {
            return;
        };
        let output = result.get("output").unwrap_or(&Value::Null);
        let place = format!("/steps/{index}/result/output");
        let words = "the output_schema of the action";
        violations(
            "ACT-022",
            action.output.as_ref(),
            output,
            &place,
            words,
            found,
        );
    }

    fn effects(&self, index: usize, step: &Value, found: &mut Vec<Finding>) {
        let result = step.get("result").unwrap_or(&Value::Null);
        // Of a fallback's two attempts nobody can tell whose effect is whose.
        let Some(action) = self
            .actions
            .get(text(result, "action_name"))
            .filter(|_| result.get("attempts").is_none())
        else {
            return;
        };
        let own: Vec<(usize, &Value)> = array(self.transcript, "side_effects")
            .enumerate()
            .filter(|(_, effect)| number(effect, "step_number") == Some(index as u64 + 1))
            .filter(|(_, effect)| text(effect, "kind") != "person")
            .collect();
        let succeeded =
            result.get("success") == Some(&json!(true)) && text(result, "status") != "skipped";
        let code = result.pointer("/error/errorCode").and_then(Value::as_str);
        if let (Some(code @ ("missing_credential" | "invalid_credential")), [(at, effect), ..]) =
            (code, own.as_slice())
        {
            let requirement = if code == "missing_credential" {
                "SEC-003"
            } else {
                "SEC-005"
            };
            let message = "was sent, though the action failed for want of a credential";
            let none = json!({"$absent": true});
            let place = format!("/side_effects/{at}");
            found.push(finding(requirement, place, none, Some(effect), message));
        }
        match text(action.definition, "type") {
            "invoke_api" => request(action.definition, index, &own, succeeded, found),
            "write_file" if succeeded => {
                let written = |(_, effect): &(usize, &Value)| {
                    text(effect, "kind") == "file" && text(effect, "method") == "write"
                };
                if !own.iter().any(written) {
                    found.push(missing(index, "file"));
                }
            }
            _ => {}
        }
    }

    fn completion(&self, index: usize, step: &Value, found: &mut Vec<Finding>) {
        let result = step.get("result").unwrap_or(&Value::Null);
        let succeeded =
            result.get("success") == Some(&json!(true)) && text(result, "status") != "skipped";
        let completes = self
            .actions
            .get(text(result, "action_name"))
            .is_some_and(|action| action.definition.get("completes_goal") == Some(&json!(true)));
        let last = index + 1 == array(self.transcript, "steps").len();
        let status = self.transcript.get("status");
        let completed = status == Some(&json!("completed"));
        if succeeded && completes && !(last && completed) {
            let message = "went on after an action that completes the goal had succeeded";
            found.push(finding(
                "STP-008",
                "/status",
                json!("completed"),
                status,
                message,
            ));
        }
        // What completed it otherwise is a finish, and that is looked for elsewhere.
        let finish = array(self.transcript, "turns")
            .next_back()
            .is_some_and(|turn| number(turn, "step_number").is_none());
        if last && completed && succeeded && !completes && !finish && !self.asked_last() {
            let message = "is completed by an action that does not complete the goal";
            found.push(finding(
                "TRN-003",
                "/status",
                json!("active"),
                status,
                message,
            ));
        }
    }

    /// Whether a person's plan was the last thing that happened.
    fn asked_last(&self) -> bool {
        array(self.transcript, "interventions")
            .next_back()
            .is_some_and(|last| text(last, "kind") == "invalid_plan")
    }

    /// Each contract has every action that the session may use, and none that it may not.
    fn contracts(&self, found: &mut Vec<Finding>) {
        let contracts = self.transcript.get("contracts").and_then(Value::as_object);
        for (digest, contract) in contracts.into_iter().flatten() {
            let contract = contract.as_str().unwrap_or_default();
            let place = crate::json::push("/contracts", digest);
            let allowed = |name: &str, action: &Action<'_>| self.forbidden(name, action).is_none();
            for (name, action) in &self.actions {
                // Whose scopes the caller lacks it is not shown.
                let open = action.definition.get("access_control").is_none();
                if allowed(name, action) && open && !contract.contains(name) {
                    let message = "does not hold an action that the session may use";
                    let expected = json!({"$has": name});
                    found.push(finding(
                        "MOD-001",
                        place.clone(),
                        expected,
                        Some(&json!(contract)),
                        message,
                    ));
                }
                let quoted = format!("\"{name}\"");
                let elsewhere = self.actions.iter().any(|(other, action)| {
                    allowed(other, action) && action.definition.to_string().contains(*name)
                });
                if !allowed(name, action) && contract.contains(&quoted) && !elsewhere {
                    let message = "holds an action that the session may not use";
                    let expected = json!({"$not": {"$has": name}});
                    found.push(finding(
                        "MOD-002",
                        place.clone(),
                        expected,
                        Some(&json!(contract)),
                        message,
                    ));
                }
            }
        }
    }
}

/// The requests of one API action: as declared, and no more than one.
fn request(
    definition: &Value,
    index: usize,
    own: &[(usize, &Value)],
    succeeded: bool,
    found: &mut Vec<Finding>,
) {
    let method = text(definition, "method");
    let own: Vec<&(usize, &Value)> = own
        .iter()
        .filter(|(_, effect)| text(effect, "kind") == "http")
        .collect();
    let Some((at, first)) = own.first() else {
        // What is read can come out of a cache.
        if succeeded && method != "GET" && definition.get("cache").is_none() {
            found.push(missing(index, "http"));
        }
        return;
    };
    if text(first, "method") != method {
        let place = format!("/side_effects/{at}/method");
        let message = "is not the method of the action";
        found.push(finding(
            "ACT-003",
            place,
            json!(method),
            first.get("method"),
            message,
        ));
    }
    if let Some((at, second)) = own.get(1).filter(|_| method != "GET") {
        let place = format!("/side_effects/{at}");
        let message = "is a second request of one execution";
        found.push(finding(
            "ACT-004",
            place,
            json!({"$absent": true}),
            Some(second),
            message,
        ));
    }
    let declared = text(definition, "endpoint");
    if let (Some(wanted), Some(called)) = (address(declared), address(text(first, "target")))
        && wanted != called
    {
        let place = format!("/side_effects/{at}/target");
        let message = "is not the endpoint of the action";
        found.push(finding(
            "TRN-013",
            place,
            json!(wanted),
            first.get("target"),
            message,
        ));
    }
}

/// A URL without query and fragment, in one spelling; `None` where it holds a variable.
fn address(url: &str) -> Option<String> {
    if url.contains("${") {
        return None;
    }
    let mut url = Url::parse(url).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    Some(url.to_string())
}

fn missing(index: usize, kind: &str) -> Finding {
    finding(
        "TRN-012",
        "/side_effects",
        json!(format!(
            "an effect of kind {kind} with step_number {}",
            index + 1
        )),
        None,
        "have no entry for an action that succeeded",
    )
}

fn violations(
    requirement: &str,
    schema: Option<&Schema>,
    value: &Value,
    place: &str,
    words: &str,
    found: &mut Vec<Finding>,
) {
    let violations = schema
        .map(|schema| schema.violations(value))
        .unwrap_or_default();
    for violation in violations.into_iter().take(MOST) {
        found.push(finding(
            requirement,
            format!("{place}{}", violation.pointer),
            json!(format!("as {words} says")),
            value.pointer(&violation.pointer),
            &format!("{} ({})", violation.message, violation.rule),
        ));
    }
}
