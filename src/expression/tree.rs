//! What an expression is made of, and its canonical text.
//!
//! Chains (`a + b - c`) are one node, so that no text is deeper as a tree than it is nested: 4096 bytes of `1+1+1…` must
//! not cost two thousand stack frames.

use std::fmt;

use serde_json::Value;

use super::lexer::is_name;

/// A byte of the text. Trees are equal wherever they stand.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct At(pub usize);

impl PartialEq for At {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// A part of an expression and where it stands: its operator, or its beginning.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub at: At,
    pub tree: Tree,
}

/// Where parentheses stand in a chain of `and` or of `or` makes no difference: the operands have the same order.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        match (&self.tree, &other.tree) {
            (Tree::And(_), Tree::And(_)) | (Tree::Or(_), Tree::Or(_)) => {
                let is_and = matches!(self.tree, Tree::And(_));
                self.chained(is_and) == other.chained(is_and)
            }
            (one, another) => one == another,
        }
    }
}

impl Node {
    /// The operands of a chain of `and`, or of `or`, with those of the same chains within it. Recursion ends with the nesting of
    /// the text.
    fn chained(&self, is_and: bool) -> Vec<&Node> {
        match &self.tree {
            Tree::And(operands) if is_and => chained(operands, is_and),
            Tree::Or(operands) if !is_and => chained(operands, is_and),
            _ => vec![self],
        }
    }
}

fn chained(operands: &[Node], is_and: bool) -> Vec<&Node> {
    let each = operands.iter();
    each.flat_map(|operand| operand.chained(is_and)).collect()
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Tree {
    /// Null, a boolean, a number or a string.
    Literal(Value),
    Root(Root),
    Array(Vec<Node>),
    /// At least one part; the base is no path itself.
    Path(Box<Node>, Vec<Part>),
    /// At least one filter.
    Filtered(Box<Node>, Vec<(At, Filter)>),
    Negative(Box<Node>),
    Test(Box<Node>, Test),
    Product(Chain<Factor>),
    Sum(Chain<Term>),
    Compare(Box<Node>, Comparator, Box<Node>),
    Not(Box<Node>),
    /// At least two.
    And(Vec<Node>),
    /// At least two.
    Or(Vec<Node>),
}

/// Operators of one level, from left to right; at least one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chain<Operator> {
    pub first: Box<Node>,
    pub rest: Vec<(At, Operator, Node)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    State,
    Observation,
    Input,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// An own member, written with a dot or as a string.
    Member(String),
    /// `.length`: an own member of that name, else the count.
    Length,
    Index(i64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Term {
    Add,
    Subtract,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Factor {
    Multiply,
    Divide,
    Remainder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparator {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
    NotIn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Test {
    Defined,
    NotDefined,
    None,
    NotNone,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Filter {
    Length,
    First,
    Last,
    Lower,
    Upper,
    Trim,
    ToJson,
    Default(Box<Node>),
    Join(Option<Box<Node>>),
}

impl Root {
    pub(super) fn name(self) -> &'static str {
        match self {
            Root::State => "state",
            Root::Observation => "observation",
            Root::Input => "input",
        }
    }
}

impl Comparator {
    pub(super) fn sign(self) -> &'static str {
        match self {
            Comparator::Equal => "==",
            Comparator::NotEqual => "!=",
            Comparator::Less => "<",
            Comparator::LessEqual => "<=",
            Comparator::Greater => ">",
            Comparator::GreaterEqual => ">=",
            Comparator::In => "in",
            Comparator::NotIn => "not in",
        }
    }
}

impl Term {
    pub(super) fn sign(self) -> &'static str {
        match self {
            Term::Add => "+",
            Term::Subtract => "-",
        }
    }
}

impl Factor {
    pub(super) fn sign(self) -> &'static str {
        match self {
            Factor::Multiply => "*",
            Factor::Divide => "/",
            Factor::Remainder => "%",
        }
    }
}

impl Test {
    fn words(self) -> &'static str {
        match self {
            Test::Defined => "is defined",
            Test::NotDefined => "is not defined",
            Test::None => "is none",
            Test::NotNone => "is not none",
        }
    }
}

/// How tightly a text holds together; an operand looser than its operator wants is put in parentheses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Or,
    And,
    Not,
    Compare,
    Sum,
    Product,
    Test,
    Unary,
    Filtered,
    /// A number with its sign: filters follow it, paths do not.
    Negative,
    Path,
    Primary,
}

impl Node {
    fn level(&self) -> Level {
        match &self.tree {
            Tree::Or(_) => Level::Or,
            Tree::And(_) => Level::And,
            Tree::Not(_) => Level::Not,
            Tree::Compare(..) => Level::Compare,
            Tree::Sum(_) => Level::Sum,
            Tree::Product(_) => Level::Product,
            Tree::Test(..) => Level::Test,
            Tree::Negative(_) => Level::Unary,
            Tree::Filtered(..) => Level::Filtered,
            Tree::Path(..) => Level::Path,
            Tree::Literal(Value::Number(number)) if is_negative(number) => Level::Negative,
            Tree::Literal(_) | Tree::Root(_) | Tree::Array(_) => Level::Primary,
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, wanted: Level) -> fmt::Result {
        if self.level() < wanted {
            write!(f, "({self})")
        } else {
            write!(f, "{self}")
        }
    }

    /// Whether the text begins with a number that would take a minus before it for its own sign.
    fn takes_sign(&self) -> bool {
        match &self.tree {
            Tree::Literal(Value::Number(number)) => !is_negative(number),
            Tree::Filtered(base, _) => base.takes_sign(),
            _ => false,
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tree {
            Tree::Literal(Value::String(text)) => write_string(f, text),
            Tree::Literal(Value::Number(number)) => match number.as_i64() {
                Some(integer) => write!(f, "{integer}"),
                // The debug form of a double always has a fraction or an exponent, so it is read as a double again.
                None => write!(f, "{:?}", number.as_f64().unwrap_or_default()),
            },
            Tree::Literal(value) => write!(f, "{value}"),
            Tree::Root(root) => f.write_str(root.name()),
            Tree::Array(elements) => {
                f.write_str("[")?;
                write_joined(f, elements, ", ", Level::Or)?;
                f.write_str("]")
            }
            Tree::Path(base, parts) => {
                base.write(f, Level::Primary)?;
                parts.iter().try_for_each(|part| write!(f, "{part}"))
            }
            Tree::Filtered(base, filters) => {
                base.write(f, Level::Negative)?;
                let mut filters = filters.iter();
                filters.try_for_each(|(_, filter)| write!(f, " | {filter}"))
            }
            Tree::Negative(operand) if operand.takes_sign() => write!(f, "-({operand})"),
            Tree::Negative(operand) => {
                f.write_str("-")?;
                operand.write(f, Level::Unary)
            }
            Tree::Test(operand, test) => {
                operand.write(f, Level::Unary)?;
                write!(f, " {}", test.words())
            }
            Tree::Product(chain) => chain.write(f, Level::Test, |factor| factor.sign()),
            Tree::Sum(chain) => chain.write(f, Level::Product, |term| term.sign()),
            Tree::Compare(left, comparator, right) => {
                left.write(f, Level::Sum)?;
                write!(f, " {} ", comparator.sign())?;
                right.write(f, Level::Sum)
            }
            Tree::Not(operand) => {
                f.write_str("not ")?;
                operand.write(f, Level::Not)
            }
            Tree::And(operands) => write_joined(f, operands, " and ", Level::Not),
            Tree::Or(operands) => write_joined(f, operands, " or ", Level::And),
        }
    }
}

impl<Operator: Copy> Chain<Operator> {
    fn write(
        &self,
        f: &mut fmt::Formatter<'_>,
        wanted: Level,
        sign: impl Fn(Operator) -> &'static str,
    ) -> fmt::Result {
        self.first.write(f, wanted)?;
        for (_, operator, operand) in &self.rest {
            write!(f, " {} ", sign(*operator))?;
            operand.write(f, wanted)?;
        }
        Ok(())
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Length => f.write_str(".length"),
            Part::Index(index) => write!(f, "[{index}]"),
            // `.length` is more than a member: the string keeps it one.
            Part::Member(name) if is_name(name) && name != "length" => write!(f, ".{name}"),
            Part::Member(name) => {
                f.write_str("[")?;
                write_string(f, name)?;
                f.write_str("]")
            }
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Filter::Length => f.write_str("length"),
            Filter::First => f.write_str("first"),
            Filter::Last => f.write_str("last"),
            Filter::Lower => f.write_str("lower"),
            Filter::Upper => f.write_str("upper"),
            Filter::Trim => f.write_str("trim"),
            Filter::ToJson => f.write_str("tojson"),
            Filter::Default(value) => write!(f, "default({value})"),
            Filter::Join(None) => f.write_str("join"),
            Filter::Join(Some(separator)) => write!(f, "join({separator})"),
        }
    }
}

fn is_negative(number: &serde_json::Number) -> bool {
    match number.as_i64() {
        Some(integer) => integer < 0,
        None => number.as_f64().is_some_and(f64::is_sign_negative),
    }
}

fn write_joined(
    f: &mut fmt::Formatter<'_>,
    nodes: &[Node],
    between: &str,
    wanted: Level,
) -> fmt::Result {
    for (index, node) in nodes.iter().enumerate() {
        if index > 0 {
            f.write_str(between)?;
        }
        node.write(f, wanted)?;
    }
    Ok(())
}

/// Double quotes, unless single ones need fewer escapes.
fn write_string(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let quote = if text.matches('"').count() > text.matches('\'').count() {
        '\''
    } else {
        '"'
    };
    write!(f, "{quote}")?;
    for c in text.chars() {
        match c {
            '\\' => f.write_str("\\\\")?,
            '\u{8}' => f.write_str("\\b")?,
            '\u{c}' => f.write_str("\\f")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if c == quote => write!(f, "\\{c}")?,
            c if c < ' ' => write!(f, "\\u{:04x}", u32::from(c))?,
            c => write!(f, "{c}")?,
        }
    }
    write!(f, "{quote}")
}
