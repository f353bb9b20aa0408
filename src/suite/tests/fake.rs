//! A runtime small enough to be read at a glance, with one defect at a time. It knows just what the sample cases need.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::json as canon;

/// What is wrong with a fake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    None,
    /// Runs what it should have refused.
    CallsAnyway,
    /// Says 200 where 201 is wished for.
    CreatedIs200,
    /// Lets its credential out in an answer.
    Leaks,
    /// Sends the model neither goal nor observation.
    ForgetsGoal,
    /// Registers with the wrong digest.
    WrongDigest,
    /// Answers nothing to a step.
    Hangs,
    /// Answers nothing to the first step of all.
    HangsOnce,
    /// Answers `{}` to everything.
    EmptyObjects,
    /// Answers 500 every third time it is stepped.
    Flaky,
}

pub struct Fake {
    pub url: String,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct State {
    defect: Defect,
    model: String,
    client: reqwest::Client,
    manifests: Mutex<BTreeMap<String, Value>>,
    sessions: Mutex<BTreeMap<String, Value>>,
    opened: AtomicUsize,
    steps: Mutex<usize>,
}

pub async fn start(defect: Defect, model: String) -> Fake {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let state = Arc::new(State {
        defect,
        model,
        client: reqwest::Client::new(),
        manifests: Mutex::default(),
        sessions: Mutex::default(),
        opened: AtomicUsize::new(0),
        steps: Mutex::new(0),
    });
    let task = tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((socket, _)) = listener.accept().await {
            connections.spawn(serve(socket, Arc::clone(&state)));
        }
    });
    Fake { url, task }
}

async fn serve(mut socket: TcpStream, state: Arc<State>) {
    let mut bytes = Vec::new();
    loop {
        let Some((method, path, body)) = read(&mut socket, &mut bytes).await else {
            return;
        };
        let (status, answer) = state.answer(&method, &path, &body).await;
        if status == 0 {
            std::future::pending::<()>().await;
        }
        let text = answer.to_string();
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            text.len()
        );
        if socket.write_all((head + &text).as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read(socket: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<(String, String, Value)> {
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase()
                        .strip_prefix("content-length:")
                        .map(str::to_owned)
                })
                .and_then(|length| length.trim().parse::<usize>().ok())
                .unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                let body =
                    serde_json::from_slice(&bytes[end + 4..end + 4 + length]).unwrap_or_default();
                bytes.drain(..end + 4 + length);
                let mut words = head.split(' ');
                return Some((words.next()?.to_owned(), words.next()?.to_owned(), body));
            }
        }
        let mut chunk = [0; 4096];
        match socket.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
        }
    }
}

fn error(status: u16, code: &str) -> (u16, Value) {
    (
        status,
        json!({"errorCode": code, "message": "no", "retryable": false}),
    )
}

impl State {
    async fn answer(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        if self.defect == Defect::EmptyObjects {
            return (200, json!({}));
        }
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        match (method, parts.as_slice()) {
            ("GET", ["healthz"]) => (200, json!({"status": "ok"})),
            ("GET", ["capabilities"]) => (
                200,
                json!({"profiles": ["core", "session"], "implementation": {"name": "fake"}}),
            ),
            ("POST", ["manifests"]) => {
                let name = body["name"].as_str().unwrap_or_default().to_owned();
                self.manifests
                    .lock()
                    .expect("lock")
                    .insert(name.clone(), body.clone());
                let digest = if self.defect == Defect::WrongDigest {
                    "sha256:0".to_owned()
                } else {
                    canon::digest(body)
                };
                (
                    201,
                    json!({"name": name, "version": body["version"], "digest": digest}),
                )
            }
            ("POST", ["sessions"]) => {
                // Never one that was given before: sessions come and go at the same time.
                let number = self.opened.fetch_add(1, Ordering::Relaxed);
                let id = format!("fake-session-id-{number:0>16}");
                self.sessions
                    .lock()
                    .expect("lock")
                    .insert(id.clone(), body.clone());
                let status = if self.defect == Defect::CreatedIs200 {
                    200
                } else {
                    201
                };
                (status, json!({"session_id": id, "status": "active"}))
            }
            ("POST", ["sessions", id, "step"]) => self.step(id).await,
            ("POST", ["sessions", id, "close"]) => {
                self.sessions.lock().expect("lock").remove(*id);
                (200, json!({"closed": true}))
            }
            ("DELETE", ["manifests", reference]) => {
                self.manifests
                    .lock()
                    .expect("lock")
                    .remove(reference.split('@').next().unwrap_or_default());
                (200, json!({}))
            }
            _ => error(404, "session_not_found"),
        }
    }

    async fn step(&self, id: &str) -> (u16, Value) {
        let Some(session) = self.sessions.lock().expect("lock").get(id).cloned() else {
            return error(404, "session_not_found");
        };
        let count = {
            let mut steps = self.steps.lock().expect("lock");
            *steps += 1;
            *steps
        };
        match self.defect {
            Defect::Hangs => return (0, Value::Null),
            Defect::HangsOnce if count == 1 => return (0, Value::Null),
            Defect::Flaky if count.is_multiple_of(3) => return error(500, "session_not_found"),
            _ => {}
        }
        let name = session["manifest"]
            .as_str()
            .unwrap_or_default()
            .split('@')
            .next()
            .unwrap_or_default()
            .to_owned();
        let manifest = self
            .manifests
            .lock()
            .expect("lock")
            .get(&name)
            .cloned()
            .unwrap_or_default();
        let action = manifest["actions"][0].clone();
        let goal = match self.defect {
            Defect::ForgetsGoal => Value::Null,
            _ => session.clone(),
        };
        let mut refusals = String::new();
        for _ in 0..3 {
            let Some(plan) = self.ask(&format!("{goal} {refusals}")).await else {
                return error(503, "llm_unavailable");
            };
            if plan["finished"] == true {
                return (
                    200,
                    json!({"result": null, "steps_done": 0, "status": "completed", "completed": true}),
                );
            }
            if plan["action"] != action["name"] && self.defect != Defect::CallsAnyway {
                refusals.push_str(" undeclared_action");
                continue;
            }
            let url = action["endpoint"].as_str().unwrap_or_default();
            let token = "cal-tok+en/3f9a1c77==";
            let called = self
                .client
                .get(url)
                .bearer_auth(token)
                .send()
                .await
                .expect("the mock answers");
            let output: Value =
                serde_json::from_str(&called.text().await.expect("text")).expect("json");
            let mut answer = json!({
                "result": {"action_name": plan["action"], "success": true, "output": output, "error": null},
                "steps_done": 1, "status": "active", "completed": false
            });
            if self.defect == Defect::Leaks {
                answer["debug"] = Value::from(token);
            }
            return (200, answer);
        }
        (
            200,
            json!({"result": null, "steps_done": 0, "status": "failed", "completed": false}),
        )
    }

    async fn ask(&self, prompt: &str) -> Option<Value> {
        let body = json!({"model": "m", "messages": [{"role": "user", "content": prompt}]});
        let sent = self
            .client
            .post(format!("{}/chat/completions", self.model))
            .bearer_auth("sk-test-model-key-0001")
            .body(body.to_string())
            .send()
            .await
            .ok()?;
        let answer: Value = serde_json::from_str(&sent.text().await.ok()?).ok()?;
        serde_json::from_str(answer.pointer("/choices/0/message/content")?.as_str()?).ok()
    }
}
