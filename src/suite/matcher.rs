//! The eight matchers: what an observed value must be.
//!
//! Plain values are matchers too: a scalar is equal by JSON value, an object is an open subset, an array matches element by
//! element. The eight are objects with one `$` member: `$exact`, `$type`, `$absent`, `$pattern`, `$any_of`, `$has`, `$not`,
//! `$between`.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use regex::Regex;
use serde_json::{Map, Value};

use crate::json;

/// Longest regular expression, in bytes; its compiled size is bounded too.
const MOST_PATTERN: usize = 4096;
const MOST_COMPILED: usize = 1 << 20;
/// Most regular expressions that are kept compiled.
const MOST_KEPT: usize = 256;

/// One difference between what was expected and what was observed.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Where in the observed value, as a JSON Pointer.
    pub pointer: String,
    /// What was expected, in the language of matchers.
    pub expected: Value,
    /// What was there; [`absent`] when nothing was.
    pub got: Value,
    /// What is wrong, for people.
    pub message: String,
}

/// The outcome of one match.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// How many matchers were applied to a value.
    pub assertions: usize,
    /// Empty when everything matched.
    pub differences: Vec<Difference>,
}

/// How "nothing was there" is written in a report.
pub fn absent() -> Value {
    Value::Object(Map::from_iter([("$absent".to_owned(), Value::Bool(true))]))
}

/// A compiled expectation.
#[derive(Debug, Clone)]
pub enum Matcher {
    /// A scalar, equal by JSON value.
    Scalar(Value),
    /// Named members match; others are free.
    Open(Vec<(String, Matcher)>),
    /// As many elements, each matching.
    List(Vec<Matcher>),
    /// `$exact`.
    Exact(Value),
    /// `$type`.
    Type(Kind),
    /// `$absent`.
    Absent,
    /// `$pattern`.
    Pattern(Regex),
    /// `$any_of`, with the source for the report.
    AnyOf(Vec<Matcher>, Value),
    /// `$has`, with the source for the report.
    Has(Box<Matcher>, Value),
    /// `$not`, with the source for the report.
    Not(Box<Matcher>, Value),
    /// `$between`: the least and the greatest, and the source for the report.
    Between(f64, f64, Value),
}

/// What `$type` may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    String,
    /// A number without a fraction, `2.0` included.
    Integer,
    /// Any number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// An array.
    Array,
    /// An object.
    Object,
    /// `null`, which is present.
    Null,
    /// Anything that is present.
    Any,
}

/// Why an expectation cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatcherError {
    /// Where in the expectation, as a JSON Pointer.
    pub pointer: String,
    /// What to do about it.
    pub message: String,
}

impl std::fmt::Display for MatcherError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for MatcherError {}

/// Compiles `source` and matches `observed` (`None`: not there) in one go.
///
/// # Errors
/// When `source` is no matcher.
pub fn check(source: &Value, observed: Option<&Value>) -> Result<Outcome, MatcherError> {
    Ok(Matcher::compile(source)?.check(observed))
}

/// Equality by JSON value: `1` is `1.0`, the order of members is free.
pub fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => {
            if let (Some(a), Some(b)) = (a.as_i64(), b.as_i64()) {
                a == b
            } else if let (Some(a), Some(b)) = (a.as_u64(), b.as_u64()) {
                a == b
            } else {
                a.as_f64() == b.as_f64()
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        _ => one == other,
    }
}

impl Matcher {
    /// Compiles an expectation.
    ///
    /// # Errors
    /// When a `$` member is unknown, has a sibling, or holds the wrong thing.
    pub fn compile(source: &Value) -> Result<Self, MatcherError> {
        compile(source, "")
    }

    /// Applies the expectation to a value, or to `None` when there is none.
    pub fn check(&self, observed: Option<&Value>) -> Outcome {
        let mut outcome = Outcome::default();
        self.apply(observed, "", &mut outcome);
        outcome
    }

    /// Whether the value matches.
    pub fn matches(&self, observed: Option<&Value>) -> bool {
        self.check(observed).differences.is_empty()
    }

    fn apply(&self, observed: Option<&Value>, pointer: &str, outcome: &mut Outcome) {
        match (self, observed) {
            (Self::Open(members), Some(Value::Object(_))) if !members.is_empty() => {
                for (name, matcher) in members {
                    let member = observed.and_then(|value| value.get(name));
                    matcher.apply(member, &json::push(pointer, name), outcome);
                }
                return;
            }
            (Self::List(matchers), Some(Value::Array(elements)))
                if !matchers.is_empty() && matchers.len() == elements.len() =>
            {
                for (index, matcher) in matchers.iter().enumerate() {
                    let here = json::push(pointer, &index.to_string());
                    matcher.apply(elements.get(index), &here, outcome);
                }
                return;
            }
            _ => {}
        }
        outcome.assertions += 1;
        if let Err(message) = self.leaf(observed) {
            outcome.differences.push(Difference {
                pointer: pointer.to_owned(),
                expected: self.source(),
                got: observed.cloned().unwrap_or_else(absent),
                message,
            });
        }
    }

    /// What one application to one value says; collections that agree in kind and size are taken apart before.
    fn leaf(&self, observed: Option<&Value>) -> Result<(), String> {
        let Some(value) = observed else {
            return match self {
                Self::Absent => Ok(()),
                Self::AnyOf(choices, _) if choices.iter().any(|choice| choice.matches(None)) => {
                    Ok(())
                }
                Self::Not(inner, _) if matches!(**inner, Self::Absent) => {
                    Err("must be there".to_owned())
                }
                // "Not five" says nothing about a value that nobody sent.
                _ => Err("is not there".to_owned()),
            };
        };
        match self {
            Self::Scalar(expected) => verdict(same(expected, value), "is another value"),
            Self::Exact(expected) => verdict(same(expected, value), "is not exactly this"),
            Self::Absent => Err("must not be there".to_owned()),
            Self::Type(kind) => verdict(kind.holds(value), "is of another type"),
            Self::Open(_) => verdict(value.is_object(), "is no object"),
            Self::List(matchers) => match value {
                Value::Array(elements) if elements.len() == matchers.len() => Ok(()),
                Value::Array(elements) => Err(format!(
                    "has {} elements, not {}",
                    elements.len(),
                    matchers.len()
                )),
                _ => Err("is no array".to_owned()),
            },
            Self::Pattern(regex) => match value {
                Value::String(text) => verdict(regex.is_match(text), "does not match the pattern"),
                Value::Number(number) => verdict(
                    regex.is_match(&number.to_string()),
                    "does not match the pattern",
                ),
                _ => Err("is neither text nor a number".to_owned()),
            },
            Self::AnyOf(choices, _) => verdict(
                choices.iter().any(|choice| choice.matches(Some(value))),
                "matches none of the choices",
            ),
            Self::Has(inner, _) => match (value, inner.as_ref()) {
                (Value::Array(elements), _) => verdict(
                    elements.iter().any(|element| inner.matches(Some(element))),
                    "has no such element",
                ),
                (Value::String(text), Self::Scalar(Value::String(part))) => {
                    verdict(text.contains(part.as_str()), "does not contain the text")
                }
                (Value::String(_), _) => {
                    verdict(inner.matches(Some(value)), "does not contain such text")
                }
                _ => Err("is neither an array nor text".to_owned()),
            },
            Self::Not(inner, _) => verdict(!inner.matches(Some(value)), "matches, and must not"),
            Self::Between(least, greatest, _) => match value.as_f64() {
                Some(number) => verdict(
                    (*least..=*greatest).contains(&number),
                    "is not between the two",
                ),
                None => Err("is no number".to_owned()),
            },
        }
    }

    /// The expectation as it was written, for the report.
    fn source(&self) -> Value {
        let one =
            |name: &str, value: Value| Value::Object(Map::from_iter([(name.to_owned(), value)]));
        match self {
            Self::Scalar(value) => value.clone(),
            Self::Open(members) => Value::Object(
                members
                    .iter()
                    .map(|(name, matcher)| (name.clone(), matcher.source()))
                    .collect(),
            ),
            Self::List(matchers) => matchers.iter().map(Self::source).collect(),
            Self::Exact(value) => one("$exact", value.clone()),
            Self::Type(kind) => one("$type", kind.name().into()),
            Self::Absent => absent(),
            Self::Pattern(regex) => one("$pattern", regex.as_str().into()),
            Self::AnyOf(_, source) => one("$any_of", source.clone()),
            Self::Has(_, source) => one("$has", source.clone()),
            Self::Not(_, source) => one("$not", source.clone()),
            Self::Between(_, _, source) => one("$between", source.clone()),
        }
    }
}

impl Kind {
    const ALL: [Kind; 8] = [
        Self::String,
        Self::Integer,
        Self::Number,
        Self::Boolean,
        Self::Array,
        Self::Object,
        Self::Null,
        Self::Any,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Array => "array",
            Self::Object => "object",
            Self::Null => "null",
            Self::Any => "any",
        }
    }

    fn holds(self, value: &Value) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::Integer => match value {
                // An integer that no float is equal to becomes another integer.
                Value::Number(number) => number.as_f64().is_some_and(|float| float.fract() == 0.0),
                _ => false,
            },
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::Array => value.is_array(),
            Self::Object => value.is_object(),
            Self::Null => value.is_null(),
            Self::Any => true,
        }
    }
}

fn verdict(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds {
        Ok(())
    } else {
        Err(otherwise.to_owned())
    }
}

fn compile(source: &Value, pointer: &str) -> Result<Matcher, MatcherError> {
    match source {
        Value::Object(members) => match members.keys().find(|name| is_operator(name)) {
            Some(name) if members.len() > 1 => Err(refuse(
                pointer,
                format!("'{name}' must stand alone in its object"),
            )),
            Some(name) => operator(name, &members[name], &json::push(pointer, name)),
            None => members
                .iter()
                .map(|(name, member)| {
                    Ok((name.clone(), compile(member, &json::push(pointer, name))?))
                })
                .collect::<Result<_, _>>()
                .map(Matcher::Open),
        },
        Value::Array(elements) => list(elements, pointer).map(Matcher::List),
        scalar => Ok(Matcher::Scalar(scalar.clone())),
    }
}

/// `${name}` and `$${name}` are plain names, to be replaced.
fn is_operator(name: &str) -> bool {
    name.strip_prefix('$')
        .is_some_and(|rest| !rest.starts_with(['{', '$']))
}

fn list(elements: &[Value], pointer: &str) -> Result<Vec<Matcher>, MatcherError> {
    elements
        .iter()
        .enumerate()
        .map(|(index, element)| compile(element, &json::push(pointer, &index.to_string())))
        .collect()
}

fn operator(name: &str, operand: &Value, pointer: &str) -> Result<Matcher, MatcherError> {
    match (name, operand) {
        ("$exact", value) => Ok(Matcher::Exact(value.clone())),
        ("$absent", Value::Bool(true)) => Ok(Matcher::Absent),
        ("$absent", _) => Err(refuse(pointer, "$absent takes true")),
        ("$type", Value::String(named)) => Kind::ALL
            .into_iter()
            .find(|kind| kind.name() == named)
            .map(Matcher::Type)
            .ok_or_else(|| {
                let names: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
                refuse(pointer, format!("$type takes one of {}", names.join(", ")))
            }),
        ("$type", _) => Err(refuse(pointer, "$type takes the name of a type")),
        ("$pattern", Value::String(text)) if text.len() <= MOST_PATTERN => {
            pattern(text)
                .map(Matcher::Pattern)
                .map_err(|_| refuse(pointer, "$pattern is no regular expression of the crate regex, which has no lookaround; mend it"))
        }
        ("$pattern", _) => Err(refuse(
            pointer,
            format!("$pattern takes a regular expression of at most {MOST_PATTERN} bytes"),
        )),
        ("$any_of", Value::Array(choices)) if !choices.is_empty() => {
            Ok(Matcher::AnyOf(list(choices, pointer)?, operand.clone()))
        }
        ("$any_of", _) => Err(refuse(pointer, "$any_of takes a list of at least one matcher")),
        ("$has", _) => Ok(Matcher::Has(
            Box::new(compile(operand, pointer)?),
            operand.clone(),
        )),
        ("$not", _) => Ok(Matcher::Not(
            Box::new(compile(operand, pointer)?),
            operand.clone(),
        )),
        ("$between", Value::Array(ends)) => match ends.as_slice() {
            [Value::Number(least), Value::Number(greatest)] => Ok(Matcher::Between(
                least.as_f64().unwrap_or(f64::NAN),
                greatest.as_f64().unwrap_or(f64::NAN),
                operand.clone(),
            )),
            _ => Err(refuse(pointer, "$between takes two numbers")),
        },
        ("$between", _) => Err(refuse(pointer, "$between takes two numbers")),
        _ => Err(refuse(
            pointer,
            format!(
                "'{name}' is no matcher; use $exact, $type, $absent, $pattern, $any_of, $has, $not or $between, \
                 or put a literal member under $exact"
            ),
        )),
    }
}

/// The regular expression of a text. The first ones are kept: compiling takes longer than matching, and the same few stand in
/// most cases.
fn pattern(text: &str) -> Result<Regex, regex::Error> {
    static KEPT: RwLock<Option<HashMap<String, Regex>>> = RwLock::new(None);
    let kept = KEPT.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(made) = kept.as_ref().and_then(|kept| kept.get(text)) {
        return Ok(made.clone());
    }
    drop(kept);
    let made = regex::RegexBuilder::new(text)
        .size_limit(MOST_COMPILED)
        .build()?;
    let mut kept = KEPT.write().unwrap_or_else(PoisonError::into_inner);
    let kept = kept.get_or_insert_default();
    if kept.len() < MOST_KEPT {
        kept.insert(text.to_owned(), made.clone());
    }
    Ok(made)
}

fn refuse(pointer: &str, message: impl Into<String>) -> MatcherError {
    MatcherError {
        pointer: pointer.to_owned(),
        message: message.into(),
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
