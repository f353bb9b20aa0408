//! What the operator knows of tokens: keys with their algorithms, and a table (`spec/access.md`, section 1).

use std::collections::BTreeSet;
use std::fmt;

use sha2::{Digest, Sha256};

/// How tokens are checked; `Debug` shows no key and no token.
#[derive(Clone, Default)]
pub struct Auth {
    /// The keys that sign tokens.
    pub keys: Vec<Key>,
    /// The tokens of the table.
    pub tokens: Vec<TableEntry>,
    /// The audience that tokens must name, if any.
    pub audience: Option<String>,
    /// The issuer that tokens must name, if any.
    pub issuer: Option<String>,
}

/// A key that signs tokens, with the one algorithm that it is for.
#[derive(Clone)]
pub struct Key {
    /// The id by which a token's header names it.
    pub kid: String,
    /// The key itself.
    pub material: Material,
}

/// A key by its algorithm.
#[derive(Clone)]
pub enum Material {
    /// HMAC with SHA-256: the shared secret.
    Hs256(Vec<u8>),
    /// Ed25519: the public key.
    Ed25519([u8; 32]),
}

/// A token that is known as a whole.
#[derive(Clone)]
pub struct TableEntry {
    /// The token.
    pub token: String,
    /// Who holds it.
    pub subject: String,
    /// What the holder may do.
    pub scopes: BTreeSet<String>,
}

impl Auth {
    /// The texts that must never leave: shared keys, and tokens of the table.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let keys = self.keys.iter().filter_map(|key| match &key.material {
            Material::Hs256(secret) => std::str::from_utf8(secret).ok(),
            Material::Ed25519(_) => None,
        });
        keys.chain(self.tokens.iter().map(|entry| entry.token.as_str()))
    }
}

impl Key {
    /// The algorithm's name in a token's header.
    pub fn algorithm(&self) -> &'static str {
        match self.material {
            Material::Hs256(_) => "HS256",
            Material::Ed25519(_) => "EdDSA",
        }
    }
}

impl TableEntry {
    /// Whether this is the token; how long that takes tells nothing of how much of it is right.
    pub fn is(&self, token: &str) -> bool {
        let digest = |text: &str| Sha256::digest(text.as_bytes());
        let (known, given) = (digest(&self.token), digest(token));
        let differ = known.iter().zip(given.iter());
        differ.fold(0, |all, (a, b)| all | (a ^ b)) == 0
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kids: Vec<&str> = self.keys.iter().map(|key| key.kid.as_str()).collect();
        let holders: Vec<&str> = self.tokens.iter().map(|e| e.subject.as_str()).collect();
        f.debug_struct("Auth")
            .field("keys", &kids)
            .field("tokens", &holders)
            .field("audience", &self.audience)
            .field("issuer", &self.issuer)
            .finish()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for TableEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableEntry")
            .field("subject", &self.subject)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}
