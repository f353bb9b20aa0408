//! Mutants of `spec/steps.md`.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{Mutant, held};
use crate::manifest::Action;
use crate::model::Message;
use crate::runtime::answer::Answer;
use crate::runtime::error::ErrorObject;
use crate::runtime::session::status::{Event, Status};
use crate::runtime::session::{Call, Outcome};
use crate::runtime::{Parts, Reference};

/// The mutants of this section.
pub fn mutants() -> Vec<Mutant> {
    vec![
        swap!(
            "failed-action-is-502",
            "STP-001",
            "answers a step call whose action failed with 502",
            fn finish_answer(&self, _route: &str, answer: Answer) -> Answer {
                let failed = answer.body.pointer("/result/success") == Some(&Value::Bool(false));
                Answer {
                    status: if failed { 502 } else { answer.status },
                    ..answer
                }
            }
        )
        .rewriting(),
        Mutant::part(
            "prompt-is-a-step-behind",
            "STP-001",
            "shows the model the observation of the call before",
            PromptIsAStepBehind::default(),
        ),
        swap!(
            "completed-means-not-active",
            "STP-002",
            "calls every session completed that is not active",
            fn step_answer(&self, outcome: &Outcome) -> Value {
                let mut answer = Reference.step_answer(outcome);
                answer["completed"] = Value::from(outcome.status != Status::Active);
                answer
            }
        )
        .rewriting(),
        swap!(
            "two-actions-a-call",
            "STP-003",
            "executes the planned action twice",
            fn calls(&self, call: Call) -> Vec<Call> {
                vec![call.clone(), call]
            }
        ),
        Mutant::part(
            "finish-counts",
            "STP-004",
            "counts a finish",
            Counts(Event::PlanFinished),
        ),
        swap!(
            "steps-count-twice",
            "STP-004",
            "counts a successful action and an answer twice",
            fn steps_after(&self, event: Event, steps_done: u64) -> u64 {
                let twice = matches!(
                    event,
                    Event::ActionSucceeded | Event::GoalActionSucceeded | Event::AnswerAccepted
                );
                Reference.steps_after(event, steps_done) + u64::from(twice)
            }
        ),
        swap!(
            "failures-do-not-count",
            "STP-005",
            "does not count an action that failed",
            fn counts_as_step(&self, event: Event) -> bool {
                event != Event::ActionFailed && Reference.counts_as_step(event)
            }
        ),
        Mutant::part(
            "refused-replies-count",
            "STP-006",
            "counts each refused reply with the step that follows",
            RefusedRepliesCount::default(),
        ),
        Mutant::part(
            "refused-call-counts",
            "STP-006",
            "counts a call of which all replies were refused",
            Counts(Event::PlanRefusedThrice),
        ),
        Mutant::part(
            "question-counts",
            "STP-006",
            "counts a question as soon as it is asked",
            Counts(Event::PersonAsked),
        ),
        swap!(
            "finish-leaves-active",
            "STP-007",
            "leaves a session active when the model says finished",
            fn status_after(&self, status: Status, event: Event) -> Option<Status> {
                if event == Event::PlanFinished {
                    Some(status)
                } else {
                    Reference.status_after(status, event)
                }
            }
        ),
        swap!(
            "goal-action-does-not-complete",
            "STP-008",
            "goes on when an action has reached the goal",
            fn completes(&self, _action: &Action, _success: bool) -> bool {
                false
            }
        ),
        swap!(
            "failed-goal-action-completes",
            "STP-009",
            "completes a session although its last action failed",
            fn completes(&self, action: &Action, _success: bool) -> bool {
                action.completes_goal
            }
        ),
        swap!(
            "steps-while-waiting",
            "STP-010",
            "takes a step while a question waits",
            fn admit_step(&self, status: Status) -> Result<(), ErrorObject> {
                if status == Status::AwaitingHuman {
                    Ok(())
                } else {
                    Reference.admit_step(status)
                }
            }
        ),
        swap!(
            "no-limit",
            "STP-011",
            "never stops at max_steps",
            fn max_steps_reached(&self, _steps_done: u64, _max_steps: u64) -> bool {
                false
            }
        ),
        swap!(
            "one-step-too-many",
            "STP-011",
            "executes one action more than max_steps",
            fn max_steps_reached(&self, steps_done: u64, max_steps: u64) -> bool {
                steps_done > max_steps
            }
        ),
        swap!(
            "stops-one-step-early",
            "STP-012",
            "refuses the last allowed step",
            fn max_steps_reached(&self, steps_done: u64, max_steps: u64) -> bool {
                steps_done + 1 >= max_steps
            }
        ),
        swap!(
            "limit-completes",
            "STP-013",
            "calls a session completed whose steps are used up",
            fn status_after(&self, status: Status, event: Event) -> Option<Status> {
                if event == Event::LimitReached {
                    Some(Status::Completed)
                } else {
                    Reference.status_after(status, event)
                }
            }
        ),
        swap!(
            "limit-is-said-for-ever",
            "STP-014",
            "answers every further call as the first one after the last step",
            fn admit_step(&self, status: Status) -> Result<(), ErrorObject> {
                if status == Status::MaxStepsReached {
                    Ok(())
                } else {
                    Reference.admit_step(status)
                }
            }
        ),
        swap!(
            "steps-run-side-by-side",
            "STP-015",
            "runs step calls of one session at the same time",
            fn serialise_steps(&self) -> bool {
                false
            }
        ),
        swap!(
            "sessions-wait-for-each-other",
            "STP-016",
            "runs one step call at a time, whatever its session",
            fn sessions_wait_for_each_other(&self) -> bool {
                true
            }
        ),
        swap!(
            "model-failure-ends-the-session",
            "STP-017",
            "ends a session whose model fails",
            fn status_after(&self, status: Status, event: Event) -> Option<Status> {
                if event == Event::ModelFailed {
                    Some(Status::Failed)
                } else {
                    Reference.status_after(status, event)
                }
            }
        ),
        Mutant::part(
            "model-failure-counts",
            "STP-017",
            "counts a call whose model failed",
            Counts(Event::ModelFailed),
        ),
        swap!(
            "model-failure-is-observed",
            "STP-017",
            "writes the failure of the model into the observation",
            fn observation_without_step(&self, event: Event, observation: &Value) -> Option<Value> {
                (event == Event::ModelFailed).then(|| {
                    let mut observation = observation.clone();
                    observation["last_result"] =
                        json!({"action_name": "model", "success": false, "output": null});
                    observation
                })
            }
        ),
    ]
}

/// Keeps the last observation of each user, which is of each case.
#[derive(Default)]
struct PromptIsAStepBehind(Mutex<HashMap<String, Value>>);
impl Parts for PromptIsAStepBehind {
    fn question(&self, goal: &Value, observation: &Value) -> String {
        let before = held(&self.0).insert(user(observation), observation.clone());
        Reference.question(goal, before.as_ref().unwrap_or(observation))
    }
}

/// Counts something that is no step.
struct Counts(Event);
impl Parts for Counts {
    fn steps_after(&self, event: Event, steps_done: u64) -> u64 {
        Reference.steps_after(event, steps_done) + u64::from(event == self.0)
    }
}

thread_local! {
    /// Refused replies of the step that this thread is counting; set and used within one input of the machine.
    static REFUSED: Cell<u64> = const { Cell::new(0) };
}

/// Keeps how many replies of the last prompt of each user were refused.
#[derive(Default)]
struct RefusedRepliesCount(Mutex<HashMap<String, u64>>);
impl Parts for RefusedRepliesCount {
    fn question(&self, goal: &Value, observation: &Value) -> String {
        held(&self.0).insert(user(observation), 0);
        Reference.question(goal, observation)
    }

    fn messages(
        &self,
        contract: &Arc<str>,
        question: &Arc<str>,
        refused: &[(String, String)],
    ) -> Vec<Message> {
        for (user, count) in held(&self.0)
            .iter_mut()
            .filter(|(user, _)| question.contains(user.as_str()))
        {
            *count = if user.is_empty() {
                0
            } else {
                refused.len() as u64
            };
        }
        Reference.messages(contract, question, refused)
    }

    fn observe_step(
        &self,
        observation: Value,
        started_at: &str,
        step_number: u64,
        result: &Value,
    ) -> Value {
        REFUSED.set(held(&self.0).get(&user(&observation)).copied().unwrap_or(0));
        Reference.observe_step(observation, started_at, step_number, result)
    }

    fn steps_after(&self, event: Event, steps_done: u64) -> u64 {
        Reference.steps_after(event, steps_done) + REFUSED.take()
    }
}

fn user(observation: &Value) -> String {
    observation
        .pointer("/user_context/user_id")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}
