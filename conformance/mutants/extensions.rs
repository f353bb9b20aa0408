//! Mutants of `spec/extensions.md`: replies that are given to the wrong call or too late, and calls that are joined wrongly.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::documents::{Loaded, overlooking, put, refusing};
use super::{Mutant, held};
use crate::diagnostic::Violation;
use crate::json;
use crate::manifest::{self, Action, Batch, Cache, Kind, Manifest, Method};
use crate::requirement::Extension;
use crate::runtime::error::ErrorObject;
use crate::runtime::reads::equal::{self, Asked, Key};
use crate::runtime::reads::{ReadsParts, Stored, share};
use crate::runtime::session::transcript::SideEffect;
use crate::runtime::{Parts, Reference};

/// What a call came to.
type Ended = Result<Value, ErrorObject>;

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [
        offers(),
        documents(),
        equality(),
        storing(),
        joining(),
        sharing(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn offers() -> Vec<Mutant> {
    vec![
        swap!(
            "extensions-go-without-saying",
            "DRF-001",
            "offers caching and does not say so",
            fn named_extensions(&self, _offered: &BTreeSet<Extension>) -> Value {
                json!([])
            }
        )
        .rewriting(),
        swap!(
            "budgets-are-ignored",
            "DRF-002",
            "opens a session with a budget that nobody will keep to",
            fn unoffered_wishes(
                &self,
                _body: &Value,
                _offered: &BTreeSet<Extension>,
            ) -> Vec<Violation> {
                Vec::new()
            }
        ),
        swap!(
            "unoffered-members-are-dropped",
            "DRF-002",
            "takes manifests with members of an extension that it does not offer",
            fn unoffered_members(
                &self,
                _manifest: &Manifest,
                _offered: &BTreeSet<Extension>,
            ) -> Vec<Violation> {
                Vec::new()
            }
        ),
    ]
}

/// Manifests that should be refused, or should not.
fn documents() -> Vec<Mutant> {
    vec![
        overlooking(
            "writes-are-stored-too",
            "DRF-019",
            "takes cache and batch on definitions that do more than read",
            |violation| violation.rule == "not_a_read",
            |document, violation| {
                if let Some((action, _)) = violation.pointer.rsplit_once('/')
                    && let Some(action) = document.pointer_mut(action)
                {
                    action["effects"] = json!(["read"]);
                }
            },
        ),
        overlooking(
            "times-are-clamped",
            "DRF-035",
            "takes times out of range for the nearest that is in it",
            |violation| {
                let ends = |name| violation.pointer.ends_with(name);
                let about = ends("/ttl_s") || ends("/window_ms");
                about && matches!(violation.rule.as_str(), "minimum" | "maximum")
            },
            |document, violation| {
                let most = if violation.pointer.ends_with("/ttl_s") {
                    3600
                } else {
                    1000
                };
                let nearest = if violation.rule == "minimum" { 1 } else { most };
                put(document, &violation.pointer, nearest);
            },
        ),
        refusing(
            "an-hour-is-too-long",
            "DRF-035",
            "refuses a reply's time of an hour",
            |manifest, _| {
                let hour = |api: &manifest::InvokeApi| {
                    let ttl = api.cache.as_ref().map(|cache| cache.ttl);
                    ttl == Some(Duration::from_secs(3600))
                };
                let found = manifest.actions.iter().any(|action| match &action.kind {
                    Kind::InvokeApi(api) => hour(api),
                    _ => false,
                });
                found.then(|| Violation::new("/actions/0/cache/ttl_s", "maximum", "too long"))
            },
        ),
        overlooking(
            "members-need-no-array",
            "DRF-035",
            "takes a batch whose member may be missing, or no array",
            |violation| violation.rule == "not_an_array",
            |document, violation| {
                let parts: Vec<&str> = violation.pointer.split('/').take(3).collect();
                let member = document.pointer(&violation.pointer).cloned();
                if let (Some(Value::String(member)), Some(action)) =
                    (member, document.pointer_mut(&parts.join("/")))
                {
                    action["input_schema"]["required"] = json!([member]);
                    action["input_schema"]["properties"][member] = json!({"type": "array"});
                }
            },
        ),
        swap!(
            "reads-have-no-rate",
            "DRF-031",
            "does not count calls that may get a stored output for their rate",
            fn read_manifest(&self, document: &Value) -> Loaded {
                let mut manifest = manifest::load(document)?;
                for action in &mut manifest.actions {
                    let action = Arc::make_mut(action);
                    if let (Kind::InvokeApi(api), Some(control)) =
                        (&action.kind, &mut action.access_control)
                        && api.cache.is_some()
                    {
                        control.rate_limit = None;
                    }
                }
                Ok(manifest)
            }
        ),
    ]
}

/// Calls that are equal to this runtime and to no other.
fn equality() -> Vec<Mutant> {
    vec![
        swap_reads!(
            "arguments-make-no-difference",
            "DRF-017",
            "gives the stored output of a definition whatever its arguments are",
            fn equal_call(&self, asked: &Asked<'_>) -> Key {
                equal::call(&Asked {
                    args: &Value::Null,
                    ..*asked
                })
            }
        ),
        swap_reads!(
            "large-integers-look-alike",
            "DRF-017",
            "compares arguments by a text in which large integers lose digits",
            fn equal_call(&self, asked: &Asked<'_>) -> Key {
                equal::call(&Asked {
                    args: &Value::from(json::canonical(asked.args)),
                    ..*asked
                })
            }
        ),
        swap_reads!(
            "whose-credential-makes-no-difference",
            "DRF-017",
            "gives what was read with one credential to a definition with another",
            fn equal_call(&self, asked: &Asked<'_>) -> Key {
                let mut request = asked.request.clone();
                request.headers.clear();
                equal::call(&Asked {
                    action: "",
                    request: &request,
                    ..*asked
                })
            }
        ),
        swap_reads!(
            "subjects-share-replies",
            "DRF-029",
            "gives what was read for one subject to another",
            fn equal_call(&self, asked: &Asked<'_>) -> Key {
                equal::call(&Asked {
                    subject: "",
                    ..*asked
                })
            }
        ),
        swap_reads!(
            "versions-share-replies",
            "DRF-029",
            "knows a stored output by the action's name whatever the manifest",
            fn equal_call(&self, asked: &Asked<'_>) -> Key {
                equal::call(&Asked {
                    manifest: "",
                    ..*asked
                })
            }
        ),
        swap_reads!(
            "equal-is-letter-by-letter",
            "DRF-030",
            "takes arguments in another order for others",
            fn equal_call(&self, asked: &Asked<'_>) -> Key {
                equal::call(&Asked {
                    args: &Value::from(asked.args.to_string()),
                    ..*asked
                })
            }
        ),
        swap_reads!(
            "joins-whatever-comes",
            "DRF-032",
            "joins calls of a definition although other arguments differ",
            fn joinable(&self, _batch: &Batch, asked: &Asked<'_>) -> Key {
                equal::call(&Asked {
                    args: &Value::Null,
                    ..*asked
                })
            }
        ),
        swap_reads!(
            "joins-across-definitions",
            "DRF-032",
            "joins calls of definitions that look alike",
            fn joinable(&self, batch: &Batch, asked: &Asked<'_>) -> Key {
                equal::but_for(
                    &Asked {
                        action: "",
                        ..*asked
                    },
                    &batch.member,
                )
            }
        ),
        swap_reads!(
            "joins-across-subjects",
            "DRF-032",
            "joins calls of several subjects",
            fn joinable(&self, batch: &Batch, asked: &Asked<'_>) -> Key {
                equal::but_for(
                    &Asked {
                        subject: "",
                        ..*asked
                    },
                    &batch.member,
                )
            }
        ),
    ]
}

/// What is kept, and for how long.
fn storing() -> Vec<Mutant> {
    vec![
        swap_reads!(
            "stores-nothing",
            "DRF-030",
            "offers caching and asks the service each time",
            fn ttl(&self, _cache: &Cache) -> Option<Duration> {
                None
            }
        ),
        swap_reads!(
            "replies-are-for-ever",
            "DRF-017",
            "gives a stored output however old it is",
            fn is_fresh(&self, _stored: &Stored, _now: Timestamp, _ttl: Duration) -> bool {
                true
            }
        ),
        Mutant::part(
            "use-makes-younger",
            "DRF-017",
            "lets a stored output live on as long as somebody asks for it",
            Refreshing(Mutex::default()),
        ),
        swap_reads!(
            "failures-are-stored",
            "DRF-028",
            "gives a failure again",
            fn stores(&self, outcome: &Ended, is_valid: bool) -> bool {
                outcome.is_err() || is_valid
            }
        ),
        swap_reads!(
            "invalid-outputs-are-stored",
            "DRF-028",
            "gives a reply again whose output misses its schema",
            fn stores(&self, outcome: &Ended, _is_valid: bool) -> bool {
                outcome.is_ok()
            }
        ),
        swap_reads!(
            "stored-outputs-have-effects",
            "DRF-031",
            "records a request for a call that got a stored output",
            fn effects_of_stored(&self, stored: &Stored, step_number: u64) -> Vec<SideEffect> {
                vec![SideEffect {
                    step_number: Some(step_number),
                    kind: "http",
                    method: Method::Post.as_str().to_owned(),
                    target: "http://localhost/".to_owned(),
                    status: Value::from(200),
                    at: stored.at.to_string(),
                }]
            }
        ),
    ]
}

/// Remembers when what was stored at a time was given last.
struct Refreshing(Mutex<Vec<(Timestamp, Timestamp)>>);

impl ReadsParts for Refreshing {
    fn is_fresh(&self, stored: &Stored, now: Timestamp, ttl: Duration) -> bool {
        let mut given = held(&self.0);
        let last = given.iter().rev().find(|(at, _)| *at == stored.at);
        let last = last.map_or(stored.at, |(_, last)| *last);
        let fresh = equal::is_fresh(last, now, ttl);
        if fresh {
            given.push((stored.at, now));
        }
        fresh
    }
}

impl Parts for Refreshing {
    fn reads(&self) -> &dyn ReadsParts {
        self
    }
}

/// What goes out together.
fn joining() -> Vec<Mutant> {
    vec![
        swap_reads!(
            "joins-nothing",
            "DRF-018",
            "sends each call of a definition with batch on its own",
            fn may_join(&self, _: &Action, _: &Batch, _: usize, _: &Value) -> bool {
                false
            }
        ),
        swap_reads!(
            "joins-beyond-the-schema",
            "DRF-032",
            "joins more than the input schema lets through",
            fn may_join(&self, _: &Action, _: &Batch, calls: usize, _: &Value) -> bool {
                calls <= share::MOST_CALLS
            }
        ),
        swap_reads!(
            "others-are-sent-again",
            "DRF-034",
            "sends the calls of a failed joined request again one by one",
            fn tries_alone(&self, outcome: &Ended) -> bool {
                outcome.is_err()
            }
        ),
    ]
}

/// What each call gets of a reply.
fn sharing() -> Vec<Mutant> {
    vec![
        swap_reads!(
            "everybody-gets-everything",
            "DRF-033",
            "gives each of the joined calls the whole reply",
            fn shares(&self, _: &Batch, elements: &[usize], outcome: Ended) -> Vec<Ended> {
                vec![outcome; elements.len()]
            }
        ),
        swap_reads!(
            "parts-are-dealt-out-backwards",
            "DRF-033",
            "takes the elements of a reply from its end",
            fn shares(&self, batch: &Batch, elements: &[usize], outcome: Ended) -> Vec<Ended> {
                let backwards: Vec<usize> = elements.iter().rev().copied().collect();
                let mut shares = Reference.shares(batch, &backwards, outcome);
                shares.reverse();
                shares
            }
        ),
        swap_reads!(
            "the-rest-comes-along",
            "DRF-033",
            "gives each call what the reply says besides, of whomever",
            fn shares(&self, batch: &Batch, elements: &[usize], outcome: Ended) -> Vec<Ended> {
                let whole = outcome.clone();
                let mut shares = Reference.shares(batch, elements, outcome);
                for share in shares.iter_mut().flatten() {
                    if let (Ok(Value::Object(whole)), Some(own)) = (&whole, share.as_object_mut()) {
                        for (name, value) in whole {
                            own.entry(name).or_insert_with(|| value.clone());
                        }
                    }
                }
                shares
            }
        ),
        swap_reads!(
            "only-the-first-fails",
            "DRF-034",
            "tells the failure of a joined request to the call that sent it only",
            fn shares(&self, batch: &Batch, elements: &[usize], outcome: Ended) -> Vec<Ended> {
                let failed = outcome.is_err();
                let mut shares = Reference.shares(batch, elements, outcome);
                if failed {
                    for other in shares.iter_mut().skip(1) {
                        *other = Ok(Value::Null);
                    }
                }
                shares
            }
        ),
        swap_reads!(
            "takes-what-there-is",
            "DRF-036",
            "deals out a reply whose length does not fit, or that has no array",
            fn shares(&self, batch: &Batch, elements: &[usize], outcome: Ended) -> Vec<Ended> {
                let shares = Reference.shares(batch, elements, outcome.clone());
                match outcome {
                    Ok(reply) if shares.iter().any(Result::is_err) => {
                        vec![Ok(reply); elements.len()]
                    }
                    _ => shares,
                }
            }
        ),
    ]
}
