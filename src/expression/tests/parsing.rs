//! What parses, how it binds, and what does not.

use super::{Expression, all, parse, show, syntax_error};

#[test]
fn exp_001_every_form_of_the_grammar_parses() {
    for text in [
        "state",
        " \t\r\n state\n",
        "state . a [ 'b' ] [ - 1 ]",
        "state.and.or.if.length",
        "(state.a).b",
        "[]",
        "[1, [2], 'x']",
        "- - 1",
        "!!true",
        "not not true",
        "1.5e-3",
        "0.0",
        "state.a|length",
        "state.a | length ( ) | default(1)",
        "state.a | join",
        "state.a | join()",
        "state.a | join(state.b or ',')",
        "1 is defined",
        "1 is not none",
        "-1 is none",
        "1 not in [2]",
        "1 in [1] and 2 in [2]",
        "1.length",
        "1.5.foo",
        "1.e5",
        "-5.foo",
        "'a' .length",
        "[1][0]",
        "(1)",
        "'\u{7f}\u{e9}\u{1F600}'",
        "\"it's\"",
        "'say \"hi\"'",
        "True and None or False",
        "null",
        "none",
    ] {
        parse(text);
    }
}

#[test]
fn exp_002_what_the_grammar_does_not_derive_is_refused() {
    for text in [
        "",
        " ",
        "(",
        ")",
        "(1",
        "[1",
        "[1,]",
        "[,1]",
        "1 2",
        "1 +",
        "+ 1",
        "* 1",
        "and 1",
        "1 and",
        "state.",
        "state.[0]",
        "state[]",
        "state[0",
        "state.a.0",
        "state.0a",
        "1and 2",
        "1_000",
        "0x10",
        "01",
        "1.",
        ".5",
        "1e",
        "1.5e+",
        "1 == not true",
        "- not true",
        "1 + not true",
        "'a",
        "\"a'",
        "'a\nb'",
        "1 is",
        "1 is not",
        "1 is true",
        "1 is null",
        "1 is None",
        "1 is not in [1]",
        "1 is defined is defined",
        "not",
        "!",
        "1 ! 2",
        "1 not 2",
        "state | | length",
        "state |",
        "state | 1",
        "1 = 1",
        "1 & 1",
        "a ~ b",
        "{\"a\": 1}",
        "state\u{a0}",
        "\u{feff}state",
        "stateé",
        "1 // 2",
        "2 ** 3",
        "1;",
        "state..a",
        "True == TRUE",
    ] {
        syntax_error(text);
    }
}

#[test]
fn exp_003_there_is_no_code() {
    for text in [
        "state.f()",
        "f(1)",
        "length(state)",
        "state.a = 1",
        "state.a := 1",
        "lambda x: x",
        "1 if true else 2",
        "state.a[1:2]",
        "state.a[::]",
        "state[state.n]",
        "state['a' + 'b']",
        "for x in state",
        "{% if x %}",
        "state.a | length(1)(2)",
        "(state)(1)",
        "'a'(1)",
    ] {
        syntax_error(text);
    }
}

#[test]
fn exp_004_comparisons_are_not_chained() {
    for text in [
        "1 < 2 < 3",
        "1 == 1 == 1",
        "1 in [1] in [[1]]",
        "1 not in [1] == true",
        "1 == 2 != 3",
        "1 < 2 not in [true]",
    ] {
        syntax_error(text);
    }
    assert_eq!(show("(1 < 2) == (2 < 3)"), "true");
}

#[test]
fn exp_005_operators_bind_as_the_table_says() {
    for (text, meaning) in [
        ("true or false and false", "true or (false and false)"),
        ("not false or true", "(not false) or true"),
        ("!1 == 2", "not (1 == 2)"),
        ("not 1 in [1]", "not (1 in [1])"),
        ("1 + 2 == 3", "(1 + 2) == 3"),
        ("1 + 2 * 3", "1 + (2 * 3)"),
        ("2 * 3 is defined", "2 * (3 is defined)"),
        ("- state.n is defined", "(- state.n) is defined"),
        ("-state.n | default(1)", "-(state.n | default(1))"),
        ("- 5 | default(1)", "(-5) | default(1)"),
        ("-5.foo", "-(5.foo)"),
        ("--5", "-(-5)"),
        ("1 + 'a' | length", "1 + ('a' | length)"),
        ("1 - -1", "1 - (-1)"),
    ] {
        assert_eq!(parse(text), parse(meaning), "{text}");
    }
    for (text, other) in [
        ("-(5)", "-5"),
        ("-(5 | default(1))", "-5 | default(1)"),
        ("(not 1) == 2", "not 1 == 2"),
        ("1 - (2 - 3)", "1 - 2 - 3"),
        ("(-5).foo", "-5.foo"),
    ] {
        assert_ne!(parse(text), parse(other), "{text}");
    }
    all(&[
        ("10 - 2 - 3", "5"),
        ("8 / 2 / 2", "2.0"),
        ("7 % 4 % 2", "1"),
        ("1 - 2 + 3", "2"),
        ("0 or 2 and 3", "3"),
    ]);
}

#[test]
fn exp_006_literals_keep_their_bounds() {
    all(&[
        ("9223372036854775807", "9223372036854775807"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("- \n 9223372036854775808", "-9223372036854775808"),
        ("0 | default(1)", "0"),
        ("1e308", "1e+308"),
        (r#"'\b\f\n\r\t\/\\\'\"'"#, r#""\b\f\n\r\t/\\'\"""#),
        (r"'\u00e9\uD83D\uDE00\u0000'", "\"é😀\\u0000\""),
    ]);
    for text in [
        "9223372036854775808",
        "-9223372036854775809",
        "1 - 9223372036854775808",
        "-9223372036854775808.a",
        "state[9223372036854775808]",
        "1e309",
        "-1e999",
        r"'\x41'",
        r"'\a'",
        r"'\u12'",
        r"'\u12g4'",
        r"'\uD83D'",
        r"'\uDE00'",
        r"'\uD83D\n'",
        r"'\uD83DA'",
        r"'\uD83D\uD83D'",
        r"'\",
    ] {
        syntax_error(text);
    }
}

#[test]
fn exp_007_only_roots_are_names() {
    for text in [
        "foo",
        "foo.bar",
        "State",
        "TRUE",
        "undefined",
        "notstate",
        "state or other",
        "[x]",
        "is",
        "length",
    ] {
        syntax_error(text);
    }
    assert!(syntax_error("stat.name").message.contains("`stat`"));
}

#[test]
fn exp_025_filters_are_known_and_take_what_they_take() {
    for text in [
        "1 | foo",
        "1 | Length",
        "1 | length(1)",
        "1 | first(1)",
        "1 | tojson(2)",
        "1 | default",
        "1 | default()",
        "1 | default(1, 2)",
        "1 | join(1, 2)",
        "1 | join(,)",
        "1 | lower(",
        "1 | length()()",
    ] {
        syntax_error(text);
    }
}

#[test]
fn exp_032_offsets_point_at_the_trouble() {
    for (text, offset) in [
        ("", 0),
        ("  ", 2),
        ("1 + ", 4),
        ("state.a = 1", 8),
        ("'é' é", 5),
        ("1 < 2 < 3", 6),
        ("state.f()", 7),
        ("foo", 0),
        ("1 | foo", 4),
        ("'ab\\x'", 3),
        ("[1, 2", 5),
        ("99999999999999999999", 0),
        ("a", 0),
        ("1 + 'open", 4),
    ] {
        assert_eq!(syntax_error(text).offset, offset, "{text}");
    }
    for (text, offset) in [
        ("1 + state.x", 4),
        ("1 + 'a'", 2),
        ("1 / 0", 2),
        ("1 | first", 4),
        ("[state.x]", 1),
    ] {
        let expression = parse(text);
        let error = super::over(&expression, &super::state()).expect_err(text);
        assert_eq!(error.offset, offset, "{text}");
    }
}

#[test]
fn the_canonical_text_says_the_same() {
    for (text, canonical) in [
        (
            "((state.a))['b']['c d'][-1]['length'].length",
            "state.a.b[\"c d\"][-1][\"length\"].length",
        ),
        (
            "!a||b&&c"
                .replace('a', "1")
                .replace('b', "2")
                .replace('c', "3")
                .as_str(),
            "not 1 or 2 and 3",
        ),
        ("(1 or 2) or 3", "(1 or 2) or 3"),
        ("-(5)", "-(5)"),
        ("- 5 |default( None )", "-5 | default(null)"),
        ("(-5).a", "(-5).a"),
        ("-5.a", "-5.a"),
        ("1e3", "1000.0"),
        ("1e300", "1e300"),
        ("'it\\'s'", "\"it's\""),
        ("'\"'", "'\"'"),
        ("'\\u0001\\n'", "\"\\u0001\\n\""),
        ("True is not none", "true is not none"),
        (
            "x not in [1,2]".replace('x', "3").as_str(),
            "3 not in [1, 2]",
        ),
        ("state.a|join( )", "state.a | join"),
    ] {
        let expression = parse(text);
        assert_eq!(expression.to_string(), canonical, "{text}");
        assert_eq!(parse(canonical), expression, "{text}");
        assert_eq!(expression.text(), text);
    }
    assert_ne!(parse("state.length"), parse("state['length']"));
}

#[test]
fn expressions_travel_between_threads() {
    fn travels<T: Send + Sync + Clone + std::fmt::Debug>(_: &T) {}
    travels(&Expression::parse("1").expect("parses"));
}
