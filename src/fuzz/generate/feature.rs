//! What a world may be made of; each world has a random half of it.

use crate::requirement::Profile;

/// One thing that a world may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// More actions than two.
    ManyActions,
    /// Schemas beyond objects of texts and numbers.
    Schemas,
    /// `result_path`.
    ResultPaths,
    /// `completes_goal`.
    CompletesGoal,
    /// `feature_flag`.
    Flags,
    /// Intents.
    Intents,
    /// References to credentials, granted and not.
    Credentials,
    /// `request_map`.
    RequestMaps,
    /// Questions to people.
    Human,
    /// `run_code`.
    Code,
    /// `read_file` and `write_file`.
    Files,
    /// `fallback_action`.
    Fallbacks,
    /// `conditional`.
    Conditionals,
    /// `required_scopes`.
    Scopes,
    /// `rate_limit`.
    RateLimits,
    /// `verification`.
    Approvals,
    /// Plans whose arguments do not satisfy the schema.
    InvalidArguments,
    /// Plans that name what is not declared.
    UndeclaredActions,
    /// Replies that are no JSON.
    Prose,
    /// Replies that are JSON and no plan.
    OtherJson,
    /// Replies that are too long, too deep or cut off.
    Huge,
    /// Plans that bring more than they may: endpoints, references, secrets.
    Injection,
    /// A model that fails.
    ModelFaults,
    /// A model that says finished early.
    EarlyFinish,
    /// Services that answer no 2xx.
    Failures,
    /// Services whose output does not satisfy the schema.
    InvalidOutputs,
    /// Services that answer no JSON, nothing, or too much.
    NoJson,
    /// Services that break the connection.
    Broken,
    /// Services that are slower than the action waits.
    Slow,
    /// Services that send elsewhere.
    Redirects,
    /// Services that give the credential back.
    Echo,
    /// Calls at the same time.
    Concurrency,
    /// Idempotency keys.
    Idempotency,
    /// Two sessions.
    TwoSessions,
    /// Answers to questions, asked or not.
    Answers,
    /// Looks at sessions.
    Reads,
    /// `POST /execute`.
    Workflows,
    /// Requests that have to be refused.
    Refused,
    /// Sessions that are closed before the end, and called after it.
    Closes,
    /// Few steps.
    Limits,
    /// Registrations meanwhile.
    Registrations,
    /// Conditionals of which it is known what they come to.
    Expressions,
    /// Calls by others, with good tokens and bad ones.
    Strangers,
    /// `response_map`.
    ResponseMaps,
}

impl Feature {
    /// All of them.
    pub const ALL: [Feature; 44] = [
        Feature::ManyActions,
        Feature::Schemas,
        Feature::ResultPaths,
        Feature::CompletesGoal,
        Feature::Flags,
        Feature::Intents,
        Feature::Credentials,
        Feature::RequestMaps,
        Feature::Human,
        Feature::Code,
        Feature::Files,
        Feature::Fallbacks,
        Feature::Conditionals,
        Feature::Scopes,
        Feature::RateLimits,
        Feature::Approvals,
        Feature::InvalidArguments,
        Feature::UndeclaredActions,
        Feature::Prose,
        Feature::OtherJson,
        Feature::Huge,
        Feature::Injection,
        Feature::ModelFaults,
        Feature::EarlyFinish,
        Feature::Failures,
        Feature::InvalidOutputs,
        Feature::NoJson,
        Feature::Broken,
        Feature::Slow,
        Feature::Redirects,
        Feature::Echo,
        Feature::Concurrency,
        Feature::Idempotency,
        Feature::TwoSessions,
        Feature::Answers,
        Feature::Reads,
        Feature::Workflows,
        Feature::Refused,
        Feature::Closes,
        Feature::Limits,
        Feature::Registrations,
        Feature::Expressions,
        Feature::Strangers,
        Feature::ResponseMaps,
    ];

    /// The profile that a target needs for it.
    pub const fn profile(self) -> Option<Profile> {
        match self {
            Feature::Human => Some(Profile::Human),
            Feature::Code => Some(Profile::Sandbox),
            Feature::Files => Some(Profile::Storage),
            Feature::Fallbacks
            | Feature::Conditionals
            | Feature::Workflows
            | Feature::Expressions => Some(Profile::Workflow),
            Feature::Scopes | Feature::RateLimits | Feature::Approvals | Feature::Strangers => {
                Some(Profile::Access)
            }
            _ => None,
        }
    }

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Feature::ManyActions => "many-actions",
            Feature::Schemas => "schemas",
            Feature::ResultPaths => "result-paths",
            Feature::CompletesGoal => "completes-goal",
            Feature::Flags => "flags",
            Feature::Intents => "intents",
            Feature::Credentials => "credentials",
            Feature::RequestMaps => "request-maps",
            Feature::Human => "human",
            Feature::Code => "code",
            Feature::Files => "files",
            Feature::Fallbacks => "fallbacks",
            Feature::Conditionals => "conditionals",
            Feature::Scopes => "scopes",
            Feature::RateLimits => "rate-limits",
            Feature::Approvals => "approvals",
            Feature::InvalidArguments => "invalid-arguments",
            Feature::UndeclaredActions => "undeclared-actions",
            Feature::Prose => "prose",
            Feature::OtherJson => "other-json",
            Feature::Huge => "huge",
            Feature::Injection => "injection",
            Feature::ModelFaults => "model-faults",
            Feature::EarlyFinish => "early-finish",
            Feature::Failures => "failures",
            Feature::InvalidOutputs => "invalid-outputs",
            Feature::NoJson => "no-json",
            Feature::Broken => "broken",
            Feature::Slow => "slow",
            Feature::Redirects => "redirects",
            Feature::Echo => "echo",
            Feature::Concurrency => "concurrency",
            Feature::Idempotency => "idempotency",
            Feature::TwoSessions => "two-sessions",
            Feature::Answers => "answers",
            Feature::Reads => "reads",
            Feature::Workflows => "workflows",
            Feature::Refused => "refused",
            Feature::Closes => "closes",
            Feature::Limits => "limits",
            Feature::Registrations => "registrations",
            Feature::Expressions => "expressions",
            Feature::Strangers => "strangers",
            Feature::ResponseMaps => "response-maps",
        }
    }
}
