//! Mutants of what scopes, rates and approvals mean in sessions: 3.8 to 3.10, 4.9, 5.2 and 5.3.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::manifest::{AccessControl, Action, RateLimit};
use crate::mutants::Mutant;
use crate::runtime::access::{AccessParts, Caller};
use crate::runtime::error::ErrorObject;
use crate::runtime::session::people::{self, Reply};
use crate::runtime::session::running::{self, Limited};
use crate::runtime::session::{self, Pending, Question};
use crate::workflow::bound::BoundAction;

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [scopes(), rates(), approvals()]
        .into_iter()
        .flatten()
        .collect()
}

type Checked = Result<(), ErrorObject>;

fn scopes() -> Vec<Mutant> {
    vec![
        swap_session!(
            "sessions-forget-scopes-of-fallbacks",
            "ACC-019",
            "lets a session use an action whose fallback it may not use",
            fn needed_scopes(
                &self,
                guards: &[&AccessControl],
                _: Option<&BoundAction>,
                intent: Option<&AccessControl>,
            ) -> BTreeSet<String> {
                running::needed_scopes(guards, None, intent)
            }
        ),
        swap_session!(
            "plans-need-no-scopes",
            "ACC-021",
            "executes whatever the model plans, whoever called the step",
            fn check_planned(
                &self,
                _: &dyn AccessParts,
                _: &Caller,
                _: &BTreeSet<String>,
            ) -> Checked {
                Ok(())
            }
        ),
        swap_session!(
            "scopes-of-the-opener",
            "ACC-021",
            "goes by the scopes of the token that opened the session",
            fn caller_of_step<'c>(&self, opened: &'c Caller, _: &'c Caller) -> &'c Caller {
                opened
            }
        ),
        swap_session!(
            "intents-are-checked-at-the-opening-only",
            "ACC-021",
            "forgets the scopes of the intent once the session is open",
            fn needed_scopes(
                &self,
                guards: &[&AccessControl],
                fallback: Option<&BoundAction>,
                _: Option<&AccessControl>,
            ) -> BTreeSet<String> {
                running::needed_scopes(guards, fallback, None)
            }
        ),
        swap_session!(
            "forbidden-actions-are-offered",
            "ACC-022",
            "tells the model of actions that it may not use",
            fn offers(&self, _: &dyn AccessParts, _: &Caller, _: &BTreeSet<String>) -> bool {
                true
            }
        ),
        swap_session!(
            "intents-are-open-to-all",
            "ACC-023",
            "opens a session with an intent that its subject may not use",
            fn check_opening(
                &self,
                _: &dyn AccessParts,
                _: &Caller,
                _: Option<&AccessControl>,
            ) -> Checked {
                Ok(())
            }
        ),
        swap_session!(
            "approvers-need-no-scopes",
            "ACC-015",
            "executes an action on the word of somebody who may not cause it",
            fn check_approver(
                &self,
                _: &dyn AccessParts,
                _: &Caller,
                _: &BTreeSet<String>,
            ) -> Checked {
                Ok(())
            }
        ),
    ]
}

fn rates() -> Vec<Mutant> {
    vec![
        swap_session!(
            "sessions-are-not-counted",
            "ACC-029",
            "limits the calls of workflows only",
            fn limits(&self, _: &dyn AccessParts, _: &[&AccessControl]) -> Vec<RateLimit> {
                Vec::new()
            }
        ),
        swap_session!(
            "limited-steps-are-refused",
            "ACC-034",
            "refuses a step whose action is beyond its rate, and counts none",
            fn beyond_limit(&self, error: ErrorObject) -> Limited {
                Limited::Refused(error)
            }
        ),
    ]
}

fn approvals() -> Vec<Mutant> {
    vec![
        swap_session!(
            "sessions-ask-nobody",
            "ACC-036",
            "executes in a session what a person should approve",
            fn wants_approval(&self, _: &Action, _: &[&AccessControl]) -> bool {
                false
            }
        ),
        swap_session!(
            "outputs-stand-for-approvals",
            "ACC-036",
            "takes an output for an approval",
            fn check_reply(&self, question: &Question, reply: &Reply) -> Checked {
                match (question, reply) {
                    (Question::Approval { .. }, Reply::Output(_)) => Ok(()),
                    _ => people::check_reply(question, reply),
                }
            }
        ),
        swap!(
            "approvals-in-disguise",
            "ACC-036",
            "asks for an approval as if it were an intervention that the manifest declares",
            fn pending(&self, pending: &Pending) -> Value {
                let mut value = session::pending_value(pending);
                if value["kind"] == "approval" {
                    value["kind"] = json!("human_intervention");
                }
                value
            }
        )
        .rewriting(),
        swap_session!(
            "the-rejected-runs-all-the-same",
            "ACC-037",
            "executes an action that a person rejected",
            fn disapproval(&self) -> Option<ErrorObject> {
                None
            }
        ),
    ]
}
