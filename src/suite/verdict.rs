//! Verdicts of cases, requirements and runs, and what a process ends with.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The verdict on a case or a requirement. Only `Pass` counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything was observed and as it must be.
    Pass,
    /// Outside the target's profiles.
    NotApplicable,
    /// Nothing was learned.
    NotObserved,
    /// Its maker says that it is missing.
    NotImplemented,
    /// Only a SHOULD was violated.
    Warn,
    /// The case could not be brought to the point that it is about.
    SetupFailed,
    /// A MUST was violated.
    Fail,
    /// The suite itself is at fault.
    HarnessError,
}

impl Verdict {
    /// All of them, in the order summaries print them.
    pub const ALL: [Verdict; 8] = [
        Self::Pass,
        Self::Fail,
        Self::Warn,
        Self::NotApplicable,
        Self::NotObserved,
        Self::NotImplemented,
        Self::SetupFailed,
        Self::HarnessError,
    ];

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Warn => "warn",
            Self::NotApplicable => "not_applicable",
            Self::NotObserved => "not_observed",
            Self::NotImplemented => "not_implemented",
            Self::SetupFailed => "setup_failed",
            Self::HarnessError => "harness_error",
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// One expectation that was not met.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mismatch {
    /// Requirements the expectation speaks for.
    pub cites: Vec<String>,
    /// What was looked at: a step, a service, the model, the transcript.
    #[serde(rename = "where")]
    pub place: String,
    /// JSON Pointer into it.
    pub pointer: String,
    /// What was expected, in the language of matchers.
    pub expected: Value,
    /// What was observed; `{"$absent": true}` when nothing was.
    pub got: Value,
    /// More in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Whether the target gave no answer at all, in time or ever. Such a mismatch never kills a mutant.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_answer: bool,
}

/// The verdict on a whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunVerdict {
    /// Every applicable MUST was observed and none was violated.
    Conformant,
    /// A MUST was violated.
    NotConformant,
    /// No violation was seen, but not everything was observed.
    Incomplete,
}

impl RunVerdict {
    /// Its name in capitals, as the terminal prints it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Conformant => "CONFORMANT",
            Self::NotConformant => "NOT CONFORMANT",
            Self::Incomplete => "INCOMPLETE",
        }
    }
}

/// What the process ends with. Contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Conformant.
    Conformant = 0,
    /// A violation.
    Violation = 1,
    /// Wrong usage, or a case file that cannot be used.
    Usage = 2,
    /// The target cannot be reached or was never ready.
    Unreachable = 3,
    /// An applicable MUST was not observed.
    Incomplete = 4,
    /// The suite itself is at fault.
    Harness = 5,
}

impl ExitCode {
    /// The number.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

/// Why a run did not come to a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunError {
    /// No case is left after filter, profiles and last failures.
    NothingSelected(String),
    /// Nobody answers at the target's address.
    Unreachable(String),
    /// The target answers, but not in time or not as one that is ready.
    NotReady(String),
    /// The options contradict each other or name what is not there.
    Usage(String),
    /// The suite itself is at fault.
    Harness(String),
}

impl RunError {
    /// What the process ends with.
    pub const fn exit_code(&self) -> ExitCode {
        match self {
            Self::NothingSelected(_) | Self::Usage(_) => ExitCode::Usage,
            Self::Unreachable(_) | Self::NotReady(_) => ExitCode::Unreachable,
            Self::Harness(_) => ExitCode::Harness,
        }
    }
}

impl std::fmt::Display for RunError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::NothingSelected(message)
        | Self::Unreachable(message)
        | Self::NotReady(message)
        | Self::Usage(message)
        | Self::Harness(message)) = self;
        f.write_str(message)
    }
}

impl std::error::Error for RunError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_report() {
        for verdict in Verdict::ALL {
            let written = serde_json::to_value(verdict).expect("a string");
            assert_eq!(written, verdict.name());
            assert_eq!(verdict.to_string(), verdict.name());
        }
    }

    #[test]
    fn an_error_is_told_in_its_own_words() {
        for error in [
            RunError::NothingSelected,
            RunError::Unreachable,
            RunError::NotReady,
            RunError::Usage,
            RunError::Harness,
        ] {
            assert_eq!(error("no case fits".into()).to_string(), "no case fits");
        }
    }

    #[test]
    fn exit_codes_are_contract() {
        let codes = [
            ExitCode::Conformant,
            ExitCode::Violation,
            ExitCode::Usage,
            ExitCode::Unreachable,
            ExitCode::Incomplete,
            ExitCode::Harness,
        ];
        assert_eq!(codes.map(ExitCode::number), [0, 1, 2, 3, 4, 5]);
        assert_eq!(RunError::Unreachable(String::new()).exit_code().number(), 3);
        assert_eq!(
            RunError::NothingSelected(String::new())
                .exit_code()
                .number(),
            2
        );
    }
}
