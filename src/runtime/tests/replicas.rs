//! Replicas over one PostgreSQL: any takes any step of a session, one at a time, and ends what another died in.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{Stand, World, act};
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
