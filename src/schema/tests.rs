//! What a schema admits, refuses and costs.

use super::*;
use serde_json::json;

#[test]
fn formats_are_asserted_in_every_draft() {
    for uri in [
        "http://json-schema.org/draft-04/schema#",
        "http://json-schema.org/draft-06/schema#",
        "http://json-schema.org/draft-07/schema#",
        "https://json-schema.org/draft/2019-09/schema",
        "https://json-schema.org/draft/2020-12/schema",
    ] {
        let schema = compile(&json!({"$schema": uri, "format": "email"})).expect(uri);
        assert!(schema.is_valid(&json!("a@example.com")), "{uri}");
        assert!(!schema.is_valid(&json!("not an address")), "{uri}");
    }
    let absent = compile(&json!({"format": "date-time"})).expect("compiles");
    assert!(!absent.is_valid(&json!("tomorrow")));
}

#[test]
fn the_draft_decides_what_a_keyword_means() {
    // `prefixItems` came with 2020-12; before, an unknown keyword constrains nothing.
    let tuple = |uri: &str| json!({"$schema": uri, "prefixItems": [{"type": "string"}]});
    let old = compile(&tuple("http://json-schema.org/draft-07/schema#")).expect("compiles");
    let new = compile(&tuple("https://json-schema.org/draft/2020-12/schema")).expect("compiles");
    assert!(old.is_valid(&json!([1])));
    assert!(!new.is_valid(&json!([1])));
}

#[test]
fn other_documents_are_refused_not_fetched() {
    let error = compile(&json!({"properties": {"a": {"$ref": "https://example.com/a.json"}}}))
        .expect_err("refused");
    assert_eq!(error.pointer, "/properties/a/$ref");
    assert!(compile(&json!({"$ref": "file:///etc/passwd"})).is_err());
    assert!(compile(&json!({"$schema": "https://example.com/own", "type": "string"})).is_err());
    assert!(compile(&json!({"$ref": "#/$defs/a", "$defs": {"a": true}})).is_ok());
    assert!(compile(&json!({"const": {"$ref": "https://example.com"}})).is_ok());
}

#[test]
fn a_document_may_refer_to_itself_by_its_own_name() {
    let own = |reference: &str| {
        json!({
            "$id": "https://example.com/a.json",
            "properties": {"n": {"$ref": reference}},
            "$defs": {"count": {"type": "integer"}, "named": {"$anchor": "named", "type": "integer"}},
        })
    };
    for reference in [
        "https://example.com/a.json#/$defs/count",
        "https://example.com/a.json#named",
        "#named",
    ] {
        let schema = compile(&own(reference)).expect(reference);
        assert!(schema.is_valid(&json!({"n": 1})), "{reference}");
        assert!(!schema.is_valid(&json!({"n": "x"})), "{reference}");
    }
    let named_like_a_keyword = json!({"$id": "a.json", "properties": {"const": {"$ref": "a.json#/$defs/b"}}, "$defs": {"b": false}});
    let schema = compile(&named_like_a_keyword).expect("compiles");
    assert!(!schema.is_valid(&json!({"const": 1})));
    let whole = compile(&own("https://example.com/a.json")).expect("recursive");
    assert!(whole.is_valid(&json!({"n": {"n": {}}})));
    for reference in [
        "https://example.com/a.jsonx",
        "https://example.com/b.json",
        "b.json",
        "https://example.com/a.json#/$defs/gone",
    ] {
        assert!(compile(&own(reference)).is_err(), "{reference}");
    }
    let embedded = json!({
        "$id": "https://example.com/a.json",
        "$defs": {"b": {"$id": "https://example.com/b.json", "$ref": "https://example.com/a.json"}},
    });
    assert!(compile(&embedded).is_err());
}

#[test]
fn what_is_no_schema_is_refused_with_its_place() {
    assert!(compile(&json!("string")).is_err());
    let error = compile(&json!({"properties": {"a": {"type": "strin"}}})).expect_err("refused");
    assert_eq!(error.pointer, "/properties/a/type");
    assert!(compile(&json!({"pattern": "("})).is_err());
}

#[test]
fn every_defect_is_told_at_its_place() {
    let document = json!({
        "properties": {"a": {"type": "strin"}, "b": {"required": "x"}, "c": {"$ref": "c.json"}},
        "pattern": "("
    });
    let defects = check(&document).expect_err("refused");
    let mut places: Vec<_> = defects.into_iter().map(|defect| defect.pointer).collect();
    places.sort();
    let expected = [
        "/pattern",
        "/properties/a/type",
        "/properties/b/required",
        "/properties/c/$ref",
    ];
    assert_eq!(places, expected);
}

#[test]
fn what_is_told_stays_within_bounds_however_long_the_names_are() {
    // Up to a length of all places together each is told, within the bound; beyond it none is.
    for (length, alone) in [(20_000, false), (200_000, true)] {
        let name = "n".repeat(length);
        let document =
            json!({"properties": {&name: {"allOf": vec![json!({"type": "strin"}); 300]}}});
        let defects = check(&document).expect_err("refused");
        let told: usize = defects.iter().map(|defect| defect.pointer.len()).sum();
        assert!((1..=MOST_TOLD).contains(&told) != alone, "{told}");
        let schema = compile(&json!({"additionalProperties": {"items": {"type": "string"}}}));
        let found = schema
            .expect("compiles")
            .violations(&json!({&name: vec![1; 300]}));
        let told: usize = found.iter().map(|violation| violation.pointer.len()).sum();
        assert!((1..=MOST_TOLD).contains(&told) != alone, "{told}");
    }
}

#[test]
fn expressions_that_try_forever_end_and_honest_ones_work() {
    let hostile = compile(&json!({"items": {"pattern": "(a?){50}\\1{40}b"}})).expect("compiles");
    let value = json!(vec!["a".repeat(50); 20]);
    let started = std::time::Instant::now();
    assert!(!hostile.is_valid(&value) && !hostile.violations(&value).is_empty());
    assert!(started.elapsed() < std::time::Duration::from_secs(20));
    let honest =
        compile(&json!({"pattern": "^(?=.*[A-Z])(?=.*[0-9])(?!.* ).{8,}$"})).expect("compiles");
    assert!(honest.is_valid(&json!(format!("{}A9", "x".repeat(100_000)))));
    assert!(!honest.is_valid(&json!("lower case 9")));
}

#[test]
fn values_are_taken_by_json_value_and_never_coerced() {
    for (schema, fine, wrong) in [
        (
            json!({"type": "integer"}),
            vec![json!(1), json!(1.0), json!(-0.0)],
            vec![json!(1.5), json!("1"), json!(true)],
        ),
        (
            json!({"enum": [1]}),
            vec![json!(1.0)],
            vec![json!(true), json!("1")],
        ),
        (
            json!({"const": {"a": 1, "b": 2}}),
            vec![json!({"b": 2.0, "a": 1})],
            vec![json!({"a": 1})],
        ),
        (
            json!({"uniqueItems": true}),
            vec![json!([1, true, "1"])],
            vec![json!([1, 1.0])],
        ),
        (
            json!({"type": "array"}),
            vec![json!([])],
            vec![json!({}), json!("a")],
        ),
        (
            json!({"maxLength": 1}),
            vec![json!("\u{1f600}"), json!("\u{e9}")],
            vec![json!("e\u{301}")],
        ),
        (
            json!({"pattern": "b"}),
            vec![json!("abc")],
            vec![json!("ac")],
        ),
        (
            json!({"format": "no-such-format"}),
            vec![json!("any")],
            vec![],
        ),
        (json!(true), vec![json!(null)], vec![]),
        (json!(false), vec![], vec![json!(null)]),
    ] {
        let compiled = compile(&schema).expect("compiles");
        for value in fine {
            assert!(compiled.is_valid(&value), "{schema} {value}");
            assert_eq!(compiled.violations(&value), [], "{schema} {value}");
        }
        for value in wrong {
            assert!(!compiled.is_valid(&value), "{schema} {value}");
            assert!(!compiled.violations(&value).is_empty(), "{schema} {value}");
        }
    }
}

#[test]
fn the_formats_of_the_protocol_are_asserted() {
    for (format, fine, wrong) in [
        (
            "email",
            vec!["a@example.com"],
            vec!["a", "a@", "@example.com", ""],
        ),
        (
            "date-time",
            vec!["2026-03-28T14:32:10Z", "2026-03-28T14:32:10.5+01:00"],
            vec![
                "2026-03-28T14:32:10",
                "2026-02-30T00:00:00Z",
                "2026-03-28T24:00:00Z",
                "2026-03-28",
                "tomorrow",
            ],
        ),
        ("date", vec!["2024-02-29"], vec!["2023-02-29", "2024-2-9"]),
        ("time", vec!["10:00:00Z"], vec!["10:00:00", "25:00:00Z"]),
        ("uri", vec!["https://a.example/b"], vec!["/a", "a b"]),
        (
            "uuid",
            vec!["123e4567-e89b-12d3-a456-426614174000"],
            vec!["123e4567"],
        ),
        ("ipv4", vec!["192.0.2.1"], vec!["192.0.2", "256.0.0.1"]),
        ("ipv6", vec!["2001:db8::1"], vec!["2001:db8::g"]),
        ("hostname", vec!["a.example"], vec!["-a.example", "a b"]),
    ] {
        let compiled = compile(&json!({"format": format})).expect("compiles");
        for text in fine {
            assert!(compiled.is_valid(&json!(text)), "{format} {text}");
        }
        for text in wrong {
            assert!(!compiled.is_valid(&json!(text)), "{format} {text}");
        }
    }
}

#[test]
fn violations_name_place_and_keyword_and_never_the_value() {
    let schema = compile(&json!({"properties": {"to": {"format": "email"}}, "required": ["id"]}))
        .expect("compiles");
    let found = schema.violations(&json!({"to": "s3cret"}));
    let short: Vec<_> = found
        .iter()
        .map(|v| (v.pointer.as_str(), v.rule.as_str()))
        .collect();
    assert!(short.contains(&("/to", "format")) && short.contains(&("", "required")));
    assert!(found.iter().all(|v| !v.message.contains("s3cret")));
}

#[test]
fn a_message_about_many_members_has_an_end() {
    let schema = compile(&json!({"properties": {"known": {}}, "additionalProperties": false}))
        .expect("compiles");
    for letter in ["a", "é", "∎"] {
        let members = (0..60_000).map(|number| (format!("{letter}{number}"), json!(1)));
        let found = schema.violations(&Value::Object(members.collect()));
        let [violation] = found.as_slice() else {
            panic!("one violation: {}", found.len());
        };
        let length = violation.message.len();
        assert!((1_000..=1_024).contains(&length), "{length}");
        assert!(violation.message.ends_with('…'), "{}", violation.message);
    }
}

#[test]
fn every_schema_of_the_spec_compiles_and_knows_its_own_name() {
    for path in embedded::list("spec/schemas/") {
        let Some(name) = path
            .strip_prefix("spec/schemas/")
            .and_then(|file| file.strip_suffix(".json"))
        else {
            continue;
        };
        let document: Value =
            serde_json::from_str(&embedded::text(&path).expect("listed")).expect(&path);
        assert_eq!(document["$id"], format!("{OWN_BASE}{name}.json"));
        assert!(named(name).is_some(), "{path} does not compile");
    }
}

#[test]
fn a_reference_may_lead_to_the_meta_schema_of_any_known_dialect() {
    let drafts = [
        "http://json-schema.org/draft-04/schema#",
        "http://json-schema.org/draft-06/schema#",
        "http://json-schema.org/draft-07/schema#",
        "https://json-schema.org/draft/2019-09/schema",
        "https://json-schema.org/draft/2020-12/schema",
    ];
    for own in drafts {
        for other in drafts {
            let schema = compile(&json!({
                "$schema": own,
                "properties": {"shape": {"$ref": other}},
            }));
            let schema = schema.unwrap_or_else(|error| panic!("{own} to {other}: {error}"));
            assert!(
                schema.is_valid(&json!({"shape": {"type": "string"}})),
                "{own} to {other}"
            );
            assert!(
                !schema.is_valid(&json!({"shape": {"type": 3}})),
                "{own} to {other}"
            );
        }
    }
    let within = json!({"properties": {"x": {"$schema": drafts[2], "type": "string"}}});
    assert!(compile(&within).is_ok());
}

#[test]
fn a_defect_is_told_once_at_its_place() {
    let broken = json!({"properties": {"x": {"items": 3, "minimum": "1"}}});
    let defects = check(&broken).expect_err("broken");
    let mut places: Vec<&str> = defects
        .iter()
        .map(|defect| defect.pointer.as_str())
        .collect();
    places.sort_unstable();
    assert_eq!(places, ["/properties/x/items", "/properties/x/minimum"]);
}
