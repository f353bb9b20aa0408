//! What changes the database: one task that makes what waits for it durable together.
//!
//! A refusal is an answer of the database's functions and no error, so that one transaction serves many callers. Where an error
//! ends it nevertheless, each is tried alone, so that none suffers from another. What may have been kept is not tried again.

use std::sync::Arc;

use futures_util::future::{join, join_all};
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::Error;
use tokio_postgres::types::Type;

use super::link::{Lane, Link, failed, is_lost, slow};
use crate::store::ledger::{
    Addition, Beginning, Count, Filed, KeptAnswer, LedgerError, Registered,
};

/// How much work may wait; beyond that the database is too slow for what is asked of it, and callers hear so.
pub(super) const MOST_WAITING: usize = 4096;

/// How much work is made durable together.
const MOST_TOGETHER: usize = 128;

/// The largest text of one row, document or transcript, in bytes; the bounds of the runtime are below it.
const LARGEST_TEXT: usize = 256 * 1024 * 1024;

/// What is to be changed.
#[derive(Debug)]
pub(super) enum Change {
    Begin(Box<Beginning>),
    /// Rows, added in this turn of the holder.
    Add(Box<Addition>, i64),
    Touch(String, Timestamp),
    Answer(KeptAnswer),
    /// A count, in the place of the one with this text.
    Count(Option<String>, Box<Count>),
    File(Box<Registered>, Option<KeptAnswer>),
    Remove(String, String),
}

/// What a change came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Done,
    Conflict,
    Filed(Filed),
    Removed(bool),
}

/// A change, and whom it tells.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) change: Change,
    pub(super) done: oneshot::Sender<Result<Told, LedgerError>>,
}

/// Why an attempt came to nothing.
enum Lost {
    /// The database said no; nothing was kept.
    Refused(LedgerError),
    /// The connection was lost before anything could be kept.
    Undone(LedgerError),
    /// Something may have been kept, or time is up.
    Unknown(LedgerError),
}

impl Lost {
    fn into_error(self) -> LedgerError {
        match self {
            Lost::Refused(error) | Lost::Undone(error) | Lost::Unknown(error) => error,
        }
    }
}

/// Microseconds since 1970.
pub(super) fn microseconds(at: Timestamp) -> i64 {
    at.as_microsecond()
}

impl Change {
    /// Changes come to a transaction in this order, so that those of two replicas rarely wait for each other in a ring.
    fn name(&self) -> &str {
        match self {
            Change::Begin(beginning) => &beginning.id,
            Change::Add(addition, _) => &addition.id,
            Change::Touch(id, _) => id,
            Change::Answer(answer) => &answer.scope,
            Change::Count(_, count) => &count.scope,
            Change::File(..) | Change::Remove(..) => "",
        }
    }

    /// Whether a text is larger than the database takes.
    pub(super) fn too_large(&self) -> bool {
        let answer = |answer: &Option<KeptAnswer>| answer.as_ref().map_or(0, |a| a.text.len());
        let largest = match self {
            Change::Begin(b) => b.row.len().max(b.document.len()).max(answer(&b.answer)),
            Change::Add(a, _) => {
                let rows: usize = a.rows.iter().map(String::len).sum();
                rows.max(a.transcript.as_ref().map_or(0, String::len))
                    .max(answer(&a.answer))
            }
            Change::Touch(..) | Change::Remove(..) => 0,
            Change::Answer(kept) => kept.text.len(),
            Change::Count(_, count) => count.text.len(),
            Change::File(manifest, kept) => manifest.document.len().max(answer(kept)),
        };
        largest > LARGEST_TEXT
    }

    /// Has the database do it, in whatever transaction the connection is in.
    async fn perform(&self, link: &Link, holder: &str) -> Result<Told, Error> {
        let client = &link.client;
        let answer = |kept: Option<&KeptAnswer>| {
            kept.map_or((None, None, None, None), |kept| {
                let body = Some(kept.text.clone().into_bytes());
                let at = Some(microseconds(kept.at));
                (
                    Some(kept.scope.clone()),
                    Some(kept.fingerprint.clone()),
                    at,
                    body,
                )
            })
        };
        let taken = |taken: bool| if taken { Told::Done } else { Told::Conflict };
        match self {
            Change::Begin(b) => {
                let (scope, fingerprint, at, body) = answer(b.answer.as_ref());
                let row = client
                    .query_typed_one(
                        "SELECT oap.begin_session($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                        &[
                            (&b.id, Type::TEXT),
                            (&b.owner.as_bytes(), Type::BYTEA),
                            (&microseconds(b.at), Type::INT8),
                            (&b.digest, Type::TEXT),
                            (&b.document.as_bytes(), Type::BYTEA),
                            (&b.row.as_bytes(), Type::BYTEA),
                            (&scope, Type::TEXT),
                            (&fingerprint, Type::TEXT),
                            (&at, Type::INT8),
                            (&body, Type::BYTEA),
                        ],
                    )
                    .await?;
                row.try_get(0).map(taken)
            }
            Change::Add(a, turn) => {
                let (scope, fingerprint, at, body) = answer(a.answer.as_ref());
                let rows: Vec<&[u8]> = a.rows.iter().map(String::as_bytes).collect();
                let row = client
                    .query_typed_one(
                        "SELECT oap.add_rows($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
                        &[
                            (&a.id, Type::TEXT),
                            (&holder, Type::TEXT),
                            (turn, Type::INT8),
                            (&i64::try_from(a.after).unwrap_or(i64::MAX), Type::INT8),
                            (&rows, Type::BYTEA_ARRAY),
                            (&microseconds(a.at), Type::INT8),
                            (&a.in_flight, Type::BOOL),
                            (&a.transcript.as_deref().map(str::as_bytes), Type::BYTEA),
                            (&scope, Type::TEXT),
                            (&fingerprint, Type::TEXT),
                            (&at, Type::INT8),
                            (&body, Type::BYTEA),
                        ],
                    )
                    .await?;
                row.try_get(0).map(taken)
            }
            Change::Touch(id, at) => {
                let row = client
                    .query_typed_one(
                        "SELECT oap.touch_session($1, $2)",
                        &[(id, Type::TEXT), (&microseconds(*at), Type::INT8)],
                    )
                    .await?;
                row.try_get(0).map(taken)
            }
            Change::Answer(kept) => {
                let (scope, fingerprint, at, body) = answer(Some(kept));
                let row = client
                    .query_typed_one(
                        "SELECT oap.keep_answer($1, $2, $3, $4)",
                        &[
                            (&scope, Type::TEXT),
                            (&fingerprint, Type::TEXT),
                            (&at, Type::INT8),
                            (&body, Type::BYTEA),
                        ],
                    )
                    .await?;
                row.try_get(0).map(taken)
            }
            Change::Count(before, count) => {
                let row = client
                    .query_typed_one(
                        "SELECT oap.recount($1, $2, $3, $4)",
                        &[
                            (&count.scope, Type::TEXT),
                            (&before.as_deref().map(str::as_bytes), Type::BYTEA),
                            (&count.text.as_bytes(), Type::BYTEA),
                            (&microseconds(count.until), Type::INT8),
                        ],
                    )
                    .await?;
                row.try_get(0).map(taken)
            }
            Change::File(manifest, kept) => {
                let (scope, fingerprint, at, body) = answer(kept.as_ref());
                let row = client
                    .query_typed_one(
                        "SELECT oap.file_manifest($1, $2, $3, $4, $5, $6, $7, $8)",
                        &[
                            (&manifest.name.as_bytes(), Type::BYTEA),
                            (&manifest.version.as_bytes(), Type::BYTEA),
                            (&manifest.digest, Type::TEXT),
                            (&manifest.document.as_bytes(), Type::BYTEA),
                            (&scope, Type::TEXT),
                            (&fingerprint, Type::TEXT),
                            (&at, Type::INT8),
                            (&body, Type::BYTEA),
                        ],
                    )
                    .await?;
                Ok(match row.try_get(0)? {
                    "new" => Told::Filed(Filed::New),
                    "known" => Told::Filed(Filed::Known),
                    "other" => Told::Filed(Filed::Other),
                    _ => Told::Conflict,
                })
            }
            Change::Remove(name, version) => {
                let row = client
                    .query_typed_one(
                        "SELECT oap.remove_manifest($1, $2)",
                        &[
                            (&name.as_bytes(), Type::BYTEA),
                            (&version.as_bytes(), Type::BYTEA),
                        ],
                    )
                    .await?;
                Ok(Told::Removed(row.try_get::<_, &str>(0)? == "removed"))
            }
        }
    }
}

/// The writer's life: take what waits, write it together, tell everybody. It ends when nobody can ask any more.
pub(super) async fn write(mut queue: mpsc::Receiver<Work>, lane: Lane, holder: Arc<str>) {
    let mut together = Vec::new();
    while queue.recv_many(&mut together, MOST_TOGETHER).await > 0 {
        // Whoever gave up was told that nothing is known of it.
        together.retain(|work| !work.done.is_closed());
        together.sort_by(|one, other| one.change.name().cmp(other.change.name()));
        write_together(&lane, &holder, std::mem::take(&mut together)).await;
    }
}

async fn write_together(lane: &Lane, holder: &str, together: Vec<Work>) {
    let changes: Vec<&Change> = together.iter().map(|work| &work.change).collect();
    if changes.is_empty() {
        return;
    }
    let mut written = attempt(lane, holder, &changes).await;
    if let Err(Lost::Undone(_)) = written {
        // The database was started again since the connection was made; there is a new one now, or none.
        written = attempt(lane, holder, &changes).await;
    }
    match written {
        Ok(told) => {
            for (work, told) in together.into_iter().zip(told) {
                let _ = work.done.send(Ok(told));
            }
        }
        Err(Lost::Refused(_)) if together.len() > 1 => {
            let mut lost = None;
            for work in together {
                let told = match &lost {
                    None => attempt(lane, holder, &[&work.change]).await,
                    Some(error) => Err(Lost::Unknown(LedgerError::clone(error))),
                };
                let told = match told {
                    Ok(told) => told.first().copied().ok_or_else(slow),
                    Err(Lost::Refused(error)) => Err(error),
                    Err(gone) => {
                        // Nobody waits longer than one attempt takes.
                        let error = gone.into_error();
                        lost = Some(error.clone());
                        Err(error)
                    }
                };
                let _ = work.done.send(told);
            }
        }
        Err(lost) => {
            let error = lost.into_error();
            for work in together {
                let _ = work.done.send(Err(error.clone()));
            }
        }
    }
}

/// One transaction with all of these.
async fn attempt(lane: &Lane, holder: &str, changes: &[&Change]) -> Result<Vec<Told>, Lost> {
    let link = lane.link().await.map_err(Lost::Unknown)?;
    let asked = match changes {
        [change] => lane.patiently(alone(&link, holder, change)).await,
        _ => lane.patiently(in_one(&link, holder, changes)).await,
    };
    let written = asked.unwrap_or_else(|slow| Err(Lost::Unknown(slow)));
    if let Err(Lost::Undone(_) | Lost::Unknown(_)) = written {
        lane.discard(&link).await;
    }
    written
}

/// One statement is a transaction by itself.
async fn alone(link: &Link, holder: &str, change: &Change) -> Result<Vec<Told>, Lost> {
    match change.perform(link, holder).await {
        Ok(told) => Ok(vec![told]),
        Err(error) if is_lost(&error) => Err(Lost::Unknown(failed(&error))),
        Err(error) => Err(Lost::Refused(failed(&error))),
    }
}

async fn in_one(link: &Link, holder: &str, changes: &[&Change]) -> Result<Vec<Told>, Lost> {
    let undone = |error: &Error| match is_lost(error) {
        true => Lost::Undone(failed(error)),
        false => Lost::Refused(failed(error)),
    };
    // All are sent before the first answer is waited for; the first is sent first.
    let begun = link.client.batch_execute("BEGIN");
    let asked = join_all(changes.iter().map(|change| change.perform(link, holder)));
    let (begun, told) = join(begun, asked).await;
    let told = match begun {
        Ok(()) => told.into_iter().collect::<Result<Vec<_>, _>>(),
        // Nothing of it is known to be in a transaction.
        Err(error) => return Err(Lost::Unknown(failed(&error))),
    };
    match told {
        Ok(told) => match link.client.batch_execute("COMMIT").await {
            Ok(()) => Ok(told),
            Err(error) => Err(Lost::Unknown(failed(&error))),
        },
        Err(error) => {
            let lost = undone(&error);
            match link.client.batch_execute("ROLLBACK").await {
                Ok(()) => Err(lost),
                Err(_) => Err(Lost::Undone(lost.into_error())),
            }
        }
    }
}
