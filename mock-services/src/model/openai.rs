//! OpenAI chat completions.

use serde_json::{Value, json};

use super::chat::{Events, Reply, Stream};

/// `created` of every completion (2026-01-01T00:00:00Z): a fixed value keeps reports the same between runs.
const CREATED: u64 = 1_767_225_600;

pub(super) fn whole(reply: &Reply<'_>) -> Value {
    let choices = match reply.text {
        Some(text) => {
            let message = json!({"role": "assistant", "content": text});
            json!([{"index": 0, "message": message, "finish_reason": reply.finish_reason}])
        }
        None => json!([]),
    };
    json!({
        "id": id(reply),
        "object": "chat.completion",
        "created": CREATED,
        "model": reply.model,
        "choices": choices,
        "usage": usage(reply),
    })
}

pub(super) fn events(reply: &Reply<'_>, stream: Stream) -> Events {
    let mut events = Events::default();
    let mut chunk = |choices: Value, usage: Value| {
        let mut chunk = json!({
            "id": id(reply),
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": reply.model,
            "choices": choices,
        });
        if stream.usage {
            chunk["usage"] = usage;
        }
        events.data(&chunk.to_string());
    };
    let choice = |delta: Value, reason: Option<&str>| json!([{"index": 0, "delta": delta, "finish_reason": reason}]);
    if reply.text.is_some() {
        let start = json!({"role": "assistant", "content": ""});
        chunk(choice(start, None), Value::Null);
    }
    for piece in reply.pieces() {
        chunk(choice(json!({"content": piece}), None), Value::Null);
    }
    if let Some(reason) = reply.finish_reason.filter(|_| reply.text.is_some()) {
        chunk(choice(json!({}), Some(reason)), Value::Null);
    }
    if stream.usage {
        chunk(json!([]), usage(reply));
    }
    if reply.finish_reason.is_some() {
        events.data("[DONE]");
    }
    events
}

pub(super) fn error(status: u16, code: &str, message: &str) -> Value {
    let kind = match (code, status) {
        ("unknown_token", _) => "mock_error",
        (_, 429) => "rate_limit_error",
        (_, 400..=499) => "invalid_request_error",
        _ => "server_error",
    };
    json!({"error": {"message": message, "type": kind, "code": code}})
}

fn id(reply: &Reply<'_>) -> String {
    format!("chatcmpl-mock-{}", reply.serial)
}

fn usage(reply: &Reply<'_>) -> Value {
    let usage = reply.usage;
    json!({
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens.saturating_add(usage.completion_tokens),
    })
}
