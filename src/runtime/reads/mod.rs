//! Reading less: replies that are given again, and calls that share one request (`spec/extensions.md`, section 5).
//!
//! [`parts`] names every decision, [`equal`] says which calls are equal, `cache` keeps replies, `batch` joins calls and [`share`]
//! takes their reply apart. Nothing in here holds a lock while a request is under way.

mod batch;
mod cache;
pub mod equal;
pub mod parts;
pub mod share;

use serde_json::{Map, Value};

pub use parts::{ReadsParts, Stored};

use super::invoke;
use super::redact::Site;
use super::request;
use super::runtime::Runtime;
use super::session::{Call, Execution};
use crate::manifest::InvokeApi;
use batch::Batches;
use cache::Cache;
use equal::Asked;

/// What calls have read, and the requests that gather calls.
#[derive(Debug, Default)]
pub(super) struct Reads {
    cache: Cache,
    batches: Batches,
}

/// Executes one call of a definition that may read less.
pub(super) async fn invoke(runtime: &Runtime, call: &Call, api: &InvokeApi) -> Execution {
    let parts = runtime.parts();
    let rules = parts.reads();
    // Without arguments: they are compared as values, since their order changes the text of a body and of a query.
    let nothing = Value::Object(Map::new());
    let request = match request::render(parts, api, &nothing, &runtime.credentials(), None) {
        Ok(request) => request,
        Err(error) => return Execution::refused(error),
    };
    let asked = Asked {
        manifest: &call.digest,
        action: &call.action.name,
        subject: &call.subject,
        request: &request,
        args: &call.args,
    };
    let began = runtime.now();
    let ttl = api.cache.as_ref().and_then(|cache| rules.ttl(cache));
    let kept = ttl.map(|ttl| (ttl, rules.equal_call(&asked)));
    if let Some((ttl, key)) = &kept
        && let Some(stored) = runtime.reads().cache.get(key)
        && rules.is_fresh(&stored, began, *ttl)
    {
        return Execution {
            outcome: stored.outcome.clone(),
            side_effects: rules.effects_of_stored(&stored, call.step_number),
            logs: None,
        };
    }
    let execution = match api.batch.as_deref() {
        Some(batch) => {
            let together = rules.joinable(batch, &asked);
            let batches = &runtime.reads().batches;
            batch::invoke(runtime, call, api, batch, batches, together).await
        }
        None => invoke::request(runtime, call, api, &call.args).await,
    };
    if let Some((_, key)) = kept {
        store(runtime, call, api, key, &execution, began);
    }
    execution
}

/// Keeps what a call gave, if that may be given again.
fn store(
    runtime: &Runtime,
    call: &Call,
    api: &InvokeApi,
    key: equal::Key,
    execution: &Execution,
    at: jiff::Timestamp,
) {
    let parts = runtime.parts();
    let outcome = execution.outcome.clone().map(|reply| {
        // What is kept holds no secret, whatever becomes of it later.
        parts.redact_value(Site::ServiceReply, runtime.redactor(), reply)
    });
    let is_valid = outcome.as_ref().is_ok_and(|reply| {
        let output = parts.response_value(api.response_map.as_ref(), reply.clone());
        parts.check_output(&call.action, &output).is_empty()
    });
    if parts.reads().stores(&outcome, is_valid) {
        runtime.reads().cache.put(key, Stored { outcome, at });
    }
}
