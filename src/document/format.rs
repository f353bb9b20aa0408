//! Writing a document again: two spaces a level, what is short on one line, members in a given order. Names, texts and numbers
//! stay as they were written, so that no digit and no escape is lost.

use serde_json::Value;

use super::{Document, Format, Kind, Limits, Member, Node};

/// Longest line that an array or object is put on as a whole, in characters.
pub const WIDTH: usize = 100;

/// What an object is, to those who know: which members come first, and what its members are in turn.
#[derive(Debug)]
pub struct Shape {
    /// Members in their order; others follow as they were written.
    pub order: &'static [&'static str],
    /// What is under a member, or in each element of its array.
    pub inner: &'static [(&'static str, &'static Shape)],
    /// Whether it has a line for each member even where one line would do.
    pub spread: bool,
}

impl Shape {
    fn of_member(&self, name: &str) -> Option<&'static Shape> {
        let found = self.inner.iter().find(|(member, _)| *member == name);
        found.map(|(_, shape)| *shape)
    }

    fn rank(&self, name: &str) -> usize {
        let place = self.order.iter().position(|member| *member == name);
        place.unwrap_or(self.order.len())
    }
}

/// A document's text in good order, ending with a line break.
///
/// JSON is written anew. YAML keeps its lines, with their comments: white space at the end of lines goes, and empty lines
/// beyond the first. A caller compares what the new text says with what the old one said.
pub fn text(document: &Document, shape: Option<&'static Shape>) -> String {
    match document.format() {
        Format::Json => {
            let mut writer = Writer {
                text: document.text(),
                written: String::with_capacity(document.text().len()),
            };
            writer.lines(document.root(), shape, 0);
            writer.written.push('\n');
            writer.written
        }
        Format::Yaml => yaml(document),
    }
}

/// A value in the same form, for what no text holds yet.
pub fn value(value: &Value, shape: Option<&'static Shape>) -> String {
    let limits = Limits {
        bytes: usize::MAX,
        depth: 100,
        values: usize::MAX,
    };
    match Document::read_within(value.to_string(), Format::Json, &limits) {
        Ok(document) => text(&document, shape),
        // Deeper than any document may be.
        Err(_) => format!("{value}\n"),
    }
}

struct Writer<'t> {
    text: &'t str,
    written: String,
}

impl<'t> Writer<'t> {
    fn token(&self, span: super::Span) -> &'t str {
        self.text.get(span.start..span.end).unwrap_or_default()
    }

    /// Writes a collection with a line for each part; the depth of a document is bounded by its reader.
    fn lines(&mut self, node: &Node, shape: Option<&'static Shape>, level: usize) {
        match &node.kind {
            Kind::Array(elements) if !elements.is_empty() => {
                self.written.push('[');
                for (index, element) in elements.iter().enumerate() {
                    self.next_line(index, level + 1);
                    self.part(element, shape, level + 1, 0, index + 1 == elements.len());
                }
                self.last_line(level, ']');
            }
            Kind::Object(members) if !members.is_empty() => {
                let mut ordered: Vec<&Member> = members.iter().collect();
                if let Some(shape) = shape {
                    ordered.sort_by_key(|member| shape.rank(&member.key));
                }
                self.written.push('{');
                for (index, member) in ordered.iter().enumerate() {
                    self.next_line(index, level + 1);
                    let name = self.token(member.key_span);
                    self.written.push_str(name);
                    self.written.push_str(": ");
                    let inner = shape.and_then(|shape| shape.of_member(&member.key));
                    let before = name.chars().count() + 2;
                    let last = index + 1 == ordered.len();
                    self.part(&member.value, inner, level + 1, before, last);
                }
                self.last_line(level, '}');
            }
            _ => self.one_line(node, shape),
        }
    }

    /// Writes a part on the line it stands on, behind `before` characters, or on lines of its own.
    fn part(
        &mut self,
        node: &Node,
        shape: Option<&'static Shape>,
        level: usize,
        before: usize,
        last: bool,
    ) {
        let taken = level * 2 + before + usize::from(!last);
        let room = WIDTH.checked_sub(taken);
        let fits = room.is_some_and(|room| self.room_after(node, shape, room).is_some());
        if fits {
            self.one_line(node, shape);
        } else {
            self.lines(node, shape, level);
        }
    }

    /// What is left of a line after this, if it can stand there as a whole; looks no further than the line is long.
    fn room_after(&self, node: &Node, shape: Option<&'static Shape>, room: usize) -> Option<usize> {
        match &node.kind {
            Kind::Scalar | Kind::Alias => self.room_after_token(node.span, room),
            Kind::Array(elements) => {
                let mut room = room.checked_sub(2)?;
                for (index, element) in elements.iter().enumerate() {
                    room = room.checked_sub(if index == 0 { 0 } else { 2 })?;
                    room = self.room_after(element, shape, room)?;
                }
                Some(room)
            }
            Kind::Object(members) => {
                if !members.is_empty() && shape.is_some_and(|shape| shape.spread) {
                    return None;
                }
                let mut room = room.checked_sub(2)?;
                for (index, member) in members.iter().enumerate() {
                    room = room.checked_sub(if index == 0 { 2 } else { 4 })?;
                    room = self.room_after_token(member.key_span, room)?;
                    let inner = shape.and_then(|shape| shape.of_member(&member.key));
                    room = self.room_after(&member.value, inner, room)?;
                }
                Some(room)
            }
        }
    }

    fn room_after_token(&self, span: super::Span, room: usize) -> Option<usize> {
        let token = self.token(span);
        // A character has at most four bytes.
        if token.len() > room.saturating_mul(4) {
            return None;
        }
        room.checked_sub(token.chars().count())
    }

    fn one_line(&mut self, node: &Node, shape: Option<&'static Shape>) {
        match &node.kind {
            Kind::Scalar | Kind::Alias => {
                let token = self.token(node.span);
                self.written.push_str(token);
            }
            Kind::Array(elements) => {
                self.written.push('[');
                for (index, element) in elements.iter().enumerate() {
                    self.written.push_str(if index == 0 { "" } else { ", " });
                    self.one_line(element, shape);
                }
                self.written.push(']');
            }
            Kind::Object(members) => {
                let mut ordered: Vec<&Member> = members.iter().collect();
                if let Some(shape) = shape {
                    ordered.sort_by_key(|member| shape.rank(&member.key));
                }
                self.written.push('{');
                for (index, member) in ordered.iter().enumerate() {
                    self.written.push_str(if index == 0 { "" } else { ", " });
                    let name = self.token(member.key_span);
                    self.written.push_str(name);
                    self.written.push_str(": ");
                    let inner = shape.and_then(|shape| shape.of_member(&member.key));
                    self.one_line(&member.value, inner);
                }
                self.written.push('}');
            }
        }
    }

    fn next_line(&mut self, index: usize, level: usize) {
        self.written.push_str(if index == 0 { "\n" } else { ",\n" });
        self.indent(level);
    }

    fn last_line(&mut self, level: usize, bracket: char) {
        self.written.push('\n');
        self.indent(level);
        self.written.push(bracket);
    }

    fn indent(&mut self, level: usize) {
        for _ in 0..level {
            self.written.push_str("  ");
        }
    }
}

/// The lines of a YAML text, but for white space that says nothing; lines of texts that span several stay as they are.
fn yaml(document: &Document) -> String {
    let text = document.text();
    let mut kept = Kept {
        breaks: text.match_indices('\n').map(|(at, _)| at).collect(),
        lines: vec![false; document.lines().count() + 1],
    };
    kept.node(text, document.root());
    let mut written = String::with_capacity(text.len());
    let (mut empty, mut floor) = (0_usize, 0_usize);
    for (index, line) in text.lines().enumerate() {
        if kept.lines.get(index).copied().unwrap_or(false) {
            empty = 0;
            written.push_str(line);
            written.push('\n');
            floor = written.len();
            continue;
        }
        let line = line.trim_end_matches([' ', '\t', '\r']);
        empty = if line.is_empty() { empty + 1 } else { 0 };
        if empty <= 1 {
            written.push_str(line);
            written.push('\n');
        }
    }
    let end = written.trim_end_matches('\n').len() + 1;
    written.truncate(end.max(floor));
    written
}

/// The lines of texts that span several.
struct Kept {
    breaks: Vec<usize>,
    lines: Vec<bool>,
}

impl Kept {
    fn node(&mut self, text: &str, node: &Node) {
        match &node.kind {
            Kind::Scalar => self.scalar(text, node.span),
            Kind::Alias => {}
            Kind::Array(elements) => elements.iter().for_each(|element| self.node(text, element)),
            Kind::Object(members) => {
                for member in members {
                    self.scalar(text, member.key_span);
                    self.node(text, &member.value);
                }
            }
        }
    }

    fn scalar(&mut self, text: &str, span: super::Span) {
        let line = |offset: usize| self.breaks.partition_point(|at| *at < offset);
        let (first, mut last) = (line(span.start), line(span.end));
        if first == last {
            return;
        }
        let header = text.get(span.start..).and_then(|rest| rest.lines().next());
        let header = header.unwrap_or_default();
        if header.starts_with(['|', '>']) && header.contains('+') {
            // The empty lines behind it are part of it.
            let behind = text.get(span.end..).unwrap_or_default();
            let blank = behind.len() - behind.trim_start_matches([' ', '\n', '\r']).len();
            let more = usize::from(blank < behind.len());
            last = line(span.end + blank).saturating_sub(more).max(last);
        }
        let lines = self.lines.iter_mut().skip(first).take(last + 1 - first);
        lines.for_each(|line| *line = true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    static INNER: Shape = Shape {
        order: &["first", "second"],
        inner: &[("second", &INNER)],
        spread: false,
    };
    static OUTER: Shape = Shape {
        order: &["name", "list"],
        inner: &[("list", &INNER)],
        spread: true,
    };

    fn formatted(text_before: &str, format: Format, shape: Option<&'static Shape>) -> String {
        let document = Document::read(text_before, format).expect("a document");
        text(&document, shape)
    }

    fn json(text_before: &str) -> String {
        formatted(text_before, Format::Json, Some(&OUTER))
    }

    #[test]
    fn known_members_come_first_and_others_stay_in_order() {
        assert_eq!(
            json(r#"{"z":1,"list":[{"b":0,"second":{"x":1,"first":2},"a":[]}],"y":2,"name":"n"}"#),
            "{\n  \"name\": \"n\",\n  \"list\": [{\"second\": {\"first\": 2, \"x\": 1}, \"b\": 0, \"a\": []}],\n  \"z\": 1,\n  \"y\": 2\n}\n"
        );
    }

    #[test]
    fn numbers_names_and_texts_stay_as_they_were_written() {
        let written = json(
            r#"{"n\u0061me":1.50,"a":1E5,"b":-0.0,"c":12345678901234567890123,"d":"\/\u00e9é"}"#,
        );
        assert_eq!(
            written,
            "{\n  \"n\\u0061me\": 1.50,\n  \"a\": 1E5,\n  \"b\": -0.0,\n  \"c\": 12345678901234567890123,\n  \"d\": \"\\/\\u00e9é\"\n}\n"
        );
    }

    #[test]
    fn a_line_holds_what_fits_and_not_a_character_more() {
        // Two spaces, `"a": [`, the text in its quotes, `]`.
        let fits = "x".repeat(WIDTH - 2 - 6 - 2 - 1);
        assert_eq!(json(&format!("{{\"a\":[\"{fits}\"]}}")).lines().count(), 3);
        assert_eq!(json(&format!("{{\"a\":[\"{fits}x\"]}}")).lines().count(), 5);
        // A comma belongs to the line.
        assert_eq!(
            json(&format!("{{\"a\":[\"{fits}\"],\"b\":1}}"))
                .lines()
                .count(),
            6
        );
        // Characters are counted, not bytes.
        let wide = "é".repeat(fits.len());
        assert_eq!(json(&format!("{{\"a\":[\"{wide}\"]}}")).lines().count(), 3);
    }

    #[test]
    fn empty_and_scalar_documents() {
        for (before, after) in [
            ("{}", "{}\n"),
            (" [ ] ", "[]\n"),
            ("1.0", "1.0\n"),
            ("\"x\"", "\"x\"\n"),
        ] {
            assert_eq!(json(before), after);
        }
    }

    #[test]
    fn yaml_keeps_comments_and_texts_of_several_lines() {
        let before = "# top  \r\nname: a   # why \n\n\n\ntext: |\n  one  \n\n\n  two\nlist:\n  - 'b  \n\n\n    c'\n\n\n";
        let after =
            "# top\nname: a   # why\n\ntext: |\n  one  \n\n\n  two\nlist:\n  - 'b  \n\n\n    c'\n";
        assert_eq!(formatted(before, Format::Yaml, None), after);
        assert_eq!(formatted(after, Format::Yaml, None), after);
    }

    #[test]
    fn empty_lines_that_belong_to_a_text_stay() {
        for (before, after) in [
            ("a: |+\n  x\n\n\nb: 1  \n\n\n", "a: |+\n  x\n\n\nb: 1\n"),
            ("a: |+\n  x\n\n\n", "a: |+\n  x\n\n\n"),
            ("a: >-\n  x \n\n\n\nb: 1", "a: >-\n  x \n\nb: 1\n"),
            ("- >2+\n    x\n\n\n- 1\n", "- >2+\n    x\n\n\n- 1\n"),
        ] {
            let formatted = formatted(before, Format::Yaml, None);
            assert_eq!(formatted, after);
            let value = |text: &str| {
                Document::read(text, Format::Yaml)
                    .expect("a document")
                    .value()
                    .clone()
            };
            assert_eq!(value(before), value(after), "{before}");
        }
    }

    #[test]
    fn a_value_is_written_in_the_same_form() {
        let deep = (0..90).fold(Value::from(1), |inner, _| serde_json::json!([inner]));
        assert!(serde_json::from_str::<Value>(&value(&deep, None)).is_ok());
        assert_eq!(
            value(&serde_json::json!({"a": [1, "x"]}), None),
            "{\n  \"a\": [1, \"x\"]\n}\n"
        );
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,40}".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 60, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::btree_map("(name|list|first|second|[a-c]{0,3})", inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// Lines of YAML with comments, texts of several lines and white space that says nothing.
    fn yaml_text() -> impl Strategy<Value = String> {
        let value = prop_oneof![
            "[a-z0-9]{1,5} {0,2}( #[a-z ]{0,4})?",
            Just("|\n  one  \n\n   two \n".to_owned()),
            Just("|+\n  one\n\n\n".to_owned()),
            Just(">-\n  one \n\n\n  two\n\n\n".to_owned()),
            Just("'a  \n\n\n  b' ".to_owned()),
            Just("[1,  \n\n\n  2]\t".to_owned()),
            Just("&x {a: 1}  ".to_owned()),
        ];
        proptest::collection::vec((value, "(\n| \n|\r\n|\n# c \n){1,4}"), 1..8).prop_map(|lines| {
            let each = lines.into_iter().enumerate();
            each.map(|(index, (value, end))| format!("k{index}: {value}{end}"))
                .collect()
        })
    }

    proptest! {
        #[test]
        fn yaml_says_the_same_and_is_its_own_form(given in yaml_text()) {
            let before = Document::read(given.as_str(), Format::Yaml);
            prop_assume!(before.is_ok());
            let before = before.expect("a document");
            let once = text(&before, None);
            let after = Document::read(once.as_str(), Format::Yaml).expect("a document");
            prop_assert_eq!(after.value(), before.value());
            prop_assert_eq!(text(&after, None), once);
        }

        #[test]
        fn says_the_same_and_is_its_own_form(given in any_value()) {
            let once = formatted(&given.to_string(), Format::Json, Some(&OUTER));
            let document = Document::read(once.as_str(), Format::Json).expect("a document");
            prop_assert_eq!(document.value(), &given);
            prop_assert_eq!(text(&document, Some(&OUTER)), once);
        }
    }
}
