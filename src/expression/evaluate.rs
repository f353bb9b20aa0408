//! A tree and its roots to a value, within the meter.

use std::cmp::Ordering;

use serde_json::Value;

use super::arithmetic;
use super::error::{Error, Fault, Reason};
use super::filters;
use super::limits::Meter;
use super::tree::{At, Chain, Comparator, Factor, Filter, Node, Part, Root, Term, Test, Tree};
use super::value::{Val, View, compare_numbers, equal};
use super::{Outcome, Roots};

const UNDEFINED: Fault = Fault::new(
    Reason::Undefined,
    "this is undefined; check the names, ask with `is defined`, or give a value with `default`",
);

/// Evaluates; the meter is given back by the caller's reference, also after an error.
pub(super) fn evaluate<'a>(
    node: &'a Node,
    roots: &Roots<'a>,
    meter: &mut Meter,
) -> Result<Outcome<'a>, Error> {
    let mut evaluation = Evaluation {
        roots: *roots,
        meter,
        undefined: Vec::new(),
    };
    let value = evaluation.value(node)?;
    Ok(Outcome {
        value: value.into_outcome().map_err(|fault| fault.at(node.at.0))?,
        undefined: evaluation.undefined,
    })
}

struct Evaluation<'a, 'm> {
    roots: Roots<'a>,
    meter: &'m mut Meter,
    /// Paths that were read in vain, each once.
    undefined: Vec<String>,
}

impl<'a> Evaluation<'a, '_> {
    /// Recursion ends with the nesting of the text; chains are loops.
    fn value(&mut self, node: &'a Node) -> Result<Val<'a>, Error> {
        match &node.tree {
            Tree::Literal(value) => Ok(Val::Json(value)),
            Tree::Root(root) => Ok(self.root(*root, node)),
            Tree::Array(elements) => self.array(elements),
            Tree::Path(base, parts) => self.path(node, base, parts),
            Tree::Filtered(base, filters) => self.filtered(base, filters),
            Tree::Negative(operand) => self.negative(node.at, operand),
            Tree::Test(operand, test) => self.test(node.at, operand, *test),
            Tree::Product(chain) => self.product(chain),
            Tree::Sum(chain) => self.sum(chain),
            Tree::Compare(left, comparator, right) => {
                self.comparison(node.at, left, *comparator, right)
            }
            Tree::Not(operand) => {
                let value = self.value(operand)?;
                self.step(node.at)?;
                Ok(Val::Bool(!value.view().is_true()))
            }
            Tree::And(operands) => self.decide(operands, false),
            Tree::Or(operands) => self.decide(operands, true),
        }
    }

    fn step(&mut self, at: At) -> Result<(), Error> {
        self.meter.step().map_err(|fault| fault.at(at.0))
    }

    fn root(&mut self, root: Root, node: &Node) -> Val<'a> {
        let value = self.roots.get(root);
        if value.is_none() {
            self.note(node);
        }
        value.map_or(Val::Undefined, Val::Json)
    }

    fn note(&mut self, node: &Node) {
        let path = node.to_string();
        if !self.undefined.contains(&path) {
            self.undefined.push(path);
        }
    }

    fn array(&mut self, elements: &'a [Node]) -> Result<Val<'a>, Error> {
        let mut values = Vec::with_capacity(elements.len());
        for element in elements {
            values.push(self.value(element)?);
        }
        // All are evaluated before any is looked at.
        if let Some((element, _)) = elements
            .iter()
            .zip(&values)
            .find(|(_, value)| value.is_undefined())
        {
            return Err(UNDEFINED.at(element.at.0));
        }
        Ok(Val::Array(values))
    }

    fn path(
        &mut self,
        node: &'a Node,
        base: &'a Node,
        parts: &'a [Part],
    ) -> Result<Val<'a>, Error> {
        let rooted = match base.tree {
            Tree::Root(root) => Some(self.roots.get(root).map_or(Val::Undefined, Val::Json)),
            _ => None,
        };
        let is_rooted = rooted.is_some();
        let mut value = match rooted {
            Some(value) => value,
            None => self.value(base)?,
        };
        for part in parts {
            value = self
                .part(value, part)
                .map_err(|fault| fault.at(node.at.0))?;
        }
        if is_rooted && value.is_undefined() {
            self.note(node);
        }
        Ok(value)
    }

    fn part(&mut self, value: Val<'a>, part: &Part) -> Result<Val<'a>, Fault> {
        self.meter.step()?;
        Ok(match part {
            Part::Member(name) => value.member(name),
            Part::Index(index) => value.element(*index),
            Part::Length => match value {
                Val::Json(Value::Object(members)) if members.contains_key("length") => {
                    value.member("length")
                }
                _ => match value.view().count(self.meter)? {
                    Some(count) => Val::Integer(i64::try_from(count).unwrap_or(i64::MAX)),
                    None => Val::Undefined,
                },
            },
        })
    }

    fn filtered(&mut self, base: &'a Node, filters: &'a [(At, Filter)]) -> Result<Val<'a>, Error> {
        let mut value = self.value(base)?;
        for (at, filter) in filters {
            value = self.filter(value, filter, *at)?;
        }
        Ok(value)
    }

    /// An argument is evaluated in any case, and before the value is looked at.
    fn filter(&mut self, value: Val<'a>, filter: &'a Filter, at: At) -> Result<Val<'a>, Error> {
        self.step(at)?;
        if let Filter::Default(otherwise) = filter {
            let otherwise = self.value(otherwise)?;
            return Ok(if value.is_undefined() {
                otherwise
            } else {
                value
            });
        }
        let separator = match filter {
            Filter::Join(Some(separator)) => self.value(separator)?,
            _ => Val::Text("".into()),
        };
        if value.is_undefined() {
            return Err(UNDEFINED.at(at.0));
        }
        match filter {
            // Answered above.
            Filter::Default(_) => Ok(value),
            Filter::Length => filters::length(&value, self.meter),
            Filter::First => filters::element(value, 0),
            Filter::Last => filters::element(value, -1),
            Filter::Lower => filters::lower(value, self.meter),
            Filter::Upper => filters::upper(value, self.meter),
            Filter::Trim => filters::trim(value, self.meter),
            Filter::ToJson => filters::to_json(&value, self.meter),
            Filter::Join(_) => filters::join(&value, &separator, self.meter),
        }
        .map_err(|fault| fault.at(at.0))
    }

    fn negative(&mut self, at: At, operand: &'a Node) -> Result<Val<'a>, Error> {
        let value = self.value(operand)?;
        self.step(at)?;
        if value.is_undefined() {
            return Err(UNDEFINED.at(operand.at.0));
        }
        arithmetic::negate(value.view()).map_err(|fault| fault.at(at.0))
    }

    fn test(&mut self, at: At, operand: &'a Node, test: Test) -> Result<Val<'a>, Error> {
        let value = self.value(operand)?;
        self.step(at)?;
        let is_null = matches!(value.view(), View::Null);
        Ok(Val::Bool(match test {
            Test::Defined => !value.is_undefined(),
            Test::NotDefined => value.is_undefined(),
            Test::None => is_null,
            Test::NotNone => !is_null,
        }))
    }

    fn product(&mut self, chain: &'a Chain<Factor>) -> Result<Val<'a>, Error> {
        self.chain(chain, |factor, left, right, _| {
            arithmetic::multiply_or_divide(factor, left.view(), right.view())
        })
    }

    fn sum(&mut self, chain: &'a Chain<Term>) -> Result<Val<'a>, Error> {
        self.chain(chain, arithmetic::add_or_subtract)
    }

    /// Both operands are evaluated before either is looked at.
    fn chain<Operator: Copy>(
        &mut self,
        chain: &'a Chain<Operator>,
        operate: fn(Operator, Val<'a>, Val<'a>, &mut Meter) -> Result<Val<'a>, Fault>,
    ) -> Result<Val<'a>, Error> {
        let mut left = self.value(&chain.first)?;
        for (at, operator, operand) in &chain.rest {
            let right = self.value(operand)?;
            self.step(*at)?;
            if left.is_undefined() {
                return Err(UNDEFINED.at(chain.first.at.0));
            }
            if right.is_undefined() {
                return Err(UNDEFINED.at(operand.at.0));
            }
            left = operate(*operator, left, right, self.meter).map_err(|fault| fault.at(at.0))?;
        }
        Ok(left)
    }

    fn comparison(
        &mut self,
        at: At,
        left_node: &'a Node,
        comparator: Comparator,
        right_node: &'a Node,
    ) -> Result<Val<'a>, Error> {
        let left = self.value(left_node)?;
        let right = self.value(right_node)?;
        self.step(at)?;
        let (left, right) = (left.view(), right.view());
        let here = |fault: Fault| fault.at(at.0);
        Ok(Val::Bool(match comparator {
            Comparator::Equal => equal(left, right, self.meter).map_err(here)?,
            Comparator::NotEqual => !equal(left, right, self.meter).map_err(here)?,
            Comparator::In | Comparator::NotIn => {
                if matches!(right, View::Undefined) {
                    return Err(UNDEFINED.at(right_node.at.0));
                }
                let found = contains(right, left, self.meter).map_err(here)?;
                found == (comparator == Comparator::In)
            }
            _ => {
                for (side, node) in [(left, left_node), (right, right_node)] {
                    if matches!(side, View::Undefined) {
                        return Err(UNDEFINED.at(node.at.0));
                    }
                }
                let order = order(left, right, self.meter).map_err(here)?;
                match comparator {
                    Comparator::Less => order.is_lt(),
                    Comparator::LessEqual => order.is_le(),
                    Comparator::Greater => order.is_gt(),
                    _ => order.is_ge(),
                }
            }
        }))
    }

    /// `and` and `or`: the first operand of the wanted truth, else the last one. Every operator of the chain is a step,
    /// as it would be if the chain were nested to the left.
    fn decide(&mut self, operands: &'a [Node], wanted: bool) -> Result<Val<'a>, Error> {
        let mut decided = Val::Undefined;
        let mut is_decided = false;
        for (index, operand) in operands.iter().enumerate() {
            if index > 0 {
                self.step(operand.at)?;
            }
            if !is_decided {
                decided = self.value(operand)?;
                is_decided = decided.view().is_true() == wanted;
            }
        }
        Ok(decided)
    }
}

/// Numbers by value, strings by code point: of UTF-8 that is the order of the bytes.
fn order(left: View<'_>, right: View<'_>, meter: &mut Meter) -> Result<Ordering, Fault> {
    if let (View::Text(left), View::Text(right)) = (left, right) {
        meter.read(left.len().min(right.len()))?;
        return Ok(left.cmp(right));
    }
    compare_numbers(left, right).ok_or(Fault::new(
        Reason::Type,
        "two numbers or two strings can be ordered; check the kinds of both sides",
    ))
}

/// `in`: elements, substrings, member names.
fn contains(whole: View<'_>, part: View<'_>, meter: &mut Meter) -> Result<bool, Fault> {
    match (whole, part) {
        (View::Array(elements), part) => {
            for index in 0..elements.len() {
                meter.step()?;
                if let Some(element) = elements.get(index)
                    && equal(element, part, meter)?
                {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        (View::Text(whole), View::Text(part)) => {
            meter.read(whole.len())?;
            Ok(whole.contains(part))
        }
        (View::Object(members), View::Text(name)) => Ok(members.contains_key(name)),
        (View::Object(_), _) => Ok(false),
        _ => Err(Fault::new(
            Reason::Type,
            "`in` looks for an element in an array, a text in a text or a name in an object; check the kinds of both sides",
        )),
    }
}
