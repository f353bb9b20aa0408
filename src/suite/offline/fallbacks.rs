//! An action and its fallback, which are one step: when the fallback must have run, which one it is, and the effects of both
//! (`spec/workflows.md`, sections 10 and 15). Whose effect is whose nobody can always tell, so little is asked of them.

use serde_json::{Value, json};

use super::findings::Findings;
use super::head::Head;
use super::ledger::{Attempt, Effects, Step};
use super::rules::{Action, Rules, address, leads_astray, missing};
use super::{sent, text};

impl Rules {
    /// A fallback that nothing keeps from running runs after each failure that allows it.
    pub(super) fn unsaved(
        &self,
        step: &Value,
        head: &Head,
        pointer: &str,
        found: &mut Findings<'_>,
    ) {
        let error = step.pointer("/result/error").unwrap_or(&Value::Null);
        let planned = self
            .actions
            .get(text(step.get("plan").unwrap_or(&Value::Null), "action"));
        let Some(fallback) = planned
            .and_then(|action| action.definition.get("fallback_action"))
            .and_then(Value::as_str)
        else {
            return;
        };
        let ran = step.pointer("/result/attempts").is_some();
        if !ran && allows(error) && self.must_run(fallback, step, head) {
            let expected = json!(format!("the attempts of the action and of {fallback}"));
            let message = "are missing, though nothing kept the fallback from running";
            let place = format!("{pointer}/result/attempts");
            found.say("WFL-070", place, expected, None, message);
        }
    }

    /// Whether nothing in the manifest, the session or the plan can keep a fallback from running. What needs a credential, or an address
    /// that may be called, can fail before anybody would say that it ran.
    fn must_run(&self, name: &str, step: &Value, head: &Head) -> bool {
        let Some(action) = self.actions.get(name) else {
            return false;
        };
        let args = step.pointer("/plan/args").unwrap_or(&Value::Null);
        let is_local = match action.kind() {
            "run_code" => true,
            "read_file" | "write_file" => !leads_astray(text(args, "path")),
            _ => false,
        };
        let free = |member: &str| action.definition.get(member).is_none();
        is_local
            && free("access_control")
            && free("conditional")
            && self.forbidden(name, action, head).is_none()
            && action.takes(args)
    }
}

/// Whether a fallback runs after a failure. What ended with a process, or with the session, is over.
fn allows(error: &Value) -> bool {
    match text(error, "errorCode") {
        "upstream_unreachable" => error.get("retryable") != Some(&Value::Bool(false)),
        "sandbox_cancelled" => false,
        "upstream_timeout"
        | "upstream_status"
        | "redirect_refused"
        | "plugin_error"
        | "storage_unavailable" => true,
        code => code.starts_with("sandbox_"),
    }
}

/// The fallback that ran is the one that the action declares.
pub(super) fn declared(planned: &Action, step: &Step, found: &mut Findings<'_>) {
    // A plugin's descriptor can have one of its own, and what is written out need have no name.
    let own = planned.definition.get("fallback_action");
    let is_own = match own {
        Some(Value::String(own)) => **own == *step.action,
        own => own.is_some() || planned.kind() == "plugin",
    };
    if !is_own {
        let expected = own.cloned().unwrap_or_else(|| json!({"$absent": true}));
        let message = "is no fallback that the action declares";
        let place = format!("/steps/{}/result/action_name", step.index);
        let got = json!(&*step.action);
        found.say("WFL-114", place, expected, Some(&got), message);
    }
}

/// The effects of an action and its fallback: each is of one of the two.
pub(super) fn of_two(
    number: u64,
    both: [Option<&Action>; 2],
    step: &Step,
    effects: &Effects,
    found: &mut Findings<'_>,
) {
    let [Some(first), Some(second)] = both else {
        return;
    };
    let both = [first, second];
    once(both, effects, found);
    replies(number, both, step, effects, found);
    let place = |index: u64| format!("/side_effects/{index}/target");
    // What was redirected can be elsewhere.
    let apis = both.map(|action| action.kind() == "invoke_api" && !action.is("method", "GET"));
    let endpoints = both.map(|action| action.endpoint.as_deref());
    if let Some(request) = &effects.first_request
        && both
            .iter()
            .zip(apis)
            .all(|(action, api)| api || action.is_of_files())
        && both
            .iter()
            .zip(endpoints)
            .all(|(action, own)| own.is_some() || action.is_of_files())
        && let Some(called) = address(&request.target)
        && !endpoints.contains(&Some(&*called))
    {
        let message = "is neither the endpoint of the action nor that of its fallback";
        let got = json!(&*request.target);
        found.say(
            "TRN-013",
            place(request.index),
            json!(endpoints),
            Some(&got),
            message,
        );
    }
    if let Some(file) = &effects.file
        && step.files.iter().any(Option::is_some)
        && !step.files.contains(&Some(file.target))
        // A fallback that is written out has an input of its own.
        && first.definition.get("fallback_action").is_none_or(Value::is_string)
    {
        let expected = json!("the root of the action followed by the path of the plan");
        let message = "is not the file of the plan";
        found.say("TRN-013", place(file.index), expected, None, message);
    }
}

/// Each of the two acts once.
fn once(both: [&Action; 2], effects: &Effects, found: &mut Findings<'_>) {
    let of =
        |wanted: fn(&Action) -> bool| both.iter().filter(|action| wanted(action)).count() as u64;
    let apis = of(|action| action.kind() == "invoke_api");
    // Others than these can send what they like, and a GET can be redirected.
    let counted = both.iter().all(|action| {
        action.is_of_files() || action.kind() == "invoke_api" && !action.is("method", "GET")
    });
    if counted && effects.requests > apis {
        let expected = json!(format!("at most {apis} requests"));
        let got = json!(format!("{} requests", effects.requests));
        let message = "have more requests than an action and its fallback send";
        found.say("ACT-004", "/side_effects", expected, Some(&got), message);
    }
    let files = of(Action::is_of_files);
    if counted && effects.files > files {
        let expected = json!(format!("at most {files} on files"));
        let got = json!(format!("{} on files", effects.files));
        let message = "have more on files than an action and its fallback do";
        found.say("TRN-012", "/side_effects", expected, Some(&got), message);
    }
}

/// What an attempt's result says of a reply, or of a file, stands among the effects.
fn replies(
    number: u64,
    both: [&Action; 2],
    step: &Step,
    effects: &Effects,
    found: &mut Findings<'_>,
) {
    let Some(attempts) = &step.attempts else {
        return;
    };
    let each = || both.into_iter().zip(attempts.iter());
    let asked = |(action, attempt): &(&Action, &Attempt)| {
        let is_api = action.kind() == "invoke_api" && action.definition.get("cache").is_none();
        is_api && sent::of_a_reply(attempt)
    };
    if effects.requests < each().filter(asked).count() as u64 {
        missing(number, "http", found);
    }
    let on_file =
        |(action, attempt): &(&Action, &Attempt)| action.is_of_files() && sent::of_a_file(attempt);
    if effects.files < each().filter(on_file).count() as u64 {
        missing(number, "file", found);
    }
    // The one that sends requests, if only one does, sent the last.
    let mut senders = each().filter(|(action, _)| !action.is_of_files());
    let (Some((action, attempt)), None, Some((index, status))) =
        (senders.next(), senders.next(), &effects.last)
    else {
        return;
    };
    if action.kind() != "invoke_api" {
        return;
    }
    let place = format!("/side_effects/{index}/status");
    let got = json!(status);
    if attempt.code.as_deref() == Some("upstream_status") && *status != attempt.upstream {
        let message = "is not the status that the attempt of the action names";
        let expected = json!(attempt.upstream);
        found.say("ACT-011", place, expected, Some(&got), message);
    } else if attempt.brought && !matches!(status, Some(200..=299)) {
        let message = "is not that of a success, and yet the attempt succeeded";
        found.say("ACT-011", place, json!("2xx"), Some(&got), message);
    }
}
