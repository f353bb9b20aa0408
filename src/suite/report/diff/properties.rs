//! A comparison of two reports reads the same from both sides.

use proptest::prelude::*;

use super::{Change, Changes, diff};
use crate::json::properties::cases;
use crate::requirement::{Level, Profile};
use crate::suite::report::{CaseReport, Report, RequirementReport};
use crate::suite::verdict::Verdict;

const VERDICTS: [Verdict; 8] = [
    Verdict::Pass,
    Verdict::Fail,
    Verdict::Warn,
    Verdict::NotApplicable,
    Verdict::NotObserved,
    Verdict::NotImplemented,
    Verdict::SetupFailed,
    Verdict::HarnessError,
];

/// A report with a verdict for some of six cases, and a requirement for each.
fn any_report() -> impl Strategy<Value = Report> {
    let verdict = proptest::option::of(proptest::sample::select(VERDICTS.to_vec()));
    proptest::collection::vec(verdict, 6).prop_map(|verdicts| {
        let all = verdicts
            .into_iter()
            .enumerate()
            .filter_map(|(index, verdict)| Some((index, verdict?)));
        let (cases, requirements) = all
            .map(|(index, verdict)| {
                let requirement = format!("STP-00{index}");
                let case = CaseReport {
                    id: format!("{requirement}-x"),
                    title: "t".to_owned(),
                    file: String::new(),
                    requirements: vec![requirement.clone()],
                    profile: Profile::Session,
                    verdict,
                    mismatches: Vec::new(),
                    assertions: 1,
                    reason: None,
                    leaves_open: Vec::new(),
                    expected: false,
                };
                let requirement = RequirementReport {
                    id: requirement,
                    level: Level::Must,
                    profile: Profile::Session,
                    verdict,
                };
                (case, requirement)
            })
            .unzip();
        let mut report =
            crate::suite::report::read(include_bytes!("../tests/small.json")).expect("reads");
        report.cases = cases;
        report.requirements = requirements;
        report
    })
}

fn backwards(changes: &[Change]) -> Vec<Change> {
    let turned = changes.iter().map(|change| Change {
        id: change.id.clone(),
        before: change.after,
        after: change.before,
    });
    turned.collect()
}

fn count(changes: &Changes) -> usize {
    changes.better.len()
        + changes.worse.len()
        + changes.other.len()
        + changes.new.len()
        + changes.gone.len()
        + changes.same
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn a_report_does_not_differ_from_itself(report in any_report()) {
        let own = diff(&report, &report);
        for changes in [&own.cases, &own.requirements] {
            prop_assert_eq!(count(changes), changes.same);
        }
        prop_assert!(!own.is_worse() && own.notes.is_empty());
    }

    #[test]
    fn better_one_way_is_worse_the_other(before in any_report(), after in any_report()) {
        let (there, back) = (diff(&before, &after), diff(&after, &before));
        for (there, back) in [(&there.cases, &back.cases), (&there.requirements, &back.requirements)] {
            prop_assert_eq!(&there.better, &backwards(&back.worse));
            prop_assert_eq!(&there.worse, &backwards(&back.better));
            prop_assert_eq!(&there.new, &backwards(&back.gone));
            prop_assert_eq!(&there.gone, &backwards(&back.new));
            prop_assert_eq!(there.same, back.same);
        }
        let lost = before.cases.iter().filter(|case| case.verdict == Verdict::Pass);
        let lost = lost.filter(|case| after.cases.iter().any(|later| later.id == case.id && later.verdict == Verdict::Fail));
        for case in lost {
            prop_assert!(there.is_worse() && there.cases.worse.iter().any(|change| change.id == case.id), "{} got worse", case.id);
        }
    }

    /// Nobody is forgotten, and nobody counted twice.
    #[test]
    fn every_case_is_told_once(before in any_report(), after in any_report()) {
        let mut ids: Vec<&str> = before.cases.iter().chain(&after.cases).map(|case| case.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        prop_assert_eq!(count(&diff(&before, &after).cases), ids.len());
    }
}
