//! Mutants of section 14: keys of calls and of nodes.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use crate::mutants::Mutant;
use crate::runtime::error::ErrorObject;
use crate::runtime::idempotency::{self, Keyed};
use crate::workflow::approvals::{self, Repeat, Standing};
use crate::workflow::run::answers;

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [calls(), questions(), nodes()]
        .into_iter()
        .flatten()
        .collect()
}

static RUNS: AtomicU64 = AtomicU64::new(0);

type Key = Result<Option<String>, ErrorObject>;

fn calls() -> Vec<Mutant> {
    vec![
        swap!(
            "repeated-calls-run-again",
            "WFL-107",
            "knows no keys of workflows",
            fn idempotency_scope(&self, keyed: &Keyed<'_>) -> String {
                let scope = idempotency::scope(keyed);
                match keyed.path {
                    "/execute" => format!("{scope} {}", RUNS.fetch_add(1, Ordering::Relaxed)),
                    _ => scope,
                }
            }
        ),
        swap!(
            "keys-of-calls-only-in-headers",
            "WFL-107",
            "does not read the requestId of a call",
            fn idempotency_key(&self, header: Option<&str>, _: Option<&Value>) -> Key {
                idempotency::key(header, None)
            }
        ),
        swap!(
            "concurrent-calls-all-run",
            "WFL-111",
            "runs a call whose twin is running",
            fn duplicates_wait(&self) -> bool {
                false
            }
        ),
    ]
}

fn questions() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "questions-are-not-remembered",
            "WFL-108",
            "runs the nodes before a question once more when the call is repeated",
            fn repeat_of_question(&self, _: Standing) -> Repeat {
                Repeat::Run
            }
        ),
        swap_workflow!(
            "decided-questions-are-forgotten",
            "WFL-108",
            "takes a repeated call whose question was decided for a new one",
            fn repeat_of_question(&self, standing: Standing) -> Repeat {
                match standing {
                    Standing::Used => Repeat::Run,
                    other => approvals::repeat(other),
                }
            }
        ),
        swap_workflow!(
            "decided-questions-are-shown-again",
            "WFL-108",
            "answers a repeated call with its question although that was decided",
            fn repeat_of_question(&self, _: Standing) -> Repeat {
                Repeat::Same
            }
        ),
    ]
}

fn nodes() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "nodes-run-again",
            "WFL-109",
            "executes a node with a key whenever it comes",
            fn recalls(&self) -> bool {
                false
            }
        ),
        swap_workflow!(
            "node-keys-are-everybodys",
            "WFL-109",
            "gives one subject the results of another's nodes",
            fn node_scope(&self, _: &str, request_id: &str) -> String {
                answers::node_scope("", request_id)
            }
        ),
        swap_workflow!(
            "node-inputs-are-compared-as-text",
            "WFL-109",
            "takes another order of members for another input",
            fn node_fingerprint(&self, manifest: &str, action: &[&str], input: &Value) -> String {
                format!("{manifest} {action:?} {input}")
            }
        ),
        swap_workflow!(
            "node-keys-know-no-input",
            "WFL-110",
            "gives a node the result of one with another input",
            fn node_fingerprint(&self, manifest: &str, action: &[&str], _: &Value) -> String {
                answers::node_fingerprint(manifest, action, &Value::Null)
            }
        ),
        swap_workflow!(
            "node-keys-know-no-action",
            "WFL-110",
            "gives a node the result of another action",
            fn node_fingerprint(&self, manifest: &str, _: &[&str], input: &Value) -> String {
                answers::node_fingerprint(manifest, &[], input)
            }
        ),
        swap_workflow!(
            "conflicting-nodes-run",
            "WFL-110",
            "executes a node whose key was used for another one",
            fn node_conflict(&self) -> Option<ErrorObject> {
                None
            }
        ),
        swap_workflow!(
            "conflicting-nodes-are-the-same",
            "WFL-110",
            "knows a node by its key alone",
            fn node_fingerprint(&self, _: &str, _: &[&str], _: &Value) -> String {
                String::new()
            }
        ),
    ]
}
