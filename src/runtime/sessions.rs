//! Sessions as calls use them, and the edge that performs their effects (`spec/sessions.md`, `spec/steps.md`).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::access::{Caller, Uncharged};
use super::answer::Answer;
use super::error::{Code, ErrorObject};
use super::extensions;
use super::invoke;
use super::keeping::Claimed;
use super::opening::{self, Wanted};
use super::plugins::Plugins;
use super::registry;
use super::runtime::Runtime;
use super::session::entry::{CallKey, Entry};
use super::session::{self, Effect, Execution, Flight, Input, Opening, Session};
use super::telemetry::{self, Mark};
use crate::requirement::Profile;
use crate::store::{Closed, Full, Slot};

/// Looking through all sessions is not worth doing more often.
const TIDY_EVERY_SECONDS: i64 = 60;

impl Runtime {
    /// `POST /sessions`.
    pub(super) async fn open(
        &self,
        caller: &Caller,
        body: &Value,
        key: Option<&CallKey>,
    ) -> Result<Answer, ErrorObject> {
        let parts = self.parts();
        let wanted = opening::read(parts, body)?;
        if self.profiles().contains(&Profile::Draft21) {
            let wishes = parts.unoffered_wishes(body, self.extensions());
            if !wishes.is_empty() {
                return Err(extensions::not_offered(&wishes));
            }
        }
        self.follow_manifests().await?;
        let manifest = registry::resolve(parts, &self.registry(), wanted.manifest.as_deref())?;
        parts.check_intent(&manifest, &wanted.goal)?;
        let intent = wanted.goal.get("intent").and_then(Value::as_str);
        let intent = intent.and_then(|name| manifest.intent(name));
        parts.in_session().check_opening(
            parts.access(),
            caller,
            intent.and_then(|intent| intent.access_control.as_ref()),
        )?;
        let now = self.now();
        self.tidy(now);
        let Wanted {
            goal,
            mut observation,
            max_steps,
            flags,
            seed,
            ..
        } = wanted;
        self.recall_preferences(&caller.subject, &mut observation)
            .await?;
        let opening = Opening {
            id: parts.session_id(),
            manifest,
            goal,
            observation,
            max_steps,
            flags,
            seed,
            redactor: self.redactor().clone(),
            caller: caller.clone(),
            plugins: session::Plugins(Arc::<Plugins>::clone(self.plugins())),
            human: self.profiles().contains(&Profile::Human),
            heaviest_record: self.limits().session_record_bytes,
            contracts: self.store().contracts().clone(),
        };
        let row = self.ledger().map(|_| Entry::opened(now, &opening));
        let session = Session::open(parts, now, opening);
        let answer = parts.created_answer(&session);
        let id = session.id().to_owned();
        let slot = Arc::new(Slot::new(session, &caller.subject, now, now));
        match row {
            None => self.store().insert(slot).map_err(no_room)?,
            Some(row) => {
                // Before it is kept: a session whose opening is refused is not to be found anywhere.
                self.make_room(&slot).map_err(no_room)?;
                if let Some(first) = self.keep_beginning(&slot, row, now, key, &answer).await? {
                    return Ok(first);
                }
                // Where others took the room meanwhile, the ledger has it, and whoever calls it next reads it there.
                let _ = self.store().insert(slot);
            }
        }
        if parts.steps_on_open() {
            self.advance(caller, &id, Input::Step(caller.clone()), None)
                .await?;
        }
        Ok(answer)
    }

    /// `GET /sessions/{id}`.
    pub(super) async fn read(&self, caller: &Caller, id: &str) -> Result<Answer, ErrorObject> {
        let slot = self.open_slot(caller, id).await?;
        let slot = self.fresh(slot).await?.ok_or_else(session::not_found)?;
        Ok(Answer::ok(self.session_body(&slot)))
    }

    /// What a client reads of a session.
    pub(super) fn session_body(&self, slot: &Slot) -> Value {
        let session = slot.session();
        let mut body = self.parts().session_answer(&session);
        if let Value::Object(members) = &mut body {
            for (name, value) in [
                ("goal", session.goal().clone()),
                ("max_steps", session.max_steps().into()),
                ("created_at", session.started_at().into()),
                (
                    "initial_observation",
                    Value::clone(session.initial_observation()),
                ),
                ("running", self.drives().has(session.id()).into()),
            ] {
                members.insert(name.to_owned(), value);
            }
            if let Some(pending) = session.pending(self.parts()) {
                members.insert("pending".to_owned(), pending);
            }
        }
        body
    }

    /// `GET /sessions/{id}/transcript`.
    pub(super) async fn transcript(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<Answer, ErrorObject> {
        loop {
            if let Some(closed) = self.closed(caller, id).await? {
                return Ok(Answer {
                    status: 200,
                    headers: Vec::new(),
                    body: closed.transcript,
                });
            }
            let slot = self.open_slot(caller, id).await?;
            // One that another replica closed is not open any more, and its transcript is there now.
            if self.fresh(slot).await?.is_some() {
                return Err(ErrorObject::new(
                    Code::Conflict,
                    "the session is open; close it to get its transcript",
                ));
            }
        }
    }

    /// A step call or a person's answer: one after another within a session.
    pub(super) async fn advance(
        &self,
        caller: &Caller,
        id: &str,
        input: Input,
        key: Option<&CallKey>,
    ) -> Result<Answer, ErrorObject> {
        let mut others_answer = false;
        loop {
            let slot = self.open_slot(caller, id).await?;
            if !self.parts().serialise_steps() {
                return self.drive(&slot, input, key).await;
            }
            let _everybody = match self.parts().sessions_wait_for_each_other() {
                true => Some(self.everybody().lock().await),
                false => None,
            };
            let _turn = slot.turn().lock().await;
            let claim = match self.claim(&slot).await? {
                Claimed::Held(claim) => claim,
                Claimed::Gone => {
                    others_answer = true;
                    continue;
                }
            };
            // The key was looked up when the call came in, so that only others can have answered since.
            if (others_answer || claim.others_answer())
                && let Some(answer) = self.kept_answer(key).await?
            {
                return Ok(answer);
            }
            if matches!(input, Input::Step(_)) && self.store().full() {
                return Err(ErrorObject::new(
                    Code::CapacityExceeded,
                    "the open sessions hold as much as this runtime allows; close some",
                ));
            }
            self.bring_manifest(&slot)?;
            return self.drive(&slot, input, key).await;
        }
    }

    /// Sees to it that the session goes on with its manifest.
    fn bring_manifest(&self, slot: &Slot) -> Result<(), ErrorObject> {
        let own = Arc::clone(slot.session().manifest());
        let manifest = self
            .parts()
            .session_manifest(&own, &self.registry())
            .ok_or_else(|| {
                ErrorObject::new(Code::ManifestNotFound, "the session's manifest is gone")
            })?;
        if !Arc::ptr_eq(&own, &manifest) {
            slot.session().follow(manifest);
        }
        Ok(())
    }

    /// `POST /sessions/{id}/close`; waits for whoever has the turn.
    pub(super) async fn close(
        &self,
        caller: &Caller,
        id: &str,
        key: Option<&CallKey>,
    ) -> Result<Answer, ErrorObject> {
        let mut others_answer = false;
        loop {
            if let Some(closed) = self.closed(caller, id).await? {
                let again = self.parts().second_close(id, &closed.transcript);
                return again.map(Answer::ok).ok_or_else(session::not_found);
            }
            let slot = self.open_slot(caller, id).await?;
            if !self.parts().close_waits() {
                return self.drive(&slot, Input::Close, key).await;
            }
            if self.parts().sandbox().close_ends_runs() {
                self.sandboxes().end(id);
            }
            let _turn = slot.turn().lock().await;
            let claim = match self.claim(&slot).await? {
                Claimed::Held(claim) => claim,
                Claimed::Gone => {
                    others_answer = true;
                    continue;
                }
            };
            // The key was looked up when the call came in, so that only others can have answered since.
            if (others_answer || claim.others_answer())
                && let Some(answer) = self.kept_answer(key).await?
            {
                return Ok(answer);
            }
            return self.drive(&slot, Input::Close, key).await;
        }
    }

    /// What is left of a closed session, if the caller may know of it.
    async fn closed(&self, caller: &Caller, id: &str) -> Result<Option<Closed>, ErrorObject> {
        let seen = |closed: &Closed| self.parts().access().sees_session(caller, &closed.owner);
        let closed = match self.store().closed(id) {
            Some(closed) => Some(closed),
            // An open session is the commoner question, and memory answers it.
            None if self.store().get(id).is_some() => None,
            None => self.archived(id).await?,
        };
        Ok(closed.filter(seen))
    }

    /// An open session, if the caller may know of it.
    pub(super) async fn open_slot(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<Arc<Slot>, ErrorObject> {
        let slot = match self.store().get(id) {
            Some(slot) => Some(slot),
            None => self.load(id).await?,
        };
        let seen = |slot: &Arc<Slot>| self.parts().access().sees_session(caller, slot.owner());
        let slot = slot.filter(seen).ok_or_else(session::not_found)?;
        let now = self.now();
        if slot.touch(now) < self.idle_since(now) {
            self.leave_alone(&slot, now).await?;
        }
        self.note_touch(&slot, now).await;
        Ok(slot)
    }

    /// Performs effects until there is an answer.
    ///
    /// # Errors
    /// When the ledger could not keep what it has to keep before an effect or the answer. The session is as the ledger has it
    /// then, and an effect that was begun is found there.
    pub(super) async fn drive(
        &self,
        slot: &Slot,
        first: Input,
        key: Option<&CallKey>,
    ) -> Result<Answer, ErrorObject> {
        let mut input = Some(first);
        let mut archived: Option<Arc<Value>> = None;
        let before = self.telemetry().map(|_| {
            telemetry::goes_on_with(slot.id());
            Mark::of(&slot.session())
        });
        while let Some(taken) = input.take() {
            let effects = self.take(slot, taken, key);
            for effect in effects {
                match effect {
                    Effect::Reply(answer) => {
                        if let Some(transcript) = &archived {
                            self.remember_preferences(slot.owner(), transcript).await;
                        }
                        self.keep_answered(slot, key, &answer, archived).await?;
                        // Told of only now: what the ledger did not take is done anew, and told of then.
                        if let (Some(telemetry), Some(before)) = (self.telemetry(), before) {
                            telemetry.session_moved(&before, &slot.session());
                        }
                        return Ok(answer);
                    }
                    Effect::Archive(_) if !self.parts().close_removes() => {}
                    Effect::Archive(transcript) => archived = Some(transcript),
                    Effect::Ask(attempt, messages) => {
                        input = Some(match invoke::ask(self, &messages).await {
                            Ok(reply) => Input::Replied(attempt, reply),
                            Err(failure) => Input::NotReplied(attempt, failure),
                        });
                    }
                    Effect::Charge(rate, launch) => {
                        let access = self.parts().access();
                        let key = access.rate_key(
                            &rate.caller,
                            &rate.manifest,
                            &rate.version,
                            &rate.action,
                        );
                        let charged = self.charge(key, &rate.limits).await;
                        // The session in memory is ahead of the ledger, which it must never be.
                        let charged = charged.inspect_err(|_| self.surrender(slot))?;
                        input = Some(Input::Charged(launch, charged));
                    }
                    Effect::Spare(rate, why) => self.spare(&rate, why),
                    Effect::Execute(flight) => {
                        self.keep_intent(slot).await?;
                        input = Some(self.execute(flight).await);
                    }
                }
            }
        }
        let defect = ErrorObject::new(Code::InternalError, "the call ended without an answer");
        Ok(Answer::error(self.parts(), &defect))
    }

    /// One input for the machine, which is locked no longer than that.
    fn take(&self, slot: &Slot, input: Input, key: Option<&CallKey>) -> Vec<Effect> {
        let now = self.now();
        slot.touch(now);
        let row = self.row(&input, now, key);
        let mut session = slot.session();
        let effects = session.step(self.parts(), now, input);
        slot.weigh(session.held_bytes());
        if let Some(row) = row {
            slot.trail().unwritten.push(row);
        }
        drop(session);
        slot.announce();
        effects
    }

    /// A call that was not executed: it counts for nothing.
    fn spare(&self, rate: &session::running::Rate, why: Uncharged) {
        let access = self.parts().access();
        let key = access.rate_key(&rate.caller, &rate.manifest, &rate.version, &rate.action);
        self.rates()
            .spare(access, key, &rate.limits, why, self.now());
    }

    /// Makes the calls of a flight.
    pub(super) async fn execute(&self, flight: Flight) -> Input {
        let mut execution = Execution {
            outcome: Ok(Value::Null),
            side_effects: Vec::new(),
            logs: None,
        };
        for call in &flight.calls {
            let Execution {
                outcome,
                side_effects,
                logs,
            } = invoke::invoke(self, call).await;
            execution.outcome = outcome;
            execution.side_effects.extend(side_effects);
            execution.logs = logs;
        }
        Input::Executed(flight, execution)
    }

    /// Makes room: sessions that expired, and were left alone as long again, are closed on their client's behalf. Those of a
    /// ledger are its housekeeping's.
    fn tidy(&self, now: Timestamp) {
        let second = now.as_second();
        if self.ledger().is_some()
            || second - self.tidied().load(Ordering::Relaxed) < TIDY_EVERY_SECONDS
        {
            return;
        }
        self.tidied().store(second, Ordering::Relaxed);
        let long_ago = self.idle_since(self.idle_since(now));
        for slot in self.store().untouched_since(long_ago) {
            let effects = {
                let mut session = slot.session();
                let before = self.telemetry().map(|_| Mark::of(&session));
                session.step(self.parts(), now, Input::LeftAlone);
                let effects = session.step(self.parts(), now, Input::Close);
                if let (Some(telemetry), Some(before)) = (self.telemetry(), before) {
                    telemetry.session_moved(&before, &session);
                }
                effects
            };
            for effect in effects {
                if let Effect::Archive(transcript) = effect {
                    self.archive(&slot, transcript);
                }
            }
            slot.announce();
        }
    }

    /// Keeps a transcript in memory, in place of its session.
    pub(super) fn archive(&self, slot: &Slot, transcript: Arc<Value>) {
        let owner = Arc::clone(slot.owner());
        self.store()
            .archive(slot.id(), Closed { owner, transcript });
    }

    /// Who was last called before this has expired.
    pub(super) fn idle_since(&self, now: Timestamp) -> Timestamp {
        let idle =
            SignedDuration::try_from(self.limits().session_idle).unwrap_or(SignedDuration::MAX);
        now.checked_sub(idle).unwrap_or(Timestamp::MIN)
    }
}

/// The refusal where no further session can be held.
pub(super) fn no_room(_: Full) -> ErrorObject {
    ErrorObject::new(
        Code::CapacityExceeded,
        "no further session can be opened; close some",
    )
}
