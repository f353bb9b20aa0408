//! The tables and functions in the database, made by whichever replica comes first.

use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::Error;

use super::ConnectError;
use super::link::{Link, failed};

/// The form of the tables that this version reads and writes.
const FORM: i64 = 2;

const MAKE: &str = include_str!("schema.sql");

/// Makes form 2 of form 1. A replica that knows form 1 alone goes on with it, and is refused when it starts anew.
const TO_FORM_2: &str = include_str!("schema_2.sql");

/// The counts, which form 2 has besides.
const COUNTS: &str = include_str!("counts.sql");

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
        let form = form.await?.map_or(Ok(FORM), |row| row.try_get(0))?;
        if form == 1 {
            client.batch_execute(TO_FORM_2).await?;
            client.batch_execute(COUNTS).await?;
            FORM
        } else {
            form
        }
    } else {
        if !known.try_get::<_, bool>(0)? {
            client.batch_execute("CREATE SCHEMA oap").await?;
        }
        client.batch_execute(MAKE).await?;
        client.batch_execute(COUNTS).await?;
        FORM
    };
    client.batch_execute("COMMIT").await?;
    Ok(form)
}
