//! Names of the vocabulary, spellings, profiles, and where nodes may stand (sections 2, 12 and 13).

use serde_json::{Value, json};

use super::super::node::Node;
use super::super::request;
use super::{ALL, assert_refused, body, node, read, refusal, second};
use crate::requirement::Profile;
use crate::runtime::parts::Reference;

const NAMESPACE: &str = "https://open-action.example/2.0/vocab#";

#[test]
fn wfl_001_to_004_names_of_the_vocabulary() {
    let oa = json!({"oa": NAMESPACE});
    for (kind, name, context) in [
        (
            json!(format!("{NAMESPACE}Action")),
            "name".to_owned(),
            json!({}),
        ),
        (
            json!(["OpenAction:Action"]),
            "OpenAction:name".to_owned(),
            json!("https://schema.org/"),
        ),
        (json!("oa:Action"), "oa:name".to_owned(), oa.clone()),
        (
            json!(["oa:Action"]),
            format!("{NAMESPACE}name"),
            json!([oa]),
        ),
    ] {
        let given = json!({"@context": context, "@type": kind, name: "look", "oa:input": {"a": 1}});
        let request = read(&second(given.clone())).expect("reads");
        let action = request.nodes[1].action();
        assert_eq!(action.name.as_deref(), Some("look"));
        assert_eq!(
            action.input.is_some(),
            given["@context"] == oa || given["@context"].is_array()
        );
        assert_eq!(action.source, given);
    }
    for given in [
        json!({"@type": "oa:Action", "name": "look"}),
        json!({"@context": {"oa": "https://other.example/#"}, "@type": "oa:Action", "name": "look"}),
        json!({"@context": "https://other.example/context", "@type": "other:Action", "name": "look"}),
        json!({"@type": ["OpenAction:Action", "OpenAction:HumanApproval"], "name": "look"}),
        json!({"@type": "Action", "name": "look"}),
        json!({"@type": 5, "name": "look"}),
    ] {
        assert_refused(&second(given), "invalid_request", "/open_action/1/@type");
    }
    let twice = json!({"@type": "OpenAction:Action", "name": "look", "OpenAction:name": "other"});
    assert_refused(
        &second(twice),
        "invalid_request",
        "/open_action/1/OpenAction:name",
    );
    let redefined =
        json!({"@context": {"conditional": "x:y"}, "@type": "OpenAction:Action", "name": "look"});
    assert_refused(
        &second(redefined),
        "invalid_request",
        "/open_action/1/@context/conditional",
    );
    // The context of a node holds for the nodes in it.
    let nested = json!({
        "@context": oa, "@type": "oa:HumanApproval", "oa:prompt": "Look?",
        "oa:action": {"@type": "oa:Action", "oa:name": "look", "oa:conditional": "("},
    });
    assert_refused(
        &second(nested),
        "conditional_error",
        "/open_action/1/oa:action/oa:conditional",
    );
}

#[test]
fn wfl_005_snake_case_safeguards() {
    for name in [
        "fallback_action",
        "access_control",
        "plugin_reference",
        "request_id",
    ] {
        let place = format!("/open_action/1/{name}");
        assert_refused(
            &second(node("look", &json!({name: "x"}))),
            "invalid_request",
            &place,
        );
        let inner = second(node(
            "look",
            &json!({"fallbackAction": node("b", &json!({name: 1}))}),
        ));
        let place = format!("/open_action/1/fallbackAction/{name}");
        assert_refused(&inner, "invalid_request", &place);
    }
    for name in ["access_control", "request_id"] {
        let whole = body(&json!([node("look", &json!({}))]), &json!({name: {}}));
        assert_refused(&whole, "invalid_request", &format!("/{name}"));
    }
    let inner = second(node(
        "look",
        &json!({"accessControl": {"required_scopes": ["a"]}}),
    ));
    assert_refused(
        &inner,
        "invalid_request",
        "/open_action/1/accessControl/required_scopes",
    );
    let unknown = node(
        "look",
        &json!({"x-colour": 1, "note_to_self": 2, "input": {"request_id": 1}}),
    );
    assert!(read(&second(unknown)).is_ok());
}

#[test]
fn wfl_006_profiles() {
    let lacking = |profile: Profile| {
        let rest: Vec<Profile> = ALL.into_iter().filter(|known| *known != profile).collect();
        move |body: &Value| refusal(request::read_execute(&Reference, body, &rest))
    };
    let scopes = node("look", &json!({"accessControl": {"requiredScopes": ["a"]}}));
    assert_eq!(
        lacking(Profile::Access)(&second(scopes)),
        (
            "profile_not_supported",
            "/open_action/1/accessControl".to_owned()
        )
    );
    let whole = body(
        &json!([node("look", &json!({}))]),
        &json!({"accessControl": {}}),
    );
    assert_eq!(
        lacking(Profile::Access)(&whole),
        ("profile_not_supported", "/accessControl".to_owned())
    );
    let approval = json!({"@type": "OpenAction:HumanApproval", "prompt": "?", "action": node("look", &json!({}))});
    assert_eq!(
        lacking(Profile::Human)(&second(approval)),
        ("profile_not_supported", "/open_action/1".to_owned())
    );
    let verified = node(
        "look",
        &json!({"accessControl": {"verification": "approval"}}),
    );
    assert_eq!(
        lacking(Profile::Human)(&second(verified)),
        (
            "profile_not_supported",
            "/open_action/1/accessControl/verification".to_owned()
        )
    );
}

#[test]
fn wfl_089_and_090_where_approvals_can_be() {
    let approval = |action: Value| json!({"@type": "OpenAction:HumanApproval", "prompt": "?", "action": action});
    let plain = || node("look", &json!({}));
    assert_refused(
        &second(approval(approval(plain()))),
        "invalid_request",
        "/open_action/1/action/@type",
    );
    assert_refused(
        &second(node("look", &json!({"fallbackAction": approval(plain())}))),
        "invalid_request",
        "/open_action/1/fallbackAction/@type",
    );
    for member in [
        "conditional",
        "fallbackAction",
        "accessControl",
        "requestId",
    ] {
        let mut given = approval(plain());
        given[member] = json!("x");
        assert_refused(
            &second(given),
            "invalid_request",
            &format!("/open_action/1/{member}"),
        );
    }
    for (member, value) in [
        ("prompt", json!("")),
        ("prompt", json!(1)),
        ("action", json!("look")),
    ] {
        let mut given = approval(plain());
        given[member] = value;
        assert_refused(
            &second(given),
            "invalid_request",
            &format!("/open_action/1/{member}"),
        );
    }
    let request = read(&second(approval(plain()))).expect("reads");
    let Node::Approval(read) = &request.nodes[1] else {
        panic!("an approval");
    };
    assert_eq!(
        (read.place.as_str(), read.action.place.as_str()),
        ("/open_action/1", "/open_action/1/action")
    );
}

#[test]
fn wfl_101_names_of_plugins() {
    let plugin =
        |reference: &str| json!({"@type": "OpenAction:Action", "pluginReference": reference});
    assert!(read(&second(plugin("company.plugins.erp.create_invoice"))).is_ok());
    let long = "a".repeat(129);
    for reference in [
        "../x",
        "a/b",
        "a..b",
        ".a",
        "a.",
        "",
        "a b",
        "/etc/passwd",
        "C:\\x",
        "a-b",
        "1a",
        "ä",
        &long,
        "a\0",
    ] {
        assert_refused(
            &second(plugin(reference)),
            "invalid_request",
            "/open_action/1/pluginReference",
        );
    }
}

#[test]
fn no_member_of_a_node_is_read_over() {
    let guard = json!({"requiredScopes": ["calendar:read"]});
    let with = |context: Value, member: &str, value: Value| {
        let mut given = node("look", &json!({}));
        given["@context"] = context;
        given[member] = value;
        second(given)
    };
    for (context, member) in [
        (json!({"when": "conditional"}), "when"),
        (
            json!({"@vocab": NAMESPACE, "when": {"@id": "conditional"}}),
            "when",
        ),
    ] {
        let request = read(&with(context, member, json!("false"))).expect("reads");
        assert!(request.nodes[1].action().conditional.is_some());
    }
    let inner = json!({"@context": {"rs": "requiredScopes"}, "rs": ["calendar:read"]});
    let request = read(&with(json!({}), "accessControl", inner)).expect("reads");
    assert_eq!(
        request.nodes[1].action().access.required_scopes,
        ["calendar:read"]
    );
    for keyword in ["@nest", "@included", "@graph", "@reverse", "@set"] {
        let hidden = with(json!({}), keyword, json!({"conditional": "false"}));
        let place = format!("/open_action/1/{keyword}");
        assert_refused(&hidden, "invalid_request", &place);
        let hidden = with(json!({}), "accessControl", json!({keyword: guard.clone()}));
        let place = format!("/open_action/1/accessControl/{keyword}");
        assert_refused(&hidden, "invalid_request", &place);
    }
    for (context, member, place) in [
        (json!({"n": "@nest"}), "n", "@context/n"),
        (
            json!({"g": {"@id": "accessControl", "@context": {"rs": "requiredScopes"}}}),
            "g",
            "@context/g",
        ),
        (
            json!({}),
            "OpenAction:access_control",
            "OpenAction:access_control",
        ),
    ] {
        let place = format!("/open_action/1/{place}");
        assert_refused(
            &with(context, member, guard.clone()),
            "invalid_request",
            &place,
        );
    }
}

#[test]
fn many_scopes_are_quickly_read() {
    let many: Vec<String> = (0..200_000).map(|at| format!("s{at}")).collect();
    let begun = std::time::Instant::now();
    let read = super::super::reading::scopes(&json!({"requiredScopes": many}));
    assert_eq!(read, many);
    let both = super::super::check::action_scopes(&many, &many);
    assert_eq!(both.len(), many.len());
    assert!(begun.elapsed().as_secs() < 20);
}
