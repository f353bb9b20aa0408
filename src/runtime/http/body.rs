//! Bodies of strangers: bounded in size, depth and time, and JSON that says so (`spec/errors.md`, section 2).

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use serde_json::Value;
use tokio::time::timeout;

use crate::diagnostic::Violation;
use crate::json::{self, Limits};
use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::parts::Parts;

/// How much of a body that is too large is still taken off the wire, so that its sender gets to read the refusal.
const DRAINED: usize = 16 * 1024 * 1024;

/// Whether a declared type is JSON; parameters are allowed.
pub(in crate::runtime) fn content_type_allowed(content_type: Option<&str>) -> bool {
    let essence = content_type.and_then(|declared| declared.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// Reads a body; `None` when it is empty. `own_limit` is the largest in bytes, where it is not the usual one.
///
/// # Errors
/// `too_large`, `unsupported_media_type`, one of the codes of [`crate::json::read`], or `invalid_request` when it does not arrive.
pub(super) async fn read(
    parts: &dyn Parts,
    limit_time: Duration,
    own_limit: Option<usize>,
    content_type: Option<&str>,
    body: Body,
) -> Result<Option<Value>, ErrorObject> {
    let usual = parts.body_limits();
    let limits = Limits {
        bytes: own_limit.unwrap_or(usual.bytes),
        ..usual
    };
    let bytes = timeout(limit_time, collect(body, limits.bytes))
        .await
        .unwrap_or_else(|_| {
            Err(ErrorObject::new(
                Code::InvalidRequest,
                "the body did not arrive in time",
            ))
        })?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if !parts.content_type_allowed(content_type) {
        let message = "the body is not declared as JSON; send Content-Type: application/json";
        return Err(ErrorObject::new(Code::UnsupportedMediaType, message));
    }
    let value = if bytes.len() <= usual.bytes {
        parts.read_json(&bytes)
    } else {
        json::read(&bytes, &limits, parts.duplicate_keys())
    };
    value.map(Some).map_err(|error| {
        let code = Code::named(error.code).unwrap_or(Code::MalformedJson);
        let refusal = ErrorObject::new(code, error.message.clone());
        if error.pointer.is_empty() {
            return refusal;
        }
        refusal.with_violations(&[Violation::new(error.pointer, error.code, error.message)])
    })
}

/// Takes a body off the wire without keeping it, so that its sender gets to read the refusal.
pub(super) async fn discard(limit_time: Duration, body: Body) {
    let _ = timeout(limit_time, collect(body, 0)).await;
}

/// Refuses a body that is JSON but no object.
///
/// # Errors
/// `invalid_request`.
pub(in crate::runtime) fn check_shape(value: &Value) -> Result<(), ErrorObject> {
    if value.is_object() {
        Ok(())
    } else {
        Err(not_an_object())
    }
}

fn not_an_object() -> ErrorObject {
    ErrorObject::new(Code::InvalidRequest, "the body is not an object")
        .with_violations(&[Violation::new("", "type", "send an object")])
}

async fn collect(mut body: Body, limit: usize) -> Result<Vec<u8>, ErrorObject> {
    let mut bytes = Vec::new();
    let mut seen = 0_usize;
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame =
            frame.map_err(|_| ErrorObject::new(Code::InvalidRequest, "the body broke off"))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        seen = seen.saturating_add(data.len());
        if seen <= limit {
            bytes.extend_from_slice(&data);
        } else {
            bytes = Vec::new();
        }
        if seen > DRAINED {
            break;
        }
    }
    if seen > limit {
        return Err(ErrorObject::new(
            Code::TooLarge,
            format!("the body is longer than {limit} bytes"),
        ));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::super::parts::Reference;
    use super::*;

    async fn code(
        content_type: Option<&str>,
        body: impl Into<Body>,
    ) -> Result<Option<Value>, Code> {
        read(
            &Reference,
            Duration::from_secs(5),
            None,
            content_type,
            body.into(),
        )
        .await
        .map_err(|error| error.code)
    }

    #[tokio::test]
    async fn only_declared_json_of_allowed_size_is_read() {
        let json = Some("application/json; charset=utf-8");
        assert_eq!(code(None, "").await, Ok(None));
        assert_eq!(code(json, "{}").await, Ok(Some(serde_json::json!({}))));
        assert_eq!(
            code(Some("Application/JSON"), "1").await,
            Ok(Some(serde_json::json!(1)))
        );
        for other in [
            None,
            Some("text/plain"),
            Some("application/jsonx"),
            Some(""),
        ] {
            assert_eq!(code(other, "{}").await, Err(Code::UnsupportedMediaType));
        }
        assert_eq!(code(json, "{").await, Err(Code::MalformedJson));
        assert_eq!(
            code(json, r#"{"a":1,"a":2}"#).await,
            Err(Code::DuplicateKey)
        );
        assert_eq!(
            code(json, b"\"\xff\"".to_vec()).await,
            Err(Code::InvalidUtf8)
        );
        assert_eq!(code(json, "[".repeat(70)).await, Err(Code::TooDeep));
        let exact = format!("\"{}\"", "a".repeat(1024 * 1024 - 2));
        assert!(code(json, exact.clone()).await.is_ok());
        assert_eq!(code(json, format!("{exact} ")).await, Err(Code::TooLarge));
    }
}
