//! Sessions, steps and answers of people.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::Value;

use super::{Segment, Shape, keyed, plain, segment};
use crate::runtime::access::Caller;
use crate::runtime::runtime::Runtime;
use crate::runtime::session::Input;
use crate::runtime::session::entry::CallKey;

type Shared = State<Arc<Runtime>>;

/// The user that the initial observation of a session names.
fn user_of(body: &Value) -> Option<&str> {
    let user = body.pointer("/observation/user_context/user_id")?.as_str();
    // An empty one names nobody; the look at the observation refuses it.
    user.filter(|user| !user.is_empty())
}

pub(super) async fn open(State(runtime): Shared, request: Request) -> Response {
    let shape = Shape {
        user_of: Some(user_of),
        ..Shape::session("POST /sessions", false)
    };
    keyed(
        runtime,
        request,
        shape,
        async |runtime: Arc<Runtime>, caller: Caller, body, key: Option<CallKey>| {
            let answer = runtime.open(&caller, &body, key.as_ref()).await?;
            if let Some(id) = answer.body.get("session_id").and_then(Value::as_str) {
                runtime.go_on(&caller, id, &answer);
            }
            Ok(answer)
        },
    )
    .await
}

pub(super) async fn list(
    State(runtime): Shared,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    plain(
        runtime,
        headers,
        "GET /sessions",
        async move |runtime: Arc<Runtime>, caller: Caller| runtime.list(&caller, &query).await,
    )
    .await
}

pub(super) async fn read(State(runtime): Shared, headers: HeaderMap, id: Segment) -> Response {
    let id = segment(id);
    plain(
        runtime,
        headers,
        "GET /sessions/{id}",
        async move |runtime: Arc<Runtime>, caller: Caller| runtime.read(&caller, &id).await,
    )
    .await
}

pub(super) async fn transcript(
    State(runtime): Shared,
    headers: HeaderMap,
    id: Segment,
) -> Response {
    let id = segment(id);
    plain(
        runtime,
        headers,
        "GET /sessions/{id}/transcript",
        async move |runtime: Arc<Runtime>, caller: Caller| runtime.transcript(&caller, &id).await,
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
        async move |runtime: Arc<Runtime>, caller: Caller, _, key: Option<CallKey>| {
            runtime
                .advance(&caller, &id, Input::Step(caller.clone()), key.as_ref())
                .await
        },
    )
    .await
}

pub(super) async fn run(State(runtime): Shared, id: Segment, request: Request) -> Response {
    let id = segment(id);
    let shape = Shape::session("POST /sessions/{id}/run", true);
    keyed(
        runtime,
        request,
        shape,
        async move |runtime: Arc<Runtime>, caller: Caller, _, _| runtime.run(&caller, &id).await,
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
        async move |runtime: Arc<Runtime>, caller: Caller, _, key: Option<CallKey>| {
            runtime.close(&caller, &id, key.as_ref()).await
        },
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
        async move |runtime: Arc<Runtime>, caller: Caller, body, key: Option<CallKey>| {
            let input = Input::Answered {
                caller: caller.clone(),
                id: intervention,
                body,
            };
            let answer = runtime.advance(&caller, &id, input, key.as_ref()).await?;
            runtime.go_on(&caller, &id, &answer);
            Ok(answer)
        },
    )
    .await
}
