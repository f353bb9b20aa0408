//! What the seed of a run decides: the tokens, and the order in which cases start.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::case::Case;

/// About how long targets wait for a service that never answers, in milliseconds.
const IN_VAIN: u64 = 1000;

/// The token of one run of a case: the seed decides it, and no other case or repetition shares it.
pub fn token(seed: u64, iteration: usize, id: &str) -> String {
    let sum = Sha256::digest(format!("{seed}/{iteration}/{id}").as_bytes());
    let mut token = String::from("oapt");
    for byte in sum.iter().take(8) {
        // Writing to a string cannot fail.
        let _ = write!(token, "{byte:02x}");
    }
    token
}

/// The cases in an order that the seed decides: Fisher and Yates, with SplitMix64.
pub fn shuffled(cases: &[Arc<Case>], seed: u64) -> Vec<Arc<Case>> {
    let mut order = cases.to_vec();
    let mut state = seed;
    for last in (1..order.len()).rev() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        order.swap(
            last,
            usize::try_from(mixed % (last as u64 + 1)).unwrap_or(0),
        );
    }
    order
}

/// Moves the cases that wait longest to the end, from where they are taken: were one of them started last, the run would do
/// nothing but wait for it.
pub fn longest_last(cases: &mut [Arc<Case>]) {
    cases.sort_by_cached_key(|case| {
        let manifest = case.manifest_changes().unwrap_or_default();
        let actions = manifest.action_patch.values().chain(&manifest.add_actions);
        actions
            .map(waits)
            .fold(waits(&case.script()), u64::saturating_add)
    });
}

/// How long a script or an action says that something waits, in milliseconds. Limits are no waits.
fn waits(value: &Value) -> u64 {
    match value {
        Value::Array(items) => items.iter().map(waits).fold(0, u64::saturating_add),
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| match name.as_str() {
                "delay_ms" | "window_ms" => member.as_u64().unwrap_or(0),
                "fault" if member == "timeout" => IN_VAIN,
                _ => waits(member),
            })
            .fold(0, u64::saturating_add),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tokens_depend_on_seed_repetition_and_case() {
        let one = token(1, 0, "a");
        assert_eq!(one, token(1, 0, "a"));
        assert!(one.starts_with("oapt") && one.len() == 20);
        let others = [token(2, 0, "a"), token(1, 1, "a"), token(1, 0, "b")];
        assert!(others.iter().all(|other| *other != one));
    }

    #[test]
    fn an_order_is_a_permutation_that_the_seed_decides() {
        let cases: Vec<Arc<Case>> = (0..20)
            .map(|index| {
                serde_json::from_value(json!({"id": format!("STP-001-c{index}"), "title": "t", "requirements": ["STP-001"],
                    "manifest": "none", "steps": [{"step": {}}]}))
                .map(Arc::new)
                .expect("a case")
            })
            .collect();
        let ids = |seed| -> Vec<String> {
            shuffled(&cases, seed)
                .iter()
                .map(|case| case.id.clone())
                .collect()
        };
        assert_eq!(ids(1), ids(1));
        assert_ne!(ids(1), ids(2));
        let mut sorted = ids(1);
        sorted.sort();
        let mut all: Vec<String> = cases.iter().map(|case| case.id.clone()).collect();
        all.sort();
        assert_eq!(sorted, all);
    }

    #[test]
    fn whoever_waits_is_taken_first_and_the_others_keep_their_order() {
        let case = |slug: &str, model: serde_json::Value, add: serde_json::Value| -> Arc<Case> {
            serde_json::from_value(json!({"id": format!("STP-001-{slug}"), "title": "t", "requirements": ["STP-001"],
                "model": model, "manifest": {"use": "control", "add_actions": add}, "steps": [{"step": {}}]}))
            .map(Arc::new)
            .expect("a case")
        };
        let mut cases = [
            case("silent", json!([{"fault": "timeout"}]), json!([])),
            case("b", json!([{"fault": "disconnect"}]), json!([])),
            case(
                "late",
                json!([{"plan": {}, "delay_ms": 300}, {"delay_ms": 900}]),
                json!([]),
            ),
            case("a", json!([]), json!([{"timeout_ms": 9000}])),
            case("window", json!([]), json!([{"batch": {"window_ms": 500}}])),
        ];
        longest_last(&mut cases);
        let order: Vec<&str> = cases.iter().map(|case| &case.id[8..]).collect();
        assert_eq!(order, ["b", "a", "window", "silent", "late"]);
    }
}
