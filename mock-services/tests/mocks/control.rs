//! The control door of mocks that run by themselves.

use mock_services::{Call, Options, Service};
use serde_json::{Value, json};

use crate::caller::{Caller, Reply, send, token};

async fn open() -> Caller {
    Caller::with_options(
        Value::Null,
        Options {
            control_door: true,
            ..Options::default()
        },
    )
    .await
}

impl Caller {
    async fn door(&self, method: &str, path: &str, body: String) -> Reply {
        let url = format!("{}/__mock/{path}", self.mocks.service_url(Service::Model));
        send(self.client.request(method.parse().unwrap(), url).body(body))
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn scripts_go_in_and_journals_come_out() {
    let mut caller = open().await;
    assert_eq!(
        caller.door("GET", "health", String::new()).await.json(),
        json!({"status": "ok"})
    );
    caller.token = token(77);
    let script = json!({"model": [{"text": "one"}, {"text": "two"}]});
    let reply = caller.door("PUT", &caller.token, script.to_string()).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json()["model"], caller.mocks.model_url());
    let crm = format!(
        "{}/t/{}",
        caller.mocks.service_url(Service::Crm),
        caller.token
    );
    assert_eq!(reply.json()["services"]["crm"], crm);

    assert_eq!(caller.ask("hello").await.content(), "one");
    caller
        .post(Service::Email, "/v1/send", json!({"to": "a@example.com"}))
        .await;
    let path = |rest: &str| format!("{}/{rest}", caller.token);
    let journal = caller
        .door("GET", &path("journal"), String::new())
        .await
        .json();
    let calls: Vec<Call> = serde_json::from_value(journal["calls"].clone()).unwrap();
    assert_eq!(calls, caller.mocks.calls(&caller.token));
    assert_eq!(calls.len(), 2);
    let first = &journal["calls"][0];
    assert_eq!(
        (&first["service"], &first["auth"], &first["entry"]),
        (&json!("model"), &json!("ok"), &json!(0))
    );
    assert_eq!(
        caller
            .door("GET", &path("unused"), String::new())
            .await
            .json(),
        json!({"unused": [{"service": "model", "index": 1, "summary": "text \"two\"", "used": 0, "times": 1}]})
    );
    let state = caller
        .door("GET", &path("state/email"), String::new())
        .await
        .json();
    assert_eq!(state["messages"][0]["id"], "msg_0001");

    assert_eq!(
        caller
            .door("DELETE", &caller.token, String::new())
            .await
            .status,
        204
    );
    assert_eq!(
        caller
            .door("DELETE", &caller.token, String::new())
            .await
            .status,
        404
    );
    assert_eq!(
        caller
            .door("GET", &path("journal"), String::new())
            .await
            .status,
        404
    );
    assert_eq!(caller.ask("late").await.status, 500);
    let strays = caller.door("GET", "strays", String::new()).await.json();
    assert_eq!(strays["calls"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_door_refuses_with_reasons() {
    let caller = open().await;
    let known = caller.token.clone();
    let put = async |path: &str, body: &str| caller.door("PUT", path, body.to_owned()).await;
    let reply = put(&known, "{").await;
    assert_eq!(
        (reply.status, &reply.json()["error"]),
        (400, &json!("malformed_json"))
    );
    let reply = put(&known, "{\"model\": [{\"emitt\": 1}]}").await;
    assert_eq!(
        (reply.status, &reply.json()["error"]),
        (422, &json!("invalid_script"))
    );
    assert_eq!(reply.json()["pointer"], "/model/0");
    let reply = put("demo", "{}").await;
    assert_eq!(
        (reply.status, &reply.json()["error"]),
        (422, &json!("invalid_script"))
    );
    assert_eq!(put(&known, &" ".repeat((8 << 20) + 1)).await.status, 413);
    // A refused script leaves the old one in place; an empty body is the empty script.
    assert_eq!(caller.mocks.calls(&known), []);
    assert_eq!(put(&known, "").await.status, 200);

    let get = async |path: &str| caller.door("GET", path, String::new()).await.status;
    assert_eq!(get(&format!("{known}/state/fax")).await, 404);
    assert_eq!(get(&format!("{known}/journal/x")).await, 404);
    assert_eq!(get("").await, 404);
    assert_eq!(get(&known).await, 405);
    let reply = caller.door("POST", "health", String::new()).await;
    assert_eq!((reply.status, reply.header("allow")), (405, "GET"));
    assert!(caller.mocks.stray_calls().is_empty());
}

#[tokio::test]
async fn the_door_is_closed_unless_asked_for() {
    let caller = Caller::with(Value::Null).await;
    assert_eq!(
        caller.door("GET", "health", String::new()).await.status,
        401
    );
    let reply = caller.door("DELETE", &caller.token, String::new()).await;
    assert_eq!(reply.status, 401);
    assert_eq!(caller.get(Service::Crm, "/v1/meetings").await.status, 200);
}
