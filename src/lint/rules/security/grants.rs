//! What actions may be called by, reach and touch: scopes, network, roots, limits.

use serde_json::Value;

use super::address::{self, Inside};
use super::code;
use crate::json;
use crate::lint::rule::Found;
use crate::lint::subject::{Part, Subject};
use crate::manifest::{Root, Scheme};

/// What a run has without `limits`, and unless the operator says otherwise also with them.
const DEFAULTS: [(&str, u64, &str); 2] = [("cpu_ms", 200, "ms"), ("memory_mib", 64, "MiB")];

/// Folders that belong to the machine or to people, and not to an agent.
const OF_THE_MACHINE: [&str; 18] = [
    "bin", "boot", "dev", "etc", "home", "lib", "lib64", "mnt", "opt", "private", "proc", "root",
    "run", "sbin", "sys", "usr", "var", "users",
];

/// Folders below which nothing is for an agent, however deep.
const NEVER: [&str; 10] = [
    "boot", "dev", "etc", "proc", "root", "run", "sbin", "bin", "sys", "lib",
];

/// Texts of a list, with their pointers.
fn texts<'v>(list: Option<&'v Value>, pointer: &str) -> Vec<(String, &'v str)> {
    let elements = list
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .enumerate();
    elements
        .filter_map(|(index, element)| {
            Some((json::push(pointer, &index.to_string()), element.as_str()?))
        })
        .collect()
}

pub(super) fn scopes(subject: &Subject<'_>, found: &mut Found<'_>) {
    for part in subject.actions().into_iter().chain(subject.intents()) {
        let control = part
            .get("access_control")
            .and_then(|control| control.get("required_scopes"));
        let pointer = json::push(&part.pointer_of("access_control"), "required_scopes");
        for (pointer, scope) in texts(control, &pointer) {
            if scope.contains('*') {
                let message = format!(
                    "'{scope}' is compared as a whole text, star and all, so hardly any token has it; name each scope"
                );
                found.at(pointer, message);
            }
        }
    }
}

fn grants<'v>(action: &Part<'v>) -> Vec<(String, &'v str)> {
    texts(action.get("network"), &action.pointer_of("network"))
}

pub(super) fn private_grants(subject: &Subject<'_>, found: &mut Found<'_>) {
    for action in subject.actions() {
        for (pointer, grant) in grants(&action) {
            let where_to = match address::inside(address::host(grant)) {
                Some(Inside::Loopback) => "the runtime's own machine",
                Some(Inside::Metadata) => "where a cloud gives the machine its credentials",
                Some(Inside::Private(network)) => network,
                None => continue,
            };
            let message = format!(
                "'{grant}' is {where_to}, which is refused even when it is granted; name a public host"
            );
            found.at(pointer, message);
        }
    }
}

pub(super) fn unused_grants(subject: &Subject<'_>, found: &mut Found<'_>) {
    for action in subject.actions() {
        let Some(code) = action.text("code").filter(|_| !code::is_wasm(&action)) else {
            continue;
        };
        let code = code.to_ascii_lowercase();
        for (pointer, grant) in grants(&action) {
            let host = address::host(grant);
            if !host.is_empty() && !code.contains(&host.to_ascii_lowercase()) {
                let message = format!(
                    "the code never names '{host}'; take the grant back unless the host comes from an argument"
                );
                found.at(pointer, message);
            }
        }
    }
}

pub(super) fn limits(subject: &Subject<'_>, found: &mut Found<'_>) {
    for action in subject.actions() {
        for (name, default, unit) in DEFAULTS {
            let limit = action
                .get("limits")
                .and_then(|limits| limits.get(name))
                .and_then(Value::as_u64);
            if limit.is_some_and(|limit| limit > default) {
                let pointer = json::push(&action.pointer_of("limits"), name);
                let name = subject.spelled(name);
                let message = format!(
                    "a '{name}' above {default} {unit} has no effect unless the operator raised the ceiling; let the code do with {default}"
                );
                found.at(pointer, message);
            }
        }
    }
}

/// The root of an action; what is none is `invalid_root`'s.
fn root(action: &Part<'_>) -> Option<Root> {
    action.text("root")?.parse().ok()
}

pub(super) fn wide_roots(subject: &Subject<'_>, found: &mut Found<'_>) {
    for action in subject.actions() {
        let Some(root) = root(&action).filter(|root| root.scheme() == Scheme::File) else {
            continue;
        };
        let first = root
            .segments()
            .first()
            .map(|name| name.to_ascii_lowercase());
        let first = first.unwrap_or_default();
        let whose = match root.segments().len() {
            0 => "the whole disk",
            1 if OF_THE_MACHINE.contains(&first.as_str()) => "a folder of the machine",
            _ if NEVER.contains(&first.as_str()) => "a folder of the machine",
            2 if ["home", "users"].contains(&first.as_str()) => "somebody's home",
            _ => continue,
        };
        let message = format!("'{root}' is {whose}; give the agent a folder of its own");
        found.at(action.pointer_of("root"), message);
    }
}

pub(super) fn whole_buckets(subject: &Subject<'_>, found: &mut Found<'_>) {
    for action in subject.actions() {
        let written = action.text("type") == Some("write_file");
        let Some(root) = root(&action).filter(|_| written) else {
            continue;
        };
        if root.scheme() == Scheme::S3 && root.segments().is_empty() {
            let message = format!(
                "'{root}' is a whole bucket, and the action may write anywhere in it; add a prefix"
            );
            found.at(action.pointer_of("root"), message);
        }
    }
}

pub(super) fn nested_roots(subject: &Subject<'_>, found: &mut Found<'_>) {
    let actions = subject.actions();
    let of = |kind: &str| -> Vec<(&Part<'_>, String)> {
        let wanted = actions
            .iter()
            .filter(|action| action.text("type") == Some(kind));
        let mut roots: Vec<_> = wanted
            .filter_map(|action| Some((action, root(action)?.to_string())))
            .collect();
        roots.sort_by(|(_, one), (_, other)| one.cmp(other));
        roots
    };
    let read = of("read_file");
    for (action, root) in of("write_file") {
        // Sorted and with a slash at the end, so that what lies below a root follows it.
        let first = read.partition_point(|(_, other)| *other <= root);
        if let Some((reader, inner)) = read
            .get(first)
            .filter(|(_, other)| other.starts_with(&root))
        {
            let name = reader.text("name").unwrap_or_default();
            let message = format!(
                "what '{name}' reads from '{inner}' lies below, so this action can write it too; give it a root beside that one"
            );
            found.at(action.pointer_of("root"), message);
        }
    }
}
