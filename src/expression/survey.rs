//! A read-only view of parsed expressions, for those who look at them without running them.

use std::fmt;

use serde_json::Value;

use super::error::Error;
use super::evaluate;
use super::limits::Meter;
use super::tree::{Comparator, Filter, Node, Part, Test, Tree};
use super::{Expression, Outcome, Roots};

/// A part of an expression. Equal to another one with the same tree, however it is written; its [`Display`](fmt::Display)
/// form is the canonical text.
#[derive(Clone, Copy, PartialEq)]
pub struct Branch<'e>(&'e Node);

/// What a part is.
#[derive(Debug, Clone, PartialEq)]
pub enum Form<'e> {
    /// Null, a boolean, a number or a string.
    Literal(&'e Value),
    /// A root, by its name, and the way from there; no step is the root itself.
    Path(&'static str, Vec<Step<'e>>),
    /// The way from a value that is no root; at least one step.
    Within(Branch<'e>, Vec<Step<'e>>),
    /// The elements.
    Array(Vec<Branch<'e>>),
    /// At least one filter.
    Filtered(Branch<'e>, Vec<Filtering<'e>>),
    /// The minus before a value.
    Negative(Branch<'e>),
    /// `is defined`, `is none` and their opposites.
    Test {
        /// What is asked about.
        operand: Branch<'e>,
        /// Whether it is about being defined, and not about being null.
        defined: bool,
        /// Whether `not` stands in it.
        negated: bool,
    },
    /// Operators of one level of arithmetic, from left to right; at least one.
    Arithmetic(Branch<'e>, Vec<Operand<'e>>),
    /// `==`, `<`, `in` and the like.
    Comparison(Branch<'e>, &'static str, Branch<'e>),
    /// The opposite of its truth.
    Not(Branch<'e>),
    /// At least two.
    And(Vec<Branch<'e>>),
    /// At least two.
    Or(Vec<Branch<'e>>),
}

/// One step of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'e> {
    /// An own member.
    Member(&'e str),
    /// `.length`: an own member of that name, else the count.
    Length,
    /// An element, from the end when negative.
    Index(i64),
}

/// One filter behind a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Filtering<'e> {
    /// Its name.
    pub name: &'static str,
    /// What stands in its parentheses.
    pub argument: Option<Branch<'e>>,
    /// Byte of the expression's text at which its name stands.
    pub at: usize,
}

/// An operator of arithmetic and what stands right of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Operand<'e> {
    /// `+`, `-`, `*`, `/` or `%`.
    pub sign: &'static str,
    /// The right side.
    pub value: Branch<'e>,
    /// Byte of the expression's text at which the operator stands.
    pub at: usize,
}

impl Expression {
    /// The whole expression as a part, to look at.
    pub fn survey(&self) -> Branch<'_> {
        Branch(&self.0.root)
    }

    /// The canonical text of an expression that is true exactly when this one is, and fails when this one fails, with no `not`
    /// that can be done without: no double one, and none before a comparison or a test. None when there is nothing to take away.
    pub fn plainer(&self) -> Option<String> {
        let plain = plain(&self.0.root, true);
        (plain != self.0.root).then(|| plain.to_string())
    }
}

impl<'e> Branch<'e> {
    /// What it is.
    pub fn form(self) -> Form<'e> {
        match &self.0.tree {
            Tree::Literal(value) => Form::Literal(value),
            Tree::Root(root) => Form::Path(root.name(), Vec::new()),
            Tree::Array(elements) => Form::Array(branches(elements)),
            Tree::Path(base, parts) => {
                let steps = parts.iter().map(step).collect();
                match &base.tree {
                    Tree::Root(root) => Form::Path(root.name(), steps),
                    _ => Form::Within(Branch(base), steps),
                }
            }
            Tree::Filtered(base, filters) => {
                let filters = filters.iter().map(|(at, filter)| filtering(at.0, filter));
                Form::Filtered(Branch(base), filters.collect())
            }
            Tree::Negative(operand) => Form::Negative(Branch(operand)),
            Tree::Test(operand, test) => Form::Test {
                operand: Branch(operand),
                defined: matches!(test, Test::Defined | Test::NotDefined),
                negated: matches!(test, Test::NotDefined | Test::NotNone),
            },
            Tree::Product(chain) => {
                let rest = chain.rest.iter().map(|(at, factor, operand)| Operand {
                    sign: factor.sign(),
                    value: Branch(operand),
                    at: at.0,
                });
                Form::Arithmetic(Branch(&chain.first), rest.collect())
            }
            Tree::Sum(chain) => {
                let rest = chain.rest.iter().map(|(at, term, operand)| Operand {
                    sign: term.sign(),
                    value: Branch(operand),
                    at: at.0,
                });
                Form::Arithmetic(Branch(&chain.first), rest.collect())
            }
            Tree::Compare(left, comparator, right) => {
                Form::Comparison(Branch(left), comparator.sign(), Branch(right))
            }
            Tree::Not(operand) => Form::Not(Branch(operand)),
            Tree::And(operands) => Form::And(branches(operands)),
            Tree::Or(operands) => Form::Or(branches(operands)),
        }
    }

    /// Byte of the expression's text at which it stands: its operator, or its beginning.
    pub fn at(self) -> usize {
        self.0.at.0
    }

    /// The parts that it is made of, arguments of filters included.
    pub fn parts(self) -> Vec<Branch<'e>> {
        match self.form() {
            Form::Literal(_) | Form::Path(..) => Vec::new(),
            Form::Within(base, _) | Form::Negative(base) | Form::Not(base) => vec![base],
            Form::Test { operand, .. } => vec![operand],
            Form::Array(parts) | Form::And(parts) | Form::Or(parts) => parts,
            Form::Filtered(base, filters) => {
                let arguments = filters.into_iter().filter_map(|filter| filter.argument);
                std::iter::once(base).chain(arguments).collect()
            }
            Form::Arithmetic(first, rest) => {
                let rest = rest.into_iter().map(|operand| operand.value);
                std::iter::once(first).chain(rest).collect()
            }
            Form::Comparison(left, _, right) => vec![left, right],
        }
    }

    /// It and every part in it, outer ones first.
    pub fn all(self) -> Vec<Branch<'e>> {
        let mut found = vec![self];
        let mut next = 0;
        while let Some(branch) = found.get(next) {
            let parts = branch.parts();
            found.extend(parts);
            next += 1;
        }
        found
    }

    /// The value it has over these roots.
    ///
    /// # Errors
    /// As [`Expression::evaluate`].
    pub fn evaluate(self, roots: &Roots<'e>) -> Result<Outcome<'e>, Error> {
        evaluate::evaluate(self.0, roots, &mut Meter::new())
    }

    /// The value it has whatever the roots hold, because it reads none; `None` of that is undefined. None when it reads a root.
    ///
    /// # Errors
    /// As [`Expression::evaluate`].
    pub fn constant(self) -> Option<Result<Option<Value>, Error>> {
        let reads = |branch: &Branch<'_>| matches!(branch.form(), Form::Path(..));
        if self.all().iter().any(reads) {
            return None;
        }
        let outcome = evaluate::evaluate(self.0, &Roots::default(), &mut Meter::new());
        Some(outcome.map(|outcome| outcome.value.map(std::borrow::Cow::into_owned)))
    }
}

impl fmt::Display for Branch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Branch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Branch({})", self.0)
    }
}

fn branches(nodes: &[Node]) -> Vec<Branch<'_>> {
    nodes.iter().map(Branch).collect()
}

fn step(part: &Part) -> Step<'_> {
    match part {
        Part::Member(name) => Step::Member(name),
        Part::Length => Step::Length,
        Part::Index(index) => Step::Index(*index),
    }
}

fn filtering(at: usize, filter: &Filter) -> Filtering<'_> {
    let (name, argument) = match filter {
        Filter::Length => ("length", None),
        Filter::First => ("first", None),
        Filter::Last => ("last", None),
        Filter::Lower => ("lower", None),
        Filter::Upper => ("upper", None),
        Filter::Trim => ("trim", None),
        Filter::ToJson => ("tojson", None),
        Filter::Default(value) => ("default", Some(Branch(value))),
        Filter::Join(separator) => ("join", separator.as_deref().map(Branch)),
    };
    Filtering { name, argument, at }
}

/// Without needless negations. `truth` says that nothing but its truth is looked at; operands of `and` and `or` are values
/// where the whole is one. Recursion ends with the nesting of the text.
fn plain(node: &Node, truth: bool) -> Node {
    let tree = match &node.tree {
        Tree::Not(inner) => match &inner.tree {
            Tree::Not(innermost) if truth || is_boolean(innermost) => {
                return plain(innermost, truth);
            }
            Tree::Compare(left, comparator, right) => {
                Tree::Compare(left.clone(), opposite(*comparator), right.clone())
            }
            Tree::Test(operand, test) => Tree::Test(
                operand.clone(),
                match test {
                    Test::Defined => Test::NotDefined,
                    Test::NotDefined => Test::Defined,
                    Test::None => Test::NotNone,
                    Test::NotNone => Test::None,
                },
            ),
            _ => Tree::Not(Box::new(plain(inner, true))),
        },
        Tree::And(operands) => Tree::And(operands.iter().map(|node| plain(node, truth)).collect()),
        Tree::Or(operands) => Tree::Or(operands.iter().map(|node| plain(node, truth)).collect()),
        other => other.clone(),
    };
    Node { at: node.at, tree }
}

fn is_boolean(node: &Node) -> bool {
    matches!(
        node.tree,
        Tree::Not(_) | Tree::Compare(..) | Tree::Test(..) | Tree::Literal(Value::Bool(_))
    )
}

/// No double is not a number, so the opposite of less is not less.
fn opposite(comparator: Comparator) -> Comparator {
    match comparator {
        Comparator::Equal => Comparator::NotEqual,
        Comparator::NotEqual => Comparator::Equal,
        Comparator::Less => Comparator::GreaterEqual,
        Comparator::LessEqual => Comparator::Greater,
        Comparator::Greater => Comparator::LessEqual,
        Comparator::GreaterEqual => Comparator::Less,
        Comparator::In => Comparator::NotIn,
        Comparator::NotIn => Comparator::In,
    }
}

#[cfg(test)]
mod tests {
    use super::{Expression, Form, Step};
    use serde_json::json;

    fn parse(text: &str) -> Expression {
        Expression::parse(text).expect("parses")
    }

    #[test]
    fn takes_needless_negations_away() {
        for (text, wanted) in [
            ("not not state.x", Some("state.x")),
            ("not (input.a == 1)", Some("input.a != 1")),
            (
                "!(input.a < 1) && state.b",
                Some("input.a >= 1 and state.b"),
            ),
            ("not (input.a in [1])", Some("input.a not in [1]")),
            ("not (input.a is defined)", Some("input.a is not defined")),
            ("not (not (input.a == 1))", Some("input.a == 1")),
            ("not input.a", None),
            ("(not not input.a) == true", None),
            ("not (input.a and input.b)", None),
        ] {
            assert_eq!(parse(text).plainer().as_deref(), wanted, "{text}");
        }
    }

    #[test]
    fn knows_what_needs_no_root() {
        let value = |text: &str| parse(text).survey().constant();
        assert_eq!(value("1 + 1 == 2"), Some(Ok(Some(json!(true)))));
        assert_eq!(value("[] | first"), Some(Ok(None)));
        assert!(matches!(value("1 / 0"), Some(Err(_))));
        assert_eq!(value("input.a == input.a"), None);
        assert_eq!(value("[1, [state]]"), None);
    }

    #[test]
    fn shows_every_part_with_its_place() {
        let expression = parse("input.a[0].length > 1 and not state.b | default(2)");
        let parts = expression.survey().all();
        let shown: Vec<_> = parts
            .iter()
            .map(|part| (part.at(), part.to_string()))
            .collect();
        assert!(
            shown.contains(&(0, "input.a[0].length".to_owned())),
            "{shown:?}"
        );
        assert!(shown.contains(&(30, "state.b".to_owned())), "{shown:?}");
        assert!(shown.contains(&(48, "2".to_owned())), "{shown:?}");
        let path = parts.iter().find_map(|part| match part.form() {
            Form::Path("input", steps) => Some(steps),
            _ => None,
        });
        let steps = [Step::Member("a"), Step::Index(0), Step::Length];
        assert_eq!(path.as_deref(), Some(&steps[..]));
    }
}
