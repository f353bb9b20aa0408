//! Members that are of the model and stand in the wrong object: what they guard is not guarded, so they are moved and never renamed.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use super::{Advice, Case, guards};
use crate::json;
use crate::lint::Edit;
use crate::lint::near::nearest;
use crate::lint::rule::Change;
use crate::manifest;

/// Members of actions, intents and nodes that hold members of their own.
const INNER: [&str; 4] = ["access_control", "limits", "cache", "batch"];

/// An object of the model that has a member of a name.
struct Home {
    /// The object, in the snake_case form.
    pointer: String,
    /// The member's name in that form.
    name: &'static str,
}

/// What becomes of an unknown member that has its place elsewhere, or is a safeguard; none for all others.
pub(super) fn advice(case: &Case<'_, '_>) -> Option<Advice> {
    let token = case.token()?;
    let place = case.subject.unified(json::pop(case.pointer)?.0);
    if let Some(home) = home(case, &place, &token) {
        return Some(moved(case, &place, &token, &home));
    }
    if guards::asks(&token) {
        return Some(approval(case, &place, &token));
    }
    (guards::guards(&token) || is_of_the_model(case, &token)).then(|| Advice {
        message: Some(format!(
            "'{token}' is not read here, and guards nothing; correct its name, or put it where it belongs"
        )),
        change: None,
    })
}

/// Capitals and separators are no difference.
fn plain(name: &str) -> String {
    let letters = name.chars().filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

/// Whether a name is one of the model, in whatever object.
fn is_of_the_model(case: &Case<'_, '_>, token: &str) -> bool {
    static NAMES: OnceLock<BTreeSet<&'static str>> = OnceLock::new();
    let names = NAMES.get_or_init(|| {
        let actions: Vec<Value> = manifest::action_types()
            .map(|kind| json!({"type": kind}))
            .collect();
        let count = actions.len();
        let document = json!({"actions": actions});
        let mut places = vec![String::new(), "/intents/0".to_owned()];
        places.extend((0..count).map(|index| format!("/actions/{index}")));
        let inner = INNER.iter().chain(&["fallback_action"]);
        places.extend(inner.map(|name| format!("/actions/0/{name}")));
        let names = places
            .iter()
            .flat_map(|place| manifest::known_members(&document, place));
        names.collect()
    });
    let mut names = names.iter();
    names.any(|name| is_named(case, token, name))
}

/// Whether a token is a name of the model, in either spelling.
fn is_named(case: &Case<'_, '_>, token: &str, name: &str) -> bool {
    token == name || token == case.subject.spelled(name) || plain(token) == plain(name)
}

/// The nearest object that has a member of this name: one beside it, or one around it and those beside that.
fn home(case: &Case<'_, '_>, place: &str, token: &str) -> Option<Home> {
    let mut homes: Vec<(String, Vec<&'static str>)> = Vec::new();
    let mut level = place;
    // The manifest itself is left out: what stands in it is about all actions, and not about one.
    while level.matches('/').count() >= 2 {
        let known = manifest::known_members(case.subject.value(), level);
        for name in INNER.into_iter().filter(|name| known.contains(name)) {
            let pointer = json::push(level, name);
            let members = manifest::known_members(case.subject.value(), &pointer);
            homes.push((pointer, members));
        }
        homes.push((level.to_owned(), known));
        level = json::pop(level)?.0;
    }
    homes.retain(|(pointer, _)| pointer != place);
    let exact = homes.iter().find_map(|(pointer, known)| {
        let name = known.iter().find(|name| is_named(case, token, name))?;
        Some((pointer, *name))
    });
    let near = || {
        homes.iter().find_map(|(pointer, known)| {
            let name = nearest(token, known.iter().copied())?;
            Some((pointer, name))
        })
    };
    let (pointer, name) = exact.or_else(near)?;
    Some(Home {
        pointer: pointer.clone(),
        name,
    })
}

fn moved(case: &Case<'_, '_>, place: &str, token: &str, home: &Home) -> Advice {
    let name = case.subject.spelled(home.name);
    let (around, member) = json::pop(&home.pointer).unwrap_or(("", String::new()));
    let is_inner = INNER.contains(&member.as_str());
    let whose = if is_inner {
        format!("'{}'", case.subject.spelled(&member))
    } else {
        "the object around this one".to_owned()
    };
    let message = if plain(token) == plain(name) {
        format!("'{token}' is not read here; it belongs in {whose}")
    } else {
        format!("'{token}' is not read here; write '{name}' in {whose}")
    };
    let steps = steps(case, place, around, &member, is_inner, home, name);
    Advice {
        message: Some(message),
        change: steps.map(|steps| Change {
            title: format!("move '{token}' into {whose}"),
            safe: false,
            steps,
        }),
    }
}

/// The steps that move a member; none where its place is taken.
fn steps(
    case: &Case<'_, '_>,
    place: &str,
    around: &str,
    member: &str,
    is_inner: bool,
    home: &Home,
    name: &str,
) -> Option<Vec<Edit>> {
    let root = case.subject.document().value();
    let away = Edit::Remove {
        pointer: case.pointer.to_owned(),
    };
    // An object that is not there has no place in the document as given; the one around it has.
    let spelled = case.subject.spelled(member);
    let owner = if is_inner {
        json::push(&case.subject.original(around), spelled)
    } else {
        case.subject.original(&home.pointer)
    };
    match root.pointer(&owner) {
        Some(Value::Object(members)) if !members.contains_key(name) => Some(vec![
            away,
            Edit::Insert {
                pointer: owner,
                name: name.to_owned(),
                value: case.value.clone(),
            },
        ]),
        None if is_inner => {
            let value = Value::Object(Map::from_iter([(name.to_owned(), case.value.clone())]));
            Some(if around == place {
                wrapped(case, spelled, value)
            } else {
                let pointer = case.subject.original(around);
                let name = spelled.to_owned();
                vec![
                    away,
                    Edit::Insert {
                        pointer,
                        name,
                        value,
                    },
                ]
            })
        }
        _ => None,
    }
}

/// Another name and another value in the same place: what stands around stays, comments included.
fn wrapped(case: &Case<'_, '_>, name: &str, value: Value) -> Vec<Edit> {
    let pointer = case.pointer.to_owned();
    vec![
        Edit::Replace {
            pointer: pointer.clone(),
            value,
        },
        Edit::Rename {
            pointer,
            name: name.to_owned(),
        },
    ]
}

/// A person's approval that is demanded in words of the author's own.
fn approval(case: &Case<'_, '_>, place: &str, token: &str) -> Advice {
    let access_name = case.subject.spelled("access_control");
    let is_access = place.ends_with("/access_control");
    let is_off = case.value == &Value::Bool(false);
    let message = match guards::harm(case).filter(|_| is_off) {
        Some(harm) => format!(
            "'{token}' is explicitly off, and the action {harm}: nobody is asked before it runs; let a person approve it by \"verification\": \"approval\" in '{access_name}', since '{token}' is not read"
        ),
        None if is_access => {
            format!("'{token}' is not read; write \"verification\": \"approval\"")
        }
        None => format!(
            "'{token}' is not read; write \"verification\": \"approval\" in '{access_name}', where it belongs"
        ),
    };
    let advice = |change| Advice {
        message: Some(message),
        change,
    };
    let demanded = case.value == &Value::Bool(true);
    let Some((parent, members)) = case.parent().filter(|_| demanded) else {
        return advice(None);
    };
    let value = json!("approval");
    let name = "verification".to_owned();
    let known = manifest::known_members(case.subject.value(), place);
    let steps = if is_access {
        (!members.contains_key(&name)).then(|| wrapped(case, &name, value))
    } else if known.contains(&"access_control") {
        match members.get(access_name) {
            None => Some(wrapped(case, access_name, json!({name: value}))),
            Some(Value::Object(access)) if !access.contains_key(&name) => Some(vec![
                Edit::Remove {
                    pointer: case.pointer.to_owned(),
                },
                Edit::Insert {
                    pointer: json::push(parent, access_name),
                    name,
                    value,
                },
            ]),
            Some(_) => None,
        }
    } else {
        None
    };
    advice(steps.map(|steps| Change {
        title: "demand a person's approval".to_owned(),
        safe: false,
        steps,
    }))
}
