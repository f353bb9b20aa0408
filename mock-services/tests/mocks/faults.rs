//! Scripted failures, of the model and of the services.

use std::time::{Duration, Instant};

use mock_services::Service::{self, Calendar, Crm, Email};
use mock_services::{Call, Credentials, Options};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::caller::{Caller, send};

/// Calls a faulty service entry once and returns the error that the client saw.
async fn failing(fault: &str) -> (reqwest::Error, Call) {
    let caller = Caller::with(json!({"services": {"crm": {"script": [{"fault": fault}]}}})).await;
    let error = send(caller.request(Crm, "GET", "/v1/meetings"))
        .await
        .err()
        .unwrap();
    // The fault answered once; the service itself goes on.
    assert_eq!(caller.get(Crm, "/v1/meetings").await.status, 200);
    let call = caller.mocks.calls(&caller.token).swap_remove(0);
    (error, call)
}

#[tokio::test]
async fn model_status_with_retry_after() {
    let caller = Caller::with(json!({"model": [
        {"fault": "status"},
        {"fault": "status", "status": 429, "retry_after": 1},
    ]}))
    .await;
    let reply = caller.ask("a").await;
    assert_eq!(
        (reply.status, &reply.json()["error"]["type"]),
        (500, &json!("server_error"))
    );
    assert!(!reply.headers.contains_key("retry-after"));
    assert_eq!((caller.last().status, caller.last().entry), (500, Some(0)));
    let reply = caller.ask("b").await;
    assert_eq!(
        (reply.status, &reply.json()["error"]["type"]),
        (429, &json!("rate_limit_error"))
    );
    assert_eq!(reply.header("retry-after"), "1");
    assert_eq!((caller.last().status, caller.last().unmatched), (429, None));
}

#[tokio::test]
async fn model_bodies_that_are_no_completion() {
    let caller =
        Caller::with(json!({"model": [{"fault": "not_json"}, {"fault": "empty_choices"}]})).await;
    let reply = caller.ask("a").await;
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (200, "text/html; charset=utf-8")
    );
    assert!(serde_json::from_str::<Value>(&reply.text).is_err());
    let reply = caller.ask("b").await;
    assert_eq!((reply.status, &reply.json()["choices"]), (200, &json!([])));
    assert_eq!(caller.last().status, 200);
}

#[tokio::test]
async fn model_disconnects_and_cuts() {
    let caller = Caller::with(
        json!({"model": [{"fault": "disconnect"}, {"fault": "truncated"}, {"text": "ok"}]}),
    )
    .await;
    let error = caller.try_ask("a").await.err().unwrap();
    assert!(error.is_request(), "{error:?}");
    let error = caller.try_ask("b").await.err().unwrap();
    assert!(error.is_body() || error.is_decode(), "{error:?}");
    assert_eq!(caller.ask("c").await.content(), "ok");
    let seen: Vec<_> = caller
        .mocks
        .calls(&caller.token)
        .iter()
        .map(|call| (call.status, call.entry))
        .collect();
    assert_eq!(seen, [(0, Some(0)), (0, Some(1)), (200, Some(2))]);
}

#[tokio::test]
async fn service_disconnects_and_cuts() {
    let (error, call) = failing("disconnect").await;
    assert!(error.is_request(), "{error:?}");
    assert_eq!((call.status, call.entry), (0, Some(0)));
    let (error, call) = failing("truncated").await;
    assert!(error.is_body() || error.is_decode(), "{error:?}");
    assert_eq!((call.status, call.entry), (0, Some(0)));
}

#[tokio::test]
async fn a_cut_body_is_announced_whole_and_ends_half_way() {
    let caller =
        Caller::with(json!({"services": {"crm": {"script": [{"fault": "truncated"}]}}})).await;
    let address = caller.mocks.service_url(Crm).replace("http://", "");
    let credential = Credentials::default().crm;
    let head = format!(
        "GET /t/{}/v1/meetings HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {credential}\r\n\r\n",
        caller.token
    );
    let mut stream = TcpStream::connect(&address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .unwrap()
        .trim()
        .parse::<usize>()
        .unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(
        !body.is_empty() && body.len() == length / 2,
        "{head}\n\n{body}"
    );
}

#[tokio::test]
async fn a_held_answer_blocks_neither_other_calls_nor_shutdown() {
    let caller = Caller::with(json!({
        "model": [{"on": {"saw": "hold"}, "fault": "timeout"}, {"text": "ok"}],
        "services": {"email": {"script": [{"on": {"method": "POST"}, "fault": "timeout"}]}},
    }))
    .await;
    let began = Instant::now();
    let request = caller.request(Email, "POST", "/v1/send").body("{}");
    let first = tokio::spawn(send(request));
    while caller.mocks.calls(&caller.token).is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!((caller.last().status, caller.last().entry), (0, Some(0)));
    assert_eq!(caller.get(Email, "/v1/messages").await.status, 200);
    assert!(!first.is_finished());

    let held = {
        let body = json!({"messages": [{"content": format!("hold {}", caller.token)}]}).to_string();
        let url = format!("{}/chat/completions", caller.mocks.model_url());
        tokio::spawn(send(
            caller
                .client
                .post(url)
                .bearer_auth("sk-test-model-key-0001")
                .body(body),
        ))
    };
    while caller.mocks.calls(&caller.token).len() < 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(caller.ask("other").await.content(), "ok");
    let Caller { mocks, .. } = caller;
    mocks.shutdown();
    assert!(first.await.unwrap().is_err());
    assert!(held.await.unwrap().is_err());
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn slow_answers_take_their_time() {
    let caller = Caller::with(json!({
        "model": [{"text": "slow", "delay_ms": 60}],
        "services": {"crm": {"script": [{"reply": {"json": []}, "delay_ms": 60}]}},
    }))
    .await;
    let began = Instant::now();
    assert_eq!(caller.ask("a").await.content(), "slow");
    assert!(began.elapsed() >= Duration::from_millis(60));
    let began = Instant::now();
    assert_eq!(caller.get(Crm, "/v1/meetings").await.json(), json!([]));
    assert!(began.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn scripted_replies_come_before_the_state() {
    let caller = Caller::with(json!({"services": {"calendar": {"script": [
        {"on": {"method": "post", "path": "/v1/events", "saw": ["Demo", "2026"]}, "reply": {"status": 503, "json": {"busy": true}, "headers": {"Retry-After": "2", "x-many": ["a", "b"]}}},
        {"on": {"path": "/v1/events"}, "reply": {"base64": "/wD+", "content_type": "application/octet-stream"}, "times": 2},
        {"on": {"path": "/v1/free-slots"}, "reply": {"status": 204}},
        {"on": {"path": "/v1/agendas"}, "reply": {"text": "later"}, "optional": true},
    ]}}}))
    .await;
    let event =
        json!({"start": "2026-05-01T10:00:00Z", "end": "2026-05-01T11:00:00Z", "title": "Demo"});
    let reply = caller.post(Calendar, "/v1/events", event.clone()).await;
    assert_eq!((reply.status, reply.json()), (503, json!({"busy": true})));
    assert_eq!(
        (
            reply.header("retry-after"),
            reply.headers.get_all("x-many").iter().count()
        ),
        ("2", 2)
    );
    assert_eq!((caller.last().entry, caller.last().status), (Some(0), 503));
    let reply = send(caller.request(Calendar, "GET", "/v1/events"))
        .await
        .unwrap();
    assert_eq!(reply.header("content-type"), "application/octet-stream");
    assert_eq!(reply.text, "\u{fffd}\0\u{fffd}");
    let reply = caller.get(Calendar, "/v1/free-slots").await;
    assert_eq!((reply.status, reply.text.as_str()), (204, ""));
    assert_eq!(
        caller.mocks.state(&caller.token, Calendar),
        json!({"events": []})
    );

    let unused = caller.mocks.unused(&caller.token);
    assert_eq!(unused.len(), 1);
    assert_eq!(
        (
            unused[0].service,
            unused[0].index,
            unused[0].used,
            unused[0].times
        ),
        (Calendar, 1, 1, 2)
    );
    assert_eq!(unused[0].summary, "any method /v1/events: reply 200");
    assert_eq!(
        caller
            .post(Calendar, "/v1/events", event.clone())
            .await
            .status,
        200
    );
    // The script is through: the calendar itself answers again.
    assert_eq!(caller.post(Calendar, "/v1/events", event).await.status, 201);
    assert_eq!(caller.last().entry, None);
}

#[tokio::test]
async fn redirects_stay_or_leave_the_origin() {
    let caller = Caller::with(json!({"services": {"calendar": {"script": [
        {"redirect": {"to": "/v1/other"}},
        {"redirect": {"to": "crm:/v1/x?y=1", "status": 307}},
    ]}}}))
    .await;
    let reply = caller.get(Calendar, "/v1/events").await;
    let path = format!("/t/{}/v1/other", caller.token);
    assert_eq!(
        (reply.status, reply.header("location")),
        (302, path.as_str())
    );
    let reply = caller.get(Calendar, "/v1/events").await;
    let address = format!(
        "{}/t/{}/v1/x?y=1",
        caller.mocks.service_url(Crm),
        caller.token
    );
    assert_eq!(
        (reply.status, reply.header("location")),
        (307, address.as_str())
    );
    assert_eq!(caller.last().status, 307);
}

#[tokio::test]
async fn the_credential_is_echoed_in_each_encoding() {
    let caller = Caller::with(json!({"services": {"crm": {"script": [{"reply": {
        "json": {
            "raw": "{{credential}}",
            "within": ["<{{credential:base64}}>", {"{{credential:percent}}": 1}],
            "base64url": "{{credential:base64url}}",
            "json": "{{credential:json}}",
        },
        "headers": {"x-echo": "is {{credential}}"},
    }}, {"reply": {"text": "{\"a\":\"{{credential:json}}\"}"}}]}}}))
    .await;
    let reply = caller.get(Crm, "/v1/meetings").await;
    assert_eq!(
        reply.json(),
        json!({
            "raw": "crm-tok+en/5c7e9a22==",
            "within": ["<Y3JtLXRvaytlbi81YzdlOWEyMj09>", {"crm-tok%2Ben%2F5c7e9a22%3D%3D": 1}],
            "base64url": "Y3JtLXRvaytlbi81YzdlOWEyMj09",
            "json": "crm-tok+en/5c7e9a22==",
        })
    );
    assert_eq!(reply.header("x-echo"), "is crm-tok+en/5c7e9a22==");
    let reply = caller.get(Crm, "/v1/meetings").await;
    assert_eq!(reply.text, "{\"a\":\"crm-tok+en/5c7e9a22==\"}");
}

#[tokio::test]
async fn base64_encodings_differ_where_the_alphabets_do() {
    let credentials = Credentials {
        crm: "a\"\\?>~??".to_owned(),
        ..Credentials::default()
    };
    let options = Options {
        credentials,
        ..Options::default()
    };
    let texts =
        "{{credential:base64}} {{credential:base64url}} {{credential:percent}} {{credential:json}}";
    let script = json!({"services": {"crm": {"script": [{"reply": {"text": texts}}]}}});
    let caller = Caller::with_options(script, options).await;
    let url = format!(
        "{}/t/{}/v1/meetings",
        caller.mocks.service_url(Service::Crm),
        caller.token
    );
    let reply = send(
        caller
            .client
            .get(url)
            .header("authorization", "Bearer a\"\\?>~??"),
    )
    .await
    .unwrap();
    assert_eq!(
        reply.text,
        "YSJcPz5+Pz8= YSJcPz5-Pz8 a%22%5C%3F%3E~%3F%3F a\\\"\\\\?>~??"
    );
}
