//! Who calls: the identities of a case, as it says them.

use serde::Deserialize;
use serde_json::{Map, Value};

/// One caller. Without any member it is the holder of a good token for `U-<token>`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The subject; `${token}` in it is replaced. `U-${token}` unless given.
    #[serde(default)]
    pub user: Option<String>,
    /// Scopes of the token.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Of the identity `user`: whether it goes without the scope `manifest:write`.
    #[serde(default)]
    pub bare: bool,
    /// Claims that take the place of those of a good token: `exp`, `nbf` and `iat` in seconds from now, `null` for none.
    #[serde(default)]
    pub claims: Map<String, Value>,
    /// Members that take the place of those of a good token's header; `null` for none.
    #[serde(default)]
    pub header: Map<String, Value>,
    /// How the token is signed.
    #[serde(default)]
    pub sign: Signer,
    /// Whether the token is the one of the operator's table.
    #[serde(default, rename = "static")]
    pub table: bool,
    /// Whether there is no token at all.
    #[serde(default)]
    pub none: bool,
    /// The whole value of the `Authorization` header.
    #[serde(default)]
    pub raw: Option<String>,
}

/// How a token is signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signer {
    /// HMAC with SHA-256 and the shared key.
    #[default]
    Hs256,
    /// Ed25519 with the key of the harness.
    Ed25519,
    /// Not at all: `alg` is `none`.
    None,
    /// HMAC with a key that the target does not have.
    WrongKey,
    /// HMAC with the public Ed25519 key as the secret, under that key's `kid`.
    Hs256WithPublicKey,
}
