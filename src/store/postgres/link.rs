//! Connections to the database: how they are made, kept and given up, and what is said of their errors.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::error::Severity;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, Error, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::ConnectError;
use super::breaker::Breaker;
use crate::store::ledger::LedgerError;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(3);

/// How long whatever is asked of the database may take; the database gives up by itself after as long.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How many connections read and claim.
const LANES: usize = 4;

/// The parameters of a statement with their types.
pub(super) type Parameters<'p> = &'p [(&'p (dyn ToSql + Sync), Type)];

/// Where the database is and how it is spoken to; its password is shown nowhere.
pub(super) struct Target {
    config: Config,
    tls: MakeRustlsConnect,
    breaker: Breaker,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").finish_non_exhaustive()
    }
}

impl Target {
    /// Reads the URL. What is wrong with one is not quoted, since a misread password might be among it.
    pub(super) fn read(url: &str) -> Result<Self, ConnectError> {
        let mut config = Config::from_str(url).map_err(|_| ConnectError::Url)?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(ConnectError::Url);
        }
        if config.get_application_name().is_none() {
            config.application_name("oap-conform");
        }
        // What does not leave the machine needs no certificate; certificates of anybody else are looked at.
        if config.get_ssl_mode() == SslMode::Prefer && config.get_hosts().iter().all(is_local) {
            config.ssl_mode(SslMode::Disable);
        }
        config
            .connect_timeout(CONNECT)
            .tcp_user_timeout(PATIENCE)
            .keepalives_idle(Duration::from_secs(10));
        if config.get_target_session_attrs() == TargetSessionAttrs::Any {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        let _ = rustls::crypto::ring::default_provider().install_default();
        let tls = match MakeRustlsConnect::with_native_certs() {
            Ok((tls, _)) => tls,
            // Without any authority no certificate is trusted, which is said when one is shown.
            Err(_) => MakeRustlsConnect::new(
                rustls::ClientConfig::builder()
                    .with_root_certificates(rustls::RootCertStore::empty())
                    .with_no_client_auth(),
            ),
        };
        Ok(Self {
            config,
            tls,
            breaker: Breaker::default(),
        })
    }

    /// A new connection. `flushed`: whether what it changes is on stable storage before it says so.
    pub(super) async fn connect(&self, flushed: bool) -> Result<Link, LedgerError> {
        let made = timeout(CONNECT, async {
            let (client, connection) = self.config.connect(self.tls.clone()).await?;
            let task = tokio::spawn(async move {
                // Whoever waits for an answer on it learns of its end.
                let _ = connection.await;
            });
            let link = Link {
                client,
                task: task.abort_handle(),
            };
            let settings = format!(
                "SET synchronous_commit = {}; SET statement_timeout = {}; \
                 SET idle_in_transaction_session_timeout = {}; SET search_path = pg_catalog; \
                 SET default_transaction_isolation = 'read committed'; SET client_min_messages = warning",
                if flushed { "on" } else { "off" },
                PATIENCE.as_millis(),
                PATIENCE.as_millis(),
            );
            link.client.batch_execute(&settings).await?;
            Ok(link)
        });
        match made.await {
            Ok(Ok(link)) => Ok(link),
            Ok(Err(error)) => {
                self.breaker.answered();
                Err(failed(&error))
            }
            Err(_) => {
                self.breaker.stood_still(Instant::now());
                Err(slow())
            }
        }
    }
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
        }
    }
}

/// One connection; it ends with this.
pub(super) struct Link {
    pub(super) client: Client,
    task: AbortHandle,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A connection that is made when it is needed, and again when it was lost.
pub(super) struct Lane {
    target: Arc<Target>,
    flushed: bool,
    link: Mutex<Option<Arc<Link>>>,
}

impl Lane {
    pub(super) fn new(target: Arc<Target>, flushed: bool) -> Self {
        Self {
            target,
            flushed,
            link: Mutex::new(None),
        }
    }

    /// The connection; an error at once where the database stands still, as far as is known.
    pub(super) async fn link(&self) -> Result<Arc<Link>, LedgerError> {
        if !self.target.breaker.admits(Instant::now()) {
            return Err(slow());
        }
        let mut held = self.link.lock().await;
        if let Some(link) = held.as_ref().filter(|link| !link.client.is_closed()) {
            return Ok(Arc::clone(link));
        }
        *held = None;
        let link = Arc::new(self.target.connect(self.flushed).await?);
        *held = Some(Arc::clone(&link));
        Ok(link)
    }

    /// Gives a connection up that is lost or too slow.
    pub(super) async fn discard(&self, link: &Arc<Link>) {
        let mut held = self.link.lock().await;
        if held.as_ref().is_some_and(|known| Arc::ptr_eq(known, link)) {
            *held = None;
        }
    }

    /// What was asked on a connection, or that it took too long.
    pub(super) async fn patiently<T>(
        &self,
        asked: impl Future<Output = T>,
    ) -> Result<T, LedgerError> {
        let breaker = &self.target.breaker;
        match timeout(PATIENCE, asked).await {
            Ok(answered) => {
                breaker.answered();
                Ok(answered)
            }
            Err(_) => {
                breaker.stood_still(Instant::now());
                Err(slow())
            }
        }
    }

    /// The rows of one statement that may be asked twice.
    async fn query(&self, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Row>, LedgerError> {
        let mut again = true;
        loop {
            let link = self.link().await?;
            let asked = link.client.query_typed(sql, parameters);
            match self.patiently(asked).await {
                Ok(Ok(rows)) => return Ok(rows),
                Ok(Err(error)) if is_lost(&error) => {
                    self.discard(&link).await;
                    if !std::mem::take(&mut again) {
                        return Err(failed(&error));
                    }
                }
                Ok(Err(error)) => return Err(failed(&error)),
                Err(slow) => {
                    self.discard(&link).await;
                    return Err(slow);
                }
            }
        }
    }
}

/// The connections for what is read, and for claims, which need no flush: the fence of every addition holds without.
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    next: AtomicUsize,
}

impl Lanes {
    pub(super) fn new(target: &Arc<Target>) -> Self {
        Self {
            lanes: (0..LANES)
                .map(|_| Lane::new(Arc::clone(target), false))
                .collect(),
            next: AtomicUsize::new(0),
        }
    }

    /// The rows of one statement that may be asked twice, on one of the connections.
    pub(super) async fn query(
        &self,
        sql: &str,
        parameters: Parameters<'_>,
    ) -> Result<Vec<Row>, LedgerError> {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let Some(lane) = self.lanes.get(next % LANES) else {
            return Err(slow());
        };
        // The lane itself may be waited for, while another makes its connection.
        match timeout(PATIENCE + CONNECT, lane.query(sql, parameters)).await {
            Ok(answered) => answered,
            Err(_) => Err(slow()),
        }
    }
}

/// Whether an error ended the connection, or is the end of it.
pub(super) fn is_lost(error: &Error) -> bool {
    match error.as_db_error() {
        Some(said) => matches!(
            said.parsed_severity(),
            None | Some(Severity::Fatal | Severity::Panic)
        ),
        None => true,
    }
}

/// What is told of an error: never a value that was sent.
pub(super) fn failed(error: &Error) -> LedgerError {
    let reason = match error.as_db_error() {
        Some(said) => format!("{} ({})", said.message(), said.code().code()),
        None => match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    };
    // XX001 and XX002: data or an index on the server's disk is damaged.
    match error.code().map(tokio_postgres::error::SqlState::code) {
        Some("XX001" | "XX002") => LedgerError::Damaged(reason),
        _ => LedgerError::Unavailable(format!("PostgreSQL: {reason}")),
    }
}

/// The database took too long.
pub(super) fn slow() -> LedgerError {
    LedgerError::Unavailable("PostgreSQL does not answer in time".to_owned())
}
