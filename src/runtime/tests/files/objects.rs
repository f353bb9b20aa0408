//! Files as objects of a store that is reached over the network, and its keys.

use super::*;
use crate::runtime::files::S3Keys;
use crate::runtime::files::tests::{Server, storage as object_storage};

#[tokio::test]
async fn objects_are_kept_and_no_key_is_told() {
    let server = Server::start().await;
    let storage = object_storage(&server.endpoint, "a-secret+access/key==");
    let secrets: Vec<String> = storage.secrets().map(str::to_owned).collect();
    let mut actions = both("s3://notes-bucket/deep");
    actions.push(json!({"type": "invoke_api", "name": "steal", "endpoint": "http://127.0.0.1:1/", "method": "GET",
                        "auth": "${STOLEN}", "input_schema": {}, "output_schema": {}}));
    let stand = stand(&actions, |config| {
        config.storage = storage;
        // The operator's slip: the store's key among the secrets of actions.
        config
            .secrets
            .insert("STOLEN".to_owned(), "a-secret+access/key==".to_owned());
    })
    .await;
    let (results, effects) = stand
        .done(
            "filed",
            &[
                plan(
                    "write",
                    json!({"path": "a b.md", "content": "# n", "content_type": "text/markdown"}),
                ),
                plan("read", json!({"path": "a b.md"})),
                plan("read", json!({"path": "none"})),
                plan("steal", json!({})),
                plan(
                    "write",
                    json!({"path": "b.md", "content": "a-secret+access/key=="}),
                ),
                plan("read", json!({"path": "b.md"})),
            ],
        )
        .await;
    let codes: Vec<&str> = results.iter().map(code).collect();
    assert_eq!(
        codes,
        [
            "none",
            "none",
            "file_not_found",
            "missing_credential",
            "none",
            "none"
        ]
    );
    assert_eq!(results[1]["output"]["content"], "# n");
    assert_eq!(results[1]["output"]["size"], 3);
    assert_eq!(results[5]["output"]["content"], "[REDACTED]");
    assert_eq!(effects[0]["target"], "s3://notes-bucket/deep/a b.md");
    let stored = std::fs::read(server.folder.path().join("notes-bucket/deep/a b.md"));
    assert_eq!(stored.expect("an object"), b"# n");
    for secret in secrets {
        for told in results.iter().chain(&effects) {
            assert!(!told.to_string().contains(&secret), "{told}");
        }
    }
    let (_, said) = stand.send("GET", "/capabilities", None, None).await;
    assert_eq!(said["schemes"], json!(["s3", "memory"]));
}

#[tokio::test]
async fn a_silent_store_fails_in_time_and_the_fallback_runs() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    // It accepts, and says nothing until it is dropped.
    let silent = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((socket, _)) = listener.accept().await {
            held.push(socket);
        }
    });
    let mut actions = both("s3://notes-bucket/");
    actions.push(filed("read_file", "spare", "memory:", json!({})));
    let stand = stand(&actions, |config| {
        config.storage = object_storage(&endpoint, "a-secret+access/key==");
        config.storage.patience = Duration::from_millis(200);
    })
    .await;
    let plans = [
        plan("read", json!({"path": "a"})),
        plan("write", json!({"path": "a", "content": "x"})),
    ];
    let (results, effects) = stand.done("filed", &plans).await;
    for (result, effect) in results.iter().zip(&effects) {
        assert_eq!(code(result), "storage_unavailable");
        assert_eq!(result["error"]["retryable"], true);
        assert_eq!(effect["status"], "storage_unavailable");
    }
    let fallback = json!({"fallbackAction": {"@type": "OpenAction:Action", "name": "spare", "input": {"path": "a"}}});
    let result = stand.executed("read", json!({"path": "a"}), fallback).await;
    assert_eq!(
        result["attempts"].as_array().map(Vec::len),
        Some(2),
        "{result}"
    );
    assert_eq!(code(&result), "file_not_found");
    silent.abort();
}

#[test]
fn keys_are_never_shown() {
    let keys = S3Keys {
        id: "an-id-of-a-key".to_owned(),
        secret: "a-secret-key".to_owned(),
        session_token: Some("a-session-token".to_owned()),
    };
    let shown = format!("{keys:?}");
    assert!(
        !shown.contains("key\"") && !shown.contains("a-s"),
        "{shown}"
    );
}
