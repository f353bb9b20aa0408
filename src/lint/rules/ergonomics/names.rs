//! Names that are taken for each other, or say nothing.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::words::{Style, style, words};
use crate::json;
use crate::lint::Edit;
use crate::lint::near::slips;
use crate::lint::rule::Found;
use crate::lint::rules::security::each;
use crate::lint::subject::{Part, Subject};

/// Most names that are compared with each other.
const MOST_NAMES: usize = 1000;

/// Shorter names differ in a letter as a matter of course.
const SHORTEST: usize = 5;

/// Words that do not say what an action does.
const VAGUE: [&str; 22] = [
    "action", "api", "call", "do", "execute", "foo", "bar", "function", "handle", "helper", "main",
    "misc", "perform", "process", "run", "stuff", "temp", "test", "thing", "tmp", "tool",
    "untitled",
];

fn named<'v>(parts: &[Part<'v>]) -> Vec<(String, &'v str)> {
    let names = parts
        .iter()
        .filter_map(|part| Some((part.pointer_of("name"), part.text("name")?)));
    names.take(MOST_NAMES).collect()
}

fn lists<'v>(subject: &'v Subject<'_>) -> [(&'static str, Vec<(String, &'v str)>); 2] {
    [
        ("action", named(&subject.actions())),
        ("intent", named(&subject.intents())),
    ]
}

pub(super) fn similar(subject: &Subject<'_>, found: &mut Found<'_>) {
    for (what, names) in lists(subject) {
        // Names one slip apart have a text in common when one character is left out of either.
        let mut shorter: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, (pointer, name)) in names.iter().enumerate() {
            if name.len() < SHORTEST || name.len() > 128 {
                continue;
            }
            let mut others: Vec<usize> = Vec::new();
            for key in shortened(name) {
                let seen = shorter.entry(key).or_default();
                others.extend(seen.iter().filter(|other| **other != index));
                if seen.last() != Some(&index) && seen.len() < 8 {
                    seen.push(index);
                }
            }
            others.sort_unstable();
            let twin = others.into_iter().find_map(|other| {
                let (_, before) = names.get(other)?;
                is_taken_for(before, name).then_some(*before)
            });
            if let Some(twin) = twin {
                let message = format!(
                    "'{name}' is a slip of the hand away from the {what} '{twin}'; give one of them a name that nobody takes for the other"
                );
                found.at(pointer.clone(), message);
            }
        }
    }
}

/// A name, and all that is left of it when one character is left out.
fn shortened(name: &str) -> Vec<String> {
    let characters: Vec<char> = name.chars().collect();
    let mut texts = vec![name.to_owned()];
    for left_out in 0..characters.len() {
        let kept = characters
            .iter()
            .enumerate()
            .filter(|(index, _)| *index != left_out);
        texts.push(kept.map(|(_, c)| *c).collect());
    }
    texts
}

/// Whether two names differ by a slip, and not by what makes them two: a number, a plural, another first letter of a word, capitals.
fn is_taken_for(a: &str, b: &str) -> bool {
    if a == b || folded(a) == folded(b) || slips(a, b, 1).is_none() {
        return false;
    }
    let without = |name: &str| -> String { name.chars().filter(|c| !c.is_ascii_digit()).collect() };
    let plural = |one: &str, many: &str| many.strip_suffix('s') == Some(one);
    let initials = |name: &str| -> Vec<char> {
        words(name)
            .iter()
            .filter_map(|word| word.chars().next())
            .collect()
    };
    without(a) != without(b) && !plural(a, b) && !plural(b, a) && initials(a) == initials(b)
}

fn folded(name: &str) -> String {
    words(name).concat()
}

pub(super) fn same_but_case(subject: &Subject<'_>, found: &mut Found<'_>) {
    for (what, names) in lists(subject) {
        let mut first: HashMap<String, &str> = HashMap::new();
        for (pointer, name) in &names {
            match first.get(&folded(name)) {
                Some(before) if before != name => {
                    let message = format!(
                        "'{name}' differs from the {what} '{before}' in capitals or separators only; give it another name"
                    );
                    found.at(pointer.clone(), message);
                }
                Some(_) => {}
                None => {
                    first.insert(folded(name), name);
                }
            }
        }
    }
}

pub(super) fn styles(subject: &Subject<'_>, found: &mut Found<'_>) {
    for (what, names) in lists(subject) {
        let mut counts: BTreeMap<Style, usize> = BTreeMap::new();
        for style in names.iter().filter_map(|(_, name)| style(name)) {
            *counts.entry(style).or_default() += 1;
        }
        // The most frequent; of two as frequent, the first in the order of styles.
        let most = counts.iter().max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0)));
        let Some((usual, _)) = most else {
            continue;
        };
        for (pointer, name) in &names {
            if let Some(own) = style(name)
                && own != *usual
            {
                let message = format!(
                    "'{name}' is {}, and most {what}s here are {}; write it like them",
                    own.example(),
                    usual.example()
                );
                found.at(pointer.clone(), message);
            }
        }
    }
}

pub(super) fn vague(subject: &Subject<'_>, found: &mut Found<'_>) {
    for (pointer, name) in named(&subject.actions()) {
        let words = words(name);
        let plain = |word: &String| {
            let word = word.trim_end_matches(|c: char| c.is_ascii_digit());
            word.is_empty() || VAGUE.contains(&word)
        };
        if !words.is_empty() && words.iter().all(plain) {
            let message = format!(
                "'{name}' does not tell a model what the action does; begin with a verb and name what it acts on, as in 'send_invitation'"
            );
            found.at(pointer, message);
        }
    }
}

pub(super) fn untrimmed(subject: &Subject<'_>, found: &mut Found<'_>) {
    for schema in subject.schemas() {
        each(schema.schema, &mut |place, value| {
            let pointer = || format!("{}{}", schema.pointer, place.pointer());
            if place.nth_name(1) == Some("properties")
                && let Some(name) = place.name()
                && name.trim() != name
            {
                let message = format!(
                    "the member '{name}' has white space at an end, which nobody sees and everybody has to type; take it out"
                );
                let noted = found.at_name(pointer(), message);
                let plain = name.trim();
                let taken = place
                    .siblings()
                    .is_some_and(|siblings| siblings.contains_key(plain));
                if !taken && !plain.is_empty() {
                    let steps = vec![Edit::Rename {
                        pointer: pointer(),
                        name: plain.to_owned(),
                    }];
                    noted.fix_unsafe(format!("rename it to '{plain}'"), steps);
                }
            }
            let listed =
                place.name().is_none() && matches!(place.nth_name(0), Some("enum" | "required"));
            if listed
                && let Value::String(text) = value
                && text.trim() != text
                && !text.trim().is_empty()
            {
                let message = format!(
                    "'{text}' has white space at an end, which nobody sees and everybody has to type; take it out"
                );
                let steps = vec![Edit::Replace {
                    pointer: pointer(),
                    value: Value::String(text.trim().to_owned()),
                }];
                found
                    .at(pointer(), message)
                    .fix_unsafe("take the white space out", steps);
            }
        });
    }
}

pub(super) fn shadowed_length(subject: &Subject<'_>, found: &mut Found<'_>) {
    for schema in subject.schemas() {
        each(schema.schema, &mut |place, _| {
            if place.name() == Some("length") && place.nth_name(1) == Some("properties") {
                let message = "an own member 'length' takes the place of the count that '.length' gives in expressions; call it 'duration', 'size' or what it is the length of";
                found.at_name(format!("{}{}", schema.pointer, place.pointer()), message);
            }
        });
    }
}

pub(super) fn identical(subject: &Subject<'_>, found: &mut Found<'_>) {
    let mut first: HashMap<String, &str> = HashMap::new();
    for action in subject.actions().iter().take(MOST_NAMES) {
        let Some(name) = action.text("name") else {
            continue;
        };
        let mut members = action.members.clone();
        for own in ["name", "description", "result_path"] {
            members.remove(own);
        }
        let content = json::canonical(&Value::Object(members));
        match first.get(&content) {
            Some(before) if *before != name => {
                let message = format!(
                    "'{name}' does the same as '{before}'; keep one of them, so that a model need not choose"
                );
                found.at(action.pointer_of("name"), message);
            }
            Some(_) => {}
            None => {
                first.insert(content, name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_taken_for;

    #[test]
    fn slips_are_told_from_names_that_are_two() {
        for (a, b) in [
            ("book_room", "book_rom"),
            ("send_mail", "sned_mail"),
            ("list_evnts", "list_events"),
        ] {
            assert!(is_taken_for(a, b), "{a} {b}");
        }
        for (a, b) in [
            ("get_event", "set_event"),
            ("get_event", "get_events"),
            ("step_1", "step_2"),
            ("send_mail", "SendMail"),
            ("book_room", "look_room"),
            ("read_note", "write_note"),
        ] {
            assert!(!is_taken_for(a, b), "{a} {b}");
        }
    }
}
