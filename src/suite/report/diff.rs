//! Two reports compared: what got better, worse, new, gone.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use crate::suite::report::phrase::spoken;
use crate::suite::report::text::one_line;
use crate::suite::report::{CaseReport, Report};
use crate::suite::verdict::{RunVerdict, Verdict};

/// The differences between two reports, the older first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// The verdict of each.
    pub verdict: Pair<RunVerdict>,
    /// Passed requirements of level MUST, as `passed of total`.
    pub must: Pair<String>,
    /// What makes the two hard to compare.
    pub notes: Vec<String>,
    /// By case.
    pub cases: Changes,
    /// By requirement.
    pub requirements: Changes,
}

/// The same thing in the older report and in the newer one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pair<T> {
    /// In the older report.
    pub before: T,
    /// In the newer one.
    pub after: T,
}

/// What differs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Nearer to passing.
    pub better: Vec<Change>,
    /// Further from passing.
    pub worse: Vec<Change>,
    /// The same verdict for another reason; cases only.
    pub other: Vec<Change>,
    /// Judged in the newer report only.
    pub new: Vec<Change>,
    /// Judged in the older report only.
    pub gone: Vec<Change>,
    /// How many have the same verdict.
    pub same: usize,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Of which case or requirement.
    pub id: String,
    /// The older verdict; `None` when it was not there.
    pub before: Option<Verdict>,
    /// The newer verdict; `None` when it is not there.
    pub after: Option<Verdict>,
}

impl Diff {
    /// Whether something got worse: a case, a requirement, or the verdict as a whole.
    pub fn is_worse(&self) -> bool {
        !self.cases.worse.is_empty()
            || !self.requirements.worse.is_empty()
            || rank_of_run(self.verdict.after) > rank_of_run(self.verdict.before)
    }
}

/// Compares two reports, the older first.
pub fn diff(before: &Report, after: &Report) -> Diff {
    let must = |report: &Report| {
        let must = &report.totals.must;
        format!("{} of {}", must.passed, must.total)
    };
    let cases = |report: &Report| -> BTreeMap<String, Verdict> {
        let cases = report.cases.iter();
        cases.map(|case| (case.id.clone(), case.verdict)).collect()
    };
    let requirements = |report: &Report| -> BTreeMap<String, Verdict> {
        let requirements = report.requirements.iter();
        requirements
            .map(|requirement| (requirement.id.clone(), requirement.verdict))
            .collect()
    };
    let mut by_case = changes(&cases(before), &cases(after));
    let older: BTreeMap<&str, &CaseReport> = before
        .cases
        .iter()
        .map(|case| (case.id.as_str(), case))
        .collect();
    by_case.other = after
        .cases
        .iter()
        .filter(|case| {
            older
                .get(case.id.as_str())
                .is_some_and(|old| old.verdict == case.verdict && reasons(old) != reasons(case))
        })
        .map(|case| Change {
            id: case.id.clone(),
            before: Some(case.verdict),
            after: Some(case.verdict),
        })
        .collect();
    by_case.same -= by_case.other.len().min(by_case.same);
    Diff {
        verdict: Pair {
            before: before.verdict,
            after: after.verdict,
        },
        must: Pair {
            before: must(before),
            after: must(after),
        },
        notes: notes(before, after),
        cases: by_case,
        requirements: changes(&requirements(before), &requirements(after)),
    }
}

/// What a case failed at; values are left out, since they may vary.
fn reasons(case: &CaseReport) -> Vec<(&str, &str)> {
    case.mismatches
        .iter()
        .map(|mismatch| (mismatch.place.as_str(), mismatch.pointer.as_str()))
        .collect()
}

fn changes(before: &BTreeMap<String, Verdict>, after: &BTreeMap<String, Verdict>) -> Changes {
    let mut changes = Changes::default();
    let judged = |verdict: Option<Verdict>| verdict.filter(|own| *own != Verdict::NotApplicable);
    let mut ids: Vec<&String> = before.keys().chain(after.keys()).collect();
    ids.sort();
    ids.dedup();
    for id in ids {
        let (old, new) = (before.get(id).copied(), after.get(id).copied());
        let change = Change {
            id: id.clone(),
            before: old,
            after: new,
        };
        match (judged(old), judged(new)) {
            (Some(old), Some(new)) => match rank(new).cmp(&rank(old)) {
                std::cmp::Ordering::Less => changes.better.push(change),
                std::cmp::Ordering::Greater => changes.worse.push(change),
                std::cmp::Ordering::Equal => changes.same += 1,
            },
            (None, Some(_)) => changes.new.push(change),
            (Some(_), None) => changes.gone.push(change),
            (None, None) => changes.same += 1,
        }
    }
    changes
}

/// How far a verdict is from passing.
const fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Pass => 0,
        Verdict::NotApplicable => 1,
        Verdict::Warn => 2,
        Verdict::NotObserved => 3,
        Verdict::NotImplemented => 4,
        Verdict::SetupFailed => 5,
        Verdict::HarnessError => 6,
        Verdict::Fail => 7,
    }
}

const fn rank_of_run(verdict: RunVerdict) -> u8 {
    match verdict {
        RunVerdict::Conformant => 0,
        RunVerdict::Incomplete => 1,
        RunVerdict::NotConformant => 2,
    }
}

fn notes(before: &Report, after: &Report) -> Vec<String> {
    let mut notes = Vec::new();
    let (old, new) = (&before.run, &after.run);
    let mut note = |what: &str, old: String, new: String| {
        if old != new {
            notes.push(format!(
                "{what}: {} before, {} after",
                one_line(&old),
                one_line(&new)
            ));
        }
    };
    note("suite", old.suite.clone(), new.suite.clone());
    note(
        "profiles of the target",
        super::phrase::profiles(before),
        super::phrase::profiles(after),
    );
    let selected = |report: &Report| {
        let selection = &report.run.selection;
        format!("{} of {} cases", selection.selected, selection.of)
    };
    note("selection", selected(before), selected(after));
    notes
}

/// How a comparison is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiffFormat {
    /// For people.
    Text,
    /// For programs; the schema is `spec/schemas/report-diff.json`.
    Json,
    /// For the summary of a pipeline's step.
    Markdown,
}

/// Most lines of one kind in Markdown.
const MOST_LINES: usize = 500;

/// The comparison in one of its forms.
///
/// # Errors
/// When it cannot be written as JSON: a fault of the suite.
pub fn render(diff: &Diff, format: DiffFormat) -> Result<String, String> {
    match format {
        DiffFormat::Text => Ok(text(diff)),
        DiffFormat::Markdown => Ok(markdown(diff)),
        DiffFormat::Json => serde_json::to_string_pretty(diff)
            .map(|text| text + "\n")
            .map_err(|error| format!("the comparison cannot be written as JSON: {error}")),
    }
}

impl Changes {
    fn kinds(&self) -> [(&'static str, &[Change]); 5] {
        [
            ("worse", &self.worse),
            ("better", &self.better),
            ("fails elsewhere", &self.other),
            ("new", &self.new),
            ("gone", &self.gone),
        ]
    }

    fn counts(&self) -> String {
        let mut counts: Vec<String> = self
            .kinds()
            .into_iter()
            .filter(|(_, changes)| !changes.is_empty())
            .map(|(name, changes)| format!("{} {name}", changes.len()))
            .collect();
        counts.push(format!("{} the same", self.same));
        counts.join(", ")
    }
}

impl Change {
    fn told(&self) -> String {
        let word = |verdict: Option<Verdict>| verdict.map_or_else(|| "–".to_owned(), spoken);
        if self.before == self.after {
            return word(self.after);
        }
        format!("{} → {}", word(self.before), word(self.after))
    }
}

fn text(diff: &Diff) -> String {
    let mut out = String::new();
    for (what, changes) in [("case", &diff.cases), ("requirement", &diff.requirements)] {
        for (name, list) in changes.kinds() {
            for change in list {
                let _ = writeln!(
                    out,
                    "{:15} {what} {}: {}",
                    name.to_uppercase(),
                    one_line(&change.id),
                    change.told()
                );
            }
        }
    }
    if !out.is_empty() {
        out.push('\n');
    }
    for note in &diff.notes {
        let _ = writeln!(out, "note: {note}");
    }
    let _ = writeln!(out, "cases: {}", diff.cases.counts());
    let _ = writeln!(out, "requirements: {}", diff.requirements.counts());
    let _ = writeln!(
        out,
        "{} ({} MUST) → {} ({} MUST)",
        diff.verdict.before.title(),
        diff.must.before,
        diff.verdict.after.title(),
        diff.must.after
    );
    out
}

fn markdown(diff: &Diff) -> String {
    let mut out = format!(
        "## {} → {}\n\nMUST: {} → {}\n\n",
        diff.verdict.before.title(),
        diff.verdict.after.title(),
        diff.must.before,
        diff.must.after
    );
    let inline = super::markdown::inline;
    for note in &diff.notes {
        let _ = writeln!(out, "- {}", inline(note));
    }
    let _ = writeln!(out, "\n| | | before → after |\n|---|---|---|");
    let mut left_out = 0;
    for (what, changes) in [("case", &diff.cases), ("requirement", &diff.requirements)] {
        for (name, list) in changes.kinds() {
            left_out += list.len().saturating_sub(MOST_LINES);
            for change in list.iter().take(MOST_LINES) {
                let _ = writeln!(
                    out,
                    "| {name} | {what} {} | {} |",
                    inline(&change.id),
                    change.told()
                );
            }
        }
    }
    if left_out > 0 {
        let _ = writeln!(out, "\nAnd {left_out} more.");
    }
    let _ = writeln!(
        out,
        "\ncases: {}; requirements: {}",
        diff.cases.counts(),
        diff.requirements.counts()
    );
    out
}

#[cfg(test)]
mod properties;
