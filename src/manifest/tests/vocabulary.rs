//! The JSON-LD spelling by other names for the same terms (`spec/workflows.md`, section 2).

use serde_json::{Value, json};

use super::super::load;
use super::{assert_refused, loaded, plain};

const NAMESPACE: &str = "https://open-action.example/2.0/vocab#";

/// The plain manifest in the JSON-LD spelling, its names under `prefix`, its types as `kind` makes them.
fn spelled(context: &Value, prefix: &str, kind: impl Fn(&str) -> Value) -> Value {
    let action = [
        ("actionType", json!("invoke_api")),
        ("name", json!("look")),
        ("inputSchema", json!({"type": "object"})),
        ("outputSchema", json!({})),
        (
            "endpoint",
            json!("https://api.calendar.example.com/v1/events"),
        ),
        ("method", json!("GET")),
    ];
    let named = |members: &[(&str, Value)]| {
        let each = members.iter();
        each.map(|(name, value)| (format!("{prefix}{name}"), value.clone()))
            .collect::<serde_json::Map<_, _>>()
    };
    let mut action = named(&action);
    action.insert("@type".to_owned(), kind("Action"));
    let mut document = named(&[
        ("name", json!("Plain")),
        ("version", json!("1.2.3")),
        ("protocolVersion", json!("2.0")),
        ("actions", json!([action])),
    ]);
    document.insert("@context".to_owned(), context.clone());
    document.insert("@type".to_owned(), kind("Manifest"));
    Value::Object(document)
}

#[test]
fn wfl_003_every_spelling_has_the_same_digest() {
    let digest = loaded(&plain()).digest;
    let published = json!("https://open-action.example/2.0/context.jsonld");
    let inline = json!([published, {"oa": NAMESPACE}]);
    let full = |term: &str| json!(format!("{NAMESPACE}{term}"));
    for document in [
        spelled(&published, "", |term| json!(format!("OpenAction:{term}"))),
        spelled(&published, "", |term| json!([format!("OpenAction:{term}")])),
        spelled(&published, "", full),
        spelled(&published, "OpenAction:", full),
        spelled(&published, NAMESPACE, full),
        spelled(&inline, "oa:", |term| json!(format!("oa:{term}"))),
        spelled(&inline, "", |term| json!([format!("oa:{term}")])),
        spelled(&json!({"@vocab": NAMESPACE}), "", |term| json!(term)),
        spelled(&json!("https://schema.org/"), "", full),
    ] {
        let manifest = loaded(&document);
        assert_eq!(manifest.digest, digest, "{document}");
        assert_eq!(manifest.document, loaded(&plain()).document, "{document}");
    }
}

#[test]
fn contexts_of_actions_hold_in_them_alone() {
    let mut document = spelled(&json!({}), "", |term| json!(format!("OpenAction:{term}")));
    document["actions"][0]["@context"] = json!({"oa": NAMESPACE});
    document["actions"][0]["@type"] = json!("oa:Action");
    assert_eq!(loaded(&document).digest, loaded(&plain()).digest);
    let second = json!({"@type": "oa:Action", "name": "b", "inputSchema": {}, "outputSchema": {}});
    let actions = document["actions"].as_array_mut().expect("an array");
    actions.push(second);
    assert_refused(&document, "/actions/1/@type", "enum");
}

#[test]
fn violations_are_told_by_the_names_of_the_document() {
    let context = json!({"oa": NAMESPACE});
    let good = spelled(&context, "oa:", |term| json!(format!("oa:{term}")));
    let mut document = good.clone();
    document["oa:actions"][0]["oa:method"] = json!("get");
    assert_refused(&document, "/oa:actions/0/oa:method", "enum");
    let mut document = good.clone();
    document["oa:actions"][0]["oa:timeoutMs"] = json!(0);
    assert_refused(&document, "/oa:actions/0/oa:timeoutMs", "minimum");
    let mut document = good.clone();
    document["name"] = json!("Twice");
    assert_refused(&document, "/oa:name", "duplicate_key");
    let mut document = good.clone();
    document["@context"]["name"] = json!("https://schema.org/name");
    assert_refused(&document, "/@context/name", "protected_term");
    let mut document = good;
    document["oa:actions"][0]["@context"] = json!([null]);
    assert_refused(&document, "/oa:actions/0/@context/0", "type");
}

#[test]
fn plain_json_is_not_expanded() {
    let mut document = spelled(&json!({"oa": NAMESPACE}), "", |term| {
        json!(format!("oa:{term}"))
    });
    let schema = json!({"properties": {"oa:name": {"type": "string"}, "OpenAction:input": {}}});
    document["actions"][0]["inputSchema"] = schema.clone();
    document["actions"][0]["headers"] = json!({"X-A": "oa:name"});
    document["actions"][0]["requestMap"] = json!({"/oa:name": {"const": {"oa:name": 1}}});
    let manifest = loaded(&document);
    assert_eq!(manifest.actions[0].input_schema, schema);
    assert_eq!(
        manifest.document["actions"][0]["request_map"],
        document["actions"][0]["requestMap"]
    );
}

#[test]
fn no_member_of_the_vocabulary_is_read_over() {
    let guard = json!({"requiredScopes": ["calendar:read"]});
    // Prefixes belong to the other spelling, which nothing may be mixed in of.
    let mut snake = plain();
    snake["@context"] = json!({"oa": NAMESPACE});
    for name in ["oa:accessControl", "OpenAction:accessControl"] {
        let mut document = snake.clone();
        document["actions"][0][name] = guard.clone();
        assert_refused(&document, &format!("/actions/0/{name}"), "mixed_spelling");
    }
    snake["x:name"] = json!("other");
    assert_eq!(loaded(&snake).name, "Plain");

    let named = |context: Value| spelled(&context, "", |term| json!(format!("OpenAction:{term}")));
    let mut document = named(json!({"guard": "accessControl"}));
    document["actions"][0]["guard"] = guard.clone();
    let access = loaded(&document).actions[0].access_control.clone();
    assert_eq!(access.expect("is there").required_scopes, ["calendar:read"]);
    for keyword in ["@nest", "@included", "@graph", "@reverse", "@set"] {
        let mut document = named(json!({}));
        document["actions"][0][keyword] = json!({"accessControl": guard});
        let place = format!("/actions/0/{keyword}");
        assert_refused(&document, &place, "unsupported_keyword");
    }
    let mut document = named(json!({"oa": NAMESPACE}));
    document["actions"][0]["oa:access_control"] = guard.clone();
    assert_refused(&document, "/actions/0/oa:access_control", "mixed_spelling");
    let mut document = named(json!({"g": {"@id": "accessControl", "@container": "@index"}}));
    document["actions"][0]["g"] = json!({"x": guard});
    assert_refused(&document, "/@context/g", "unsupported_context");
}

#[test]
fn many_names_and_contexts_are_quickly_read() {
    let mut context = serde_json::Map::new();
    for index in 0..8000 {
        context.insert(format!("p{index}"), json!(format!("p{}:", index + 1)));
    }
    context.insert("p8000".to_owned(), json!(NAMESPACE));
    let mut document = json!({"@context": context, "@type": "OpenAction:Manifest"});
    for index in 0..8000 {
        document[format!("p{index}:name")] = json!("x");
    }
    let begun = std::time::Instant::now();
    assert!(load(&document).is_err());
    assert!(begun.elapsed().as_secs() < 20);
}

#[test]
fn the_second_articles_printed_definition_loads() {
    // As printed, in a manifest: no actionType, so a plugin of its own name; draft 7; access control.
    let printed = json!({
        "@type": "OpenAction:Action",
        "name": "send_email",
        "description": "Send an email to a recipient.",
        "inputSchema": {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "properties": {
                "to": {"type": "string", "format": "email"},
                "subject": {"type": "string"},
                "body": {"type": "string"}
            },
            "required": ["to", "subject", "body"]
        },
        "outputSchema": {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "properties": {
                "messageId": {"type": "string"},
                "status": {"type": "string", "enum": ["sent", "failed"]}
            },
            "required": ["messageId", "status"]
        },
        "accessControl": {"requiredScopes": ["email:send"], "rateLimit": "10/min"}
    });
    let manifest = loaded(&json!({
        "@type": "OpenAction:Manifest", "name": "printed", "version": "1.0.0", "actions": [printed]
    }));
    let action = &manifest.actions[0];
    assert_eq!(action.kind.name(), "plugin");
    let access = action.access_control.as_ref().expect("is there");
    assert_eq!(access.required_scopes, ["email:send"]);
    assert_eq!(access.rate_limit.expect("is there").count, 10);
}
