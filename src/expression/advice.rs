//! What to say of a token that cannot stand where it does: most of them are habits from other languages.

use super::lexer::Token;

/// The next token cannot begin a value.
pub(super) fn no_value(token: &Token) -> String {
    match token {
        Token::End => "the expression ends too early; a value is missing".to_owned(),
        Token::Word("not") => {
            "`not` binds looser than this operator; put it in parentheses".to_owned()
        }
        Token::Word(word @ ("and" | "or" | "in" | "is")) => {
            format!("a value is missing before `{word}`")
        }
        Token::Word(name) => format!(
            "`{}` is no root; begin a path with `state`, `observation` or `input`, and put text in quotes",
            shortened(name)
        ),
        Token::Symbol(symbol) => format!("a value is missing before `{symbol}`"),
        _ => "a value is missing here".to_owned(),
    }
}

/// The expression could have ended before the next token.
pub(super) fn no_end(token: &Token) -> String {
    match token {
        Token::Symbol("==" | "!=" | "<" | "<=" | ">" | ">=") | Token::Word("in" | "not") => {
            "comparisons cannot be chained; join two of them with `and`".to_owned()
        }
        Token::Symbol("!") => {
            "comparisons cannot be chained; write `not in`, or join with `and`".to_owned()
        }
        Token::Symbol("(") => {
            "there are no calls; only filters take arguments, as in `state.name | default(0)`"
                .to_owned()
        }
        Token::Word("if" | "else" | "for") => {
            "there are no conditional expressions and no statements; use `and` and `or`".to_owned()
        }
        Token::Word("is") => "one test at most; put the first in parentheses".to_owned(),
        Token::Symbol(symbol @ (")" | "]")) => {
            format!("`{symbol}` closes nothing; take it away")
        }
        _ => {
            "the expression has ended before this; write an operator between two values".to_owned()
        }
    }
}

/// A name as far as a message has room for it.
fn shortened(name: &str) -> &str {
    name.get(..name.floor_char_boundary(40)).unwrap_or(name)
}
