//! The wire of Cohere v2 chat.

use serde_json::{Map, Value};

use super::answer::{count, joined_text, reason};
use super::stream::{Event, SoFar};
use super::{Message, ModelFailure, ModelReply, Usage};

/// What some gateways send after the last event.
const DONE: &str = "[DONE]";

/// The reasons that say that no reply came to be.
const FAILED: [&str; 2] = ["ERROR", "TIMEOUT"];

/// Puts the messages into a body.
pub(super) fn fill(body: &mut Map<String, Value>, messages: &[Message], stream: bool) {
    let listed: Vec<Value> = messages.iter().map(Message::to_value).collect();
    body.insert("messages".to_owned(), Value::Array(listed));
    body.insert("stream".to_owned(), Value::Bool(stream));
}

/// Reads an answer that came in one piece.
pub(super) fn read(answer: &Value) -> Result<ModelReply, ModelFailure> {
    let message = answer
        .get("message")
        .filter(|message| message.is_object())
        .ok_or_else(|| ModelFailure::new("the model's answer has no message"))?;
    let content = message.get("content").and_then(Value::as_array);
    Ok(ModelReply {
        text: content.map_or_else(String::new, |items| joined_text(items)),
        finish_reason: ended(answer.get("finish_reason"))?,
        usage: answer.get("usage").and_then(usage_of),
    })
}

/// Takes an event of a stream.
pub(super) fn take(so_far: &mut SoFar, event: &Event) -> Result<(), ModelFailure> {
    if event.data.trim() == DONE {
        so_far.end();
        return Ok(());
    }
    let said = event.json()?;
    match said.get("type").and_then(Value::as_str) {
        Some("content-start" | "content-delta") => {
            // Thoughts have another member, and are no part of the reply.
            let text = said.pointer("/delta/message/content/text");
            so_far.add(text.and_then(Value::as_str).unwrap_or_default())?;
        }
        Some("message-end") => {
            let reason = ended(said.pointer("/delta/finish_reason"))?;
            so_far.usage = said.pointer("/delta/usage").and_then(usage_of);
            so_far.finish(reason);
            so_far.end();
        }
        // Other events carry no text, and new ones may come at any time.
        _ => {}
    }
    Ok(())
}

fn ended(value: Option<&Value>) -> Result<Option<String>, ModelFailure> {
    let reason = reason(value);
    let failed = |reason: &String| FAILED.contains(&reason.as_str());
    if reason.as_ref().is_some_and(failed) {
        return Err(ModelFailure::new("the model failed within its answer"));
    }
    Ok(reason)
}

/// The tokens of the model, or else those that are paid for.
fn usage_of(usage: &Value) -> Option<Usage> {
    let counts = ["tokens", "billed_units"]
        .iter()
        .find_map(|name| usage.get(*name).filter(|counts| counts.is_object()))?;
    Some(Usage {
        prompt_tokens: count(counts.get("input_tokens")),
        completion_tokens: count(counts.get("output_tokens")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Wire;
    use serde_json::json;

    #[test]
    fn only_text_items_are_the_reply() {
        let read = |body: &Value| Wire::Cohere.read_reply(200, None, body.to_string().as_bytes());
        let body = json!({"finish_reason": "COMPLETE", "message": {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            "usage": {"billed_units": {"input_tokens": 1.0}, "tokens": {"input_tokens": 3.0, "output_tokens": 4.0}}});
        let reply = read(&body).expect("a reply");
        assert_eq!(
            (reply.text.as_str(), reply.finish_reason.as_deref()),
            ("ab", Some("COMPLETE"))
        );
        assert_eq!(
            reply.usage,
            Some(Usage {
                prompt_tokens: 3,
                completion_tokens: 4
            })
        );
        // A message without a text is a reply without a text.
        for silent in [json!({"message": {}}), json!({"message": {"content": []}})] {
            assert_eq!(read(&silent).expect("a reply").text, "");
        }
        for wrong in [
            json!({"message": "hi"}),
            json!({"message": {"content": []}, "finish_reason": "ERROR"}),
        ] {
            assert!(read(&wrong).is_err(), "{wrong}");
        }
    }

    fn streamed(events: &[Value]) -> Result<ModelReply, ModelFailure> {
        let mut reader = Wire::Cohere.stream();
        for event in events {
            reader.push(format!("event: x\ndata: {event}\n\n").as_bytes())?;
        }
        reader.end()
    }

    #[test]
    fn a_stream_ends_with_its_end_and_not_before() {
        let delta = |text: &str| json!({"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": text}}}});
        let end = |reason: &str| json!({"type": "message-end", "delta": {"finish_reason": reason, "usage": {"tokens": {"input_tokens": 3, "output_tokens": 4}}}});
        let all = [
            json!({"type": "message-start", "id": "x", "delta": {"message": {"role": "assistant", "content": []}}}),
            json!({"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text", "text": ""}}}}),
            delta("a"),
            json!({"type": "content-delta", "index": 1, "delta": {"message": {"content": {"thinking": "hm"}}}}),
            delta("b"),
            json!({"type": "content-end", "index": 0}),
            end("MAX_TOKENS"),
        ];
        let reply = streamed(&all).expect("a reply");
        assert_eq!(reply.text, "ab");
        assert!(reply.is_cut_off());
        assert_eq!(reply.usage.map(|usage| usage.prompt_tokens), Some(3));
        for length in 0..all.len() {
            assert!(streamed(&all[..length]).is_err(), "{length} events");
        }
        assert!(streamed(&[delta("a"), end("ERROR")]).is_err());
    }
}
