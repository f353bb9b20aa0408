//! Texts of strangers with positions: JSON or YAML becomes a value, and a tree that knows where each part of it stands.
//!
//! [`json`](crate::json) reads what came over a wire, where nobody asks for lines; this reads what somebody has in an editor. What
//! is refused there is refused here under the same codes, and a member that is named twice is kept as a finding instead.

pub mod edit;
pub mod format;
mod json_text;
mod lines;
pub mod numbers;
mod yaml_text;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;

use serde_json::Value;

pub use lines::{Lines, Place};

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Strict JSON (RFC 8259).
    Json,
    /// YAML 1.2, as far as JSON can say it.
    Yaml,
}

impl Format {
    /// The format of a file by its name: `.yaml` and `.yml` are YAML, all else is JSON.
    pub fn of(path: &Path) -> Self {
        let ending = path.extension().and_then(|ending| ending.to_str());
        match ending {
            Some(ending)
                if ending.eq_ignore_ascii_case("yaml") || ending.eq_ignore_ascii_case("yml") =>
            {
                Self::Yaml
            }
            _ => Self::Json,
        }
    }

    /// The format of a text without a name: JSON where it begins as an object or an array does, YAML else; a name of YAML may be quoted.
    pub fn guess(text: &str) -> Self {
        let begins = text.trim_start_matches('\u{feff}').trim_start();
        if begins.starts_with(['{', '[']) {
            Self::Json
        } else {
            Self::Yaml
        }
    }
}

/// Bounds of a text that is about to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest text, in bytes.
    pub bytes: usize,
    /// Deepest nesting of arrays and objects; at most 100.
    pub depth: usize,
    /// Most values, those that aliases repeat included.
    pub values: usize,
}

impl Limits {
    /// What the protocol allows for one document: 1 MiB, 64 levels.
    pub const DOCUMENT: Limits = Limits {
        bytes: crate::json::Limits::DOCUMENT.bytes,
        depth: crate::json::Limits::DOCUMENT.depth,
        values: 1024 * 1024,
    };
}

/// A part of a text, in bytes from its beginning; the end is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl Span {
    /// From one byte to before another.
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// Whether a byte belongs to it, its end included: where a cursor may stand.
    pub const fn touches(self, offset: usize) -> bool {
        self.start <= offset && offset <= self.end
    }
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// From its first byte to behind its last.
    pub span: Span,
    /// What is in it.
    pub kind: Kind,
}

/// What is in a [`Node`].
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Null, a boolean, a number or a string: the document's value has it.
    Scalar,
    /// The elements in order.
    Array(Vec<Node>),
    /// The members in order; one that is named twice stands here twice.
    Object(Vec<Member>),
    /// Written elsewhere and repeated here by an alias of YAML.
    Alias,
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Its name, unescaped.
    pub key: String,
    /// Where the name stands, its quotes included.
    pub key_span: Span,
    /// Its value.
    pub value: Node,
}

/// A member that an object has already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicate {
    /// Where the member leads, as JSON Pointer.
    pub pointer: String,
    /// The first name.
    pub first: Span,
    /// The name that stands there again.
    pub again: Span,
}

/// Why a text is not a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadError {
    /// `too_large`, `too_deep`, `invalid_utf8`, `malformed_json` or `malformed_yaml`. Contract.
    pub code: &'static str,
    /// Where the text stops making sense.
    pub span: Span,
    /// What to do about it; never quotes the text.
    pub message: String,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ReadError {}

impl ReadError {
    /// Bytes that are no UTF-8 from `at` on; UTF-16 is called by its name.
    pub fn not_utf8(bytes: &[u8], at: usize) -> Self {
        let message = match bytes {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => UTF_16.to_owned(),
            _ => format!("byte {at} is not UTF-8; save it as UTF-8"),
        };
        Self {
            code: "invalid_utf8",
            span: Span::new(at, at + 1),
            message,
        }
    }
}

/// What is said of a text in the encoding that some editors choose.
const UTF_16: &str = "the text is UTF-16; save it as UTF-8";

/// What some editors put before a text of UTF-8.
pub const BYTE_ORDER_MARK: char = '\u{feff}';

/// A text that was read.
#[derive(Debug, Clone)]
pub struct Document {
    text: String,
    format: Format,
    lines: Lines,
    value: Value,
    root: Node,
    duplicates: Vec<Duplicate>,
}

impl Document {
    /// Reads a text within the protocol's bounds for one document.
    ///
    /// # Errors
    /// A [`ReadError`] with the place where the text stops being a document.
    pub fn read(text: impl Into<String>, format: Format) -> Result<Self, ReadError> {
        Self::read_within(text, format, &Limits::DOCUMENT)
    }

    /// Reads a text within given bounds.
    ///
    /// # Errors
    /// As [`Document::read`].
    pub fn read_within(
        text: impl Into<String>,
        format: Format,
        limits: &Limits,
    ) -> Result<Self, ReadError> {
        let text = text.into();
        if text.len() > limits.bytes {
            return Err(ReadError {
                code: "too_large",
                span: Span::default(),
                message: format!(
                    "the text has {} bytes; at most {} are read",
                    text.len(),
                    limits.bytes
                ),
            });
        }
        // Texts of letters are UTF-8 in either encoding, and every other byte of UTF-16 is zero.
        if text.as_bytes().iter().take(2).any(|byte| *byte == 0) {
            return Err(ReadError {
                code: "invalid_utf8",
                span: Span::new(0, 1),
                message: UTF_16.to_owned(),
            });
        }
        let (value, root) = match format {
            Format::Json => match text.strip_prefix(BYTE_ORDER_MARK) {
                None => json_text::read(&text, limits)?,
                // Blanks of the same length: places stay what they are.
                Some(rest) => json_text::read(
                    &format!("{:1$}{rest}", "", BYTE_ORDER_MARK.len_utf8()),
                    limits,
                )?,
            },
            Format::Yaml => yaml_text::read(&text, limits)?,
        };
        let mut duplicates = Vec::new();
        find_duplicates(&root, &mut String::new(), &mut duplicates);
        Ok(Self {
            lines: Lines::of(&text),
            text,
            format,
            value,
            root,
            duplicates,
        })
    }

    /// The text as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether a byte order mark stands before JSON: no runtime takes it, and what stands behind it is read all the same.
    pub fn is_marked(&self) -> bool {
        self.format == Format::Json && self.text.starts_with(BYTE_ORDER_MARK)
    }

    /// How it is written.
    pub fn format(&self) -> Format {
        self.format
    }

    /// What it says; of a member that is named twice, the last.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The whole tree.
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// Members that are named twice, in the order of the text.
    pub fn duplicates(&self) -> &[Duplicate] {
        &self.duplicates
    }

    /// The node a JSON Pointer leads to; of a member that is named twice, the last.
    pub fn at(&self, pointer: &str) -> Option<&Node> {
        let mut node = &self.root;
        for token in tokens(pointer)? {
            node = child(node, &token)?.1;
        }
        Some(node)
    }

    /// Where the value at a pointer stands, or the nearest value around it that is there.
    pub fn span(&self, pointer: &str) -> Span {
        self.nearest(pointer).1.span
    }

    /// Where the name of the member at a pointer stands; the value's own place in an array, and at the root.
    pub fn key_span(&self, pointer: &str) -> Span {
        match self.nearest(pointer) {
            (Some(key), _) => key,
            (None, node) => node.span,
        }
    }

    /// Line and column of a byte.
    pub fn place(&self, offset: usize) -> Place {
        self.lines.place(&self.text, offset)
    }

    /// Where lines begin.
    pub fn lines(&self) -> &Lines {
        &self.lines
    }

    /// The pointer of the innermost value or member at a byte, and whether the byte is in the member's name.
    pub fn pointer_at(&self, offset: usize) -> (String, bool) {
        let mut pointer = String::new();
        let mut node = &self.root;
        loop {
            let next = match &node.kind {
                Kind::Array(elements) => elements
                    .iter()
                    .enumerate()
                    .find(|(_, element)| element.span.touches(offset))
                    .map(|(index, element)| (index.to_string(), element, false)),
                Kind::Object(members) => members.iter().rev().find_map(|member| {
                    let named = member.key_span.touches(offset);
                    let inside = named || member.value.span.touches(offset);
                    inside.then(|| (member.key.clone(), &member.value, named))
                }),
                Kind::Scalar | Kind::Alias => None,
            };
            let Some((token, inner, named)) = next else {
                return (pointer, false);
            };
            pointer = crate::json::push(&pointer, &token);
            if named {
                return (pointer, true);
            }
            node = inner;
        }
    }

    fn nearest(&self, pointer: &str) -> (Option<Span>, &Node) {
        let mut found = (None, &self.root);
        for token in tokens(pointer).into_iter().flatten() {
            match child(found.1, &token) {
                Some(inner) => found = inner,
                None => break,
            }
        }
        found
    }
}

/// The tokens of a JSON Pointer, unescaped; `None` when it is none.
fn tokens(pointer: &str) -> Option<impl Iterator<Item = String>> {
    let rest = if pointer.is_empty() {
        None
    } else {
        Some(pointer.strip_prefix('/')?)
    };
    let tokens = rest.into_iter().flat_map(|rest| rest.split('/'));
    Some(tokens.map(|token| token.replace("~1", "/").replace("~0", "~")))
}

fn child<'n>(node: &'n Node, token: &str) -> Option<(Option<Span>, &'n Node)> {
    match &node.kind {
        Kind::Array(elements) => elements
            .get(token.parse::<usize>().ok()?)
            .map(|element| (None, element)),
        Kind::Object(members) => members
            .iter()
            .rev()
            .find(|member| member.key == token)
            .map(|member| (Some(member.key_span), &member.value)),
        Kind::Scalar | Kind::Alias => None,
    }
}

/// Most members that are compared with each other one by one.
const FEW: usize = 16;

/// The depth of a tree is bounded by its reader, and so is this.
fn find_duplicates(node: &Node, pointer: &mut String, found: &mut Vec<Duplicate>) {
    let length = pointer.len();
    match &node.kind {
        Kind::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                if !matches!(element.kind, Kind::Scalar | Kind::Alias) {
                    pointer.push_str(&format!("/{index}"));
                    find_duplicates(element, pointer, found);
                    pointer.truncate(length);
                }
            }
        }
        Kind::Object(members) => {
            // A map costs more than it saves where there are few.
            let mut seen = (members.len() > FEW).then(std::collections::HashMap::new);
            for (index, member) in members.iter().enumerate() {
                let again = match &mut seen {
                    Some(seen) => match seen.entry(member.key.as_str()) {
                        std::collections::hash_map::Entry::Occupied(first) => Some(*first.get()),
                        std::collections::hash_map::Entry::Vacant(place) => {
                            place.insert(member.key_span);
                            None
                        }
                    },
                    None => {
                        let mut before = members.iter().take(index);
                        let first = before.find(|earlier| earlier.key == member.key);
                        first.map(|first| first.key_span)
                    }
                };
                if again.is_none() && matches!(member.value.kind, Kind::Scalar | Kind::Alias) {
                    continue;
                }
                crate::json::append(pointer, &member.key);
                if let Some(first) = again {
                    found.push(Duplicate {
                        pointer: pointer.clone(),
                        first,
                        again: member.key_span,
                    });
                }
                find_duplicates(&member.value, pointer, found);
                pointer.truncate(length);
            }
        }
        Kind::Scalar | Kind::Alias => {}
    }
}
