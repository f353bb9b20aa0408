//! A caller's own sessions, newest first (`spec/sessions.md` 2.4).

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::access::Caller;
use super::answer::Answer;
use super::error::{Code, ErrorObject};
use super::held_bytes;
use super::runtime::Runtime;
use crate::diagnostic::Violation;
use crate::store::Slot;
use crate::store::ledger::Place;

/// How many sessions a page has where the client does not say.
const USUAL: usize = 50;

/// The most sessions of a page.
const MOST: usize = 100;

/// How long a page may take to be put together; then it is as long as it is.
const PATIENCE: Duration = Duration::from_secs(5);

/// About the most bytes of memory of a page.
const LARGEST: usize = 1024 * 1024;

/// The most characters of a goal's description in a list.
const LONGEST_DESCRIPTION: usize = 500;

/// What a client wants to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    limit: usize,
    after: Option<Place>,
}

/// Reads the query of a list.
///
/// # Errors
/// `invalid_request` for a limit that is not from 1 to 100, or a cursor that no page has given.
pub(super) fn read_query(query: &str) -> Result<Wanted, ErrorObject> {
    let mut wanted = Wanted {
        limit: USUAL,
        after: None,
    };
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("limit", limit)) => {
                let limit = limit
                    .parse()
                    .ok()
                    .filter(|limit| (1..=MOST).contains(limit));
                wanted.limit = limit.ok_or_else(|| {
                    refused(
                        "limit",
                        "`limit` is a whole number from 1 to 100".to_owned(),
                    )
                })?;
            }
            Some(("after", after)) => {
                let place = read_cursor(after).ok_or_else(|| {
                    refused(
                        "after",
                        "`after` is the `next` of an earlier page".to_owned(),
                    )
                })?;
                wanted.after = Some(place);
            }
            _ => {}
        }
    }
    Ok(wanted)
}

fn refused(name: &str, message: String) -> ErrorObject {
    let violation = Violation::new(format!("/{name}"), "format", message.clone());
    ErrorObject::new(Code::InvalidRequest, message).with_violations(&[violation])
}

fn cursor(place: &Place) -> String {
    format!("{}.{}", place.opened.as_microsecond(), place.id)
}

fn read_cursor(text: &str) -> Option<Place> {
    let (opened, id) = text.split_once('.')?;
    let opened = Timestamp::from_microsecond(opened.parse().ok()?).ok()?;
    let id = Some(id).filter(|id| super::keeping::is_session_id(id))?;
    Some(Place {
        opened,
        id: id.to_owned(),
    })
}

impl Runtime {
    /// `GET /sessions`.
    pub(super) async fn list(&self, caller: &Caller, query: &str) -> Result<Answer, ErrorObject> {
        let wanted = read_query(query)?;
        let busy = || {
            let message = "too many lists are being put together; come again later";
            ErrorObject::new(Code::CapacityExceeded, message).with("retry_after", 1)
        };
        let place = timeout(PATIENCE, self.listings().acquire()).await;
        let _place = place.map_err(|_| busy())?.map_err(|_| busy())?;
        let began = Instant::now();
        let mut after = wanted.after;
        let mut sessions = Vec::new();
        let mut weight = 0;
        // One more than is wanted tells whether there are more.
        let mut found = self
            .places(&caller.subject, after.as_ref(), wanted.limit + 1)
            .await?
            .into_iter()
            .peekable();
        while let Some(place) = found.next_if(|_| {
            sessions.len() < wanted.limit && weight < LARGEST && began.elapsed() < PATIENCE
        }) {
            // One that was closed meanwhile is passed over.
            if let Some(slot) = self.peek(&place.id).await?
                && self.parts().access().sees_session(caller, slot.owner())
            {
                let listed = self.listed(&slot);
                weight += held_bytes(&listed);
                sessions.push(listed);
            }
            after = Some(place);
        }
        let mut answer = Map::new();
        answer.insert("sessions".to_owned(), Value::Array(sessions));
        if let (Some(_), Some(last)) = (found.peek(), &after) {
            answer.insert("next".to_owned(), Value::from(cursor(last)));
        }
        Ok(Answer::ok(Value::Object(answer)))
    }

    /// Where the open sessions of a subject stand in its list, after this place.
    async fn places(
        &self,
        owner: &str,
        after: Option<&Place>,
        most: usize,
    ) -> Result<Vec<Place>, ErrorObject> {
        match self.ledger() {
            Some(ledger) => {
                let found = ledger.owned(owner, after.cloned(), most).await;
                found.map_err(|error| self.ledger_failed(&error))
            }
            None => Ok(self.store().owned(owner, after, most)),
        }
    }

    /// A session as it is now, which stays out of memory where it is not in it: nobody called it.
    async fn peek(&self, id: &str) -> Result<Option<Arc<Slot>>, ErrorObject> {
        match self.store().get(id) {
            Some(slot) => self.fresh(slot).await,
            None => self.read_kept_session(id).await,
        }
    }

    fn listed(&self, slot: &Slot) -> Value {
        let session = slot.session();
        let mut goal = session.goal().clone();
        if let Some(Value::String(description)) = goal.get_mut("description")
            && let Some((cut, _)) = description.char_indices().nth(LONGEST_DESCRIPTION)
        {
            description.truncate(cut);
            description.push('…');
        }
        let mut listed = json!({
            "session_id": session.id(), "status": session.status().name(), "goal": goal,
            "manifest": session.manifest_reference(), "created_at": session.started_at(),
            "steps": session.steps_done(), "running": self.drives().has(session.id()),
        });
        if let Some(pending) = session.pending(self.parts()) {
            let mut short = json!({});
            for name in ["id", "kind", "action_name"] {
                if let Some(value) = pending.get(name) {
                    short[name] = value.clone();
                }
            }
            listed["pending"] = short;
        }
        listed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_a_limit_and_a_place() {
        let wanted = read_query("").expect("read");
        assert_eq!((wanted.limit, wanted.after), (50, None));
        let place = Place {
            opened: Timestamp::from_microsecond(1_763_869_800_123_456).expect("a time"),
            id: "c1b3f9e2-0d4e-4a53-9f0e-3a1f1f4ac0b1".to_owned(),
        };
        let query = format!("after={}&limit=100&other=1", cursor(&place));
        let wanted = read_query(&query).expect("read");
        assert_eq!((wanted.limit, wanted.after), (100, Some(place)));
        for bad in [
            "limit=0",
            "limit=101",
            "limit=",
            "limit=1.5",
            "after=",
            "after=x",
            "after=1.short",
            "after=99999999999999999999.c1b3f9e2-0d4e-4a53-9f0e-3a1f1f4ac0b1",
        ] {
            assert!(read_query(bad).is_err(), "{bad}");
        }
    }
}
