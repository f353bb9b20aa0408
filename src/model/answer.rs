//! What the answers of all wires have in common: statuses, JSON, reasons for the end, `Retry-After`.

use serde_json::Value;

use super::{LARGEST_ANSWER, ModelFailure};
use crate::json::{self, Duplicates, Limits};

/// Deepest nesting of an answer that is read.
const DEEPEST: usize = 64;

/// Longest name of a reason that is kept, in characters; those that there are have less than half of it.
const LONGEST_REASON: usize = 64;

/// The names by which the wires say that a reply was ended by the bound on its length.
const CUT_OFF: [&str; 4] = [
    "length",
    "max_tokens",
    "MAX_TOKENS",
    "model_context_window_exceeded",
];

/// The longest `Retry-After` in seconds that is passed on, some thirty years; every client can count so far.
const MOST_SECONDS: u64 = 999_999_999;

/// The JSON of an answer that came in one piece.
///
/// # Errors
/// A status other than 2xx, or a body that is not JSON.
pub(super) fn json_of(
    status: u16,
    retry_after: Option<&str>,
    body: &[u8],
) -> Result<Value, ModelFailure> {
    if !(200..300).contains(&status) {
        return Err(ModelFailure {
            message: format!("the model answered {status}"),
            retry_after: retry_after.and_then(passed_on),
            status: Some(status),
        });
    }
    json_in(body).map_err(|failure| ModelFailure {
        status: Some(status),
        ..failure
    })
}

/// The JSON of an answer, or of an event in one.
pub(super) fn json_in(text: &[u8]) -> Result<Value, ModelFailure> {
    let limits = Limits {
        bytes: LARGEST_ANSWER,
        depth: DEEPEST,
    };
    json::read(text, &limits, Duplicates::KeepLast)
        .map_err(|_| ModelFailure::new("the model's answer is not JSON"))
}

/// Whether a reply that ended for this reason was cut off at its longest length (`spec/model.md` 3.5).
pub fn is_cut_off(reason: &str) -> bool {
    CUT_OFF.contains(&reason)
}

/// A reason as it is kept.
pub(super) fn reason(value: Option<&Value>) -> Option<String> {
    let name = value?.as_str()?;
    Some(name.chars().take(LONGEST_REASON).collect())
}

/// A count of tokens; what is no count is none. Some wires write whole numbers as fractions.
pub(super) fn count(value: Option<&Value>) -> u64 {
    let whole = |value: &Value| {
        let fraction = value.as_f64()?;
        // Past 2^53 a fraction is no count any more.
        (0.0..9e15).contains(&fraction).then_some(fraction as u64)
    };
    value
        .and_then(|value| value.as_u64().or_else(|| whole(value)))
        .unwrap_or(0)
}

/// The `text` members of a list of items of the type `text`, joined; items of other types are no part of the reply.
pub(super) fn joined_text(items: &[Value]) -> String {
    let is_text = |item: &&Value| item.get("type").and_then(Value::as_str) == Some("text");
    items
        .iter()
        .filter(is_text)
        .filter_map(|item| item.get("text").and_then(Value::as_str))
        .collect()
}

/// A `Retry-After` as it is passed on: seconds, or an HTTP date. Anything else, which could carry any text, is not repeated to
/// clients, and of seconds no more than a client may be told ([`MOST_SECONDS`]): who asks for longer is not heard as who asks for
/// nothing.
fn passed_on(value: &str) -> Option<String> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds: u64 = value.parse().unwrap_or(MOST_SECONDS);
        return Some(seconds.min(MOST_SECONDS).to_string());
    }
    is_http_date(value).then(|| value.to_owned())
}

/// The one form of a date that RFC 9110 lets a server send: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn is_http_date(value: &str) -> bool {
    const DAYS: &str = "Mon Tue Wed Thu Fri Sat Sun";
    const MONTHS: &str = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec";
    const FORM: &[u8] = b"@@@, 99 @@@ 9999 99:99:99 GMT";
    let fits = |(byte, form): (u8, &u8)| match form {
        b'9' => byte.is_ascii_digit(),
        b'@' => byte.is_ascii_alphabetic(),
        other => byte == *other,
    };
    let names = |list: &str, range| {
        let name = value.get(range);
        name.is_some_and(|name| list.split(' ').any(|known| known == name))
    };
    value.len() == FORM.len()
        && value.bytes().zip(FORM).all(fits)
        && names(DAYS, 0..3)
        && names(MONTHS, 8..11)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_times_are_passed_on() {
        let passed = |value| {
            let failure = json_of(503, Some(value), b"").expect_err("a failure");
            failure.retry_after.is_some()
        };
        assert!(passed("0") && passed("86400") && passed("Sun, 06 Nov 1994 08:49:37 GMT"));
        let as_sent = |value| {
            let failure = json_of(503, Some(value), b"").expect_err("a failure");
            failure.retry_after.unwrap_or_default()
        };
        assert_eq!(as_sent(" 7 "), "7");
        assert_eq!(as_sent("99999"), "99999");
        // Longer than can be counted is long all the same, and its digits are nobody's to repeat.
        for long in ["1234567890", "99999999999999999999999", &"9".repeat(5000)] {
            assert_eq!(as_sent(long), "999999999");
        }
        // The last is a key in base64, which a model that echoes its request could send.
        for text in [
            "",
            "a\"b",
            "-1",
            "1.5",
            "12345678901234567890x",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Key, 06 Nov 1994 08:49:37 GMT",
            "c2stdGVzdC1tb2RlbC1rZXktMDAwMQ",
        ] {
            assert!(!passed(text), "{text}");
        }
    }

    #[test]
    fn counts_are_whole_whatever_is_sent() {
        let counts = json!([3, 4.0, -1, -0.5, 1e300, "5", null, true]);
        let read: Vec<u64> = counts
            .as_array()
            .into_iter()
            .flatten()
            .map(|value| count(Some(value)))
            .collect();
        assert_eq!(read, [3, 4, 0, 0, 0, 0, 0, 0]);
        assert_eq!(count(None), 0);
    }

    #[test]
    fn reasons_are_short_texts() {
        assert_eq!(reason(Some(&json!("stop"))).as_deref(), Some("stop"));
        let long = json!("é".repeat(1000));
        assert_eq!(
            reason(Some(&long)).map(|kept| kept.chars().count()),
            Some(64)
        );
        assert_eq!(reason(Some(&json!({}))), None);
        assert_eq!(reason(None), None);
        assert!(is_cut_off("length") && is_cut_off("max_tokens") && is_cut_off("MAX_TOKENS"));
        assert!(!is_cut_off("stop") && !is_cut_off("end_turn") && !is_cut_off("COMPLETE"));
    }
}
