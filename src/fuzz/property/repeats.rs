//! What is sent to services: nothing twice for one execution.

use mock_services::{Call, Service};
use serde_json::Value;

use super::Ground;
use crate::fuzz::oracle::Surprise;
use crate::suite::matcher::absent;

/// One execution is one request.
const ONE_REQUEST: &str = "ACT-004";

/// The header of a key.
const KEY: &str = "idempotency-key";

/// Requests that change something and carry the key of an earlier one: an execution that was repeated.
pub(super) fn check(ground: &Ground<'_>) -> Vec<Surprise> {
    let declares = |document: &Value| document.to_string().to_ascii_lowercase().contains(KEY);
    if ground.observed.documents.values().any(declares) {
        return Vec::new();
    }
    let acts: Vec<&Call> = ground
        .observed
        .calls
        .iter()
        .filter(|call| {
            !matches!(call.service, Service::Model | Service::Objects) && call.method != "GET"
        })
        .collect();
    let keyed = |call: &Call| call.headers.get(KEY).cloned();
    let mut found = Vec::new();
    for (index, call) in acts.iter().enumerate() {
        let Some(key) = keyed(call) else {
            continue;
        };
        let is_repeated = acts[..index].iter().any(|before| {
            keyed(before).as_ref() == Some(&key)
                && (before.service, &before.path) == (call.service, &call.path)
        });
        if is_repeated {
            found.push(Surprise {
                requirement: ONE_REQUEST.to_owned(),
                step: None,
                place: call.service.name().to_owned(),
                pointer: String::new(),
                expected: absent(),
                got: Value::from(format!("{} {}", call.method, call.path)),
                message: "was sent a second time for one execution of the action".to_owned(),
                expect: None,
            });
        }
    }
    found
}
