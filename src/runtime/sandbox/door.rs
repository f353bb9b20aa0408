//! The granted way to the network (`spec/sandbox.md`, section 4): each request, and each redirect, goes only where the definition's
//! `network` says, to an address that the guard of all calls lets through, and is recorded.
//!
//! No credential of the runtime is added, no `${VAR}` is replaced, no cookie is kept: what the code sends is what leaves.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Client, Method, Response, Url};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::asked;
use crate::manifest;
use crate::runtime::access::{Network, dial};
use crate::runtime::clock::Clock;
use crate::runtime::parts::Parts;
use crate::runtime::session::transcript::SideEffect;
use crate::runtime::telemetry::{Begun, Peer, What, span};
use crate::sandbox::{Door, DoorReply, DoorRequest, Refused};

/// Longest exchange, redirects included.
const LONGEST: Duration = Duration::from_secs(10);

/// How long after its own limit an exchange is given up from outside.
const GRACE: Duration = Duration::from_secs(1);

/// Most bytes of an answer's body.
const LARGEST_BODY: usize = 1024 * 1024;

/// Most redirects of one exchange.
const MOST_REDIRECTS: u32 = 5;

/// As much of a scheme as is told, in bytes.
const LONGEST_SCHEME: usize = 32;

/// Most denied requests of one run that the operator is told of.
const MOST_DENIALS: usize = 10;

/// Most requests of one run.
const MOST_REQUESTS: usize = 100;

/// Methods that code may use; the others are of the connection.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Headers beside those of the connection that the client writes; those of code are left out, as browsers do.
const OWN_HEADERS: [&str; 2] = ["accept-encoding", "expect"];

/// Headers that another origin must not get by a redirect.
const PRIVATE_HEADERS: [&str; 2] = ["authorization", "cookie"];

/// The door of one run.
pub struct NetworkDoor {
    inner: Arc<Inner>,
    handle: Handle,
}

/// What the door of one run is made of.
pub struct Opened {
    /// The decisions.
    pub parts: Arc<dyn Parts>,
    /// Connects to addresses that are checked, and follows no redirect.
    pub client: Client,
    /// The clock that effects are dated by.
    pub clock: Clock,
    /// The definition's grants.
    pub network: Vec<String>,
    /// The closed blocks of addresses that the operator allows.
    pub reachable: Vec<Network>,
    /// The step or node that the effects belong to.
    pub step_number: u64,
    /// The action whose code it is.
    pub action: String,
    /// The run's span.
    pub run: Option<Begun>,
    /// Cancelled when the run is to end.
    pub ended: CancellationToken,
}

struct Inner {
    opened: Opened,
    journal: Mutex<Journal>,
}

#[derive(Default)]
struct Journal {
    requests: usize,
    denials: usize,
    effects: Vec<SideEffect>,
}

impl NetworkDoor {
    /// A door whose exchanges are made on this runtime of tasks.
    pub fn new(opened: Opened, handle: Handle) -> Self {
        Self {
            inner: Arc::new(Inner {
                opened,
                journal: Mutex::default(),
            }),
            handle,
        }
    }

    /// Whether the operator was told of a denied request.
    pub fn has_told(&self) -> bool {
        self.inner.journal().denials > 0
    }

    /// What was sent so far, in order.
    pub fn effects(&self) -> Vec<SideEffect> {
        std::mem::take(&mut self.inner.journal().effects)
    }
}

impl Door for NetworkDoor {
    fn call(&self, request: DoorRequest, patience: Duration) -> Result<DoorReply, Refused> {
        let patience = patience.min(LONGEST);
        let (reply, replied) = mpsc::channel();
        let inner = Arc::clone(&self.inner);
        // Spawned and waited for, not driven from here: where the runtime of tasks is gone there is an end, and no panic.
        self.handle.spawn(async move {
            let ended = inner.opened.ended.clone();
            let exchange = inner.exchange(request, Instant::now() + patience);
            let outcome = tokio::select! {
                outcome = exchange => outcome,
                () = ended.cancelled() => Err(failed("the run was ended")),
            };
            // Whoever asked may have given up.
            let _ = reply.send(outcome);
        });
        match replied.recv_timeout(patience + GRACE) {
            Ok(outcome) => outcome,
            Err(RecvTimeoutError::Timeout) => Err(timed_out()),
            Err(RecvTimeoutError::Disconnected) => Err(failed("the runtime shuts down")),
        }
    }
}

impl Inner {
    fn journal(&self) -> std::sync::MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn exchange(
        &self,
        request: DoorRequest,
        deadline: Instant,
    ) -> Result<DoorReply, Refused> {
        let mut sent = Sending::read(request)?;
        for _ in 0..=MOST_REDIRECTS {
            self.admit(&sent.url)
                .inspect_err(|refused| self.tell(refused))?;
            let effect = Noted::new(self, &mut sent);
            let answer = match timeout_at(deadline, sent.request(&self.opened.client).send()).await
            {
                Err(_) => return Err(timed_out()),
                Ok(Err(error)) if dial::was_refused(&error) => {
                    effect.never_left();
                    let refused = address_denied();
                    self.tell(&refused);
                    return Err(refused);
                }
                Ok(Err(_)) => return Err(failed("the host could not be reached")),
                Ok(Ok(answer)) => answer,
            };
            effect.answered(answer.status().as_u16());
            match redirected(&sent.url, &answer) {
                Some(to) => sent = sent.redirected(answer.status().as_u16(), to?),
                None => {
                    return match timeout_at(deadline, read(answer)).await {
                        Ok(reply) => reply,
                        Err(_) => Err(timed_out()),
                    };
                }
            }
        }
        Err(failed("the host redirects more than 5 times"))
    }

    /// Tells the operator that a request was denied: the code may go on as if nothing had been.
    fn tell(&self, refused: &Refused) {
        let (Refused::Denied(message), Some(run)) = (refused, &self.opened.run) else {
            return;
        };
        let mut journal = self.journal();
        journal.denials += 1;
        if journal.denials <= MOST_DENIALS {
            let Opened {
                step_number,
                action,
                ..
            } = &self.opened;
            run.denied(*step_number, action, message);
        }
    }

    /// Whether a request may go there.
    fn admit(&self, to: &Url) -> Result<(), Refused> {
        let parts = &*self.opened.parts;
        if !parts.sandbox().granted(&self.opened.network, to) {
            return Err(Refused::Denied(
                match (to.host_str(), to.port_or_known_default()) {
                    (Some(host), Some(port)) if matches!(to.scheme(), "http" | "https") => {
                        format!("the network is not granted for {host}:{port}")
                    }
                    _ => format!(
                        "a URL of the scheme {:?} is not granted; only http and https can be",
                        asked::cut(to.scheme().to_owned(), LONGEST_SCHEME)
                    ),
                },
            ));
        }
        dial::check_target(parts, to, &self.opened.reachable).map_err(|_| address_denied())?;
        let mut journal = self.journal();
        if journal.requests >= MOST_REQUESTS {
            return Err(failed("a run may send 100 requests; this is one more"));
        }
        journal.requests += 1;
        Ok(())
    }
}

/// A request on its way, which is recorded whatever becomes of it: dropped half way it has no status.
struct Noted<'i> {
    inner: &'i Inner,
    effect: Option<SideEffect>,
    span: Option<(Begun, Method, Url)>,
}

impl<'i> Noted<'i> {
    fn new(inner: &'i Inner, sent: &mut Sending) -> Self {
        let parts = &*inner.opened.parts;
        let now: Timestamp = inner.opened.clock.shown(parts.now());
        let effect = SideEffect {
            step_number: Some(inner.opened.step_number),
            kind: "http",
            method: sent.method.as_str().to_owned(),
            target: parts.effect_target(&sent.url),
            status: Value::Null,
            at: parts.format_time(now),
        };
        let span = inner.opened.run.as_ref().map(|run| {
            let begun = run.child(What::Api);
            begun.stamp(Peer::Sandbox, &mut sent.headers);
            (begun, sent.method.clone(), sent.url.clone())
        });
        Self {
            inner,
            effect: Some(effect),
            span,
        }
    }

    fn answered(mut self, status: u16) {
        if let Some(effect) = &mut self.effect {
            effect.status = Value::from(status);
        }
    }

    fn never_left(mut self) {
        self.effect = None;
        self.span = None;
    }
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        if let Some((begun, method, url)) = self.span.take() {
            let effect = self.effect.as_ref();
            let status = effect.and_then(|effect| effect.status.as_u64());
            let status = status.and_then(|status| u16::try_from(status).ok());
            let error = status.is_none().then(|| "upstream_unreachable".to_owned());
            begun.called("service", &url);
            begun.end(|span| span::api(span, method.as_str(), &url, status, error));
        }
        let recorded = self
            .effect
            .take()
            .and_then(|effect| self.inner.opened.parts.sandbox().recorded(effect));
        self.inner.journal().effects.extend(recorded);
    }
}

/// A request that can be sent.
struct Sending {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Sending {
    fn read(request: DoorRequest) -> Result<Self, Refused> {
        let method = request.method.to_ascii_uppercase();
        if !METHODS.contains(&method.as_str()) {
            return Err(failed("the method is not one that code may use"));
        }
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|_| failed("the method is not one that code may use"))?;
        let mut url = Url::parse(&request.url)
            .map_err(|_| failed("this is not an absolute URL; write http:// or https://"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(failed("leave user name and password out of the URL"));
        }
        url.set_fragment(None);
        let mut headers = HeaderMap::new();
        for (name, value) in request.headers {
            let folded = name.to_ascii_lowercase();
            if manifest::belongs_to_connection(&folded) || OWN_HEADERS.contains(&folded.as_str()) {
                continue;
            }
            let name = HeaderName::from_bytes(name.as_bytes());
            let value = HeaderValue::from_bytes(value.as_bytes());
            let (Ok(name), Ok(value)) = (name, value) else {
                return Err(failed("a header's name or value cannot be sent"));
            };
            headers.append(name, value);
        }
        Ok(Self {
            method,
            url,
            headers,
            body: request.body,
        })
    }

    fn request(&self, client: &Client) -> reqwest::RequestBuilder {
        let request = client
            .request(self.method.clone(), self.url.clone())
            .headers(self.headers.clone());
        if self.body.is_empty() {
            request
        } else {
            request.body(self.body.clone())
        }
    }

    /// The request that a redirect asks for, as browsers make it.
    fn redirected(mut self, status: u16, to: Url) -> Self {
        let becomes_get = match status {
            303 => self.method != Method::HEAD,
            301 | 302 => self.method == Method::POST,
            _ => false,
        };
        if becomes_get {
            self.method = Method::GET;
            self.body.clear();
            self.headers.remove("content-type");
        }
        if self.url.origin() != to.origin() {
            for private in PRIVATE_HEADERS {
                self.headers.remove(private);
            }
        }
        self.url = to;
        self
    }
}

/// Where an answer redirects to, if it does.
fn redirected(from: &Url, answer: &Response) -> Option<Result<Url, Refused>> {
    if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = answer.headers().get(LOCATION)?;
    let to = location.to_str().ok().and_then(|to| from.join(to).ok());
    let to = to.filter(|to| to.username().is_empty() && to.password().is_none());
    Some(to.ok_or_else(|| failed("the host redirects to something that is no URL")))
}

async fn read(mut answer: Response) -> Result<DoorReply, Refused> {
    let status = answer.status().as_u16();
    let headers = answer.headers().iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    let headers = headers.collect();
    let mut body = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > LARGEST_BODY => {
                return Err(failed("the answer is larger than 1 MiB"));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(_) => return Err(failed("the host broke off its answer")),
        }
    }
    Ok(DoorReply {
        status,
        headers,
        body,
    })
}

fn failed(message: &str) -> Refused {
    Refused::Failed(message.to_owned())
}

fn timed_out() -> Refused {
    failed("the host did not answer in time")
}

fn address_denied() -> Refused {
    let message = "the host has an address that the operator does not allow";
    Refused::Denied(message.to_owned())
}
