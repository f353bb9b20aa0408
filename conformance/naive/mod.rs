//! A second evaluator of `spec/expressions.md`, written from the prose and the grammar alone, as plainly as possible: one function for each rule,
//! values copied wherever it is easier. It is held against the real one (`expression`) and against the vectors in `fixtures/expressions/`;
//! with a `Flaw` it is wrong in one known way, for targets that are broken on purpose.
//!
//! It shares no code with `expression`, and never should: two programs that agree are worth something only while they are two.

use serde_json::Value;

mod calculate;
mod compact;
mod compare;
mod evaluate;
mod filter;
mod flaw;
mod lex;
mod parse;
mod template;

pub use flaw::Flaw;
pub use template::template;

/// Bytes that one expression may have.
const TEXT_LIMIT: usize = 4096;
/// Levels that parentheses, brackets, prefix operators and filter arguments may nest.
const NESTING_LIMIT: usize = 64;
/// Steps of one evaluation.
const STEP_LIMIT: usize = 10_000;
/// Bytes of text that `+`, `join`, `tojson` and a template may make.
const GROWTH_LIMIT: usize = 1 << 20;

/// What an expression can read. A root that is `None` is undefined.
#[derive(Clone, Copy, Debug, Default)]
pub struct Roots<'a> {
    /// `state`, in a workflow.
    pub state: Option<&'a Value>,
    /// `observation`, in a session.
    pub observation: Option<&'a Value>,
    /// `input`, as it was given.
    pub input: Option<&'a Value>,
}

/// Why there is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// One of `syntax`, `undefined`, `type`, `overflow`, `zero_division`, `limit`.
    pub reason: &'static str,
    /// Bytes from the start of the expression; in a template from the start of the string.
    pub offset: usize,
}

impl Error {
    fn new(reason: &'static str, offset: usize) -> Error {
        Error { reason, offset }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} at byte {}", self.reason, self.offset)
    }
}

impl std::error::Error for Error {}

/// The value of an expression, `None` for undefined.
///
/// # Errors
/// The reason of section 6, and where.
pub fn evaluate(text: &str, roots: Roots<'_>, flaw: Option<Flaw>) -> Result<Option<Value>, Error> {
    let node = parse::parse(text, flaw)?;
    evaluate::run(&node, roots, flaw)
}

/// Whether the text is an expression, without evaluating it.
///
/// # Errors
/// Reason `syntax` or `limit`, and where.
pub fn check(text: &str, flaw: Option<Flaw>) -> Result<(), Error> {
    parse::parse(text, flaw).map(|_| ())
}

/// Whether a value counts as true (section 3), `None` being undefined.
pub fn is_true(value: Option<&Value>, flaw: Option<Flaw>) -> bool {
    compare::truth(value, flaw)
}
