//! The life of a session as a table (`spec/sessions.md` section 3, `spec/transitions.toml`).

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Can be stepped.
    Active,
    /// A question waits for a person.
    AwaitingHuman,
    /// The goal was reached.
    Completed,
    /// A step call came after the last allowed step.
    MaxStepsReached,
    /// Three refused replies with nobody to ask, or a person gave up on the plan.
    Failed,
    /// Left alone for too long.
    Expired,
    /// Closed by the client.
    Closed,
}

impl Status {
    /// Every status.
    pub const ALL: [Status; 7] = [
        Status::Active,
        Status::AwaitingHuman,
        Status::Completed,
        Status::MaxStepsReached,
        Status::Failed,
        Status::Expired,
        Status::Closed,
    ];

    /// The word on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Status::Active => "active",
            Status::AwaitingHuman => "awaiting_human",
            Status::Completed => "completed",
            Status::MaxStepsReached => "max_steps_reached",
            Status::Failed => "failed",
            Status::Expired => "expired",
            Status::Closed => "closed",
        }
    }
}

macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// What happens to a session: the closed list of inputs of the table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Event { $($(#[$doc])* $variant,)* }

        impl Event {
            /// Every event.
            pub const ALL: &'static [Event] = &[$(Event::$variant,)*];

            /// The name in the table.
            pub fn name(self) -> &'static str {
                match self { $(Event::$variant => $name,)* }
            }
        }
    };
}

events! {
    /// The planned action ran and its output is merged.
    ActionSucceeded = "action_succeeded";
    /// The same, and the action completes the goal.
    GoalActionSucceeded = "goal_action_succeeded";
    /// The planned action was attempted and failed.
    ActionFailed = "action_failed";
    /// The planned action's conditional is false.
    ActionSkipped = "action_skipped";
    /// The model said that the work is done.
    PlanFinished = "plan_finished";
    /// The planned action asks a person, or wants approval.
    PersonAsked = "person_asked";
    /// Three replies were refused and a person can be asked.
    PlanRefusedThrice = "plan_refused_thrice";
    /// Three replies were refused and nobody can be asked.
    PlanRefusedThriceUnattended = "plan_refused_thrice_unattended";
    /// The model could not be asked.
    ModelFailed = "model_failed";
    /// A step call came after the last allowed step.
    LimitReached = "limit_reached";
    /// A step call came where no step can be taken.
    StepCalled = "step_called";
    /// A person's output was valid and merged.
    AnswerAccepted = "answer_accepted";
    /// The same, and the action completes the goal.
    AnswerAcceptedGoal = "answer_accepted_goal";
    /// A person's output was valid and could not be merged.
    AnswerFailed = "answer_failed";
    /// A person's output was not valid.
    AnswerInvalid = "answer_invalid";
    /// A person rejected the question of an action, or did not approve it.
    QuestionRejected = "question_rejected";
    /// The action that a person approved succeeded.
    ApprovedActionSucceeded = "approved_action_succeeded";
    /// The same, and the action completes the goal.
    ApprovedActionSucceededGoal = "approved_action_succeeded_goal";
    /// The action that a person approved failed.
    ApprovedActionFailed = "approved_action_failed";
    /// The action of a person's plan succeeded.
    PersonPlanSucceeded = "person_plan_succeeded";
    /// The same, and the action completes the goal.
    PersonPlanSucceededGoal = "person_plan_succeeded_goal";
    /// The action of a person's plan failed.
    PersonPlanFailed = "person_plan_failed";
    /// The conditional of the action of a person's plan is false.
    PersonPlanSkipped = "person_plan_skipped";
    /// A person's plan says that the work is done.
    PersonPlanFinished = "person_plan_finished";
    /// The action of a person's plan asks a person, or wants approval.
    PersonPlanAsked = "person_plan_asked";
    /// A person's plan was not valid.
    PersonPlanInvalid = "person_plan_invalid";
    /// A person wants the model asked again.
    RetryChosen = "retry_chosen";
    /// A person gave up on the plan.
    PlanRejected = "plan_rejected";
    /// An answer came to a question that is settled.
    LateAnswer = "late_answer";
    /// The client closed the session.
    CloseCalled = "close_called";
    /// Nothing was called for too long.
    TimePassed = "time_passed";
}

/// The status that follows; `None` where the event cannot happen.
pub fn after(status: Status, event: Event) -> Option<Status> {
    use Event as E;
    use Status::{Active, AwaitingHuman, Closed, Completed, Expired, Failed, MaxStepsReached};
    match (status, event) {
        (Active, E::ActionSucceeded | E::ActionFailed | E::ActionSkipped | E::ModelFailed) => {
            Some(Active)
        }
        (Active, E::GoalActionSucceeded | E::PlanFinished) => Some(Completed),
        (Active, E::PersonAsked | E::PlanRefusedThrice) => Some(AwaitingHuman),
        (Active, E::PlanRefusedThriceUnattended) => Some(Failed),
        (Active, E::LimitReached) => Some(MaxStepsReached),
        (
            AwaitingHuman,
            E::AnswerAccepted | E::AnswerFailed | E::QuestionRejected | E::RetryChosen,
        ) => Some(Active),
        (AwaitingHuman, E::PersonPlanSucceeded | E::PersonPlanFailed | E::PersonPlanSkipped) => {
            Some(Active)
        }
        (AwaitingHuman, E::ApprovedActionSucceeded | E::ApprovedActionFailed) => Some(Active),
        (
            AwaitingHuman,
            E::AnswerAcceptedGoal
            | E::PersonPlanSucceededGoal
            | E::PersonPlanFinished
            | E::ApprovedActionSucceededGoal,
        ) => Some(Completed),
        (AwaitingHuman, E::PersonPlanAsked | E::AnswerInvalid | E::PersonPlanInvalid) => {
            Some(AwaitingHuman)
        }
        (AwaitingHuman, E::PlanRejected) => Some(Failed),
        (Active | AwaitingHuman, E::TimePassed) => Some(Expired),
        (_, E::CloseCalled) => Some(Closed),
        (_, E::LateAnswer) => Some(status),
        (
            AwaitingHuman | Completed | MaxStepsReached | Failed | Expired | Closed,
            E::StepCalled,
        ) => Some(status),
        _ => None,
    }
}

/// Whether a step counts: an action was attempted or skipped, or a question of one was answered or rejected.
pub fn counts(event: Event) -> bool {
    matches!(
        event,
        Event::ActionSucceeded
            | Event::GoalActionSucceeded
            | Event::ActionFailed
            | Event::ActionSkipped
            | Event::AnswerAccepted
            | Event::AnswerAcceptedGoal
            | Event::AnswerFailed
            | Event::QuestionRejected
            | Event::ApprovedActionSucceeded
            | Event::ApprovedActionSucceededGoal
            | Event::ApprovedActionFailed
            | Event::PersonPlanSucceeded
            | Event::PersonPlanSucceededGoal
            | Event::PersonPlanFailed
            | Event::PersonPlanSkipped
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published() -> Vec<(Status, Event, Status, bool)> {
        let text = crate::embedded::text("spec/transitions.toml").expect("the table is published");
        let table: toml::Table = text.parse().expect("transitions.toml");
        let rows = table["transition"].as_array().expect("rows");
        let status = |name: &toml::Value| {
            Status::ALL
                .into_iter()
                .find(|status| Some(status.name()) == name.as_str())
                .expect("a status")
        };
        rows.iter()
            .map(|row| {
                let event = Event::ALL
                    .iter()
                    .copied()
                    .find(|event| Some(event.name()) == row["input"].as_str());
                let event = event.unwrap_or_else(|| panic!("{} is no event", row["input"]));
                (
                    status(&row["from"]),
                    event,
                    status(&row["to"]),
                    row["counts"].as_bool().expect("a boolean"),
                )
            })
            .collect()
    }

    #[test]
    fn the_machine_equals_the_published_table() {
        let rows = published();
        for status in Status::ALL {
            for &event in Event::ALL {
                let row = rows
                    .iter()
                    .find(|(from, input, ..)| (*from, *input) == (status, event));
                assert_eq!(
                    after(status, event),
                    row.map(|row| row.2),
                    "{} in {}",
                    event.name(),
                    status.name()
                );
                if let Some((.., counted)) = row {
                    assert_eq!(counts(event), *counted, "{}", event.name());
                }
            }
        }
    }
}
