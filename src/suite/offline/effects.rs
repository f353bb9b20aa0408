//! The effects of a session, one after the other (`spec/transcripts.md`, section 6).

use serde_json::{Value, json};

use super::findings::Findings;
use super::head::Head;
use super::ledger::Ledger;
use super::order::Order;
use super::people::OUTCOMES;
use super::rules::Rules;
use super::{number, text, time};
use crate::suite::transcript::entries;

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
        if text(effect, "kind") == "person"
            && let Some(at) = OUTCOMES
                .iter()
                .position(|one| *one == text(effect, "status"))
            && let Some(count) = self.outcomes.get_mut(at)
        {
            *count += 1;
        }
        match number(effect, "step_number") {
            Some(0) | None => {}
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
