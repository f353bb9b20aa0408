//! Requests, good and bad, that need no session.

use super::*;

#[tokio::test]
async fn bad_requests_get_their_codes_and_harm_nothing() {
    let stand = Stand::new(World::default()).await;
    let code = async |method: &str, path: &str, body: Option<&str>| {
        let (status, body) = stand.send(method, path, None, body).await;
        (
            status,
            body["errorCode"].as_str().unwrap_or("none").to_owned(),
        )
    };
    for (method, path, body, expected) in [
        ("GET", "/nothing", None, (404, "not_found")),
        ("GET", "/sessions/x/step/", None, (404, "not_found")),
        ("PUT", "/sessions", None, (405, "method_not_allowed")),
        (
            "PUT",
            "/sessions/x/step",
            Some("{}"),
            (405, "method_not_allowed"),
        ),
        ("GET", "/sessions/%ff", None, (404, "session_not_found")),
        ("GET", "/sessions/unknown", None, (404, "session_not_found")),
        (
            "POST",
            "/sessions/unknown/step",
            None,
            (404, "session_not_found"),
        ),
        (
            "POST",
            "/sessions/unknown/close",
            None,
            (404, "session_not_found"),
        ),
        (
            "POST",
            "/sessions/unknown/interventions/i",
            Some(r#"{"output":1}"#),
            (404, "session_not_found"),
        ),
        (
            "GET",
            "/sessions/unknown/transcript",
            None,
            (404, "session_not_found"),
        ),
        ("POST", "/sessions", Some("{"), (400, "malformed_json")),
        ("POST", "/sessions", Some("[]"), (400, "invalid_request")),
        ("POST", "/sessions", Some("{}"), (400, "invalid_request")),
        (
            "POST",
            "/sessions",
            Some(r#"{"a":1,"a":2}"#),
            (400, "duplicate_key"),
        ),
        ("POST", "/manifests", Some("[]"), (422, "manifest_invalid")),
        (
            "POST",
            "/manifests",
            Some(r#"{"a":1,"a":2}"#),
            (400, "duplicate_key"),
        ),
        (
            "GET",
            "/manifests/none@1.0.0",
            None,
            (404, "manifest_not_found"),
        ),
        ("GET", "/manifests/stand", None, (404, "manifest_not_found")),
        (
            "DELETE",
            "/manifests/none@1.0.0",
            None,
            (404, "manifest_not_found"),
        ),
    ] {
        assert_eq!(
            code(method, path, body).await,
            (expected.0, expected.1.to_owned()),
            "{method} {path}"
        );
    }
    let deep = "[".repeat(100);
    assert_eq!(
        code("POST", "/sessions", Some(&deep)).await,
        (400, "too_deep".to_owned())
    );
    let large = format!("\"{}\"", "x".repeat(2 * 1024 * 1024));
    assert_eq!(
        code("POST", "/sessions", Some(&large)).await,
        (413, "too_large".to_owned())
    );
    let answer = stand
        .client
        .put(format!("http://{}/sessions", stand.runtime.addr))
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.headers()["allow"], "GET,HEAD,POST");
    let answer = stand
        .client
        .post(format!("http://{}/sessions", stand.runtime.addr))
        .body("{}")
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status().as_u16(), 415);
    assert_eq!(
        stand.send("GET", "/healthz", None, None).await,
        (200, json!({"status": "ok"}))
    );
}

#[tokio::test]
async fn manifests_are_registered_listed_read_and_deleted() {
    let stand = Stand::new(World::default()).await;
    let document =
        crate::runtime::fixture::manifest(&json!({"name": "other", "version": "2.0"})).document;
    let (status, body) = stand.post("/manifests", &document).await;
    assert_eq!((status, body["version"].as_str()), (201, Some("2.0.0")));
    assert_eq!(stand.post("/manifests", &document).await.0, 200);
    let mut changed = document.clone();
    changed["description"] = json!("changed");
    assert_eq!(stand.post("/manifests", &changed).await.0, 409);
    let (_, list) = stand.send("GET", "/manifests", None, None).await;
    assert_eq!(list["manifests"].as_array().map(Vec::len), Some(2));
    let (_, read) = stand
        .send("GET", "/manifests/other@2.0.0", None, None)
        .await;
    assert_eq!(read["manifest"], document);
    assert_eq!(
        stand
            .send("DELETE", "/manifests/other@2.0.0", None, None)
            .await
            .0,
        200
    );
    assert_eq!(stand.post("/manifests", &changed).await.0, 201);
    let (status, body) = stand.post("/manifests", &json!({"name": "bad name"})).await;
    assert_eq!(
        (status, body["errorCode"].as_str()),
        (422, Some("manifest_invalid"))
    );
    assert!(
        body["details"]["violations"]
            .as_array()
            .is_some_and(|all| all.len() > 1)
    );
}

#[tokio::test]
async fn bounds_are_refused_with_503() {
    let limits = Limits {
        sessions: 1,
        manifests: 1,
        ..Limits::default()
    };
    let stand = Stand::with(World::default(), Arc::new(Reference), limits).await;
    stand.open(1).await;
    let body = json!({"goal": {"description": "d"}, "observation": {"timestamp": "2026-01-01T00:00:00Z",
                      "user_context": {"user_id": "U", "preferences": {}}, "environment": {}}});
    let (status, refused) = stand.post("/sessions", &body).await;
    assert_eq!(
        (status, refused["errorCode"].as_str()),
        (503, Some("capacity_exceeded"))
    );
    let document = crate::runtime::fixture::manifest(&json!({"name": "other"})).document;
    assert_eq!(stand.post("/manifests", &document).await.0, 503);
}

#[tokio::test]
async fn sessions_and_manifests_are_bounded_by_the_memory_they_hold() {
    let limits = Limits {
        session_bytes: 1 << 20,
        manifest_bytes: 1 << 20,
        ..Limits::default()
    };
    let stand = Stand::with(World::default(), Arc::new(Reference), limits).await;
    // 42 KB of text, 3 MB of memory.
    let dense = Value::Array(vec![json!({"": 1}); 6000]);
    let body = json!({"goal": {"description": "d"}, "observation": {"timestamp": "2026-01-01T00:00:00Z",
                      "user_context": {"user_id": "U", "preferences": {}}, "environment": {"dense": dense}}});
    let (status, refused) = stand.post("/sessions", &body).await;
    assert_eq!(
        (status, refused["errorCode"].as_str()),
        (503, Some("capacity_exceeded"))
    );
    let document =
        crate::runtime::fixture::manifest(&json!({"name": "other", "x": dense})).document;
    let (status, refused) = stand.post("/manifests", &document).await;
    assert_eq!(
        (status, refused["errorCode"].as_str()),
        (503, Some("capacity_exceeded"))
    );
    // Small ones still have room.
    let id = stand.open(5).await;
    stand.says(&[act("echo")]);
    assert_eq!(stand.step(&id).await.0, 200);
}

#[tokio::test]
async fn a_busy_port_is_a_start_error() {
    let stand = Stand::new(World::default()).await;
    let config = Config {
        listen: stand.runtime.addr,
        manifests: Vec::new(),
        secrets: BTreeMap::new(),
        rotation: crate::runtime::Rotation::default(),
        variables: BTreeMap::new(),
        model: ModelConfig {
            wire: Wire::OpenAi,
            stream: false,
            base_url: String::new(),
            api_key: String::new(),
            model: String::new(),
            timeout: Duration::from_secs(1),
        },
        plugins: crate::runtime::PluginFolder::None,
        limits: Limits::default(),
        sandbox: SandboxSettings::default(),
        storage: Storage::default(),
        profiles: offered_profiles(),
        extensions: crate::runtime::offered_extensions(),
        ledger: None,
        keep_transcripts: crate::runtime::KEEP_TRANSCRIPTS,
        telemetry: crate::runtime::TelemetrySettings::default(),
        autorun: false,
        remember_preferences: false,
        console: false,
        auth: None,
        anonymous_scopes: BTreeSet::new(),
        bound_secrets: BTreeMap::new(),
        allowed_networks: Network::loopback(),
        clock: Clock::default(),
        test_clock: None,
    };
    let error = start(config, Arc::new(Reference)).await.expect_err("busy");
    assert!(error.to_string().contains("choose another address"));
}

#[tokio::test]
async fn a_replaced_part_changes_one_rule() {
    struct TwoAttempts;
    impl Parts for TwoAttempts {
        fn attempts_allowed(&self) -> u32 {
            2
        }
    }
    let stand = Stand::with(World::default(), Arc::new(TwoAttempts), Limits::default()).await;
    stand.says(&[json!("no plan"), json!([])]);
    let id = stand.open(1).await;
    assert_eq!(stand.step(&id).await.1["status"], "awaiting_human");
    let (_, capabilities) = stand.send("GET", "/capabilities", None, None).await;
    assert_eq!(capabilities["limits"]["model_attempts"], 2);
    assert_eq!(
        schema::named("capabilities")
            .expect("a schema")
            .violations(&capabilities),
        []
    );
}

#[tokio::test]
async fn garbage_on_the_wire_harms_nobody() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let stand = Stand::new(World::default()).await;
    let most = "a".repeat(100_000);
    for garbage in [
        "\0\u{1}\u{2}\r\n\r\n",
        "GET\r\n\r\n",
        most.as_str(),
        "POST /sessions HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
    ] {
        let mut raw = tokio::net::TcpStream::connect(stand.runtime.addr)
            .await
            .expect("connects");
        // The other side may have closed already, which is as good an answer.
        let _ = raw.write_all(garbage.as_bytes()).await;
        let _ = raw.shutdown().await;
        let _ = raw.read_to_end(&mut Vec::new()).await;
    }
    assert_eq!(stand.send("GET", "/healthz", None, None).await.0, 200);
}

#[tokio::test]
async fn what_is_not_declared_does_not_exist() {
    struct CoreOnly;
    impl Parts for CoreOnly {
        fn profiles(&self, _: &[crate::requirement::Profile]) -> Vec<crate::requirement::Profile> {
            vec![crate::requirement::Profile::Core]
        }
    }
    let stand = Stand::with(World::default(), Arc::new(CoreOnly), Limits::default()).await;
    assert_eq!(stand.post("/sessions", &json!({})).await.0, 404);
    let human = crate::runtime::fixture::manifest(&json!({"name": "other"})).document;
    let (status, body) = stand.post("/manifests", &human).await;
    assert_eq!(
        (status, body["errorCode"].as_str()),
        (422, Some("profile_not_supported"))
    );
}
