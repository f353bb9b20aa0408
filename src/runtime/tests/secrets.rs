//! Secrets that get new values while sessions go on, and preferences that outlive a session.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Stand, TOKEN, World, act};
use crate::runtime::Rotation;
use crate::runtime::secrets::tests::server::MockVault;
use crate::runtime::secrets::vault::Vault;
use crate::store::plain::Plain;

const NEW: &str = "new-tok+en/77c1a9f3==";

fn authorizations(stand: &Stand) -> Vec<String> {
    let seen = stand.world.authorizations.lock().expect("authorizations");
    let own = seen.iter().filter(|one| !one.contains("sk-test"));
    own.cloned().collect()
}

#[tokio::test]
async fn a_session_goes_on_with_the_new_value_of_a_mounted_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("token");
    std::fs::write(&path, TOKEN).expect("written");
    let stand = Stand::configured(World::default(), |config| {
        config.rotation = Rotation {
            files: [("TOKEN".to_owned(), path.clone())].into(),
            vault: None,
        };
    })
    .await;
    let id = stand.open(9).await;
    let leaks = json!({"action": "echo", "args": {"note": NEW}});
    stand.says(&[act("echo"), act("echo"), leaks]);
    assert_eq!(stand.step(&id).await.1["result"]["success"], true);
    std::fs::write(&path, format!("{NEW}\n")).expect("written");
    let (_, second) = stand.step(&id).await;
    assert_eq!(
        second["result"]["output"]["authorization"], "Bearer [REDACTED]",
        "{second}"
    );
    // The session was opened before, and knows the value all the same.
    stand.step(&id).await;
    let both = format!("{TOKEN} and {NEW}");
    let (_, other) = stand.post("/sessions", &json!({"goal": {"description": both},
        "observation": {"timestamp": "2026-01-01T00:00:00Z", "user_context": {"user_id": "U", "preferences": {}}, "environment": {}}})).await;
    let other = other["session_id"].as_str().expect("an id").to_owned();
    let mut told = String::new();
    for id in [&id, &other] {
        let close = format!("/sessions/{id}/close");
        told += &stand.send("POST", &close, None, None).await.1.to_string();
    }
    assert!(told.contains("[REDACTED] and [REDACTED]"), "{told}");
    assert!(!told.contains(NEW) && !told.contains(TOKEN), "{told}");
    let seen = authorizations(&stand);
    let expected = [TOKEN, NEW, NEW].map(|token| format!("Bearer {token}"));
    assert_eq!(seen, expected);
    let sent = stand.world.seen.lock().expect("seen");
    assert!(sent.iter().all(|(_, body)| !body.to_string().contains(NEW)));
}

#[tokio::test]
async fn a_vault_is_asked_again_and_its_values_stay_bound() {
    let server = MockVault::start().await;
    let place = "/v1/secret/data/stand";
    server.holds(place, &json!({"token": TOKEN}));
    let vault = Vault::new(server.settings(&[("TOKEN", "secret/stand#token")]));
    let vault = vault.expect("settings");
    let stand = Stand::configured(World::default(), |config| {
        config.rotation.vault = Some(vault);
        config.bound_secrets = [("TOKEN".to_owned(), vec!["127.0.0.1".to_owned()])].into();
        let mut document = config.manifests[0].document.clone();
        document["actions"][1]["endpoint"] = json!("http://localhost:1/");
        config.manifests = vec![crate::manifest::load(&document).expect("valid")];
    })
    .await;
    let id = stand.open(9).await;
    stand.says(&["echo", "echo", "moved", "echo"].map(act));
    stand.step(&id).await;
    server.holds(place, &json!({"token": NEW}));
    // The second one began after the first had been taken.
    server.is_asked(3).await;
    stand.step(&id).await;
    let (_, elsewhere) = stand.step(&id).await;
    assert_eq!(
        elsewhere["result"]["error"]["errorCode"],
        "missing_credential"
    );
    drop(server);
    let (_, last) = stand.step(&id).await;
    assert_eq!(last["result"]["success"], true);
    assert!(!last.to_string().contains(NEW));
    let expected = [TOKEN, NEW, NEW].map(|token| format!("Bearer {token}"));
    assert_eq!(authorizations(&stand), expected);
}

/// Opens a session with these preferences, closes it, and gives those that it began with.
async fn opened(stand: &Stand, user: &str, preferences: Value) -> Value {
    let (status, body) = stand.post("/sessions", &json!({"goal": {"description": "d"},
        "observation": {"timestamp": "2026-01-01T00:00:00Z", "user_context": {"user_id": user, "preferences": preferences}, "environment": {}}})).await;
    assert_eq!(status, 201, "{body}");
    let id = body["session_id"].as_str().expect("an id");
    let close = format!("/sessions/{id}/close");
    let (status, closed) = stand.send("POST", &close, None, None).await;
    assert_eq!(status, 200, "{closed}");
    closed["transcript"]["initial_observation"]["user_context"]["preferences"].clone()
}

#[tokio::test]
async fn preferences_are_carried_on_where_the_operator_asks_for_it() {
    for (wanted, ledger) in [(false, None), (true, None), (true, Some(Plain::default()))] {
        let mut stand = Stand::configured(World::default(), |config| {
            config.remember_preferences = wanted;
            config.ledger = ledger.clone().map(|ledger| Arc::new(ledger) as _);
        })
        .await;
        opened(&stand, "U", json!({"tone": "formal", "zone": "UTC"})).await;
        if let Some(ledger) = &ledger {
            stand.config.ledger = Some(Arc::new(ledger.successor()));
            stand.again().await;
        }
        let expected = match wanted {
            true => json!({"zone": "CET", "tone": "formal"}),
            false => json!({"zone": "CET"}),
        };
        assert_eq!(opened(&stand, "U", json!({"zone": "CET"})).await, expected);
        assert_eq!(opened(&stand, "V", json!({})).await, json!({}));
        // One that is taken back is gone, and the last session counts.
        opened(&stand, "U", json!({"tone": null})).await;
        let left = match wanted {
            true => json!({"zone": "CET"}),
            false => json!({}),
        };
        assert_eq!(opened(&stand, "U", json!({})).await, left);
        // Too much is not remembered, and takes nothing away.
        opened(&stand, "U", json!({"long": "x".repeat(70_000)})).await;
        assert_eq!(opened(&stand, "U", json!({})).await, left);
    }
}

#[tokio::test]
async fn no_secret_is_remembered() {
    let stand = Stand::configured(World::default(), |config| {
        config.remember_preferences = true;
    })
    .await;
    opened(&stand, "U", json!({"key": TOKEN})).await;
    assert_eq!(
        opened(&stand, "U", json!({})).await,
        json!({"key": "[REDACTED]"})
    );
}
