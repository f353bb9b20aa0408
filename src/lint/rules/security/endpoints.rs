//! Where API actions call, and what they send there.

use serde_json::Value;

use super::address::{self, Inside, Parts};
use super::credentials::speaks_of_a_secret;
use crate::lint::Edit;
use crate::lint::rule::Found;
use crate::lint::subject::{Part, Subject};

/// A shorter time ends calls that would have been answered.
const SHORT_MS: u64 = 100;

/// A longer one keeps a session waiting for what nobody waits for.
const LONG_MS: u64 = 120_000;

fn endpoints<'v>(subject: &'v Subject<'_>) -> Vec<(Part<'v>, &'v str, Parts<'v>)> {
    let actions = subject.actions().into_iter();
    actions
        .filter_map(|action| {
            let endpoint = action.text("endpoint")?;
            Some((action, endpoint, address::parts(endpoint)?))
        })
        .collect()
}

/// Whether an endpoint is read by whoever is on the way.
fn is_open(parts: Parts<'_>) -> bool {
    parts.scheme.eq_ignore_ascii_case("http")
        && address::inside(parts.host) != Some(Inside::Loopback)
}

/// What of an action is a credential, for messages.
fn credential(action: &Part<'_>) -> Option<String> {
    if action.get("auth").is_some() {
        return Some("auth".to_owned());
    }
    let headers = action.get("headers").and_then(Value::as_object);
    let mut names = headers.into_iter().flat_map(|headers| headers.keys());
    names.find(|name| speaks_of_a_secret(name)).cloned()
}

fn encrypted(action: &Part<'_>, endpoint: &str) -> Option<Vec<Edit>> {
    let rest = endpoint.get("http".len()..)?;
    Some(vec![Edit::Replace {
        pointer: action.pointer_of("endpoint"),
        value: Value::String(format!("https{rest}")),
    }])
}

pub(super) fn plain(subject: &Subject<'_>, found: &mut Found<'_>) {
    for (action, endpoint, parts) in endpoints(subject) {
        if is_open(parts) && credential(&action).is_none() {
            let message =
                "the call goes over http, so anybody on the way can read and change it; use https";
            let noted = found.at(action.pointer_of("endpoint"), message);
            if let Some(steps) = encrypted(&action, endpoint) {
                noted.fix_unsafe("call it over https", steps);
            }
        }
    }
}

pub(super) fn credential_in_the_open(subject: &Subject<'_>, found: &mut Found<'_>) {
    for (action, endpoint, parts) in endpoints(subject) {
        if is_open(parts)
            && let Some(name) = credential(&action)
        {
            let message = format!(
                "'{name}' is sent over http, where anybody on the way can take it; use https"
            );
            let noted = found.at(action.pointer_of("endpoint"), message);
            if let Some(steps) = encrypted(&action, endpoint) {
                noted.fix_unsafe("call it over https", steps);
            }
        }
    }
}

pub(super) fn private(subject: &Subject<'_>, found: &mut Found<'_>) {
    for (action, _, parts) in endpoints(subject) {
        let where_to = match address::inside(parts.host) {
            Some(Inside::Metadata) => "where a cloud gives the machine its credentials",
            Some(Inside::Private(network)) => network,
            _ => continue,
        };
        let message = format!(
            "'{}' leads to {where_to}; runtimes refuse such addresses, so name a host that others can reach",
            parts.host
        );
        found.at(action.pointer_of("endpoint"), message);
    }
}

pub(super) fn loopback(subject: &Subject<'_>, found: &mut Found<'_>) {
    for (action, _, parts) in endpoints(subject) {
        if address::inside(parts.host) == Some(Inside::Loopback) {
            let message = format!(
                "'{}' is the runtime's own machine, which runtimes refuse unless their operator allows it; name the real host before you ship",
                parts.host
            );
            found.at(action.pointer_of("endpoint"), message);
        }
    }
}

/// The names of `${NAME}` in a text.
fn variables(text: &str) -> impl Iterator<Item = &str> {
    text.split("${")
        .skip(1)
        .filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

pub(super) fn secret_variable(subject: &Subject<'_>, found: &mut Found<'_>) {
    for (action, endpoint, _) in endpoints(subject) {
        for name in variables(endpoint) {
            if speaks_of_a_secret(name) {
                let message = format!(
                    "'{name}' sounds like a secret, and none is ever put into a URL; send it in `{}` or in a header",
                    subject.spelled("auth")
                );
                let start = endpoint.find(&format!("${{{name}}}")).unwrap_or_default();
                found
                    .at(action.pointer_of("endpoint"), message)
                    .within(start, start + name.len() + 3);
            }
        }
    }
}

pub(super) fn variable_host(subject: &Subject<'_>, found: &mut Found<'_>) {
    for (action, _, parts) in endpoints(subject) {
        if let Some(name) = variables(parts.host).next() {
            let message = format!(
                "the variable '{name}' decides which host is called, and who gets what is sent; write the host out, or see that the operator binds the secrets to it"
            );
            found.at(action.pointer_of("endpoint"), message);
        }
    }
}

pub(super) fn bare_auth(subject: &Subject<'_>, found: &mut Found<'_>) {
    for action in subject.actions() {
        let Some(auth) = action.text("auth") else {
            continue;
        };
        let alone = auth
            .strip_prefix("${")
            .and_then(|rest| rest.strip_suffix('}'));
        if alone.is_some_and(|name| !name.contains(['$', '{', '}'])) {
            let message = "the whole header is one variable; write its scheme before it, as in `Bearer ${TOKEN}`, unless the value holds it";
            let pointer = action.pointer_of("auth");
            let value = Value::String(format!("Bearer {auth}"));
            let steps = vec![Edit::Replace {
                pointer: pointer.clone(),
                value,
            }];
            found
                .at(pointer, message)
                .fix_unsafe("write 'Bearer' before it", steps);
        }
    }
}

pub(super) fn timeouts(subject: &Subject<'_>, found: &mut Found<'_>) {
    for action in subject.actions() {
        let Some(time) = action.get("timeout_ms").and_then(Value::as_u64) else {
            continue;
        };
        let name = subject.spelled("timeout_ms");
        let message = if time > 0 && time < SHORT_MS {
            format!(
                "a '{name}' of {time} ms ends calls that would have been answered; give it at least {SHORT_MS}"
            )
        } else if time > LONG_MS {
            format!(
                "a '{name}' of {time} ms keeps the session waiting for more than two minutes; give it less, and ask for the result later"
            )
        } else {
            continue;
        };
        found.at(action.pointer_of("timeout_ms"), message);
    }
}
