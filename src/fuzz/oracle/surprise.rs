//! Something that the model of the protocol does not allow, and the exchange that it was seen in.

use serde_json::{Map, Value, json};

use crate::json;
use crate::suite::matcher::absent;
use crate::suite::target::{Answer, Exchange};

/// Something that was not allowed.
#[derive(Debug, Clone, PartialEq)]
pub struct Surprise {
    /// The rule.
    pub requirement: String,
    /// The step of the case, from 0; `None`: it belongs to none.
    pub step: Option<usize>,
    /// Where it was seen, as reports have it.
    pub place: String,
    /// JSON Pointer into what is there.
    pub pointer: String,
    /// What had to be there, as a matcher.
    pub expected: Value,
    /// What was there.
    pub got: Value,
    /// In words.
    pub message: String,
    /// The same as the `expect` of the step, where it is about the answer to one request.
    pub expect: Option<Value>,
}

/// One exchange of the run, with what of the case is needed to judge it.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The step of the case.
    pub step: usize,
    /// Its place in reports.
    pub place: &'a str,
    /// Who called, by the subject; `None`: somebody whose token cannot be good.
    pub caller: Option<&'a str>,
    /// The rule by which the caller's token is none, where it certainly is none.
    pub barred: Option<&'static str>,
    /// What was sent and came back.
    pub exchange: &'a Exchange,
    /// The answer.
    pub answer: &'a Answer,
    /// Whether other calls were made at the same time.
    pub grouped: bool,
    /// Whether one of them was on the same session.
    pub rival: bool,
    /// Whether one of them has the same key and another body.
    pub contested: bool,
}

impl Seen<'_> {
    /// The body of the answer as JSON; `null` where it is none.
    pub fn body(&self) -> Value {
        self.answer.json().unwrap_or_default()
    }

    /// The code of an error.
    pub fn code(&self) -> String {
        let body = self.body();
        body.get("errorCode")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    }

    /// A surprise about the answer, at a pointer such as `/status` or `/body/steps_done`.
    pub fn surprise(
        &self,
        requirement: &str,
        pointer: &str,
        expected: Value,
        message: &str,
    ) -> Surprise {
        let whole = crate::suite::sight::answer_value(self.answer);
        let got = whole.pointer(pointer).cloned().unwrap_or_else(absent);
        Surprise {
            requirement: requirement.to_owned(),
            step: Some(self.step),
            place: self.place.to_owned(),
            pointer: pointer.to_owned(),
            expect: (!self.grouped).then(|| at(pointer, &expected)),
            expected,
            got,
            message: message.to_owned(),
        }
    }

    /// Nothing if a member of the answer is as it must be.
    pub fn wants(
        &self,
        requirement: &str,
        pointer: &str,
        expected: Value,
        message: &str,
    ) -> Option<Surprise> {
        let whole = crate::suite::sight::answer_value(self.answer);
        let held = whole
            .pointer(pointer)
            .is_some_and(|got| crate::suite::matcher::same(got, &expected));
        (!held).then(|| self.surprise(requirement, pointer, exactly(expected), message))
    }

    /// Nothing if the answer is one of these refusals, by status and code.
    pub fn refused(
        &self,
        allowed: &[(u16, &str)],
        requirement: &str,
        message: &str,
    ) -> Option<Surprise> {
        let code = self.code();
        let is_one = allowed
            .iter()
            .any(|(status, own)| self.answer.status == *status && (own.is_empty() || *own == code));
        if is_one {
            return None;
        }
        let (status, own) = allowed.first().copied().unwrap_or((400, ""));
        let codes: Vec<&str> = allowed
            .iter()
            .map(|(_, code)| *code)
            .filter(|code| !code.is_empty())
            .collect();
        let mut surprise = if self.answer.status == status && !own.is_empty() {
            self.surprise(requirement, "/body/errorCode", one_of(&codes), message)
        } else {
            let statuses: Vec<u16> = allowed.iter().map(|(status, _)| *status).collect();
            self.surprise(requirement, "/status", one_of(&statuses), message)
        };
        surprise.message = message.to_owned();
        Some(surprise)
    }
}

/// A surprise about the journal or the transcript.
pub fn elsewhere(
    requirement: &str,
    step: Option<usize>,
    place: &str,
    pointer: &str,
    expected: Value,
    got: Value,
    message: impl Into<String>,
) -> Surprise {
    Surprise {
        requirement: requirement.to_owned(),
        step,
        place: place.to_owned(),
        pointer: pointer.to_owned(),
        expected,
        got,
        message: message.into(),
        expect: None,
    }
}

fn one_of<T: serde::Serialize>(values: &[T]) -> Value {
    match values {
        [one] => json!(one),
        many => json!({"$any_of": many}),
    }
}

/// A value as a matcher that takes nothing else.
fn exactly(value: Value) -> Value {
    match value {
        Value::Object(_) | Value::Array(_) => json!({"$exact": value}),
        plain => plain,
    }
}

/// A matcher for a whole that has this at a pointer; where the pointer leads into a list, for the list's own place it says nothing more.
pub fn at(pointer: &str, matcher: &Value) -> Value {
    match json::pop(pointer) {
        None => matcher.clone(),
        Some((parent, name)) => {
            let mut members = Map::new();
            members.insert(name, matcher.clone());
            at(parent, &Value::Object(members))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_becomes_a_matcher() {
        assert_eq!(
            at("/body/steps_done", &json!(2)),
            json!({"body": {"steps_done": 2}})
        );
        assert_eq!(at("/status", &one_of(&[400])), json!({"status": 400}));
        assert_eq!(one_of(&["a", "b"]), json!({"$any_of": ["a", "b"]}));
    }
}
