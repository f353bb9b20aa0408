//! Tokens to a tree: one function for each rule of `spec/expressions.ebnf`, of the same name.

use serde_json::{Number, Value};

use super::lex::{Token, tokens};
use super::{Error, Flaw, NESTING_LIMIT, TEXT_LIMIT};

/// Operators with their offsets and right operands.
type Operations = Vec<(&'static str, usize, Node)>;

/// A node of the tree. Chains are lists, so that the tree is no deeper than its text is nested. The numbers are offsets of operators.
#[derive(Clone, Debug)]
pub enum Node {
    Value(Value),
    /// `state`, `observation`, `input`; any other name is undefined.
    Root(String),
    Array(Vec<Node>, usize),
    Path(Box<Node>, Vec<(Part, usize)>),
    Filtered(Box<Node>, Vec<Filter>),
    Minus(Box<Node>, usize),
    /// What is tested, whether for null (or else for being defined), and whether it is turned round.
    Test(Box<Node>, bool, bool, usize),
    /// Sums and products, from the left.
    Chain(Box<Node>, Operations),
    /// One comparison; more only with [`Flaw::ChainedComparison`].
    Compare(Box<Node>, Operations),
    Not(Box<Node>, usize),
    /// `and` and `or`, from the left.
    Logic(Box<Node>, Operations),
}

/// One part of a path.
#[derive(Clone, Debug)]
pub enum Part {
    /// `.name`
    Member(String),
    /// `["name"]`
    Key(String),
    /// `[0]`
    Index(i64),
    /// `()`, only with [`Flaw::CallsParse`].
    Call,
}

/// One filter.
#[derive(Clone, Debug)]
pub struct Filter {
    pub name: String,
    pub argument: Option<Box<Node>>,
    pub offset: usize,
}

/// The tree of an expression.
pub fn parse(text: &str, flaw: Option<Flaw>) -> Result<Node, Error> {
    if text.len() > TEXT_LIMIT && flaw != Some(Flaw::NoTextLimit) {
        return Err(Error::new("limit", TEXT_LIMIT));
    }
    let mut parser = Parser {
        tokens: tokens(text, flaw)?,
        next: 0,
        end: text.len(),
        depth: 0,
        flaw,
    };
    let node = parser.expression()?;
    match parser.peek() {
        None => Ok(node),
        Some(_) => Err(parser.refuse()),
    }
}

struct Parser {
    tokens: Vec<(Token, usize)>,
    next: usize,
    end: usize,
    depth: usize,
    flaw: Option<Flaw>,
}

impl Parser {
    fn flawed(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn ahead(&self, distance: usize) -> Option<&Token> {
        self.tokens
            .get(self.next + distance)
            .map(|(token, _)| token)
    }

    fn peek(&self) -> Option<&Token> {
        self.ahead(0)
    }

    fn offset(&self) -> usize {
        self.tokens
            .get(self.next)
            .map_or(self.end, |(_, offset)| *offset)
    }

    fn refuse(&self) -> Error {
        Error::new("syntax", self.offset())
    }

    fn is_sign(&self, distance: usize, sign: &str) -> bool {
        matches!(self.ahead(distance), Some(Token::Sign(found)) if *found == sign)
    }

    fn is_word(&self, distance: usize, word: &str) -> bool {
        matches!(self.ahead(distance), Some(Token::Word(found)) if found == word)
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let there = self.is_sign(0, sign);
        self.next += usize::from(there);
        there
    }

    fn take_word(&mut self, word: &str) -> bool {
        let there = self.is_word(0, word);
        self.next += usize::from(there);
        there
    }

    fn expect_sign(&mut self, sign: &str) -> Result<(), Error> {
        if self.take_sign(sign) {
            Ok(())
        } else {
            Err(self.refuse())
        }
    }

    /// Takes the sign at hand if it is one of these.
    fn one_of(&mut self, signs: &[&'static str]) -> Option<(&'static str, usize)> {
        let offset = self.offset();
        let found = signs.iter().find(|sign| self.is_sign(0, sign))?;
        self.next += 1;
        Some((found, offset))
    }

    /// Reads with one level more.
    fn nested<T>(
        &mut self,
        offset: usize,
        read: impl FnOnce(&mut Parser) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let limit = if self.flawed(Flaw::NestingLimitDoubled) {
            2 * NESTING_LIMIT
        } else {
            NESTING_LIMIT
        };
        if self.depth >= limit {
            return Err(Error::new("limit", offset));
        }
        self.depth += 1;
        let found = read(self)?;
        self.depth -= 1;
        Ok(found)
    }

    fn expression(&mut self) -> Result<Node, Error> {
        let node = self.or()?;
        if self.flawed(Flaw::FilterBindsLoosest) {
            return self.filters(node);
        }
        Ok(node)
    }

    fn or(&mut self) -> Result<Node, Error> {
        let first = self.and()?;
        let mut others = Vec::new();
        loop {
            let offset = self.offset();
            let name = if self.take_word("or") || self.take_sign("||") {
                "or"
            } else if self.flawed(Flaw::AndOrOneLevel)
                && (self.take_word("and") || self.take_sign("&&"))
            {
                "and"
            } else {
                return Ok(chain(first, others, Node::Logic));
            };
            others.push((name, offset, self.and()?));
        }
    }

    fn and(&mut self) -> Result<Node, Error> {
        let first = self.not()?;
        let mut others = Vec::new();
        loop {
            let offset = self.offset();
            if self.flawed(Flaw::AndOrOneLevel) || !(self.take_word("and") || self.take_sign("&&"))
            {
                return Ok(chain(first, others, Node::Logic));
            }
            others.push(("and", offset, self.not()?));
        }
    }

    fn not(&mut self) -> Result<Node, Error> {
        let offset = self.offset();
        if self.flawed(Flaw::NotBindsTightest) || !(self.take_word("not") || self.take_sign("!")) {
            return self.comparison();
        }
        let node = self.nested(offset, Parser::not)?;
        Ok(Node::Not(Box::new(node), offset))
    }

    fn comparison(&mut self) -> Result<Node, Error> {
        let first = self.sum()?;
        let mut others = Vec::new();
        while let Some((name, offset)) = self.comparator() {
            if !others.is_empty() && !self.flawed(Flaw::ChainedComparison) {
                return Err(Error::new("syntax", offset));
            }
            others.push((name, offset, self.sum()?));
        }
        Ok(chain(first, others, Node::Compare))
    }

    fn comparator(&mut self) -> Option<(&'static str, usize)> {
        let offset = self.offset();
        if self.take_word("in") {
            return Some(("in", offset));
        }
        if self.is_word(0, "not") && self.is_word(1, "in") {
            self.next += 2;
            return Some(("not in", offset));
        }
        self.one_of(&["==", "!=", "<=", "<", ">=", ">"])
    }

    fn sum(&mut self) -> Result<Node, Error> {
        let signs: &[&'static str] = if self.flawed(Flaw::SumAndProductOneLevel) {
            &["+", "-", "*", "/", "%"]
        } else {
            &["+", "-"]
        };
        let first = self.product()?;
        let mut others = Vec::new();
        while let Some((name, offset)) = self.one_of(signs) {
            if self.flawed(Flaw::SumsFromTheRight) {
                let right = self.nested(offset, Parser::sum)?;
                others.push((name, offset, right));
                break;
            }
            others.push((name, offset, self.product()?));
        }
        Ok(chain(first, others, Node::Chain))
    }

    fn product(&mut self) -> Result<Node, Error> {
        let first = self.tested()?;
        let mut others = Vec::new();
        if self.flawed(Flaw::SumAndProductOneLevel) {
            return Ok(first);
        }
        while let Some((name, offset)) = self.one_of(&["*", "/", "%"]) {
            others.push((name, offset, self.tested()?));
        }
        Ok(chain(first, others, Node::Chain))
    }

    fn tested(&mut self) -> Result<Node, Error> {
        let node = self.unary()?;
        let offset = self.offset();
        if !self.take_word("is") {
            return Ok(node);
        }
        let turned = self.take_word("not");
        let null = self.take_word("none");
        if !null && !self.take_word("defined") {
            return Err(self.refuse());
        }
        Ok(Node::Test(Box::new(node), null, turned, offset))
    }

    fn unary(&mut self) -> Result<Node, Error> {
        let offset = self.offset();
        if self.flawed(Flaw::NotBindsTightest) && (self.take_word("not") || self.take_sign("!")) {
            let node = self.nested(offset, Parser::unary)?;
            return Ok(Node::Not(Box::new(node), offset));
        }
        if !self.is_sign(0, "-") || self.at_negative() {
            return self.filtered();
        }
        self.next += 1;
        let node = self.nested(offset, Parser::unary)?;
        Ok(Node::Minus(Box::new(node), offset))
    }

    /// Whether a minus and a number literal come next that stand for themselves. A number that begins a path is none of it: only `unary` derives
    /// that.
    fn at_negative(&self) -> bool {
        self.is_sign(0, "-")
            && matches!(self.ahead(1), Some(Token::Integer(_) | Token::Double(_)))
            && !self.is_sign(2, ".")
            && !self.is_sign(2, "[")
    }

    fn filtered(&mut self) -> Result<Node, Error> {
        let node = if self.at_negative() {
            self.next += 1;
            Node::Value(self.number(true)?)
        } else {
            self.path()?
        };
        if self.flawed(Flaw::FilterBindsLoosest) {
            return Ok(node);
        }
        self.filters(node)
    }

    fn filters(&mut self, node: Node) -> Result<Node, Error> {
        let mut filters = Vec::new();
        while self.take_sign("|") {
            filters.push(self.filter()?);
        }
        if filters.is_empty() {
            return Ok(node);
        }
        Ok(Node::Filtered(Box::new(node), filters))
    }

    fn filter(&mut self) -> Result<Filter, Error> {
        let offset = self.offset();
        let Some(Token::Word(name)) = self.peek().cloned() else {
            return Err(self.refuse());
        };
        let mut argument = None;
        match name.as_str() {
            "length" | "first" | "last" | "lower" | "upper" | "trim" | "tojson" => {
                self.next += 1;
                let open = self.offset();
                if self.take_sign("(") {
                    self.nested(open, |parser| parser.expect_sign(")"))?;
                }
            }
            "default" => {
                self.next += 1;
                let open = self.offset();
                self.expect_sign("(")?;
                argument = Some(Box::new(self.nested(open, Parser::expression)?));
                self.expect_sign(")")?;
            }
            "join" => {
                self.next += 1;
                let open = self.offset();
                if self.take_sign("(") {
                    argument = self.nested(open, |parser| {
                        if parser.is_sign(0, ")") {
                            return Ok(None);
                        }
                        Ok(Some(Box::new(parser.expression()?)))
                    })?;
                    self.expect_sign(")")?;
                }
            }
            _ => return Err(self.refuse()),
        }
        Ok(Filter {
            name,
            argument,
            offset,
        })
    }

    fn path(&mut self) -> Result<Node, Error> {
        let node = self.primary()?;
        let mut parts = Vec::new();
        loop {
            let offset = self.offset();
            let part = if self.take_sign(".") {
                let Some(Token::Word(name)) = self.peek().cloned() else {
                    return Err(self.refuse());
                };
                self.next += 1;
                Part::Member(name)
            } else if self.take_sign("[") {
                let part = self.nested(offset, Parser::subscript)?;
                self.expect_sign("]")?;
                part
            } else if self.flawed(Flaw::CallsParse) && self.take_sign("(") {
                if !self.take_sign(")") {
                    self.nested(offset, Parser::expression)?;
                    self.expect_sign(")")?;
                }
                Part::Call
            } else if parts.is_empty() {
                return Ok(node);
            } else {
                return Ok(Node::Path(Box::new(node), parts));
            };
            parts.push((part, offset));
        }
    }

    fn subscript(&mut self) -> Result<Part, Error> {
        if let Some(Token::Text(name)) = self.peek().cloned() {
            self.next += 1;
            return Ok(Part::Key(name));
        }
        let negative = self.take_sign("-");
        if !matches!(self.peek(), Some(Token::Integer(_))) {
            return Err(self.refuse());
        }
        let offset = self.offset();
        let number = self.number(negative)?;
        let index = number.as_i64().ok_or(Error::new("syntax", offset))?;
        Ok(Part::Index(index))
    }

    fn primary(&mut self) -> Result<Node, Error> {
        let offset = self.offset();
        match self.peek().cloned() {
            Some(Token::Integer(_) | Token::Double(_)) => Ok(Node::Value(self.number(false)?)),
            Some(Token::Text(text)) => {
                self.next += 1;
                Ok(Node::Value(Value::String(text)))
            }
            Some(Token::Word(word)) => {
                let node = match word.as_str() {
                    "true" | "True" => Node::Value(Value::Bool(true)),
                    "false" | "False" => Node::Value(Value::Bool(false)),
                    "none" | "None" | "null" => Node::Value(Value::Null),
                    "state" | "observation" | "input" => Node::Root(word),
                    "and" | "or" | "not" | "in" | "is" => return Err(self.refuse()),
                    _ if self.flawed(Flaw::UnknownNameIsUndefined) => Node::Root(word),
                    _ => return Err(self.refuse()),
                };
                self.next += 1;
                Ok(node)
            }
            Some(Token::Sign("(")) => {
                self.next += 1;
                let node = self.nested(offset, Parser::expression)?;
                self.expect_sign(")")?;
                Ok(node)
            }
            Some(Token::Sign("[")) => {
                self.next += 1;
                self.nested(offset, |parser| parser.array(offset))
            }
            _ => Err(self.refuse()),
        }
    }

    /// The elements and the closing bracket.
    fn array(&mut self, offset: usize) -> Result<Node, Error> {
        let mut elements = Vec::new();
        if self.take_sign("]") {
            return Ok(Node::Array(elements, offset));
        }
        loop {
            elements.push(self.expression()?);
            if self.take_sign("]") {
                return Ok(Node::Array(elements, offset));
            }
            self.expect_sign(",")?;
            if self.flawed(Flaw::TrailingCommaParses) && self.take_sign("]") {
                return Ok(Node::Array(elements, offset));
            }
        }
    }

    /// The number literal at hand, with the minus that stood before it.
    fn number(&mut self, negative: bool) -> Result<Value, Error> {
        let refused = self.refuse();
        let sign = if negative { "-" } else { "" };
        let number = match self.peek() {
            Some(Token::Integer(digits)) => {
                let written = format!("{sign}{digits}");
                match written.parse::<i64>() {
                    Ok(integer) => Some(Number::from(integer)),
                    Err(_) if self.flawed(Flaw::LargeLiteralIsDouble) => {
                        written.parse().ok().and_then(Number::from_f64)
                    }
                    Err(_) => None,
                }
            }
            Some(Token::Double(double)) if negative => Number::from_f64(-double),
            Some(Token::Double(double)) => Number::from_f64(*double),
            _ => None,
        };
        self.next += 1;
        number.map(Value::Number).ok_or(refused)
    }
}

/// The first operand alone, or all of them in a node.
fn chain(first: Node, others: Operations, node: fn(Box<Node>, Operations) -> Node) -> Node {
    if others.is_empty() {
        first
    } else {
        node(Box::new(first), others)
    }
}
