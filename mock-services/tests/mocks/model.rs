//! The scripted model: wire, predicates, strictness.

use mock_services::{Auth, Service, prompt_text};
use serde_json::json;

use crate::caller::{Caller, completion, send};

#[tokio::test]
async fn speaks_the_chat_completions_wire() {
    let caller = Caller::with(json!({"model": [
        {"emit": {"action": "create_event", "args": {"b": 1, "a": [true]}}},
        {"text": "not \"JSON\" at all", "finish_reason": "length", "usage": {"prompt_tokens": 11, "completion_tokens": 7}},
        {"emit": null},
    ]}))
    .await;

    let reply = caller.ask("hello").await;
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (200, "application/json")
    );
    assert_eq!(
        reply.json(),
        json!({
            "id": "chatcmpl-mock-1",
            "object": "chat.completion",
            "created": 1_767_225_600,
            "model": "test-model",
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": "{\"action\":\"create_event\",\"args\":{\"b\":1,\"a\":[true]}}"},
                "finish_reason": "stop",
            }],
            "usage": {"prompt_tokens": 21, "completion_tokens": 9, "total_tokens": 30},
        })
    );

    let reply = caller.ask("again").await.json();
    assert_eq!(
        reply["choices"][0]["message"]["content"],
        "not \"JSON\" at all"
    );
    assert_eq!(reply["choices"][0]["finish_reason"], "length");
    assert_eq!(
        reply["usage"],
        json!({"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18})
    );
    assert_eq!(caller.ask("null").await.content(), "null");

    let calls = caller.mocks.calls(&caller.token);
    assert_eq!(
        calls.iter().map(|call| call.seq).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    assert_eq!(
        calls.iter().map(|call| call.entry).collect::<Vec<_>>(),
        [Some(0), Some(1), Some(2)]
    );
    let first = &calls[0];
    assert_eq!(
        (first.service, first.method.as_str(), first.path.as_str()),
        (Service::Model, "POST", "/v1/chat/completions")
    );
    assert_eq!(
        (first.auth, first.status, &first.unmatched),
        (Auth::Ok, 200, &None)
    );
    assert_eq!(first.token.as_ref(), Some(&caller.token));
    assert!(first.headers.contains_key("authorization"));
    assert_eq!(
        prompt_text(&first.body),
        Some(format!("hello [{}]", caller.token))
    );
    assert_eq!(
        caller.mocks.state(&caller.token, Service::Model),
        json!({"calls": 3})
    );
    assert!(caller.mocks.unused(&caller.token).is_empty());
}

#[tokio::test]
async fn the_first_unused_entry_whose_predicates_hold_answers() {
    let caller = Caller::with(json!({"model": [
        {"on": {"saw": ["red", "blue"]}, "text": "both", "times": 2},
        {"on": {"saw": "red", "not_saw": ["green", "grey"]}, "text": "red alone"},
        {"on": {"saw_error": "conflict"}, "text": "a conflict"},
        {"text": "anything", "times": "any"},
    ]}))
    .await;
    assert_eq!(caller.ask("red").await.content(), "red alone");
    assert_eq!(caller.ask("red").await.content(), "anything");
    assert_eq!(caller.ask("red and blue").await.content(), "both");
    assert_eq!(caller.ask("red grey").await.content(), "anything");
    assert_eq!(
        caller.ask("idempotency_conflict").await.content(),
        "anything"
    );
    assert_eq!(
        caller.ask("{\"errorCode\":\"conflict\"}").await.content(),
        "a conflict"
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
        (Service::Model, 0, 1, 2)
    );
    assert_eq!(unused[0].summary, "text \"both\"");
}

#[tokio::test]
async fn predicates_see_all_messages_and_their_parts() {
    let caller =
        Caller::with(json!({"model": [{"on": {"saw": ["one", "two", "three"]}, "text": "seen"}]}))
            .await;
    let body = json!({"messages": [
        {"role": "system", "content": "one"},
        {"role": "user", "content": [{"type": "text", "text": format!("two {}", caller.token)}]},
        {"role": "assistant", "content": "three"},
    ]});
    let request = completion(&caller.client, &caller.mocks.model_url(), "").body(body.to_string());
    let reply = send(request).await.unwrap();
    assert_eq!(reply.content(), "seen");
    assert_eq!(reply.json()["model"], "mock-model");
}

#[tokio::test]
async fn an_unmatched_request_names_the_nearest_entry() {
    let caller = Caller::with(json!({"model": [
        {"on": {"saw": ["a1", "b1"], "saw_error": "timeout"}, "emit": {"finished": true}},
        {"on": {"saw": "b1", "not_saw": "x1"}, "emit": {"action": "create_event", "args": {}}},
    ]}))
    .await;
    let reply = caller.ask("b1 x1").await;
    assert_eq!(reply.status, 500);
    let error = &reply.json()["error"];
    assert_eq!(
        (&error["code"], &error["nearest"]),
        (&json!("unmatched_request"), &json!(1))
    );
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("entry 1 (emit action create_event)"),
        "{message}"
    );
    assert!(
        message.contains("the prompt holds \"x1\" (not_saw)"),
        "{message}"
    );
    let call = caller.last();
    assert_eq!((call.status, call.entry), (500, None));
    assert_eq!(call.unmatched.as_deref(), Some(message));

    assert_eq!(caller.ask("b1").await.status, 200);
    assert_eq!(caller.ask("a1 b1 timeout").await.status, 200);
    let message = caller.ask("b1").await.json()["error"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        message.contains("entry 1") && message.contains("used up"),
        "{message}"
    );
}

#[tokio::test]
async fn an_empty_script_answers_nothing() {
    let caller = Caller::with(json!(null)).await;
    let reply = caller.ask("hello").await;
    assert_eq!(reply.status, 500);
    assert!(
        reply.text.contains("the script has no entry"),
        "{}",
        reply.text
    );
}

#[tokio::test]
async fn any_path_that_ends_in_chat_completions_will_do() {
    let caller = Caller::with(json!({"model": [{"text": "ok", "times": "any"}]})).await;
    let origin = caller.mocks.service_url(Service::Model);
    assert_eq!(caller.mocks.model_url(), format!("{origin}/v1"));
    for path in ["", "/openai/deployments/x"] {
        let reply = send(completion(
            &caller.client,
            &format!("{origin}{path}"),
            &caller.token,
        ))
        .await
        .unwrap();
        assert_eq!(reply.status, 200, "{path}");
    }
    let other = caller
        .client
        .post(format!("{origin}/v1/embeddings"))
        .bearer_auth("sk-test-model-key-0001");
    assert_eq!(
        send(other.body(caller.token.clone())).await.unwrap().status,
        404
    );
    assert!(caller.last().unmatched.unwrap().contains("/v1/embeddings"));
    let get = caller.client.get(format!(
        "{origin}/v1/chat/completions?user={}",
        caller.token
    ));
    assert_eq!(
        send(get.bearer_auth("sk-test-model-key-0001"))
            .await
            .unwrap()
            .status,
        405
    );
    assert!(caller.last().unmatched.is_some());
}

#[tokio::test]
async fn malformed_requests_are_400_and_use_no_entry() {
    let caller = Caller::with(json!({"model": [{"text": "ok"}]})).await;
    let url = caller.mocks.model_url();
    for body in [
        caller.token.clone(),
        json!([caller.token]).to_string(),
        json!({"messages": caller.token}).to_string(),
    ] {
        let reply = send(completion(&caller.client, &url, "").body(body))
            .await
            .unwrap();
        assert_eq!(
            (reply.status, &reply.json()["error"]["code"]),
            (400, &json!("invalid_body"))
        );
        assert!(caller.last().unmatched.is_some());
    }
    assert_eq!(caller.mocks.unused(&caller.token).len(), 1);
}

#[tokio::test]
async fn the_key_is_checked_first() {
    let caller = Caller::with(json!({"model": [{"text": "ok"}]})).await;
    let url = format!("{}/chat/completions", caller.mocks.model_url());
    let body = json!({"messages": [{"role": "user", "content": caller.token}]}).to_string();
    for (key, auth) in [(None, Auth::Missing), (Some("sk-other"), Auth::Wrong)] {
        let mut request = caller.client.post(&url).body(body.clone());
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        let reply = send(request).await.unwrap();
        assert_eq!(
            (reply.status, &reply.json()["error"]["code"]),
            (401, &json!("invalid_api_key"))
        );
        let call = caller.last();
        assert_eq!(
            (call.auth, call.status, call.entry, call.unmatched),
            (auth, 401, None, None)
        );
    }
    assert_eq!(caller.mocks.unused(&caller.token).len(), 1);
}

#[tokio::test]
async fn calls_without_a_known_token_are_strays() {
    let caller = Caller::with(json!({"model": [{"text": "ok"}]})).await;
    let url = caller.mocks.model_url();
    let unknown = "oapt00000000000000aa";
    for (prompt, token) in [
        ("no token", None),
        (unknown, Some(unknown)),
        ("oapt12345 OAPT0000000000000000", None),
    ] {
        let reply = send(completion(&caller.client, &url, prompt))
            .await
            .unwrap();
        assert_eq!(
            (reply.status, &reply.json()["error"]["code"]),
            (500, &json!("unknown_token")),
            "{prompt}"
        );
        let stray = caller.mocks.stray_calls().pop().unwrap();
        assert_eq!((stray.token.as_deref(), stray.status), (token, 500));
        assert!(stray.unmatched.unwrap().contains("belongs to no script"));
    }
    assert!(caller.mocks.calls(&caller.token).is_empty());
    // A known token wins over an unknown one before it.
    let reply = send(completion(
        &caller.client,
        &url,
        &format!("{unknown} {}", caller.token),
    ))
    .await
    .unwrap();
    assert_eq!(reply.status, 200);
}
