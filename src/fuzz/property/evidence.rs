//! Everything that is wrong with one run, found once, and shared out among the properties.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    Breach, Expectation, Ground, Property, exchanges, list, records, repeats, rerun, workflows,
};
use crate::fuzz::oracle::{self, Surprise};
use crate::suite::invariants;
use crate::suite::verdict::Mismatch;

/// Breaches of one property that are told of one run.
const MOST: usize = 5;

/// Longest value of a breach, in bytes of its JSON.
const MOST_BYTES: usize = 2_000;

/// What was found in one run.
pub struct Evidence<'a> {
    ground: Ground<'a>,
    found: Vec<Surprise>,
}

impl<'a> Evidence<'a> {
    /// Looks at a run.
    pub fn new(ground: Ground<'a>) -> Self {
        let observed = ground.observed;
        if observed.harness.is_some() || observed.control.obstacle().is_some() {
            return Self {
                ground,
                found: Vec::new(),
            };
        }
        let mut found: Vec<Surprise> = oracle::follow(&ground);
        // Without its expectations a case has nothing that its scripts would have to be used up for.
        let checked = invariants::check(ground.case, observed, &ground.judge, false);
        found.extend(checked.into_iter().filter_map(of_mismatch));
        found.extend(records::check(&ground));
        found.extend(exchanges::check(&ground));
        found.extend(repeats::check(&ground));
        found.extend(workflows::check(&ground));
        found.extend(rerun::check(&ground));
        Self { ground, found }
    }

    /// The breaches of a property.
    pub(super) fn of(&self, property: &Property) -> Vec<Breach> {
        let mut told = BTreeSet::new();
        let own = self
            .found
            .iter()
            .filter(|surprise| list::of(&surprise.requirement).id == property.id);
        own.filter(|surprise| {
            told.insert((&surprise.requirement, &surprise.place, &surprise.pointer))
        })
        .take(MOST)
        .map(|surprise| self.breach(property, surprise))
        .collect()
    }

    fn breach(&self, property: &Property, surprise: &Surprise) -> Breach {
        let named =
            list::name(&surprise.requirement).or_else(|| property.requirements.first().copied());
        Breach {
            property: property.id,
            requirement: named.unwrap_or("ERR-014"),
            place: surprise.place.clone(),
            pointer: surprise.pointer.clone(),
            expected: match &surprise.expected {
                Value::String(text) => text.clone(),
                other => short(other).to_string(),
            },
            got: short(&self.ground.judge.secrets.redact(&surprise.got)),
            message: self.ground.judge.secrets.redact_text(&surprise.message),
            expectation: match (surprise.step, &surprise.expect) {
                (Some(step), Some(expect)) => Some(Expectation::Step(step, expect.clone())),
                _ => None,
            },
        }
    }
}

/// The beginning of a value that is too long to be told.
fn short(value: &Value) -> Value {
    let text = value.to_string();
    if text.len() <= MOST_BYTES {
        return value.clone();
    }
    Value::from(format!(
        "{} … ({} bytes)",
        text.chars().take(200).collect::<String>(),
        text.len()
    ))
}

/// What the suite checks of every case, as a finding; silence is no answer and so no breach of a rule.
fn of_mismatch(mismatch: Mismatch) -> Option<Surprise> {
    if mismatch.no_answer {
        return None;
    }
    let requirement = mismatch.cites.into_iter().next()?;
    Some(Surprise {
        requirement,
        step: None,
        place: mismatch.place,
        pointer: mismatch.pointer,
        expected: mismatch.expected,
        got: mismatch.got,
        message: mismatch.message,
        expect: None,
    })
}
