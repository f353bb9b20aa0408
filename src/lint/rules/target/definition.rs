//! What stands in the definition of a target.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::members;
use crate::diagnostic::Violation;
use crate::json;
use crate::lint::Edit;
use crate::lint::near::nearest;
use crate::lint::rule::Found;
use crate::lint::rules::security::{
    Inside, credential_shown, each, find_credential, inside, is_literal, parts, random_part,
    speaks_of_a_secret, user_information,
};
use crate::lint::subject::{DocumentKind, Subject};
use crate::requirement::{Profile, Registry};

/// What can be put in, by `spec/harness.md`, section 10.
const PLACEHOLDERS: [&str; 13] = [
    "port",
    "clock_port",
    "folder",
    "manifest",
    "model_url",
    "model_key",
    "model_name",
    "calendar_url",
    "email_url",
    "crm_url",
    "objects_url",
    "otlp_url",
    "run_id",
];

/// Reasons that give none, in lower case without stops.
const EMPTY_REASONS: [&str; 14] = [
    "todo",
    "tbd",
    "fixme",
    "n/a",
    "na",
    "none",
    "unknown",
    "later",
    "because",
    "no",
    "wip",
    "broken",
    "fails",
    "not implemented",
];

/// The document, when it is a target.
fn target<'v>(subject: &'v Subject<'_>) -> Option<&'v Value> {
    (subject.kind() == DocumentKind::Target).then(|| subject.value())
}

pub(super) fn shape(subject: &Subject<'_>, found: &mut Found<'_>) {
    if let Some(target) = target(subject) {
        let has_its_own_rule = |violation: &Violation| violation.rule == "additionalProperties";
        members::shape("target", target, has_its_own_rule, found);
    }
}

pub(super) fn unknown_members(subject: &Subject<'_>, found: &mut Found<'_>) {
    if let Some(target) = target(subject) {
        members::unknown("target", target, found);
    }
}

/// The texts in which placeholders are replaced, with their pointers.
fn expanded(target: &Value) -> Vec<(String, &str)> {
    let mut texts = Vec::new();
    let mut take = |pointer: &str| match target.pointer(pointer) {
        Some(Value::String(text)) => texts.push((pointer.to_owned(), text.as_str())),
        Some(Value::Array(list)) => {
            let each = list.iter().enumerate();
            texts.extend(each.filter_map(|(index, text)| {
                Some((json::push(pointer, &index.to_string()), text.as_str()?))
            }));
        }
        Some(Value::Object(members)) => {
            let each = members.iter();
            texts.extend(
                each.filter_map(|(name, text)| Some((json::push(pointer, name), text.as_str()?))),
            );
        }
        _ => {}
    };
    for pointer in [
        "/start/command",
        "/start/stdio",
        "/start/env",
        "/connect/base_url",
        "/inject/clock/url",
    ] {
        take(pointer);
    }
    texts
}

pub(super) fn placeholders(subject: &Subject<'_>, found: &mut Found<'_>) {
    let Some(target) = target(subject) else {
        return;
    };
    for (pointer, text) in expanded(target) {
        let mut from = 0;
        while let Some(start) = text
            .get(from..)
            .and_then(|rest| rest.find("${"))
            .map(|at| from + at)
        {
            let rest = text.get(start + 2..).unwrap_or_default();
            let Some((name, _)) = rest.split_once('}') else {
                found
                    .at(
                        pointer.clone(),
                        "a placeholder is not closed; write `}` after its name",
                    )
                    .within(start, text.len());
                break;
            };
            let end = start + 3 + name.len();
            let kept = text
                .get(..start)
                .is_some_and(|before| before.ends_with('$'));
            if !kept && !PLACEHOLDERS.contains(&name) {
                unknown_placeholder(&pointer, text, (start, end), name, found);
            }
            from = end;
        }
    }
}

fn unknown_placeholder(
    pointer: &str,
    text: &str,
    (start, end): (usize, usize),
    name: &str,
    found: &mut Found<'_>,
) {
    let meant = nearest(name, PLACEHOLDERS);
    let advice = match meant {
        Some(meant) => format!("write ${{{meant}}}"),
        None => format!(
            "there are {}; a variable of the environment comes by `inherit`, and the text itself by $${{{name}}}",
            PLACEHOLDERS.join(", ")
        ),
    };
    let noted = found
        .at(
            pointer,
            format!("there is no placeholder ${{{name}}}; {advice}"),
        )
        .within(start, end);
    if let Some(meant) = meant {
        let before = text.get(..start).unwrap_or_default();
        let after = text.get(end..).unwrap_or_default();
        let value = Value::String(format!("{before}${{{meant}}}{after}"));
        let steps = vec![Edit::Replace {
            pointer: pointer.to_owned(),
            value,
        }];
        noted.fix(format!("write ${{{meant}}}"), steps);
    }
}

pub(super) fn credentials(subject: &Subject<'_>, found: &mut Found<'_>) {
    let Some(target) = target(subject) else {
        return;
    };
    let advice = "name the variable that holds it in `secrets` or `headers_env` instead";
    each(target, &mut |place, value| {
        let Value::String(text) = value else {
            return;
        };
        let hit = find_credential(text).or_else(|| user_information(text));
        if let Some(hit) = hit {
            let message = format!(
                "{} that begins with '{}' stands here; revoke it, and {advice}",
                hit.what,
                credential_shown(text, hit)
            );
            found
                .at(place.pointer(), message)
                .within(hit.start, hit.end);
        } else if place.nth_name(1) == Some("env")
            && let Some(name) = place.name()
            && speaks_of_a_secret(name)
            && is_literal(text)
        {
            found.at(
                place.pointer(),
                format!("'{name}' is written out; {advice}"),
            );
        } else if place.is_under(&["start"])
            && let Some((start, end)) = random_part(text)
        {
            let message = format!("a part of this text looks like a key or a token; {advice}");
            found.at(place.pointer(), message).within(start, end);
        }
    });
}

/// The base URL, and whether its host is certainly not of this machine.
fn base_url(target: &Value) -> Option<(&str, bool)> {
    let url = target.pointer("/connect/base_url")?.as_str()?;
    let host = parts(url)?.host;
    Some((
        url,
        !host.is_empty() && !host.contains('$') && inside(host) != Some(Inside::Loopback),
    ))
}

pub(super) fn remote(subject: &Subject<'_>, found: &mut Found<'_>) {
    let Some(target) = target(subject) else {
        return;
    };
    let meant = target.pointer("/connect/allow_destructive") == Some(&Value::Bool(true));
    if !meant && base_url(target).is_some_and(|(_, remote)| remote) {
        let message = "the target is not on this machine, and a run creates, closes and deletes there; it is refused without `allow_destructive = true`, which is for targets made for tests";
        found.at("/connect/base_url", message);
    }
}

pub(super) fn remote_over_http(subject: &Subject<'_>, found: &mut Found<'_>) {
    let Some(target) = target(subject) else {
        return;
    };
    let Some((url, true)) = base_url(target) else {
        return;
    };
    if let Some(rest) = url.strip_prefix("http://") {
        let value = Value::String(format!("https://{rest}"));
        let steps = vec![Edit::Replace {
            pointer: "/connect/base_url".to_owned(),
            value,
        }];
        let message = "tokens and test secrets cross the network over http, where anybody can take them; use https";
        found
            .at("/connect/base_url", message)
            .fix_unsafe("reach it over https", steps);
    }
}

/// Words by which only a shell does something.
const OF_SHELLS: [&str; 9] = ["&&", "||", "|", ";", ">", ">>", "<", "2>&1", "&"];

/// The program that a definition starts by one of its members, and the words behind it.
fn words<'v>(target: &'v Value, member: &str) -> Vec<&'v str> {
    match target.pointer(&format!("/start/{member}")) {
        Some(Value::String(text)) => text.split_whitespace().collect(),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Whether a program is a shell, for which the words that follow mean something.
fn is_shell(words: &[&str]) -> bool {
    let program = words.first().and_then(|word| word.rsplit('/').next());
    program.is_some_and(|program| ["sh", "bash", "dash", "zsh"].contains(&program))
}

/// Paths that begin with `~`, which only a shell knows as somebody's home.
fn homes(target: &Value, found: &mut Found<'_>) {
    let started = ["command", "stdio"].map(|member| (member, is_shell(&words(target, member))));
    each(target, &mut |place, value| {
        let Value::String(text) = value else {
            return;
        };
        let mut started = started.iter();
        let first = match started.find(|(member, _)| place.is_under(&[member])) {
            Some((_, true)) => return,
            // A whole command may stand in one text.
            Some((_, false)) => text.split_whitespace().find(|word| is_home(word)),
            None => Some(text.as_str()).filter(|text| is_home(text)),
        };
        if place.is_under(&["cannot"]) {
            return;
        }
        if let Some(word) = first {
            let message = format!(
                "'{word}' is taken as it stands, since there is no shell that knows whose home '~' is; write the path out"
            );
            let start = text.find(word).unwrap_or(0);
            found
                .at(place.pointer(), message)
                .within(start, start + word.len());
        }
    });
}

fn is_home(word: &str) -> bool {
    word == "~" || word.starts_with("~/")
}

pub(super) fn shell(subject: &Subject<'_>, found: &mut Found<'_>) {
    let Some(target) = target(subject) else {
        return;
    };
    homes(target, found);
    for member in ["command", "stdio"] {
        let pointer = format!("/start/{member}");
        let words = words(target, member);
        if is_shell(&words) {
            continue;
        }
        let plain =
            |word: &str| OF_SHELLS.contains(&word) || (word.len() > 1 && word.ends_with(';'));
        let substitution = |word: &str| word.starts_with("$(") || word.starts_with('`');
        if let Some(word) = words.iter().find(|word| plain(word) || substitution(word)) {
            let message = format!(
                "'{word}' goes to the program as it stands, since there is no shell; start one, as in [\"sh\", \"-c\", …], or use `cwd` and `env`"
            );
            found.at(pointer, message);
        }
    }
}

/// The entries of `cannot`, with their pointers.
fn cannot(target: &Value) -> Vec<(String, &Value, bool)> {
    let mut entries = Vec::new();
    for (list, of_cases) in [("requirements", false), ("cases", true)] {
        let pointer = format!("/cannot/{list}");
        let elements = target
            .pointer(&pointer)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .enumerate();
        entries.extend(
            elements
                .map(|(index, entry)| (json::push(&pointer, &index.to_string()), entry, of_cases)),
        );
    }
    entries
}

pub(super) fn unknown_in_cannot(subject: &Subject<'_>, found: &mut Found<'_>) {
    let Some(target) = target(subject) else {
        return;
    };
    for (pointer, entry, of_cases) in cannot(target) {
        let Some(id) = entry.get("id").and_then(Value::as_str) else {
            continue;
        };
        let requirement = if of_cases {
            id.get(..7).unwrap_or_default()
        } else {
            id
        };
        if is_id(requirement) && Registry::embedded().get(requirement).is_none() {
            let message = format!(
                "there is no requirement {requirement}, so this entry excuses nothing; correct the id or remove the entry"
            );
            found.at(json::push(&pointer, "id"), message);
        }
    }
}

/// Whether a text has the form of a requirement's id.
pub(in crate::lint::rules) fn is_id(text: &str) -> bool {
    let parts = text.split_once('-');
    parts.is_some_and(|(section, number)| {
        section.len() == 3
            && number.len() == 3
            && section.bytes().all(|byte| byte.is_ascii_uppercase())
            && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

pub(super) fn repeated_in_cannot(subject: &Subject<'_>, found: &mut Found<'_>) {
    let Some(target) = target(subject) else {
        return;
    };
    let mut seen = HashSet::new();
    for (pointer, entry, _) in cannot(target) {
        let Some(id) = entry.get("id").and_then(Value::as_str) else {
            continue;
        };
        if !seen.insert(id) {
            let steps = vec![Edit::Remove {
                pointer: pointer.clone(),
            }];
            let message =
                format!("{id} is excused twice, and only one of the reasons is shown; keep one");
            found
                .at(pointer, message)
                .fix_unsafe("remove the second entry", steps);
        }
    }
}

pub(super) fn reasons(subject: &Subject<'_>, found: &mut Found<'_>) {
    let Some(target) = target(subject) else {
        return;
    };
    for (pointer, entry, _) in cannot(target) {
        let Some(reason) = entry.get("reason").and_then(Value::as_str) else {
            continue;
        };
        let plain = reason
            .trim()
            .trim_end_matches(['.', '!', '?', '…'])
            .to_lowercase();
        if EMPTY_REASONS.contains(&plain.as_str())
            || (!plain.is_empty() && plain.chars().count() < 4)
        {
            let message = format!("'{reason}' is no reason; say what is missing and until when");
            found.at(json::push(&pointer, "reason"), message);
        }
    }
}

pub(super) fn parts_of_profiles(subject: &Subject<'_>, found: &mut Found<'_>) {
    let Some(target) = target(subject) else {
        return;
    };
    let Some(list) = target
        .pointer("/capabilities/profiles")
        .and_then(Value::as_array)
    else {
        return;
    };
    let names: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
    for (index, name) in list.iter().enumerate() {
        let profile: Option<Profile> = name.as_str().and_then(|name| name.parse().ok());
        if let Some(whole) = profile.and_then(Profile::part_of)
            && !names.contains(&whole.name())
        {
            let mut longer = names.clone();
            longer.push(whole.name());
            let steps = vec![Edit::Replace {
                pointer: "/capabilities/profiles".to_owned(),
                value: json!(longer),
            }];
            let message = format!(
                "{name} is a part of the profile '{}', which is not declared; declare it as well",
                whole.name()
            );
            found
                .at(format!("/capabilities/profiles/{index}"), message)
                .fix_unsafe(format!("declare '{}'", whole.name()), steps);
        }
    }
}

pub(super) fn open_bind(subject: &Subject<'_>, found: &mut Found<'_>) {
    let Some(target) = target(subject) else {
        return;
    };
    let bind = target.pointer("/services/bind").and_then(Value::as_str);
    if bind.is_some_and(|bind| ["0.0.0.0", "::"].contains(&bind)) {
        let message = "model and services listen on every network of this machine for as long as a run takes; bind the address of the container's network if there is one";
        found.at("/services/bind", message);
    }
}
