//! Mutants of section 4: rate limits.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::diagnostic::Violation;
use crate::manifest::{self, Manifest, RateLimit};
use crate::mutants::Mutant;
use crate::runtime::Reference;
use crate::runtime::access::{AccessParts, Caller, RateKey, Uncharged, Window, refusal};
use crate::runtime::error::{Code, ErrorObject};
use crate::workflow::schema;

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [
        forms(),
        windows(),
        refusals(),
        keys(),
        charges(),
        of_nodes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Every `rate_limit` of the actions of a document.
fn rates(document: &mut Value, change: impl Fn(&mut Value)) {
    let actions = document.get_mut("actions").and_then(Value::as_array_mut);
    for action in actions.into_iter().flatten() {
        if let Some(control) = action.get_mut("access_control") {
            change(control);
        }
    }
}

fn forms() -> Vec<Mutant> {
    vec![
        swap!(
            "bad-rates-are-no-rates",
            "ACC-026",
            "registers a manifest without the rates that it cannot read",
            fn read_manifest(&self, document: &Value) -> Result<Manifest, Vec<Violation>> {
                let mut document = document.clone();
                rates(&mut document, |control| {
                    let rate = control.get("rate_limit").and_then(Value::as_str);
                    if rate.and_then(RateLimit::parse).is_none()
                        && let Some(members) = control.as_object_mut()
                    {
                        members.remove("rate_limit");
                    }
                });
                manifest::load(&document)
            }
        ),
        swap!(
            "sec-is-no-unit",
            "ACC-026",
            "does not know the unit `sec`",
            fn read_manifest(&self, document: &Value) -> Result<Manifest, Vec<Violation>> {
                let mut document = document.clone();
                rates(&mut document, |control| {
                    let rate = control.get("rate_limit").and_then(Value::as_str);
                    if rate.is_some_and(|rate| rate.ends_with("/sec")) {
                        control["rate_limit"] = Value::from("1/second");
                    }
                });
                manifest::load(&document)
            }
        ),
        swap_workflow!(
            "bad-rates-of-nodes-are-no-rates",
            "ACC-026",
            "runs a node without the rate that it cannot read",
            fn check_shape(&self, schema: &str, document: &Value) -> Vec<Violation> {
                let mut found = schema::check_shape(schema, document);
                found.retain(|violation| !violation.pointer.ends_with("/rateLimit"));
                found
            }
        ),
    ]
}

type Admitted = Result<(), u64>;

/// Admits a call that satisfies `admits` by each limit.
fn admit(
    window: &mut Window,
    limits: &[RateLimit],
    now: Timestamp,
    admits: impl Fn(&Window, RateLimit) -> bool,
) -> Admitted {
    if let Some(limit) = limits.iter().find(|limit| !admits(window, **limit)) {
        return Err(limit.window.as_secs());
    }
    window.note(limits, now);
    Ok(())
}

fn windows() -> Vec<Mutant> {
    vec![
        swap_access!(
            "rates-are-not-kept",
            "ACC-027",
            "admits every call",
            fn admit_call(&self, _: &mut Window, _: &[RateLimit], _: Timestamp) -> Admitted {
                Ok(())
            }
        ),
        swap_access!(
            "one-call-less",
            "ACC-027",
            "admits one call less than the rate says",
            fn admit_call(
                &self,
                window: &mut Window,
                limits: &[RateLimit],
                now: Timestamp,
            ) -> Admitted {
                admit(window, limits, now, |window, limit| {
                    window.used(limit.window, now) + 1 < u64::from(limit.count.max(2))
                })
            }
        ),
        swap_access!(
            "calls-are-spaced",
            "ACC-027",
            "spreads the calls evenly over the window",
            fn admit_call(
                &self,
                window: &mut Window,
                limits: &[RateLimit],
                now: Timestamp,
            ) -> Admitted {
                admit(window, limits, now, |window, limit| {
                    window.used(limit.window / limit.count, now) == 0
                })
            }
        ),
        swap_access!(
            "windows-begin-anew",
            "ACC-027",
            "counts from nought again when the window of the first call is over",
            fn admit_call(
                &self,
                window: &mut Window,
                limits: &[RateLimit],
                now: Timestamp,
            ) -> Admitted {
                let over =
                    |limit: &RateLimit| window.used(DAY, now) > window.used(limit.window, now);
                if limits.iter().any(over) {
                    *window = Window::default();
                }
                window.admit(limits, now)
            }
        ),
        swap_access!(
            "buckets-refill",
            "ACC-027",
            "admits calls again when half of the window is over, as a bucket does that refills",
            fn admit_call(
                &self,
                window: &mut Window,
                limits: &[RateLimit],
                now: Timestamp,
            ) -> Admitted {
                admit(window, limits, now, |window, limit| {
                    window.used(limit.window / 2, now) < u64::from(limit.count)
                })
            }
        ),
        swap_access!(
            "rates-are-for-ever",
            "ACC-027",
            "counts the calls of a whole day, whatever the unit",
            fn admit_call(
                &self,
                window: &mut Window,
                limits: &[RateLimit],
                now: Timestamp,
            ) -> Admitted {
                admit(window, limits, now, |window, limit| {
                    window.used(DAY, now) < u64::from(limit.count)
                })
            }
        ),
        swap_access!(
            "hours-are-minutes",
            "ACC-027",
            "takes an hour for a minute",
            fn admit_call(
                &self,
                window: &mut Window,
                limits: &[RateLimit],
                now: Timestamp,
            ) -> Admitted {
                let shorter = limits.iter().map(|limit| RateLimit {
                    window: match limit.window.as_secs() {
                        3600 => Duration::from_secs(60),
                        _ => limit.window,
                    },
                    ..*limit
                });
                window.admit(&shorter.collect::<Vec<_>>(), now)
            }
        ),
    ]
}

/// The refusal with its seconds where only [`seconds`] finds them.
fn apart(retry_after: u64) -> ErrorObject {
    ErrorObject::new(Code::RateLimited, "the action's rate is used up").with("wait", retry_after)
}

fn seconds(error: &ErrorObject) -> Option<String> {
    error.details.get("wait").map(Value::to_string)
}

fn refusals() -> Vec<Mutant> {
    vec![
        swap_access!(
            "refusals-are-final",
            "ACC-028",
            "says of a call beyond its rate that it can never succeed",
            fn rate_limited(&self, retry_after: u64) -> ErrorObject {
                refusal::rate_limited(retry_after).retryable(false)
            }
        )
        .rewriting(),
        swap_access!(
            "no-retry-after",
            "ACC-030",
            "answers 429 without saying until when",
            fn retry_after(&self, _: &ErrorObject) -> Option<String> {
                None
            }
        )
        .rewriting(),
        swap_access!(
            "retry-after-is-the-unit",
            "ACC-030",
            "says that a whole window is to be waited for",
            fn retry_after(&self, error: &ErrorObject) -> Option<String> {
                refusal::retry_after(error).map(|_| "60".to_owned())
            }
        )
        .rewriting(),
        swap_access!(
            "retry-after-is-one",
            "ACC-030",
            "says that a second is enough",
            fn retry_after(&self, error: &ErrorObject) -> Option<String> {
                refusal::retry_after(error).map(|_| "1".to_owned())
            }
        )
        .rewriting(),
        swap_access!(
            "no-seconds-in-results",
            "ACC-031",
            "tells the seconds in the header of an answer and in no result",
            fn rate_limited(&self, retry_after: u64) -> ErrorObject {
                apart(retry_after)
            },
            fn retry_after(&self, error: &ErrorObject) -> Option<String> {
                seconds(error)
            }
        ),
        swap_access!(
            "seconds-are-always-sixty",
            "ACC-031",
            "tells the same number of seconds in every result",
            fn rate_limited(&self, retry_after: u64) -> ErrorObject {
                apart(retry_after).with("retry_after", 60)
            },
            fn retry_after(&self, error: &ErrorObject) -> Option<String> {
                seconds(error)
            }
        ),
    ]
}

fn keys() -> Vec<Mutant> {
    vec![
        swap_access!(
            "rates-of-all-subjects",
            "ACC-029",
            "counts the calls of all subjects together",
            fn rate_key(&self, _: &Caller, manifest: &str, _: &str, action: &str) -> RateKey {
                RateKey {
                    subject: String::new(),
                    manifest: manifest.to_owned(),
                    action: action.to_owned(),
                }
            }
        ),
        swap_access!(
            "rates-of-a-token",
            "ACC-029",
            "begins a new count for a token with other scopes",
            fn rate_key(
                &self,
                caller: &Caller,
                manifest: &str,
                version: &str,
                action: &str,
            ) -> RateKey {
                let key = AccessParts::rate_key(&Reference, caller, manifest, version, action);
                RateKey {
                    subject: format!("{} {:?}", key.subject, caller.scopes),
                    ..key
                }
            }
        ),
        swap_access!(
            "rates-of-all-actions",
            "ACC-029",
            "counts the calls of all actions of a manifest together",
            fn rate_key(&self, caller: &Caller, manifest: &str, _: &str, _: &str) -> RateKey {
                RateKey {
                    subject: caller.subject.clone(),
                    manifest: manifest.to_owned(),
                    action: String::new(),
                }
            }
        ),
        swap_access!(
            "rates-of-all-manifests",
            "ACC-029",
            "counts the calls of one action name in all manifests together",
            fn rate_key(&self, caller: &Caller, _: &str, _: &str, action: &str) -> RateKey {
                RateKey {
                    subject: caller.subject.clone(),
                    manifest: String::new(),
                    action: action.to_owned(),
                }
            }
        ),
        swap_access!(
            "new-versions-begin-anew",
            "ACC-029",
            "begins a new count with every version of a manifest",
            fn rate_key(
                &self,
                caller: &Caller,
                manifest: &str,
                version: &str,
                action: &str,
            ) -> RateKey {
                RateKey {
                    subject: caller.subject.clone(),
                    manifest: format!("{manifest}@{version}"),
                    action: action.to_owned(),
                }
            }
        ),
    ]
}

fn charges() -> Vec<Mutant> {
    vec![
        swap_access!(
            "skips-are-charged",
            "ACC-032",
            "charges actions that are skipped",
            fn charges(&self, why: Uncharged) -> bool {
                why == Uncharged::Skipped
            }
        ),
        swap_access!(
            "refused-inputs-are-charged",
            "ACC-032",
            "charges actions whose input is refused",
            fn charges(&self, why: Uncharged) -> bool {
                why == Uncharged::Invalid
            }
        ),
        swap_access!(
            "repeats-are-charged",
            "ACC-032",
            "charges nodes that are answered from the store",
            fn charges(&self, why: Uncharged) -> bool {
                why == Uncharged::Repeated
            }
        ),
        swap_access!(
            "refusals-are-charged",
            "ACC-032",
            "charges calls that the limit refuses, so that impatience is punished",
            fn admit_call(
                &self,
                window: &mut Window,
                limits: &[RateLimit],
                now: Timestamp,
            ) -> Admitted {
                window
                    .admit(limits, now)
                    .inspect_err(|_| window.note(limits, now))
            }
        ),
    ]
}

fn of_nodes() -> Vec<Mutant> {
    vec![
        swap_access!(
            "nodes-choose-their-rate",
            "ACC-033",
            "takes the rate of a node in place of its definition's",
            fn limits(
                &self,
                definition: Option<RateLimit>,
                node: Option<RateLimit>,
            ) -> Vec<RateLimit> {
                node.or(definition).into_iter().collect()
            }
        ),
        swap_access!(
            "rates-of-nodes-are-ignored",
            "ACC-033",
            "goes by the rate of the definition alone",
            fn limits(
                &self,
                definition: Option<RateLimit>,
                _: Option<RateLimit>,
            ) -> Vec<RateLimit> {
                definition.into_iter().collect()
            }
        ),
    ]
}
