//! `cache` and `batch`: what they are read as, and on what they are refused.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::{InvokeApi, Kind, load};
use super::{api, plain};
use crate::schema;

/// A manifest whose one action has these members besides.
fn with_members(patch: Value) -> Value {
    let mut document = plain();
    let action = &mut document["actions"][0];
    action["input_schema"] =
        json!({"type": "object", "required": ["ids"], "properties": {"ids": {"type": "array"}}});
    for (name, value) in patch.as_object().expect("a patch") {
        action[name] = value.clone();
    }
    document
}

fn read(patch: Value) -> InvokeApi {
    let manifest = load(&with_members(patch)).expect("valid");
    assert_eq!(manifest.warnings(), []);
    match &manifest.actions[0].kind {
        Kind::InvokeApi(api) => api.clone(),
        other => panic!("{} is no call", other.name()),
    }
}

fn refused(patch: Value) -> Vec<(String, String)> {
    let violations = load(&with_members(patch)).expect_err("refused");
    let told = |violation: crate::diagnostic::Violation| (violation.pointer, violation.rule);
    violations.into_iter().map(told).collect()
}

#[test]
fn both_are_read_where_the_effects_are_reading() {
    let api = read(
        json!({"effects": ["read"], "cache": {"ttl_s": 30}, "batch": {"window_ms": 20, "member": "ids", "result_member": "out"}}),
    );
    let cache = api.cache.expect("a cache");
    assert_eq!(cache.ttl, Duration::from_secs(30));
    assert_eq!(cache.pointer, "/actions/0/cache");
    let batch = api.batch.expect("a batch");
    assert_eq!(batch.window, Duration::from_millis(20));
    assert_eq!(
        (batch.member.as_str(), batch.result_member.as_deref()),
        ("ids", Some("out"))
    );
    let neither = read(json!({"effects": ["read"]}));
    assert!(neither.cache.is_none() && neither.batch.is_none());
}

#[test]
fn whatever_may_do_more_than_read_is_refused() {
    for effects in [json!([]), json!(["write"]), json!(["read", "cost"])] {
        let found = refused(json!({"effects": effects, "cache": {"ttl_s": 30}}));
        assert_eq!(
            found,
            [("/actions/0/cache".to_owned(), "not_a_read".to_owned())]
        );
    }
    let both = refused(json!({"cache": {"ttl_s": 1}, "batch": {"window_ms": 1, "member": "ids"}}));
    let places: Vec<&str> = both.iter().map(|(place, _)| place.as_str()).collect();
    assert_eq!(places, ["/actions/0/cache", "/actions/0/batch"]);
    let asks = json!({"type": "human_intervention", "prompt": "Which?", "effects": ["read"], "cache": {"ttl_s": 1}});
    assert_eq!(refused(asks)[0].1, "not_a_read");
}

#[test]
fn forms_and_bounds_are_told_where_they_are_broken() {
    for (patch, place) in [
        (json!({"cache": 30}), "/actions/0/cache"),
        (json!({"cache": null}), "/actions/0/cache"),
        (json!({"cache": {}}), "/actions/0/cache"),
        (json!({"cache": {"ttl_s": 0}}), "/actions/0/cache/ttl_s"),
        (json!({"cache": {"ttl_s": 3601}}), "/actions/0/cache/ttl_s"),
        (json!({"cache": {"ttl_s": "1"}}), "/actions/0/cache/ttl_s"),
        (json!({"batch": []}), "/actions/0/batch"),
        (json!({"batch": {"member": "ids"}}), "/actions/0/batch"),
        (json!({"batch": {"window_ms": 5}}), "/actions/0/batch"),
        (
            json!({"batch": {"window_ms": 1001, "member": "ids"}}),
            "/actions/0/batch/window_ms",
        ),
        (
            json!({"batch": {"window_ms": 5, "member": "names"}}),
            "/actions/0/batch/member",
        ),
        (
            json!({"batch": {"window_ms": 5, "member": "ids", "result_member": 1}}),
            "/actions/0/batch/result_member",
        ),
        (
            json!({"batch": {"window_ms": 5, "member": "ids"}, "input_schema": true}),
            "/actions/0/batch/member",
        ),
    ] {
        let mut patch = patch;
        patch["effects"] = json!(["read"]);
        let found = refused(patch);
        assert_eq!(
            found.iter().map(|(at, _)| at.as_str()).collect::<Vec<_>>(),
            [place]
        );
    }
}

#[test]
fn in_json_ld_they_are_spelled_alike() {
    let mut action = api("look");
    action["effects"] = json!(["read"]);
    action["cache"] = json!({"ttl_s": 30});
    let snake = json!({"name": "Plain", "version": "1.2.3", "actions": [action]});
    let json_ld = json!({"@type": "OpenAction:Manifest", "name": "Plain", "version": "1.2.3", "actions": [{
        "@type": "OpenAction:Action", "actionType": "invoke_api", "name": "look", "inputSchema": {"type": "object"}, "outputSchema": {},
        "endpoint": "https://api.calendar.example.com/v1/events", "method": "GET", "effects": ["read"], "cache": {"ttl_s": 30},
    }]});
    let (snake, json_ld) = (load(&snake).expect("valid"), load(&json_ld).expect("valid"));
    assert_eq!(snake.digest, json_ld.digest);
    let Kind::InvokeApi(api) = &json_ld.actions[0].kind else {
        panic!("no call");
    };
    assert!(api.cache.is_some());
}

#[test]
fn the_published_schema_says_the_same() {
    let published = schema::named("manifest").expect("a schema");
    let batch = |batch: Value| json!({"effects": ["read"], "batch": batch});
    for patch in [
        json!({"effects": ["read"], "cache": {"ttl_s": 1}}),
        json!({"effects": ["read"], "cache": {"ttl_s": 3600}}),
        batch(json!({"window_ms": 1000, "member": "ids", "result_member": "out"})),
    ] {
        let document = with_members(patch);
        assert!(load(&document).is_ok() && published.is_valid(&document));
    }
    for patch in [
        json!({"effects": ["read", "write"], "cache": {"ttl_s": 1}}),
        json!({"cache": {"ttl_s": 1}}),
        json!({"effects": ["read"], "cache": {"ttl_s": 0}}),
        json!({"effects": ["read"], "cache": {"ttl_s": 3601}}),
        json!({"effects": ["read"], "cache": {}}),
        json!({"effects": ["read"], "cache": null}),
        json!({"type": "plugin", "effects": ["read"], "cache": {"ttl_s": 1}}),
        batch(json!({"window_ms": 0, "member": "ids"})),
        batch(json!({"window_ms": 1001, "member": "ids"})),
        batch(json!({"window_ms": 1})),
        batch(json!({"member": "ids"})),
        batch(json!({"window_ms": 1, "member": "ids", "result_member": ""})),
    ] {
        let document = with_members(patch);
        assert!(
            load(&document).is_err() && !published.is_valid(&document),
            "{document}"
        );
    }
}
