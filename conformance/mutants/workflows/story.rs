//! Mutants of section 16: what the printed workflow comes to.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::{Map, Value};

use crate::expression::{Roots, Templates};
use crate::manifest::Kind;
use crate::mutants::{Mutant, held};
use crate::runtime::Parts;
use crate::runtime::credentials::{self, Credentials, Place};
use crate::runtime::error::ErrorObject;
use crate::runtime::session::Call;
use crate::workflow::input::{self, Held};
use crate::workflow::node::Condition;
use crate::workflow::state;

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [plan(), branches(), services()]
        .into_iter()
        .flatten()
        .collect()
}

type Members = Map<String, Value>;
type Evaluated = Result<Held, ErrorObject>;

fn plan() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "the-state-as-it-was-printed",
            "WFL-118",
            "puts each result in the place of the last one, as the printed code does",
            fn lay_over(&self, _: &Members, output: &Members) -> Members {
                output.clone()
            }
        ),
        swap_workflow!(
            "slots-are-not-named",
            "WFL-118",
            "puts the word object into a text where a template gave an array",
            fn resolve_templates(
                &self,
                templates: &Templates,
                given: &Value,
                roots: &Roots<'_>,
            ) -> Result<Value, ErrorObject> {
                let mut made = input::resolve(templates, given, roots)?;
                for member in made
                    .as_object_mut()
                    .into_iter()
                    .flat_map(Members::values_mut)
                {
                    if let Some((before, _)) =
                        member.as_str().and_then(|text| text.split_once("[{"))
                    {
                        *member = Value::from(format!("{before}[object Object]"));
                    }
                }
                Ok(made)
            }
        ),
    ]
}

fn branches() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "empty-answers-count-as-none",
            "WFL-119",
            "does not keep empty arrays of an output",
            fn lay_over(&self, last: &Members, output: &Members) -> Members {
                let mut full = output.clone();
                full.retain(|_, value| value.as_array().is_none_or(|array| !array.is_empty()));
                state::lay_over(last, &full)
            }
        ),
        swap_workflow!(
            "no-branch-after-a-skip",
            "WFL-119",
            "skips every node with a conditional after one that was skipped",
            fn holds(&self, condition: &Condition, roots: &Roots<'_>) -> Evaluated {
                let mut held = input::holds(condition, roots)?;
                let history = roots.state.and_then(|state| state.get("history"));
                let entries = history.and_then(Value::as_array).into_iter().flatten();
                let mut said = entries.filter_map(|entry| entry.get("status")?.as_str());
                held.truth = held.truth && !said.any(|status| status == "skipped");
                Ok(held)
            }
        ),
        swap_workflow!(
            "both-branches-run",
            "WFL-119",
            "takes every comparison with nought for true",
            fn holds(&self, condition: &Condition, roots: &Roots<'_>) -> Evaluated {
                let mut held = input::holds(condition, roots)?;
                held.truth = held.truth || condition.text.trim_end().ends_with(" 0");
                Ok(held)
            }
        ),
    ]
}

fn services() -> Vec<Mutant> {
    vec![
        swap!(
            "calendar-credential-for-all",
            "WFL-120",
            "calls every service with the calendar's credential",
            fn resolve_variable(
                &self,
                known: &Credentials,
                name: &str,
                place: Place,
            ) -> Result<String, ErrorObject> {
                let name = match name {
                    "EMAIL_TOKEN" | "CRM_TOKEN" => "CALENDAR_TOKEN",
                    other => other,
                };
                credentials::resolve_variable(known, name, place)
            }
        ),
        Mutant::part(
            "one-service-a-call",
            "WFL-120",
            "calls only the service that the call began with",
            OneService::default(),
        ),
    ]
}

/// The first service of each run.
#[derive(Default)]
struct OneService(Mutex<BTreeMap<String, String>>);

impl Parts for OneService {
    fn calls(&self, call: Call) -> Vec<Call> {
        let Kind::InvokeApi(api) = &call.action.kind else {
            return vec![call];
        };
        let origin: String = api.endpoint.source().split('/').take(3).collect();
        let mut begun = held(&self.0);
        let first = begun
            .entry(call.session_id.clone())
            .or_insert_with(|| origin.clone());
        if *first == origin {
            vec![call]
        } else {
            Vec::new()
        }
    }
}
