//! How much the calls of workflows under way hold together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::error::{Code, ErrorObject};

/// What the calls under way hold together; a call lasts as long as its services let it.
#[derive(Debug)]
pub(super) struct UnderWay {
    bytes: Arc<AtomicUsize>,
    most: usize,
}

impl UnderWay {
    /// Room for so many bytes.
    pub(super) fn new(most: usize) -> Self {
        Self {
            bytes: Arc::default(),
            most,
        }
    }

    /// Counts a call that is about to begin.
    ///
    /// # Errors
    /// `capacity_exceeded` when those under way take up all the room.
    pub(super) fn take(&self, own: usize) -> Result<Load, ErrorObject> {
        let load = Load {
            bytes: Arc::clone(&self.bytes),
            own,
            counted: own,
        };
        let before = self.bytes.fetch_add(own, Ordering::Relaxed);
        // One alone always fits: its body is bounded.
        if before > 0 && before.saturating_add(own) > self.most {
            return Err(ErrorObject::new(
                Code::CapacityExceeded,
                "the workflows under way are as large as this runtime allows; send this one again later",
            ));
        }
        Ok(load)
    }
}

/// One call's share, given back when it is dropped.
pub(super) struct Load {
    bytes: Arc<AtomicUsize>,
    own: usize,
    counted: usize,
}

impl Load {
    /// The results of the call came to so many bytes.
    pub(super) fn grow_to(&mut self, results: usize) {
        let wanted = self.own.saturating_add(results);
        let more = wanted.saturating_sub(self.counted);
        self.bytes.fetch_add(more, Ordering::Relaxed);
        self.counted += more;
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.bytes.fetch_sub(self.counted, Ordering::Relaxed);
    }
}
