//! The progress of a session, told as it happens (`spec/sessions.md` 2.3).
//!
//! Nothing is queued: what is told comes out of the session's own record, from the number that the reader has seen last, and as
//! fast as the reader takes it. With a ledger only what is kept is told, so that no reader knows of something that is lost.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::access::Caller;
use super::error::{Code, ErrorObject};
use super::redact::Site;
use super::runtime::Runtime;
use super::session::status::Status;
use super::session::transcript::{self, Change, Record};
use super::streams::Place;
use crate::store::{Slot, Told};

/// How often a reader hears that the connection lives.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How often a session that other processes may go on with is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How long one reader is told: then it comes again, with a token that is valid then.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// How long a client waits where all places are taken.
const RETRY_AFTER_SECONDS: u64 = 5;

/// How many changes are looked at together.
const TOGETHER: usize = 256;

/// About the most bytes that are given to the connection at once.
const PIECE: usize = 256 * 1024;

impl Runtime {
    /// `GET /sessions/{id}/events`: what happened after this number, and then what happens.
    pub(super) async fn events(
        self: &Arc<Self>,
        caller: &Caller,
        id: &str,
        after: usize,
    ) -> Result<Body, ErrorObject> {
        let slot = self.open_slot(caller, id).await?;
        let place = self.streams().place(caller).ok_or_else(|| {
            ErrorObject::new(
                Code::CapacityExceeded,
                "as many sessions as this runtime allows are being watched; come again later",
            )
            .with("retry_after", RETRY_AFTER_SECONDS)
        })?;
        let now = Instant::now();
        let mut telling = Telling {
            runtime: Arc::clone(self),
            changes: slot.watch(),
            seen: Arc::clone(&slot),
            slot,
            after,
            over: None,
            until: now + LONGEST,
            heartbeat: now + HEARTBEAT,
            look: now + LOOK,
            ended: false,
            _place: place,
        };
        telling.refresh().await;
        // Nobody has seen more than there is.
        if telling.after > telling.seen.session().record().changes.len() {
            telling.after = 0;
        }
        let pieces = stream::unfold(telling, |mut telling| async move {
            let piece = telling.next().await?;
            Some((Ok::<_, Infallible>(piece), telling))
        });
        Ok(Body::from_stream(pieces))
    }
}

/// One reader.
struct Telling {
    runtime: Arc<Runtime>,
    /// The session as calls use it here.
    slot: Arc<Slot>,
    /// The session as it was seen last, which may be one made for reading alone.
    seen: Arc<Slot>,
    changes: watch::Receiver<u64>,
    /// The number of the last change that the reader has.
    after: usize,
    /// What another process closed: its transcript, if that is to be had.
    over: Option<Option<Arc<Value>>>,
    until: Instant,
    heartbeat: Instant,
    look: Instant,
    ended: bool,
    _place: Place,
}

impl Telling {
    /// The next piece; `None` where there is no further one.
    async fn next(&mut self) -> Option<Bytes> {
        while !self.ended {
            self.changes.mark_unchanged();
            if let Some(piece) = self.piece() {
                self.heartbeat = Instant::now() + HEARTBEAT;
                return Some(piece);
            }
            let stopping = self.runtime.stopping().clone();
            let looks = self.is_looked_at();
            tokio::select! {
                () = stopping.cancelled() => return None,
                () = sleep_until(self.until) => return None,
                // The slot is held, and so is the sender in it.
                _ = self.changes.changed() => match self.slot.is_gone() {
                    true => self.refresh().await,
                    false => self.seen = Arc::clone(&self.slot),
                },
                () = sleep_until(self.look), if looks => self.refresh().await,
                () = sleep_until(self.heartbeat) => {
                    self.heartbeat = Instant::now() + HEARTBEAT;
                    return Some(Bytes::from_static(b": alive\n\n"));
                }
            }
        }
        None
    }

    /// Whether the ledger has to be asked what became of the session.
    fn is_looked_at(&self) -> bool {
        let shared = self.runtime.ledger().is_some_and(|ledger| ledger.shared());
        shared || self.slot.is_gone()
    }

    /// Looks at the session as the ledger has it. What fails is tried again at the next look.
    async fn refresh(&mut self) {
        self.look = Instant::now() + LOOK;
        if !self.slot.is_gone() {
            match self.runtime.fresh(Arc::clone(&self.slot)).await {
                Ok(Some(seen)) => {
                    self.seen = seen;
                    return;
                }
                Ok(None) => {}
                Err(_) => return,
            }
        }
        match self.runtime.slot(self.slot.id()).await {
            Ok(Some(slot)) => {
                self.changes = slot.watch();
                self.seen = Arc::clone(&slot);
                self.slot = slot;
            }
            Ok(None) => {
                let closed = self.runtime.archived(self.slot.id()).await;
                self.over = Some(closed.ok().flatten().map(|closed| closed.transcript));
            }
            Err(_) => {}
        }
    }

    /// What may be told now and was not, if there is something.
    fn piece(&mut self) -> Option<Bytes> {
        let kept = self.runtime.ledger().map(|_| self.seen.kept());
        let mut events = Vec::new();
        let (steps_done, status) = {
            let session = self.seen.session();
            let told = kept.unwrap_or_else(|| Told::all(&session));
            let changes = &session.record().changes;
            let told_of = changes.len().min(told.changes);
            let mut weight = 0;
            let window = changes.get(self.after..told_of).unwrap_or_default();
            let window = window.get(..TOGETHER).unwrap_or(window);
            for (number, change) in current(window, self.after) {
                if weight > PIECE {
                    break;
                }
                if let Some((name, value)) = entry(session.record(), change) {
                    weight += super::held_bytes(&value);
                    events.push((Some(number), name, value));
                }
                self.after = number;
            }
            // What is passed over at the end of a window was changed again within it, so the last of it never is.
            let all = self.after >= told_of && told_of == changes.len();
            let over = !matches!(told.status, Status::Active | Status::AwaitingHuman);
            let status = (all && over).then_some(told.status);
            (session.steps_done(), status)
        };
        let mut steps = json!(steps_done);
        let mut status = status.map(Status::name);
        if let (None, [], Some(over)) = (status, events.as_slice(), &self.over) {
            if let Some(transcript) = over {
                let session = self.seen.session();
                let changes = &session.record().changes;
                let told = changes.get(..self.after).unwrap_or(changes);
                events.extend(rest(told, transcript));
                steps = transcript
                    .get("steps")
                    .and_then(Value::as_array)
                    .map_or(steps, |steps| json!(steps.len()));
            }
            status = Some(Status::Closed.name());
        }
        if let Some(status) = status {
            let end = json!({"session_id": self.slot.id(), "status": status, "steps_done": steps});
            events.push((None, "end", end));
            self.ended = true;
        }
        if events.is_empty() {
            return None;
        }
        let mut piece = String::new();
        for (number, name, value) in events {
            let redactor = self.runtime.redactor();
            let value = self
                .runtime
                .parts()
                .redact_value(Site::Transcript, redactor, value);
            if let Some(number) = number {
                piece.push_str(&format!("id: {number}\n"));
            }
            // JSON has no line ends in itself.
            piece.push_str(&format!("event: {name}\ndata: {value}\n\n"));
        }
        Some(piece.into())
    }
}

/// The changes of a window with their numbers, without those whose entry is changed again within it: it is told as it is now.
fn current(window: &[Change], before: usize) -> Vec<(usize, Change)> {
    let mut later = HashSet::new();
    let mut current: Vec<(usize, Change)> = window
        .iter()
        .enumerate()
        .rev()
        .filter(|(_, change)| later.insert(**change))
        .map(|(index, change)| (before + index + 1, *change))
        .collect();
    current.reverse();
    current
}

/// An entry as the transcript has it, with its name.
fn entry(record: &Record, change: Change) -> Option<(&'static str, Value)> {
    let one = |mut values: Vec<Value>| values.pop();
    match change {
        Change::Turn(index) => {
            let turn = record.turns.get(index)?;
            Some(("turn", transcript::turn_value(turn, index as u64 + 1)))
        }
        Change::Step(index) => {
            let step = record.steps.get(index..=index)?;
            Some(("step", one(transcript::steps(step))?))
        }
        Change::Intervention(index) => {
            let asked = record.interventions.get(index..=index)?;
            Some(("intervention", one(transcript::interventions(asked))?))
        }
        Change::SideEffect(index) => {
            let effect = record.side_effects.get(index..=index)?;
            let mut value = one(transcript::side_effects(effect))?;
            value["number"] = json!(index + 1);
            Some(("side_effect", value))
        }
    }
}

type Event = (Option<usize>, &'static str, Value);

/// What a transcript has more than was told: the last of a session that another process closed. It has no numbers, since nobody
/// comes again for it.
fn rest(told: &[Change], transcript: &Value) -> Vec<Event> {
    let (mut turns, mut effects, mut asked, mut steps) = (0, 0, 0, 0);
    for change in told {
        // Steps are never changed; the last of the others may have been.
        match *change {
            Change::Turn(index) => turns = turns.max(index),
            Change::SideEffect(index) => effects = effects.max(index),
            Change::Intervention(index) => asked = asked.max(index),
            Change::Step(index) => steps = steps.max(index + 1),
        }
    }
    let kinds = [
        ("turns", "turn", turns),
        ("side_effects", "side_effect", effects),
        ("interventions", "intervention", asked),
        ("steps", "step", steps),
    ];
    let mut events = Vec::new();
    for (section, name, known) in kinds {
        let entries = transcript.get(section).and_then(Value::as_array);
        for (index, value) in entries.into_iter().flatten().enumerate().skip(known) {
            let mut value = value.clone();
            if name == "side_effect" {
                value["number"] = json!(index + 1);
            }
            events.push((None, name, value));
        }
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_changed_again_is_told_once_with_its_last_number() {
        let window = [
            Change::Turn(0),
            Change::SideEffect(0),
            Change::Turn(0),
            Change::Step(0),
            Change::Turn(1),
        ];
        assert_eq!(
            current(&window, 7),
            [
                (9, Change::SideEffect(0)),
                (10, Change::Turn(0)),
                (11, Change::Step(0)),
                (12, Change::Turn(1)),
            ]
        );
        assert_eq!(current(&[], 7), []);
    }

    #[test]
    fn a_closed_session_is_told_to_its_end() {
        let transcript = json!({
            "turns": [{"turn_number": 1}, {"turn_number": 2}], "side_effects": [{"kind": "http"}],
            "steps": [{"step_number": 1}, {"step_number": 2}],
            "interventions": [{"id": "a", "outcome": "cancelled"}],
        });
        let names = |told: &[Change]| -> Vec<_> {
            let rest = rest(told, &transcript).into_iter();
            rest.map(|(_, name, _)| name).collect()
        };
        let all = [
            "turn",
            "turn",
            "side_effect",
            "intervention",
            "step",
            "step",
        ];
        assert_eq!(names(&[]), all);
        // The last of what was told may have been changed since.
        let told = [Change::Turn(0), Change::Turn(1), Change::Step(0)];
        assert_eq!(names(&told), all[1..5]);
    }
}
