//! Writing baselines: new ones, more entries, fewer entries.

use jiff::civil::date;

use super::*;

fn terms() -> Terms {
    Terms {
        reason: Some("approvals come later".into()),
        issue: Some("#7".into()),
        expires: Some(date(2026, 12, 31)),
        ..Terms::default()
    }
}

#[test]
fn a_new_baseline_expects_just_what_failed() {
    let cases = || {
        vec![
            case(
                "STP-001-a",
                Verdict::Fail,
                &[
                    ("step 1", "/a\"b\\c\u{1b}"),
                    ("step 1", "/a\"b\\c\u{1b}"),
                    ("x", ""),
                ],
            ),
            case("STP-001-b", Verdict::SetupFailed, &[]),
            case("STP-001-c", Verdict::Pass, &[]),
            case("STP-001-elsewhere", Verdict::Warn, &[("step 1", "")]),
        ]
    };
    let added = init(&report(cases()), &terms()).expect("written");
    assert_eq!(added.entries.len(), 3, "{added:?}");
    assert!(added.text.starts_with("# Failures that are known"));
    assert!(
        added.text.contains("\nexpires = 2026-12-31\n"),
        "{}",
        added.text
    );
    let report = judged(cases(), &added.text);
    assert_eq!(problems(&report), []);
    assert_eq!(
        report.baseline.as_ref().expect("applied").expected,
        ["STP-001-a", "STP-001-b"]
    );
    let baseline = report.baseline.expect("applied");
    assert_eq!(baseline.entries[2].check, "setup_failed");
    assert_eq!(baseline.entries[0].expires.as_deref(), Some("2026-12-31"));
    // With warnings too.
    let warned = Terms {
        warnings: true,
        ..terms()
    };
    let added = init(&self::report(cases()), &warned).expect("written");
    assert_eq!(added.entries.len(), 4);
}

#[test]
fn a_reason_is_needed_for_what_is_new_and_for_nothing_else() {
    let none = Terms {
        reason: Some("  ".into()),
        ..Terms::default()
    };
    let bad = report(vec![failing("STP-001-a")]);
    assert_eq!(init(&bad, &none), Err(EditError::NoReason(1)));
    let good = report(vec![case("STP-001-a", Verdict::Pass, &[])]);
    assert!(init(&good, &none).expect("written").entries.is_empty());
    let text = entry("STP-001-a", "*", "");
    assert_eq!(update("b", &text, &bad, &none).expect("kept").text, text);
}

const KEPT: &str = "\
# Ours.

# First things.
[[expected]]
check = \"step 2 (step) /body/steps_done\" # odd order
case = \"STP-001-b\"
reason = '''b is
late'''

# about c
[[expected]]
case = \"STP-001-c\"
check = \"*\"
reason = \"c\"
# the end
";

#[test]
fn an_update_keeps_what_people_wrote() {
    let bad = report(vec![
        failing("STP-001-a"),
        failing("STP-001-b"),
        failing("STP-001-c"),
    ]);
    let added = update("b", KEPT, &bad, &terms()).expect("updated");
    assert_eq!(added.entries, [("STP-001-a".to_owned(), CHECK.to_owned())]);
    let kept = KEPT.trim_end().trim_end_matches("# the end").trim_end();
    assert!(added.text.starts_with(kept), "{}", added.text);
    for part in ["# the end", "case = \"STP-001-a\"", "# odd order"] {
        assert!(added.text.contains(part), "{part}\n{}", added.text);
    }
    // One for a whole case only where the case has none yet.
    let whole = Terms {
        whole: true,
        ..terms()
    };
    let mut worse = bad.clone();
    worse.cases[1].mismatches.push(mismatch("step 9", ""));
    let found = update("b", KEPT, &worse, &whole).expect("updated").entries;
    assert_eq!(
        found,
        [("STP-001-a", "*"), ("STP-001-b", "step 9 (whole)")]
            .map(|(case, check)| (case.to_owned(), check.to_owned()))
    );
    let again = update("b", &added.text, &bad, &terms()).expect("updated");
    assert_eq!((again.text, again.entries), (added.text, Vec::new()));
}

#[test]
fn pruning_takes_out_what_is_done_and_leaves_the_rest() {
    let universe: Universe = ["STP-001-a", "STP-001-b", "STP-001-c"]
        .into_iter()
        .collect();
    let now = |b, c| {
        report(vec![
            if b {
                failing("STP-001-b")
            } else {
                case("STP-001-b", Verdict::Pass, &[])
            },
            if c {
                failing("STP-001-c")
            } else {
                case("STP-001-c", Verdict::Pass, &[])
            },
        ])
    };
    let pruned = |report: &Report| prune("b", KEPT, report, &universe).expect("pruned");
    assert_eq!(pruned(&now(true, true)).text, KEPT);
    let first = pruned(&now(false, true));
    assert_eq!(first.entries, [("STP-001-b".to_owned(), CHECK.to_owned())]);
    assert_eq!(
        first.text,
        "# Ours.\n\n# about c\n[[expected]]\ncase = \"STP-001-c\"\ncheck = \"*\"\nreason = \"c\"\n# the end\n"
    );
    let second = pruned(&now(true, false));
    assert!(second.text.contains("# odd order") && !second.text.contains("STP-001-c"));
    assert!(second.text.contains("# the end"));
    let none = pruned(&now(false, false));
    assert_eq!(none.entries.len(), 2);
    assert_eq!(none.text, "# Ours.\n# the end\n");
    // Overdue is not done; who fails must stay visible.
    let old = entry("STP-001-b", "*", "expires = 2020-01-01");
    let kept = prune("b", &old, &now(true, true), &universe).expect("pruned");
    assert_eq!(kept.text, old);
    // No such case.
    let stranger = entry("STP-009-x", "*", "");
    let left = prune("b", &stranger, &now(true, true), &universe).expect("pruned");
    assert!(!left.text.contains("expected"), "{}", left.text);
}

#[test]
fn entries_in_another_form_are_read_and_not_edited() {
    let inline = "expected = [{ case = \"STP-001-b\", check = \"*\", reason = \"r\" }]\n";
    assert_eq!(Baseline::read("b", inline).expect("reads").entries.len(), 1);
    let bad = report(vec![failing("STP-001-a")]);
    assert_eq!(
        update("b", inline, &bad, &terms()),
        Err(EditError::Form("b".into()))
    );
    let empty = update("b", "expected = []\n", &bad, &terms()).expect("updated");
    assert!(empty.text.contains("[[expected]]"), "{}", empty.text);
}
