//! The wire of OpenAI chat completions.

use serde_json::{Map, Value, json};

use super::{Message, ModelFailure, ModelReply, Usage};
use crate::json::{self, Duplicates, Limits};

/// The largest HTTP answer of a model that is read, in bytes.
pub const LARGEST_ANSWER: usize = 4 * 1024 * 1024;

/// Low enough that the same observation tends to give the same plan.
pub const TEMPERATURE: f64 = 0.2;

/// Enough for any plan of sensible size.
pub const MAX_TOKENS: u64 = 2048;

/// Sampling parameters of every call.
pub fn parameters() -> Map<String, Value> {
    let mut parameters = Map::new();
    parameters.insert("temperature".to_owned(), json!(TEMPERATURE));
    parameters.insert("max_tokens".to_owned(), json!(MAX_TOKENS));
    parameters
}

/// The URL of the call.
pub fn url(base_url: &str) -> String {
    format!("{}/chat/completions", base_url.trim_end_matches('/'))
}

/// The body of the call.
pub fn request(model: &str, messages: &[Message], parameters: Map<String, Value>) -> Value {
    let listed: Vec<Value> = messages.iter().map(Message::to_value).collect();
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(model));
    body.insert("messages".to_owned(), Value::Array(listed));
    body.extend(parameters);
    Value::Object(body)
}

/// The headers of the call; no `Authorization` without a key.
pub fn headers(api_key: &str) -> Vec<(String, String)> {
    let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    if !api_key.is_empty() {
        headers.push(("authorization".to_owned(), format!("Bearer {api_key}")));
    }
    headers
}

/// Reads the HTTP answer.
///
/// # Errors
/// A status other than 2xx, a body that is not JSON, or one without a choice.
pub fn read_reply(
    status: u16,
    retry_after: Option<&str>,
    body: &[u8],
) -> Result<ModelReply, ModelFailure> {
    if !(200..300).contains(&status) {
        return Err(ModelFailure {
            message: format!("the model answered {status}"),
            retry_after: retry_after
                .filter(|value| may_pass_on(value))
                .map(str::to_owned),
            status: Some(status),
        });
    }
    let limits = Limits {
        bytes: LARGEST_ANSWER,
        depth: 64,
    };
    let unusable = |what: &str| ModelFailure {
        status: Some(status),
        ..ModelFailure::new(what)
    };
    let answer = json::read(body, &limits, Duplicates::KeepLast)
        .map_err(|_| unusable("the model's answer is not JSON"))?;
    let choice = answer
        .pointer("/choices/0")
        .filter(|choice| choice.get("message").is_some_and(Value::is_object))
        .ok_or_else(|| unusable("the model's answer has no choice"))?;
    Ok(ModelReply {
        text: choice
            .pointer("/message/content")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        finish_reason: choice
            .get("finish_reason")
            .and_then(Value::as_str)
            .map(str::to_owned),
        usage: answer
            .get("usage")
            .filter(|usage| usage.is_object())
            .map(usage_of),
    })
}

fn usage_of(usage: &Value) -> Usage {
    let count = |name: &str| usage.get(name).and_then(Value::as_u64).unwrap_or(0);
    Usage {
        prompt_tokens: count("prompt_tokens"),
        completion_tokens: count("completion_tokens"),
    }
}

/// A `Retry-After` is seconds or an HTTP date; anything else, which could carry any text, is not repeated to clients.
fn may_pass_on(value: &str) -> bool {
    let seconds = (1..=9).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit());
    seconds || is_http_date(value)
}

/// The one form of a date that RFC 9110 lets a server send: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn is_http_date(value: &str) -> bool {
    const DAYS: &str = "Mon Tue Wed Thu Fri Sat Sun";
    const MONTHS: &str = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec";
    const FORM: &[u8] = b"@@@, 99 @@@ 9999 99:99:99 GMT";
    let fits = |(byte, form): (u8, &u8)| match form {
        b'9' => byte.is_ascii_digit(),
        b'@' => byte.is_ascii_alphabetic(),
        other => byte == *other,
    };
    let names = |list: &str, range| {
        let name = value.get(range);
        name.is_some_and(|name| list.split(' ').any(|known| known == name))
    };
    value.len() == FORM.len()
        && value.bytes().zip(FORM).all(fits)
        && names(DAYS, 0..3)
        && names(MONTHS, 8..11)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Role;

    #[test]
    fn the_request_has_model_messages_and_parameters() {
        let body = request(
            "m",
            &[
                Message::new(Role::System, "s"),
                Message::new(Role::User, "u"),
            ],
            parameters(),
        );
        assert_eq!(
            body["messages"],
            json!([{"role": "system", "content": "s"}, {"role": "user", "content": "u"}])
        );
        assert!(
            body["temperature"].as_f64().is_some_and(|t| t <= 0.3) && body["max_tokens"].is_u64()
        );
        assert_eq!(url("http://h/v1/"), "http://h/v1/chat/completions");
    }

    #[test]
    fn replies_are_read_and_everything_else_is_a_failure() {
        let body = json!({"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}],
                          "usage": {"prompt_tokens": 3, "completion_tokens": 4}});
        let reply = read_reply(200, None, body.to_string().as_bytes()).expect("a reply");
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
        let silent = read_reply(200, None, br#"{"choices":[{"message":{"content":null}}]}"#)
            .expect("a reply");
        assert_eq!(silent.text, "");
        for body in ["<html>", r#"{"choices":[]}"#, "{}", ""] {
            assert!(read_reply(200, None, body.as_bytes()).is_err(), "{body}");
        }
        let limited = read_reply(429, Some("7"), b"").expect_err("a failure");
        assert_eq!(
            (limited.status, limited.retry_after.as_deref()),
            (Some(429), Some("7"))
        );
        let passed = |value| {
            let failure = read_reply(503, Some(value), b"").expect_err("a failure");
            failure.retry_after.is_some()
        };
        assert!(passed("0") && passed("86400") && passed("Sun, 06 Nov 1994 08:49:37 GMT"));
        // The last is a key in base64, which a model that echoes its request could send.
        for text in [
            "",
            "a\"b",
            "-1",
            "1.5",
            "1234567890",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Key, 06 Nov 1994 08:49:37 GMT",
            "c2stdGVzdC1tb2RlbC1rZXktMDAwMQ",
        ] {
            assert!(!passed(text), "{text}");
        }
    }
}
