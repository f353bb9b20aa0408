//! `{{ expression }}` in strings, and in the strings of a whole value (`spec/expressions.md`, section 7).

use std::collections::HashMap;
use std::fmt;

use serde_json::{Map, Value};

use super::compact::{self, TOO_LARGE};
use super::error::{Error, Fault, Reason};
use super::limits::{self, Allowance, Meter, TOO_DEEP, VALUE_LEVELS};
use super::value::View;
use super::{Expression, Outcome, Roots};
use crate::json;

/// A parsed string that may hold templates.
///
/// Equal to another one with the same texts and the same expressions between them, however these are written.
#[derive(Debug, Clone, PartialEq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone)]
enum Piece {
    /// Never empty.
    Text(String),
    /// What stands between the braces, and where in the string it starts.
    Expression(usize, Expression),
}

impl PartialEq for Piece {
    /// Where an expression starts depends on how those before it are written.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(one), Self::Text(other)) => one == other,
            (Self::Expression(_, one), Self::Expression(_, other)) => one == other,
            _ => false,
        }
    }
}

impl Template {
    /// Parses a string: what is outside `{{` and `}}` is text.
    ///
    /// # Errors
    /// As [`Expression::parse`]; and [`Reason::Syntax`] for a `{{` without its end, an empty template and `{{-`
    /// (EXP-037, EXP-040).
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            let start = text.len() - after.len();
            let (inner, behind) = split_at_end(after).map_err(|error| error.within(start))?;
            let expression = Expression::parse(inner).map_err(|error| error.within(start))?;
            pieces.push(Piece::Expression(start, expression));
            rest = behind;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Self(pieces))
    }

    /// Whether the string holds no template and stands for itself.
    pub fn is_literal(&self) -> bool {
        !self
            .0
            .iter()
            .any(|piece| matches!(piece, Piece::Expression(..)))
    }

    /// The expressions in it, each with the byte of the string at which its text starts, right behind its `{{`.
    pub fn expressions(&self) -> impl Iterator<Item = (usize, &Expression)> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Expression(start, expression) => Some((*start, expression)),
        })
    }

    /// The value: of a string that is exactly one template the expression's, with its type; else text
    /// (EXP-033, EXP-034). At most [`MADE`](super::MADE) bytes as compact JSON.
    ///
    /// # Errors
    /// As [`Expression::evaluate`]; [`Reason::Undefined`] when a template has no value (EXP-035), [`Reason::Limit`]
    /// when the result is too large.
    pub fn resolve(&self, roots: &Roots<'_>) -> Result<Value, Error> {
        let mut budget = Budget::new();
        self.resolve_within(roots, &mut budget)
    }

    /// The same for text such as prompts: also a single template becomes text, a string as it is, other values as
    /// compact JSON.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub fn resolve_text(&self, roots: &Roots<'_>) -> Result<String, Error> {
        self.text(roots, &mut Budget::new())
    }

    fn resolve_within(&self, roots: &Roots<'_>, budget: &mut Budget) -> Result<Value, Error> {
        if let [Piece::Expression(start, expression)] = self.0.as_slice() {
            let outcome = evaluate(expression, *start, roots, budget)?;
            // Measured before it is copied.
            return match outcome.value {
                Some(value) => budget
                    .take_value(&value)
                    .map(|()| value.into_owned())
                    .map_err(|fault| fault.at(expression.begin()).within(*start)),
                None => Err(undefined(expression, *start)),
            };
        }
        let text = self.text(roots, budget)?;
        budget.take_string(&text).map_err(|fault| fault.at(0))?;
        Ok(Value::String(text))
    }

    fn text(&self, roots: &Roots<'_>, budget: &mut Budget) -> Result<String, Error> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(literal) => {
                    push(&mut text, literal, budget).map_err(|fault| fault.at(0))?;
                }
                Piece::Expression(start, expression) => {
                    let outcome = evaluate(expression, *start, roots, budget)?;
                    match outcome.value.as_deref() {
                        None => return Err(undefined(expression, *start)),
                        Some(Value::String(value)) => push(&mut text, value, budget),
                        Some(value) => {
                            compact::append(&mut text, budget.bytes, View::of(value), None)
                        }
                    }
                    .map_err(|fault| fault.at(expression.begin()).within(*start))?;
                }
            }
        }
        Ok(text)
    }
}

fn push(text: &mut String, piece: &str, budget: &Budget) -> Result<(), Fault> {
    if text.len() + piece.len() > budget.bytes {
        return Err(TOO_LARGE);
    }
    text.push_str(piece);
    Ok(())
}

fn evaluate<'a>(
    expression: &'a Expression,
    start: usize,
    roots: &Roots<'a>,
    budget: &mut Budget,
) -> Result<Outcome<'a>, Error> {
    let mut meter = Meter::new();
    expression
        .evaluate_within(roots, &mut meter)
        .and_then(|outcome| {
            budget
                .allowance
                .charge(&meter)
                .map_err(|fault| fault.at(expression.begin()))?;
            Ok(outcome)
        })
        .map_err(|error| error.within(start))
}

fn undefined(expression: &Expression, start: usize) -> Error {
    Error::new(
        Reason::Undefined,
        expression.begin(),
        "the template has no value; check the names, or give one with `default`",
    )
    .within(start)
}

/// Splits what follows `{{` at its `}}`; one inside a string literal is none (EXP-036).
fn split_at_end(text: &str) -> Result<(&str, &str), Error> {
    if text.starts_with('-') {
        return Err(Error::syntax(
            0,
            "`{{-` is refused, since Jinja reads it as white-space control; write a space before the minus",
        ));
    }
    let mut quote = None;
    let mut escaped = false;
    for (index, c) in text.char_indices() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '}') => {
                let (inner, rest) = text.split_at(index);
                if let Some(behind) = rest.strip_prefix("}}") {
                    return Ok((inner, behind));
                }
            }
            _ => {}
        }
    }
    Err(Error::syntax(
        0,
        "the template is not closed; end it with `}}`, and write literal braces as {{ '{{' }}",
    ))
}

/// The templates in all strings of a JSON value.
#[derive(Debug, Clone, PartialEq)]
pub struct Templates(Shape);

/// Where in a value templates are.
#[derive(Debug, Clone, PartialEq)]
enum Shape {
    /// Nowhere.
    Plain,
    String(Template),
    Array(Vec<Shape>),
    /// The members that hold some.
    Object(HashMap<String, Shape>),
}

/// An [`Error`] in one string of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// JSON pointer to the string.
    pub pointer: String,
    /// What is wrong there.
    pub error: Error,
}

impl Located {
    fn at(error: Error) -> Self {
        Self {
            pointer: String::new(),
            error,
        }
    }

    /// The same error, seen from one level further up.
    fn below(mut self, token: &str) -> Self {
        self.pointer.insert_str(0, &json::push("", token));
        self
    }
}

impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.pointer, self.error)
    }
}

impl std::error::Error for Located {}

impl Templates {
    /// Parses every string of a value, in the order of members and elements; member names are no templates.
    ///
    /// # Errors
    /// The first string that does not parse.
    pub fn parse(value: &Value) -> Result<Self, Located> {
        shape(value, 0).map(Self)
    }

    /// Whether the value holds no template and stands for itself.
    pub fn is_literal(&self) -> bool {
        self.0 == Shape::Plain
    }

    /// Resolves the value that was parsed; at most [`MADE`](super::MADE) bytes as compact JSON.
    ///
    /// Strings of another value are taken as they are where the parsed one had no template.
    ///
    /// # Errors
    /// The first string with an error, in the order of members and elements; see [`Template::resolve`].
    pub fn resolve(&self, value: &Value, roots: &Roots<'_>) -> Result<Value, Located> {
        resolve(&self.0, value, roots, &mut Budget::new())
    }
}

fn shape(value: &Value, level: usize) -> Result<Shape, Located> {
    if level > VALUE_LEVELS {
        return Err(Located::at(TOO_DEEP.at(0)));
    }
    match value {
        Value::String(text) => {
            let template = Template::parse(text).map_err(Located::at)?;
            Ok(if template.is_literal() {
                Shape::Plain
            } else {
                Shape::String(template)
            })
        }
        Value::Array(elements) => {
            let mut shapes = Vec::with_capacity(elements.len());
            for (index, element) in elements.iter().enumerate() {
                shapes.push(
                    shape(element, level + 1).map_err(|error| error.below(&index.to_string()))?,
                );
            }
            Ok(if shapes.iter().all(|shape| *shape == Shape::Plain) {
                Shape::Plain
            } else {
                Shape::Array(shapes)
            })
        }
        Value::Object(members) => {
            let mut shapes = HashMap::new();
            for (name, member) in members {
                let shape = shape(member, level + 1).map_err(|error| error.below(name))?;
                if shape != Shape::Plain {
                    shapes.insert(name.clone(), shape);
                }
            }
            Ok(if shapes.is_empty() {
                Shape::Plain
            } else {
                Shape::Object(shapes)
            })
        }
        _ => Ok(Shape::Plain),
    }
}

/// Recursion ends where the parsed value ends, [`VALUE_LEVELS`] at most.
fn resolve(
    shape: &Shape,
    value: &Value,
    roots: &Roots<'_>,
    budget: &mut Budget,
) -> Result<Value, Located> {
    let here = |fault: Fault| Located::at(fault.at(0));
    match (shape, value) {
        (Shape::String(template), Value::String(_)) => {
            template.resolve_within(roots, budget).map_err(Located::at)
        }
        (Shape::Array(shapes), Value::Array(elements)) => {
            budget
                .take(2 + elements.len().saturating_sub(1))
                .map_err(here)?;
            let mut resolved = Vec::with_capacity(elements.len());
            for (index, element) in elements.iter().enumerate() {
                let shape = shapes.get(index).unwrap_or(&Shape::Plain);
                resolved.push(
                    resolve(shape, element, roots, budget)
                        .map_err(|error| error.below(&index.to_string()))?,
                );
            }
            Ok(Value::Array(resolved))
        }
        (Shape::Object(shapes), Value::Object(members)) => {
            budget
                .take(2 + members.len().saturating_sub(1))
                .map_err(here)?;
            let mut resolved = Map::new();
            for (name, member) in members {
                budget.take_string(name).map_err(here)?;
                budget.take(1).map_err(here)?;
                let shape = shapes.get(name).unwrap_or(&Shape::Plain);
                let member =
                    resolve(shape, member, roots, budget).map_err(|error| error.below(name))?;
                resolved.insert(name.clone(), member);
            }
            Ok(Value::Object(resolved))
        }
        _ => {
            budget.take_value(value).map_err(here)?;
            Ok(value.clone())
        }
    }
}

/// What a resolved value may still hold, and its templates may still do.
struct Budget {
    bytes: usize,
    allowance: Allowance,
}

impl Budget {
    fn new() -> Self {
        Self {
            bytes: limits::MADE,
            allowance: Allowance::new(),
        }
    }

    fn take(&mut self, bytes: usize) -> Result<(), Fault> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or(TOO_LARGE)?;
        Ok(())
    }

    fn take_value(&mut self, value: &Value) -> Result<(), Fault> {
        let size = compact::size(View::of(value), self.bytes)?;
        self.take(size)
    }

    fn take_string(&mut self, text: &str) -> Result<(), Fault> {
        let size = compact::size_of_string(text, self.bytes)?;
        self.take(size)
    }
}
