//! Where a cursor stands in a text that is just being written and need not parse: which object's member, or which value.

use serde_json::{Map, Value};

use super::flow::{self, Place};
use crate::document::{Format, Span};
use crate::json;

/// Most lines below the cursor that are looked at for further members.
const MOST_BELOW: usize = 500;

/// What is being written at a cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// The object whose member's name this may be, as JSON Pointer.
    pub object: Option<String>,
    /// The value this may be, as JSON Pointer.
    pub value: Option<String>,
    /// What is written of it already, quotes included.
    pub written: Span,
    /// Names that the object has, but for the one that is being written.
    pub present: Vec<String>,
    /// Values of the object's members, where they are one word.
    pub around: Map<String, Value>,
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

fn in_json(text: &str, offset: usize) -> Option<Context> {
    match flow::scan(text, 0, offset, Format::Json, "") {
        Place::Within(context) => context,
        Place::Behind(_) => None,
    }
}

/// An object or array that is open at the cursor.
#[derive(Debug)]
enum Open {
    Object {
        names: Vec<String>,
        values: Map<String, Value>,
        /// The member whose value comes next.
        member: Option<String>,
    },
    Array {
        index: usize,
    },
}

fn pointer<'o>(open: impl IntoIterator<Item = &'o Open>) -> String {
    open.into_iter()
        .fold(String::new(), |pointer, part| match part {
            Open::Object { member, .. } => match member {
                Some(name) => json::push(&pointer, name),
                None => pointer,
            },
            Open::Array { index } => json::push(&pointer, &index.to_string()),
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
    let mut at = 0;
    while at < line_start {
        let end = text
            .get(at..)?
            .find('\n')
            .map_or(text.len(), |end| at + end);
        let line = text.get(at..end)?;
        at = end + 1;
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
        if let Some(skipped) = flow::begins(rest) {
            let outer = pointer(blocks.iter().map(|block| &block.open));
            let start = end - rest.len() + skipped;
            match flow::scan(text, start, offset, Format::Yaml, &outer) {
                Place::Within(context) => return context,
                // What follows the brackets in their last line is no more than a comment.
                Place::Behind(behind) => {
                    let rest = text.get(behind..)?;
                    at = rest.find('\n').map_or(text.len(), |end| behind + end + 1);
                }
            }
        } else if matches!(rest.chars().next(), Some('|' | '>')) {
            scalar = blocks.last().map(|block| block.column);
        }
    }
    if at > offset {
        return None;
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
    if let Some(skipped) = flow::begins(rest) {
        let outer = pointer(blocks.iter().map(|block| &block.open));
        return match flow::scan(text, begins + skipped, offset, Format::Yaml, &outer) {
            Place::Within(context) => context,
            Place::Behind(_) => None,
        };
    }
    let end = text
        .get(offset..)?
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '"')))
        .map_or(text.len(), |at| offset + at);
    let written = Span::new(begins, end);
    let quoted = rest.starts_with('"');
    let deepest = blocks.last().map_or(0, |block| block.column);
    let own_column = column + (trimmed.len() - rest.len());
    let deeper = own_column > deepest;
    let open: Vec<Open> = blocks.into_iter().map(|block| block.open).collect();
    let has_name = line.contains(": ") || line.ends_with(':');
    if has_name && length <= open.len() {
        return Some(Context {
            object: None,
            value: Some(pointer(&open)),
            written,
            present: Vec::new(),
            around: Map::new(),
            quoted,
        });
    }
    let (mut present, mut around) = (Vec::new(), Map::new());
    // A line without a name so far: the next member of what is open at this column, or an element of its own.
    let (object, value) = match open.last() {
        Some(Open::Object { names, values, .. }) if !deeper => {
            (present, around) = (names.clone(), values.clone());
            let above = open.get(..open.len() - 1).unwrap_or_default();
            (pointer(above), None)
        }
        Some(_) => (pointer(&open), Some(pointer(&open))),
        None => (String::new(), None),
    };
    below(text.get(end..)?, own_column, &mut present, &mut around);
    Some(Context {
        object: Some(object),
        value,
        written,
        present,
        around,
        quoted,
    })
}

/// Takes the members that an object has in the lines below, by its column.
fn below(rest: &str, column: usize, present: &mut Vec<String>, around: &mut Map<String, Value>) {
    for line in rest.lines().skip(1).take(MOST_BELOW) {
        let trimmed = line.trim_start();
        let at = line.len() - trimmed.len();
        if trimmed.is_empty() || trimmed.starts_with('#') || at > column {
            continue;
        }
        if at < column {
            return;
        }
        // Elements may stand at the column of the member that holds them.
        if trimmed == "-" || trimmed.starts_with("- ") {
            continue;
        }
        if let Some((name, value)) = name_of(trimmed) {
            keep(around, &name, value);
            present.push(name);
        }
    }
}

/// Keeps the value of a member, where it is one word.
fn keep(values: &mut Map<String, Value>, name: &str, value: &str) {
    let value = value.split(" #").next().unwrap_or_default().trim();
    if !value.is_empty() && !value.starts_with(['|', '>', '#', '&', '*', '!', '[', '{']) {
        values.insert(name.to_owned(), flow::scalar(value));
    }
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
                values: Map::new(),
                member: None,
            },
        });
    }
    let Some(Block {
        column: at,
        open: Open::Object {
            names,
            values,
            member,
        },
    }) = blocks.last_mut()
    else {
        return rest;
    };
    match name_of(rest) {
        Some((name, value)) if *at == column => {
            keep(values, &name, value);
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
    use serde_json::json;

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
    fn lists_and_objects_of_yaml_in_brackets() {
        let yaml = Format::Yaml;
        assert_eq!(
            value("intents:\n- name: x\n  actions: [a, |]", yaml),
            "/intents/0/actions/1"
        );
        assert_eq!(
            value("intents:\n- actions: [\n    'a',\n    b|\n  ]", yaml),
            "/intents/0/actions/1"
        );
        assert_eq!(value("- {a: [1, {b: |}]}", yaml), "/0/a/1/b");
        assert_eq!(object("a: {b: 1, c: don't, |}\nd: 1", yaml), "/a");
        assert_eq!(object("{\"a\":{b: 1, |", yaml), "/a");
        assert_eq!(value("a: &x [1, |]", yaml), "/a/1");
        assert_eq!(value("a: [http://x, b#c, |]", yaml), "/a/2");
        // Behind the brackets blocks go on.
        assert_eq!(object("a:\n  b: [\n 1]\n  c|", yaml), "/a");
        assert_eq!(here("a: [1] |", yaml), None);
        assert_eq!(here("a: [1, # b |\n]", yaml), None);
        let context = here("a: [one, tw|o, three]", yaml).expect("a context");
        assert_eq!(context.written, Span::new(9, 12));
        assert!(!context.quoted);
    }

    #[test]
    fn the_members_around_are_known_above_and_below() {
        let of = |text: &str, format| {
            let context = here(text, format).expect("a context");
            (context.present, Value::Object(context.around))
        };
        let names = |names: &[&str]| -> Vec<String> {
            names.iter().map(|name| (*name).to_owned()).collect()
        };
        let all = json!({"a": "x", "d": true});
        for (text, format) in [
            (
                "[{\"a\": \"x\", \"b|\", \"c\": {\"a\": 1}, \"d\": true}]",
                Format::Json,
            ),
            ("- {a: x, b|, c: {a: 1}, d: true}", Format::Yaml),
            (
                "- a: x\n  b|\n  c:\n    a: 1\n  d: true\n- a: y",
                Format::Yaml,
            ),
        ] {
            assert_eq!(
                of(text, format),
                (names(&["a", "c", "d"]), all.clone()),
                "{text}"
            );
        }
        assert_eq!(
            of("{\"b|\": 1, \"a\": 2}", Format::Json),
            (names(&["a"]), json!({"b": 1, "a": 2}))
        );
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
            "é: [é, {é: 'é\n, \"é",
            "- [\n é #é\n]: {",
            "a: &é",
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
