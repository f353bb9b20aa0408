//! Cohere v2 chat.

use serde_json::{Value, json};

use super::chat::{Events, Reply};

/// Reasons to stop, by those of OpenAI.
const REASONS: [(&str, &str); 4] = [
    ("stop", "COMPLETE"),
    ("length", "MAX_TOKENS"),
    ("content_filter", "ERROR"),
    ("tool_calls", "TOOL_CALL"),
];

/// The roles of messages.
const ROLES: [&str; 4] = ["system", "user", "assistant", "tool"];

pub(super) fn whole(reply: &Reply<'_>) -> Value {
    let mut answer = json!({
        "id": id(reply),
        "finish_reason": reply.reason(&REASONS),
        "usage": usage(reply),
    });
    if let Some(text) = reply.text {
        let content = json!([{"type": "text", "text": text}]);
        answer["message"] = json!({"role": "assistant", "content": content});
    }
    answer
}

pub(super) fn events(reply: &Reply<'_>) -> Events {
    let mut events = Events::default();
    let message = json!({"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []});
    events.named(&json!({"type": "message-start", "id": id(reply), "delta": {"message": message}}));
    if reply.text.is_none() {
        return events;
    }
    let content = |content: Value| json!({"message": {"content": content}});
    let start = content(json!({"type": "text", "text": ""}));
    events.named(&json!({"type": "content-start", "index": 0, "delta": start}));
    for piece in reply.pieces() {
        let delta = content(json!({"text": piece}));
        events.named(&json!({"type": "content-delta", "index": 0, "delta": delta}));
    }
    let Some(reason) = reply.reason(&REASONS) else {
        return events;
    };
    events.named(&json!({"type": "content-end", "index": 0}));
    let delta = json!({"finish_reason": reason, "usage": usage(reply)});
    events.named(&json!({"type": "message-end", "id": id(reply), "delta": delta}));
    events.data("[DONE]");
    events
}

pub(super) fn error(code: &str, message: &str) -> Value {
    json!({"id": "mock", "message": format!("{message} ({code})")})
}

/// What the maker of the wire answers 400 to.
pub(super) fn objection(request: &Value) -> Option<String> {
    if !request.get("model").is_some_and(Value::is_string) {
        return Some("`model` is missing, or no text".to_owned());
    }
    if !request.get("stream").is_none_or(Value::is_boolean) {
        return Some("`stream` is neither true nor false".to_owned());
    }
    let messages = request.get("messages")?.as_array()?;
    let odd = messages.iter().position(|message| {
        let role = message.get("role").and_then(Value::as_str);
        !role.is_some_and(|role| ROLES.contains(&role))
    });
    match odd {
        Some(index) => Some(format!(
            "messages/{index} is of none of the roles {}",
            ROLES.join(", ")
        )),
        None => messages
            .is_empty()
            .then(|| "`messages` is empty".to_owned()),
    }
}

fn id(reply: &Reply<'_>) -> String {
    format!("00000000-0000-4000-8000-{:012}", reply.serial)
}

fn usage(reply: &Reply<'_>) -> Value {
    let (input, output) = (reply.usage.prompt_tokens, reply.usage.completion_tokens);
    json!({
        "billed_units": {"input_tokens": input, "output_tokens": output},
        "tokens": {"input_tokens": input, "output_tokens": output},
    })
}
