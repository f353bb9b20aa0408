//! What is found across members: fallbacks and their cycles, needs of profiles, warnings.

use serde_json::{Value, json};

use super::super::Fallback;
use super::{api, assert_refused, loaded, merge, refusals, typed, warnings, with, with_action};
use crate::requirement::Profile;

#[test]
fn fallbacks() {
    let chain = |fallbacks: &[(&str, Value)]| {
        let actions: Vec<Value> = fallbacks
            .iter()
            .map(|(name, fallback)| {
                let mut action = api(name);
                merge(&mut action, json!({"fallback_action": fallback}));
                action
            })
            .collect();
        with(json!({"actions": actions}))
    };
    let fine = chain(&[
        ("a", json!("b")),
        ("b", json!("c")),
        ("c", json!(null)),
        ("d", json!({"name": "c", "input": {"timeoutMs": 1}})),
    ]);
    let manifest = loaded(&fine);
    assert_eq!(
        manifest.actions[0].fallback_action,
        Some(Fallback::Action("b".to_owned()))
    );
    assert!(
        matches!(&manifest.actions[3].fallback_action, Some(Fallback::Node(node)) if node.name.as_deref() == Some("c"))
    );

    for (document, pointer, rule) in [
        (
            chain(&[("a", json!("a"))]),
            "/actions/0/fallback_action",
            "cycle",
        ),
        (
            chain(&[
                ("x", json!("a")),
                ("a", json!("b")),
                ("b", json!("c")),
                ("c", json!("a")),
            ]),
            "/actions/1/fallback_action",
            "cycle",
        ),
        (
            chain(&[
                ("a", json!({"name": "b", "fallback_action": "a"})),
                ("b", json!(null)),
            ]),
            "/actions/0/fallback_action",
            "cycle",
        ),
        (
            chain(&[("a", json!("gone"))]),
            "/actions/0/fallback_action",
            "unknown_action",
        ),
        (
            chain(&[("a", json!({"name": "gone"}))]),
            "/actions/0/fallback_action/name",
            "unknown_action",
        ),
        (
            chain(&[("a", json!({}))]),
            "/actions/0/fallback_action",
            "required",
        ),
        (
            chain(&[("a", json!(1))]),
            "/actions/0/fallback_action",
            "type",
        ),
        (
            chain(&[("a", json!({"plugin_reference": "p", "input": []}))]),
            "/actions/0/fallback_action/input",
            "type",
        ),
        (
            chain(&[("a", json!({"plugin_reference": ""}))]),
            "/actions/0/fallback_action/plugin_reference",
            "minLength",
        ),
    ] {
        assert_refused(&document, pointer, rule);
    }
    // Two cycles are two violations; the chain that only leads into one is none.
    let two = chain(&[
        ("a", json!("b")),
        ("b", json!("a")),
        ("c", json!("d")),
        ("d", json!("c")),
        ("e", json!("d")),
    ]);
    let places: Vec<_> = refusals(&two)
        .into_iter()
        .map(|(pointer, _)| pointer)
        .collect();
    assert_eq!(
        places,
        ["/actions/0/fallback_action", "/actions/2/fallback_action"]
    );
}

#[test]
fn needs_name_profile_and_place() {
    let needs = |document: &Value| -> Vec<(Profile, String, String)> {
        let manifest = loaded(document);
        let each = manifest.needs().iter().cloned();
        each.map(|need| (need.profile, need.pointer, need.member))
            .collect()
    };
    let one = |kind: &str, members: Value| with(json!({"actions": [typed(kind, members)]}));
    let place = |member: &str| format!("/actions/0/{member}");
    for (document, profile, member, what) in [
        (
            one("run_code", json!({"runtime": "wasm", "code": "x"})),
            Profile::Sandbox,
            "type",
            "run_code",
        ),
        (
            one("read_file", json!({"root": "memory:"})),
            Profile::Storage,
            "type",
            "read_file",
        ),
        (
            one("write_file", json!({"root": "s3://bucket/x"})),
            Profile::Storage,
            "type",
            "write_file",
        ),
        (
            one("plugin", json!({})),
            Profile::Workflow,
            "type",
            "plugin",
        ),
        (
            one("human_intervention", json!({"prompt": "Which?"})),
            Profile::Human,
            "type",
            "human_intervention",
        ),
        (
            with_action(json!({"access_control": {}})),
            Profile::Access,
            "access_control",
            "access_control",
        ),
        (
            with_action(json!({"conditional": "true"})),
            Profile::Workflow,
            "conditional",
            "conditional",
        ),
    ] {
        assert_eq!(
            needs(&document),
            [(profile, place(member), what.to_owned())]
        );
    }
    let templated = one(
        "human_intervention",
        json!({"prompt": "Use {{ observation.x }}?"}),
    );
    let found: Vec<_> = needs(&templated)
        .into_iter()
        .map(|(profile, _, _)| profile)
        .collect();
    assert_eq!(found, [Profile::Human, Profile::Workflow]);
}

#[test]
fn warnings_refuse_nothing() {
    let document = with(json!({
        "version": "2.0",
        "owner": "us",
        "x-owner": "us",
        "intents": [{"name": "i", "actions": ["look"], "colour": 1}]
    }));
    let warned: Vec<_> = warnings(&document)
        .into_iter()
        .map(|(pointer, rule)| pointer + " " + &rule)
        .collect();
    assert_eq!(
        warned,
        [
            "/version two_part_version",
            "/intents/0/colour unknown_member",
            "/owner unknown_member"
        ]
    );
    let action = with_action(json!({"prompt": "of another type", "x-a": 1, "effects": ["cost"]}));
    let warned: Vec<_> = warnings(&action)
        .into_iter()
        .map(|(pointer, rule)| pointer + " " + &rule)
        .collect();
    assert_eq!(
        warned,
        [
            "/actions/0/prompt unknown_member",
            "/actions/0/effects/0 effect_without_approval"
        ]
    );
    let literal = with_action(json!({"auth": "Bearer abc"}));
    assert_eq!(
        warnings(&literal),
        [(
            "/actions/0/auth".to_owned(),
            "literal_credential".to_owned()
        )]
    );
    let approved = with_action(
        json!({"effects": ["critical"], "access_control": {"verification": "approval"}}),
    );
    assert_eq!(warnings(&approved), []);
    assert_eq!(loaded(&document).document["owner"], "us");
}

/// ACC-040: effects that cost or are critical, and no person in between.
#[test]
fn costly_effects_without_approval_are_reported() {
    let reported = |action: Value| -> Vec<String> {
        let found = warnings(&with_action(action)).into_iter();
        found
            .filter(|(_, rule)| rule == "effect_without_approval")
            .map(|(pointer, _)| pointer)
            .collect()
    };
    for effects in [json!(["cost"]), json!(["critical"])] {
        for control in [
            json!({}),
            json!({"verification": "none"}),
            json!({"required_scopes": ["pay"], "rate_limit": "1/day"}),
        ] {
            let action = json!({"effects": effects, "access_control": control});
            assert_eq!(
                reported(action.clone()),
                ["/actions/0/effects/0"],
                "{action}"
            );
        }
        let approved = json!({"effects": effects, "access_control": {"verification": "approval"}});
        assert_eq!(
            reported(approved.clone()),
            Vec::<String>::new(),
            "{approved}"
        );
    }
    assert_eq!(
        reported(json!({"effects": ["cost", "critical"]})),
        ["/actions/0/effects/0", "/actions/0/effects/1"]
    );
    let names = crate::manifest::Effect::ALL.map(crate::manifest::Effect::as_str);
    let harmless = names
        .into_iter()
        .filter(|name| !["cost", "critical"].contains(name));
    let harmless: Vec<&str> = harmless.collect();
    assert_eq!(reported(json!({"effects": harmless})), Vec::<String>::new());
}

#[test]
fn long_fallback_chains_end() {
    let actions: Vec<Value> = (0..1000)
        .map(|n| {
            let mut action = api(&format!("a{n}"));
            merge(
                &mut action,
                json!({"fallback_action": format!("a{}", (n + 1) % 1000)}),
            );
            action
        })
        .collect();
    assert_refused(
        &with(json!({"actions": actions})),
        "/actions/0/fallback_action",
        "cycle",
    );
}
