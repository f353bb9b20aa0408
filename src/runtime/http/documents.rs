//! Health, capabilities and manifests.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;

use super::{Outcome, Segment, Shape, keyed, open_to_all, plain, segment};
use crate::manifest::Manifest;
use crate::requirement::Profile;
use crate::runtime::access::Caller;
use crate::runtime::answer::Answer;
use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::registry::{self, Reference, Registered};
use crate::runtime::runtime::Runtime;
use crate::runtime::session::entry::CallKey;

type Shared = State<Arc<Runtime>>;

pub(super) async fn health(State(runtime): Shared) -> Response {
    open_to_all(runtime, "GET /healthz", async |runtime: Arc<Runtime>| {
        Ok(Answer::ok(runtime.parts().health()))
    })
    .await
}

pub(super) async fn ready(State(runtime): Shared) -> Response {
    open_to_all(runtime, "GET /readyz", async |runtime: Arc<Runtime>| {
        runtime.ready().await
    })
    .await
}

/// The metrics, as text; open to all, as scrapers expect it.
pub(super) async fn metrics(State(runtime): Shared) -> Response {
    let (media_type, text) = match runtime.telemetry() {
        Some(telemetry) => telemetry.metrics(),
        None => ("text/plain", String::new()),
    };
    let mut response = Response::new(Body::from(text));
    let media_type = HeaderValue::from_static(media_type);
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}

pub(super) async fn capabilities(State(runtime): Shared) -> Response {
    open_to_all(
        runtime,
        "GET /capabilities",
        async |runtime: Arc<Runtime>| {
            let parts = runtime.parts();
            let mut said = parts.capabilities(runtime.profiles());
            if runtime.profiles().contains(&Profile::Storage) {
                said["schemes"] = parts.storage().schemes(runtime.files().storage()).into();
            }
            if runtime.profiles().contains(&Profile::Draft21) {
                said["extensions"] = parts.named_extensions(runtime.extensions());
            }
            Ok(Answer::ok(said))
        },
    )
    .await
}

pub(super) async fn list(State(runtime): Shared, headers: HeaderMap) -> Response {
    plain(
        runtime,
        headers,
        "GET /manifests",
        async |runtime: Arc<Runtime>, _| {
            runtime.follow_manifests().await?;
            let all: Vec<Arc<Manifest>> = runtime.registry().all().cloned().collect();
            Ok(Answer::ok(runtime.parts().manifest_list(&all)))
        },
    )
    .await
}

pub(super) async fn register(State(runtime): Shared, request: Request) -> Response {
    // The body is the manifest, in which `requestId` is a member like any other.
    let shape = Shape {
        key_in_body: false,
        object: false,
        ..Shape::session("POST /manifests", false)
    };
    keyed(
        runtime,
        request,
        shape,
        async |runtime: Arc<Runtime>, caller, document, key: Option<CallKey>| {
            let parts = runtime.parts();
            parts.access().check_manifest_writer(&caller)?;
            runtime.check_code(&document).await?;
            runtime.follow_manifests().await?;
            let shared = runtime.shared_registry();
            let (registered, manifest) = parts.register(shared, &document, runtime.profiles())?;
            let status = match registered {
                Registered::Created => 201,
                Registered::Known => 200,
            };
            let answer = Answer::new(status, parts.registered_answer(&manifest));
            runtime
                .keep_manifest(registered, &manifest, key.as_ref(), &answer)
                .await?;
            Ok(answer)
        },
    )
    .await
}

pub(super) async fn read(
    State(runtime): Shared,
    headers: HeaderMap,
    reference: Segment,
) -> Response {
    let reference = segment(reference);
    plain(
        runtime,
        headers,
        "GET /manifests/{reference}",
        async move |runtime: Arc<Runtime>, _| -> Outcome {
            let Some(Reference::Exact(name, version)) = registry::parse_reference(&reference)
            else {
                return Err(not_found());
            };
            runtime.follow_manifests().await?;
            let manifest = runtime
                .registry()
                .get(&name, &version)
                .cloned()
                .ok_or_else(not_found)?;
            Ok(Answer::ok(runtime.parts().manifest_answer(&manifest)))
        },
    )
    .await
}

pub(super) async fn delete(
    State(runtime): Shared,
    headers: HeaderMap,
    reference: Segment,
) -> Response {
    let reference = segment(reference);
    plain(
        runtime,
        headers,
        "DELETE /manifests/{reference}",
        async move |runtime: Arc<Runtime>, caller: Caller| -> Outcome {
            runtime.parts().access().check_manifest_writer(&caller)?;
            let Some(Reference::Exact(name, version)) = registry::parse_reference(&reference)
            else {
                return Err(not_found());
            };
            runtime.follow_manifests().await?;
            runtime.drop_manifest(&name, &version).await?;
            let manifest = runtime
                .registry()
                .remove(&name, &version)
                .ok_or_else(not_found)?;
            Ok(Answer::ok(runtime.parts().registered_answer(&manifest)))
        },
    )
    .await
}

fn not_found() -> ErrorObject {
    ErrorObject::new(
        Code::ManifestNotFound,
        "no manifest of this name and version is registered; name it name@version",
    )
}
