//! Times that follow each other.

use jiff::Timestamp;

/// Entries of one kind in the order of time.
#[derive(Debug, Default)]
pub(super) struct Order {
    before: Option<Timestamp>,
    latest: Option<(Timestamp, String)>,
}

impl Order {
    /// Takes the time of the next entry, and says what is wrong with it. `place` is called for the latest so far.
    pub fn take(
        &mut self,
        at: Option<Timestamp>,
        opened: Option<Timestamp>,
        place: impl FnOnce() -> String,
    ) -> Option<&'static str> {
        let at = at?;
        let wrong = match (self.before, opened) {
            (Some(before), _) if at < before => Some("is before the entry that stands before it"),
            (_, Some(opened)) if at < opened => Some("is before the session was created"),
            _ => None,
        };
        self.before = Some(at);
        if self.latest.as_ref().is_none_or(|(latest, _)| *latest < at) {
            self.latest = Some((at, place()));
        }
        wrong
    }

    /// The time of the latest entry.
    pub fn latest(&self) -> Option<Timestamp> {
        self.latest.as_ref().map(|(latest, _)| *latest)
    }

    /// The place of the latest entry, if that is after the close.
    pub fn after(&self, closed: Option<Timestamp>) -> Option<(&str, Timestamp)> {
        let (latest, place) = self.latest.as_ref()?;
        closed
            .is_some_and(|closed| *latest > closed)
            .then_some((place.as_str(), *latest))
    }
}
