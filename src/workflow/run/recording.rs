//! What nodes leave in the state: outputs and history (`spec/workflows.md`, section 8).
//!
//! The state may be large, so it is changed where it stands, and changed back when it turns out to be too large.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Around, Current, Workflow};
use crate::runtime::held_bytes;
use crate::workflow::history::{Entry, Happened};

/// What a change replaced.
#[derive(Default)]
struct Before {
    last: Option<Value>,
    output: Option<Value>,
    /// The members that were not there.
    absent: Vec<&'static str>,
    history: Past,
}

/// The history before a change.
enum Past {
    /// It had so many entries, and kept them.
    Length(usize),
    /// Entries were dropped, so all of them are here.
    Whole(Vec<Value>),
}

impl Default for Past {
    fn default() -> Self {
        Past::Length(0)
    }
}

impl Workflow {
    /// Adds a result; its position.
    pub(super) fn push_result(&mut self, result: Value) -> usize {
        self.held = self.held.saturating_add(held_bytes(&result));
        self.results.push(result);
        self.results.len() - 1
    }

    /// Adds entries to the history if the state stays small enough; whether it did.
    pub(super) fn note(&mut self, around: &Around<'_>, entries: Vec<Value>) -> bool {
        self.change(around, None, entries)
    }

    /// Lays an output into the state and adds its entries, if the state stays small enough; whether it did.
    pub(super) fn change(
        &mut self,
        around: &Around<'_>,
        output: Option<(&str, &Value)>,
        entries: Vec<Value>,
    ) -> bool {
        let rules = around.rules();
        let prune = self.terms.prune;
        let state = Arc::make_mut(&mut self.state);
        let mut before = Before::default();
        if let Value::Object(members) = state {
            if let Some((label, output)) = output {
                lay(around, members, label, output, &mut before);
            }
            if !members.contains_key("history") {
                before.absent.push("history");
            }
            let history = members
                .entry("history")
                .or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(history) = history {
                before.history = match prune {
                    None => Past::Length(history.len()),
                    Some(_) => Past::Whole(history.clone()),
                };
                rules.append(history, rules.node_entries(entries));
                rules.prune(history, prune);
            }
        }
        if rules.state_fits(state) {
            return true;
        }
        if let Value::Object(members) = state {
            before.restore(members, output.map(|(label, _)| label));
        }
        false
    }

    /// Lays an output into the state, whatever its size and without an entry.
    pub(super) fn lay_alone(&mut self, around: &Around<'_>, label: &str, output: &Value) {
        if let Value::Object(members) = Arc::make_mut(&mut self.state) {
            lay(around, members, label, output, &mut Before::default());
        }
    }

    /// The entry of the attempt under way.
    pub(super) fn entry(
        &self,
        around: &Around<'_>,
        current: &Current,
        happened: Happened,
        output: Option<&Value>,
        error: Option<&Value>,
    ) -> Value {
        let rules = around.rules();
        let first = current.node.action();
        let error = error.map(|error| rules.entry_error(error));
        let at = around.at();
        rules.history_entry(&Entry {
            action: &current.action().label,
            happened,
            result: output,
            error: error.as_ref(),
            defaulted: &current.ready().defaulted,
            undefined: &[],
            fallback_of: current.substitute.as_ref().map(|_| first.label.as_str()),
            approval: current.approval.as_ref(),
            at: &at,
        })
    }
}

/// Lays an output over `lastResult`, and unmixed under its action's name.
fn lay(
    around: &Around<'_>,
    members: &mut Map<String, Value>,
    label: &str,
    output: &Value,
    before: &mut Before,
) {
    let rules = around.rules();
    let none = Map::new();
    let last = members.get("lastResult");
    let laid = match (last, output) {
        (None, Value::Object(output)) => Value::Object(rules.lay_over(&none, output)),
        (Some(Value::Object(last)), Value::Object(output)) => {
            Value::Object(rules.lay_over(last, output))
        }
        (last, output) => rules.replace_last(last, output),
    };
    before.last = members.insert("lastResult".to_owned(), laid);
    if before.last.is_none() {
        before.absent.push("lastResult");
    }
    if !members.contains_key("results") {
        before.absent.push("results");
    }
    let results = members
        .entry("results")
        .or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(results) = results {
        before.output = results.get(label).cloned();
        rules.store_output(results, label, output);
    }
}

impl Before {
    fn restore(self, members: &mut Map<String, Value>, label: Option<&str>) {
        if let Some(last) = self.last {
            members.insert("lastResult".to_owned(), last);
        }
        if let (Some(label), Some(Value::Object(results))) = (label, members.get_mut("results")) {
            match self.output {
                Some(output) => {
                    results.insert(label.to_owned(), output);
                }
                None => {
                    results.shift_remove(label);
                }
            }
        }
        if let Some(Value::Array(history)) = members.get_mut("history") {
            match self.history {
                Past::Length(length) => history.truncate(length),
                Past::Whole(whole) => *history = whole,
            }
        }
        for member in self.absent {
            members.shift_remove(member);
        }
    }
}
