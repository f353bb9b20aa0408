//! Errors of refused replies as the prompts show them, beside the refusals that turns record: each request to the model has its turn, so a
//! prompt tells of no reply that was refused and left out (`spec/transcripts.md`, 3.1; `spec/plans.md`, 3.2; `spec/model.md`, 1.4).
//!
//! How a runtime words an error is its own business. But two prompts of one session for which equal refusals are recorded show equally many.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::findings::Findings;
use super::prompts::holds;
use super::refusals::REFUSALS;
use super::{array, text};
use crate::suite::sight::objects_in;

/// Error objects of one prompt that are looked at.
const MOST: usize = 64;

/// How much of a reply is looked for in the next prompt.
const MOST_OF_ONE: usize = 4_096;

/// Kinds of prompts that are remembered; a step call has three at most, and few codes.
const MOST_KINDS: usize = 256;

/// How often each of [`REFUSALS`] stands somewhere.
type Counts = [u64; REFUSALS.len()];

/// What the prompts so far showed.
#[derive(Debug, Default)]
pub(super) struct Echoes {
    /// The refusals that are recorded of the step call that goes on.
    recorded: Counts,
    /// Whether a reply of this call holds a code itself, so that codes in the prompts that follow say nothing.
    muddled: bool,
    /// The fewest mentions of each code, by what was recorded before the prompt, with the turn.
    fewest: BTreeMap<(usize, Vec<usize>), (u64, u64)>,
    /// The codes of each reply that is recorded of the step call, one reply after the other, each ended by a number that is no code's.
    replies: Vec<usize>,
    /// Codes of error objects of which none is recorded: the first turn that shows one, and in how many.
    foreign: BTreeMap<usize, (u64, u64)>,
    prompts: u64,
    /// The reply before, or the begin of it; `None`: the model gave none.
    last: Option<String>,
}

impl Echoes {
    /// Looks at the next prompt. `rest`: what it holds beside observations; `observations`: the text of those.
    pub fn prompt(
        &mut self,
        index: u64,
        rest: &str,
        observations: &[&str],
        found: &mut Findings<'_>,
    ) {
        self.prompts += 1;
        let last = self.last.take();
        // An error that follows the reply it is about is that of a turn, whatever the turn says of itself.
        let is_of_a_turn = self.recorded == Counts::default()
            && last.is_none_or(|last| !last.is_empty() && holds(rest, &last));
        if self.muddled || is_of_a_turn && index > 0 {
            return;
        }
        let (errors, _) = objects_in(rest, MOST, is_refusal);
        for (code, name) in REFUSALS.iter().enumerate() {
            let recorded = self.recorded.get(code).copied().unwrap_or_default();
            let is_object = |(_, error): &&(_, Value)| text(error, "errorCode") == *name;
            if recorded == 0 && errors.iter().any(|error| is_object(&error)) {
                self.foreign.entry(code).or_insert((index, 0)).1 += 1;
            }
            // Words about the last result are no refusal's.
            if observations.iter().any(|own| own.contains(name)) {
                continue;
            }
            let mentions = rest.matches(name).count() as u64;
            let key = (code, self.replies.clone());
            let room = self.fewest.len() < MOST_KINDS;
            match self.fewest.get_mut(&key) {
                Some((fewest, at)) if mentions < *fewest => {
                    tell(*at, name, found);
                    (*fewest, *at) = (mentions, index);
                }
                Some((fewest, _)) if mentions > *fewest => tell(index, name, found),
                None if room => {
                    self.fewest.insert(key, (mentions, index));
                }
                _ => {}
            }
        }
    }

    /// Takes in what came of the prompt; `goes_on`: the model is asked again in the same step call.
    pub fn reply(&mut self, turn: &Value, goes_on: bool) {
        let reply = turn.get("reply").and_then(Value::as_str).map(str::trim);
        self.last = reply.map(|reply| reply[..reply.floor_char_boundary(MOST_OF_ONE)].to_owned());
        if !goes_on {
            self.recorded = Counts::default();
            self.replies.clear();
            self.muddled = false;
            return;
        }
        let reply = text(turn, "reply");
        let errors = || array(turn, "refused").map(|error| text(error, "message"));
        self.muddled |= REFUSALS
            .iter()
            .any(|code| reply.contains(code) || errors().any(|message| message.contains(code)));
        for refusal in array(turn, "refused") {
            let code = REFUSALS
                .iter()
                .position(|code| *code == text(refusal, "errorCode"));
            if let Some(count) = code.and_then(|code| self.recorded.get_mut(code)) {
                *count += 1;
            }
            if self.replies.len() < MOST {
                self.replies.extend(code);
            }
        }
        self.replies.push(REFUSALS.len());
    }

    /// What the next prompt tells is about the last reply.
    pub fn misread(&mut self) {
        self.last = None;
    }

    /// What can be said when all prompts are known: what all of them show is an example.
    pub fn end(&self, found: &mut Findings<'_>) {
        for (code, (index, prompts)) in &self.foreign {
            if let Some(name) = REFUSALS.get(*code)
                && (*prompts < self.prompts || self.prompts == 1)
            {
                tell(*index, name, found);
            }
        }
    }
}

fn is_refusal(members: &Map<String, Value>) -> bool {
    let code = members.get("errorCode").and_then(Value::as_str);
    code.is_some_and(|code| REFUSALS.contains(&code))
        && members.get("message").is_some_and(Value::is_string)
}

fn tell(index: u64, code: &str, found: &mut Findings<'_>) {
    let place = format!("/turns/{index}/messages");
    let expected = json!(format!(
        "as many mentions of {code} as refusals are recorded"
    ));
    let got = json!(format!("one more {code}"));
    let message = "show the error of a refused reply of which there is no turn";
    found.say("TRN-004", place, expected, Some(&got), message);
}
