//! How long the harness waits for a target that does not answer: as long as was said, but not again and again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Boxed, Exchange, HttpRequest, SendError, Target};

/// So many answers in a row that did not come in time, and the target is asked whether it is there at all.
const IN_A_ROW: usize = 3;

/// So many of one kind that did not come in time, and for this kind is waited shorter.
const OF_A_KIND: usize = 3;

/// The shorter wait is this part of the whole…
const PART: u32 = 4;
/// …and no less than this.
const LEAST: Duration = Duration::from_secs(1);

/// How long the question may take whether it is there at all.
const PROBE: Duration = Duration::from_secs(5);

/// A target whose silence is counted.
pub struct Patience {
    inner: Arc<dyn Target>,
    in_a_row: AtomicUsize,
    of_a_kind: Mutex<BTreeMap<String, usize>>,
    hung_before: AtomicBool,
    hung: AtomicBool,
    probing: tokio::sync::Mutex<()>,
}

impl Patience {
    /// Watches `inner`.
    pub fn new(inner: Arc<dyn Target>) -> Self {
        Self {
            inner,
            in_a_row: AtomicUsize::new(0),
            of_a_kind: Mutex::new(BTreeMap::new()),
            hung_before: AtomicBool::new(false),
            hung: AtomicBool::new(false),
            probing: tokio::sync::Mutex::new(()),
        }
    }

    /// Whether it answers nothing any more, not even a look at its health.
    pub fn hangs(&self) -> bool {
        self.hung.load(Ordering::Relaxed)
    }

    /// Ends a target that hangs, where the harness can; then it may come back. Otherwise says that the run is over.
    ///
    /// # Errors
    /// When it is not the harness that started it, with a sentence.
    pub async fn abandon_hung(&self) -> Result<(), String> {
        if self.inner.abandon().await {
            self.hung.store(false, Ordering::Relaxed);
            self.in_a_row.store(0, Ordering::Relaxed);
            return Ok(());
        }
        Err(format!(
            "the target at {} answers no more, not even GET /healthz; see what it waits for, and start it anew",
            self.inner.base_url()
        ))
    }

    /// How long to wait for a request of this kind.
    fn time_for(&self, kind: &str, timeout: Duration) -> Duration {
        let silent = self.kinds().get(kind).copied().unwrap_or_default();
        if silent < OF_A_KIND {
            return timeout;
        }
        (timeout / PART).max(LEAST).min(timeout)
    }

    fn kinds(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, usize>> {
        self.of_a_kind
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn watch(&self, request: HttpRequest, timeout: Duration) -> Exchange {
        if self.hangs() {
            return Exchange {
                request,
                outcome: Err(SendError::Ended("the target answers no more".to_owned())),
                duration: Duration::ZERO,
                answered: None,
            };
        }
        let kind = kind(&request);
        let time = self.time_for(&kind, timeout);
        let exchange = self.inner.send(request, time).await;
        match &exchange.outcome {
            Ok(_) => self.in_a_row.store(0, Ordering::Relaxed),
            Err(SendError::TimedOut(_)) => {
                *self.kinds().entry(kind).or_default() += 1;
                let again = self.hung_before.load(Ordering::Relaxed);
                let enough = if again { 1 } else { IN_A_ROW };
                if self.in_a_row.fetch_add(1, Ordering::Relaxed) + 1 >= enough {
                    self.probe(timeout).await;
                }
            }
            Err(_) => {}
        }
        exchange
    }

    async fn probe(&self, timeout: Duration) {
        let _one = self.probing.lock().await;
        if self.hangs() || self.in_a_row.load(Ordering::Relaxed) == 0 {
            return;
        }
        let asked = HttpRequest::new("GET", "/healthz");
        match self.inner.send(asked, timeout.min(PROBE)).await.outcome {
            Err(SendError::TimedOut(_)) => {
                self.hung_before.store(true, Ordering::Relaxed);
                self.hung.store(true, Ordering::Relaxed);
            }
            _ => self.in_a_row.store(0, Ordering::Relaxed),
        }
    }
}

/// Requests of one kind differ in ids only.
fn kind(request: &HttpRequest) -> String {
    let path = request.path.split('?').next().unwrap_or_default();
    let segments = path.split('/').skip(1).enumerate();
    let segments: Vec<&str> = segments
        .map(|(at, segment)| if at % 2 == 1 { "*" } else { segment })
        .collect();
    format!("{} {}", request.method, segments.join("/"))
}

impl Target for Patience {
    fn base_url(&self) -> &str {
        self.inner.base_url()
    }

    fn send(&self, request: HttpRequest, timeout: Duration) -> Boxed<'_, Exchange> {
        Box::pin(self.watch(request, timeout))
    }

    fn revive(&self) -> Boxed<'_, Result<(), String>> {
        self.inner.revive()
    }

    fn deaths(&self) -> usize {
        self.inner.deaths()
    }

    fn process(&self) -> Option<u32> {
        self.inner.process()
    }

    fn abandon(&self) -> Boxed<'_, bool> {
        self.inner.abandon()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::target::Answer;

    /// Answers `/healthz` as long as it is said to, and nothing else.
    struct Deaf {
        healthy: bool,
        waited: Mutex<Vec<Duration>>,
    }

    impl Target for Deaf {
        fn base_url(&self) -> &'static str {
            "http://127.0.0.1:9"
        }

        fn send(&self, request: HttpRequest, timeout: Duration) -> Boxed<'_, Exchange> {
            let outcome = if self.healthy && request.path == "/healthz" {
                Ok(Answer {
                    status: 200,
                    headers: Vec::new(),
                    body: Vec::new(),
                })
            } else {
                self.waited.lock().expect("not poisoned").push(timeout);
                Err(SendError::TimedOut(timeout))
            };
            Box::pin(std::future::ready(Exchange {
                request,
                outcome,
                duration: timeout,
                answered: None,
            }))
        }
    }

    fn deaf(healthy: bool) -> Arc<Deaf> {
        Arc::new(Deaf {
            healthy,
            waited: Mutex::new(Vec::new()),
        })
    }

    const TIME: Duration = Duration::from_secs(10);

    async fn close(target: &Patience, id: usize) -> Exchange {
        let path = format!("/sessions/s{id}/close?x=1");
        target.send(HttpRequest::new("POST", path), TIME).await
    }

    #[tokio::test]
    async fn a_kind_that_is_never_answered_is_waited_for_shorter() {
        let inner = deaf(true);
        let target = Patience::new(inner.clone());
        for id in 0..5 {
            close(&target, id).await;
        }
        let other = HttpRequest::new("POST", "/sessions/s1/step");
        target.send(other, TIME).await;
        assert!(!target.hangs());
        let waited: Vec<u64> = inner
            .waited
            .lock()
            .expect("not poisoned")
            .iter()
            .map(Duration::as_millis)
            .map(|ms| ms as u64)
            .collect();
        assert_eq!(waited, [10_000, 10_000, 10_000, 2_500, 2_500, 10_000]);
    }

    #[tokio::test]
    async fn what_does_not_even_say_that_it_is_there_hangs() {
        let target = Patience::new(deaf(false));
        for id in 0..2 {
            close(&target, id).await;
            assert!(!target.hangs());
        }
        close(&target, 2).await;
        assert!(target.hangs());
        let exchange = close(&target, 3).await;
        assert!(matches!(exchange.outcome, Err(SendError::Ended(_))));
        // Nobody of this program started it.
        assert!(
            target
                .abandon_hung()
                .await
                .is_err_and(|e| e.contains("/healthz"))
        );
    }
}
