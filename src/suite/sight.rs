//! What was observed, in the form that matchers are applied to (`conformance/README.md`).

use std::collections::BTreeMap;
use std::ops::Range;

use mock_services::{Call, Service, prompt_messages, prompt_text};
use serde_json::{Map, Value, json};

use super::observed::Observed;
use super::target::Answer;

/// Most places of a prompt at which an observation is looked for.
const MOST_STARTS: usize = 4_096;

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
        "messages": prompt_messages(&call.body),
        "observation": shown_observation(call),
    })
}

/// The observation that a prompt shows as one JSON text (MOD-005), whatever stands around it; `null` where there is none.
///
/// What a refused reply or a schema holds is not mistaken for it: only an observation has all three members.
fn shown_observation(call: &Call) -> Value {
    let text = prompt_text(&call.body).unwrap_or_default();
    let (found, _) = observations_in(&text, 1);
    found
        .into_iter()
        .next()
        .map_or(Value::Null, |(_, observation)| observation)
}

/// The observations that a text shows as JSON texts, `most` of them at most, each with the place of the JSON text that it is or is
/// within; `false`: the text was not searched to its end.
pub(super) fn observations_in(text: &str, most: usize) -> (Vec<(Range<usize>, Value)>, bool) {
    objects_in(text, most, is_observation)
}

fn is_observation(members: &Map<String, Value>) -> bool {
    ["timestamp", "user_context", "environment"]
        .iter()
        .all(|name| members.contains_key(*name))
}

/// As [`observations_in`], for objects of any kind.
pub(super) fn objects_in(
    text: &str,
    most: usize,
    wanted: fn(&Map<String, Value>) -> bool,
) -> (Vec<(Range<usize>, Value)>, bool) {
    let mut found = Vec::new();
    let mut at = 0;
    for _ in 0..MOST_STARTS {
        let Some(start) = text.get(at..).and_then(|rest| rest.find('{')) else {
            return (found, true);
        };
        at += start;
        let rest = text.get(at..).unwrap_or_default();
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        let Some(Ok(value)) = values.next() else {
            at += 1;
            continue;
        };
        let end = at + values.byte_offset();
        collect(value, &(at..end), wanted, &mut found);
        if found.len() >= most {
            found.truncate(most);
            return (found, false);
        }
        at = end;
    }
    (found, false)
}

/// The outermost objects that are wanted.
fn collect(
    value: Value,
    place: &Range<usize>,
    wanted: fn(&Map<String, Value>) -> bool,
    found: &mut Vec<(Range<usize>, Value)>,
) {
    match value {
        Value::Object(members) if wanted(&members) => {
            found.push((place.clone(), Value::Object(members)));
        }
        Value::Object(members) => {
            for (_, member) in members {
                collect(member, place, wanted, found);
            }
        }
        Value::Array(elements) => {
            for element in elements {
                collect(element, place, wanted, found);
            }
        }
        _ => {}
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
