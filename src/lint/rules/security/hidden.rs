//! Text that people do not see as models do.

use serde_json::Value;

use super::texts::{self, Place};
use crate::lint::Edit;
use crate::lint::rule::Found;
use crate::lint::subject::{DocumentKind, Subject};

/// What models are told in descriptions that nobody would tell them openly.
const ORDERS: [&str; 20] = [
    "ignore previous instructions",
    "ignore all previous",
    "ignore all prior",
    "ignore prior instructions",
    "ignore any previous",
    "ignore the above",
    "ignore your instructions",
    "disregard previous",
    "disregard all previous",
    "disregard the above",
    "do not tell the user",
    "don't tell the user",
    "do not inform the user",
    "do not mention this to",
    "without telling the user",
    "without informing the user",
    "<important>",
    "<system>",
    "your system prompt",
    "you must always call this",
];

/// Members that people read with care.
const DESCRIPTIONS: [&str; 3] = ["description", "title", "prompt"];

fn is_judged(subject: &Subject<'_>) -> bool {
    matches!(subject.kind(), DocumentKind::Manifest | DocumentKind::Plan)
}

/// What a character does that is not seen; none for what is seen, or is part of how a language is written.
pub(in crate::lint::rules) fn effect(c: char) -> Option<&'static str> {
    Some(match c {
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => "turns the direction of the text",
        '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{180e}' => "has no width",
        '\u{00ad}' => "is a hyphen that is not shown",
        '\u{e0000}'..='\u{e007f}' | '\u{e0100}'..='\u{e01ef}' => "is never shown",
        '\u{2028}' | '\u{2029}' | '\u{85}' => "breaks the line in some programs",
        '\t' | '\n' | '\r' => return None,
        c if c.is_control() => "is a control character",
        _ => return None,
    })
}

/// The first such character, its place in bytes, and what it does.
fn first(text: &str) -> Option<(usize, char, &'static str)> {
    if text.is_ascii() && !text.bytes().any(|byte| byte.is_ascii_control()) {
        return None;
    }
    let mut before = None;
    for (at, c) in text.char_indices() {
        // Joiners belong to scripts and emoji, and have no business among plain letters.
        let joiner =
            matches!(c, '\u{200c}' | '\u{200d}') && before.is_none_or(|c: char| c.is_ascii());
        // Flags of regions are spelled with them.
        let flag = ('\u{e0000}'..='\u{e007f}').contains(&c) && text.contains('\u{1f3f4}');
        if let Some(effect) = effect(c).or(joiner.then_some("has no width"))
            && !flag
        {
            return Some((at, c, effect));
        }
        before = Some(c);
    }
    None
}

fn cleaned(text: &str) -> String {
    let mut rest = text.to_owned();
    // Each go takes one kind of character out, so there are few.
    while let Some((_, c, _)) = first(&rest) {
        rest = rest.replace(
            c,
            if matches!(c, '\u{2028}' | '\u{2029}' | '\u{85}') {
                " "
            } else {
                ""
            },
        );
    }
    rest
}

pub(super) fn characters(subject: &Subject<'_>, found: &mut Found<'_>) {
    if !is_judged(subject) {
        return;
    }
    texts::each(subject.value(), &mut |place, value| {
        if let Some(name) = place.name()
            && let Some((_, c, effect)) = first(name)
        {
            hidden_name(place, name, &tells(c, effect, "in the name"), found);
        }
        if let Value::String(text) = value
            && let Some((at, c, effect)) = first(text)
        {
            let pointer = place.pointer();
            let steps = vec![Edit::Replace {
                pointer: pointer.clone(),
                value: Value::String(cleaned(text)),
            }];
            let noted = found
                .at(pointer, tells(c, effect, "here"))
                .within(at, at + c.len_utf8());
            let title = "take out what is not seen";
            if place
                .name()
                .is_some_and(|name| DESCRIPTIONS.contains(&name))
            {
                noted.fix(title, steps);
            } else {
                noted.fix_unsafe(title, steps);
            }
        }
    });
}

fn tells(c: char, effect: &str, place: &str) -> String {
    format!(
        "U+{:04X} stands {place}, which {effect}, so that people and models read different texts; take it out",
        u32::from(c)
    )
}

fn hidden_name(place: &Place<'_, '_>, name: &str, message: &str, found: &mut Found<'_>) {
    let pointer = place.pointer();
    let noted = found.at_name(pointer.clone(), message);
    let plain = cleaned(name);
    let taken = place
        .siblings()
        .is_some_and(|siblings| siblings.contains_key(&plain));
    if !taken && !plain.is_empty() {
        noted.fix_unsafe(
            "take out what is not seen",
            vec![Edit::Rename {
                pointer,
                name: plain,
            }],
        );
    }
}

/// Whether a letter is of a script whose letters are taken for Latin ones.
fn looks_latin(c: char) -> bool {
    matches!(c, '\u{0370}'..='\u{03ff}' | '\u{0400}'..='\u{052f}' | '\u{0530}'..='\u{058f}' | '\u{ff21}'..='\u{ff5a}' | '\u{1d400}'..='\u{1d7ff}')
}

/// A word that has letters of two scripts which look alike, and the letter that does not belong there.
fn mixed(name: &str) -> Option<char> {
    if name.is_ascii() {
        return None;
    }
    name.split(|c: char| !c.is_alphabetic()).find_map(|word| {
        let latin = word.chars().any(|c| c.is_ascii_alphabetic());
        word.chars().find(|c| looks_latin(*c)).filter(|_| latin)
    })
}

pub(super) fn confusable(subject: &Subject<'_>, found: &mut Found<'_>) {
    if !is_judged(subject) {
        return;
    }
    texts::each(subject.value(), &mut |place, value| {
        let tells = |c: char| {
            format!(
                "'{c}' (U+{:04X}) looks like a Latin letter and is none, so nobody can type this name; write it in one script",
                u32::from(c)
            )
        };
        if let Some(c) = place.name().and_then(mixed) {
            found.at_name(place.pointer(), tells(c));
        }
        let named = ["name", "feature_flag", "required", "required_scopes"];
        if let Some(c) = value.as_str().and_then(mixed)
            && place.nth_name(0).is_some_and(|name| named.contains(&name))
        {
            found.at(place.pointer(), tells(c));
        }
    });
}

pub(super) fn orders(subject: &Subject<'_>, found: &mut Found<'_>) {
    if subject.kind() != DocumentKind::Manifest {
        return;
    }
    texts::each(subject.value(), &mut |place, value| {
        if !matches!(place.name(), Some("description" | "title" | "$comment")) {
            return;
        }
        let Some(text) = value.as_str() else {
            return;
        };
        let folded: Vec<&str> = text.split_whitespace().collect();
        let folded = folded.join(" ").to_lowercase();
        if let Some(order) = ORDERS.iter().find(|order| folded.contains(**order)) {
            let message = format!(
                "'{order}' is an order to the model and no description; say what the action does, and nothing else"
            );
            let noted = found.at(place.pointer(), message);
            // Lower case of ASCII has the same bytes, so places agree where nothing was folded.
            if let Some(at) = text.to_ascii_lowercase().find(*order) {
                noted.within(at, at + order.len());
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::{cleaned, first, mixed};

    #[test]
    fn sees_what_is_not_seen() {
        for text in [
            "a\u{200b}b",
            "\u{202e}cba",
            "x\u{e0041}",
            "pay\u{200d}pal",
            "\u{feff}a",
            "a\u{8}",
        ] {
            assert!(first(text).is_some(), "{text:?}");
            assert!(first(&cleaned(text)).is_none(), "{text:?}");
        }
        for text in [
            "",
            "a\tb\n",
            "caf\u{e9}",
            "\u{1f469}\u{200d}\u{1f4bb}",
            "\u{645}\u{200c}\u{6cc}",
            "\u{1f3f4}\u{e0067}\u{e007f}",
        ] {
            assert!(first(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn letters_of_two_scripts_in_one_word() {
        assert_eq!(mixed("p\u{0430}ypal"), Some('\u{0430}'));
        assert_eq!(mixed("\u{0438}\u{043c}\u{044f}_user"), None, "two words");
        assert_eq!(mixed("gr\u{f6}\u{df}e"), None);
    }
}
