//! Paths, truth, operators and filters, from the tables of `spec/expressions.md`.

use serde_json::{Value, json};

use super::{Expression, Roots, all, over, parse, show, show_over, state};
use crate::expression::is_true;

#[test]
fn exp_041_the_printed_expressions() {
    all(&[
        ("state.lastResult.availableSlots.length > 0", "true"),
        (
            "state.lastResult.availableSlots[0].start",
            "\"2025-10-21T10:00:00Z\"",
        ),
    ]);
    let none = json!({"lastResult": {"availableSlots": []}});
    assert_eq!(
        show_over("state.lastResult.availableSlots.length > 0", &none),
        "false"
    );
}

#[test]
fn exp_008_roots_that_are_not_there_are_undefined() {
    let (expression, value) = (
        parse("[state is defined, observation is defined, input is defined]"),
        json!({}),
    );
    for (roots, expected) in [
        (
            Roots {
                state: Some(&value),
                ..Roots::default()
            },
            json!([true, false, false]),
        ),
        (
            Roots {
                observation: Some(&value),
                input: Some(&value),
                ..Roots::default()
            },
            json!([false, true, true]),
        ),
        (Roots::default(), json!([false, false, false])),
    ] {
        let outcome = expression.evaluate(&roots).expect("evaluates");
        assert_eq!(outcome.value.as_deref(), Some(&expected));
    }
}

#[test]
fn exp_009_what_is_missing_is_undefined_and_named_once() {
    all(&[
        ("state.x", "undefined"),
        ("state.x.y.z[0].length", "undefined"),
        ("state.n.foo", "undefined"),
        ("state.s[0]", "undefined"),
        ("state.none[0]", "undefined"),
        ("state.list['0']", "undefined"),
        ("observation.x", "undefined"),
        ("state.nil.x", "undefined"),
    ]);
    let expression = parse(
        "state['x'].y or state.a['b c'][-1] or observation or state.x . y or state.n.length or [1].foo or 0",
    );
    let state = state();
    let outcome = over(&expression, &state).expect("evaluates");
    assert_eq!(
        outcome.undefined,
        [
            "state.x.y",
            "state.a[\"b c\"][-1]",
            "observation",
            "state.n.length"
        ]
    );
    assert!(!outcome.is_true());
    let defined = parse("state.x is defined");
    assert_eq!(
        over(&defined, &state).expect("evaluates").undefined,
        ["state.x"]
    );
}

#[test]
fn exp_010_length() {
    all(&[
        ("state.list.length", "5"),
        ("state.own.length", "\"mine\""),
        ("state.own | length", "3"),
        ("state.own['length']", "\"mine\""),
        ("state.list['length']", "undefined"),
        ("state.s.length", "3"),
        ("'😀é'.length", "2"),
        ("state.none.length", "0"),
        ("[].length", "0"),
        ("state.n.length", "undefined"),
        ("state.x.length", "undefined"),
        ("state.nil.length", "undefined"),
    ]);
}

#[test]
fn exp_011_indices() {
    all(&[
        ("state.list[-1].five", "5"),
        ("state.list[-5]", "1"),
        ("state.list[-6]", "undefined"),
        ("state.list[5]", "undefined"),
        ("state.list[-0]", "1"),
        ("state.list[-9223372036854775808]", "undefined"),
        ("[state.n, 2][-2]", "3"),
        ("[1, 2][2]", "undefined"),
        ("(state.list | last).five", "5"),
    ]);
}

#[test]
fn exp_012_truth() {
    for text in [
        "false",
        "null",
        "state.x",
        "0",
        "0.0",
        "-0.0",
        "''",
        "[]",
        "state.none",
    ] {
        assert_eq!(show(&format!("not ({text})")), "true", "{text}");
    }
    for text in [
        "true",
        "1",
        "-1",
        "0.1",
        "' '",
        "'false'",
        "[0]",
        "[[]]",
        "state.own",
        "1e-300",
    ] {
        assert_eq!(show(&format!("not ({text})")), "false", "{text}");
    }
    assert!(is_true(Some(&json!(" "))) && !is_true(Some(&json!({}))) && !is_true(None));
}

#[test]
fn exp_013_and_or_return_operands() {
    all(&[
        ("0 or 'x'", "\"x\""),
        ("'a' or 1 / 0", "\"a\""),
        ("0 and 1 / 0", "0"),
        ("1 and 2 and 3", "3"),
        ("1 and '' and 3", "\"\""),
        ("0 or '' or []", "[]"),
        ("state.x or state.y", "undefined"),
        ("1 and 1 / 0", "!zero_division"),
        ("0 or 1 / 0 or 3", "!zero_division"),
    ]);
}

#[test]
fn exp_014_to_017_and_023_equality() {
    all(&[
        ("state.x == state.y", "true"),
        ("state.x == null", "false"),
        ("state.x != null", "true"),
        ("1 == 1.0", "true"),
        ("[1, {}] == 1", "!syntax"),
        ("true == 1", "false"),
        ("false == 0", "false"),
        ("'1' == 1", "false"),
        ("null == 0", "false"),
        ("0 == -0.0", "true"),
        ("9007199254740993 == 9007199254740992.0", "false"),
        ("state.big == 9007199254740992.0", "false"),
        ("9223372036854775807 == 9223372036854775808.0", "false"),
        ("-9223372036854775808 == -9223372036854775808.0", "true"),
        ("9223372036854775807 < 9223372036854775808.0", "true"),
        ("state.huge == 18446744073709551616.0", "true"),
        ("1 < 1.5 and -1 > -1.5 and 2 > 1.5 and -2 < -1.5", "true"),
        ("1e300 > 9223372036854775807 and -1e300 < 0", "true"),
        ("[1, [2, 'x']] == [1.0, [2, 'x']]", "true"),
        ("[1, 2] == [2, 1]", "false"),
        ("[1] == [1, 1]", "false"),
        ("state.list[3] == [4]", "true"),
        ("'e\u{301}' == '\u{e9}'", "false"),
    ]);
    let two = json!({"a": {"x": 1, "y": [2, {"z": null}]}, "b": {"y": [2.0, {"z": null}], "x": 1.0}, "c": {"x": 1, "w": 1}});
    assert_eq!(
        show_over("state.a == state.b and state.a != state.c", &two),
        "true"
    );
}

#[test]
fn exp_015_undefined_is_never_just_false() {
    for text in [
        "state.x > 0",
        "0 < state.x",
        "state.x < true",
        "state.x + 1",
        "1 + state.x",
        "-state.x",
        "state.x * 'a'",
        "1 in state.x",
        "1 not in state.x",
        "state.x in state.y",
        "[1, state.x]",
        "state.x | length",
        "'a' | join(state.x) | length",
        "[1] | join(state.x)",
        "1 % state.x",
    ] {
        let expected = if text.starts_with("'a'") {
            "!type"
        } else {
            "!undefined"
        };
        assert_eq!(show(text), expected, "{text}");
    }
    // All operands and elements are evaluated before any is looked at.
    all(&[
        ("[state.x, 1 / 0]", "!zero_division"),
        ("state.x + 1 / 0", "!zero_division"),
        ("state.x + 1 + 1 / 0", "!undefined"),
        ("'a' | default(1 / 0)", "!zero_division"),
        ("1 | join(1 / 0)", "!zero_division"),
        ("1 | join(1)", "!type"),
        ("state.x | join(1)", "!undefined"),
    ]);
}

#[test]
fn exp_018_to_020_arithmetic() {
    all(&[
        ("9223372036854775807 + 1", "!overflow"),
        ("-9223372036854775808 - 1", "!overflow"),
        ("-(-9223372036854775808)", "!overflow"),
        ("--9223372036854775808", "!overflow"),
        ("4611686018427387904 * 2", "!overflow"),
        ("9223372036854775807 + 1.0", "9.223372036854776e+18"),
        ("1e308 * 10", "!overflow"),
        ("1e308 / 1e-10", "!overflow"),
        ("7 / 2", "3.5"),
        ("4 / 2", "2.0"),
        ("1 / 0", "!zero_division"),
        ("0 / 0.0", "!zero_division"),
        ("1 / -0.0", "!zero_division"),
        ("1 % 0", "!zero_division"),
        ("1.5 % 0", "!zero_division"),
        ("7 % 3", "1"),
        ("-7 % 3", "2"),
        ("7 % -3", "-2"),
        ("-7 % -3", "-1"),
        ("6 % -3", "0"),
        ("-9223372036854775808 % -1", "0"),
        ("7.5 % 2", "1.5"),
        ("-7.5 % 2", "0.5"),
        ("7.5 % -2", "-0.5"),
        ("1 + 2", "3"),
        ("1 + 2.0", "3.0"),
        ("0.1 + 0.2", "0.30000000000000004"),
        ("'a' + 'b' + \"c\"", "\"abc\""),
        ("state.s + '!'", "\"Zoë!\""),
        ("'a' + 1", "!type"),
        ("1 + 'a'", "!type"),
        ("'a' - 'b'", "!type"),
        ("'a' * 2", "!type"),
        ("true + 1", "!type"),
        ("[1] + [2]", "!type"),
        ("null + 1", "!type"),
        ("1 % 'a'", "!type"),
        ("'a' / 0", "!type"),
        ("-true", "!type"),
        ("-'a'", "!type"),
        ("-2.5", "-2.5"),
        ("-state.d", "-2.5"),
        ("state.huge + 1", "1.8446744073709552e+19"),
    ]);
}

#[test]
fn exp_021_order() {
    all(&[
        ("'a' < 'b'", "true"),
        ("'Z' < 'a'", "true"),
        ("'' < 'a'", "true"),
        ("'a' <= 'a' and 'a' >= 'a'", "true"),
        // U+FFFF is below U+1F600 by code point, above it in UTF-16.
        ("'\u{ffff}' < '\u{1f600}'", "true"),
        ("1 < 'a'", "!type"),
        ("true < false", "!type"),
        ("null < 1", "!type"),
        ("[1] < [2]", "!type"),
        ("null >= null", "!type"),
    ]);
}

#[test]
fn exp_022_in() {
    all(&[
        ("1 in [2, 1.0]", "true"),
        ("true in [1]", "false"),
        ("[4] in state.list", "true"),
        ("state.x in [1]", "false"),
        ("'oë' in state.s", "true"),
        ("'' in ''", "true"),
        ("1 in 'a1'", "!type"),
        ("state.x in 'a'", "!type"),
        ("'a b' in state.own", "true"),
        ("'a' in state.own", "false"),
        ("1 in state.own", "false"),
        ("1 in 1", "!type"),
        ("1 not in 1", "!type"),
        ("1 in null", "!type"),
        ("3 not in [1, 2]", "true"),
    ]);
}

#[test]
fn exp_024_filters() {
    all(&[
        ("state.list | first", "1"),
        ("[] | first", "undefined"),
        ("state.empty | last", "undefined"),
        ("'abc' | first", "!type"),
        ("state.own | last", "!type"),
        ("1 | length", "!type"),
        ("null | length", "!type"),
        ("'ÀΣ' | lower", "\"àς\""),
        ("'straße ŉ' | upper", "\"STRASSE ʼN\""),
        ("1 | upper", "!type"),
        ("'\u{2003} \u{a0}x y\u{85}' | trim", "\"x y\""),
        ("'\u{200b}x' | trim | length", "2"),
        ("[1] | trim", "!type"),
        (
            "state.list | join(', ')",
            "\"1, two, null, [4], {\\\"five\\\":5}\"",
        ),
        ("[1.0, 'a', true] | join", "\"1atrue\""),
        ("[] | join('x')", "\"\""),
        ("'abc' | join('-')", "!type"),
        ("[1, 2] | join(3)", "!type"),
        (
            "state.list | tojson",
            "\"[1,\\\"two\\\",null,[4],{\\\"five\\\":5}]\"",
        ),
        ("1e21 | tojson", "\"1e+21\""),
        ("9007199254740993 | tojson", "\"9007199254740993\""),
        ("-0.0 | tojson", "\"0\""),
        ("state.huge | tojson", "\"18446744073709552000\""),
        (
            "'<\\u0001\u{7f}/\"' | tojson",
            "\"\\\"<\\\\u0001\u{7f}/\\\\\\\"\\\"\"",
        ),
        ("state.x | tojson", "!undefined"),
        ("state.x | default(state.y) | default(1) + 1", "2"),
    ]);
    let names = json!({"\u{fb33}": 1, "\u{1f600}": 2, "b": {"z": 1, "a": 2.50}});
    assert_eq!(
        show_over(
            "(state | tojson) == '{\"b\":{\"a\":2.5,\"z\":1},\"\u{1f600}\":2,\"\u{fb33}\":1}'",
            &names
        ),
        "true"
    );
}

#[test]
fn exp_026_default_replaces_undefined_only() {
    all(&[
        ("state.x | default(1)", "1"),
        ("state.nil | default(1)", "null"),
        ("false | default(1)", "false"),
        ("'' | default(1)", "\"\""),
        ("state.empty | first | default('none')", "\"none\""),
        ("state.x | default(state.y)", "undefined"),
    ]);
}

#[test]
fn exp_015_tests() {
    all(&[
        ("state.x is defined", "false"),
        ("state.x is not defined", "true"),
        ("state.nil is defined", "true"),
        ("state.nil is none", "true"),
        ("state.x is none", "false"),
        ("state.x is not none", "true"),
        ("0 is none", "false"),
    ]);
}

#[test]
fn exp_029_what_is_read_is_borrowed() {
    let state = state();
    for text in [
        "state",
        "state.list",
        "state.list | first",
        "state.x or state.huge",
        "'literal'",
    ] {
        let expression: Expression = parse(text);
        let outcome = over(&expression, &state).expect("evaluates");
        assert!(
            matches!(outcome.value, Some(std::borrow::Cow::Borrowed(_))),
            "{text}"
        );
    }
    let whole = parse("state");
    let value = over(&whole, &state)
        .expect("evaluates")
        .value
        .expect("defined");
    assert!(std::ptr::eq::<Value>(value.as_ref(), &state));
}
