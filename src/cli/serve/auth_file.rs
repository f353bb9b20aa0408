//! The file that says whose tokens are valid.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Deserialize;

use crate::runtime::access::{Auth, Key, Material, TableEntry};
use crate::runtime::secret_source::{self, SecretSource};

/// The fewest bytes of a shared key: as many as its hash has.
const SHORTEST_KEY: usize = 32;

/// The fewest characters of a token in the table, which has to be guessed as a whole.
const SHORTEST_TOKEN: usize = 16;

/// What stands before the 32 bytes of a public Ed25519 key in its DER form.
const DER_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    audience: Option<String>,
    issuer: Option<String>,
    #[serde(default)]
    key: Vec<KeyEntry>,
    #[serde(default)]
    token: Vec<TokenEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    kid: String,
    alg: Algorithm,
    secret_env: Option<String>,
    secret_file: Option<PathBuf>,
    public_key: Option<String>,
    public_key_file: Option<PathBuf>,
}

#[derive(Deserialize)]
enum Algorithm {
    #[serde(rename = "HS256")]
    Hs256,
    #[serde(rename = "EdDSA")]
    EdDsa,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenEntry {
    token_env: Option<String>,
    token_file: Option<PathBuf>,
    subject: String,
    #[serde(default)]
    scopes: Vec<String>,
}

/// Reads the text of an auth file; other files that it names are found from its folder.
///
/// # Errors
/// What is wrong, for the operator; no key and no token is told.
pub(super) fn read(
    text: &str,
    folder: &Path,
    environment: &dyn SecretSource,
) -> Result<Auth, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    if file.key.is_empty() && file.token.is_empty() {
        return Err("there is no [[key]] and no [[token]], so no call could be valid".to_owned());
    }
    let from = From {
        folder,
        environment,
    };
    let mut kids = BTreeSet::new();
    let mut auth = Auth {
        audience: file.audience,
        issuer: file.issuer,
        ..Auth::default()
    };
    for entry in file.key {
        if !kids.insert(entry.kid.clone()) {
            return Err(format!("the key {:?} is there twice", entry.kid));
        }
        let material = material(&entry, &from).map_err(|e| format!("key {:?}: {e}", entry.kid))?;
        auth.keys.push(Key {
            kid: entry.kid,
            material,
        });
    }
    for entry in file.token {
        let entry = table_entry(&entry, &from)
            .map_err(|error| format!("token of {:?}: {error}", entry.subject))?;
        if auth.tokens.iter().any(|known| known.is(&entry.token)) {
            return Err(format!("the token of {:?} is there twice", entry.subject));
        }
        auth.tokens.push(entry);
    }
    Ok(auth)
}

/// Where secrets come from.
struct From<'f> {
    folder: &'f Path,
    environment: &'f dyn SecretSource,
}

impl From<'_> {
    fn one_of(&self, env: Option<&str>, file: Option<&Path>, what: &str) -> Result<String, String> {
        match (env, file) {
            (Some(name), None) => self
                .environment
                .read(name)
                .map_err(|error| error.to_string())?
                .ok_or_else(|| format!("there is no environment variable {name}; set it")),
            (None, Some(path)) => {
                secret_source::read_file(&self.folder.join(path)).map_err(|error| error.to_string())
            }
            _ => Err(format!("give either {what}_env or {what}_file")),
        }
    }
}

fn material(entry: &KeyEntry, from: &From<'_>) -> Result<Material, String> {
    let (env, file) = (entry.secret_env.as_deref(), entry.secret_file.as_deref());
    match entry.alg {
        Algorithm::Hs256 if entry.public_key.is_some() || entry.public_key_file.is_some() => {
            Err("an HS256 key is shared; give secret_env or secret_file".to_owned())
        }
        Algorithm::Hs256 => {
            let secret = from.one_of(env, file, "secret")?;
            if secret.len() < SHORTEST_KEY {
                return Err(format!("a shared key has {SHORTEST_KEY} bytes or more"));
            }
            Ok(Material::Hs256(secret.into_bytes()))
        }
        Algorithm::EdDsa if env.is_some() || file.is_some() => {
            Err("an EdDSA key is public; give public_key or public_key_file".to_owned())
        }
        Algorithm::EdDsa => {
            let text = match (&entry.public_key, &entry.public_key_file) {
                (Some(text), None) => text.clone(),
                (None, Some(path)) => secret_source::read_file(&from.folder.join(path))
                    .map_err(|error| error.to_string())?,
                _ => return Err("give either public_key or public_key_file".to_owned()),
            };
            public_key(&text).map(Material::Ed25519).ok_or_else(|| {
                "no Ed25519 public key; write its 32 bytes in base64url, or as PEM".to_owned()
            })
        }
    }
}

/// A public key as the base64url of its bytes, or as PEM.
fn public_key(text: &str) -> Option<[u8; 32]> {
    let text = text.trim();
    let bytes = if text.starts_with("-----BEGIN PUBLIC KEY-----") {
        let body: String = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.starts_with("-----"))
            .collect();
        let der = STANDARD.decode(body).ok()?;
        der.strip_prefix(&DER_PREFIX)?.to_vec()
    } else {
        URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?
    };
    bytes.try_into().ok()
}

fn table_entry(entry: &TokenEntry, from: &From<'_>) -> Result<TableEntry, String> {
    let (env, file) = (entry.token_env.as_deref(), entry.token_file.as_deref());
    let token = from.one_of(env, file, "token")?;
    let sendable = token.bytes().all(|byte| byte.is_ascii_graphic());
    if token.len() < SHORTEST_TOKEN || !sendable {
        return Err(format!(
            "a token has {SHORTEST_TOKEN} printable ASCII characters or more, and no blank"
        ));
    }
    if !(1..=256).contains(&entry.subject.chars().count()) {
        return Err("a subject has 1 to 256 characters".to_owned());
    }
    let scopes = entry.scopes.iter().map(|text| scope(text));
    Ok(TableEntry {
        token,
        subject: entry.subject.clone(),
        scopes: scopes.collect::<Result<_, _>>()?,
    })
}

/// A scope as the operator writes it.
///
/// # Errors
/// When it can be none.
pub(super) fn scope(text: &str) -> Result<String, String> {
    let barred = |next: char| next.is_whitespace() || next.is_control() || "\"'\\".contains(next);
    if (1..=128).contains(&text.chars().count()) && !text.contains(barred) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "{text:?} is no scope; write 1 to 128 characters without blank, quote or backslash, such as email:send"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::secret_source::Table;
    use std::collections::BTreeMap;

    const PUBLIC: &str = "6kpsY-KcUgq-9VB7Ey7F-ZVHdq6-vnuSQh7qaRRG0iw";

    fn read_text(text: &str) -> Result<Auth, String> {
        let table = [
            ("HS", "a-shared-key-of-32-bytes-or-more"),
            ("SHORT", "short"),
            ("TOKEN", "token-of-somebody-01"),
        ];
        let table = table.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let folder = tempfile::tempdir().expect("a folder");
        let pem = STANDARD.encode(
            [
                &DER_PREFIX[..],
                &URL_SAFE_NO_PAD.decode(PUBLIC).expect("a key"),
            ]
            .concat(),
        );
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{pem}\n-----END PUBLIC KEY-----\n");
        std::fs::write(folder.path().join("ed.pem"), pem).expect("written");
        read(text, folder.path(), &Table(BTreeMap::from(table)))
    }

    #[test]
    fn keys_and_tokens_are_read() {
        let text = format!(
            r#"
            audience = "here"
            [[key]]
            kid = "a"
            alg = "HS256"
            secret_env = "HS"
            [[key]]
            kid = "b"
            alg = "EdDSA"
            public_key = "{PUBLIC}"
            [[key]]
            kid = "c"
            alg = "EdDSA"
            public_key_file = "ed.pem"
            [[token]]
            token_env = "TOKEN"
            subject = "ops"
            scopes = ["manifest:write"]
            "#
        );
        let auth = read_text(&text).expect("read");
        let kids: Vec<_> = auth
            .keys
            .iter()
            .map(|k| (k.kid.as_str(), k.algorithm()))
            .collect();
        assert_eq!(kids, [("a", "HS256"), ("b", "EdDSA"), ("c", "EdDSA")]);
        let public = |key: &Key| match key.material {
            Material::Ed25519(bytes) => URL_SAFE_NO_PAD.encode(bytes),
            Material::Hs256(_) => String::new(),
        };
        assert!(auth.keys[1..].iter().all(|key| public(key) == PUBLIC));
        assert_eq!(
            (auth.audience.as_deref(), auth.issuer),
            (Some("here"), None)
        );
        assert_eq!(auth.tokens[0].subject, "ops");
        assert!(auth.tokens[0].is("token-of-somebody-01"));
    }

    #[test]
    fn defects_are_told_without_the_secret() {
        for (text, told) in [
            ("", "no [[key]]"),
            ("keys = []", "unknown field"),
            ("[[key]]\nkid = \"a\"\nalg = \"none\"", "unknown variant"),
            (
                "[[key]]\nkid = \"a\"\nalg = \"HS256\"",
                "secret_env or secret_file",
            ),
            (
                "[[key]]\nkid = \"a\"\nalg = \"HS256\"\nsecret_env = \"SHORT\"",
                "32 bytes",
            ),
            (
                "[[key]]\nkid = \"a\"\nalg = \"HS256\"\nsecret_env = \"ABSENT\"",
                "ABSENT",
            ),
            (
                "[[key]]\nkid = \"a\"\nalg = \"HS256\"\nsecret_file = \"none\"",
                "cannot read",
            ),
            (
                "[[key]]\nkid = \"a\"\nalg = \"HS256\"\npublic_key = \"x\"",
                "shared",
            ),
            (
                "[[key]]\nkid = \"a\"\nalg = \"EdDSA\"\nsecret_env = \"HS\"",
                "public",
            ),
            (
                "[[key]]\nkid = \"a\"\nalg = \"EdDSA\"\npublic_key = \"AAAA\"",
                "no Ed25519",
            ),
            ("[[token]]\nsubject = \"a\"\ntoken_env = \"SHORT\"", "16"),
            (
                "[[token]]\nsubject = \"\"\ntoken_env = \"TOKEN\"",
                "subject",
            ),
            (
                "[[token]]\nsubject = \"a\"\ntoken_env = \"TOKEN\"\nscopes = [\"a b\"]",
                "no scope",
            ),
            (
                "[[token]]\nsubject = \"a\"\ntoken_env = \"TOKEN\"\n[[token]]\nsubject = \"b\"\ntoken_env = \"TOKEN\"",
                "twice",
            ),
        ] {
            let error = read_text(text).expect_err(text);
            assert!(error.contains(told), "{text}: {error}");
            assert!(!error.contains("shared-key") && !error.contains("token-of-somebody"));
        }
    }
}
