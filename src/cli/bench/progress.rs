//! How far it is, on standard error.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::bench::Watch;
use crate::bench::report::SliceReport;
use crate::suite::report::text::one_line;

/// Shows how far it is, on standard error: a line that changes in a terminal, else a line for each slice.
pub(super) struct Bar(ProgressBar, bool);

impl Bar {
    pub(super) fn new() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(ProgressBar::hidden(), false);
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar, true)
    }

    /// Takes it away.
    pub(super) fn clear(&self) {
        self.0.finish_and_clear();
    }
}

impl Watch for Bar {
    fn now(&self, what: &str) {
        self.0.set_message(one_line(what).into_owned());
    }

    fn ran(&self, contender: &str, slice: &SliceReport) {
        let line = format!("{}: {}", one_line(contender), slice.line());
        if self.1 {
            self.0.println(line);
        } else {
            eprintln!("{line}");
        }
    }
}
