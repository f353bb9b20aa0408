//! The two spellings: one digest, pointers into the document as given, mixing refused.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::load;
use super::{api, assert_refused, loaded, plain, refusals, typed, warnings, with};
use crate::requirement::Profile;
use crate::{json, schema};

/// A manifest that has every member with two spellings.
fn rich() -> Value {
    json!({
        "name": "Rich",
        "version": "2.0",
        "description": "d",
        "protocol_version": "2.0",
        "x-note": {"input_schema": 1, "inputSchema": 2},
        "actions": [
            {
                "type": "invoke_api", "name": "call",
                "input_schema": {"properties": {"input_schema": true, "timeoutMs": true}},
                "output_schema": {"$defs": {"result_path": true}},
                "endpoint": "https://a.example/x", "method": "POST",
                "auth": "Bearer ${A}", "headers": {"timeout_ms": "1"}, "timeout_ms": 5,
                "request_map": {"/input_schema": "/inputSchema"},
                "response_map": {"/result_path": {"const": {"result_path": 1}}},
                "result_path": {"/environment/result_path": "/resultPath"},
                "completes_goal": true, "feature_flag": "input_schema",
                "access_control": {"required_scopes": ["a:b"], "rate_limit": "1/s", "verification": "none", "x-y": 1},
                "conditional": "state.x",
                "fallback_action": {"name": "code", "input": {"input_schema": 1, "inputSchema": 2}, "request_id": "r", "access_control": {"rate_limit": "1/s"}}
            },
            {
                "type": "run_code", "name": "code", "input_schema": true, "output_schema": true,
                "runtime": "python3.11", "code": "def input_schema(): pass", "entrypoint": "input_schema",
                "limits": {"cpu_ms": 5, "memory_mib": 8}, "network": ["a:1"]
            },
            {"type": "plugin", "name": "plug", "input_schema": true, "output_schema": true, "plugin_reference": "a.b"}
        ],
        "intents": [{"name": "i", "description": "", "actions": ["call"]}]
    })
}

/// The same document in JSON-LD, written independently of the code under test: every key that is a
/// member of the model at its place is turned into camelCase.
fn as_json_ld(document: &Value) -> Value {
    let mut ld = Map::new();
    ld.insert(
        "@context".to_owned(),
        json!("https://open-action.example/2.0/context.jsonld"),
    );
    ld.insert("@type".to_owned(), json!("OpenAction:Manifest"));
    for (name, value) in document.as_object().expect("is there") {
        let value = match name.as_str() {
            "actions" => value
                .as_array()
                .expect("is there")
                .iter()
                .map(action_as_json_ld)
                .collect(),
            _ => value.clone(),
        };
        ld.insert(camel(name), value);
    }
    Value::Object(ld)
}

fn action_as_json_ld(action: &Value) -> Value {
    let mut ld = Map::new();
    ld.insert("@type".to_owned(), json!("OpenAction:Action"));
    for (name, value) in action.as_object().expect("is there") {
        let inner = matches!(
            name.as_str(),
            "access_control" | "limits" | "fallback_action"
        );
        let value = match value {
            Value::Object(_) if name == "fallback_action" => action_as_json_ld(value),
            Value::Object(members) if inner => members
                .iter()
                .map(|(name, value)| (camel(name), value.clone()))
                .collect(),
            _ => value.clone(),
        };
        let name = if name == "type" {
            "actionType".to_owned()
        } else {
            camel(name)
        };
        ld.insert(name, value);
    }
    Value::Object(ld)
}

fn camel(name: &str) -> String {
    if name.starts_with("x-") {
        return name.to_owned();
    }
    let mut parts = name.split('_');
    let first = parts.next().expect("is there").to_owned();
    parts.fold(first, |done, part| {
        let (head, tail) = part.split_at(1);
        done + &head.to_uppercase() + tail
    })
}

#[test]
fn both_spellings_are_one_document() {
    let snake = loaded(&rich());
    let ld = loaded(&as_json_ld(&rich()));
    assert_eq!(snake.document, rich());
    assert_eq!(ld.document, rich());
    assert_eq!(snake.digest, ld.digest);
    assert_eq!(snake.digest, json::digest(&rich()));
    assert_eq!(snake.needs().len(), ld.needs().len());
}

#[test]
fn the_digest_is_of_the_document_as_given() {
    let one = loaded(&plain()).digest;
    let mut reordered = Map::new();
    for (name, value) in plain().as_object().expect("is there").iter().rev() {
        reordered.insert(name.clone(), value.clone());
    }
    assert_eq!(loaded(&Value::Object(reordered)).digest, one);
    assert_ne!(loaded(&with(json!({"x-note": 1}))).digest, one);
    let two_part = loaded(&with(json!({"version": "1.2"}))).digest;
    assert_ne!(loaded(&with(json!({"version": "1.2.0"}))).digest, two_part);
    let without_default = loaded(&with(json!({"protocol_version": null}))).digest;
    assert_ne!(without_default, one);
}

#[test]
fn an_action_without_type_is_a_plugin_in_json_ld_only() {
    let mut document = as_json_ld(&plain());
    document["actions"] = json!([{"@type": "OpenAction:Action", "name": "erp.invoice", "inputSchema": {}, "outputSchema": {}}]);
    let manifest = loaded(&document);
    assert_eq!(manifest.document["actions"][0]["type"], "plugin");
    let need = &manifest.needs()[0];
    assert_eq!(
        (need.profile, need.pointer.as_str()),
        (Profile::Workflow, "/actions/0")
    );
    let snake = with(
        json!({"actions": [{"type": "plugin", "name": "erp.invoice", "input_schema": {}, "output_schema": {}}]}),
    );
    assert_eq!(loaded(&snake).digest, manifest.digest);
}

#[test]
fn pointers_lead_into_the_document_as_given() {
    let mut document = as_json_ld(&rich());
    document["protocolVersion"] = json!("1.0");
    document["actions"][0]["inputSchema"]["properties"]["timeoutMs"] = json!({"type": "x"});
    document["actions"][0]["timeoutMs"] = json!(0);
    document["actions"][0]["resultPath"] = json!({"/elsewhere": ""});
    document["actions"][0]["accessControl"]["rateLimit"] = json!("1");
    document["actions"][0]["fallbackAction"]["accessControl"]["rateLimit"] = json!(1);
    document["actions"][1]["limits"]["cpuMs"] = json!(0);
    document["actions"][2]["actionType"] = json!("x");
    document["actions"][2]["outputSchema"] = Value::Null;
    document["actions"][2]
        .as_object_mut()
        .expect("is there")
        .remove("inputSchema");
    let mut places: Vec<_> = refusals(&document)
        .into_iter()
        .map(|(pointer, _)| pointer)
        .collect();
    places.sort();
    assert_eq!(
        places,
        [
            "/actions/0/accessControl/rateLimit",
            "/actions/0/fallbackAction/accessControl/rateLimit",
            "/actions/0/inputSchema/properties/timeoutMs/type",
            "/actions/0/resultPath/~1elsewhere",
            "/actions/0/timeoutMs",
            "/actions/1/limits/cpuMs",
            "/actions/2",
            "/actions/2/actionType",
            "/actions/2/outputSchema",
            "/protocolVersion",
        ]
    );
    let missing = load(&document).expect_err("refused");
    let required = missing
        .iter()
        .find(|violation| violation.rule == "required")
        .expect("is there");
    assert!(
        required.message.contains("inputSchema"),
        "{}",
        required.message
    );
}

#[test]
fn needs_and_warnings_are_spelled_as_given() {
    let mut document = as_json_ld(&rich());
    document["actions"][0]["accessControl"]["colour"] = json!(1);
    let manifest = loaded(&document);
    let needs: Vec<_> = manifest
        .needs()
        .iter()
        .map(|need| (need.pointer.as_str(), need.member.as_str()))
        .collect();
    assert_eq!(
        needs,
        [
            ("/actions/0/accessControl", "accessControl"),
            ("/actions/0/conditional", "conditional"),
            ("/actions/0/fallbackAction", "fallbackAction"),
            ("/actions/1/actionType", "run_code"),
            ("/actions/1/network", "network"),
            ("/actions/2/actionType", "plugin"),
        ]
    );
    assert!(warnings(&document).contains(&(
        "/actions/0/accessControl/colour".to_owned(),
        "unknown_member".to_owned()
    )));
}

#[test]
fn mixing_is_told_once_and_hides_nothing() {
    let with_member = |name: &str, value: Value| {
        let mut action = api("look");
        action[name] = value;
        with(json!({"actions": [action]}))
    };
    assert_refused(
        &with_member("inputSchema", json!({})),
        "/actions/0/inputSchema",
        "mixed_spelling",
    );
    assert_refused(
        &with_member("actionType", json!("plugin")),
        "/actions/0/actionType",
        "mixed_spelling",
    );
    assert_refused(
        &with_member("@type", json!("OpenAction:Action")),
        "/actions/0/@type",
        "mixed_spelling",
    );
    assert_refused(
        &with(json!({"protocol_version": null, "protocolVersion": "2.0"})),
        "/protocolVersion",
        "mixed_spelling",
    );

    // Instead of the right member: no second violation says that it is missing, but its value is looked at.
    let mut instead = plain();
    let action = instead["actions"][0].as_object_mut().expect("is there");
    action.remove("input_schema");
    action.insert("inputSchema".to_owned(), json!({"type": "x"}));
    let told = refusals(&instead);
    let expected = [
        ("/actions/0/inputSchema", "mixed_spelling"),
        ("/actions/0/inputSchema/type", "invalid_schema"),
    ];
    assert_eq!(
        told,
        expected.map(|(pointer, rule)| (pointer.to_owned(), rule.to_owned()))
    );

    let mut ld = as_json_ld(&plain());
    ld["actions"][0]["timeout_ms"] = json!(5);
    assert_refused(&ld, "/actions/0/timeout_ms", "mixed_spelling");
    let mut ld = as_json_ld(&plain());
    ld["actions"][0]["type"] = json!("invoke_api");
    assert_refused(&ld, "/actions/0/type", "mixed_spelling");
    let mut ld = as_json_ld(&rich());
    ld["actions"][1]["limits"] = json!({"cpu_ms": 5, "memoryMib": 8});
    assert_refused(&ld, "/actions/1/limits/cpu_ms", "mixed_spelling");
}

#[test]
fn json_ld_keywords_are_checked() {
    let changed = |pointer: &str, value: Value| {
        let mut document = as_json_ld(&plain());
        *document.pointer_mut(pointer).expect("is there") = value;
        document
    };
    assert_refused(&changed("/@type", json!("Manifest")), "/@type", "enum");
    assert_refused(&changed("/@type", json!([])), "/@type", "enum");
    assert_refused(&changed("/@type", json!({})), "/@type", "type");
    assert_refused(&changed("/@context", json!(1)), "/@context", "type");
    assert_refused(
        &changed("/actions/0/@type", json!("OpenAction:HumanApproval")),
        "/actions/0/@type",
        "enum",
    );
    for fine in [json!("c"), json!({}), json!(["c"])] {
        assert!(load(&changed("/@context", fine)).is_ok());
    }
    let mut untyped = as_json_ld(&plain());
    untyped["actions"][0]
        .as_object_mut()
        .expect("is there")
        .remove("@type");
    assert_refused(&untyped, "/actions/0", "required");
    let mut bare = as_json_ld(&plain());
    bare.as_object_mut().expect("is there").remove("@context");
    assert_eq!(loaded(&bare).digest, loaded(&plain()).digest);
}

#[test]
fn an_unknown_member_keeps_its_name() {
    let mut document = as_json_ld(&plain());
    document["someThing"] = json!({"innerThing": 1, "inputSchema": 1});
    document["@id"] = json!("urn:x");
    let manifest = loaded(&document);
    assert_eq!(manifest.document["someThing"], document["someThing"]);
    assert_eq!(manifest.document["@id"], "urn:x");
    let places: Vec<_> = warnings(&document)
        .into_iter()
        .map(|(pointer, _)| pointer)
        .collect();
    assert_eq!(places, ["/someThing", "/@id"]);
}

/// Members that a stranger might write anywhere, some of them of the model, some not.
fn any_member() -> impl Strategy<Value = (String, Value)> {
    let names = prop::sample::select(vec![
        "name",
        "type",
        "actionType",
        "@type",
        "@context",
        "input_schema",
        "inputSchema",
        "limits",
        "access_control",
        "accessControl",
        "fallback_action",
        "fallbackAction",
        "actions",
        "intents",
        "version",
        "headers",
        "endpoint",
        "result_path",
        "resultPath",
        "request_map",
        "effects",
        "x-a",
        "",
        "a/b",
        "~",
        "network",
        "prompt",
        "timeout_ms",
    ]);
    (names.prop_map(str::to_owned), any_value())
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec![
            "",
            "invoke_api",
            "run_code",
            "OpenAction:Manifest",
            "OpenAction:Action",
            "a",
            "${A}",
            "${",
            "/environment/a",
            "GET",
            "https://a.example",
            "2.0"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        let names = prop::sample::select(vec![
            "name",
            "type",
            "actionType",
            "@type",
            "fallback_action",
            "fallbackAction",
            "limits",
            "cpu_ms",
            "/environment/a",
            "/environment/a/b",
            "const",
            "$ref",
            "properties",
            "X",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((names, inner), 0..6).prop_map(|members| members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

proptest! {
    #[test]
    fn any_document_loads_or_says_why(members in prop::collection::vec(any_member(), 0..8), in_action: bool) {
        let members: Map<String, Value> = members.into_iter().collect();
        let document = if in_action {
            let mut action = api("look");
            for (name, value) in members { action[name] = value; }
            with(json!({"actions": [action, typed("plugin", json!({}))]}))
        } else {
            Value::Object(members)
        };
        match load(&document) {
            // A member of another action type is only warned of, whatever it holds.
            Ok(manifest) if manifest.warnings().iter().any(|warning| warning.rule == "unknown_member") => {}
            Ok(_) => {
                // The published schema is no stricter than the rules.
                let name = if document.get("@type").is_some() { "manifest-jsonld" } else { "manifest" };
                let violations = schema::named(name).map(|schema| schema.violations(&document));
                prop_assert_eq!(violations, Some(Vec::new()), "{}", document);
            }
            Err(violations) => {
                prop_assert!(!violations.is_empty());
                for violation in violations {
                    // Every pointer leads somewhere in the document as given.
                    prop_assert!(document.pointer(&violation.pointer).is_some(), "{} in {}", violation.pointer, document);
                }
            }
        }
    }

    #[test]
    fn spelling_never_changes_the_digest(
        keep in prop::collection::vec(any::<bool>(), 64),
        extra in prop::collection::vec(("x-[a-z_A-Z]{1,8}", any_value()), 0..4),
    ) {
        // Any subset of the optional members of the rich manifest, and free members everywhere.
        let mut document = rich();
        let mut keep = keep.into_iter();
        for action in document["actions"].as_array_mut().expect("is there") {
            action.as_object_mut().expect("is there").retain(|name, _| {
                let required = ["type", "name", "input_schema", "output_schema", "endpoint", "method", "runtime", "code"];
                required.contains(&name.as_str()) || keep.next().unwrap_or(true)
            });
            for (name, value) in &extra { action[name] = value.clone(); }
        }
        for (name, value) in &extra { document[name] = value.clone(); }
        let snake = load(&document).map_err(|why| TestCaseError::fail(format!("{why:?}")))?;
        let ld = load(&as_json_ld(&document)).map_err(|why| TestCaseError::fail(format!("{why:?}")))?;
        prop_assert_eq!(&snake.digest, &ld.digest);
        prop_assert_eq!(&snake.document, &document);
        // A digest survives a second go: the snake_case form is its own snake_case form.
        prop_assert_eq!(load(&ld.document).map(|manifest| manifest.digest).ok(), Some(ld.digest.clone()));
    }
}
