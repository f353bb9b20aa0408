//! The granted secrets of a runtime that runs: mounted files and a vault give new values without a restart
//! (`spec/secrets.md`).
//!
//! A value that comes in is known to the redactor before anything can be sent with it, and a value that went stays known:
//! what a service was sent before may still come back.

mod files;
pub mod vault;

#[cfg(test)]
pub(super) mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio_util::sync::CancellationToken;

use super::credentials::Credentials;
use super::parts::Parts;
use super::redact::{Redactor, SHORTEST_SECRET};
use super::runtime::Runtime;
use files::Followed;
use vault::Vault;

/// How many values that one secret had before are looked for still.
const MOST_FORMER: usize = 32;

/// How many bytes of them, the latest aside: a secret may be as long as a file of secrets.
const MOST_FORMER_BYTES: usize = 64 * 1024;

/// Where new values of secrets come from while a runtime runs; nowhere, unless it is said.
#[derive(Debug, Clone, Default)]
pub struct Rotation {
    /// The files that secrets were read from, by the secret's name. One that has changed is read anew when a request is made.
    pub files: BTreeMap<String, PathBuf>,
    /// The vault that secrets were read from, which is asked again from time to time.
    pub vault: Option<Vault>,
}

impl Rotation {
    /// What opens the vault: granted to no action.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.vault.iter().map(Vault::first_token)
    }
}

/// The secrets as they stand, and what is known of those that stood before.
pub(super) struct Secrets {
    parts: Arc<dyn Parts>,
    redactor: Redactor,
    current: RwLock<Arc<Credentials>>,
    follows_files: bool,
    known: Mutex<Known>,
}

struct Known {
    /// What is granted to no action and leaves nowhere all the same: the keys of the model and of the runtime itself.
    own: BTreeSet<String>,
    /// The tokens of the vault, which are the runtime's own too, and are replaced.
    tokens: Values,
    granted: BTreeMap<String, Values>,
    files: Vec<Followed>,
}

/// A value and those before it, the oldest first.
#[derive(Default, Clone)]
struct Values(VecDeque<String>);

impl Values {
    /// The newest is the one in force; of the others the oldest go, as far as they are too many.
    fn put(&mut self, value: String, most: usize, most_bytes: usize) {
        self.0.retain(|known| *known != value);
        self.0.push_back(value);
        // The newest two always stay.
        let over = |values: &VecDeque<String>| {
            let former = values.len().saturating_sub(2);
            let bytes: usize = values.iter().take(former).map(String::len).sum();
            former > 0 && (values.len() > most || bytes > most_bytes)
        };
        while over(&self.0) {
            self.0.pop_front();
        }
    }
}

impl Secrets {
    /// The secrets at the start; `own` is granted to none.
    pub fn new(
        parts: Arc<dyn Parts>,
        credentials: Credentials,
        own: impl IntoIterator<Item = String>,
        rotation: &Rotation,
    ) -> Self {
        let granted = credentials.secrets();
        let granted = granted
            .map(|(name, value)| (name.to_owned(), Values(VecDeque::from([value.to_owned()]))))
            .collect();
        let known = Known {
            own: own.into_iter().collect(),
            tokens: Values::default(),
            granted,
            files: Followed::all(&rotation.files),
        };
        let redactor = Redactor::new(&known.forms(&*parts));
        Self {
            parts,
            redactor,
            current: RwLock::new(Arc::new(credentials)),
            follows_files: !rotation.files.is_empty(),
            known: Mutex::new(known),
        }
    }

    /// Finds every value that a secret has or had; clones of it follow what comes.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// What requests are filled with, after a look at the files.
    pub fn credentials(&self) -> Arc<Credentials> {
        if self.follows_files {
            self.look().iter().for_each(|warning| warn(warning));
        }
        self.current()
    }

    fn current(&self) -> Arc<Credentials> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the files that have changed; what the operator should know, in words that hold no secret.
    fn look(&self) -> Vec<String> {
        let mut known = self.known();
        let mut warnings = Vec::new();
        let mut read = Vec::new();
        for file in &mut known.files {
            match file.look() {
                Ok(Some(value)) => read.push((file.name().to_owned(), value)),
                Ok(None) => {}
                Err(warning) => warnings.push(warning),
            }
        }
        warnings.extend(self.take(&mut known, read));
        warnings
    }

    /// Takes values that a source gave; what the operator should know, in words that hold no secret.
    pub fn renew(&self, values: Vec<(String, String)>) -> Vec<String> {
        self.take(&mut self.known(), values)
    }

    /// Takes a token of the vault, before it is sent: no answer shows it, and no action is granted it.
    pub fn keep_token(&self, token: &str) {
        let mut known = self.known();
        if known.is_own(token) {
            return;
        }
        known
            .tokens
            .put(token.to_owned(), MOST_FORMER, MOST_FORMER_BYTES);
        self.redactor.replace(&known.forms(&*self.parts));
    }

    fn take(&self, known: &mut Known, values: Vec<(String, String)>) -> Vec<String> {
        let mut warnings = Vec::new();
        let mut taken = Vec::new();
        let before = known.granted.clone();
        for (name, value) in values {
            let stands = known.granted.get(&name).and_then(|values| values.0.back());
            if stands == Some(&value) {
                continue;
            }
            if value.chars().count() < SHORTEST_SECRET || known.is_own(&value) {
                warnings.push(format!(
                    "the secret {name} has a new value that cannot be granted: it is shorter than {SHORTEST_SECRET} characters, or the runtime's own; the value before stays"
                ));
                continue;
            }
            let values = known.granted.entry(name.clone()).or_default();
            values.put(value.clone(), MOST_FORMER, MOST_FORMER_BYTES);
            taken.push((name, value));
        }
        if taken.is_empty() {
            return warnings;
        }
        // First what finds a value, then what sends it.
        if self.redactor.replace(&known.forms(&*self.parts)) {
            let next = self.current().with_secrets(taken);
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        } else {
            known.granted = before;
            warnings.push(
                "the new values of secrets are too long to be looked for; those before stay"
                    .to_owned(),
            );
        }
        warnings
    }
}

impl Known {
    fn is_own(&self, value: &str) -> bool {
        self.own.contains(value) || self.tokens.0.iter().any(|token| token == value)
    }

    fn forms(&self, parts: &dyn Parts) -> Vec<String> {
        self.granted
            .values()
            .chain(std::iter::once(&self.tokens))
            .flat_map(|values| &values.0)
            .chain(&self.own)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .flat_map(|secret| parts.secret_forms(secret))
            .collect()
    }
}

/// Asks the vault again at its interval until the runtime stops. What it does not give stays as it was.
pub(super) async fn keep_renewing(
    runtime: Arc<Runtime>,
    mut vault: Vault,
    stop: CancellationToken,
) {
    let mut told = Vec::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(vault.every()) => {}
        }
        let renewed = tokio::select! {
            () = stop.cancelled() => return,
            renewed = vault.renew(runtime.secrets()) => renewed,
        };
        // Told once, and again when it is another trouble.
        if renewed != told {
            renewed.iter().for_each(|warning| warn(warning));
            if renewed.is_empty() {
                warn("the vault gives the secrets again");
            }
            told = renewed;
        }
    }
}

/// For the operator alone: names of secrets are in it.
fn warn(warning: &str) {
    eprintln!("oap-conform: {warning}");
}
