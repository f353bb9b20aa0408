//! Which failures may be the machine's doing and not the target's: they are verified again, each alone.
//!
//! Nothing is forgiven here. A case that passes alone is reported as flaky, with what was seen both times.

use std::time::Duration;

use serde_json::Value;

use super::case::Case;
use super::observed::Observed;
use super::target::{Exchange, SendError};
use super::verdict::Mismatch;

/// Most cases that are verified again in one run.
pub const MOST_CASES: usize = 100;
/// How long all of that may take: a target that is silent again and again is not slow by chance.
pub const MOST_TIME: Duration = Duration::from_secs(60);

/// The error of a target that waited in vain for a service (`spec/error-codes.toml`).
const TIMEOUT_CODE: &str = "upstream_timeout";

/// Whether a failure may be chance: the target gave no answer in time, or other cases ran at the same time (`together`) and the
/// failure is about time.
pub fn is_doubtful(
    case: &Case,
    observed: &Observed,
    mismatches: &[Mismatch],
    together: bool,
) -> bool {
    is_silent(observed) || together && (sets_times(case) || mismatches.iter().any(is_about_time))
}

fn is_silent(observed: &Observed) -> bool {
    let steps = observed.steps.iter().flat_map(|step| &step.exchanges);
    let mut all = observed.control.exchanges.iter().chain(steps);
    all.any(|exchange: &Exchange| {
        matches!(
            exchange.outcome,
            Err(SendError::TimedOut(_) | SendError::Unreachable(_) | SendError::Broken(_))
        )
    })
}

/// Whether a mismatch is about a tolerance, or the target gave up waiting.
fn is_about_time(mismatch: &Mismatch) -> bool {
    mismatch.no_answer
        || mismatch.expected.get("$between").is_some()
        || says(&mismatch.got, TIMEOUT_CODE)
        || says(&mismatch.expected, TIMEOUT_CODE)
}

fn says(value: &Value, word: &str) -> bool {
    match value {
        Value::String(text) => text.contains(word),
        Value::Array(items) => items.iter().any(|item| says(item, word)),
        Value::Object(members) => members.values().any(|member| says(member, word)),
        _ => false,
    }
}

/// Whether a case says how long something may or must take: a limit in its manifest, or a service that is late.
fn sets_times(case: &Case) -> bool {
    let manifest = case.manifest_changes().unwrap_or_default();
    has_milliseconds(&case.script())
        || manifest.patch.iter().any(has_milliseconds)
        || manifest.action_patch.values().any(has_milliseconds)
        || manifest.add_actions.iter().any(has_milliseconds)
}

fn has_milliseconds(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(has_milliseconds),
        Value::Object(members) => members
            .iter()
            .any(|(name, member)| name.ends_with("_ms") || has_milliseconds(member)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::prepare::Prepared;
    use crate::suite::target::HttpRequest;
    use serde_json::json;

    fn case(model: Value) -> Case {
        serde_json::from_value(json!({
            "id": "STP-001-a", "title": "t", "requirements": ["STP-001"], "manifest": "none", "model": model,
            "steps": [{"step": {}, "expect": {"status": 200}}]
        }))
        .expect("a case")
    }

    fn observed(error: Option<SendError>) -> Observed {
        let prepared = Prepared {
            document: Value::Null,
            name: String::new(),
            version: String::new(),
            digest: String::new(),
        };
        let mut observed = Observed::new("t".to_owned(), prepared);
        observed
            .control
            .exchanges
            .extend(error.map(|error| Exchange {
                request: HttpRequest::default(),
                outcome: Err(error),
                duration: Duration::ZERO,
                answered: None,
            }));
        observed
    }

    fn mismatch(expected: Value, got: Value) -> Mismatch {
        Mismatch {
            cites: Vec::new(),
            place: "step 1".to_owned(),
            pointer: String::new(),
            expected,
            got,
            message: String::new(),
            no_answer: false,
        }
    }

    #[test]
    fn silence_is_doubtful_however_the_case_ran() {
        let plain = case(json!([]));
        let late = observed(Some(SendError::TimedOut(Duration::from_secs(1))));
        assert!(is_doubtful(&plain, &late, &[], false));
        // A body that is too large is the target's doing.
        let large = observed(Some(SendError::TooLarge(9)));
        assert!(!is_doubtful(&plain, &large, &[], true));
    }

    #[test]
    fn what_is_about_time_is_doubtful_beside_others() {
        let (plain, quiet) = (case(json!([])), observed(None));
        let wrong = [mismatch(json!(1), json!(2))];
        assert!(!is_doubtful(&plain, &quiet, &wrong, true));
        for own in [
            mismatch(json!({"$between": [150, 250]}), json!(300)),
            mismatch(json!(true), json!({"errorCode": "upstream_timeout"})),
        ] {
            assert!(is_doubtful(
                &plain,
                &quiet,
                std::slice::from_ref(&own),
                true
            ));
            assert!(!is_doubtful(&plain, &quiet, &[own], false));
        }
        let timed = case(json!([{"emit": {"finished": true}, "delay_ms": 300}]));
        assert!(is_doubtful(&timed, &quiet, &wrong, true));
    }
}
