//! What was observed, in the form that matchers are applied to (`conformance/README.md`).

use std::collections::BTreeMap;

use mock_services::{Call, Service, prompt_text};
use serde_json::{Map, Value, json};

use super::observed::Observed;
use super::target::Answer;

/// Most places of a prompt at which an observation is looked for.
const MOST_STARTS: usize = 200;

/// What one answer is to matchers.
pub fn answer_value(answer: &Answer) -> Value {
    let mut headers = Map::new();
    for (name, _) in &answer.headers {
        let name = name.to_ascii_lowercase();
        if let Some(value) = answer.header(&name) {
            headers.insert(name, Value::from(value));
        }
    }
    let mut value = json!({"status": answer.status, "headers": headers});
    if let Some(body) = answer.body_value() {
        value["body"] = body;
    }
    value
}

/// What one call to a service is to matchers.
pub fn service_request(call: &Call) -> Value {
    let mut query: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in &call.query {
        query.entry(name).or_default().push(value);
    }
    let query: Map<String, Value> = query
        .into_iter()
        .map(|(name, values)| {
            let value = match values.as_slice() {
                [one] => Value::from(*one),
                many => json!(many),
            };
            (name.to_owned(), value)
        })
        .collect();
    json!({
        "method": call.method,
        "path": call.path,
        "query": query,
        "headers": call.headers,
        "body": call.body,
        "auth": call.auth,
    })
}

/// What one request to the model is to matchers.
pub fn model_request(call: &Call) -> Value {
    json!({
        "path": call.path,
        "headers": call.headers,
        "auth": call.auth,
        "body": call.body,
        "text": prompt_text(&call.body),
        "messages": call.body.get("messages").cloned().unwrap_or(Value::Null),
        "observation": shown_observation(call),
    })
}

/// The observation that a prompt shows as one JSON text (MOD-005), whatever stands around it; `null` where there is none.
///
/// What a refused reply or a schema holds is not mistaken for it: only an observation has all three members.
fn shown_observation(call: &Call) -> Value {
    let text = prompt_text(&call.body).unwrap_or_default();
    let mut rest = text.as_str();
    for _ in 0..MOST_STARTS {
        let Some(start) = rest.find('{') else {
            break;
        };
        rest = &rest[start..];
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        match values.next() {
            Some(Ok(value)) => {
                if let Some(found) = observation_in(&value) {
                    return found.clone();
                }
                rest = &rest[values.byte_offset()..];
            }
            _ => rest = &rest[1..],
        }
    }
    Value::Null
}

/// The outermost object that has the members of an observation.
fn observation_in(value: &Value) -> Option<&Value> {
    match value {
        Value::Object(members) => ["timestamp", "user_context", "environment"]
            .iter()
            .all(|name| members.contains_key(*name))
            .then_some(value)
            .or_else(|| members.values().find_map(observation_in)),
        Value::Array(elements) => elements.iter().find_map(observation_in),
        _ => None,
    }
}

/// The calls that reached one mock, in order.
pub fn of_service<'o>(observed: &'o Observed, name: &str) -> impl Iterator<Item = &'o Call> {
    let service = name.parse::<Service>().ok();
    observed
        .calls
        .iter()
        .filter(move |call| Some(call.service) == service)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(content: &str) -> Value {
        let body = json!({"messages": [{"role": "user", "content": content}]});
        let call: Call = serde_json::from_value(json!({
            "seq": 1, "at": 0, "token": null, "service": "model", "method": "POST", "path": "/v1/chat/completions",
            "query": [], "headers": {}, "body": body, "auth": "ok", "status": 200, "entry": null, "unmatched": null
        }))
        .expect("a call");
        shown_observation(&call)
    }

    #[test]
    fn an_observation_is_found_by_value_however_it_is_written() {
        let plain =
            r#"{"timestamp":"t","user_context":{},"environment":{"zone":"Europe/Berlin","ä":1}}"#;
        let escaped = r#"{ "environment": {"\u00e4": 1.0, "zone": "Europe\/Berlin"}, "user_context": {}, "timestamp": "t" }"#
            .replace("\\\\", "\\");
        let found = shown(&format!(
            "Goal: {{x}}\nContract: {{\"a\":{{}}}}\n{plain} and more"
        ));
        assert_eq!(found["environment"]["zone"], "Europe/Berlin");
        assert_eq!(
            shown(&escaped)["environment"]["zone"],
            found["environment"]["zone"]
        );
        assert_eq!(
            shown(&format!(r#"{{"goal":"g","observation":{plain}}}"#)),
            found
        );
    }

    #[test]
    fn pieces_of_an_observation_are_none() {
        assert_eq!(
            shown("timestamp: t\nuser_context: {}\nenvironment: {}"),
            Value::Null
        );
        assert_eq!(
            shown(r#"{"timestamp":"t"} {"user_context":{}} {"environment":{}}"#),
            Value::Null
        );
        assert_eq!(shown(&"{".repeat(100_000)), Value::Null);
    }
}
