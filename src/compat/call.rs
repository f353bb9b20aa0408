//! How an action is carried out: the request, the code, the files, the plugin.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::action::folded;
use super::address::{destination, folders, parts};
use super::change::{At, Changes};
use super::members::{Element, Pair, texts_of, was_and_is};
use super::{equal, member, quoted, shown};

/// The names that stand as `${NAME}` where an action's members are resolved.
fn variables_of(action: &Value) -> BTreeSet<&str> {
    let headers = member(action, "headers").and_then(Value::as_object);
    let headers = headers.into_iter().flat_map(Map::values);
    let texts = [member(action, "endpoint"), member(action, "auth")];
    let texts = texts.into_iter().flatten().chain(headers);
    texts.filter_map(Value::as_str).flat_map(names_in).collect()
}

/// The names that a text refers to.
fn names_in(text: &str) -> BTreeSet<&str> {
    let names = text.split("${").skip(1);
    names
        .filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
        .collect()
}

/// Tells which variables a part of a request begins or ceases to carry.
fn carried(
    (old, new): (BTreeSet<&str>, BTreeSet<&str>),
    part: &str,
    at: &At,
    changes: &mut Changes,
) {
    for name in new.difference(&old) {
        let message = format!("{part} carries the variable {}", quoted(name));
        changes.add("variable_sent", &at.called(name), message);
    }
    for name in old.difference(&new) {
        let message = format!("{part} no longer carries the variable {}", quoted(name));
        changes.add("variable_withheld", &at.called(name), message);
    }
}

/// All variables of a manifest.
pub(super) fn variables<'v>(actions: &BTreeMap<String, Element<'v>>) -> BTreeSet<&'v str> {
    let each = actions.values();
    each.flat_map(|element| variables_of(element.value))
        .collect()
}

/// Compares the members of the type that two actions have.
pub(super) fn compare(
    pair: &Pair<'_>,
    name: &str,
    variables: (&BTreeSet<&str>, &BTreeSet<&str>),
    documents: (&Value, &Value),
    changes: &mut Changes,
) {
    match pair.old.get("type").and_then(Value::as_str) {
        Some("invoke_api") => {
            endpoint(pair, changes);
            credentials(pair, variables, changes);
            headers(pair, changes);
            exchange(pair, documents, changes);
        }
        Some("run_code") => code(pair, documents, changes),
        Some("read_file" | "write_file") => root(pair, changes),
        Some("human_intervention") => pair.words("prompt", "prompt_changed", changes),
        Some("plugin") => {
            let read = Value::as_str;
            if pair
                .defaulted("plugin_reference", name, read, changes)
                .is_some()
            {
                let message = "another plugin runs";
                changes.add(
                    "plugin_changed",
                    &pair.at.member("plugin_reference"),
                    message,
                );
            }
        }
        _ => {}
    }
}

fn endpoint(pair: &Pair<'_>, changes: &mut Changes) {
    let at = pair.at.member("endpoint");
    let Some((old, new)) = pair.texts("endpoint", changes) else {
        return;
    };
    let (Some(old), Some(new)) = (old, new) else {
        let message = "the endpoint is written on one side only";
        return changes.add("unreadable_changed", &at, message);
    };
    let (names_old, names_new) = (names_in(old), names_in(new));
    let (old, new) = (parts(old), parts(new));
    let before = changes.len();
    if old.0 != new.0 {
        let kind = match new.0.as_str() {
            "https" => "endpoint_scheme_upgraded",
            _ => "endpoint_scheme_downgraded",
        };
        let message = format!(
            "the scheme was {} and is {}",
            quoted(&old.0),
            quoted(&new.0)
        );
        changes.add(kind, &at, message);
    }
    if old.1 != new.1 {
        let message = format!("the host was {} and is {}", quoted(&old.1), quoted(&new.1));
        changes.add("endpoint_host_changed", &at, message);
    }
    if old.2 != new.2 {
        changes.add("endpoint_path_changed", &at, "path or query are others");
    }
    carried((names_old, names_new), "the address", &at, changes);
    if changes.len() == before {
        let message = "the same address is written in another way";
        changes.add("endpoint_respelled", &at, message);
    }
}

fn credentials(
    pair: &Pair<'_>,
    (all_old, all_new): (&BTreeSet<&str>, &BTreeSet<&str>),
    changes: &mut Changes,
) {
    if let Some((old, new)) = pair.texts("auth", changes) {
        let (kind, message) = match (old, new) {
            (None, _) => ("auth_added", "requests carry a credential"),
            (_, None) => ("auth_removed", "requests carry no credential any more"),
            _ => ("auth_changed", "the credential has another form or name"),
        };
        changes.add(kind, &pair.at.member("auth"), message);
    }
    let of = |members: &Map<String, Value>| -> BTreeSet<String> {
        let action = Value::Object(members.clone());
        let names = variables_of(&action);
        names.into_iter().map(str::to_owned).collect()
    };
    let (old, new) = (of(pair.old), of(pair.new));
    for name in old
        .difference(&new)
        .filter(|name| !all_new.contains(name.as_str()))
    {
        let message = format!("the variable {} is no longer needed", quoted(name));
        changes.add(
            "variable_removed",
            &pair.at.called("${}").called(name),
            message,
        );
    }
    for name in new
        .difference(&old)
        .filter(|name| !all_old.contains(name.as_str()))
    {
        let message = format!("the variable {} has to be set", quoted(name));
        changes.add(
            "variable_added",
            &pair.at.called("${}").called(name),
            message,
        );
    }
}

fn headers(pair: &Pair<'_>, changes: &mut Changes) {
    let Some(pair) = pair.object("headers", changes) else {
        return;
    };
    let find = |members: &'_ Map<String, Value>, folded: &str| {
        let found = members
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(folded));
        found.map(|(name, value)| (name.clone(), value.clone()))
    };
    let names: BTreeSet<String> = folded(pair.old).union(&folded(pair.new)).cloned().collect();
    for folded in names {
        let mut at = pair.at.called(&folded);
        let old = find(pair.old, &folded);
        let new = find(pair.new, &folded);
        if let Some((name, _)) = &old {
            at.old = crate::json::push(&at.old, name);
        }
        if let Some((name, _)) = &new {
            at.new = crate::json::push(&at.new, name);
        }
        let name = quoted(&folded);
        let text = |header: &Option<(String, Value)>| {
            let text = header.as_ref().and_then(|(_, value)| value.as_str());
            text.map(str::to_owned).unwrap_or_default()
        };
        let (text_old, text_new) = (text(&old), text(&new));
        let both = (names_in(&text_old), names_in(&text_new));
        carried(both, &format!("the header {name}"), &at, changes);
        match (old, new) {
            (None, _) => changes.add("header_added", &at, format!("the header {name} is sent")),
            (_, None) => changes.add(
                "header_removed",
                &at,
                format!("the header {name} is no longer sent"),
            ),
            (Some(old), Some(new)) => {
                if !equal(&old.1, &new.1) {
                    let message = format!("the header {name} has another value");
                    changes.add("header_changed", &at, message);
                }
                if old.0 != new.0 {
                    let message = format!("the header {name} has other capitals");
                    changes.add("header_respelled", &at, message);
                }
            }
        }
    }
}

/// What else decides about a request and its reply.
fn exchange(pair: &Pair<'_>, (old, new): (&Value, &Value), changes: &mut Changes) {
    if pair.texts("method", changes).is_some() {
        let message = match pair.get("method") {
            (Some(old), Some(new)) => format!("the method {}", was_and_is(old, new)),
            _ => "the method is written on one side only".to_owned(),
        };
        changes.add("method_changed", &pair.at.member("method"), message);
    }
    number(
        pair,
        ("timeout_ms", 10_000.0),
        ["timeout_raised", "timeout_lowered"],
        changes,
    );
    for (name, kinds) in [
        (
            "request_map",
            [
                "request_map_added",
                "request_map_removed",
                "request_map_changed",
            ],
        ),
        (
            "response_map",
            [
                "response_map_added",
                "response_map_removed",
                "response_map_changed",
            ],
        ),
        ("batch", ["batch_added", "batch_removed", "batch_changed"]),
    ] {
        let Some((old, new)) = pair.differing(name, Value::as_object, changes) else {
            continue;
        };
        let [added, removed, changed] = kinds;
        let (kind, message) = match (old, new) {
            (None, _) => (added, "it was not there"),
            (_, None) => (removed, "it is no longer there"),
            _ => (changed, "it says something else"),
        };
        changes.add(kind, &pair.at.member(name), format!("{name}: {message}"));
    }
    cache(pair, (old, new), changes);
}

fn cache(pair: &Pair<'_>, (old, new): (&Value, &Value), changes: &mut Changes) {
    let at = pair.at.member("cache");
    let (kind, message) = match pair.differing("cache", Value::as_object, changes) {
        None => return,
        Some((None, _)) => ("cache_added", "a reply may be given again"),
        Some((_, None)) => ("cache_removed", "no reply is given again"),
        Some(_) => {
            if let Some(cache) = pair.object("cache", changes) {
                let kinds = ["cache_time_raised", "cache_time_lowered"];
                number(&cache, ("ttl_s", 0.0), kinds, changes);
                cache.unknown_here(old, new, changes);
            }
            return;
        }
    };
    changes.add(kind, &at, message);
}

/// A number with its default that went up or down.
fn number(
    pair: &Pair<'_>,
    (name, default): (&str, f64),
    [raised, lowered]: [&str; 2],
    changes: &mut Changes,
) {
    if let Some((old, new)) = pair.defaulted(name, default, Value::as_f64, changes) {
        let kind = if new > old { raised } else { lowered };
        let message = format!("{name} was {old} and is {new}");
        changes.add(kind, &pair.at.member(name), message);
    }
}

fn code(pair: &Pair<'_>, (old, new): (&Value, &Value), changes: &mut Changes) {
    if pair.texts("runtime", changes).is_some() {
        let message = match pair.get("runtime") {
            (Some(old), Some(new)) => format!("the runtime {}", was_and_is(old, new)),
            _ => "the runtime is written on one side only".to_owned(),
        };
        changes.add("runtime_changed", &pair.at.member("runtime"), message);
    }
    pair.words("code", "code_changed", changes);
    let read = Value::as_str;
    if let Some((old, new)) = pair.defaulted("entrypoint", "generate", read, changes) {
        let message = format!("the function was {} and is {}", quoted(old), quoted(new));
        changes.add("entrypoint_changed", &pair.at.member("entrypoint"), message);
    }
    if let Some(limits) = pair.object("limits", changes) {
        let kinds = ["cpu_limit_raised", "cpu_limit_lowered"];
        number(&limits, ("cpu_ms", 200.0), kinds, changes);
        let kinds = ["memory_limit_raised", "memory_limit_lowered"];
        number(&limits, ("memory_mib", 64.0), kinds, changes);
        limits.unknown_here(old, new, changes);
    }
    network(pair, changes);
}

fn network(pair: &Pair<'_>, changes: &mut Changes) {
    let Some((gone, added)) = pair.sets("network", changes) else {
        return;
    };
    let at = pair.at.member("network");
    let all = |members: &Map<String, Value>| -> BTreeSet<String> {
        let list = members.get("network").and_then(texts_of);
        list.into_iter().flatten().map(destination).collect()
    };
    let (before, after) = (all(pair.old), all(pair.new));
    let respelled = !(gone.is_empty() && added.is_empty());
    for address in before.difference(&after) {
        let message = format!("the code may no longer reach {}", quoted(address));
        changes.add("network_withdrawn", &at.called(address), message);
    }
    for address in after.difference(&before) {
        let message = format!("the code may reach {}", quoted(address));
        changes.add("network_granted", &at.called(address), message);
    }
    if respelled && before == after {
        let message = "the same addresses are written in another form";
        changes.add("network_respelled", &at, message);
    }
}

fn root(pair: &Pair<'_>, changes: &mut Changes) {
    if pair.texts("root", changes).is_none() {
        return;
    }
    let at = pair.at.member("root");
    let (Some(old), Some(new)) = pair.get("root") else {
        let message = "the root is written on one side only";
        return changes.add("root_changed", &at, message);
    };
    let read = |value: &'_ Value| value.as_str().unwrap_or_default().to_owned();
    let (text_old, text_new) = (read(old), read(new));
    let (was, is) = (folders(&text_old), folders(&text_new));
    let kind = if was == is {
        "root_respelled"
    } else if was.0 == is.0 && was.1.starts_with(&is.1) {
        "root_widened"
    } else if was.0 == is.0 && is.1.starts_with(&was.1) {
        "root_narrowed"
    } else {
        "root_changed"
    };
    let message = format!("the root was {} and is {}", shown(old), shown(new));
    changes.add(kind, &at, message);
}
