//! Runtimes whose evaluator is the naive one with one wrong reading ([`Flaw`]); without it, it gives what the reference gives.

use serde_json::Value;

use super::flaws::READINGS;
use crate::expression::{self, Expression, Located, Reason, Roots, Template, Templates};
use crate::json;
use crate::mutants::Mutant;
use crate::naive::{self, Flaw};
use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::{Parts, merge};
use crate::workflow::input::Held;
use crate::workflow::node::Condition;
use crate::workflow::parts::WorkflowParts;

/// The largest resolved input, in bytes of compact JSON.
const LARGEST_INPUT: usize = 1024 * 1024;

/// The mutants, each named as its flaw.
pub fn mutants() -> Vec<Mutant> {
    let flawed = |&(flaw, requirement, behaviour): &(Flaw, &'static str, &'static str)| {
        Mutant::part(flaw.name(), requirement, behaviour, Flawed(Some(flaw)))
    };
    READINGS.iter().map(flawed).collect()
}

/// The reference with the naive evaluator, and perhaps one flaw.
struct Flawed(Option<Flaw>);

impl Parts for Flawed {
    fn workflow(&self) -> &dyn WorkflowParts {
        self
    }
}

impl WorkflowParts for Flawed {
    fn parse_condition(&self, text: &str) -> Result<Condition, expression::Error> {
        naive::check(text, self.0).map_err(|error| refused(error, 0))?;
        // What only the flaw can read keeps the place of a condition; it is evaluated from its text.
        let expression = Expression::parse(text).or_else(|_| Expression::parse("true"))?;
        Ok(Condition {
            text: text.to_owned(),
            expression,
        })
    }

    fn parse_templates(&self, input: &Value) -> Result<Templates, Located> {
        self.check(input, "")?;
        Templates::parse(input).or_else(|_| Templates::parse(&Value::from("{{ 1 }}")))
    }

    fn parse_prompt(&self, text: &str) -> Result<Template, expression::Error> {
        self.check_text(text)?;
        Template::parse(text).or_else(|_| Template::parse(""))
    }

    fn holds(&self, condition: &Condition, roots: &Roots<'_>) -> Result<Held, ErrorObject> {
        let value = naive::evaluate(&condition.text, simple(roots), self.0)
            .map_err(|error| failed(Code::ConditionalError, error))?;
        let read = condition.expression.evaluate(roots);
        Ok(Held {
            truth: naive::is_true(value.as_ref(), self.0),
            undefined: read.map(|outcome| outcome.undefined).unwrap_or_default(),
        })
    }

    fn resolve_templates(
        &self,
        templates: &Templates,
        input: &Value,
        roots: &Roots<'_>,
    ) -> Result<Value, ErrorObject> {
        if templates.is_literal() {
            return Ok(input.clone());
        }
        let resolved = self.resolve(input, simple(roots))?;
        if self.0 != Some(Flaw::NoGrowthLimit) && !merge::fits(&resolved, LARGEST_INPUT) {
            return Err(
                ErrorObject::new(Code::TemplateError, "the resolved input is too large")
                    .with("reason", "limit")
                    .with("offset", 0),
            );
        }
        Ok(resolved)
    }

    fn resolve_prompt(
        &self,
        _: &Template,
        text: &str,
        roots: &Roots<'_>,
    ) -> Result<String, ErrorObject> {
        Ok(match self.text(text, simple(roots))? {
            Value::String(text) => text,
            other => other.to_string(),
        })
    }
}

impl Flawed {
    fn check(&self, value: &Value, pointer: &str) -> Result<(), Located> {
        match value {
            Value::String(text) => self.check_text(text).map_err(|error| Located {
                pointer: pointer.to_owned(),
                error,
            }),
            Value::Array(elements) => elements.iter().enumerate().try_for_each(|(at, element)| {
                self.check(element, &json::push(pointer, &at.to_string()))
            }),
            Value::Object(members) => members
                .iter()
                .try_for_each(|(name, member)| self.check(member, &json::push(pointer, name))),
            _ => Ok(()),
        }
    }

    /// Whether the templates of a text parse: all are read before one is evaluated, so over roots that have nothing each
    /// error of reading comes first.
    fn check_text(&self, text: &str) -> Result<(), expression::Error> {
        match naive::template(text, naive::Roots::default(), self.0) {
            Err(error) if matches!(error.reason, "syntax" | "limit") => {
                Err(refused(error, braces_before(text, error.offset)))
            }
            _ => Ok(()),
        }
    }

    fn resolve(&self, value: &Value, roots: naive::Roots<'_>) -> Result<Value, ErrorObject> {
        Ok(match value {
            Value::String(text) => self.text(text, roots)?,
            Value::Array(elements) => {
                let resolved = elements.iter().map(|element| self.resolve(element, roots));
                Value::Array(resolved.collect::<Result<_, _>>()?)
            }
            Value::Object(members) => {
                let resolved = members
                    .iter()
                    .map(|(name, member)| Ok((name.clone(), self.resolve(member, roots)?)));
                Value::Object(resolved.collect::<Result<_, ErrorObject>>()?)
            }
            other => other.clone(),
        })
    }

    fn text(&self, text: &str, roots: naive::Roots<'_>) -> Result<Value, ErrorObject> {
        naive::template(text, roots, self.0).map_err(|mut error| {
            error.offset -= braces_before(text, error.offset);
            failed(Code::TemplateError, error)
        })
    }
}

/// Where the template begins in which this offset of a text lies.
fn braces_before(text: &str, offset: usize) -> usize {
    let before = text.get(..offset).unwrap_or_default();
    before.rfind("{{").map_or(0, |at| at + 2)
}

fn simple<'a>(roots: &Roots<'a>) -> naive::Roots<'a> {
    naive::Roots {
        state: roots.state,
        observation: roots.observation,
        input: roots.input,
    }
}

fn refused(error: naive::Error, start: usize) -> expression::Error {
    expression::Error {
        reason: if error.reason == "limit" {
            Reason::Limit
        } else {
            Reason::Syntax
        },
        offset: error.offset.saturating_sub(start),
        start,
        message: "the expression does not parse".to_owned(),
    }
}

fn failed(code: Code, error: naive::Error) -> ErrorObject {
    ErrorObject::new(code, "the expression cannot be evaluated")
        .with("reason", error.reason)
        .with("offset", error.offset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::input;
    use serde_json::json;

    fn state() -> Value {
        json!({"n": 7, "list": [1, "x"], "text": "{{ 1 }}"})
    }

    #[test]
    fn without_a_flaw_conditionals_are_those_of_the_reference() {
        let (state, given) = (state(), json!({"a": "{{ state.n }}"}));
        let roots = Roots {
            state: Some(&state),
            input: Some(&given),
            observation: None,
        };
        for text in [
            "state.n > 1",
            "state.list.length == 3",
            "input.a == 'x' or state.missing",
            "1 / 0",
            "state.missing > 1",
            "observation.n is defined",
            "'a' + 1",
        ] {
            let condition = Flawed(None).parse_condition(text).expect("it parses");
            let apart = Flawed(None).holds(&condition, &roots);
            match input::holds(&condition, &roots) {
                Ok(held) => assert_eq!(apart, Ok(held), "{text}"),
                Err(error) => {
                    let apart = apart.expect_err("it fails");
                    assert_eq!(apart.details["reason"], error.details["reason"], "{text}");
                }
            }
        }
        for text in ["1 <", "1 < 2 < 3", "name"] {
            let apart = Flawed(None).parse_condition(text);
            let error = Expression::parse(text).expect_err("it does not parse");
            assert_eq!(apart.map_err(|error| error.reason), Err(error.reason));
        }
    }

    #[test]
    fn without_a_flaw_inputs_are_those_of_the_reference() {
        let state = state();
        for given in [
            json!({"a": "{{ state.n }}", "b": ["<{{ state.list }}>", {"c": "{{ state.text }}"}], "d": 1}),
            json!({"a": "no template"}),
            json!({"a": "ok", "b": "it is {{ state.missing }}"}),
            json!({"a": "{{ 1 / 0 }}"}),
            json!({"a": "{{ state.n"}),
            json!({"a": ["{{ 1 }} {{ nosuch }}"]}),
        ] {
            let roots = Roots {
                state: Some(&state),
                input: Some(&given),
                observation: None,
            };
            let (apart, real) = (
                Flawed(None).parse_templates(&given),
                Templates::parse(&given),
            );
            let (Ok(apart), Ok(real)) = (&apart, &real) else {
                let reason = |read: &Result<Templates, Located>| {
                    read.as_ref().err().map(|found| found.error.reason)
                };
                assert_eq!(reason(&apart), reason(&real), "{given}");
                continue;
            };
            let apart = Flawed(None).resolve_templates(apart, &given, &roots);
            match input::resolve(real, &given, &roots) {
                Ok(resolved) => assert_eq!(apart, Ok(resolved)),
                Err(error) => {
                    let apart = apart.expect_err("it fails");
                    assert_eq!(apart.details["reason"], error.details["reason"], "{given}");
                }
            }
        }
    }
}
