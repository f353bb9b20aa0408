//! The scripted model on the OpenAI chat completions wire.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::entry::{Entry, Sequence, Terms};
use crate::wire::{Answer, Incoming};

/// `created` of every completion (2026-01-01T00:00:00Z): a fixed value keeps reports the same between runs.
const CREATED: u64 = 1_767_225_600;

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
            },
        }
    }
}

impl ModelEntry {
    /// The answer to the `serial`-th completion of this token; `model` is the name the request gave.
    fn answer(&self, serial: u64, model: &Value) -> Answer {
        let completion = |content: &str| {
            let message = json!({"role": "assistant", "content": content});
            self.completion(
                serial,
                model,
                json!([{"index": 0, "message": message, "finish_reason": self.finish_reason}]),
            )
        };
        let answer = match &self.answer {
            ModelAnswer::Emit(value) => Answer::json(200, &completion(&value.to_string())),
            ModelAnswer::Text(text) => Answer::json(200, &completion(text)),
            ModelAnswer::Fault(ModelFault::Status {
                status,
                retry_after,
            }) => {
                let kind = if *status == 429 {
                    "rate_limit_error"
                } else {
                    "server_error"
                };
                let answer = error(
                    *status,
                    kind,
                    "scripted_failure",
                    "the mock model fails on purpose",
                );
                match retry_after {
                    Some(seconds) => answer.with_header("retry-after", &seconds.to_string()),
                    None => answer,
                }
            }
            ModelAnswer::Fault(ModelFault::Timeout) => return Answer::held(),
            ModelAnswer::Fault(ModelFault::Disconnect) => return Answer::dropped(),
            ModelAnswer::Fault(ModelFault::Truncated) => {
                Answer::json(200, &completion("{\"finished\":true}")).cut()
            }
            ModelAnswer::Fault(ModelFault::NotJson) => {
                let page = b"<html><body><h1>upstream is busy</h1></body></html>";
                Answer::bytes(200, "text/html; charset=utf-8", page.to_vec())
            }
            ModelAnswer::Fault(ModelFault::EmptyChoices) => {
                Answer::json(200, &self.completion(serial, model, json!([])))
            }
        };
        answer.after(self.terms.delay)
    }

    fn completion(&self, serial: u64, model: &Value, choices: Value) -> Value {
        let Usage {
            prompt_tokens,
            completion_tokens,
        } = self.usage;
        let total_tokens = prompt_tokens.saturating_add(completion_tokens);
        json!({
            "id": format!("chatcmpl-mock-{serial}"),
            "object": "chat.completion",
            "created": CREATED,
            "model": model,
            "choices": choices,
            "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens, "total_tokens": total_tokens},
        })
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
    if !incoming.path.ends_with("/chat/completions") {
        let why = format!(
            "the model has no {}: call POST /v1/chat/completions",
            incoming.path
        );
        return Decision::unmatched(
            error(404, "invalid_request_error", "unknown_url", &why),
            why,
        );
    }
    if incoming.method != "POST" {
        let why = format!("completions take POST, not {}", incoming.method);
        return Decision::unmatched(
            error(405, "invalid_request_error", "method_not_allowed", &why),
            why,
        );
    }
    let request: Value = serde_json::from_slice(&incoming.body).unwrap_or_default();
    let Some(text) = prompt_text(&request) else {
        let why = "the body is no JSON object with a list of `messages`".to_owned();
        return Decision::unmatched(
            error(400, "invalid_request_error", "invalid_body", &why),
            why,
        );
    };
    let prompt = Prompt(text);
    let serial = script.answered() + 1;
    if let Some((index, entry)) = script.take(&prompt) {
        let model = request
            .get("model")
            .filter(|model| model.is_string())
            .cloned();
        let answer = entry.answer(serial, &model.unwrap_or_else(|| json!("mock-model")));
        return Decision {
            answer,
            entry: Some(index),
            unmatched: None,
        };
    }
    let (nearest, why) = script.nearest(&prompt);
    let message = format!("no entry of the model's script fits this request: {why}");
    let body = json!({"error": {"message": message, "type": "mock_error", "code": "unmatched_request", "nearest": nearest}});
    Decision::unmatched(Answer::json(500, &body), message)
}

/// An error in the wire's own form.
pub(crate) fn error(status: u16, kind: &str, code: &str, message: &str) -> Answer {
    Answer::json(
        status,
        &json!({"error": {"message": message, "type": kind, "code": code}}),
    )
}

/// The text of all messages of a chat completions request, a line each: string contents and text parts in order.
/// `None` when the value is no object with a list of `messages`.
pub fn prompt_text(request: &Value) -> Option<String> {
    let messages = request.get("messages")?.as_array()?;
    let mut texts: Vec<&str> = Vec::new();
    for message in messages {
        match message.get("content") {
            Some(Value::String(text)) => texts.push(text),
            Some(Value::Array(parts)) => {
                texts.extend(
                    parts
                        .iter()
                        .filter_map(|part| part.get("text").and_then(Value::as_str)),
                );
            }
            _ => {}
        }
    }
    Some(texts.join("\n"))
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
        assert_eq!(prompt_text(&json!({"messages": "a"})), None);
        assert_eq!(prompt_text(&json!([])), None);
    }
}
