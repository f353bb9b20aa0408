//! What a run has used, and the moment at which that is enough.
//!
//! Serves `spec/sandbox.md`, section 3.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use wasmtime::ResourceLimiter;

use super::job::{Cancel, Failure, FailureCode, Limits};

/// Elements that the tables of a run may have.
const TABLE_ELEMENTS: usize = 100_000;

/// Ticks of the engine (a millisecond each) between two looks at the clock while the end is far.
const STRIDE: u64 = 4;

/// Processor time that this thread has used in its life.
pub(super) fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

/// Why a run was ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Its processor time is used up.
    Cpu,
    /// It has been there for too long, waiting included.
    Wall,
    /// It was cancelled.
    Cancelled,
}

/// Watches the clocks of one run. It lives on the thread that runs the code.
pub(super) struct Deadline {
    cpu: Duration,
    wall: Duration,
    cpu_at_start: Duration,
    started: Instant,
    /// Processor time of this thread that is not the code's: what the door used.
    not_counted: Duration,
    cancels: [Cancel; 2],
    end: Option<End>,
}

impl Deadline {
    /// Starts the clocks. `stop` ends all runs of a sandbox, the job's own `cancel` this one.
    pub(super) fn start(limits: &Limits, cancel: &Cancel, stop: &Cancel) -> Self {
        Self {
            cpu: limits.cpu,
            wall: limits.wall,
            cpu_at_start: thread_cpu(),
            started: Instant::now(),
            not_counted: Duration::ZERO,
            cancels: [cancel.clone(), stop.clone()],
            end: None,
        }
    }

    /// Processor time that the run has used.
    pub(super) fn used(&self) -> Duration {
        thread_cpu()
            .saturating_sub(self.cpu_at_start)
            .saturating_sub(self.not_counted)
    }

    /// What the run is told to have used. A run shorter than a millisecond is told by the clock on the wall, which it cannot have
    /// outdone on one thread and which costs a tenth: asking the kernel would be a twentieth of a call.
    pub(super) fn told(&self) -> Duration {
        let passed = self.started.elapsed();
        if passed < Duration::from_millis(1).min(self.cpu) {
            passed
        } else {
            self.used()
        }
    }

    /// Looks at all clocks; `Some` when the run has to end. Once it has to, it stays so.
    pub(super) fn look(&mut self) -> Option<End> {
        if self.end.is_none() {
            self.end = if self.cancels.iter().any(Cancel::is_cancelled) {
                Some(End::Cancelled)
            } else if self.used() >= self.cpu {
                Some(End::Cpu)
            } else if self.started.elapsed() >= self.wall {
                Some(End::Wall)
            } else {
                None
            };
        }
        self.end
    }

    /// Why the run was ended, if it was.
    pub(super) fn ended(&self) -> Option<End> {
        self.end
    }

    /// Ticks until the next look: short when the end is near, so that the overrun stays below two milliseconds.
    pub(super) fn stride(&self) -> u64 {
        let left = self.cpu.saturating_sub(self.used()).as_millis();
        u64::try_from(left).unwrap_or(STRIDE).clamp(1, STRIDE)
    }

    /// Real time that is left for waiting.
    pub(super) fn patience(&self) -> Duration {
        self.wall.saturating_sub(self.started.elapsed())
    }

    /// Takes processor time off that this thread used for something else than the code.
    pub(super) fn forgive(&mut self, time: Duration) {
        self.not_counted = self.not_counted.saturating_add(time);
    }

    /// The failure that an end is.
    pub(super) fn failure(&self, end: End) -> Failure {
        match end {
            End::Cpu => Failure::new(
                FailureCode::CpuLimit,
                format!(
                    "the code used more than {} ms of processor time",
                    self.cpu.as_millis()
                ),
            ),
            End::Wall => Failure::new(
                FailureCode::Error,
                format!(
                    "the run took longer than {} s, waiting for the network included",
                    self.wall.as_secs_f64()
                ),
            ),
            End::Cancelled => cancelled(),
        }
    }
}

/// The failure of a run whose session was closed.
pub(super) fn cancelled() -> Failure {
    Failure::new(FailureCode::Cancelled, "the run was cancelled")
}

/// Counts the memory of one run and refuses to let it grow beyond its limit.
pub(super) struct Meter {
    limit: usize,
    peak: usize,
    refused: bool,
}

impl Meter {
    /// A meter for at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            peak: 0,
            refused: false,
        }
    }

    /// Highest size of the linear memory, in bytes.
    pub(super) fn peak(&self) -> usize {
        self.peak
    }

    /// Whether the code wanted more than it may have.
    pub(super) fn refused(&self) -> bool {
        self.refused
    }

    /// The failure of code that did not get by with its memory.
    pub(super) fn failure(&self) -> Failure {
        Failure::new(
            FailureCode::MemoryLimit,
            format!(
                "the code needs more than {} MiB of memory",
                self.limit / (1024 * 1024)
            ),
        )
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > self.limit {
            self.refused = true;
            return Ok(false);
        }
        self.peak = self.peak.max(desired);
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > TABLE_ELEMENTS {
            self.refused = true;
            return Ok(false);
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        1
    }

    fn memories(&self) -> usize {
        1
    }
}
