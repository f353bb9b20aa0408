//! The answers of people, which stand in a transcript twice: with their questions and among the effects
//! (`spec/transcripts.md`, sections 5 and 6).
//!
//! A session has at most one question that waits, so both are in the same order.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::findings::Findings;
use super::ledger::WINDOW;
use super::people::OUTCOMES;
use super::{number, text, time};

/// Two records of one answer that lie so far apart are about two.
const APART: SignedDuration = SignedDuration::from_secs(1);

/// Most differences that are kept.
const MOST: usize = 10;

/// The answers whose other half was not there yet.
#[derive(Debug, Default)]
pub(super) struct Answers {
    questions: VecDeque<Half>,
    effects: VecDeque<Half>,
    /// What differs: place, expected, got, message.
    wrong: Vec<(String, Value, Value, &'static str)>,
    /// Whether there were too many to keep.
    overflowed: bool,
}

#[derive(Debug)]
struct Half {
    /// Its place, counted from 0.
    index: u64,
    /// Which of [`OUTCOMES`] it was.
    outcome: usize,
    step: Option<u64>,
    /// Whether its step can be that of another question, which the plan of a person asked.
    may_differ: bool,
    asked: Option<Timestamp>,
    at: Option<Timestamp>,
}

impl Answers {
    /// Takes in a question.
    pub fn question(&mut self, index: u64, question: &Value) {
        let step = number(question, "step_number");
        let planned = question.pointer("/output/plan").is_some();
        let half = Half {
            index,
            outcome: usize::MAX,
            step,
            may_differ: planned && step.is_none(),
            asked: time(question, "asked_at"),
            at: time(question, "answered_at"),
        };
        self.take(half, text(question, "outcome"), true);
    }

    /// Takes in an effect of kind `person`.
    pub fn effect(&mut self, index: u64, effect: &Value) {
        let half = Half {
            index,
            outcome: usize::MAX,
            step: number(effect, "step_number"),
            may_differ: false,
            asked: None,
            at: time(effect, "at"),
        };
        self.take(half, text(effect, "status"), false);
    }

    fn take(&mut self, half: Half, outcome: &str, is_question: bool) {
        let Some(outcome) = OUTCOMES.iter().position(|one| *one == outcome) else {
            return;
        };
        let own = if is_question {
            &mut self.questions
        } else {
            &mut self.effects
        };
        if own.len() >= WINDOW {
            self.overflowed = true;
        }
        if self.overflowed {
            return;
        }
        own.push_back(Half { outcome, ..half });
        if self.questions.is_empty() || self.effects.is_empty() {
            return;
        }
        if let (Some(question), Some(effect)) =
            (self.questions.pop_front(), self.effects.pop_front())
        {
            self.compare(&question, &effect);
        }
    }

    fn compare(&mut self, question: &Half, effect: &Half) {
        let place = |member: &str| format!("/side_effects/{}{member}", effect.index);
        let word = |half: &Half| json!(OUTCOMES.get(half.outcome));
        let at = |at: Option<Timestamp>| json!(at.map(|at| at.to_string()));
        let apart = |one: Timestamp, other: Timestamp| one.duration_until(other).abs() >= APART;
        let wrong = if question.outcome != effect.outcome {
            let message = "is another than the outcome of the question";
            (place("/status"), word(question), word(effect), message)
        } else if question.step != effect.step && !question.may_differ {
            let message = "is not that of the question";
            let (expected, got) = (json!(question.step), json!(effect.step));
            (place("/step_number"), expected, got, message)
        } else if let (Some(answered), Some(own)) = (question.at, effect.at)
            && (apart(answered, own) || question.asked.is_some_and(|asked| own < asked))
        {
            let message = "is not when the question was answered";
            (place("/at"), at(question.at), at(effect.at), message)
        } else {
            return;
        };
        if self.wrong.len() < MOST {
            self.wrong.push(wrong);
        }
    }

    /// What can be said when all are known; where one is missing, that is said elsewhere, and nobody knows which belong together.
    pub fn end(self, found: &mut Findings<'_>) {
        if self.overflowed || !self.questions.is_empty() || !self.effects.is_empty() {
            return;
        }
        for (place, expected, got, message) in self.wrong {
            found.say("TRN-012", place, expected, Some(&got), message);
        }
    }
}
