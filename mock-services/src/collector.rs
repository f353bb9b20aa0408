//! A collector of traces: OTLP over HTTP at `/v1/traces`, as JSON and as protobuf, also gzip-compressed. It keeps the spans, and can be
//! made to fail as collectors do.
//!
//! All runtimes of a run send to one address, so spans are told apart by their trace ids.

mod http;
mod otlp;
mod wire;

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::router::lock;

/// Most spans that are kept; the oldest go first.
const MOST_SPANS: usize = 50_000;

/// Most bytes of the spans that are kept, counted by their text.
const MOST_BYTES: usize = 64 << 20;

/// How long a slow collector takes for an answer.
pub const SLOW: Duration = Duration::from_millis(1200);

/// How a collector fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CollectorFault {
    /// Not at all.
    #[default]
    None,
    /// Connections are closed without an answer.
    Down,
    /// Every answer takes [`SLOW`].
    Slow,
    /// Every answer is 500.
    Error,
}

/// A span, however it was sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Its trace id, 32 lower-case hexadecimal digits.
    pub trace_id: String,
    /// The span as `{name, kind, trace_id, span_id, parent_span_id, attributes, status, status_message, duration_ms}`.
    pub value: Value,
    /// Every text that was sent with it, its resource's too.
    pub text: String,
}

#[derive(Debug, Default)]
struct Kept {
    spans: VecDeque<Span>,
    bytes: usize,
    /// How many spans went at the front.
    gone: usize,
}

#[derive(Debug)]
struct Store {
    kept: Mutex<Kept>,
    requests: AtomicUsize,
    fault: watch::Receiver<CollectorFault>,
}

impl Store {
    fn keep(&self, spans: Vec<Span>) {
        let mut kept = lock(&self.kept);
        for span in spans {
            kept.bytes += span.text.len();
            kept.spans.push_back(span);
        }
        while kept.spans.len() > MOST_SPANS || kept.bytes > MOST_BYTES {
            let Some(oldest) = kept.spans.pop_front() else {
                break;
            };
            kept.bytes = kept.bytes.saturating_sub(oldest.text.len());
            kept.gone += 1;
        }
    }
}

/// A running collector; dropped, it stops listening.
#[derive(Debug)]
pub struct Collector {
    origin: String,
    store: Arc<Store>,
    fault: watch::Sender<CollectorFault>,
    listening: JoinHandle<()>,
}

impl Collector {
    /// Starts it at this address; `advertised` is the host that it is told by, if another.
    pub(crate) fn start(listen: Option<SocketAddr>, advertised: Option<&str>) -> io::Result<Self> {
        let listen = listen.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let listener = TcpListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (fault, told) = watch::channel(CollectorFault::None);
        let store = Arc::new(Store {
            kept: Mutex::default(),
            requests: AtomicUsize::new(0),
            fault: told,
        });
        let listening = tokio::spawn(http::listen(listener, Arc::clone(&store)));
        let origin = match advertised {
            Some(host) => format!("http://{host}:{}", address.port()),
            None => format!("http://{address}"),
        };
        Ok(Self {
            origin,
            store,
            fault,
            listening,
        })
    }

    /// The base URL that exporters are told, without `/v1/traces`.
    pub fn url(&self) -> &str {
        &self.origin
    }

    /// From now on it fails so, for everybody.
    pub fn fail(&self, fault: CollectorFault) {
        self.fault.send_replace(fault);
    }

    /// How many requests came so far, those that it failed too.
    pub fn requests(&self) -> usize {
        self.store.requests.load(Ordering::Relaxed)
    }

    /// How many spans came so far.
    pub fn taken(&self) -> usize {
        let kept = lock(&self.store.kept);
        kept.gone.saturating_add(kept.spans.len())
    }

    /// The spans of these traces that came after the first `from` of all, in the order in which they came.
    pub fn spans(&self, traces: &BTreeSet<String>, from: usize) -> Vec<Span> {
        let kept = lock(&self.store.kept);
        kept.spans
            .iter()
            .skip(from.saturating_sub(kept.gone))
            .filter(|span| traces.contains(&span.trace_id))
            .cloned()
            .collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

#[cfg(test)]
mod tests;
