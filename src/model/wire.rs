//! The formats in which a model is asked, behind one door (`spec/model.md` 2.1).

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

use super::stream::StreamReader;
use super::{Message, ModelFailure, ModelReply, anthropic, cohere, openai};

/// A format of requests and replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wire {
    /// OpenAI chat completions.
    #[default]
    OpenAi,
    /// Anthropic messages.
    Anthropic,
    /// Cohere v2 chat.
    Cohere,
}

impl Wire {
    /// All of them, the default first.
    pub const ALL: [Wire; 3] = [Wire::OpenAi, Wire::Anthropic, Wire::Cohere];

    /// The name that operators write.
    pub fn name(self) -> &'static str {
        match self {
            Wire::OpenAi => "openai",
            Wire::Anthropic => "anthropic",
            Wire::Cohere => "cohere",
        }
    }

    /// Where the maker of the format serves it.
    pub fn public_base_url(self) -> &'static str {
        match self {
            Wire::OpenAi => "https://api.openai.com/v1",
            Wire::Anthropic => "https://api.anthropic.com",
            Wire::Cohere => "https://api.cohere.com",
        }
    }

    /// The URL of a call.
    pub fn url(self, base_url: &str) -> String {
        let path = match self {
            Wire::OpenAi => "/chat/completions",
            Wire::Anthropic => "/v1/messages",
            Wire::Cohere => "/v2/chat",
        };
        format!("{}{path}", base_url.trim_end_matches('/'))
    }

    /// The headers of a call; no key, no header for it.
    pub fn headers(self, api_key: &str) -> Vec<(String, String)> {
        let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        match self {
            Wire::Anthropic => headers.extend(anthropic::headers(api_key)),
            Wire::OpenAi | Wire::Cohere if api_key.is_empty() => {}
            Wire::OpenAi | Wire::Cohere => {
                headers.push(("authorization".to_owned(), format!("Bearer {api_key}")));
            }
        }
        headers
    }

    /// The body of a call.
    pub fn request(
        self,
        model: &str,
        messages: &[Message],
        parameters: Map<String, Value>,
        stream: bool,
    ) -> Value {
        let mut body = Map::new();
        body.insert("model".to_owned(), model.into());
        match self {
            Wire::OpenAi => openai::fill(&mut body, messages, stream),
            Wire::Anthropic => anthropic::fill(&mut body, messages, stream),
            Wire::Cohere => cohere::fill(&mut body, messages, stream),
        }
        body.extend(parameters);
        Value::Object(body)
    }

    /// Reads an HTTP answer that came in one piece.
    ///
    /// # Errors
    /// A status other than 2xx, a body that is not JSON, or one without a message in its place.
    pub fn read_reply(
        self,
        status: u16,
        retry_after: Option<&str>,
        body: &[u8],
    ) -> Result<ModelReply, ModelFailure> {
        let answer = super::answer::json_of(status, retry_after, body)?;
        let read = match self {
            Wire::OpenAi => openai::read(&answer),
            Wire::Anthropic => anthropic::read(&answer),
            Wire::Cohere => cohere::read(&answer),
        };
        read.map_err(|failure| ModelFailure {
            status: Some(status),
            ..failure
        })
    }

    /// A reader of an HTTP answer that comes as a stream of events.
    pub fn stream(self) -> StreamReader {
        StreamReader::new(match self {
            Wire::OpenAi => openai::take,
            Wire::Anthropic => anthropic::take,
            Wire::Cohere => cohere::take,
        })
    }
}

impl fmt::Display for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Wire {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Wire::ALL.into_iter().find(|wire| wire.name() == text);
        found.ok_or_else(|| "write openai, anthropic or cohere".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Role, parameters};
    use serde_json::json;

    fn messages() -> Vec<Message> {
        vec![
            Message::new(Role::System, "s"),
            Message::new(Role::User, "u"),
            Message::new(Role::Assistant, "a"),
            Message::new(Role::User, "v"),
        ]
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for wire in Wire::ALL {
            assert_eq!(wire.to_string().parse(), Ok(wire));
        }
        assert!("OpenAI".parse::<Wire>().is_err());
    }

    #[test]
    fn each_wire_has_its_address_and_its_key() {
        let told = |wire: Wire| (wire.url("http://h/x/"), wire.headers("k"));
        let bearer = [
            ("content-type".to_owned(), "application/json".to_owned()),
            ("authorization".to_owned(), "Bearer k".to_owned()),
        ];
        let (url, headers) = told(Wire::OpenAi);
        assert_eq!(url, "http://h/x/chat/completions");
        assert_eq!(headers, bearer);
        let (url, headers) = told(Wire::Cohere);
        assert_eq!(url, "http://h/x/v2/chat");
        assert_eq!(headers, bearer);
        let (url, headers) = told(Wire::Anthropic);
        assert_eq!(url, "http://h/x/v1/messages");
        let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["content-type", "anthropic-version", "x-api-key"]);
        for wire in Wire::ALL {
            let keyless = wire.headers("");
            assert!(
                keyless
                    .iter()
                    .all(|(name, _)| name != "authorization" && name != "x-api-key")
            );
        }
    }

    #[test]
    fn each_wire_puts_the_contract_where_it_belongs() {
        let body = |wire: Wire, stream| wire.request("m", &messages(), parameters(), stream);
        let turns = json!([
            {"role": "user", "content": "u"},
            {"role": "assistant", "content": "a"},
            {"role": "user", "content": "v"}
        ]);
        let anthropic = body(Wire::Anthropic, false);
        assert_eq!(
            (&anthropic["system"], &anthropic["messages"]),
            (&json!("s"), &turns)
        );
        for wire in [Wire::OpenAi, Wire::Cohere] {
            let body = body(wire, false);
            assert_eq!(
                body["messages"][0],
                json!({"role": "system", "content": "s"})
            );
            assert_eq!(body["messages"].as_array().map(Vec::len), Some(4));
        }
        for wire in Wire::ALL {
            let plain = body(wire, false);
            assert_eq!(plain["model"], "m");
            assert!(plain["temperature"].as_f64().is_some_and(|t| t <= 0.3));
            assert!(plain["max_tokens"].is_u64());
            assert!(plain.get("stream").is_none_or(|stream| stream == false));
            assert_eq!(body(wire, true)["stream"], true);
        }
        assert_eq!(
            body(Wire::OpenAi, true)["stream_options"],
            json!({"include_usage": true})
        );
    }

    #[test]
    fn what_is_no_reply_is_a_failure_on_every_wire() {
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        for wire in Wire::ALL {
            for body in ["", "<html>", "{}", "[]", "null", "1", "\"x\"", &deep] {
                assert!(
                    wire.read_reply(200, None, body.as_bytes()).is_err(),
                    "{wire}: {body}"
                );
            }
            let huge = vec![b' '; super::super::LARGEST_ANSWER + 1];
            assert!(wire.read_reply(200, None, &huge).is_err());
            let limited = wire.read_reply(429, Some("7"), b"{}").expect_err("429");
            assert_eq!(
                (limited.status, limited.retry_after.as_deref()),
                (Some(429), Some("7"))
            );
        }
    }
}
