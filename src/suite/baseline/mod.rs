//! Baselines: failures that are known and accepted for now, each with its reason. They change what a process ends with, never a
//! verdict: a target that fails is not conformant, whoever expected it.
//!
//! An entry is a debt, and every debt is checked: one that is paid (the check passes now), overdue (its date is over) or nobody's
//! (there is no such case) is a problem of its own.

mod edit;
mod file;
mod judge;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use edit::{Added, EditError, Terms, init, prune, update};
pub use file::{BaselineError, MOST_BYTES, MOST_ENTRIES};
pub use judge::{Universe, apply, lines, today};

use super::report::CaseReport;
use super::report::text::one_line;
use super::verdict::{Mismatch, Verdict};

/// The file that `run` reads by itself from the folder it is started in.
pub const FILE_NAME: &str = "oap-baseline.toml";

/// The check that stands for everything that is wrong with a case.
pub const WHOLE_CASE: &str = "*";

/// A baseline as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Baseline {
    /// The file's name, for messages.
    pub file: String,
    /// Its entries, in order.
    pub entries: Vec<Entry>,
}

/// One failure that is expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The line of the file that it begins in, from 1.
    pub line: usize,
    /// Id of the case.
    pub case: String,
    /// Which check of it: `<where> <pointer>` as the terminal prints it, the name of a verdict without a check, or `*`.
    pub check: String,
    /// Why it is accepted.
    pub reason: String,
    /// Where the work on it is followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue: Option<String>,
    /// The last day on which it is accepted, `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

/// What a baseline makes of a run; part of the report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaselineReport {
    /// The file's name.
    pub file: String,
    /// Its entries, in order.
    pub entries: Vec<Entry>,
    /// Cases of which everything that is wrong is expected, by id.
    pub expected: Vec<String>,
    /// What is wrong with the baseline itself; one is enough for a run to fail.
    pub problems: Vec<Problem>,
}

impl BaselineReport {
    /// The baseline that this was made of.
    pub fn baseline(&self) -> Baseline {
        Baseline {
            file: self.file.clone(),
            entries: self.entries.clone(),
        }
    }
}

/// Why an entry, or a baseline, fails a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The case passes.
    SurprisePass,
    /// The case still fails, but not at this check any more.
    Stale,
    /// The day is over until which it was accepted.
    Expired,
    /// There is no such case, or it does not apply to the target.
    Unmatched,
    /// The case fails at a check that no entry expects.
    Unexpected,
    /// A declared profile of which every case is expected to fail.
    Claimed,
}

/// One problem of a baseline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// Of which kind.
    pub kind: Kind,
    /// The case; `None` where it is about a profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<String>,
    /// The check, or the profile.
    pub check: String,
    /// The line of the entry; `None` where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What is wrong and what to do, in one sentence.
    pub message: String,
}

/// The check that a mismatch is named by: what the terminal prints after `at`.
pub fn check_of(mismatch: &Mismatch) -> String {
    let pointer = match mismatch.pointer.as_str() {
        "" => "(whole)",
        pointer => pointer,
    };
    one_line(&format!("{} {pointer}", mismatch.place))
        .trim()
        .to_owned()
}

/// The checks of a case that are not as they must be: its mismatches, or the name of its verdict where that says it all.
/// A passing case, one that does not apply, and one that the suite could not run have none.
pub fn checks(case: &CaseReport) -> BTreeSet<String> {
    match case.verdict {
        Verdict::Pass | Verdict::NotApplicable | Verdict::HarnessError => BTreeSet::new(),
        Verdict::Fail | Verdict::Warn if !case.mismatches.is_empty() => {
            case.mismatches.iter().map(check_of).collect()
        }
        verdict => BTreeSet::from([verdict.name().to_owned()]),
    }
}

#[cfg(test)]
mod tests;
