//! What a ledger keeps is there again in another process, and what was under way is ended there.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{Stand, TOKEN, World, act};
use crate::store::Ledger as _;
use crate::store::plain::Plain;

/// A runtime with a ledger, whose manifest is what `change` makes of it.
async fn kept(world: World, change: impl FnOnce(&mut Value)) -> (Stand, Plain) {
    let ledger = Plain::default();
    let shared = Arc::new(ledger.clone());
    let stand = Stand::configured(world, |config| {
        let mut document = config.manifests[0].document.clone();
        change(&mut document);
        config.manifests = vec![crate::manifest::load(&document).expect("valid")];
        config.ledger = Some(shared);
    })
    .await;
    (stand, ledger)
}

/// Another process with what the ledger keeps. The one before is as good as dead: the ledger refuses whatever it still does.
async fn restart(stand: &mut Stand, ledger: &Plain) {
    stand.config.ledger = Some(Arc::new(ledger.successor()));
    stand.again().await;
}

fn finish() -> Value {
    json!({"finished": true})
}

async fn read(stand: &Stand, id: &str) -> Value {
    let (status, body) = stand
        .send("GET", &format!("/sessions/{id}"), None, None)
        .await;
    assert_eq!(status, 200, "{body}");
    body
}

async fn close(stand: &Stand, id: &str) -> Value {
    let (status, body) = stand
        .send("POST", &format!("/sessions/{id}/close"), None, None)
        .await;
    assert_eq!(status, 200, "{body}");
    body["transcript"].clone()
}

#[tokio::test]
async fn a_session_goes_on_where_it_was() {
    let (mut stand, ledger) = kept(World::default(), |_| {}).await;
    let id = stand.open(9).await;
    stand.says(&[json!("no plan"), act("echo"), act("fail")]);
    stand.step(&id).await;
    stand.step(&id).await;
    let before = read(&stand, &id).await;
    restart(&mut stand, &ledger).await;
    assert_eq!(read(&stand, &id).await, before);
    stand.says(&[act("echo"), finish()]);
    let (status, body) = stand.step(&id).await;
    assert_eq!(
        (status, &body["steps_done"], &body["status"]),
        (200, &json!(3), &json!("active")),
        "{body}"
    );
    restart(&mut stand, &ledger).await;
    assert_eq!(stand.step(&id).await.1["status"], "completed");
    let transcript = close(&stand, &id).await;
    assert_eq!(transcript["steps"].as_array().map(Vec::len), Some(3));
    assert_eq!(transcript["turns"].as_array().map(Vec::len), Some(5));
    restart(&mut stand, &ledger).await;
    let (status, body) = stand
        .send("GET", &format!("/sessions/{id}/transcript"), None, None)
        .await;
    assert_eq!((status, body), (200, transcript));
    assert_eq!(stand.step(&id).await.0, 404);
}

#[tokio::test]
async fn a_question_waits_over_a_restart_and_is_answered_then() {
    let (mut stand, ledger) = kept(World::default(), |document| {
        document["actions"] = json!([{
            "type": "human_intervention", "name": "ask", "prompt": "which?", "input_schema": {},
            "output_schema": {"type": "string"}, "result_path": "/environment/choice",
        }]);
    })
    .await;
    let id = stand.open(9).await;
    stand.says(&[act("ask")]);
    let asked = stand.step(&id).await.1;
    restart(&mut stand, &ledger).await;
    assert_eq!(read(&stand, &id).await["pending"], asked["pending"]);
    let question = asked["pending"]["id"].as_str().expect("an id");
    let path = format!("/sessions/{id}/interventions/{question}");
    let (status, body) = stand.post(&path, &json!({"output": 7})).await;
    assert_eq!(
        (status, &body["errorCode"]),
        (422, &json!("invalid_answer"))
    );
    restart(&mut stand, &ledger).await;
    let (status, body) = stand.post(&path, &json!({"output": "this"})).await;
    assert_eq!(
        (status, &body["result"]["output"]),
        (200, &json!("this")),
        "{body}"
    );
    restart(&mut stand, &ledger).await;
    let (status, body) = stand.post(&path, &json!({"output": "that"})).await;
    assert_eq!(
        (status, &body["errorCode"]),
        (409, &json!("intervention_answered"))
    );
}

/// A step whose service does not answer before its process is gone; then the service answers.
async fn interrupted(stand: &mut Stand, ledger: &Plain, id: &str, key: Option<&str>) {
    stand.says(&[act("echo")]);
    let url = format!("http://{}/sessions/{id}/step", stand.runtime.addr);
    let mut call = stand.client.post(url);
    if let Some(key) = key {
        call = call.header("idempotency-key", key);
    }
    let call = tokio::spawn(call.send());
    let called = async {
        while stand.seen("/echo") == 0 {
            tokio::task::yield_now().await;
        }
    };
    called.await;
    call.abort();
    restart(stand, ledger).await;
    let gate = stand.world.gate.as_ref().expect("a gate");
    gate.add_permits(2);
}

fn gated() -> World {
    World {
        gate: Some(Semaphore::new(0)),
        ..World::default()
    }
}

#[tokio::test]
async fn what_was_under_way_is_done_again_with_the_same_key() {
    let (mut stand, ledger) = kept(gated(), |_| {}).await;
    let id = stand.open(9).await;
    interrupted(&mut stand, &ledger, &id, Some("k")).await;
    let (status, body) = stand
        .send("POST", &format!("/sessions/{id}/step"), Some("k"), None)
        .await;
    assert_eq!((status, &body["steps_done"]), (200, &json!(1)), "{body}");
    assert_eq!(body["result"]["success"], true);
    assert_eq!(stand.seen("/echo"), 2);
    assert_eq!(stand.seen("/v1/chat/completions"), 1);
    let transcript = close(&stand, &id).await;
    let statuses: Vec<_> = transcript["side_effects"]
        .as_array()
        .expect("effects")
        .iter()
        .map(|effect| effect["status"].clone())
        .collect();
    assert_eq!(statuses, [json!("interrupted"), json!(200)]);
}

#[tokio::test]
async fn what_costs_is_not_done_again() {
    let (mut stand, ledger) = kept(gated(), |document| {
        document["actions"][0]["effects"] = json!(["write", "cost"]);
    })
    .await;
    let id = stand.open(9).await;
    interrupted(&mut stand, &ledger, &id, None).await;
    stand.says(&[finish()]);
    assert_eq!(stand.step(&id).await.1["status"], "completed");
    assert_eq!(stand.seen("/echo"), 1);
    let transcript = close(&stand, &id).await;
    let result = &transcript["steps"][0]["result"];
    assert_eq!(result["success"], false);
    assert_eq!(
        (&result["error"]["errorCode"], &result["error"]["retryable"]),
        (&json!("upstream_unreachable"), &json!(false)),
        "{result}"
    );
    assert_eq!(transcript["side_effects"][0]["status"], "interrupted");
}

#[tokio::test]
async fn nothing_is_done_that_cannot_be_kept_first() {
    let (stand, ledger) = kept(World::default(), |_| {}).await;
    let id = stand.open(9).await;
    stand.says(&[act("echo")]);
    ledger.fail_after(Some(0));
    let (status, body) = stand.step(&id).await;
    assert_eq!(
        (status, &body["errorCode"]),
        (503, &json!("capacity_exceeded"))
    );
    assert_eq!(stand.seen("/echo"), 0);
    let opening = json!({"goal": {"description": "d"},
        "observation": {"timestamp": "2026-01-01T00:00:00Z", "user_context": {"user_id": "U", "preferences": {}}, "environment": {}}});
    let sessions = format!("http://{}/sessions", stand.runtime.addr);
    let refused = stand.client.post(sessions).body(opening.to_string());
    let refused = refused.header("content-type", "application/json").send();
    let refused = refused.await.expect("an answer");
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "1");
    ledger.fail_after(None);
    assert_eq!(read(&stand, &id).await["steps_done"], 0);
}

#[tokio::test]
async fn an_effect_whose_end_could_not_be_kept_is_found_again() {
    let (stand, ledger) = kept(World::default(), |_| {}).await;
    let id = stand.open(9).await;
    let path = format!("/sessions/{id}/step");
    stand.says(&[act("echo")]);
    ledger.fail_after(Some(1));
    assert_eq!(stand.send("POST", &path, Some("k"), None).await.0, 503);
    assert_eq!(stand.seen("/echo"), 1);
    ledger.fail_after(None);
    let (status, body) = stand.send("POST", &path, Some("k"), None).await;
    assert_eq!((status, &body["steps_done"]), (200, &json!(1)), "{body}");
    assert_eq!(stand.seen("/v1/chat/completions"), 1);
}

#[tokio::test]
async fn answers_and_manifests_are_there_again() {
    let (mut stand, ledger) = kept(World::default(), |_| {}).await;
    let opening = json!({"goal": {"description": "d"},
        "observation": {"timestamp": "2026-01-01T00:00:00Z", "user_context": {"user_id": "U", "preferences": {}}, "environment": {}}})
    .to_string();
    let first = stand
        .send("POST", "/sessions", Some("o"), Some(&opening))
        .await;
    let other = json!({"name": "other", "version": "1.0", "actions": [
        {"type": "invoke_api", "name": "get", "endpoint": "http://127.0.0.1:1/", "method": "GET", "input_schema": {}, "output_schema": {}},
    ]})
    .to_string();
    let registered = stand
        .send("POST", "/manifests", Some("m"), Some(&other))
        .await;
    assert_eq!(registered.0, 201);
    restart(&mut stand, &ledger).await;
    let again = stand
        .send("POST", "/sessions", Some("o"), Some(&opening))
        .await;
    assert_eq!(again, first);
    let again = stand
        .send("POST", "/manifests", Some("m"), Some(&other))
        .await;
    assert_eq!(again, registered);
    let changed = opening.replace("\"d\"", "\"e\"");
    let (status, body) = stand
        .send("POST", "/sessions", Some("o"), Some(&changed))
        .await;
    assert_eq!(
        (status, &body["errorCode"]),
        (409, &json!("idempotency_conflict"))
    );
    let read = |stand: &Stand| {
        let url = format!("http://{}/manifests/other@1.0.0", stand.runtime.addr);
        stand.client.get(url).send()
    };
    assert_eq!(read(&stand).await.expect("an answer").status(), 200);
    let deleted = stand
        .send("DELETE", "/manifests/other@1.0.0", None, None)
        .await;
    assert_eq!(deleted.0, 200);
    restart(&mut stand, &ledger).await;
    assert_eq!(read(&stand).await.expect("an answer").status(), 404);
    assert!(ledger.texts().iter().all(|text| !text.contains(TOKEN)));
}

#[tokio::test]
async fn no_secret_reaches_the_ledger() {
    let (stand, ledger) = kept(World::default(), |document| {
        document["actions"][0]["endpoint"] = document["actions"][0]["endpoint"]
            .as_str()
            .expect("an endpoint")
            .replace("/echo", "/leak")
            .into();
    })
    .await;
    let id = stand.open(9).await;
    stand.says(&[json!({"action": "echo", "args": {"said": TOKEN}})]);
    let (status, body) = stand.step(&id).await;
    assert_eq!((status, &body["result"]["success"]), (200, &json!(true)));
    let texts = ledger.texts();
    assert!(texts.len() >= 4 && texts.iter().all(|text| !text.contains(TOKEN)));
}

#[tokio::test]
async fn more_sessions_are_open_than_memory_holds() {
    let ledger = Plain::default();
    let shared = Arc::new(ledger.clone());
    let stand = Stand::configured(World::default(), |config| {
        config.limits.sessions = 2;
        config.ledger = Some(shared);
    })
    .await;
    let mut ids = Vec::new();
    for _ in 0..7 {
        ids.push(stand.open(9).await);
    }
    assert_eq!(ledger.open_sessions().await, Ok(7));
    for id in &ids {
        stand.says(&[act("echo")]);
        let (status, body) = stand.step(id).await;
        assert_eq!((status, &body["steps_done"]), (200, &json!(1)), "{body}");
    }
    for id in &ids {
        close(&stand, id).await;
    }
    assert_eq!(ledger.open_sessions().await, Ok(0));
}

#[tokio::test]
async fn a_session_that_is_refused_for_want_of_room_is_not_kept() {
    let ledger = Plain::default();
    let shared = Arc::new(ledger.clone());
    let stand = Stand::configured(gated(), |config| {
        config.limits.sessions = 1;
        config.ledger = Some(shared);
    })
    .await;
    let id = stand.open(9).await;
    stand.says(&[act("echo")]);
    let url = format!("http://{}/sessions/{id}/step", stand.runtime.addr);
    let step = tokio::spawn(stand.client.post(url).send());
    while stand.seen("/echo") == 0 {
        tokio::task::yield_now().await;
    }
    let opening = json!({"goal": {"description": "d"},
        "observation": {"timestamp": "2026-01-01T00:00:00Z", "user_context": {"user_id": "U", "preferences": {}}, "environment": {}}});
    let (status, body) = stand.post("/sessions", &opening).await;
    assert_eq!(
        (status, &body["errorCode"]),
        (503, &json!("capacity_exceeded"))
    );
    assert_eq!(ledger.open_sessions().await, Ok(1));
    stand.world.gate.as_ref().expect("a gate").add_permits(9);
    let stepped = step.await.expect("ended").expect("an answer");
    assert_eq!(stepped.status(), 200);
    // Nobody uses the first one any more.
    assert_eq!(stand.post("/sessions", &opening).await.0, 201);
    assert_eq!(ledger.open_sessions().await, Ok(2));
}

#[tokio::test]
async fn who_keeps_nothing_is_ready_until_it_drains() {
    let stand = Stand::new(World::default()).await;
    let ready = stand.send("GET", "/readyz", None, None).await;
    assert_eq!(ready, (200, json!({"status": "ready"})));
    stand.runtime.runtime.start_draining();
    let (status, body) = stand.send("GET", "/readyz", None, None).await;
    assert_eq!(
        (status, &body["errorCode"]),
        (503, &json!("capacity_exceeded"))
    );
}
