//! Mutants of `spec/actions.md`, sections 1 and 2: results and requests.

use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value, json};

use super::Mutant;
use crate::manifest::{InvokeApi, Mapping, Method};
use crate::runtime::credentials::{self, Credentials, Place};
use crate::runtime::error::ErrorObject;
use crate::runtime::request::{self, Rendered};
use crate::runtime::session::Call;
use crate::runtime::session::status::{self, Event, Status};
use crate::runtime::{Parts, wire};

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [results(), requests()].into_iter().flatten().collect()
}

type Outcome = Result<Value, ErrorObject>;

fn results() -> Vec<Mutant> {
    vec![
        swap!(
            "success-without-error-member",
            "ACT-001",
            "leaves `error` out of a successful result",
            fn action_result(&self, action_name: &str, outcome: &Outcome) -> Value {
                let error = outcome.as_ref().err().map(|error| self.error_object(error));
                let mut result = wire::action_result(action_name, outcome.as_ref().ok(), error);
                if let (true, Some(members)) = (outcome.is_ok(), result.as_object_mut()) {
                    members.remove("error");
                }
                result
            }
        ),
        swap!(
            "failure-with-output",
            "ACT-001",
            "gives a failed result an empty object as its output",
            fn action_result(&self, action_name: &str, outcome: &Outcome) -> Value {
                let error = outcome.as_ref().err().map(|error| self.error_object(error));
                let mut result = wire::action_result(action_name, outcome.as_ref().ok(), error);
                if outcome.is_err() {
                    result["output"] = json!({});
                }
                result
            }
        ),
        swap!(
            "failure-ends-the-session",
            "ACT-002",
            "fails the whole session when an action fails",
            fn status_after(&self, status: Status, event: Event) -> Option<Status> {
                match event {
                    Event::ActionFailed => Some(Status::Failed),
                    other => status::after(status, other),
                }
            }
        ),
    ]
}

fn requests() -> Vec<Mutant> {
    vec![
        swap!(
            "everything-is-posted",
            "ACT-003",
            "sends every request as POST, whatever method is declared",
            fn finish_request(&self, mut request: Rendered, _: &InvokeApi) -> Rendered {
                request.method = Method::Post;
                request
            }
        ),
        swap!(
            "tries-failed-calls-again",
            "ACT-004",
            "repeats a request once if its failure is retryable",
            fn tries_again(&self, error: &ErrorObject, tries: u32) -> bool {
                error.retryable && tries < 2
            }
        ),
        swap!(
            "every-call-twice",
            "ACT-004",
            "executes each action twice and keeps the second result",
            fn calls(&self, call: Call) -> Vec<Call> {
                vec![call.clone(), call]
            }
        ),
        swap!(
            "time-in-the-body",
            "ACT-005",
            "adds the time of sending to every JSON body",
            fn request_body(&self, sent: &Value) -> String {
                let mut sent = sent.clone();
                sent["sent_at"] = Value::from(self.format_time(self.now()));
                sent.to_string()
            }
        ),
        swap!(
            "body-as-text",
            "ACT-005",
            "declares its JSON bodies as plain text",
            fn finish_request(&self, mut request: Rendered, _: &InvokeApi) -> Rendered {
                for (name, value) in &mut request.headers {
                    if name == "content-type" {
                        "text/plain".clone_into(value);
                    }
                }
                request
            }
        ),
        swap!(
            "empty-arguments-are-dropped",
            "ACT-005",
            "leaves empty strings, arrays and objects out of a body",
            fn request_body(&self, sent: &Value) -> String {
                let empty = [json!(""), json!([]), json!({})];
                let members = sent.as_object().into_iter().flatten();
                let kept: Map<String, Value> = members
                    .filter(|(_, value)| !empty.contains(value))
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect();
                Value::Object(kept).to_string()
            }
        ),
        swap!(
            "query-in-the-body",
            "ACT-006",
            "sends the arguments of GET and DELETE as a JSON body",
            fn finish_request(&self, mut request: Rendered, api: &InvokeApi) -> Rendered {
                if api.method.sends_query() {
                    let pairs: Map<String, Value> = request
                        .url
                        .query_pairs()
                        .map(|(name, value)| (name.into_owned(), Value::from(value.as_ref())))
                        .collect();
                    request.url.set_query(None);
                    request.body = Some(Value::Object(pairs).to_string());
                }
                request
            }
        ),
        swap!(
            "arrays-joined-by-commas",
            "ACT-007",
            "writes an array in a query as one value with commas",
            fn query_pairs(&self, sent: &Value) -> Vec<(String, String)> {
                let joined = |value: &Value| match value {
                    Value::Array(elements) => {
                        let texts: Vec<String> = elements
                            .iter()
                            .map(|element| {
                                element.as_str().map_or(element.to_string(), str::to_owned)
                            })
                            .collect();
                        Value::from(texts.join(","))
                    }
                    other => other.clone(),
                };
                let members = sent.as_object().into_iter().flatten();
                let flat: Map<String, Value> = members
                    .map(|(name, value)| (name.clone(), joined(value)))
                    .collect();
                request::query_pairs(&Value::Object(flat))
            }
        ),
        swap!(
            "null-in-a-query",
            "ACT-007",
            "writes a null argument into the query as the word null",
            fn query_pairs(&self, sent: &Value) -> Vec<(String, String)> {
                let mut pairs = request::query_pairs(sent);
                let members = sent.as_object().into_iter().flatten();
                let nulls = members.filter(|(_, value)| value.is_null());
                pairs.extend(nulls.map(|(name, _)| (name.clone(), "null".to_owned())));
                pairs
            }
        ),
        swap!(
            "declared-headers-are-dropped",
            "ACT-008",
            "sends `auth`, and none of the other declared headers",
            fn finish_request(&self, mut request: Rendered, api: &InvokeApi) -> Rendered {
                let declared = |name: &str| api.headers.iter().any(|(own, _)| own == name);
                request.headers.retain(|(name, _)| !declared(name));
                request
            }
        ),
        swap!(
            "one-credential-for-all",
            "ACT-009",
            "sends the calendar's token to every service",
            fn resolve_variable(
                &self,
                credentials: &Credentials,
                name: &str,
                place: Place,
            ) -> Result<String, ErrorObject> {
                let name = if name.ends_with("_TOKEN") {
                    "CALENDAR_TOKEN"
                } else {
                    name
                };
                credentials::resolve_variable(credentials, name, place)
            }
        ),
        Mutant::part(
            "last-credential-sticks",
            "ACT-009",
            "sends the credential of the last call along with an action that declares none",
            StickyCredential::default(),
        ),
        swap!(
            "unmapped-arguments-too",
            "ACT-010",
            "sends what the request_map builds and all arguments as well",
            fn request_value(&self, map: Option<&Mapping>, args: &Value) -> Value {
                let mut sent = request::mapped(map, args);
                if let (Some(sent), Some(args)) = (sent.as_object_mut(), args.as_object()) {
                    for (name, value) in args {
                        sent.entry(name.clone()).or_insert_with(|| value.clone());
                    }
                }
                sent
            }
        ),
    ]
}

/// A client that keeps its headers from call to call.
#[derive(Default)]
struct StickyCredential(Mutex<Option<String>>);

impl Parts for StickyCredential {
    fn finish_request(&self, mut request: Rendered, _: &InvokeApi) -> Rendered {
        let own = request
            .headers
            .iter()
            .find(|(name, _)| name == "authorization");
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (own, last.clone()) {
            (Some((_, value)), _) => *last = Some(value.clone()),
            (None, Some(value)) => request.headers.push(("authorization".to_owned(), value)),
            (None, None) => {}
        }
        request
    }
}
