//! Mutants of section 4.1: how a call runs and what it is answered with.

use serde_json::{Value, json};

use crate::mutants::Mutant;
use crate::runtime::answer::Answer;
use crate::runtime::error::{Code, ErrorObject};
use crate::workflow::bound::Bound;
use crate::workflow::run::answers::{self, Ended, Status};

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [answered(), run()].into_iter().flatten().collect()
}

fn answered() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "state-is-not-given-back",
            "WFL-017",
            "answers with an empty state",
            fn returned_state(&self, _: &Value) -> Value {
                json!({})
            }
        )
        .rewriting(),
        swap_workflow!(
            "failures-are-bad-gateways",
            "WFL-017",
            "answers a call whose action failed with 502",
            fn execute_answer(&self, ended: &Ended) -> Answer {
                let mut answer = answers::execute(ended);
                if ended.status == Status::Failed {
                    answer.status = 502;
                }
                answer
            }
        )
        .rewriting(),
        swap_workflow!(
            "a-skip-fails-the-call",
            "WFL-017",
            "calls a call failed in which everything was skipped",
            fn execute_answer(&self, ended: &Ended) -> Answer {
                let mut ended = ended.clone();
                if ended
                    .results
                    .iter()
                    .all(|result| result["status"] == "skipped")
                {
                    ended.status = Status::Failed;
                    ended.failed_index = Some(0);
                    ended.error =
                        Some(ErrorObject::new(Code::ConditionalError, "nothing ran").to_value());
                }
                answers::execute(&ended)
            }
        )
        .rewriting(),
        swap_workflow!(
            "failures-are-not-named",
            "WFL-018",
            "answers a failed call without error and index",
            fn execute_answer(&self, ended: &Ended) -> Answer {
                answers::execute(&Ended {
                    error: None,
                    failed_index: None,
                    ..ended.clone()
                })
            }
        )
        .rewriting(),
        swap_workflow!(
            "failed-index-counts-the-executed",
            "WFL-018",
            "counts only the nodes that were executed before the failure",
            fn failed_index(&self, results: &[Value], last: usize) -> usize {
                let before = results.iter().take(last);
                before
                    .filter(|result| result["status"] != "skipped")
                    .count()
            }
        )
        .rewriting(),
        swap_workflow!(
            "failed-index-counts-from-one",
            "WFL-018",
            "counts results from one",
            fn failed_index(&self, _: &[Value], last: usize) -> usize {
                last + 1
            }
        )
        .rewriting(),
        swap_workflow!(
            "result-is-the-action-result",
            "WFL-019",
            "gives the whole action result in place of the bare output",
            fn single_result(&self, results: &[Value]) -> Value {
                results.first().cloned().unwrap_or_default()
            }
        )
        .rewriting(),
        swap_workflow!(
            "result-is-the-last-result",
            "WFL-019",
            "gives the last result of the state in place of the node's output",
            fn execute_answer(&self, ended: &Ended) -> Answer {
                let last = ended.state.get("lastResult").cloned().unwrap_or_default();
                answers::execute(&Ended {
                    result: ended.result.as_ref().map(|_| last),
                    ..ended.clone()
                })
            }
        )
        .rewriting(),
        swap_workflow!(
            "skipped-nodes-have-no-result",
            "WFL-020",
            "leaves skipped nodes out of the results",
            fn results(&self, _: Status, mut results: Vec<Value>) -> Vec<Value> {
                results.retain(|result| result["status"] != "skipped");
                results
            }
        )
        .rewriting(),
        swap_workflow!(
            "answers-without-a-version",
            "WFL-031",
            "says nothing of the protocol's version",
            fn answered_version(&self) -> Option<&'static str> {
                None
            }
        )
        .rewriting(),
    ]
}

fn run() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "execute-reads-one-mebibyte",
            "WFL-016",
            "refuses a body of more than 1 MiB, as other calls do",
            fn largest_body(&self) -> usize {
                1024 * 1024
            }
        ),
        swap_workflow!(
            "execute-reads-any-size",
            "WFL-016",
            "reads a body of more than 4 MiB",
            fn largest_body(&self) -> usize {
                16 * 1024 * 1024
            }
        ),
        swap_workflow!(
            "nodes-run-backwards",
            "WFL-021",
            "runs the nodes from the last to the first",
            fn order(&self, mut nodes: Vec<Bound>) -> Vec<Bound> {
                nodes.reverse();
                nodes
            }
        ),
        swap_workflow!(
            "nodes-see-the-first-state",
            "WFL-021",
            "shows every node the state that the request brought",
            fn seen_state<'s>(&self, first: &'s Value, _: &'s Value) -> &'s Value {
                first
            }
        ),
        swap_workflow!(
            "goes-on-after-a-failure",
            "WFL-022",
            "runs the nodes behind one that failed",
            fn stops_after(&self, _: &ErrorObject) -> bool {
                false
            }
        ),
        swap_workflow!(
            "late-refusals-are-statuses",
            "WFL-023",
            "answers a rate limit with 429 although something was executed",
            fn refused_by_status(&self, error: &ErrorObject, _: bool) -> bool {
                answers::refused_by_status(error, false)
            }
        ),
        swap_workflow!(
            "early-refusals-are-results",
            "WFL-023",
            "answers a rate limit with 200 although nothing was executed",
            fn refused_by_status(&self, _: &ErrorObject, _: bool) -> bool {
                false
            }
        ),
    ]
}
