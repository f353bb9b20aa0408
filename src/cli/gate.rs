//! The options of `run` that decide what its exit code says: baseline, shard, revision, outcomes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::failure::{Failure, read_file};
use super::watch::Watch;
use crate::suite::Options;
use crate::suite::baseline::{self, Baseline};
use crate::suite::gate::FailOn;
use crate::suite::revision::Revision;
use crate::suite::shard::Shard;

/// What decides the exit code of a run.
#[derive(Debug, Args)]
pub(super) struct Gate {
    /// Expect the failures that this file names [default: oap-baseline.toml, where it is in this folder and the target is yours]
    #[arg(long, value_name = "FILE", conflicts_with = "no_baseline")]
    baseline: Option<PathBuf>,
    /// Expect no failure, whatever file is in this folder
    #[arg(long)]
    no_baseline: bool,
    /// Only this part of the cases, such as 1/4 for the first of four; 'merge' joins the reports
    #[arg(long, value_name = "K/N")]
    shard: Option<Shard>,
    /// Judge by a frozen revision: its requirements and its cases only; 'revision list' names them
    #[arg(long, value_name = "NAME")]
    revision: Option<String>,
    /// Outcomes that give a non-zero exit: a comma list of violation, warning, incomplete, flaky; or none
    #[arg(long, value_name = "OUTCOMES", default_value_t)]
    fail_on: FailOn,
    #[command(flatten)]
    pub watch: Watch,
}

/// What [`Gate`] names, read.
#[derive(Debug, Clone, Default)]
pub(super) struct Terms {
    baseline: Option<Arc<Baseline>>,
    revision: Option<Arc<Revision>>,
    shard: Option<Shard>,
}

impl Gate {
    /// Reads what is named. The baseline of this folder is for a target of the user's own (`stranger`), never for one that is
    /// built in.
    pub fn terms(&self, stranger: bool) -> Result<Terms, Failure> {
        let revision = self.revision.as_deref().map(Revision::named).transpose();
        let baseline = self.baseline_file(stranger).map(read).transpose()?;
        Ok(Terms {
            baseline: baseline.map(Arc::new),
            revision: revision.map_err(Failure::usage)?.map(Arc::new),
            shard: self.shard,
        })
    }

    /// The baseline that a run reads.
    pub fn baseline_file(&self, stranger: bool) -> Option<&Path> {
        let own = Path::new(baseline::FILE_NAME);
        match &self.baseline {
            Some(file) => Some(file),
            None if self.no_baseline || !stranger => None,
            // As with the target: a dead link is refused where it is read, and is not as if there were none.
            None => own.symlink_metadata().is_ok().then_some(own),
        }
    }

    /// Outcomes that give a non-zero exit.
    pub fn fail_on(&self) -> &FailOn {
        &self.fail_on
    }

    /// The words of the command that repeats a case: a revision decides its verdict, the others do not.
    pub fn words(&self) -> Option<String> {
        let revision = self.revision.as_ref();
        revision.map(|revision| format!("--revision {revision}"))
    }
}

impl Terms {
    /// The options with these terms.
    pub fn on(self, options: Options) -> Options {
        Options {
            baseline: self.baseline,
            revision: self.revision,
            shard: self.shard,
            verify_alone: true,
            ..options
        }
    }
}

/// Reads a baseline.
pub(super) fn read(file: &Path) -> Result<Baseline, Failure> {
    let text = text(file)?;
    Baseline::read(&file.display().to_string(), &text)
        .map_err(|error| Failure::usage(error.to_string()))
}

/// The text of a baseline.
pub(super) fn text(file: &Path) -> Result<String, Failure> {
    String::from_utf8(read_file(file)?)
        .map_err(|_| Failure::usage(format!("{} is no UTF-8; save it as that", file.display())))
}
