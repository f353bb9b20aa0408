//! What was sent for one step beside the result that it had (`spec/actions.md`, sections 2 to 4; `spec/storage.md`; `spec/transcripts.md`,
//! section 6). Of a fallback's two attempts nobody can tell whose effect is whose, so little is asked of them.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::findings::Findings;
use super::ledger::{Effects, Step};
use super::rules::{Action, address};
use super::times::ROUNDING;

/// The time limit of an action that declares none, in milliseconds (`spec/manifests.md`, 5.1).
const TIMEOUT: u64 = 10_000;

/// What else than waiting for a reply can lie between the sending and the result.
const GRACE: SignedDuration = SignedDuration::from_secs(1);

/// Failures of a reply that came whole, with a status of 2xx.
const OF_A_REPLY: [&str; 4] = [
    "invalid_response",
    "output_validation_failed",
    "result_path_blocked",
    "observation_too_large",
];

/// Failures of a file that was asked for.
const OF_A_FILE: [&str; 5] = [
    "file_not_found",
    "storage_unavailable",
    "output_validation_failed",
    "result_path_blocked",
    "observation_too_large",
];

/// Whether a result says that a service replied.
pub(super) fn of_a_reply(step: &Step) -> bool {
    let code = step.code.as_deref().unwrap_or_default();
    let others = ["upstream_status", "response_too_large", "redirect_refused"];
    step.brought || OF_A_REPLY.contains(&code) || others.contains(&code)
}

/// Whether a result says that a store was asked.
pub(super) fn of_a_file(step: &Step) -> bool {
    let code = step.code.as_deref().unwrap_or_default();
    step.brought || OF_A_FILE.contains(&code)
}

/// The effects of an action and its fallback: each is of one of the two.
pub(super) fn of_two(
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

/// Everything about the effects of a step that its result, or its action, contradicts.
pub(super) fn check(action: &Action, step: &Step, effects: &Effects, found: &mut Findings<'_>) {
    match action.kind() {
        "invoke_api" => {
            strange(effects.file.as_ref().map(|file| file.index), "file", found);
            status(action, step, effects, found);
            time(action, step, effects, found);
        }
        kind @ ("read_file" | "write_file") => {
            let request = effects.first_request.as_ref();
            strange(request.map(|request| request.index), "http", found);
            file(kind, step, effects, found);
        }
        "human_intervention" => {
            strange(effects.first.map(|(index, _)| index), "http or file", found);
        }
        _ => {}
    }
}

fn strange(index: Option<u64>, kind: &str, found: &mut Findings<'_>) {
    if let Some(index) = index {
        let got = json!(format!("an effect of kind {kind}"));
        let message = "is none that the action of its step has";
        let place = format!("/side_effects/{index}");
        found.say(
            "TRN-012",
            place,
            json!({"$absent": true}),
            Some(&got),
            message,
        );
    }
}

/// The status of the last reply fits the result.
fn status(action: &Action, step: &Step, effects: &Effects, found: &mut Findings<'_>) {
    let Some((index, status)) = effects.last else {
        return;
    };
    let code = step.code.as_deref().unwrap_or_default();
    let of_a_reply = OF_A_REPLY.contains(&code);
    let (requirement, expected, message) = match status {
        Some(204)
            if step.brought && !step.is_null && action.definition.get("response_map").is_none() =>
        {
            (
                "ACT-014",
                json!("another than 204"),
                "has no body, and yet the result has an output",
            )
        }
        None if of_a_reply || code == "response_too_large" => (
            "ACT-017",
            json!("the status of a reply"),
            "says that there was no reply, and yet the result is about one",
        ),
        Some(status) if !(200..300).contains(&status) && of_a_reply => (
            "ACT-011",
            json!("2xx"),
            "is that of a service that refused, and the result is about something else",
        ),
        status if code == "redirect_refused" && !matches!(status, Some(300..=399)) => (
            "ACT-019",
            json!("the status of a redirect"),
            "is none of a redirect, and yet one was refused",
        ),
        _ => return,
    };
    let place = format!("/side_effects/{index}/status");
    found.say(requirement, place, expected, Some(&json!(status)), message);
}

/// The time limit of an action.
fn time(action: &Action, step: &Step, effects: &Effects, found: &mut Findings<'_>) {
    let limit = action
        .definition
        .get("timeout_ms")
        .map_or(Some(TIMEOUT), Value::as_u64);
    let limit = limit.and_then(|limit| i64::try_from(limit).ok());
    let (Some(limit), Some(started), Some(ended)) = (limit, step.started, step.ended) else {
        return;
    };
    let limit = SignedDuration::from_millis(limit);
    let place = format!("/steps/{}/duration_ms", step.index);
    if step.code.as_deref() == Some("upstream_timeout")
        && started.duration_until(ended) + ROUNDING < limit
    {
        let expected = json!(format!("at least {} ms", limit.as_millis()));
        let got = json!(started.duration_until(ended).as_millis() as i64);
        let message = "is shorter than the time that the action has, and yet it timed out";
        found.say("ACT-016", place, expected, Some(&got), message);
    } else if let Some(sent) = effects.sent.filter(|_| step.brought)
        && sent.duration_until(ended) > limit + GRACE
    {
        let expected = json!(format!("upstream_timeout after {} ms", limit.as_millis()));
        let got = json!(format!(
            "a result {} ms after the request",
            sent.duration_until(ended).as_millis()
        ));
        let message = "is longer than the action may take, and yet it succeeded";
        found.say("ACT-016", place, expected, Some(&got), message);
    }
}

/// What was done to a file.
fn file(kind: &str, step: &Step, effects: &Effects, found: &mut Findings<'_>) {
    let Some(file) = &effects.file else { return };
    let place = |member: &str| format!("/side_effects/{}{member}", file.index);
    let writes = kind == "write_file";
    if file.writes != writes {
        let expected = json!(if writes { "write" } else { "read" });
        let got = json!(if file.writes { "write" } else { "read" });
        let message = "is not what the action does";
        found.say("STO-015", place("/method"), expected, Some(&got), message);
    }
    if step
        .files
        .first()
        .copied()
        .flatten()
        .is_some_and(|own| own != file.target)
    {
        let expected = json!("the root of the action followed by the path of the plan");
        let message = "is not the file of the plan";
        found.say("TRN-013", place("/target"), expected, None, message);
    }
    if effects.files > 1 {
        let got = json!(format!("{} effects on files", effects.files));
        let message = "have more than one of an action that reads or writes once";
        found.say(
            "TRN-012",
            "/side_effects",
            json!("one"),
            Some(&got),
            message,
        );
    }
    let status = &*file.status;
    let code = step.code.as_deref();
    // What was read can still break the output's schema.
    if status != "ok" && (step.brought || code != Some(status)) {
        let expected = json!(code.unwrap_or("ok"));
        let message = "is not what came of the step";
        found.say(
            "TRN-012",
            place("/status"),
            expected,
            Some(&json!(status)),
            message,
        );
    }
}
