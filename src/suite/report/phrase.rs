//! Sentences and distinctions that all renderings share.

use crate::requirement::{Registry, Requirement};
use crate::suite::offline;
use crate::suite::report::text::{one_line, shell_word};
use crate::suite::report::{CaseReport, Flake, LevelTotals, Report, Sample};
use crate::suite::verdict::Verdict;

/// What a verdict means to a format that knows passing, failing and skipping only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It passed.
    Passed,
    /// It passed as far as it could be judged; its reason says what could not.
    Partly,
    /// Only a SHOULD was violated.
    Warned,
    /// A MUST was violated.
    Failed,
    /// Nothing is known, though it should be: never shown as passed.
    Unsettled,
    /// The maker of the target says that it is missing.
    Missing,
    /// It is not about this target.
    Skipped,
    /// It did not pass, and the baseline expects all that is wrong with it.
    Expected,
}

impl Outcome {
    /// The outcome of a case.
    pub const fn of(case: &CaseReport) -> Self {
        if case.expected {
            return Self::Expected;
        }
        match case.verdict {
            Verdict::Pass if case.reason.is_some() => Self::Partly,
            Verdict::Pass => Self::Passed,
            Verdict::Warn => Self::Warned,
            Verdict::Fail => Self::Failed,
            Verdict::NotObserved | Verdict::SetupFailed | Verdict::HarnessError => Self::Unsettled,
            Verdict::NotImplemented => Self::Missing,
            Verdict::NotApplicable => Self::Skipped,
        }
    }
}

/// Why a baseline expects what is wrong with a case.
pub fn expectation(report: &Report, case: &CaseReport) -> String {
    let mut text = "expected by the baseline".to_owned();
    let mut entries = report.baseline.iter().flat_map(|own| &own.entries);
    if let Some(entry) = entries.find(|entry| entry.case == case.id) {
        text.push_str(&format!(": {}", one_line(&entry.reason)));
        if let Some(issue) = &entry.issue {
            text.push_str(&format!(" ({})", one_line(issue)));
        }
    }
    text
}

/// The verdict as people read it: `not observed`.
pub fn spoken(verdict: Verdict) -> String {
    verdict.name().replace('_', " ")
}

/// What is said of a case: its verdict, unless that alone would say too much.
pub fn said(case: &CaseReport) -> String {
    match Outcome::of(case) {
        Outcome::Partly => "pass in part".to_owned(),
        _ => spoken(case.verdict),
    }
}

/// The title of a case. That of one which passed in part would promise what nobody looked at.
pub fn title(case: &CaseReport) -> &str {
    match Outcome::of(case) {
        Outcome::Partly => "nothing is wrong with what could be judged",
        _ => &case.title,
    }
}

/// How many cases passed only as far as they could be judged.
pub fn in_part(report: &Report) -> usize {
    let partly = |case: &&CaseReport| Outcome::of(case) == Outcome::Partly;
    report.cases.iter().filter(partly).count()
}

/// The one line that says it all: verdict, profiles, and counts with their denominators.
pub fn headline(report: &Report) -> String {
    format!("{} {}", report.verdict.title(), standing(report))
}

/// The headline without the verdict's own word.
pub fn standing(report: &Report) -> String {
    let totals = &report.totals;
    format!(
        "({}): {} of {} MUST, {} of {} SHOULD",
        profiles(report),
        totals.must.passed,
        totals.must.total,
        totals.should.passed,
        totals.should.total
    )
}

/// The target's profiles, with commas.
pub fn profiles(report: &Report) -> String {
    let names: Vec<&str> = report
        .run
        .target
        .profiles
        .iter()
        .map(|profile| profile.name())
        .collect();
    names.join(", ")
}

/// How many cases and assertions there were, by verdict.
pub fn counts(report: &Report) -> String {
    let counts: Vec<String> = Verdict::ALL
        .into_iter()
        .map(|verdict| (verdict, report.count(verdict)))
        .filter(|(verdict, count)| *count > 0 || *verdict == Verdict::Pass)
        .map(|(verdict, count)| match (verdict, in_part(report)) {
            (Verdict::Pass, partly) if partly > 0 => {
                format!("{count} {verdict}, {partly} of them in part")
            }
            _ => format!("{count} {verdict}"),
        })
        .collect();
    format!(
        "{} cases, {} assertions: {}",
        report.totals.cases,
        report.totals.assertions,
        counts.join(", ")
    )
}

/// The counts of one level.
pub fn level(name: &str, totals: &LevelTotals) -> String {
    format!(
        "{name}: {} of {} requirements passed, {} failed, {} not observed; {} not applicable",
        totals.passed, totals.total, totals.failed, totals.not_observed, totals.not_applicable
    )
}

/// How often a case had which verdict.
pub fn varied(flake: &Flake) -> String {
    let verdicts: Vec<String> = flake
        .verdicts
        .iter()
        .map(|(verdict, count)| format!("{verdict} {count}"))
        .collect();
    verdicts.join(", ")
}

/// In which company a sample was taken.
pub const fn company(sample: &Sample) -> &'static str {
    if sample.alone {
        "again, alone"
    } else {
        "among the others"
    }
}

/// What a verdict over a part says of itself.
pub fn selection(report: &Report) -> Option<String> {
    let selection = &report.run.selection;
    selection.partial.then(|| {
        format!(
            "a selection: {} of {} cases, so the verdict speaks of these only",
            selection.selected, selection.of
        )
    })
}

/// The one command that repeats a case.
pub fn repeat(report: &Report, case: &CaseReport) -> String {
    let command = one_line(&report.run.command);
    if let Some(file) = offline::verified(&report.run.command, case) {
        return format!("{command} {}", shell_word(file));
    }
    // Of a file of transcripts none is judged alone.
    let id = offline::of_file(case).unwrap_or_else(|| case.id.clone());
    format!(
        "{command} --filter {} --seed {}",
        shell_word(&id),
        report.run.seed
    )
}

/// The requirements that a case's mismatches cite, each once, in order; those that it speaks for where none is cited and nothing was
/// left unjudged.
pub fn clauses<'r>(case: &CaseReport, registry: &'r Registry) -> Vec<&'r Requirement> {
    let mut ids: Vec<&String> = Vec::new();
    for id in case.mismatches.iter().flat_map(|mismatch| &mismatch.cites) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    if ids.is_empty() && Outcome::of(case) != Outcome::Partly {
        ids.extend(&case.requirements);
    }
    ids.into_iter().filter_map(|id| registry.get(id)).collect()
}

/// The section of the specification that a case belongs to.
pub fn section<'r>(case: &CaseReport, registry: &'r Registry) -> &'r str {
    case.requirements
        .iter()
        .find_map(|id| registry.get(id))
        .map_or("other", |requirement| requirement.section.as_str())
}

/// Where a mismatch is: what was looked at and the pointer into it.
pub fn place(mismatch: &crate::suite::verdict::Mismatch) -> String {
    let pointer = if mismatch.pointer.is_empty() {
        "(whole)"
    } else {
        &mismatch.pointer
    };
    one_line(&format!("{} {pointer}", mismatch.place)).into_owned()
}
