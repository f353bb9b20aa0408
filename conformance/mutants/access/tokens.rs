//! Mutants of section 1: which tokens are valid, and what their refusal says.

use std::collections::BTreeSet;

use jiff::Timestamp;
use ring::hmac;
use serde_json::Value;

use crate::mutants::Mutant;
use crate::runtime::Reference;
use crate::runtime::access::token::{self, Defect};
use crate::runtime::access::{Auth, Caller, Key, Material, TableEntry, refusal};
use crate::runtime::error::ErrorObject;

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [
        absence(),
        headers(),
        table(),
        signatures(),
        claims(),
        refusals(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

type Checked = Result<(), Defect>;

fn absence() -> Vec<Mutant> {
    vec![
        swap_access!(
            "strangers-are-let-in",
            "ACC-001",
            "takes a call without a token for that of a stranger who may do something",
            fn authenticate(
                &self,
                auth: &Auth,
                token: Option<&str>,
                now: Timestamp,
            ) -> Result<Caller, Defect> {
                let scopes = BTreeSet::from([refusal::MANIFEST_WRITE.to_owned()]);
                match token {
                    None => Ok(Caller::known("stranger", scopes)),
                    token => token::authenticate(&Reference, auth, token, now),
                }
            }
        ),
        swap_access!(
            "no-challenge",
            "ACC-001",
            "answers 401 without saying how to authenticate",
            fn challenge(&self, _: &ErrorObject) -> Option<String> {
                None
            }
        )
        .rewriting(),
        swap_access!(
            "challenges-to-basic",
            "ACC-001",
            "asks for a name and a password",
            fn challenge(&self, error: &ErrorObject) -> Option<String> {
                refusal::challenge(error).map(|_| "Basic realm=\"runtime\"".to_owned())
            }
        )
        .rewriting(),
        swap_access!(
            "tokens-of-any-scheme",
            "ACC-001",
            "takes the last word of the header for a token, whatever stands before it",
            fn bearer<'h>(&self, header: &'h str) -> Option<&'h str> {
                header.rsplit(' ').next()
            }
        ),
    ]
}

fn headers() -> Vec<Mutant> {
    vec![
        swap_access!(
            "any-key-will-do",
            "ACC-001",
            "checks a token of an unknown key with the first one",
            fn select_key<'k>(
                &self,
                keys: &'k [Key],
                kid: Option<&Value>,
            ) -> Result<&'k Key, Defect> {
                token::select_key(keys, kid).or(keys.first().ok_or(Defect::UnknownKey))
            }
        ),
        swap_access!(
            "critical-headers-are-ignored",
            "ACC-001",
            "does not look at the header members that a token calls critical",
            fn check_critical(&self, _: Option<&Value>) -> Checked {
                Ok(())
            }
        ),
        swap_access!(
            "alg-is-not-pinned",
            "ACC-003",
            "checks the signature by the key and does not look at the algorithm",
            fn check_algorithm(&self, _: &Key, _: Option<&Value>) -> Checked {
                Ok(())
            }
        ),
        swap_access!(
            "alg-none-passes",
            "ACC-003",
            "takes a token whose algorithm is some spelling of none, unsigned as it is",
            fn check_algorithm(&self, key: &Key, alg: Option<&Value>) -> Checked {
                match alg.and_then(Value::as_str) {
                    Some(name) if name.eq_ignore_ascii_case("none") => Ok(()),
                    _ => token::check_algorithm(key, alg),
                }
            },
            fn check_signature(&self, key: &Key, signed: &str, given: &[u8]) -> Checked {
                if given.is_empty() {
                    return Ok(());
                }
                token::check_signature(key, signed, given)
            }
        ),
        swap_access!(
            "public-keys-as-shared-keys",
            "ACC-003",
            "uses a public key as the secret of a token that says HS256",
            fn check_algorithm(&self, key: &Key, alg: Option<&Value>) -> Checked {
                match alg.and_then(Value::as_str) {
                    Some("HS256") => Ok(()),
                    _ => token::check_algorithm(key, alg),
                }
            },
            fn check_signature(&self, key: &Key, signed: &str, given: &[u8]) -> Checked {
                if let Material::Ed25519(public) = &key.material {
                    let shared = hmac::Key::new(hmac::HMAC_SHA256, public);
                    if hmac::verify(&shared, signed.as_bytes(), given).is_ok() {
                        return Ok(());
                    }
                }
                token::check_signature(key, signed, given)
            }
        ),
    ]
}

fn table() -> Vec<Mutant> {
    vec![
        swap_access!(
            "table-tokens-may-everything",
            "ACC-002",
            "lets the holder of a token of the table do whatever is asked",
            fn table_holder(&self, entry: &TableEntry) -> Caller {
                let mut scopes = entry.scopes.clone();
                scopes.insert("(everything)".to_owned());
                Caller::known(entry.subject.clone(), scopes)
            },
            fn holds(&self, caller: &Caller, scope: &str) -> bool {
                caller.holds(scope) || caller.holds("(everything)")
            }
        ),
        swap_access!(
            "table-tokens-are-nobodys",
            "ACC-002",
            "gives the holder of a token of the table a name of its own making",
            fn table_holder(&self, entry: &TableEntry) -> Caller {
                Caller::known("table", entry.scopes.clone())
            }
        ),
        swap_access!(
            "table-tokens-have-no-scopes",
            "ACC-002",
            "forgets the scopes beside a token of the table",
            fn table_holder(&self, entry: &TableEntry) -> Caller {
                Caller::known(entry.subject.clone(), BTreeSet::new())
            }
        ),
    ]
}

fn signatures() -> Vec<Mutant> {
    vec![
        swap_access!(
            "signatures-are-not-checked",
            "ACC-004",
            "takes any signature for the right one",
            fn check_signature(&self, _: &Key, _: &str, _: &[u8]) -> Checked {
                Ok(())
            }
        ),
        swap_access!(
            "no-signature-is-a-right-one",
            "ACC-004",
            "checks a signature only where there is one",
            fn check_signature(&self, key: &Key, signed: &str, given: &[u8]) -> Checked {
                if given.is_empty() {
                    return Ok(());
                }
                token::check_signature(key, signed, given)
            }
        ),
        swap_access!(
            "shared-keys-only",
            "ACC-001",
            "knows HS256 and refuses what an Ed25519 key signed",
            fn check_signature(&self, key: &Key, signed: &str, given: &[u8]) -> Checked {
                match key.material {
                    Material::Ed25519(_) => Err(Defect::Signature),
                    Material::Hs256(_) => token::check_signature(key, signed, given),
                }
            }
        ),
    ]
}

fn claims() -> Vec<Mutant> {
    vec![
        swap_access!(
            "expired-tokens-pass",
            "ACC-005",
            "wants an expiry and does not compare it with the time",
            fn check_expiry(&self, exp: Option<&Value>, _: Timestamp) -> Checked {
                let exp = exp.and_then(Value::as_f64);
                exp.map(|_| ()).ok_or(Defect::Expired)
            }
        ),
        swap_access!(
            "endless-tokens-pass",
            "ACC-005",
            "takes a token without a time of expiry for one that never expires",
            fn check_expiry(&self, exp: Option<&Value>, now: Timestamp) -> Checked {
                match exp.and_then(Value::as_f64) {
                    None => Ok(()),
                    Some(_) => token::check_expiry(exp, now),
                }
            }
        ),
        swap_access!(
            "nbf-is-ignored",
            "ACC-006",
            "takes tokens before their time",
            fn check_not_before(&self, _: Option<&Value>, _: Timestamp) -> Checked {
                Ok(())
            }
        ),
        swap_access!(
            "audience-is-ignored",
            "ACC-007",
            "takes tokens that are for others",
            fn check_audience(&self, _: Option<&str>, _: Option<&Value>) -> Checked {
                Ok(())
            }
        ),
        swap_access!(
            "no-audience-is-any-audience",
            "ACC-007",
            "takes a token that names no audience",
            fn check_audience(&self, configured: Option<&str>, aud: Option<&Value>) -> Checked {
                match aud {
                    None => Ok(()),
                    aud => token::check_audience(configured, aud),
                }
            }
        ),
        swap_access!(
            "audiences-by-prefix",
            "ACC-007",
            "takes a token whose audience begins like the configured one",
            fn check_audience(&self, configured: Option<&str>, aud: Option<&Value>) -> Checked {
                let begins = |configured| {
                    let aud = aud.and_then(Value::as_str).unwrap_or_default();
                    aud.starts_with(configured)
                };
                match configured {
                    Some(configured) if begins(configured) => Ok(()),
                    configured => token::check_audience(configured, aud),
                }
            }
        ),
        swap_access!(
            "subjectless-tokens-pass",
            "ACC-001",
            "takes a token without a usable subject for that of an anonymous one",
            fn token_subject(&self, sub: Option<&Value>) -> Result<String, Defect> {
                Ok(token::subject(sub).unwrap_or_else(|_| "anonymous".to_owned()))
            }
        ),
        swap_access!(
            "scopes-as-text-only",
            "ACC-001",
            "reads scopes out of a text and no array",
            fn token_scopes(&self, scope: Option<&Value>) -> Result<BTreeSet<String>, Defect> {
                token::scopes(scope.filter(|scope| scope.is_string()))
            }
        ),
    ]
}

fn refusals() -> Vec<Mutant> {
    vec![
        swap_access!(
            "refusals-quote-the-token",
            "ACC-008",
            "tells in a 401 which token it was",
            fn unauthenticated(&self, token: Option<&str>, defect: Defect) -> ErrorObject {
                let mut error = refusal::unauthenticated();
                error.message = format!("{}: {defect:?}", token.unwrap_or("no token"));
                error
            }
        )
        .rewriting(),
        swap_access!(
            "refusals-quote-a-part",
            "ACC-008",
            "tells in a 401 how the token begins",
            fn unauthenticated(&self, token: Option<&str>, _: Defect) -> ErrorObject {
                let begin: String = token.unwrap_or_default().chars().take(24).collect();
                let mut error = refusal::unauthenticated();
                error.message = format!("the token that begins with {begin} is not valid");
                error
            }
        )
        .rewriting(),
    ]
}
