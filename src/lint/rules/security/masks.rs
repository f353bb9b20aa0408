//! Where secrets stand in a text, so that nobody who shows a part of it shows them.

use serde_json::Value;

use super::credentials::{named_secret, parameters, random_part};
use super::shapes::{self, Hit};
use super::texts::{self, Place};
use crate::document::{Document, Span};

/// Most secrets of one document that are looked for.
const MOST: usize = 10_000;

/// Where secrets stand in a document, whatever rules are asked: the text that holds one, and the part of it.
pub(in crate::lint) fn secrets(document: &Document) -> Vec<(String, Span)> {
    let mut found = Vec::new();
    texts::each(document.value(), &mut |place, value| {
        let Value::String(text) = value else {
            return;
        };
        for within in parts(place, text) {
            if found.len() < MOST {
                let pointer = place.pointer();
                let span = document.span(&pointer);
                let span = crate::lint::narrowed(document, span, &pointer, Some(within));
                found.push((pointer, span));
            }
        }
    });
    found
}

/// Where secrets of known forms stand in a text that is no document.
pub(in crate::lint) fn secrets_in_text(text: &str) -> Vec<Span> {
    let mut found = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let known = of_known_form(line).into_iter();
        let named = parameters(line)
            .into_iter()
            .map(|(_, hit)| (hit.start, hit.end));
        found.extend(
            known
                .chain(named)
                .map(|(from, to)| Span::new(start + from, start + to)),
        );
        start += line.len();
        if found.len() >= MOST {
            break;
        }
    }
    found
}

/// The parts of a text that are secrets, in bytes.
fn parts(place: &Place<'_, '_>, text: &str) -> Vec<(usize, usize)> {
    if named_secret(place, text).is_some() {
        return vec![(0, text.len())];
    }
    if place.name() == Some("auth") && !text.contains("${") {
        let scheme = text.find(' ').map_or(0, |at| at + 1);
        return vec![(scheme, text.len())];
    }
    let mut parts = of_known_form(text);
    parts.extend(parameters(text).iter().map(|(_, hit)| (hit.start, hit.end)));
    if place.name() != Some("code") {
        parts.extend(random_part(text));
    }
    parts
}

fn of_known_form(text: &str) -> Vec<(usize, usize)> {
    let mut parts = Vec::new();
    let mut from = 0;
    while let Some(rest) = text.get(from..)
        && let Some(Hit {
            what, start, end, ..
        }) = shapes::find(rest)
        && end > start
    {
        // Of a key in several lines only the beginning has a form.
        let end = if what == "a private key" {
            rest.len()
        } else {
            end
        };
        parts.push((from + start, from + end));
        from += end;
    }
    parts.extend(shapes::user_information(text).map(|hit| (hit.start, hit.end)));
    parts
}
