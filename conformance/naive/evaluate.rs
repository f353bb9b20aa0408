//! Walks the tree.

use serde_json::Value;

use super::parse::{Filter, Node, Part};
use super::{Error, Flaw, Roots, STEP_LIMIT, calculate, compact, compare, filter};

/// A value, or `None` for undefined.
pub type Maybe = Option<Value>;

/// What one evaluation has at hand.
pub struct Walk<'a> {
    pub roots: Roots<'a>,
    pub flaw: Option<Flaw>,
    /// Steps so far.
    pub steps: usize,
    /// Where the operation at hand stands.
    pub offset: usize,
}

/// Evaluates a tree from its top.
pub fn run(node: &Node, roots: Roots<'_>, flaw: Option<Flaw>) -> Result<Maybe, Error> {
    let mut walk = Walk {
        roots,
        flaw,
        steps: 0,
        offset: 0,
    };
    match walk.result(node) {
        Err(_) if flaw == Some(Flaw::ErrorIsFalse) => Ok(Some(Value::Bool(false))),
        result => result,
    }
}

impl Walk<'_> {
    pub fn flawed(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// An error of the operation at hand.
    pub fn error(&self, reason: &'static str) -> Error {
        Error::new(reason, self.offset)
    }

    /// Counts one step.
    pub fn step(&mut self) -> Result<(), Error> {
        self.steps += 1;
        if self.steps > STEP_LIMIT && !self.flawed(Flaw::NoStepLimit) {
            return Err(self.error("limit"));
        }
        Ok(())
    }

    /// Begins the operation at this offset, which is a step.
    fn begin(&mut self, offset: usize) -> Result<(), Error> {
        self.offset = offset;
        self.step()
    }

    /// The value of the whole tree. An array, which can hold more text than any operator makes, is bounded like text.
    fn result(&mut self, node: &Node) -> Result<Maybe, Error> {
        let value = self.evaluate(node)?;
        if let Some(array @ Value::Array(_)) = &value {
            self.offset = 0;
            calculate::text_result(self, compact::compact(array, None))?;
        }
        Ok(value)
    }

    fn evaluate(&mut self, node: &Node) -> Result<Maybe, Error> {
        match node {
            Node::Value(value) => Ok(Some(value.clone())),
            Node::Root(name) => Ok(self.root(name).cloned()),
            Node::Array(elements, offset) => self.array(elements, *offset),
            Node::Path(start, parts) => self.path(start, parts),
            Node::Filtered(value, filters) => self.filtered(value, filters),
            Node::Minus(value, offset) => {
                let value = self.evaluate(value)?;
                self.begin(*offset)?;
                calculate::minus(self, value)
            }
            Node::Test(value, null, turned, offset) => {
                let value = self.evaluate(value)?;
                self.begin(*offset)?;
                let holds = if *null {
                    value == Some(Value::Null)
                } else {
                    value.is_some()
                };
                Ok(Some(Value::Bool(holds != *turned)))
            }
            Node::Chain(first, others) => self.chain(first, others),
            Node::Compare(first, others) => self.compare(first, others),
            Node::Not(value, offset) => {
                let value = self.evaluate(value)?;
                self.begin(*offset)?;
                Ok(Some(Value::Bool(!self.truth(&value))))
            }
            Node::Logic(first, others) => self.logic(first, others),
        }
    }

    fn truth(&self, value: &Maybe) -> bool {
        compare::truth(value.as_ref(), self.flaw)
    }

    fn root(&self, name: &str) -> Option<&Value> {
        match name {
            "state" => self.roots.state,
            "observation" => self.roots.observation,
            "input" => self.roots.input,
            _ => None,
        }
    }

    fn array(&mut self, elements: &[Node], offset: usize) -> Result<Maybe, Error> {
        let mut values = Vec::new();
        for element in elements {
            values.push(self.evaluate(element)?);
        }
        self.offset = offset;
        // All of them are evaluated before the array looks at any.
        let values: Option<Vec<Value>> = values.into_iter().collect();
        match values {
            Some(values) => Ok(Some(Value::Array(values))),
            None => Err(self.error("undefined")),
        }
    }

    fn path(&mut self, start: &Node, parts: &[(Part, usize)]) -> Result<Maybe, Error> {
        let mut value = self.evaluate(start)?;
        for (part, offset) in parts {
            self.begin(*offset)?;
            value = self.part(value, part)?;
        }
        Ok(value)
    }

    fn part(&mut self, value: Maybe, part: &Part) -> Result<Maybe, Error> {
        if value.is_none() && self.flawed(Flaw::MemberOfUndefinedIsError) {
            return Err(self.error("undefined"));
        }
        Ok(match (part, value) {
            (Part::Member(name), value) if name == "length" => self.length_member(value),
            (Part::Member(name) | Part::Key(name), Some(Value::Object(members))) => {
                members.get(name).cloned()
            }
            (Part::Index(index), Some(Value::Array(elements))) => {
                let found = at(&elements, *index, self.flaw).cloned();
                if found.is_none() && self.flawed(Flaw::IndexOutsideIsError) {
                    return Err(self.error("undefined"));
                }
                found
            }
            (Part::Index(index), Some(Value::String(text)))
                if self.flawed(Flaw::StringIndexing) =>
            {
                let characters: Vec<char> = text.chars().collect();
                at(&characters, *index, None).map(|found| Value::String(found.to_string()))
            }
            _ => None,
        })
    }

    /// `.length`
    fn length_member(&self, value: Maybe) -> Maybe {
        if let Some(Value::Object(members)) = &value
            && let Some(own) = members.get("length")
            && !self.flawed(Flaw::OwnLengthIgnored)
        {
            return Some(own.clone());
        }
        if self.flawed(Flaw::LengthUndefined) {
            return None;
        }
        filter::count(&value?, self.flaw).map(Value::from)
    }

    fn filtered(&mut self, value: &Node, filters: &[Filter]) -> Result<Maybe, Error> {
        let mut value = self.evaluate(value)?;
        for filter in filters {
            let argument = match &filter.argument {
                Some(node) => Some(self.evaluate(node)?),
                None => None,
            };
            self.begin(filter.offset)?;
            value = filter::apply(self, &filter.name, value, argument)?;
        }
        Ok(value)
    }

    fn chain(
        &mut self,
        first: &Node,
        others: &[(&'static str, usize, Node)],
    ) -> Result<Maybe, Error> {
        let mut value = self.evaluate(first)?;
        for (operator, offset, right) in others {
            let right = self.evaluate(right)?;
            self.begin(*offset)?;
            value = calculate::calculate(self, operator, value, right)?;
        }
        Ok(value)
    }

    fn compare(
        &mut self,
        first: &Node,
        others: &[(&'static str, usize, Node)],
    ) -> Result<Maybe, Error> {
        let mut left = self.evaluate(first)?;
        for (operator, offset, right) in others {
            let right = self.evaluate(right)?;
            self.begin(*offset)?;
            if !compare::compare(self, operator, &left, &right)? {
                return Ok(Some(Value::Bool(false)));
            }
            // Of use only where chains are accepted.
            left = right;
        }
        Ok(Some(Value::Bool(true)))
    }

    fn logic(
        &mut self,
        first: &Node,
        others: &[(&'static str, usize, Node)],
    ) -> Result<Maybe, Error> {
        let mut value = self.evaluate(first)?;
        for (operator, offset, right) in others {
            self.begin(*offset)?;
            let decided = self.truth(&value) == (*operator == "or");
            if self.flawed(Flaw::RightOperandEvaluated) || !decided {
                let right = self.evaluate(right)?;
                if !decided {
                    value = right;
                }
            }
            if self.flawed(Flaw::AndGivesBoolean) {
                value = Some(Value::Bool(self.truth(&value)));
            }
        }
        Ok(value)
    }
}

/// The element at an index that counts from the end when it is negative.
fn at<T>(elements: &[T], index: i64, flaw: Option<Flaw>) -> Option<&T> {
    if index < 0 {
        if flaw == Some(Flaw::NegativeIndexUndefined) {
            return None;
        }
        let back = usize::try_from(index.unsigned_abs()).ok()?;
        return elements.get(elements.len().checked_sub(back)?);
    }
    elements.get(usize::try_from(index).ok()?)
}
