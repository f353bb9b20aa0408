//! Mutants of `spec/idempotency.md`.

use axum::http::{HeaderValue, Method};
use serde_json::Value;

use super::Mutant;
use super::proxy::{Request, Tamper};
use crate::json;
use crate::manifest::InvokeApi;
use crate::runtime::Reference;
use crate::runtime::answer::Answer;
use crate::runtime::error::ErrorObject;
use crate::runtime::idempotency::Keyed;
use crate::runtime::request::Rendered;
use crate::runtime::session::Call;

/// The mutants of this section.
pub fn mutants() -> Vec<Mutant> {
    vec![
        swap!(
            "key-in-the-header-is-ignored",
            "IDM-001",
            "knows no Idempotency-Key",
            fn idempotency_key(&self, _header: Option<&str>, member: Option<&Value>) -> Key {
                Reference.idempotency_key(None, member)
            }
        ),
        swap!(
            "key-in-the-body-is-ignored",
            "IDM-001",
            "knows no requestId",
            fn idempotency_key(&self, header: Option<&str>, _member: Option<&Value>) -> Key {
                Reference.idempotency_key(header, None)
            }
        ),
        Mutant::proxy(
            "registration-ignores-keys",
            "IDM-002",
            "knows no Idempotency-Key of a registration",
            RegistrationIgnoresKeys,
        ),
        Mutant::proxy(
            "manifest-member-is-a-key",
            "IDM-002",
            "takes the requestId of a manifest for a key",
            ManifestMemberIsAKey,
        ),
        swap!(
            "header-wins-over-body",
            "IDM-003",
            "takes the header's key where the body brings another one",
            fn idempotency_key(&self, header: Option<&str>, member: Option<&Value>) -> Key {
                Reference.idempotency_key(header, member.filter(|_| header.is_none()))
            }
        ),
        swap!(
            "keys-count-everywhere",
            "IDM-004",
            "repeats an answer on any path",
            fn idempotency_scope(&self, keyed: &Keyed<'_>) -> String {
                Reference.idempotency_scope(&Keyed { path: "", ..*keyed })
            }
        ),
        swap!(
            "repetitions-run-again",
            "IDM-005",
            "runs a repeated request once more",
            fn repeats(&self) -> bool {
                false
            }
        ),
        swap!(
            "bodies-compare-as-text",
            "IDM-005",
            "takes other white space, order or numbers for another body",
            fn fingerprint(&self, body: &Value) -> String {
                let mut body = body.clone();
                if let Value::Object(members) = &mut body {
                    members.shift_remove("requestId");
                }
                body.to_string()
            }
        ),
        swap!(
            "key-is-part-of-the-body",
            "IDM-005",
            "takes the key in the body for another body",
            fn fingerprint(&self, body: &Value) -> String {
                json::digest(body)
            }
        ),
        swap!(
            "any-body-is-the-same",
            "IDM-006",
            "repeats an answer whatever the body is",
            fn fingerprint(&self, _body: &Value) -> String {
                String::new()
            }
        ),
        swap!(
            "another-body-runs",
            "IDM-006",
            "runs a request with a used key and another body",
            fn idempotency_conflict(&self) -> Option<ErrorObject> {
                None
            }
        ),
        swap!(
            "every-answer-is-kept",
            "IDM-007",
            "keeps answers that are not final",
            fn storable(&self, _answer: &Answer) -> bool {
                true
            }
        ),
        swap!(
            "refusals-are-not-kept",
            "IDM-008",
            "runs a request again that was refused",
            fn storable(&self, answer: &Answer) -> bool {
                answer.status < 300 && Reference.storable(answer)
            }
        ),
        swap!(
            "duplicates-run-side-by-side",
            "IDM-009",
            "runs a request whose twin is running",
            fn duplicates_wait(&self) -> bool {
                false
            }
        ),
        swap!(
            "no-key-for-services",
            "IDM-011",
            "calls services without a key",
            fn outgoing_key(&self, _call: &Call) -> Option<String> {
                None
            }
        ),
        swap!(
            "one-key-for-a-session",
            "IDM-011",
            "sends the same key with each step of a session",
            fn outgoing_key(&self, call: &Call) -> Option<String> {
                Reference.outgoing_key(&Call {
                    step_number: 1,
                    ..call.clone()
                })
            }
        ),
        swap!(
            "own-key-over-the-declared",
            "IDM-011",
            "sends its own key where the manifest declares one",
            fn finish_request(&self, mut request: Rendered, _api: &InvokeApi) -> Rendered {
                let key = json::digest(&Value::from(request.body.clone()));
                for (name, value) in &mut request.headers {
                    if name.eq_ignore_ascii_case("idempotency-key") {
                        value.clone_from(&key);
                    }
                }
                request
            }
        ),
    ]
}

type Key = Result<Option<String>, ErrorObject>;

struct RegistrationIgnoresKeys;
impl Tamper for RegistrationIgnoresKeys {
    fn request(&self, request: &mut Request) {
        if request.is(Method::POST, "/manifests") {
            request.headers.remove("idempotency-key");
        }
    }
}

struct ManifestMemberIsAKey;
impl Tamper for ManifestMemberIsAKey {
    fn request(&self, request: &mut Request) {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let key = body
            .get("requestId")
            .and_then(Value::as_str)
            .and_then(|key| HeaderValue::from_str(key).ok());
        if let (true, Some(key)) = (request.is(Method::POST, "/manifests"), key) {
            request.headers.insert("idempotency-key", key);
        }
    }
}
