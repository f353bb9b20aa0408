//! Text to tokens, on demand, longest first.

use super::error::Error;

/// One token of an expression; [`Token::End`] behind the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token<'t> {
    /// Letters, digits and `_`, not beginning with a digit.
    Word(&'t str),
    /// Digits without leading zero, of any length.
    Integer(&'t str),
    /// Digits with a fraction, an exponent or both.
    Double(&'t str),
    /// What a string literal stands for.
    Text(String),
    /// An operator or a bracket.
    Symbol(&'static str),
    End,
}

/// Longer ones first.
const SYMBOLS: [&str; 21] = [
    "||", "&&", "==", "!=", "<=", ">=", "<", ">", "!", "|", "+", "-", "*", "/", "%", "(", ")", "[",
    "]", ",", ".",
];

#[derive(Debug, Clone)]
pub(super) struct Lexer<'t> {
    text: &'t str,
    position: usize,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, position: 0 }
    }

    /// The next token and the byte at which it begins.
    pub(super) fn next(&mut self) -> Result<(usize, Token<'t>), Error> {
        let blank = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r');
        self.position = self.text.len() - self.rest().trim_start_matches(blank).len();
        let at = self.position;
        let token = match self.rest().chars().next() {
            None => Token::End,
            Some('\'') => Token::Text(self.string('\'')?),
            Some('"') => Token::Text(self.string('"')?),
            Some(c) if c.is_ascii_digit() => self.number()?,
            Some(c) if is_word(c) => Token::Word(self.take(is_word)),
            Some(c) => self.symbol(c)?,
        };
        Ok((at, token))
    }

    fn rest(&self) -> &'t str {
        // The position is always between two characters.
        self.text.get(self.position..).unwrap_or_default()
    }

    /// Moves over the characters that `wanted` accepts.
    fn take(&mut self, wanted: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let length = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.position += length;
        rest.get(..length).unwrap_or_default()
    }

    fn symbol(&mut self, first: char) -> Result<Token<'t>, Error> {
        let rest = self.rest();
        if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            self.position += symbol.len();
            return Ok(Token::Symbol(symbol));
        }
        let message = match first {
            '=' => "there is no assignment; compare with `==`".to_owned(),
            '&' => "write `and` or `&&`".to_owned(),
            '{' | '}' => "braces are no part of an expression; take them away".to_owned(),
            _ => format!("the character {first:?} is no part of an expression; take it away"),
        };
        Err(Error::syntax(self.position, message))
    }

    fn number(&mut self) -> Result<Token<'t>, Error> {
        let start = self.position;
        if self.rest().starts_with('0') {
            self.position += 1;
        } else {
            self.take(|c| c.is_ascii_digit());
        }
        let fraction = self.fraction();
        let exponent = self.exponent();
        if self.rest().starts_with(is_word) {
            return Err(Error::syntax(
                self.position,
                "a number ends where it cannot go on; write numbers as JSON does, and a space before a word",
            ));
        }
        let text = self.text.get(start..self.position).unwrap_or_default();
        Ok(if fraction || exponent {
            Token::Double(text)
        } else {
            Token::Integer(text)
        })
    }

    /// A dot that no digit follows belongs to a path.
    fn fraction(&mut self) -> bool {
        let rest = self.rest();
        let found = rest.strip_prefix('.').is_some_and(begins_with_digit);
        if found {
            self.position += 1;
            self.take(|c| c.is_ascii_digit());
        }
        found
    }

    fn exponent(&mut self) -> bool {
        let rest = self.rest();
        let Some(after) = rest.strip_prefix(['e', 'E']) else {
            return false;
        };
        let digits = after.strip_prefix(['+', '-']).unwrap_or(after);
        let found = begins_with_digit(digits);
        if found {
            self.position += rest.len() - digits.len();
            self.take(|c| c.is_ascii_digit());
        }
        found
    }

    fn string(&mut self, quote: char) -> Result<String, Error> {
        let start = self.position;
        self.position += quote.len_utf8();
        let mut text = String::new();
        loop {
            text.push_str(self.take(|c| c != quote && c != '\\' && c >= ' '));
            let at = self.position;
            let mut rest = self.rest().chars();
            match rest.next() {
                Some('\\') => text.push(self.escape(rest.next())?),
                Some(c) if c == quote => {
                    self.position += quote.len_utf8();
                    return Ok(text);
                }
                Some(_) => {
                    return Err(Error::syntax(
                        at,
                        "a string holds no raw control character; write it as an escape such as `\\n`",
                    ));
                }
                None => {
                    return Err(Error::syntax(
                        start,
                        "the string is not closed; end it with the quote that begins it",
                    ));
                }
            }
        }
    }

    /// Reads one escape, of which `letter` is the character behind the backslash.
    fn escape(&mut self, letter: Option<char>) -> Result<char, Error> {
        let at = self.position;
        let c = match letter {
            Some(c @ ('\\' | '\'' | '"' | '/')) => c,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => return self.unicode(at),
            _ => {
                return Err(Error::syntax(
                    at,
                    "unknown escape; use one of \\\\ \\' \\\" \\/ \\b \\f \\n \\r \\t \\uXXXX",
                ));
            }
        };
        self.position += 2;
        Ok(c)
    }

    fn unicode(&mut self, at: usize) -> Result<char, Error> {
        let lone = || {
            Error::syntax(
                at,
                "half a surrogate pair stands for nothing; write both halves as \\uXXXX\\uXXXX",
            )
        };
        let first = self.unit(at)?;
        match first {
            0xd800..0xdc00 => {
                if !self.rest().starts_with("\\u") {
                    return Err(lone());
                }
                let second = self.unit(at)?;
                if !(0xdc00..0xe000).contains(&second) {
                    return Err(lone());
                }
                let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                char::from_u32(code).ok_or_else(lone)
            }
            _ => char::from_u32(first).ok_or_else(lone),
        }
    }

    /// One `\uXXXX` at the position.
    fn unit(&mut self, at: usize) -> Result<u32, Error> {
        let digits = self.rest().get(2..6);
        let code = digits
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .ok_or_else(|| Error::syntax(at, "write four hexadecimal digits after `\\u`"))?;
        self.position += 6;
        Ok(code)
    }
}

fn begins_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Whether `.name` may be written of this name.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && !begins_with_digit(text) && text.chars().all(is_word)
}
