//! Mutants of section 12: questions to people, and their decisions.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::diagnostic::Violation;
use crate::expression::{Roots, Template};
use crate::mutants::{Mutant, held};
use crate::runtime::Parts;
use crate::runtime::access::Caller;
use crate::runtime::answer::Answer;
use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::wire;
use crate::workflow::approvals::{self, Standing};
use crate::workflow::bound::Bound;
use crate::workflow::history::{self, Entry, Happened};
use crate::workflow::input::Held;
use crate::workflow::parts::WorkflowParts;
use crate::workflow::request::{self, Decision};
use crate::workflow::run::answers::{self, Shown};
use crate::workflow::schema;

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [
        asked(),
        shown(),
        shaped(),
        resumed(),
        changed(),
        decided(),
        deciders(),
        time(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Members of an action that a question must not carry.
const OF_ACTIONS: [&str; 4] = [
    "conditional",
    "fallbackAction",
    "accessControl",
    "requestId",
];

static ASKED: AtomicU64 = AtomicU64::new(1);

fn asked() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "approvals-run-at-once",
            "WFL-086",
            "runs the action of a human approval without asking",
            fn asks(&self, _: &Bound) -> bool {
                false
            }
        ),
        swap_workflow!(
            "questions-without-results",
            "WFL-086",
            "does not answer what was done before a question",
            fn question_answer(&self, question: &answers::Asked<'_>) -> Answer {
                answers::question(&answers::Asked {
                    results: &[],
                    ..*question
                })
            }
        )
        .rewriting(),
        swap_workflow!(
            "resume-without-the-rest",
            "WFL-086",
            "gives back the question's node alone",
            fn resume(&self, question: &Value, _: &[&Value]) -> Value {
                answers::resume(question, &[])
            }
        )
        .rewriting(),
        swap_workflow!(
            "skipped-actions-are-asked-about",
            "WFL-086",
            "does not look at conditionals before it asks or runs",
            fn runs(&self, _: &Held) -> bool {
                true
            }
        ),
        swap_workflow!(
            "unfit-inputs-are-asked-about",
            "WFL-091",
            "asks about an action that cannot run",
            fn asks_in_vain(&self, _: &ErrorObject) -> bool {
                true
            }
        ),
    ]
}

fn shown() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "prompts-are-shown-raw",
            "WFL-087",
            "shows prompts with their templates unresolved",
            fn resolve_prompt(
                &self,
                _: &Template,
                text: &str,
                _: &Roots<'_>,
            ) -> Result<String, ErrorObject> {
                Ok(text.to_owned())
            }
        ),
        swap_workflow!(
            "questions-hide-the-input",
            "WFL-087",
            "does not show what an action will be sent",
            fn shown_action(&self, action: &Shown<'_>, fallback: Option<&Shown<'_>>) -> Value {
                let nothing = json!({});
                let bare = Shown {
                    label: action.label,
                    plugin: action.plugin,
                    input: &nothing,
                };
                answers::shown_action(&bare, fallback)
            }
        ),
        swap_workflow!(
            "questions-hide-the-fallback",
            "WFL-087",
            "does not show what runs when the action fails",
            fn shown_action(&self, action: &Shown<'_>, _: Option<&Shown<'_>>) -> Value {
                answers::shown_action(action, None)
            }
        ),
        swap_workflow!(
            "approval-ids-are-counted",
            "WFL-088",
            "numbers its questions",
            fn approval_id(&self) -> String {
                format!("approval-{:020}", ASKED.fetch_add(1, Ordering::Relaxed))
            }
        ),
        swap_workflow!(
            "approval-ids-are-short",
            "WFL-088",
            "gives its questions ids of 64 random bits",
            fn approval_id(&self) -> String {
                let id = wire::session_id();
                id.chars()
                    .filter(char::is_ascii_alphanumeric)
                    .take(16)
                    .collect()
            }
        ),
    ]
}

fn shaped() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "approvals-inside-actions",
            "WFL-089",
            "takes a human approval where an action has to stand for that action",
            fn check_shape(&self, schema: &str, document: &Value) -> Vec<Violation> {
                let mut found = schema::check_shape(schema, document);
                found.retain(|violation| {
                    !violation.pointer.contains("/action")
                        && !violation.pointer.contains("/fallbackAction")
                });
                found
            }
        ),
        swap_workflow!(
            "members-of-questions-are-dropped",
            "WFL-090",
            "reads over the members of a question that belong to its action",
            fn check_shape(&self, schema: &str, document: &Value) -> Vec<Violation> {
                let mut found = schema::check_shape(schema, document);
                found.retain(|violation| {
                    let member = violation.pointer.rsplit('/').next().unwrap_or_default();
                    violation.rule != "falseSchema" || !OF_ACTIONS.contains(&member)
                });
                found
            }
        ),
        swap_workflow!(
            "any-decision-approves",
            "WFL-099",
            "takes every decision but reject for approve",
            fn check_shape(&self, schema: &str, document: &Value) -> Vec<Violation> {
                without_decision(schema, document)
            },
            fn read_decision(
                &self,
                approval: Option<&Value>,
            ) -> Result<Option<Decision>, ErrorObject> {
                Ok(request::read_decision(approval).unwrap_or_else(|_| taken_as(approval, true)))
            }
        ),
        swap_workflow!(
            "any-decision-rejects",
            "WFL-099",
            "takes every decision but approve for reject",
            fn check_shape(&self, schema: &str, document: &Value) -> Vec<Violation> {
                without_decision(schema, document)
            },
            fn read_decision(
                &self,
                approval: Option<&Value>,
            ) -> Result<Option<Decision>, ErrorObject> {
                Ok(request::read_decision(approval).unwrap_or_else(|_| taken_as(approval, false)))
            }
        ),
    ]
}

fn without_decision(schema: &str, document: &Value) -> Vec<Violation> {
    let mut found = schema::check_shape(schema, document);
    found.retain(|violation| !violation.pointer.starts_with("/approval"));
    found
}

fn taken_as(approval: Option<&Value>, approve: bool) -> Option<Decision> {
    let id = approval?.get("id")?.as_str()?.to_owned();
    Some(Decision { id, approve })
}

fn resumed() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "approved-actions-take-what-is-sent",
            "WFL-092",
            "runs an approved action with the input that the decision brought",
            fn approved_input(&self, stored: &Value, sent: Option<&Value>) -> Value {
                sent.unwrap_or(stored).clone()
            }
        ),
        swap_workflow!(
            "approved-calls-stop",
            "WFL-092",
            "runs the approved action alone",
            fn goes_on_with(&self, _: Vec<Bound>) -> Vec<Bound> {
                Vec::new()
            }
        ),
    ]
}

fn changed() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "changed-calls-are-approved",
            "WFL-093",
            "does not compare a resumed call with the one that asked",
            fn is_changed(&self, _: &str, _: Option<&str>, _: Option<&str>) -> bool {
                false
            }
        ),
        swap_workflow!(
            "changed-states-are-approved",
            "WFL-093",
            "takes any state with a decision",
            fn is_changed(&self, member: &str, kept: Option<&str>, sent: Option<&str>) -> bool {
                member != "state" && kept != sent
            }
        ),
        swap_workflow!(
            "changed-terms-are-approved",
            "WFL-093",
            "looks at nodes and state of a resumed call alone",
            fn is_changed(&self, member: &str, kept: Option<&str>, sent: Option<&str>) -> bool {
                matches!(member, "open_action" | "state") && kept != sent
            }
        ),
        swap_workflow!(
            "resumed-calls-are-all-changed",
            "WFL-093",
            "takes every member that a resumed call repeats for a change",
            fn is_changed(&self, member: &str, kept: Option<&str>, sent: Option<&str>) -> bool {
                !matches!(member, "open_action" | "state") || kept != sent
            }
        ),
        swap_workflow!(
            "resumed-calls-are-compared-as-text",
            "WFL-093",
            "takes another order of members or another writing of numbers for a change",
            fn kept_digest(&self, value: &Value) -> String {
                value.to_string()
            }
        ),
        Mutant::part(
            "a-changed-call-spoils-the-question",
            "WFL-121",
            "refuses every decision about a question that was once resumed with a change",
            Spoiled::default(),
        ),
    ]
}

/// What was kept of questions whose call was sent changed.
#[derive(Default)]
struct Spoiled(Mutex<BTreeSet<String>>);

impl WorkflowParts for Spoiled {
    fn is_changed(&self, member: &str, kept: Option<&str>, sent: Option<&str>) -> bool {
        let mut spoiled = held(&self.0);
        // Equal calls have equal digests, but those of a case hold its token.
        let mark = format!("{member} {}", kept.unwrap_or_default());
        if kept != sent && member != "open_action" {
            spoiled.insert(mark);
            return true;
        }
        kept != sent || spoiled.contains(&mark)
    }
}

impl Parts for Spoiled {
    fn workflow(&self) -> &dyn WorkflowParts {
        self
    }
}

fn decided() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "rejected-actions-run",
            "WFL-094",
            "runs an action whatever the decision is",
            fn runs_rejected(&self) -> bool {
                true
            }
        ),
        swap_workflow!(
            "rejections-do-not-stop",
            "WFL-094",
            "goes on with the next node after a rejection",
            fn stops_after(&self, error: &ErrorObject) -> bool {
                error.code != Code::HumanRejected
            }
        ),
        swap_workflow!(
            "rejections-are-plain-failures",
            "WFL-094",
            "does not tell a rejection from a failure in the history",
            fn history_entry(&self, entry: &Entry<'_>) -> Value {
                let happened = match entry.happened {
                    Happened::Rejected => Happened::Failed,
                    other => other,
                };
                history::entry(&Entry { happened, ..*entry })
            }
        ),
        swap_workflow!(
            "decisions-can-be-repeated",
            "WFL-095",
            "takes as many decisions about a question as are sent",
            fn admit_decision(&self, standing: Standing) -> Result<(), ErrorObject> {
                match standing {
                    Standing::Used => Ok(()),
                    other => approvals::admit(other),
                }
            }
        ),
        swap_workflow!(
            "refused-decisions-use-the-question-up",
            "WFL-121",
            "takes a decision that was refused for the one of its question",
            fn reopens(&self, _: u16) -> bool {
                false
            }
        ),
    ]
}

fn deciders() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "anybody-may-decide",
            "WFL-096",
            "takes decisions from every subject",
            fn may_decide(&self, _: &str, _: &Caller) -> bool {
                true
            }
        ),
        swap_workflow!(
            "only-the-asker-may-decide",
            "WFL-096",
            "knows no scope for decisions",
            fn may_decide(&self, asker: &str, caller: &Caller) -> bool {
                asker == caller.subject
            }
        ),
        swap_workflow!(
            "deciders-by-any-scope",
            "WFL-096",
            "lets every subject decide that has a scope like the one for decisions",
            fn may_decide(&self, asker: &str, caller: &Caller) -> bool {
                let like = |scope: &String| scope.to_lowercase().starts_with("approval");
                asker == caller.subject || caller.scopes.iter().any(like)
            }
        ),
        swap!(
            "unknown-questions-count-as-decided",
            "WFL-096",
            "answers a decision about a question that was never asked as if it had been decided",
            fn finish_answer(&self, route: &str, answer: Answer) -> Answer {
                let unknown = answer.body.get("errorCode") == Some(&json!("approval_not_found"));
                if route == "POST /execute" && unknown {
                    let error = ErrorObject::new(Code::ApprovalUsed, "decided already");
                    return Answer::error(self, &error);
                }
                answer
            }
        )
        .rewriting(),
        swap_workflow!(
            "deciders-need-no-scopes",
            "WFL-098",
            "does not look at the scopes of the one who decides",
            fn checks_scopes_again(&self) -> bool {
                false
            }
        ),
    ]
}

fn time() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "questions-never-expire",
            "WFL-097",
            "takes a decision however late it comes",
            fn is_expired(&self, _: Timestamp, _: Timestamp) -> bool {
                false
            }
        ),
        swap_workflow!(
            "questions-wait-for-a-week",
            "WFL-097",
            "lets a question wait for seven days",
            fn approval_lifetime(&self) -> SignedDuration {
                SignedDuration::from_hours(7 * 24)
            }
        ),
        swap_workflow!(
            "questions-expire-in-an-hour",
            "WFL-097",
            "lets a question wait for an hour",
            fn approval_lifetime(&self) -> SignedDuration {
                SignedDuration::from_hours(1)
            }
        ),
    ]
}
