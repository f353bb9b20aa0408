//! How long a runtime that stops waits for what is in flight.

use tokio::time::timeout;

use super::*;

/// Longer than any wait of these tests should be, and shorter than the time that calls get in them.
const BOUND: Duration = Duration::from_secs(60);

/// JavaScript that asks a silent host again and again, whatever comes.
const STUBBORN: &str = "async function generate({url}) {
  for (;;) try { await fetch(url); } catch {}
}";

#[tokio::test]
async fn code_that_waits_for_a_silent_host_is_cancelled_before_other_calls_are() {
    let world = World {
        gate: Some(Semaphore::new(0)),
        ..World::default()
    };
    let stand = Stand::configured(world, |config| {
        config.limits.drain_time = Duration::from_secs(600);
        config.limits.code_drain_time = Duration::from_millis(50);
    })
    .await;
    let host = stand.base.strip_prefix("http://").expect("a URL");
    let action = json!({"type": "run_code", "name": "stubborn", "runtime": "javascript", "code": STUBBORN,
                        "network": [host], "input_schema": {"type": "object"}, "output_schema": {}});
    let manifest = json!({"name": "coded", "version": "1.0", "actions": [action]});
    let (status, body) = stand.post("/manifests", &manifest).await;
    assert_eq!(status, 201, "{body}");
    let call = |manifest: &str, name: &str| {
        let request = stand
            .client
            .post(format!("http://{}/execute", stand.runtime.addr));
        let body = json!({"user_id": "U", "manifest": manifest,
                          "open_action": {"@type": "OpenAction:Action", "name": name, "input": {"url": format!("{}/code", stand.base)}}});
        let request = request
            .header("content-type", "application/json")
            .body(body.to_string());
        tokio::spawn(async move {
            let answer = request.send().await.expect("an answer");
            let text = answer.text().await.expect("a body");
            serde_json::from_str::<Value>(&text).expect("JSON")
        })
    };
    let (code, other) = (call("coded", "stubborn"), call("stand", "echo"));
    while stand.seen("/code") == 0 || stand.seen("/echo") == 0 {
        tokio::task::yield_now().await;
    }
    let down = tokio::spawn(stand.runtime.shutdown());
    let code = timeout(BOUND, code).await.expect("ends").expect("joined");
    assert_eq!(code["error"]["errorCode"], "sandbox_cancelled", "{code}");
    // The other call still has its time.
    assert!(!other.is_finished() && !down.is_finished());
    let gate = stand.world.gate.as_ref().expect("a gate");
    gate.add_permits(1_000);
    let other = timeout(BOUND, other).await.expect("ends").expect("joined");
    assert_eq!(other["status"], "completed", "{other}");
    timeout(BOUND, down).await.expect("ends").expect("joined");
}
