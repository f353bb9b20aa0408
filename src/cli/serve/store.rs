//! Options of `serve` about where sessions outlive the process.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use crate::cli::failure::Failure;
use crate::store::{ConnectError, File, Ledger, Postgres};

/// Where sessions are kept.
#[derive(Debug, Args)]
pub(super) struct StoreOptions {
    /// Folder in which sessions, answers, manifests and transcripts are kept, for one process; without it they end with the process
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// PostgreSQL in which all of that is kept, for any number of processes: postgres://user@host/database
    #[arg(
        long,
        value_name = "URL",
        env = "OAP_POSTGRES_URL",
        hide_env_values = true,
        conflicts_with = "data"
    )]
    postgres: Option<String>,
    /// With PostgreSQL, how many seconds a session stays with a process that has died
    #[arg(long, value_name = "SECONDS", env = "OAP_LEASE_SECONDS", default_value = "10", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    lease: u64,
    /// How many days transcripts of closed sessions are kept
    #[arg(long, value_name = "DAYS", env = "OAP_KEEP_TRANSCRIPTS_DAYS", default_value = "30", value_parser = clap::value_parser!(u64).range(1..=36_500))]
    keep_transcripts: u64,
}

impl StoreOptions {
    /// Opens what was named.
    ///
    /// # Errors
    /// When it cannot be used.
    pub(super) async fn open(&self) -> Result<Option<Arc<dyn Ledger>>, Failure> {
        if let Some(url) = &self.postgres {
            let opened = Postgres::connect(url, Duration::from_secs(self.lease)).await;
            let opened = opened.map_err(|error| match error {
                ConnectError::Unreachable(_) => Failure::unreachable(error.to_string()),
                _ => Failure::usage(error.to_string()),
            });
            return Ok(Some(Arc::new(opened?)));
        }
        let Some(folder) = &self.data else {
            return Ok(None);
        };
        let file = File::open(folder).map_err(|error| Failure::usage(error.to_string()))?;
        Ok(Some(Arc::new(file)))
    }

    /// How long transcripts are kept.
    pub(super) fn keep_transcripts(&self) -> Duration {
        Duration::from_secs(self.keep_transcripts * 24 * 60 * 60)
    }
}
