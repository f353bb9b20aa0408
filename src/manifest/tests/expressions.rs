//! Conditionals, prompts and fallback nodes of definitions: what does not parse is refused at registration.

use serde_json::json;

use super::super::{Fallback, Kind};
use super::{api, assert_refused, loaded, typed, with, with_action};

#[test]
fn wfl_113_conditionals_are_parsed() {
    let manifest = loaded(&with_action(json!({"conditional": " state.n > 0 "})));
    let conditional = manifest.actions[0].conditional.as_ref().expect("is there");
    assert_eq!(conditional.text(), " state.n > 0 ");
    for text in ["state.n >", "len(state.n)", "n > 0", "1 < 2 < 3"] {
        let document = with_action(json!({"conditional": text}));
        assert_refused(&document, "/actions/0/conditional", "invalid_expression");
    }
    let document = with_action(json!({"conditional": "(".repeat(4097)}));
    assert_refused(&document, "/actions/0/conditional", "maxLength");
}

#[test]
fn wfl_113_prompts_are_parsed() {
    let asks = |prompt: &str| {
        with(json!({"actions": [typed("human_intervention", json!({"prompt": prompt}))]}))
    };
    let manifest = loaded(&asks("Send to {{ input.to }}?"));
    let Kind::HumanIntervention { prompt, template } = &manifest.actions[0].kind else {
        panic!("no question");
    };
    assert_eq!(prompt, "Send to {{ input.to }}?");
    assert!(!template.is_literal());
    for prompt in ["{{", "{{ }}", "{{ to }}", "{{- 1 }}"] {
        assert_refused(&asks(prompt), "/actions/0/prompt", "invalid_template");
    }
}

#[test]
fn fallback_nodes_are_read_whole() {
    let with_fallback = |fallback| {
        let mut first = api("look");
        first["fallback_action"] = fallback;
        with(json!({"actions": [first, api("other")]}))
    };
    let manifest = loaded(&with_fallback(json!({
        "name": "other", "input": {"q": "{{ input.q }}"}, "conditional": "true", "request_id": "r",
        "access_control": {"required_scopes": ["a"], "rate_limit": "1/s"},
    })));
    let Some(Fallback::Node(node)) = &manifest.actions[0].fallback_action else {
        panic!("no node");
    };
    assert_eq!(node.name.as_deref(), Some("other"));
    assert!(!node.templates.is_literal());
    assert_eq!(
        node.conditional.as_ref().map(|read| read.text()),
        Some("true")
    );
    assert_eq!(node.request_id.as_deref(), Some("r"));
    let access = node.access_control.as_ref().expect("is there");
    assert_eq!(access.required_scopes, ["a"]);
    for (fallback, pointer, rule) in [
        (
            json!({"name": "other", "input": {"q": ["{{"]}}),
            "/input/q/0",
            "invalid_template",
        ),
        (
            json!({"name": "other", "conditional": "("}),
            "/conditional",
            "invalid_expression",
        ),
        (
            json!({"name": "other", "access_control": {"verification": "approval"}}),
            "/access_control/verification",
            "fallback_needs_approval",
        ),
        (
            json!({"plugin_reference": "../up"}),
            "/plugin_reference",
            "pattern",
        ),
        (
            json!({"@type": "OpenAction:HumanApproval", "name": "other"}),
            "/@type",
            "enum",
        ),
    ] {
        let place = format!("/actions/0/fallback_action{pointer}");
        assert_refused(&with_fallback(fallback), &place, rule);
    }
    let iri = json!({"@type": ["https://open-action.example/2.0/vocab#Action"], "name": "other"});
    loaded(&with_fallback(iri));
}

#[test]
fn plugins_of_definitions_have_dotted_names() {
    let plugin = |reference: &str| {
        with(json!({"actions": [typed("plugin", json!({"plugin_reference": reference}))]}))
    };
    loaded(&plugin("company.plugins.erp_2"));
    for reference in ["a..b", ".a", "a/b", "a-b", "2a", "a.", "ä"] {
        assert_refused(&plugin(reference), "/actions/0/plugin_reference", "pattern");
    }
}
