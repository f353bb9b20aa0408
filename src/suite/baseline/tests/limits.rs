//! What a baseline may hold, to the last one of each.

use super::*;

#[test]
fn as_many_bytes_as_there_may_be() {
    let most = "#".repeat(MOST_BYTES);
    assert_eq!(Baseline::read("b", &most).expect("reads").entries, []);
    let error = Baseline::read("b", &(most + "#")).expect_err("too large");
    assert_eq!(error.to_string(), "b: it is larger than 4194304 bytes");
}

#[test]
fn as_many_entries_as_there_may_be() {
    let with = |count: usize| -> String {
        let cases = (0..count).map(|index| entry(&format!("STP-001-{index}"), "*", ""));
        cases.collect()
    };
    let most = Baseline::read("b", &with(MOST_ENTRIES)).expect("reads");
    assert_eq!(most.entries.len(), MOST_ENTRIES);
    assert_eq!(
        most.entries.last().map(|last| last.line),
        Some((MOST_ENTRIES - 1) * 5 + 1)
    );
    for more in [1, 2] {
        let error = Baseline::read("b", &with(MOST_ENTRIES + more)).expect_err("too many");
        assert_eq!(error.to_string(), "b: it has more than 20000 entries");
    }
}

#[test]
fn as_long_a_text_as_there_may_be() {
    let with = |count: usize| entry(&"é".repeat(count), "*", "");
    assert!(Baseline::read("b", &with(4096)).is_ok());
    let error = Baseline::read("b", &with(4097)).expect_err("too long");
    assert_eq!(
        error.to_string(),
        "b:2: 'case' has more than 4096 characters"
    );
}

#[test]
fn the_entries_of_one_case() {
    let text = entry("STP-001-a", "step 1 /x", "")
        + &entry("STP-001-b", "*", "")
        + &entry("STP-001-a", "step 2 /x", "");
    let baseline = Baseline::read("b", &text).expect("reads");
    let lines = |case: &str| -> Vec<usize> { baseline.of(case).map(|entry| entry.line).collect() };
    assert_eq!(
        (lines("STP-001-a"), lines("STP-001-b"), lines("STP-001-c")),
        (vec![1, 11], vec![6], vec![])
    );
}
