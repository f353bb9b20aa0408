//! A target that counts the requests it gets, and sees to it that each ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::{Boxed, Exchange, HttpRequest, Target, bounded};

/// A target that counts its requests; none of them outlasts its time, whatever the target inside makes of it.
pub struct Counted {
    inner: Arc<dyn Target>,
    requests: AtomicUsize,
}

impl Counted {
    /// Counts what goes to `inner`.
    pub fn new(inner: Arc<dyn Target>) -> Self {
        Self {
            inner,
            requests: AtomicUsize::new(0),
        }
    }

    /// Requests so far.
    pub fn count(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

impl Target for Counted {
    fn base_url(&self) -> &str {
        self.inner.base_url()
    }

    fn send(&self, request: HttpRequest, timeout: Duration) -> Boxed<'_, Exchange> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        Box::pin(bounded(self.inner.as_ref(), request, timeout))
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
        let error = super::super::wait_ready(&Gone, time)
            .await
            .expect_err("gone");
        assert_eq!(error.exit_code().number(), 3, "{error:?}");
    }
}
