//! Rules of the group `versions`: versions, flags, and which action ends a session.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::lint::Edit;
use crate::lint::near::slips;
use crate::lint::rule::{Check, Found, Group, Preset, Rule, Severity};
use crate::lint::subject::Subject;
use crate::manifest::parse_version;

/// The rules of this group.
pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "protocol_version_absent",
        group: Group::Versions,
        severity: Severity::Note,
        preset: Preset::Strict,
        clause: "manifests.md#1-the-document",
        summary: "the manifest does not say for which version of the protocol it is written",
        why: "Absent means \"2.0\". Said in so many words, a reader knows it, and a later runtime refuses what it does not speak instead of guessing.",
        check: Check::Manifest(protocol_absent),
    },
    Rule {
        id: "unknown_minor_version",
        group: Group::Versions,
        severity: Severity::Warning,
        preset: Preset::Recommended,
        clause: "MAN-005",
        summary: "`protocol_version` names a minor version that is not published",
        why: "Every runtime of version 2 takes the manifest, whatever the minor version, and treats it as 2.0. Nothing that a later version may bring can be relied on. Write \"2.0\".",
        check: Check::Manifest(protocol_minor),
    },
    Rule {
        id: "version_zero",
        group: Group::Versions,
        severity: Severity::Note,
        preset: Preset::Strict,
        clause: "MAN-020",
        summary: "the manifest's version is 0.0.0",
        why: "A version that was never chosen cannot be raised, so clients cannot tell a breaking change. Begin with 0.1.0 or 1.0.0.",
        check: Check::Manifest(zero),
    },
    Rule {
        id: "prerelease_version",
        group: Group::Versions,
        severity: Severity::Note,
        preset: Preset::Strict,
        clause: "MAN-020",
        summary: "the manifest's version is a pre-release",
        why: "A pre-release promises nothing about the next one. That is right while a manifest is tried out, and wrong in one that clients depend on.",
        check: Check::Manifest(prerelease),
    },
    Rule {
        id: "constant_flag",
        group: Group::Versions,
        severity: Severity::Warning,
        preset: Preset::Recommended,
        clause: "manifests.md#2-actions",
        summary: "a feature flag reads like a value and not like a name",
        why: "`feature_flag` is the name of a flag that a session must carry; \"true\" or \"never\" are names like any other and switch nothing on or off. Name the feature, or remove the member, or the action.",
        check: Check::Manifest(constant_flags),
    },
    Rule {
        id: "near_flags",
        group: Group::Versions,
        severity: Severity::Warning,
        preset: Preset::Recommended,
        clause: "manifests.md#2-actions",
        summary: "two feature flags are nearly the same",
        why: "Flags are compared character by character. With two that differ in capitals or by a slip of the hand, a session that carries one lacks the actions of the other. Use one name.",
        check: Check::Manifest(near_flags),
    },
    Rule {
        id: "flag_white_space",
        group: Group::Versions,
        severity: Severity::Warning,
        preset: Preset::Recommended,
        clause: "manifests.md#2-actions",
        summary: "a feature flag begins or ends with white space",
        why: "Flags are compared character by character, and nobody sees the blank. A session that carries the flag without it does not have the action.",
        check: Check::Manifest(blank_flags),
    },
    Rule {
        id: "no_goal_action",
        group: Group::Versions,
        severity: Severity::Note,
        preset: Preset::Strict,
        clause: "manifests.md#2-actions",
        summary: "no action completes the goal",
        why: "Without `completes_goal` a session ends only when the model says that it is finished, or at its limit of steps. Mark the action after whose success nothing is left to do.",
        check: Check::Manifest(no_goal),
    },
    Rule {
        id: "every_action_completes_goal",
        group: Group::Versions,
        severity: Severity::Warning,
        preset: Preset::Recommended,
        clause: "manifests.md#2-actions",
        summary: "each of several actions completes the goal",
        why: "The first success, of whatever action, ends the session. An agent that looks something up never gets to use it. Mark only the action that reaches the goal.",
        check: Check::Manifest(every_goal),
    },
    Rule {
        id: "draft_member",
        group: Group::Versions,
        severity: Severity::Note,
        preset: Preset::Strict,
        clause: "DRF-002",
        summary: "an action uses a member of an extension",
        why: "`cache` and `batch` belong to the extension `caching` of draft-2.1. A runtime that knows the draft and does not offer the extension refuses the manifest with `profile_not_supported`, and one that does not know it may read over the member. Make sure that your runtimes offer it.",
        check: Check::Manifest(drafts),
    },
];

/// Most distinct flags that are compared with each other.
const MOST_FLAGS: usize = 300;

fn protocol_absent(subject: &Subject<'_>, found: &mut Found<'_>) {
    let document = subject.value();
    if document.is_object() && document.get("protocol_version").is_none() {
        let name = subject.spelled("protocol_version");
        let insert = Edit::Insert {
            pointer: String::new(),
            name: name.to_owned(),
            value: Value::from("2.0"),
        };
        found
            .at("", format!("the manifest has no '{name}'; add \"2.0\""))
            .fix(format!("add '{name}': \"2.0\""), vec![insert]);
    }
}

fn protocol_minor(subject: &Subject<'_>, found: &mut Found<'_>) {
    let version = subject
        .value()
        .get("protocol_version")
        .and_then(Value::as_str);
    let minor = version.and_then(|version| version.strip_prefix("2."));
    let is_number = |minor: &&str| {
        let plain = *minor == "0" || !minor.starts_with('0');
        plain && !minor.is_empty() && minor.bytes().all(|byte| byte.is_ascii_digit())
    };
    if minor.filter(is_number).is_some_and(|minor| minor != "0") {
        let pointer = "/protocol_version".to_owned();
        let value = Value::from("2.0");
        found
            .at(
                pointer.clone(),
                "no such version is published; write \"2.0\"",
            )
            .fix_unsafe("write \"2.0\"", vec![Edit::Replace { pointer, value }]);
    }
}

fn version(subject: &Subject<'_>) -> Option<semver::Version> {
    parse_version(subject.value().get("version")?.as_str()?)
}

fn zero(subject: &Subject<'_>, found: &mut Found<'_>) {
    if version(subject)
        .is_some_and(|version| (version.major, version.minor, version.patch) == (0, 0, 0))
    {
        found.at("/version", "choose a version, such as 0.1.0 or 1.0.0");
    }
}

fn prerelease(subject: &Subject<'_>, found: &mut Found<'_>) {
    let Some(version) = version(subject).filter(|version| !version.pre.is_empty()) else {
        return;
    };
    let message = format!(
        "'{}' is a pre-release; drop that part when clients depend on it",
        version.pre
    );
    found.at("/version", message);
}

/// Each flag with the place at which it stands.
fn flags<'s>(subject: &'s Subject<'_>) -> Vec<(&'s str, String)> {
    let actions = subject.actions();
    let flagged = actions.iter().filter_map(|action| {
        let flag = action.members.get("feature_flag")?.as_str()?;
        Some((flag, action.pointer_of("feature_flag")))
    });
    flagged.collect()
}

fn constant_flags(subject: &Subject<'_>, found: &mut Found<'_>) {
    const VALUES: [&str; 14] = [
        "true", "false", "on", "off", "yes", "no", "never", "always", "none", "null", "enabled",
        "disabled", "0", "1",
    ];
    for (flag, pointer) in flags(subject) {
        if VALUES.contains(&flag.trim().to_ascii_lowercase().as_str()) {
            let message = format!(
                "'{flag}' is the name of a flag here and switches nothing; name the feature"
            );
            found.at(pointer, message);
        }
    }
}

fn near_flags(subject: &Subject<'_>, found: &mut Found<'_>) {
    let mut first: BTreeMap<&str, String> = BTreeMap::new();
    for (flag, pointer) in flags(subject) {
        if first.contains_key(flag) || first.len() >= MOST_FLAGS {
            continue;
        }
        let near = first.keys().find(|other| are_near(flag, other));
        if let Some(near) = near {
            let message = format!("'{flag}' is nearly '{near}'; use one name for one flag");
            found.at(pointer.clone(), message);
        }
        first.insert(flag, pointer);
    }
}

fn are_near(one: &str, other: &str) -> bool {
    // White space around a flag has a rule of its own; numbers are meant to differ.
    let letters = |text: &str| -> String {
        let plain = text.trim().chars().filter(|c| !c.is_ascii_digit());
        plain.flat_map(char::to_lowercase).collect()
    };
    if one.trim() == other.trim() {
        return false;
    }
    if one.to_lowercase() == other.to_lowercase() {
        return true;
    }
    let (a, b) = (letters(one), letters(other));
    if a == b {
        return false;
    }
    let shortest = a.chars().count().min(b.chars().count());
    let most = match shortest {
        0..=4 => return false,
        5..=7 => 1,
        _ => 2,
    };
    slips(&a, &b, most).is_some()
}

fn blank_flags(subject: &Subject<'_>, found: &mut Found<'_>) {
    for (flag, pointer) in flags(subject) {
        let trimmed = flag.trim();
        if trimmed == flag {
            continue;
        }
        let noted = found.at(
            pointer.clone(),
            "the flag begins or ends with white space; take it away",
        );
        if !trimmed.is_empty() {
            let value = Value::from(trimmed);
            noted.fix_unsafe(
                format!("write '{trimmed}'"),
                vec![Edit::Replace { pointer, value }],
            );
        }
    }
}

fn no_goal(subject: &Subject<'_>, found: &mut Found<'_>) {
    let actions = subject.actions();
    let completes = |name: &str| {
        actions
            .iter()
            .any(|action| action.get(name) == Some(&Value::Bool(true)))
    };
    if !actions.is_empty() && !completes("completes_goal") {
        let name = subject.spelled("completes_goal");
        let message = format!(
            "no action has '{name}', so only the model's word or the step limit ends a session"
        );
        found.at_name("/actions", message);
    }
}

fn every_goal(subject: &Subject<'_>, found: &mut Found<'_>) {
    let actions = subject.actions();
    let all = actions
        .iter()
        .all(|action| action.get("completes_goal") == Some(&Value::Bool(true)));
    if actions.len() > 1 && all {
        let name = subject.spelled("completes_goal");
        let message = format!(
            "each action has '{name}', so the first success ends the session; mark only the last"
        );
        found.at_name("/actions", message);
    }
}

fn drafts(subject: &Subject<'_>, found: &mut Found<'_>) {
    for action in subject.actions() {
        for name in ["cache", "batch"]
            .into_iter()
            .filter(|name| action.get(name).is_some())
        {
            let message = format!("'{name}' needs a runtime that offers the extension 'caching'");
            found.at_name(action.pointer_of(name), message);
        }
    }
}
