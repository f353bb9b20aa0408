//! A transcript against what was seen from outside: the creation, the prompts, the answers and the calls (`spec/transcripts.md`).

pub(super) mod entries;
pub mod generate;

use mock_services::{Service, prompt_messages};
use serde_json::{Value, json};

use super::matcher::{Difference, absent, same};
use super::observed::Observed;
use super::replay;
use super::secrets::Secrets;
use super::target::{Answer, Exchange};
use super::wire::Finding;
use entries::{Contracts, Usage};

const CREATION: &str = "TRN-003";
const TURNS: &str = "TRN-004";
const CONTRACTS: &str = "TRN-006";
const MESSAGES: &str = "TRN-007";
const USAGE: &str = "TRN-008";
const NUMBERS: &str = "TRN-009";
const RESULTS: &str = "TRN-010";
const REPLAY: &str = "TRN-011";
const EFFECTS: &str = "TRN-012";
const TARGETS: &str = "TRN-013";

/// Everything in the case's transcript that does not agree with what was seen.
///
/// What several sessions share (the prompts and the calls) is compared only where there was one session.
pub fn check(observed: &Observed, secrets: &Secrets) -> Vec<Finding> {
    let Some(transcript) = &observed.transcript else {
        return Vec::new();
    };
    let mut check = Check {
        transcript,
        observed,
        findings: Vec::new(),
    };
    check.creation(secrets);
    check.contracts();
    check.usage();
    check.numbers();
    check.results();
    check.replay();
    // What other sessions and workflows did beside this one cannot be told from what it did.
    if opened(observed).count() == 1 && !others_acted(observed) {
        check.prompts();
        check.effects();
    }
    check.findings
}

/// The requests that opened a session, with their answers.
fn opened(observed: &Observed) -> impl Iterator<Item = (Value, Value)> + '_ {
    observed
        .steps
        .iter()
        .flat_map(|step| &step.exchanges)
        .filter(|exchange| {
            exchange.request.method == "POST" && exchange.request.path == "/sessions"
        })
        .filter_map(|exchange| {
            let answer = exchange
                .answer()
                .filter(|answer| (200..300).contains(&answer.status))?;
            let sent = serde_json::from_slice(&exchange.request.body).ok()?;
            Some((sent, answer.json()?))
        })
}

/// Whether a call was made that acts for no session: those of the workflow dialect.
fn others_acted(observed: &Observed) -> bool {
    let mut exchanges = observed.steps.iter().flat_map(|step| &step.exchanges);
    exchanges.any(|exchange| {
        exchange.request.method == "POST"
            && matches!(exchange.request.path.as_str(), "/execute" | "/plan")
    })
}

struct Check<'a> {
    transcript: &'a Value,
    observed: &'a Observed,
    findings: Vec<Finding>,
}

impl Check<'_> {
    fn array(&self, name: &str) -> &[Value] {
        self.transcript
            .get(name)
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    fn say(
        &mut self,
        requirement: &str,
        pointer: impl Into<String>,
        expected: Value,
        got: Option<&Value>,
        message: &str,
    ) {
        self.findings.push(Finding {
            requirement: requirement.to_owned(),
            difference: Difference {
                pointer: pointer.into(),
                expected,
                got: got.cloned().unwrap_or_else(absent),
                message: message.to_owned(),
            },
        });
    }

    fn equal(&mut self, requirement: &str, pointer: &str, expected: &Value, message: &str) {
        let got = self.transcript.pointer(pointer).cloned();
        if got.as_ref().is_none_or(|got| !same(expected, got)) {
            self.say(
                requirement,
                pointer,
                expected.clone(),
                got.as_ref(),
                message,
            );
        }
    }

    fn creation(&mut self, secrets: &Secrets) {
        let id = self
            .transcript
            .get("session_id")
            .cloned()
            .unwrap_or(Value::Null);
        let creation =
            opened(self.observed).find(|(_, answer)| answer.get("session_id") == Some(&id));
        let Some((sent, answer)) = creation else {
            let known: Vec<Value> = opened(self.observed)
                .filter_map(|(_, answer)| answer.get("session_id").cloned())
                .collect();
            self.say(
                CREATION,
                "/session_id",
                json!({"$any_of": known}),
                Some(&id),
                "is not the id of a session of this case",
            );
            return;
        };
        // What the client sent may hold a secret, and then it is redacted.
        if secrets.in_value(&sent).is_empty() {
            for (pointer, member) in [
                ("/goal", "goal"),
                ("/initial_observation", "observation"),
                ("/max_steps", "max_steps"),
            ] {
                if let Some(expected) = sent.get(member) {
                    self.equal(
                        CREATION,
                        pointer,
                        expected,
                        "is not what the session was created with",
                    );
                }
            }
        }
        if let Some(expected) = answer.pointer("/manifest/digest") {
            self.equal(
                CREATION,
                "/manifest/digest",
                expected,
                "is not the manifest that the session was created with",
            );
        }
    }

    fn contracts(&mut self) {
        let mut contracts = Contracts::default();
        if let Some(Value::Object(texts)) = self.transcript.get("contracts") {
            contracts.add(texts);
        }
        let turns = (0..).zip(self.array("turns"));
        let wrong: Vec<Finding> = turns
            .filter_map(|(index, turn)| contracts.check(index, turn))
            .collect();
        self.findings.extend(wrong);
    }

    fn usage(&mut self) {
        let mut usage = Usage::default();
        for turn in self.array("turns") {
            usage.add(turn);
        }
        self.findings
            .extend(usage.check(self.transcript.get("usage")));
    }

    fn numbers(&mut self) {
        let steps = (0..).zip(self.array("steps"));
        let wrong: Vec<Finding> = steps
            .filter_map(|(index, step)| entries::number(index, step))
            .collect();
        self.findings.extend(wrong);
    }

    /// Each answer with a result says, by `steps_done`, which step it was.
    fn results(&mut self) {
        let id = self
            .transcript
            .get("session_id")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let prefix = format!("/sessions/{}/", super::stimulus::segment(id));
        let answers: Vec<Value> = self
            .observed
            .steps
            .iter()
            .flat_map(|step| &step.exchanges)
            .filter(|exchange| exchange.request.path.starts_with(&prefix))
            .filter_map(Exchange::answer)
            .filter(|answer| answer.status == 200)
            .filter_map(Answer::json)
            .collect();
        for answer in answers {
            let (Some(result), Some(done)) = (
                answer.get("result").filter(|result| result.is_object()),
                answer
                    .get("steps_done")
                    .and_then(Value::as_u64)
                    .filter(|done| *done > 0),
            ) else {
                continue;
            };
            self.equal(
                RESULTS,
                &format!("/steps/{}/result", done - 1),
                result,
                "is not what the call answered",
            );
        }
    }

    fn replay(&mut self) {
        let digest = self
            .transcript
            .pointer("/manifest/digest")
            .and_then(Value::as_str);
        let manifest = digest
            .and_then(|digest| self.observed.documents.get(digest))
            .unwrap_or(&self.observed.manifest.document);
        for difference in replay::check(self.transcript, manifest) {
            self.findings.push(Finding {
                requirement: REPLAY.to_owned(),
                difference,
            });
        }
    }

    fn prompts(&mut self) {
        let prompts: Vec<Value> = self
            .observed
            .calls
            .iter()
            .filter(|call| call.service == Service::Model)
            .map(|call| prompt_messages(&call.body).map_or(Value::Null, Value::Array))
            .collect();
        let turns = self.array("turns").to_vec();
        if turns.len() != prompts.len() {
            let (expected, got) = (Value::from(prompts.len()), Value::from(turns.len()));
            self.say(
                TURNS,
                "/turns",
                expected,
                Some(&got),
                "has not one entry for each request that the model got",
            );
            return;
        }
        for (index, (turn, prompt)) in turns.iter().zip(&prompts).enumerate() {
            let digest = turn
                .get("contract")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let contract = self
                .transcript
                .get("contracts")
                .and_then(|texts| texts.get(digest))
                .and_then(Value::as_str);
            let messages = turn.get("messages").cloned().unwrap_or(Value::Null);
            let whole = restore(&messages, digest, contract.unwrap_or_default());
            if !same(&roles_and_contents(prompt), &roles_and_contents(&whole)) {
                self.say(
                    MESSAGES,
                    format!("/turns/{index}/messages"),
                    prompt.clone(),
                    Some(&messages),
                    "is not what the model got",
                );
            }
        }
    }

    /// Whether a target of an HTTP effect is no URL without query.
    fn targets(&mut self) -> bool {
        let mut effects = (0..).zip(self.array("side_effects"));
        let wrong = effects.find_map(|(index, effect)| entries::target(index, effect));
        let is_wrong = wrong.is_some();
        self.findings.extend(wrong);
        is_wrong
    }

    fn effects(&mut self) {
        if self.targets() {
            return;
        }
        let http: Vec<(Value, Value)> = self
            .array("side_effects")
            .iter()
            .filter(|effect| effect.get("kind").and_then(Value::as_str) == Some("http"))
            .map(|effect| {
                let member = |name: &str| effect.get(name).cloned().unwrap_or(Value::Null);
                (member("method"), member("target"))
            })
            .collect();
        // Calls to where no mock listens leave no mark in the journal, so only those to the mocks are compared. How a file of an
        // object store is read and written in requests is the target's business; each is one effect of another kind.
        let part = format!("/t/{}/", self.observed.token);
        let mut recorded: Vec<String> = http
            .iter()
            .filter_map(|(method, target)| {
                let target = target.as_str()?;
                let path = match target.split_once(&part) {
                    Some((_, path)) => path,
                    None => plugin_path(target)?,
                };
                Some(format!("{} /{path}", method.as_str()?))
            })
            .collect();
        let mut made: Vec<String> = self
            .observed
            .calls
            .iter()
            .filter(|call| !matches!(call.service, Service::Model | Service::Objects))
            .map(|call| format!("{} {}", call.method, call.path))
            .collect();
        if self
            .observed
            .steps
            .iter()
            .any(|step| step.exchanges.len() > 1)
        {
            recorded.sort();
            made.sort();
        }
        if recorded != made {
            self.say(
                EFFECTS,
                "/side_effects",
                json!(made),
                Some(&json!(recorded)),
                "is not what the services saw",
            );
        }
    }
}

/// The path of a call by a test plugin, whose code knows no token and calls below `/p/`.
fn plugin_path(target: &str) -> Option<&str> {
    let (_, rest) = target.split_once("://")?;
    let (_, path) = rest.split_once('/')?;
    path.starts_with("p/").then_some(path)
}

/// The messages with the contract's text back in place.
fn restore(messages: &Value, digest: &str, contract: &str) -> Value {
    let mark = format!("[contract {digest}]");
    match messages {
        Value::String(text) => Value::String(text.replace(&mark, contract)),
        Value::Array(elements) => elements
            .iter()
            .map(|element| restore(element, digest, contract))
            .collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| (name.clone(), restore(member, digest, contract)))
            .collect(),
        other => other.clone(),
    }
}

fn roles_and_contents(messages: &Value) -> Value {
    messages
        .as_array()
        .into_iter()
        .flatten()
        .map(|message| json!([message.get("role"), message.get("content")]))
        .collect()
}
