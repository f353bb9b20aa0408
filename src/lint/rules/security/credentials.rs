//! Credentials that stand in a document instead of a reference to them.

use serde_json::Value;

use super::shapes::{self, Hit};
use super::texts::{self, Place};
use crate::lint::rule::Found;
use crate::lint::subject::{DocumentKind, Subject};

/// Members whose texts are long and mixed, and no secret.
const OF_NO_SECRET: [&str; 12] = [
    "description",
    "pattern",
    "patternProperties",
    "$ref",
    "$id",
    "$schema",
    "digest",
    "hash",
    "sha256",
    "checksum",
    "integrity",
    "etag",
];

/// What is at the end of a name that speaks of a secret, in lower case without separators.
const OF_SECRETS: [&str; 29] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "apikey",
    "accesskey",
    "secretkey",
    "privatekey",
    "signingkey",
    "encryptionkey",
    "authkey",
    "subscriptionkey",
    "token",
    "credential",
    "credentials",
    "authorization",
    "cookie",
    "xauth",
    "bearer",
    "jwt",
    "sessionid",
    "sessionkey",
    "appkey",
    "clientkey",
    "licensekey",
    "masterkey",
    "sharedkey",
    "accountkey",
];

/// Tokens that are none: they mark a place in a list, or name a unit of text.
const OF_OTHER_TOKENS: [&str; 8] = [
    "pagetoken",
    "nexttoken",
    "continuationtoken",
    "synctoken",
    "cursortoken",
    "maxtokens",
    "deltatoken",
    "stoptoken",
];

/// Whether rules of this file look at documents of the subject's kind.
fn is_judged(subject: &Subject<'_>) -> bool {
    matches!(subject.kind(), DocumentKind::Manifest | DocumentKind::Plan)
}

pub(super) fn known(subject: &Subject<'_>, found: &mut Found<'_>) {
    if !is_judged(subject) {
        return;
    }
    texts::each(subject.value(), &mut |place, value| {
        if let Value::String(text) = value
            && let Some(hit) = shapes::find(text)
            && (hit.branded || !is_auth(place))
        {
            tell(place, text, hit, found);
        }
    });
}

pub(super) fn in_urls(subject: &Subject<'_>, found: &mut Found<'_>) {
    if !is_judged(subject) {
        return;
    }
    texts::each(subject.value(), &mut |place, value| {
        if let Value::String(text) = value
            && place.name() != Some("endpoint")
            && let Some(hit) = shapes::user_information(text)
        {
            let message = "a URL holds a password; take it out, and let the runtime be given it";
            found
                .at(place.pointer(), message)
                .within(hit.start, hit.end);
        }
    });
}

/// What may be shown of it is only how it begins.
fn tell(place: &Place<'_, '_>, text: &str, hit: Hit, found: &mut Found<'_>) {
    let message = format!(
        "{} that begins with '{}' stands here; revoke it, and {}",
        hit.what,
        shapes::shown(text, hit),
        instead(place)
    );
    found
        .at(place.pointer(), message)
        .within(hit.start, hit.end);
}

fn instead(place: &Place<'_, '_>) -> &'static str {
    if is_auth(place) || is_header(place) {
        "refer to it by name, as in ${TOKEN}"
    } else {
        "let `auth` or a header refer to it by name, as in ${TOKEN}"
    }
}

fn is_auth(place: &Place<'_, '_>) -> bool {
    place.name() == Some("auth")
}

fn is_header(place: &Place<'_, '_>) -> bool {
    place.nth_name(1) == Some("headers")
}

pub(super) fn members(subject: &Subject<'_>, found: &mut Found<'_>) {
    if !is_judged(subject) {
        return;
    }
    texts::each(subject.value(), &mut |place, value| {
        let Value::String(text) = value else {
            return;
        };
        if let Some(name) = named_secret(place, text)
            && shapes::find(text).is_none()
        {
            let message = format!("'{name}' is written out; {}", instead(place));
            found.at(place.pointer(), message);
        }
    });
}

/// The name of a secret, where a text is the value that such a name has.
pub(super) fn named_secret<'v>(place: &Place<'v, '_>, text: &str) -> Option<&'v str> {
    // A schema says what a member may be, and a map wraps a constant: their name is that around.
    let wrapped = place
        .nth_name(0)
        .is_some_and(|name| ["const", "default", "examples", "example", "enum"].contains(&name));
    let name = place.nth_name(usize::from(wrapped));
    // What is wrapped is not read by a member's name alone; elements of plain lists are names, not values.
    name.filter(|_| wrapped || place.name().is_some())
        .filter(|name| speaks_of_a_secret(name) && is_literal(text))
}

pub(super) fn in_queries(subject: &Subject<'_>, found: &mut Found<'_>) {
    if !is_judged(subject) {
        return;
    }
    texts::each(subject.value(), &mut |place, value| {
        let Value::String(text) = value else {
            return;
        };
        if place.name() == Some("code") {
            return;
        }
        for (name, hit) in parameters(text) {
            if shapes::find(text.get(hit.start..hit.end).unwrap_or_default()).is_some() {
                continue;
            }
            let message = format!("'{name}' is written out as a parameter; {}", instead(place));
            found
                .at(place.pointer(), message)
                .within(hit.start, hit.end);
        }
    });
}

/// Names of parameters that are secrets where they have digits in them.
const OF_PARAMETERS: [&str; 6] = ["key", "sig", "signature", "auth", "sid", "code"];
/// Most parameters of one text that are looked at.
const MOST_PARAMETERS: usize = 100;

/// Parameters in a URL or in a form that are secrets by their name, with the place of their values.
pub(super) fn parameters(text: &str) -> Vec<(&str, Hit)> {
    let mut hits = Vec::new();
    let ends = |c: char| c.is_whitespace() || "&#\"'<>;,)`".contains(c);
    let is_form = !text.contains(char::is_whitespace);
    for (at, _) in text.match_indices('=').take(MOST_PARAMETERS) {
        let before = text.get(..at).unwrap_or_default();
        let begins = before.rfind(['?', '&']).map(|mark| mark + 1);
        // A form has no mark before its first name.
        let Some(begins) = begins.or(is_form.then_some(0)) else {
            continue;
        };
        let name = before.get(begins..).unwrap_or_default();
        let start = at + 1;
        let rest = text.get(start..).unwrap_or_default();
        let end = start + rest.find(ends).unwrap_or(rest.len());
        let value = text.get(start..end).unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-.[]".contains(c);
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) || !is_literal(value) {
            continue;
        }
        let numbered = value.len() >= 8 && value.contains(|c: char| c.is_ascii_digit());
        let by_number = numbered && OF_PARAMETERS.contains(&name.to_ascii_lowercase().as_str());
        if speaks_of_a_secret(name) || by_number {
            let what = "a parameter";
            hits.push((
                name,
                Hit {
                    what,
                    start,
                    end,
                    branded: false,
                },
            ));
        }
    }
    hits
}

/// Whether a name is that of a secret: `X-Api-Key`, `/client_secret`, `userPassword`.
pub(in crate::lint::rules) fn speaks_of_a_secret(name: &str) -> bool {
    let plain = name.chars().filter(char::is_ascii_alphanumeric);
    let plain: String = plain.map(|c| c.to_ascii_lowercase()).collect();
    OF_SECRETS.iter().any(|end| plain.ends_with(end))
        && !OF_OTHER_TOKENS.iter().any(|end| plain.ends_with(end))
}

/// Whether a text is a value of its own and not a reference, a pointer, a name of a type or a sentence.
pub(in crate::lint::rules) fn is_literal(text: &str) -> bool {
    let names = [
        "string", "text", "none", "null", "true", "false", "required", "optional", "bearer",
        "password", "secret", "token",
    ];
    text.len() >= 4
        && !text.contains("${")
        && !text.contains("{{")
        && !text.starts_with('/')
        && !text.contains(' ')
        && !names.contains(&text.to_ascii_lowercase().as_str())
        && !shapes::is_placeholder(text)
}

pub(super) fn mixed(subject: &Subject<'_>, found: &mut Found<'_>) {
    if !is_judged(subject) {
        return;
    }
    texts::each(subject.value(), &mut |place, value| {
        let Value::String(text) = value else {
            return;
        };
        if is_auth(place)
            || place.is_under(&OF_NO_SECRET)
            || is_module(place)
            || text.contains(";base64,")
        {
            return;
        }
        let named = place.name().is_some_and(speaks_of_a_secret) && is_literal(text);
        if named || shapes::find(text).is_some() {
            return;
        }
        if let Some((start, end)) = random_part(text) {
            let hit = Hit {
                what: "",
                start,
                end,
                branded: false,
            };
            let message = format!(
                "what begins with '{}' looks like a key or a token; {}, or write it so that it looks like what it is",
                shapes::shown(text, hit),
                instead(place)
            );
            found.at(place.pointer(), message).within(start, end);
        }
    });
}

/// Whether a text is a module in base64.
fn is_module(place: &Place<'_, '_>) -> bool {
    let runtime = place.siblings().and_then(|members| members.get("runtime"));
    place.name() == Some("code") && runtime.and_then(Value::as_str) == Some("wasm")
}

/// The first part of a text that nobody would write by hand: 20 characters and more, of letters in both cases and digits without any
/// order. Words, however they are joined, and hexadecimal digests have one.
pub(in crate::lint::rules) fn random_part(text: &str) -> Option<(usize, usize)> {
    let mut start = 0;
    for part in text.split(|c: char| !c.is_ascii_alphanumeric() && !"+_=-".contains(c)) {
        let end = start + part.len();
        if is_random(part) {
            return Some((start, end));
        }
        // What separates can be longer than a byte.
        start = end + text.get(end..)?.chars().next().map_or(0, char::len_utf8);
    }
    None
}

fn is_random(part: &str) -> bool {
    if !(20..=256).contains(&part.len()) {
        return false;
    }
    let class = |byte: u8| match byte {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        b'0'..=b'9' => 2,
        _ => 3,
    };
    let mut counts = [0_usize; 4];
    let mut changes = 0;
    let mut last = None;
    let mut seen = [0_usize; 128];
    for byte in part.bytes() {
        let class = class(byte);
        if let Some(count) = counts.get_mut(class) {
            *count += 1;
        }
        if let Some(count) = seen.get_mut(usize::from(byte)) {
            *count += 1;
        }
        changes += usize::from(last.is_some_and(|last| last != class));
        last = Some(class);
    }
    let [lower, upper, digits, _] = counts;
    let length = part.len();
    lower >= 2
        && upper >= 2
        && digits >= 2
        && changes * 5 >= length * 2
        && entropy(&seen, length) >= 3.6
        && !shapes::is_placeholder(part)
}

/// Bits for each character, by how often each stands there.
#[expect(clippy::cast_precision_loss, reason = "lengths of texts are small")]
fn entropy(seen: &[usize], length: usize) -> f64 {
    let length = length as f64;
    let share = |count: &&usize| **count > 0;
    seen.iter()
        .filter(share)
        .map(|count| {
            let part = *count as f64 / length;
            -part * part.log2()
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::{is_literal, parameters, random_part, speaks_of_a_secret};

    #[test]
    fn parameters_are_secrets_by_their_name() {
        for (text, value) in [
            (
                "https://a.example/v1?q=x&api_key=0123456789abcdef",
                "0123456789abcdef",
            ),
            ("token=c0ffee", "c0ffee"),
            ("user=me&password=hunter22&x=1", "hunter22"),
            (
                "see https://a.example/?key=0a1b2c3d4e for more",
                "0a1b2c3d4e",
            ),
        ] {
            let found: Vec<&str> = parameters(text)
                .iter()
                .filter_map(|(_, hit)| text.get(hit.start..hit.end))
                .collect();
            assert_eq!(found, [value], "{text}");
        }
        for text in [
            "",
            "=",
            "https://a.example/?api_key=${KEY}",
            "https://a.example/?page_token=abc123",
            "https://a.example/?key=name",
            "say token=abc123 in a sentence",
            "https://a.example/?api_key=YOUR_KEY",
            "état=é&é=token",
        ] {
            assert!(parameters(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn finds_what_nobody_wrote_by_hand() {
        for text in [
            "q8ZrT2vX9mLp4WsK7dYh",
            "key: aB3xK9pQ2mN8vL5tR7wZ!",
            "\u{e9} 9fKx2LmQ7vTz4RbW8sYd",
        ] {
            assert!(random_part(text).is_some(), "{text}");
        }
        for text in [
            "",
            "createCalendarEventWithAttendeesV2",
            "d41d8cd98f00b204e9800998ecf8427e",
            "123e4567-e89b-12d3-a456-426614174000",
            "https://api.calendar.example.com/v1/free_slots",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "2026-04-03T10:00:00-07:00",
            "This is a sentence about OAuth2Tokens.",
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
        ] {
            assert_eq!(random_part(text), None, "{text}");
        }
    }

    #[test]
    fn names_speak_of_secrets() {
        for name in [
            "X-Api-Key",
            "/client_secret",
            "userPassword",
            "access_token",
            "Authorization",
        ] {
            assert!(speaks_of_a_secret(name), "{name}");
        }
        for name in [
            "next_page_token",
            "token_type",
            "key",
            "monkey",
            "max_tokens",
            "passwords_changed_at",
        ] {
            assert!(!speaks_of_a_secret(name), "{name}");
        }
        assert!(is_literal("hunter22"));
        for text in [
            "",
            "${TOKEN}",
            "{{ state.pw }}",
            "/password",
            "string",
            "the user's password",
            "<token>",
        ] {
            assert!(!is_literal(text), "{text}");
        }
    }
}
