//! An action and its fallback, which are one step: when the fallback must have run, which one it is, and the effects of both
//! (`spec/workflows.md`, sections 10 and 15). Whose effect is whose nobody can always tell, so little is asked of them.

use serde_json::{Value, json};

use super::findings::Findings;
use super::head::Head;
use super::ledger::{Attempt, Effects, Step};
use super::rules::{Action, Rules, leads_astray, missing};
use super::{reach, sent, text};

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
    let is_elsewhere = requests(both, effects, found) || reach::check(&both, effects, found);
    replies(number, both, step, effects, is_elsewhere, found);
    if let Some(file) = &effects.file
        && step.files.iter().any(Option::is_some)
        && !step.files.contains(&Some(file.target))
        // A fallback that is written out has an input of its own.
        && first.definition.get("fallback_action").is_none_or(Value::is_string)
    {
        let expected = json!("the root of the action followed by the path of the plan");
        let message = "is not the file of the plan";
        let place = format!("/side_effects/{}/target", file.index);
        found.say("TRN-013", place, expected, None, message);
    }
}

/// The requests of two actions of which neither is code nor a plugin: each has the method of one of them, and its endpoint unless it was
/// redirected. Back comes whether something is wrong with one.
fn requests(both: [&Action; 2], effects: &Effects, found: &mut Findings<'_>) -> bool {
    let is_api = |action: &&&Action| action.kind() == "invoke_api";
    if !both
        .iter()
        .all(|action| is_api(&action) || action.is_of_files())
    {
        return false;
    }
    let apis: Vec<&Action> = both.iter().filter(is_api).copied().collect();
    let methods: Vec<&str> = apis
        .iter()
        .map(|api| text(&api.definition, "method"))
        .collect();
    let endpoints: Option<Vec<_>> = apis.iter().map(|api| api.endpoint.as_ref()).collect();
    let was_redirected = methods.contains(&"GET");
    let seen = [
        &effects.first_request,
        &effects.second_request,
        &effects.other_method,
    ];
    for request in seen.into_iter().flatten() {
        let place = |member: &str| format!("/side_effects/{}/{member}", request.index);
        if !methods.contains(&&*request.method) && !apis.is_empty() {
            let message = "is the method of neither the action nor its fallback";
            let got = json!(&*request.method);
            let expected = json!({"$any_of": methods});
            found.say("ACT-003", place("method"), expected, Some(&got), message);
            return true;
        }
        if let Some(endpoints) = endpoints.as_ref().filter(|own| !own.is_empty())
            && !was_redirected
            && !endpoints.iter().any(|own| own.is(&request.target))
        {
            let message = "is neither the endpoint of the action nor that of its fallback";
            let got = json!(&*request.target);
            let shown: Vec<&str> = endpoints.iter().map(|own| own.shown()).collect();
            let expected = json!({"$any_of": shown});
            found.say("TRN-013", place("target"), expected, Some(&got), message);
            return true;
        }
    }
    false
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
    is_elsewhere: bool,
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
    for (action, _) in each().filter(asked) {
        let own = action.endpoint.as_ref();
        // With fewer requests than replies one is told to be missing already.
        if !is_elsewhere
            && effects.requests >= each().filter(asked).count() as u64
            && own.is_some_and(|own| !effects.hosts.iter().any(|(_, host)| own.is_at(host)))
        {
            missing(number, "http", found);
        }
    }
    if let [planned, _] = both
        && let Some(([attempt, _], first)) =
            step.attempts.as_deref().zip(effects.first_request.as_ref())
        && planned.kind() == "invoke_api"
        && !planned.is("method", "GET")
        && planned
            .endpoint
            .as_ref()
            .is_some_and(|own| own.is_at(&first.host))
        && attempt.code.as_deref() == Some("upstream_status")
        && effects.first_status != attempt.upstream
    {
        let message = "is not the status that the attempt of the action names";
        let place = format!("/side_effects/{}/status", first.index);
        let (expected, got) = (json!(attempt.upstream), json!(effects.first_status));
        found.say("ACT-011", place, expected, Some(&got), message);
        return;
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
