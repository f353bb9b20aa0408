//! A target that counts the requests it gets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::{Boxed, Exchange, HttpRequest, Target};

/// A target that counts its requests.
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
        self.inner.send(request, timeout)
    }
}
