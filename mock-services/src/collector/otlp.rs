//! Spans as OTLP/JSON has them, and the one form in which they are shown.

use serde_json::{Map, Value, json};

use super::Span;

/// Most spans of one request.
pub(super) const MOST: usize = 10_000;

/// What a span has, whichever encoding it came in.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub trace_id: String,
    pub span_id: String,
    pub parent: String,
    pub name: String,
    pub kind: u64,
    pub start: u64,
    pub end: u64,
    pub attributes: Map<String, Value>,
    pub status: u64,
    pub message: String,
}

impl Parts {
    /// The span as it is shown; `text` is all that came with it.
    pub fn shown(self, text: String) -> Span {
        let kind = match self.kind {
            1 => "internal",
            2 => "server",
            3 => "client",
            4 => "producer",
            5 => "consumer",
            _ => "unspecified",
        };
        let status = match self.status {
            0 => "unset",
            1 => "ok",
            2 => "error",
            _ => "unknown",
        };
        let mut value = json!({
            "name": self.name,
            "kind": kind,
            "trace_id": self.trace_id,
            "span_id": self.span_id,
            "attributes": self.attributes,
            "status": status,
            "duration_ms": self.end.saturating_sub(self.start) / 1_000_000,
        });
        if let Some(members) = value.as_object_mut() {
            if !self.parent.is_empty() {
                members.insert("parent_span_id".to_owned(), self.parent.into());
            }
            if !self.message.is_empty() {
                members.insert("status_message".to_owned(), self.message.into());
            }
        }
        Span {
            trace_id: self.trace_id,
            value,
            text,
        }
    }
}

/// The spans of an `ExportTraceServiceRequest` in JSON.
pub(super) fn from_json(body: &[u8]) -> Result<Vec<Span>, String> {
    let request: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let list = |value: &Value, name: &str| -> Result<Vec<Value>, String> {
        match value.get(name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(elements)) => Ok(elements.clone()),
            Some(_) => Err(format!("{name} is no array")),
        }
    };
    if !request.is_object() {
        return Err("the body is no object".to_owned());
    }
    let mut spans = Vec::new();
    for resource in list(&request, "resourceSpans")? {
        let around = resource
            .get("resource")
            .map(Value::to_string)
            .unwrap_or_default();
        for scope in list(&resource, "scopeSpans")? {
            for span in list(&scope, "spans")? {
                if spans.len() == MOST {
                    return Err(format!("more than {MOST} spans in one request"));
                }
                spans.push(one(&span)?.shown(format!("{around}\n{span}")));
            }
        }
    }
    Ok(spans)
}

fn one(span: &Value) -> Result<Parts, String> {
    let text = |name: &str| {
        let text = span.get(name).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let id = |name: &str, digits: usize| {
        let id = text(name).to_ascii_lowercase();
        match id.len() == digits && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            true => Ok(id),
            false => Err(format!("{name} has not {digits} hexadecimal digits")),
        }
    };
    let parent = match text("parentSpanId") {
        none if none.is_empty() => none,
        _ => id("parentSpanId", 16)?,
    };
    let status = span.get("status");
    Ok(Parts {
        trace_id: id("traceId", 32)?,
        span_id: id("spanId", 16)?,
        parent,
        name: text("name"),
        kind: span.get("kind").map_or(0, number),
        start: span.get("startTimeUnixNano").map_or(0, number),
        end: span.get("endTimeUnixNano").map_or(0, number),
        attributes: span
            .get("attributes")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|pair| {
                let key = pair.get("key")?.as_str()?.to_owned();
                Some((key, pair.get("value").map_or(Value::Null, plain)))
            })
            .collect(),
        status: status
            .and_then(|status| status.get("code"))
            .map_or(0, number),
        message: status
            .and_then(|status| status.get("message"))
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
    })
}

/// 64-bit numbers may be texts in this encoding.
fn number(value: &Value) -> u64 {
    let text = value.as_str().and_then(|text| text.parse().ok());
    value.as_u64().or(text).unwrap_or(0)
}

/// An `AnyValue` as the JSON value that it means; lists and maps stay as they are.
fn plain(value: &Value) -> Value {
    let Some((kind, inner)) = value.as_object().and_then(|members| members.iter().next()) else {
        return Value::Null;
    };
    match (kind.as_str(), inner) {
        ("intValue", Value::String(text)) => text.parse::<i64>().map_or(Value::Null, Value::from),
        ("stringValue" | "boolValue" | "intValue" | "doubleValue" | "bytesValue", inner) => {
            inner.clone()
        }
        _ => value.clone(),
    }
}
