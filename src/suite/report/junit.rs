//! The report as JUnit XML: a suite for each section of the specification, a test for each case.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Property, TestCase, TestCaseStatus, TestSuite};

use crate::requirement::Registry;
use crate::suite::report::phrase::{self, Outcome};
use crate::suite::report::text::{one_line, value};
use crate::suite::report::{CaseReport, Report};

/// Longest value of a mismatch, in characters.
const MOST_CHARACTERS: usize = 1_000;

/// The report as JUnit XML. A violation is a `failure`; what was not observed, could not be set up or broke in the suite is an
/// `error`; what is not about the target, missing by its maker's word, or expected by the baseline, is `skipped`; a violated SHOULD passes and is told in
/// the test's output, and so does and is what passed in part, which a property of its suite counts.
///
/// # Errors
/// When it cannot be written as XML: a fault of the suite.
pub fn render(report: &Report, registry: &Registry) -> Result<String, String> {
    let mut sections: BTreeMap<&str, Vec<&CaseReport>> = BTreeMap::new();
    for case in &report.cases {
        sections
            .entry(phrase::section(case, registry))
            .or_default()
            .push(case);
    }
    let mut out = quick_junit::Report::new("oap-conform");
    out.set_time(seconds(report.run.duration_ms));
    for (section, cases) in sections {
        let mut suite = TestSuite::new(section);
        let times = cases.iter().filter_map(|case| time_of(report, case));
        suite.set_time(times.sum());
        suite.add_properties([
            Property::new("verdict", report.verdict.title()),
            Property::new("profiles", phrase::profiles(report)),
            Property::new("standing", one_line(&phrase::standing(report))),
            Property::new("seed", report.run.seed.to_string()),
        ]);
        let in_part = |case: &&&CaseReport| Outcome::of(case) == Outcome::Partly;
        let in_part = cases.iter().filter(in_part).count();
        if in_part > 0 {
            suite.add_property(Property::new("passed-in-part", in_part.to_string()));
        }
        for case in cases {
            suite.add_test_case(test(case, section, report, registry));
        }
        out.add_test_suite(suite);
    }
    let text = out
        .to_string()
        .map_err(|error| format!("the report cannot be written as XML: {error}"))?;
    Ok(text)
}

fn test(case: &CaseReport, section: &str, report: &Report, registry: &Registry) -> TestCase {
    let mut status = match Outcome::of(case) {
        Outcome::Passed | Outcome::Partly | Outcome::Warned => TestCaseStatus::success(),
        Outcome::Failed => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Outcome::Unsettled => TestCaseStatus::non_success(NonSuccessKind::Error),
        Outcome::Missing | Outcome::Skipped | Outcome::Expected => TestCaseStatus::skipped(),
    };
    let text = told(case, report, registry);
    let passed_with = matches!(Outcome::of(case), Outcome::Partly | Outcome::Warned);
    if Outcome::of(case) != Outcome::Passed && !passed_with {
        status
            .set_message(message(case, report))
            .set_type(case.verdict.name());
        if !matches!(Outcome::of(case), Outcome::Skipped) {
            status.set_description(text.as_str());
        }
    }
    let mut test = TestCase::new(one_line(&case.id), status);
    test.set_classname(format!("oap.{section}"));
    test.set_assertions(case.assertions);
    if let Some(time) = time_of(report, case) {
        test.set_time(time);
    }
    if !case.file.is_empty() {
        test.extra
            .insert("file".into(), one_line(&case.file).as_ref().into());
    }
    if passed_with {
        test.set_system_out(text);
    }
    test
}

/// In a few words what is wrong.
fn message(case: &CaseReport, report: &Report) -> String {
    if case.expected {
        return phrase::expectation(report, case);
    }
    let text = match (case.mismatches.first(), &case.reason) {
        (Some(first), _) => format!(
            "{}: expected {}, got {}",
            phrase::place(first),
            value(&first.expected, 120),
            value(&first.got, 120)
        ),
        (None, Some(reason)) => format!("{}: {reason}", phrase::spoken(case.verdict)),
        (None, None) => phrase::spoken(case.verdict),
    };
    one_line(&text).into_owned()
}

/// All that is known, line by line.
fn told(case: &CaseReport, report: &Report, registry: &Registry) -> String {
    let mut out = format!("{}\n", one_line(phrase::title(case)));
    let mut add = |line: std::fmt::Arguments<'_>| {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{line}");
    };
    for clause in phrase::clauses(case, registry) {
        add(format_args!(
            "{} {} spec/{}.md: \"{}\"",
            clause.id, clause.level, clause.section, clause.quote
        ));
    }
    for mismatch in &case.mismatches {
        add(format_args!(
            "at {}  [{}]",
            phrase::place(mismatch),
            one_line(&mismatch.cites.join(", "))
        ));
        add(format_args!(
            "  expected {}",
            value(&mismatch.expected, MOST_CHARACTERS)
        ));
        add(format_args!(
            "  got      {}",
            value(&mismatch.got, MOST_CHARACTERS)
        ));
        if !mismatch.message.is_empty() {
            add(format_args!("  {}", one_line(&mismatch.message)));
        }
    }
    if let Some(reason) = &case.reason {
        add(format_args!("reason: {}", one_line(reason)));
    }
    add(format_args!("repeat: {}", phrase::repeat(report, case)));
    out
}

fn time_of(report: &Report, case: &CaseReport) -> Option<Duration> {
    report.run.case_ms.get(&case.id).copied().map(seconds)
}

/// A time of the report, at most a year; what is no time at all is none.
fn seconds(millis: f64) -> Duration {
    Duration::try_from_secs_f64(millis / 1000.0)
        .unwrap_or_default()
        .min(Duration::from_secs(365 * 24 * 3600))
}
