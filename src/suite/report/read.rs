//! A report read back: strictly, within bounds, and only if it does not contradict itself.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{level_totals, run_verdict};
use crate::requirement::Level;
use crate::suite::report::Report;
use crate::suite::verdict::{RunVerdict, Verdict};

/// Largest report that is read, in bytes.
pub const MOST_BYTES: usize = 64 * 1024 * 1024;
/// Most cases, and most requirements, of a report.
const MOST_ENTRIES: usize = 100_000;
/// Most brackets and commas: parsed, each may take a hundred times the byte that it is.
const MOST_MARKS: usize = 8_000_000;
/// Longest time, in milliseconds: thirty years.
const MOST_MILLIS: f64 = 1e12;
/// Longest id, in bytes.
const MOST_ID: usize = 256;

/// A report from its JSON.
///
/// # Errors
/// When it is too large, is no JSON, has members that a report has not, or contradicts itself: what, and where.
pub fn read(bytes: &[u8]) -> Result<Report, String> {
    if bytes.len() > MOST_BYTES {
        return Err(format!(
            "it has {} bytes, and at most {MOST_BYTES} are read; name a report that 'oap-conform run --report json=PATH' wrote",
            bytes.len()
        ));
    }
    let marks = bytes.iter().filter(|byte| b"[{,".contains(byte)).count();
    if marks > MOST_MARKS {
        return Err(format!(
            "it has {marks} brackets and commas, and at most {MOST_MARKS} are read; name a report that 'oap-conform run' wrote"
        ));
    }
    let report: Report = serde_json::from_slice(bytes).map_err(|error| {
        format!(
            "it is no report: {error}; name a file that 'oap-conform run --report json=PATH' wrote, in the same version"
        )
    })?;
    check(&report).map_err(|why| {
        format!("it contradicts itself: {why}; name a report as 'oap-conform run' wrote it")
    })?;
    Ok(report)
}

fn check(report: &Report) -> Result<(), String> {
    entries(
        "cases",
        report.cases.iter().map(|case| case.id.as_str()),
        report.cases.len(),
    )?;
    entries(
        "requirements",
        report.requirements.iter().map(|one| one.id.as_str()),
        report.requirements.len(),
    )?;
    let same = |name: &str, said: usize, counted: usize| {
        if said == counted {
            Ok(())
        } else {
            Err(format!(
                "totals.{name} says {said}, but there are {counted}"
            ))
        }
    };
    let totals = &report.totals;
    same("cases", totals.cases, report.cases.len())?;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for case in &report.cases {
        *counts.entry(case.verdict.name()).or_default() += 1;
    }
    for verdict in Verdict::ALL {
        let name = verdict.name();
        same(
            &format!("by_verdict.{name}"),
            report.count(verdict),
            counts.get(name).copied().unwrap_or_default(),
        )?;
    }
    for (name, level, said) in [
        ("must", Level::Must, &totals.must),
        ("should", Level::Should, &totals.should),
    ] {
        if level_totals(&report.requirements, level) != *said {
            return Err(format!(
                "totals.{name}.total and its parts are not those of its requirements"
            ));
        }
    }
    let run = &report.run;
    let own = run.median_harness_ms.unwrap_or_default();
    let times = [run.duration_ms, run.median_case_ms, own];
    if !times
        .iter()
        .chain(run.case_ms.values())
        .all(|ms| (0.0..=MOST_MILLIS).contains(ms))
    {
        return Err("a time of the run block is no time".to_owned());
    }
    if let Some(case) = report
        .cases
        .iter()
        .find(|case| case.verdict == Verdict::Pass && !case.mismatches.is_empty())
    {
        return Err(format!(
            "{} passed and has mismatches",
            super::text::one_line(&case.id)
        ));
    }
    if let Some(case) = report
        .cases
        .iter()
        .find(|case| case.expected && report.baseline.is_none())
    {
        return Err(format!(
            "{} is said to be expected, and there is no baseline",
            super::text::one_line(&case.id)
        ));
    }
    let counted = run_verdict(&report.cases, totals, run.unseen);
    match report.verdict {
        said if said == counted => Ok(()),
        RunVerdict::Conformant => {
            Err("the verdict is conformant, but not everything passed".to_owned())
        }
        _ => Err("the verdict is not that of its cases".to_owned()),
    }
}

/// Ids that are bounded, and each there once.
fn entries<'a>(name: &str, ids: impl Iterator<Item = &'a str>, count: usize) -> Result<(), String> {
    if count > MOST_ENTRIES {
        return Err(format!("it has {count} {name}, more than {MOST_ENTRIES}"));
    }
    let mut seen = BTreeSet::new();
    for id in ids {
        if id.is_empty() || id.len() > MOST_ID {
            return Err(format!(
                "an id among its {name} has {} bytes; 1 to {MOST_ID} are allowed",
                id.len()
            ));
        }
        if !seen.insert(id) {
            return Err(format!(
                "{} stands twice among its {name}",
                super::text::one_line(id)
            ));
        }
    }
    Ok(())
}
