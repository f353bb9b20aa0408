//! Freezing, checking and judging by revisions.

use super::*;
use serde_json::json;

fn registry(entries: &[(&str, &str, &str)]) -> Registry {
    let text: String = entries
        .iter()
        .map(|(id, level, more)| {
            format!(
                "[[requirement]]\nid=\"{id}\"\nlevel=\"{level}\"\nprofile=\"session\"\njudged=\"live\"\n{more}\n"
            )
        })
        .collect();
    let mut registry = Registry::default();
    registry.add_section("steps", &text, "one two three");
    assert!(registry.problems().is_empty(), "{:?}", registry.problems());
    registry
}

const TWO: [(&str, &str, &str); 2] = [
    ("STP-001", "MUST", "quote=\"one two\""),
    ("STP-002", "SHOULD", "quote=\"three\""),
];

fn case(id: &str) -> Case {
    serde_json::from_value(json!({
        "id": id, "title": "t", "requirements": [&id[..7]], "manifest": "none",
        "steps": [{"step": {}, "expect": {"status": 200}}]
    }))
    .expect("a case")
}

fn frozen() -> (Revision, Registry, Vec<Case>) {
    let (registry, cases) = (registry(&TWO), vec![case("STP-002-b"), case("STP-001-a")]);
    let revision = Revision::of("2.0", "2026-04-02", &registry, &cases);
    (revision, registry, cases)
}

#[test]
fn a_revision_survives_its_file() {
    let (revision, registry, cases) = frozen();
    assert_eq!(revision.cases, ["STP-001-a", "STP-002-b"]);
    // SHA-256 of "one two", by sha256sum.
    assert_eq!(
        revision.requirements[0].quote,
        "8ab63e29a4ba14e4e1688f9c15e5af90895421358c945b0431f85d66977bd3d2"
    );
    let read = Revision::read("2.0", &revision.text()).expect("reads");
    assert_eq!(read, revision);
    assert_eq!(read.problems(&registry, &cases), [] as [String; 0]);
    assert!(Revision::read("2.1", &revision.text()).is_err());
    assert!(Revision::read("2.0", "revision = \"2.0\"\nowner = 1").is_err());
    assert!(Revision::read("2.0", &"#".repeat(MOST_BYTES + 1)).is_err());
}

#[test]
fn what_is_excluded_pending_or_a_draft_does_not_count() {
    let registry = registry(&[
        TWO[0],
        ("STP-003", "MUST", "quote=\"one\"\nexclusion=\"unseen\""),
        ("STP-004", "SHOULD", "quote=\"one\"\npending=true"),
    ]);
    let mut draft = case("STP-001-draft");
    draft.needs = vec![Profile::Draft21];
    let cases = [case("STP-001-a"), case("STP-003-b"), draft];
    let revision = Revision::of("2.0", "2026-04-02", &registry, &cases);
    assert_eq!(revision.ids(), BTreeSet::from(["STP-001"]));
    assert_eq!(revision.cases, ["STP-001-a"]);
}

#[test]
fn nothing_that_counted_may_change() {
    let (revision, _, cases) = frozen();
    let second = TWO[1];
    for (first, told) in [
        (("STP-003", "MUST", "quote=\"one\""), "STP-001 is gone"),
        (
            ("STP-001", "MAY", "quote=\"one two\""),
            "was MUST, and is MAY",
        ),
        (
            ("STP-001", "MUST", "quote=\"one\""),
            "quotes another sentence",
        ),
        (
            ("STP-001", "MUST", "quote=\"one two\"\nexclusion=\"x\""),
            "was judged",
        ),
    ] {
        let problems = revision.problems(&registry(&[first, second]), &cases);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(told), "{problems:?}");
    }
    // A new requirement and a rewrapped sentence are no change.
    let more = registry(&[
        ("STP-001", "MUST", "quote=\"one\\n two\""),
        second,
        ("STP-009", "MUST", "quote=\"one\""),
    ]);
    assert_eq!(revision.problems(&more, &cases), [] as [String; 0]);
    let problems = revision.problems(&registry(&TWO), &cases[..1]);
    assert!(problems[0].contains("STP-001-a is gone"), "{problems:?}");
}

#[test]
fn a_file_that_was_edited_is_found() {
    let (revision, registry, cases) = frozen();
    let mut edited = Vec::new();
    for part in 0..4 {
        let mut other = revision.clone();
        match part {
            0 => drop(other.cases.remove(0)),
            1 => drop(other.requirements.remove(0)),
            2 => other.released = "2026-04-03".into(),
            _ => other.digest = "0".repeat(64),
        }
        edited.push(other);
    }
    for other in edited {
        let problems = other.problems(&registry, &cases);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains("restore spec/revisions/2.0.toml"));
    }
}

#[test]
fn only_what_was_frozen_counts_against_a_case() {
    let (revision, _, _) = frozen();
    let mismatch = |cites: &[&str]| Mismatch {
        cites: cites.iter().map(|id| (*id).to_owned()).collect(),
        place: "step 1".into(),
        pointer: String::new(),
        expected: json!(1),
        got: json!(2),
        message: String::new(),
        no_answer: false,
    };
    let counted = revision.counted(vec![
        mismatch(&["STP-009"]),
        mismatch(&["STP-009", "STP-002"]),
    ]);
    assert_eq!(counted.len(), 1);
    assert_eq!(counted[0].cites, ["STP-002"]);
}

#[test]
fn names_are_numbers_with_dots() {
    for name in ["2.0", "2.1", "10.0.3"] {
        assert!(is_name(name), "{name}");
    }
    for name in [
        "", "2", "2.", ".0", "../2.0", "2.0/x", "2.0-rc", "1.2.3.4", "2.99999",
    ] {
        assert!(!is_name(name), "{name}");
    }
    assert!(Revision::named("../README").is_err() && Revision::named("9.9").is_err());
}

#[test]
fn the_revisions_of_this_repository_hold() {
    let registry = Registry::embedded();
    let cases = crate::suite::load::embedded_cases(registry).expect("cases");
    assert_eq!(problems(registry, &cases), [] as [String; 0]);
}
