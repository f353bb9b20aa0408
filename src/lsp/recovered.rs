//! What a text says that does not read as a whole, because somebody is writing in it: as much of it as does read without the place
//! of the cursor.

use super::flow;
use super::server::Open;
use crate::document::{Document, Format};
use crate::lint::{DocumentKind, Subject};

/// Most lines above the cursor that are left out.
const MOST_LINES: usize = 4;

/// The names of the actions of a manifest in which a list is just opened, or the like.
pub(super) fn action_names(open: &Open, offset: usize) -> Vec<String> {
    if open.kind != DocumentKind::Manifest || open.read.is_ok() {
        return Vec::new();
    }
    let names = |text: &String| {
        let document = Document::read(text.as_str(), open.format).ok()?;
        let subject = Subject::new(&document, DocumentKind::Manifest);
        let names = subject.action_names().into_iter();
        let names: Vec<String> = names.map(str::to_owned).collect();
        (!names.is_empty()).then_some(names)
    };
    let parts = match open.format {
        Format::Json => vec![flow::closed(&open.text, offset)],
        Format::Yaml => without_lines(&open.text, offset),
    };
    parts.iter().find_map(names).unwrap_or_default()
}

/// The text without the line of the cursor and a few above it, with what stands below and then without.
fn without_lines(text: &str, offset: usize) -> Vec<String> {
    let before = text.get(..offset).unwrap_or_default();
    let after = text.get(offset..).unwrap_or_default();
    let below = after.find('\n').and_then(|end| after.get(end + 1..));
    let below = below.unwrap_or_default();
    let mut parts = Vec::new();
    let mut above = before
        .rfind('\n')
        .map_or("", |end| before.get(..=end).unwrap_or_default());
    for _ in 0..MOST_LINES {
        if !below.is_empty() {
            parts.push(format!("{above}{below}"));
        }
        parts.push(above.to_owned());
        let lines = above.strip_suffix('\n').unwrap_or_default();
        above = lines
            .rfind('\n')
            .map_or("", |end| lines.get(..=end).unwrap_or_default());
        if above.is_empty() {
            break;
        }
    }
    parts
}
