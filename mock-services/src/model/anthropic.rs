//! Anthropic messages.

use serde_json::{Value, json};

use super::chat::{Events, Reply};
use crate::wire::Incoming;

/// Reasons to stop, by those of OpenAI.
const REASONS: [(&str, &str); 4] = [
    ("stop", "end_turn"),
    ("length", "max_tokens"),
    ("content_filter", "refusal"),
    ("tool_calls", "tool_use"),
];

pub(super) fn whole(reply: &Reply<'_>) -> Value {
    let mut message = message(reply);
    match reply.text {
        Some(text) => message["content"] = json!([{"type": "text", "text": text}]),
        None => {
            if let Some(members) = message.as_object_mut() {
                members.remove("content");
            }
        }
    }
    message["stop_reason"] = json!(reply.reason(&REASONS));
    message["usage"] = json!({
        "input_tokens": reply.usage.prompt_tokens,
        "output_tokens": reply.usage.completion_tokens,
    });
    message
}

pub(super) fn events(reply: &Reply<'_>) -> Events {
    let mut events = Events::default();
    let mut start = message(reply);
    start["usage"] = json!({"input_tokens": reply.usage.prompt_tokens, "output_tokens": 1});
    events.named(&json!({"type": "message_start", "message": start}));
    if reply.text.is_none() {
        return events;
    }
    let block = json!({"type": "text", "text": ""});
    events.named(&json!({"type": "content_block_start", "index": 0, "content_block": block}));
    events.named(&json!({"type": "ping"}));
    for piece in reply.pieces() {
        let delta = json!({"type": "text_delta", "text": piece});
        events.named(&json!({"type": "content_block_delta", "index": 0, "delta": delta}));
    }
    let Some(reason) = reply.reason(&REASONS) else {
        return events;
    };
    events.named(&json!({"type": "content_block_stop", "index": 0}));
    events.named(&json!({
        "type": "message_delta",
        "delta": {"stop_reason": reason, "stop_sequence": null},
        "usage": {"output_tokens": reply.usage.completion_tokens},
    }));
    events.named(&json!({"type": "message_stop"}));
    events
}

pub(super) fn error(status: u16, message: &str) -> Value {
    let kind = match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    };
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_mock"})
}

/// What the maker of the wire answers 400 to.
pub(super) fn objection(request: &Value, incoming: &Incoming) -> Option<String> {
    if !incoming.headers.contains_key("anthropic-version") {
        return Some("the header `anthropic-version` is missing".to_owned());
    }
    let most = request.get("max_tokens").and_then(Value::as_u64);
    if most.is_none_or(|most| most == 0) {
        return Some("`max_tokens` is missing, or no number from 1".to_owned());
    }
    let messages = request.get("messages")?.as_array()?;
    for (index, message) in messages.iter().enumerate() {
        // Neighbours of one role are taken for one turn.
        let known: &[&str] = if index == 0 {
            &["user"]
        } else {
            &["user", "assistant", "system"]
        };
        let role = message.get("role").and_then(Value::as_str);
        if !role.is_some_and(|role| known.contains(&role)) {
            return Some(format!(
                "messages/{index} is not of the role {}: a user begins, and what the system says first stands in `system`",
                known.join(" or ")
            ));
        }
        let is_empty = match message.get("content") {
            Some(Value::String(text)) => text.trim().is_empty(),
            Some(Value::Array(blocks)) => blocks.is_empty(),
            _ => true,
        };
        if is_empty {
            return Some(format!("messages/{index} has no content"));
        }
    }
    messages
        .is_empty()
        .then(|| "`messages` is empty".to_owned())
}

/// A message without what differs between one piece and a stream.
fn message(reply: &Reply<'_>) -> Value {
    json!({
        "id": format!("msg_mock_{}", reply.serial),
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
    })
}
