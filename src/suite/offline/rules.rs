//! A transcript against its manifest: what was executed was declared, allowed and valid, and what it brought was valid too
//! (`spec/plans.md`, section 2; `spec/actions.md`; `spec/secrets.md`; `spec/access.md`).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::endpoints::{Endpoint, origin};
use super::findings::Findings;
use super::head::Head;
use super::ledger::{Effects, Entry, Request, Step};
use super::{array, asking, fallbacks, files, sent, text};
use crate::schema::{self, Schema};
use crate::suite::prepare::three_parts;
use crate::suite::replay::brings_output;

/// Most violations of one schema that are told of one value.
const MOST: usize = 3;

/// Requests that an action of method GET sends at most: its own and five redirects (`spec/actions.md`).
const MOST_REQUESTS: u64 = 6;

/// A manifest, ready to judge sessions by.
#[derive(Debug)]
pub struct Rules {
    document: Value,
    pub(super) actions: BTreeMap<String, Action>,
}

#[derive(Debug)]
pub(super) struct Action {
    pub definition: Value,
    pub input: Option<Schema>,
    output: Option<Schema>,
    pub endpoint: Option<Endpoint>,
    /// The definition as JSON.
    pub text: String,
}

impl Action {
    fn new(definition: &Value) -> Self {
        let compiled = |member: &str| schema::compile(definition.get(member)?).ok();
        Self {
            input: compiled("input_schema"),
            output: compiled("output_schema"),
            endpoint: Endpoint::read(text(definition, "endpoint")),
            text: definition.to_string(),
            definition: definition.clone(),
        }
    }

    pub fn kind(&self) -> &str {
        text(&self.definition, "type")
    }

    pub fn is_of_files(&self) -> bool {
        matches!(self.kind(), "read_file" | "write_file")
    }

    pub fn is(&self, member: &str, value: &str) -> bool {
        self.definition.get(member).and_then(Value::as_str) == Some(value)
    }

    /// Whether a person must approve it. A question goes through a person as it is (`spec/access.md`, section 5).
    pub fn wants_approval(&self) -> bool {
        let control = self.definition.get("access_control");
        self.kind() != "human_intervention"
            && control.is_some_and(|control| text(control, "verification") == "approval")
    }

    /// Whether arguments satisfy its input_schema.
    pub fn takes(&self, args: &Value) -> bool {
        let input = self.input.as_ref();
        input.is_some_and(|input| input.violations(args).is_empty())
    }
}

impl Rules {
    /// Prepares a manifest in snake_case form.
    pub fn new(document: Value) -> Self {
        let actions = array(&document, "actions")
            .map(|action| (text(action, "name").to_owned(), Action::new(action)))
            .collect();
        Self { document, actions }
    }

    /// The manifest.
    pub(super) fn document(&self) -> &Value {
        &self.document
    }

    /// The file that an action reads or writes by a plan, as its effect names it; `None`: it does not, or that cannot be told.
    pub(super) fn file(&self, action: &str, plan: &Value) -> Option<String> {
        let action = self.actions.get(action)?;
        let root = text(&action.definition, "root");
        let path = plan.pointer("/args/path")?.as_str()?;
        let slash = if root.ends_with('/') { "" } else { "/" };
        action.is_of_files().then(|| format!("{root}{slash}{path}"))
    }

    /// Whether an action asks a person, so that the runtime that took the manifest declares `human` (`spec/manifests.md`, 1.6).
    pub(super) fn asks(&self) -> bool {
        let mut actions = self.actions.values();
        actions.any(|action| action.kind() == "human_intervention")
    }

    /// Whether an action that succeeds completes the goal.
    pub(super) fn completes(&self, action: &str) -> bool {
        let action = self.actions.get(action);
        action.is_some_and(|action| {
            action.definition.get("completes_goal") == Some(&Value::Bool(true))
        })
    }

    /// Whether an action, or a fallback in its line, asks something of the caller (`spec/access.md`, 3.1).
    pub(super) fn is_guarded(&self, first: &Value) -> bool {
        // A fallback is named, or written out where the action stands.
        let next = |part: &&Value| {
            let fallback = part.get("fallback_action")?;
            let named = fallback.as_str().and_then(|name| self.actions.get(name));
            named.map(|action| &action.definition)
        };
        let mut line = std::iter::successors(Some(first), next).take(self.actions.len() + 1);
        line.any(|part| {
            part.get("access_control").is_some()
                || part.pointer("/fallback_action/access_control").is_some()
        })
    }

    /// What is wrong with the creation of a session.
    pub(super) fn creation(&self, head: &Head, found: &mut Findings<'_>) {
        let named = head.get("manifest").unwrap_or(&Value::Null);
        let version = three_parts(text(&self.document, "version"));
        for (member, own) in [
            ("name", text(&self.document, "name")),
            ("version", &version),
        ] {
            // What is absent the schema tells.
            if let Some(got) = named.get(member).filter(|got| got.as_str() != Some(own)) {
                let message = "is not that of the manifest with this digest";
                let place = format!("/manifest/{member}");
                found.say("TRN-003", place, json!(own), Some(got), message);
            }
        }
        let Some(intent) = head.intent.as_deref() else {
            return;
        };
        if self.intent(intent).is_none() {
            let known: Vec<&str> = array(&self.document, "intents")
                .map(|intent| text(intent, "name"))
                .collect();
            found.say(
                "SES-008",
                "/goal/intent",
                json!({"$any_of": known}),
                Some(&json!(intent)),
                "is no intent of the manifest, and a session was made with it",
            );
        }
    }

    pub(super) fn intent(&self, name: &str) -> Option<&Value> {
        array(&self.document, "intents").find(|intent| text(intent, "name") == name)
    }

    /// What is wrong with a step.
    pub(super) fn step(&self, step: &Value, head: &Head, pointer: &str, found: &mut Findings<'_>) {
        let plan = step.get("plan").unwrap_or(&Value::Null);
        self.planned(plan, head, &format!("{pointer}/plan"), found);
        let args = plan.get("args").unwrap_or(&Value::Null);
        if let Some(action) = self.actions.get(text(plan, "action"))
            && action.is_of_files()
            && step.pointer("/result/success") == Some(&Value::Bool(true))
            // What was skipped used nothing.
            && step.pointer("/result/status").and_then(Value::as_str) != Some("skipped")
            && let Some(path) = args.get("path").and_then(Value::as_str)
            && leads_astray(path)
        {
            let message = "is a path that is refused, and was used";
            let expected = json!("a path of plain segments");
            let place = format!("{pointer}/plan/args/path");
            found.say("STO-017", place, expected, args.get("path"), message);
        }
        self.output(step, pointer, found);
        self.unsaved(step, head, pointer, found);
    }

    fn output(&self, step: &Value, pointer: &str, found: &mut Findings<'_>) {
        let result = step.get("result").unwrap_or(&Value::Null);
        let Some(action) = self
            .actions
            .get(text(result, "action_name"))
            .filter(|_| brings_output(result))
        else {
            return;
        };
        let output = result.get("output").unwrap_or(&Value::Null);
        let place = format!("{pointer}/result/output");
        let words = "the output_schema of the action";
        let requirement = match action.kind() {
            "human_intervention" => "HUM-006",
            _ => "ACT-022",
        };
        violations(
            requirement,
            action.output.as_ref(),
            output,
            &place,
            words,
            found,
        );
        // A fallback that is a node can have an input of its own.
        let planned = step.pointer("/plan/action").and_then(Value::as_str);
        let planned = planned.and_then(|name| self.actions.get(name));
        let fallback = planned.and_then(|action| action.definition.get("fallback_action"));
        if result.get("attempts").is_none() || fallback.is_some_and(Value::is_string) {
            let args = step.pointer("/plan/args").unwrap_or(&Value::Null);
            files::output(action, args, output, pointer, found);
        }
    }

    /// What is wrong with all that belongs to a step.
    pub(super) fn settle(&self, number: u64, entry: &Entry, step: &Step, found: &mut Findings<'_>) {
        if let Some(planned) = self.actions.get(&*step.planned) {
            asking::check(planned, number, entry, step, found);
            if step.fell_back {
                fallbacks::declared(planned, step, found);
            }
        }
        let effects = &entry.effects;
        let (planned, ran) = (&*step.planned, &*step.action);
        if step.fell_back {
            let both = [planned, ran].map(|name| self.actions.get(name));
            return fallbacks::of_two(number, both, step, effects, found);
        }
        // Of another action than the planned one nobody can tell which was executed, and that is told already.
        let Some(action) = self.actions.get(ran).filter(|_| planned == ran) else {
            return;
        };
        // What is read can come out of a cache.
        let cached = action.definition.get("cache").is_some();
        match action.kind() {
            "invoke_api" => request(action, number, step, effects, cached, found),
            "write_file" if sent::of_a_file(&step.end) && effects.file.is_none() => {
                missing(number, "file", found);
            }
            "read_file" if sent::of_a_file(&step.end) && effects.file.is_none() => {
                missing(number, "file", found)
            }
            _ => {}
        }
        sent::check(action, step, effects, found);
    }
}

/// The requests of one API action: as declared, no more than one, and not taken for a success where they were none.
fn request(
    action: &Action,
    number: u64,
    step: &Step,
    effects: &Effects,
    cached: bool,
    found: &mut Findings<'_>,
) {
    let method = text(&action.definition, "method");
    let Some(first) = &effects.first_request else {
        if sent::of_a_reply(&step.end) && !cached {
            missing(number, "http", found);
        }
        return;
    };
    let place =
        |request: &Request, member: &str| format!("/side_effects/{}{member}", request.index);
    if *first.method != *method {
        let message = "is not the method of the action";
        let got = json!(&*first.method);
        found.say(
            "ACT-003",
            place(first, "/method"),
            json!(method),
            Some(&got),
            message,
        );
    }
    if let Some(wanted) = action
        .endpoint
        .as_ref()
        .filter(|own| !own.is(&first.target))
    {
        let message = "is not the endpoint of the action";
        let got = json!(&*first.target);
        found.say(
            "TRN-013",
            place(first, "/target"),
            json!(wanted.shown()),
            Some(&got),
            message,
        );
    }
    let none = || json!({"$absent": true});
    if let Some(second) = &effects.second_request {
        let got = json!(format!("{} {}", second.method, second.target));
        if !action.is("method", "GET") {
            let message = "is a second request of one execution";
            found.say("ACT-004", place(second, ""), none(), Some(&got), message);
        } else if let Some(other) = &effects.other_origin {
            let message = "went to another origin";
            let got = json!(format!("{} {}", other.method, other.target));
            let own = json!(origin(&first.target));
            found.say("ACT-019", place(other, "/target"), own, Some(&got), message);
        } else if let Some(other) = &effects.other_method {
            let message = "is not the method of the action";
            let got = json!(&*other.method);
            found.say(
                "ACT-003",
                place(other, "/method"),
                json!(method),
                Some(&got),
                message,
            );
        } else if let Some(repeated) = effects.repeated {
            let message = "is a request after one that was not redirected";
            let place = format!("/side_effects/{repeated}");
            found.say("ACT-004", place, none(), Some(&got), message);
        } else if effects.requests > MOST_REQUESTS {
            let got = json!(format!("{} requests", effects.requests));
            let expected = json!(format!("at most {MOST_REQUESTS} requests"));
            let message = "have more redirects of one action than are followed";
            found.say("ACT-020", "/side_effects", expected, Some(&got), message);
        }
    }
    if let Some((index, status)) = effects.last.as_ref().filter(|_| step.end.brought) {
        let requirement = match status {
            Some(200..=299) => return,
            Some(300..=399) if !action.is("method", "GET") => "ACT-021",
            Some(_) => "ACT-011",
            None => "ACT-017",
        };
        let message = "is not that of a success, and yet the action succeeded";
        let place = format!("/side_effects/{index}/status");
        found.say(
            requirement,
            place,
            json!("2xx"),
            Some(&json!(status)),
            message,
        );
    }
}

/// Whether a path is one of those that are refused as they stand (`spec/storage.md`).
pub(super) fn leads_astray(path: &str) -> bool {
    let segments = path.split('/');
    let plain = |segment: &str| !matches!(segment, "" | "." | "..");
    let forbidden = |c: char| c == '\\' || c == ':' || c.is_control();
    !segments.into_iter().all(plain) || path.contains(forbidden)
}

pub(super) fn missing(number: u64, kind: &str, found: &mut Findings<'_>) {
    found.say(
        "TRN-012",
        "/side_effects",
        json!(format!(
            "an effect of kind {kind} with step_number {number}"
        )),
        None,
        "have no entry for an action whose result says that there was one",
    );
}

pub(super) fn violations(
    requirement: &str,
    schema: Option<&Schema>,
    value: &Value,
    place: &str,
    words: &str,
    found: &mut Findings<'_>,
) {
    let violations = schema
        .map(|schema| schema.violations(value))
        .unwrap_or_default();
    for violation in violations.into_iter().take(MOST) {
        found.say(
            requirement,
            format!("{place}{}", violation.pointer),
            json!(format!("as {words} says")),
            value.pointer(&violation.pointer),
            &format!("{} ({})", violation.message, violation.rule),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::secrets::Secrets;

    fn requirements(look: impl FnOnce(&mut Findings<'_>)) -> Vec<String> {
        let secrets = Secrets::default();
        let mut found = Findings::new(&secrets, None);
        look(&mut found);
        let told = found.all().into_iter();
        told.map(|told| told.finding.requirement).collect()
    }

    #[test]
    fn a_path_is_used_unless_its_step_was_skipped() {
        let rules = Rules::new(
            json!({"actions": [{"name": "keep", "type": "write_file", "root": "memory:x/",
            "input_schema": true, "output_schema": true, "conditional": "false"}]}),
        );
        let mut step = json!({"plan": {"action": "keep", "args": {"path": "../up", "content": ""}},
            "result": {"action_name": "keep", "success": true, "output": null, "error": null}});
        let of = |step: &Value| {
            requirements(|found| rules.step(step, &Head::default(), "/steps/0", found))
        };
        let strays = |step: &Value| of(step).iter().any(|requirement| requirement == "STO-017");
        assert!(strays(&step));
        // Only this status says that it was skipped.
        step["result"]["status"] = json!("executed");
        assert!(strays(&step));
        step["result"]["status"] = json!("skipped");
        assert!(!strays(&step));
    }

    #[test]
    fn an_action_with_a_guarded_fallback_may_be_kept_from_the_contract() {
        let guard = json!({"required_scopes": ["pay"]});
        let rules = Rules::new(json!({"actions": [
            {"name": "first", "fallback_action": "second"},
            {"name": "second", "fallback_action": "third"},
            {"name": "third", "access_control": guard},
            {"name": "written", "fallback_action": {"name": "own", "access_control": guard}},
            {"name": "circle", "fallback_action": "circle"},
        ]}));
        let missing = requirements(|found| {
            rules.contract("sha256:x", "nothing", &Head::default(), found);
        });
        assert_eq!(
            missing,
            ["MOD-001"],
            "only `circle` asks nothing of the caller"
        );
    }
}
