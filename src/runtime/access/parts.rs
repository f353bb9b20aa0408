//! Every decision of the runtime that `spec/access.md` pins, as one replaceable method; see [`crate::runtime::parts`].

use std::collections::BTreeSet;
use std::net::IpAddr;

use jiff::Timestamp;
use reqwest::Url;
use serde_json::Value;

use super::auth::{Auth, Key, TableEntry};
use super::caller::Caller;
use super::network::{self, Network};
use super::rates::{RateKey, Uncharged, Window};
use super::token::{self, Defect};
use super::{dial, refusal};
use crate::manifest::{Action, RateLimit};
use crate::runtime::credentials::Credentials;
use crate::runtime::error::ErrorObject;
use crate::runtime::parts::Reference;

/// The replaceable decisions about access; each default calls a pure function of this room.
pub trait AccessParts: Send + Sync {
    // --- 1: tokens ---

    /// The token of an `Authorization` header (1).
    fn bearer<'h>(&self, header: &'h str) -> Option<&'h str> {
        token::bearer(header)
    }

    /// Who holds a token, at each call anew (1.1, 2.4).
    fn authenticate(
        &self,
        auth: &Auth,
        token: Option<&str>,
        now: Timestamp,
    ) -> Result<Caller, Defect> {
        token::authenticate(self, auth, token, now)
    }

    /// The holder of an entry of the token table (1.2).
    fn table_holder(&self, entry: &TableEntry) -> Caller {
        token::table_holder(entry)
    }

    /// Whether a token's `crit` names only what is known (1).
    fn check_critical(&self, crit: Option<&Value>) -> Result<(), Defect> {
        token::check_critical(crit)
    }

    /// The key that a token's `kid` names (1).
    fn select_key<'k>(&self, keys: &'k [Key], kid: Option<&Value>) -> Result<&'k Key, Defect> {
        token::select_key(keys, kid)
    }

    /// Whether a token's `alg` is the one pinned for its key (1.3).
    fn check_algorithm(&self, key: &Key, alg: Option<&Value>) -> Result<(), Defect> {
        token::check_algorithm(key, alg)
    }

    /// Whether the key signed the token; `signed` is its header and claims as they came (1.4).
    fn check_signature(&self, key: &Key, signed: &str, given: &[u8]) -> Result<(), Defect> {
        token::check_signature(key, signed, given)
    }

    /// Whether a token has not expired (1.5).
    fn check_expiry(&self, exp: Option<&Value>, now: Timestamp) -> Result<(), Defect> {
        token::check_expiry(exp, now)
    }

    /// Whether a token is valid already (1.6).
    fn check_not_before(&self, nbf: Option<&Value>, now: Timestamp) -> Result<(), Defect> {
        token::check_not_before(nbf, now)
    }

    /// Whether a token is for the configured audience (1.7).
    fn check_audience(&self, configured: Option<&str>, aud: Option<&Value>) -> Result<(), Defect> {
        token::check_audience(configured, aud)
    }

    /// Whether a token comes from the configured issuer (1).
    fn check_issuer(&self, configured: Option<&str>, iss: Option<&Value>) -> Result<(), Defect> {
        token::check_issuer(configured, iss)
    }

    /// The subject that a token names (1).
    fn token_subject(&self, sub: Option<&Value>) -> Result<String, Defect> {
        token::subject(sub)
    }

    /// The scopes that a token gives (1).
    fn token_scopes(&self, scope: Option<&Value>) -> Result<BTreeSet<String>, Defect> {
        token::scopes(scope)
    }

    /// The refusal of a call without a valid token, which tells neither token nor defect (1.8).
    fn unauthenticated(&self, token: Option<&str>, defect: Defect) -> ErrorObject {
        let _ = (token, defect);
        refusal::unauthenticated()
    }

    // --- 2: identity ---

    /// Whether a body may name this user (2.1).
    fn check_user(&self, caller: &Caller, user_id: &str) -> Result<(), ErrorObject> {
        refusal::check_user(caller, user_id)
    }

    /// Whether a caller gets to see a session that this subject opened (2.2).
    fn sees_session(&self, caller: &Caller, owner: &str) -> bool {
        caller.subject == owner
    }

    /// Whose idempotency keys a caller's are (2.3).
    fn key_subject(&self, caller: &Caller) -> String {
        caller.subject.clone()
    }

    /// Who calls where no auth is configured; `granted` are the operator's scopes for everybody (2.5).
    fn anonymous(&self, granted: &BTreeSet<String>) -> Caller {
        Caller::anonymous(granted.clone())
    }

    // --- 3: scopes ---

    /// Whether a caller holds a scope (3.1).
    fn holds(&self, caller: &Caller, scope: &str) -> bool {
        caller.holds(scope)
    }

    /// Whether an action may be executed: the last look, just before it is (3.2).
    fn may_execute(&self, caller: &Caller, required: &[String]) -> bool {
        required.iter().all(|scope| self.holds(caller, scope))
    }

    /// Whether a caller holds everything that a request needs (3.3, 3.10, 3.12).
    fn check_scopes(&self, caller: &Caller, needed: &BTreeSet<String>) -> Result<(), ErrorObject> {
        let holds = |scope: &&String| !self.holds(caller, scope);
        let missing: Vec<String> = needed.iter().filter(holds).cloned().collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(self.insufficient_scope(&missing))
        }
    }

    /// The refusal of a request whose caller lacks these scopes (3.7, 3.12).
    fn insufficient_scope(&self, missing: &[String]) -> ErrorObject {
        refusal::insufficient_scope(missing)
    }

    /// Whether a caller may register and delete manifests (3.11).
    fn check_manifest_writer(&self, caller: &Caller) -> Result<(), ErrorObject> {
        if !caller.authenticated {
            return Ok(());
        }
        self.check_scopes(
            caller,
            &BTreeSet::from([refusal::MANIFEST_WRITE.to_owned()]),
        )
    }

    // --- 4: rate limits ---

    /// What the calls of an action are counted for (4.4).
    fn rate_key(&self, caller: &Caller, manifest: &str, version: &str, action: &str) -> RateKey {
        let _ = version;
        RateKey {
            subject: caller.subject.clone(),
            manifest: manifest.to_owned(),
            action: action.to_owned(),
        }
    }

    /// Whether a call is admitted, and the whole seconds to wait otherwise (4.2).
    fn admit_call(
        &self,
        window: &mut Window,
        limits: &[RateLimit],
        now: Timestamp,
    ) -> Result<(), u64> {
        window.admit(limits, now)
    }

    /// Whether a call that was not executed is charged all the same (4.7).
    fn charges(&self, why: Uncharged) -> bool {
        let _ = why;
        false
    }

    /// The limits that hold for a node, its own and its definition's: a call has to satisfy all of them (4.8).
    fn limits(&self, definition: Option<RateLimit>, node: Option<RateLimit>) -> Vec<RateLimit> {
        definition.into_iter().chain(node).collect()
    }

    /// The failure of a call that the limit refused, with the seconds to wait (4.3, 4.6).
    fn rate_limited(&self, retry_after: u64) -> ErrorObject {
        refusal::rate_limited(retry_after)
    }

    // --- 6: where calls may go ---

    /// The blocks of addresses that calls of an action may go to: the operator's, whatever the action says (6.1, 6.6).
    fn allowed_networks(&self, configured: &[Network], action: &Action) -> Vec<Network> {
        let _ = action;
        configured.to_vec()
    }

    /// Whether a call may go to an address (6.1).
    fn address_allowed(&self, address: IpAddr, allowed: &[Network]) -> bool {
        network::address_allowed(address, allowed)
    }

    /// Whether a redirect's target is looked at like an endpoint (6.3).
    fn checks_redirects(&self) -> bool {
        true
    }

    /// Whether a secret may go into a request to this host (6.4, 6.5).
    fn check_binding(
        &self,
        credentials: &Credentials,
        name: &str,
        to: &Url,
    ) -> Result<(), ErrorObject> {
        dial::check_binding(credentials, name, to)
    }

    // --- headers of refusals ---

    /// `Retry-After` of the answer that carries an error (4.5).
    fn retry_after(&self, error: &ErrorObject) -> Option<String> {
        refusal::retry_after(error)
    }

    /// `WWW-Authenticate` of the answer that carries an error (1.1).
    fn challenge(&self, error: &ErrorObject) -> Option<String> {
        refusal::challenge(error)
    }
}

impl AccessParts for Reference {}
