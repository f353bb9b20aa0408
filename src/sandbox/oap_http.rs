//! `oap.http`: the import through which granted network is reached (`spec/sandbox.md`, section 4).

use serde::Serialize;
use serde_json::{Map, Value};
use wasmtime::{Caller, Linker};

use super::call::{self, Misuse};
use super::host::Host;
use super::job::{DoorReply, DoorRequest, Refused};
use super::limits::thread_cpu;
use crate::json;

/// Bytes that the body of a reply may have.
const LONGEST_BODY: usize = 1024 * 1024;

/// Headers that a request may have.
const MOST_HEADERS: usize = 100;

/// Adds the import.
///
/// # Errors
/// When there is one of this name already.
pub(super) fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.func_wrap("oap", "http", http)?;
    Ok(())
}

fn http(mut caller: Caller<'_, Host>, at: i32, len: i32) -> wasmtime::Result<i64> {
    if caller.data().outside.busy {
        return Err(Misuse("`oap.http` was called while it was answering").into());
    }
    let request = parse(call::read(&mut caller, at, len)?);
    let answer = request
        .map_err(Unanswered::Invalid)
        .and_then(|request| pass(caller.data_mut(), request).map_err(Unanswered::Refused));
    if let Err(Unanswered::Refused(Refused::Denied(_))) = answer {
        caller.data_mut().outside.denied = true;
    }
    if caller.data_mut().deadline.look().is_some() {
        return Err(wasmtime::Trap::Interrupt.into());
    }
    let text = reply(answer);
    caller.data_mut().outside.busy = true;
    let given = call::give(&mut caller, &text);
    caller.data_mut().outside.busy = false;
    given
}

/// Why there is no answer.
enum Unanswered {
    /// What was asked is no request.
    Invalid(String),
    /// The request was not sent, or came to nothing.
    Refused(Refused),
}

/// Through the door. Processor time on its other side is not the code's.
fn pass(host: &mut Host, request: DoorRequest) -> Result<DoorReply, Refused> {
    let Some(door) = host.outside.door.clone() else {
        return Err(Refused::Denied("no network is granted".to_owned()));
    };
    let before = thread_cpu();
    let answer = door.call(request, host.deadline.patience());
    host.deadline.forgive(thread_cpu().saturating_sub(before));
    match answer {
        Ok(reply) if reply.body.len() > LONGEST_BODY => Err(Refused::Failed(format!(
            "the body of the reply has more than {LONGEST_BODY} bytes"
        ))),
        answer => answer,
    }
}

fn parse(text: &[u8]) -> Result<DoorRequest, String> {
    let wrong = |what: &str| format!("the request of `oap.http` {what}");
    let value = json::read(text, &json::Limits::DOCUMENT, json::Duplicates::Refuse)
        .map_err(|error| wrong(&format!("is not JSON: {}", error.message)))?;
    let Value::Object(mut members) = value else {
        return Err(wrong("is not an object"));
    };
    let method = match members.remove("method") {
        Some(Value::String(method)) => method,
        _ => return Err(wrong("needs a `method`, a text")),
    };
    let url = match members.remove("url") {
        Some(Value::String(url)) => url,
        _ => return Err(wrong("needs a `url`, a text")),
    };
    let body = match members.remove("body") {
        Some(Value::String(body)) => body.into_bytes(),
        None | Some(Value::Null) => Vec::new(),
        Some(_) => return Err(wrong("has a `body` that is not a text")),
    };
    let headers = match members.remove("headers") {
        Some(Value::Object(headers)) if headers.len() <= MOST_HEADERS => headers,
        Some(Value::Object(_)) => {
            return Err(wrong(&format!("has more than {MOST_HEADERS} headers")));
        }
        None | Some(Value::Null) => Map::new(),
        Some(_) => return Err(wrong("has `headers` that are not an object")),
    };
    let headers = headers
        .into_iter()
        .map(|(name, value)| match value {
            Value::String(value) => Ok((name, value)),
            _ => Err(wrong("has a header that is not a text")),
        })
        .collect::<Result<_, _>>()?;
    Ok(DoorRequest {
        method,
        url,
        headers,
        body,
    })
}

/// What the module reads.
#[derive(Serialize)]
#[serde(untagged)]
enum Reply {
    Answer {
        status: u16,
        headers: Map<String, Value>,
        body: String,
    },
    Error {
        error: Refusal,
    },
}

/// An error object (`spec/errors.md`).
#[derive(Serialize)]
struct Refusal {
    #[serde(rename = "errorCode")]
    code: &'static str,
    message: String,
    retryable: bool,
}

fn reply(answer: Result<DoorReply, Unanswered>) -> Vec<u8> {
    let error = |code, message, retryable| Reply::Error {
        error: Refusal {
            code,
            message,
            retryable,
        },
    };
    let reply = match answer {
        Ok(answer) => {
            let mut headers = Map::new();
            for (name, value) in answer.headers {
                // A header that comes twice is one with a list (RFC 9110, section 5.2).
                match headers.get_mut(&name) {
                    Some(Value::String(values)) => {
                        values.push_str(", ");
                        values.push_str(&value);
                    }
                    _ => {
                        headers.insert(name, Value::String(value));
                    }
                }
            }
            Reply::Answer {
                status: answer.status,
                headers,
                body: String::from_utf8_lossy(&answer.body).into_owned(),
            }
        }
        Err(Unanswered::Invalid(message)) => error("invalid_request", message, false),
        Err(Unanswered::Refused(Refused::Denied(message))) => {
            error("sandbox_network_denied", message, false)
        }
        Err(Unanswered::Refused(Refused::Failed(message))) => {
            error("upstream_unreachable", message, true)
        }
    };
    // Texts and numbers can always be written.
    serde_json::to_vec(&reply).unwrap_or_default()
}
