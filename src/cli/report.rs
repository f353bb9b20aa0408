//! `oap-conform report`: another form of a report that was written as JSON.

use std::path::PathBuf;

use clap::Args;

use super::failure::Failure;
use super::output::{Output, read_report};

/// Options of `report`.
#[derive(Debug, Args)]
pub(super) struct ReportCommand {
    /// The report, as 'run --report json=FILE' wrote it
    file: PathBuf,
    #[command(flatten)]
    output: Output,
    /// Also show what does not apply
    #[arg(long, short)]
    verbose: bool,
}

impl ReportCommand {
    /// Writes the report anew. Ends with 0 whatever the verdict is.
    pub fn execute(self) -> Result<u8, Failure> {
        let report = read_report(&self.file)?;
        self.output.write(&report, self.verbose)?;
        Ok(0)
    }
}
