//! The HTTP door: routes, and what every call goes through (`spec/errors.md` sections 2 and 3, `spec/idempotency.md`).

pub(super) mod body;
mod console;
mod documents;
pub(super) mod door;
mod events;
mod sessions;
mod workflows;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::access::Caller;
use super::answer::Answer;
use super::error::{Code, ErrorObject};
use super::idempotency::{Admission, Keyed, Ticket};
use super::keeping;
use super::runtime::Runtime;
use super::session::entry::CallKey;
use super::telemetry::{self, Scope};
use crate::requirement::Profile;

/// How long the body of a call that is refused anyway may take to arrive.
const LATE_BODY: Duration = Duration::from_secs(1);

/// All routes; whatever is not among them is answered with an error object too.
pub(super) fn router(runtime: Arc<Runtime>) -> Router {
    let mut router = Router::new()
        .route("/healthz", get(documents::health))
        .route("/readyz", get(documents::ready))
        .route("/capabilities", get(documents::capabilities))
        .route("/manifests", get(documents::list).post(documents::register))
        .route(
            "/manifests/{reference}",
            get(documents::read).delete(documents::delete),
        );
    if runtime.profiles().contains(&Profile::Observability) {
        router = router.route("/metrics", get(documents::metrics));
    }
    // What belongs to a profile that is not declared does not exist.
    if runtime.profiles().contains(&Profile::Session) {
        router = router
            .route("/sessions", get(sessions::list).post(sessions::open))
            .route("/sessions/{id}", get(sessions::read))
            .route("/sessions/{id}/step", post(sessions::step))
            .route("/sessions/{id}/close", post(sessions::close))
            .route("/sessions/{id}/run", post(sessions::run))
            .route("/sessions/{id}/events", get(events::events))
            .route("/sessions/{id}/transcript", get(sessions::transcript));
    }
    let asks = [Profile::Session, Profile::Human];
    if asks
        .iter()
        .all(|profile| runtime.profiles().contains(profile))
    {
        router = router.route(
            "/sessions/{id}/interventions/{intervention}",
            post(sessions::answer),
        );
    }
    if runtime.profiles().contains(&Profile::Workflow) {
        router = router
            .route("/execute", post(workflows::execute))
            .route("/plan", post(workflows::plan));
    }
    if runtime.console().is_some() {
        router = router
            .route("/console", get(console::page))
            .route("/console/", get(console::page))
            .route("/console/{*path}", get(console::file));
    }
    router = router
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method);
    if runtime.console().is_some() {
        let own_origin = from_fn_with_state(Arc::clone(&runtime), console::own_origin);
        router = router.layer(own_origin);
    }
    router.with_state(runtime)
}

/// What whoever comes while the runtime drains is answered, whatever it asks.
pub(super) fn refusal(runtime: Arc<Runtime>) -> Router {
    Router::new().fallback(refuse_late).with_state(runtime)
}

async fn refuse_late(State(runtime): State<Arc<Runtime>>, request: Request) -> Response {
    // A body that nobody reads would break the connection before its client has the answer.
    body::discard(LATE_BODY, request.into_body()).await;
    let mut response = refuse(&runtime, "*", &shuts_down());
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The refusal while the runtime drains; another, or the next one at this address, may be there at once.
fn shuts_down() -> ErrorObject {
    let message = "the runtime shuts down; try another";
    ErrorObject::new(Code::CapacityExceeded, message).with("retry_after", 1)
}

async fn no_such_path(State(runtime): State<Arc<Runtime>>) -> Response {
    let error = ErrorObject::new(
        Code::NotFound,
        "there is no such path; see GET /capabilities for what is offered",
    );
    respond(&runtime.finish("*", Answer::error(runtime.parts(), &error)))
}

async fn no_such_method(State(runtime): State<Arc<Runtime>>) -> Response {
    let error = ErrorObject::new(
        Code::MethodNotAllowed,
        "the path does not have this method; see the Allow header",
    );
    respond(&runtime.finish("*", Answer::error(runtime.parts(), &error)))
}

/// What a handler comes to.
type Outcome = Result<Answer, ErrorObject>;

/// A path segment; one that is not UTF-8 names nothing.
type Segment = Result<Path<String>, axum::extract::rejection::PathRejection>;

fn segment(segment: Segment) -> String {
    segment.map(|Path(text)| text).unwrap_or_default()
}

/// What a call does with its body and its idempotency key.
#[derive(Debug, Clone, Copy)]
struct Shape {
    /// The route, as `finish_answer` gets it.
    route: &'static str,
    /// Whether an empty body stands for `{}`.
    empty_allowed: bool,
    /// Whether `requestId` in the body is a key.
    key_in_body: bool,
    /// Whether the body must be an object.
    object: bool,
    /// The largest body in bytes, where the call has a limit of its own.
    limit: Option<usize>,
    /// What is checked before anybody asks who calls: with it, a body that is wrong is refused as such whoever sends it.
    check: Option<Check>,
    /// The user that the body names, who has to be the caller (access.md 2.1).
    user_of: Option<UserOf>,
}

/// A look at a body alone.
type Check = fn(&Runtime, &Value) -> Result<(), ErrorObject>;

/// Where a body names its user.
type UserOf = fn(&Value) -> Option<&str>;

impl Shape {
    const fn session(route: &'static str, empty_allowed: bool) -> Self {
        Self {
            route,
            empty_allowed,
            key_in_body: true,
            object: true,
            limit: None,
            check: None,
            user_of: None,
        }
    }
}

/// A call that needs no token and has no body.
async fn open_to_all<F, Fut>(runtime: Arc<Runtime>, route: &'static str, run: F) -> Response
where
    F: FnOnce(Arc<Runtime>) -> Fut + Send + 'static,
    Fut: Future<Output = Outcome> + Send,
{
    let answer = detached(&runtime, route, None, None, run).await;
    respond(&answer)
}

/// A call without body: the key, if any, means nothing.
async fn plain<F, Fut>(
    runtime: Arc<Runtime>,
    headers: HeaderMap,
    route: &'static str,
    run: F,
) -> Response
where
    F: FnOnce(Arc<Runtime>, Caller) -> Fut + Send + 'static,
    Fut: Future<Output = Outcome> + Send,
{
    let caller = match who_calls(&runtime, &headers) {
        Ok(caller) => caller,
        Err(error) => return refuse(&runtime, route, &error),
    };
    let run = move |runtime| run(runtime, caller);
    let answer = detached(&runtime, route, None, None, run).await;
    respond(&answer)
}

fn refuse(runtime: &Runtime, route: &str, error: &ErrorObject) -> Response {
    respond(&runtime.finish(route, Answer::error(runtime.parts(), error)))
}

/// A call with a body: read it, see who calls and whether the key is known, run it, remember the answer.
async fn keyed<F, Fut>(runtime: Arc<Runtime>, request: Request, shape: Shape, run: F) -> Response
where
    F: FnOnce(Arc<Runtime>, Caller, Value, Option<CallKey>) -> Fut + Send + 'static,
    Fut: Future<Output = Outcome> + Send,
{
    let (head, body) = request.into_parts();
    let (caller, value) = match identify(&runtime, &head.headers, body, shape).await {
        Ok(both) => both,
        Err(error) => return refuse(&runtime, shape.route, &error),
    };
    let scope = match scope(&runtime, &head.headers, &value, shape) {
        Ok(scope) => scope,
        Err(error) => return refuse(&runtime, shape.route, &error),
    };
    let ticket = match admit(&runtime, &head, &caller, &value, shape) {
        Ok(Entry::Free) => None,
        Ok(Entry::Run(ticket, key)) => Some((ticket, key)),
        Ok(Entry::Repeat(answer)) => return respond(&answer),
        Ok(Entry::Wait(receiver)) => {
            return respond(&first_answer(&runtime, shape.route, receiver).await);
        }
        Err(error) => return refuse(&runtime, shape.route, &error),
    };
    let (ticket, key) = ticket.unzip();
    respond(
        &detached(
            &runtime,
            shape.route,
            ticket,
            scope,
            async move |runtime: Arc<Runtime>| match runtime.kept_answer(key.as_ref()).await? {
                Some(answer) => Ok(answer),
                None => {
                    let outcome = run(Arc::clone(&runtime), caller, value, key.clone()).await;
                    runtime.unless_answered(key.as_ref(), outcome).await
                }
            },
        )
        .await,
    )
}

/// Runs a call in a task of its own, so that it ends even if the client goes away.
async fn detached<F, Fut>(
    runtime: &Arc<Runtime>,
    route: &'static str,
    ticket: Option<Ticket>,
    scope: Option<Scope>,
    run: F,
) -> Answer
where
    F: FnOnce(Arc<Runtime>) -> Fut + Send + 'static,
    Fut: Future<Output = Outcome> + Send,
{
    let inside = Arc::clone(runtime);
    let task = runtime.tasks().spawn(async move {
        let outcome = if inside.draining() {
            Err(shuts_down())
        } else {
            telemetry::within(scope.clone(), run(Arc::clone(&inside))).await
        };
        let answer = outcome.unwrap_or_else(|error| Answer::error(inside.parts(), &error));
        let answer = inside.finish(route, answer);
        let answer = match scope {
            Some(scope) => scope.end(answer).await,
            None => answer,
        };
        if let Some(ticket) = ticket {
            ticket.complete(inside.parts(), &answer);
        }
        answer
    });
    // A task that panicked has freed its key; the client learns no more than that.
    task.await.unwrap_or_else(|_| {
        let error = ErrorObject::new(Code::InternalError, "the call failed inside the runtime");
        runtime.finish(route, Answer::error(runtime.parts(), &error))
    })
}

/// How many bodies of strangers are looked at at the same time: each may take up a hundred times its size in memory, and a
/// thread for a while, when it is checked. Strangers wait for each other only.
static STRANGERS: Semaphore = Semaphore::const_new(1);

/// Who calls, and the body.
///
/// A stranger's body is not even kept, unless the call's own check has to come first (workflows.md 6).
async fn identify(
    runtime: &Runtime,
    headers: &HeaderMap,
    body: Body,
    shape: Shape,
) -> Result<(Caller, Value), ErrorObject> {
    let caller = who_calls(runtime, headers);
    if let (Err(error), None) = (&caller, shape.check) {
        body::discard(runtime.limits().body_time, body).await;
        return Err(error.clone());
    }
    // Whoever gets no place in time learns what a look at the body would end with anyway.
    let place = match &caller {
        Ok(_) => None,
        Err(error) => {
            let place = timeout(runtime.limits().body_time, STRANGERS.acquire()).await;
            Some(place.map_err(|_| error.clone())?)
        }
    };
    let value = read_value(runtime, headers, body, shape).await?;
    let _place = place;
    if let Some(check) = shape.check {
        check(runtime, &value)?;
    }
    let caller = caller?;
    if let Some(user_id) = shape.user_of.and_then(|user_of| user_of(&value)) {
        runtime.parts().access().check_user(&caller, user_id)?;
    }
    Ok((caller, value))
}

/// Who calls; a token that is not accepted is told to the operator.
fn who_calls(runtime: &Runtime, headers: &HeaderMap) -> Result<Caller, ErrorObject> {
    runtime.caller(headers).inspect_err(|error| {
        if let Some(telemetry) = runtime.telemetry() {
            telemetry.token_refused(headers, error);
        }
    })
}

/// What the signals of a call belong to, where there are any.
fn scope(
    runtime: &Runtime,
    headers: &HeaderMap,
    value: &Value,
    shape: Shape,
) -> Result<Option<Scope>, ErrorObject> {
    let Some(telemetry) = runtime.telemetry() else {
        return Ok(None);
    };
    if let Some(error) = telemetry.refused_context(headers) {
        return Err(error);
    }
    let header = headers.get("idempotency-key");
    let header = header.and_then(|value| value.to_str().ok());
    let member = || {
        value
            .get("requestId")
            .filter(|_| shape.key_in_body)?
            .as_str()
    };
    let request_id = header.or_else(member).map(str::to_owned);
    let scope = Scope::open(telemetry, headers, shape.route, request_id);
    Ok(Some(scope))
}

async fn read_value(
    runtime: &Runtime,
    headers: &HeaderMap,
    body: Body,
    shape: Shape,
) -> Result<Value, ErrorObject> {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .map(|value| value.to_str().unwrap_or("not text"));
    let value = body::read(
        runtime.parts(),
        runtime.limits().body_time,
        shape.limit,
        content_type,
        body,
    )
    .await?;
    match value {
        None if shape.empty_allowed => Ok(Value::Object(Map::new())),
        None => Err(ErrorObject::new(
            Code::MalformedJson,
            "the body is empty; send one JSON value",
        )),
        Some(value) => {
            if shape.object {
                runtime.parts().check_shape(&value)?;
            }
            Ok(value)
        }
    }
}

/// How a call goes on after a look at its key.
enum Entry {
    Free,
    Run(Ticket, CallKey),
    Repeat(Answer),
    Wait(tokio::sync::watch::Receiver<Option<Answer>>),
}

fn admit(
    runtime: &Runtime,
    head: &axum::http::request::Parts,
    caller: &Caller,
    value: &Value,
    shape: Shape,
) -> Result<Entry, ErrorObject> {
    let parts = runtime.parts();
    let header = head
        .headers
        .get("idempotency-key")
        .map(|value| value.to_str().unwrap_or(""));
    let member = value.get("requestId").filter(|_| shape.key_in_body);
    let Some(key) = parts.idempotency_key(header, member)? else {
        return Ok(Entry::Free);
    };
    let scope = parts.idempotency_scope(&Keyed {
        subject: &parts.access().key_subject(caller),
        method: head.method.as_str(),
        path: head.uri.path(),
        key: &key,
    });
    let fingerprint = parts.fingerprint(value);
    let call_key = keeping::call_key(&scope, fingerprint.clone());
    match runtime
        .idempotency()
        .admit(scope, fingerprint, runtime.now())
    {
        Admission::Run(ticket) => Ok(Entry::Run(ticket, call_key)),
        Admission::Repeat(answer) if parts.repeats() => Ok(Entry::Repeat(answer)),
        Admission::Wait(receiver) if parts.duplicates_wait() => Ok(Entry::Wait(receiver)),
        Admission::Repeat(_) | Admission::Wait(_) => Ok(Entry::Free),
        Admission::Conflict => parts.idempotency_conflict().map_or(Ok(Entry::Free), Err),
    }
}

/// Waits for the answer of the request that came first.
async fn first_answer(
    runtime: &Runtime,
    route: &str,
    mut receiver: tokio::sync::watch::Receiver<Option<Answer>>,
) -> Answer {
    match receiver
        .wait_for(Option::is_some)
        .await
        .map(|answer| answer.clone())
    {
        Ok(Some(answer)) => answer,
        _ => {
            let error = ErrorObject::new(
                Code::Conflict,
                "the first request with this key did not end; send it again",
            );
            runtime.finish(route, Answer::error(runtime.parts(), &error))
        }
    }
}

fn respond(answer: &Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body.to_string()));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    for (name, value) in &answer.headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(*name, value);
        }
    }
    response
}
