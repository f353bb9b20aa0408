//! Times of a transcript: their form, and when a step had ended (`spec/transcripts.md`, sections 2.1 and 4.1).

use std::sync::OnceLock;

use jiff::{SignedDuration, Timestamp};
use regex::Regex;
use serde_json::{Value, json};

use super::findings::Findings;
use super::{MEMBERS, text, time};

/// What two readings of one clock can differ by, for they are cut to milliseconds.
pub(super) const ROUNDING: SignedDuration = SignedDuration::from_millis(10);

/// Longest duration that is added to a time, in milliseconds: a hundred years.
const MOST: f64 = 3.2e12;

/// The form of times: UTC, with at least milliseconds.
const FORM: &str =
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3,}([Zz]|[+-]00:00)$";

/// Looks at the form of times; what is no time at all is the schema's business.
pub(super) fn forms(value: &Value, members: &[&str], pointer: &str, found: &mut Findings<'_>) {
    static PATTERN: OnceLock<Option<Regex>> = OnceLock::new();
    let Some(pattern) = PATTERN.get_or_init(|| Regex::new(FORM).ok()) else {
        return;
    };
    for member in members {
        if time(value, member).is_some() && !pattern.is_match(text(value, member)) {
            let place = format!("{pointer}/{member}");
            let expected = json!("a time in UTC with at least milliseconds");
            let message = "is a time in another form";
            found.say(MEMBERS, place, expected, value.get(member), message);
        }
    }
}

/// The latest time that another reading of the clock can give for the same moment.
pub(super) fn latest(at: Timestamp) -> Timestamp {
    at.checked_add(ROUNDING).unwrap_or(Timestamp::MAX)
}

/// A number of milliseconds.
pub(super) fn duration(step: &Value) -> Option<SignedDuration> {
    let ms = step.get("duration_ms")?.as_f64()?;
    (0.0..=MOST)
        .contains(&ms)
        .then(|| SignedDuration::from_secs_f64(ms / 1_000.0))
}

/// When a step had its result.
pub(super) fn ended(step: &Value) -> Option<Timestamp> {
    time(step, "started_at")?.checked_add(duration(step)?).ok()
}
