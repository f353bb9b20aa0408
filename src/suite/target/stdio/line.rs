//! One line of `oap-stdio/1`: a request written, an answer read, each held against its schema (`spec/stdio.md`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::http::{MOST_MARKS, marks};
use super::super::{Answer, HttpRequest, SendError};
use crate::json::{self, Duplicates, Limits};
use crate::schema;

/// Longest line without its line feed, in bytes.
pub(super) const MOST_LINE: usize = 32 << 20;

/// How deep a line can be nested; the deepest valid one has three levels.
const DEPTH: usize = 8;

const REQUEST: &str = "stdio-request";
const RESPONSE: &str = "stdio-response";

/// What an adapter says.
#[derive(Debug, PartialEq)]
pub(super) enum Line {
    /// That it is ready.
    Greeting,
    /// The answer to the request of that id, or why it is not read.
    Answer(String, Result<Answer, SendError>),
}

/// The line for a request, with its line feed.
///
/// # Errors
/// [`SendError::Unsendable`] when it does not satisfy its schema, or is too long.
pub(super) fn write(id: &str, request: &HttpRequest) -> Result<Vec<u8>, SendError> {
    let headers: Vec<[String; 2]> = request
        .headers
        .iter()
        .map(|(name, value)| [name.to_ascii_lowercase(), value.clone()])
        .collect();
    let body = match std::str::from_utf8(&request.body) {
        Ok("") => Value::Null,
        Ok(text) => Value::from(text),
        Err(_) => json!({"base64": STANDARD.encode(&request.body)}),
    };
    let line = json!({
        "id": id, "method": request.method, "path": request.path, "headers": headers, "body": body,
    });
    if let Some(why) = against(REQUEST, &line) {
        return Err(SendError::Unsendable(why));
    }
    let mut text = one_line(line.to_string()).into_bytes();
    if text.len() > MOST_LINE {
        return Err(SendError::Unsendable(format!(
            "its line has more than {MOST_LINE} bytes"
        )));
    }
    text.push(b'\n');
    Ok(text)
}

/// JSON without the characters beyond ASCII that some readers take for the end of a line. They stand in strings only.
fn one_line(mut json: String) -> String {
    for (end, escaped) in [
        ('\u{85}', "\\u0085"),
        ('\u{2028}', "\\u2028"),
        ('\u{2029}', "\\u2029"),
    ] {
        if json.contains(end) {
            json = json.replace(end, escaped);
        }
    }
    json
}

/// Reads a line of an adapter, without its line feed.
///
/// # Errors
/// What is wrong with it, as the end of a sentence that begins with the line's number.
pub(super) fn read(line: &[u8]) -> Result<Line, String> {
    if std::str::from_utf8(line).is_err() {
        return Err("it is not UTF-8".to_owned());
    }
    if marks(line) > MOST_MARKS {
        // Parsed it could take a hundred times its size, so only its id is looked for.
        return serde_json::from_slice::<Head>(line)
            .map(|head| Line::Answer(head.id, Err(SendError::TooDense(MOST_MARKS))))
            .map_err(|_| format!("it has more than {MOST_MARKS} brackets and commas and no id"));
    }
    let limits = Limits {
        bytes: MOST_LINE,
        depth: DEPTH,
    };
    let value = json::read(line, &limits, Duplicates::Refuse).map_err(|error| {
        format!("it is not JSON ({error}); what is no answer belongs to standard error")
    })?;
    if let Some(why) = against(RESPONSE, &value) {
        return Err(why);
    }
    if value.get("ready").is_some() {
        return Ok(Line::Greeting);
    }
    let Spoken {
        id,
        status,
        headers,
        body,
    } = serde_json::from_value(value).map_err(|error| format!("it is no answer: {error}"))?;
    let body = match body {
        None => Vec::new(),
        Some(Body::Text(text)) => text.into_bytes(),
        Some(Body::Bytes { base64 }) => STANDARD
            .decode(base64)
            .map_err(|_| "/body/base64 is not base64 with padding".to_owned())?,
    };
    let headers = headers
        .into_iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect();
    let answer = Answer {
        status,
        headers,
        body,
    };
    Ok(Line::Answer(id, Ok(answer)))
}

#[derive(Deserialize)]
struct Head {
    id: String,
}

#[derive(Deserialize)]
struct Spoken {
    id: String,
    status: u16,
    headers: Vec<(String, String)>,
    body: Option<Body>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Body {
    Text(String),
    Bytes { base64: String },
}

/// The first violation of a schema, in words.
fn against(name: &str, value: &Value) -> Option<String> {
    let Some(schema) = schema::named(name) else {
        return Some(format!("there is no spec/schemas/{name}.json to check it"));
    };
    let first = schema.violations(value).into_iter().next()?;
    let place = match first.pointer.as_str() {
        "" => "it",
        pointer => pointer,
    };
    Some(format!(
        "{place} {}, says spec/schemas/{name}.json",
        first.message
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(body: &[u8]) -> HttpRequest {
        HttpRequest {
            method: "POST".to_owned(),
            path: "/x?y=1".to_owned(),
            headers: vec![("X-A".to_owned(), "1".to_owned())],
            body: body.to_vec(),
        }
    }

    fn written(request: &HttpRequest) -> Value {
        let line = write("1", request).expect("sendable");
        assert_eq!(line.last(), Some(&b'\n'));
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        serde_json::from_slice(&line).expect("JSON")
    }

    #[test]
    fn a_request_is_one_line_of_five_members() {
        assert_eq!(
            written(&request(b"{\"a\":\n1}")),
            json!({"id": "1", "method": "POST", "path": "/x?y=1", "headers": [["x-a", "1"]], "body": "{\"a\":\n1}"})
        );
        assert_eq!(written(&request(b""))["body"], Value::Null);
        assert_eq!(
            written(&request(b"\xff"))["body"],
            json!({"base64": "/w=="})
        );
        let odd = request("\"a\u{85}b\u{2028}c\u{2029}\"".as_bytes());
        let line = String::from_utf8(write("1", &odd).expect("sendable")).expect("UTF-8");
        assert!(line.is_ascii() && line.lines().count() == 1, "{line}");
        assert_eq!(written(&odd)["body"], "\"a\u{85}b\u{2028}c\u{2029}\"");
        let wrong = HttpRequest::new("A B", "/x");
        assert!(
            matches!(write("1", &wrong), Err(SendError::Unsendable(why)) if why.contains("/method"))
        );
    }

    #[test]
    fn an_answer_is_read_whole() {
        let line =
            br#"{"id": "7", "status": 201, "headers": [["X-A", "1"], ["x-a", "2"]], "body": "{}"}"#;
        let Ok(Line::Answer(id, Ok(answer))) = read(line) else {
            panic!("an answer");
        };
        assert_eq!((id.as_str(), answer.status), ("7", 201));
        assert_eq!(answer.header("x-a").as_deref(), Some("1, 2"));
        assert_eq!(answer.json(), Some(json!({})));
        let bytes = br#"{"id": "7", "status": 200, "headers": [], "body": {"base64": "/w=="}}"#;
        assert!(matches!(read(bytes), Ok(Line::Answer(_, Ok(answer))) if answer.body == [255]));
        let none = br#"{"id": "7", "status": 204, "headers": [], "body": null}"#;
        assert!(matches!(read(none), Ok(Line::Answer(_, Ok(answer))) if answer.body.is_empty()));
        assert_eq!(
            read(br#"{"ready": true, "protocol": "oap-stdio/1"}"#),
            Ok(Line::Greeting)
        );
    }

    #[test]
    fn what_is_no_answer_is_told_with_its_place() {
        for (line, says) in [
            ("hello", "not JSON"),
            ("", "not JSON"),
            ("[]", "it "),
            ("5", "it "),
            (r#"{"id": "1", "id": "1"}"#, "not JSON"),
            (
                r#"{"id": 1, "status": 200, "headers": [], "body": null}"#,
                "/id",
            ),
            (
                r#"{"id": "1", "status": "200", "headers": [], "body": null}"#,
                "/status",
            ),
            (
                r#"{"id": "1", "status": 99, "headers": [], "body": null}"#,
                "/status",
            ),
            (
                r#"{"id": "1", "status": 200, "headers": {}, "body": null}"#,
                "/headers",
            ),
            (
                r#"{"id": "1", "status": 200, "headers": [["a b", "c"]], "body": null}"#,
                "/headers/0/0",
            ),
            (
                r#"{"id": "1", "status": 200, "headers": [["a", "b\r\nc"]], "body": null}"#,
                "/headers/0/1",
            ),
            (
                r#"{"id": "1", "status": 200, "headers": [], "body": {}}"#,
                "/body",
            ),
            (r#"{"id": "1", "status": 200, "headers": []}"#, "body"),
            (
                r#"{"id": "1", "status": 200, "headers": [], "body": {"base64": "?"}}"#,
                "/body/base64",
            ),
            (
                r#"{"id": "1", "status": 200, "headers": [], "body": null, "more": 1}"#,
                "more",
            ),
            (r#"{"ready": false, "protocol": "oap-stdio/1"}"#, "/ready"),
            (r#"{"ready": true, "protocol": "oap-stdio/2"}"#, "/protocol"),
            (&"[".repeat(100), "not JSON"),
        ] {
            let why = read(line.as_bytes()).expect_err(line);
            assert!(why.contains(says), "{line}: {why}");
        }
        assert!(read(b"\xff").expect_err("bytes").contains("UTF-8"));
    }

    #[test]
    fn a_dense_answer_costs_its_own_request_only() {
        let body = ",".repeat(MOST_MARKS + 1);
        let line = json!({"id": "3", "status": 200, "headers": [], "body": body}).to_string();
        assert_eq!(
            read(line.as_bytes()),
            Ok(Line::Answer(
                "3".to_owned(),
                Err(SendError::TooDense(MOST_MARKS))
            ))
        );
        assert!(read(body.as_bytes()).is_err());
    }
}
