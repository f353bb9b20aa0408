//! Replicas over one PostgreSQL: any takes any step of a session, one at a time, and ends what another died in.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::progress::{becomes, finish};
use super::workflows::questions::decide;
use super::{Stand, World, act, workflows};
use crate::runtime::{Reference, Running, start};
use crate::store::{Postgres, PostgresServer as Server};

const LEASE: Duration = Duration::from_secs(1);

/// A replica whose ledger the test can have die.
async fn replica(server: &Server, stand: Option<&Stand>) -> (Arc<Postgres>, Option<Running>) {
    let ledger = Postgres::connect(&server.url(), LEASE).await;
    let ledger = Arc::new(ledger.expect("opens"));
    let running = match stand {
        Some(stand) => {
            let mut config = stand.config.clone();
            config.ledger = Some(Arc::<Postgres>::clone(&ledger));
            Some(start(config, Arc::new(Reference)).await.expect("starts"))
        }
        None => None,
    };
    (ledger, running)
}

/// Two replicas in one world; the stand calls the first, until they are swapped.
async fn two(server: &Server, world: World) -> (Stand, Running, [Arc<Postgres>; 2]) {
    let (first, _) = replica(server, None).await;
    let ledger = Arc::clone(&first);
    let stand = Stand::configured(world, |config| config.ledger = Some(ledger)).await;
    let (second, running) = replica(server, Some(&stand)).await;
    (stand, running.expect("a replica"), [first, second])
}

/// Calls `POST /execute` at a replica.
fn execute(
    stand: &Stand,
    addr: SocketAddr,
    key: Option<&'static str>,
    body: &Value,
) -> impl Future<Output = (u16, Value)> + Send + use<> {
    let call = stand.client.post(format!("http://{addr}/execute"));
    let call = call
        .header("content-type", "application/json")
        .body(body.to_string());
    let call = match key {
        Some(key) => call.header("idempotency-key", key),
        None => call,
    };
    async move {
        let answer = call.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a body");
        (status, serde_json::from_str(&text).expect("JSON"))
    }
}

#[tokio::test]
async fn steps_of_one_session_alternate() {
    let Some(server) = Server::start().await else {
        return;
    };
    let (mut stand, mut other, _) = two(&server, World::default()).await;
    let id = stand.open(20).await;
    for done in 1..=6 {
        stand.says(&[act(if done % 3 == 0 { "fail" } else { "echo" })]);
        let (status, body) = stand.step(&id).await;
        assert_eq!((status, &body["steps_done"]), (200, &json!(done)), "{body}");
        std::mem::swap(&mut stand.runtime, &mut other);
        let (status, body) = stand
            .send("GET", &format!("/sessions/{id}"), None, None)
            .await;
        assert_eq!((status, &body["steps_done"]), (200, &json!(done)), "{body}");
    }
    // The same key at both at once: one step, one answer.
    stand.says(&[act("echo")]);
    let path = format!("/sessions/{id}/step");
    let here = stand.send("POST", &path, Some("k"), None);
    let there = stand
        .client
        .post(format!("http://{}{path}", other.addr))
        .header("idempotency-key", "k")
        .send();
    let ((status, here), there) = tokio::join!(here, there);
    let there = there.expect("an answer").text().await.expect("a body");
    let there: Value = serde_json::from_str(&there).expect("JSON");
    assert_eq!((status, &here["steps_done"]), (200, &json!(7)), "{here}");
    assert_eq!(here, there);
    // Steps without keys at both at once come one after another.
    stand.says(&[act("echo"), act("echo"), act("echo"), act("echo")]);
    let at = |addr| stand.client.post(format!("http://{addr}{path}")).send();
    let answers = tokio::join!(
        at(stand.runtime.addr),
        at(other.addr),
        at(stand.runtime.addr),
        at(other.addr)
    );
    for answer in [answers.0, answers.1, answers.2, answers.3] {
        assert_eq!(answer.expect("an answer").status(), 200);
    }
    let (status, body) = stand
        .send("POST", &format!("/sessions/{id}/close"), None, None)
        .await;
    assert_eq!(status, 200, "{body}");
    let steps = body["transcript"]["steps"].as_array().expect("steps");
    assert_eq!(steps.len(), 11);
    std::mem::swap(&mut stand.runtime, &mut other);
    let (status, transcript) = stand
        .send("GET", &format!("/sessions/{id}/transcript"), None, None)
        .await;
    assert_eq!((status, &transcript), (200, &body["transcript"]));
    assert_eq!(stand.step(&id).await.0, 404);
}

#[tokio::test]
async fn who_dies_in_mid_step_is_taken_over() {
    let Some(server) = Server::start().await else {
        return;
    };
    let world = World {
        gate: Some(Semaphore::new(0)),
        ..World::default()
    };
    let (mut stand, mut other, [first, _second]) = two(&server, world).await;
    let id = stand.open(9).await;
    let path = format!("/sessions/{id}/step");
    stand.says(&[act("echo")]);
    let call = stand
        .client
        .post(format!("http://{}{path}", stand.runtime.addr))
        .header("idempotency-key", "k");
    let call = tokio::spawn(call.send());
    while stand.seen("/echo") == 0 {
        tokio::task::yield_now().await;
    }
    first.die();
    stand.world.gate.as_ref().expect("a gate").add_permits(9);
    let died = call.await.expect("ended").expect("an answer");
    assert_eq!(died.status(), 503);
    std::mem::swap(&mut stand.runtime, &mut other);
    let (status, body) = stand.send("POST", &path, Some("k"), None).await;
    assert_eq!((status, &body["steps_done"]), (200, &json!(1)), "{body}");
    assert_eq!(body["result"]["success"], true);
    assert_eq!(stand.seen("/v1/chat/completions"), 1);
    let (_, body) = stand
        .send("POST", &format!("/sessions/{id}/close"), None, None)
        .await;
    let effects = body["transcript"]["side_effects"].as_array();
    let effects: Vec<_> = effects
        .expect("effects")
        .iter()
        .map(|e| &e["status"])
        .collect();
    assert_eq!(effects, [&json!("interrupted"), &json!(200)]);
}

#[tokio::test]
async fn who_reads_beside_a_waiting_step_sees_what_others_did() {
    let Some(server) = Server::start().await else {
        return;
    };
    let (mut stand, mut other, _) = two(&server, World::default()).await;
    let id = stand.open(9).await;
    let path = format!("/sessions/{id}");
    std::mem::swap(&mut stand.runtime, &mut other);
    // In memory at this replica, and its turn taken by whoever does not get the claim.
    assert_eq!(stand.send("GET", &path, None, None).await.0, 200);
    let slot = stand.runtime.runtime.store().get(&id).expect("in memory");
    let turn = slot.turn().lock().await;
    std::mem::swap(&mut stand.runtime, &mut other);
    stand.says(&[act("echo")]);
    assert_eq!(stand.step(&id).await.0, 200);
    std::mem::swap(&mut stand.runtime, &mut other);
    let (status, body) = stand.send("GET", &path, None, None).await;
    assert_eq!((status, &body["steps_done"]), (200, &json!(1)), "{body}");
    std::mem::swap(&mut stand.runtime, &mut other);
    let (status, body) = stand
        .send("POST", &format!("{path}/close"), None, None)
        .await;
    assert_eq!(status, 200, "{body}");
    std::mem::swap(&mut stand.runtime, &mut other);
    assert_eq!(stand.send("GET", &path, None, None).await.0, 404);
    drop(turn);
}

#[tokio::test]
async fn a_question_asked_here_is_decided_there_and_once() {
    let Some(server) = Server::start().await else {
        return;
    };
    let (first, _) = replica(&server, None).await;
    let ledger = Arc::clone(&first);
    let world = World {
        gate: Some(Semaphore::new(0)),
        ..World::default()
    };
    let mut stand = Stand::configured(world, |config| {
        workflows::configure(config);
        config.ledger = Some(ledger);
    })
    .await;
    let (_second, running) = replica(&server, Some(&stand)).await;
    let mut other = running.expect("a replica");
    let ask = async |stand: &Stand| {
        let nodes = json!([
            workflows::asking(workflows::node("give", json!({"input": {"to": "a"}}))),
            workflows::node("give", json!({"input": {"n": 2}})),
        ]);
        let (status, asked) = stand
            .post("/execute", &workflows::request(nodes, json!({})))
            .await;
        assert_eq!(status, 202, "{asked}");
        decide(&asked, "approve")
    };
    let gate = stand.world.gate.as_ref().expect("a gate");
    // Both are asked to decide at once: one acts.
    let decided = ask(&stand).await;
    gate.add_permits(2);
    let (here, there) = tokio::join!(
        execute(&stand, other.addr, None, &decided),
        execute(&stand, stand.runtime.addr, None, &decided)
    );
    let mut statuses = [here.0, there.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409], "{here:?} {there:?}");
    for (status, body) in [here, there] {
        if status == 409 {
            assert_eq!(body["errorCode"], "approval_used");
        }
    }
    assert_eq!(stand.seen("/mirror"), 2);
    // One dies in the midst of a decision, after the first step: the other ends it.
    let decided = ask(&stand).await;
    gate.add_permits(1);
    let call = tokio::spawn(execute(&stand, stand.runtime.addr, Some("d"), &decided));
    while stand.seen("/mirror") < 4 {
        tokio::task::yield_now().await;
    }
    first.die();
    gate.add_permits(9);
    let (status, died) = call.await.expect("ended");
    assert_eq!(status, 503, "{died}");
    let (status, body) = execute(&stand, other.addr, Some("d"), &decided).await;
    assert_eq!(
        (status, &body["status"]),
        (200, &json!("completed")),
        "{body}"
    );
    assert_eq!(body["results"].as_array().map(Vec::len), Some(2));
    // The first step once, the second, whose end nobody knew, again.
    assert_eq!(stand.seen("/mirror"), 5);
    std::mem::swap(&mut stand.runtime, &mut other);
    let (status, used) = stand.post("/execute", &decided).await;
    assert_eq!((status, &used["errorCode"]), (409, &json!("approval_used")));
}

#[tokio::test]
async fn with_autorun_whoever_is_left_goes_on_with_the_sessions_of_who_died() {
    let Some(server) = Server::start().await else {
        return;
    };
    let (first, _) = replica(&server, None).await;
    let ledger = Arc::clone(&first);
    let world = World {
        gate: Some(Semaphore::new(0)),
        ..World::default()
    };
    let mut stand = Stand::configured(world, |config| {
        config.ledger = Some(ledger);
        config.autorun = true;
    })
    .await;
    // It looks for sessions when there is none yet.
    let (_second, running) = replica(&server, Some(&stand)).await;
    stand.says(&[act("echo"), finish()]);
    let id = stand.open(9).await;
    while stand.seen("/echo") == 0 {
        tokio::task::yield_now().await;
    }
    first.die();
    stand.world.gate.as_ref().expect("a gate").add_permits(9);
    stand.runtime = running.expect("a replica");
    let done = becomes(&stand, &id, "completed").await;
    assert_eq!(done["steps_done"], 1, "{done}");
}

#[tokio::test]
async fn a_workflow_with_one_key_runs_at_one_replica() {
    let Some(server) = Server::start().await else {
        return;
    };
    let (first, _) = replica(&server, None).await;
    let ledger = Arc::clone(&first);
    let world = World {
        gate: Some(Semaphore::new(0)),
        ..World::default()
    };
    let stand = Stand::configured(world, |config| {
        workflows::configure(config);
        config.ledger = Some(ledger);
    })
    .await;
    let (_second, running) = replica(&server, Some(&stand)).await;
    let other = running.expect("a replica");
    let body = |n: u64| {
        let nodes = json!([workflows::node("give", json!({"input": {"n": n}}))]);
        workflows::request(nodes, json!({}))
    };
    let gate = stand.world.gate.as_ref().expect("a gate");
    let here = tokio::spawn(execute(&stand, stand.runtime.addr, Some("k"), &body(1)));
    while stand.seen("/mirror") == 0 {
        tokio::task::yield_now().await;
    }
    // The key is in use: another body is refused at once, the same one waits.
    let (status, refused) = execute(&stand, other.addr, Some("k"), &body(2)).await;
    assert_eq!(status, 409, "{refused}");
    assert_eq!(refused["errorCode"], "idempotency_conflict");
    let there = tokio::spawn(execute(&stand, other.addr, Some("k"), &body(1)));
    gate.add_permits(1);
    let (here, there) = (here.await.expect("ended"), there.await.expect("ended"));
    assert_eq!(here.0, 200, "{here:?}");
    assert_eq!(here, there);
    assert_eq!(stand.seen("/mirror"), 1);
    // Who dies in the midst of it is followed by the other, once the lease is over.
    let died = tokio::spawn(execute(&stand, stand.runtime.addr, Some("d"), &body(3)));
    while stand.seen("/mirror") < 2 {
        tokio::task::yield_now().await;
    }
    first.die();
    gate.add_permits(9);
    let (status, body_of_dead) = died.await.expect("ended");
    assert_eq!(status, 503, "{body_of_dead}");
    let (status, answer) = execute(&stand, other.addr, Some("d"), &body(3)).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(stand.seen("/mirror"), 3);
}

#[tokio::test]
async fn a_node_with_one_key_is_executed_at_one_replica() {
    let Some(server) = Server::start().await else {
        return;
    };
    let (first, _) = replica(&server, None).await;
    let ledger = Arc::clone(&first);
    let world = World {
        gate: Some(Semaphore::new(0)),
        ..World::default()
    };
    let stand = Stand::configured(world, |config| {
        workflows::configure(config);
        config.ledger = Some(ledger);
    })
    .await;
    let (_second, running) = replica(&server, Some(&stand)).await;
    let other = running.expect("a replica");
    // No call has a key of its own, so only the nodes' keys tell that they are the same.
    let body = |key: &str, n: u64| {
        let keyed = json!({"input": {"n": n}, "requestId": key});
        let nodes = json!([workflows::node("give", keyed)]);
        workflows::request(nodes, json!({}))
    };
    let gate = stand.world.gate.as_ref().expect("a gate");
    let here = tokio::spawn(execute(&stand, stand.runtime.addr, None, &body("n", 1)));
    while stand.seen("/mirror") == 0 {
        tokio::task::yield_now().await;
    }
    // The key is in use: another input is refused at once, the same one waits, and longer than a lease lasts.
    let (_, refused) = execute(&stand, other.addr, None, &body("n", 2)).await;
    assert_eq!(
        refused["error"]["errorCode"], "idempotency_conflict",
        "{refused}"
    );
    let there = tokio::spawn(execute(&stand, other.addr, None, &body("n", 1)));
    tokio::time::sleep(LEASE * 2).await;
    assert!(!there.is_finished() && stand.seen("/mirror") == 1);
    gate.add_permits(1);
    let (here, there) = (here.await.expect("ended"), there.await.expect("ended"));
    assert_eq!((here.0, &here.1["status"]), (200, &json!("completed")));
    assert_eq!(here.1["results"], there.1["results"], "{there:?}");
    assert_eq!(stand.seen("/mirror"), 1);
    // Many at once at both of them.
    gate.add_permits(99);
    let calls: Vec<_> = (0..8)
        .map(|n| {
            let addr = [stand.runtime.addr, other.addr][n % 2];
            tokio::spawn(execute(&stand, addr, None, &body("m", 3)))
        })
        .collect();
    for call in calls {
        let (status, answer) = call.await.expect("ended");
        assert_eq!((status, &answer["status"]), (200, &json!("completed")));
    }
    assert_eq!(stand.seen("/mirror"), 2);
    // Who dies in the midst of it is followed by the other, once the lease is over.
    while gate.try_acquire().map(|permit| permit.forget()).is_ok() {}
    let died = tokio::spawn(execute(&stand, stand.runtime.addr, None, &body("d", 4)));
    while stand.seen("/mirror") < 3 {
        tokio::task::yield_now().await;
    }
    first.die();
    gate.add_permits(9);
    let (status, body_of_dead) = died.await.expect("ended");
    assert_eq!(status, 503, "{body_of_dead}");
    let (status, answer) = execute(&stand, other.addr, None, &body("d", 4)).await;
    assert_eq!((status, &answer["status"]), (200, &json!("completed")));
    assert_eq!(stand.seen("/mirror"), 4);
}

#[tokio::test]
async fn who_has_no_store_is_alive_and_not_ready() {
    let Some(mut server) = Server::start().await else {
        return;
    };
    let (ledger, _) = replica(&server, None).await;
    let stand = Stand::configured(World::default(), |config| config.ledger = Some(ledger)).await;
    let ask = async |path: &str| {
        let url = format!("http://{}{path}", stand.runtime.addr);
        let asked = stand.client.get(url).timeout(Duration::from_secs(5)).send();
        let answer = asked.await.expect("an answer in time");
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.expect("a body");
        let body: Value = serde_json::from_str(&text).expect("JSON");
        (status, headers, body)
    };
    let becomes = async |wanted: u16| {
        for _ in 0..300 {
            if ask("/readyz").await.0 == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("/readyz never answers {wanted}");
    };
    assert_eq!(ask("/readyz").await.2, json!({"status": "ready"}));
    // It stands still, and then it is gone: one hangs, the other refuses.
    for gone in [false, true] {
        match gone {
            false => server.freeze(true),
            true => server.kill().await,
        }
        becomes(503).await;
        let (status, headers, body) = ask("/readyz").await;
        assert_eq!(
            (status, &body["errorCode"]),
            (503, &json!("capacity_exceeded"))
        );
        assert_eq!(headers["retry-after"], "1");
        let message = body["message"].as_str().expect("a message");
        assert!(message.contains("the store does not answer"), "{message}");
        assert_eq!(ask("/healthz").await.0, 200);
        match gone {
            false => server.freeze(false),
            true => server.run().await,
        }
        becomes(200).await;
    }
    // Whoever asks together is told together, and the store is asked once.
    server.freeze(true);
    becomes(503).await;
    let begun = std::time::Instant::now();
    let asked = futures_util::future::join_all((0..50).map(|_| ask("/readyz"))).await;
    assert!(asked.iter().all(|(status, _, _)| *status == 503));
    assert!(begun.elapsed() < Duration::from_secs(5));
    server.freeze(false);
}

#[tokio::test]
async fn a_close_that_another_replica_answered_meanwhile_is_answered_alike() {
    let Some(server) = Server::start().await else {
        return;
    };
    let (mut stand, mut other, _) = two(&server, World::default()).await;
    let id = stand.open(9).await;
    let (path, close) = (format!("/sessions/{id}"), format!("/sessions/{id}/close"));
    std::mem::swap(&mut stand.runtime, &mut other);
    assert_eq!(stand.send("GET", &path, None, None).await.0, 200);
    let slot = stand.runtime.runtime.store().get(&id).expect("in memory");
    let turn = slot.turn().lock().await;
    let waiting = stand
        .client
        .post(format!("http://{}{close}", stand.runtime.addr))
        .header("idempotency-key", "k");
    let waiting = tokio::spawn(waiting.send());
    // Another call goes there and back, and the one that waits has looked its key up by then.
    assert_eq!(stand.send("GET", &path, None, None).await.0, 200);
    std::mem::swap(&mut stand.runtime, &mut other);
    let (status, closed) = stand.send("POST", &close, Some("k"), None).await;
    assert_eq!(status, 200, "{closed}");
    drop(turn);
    let answer = waiting.await.expect("ended").expect("an answer");
    assert_eq!(answer.status(), 200);
    let text = answer.text().await.expect("a body");
    assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), closed);
}
