//! `oap-conform diff`: what differs between two reports.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::failure::Failure;
use super::output::{read_report, show};
use crate::suite::report::diff::{DiffFormat, diff, render};

/// Options of `diff`.
#[derive(Debug, Args)]
pub(super) struct DiffCommand {
    /// The older report
    before: PathBuf,
    /// The newer report
    after: PathBuf,
    /// What stands on standard output
    #[arg(long, value_enum, default_value = "text")]
    format: Shown,
}

/// The forms of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shown {
    /// For people
    Text,
    /// For programs; the schema is spec/schemas/report-diff.json
    Json,
    /// For the summary of a pipeline's step
    Markdown,
}

impl DiffCommand {
    /// Compares. Ends with 1 if something got worse.
    pub fn execute(self) -> Result<u8, Failure> {
        let found = diff(&read_report(&self.before)?, &read_report(&self.after)?);
        let format = match self.format {
            Shown::Text => DiffFormat::Text,
            Shown::Json => DiffFormat::Json,
            Shown::Markdown => DiffFormat::Markdown,
        };
        show(&render(&found, format).map_err(Failure::harness)?);
        Ok(u8::from(found.is_worse()))
    }
}
