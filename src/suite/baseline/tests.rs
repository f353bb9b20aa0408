//! Reading and judging baselines.

mod editing;
mod limits;
mod properties;
mod sentences;

use std::collections::BTreeSet;

use jiff::civil::date;
use serde_json::json;

use super::*;
use crate::requirement::{Level, Profile};
use crate::suite::gate::FailOn;
use crate::suite::report::{Flake, LevelTotals, Report, RequirementReport, RunBlock, Totals};
use crate::suite::runner::NOT_STARTED;
use crate::suite::shard::Shard;
use crate::suite::verdict::{ExitCode, RunVerdict};

fn mismatch(place: &str, pointer: &str) -> Mismatch {
    Mismatch {
        cites: vec!["STP-001".into()],
        place: place.into(),
        pointer: pointer.into(),
        expected: json!(0),
        got: json!(1),
        message: String::new(),
        no_answer: false,
    }
}

/// A case by verdict and, for failures, its checks as (where, pointer).
fn case(id: &str, verdict: Verdict, checks: &[(&str, &str)]) -> CaseReport {
    CaseReport {
        id: id.into(),
        title: "t".into(),
        file: String::new(),
        requirements: vec!["STP-001".into()],
        profile: Profile::Session,
        verdict,
        mismatches: checks
            .iter()
            .map(|(place, pointer)| mismatch(place, pointer))
            .collect(),
        assertions: 1,
        reason: None,
        leaves_open: Vec::new(),
        expected: false,
    }
}

fn failing(id: &str) -> CaseReport {
    case(id, Verdict::Fail, &[("step 2 (step)", "/body/steps_done")])
}

/// A report of these cases; they stand for MUST requirement STP-001 alone.
fn report(cases: Vec<CaseReport>) -> Report {
    let mut totals = Totals {
        cases: cases.len(),
        ..Totals::default()
    };
    for case in &cases {
        *totals.by_verdict.entry(case.verdict.name()).or_default() += 1;
    }
    let failed = cases.iter().any(|case| case.verdict == Verdict::Fail);
    totals.must = LevelTotals {
        failed: usize::from(failed),
        passed: usize::from(!failed),
        total: 1,
        ..LevelTotals::default()
    };
    let mut run = RunBlock::default();
    run.target.profiles = BTreeSet::from([Profile::Core, Profile::Session]);
    Report {
        verdict: if failed {
            RunVerdict::NotConformant
        } else {
            RunVerdict::Conformant
        },
        totals,
        requirements: vec![RequirementReport {
            id: "STP-001".into(),
            level: Level::Must,
            profile: Profile::Session,
            verdict: if failed { Verdict::Fail } else { Verdict::Pass },
        }],
        cases,
        baseline: None,
        run,
    }
}

fn entry(case: &str, check: &str, more: &str) -> String {
    format!("[[expected]]\ncase = \"{case}\"\ncheck = \"{check}\"\nreason = \"why\"\n{more}\n")
}

/// The report with this baseline applied on 2 April 2026.
fn judged(cases: Vec<CaseReport>, text: &str) -> Report {
    let mut report = report(cases);
    hold(&mut report, text);
    report
}

fn hold(report: &mut Report, text: &str) {
    let baseline = Baseline::read("oap-baseline.toml", text).expect("reads");
    let universe = ["STP-001-a", "STP-001-b", "STP-001-c", "STP-001-elsewhere"]
        .into_iter()
        .collect();
    apply(report, &baseline, &universe, date(2026, 4, 2));
}

fn problems(report: &Report) -> Vec<(Kind, Option<usize>)> {
    let baseline = report.baseline.as_ref().expect("applied");
    baseline
        .problems
        .iter()
        .map(|problem| (problem.kind, problem.line))
        .collect()
}

const CHECK: &str = "step 2 (step) /body/steps_done";

#[test]
fn an_expected_failure_ends_well_and_is_no_conformance() {
    let cases = || vec![failing("STP-001-a"), case("STP-001-b", Verdict::Pass, &[])];
    assert_eq!(report(cases()).exit_code(), ExitCode::Violation);
    let report = judged(cases(), &entry("STP-001-a", CHECK, ""));
    assert_eq!(problems(&report), []);
    assert!(report.cases[0].expected && !report.cases[1].expected);
    assert_eq!(report.verdict, RunVerdict::NotConformant);
    assert_eq!(report.exit_code(), ExitCode::Conformant);
    assert_eq!(
        lines(&report),
        ["1 failure, all expected by oap-baseline.toml"]
    );
}

#[test]
fn a_failure_that_nobody_expects_still_counts() {
    let cases = vec![
        failing("STP-001-a"),
        failing("STP-001-b"),
        case("STP-001-c", Verdict::Pass, &[]),
    ];
    let report = judged(cases, &entry("STP-001-a", "*", ""));
    assert_eq!(report.exit_code(), ExitCode::Violation);
    assert_eq!(
        lines(&report),
        ["2 failures, 1 expected by oap-baseline.toml, 1 not"]
    );
}

#[test]
fn every_debt_is_checked() {
    let passing = || vec![case("STP-001-a", Verdict::Pass, &[])];
    let two = || {
        vec![
            case(
                "STP-001-a",
                Verdict::Fail,
                &[("calendar", "/calls"), ("step 1", "")],
            ),
            case("STP-001-b", Verdict::Pass, &[]),
        ]
    };
    let calls = || entry("STP-001-a", "calendar /calls", "");
    let both = || calls() + &entry("STP-001-a", "step 1 (whole)", "");
    for (cases, text, found) in [
        (passing(), calls(), vec![(Kind::SurprisePass, Some(1))]),
        (passing(), both(), vec![(Kind::SurprisePass, Some(1))]),
        (two(), calls(), vec![(Kind::Unexpected, Some(1))]),
        (two(), both(), vec![]),
        (
            two(),
            both() + &entry("STP-001-a", "email /calls", ""),
            vec![(Kind::Stale, Some(11))],
        ),
        (
            two(),
            both() + &entry("STP-001-nowhere", "*", ""),
            vec![(Kind::Unmatched, Some(11))],
        ),
        // Not in this run's selection.
        (two(), both() + &entry("STP-001-elsewhere", "*", ""), vec![]),
        (
            two(),
            entry("STP-001-a", "*", "expires = 2026-04-01"),
            vec![(Kind::Expired, Some(1))],
        ),
        // The last day counts.
        (
            two(),
            entry("STP-001-a", "*", "expires = \"2026-04-02\""),
            vec![],
        ),
        (
            vec![case("STP-001-a", Verdict::NotApplicable, &[])],
            calls(),
            vec![(Kind::Unmatched, Some(1))],
        ),
        // A harness that fails has found out nothing.
        (
            vec![case("STP-001-a", Verdict::HarnessError, &[])],
            calls(),
            vec![],
        ),
    ] {
        let report = judged(cases, &text);
        assert_eq!(problems(&report), found, "{text}");
        if !found.is_empty() {
            assert_eq!(report.exit_code(), ExitCode::Violation, "{text}");
            let line = lines(&report).remove(0);
            let start = format!(
                "BASELINE oap-baseline.toml:{}: STP-001-",
                found[0].1.expect("a line")
            );
            let there =
                line.starts_with(&start) || line.contains("there is no case STP-001-nowhere");
            assert!(there, "{line}");
        }
    }
}

#[test]
fn what_was_not_tried_is_not_judged() {
    let mut unseen = case("STP-001-a", Verdict::NotObserved, &[]);
    unseen.reason = Some(NOT_STARTED.to_owned());
    let report = judged(vec![unseen], &entry("STP-001-a", "step 1 /x", ""));
    assert_eq!(problems(&report), []);
    assert!(!report.cases[0].expected);
}

#[test]
fn a_verdict_without_a_check_is_expected_by_its_name() {
    let with = |leaves_open: &[&str]| {
        let mut stuck = case("STP-001-a", Verdict::SetupFailed, &[]);
        stuck.leaves_open = leaves_open.iter().map(|id| (*id).to_owned()).collect();
        let mut report = report(vec![stuck, case("STP-001-b", Verdict::Pass, &[])]);
        report.requirements[0].verdict = Verdict::SetupFailed;
        report.totals.must = LevelTotals {
            not_observed: 1,
            total: 1,
            ..LevelTotals::default()
        };
        report.verdict = RunVerdict::Incomplete;
        report
    };
    let mut open = with(&["STP-001"]);
    assert_eq!(open.exit_code(), ExitCode::Incomplete);
    hold(&mut open, &entry("STP-001-a", "setup_failed", ""));
    assert_eq!(
        (problems(&open), open.exit_code(), open.verdict),
        (vec![], ExitCode::Conformant, RunVerdict::Incomplete)
    );
    hold(&mut open, &entry("STP-001-a", "not_observed", ""));
    assert_eq!(
        problems(&open),
        [(Kind::Stale, Some(1)), (Kind::Unexpected, Some(1))]
    );
    // What a run knows besides its cases is forgiven by no entry.
    let mut unseen = report(vec![case("STP-001-b", Verdict::Pass, &[])]);
    unseen.verdict = RunVerdict::Incomplete;
    hold(&mut unseen, "");
    assert_eq!(unseen.exit_code(), ExitCode::Incomplete);
    // A MUST that no case leaves open has no case at all, and nobody can expect that.
    let mut other = with(&[]);
    hold(&mut other, &entry("STP-001-a", "setup_failed", ""));
    assert_eq!(other.exit_code(), ExitCode::Incomplete);
}

#[test]
fn a_profile_with_nothing_but_expected_failures_is_not_declared() {
    let cases = || vec![failing("STP-001-a"), failing("STP-001-b")];
    let text = entry("STP-001-a", "*", "") + &entry("STP-001-b", "*", "");
    let whole = judged(cases(), &text);
    assert_eq!(problems(&whole), [(Kind::Claimed, None)]);
    assert_eq!(
        whole.baseline.as_ref().expect("applied").problems[0].message,
        "profile session is declared, and each of its 2 cases is baselined; do not declare it"
    );
    assert_eq!(whole.exit_code(), ExitCode::Violation);
    // A part of the cases cannot tell.
    for part in 0..3 {
        let mut some = report(cases());
        match part {
            0 => some.run.selection.filter = "STP".into(),
            1 => some.run.selection.last_failed = true,
            _ => some.run.selection.shard = Some(Shard::new(1, 2).expect("a shard")),
        }
        hold(&mut some, &text);
        assert_eq!(problems(&some), []);
        assert_eq!(some.exit_code(), ExitCode::Conformant);
    }
}

#[test]
fn only_the_outcomes_that_were_asked_for_fail() {
    let code = |cases: Vec<CaseReport>, fail_on: &str| {
        let fail_on: FailOn = fail_on.parse().expect("outcomes");
        report(cases).exit_code_by(&fail_on).number()
    };
    let warned = || {
        vec![
            case("STP-001-a", Verdict::Warn, &[("step 1", "")]),
            case("STP-001-b", Verdict::Pass, &[]),
        ]
    };
    assert_eq!(code(warned(), "violation,incomplete,flaky"), 0);
    assert_eq!(code(warned(), "warning"), 1);
    assert_eq!(code(vec![failing("STP-001-a")], "incomplete"), 4);
    assert_eq!(code(vec![failing("STP-001-a")], "warning, flaky"), 0);
    assert_eq!(code(vec![failing("STP-001-a")], "none"), 0);
    assert_eq!(
        code(vec![case("STP-001-a", Verdict::HarnessError, &[])], "none"),
        5
    );
    assert!("violations".parse::<FailOn>().is_err() && "".parse::<FailOn>().is_err());
    assert_eq!(FailOn::default().to_string(), "violation,incomplete,flaky");
    assert_eq!(FailOn::default().to_string().parse(), Ok(FailOn::default()));
}

#[test]
fn a_flake_weighs_as_much_as_what_came_and_went() {
    let varied = |verdict: Verdict| {
        let mut report = report(vec![
            case("STP-001-a", verdict, &[("step 1", "")]),
            case("STP-001-b", Verdict::Pass, &[]),
        ]);
        report.run.flakes = vec![Flake {
            id: "STP-001-a".into(),
            verdicts: [(verdict.name(), 1), (Verdict::Pass.name(), 1)].into(),
            samples: Vec::new(),
        }];
        report
    };
    let code = |verdict, fail_on: &str| {
        let fail_on: FailOn = fail_on.parse().expect("outcomes");
        varied(verdict).exit_code_by(&fail_on).number()
    };
    assert_eq!(code(Verdict::Fail, "violation,incomplete,flaky"), 1);
    assert_eq!(code(Verdict::Fail, "violation,incomplete"), 0);
    assert_eq!(code(Verdict::Warn, "violation,incomplete,flaky"), 0);
    assert_eq!(code(Verdict::Warn, "warning,flaky"), 1);
    // Known to be so.
    let mut known = varied(Verdict::Fail);
    hold(&mut known, &entry("STP-001-a", "*", ""));
    assert_eq!(known.exit_code(), ExitCode::Conformant);
}

#[test]
fn a_baseline_is_read_strictly_and_told_by_its_line() {
    let good = entry("STP-001-a", "*", "issue = \"#7\"\nexpires = 2026-12-31");
    let baseline = Baseline::read("b.toml", &format!("# top\n\n{good}")).expect("reads");
    assert_eq!(
        baseline.entries,
        [Entry {
            line: 3,
            case: "STP-001-a".into(),
            check: "*".into(),
            reason: "why".into(),
            issue: Some("#7".into()),
            expires: Some("2026-12-31".into()),
        }]
    );
    assert_eq!(Baseline::read("b.toml", "").expect("empty").entries, []);
    for (text, line, told) in [
        (
            "[[expected]]\ncase = \"a\"\ncheck = \"*\"".to_owned(),
            Some(1),
            "reason",
        ),
        (entry("a", "*", "owner = \"me\""), Some(5), "owner"),
        (entry("a", "*", "expires = 2026-02-30"), None, ""),
        (entry("a", "*", "expires = \"soon\""), Some(5), "2026-12-31"),
        (
            entry("a", "*", "expires = 2026-12-31T10:00:00Z"),
            Some(5),
            "2026-12-31",
        ),
        (
            entry("a", "*", "expires = 10:00:00.5"),
            Some(5),
            "2026-12-31",
        ),
        (
            entry("a", "*", "expires = \"2026-02-30\""),
            Some(5),
            "2026-12-31",
        ),
        (
            entry("a", "*", "expires = \"20261231\""),
            Some(5),
            "2026-12-31",
        ),
        (entry("", "*", ""), Some(2), "'case' is empty"),
        (entry("a", "pass", ""), Some(3), "no failure"),
        (entry("a", "fail", ""), Some(3), "as the terminal prints it"),
        (
            entry("a", "harness_error", ""),
            Some(3),
            "cannot be expected",
        ),
        (entry("a", "steps_done", ""), Some(3), "<where> <pointer>"),
        (
            entry("a", "*", "") + &entry("a", "step 1 /x", ""),
            Some(6),
            "by line 1 already",
        ),
        (
            entry("a", "step 1 /x", "") + &entry("a", "*", ""),
            Some(6),
            "by line 1 already",
        ),
        (
            entry("a", "*", "") + &entry("a", "*", ""),
            Some(6),
            "by line 1 already",
        ),
        ("[expected]\n".to_owned(), Some(1), ""),
        ("[[expect]]\n".to_owned(), Some(1), "expect"),
        ("x = \u{1}".to_owned(), Some(1), ""),
        ("#".repeat(MOST_BYTES + 1), None, "larger"),
    ] {
        let error = Baseline::read("b.toml", &text).expect_err(&text);
        if line.is_some() {
            assert_eq!(error.line, line, "{error}");
        }
        assert!(
            error.to_string().starts_with("b.toml") && error.to_string().contains(told),
            "{error}"
        );
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}
