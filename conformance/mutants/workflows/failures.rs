//! Mutants of section 9: what is told of a failure, and what is kept of the nodes before it.

use serde_json::{Value, json};

use crate::mutants::Mutant;
use crate::runtime::answer::Answer;
use crate::runtime::error::ErrorObject;
use crate::workflow::run::answers::{self, Ended, Status};

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "history-tells-codes-only",
            "WFL-068",
            "leaves the details of an error out of the history",
            fn entry_error(&self, error: &Value) -> Value {
                without_details(error)
            }
        ),
        swap_workflow!(
            "answers-tell-codes-only",
            "WFL-068",
            "leaves the details out of the error of the answer",
            fn answer_error(&self, error: &ErrorObject) -> Value {
                without_details(&error.to_value())
            }
        )
        .rewriting(),
        swap_workflow!(
            "failures-lose-the-results",
            "WFL-069",
            "answers the failed result alone when a call fails",
            fn results(&self, status: Status, results: Vec<Value>) -> Vec<Value> {
                match status {
                    Status::Completed => results,
                    Status::Failed => results.into_iter().rev().take(1).collect(),
                }
            }
        )
        .rewriting(),
        swap_workflow!(
            "failures-lose-the-state",
            "WFL-069",
            "answers an empty state when a call fails",
            fn execute_answer(&self, ended: &Ended) -> Answer {
                let mut ended = ended.clone();
                if ended.status == Status::Failed {
                    ended.state = json!({});
                }
                answers::execute(&ended)
            }
        )
        .rewriting(),
    ]
}

fn without_details(error: &Value) -> Value {
    let mut bare = error.clone();
    if let Some(members) = bare.as_object_mut() {
        members.shift_remove("details");
    }
    bare
}
