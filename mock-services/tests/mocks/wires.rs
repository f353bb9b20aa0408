//! The scripted model on the wires of Anthropic and Cohere, and as a stream.

use mock_services::{Auth, ModelWire, Service, prompt_messages};
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::caller::{Caller, Reply, send};

const KEY: &str = "sk-test-model-key-0001";

fn request(caller: &Caller, wire: ModelWire, stream: bool) -> RequestBuilder {
    let text = format!("goal [{}]", caller.token);
    let mut body = json!({"model": "m", "max_tokens": 9, "stream": stream, "messages": [{"role": "user", "content": text}]});
    if stream && wire == ModelWire::OpenAi {
        body["stream_options"] = json!({"include_usage": true});
    }
    let base = caller.mocks.model_url_of(wire);
    let request = caller.client.post(format!("{base}{}", wire.path()));
    let request = match wire {
        ModelWire::Anthropic => request
            .header("x-api-key", KEY)
            .header("anthropic-version", "2023-06-01"),
        _ => request.bearer_auth(KEY),
    };
    request.body(body.to_string())
}

async fn ask(caller: &Caller, wire: ModelWire, stream: bool) -> Reply {
    send(request(caller, wire, stream)).await.unwrap()
}

/// The data of each event.
fn events(reply: &Reply) -> Vec<Value> {
    assert_eq!(reply.header("content-type"), "text/event-stream");
    let data = reply
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "));
    data.filter(|data| *data != "[DONE]")
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

/// The text that a stream joins to, by the member of each event that holds a piece.
fn joined(events: &[Value], pointer: &str) -> String {
    events
        .iter()
        .filter_map(|event| event.pointer(pointer)?.as_str())
        .collect()
}

const SAID: &str = "{\"action\":\"a\",\"args\":{\"who\":\"Zoë\"}}";

async fn talkative() -> Caller {
    let usage = json!({"prompt_tokens": 11, "completion_tokens": 7});
    Caller::with(json!({"model": [
        {"text": SAID, "usage": usage},
        {"text": SAID, "finish_reason": "length", "usage": usage, "times": "any"},
    ]}))
    .await
}

#[tokio::test]
async fn each_wire_says_the_same_in_its_own_form() {
    let caller = talkative().await;
    let reply = ask(&caller, ModelWire::Anthropic, false).await.json();
    assert_eq!(
        (&reply["type"], &reply["role"], &reply["model"]),
        (&json!("message"), &json!("assistant"), &json!("m"))
    );
    assert_eq!(reply["content"], json!([{"type": "text", "text": SAID}]));
    assert_eq!(reply["stop_reason"], "end_turn");
    assert_eq!(
        reply["usage"],
        json!({"input_tokens": 11, "output_tokens": 7})
    );
    let call = caller.last();
    assert_eq!((call.auth, call.path.as_str()), (Auth::Ok, "/v1/messages"));

    let reply = ask(&caller, ModelWire::Cohere, false).await.json();
    assert_eq!(
        reply["message"]["content"],
        json!([{"type": "text", "text": SAID}])
    );
    assert_eq!(reply["finish_reason"], "MAX_TOKENS");
    assert_eq!(
        reply["usage"]["tokens"],
        json!({"input_tokens": 11, "output_tokens": 7})
    );
    assert_eq!(caller.last().path, "/v2/chat");
}

#[tokio::test]
async fn each_wire_streams_in_pieces() {
    let caller = talkative().await;
    let openai = events(&ask(&caller, ModelWire::OpenAi, true).await);
    assert_eq!(joined(&openai, "/choices/0/delta/content"), SAID);
    let (last, rest) = openai.split_last().unwrap();
    assert_eq!(
        (&last["choices"], &last["usage"]["prompt_tokens"]),
        (&json!([]), &json!(11))
    );
    let end = rest.last().unwrap();
    assert_eq!(end["choices"][0]["finish_reason"], "stop");
    assert!(openai.len() > 5);

    let anthropic = events(&ask(&caller, ModelWire::Anthropic, true).await);
    assert_eq!(joined(&anthropic, "/delta/text"), SAID);
    assert_eq!(anthropic[0]["type"], "message_start");
    let end = &anthropic[anthropic.len() - 2];
    assert_eq!(
        (&end["delta"]["stop_reason"], &end["usage"]["output_tokens"]),
        (&json!("max_tokens"), &json!(7))
    );
    assert_eq!(anthropic.last().unwrap()["type"], "message_stop");

    let cohere = events(&ask(&caller, ModelWire::Cohere, true).await);
    assert_eq!(joined(&cohere, "/delta/message/content/text"), SAID);
    let end = cohere.last().unwrap();
    assert_eq!(
        (&end["type"], &end["delta"]["finish_reason"]),
        (&json!("message-end"), &json!("MAX_TOKENS"))
    );
}

#[tokio::test]
async fn faults_are_faults_on_each_wire() {
    for wire in ModelWire::ALL {
        for stream in [false, true] {
            let caller = Caller::with(json!({"model": [
                {"fault": "status", "status": 429, "retry_after": 7},
                {"fault": "not_json"},
                {"fault": "empty_choices"},
                {"fault": "garbage"},
                {"fault": "empty"},
                {"fault": "wrong_type"},
                {"fault": "truncated"},
                {"fault": "unfinished"},
            ]}))
            .await;
            let limited = ask(&caller, wire, stream).await;
            assert_eq!((limited.status, limited.header("retry-after")), (429, "7"));
            let told = match wire {
                ModelWire::Cohere => limited.json()["message"].clone(),
                _ => limited.json()["error"]["message"].clone(),
            };
            assert!(told.as_str().unwrap().contains("on purpose"), "{wire}");
            let page = ask(&caller, wire, stream).await;
            assert!(page.text.starts_with("<html>"));
            let empty = ask(&caller, wire, stream).await;
            assert!(!empty.text.contains("finished"), "{wire}: {}", empty.text);
            let garbage = ask(&caller, wire, stream).await;
            assert!(garbage.text.ends_with("}{\n\n"));
            assert_eq!(ask(&caller, wire, stream).await.text, "");
            let odd = ask(&caller, wire, stream).await;
            assert!(odd.header("content-type").starts_with("text/html"));
            assert!(send(request(&caller, wire, stream)).await.is_err());
            assert_eq!(caller.last().status, 0);
            let last = send(request(&caller, wire, stream)).await;
            match last {
                // A stream stops without the event that ends it, and the connection is in order.
                Ok(reply) => {
                    assert!(stream, "{wire}");
                    let end = ["\"finish_reason\":\"stop\"", "message_stop", "message-end"];
                    assert!(end.iter().all(|end| !reply.text.contains(end)), "{wire}");
                    assert!(!events(&reply).is_empty());
                }
                Err(_) => assert!(!stream, "{wire}"),
            }
        }
    }
}

#[tokio::test]
async fn what_a_maker_would_refuse_is_refused() {
    let caller = Caller::with(json!({"model": [{"text": "ok", "times": "any"}]})).await;
    let user = json!({"role": "user", "content": caller.token});
    let system = json!({"role": "system", "content": "s"});
    let empty = json!({"role": "assistant", "content": " "});
    let anthropic = [
        json!({"messages": [user]}),
        json!({"max_tokens": 0, "messages": [user]}),
        json!({"max_tokens": 9, "messages": []}),
        json!({"max_tokens": 9, "system": caller.token, "messages": [system, user]}),
        json!({"max_tokens": 9, "messages": [user, empty, user]}),
    ];
    let origin = caller.mocks.model_url_of(ModelWire::Anthropic);
    let messages = || {
        let request = caller.client.post(format!("{origin}/v1/messages"));
        request.header("x-api-key", KEY)
    };
    for body in anthropic {
        let mut body = body;
        body["metadata"] = json!({"user_id": caller.token});
        let request = messages().header("anthropic-version", "2023-06-01");
        let reply = send(request.body(body.to_string())).await.unwrap();
        assert_eq!(
            (reply.status, &reply.json()["error"]["type"]),
            (400, &json!("invalid_request_error")),
            "{body}"
        );
    }
    let good = json!({"max_tokens": 9, "messages": [user]}).to_string();
    let reply = send(messages().body(good.clone())).await.unwrap();
    assert_eq!(reply.status, 400, "without a version");
    // The key may come as a bearer token too; but not another one in either header.
    for (own, bearer, status) in [
        (None, Some(KEY), 200),
        (Some(KEY), Some(KEY), 200),
        (Some("sk-x"), Some(KEY), 401),
        (Some(KEY), Some("sk-x"), 401),
        (None, Some("sk-x"), 401),
        (None, None, 401),
    ] {
        let mut request = caller.client.post(format!("{origin}/v1/messages"));
        if let Some(key) = own {
            request = request.header("x-api-key", key);
        }
        if let Some(key) = bearer {
            request = request.bearer_auth(key);
        }
        let request = request.header("anthropic-version", "2023-06-01");
        let reply = send(request.body(good.clone())).await.unwrap();
        assert_eq!(reply.status, status, "{own:?} {bearer:?}");
        if status == 401 {
            assert_eq!(reply.json()["error"]["type"], "authentication_error");
        }
    }
    for body in [
        json!({"messages": [user]}),
        json!({"model": "m", "messages": [{"role": "robot", "content": caller.token}]}),
    ] {
        let request = caller.client.post(format!("{origin}/v2/chat"));
        let reply = send(request.bearer_auth(KEY).body(body.to_string()))
            .await
            .unwrap();
        assert_eq!(reply.status, 400, "{body}");
        assert!(reply.json()["message"].is_string());
    }
    let calls = caller.mocks.calls(&caller.token);
    let mut refused = calls.iter().filter(|call| call.status != 200);
    assert!(refused.all(|call| call.entry.is_none()));
    assert!(calls.iter().all(|call| call.service == Service::Model));
}

#[test]
fn what_stands_beside_the_messages_is_the_first_of_them() {
    let openai =
        json!({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]});
    let anthropic = json!({"system": "s", "messages": [{"role": "user", "content": "u"}]});
    assert_eq!(prompt_messages(&openai), prompt_messages(&anthropic));
    assert_eq!(prompt_messages(&json!({"messages": 1})), None);
}
