//! Why an expression or a template has no value.

use std::fmt;

/// The kind of an [`Error`], as `details.reason` names it (EXP-031).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The text is not derived from the grammar.
    Syntax,
    /// An operation needs a value that is not there.
    Undefined,
    /// A value is of a kind that the operation does not take.
    Type,
    /// A number is outside 64 bits, or not finite.
    Overflow,
    /// A division or remainder by zero.
    ZeroDivision,
    /// A text, a nesting or an evaluation beyond its bound.
    Limit,
}

impl Reason {
    /// The name on the wire. Contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Syntax => "syntax",
            Reason::Undefined => "undefined",
            Reason::Type => "type",
            Reason::Overflow => "overflow",
            Reason::ZeroDivision => "zero_division",
            Reason::Limit => "limit",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why an expression does not parse or has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What is wrong, for programs.
    pub reason: Reason,
    /// Where, in bytes from the start of the expression; of a template, from behind its `{{` (EXP-032).
    pub offset: usize,
    /// Where the expression starts, in bytes of the string that holds it: 0 but for templates.
    pub start: usize,
    /// What is wrong and what to do, for people; never quotes a value.
    pub message: String,
}

impl Error {
    pub(super) fn new(reason: Reason, offset: usize, message: impl Into<String>) -> Self {
        Self {
            reason,
            offset,
            start: 0,
            message: message.into(),
        }
    }

    pub(super) fn syntax(offset: usize, message: impl Into<String>) -> Self {
        Self::new(Reason::Syntax, offset, message)
    }

    /// The same error of an expression that starts at `start` of a longer string.
    pub(super) fn within(mut self, start: usize) -> Self {
        self.start = start;
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} at byte {}: {}",
            self.reason, self.offset, self.message
        )
    }
}

impl std::error::Error for Error {}

/// An [`Error`] of evaluation whose place the caller knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    pub reason: Reason,
    pub message: &'static str,
}

impl Fault {
    pub(super) const fn new(reason: Reason, message: &'static str) -> Self {
        Self { reason, message }
    }

    pub(super) fn at(self, offset: usize) -> Error {
        Error::new(self.reason, offset, self.message)
    }
}
