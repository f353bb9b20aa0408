//! What a session remembers, and the transcript that is made of it (`spec/transcripts.md`).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::contract::Contract;
use crate::model::{Message, Role, Usage};
use crate::runtime::held_bytes;

/// One exchange with the model.
#[derive(Debug, Clone)]
pub struct Turn {
    /// When the model was asked.
    pub at: String,
    /// What it was sent.
    pub messages: Vec<Message>,
    /// Digest of the contract among the messages.
    pub contract: Arc<str>,
    /// What it replied; `None` when no reply came.
    pub reply: Option<String>,
    /// Why it stopped, if it said so.
    pub finish_reason: Option<String>,
    /// Tokens, if it counted them.
    pub usage: Option<Usage>,
    /// The error objects, if the reply was refused.
    pub refused: Option<Value>,
    /// The error object, if the model failed.
    pub error: Option<Value>,
    /// The step that the exchange led to.
    pub step_number: Option<u64>,
}

/// One counted step.
#[derive(Debug, Clone)]
pub struct Step {
    /// From 1, without gaps.
    pub step_number: u64,
    /// When its step call began.
    pub started_at: String,
    /// From then to its end, in milliseconds.
    pub duration_ms: u64,
    /// The plan as it came.
    pub plan: Value,
    /// The ActionResult.
    pub result: Value,
    /// What sandboxed code wrote, if it wrote something.
    pub logs: Option<String>,
    /// The observation afterwards.
    pub observation: Arc<Value>,
}

/// One question to a person.
#[derive(Debug, Clone)]
pub struct Intervention {
    /// Its id.
    pub id: String,
    /// `human_intervention`, `approval` or `invalid_plan`.
    pub kind: &'static str,
    /// What the person is asked.
    pub prompt: String,
    /// When the session began to wait.
    pub asked_at: String,
    /// When the answer was taken.
    pub answered_at: Option<String>,
    /// The subject that answered.
    pub answered_by: Option<String>,
    /// What was answered.
    pub output: Option<Value>,
    /// `answered`, `approved`, `rejected` or `cancelled`; `None` while it waits.
    pub outcome: Option<&'static str>,
    /// The step that it led to.
    pub step_number: Option<u64>,
}

/// One effect on the world outside.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SideEffect {
    /// The step to which it belongs, if one counted.
    pub step_number: Option<u64>,
    /// `http`, `file` or `person`.
    pub kind: &'static str,
    /// The HTTP method, or `ASK`.
    pub method: String,
    /// The URL without query, or the action that asks.
    pub target: String,
    /// The HTTP status, or how the question ended; null when no answer came.
    pub status: Value,
    /// When it happened.
    pub at: String,
}

/// A side effect as it is read from a row.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenEffect {
    step_number: Option<u64>,
    kind: String,
    method: String,
    target: String,
    status: Value,
    at: String,
}

// By hand: the derived one would want rows that live for ever, as the kinds do.
impl<'de> Deserialize<'de> for SideEffect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = WrittenEffect::deserialize(deserializer)?;
        let kinds = ["http", "file", "person"];
        let kind = kinds.into_iter().find(|kind| *kind == written.kind);
        let unknown = || D::Error::custom("a side effect is of kind http, file or person");
        Ok(Self {
            step_number: written.step_number,
            kind: kind.ok_or_else(unknown)?,
            method: written.method,
            target: written.target,
            status: written.status,
            at: written.at,
        })
    }
}

/// An entry of the record, by its index among those of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// An exchange with the model.
    Turn(usize),
    /// An effect on the world outside.
    SideEffect(usize),
    /// A question to a person.
    Intervention(usize),
    /// A counted step.
    Step(usize),
}

/// All that a session remembers of its past.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// Exchanges with the model.
    pub turns: Vec<Turn>,
    /// Counted steps.
    pub steps: Vec<Step>,
    /// Questions to people.
    pub interventions: Vec<Intervention>,
    /// Effects on the world outside.
    pub side_effects: Vec<SideEffect>,
    /// The contracts, by digest. They weigh nothing here: who shares them out counts them.
    pub contracts: BTreeMap<Arc<str>, Contract>,
    /// Each entry that was added or changed, in order: a change's number, from 1, is the same wherever the session is made again.
    pub changes: Vec<Change>,
    /// Roughly the bytes that all this holds.
    pub weight: usize,
    /// How many of the exchanges ended with a refused reply.
    pub refused: usize,
}

impl Record {
    /// Remembers an exchange and gives its index.
    pub fn add_turn(&mut self, turn: Turn) -> usize {
        // The contract is shared by all turns, a question by the attempts of one step.
        let own = if turn.messages.len() <= 2 {
            turn.messages.iter().skip(1)
        } else {
            turn.messages
                .iter()
                .skip(turn.messages.len().saturating_sub(2))
        };
        self.weight += own.map(|message| message.content.len()).sum::<usize>();
        self.weight += turn.reply.as_ref().map_or(0, String::len) + 256;
        self.weight += turn.refused.as_ref().map_or(0, held_bytes);
        self.refused += usize::from(turn.refused.is_some());
        let index = self.turns.len();
        self.turns.push(turn);
        self.changes.push(Change::Turn(index));
        index
    }

    /// Remembers a contract, once.
    pub fn add_contract(&mut self, contract: &Contract) {
        if !self.contracts.contains_key(contract.digest()) {
            self.contracts
                .insert(Arc::clone(contract.digest()), contract.clone());
        }
    }

    /// Remembers a step.
    pub fn add_step(&mut self, step: Step) {
        self.weight += [&step.plan, &step.result, &*step.observation]
            .map(held_bytes)
            .iter()
            .sum::<usize>()
            + step.logs.as_ref().map_or(0, String::len)
            + 256;
        self.changes.push(Change::Step(self.steps.len()));
        self.steps.push(step);
    }

    /// Remembers a question.
    pub fn add_intervention(&mut self, asked: Intervention) {
        self.changes
            .push(Change::Intervention(self.interventions.len()));
        self.interventions.push(asked);
    }

    /// Remembers effects.
    pub fn add_side_effects(&mut self, effects: impl IntoIterator<Item = SideEffect>) {
        for effect in effects {
            self.changes
                .push(Change::SideEffect(self.side_effects.len()));
            self.side_effects.push(effect);
        }
    }

    /// The question of this id, to be changed.
    pub fn intervention(&mut self, id: &str) -> Option<&mut Intervention> {
        let asked = self.interventions.iter();
        let index = asked.enumerate().find(|(_, asked)| asked.id == id)?.0;
        self.changes.push(Change::Intervention(index));
        self.interventions.get_mut(index)
    }

    /// The exchange of this index, to be changed.
    pub fn turn(&mut self, index: usize) -> Option<&mut Turn> {
        let turn = self.turns.get_mut(index)?;
        self.changes.push(Change::Turn(index));
        Some(turn)
    }

    /// The effect of this index, to be changed.
    pub fn side_effect(&mut self, index: usize) -> Option<&mut SideEffect> {
        let effect = self.side_effects.get_mut(index)?;
        self.changes.push(Change::SideEffect(index));
        Some(effect)
    }
}

/// Everything that stands in a transcript besides the record.
#[derive(Debug, Clone)]
pub struct Heading {
    /// The session.
    pub session_id: String,
    /// Name, version and digest.
    pub manifest: Value,
    /// The goal as given.
    pub goal: Value,
    /// The status when close was called.
    pub status: &'static str,
    /// The limit of steps.
    pub max_steps: u64,
    /// The flags, if the client gave some.
    pub flags: Option<Vec<String>>,
    /// The seed, if the client gave one.
    pub seed: Option<u64>,
    /// When the session was created.
    pub started_at: String,
    /// When it was closed.
    pub closed_at: String,
    /// The observation it began with.
    pub initial_observation: Arc<Value>,
    /// The observation it ended with.
    pub final_observation: Arc<Value>,
}

/// The turns of a transcript; the contract stands in them by its digest.
pub fn turns(turns: &[Turn]) -> Vec<Value> {
    turns
        .iter()
        .zip(1_u64..)
        .map(|(turn, number)| turn_value(turn, number))
        .collect()
}

/// One turn of a transcript, of this number.
pub fn turn_value(turn: &Turn, number: u64) -> Value {
    let messages: Vec<Value> = turn
        .messages
        .iter()
        .map(|message| match message.role {
            Role::System => {
                json!({"role": "system", "content": format!("[contract {}]", turn.contract)})
            }
            _ => message.to_value(),
        })
        .collect();
    let mut value = json!({
        "turn_number": number, "at": turn.at, "messages": messages, "contract": &*turn.contract, "reply": turn.reply,
        "usage": turn.usage.map(usage_value), "finish_reason": turn.finish_reason, "refused": turn.refused,
        "error": turn.error,
    });
    set(&mut value, "step_number", turn.step_number.map(Value::from));
    value
}

fn usage_value(usage: Usage) -> Value {
    json!({"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens})
}

/// The steps of a transcript.
pub fn steps(steps: &[Step]) -> Vec<Value> {
    steps
        .iter()
        .map(|step| {
            let mut value = json!({
                "step_number": step.step_number, "started_at": step.started_at, "duration_ms": step.duration_ms,
                "plan": step.plan, "result": step.result, "observation": *step.observation,
            });
            set(&mut value, "logs", step.logs.clone().map(Value::from));
            value
        })
        .collect()
}

/// The interventions of a transcript.
pub fn interventions(interventions: &[Intervention]) -> Vec<Value> {
    interventions
        .iter()
        .map(|asked| {
            let mut value = json!({
                "id": asked.id, "kind": asked.kind, "prompt": asked.prompt, "asked_at": asked.asked_at,
                "answered_at": asked.answered_at,
            });
            set(
                &mut value,
                "answered_by",
                asked.answered_by.clone().map(Value::from),
            );
            set(&mut value, "output", asked.output.clone());
            set(&mut value, "outcome", asked.outcome.map(Value::from));
            set(&mut value, "step_number", asked.step_number.map(Value::from));
            value
        })
        .collect()
}

/// The side effects of a transcript.
pub fn side_effects(effects: &[SideEffect]) -> Vec<Value> {
    effects
        .iter()
        .map(|effect| {
            json!({
                "step_number": effect.step_number, "kind": effect.kind, "method": effect.method,
                "target": effect.target, "status": effect.status, "at": effect.at,
            })
        })
        .collect()
}

/// Tokens and model calls of the whole session.
pub fn usage(turns: &[Turn]) -> Value {
    let counted = turns.iter().filter_map(|turn| turn.usage);
    let (prompt, completion) = counted.fold((0_u64, 0_u64), |(prompt, completion), usage| {
        (
            prompt.saturating_add(usage.prompt_tokens),
            completion.saturating_add(usage.completion_tokens),
        )
    });
    json!({"prompt_tokens": prompt, "completion_tokens": completion, "model_calls": turns.len()})
}

/// `sha256:` and the hexadecimal SHA-256 of a text, under which a contract is kept.
pub fn text_digest(text: &str) -> String {
    use std::fmt::Write as _;
    let mut digest = "sha256:".to_owned();
    for byte in Sha256::digest(text.as_bytes()) {
        // Writing to a string cannot fail.
        let _ = write!(digest, "{byte:02x}");
    }
    digest
}

fn set(value: &mut Value, name: &str, member: Option<Value>) {
    if let (Value::Object(members), Some(member)) = (value, member) {
        members.insert(name.to_owned(), member);
    }
}

/// Puts the heading and the parts of the record together.
pub fn assemble(heading: &Heading, sections: Map<String, Value>) -> Value {
    let mut transcript = json!({
        "protocol_version": "2.0",
        "session_id": heading.session_id,
        "manifest": heading.manifest,
        "goal": heading.goal,
        "status": heading.status,
        "max_steps": heading.max_steps,
        "started_at": heading.started_at,
        "closed_at": heading.closed_at,
        "initial_observation": *heading.initial_observation,
    });
    set(
        &mut transcript,
        "flags",
        heading.flags.clone().map(Value::from),
    );
    set(&mut transcript, "seed", heading.seed.map(Value::from));
    if let Value::Object(members) = &mut transcript {
        members.extend(sections);
        members.insert(
            "final_observation".to_owned(),
            (*heading.final_observation).clone(),
        );
    }
    transcript
}
