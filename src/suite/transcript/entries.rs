//! What one entry of a transcript must be beside what came before it, whether the whole transcript is at hand or it comes line by line
//! (`spec/transcripts.md`, sections 3 to 6).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{CONTRACTS, NUMBERS, TARGETS, USAGE};
use crate::suite::matcher::{Difference, absent, same};
use crate::suite::wire::Finding;

/// Most bytes of contract texts that are kept; of further ones only the digest is.
const MOST_TEXT: usize = 4 << 20;

/// Most contracts that are known at all.
const MOST_CONTRACTS: usize = 4_096;

/// The texts of contracts that turns refer to.
#[derive(Debug, Default)]
pub(in crate::suite) struct Contracts {
    known: BTreeMap<String, Contract>,
    kept: usize,
    full: bool,
}

#[derive(Debug)]
struct Contract {
    text: Option<String>,
    digest: String,
}

impl Contracts {
    /// Takes in the member `contracts` of a transcript; what is no text is the schema's business.
    pub fn add(&mut self, contracts: &Map<String, Value>) {
        for (name, text) in contracts {
            let Some(text) = text.as_str() else { continue };
            if self.known.len() >= MOST_CONTRACTS {
                self.full = true;
                return;
            }
            let keeps = self.kept + text.len() <= MOST_TEXT;
            self.kept += if keeps { text.len() } else { 0 };
            let contract = Contract {
                text: keeps.then(|| text.to_owned()),
                digest: sha256(text),
            };
            self.known.insert(name.clone(), contract);
        }
    }

    /// The text under a digest.
    pub fn text(&self, digest: &str) -> Option<&str> {
        self.known.get(digest)?.text.as_deref()
    }

    /// Whether the contract of a turn is there, under its own digest.
    pub fn check(&self, index: u64, turn: &Value) -> Option<Finding> {
        let named = turn.get("contract").and_then(Value::as_str)?;
        let pointer = format!("/turns/{index}/contract");
        let got = Value::from(named);
        match self.known.get(named) {
            None if self.full => None,
            None => Some(wrong(
                CONTRACTS,
                pointer,
                Value::from("a digest that contracts holds"),
                got,
                "has no text in contracts",
            )),
            Some(contract) if contract.digest != named => Some(wrong(
                CONTRACTS,
                pointer,
                Value::from(contract.digest.as_str()),
                got,
                "is not the digest of its text",
            )),
            Some(_) => None,
        }
    }
}

/// What the turns used, summed.
#[derive(Debug, Default)]
pub(in crate::suite) struct Usage {
    turns: u64,
    prompt: u64,
    completion: u64,
}

impl Usage {
    /// Adds what a turn reported.
    pub fn add(&mut self, turn: &Value) {
        let used = |member: &str| {
            let used = turn.get("usage").and_then(|usage| usage.get(member));
            used.and_then(Value::as_u64).unwrap_or_default()
        };
        self.turns = self.turns.saturating_add(1);
        self.prompt = self.prompt.saturating_add(used("prompt_tokens"));
        self.completion = self.completion.saturating_add(used("completion_tokens"));
    }

    /// What in `usage` of a transcript is not that sum.
    pub fn check(&self, usage: Option<&Value>) -> Vec<Finding> {
        [
            ("model_calls", self.turns),
            ("prompt_tokens", self.prompt),
            ("completion_tokens", self.completion),
        ]
        .into_iter()
        .filter_map(|(member, expected)| {
            let got = usage.and_then(|usage| usage.get(member));
            let expected = Value::from(expected);
            if got.is_some_and(|got| same(&expected, got)) {
                return None;
            }
            let pointer = format!("/usage/{member}");
            let got = got.cloned().unwrap_or_else(absent);
            let message = "is not the sum over the turns";
            Some(wrong(USAGE, pointer, expected, got, message))
        })
        .collect()
    }
}

/// Whether the step at a place, counted from 0, has the number of its place.
pub(in crate::suite) fn number(index: u64, step: &Value) -> Option<Finding> {
    let expected = Value::from(index.saturating_add(1));
    let got = step.get("step_number");
    if got.is_some_and(|got| same(&expected, got)) {
        return None;
    }
    let pointer = format!("/steps/{index}/step_number");
    let got = got.cloned().unwrap_or_else(absent);
    let message = "leaves a gap or repeats a number";
    Some(wrong(NUMBERS, pointer, expected, got, message))
}

/// Whether the target of an HTTP effect is no URL without query, fragment and user information.
pub(in crate::suite) fn target(index: u64, effect: &Value) -> Option<Finding> {
    if effect.get("kind").and_then(Value::as_str) != Some("http") {
        return None;
    }
    let target = effect.get("target").and_then(Value::as_str)?;
    let authority = target.split_once("://").map_or("", |(_, rest)| rest);
    let authority = authority.split('/').next().unwrap_or_default();
    let message = if target.contains(['?', '#']) {
        "has a query or a fragment"
    } else if authority.contains('@') {
        "names a user"
    } else {
        return None;
    };
    let pointer = format!("/side_effects/{index}/target");
    let expected = Value::from("a URL without query, fragment and user");
    let got = Value::from(target);
    Some(wrong(TARGETS, pointer, expected, got, message))
}

fn wrong(
    requirement: &str,
    pointer: String,
    expected: Value,
    got: Value,
    message: &str,
) -> Finding {
    Finding {
        requirement: requirement.to_owned(),
        difference: Difference {
            pointer,
            expected,
            got,
            message: message.to_owned(),
        },
    }
}

/// The digest of a contract's text.
pub(super) fn sha256(text: &str) -> String {
    let mut digest = String::from("sha256:");
    for byte in Sha256::digest(text.as_bytes()) {
        // Writing to a string cannot fail.
        let _ = write!(digest, "{byte:02x}");
    }
    digest
}
