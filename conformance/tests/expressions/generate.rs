//! Expressions and templates by chance: derived from the grammar, and loose tokens that seldom parse.

use proptest::prelude::*;
use serde_json::{Value, json};

/// A state with every kind of value and the edges of numbers.
pub fn state() -> Value {
    json!({
        "n": null, "t": true, "f": false, "zero": 0, "one": 1, "two": 2, "neg": -7,
        "d": 1.5, "whole": 2.0, "mzero": -0.0, "max": i64::MAX, "min": i64::MIN, "beyond": 9_223_372_036_854_775_808_u64,
        "big": 1e300, "p": 9_007_199_254_740_993_i64, "pd": 9_007_199_254_740_992.0,
        "s": "abc", "e": "", "sp": "  x\u{a0}", "u": "Straße 😀 \u{fb00}", "b": "{{ 1 }}",
        "list": [1, "a", null, 2.0, [2], {"k": 1}], "ae": [], "strings": ["x", "y"], "nums": [3, 1, 2],
        "o": {"b": 2, "a": 1.0}, "p2": {"a": 1, "b": 2}, "oe": {}, "own": {"length": 9, "x": {"y": [7]}},
        "and": 1, "is": {"in": 2},
    })
}

fn pick(choices: &'static [&'static str]) -> BoxedStrategy<String> {
    prop::sample::select(choices)
        .prop_map(str::to_owned)
        .boxed()
}

fn literal() -> impl Strategy<Value = String> {
    prop_oneof![
        pick(&[
            "0",
            "1",
            "2",
            "3",
            "-1",
            "-7",
            "10",
            "9223372036854775807",
            "-9223372036854775808",
            "9223372036854775806",
            "9007199254740993",
            "4611686018427387904",
            "0.0",
            "-0.0",
            "1.0",
            "0.5",
            "-2.5",
            "2e0",
            "1e308",
            "5e-324",
            "9007199254740992.0",
            "9223372036854775808.0",
        ]),
        pick(&[
            "\"\"",
            "'a'",
            "\"abc\"",
            "'b'",
            "\"k\"",
            "'length'",
            "' x '",
            "\"ß\"",
            "'😀'",
            "\"\\ud83d\\ude00\"",
            "'\\ufb00'",
            "\"}}\"",
            "'{{'",
            "'\\''",
            "\"1\"",
        ]),
        pick(&["true", "false", "none", "null", "True", "None", "[]"]),
    ]
}

fn path() -> impl Strategy<Value = String> {
    let root = prop_oneof![
        12 => Just("state".to_owned()),
        1 => Just("input".to_owned()),
        1 => Just("observation".to_owned()),
    ];
    let name = pick(&[
        ".n", ".t", ".f", ".zero", ".one", ".two", ".neg", ".d", ".whole", ".mzero", ".max",
        ".min", ".beyond", ".big", ".p", ".pd", ".s", ".e", ".sp", ".u", ".b", ".list", ".ae",
        ".strings", ".nums", ".o", ".p2", ".oe", ".own", ".and", ".is", ".missing",
    ]);
    let part = pick(&[
        ".a",
        ".b",
        ".k",
        ".length",
        ".length",
        "[0]",
        "[1]",
        "[-1]",
        "[-2]",
        "[5]",
        "[-9]",
        "[\"a\"]",
        "['length']",
        ".x",
        ".y",
        ".in",
        " . a",
        " [ 0 ]",
    ]);
    (
        root,
        name,
        prop_oneof![3 => Just(Vec::new()), 2 => prop::collection::vec(part, 1..3)],
    )
        .prop_map(|(root, name, parts)| {
            if root == "state" {
                format!("{root}{name}{}", parts.concat())
            } else {
                format!("{root}{}", parts.concat())
            }
        })
}

/// An expression that the grammar derives, for the most part.
pub fn derived() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![2 => path(), 1 => literal()];
    leaf.prop_recursive(6, 40, 4, |inner| {
        let binary = pick(&[
            " or ", " and ", "||", "&&", " == ", " != ", " < ", "<=", " > ", ">=", " in ",
            " not in ", " + ", " - ", "-", " * ", " / ", " % ", "+",
        ]);
        let prefix = pick(&["not ", "!", "-", "- "]);
        let suffix = pick(&[
            " is defined", " is not defined", " is none", " is not none", " | length", "|first",
            " | last", "|lower", " | upper", " | trim", " | tojson", "|join", " | join()",
            ".length", "[0]", ".a", "[-1]",
        ]);
        let argument = pick(&[" | default(", "|join("]);
        prop_oneof![
            4 => (inner.clone(), binary.clone(), inner.clone()).prop_map(|(l, o, r)| format!("{l}{o}{r}")),
            3 => (inner.clone(), binary, inner.clone()).prop_map(|(l, o, r)| format!("({l}{o}{r})")),
            2 => (prefix, inner.clone()).prop_map(|(p, v)| format!("{p}{v}")),
            3 => (inner.clone(), suffix).prop_map(|(v, s)| format!("{v}{s}")),
            1 => (inner.clone(), argument, inner.clone()).prop_map(|(v, f, a)| format!("{v}{f}{a})")),
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(|e| format!("[{}]", e.join(", "))),
            1 => inner.prop_map(|v| format!("({v})")),
        ]
    })
}

/// Calculations over numbers, the edges among them, so that values are common and not errors of kind.
pub fn calculated() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        pick(&[
            "0",
            "1",
            "2",
            "3",
            "-1",
            "-7",
            "10",
            "0.5",
            "-2.5",
            "1.0",
            "-0.0",
            "1e308",
            "5e-324",
            "9223372036854775807",
            "-9223372036854775808",
            "4611686018427387904",
            "9007199254740993",
            "9007199254740992.0",
            "9223372036854775808.0",
            "3037000500",
        ]),
        pick(&[
            "state.one",
            "state.neg",
            "state.d",
            "state.whole",
            "state.mzero",
            "state.max",
            "state.min",
            "state.beyond",
            "state.big",
            "state.p",
            "state.pd",
            "state.list.length",
        ]),
    ];
    let sum = number.prop_recursive(4, 24, 2, |inner| {
        let operator = pick(&[" + ", " - ", " * ", " / ", " % ", "-", "+"]);
        prop_oneof![
            3 => (inner.clone(), operator.clone(), inner.clone()).prop_map(|(l, o, r)| format!("{l}{o}{r}")),
            2 => (inner.clone(), operator, inner.clone()).prop_map(|(l, o, r)| format!("({l}{o}{r})")),
            1 => inner.prop_map(|v| format!("-{v}")),
        ]
    });
    let comparator = pick(&[" == ", " != ", " < ", " <= ", " > ", " >= "]);
    prop_oneof![
        2 => sum.clone(),
        1 => sum.clone().prop_map(|s| format!("({s}) | tojson")),
        2 => (sum.clone(), comparator, sum).prop_map(|(l, o, r)| format!("{l}{o}{r}")),
    ]
}

/// Tokens in any order.
pub fn soup() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        4 => pick(&[
            "or", "and", "not", "!", "==", "!=", "<", "<=", ">", ">=", "in", "+", "-", "*", "/",
            "%", "is", "defined", "none", "|", "||", "&&", "(", ")", "[", "]", ".", ",",
        ]),
        3 => path(),
        3 => literal(),
        1 => pick(&[
            "length", "first", "join", "default", "tojson", "x", "=", "&", "?", ":", "{", "}", "é",
            "01", "1.", ".5", "1e", "\"", "'", "\\", "\"\\x\"", "**", "//", "~", "if", "else",
            "9223372036854775808", "1_0", "\u{a0}", "#", "\"\\ud83d\"", "1.a", "-1.a", "-1[0]",
        ]),
    ];
    (
        prop::collection::vec(token, 0..9),
        prop::sample::select(&[" ", " ", ""][..]),
    )
        .prop_map(|(tokens, between)| tokens.join(between))
}

/// A string with templates in it, for the most part.
pub fn template() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => derived().prop_map(|text| format!("{{{{ {text} }}}}")),
        1 => path().prop_map(|text| format!("{{{{{text}}}}}")),
        2 => pick(&["a", " ", "é😀", "}}", "{", "}", "'", "\"", "{%", "{# x #}", "\\", "\n"]),
        1 => pick(&["{{", "{{ }}", "{{-", "{{}}", "{{ 'a }}", "{{ '}}' }}", "{{ '{{' }}", "{{ 1 -}}"]),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}
