//! Preferences of a user that are carried from one session to the next (`spec/sessions.md` section 6), where the operator asks
//! for it: in the ledger where there is one, in memory otherwise.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::keeping::damaged;
use super::runtime::Runtime;
use super::session::transcript::text_digest;
use super::shelf::{Key, Shelf};
use crate::runtime::error::ErrorObject;
use crate::store::ledger::Count;
use crate::store::{Ledger, LedgerError};

/// The longest text of one user's preferences that is remembered, in bytes.
const LONGEST: usize = 64 * 1024;

/// Most bytes of memory of the preferences of all users, where there is no ledger.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// How often they are read again after another session of the same user was closed at the same moment.
const LOOKS: usize = 10;

/// Where preferences are in an observation.
const PREFERENCES: &str = "/user_context/preferences";

/// Preferences by user, in memory.
#[derive(Debug)]
pub(super) struct Remembered(Shelf<Map<String, Value>>);

impl Default for Remembered {
    fn default() -> Self {
        Self(Shelf::new(MOST_BYTES))
    }
}

/// One user of one subject. A `user_id` alone is what any subject may write where nobody checks tokens.
fn user(subject: &str, observation: &Value) -> Option<String> {
    let id = observation.pointer("/user_context/user_id")?.as_str()?;
    Some(json!(["preferences", subject, id]).to_string())
}

/// The same key in memory.
fn key(user: &str) -> Key {
    Sha256::digest(user.as_bytes()).into()
}

/// What the final observation leaves for the next session; `null` takes a preference out.
fn left(observation: &Value) -> Option<Map<String, Value>> {
    let mut preferences = observation.pointer(PREFERENCES)?.as_object()?.clone();
    preferences.retain(|_, value| !value.is_null());
    Some(preferences)
}

/// Lays preferences under those that the observation has.
fn lay_under(observation: &mut Value, remembered: &Map<String, Value>) {
    let given = observation.pointer_mut(PREFERENCES);
    let Some(given) = given.and_then(Value::as_object_mut) else {
        return;
    };
    for (name, value) in remembered {
        if !given.contains_key(name) {
            given.insert(name.clone(), value.clone());
        }
    }
}

impl Runtime {
    /// Adds to the observation of a new session what is remembered of its user.
    ///
    /// # Errors
    /// Those of the ledger: a session that began without would not be the one that was asked for.
    pub(super) async fn recall_preferences(
        &self,
        subject: &str,
        observation: &mut Value,
    ) -> Result<(), ErrorObject> {
        let Some(remembered) = self.remembered() else {
            return Ok(());
        };
        let Some(user) = user(subject, observation) else {
            return Ok(());
        };
        let Some(ledger) = self.ledger() else {
            if let Some(known) = remembered.0.get(&key(&user)) {
                lay_under(observation, &known);
            }
            return Ok(());
        };
        let known = ledger.count(&text_digest(&user)).await;
        let known = known.and_then(|text| text.map(|text| read(&text)).transpose());
        if let Some(known) = known.map_err(|error| self.ledger_failed(&error))? {
            lay_under(observation, &known);
        }
        Ok(())
    }

    /// Remembers the preferences of a session that is being closed. A ledger that fails here is told of and closes nothing
    /// either, so nothing is lost that was promised.
    pub(super) async fn remember_preferences(&self, subject: &str, transcript: &Value) {
        let Some(remembered) = self.remembered() else {
            return;
        };
        // The user is the one that it was opened for, whatever a service has written since.
        let opened = transcript.get("initial_observation");
        let user = opened.and_then(|opened| user(subject, opened));
        let left = transcript.get("final_observation").and_then(left);
        let (Some(user), Some(left)) = (user, left) else {
            return;
        };
        let text = Value::Object(left.clone()).to_string();
        if text.len() > LONGEST {
            return;
        }
        match self.ledger() {
            None => {
                let weight = user.len() + 2 * text.len();
                remembered.0.put(key(&user), left, weight, |_| false);
            }
            Some(ledger) => {
                if let Err(error) = self.remember_kept(&**ledger, &user, text).await {
                    self.complain(&error);
                }
            }
        }
    }

    /// Of two sessions that are closed at once the later one is remembered.
    async fn remember_kept(
        &self,
        ledger: &dyn Ledger,
        user: &str,
        text: String,
    ) -> Result<(), LedgerError> {
        let scope = text_digest(user);
        // They come out of a transcript, and are not kept longer than one.
        let until = self.now().checked_add(self.keep_transcripts());
        let until = until.unwrap_or(Timestamp::MAX);
        for _ in 0..LOOKS {
            let before = ledger.count(&scope).await?;
            let count = Count {
                scope: scope.clone(),
                text: text.clone(),
                until,
            };
            match ledger.recount(before, count).await {
                Err(LedgerError::Conflict) => {}
                kept => return kept,
            }
        }
        Err(LedgerError::Conflict)
    }
}

fn read(text: &str) -> Result<Map<String, Value>, LedgerError> {
    serde_json::from_str(text).map_err(|_| damaged("preferences of a user"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observation(preferences: &Value) -> Value {
        json!({"user_context": {"user_id": "U", "preferences": preferences}})
    }

    #[test]
    fn what_is_given_stands_whole() {
        let known = json!({"tone": "formal", "hours": {"from": 9, "to": 17}, "zone": "UTC"});
        let known = known.as_object().expect("an object");
        let mut given = observation(&json!({"hours": {"from": 8}, "zone": null}));
        lay_under(&mut given, known);
        let expected = json!({"hours": {"from": 8}, "zone": null, "tone": "formal"});
        assert_eq!(given, observation(&expected));
        // And is gone for the next one.
        let left = left(&given).expect("preferences");
        assert_eq!(
            Value::Object(left),
            json!({"hours": {"from": 8}, "tone": "formal"})
        );
    }

    #[test]
    fn users_of_different_subjects_do_not_meet() {
        let one = user("a\",\"b", &json!({"user_context": {"user_id": "c"}}));
        let other = user("a", &json!({"user_context": {"user_id": "b\",\"c"}}));
        assert!(one.is_some() && one != other);
        assert_eq!(user("a", &json!({"user_context": {"user_id": 1}})), None);
    }
}
