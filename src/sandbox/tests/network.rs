//! `oap.http` from the inside.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::{
    DoorReply, DoorRequest, FailureCode, Job, Refused, door, empty_reply, failure, generate,
    module, result, run,
};

const IMPORT: &str = "(import \"oap\" \"http\" (func $http (param i32 i32) (result i64)))";

/// Asks once and returns what came back; `then` follows the call.
fn asks(request: &str, then: &str) -> Job {
    let segment: String = request
        .bytes()
        .map(|byte| format!("\\{byte:02x}"))
        .collect();
    let body = format!(
        "{IMPORT}
         (data (i32.const 65536) \"{segment}\") {}",
        generate(&format!(
            "(call $http (i32.const 65536) (i32.const {})) {then}",
            request.len()
        ))
    );
    module(&body)
}

fn refused(reply: &Value) -> (&str, &str) {
    let text = |pointer| reply.pointer(pointer).and_then(Value::as_str).unwrap_or("");
    (text("/error/errorCode"), text("/error/message"))
}

#[test]
fn a_request_goes_through_the_door() {
    let seen: Arc<Mutex<Vec<DoorRequest>>> = Arc::default();
    let sent = Arc::clone(&seen);
    let mut job = asks(
        r#"{"method":"POST","url":"https://a.example:8443/x?y","headers":{"X-A":"1","Accept":"*/*"},"body":"Grüße"}"#,
        "",
    );
    job.door = door(move |request| {
        sent.lock().expect("lock").push(request);
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Ok(DoorReply {
            status: 201,
            headers: vec![
                header("content-type", "text/plain"),
                header("link", "</a>"),
                header("link", "</b>"),
            ],
            body: b"caf\xc3\xa9 \xff".to_vec(),
        })
    });
    assert_eq!(
        result(job),
        json!({"status": 201, "headers": {"content-type": "text/plain", "link": "</a>, </b>"}, "body": "café \u{fffd}"})
    );
    let seen = seen.lock().expect("lock");
    assert_eq!(
        *seen,
        [DoorRequest {
            method: "POST".to_owned(),
            url: "https://a.example:8443/x?y".to_owned(),
            headers: vec![
                ("X-A".to_owned(), "1".to_owned()),
                ("Accept".to_owned(), "*/*".to_owned())
            ],
            body: "Grüße".as_bytes().to_vec(),
        }]
    );
}

#[test]
fn a_refusal_is_told_and_can_be_survived() {
    let ask = r#"{"method":"GET","url":"http://b.example/"}"#;
    let mut job = asks(ask, "");
    job.door = door(|_| Err(Refused::Denied("b.example:80 is not granted".to_owned())));
    assert_eq!(
        refused(&result(job)),
        ("sandbox_network_denied", "b.example:80 is not granted")
    );
    let mut job = asks(ask, "");
    job.door = door(|_| Err(Refused::Failed("connection refused".to_owned())));
    assert_eq!(
        refused(&result(job)),
        ("upstream_unreachable", "connection refused")
    );
}

#[test]
fn who_traps_after_a_refusal_needed_the_network() {
    let ask = r#"{"method":"GET","url":"http://b.example/"}"#;
    let mut job = asks(ask, "unreachable");
    job.door = door(|_| Err(Refused::Denied("not granted".to_owned())));
    assert_eq!(failure(job).0, FailureCode::NetworkDenied);
    // Not so after an exchange that failed.
    let mut job = asks(ask, "unreachable");
    job.door = door(|_| Err(Refused::Failed("reset".to_owned())));
    assert_eq!(failure(job).0, FailureCode::Error);
}

#[test]
fn what_is_no_request_never_reaches_the_door() {
    for ask in [
        "",
        "[]",
        "{}",
        "nonsense",
        r#"{"method":"GET"}"#,
        r#"{"url":"http://a.example/"}"#,
        r#"{"method":1,"url":"http://a.example/"}"#,
        r#"{"method":"GET","url":"http://a.example/","headers":[]}"#,
        r#"{"method":"GET","url":"http://a.example/","headers":{"a":1}}"#,
        r#"{"method":"GET","url":"http://a.example/","body":{}}"#,
        r#"{"method":"GET","method":"PUT","url":"http://a.example/"}"#,
    ] {
        let mut job = asks(ask, "");
        job.door = door(|_| panic!("nothing may be sent"));
        let reply = result(job);
        let (code, message) = refused(&reply);
        assert_eq!(code, "invalid_request", "{ask}");
        assert!(message.contains("oap.http"), "{message}");
    }
}

#[test]
fn memory_that_is_not_there_is_no_request() {
    for (at, len) in [("-1", "16"), ("0", "-1"), ("131072", "1"), ("131071", "2")] {
        let body = format!(
            "{IMPORT}
             {}",
            generate(&format!("(call $http (i32.const {at}) (i32.const {len}))"))
        );
        let mut job = module(&body);
        job.door = door(|_| panic!("nothing may be sent"));
        let (code, message) = failure(job);
        assert_eq!(code, FailureCode::Error);
        assert!(message.contains("not there"), "{message}");
    }
}

#[test]
fn the_allocator_cannot_ask_again() {
    let ask = r#"{"method":"GET","url":"http://a.example/"}"#;
    let segment: String = ask.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    // The first call of `oap_alloc` is for the arguments; the second, for the reply, asks again.
    let code = format!(
        "(module {IMPORT} (memory (export \"memory\") 2) (data (i32.const 1024) \"{segment}\")
           (global $calls (mut i32) (i32.const 0))
           (func (export \"oap_alloc\") (param i32) (result i32)
             (if (global.get $calls) (then (drop (call $http (i32.const 1024) (i32.const {len})))))
             (global.set $calls (i32.const 1))
             (i32.const 8192))
           {})",
        generate(&format!(
            "(call $http (i32.const 1024) (i32.const {}))",
            ask.len()
        )),
        len = ask.len(),
    );
    let mut job = super::job(super::Language::Wasm, &code, json!({}));
    job.door = door(|_| Ok(empty_reply()));
    let (code, message) = failure(job);
    assert_eq!(code, FailureCode::Error);
    assert!(message.contains("while it was answering"), "{message}");
}

#[test]
fn what_the_door_uses_is_not_the_code_s() {
    let mut job = asks(r#"{"method":"GET","url":"http://a.example/"}"#, "");
    job.limits.cpu = Duration::from_millis(40);
    job.door = door(|_| {
        let used = || super::super::limits::thread_cpu();
        let start = used();
        while used() - start < Duration::from_millis(60) {
            std::hint::spin_loop();
        }
        Ok(empty_reply())
    });
    let finished = run(job);
    assert_eq!(
        finished.outcome.expect("it succeeds"),
        json!({"status": 204, "headers": {}, "body": ""})
    );
    assert!(finished.cpu < Duration::from_millis(40));
}

#[test]
fn a_long_reply_is_an_error_in_the_code() {
    let mut job = asks(r#"{"method":"GET","url":"http://a.example/"}"#, "");
    job.door = door(|_| {
        Ok(DoorReply {
            body: vec![b'x'; 1024 * 1024 + 1],
            ..empty_reply()
        })
    });
    assert_eq!(refused(&result(job)).0, "upstream_unreachable");
}
