//! What an execution does to results, state and history (`spec/workflows.md`, 7.1.4, 7.1.5, sections 8 to 10).

use std::sync::Arc;

use serde_json::{Value, json};

use super::node::{Place, Prepared, Ready};
use super::{Around, Current, Effect, Failure, Flow, ON, Why, Workflow};
use crate::manifest::{Action, Kind};
use crate::runtime::error::ErrorObject;
use crate::runtime::response;
use crate::runtime::session::Execution;
use crate::workflow::bound::{Bound, BoundAction};
use crate::workflow::history::{Entry, Happened};
use crate::workflow::replan::Trigger;
use crate::workflow::state;

impl Workflow {
    /// The execution of the attempt under way is over.
    pub(super) fn executed(&mut self, around: &Around<'_>, execution: Execution) -> Flow {
        let Some(mut current) = self.current.take() else {
            return ON;
        };
        current.logs = execution.logs;
        let action = &current.action().action;
        let raw = match around.parts.outcome(action, execution.outcome) {
            Ok(raw) => raw,
            Err(error) => return self.failed(around, current, error, true),
        };
        let output = output(around, action, raw);
        let violations = around.rules().check_output(action, &output);
        if violations.is_empty() {
            return self.succeeded(around, current, output);
        }
        let error = response::invalid_output(action, &violations);
        if let Some(kept) = around.rules().kept_of_invalid(&output) {
            self.lay_alone(around, &current.action().label, &kept);
        }
        self.failed(around, current, error, true)
    }

    fn succeeded(&mut self, around: &Around<'_>, mut current: Current, output: Value) -> Flow {
        let label = current.action().label.clone();
        let happened = match current.substitute {
            Some(_) => Happened::Fallback,
            None => Happened::Executed,
        };
        let entry = self.entry(around, &current, happened, Some(&output), None);
        let own = around.parts.action_result(&label, &Ok(output));
        let own = around.rules().with_logs(own, current.logs.take());
        if let Some(ticket) = current.substitute_ticket.take() {
            let record = json!({"result": own, "entries": [by_itself(entry.clone())]});
            self.aside.push(Effect::Keep(ticket, record));
        }
        let (result, mut entries) = with_failures(around, &mut current, own);
        entries.push(entry);
        if let Some(ticket) = current.ticket.take() {
            let record = json!({"result": result, "entries": entries});
            self.aside.push(Effect::Keep(ticket, record));
        }
        self.settle(around, &label, result, entries)
    }

    /// An earlier call executed this very node: the same result and entries, at this time.
    pub(super) fn succeeded_before(
        &mut self,
        around: &Around<'_>,
        mut current: Current,
        record: &Value,
    ) -> Flow {
        let mut own = record.get("result").cloned().unwrap_or_default();
        // The fallback's, where one ran then.
        let label = own.get("action_name").and_then(Value::as_str);
        let label = label.unwrap_or(&current.action().label).to_owned();
        let known = record.get("entries").and_then(Value::as_array);
        let mut known = known.cloned().unwrap_or_default();
        if current.substitute.is_some() {
            // What it gave stands in another's place now, and no attempt before it was one of this node.
            if let Value::Object(members) = &mut own {
                members.shift_remove("attempts");
            }
            let first = &current.node.action().label;
            known = known
                .pop()
                .map(|entry| in_place_of(entry, first))
                .into_iter()
                .collect();
        }
        for entry in &mut known {
            if let Value::Object(members) = entry {
                members.insert("at".to_owned(), json!(around.at()));
            }
        }
        let ticket = current.ticket.take();
        let (result, mut entries) = with_failures(around, &mut current, own);
        entries.append(&mut known);
        if let Some(ticket) = ticket {
            let record = json!({"result": result, "entries": entries});
            self.aside.push(Effect::Keep(ticket, record));
        }
        self.settle(around, &label, result, entries)
    }

    /// A successful node's output becomes part of the state, if it fits.
    fn settle(
        &mut self,
        around: &Around<'_>,
        label: &str,
        result: Value,
        mut entries: Vec<Value>,
    ) -> Flow {
        let rules = around.rules();
        let output = result.get("output").cloned().unwrap_or_default();
        if self.change(around, Some((label, &output)), entries.clone()) {
            self.push_result(result);
            return ON;
        }
        let error = state::too_large();
        let wire = around.parts.error_object(&error);
        if let Some(Value::Object(last)) = entries.last_mut() {
            last.insert("status".to_owned(), json!(Happened::Failed.name()));
            last.insert("error".to_owned(), rules.entry_error(&wire));
            last.shift_remove("result");
        }
        self.note(around, entries);
        let index = self.push_result(rules.oversized_result(result));
        // What was executed is in `results` only: that must not be lost, and no new plan can make room.
        self.fail_call(around, error, index)
    }

    /// A node that is skipped.
    pub(super) fn skipped(
        &mut self,
        around: &Around<'_>,
        node: &Bound,
        undefined: &[String],
    ) -> Flow {
        let label = &node.action().label;
        let at = around.at();
        let entry = around.rules().history_entry(&Entry {
            action: label,
            happened: Happened::Skipped,
            result: None,
            error: None,
            defaulted: &[],
            undefined,
            fallback_of: None,
            approval: None,
            at: &at,
        });
        let index = self.push_result(around.rules().skipped_result(label));
        let left = around.rules().state_after_skip(&self.state);
        if let Some(left) = left {
            self.state = Arc::new(left);
        }
        if !self.note(around, vec![entry]) {
            return self.fail_call(around, state::too_large(), index);
        }
        self.after(
            around,
            Why {
                trigger: Trigger::Skipped,
                error: None,
                index,
            },
        )
    }

    /// An attempt failed, in its execution (`ran`) or before: a fallback runs in its place, or the node fails.
    pub(super) fn failed(
        &mut self,
        around: &Around<'_>,
        mut current: Current,
        error: ErrorObject,
        ran: bool,
    ) -> Flow {
        let rules = around.rules();
        let mut error = error;
        if current.failures.len() < rules.fallbacks()
            && rules.falls_back(&error)
            && let Some(fallback) = current.node.action().fallback.clone()
        {
            match self.prepare_fallback(around, &current, &fallback) {
                Prepared::Ready(ready) => {
                    let (result, entry) = self.failure(around, &mut current, &error);
                    current.failures.push(Failure {
                        result,
                        entry,
                        error,
                    });
                    current.substitute = Some(ready);
                    return self.launch(around, current);
                }
                Prepared::Skipped(_) => error = rules.unsaved_error(error, None),
                Prepared::Failed(why) => error = rules.unsaved_error(error, Some(&why)),
            }
        } else if !ran
            && current.substitute.is_some()
            && let Some(first) = current.failures.pop()
        {
            // The fallback was not executed after all, so it is as if there were none (10.9).
            current.substitute = None;
            error = rules.unsaved_error(first.error, Some(&error));
        }
        let (own, entry) = self.failure(around, &mut current, &error);
        let (result, mut entries) = with_failures(around, &mut current, own);
        entries.push(entry);
        self.fail_node(around, result, entries, error)
    }

    /// Result and entry of the attempt under way, which failed.
    fn failure(
        &self,
        around: &Around<'_>,
        current: &mut Current,
        error: &ErrorObject,
    ) -> (Value, Value) {
        let logs = current.logs.take();
        let label = &current.action().label;
        let wire = around.parts.error_object(error);
        let entry = self.entry(around, current, Happened::Failed, None, Some(&wire));
        let result = around.parts.action_result(label, &Err(error.clone()));
        (around.rules().with_logs(result, logs), entry)
    }

    /// The fallback, resolved; as it was shown where a person was asked.
    pub(super) fn prepare_fallback(
        &self,
        around: &Around<'_>,
        current: &Current,
        fallback: &BoundAction,
    ) -> Prepared {
        match &current.foreseen {
            Some(foreseen) => foreseen.clone(),
            None => self.fallback_for(around, fallback, &current.ready),
        }
    }

    pub(super) fn fallback_for(
        &self,
        around: &Around<'_>,
        fallback: &BoundAction,
        first: &Ready,
    ) -> Prepared {
        let given = around
            .rules()
            .fallback_input(fallback.input.as_ref(), &first.input);
        self.prepare(around, fallback, given, Place::Fallback)
    }

    /// The node has failed for good.
    pub(super) fn fail_node(
        &mut self,
        around: &Around<'_>,
        result: Value,
        entries: Vec<Value>,
        error: ErrorObject,
    ) -> Flow {
        let index = self.push_result(result);
        // Without room for the entry the state is returned as it was.
        let _ = self.note(around, entries);
        self.after(
            around,
            Why {
                trigger: Trigger::Failed,
                error: Some(error),
                index,
            },
        )
    }
}

/// What an execution gave, fit to be validated and stored: redacted first, then mapped.
fn output(around: &Around<'_>, action: &Action, raw: Value) -> Value {
    let clean = around.rules().clean_reply(around.redactor, raw);
    let map = match &action.kind {
        Kind::InvokeApi(api) => api.response_map.as_ref(),
        _ => None,
    };
    around.parts.response_value(map, clean)
}

/// The entry of an execution as it is when nothing ran before it in its node.
fn by_itself(mut entry: Value) -> Value {
    if let Value::Object(members) = &mut entry {
        members.shift_remove("fallback_of");
        members.insert("status".to_owned(), json!(Happened::Executed.name()));
    }
    entry
}

/// The entry of an execution in the place of another action.
fn in_place_of(mut entry: Value, first: &str) -> Value {
    if let Value::Object(members) = &mut entry {
        members.insert("status".to_owned(), json!(Happened::Fallback.name()));
        members.insert("fallback_of".to_owned(), json!(first));
    }
    entry
}

/// The node's result with the attempts that failed before, and their entries.
fn with_failures(around: &Around<'_>, current: &mut Current, result: Value) -> (Value, Vec<Value>) {
    if current.failures.is_empty() {
        return (result, Vec::new());
    }
    let failures = std::mem::take(&mut current.failures);
    let (mut attempts, mut entries) = (Vec::new(), Vec::new());
    for failure in failures {
        attempts.push(failure.result);
        entries.push(failure.entry);
    }
    attempts.push(result.clone());
    (around.rules().fallback_result(result, attempts), entries)
}
