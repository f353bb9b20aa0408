//! What a reader is told of a difference, and of an expectation that cannot be used; and the edges of both.

use super::*;

fn message(source: Value, observed: Option<Value>) -> String {
    let outcome = check(&source, observed.as_ref()).expect("compiles");
    assert_eq!(outcome.differences.len(), 1, "{source}");
    outcome.differences[0].message.clone()
}

fn refusal(source: Value) -> String {
    Matcher::compile(&source)
        .expect_err("no matcher")
        .to_string()
}

#[test]
fn of_what_is_not_there() {
    for source in [
        json!(null),
        json!({"$type": "any"}),
        json!({"$any_of": [1, 2]}),
        json!({"$not": 5}),
        json!({"$not": {"$not": {"$absent": true}}}),
        json!({"a": 1}),
    ] {
        assert_eq!(message(source.clone(), None), "is not there", "{source}");
    }
    assert_eq!(
        message(json!({"$not": {"$absent": true}}), None),
        "must be there"
    );
    let outcome = check(&json!(1), None).expect("compiles");
    assert_eq!(outcome.differences[0].got, json!({"$absent": true}));
}

#[test]
fn of_what_is_something_else() {
    for (source, observed, told) in [
        (json!(1), json!(2), "is another value"),
        (json!({"$exact": 1}), json!(2), "is not exactly this"),
        (json!({"$absent": true}), json!(2), "must not be there"),
        (json!({"$type": "string"}), json!(2), "is of another type"),
        (json!({"a": 1}), json!(2), "is no object"),
        (json!([1, 2]), json!([1]), "has 1 elements, not 2"),
        (json!([]), json!([1]), "has 1 elements, not 0"),
        (json!([1, 2]), json!({}), "is no array"),
        (
            json!({"$pattern": "a"}),
            json!("b"),
            "does not match the pattern",
        ),
        (
            json!({"$pattern": "a"}),
            json!(2),
            "does not match the pattern",
        ),
        (
            json!({"$pattern": "a"}),
            json!(["a"]),
            "is neither text nor a number",
        ),
        (
            json!({"$any_of": [1]}),
            json!(2),
            "matches none of the choices",
        ),
        (json!({"$has": 1}), json!([2]), "has no such element"),
        (
            json!({"$has": "a"}),
            json!("b"),
            "does not contain the text",
        ),
        (
            json!({"$has": {"$pattern": "a"}}),
            json!("b"),
            "does not contain such text",
        ),
        (
            json!({"$has": "a"}),
            json!(2),
            "is neither an array nor text",
        ),
        (json!({"$not": 2}), json!(2), "matches, and must not"),
        (
            json!({"$between": [3, 4]}),
            json!(2),
            "is not between the two",
        ),
        (json!({"$between": [1, 2]}), json!("1"), "is no number"),
    ] {
        assert_eq!(message(source.clone(), Some(observed)), told, "{source}");
    }
}

#[test]
fn of_what_is_no_matcher() {
    for (source, told) in [
        (json!({"$absent": 1}), "$absent takes true"),
        (json!({"$type": 1}), "$type takes the name of a type"),
        (
            json!({"$type": "text"}),
            "$type takes one of string, integer, number, boolean, array, object, null, any",
        ),
        (
            json!({"$pattern": 1}),
            "$pattern takes a regular expression of at most 4096 bytes",
        ),
        (
            json!({"$any_of": 1}),
            "$any_of takes a list of at least one matcher",
        ),
        (
            json!({"$any_of": []}),
            "$any_of takes a list of at least one matcher",
        ),
        (json!({"$between": 1}), "$between takes two numbers"),
        (json!({"$between": [1]}), "$between takes two numbers"),
        (
            json!({"$has": 1, "a": 2}),
            "'$has' must stand alone in its object",
        ),
    ] {
        assert_eq!(refusal(source.clone()), told, "{source}");
    }
    assert!(refusal(json!({"$typ": 1})).starts_with("'$typ' is no matcher; use $exact,"));
}

#[test]
fn a_pattern_has_as_many_bytes_as_it_may() {
    let of = |count: usize| json!({"$pattern": "a".repeat(count)});
    assert!(fits(of(4096), json!("a".repeat(4096))));
    assert_eq!(
        refusal(of(4097)),
        "$pattern takes a regular expression of at most 4096 bytes"
    );
}

#[test]
fn equality_is_by_value_in_depth_and_exact_for_large_integers() {
    assert!(same(&json!([1, [2.0]]), &json!([1.0, [2]])));
    assert!(!same(&json!([1, 2]), &json!([1])) && !same(&json!([1]), &json!([1, 2])));
    assert!(same(
        &json!({"a": [1], "b": 2}),
        &json!({"b": 2.0, "a": [1.0]})
    ));
    assert!(same(&json!(u64::MAX), &json!(u64::MAX)));
    assert!(!same(&json!(u64::MAX), &json!(u64::MAX - 1)));
    assert!(!same(&json!(i64::MAX), &json!(i64::MAX - 1)));
    for integer in [
        json!(u64::MAX),
        json!(i64::MIN),
        json!(i64::MAX),
        json!(-0.0),
    ] {
        assert!(
            fits(json!({"$type": "integer"}), integer.clone()),
            "{integer}"
        );
    }
}
