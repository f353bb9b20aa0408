//! Manifests that the ledger has: those that are registered, and those that its sessions need.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::Value;

use super::damaged;
use crate::manifest::Manifest;
use crate::runtime::answer::Answer;
use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::registry::Registered;
use crate::runtime::runtime::Runtime;
use crate::runtime::session::entry::CallKey;
use crate::store::ledger::Filed;
use crate::store::{self, Ledger, LedgerError};

impl Runtime {
    /// The manifest of this digest: registered, in use by another session, or kept for its sessions.
    pub(in crate::runtime) async fn manifest_of(
        &self,
        ledger: &dyn Ledger,
        digest: &str,
    ) -> Result<Arc<Manifest>, LedgerError> {
        let registered = self
            .registry()
            .all()
            .find(|manifest| manifest.digest == digest)
            .cloned();
        let known = registered.or_else(|| self.loaded().get(digest)?.upgrade());
        if let Some(manifest) = known {
            return Ok(manifest);
        }
        let document = ledger.document(digest).await?;
        let document = document.ok_or_else(|| damaged("a session's manifest is gone"))?;
        let manifest = Arc::new(self.read_kept(&document)?);
        let mut loaded = self.loaded();
        loaded.retain(|_, manifest| manifest.strong_count() > 0);
        loaded.insert(digest.to_owned(), Arc::downgrade(&manifest));
        Ok(manifest)
    }

    fn read_kept(&self, document: &str) -> Result<Manifest, LedgerError> {
        let document: Value = serde_json::from_str(document).map_err(damaged)?;
        self.parts()
            .read_manifest(&document)
            .map_err(|_| damaged("a kept manifest is not valid by the rules of this version"))
    }

    /// Brings the registry up to what other replicas registered and deleted.
    pub(in crate::runtime) async fn follow_manifests(&self) -> Result<(), ErrorObject> {
        match self.ledger().filter(|ledger| ledger.shared()) {
            Some(_) => self.read_manifests(false).await,
            None => Ok(()),
        }
    }

    /// Reads the manifests of the ledger, unless nothing has changed since they were read last.
    pub(in crate::runtime) async fn read_manifests(&self, first: bool) -> Result<(), ErrorObject> {
        let Some(ledger) = self.ledger() else {
            return Ok(());
        };
        let read = async {
            let revision = ledger.manifests_revision().await?;
            if !first && self.manifests_seen().load(Ordering::Acquire) == revision {
                return Ok(());
            }
            let kept = ledger.manifests().await?;
            let known: Vec<String> = {
                let registry = self.registry();
                registry.all().map(|known| known.digest.clone()).collect()
            };
            let mut arrived = Vec::new();
            for manifest in &kept {
                if !known.contains(&manifest.digest) {
                    arrived.push(Arc::new(self.read_kept(&manifest.document)?));
                }
            }
            self.registry().follow(&kept, arrived);
            self.manifests_seen().store(revision, Ordering::Release);
            Ok(())
        };
        read.await.map_err(|error| self.ledger_failed(&error))
    }

    /// Keeps a manifest that was just registered, with the answer; takes it out again where the ledger does not take it.
    ///
    /// # Errors
    /// `manifest_conflict` where another replica registered another document, and those of the ledger.
    pub(in crate::runtime) async fn keep_manifest(
        &self,
        registered: Registered,
        manifest: &Manifest,
        key: Option<&CallKey>,
        answer: &Answer,
    ) -> Result<(), ErrorObject> {
        let Some(ledger) = self.ledger() else {
            return Ok(());
        };
        let filed = ledger.file_manifest(
            store::ledger::Registered {
                name: manifest.name.clone(),
                version: manifest.version.to_string(),
                digest: manifest.digest.clone(),
                document: manifest.document.to_string(),
            },
            self.answer_to_keep("POST /manifests", key, answer),
        );
        let error = match filed.await {
            Ok(Filed::New | Filed::Known) => {
                self.registry().keep(manifest);
                return Ok(());
            }
            Ok(Filed::Other) => ErrorObject::new(
                Code::ManifestConflict,
                "another document has this name and version; give this one a new version",
            ),
            Err(error) => self.ledger_failed(&error),
        };
        if registered == Registered::Created {
            self.registry().remove(&manifest.name, &manifest.version);
        }
        Err(error)
    }

    /// Takes a manifest out of the ledger.
    pub(in crate::runtime) async fn drop_manifest(
        &self,
        name: &str,
        version: &semver::Version,
    ) -> Result<(), ErrorObject> {
        let Some(ledger) = self.ledger() else {
            return Ok(());
        };
        let removed = ledger.remove_manifest(name, &version.to_string()).await;
        removed
            .map(drop)
            .map_err(|error| self.ledger_failed(&error))
    }
}
