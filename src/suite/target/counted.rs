//! A target that counts the requests it gets, and sees to it that each ends.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Boxed, Exchange, HttpRequest, Target, bounded};

/// A target that counts its requests; none of them outlasts its time, whatever the target inside makes of it.
pub struct Counted {
    inner: Arc<dyn Target>,
    requests: AtomicUsize,
    flight: Mutex<Flight>,
}

/// Requests that are on their way.
#[derive(Default)]
struct Flight {
    open: usize,
    /// When the first of them went.
    since: Option<Instant>,
    /// How long there were any before.
    before: Duration,
}

/// One request that is on its way.
struct Flying<'c>(&'c Counted);

impl Drop for Flying<'_> {
    fn drop(&mut self) {
        let mut flight = self.0.flight();
        flight.open = flight.open.saturating_sub(1);
        if flight.open == 0
            && let Some(since) = flight.since.take()
        {
            flight.before += since.elapsed();
        }
    }
}

impl Counted {
    /// Counts what goes to `inner`.
    pub fn new(inner: Arc<dyn Target>) -> Self {
        Self {
            inner,
            requests: AtomicUsize::new(0),
            flight: Mutex::default(),
        }
    }

    /// Requests so far.
    pub fn count(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// How long at least one request was on its way, until now.
    pub fn in_flight(&self) -> Duration {
        let flight = self.flight();
        flight.before + flight.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn flight(&self) -> MutexGuard<'_, Flight> {
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn takes_off(&self) -> Flying<'_> {
        let mut flight = self.flight();
        flight.open += 1;
        flight.since.get_or_insert_with(Instant::now);
        Flying(self)
    }
}

impl Target for Counted {
    fn base_url(&self) -> &str {
        self.inner.base_url()
    }

    fn send(&self, request: HttpRequest, timeout: Duration) -> Boxed<'_, Exchange> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let _flying = self.takes_off();
            bounded(self.inner.as_ref(), request, timeout).await
        })
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
    use crate::suite::target::SendError;

    /// A target that never comes back.
    struct Gone;

    impl Target for Gone {
        fn base_url(&self) -> &'static str {
            "http://127.0.0.1:9"
        }

        fn send(&self, _: HttpRequest, _: Duration) -> Boxed<'_, Exchange> {
            Box::pin(std::future::pending())
        }
    }

    #[tokio::test]
    async fn every_request_ends() {
        let counted = Counted::new(Arc::new(Gone));
        let time = Duration::from_millis(10);
        let exchange = counted.send(HttpRequest::new("GET", "/x"), time).await;
        assert_eq!(exchange.outcome, Err(SendError::TimedOut(time)));
        assert_eq!(exchange.request.path, "/x");
        assert_eq!(counted.count(), 1);
        assert!(counted.in_flight() >= time);
        let error = super::super::wait_ready(&Gone, time)
            .await
            .expect_err("gone");
        assert_eq!(error.exit_code().number(), 3, "{error:?}");
    }

    #[tokio::test]
    async fn time_in_flight_counts_once_and_ends_with_the_request() {
        let counted = Counted::new(Arc::new(Gone));
        let time = Duration::from_millis(20);
        let send = || counted.send(HttpRequest::new("GET", "/x"), time);
        let begun = Instant::now();
        tokio::join!(send(), send(), send());
        let flown = counted.in_flight();
        assert!(flown >= time && flown <= begun.elapsed(), "{flown:?}");
        drop(tokio::time::timeout(Duration::ZERO, send()).await);
        let landed = counted.in_flight();
        assert!(counted.flight().open == 0 && landed == counted.in_flight());
    }
}
