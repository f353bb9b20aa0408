//! What was observed, in the form that matchers are applied to (`conformance/README.md`).

use std::collections::BTreeMap;

use mock_services::{Call, Service, prompt_text};
use serde_json::{Map, Value, json};

use super::observed::Observed;
use super::target::Answer;

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
    })
}

/// The calls that reached one mock, in order.
pub fn of_service<'o>(observed: &'o Observed, name: &str) -> impl Iterator<Item = &'o Call> {
    let service = name.parse::<Service>().ok();
    observed
        .calls
        .iter()
        .filter(move |call| Some(call.service) == service)
}
