//! Mutants of section 15: conditionals, fallbacks and templates in sessions.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::diagnostic::Violation;
use crate::expression::{Roots, Template, Templates};
use crate::manifest::{Action, Manifest};
use crate::mutants::Mutant;
use crate::runtime::error::ErrorObject;
use crate::runtime::plan::Scope;
use crate::runtime::session::running::{self, Gate};
use crate::runtime::session::status::Event;
use crate::runtime::{Reference, wire};
use crate::workflow::bound::BoundAction;
use crate::workflow::input::Held;
use crate::workflow::node::Condition;
use crate::workflow::parts::WorkflowParts;

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [conditionals(), fallbacks(), texts(), definitions()]
        .into_iter()
        .flatten()
        .collect()
}

type Evaluated = Result<Held, ErrorObject>;
type Loaded = Result<Manifest, Vec<Violation>>;

fn conditionals() -> Vec<Mutant> {
    vec![
        swap_session!(
            "sessions-know-no-conditionals",
            "WFL-112",
            "executes an action in a session whatever its conditional says",
            fn conditions(&self, _: &Action) -> Vec<Condition> {
                Vec::new()
            }
        ),
        swap_session!(
            "session-conditionals-see-no-input",
            "WFL-112",
            "evaluates conditionals in sessions without the plan's arguments",
            fn roots<'a>(&self, observation: &'a Value, _: &'a Value) -> Roots<'a> {
                Roots {
                    observation: Some(observation),
                    ..Roots::default()
                }
            }
        ),
        swap_session!(
            "session-conditionals-see-no-observation",
            "WFL-112",
            "evaluates conditionals in sessions without the observation",
            fn roots<'a>(&self, _: &'a Value, args: &'a Value) -> Roots<'a> {
                Roots {
                    input: Some(args),
                    ..Roots::default()
                }
            }
        ),
        swap!(
            "skips-do-not-count",
            "WFL-112",
            "does not count a step whose action was skipped",
            fn steps_after(&self, event: Event, steps_done: u64) -> u64 {
                match event {
                    Event::ActionSkipped => steps_done,
                    other => Reference.steps_after(other, steps_done),
                }
            }
        ),
        swap_session!(
            "session-skips-look-like-successes",
            "WFL-112",
            "tells a skipped step like one that succeeded without an output",
            fn skipped_result(&self, action_name: &str) -> Value {
                wire::action_result(action_name, Some(&Value::Null), None)
            }
        ),
        swap_session!(
            "failing-conditionals-skip-in-sessions",
            "WFL-113",
            "takes a conditional that cannot be evaluated for false",
            fn gate(&self, held: Evaluated) -> Gate {
                match held {
                    Err(_) => Gate::Skip,
                    held => running::gate(held),
                }
            }
        ),
        swap_session!(
            "failing-conditionals-run-in-sessions",
            "WFL-113",
            "takes a conditional that cannot be evaluated for true",
            fn gate(&self, held: Evaluated) -> Gate {
                match held {
                    Err(_) => Gate::Run,
                    held => running::gate(held),
                }
            }
        ),
    ]
}

fn fallbacks() -> Vec<Mutant> {
    vec![
        swap_session!(
            "sessions-know-no-fallbacks",
            "WFL-114",
            "runs no fallback in a session",
            fn fallback(&self, _: &Action, _: Option<BoundAction>) -> Option<BoundAction> {
                None
            }
        ),
        swap_session!(
            "session-results-named-after-the-plan",
            "WFL-114",
            "tells the planned action's name when its fallback ran",
            fn name_that_ran(&self, planned: &str, _: &str) -> String {
                planned.to_owned()
            }
        ),
        swap_session!(
            "session-attempts-are-not-told",
            "WFL-114",
            "does not tell the attempts of a step whose fallback ran",
            fn with_attempts(&self, result: Value, attempts: Vec<Value>) -> Value {
                let _ = wire::with_attempts(json!({}), attempts);
                result
            }
        ),
        swap_session!(
            "a-fallback-is-a-step",
            "WFL-114",
            "counts a fallback as a step of its own",
            fn steps_of_a_fallback(&self) -> u64 {
                1
            }
        ),
        swap_session!(
            "sessions-try-again-in-place-of-a-question",
            "WFL-114",
            "tries the action once more where its fallback cannot be bound, such as a question to a person",
            fn fallback(
                &self,
                action: &Action,
                fallback: Option<BoundAction>,
            ) -> Option<BoundAction> {
                action.fallback_action.as_ref()?;
                fallback.or_else(|| once_more(action))
            }
        ),
        swap!(
            "session-fallbacks-leave-the-intent",
            "WFL-114",
            "runs fallbacks that the intent does not list",
            fn may_use_action(&self, _: &Scope<'_>, _: &Action) -> bool {
                true
            }
        ),
    ]
}

/// An action in its own place.
fn once_more(action: &Action) -> Option<BoundAction> {
    Some(BoundAction {
        action: Arc::new(action.clone()),
        label: action.name.clone(),
        input: None,
        templates: Templates::parse(&Value::Null).ok()?,
        conditions: Vec::new(),
        fallback: None,
        rate: None,
        other_rate: None,
        node_rate: None,
        approval: false,
        scopes: Vec::new(),
        request_id: None,
        source: Value::Null,
    })
}

fn texts() -> Vec<Mutant> {
    vec![
        swap_session!(
            "session-prompts-are-shown-raw",
            "WFL-115",
            "shows prompts with their templates unresolved",
            fn prompt(
                &self,
                _: &dyn WorkflowParts,
                _: &Template,
                text: &str,
                _: &Roots<'_>,
            ) -> Result<String, ErrorObject> {
                Ok(text.to_owned())
            }
        ),
        swap_session!(
            "session-prompts-see-no-input",
            "WFL-115",
            "resolves prompts without the plan's arguments",
            fn prompt(
                &self,
                workflow: &dyn WorkflowParts,
                prompt: &Template,
                text: &str,
                roots: &Roots<'_>,
            ) -> Result<String, ErrorObject> {
                let roots = Roots {
                    input: None,
                    ..*roots
                };
                running::prompt(workflow, prompt, text, &roots)
            }
        ),
        swap_session!(
            "session-prompts-are-resolved-twice",
            "WFL-115",
            "resolves the templates that came into a prompt from the arguments",
            fn prompt(
                &self,
                workflow: &dyn WorkflowParts,
                prompt: &Template,
                text: &str,
                roots: &Roots<'_>,
            ) -> Result<String, ErrorObject> {
                let once = running::prompt(workflow, prompt, text, roots)?;
                match Template::parse(&once) {
                    Ok(again) => running::prompt(workflow, &again, &once, roots),
                    Err(_) => Ok(once),
                }
            }
        ),
        swap_session!(
            "arguments-are-templates",
            "WFL-116",
            "resolves templates in a plan's arguments",
            fn arguments(&self, args: Value, roots: &Roots<'_>) -> Value {
                resolved(&args, roots)
            }
        ),
    ]
}

/// Each string for itself: one that is no template stays.
fn resolved(value: &Value, roots: &Roots<'_>) -> Value {
    match value {
        Value::Array(elements) => elements
            .iter()
            .map(|element| resolved(element, roots))
            .collect(),
        Value::Object(members) => {
            let each = members.iter();
            let each = each.map(|(name, member)| (name.clone(), resolved(member, roots)));
            Value::Object(each.collect())
        }
        other => {
            let templates = Templates::parse(other).ok();
            let made = templates.and_then(|templates| templates.resolve(other, roots).ok());
            made.unwrap_or_else(|| other.clone())
        }
    }
}

fn definitions() -> Vec<Mutant> {
    vec![
        swap!(
            "bad-conditionals-are-registered",
            "WFL-117",
            "registers definitions whose conditional does not parse",
            fn read_manifest(&self, document: &Value) -> Loaded {
                super::read_without(document, &["conditional"])
            }
        ),
        swap!(
            "bad-prompts-are-registered",
            "WFL-117",
            "registers questions whose prompt does not parse",
            fn read_manifest(&self, document: &Value) -> Loaded {
                Reference.read_manifest(document).or_else(|_| {
                    let mut mended = document.clone();
                    let actions = mended.get_mut("actions").and_then(Value::as_array_mut);
                    for action in actions.into_iter().flatten() {
                        if let Some(prompt) = action.get_mut("prompt") {
                            *prompt = json!("?");
                        }
                    }
                    Reference.read_manifest(&mended)
                })
            }
        ),
    ]
}
