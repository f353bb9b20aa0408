//! Questions of workflows over a restart: the answer finds them, and what was done is not done again.

use super::*;
use crate::store::File;
use crate::store::plain::Plain;

/// A runtime with a ledger, whose manifest is what `change` makes of it.
async fn kept(world: World, change: impl FnOnce(&mut Value)) -> (Stand, Plain) {
    let ledger = Plain::default();
    let shared = Arc::new(ledger.clone());
    let stand = Stand::configured(world, |config| {
        configure(config);
        let mut document = config.manifests[0].document.clone();
        change(&mut document);
        config.manifests = vec![crate::manifest::load(&document).expect("valid")];
        config.ledger = Some(shared);
    })
    .await;
    (stand, ledger)
}

/// Another process with what the ledger keeps; the one before is as good as dead.
async fn restart(stand: &mut Stand, ledger: &Plain) {
    stand.config.ledger = Some(Arc::new(ledger.successor()));
    stand.again().await;
}

fn gated() -> World {
    World {
        gate: Some(Semaphore::new(0)),
        ..World::default()
    }
}

fn open(stand: &Stand, permits: usize) {
    let gate = stand.world.gate.as_ref().expect("a gate");
    gate.add_permits(permits);
}

/// The question about these nodes, and the call that decides it.
async fn ask(stand: &Stand, nodes: Value, decision: &str) -> (Value, Value) {
    let (status, asked) = stand.execute(nodes, json!({})).await;
    assert_eq!(status, 202, "{asked}");
    let decided = decide(&asked, decision);
    (asked, decided)
}

pub(in crate::runtime::tests) fn decide(asked: &Value, decision: &str) -> Value {
    let approval = json!({"id": asked["approval"]["id"], "decision": decision});
    request(
        asked["resume"].clone(),
        json!({"state": asked["state"], "approval": approval}),
    )
}

fn code((status, body): (u16, Value)) -> (u16, String) {
    let code = body["errorCode"].as_str().unwrap_or_default();
    (status, code.to_owned())
}

/// The bodies that the service saw.
fn sent(stand: &Stand) -> Vec<Value> {
    let seen = stand.world.seen.lock().expect("seen");
    let mirrored = seen.iter().filter(|(path, _)| path == "/mirror");
    mirrored.map(|(_, body)| body.clone()).collect()
}

/// A decision with a key whose service answers only `before` calls before its process is gone.
async fn interrupted(stand: &mut Stand, ledger: &Plain, decided: &Value, before: usize) {
    open(stand, before);
    let url = format!("http://{}/execute", stand.runtime.addr);
    let call = stand.client.post(url).header("idempotency-key", "d");
    let call = call.header("content-type", "application/json");
    let call = tokio::spawn(call.body(decided.to_string()).send());
    while stand.seen("/mirror") <= before {
        tokio::task::yield_now().await;
    }
    call.abort();
    restart(stand, ledger).await;
    open(stand, 9);
}

async fn again(stand: &Stand, decided: &Value) -> (u16, Value) {
    let body = decided.to_string();
    stand.send("POST", "/execute", Some("d"), Some(&body)).await
}

#[tokio::test]
async fn a_question_is_answered_in_another_process_and_once() {
    let (mut stand, ledger) = kept(World::default(), |_| {}).await;
    let nodes = json!([
        node("give", json!({"input": {"to": "alice"}})),
        asking(node(
            "send",
            json!({"input": {"to": "{{ state.lastResult.to }}"}, "fallbackAction": "give"})
        )),
        node(
            "give",
            json!({"input": {"then": "{{ state.lastResult.to }}"}})
        ),
    ]);
    let first = request(nodes, json!({"seed": 7})).to_string();
    let call = async |stand: &Stand| {
        stand
            .send("POST", "/execute", Some("k"), Some(&first))
            .await
    };
    let (status, asked) = call(&stand).await;
    assert_eq!(status, 202, "{asked}");
    restart(&mut stand, &ledger).await;
    // A lost 202 is had again, and nothing runs for it.
    assert_eq!(call(&stand).await, (202, asked.clone()));
    assert_eq!(stand.seen("/mirror"), 1);
    let mut changed = decide(&asked, "approve");
    changed["state"]["lastResult"]["to"] = json!("mallory");
    let refused = stand.post("/execute", &changed).await;
    assert_eq!(code(refused), (409, "approval_changed".to_owned()));
    let mut changed = decide(&asked, "approve");
    changed["seed"] = json!(8);
    let refused = stand.post("/execute", &changed).await;
    assert_eq!(code(refused), (409, "approval_changed".to_owned()));
    restart(&mut stand, &ledger).await;
    let good = decide(&asked, "approve");
    let (status, done) = stand.post("/execute", &good).await;
    assert_eq!(
        (status, &done["status"]),
        (200, &json!("completed")),
        "{done}"
    );
    assert_eq!(done["results"][0]["output"], json!({"to": "alice"}));
    assert_eq!(done["results"][1]["output"], json!({"then": "alice"}));
    assert_eq!(stand.seen("/mirror"), 3);
    for _ in 0..2 {
        let used = stand.post("/execute", &good).await;
        assert_eq!(code(used), (409, "approval_used".to_owned()));
        let used = call(&stand).await;
        assert_eq!(code(used), (409, "approval_used".to_owned()));
        restart(&mut stand, &ledger).await;
    }
    let mut unknown = good;
    unknown["approval"]["id"] = json!("0123456789abcdef0123456789abcdef");
    let refused = stand.post("/execute", &unknown).await;
    assert_eq!(code(refused), (404, "approval_not_found".to_owned()));
    assert_eq!(stand.seen("/mirror"), 3);
    // What it was kept by is no session of anybody's.
    let id = asked["approval"]["id"].as_str().expect("an id");
    for path in [
        format!("/sessions/question:{id}"),
        format!("/sessions/question:{id}/transcript"),
    ] {
        assert_eq!(stand.send("GET", &path, None, None).await.0, 404, "{path}");
    }
    assert!(ledger.texts().iter().all(|text| !text.contains(TOKEN)));
}

#[tokio::test]
async fn a_rejection_is_kept_before_it_is_told() {
    let (mut stand, ledger) = kept(World::default(), |_| {}).await;
    let (_, decided) = ask(
        &stand,
        asking(node("give", json!({"input": {"to": "a"}}))),
        "reject",
    )
    .await;
    ledger.fail_after(Some(0));
    assert_eq!(stand.post("/execute", &decided).await.0, 503);
    ledger.fail_after(None);
    let (status, body) = stand.post("/execute", &decided).await;
    assert_eq!(
        (status, &body["error"]["errorCode"]),
        (200, &json!("human_rejected"))
    );
    restart(&mut stand, &ledger).await;
    let mut approved = decided;
    approved["approval"]["decision"] = json!("approve");
    let used = stand.post("/execute", &approved).await;
    assert_eq!(code(used), (409, "approval_used".to_owned()));
    assert_eq!(stand.seen("/mirror"), 0);
}

#[tokio::test]
async fn nothing_is_asked_or_executed_that_cannot_be_kept_first() {
    let (stand, ledger) = kept(World::default(), |_| {}).await;
    let asked = asking(node("give", json!({"input": {"to": "a"}})));
    ledger.fail_after(Some(0));
    let (status, body) = stand.execute(asked.clone(), json!({})).await;
    assert_ne!(status, 202, "{body}");
    ledger.fail_after(None);
    let (_, decided) = ask(&stand, asked, "approve").await;
    ledger.fail_after(Some(0));
    let refused = stand.post("/execute", &decided).await;
    assert_eq!(code(refused), (503, "capacity_exceeded".to_owned()));
    assert_eq!(stand.seen("/mirror"), 0);
    ledger.fail_after(None);
    assert_eq!(stand.post("/execute", &decided).await.0, 200);
    assert_eq!(stand.seen("/mirror"), 1);
}

#[tokio::test]
async fn a_decision_in_which_a_process_died_is_ended_and_its_answer_found() {
    let (mut stand, ledger) = kept(gated(), |_| {}).await;
    let nodes = json!([
        asking(node("send", json!({"input": {"to": "a"}}))),
        node("give", json!({"input": {"n": 2}})),
        node("give", json!({"input": {"n": 3}})),
    ]);
    let (_, decided) = ask(&stand, nodes, "approve").await;
    // The first two are answered, and the third is under way.
    interrupted(&mut stand, &ledger, &decided, 2).await;
    let (status, body) = again(&stand, &decided).await;
    assert_eq!(
        (status, &body["status"]),
        (200, &json!("completed")),
        "{body}"
    );
    assert_eq!(body["results"].as_array().map(Vec::len), Some(3));
    assert_eq!(body["results"][2]["output"], json!({"n": 3}));
    assert_eq!(
        sent(&stand),
        [
            json!({"to": "a"}),
            json!({"n": 2}),
            json!({"n": 3}),
            json!({"n": 3})
        ]
    );
    restart(&mut stand, &ledger).await;
    assert_eq!(again(&stand, &decided).await, (200, body));
    let used = stand.post("/execute", &decided).await;
    assert_eq!(code(used), (409, "approval_used".to_owned()));
    assert_eq!(sent(&stand).len(), 4);
}

#[tokio::test]
async fn what_costs_is_not_done_again_for_a_decision() {
    let (mut stand, ledger) = kept(gated(), |document| {
        for action in document["actions"].as_array_mut().expect("actions") {
            action["effects"] = json!(["write", "cost"]);
        }
    })
    .await;
    let (_, decided) = ask(
        &stand,
        asking(node("give", json!({"input": {"to": "a"}}))),
        "approve",
    )
    .await;
    interrupted(&mut stand, &ledger, &decided, 0).await;
    let (status, body) = again(&stand, &decided).await;
    assert_eq!(
        (
            status,
            &body["error"]["errorCode"],
            &body["error"]["retryable"]
        ),
        (200, &json!("upstream_unreachable"), &json!(false)),
        "{body}"
    );
    assert_eq!(stand.seen("/mirror"), 1);
}

#[tokio::test]
async fn a_call_that_died_asks_its_next_question_once() {
    let (mut stand, ledger) = kept(gated(), |_| {}).await;
    let nodes = json!([
        asking(node("give", json!({"input": {"to": 1}}))),
        asking(node("give", json!({"input": {"to": 2}}))),
    ]);
    let (_, decided) = ask(&stand, nodes, "approve").await;
    interrupted(&mut stand, &ledger, &decided, 0).await;
    let (status, asked) = again(&stand, &decided).await;
    assert_eq!(status, 202, "{asked}");
    assert_ne!(asked["approval"]["id"], decided["approval"]["id"]);
    restart(&mut stand, &ledger).await;
    assert_eq!(again(&stand, &decided).await, (202, asked.clone()));
    let (status, body) = stand.post("/execute", &decide(&asked, "approve")).await;
    assert_eq!(
        (status, &body["status"]),
        (200, &json!("completed")),
        "{body}"
    );
    assert_eq!(
        sent(&stand),
        [json!({"to": 1}), json!({"to": 1}), json!({"to": 2})]
    );
    let used = stand.post("/execute", &decided).await;
    assert_eq!(code(used), (409, "approval_used".to_owned()));
}

#[tokio::test]
async fn a_node_with_a_key_is_executed_once_over_a_restart() {
    let (mut stand, ledger) = kept(World::default(), |_| {}).await;
    let keyed = node("give", json!({"input": {"a": 1}, "requestId": "n"}));
    let (_, first) = stand.execute(keyed.clone(), json!({})).await;
    restart(&mut stand, &ledger).await;
    let (status, second) = stand.execute(keyed, json!({})).await;
    assert_eq!((status, &second["result"]), (200, &first["result"]));
    let other = node("give", json!({"input": {"a": 2}, "requestId": "n"}));
    let (_, other) = stand.execute(other, json!({})).await;
    assert_eq!(other["error"]["errorCode"], "idempotency_conflict");
    assert_eq!(stand.seen("/mirror"), 1);
}

#[tokio::test]
async fn a_file_keeps_questions() {
    let folder = tempfile::tempdir().expect("a folder");
    let ledger = Arc::new(File::open(folder.path()).expect("opens"));
    let mut stand = Stand::configured(World::default(), |config| {
        configure(config);
        config.ledger = Some(ledger);
    })
    .await;
    let (_, decided) = ask(
        &stand,
        asking(node("give", json!({"input": {"to": "a"}}))),
        "approve",
    )
    .await;
    stand.config.ledger = None;
    let nothing = start(stand.config.clone(), Arc::new(Reference)).await;
    let first = std::mem::replace(&mut stand.runtime, nothing.expect("starts"));
    first.shutdown().await;
    let opened = loop {
        match File::open(folder.path()) {
            Ok(opened) => break opened,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    stand.config.ledger = Some(Arc::new(opened));
    stand.again().await;
    assert_eq!(stand.post("/execute", &decided).await.0, 200);
    let used = stand.post("/execute", &decided).await;
    assert_eq!(code(used), (409, "approval_used".to_owned()));
    assert_eq!(stand.seen("/mirror"), 1);
}
