//! Brackets and braces around a cursor: all of JSON, and lists and objects of YAML that are written in one go.

use serde_json::{Map, Value};

use super::context::Context;
use crate::document::{Format, Span};
use crate::json;

/// Most bytes behind the cursor that are looked at for further members.
const MOST_BEHIND: usize = 64 * 1024;

/// Where a cursor stands to brackets that are opened before it.
#[derive(Debug)]
pub(super) enum Place {
    /// They are closed before it; this byte follows them.
    Behind(usize),
    /// Within them; `None` where nothing can be written, as in a comment.
    Within(Option<Context>),
}

/// An object or array that is open.
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

/// A piece of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    /// A bracket, a brace, a comma or a colon.
    Sign(u8),
    /// A name or a value.
    Word {
        quoted: bool,
    },
    Comment,
}

#[derive(Debug)]
struct Scanner<'t> {
    text: &'t str,
    format: Format,
    open: Vec<Open>,
    /// What was read and is not known yet to be a name or a value.
    word: Option<Value>,
    /// The byte behind a word in quotes: there a colon needs no space in YAML.
    quoted_end: Option<usize>,
}

/// Reads from `start`, where the value at the pointer `outer` begins, to a cursor.
pub(super) fn scan(text: &str, start: usize, offset: usize, format: Format, outer: &str) -> Place {
    let mut scanner = Scanner {
        text,
        format,
        open: Vec::new(),
        word: None,
        quoted_end: None,
    };
    let mut at = start;
    let mut opened = false;
    loop {
        let begin = scanner.skip_space(at);
        let next = scanner.token(begin);
        let before = next.is_none() || begin >= offset;
        if before {
            return Place::Within(scanner.context(Span::new(offset, offset), false, offset, outer));
        }
        let Some((token, end)) = next else {
            return Place::Within(None);
        };
        match token {
            Token::Comment if end >= offset => return Place::Within(None),
            Token::Word { quoted } if end >= offset => {
                let written = Span::new(begin, end);
                return Place::Within(scanner.context(written, quoted, begin, outer));
            }
            _ => {}
        }
        scanner.take(token, begin, end);
        opened |= !scanner.open.is_empty();
        if opened && scanner.open.is_empty() && format == Format::Yaml {
            return Place::Behind(end);
        }
        at = end;
    }
}

/// The JSON that stands before a cursor, without what is not finished there, and with the brackets closed that are open.
pub(super) fn closed(text: &str, offset: usize) -> String {
    let mut scanner = Scanner {
        text,
        format: Format::Json,
        open: Vec::new(),
        word: None,
        quoted_end: None,
    };
    let mut at = 0;
    // Behind what is whole: a value, or a bracket. Between that and the cursor nothing is opened or closed.
    let mut whole = 0;
    loop {
        let begin = scanner.skip_space(at);
        let Some((token, end)) = scanner.token(begin).filter(|(_, end)| *end <= offset) else {
            break;
        };
        let is_finished = match token {
            Token::Word { quoted: true } => end - begin >= 2 && scanner.byte(end - 1) == Some(b'"'),
            Token::Word { quoted: false } => end < offset,
            _ => true,
        };
        if !is_finished {
            break;
        }
        let is_value = match token {
            Token::Word { .. } => match scanner.open.last() {
                Some(Open::Object { member, .. }) => member.is_some() && scanner.word.is_none(),
                _ => true,
            },
            Token::Sign(sign) => matches!(sign, b'{' | b'}' | b'[' | b']'),
            Token::Comment => false,
        };
        scanner.take(token, begin, end);
        if is_value {
            whole = end;
        }
        at = end;
    }
    let mut closed = text.get(..whole).unwrap_or_default().to_owned();
    closed.extend(scanner.open.iter().rev().map(|open| match open {
        Open::Object { .. } => '}',
        Open::Array { .. } => ']',
    }));
    closed
}

/// Whether a value begins with a bracket; what stands before it, an anchor or a tag, is counted in bytes.
pub(super) fn begins(value: &str) -> Option<usize> {
    let mut rest = value;
    while rest.starts_with(['&', '!']) {
        rest = rest.split_once(' ')?.1.trim_start();
    }
    rest.starts_with(['[', '{'])
        .then_some(value.len() - rest.len())
}

/// A value as far as one word of YAML or JSON says it.
pub(super) fn scalar(word: &str) -> Value {
    if let Some(inner) = word.strip_prefix('\'') {
        let inner = inner.strip_suffix('\'').unwrap_or(inner);
        return Value::from(inner.replace("''", "'"));
    }
    match serde_json::from_str::<Value>(word) {
        Ok(value) if !value.is_array() && !value.is_object() => value,
        _ => Value::from(word.trim_matches('"')),
    }
}

impl Scanner<'_> {
    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    fn skip_space(&self, mut at: usize) -> usize {
        while self
            .byte(at)
            .is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
        {
            at += 1;
        }
        at
    }

    /// What begins at a byte that is no white space, and where it ends.
    fn token(&self, at: usize) -> Option<(Token, usize)> {
        let is_yaml = self.format == Format::Yaml;
        Some(match self.byte(at)? {
            sign @ (b'{' | b'}' | b'[' | b']' | b',') => (Token::Sign(sign), at + 1),
            b':' if self.is_colon(at) => (Token::Sign(b':'), at + 1),
            b'"' => (Token::Word { quoted: true }, self.quoted_end(at, b'"')),
            b'\'' if is_yaml => (Token::Word { quoted: true }, self.quoted_end(at, b'\'')),
            b'#' if is_yaml => (Token::Comment, self.line_end(at)),
            _ => (Token::Word { quoted: false }, self.plain_end(at)),
        })
    }

    fn is_colon(&self, at: usize) -> bool {
        let ends = |byte: u8| {
            matches!(
                byte,
                b' ' | b'\t' | b'\r' | b'\n' | b',' | b'[' | b']' | b'{' | b'}'
            )
        };
        self.byte(at) == Some(b':')
            && (self.format == Format::Json
                || self.quoted_end == Some(at)
                || self.byte(at + 1).is_none_or(ends))
    }

    fn line_end(&self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        rest.find('\n').map_or(self.text.len(), |end| at + end)
    }

    /// The byte behind a word in quotes; one that is not closed ends with its line.
    fn quoted_end(&self, start: usize, quote: u8) -> usize {
        let mut at = start + 1;
        while let Some(byte) = self.byte(at) {
            match byte {
                b'\'' if quote == b'\'' && self.byte(at + 1) == Some(b'\'') => at += 2,
                byte if byte == quote => return at + 1,
                b'\\' if quote == b'"' => at += 2,
                b'\n' => return at,
                _ => at += 1,
            }
        }
        self.text.len()
    }

    fn plain_end(&self, start: usize) -> usize {
        let mut end = start + 1;
        let mut at = end;
        while let Some(byte) = self.byte(at) {
            match byte {
                b',' | b'[' | b']' | b'{' | b'}' | b'\n' | b'\r' => break,
                b':' if self.is_colon(at) => break,
                b'"' if self.format == Format::Json => break,
                b' ' | b'\t' if self.format == Format::Json => break,
                b'#' if at > end => break,
                b' ' | b'\t' => at += 1,
                _ => {
                    at += 1;
                    end = at;
                }
            }
        }
        // Bytes were looked at; a character is not cut.
        while !self.text.is_char_boundary(end) {
            end += 1;
        }
        end
    }

    fn take(&mut self, token: Token, begin: usize, end: usize) {
        match token {
            Token::Comment => {}
            Token::Word { quoted } => {
                self.word = self.text.get(begin..end).map(scalar);
                self.quoted_end = quoted.then_some(end);
            }
            Token::Sign(b'{') => self.open.push(Open::Object {
                names: Vec::new(),
                values: Map::new(),
                member: None,
            }),
            Token::Sign(b'[') => self.open.push(Open::Array { index: 0 }),
            Token::Sign(b'}' | b']') => {
                self.keep();
                self.open.pop();
            }
            Token::Sign(b':') => {
                if let (Some(Open::Object { names, member, .. }), Some(name)) =
                    (self.open.last_mut(), self.word.take())
                {
                    let name = name
                        .as_str()
                        .map_or_else(|| name.to_string(), str::to_owned);
                    names.push(name.clone());
                    *member = Some(name);
                }
            }
            Token::Sign(_) => {
                self.keep();
                match self.open.last_mut() {
                    Some(Open::Object { member, .. }) => *member = None,
                    Some(Open::Array { index }) => *index += 1,
                    None => {}
                }
            }
        }
    }

    /// The word that was read last is the value of its member.
    fn keep(&mut self) {
        let word = self.word.take();
        if let (
            Some(Open::Object {
                values,
                member: Some(name),
                ..
            }),
            Some(value),
        ) = (self.open.last_mut(), word)
        {
            values.insert(name.clone(), value);
        }
    }

    fn pointer(&self, outer: &str) -> String {
        self.open
            .iter()
            .fold(outer.to_owned(), |pointer, part| match part {
                Open::Object { member, .. } => match member {
                    Some(name) => json::push(&pointer, name),
                    None => pointer,
                },
                Open::Array { index } => json::push(&pointer, &index.to_string()),
            })
    }

    fn context(mut self, written: Span, quoted: bool, from: usize, outer: &str) -> Option<Context> {
        let here = self.pointer(outer);
        let quoted = quoted || self.format == Format::Json;
        match self.open.last()? {
            Open::Object { member: None, .. } => {
                let own = self.text.get(written.start..written.end).map(scalar);
                let before = match self.open.last() {
                    Some(Open::Object { names, .. }) => names.len(),
                    _ => 0,
                };
                let (mut present, around) = self.rest_of_object(from);
                let later = present.get(before..).unwrap_or_default();
                let place = own.and_then(|own| later.iter().position(|name| own == name.as_str()));
                if let Some(place) = place {
                    present.remove(before + place);
                }
                Some(Context {
                    object: Some(here),
                    value: None,
                    written,
                    present,
                    around,
                    quoted,
                })
            }
            _ => Some(Context {
                object: None,
                value: Some(here),
                written,
                present: Vec::new(),
                around: Map::new(),
                quoted,
            }),
        }
    }

    /// The members of the innermost object, with those from `at` on.
    fn rest_of_object(&mut self, mut at: usize) -> (Vec<String>, Map<String, Value>) {
        let depth = self.open.len();
        let limit = at.saturating_add(MOST_BEHIND);
        while at < limit {
            let begin = self.skip_space(at);
            let Some((token, end)) = self.token(begin) else {
                break;
            };
            let closes = matches!(token, Token::Sign(b'}' | b']'));
            if closes && self.open.len() == depth {
                break;
            }
            self.take(token, begin, end);
            at = end;
        }
        self.open.truncate(depth);
        if self.open.len() == depth {
            self.keep();
        }
        match self.open.pop() {
            Some(Open::Object { names, values, .. }) => (names, values),
            _ => (Vec::new(), Map::new()),
        }
    }
}
