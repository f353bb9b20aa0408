//! Calls of services and of the model: the only place of this room that opens connections.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Client, Response, Url, redirect};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::StartError;
use super::access::dial::{self, Guard};
use super::access::refusal;
use super::error::{Code, ErrorObject};
use super::files::{self, Verb};
use super::parts::Parts;
use super::plugins::PluginCode;
use super::reads;
use super::redact::Site;
use super::request::{self, Rendered};
use super::response;
use super::runtime::Runtime;
use super::sandbox::running;
use super::session::transcript::SideEffect;
use super::session::{Call, Execution};
use super::telemetry::{self, Begun, Peer, What, span};
use crate::manifest::{Action, InvokeApi, Kind, Method, RunCode};
use crate::model::{
    LARGEST_ANSWER, LONGEST_SILENCE, Message, ModelConfig, ModelFailure, ModelReply,
};
use crate::requirement::Profile;

/// A client that follows no redirect and uses no proxy of the environment: where a call goes is ours to decide.
///
/// With a guard it connects only to addresses that the guard lets through.
///
/// # Errors
/// When TLS cannot be set up.
pub(super) fn client(guard: Option<Guard>) -> Result<Client, StartError> {
    // Another part of the process may have installed a provider already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder();
    let builder = match guard {
        Some(guard) => builder.dns_resolver(Arc::new(guard)),
        None => builder,
    };
    builder
        .redirect(redirect::Policy::none())
        .no_proxy()
        .connect_timeout(Duration::from_secs(10))
        // Shorter than servers commonly keep idle connections, lest a call meets one that is being closed.
        .pool_idle_timeout(Duration::from_secs(4))
        .build()
        .map_err(|error| StartError::Client(error.to_string()))
}

/// Executes one action.
pub(super) async fn invoke(runtime: &Runtime, call: &Call) -> Execution {
    let parts = runtime.parts();
    let loaded;
    let api = match &call.action.kind {
        Kind::InvokeApi(api) if api.cache.is_some() || api.batch.is_some() => {
            return reads::invoke(runtime, call, api).await;
        }
        Kind::InvokeApi(api) => api,
        Kind::RunCode(code) => return running::run(runtime, call, code).await,
        Kind::ReadFile(root) => return files::invoke(runtime, call, Verb::Read, root).await,
        Kind::WriteFile(root) => return files::invoke(runtime, call, Verb::Write, root).await,
        Kind::Plugin(_) => {
            let rules = parts.workflow();
            match rules.plugin_code(runtime.plugins(), rules.plugin_name(&call.action)) {
                Ok(PluginCode::Module(code)) => return run_module(runtime, call, &code).await,
                Ok(PluginCode::Api(api)) => {
                    loaded = api;
                    &*loaded
                }
                Err(error) => {
                    return Execution::refused(error);
                }
            }
        }
        // Registration refuses every other type but questions, which are not executed.
        _ => {
            let error =
                ErrorObject::new(Code::InternalError, "the action's type cannot be executed");
            return Execution::refused(error);
        }
    };
    let mut execution = request(runtime, call, api, &call.args).await;
    // The map of a definition is applied where its output is read; that of a plugin is known here only.
    if let Kind::Plugin(_) = call.action.kind {
        execution.outcome = execution.outcome.map(|raw| {
            let clean = parts.redact_value(Site::ServiceReply, runtime.redactor(), raw);
            parts.response_value(api.response_map.as_ref(), clean)
        });
    }
    execution
}

/// What stands in the transcript for a request that may have been sent by a process that died: no answer is known.
pub(super) fn interrupted(runtime: &Runtime, call: &Call) -> Option<SideEffect> {
    let Kind::InvokeApi(api) = &call.action.kind else {
        return None;
    };
    let parts = runtime.parts();
    let key = parts.outgoing_key(call);
    let rendered = request::render(parts, api, &call.args, &runtime.credentials(), key).ok()?;
    let rendered = parts.finish_request(rendered, api);
    Some(SideEffect {
        step_number: Some(call.step_number),
        kind: "http",
        method: rendered.method.as_str().to_owned(),
        target: parts.effect_target(&rendered.url),
        status: Value::from("interrupted"),
        at: parts.format_time(runtime.now()),
    })
}

/// Sends the request of a call with these arguments, which are its own or those of several joined.
pub(super) async fn request(
    runtime: &Runtime,
    call: &Call,
    api: &InvokeApi,
    args: &Value,
) -> Execution {
    let parts = runtime.parts();
    let key = parts.outgoing_key(call);
    let rendered = request::render(parts, api, args, &runtime.credentials(), key)
        .map(|rendered| parts.finish_request(rendered, api));
    let rendered = match rendered {
        Ok(rendered) => rendered,
        Err(error) => {
            return Execution::refused(error);
        }
    };
    let mut execution = send(
        runtime,
        &call.action,
        api,
        call.step_number,
        rendered.clone(),
    )
    .await;
    let mut tries = 1;
    while matches!(&execution.outcome, Err(error) if parts.tries_again(error, tries)) {
        let again = send(
            runtime,
            &call.action,
            api,
            call.step_number,
            rendered.clone(),
        )
        .await;
        execution.outcome = again.outcome;
        execution.side_effects.extend(again.side_effects);
        tries += 1;
    }
    execution
}

/// Runs a plugin that is a module. What a limit ended is told as such; whatever else it fails with is the plugin's failure
/// (`spec/workflows.md`, section 13).
async fn run_module(runtime: &Runtime, call: &Call, code: &RunCode) -> Execution {
    if !runtime.profiles().contains(&Profile::SandboxWasm) {
        let message = "the plugin is a module, and this runtime runs none";
        return Execution::refused(ErrorObject::new(Code::PluginError, message));
    }
    let mut execution = running::run(runtime, call, code).await;
    if let Err(error) = &mut execution.outcome
        && error.code == Code::SandboxError
    {
        *error = ErrorObject::new(Code::PluginError, error.message.clone());
    }
    execution
}

/// Sends a request and follows what may be followed, all within the action's time limit.
async fn send(
    runtime: &Runtime,
    action: &Action,
    api: &InvokeApi,
    step_number: u64,
    mut rendered: Rendered,
) -> Execution {
    let parts = runtime.parts();
    let allowed = parts
        .access()
        .allowed_networks(runtime.allowed_networks(), action);
    if let Err(error) = dial::check_target(parts, &rendered.url, &allowed) {
        return Execution::refused(error);
    }
    let limit = parts.action_timeout(api);
    let deadline = Instant::now() + limit;
    let mut side_effects = Vec::new();
    let mut followed = 0;
    loop {
        let at = parts.format_time(runtime.now());
        let begun = telemetry::current().map(|scope| scope.begin(What::Api));
        let exchange = exchange(runtime, &rendered, begun.as_ref());
        let exchanged = match timeout_at(deadline, exchange).await {
            Ok(exchanged) => exchanged,
            Err(_) => Exchanged::failed(response::timed_out(limit.as_millis())),
        };
        if let Some(begun) = begun {
            exchanged.tell(&rendered, begun);
        }
        if exchanged.sent {
            side_effects.push(SideEffect {
                step_number: Some(step_number),
                kind: "http",
                method: rendered.method.as_str().to_owned(),
                target: parts.effect_target(&rendered.url),
                status: exchanged.status.map_or(Value::Null, Value::from),
                at,
            });
        }
        match exchanged.next {
            Next::Done(outcome) => {
                return Execution {
                    outcome,
                    side_effects,
                    logs: None,
                };
            }
            Next::Redirect(status, location) => {
                let to = location.and_then(|location| rendered.url.join(&location).ok());
                match to.filter(|to| {
                    parts.follow_redirect(rendered.method, &rendered.url, to, followed)
                        && !request::tells_secret(to, runtime.redactor())
                }) {
                    Some(to) => {
                        let checked = dial::check_target(parts, &to, &allowed);
                        if let (Err(error), true) = (checked, parts.access().checks_redirects()) {
                            return Execution {
                                outcome: Err(error),
                                side_effects,
                                logs: None,
                            };
                        }
                        rendered.url = to;
                    }
                    None => {
                        return Execution {
                            outcome: Err(response::redirect_refused(status)),
                            side_effects,
                            logs: None,
                        };
                    }
                }
                followed += 1;
            }
        }
    }
}

/// What came of one request.
struct Exchanged {
    /// Whether anything may have left.
    sent: bool,
    status: Option<u16>,
    next: Next,
}

enum Next {
    Done(Result<Value, ErrorObject>),
    Redirect(u16, Option<String>),
}

impl Exchanged {
    fn not_sent(error: ErrorObject) -> Self {
        Self {
            sent: false,
            status: None,
            next: Next::Done(Err(error)),
        }
    }

    fn failed(error: ErrorObject) -> Self {
        Self {
            sent: true,
            status: None,
            next: Next::Done(Err(error)),
        }
    }

    /// Ends its span, if anything may have left.
    fn tell(&self, rendered: &Rendered, begun: Begun) {
        if !self.sent {
            return;
        }
        begun.called("service", &rendered.url);
        let error = match &self.next {
            Next::Done(Err(error)) => Some(error.code.name().to_owned()),
            _ => None,
        };
        let method = rendered.method.as_str();
        begun.end(|span| span::api(span, method, &rendered.url, self.status, error));
    }
}

async fn exchange(runtime: &Runtime, rendered: &Rendered, begun: Option<&Begun>) -> Exchanged {
    let Some(mut headers) = header_map(&rendered.headers) else {
        let error = ErrorObject::new(
            Code::InvalidCredential,
            "a header's value cannot be sent, so nothing was sent",
        );
        return Exchanged::not_sent(error);
    };
    if let Some(begun) = begun {
        begun.stamp(Peer::Service, &mut headers);
    }
    let mut request = runtime
        .services()
        .request(method(rendered.method), rendered.url.clone())
        .headers(headers);
    if let Some(body) = &rendered.body {
        request = request.body(body.clone());
    }
    let answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) if dial::was_refused(&error) => {
            return Exchanged::not_sent(refusal::address_refused());
        }
        Err(_) => return Exchanged::failed(response::unreachable()),
    };
    let status = answer.status().as_u16();
    if matches!(status, 301 | 302 | 303 | 307 | 308)
        && let Some(location) = answer.headers().get(LOCATION)
    {
        let location = location.to_str().ok().map(str::to_owned);
        return Exchanged {
            sent: true,
            status: Some(status),
            next: Next::Redirect(status, location),
        };
    }
    let limit = runtime.parts().reply_limit();
    let media_type = answer
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let is_read = runtime.parts().reads_media_type(media_type);
    let outcome = match read_bounded(answer, limit).await {
        Ok(_) if !is_read => Err(response::unreadable()),
        Ok(body) => runtime.parts().classify_response(status, &body),
        // The status decides before the body does.
        Err(_) if !(200..300).contains(&status) => Err(response::upstream_status(status)),
        Err(Broken::TooLarge) => Err(response::too_large(limit)),
        Err(Broken::Off) => Err(response::unreachable()),
    };
    Exchanged {
        sent: true,
        status: Some(status),
        next: Next::Done(outcome),
    }
}

/// Why a body could not be read.
enum Broken {
    TooLarge,
    Off,
}

async fn read_bounded(mut answer: Response, limit: usize) -> Result<Vec<u8>, Broken> {
    let mut body = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > limit => return Err(Broken::TooLarge),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(_) => return Err(Broken::Off),
        }
    }
}

fn header_map(headers: &[(String, String)]) -> Option<HeaderMap> {
    let mut map = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        map.append(name, HeaderValue::from_bytes(value.as_bytes()).ok()?);
    }
    Some(map)
}

fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Delete => reqwest::Method::DELETE,
    }
}

/// Asks the model once.
pub(super) async fn ask(
    runtime: &Runtime,
    messages: &[Message],
) -> Result<ModelReply, ModelFailure> {
    let parts = runtime.parts();
    let mut last = ModelFailure::new("the model was not asked");
    for _ in 0..parts.model_tries() {
        match ask_once(runtime, parts, messages).await {
            Ok(reply) => return Ok(reply),
            Err(failure) => last = failure,
        }
    }
    Err(last)
}

async fn ask_once(
    runtime: &Runtime,
    parts: &dyn Parts,
    messages: &[Message],
) -> Result<ModelReply, ModelFailure> {
    let model = runtime.model();
    let url = Url::parse(&model.wire.url(&model.base_url))
        .map_err(|_| ModelFailure::new("the model's base URL is not a URL; set it right"))?;
    let mut headers = header_map(&parts.model_headers(model)).ok_or_else(|| {
        ModelFailure::new("the model's key cannot be sent in a header; set it right")
    })?;
    let body = parts.model_request(model, messages, parts.model_parameters());
    let begun = telemetry::current().map(|scope| scope.begin(What::Model));
    if let Some(begun) = &begun {
        begun.stamp(Peer::Model, &mut headers);
    }
    let exchange = async {
        let answer = runtime
            .client()
            .post(url.clone())
            .headers(headers)
            .body(body.to_string())
            .send()
            .await
            .map_err(|_| ModelFailure::new("the model could not be reached"))?;
        let status = answer.status().as_u16();
        let retry_after = answer
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let is_good = (200..300).contains(&status);
        // A model that knows no streams answers in one piece.
        if model.stream && is_good && is_stream(&answer) {
            return read_stream(answer, model).await;
        }
        let body = match read_bounded(answer, LARGEST_ANSWER).await {
            Ok(body) => body,
            Err(_) if !is_good => Vec::new(),
            Err(Broken::TooLarge) => {
                return Err(ModelFailure::new("the model's answer is too large"));
            }
            Err(Broken::Off) => return Err(ModelFailure::new(BROKEN_OFF)),
        };
        parts.read_model_reply(model.wire, status, retry_after.as_deref(), &body)
    };
    let outcome = tokio::time::timeout(model.timeout, exchange)
        .await
        .unwrap_or_else(|_| Err(ModelFailure::new("the model did not answer in time")));
    if let Some(begun) = begun {
        begun.called("model", &url);
        begun.end(|span| span::model(span, model, &outcome));
    }
    outcome
}

/// What is said of a model that did not end its answer.
const BROKEN_OFF: &str = "the model broke off its answer";

fn is_stream(answer: &Response) -> bool {
    let media_type = answer.headers().get(CONTENT_TYPE);
    media_type
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("text/event-stream"))
}

/// Reads a reply that comes as a stream, event by event; the time of the whole is bounded by the caller.
async fn read_stream(
    mut answer: Response,
    model: &ModelConfig,
) -> Result<ModelReply, ModelFailure> {
    let mut reader = model.wire.stream();
    while !reader.is_done() {
        let next = tokio::time::timeout(LONGEST_SILENCE, answer.chunk()).await;
        let silent = |_| ModelFailure::new("the model fell silent within its answer");
        match next.map_err(silent)? {
            Ok(Some(bytes)) => reader.push(&bytes)?,
            Ok(None) => break,
            Err(_) => return Err(ModelFailure::new(BROKEN_OFF)),
        }
    }
    reader.end()
}
