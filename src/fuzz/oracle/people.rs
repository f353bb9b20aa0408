//! A person's answer (`spec/human.md`; of approvals `spec/access.md` section 5).

use serde_json::{Value, json};

use super::calls::Calls;
use super::journal::Journal;
use super::plan::{self, Reading};
use super::running::Ended;
use super::said::Failure;
use super::session::{Pending, Session};
use super::surprise::{Seen, Surprise};

impl Calls<'_> {
    /// `POST /sessions/{id}/interventions/{question}`.
    pub(super) fn answered(
        &self,
        journal: &mut Journal<'_>,
        session: &mut Session,
        seen: &Seen<'_>,
        question: &str,
        sent: &Value,
    ) -> Vec<Surprise> {
        if session.status == "closed" {
            let message = "answers a question of a session that is closed";
            return seen
                .refused(&[(404, "session_not_found")], "SES-020", message)
                .into_iter()
                .collect();
        }
        if !self.has_people {
            return Vec::new();
        }
        let output = sent.get("output");
        let decision = sent.get("decision").and_then(Value::as_str);
        let waits = session
            .pending
            .clone()
            .filter(|_| session.asked.last().is_some_and(|id| id == question));
        let Some(pending) = waits else {
            // A body that no question takes may be told first.
            let (code, status, requirement) = if session.asked.iter().any(|id| id == question) {
                ("intervention_answered", 409, "HUM-009")
            } else {
                ("intervention_not_found", 404, "HUM-008")
            };
            let mut allowed = vec![(status, code)];
            if decision == Some("approve") {
                allowed.push((400, "invalid_request"));
            }
            return seen
                .refused(&allowed, requirement, "answers no question that waits")
                .into_iter()
                .collect();
        };
        let fits = match (&pending, output, decision) {
            (Pending::Approval { .. }, None, Some("approve" | "reject")) => true,
            (Pending::Approval { .. }, _, _) => false,
            (_, Some(_), None) => true,
            (_, None, Some("reject")) => true,
            _ => false,
        };
        if !fits {
            let message = "is neither an answer nor a decision that this question takes";
            return seen
                .refused(&[(400, "invalid_request")], "HUM-004", message)
                .into_iter()
                .collect();
        }
        match (pending, output) {
            (Pending::Plan, None) => self.ended(session, seen, "plan_rejected", None),
            (Pending::Question { action } | Pending::Approval { action, .. }, None)
                if decision == Some("reject") =>
            {
                let ended = Ended::Failure(Failure::of("human_rejected", "HUM-007"));
                self.counted_as(session, seen, &action, &ended, "question_rejected")
            }
            (Pending::Approval { action, args }, None) => {
                let (ended, mut found) = self.run(journal, session, seen, &action, &args);
                found.extend(self.counted(session, seen, &action, &ended, "approved_action"));
                found
            }
            (Pending::Question { action }, Some(output)) => {
                self.told(session, seen, &action, output)
            }
            (Pending::Plan, Some(output)) => self.replanned(journal, session, seen, output),
            _ => Vec::new(),
        }
    }

    fn counted_as(
        &self,
        session: &mut Session,
        seen: &Seen<'_>,
        action: &str,
        ended: &Ended,
        input: &str,
    ) -> Vec<Surprise> {
        let result = seen.body().get("result").cloned().unwrap_or_default();
        let mut found = ended.check(seen, action, &result);
        if result.is_object() {
            found.extend(self.ended(session, seen, input, Some(&result)));
        }
        found
    }

    /// An output for a question.
    fn told(
        &self,
        session: &mut Session,
        seen: &Seen<'_>,
        action: &str,
        output: &Value,
    ) -> Vec<Surprise> {
        let agreement = std::sync::Arc::clone(&session.agreement);
        let Some(declared) = agreement.action(action) else {
            return Vec::new();
        };
        if !declared.gives(output) {
            return self.ended(session, seen, "answer_invalid", None);
        }
        let result =
            json!({"action_name": action, "success": true, "output": output, "error": null});
        let merges = session.clone().count(&result).is_ok();
        let (ended, input) = match (merges, declared.completes()) {
            (true, true) => (Ended::Output(output.clone()), "answer_accepted_goal"),
            (true, false) => (Ended::Output(output.clone()), "answer_accepted"),
            // Which of its failures it is depends on the form of the result path.
            (false, _) => (Ended::Open { fits: Some(false) }, "answer_failed"),
        };
        self.counted_as(session, seen, action, &ended, input)
    }

    /// A person's plan in place of three refused replies.
    fn replanned(
        &self,
        journal: &mut Journal<'_>,
        session: &mut Session,
        seen: &Seen<'_>,
        output: &Value,
    ) -> Vec<Surprise> {
        let members = output.as_object();
        let single = members.filter(|members| members.len() == 1);
        if single.is_none()
            && members.is_some_and(|members| {
                members.contains_key("plan") || members.contains_key("retry")
            })
        {
            // Whether it may have more members is not said.
            session.lost = true;
            return Vec::new();
        }
        if single.is_some_and(|members| members.get("retry") == Some(&Value::Bool(true))) {
            return self.ended(session, seen, "retry_chosen", None);
        }
        let mut rights = session.rights.clone();
        rights.scopes = self.scopes(seen);
        if self.has_access && rights.scopes.is_none() && session.agreement.is_guarded() {
            session.lost = true;
            return Vec::new();
        }
        let plan = single
            .and_then(|members| members.get("plan"))
            .and_then(Value::as_object);
        let reading = plan.map(|plan| plan::of_object(plan, &session.agreement, &rights));
        match reading {
            Some(Reading::Finish) => self.ended(session, seen, "person_plan_finished", None),
            Some(Reading::Act { action, args }) => {
                self.planned(journal, session, seen, &action, &args)
            }
            Some(Reading::Refused(refusal)) if refusal.code == "insufficient_scope" => {
                session.lost = seen.answer.status < 400;
                Vec::new()
            }
            _ => self.ended(session, seen, "person_plan_invalid", None),
        }
    }
}
