//! The two spellings, there and back.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::{load, to_json_ld};
use super::{plain, with_action};

/// There and back, with the digest unchanged.
fn round(document: &Value) {
    let manifest = load(document).unwrap_or_else(|found| panic!("{document}: {found:?}"));
    let respelled = to_json_ld(&manifest).unwrap_or_else(|error| panic!("{document}: {error}"));
    assert_eq!(respelled["@type"], "OpenAction:Manifest");
    let again = load(&respelled).unwrap_or_else(|found| panic!("{respelled}: {found:?}"));
    assert_eq!(again.digest, manifest.digest);
    assert_eq!(again.document, manifest.document);
    // Out of the JSON-LD spelling as well as into it.
    assert_eq!(to_json_ld(&again).as_ref(), Ok(&respelled));
}

#[test]
fn every_valid_fixture_goes_there_and_back() {
    let mut seen = 0;
    for path in crate::embedded::list("fixtures/manifests/valid/") {
        let text = crate::embedded::text(&path).expect("there");
        round(&serde_json::from_str(&text).expect("json"));
        seen += 1;
    }
    assert!(seen >= 20, "{seen}");
}

#[test]
fn members_are_respelled_at_their_places_only() {
    let document = with_action(json!({
        "input_schema": {"properties": {"timeout_ms": {}, "input_schema": {"const": {"result_path": 1}}}},
        "headers": {"access_control": "a"},
        "result_path": {"/environment/result_path": "/feature_flag"},
        "requestId": "an unknown member of an action",
        "fallback_action": {"name": "other", "input": {"timeout_ms": 1}, "request_id": "r", "timeout_ms": 2},
        "x-limits": {"cpu_ms": 1},
        "limits": {"cpu_ms": 1},
    }));
    let mut document = document;
    let mut other = document["actions"][0].clone();
    other["name"] = json!("other");
    other
        .as_object_mut()
        .expect("an object")
        .remove("fallback_action");
    document["actions"]
        .as_array_mut()
        .expect("an array")
        .push(other);
    round(&document);
    let respelled = to_json_ld(&load(&document).expect("loads")).expect("can be said");
    let action = &respelled["actions"][0];
    assert_eq!(action["@type"], "OpenAction:Action");
    assert_eq!(action["actionType"], "invoke_api");
    assert_eq!(
        action["inputSchema"],
        document["actions"][0]["input_schema"]
    );
    assert_eq!(action["requestId"], "an unknown member of an action");
    assert_eq!(action["limits"], json!({"cpuMs": 1}));
    assert_eq!(action["x-limits"], json!({"cpu_ms": 1}));
    assert_eq!(
        action["fallbackAction"],
        json!({"@type": "OpenAction:Action", "name": "other", "input": {"timeout_ms": 1}, "requestId": "r", "timeout_ms": 2})
    );
}

#[test]
fn what_the_other_spelling_cannot_say_is_refused() {
    let mut context = plain();
    context["@context"] = json!("https://example.com/");
    let mut nest = plain();
    nest["actions"][0]["@nest"] = json!({});
    let mut kind = plain();
    kind["actions"][0]["fallback_action"] =
        json!({"@type": "OpenAction:Action", "name": kind["actions"][0]["name"]});
    let mut second = kind["actions"][0].clone();
    second["name"] = json!("second");
    second
        .as_object_mut()
        .expect("an object")
        .remove("fallback_action");
    kind["actions"]
        .as_array_mut()
        .expect("an array")
        .push(second);
    kind["actions"][0]["fallback_action"]["name"] = json!("second");
    for (document, pointer) in [
        (context, "/@context"),
        (nest, "/actions/0/@nest"),
        (kind, "/actions/0/fallback_action/@type"),
    ] {
        let manifest = load(&document).unwrap_or_else(|found| panic!("{document}: {found:?}"));
        let error = to_json_ld(&manifest).expect_err("refused");
        assert_eq!(error.pointer, pointer, "{error}");
    }
}

/// Names that are members in one spelling or the other, somewhere or nowhere.
const NAMES: [&str; 20] = [
    "timeout_ms",
    "timeoutMs",
    "input_schema",
    "inputSchema",
    "type",
    "actionType",
    "requestId",
    "request_id",
    "cpu_ms",
    "x-note",
    "note",
    "schema:author",
    "@id",
    "required_scopes",
    "rateLimit",
    "result_path",
    "plugin_reference",
    "name",
    "protocolVersion",
    "input",
];

fn free() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i32>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z{}$é]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            members(inner).prop_map(Value::Object),
        ]
    })
}

fn members(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    let name = proptest::sample::select(&NAMES[..]).prop_map(str::to_owned);
    proptest::collection::btree_map(name, value, 0..4).prop_map(|all| all.into_iter().collect())
}

fn node() -> impl Strategy<Value = Value> {
    (members(free()), proptest::option::of(members(free()))).prop_map(|(extra, input)| {
        let mut node = Map::new();
        for (name, value) in extra {
            if matches!(
                name.as_str(),
                "note" | "x-note" | "timeout_ms" | "@id" | "schema:author"
            ) {
                node.insert(name, value);
            }
        }
        node.insert("name".to_owned(), json!("other"));
        node.insert("request_id".to_owned(), json!("r"));
        node.insert(
            "access_control".to_owned(),
            json!({"required_scopes": ["a:b"], "note": 1}),
        );
        if let Some(input) = input {
            let plain = input
                .into_iter()
                .filter(|(_, value)| !value.to_string().contains("{{"));
            node.insert("input".to_owned(), Value::Object(plain.collect()));
        }
        Value::Object(node)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_loads_goes_there_and_back(
        top in members(free()),
        extra in members(free()),
        constant in free(),
        fallback in node(),
        intent in members(free()),
    ) {
        let unknown = |given: Map<String, Value>, known: &[&str]| {
            let names = ["note", "x-note", "schema:author", "@id", "requestId", "rateLimit", "cpu_ms"];
            given
                .into_iter()
                .filter(|(name, _)| names.contains(&name.as_str()) && !known.contains(&name.as_str()))
                .collect::<Map<_, _>>()
        };
        let mut action = unknown(extra, &[]);
        for (name, value) in [
            ("name", json!("first")),
            ("type", json!("invoke_api")),
            ("endpoint", json!("https://api.example.com/")),
            ("method", json!("POST")),
            ("timeout_ms", json!(5.0)),
            ("input_schema", json!({"properties": {"input_schema": {"const": constant.clone()}}})),
            ("output_schema", json!({"default": constant})),
            ("access_control", json!({"rate_limit": "1/s"})),
            ("fallback_action", fallback),
        ] {
            action.insert(name.to_owned(), value);
        }
        let mut other = action.clone();
        other.insert("name".to_owned(), json!("other"));
        other.remove("fallback_action");
        let mut intent = unknown(intent, &[]);
        intent.insert("name".to_owned(), json!("i"));
        intent.insert("actions".to_owned(), json!(["first"]));
        let mut document = unknown(top, &[]);
        document.insert("name".to_owned(), json!("m"));
        document.insert("version".to_owned(), json!("1.0"));
        document.insert("protocol_version".to_owned(), json!("2.0"));
        document.insert("actions".to_owned(), json!([action, other]));
        document.insert("intents".to_owned(), json!([intent]));
        round(&Value::Object(document));
    }
}
