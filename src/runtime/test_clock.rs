//! A door of its own at which a test harness moves the runtime's clock (`spec/harness.md`, section 7).
//!
//! It is no part of the protocol and never on the address that clients use.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::StartError;
use super::clock::Clock;
use super::error::{Code, ErrorObject};
use super::http::door;
use super::wire;

/// The furthest that one call moves the clock.
const FURTHEST_MS: u64 = 10 * 365 * 24 * 60 * 60 * 1000;

/// The largest body, in bytes.
const LARGEST_BODY: usize = 4096;

/// Connections at the same time.
const CONNECTIONS: usize = 16;

/// How long a connection may be idle, and a body take to arrive.
const QUIET_TIME: Duration = Duration::from_secs(30);

/// A clock's door; dropped, it is closed.
#[derive(Debug)]
pub struct TestClock {
    /// Where it listens, with the port that was picked.
    pub addr: SocketAddr,
    stop: CancellationToken,
}

/// Opens the door: `POST /advance {"advance_ms": n}` and `GET /now`, both answered with `{"now": …}`.
///
/// # Errors
/// When the address is not a loopback address, or taken.
pub async fn open(listen: SocketAddr, clock: Clock) -> Result<TestClock, StartError> {
    if !listen.ip().is_loopback() {
        return Err(StartError::Clock(listen));
    }
    let failed = |source| StartError::Listen {
        address: listen,
        source,
    };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    let router = Router::new()
        .route("/advance", post(advance))
        .route("/now", get(now))
        .with_state(clock);
    let stop = CancellationToken::new();
    tokio::spawn(door::serve(
        listener,
        router,
        CONNECTIONS,
        QUIET_TIME,
        stop.clone(),
        None,
    ));
    Ok(TestClock { addr, stop })
}

impl Drop for TestClock {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn now(State(clock): State<Clock>) -> Response {
    shown(&clock)
}

async fn advance(State(clock): State<Clock>, request: Request) -> Response {
    let body = tokio::time::timeout(QUIET_TIME, to_bytes(request.into_body(), LARGEST_BODY)).await;
    let body: Option<Value> = match body {
        Ok(Ok(bytes)) => serde_json::from_slice(&bytes).ok(),
        _ => None,
    };
    let by = body.and_then(|body| body.get("advance_ms").and_then(Value::as_u64));
    match by.filter(|by| *by <= FURTHEST_MS) {
        Some(by) => {
            clock.advance(Duration::from_millis(by));
            shown(&clock)
        }
        None => {
            let message = format!("send advance_ms, a whole number from 0 to {FURTHEST_MS}");
            let error = ErrorObject::new(Code::InvalidRequest, message);
            answer(StatusCode::BAD_REQUEST, &error.to_value())
        }
    }
}

fn shown(clock: &Clock) -> Response {
    let now = wire::format_time(clock.shown(Timestamp::now()));
    answer(StatusCode::OK, &json!({"now": now}))
}

fn answer(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::Client;

    #[tokio::test]
    async fn the_clock_goes_on_and_never_back() {
        let clock = Clock::default();
        let loopback = "127.0.0.1:0".parse().expect("an address");
        let door = open(loopback, clock.clone()).await.expect("opens");
        let _ = rustls::crypto::ring::default_provider().install_default();
        let send = async |body: Value| {
            let url = format!("http://{}/advance", door.addr);
            let answer = Client::new().post(url).body(body.to_string()).send().await;
            answer.expect("an answer").status().as_u16()
        };
        assert_eq!(send(json!({"advance_ms": 3_600_000})).await, 200);
        assert_eq!(clock.shown(Timestamp::UNIX_EPOCH).as_second(), 3600);
        for bad in [
            json!({"advance_ms": -1}),
            json!({"advance_ms": 1.5}),
            json!({"advance_ms": "1"}),
            json!({}),
            json!(1),
            json!({"advance_ms": u64::MAX}),
        ] {
            assert_eq!(send(bad).await, 400);
        }
        assert_eq!(clock.shown(Timestamp::UNIX_EPOCH).as_second(), 3600);
        let answer = Client::new()
            .get(format!("http://{}/now", door.addr))
            .send()
            .await;
        let body = answer.expect("an answer").text().await.expect("a body");
        let body: Value = serde_json::from_str(&body).expect("JSON");
        let now: Timestamp = body["now"]
            .as_str()
            .expect("a time")
            .parse()
            .expect("RFC 3339");
        assert!(now > Timestamp::now() + jiff::SignedDuration::from_mins(59));
    }

    #[tokio::test]
    async fn others_than_this_machine_cannot_reach_it() {
        for open_address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
            let address = open_address.parse().expect("an address");
            let refused = open(address, Clock::default()).await;
            assert!(matches!(refused, Err(StartError::Clock(_))));
        }
    }
}
