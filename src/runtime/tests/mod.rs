//! The whole runtime over loopback, against a model and a service of a few lines.

mod access;
mod charging;
mod files;
mod keeping;
mod progress;
mod reads;
mod replicas;
mod requests;
mod sandbox;
mod secrets;
mod sessions;
mod steps;
mod stopping;
mod telemetry;
mod workflows;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::access::Network;
use super::{
    Clock, Config, Limits, Parts, Reference, Running, SandboxSettings, Storage, offered_profiles,
    start,
};
use crate::model::{ModelConfig, Wire};
use crate::schema;

const TOKEN: &str = "cal-tok+en/3f9a1c77==";
const MODEL_KEY: &str = "sk-test-model-key-0001";

/// What the outside world answers, and what it saw.
#[derive(Default)]
struct World {
    replies: Mutex<VecDeque<String>>,
    seen: Mutex<Vec<(String, Value)>>,
    /// The path, `traceparent` and `tracestate` of each request.
    contexts: Mutex<Vec<[String; 3]>>,
    /// The authorization of each request.
    authorizations: Mutex<Vec<String>>,
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
    world
        .authorizations
        .lock()
        .expect("authorizations")
        .push(authorization.clone());
    let header = |name: &str| {
        let value = head.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    world.contexts.lock().expect("contexts").push([
        path.clone(),
        header("traceparent"),
        header("tracestate"),
    ]);
    let body = to_bytes(body, 1 << 24).await.expect("a body");
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    world
        .seen
        .lock()
        .expect("seen")
        .push((path.clone(), body.clone()));
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
        "/moved-secret" => {
            let target = format!("/echo?token={TOKEN}");
            (axum::http::StatusCode::FOUND, [("location", target)], "").into_response()
        }
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
        "/leak" => axum_json(&json!({"token": authorization})),
        "/mirror" => {
            if let Some(gate) = &world.gate {
                gate.acquire().await.expect("a permit").forget();
            }
            axum_json(&body)
        }
        "/text" => "<html>".into_response(),
        "/calendar/v1/free_slots" => axum_json(
            &json!({"slots": [{"start": "2026-04-02T09:00:00Z", "end": "2026-04-02T10:00:00Z"}]}),
        ),
        "/calendar/v1/events" => axum_json(&json!({"event_id": "e1"})),
        "/email/v1/send" => axum_json(&json!({"id": "m1", "status": "sent"})),
        "/crm/v1/meetings" => axum_json(&json!({"status": "ok"})),
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
    /// Where the outside world is.
    base: String,
    world: Arc<World>,
    client: Client,
    config: Config,
}

impl Stand {
    async fn new(world: World) -> Self {
        Self::with(world, Arc::new(Reference), Limits::default()).await
    }

    async fn with(world: World, parts: Arc<dyn Parts>, limits: Limits) -> Self {
        Self::set_up(world, parts, |config| config.limits = limits).await
    }

    async fn configured(world: World, change: impl FnOnce(&mut Config)) -> Self {
        Self::set_up(world, Arc::new(Reference), change).await
    }

    async fn set_up(world: World, parts: Arc<dyn Parts>, change: impl FnOnce(&mut Config)) -> Self {
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
            call("moved_post", "/moved", json!({})),
            call("moved_secret", "/moved-secret", json!({"method": "GET"})), call("away", "/away", json!({"method": "GET"})),
            call("slow", "/slow", json!({"timeout_ms": 50})), call("text", "/text", json!({})),
            call("fail", "/fail", json!({})), call("unset", "/echo", json!({"auth": "${UNSET}"})),
            {"type": "invoke_api", "name": "gone", "endpoint": "http://127.0.0.1:1/", "method": "GET", "input_schema": {}, "output_schema": {}},
        ]});
        let mut config = Config {
            listen: "127.0.0.1:0".parse().expect("an address"),
            manifests: vec![crate::manifest::load(&manifest).expect("valid")],
            secrets: BTreeMap::from([("TOKEN".to_owned(), TOKEN.to_owned())]),
            rotation: crate::runtime::Rotation::default(),
            variables: BTreeMap::new(),
            model: ModelConfig {
                wire: Wire::OpenAi,
                stream: false,
                base_url: format!("{base}/v1"),
                api_key: MODEL_KEY.to_owned(),
                model: "m".to_owned(),
                timeout: Duration::from_secs(5),
            },
            plugins: crate::runtime::PluginFolder::Embedded,
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
        change(&mut config);
        let runtime = start(config.clone(), parts).await.expect("starts");
        Self {
            runtime,
            base,
            world,
            client: Client::new(),
            config,
        }
    }

    /// Another runtime in the same world, with the same settings; what the one before was doing, nobody waits for.
    async fn again(&mut self) {
        let next = start(self.config.clone(), Arc::new(Reference)).await;
        self.runtime = next.expect("starts again");
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
