//! Sessions that are stepped in the background (`spec/sessions.md` 3.5).
//!
//! A drive is a client of its own within the process: it makes step calls, one after another, and each of them is a step call
//! like any other. It ends when the session waits for a person or has ended, when nobody can find it any more, and when the
//! runtime drains; and it gives up after many failures in a row.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::HeaderMap;
use jiff::SignedDuration;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::access::Caller;
use super::answer::Answer;
use super::error::{Code, ErrorObject};
use super::runtime::Runtime;
use super::session::Input;
use super::session::status::Status;
use super::telemetry::{self, Scope};
use crate::model::backoff::{Backoff, rest_of};
use crate::store::LedgerError;

/// After how many failures in a row a drive gives up: about an hour and a half of them.
const MOST_FAILURES: u32 = 100;

/// How often at most sessions are looked for that another process has left.
const SHORTEST_LOOK: Duration = Duration::from_secs(2);

/// The route whose calls a drive makes.
const STEP: &str = "POST /sessions/{id}/step";

/// What is being driven.
pub(super) struct Drives {
    /// The sessions, and who asked for another drive while one is under way.
    driven: Mutex<HashMap<String, Option<Caller>>>,
    /// Places for steps: a drive that waits has none.
    places: Semaphore,
    chance: RandomState,
}

impl Drives {
    /// Drives of which so many step at the same time.
    pub(super) fn new(most: usize) -> Self {
        Self {
            driven: Mutex::default(),
            places: Semaphore::new(most),
            chance: RandomState::new(),
        }
    }

    fn driven(&self) -> MutexGuard<'_, HashMap<String, Option<Caller>>> {
        self.driven.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a session is driven here.
    pub(super) fn has(&self, id: &str) -> bool {
        self.driven().contains_key(id)
    }

    /// Takes a session on; false where it is driven already, which then looks once more before it ends.
    fn take_on(&self, id: &str, caller: &Caller) -> bool {
        let mut driven = self.driven();
        match driven.get_mut(id) {
            Some(again) => {
                *again = Some(caller.clone());
                false
            }
            None => {
                driven.insert(id.to_owned(), None);
                true
            }
        }
    }

    /// Lets a session go, unless somebody asked for it meanwhile.
    fn let_go(&self, id: &str) -> Option<Caller> {
        let mut driven = self.driven();
        let again = driven.get_mut(id).and_then(Option::take);
        if again.is_none() {
            driven.remove(id);
        }
        again
    }
}

/// A session that is driven. A drive that panics is over too.
struct Held<'r> {
    drives: &'r Drives,
    id: &'r str,
    /// Whether it was let go: whoever drives it from then on is another.
    over: bool,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.drives.driven().remove(self.id);
        }
    }
}

/// What a step tells a drive.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// Go on.
    Step,
    /// Go on after a while, and not before this.
    Wait(Option<Duration>),
    /// There is nothing to go on with.
    End,
}

impl Runtime {
    /// `POST /sessions/{id}/run`.
    pub(super) async fn run(
        self: &Arc<Self>,
        caller: &Caller,
        id: &str,
    ) -> Result<Answer, ErrorObject> {
        let slot = self.open_slot(caller, id).await?;
        let slot = self.fresh(slot).await?;
        let slot = slot.ok_or_else(super::session::not_found)?;
        let status = slot.session().status();
        self.parts().admit_step(status)?;
        self.begin_drive(caller, id);
        Ok(Answer::new(202, self.session_body(&slot)))
    }

    /// Drives a session, if it is not driven already and the runtime goes on.
    pub(super) fn begin_drive(self: &Arc<Self>, caller: &Caller, id: &str) {
        if self.stopping().is_cancelled() || !self.drives().take_on(id, caller) {
            return;
        }
        let (runtime, caller, id) = (Arc::clone(self), caller.clone(), id.to_owned());
        self.tasks()
            .spawn(async move { runtime.keep_going(caller, &id).await });
    }

    /// With `autorun`, drives a session that a call has left active.
    pub(super) fn go_on(self: &Arc<Self>, caller: &Caller, id: &str, answer: &Answer) {
        let active = answer.body.get("status").and_then(|status| status.as_str());
        if self.autorun() && answer.status < 300 && active == Some(Status::Active.name()) {
            self.begin_drive(caller, id);
        }
    }

    /// A drive's life.
    async fn keep_going(self: Arc<Self>, mut caller: Caller, id: &str) {
        let mut held = Held {
            drives: self.drives(),
            id,
            over: false,
        };
        while !self.stopping().is_cancelled() {
            self.drive_once(&caller, id).await;
            match self.drives().let_go(id) {
                Some(again) => caller = again,
                None => {
                    held.over = true;
                    return;
                }
            }
        }
    }

    /// Steps a session until there is nothing to go on with.
    async fn drive_once(&self, caller: &Caller, id: &str) {
        let stopping = self.stopping();
        let backoff = Backoff::new(self.drives().chance.hash_one(id));
        let mut failures = 0;
        loop {
            let place = tokio::select! {
                // No step begins any more.
                biased;
                () = stopping.cancelled() => return,
                place = self.drives().places.acquire() => place,
            };
            let stepped = self.step_in_background(caller, id).await;
            drop(place);
            match self.next_of(&stepped) {
                Next::End => return,
                Next::Step => failures = 0,
                Next::Wait(rest) => {
                    failures += 1;
                    if failures >= MOST_FAILURES {
                        return;
                    }
                    tokio::select! {
                        () = stopping.cancelled() => return,
                        () = sleep(backoff.delay(failures, rest)) => {}
                    }
                }
            }
        }
    }

    /// One step call, with the signals of one.
    async fn step_in_background(&self, caller: &Caller, id: &str) -> Answer {
        let scope = self
            .telemetry()
            .map(|telemetry| Scope::open(telemetry, &HeaderMap::new(), STEP, None));
        let step = self.advance(caller, id, Input::Step(caller.clone()), None);
        let outcome = telemetry::within(scope.clone(), step).await;
        let answer = outcome.unwrap_or_else(|error| Answer::error(self.parts(), &error));
        let answer = self.finish(STEP, answer);
        match scope {
            Some(scope) => scope.end(answer).await,
            None => answer,
        }
    }

    /// What to do after a step call was answered.
    fn next_of(&self, answer: &Answer) -> Next {
        let member = |name: &str| answer.body.get(name).and_then(|value| value.as_str());
        if answer.status < 300 {
            return match member("status") == Some(Status::Active.name()) {
                true => Next::Step,
                false => Next::End,
            };
        }
        let code = member("errorCode").and_then(Code::named);
        match code {
            // Another replica has it for now, the model or the store does not answer, or there is no room.
            Some(
                Code::Conflict
                | Code::CapacityExceeded
                | Code::LlmUnavailable
                | Code::InternalError,
            ) => {
                let said = answer
                    .headers
                    .iter()
                    .find(|(name, _)| *name == "retry-after");
                Next::Wait(said.and_then(|(_, time)| rest_of(time, self.parts().now())))
            }
            _ => Next::End,
        }
    }

    /// With `autorun`, drives the sessions that nobody drives and that can go on, with the rights of whoever opened them: those
    /// that are there at the start, and where other processes use the ledger too, those that one of them has left.
    pub(super) async fn take_on_all(self: Arc<Self>) {
        let Some(ledger) = self.ledger() else {
            return;
        };
        let lease = ledger.lease();
        let pause = lease.unwrap_or_default().max(SHORTEST_LOOK);
        // Twice as long as it may take to the next look, so that what was called since the last one is not idle at this one.
        let quiet = SignedDuration::try_from(pause * 2).unwrap_or(SignedDuration::MAX);
        let mut idle_for = -SignedDuration::from_hours(24);
        let mut known = HashSet::new();
        loop {
            match self.take_on_idle(idle_for, &known).await {
                Ok(_) if lease.is_none() => return,
                Ok(found) => (known, idle_for) = (found, quiet),
                Err(error) => self.complain(&error),
            }
            // Replicas that were started together do not look together.
            let share = self.drives().chance.hash_one(known.len()) % 256;
            let pause = pause.mul_f64(0.75 + share as f64 / 1024.0);
            tokio::select! {
                () = self.stopping().cancelled() => return,
                () = sleep(pause) => {}
            }
        }
    }

    /// Drives what was not called for so long; what was found idle before is as it was. All that is idle now.
    async fn take_on_idle(
        self: &Arc<Self>,
        idle_for: SignedDuration,
        known: &HashSet<String>,
    ) -> Result<HashSet<String>, LedgerError> {
        let Some(ledger) = self.ledger() else {
            return Ok(HashSet::new());
        };
        let before = self.now().checked_sub(idle_for);
        let before = before.unwrap_or(jiff::Timestamp::MAX);
        let found = ledger.idle(before, self.limits().sessions).await?;
        for id in &found {
            if self.stopping().is_cancelled() {
                break;
            }
            if known.contains(id) || self.drives().has(id) {
                continue;
            }
            // What cannot be read now is told to whoever calls the session.
            let Ok(Some(slot)) = self.read_kept_session(id).await else {
                continue;
            };
            let (status, caller) = {
                let session = slot.session();
                (session.status(), session.opener().clone())
            };
            if status == Status::Active {
                self.begin_drive(&caller, id);
            }
        }
        Ok(found.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_twice_is_one_drive_that_looks_once_more() {
        let drives = Drives::new(1);
        let one = Caller::anonymous(Default::default());
        let other = Caller::known("other", Default::default());
        assert!(drives.take_on("a", &one) && drives.take_on("b", &one));
        assert!(!drives.take_on("a", &other));
        assert_eq!(drives.let_go("a"), Some(other));
        assert!(drives.has("a"));
        assert_eq!(drives.let_go("a"), None);
        assert!(!drives.has("a") && drives.has("b"));
        assert!(drives.take_on("a", &one), "it can be driven again");
    }
}
