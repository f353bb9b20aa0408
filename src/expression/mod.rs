//! Expressions and templates (`spec/expressions.md`, `spec/expressions.ebnf`): the small language of conditionals and inputs.
//!
//! Text becomes tokens, a tree and a value; the value borrows the state for as long as it can, so that
//! looking at one member of a large state costs what it costs in a small one. Nothing here reads a clock, an environment
//! or a file (EXP-029), and every bound is in `limits`.

mod advice;
mod arithmetic;
mod compact;
mod error;
mod evaluate;
mod filters;
mod lexer;
mod limits;
mod parser;
mod survey;
mod template;
#[cfg(test)]
mod tests;
mod tree;
mod value;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

pub use error::{Error, Reason};
pub use limits::{LEVELS, MADE, STEPS, TEXT};
pub use survey::{Branch, Filtering, Form, Operand, Step};
pub use template::{Located, Template, Templates};

use limits::Meter;
use tree::{Node, Root};
use value::View;

/// A parsed expression; cheap to clone. Equal to another one with the same tree, however it is written.
#[derive(Clone)]
pub struct Expression(Arc<Parsed>);

struct Parsed {
    text: String,
    root: Node,
}

impl Expression {
    /// Parses a text that is one expression and nothing else (EXP-001).
    ///
    /// # Errors
    /// [`Reason::Syntax`] when the grammar does not derive the text, [`Reason::Limit`] beyond [`TEXT`] bytes or
    /// [`LEVELS`] levels (EXP-027).
    pub fn parse(text: &str) -> Result<Self, Error> {
        Ok(Self(Arc::new(Parsed {
            root: parser::parse(text)?,
            text: text.to_owned(),
        })))
    }

    /// The text as it was written; the [`Display`](fmt::Display) form is the canonical one.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The value over these roots. It is borrowed from them, or from the expression, unless it had to be made.
    ///
    /// # Errors
    /// Every reason but [`Reason::Syntax`]; an error is never to be taken as false (EXP-030).
    pub fn evaluate<'a>(&'a self, roots: &Roots<'a>) -> Result<Outcome<'a>, Error> {
        self.evaluate_within(roots, &mut Meter::new())
    }

    fn evaluate_within<'a>(
        &'a self,
        roots: &Roots<'a>,
        meter: &mut Meter,
    ) -> Result<Outcome<'a>, Error> {
        evaluate::evaluate(&self.0.root, roots, meter)
    }

    /// The byte at which the expression itself begins, behind white space.
    fn begin(&self) -> usize {
        self.0.root.at.0
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.0.root == other.0.root
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.text()).finish()
    }
}

/// The canonical text: parsed again it gives the same tree, as long as it keeps within [`TEXT`] bytes.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.root.fmt(f)
    }
}

/// What an expression may read; a root that is none is undefined (EXP-008).
#[derive(Debug, Clone, Copy, Default)]
pub struct Roots<'a> {
    /// The state of a workflow.
    pub state: Option<&'a Value>,
    /// The observation of a session.
    pub observation: Option<&'a Value>,
    /// The input as it was given, before templates; in a session the plan's `args`.
    pub input: Option<&'a Value>,
}

impl<'a> Roots<'a> {
    fn get(&self, root: Root) -> Option<&'a Value> {
        match root {
            Root::State => self.state,
            Root::Observation => self.observation,
            Root::Input => self.input,
        }
    }
}

/// What an evaluation found.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome<'a> {
    /// The value; none is undefined.
    pub value: Option<Cow<'a, Value>>,
    /// The paths that were read and are undefined: in the order of reading, each once, in canonical form.
    pub undefined: Vec<String>,
}

impl Outcome<'_> {
    /// Whether the value counts as true (EXP-012).
    pub fn is_true(&self) -> bool {
        is_true(self.value.as_deref())
    }
}

/// Whether a value counts as true; none is undefined (EXP-012).
pub fn is_true(value: Option<&Value>) -> bool {
    value.is_some_and(|value| View::of(value).is_true())
}
