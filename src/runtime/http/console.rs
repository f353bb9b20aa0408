//! The console's files, and the look at where a call comes from while it is served.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::{Segment, no_such_path, refuse, segment};
use crate::runtime::console;
use crate::runtime::runtime::Runtime;

type Shared = State<Arc<Runtime>>;

pub(super) async fn page(runtime: Shared) -> Response {
    match console::file("") {
        Some(response) => response,
        None => no_such_path(runtime).await,
    }
}

pub(super) async fn file(runtime: Shared, path: Segment) -> Response {
    match console::file(&segment(path)) {
        Some(response) => response,
        None => no_such_path(runtime).await,
    }
}

/// Refuses what a page of another origin wants changed.
pub(super) async fn own_origin(State(runtime): Shared, request: Request, next: Next) -> Response {
    match console::check_origin(request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(error) => refuse(&runtime, "*", &error),
    }
}
