//! Laws of the merge: outputs laid over an environment one after the other.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{lay_over, merge};
use crate::json::properties::{any_text, any_value, cases};
use crate::runtime::fixture::action;

fn members() -> impl Strategy<Value = Map<String, Value>> {
    proptest::collection::vec((any_text(), any_value()), 0..5)
        .prop_map(|members| members.into_iter().collect())
}

fn laid(environment: &Map<String, Value>, output: &Value) -> Map<String, Value> {
    let mut environment = environment.clone();
    lay_over(&mut environment, "probe", output);
    environment
}

/// The members of both; those of the later one win, whole.
fn union(one: &Map<String, Value>, other: &Map<String, Value>) -> Map<String, Value> {
    let mut both = one.clone();
    both.extend(other.clone());
    both
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn nothing_laid_over_changes_nothing(environment in members()) {
        prop_assert_eq!(laid(&environment, &json!({})), environment);
    }

    #[test]
    fn the_same_once_more_changes_nothing(environment in members(), output in any_value()) {
        let once = laid(&environment, &output);
        prop_assert_eq!(laid(&once, &output), once);
    }

    #[test]
    fn one_after_the_other_is_both_at_once(environment in members(), one in members(), other in members()) {
        let in_turn = laid(&laid(&environment, &one.clone().into()), &other.clone().into());
        let at_once = laid(&environment, &union(&one, &other).into());
        prop_assert_eq!(in_turn, at_once);
    }

    /// Unlike RFC 7396: a member is replaced whole, and null is a value.
    #[test]
    fn what_an_output_says_stands_as_it_says_it(environment in members(), output in any_value()) {
        let after = laid(&environment, &output);
        let expected = match &output {
            Value::Object(members) => members.clone(),
            other => Map::from_iter([("probe".to_owned(), other.clone())]),
        };
        for (name, value) in &expected {
            prop_assert_eq!(after.get(name), Some(value));
        }
        for (name, value) in &after {
            let from = expected.get(name).or_else(|| environment.get(name));
            prop_assert_eq!(from, Some(value), "{} comes from nowhere", name);
        }
        prop_assert!(environment.keys().all(|name| after.contains_key(name)), "a member is gone");
    }

    #[test]
    fn an_observation_is_the_fold_of_its_outputs(first in members(), outputs in proptest::collection::vec(any_value(), 0..5)) {
        let probe = action("probe", &json!({}));
        let mut observation = json!({"user_context": {"user_id": "u"}, "environment": first.clone()});
        for output in &outputs {
            observation = merge(&observation, &probe, output).expect("nothing is in the way");
        }
        let folded = outputs.iter().fold(first, |environment, output| laid(&environment, output));
        prop_assert_eq!(observation, json!({"user_context": {"user_id": "u"}, "environment": folded}));
    }

    #[test]
    fn a_result_path_puts_the_output_there_and_nothing_elsewhere(environment in members(), output in any_value(), deep: bool) {
        let target = if deep { "/environment/x-y/z" } else { "/environment/x-y" };
        let probe = action("probe", &json!({"result_path": target}));
        let before = json!({"environment": environment});
        let after = merge(&before, &probe, &output).expect("nothing is in the way");
        prop_assert_eq!(after.pointer(target), Some(&output));
        let mut rest = after.clone();
        rest["environment"].as_object_mut().expect("an object").shift_remove("x-y");
        prop_assert_eq!(&rest, &before);
        prop_assert_eq!(merge(&after, &probe, &output).expect("once more"), after);
    }

    #[test]
    fn order_of_members_does_not_matter(environment in members(), output in any_value(), by in 0_usize..6) {
        let turned = crate::json::properties::reordered(&output, by);
        prop_assert_eq!(laid(&environment, &output), laid(&environment, &turned));
    }
}
