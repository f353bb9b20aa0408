//! Runtimes that take other texts for expressions and templates than the grammar does.

use serde_json::Value;

use crate::expression::{self, Error, Expression, Located, Reason, Template, Templates};
use crate::mutants::Mutant;
use crate::workflow::node::Condition;

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [stricter(), looser()].into_iter().flatten().collect()
}

type Read<T> = Result<T, Error>;

fn stricter() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "operators-are-words-only",
            "EXP-001",
            "refuses `&&`, `||` and `!`",
            fn parse_condition(&self, text: &str) -> Read<Condition> {
                let sign = text.contains("&&") || text.contains("||");
                let not = text.replace("!=", "").contains('!');
                if sign || not {
                    Err(refused())
                } else {
                    condition(text, text)
                }
            }
        ),
        swap_workflow!(
            "expressions-are-one-line",
            "EXP-001",
            "takes no line break and no tab between tokens",
            fn parse_condition(&self, text: &str) -> Read<Condition> {
                if text.contains(['\n', '\r', '\t']) {
                    Err(refused())
                } else {
                    condition(text, text)
                }
            }
        ),
        swap_workflow!(
            "keywords-are-no-members",
            "EXP-001",
            "refuses a member whose name is a keyword or a root",
            fn parse_condition(&self, text: &str) -> Read<Condition> {
                let keywords = [
                    "and", "or", "not", "in", "is", "true", "none", "null", "state", "input",
                ];
                let mut members = text
                    .split('.')
                    .skip(1)
                    .filter_map(|rest| rest.split(' ').next());
                if members.any(|name| keywords.contains(&name)) {
                    Err(refused())
                } else {
                    condition(text, text)
                }
            }
        ),
        swap_workflow!(
            "braces-are-never-text",
            "EXP-039",
            "refuses braces within a template, in a text of its expression too",
            fn parse_templates(&self, input: &Value) -> Result<Templates, Located> {
                let nested = |text: &str| {
                    let inside = text.split_once("{{").map_or("", |(_, inside)| inside);
                    let inside = inside.split_once("}}").map_or(inside, |(inside, _)| inside);
                    inside.contains("{{")
                };
                if texts(input).into_iter().any(nested) {
                    return Err(Located {
                        pointer: String::new(),
                        error: refused(),
                    });
                }
                Templates::parse(input)
            }
        ),
    ]
}

fn looser() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "half-an-expression-is-enough",
            "EXP-002",
            "evaluates an expression up to the word behind which it does not parse",
            fn parse_condition(&self, text: &str) -> Read<Condition> {
                let words = text.match_indices(' ').filter_map(|(at, _)| text.get(..at));
                let begun = words.filter(|begun| Expression::parse(begun).is_ok());
                condition(text, text).or_else(|error| {
                    let longest = begun.max_by_key(|begun| begun.len()).ok_or(error)?;
                    condition(longest, longest)
                })
            }
        ),
        swap_workflow!(
            "broken-templates-stay-text",
            "EXP-002",
            "takes a text whose templates do not parse as it stands",
            fn parse_templates(&self, input: &Value) -> Result<Templates, Located> {
                Templates::parse(input).or_else(|_| Templates::parse(&Value::Null))
            }
        ),
        swap_workflow!(
            "equals-signs-compare",
            "EXP-003",
            "reads one equals sign as two",
            fn parse_condition(&self, text: &str) -> Read<Condition> {
                condition(text, &text.replace(" = ", " == "))
            }
        ),
        swap_workflow!(
            "lone-surrogates-parse",
            "EXP-006",
            "puts a replacement character for half a surrogate pair",
            fn parse_condition(&self, text: &str) -> Read<Condition> {
                condition(
                    text,
                    &text
                        .replace("\\ud83d'", "\\ufffd'")
                        .replace("'\\ude00", "'\\ufffd"),
                )
            }
        ),
        swap_workflow!(
            "unknown-filters-change-nothing",
            "EXP-025",
            "leaves a filter out that it does not know",
            fn parse_condition(&self, text: &str) -> Read<Condition> {
                condition(text, &filtered(text))
            },
            fn parse_prompt(&self, text: &str) -> Read<Template> {
                Template::parse(&filtered(text))
            },
            fn parse_templates(&self, input: &Value) -> Result<Templates, Located> {
                let mut known = input.clone();
                if let Some(members) = known.as_object_mut() {
                    for member in members.values_mut() {
                        let text = member.as_str().map(filtered);
                        *member = text.map_or_else(|| member.clone(), Value::String);
                    }
                }
                Templates::parse(&known)
            }
        ),
        swap_workflow!(
            "further-arguments-are-dropped",
            "EXP-025",
            "leaves arguments out that a filter does not take",
            fn parse_condition(&self, text: &str) -> Read<Condition> {
                let fewer = text.replace(", 2)", ")").replace(", 'b')", ")");
                condition(
                    text,
                    &fewer
                        .replace("length(1)", "length")
                        .replace("upper('x')", "upper"),
                )
            }
        ),
    ]
}

/// The condition that is written as one text and means another.
fn condition(text: &str, meant: &str) -> Read<Condition> {
    Ok(Condition {
        text: text.to_owned(),
        expression: Expression::parse(meant)?,
    })
}

/// A text without ` | name` where no filter has that name.
fn filtered(text: &str) -> String {
    ["reverse", "safe", "sort", "shell"]
        .into_iter()
        .fold(text.to_owned(), |text, name| {
            text.replace(&format!(" | {name}"), "")
        })
}

/// The texts at the top of an input.
fn texts(input: &Value) -> Vec<&str> {
    let members = input.as_object().into_iter().flatten();
    members.filter_map(|(_, member)| member.as_str()).collect()
}

fn refused() -> expression::Error {
    Error {
        reason: Reason::Syntax,
        offset: 0,
        start: 0,
        message: "the expression does not parse".to_owned(),
    }
}
