//! Templates, from section 7 of `spec/expressions.md`.

use serde_json::{Value, json};

use super::{Reason, Roots, state};
use crate::expression::{Located, Template, Templates};

fn resolve(text: &str) -> Result<Value, Reason> {
    let state = state();
    let roots = Roots {
        state: Some(&state),
        ..Roots::default()
    };
    Template::parse(text)
        .and_then(|template| template.resolve(&roots))
        .map_err(|error| error.reason)
}

#[test]
fn exp_033_a_lone_template_keeps_its_type() {
    for (text, value) in [
        ("{{ state.n }}", json!(3)),
        ("{{state.list}}", state()["list"].clone()),
        ("{{ state.nil }}", Value::Null),
        ("{{ state.s }}", json!("Zoë")),
        ("{{ state.n > 2 }}", json!(true)),
        ("{{ -1 }}", json!(-1)),
        ("{{\n[state.n]\n}}", json!([3])),
    ] {
        assert_eq!(resolve(text), Ok(value), "{text}");
    }
}

#[test]
fn exp_034_in_longer_text_values_are_inserted() {
    for (text, value) in [
        (" {{ state.n }}", " 3"),
        ("{{ state.s }}!", "Zoë!"),
        ("{{ state.s }}{{ state.n }}", "Zoë3"),
        (
            "a {{ state.list }} b",
            "a [1,\"two\",null,[4],{\"five\":5}] b",
        ),
        ("{{ state.nil }} {{ true }} {{ 1.0 }}", "null true 1"),
        ("{{ [] }}.", "[]."),
        ("plain", "plain"),
        ("", ""),
        (
            "a }} b { c {% x %} {# y #} {",
            "a }} b { c {% x %} {# y #} {",
        ),
        ("{{ 1 }}}", "1}"),
    ] {
        assert_eq!(resolve(text), Ok(json!(value)), "{text}");
    }
}

#[test]
fn exp_035_undefined_is_an_error() {
    for text in ["{{ state.x }}", "a {{ state.x.y }}", "{{ observation }}"] {
        assert_eq!(resolve(text), Err(Reason::Undefined), "{text}");
    }
    assert_eq!(resolve("{{ state.x | default('-') }}"), Ok(json!("-")));
    assert_eq!(resolve("{{ state.s + 1 }}"), Err(Reason::Type));
}

#[test]
fn exp_036_braces_in_literals_end_nothing() {
    for (text, value) in [
        ("{{ '}}' }}", "}}"),
        ("{{ \"}}\" }}x", "}}x"),
        ("{{ '\\'}}' }}", "'}}"),
        ("{{ '\\\\' }}", "\\"),
        ("{{ \"'\" + '}}' }}", "'}}"),
        // EXP-039.
        ("{{ '{{' }}", "{{"),
        ("{{ '{{' }} state {{ '}}' }}", "{{ state }}"),
    ] {
        assert_eq!(resolve(text), Ok(json!(value)), "{text}");
    }
}

#[test]
fn exp_037_and_040_what_does_not_parse() {
    for text in [
        "{{",
        "a {{ b",
        "{{ state.n }",
        "{{ state.n } }",
        "{{ '}}",
        "{{}}",
        "{{ }}",
        "x{{\t}}y",
        "{{-1}}",
        "{{- 1 }}",
        "{{ 1 -}}",
        "{{{ 1 }}}",
        "{{ 1 }} {{",
        "{{ {{ 1 }} }}",
        "{{ foo }}",
        "{{ 1 2 }}",
        "{{ it's }}",
    ] {
        assert_eq!(resolve(text), Err(Reason::Syntax), "{text}");
    }
    assert_eq!(
        resolve(&format!("{{{{{}1}}}}", " ".repeat(4096))),
        Err(Reason::Limit)
    );
    assert_eq!(
        resolve(&format!("{}{{{{1}}}}", " ".repeat(4096))),
        Ok(json!(format!("{}1", " ".repeat(4096))))
    );
}

#[test]
fn exp_032_offsets_count_from_behind_the_braces() {
    for (text, start, offset) in [
        ("é {{ foo }}", 5, 1),
        ("{{ 1 }}{{ 1 + }}", 9, 5),
        ("x{{", 3, 0),
        ("{{-1}}", 2, 0),
    ] {
        let error = Template::parse(text).expect_err(text);
        assert_eq!((error.start, error.offset), (start, offset), "{text}");
    }
    let template = Template::parse("a{{ state.x }}").expect("parses");
    let error = template.resolve(&Roots::default()).expect_err("undefined");
    assert_eq!((error.start, error.offset), (3, 1));
}

#[test]
fn exp_038_nothing_inserted_is_scanned_again() {
    let state = json!({"evil": "{{ state.secret }}", "secret": "s3cret"});
    let roots = Roots {
        state: Some(&state),
        ..Roots::default()
    };
    for (text, value) in [
        ("{{ state.evil }}", "{{ state.secret }}"),
        ("- {{ state.evil }}", "- {{ state.secret }}"),
        ("{{ '{{' }} state.secret }}", "{{ state.secret }}"),
    ] {
        let template = Template::parse(text).expect("parses");
        assert_eq!(template.resolve(&roots), Ok(json!(value)), "{text}");
    }
}

#[test]
fn prompts_are_always_text() {
    let state = state();
    let roots = Roots {
        state: Some(&state),
        ..Roots::default()
    };
    for (text, value) in [
        ("{{ state.n }}", "3"),
        ("{{ state.s }}", "Zoë"),
        ("{{ [1, 'a'] }}", "[1,\"a\"]"),
        ("", ""),
    ] {
        let template = Template::parse(text).expect("parses");
        assert_eq!(
            template.resolve_text(&roots).as_deref(),
            Ok(value),
            "{text}"
        );
    }
    assert!(Template::parse("a }} b").expect("parses").is_literal());
    assert!(!Template::parse("a {{ 1 }}").expect("parses").is_literal());
}

#[test]
fn all_strings_of_a_value_and_no_names() {
    let state = state();
    let roots = Roots {
        state: Some(&state),
        ..Roots::default()
    };
    let value = json!({"{{ 1 }}": 1, "b": ["x", {"c/d": "{{ state.n }}"}, 2.5], "a": "{{ state.s }}!", "z": null});
    let templates = Templates::parse(&value).expect("parses");
    let resolved = templates.resolve(&value, &roots).expect("resolves");
    assert_eq!(
        resolved.to_string(),
        r#"{"{{ 1 }}":1,"b":["x",{"c/d":3},2.5],"a":"Zoë!","z":null}"#
    );
    assert!(!templates.is_literal());
    assert!(
        Templates::parse(&json!({"a": ["b", 1]}))
            .expect("parses")
            .is_literal()
    );

    // The first in the order of members.
    let broken = json!({"b": [1, {"c/d": "{{ foo }}"}], "a": "{{"});
    let error = Templates::parse(&broken).expect_err("refused");
    assert_eq!(
        (error.pointer.as_str(), error.error.reason),
        ("/b/1/c~1d", Reason::Syntax)
    );
    let missing = json!({"b": [1, "{{ state.x }}"], "a": "{{ 1 / 0 }}"});
    let error = Templates::parse(&missing)
        .expect("parses")
        .resolve(&missing, &roots)
        .expect_err("refused");
    assert_eq!(
        (error.pointer.as_str(), error.error.reason),
        ("/b/1", Reason::Undefined)
    );
    let alone = json!("{{ state.x }}");
    let error = Templates::parse(&alone)
        .expect("parses")
        .resolve(&alone, &roots)
        .expect_err("refused");
    assert_eq!(error.pointer, "");
}

#[test]
fn a_resolved_value_is_at_most_one_mebibyte() {
    let reason = |resolved: Result<Value, Located>| {
        resolved
            .map(|value| value.to_string().len())
            .map_err(|error| error.error.reason)
    };
    // `{"a":["…","…"],"b":1.0}`, whose 1.0 is "1": 19 bytes around what the two strings hold.
    let state = json!({"s": "x".repeat(524_278), "l": "x".repeat(524_279)});
    let roots = Roots {
        state: Some(&state),
        ..Roots::default()
    };
    let value = json!({"a": ["{{ state.s }}", "{{ state.l }}"], "b": 1.0});
    let templates = Templates::parse(&value).expect("parses");
    assert_eq!(reason(templates.resolve(&value, &roots)), Ok(1_048_576 + 2));
    let value = json!({"a": ["{{ state.l }}", "{{ state.l }}"], "b": 1.0});
    let templates = Templates::parse(&value).expect("parses");
    assert_eq!(
        reason(templates.resolve(&value, &roots)),
        Err(Reason::Limit)
    );
    // What stands in the input without a template counts as well, and the message speaks of the input.
    let plain = json!({"path": "a.txt", "content": "x".repeat(1_048_576)});
    let templates = Templates::parse(&plain).expect("parses");
    let error = templates.resolve(&plain, &roots).expect_err("too large");
    assert_eq!(error.error.reason, Reason::Limit);
    assert!(error.error.message.contains("input"), "{}", error.error);
    // A thousand copies are refused before they are made.
    let many = json!(vec!["{{ state }}"; 1_000]);
    let templates = Templates::parse(&many).expect("parses");
    assert_eq!(reason(templates.resolve(&many, &roots)), Err(Reason::Limit));
    let long = json!("{{ state }}".repeat(1_000));
    let templates = Templates::parse(&long).expect("parses");
    assert_eq!(reason(templates.resolve(&long, &roots)), Err(Reason::Limit));
    // Templates that work a lot and leave little.
    let busy = json!(vec!["{{ state.l | upper | length }}"; 1_000]);
    let templates = Templates::parse(&busy).expect("parses");
    assert_eq!(reason(templates.resolve(&busy, &roots)), Err(Reason::Limit));
}
