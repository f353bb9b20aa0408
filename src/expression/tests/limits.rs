//! EXP-027 and EXP-028: what is too long, too deep or too much ends with an error, and soon.

use serde_json::{Value, json};

use super::{Expression, parse, show, show_over};

#[test]
fn exp_027_the_text_is_bounded() {
    let padded = |length: usize| format!("1{}", " ".repeat(length - 1));
    assert_eq!(show(&padded(4096)), "1");
    assert_eq!(show(&padded(4097)), "!limit");
    // Bytes, not characters.
    assert_eq!(show(&format!("'{}' | length", "é".repeat(2042))), "2042");
    assert_eq!(show(&format!("'{}' | length", "é".repeat(2043))), "!limit");
}

#[test]
fn exp_027_the_nesting_is_bounded() {
    let nested = |levels: usize, open: &str, inner: &str, close: &str| {
        show(&format!(
            "{}{inner}{}",
            open.repeat(levels),
            close.repeat(levels)
        ))
    };
    for (open, inner, close) in [
        ("(", "1", ")"),
        ("[", "1", "]"),
        ("not ", "1", ""),
        ("!", "1", ""),
        ("- ", "state.n", ""),
        ("1 | default(", "1", ")"),
        ("(- ", "state.n", ")"),
    ] {
        let levels = 64 / open.matches(['(', '[', '!', '-', 'n']).count().max(1);
        assert_ne!(nested(levels, open, inner, close), "!limit", "{open}");
        assert_eq!(nested(levels + 1, open, inner, close), "!limit", "{open}");
    }
    // A number's own minus is no operator; a subscript is a bracket.
    assert_eq!(nested(64, "-", "-1", ""), "-1");
    assert_eq!(nested(63, "(", "state['n']", ")"), "3");
    assert_eq!(nested(64, "(", "state['n']", ")"), "!limit");
    // Levels that are closed again do not count.
    assert_eq!(show(&["(1)"; 500].join("+")), "500");
}

#[test]
fn exp_027_long_chains_are_not_deep() {
    assert_eq!(show(&["1"; 2048].join("+")), "2048");
    assert_eq!(show(&format!("1{}", "||1".repeat(1365))), "1");
    assert_eq!(show(&format!("state{}", ".a".repeat(2045))), "undefined");
    assert_eq!(show(&format!("'a'{}", "|trim".repeat(818))), "\"a\"");
}

#[test]
fn exp_028_ten_thousand_steps_and_not_one_more() {
    let state = |count: usize| json!({"a": vec![0; count], "b": vec![0; count], "o": {"a": vec![json!({"x": 1}); count.min(5_000)]}});
    // Path part, operator, and each element.
    assert_eq!(show_over("1 in state.a", &state(9_998)), "false");
    assert_eq!(show_over("1 in state.a", &state(9_999)), "!limit");
    assert_eq!(show_over("state.a == state.b", &state(9_997)), "true");
    assert_eq!(show_over("state.a == state.b", &state(9_998)), "!limit");
    assert_eq!(
        show_over("(state.a | join | length) > 0", &state(9_996)),
        "true"
    );
    assert_eq!(
        show_over("(state.a | join | length) > 0", &state(9_997)),
        "!limit"
    );
    // Two path parts, a filter, and for each element itself and its member.
    assert_eq!(
        show_over("(state.o.a | tojson).x", &state(4_998)),
        "undefined"
    );
    assert_eq!(show_over("(state.o.a | tojson).x", &state(4_999)), "!limit");
    // What is found or differs early has not visited the rest.
    assert_eq!(show_over("0 in state.a", &state(200_000)), "true");
    assert_eq!(show_over("state.a == [1]", &state(200_000)), "false");
    assert_eq!(show_over("state.a.length", &state(200_000)), "200000");
}

#[test]
fn exp_028_made_texts_are_bounded() {
    let half = json!({"s": "x".repeat(512 * 1024), "a": vec!["x".repeat(100_000); 12], "n": vec![json!(1); 5]});
    assert_eq!(show_over("(state.s + state.s).length", &half), "1048576");
    assert_eq!(
        show_over("(state.s + state.s + '!').length", &half),
        "!limit"
    );
    assert_eq!(show_over("(state.a | join).length", &half), "!limit");
    assert_eq!(show_over("(state.a | tojson).length", &half), "!limit");
    assert_eq!(show_over("[state.s, state.s].length", &half), "2");
    assert_eq!(show_over("[state.s, state.s]", &half), "!limit");
    assert_eq!(
        show_over("[state.n, state.n]", &half),
        "[[1,1,1,1,1],[1,1,1,1,1]]"
    );
}

#[test]
fn exp_028_the_worst_expressions_end_soon() {
    let state = json!({"s": "é".repeat(512 * 1024 - 1), "deep": deep(120), "same": deep(120), "wide": vec![0; 500_000]});
    let started = std::time::Instant::now();
    for text in [
        format!("state.s{}", "|upper|lower".repeat(300)),
        format!("'a' in state.s{}", " or 'a' in state.s".repeat(200)),
        format!(
            "state.s == state.s{}",
            " and state.s == state.s".repeat(150)
        ),
        format!("[{}state.s] | join | length", "state.s, ".repeat(400)),
        format!("{}state{}", "[".repeat(64), "]".repeat(64)),
        format!("[{}state]", "state,".repeat(600)),
        "state.wide | tojson".to_owned(),
    ] {
        assert!(show_over(&text, &state).len() < 1_100_000, "{text}");
    }
    assert_eq!(show_over("state.deep == state.same", &state), "true");
    assert_eq!(
        show_over("(state.deep | tojson).length > 200", &state),
        "true"
    );
    assert!(started.elapsed() < std::time::Duration::from_secs(60));
}

#[test]
fn exp_028_deep_trees_and_values_need_little_stack() {
    // Every level of the grammar in every level of nesting, on a stack smaller than any thread's, without optimisation.
    let tree = format!(
        "{}1{}",
        "(0 or 1 and 0==0+1*".repeat(64),
        ").a|default(1)is none".repeat(64)
    );
    let small = std::thread::Builder::new().stack_size(1536 * 1024);
    let worker = small.spawn(move || {
        let expression: Expression = parse(&tree);
        let value = deep(1_000);
        let shown = [
            show_over("state == state", &value),
            show_over("(state | tojson).length", &value),
        ];
        // A value this deep would not survive being dropped here.
        std::mem::forget(value);
        (show(&tree), expression.to_string(), shown)
    });
    let (value, canonical, shown) = worker.expect("a thread").join().expect("no overflow");
    assert_eq!(value, "!type");
    assert_eq!(parse(&canonical).to_string(), canonical);
    assert_eq!(shown, ["!limit", "!limit"]);
}

fn deep(levels: usize) -> Value {
    (0..levels).fold(json!(0), |value, _| Value::Array(vec![value]))
}
