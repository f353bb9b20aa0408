//! What the model was shown, turn by turn: the goal, the present observation, the replies that were refused in the same step call, and
//! nothing else of the past (`spec/model.md`, section 1; `spec/plans.md`, section 3; `spec/observations.md`, section 2).

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::echoes::Echoes;
use super::findings::Findings;
use super::head::Head;
use super::ledger::{Mark, WINDOW, mark};
use super::times::{ended, latest};
use super::{array, number, text, time};
use crate::suite::matcher::same;
use crate::suite::secrets::REDACTED;
use crate::suite::sight::observations_in;
use crate::suite::transcript::entries::Contracts;

/// Observations of one prompt that are looked at.
const MOST_SHOWN: usize = 16;

/// Replies of earlier step calls that are looked for, and how much of each.
const MOST_SAID: usize = 32;
const MOST_OF_ONE: usize = 4_096;

/// Shorter replies can stand in a prompt by chance.
const LEAST_SAID: usize = 16;

/// From here on a refused reply can be cut in the next prompt (`spec/plans.md`, 3.2), wherever a character ends.
const CUT: usize = 16 * 1024 - 4;

/// The prompts so far.
#[derive(Debug, Default)]
pub(super) struct Prompts {
    /// The observation after each step, by its number; 0: the initial one.
    after: BTreeMap<u64, After>,
    /// What was shown of observations that are not known yet.
    waiting: BTreeMap<u64, Vec<Shown>>,
    waits: usize,
    /// The largest number of a step that a turn became.
    counted: u64,
    /// The step of the observation that was shown last.
    shown: u64,
    /// The step call that goes on: the time that its prompts show, and its refused replies.
    call: Option<Timestamp>,
    refused: Vec<Reply>,
    /// Replies of earlier step calls.
    said: VecDeque<String>,
    /// The errors that were shown.
    echoes: Echoes,
}

#[derive(Debug)]
struct After {
    /// As it is replayed, and as it is recorded if that is another.
    marks: [Mark; 2],
    /// When the step ended.
    ended: Option<Timestamp>,
}

/// An observation in a prompt.
#[derive(Debug)]
struct Shown {
    turn: u64,
    marks: Vec<Mark>,
    /// The time that it shows.
    at: Option<Timestamp>,
}

#[derive(Debug)]
struct Reply {
    text: String,
    /// Whether the prompt that it answers did not hold it already.
    is_new: bool,
}

/// An observation as a prompt shows it.
struct Seen {
    /// The message, and the place in its text.
    message: usize,
    place: Range<usize>,
    step: Option<u64>,
    mark: Mark,
    timestamp: Value,
}

/// What came of a prompt.
pub(super) struct Answered {
    /// The time at which its step call began, as the observation shows it.
    pub began: Option<Timestamp>,
    /// What it holds beside the observation.
    rest: String,
}

/// An observation's mark without its time, which each step call sets anew.
fn timeless(observation: &Value) -> Mark {
    let mut timeless = observation.clone();
    if let Value::Object(members) = &mut timeless {
        members.remove("timestamp");
    }
    mark(&timeless)
}

impl Prompts {
    /// Begins with the observation that the client gave.
    pub fn begin(&mut self, initial: Option<&Value>) {
        if let Some(initial) = initial {
            let mark = timeless(initial);
            let after = After {
                marks: [mark, mark],
                ended: None,
            };
            self.after.insert(0, after);
        }
    }

    /// Looks at what the next turn shows.
    pub fn turn(
        &mut self,
        index: u64,
        turn: &Value,
        head: &Head,
        contracts: &Contracts,
        found: &mut Findings<'_>,
    ) -> Answered {
        let contents: Vec<&str> = array(turn, "messages")
            .map(|message| text(message, "content"))
            .collect();
        let contract = contracts.text(text(turn, "contract"));
        let goal = head
            .members
            .get("goal")
            .map(|goal| text(goal, "description"));
        // A goal, a contract or a refused reply can hold whatever it likes.
        let holds = |whole: Option<&str>, part: &str| whole.is_some_and(|own| own.contains(part));
        let known = |part: &str| {
            let mut refused = self.refused.iter();
            holds(goal, part) || holds(contract, part) || refused.any(|own| own.text.contains(part))
        };
        let mut seen = Vec::new();
        let mut is_whole = true;
        for (message, content) in contents.iter().enumerate() {
            let (observations, whole) = observations_in(content, MOST_SHOWN);
            is_whole &= whole;
            seen.extend(observations.into_iter().filter_map(|(place, mut own)| {
                if known(content.get(place.clone())?) {
                    return None;
                }
                let timestamp = own.as_object_mut()?.remove("timestamp");
                Some(Seen {
                    message,
                    place,
                    step: own.get("step").map_or(Some(0), Value::as_u64),
                    mark: mark(&own),
                    timestamp: timestamp.unwrap_or_default(),
                })
            }));
        }
        is_whole &= !contents.iter().any(|content| content.contains(REDACTED));
        let rest = rest(&contents, &seen);
        let old = self
            .said
            .iter()
            .find(|old| rest.contains(old.as_str()) && !known(old));
        if let Some(old) = old {
            let place = format!("/turns/{index}/messages");
            let none = json!({"$not": {"$has": old}});
            let message = "hold a reply of an earlier step call";
            found.say("MOD-006", place, none, turn.get("messages"), message);
        }
        self.refusals(index, turn, &contents, found);
        if is_whole && !seen.is_empty() {
            let shown: Vec<&str> = seen
                .iter()
                .filter_map(|own| contents.get(own.message)?.get(own.place.clone()))
                .collect();
            self.echoes.prompt(index, &rest, &shown, found);
        }
        Answered {
            began: self.observation(index, turn, head, &seen, is_whole, found),
            rest,
        }
    }

    /// Whether the observation is that of this turn.
    fn observation(
        &mut self,
        index: u64,
        turn: &Value,
        head: &Head,
        seen: &[Seen],
        is_whole: bool,
        found: &mut Findings<'_>,
    ) -> Option<Timestamp> {
        let place = format!("/turns/{index}/messages");
        let expected = number(turn, "step_number").map(|step| step.saturating_sub(1));
        let least = expected.unwrap_or(self.counted).max(self.shown);
        self.counted = self
            .counted
            .max(number(turn, "step_number").unwrap_or_default());
        let fits = |own: &&Seen| match expected {
            Some(expected) => own.step == Some(expected),
            None => own.step.is_some_and(|step| step >= least),
        };
        let Some(present) = seen.iter().filter(fits).max_by_key(|own| own.step) else {
            if is_whole || !seen.is_empty() {
                let words = match least {
                    0 => "the observation, without a step".to_owned(),
                    step => format!("the observation after step {step}"),
                };
                let got = seen.first().map(|own| json!({"step": own.step}));
                let message = "do not hold the present observation as one JSON text";
                found.say("MOD-005", place, json!(words), got.as_ref(), message);
            }
            return None;
        };
        let step = present.step.unwrap_or_default();
        if step < self.shown {
            let message = "show an earlier observation than the prompt before";
            let expected = json!(format!("that after step {}", self.shown));
            found.say("MOD-005", &*place, expected, Some(&json!(step)), message);
        }
        self.shown = step;
        for old in seen
            .iter()
            .filter(|own| own.step.is_some_and(|own| own < step))
        {
            let message = "holds an observation of the past beside the present one";
            let place = format!("{place}/{}/content", old.message);
            let none = json!({"$absent": true});
            found.say(
                "MOD-006",
                place,
                none,
                Some(&json!({"step": old.step})),
                message,
            );
        }
        let began = present.timestamp.as_str().and_then(|at| at.parse().ok());
        self.began(index, turn, head, began, &present.timestamp, found);
        let shown = Shown {
            turn: index,
            marks: seen
                .iter()
                .filter(|own| own.step == Some(step))
                .map(|own| own.mark)
                .collect(),
            at: began,
        };
        match self.after.get(&step) {
            Some(after) => after.compare(step, &shown, found),
            // Its step may come later.
            None if self.waits < WINDOW => {
                self.waits += 1;
                self.waiting.entry(step).or_default().push(shown);
            }
            None => {}
        }
        began
    }

    /// Whether the time of the observation is that at which the step call began.
    fn began(
        &self,
        index: u64,
        turn: &Value,
        head: &Head,
        began: Option<Timestamp>,
        shown: &Value,
        found: &mut Findings<'_>,
    ) {
        let mut say = |expected: String, message: &str| {
            let place = format!("/turns/{index}/messages");
            found.say("OBS-004", place, json!(expected), Some(shown), message);
        };
        let Some(began) = began else {
            return say(
                "a timestamp".to_owned(),
                "show an observation whose timestamp is no time",
            );
        };
        if let Some(asked) = time(turn, "at").filter(|asked| began > *asked) {
            say(
                format!("at most {asked}, when the model was asked"),
                "show a time after that of the request",
            );
        } else if let Some(opened) = head.started.filter(|opened| began < *opened) {
            say(
                format!("at least {opened}, when the session was created"),
                "show a time before the session",
            );
        } else if let Some(call) = self.call.filter(|call| *call != began) {
            say(
                call.to_string(),
                "show another time than the prompt before of the same step call",
            );
        }
    }

    /// Whether the replies that were refused in this step call are shown.
    fn refusals(&self, index: u64, turn: &Value, contents: &[&str], found: &mut Findings<'_>) {
        for reply in &self.refused {
            let own = reply.text.trim();
            let own = &own[..own.floor_char_boundary(CUT)];
            let is_shown = contents.iter().any(|content| holds(content, own));
            if !is_shown {
                found.say(
                    "PLN-018",
                    format!("/turns/{index}/messages"),
                    json!({"$has": own}),
                    turn.get("messages"),
                    "do not hold a reply that was refused in this step call",
                );
            }
        }
    }

    /// Keeps the reply for the prompts that follow; `goes_on`: it was refused, and the model is asked again in the same step call.
    pub fn reply(&mut self, turn: &Value, answered: Answered, goes_on: bool) {
        if let Some(own) = turn.get("reply").and_then(Value::as_str)
            && !own.trim().is_empty()
        {
            self.refused.push(Reply {
                text: own.to_owned(),
                is_new: !answered.rest.contains(own.trim()),
            });
        }
        self.echoes.reply(turn, goes_on);
        if goes_on {
            self.call = answered.began.or(self.call);
            return;
        }
        self.call = None;
        for reply in std::mem::take(&mut self.refused) {
            let own = reply.text.trim();
            if !reply.is_new || own.len() < LEAST_SAID {
                continue;
            }
            if self.said.len() >= MOST_SAID {
                self.said.pop_front();
            }
            let own = &own[..own.floor_char_boundary(MOST_OF_ONE)];
            self.said.push_back(own.to_owned());
        }
    }

    /// The last reply was taken for what it is not, or was the last, which is told with its turn: what a prompt after it tells is about it.
    pub fn misread(&mut self) {
        self.echoes.misread();
    }

    /// Takes in the observation after the next step, as it is replayed and as it is recorded.
    pub fn step(&mut self, step: &Value, replayed: Option<&Value>, found: &mut Findings<'_>) {
        let (Some(number), Some(recorded)) = (number(step, "step_number"), step.get("observation"))
        else {
            return;
        };
        let own = timeless(recorded);
        let other = replayed.filter(|replayed| !same(replayed, recorded));
        let after = After {
            marks: [own, other.map_or(own, timeless)],
            ended: ended(step),
        };
        for shown in self.waiting.remove(&number).unwrap_or_default() {
            self.waits = self.waits.saturating_sub(1);
            after.compare(number, &shown, found);
        }
        if self.after.len() >= WINDOW {
            self.after.pop_first();
        }
        // What a second step of one number is told elsewhere.
        self.after.entry(number).or_insert(after);
    }

    /// What can be said when all steps are known.
    pub fn end(&self, steps: u64, found: &mut Findings<'_>) {
        self.echoes.end(found);
        for (step, shown) in self.waiting.range(steps.saturating_add(1)..) {
            for shown in shown {
                let place = format!("/turns/{}/messages", shown.turn);
                let expected = json!(format!("the observation after one of {steps} steps"));
                let message = "show the observation after a step that is not there";
                found.say(
                    "MOD-005",
                    place,
                    expected,
                    Some(&json!({"step": step})),
                    message,
                );
            }
        }
    }
}

impl After {
    fn compare(&self, step: u64, shown: &Shown, found: &mut Findings<'_>) {
        let place = || format!("/turns/{}/messages", shown.turn);
        if !shown.marks.iter().any(|mark| self.marks.contains(mark)) {
            let expected = match step {
                0 => json!("the initial observation"),
                step => json!(format!("the observation after step {step}")),
            };
            let got = json!("another observation");
            let message = "show another observation than the results give";
            found.say("MOD-005", place(), expected, Some(&got), message);
        }
        if let (Some(ended), Some(at)) = (self.ended, shown.at)
            && latest(at) < ended
        {
            let expected = json!(format!(
                "a step call that began at {ended}, after step {step}"
            ));
            let got = json!(at.to_string());
            let message = "belong to a step call that began before the last one had ended";
            found.say("STP-015", place(), expected, Some(&got), message);
        }
    }
}

/// Whether a message holds a text as it is, or as it is within a JSON text, whatever was escaped there.
pub(super) fn holds(content: &str, text: &str) -> bool {
    content.contains(text) || (content.contains('\\') && unescaped(content).contains(text))
}

/// A text with the escapes of JSON undone; what is no escape stays.
fn unescaped(content: &str) -> String {
    let mut plain = String::with_capacity(content.len());
    let mut units: Vec<u16> = Vec::new();
    let mut rest = content;
    while let Some(at) = rest.find('\\') {
        if at > 0 || !rest.starts_with("\\u") {
            plain.push_str(&String::from_utf16_lossy(&std::mem::take(&mut units)));
        }
        plain.push_str(rest.get(..at).unwrap_or_default());
        rest = rest.get(at + 1..).unwrap_or_default();
        let unit = rest
            .get(1..5)
            .and_then(|hex| u16::from_str_radix(hex, 16).ok());
        let (letter, used) = match (rest.chars().next(), unit) {
            (Some('u'), Some(unit)) => {
                units.push(unit);
                (None, 5)
            }
            (Some('n'), _) => (Some('\n'), 1),
            (Some('t'), _) => (Some('\t'), 1),
            (Some('r'), _) => (Some('\r'), 1),
            (Some(own @ ('"' | '\\' | '/')), _) => (Some(own), 1),
            _ => (Some('\\'), 0),
        };
        plain.extend(letter);
        rest = rest.get(used..).unwrap_or_default();
        if !rest.starts_with('\\') {
            plain.push_str(&String::from_utf16_lossy(&std::mem::take(&mut units)));
        }
    }
    plain.push_str(rest);
    plain
}

/// What stands in messages beside the observations.
fn rest(contents: &[&str], seen: &[Seen]) -> String {
    let mut rest = String::new();
    for (message, content) in contents.iter().enumerate() {
        let mut from = 0;
        for own in seen.iter().filter(|own| own.message == message) {
            rest.push_str(content.get(from..own.place.start).unwrap_or_default());
            from = from.max(own.place.end);
        }
        rest.push_str(content.get(from..).unwrap_or_default());
        rest.push('\n');
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_however_it_is_escaped() {
        for content in [
            "say \"caf\u{e9}\" / \u{1f600}",
            r#"{"goal": "say \"caf\u00E9\" \/ \ud83d\ude00"}"#,
        ] {
            assert!(holds(content, "say \"caf\u{e9}\" / \u{1f600}"), "{content}");
        }
        for content in ["", "\\", r"\u12", r"\ud800", "say caf\u{e9}"] {
            assert!(!holds(content, "say \"caf\u{e9}\""), "{content}");
        }
    }
}
