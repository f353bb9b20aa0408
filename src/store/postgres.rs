//! The ledger in PostgreSQL, for several replicas.
//!
//! Any replica goes on with any session, one at a time: it claims the session with a lease, which it renews while it works and
//! which ends by itself when it dies. A lease alone is no promise, since a replica may be slower than it thinks; each addition
//! is therefore kept only if the replica has the session still, and has seen its last row. What is added at one moment is made
//! durable in one transaction.

mod breaker;
mod leases;
mod link;
mod schema;
#[cfg(test)]
pub(crate) mod server;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

use super::ledger::{
    Addition, Archived, Beginning, Count, Filed, Kept, KeptAnswer, Later, Ledger, LedgerError,
    Place, Registered, Retention,
};
use leases::Leases;
use link::{Lane, Lanes, PATIENCE, Parameters, Target, failed, slow};
use writer::{Change, MOST_WAITING, Told, Work, microseconds};

/// How much longer than a lease a claim waits for its turn.
const WAIT: Duration = Duration::from_secs(20);

/// How many answers and transcripts one transaction lets go of.
const PRUNED_TOGETHER: i64 = 5_000;

/// How often it does so at a time; the next time goes on.
const MOST_PRUNINGS: usize = 20;

/// Why a database is not used. No text of it holds a part of the URL, since there may be a password in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectError {
    /// The URL is none of a database.
    Url,
    /// The database cannot be reached, or refuses the user.
    Unreachable(LedgerError),
    /// The tables cannot be made or read.
    Refused(LedgerError),
    /// The tables are of a newer version.
    Newer(i64),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectError::Url => f.write_str(
                "the URL of PostgreSQL cannot be read; write it as postgres://user:password@host:port/database, \
                 with sslmode=require where the way there needs it, and name an own authority in SSL_CERT_FILE",
            ),
            ConnectError::Unreachable(error) => {
                write!(f, "{error}; check the URL, and whether the database runs")
            }
            ConnectError::Refused(error) => write!(
                f,
                "the schema oap cannot be made or read: {error}; grant the user what it needs, or prepare the schema"
            ),
            ConnectError::Newer(form) => write!(
                f,
                "the schema oap has form {form}, which is newer than this version reads; use a newer version"
            ),
        }
    }
}

impl std::error::Error for ConnectError {}

/// The ledger in PostgreSQL.
pub struct Postgres {
    lanes: Arc<Lanes>,
    leases: Arc<Leases>,
    work: mpsc::Sender<Work>,
    /// They end by themselves, but not where a test has a replica die.
    #[cfg(test)]
    tasks: [tokio::task::AbortHandle; 2],
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").finish_non_exhaustive()
    }
}

impl Postgres {
    /// Opens the ledger in the database of this URL, and makes its tables in the schema `oap` where they are not there yet.
    /// `lease`: how long a session stays with a replica that has died.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect(url: &str, lease: Duration) -> Result<Self, ConnectError> {
        Self::with(url, lease, lease.saturating_add(WAIT)).await
    }

    async fn with(url: &str, lease: Duration, wait: Duration) -> Result<Self, ConnectError> {
        let target = Arc::new(Target::read(url)?);
        let link = target.connect(true).await;
        schema::prepare(&link.map_err(ConnectError::Unreachable)?).await?;
        let holder: Arc<str> = uuid::Uuid::new_v4().to_string().into();
        let lanes = Arc::new(Lanes::new(&target));
        let (leases, released) = Leases::new(Arc::clone(&holder), lease, wait);
        let leases = Arc::new(leases);
        let (work, queue) = mpsc::channel(MOST_WAITING);
        let _writer = tokio::spawn(writer::write(queue, Lane::new(target, true), holder));
        let _keeper = tokio::spawn(leases::keep(
            Arc::clone(&leases),
            Arc::clone(&lanes),
            released,
        ));
        Ok(Self {
            lanes,
            leases,
            work,
            #[cfg(test)]
            tasks: [_writer.abort_handle(), _keeper.abort_handle()],
        })
    }

    /// Dies as a process does: nothing is written, renewed or let go of any more.
    #[cfg(test)]
    pub(crate) fn die(&self) {
        for task in &self.tasks {
            task.abort();
        }
    }

    /// Has the writer do something; what takes too long may be done or not.
    fn ask(&self, change: Change) -> Later<'_, Told> {
        if change.too_large() {
            let reason = "a text is larger than PostgreSQL takes".to_owned();
            return Box::pin(std::future::ready(Err(LedgerError::Unavailable(reason))));
        }
        let (done, told) = oneshot::channel();
        let sent = self.work.try_send(Work { change, done });
        Box::pin(async move {
            match sent {
                Ok(()) => match timeout(PATIENCE * 2, told).await {
                    Ok(Ok(told)) => told,
                    Ok(Err(_)) => Err(gone()),
                    Err(_) => Err(slow()),
                },
                Err(TrySendError::Full(_)) => Err(LedgerError::Unavailable(
                    "more waits to be written than PostgreSQL keeps up with".to_owned(),
                )),
                Err(TrySendError::Closed(_)) => Err(gone()),
            }
        })
    }

    fn do_it(&self, change: Change) -> Later<'_, ()> {
        let asked = self.ask(change);
        Box::pin(async move {
            match asked.await? {
                Told::Conflict => Err(LedgerError::Conflict),
                Told::Done | Told::Filed(_) | Told::Removed(_) => Ok(()),
            }
        })
    }

    async fn one(&self, sql: &str, parameters: Parameters<'_>) -> Result<Option<Row>, LedgerError> {
        let rows = self.lanes.query(sql, parameters).await?;
        Ok(rows.into_iter().next())
    }

    async fn ids(&self, sql: &str, parameters: Parameters<'_>) -> Result<Vec<String>, LedgerError> {
        let rows = self.lanes.query(sql, parameters).await?;
        rows.iter().map(|row| column(row, 0)).collect()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.leases.close();
    }
}

fn gone() -> LedgerError {
    LedgerError::Unavailable("the ledger is closed".to_owned())
}

fn column<'r, T: FromSql<'r>>(row: &'r Row, at: usize) -> Result<T, LedgerError> {
    row.try_get(at).map_err(|error| failed(&error))
}

fn text(row: &Row, at: usize) -> Result<String, LedgerError> {
    String::from_utf8(column(row, at)?).map_err(|error| LedgerError::Damaged(error.to_string()))
}

fn time(row: &Row, at: usize) -> Result<Timestamp, LedgerError> {
    Timestamp::from_microsecond(column(row, at)?)
        .map_err(|error| LedgerError::Damaged(error.to_string()))
}

fn bounded(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

fn number(row: &Row, at: usize) -> Result<u64, LedgerError> {
    u64::try_from(column::<i64>(row, at)?).map_err(|error| LedgerError::Damaged(error.to_string()))
}

impl Ledger for Postgres {
    fn lease(&self) -> Option<Duration> {
        Some(self.leases.lease())
    }

    fn begin(&self, beginning: Beginning) -> Later<'_, ()> {
        self.do_it(Change::Begin(Box::new(beginning)))
    }

    fn add(&self, addition: Addition) -> Later<'_, ()> {
        match self.leases.turn(&addition.id) {
            Some(turn) => self.do_it(Change::Add(Box::new(addition), turn)),
            None => Box::pin(std::future::ready(Err(LedgerError::Conflict))),
        }
    }

    fn load<'a>(&'a self, id: &'a str, after: u64) -> Later<'a, Option<Kept>> {
        Box::pin(async move {
            // One statement sees one state.
            let found = self
                .lanes
                .query(
                    "SELECT s.owner, s.touched, s.digest, r.number, r.body FROM oap.sessions s
                 LEFT JOIN oap.session_rows r ON r.session = s.id AND r.number > $2
                 WHERE s.id = $1 ORDER BY r.number",
                    &[(&id, Type::TEXT), (&bounded(after), Type::INT8)],
                )
                .await?;
            let Some(first) = found.first() else {
                return Ok(None);
            };
            let mut rows = Vec::with_capacity(found.len());
            for row in &found {
                if column::<Option<i64>>(row, 3)?.is_some() {
                    rows.push((number(row, 3)?, text(row, 4)?));
                }
            }
            Ok(Some(Kept {
                owner: text(first, 0)?,
                touched: time(first, 1)?,
                digest: column(first, 2)?,
                rows,
            }))
        })
    }

    fn claim<'a>(&'a self, id: &'a str) -> Later<'a, ()> {
        Box::pin(self.leases.claim(&self.lanes, id))
    }

    fn release(&self, id: &str) {
        self.leases.release(id);
    }

    fn touch<'a>(&'a self, id: &'a str, at: Timestamp) -> Later<'a, ()> {
        self.do_it(Change::Touch(id.to_owned(), at))
    }

    fn archived<'a>(&'a self, id: &'a str) -> Later<'a, Option<Archived>> {
        Box::pin(async move {
            let found = self
                .one(
                    "SELECT owner, body FROM oap.transcripts WHERE id = $1",
                    &[(&id, Type::TEXT)],
                )
                .await?;
            found.map_or(Ok(None), |row| {
                Ok(Some(Archived {
                    owner: text(&row, 0)?,
                    transcript: text(&row, 1)?,
                }))
            })
        })
    }

    fn answer<'a>(&'a self, scope: &'a str) -> Later<'a, Option<KeptAnswer>> {
        Box::pin(async move {
            let found = self
                .one(
                    "SELECT fingerprint, at, body FROM oap.answers WHERE scope = $1",
                    &[(&scope, Type::TEXT)],
                )
                .await?;
            found.map_or(Ok(None), |row| {
                Ok(Some(KeptAnswer {
                    scope: scope.to_owned(),
                    fingerprint: column(&row, 0)?,
                    at: time(&row, 1)?,
                    text: text(&row, 2)?,
                }))
            })
        })
    }

    fn keep_answer(&self, answer: KeptAnswer) -> Later<'_, ()> {
        self.do_it(Change::Answer(answer))
    }

    fn count<'a>(&'a self, scope: &'a str) -> Later<'a, Option<String>> {
        Box::pin(async move {
            let found = self
                .one(
                    "SELECT body FROM oap.counts WHERE scope = $1",
                    &[(&scope, Type::TEXT)],
                )
                .await?;
            found.map(|row| text(&row, 0)).transpose()
        })
    }

    fn recount(&self, before: Option<String>, count: Count) -> Later<'_, ()> {
        self.do_it(Change::Count(before, Box::new(count)))
    }

    fn forget_counts(&self, before: Timestamp) -> Later<'_, ()> {
        Box::pin(async move {
            self.one(
                "DELETE FROM oap.counts WHERE ends < $1",
                &[(&microseconds(before), Type::INT8)],
            )
            .await
            .map(drop)
        })
    }

    fn manifests_revision(&self) -> Later<'_, u64> {
        Box::pin(async move {
            let sql = "SELECT number FROM oap.counters WHERE name = 'revision'";
            let found = self.one(sql, &[]).await?;
            found.map_or(Ok(0), |row| number(&row, 0))
        })
    }

    fn manifests(&self) -> Later<'_, Vec<Registered>> {
        Box::pin(async move {
            let found = self
                .lanes
                .query(
                    "SELECT m.name, m.version, m.digest, d.body FROM oap.manifests m
                 JOIN oap.documents d ON d.digest = m.digest ORDER BY m.number",
                    &[],
                )
                .await?;
            let registered = found.iter().map(|row| {
                Ok(Registered {
                    name: text(row, 0)?,
                    version: text(row, 1)?,
                    digest: column(row, 2)?,
                    document: text(row, 3)?,
                })
            });
            registered.collect()
        })
    }

    fn file_manifest(&self, manifest: Registered, answer: Option<KeptAnswer>) -> Later<'_, Filed> {
        let asked = self.ask(Change::File(Box::new(manifest), answer));
        Box::pin(async move {
            match asked.await? {
                Told::Filed(filed) => Ok(filed),
                Told::Done | Told::Conflict | Told::Removed(_) => Err(LedgerError::Conflict),
            }
        })
    }

    fn remove_manifest<'a>(&'a self, name: &'a str, version: &'a str) -> Later<'a, bool> {
        let asked = self.ask(Change::Remove(name.to_owned(), version.to_owned()));
        Box::pin(async move { Ok(asked.await? == Told::Removed(true)) })
    }

    fn document<'a>(&'a self, digest: &'a str) -> Later<'a, Option<String>> {
        Box::pin(async move {
            let found = self
                .one(
                    "SELECT body FROM oap.documents WHERE digest = $1",
                    &[(&digest, Type::TEXT)],
                )
                .await?;
            found.map(|row| text(&row, 0)).transpose()
        })
    }

    fn owned<'a>(
        &'a self,
        owner: &'a str,
        after: Option<Place>,
        most: usize,
    ) -> Later<'a, Vec<Place>> {
        Box::pin(async move {
            let (opened, id) = match &after {
                Some(place) => (microseconds(place.opened), place.id.as_str()),
                // After every session that there may be.
                None => (i64::MAX, ""),
            };
            // Ids are compared by their characters, whatever the database sorts by.
            let found = self
                .lanes
                .query(
                    "SELECT opened, id FROM oap.sessions
                     WHERE owner = $1 AND (opened, id COLLATE \"C\") < ($2, $3)
                     ORDER BY opened DESC, id COLLATE \"C\" DESC LIMIT $4",
                    &[
                        (&owner.as_bytes(), Type::BYTEA),
                        (&opened, Type::INT8),
                        (&id, Type::TEXT),
                        (&bounded(most), Type::INT8),
                    ],
                )
                .await?;
            let places = found.iter().map(|row| {
                Ok(Place {
                    opened: time(row, 0)?,
                    id: column(row, 1)?,
                })
            });
            places.collect()
        })
    }

    fn idle(&self, before: Timestamp, most: usize) -> Later<'_, Vec<String>> {
        Box::pin(async move {
            let (before, most) = (microseconds(before), bounded(most));
            self.ids(
                "SELECT id FROM oap.sessions WHERE touched < $1 ORDER BY touched LIMIT $2",
                &[(&before, Type::INT8), (&most, Type::INT8)],
            )
            .await
        })
    }

    fn in_flight(&self, most: usize) -> Later<'_, Vec<String>> {
        Box::pin(async move {
            // In no order, so that replicas that look at once begin with different ones.
            self.ids(
                "SELECT id FROM oap.sessions
                 WHERE in_flight AND (holder IS NULL OR lease_until < clock_timestamp())
                 ORDER BY random() LIMIT $1",
                &[(&bounded(most), Type::INT8)],
            )
            .await
        })
    }

    fn open_sessions(&self) -> Later<'_, u64> {
        Box::pin(async move {
            let found = self.one("SELECT count(*) FROM oap.sessions", &[]).await?;
            found.map_or(Ok(0), |row| number(&row, 0))
        })
    }

    fn prune(&self, retention: Retention) -> Later<'_, ()> {
        Box::pin(async move {
            let (answers, transcripts) = (
                microseconds(retention.answers_before),
                microseconds(retention.transcripts_before),
            );
            for _ in 0..MOST_PRUNINGS {
                let pruned = self
                    .one(
                        "SELECT oap.prune_old($1, $2, $3, $4, $5)",
                        &[
                            (&answers, Type::INT8),
                            (&bounded(retention.most_answers), Type::INT8),
                            (&transcripts, Type::INT8),
                            (&bounded(retention.most_transcripts), Type::INT8),
                            (&PRUNED_TOGETHER, Type::INT8),
                        ],
                    )
                    .await?;
                if pruned.map_or(Ok(0), |row| number(&row, 0))? == 0 {
                    break;
                }
            }
            self.one("SELECT oap.prune_documents()", &[])
                .await
                .map(drop)
        })
    }
}
