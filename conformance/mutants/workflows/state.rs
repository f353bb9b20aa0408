//! Mutants of section 8: results, history and size of the state.

use serde_json::{Map, Value, json};

use crate::mutants::Mutant;
use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::redact::Redactor;
use crate::workflow::history::{self, Entry};
use crate::workflow::state;

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [last_result(), results(), entries(), size(), pruning()]
        .into_iter()
        .flatten()
        .collect()
}

type Members = Map<String, Value>;

fn last_result() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "last-result-is-replaced",
            "WFL-057",
            "forgets the members of the last result that a new output does not name",
            fn lay_over(&self, _: &Members, output: &Members) -> Members {
                output.clone()
            }
        ),
        swap_workflow!(
            "earlier-members-win",
            "WFL-057",
            "keeps a member of the last result that a new output names again",
            fn lay_over(&self, last: &Members, output: &Members) -> Members {
                state::lay_over(output, last)
            }
        ),
        swap_workflow!(
            "first-output-is-lost",
            "WFL-057",
            "lays nothing over a last result that is empty or absent",
            fn lay_over(&self, last: &Members, output: &Members) -> Members {
                if last.is_empty() {
                    Members::new()
                } else {
                    state::lay_over(last, output)
                }
            }
        ),
        swap_workflow!(
            "last-result-is-merged-deeply",
            "WFL-057",
            "merges objects inside the last result with those of the output, and a null takes a member away",
            fn lay_over(&self, last: &Members, output: &Members) -> Members {
                let mut laid = Value::Object(last.clone());
                crate::suite::prepare::merge_patch(&mut laid, &Value::Object(output.clone()));
                laid.as_object().cloned().unwrap_or_default()
            }
        ),
        swap_workflow!(
            "last-results-that-are-no-objects-stay",
            "WFL-058",
            "lets an object give way to a last result that is an array or a scalar",
            fn replace_last(&self, last: Option<&Value>, output: &Value) -> Value {
                match (last, output) {
                    (Some(last), Value::Object(_)) => last.clone(),
                    (_, output) => output.clone(),
                }
            }
        ),
        swap_workflow!(
            "only-objects-become-last-results",
            "WFL-058",
            "keeps the last result when an output is an array or a scalar",
            fn replace_last(&self, last: Option<&Value>, output: &Value) -> Value {
                match (last, output) {
                    (_, Value::Object(_)) | (None, _) => output.clone(),
                    (Some(last), _) => last.clone(),
                }
            }
        ),
    ]
}

fn results() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "results-begin-anew",
            "WFL-059",
            "keeps the output of the last action alone",
            fn store_output(&self, results: &mut Members, label: &str, output: &Value) {
                results.clear();
                results.insert(label.to_owned(), output.clone());
            }
        ),
        swap_workflow!(
            "first-result-of-a-name-stays",
            "WFL-059",
            "does not replace the output of an action that ran before",
            fn store_output(&self, results: &mut Members, label: &str, output: &Value) {
                results.entry(label).or_insert(output.clone());
            }
        ),
        swap_workflow!(
            "results-of-a-name-are-mixed",
            "WFL-059",
            "lays an action's output over the earlier one of the same name",
            fn store_output(&self, results: &mut Members, label: &str, output: &Value) {
                match (results.get_mut(label), output) {
                    (Some(Value::Object(earlier)), Value::Object(later)) => {
                        *earlier = state::lay_over(earlier, later);
                    }
                    _ => {
                        results.insert(label.to_owned(), output.clone());
                    }
                }
            }
        ),
        swap_workflow!(
            "results-known-by-position",
            "WFL-010",
            "puts outputs into the state under their position in place of the action's name",
            fn store_output(&self, results: &mut Members, _: &str, output: &Value) {
                results.insert(results.len().to_string(), output.clone());
            }
        ),
        swap_workflow!(
            "only-known-members-of-the-state",
            "WFL-060",
            "reads no members of a state but its own three",
            fn clean_state(&self, redactor: &Redactor, state: Value) -> Value {
                let mut state = redactor.value(state);
                if let Some(members) = state.as_object_mut() {
                    members.retain(|name, _| {
                        matches!(name.as_str(), "lastResult" | "results" | "history")
                    });
                }
                state
            }
        ),
        swap_workflow!(
            "null-members-of-the-state-are-dropped",
            "WFL-060",
            "gives the caller's members back without those that are null",
            fn returned_state(&self, state: &Value) -> Value {
                let mut state = state.clone();
                if let Some(members) = state.as_object_mut() {
                    members.retain(|_, value| !value.is_null());
                }
                state
            }
        )
        .rewriting(),
    ]
}

fn entries() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "history-begins-anew",
            "WFL-062",
            "keeps only the entries of the node that ran last",
            fn append(&self, history: &mut Vec<Value>, entries: Vec<Value>) {
                *history = entries;
            }
        ),
        swap_workflow!(
            "history-backwards",
            "WFL-062",
            "puts new entries before the older ones",
            fn append(&self, history: &mut Vec<Value>, entries: Vec<Value>) {
                history.splice(..0, entries);
            }
        ),
        swap_workflow!(
            "entries-without-time",
            "WFL-062",
            "leaves the time out of the entries",
            fn history_entry(&self, entry: &Entry<'_>) -> Value {
                let mut written = history::entry(entry);
                if let Some(members) = written.as_object_mut() {
                    members.shift_remove("at");
                }
                written
            }
        ),
        swap_workflow!(
            "a-fallback-leaves-one-entry",
            "WFL-063",
            "tells of the fallback and not of the action in whose place it ran",
            fn node_entries(&self, entries: Vec<Value>) -> Vec<Value> {
                entries.into_iter().next_back().into_iter().collect()
            }
        ),
        swap_workflow!(
            "fallback-before-failure",
            "WFL-063",
            "tells of the fallback first and then of the failure",
            fn node_entries(&self, mut entries: Vec<Value>) -> Vec<Value> {
                entries.reverse();
                entries
            }
        ),
    ]
}

fn size() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "a-state-of-any-size",
            "WFL-064",
            "runs over a state of any size",
            fn check_state_size(&self, _: &Value) -> Result<(), ErrorObject> {
                Ok(())
            },
            fn state_fits(&self, _: &Value) -> bool {
                true
            }
        ),
        swap_workflow!(
            "half-a-state-is-too-large",
            "WFL-064",
            "takes a million bytes for a mebibyte",
            fn check_state_size(&self, state: &Value) -> Result<(), ErrorObject> {
                if state.to_string().len() > 1_000_000 {
                    return Err(ErrorObject::new(Code::StateTooLarge, "send less"));
                }
                Ok(())
            }
        ),
        swap_workflow!(
            "states-counted-in-characters",
            "WFL-064",
            "counts the characters of a state and not its bytes",
            fn check_state_size(&self, state: &Value) -> Result<(), ErrorObject> {
                if state.to_string().chars().count() > state::LARGEST_STATE {
                    return state::check_size(state);
                }
                Ok(())
            },
            fn state_fits(&self, state: &Value) -> bool {
                state.to_string().chars().count() <= state::LARGEST_STATE
            }
        ),
        swap_workflow!(
            "too-large-outputs-are-kept",
            "WFL-065",
            "lets an output make the state as large as it likes",
            fn state_fits(&self, _: &Value) -> bool {
                true
            }
        ),
        swap_workflow!(
            "too-large-outputs-are-lost",
            "WFL-065",
            "takes the output that had no room in the state out of the results, too",
            fn oversized_result(&self, mut result: Value) -> Value {
                result["output"] = Value::Null;
                result["success"] = json!(false);
                result["error"] = json!({"errorCode": "state_too_large", "message": "no room", "retryable": false});
                result
            }
        )
        .rewriting(),
    ]
}

fn pruning() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "prune-is-ignored",
            "WFL-066",
            "keeps the whole history whatever prune says",
            fn prune(&self, _: &mut Vec<Value>, _: Option<usize>) {}
        ),
        swap_workflow!(
            "the-first-entries-are-kept",
            "WFL-066",
            "keeps the first entries in place of the last",
            fn prune(&self, history: &mut Vec<Value>, keep: Option<usize>) {
                history.truncate(keep.unwrap_or(usize::MAX));
            }
        ),
        swap_workflow!(
            "prune-nought-is-none",
            "WFL-066",
            "takes prune 0 for no prune at all",
            fn prune(&self, history: &mut Vec<Value>, keep: Option<usize>) {
                state::prune(history, keep.filter(|keep| *keep > 0));
            }
        ),
        swap_workflow!(
            "pruned-before-the-entry",
            "WFL-066",
            "drops old entries before it adds the new one, so that one too many is kept",
            fn prune(&self, history: &mut Vec<Value>, keep: Option<usize>) {
                state::prune(history, keep.map(|keep| keep + 1));
            }
        ),
        swap_workflow!(
            "a-hundred-entries-are-enough",
            "WFL-067",
            "drops old entries when there are more than a hundred",
            fn prune(&self, history: &mut Vec<Value>, keep: Option<usize>) {
                state::prune(history, keep.or(Some(100)));
            }
        ),
    ]
}
