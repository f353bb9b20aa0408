//! What people are told of a baseline, word by word.

use super::*;

fn told(cases: Vec<CaseReport>, text: &str) -> Vec<String> {
    let baseline = judged(cases, text).baseline.expect("applied");
    let problems = baseline.problems.into_iter();
    problems.map(|problem| problem.message).collect()
}

#[test]
fn one_entry_to_take_out_or_several() {
    let passing = || vec![case("STP-001-a", Verdict::Pass, &[])];
    let one = entry("STP-001-a", "step 1 /x", "");
    assert_eq!(
        told(passing(), &one),
        ["STP-001-a passes now; run 'oap-conform baseline prune', or take the entry out"]
    );
    let two = one + &entry("STP-001-a", "step 2 /x", "");
    assert_eq!(
        told(passing(), &two),
        ["STP-001-a passes now; run 'oap-conform baseline prune', or take its 2 entries out"]
    );
}

#[test]
fn new_checks_are_named_the_first_three_of_them() {
    let with = |count: usize| {
        let pointers: Vec<String> = (0..count).map(|index| format!("/{index}")).collect();
        let mut checks: Vec<(&str, &str)> = vec![("calendar", "/calls")];
        checks.extend(pointers.iter().map(|pointer| ("step 1", pointer.as_str())));
        let failing = vec![case("STP-001-a", Verdict::Fail, &checks)];
        told(failing, &entry("STP-001-a", "calendar /calls", "")).remove(0)
    };
    for (count, names) in [
        (1, "'step 1 /0'"),
        (2, "'step 1 /0' and 'step 1 /1'"),
        (3, "'step 1 /0' and 'step 1 /1' and 'step 1 /2'"),
        (5, "'step 1 /0', 'step 1 /1', 'step 1 /2' and 2 more"),
    ] {
        assert_eq!(
            with(count),
            format!(
                "STP-001-a also fails at {names}, which no entry expects; mend it, or run 'oap-conform baseline update'"
            )
        );
    }
}

#[test]
fn a_core_of_which_nothing_is_there() {
    let mut core = failing("STP-001-a");
    core.profile = Profile::Core;
    assert_eq!(
        told(vec![core], &entry("STP-001-a", "*", "")),
        [
            "each of the 1 cases of core is baselined; what fails all of it is no runtime of this protocol"
        ]
    );
}

#[test]
fn a_report_tells_the_baseline_that_it_was_made_with() {
    let text = entry("STP-001-a", "*", "");
    let report = judged(vec![failing("STP-001-a")], &text);
    let baseline = Baseline::read("oap-baseline.toml", &text).expect("reads");
    assert_eq!(report.baseline.expect("applied").baseline(), baseline);
}

#[test]
fn a_failure_without_a_mismatch_is_called_by_its_verdict() {
    for (verdict, name) in [(Verdict::Fail, "fail"), (Verdict::Warn, "warn")] {
        let bare = case("STP-001-a", verdict, &[]);
        assert_eq!(checks(&bare), BTreeSet::from([name.to_owned()]));
    }
}

#[test]
fn why_a_baseline_cannot_be_edited() {
    let unreadable = Baseline::read("b", "x").expect_err("no TOML");
    let sentence = unreadable.to_string();
    assert!(sentence.starts_with("b:1: "), "{sentence}");
    for (error, told) in [
        (EditError::Unreadable(unreadable), sentence.as_str()),
        (
            EditError::NoReason(2),
            "2 new entries need a reason; give it with --reason 'why these failures are accepted'",
        ),
        (
            EditError::Form("b".into()),
            "b: the entries cannot be edited as they stand; write each below its own [[expected]]",
        ),
    ] {
        assert_eq!(error.to_string(), told);
    }
}

#[test]
fn a_day_is_that_of_the_clock() {
    assert!(today() > date(2026, 1, 1));
}
