//! What a process ends with, given a report: which outcomes fail it, and what is forgiven.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::report::{CaseReport, Flake, Report};
use super::verdict::{ExitCode, RunVerdict, Verdict};
use crate::requirement::Level;

/// An outcome that may fail a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// A MUST is violated, or the baseline itself is wrong: exit 1.
    Violation,
    /// A SHOULD is violated: exit 1.
    Warning,
    /// An applicable MUST was not observed, or nothing passed: exit 4.
    Incomplete,
    /// A case failed and passed when it was run again: exit 1.
    Flaky,
}

impl Outcome {
    const ALL: [Self; 4] = [
        Self::Violation,
        Self::Warning,
        Self::Incomplete,
        Self::Flaky,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Violation => "violation",
            Self::Warning => "warning",
            Self::Incomplete => "incomplete",
            Self::Flaky => "flaky",
        }
    }
}

/// The outcomes that fail a process; errors of the harness always do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailOn(BTreeSet<Outcome>);

impl Default for FailOn {
    fn default() -> Self {
        Self(BTreeSet::from([
            Outcome::Violation,
            Outcome::Incomplete,
            Outcome::Flaky,
        ]))
    }
}

impl FailOn {
    /// Whether an outcome fails the process.
    pub fn has(&self, outcome: Outcome) -> bool {
        self.0.contains(&outcome)
    }
}

impl fmt::Display for FailOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|outcome| outcome.name()).collect();
        f.write_str(if names.is_empty() { "none" } else { "" })?;
        f.write_str(&names.join(","))
    }
}

impl FromStr for FailOn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim() == "none" {
            return Ok(Self(BTreeSet::new()));
        }
        let outcome = |name: &str| {
            Outcome::ALL
                .into_iter()
                .find(|outcome| outcome.name() == name)
                .ok_or_else(|| {
                    let names = Outcome::ALL.map(Outcome::name).join(", ");
                    format!("no outcome '{name}'; write a comma list of {names}, or none")
                })
        };
        text.split(',')
            .map(|name| outcome(name.trim()))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl Report {
    /// What the process ends with. A violation counts before an error of the suite, and both before what is missing.
    ///
    /// What the baseline expects fails nothing. A flaky case is held against the target as flaky, and not as what it was
    /// when it failed: its verdict in the report stays the worse one all the same.
    pub fn exit_code_by(&self, fail_on: &FailOn) -> ExitCode {
        let counted: Vec<&CaseReport> = self
            .cases
            .iter()
            .filter(|case| !self.is_forgiven(case))
            .collect();
        let has = |verdict| counted.iter().any(|case| case.verdict == verdict);
        let faulty_baseline = self
            .baseline
            .as_ref()
            .is_some_and(|baseline| !baseline.problems.is_empty());
        // A MUST that no failing case stands for can be forgiven by none.
        let elsewhere = self.totals.must.failed > 0 && self.count(Verdict::Fail) == 0;
        let violated = has(Verdict::Fail) || elsewhere || faulty_baseline;
        if fail_on.has(Outcome::Violation) && violated
            || fail_on.has(Outcome::Warning) && has(Verdict::Warn)
            || self.is_flaky(fail_on)
        {
            ExitCode::Violation
        } else if self.count(Verdict::HarnessError) > 0 {
            ExitCode::Harness
        } else if fail_on.has(Outcome::Incomplete) && self.is_incomplete() {
            ExitCode::Incomplete
        } else {
            ExitCode::Conformant
        }
    }

    /// [`Report::exit_code_by`] with the outcomes that fail a process unless it is told otherwise.
    pub fn exit_code(&self) -> ExitCode {
        self.exit_code_by(&FailOn::default())
    }

    /// Whether a case's failure is expected, or was not there when it was run again.
    fn is_forgiven(&self, case: &CaseReport) -> bool {
        case.expected || self.flake(&case.id).is_some()
    }

    fn flake(&self, id: &str) -> Option<&Flake> {
        let mut flakes = self.run.flakes.iter();
        flakes.find(|flake| flake.id == id && flake.verdicts.contains_key(Verdict::Pass.name()))
    }

    /// Whether a case varied that would have failed the process had it not. A warning that comes and goes weighs no more than one
    /// that stays.
    fn is_flaky(&self, fail_on: &FailOn) -> bool {
        fail_on.has(Outcome::Flaky)
            && self.cases.iter().any(|case| {
                let weighs = case.verdict != Verdict::Warn || fail_on.has(Outcome::Warning);
                weighs && !case.expected && self.flake(&case.id).is_some()
            })
    }

    fn is_incomplete(&self) -> bool {
        let open = self.requirements.iter().any(|requirement| {
            let unobserved = matches!(
                requirement.verdict,
                Verdict::NotObserved
                    | Verdict::NotImplemented
                    | Verdict::SetupFailed
                    | Verdict::HarnessError
            );
            requirement.level == Level::Must && unobserved && self.is_open(&requirement.id)
        });
        // A run that passed nothing has shown nothing, unless that is what was expected of it.
        let nothing =
            self.count(Verdict::Pass) == 0 && !self.cases.iter().any(|case| self.is_forgiven(case));
        // A run knows more than its cases show: that it had no say over the model, or that the target ended unasked.
        let elsewhere = self.verdict == RunVerdict::Incomplete
            && self.totals.must.not_observed == 0
            && self.count(Verdict::Pass) > 0
            && self.count(Verdict::HarnessError) == 0;
        open || nothing || elsewhere
    }

    /// Whether a requirement is unobserved for a reason that is not forgiven: no case at all, or one that nobody expects.
    fn is_open(&self, requirement: &str) -> bool {
        let mut leaving = self
            .cases
            .iter()
            .filter(|case| case.leaves_open.iter().any(|id| id == requirement))
            .peekable();
        leaving.peek().is_none() || leaving.any(|case| !self.is_forgiven(case))
    }
}
