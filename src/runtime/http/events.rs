//! The progress of a session as server-sent events.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

use super::{Segment, refuse, segment, shuts_down, who_calls};
use crate::runtime::runtime::Runtime;

const ROUTE: &str = "GET /sessions/{id}/events";

pub(super) async fn events(
    State(runtime): State<Arc<Runtime>>,
    headers: HeaderMap,
    id: Segment,
) -> Response {
    let id = segment(id);
    let told = async {
        let caller = who_calls(&runtime, &headers)?;
        if runtime.draining() {
            return Err(shuts_down());
        }
        runtime.events(&caller, &id, last_seen(&headers)).await
    };
    let body = match told.await {
        Ok(body) => body,
        Err(error) => return refuse(&runtime, ROUTE, &error),
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The number of the last change that the client has seen; 0 where it says none that there can be.
fn last_seen(headers: &HeaderMap) -> usize {
    let last = headers.get("last-event-id");
    let last = last.and_then(|last| last.to_str().ok());
    last.and_then(|last| last.parse().ok()).unwrap_or(0)
}
