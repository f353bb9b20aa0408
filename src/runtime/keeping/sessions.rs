//! Sessions that the ledger has: made again of their rows, and gone on with by one process at a time.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::damaged;
use crate::runtime::error::ErrorObject;
use crate::runtime::plugins::Plugins;
use crate::runtime::recovery;
use crate::runtime::runtime::Runtime;
use crate::runtime::session::entry::{Entry, FORMAT};
use crate::runtime::session::replay::Tail;
use crate::runtime::session::{self, Input, Opening, Session};
use crate::runtime::sessions::no_room;
use crate::store::{self, Full, Ledger, LedgerError, Slot, Told};

/// How long sessions were not called that are put away where memory is full; if that is not enough, the next ones.
const QUIET: [SignedDuration; 3] = [
    SignedDuration::from_secs(60),
    SignedDuration::from_secs(5),
    SignedDuration::ZERO,
];

/// Whether a session may be gone on with here.
pub(in crate::runtime) enum Claimed<'r> {
    /// Until this is dropped.
    Held(Claim<'r>),
    /// Its place in memory was given up, or somebody closed it: look it up anew.
    Gone,
}

/// The right to go on with a session.
#[derive(Default)]
pub(in crate::runtime) struct Claim<'r> {
    held: Option<(&'r dyn Ledger, String)>,
    others_answer: bool,
}

impl Claim<'_> {
    /// Whether an answer to this call may have been kept since the call's key was looked up: by another process, or by who ended
    /// what another process had begun.
    pub(in crate::runtime) fn others_answer(&self) -> bool {
        self.others_answer
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if let Some((ledger, id)) = &self.held {
            ledger.release(id);
        }
    }
}

impl Runtime {
    /// A session as the ledger has it, for reading; it is not taken into memory.
    pub(in crate::runtime) async fn read_kept_session(
        &self,
        id: &str,
    ) -> Result<Option<Arc<Slot>>, ErrorObject> {
        let Some(ledger) = self.ledger() else {
            return Ok(None);
        };
        // No stranger's id needs to reach the ledger: no session has one of another form.
        if !is_session_id(id) {
            return Ok(None);
        }
        let loaded = match ledger.load(id, 0).await {
            Ok(None) => return Ok(None),
            Ok(Some(kept)) => self.made_of(&**ledger, id, kept).await,
            Err(error) => Err(error),
        };
        loaded.map(Some).map_err(|error| self.ledger_failed(&error))
    }

    /// A session that is not in memory, from the ledger.
    pub(in crate::runtime) async fn load(
        &self,
        id: &str,
    ) -> Result<Option<Arc<Slot>>, ErrorObject> {
        let Some(slot) = self.read_kept_session(id).await? else {
            return Ok(None);
        };
        let held = self
            .make_room(&slot)
            .and_then(|()| self.store().adopt(slot));
        held.map(Some).map_err(no_room)
    }

    /// Makes room in memory for a session that the ledger has or is about to have: others are put away for it, those first that
    /// were not called for longer.
    ///
    /// # Errors
    /// [`Full`] where all of them are in use.
    pub(in crate::runtime) fn make_room(&self, slot: &Slot) -> Result<(), Full> {
        let store = self.store();
        for idle in QUIET {
            if store.has_room(slot).is_ok() {
                return Ok(());
            }
            store.put_away(self.now() - idle);
        }
        store.has_room(slot)
    }

    /// A session made of its rows.
    async fn made_of(
        &self,
        ledger: &dyn Ledger,
        id: &str,
        kept: store::ledger::Kept,
    ) -> Result<Arc<Slot>, LedgerError> {
        let manifest = self.manifest_of(ledger, &kept.digest).await?;
        let mut rows = kept.rows.into_iter();
        let (_, first) = rows
            .next()
            .ok_or_else(|| damaged("a session has no rows"))?;
        let opened: Entry = serde_json::from_str(&first).map_err(damaged)?;
        let at = opened.at();
        let Entry::Opened {
            format,
            goal,
            observation,
            max_steps,
            flags,
            seed,
            caller,
            human,
            heaviest_record,
            ..
        } = opened
        else {
            return Err(damaged("a session's first row is not its opening"));
        };
        if format > FORMAT {
            return Err(damaged(format!(
                "a session is of form {format}, and this version reads up to {FORMAT}; use a newer version"
            )));
        }
        let opening = Opening {
            id: id.to_owned(),
            manifest,
            goal,
            observation,
            max_steps,
            flags,
            seed,
            redactor: self.redactor().clone(),
            caller: caller.into(),
            plugins: session::Plugins(Arc::<Plugins>::clone(self.plugins())),
            human,
            heaviest_record,
            contracts: self.store().contracts().clone(),
        };
        let session = Session::open(self.parts(), at, opening);
        let slot = Slot::new(session, &kept.owner, at, kept.touched);
        slot.trail().last = 1;
        self.replay(&slot, rows)?;
        Ok(Arc::new(slot))
    }

    /// Feeds rows to a session that has taken all before them.
    fn replay(
        &self,
        slot: &Slot,
        rows: impl Iterator<Item = (u64, String)>,
    ) -> Result<(), LedgerError> {
        let mut session = slot.session();
        let mut tail = std::mem::take(&mut slot.trail().tail);
        let mut last = slot.trail().last;
        for (number, row) in rows {
            if number != last + 1 {
                return Err(damaged("a row of a session is missing"));
            }
            let entry: Entry = serde_json::from_str(&row).map_err(damaged)?;
            tail.follow(&mut session, self.parts(), entry)
                .map_err(damaged)?;
            last = number;
        }
        slot.weigh(session.held_bytes());
        slot.note_kept(Told::all(&session));
        let mut trail = slot.trail();
        trail.last = last;
        trail.tail = tail;
        Ok(())
    }

    /// Makes this process the one that goes on with a session, brings the session up to what the ledger has, and ends what was
    /// under way when another process died. The caller holds the session's turn.
    pub(in crate::runtime) async fn claim(&self, slot: &Slot) -> Result<Claimed<'_>, ErrorObject> {
        let Some(ledger) = self.ledger() else {
            return Ok(Claimed::Held(Claim::default()));
        };
        if slot.is_gone() {
            return Ok(Claimed::Gone);
        }
        let mut claim = Claim::default();
        if ledger.shared() {
            let claimed = ledger.claim(slot.id()).await;
            claimed.map_err(|error| self.ledger_failed(&error))?;
            claim.held = Some((&**ledger, slot.id().to_owned()));
            if !self.catch_up(&**ledger, slot).await? {
                return Ok(Claimed::Gone);
            }
        }
        let flight = slot.trail().tail.take_flight();
        if let Some((flight, key)) = flight {
            slot.trail().taken_up = true;
            recovery::resolve(self, slot, flight, key).await?;
        }
        let mut trail = slot.trail();
        trail.tail = Tail::default();
        claim.others_answer = ledger.shared() || trail.taken_up;
        drop(trail);
        Ok(Claimed::Held(claim))
    }

    /// Takes the rows that other processes added; false where the session is over.
    async fn catch_up(&self, ledger: &dyn Ledger, slot: &Slot) -> Result<bool, ErrorObject> {
        let last = slot.trail().last;
        let caught_up = match ledger.load(slot.id(), last).await {
            Ok(None) => Ok(false),
            Ok(Some(kept)) => {
                slot.touch(kept.touched.max(slot.touched()));
                self.replay(slot, kept.rows.into_iter()).map(|()| true)
            }
            Err(error) => Err(error),
        };
        if !matches!(caught_up, Ok(true)) {
            slot.give_up();
            self.store().forget(slot);
        }
        caught_up.map_err(|error| self.ledger_failed(&error))
    }

    /// The session as it is now, for reading; `None` when another process closed it.
    pub(in crate::runtime) async fn fresh(
        &self,
        slot: Arc<Slot>,
    ) -> Result<Option<Arc<Slot>>, ErrorObject> {
        let Some(ledger) = self.ledger().filter(|ledger| ledger.shared()) else {
            return Ok(Some(slot));
        };
        let Ok(turn) = slot.turn().try_lock() else {
            return self.beside_the_turn(&**ledger, slot).await;
        };
        let there = !slot.is_gone() && self.catch_up(&**ledger, &slot).await?;
        drop(turn);
        Ok(there.then_some(slot))
    }

    /// The session as it is now while somebody here has its turn. Who has claimed it too is ahead of the ledger; who still waits for
    /// the claim is behind whatever another process does, and then the session is made of its rows for this reading alone.
    async fn beside_the_turn(
        &self,
        ledger: &dyn Ledger,
        slot: Arc<Slot>,
    ) -> Result<Option<Arc<Slot>>, ErrorObject> {
        let last = slot.trail().last;
        let newer = ledger.load(slot.id(), last).await;
        match newer.map_err(|error| self.ledger_failed(&error))? {
            Some(kept) if kept.rows.is_empty() => Ok(Some(slot)),
            Some(_) => self.read_kept_session(slot.id()).await,
            None => Ok(None),
        }
    }

    /// Nothing was called on a session for too long.
    pub(in crate::runtime) async fn leave_alone(
        &self,
        slot: &Slot,
        now: Timestamp,
    ) -> Result<(), ErrorObject> {
        if self.ledger().is_none() {
            slot.session().step(self.parts(), now, Input::LeftAlone);
            slot.announce();
            return Ok(());
        }
        let _turn = slot.turn().lock().await;
        let Claimed::Held(_claim) = self.claim(slot).await? else {
            return Ok(());
        };
        let row = self.row(&Input::LeftAlone, now, None);
        slot.session().step(self.parts(), now, Input::LeftAlone);
        slot.trail().unwritten.extend(row);
        slot.announce();
        self.keep(slot, false, None, None).await
    }

    /// Lets the ledger know now and then that a session is used, so that no replica takes it for one that is left alone.
    pub(in crate::runtime) async fn note_touch(&self, slot: &Slot, now: Timestamp) {
        let Some(ledger) = self.ledger() else {
            return;
        };
        let every = SignedDuration::try_from(self.limits().session_idle / 8)
            .unwrap_or(SignedDuration::from_hours(1));
        // A touch that is lost is made up for by the next.
        if slot.to_be_noted(now, every)
            && let Err(error) = ledger.touch(slot.id(), now).await
        {
            self.complain(&error);
        }
    }
}

/// Whether a text has the form of a session's id (sessions.md 1.3).
pub(in crate::runtime) fn is_session_id(text: &str) -> bool {
    (22..=128).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}
