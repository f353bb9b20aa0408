//! Mutants of `spec/actions.md`, sections 3 to 5: replies, redirects, outputs.

use std::cell::RefCell;
use std::time::Duration;

use reqwest::Url;
use serde_json::Value;

use super::Mutant;
use crate::diagnostic::Violation;
use crate::json::{self, Duplicates, Limits};
use crate::manifest::{Action, InvokeApi, Mapping, Method};
use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::{merge, request, response};

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [replies(), redirects(), outputs()]
        .into_iter()
        .flatten()
        .collect()
}

type Outcome = Result<Value, ErrorObject>;

fn replies() -> Vec<Mutant> {
    vec![
        swap!(
            "errors-are-outputs",
            "ACT-011",
            "takes the JSON body of any status for the output",
            fn classify_response(&self, status: u16, body: &[u8]) -> Outcome {
                let read = response::classify(200, body);
                if read.is_ok() {
                    read
                } else {
                    response::classify(status, body)
                }
            }
        ),
        swap!(
            "only-200-is-success",
            "ACT-011",
            "fails an action whose reply is 201, 202 or 207",
            fn classify_response(&self, status: u16, body: &[u8]) -> Outcome {
                match status {
                    201..=299 => Err(response::upstream_status(status)),
                    other => response::classify(other, body),
                }
            }
        ),
        swap!(
            "no-status-is-retryable",
            "ACT-012",
            "calls no status of a service retryable",
            fn classify_response(&self, status: u16, body: &[u8]) -> Outcome {
                response::classify(status, body).map_err(|error| error.retryable(false))
            }
        ),
        swap!(
            "every-status-is-retryable",
            "ACT-012",
            "calls every status of a service retryable",
            fn classify_response(&self, status: u16, body: &[u8]) -> Outcome {
                response::classify(status, body)
                    .map_err(|error| error.retryable(!(200..300).contains(&status)))
            }
        ),
        swap!(
            "text-is-an-output",
            "ACT-013",
            "takes a reply that is no JSON for a string",
            fn classify_response(&self, status: u16, body: &[u8]) -> Outcome {
                response::classify(status, body).or_else(|error| match error.code {
                    Code::InvalidResponse => Ok(String::from_utf8_lossy(body).into()),
                    _ => Err(error),
                })
            }
        ),
        swap!(
            "first-value-of-a-reply",
            "ACT-013",
            "reads the first JSON value of a reply and ignores what follows",
            fn classify_response(&self, status: u16, body: &[u8]) -> Outcome {
                let first = serde_json::Deserializer::from_slice(body)
                    .into_iter()
                    .next();
                match (status, first) {
                    (200..=299, Some(Ok(value))) => Ok(value),
                    _ => response::classify(status, body),
                }
            }
        ),
        swap!(
            "insists-on-the-media-type",
            "ACT-013",
            "reads a reply only if it is declared as application/json",
            fn reads_media_type(&self, content_type: Option<&str>) -> bool {
                content_type.is_none_or(|declared| declared.starts_with("application/json"))
            }
        ),
        swap!(
            "empty-reply-is-invalid",
            "ACT-014",
            "fails an action whose 2xx reply is empty",
            fn classify_response(&self, status: u16, body: &[u8]) -> Outcome {
                let given: &[u8] = if body.is_empty() { b"?" } else { body };
                response::classify(status, given)
            }
        ),
        swap!(
            "empty-reply-is-an-object",
            "ACT-014",
            "takes an empty 2xx reply for an empty object",
            fn classify_response(&self, status: u16, body: &[u8]) -> Outcome {
                let given: &[u8] = if body.is_empty() { b"{}" } else { body };
                response::classify(status, given)
            }
        ),
        swap!(
            "replies-of-any-size",
            "ACT-015",
            "reads replies of up to 64 MiB",
            fn reply_limit(&self) -> usize {
                64 << 20
            },
            fn classify_response(&self, status: u16, body: &[u8]) -> Outcome {
                if body.len() <= response::LARGEST_REPLY {
                    return response::classify(status, body);
                }
                let limits = Limits {
                    bytes: 64 << 20,
                    depth: 64,
                };
                json::read(body, &limits, Duplicates::KeepLast).map_err(|_| response::unreachable())
            }
        ),
        swap!(
            "replies-of-half-the-size",
            "ACT-015",
            "refuses replies of more than 512 KiB",
            fn reply_limit(&self) -> usize {
                512 << 10
            }
        ),
        swap!(
            "ten-seconds-for-all",
            "ACT-016",
            "gives every action 10 s, whatever it declares",
            fn action_timeout(&self, _: &InvokeApi) -> Duration {
                Duration::from_secs(10)
            }
        ),
        swap!(
            "hundred-milliseconds-for-all",
            "ACT-016",
            "gives every action 100 ms, whatever it declares",
            fn action_timeout(&self, _: &InvokeApi) -> Duration {
                Duration::from_millis(100)
            }
        ),
        swap!(
            "no-answer-is-null",
            "ACT-017",
            "takes a connection that broke, or never stood, for an empty reply",
            fn outcome(&self, _: &Action, outcome: Outcome) -> Outcome {
                outcome.or_else(|error| match error.code {
                    Code::UpstreamUnreachable => Ok(Value::Null),
                    _ => Err(error),
                })
            }
        ),
        swap!(
            "response-map-is-ignored",
            "ACT-018",
            "takes the reply as it is, whatever the response_map says",
            fn response_value(&self, _: Option<&Mapping>, reply: Value) -> Value {
                reply
            }
        ),
        swap!(
            "response-map-adds",
            "ACT-018",
            "keeps the members of the reply beside those that the response_map builds",
            fn response_value(&self, map: Option<&Mapping>, reply: Value) -> Value {
                let mut output = request::mapped(map, &reply);
                if let (Some(output), Some(reply)) = (output.as_object_mut(), reply.as_object()) {
                    for (name, value) in reply {
                        output.entry(name.clone()).or_insert_with(|| value.clone());
                    }
                }
                output
            }
        ),
    ]
}

fn redirects() -> Vec<Mutant> {
    vec![
        swap!(
            "redirected-anywhere",
            "ACT-019",
            "follows a redirect of a GET to any origin",
            fn follow_redirect(&self, method: Method, _: &Url, _: &Url, followed: u32) -> bool {
                method == Method::Get && followed < 5
            }
        ),
        swap!(
            "no-redirects",
            "ACT-020",
            "follows no redirect at all",
            fn follow_redirect(&self, _: Method, _: &Url, _: &Url, _: u32) -> bool {
                false
            }
        ),
        swap!(
            "six-redirects",
            "ACT-020",
            "follows six redirects in a row",
            fn follow_redirect(&self, method: Method, from: &Url, to: &Url, followed: u32) -> bool {
                request::follow_redirect(method, from, to, followed.saturating_sub(1))
            }
        ),
        swap!(
            "redirected-effects",
            "ACT-021",
            "follows the redirect of any method",
            fn follow_redirect(&self, _: Method, from: &Url, to: &Url, followed: u32) -> bool {
                request::follow_redirect(Method::Get, from, to, followed)
            }
        ),
    ]
}

fn outputs() -> Vec<Mutant> {
    vec![
        swap!(
            "outputs-unchecked",
            "ACT-022",
            "takes any output, whatever the output schema says",
            fn check_output(&self, _: &Action, _: &Value) -> Vec<Violation> {
                Vec::new()
            }
        ),
        swap!(
            "required-members-optional",
            "ACT-022",
            "does not mind if an output lacks required members",
            fn check_output(&self, action: &Action, output: &Value) -> Vec<Violation> {
                let mut found = response::check_output(action, output);
                found.retain(|violation| violation.rule != "required");
                found
            }
        ),
        swap!(
            "invalid-outputs-are-merged",
            "ACT-023",
            "fails the action and merges its invalid output all the same",
            fn check_output(&self, action: &Action, output: &Value) -> Vec<Violation> {
                let found = response::check_output(action, output);
                let refused = Some(output.clone()).filter(|_| !found.is_empty());
                REFUSED.with_borrow_mut(|last| *last = refused);
                found
            },
            fn observe_step(
                &self,
                mut observation: Value,
                started_at: &str,
                step_number: u64,
                result: &Value,
            ) -> Value {
                let refused = REFUSED.with_borrow_mut(Option::take);
                if let (Some(output), Some(environment)) =
                    (refused, observation["environment"].as_object_mut())
                {
                    merge::lay_over(environment, "output", &output);
                }
                merge::observe_step(observation, started_at, step_number, result)
            }
        ),
    ]
}

thread_local! {
    /// The output that was refused in the step under way; a step is judged and recorded on one thread, without a pause.
    static REFUSED: RefCell<Option<Value>> = const { RefCell::new(None) };
}
