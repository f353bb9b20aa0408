//! The mock script: what the model says and how the services misbehave. Reading is strict; every refusal has a pointer.

mod shape;

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde_json::Value;
use wiremock::http::{HeaderName, HeaderValue};

use crate::calendar::Calendar;
use crate::crm::Crm;
use crate::email::Email;
use crate::entry::{Sequence, Terms, Times};
use crate::journal::Service;
use crate::model::{ModelAnswer, ModelEntry, ModelFault};
use crate::objects::Objects;
use crate::reply::{self, Reply, ReplyBody, ServiceAnswer, ServiceEntry, ServiceFault};

use shape::{
    AnyWord, RawModelEntry, RawModelFault, RawModelOn, RawRedirect, RawReply, RawScript,
    RawService, RawServiceEntry, RawServiceOn, RawServices, RawTimes, Texts,
};

/// Entries in one list.
const MAX_ENTRIES: usize = 1000;

/// Longest pause before an answer, in milliseconds.
const MAX_DELAY_MS: u64 = 60_000;

/// Why a mock script was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptError {
    /// JSON pointer to the entry or member at fault; empty for the whole script.
    pub pointer: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() {
            write!(f, "mock script: {}", self.message)
        } else {
            write!(f, "mock script at {}: {}", self.pointer, self.message)
        }
    }
}

impl std::error::Error for ScriptError {}

/// A checked mock script: model entries, service entries and initial states. The default is empty.
#[derive(Debug, Clone, Default)]
pub struct Script {
    pub(crate) model: Sequence<ModelEntry>,
    pub(crate) calendar: Sequence<ServiceEntry>,
    pub(crate) email: Sequence<ServiceEntry>,
    pub(crate) crm: Sequence<ServiceEntry>,
    pub(crate) objects: Sequence<ServiceEntry>,
    pub(crate) calendar_state: Calendar,
    pub(crate) email_state: Email,
    pub(crate) crm_state: Crm,
    pub(crate) objects_state: Objects,
}

impl Script {
    /// Reads `{model: [...], services: {calendar | email | crm | objects: {seed, script}}}`; null is the empty script.
    ///
    /// # Errors
    /// The first member that is unknown, of the wrong type or makes no sense, with its pointer.
    pub fn from_value(value: Value) -> Result<Script, ScriptError> {
        if value.is_null() {
            return Ok(Script::default());
        }
        let raw: RawScript = read(value, "")?;
        let mut script = Script {
            model: sequence(raw.model, "/model", model_entry)?,
            ..Script::default()
        };
        let services: RawServices = member(raw.services, "", "services")?.unwrap_or_default();
        if let Some(raw) = member(services.calendar, "/services", "calendar")? {
            (script.calendar, script.calendar_state) = service(raw, "/services/calendar")?;
        }
        if let Some(raw) = member(services.email, "/services", "email")? {
            (script.email, script.email_state) = service(raw, "/services/email")?;
        }
        if let Some(raw) = member(services.crm, "/services", "crm")? {
            (script.crm, script.crm_state) = service(raw, "/services/crm")?;
        }
        if let Some(raw) = member(services.objects, "/services", "objects")? {
            (script.objects, script.objects_state) = service(raw, "/services/objects")?;
        }
        Ok(script)
    }
}

/// A service state that a script can start from.
pub(crate) trait Seed: Default {
    /// What `seed` looks like.
    type Raw: DeserializeOwned;

    /// The state, or the member (a relative pointer) at fault and why.
    fn grow(raw: Self::Raw) -> Result<Self, (String, String)>;
}

fn refuse<T>(pointer: &str, message: impl Into<String>) -> Result<T, ScriptError> {
    Err(ScriptError {
        pointer: pointer.to_owned(),
        message: message.into(),
    })
}

/// Reads one object of the script. Its inner objects are members of type [`Value`], read one by one with [`member`]: so
/// each refusal has its own pointer, and a list is never taken for an object (serde would read it by position).
fn read<T: DeserializeOwned>(value: Value, pointer: &str) -> Result<T, ScriptError> {
    if !value.is_object() {
        return refuse(
            pointer,
            format!("expected an object, not `{}`", excerpt(&value)),
        );
    }
    serde_json::from_value(value).or_else(|error| refuse(pointer, error.to_string()))
}

/// Reads an inner object; absent and null are the same.
fn member<T: DeserializeOwned>(
    value: Option<Value>,
    pointer: &str,
    name: &str,
) -> Result<Option<T>, ScriptError> {
    value
        .map(|value| read(value, &format!("{pointer}/{name}")))
        .transpose()
}

/// The beginning of a value's text.
fn excerpt(value: &Value) -> String {
    value.to_string().chars().take(40).collect()
}

fn sequence<E>(
    entries: Option<Vec<Value>>,
    pointer: &str,
    check: impl Fn(Value, &str) -> Result<E, ScriptError>,
) -> Result<Sequence<E>, ScriptError> {
    let entries = entries.unwrap_or_default();
    if entries.len() > MAX_ENTRIES {
        return refuse(
            pointer,
            format!(
                "{} entries are too many: keep to {MAX_ENTRIES}",
                entries.len()
            ),
        );
    }
    let check = |(index, entry)| check(entry, &format!("{pointer}/{index}"));
    let entries: Vec<E> = entries
        .into_iter()
        .enumerate()
        .map(check)
        .collect::<Result<_, _>>()?;
    Ok(entries.into())
}

fn service<S: Seed>(
    raw: RawService,
    pointer: &str,
) -> Result<(Sequence<ServiceEntry>, S), ScriptError> {
    let script = sequence(raw.script, &format!("{pointer}/script"), service_entry)?;
    let state = match raw.seed {
        None | Some(Value::Null) => S::default(),
        Some(seed) => {
            let pointer = format!("{pointer}/seed");
            S::grow(read(seed, &pointer)?)
                .or_else(|(member, message)| refuse(&format!("{pointer}{member}"), message))?
        }
    };
    Ok((script, state))
}

fn terms(
    times: Option<RawTimes>,
    optional: bool,
    delay_ms: Option<u64>,
    pointer: &str,
) -> Result<Terms, ScriptError> {
    let times = match times {
        None => Times::Count(1),
        Some(RawTimes::Count(0)) => {
            return refuse(pointer, "`times: 0` never answers: leave the entry out");
        }
        Some(RawTimes::Count(count)) => Times::Count(count),
        Some(RawTimes::Word(AnyWord::Any)) => Times::Any,
    };
    let delay_ms = delay_ms.unwrap_or(0);
    if delay_ms > MAX_DELAY_MS {
        return refuse(
            pointer,
            format!("`delay_ms: {delay_ms}` is too long: at most {MAX_DELAY_MS}"),
        );
    }
    Ok(Terms {
        times,
        optional,
        delay: Duration::from_millis(delay_ms),
    })
}

/// Refuses predicates that hold for any request, or for none, by accident.
fn words(texts: Option<Texts>, member: &str, pointer: &str) -> Result<Vec<String>, ScriptError> {
    let words: Vec<String> = texts.map(Vec::from).unwrap_or_default();
    if words.iter().any(String::is_empty) {
        return refuse(
            pointer,
            format!(
                "`{member}` holds an empty text, which is in every request: name what to look for"
            ),
        );
    }
    Ok(words)
}

fn model_entry(value: Value, pointer: &str) -> Result<ModelEntry, ScriptError> {
    let raw: RawModelEntry = read(value, pointer)?;
    let is_status = matches!(raw.fault, Some(RawModelFault::Status));
    if !is_status && (raw.status.is_some() || raw.retry_after.is_some()) {
        return refuse(
            pointer,
            "`status` and `retry_after` go with `fault: status` only",
        );
    }
    if raw.fault.is_some() && (raw.finish_reason.is_some() || raw.usage.is_some()) {
        return refuse(
            pointer,
            "`finish_reason` and `usage` go with `emit` or `text`, not with a fault",
        );
    }
    if matches!(
        raw.fault,
        Some(RawModelFault::Timeout | RawModelFault::Disconnect)
    ) && raw.delay_ms.is_some()
    {
        return refuse(
            pointer,
            "`delay_ms` does not go with `fault: timeout` or `fault: disconnect`",
        );
    }
    let answer = match (raw.emit, raw.text, raw.fault) {
        (Some(value), None, None) => ModelAnswer::Emit(value),
        (None, Some(text), None) => ModelAnswer::Text(text),
        (None, None, Some(fault)) => ModelAnswer::Fault(match fault {
            RawModelFault::Status => {
                let status = raw.status.unwrap_or(500);
                if !(300..=599).contains(&status) {
                    return refuse(
                        pointer,
                        format!("`status: {status}` is no failure: use 300 to 599"),
                    );
                }
                ModelFault::Status {
                    status,
                    retry_after: raw.retry_after,
                }
            }
            RawModelFault::Timeout => ModelFault::Timeout,
            RawModelFault::Disconnect => ModelFault::Disconnect,
            RawModelFault::Truncated => ModelFault::Truncated,
            RawModelFault::NotJson => ModelFault::NotJson,
            RawModelFault::EmptyChoices => ModelFault::EmptyChoices,
            RawModelFault::Unfinished => ModelFault::Unfinished,
            RawModelFault::Garbage => ModelFault::Garbage,
            RawModelFault::Empty => ModelFault::Empty,
            RawModelFault::WrongType => ModelFault::WrongType,
        }),
        _ => {
            return refuse(
                pointer,
                "an entry of the model needs exactly one of `emit`, `text` and `fault`",
            );
        }
    };
    let on: RawModelOn = member(raw.on, pointer, "on")?.unwrap_or_default();
    let saw_error = on.saw_error;
    if saw_error.as_ref().is_some_and(String::is_empty) {
        return refuse(pointer, "`saw_error` is empty: name the code");
    }
    Ok(ModelEntry {
        saw: words(on.saw, "saw", pointer)?,
        not_saw: words(on.not_saw, "not_saw", pointer)?,
        saw_error,
        answer,
        finish_reason: raw.finish_reason.unwrap_or_else(|| "stop".to_owned()),
        usage: member(raw.usage, pointer, "usage")?.unwrap_or_default(),
        terms: terms(raw.times, raw.optional, raw.delay_ms, pointer)?,
    })
}

fn service_entry(value: Value, pointer: &str) -> Result<ServiceEntry, ScriptError> {
    let raw: RawServiceEntry = read(value, pointer)?;
    let held = matches!(
        raw.fault,
        Some(ServiceFault::Timeout | ServiceFault::Disconnect)
    );
    if held && raw.delay_ms.is_some() {
        return refuse(
            pointer,
            "`delay_ms` does not go with `fault: timeout` or `fault: disconnect`",
        );
    }
    let on: RawServiceOn = member(raw.on, pointer, "on")?.unwrap_or_default();
    let method = on.method.map(|method| method.to_ascii_uppercase());
    if method.as_ref().is_some_and(|method| {
        method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase())
    }) {
        return refuse(pointer, "`method` is an HTTP method such as POST");
    }
    if on
        .path
        .as_ref()
        .is_some_and(|path| !path.starts_with('/') || path.contains('?'))
    {
        return refuse(
            pointer,
            "`path` starts with `/` and has neither `/t/<token>` nor a query",
        );
    }
    let scripted = member(raw.reply, pointer, "reply")?;
    let redirected = member(raw.redirect, pointer, "redirect")?;
    let answer = match (scripted, raw.fault, redirected) {
        (Some(raw), None, None) => ServiceAnswer::Reply(reply(raw, &format!("{pointer}/reply"))?),
        (None, Some(fault), None) => ServiceAnswer::Fault(fault),
        (None, None, Some(raw)) => redirect(raw, &format!("{pointer}/redirect"))?,
        _ => {
            return refuse(
                pointer,
                "an entry of a service needs exactly one of `reply`, `fault` and `redirect`",
            );
        }
    };
    Ok(ServiceEntry {
        method,
        path: on.path,
        saw: words(on.saw, "saw", pointer)?,
        answer,
        terms: terms(raw.times, raw.optional, raw.delay_ms, pointer)?,
    })
}

fn reply(raw: RawReply, pointer: &str) -> Result<Reply, ScriptError> {
    let status = raw.status.unwrap_or(200);
    if !(200..=599).contains(&status) {
        return refuse(
            pointer,
            format!("`status: {status}` cannot be answered: use 200 to 599"),
        );
    }
    let body = match (raw.json, raw.text, raw.base64) {
        (None, None, None) => ReplyBody::None,
        (Some(json), None, None) => ReplyBody::Json(json),
        (None, Some(text), None) => ReplyBody::Text(text),
        (None, None, Some(base64)) => match STANDARD.decode(&base64) {
            Ok(bytes) => ReplyBody::Bytes(bytes),
            Err(error) => return refuse(pointer, format!("`base64` cannot be decoded: {error}")),
        },
        _ => {
            return refuse(
                pointer,
                "a reply has at most one of `json`, `text` and `base64`",
            );
        }
    };
    let mut headers = Vec::new();
    for (name, values) in raw.headers {
        let Ok(parsed) = HeaderName::from_bytes(name.as_bytes()) else {
            return refuse(pointer, format!("`{name}` is no header name"));
        };
        if matches!(
            parsed.as_str(),
            "content-length" | "transfer-encoding" | "content-type"
        ) {
            return refuse(
                pointer,
                format!(
                    "header `{parsed}` is set by the mock: use `content_type`, or a fault to break the framing"
                ),
            );
        }
        headers.extend(
            Vec::from(values)
                .into_iter()
                .map(|value| (parsed.as_str().to_owned(), value)),
        );
    }
    for value in headers
        .iter()
        .map(|(_, value)| value)
        .chain(&raw.content_type)
    {
        if HeaderValue::from_str(value).is_err() {
            return refuse(
                pointer,
                format!("`{}` is no header value", value.escape_debug()),
            );
        }
    }
    let reply = Reply {
        status,
        body,
        content_type: raw.content_type,
        headers,
    };
    match reply::unknown_placeholder(&reply) {
        Some(found) => refuse(
            pointer,
            format!("unknown placeholder `{found}`: use {}", reply::PLACEHOLDERS),
        ),
        None => Ok(reply),
    }
}

fn redirect(raw: RawRedirect, pointer: &str) -> Result<ServiceAnswer, ScriptError> {
    let status = raw.status.unwrap_or(302);
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        return refuse(
            pointer,
            format!("`status: {status}` is no redirect: use 301, 302, 303, 307 or 308"),
        );
    }
    let (service, path) = match raw.to.split_once(':').filter(|_| !raw.to.starts_with('/')) {
        Some((name, path)) => match name.parse::<Service>() {
            Ok(service) => (Some(service), path.to_owned()),
            Err(message) => return refuse(pointer, format!("`to`: {message}")),
        },
        None => (None, raw.to),
    };
    let usable =
        path.starts_with('/') && !path.starts_with("//") && HeaderValue::from_str(&path).is_ok();
    if !usable {
        return refuse(
            pointer,
            "`to` is a path such as `/v1/other`, or a service and a path such as `crm:/v1/x`",
        );
    }
    Ok(ServiceAnswer::Redirect {
        service,
        path,
        status,
    })
}
