//! From a resolved input to the execution: key, scopes, rate (`spec/workflows.md`, 7.1.3 and section 14).

use std::sync::Arc;

use serde_json::Value;

use super::node::limits;
use super::{Around, Current, Effect, Flow, Recollection, Workflow};
use crate::runtime::access::{RateKey, Uncharged};
use crate::runtime::error::ErrorObject;
use crate::runtime::session::Call;
use crate::workflow::bound::BoundAction;

impl Workflow {
    /// An attempt is ready to run: whether its result is known already comes first, since that costs nothing.
    pub(super) fn launch(&mut self, around: &Around<'_>, current: Current) -> Flow {
        let action = current.action();
        let first = current.node.action().request_id.as_deref();
        // A fallback under its own first action's key would wait for itself.
        let is_held = |key: &&str| current.substitute.is_some() && first == Some(*key);
        let key = action.request_id.as_deref().filter(|key| !is_held(key));
        let recall = key.map(|key| Effect::Recall {
            scope: around
                .rules()
                .node_scope(&around.access().key_subject(&self.caller), key),
            fingerprint: around.rules().node_fingerprint(
                &self.manifest.name,
                &[&action.action.name, &action.label],
                &current.ready().input,
            ),
        });
        self.current = Some(current);
        match recall {
            Some(recall) => Flow::Break(recall),
            None => self.charge(around),
        }
    }

    /// What is known under the key of the attempt under way.
    pub(super) fn recalled(&mut self, around: &Around<'_>, recollection: Recollection) -> Flow {
        match recollection {
            Recollection::Fresh(ticket) => {
                if let Some(current) = &mut self.current {
                    match current.substitute {
                        Some(_) => current.substitute_ticket = Some(ticket),
                        None => current.ticket = Some(ticket),
                    }
                }
                self.charge(around)
            }
            Recollection::Unkept => self.charge(around),
            Recollection::Stored(record) => self.repeated(around, &record),
            Recollection::Refused(error) => self.attempt_failed(around, error),
        }
    }

    fn charge(&mut self, around: &Around<'_>) -> Flow {
        let Some(current) = &self.current else {
            return super::ON;
        };
        let action = current.action();
        if !around.access().may_execute(&self.caller, &action.scopes) {
            let error = around.access().insufficient_scope(&action.scopes);
            return self.attempt_failed(around, error);
        }
        let limits = limits(around, action);
        if limits.is_empty() || !around.rules().charges_after_validation() {
            return self.execute(around);
        }
        Flow::Break(Effect::Charge(self.rate_key(around, action), limits))
    }

    /// Whether the rate admits the attempt under way.
    pub(super) fn charged(&mut self, around: &Around<'_>, charged: Result<(), u64>) -> Flow {
        if let Err(seconds) = charged {
            let error = around.access().rate_limited(seconds);
            return self.attempt_failed(around, error);
        }
        if !around.rules().charges_after_validation()
            && let Some(current) = self.current.take()
        {
            return self.enter_charged(around, current.node, current.ready.input);
        }
        self.execute(around)
    }

    fn execute(&mut self, around: &Around<'_>) -> Flow {
        let Some(current) = &self.current else {
            return super::ON;
        };
        self.executed = true;
        // The fallback may be the first action once more, and is another call all the same (idempotency.md 3.1).
        let session_id = match current.substitute {
            Some(_) => format!("{}/fallback", self.id),
            None => self.id.clone(),
        };
        Flow::Break(Effect::Execute(Call {
            session_id,
            step_number: u64::try_from(self.results.len())
                .unwrap_or(u64::MAX)
                .saturating_add(1),
            action: Arc::clone(&current.action().action),
            args: current.ready().input.clone(),
            manifest: self.manifest.name.clone(),
            digest: self.manifest.digest.clone(),
            subject: self.caller.subject.clone(),
            clock: self.terms.clock.unwrap_or(around.now),
            seed: self.terms.seed,
        }))
    }

    pub(super) fn rate_key(&self, around: &Around<'_>, action: &BoundAction) -> RateKey {
        around.access().rate_key(
            &self.caller,
            &self.manifest.name,
            &self.manifest.declared_version,
            &action.action.name,
        )
    }

    /// Charges a call that is not executed, if the rules want that; they do not (access.md 4.7).
    pub(super) fn charge_in_vain(
        &mut self,
        around: &Around<'_>,
        action: &BoundAction,
        why: Uncharged,
    ) {
        let limits = limits(around, action);
        if !limits.is_empty() && around.access().charges(why) {
            let key = self.rate_key(around, action);
            self.aside.push(Effect::ChargeInVain(key, limits));
        }
    }

    /// The attempt under way fails, executed or not.
    pub(super) fn attempt_failed(&mut self, around: &Around<'_>, error: ErrorObject) -> Flow {
        match self.current.take() {
            Some(current) => self.failed(around, current, error, false),
            None => super::ON,
        }
    }

    /// The attempt under way was executed in an earlier call: its record is the result, and nothing runs.
    fn repeated(&mut self, around: &Around<'_>, record: &Value) -> Flow {
        let Some(current) = self.current.take() else {
            return super::ON;
        };
        let action = current.action().clone();
        self.charge_in_vain(around, &action, Uncharged::Repeated);
        self.succeeded_before(around, current, record)
    }
}
