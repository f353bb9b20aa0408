//! Rates over restarts and replicas, and what is told of before it is kept: nothing.

use super::super::telemetry::LogSink;
use super::workflows::{configure, node, request};
use super::*;
use crate::store::plain::Plain;
use crate::store::{Postgres, PostgresServer as Server};

async fn restart(stand: &mut Stand, ledger: &Plain) {
    stand.config.ledger = Some(Arc::new(ledger.successor()));
    stand.again().await;
}

async fn rare(stand: &Stand) -> (u16, Value) {
    let call = request(node("rare", json!({})), json!({}));
    stand.post("/execute", &call).await
}

#[tokio::test]
async fn a_limit_holds_over_a_restart_and_for_steps_and_nodes_together() {
    let ledger = Plain::default();
    let shared = Arc::new(ledger.clone());
    let clock = Clock::default();
    let hands = clock.clone();
    let mut stand = Stand::configured(World::default(), |config| {
        configure(config);
        config.ledger = Some(shared);
        config.clock = hands;
    })
    .await;
    assert_eq!(rare(&stand).await.0, 200);
    restart(&mut stand, &ledger).await;
    let (status, body) = rare(&stand).await;
    assert_eq!(
        (status, &body["errorCode"]),
        (429, &json!("rate_limited")),
        "{body}"
    );
    let id = stand.open(9).await;
    stand.says(&[act("rare"), act("rare")]);
    let step = stand.step(&id).await.1;
    assert_eq!(step["result"]["error"]["errorCode"], "rate_limited");
    assert_eq!(stand.seen("/mirror"), 1);
    clock.advance(Duration::from_secs(61));
    let step = stand.step(&id).await.1;
    assert_eq!(step["result"]["success"], true, "{step}");
    assert_eq!(rare(&stand).await.0, 429);
    restart(&mut stand, &ledger).await;
    assert_eq!(rare(&stand).await.0, 429);
    assert_eq!(stand.seen("/mirror"), 2);
}

#[tokio::test]
async fn what_cannot_be_counted_is_not_called() {
    let ledger = Plain::default();
    let shared = Arc::new(ledger.clone());
    let stand = Stand::configured(World::default(), |config| {
        configure(config);
        config.ledger = Some(shared);
    })
    .await;
    let id = stand.open(9).await;
    stand.says(&[act("rare"), act("rare")]);
    ledger.fail_after(Some(0));
    let nodes = json!([
        node("give", json!({"input": {"a": 1}})),
        node("rare", json!({}))
    ]);
    let (status, body) = stand.post("/execute", &request(nodes, json!({}))).await;
    // What ran before is not lost.
    assert_eq!(
        (status, &body["error"]["errorCode"], &body["failed_index"]),
        (200, &json!("capacity_exceeded"), &json!(1)),
        "{body}"
    );
    assert_eq!(body["results"][0]["output"], json!({"a": 1}));
    assert_eq!(stand.step(&id).await.0, 503);
    assert_eq!(stand.seen("/mirror"), 1);
    ledger.fail_after(None);
    let (status, body) = stand.step(&id).await;
    assert_eq!(
        (status, &body["steps_done"], &body["result"]["success"]),
        (200, &json!(1), &json!(true)),
        "{body}"
    );
}

#[tokio::test]
async fn replicas_share_a_limit() {
    let Some(server) = Server::start().await else {
        return;
    };
    let connect = async || {
        let ledger = Postgres::connect(&server.url(), Duration::from_secs(1)).await;
        Arc::new(ledger.expect("opens"))
    };
    let first = connect().await;
    let stand = Stand::configured(World::default(), |config| {
        configure(config);
        let mut document = config.manifests[0].document.clone();
        document["actions"][0]["access_control"] = json!({"rate_limit": "5/hour"});
        config.manifests = vec![crate::manifest::load(&document).expect("valid")];
        config.ledger = Some(first);
    })
    .await;
    let mut config = stand.config.clone();
    config.ledger = Some(connect().await);
    let other = start(config, Arc::new(Reference)).await.expect("starts");
    let body = request(node("give", json!({})), json!({})).to_string();
    let call = |addr| {
        let call = stand.client.post(format!("http://{addr}/execute"));
        let call = call.header("content-type", "application/json");
        call.body(body.clone()).send()
    };
    let calls = (0..16).map(|number| {
        call(if number % 2 == 0 {
            stand.runtime.addr
        } else {
            other.addr
        })
    });
    let mut admitted = 0;
    for answer in futures_util::future::join_all(calls).await {
        let answer = answer.expect("an answer");
        match answer.status().as_u16() {
            200 => admitted += 1,
            429 => assert!(answer.headers().contains_key("retry-after")),
            status => panic!("{status}"),
        }
    }
    assert_eq!((admitted, stand.seen("/mirror")), (5, 5));
}

#[tokio::test]
async fn a_step_is_logged_once_it_is_kept_and_its_key_looked_up_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    let ledger = Plain::default();
    let shared = Arc::new(ledger.clone());
    let stand = Stand::configured(World::default(), |config| {
        config.telemetry.log = Some(LogSink::File(log.clone()));
        config.ledger = Some(shared);
    })
    .await;
    let lines = async || {
        let telemetry = stand.runtime.runtime.telemetry();
        telemetry.expect("telemetry").flush().await;
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let id = stand.open(9).await;
    let path = format!("/sessions/{id}/step");
    stand.says(&[act("echo"), act("echo")]);
    // The intent is kept, the result is not.
    ledger.fail_after(Some(1));
    assert_eq!(stand.send("POST", &path, Some("k"), None).await.0, 503);
    assert_eq!(stand.seen("/echo"), 1);
    assert_eq!(lines().await, [""; 0]);
    ledger.fail_after(None);
    assert_eq!(stand.send("POST", &path, Some("k"), None).await.0, 200);
    let logged = lines().await;
    assert_eq!(logged.len(), 1, "{logged:?}");
    // Another session, which nobody had to take up.
    let id = stand.open(9).await;
    let before = ledger.looked_up();
    let path = format!("/sessions/{id}/step");
    assert_eq!(stand.send("POST", &path, Some("l"), None).await.0, 200);
    assert_eq!(ledger.looked_up() - before, 1);
}
