//! Inputs that admit more than anybody wants, or more than anybody fills in.

use serde_json::{Value, json};

use crate::json;
use crate::lint::Edit;
use crate::lint::rule::Found;
use crate::lint::rules::schema::walk::{self, Sub};
use crate::lint::rules::security::each;
use crate::lint::subject::Subject;

/// More members of one kind than this are too many to choose from.
const MOST_MEMBERS: usize = 100;

/// More arguments than this are filled in wrongly.
const MOST_ARGUMENTS: usize = 20;

/// More actions than this are too many to be shown at once.
const MOST_ACTIONS: usize = 50;

/// The largest integer below which none is lost when numbers are doubles.
const EXACT: u64 = 1 << 53;

/// Keywords whose numbers are judged with the schema that they belong to.
const BOUNDS: [&str; 5] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
];

/// Visits the subschemas of inputs that judge a value of their own, and of one type.
fn each_input<'v>(subject: &'v Subject<'_>, wanted: &str, mut visit: impl FnMut(&Sub<'v, '_>)) {
    walk::each(subject, |sub| {
        let closed = ["enum", "const", "$ref", "allOf", "anyOf", "oneOf"]
            .iter()
            .any(|keyword| sub.has(keyword));
        if sub.input && !sub.branch && !closed && sub.text("type") == Some(wanted) {
            visit(sub);
        }
    });
}

pub(super) fn strings(subject: &Subject<'_>, found: &mut Found<'_>) {
    each_input(subject, "string", |sub| {
        if !sub.has("maxLength") && !sub.has("format") && !sub.has("pattern") {
            found.at(
                sub.pointer(),
                "nothing says how long this text may be; add a `maxLength`",
            );
        }
    });
}

pub(super) fn arrays(subject: &Subject<'_>, found: &mut Found<'_>) {
    each_input(subject, "array", |sub| {
        let closed = sub.get("items") == Some(&Value::Bool(false));
        if !sub.has("maxItems") && !closed {
            found.at(
                sub.pointer(),
                "nothing says how many elements there may be; add a `maxItems`",
            );
        }
    });
}

/// What an object admits besides its `properties`.
fn more<'v>(sub: &Sub<'v, '_>) -> Option<&'v Value> {
    sub.get("additionalProperties")
        .or_else(|| sub.get("unevaluatedProperties"))
}

pub(super) fn objects(subject: &Subject<'_>, found: &mut Found<'_>) {
    each_input(subject, "object", |sub| {
        let map = sub.object("patternProperties").is_some()
            || more(sub).is_some_and(|more| more != &Value::Bool(false));
        if map && !sub.has("maxProperties") {
            found.at(
                sub.pointer(),
                "nothing says how many members there may be; add `maxProperties`",
            );
        }
    });
}

pub(super) fn open(subject: &Subject<'_>, found: &mut Found<'_>) {
    each_input(subject, "object", |sub| {
        let named = sub
            .object("properties")
            .is_some_and(|properties| !properties.is_empty());
        let conditional = [
            "if",
            "dependentSchemas",
            "dependencies",
            "patternProperties",
        ]
        .iter()
        .any(|keyword| sub.has(keyword));
        if named && !conditional && more(sub).is_none() {
            let step = Edit::Insert {
                pointer: sub.pointer(),
                name: "additionalProperties".to_owned(),
                value: json!(false),
            };
            let message = "members that are not declared get through, misspelt ones too; add `\"additionalProperties\": false`";
            found
                .at(sub.pointer(), message)
                .fix_unsafe("refuse other members", vec![step]);
        }
    });
}

pub(super) fn crowded(subject: &Subject<'_>, found: &mut Found<'_>) {
    walk::each(subject, |sub| {
        let count = sub.object("properties").map_or(0, serde_json::Map::len);
        if sub.input && sub.whole && count > MOST_ARGUMENTS {
            let message = format!(
                "the action takes {count} arguments; group them, or make several actions of it"
            );
            found.at(sub.pointer_of("properties"), message);
        }
    });
}

pub(super) fn long_enums(subject: &Subject<'_>, found: &mut Found<'_>) {
    walk::each(subject, |sub| {
        let count = sub.list("enum").map_or(0, Vec::len);
        if count > MOST_MEMBERS {
            let message = format!(
                "{count} values to choose from are part of every prompt; let an action look the value up, or use a pattern"
            );
            found.at(sub.pointer_of("enum"), message);
        }
    });
}

pub(super) fn many_actions(subject: &Subject<'_>, found: &mut Found<'_>) {
    let count = subject.actions().len();
    if count > MOST_ACTIONS && subject.intents().is_empty() {
        let message = format!(
            "a model is shown all {count} actions at once; add intents that list what each kind of goal needs"
        );
        found.at("/actions", message);
    }
}

pub(super) fn inexact(subject: &Subject<'_>, found: &mut Found<'_>) {
    each(subject.value(), &mut |place, value| {
        let Value::Number(number) = value else {
            return;
        };
        let large = number.as_u64().is_some_and(|n| n > EXACT)
            || number.as_i64().is_some_and(|n| n.unsigned_abs() > EXACT)
            || (number
                .as_f64()
                .is_some_and(|n| n.abs() > 9_007_199_254_740_992.0)
                && written_as_integer(subject, &place.pointer()));
        if large && !place.name().is_some_and(|name| BOUNDS.contains(&name)) {
            let message = "integers past 2^53 lose digits in canonical JSON and in most languages; write it as a string";
            found.at(place.pointer(), message);
        }
    });
}

/// Whether a number is written with digits only, so that each of them was meant.
fn written_as_integer(subject: &Subject<'_>, pointer: &str) -> bool {
    let document = subject.document();
    let span = document.span(&subject.original(pointer));
    let written = document
        .text()
        .get(span.start..span.end)
        .unwrap_or_default();
    let digits = written.strip_prefix('-').unwrap_or(written);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Members that say what is so without them: a member of the manifest, or of an action, its value, and whether it is empty.
fn optional(subject: &Subject<'_>, mut visit: impl FnMut(String, &str, &Value)) {
    if let Some(intents) = subject.value().get("intents") {
        visit("/intents".to_owned(), "intents", intents);
    }
    for action in subject.actions() {
        let own = [
            "headers",
            "effects",
            "network",
            "limits",
            "timeout_ms",
            "completes_goal",
            "entrypoint",
        ];
        for name in own {
            if let Some(value) = action.get(name) {
                visit(action.pointer_of(name), name, value);
            }
        }
        for (outer, names) in [
            ("access_control", ["required_scopes", "verification"]),
            ("limits", ["cpu_ms", "memory_mib"]),
        ] {
            for name in names {
                if let Some(value) = action.get(outer).and_then(|outer| outer.get(name)) {
                    visit(json::push(&action.pointer_of(outer), name), name, value);
                }
            }
        }
    }
}

pub(super) fn empty(subject: &Subject<'_>, found: &mut Found<'_>) {
    optional(subject, |pointer, name, value| {
        let empty = match value {
            Value::Array(elements) => elements.is_empty(),
            Value::Object(members) => members.is_empty(),
            _ => false,
        };
        if empty {
            let name = subject.spelled(name);
            let steps = vec![Edit::Remove {
                pointer: pointer.clone(),
            }];
            let message = format!("an empty '{name}' says the same as none; leave it out");
            found
                .at(pointer, message)
                .fix(format!("remove '{name}'"), steps);
        }
    });
}

pub(super) fn stated(subject: &Subject<'_>, found: &mut Found<'_>) {
    let defaults = [
        ("timeout_ms", json!(10_000)),
        ("completes_goal", json!(false)),
        ("entrypoint", json!("generate")),
        ("verification", json!("none")),
        ("cpu_ms", json!(200)),
        ("memory_mib", json!(64)),
    ];
    optional(subject, |pointer, name, value| {
        if defaults
            .iter()
            .any(|(known, default)| *known == name && default == value)
        {
            let name = subject.spelled(name);
            let steps = vec![Edit::Remove {
                pointer: pointer.clone(),
            }];
            let message = format!(
                "'{name}' is {value} anyway; leave it out, so that what is special stands out"
            );
            found
                .at(pointer, message)
                .fix(format!("remove '{name}'"), steps);
        }
    });
}
