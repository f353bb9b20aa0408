//! What a runner tells while it runs; reporters render it.

use std::time::Duration;

use super::report::{CaseReport, Report};

/// Something that happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The target is ready and the cases are chosen.
    RunStarted {
        /// How many case runs there will be.
        total: usize,
        /// The target's base URL.
        target: &'a str,
        /// The seed.
        seed: u64,
        /// Cases that run at the same time.
        jobs: usize,
    },
    /// A case begins.
    CaseStarted {
        /// Its id.
        id: &'a str,
    },
    /// A case is judged.
    CaseFinished {
        /// Its part of the report.
        case: &'a CaseReport,
        /// How long it took.
        duration: Duration,
    },
    /// A case is run again, alone, because calls without a token were seen.
    CaseRepeatedAlone {
        /// Its id.
        id: &'a str,
    },
    /// Everything is done.
    RunFinished {
        /// The report.
        report: &'a Report,
    },
}

/// Who is told.
pub trait EventSink: Send + Sync {
    /// Takes note of an event; must not block for long.
    fn event(&self, event: &Event<'_>);
}

/// Nobody.
impl EventSink for () {
    fn event(&self, _: &Event<'_>) {}
}
