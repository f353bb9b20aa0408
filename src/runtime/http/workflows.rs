//! Workflows.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::Value;

use super::{Shape, keyed};
use crate::runtime::access::Caller;
use crate::runtime::runtime::Runtime;
use crate::runtime::session::entry::CallKey;

fn user_of(body: &Value) -> Option<&str> {
    body.get("user_id").and_then(Value::as_str)
}

pub(super) async fn execute(State(runtime): State<Arc<Runtime>>, request: Request) -> Response {
    let shape = Shape {
        limit: Some(runtime.parts().workflow().largest_body()),
        check: Some(Runtime::check_execute),
        user_of: Some(user_of),
        ..Shape::session("POST /execute", false)
    };
    let header = request.headers().get("idempotency-key");
    let header = header.and_then(|value| value.to_str().ok().map(str::to_owned));
    keyed(
        runtime,
        request,
        shape,
        async move |runtime: Arc<Runtime>, caller: Caller, body: Value, kept: Option<CallKey>| {
            let member = body.get("requestId").and_then(Value::as_str);
            let key = header.or_else(|| member.map(str::to_owned));
            runtime.follow_manifests().await?;
            // On the heap: what a workflow does is large, and it is within much already.
            let run = Box::pin(async {
                let answer = runtime.execute_workflow(caller, body, key).await?;
                runtime
                    .keep_answer("POST /execute", kept.as_ref(), &answer)
                    .await?;
                Ok(answer)
            });
            runtime.alone(kept.as_ref(), run).await
        },
    )
    .await
}

pub(super) async fn plan(State(runtime): State<Arc<Runtime>>, request: Request) -> Response {
    let shape = Shape {
        check: Some(Runtime::check_plan),
        user_of: Some(user_of),
        ..Shape::session("POST /plan", false)
    };
    keyed(
        runtime,
        request,
        shape,
        async move |runtime: Arc<Runtime>, caller: Caller, body: Value, kept: Option<CallKey>| {
            runtime.follow_manifests().await?;
            let answer = runtime.plan_workflow(caller, &body).await?;
            runtime
                .keep_answer("POST /plan", kept.as_ref(), &answer)
                .await?;
            Ok(answer)
        },
    )
    .await
}
