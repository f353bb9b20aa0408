//! Mutants of `spec/model.md`: the prompt, the wire, failures.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::Mutant;
use crate::manifest::{Action, InvokeApi};
use crate::model::{self, Message, ModelConfig, ModelFailure, ModelReply, Role, Wire, backoff};
use crate::runtime::plan::Scope;
use crate::runtime::request::Rendered;
use crate::runtime::{Answer, Parts, prompt, wire};

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [prompts(), wires(), failures(), endings()]
        .into_iter()
        .flatten()
        .collect()
}

type Replied = Result<ModelReply, ModelFailure>;

fn prompts() -> Vec<Mutant> {
    vec![
        swap!(
            "contract-without-outputs",
            "MOD-001",
            "leaves the output schemas out of the contract",
            fn contract(&self, scope: &Scope<'_>, allowed: &[&Action]) -> String {
                let mut bare: Vec<Action> = allowed.iter().copied().cloned().collect();
                bare.iter_mut()
                    .for_each(|action| action.output_schema = json!({}));
                prompt::contract(scope, &bare.iter().collect::<Vec<_>>())
            }
        ),
        swap!(
            "contract-without-descriptions",
            "MOD-001",
            "leaves the descriptions of actions out of the contract",
            fn contract(&self, scope: &Scope<'_>, allowed: &[&Action]) -> String {
                let mut bare: Vec<Action> = allowed.iter().copied().cloned().collect();
                bare.iter_mut().for_each(|action| action.description = None);
                prompt::contract(scope, &bare.iter().collect::<Vec<_>>())
            }
        ),
        swap!(
            "contract-once-a-step",
            "MOD-001",
            "asks again after a refused reply without the contract",
            fn messages(
                &self,
                contract: &Arc<str>,
                question: &Arc<str>,
                refused: &[(String, String)],
            ) -> Vec<Message> {
                let mut messages = prompt::messages(contract, question, refused);
                if !refused.is_empty() {
                    messages.remove(0);
                }
                messages
            }
        ),
        swap!(
            "contract-shows-everything",
            "MOD-002",
            "shows the model every action of the manifest, whatever intent and flags say",
            fn contract(&self, scope: &Scope<'_>, _: &[&Action]) -> String {
                let all: Vec<&Action> = scope.manifest.actions.iter().map(AsRef::as_ref).collect();
                prompt::contract(scope, &all)
            }
        ),
        swap!(
            "contract-by-the-user",
            "MOD-003",
            "sends the contract as a user's message",
            fn messages(
                &self,
                contract: &Arc<str>,
                question: &Arc<str>,
                refused: &[(String, String)],
            ) -> Vec<Message> {
                let mut messages = prompt::messages(contract, question, refused);
                messages[0].role = Role::User;
                messages
            }
        ),
        swap!(
            "goal-in-ascii",
            "MOD-004",
            "leaves everything but ASCII out of the goal",
            fn question(&self, goal: &Value, observation: &Value) -> String {
                let mut goal = goal.clone();
                let text = goal["description"].as_str().unwrap_or_default();
                goal["description"] = text.replace(|c: char| !c.is_ascii(), "").into();
                prompt::question(&goal, observation)
            }
        ),
        swap!(
            "environment-only",
            "MOD-005",
            "shows the model the environment and nothing else of the observation",
            fn question(&self, goal: &Value, observation: &Value) -> String {
                prompt::question(goal, &json!({"environment": observation["environment"]}))
            }
        ),
        swap!(
            "observation-in-pieces",
            "MOD-005",
            "shows the model the members of the observation one by one, not as one JSON text",
            fn question(&self, goal: &Value, observation: &Value) -> String {
                let mut text = prompt::question(goal, &json!(null));
                for (name, value) in observation.as_object().into_iter().flatten() {
                    text.push_str(&format!("\n{name}: {value}"));
                }
                text
            }
        ),
        swap!(
            "environment-hidden",
            "MOD-005",
            "shows the model the observation without its environment",
            fn question(&self, goal: &Value, observation: &Value) -> String {
                let mut shown = observation.clone();
                shown["environment"] = json!({});
                prompt::question(goal, &shown)
            }
        ),
        Mutant::part(
            "earlier-turns-are-shown",
            "MOD-006",
            "shows the model the observations and the refused replies of earlier step calls",
            LongMemory::default(),
        ),
    ]
}

/// Questions and refused replies so far, by contract; the newest question stays the first that the model reads.
#[derive(Default)]
struct LongMemory(Mutex<HashMap<String, Vec<String>>>);

impl Parts for LongMemory {
    fn messages(
        &self,
        contract: &Arc<str>,
        question: &Arc<str>,
        refused: &[(String, String)],
    ) -> Vec<Message> {
        let mut messages = prompt::messages(contract, question, refused);
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = memory.entry(contract.to_string()).or_default();
        if !earlier.is_empty() {
            messages.push(Message::new(
                Role::User,
                format!("Earlier: {}", earlier.join("\n")),
            ));
        }
        earlier.push(question.to_string());
        earlier.extend(refused.iter().map(|(reply, _)| reply.clone()));
        messages
    }
}

fn wires() -> Vec<Mutant> {
    vec![
        swap!(
            "model-unnamed",
            "MOD-007",
            "asks without saying which model",
            fn model_request(
                &self,
                model: &ModelConfig,
                messages: &[Message],
                parameters: Map<String, Value>,
            ) -> Value {
                let mut body = model
                    .wire
                    .request(&model.model, messages, parameters, model.stream);
                if let Some(members) = body.as_object_mut() {
                    members.remove("model");
                }
                body
            }
        ),
        swap!(
            "key-in-another-header",
            "MOD-007",
            "sends its key in `x-api-key` in place of a bearer token",
            fn model_headers(&self, model: &ModelConfig) -> Vec<(String, String)> {
                let mut headers = model.wire.headers("");
                headers.push(("x-api-key".to_owned(), model.api_key.clone()));
                headers
            }
        ),
        Mutant::part(
            "services-get-the-model-key",
            "MOD-009",
            "sends the model's key to services, as one client for all calls would",
            OneClient::default(),
        ),
        swap!(
            "hot-model",
            "MOD-010",
            "asks for a temperature of 1",
            fn model_parameters(&self) -> Map<String, Value> {
                let mut parameters = model::parameters();
                parameters.insert("temperature".to_owned(), json!(1.0));
                parameters
            }
        ),
        swap!(
            "endless-replies",
            "MOD-011",
            "sets no bound on the length of a reply",
            fn model_parameters(&self) -> Map<String, Value> {
                let mut parameters = model::parameters();
                parameters.remove("max_tokens");
                parameters
            }
        ),
    ]
}

/// A client whose default headers were set for the model.
#[derive(Default)]
struct OneClient(OnceLock<String>);

impl Parts for OneClient {
    fn model_headers(&self, model: &ModelConfig) -> Vec<(String, String)> {
        self.0.get_or_init(|| model.api_key.clone());
        model.wire.headers(&model.api_key)
    }

    fn finish_request(&self, mut request: Rendered, _: &InvokeApi) -> Rendered {
        let declared = request
            .headers
            .iter()
            .any(|(name, _)| name == "authorization");
        if let (false, Some(key)) = (declared, self.0.get()) {
            request
                .headers
                .push(("authorization".to_owned(), format!("Bearer {key}")));
        }
        request
    }
}

fn failures() -> Vec<Mutant> {
    vec![
        swap!(
            "failing-model-is-asked-again",
            "MOD-012",
            "asks a model that failed a second time within the step call",
            fn model_tries(&self) -> u32 {
                2
            }
        ),
        swap!(
            "failure-is-a-refused-reply",
            "MOD-012",
            "takes a failing model for one that gave an invalid plan",
            fn read_model_reply(
                &self,
                wire: Wire,
                status: u16,
                retry_after: Option<&str>,
                body: &[u8],
            ) -> Replied {
                let silence = ModelReply {
                    text: String::new(),
                    finish_reason: None,
                    usage: None,
                };
                Ok(wire
                    .read_reply(status, retry_after, body)
                    .unwrap_or(silence))
            }
        ),
        swap!(
            "silence-is-a-failure",
            "MOD-012",
            "takes an empty message for a failure of the model",
            fn read_model_reply(
                &self,
                wire: Wire,
                status: u16,
                retry_after: Option<&str>,
                body: &[u8],
            ) -> Replied {
                let reply = wire.read_reply(status, retry_after, body)?;
                if reply.text.is_empty() {
                    return Err(ModelFailure::new("the model said nothing"));
                }
                Ok(reply)
            }
        ),
        Mutant::config(
            "waits-an-hour",
            "MOD-013",
            "waits for the model as long as it takes",
            |config| config.model.timeout = Duration::from_secs(3600),
        ),
        swap!(
            "retry-after-is-lost",
            "MOD-014",
            "does not say when to try again",
            fn model_failure_answer(&self, failure: &ModelFailure) -> Answer {
                let mut answer = wire::model_failure_answer(failure);
                answer.headers.clear();
                answer
            }
        )
        .rewriting(),
    ]
}

fn endings() -> Vec<Mutant> {
    vec![
        swap!(
            "cut-off-plans-count",
            "MOD-015",
            "takes a reply that was cut off for a plan, as long as it can be read as one",
            fn is_cut_off(&self, _: &ModelReply) -> bool {
                false
            }
        ),
        swap!(
            "only-anthropic-is-cut-off",
            "MOD-015",
            "knows the reason for a cut by the name of another format",
            fn is_cut_off(&self, reply: &ModelReply) -> bool {
                reply.finish_reason.as_deref() == Some("max_tokens")
            }
        ),
        Mutant::part(
            "unfinished-streams-count",
            "MOD-016",
            "asks for streams, and takes what came for the reply when one ends before its end",
            Impatient,
        ),
        swap!(
            "retry-after-is-not-heeded",
            "MOD-017",
            "asks a model again that asked to be left alone",
            fn model_rests_until(&self, _: &ModelFailure, _: Timestamp) -> Option<Timestamp> {
                None
            }
        ),
        swap!(
            "long-rests-are-none",
            "MOD-017",
            "asks a model again that asked to be left alone for more than an hour",
            fn model_rests_until(
                &self,
                failure: &ModelFailure,
                now: Timestamp,
            ) -> Option<Timestamp> {
                let rest = backoff::rest_of(failure.retry_after.as_deref()?, now)?;
                let short = rest < backoff::LONGEST_REST;
                short.then(|| now.checked_add(rest).ok()).flatten()
            }
        ),
        swap!(
            "rests-for-a-day",
            "MOD-017",
            "leaves a model alone for a day that asked for less",
            fn model_rests_until(
                &self,
                failure: &ModelFailure,
                now: Timestamp,
            ) -> Option<Timestamp> {
                failure.retry_after.as_ref()?;
                now.checked_add(Duration::from_secs(86_400)).ok()
            }
        ),
    ]
}

/// Joins what a stream brought, whether it was whole or not.
struct Impatient;

impl Parts for Impatient {
    fn model_request(
        &self,
        model: &ModelConfig,
        messages: &[Message],
        parameters: Map<String, Value>,
    ) -> Value {
        model.wire.request(&model.model, messages, parameters, true)
    }

    fn read_model_reply(
        &self,
        wire: Wire,
        status: u16,
        retry_after: Option<&str>,
        body: &[u8],
    ) -> Replied {
        if status != 200 || !body.starts_with(b"data:") {
            return wire.read_reply(status, retry_after, body);
        }
        let mut reader = wire.stream();
        reader.push(body)?;
        // As if the end had come; it changes nothing where it did.
        reader.push(b"data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n")?;
        reader.end()
    }
}
