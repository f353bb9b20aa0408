//! YAML with positions, as far as JSON can say it: one document, names as plain text, no tags but `!!str`, everything bounded.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span as Marked, Tag};
use serde_json::{Map, Number, Value};

use super::{Kind, Limits, Member, Node, ReadError, Span};

/// Longest name of a member, in bytes: it stands in the place of every value below it.
const MOST_KEY_BYTES: usize = 1024;
/// Most bytes of text that the aliases of one file repeat together.
const MOST_REPEATED_BYTES: usize = 16 << 20;

/// Reads one YAML document; its members may be named twice.
pub(super) fn read(text: &str, limits: &Limits) -> Result<(Value, Node), ReadError> {
    let offsets = Offsets::of(text);
    let mut builder = Builder {
        text,
        limits,
        offsets: &offsets,
        open: Vec::new(),
        root: None,
        anchors: BTreeMap::new(),
        values: 0,
        repeated: 0,
    };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| {
            let at = offsets.byte(*error.marker());
            malformed(Span::new(at, at), format!("not YAML: {}", error.info()))
        })?;
        builder.take(event, span)?;
    }
    builder.root.ok_or_else(|| {
        malformed(
            Span::default(),
            "the file is empty; write one document".to_owned(),
        )
    })
}

fn malformed(span: Span, message: impl Into<String>) -> ReadError {
    ReadError {
        code: "malformed_yaml",
        span,
        message: message.into(),
    }
}

fn too_large(span: Span, message: String) -> ReadError {
    ReadError {
        code: "too_large",
        span,
        message,
    }
}

/// The parser counts characters; a text that is not ASCII needs a table.
struct Offsets {
    length: usize,
    table: Option<Vec<u32>>,
}

impl Offsets {
    fn of(text: &str) -> Self {
        let table = (!text.is_ascii()).then(|| {
            // Texts are bounded far below 4 GiB.
            text.char_indices()
                .map(|(at, _)| u32::try_from(at).unwrap_or(u32::MAX))
                .collect()
        });
        Self {
            length: text.len(),
            table,
        }
    }

    fn byte(&self, marker: Marker) -> usize {
        match &self.table {
            None => marker.index().min(self.length),
            Some(table) => table
                .get(marker.index())
                .map_or(self.length, |at| *at as usize),
        }
    }
}

/// A collection that is being read.
struct Open {
    value: Value,
    parts: Parts,
    start: usize,
    /// In a mapping: the name whose value comes next, and where it stands.
    key: Option<(String, Span)>,
    anchor: usize,
}

enum Parts {
    Elements(Vec<Node>),
    Members(Vec<Member>),
}

struct Builder<'t> {
    text: &'t str,
    limits: &'t Limits,
    offsets: &'t Offsets,
    open: Vec<Open>,
    root: Option<(Value, Node)>,
    anchors: BTreeMap<usize, Value>,
    values: usize,
    repeated: usize,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, marked: Marked) -> Result<(), ReadError> {
        let span = Span::new(
            self.offsets.byte(marked.start),
            self.offsets.byte(marked.end),
        );
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let mut span = match style {
                    ScalarStyle::SingleQuoted => self.quoted(span, '\''),
                    ScalarStyle::DoubleQuoted => self.quoted(span, '"'),
                    _ => self.trimmed(span),
                };
                if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
                    span.start = self.indicator(span.start);
                }
                if self.expects_key() {
                    return self.key(&text, span);
                }
                let value = scalar(&text, style, tag.as_deref())
                    .map_err(|message| malformed(span, message))?;
                self.count(1, span)?;
                self.place(value, Kind::Scalar, span, anchor)
            }
            Event::SequenceStart(anchor, _) => self.start(
                Value::Array(Vec::new()),
                Parts::Elements(Vec::new()),
                span,
                anchor,
            ),
            Event::MappingStart(anchor, _) => self.start(
                Value::Object(Map::new()),
                Parts::Members(Vec::new()),
                span,
                anchor,
            ),
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
            Event::Alias(anchor) => self.alias(anchor, self.trimmed(span)),
            Event::DocumentStart(_) if self.root.is_some() => Err(malformed(
                span,
                "a second document begins; one file holds one",
            )),
            _ => Ok(()),
        }
    }

    /// Block scalars and plain ones end where their last character does, not where the next token begins.
    fn trimmed(&self, span: Span) -> Span {
        let text = self.text.get(span.start..span.end).unwrap_or_default();
        Span::new(span.start, span.start + text.trim_end().len())
    }

    /// A quoted scalar ends with its quote; a comment behind it is not part of it.
    fn quoted(&self, span: Span, quote: char) -> Span {
        let text = self.text.get(span.start..span.end).unwrap_or_default();
        let Some(inner) = text.strip_prefix(quote) else {
            return self.trimmed(span);
        };
        let mut characters = inner.char_indices().peekable();
        while let Some((at, c)) = characters.next() {
            let doubled = |next: Option<&(usize, char)>| next.is_some_and(|(_, c)| *c == quote);
            if quote == '"' && c == '\\'
                || quote == '\'' && c == quote && doubled(characters.peek())
            {
                characters.next();
            } else if c == quote {
                return Span::new(
                    span.start,
                    span.start + quote.len_utf8() + at + c.len_utf8(),
                );
            }
        }
        self.trimmed(span)
    }

    /// Where a block scalar begins: its `|` or `>` stands at the end of a line above its text.
    fn indicator(&self, start: usize) -> usize {
        let before = self.text.get(..start).unwrap_or_default();
        let line = before.trim_end();
        let head = line.rfind('\n').map_or(0, |at| at + 1);
        let line = line.get(head..).unwrap_or_default();
        let mut found = line.match_indices(['|', '>']).map(|(at, _)| at);
        // Another one may stand in a name before it, or in a comment behind it.
        let found = found.find(|at| {
            let (before, rest) = line.split_at(*at);
            let rest = rest.get(1..).unwrap_or_default();
            let rest =
                rest.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+'));
            let comment = rest.trim_start();
            before.chars().last().is_none_or(char::is_whitespace)
                && (comment.is_empty() || comment.len() < rest.len() && comment.starts_with('#'))
        });
        found.map_or(start, |at| head + at)
    }

    fn expects_key(&self) -> bool {
        self.open
            .last()
            .is_some_and(|open| matches!(open.parts, Parts::Members(_)) && open.key.is_none())
    }

    fn key(&mut self, text: &str, span: Span) -> Result<(), ReadError> {
        if text.len() > MOST_KEY_BYTES {
            return Err(too_large(
                span,
                format!("a key has more than {MOST_KEY_BYTES} bytes; shorten it"),
            ));
        }
        if let Some(open) = self.open.last_mut() {
            open.key = Some((text.to_owned(), span));
        }
        Ok(())
    }

    fn start(
        &mut self,
        value: Value,
        parts: Parts,
        span: Span,
        anchor: usize,
    ) -> Result<(), ReadError> {
        if self.expects_key() {
            return Err(malformed(span, "a key is not plain text; quote it"));
        }
        if self.open.len() >= self.limits.depth {
            return Err(self.too_deep(span));
        }
        self.count(1, span)?;
        self.open.push(Open {
            value,
            parts,
            start: span.start,
            key: None,
            anchor,
        });
        Ok(())
    }

    fn end(&mut self, span: Span) -> Result<(), ReadError> {
        let Some(done) = self.open.pop() else {
            return Err(malformed(span, "a collection ends that never began"));
        };
        let (last, kind) = match done.parts {
            Parts::Elements(elements) => (
                elements.last().map(|element| element.span.end),
                Kind::Array(elements),
            ),
            Parts::Members(members) => (
                members
                    .last()
                    .map(|member| member.value.span.end.max(member.key_span.end)),
                Kind::Object(members),
            ),
        };
        // A block has no closing bracket: it ends with its last part. A comment behind the bracket is not part of it.
        let closing = self.text.get(span.start..);
        let end =
            if span.end > span.start && closing.is_some_and(|text| text.starts_with([']', '}'])) {
                span.start + 1
            } else if span.end > span.start {
                span.end
            } else {
                last.unwrap_or(done.start)
            };
        let span = Span::new(done.start, end.max(done.start));
        self.place(done.value, kind, span, done.anchor)
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), ReadError> {
        if self.expects_key() {
            return Err(malformed(span, "a key is not plain text; quote it"));
        }
        let Some(value) = self.anchors.get(&anchor) else {
            return Err(malformed(
                span,
                "an alias stands inside its own anchor; write the value out",
            ));
        };
        let (values, bytes, depth) = size(value);
        if self.open.len() + depth > self.limits.depth {
            return Err(self.too_deep(span));
        }
        self.repeated += bytes;
        if self.repeated > MOST_REPEATED_BYTES {
            return Err(too_large(
                span,
                format!("aliases repeat more than {MOST_REPEATED_BYTES} bytes; use fewer aliases"),
            ));
        }
        // Counted before it is copied: nine aliases of nine aliases are a bomb.
        let value = {
            self.count(values, span)?;
            self.anchors.get(&anchor).cloned().unwrap_or_default()
        };
        self.place(value, Kind::Alias, span, 0)
    }

    fn too_deep(&self, span: Span) -> ReadError {
        ReadError {
            code: "too_deep",
            span,
            message: format!(
                "nested deeper than {} levels; flatten it",
                self.limits.depth
            ),
        }
    }

    fn count(&mut self, values: usize, span: Span) -> Result<(), ReadError> {
        self.values += values;
        let most = self.limits.values;
        if self.values > most {
            return Err(too_large(
                span,
                format!("more than {most} values; split the file or use fewer aliases"),
            ));
        }
        Ok(())
    }

    fn place(
        &mut self,
        value: Value,
        kind: Kind,
        span: Span,
        anchor: usize,
    ) -> Result<(), ReadError> {
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
        let node = Node { span, kind };
        let Some(open) = self.open.last_mut() else {
            self.root = Some((value, node));
            return Ok(());
        };
        match (&mut open.value, &mut open.parts, open.key.take()) {
            (Value::Array(values), Parts::Elements(elements), _) => {
                values.push(value);
                elements.push(node);
            }
            (Value::Object(values), Parts::Members(members), Some((key, key_span))) => {
                values.insert(key.clone(), value);
                members.push(Member {
                    key,
                    key_span,
                    value: node,
                });
            }
            _ => return Err(malformed(span, "a value stands where a key belongs")),
        }
        Ok(())
    }
}

/// Values, bytes of text and levels of a value.
fn size(value: &Value) -> (usize, usize, usize) {
    let of_parts = |parts: &mut dyn Iterator<Item = (usize, &Value)>| {
        let mut sum = (1, 0, 1);
        for (name, part) in parts {
            let (values, bytes, depth) = size(part);
            sum = (sum.0 + values, sum.1 + name + bytes, sum.2.max(depth + 1));
        }
        sum
    };
    match value {
        Value::String(text) => (1, text.len(), 0),
        Value::Array(elements) => of_parts(&mut elements.iter().map(|part| (0, part))),
        Value::Object(members) => {
            of_parts(&mut members.iter().map(|(name, part)| (name.len(), part)))
        }
        _ => (1, 0, 0),
    }
}

/// The core schema of YAML 1.2, as far as JSON can say it.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    if let Some(tag) = tag {
        return if tag.is_yaml_core_schema() && tag.suffix == "str" {
            Ok(Value::from(text))
        } else {
            Err(format!("the tag {tag} is not read; leave it out"))
        };
    }
    if style != ScalarStyle::Plain {
        return Ok(Value::from(text));
    }
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text)?.unwrap_or_else(|| Value::from(text)),
    })
}

fn number(text: &str) -> Result<Option<Value>, String> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_nan = matches!(text, ".nan" | ".NaN" | ".NAN");
    if is_nan || matches!(digits, ".inf" | ".Inf" | ".INF") {
        return Err("JSON has no such number; quote it if text is meant".to_owned());
    }
    // Of these two the core schema knows no sign.
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix)
            && !digits.is_empty()
            && digits.chars().all(|digit| digit.is_digit(radix))
        {
            return u64::from_str_radix(digits, radix)
                .map(|value| Some(value.into()))
                .map_err(|_| TOO_WIDE.to_owned());
        }
    }
    let begins = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    if !begins(digits) && !digits.strip_prefix('.').is_some_and(begins) {
        return Ok(None);
    }
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let plain = text.strip_prefix('+').unwrap_or(text);
        return match (plain.parse::<i64>(), plain.parse::<u64>()) {
            (Ok(value), _) => Ok(Some(value.into())),
            (_, Ok(value)) => Ok(Some(value.into())),
            _ => Err(TOO_WIDE.to_owned()),
        };
    }
    if !digits
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'))
    {
        return Ok(None);
    }
    // Dates and versions such as 2026-04-03 or 1.2.3 hold the same characters and are text.
    match text.parse::<f64>() {
        Ok(value) => Number::from_f64(value)
            .map(|number| Some(Value::Number(number)))
            .ok_or_else(|| "the number is too large for JSON; quote it".to_owned()),
        Err(_) => Ok(None),
    }
}

const TOO_WIDE: &str = "the integer does not fit into 64 bits; quote it";
