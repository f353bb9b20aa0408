//! Which calls are equal, and for how long a reply is as good as new.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::json;
use crate::runtime::request::Rendered;
pub use crate::runtime::shelf::Key;

/// The largest integer up to which a double tells every one from its neighbours.
const EXACT: u64 = 1 << 53;

/// A call, as far as equality goes.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The digest of the manifest.
    pub manifest: &'a str,
    /// The name of the action.
    pub action: &'a str,
    /// Who calls.
    pub subject: &'a str,
    /// Method, URL and headers without anything of the arguments and without a derived key, all variables replaced.
    pub request: &'a Rendered,
    /// The arguments.
    pub args: &'a Value,
}

/// The key of calls that are equal in everything.
pub fn call(asked: &Asked<'_>) -> Key {
    let mut hash = Sha256::new();
    for text in [asked.manifest, asked.action, asked.subject] {
        add(&mut hash, text);
    }
    add_request(&mut hash, asked.request);
    add_arguments(&mut hash, asked.args);
    hash.finalize().into()
}

/// The key of calls that are equal in everything but one argument.
pub fn but_for(asked: &Asked<'_>, member: &str) -> Key {
    let mut args = asked.args.clone();
    if let Value::Object(members) = &mut args {
        members.remove(member);
    }
    call(&Asked {
        args: &args,
        ..*asked
    })
}

/// Whether a reply of that time may be given now. A clock that was set back proves no age, so nothing is given then.
pub fn is_fresh(at: Timestamp, now: Timestamp, ttl: Duration) -> bool {
    let age = now.duration_since(at);
    !age.is_negative() && SignedDuration::try_from(ttl).is_ok_and(|ttl| age < ttl)
}

/// Adds a text to a hash, such that it cannot run into the next one.
pub(in crate::runtime) fn add(hash: &mut Sha256, text: &str) {
    hash.update(text.len().to_le_bytes());
    hash.update(text.as_bytes());
}

fn add_request(hash: &mut Sha256, request: &Rendered) {
    add(hash, request.method.as_str());
    add(hash, request.url.as_str());
    hash.update(request.headers.len().to_le_bytes());
    for (name, value) in &request.headers {
        add(hash, name);
        add(hash, value);
    }
}

/// Adds arguments to a hash: their canonical text, and large integers digit by digit.
pub(in crate::runtime) fn add_arguments(hash: &mut Sha256, args: &Value) {
    add(hash, &json::canonical(args));
    add_large_integers(hash, args);
}

/// Canonical JSON writes integers as doubles, and two large ones then look alike. Values whose canonical texts are equal have theirs
/// at the same places, so the digits one after another tell them apart.
fn add_large_integers(hash: &mut Sha256, value: &Value) {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => {}
        Value::Number(number) => {
            let whole = number
                .as_u64()
                .or_else(|| number.as_i64().map(i64::unsigned_abs));
            if whole.is_some_and(|whole| whole > EXACT) {
                add(hash, &number.to_string());
            }
        }
        Value::Array(elements) => elements
            .iter()
            .for_each(|element| add_large_integers(hash, element)),
        Value::Object(members) => {
            let mut names: Vec<&String> = members.keys().collect();
            names.sort_unstable();
            for member in names.into_iter().filter_map(|name| members.get(name)) {
                add_large_integers(hash, member);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Method;
    use reqwest::Url;
    use serde_json::json;

    fn request(token: &str) -> Rendered {
        Rendered {
            method: Method::Post,
            url: Url::parse("https://a.example/x").expect("a URL"),
            headers: vec![("authorization".to_owned(), token.to_owned())],
            body: None,
        }
    }

    fn key(subject: &str, token: &str, args: &Value) -> Key {
        call(&Asked {
            manifest: "sha256:1",
            action: "look",
            subject,
            request: &request(token),
            args,
        })
    }

    #[test]
    fn equal_calls_have_one_key_and_others_have_not() {
        let args = json!({"a": [1, {"x": 1, "y": 2}], "b": "2"});
        let one = key("s", "t", &args);
        assert_eq!(
            one,
            key("s", "t", &json!({"b": "2", "a": [1.0, {"y": 2, "x": 1}]}))
        );
        assert_ne!(one, key("S", "t", &args));
        assert_ne!(one, key("s", "u", &args));
        assert_ne!(one, key("s", "t", &json!({"a": [1, {"x": 1, "y": 2}]})));
        assert_ne!(
            one,
            key("s", "t", &json!({"a": [1, {"x": 1, "y": 2}], "b": 2}))
        );
    }

    #[test]
    fn large_integers_are_told_apart() {
        let large = |n: u64| key("s", "t", &json!({"a": [{"n": n}]}));
        assert_ne!(large(9_007_199_254_740_993), large(9_007_199_254_740_992));
        assert_ne!(large(u64::MAX), large(u64::MAX - 1));
        assert_ne!(
            key("s", "t", &json!(i64::MIN)),
            key("s", "t", &json!(i64::MIN + 1))
        );
    }

    #[test]
    fn calls_that_can_be_joined_differ_in_one_argument() {
        let request = request("t");
        let key = |args: Value| {
            but_for(
                &Asked {
                    manifest: "m",
                    action: "a",
                    subject: "s",
                    request: &request,
                    args: &args,
                },
                "ids",
            )
        };
        assert_eq!(
            key(json!({"ids": [1], "n": 1})),
            key(json!({"n": 1, "ids": []}))
        );
        assert_ne!(
            key(json!({"ids": [1], "n": 1})),
            key(json!({"ids": [1], "n": 2}))
        );
    }

    #[test]
    fn a_reply_is_good_until_its_time_and_not_at_it() {
        let at = Timestamp::UNIX_EPOCH;
        let after = |ms: i64| at + SignedDuration::from_millis(ms);
        let ttl = Duration::from_secs(30);
        assert!(is_fresh(at, at, ttl) && is_fresh(at, after(29_999), ttl));
        for late in [30_000, 30_001, -1] {
            assert!(!is_fresh(at, after(late), ttl), "{late}");
        }
    }
}
