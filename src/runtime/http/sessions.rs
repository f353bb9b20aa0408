//! Sessions, steps and answers of people.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;

use super::{Segment, Shape, keyed, plain, segment};
use crate::runtime::runtime::Runtime;
use crate::runtime::session::Input;

type Shared = State<Arc<Runtime>>;

pub(super) async fn open(State(runtime): Shared, request: Request) -> Response {
    let shape = Shape::session("POST /sessions", false);
    keyed(
        runtime,
        request,
        shape,
        async |runtime: Arc<Runtime>, body| runtime.open(&body).await,
    )
    .await
}

pub(super) async fn read(State(runtime): Shared, id: Segment) -> Response {
    let id = segment(id);
    plain(
        runtime,
        "GET /sessions/{id}",
        async move |runtime: Arc<Runtime>| runtime.read(&id),
    )
    .await
}

pub(super) async fn transcript(State(runtime): Shared, id: Segment) -> Response {
    let id = segment(id);
    plain(
        runtime,
        "GET /sessions/{id}/transcript",
        async move |runtime: Arc<Runtime>| runtime.transcript(&id),
    )
    .await
}

pub(super) async fn step(State(runtime): Shared, id: Segment, request: Request) -> Response {
    let id = segment(id);
    let shape = Shape::session("POST /sessions/{id}/step", true);
    keyed(
        runtime,
        request,
        shape,
        async move |runtime: Arc<Runtime>, _| runtime.advance(&id, Input::Step).await,
    )
    .await
}

pub(super) async fn close(State(runtime): Shared, id: Segment, request: Request) -> Response {
    let id = segment(id);
    let shape = Shape::session("POST /sessions/{id}/close", true);
    keyed(
        runtime,
        request,
        shape,
        async move |runtime: Arc<Runtime>, _| runtime.close(&id).await,
    )
    .await
}

pub(super) async fn answer(
    State(runtime): Shared,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Response {
    let (id, intervention) = path.map(|Path(both)| both).unwrap_or_default();
    let shape = Shape::session("POST /sessions/{id}/interventions/{iid}", false);
    keyed(
        runtime,
        request,
        shape,
        async move |runtime: Arc<Runtime>, body| {
            runtime
                .advance(
                    &id,
                    Input::Answered {
                        id: intervention,
                        body,
                    },
                )
                .await
        },
    )
    .await
}
