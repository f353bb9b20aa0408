//! What actions, arguments and intents say about themselves.

use std::collections::HashMap;

use serde_json::Value;

use super::words::words;
use crate::json;
use crate::lint::Edit;
use crate::lint::rule::Found;
use crate::lint::rules::security::each;
use crate::lint::subject::{Part, Subject};

/// Longest description that is not too long, in characters.
const LONGEST: usize = 1000;

/// Longest prompt that people read to its end, in characters.
const LONGEST_PROMPT: usize = 1500;

/// Shortest description that can say something, in characters.
const SHORTEST: usize = 5;

/// Marks that authors leave where something is still missing. In capitals, since some are words otherwise.
const MARKS: [&str; 5] = ["TODO", "FIXME", "XXX", "TBD", "HACK"];

fn is_blank(part: &Part<'_>) -> bool {
    part.text("description")
        .is_none_or(|text| text.trim().is_empty())
}

pub(super) fn missing(subject: &Subject<'_>, found: &mut Found<'_>) {
    if let Value::Object(members) = subject.value() {
        let root = Part {
            pointer: String::new(),
            members,
        };
        if members.contains_key("actions") && is_blank(&root) {
            found.at(
                "",
                "the manifest has no description; say in a sentence what its agent is for",
            );
        }
    }
    for action in subject.actions() {
        if is_blank(&action) {
            let name = action.text("name").unwrap_or_default();
            let message = format!(
                "the action '{name}' has no description; a model chooses by it, so say what the action does and when to use it"
            );
            found.at(action.pointer.clone(), message);
        }
    }
    for intent in subject.intents() {
        if is_blank(&intent) {
            let name = intent.text("name").unwrap_or_default();
            let message =
                format!("the intent '{name}' has no description; say for which goals it is");
            found.at(intent.pointer.clone(), message);
        }
    }
}

pub(super) fn undescribed(subject: &Subject<'_>, found: &mut Found<'_>) {
    for schema in subject.schemas().iter().filter(|schema| schema.input) {
        let properties = schema.schema.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            let told = |name: &str| {
                property
                    .get(name)
                    .and_then(Value::as_str)
                    .is_some_and(|text| !text.trim().is_empty())
            };
            if property.is_object()
                && property.get("$ref").is_none()
                && !told("description")
                && !told("title")
            {
                let message = format!(
                    "the argument '{name}' has no description; a model fills it in by its name alone"
                );
                found.at(
                    json::push(&json::push(&schema.pointer, "properties"), name),
                    message,
                );
            }
        }
    }
}

pub(super) fn thin(subject: &Subject<'_>, found: &mut Found<'_>) {
    for part in subject.actions().into_iter().chain(subject.intents()) {
        let Some(text) = part
            .text("description")
            .map(str::trim)
            .filter(|text| !text.is_empty())
        else {
            continue;
        };
        let name = part.text("name").unwrap_or_default();
        let message = if words(text) == words(name) {
            format!(
                "the description of '{name}' only repeats the name; say what it does, when to use it, and what comes back"
            )
        } else if text.chars().count() < SHORTEST {
            format!(
                "the description of '{name}' is too short to tell anything; say what it does, when to use it, and what comes back"
            )
        } else {
            continue;
        };
        found.at(part.pointer_of("description"), message);
    }
}

pub(super) fn long(subject: &Subject<'_>, found: &mut Found<'_>) {
    for part in subject.actions().into_iter().chain(subject.intents()) {
        let length = part
            .text("description")
            .map_or(0, |text| text.chars().count());
        if length > LONGEST {
            let message = format!(
                "the description has {length} characters and is part of every prompt; keep it under {LONGEST}"
            );
            found.at(part.pointer_of("description"), message);
        }
    }
}

pub(super) fn long_prompts(subject: &Subject<'_>, found: &mut Found<'_>) {
    for action in subject.actions() {
        let length = action.text("prompt").map_or(0, |text| text.chars().count());
        if length > LONGEST_PROMPT {
            let message = format!(
                "the question has {length} characters, which nobody reads before answering; keep it under {LONGEST_PROMPT}"
            );
            found.at(action.pointer_of("prompt"), message);
        }
    }
}

pub(super) fn same(subject: &Subject<'_>, found: &mut Found<'_>) {
    let mut first: HashMap<String, &str> = HashMap::new();
    for action in subject.actions() {
        let (Some(name), Some(text)) = (action.text("name"), action.text("description")) else {
            continue;
        };
        let folded = words(text).join(" ");
        if folded.is_empty() {
            continue;
        }
        match first.get(&folded) {
            Some(before) => {
                let message = format!(
                    "'{name}' and '{before}' have one description, so a model cannot tell which to choose; say what is different"
                );
                found.at(action.pointer_of("description"), message);
            }
            None => {
                first.insert(folded, name);
            }
        }
    }
}

pub(super) fn untrimmed(subject: &Subject<'_>, found: &mut Found<'_>) {
    each(subject.value(), &mut |place, value| {
        let Value::String(text) = value else {
            return;
        };
        let trimmed = text.trim();
        // A block of text in YAML ends in a line break, which nobody wrote on purpose.
        let kept = text.strip_suffix('\n').unwrap_or(text);
        if matches!(place.name(), Some("description" | "title"))
            && !trimmed.is_empty()
            && trimmed != kept
        {
            let pointer = place.pointer();
            let steps = vec![Edit::Replace {
                pointer: pointer.clone(),
                value: Value::String(trimmed.to_owned()),
            }];
            let message = "the text begins or ends with white space, which goes into every prompt; take it out";
            found
                .at(pointer, message)
                .fix("take the white space out", steps);
        }
    });
}

pub(super) fn unfinished(subject: &Subject<'_>, found: &mut Found<'_>) {
    each(subject.value(), &mut |place, value| {
        let Value::String(text) = value else {
            return;
        };
        if !matches!(
            place.name(),
            Some("description" | "title" | "prompt" | "code" | "$comment")
        ) {
            return;
        }
        let mark = MARKS
            .iter()
            .find_map(|mark| alone(text, mark).map(|at| (at, mark.len())));
        let filler = text
            .to_ascii_lowercase()
            .find("lorem ipsum")
            .map(|at| (at, "lorem ipsum".len()));
        if let Some((at, length)) = mark.or(filler) {
            let mark = text.get(at..at + length).unwrap_or_default();
            let message = format!("'{mark}' was left in the text; finish it or take it out");
            found.at(place.pointer(), message).within(at, at + length);
        }
    });
}

/// Where a word stands by itself.
fn alone(text: &str, word: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let is_part = |byte: Option<&u8>| {
        byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80)
    };
    let mut places = text.match_indices(word).map(|(at, _)| at);
    places.find(|&at| {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        !is_part(before) && !is_part(bytes.get(at + word.len()))
    })
}
