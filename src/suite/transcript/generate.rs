//! Transcripts of any length, as JSON lines: right in all that can be judged, the same for the same seed, and never in memory as a whole
//! (`spec/transcripts.md`, section 7).

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::entries::sha256;
use crate::suite::prepare::three_parts;
use crate::suite::replay;
use crate::{embedded, json};

/// Most steps that a session can have (`spec/sessions.md`).
pub const MOST_OF_A_SESSION: u64 = 10_000;

/// The manifest of the sessions, which this program carries, and the action that they take.
const MANIFEST: &str = "fixtures/manifests/valid/meetbot.json";
const ACTION: &str = "generate_agenda";

/// When the first session begins, in milliseconds since 1970: 2026-01-01T00:00:00Z.
const BEGIN: i64 = 1_767_225_600_000;

/// One step in so many is refused first, and one fails.
const REFUSED: u64 = 61;
const FAILED: u64 = 97;

const WORDS: [&str; 12] = [
    "budget", "roadmap", "launch", "review", "design", "hiring", "pricing", "support", "quality",
    "training", "research", "planning",
];

/// What is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    /// Steps in all.
    pub steps: u64,
    /// Most steps of one session, from 1 to [`MOST_OF_A_SESSION`].
    pub of_a_session: u64,
    /// Another seed gives other words, times and failures.
    pub seed: u64,
}

/// Writes a stream.
///
/// # Errors
/// When it cannot be written on, or the manifest that this program carries is not there.
pub fn write(order: &Order, out: &mut dyn Write) -> io::Result<()> {
    let text = embedded::text(MANIFEST).unwrap_or_default();
    let manifest: Value = serde_json::from_str(&text).map_err(io::Error::other)?;
    let mut author = Author {
        chance: order.seed,
        now: BEGIN,
        contract: contract(&manifest),
        target: endpoint(&manifest),
        manifest,
        out,
    };
    let of_a_session = order.of_a_session.clamp(1, MOST_OF_A_SESSION);
    let mut left = order.steps;
    let mut number = 0;
    while left > 0 {
        let steps = left.min(of_a_session);
        author.session(order.seed, number, steps)?;
        left -= steps;
        number += 1;
    }
    Ok(())
}

struct Author<'o> {
    chance: u64,
    now: i64,
    contract: String,
    target: String,
    manifest: Value,
    out: &'o mut dyn Write,
}

/// A session that is being written.
struct Session {
    digest: String,
    goal: String,
    turns: u64,
    prompt: u64,
    completion: u64,
    observation: Value,
}

impl Author<'_> {
    fn session(&mut self, seed: u64, number: u64, steps: u64) -> io::Result<()> {
        let id = format!("generated-{seed:016x}-{number:08}");
        let goal = format!("Prepare {steps} agendas");
        let started = self.later();
        let initial = json!({
            "timestamp": started,
            "user_context": {"user_id": format!("U{number}"), "preferences": {}},
            "environment": {},
        });
        let digest = sha256(&self.contract);
        let member = |name: &str| self.manifest.get(name).and_then(Value::as_str);
        let version = three_parts(member("version").unwrap_or_default());
        let head = json!({
            "protocol_version": "2.0",
            "session_id": id,
            "manifest": {
                "name": member("name"),
                "version": version,
                "digest": json::digest(&self.manifest),
            },
            "goal": {"description": goal},
            "max_steps": MOST_OF_A_SESSION,
            "started_at": started,
            "initial_observation": initial,
            "contracts": Map::from_iter([(digest.clone(), json!(self.contract))]),
        });
        self.line(&head)?;
        let mut session = Session {
            digest,
            goal,
            turns: 0,
            prompt: 0,
            completion: 0,
            observation: initial,
        };
        for step in 1..=steps {
            self.step(&mut session, step)?;
        }
        let reached = steps == MOST_OF_A_SESSION;
        let tail = json!({
            "session_id": id,
            "status": if reached { "max_steps_reached" } else { "active" },
            "closed_at": self.later(),
            "final_observation": session.observation,
            "usage": {
                "model_calls": session.turns,
                "prompt_tokens": session.prompt,
                "completion_tokens": session.completion,
            },
        });
        self.line(&tail)
    }

    /// The turns, the effect and the step of one step call.
    fn step(&mut self, session: &mut Session, number: u64) -> io::Result<()> {
        let started = self.later();
        let began = self.now;
        let mut shown = session.observation.clone();
        if let Value::Object(members) = &mut shown {
            members.insert("timestamp".to_owned(), json!(started));
        }
        let purpose = format!(
            "{} and {} {}",
            self.word(),
            self.word(),
            self.next() % 1_000
        );
        let plan = json!({"action": ACTION, "args": {"purpose": purpose}});
        let mut messages = vec![
            json!({"role": "system", "content": format!("[contract {}]", session.digest)}),
            json!({"role": "user", "content": format!("Goal: {}\nObservation: {shown}", session.goal)}),
        ];
        if self.next().is_multiple_of(REFUSED) {
            let reply = r#"{"action":"write_agenda","args":{}}"#;
            let code = "undeclared_action";
            let why = json!([{
                "errorCode": code,
                "message": "the manifest declares no action write_agenda",
                "retryable": false,
            }]);
            self.turn(session, &messages, reply, &why, None)?;
            messages.push(json!({"role": "assistant", "content": reply}));
            let content = format!("That reply was refused: {code}");
            messages.push(json!({"role": "user", "content": content}));
        }
        self.turn(
            session,
            &messages,
            &plan.to_string(),
            &Value::Null,
            Some(number),
        )?;
        let fails = self.next().is_multiple_of(FAILED);
        let effect = json!({
            "step_number": number,
            "kind": "http",
            "method": "POST",
            "target": self.target,
            "status": if fails { 503 } else { 200 },
            "at": self.later(),
        });
        self.line(&effect)?;
        let result = if fails {
            json!({
                "action_name": ACTION,
                "success": false,
                "output": null,
                "error": {
                    "errorCode": "upstream_status",
                    "message": "the service answered with 503",
                    "retryable": true,
                    "details": {"status": 503},
                },
            })
        } else {
            json!({
                "action_name": ACTION,
                "success": true,
                "output": {"agenda": format!("Agenda: {purpose}")},
                "error": null,
            })
        };
        self.later();
        let mut step = json!({
            "step_number": number,
            "started_at": started,
            "duration_ms": self.now - began,
            "plan": plan,
            "result": result,
        });
        replay::apply(&mut session.observation, &step, &self.manifest).map_err(io::Error::other)?;
        if let Value::Object(members) = &mut step {
            members.insert("observation".to_owned(), session.observation.clone());
        }
        self.line(&step)
    }

    fn turn(
        &mut self,
        session: &mut Session,
        messages: &[Value],
        reply: &str,
        refused: &Value,
        step: Option<u64>,
    ) -> io::Result<()> {
        let (prompt, completion) = (200 + self.next() % 100, 10 + self.next() % 30);
        session.turns += 1;
        session.prompt += prompt;
        session.completion += completion;
        let mut turn = json!({
            "turn_number": session.turns,
            "at": self.later(),
            "messages": messages,
            "contract": session.digest,
            "reply": reply,
            "usage": {"prompt_tokens": prompt, "completion_tokens": completion},
            "finish_reason": "stop",
            "refused": refused,
            "error": null,
        });
        if let (Some(step), Value::Object(members)) = (step, &mut turn) {
            members.insert("step_number".to_owned(), json!(step));
        }
        self.line(&turn)
    }

    fn line(&mut self, line: &Value) -> io::Result<()> {
        serde_json::to_writer(&mut *self.out, line)?;
        self.out.write_all(b"\n")
    }

    /// A time a little later than the last.
    fn later(&mut self) -> String {
        self.now += 1 + i64::try_from(self.next() % 40).unwrap_or_default();
        jiff::Timestamp::from_millisecond(self.now)
            .map(|at| format!("{at:.3}"))
            .unwrap_or_default()
    }

    fn word(&mut self) -> &'static str {
        let at = usize::try_from(self.next()).unwrap_or_default() % WORDS.len();
        WORDS.get(at).copied().unwrap_or_default()
    }

    /// The next number by chance (SplitMix64).
    fn next(&mut self) -> u64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.chance;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// The contract of all actions (`spec/model.md`, section 1).
fn contract(manifest: &Value) -> String {
    let mut contract = "Answer with one JSON object, {\"action\": name, \"args\": object} or {\"finished\": true}, and nothing else. The actions:".to_owned();
    let actions = manifest.get("actions").and_then(Value::as_array);
    for action in actions.into_iter().flatten() {
        let member = |name: &str| action.get(name).cloned().unwrap_or_default();
        let shown = json!({
            "name": member("name"),
            "description": member("description"),
            "input_schema": member("input_schema"),
            "output_schema": member("output_schema"),
        });
        contract.push('\n');
        contract.push_str(&shown.to_string());
    }
    contract
}

fn endpoint(manifest: &Value) -> String {
    let actions = manifest.get("actions").and_then(Value::as_array);
    let own = actions
        .into_iter()
        .flatten()
        .find(|action| action.get("name").and_then(Value::as_str) == Some(ACTION));
    let endpoint = own.and_then(|action| action.get("endpoint")?.as_str());
    endpoint.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(steps: u64, seed: u64) -> String {
        let order = Order {
            steps,
            of_a_session: 40,
            seed,
        };
        let mut out = Vec::new();
        write(&order, &mut out).expect("written");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_gives_others() {
        assert_eq!(written(90, 1), written(90, 1));
        assert_ne!(written(90, 1), written(90, 2));
        let heads = written(90, 1).matches("\"initial_observation\"").count();
        assert_eq!(heads, 3);
    }
}
