//! Who goes on with which session: leases by the clock of the database, renewed together while they are held.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout_at};
use tokio_postgres::types::Type;

use super::link::Lanes;
use crate::store::ledger::LedgerError;

/// How often a lease of another replica is looked at, at first and at last.
const LOOK: [Duration; 2] = [Duration::from_millis(4), Duration::from_millis(100)];

/// How many leases are let go of together.
const MOST_TOGETHER: usize = 256;

/// Takes a session whose lease nobody else has; tells whether it was taken, and whether there is such a session.
const CLAIM: &str = "WITH taken AS (
        UPDATE oap.sessions
        SET holder = $2, turn = $3, lease_until = clock_timestamp() + $4 * interval '1 millisecond'
        WHERE id = $1 AND (holder IS NULL OR holder = $2 OR lease_until < clock_timestamp())
        RETURNING id)
    SELECT EXISTS (SELECT FROM taken), EXISTS (SELECT FROM oap.sessions WHERE id = $1)";

/// Rows that are being added to are passed over, so that nobody waits for another in a ring; the next time finds them.
const RENEW: &str = "UPDATE oap.sessions s
    SET lease_until = clock_timestamp() + $3 * interval '1 millisecond'
    FROM (SELECT id FROM oap.sessions WHERE id = ANY ($1) AND holder = $2 FOR NO KEY UPDATE SKIP LOCKED) AS mine
    WHERE s.id = mine.id";

const RELEASE: &str = "UPDATE oap.sessions SET holder = NULL, turn = NULL, lease_until = NULL
    WHERE id = $1 AND holder = $2 AND turn = $3";

/// A session that this process holds, or is about to.
#[derive(Debug)]
struct Holding {
    turn: i64,
    freed: Arc<Notify>,
}

/// What this process holds.
pub(super) struct Leases {
    /// This process, among all that share the database.
    holder: Arc<str>,
    lease: Duration,
    wait: Duration,
    turns: AtomicI64,
    held: Mutex<HashMap<String, Holding>>,
    /// `None` once the ledger is gone.
    released: Mutex<Option<mpsc::UnboundedSender<(String, i64)>>>,
}

impl Leases {
    /// Leases of this length, and the other end of what is let go of, for [`keep`].
    pub(super) fn new(
        holder: Arc<str>,
        lease: Duration,
        wait: Duration,
    ) -> (Self, mpsc::UnboundedReceiver<(String, i64)>) {
        let (released, freed) = mpsc::unbounded_channel();
        let leases = Self {
            holder,
            lease,
            wait,
            turns: AtomicI64::new(0),
            held: Mutex::default(),
            released: Mutex::new(Some(released)),
        };
        (leases, freed)
    }

    /// How long a session stays with a process that has died.
    pub(super) fn lease(&self) -> Duration {
        self.lease
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, Holding>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The turn in which this process holds a session.
    pub(super) fn turn(&self, id: &str) -> Option<i64> {
        self.held().get(id).map(|holding| holding.turn)
    }

    /// Lets go of a session: here at once, in the database soon.
    pub(super) fn release(&self, id: &str) {
        let Some(holding) = self.held().remove(id) else {
            return;
        };
        let released = self.released.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(released) = &*released {
            let _ = released.send((id.to_owned(), holding.turn));
        }
        holding.freed.notify_waiters();
    }

    /// Lets go of everything, and has [`keep`] end after that.
    pub(super) fn close(&self) {
        let held: Vec<String> = self.held().keys().cloned().collect();
        for id in held {
            self.release(&id);
        }
        *self.released.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Takes a session, after those of this process and of others who have it.
    pub(super) async fn claim(&self, lanes: &Lanes, id: &str) -> Result<(), LedgerError> {
        let deadline = Instant::now() + self.wait;
        let turn = timeout_at(deadline, self.sit_down(id))
            .await
            .map_err(|_| LedgerError::Conflict)?;
        // Who is not served, or goes away meanwhile, lets the next one have it.
        let mut seat = Seat {
            leases: self,
            id: Some(id),
        };
        let mut look = LOOK[0];
        loop {
            let lease = milliseconds(self.lease);
            let found = lanes
                .query(
                    CLAIM,
                    &[
                        (&id, Type::TEXT),
                        (&&*self.holder, Type::TEXT),
                        (&turn, Type::INT8),
                        (&lease, Type::FLOAT8),
                    ],
                )
                .await?;
            let (taken, there) = found.first().map_or(Ok((false, false)), |row| {
                let told = row
                    .try_get(0)
                    .and_then(|taken| Ok((taken, row.try_get(1)?)));
                told.map_err(|error| super::link::failed(&error))
            })?;
            // Where there is no such session nobody can go on with it, which whoever claimed it finds out.
            if taken || !there {
                seat.id = None;
                return Ok(());
            }
            let pause = look + look.mul_f64(chance());
            if Instant::now() + pause > deadline {
                return Err(LedgerError::Conflict);
            }
            sleep(pause).await;
            look = (look * 3 / 2).min(LOOK[1]);
        }
    }

    /// Waits for the claims of this process that came before.
    async fn sit_down(&self, id: &str) -> i64 {
        loop {
            let freed = match self.held().entry(id.to_owned()) {
                Entry::Vacant(vacant) => {
                    let turn = self.turns.fetch_add(1, Ordering::Relaxed) + 1;
                    let freed = Arc::default();
                    vacant.insert(Holding { turn, freed });
                    return turn;
                }
                // Hears of everything from here on, since nobody can let go while this is locked.
                Entry::Occupied(taken) => Arc::clone(&taken.get().freed).notified_owned(),
            };
            freed.await;
        }
    }

    /// Makes the leases of what is held longer.
    async fn renew(&self, lanes: &Lanes) -> Result<(), LedgerError> {
        let ids: Vec<String> = self.held().keys().cloned().collect();
        if ids.is_empty() {
            return Ok(());
        }
        let lease = milliseconds(self.lease);
        let renewed = lanes
            .query(
                RENEW,
                &[
                    (&ids, Type::TEXT_ARRAY),
                    (&&*self.holder, Type::TEXT),
                    (&lease, Type::FLOAT8),
                ],
            )
            .await;
        renewed.map(drop)
    }

    /// Lets go in the database; a lease that this does not reach ends by itself.
    async fn let_go(&self, lanes: &Lanes, released: &[(String, i64)]) {
        join_all(released.iter().map(async |(id, turn)| {
            let gone = lanes
                .query(
                    RELEASE,
                    &[
                        (id, Type::TEXT),
                        (&&*self.holder, Type::TEXT),
                        (turn, Type::INT8),
                    ],
                )
                .await;
            gone.map(drop)
        }))
        .await;
    }
}

/// A claim that is not granted yet.
struct Seat<'l> {
    leases: &'l Leases,
    id: Option<&'l str>,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.leases.release(id);
        }
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// A number from 0 to 1 that another replica does not have.
fn chance() -> f64 {
    let number = u32::try_from(RandomState::new().build_hasher().finish() >> 32).unwrap_or(0);
    f64::from(number) / f64::from(u32::MAX)
}

/// Renews what is held and lets go of what is released, until the ledger is gone.
pub(super) async fn keep(
    leases: Arc<Leases>,
    lanes: Arc<Lanes>,
    mut released: mpsc::UnboundedReceiver<(String, i64)>,
) {
    let renewing = async {
        let mut tick = interval((leases.lease / 4).max(Duration::from_millis(10)));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            // Where the database is gone, the next tick may find it back before the lease is over.
            let _ = leases.renew(&lanes).await;
        }
    };
    let releasing = async {
        let mut together = Vec::new();
        while released.recv_many(&mut together, MOST_TOGETHER).await > 0 {
            leases.let_go(&lanes, &together).await;
            together.clear();
        }
    };
    tokio::select! {
        () = releasing => {}
        () = renewing => {}
    }
}
