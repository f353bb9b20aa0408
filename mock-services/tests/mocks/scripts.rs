//! Scripts that are refused, and how.

use mock_services::{Script, ScriptError};
use serde_json::{Value, json};

fn refusal(script: Value) -> ScriptError {
    Script::from_value(script.clone())
        .err()
        .unwrap_or_else(|| panic!("accepted: {script}"))
}

/// The refusal of one model entry.
fn model(entry: Value) -> ScriptError {
    refusal(json!({"model": [{"text": "fine"}, entry]}))
}

/// The refusal of one calendar entry.
fn service(entry: Value) -> ScriptError {
    refusal(json!({"services": {"calendar": {"script": [entry]}}}))
}

#[test]
fn refusals_say_where_and_what() {
    let cases = [
        (refusal(json!({"modell": []})), "", "unknown field `modell`"),
        (refusal(json!([])), "", "expected an object, not `[]`"),
        (
            refusal(json!({"services": {"fax": {}}})),
            "/services",
            "unknown field `fax`",
        ),
        (
            refusal(json!({"services": {"crm": {"scripts": []}}})),
            "/services/crm",
            "unknown field `scripts`",
        ),
        (
            refusal(json!({"model": vec![json!({"text": "x"}); 1001]})),
            "/model",
            "1001 entries are too many",
        ),
        (
            model(json!({"emitt": 1})),
            "/model/1",
            "unknown field `emitt`",
        ),
        (
            model(json!({})),
            "/model/1",
            "exactly one of `emit`, `text` and `fault`",
        ),
        (
            model(json!({"emit": 1, "text": "x"})),
            "/model/1",
            "exactly one of `emit`, `text` and `fault`",
        ),
        (
            model(json!({"fault": "explode"})),
            "/model/1",
            "unknown variant `explode`",
        ),
        (
            model(json!({"fault": "timeout", "status": 500})),
            "/model/1",
            "go with `fault: status` only",
        ),
        (
            model(json!({"text": "x", "retry_after": 1})),
            "/model/1",
            "go with `fault: status` only",
        ),
        (
            model(json!({"fault": "status", "status": 200})),
            "/model/1",
            "use 300 to 599",
        ),
        (
            model(
                json!({"fault": "not_json", "usage": {"prompt_tokens": 1, "completion_tokens": 1}}),
            ),
            "/model/1",
            "not with a fault",
        ),
        (
            model(json!({"text": "x", "usage": {"prompt_tokens": 1}})),
            "/model/1/usage",
            "missing field `completion_tokens`",
        ),
        (
            model(json!({"fault": "timeout", "delay_ms": 5})),
            "/model/1",
            "`delay_ms` does not go with",
        ),
        (
            model(json!({"text": "x", "delay_ms": 60_001})),
            "/model/1",
            "at most 60000",
        ),
        (
            model(json!({"text": "x", "times": 0})),
            "/model/1",
            "`times: 0` never answers",
        ),
        (
            model(json!({"text": "x", "times": "many"})),
            "/model/1",
            "a whole number from 1 or the word `any`",
        ),
        (
            model(json!({"text": "x", "on": {"saw": 3}})),
            "/model/1/on",
            "expected a text or a list of texts",
        ),
        (
            model(json!({"text": "x", "on": {"saw": ["a", ""]}})),
            "/model/1",
            "`saw` holds an empty text",
        ),
        (
            model(json!({"text": "x", "on": {"saw_error": ""}})),
            "/model/1",
            "`saw_error` is empty",
        ),
        (
            model(json!({"text": "x", "on": {"seen": "a"}})),
            "/model/1/on",
            "unknown field `seen`",
        ),
        (
            model(json!({"text": "x", "on": ["a"]})),
            "/model/1/on",
            "expected an object, not `[\"a\"]`",
        ),
        (
            service(json!({})),
            "/services/calendar/script/0",
            "exactly one of `reply`, `fault` and `redirect`",
        ),
        (
            service(json!({"reply": {}, "fault": "timeout"})),
            "/services/calendar/script/0",
            "exactly one of",
        ),
        (
            service(json!({"fault": "status"})),
            "/services/calendar/script/0",
            "unknown variant `status`",
        ),
        (
            service(json!({"fault": "disconnect", "delay_ms": 1})),
            "/services/calendar/script/0",
            "`delay_ms` does not go with",
        ),
        (
            service(json!({"reply": {}, "on": {"method": "P OST"}})),
            "/services/calendar/script/0",
            "`method` is an HTTP method",
        ),
        (
            service(json!({"reply": {}, "on": {"path": "v1"}})),
            "/services/calendar/script/0",
            "`path` starts with `/`",
        ),
        (
            service(json!({"reply": {}, "on": {"path": "/v1?x"}})),
            "/services/calendar/script/0",
            "`path` starts with `/`",
        ),
        (
            service(json!({"reply": {"status": 100}})),
            "/services/calendar/script/0/reply",
            "use 200 to 599",
        ),
        (
            service(json!({"reply": {"json": null, "text": ""}})),
            "/services/calendar/script/0/reply",
            "at most one of",
        ),
        (
            service(json!({"reply": {"base64": "%"}})),
            "/services/calendar/script/0/reply",
            "`base64` cannot be decoded",
        ),
        (
            service(json!({"reply": {"headers": {"a b": "x"}}})),
            "/services/calendar/script/0/reply",
            "no header name",
        ),
        (
            service(json!({"reply": {"headers": {"a": "x\ny"}}})),
            "/services/calendar/script/0/reply",
            "no header value",
        ),
        (
            service(json!({"reply": {"content_type": "x\r\ny"}})),
            "/services/calendar/script/0/reply",
            "no header value",
        ),
        (
            service(json!({"reply": {"headers": {"Content-Length": "5"}}})),
            "/services/calendar/script/0/reply",
            "is set by the mock",
        ),
        (
            service(json!({"reply": {"text": "{{credential:rot13}}"}})),
            "/services/calendar/script/0/reply",
            "unknown placeholder `{{credential:rot13}}`",
        ),
        (
            service(json!({"redirect": {"to": "v1"}})),
            "/services/calendar/script/0/redirect",
            "`to` is a path",
        ),
        (
            service(json!({"redirect": {"to": "//host/x"}})),
            "/services/calendar/script/0/redirect",
            "`to` is a path",
        ),
        (
            service(json!({"redirect": {"to": "fax:/v1"}})),
            "/services/calendar/script/0/redirect",
            "unknown service `fax`",
        ),
        (
            service(json!({"redirect": {"to": "/v1", "status": 200}})),
            "/services/calendar/script/0/redirect",
            "is no redirect",
        ),
    ];
    for (error, pointer, message) in cases {
        assert_eq!(error.pointer, pointer, "{error}");
        assert!(error.message.contains(message), "{error} (not: {message})");
    }
}

#[test]
fn seeds_are_checked() {
    let seed = |service: &str, seed: Value| refusal(json!({"services": {service: {"seed": seed}}}));
    let event = json!({"id": "a", "start": "2026-01-01T10:00:00Z", "end": "2026-01-01T11:00:00Z"});
    let cases = [
        (
            seed("calendar", json!({"event": []})),
            "/services/calendar/seed",
            "unknown field `event`",
        ),
        (
            seed("calendar", json!({"events": [{}]})),
            "/services/calendar/seed/events/0",
            "`start` must be an RFC 3339 date-time",
        ),
        (
            seed("calendar", json!({"events": [event, event]})),
            "/services/calendar/seed/events/1",
            "is there already",
        ),
        (
            seed("calendar", json!({"slots": [{"start": "x", "end": "y"}]})),
            "/services/calendar/seed/slots/0",
            "`x` is no RFC 3339",
        ),
        (
            seed("email", json!({"messages": ["x"]})),
            "/services/email/seed",
            "invalid type",
        ),
        (
            seed("crm", json!({"contacts": {"a": 1}})),
            "/services/crm/seed/contacts",
            "contact `a` must be an object",
        ),
    ];
    for (error, pointer, message) in cases {
        assert_eq!(error.pointer, pointer, "{error}");
        assert!(error.message.contains(message), "{error} (not: {message})");
    }
}

#[test]
fn errors_print_their_pointer() {
    assert!(
        model(json!({}))
            .to_string()
            .starts_with("mock script at /model/1: ")
    );
    assert!(refusal(json!(1)).to_string().starts_with("mock script: "));
}
