//! The effects of a session, one after the other (`spec/transcripts.md`, section 6).

use serde_json::{Value, json};

use super::findings::Findings;
use super::head::Head;
use super::ledger::Ledger;
use super::order::Order;
use super::people::OUTCOMES;
use super::rules::Rules;
use super::times;
use super::{number, text, time};
use crate::suite::transcript::entries;
use crate::suite::wire::{Finding, Wire};

/// The effects so far.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub count: u64,
    pub order: Order,
    /// How often each of [`OUTCOMES`] was.
    outcomes: [u64; 3],
    /// The largest number of a step, and where it stands.
    furthest: Option<(u64, u64)>,
}

impl Effects {
    /// Looks at the next effect.
    pub fn take(
        &mut self,
        effect: &Value,
        head: &Head,
        ledger: &mut Ledger,
        wire: &Wire,
        rules: Option<&Rules>,
        found: &mut Findings<'_>,
    ) {
        let index = self.count;
        self.count += 1;
        found.extend(entries::target(index, effect));
        let place = || format!("/side_effects/{index}/at");
        if let Some(wrong) = self.order.take(time(effect, "at"), head.started, place) {
            let got = effect.get("at");
            found.say("TRN-012", place(), json!("a later time"), got, wrong);
        }
        strange_status(index, effect, wire, found);
        if text(effect, "kind") == "person"
            && let Some(at) = OUTCOMES
                .iter()
                .position(|one| *one == text(effect, "status"))
            && let Some(count) = self.outcomes.get_mut(at)
        {
            *count += 1;
        }
        times::forms(effect, &["at"], &format!("/side_effects/{index}"), found);
        match number(effect, "step_number") {
            Some(0) => {}
            None => uncounted(index, effect, found),
            Some(step) => {
                if self.furthest.is_none_or(|(furthest, _)| furthest < step) {
                    self.furthest = Some((step, index));
                }
                ledger.effect(step, index, effect, rules, found);
            }
        }
    }

    /// What can be said when all is known.
    pub fn end(&self, steps: u64, asked: &[u64; 3], found: &mut Findings<'_>) {
        if let Some((step, index)) = self.furthest.filter(|(step, _)| *step > steps) {
            let place = format!("/side_effects/{index}/step_number");
            let expected = json!("the number of a step, or null");
            let message = "is the number of no step";
            found.say("TRN-012", place, expected, Some(&json!(step)), message);
        }
        if self.outcomes != *asked {
            let counted = |counts: &[u64; 3]| -> Value {
                let named = OUTCOMES.iter().zip(counts);
                json!(
                    named
                        .map(|(name, count)| format!("{count} {name}"))
                        .collect::<Vec<_>>()
                )
            };
            found.say(
                "TRN-012",
                "/side_effects",
                counted(asked),
                Some(&counted(&self.outcomes)),
                "do not have one entry for each question that a person answered or rejected",
            );
        }
    }
}

/// What belongs to no step is a person's answer to three refused replies: an action that was attempted counts (`spec/steps.md`, 2.1).
fn uncounted(index: u64, effect: &Value, found: &mut Findings<'_>) {
    // What is no number is the schema's business.
    if !effect.get("step_number").is_some_and(Value::is_null) {
        return;
    }
    let place = |member: &str| format!("/side_effects/{index}/{member}");
    match text(effect, "kind") {
        "person" if text(effect, "target") != "invalid_plan" => {
            let expected = json!("invalid_plan");
            let message = "is another, though the answer counted no step";
            let got = effect.get("target");
            found.say("TRN-013", place("target"), expected, got, message);
        }
        "http" | "file" => {
            let expected = json!("the number of a step");
            let message = "is missing, though an action that was attempted counts";
            let got = effect.get("step_number");
            found.say("TRN-012", place("step_number"), expected, got, message);
        }
        _ => {}
    }
}

/// A status over HTTP is a number from 100 to 599 (RFC 9110, section 15), and that of a file `ok` or a code.
fn strange_status(index: u64, effect: &Value, wire: &Wire, found: &mut Findings<'_>) {
    let status = effect.get("status");
    let number = status.and_then(Value::as_i64);
    let (expected, message) = match text(effect, "kind") {
        "http" if number.is_some_and(|number| !(100..600).contains(&number)) => {
            ("a status from 100 to 599, or null", "is no status of HTTP")
        }
        "file" if !is_known(text(effect, "status"), wire) => {
            ("ok, or a code of the list", "is neither ok nor a code")
        }
        _ => return,
    };
    let place = format!("/side_effects/{index}/status");
    found.say("TRN-012", place, json!(expected), status, message);
}

fn is_known(status: &str, wire: &Wire) -> bool {
    let error = json!({"errorCode": status, "message": "of a file", "retryable": false});
    let unknown = |wrong: &Finding| wrong.requirement == "ERR-002";
    status == "ok" || !wire.error(None, &error).as_ref().is_some_and(unknown)
}
