//! A vault of a few lines.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::runtime::secrets::vault::{Reference, Settings, Token};

/// What opens it at first.
pub(in crate::runtime) const VAULT_TOKEN: &str = "token-of-the-vault-0001";

struct Kept {
    token: Mutex<String>,
    entries: Mutex<BTreeMap<String, (u16, Value)>>,
    asked: watch::Sender<Vec<String>>,
}

/// It runs until it is dropped.
pub(in crate::runtime) struct MockVault {
    pub address: String,
    state: Arc<Kept>,
    server: JoinHandle<()>,
}

impl Drop for MockVault {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(State(state): State<Arc<Kept>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let header = |name: &str| {
        let value = request.headers().get(name);
        value.and_then(|value| value.to_str().ok()).unwrap_or("-")
    };
    let line = format!("{path} {}", header("x-vault-namespace"));
    let denied = header("x-vault-token") != state.token.lock().expect("a token").as_str();
    let entry = state.entries.lock().expect("entries").get(&path).cloned();
    state.asked.send_modify(|asked| asked.push(line));
    let (status, body) = match entry {
        _ if denied => (403, json!({"errors": ["permission denied"]})),
        None => (404, json!({"errors": []})),
        Some(entry) => entry,
    };
    let status = StatusCode::from_u16(status).expect("a status");
    let location = [("location", "http://127.0.0.1:1/elsewhere")];
    match body {
        Value::String(text) => (status, location, text).into_response(),
        body => (status, location, body.to_string()).into_response(),
    }
}

impl MockVault {
    pub async fn start() -> Self {
        let state = Arc::new(Kept {
            token: Mutex::new(VAULT_TOKEN.to_owned()),
            entries: Mutex::default(),
            asked: watch::Sender::new(Vec::new()),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&state));
        let server = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Self {
            address: format!("http://{address}"),
            state,
            server,
        }
    }

    /// What is at this path of the API from now on.
    pub fn holds(&self, path: &str, fields: &Value) {
        let entry = json!({"data": {"data": fields, "metadata": {"version": 1}}});
        self.answers(path, 200, entry);
    }

    /// What it answers at this path from now on; a text as it is.
    pub fn answers(&self, path: &str, status: u16, body: Value) {
        let mut entries = self.state.entries.lock().expect("entries");
        entries.insert(path.to_owned(), (status, body));
    }

    /// Another token is the only one from now on.
    pub fn takes(&self, token: &str) {
        token.clone_into(&mut self.state.token.lock().expect("a token"));
    }

    /// The paths that were asked for, each with the namespace.
    pub fn asked(&self) -> Vec<String> {
        self.state.asked.borrow().clone()
    }

    /// Waits until it was asked so many times more.
    pub async fn is_asked(&self, times: usize) {
        let mut asked = self.state.asked.subscribe();
        let before = asked.borrow().len();
        let more = asked.wait_for(|asked| asked.len() >= before + times);
        more.await.expect("it runs");
    }

    /// Settings for these secrets, each `NAME=path#field`.
    pub fn settings(&self, secrets: &[(&str, &str)]) -> Settings {
        let secrets = secrets.iter().map(|(name, place)| {
            let place = Reference::parse(place).expect("a place");
            ((*name).to_owned(), place)
        });
        Settings {
            address: self.address.clone(),
            namespace: None,
            token: Token::Given(VAULT_TOKEN.to_owned()),
            every: Duration::from_millis(20),
            secrets: secrets.collect(),
        }
    }
}
