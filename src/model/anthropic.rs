//! The wire of Anthropic messages.

use serde_json::{Map, Value};

use super::answer::{count, joined_text, reason};
use super::stream::{Event, SoFar};
use super::{Message, ModelFailure, ModelReply, Role, Usage};

/// The revision of the wire that is spoken.
const VERSION: &str = "2023-06-01";

/// The headers besides the media type.
pub(super) fn headers(api_key: &str) -> Vec<(String, String)> {
    let mut headers = vec![("anthropic-version".to_owned(), VERSION.to_owned())];
    if !api_key.is_empty() {
        headers.push(("x-api-key".to_owned(), api_key.to_owned()));
    }
    headers
}

/// Puts the messages into a body: what the system says stands beside them, and user and assistant take turns, so
/// neighbours of one role are one message.
pub(super) fn fill(body: &mut Map<String, Value>, messages: &[Message], stream: bool) {
    let mut system = Vec::new();
    let mut turns: Vec<(Role, Vec<&str>)> = Vec::new();
    for message in messages {
        match (message.role, turns.last_mut()) {
            (Role::System, _) => system.push(&*message.content),
            (role, Some((last, texts))) if role == *last => texts.push(&message.content),
            (role, _) => turns.push((role, vec![&message.content])),
        }
    }
    let listed: Vec<Value> = turns
        .into_iter()
        .map(|(role, texts)| Message::new(role, texts.join("\n\n")).to_value())
        .collect();
    if !system.is_empty() {
        body.insert("system".to_owned(), system.join("\n\n").into());
    }
    body.insert("messages".to_owned(), Value::Array(listed));
    if stream {
        body.insert("stream".to_owned(), Value::Bool(true));
    }
}

/// Reads an answer that came in one piece.
pub(super) fn read(answer: &Value) -> Result<ModelReply, ModelFailure> {
    let content = answer
        .get("content")
        .and_then(Value::as_array)
        .ok_or_else(|| ModelFailure::new("the model's answer has no content"))?;
    let usage = answer.get("usage").filter(|usage| usage.is_object());
    Ok(ModelReply {
        text: joined_text(content),
        finish_reason: reason(answer.get("stop_reason")),
        usage: usage.map(|usage| Usage {
            prompt_tokens: prompt_tokens(usage),
            completion_tokens: count(usage.get("output_tokens")),
        }),
    })
}

/// Takes an event of a stream.
pub(super) fn take(so_far: &mut SoFar, event: &Event) -> Result<(), ModelFailure> {
    let said = event.json()?;
    let text = |pointer: &str| said.pointer(pointer).and_then(Value::as_str);
    match said.get("type").and_then(Value::as_str) {
        Some("message_start") => {
            if let Some(usage) = said.pointer("/message/usage") {
                so_far.usage = Some(Usage {
                    prompt_tokens: prompt_tokens(usage),
                    completion_tokens: count(usage.get("output_tokens")),
                });
            }
        }
        Some("content_block_start") if text("/content_block/type") == Some("text") => {
            so_far.add(text("/content_block/text").unwrap_or_default())?;
        }
        Some("content_block_delta") if text("/delta/type") == Some("text_delta") => {
            so_far.add(text("/delta/text").unwrap_or_default())?;
        }
        Some("message_delta") => {
            if let Some(reason) = reason(said.pointer("/delta/stop_reason")) {
                so_far.finish_reason = Some(reason);
            }
            // The count is that of the whole reply so far.
            if let Some(tokens) = said.pointer("/usage/output_tokens") {
                so_far.usage.get_or_insert_default().completion_tokens = count(Some(tokens));
            }
        }
        Some("message_stop") => {
            so_far.finish(None);
            so_far.end();
        }
        Some("error") => return Err(ModelFailure::new("the model failed within its answer")),
        // Other events carry no text, and new ones may come at any time.
        _ => {}
    }
    Ok(())
}

/// What was read from a cache is a part of the prompt too.
fn prompt_tokens(usage: &Value) -> u64 {
    [
        "input_tokens",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
    ]
    .iter()
    .map(|name| count(usage.get(*name)))
    .fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Wire;
    use serde_json::json;

    #[test]
    fn neighbours_of_one_role_are_one_message() {
        let mut body = Map::new();
        let messages = [
            Message::new(Role::System, "s"),
            Message::new(Role::User, "u"),
            Message::new(Role::User, "v"),
        ];
        fill(&mut body, &messages, false);
        assert_eq!(
            body["messages"],
            json!([{"role": "user", "content": "u\n\nv"}])
        );
        assert!(!body.contains_key("stream"));
    }

    #[test]
    fn only_text_blocks_are_the_reply() {
        let body = json!({"type": "message", "role": "assistant", "stop_reason": "end_turn", "content": [
            {"type": "thinking", "thinking": "hm", "text": "hm"}, {"type": "text", "text": "{\"a\":"}, {"type": "text", "text": "1}"}],
            "usage": {"input_tokens": 3, "cache_read_input_tokens": 5, "output_tokens": 4}});
        let read =
            |body: &Value| Wire::Anthropic.read_reply(200, None, body.to_string().as_bytes());
        let reply = read(&body).expect("a reply");
        assert_eq!(
            (reply.text.as_str(), reply.finish_reason.as_deref()),
            ("{\"a\":1}", Some("end_turn"))
        );
        assert_eq!(
            reply.usage,
            Some(Usage {
                prompt_tokens: 8,
                completion_tokens: 4
            })
        );
        assert_eq!(read(&json!({"content": []})).expect("a reply").text, "");
        for wrong in [json!({"content": "hi"}), json!({"content": null})] {
            assert!(read(&wrong).is_err(), "{wrong}");
        }
    }

    fn streamed(events: &[Value]) -> Result<ModelReply, ModelFailure> {
        let mut reader = Wire::Anthropic.stream();
        for event in events {
            let kind = event["type"].as_str().unwrap_or_default();
            reader.push(format!("event: {kind}\ndata: {event}\n\n").as_bytes())?;
        }
        reader.end()
    }

    #[test]
    fn a_stream_ends_with_its_stop_and_not_before() {
        let start = json!({"type": "message_start", "message": {"content": [], "usage": {"input_tokens": 3, "output_tokens": 1}}});
        let block = json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}});
        let delta = |text: &str| json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}});
        let thought = json!({"type": "content_block_delta", "index": 1, "delta": {"type": "thinking_delta", "thinking": "hm"}});
        let end = json!({"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 9}});
        let stop = json!({"type": "message_stop"});
        let ping = json!({"type": "ping"});
        let all = [
            start,
            ping,
            block,
            delta("a"),
            thought,
            delta("b"),
            end,
            stop,
        ];
        let reply = streamed(&all).expect("a reply");
        assert_eq!(
            (reply.text.as_str(), reply.finish_reason.as_deref()),
            ("ab", Some("max_tokens"))
        );
        assert!(reply.is_cut_off());
        assert_eq!(
            reply.usage,
            Some(Usage {
                prompt_tokens: 3,
                completion_tokens: 9
            })
        );
        for length in 0..all.len() {
            assert!(streamed(&all[..length]).is_err(), "{length} events");
        }
        let error = json!({"type": "error", "error": {"type": "overloaded_error"}});
        assert!(streamed(&[all[0].clone(), error]).is_err());
    }
}
