mod messages;

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn fits(source: Value, observed: Value) -> bool {
    check(&source, Some(&observed))
        .expect("compiles")
        .differences
        .is_empty()
}

#[test]
fn plain_values() {
    assert!(fits(json!(1), json!(1.0)));
    assert!(!fits(json!(1), json!(true)));
    assert!(!fits(json!("1"), json!(1)));
    assert!(fits(json!(null), json!(null)));
    assert!(fits(json!({"a": 1}), json!({"a": 1, "b": 2})));
    assert!(!fits(json!({"a": 1}), json!({"b": 1})));
    assert!(!fits(json!({"a": null}), json!({})));
    assert!(fits(json!([1, {"a": 2}]), json!([1, {"a": 2, "b": 3}])));
    assert!(!fits(json!([1]), json!([1, 2])));
    assert!(!fits(json!([]), json!([1])));
    assert!(!fits(json!({}), json!([])));
    assert!(fits(json!({}), json!({"a": 1})));
    assert!(fits(json!({"${a}": 1, "b": 2}), json!({"${a}": 1, "b": 2})));
}

#[test]
fn each_matcher_accepts_and_refuses() {
    for (source, good, bad) in [
        (
            json!({"$exact": {"a": 1}}),
            json!({"a": 1.0}),
            json!({"a": 1, "b": 2}),
        ),
        (json!({"$type": "integer"}), json!(2.0), json!(2.5)),
        (json!({"$type": "number"}), json!(2.5), json!("2.5")),
        (json!({"$type": "null"}), json!(null), json!(false)),
        (json!({"$pattern": "^4..$"}), json!(422), json!(200)),
        (json!({"$between": [1.5, 3]}), json!(3), json!(3.01)),
        (json!({"$between": [1.5, 3]}), json!(1.5), json!("2")),
        (json!({"$pattern": "^a"}), json!("abc"), json!(["a"])),
        (json!({"$any_of": [200, 201]}), json!(201), json!(202)),
        (
            json!({"$has": {"a": 1}}),
            json!([{"b": 0}, {"a": 1}]),
            json!([{"a": 2}]),
        ),
        (json!({"$has": "ell"}), json!("hello"), json!("world")),
        (
            json!({"$has": {"$pattern": "^h"}}),
            json!("hello"),
            json!("world"),
        ),
        (json!({"$has": 1}), json!([1]), json!(1)),
        (json!({"$not": {"$has": "x"}}), json!("abc"), json!("axc")),
    ] {
        assert!(fits(source.clone(), good.clone()), "{source} {good}");
        assert!(!fits(source.clone(), bad.clone()), "{source} {bad}");
    }
}

#[test]
fn nothing_there_satisfies_only_absent() {
    let nothing = |source: Value| {
        check(&source, None)
            .expect("compiles")
            .differences
            .is_empty()
    };
    assert!(nothing(json!({"$absent": true})));
    assert!(nothing(json!({"$any_of": [1, {"$absent": true}]})));
    for source in [
        json!(null),
        json!({}),
        json!([]),
        json!({"$type": "any"}),
        json!({"$not": 5}),
        json!({"$not": {"$absent": true}}),
        json!({"$exact": null}),
        json!({"a": {"$absent": true}}),
    ] {
        assert!(!nothing(source.clone()), "{source}");
    }
    assert!(fits(json!({"$not": {"$absent": true}}), json!(null)));
    assert!(!fits(json!({"$absent": true}), json!(null)));
}

#[test]
fn differences_say_where_and_what() {
    let outcome = check(
        &json!({"result": {"error": {"errorCode": "a/b"}, "output": null}}),
        Some(&json!({"result": {"error": {"errorCode": "c"}}})),
    )
    .expect("compiles");
    assert_eq!(outcome.assertions, 2);
    let pointers: Vec<_> = outcome
        .differences
        .iter()
        .map(|d| d.pointer.as_str())
        .collect();
    assert_eq!(pointers, ["/result/error/errorCode", "/result/output"]);
    assert_eq!(outcome.differences[1].got, absent());
    assert_eq!(outcome.differences[0].expected, json!("a/b"));
}

#[test]
fn assertions_count_values_not_containers() {
    let count = |source: Value, observed: Value| {
        check(&source, Some(&observed))
            .expect("compiles")
            .assertions
    };
    assert_eq!(
        count(json!({"a": [1, 2], "b": {}}), json!({"a": [1, 2], "b": {}})),
        3
    );
    assert_eq!(count(json!({"a": [1, 2]}), json!({"a": 5})), 1);
    assert_eq!(count(json!({"$any_of": [1, 2, 3]}), json!(3)), 1);
}

#[test]
fn what_is_no_matcher_is_refused_with_its_place() {
    for (source, pointer) in [
        (json!({"a": {"$typ": "string"}}), "/a/$typ"),
        (json!({"$type": "strin"}), "/$type"),
        (json!([{"$pattern": "("}]), "/0/$pattern"),
        (json!({"$any_of": []}), "/$any_of"),
        (json!({"$absent": false}), "/$absent"),
        (json!({"$exact": 1, "b": 2}), ""),
        (json!({"$not": {"$x": 1}}), "/$not/$x"),
    ] {
        assert_eq!(
            Matcher::compile(&source).expect_err("refused").pointer,
            pointer,
            "{source}"
        );
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9_f64..1e9).prop_map(Value::from),
        "[a-c$]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c]{1,3}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn every_value_matches_itself(value in any_json()) {
        prop_assert!(fits(value.clone(), value.clone()));
        let exactly = json!({"$exact": value.clone()});
        let has = json!({"$has": exactly.clone()});
        prop_assert!(fits(exactly, value.clone()), "exact");
        prop_assert!(fits(has, json!([1, value])), "has");
    }

    #[test]
    fn not_is_the_opposite_for_what_is_there(one in any_json(), other in any_json()) {
        let plain = fits(one.clone(), other.clone());
        prop_assert_eq!(plain, !fits(json!({"$not": one.clone()}), other.clone()));
        prop_assert_eq!(plain, fits(json!({"$any_of": [one, {"$exact": "never such text"}]}), other));
    }

    #[test]
    fn exact_is_equality(one in any_json(), other in any_json()) {
        prop_assert_eq!(fits(json!({"$exact": one.clone()}), other.clone()), same(&one, &other));
        prop_assert_eq!(same(&one, &other), same(&other, &one));
    }

    #[test]
    fn an_open_object_ignores_what_it_does_not_name(value in any_json(), more in any_json()) {
        let expected = json!({"a": value.clone()});
        let observed = json!({"a": value, "other": more});
        prop_assert!(fits(expected, observed));
    }

    #[test]
    fn something_is_always_asserted(one in any_json(), other in prop::option::of(any_json())) {
        let outcome = check(&one, other.as_ref()).expect("no operators in it");
        prop_assert!(outcome.assertions > 0);
        prop_assert!(outcome.differences.len() <= outcome.assertions);
    }

    #[test]
    fn no_expectation_makes_it_panic(name in "\\$[a-z_]{1,8}", operand in any_json(), observed in any_json()) {
        let source = Value::Object(Map::from_iter([(name, operand)]));
        let _ = check(&source, Some(&observed));
    }
}
