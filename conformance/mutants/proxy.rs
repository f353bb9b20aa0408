//! A proxy before a good target that breaks one rule on the way in or out.
//!
//! For rules that live at the edge of a runtime, where no part can be swapped.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request as Incoming, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response as Outgoing};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Largest body the proxy carries, in bytes.
const MOST_BODY: usize = 16 * 1024 * 1024;

/// A request on its way in.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub body: Bytes,
}

/// An answer on its way out.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub body: Bytes,
}

/// What a proxy does to the traffic; the default is nothing.
pub trait Tamper: Send + Sync + 'static {
    /// Changes a request before the target sees it.
    fn request(&self, _request: &mut Request) {}

    /// How often the target gets the request; the last answer goes out.
    fn deliveries(&self, _request: &Request) -> usize {
        1
    }

    /// Changes an answer before the client sees it.
    fn response(&self, _request: &Request, _response: &mut Response) {}
}

impl Request {
    /// Whether it is this call; a path segment `*` in the pattern stands for any segment.
    pub fn is(&self, method: Method, pattern: &str) -> bool {
        let path = self.path.split('?').next().unwrap_or_default();
        self.method == method
            && path.split('/').count() == pattern.split('/').count()
            && path
                .split('/')
                .zip(pattern.split('/'))
                .all(|(segment, wanted)| wanted == "*" || segment == wanted)
    }
}

impl Response {
    /// Changes the body if it is JSON.
    pub fn edit(&mut self, change: impl FnOnce(&mut Value)) {
        if let Ok(mut value) = serde_json::from_slice::<Value>(&self.body) {
            change(&mut value);
            self.body = Bytes::from(value.to_string());
        }
    }
}

/// A proxy that stands; it ends when this is dropped.
#[derive(Debug)]
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

struct Shared {
    target: String,
    client: reqwest::Client,
    tamper: Arc<dyn Tamper>,
}

/// Starts a proxy before `target` (a base URL) on a free loopback port.
///
/// # Errors
/// When no port can be had or no client can be made.
pub async fn start(target: String, tamper: Arc<dyn Tamper>) -> io::Result<Proxy> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .map_err(io::Error::other)?;
    let shared = Arc::new(Shared {
        target,
        client,
        tamper,
    });
    let app = Router::new().fallback(carry).with_state(shared);
    let serving = tokio::spawn(async move {
        // It ends by being aborted only.
        let _ = axum::serve(listener, app).await;
    });
    Ok(Proxy { address, serving })
}

async fn carry(State(shared): State<Arc<Shared>>, incoming: Incoming) -> Outgoing {
    let (parts, body) = incoming.into_parts();
    let Ok(body) = to_bytes(body, MOST_BODY).await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let path = parts
        .uri
        .path_and_query()
        .map_or_else(|| "/".to_owned(), ToString::to_string);
    let mut request = Request {
        method: parts.method,
        path,
        headers: parts.headers,
        body,
    };
    shared.tamper.request(&mut request);
    let mut answer = None;
    for _ in 0..shared.tamper.deliveries(&request).max(1) {
        answer = forward(&shared, &request).await;
    }
    let Some(mut response) = answer else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    shared.tamper.response(&request, &mut response);
    let mut outgoing = Outgoing::new(Body::from(response.body));
    *outgoing.status_mut() =
        StatusCode::from_u16(response.status).unwrap_or(StatusCode::BAD_GATEWAY);
    *outgoing.headers_mut() = without_framing(&response.headers);
    outgoing
}

async fn forward(shared: &Shared, request: &Request) -> Option<Response> {
    let answer = shared
        .client
        .request(
            request.method.clone(),
            format!("{}{}", shared.target, request.path),
        )
        .headers(without_framing(&request.headers))
        .body(request.body.clone())
        .send()
        .await
        .ok()?;
    Some(Response {
        status: answer.status().as_u16(),
        headers: answer.headers().clone(),
        body: answer.bytes().await.ok()?,
    })
}

/// Headers that describe one connection or one framing, which the proxy makes anew.
fn without_framing(headers: &HeaderMap) -> HeaderMap {
    headers
        .iter()
        .filter(|(name, _)| {
            !matches!(
                name.as_str(),
                "host" | "content-length" | "transfer-encoding" | "connection"
            )
        })
        .map(|(name, value): (&HeaderName, &HeaderValue)| (name.clone(), value.clone()))
        .collect()
}
