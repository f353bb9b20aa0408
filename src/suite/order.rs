//! What the seed of a run decides: the tokens, and the order in which cases start.

use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::case::Case;

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
}
