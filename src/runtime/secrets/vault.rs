//! A server that keeps secrets, asked as HashiCorp Vault and OpenBao are: key-value engine, version 2.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url};
use serde_json::Value;

use super::Secrets;
use crate::runtime::invoke;
use crate::runtime::secret_source::{LONGEST_SECRET, SourceError, read_file, without_line_break};

/// How often the vault is asked where the operator does not say.
pub const REFRESH: Duration = Duration::from_secs(300);

/// How long one answer of the vault may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The largest answer that is read, in bytes: such servers take entries of about a mebibyte at most.
const LARGEST_ANSWER: usize = 2 * 1024 * 1024;

/// The longest path or field, in bytes.
const LONGEST_PATH: usize = 512;

/// Where in the vault a secret is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    mount: String,
    entry: String,
    field: String,
}

impl Reference {
    /// Reads `path#field`. The path is as `vault kv get` has it, with the mount first (`secret/crm`), or as the API has it, which
    /// is needed for a mount of several parts (`team/kv/data/crm`).
    ///
    /// # Errors
    /// When there is no field, or the path has no entry or could lead elsewhere.
    pub fn parse(text: &str) -> Result<Self, String> {
        let refused = || "write the place in the vault as MOUNT/PATH#FIELD".to_owned();
        let (path, field) = text.rsplit_once('#').ok_or_else(refused)?;
        let path = path.trim_matches('/');
        let plain = |part: &str| {
            !matches!(part, "" | "." | "..") && !part.chars().any(|c| c.is_control() || c == '%')
        };
        if field.is_empty() || text.len() > LONGEST_PATH || !path.split('/').all(plain) {
            return Err(refused());
        }
        let (mount, entry) = match path.split_once("/data/") {
            Some(split) => split,
            None => path.split_once('/').ok_or_else(refused)?,
        };
        Ok(Self {
            mount: mount.to_owned(),
            entry: entry.to_owned(),
            field: field.to_owned(),
        })
    }

    /// The path that is asked and that a policy of the vault names.
    fn path(&self) -> String {
        format!("{}/data/{}", self.mount, self.entry)
    }
}

/// Where the token comes from.
#[derive(Clone)]
pub enum Token {
    /// The token itself.
    Given(String),
    /// A file that holds it, read anew before each round: agents put a new token there before the old one ends.
    File(PathBuf),
}

impl Token {
    fn read(&self) -> Result<String, SourceError> {
        match self {
            Token::Given(token) => Ok(token.clone()),
            Token::File(path) => read_file(path),
        }
    }
}

/// Which vault, and what is in it for this runtime.
#[derive(Clone)]
pub struct Settings {
    /// Its base URL, such as `https://vault.example.com:8200`.
    pub address: String,
    /// The namespace, for those servers that have some.
    pub namespace: Option<String>,
    /// What opens it.
    pub token: Token,
    /// How often it is asked again.
    pub every: Duration,
    /// The secrets by name.
    pub secrets: BTreeMap<String, Reference>,
}

/// Why a vault does not give a secret; says nothing of values and tokens, nor what the vault answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VaultError {
    /// It cannot be asked as it is set up.
    Settings(String),
    /// It does not answer, or not now.
    Unreachable(String),
    /// The token may not read there, or is not valid any more.
    Denied(String),
    /// Nothing is there, or its latest version was deleted.
    Absent(String),
    /// What is there is not what was expected.
    Odd(String),
}

impl fmt::Display for VaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VaultError::Settings(why) | VaultError::Odd(why) => write!(f, "vault: {why}"),
            VaultError::Unreachable(why) => write!(f, "the vault cannot be reached: {why}"),
            VaultError::Denied(path) => write!(
                f,
                "vault: the token may not read {path}; check that it is valid, and that its policy lets it read this path"
            ),
            VaultError::Absent(path) => write!(
                f,
                "vault: there is nothing at {path}; check the mount, the path and that its latest version is not deleted"
            ),
        }
    }
}

impl std::error::Error for VaultError {}

impl VaultError {
    /// Whether another time may do.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, VaultError::Unreachable(_))
    }
}

/// A vault that can be asked.
#[derive(Clone)]
pub struct Vault {
    client: Client,
    address: Url,
    namespace: Option<HeaderValue>,
    token: Token,
    first_token: String,
    every: Duration,
    /// The fields to read, with the names of their secrets, by path.
    wanted: BTreeMap<String, Vec<(String, Reference)>>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("every", &self.every)
            .finish_non_exhaustive()
    }
}

impl Vault {
    /// Makes ready to ask; the vault is not asked yet.
    ///
    /// # Errors
    /// When the address is no base URL, there is no token, or one that cannot be sent.
    pub fn new(settings: Settings) -> Result<Self, VaultError> {
        let wrong = |why: &str| VaultError::Settings(why.to_owned());
        let address = Url::parse(&settings.address)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| wrong("the address is not a URL; write it as https://host:8200"))?;
        let bare = address.username().is_empty()
            && address.password().is_none()
            && address.query().is_none()
            && address.fragment().is_none();
        if !bare {
            return Err(wrong(
                "the address holds more than host, port and path; the token goes elsewhere",
            ));
        }
        let namespace = settings.namespace.map(|name| HeaderValue::from_str(&name));
        let namespace = namespace
            .transpose()
            .map_err(|_| wrong("the namespace cannot be sent in a header"))?;
        let first_token = settings
            .token
            .read()
            .map_err(|error| VaultError::Settings(format!("the token: {error}")))?;
        headers(&first_token, None)?;
        let client = invoke::client(None).map_err(|error| wrong(&error.to_string()))?;
        let mut wanted = BTreeMap::<_, Vec<_>>::new();
        for (name, reference) in settings.secrets {
            let same = wanted.entry(reference.path()).or_default();
            same.push((name, reference));
        }
        Ok(Self {
            client,
            address,
            namespace,
            token: settings.token,
            first_token,
            every: settings.every,
            wanted,
        })
    }

    /// The token that the vault is opened with at the start.
    pub fn first_token(&self) -> &str {
        &self.first_token
    }

    /// How often it is asked.
    pub(super) fn every(&self) -> Duration {
        self.every
    }

    /// All secrets, at the start: by name.
    ///
    /// # Errors
    /// The first secret that cannot be had.
    pub async fn read(&self) -> Result<BTreeMap<String, String>, VaultError> {
        let mut found = BTreeMap::new();
        for path in self.wanted.keys() {
            found.extend(self.read_path(path, &self.first_token).await?);
        }
        Ok(found)
    }

    /// Asks for all secrets anew, and gives what came to the runtime; what the operator should know.
    pub(super) async fn renew(&mut self, secrets: &Secrets) -> Vec<String> {
        let stays = |what: &dyn fmt::Display| format!("{what}; the secrets keep their values");
        let token = match self.token.read() {
            Ok(token) => token,
            Err(error) => return vec![stays(&format_args!("the token of the vault: {error}"))],
        };
        // Known before it is sent, so that it comes back nowhere.
        secrets.keep_token(&token);
        let mut warnings = Vec::new();
        for path in self.wanted.keys() {
            match self.read_path(path, &token).await {
                Ok(values) => warnings.extend(secrets.renew(values)),
                Err(error) => {
                    warnings.push(stays(&error));
                    // It would not answer for the other paths either.
                    if error.is_unreachable() {
                        break;
                    }
                }
            }
        }
        warnings
    }

    /// The secrets at one path, with their names.
    async fn read_path(
        &self,
        path: &str,
        token: &str,
    ) -> Result<Vec<(String, String)>, VaultError> {
        let asked = tokio::time::timeout(PATIENCE, self.ask(path, token)).await;
        let answer = asked.unwrap_or_else(|_| {
            let why = format!("it did not answer within {} s", PATIENCE.as_secs());
            Err(VaultError::Unreachable(why))
        })?;
        let odd = |why: String| VaultError::Odd(format!("{path} {why}"));
        let entry = answer.pointer("/data/data").and_then(Value::as_object);
        let entry = entry.ok_or_else(|| {
            odd("is not an entry of a key-value engine of version 2; check the mount".to_owned())
        })?;
        let mut values = Vec::new();
        for (name, reference) in self.wanted.get(path).into_iter().flatten() {
            let field = &reference.field;
            let value = match entry.get(field) {
                Some(Value::String(value)) => value,
                Some(_) => return Err(odd(format!("has a field {field} that is not a text"))),
                None => return Err(odd(format!("has no field {field}"))),
            };
            if value.len() as u64 > LONGEST_SECRET {
                let why = format!("has a field {field} of more than {LONGEST_SECRET} bytes");
                return Err(odd(why));
            }
            values.push((name.clone(), without_line_break(value.clone())));
        }
        Ok(values)
    }

    async fn ask(&self, path: &str, token: &str) -> Result<Value, VaultError> {
        let mut url = self.address.clone();
        url.path_segments_mut()
            .map_err(|()| VaultError::Settings("the address is not a base URL".to_owned()))?
            .pop_if_empty()
            .push("v1")
            .extend(path.split('/'));
        let sent = self
            .client
            .get(url)
            .headers(headers(token, self.namespace.clone())?)
            .send()
            .await;
        let cut = |error: reqwest::Error| {
            let why = match () {
                () if error.is_connect() => "no connection to its address",
                () => "the connection ended early",
            };
            VaultError::Unreachable(why.to_owned())
        };
        let mut answer = sent.map_err(cut)?;
        match answer.status().as_u16() {
            200 => {}
            401 | 403 => return Err(VaultError::Denied(path.to_owned())),
            404 => return Err(VaultError::Absent(path.to_owned())),
            status @ (429 | 472 | 473 | 500..=599) => {
                return Err(VaultError::Unreachable(format!(
                    "it answers {status}, which is for sealed or overloaded servers"
                )));
            }
            // The token would go along to wherever it leads.
            status @ 300..=399 => {
                return Err(VaultError::Odd(format!(
                    "it answers {status}, and redirects are not followed; give the address that it leads to"
                )));
            }
            status => {
                return Err(VaultError::Odd(format!(
                    "it answers {status} for {path}; check the address and the path"
                )));
            }
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(cut)? {
            if body.len() + chunk.len() > LARGEST_ANSWER {
                return Err(VaultError::Odd(format!(
                    "the answer for {path} is larger than {LARGEST_ANSWER} bytes"
                )));
            }
            body.extend_from_slice(&chunk);
        }
        // What the parser says may quote the text.
        serde_json::from_slice(&body)
            .map_err(|_| VaultError::Odd(format!("the answer for {path} is not JSON")))
    }
}

fn headers(token: &str, namespace: Option<HeaderValue>) -> Result<HeaderMap, VaultError> {
    let sent = HeaderValue::from_str(token).ok();
    let mut sent = sent.filter(|_| !token.is_empty()).ok_or_else(|| {
        VaultError::Settings("the token is empty, or cannot be sent in a header".to_owned())
    })?;
    sent.set_sensitive(true);
    let mut headers = HeaderMap::from_iter([
        (HeaderName::from_static("x-vault-token"), sent),
        (
            HeaderName::from_static("x-vault-request"),
            HeaderValue::from_static("true"),
        ),
    ]);
    if let Some(namespace) = namespace {
        headers.insert("x-vault-namespace", namespace);
    }
    Ok(headers)
}
