//! Templates in a string.

use serde_json::Value;

use super::compact::bare;
use super::evaluate::run;
use super::parse::{Node, parse};
use super::{Error, Flaw, GROWTH_LIMIT, Roots};

/// A piece of the string.
enum Piece {
    Text(String),
    /// The expression, and where it starts in the string.
    Template(Node, usize),
    /// A template with nothing in it, only with [`Flaw::EmptyTemplateParses`].
    Nothing,
}

/// What a string becomes.
///
/// # Errors
/// The reason of section 6, and where in the string.
pub fn template(text: &str, roots: Roots<'_>, flaw: Option<Flaw>) -> Result<Value, Error> {
    let mut value = once(text, roots, flaw)?;
    if flaw == Some(Flaw::TemplateRescans) {
        // Three times at most, since the text may give itself.
        for _ in 0..3 {
            match &value {
                Value::String(made) if made != text && made.contains("{{") => {
                    value = once(made, roots, flaw)?;
                }
                _ => break,
            }
        }
    }
    Ok(value)
}

fn once(text: &str, roots: Roots<'_>, flaw: Option<Flaw>) -> Result<Value, Error> {
    let read = if flaw == Some(Flaw::SpaceAroundIsNoText) {
        text.trim()
    } else {
        text
    };
    // Everything is read before anything is evaluated.
    let pieces = pieces(read, flaw)?;
    if let [Piece::Template(node, start)] = pieces.as_slice() {
        let value = value(node, *start, roots, flaw)?;
        return Ok(if flaw == Some(Flaw::TemplateGivesText) {
            Value::String(bare(&value, flaw))
        } else {
            value
        });
    }
    let mut made = String::new();
    for piece in &pieces {
        let start = match piece {
            Piece::Text(text) => {
                made.push_str(text);
                0
            }
            Piece::Template(node, start) => {
                made.push_str(&inserted(node, *start, roots, flaw)?);
                *start
            }
            Piece::Nothing => 0,
        };
        if made.len() > GROWTH_LIMIT && flaw != Some(Flaw::NoGrowthLimit) {
            return Err(Error::new("limit", start));
        }
    }
    Ok(Value::String(made))
}

/// The text of a template within longer text.
fn inserted(
    node: &Node,
    start: usize,
    roots: Roots<'_>,
    flaw: Option<Flaw>,
) -> Result<String, Error> {
    let value = value(node, start, roots, flaw)?;
    Ok(match (&value, flaw) {
        (Value::Null, Some(Flaw::UndefinedTemplateIsEmpty)) => {
            // Undefined and null are not told apart any more; what is null is printed.
            match run(node, roots, flaw) {
                Ok(None) => String::new(),
                _ => bare(&value, flaw),
            }
        }
        (Value::Null, Some(Flaw::PythonSpellings)) => "None".to_owned(),
        (Value::Bool(true), Some(Flaw::PythonSpellings)) => "True".to_owned(),
        (Value::Bool(false), Some(Flaw::PythonSpellings)) => "False".to_owned(),
        _ => bare(&value, flaw),
    })
}

fn value(node: &Node, start: usize, roots: Roots<'_>, flaw: Option<Flaw>) -> Result<Value, Error> {
    let result = run(node, roots, flaw).map_err(|error| moved(error, start))?;
    match result {
        Some(value) => Ok(value),
        None if flaw == Some(Flaw::UndefinedTemplateIsEmpty) => Ok(Value::Null),
        None => Err(Error::new("undefined", start)),
    }
}

fn moved(error: Error, start: usize) -> Error {
    Error::new(error.reason, error.offset + start)
}

fn pieces(text: &str, flaw: Option<Flaw>) -> Result<Vec<Piece>, Error> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let start = text.len() - after.len();
        let Some((inside, remaining)) = inside(after, flaw) else {
            if flaw == Some(Flaw::UnclosedTemplateIsText) {
                break;
            }
            return Err(Error::new("syntax", start - 2));
        };
        let mut before = before;
        let mut inside = inside;
        let mut remaining = remaining;
        if flaw == Some(Flaw::MinusControlsSpace) {
            if let Some(stripped) = inside.strip_prefix('-') {
                inside = stripped;
                before = before.trim_end();
            }
            if let Some(stripped) = inside.strip_suffix('-') {
                inside = stripped;
                remaining = remaining.trim_start();
            }
        }
        if inside.starts_with('-') {
            return Err(Error::new("syntax", start));
        }
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_owned()));
        }
        if inside.trim().is_empty() && flaw == Some(Flaw::EmptyTemplateParses) {
            pieces.push(Piece::Nothing);
        } else {
            let node = parse(inside, flaw).map_err(|error| moved(error, start))?;
            pieces.push(Piece::Template(node, start));
        }
        rest = remaining;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Ok(pieces)
}

/// What stands before the `}}` that ends a template, and what after it.
fn inside(text: &str, flaw: Option<Flaw>) -> Option<(&str, &str)> {
    if flaw == Some(Flaw::BracesEndInString) {
        return text.split_once("}}");
    }
    let mut quote = None;
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match quote {
            None if character == '"' || character == '\'' => quote = Some(character),
            None if character == '}' => {
                let (inside, rest) = text.split_at_checked(at)?;
                if let Some(rest) = rest.strip_prefix("}}") {
                    return Some((inside, rest));
                }
            }
            None => {}
            Some(_) if character == '\\' => {
                characters.next();
            }
            Some(open) if character == open => quote = None,
            Some(_) => {}
        }
    }
    None
}
