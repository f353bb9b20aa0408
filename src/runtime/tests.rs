//! The whole runtime over loopback, against a model and a service of a few lines.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{Config, Limits, Parts, Reference, Running, offered_profiles, start};
use crate::model::ModelConfig;
use crate::schema;

const TOKEN: &str = "cal-tok+en/3f9a1c77==";
const MODEL_KEY: &str = "sk-test-model-key-0001";

/// What the outside world answers, and what it saw.
#[derive(Default)]
struct World {
    replies: Mutex<VecDeque<String>>,
    seen: Mutex<Vec<(String, Value)>>,
    /// Holds each call of a service until a permit is added; absent permits mean no call waits.
    gate: Option<Semaphore>,
}

async fn outside(State(world): State<Arc<World>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let authorization = head
        .headers
        .get("authorization")
        .and_then(|v| v.to_str().ok())
        .unwrap_or("")
        .to_owned();
    let body = to_bytes(body, 1 << 24).await.expect("a body");
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    world.seen.lock().expect("seen").push((path.clone(), body));
    match path.as_str() {
        "/v1/chat/completions" if authorization == format!("Bearer {MODEL_KEY}") => {
            let text = world.replies.lock().expect("replies").pop_front();
            match text {
                Some(text) => axum_json(
                    &json!({"choices": [{"message": {"content": text}, "finish_reason": "stop"}],
                                                "usage": {"prompt_tokens": 1, "completion_tokens": 2}}),
                ),
                None => (
                    axum::http::StatusCode::TOO_MANY_REQUESTS,
                    [("retry-after", "7")],
                    "",
                )
                    .into_response(),
            }
        }
        "/moved" => (axum::http::StatusCode::FOUND, [("location", "/echo")], "").into_response(),
        "/away" => (
            axum::http::StatusCode::FOUND,
            [("location", "http://localhost:1/echo")],
            "",
        )
            .into_response(),
        "/slow" => {
            tokio::time::sleep(Duration::from_secs(30)).await;
            axum_json(&json!({}))
        }
        "/text" => "<html>".into_response(),
        "/fail" => (axum::http::StatusCode::SERVICE_UNAVAILABLE, "no").into_response(),
        _ => {
            if let Some(gate) = &world.gate {
                gate.acquire().await.expect("a permit").forget();
            }
            axum_json(&json!({"authorization": authorization}))
        }
    }
}

fn axum_json(value: &Value) -> Response {
    ([("content-type", "application/json")], value.to_string()).into_response()
}

struct Stand {
    runtime: Running,
    world: Arc<World>,
    client: Client,
}

impl Stand {
    async fn new(world: World) -> Self {
        Self::with(world, Arc::new(Reference), Limits::default()).await
    }

    async fn with(world: World, parts: Arc<dyn Parts>, limits: Limits) -> Self {
        let world = Arc::new(world);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new()
            .fallback(outside)
            .with_state(Arc::clone(&world));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let call = |name: &str, path: &str, patch: Value| {
            let mut action = json!({"type": "invoke_api", "name": name, "endpoint": format!("{base}{path}"), "method": "POST",
                                    "auth": "Bearer ${TOKEN}", "input_schema": {"type": "object"}, "output_schema": {}});
            for (name, value) in patch.as_object().expect("a patch") {
                action[name] = value.clone();
            }
            action
        };
        let manifest = json!({"name": "stand", "version": "1.0", "actions": [
            call("echo", "/echo", json!({})), call("moved", "/moved", json!({"method": "GET"})),
            call("moved_post", "/moved", json!({})), call("away", "/away", json!({"method": "GET"})),
            call("slow", "/slow", json!({"timeout_ms": 50})), call("text", "/text", json!({})),
            call("fail", "/fail", json!({})), call("unset", "/echo", json!({"auth": "${UNSET}"})),
            {"type": "invoke_api", "name": "gone", "endpoint": "http://127.0.0.1:1/", "method": "GET", "input_schema": {}, "output_schema": {}},
        ]});
        let config = Config {
            listen: "127.0.0.1:0".parse().expect("an address"),
            manifests: vec![crate::manifest::load(&manifest).expect("valid")],
            secrets: BTreeMap::from([("TOKEN".to_owned(), TOKEN.to_owned())]),
            variables: BTreeMap::new(),
            model: ModelConfig {
                base_url: format!("{base}/v1"),
                api_key: MODEL_KEY.to_owned(),
                model: "m".to_owned(),
                timeout: Duration::from_secs(5),
            },
            limits,
            profiles: offered_profiles(),
        };
        let runtime = start(config, parts).await.expect("starts");
        Self {
            runtime,
            world,
            client: Client::new(),
        }
    }

    fn says(&self, plans: &[Value]) {
        self.world
            .replies
            .lock()
            .expect("replies")
            .extend(plans.iter().map(Value::to_string));
    }

    fn seen(&self, path: &str) -> usize {
        self.world
            .seen
            .lock()
            .expect("seen")
            .iter()
            .filter(|(seen, _)| seen == path)
            .count()
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: Option<&str>,
    ) -> (u16, Value) {
        let method = method.parse().expect("a method");
        let mut request = self
            .client
            .request(method, format!("http://{}{path}", self.runtime.addr));
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_owned());
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        assert_eq!(
            answer.headers()["content-type"],
            "application/json",
            "{path}"
        );
        let text = answer.text().await.expect("a body");
        assert!(
            !text.contains(TOKEN) && !text.contains(MODEL_KEY),
            "{path} leaks"
        );
        let body: Value = serde_json::from_str(&text).expect("JSON");
        if status >= 400 {
            assert_eq!(
                schema::named("error").expect("a schema").violations(&body),
                [],
                "{path}"
            );
        }
        (status, body)
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.send("POST", path, None, Some(&body.to_string())).await
    }

    async fn open(&self, max_steps: u64) -> String {
        let (status, body) = self.post("/sessions", &json!({
            "goal": {"description": "d"}, "max_steps": max_steps,
            "observation": {"timestamp": "2026-01-01T00:00:00Z", "user_context": {"user_id": "U", "preferences": {}}, "environment": {}},
        })).await;
        assert_eq!(status, 201, "{body}");
        body["session_id"].as_str().expect("an id").to_owned()
    }

    async fn step(&self, id: &str) -> (u16, Value) {
        self.send("POST", &format!("/sessions/{id}/step"), None, None)
            .await
    }
}

fn act(action: &str) -> Value {
    json!({"action": action, "args": {}})
}

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
async fn a_model_that_is_busy_costs_no_step() {
    let stand = Stand::new(World::default()).await;
    let id = stand.open(3).await;
    let (status, body) = stand.step(&id).await;
    assert_eq!(
        (status, body["errorCode"].as_str()),
        (503, Some("llm_unavailable"))
    );
    stand.says(&[act("echo")]);
    assert_eq!(stand.step(&id).await.1["steps_done"], 1);
}

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
        ("GET", "/sessions", None, (405, "method_not_allowed")),
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
        .get(format!("http://{}/sessions", stand.runtime.addr))
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.headers()["allow"], "POST");
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
    let document = super::fixture::manifest(&json!({"name": "other", "version": "2.0"})).document;
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
    let document = super::fixture::manifest(&json!({"name": "other"})).document;
    assert_eq!(stand.post("/manifests", &document).await.0, 503);
}

#[tokio::test]
async fn a_busy_port_is_a_start_error() {
    let stand = Stand::new(World::default()).await;
    let config = Config {
        listen: stand.runtime.addr,
        manifests: Vec::new(),
        secrets: BTreeMap::new(),
        variables: BTreeMap::new(),
        model: ModelConfig {
            base_url: String::new(),
            api_key: String::new(),
            model: String::new(),
            timeout: Duration::from_secs(1),
        },
        limits: Limits::default(),
        profiles: offered_profiles(),
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
