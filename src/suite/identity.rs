//! Tokens of the test environment: made here for each caller of a case, good and bad ones (`spec/harness.md`, section 6).

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Map, Value, json};

use super::case::{Case, Identity, Signer};

/// Key id of the shared key.
pub const HS256_KID: &str = "oap-hs";
/// Key id of the Ed25519 key.
pub const ED25519_KID: &str = "oap-ed";
/// What the tokens are for.
pub const AUDIENCE: &str = "oap-conform";
/// The subject of the static token.
pub const STATIC_SUBJECT: &str = "static-user";
/// A key that no target has.
const WRONG_KEY: &[u8] = b"not-the-key-of-any-target-0123456789";
/// How long a good token is valid, in seconds.
const VALID: i64 = 3600;

/// The seed of the Ed25519 key with which the harness signs.
pub const ED25519_SEED: [u8; 32] = [7; 32];

/// The pair of that seed, which is a constant of the right length; made once, since that costs as much as signing.
static PAIR: LazyLock<Option<Ed25519KeyPair>> =
    LazyLock::new(|| Ed25519KeyPair::from_seed_unchecked(&ED25519_SEED).ok());

/// What tokens are made with.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// The key shared with the target.
    pub hs256: String,
    /// The token of the operator's table.
    pub static_token: String,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            hs256: "oap-test-hs256-key-0123456789abcdef".to_owned(),
            static_token: "oap-static-token-0001".to_owned(),
        }
    }
}

/// Who sends a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The subject, which bodies name as their user.
    pub user: String,
    /// The `Authorization` header, where one is sent.
    pub authorization: Option<String>,
}

/// The public Ed25519 key that belongs to [`ED25519_SEED`], in base64url as targets are given it.
pub fn ed25519_public_key() -> String {
    PAIR.as_ref().map_or_else(String::new, |pair| {
        URL_SAFE_NO_PAD.encode(pair.public_key().as_ref())
    })
}

/// The caller of this name in a case; `now` is the target's time in seconds since 1970.
///
/// # Errors
/// When the case has no such identity.
pub fn caller(
    case: &Case,
    name: Option<&str>,
    token: &str,
    keys: &Keys,
    now: i64,
) -> Result<Caller, String> {
    let name = name.unwrap_or("user");
    let identity = match case.access.get(name) {
        Some(identity) => identity.clone(),
        None if name == "user" => Identity::default(),
        None => {
            return Err(format!(
                "there is no identity '{name}'; name it under access"
            ));
        }
    };
    if identity.table {
        return Ok(Caller {
            user: STATIC_SUBJECT.to_owned(),
            authorization: Some(format!("Bearer {}", keys.static_token)),
        });
    }
    let user = user_of(&identity, token);
    let authorization = match (&identity.raw, identity.none) {
        (Some(raw), _) => Some(raw.clone()),
        (None, true) => None,
        (None, false) => Some(format!(
            "Bearer {}",
            mint(
                &identity,
                name == "user" && !identity.bare,
                token,
                keys,
                now
            )
        )),
    };
    Ok(Caller {
        user,
        authorization,
    })
}

/// Who registers manifests before a case begins and removes what it left: the default subject, with what that takes.
pub fn registrar(token: &str) -> Identity {
    Identity {
        user: Some(format!("U-{token}")),
        scopes: vec!["manifest:write".to_owned()],
        ..Identity::default()
    }
}

/// The `Authorization` header of an identity that no case names.
pub fn bearer(identity: &Identity, token: &str, keys: &Keys, now: i64) -> String {
    format!("Bearer {}", mint(identity, false, token, keys, now))
}

fn user_of(identity: &Identity, token: &str) -> String {
    let user = identity.user.as_deref().unwrap_or("U-${token}");
    user.replace("${token}", token)
}

fn mint(identity: &Identity, writes: bool, token: &str, keys: &Keys, now: i64) -> String {
    let (alg, kid) = match identity.sign {
        Signer::Hs256 | Signer::WrongKey => ("HS256", HS256_KID),
        Signer::Hs256WithPublicKey => ("HS256", ED25519_KID),
        Signer::Ed25519 => ("EdDSA", ED25519_KID),
        Signer::None => ("none", HS256_KID),
    };
    let mut header = members(json!({"alg": alg, "typ": "JWT", "kid": kid}));
    put(&mut header, &identity.header, 0);
    let mut scopes: Vec<&str> = identity.scopes.iter().map(String::as_str).collect();
    if writes && !scopes.contains(&"manifest:write") {
        scopes.push("manifest:write");
    }
    let user = user_of(identity, token);
    let mut claims = members(
        json!({"sub": user, "aud": AUDIENCE, "exp": now + VALID, "scope": scopes.join(" ")}),
    );
    put(&mut claims, &identity.claims, now);
    let part = |members: Map<String, Value>| {
        URL_SAFE_NO_PAD.encode(Value::Object(members).to_string().as_bytes())
    };
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = sign(identity.sign, keys, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn sign(signer: Signer, keys: &Keys, text: &[u8]) -> Vec<u8> {
    let hs256 = |key: &[u8]| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        hmac::sign(&key, text).as_ref().to_vec()
    };
    let pair = || PAIR.as_ref();
    match signer {
        Signer::Hs256 => hs256(keys.hs256.as_bytes()),
        Signer::WrongKey => hs256(WRONG_KEY),
        Signer::Hs256WithPublicKey => {
            pair().map_or_else(Vec::new, |pair| hs256(pair.public_key().as_ref()))
        }
        Signer::Ed25519 => pair().map_or_else(Vec::new, |pair| pair.sign(text).as_ref().to_vec()),
        Signer::None => Vec::new(),
    }
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// Lays changes over members; times are given in seconds from now.
fn put(members: &mut Map<String, Value>, changes: &Map<String, Value>, now: i64) {
    for (name, change) in changes {
        let is_time = matches!(name.as_str(), "exp" | "nbf" | "iat");
        match change {
            Value::Null => {
                members.shift_remove(name);
            }
            Value::Number(seconds) if is_time => {
                let value = seconds
                    .as_i64()
                    .map_or_else(|| change.clone(), |seconds| Value::from(now + seconds));
                members.insert(name.clone(), value);
            }
            other => {
                members.insert(name.clone(), other.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(access: Value) -> Case {
        serde_json::from_value(json!({
            "id": "ACC-001-a", "title": "t", "requirements": ["ACC-001"], "manifest": "none",
            "access": access, "steps": [{"step": {}}]
        }))
        .expect("a case")
    }

    fn made(access: Value, name: Option<&str>) -> Caller {
        caller(&case(access), name, "oapt01", &Keys::default(), 1_000_000).expect("a caller")
    }

    fn parts(caller: &Caller) -> (Value, Value, String) {
        let text = caller.authorization.as_deref().expect("a header");
        let token = text.strip_prefix("Bearer ").expect("a bearer token");
        let parts: Vec<&str> = token.split('.').collect();
        let read = |part: &str| {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
        };
        (read(parts[0]), read(parts[1]), parts[2].to_owned())
    }

    #[test]
    fn the_default_caller_holds_a_good_token() {
        let caller = made(json!({}), None);
        let (header, claims, signature) = parts(&caller);
        assert_eq!(caller.user, "U-oapt01");
        assert_eq!(
            header,
            json!({"alg": "HS256", "typ": "JWT", "kid": "oap-hs"})
        );
        assert_eq!(
            claims,
            json!({"sub": "U-oapt01", "aud": "oap-conform", "exp": 1_003_600, "scope": "manifest:write"})
        );
        assert_eq!(signature.len(), 43);
    }

    #[test]
    fn bad_tokens_are_made_on_purpose() {
        let bob = json!({"bob": {"user": "B-${token}", "scopes": ["a", "b"], "claims": {"exp": -120, "aud": null, "nbf": 5},
            "header": {"kid": null, "alg": "nOnE"}, "sign": "none"}});
        let caller = made(bob, Some("bob"));
        let (header, claims, signature) = parts(&caller);
        assert_eq!(header, json!({"alg": "nOnE", "typ": "JWT"}));
        assert_eq!(
            claims,
            json!({"sub": "B-oapt01", "exp": 999_880, "nbf": 1_000_005, "scope": "a b"})
        );
        assert_eq!(signature, "");
        let signers = ["hs256", "wrong_key", "hs256_with_public_key", "ed25519"];
        let signatures: std::collections::BTreeSet<String> = signers
            .iter()
            .map(|signer| {
                parts(&made(
                    json!({"user": {"sign": signer, "header": {"kid": "k", "alg": "x"}}}),
                    None,
                ))
                .2
            })
            .collect();
        assert_eq!(signatures.len(), signers.len());
    }

    #[test]
    fn callers_without_a_token_of_their_own() {
        assert_eq!(
            made(json!({"x": {"none": true}}), Some("x")).authorization,
            None
        );
        let raw = made(json!({"x": {"raw": "Basic abc"}}), Some("x"));
        assert_eq!(raw.authorization.as_deref(), Some("Basic abc"));
        let table = made(json!({"x": {"static": true}}), Some("x"));
        assert_eq!(
            (table.user.as_str(), table.authorization.as_deref()),
            ("static-user", Some("Bearer oap-static-token-0001"))
        );
        assert!(caller(&case(json!({})), Some("bob"), "t", &Keys::default(), 0).is_err());
    }

    #[test]
    fn the_public_key_is_the_one_of_the_seed() {
        // As spec/harness.md tells targets.
        assert_eq!(
            ed25519_public_key(),
            "6kpsY-KcUgq-9VB7Ey7F-ZVHdq6-vnuSQh7qaRRG0iw"
        );
    }
}
