//! The mocks on the wire: one wiremock server each, whose only mock hands every request to the router.
//!
//! wiremock matches requests one at a time under its own lock, then asks the mock that matched for the answer under the
//! same lock. So the matcher decides (and journals), leaves the answer in a slot, and the responder takes it from there.

use std::fmt;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::mem;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

use wiremock::http::{HeaderName, HeaderValue};
use wiremock::{Match, Mock, MockServer, Request, ResponseTemplate};

use crate::StartError;
use crate::journal::Service;
use crate::router::{Router, lock};
use crate::wire::{Answer, Delivery, HOLD, Incoming};

/// Requests and bytes after which a server's mocks are replaced: wiremock keeps a copy of each request a mock matched.
const RENEW_AFTER_REQUESTS: usize = 256;
const RENEW_AFTER_BYTES: usize = 8 << 20;

/// How long to wait at shutdown for the ports to be free.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

type Pending = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Binds all four listeners; the addresses are known from then on.
pub(crate) fn bind(
    wanted: impl Fn(Service) -> Option<SocketAddr>,
    allow_non_loopback: bool,
) -> Result<Vec<(Service, TcpListener)>, StartError> {
    let bind = |service| {
        let address = wanted(service).unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        if !address.ip().is_loopback() && !allow_non_loopback {
            return Err(StartError::NotLoopback { service, address });
        }
        match TcpListener::bind(address) {
            Ok(listener) => Ok((service, listener)),
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                Err(StartError::Busy { service, address })
            }
            Err(source) => Err(StartError::Listen {
                service,
                address,
                source,
            }),
        }
    };
    Service::ALL.into_iter().map(bind).collect()
}

/// The running servers.
pub(crate) struct Servers(Vec<Arc<MockServer>>);

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|server| server.address()))
            .finish()
    }
}

impl Servers {
    pub(crate) async fn start(
        listeners: Vec<(Service, TcpListener)>,
        router: &Arc<Router>,
    ) -> Result<Self, StartError> {
        let renewals = keeper().map_err(StartError::System)?;
        let mut servers = Servers(Vec::with_capacity(listeners.len()));
        for (service, listener) in listeners {
            let server = Arc::new(
                MockServer::builder()
                    .listener(listener)
                    .disable_request_recording()
                    .start()
                    .await,
            );
            // Filed before anything else can end this call, so that it is never dropped other than with the others.
            servers.0.push(Arc::clone(&server));
            let gate = Arc::new(Gate {
                router: Arc::clone(router),
                service,
                server: Arc::downgrade(&server),
                renewals: renewals.clone(),
                requests: AtomicUsize::new(0),
                bytes: AtomicUsize::new(0),
                slot: Mutex::new(None),
            });
            for mock in mocks(&gate) {
                server.register(mock).await;
            }
        }
        Ok(servers)
    }

    /// Ends the servers and waits until their ports refuse connections.
    pub(crate) fn stop(self) {
        let addresses: Vec<SocketAddr> = self.0.iter().map(|server| *server.address()).collect();
        drop(self);
        let deadline = Instant::now() + STOP_PATIENCE;
        for address in addresses {
            let open = || TcpStream::connect_timeout(&address, Duration::from_millis(100)).is_ok();
            while Instant::now() < deadline && open() {
                thread::sleep(Duration::from_millis(2));
            }
        }
    }
}

impl Drop for Servers {
    /// wiremock ends a server by blocking on a lock of tokio's, as a part of the task that drops it. A task that has used
    /// up its budget gets no lock from tokio before it yields, and a drop cannot yield: it would wait for ever.
    fn drop(&mut self) {
        let servers = mem::take(&mut self.0);
        let mut ending = pin!(tokio::task::unconstrained(async move { drop(servers) }));
        // It awaits nothing, so once is enough.
        let _ = ending
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
    }
}

/// What both mocks of a server share.
struct Gate {
    router: Arc<Router>,
    service: Service,
    server: Weak<MockServer>,
    renewals: Sender<Vec<Pending>>,
    requests: AtomicUsize,
    bytes: AtomicUsize,
    slot: Mutex<Option<Answer>>,
}

/// The matcher of the first mock: decides, and matches unless the connection is to be dropped.
struct Decide(Arc<Gate>);

impl Match for Decide {
    fn matches(&self, request: &Request) -> bool {
        let gate = &self.0;
        let answer = gate.router.answer(gate.service, incoming(request));
        gate.renew_when_due(request.body.len());
        let answered = answer.delivery != Delivery::Dropped;
        *lock(&gate.slot) = answered.then_some(answer);
        answered
    }
}

/// The disconnect fault, as an error of the HTTP service: hyper then closes the connection without a byte.
#[derive(Debug)]
struct Dropped;

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the mock drops this connection on purpose")
    }
}

impl std::error::Error for Dropped {}

/// The two mocks of a server: the one that answers, and behind it the one that drops.
fn mocks(gate: &Arc<Gate>) -> [Mock; 2] {
    let answering = Arc::clone(gate);
    let respond = move |_: &Request| match lock(&answering.slot).take() {
        Some(answer) => template(answer),
        None => ResponseTemplate::new(500),
    };
    [
        Mock::given(Decide(Arc::clone(gate))).respond_with(respond),
        Mock::given(|_: &Request| true).respond_with_err(|_: &Request| Dropped),
    ]
}

impl Gate {
    /// Replaces the mocks from time to time, so that the requests which wiremock has kept are freed.
    ///
    /// The caller holds wiremock's write lock, so each replacement is polled here once to take its place in the lock's
    /// queue: first the reset, then the new mocks, before any request that comes later. None finds the server empty.
    fn renew_when_due(self: &Arc<Self>, body: usize) {
        let requests = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let bytes = self.bytes.fetch_add(body, Ordering::Relaxed) + body;
        if requests < RENEW_AFTER_REQUESTS && bytes < RENEW_AFTER_BYTES {
            return;
        }
        let Some(server) = self.server.upgrade() else {
            return;
        };
        self.requests.store(0, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
        let mut steps: Vec<Pending> = Vec::with_capacity(3);
        let reset = Arc::clone(&server);
        steps.push(Box::pin(tokio::task::unconstrained(async move {
            reset.reset().await
        })));
        for mock in mocks(self) {
            let server = Arc::clone(&server);
            steps.push(Box::pin(tokio::task::unconstrained(async move {
                server.register(mock).await
            })));
        }
        let mut context = Context::from_waker(Waker::noop());
        // All stay pending: this thread holds the lock that they wait for.
        steps.retain_mut(|step| step.as_mut().poll(&mut context).is_pending());
        // The keeper holds its own reference; a server must not end on its own thread.
        let keep: Pending = Box::pin(async move { drop(server) });
        steps.push(keep);
        let _ = self.renewals.send(steps);
    }
}

/// A thread that completes renewals; it ends with the last server.
fn keeper() -> io::Result<Sender<Vec<Pending>>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let (sender, receiver) = mpsc::channel::<Vec<Pending>>();
    thread::Builder::new()
        .name("mock-keeper".to_owned())
        .spawn(move || {
            for step in receiver.into_iter().flatten() {
                runtime.block_on(step);
            }
        })?;
    Ok(sender)
}

fn incoming(request: &Request) -> Incoming {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let joined = |name: &HeaderName| {
        request
            .headers
            .get_all(name)
            .iter()
            .map(text)
            .collect::<Vec<_>>()
            .join(", ")
    };
    Incoming {
        method: request.method.as_str().to_owned(),
        path: request.url.path().to_owned(),
        query: request.url.query_pairs().into_owned().collect(),
        headers: request
            .headers
            .keys()
            .map(|name| (name.as_str().to_owned(), joined(name)))
            .collect(),
        authorization: request
            .headers
            .get_all("authorization")
            .iter()
            .map(text)
            .collect(),
        body: request.body.clone(),
    }
}

fn template(answer: Answer) -> ResponseTemplate {
    let Answer {
        status,
        headers,
        content_type,
        mut body,
        delivery,
    } = answer;
    let mut template = ResponseTemplate::new(status);
    let content_type = content_type.map(|value| ("content-type".to_owned(), value));
    for (name, value) in headers.into_iter().chain(content_type) {
        // Both were checked when the script was read; an odd credential in a value is left out rather than a panic.
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_str(&value),
        ) {
            template = template.append_header(name, value);
        }
    }
    let pause = match delivery {
        Delivery::Whole(pause) => pause,
        Delivery::Held | Delivery::Dropped => HOLD,
        Delivery::Cut(pause) => {
            // The space keeps hyper from comparing this length with the body's; receivers strip it.
            template =
                template.insert_header("content-length", format!("{} ", body.len()).as_str());
            template = template.insert_header("connection", "close");
            body.truncate(body.len() / 2);
            pause
        }
    };
    template.set_body_bytes(body).set_delay(pause)
}
