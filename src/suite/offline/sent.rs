//! What was sent for one step beside the result that it had (`spec/actions.md`, sections 2 to 4; `spec/storage.md`; `spec/transcripts.md`,
//! section 6).

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::findings::Findings;
use super::ledger::{Attempt, Effects, Step};
use super::reach;
use super::rules::Action;
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
pub(super) fn of_a_reply(attempt: &Attempt) -> bool {
    let code = attempt.code.as_deref().unwrap_or_default();
    let others = ["upstream_status", "response_too_large", "redirect_refused"];
    attempt.brought || OF_A_REPLY.contains(&code) || others.contains(&code)
}

/// Whether a result says that a store was asked.
pub(super) fn of_a_file(attempt: &Attempt) -> bool {
    let code = attempt.code.as_deref().unwrap_or_default();
    attempt.brought || OF_A_FILE.contains(&code)
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
        // The files of code are its own, and a plugin is a request or such code.
        "run_code" => {
            strange(effects.file.as_ref().map(|file| file.index), "file", found);
            reach::check(&[action], effects, found);
        }
        "plugin" => strange(effects.file.as_ref().map(|file| file.index), "file", found),
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
    let code = step.code().unwrap_or_default();
    let of_a_reply = OF_A_REPLY.contains(&code);
    let (requirement, expected, message) = match status {
        Some(204)
            if step.end.brought
                && !step.is_null
                && action.definition.get("response_map").is_none() =>
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
    if step.code() == Some("upstream_timeout") && started.duration_until(ended) + ROUNDING < limit {
        let expected = json!(format!("at least {} ms", limit.as_millis()));
        let got = json!(started.duration_until(ended).as_millis() as i64);
        let message = "is shorter than the time that the action has, and yet it timed out";
        found.say("ACT-016", place, expected, Some(&got), message);
    } else if let Some(sent) = effects.sent.filter(|_| step.end.brought)
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
    let code = step.code();
    // What was read can still break the output's schema.
    if status != "ok" && (step.end.brought || code != Some(status)) {
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
