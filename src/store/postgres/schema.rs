//! The tables and functions in the database, made by whichever replica comes first.

use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::Error;

use super::ConnectError;
use super::link::{Link, failed};

/// The form of the tables that this version reads and writes.
const FORM: i64 = 1;

const MAKE: &str = include_str!("schema.sql");

/// Replicas that start at once wait for each other with this lock.
const LOCK: &str =
    "BEGIN; SET LOCAL statement_timeout = '25s'; SELECT pg_advisory_xact_lock(7163018264)";

/// How long making the tables may take, with waiting for another replica that makes them.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sees to it that the tables are there.
pub(super) async fn prepare(link: &Link) -> Result<(), ConnectError> {
    let form = match timeout(PATIENCE, make(link)).await {
        Ok(Ok(form)) => form,
        Ok(Err(error)) => return Err(ConnectError::Refused(failed(&error))),
        Err(_) => return Err(ConnectError::Unreachable(super::link::slow())),
    };
    if form > FORM {
        return Err(ConnectError::Newer(form));
    }
    Ok(())
}

/// The form of what is there then.
async fn make(link: &Link) -> Result<i64, Error> {
    let client = &link.client;
    client.batch_execute(LOCK).await?;
    // Asked first, so that the owner of a prepared schema needs no right to make one.
    let known = client
        .query_typed_one(
            "SELECT to_regnamespace('oap') IS NOT NULL, to_regclass('oap.counters') IS NOT NULL",
            &[],
        )
        .await?;
    let form = if known.try_get(1)? {
        let form =
            client.query_typed_opt("SELECT number FROM oap.counters WHERE name = 'form'", &[]);
        form.await?.map_or(Ok(FORM), |row| row.try_get(0))?
    } else {
        if !known.try_get::<_, bool>(0)? {
            client.batch_execute("CREATE SCHEMA oap").await?;
        }
        client.batch_execute(MAKE).await?;
        FORM
    };
    client.batch_execute("COMMIT").await?;
    Ok(form)
}
