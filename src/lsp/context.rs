//! Where a cursor stands in a text that is just being written and need not parse: which object's member, or which value.

use crate::document::{Format, Span};
use crate::json;

/// What is being written at a cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// The object whose member's name this may be, as JSON Pointer.
    pub object: Option<String>,
    /// The value this may be, as JSON Pointer.
    pub value: Option<String>,
    /// What is written of it already, quotes included.
    pub written: Span,
    /// Names that the object has above the cursor.
    pub present: Vec<String>,
    /// Whether names and texts are written with quotes here.
    pub quoted: bool,
}

/// What is being written at a byte of a text; `None` within a comment, or where nothing can be written.
pub fn at(text: &str, format: Format, offset: usize) -> Option<Context> {
    match format {
        Format::Json => in_json(text, offset),
        Format::Yaml => in_yaml(text, offset),
    }
}

/// An object or array that is open at the cursor.
#[derive(Debug)]
enum Open {
    Object {
        names: Vec<String>,
        /// The member whose value comes next.
        member: Option<String>,
    },
    Array {
        index: usize,
    },
}

fn pointer(open: &[Open]) -> String {
    open.iter().fold(String::new(), |pointer, part| match part {
        Open::Object { member, .. } => match member {
            Some(name) => json::push(&pointer, name),
            None => pointer,
        },
        Open::Array { index } => json::push(&pointer, &index.to_string()),
    })
}

fn in_json(text: &str, offset: usize) -> Option<Context> {
    let bytes = text.as_bytes();
    let mut open: Vec<Open> = Vec::new();
    let mut last_text: Option<String> = None;
    let mut at = 0;
    while at < offset {
        match bytes.get(at)? {
            b'"' => {
                let (end, closed) = string_end(bytes, at);
                if end > offset || !closed {
                    return context_json(&open, Span::new(at, end));
                }
                last_text = text
                    .get(at..end)
                    .and_then(|written| serde_json::from_str(written).ok());
                if end == offset {
                    return context_json(&open, Span::new(at, end));
                }
                at = end;
                continue;
            }
            b'{' => open.push(Open::Object {
                names: Vec::new(),
                member: None,
            }),
            b'[' => open.push(Open::Array { index: 0 }),
            b'}' | b']' => {
                open.pop();
            }
            b':' => {
                if let (Some(Open::Object { names, member }), Some(name)) =
                    (open.last_mut(), last_text.take())
                {
                    names.push(name.clone());
                    *member = Some(name);
                }
            }
            b',' => match open.last_mut() {
                Some(Open::Object { member, .. }) => *member = None,
                Some(Open::Array { index }) => *index += 1,
                None => {}
            },
            _ => {}
        }
        at += 1;
    }
    // A word that is being written without quotes is replaced as a whole.
    let word = text.get(..offset)?;
    let start = word
        .rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))
        .map_or(0, |before| before + 1);
    context_json(&open, Span::new(start.min(offset), offset))
}

/// The byte behind a string that begins at `start`, and whether it is closed; a string ends with its line.
fn string_end(bytes: &[u8], start: usize) -> (usize, bool) {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return (at + 1, true),
            b'\\' => at += 2,
            b'\n' => return (at, false),
            _ => at += 1,
        }
    }
    (bytes.len().min(at), false)
}

fn context_json(open: &[Open], written: Span) -> Option<Context> {
    let (last, _) = open.split_last()?;
    let here = pointer(open);
    Some(match last {
        Open::Object {
            names,
            member: None,
        } => Context {
            object: Some(here),
            value: None,
            written,
            present: names.clone(),
            quoted: true,
        },
        _ => Context {
            object: None,
            value: Some(here),
            written,
            present: Vec::new(),
            quoted: true,
        },
    })
}

/// A block of YAML that is open, and the column it begins at.
struct Block {
    column: usize,
    open: Open,
}

fn in_yaml(text: &str, offset: usize) -> Option<Context> {
    let before = text.get(..offset)?;
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let mut blocks: Vec<Block> = Vec::new();
    // The column of a member whose text stands in the lines below it.
    let mut scalar: Option<usize> = None;
    for line in text.get(..line_start)?.lines() {
        let trimmed = line.trim_start();
        let column = line.len() - trimmed.len();
        if trimmed.is_empty() || scalar.is_some_and(|parent| column > parent) {
            continue;
        }
        scalar = None;
        if trimmed.starts_with('#') {
            continue;
        }
        let rest = take_line(&mut blocks, trimmed, column);
        if matches!(rest.chars().next(), Some('|' | '>')) {
            scalar = blocks.last().map(|block| block.column);
        }
    }
    let line = before.get(line_start..)?;
    let trimmed = line.trim_start();
    let column = line.len() - trimmed.len();
    if scalar.is_some_and(|parent| column > parent) || trimmed.starts_with('#') {
        return None;
    }
    let length = blocks.len();
    let rest = take_line(&mut blocks, trimmed, column);
    let begins = offset - rest.len();
    let end = text
        .get(offset..)?
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '"')))
        .map_or(text.len(), |at| offset + at);
    let written = Span::new(begins, end);
    let deepest = blocks.last().map_or(0, |block| block.column);
    let deeper = column + (trimmed.len() - rest.len()) > deepest;
    let open: Vec<Open> = blocks.into_iter().map(|block| block.open).collect();
    let has_name = line.contains(": ") || line.ends_with(':');
    if has_name && length <= open.len() {
        return Some(Context {
            object: None,
            value: Some(pointer(&open)),
            written,
            present: Vec::new(),
            quoted: false,
        });
    }
    // A line without a name so far: the next member of what is open at this column, or an element of its own.
    let (object, present, value) = match open.last() {
        Some(Open::Object { names, .. }) if !deeper => {
            let above = open.get(..open.len() - 1).unwrap_or_default();
            (pointer(above), names.clone(), None)
        }
        Some(_) => (pointer(&open), Vec::new(), Some(pointer(&open))),
        None => (String::new(), Vec::new(), None),
    };
    Some(Context {
        object: Some(object),
        value,
        written,
        present,
        quoted: false,
    })
}

/// Opens and closes blocks as a line does; answers what follows its dashes and its name.
fn take_line<'l>(blocks: &mut Vec<Block>, line: &'l str, column: usize) -> &'l str {
    let (mut rest, mut column) = (line, column);
    while let Some(inner) = rest
        .strip_prefix("- ")
        .or_else(|| (rest == "-").then_some(""))
    {
        // Elements may stand at the column of the member that holds them.
        while blocks.last().is_some_and(|block| {
            block.column > column
                || (block.column == column
                    && matches!(block.open, Open::Object { member: None, .. }))
        }) {
            blocks.pop();
        }
        match blocks.last_mut() {
            Some(Block {
                column: at,
                open: Open::Array { index },
            }) if *at == column => *index += 1,
            _ => blocks.push(Block {
                column,
                open: Open::Array { index: 0 },
            }),
        }
        let trimmed = inner.trim_start();
        column += rest.len() - trimmed.len();
        rest = trimmed;
    }
    let dashed = rest.len() != line.len();
    while blocks.last().is_some_and(|block| {
        block.column > column
            || (!dashed && block.column == column && matches!(block.open, Open::Array { .. }))
    }) {
        blocks.pop();
    }
    if !matches!(blocks.last(), Some(Block { column: at, open: Open::Object { .. } }) if *at == column)
        && !rest.is_empty()
        && name_of(rest).is_some()
    {
        blocks.push(Block {
            column,
            open: Open::Object {
                names: Vec::new(),
                member: None,
            },
        });
    }
    let Some(Block {
        column: at,
        open: Open::Object { names, member },
    }) = blocks.last_mut()
    else {
        return rest;
    };
    match name_of(rest) {
        Some((name, value)) if *at == column => {
            names.push(name.clone());
            *member = Some(name);
            value
        }
        _ => {
            if *at == column {
                *member = None;
            }
            rest
        }
    }
}

/// A member's name at the beginning of a line, and what follows its colon.
fn name_of(text: &str) -> Option<(String, &str)> {
    let (name, value) = match text.split_once(": ") {
        Some(parts) => parts,
        None => (text.trim_end().strip_suffix(':')?, ""),
    };
    let name = name.trim().trim_matches(['"', '\'']);
    (!name.is_empty() && !name.contains(['{', '[', '#']))
        .then(|| (name.to_owned(), value.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The context at the `|` of a text, which is taken out.
    fn here(marked: &str, format: Format) -> Option<Context> {
        let offset = marked.find('|').expect("a mark");
        let text = marked.replacen('|', "", 1);
        at(&text, format, offset)
    }

    fn object(marked: &str, format: Format) -> String {
        let context = here(marked, format).expect("a context");
        context.object.expect("an object")
    }

    fn value(marked: &str, format: Format) -> String {
        let context = here(marked, format).expect("a context");
        context.value.expect("a value")
    }

    #[test]
    fn names_and_values_of_json_that_is_not_finished() {
        let json = Format::Json;
        assert_eq!(object("{\"a\": 1, |", json), "");
        assert_eq!(object("{\"a\": [{\"b\": 1}, {\"c|", json), "/a/1");
        assert_eq!(object("{\"a\": [{\"b\": 1}, {\"|\"}]}", json), "/a/1");
        assert_eq!(object("{\"a\": {\"b\": [1, 2], x|}}", json), "/a");
        assert_eq!(value("{\"a\": |", json), "/a");
        assert_eq!(value("{\"a\": \"x|", json), "/a");
        assert_eq!(value("{\"a\": [\"x\", \"|\"]", json), "/a/1");
        assert_eq!(value("{\"a\": \"a \\\" { b\", \"c\": \"|", json), "/c");
        let context = here("{\"a\": 1, \"b\": 2, \"c|d\"", json).expect("a context");
        assert_eq!(context.present, ["a", "b"]);
        assert_eq!(context.written, Span::new(17, 21));
    }

    #[test]
    fn names_and_values_of_yaml_that_is_not_finished() {
        let yaml = Format::Yaml;
        assert_eq!(object("|", yaml), "");
        assert_eq!(object("a: 1\nb|", yaml), "");
        assert_eq!(object("actions:\n  - name: x\n    ty|", yaml), "/actions/0");
        assert_eq!(object("actions:\n- name: x\n- |", yaml), "/actions/1");
        assert_eq!(
            object("actions:\n- name: x\n  limits:\n    cp|", yaml),
            "/actions/0/limits"
        );
        assert_eq!(
            value("actions:\n  - name: x\n    type: |", yaml),
            "/actions/0/type"
        );
        assert_eq!(value("actions:\n  - type: inv|", yaml), "/actions/0/type");
        assert_eq!(
            value("intents:\n  - actions:\n      - a\n      - |", yaml),
            "/intents/0/actions/1"
        );
        assert_eq!(object("a:\n  b: 1\n|", yaml), "");
        assert_eq!(
            here("a: |\n  text", yaml)
                .expect("a context")
                .value
                .as_deref(),
            Some("/a")
        );
        let text = "a: >\n  b\n  c";
        assert_eq!(at(text, yaml, text.len()), None);
    }

    #[test]
    fn no_text_makes_it_panic() {
        let texts = [
            "",
            "{",
            "\"",
            "{\"a",
            "[[[",
            "}}}",
            "- - -",
            ":",
            "a:\n -\n-",
            "é: \n  - é",
        ];
        for text in texts {
            for offset in 0..=text.len() {
                if text.is_char_boundary(offset) {
                    let _ = at(text, Format::Json, offset);
                    let _ = at(text, Format::Yaml, offset);
                }
            }
        }
    }
}
