//! Null targets: servers that implement nothing. Not one case may pass against them, and every case must have been tried.

use serde::{Deserialize, Serialize};

use super::report::Report;
use super::verdict::Verdict;

/// What a run against one null target came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NullResult {
    /// The null target's name.
    pub name: String,
    /// Cases that were carried out against it, as far as it let them.
    pub cases_executed: usize,
    /// Cases that passed; anything but 0 is a defect of the suite.
    pub passes: usize,
}

impl NullResult {
    /// Counts a forced run ([`super::options::Options::force`]) against a null target.
    pub fn of(name: &str, report: &Report) -> Self {
        let not_executed = [
            Verdict::NotApplicable,
            Verdict::NotImplemented,
            Verdict::HarnessError,
        ];
        Self {
            name: name.to_owned(),
            cases_executed: report
                .cases
                .iter()
                .filter(|case| !not_executed.contains(&case.verdict))
                .count(),
            passes: report.count(Verdict::Pass),
        }
    }

    /// Whether the suite stood this test over that many cases.
    pub fn holds(&self, cases: usize) -> bool {
        self.passes == 0 && self.cases_executed == cases
    }
}
