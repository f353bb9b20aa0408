//! Every decision of the runtime that section 5 of `spec/extensions.md` pins, as one replaceable method; see
//! [`crate::runtime::parts`].

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::equal::{self, Asked, Key};
use super::share;
use crate::manifest::{Action, Batch, Cache};
use crate::runtime::error::ErrorObject;
use crate::runtime::parts::Reference;
use crate::runtime::session::transcript::SideEffect;

/// A reply that may be given again.
#[derive(Debug, Clone)]
pub struct Stored {
    /// What the call came to, redacted.
    pub outcome: Result<Value, ErrorObject>,
    /// When the call that brought it began to be executed.
    pub at: Timestamp,
}

/// The replaceable decisions about reading less.
pub trait ReadsParts: Send + Sync {
    // --- what is stored ---

    /// How long replies of a definition may be given again; `None`: not at all (5.8).
    fn ttl(&self, cache: &Cache) -> Option<Duration> {
        Some(cache.ttl)
    }

    /// What equal calls have in common, and others have not (5.2, 5.7).
    fn equal_call(&self, asked: &Asked<'_>) -> Key {
        equal::call(asked)
    }

    /// Whether a stored reply may be given at this time (5.2, 5.9).
    fn is_fresh(&self, stored: &Stored, now: Timestamp, ttl: Duration) -> bool {
        equal::is_fresh(stored.at, now, ttl)
    }

    /// Whether what a call came to is stored; `is_valid`: its output satisfies the output schema (5.6).
    fn stores(&self, outcome: &Result<Value, ErrorObject>, is_valid: bool) -> bool {
        outcome.is_ok() && is_valid
    }

    /// The side effects of a call that gets a stored reply (5.10).
    fn effects_of_stored(&self, stored: &Stored, step_number: u64) -> Vec<SideEffect> {
        let _ = (stored, step_number);
        Vec::new()
    }

    // --- what is joined ---

    /// What calls that can be joined have in common, and others have not (5.11).
    fn joinable(&self, batch: &Batch, asked: &Asked<'_>) -> Key {
        equal::but_for(asked, &batch.member)
    }

    /// How long a call waits for others (5.11).
    fn window(&self, batch: &Batch) -> Duration {
        batch.window
    }

    /// The arguments of both, joined (5.11).
    fn joined(&self, batch: &Batch, arguments: &Value, more: &Value) -> Value {
        share::joined(&batch.member, arguments, more)
    }

    /// Whether so many calls with these joined arguments may be one request (5.11).
    fn may_join(&self, action: &Action, batch: &Batch, calls: usize, arguments: &Value) -> bool {
        share::may_join(action, &batch.member, calls, arguments)
    }

    /// What each of the calls gets, by the number of elements that it brought (5.12 to 5.14).
    fn shares(
        &self,
        batch: &Batch,
        elements: &[usize],
        outcome: Result<Value, ErrorObject>,
    ) -> Vec<Result<Value, ErrorObject>> {
        share::shares(batch.result_member.as_deref(), elements, outcome)
    }

    /// Whether a call whose joined request failed is sent again on its own (5.14).
    fn tries_alone(&self, outcome: &Result<Value, ErrorObject>) -> bool {
        let _ = outcome;
        false
    }

    /// The side effects of one of the calls (5.15).
    fn effects_of_joined(&self, sent: &[SideEffect], step_number: u64) -> Vec<SideEffect> {
        share::effects(sent, step_number)
    }
}

impl ReadsParts for Reference {}
