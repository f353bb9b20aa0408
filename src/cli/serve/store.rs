//! Options of `serve` about where sessions outlive the process.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use crate::cli::failure::Failure;
use crate::runtime::Limits;
use crate::store::{ConnectError, File, Ledger, Postgres};

/// The largest number of `--sessions`: each takes a few kilobytes at least.
const MOST_SESSIONS: u64 = 10_000_000;

/// The largest number of `--session-memory`: a tebibyte.
const MOST_SESSION_MEMORY_MIB: u64 = 1024 * 1024;

/// Where sessions are kept, and how many.
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
    /// Most open sessions at the same time. With --data or --postgres so many are held in memory, and others are read again when they are called
    #[arg(long, value_name = "N", env = "OAP_SESSIONS", default_value = "10000", value_parser = clap::value_parser!(u64).range(1..=MOST_SESSIONS))]
    sessions: u64,
    /// Most memory that these sessions hold together, in MiB; a small one holds about 10 KiB
    #[arg(long, value_name = "MIB", env = "OAP_SESSION_MEMORY_MIB", default_value = "1024", value_parser = clap::value_parser!(u64).range(1..=MOST_SESSION_MEMORY_MIB))]
    session_memory: u64,
}

impl StoreOptions {
    /// The bounds, with those of open sessions as they were named.
    pub(super) fn limits(&self) -> Limits {
        let bounded = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Limits {
            sessions: bounded(self.sessions),
            session_bytes: bounded(self.session_memory).saturating_mul(1024 * 1024),
            ..Limits::default()
        }
    }

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
