//! Error objects inside a transcript: the closed list of codes, and what single codes must say (`spec/errors.md`; `spec/actions.md`).

use std::sync::OnceLock;

use regex::Regex;
use serde_json::{Value, json};

use super::findings::Findings;
use super::{array, number, text};
use crate::suite::wire::Wire;

/// What no message may hold: stack traces, source files with their lines, paths of a host.
const INSIDES: &str = r#"(?x)
    Traceback\ \(most\ recent
  | ^\s+at\ \S.*:\d+:\d+\)?$
  | \bstack\ backtrace:
  | \b[\w-]+\.(?:rs|py|js|mjs|ts|go|java|rb|php|cs|c|cc|cpp):\d+
  | (?:^|[\s'"(=])/(?:home|root|Users|usr|opt|srv|var/lib)/[\w.-]+
  | \b[A-Z]:\\(?:Users|Windows|Program)
"#;

/// All error objects of a turn.
pub(super) fn of_turn(turn: &Value, pointer: &str, wire: &Wire, found: &mut Findings<'_>) {
    for (at, refusal) in array(turn, "refused").enumerate() {
        one(refusal, &format!("{pointer}/refused/{at}"), wire, found);
    }
    if let Some(error) = turn.get("error") {
        one(error, &format!("{pointer}/error"), wire, found);
    }
}

/// All error objects of a result.
pub(super) fn of_result(result: &Value, pointer: &str, wire: &Wire, found: &mut Findings<'_>) {
    if let Some(error) = result.get("error") {
        let pointer = format!("{pointer}/error");
        one(error, &pointer, wire, found);
        of_service(error, &pointer, found);
    }
    for (at, attempt) in array(result, "attempts").enumerate() {
        if let Some(error) = attempt.get("error") {
            let pointer = format!("{pointer}/attempts/{at}/error");
            one(error, &pointer, wire, found);
            of_service(error, &pointer, found);
        }
    }
}

fn one(error: &Value, pointer: &str, wire: &Wire, found: &mut Findings<'_>) {
    if !error.is_object() {
        return;
    }
    if let Some(mut wrong) = wire.error(None, error) {
        wrong.difference.pointer.insert_str(0, pointer);
        found.push(wrong);
    }
    static PATTERN: OnceLock<Option<Regex>> = OnceLock::new();
    let pattern = PATTERN.get_or_init(|| {
        let built = regex::RegexBuilder::new(INSIDES).multi_line(true).build();
        built.ok()
    });
    let message = text(error, "message");
    if pattern
        .as_ref()
        .is_some_and(|pattern| pattern.is_match(message))
    {
        found.say(
            "ERR-005",
            format!("{pointer}/message"),
            json!("words, without a stack trace, a path of the host or a source file"),
            error.get("message"),
            "shows the insides of the runtime",
        );
    }
}

/// What the details of an attempt's error must say.
fn of_service(error: &Value, pointer: &str, found: &mut Findings<'_>) {
    let details = error.get("details").unwrap_or(&Value::Null);
    match text(error, "errorCode") {
        "upstream_status" => upstream(error, details, pointer, found),
        "rate_limited" if number(details, "retry_after").is_none() => found.say(
            "ACC-031",
            format!("{pointer}/details/retry_after"),
            json!("whole seconds"),
            details.get("retry_after"),
            "does not say when to call again",
        ),
        _ => {}
    }
}

/// The status of the service, and what it says of another attempt.
fn upstream(error: &Value, details: &Value, pointer: &str, found: &mut Findings<'_>) {
    let Some(status) = number(details, "status").filter(|status| !(200..300).contains(status))
    else {
        found.say(
            "ACT-011",
            format!("{pointer}/details/status"),
            json!("the status of the service, which is not 2xx"),
            details.get("status"),
            "is not the status of a service that refused",
        );
        return;
    };
    let retryable = matches!(status, 408 | 429) || status >= 500;
    if error.get("retryable") != Some(&Value::Bool(retryable)) {
        found.say(
            "ACT-012",
            format!("{pointer}/retryable"),
            json!(retryable),
            error.get("retryable"),
            "is not what the status of the service says",
        );
    }
}
