//! Sessions from opening to transcript, and what may come in between.

use super::*;

#[tokio::test]
async fn a_session_from_opening_to_transcript() {
    let stand = Stand::new(World::default()).await;
    let actions = [
        "echo",
        "moved",
        "moved_post",
        "away",
        "slow",
        "text",
        "fail",
        "unset",
        "gone",
    ];
    stand.says(&actions.map(act));
    stand.says(&[json!({"finished": true})]);
    let id = stand.open(20).await;
    let mut codes = Vec::new();
    for _ in actions {
        let (status, body) = stand.step(&id).await;
        assert_eq!(status, 200, "{body}");
        codes.push(
            body["result"]["error"]["errorCode"]
                .as_str()
                .unwrap_or("none")
                .to_owned(),
        );
        if body["steps_done"] == 1 {
            assert_eq!(
                body["result"]["output"]["authorization"],
                "Bearer [REDACTED]"
            );
        }
    }
    assert_eq!(
        codes,
        [
            "none",
            "none",
            "redirect_refused",
            "redirect_refused",
            "upstream_timeout",
            "invalid_response",
            "upstream_status",
            "missing_credential",
            "upstream_unreachable"
        ]
    );
    assert_eq!(stand.step(&id).await.1["completed"], true);
    let (_, read) = stand
        .send("GET", &format!("/sessions/{id}"), None, None)
        .await;
    assert_eq!(
        schema::named("session")
            .expect("a schema")
            .violations(&read),
        []
    );
    assert_eq!(
        stand
            .send("GET", &format!("/sessions/{id}/transcript"), None, None)
            .await
            .0,
        409
    );
    let (status, closed) = stand
        .send("POST", &format!("/sessions/{id}/close"), None, None)
        .await;
    assert_eq!(status, 200);
    assert_eq!(
        schema::named("close")
            .expect("a schema")
            .violations(&closed),
        []
    );
    assert_eq!(
        closed["transcript"]["side_effects"]
            .as_array()
            .map(Vec::len),
        Some(9)
    );
    assert_eq!(stand.step(&id).await.0, 404);
    assert_eq!(
        stand
            .send("POST", &format!("/sessions/{id}/close"), None, None)
            .await
            .0,
        404
    );
    let (_, kept) = stand
        .send("GET", &format!("/sessions/{id}/transcript"), None, None)
        .await;
    assert_eq!(kept, closed["transcript"]);
    stand.runtime.shutdown().await;
}

#[tokio::test]
async fn a_plan_that_spells_a_credential_in_escapes_sends_none() {
    let stand = Stand::new(World::default()).await;
    let spelled: String = TOKEN.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
    let plan = format!("{{\"action\":\"echo\",\"args\":{{\"a\":\"{spelled}\"}}}}");
    stand.world.replies.lock().expect("replies").push_back(plan);
    let id = stand.open(5).await;
    assert_eq!(stand.step(&id).await.0, 200);
    let seen = stand.world.seen.lock().expect("seen");
    let sent = seen.iter().find(|(path, _)| path == "/echo");
    assert_eq!(
        sent.map(|(_, body)| body.clone()),
        Some(json!({"a": "[REDACTED]"}))
    );
}

#[tokio::test]
async fn a_redirect_to_where_the_credential_stands_in_the_url_is_refused() {
    let stand = Stand::new(World::default()).await;
    stand.says(&[act("moved_secret")]);
    let id = stand.open(5).await;
    let (_, body) = stand.step(&id).await;
    assert_eq!(
        body["result"]["error"]["errorCode"], "redirect_refused",
        "{body}"
    );
    assert_eq!(stand.seen("/moved-secret"), 1);
    assert_eq!(
        stand.world.seen.lock().expect("seen").len(),
        2,
        "model, then service"
    );
}

#[tokio::test]
async fn a_model_that_is_busy_costs_no_step() {
    let stand = Stand::new(World::default()).await;
    let id = stand.open(3).await;
    let (status, body) = stand.step(&id).await;
    assert_eq!(
        (status, body["errorCode"].as_str()),
        (503, Some("llm_unavailable"))
    );
    // It asked to be left alone by this session, and by no other.
    stand.says(&[act("echo")]);
    assert_eq!(stand.step(&id).await.0, 503);
    let other = stand.open(3).await;
    assert_eq!(stand.step(&other).await.1["steps_done"], 1);
}

#[tokio::test]
async fn concurrent_steps_keep_the_limit_and_close_waits() {
    let gate = Some(Semaphore::new(0));
    let stand = Arc::new(
        Stand::new(World {
            gate,
            ..World::default()
        })
        .await,
    );
    stand.says(&[act("echo"), act("echo"), act("echo")]);
    let id = stand.open(1).await;
    let first = {
        let (stand, id) = (Arc::clone(&stand), id.clone());
        tokio::spawn(async move { stand.step(&id).await })
    };
    while stand.seen("/echo") == 0 {
        tokio::task::yield_now().await;
    }
    let second = {
        let (stand, id) = (Arc::clone(&stand), id.clone());
        tokio::spawn(async move { stand.step(&id).await })
    };
    let close = {
        let (stand, id) = (Arc::clone(&stand), id.clone());
        tokio::spawn(async move {
            stand
                .send("POST", &format!("/sessions/{id}/close"), None, None)
                .await
        })
    };
    // Reading does not wait for the step in flight.
    assert_eq!(
        stand
            .send("GET", &format!("/sessions/{id}"), None, None)
            .await
            .1["steps_done"],
        0
    );
    stand.world.gate.as_ref().expect("a gate").add_permits(3);
    assert_eq!(first.await.expect("joined").1["steps_done"], 1);
    let (status, second) = second.await.expect("joined");
    assert!(
        status == 404 || second["status"] == "max_steps_reached",
        "{second}"
    );
    let (_, closed) = close.await.expect("joined");
    assert_eq!(
        closed["transcript"]["steps"].as_array().map(Vec::len),
        Some(1)
    );
    assert_eq!(stand.seen("/echo"), 1);
}

#[tokio::test]
async fn keyed_calls_run_once_even_at_the_same_time() {
    let gate = Some(Semaphore::new(0));
    let stand = Arc::new(
        Stand::new(World {
            gate,
            ..World::default()
        })
        .await,
    );
    stand.says(&[act("echo"), act("echo")]);
    let id = stand.open(5).await;
    let path = format!("/sessions/{id}/step");
    let call = |body: Option<&'static str>| {
        let (stand, path) = (Arc::clone(&stand), path.clone());
        tokio::spawn(async move { stand.send("POST", &path, Some("k1"), body).await })
    };
    let calls = [
        call(None),
        call(Some("{}")),
        call(Some(r#"{"requestId":"k1"}"#)),
    ];
    while stand.seen("/echo") == 0 {
        tokio::task::yield_now().await;
    }
    stand.world.gate.as_ref().expect("a gate").add_permits(3);
    for call in calls {
        assert_eq!(call.await.expect("joined").1["steps_done"], 1);
    }
    assert_eq!(stand.seen("/echo"), 1);
    let (status, conflict) = stand
        .send("POST", &path, Some("k1"), Some(r#"{"other":1}"#))
        .await;
    assert_eq!(
        (status, conflict["errorCode"].as_str()),
        (409, Some("idempotency_conflict"))
    );
    stand
        .send("POST", &format!("/sessions/{id}/close"), None, None)
        .await;
    assert_eq!(
        stand.send("POST", &path, Some("k1"), None).await.1["steps_done"],
        1
    );
    assert_eq!(
        stand
            .send("POST", &path, None, Some(r#"{"requestId":"k1"}"#))
            .await
            .0,
        200
    );
}

#[tokio::test]
async fn a_step_ends_although_its_client_goes_away() {
    let gate = Some(Semaphore::new(0));
    let stand = Stand::new(World {
        gate,
        ..World::default()
    })
    .await;
    stand.says(&[act("echo")]);
    let id = stand.open(5).await;
    tokio::select! {
        _ = stand.step(&id) => panic!("the gate is shut"),
        () = async { while stand.seen("/echo") == 0 { tokio::task::yield_now().await } } => {}
    }
    stand.world.gate.as_ref().expect("a gate").add_permits(1);
    let (_, closed) = stand
        .send("POST", &format!("/sessions/{id}/close"), None, None)
        .await;
    assert_eq!(
        closed["transcript"]["steps"].as_array().map(Vec::len),
        Some(1)
    );
}

#[tokio::test]
async fn a_defect_inside_answers_500_and_the_next_call_works() {
    struct Defect(std::sync::atomic::AtomicBool);
    impl Parts for Defect {
        fn max_steps_reached(&self, steps_done: u64, max_steps: u64) -> bool {
            assert!(
                self.0.swap(true, std::sync::atomic::Ordering::SeqCst),
                "on purpose"
            );
            steps_done >= max_steps
        }
    }
    let stand = Stand::with(
        World::default(),
        Arc::new(Defect(false.into())),
        Limits::default(),
    )
    .await;
    stand.says(&[act("echo")]);
    let id = stand.open(1).await;
    let path = format!("/sessions/{id}/step");
    let (status, body) = stand.send("POST", &path, Some("k"), None).await;
    assert_eq!(
        (status, body["errorCode"].as_str()),
        (500, Some("internal_error"))
    );
    assert!(!body.to_string().contains("on purpose"));
    assert_eq!(
        stand.send("POST", &path, Some("k"), None).await.1["steps_done"],
        1
    );
}

#[tokio::test]
async fn a_session_left_alone_expires_and_is_closed_in_the_end() {
    struct Later(Arc<std::sync::atomic::AtomicI64>);
    impl Parts for Later {
        fn now(&self) -> jiff::Timestamp {
            let hours = self.0.load(std::sync::atomic::Ordering::SeqCst);
            jiff::Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(hours)
        }
    }
    let hours = Arc::new(std::sync::atomic::AtomicI64::new(1000));
    let parts = Later(Arc::clone(&hours));
    let stand = Stand::with(World::default(), Arc::new(parts), Limits::default()).await;
    let (read, left) = (stand.open(3).await, stand.open(3).await);
    hours.store(1030, std::sync::atomic::Ordering::SeqCst);
    let (status, body) = stand.step(&read).await;
    assert_eq!(
        (status, body["errorCode"].as_str()),
        (400, Some("session_finished"))
    );
    assert_eq!(
        stand
            .send("GET", &format!("/sessions/{read}"), None, None)
            .await
            .1["status"],
        "expired"
    );
    hours.store(1050, std::sync::atomic::Ordering::SeqCst);
    stand.open(1).await;
    let (status, transcript) = stand
        .send("GET", &format!("/sessions/{left}/transcript"), None, None)
        .await;
    assert_eq!(
        (status, transcript["status"].as_str()),
        (200, Some("expired"))
    );
    assert_eq!(
        stand
            .send("GET", &format!("/sessions/{read}"), None, None)
            .await
            .0,
        200
    );
}

#[tokio::test]
async fn shutting_down_lets_a_step_in_flight_end() {
    let gate = Some(Semaphore::new(0));
    let stand = Stand::new(World {
        gate,
        ..World::default()
    })
    .await;
    stand.says(&[act("echo")]);
    let id = stand.open(5).await;
    let Stand {
        runtime,
        world,
        client,
        ..
    } = stand;
    let url = format!("http://{}/sessions/{id}/step", runtime.addr);
    let step = tokio::spawn(async move {
        client
            .post(url)
            .send()
            .await
            .expect("an answer")
            .status()
            .as_u16()
    });
    while !world
        .seen
        .lock()
        .expect("seen")
        .iter()
        .any(|(path, _)| path == "/echo")
    {
        tokio::task::yield_now().await;
    }
    let address = runtime.addr;
    let down = tokio::spawn(runtime.shutdown());
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    world.gate.as_ref().expect("a gate").add_permits(1);
    assert_eq!(step.await.expect("joined"), 200);
    down.await.expect("joined");
}
