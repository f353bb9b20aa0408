//! A session made again of its rows: the same machine, fed with what the outside said then.

use std::fmt;

use super::entry::{CallKey, Entry};
use super::{Effect, Input, Session};
use crate::runtime::parts::Parts;

/// What a session waits for after its last row.
#[derive(Debug, Default)]
pub struct Tail {
    waiting: Option<Effect>,
    key: Option<CallKey>,
}

/// A row that does not follow from the rows before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Misfit;

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a row does not follow from those before it: what the session was made with, such as a plugin, is not what it was",
        )
    }
}

impl Tail {
    /// The execution that was begun and whose end is not known, with the key of its call.
    pub fn take_flight(&mut self) -> Option<(super::Flight, Option<CallKey>)> {
        match self.waiting.take() {
            Some(Effect::Execute(flight)) => Some((flight, self.key.take())),
            _ => None,
        }
    }

    /// Whether an execution was begun whose end is not known.
    pub fn in_flight(&self) -> bool {
        matches!(self.waiting, Some(Effect::Execute(_)))
    }

    /// Takes one more row.
    ///
    /// # Errors
    /// When the machine asked for something else than the row brings.
    pub fn follow(
        &mut self,
        session: &mut Session,
        parts: &dyn Parts,
        entry: Entry,
    ) -> Result<(), Misfit> {
        let now = entry.at();
        let input = match entry {
            // A call whose process died before it had an effect is over.
            Entry::Called { caller, key, .. } => {
                self.key = key;
                Input::Step(caller.into())
            }
            Entry::Answered {
                caller,
                key,
                id,
                body,
                ..
            } => {
                self.key = key;
                Input::Answered {
                    caller: caller.into(),
                    id,
                    body,
                }
            }
            Entry::LeftAlone { .. } => Input::LeftAlone,
            Entry::Opened { .. } => return Err(Misfit),
            brought => self.awaited(brought)?,
        };
        let effects = session.step(parts, now, input);
        self.waiting = effects.into_iter().find(|effect| {
            matches!(
                effect,
                Effect::Ask(..) | Effect::Charge(..) | Effect::Execute(_)
            )
        });
        Ok(())
    }

    /// The input that an answer of the outside makes, with what the machine asked.
    fn awaited(&mut self, brought: Entry) -> Result<Input, Misfit> {
        match (self.waiting.take(), brought) {
            (Some(Effect::Ask(attempt, _)), Entry::Replied { reply, .. }) => {
                Ok(Input::Replied(attempt, reply))
            }
            (Some(Effect::Ask(attempt, _)), Entry::NotReplied { failure, .. }) => {
                Ok(Input::NotReplied(attempt, failure))
            }
            (Some(Effect::Charge(_, launch)), Entry::Charged { wait, .. }) => {
                Ok(Input::Charged(launch, wait.map_or(Ok(()), Err)))
            }
            (Some(Effect::Execute(flight)), brought) => {
                let execution = brought.execution().ok_or(Misfit)?;
                Ok(Input::Executed(flight, execution))
            }
            _ => Err(Misfit),
        }
    }
}
