//! `oap-conform merge`: the reports of shards joined to one.

use std::path::PathBuf;

use clap::Args;

use super::failure::Failure;
use super::harness;
use super::output::{Output, read_report};
use crate::requirement::Registry;
use crate::suite::gate::FailOn;
use crate::suite::report::merge::merge;

/// Options of `merge`.
#[derive(Debug, Args)]
pub(super) struct MergeCommand {
    /// The reports of all shards, as 'run --shard k/n --report json=FILE' wrote them
    #[arg(required = true, num_args = 1..)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    output: Output,
    /// Which outcomes give a code other than 0: a comma list of violation, warning, incomplete, flaky
    #[arg(long, value_name = "OUTCOMES", default_value_t)]
    fail_on: FailOn,
    /// Take the cases from this folder, as the shards did
    #[arg(long, value_name = "DIR")]
    cases: Option<PathBuf>,
    /// Also show what does not apply
    #[arg(long, short)]
    verbose: bool,
}

impl MergeCommand {
    /// Joins the shards and ends as one run over all cases would.
    pub fn execute(self) -> Result<u8, Failure> {
        self.output.prepare()?;
        let cases = harness::cases(self.cases.as_deref())?;
        let shards = self
            .files
            .iter()
            .map(|file| Ok((file.display().to_string(), read_report(file)?)))
            .collect::<Result<Vec<_>, Failure>>()?;
        let report = merge(shards, &cases, Registry::embedded()).map_err(Failure::usage)?;
        self.output.write(&report, self.verbose)?;
        Ok(report.exit_code_by(&self.fail_on).number())
    }
}
