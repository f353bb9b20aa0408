//! Tokens to a tree: one function for each level of `spec/expressions.ebnf`, from loosest to tightest.

use serde_json::Value;

use super::advice;
use super::error::{Error, Reason};
use super::lexer::{Lexer, Token};
use super::limits;
use super::tree::{At, Chain, Comparator, Factor, Filter, Node, Part, Root, Term, Test, Tree};

/// Parses a text that is one expression and nothing else.
pub(super) fn parse(text: &str) -> Result<Node, Error> {
    if text.len() > limits::TEXT {
        return Err(Error::new(
            Reason::Limit,
            text.floor_char_boundary(limits::TEXT),
            format!(
                "the expression has {} bytes; write at most {}",
                text.len(),
                limits::TEXT
            ),
        ));
    }
    parse_unbounded(text)
}

/// The same without the bound on the text: canonical texts can be longer than what they were read from.
pub(super) fn parse_unbounded(text: &str) -> Result<Node, Error> {
    let mut lexer = Lexer::new(text);
    let (at, token) = lexer.next()?;
    let mut parser = Parser {
        lexer,
        at,
        token,
        level: 0,
    };
    if parser.token == Token::End {
        return Err(parser.refuse("there is no expression; write one, such as `state.name`"));
    }
    let node = parser.expression()?;
    if parser.token == Token::End {
        Ok(node)
    } else {
        Err(parser.refuse(advice::no_end(&parser.token)))
    }
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    /// The token that comes next, and where it begins.
    token: Token<'t>,
    at: usize,
    /// Brackets and prefix operators that are open.
    level: usize,
}

impl<'t> Parser<'t> {
    fn expression(&mut self) -> Result<Node, Error> {
        self.operands(Self::and, &["or", "||"], Tree::Or)
    }

    fn and(&mut self) -> Result<Node, Error> {
        self.operands(Self::not, &["and", "&&"], Tree::And)
    }

    fn operands(
        &mut self,
        operand: fn(&mut Self) -> Result<Node, Error>,
        names: &[&str],
        make: fn(Vec<Node>) -> Tree,
    ) -> Result<Node, Error> {
        let first = operand(self)?;
        let at = first.at;
        let mut operands = Vec::new();
        while self.is_one_of(names) {
            self.advance()?;
            operands.push(operand(self)?);
        }
        if operands.is_empty() {
            return Ok(first);
        }
        operands.insert(0, first);
        Ok(Node {
            at,
            tree: make(operands),
        })
    }

    fn not(&mut self) -> Result<Node, Error> {
        if !self.is_one_of(&["not", "!"]) {
            return self.comparison();
        }
        let at = self.enter()?;
        let operand = self.not()?;
        self.level -= 1;
        Ok(Node {
            at,
            tree: Tree::Not(Box::new(operand)),
        })
    }

    fn comparison(&mut self) -> Result<Node, Error> {
        let left = self.sum()?;
        let at = At(self.at);
        let Some(comparator) = self.comparator()? else {
            return Ok(left);
        };
        let right = self.sum()?;
        Ok(Node {
            at,
            tree: Tree::Compare(Box::new(left), comparator, Box::new(right)),
        })
    }

    fn comparator(&mut self) -> Result<Option<Comparator>, Error> {
        let comparator = match self.token {
            Token::Symbol("==") => Comparator::Equal,
            Token::Symbol("!=") => Comparator::NotEqual,
            Token::Symbol("<") => Comparator::Less,
            Token::Symbol("<=") => Comparator::LessEqual,
            Token::Symbol(">") => Comparator::Greater,
            Token::Symbol(">=") => Comparator::GreaterEqual,
            Token::Word("in") => Comparator::In,
            Token::Word("not") => {
                self.advance()?;
                if self.token != Token::Word("in") {
                    return Err(self.refuse("after a value `not` is followed by `in`"));
                }
                Comparator::NotIn
            }
            _ => return Ok(None),
        };
        self.advance()?;
        Ok(Some(comparator))
    }

    fn sum(&mut self) -> Result<Node, Error> {
        let operator = |token: &Token| match token {
            Token::Symbol("+") => Some(Term::Add),
            Token::Symbol("-") => Some(Term::Subtract),
            _ => None,
        };
        self.chain(Self::product, operator, Tree::Sum)
    }

    fn product(&mut self) -> Result<Node, Error> {
        let operator = |token: &Token| match token {
            Token::Symbol("*") => Some(Factor::Multiply),
            Token::Symbol("/") => Some(Factor::Divide),
            Token::Symbol("%") => Some(Factor::Remainder),
            _ => None,
        };
        self.chain(Self::tested, operator, Tree::Product)
    }

    fn chain<Operator>(
        &mut self,
        operand: fn(&mut Self) -> Result<Node, Error>,
        operator: fn(&Token) -> Option<Operator>,
        make: fn(Chain<Operator>) -> Tree,
    ) -> Result<Node, Error> {
        let first = operand(self)?;
        let mut rest = Vec::new();
        while let Some(found) = operator(&self.token) {
            let at = At(self.at);
            self.advance()?;
            rest.push((at, found, operand(self)?));
        }
        if rest.is_empty() {
            return Ok(first);
        }
        Ok(Node {
            at: first.at,
            tree: make(Chain {
                first: Box::new(first),
                rest,
            }),
        })
    }

    fn tested(&mut self) -> Result<Node, Error> {
        let operand = self.unary()?;
        if self.token != Token::Word("is") {
            return Ok(operand);
        }
        let at = At(self.at);
        self.advance()?;
        let negated = self.token == Token::Word("not");
        if negated {
            self.advance()?;
        }
        let test = match (&self.token, negated) {
            (Token::Word("defined"), false) => Test::Defined,
            (Token::Word("defined"), true) => Test::NotDefined,
            (Token::Word("none"), false) => Test::None,
            (Token::Word("none"), true) => Test::NotNone,
            _ => return Err(self.refuse("`is` is followed by `defined` or `none`")),
        };
        self.advance()?;
        Ok(Node {
            at,
            tree: Tree::Test(Box::new(operand), test),
        })
    }

    /// A minus before a number is the number's sign, unless a path follows the number: that only the operator can precede.
    fn unary(&mut self) -> Result<Node, Error> {
        if self.token != Token::Symbol("-") {
            return self.filtered();
        }
        let at = At(self.at);
        let before = (self.lexer.clone(), self.token.clone());
        self.advance()?;
        if matches!(self.token, Token::Integer(_) | Token::Double(_)) {
            let (number_at, number) = (self.at, self.token.clone());
            self.advance()?;
            if !matches!(self.token, Token::Symbol("." | "[")) {
                let value = literal_number(&number, number_at, "-")?;
                return self.filters(Node {
                    at,
                    tree: Tree::Literal(value),
                });
            }
        }
        (self.lexer, self.token) = before;
        self.at = at.0;
        self.enter()?;
        let operand = self.unary()?;
        self.level -= 1;
        Ok(Node {
            at,
            tree: Tree::Negative(Box::new(operand)),
        })
    }

    fn filtered(&mut self) -> Result<Node, Error> {
        let base = self.path()?;
        self.filters(base)
    }

    fn filters(&mut self, base: Node) -> Result<Node, Error> {
        let mut filters = Vec::new();
        while self.token == Token::Symbol("|") {
            self.advance()?;
            let at = At(self.at);
            filters.push((at, self.filter()?));
        }
        if filters.is_empty() {
            return Ok(base);
        }
        Ok(Node {
            at: base.at,
            tree: Tree::Filtered(Box::new(base), filters),
        })
    }

    fn filter(&mut self) -> Result<Filter, Error> {
        let filter = match self.token {
            Token::Word("length") => Filter::Length,
            Token::Word("first") => Filter::First,
            Token::Word("last") => Filter::Last,
            Token::Word("lower") => Filter::Lower,
            Token::Word("upper") => Filter::Upper,
            Token::Word("trim") => Filter::Trim,
            Token::Word("tojson") => Filter::ToJson,
            Token::Word("default") => {
                self.advance()?;
                return match self.argument()? {
                    Some(Some(value)) => Ok(Filter::Default(Box::new(value))),
                    _ => Err(self.refuse("`default` takes one argument: `default(0)`")),
                };
            }
            Token::Word("join") => {
                self.advance()?;
                let separator = self.argument()?.flatten();
                return Ok(Filter::Join(separator.map(Box::new)));
            }
            _ => {
                return Err(self.refuse(
                    "`|` is followed by a filter: length, default, first, last, lower, upper, trim, join or tojson",
                ));
            }
        };
        self.advance()?;
        if let Some(Some(argument)) = self.argument()? {
            return Err(Error::syntax(
                argument.at.0,
                "this filter takes no argument; take it away",
            ));
        }
        Ok(filter)
    }

    /// What stands in the parentheses behind a filter: no parentheses, nothing in them, or one expression.
    fn argument(&mut self) -> Result<Option<Option<Node>>, Error> {
        if self.token != Token::Symbol("(") {
            return Ok(None);
        }
        self.enter()?;
        let argument = match self.token {
            Token::Symbol(")") => None,
            _ => Some(self.expression()?),
        };
        self.leave(
            ")",
            "a filter takes one argument at most; close it with `)`",
        )?;
        Ok(Some(argument))
    }

    fn path(&mut self) -> Result<Node, Error> {
        let base = self.primary()?;
        let mut parts = Vec::new();
        loop {
            match self.token {
                Token::Symbol(".") => {
                    self.advance()?;
                    let Token::Word(name) = self.token else {
                        return Err(self.refuse(
                            "`.` is followed by a name of letters, digits and `_`; write others as [\"name\"], elements as [0]",
                        ));
                    };
                    parts.push(match name {
                        "length" => Part::Length,
                        _ => Part::Member(name.to_owned()),
                    });
                    self.advance()?;
                }
                Token::Symbol("[") => {
                    self.enter()?;
                    parts.push(self.subscript()?);
                    self.leave("]", "close the subscript with `]`; there are no slices")?;
                }
                _ => break,
            }
        }
        if parts.is_empty() {
            return Ok(base);
        }
        Ok(match base.tree {
            // `(a.b).c` is the path `a.b.c`.
            Tree::Path(inner, mut before) => {
                before.append(&mut parts);
                Node {
                    at: base.at,
                    tree: Tree::Path(inner, before),
                }
            }
            _ => Node {
                at: base.at,
                tree: Tree::Path(Box::new(base), parts),
            },
        })
    }

    fn subscript(&mut self) -> Result<Part, Error> {
        let wrong =
            "a subscript is a string or an integer literal; a path cannot depend on a value";
        let sign = match self.token {
            Token::Symbol("-") => {
                self.advance()?;
                "-"
            }
            _ => "",
        };
        let part = match &mut self.token {
            Token::Text(name) if sign.is_empty() => Part::Member(std::mem::take(name)),
            Token::Integer(digits) => Part::Index(integer(digits, self.at, sign)?),
            _ => return Err(self.refuse(wrong)),
        };
        self.advance()?;
        Ok(part)
    }

    fn primary(&mut self) -> Result<Node, Error> {
        let at = At(self.at);
        let tree = match &mut self.token {
            Token::Symbol("(") => {
                self.enter()?;
                let inner = self.expression()?;
                self.leave(")", "close the parenthesis with `)`")?;
                return Ok(inner);
            }
            Token::Symbol("[") => return self.array(at),
            Token::Text(text) => Tree::Literal(Value::String(std::mem::take(text))),
            Token::Integer(_) | Token::Double(_) => {
                Tree::Literal(literal_number(&self.token, self.at, "")?)
            }
            Token::Word("true" | "True") => Tree::Literal(Value::Bool(true)),
            Token::Word("false" | "False") => Tree::Literal(Value::Bool(false)),
            Token::Word("none" | "None" | "null") => Tree::Literal(Value::Null),
            Token::Word("state") => Tree::Root(Root::State),
            Token::Word("observation") => Tree::Root(Root::Observation),
            Token::Word("input") => Tree::Root(Root::Input),
            _ => return Err(self.refuse(advice::no_value(&self.token))),
        };
        self.advance()?;
        Ok(Node { at, tree })
    }

    fn array(&mut self, at: At) -> Result<Node, Error> {
        self.enter()?;
        let mut elements = Vec::new();
        if self.token != Token::Symbol("]") {
            elements.push(self.expression()?);
            while self.token == Token::Symbol(",") {
                self.advance()?;
                elements.push(self.expression()?);
            }
        }
        self.leave(
            "]",
            "separate elements with `,` and close the array with `]`",
        )?;
        Ok(Node {
            at,
            tree: Tree::Array(elements),
        })
    }

    fn advance(&mut self) -> Result<(), Error> {
        (self.at, self.token) = self.lexer.next()?;
        Ok(())
    }

    /// Moves over a bracket or a prefix operator that holds what follows one level deeper.
    fn enter(&mut self) -> Result<At, Error> {
        if self.level == limits::LEVELS {
            return Err(Error::new(
                Reason::Limit,
                self.at,
                format!(
                    "nested deeper than {} levels; write it flatter",
                    limits::LEVELS
                ),
            ));
        }
        self.level += 1;
        let at = At(self.at);
        self.advance()?;
        Ok(at)
    }

    /// Moves over the bracket that ends a level.
    fn leave(&mut self, bracket: &'static str, otherwise: &str) -> Result<(), Error> {
        if self.token != Token::Symbol(bracket) {
            return Err(self.refuse(otherwise));
        }
        self.level -= 1;
        self.advance()
    }

    fn is_one_of(&self, names: &[&str]) -> bool {
        match self.token {
            Token::Word(name) | Token::Symbol(name) => names.contains(&name),
            _ => false,
        }
    }

    fn refuse(&self, message: impl Into<String>) -> Error {
        Error::syntax(self.at, message)
    }
}

/// The value of a number token with the sign before it.
fn literal_number(token: &Token, at: usize, sign: &str) -> Result<Value, Error> {
    match token {
        Token::Integer(digits) => integer(digits, at, sign).map(Value::from),
        Token::Double(digits) => format!("{sign}{digits}")
            .parse()
            .ok()
            .and_then(serde_json::Number::from_f64)
            .map(Value::Number)
            .ok_or_else(|| {
                Error::syntax(
                    at,
                    "the number is larger than a double can be; write a smaller one",
                )
            }),
        _ => Err(Error::syntax(at, "a number is missing here")),
    }
}

fn integer(digits: &str, at: usize, sign: &str) -> Result<i64, Error> {
    format!("{sign}{digits}").parse().map_err(|_| {
        Error::syntax(
            at,
            "the integer does not fit 64 bits signed; write a double, such as 1e19",
        )
    })
}
