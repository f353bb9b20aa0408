//! A progress bar, on a terminal only.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::suite::event::{Event, EventSink};
use crate::suite::verdict::Verdict;

/// Shows how far a run is, on standard error; draws nothing where that is no terminal.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress {
    /// A bar that appears when the run starts.
    pub fn new() -> Self {
        let bar = ProgressBar::no_length();
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}") {
            bar.set_style(style);
        }
        Self { bar }
    }
}

impl EventSink for Progress {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::RunStarted { total, .. } => {
                self.bar.set_length(*total as u64);
                self.bar.enable_steady_tick(Duration::from_millis(200));
            }
            Event::CaseStarted { id } => self.bar.set_message((*id).to_owned()),
            Event::CaseFinished { case, .. } => {
                self.bar.inc(1);
                if matches!(case.verdict, Verdict::Fail | Verdict::HarnessError) {
                    self.bar.println(format!("{} {}", case.verdict, case.id));
                }
            }
            Event::CaseRepeatedAlone { id } => self.bar.set_message(format!("{id} alone")),
            Event::RunFinished { .. } => self.bar.finish_and_clear(),
        }
    }
}
