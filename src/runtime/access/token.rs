//! Whether a token is valid, and what it says (`spec/access.md`, section 1).

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::{hmac, signature};
use serde_json::{Map, Value};

use super::AccessParts;
use super::auth::{Auth, Key, Material, TableEntry};
use super::caller::Caller;
use crate::json::{self, Duplicates, Limits};

/// The longest token that is read, in bytes.
pub const LONGEST_TOKEN: usize = 8 * 1024;

/// The clock difference that is allowed, in seconds.
const LEEWAY: f64 = 60.0;

/// The longest subject, in characters.
const LONGEST_SUBJECT: usize = 256;

/// Why a token is not valid. The client is not told (access.md 1.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// There is none.
    Absent,
    /// It is neither in the table nor a JSON Web Token.
    Malformed,
    /// No key has its `kid`.
    UnknownKey,
    /// Its `alg` is not the key's.
    Algorithm,
    /// Its `crit` names what this runtime does not know.
    Critical,
    /// It was not signed with the key.
    Signature,
    /// It has expired, or never does.
    Expired,
    /// It is not valid yet.
    NotYet,
    /// It is for others.
    Audience,
    /// It comes from others.
    Issuer,
    /// It names no subject.
    Subject,
    /// Its scopes cannot be read.
    Scope,
}

/// The token of an `Authorization` header; the scheme's case does not matter.
pub fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Who holds a token.
///
/// # Errors
/// The first defect.
pub fn authenticate<P: AccessParts + ?Sized>(
    parts: &P,
    auth: &Auth,
    token: Option<&str>,
    now: Timestamp,
) -> Result<Caller, Defect> {
    let token = token.ok_or(Defect::Absent)?;
    if token.len() > LONGEST_TOKEN {
        return Err(Defect::Malformed);
    }
    // All entries are looked at, so that the time tells nothing of the table's order.
    let held = auth.tokens.iter().fold(
        None,
        |held, entry| {
            if entry.is(token) { Some(entry) } else { held }
        },
    );
    match held {
        Some(entry) => Ok(parts.table_holder(entry)),
        None => read(parts, auth, token, now),
    }
}

/// The holder of an entry of the table.
pub fn table_holder(entry: &TableEntry) -> Caller {
    Caller::known(entry.subject.clone(), entry.scopes.clone())
}

/// Who holds a JSON Web Token; nothing of its claims is read before its signature is right.
fn read<P: AccessParts + ?Sized>(
    parts: &P,
    auth: &Auth,
    token: &str,
    now: Timestamp,
) -> Result<Caller, Defect> {
    let (signed, signature) = token.rsplit_once('.').ok_or(Defect::Malformed)?;
    let (header, claims) = signed.split_once('.').ok_or(Defect::Malformed)?;
    if claims.contains('.') {
        return Err(Defect::Malformed);
    }
    let header = members(header)?;
    let signature = decoded(signature)?;
    parts.check_critical(header.get("crit"))?;
    let key = parts.select_key(&auth.keys, header.get("kid"))?;
    parts.check_algorithm(key, header.get("alg"))?;
    parts.check_signature(key, signed, &signature)?;
    let claims = members(claims)?;
    parts.check_expiry(claims.get("exp"), now)?;
    parts.check_not_before(claims.get("nbf"), now)?;
    parts.check_audience(auth.audience.as_deref(), claims.get("aud"))?;
    parts.check_issuer(auth.issuer.as_deref(), claims.get("iss"))?;
    let subject = parts.token_subject(claims.get("sub"))?;
    let scopes = parts.token_scopes(claims.get("scope"))?;
    Ok(Caller::known(subject, scopes))
}

fn decoded(part: &str) -> Result<Vec<u8>, Defect> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Defect::Malformed)
}

fn members(part: &str) -> Result<Map<String, Value>, Defect> {
    let limits = Limits {
        bytes: LONGEST_TOKEN,
        depth: 16,
    };
    match json::read(&decoded(part)?, &limits, Duplicates::Refuse) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(Defect::Malformed),
    }
}

/// Refuses every `crit`: no extension is known.
///
/// # Errors
/// [`Defect::Critical`].
pub fn check_critical(crit: Option<&Value>) -> Result<(), Defect> {
    crit.map_or(Ok(()), |_| Err(Defect::Critical))
}

/// The key that a token names; one that names none is meant for the only key.
///
/// # Errors
/// [`Defect::UnknownKey`].
pub fn select_key<'k>(keys: &'k [Key], kid: Option<&Value>) -> Result<&'k Key, Defect> {
    let key = match (kid, keys) {
        (None, [only]) => Some(only),
        (Some(Value::String(kid)), keys) => keys.iter().find(|key| key.kid == *kid),
        _ => None,
    };
    key.ok_or(Defect::UnknownKey)
}

/// Whether a token's `alg` is the one that the operator pinned for the key.
///
/// # Errors
/// [`Defect::Algorithm`].
pub fn check_algorithm(key: &Key, alg: Option<&Value>) -> Result<(), Defect> {
    match alg {
        Some(Value::String(alg)) if alg == key.algorithm() => Ok(()),
        _ => Err(Defect::Algorithm),
    }
}

/// Whether a key signed this text; compared in constant time.
///
/// # Errors
/// [`Defect::Signature`].
pub fn check_signature(key: &Key, signed: &str, given: &[u8]) -> Result<(), Defect> {
    let is_right = match &key.material {
        Material::Hs256(secret) => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
            hmac::verify(&key, signed.as_bytes(), given)
        }
        Material::Ed25519(public) => signature::UnparsedPublicKey::new(&signature::ED25519, public)
            .verify(signed.as_bytes(), given),
    };
    is_right.map_err(|_| Defect::Signature)
}

/// Whether `exp` is there and not past.
///
/// # Errors
/// [`Defect::Expired`].
pub fn check_expiry(exp: Option<&Value>, now: Timestamp) -> Result<(), Defect> {
    match exp.and_then(Value::as_f64) {
        Some(exp) if exp + LEEWAY > seconds(now) => Ok(()),
        _ => Err(Defect::Expired),
    }
}

/// Whether `nbf`, if there is one, has come.
///
/// # Errors
/// [`Defect::NotYet`].
pub fn check_not_before(nbf: Option<&Value>, now: Timestamp) -> Result<(), Defect> {
    match nbf.map(Value::as_f64) {
        None => Ok(()),
        Some(Some(nbf)) if nbf - LEEWAY <= seconds(now) => Ok(()),
        Some(_) => Err(Defect::NotYet),
    }
}

/// Whether a token names the configured audience, alone or among others.
///
/// # Errors
/// [`Defect::Audience`].
pub fn check_audience(configured: Option<&str>, aud: Option<&Value>) -> Result<(), Defect> {
    let Some(configured) = configured else {
        return Ok(());
    };
    let names = |value: &Value| value.as_str() == Some(configured);
    match aud {
        Some(Value::Array(all)) if all.iter().any(names) => Ok(()),
        Some(one) if names(one) => Ok(()),
        _ => Err(Defect::Audience),
    }
}

/// Whether a token comes from the configured issuer.
///
/// # Errors
/// [`Defect::Issuer`].
pub fn check_issuer(configured: Option<&str>, iss: Option<&Value>) -> Result<(), Defect> {
    match configured {
        Some(configured) if iss.and_then(Value::as_str) != Some(configured) => Err(Defect::Issuer),
        _ => Ok(()),
    }
}

/// The subject, of 1 to 256 characters.
///
/// # Errors
/// [`Defect::Subject`].
pub fn subject(sub: Option<&Value>) -> Result<String, Defect> {
    match sub {
        Some(Value::String(sub)) if (1..=LONGEST_SUBJECT).contains(&sub.chars().count()) => {
            Ok(sub.clone())
        }
        _ => Err(Defect::Subject),
    }
}

/// The scopes: a text with spaces between them, or an array; none when absent.
///
/// # Errors
/// [`Defect::Scope`].
pub fn scopes(scope: Option<&Value>) -> Result<BTreeSet<String>, Defect> {
    match scope {
        None => Ok(BTreeSet::new()),
        Some(Value::String(text)) => Ok(text
            .split(' ')
            .filter(|scope| !scope.is_empty())
            .map(str::to_owned)
            .collect()),
        Some(Value::Array(all)) => all
            .iter()
            .map(|scope| scope.as_str().map(str::to_owned).ok_or(Defect::Scope))
            .collect(),
        Some(_) => Err(Defect::Scope),
    }
}

/// Seconds since 1970 with a fraction, as the times of a token are.
#[expect(
    clippy::cast_precision_loss,
    reason = "a token's times are doubles, exact to the millisecond for longer than calendars last"
)]
fn seconds(now: Timestamp) -> f64 {
    now.as_millisecond() as f64 / 1000.0
}
