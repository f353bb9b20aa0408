//! Expressions in plans, where `observation` is not, and the input is that of the node.

use crate::document::{Document, Format};
use crate::lint::{DocumentKind, Preset, Selection, check};

/// The rules of this group that find something in a plan, with their pointers.
fn found(plan: &str) -> Vec<(&'static str, String)> {
    let document = Document::read(plan, Format::Json).expect("JSON");
    let outcome = check(
        &document,
        DocumentKind::Plan,
        &Selection::preset(Preset::Strict),
    );
    let own = super::RULES.iter().map(|rule| rule.id);
    let own: Vec<&str> = own.collect();
    let mut found: Vec<_> = outcome
        .findings
        .into_iter()
        .filter(|finding| own.contains(&finding.rule.id))
        .map(|finding| (finding.rule.id, finding.pointer))
        .collect();
    found.sort();
    found
}

#[test]
fn the_input_of_a_node_is_what_it_gives() {
    let plan = r#"[{"@type": "OpenAction:Action", "name": "pay", "input": {"amount": 3, "note": "{{ state.note }}"},
        "conditional": "input.amount == \"3\" or input.nota == 1 or input.note == 4"}]"#;
    let place = || "/0/conditional".to_owned();
    assert_eq!(
        found(plan),
        [
            ("impossible_comparison", place()),
            ("undefined_path", place())
        ]
    );
}

#[test]
fn an_observation_is_never_there() {
    let plan = r#"{"open_action": {"@type": "OpenAction:HumanApproval", "prompt": "{{ observation.x }} {{ input.any }}",
        "action": {"@type": "OpenAction:Action", "name": "pay", "conditional": "state.ready"}}, "user_id": "U1"}"#;
    assert_eq!(
        found(plan),
        [("root_never_defined", "/open_action/prompt".to_owned())]
    );
}

#[test]
fn members_with_a_prefix_are_read_too() {
    let plan = r#"{"@context": {"oa": "https://open-action.example/2.0/vocab#"}, "@type": "oa:Action", "oa:name": "pay",
        "oa:conditional": "1 > 2", "oa:fallbackAction": {"@type": "oa:Action", "name": "x", "fallbackAction": "y",
        "oa:conditional": "not not input.x"}}"#;
    assert_eq!(
        found(plan),
        [
            ("constant_conditional", "/oa:conditional".to_owned()),
            (
                "needless_negation",
                "/oa:fallbackAction/oa:conditional".to_owned()
            ),
        ]
    );
}

#[test]
fn templates_where_none_is_resolved() {
    let plan = r#"{"user_id": "{{ state.user }}", "goal": "write {{}} and {{ x }}", "open_action": [
        {"@type": "OpenAction:Action", "name": "pay", "requestId": "k-{{ state.id }}", "input": {"{{ state.a }}": "${X}"}}]}"#;
    assert_eq!(
        found(plan),
        [
            (
                "template_not_resolved",
                "/open_action/0/input/{{ state.a }}".to_owned()
            ),
            (
                "template_not_resolved",
                "/open_action/0/requestId".to_owned()
            ),
            ("template_not_resolved", "/user_id".to_owned()),
            (
                "variable_not_resolved",
                "/open_action/0/input/{{ state.a }}".to_owned()
            ),
        ]
    );
}

#[test]
fn comparisons_that_cannot_hold_together_are_found() {
    let found = |conditional: &str| {
        let plan = serde_json::json!([{"@type": "OpenAction:Action", "name": "pay", "conditional": conditional}]);
        let own = found(&plan.to_string());
        own.iter().any(|(rule, _)| *rule == "constant_conditional")
    };
    for never_or_always in [
        "state.a == 1 and state.a == 2",
        "state.x > 5 and state.x < 3",
        "5 < state.x and 3 > state.x",
        "state.x > 5 and state.x <= 5",
        "state.x >= 5 and state.x == 4",
        "not state.a and state.a",
        "not (state.a == 1) and state.a == 1",
        "state.a == 1 and (state.b and state.a == 2)",
        "state.a in [1, 2] and state.a == 3",
        "state.a in [1] and state.a in [2, 3]",
        "state.a in [1] and state.a not in [1]",
        "state.x <= 5 or state.x > 3",
        "state.x != 1 or state.x != 2",
        "state.a < state.b and state.a > state.b",
    ] {
        assert!(found(never_or_always), "{never_or_always}");
    }
    for open in [
        "state.a == 1 and state.b == 2",
        "state.x > 3 and state.x < 5",
        "state.x >= 5 and state.x <= 5",
        "state.a == 1 or state.a == 2",
        "state.x < 3 or state.x > 5",
        "state.a in [1, 2] and state.a == 2",
        "state.a in [1, 2] and state.a != 1",
        "state.a == \"1\" and state.b == 1",
        "1 in state.a and 2 in state.a",
        "state.a != 1 and state.a != 2",
        "state.x > 5 and state.x > 3",
    ] {
        assert!(!found(open), "{open}");
    }
}
