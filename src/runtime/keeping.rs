//! Between sessions in memory and the ledger that keeps them (`spec/sessions.md` section 5).
//!
//! The order of things is the promise: what a step is about to do is kept before it does it, and what came of it is kept before
//! anybody is told. Whatever the ledger does not take is given up in memory too, so that memory is never ahead of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::answer::Answer;
use super::error::{Code, ErrorObject};
use super::plugins::Plugins;
use super::recovery;
use super::registry::Registered;
use super::runtime::Runtime;
use super::session::entry::{CallKey, Entry, FORMAT};
use super::session::replay::Tail;
use super::session::{self, Input, Opening, Session};
use super::sessions::no_room;
use crate::manifest::Manifest;
use crate::store::ledger::{Addition, Beginning, Filed, KeptAnswer};
use crate::store::{self, Closed, Ledger, LedgerError, Slot, Told};

/// How long a client waits where the store cannot be used: as long at most as a store waits before it is tried again.
const RETRY_AFTER_SECONDS: u64 = 1;

/// Whether a session may be gone on with here.
pub(super) enum Claimed<'r> {
    /// Until this is dropped.
    Held(Claim<'r>),
    /// Its place in memory was given up, or somebody closed it: look it up anew.
    Gone,
}

/// The right to go on with a session.
#[derive(Default)]
pub(super) struct Claim<'r> {
    held: Option<(&'r dyn Ledger, String)>,
    others_answer: bool,
}

impl Claim<'_> {
    /// Whether an answer to this call may have been kept since the call's key was looked up: by another process, or by who ended
    /// what another process had begun.
    pub(super) fn others_answer(&self) -> bool {
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

/// The answer where the ledger does not do its part.
pub(super) fn refused(error: &LedgerError) -> ErrorObject {
    match error {
        LedgerError::Unavailable(_) => ErrorObject::new(
            Code::CapacityExceeded,
            "the store cannot be used at the moment, so nothing was promised; send the call again",
        )
        .with("retry_after", RETRY_AFTER_SECONDS),
        LedgerError::Conflict => ErrorObject::new(
            Code::Conflict,
            "another replica has the session; send the call again",
        ),
        LedgerError::Damaged(_) => ErrorObject::new(
            Code::InternalError,
            "what was kept of this cannot be used; the operator finds the reason in the log",
        ),
    }
}

pub(super) fn damaged(reason: impl ToString) -> LedgerError {
    LedgerError::Damaged(reason.to_string())
}

/// The key of a call, as the ledger knows it: scopes hold names of subjects and keys of clients, so only their digest is kept.
pub(super) fn call_key(scope: &str, fingerprint: String) -> CallKey {
    CallKey {
        scope: session::transcript::text_digest(scope),
        fingerprint,
    }
}

impl Runtime {
    /// The refusal, noted for the operator: the client learns no reason.
    pub(super) fn ledger_failed(&self, error: &LedgerError) -> ErrorObject {
        if !matches!(error, LedgerError::Conflict) {
            self.complain(error);
        }
        refused(error)
    }

    /// The row of an input, where there is a ledger and the input is one that it keeps.
    pub(super) fn row(
        &self,
        input: &Input,
        now: Timestamp,
        key: Option<&CallKey>,
    ) -> Option<String> {
        self.ledger()?;
        let entry = Entry::of(input, now, key)?;
        Some(entry.written(self.redactor()))
    }

    /// Keeps a new session with the answer to its opening; gives another answer where the key had one already.
    pub(super) async fn keep_beginning(
        &self,
        slot: &Slot,
        row: Entry,
        at: Timestamp,
        key: Option<&CallKey>,
        answer: &Answer,
    ) -> Result<Option<Answer>, ErrorObject> {
        let Some(ledger) = self.ledger() else {
            return Ok(None);
        };
        let manifest = Arc::clone(slot.session().manifest());
        let beginning = Beginning {
            id: slot.id().to_owned(),
            owner: slot.owner().to_string(),
            at,
            digest: manifest.digest.clone(),
            document: manifest.document.to_string(),
            row: row.written(self.redactor()),
            answer: self.answer_to_keep("POST /sessions", key, answer),
        };
        match ledger.begin(beginning).await {
            Ok(()) => {
                slot.trail().last = 1;
                Ok(None)
            }
            Err(LedgerError::Conflict) if key.is_some() => {
                let first = self.kept_answer(key).await?;
                first
                    .map(Some)
                    .ok_or_else(|| refused(&LedgerError::Conflict))
            }
            Err(error) => Err(self.ledger_failed(&error)),
        }
    }

    /// An answer as it is kept under its key, if it is final.
    pub(super) fn answer_to_keep(
        &self,
        route: &'static str,
        key: Option<&CallKey>,
        answer: &Answer,
    ) -> Option<KeptAnswer> {
        let key = key?;
        self.ledger()?;
        let answer = self.finish(route, answer.clone());
        if !self.parts().storable(&answer) {
            return None;
        }
        Some(KeptAnswer {
            scope: key.scope.clone(),
            fingerprint: key.fingerprint.clone(),
            at: self.now(),
            text: json!({"status": answer.status, "body": *answer.body}).to_string(),
        })
    }

    /// Keeps the answer to a call that belongs to no session, before it is given.
    pub(super) async fn keep_answer(
        &self,
        route: &'static str,
        key: Option<&CallKey>,
        answer: &Answer,
    ) -> Result<(), ErrorObject> {
        let (Some(ledger), Some(kept)) = (self.ledger(), self.answer_to_keep(route, key, answer))
        else {
            return Ok(());
        };
        match ledger.keep_answer(kept).await {
            // Another replica was asked the same at the same time, and both have run; the first answer stays.
            Ok(()) | Err(LedgerError::Conflict) => Ok(()),
            Err(error) => Err(self.ledger_failed(&error)),
        }
    }

    /// The answer that the ledger keeps under this key.
    ///
    /// # Errors
    /// `idempotency_conflict` where it was given to another request.
    pub(super) async fn kept_answer(
        &self,
        key: Option<&CallKey>,
    ) -> Result<Option<Answer>, ErrorObject> {
        let (Some(ledger), Some(key)) = (self.ledger(), key) else {
            return Ok(None);
        };
        let kept = ledger.answer(&key.scope).await;
        let kept = kept.map_err(|error| self.ledger_failed(&error))?;
        let day = SignedDuration::from_hours(24);
        let Some(kept) = kept.filter(|kept| self.now().duration_since(kept.at) < day) else {
            return Ok(None);
        };
        if kept.fingerprint != key.fingerprint {
            return self.parts().idempotency_conflict().map_or(Ok(None), Err);
        }
        let read: Option<Answer> =
            serde_json::from_str::<Value>(&kept.text)
                .ok()
                .and_then(|mut kept| {
                    let status = u16::try_from(kept.get("status")?.as_u64()?).ok()?;
                    Some(Answer::new(status, kept.get_mut("body")?.take()))
                });
        let read = read.ok_or_else(|| damaged("an answer is not of the form that is written"));
        read.map(Some).map_err(|error| self.ledger_failed(&error))
    }

    /// Keeps what led to an effect, before the effect.
    pub(super) async fn keep_intent(&self, slot: &Slot) -> Result<(), ErrorObject> {
        self.keep(slot, true, None, None).await
    }

    /// Keeps what a call led to, before its answer is given; the transcript too, where the call closed the session.
    pub(super) async fn keep_answered(
        &self,
        slot: &Slot,
        key: Option<&CallKey>,
        answer: &Answer,
        transcript: Option<Arc<Value>>,
    ) -> Result<(), ErrorObject> {
        if self.ledger().is_some() {
            {
                // A call that was refused outright changed nothing, and is not worth a row.
                let mut trail = slot.trail();
                if answer.status >= 400 && trail.unwritten.len() == 1 {
                    trail.unwritten.clear();
                }
            }
            let kept = self.answer_to_keep("", key, answer);
            let text = transcript.as_ref().map(ToString::to_string);
            self.keep(slot, false, kept, text).await?;
        }
        if let Some(transcript) = transcript {
            self.archive(slot, transcript);
        }
        Ok(())
    }

    async fn keep(
        &self,
        slot: &Slot,
        in_flight: bool,
        answer: Option<KeptAnswer>,
        transcript: Option<String>,
    ) -> Result<(), ErrorObject> {
        let Some(ledger) = self.ledger() else {
            return Ok(());
        };
        // Whoever calls this has the turn, so the session is what these rows make of it.
        let told = Told::all(&slot.session());
        let (after, rows) = {
            let trail = slot.trail();
            (trail.last, trail.unwritten.clone())
        };
        if rows.is_empty() && answer.is_none() && transcript.is_none() {
            return Ok(());
        }
        let written = rows.len();
        let addition = Addition {
            id: slot.id().to_owned(),
            after,
            rows,
            at: self.now(),
            in_flight,
            answer,
            transcript,
        };
        match ledger.add(addition).await {
            Ok(()) => {
                let mut trail = slot.trail();
                trail.last += written as u64;
                trail.unwritten.drain(..written);
                drop(trail);
                slot.note_kept(told);
                slot.announce();
                Ok(())
            }
            Err(error) => {
                self.surrender(slot);
                Err(self.ledger_failed(&error))
            }
        }
    }

    /// Gives a session in memory up, which may be ahead of the ledger: whoever calls next reads it anew.
    pub(super) fn surrender(&self, slot: &Slot) {
        slot.give_up();
        self.store().forget(slot);
        slot.announce();
    }

    /// The transcript that the ledger keeps of a closed session.
    pub(super) async fn archived(&self, id: &str) -> Result<Option<Closed>, ErrorObject> {
        let Some(ledger) = self.ledger() else {
            return Ok(None);
        };
        let archived = ledger.archived(id).await;
        let archived = archived.map_err(|error| self.ledger_failed(&error))?;
        let Some(archived) = archived else {
            return Ok(None);
        };
        match serde_json::from_str(&archived.transcript) {
            Ok(transcript) => Ok(Some(Closed {
                owner: archived.owner.into(),
                transcript: Arc::new(transcript),
            })),
            Err(error) => Err(self.ledger_failed(&damaged(error))),
        }
    }

    /// A session as the ledger has it, for reading; it is not taken into memory.
    pub(super) async fn read_kept_session(
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
    pub(super) async fn load(&self, id: &str) -> Result<Option<Arc<Slot>>, ErrorObject> {
        let Some(slot) = self.read_kept_session(id).await? else {
            return Ok(None);
        };
        let held = self.store().adopt(Arc::clone(&slot)).or_else(|_| {
            let a_minute_ago = self.now() - SignedDuration::from_secs(60);
            self.store().put_away(a_minute_ago);
            self.store().adopt(slot)
        });
        held.map(Some).map_err(no_room)
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

    /// The manifest of this digest: registered, in use by another session, or kept for its sessions.
    pub(super) async fn manifest_of(
        &self,
        ledger: &dyn Ledger,
        digest: &str,
    ) -> Result<Arc<Manifest>, LedgerError> {
        let registered = self
            .registry()
            .all()
            .find(|manifest| manifest.digest == digest)
            .cloned();
        let known = registered.or_else(|| self.loaded().get(digest)?.upgrade());
        if let Some(manifest) = known {
            return Ok(manifest);
        }
        let document = ledger.document(digest).await?;
        let document = document.ok_or_else(|| damaged("a session's manifest is gone"))?;
        let manifest = Arc::new(self.read_kept(&document)?);
        let mut loaded = self.loaded();
        loaded.retain(|_, manifest| manifest.strong_count() > 0);
        loaded.insert(digest.to_owned(), Arc::downgrade(&manifest));
        Ok(manifest)
    }

    fn read_kept(&self, document: &str) -> Result<Manifest, LedgerError> {
        let document: Value = serde_json::from_str(document).map_err(damaged)?;
        self.parts()
            .read_manifest(&document)
            .map_err(|_| damaged("a kept manifest is not valid by the rules of this version"))
    }

    /// Makes this process the one that goes on with a session, brings the session up to what the ledger has, and ends what was
    /// under way when another process died. The caller holds the session's turn.
    pub(super) async fn claim(&self, slot: &Slot) -> Result<Claimed<'_>, ErrorObject> {
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
    pub(super) async fn fresh(&self, slot: Arc<Slot>) -> Result<Option<Arc<Slot>>, ErrorObject> {
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
        let read = async {
            let newer = ledger.load(slot.id(), last).await?;
            if newer.as_ref().is_some_and(|kept| kept.rows.is_empty()) {
                return Ok(Some(Arc::clone(&slot)));
            }
            let Some(kept) = ledger.load(slot.id(), 0).await? else {
                return Ok(None);
            };
            self.made_of(ledger, slot.id(), kept).await.map(Some)
        };
        read.await.map_err(|error| self.ledger_failed(&error))
    }

    /// Nothing was called on a session for too long.
    pub(super) async fn leave_alone(&self, slot: &Slot, now: Timestamp) -> Result<(), ErrorObject> {
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
    pub(super) async fn note_touch(&self, slot: &Slot, now: Timestamp) {
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

    /// Brings the registry up to what other replicas registered and deleted.
    pub(super) async fn follow_manifests(&self) -> Result<(), ErrorObject> {
        match self.ledger().filter(|ledger| ledger.shared()) {
            Some(_) => self.read_manifests(false).await,
            None => Ok(()),
        }
    }

    /// Reads the manifests of the ledger, unless nothing has changed since they were read last.
    pub(super) async fn read_manifests(&self, first: bool) -> Result<(), ErrorObject> {
        let Some(ledger) = self.ledger() else {
            return Ok(());
        };
        let read = async {
            let revision = ledger.manifests_revision().await?;
            if !first && self.manifests_seen().load(Ordering::Acquire) == revision {
                return Ok(());
            }
            let kept = ledger.manifests().await?;
            let known: Vec<String> = {
                let registry = self.registry();
                registry.all().map(|known| known.digest.clone()).collect()
            };
            let mut arrived = Vec::new();
            for manifest in &kept {
                if !known.contains(&manifest.digest) {
                    arrived.push(Arc::new(self.read_kept(&manifest.document)?));
                }
            }
            self.registry().follow(&kept, arrived);
            self.manifests_seen().store(revision, Ordering::Release);
            Ok(())
        };
        read.await.map_err(|error| self.ledger_failed(&error))
    }

    /// Keeps a manifest that was just registered, with the answer; takes it out again where the ledger does not take it.
    ///
    /// # Errors
    /// `manifest_conflict` where another replica registered another document, and those of the ledger.
    pub(super) async fn keep_manifest(
        &self,
        registered: Registered,
        manifest: &Manifest,
        key: Option<&CallKey>,
        answer: &Answer,
    ) -> Result<(), ErrorObject> {
        let Some(ledger) = self.ledger() else {
            return Ok(());
        };
        let filed = ledger.file_manifest(
            store::ledger::Registered {
                name: manifest.name.clone(),
                version: manifest.version.to_string(),
                digest: manifest.digest.clone(),
                document: manifest.document.to_string(),
            },
            self.answer_to_keep("POST /manifests", key, answer),
        );
        let error = match filed.await {
            Ok(Filed::New | Filed::Known) => {
                self.registry().keep(manifest);
                return Ok(());
            }
            Ok(Filed::Other) => ErrorObject::new(
                Code::ManifestConflict,
                "another document has this name and version; give this one a new version",
            ),
            Err(error) => self.ledger_failed(&error),
        };
        if registered == Registered::Created {
            self.registry().remove(&manifest.name, &manifest.version);
        }
        Err(error)
    }

    /// Takes a manifest out of the ledger.
    pub(super) async fn drop_manifest(
        &self,
        name: &str,
        version: &semver::Version,
    ) -> Result<(), ErrorObject> {
        let Some(ledger) = self.ledger() else {
            return Ok(());
        };
        let removed = ledger.remove_manifest(name, &version.to_string()).await;
        removed
            .map(drop)
            .map_err(|error| self.ledger_failed(&error))
    }
}

/// Whether a text has the form of a session's id (sessions.md 1.3).
pub(super) fn is_session_id(text: &str) -> bool {
    (22..=128).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}
