//! The virtual clock.

use super::errno::Errno;

/// Clock id of the time since 1970.
const REALTIME: u32 = 0;
/// The last clock id: monotonic, then the processor times of process and thread, which pass like the monotonic one.
const LAST: u32 = 3;

/// Nanoseconds between two values that the clock tells apart.
pub(super) const RESOLUTION_NS: u64 = 1000;

/// A clock that moves only when the code sleeps (`spec/sandbox.md`, 5.2); at the end of its range it stays there.
pub(super) struct Clock {
    start_ns: u64,
    slept_ns: u64,
}

impl Clock {
    /// A clock that shows this, in nanoseconds since 1970.
    pub(super) fn starting_at(start_ns: u64) -> Self {
        Self {
            start_ns,
            slept_ns: 0,
        }
    }

    /// Nanoseconds since 1970.
    pub(super) fn now(&self) -> u64 {
        self.start_ns.saturating_add(self.slept_ns)
    }

    /// What the clock of this id shows, in nanoseconds.
    pub(super) fn read(&self, id: u32) -> Result<u64, Errno> {
        match id {
            REALTIME => Ok(self.now()),
            1..=LAST => Ok(self.slept_ns),
            _ => Err(Errno::Inval),
        }
    }

    /// Moves on by so many nanoseconds.
    pub(super) fn sleep(&mut self, ns: u64) {
        self.slept_ns = self.slept_ns.saturating_add(ns);
    }
}
