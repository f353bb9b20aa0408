//! The rules of the document as a whole: its own members, names, intents.

use std::collections::{HashMap, HashSet};

use semver::Version;
use serde_json::Value;

use super::members::{Members, read_name};
use super::report::Report;
use super::{
    AccessControl, Action, Intent, MAX_ACTIONS, MAX_INTENTS, UNSUPPORTED_PROTOCOL_VERSION, action,
    fallback,
};

/// Longest version text, in bytes; far beyond any in use.
const MAX_VERSION: usize = 256;

/// What a document without violations consists of.
pub(super) struct Checked {
    pub(super) name: String,
    pub(super) version: Version,
    pub(super) declared_version: String,
    pub(super) description: Option<String>,
    pub(super) actions: Vec<Action>,
    pub(super) intents: Vec<Intent>,
}

pub(super) const KNOWN: &[&str] = &[
    "name",
    "version",
    "description",
    "protocol_version",
    "actions",
    "intents",
];

/// Checks a document of the snake_case spelling; none, or what the report holds, when a rule is broken.
pub(super) fn manifest(document: &Value, report: &mut Report) -> Option<Checked> {
    let members = Members::of(document, "", report)?;
    let name = members
        .require("name", report)
        .and_then(|(value, place)| read_name(value, &place, report));
    let version = members
        .require("version", report)
        .and_then(|(value, place)| read_version(value, &place, report));
    let description = members.free_text("description", report);
    check_protocol_version(&members, report);
    let actions = read_actions(&members, report);
    let intents = read_intents(&members, &actions.declared, report);
    fallback::check(&actions.fallbacks, &actions.declared, document, report);
    members.warn_unknown(&[KNOWN], "a manifest", report);

    let (version, declared_version) = version?;
    Some(Checked {
        name: name?.to_owned(),
        version,
        declared_version,
        description,
        actions: actions.read,
        intents,
    })
}

/// Reads `MAJOR.MINOR.PATCH`, or `MAJOR.MINOR` with a warning.
fn read_version(value: &Value, place: &str, report: &mut Report) -> Option<(Version, String)> {
    let Value::String(text) = value else {
        report.wrong_type(place, "a version such as \"1.0.0\"", value);
        return None;
    };
    let parsed = parse_version(text);
    match &parsed {
        None => report.refuse(
            place,
            "invalid_version",
            "write a semantic version without build metadata, such as \"1.0.0\"",
        ),
        Some(version) if is_two_part(text) => report.warn(
            place,
            "two_part_version",
            format!("write the version as \"{version}\", which is what it is taken for"),
        ),
        Some(_) => {}
    }
    parsed.map(|version| (version, text.clone()))
}

/// Parses a version as manifests and references to them write it: semantic, without build metadata, or two-part
/// and then with patch 0 (`spec/manifests.md`, section 1.3).
pub fn parse_version(text: &str) -> Option<Version> {
    if text.len() > MAX_VERSION {
        return None;
    }
    let parsed = if is_two_part(text) {
        Version::parse(&format!("{text}.0"))
    } else {
        Version::parse(text)
    };
    // Versions that differ in build metadata only would be equal in precedence and yet two.
    parsed.ok().filter(|version| version.build.is_empty())
}

fn is_two_part(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('.')
        .is_some_and(|(major, minor)| digits(major) && digits(minor))
}

fn check_protocol_version(members: &Members<'_>, report: &mut Report) {
    let Some(value) = members.get("protocol_version") else {
        return;
    };
    let place = members.place("protocol_version");
    let Value::String(text) = value else {
        report.wrong_type(&place, "the text \"2.0\"", value);
        return;
    };
    let plain = |part: &str| part == "0" || !part.starts_with('0');
    match text.split_once('.') {
        Some((major, minor)) if is_two_part(text) && plain(major) && plain(minor) => {
            if major != "2" {
                report.refuse(
                    &place,
                    UNSUPPORTED_PROTOCOL_VERSION,
                    "write the manifest for protocol version \"2.0\"",
                );
            }
        }
        _ => report.refuse(&place, "pattern", "write MAJOR.MINOR, such as \"2.0\""),
    }
}

#[derive(Default)]
struct Actions<'d> {
    /// The actions without violations of their own.
    read: Vec<Action>,
    /// Every name that is declared, with the index of its first action, whatever else is wrong with that.
    declared: HashMap<&'d str, usize>,
    /// By action index, what its fallback names.
    fallbacks: Vec<Vec<fallback::Named<'d>>>,
}

fn read_actions<'d>(members: &Members<'d>, report: &mut Report) -> Actions<'d> {
    let mut actions = Actions::default();
    if members.require("actions", report).is_none() {
        return actions;
    }
    if members.get("actions") == Some(&Value::Array(Vec::new())) {
        let place = members.place("actions");
        report.refuse(&place, "minItems", "declare at least one action");
    }
    for (index, (value, place)) in members
        .list("actions", MAX_ACTIONS, report)
        .into_iter()
        .enumerate()
    {
        if let Some(name) = value.get("name").and_then(Value::as_str) {
            declare(
                &mut actions.declared,
                name,
                index,
                &place,
                "actions",
                report,
            );
        }
        actions.fallbacks.push(fallback::named(value, &place));
        actions.read.extend(action::read(value, &place, report));
    }
    actions
}

fn declare<'d>(
    declared: &mut HashMap<&'d str, usize>,
    name: &'d str,
    index: usize,
    place: &str,
    list: &str,
    report: &mut Report,
) {
    match declared.get(name) {
        None => {
            declared.insert(name, index);
        }
        Some(first) => report.refuse(
            &format!("{place}/name"),
            "duplicate_name",
            format!("choose another name; /{list}/{first} has this one already"),
        ),
    }
}

pub(super) const KNOWN_OF_INTENT: &[&str] = &["name", "description", "actions", "access_control"];

fn read_intents(
    members: &Members<'_>,
    declared: &HashMap<&str, usize>,
    report: &mut Report,
) -> Vec<Intent> {
    let mut names = HashMap::new();
    let mut intents = Vec::new();
    for (index, (value, place)) in members
        .list("intents", MAX_INTENTS, report)
        .into_iter()
        .enumerate()
    {
        let Some(intent) = Members::of(value, &place, report) else {
            continue;
        };
        let name = intent
            .require("name", report)
            .and_then(|(value, place)| read_name(value, &place, report));
        if let Some(name) = name {
            declare(&mut names, name, index, &place, "intents", report);
        }
        let description = intent.free_text("description", report);
        let actions = read_intent_actions(&intent, declared, report);
        let access_control = intent
            .get("access_control")
            .and_then(|value| AccessControl::read(value, &intent.place("access_control"), report));
        intent.warn_unknown(&[KNOWN_OF_INTENT], "an intent", report);
        intents.extend(name.map(|name| Intent {
            name: name.to_owned(),
            description,
            actions,
            access_control,
        }));
    }
    intents
}

fn read_intent_actions(
    intent: &Members<'_>,
    declared: &HashMap<&str, usize>,
    report: &mut Report,
) -> Vec<String> {
    if let Some((Value::Array(elements), place)) = intent.require("actions", report)
        && elements.is_empty()
    {
        report.refuse(&place, "minItems", "name at least one action");
    }
    let mut seen = HashSet::new();
    let mut actions = Vec::new();
    let mut repeated = false;
    for (element, place) in intent.list("actions", usize::MAX, report) {
        match element {
            Value::String(name) if !declared.contains_key(name.as_str()) => report.refuse(
                &place,
                "unknown_action",
                "name an action that this manifest declares",
            ),
            Value::String(name) => {
                repeated |= !seen.insert(name.as_str());
                actions.push(name.clone());
            }
            other => report.wrong_type(&place, "an action's name", other),
        }
    }
    if repeated {
        report.refuse(
            &intent.place("actions"),
            "uniqueItems",
            "name each action once",
        );
    }
    actions
}
