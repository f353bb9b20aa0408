//! Plans against the manifest: what the checks of `spec/plans.md`, section 2, let through.

use serde_json::{Value, json};

use super::findings::Findings;
use super::head::Head;
use super::refusals::{Reasons, is_told_alike};
use super::rules::{Action, Rules, violations};
use super::{array, text};

impl Rules {
    /// The requirement that forbids an action to a session.
    pub(super) fn forbidden(
        &self,
        name: &str,
        action: &Action,
        head: &Head,
    ) -> Option<&'static str> {
        // Without an intent every action is allowed; one that is not declared is told by itself.
        if let Some(intent) = head.intent.as_deref().and_then(|name| self.intent(name))
            && !array(intent, "actions").any(|allowed| allowed.as_str() == Some(name))
        {
            return Some("PLN-012");
        }
        let flag = action.definition.get("feature_flag")?.as_str()?;
        (!head.flags.contains(flag)).then_some("PLN-013")
    }

    /// What is wrong with a plan that was accepted; `place`: where it stands.
    pub(super) fn planned(&self, plan: &Value, head: &Head, place: &str, found: &mut Findings<'_>) {
        let name = plan.get("action");
        let here = || format!("{place}/action");
        let Some((name, action)) = name
            .and_then(Value::as_str)
            .and_then(|name| Some((name, self.actions.get(name)?)))
        else {
            let known: Vec<&String> = self.actions.keys().collect();
            let message = "is no action of the manifest, and was executed";
            found.say("PLN-010", here(), json!({"$any_of": known}), name, message);
            return;
        };
        if let Some(requirement) = self.forbidden(name, action, head) {
            let message = "is not allowed in this session, and was executed";
            let expected = json!({"$not": name});
            found.say(requirement, here(), expected, Some(&json!(name)), message);
        }
        let args = plan.get("args").unwrap_or(&Value::Null);
        let words = "the input_schema of the action";
        let place = format!("{place}/args");
        violations("PLN-014", action.input.as_ref(), args, &place, words, found);
    }

    /// What is wrong with a plan that was accepted and became no step: a question to a person must have come of it.
    pub(super) fn uncounted(
        &self,
        plan: &Value,
        head: &Head,
        pointer: &str,
        found: &mut Findings<'_>,
    ) {
        self.planned(plan, head, &format!("{pointer}/reply"), found);
        let asks =
            |action: &Action| action.kind() == "human_intervention" || action.wants_approval();
        if self
            .actions
            .get(text(plan, "action"))
            .is_some_and(|action| !asks(action))
        {
            found.say(
                "TRN-009",
                format!("{pointer}/step_number"),
                json!("the number of a step"),
                None,
                "is missing, though the plan was accepted and its action asks nobody",
            );
        }
    }

    /// The reasons for which a plan can be refused.
    pub(super) fn reasons(&self, plan: &Value, head: &Head) -> Reasons {
        let mut reasons = Reasons::default();
        let name = text(plan, "action");
        let Some(action) = self.actions.get(name) else {
            reasons.codes.push("undeclared_action");
            return reasons;
        };
        if self.forbidden(name, action, head).is_some() {
            reasons.codes.push("undeclared_action");
        } else if let Some(input) = &action.input {
            let violations = input.violations(plan.get("args").unwrap_or(&Value::Null));
            if !violations.is_empty() {
                reasons.codes.push("input_validation_failed");
            }
            let alike = violations
                .into_iter()
                .filter(|one| is_told_alike(&one.rule));
            reasons.places = alike.map(|one| one.pointer).collect();
        }
        // The caller's scopes are not in the transcript.
        let intent = head.intent.as_deref().and_then(|name| self.intent(name));
        if intent.is_some_and(|intent| intent.get("access_control").is_some())
            || self.is_guarded(&action.definition)
        {
            reasons.codes.push("insufficient_scope");
        }
        reasons
    }
}
