//! Before anything runs: conditional, templates, defaults, schema (`spec/workflows.md`, 7.1 to 7.4).

use serde_json::{Map, Value};

use super::{Around, Current, Effect, Flow, Workflow};
use crate::expression::Roots;
use crate::manifest::RateLimit;
use crate::runtime::access::Uncharged;
use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::plan;
use crate::workflow::bound::{Bound, BoundAction};

/// Most bytes of memory of the results of one call; each may be as large as a state, and there may be hundreds.
const MOST_RESULTS: usize = 64 * 1024 * 1024;

/// What an action is run with.
#[derive(Debug, Clone)]
pub struct Ready {
    /// The resolved input.
    pub input: Value,
    /// The members that were filled in.
    pub defaulted: Vec<String>,
}

/// How an action comes out of all that happens before its execution.
#[derive(Debug, Clone)]
pub enum Prepared {
    /// It can run.
    Ready(Ready),
    /// Its conditional is false; the undefined paths that it read.
    Skipped(Vec<String>),
    /// It fails.
    Failed(ErrorObject),
}

/// In whose place an action is prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    First,
    Fallback,
}

impl Workflow {
    /// A node's turn.
    pub(super) fn enter(&mut self, around: &Around<'_>, node: Bound) -> Flow {
        self.learn(node.action());
        if self.held > MOST_RESULTS {
            let error = ErrorObject::new(
                Code::CapacityExceeded,
                "the results of this call are as large as this runtime allows; send the rest in another call",
            );
            return self.fail_unprepared(around, node, error);
        }
        let action = node.action();
        let given = Value::Object(action.input.clone().unwrap_or_default());
        if !around.rules().charges_after_validation() && !limits(around, action).is_empty() {
            let key = self.rate_key(around, action);
            let charge = Effect::Charge(key, limits(around, action));
            let ready = Ready {
                input: given,
                defaulted: Vec::new(),
            };
            self.current = Some(Current::new(node, ready));
            return Flow::Break(charge);
        }
        self.enter_charged(around, node, given)
    }

    /// A node's turn, its rate aside.
    pub(super) fn enter_charged(&mut self, around: &Around<'_>, node: Bound, given: Value) -> Flow {
        let prepared = self.prepare(around, node.action(), given, Place::First);
        let asks = around.rules().asks(&node);
        match prepared {
            Prepared::Ready(ready) if asks => self.ask_person(around, node, ready),
            Prepared::Ready(ready) => self.launch(around, Current::new(node, ready)),
            Prepared::Skipped(undefined) => {
                self.charge_in_vain(around, node.action(), Uncharged::Skipped);
                self.skipped(around, &node, &undefined)
            }
            Prepared::Failed(error) if asks && around.rules().asks_in_vain(&error) => {
                let ready = Ready {
                    input: Value::Object(node.action().input.clone().unwrap_or_default()),
                    defaulted: Vec::new(),
                };
                self.ask_person(around, node, ready)
            }
            Prepared::Failed(error) => {
                self.charge_in_vain(around, node.action(), Uncharged::Invalid);
                self.fail_unprepared(around, node, error)
            }
        }
    }

    /// A node that fails before it has an input to be run with.
    fn fail_unprepared(&mut self, around: &Around<'_>, node: Bound, error: ErrorObject) -> Flow {
        let ready = Ready {
            input: Value::Null,
            defaulted: Vec::new(),
        };
        self.failed(around, Current::new(node, ready), error, false)
    }

    /// Conditional, templates, defaults and schema of one action; `given` is its input before templates.
    pub(super) fn prepare(
        &self,
        around: &Around<'_>,
        action: &BoundAction,
        given: Value,
        place: Place,
    ) -> Prepared {
        match self.prepared(around, action, given, place) {
            Ok(prepared) => prepared,
            Err(error) => Prepared::Failed(error),
        }
    }

    fn prepared(
        &self,
        around: &Around<'_>,
        action: &BoundAction,
        given: Value,
        place: Place,
    ) -> Result<Prepared, ErrorObject> {
        let rules = around.rules();
        let state = rules.seen_state(&self.first_state, &self.state);
        let roots = Roots {
            state: Some(state),
            input: Some(&given),
            observation: None,
        };
        // An input that was resolved before is not scanned again (7.3.3).
        let resolve = || match &action.input {
            Some(_) => rules
                .resolve_templates(&action.templates, &given, &roots)
                .or_else(|error| rules.unresolved(error, &given)),
            None => Ok(given.clone()),
        };
        let early = match rules.conditional_first() {
            true => None,
            false => Some(resolve()?),
        };
        for condition in rules.conditions(&action.conditions) {
            let held = rules
                .holds(condition, &roots)
                .or_else(|error| rules.unevaluated(error))?;
            let runs = match place {
                Place::First => rules.runs(&held),
                Place::Fallback => rules.fallback_runs(&held),
            };
            if !runs {
                return Ok(Prepared::Skipped(rules.undefined_paths(&held)));
            }
        }
        let mut input = match early {
            Some(input) => input,
            None => resolve()?,
        };
        let defaulted = match &mut input {
            Value::Object(members) => fill(
                around,
                members,
                &action.action.input_schema,
                state.get("lastResult"),
            ),
            _ => Vec::new(),
        };
        // Templates can put together what no reply and no node held whole.
        let input = rules.clean_input(around.redactor, input);
        let violations = match place {
            Place::First => rules.check_input(&action.action, &input),
            Place::Fallback => rules.check_fallback_input(&action.action, &input),
        };
        if !violations.is_empty() {
            return Err(plan::invalid_arguments(&action.action, &violations));
        }
        Ok(Prepared::Ready(Ready { input, defaulted }))
    }
}

/// Fills required members in; the names of those that were.
fn fill(
    around: &Around<'_>,
    input: &mut Map<String, Value>,
    schema: &Value,
    last_result: Option<&Value>,
) -> Vec<String> {
    let rules = around.rules();
    let mut filled = Vec::new();
    for member in rules.fillable(schema) {
        if rules.is_given(input, &member) {
            continue;
        }
        if let Some(value) = rules.default_of(last_result, &member) {
            input.insert(member.clone(), value);
            filled.push(member);
        }
    }
    rules.defaulted(filled)
}

/// The limits that hold for an action.
pub(super) fn limits(around: &Around<'_>, action: &BoundAction) -> Vec<RateLimit> {
    let access = around.access();
    let mut limits = access.limits(action.rate, action.node_rate);
    limits.extend(access.limits(action.other_rate, None));
    limits
}
