//! The scripted model, on the three wires that runtimes speak: one script answers on each of them.

mod anthropic;
mod chat;
mod cohere;
mod openai;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::entry::{Entry, Sequence, Terms};
use crate::wire::{Answer, Incoming};

pub use chat::ModelWire;
use chat::{Reply, Stream};

/// The reply of faults that spoil a good one; it is a plan, so that whoever takes it is found out.
const GOOD: &str = "{\"finished\":true}";

/// Characters of a scripted reply that are shown in a summary.
const SHOWN: usize = 60;

/// One entry of the model's script.
#[derive(Debug, Clone)]
pub(crate) struct ModelEntry {
    pub(crate) saw: Vec<String>,
    pub(crate) not_saw: Vec<String>,
    pub(crate) saw_error: Option<String>,
    pub(crate) answer: ModelAnswer,
    pub(crate) finish_reason: String,
    pub(crate) usage: Usage,
    pub(crate) terms: Terms,
}

/// What the model says, or how it fails.
#[derive(Debug, Clone)]
pub(crate) enum ModelAnswer {
    /// The compact JSON of a value.
    Emit(Value),
    /// A text as it is.
    Text(String),
    Fault(ModelFault),
}

/// How the model fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ModelFault {
    Status {
        status: u16,
        retry_after: Option<u64>,
    },
    Timeout,
    Disconnect,
    Truncated,
    NotJson,
    EmptyChoices,
    Unfinished,
    Garbage,
    Empty,
    WrongType,
}

/// Token counts of a completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Usage {
    pub(crate) prompt_tokens: u64,
    pub(crate) completion_tokens: u64,
}

impl Default for Usage {
    fn default() -> Self {
        Usage {
            prompt_tokens: 21,
            completion_tokens: 9,
        }
    }
}

/// What the model's predicates look at: the text of all messages.
#[derive(Debug)]
pub(crate) struct Prompt(String);

impl Entry for ModelEntry {
    type Request = Prompt;

    fn terms(&self) -> &Terms {
        &self.terms
    }

    fn objections(&self, Prompt(text): &Prompt) -> Vec<String> {
        let missing = self.saw.iter().filter(|word| !text.contains(*word));
        let unwanted = self.not_saw.iter().filter(|word| text.contains(*word));
        let code = self.saw_error.iter().filter(|code| !holds_word(text, code));
        missing
            .map(|word| format!("the prompt does not hold {word:?} (saw)"))
            .chain(unwanted.map(|word| format!("the prompt holds {word:?} (not_saw)")))
            .chain(
                code.map(|code| format!("the prompt does not hold the code `{code}` (saw_error)")),
            )
            .collect()
    }

    fn summary(&self) -> String {
        let shown = |text: &str| match text.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.to_owned(),
        };
        match &self.answer {
            ModelAnswer::Emit(value) => match value.get("action").and_then(Value::as_str) {
                Some(action) => format!("emit action {}", shown(action)),
                None => format!("emit {}", shown(&value.to_string())),
            },
            ModelAnswer::Text(text) => format!("text {:?}", shown(text)),
            ModelAnswer::Fault(fault) => match fault {
                ModelFault::Status { status, .. } => format!("fault status {status}"),
                ModelFault::Timeout => "fault timeout".to_owned(),
                ModelFault::Disconnect => "fault disconnect".to_owned(),
                ModelFault::Truncated => "fault truncated".to_owned(),
                ModelFault::NotJson => "fault not_json".to_owned(),
                ModelFault::EmptyChoices => "fault empty_choices".to_owned(),
                ModelFault::Unfinished => "fault unfinished".to_owned(),
                ModelFault::Garbage => "fault garbage".to_owned(),
                ModelFault::Empty => "fault empty".to_owned(),
                ModelFault::WrongType => "fault wrong_type".to_owned(),
            },
        }
    }
}

impl ModelEntry {
    /// The answer to the `serial`-th request of this token.
    fn answer(&self, wire: ModelWire, serial: u64, request: &Value) -> Answer {
        let stream = Stream::of(request);
        let model = request.get("model").and_then(Value::as_str);
        let bare = Reply {
            serial,
            model: model.unwrap_or("mock-model"),
            text: None,
            finish_reason: None,
            usage: self.usage,
            stream,
        };
        let reason = Some(self.finish_reason.as_str());
        let said = |text: &str| {
            wire.answer(&Reply {
                text: Some(text),
                finish_reason: reason,
                ..bare
            })
        };
        let answer = match &self.answer {
            ModelAnswer::Emit(value) => said(&value.to_string()),
            ModelAnswer::Text(text) => said(text),
            ModelAnswer::Fault(fault) => match fault {
                ModelFault::Status {
                    status,
                    retry_after,
                } => {
                    let why = "the mock model fails on purpose";
                    let answer = wire.error(*status, "scripted_failure", why);
                    match retry_after {
                        Some(seconds) => answer.with_header("retry-after", &seconds.to_string()),
                        None => answer,
                    }
                }
                ModelFault::Timeout => return Answer::held(),
                ModelFault::Disconnect => return Answer::dropped(),
                ModelFault::Truncated => said(GOOD).cut(),
                ModelFault::NotJson => {
                    let page = b"<html><body><h1>upstream is busy</h1></body></html>";
                    Answer::bytes(200, "text/html; charset=utf-8", page.to_vec())
                }
                ModelFault::EmptyChoices => wire.answer(&Reply {
                    finish_reason: reason.filter(|_| stream.is_none()),
                    ..bare
                }),
                // A stream can stop without its end; in one piece an answer can only break off.
                ModelFault::Unfinished => match stream {
                    Some(_) => wire.answer(&Reply {
                        text: Some(GOOD),
                        ..bare
                    }),
                    None => said(GOOD).cut(),
                },
                ModelFault::Garbage => {
                    let mut answer = said(GOOD);
                    let half = answer.body.len() / 2;
                    answer.body.truncate(half);
                    answer.body.extend_from_slice(b"\x00\xff}{\n\n");
                    answer
                }
                ModelFault::Empty => Answer {
                    body: Vec::new(),
                    ..said(GOOD)
                },
                ModelFault::WrongType => Answer {
                    content_type: Some("text/html; charset=utf-8".to_owned()),
                    ..said(GOOD)
                },
            },
        };
        answer.after(self.terms.delay)
    }
}

/// An answer with the entry that gave it, or the reason why none did.
pub(crate) struct Decision {
    pub(crate) answer: Answer,
    pub(crate) entry: Option<usize>,
    pub(crate) unmatched: Option<String>,
}

impl Decision {
    fn unmatched(answer: Answer, why: String) -> Self {
        Decision {
            answer,
            entry: None,
            unmatched: Some(why),
        }
    }
}

/// Answers one request to the model from the token's script.
pub(crate) fn decide(script: &mut Sequence<ModelEntry>, incoming: &Incoming) -> Decision {
    let Some(wire) = ModelWire::of_path(&incoming.path) else {
        let paths = ModelWire::ALL.map(ModelWire::path).join(", …");
        let why = format!(
            "the model has no {}: call POST /v1/chat/completions, or another address that ends in one of …{paths}",
            incoming.path
        );
        let answer = ModelWire::default().error(404, "unknown_url", &why);
        return Decision::unmatched(answer, why);
    };
    if incoming.method != "POST" {
        let why = format!("the model takes POST, not {}", incoming.method);
        return Decision::unmatched(wire.error(405, "method_not_allowed", &why), why);
    }
    let request: Value = serde_json::from_slice(&incoming.body).unwrap_or_default();
    let objection = wire.objection(&request, incoming);
    let (Some(text), None) = (prompt_text(&request), &objection) else {
        let why = objection.unwrap_or_default();
        return Decision::unmatched(wire.error(400, "invalid_body", &why), why);
    };
    let prompt = Prompt(text);
    let serial = script.answered() + 1;
    if let Some((index, entry)) = script.take(&prompt) {
        return Decision {
            answer: entry.answer(wire, serial, &request),
            entry: Some(index),
            unmatched: None,
        };
    }
    let (nearest, why) = script.nearest(&prompt);
    let message = format!("no entry of the model's script fits this request: {why}");
    let answer = match wire {
        ModelWire::OpenAi => Answer::json(
            500,
            &json!({"error": {"message": message, "type": "mock_error", "code": "unmatched_request", "nearest": nearest}}),
        ),
        _ => wire.error(500, "unmatched_request", &message),
    };
    Decision::unmatched(answer, message)
}

/// The wire of a request to the model, as far as its path tells; else the default.
pub(crate) fn wire_of(incoming: &Incoming) -> ModelWire {
    ModelWire::of_path(&incoming.path).unwrap_or_default()
}

/// The messages of a request to the model, whatever its wire: what stands beside them as `system` comes first.
/// `None` when the value is no object with a list of `messages`.
pub fn prompt_messages(request: &Value) -> Option<Vec<Value>> {
    let messages = request.get("messages")?.as_array()?;
    let mut all = Vec::with_capacity(messages.len() + 1);
    if let Some(system) = request.get("system") {
        let text = texts(system).join("\n");
        all.push(json!({"role": "system", "content": text}));
    }
    all.extend(messages.iter().cloned());
    Some(all)
}

/// The text of all messages of a request to the model, a line each: string contents and text parts in order.
/// `None` when the value is no object with a list of `messages`.
pub fn prompt_text(request: &Value) -> Option<String> {
    let messages = request.get("messages")?.as_array()?;
    let contents = messages.iter().filter_map(|message| message.get("content"));
    let texts: Vec<&str> = request
        .get("system")
        .into_iter()
        .chain(contents)
        .flat_map(texts)
        .collect();
    Some(texts.join("\n"))
}

/// A content's texts: itself, or those of its parts.
fn texts(content: &Value) -> Vec<&str> {
    match content {
        Value::String(text) => vec![text],
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part.get("text").and_then(Value::as_str))
            .collect(),
        _ => Vec::new(),
    }
}

/// Whether a text holds a code as a word of its own: `conflict` is not in `idempotency_conflict`.
fn holds_word(text: &str, word: &str) -> bool {
    let inner = |character: char| character.is_ascii_alphanumeric() || character == '_';
    text.match_indices(word).any(|(start, _)| {
        let before = text[..start].chars().next_back();
        let after = text[start + word.len()..].chars().next();
        !before.is_some_and(inner) && !after.is_some_and(inner)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_whole_words() {
        assert!(holds_word("{\"errorCode\":\"conflict\"}", "conflict"));
        assert!(!holds_word("idempotency_conflict", "conflict"));
        assert!(!holds_word("conflicts", "conflict"));
        assert!(holds_word("conflicts conflict", "conflict"));
    }

    #[test]
    fn prompt_joins_strings_and_parts() {
        let request = json!({"messages": [
            {"role": "system", "content": "a"},
            {"role": "user", "content": [{"type": "text", "text": "b"}, {"type": "image_url"}, {"type": "text", "text": "c"}]},
            {"role": "assistant", "content": null},
        ]});
        assert_eq!(prompt_text(&request).as_deref(), Some("a\nb\nc"));
        let beside = json!({"system": [{"type": "text", "text": "s"}], "messages": [{"role": "user", "content": "u"}]});
        assert_eq!(prompt_text(&beside).as_deref(), Some("s\nu"));
        assert_eq!(
            prompt_messages(&beside).map(Value::from),
            Some(json!([{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]))
        );
        assert_eq!(prompt_text(&json!({"messages": "a"})), None);
        assert_eq!(prompt_text(&json!([])), None);
    }
}
