//! Holding a baseline against a run.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use super::{Baseline, BaselineReport, Entry, Kind, Problem, WHOLE_CASE, checks};
use crate::requirement::Profile;
use crate::suite::report::{CaseReport, Report};
use crate::suite::runner::NOT_STARTED;
use crate::suite::verdict::Verdict;

/// Most checks that one sentence names.
const MOST_NAMED: usize = 3;

/// Which cases there are, selected or not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Universe {
    /// Their ids.
    pub ids: BTreeSet<String>,
}

impl<'c> FromIterator<&'c str> for Universe {
    fn from_iter<I: IntoIterator<Item = &'c str>>(ids: I) -> Self {
        Self {
            ids: ids.into_iter().map(str::to_owned).collect(),
        }
    }
}

/// This day by the machine's clock, in UTC.
pub fn today() -> Date {
    jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date()
}

/// Marks the cases of a report whose failures are all expected, and notes what is wrong with the baseline itself.
///
/// Entries about cases outside the report's selection are not judged. What an earlier baseline marked is forgotten.
pub fn apply(report: &mut Report, baseline: &Baseline, universe: &Universe, today: Date) {
    let entries = by_case(baseline);
    let mut problems = Vec::new();
    let mut expected = Vec::new();
    for case in &mut report.cases {
        case.expected = false;
        let Some(own) = entries.get(case.id.as_str()) else {
            continue;
        };
        let judged = judge(case, own, today);
        problems.extend(judged.problems);
        case.expected = judged.expected;
        if judged.expected {
            expected.push(case.id.clone());
        }
    }
    for (id, own) in &entries {
        if !universe.ids.contains(*id) {
            let why = format!("there is no case {id}; correct its id, or");
            problems.extend(all(Kind::Unmatched, own, &why));
        }
    }
    problems.sort_by(|a, b| {
        (a.line, a.kind, &a.case, &a.check).cmp(&(b.line, b.kind, &b.case, &b.check))
    });
    problems.extend(claims(report));
    report.baseline = Some(BaselineReport {
        file: baseline.file.clone(),
        entries: baseline.entries.clone(),
        expected,
        problems,
    });
}

fn by_case(baseline: &Baseline) -> BTreeMap<&str, Vec<&Entry>> {
    let mut entries: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for entry in &baseline.entries {
        entries.entry(&entry.case).or_default().push(entry);
    }
    entries
}

#[derive(Default)]
struct Judged {
    expected: bool,
    problems: Vec<Problem>,
}

fn judge(case: &CaseReport, entries: &[&Entry], today: Date) -> Judged {
    let id = &case.id;
    let none = |kind, why: String| Judged {
        expected: false,
        problems: all(kind, entries, &why).into_iter().collect(),
    };
    match case.verdict {
        // What the suite could not find out says nothing of the target.
        Verdict::HarnessError => return Judged::default(),
        Verdict::NotObserved if case.reason.as_deref() == Some(NOT_STARTED) => {
            return Judged::default();
        }
        Verdict::NotApplicable => {
            let why = format!("{id} does not apply to this target;");
            return none(Kind::Unmatched, why);
        }
        Verdict::Pass => {
            let why = format!("{id} passes now; run 'oap-conform baseline prune', or");
            return none(Kind::SurprisePass, why);
        }
        _ => {}
    }
    let actual = checks(case);
    let mut judged = Judged::default();
    let mut covered: BTreeSet<&str> = BTreeSet::new();
    let mut overdue: BTreeSet<&str> = BTreeSet::new();
    for entry in entries {
        let meant: Vec<&str> = actual
            .iter()
            .map(String::as_str)
            .filter(|check| entry.check == WHOLE_CASE || *check == entry.check)
            .collect();
        if meant.is_empty() {
            let message = format!(
                "{id} fails no more at '{}'; take the entry out, or run 'oap-conform baseline prune'",
                entry.check
            );
            judged.problems.push(problem(Kind::Stale, entry, message));
        } else if let Some(last) = entry.expires.as_ref().filter(|last| is_over(last, today)) {
            let message = format!(
                "{id} was accepted until {last} and still fails; mend it, or give it a new day and say why"
            );
            judged.problems.push(problem(Kind::Expired, entry, message));
            overdue.extend(meant);
        } else {
            covered.extend(meant);
        }
    }
    let new: Vec<&str> = actual
        .iter()
        .map(String::as_str)
        .filter(|check| !covered.contains(check) && !overdue.contains(check))
        .collect();
    if let (Some(first), Some(entry)) = (new.first(), entries.first()) {
        let message = format!(
            "{id} also fails at {}, which no entry expects; mend it, or run 'oap-conform baseline update'",
            named(&new)
        );
        judged.problems.push(Problem {
            check: (*first).to_owned(),
            ..problem(Kind::Unexpected, entry, message)
        });
    }
    judged.expected = actual.iter().all(|check| covered.contains(check.as_str()));
    judged
}

/// One problem for all entries of a case.
fn all(kind: Kind, entries: &[&Entry], why: &str) -> Option<Problem> {
    let what = match entries.len() {
        1 => "take the entry out".to_owned(),
        count => format!("take its {count} entries out"),
    };
    let first = entries.first()?;
    Some(problem(kind, first, format!("{why} {what}")))
}

fn problem(kind: Kind, entry: &Entry, message: String) -> Problem {
    Problem {
        kind,
        case: Some(entry.case.clone()),
        check: entry.check.clone(),
        line: Some(entry.line),
        message,
    }
}

/// Whether the day is after the last one on which an entry holds.
fn is_over(last: &str, today: Date) -> bool {
    last.parse::<Date>().is_ok_and(|last| today > last)
}

fn named(checks: &[&str]) -> String {
    let first: Vec<String> = checks
        .iter()
        .take(MOST_NAMED)
        .map(|check| format!("'{check}'"))
        .collect();
    let more = checks.len().saturating_sub(MOST_NAMED);
    match more {
        0 => first.join(" and "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// Profiles that are declared though nothing of them is there. A part of the cases cannot tell.
fn claims(report: &Report) -> Vec<Problem> {
    let selection = &report.run.selection;
    if !selection.filter.is_empty() || selection.last_failed || selection.shard.is_some() {
        return Vec::new();
    }
    let claim = |profile: Profile| {
        let own: Vec<&CaseReport> = report
            .cases
            .iter()
            .filter(|case| case.profile == profile && case.verdict != Verdict::NotApplicable)
            .collect();
        if own.is_empty() || !own.iter().all(|case| case.expected) {
            return None;
        }
        let count = own.len();
        let message = match profile {
            Profile::Core => format!(
                "each of the {count} cases of core is baselined; what fails all of it is no runtime of this protocol"
            ),
            _ => format!(
                "profile {profile} is declared, and each of its {count} cases is baselined; do not declare it"
            ),
        };
        Some(Problem {
            kind: Kind::Claimed,
            case: None,
            check: profile.name().to_owned(),
            line: None,
            message,
        })
    };
    let declared = report.run.target.profiles.iter().copied();
    declared.filter_map(claim).collect()
}

/// What a report's reader is told of the baseline: its problems, then one sentence on the failures, if there are any.
pub fn lines(report: &Report) -> Vec<String> {
    let Some(baseline) = &report.baseline else {
        return Vec::new();
    };
    let file = &baseline.file;
    let mut lines: Vec<String> = baseline
        .problems
        .iter()
        .map(|problem| match problem.line {
            Some(line) => format!("BASELINE {file}:{line}: {}", problem.message),
            None => format!("BASELINE {file}: {}", problem.message),
        })
        .collect();
    let failed: Vec<&CaseReport> = report
        .cases
        .iter()
        // A warning fails a process only where that was asked for.
        .filter(|case| case.expected || case.verdict != Verdict::Warn)
        .filter(|case| !checks(case).is_empty())
        .collect();
    let expected = failed.iter().filter(|case| case.expected).count();
    let all = failed.len();
    let noun = if all == 1 { "failure" } else { "failures" };
    lines.extend(match (expected, all) {
        (_, 0) => None,
        (expected, all) if expected == all => Some(format!("{all} {noun}, all expected by {file}")),
        (expected, all) => Some(format!(
            "{all} {noun}, {expected} expected by {file}, {} not",
            all - expected
        )),
    });
    lines
}
