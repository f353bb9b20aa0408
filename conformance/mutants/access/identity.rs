//! Mutants of section 2: whose sessions, keys and names.

use std::collections::HashMap;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::Value;

use crate::mutants::{Mutant, held};
use crate::runtime::access::token::{self, Defect};
use crate::runtime::access::{AccessParts, Auth, Caller, refusal};
use crate::runtime::error::ErrorObject;
use crate::runtime::{Parts, Reference};

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [users(), sessions()].into_iter().flatten().collect()
}

type Checked = Result<(), ErrorObject>;

fn users() -> Vec<Mutant> {
    vec![
        swap_access!(
            "any-user-may-be-named",
            "ACC-009",
            "does not compare the user of a body with the token's subject",
            fn check_user(&self, _: &Caller, _: &str) -> Checked {
                Ok(())
            }
        ),
        swap_access!(
            "users-without-case",
            "ACC-009",
            "compares users as if letters had no case",
            fn check_user(&self, caller: &Caller, user_id: &str) -> Checked {
                if caller.subject.eq_ignore_ascii_case(user_id) {
                    return Ok(());
                }
                refusal::check_user(caller, user_id)
            }
        ),
        swap_access!(
            "users-by-prefix",
            "ACC-009",
            "takes a user that begins with the token's subject for it",
            fn check_user(&self, caller: &Caller, user_id: &str) -> Checked {
                if user_id.starts_with(&caller.subject) {
                    return Ok(());
                }
                refusal::check_user(caller, user_id)
            }
        ),
    ]
}

fn sessions() -> Vec<Mutant> {
    vec![
        swap_access!(
            "sessions-are-everybodys",
            "ACC-010",
            "lets everybody who has a session's id use it",
            fn sees_session(&self, _: &Caller, _: &str) -> bool {
                true
            }
        ),
        swap_access!(
            "scopes-open-sessions",
            "ACC-010",
            "lets whoever may write manifests use the sessions of others",
            fn sees_session(&self, caller: &Caller, owner: &str) -> bool {
                caller.subject == owner || caller.holds(refusal::MANIFEST_WRITE)
            }
        ),
        swap_access!(
            "keys-are-everybodys",
            "ACC-011",
            "keeps one set of idempotency keys for all subjects",
            fn key_subject(&self, _: &Caller) -> String {
                String::new()
            }
        ),
        Mutant::part(
            "known-subjects-need-no-fresh-token",
            "ACC-012",
            "takes the expired token of a subject that came with a good one before",
            Remembering::default(),
        ),
    ]
}

/// Remembers who came with a good token.
#[derive(Default)]
struct Remembering {
    known: Mutex<HashMap<String, Caller>>,
}

impl AccessParts for Remembering {
    fn authenticate(
        &self,
        auth: &Auth,
        token: Option<&str>,
        now: Timestamp,
    ) -> Result<Caller, Defect> {
        let caller = token::authenticate(&Reference, auth, token, now);
        let mut known = held(&self.known);
        match caller {
            Err(Defect::Expired) => {
                let subject = token.and_then(subject_of).ok_or(Defect::Expired)?;
                known.get(&subject).cloned().ok_or(Defect::Expired)
            }
            caller => caller.inspect(|caller| {
                known.insert(caller.subject.clone(), caller.clone());
            }),
        }
    }
}

impl Parts for Remembering {
    fn access(&self) -> &dyn AccessParts {
        self
    }
}

fn subject_of(token: &str) -> Option<String> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    claims.get("sub")?.as_str().map(str::to_owned)
}
