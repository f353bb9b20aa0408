//! What the operator says about sandboxed code.

use std::time::Duration;

use crate::sandbox::Settings;

const MIB: usize = 1024 * 1024;

/// How the sandbox is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SandboxSettings {
    /// The most that a manifest's `limits` can ask for.
    pub ceiling: Ceiling,
    /// Threads that run code; [`SandboxSettings::networked_workers`] come on top. At most [`MOST_WORKERS`] are of use.
    pub workers: usize,
    /// Most runs under way or waiting; one more fails with `capacity_exceeded`.
    pub waiting: usize,
    /// Whether results are remembered for equal code, arguments, seed and start time (`spec/sandbox.md`, 8.2).
    pub cache_results: bool,
}

/// Most threads that run code: with those for granted network there are never more runs than the sandbox has places.
pub const MOST_WORKERS: u16 = 64;

impl SandboxSettings {
    /// Threads for code with granted network: four for each of the others, 32 to 128, because they mostly wait.
    pub fn networked_workers(&self) -> usize {
        self.workers.saturating_mul(4).clamp(32, 128)
    }
}

impl Default for SandboxSettings {
    fn default() -> Self {
        Self {
            ceiling: Ceiling::default(),
            workers: Settings::default().workers,
            waiting: 1000,
            cache_results: false,
        }
    }
}

/// The most that a run can have (`spec/sandbox.md`, 3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ceiling {
    /// Processor time.
    pub cpu: Duration,
    /// Memory in bytes.
    pub memory: usize,
}

impl Default for Ceiling {
    /// The default limits.
    fn default() -> Self {
        Self {
            cpu: Duration::from_millis(200),
            memory: 64 * MIB,
        }
    }
}

impl Ceiling {
    /// A ceiling of so many milliseconds and MiB.
    pub fn of(cpu_ms: u64, memory_mib: u64) -> Self {
        let mib = usize::try_from(memory_mib).unwrap_or(usize::MAX);
        Self {
            cpu: Duration::from_millis(cpu_ms),
            memory: mib.saturating_mul(MIB),
        }
    }
}
