//! What credentials of well-known services look like.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A credential in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lint::rules) struct Hit {
    /// What it is.
    pub(in crate::lint::rules) what: &'static str,
    /// Where it begins, in bytes.
    pub(in crate::lint::rules) start: usize,
    /// Where it ends.
    pub(in crate::lint::rules) end: usize,
    /// Whether its issuer made it recognisable, so that it is surely one.
    pub(in crate::lint::rules) branded: bool,
}

struct Shape {
    what: &'static str,
    prefix: &'static str,
    /// Length of what follows the prefix, in bytes.
    least: usize,
    most: usize,
    of: fn(u8) -> bool,
    fits: fn(&str) -> bool,
}

const LONG: usize = 4096;

/// `verify` has a list of its own, and both must come to the same (`fixtures/secrets/shapes.toml`).
const SHAPES: &[Shape] = &[
    shape("an AWS access key", "AKIA", 16, 16, capitals, any),
    shape("a temporary AWS access key", "ASIA", 16, 16, capitals, any),
    shape("a GitHub token", "ghp_", 36, 255, plain, any),
    shape("a GitHub token", "gho_", 36, 255, plain, any),
    shape("a GitHub token", "ghu_", 36, 255, plain, any),
    shape("a GitHub token", "ghs_", 36, 255, plain, any),
    shape("a GitHub token", "ghr_", 36, 255, plain, any),
    shape("a GitHub token", "github_pat_", 22, 255, name, any),
    shape("a GitLab token", "glpat-", 20, 255, url, any),
    shape("an Anthropic key", "sk-ant-", 20, LONG, url, any),
    shape("an OpenAI key", "sk-", 25, LONG, url, of_openai),
    shape("a Slack token", "xoxa-", 10, 255, url, digits),
    shape("a Slack token", "xoxb-", 10, 255, url, digits),
    shape("a Slack token", "xoxe-", 10, 255, url, digits),
    shape("a Slack token", "xoxp-", 10, 255, url, digits),
    shape("a Slack token", "xoxr-", 10, 255, url, digits),
    shape("a Slack token", "xoxs-", 10, 255, url, digits),
    shape("a Google key", "AIza", 35, 35, url, any),
    shape("a Stripe key", "sk_live_", 16, 255, plain, any),
    shape("a Stripe key", "rk_live_", 16, 255, plain, any),
    shape("a Stripe key", "sk_test_", 16, 255, plain, any),
    shape("a Stripe key", "rk_test_", 16, 255, plain, any),
    shape("an npm token", "npm_", 36, 36, plain, any),
    shape("a PyPI token", "pypi-AgE", 48, LONG, url, any),
    shape("a Hugging Face token", "hf_", 30, 64, plain, any),
    shape("a SendGrid key", "SG.", 49, 97, dotted, two_parts),
    shape(
        "a Slack webhook",
        "hooks.slack.com/services/",
        20,
        255,
        path,
        any,
    ),
    shape("a JSON Web Token", "eyJ", 29, LONG, dotted, three_parts),
];

const fn shape(
    what: &'static str,
    prefix: &'static str,
    least: usize,
    most: usize,
    of: fn(u8) -> bool,
    fits: fn(&str) -> bool,
) -> Shape {
    Shape {
        what,
        prefix,
        least,
        most,
        of,
        fits,
    }
}

fn capitals(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

fn plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn name(byte: u8) -> bool {
    plain(byte) || byte == b'_'
}

fn url(byte: u8) -> bool {
    name(byte) || byte == b'-'
}

fn dotted(byte: u8) -> bool {
    url(byte) || byte == b'.'
}

fn path(byte: u8) -> bool {
    plain(byte) || byte == b'/'
}

/// What a bearer token may be made of.
fn bearer(byte: u8) -> bool {
    dotted(byte) || b"~+/=".contains(&byte)
}

fn any(_: &str) -> bool {
    true
}

fn digits(body: &str) -> bool {
    body.bytes().filter(u8::is_ascii_digit).count() >= 2
}

/// A key that says what it is for, or a long one of letters and digits only; others begin like words of a language.
fn of_openai(body: &str) -> bool {
    let uses = ["proj-", "svcacct-", "admin-", "None-", "or-v1-"];
    let is_key = match uses.iter().find_map(|one| body.strip_prefix(one)) {
        Some(key) => key.len() >= 20,
        None => body.len() >= 32 && body.bytes().all(plain),
    };
    is_key && digits(body)
}

fn two_parts(body: &str) -> bool {
    let parts: Vec<&str> = body.split('.').collect();
    matches!(parts.as_slice(), [id, secret] if id.len() >= 16 && secret.len() >= 32)
}

fn three_parts(body: &str) -> bool {
    let parts: Vec<&str> = body.split('.').collect();
    matches!(parts.as_slice(), [header, payload, signature]
        if header.len() >= 7 && payload.len() >= 10 && payload.starts_with("eyJ") && signature.len() >= 10)
}

/// The first credential in a text.
pub(in crate::lint::rules) fn find(text: &str) -> Option<Hit> {
    let bytes = text.as_bytes();
    let mut before = None;
    for (start, &byte) in bytes.iter().enumerate() {
        let begins = before.is_none_or(|before| !url(before));
        before = Some(byte);
        if begins && let Some(hit) = text.get(start..).and_then(|rest| at(rest, start)) {
            // What stands after `Bearer` may tell more of itself.
            let token = start + "Bearer ".len();
            let inner = text.get(token..hit.end).filter(|_| !hit.branded);
            return inner
                .and_then(|rest| at(rest, token))
                .filter(|inner| inner.branded)
                .or(Some(hit));
        }
    }
    None
}

/// The credential with which a text begins.
fn at(text: &str, start: usize) -> Option<Hit> {
    let first = text.as_bytes().first()?;
    for shape in SHAPES {
        if shape.prefix.as_bytes().first() != Some(first) {
            continue;
        }
        let Some(rest) = text.strip_prefix(shape.prefix) else {
            continue;
        };
        let run = rest.bytes().take(shape.most + 2);
        let length = run.take_while(|byte| (shape.of)(*byte)).count();
        // What ends a sentence belongs to none.
        let body = rest.get(..length).unwrap_or_default().trim_end_matches('.');
        let length = body.len();
        if (shape.least..=shape.most).contains(&length)
            && (shape.fits)(body)
            && !is_placeholder(body)
        {
            let end = start + shape.prefix.len() + length;
            return Some(Hit {
                what: shape.what,
                start,
                end,
                branded: true,
            });
        }
    }
    private_key(text, start)
        .or_else(|| scheme(text, start, "Bearer ", "a bearer token", is_token))
        .or_else(|| {
            scheme(
                text,
                start,
                "Basic ",
                "user name and password in base64",
                is_basic,
            )
        })
}

fn private_key(text: &str, start: usize) -> Option<Hit> {
    let rest = text.strip_prefix("-----BEGIN ")?;
    let (kind, _) = rest
        .get(..rest.floor_char_boundary(64))?
        .split_once("-----")?;
    let is_title = kind.bytes().all(|byte| capitals(byte) || byte == b' ');
    let is_one = kind.ends_with("PRIVATE KEY") || kind.ends_with("PRIVATE KEY BLOCK");
    let end = start + "-----BEGIN ".len() + kind.len();
    let hit = Hit {
        what: "a private key",
        start,
        end,
        branded: true,
    };
    (is_title && is_one && kind.len() < 40).then_some(hit)
}

fn scheme(
    text: &str,
    start: usize,
    prefix: &str,
    what: &'static str,
    is_one: fn(&str) -> bool,
) -> Option<Hit> {
    let head = text.get(..prefix.len())?;
    if !head.eq_ignore_ascii_case(prefix) {
        return None;
    }
    let rest = text.get(prefix.len()..)?;
    let length = rest.bytes().take_while(|byte| bearer(*byte)).count();
    let body = rest.get(..length)?;
    let end = start + prefix.len() + length;
    (is_one(body) && !is_placeholder(body)).then_some(Hit {
        what,
        start,
        end,
        branded: false,
    })
}

/// Whether what stands after `Bearer` is a token and no word of a sentence.
fn is_token(body: &str) -> bool {
    body.len() >= 16 && digits(body) && body.bytes().any(|byte| byte.is_ascii_alphabetic())
}

fn is_basic(body: &str) -> bool {
    let decoded = (body.len() >= 8)
        .then(|| STANDARD.decode(body).ok())
        .flatten();
    let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    text.is_some_and(|text| text.contains(':') && !text.contains(char::is_control))
}

/// Whether a text only holds the place of a credential.
pub(in crate::lint::rules) fn is_placeholder(body: &str) -> bool {
    let lower = body.to_ascii_lowercase();
    let words = [
        "xxxx",
        "your",
        "placeholder",
        "redacted",
        "changeme",
        "0000000000",
        "1234567890123456",
    ];
    let distinct: std::collections::BTreeSet<u8> = lower.bytes().collect();
    distinct.len() <= 3
        || words.iter().any(|word| lower.contains(word))
        || body.contains(['<', '>', '{', '}', '*', '…'])
        || body.contains("...")
}

/// User name and password in a URL.
pub(in crate::lint::rules) fn user_information(text: &str) -> Option<Hit> {
    let mut from = 0;
    while let Some(found) = text.get(from..)?.find("://") {
        let start = from + found + 3;
        let rest = text.get(start..)?;
        let stops = |c: char| c.is_whitespace() || c.is_control() || "/?#\"'<>`\\".contains(c);
        let authority = rest.split(stops).next().unwrap_or_default();
        if let Some((information, host)) = authority.rsplit_once('@')
            && let Some((user, password)) = information.split_once(':')
            && !host.is_empty()
            && password.len() >= 3
            && !password.contains(['$', '{', '%'])
            && !is_placeholder(password)
            && !["password", "pass", "pwd", "secret", "token"].contains(&password)
        {
            let begins = start + user.len() + 1;
            let what = "a password in a URL";
            return Some(Hit {
                what,
                start: begins,
                end: begins + password.len(),
                branded: true,
            });
        }
        from = start;
    }
    None
}

/// As much of a credential as may be shown: what tells which one it is, and no more.
pub(in crate::lint::rules) fn shown(text: &str, hit: Hit) -> String {
    let text = text.get(hit.start..hit.end).unwrap_or_default();
    text.chars().take(4).collect()
}

#[cfg(test)]
mod tests {
    use super::{SHAPES, find, user_information};

    #[derive(serde::Deserialize)]
    struct Texts {
        text: Vec<Text>,
    }

    #[derive(serde::Deserialize)]
    struct Text {
        parts: Vec<String>,
        is: Option<String>,
    }

    /// The same texts as those of the test of `verify`.
    #[test]
    fn knows_what_is_branded_and_nothing_else() {
        let texts = include_str!("../../../../fixtures/secrets/shapes.toml");
        let texts: Texts = toml::from_str(texts).expect("the texts");
        let known = texts.text.iter().filter_map(|text| text.is.as_deref());
        let known: std::collections::BTreeSet<&str> = known.collect();
        for shape in SHAPES {
            assert!(known.contains(shape.what), "no text has {}", shape.what);
        }
        for text in &texts.text {
            let joined = text.parts.concat();
            let hit = find(&joined).filter(|hit| hit.branded);
            assert_eq!(hit.map(|hit| hit.what), text.is.as_deref(), "{joined}");
        }
    }

    #[test]
    fn knows_credentials() {
        for (text, what) in [
            ("key=AKIAIOSFODNN7EXAMPLE;", "an AWS access key"),
            (
                "Bearer ghp_16C7e42F292c6912E7710c838347Ae178B4a",
                "a GitHub token",
            ),
            ("sk-ant-api03-abcdefghijklmnop", "an Anthropic key"),
            ("(sk-proj-abcd1234efgh5678ijkl)", "an OpenAI key"),
            ("-----BEGIN RSA PRIVATE KEY-----\nMIIE", "a private key"),
            (
                "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
                "a JSON Web Token",
            ),
            (
                "https://hooks.slack.com/services/T0000001/B0000002/abcDEF123456",
                "a Slack webhook",
            ),
            ("bearer 8f7d6a5b4c3e2f1a0b9c", "a bearer token"),
            (
                "Basic YWxpY2U6d29uZGVybGFuZA==",
                "user name and password in base64",
            ),
        ] {
            assert_eq!(find(text).map(|hit| hit.what), Some(what), "{text}");
        }
    }

    #[test]
    fn takes_nothing_else_for_one() {
        for text in [
            "",
            "Bearer ${TOKEN}",
            "a bearer token of the calendar service",
            "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "task-management-with-a-rather-long-name-2026",
            "sk-learn-models-are-kept-in-this-folder",
            "-----BEGIN CERTIFICATE-----",
            "eyJ is how tokens begin",
            "Basic knowledge is enough",
            "AKIA",
            "\u{e9}AKIA\u{1f600}",
        ] {
            assert_eq!(find(text), None, "{text}");
        }
    }

    #[test]
    fn knows_passwords_in_urls() {
        assert!(user_information("see postgres://app:hunter22@db.example.com/x").is_some());
        for text in [
            "https://api.example.com/a:b@c",
            "https://user@example.com",
            "postgres://user:${PW}@db.example.com",
            "postgres://user:password@host",
            "://",
        ] {
            assert_eq!(user_information(text), None, "{text}");
        }
    }
}
