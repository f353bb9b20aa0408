//! Text to tokens.

use super::{Error, Flaw};

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// A name, keyword or literal word.
    Word(String),
    /// The digits of an integer literal.
    Integer(String),
    /// A double literal.
    Double(f64),
    /// A string literal, read.
    Text(String),
    /// A sign, such as `<=`.
    Sign(&'static str),
}

/// Longest first.
const SIGNS: [&str; 21] = [
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "+", "-", "*", "/", "%", "!", "|", ".", ",", "(",
    ")", "[", "]",
];

/// The tokens of a text, each with the byte at which it starts.
pub fn tokens(text: &str, flaw: Option<Flaw>) -> Result<Vec<(Token, usize)>, Error> {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n', '\r']);
        let Some(first) = rest.chars().next() else {
            return Ok(found);
        };
        let start = text.len() - rest.len();
        let refused = Err(Error::new("syntax", start));
        let token;
        if first.is_ascii_alphabetic() || first == '_' {
            let word;
            (word, rest) = split(rest, |c| c.is_ascii_alphanumeric() || c == '_');
            token = Token::Word(word.to_owned());
        } else if first.is_ascii_digit() {
            let Some((number, after)) = number(rest) else {
                return refused;
            };
            (token, rest) = (number, after);
        } else if first == '"' || first == '\'' {
            (token, rest) = string(rest, first, start, flaw)?;
        } else {
            let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) else {
                return refused;
            };
            token = Token::Sign(sign);
            rest = rest.strip_prefix(sign).unwrap_or_default();
        }
        found.push((token, start));
    }
}

/// What of the text has the property, and the rest.
fn split(text: &str, property: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !property(c)).unwrap_or(text.len());
    text.split_at(end)
}

/// A number literal and the rest; `None` if it is not one, or goes on with a letter, a digit or `_`.
fn number(text: &str) -> Option<(Token, &str)> {
    let digit = |c: char| c.is_ascii_digit();
    let (mut whole, mut rest) = split(text, digit);
    if whole.starts_with('0') && whole != "0" {
        return None;
    }
    let mut written = whole.to_owned();
    let mut double = false;
    if let Some(after) = rest.strip_prefix('.')
        && after.starts_with(digit)
    {
        (whole, rest) = split(after, digit);
        written = format!("{written}.{whole}");
        double = true;
    }
    if let Some(after) = rest.strip_prefix(['e', 'E']) {
        let unsigned = after.strip_prefix(['+', '-']).unwrap_or(after);
        let (sign, _) = after.split_at(after.len() - unsigned.len());
        (whole, rest) = split(unsigned, digit);
        if whole.is_empty() {
            return None;
        }
        written = format!("{written}e{sign}{whole}");
        double = true;
    }
    if rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
        return None;
    }
    if !double {
        return Some((Token::Integer(written), rest));
    }
    let value: f64 = written.parse().ok()?;
    value.is_finite().then_some((Token::Double(value), rest))
}

/// A string literal and the rest.
fn string(
    text: &str,
    quote: char,
    start: usize,
    flaw: Option<Flaw>,
) -> Result<(Token, &str), Error> {
    let mut value = String::new();
    let mut rest = text.strip_prefix(quote).unwrap_or_default();
    loop {
        let here = start + text.len() - rest.len();
        let refused = Error::new("syntax", here);
        let mut characters = rest.chars();
        let Some(character) = characters.next() else {
            // The string has no end; it is the string that is wrong.
            return Err(Error::new("syntax", start));
        };
        rest = characters.as_str();
        if character == quote {
            return Ok((Token::Text(value), rest));
        }
        if character < ' ' {
            return Err(refused);
        }
        if character != '\\' {
            value.push(character);
            continue;
        }
        let Some(escape) = characters.next() else {
            return Err(Error::new("syntax", start));
        };
        rest = characters.as_str();
        value.push(match escape {
            '\\' | '\'' | '"' | '/' => escape,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let (unit, after) = unit(rest).ok_or(refused)?;
                rest = after;
                match unit {
                    0xD800..=0xDBFF => {
                        let low = rest.strip_prefix("\\u").and_then(self::unit);
                        let (low, after) = low.ok_or(refused)?;
                        rest = after;
                        char::decode_utf16([unit, low])
                            .next()
                            .and_then(Result::ok)
                            .ok_or(refused)?
                    }
                    _ => char::from_u32(u32::from(unit)).ok_or(refused)?,
                }
            }
            _ if flaw == Some(Flaw::UnknownEscapeParses) => escape,
            _ => return Err(refused),
        });
    }
}

/// Four hexadecimal digits and the rest.
fn unit(text: &str) -> Option<(u16, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    // A sign would parse as well.
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    Some((u16::from_str_radix(digits, 16).ok()?, rest))
}
