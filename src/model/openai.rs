//! The wire of OpenAI chat completions.

use serde_json::{Map, Value, json};

use super::answer::{count, reason};
use super::stream::{Event, SoFar};
use super::{Message, ModelFailure, ModelReply, Usage};

/// What ends a stream after its last event.
const DONE: &str = "[DONE]";

/// Puts the messages into a body.
pub(super) fn fill(body: &mut Map<String, Value>, messages: &[Message], stream: bool) {
    let listed: Vec<Value> = messages.iter().map(Message::to_value).collect();
    body.insert("messages".to_owned(), Value::Array(listed));
    if stream {
        body.insert("stream".to_owned(), Value::Bool(true));
        // Without it a stream tells no usage.
        body.insert("stream_options".to_owned(), json!({"include_usage": true}));
    }
}

/// Reads an answer that came in one piece.
pub(super) fn read(answer: &Value) -> Result<ModelReply, ModelFailure> {
    let choice = answer
        .pointer("/choices/0")
        .filter(|choice| choice.get("message").is_some_and(Value::is_object))
        .ok_or_else(|| ModelFailure::new("the model's answer has no choice"))?;
    Ok(ModelReply {
        text: choice
            .pointer("/message/content")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        finish_reason: reason(choice.get("finish_reason")),
        usage: answer.get("usage").and_then(usage_of),
    })
}

/// Takes an event of a stream.
pub(super) fn take(so_far: &mut SoFar, event: &Event) -> Result<(), ModelFailure> {
    if event.data.trim() == DONE {
        so_far.end();
        return Ok(());
    }
    let chunk = event.json()?;
    if chunk.get("error").is_some_and(|error| !error.is_null()) {
        return Err(ModelFailure::new("the model failed within its answer"));
    }
    // The last event before the end may have no choice, and tell the usage.
    if let Some(usage) = chunk.get("usage").and_then(usage_of) {
        so_far.usage = Some(usage);
    }
    let first = |choice: &&Value| choice.get("index").is_none_or(|index| index == 0);
    let choices = chunk.get("choices").and_then(Value::as_array);
    for choice in choices.into_iter().flatten().filter(first) {
        if let Some(text) = choice.pointer("/delta/content").and_then(Value::as_str) {
            so_far.add(text)?;
        }
        if let Some(reason) = reason(choice.get("finish_reason")) {
            so_far.finish(Some(reason));
        }
    }
    Ok(())
}

fn usage_of(usage: &Value) -> Option<Usage> {
    usage.is_object().then(|| Usage {
        prompt_tokens: count(usage.get("prompt_tokens")),
        completion_tokens: count(usage.get("completion_tokens")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Wire;

    #[test]
    fn replies_are_read_and_everything_else_is_a_failure() {
        let body = json!({"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}],
                          "usage": {"prompt_tokens": 3, "completion_tokens": 4}});
        let read = |body: &str| Wire::OpenAi.read_reply(200, None, body.as_bytes());
        let reply = read(&body.to_string()).expect("a reply");
        assert_eq!(
            (reply.text.as_str(), reply.finish_reason.as_deref()),
            ("hi", Some("stop"))
        );
        assert_eq!(
            reply.usage,
            Some(Usage {
                prompt_tokens: 3,
                completion_tokens: 4
            })
        );
        let silent = read(r#"{"choices":[{"message":{"content":null}}]}"#).expect("a reply");
        assert_eq!(silent.text, "");
        for body in [
            r#"{"choices":[]}"#,
            r#"{"choices":{}}"#,
            r#"{"choices":[{}]}"#,
            r#"{"choices":[{"message":"hi"}]}"#,
        ] {
            assert!(read(body).is_err(), "{body}");
        }
    }

    fn streamed(chunks: &[&str]) -> Result<ModelReply, ModelFailure> {
        let mut reader = Wire::OpenAi.stream();
        for chunk in chunks {
            reader.push(format!("data: {chunk}\n\n").as_bytes())?;
        }
        reader.end()
    }

    #[test]
    fn a_stream_is_joined_and_has_a_usage() {
        let reply = streamed(&[
            r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#,
            r#"{"choices":[{"index":1,"delta":{"content":"other"}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"{\"a\":"}}],"usage":null}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"1}"}}]}"#,
            r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
            r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#,
            "[DONE]",
        ])
        .expect("a reply");
        assert_eq!(
            (reply.text.as_str(), reply.finish_reason.as_deref()),
            ("{\"a\":1}", Some("stop"))
        );
        assert_eq!(reply.usage.map(|usage| usage.completion_tokens), Some(4));
    }

    #[test]
    fn a_stream_without_a_reason_to_end_has_broken_off() {
        let text = r#"{"choices":[{"index":0,"delta":{"content":"{\"finished\":true}"}}]}"#;
        for chunks in [&[text][..], &[text, "[DONE]"], &["[DONE]"], &[]] {
            assert!(streamed(chunks).is_err(), "{chunks:?}");
        }
        let end = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
        assert!(streamed(&[text, end]).is_ok());
        for broken in [
            "{",
            r#"{"error":{"message":"overloaded"}}"#,
            r#"{"choices":[{"delta":"#,
        ] {
            assert!(streamed(&[text, broken, end]).is_err(), "{broken}");
        }
    }
}
