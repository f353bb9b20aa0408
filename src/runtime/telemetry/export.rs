//! The way of spans to the collector: a bounded queue and one task. A collector that is down, slow or refuses costs spans,
//! never a step (`spec/observability.md` 3.5).

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Url};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::Losses;
use super::otlp;
use super::span::Span;
use crate::runtime::parts::Parts;

/// Most spans that wait for the collector.
const WAITING: usize = 4096;

/// Most spans of one request.
const AT_ONCE: usize = 512;

/// How long the first span of a request waits for others.
const GATHERING: Duration = Duration::from_millis(200);

/// Longest wait for the collector's answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Pauses before a request is sent again, where the collector asks for that.
const PAUSES: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(1)];

/// Longest pause that the collector may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Most bytes of the collector's answer that are looked at.
const LARGEST_ANSWER: usize = 64 * 1024;

/// Sends spans.
pub struct Exporter {
    spans: mpsc::Sender<Span>,
    flushes: mpsc::Sender<oneshot::Sender<bool>>,
}

/// What the task is made of.
pub struct Route {
    /// The decisions.
    pub parts: Arc<dyn Parts>,
    /// Follows no redirect, and heeds no proxy of the environment.
    pub client: Client,
    /// Where requests go.
    pub url: Url,
    /// Their headers.
    pub headers: HeaderMap,
    /// The name of the service.
    pub service: String,
    /// Where it is counted what is lost.
    pub losses: Arc<Losses>,
}

impl Exporter {
    /// Starts the task, which ends when this is dropped and everything was tried.
    pub fn start(route: Route) -> Self {
        let (spans, sent) = mpsc::channel(WAITING);
        let (flushes, flushed) = mpsc::channel(16);
        tokio::spawn(run(route, sent, flushed));
        Self { spans, flushes }
    }

    /// Sends a span some time soon; whether there was room for it.
    pub fn put(&self, span: Span) -> bool {
        self.spans.try_send(span).is_ok()
    }

    /// Waits until everything put so far was tried; whether the last request was taken.
    pub async fn flush(&self) -> bool {
        let (tell, told) = oneshot::channel();
        self.flushes.send(tell).await.is_ok() && told.await.unwrap_or(false)
    }
}

async fn run(
    route: Route,
    mut spans: mpsc::Receiver<Span>,
    mut flushes: mpsc::Receiver<oneshot::Sender<bool>>,
) {
    let mut batch = Vec::new();
    loop {
        let asked = tokio::select! {
            biased;
            // Nobody who could ask is left once this is none; the spans say when to end.
            Some(asked) = flushes.recv() => Some(asked),
            got = spans.recv_many(&mut batch, AT_ONCE) => {
                if got == 0 {
                    return;
                }
                gather(&mut spans, &mut flushes, &mut batch).await
            }
        };
        let mut delivered = route.send(&mut batch).await;
        if let Some(asked) = asked {
            // Bounded by the queue: what is put meanwhile was not asked for.
            let mut left = spans.len();
            while left > 0 {
                let got = spans.recv_many(&mut batch, AT_ONCE).await;
                left = left.saturating_sub(got.max(1));
                delivered &= route.send(&mut batch).await;
            }
            // Whoever asked may have gone.
            let _ = asked.send(delivered);
        }
    }
}

/// Waits a moment for further spans, unless somebody wants them sent.
async fn gather(
    spans: &mut mpsc::Receiver<Span>,
    flushes: &mut mpsc::Receiver<oneshot::Sender<bool>>,
    batch: &mut Vec<Span>,
) -> Option<oneshot::Sender<bool>> {
    let until = Instant::now() + GATHERING;
    while batch.len() < AT_ONCE {
        let left = AT_ONCE - batch.len();
        tokio::select! {
            biased;
            Some(asked) = flushes.recv() => return Some(asked),
            got = timeout_at(until, spans.recv_many(batch, left)) => {
                if !matches!(got, Ok(got) if got > 0) {
                    return None;
                }
            }
        }
    }
    None
}

/// What came of one request.
enum Sent {
    Taken,
    Refused,
    Later(Option<Duration>),
}

impl Route {
    /// Sends a batch and empties it; whether it was taken.
    async fn send(&self, batch: &mut Vec<Span>) -> bool {
        if batch.is_empty() {
            return true;
        }
        let parts = self.parts.telemetry();
        let body = parts
            .finish_export(otlp::body(&self.service, batch))
            .to_string();
        let mut pauses = PAUSES.into_iter();
        let taken = loop {
            match self.try_once(&body).await {
                Sent::Taken => break true,
                Sent::Refused => break false,
                Sent::Later(wanted) => match pauses.next() {
                    Some(pause) => sleep(wanted.unwrap_or(pause).min(LONGEST_PAUSE)).await,
                    None => break false,
                },
            }
        };
        if !taken {
            self.losses.spans(batch.len());
        }
        batch.clear();
        taken
    }

    async fn try_once(&self, body: &str) -> Sent {
        let request = self
            .client
            .post(self.url.clone())
            .headers(self.headers.clone())
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_owned());
        let exchange = async {
            let mut answer = request.send().await.ok()?;
            let status = answer.status().as_u16();
            let wanted = answer.headers().get(RETRY_AFTER);
            let wanted = wanted.and_then(|value| value.to_str().ok()?.parse().ok());
            // Read to its end, so that the connection can be used again; but not for ever.
            let mut read = 0;
            while let Ok(Some(chunk)) = answer.chunk().await {
                read += chunk.len();
                if read > LARGEST_ANSWER {
                    break;
                }
            }
            Some((status, wanted.map(Duration::from_secs)))
        };
        match timeout(PATIENCE, exchange).await {
            Ok(Some((200..=299, _))) => Sent::Taken,
            Ok(Some((429 | 502 | 503 | 504, wanted))) => Sent::Later(wanted),
            Ok(Some(_)) => Sent::Refused,
            Ok(None) | Err(_) => Sent::Later(None),
        }
    }
}
