//! The control door on the model's port, for mocks that run by themselves: scripts in, journals out.

use serde_json::{Map, Value, json};

use crate::journal::Service;
use crate::objects::BUCKET;
use crate::router::Router;
use crate::script::Script;
use crate::wire::{Answer, Incoming, MAX_BODY};

const ROOT: &str = "/__mock";

/// Whether a path leads to the door.
pub(crate) fn is_for(path: &str) -> bool {
    path.strip_prefix(ROOT)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Answers a call at the door; such calls are not journalled.
pub(crate) fn answer(router: &Router, incoming: &Incoming) -> Answer {
    let path = incoming.path.strip_prefix(ROOT).unwrap_or_default();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let unknown = |token: &str| {
        let shown = token.chars().take(64).collect::<String>();
        Answer::error(
            404,
            "unknown_token",
            &format!("token `{shown}` is not loaded: PUT {ROOT}/{shown} first"),
        )
    };
    let found = |token: &str, value: Option<Value>| match value {
        Some(value) => Answer::json(200, &value),
        None => unknown(token),
    };
    match (incoming.method.as_str(), segments.as_slice()) {
        ("GET", ["health"]) => Answer::json(200, &json!({"status": "ok"})),
        ("GET", ["strays"]) => Answer::json(200, &json!({"calls": router.stray_calls()})),
        ("PUT", [token]) if !token.is_empty() => load(router, token, &incoming.body),
        ("DELETE", [token]) if router.unload(token) => Answer::empty(204),
        ("DELETE", [token]) => unknown(token),
        ("GET", [token, "journal"]) => found(
            token,
            router.calls(token).map(|calls| json!({"calls": calls})),
        ),
        ("GET", [token, "unused"]) => found(
            token,
            router.unused(token).map(|unused| json!({"unused": unused})),
        ),
        ("GET", [token, "state", service]) => match service.parse::<Service>() {
            Ok(service) => found(token, router.state(token, service)),
            Err(message) => Answer::error(404, "unknown_service", &message),
        },
        (_, ["health" | "strays"] | [_, "journal" | "unused"] | [_, "state", _]) => refused("GET"),
        (_, [token]) if !token.is_empty() => refused("PUT, DELETE"),
        _ => Answer::error(
            404,
            "not_found",
            "the door has health, strays, {token}, {token}/journal, {token}/unused and {token}/state/{service}",
        ),
    }
}

fn refused(allowed: &str) -> Answer {
    let message = format!("use {allowed} here");
    Answer::error(405, "method_not_allowed", &message).with_header("allow", allowed)
}

/// Loads a script and tells where the token is served.
fn load(router: &Router, token: &str, body: &[u8]) -> Answer {
    if body.len() > MAX_BODY {
        return Answer::error(
            413,
            "too_large",
            &format!(
                "the script has {} bytes: at most {MAX_BODY} are read",
                body.len()
            ),
        );
    }
    // No body is the empty script.
    let parsed = if body.is_empty() {
        Ok(Value::Null)
    } else {
        serde_json::from_slice(body)
    };
    let value = match parsed {
        Ok(value) => value,
        Err(error) => {
            return Answer::error(
                400,
                "malformed_json",
                &format!("the script is no JSON: {error}"),
            );
        }
    };
    match Script::from_value(value).and_then(|script| router.load(token, script)) {
        Ok(()) => {
            let address = |service: Service| match service {
                Service::Objects => {
                    json!(format!("{}/{BUCKET}/{token}", router.origin(service)))
                }
                _ => json!(format!("{}/t/{token}", router.origin(service))),
            };
            let services = Service::ALL
                .into_iter()
                .filter(|&service| service != Service::Model);
            let services: Map<String, Value> = services
                .map(|service| (service.name().to_owned(), address(service)))
                .collect();
            let model = format!("{}/v1", router.origin(Service::Model));
            Answer::json(
                200,
                &json!({"token": token, "model": model, "services": services}),
            )
        }
        Err(error) => {
            let body = json!({"error": "invalid_script", "pointer": error.pointer, "message": error.message});
            Answer::json(422, &body)
        }
    }
}
