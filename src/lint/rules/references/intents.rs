//! Intents and the actions that they list, and plugins and their names.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::Value;

use crate::lint::Edit;
use crate::lint::rule::Found;
use crate::lint::subject::{Part, Subject};
use crate::manifest::is_dotted_name;

/// The names that an intent lists.
fn listed<'v>(intent: &Part<'v>) -> impl Iterator<Item = &'v str> {
    let names = intent.get("actions").and_then(Value::as_array);
    names.into_iter().flatten().filter_map(Value::as_str)
}

pub(super) fn unlisted(subject: &Subject<'_>, found: &mut Found<'_>) {
    let intents = subject.intents();
    if intents.is_empty() {
        return;
    }
    let names: HashSet<&str> = intents.iter().flat_map(listed).collect();
    for action in subject.actions() {
        if let Some(name) = action.text("name").filter(|name| !names.contains(name)) {
            let message =
                format!("no intent lists '{name}'; sessions that name an intent never see it");
            found.at(action.pointer_of("name"), message);
        }
    }
}

pub(super) fn all_listed(subject: &Subject<'_>, found: &mut Found<'_>) {
    let intents = subject.intents();
    let names: HashSet<&str> = subject.action_names().into_iter().collect();
    if intents.len() < 2 || names.len() < 2 {
        return;
    }
    for intent in intents {
        let own: HashSet<&str> = listed(&intent).collect();
        if names.is_subset(&own) && intent.get("access_control").is_none() {
            found.at(
                intent.pointer_of("actions"),
                "this intent lists every action and narrows nothing; leave out what its goals do not need",
            );
        }
    }
}

pub(super) fn doubles(subject: &Subject<'_>, found: &mut Found<'_>) {
    let mut first: HashMap<BTreeSet<&str>, String> = HashMap::new();
    for intent in subject.intents() {
        let names: BTreeSet<&str> = listed(&intent).collect();
        if names.is_empty() || intent.get("access_control").is_some() {
            continue;
        }
        let own = intent.text("name").unwrap_or_default();
        match first.get(&names) {
            Some(other) => {
                let message =
                    format!("the intent '{other}' lists the same actions; keep one of the two");
                found.at(intent.pointer_of("actions"), message);
            }
            None => {
                first.insert(names, own.to_owned());
            }
        }
    }
}

pub(super) fn flagged(subject: &Subject<'_>, found: &mut Found<'_>) {
    let actions = subject.actions();
    let flags: HashMap<&str, bool> = actions
        .iter()
        .filter_map(|action| Some((action.text("name")?, action.get("feature_flag").is_some())))
        .collect();
    for intent in subject.intents() {
        let mut names = listed(&intent).peekable();
        // Of a name that is none, nothing is known.
        if names.peek().is_some() && names.all(|name| flags.get(name) == Some(&true)) {
            found.at(
                intent.pointer_of("actions"),
                "each of these actions needs a feature flag, so a session without flags has none of them; list one that is always there",
            );
        }
    }
}

pub(super) fn plugins(subject: &Subject<'_>, found: &mut Found<'_>) {
    for action in subject.actions() {
        if action.text("type") != Some("plugin") || action.get("plugin_reference").is_some() {
            continue;
        }
        if let Some(name) = action.text("name").filter(|name| !is_dotted_name(name)) {
            let reference = subject.spelled("plugin_reference");
            let message =
                format!("no plugin can be called '{name}'; name the plugin in '{reference}'");
            found.at(action.pointer_of("name"), message);
        }
    }
}

pub(super) fn own_plugins(subject: &Subject<'_>, found: &mut Found<'_>) {
    for action in subject.actions() {
        let reference = action.text("plugin_reference");
        if action.text("type") == Some("plugin")
            && reference.is_some()
            && reference == action.text("name")
        {
            let pointer = action.pointer_of("plugin_reference");
            let member = subject.spelled("plugin_reference");
            let noted = found.at(
                pointer.clone(),
                format!(
                    "the plugin of the action's own name is meant anyway; leave '{member}' out"
                ),
            );
            noted.fix(format!("remove '{member}'"), vec![Edit::Remove { pointer }]);
        }
    }
}
