//! What follows a node that was skipped or failed, and how a call ends (`spec/workflows.md`, 4.1 and section 11).

use serde_json::Value;

use super::answers::{Ended, Status};
use super::{Around, Effect, Flow, ON, Why, Workflow};
use crate::runtime::answer::Answer;
use crate::runtime::error::ErrorObject;

impl Workflow {
    /// A node was skipped, or failed for good.
    pub(super) fn after(&mut self, around: &Around<'_>, why: Why) -> Flow {
        let rules = around.rules();
        if let Some(error) = &why.error
            && rules.refused_by_status(error, self.executed)
        {
            return refuse(around, error);
        }
        if rules.replans_after(why.trigger) && self.may_plan(around) {
            return self.plan_again(around, why);
        }
        match why.error {
            None => ON,
            Some(error) if rules.stops_after(&error) => self.fail_call(around, error, why.index),
            Some(_) => ON,
        }
    }

    pub(super) fn may_plan(&self, around: &Around<'_>) -> bool {
        around.rules().may_replan(self.terms.goal.as_deref())
            && around
                .rules()
                .replans_left(self.replans, self.terms.replan_max)
    }

    /// Every node was reached.
    pub(super) fn end(&self, around: &Around<'_>) -> Flow {
        self.finish(around, Status::Completed, None)
    }

    /// The call ends with a failure; `index` is the position of the result that led to it.
    pub(super) fn fail_call(&self, around: &Around<'_>, error: ErrorObject, index: usize) -> Flow {
        if around.rules().refused_by_status(&error, self.executed) {
            return refuse(around, &error);
        }
        let index = around.rules().failed_index(&self.results, index);
        let error = around.rules().answer_error(&error);
        self.finish(around, Status::Failed, Some((error, index)))
    }

    fn finish(&self, around: &Around<'_>, status: Status, failure: Option<(Value, usize)>) -> Flow {
        let rules = around.rules();
        let (error, failed_index) = failure.unzip();
        let single = self.single.then(|| rules.single_result(&self.results));
        let ended = Ended {
            status,
            state: rules.returned_state(&self.state),
            results: rules.results(status, self.results.clone()),
            error,
            failed_index,
            result: single,
            version: rules.answered_version(),
        };
        Flow::Break(Effect::Answer(rules.execute_answer(&ended)))
    }
}

/// A refusal before anything was executed.
fn refuse(around: &Around<'_>, error: &ErrorObject) -> Flow {
    Flow::Break(Effect::Answer(Answer::error(around.parts, error)))
}
