//! What stands in a case.

use serde_json::Value;

use crate::diagnostic::Violation;
use crate::json;
use crate::lint::Edit;
use crate::lint::near::nearest;
use crate::lint::rule::Found;
use crate::lint::rules::security::each;
use crate::lint::rules::target::{is_id, members};
use crate::lint::subject::{DocumentKind, Subject};
use crate::requirement::{Profile, Registry};

/// The document, when it is a case.
fn case<'v>(subject: &'v Subject<'_>) -> Option<&'v Value> {
    (subject.kind() == DocumentKind::Case).then(|| subject.value())
}

pub(super) fn shape(subject: &Subject<'_>, found: &mut Found<'_>) {
    let Some(case) = case(subject) else {
        return;
    };
    let has_its_own_rule = |violation: &Violation| {
        violation.rule == "additionalProperties"
            || (violation.rule == "enum"
                && ["/needs/", "/lacks/"]
                    .iter()
                    .any(|list| violation.pointer.starts_with(list)))
    };
    members::shape("case", case, has_its_own_rule, found);
}

pub(super) fn unknown_members(subject: &Subject<'_>, found: &mut Found<'_>) {
    if let Some(case) = case(subject) {
        members::unknown("case", case, found);
    }
}

pub(super) fn requirements(subject: &Subject<'_>, found: &mut Found<'_>) {
    let Some(case) = case(subject) else {
        return;
    };
    let registry = Registry::embedded();
    each(case, &mut |place, value| {
        let listed = match place.nth_name(0) {
            Some("requirements") => place.nth_name(1).is_none(),
            name => name == Some("cites"),
        };
        if let Some(id) = value
            .as_str()
            .filter(|id| listed && place.name().is_none() && is_id(id))
            && registry.get(id).is_none()
        {
            let message = format!(
                "there is no requirement {id}; the tables in spec/requirements/ have them all"
            );
            found.at(place.pointer(), message);
        }
    });
}

fn texts<'v>(case: &'v Value, name: &str) -> Vec<&'v str> {
    let list = case.get(name).and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

pub(super) fn id(subject: &Subject<'_>, found: &mut Found<'_>) {
    let Some(case) = case(subject) else {
        return;
    };
    let main = texts(case, "requirements").into_iter().next();
    let (Some(id), Some(main)) = (case.get("id").and_then(Value::as_str), main) else {
        return;
    };
    let is_own = id
        .strip_prefix(main)
        .is_some_and(|rest| rest.starts_with('-'));
    if is_id(main) && !is_own {
        let message = format!(
            "the id does not begin with the case's first requirement; begin it with '{main}-', or name that requirement first"
        );
        let noted = found.at("/id", message);
        // What stands before the slug has seven characters.
        if let (Some(head), Some(slug)) = (id.get(..7), id.get(7..))
            && is_id(head)
            && slug.starts_with('-')
        {
            let value = Value::String(format!("{main}{slug}"));
            let steps = vec![Edit::Replace {
                pointer: "/id".to_owned(),
                value,
            }];
            noted.fix_unsafe(format!("begin it with '{main}-'"), steps);
        }
    }
}

/// The steps of a case, with their pointers; those that run together stand within another one.
fn steps(case: &Value) -> Vec<(String, &Value)> {
    let mut steps = Vec::new();
    let elements = case
        .get("steps")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .enumerate();
    for (index, step) in elements {
        let pointer = format!("/steps/{index}");
        let together = step
            .get("together")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .enumerate();
        let inner = together.map(|(index, step)| {
            (
                json::push(&json::push(&pointer, "together"), &index.to_string()),
                step,
            )
        });
        let inner: Vec<_> = inner.collect();
        steps.push((pointer, step));
        steps.extend(inner);
    }
    steps
}

fn expects(value: &Value) -> bool {
    match value.get("expect") {
        None | Some(Value::Null) => false,
        Some(Value::Object(members)) => !members.is_empty(),
        Some(_) => true,
    }
}

pub(super) fn expectations(subject: &Subject<'_>, found: &mut Found<'_>) {
    let Some(case) = case(subject) else {
        return;
    };
    let steps = steps(case);
    if !steps.is_empty() && !expects(case) && !steps.iter().any(|(_, step)| expects(step)) {
        found.at(
            "/steps",
            "nothing is expected, so the case cannot fail; say what must be observed",
        );
    }
}

pub(super) fn cites(subject: &Subject<'_>, found: &mut Found<'_>) {
    let Some(case) = case(subject) else {
        return;
    };
    for (pointer, step) in steps(case) {
        for name in ["cites", "setup"] {
            if step.get(name).is_some() && !expects(step) {
                let pointer = json::push(&pointer, name);
                let steps = vec![Edit::Remove {
                    pointer: pointer.clone(),
                }];
                let message = format!(
                    "'{name}' speaks of what this step expects, and it expects nothing; add `expect` or drop it"
                );
                found
                    .at_name(pointer, message)
                    .fix_unsafe(format!("remove '{name}'"), steps);
            }
        }
    }
}

pub(super) fn profiles(subject: &Subject<'_>, found: &mut Found<'_>) {
    let Some(case) = case(subject) else {
        return;
    };
    for list in ["needs", "lacks"] {
        let elements = case
            .get(list)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .enumerate();
        for (index, name) in elements.filter_map(|(index, name)| Some((index, name.as_str()?))) {
            if name.parse::<Profile>().is_ok() {
                continue;
            }
            let pointer = format!("/{list}/{index}");
            match nearest(name, Profile::ALL.map(Profile::name)) {
                Some(meant) => {
                    let value = Value::String(meant.to_owned());
                    let steps = vec![Edit::Replace {
                        pointer: pointer.clone(),
                        value,
                    }];
                    let message = format!("there is no profile '{name}'; write '{meant}'");
                    found
                        .at(pointer, message)
                        .fix(format!("write '{meant}'"), steps);
                }
                None => {
                    let known = Profile::ALL.map(Profile::name).join(", ");
                    found.at(
                        pointer,
                        format!("there is no profile '{name}'; there are {known}"),
                    );
                }
            }
        }
    }
}

pub(super) fn contradictions(subject: &Subject<'_>, found: &mut Found<'_>) {
    let Some(case) = case(subject) else {
        return;
    };
    for (wanted, unwanted) in [("needs", "lacks"), ("extensions", "without")] {
        let needed = texts(case, wanted);
        for (index, name) in texts(case, unwanted).into_iter().enumerate() {
            if needed.contains(&name) {
                let message = format!(
                    "'{name}' stands in '{wanted}' as well, so the case applies to no target; keep one of the two"
                );
                found.at(format!("/{unwanted}/{index}"), message);
            }
        }
    }
}

pub(super) fn transcripts(subject: &Subject<'_>, found: &mut Found<'_>) {
    let Some(case) = case(subject) else {
        return;
    };
    let expected = case
        .get("expect")
        .and_then(|expect| expect.get("transcript"))
        .is_some();
    if expected
        && !steps(case)
            .iter()
            .any(|(_, step)| step.get("close").is_some())
    {
        found.at(
            "/expect/transcript",
            "no step closes the session, so there is no transcript; add a close step",
        );
    }
}

pub(super) fn kills(subject: &Subject<'_>, found: &mut Found<'_>) {
    let Some(case) = case(subject) else {
        return;
    };
    let named = case
        .get("kills")
        .and_then(Value::as_array)
        .is_some_and(|kills| !kills.is_empty());
    if !named && case.get("id").is_some() {
        found.at("/id", "no mutant is named that the case kills, so nobody knows that it can fail; name one under `kills`");
    }
}
