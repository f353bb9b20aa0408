//! A baseline that was written of a report expects just that report: written, read, applied, written again and pruned.

use std::collections::BTreeSet;

use jiff::civil::date;
use proptest::prelude::*;

use super::super::edit::{Terms, init, prune, update};
use super::{Baseline, CaseReport, Kind, Universe, Verdict, apply, case, report};
use crate::json::properties::{any_text, cases};

const IDS: [&str; 5] = [
    "STP-001-a",
    "STP-001-b",
    "STP-001-c",
    "STP-001-d",
    "STP-001-e",
];

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        4 => Just(Verdict::Fail),
        2 => Just(Verdict::Pass),
        1 => Just(Verdict::Warn),
        1 => Just(Verdict::SetupFailed),
        1 => Just(Verdict::NotObserved),
    ]
}

/// Cases, each with a verdict and, where it failed, checks with any text in them.
fn any_cases() -> impl Strategy<Value = Vec<CaseReport>> {
    let checks = proptest::collection::btree_set((any_text(), any_text()), 1..4);
    proptest::collection::vec((verdict(), checks), IDS.len()).prop_map(|all| {
        let cases = IDS.iter().zip(all).map(|(id, (verdict, checks))| {
            let checks: Vec<(String, String)> = checks
                .into_iter()
                .map(|(place, at)| (format!("step {place}"), format!("/{at}")))
                .collect();
            let checks: Vec<(&str, &str)> = checks
                .iter()
                .map(|(place, at)| (place.as_str(), at.as_str()))
                .collect();
            match verdict {
                Verdict::Fail | Verdict::Warn => case(id, verdict, &checks),
                _ => case(id, verdict, &[]),
            }
        });
        cases.collect()
    })
}

fn terms(whole: bool) -> Terms {
    Terms {
        reason: Some("comes \"later\"\u{1f600}".into()),
        warnings: true,
        whole,
        ..Terms::default()
    }
}

fn universe() -> Universe {
    IDS.into_iter().collect()
}

/// What is wrong with a baseline when this was run.
fn told(cases: Vec<CaseReport>, text: &str) -> Vec<(Kind, Option<String>)> {
    let mut report = report(cases);
    let baseline = Baseline::read("oap-baseline.toml", text).expect("what was written is read");
    apply(&mut report, &baseline, &universe(), date(2026, 4, 2));
    let problems = report.baseline.expect("applied").problems;
    let problems = problems
        .into_iter()
        .filter(|problem| problem.kind != Kind::Claimed);
    problems
        .map(|problem| (problem.kind, problem.case))
        .collect()
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn what_was_written_expects_what_was_seen(cases in any_cases(), whole: bool) {
        let added = init(&report(cases.clone()), &terms(whole)).expect("written");
        prop_assert_eq!(told(cases.clone(), &added.text), vec![]);
        let read = Baseline::read("oap-baseline.toml", &added.text).expect("read");
        let entries: Vec<(String, String)> = read.entries.iter().map(|entry| (entry.case.clone(), entry.check.clone())).collect();
        prop_assert_eq!(&entries, &added.entries);
        let reason = terms(whole).reason.expect("a reason");
        prop_assert!(read.entries.iter().all(|entry| entry.reason == reason));
        let failed: BTreeSet<&str> = cases.iter().filter(|case| case.verdict != Verdict::Pass).map(|case| case.id.as_str()).collect();
        let named: BTreeSet<&str> = entries.iter().map(|(case, _)| case.as_str()).collect();
        prop_assert_eq!(named, failed);
    }

    #[test]
    fn neither_an_update_nor_a_prune_has_anything_left_to_do(cases in any_cases(), whole: bool) {
        let judged = report(cases);
        let added = init(&judged, &terms(whole)).expect("written");
        let again = update("b", &added.text, &judged, &Terms { reason: None, ..terms(whole) }).expect("nothing needs a reason");
        prop_assert_eq!((again.text.as_str(), again.entries.len()), (added.text.as_str(), 0));
        let pruned = prune("b", &added.text, &judged, &universe()).expect("pruned");
        prop_assert_eq!((pruned.text.as_str(), pruned.entries.len()), (added.text.as_str(), 0));
    }

    /// From the failures of one run to those of another: update adds what is new, prune takes what is done, and what is left fits.
    #[test]
    fn from_one_run_to_the_next(before in any_cases(), after in any_cases()) {
        let first = init(&report(before), &terms(false)).expect("written");
        let next = report(after.clone());
        let more = update("b", &first.text, &next, &terms(false)).expect("updated");
        let left = prune("b", &more.text, &next, &universe()).expect("pruned");
        prop_assert_eq!(told(after.clone(), &left.text), vec![]);
        let fresh = init(&next, &terms(false)).expect("written");
        let entries = |text: &str| -> BTreeSet<(String, String)> {
            let read = Baseline::read("b", text).expect("read");
            read.entries.into_iter().map(|entry| (entry.case, entry.check)).collect()
        };
        prop_assert_eq!(entries(&left.text), entries(&fresh.text));
    }

    #[test]
    fn a_failure_more_or_less_is_told(cases in any_cases(), pick in 0_usize..5) {
        let added = init(&report(cases.clone()), &terms(false)).expect("written");
        let mut other = cases;
        let was = other[pick].clone();
        let failed = was.verdict != Verdict::Pass;
        other[pick] = if failed {
            case(&was.id, Verdict::Pass, &[])
        } else {
            case(&was.id, Verdict::Fail, &[("step 9", "/new")])
        };
        let mut judged = report(other.clone());
        apply(&mut judged, &Baseline::read("b", &added.text).expect("read"), &universe(), date(2026, 4, 2));
        // A failure that no entry is about is one like any other; a debt that is paid has to go.
        prop_assert!(judged.cases.iter().all(|case| case.id != was.id || !case.expected));
        let problems = told(other, &added.text);
        prop_assert_eq!(problems.is_empty(), !failed);
        for problem in problems {
            prop_assert_eq!(problem, (Kind::SurprisePass, Some(was.id.clone())));
        }
    }
}
