//! Members of actions, each rule by the least document that breaks it, and what the typed form holds.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::{Effect, Kind, RunCode, load};
use super::{assert_refused, loaded, plain, typed, with, with_action};

#[test]
fn members_of_every_action() {
    for (members, pointer, rule) in [
        (json!({"name": null}), "/actions/0", "required"),
        (json!({"type": null}), "/actions/0", "required"),
        (json!({"input_schema": null}), "/actions/0", "required"),
        (json!({"output_schema": null}), "/actions/0", "required"),
        (json!({"name": "a b"}), "/actions/0/name", "pattern"),
        (json!({"name": 7}), "/actions/0/name", "type"),
        (json!({"type": "call"}), "/actions/0/type", "enum"),
        (json!({"type": ["invoke_api"]}), "/actions/0/type", "type"),
        (json!({"description": []}), "/actions/0/description", "type"),
        (
            json!({"completes_goal": "true"}),
            "/actions/0/completes_goal",
            "type",
        ),
        (
            json!({"feature_flag": ""}),
            "/actions/0/feature_flag",
            "minLength",
        ),
        (
            json!({"feature_flag": true}),
            "/actions/0/feature_flag",
            "type",
        ),
        (json!({"effects": "read"}), "/actions/0/effects", "type"),
        (
            json!({"effects": ["read", "delete"]}),
            "/actions/0/effects/1",
            "enum",
        ),
        (json!({"effects": [1]}), "/actions/0/effects/0", "type"),
        (
            json!({"input_schema": "object"}),
            "/actions/0/input_schema",
            "type",
        ),
        (
            json!({"input_schema": {"type": "strin"}}),
            "/actions/0/input_schema/type",
            "invalid_schema",
        ),
        (
            json!({"output_schema": {"$ref": "https://example.com/s"}}),
            "/actions/0/output_schema/$ref",
            "remote_ref",
        ),
        (
            json!({"output_schema": {"$dynamicRef": "other.json#x"}}),
            "/actions/0/output_schema/$dynamicRef",
            "remote_ref",
        ),
        (
            json!({"result_path": "/user_context/x"}),
            "/actions/0/result_path",
            "outside_environment",
        ),
        (
            json!({"access_control": 1}),
            "/actions/0/access_control",
            "type",
        ),
        (
            json!({"access_control": {"rate_limit": "1/week"}}),
            "/actions/0/access_control/rate_limit",
            "invalid_rate_limit",
        ),
        (
            json!({"conditional": ""}),
            "/actions/0/conditional",
            "minLength",
        ),
        (
            json!({"conditional": true}),
            "/actions/0/conditional",
            "type",
        ),
    ] {
        assert_refused(&with_action(members), pointer, rule);
    }
    let null = |member: &str| {
        let mut document = plain();
        document["actions"][0][member] = Value::Null;
        document
    };
    assert_refused(&null("description"), "/actions/0/description", "type");
    assert_refused(&null("auth"), "/actions/0/auth", "type");
    assert_refused(&null("output_schema"), "/actions/0/output_schema", "type");
}

#[test]
fn members_of_invoke_api() {
    for (members, pointer, rule) in [
        (json!({"endpoint": null}), "/actions/0", "required"),
        (json!({"method": null}), "/actions/0", "required"),
        (json!({"endpoint": 1}), "/actions/0/endpoint", "type"),
        (json!({"endpoint": ""}), "/actions/0/endpoint", "minLength"),
        (
            json!({"endpoint": "/v1/events"}),
            "/actions/0/endpoint",
            "invalid_endpoint",
        ),
        (
            json!({"endpoint": "${BASE}/v1"}),
            "/actions/0/endpoint",
            "invalid_endpoint",
        ),
        (
            json!({"endpoint": "https://u:${PASS}@a.example"}),
            "/actions/0/endpoint",
            "invalid_endpoint",
        ),
        (
            json!({"endpoint": "https://a.example/${X"}),
            "/actions/0/endpoint",
            "invalid_variable",
        ),
        (json!({"method": "get"}), "/actions/0/method", "enum"),
        (json!({"method": "HEAD"}), "/actions/0/method", "enum"),
        (json!({"method": 1}), "/actions/0/method", "type"),
        (json!({"auth": ""}), "/actions/0/auth", "minLength"),
        (
            json!({"auth": "Bearer ${}"}),
            "/actions/0/auth",
            "invalid_variable",
        ),
        (
            json!({"auth": "Bearer x\r\nX: y"}),
            "/actions/0/auth",
            "invalid_header",
        ),
        (json!({"timeout_ms": 0}), "/actions/0/timeout_ms", "minimum"),
        (
            json!({"timeout_ms": -5}),
            "/actions/0/timeout_ms",
            "minimum",
        ),
        (
            json!({"timeout_ms": 600_001}),
            "/actions/0/timeout_ms",
            "maximum",
        ),
        (
            json!({"timeout_ms": 1e300}),
            "/actions/0/timeout_ms",
            "maximum",
        ),
        (json!({"timeout_ms": 1.5}), "/actions/0/timeout_ms", "type"),
        (
            json!({"timeout_ms": "1000"}),
            "/actions/0/timeout_ms",
            "type",
        ),
        (json!({"headers": []}), "/actions/0/headers", "type"),
        (json!({"headers": {"X": 1}}), "/actions/0/headers/X", "type"),
        (
            json!({"headers": {"": "x"}}),
            "/actions/0/headers/",
            "invalid_header",
        ),
        (
            json!({"headers": {"X Y": "x"}}),
            "/actions/0/headers/X Y",
            "invalid_header",
        ),
        (
            json!({"headers": {"X/Y": "x"}}),
            "/actions/0/headers/X~1Y",
            "invalid_header",
        ),
        (
            json!({"headers": {"X": "a\nb"}}),
            "/actions/0/headers/X",
            "invalid_header",
        ),
        (
            json!({"headers": {"X": "caf\u{e9}"}}),
            "/actions/0/headers/X",
            "invalid_header",
        ),
        (
            json!({"headers": {"X": "${1}"}}),
            "/actions/0/headers/X",
            "invalid_variable",
        ),
        (
            json!({"headers": {"HOST": "x"}}),
            "/actions/0/headers/HOST",
            "forbidden_header",
        ),
        (
            json!({"headers": {"Content-Length": "0"}}),
            "/actions/0/headers/Content-Length",
            "forbidden_header",
        ),
        (
            json!({"headers": {"Transfer-Encoding": "chunked"}}),
            "/actions/0/headers/Transfer-Encoding",
            "forbidden_header",
        ),
        (
            json!({"headers": {"connection": "close"}}),
            "/actions/0/headers/connection",
            "forbidden_header",
        ),
        (
            json!({"auth": "x", "headers": {"authorization": "y"}}),
            "/actions/0/headers/authorization",
            "forbidden_header",
        ),
        (
            json!({"headers": {"X-A": "1", "x-a": "2"}}),
            "/actions/0/headers/x-a",
            "duplicate_header",
        ),
        (
            json!({"request_map": "/x"}),
            "/actions/0/request_map",
            "type",
        ),
        (
            json!({"request_map": {"/a": "b"}}),
            "/actions/0/request_map/~1a",
            "invalid_pointer",
        ),
        (
            json!({"response_map": {"a": "/b"}}),
            "/actions/0/response_map/a",
            "invalid_pointer",
        ),
        (
            json!({"response_map": {"/a": "/x", "/a/b": "/y"}}),
            "/actions/0/response_map/~1a~1b",
            "overlapping_targets",
        ),
    ] {
        assert_refused(&with_action(members), pointer, rule);
    }
}

#[test]
fn what_an_api_action_may_hold() {
    let manifest = loaded(&with_action(json!({
        "endpoint": "https://${REGION}.example.com:8443/v1/${PATH}?k=${KEY}",
        "method": "PATCH",
        "auth": "Bearer ${TOKEN}",
        "headers": {"X-Trace": "a-${B}", "Accept": ""},
        "timeout_ms": 300.0,
        "effects": ["read", "write"],
        "result_path": {"/environment/a": ""},
        "completes_goal": true,
        "feature_flag": "beta"
    })));
    let action = &manifest.actions[0];
    let Kind::InvokeApi(call) = &action.kind else {
        panic!("no API action");
    };
    assert_eq!(
        call.endpoint.variables().collect::<Vec<_>>(),
        ["REGION", "PATH", "KEY"]
    );
    assert_eq!(
        call.auth
            .as_ref()
            .expect("loads")
            .variables()
            .collect::<Vec<_>>(),
        ["TOKEN"]
    );
    assert_eq!(call.headers[0].0, "X-Trace");
    assert_eq!(call.headers[1].1.pieces(), []);
    assert_eq!(call.timeout, Duration::from_millis(300));
    assert_eq!(action.effects, [Effect::Read, Effect::Write]);
    assert!(action.completes_goal && action.result_path.is_some());
    assert!(
        load(&with_action(
            json!({"headers": {"Authorization": "Basic ${X}"}})
        ))
        .is_ok()
    );
    for edge in [1, 600_000] {
        assert!(
            load(&with_action(json!({"timeout_ms": edge}))).is_ok(),
            "{edge}"
        );
    }
}

#[test]
fn a_reference_is_one_only_where_it_is_replaced() {
    // An unclosed `${` is plain text in every member but endpoint, auth and headers.
    let document = with_action(json!({
        "description": "costs ${5",
        "feature_flag": "${",
        "input_schema": {"type": "object", "description": "${"}
    }));
    assert!(load(&document).is_ok());
    let human = with(
        json!({"actions": [typed("human_intervention", json!({"prompt": "${SECRET} and ${"}))]}),
    );
    let Kind::HumanIntervention { prompt, template } = &loaded(&human).actions[0].kind else {
        panic!("no question");
    };
    assert_eq!(prompt, "${SECRET} and ${");
    assert!(template.is_literal());
}

#[test]
fn members_of_the_other_types() {
    let one = |kind: &str, members: Value| with(json!({"actions": [typed(kind, members)]}));
    for (document, pointer, rule) in [
        (
            one("human_intervention", json!({})),
            "/actions/0",
            "required",
        ),
        (
            one("human_intervention", json!({"prompt": ""})),
            "/actions/0/prompt",
            "minLength",
        ),
        (
            one("human_intervention", json!({"prompt": 1})),
            "/actions/0/prompt",
            "type",
        ),
        (
            one("run_code", json!({"code": "x"})),
            "/actions/0",
            "required",
        ),
        (
            one("run_code", json!({"runtime": "wasm"})),
            "/actions/0",
            "required",
        ),
        (
            one("run_code", json!({"runtime": "ruby", "code": "x"})),
            "/actions/0/runtime",
            "pattern",
        ),
        (
            one("run_code", json!({"runtime": "python3.", "code": "x"})),
            "/actions/0/runtime",
            "pattern",
        ),
        (
            one("run_code", json!({"runtime": "python3.x", "code": "x"})),
            "/actions/0/runtime",
            "pattern",
        ),
        (
            one("run_code", json!({"runtime": "wasm", "code": ""})),
            "/actions/0/code",
            "minLength",
        ),
        (
            one(
                "run_code",
                json!({"runtime": "wasm", "code": "x", "entrypoint": "a()"}),
            ),
            "/actions/0/entrypoint",
            "pattern",
        ),
        (
            one(
                "run_code",
                json!({"runtime": "wasm", "code": "x", "limits": 1}),
            ),
            "/actions/0/limits",
            "type",
        ),
        (
            one(
                "run_code",
                json!({"runtime": "wasm", "code": "x", "limits": {"cpu_ms": 0}}),
            ),
            "/actions/0/limits/cpu_ms",
            "minimum",
        ),
        (
            one(
                "run_code",
                json!({"runtime": "wasm", "code": "x", "limits": {"memory_mib": "64"}}),
            ),
            "/actions/0/limits/memory_mib",
            "type",
        ),
        (
            one(
                "run_code",
                json!({"runtime": "wasm", "code": "x", "network": "a:1"}),
            ),
            "/actions/0/network",
            "type",
        ),
        (
            one(
                "run_code",
                json!({"runtime": "wasm", "code": "x", "network": ["a"]}),
            ),
            "/actions/0/network/0",
            "pattern",
        ),
        (one("read_file", json!({})), "/actions/0", "required"),
        (
            one("write_file", json!({"root": "http://a/"})),
            "/actions/0/root",
            "invalid_root",
        ),
        (
            one("plugin", json!({"plugin_reference": 1})),
            "/actions/0/plugin_reference",
            "type",
        ),
    ] {
        assert_refused(&document, pointer, rule);
    }
    let code = one(
        "run_code",
        json!({"runtime": "python3.11", "code": "def generate(): pass"}),
    );
    let Kind::RunCode(code) = loaded(&code).actions[0].kind.clone() else {
        panic!("no code");
    };
    let expected = RunCode {
        runtime: "python3.11".to_owned(),
        code: "def generate(): pass".to_owned(),
        entrypoint: "generate".to_owned(),
        cpu_ms: 200,
        memory_mib: 64,
        network: Vec::new(),
    };
    assert_eq!(code, expected);
}

#[test]
fn an_unusual_but_valid_schema_is_kept_as_it_is() {
    let schema = json!({"type": "object", "properties": {"inputSchema": true, "timeout_ms": {"$ref": "#/$defs/t"}}, "$defs": {"t": {"type": "integer"}}});
    let manifest = loaded(&with_action(
        json!({"input_schema": schema, "output_schema": true}),
    ));
    assert_eq!(manifest.actions[0].input_schema, schema);
    assert_eq!(manifest.actions[0].output_schema, json!(true));
    let members: Map<String, Value> = (0..500)
        .map(|n| (format!("m{n}"), json!({"type": "string"})))
        .collect();
    assert!(
        load(&with_action(
            json!({"input_schema": {"properties": members}})
        ))
        .is_ok()
    );
}
