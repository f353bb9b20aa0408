//! The registered manifests, versions side by side (`spec/registration.md`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use serde_json::{Value, json};

use super::error::{Code, ErrorObject};
use super::extensions;
use super::files::{self, Root};
use super::held::held_bytes;
use super::parts::Parts;
use super::session::manifest_reference;
use crate::diagnostic::Violation;
use crate::manifest::{self, Manifest};
use crate::requirement::{Extension, Profile};
use crate::store::ledger;

type Key = (String, semver::Version);

/// All manifests that a request may name.
#[derive(Debug, Default)]
pub struct Registry {
    manifests: BTreeMap<Key, Arc<Manifest>>,
    start: Option<Key>,
    most: usize,
    most_bytes: usize,
    allowed_roots: Vec<Root>,
    extensions: BTreeSet<Extension>,
    /// Those that a ledger keeps too.
    kept: BTreeSet<Key>,
    /// What each manifest's document holds, of deleted ones too: a session keeps its manifest.
    held: Vec<(Weak<Manifest>, usize)>,
}

/// What a registration did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    /// The manifest is new.
    Created,
    /// The same manifest was there.
    Known,
}

impl Registry {
    /// An empty registry that takes at most `most` manifests, whose documents hold at most `most_bytes` of memory.
    pub fn new(most: usize, most_bytes: usize) -> Self {
        Self {
            most,
            most_bytes,
            ..Self::default()
        }
    }

    /// The same, taking roots of files below these prefixes only.
    #[must_use]
    pub fn allow_roots(mut self, allowed: Vec<Root>) -> Self {
        self.allowed_roots = allowed;
        self
    }

    /// The same, taking members of these extensions.
    #[must_use]
    pub fn offer(mut self, extensions: BTreeSet<Extension>) -> Self {
        self.extensions = extensions;
        self
    }

    /// Makes a manifest the one that requests without a reference get.
    pub fn set_start(&mut self, manifest: &Manifest) {
        self.start = Some(key(manifest));
    }

    /// Registers a manifest.
    ///
    /// # Errors
    /// `profile_not_supported` when it has a member of an extension that is not offered, `manifest_invalid` when it names a root that may not be used, `manifest_conflict` when another document has the name and version, `capacity_exceeded` when the registry is full.
    pub fn register(
        &mut self,
        parts: &(impl Parts + ?Sized),
        manifest: Arc<Manifest>,
    ) -> Result<Registered, ErrorObject> {
        let unoffered = parts.unoffered_members(&manifest, &self.extensions);
        if !unoffered.is_empty() {
            return Err(extensions::not_offered(&unoffered));
        }
        let refused = files::refused_roots(parts, &manifest, &self.allowed_roots);
        if !refused.is_empty() {
            return Err(parts.manifest_refusal(&refused));
        }
        let key = key(&manifest);
        if let Some(known) = self.manifests.get(&key) {
            parts.check_conflict(known, &manifest)?;
            if known.digest == manifest.digest {
                return Ok(Registered::Known);
            }
        } else if self.manifests.len() >= self.most {
            return Err(ErrorObject::new(
                Code::CapacityExceeded,
                "no further manifest can be registered; delete some",
            ));
        }
        let more = held_bytes(&manifest.document);
        self.held.retain(|(held, _)| held.strong_count() > 0);
        let held: usize = self.held.iter().map(|(_, bytes)| bytes).sum();
        if held.saturating_add(more) > self.most_bytes {
            return Err(ErrorObject::new(
                Code::CapacityExceeded,
                "the manifests hold as much as this runtime allows; delete some and close their sessions",
            ));
        }
        self.held.push((Arc::downgrade(&manifest), more));
        self.manifests.insert(key, manifest);
        Ok(Registered::Created)
    }

    /// The manifest of an exact name and version.
    pub fn get(&self, name: &str, version: &semver::Version) -> Option<&Arc<Manifest>> {
        self.manifests.get(&(name.to_owned(), version.clone()))
    }

    /// The names of all manifests that are registered, or still used by a session.
    pub fn living(&self) -> BTreeSet<String> {
        let held = self.held.iter().filter_map(|(held, _)| held.upgrade());
        held.map(|manifest| manifest.name.clone()).collect()
    }

    /// Takes a manifest out.
    pub fn remove(&mut self, name: &str, version: &semver::Version) -> Option<Arc<Manifest>> {
        self.manifests.remove(&(name.to_owned(), version.clone()))
    }

    /// Notes that a ledger keeps a manifest.
    pub fn keep(&mut self, manifest: &Manifest) {
        self.kept.insert(key(manifest));
    }

    /// Brings what a ledger keeps up to this list: what it dropped goes, and what arrived comes, bounded elsewhere already.
    pub fn follow(&mut self, listed: &[ledger::Registered], arrived: Vec<Arc<Manifest>>) {
        let there: BTreeSet<(&str, String)> = listed
            .iter()
            .map(|kept| (kept.name.as_str(), kept.version.clone()))
            .collect();
        let dropped = |key: &Key| !there.contains(&(key.0.as_str(), key.1.to_string()));
        for key in self.kept.extract_if(.., |key| dropped(key)) {
            self.manifests.remove(&key);
        }
        for manifest in arrived {
            let key = key(&manifest);
            self.held
                .push((Arc::downgrade(&manifest), held_bytes(&manifest.document)));
            self.kept.insert(key.clone());
            self.manifests.entry(key).or_insert(manifest);
        }
    }

    /// All manifests, by name and version.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Manifest>> {
        self.manifests.values()
    }

    /// The manifest that requests without a reference get, while it is registered.
    pub fn start(&self) -> Option<&Arc<Manifest>> {
        self.start.as_ref().and_then(|key| self.manifests.get(key))
    }

    /// All versions of a name.
    pub fn versions(&self, name: &str) -> Vec<&Arc<Manifest>> {
        self.manifests
            .values()
            .filter(|manifest| manifest.name == name)
            .collect()
    }
}

fn key(manifest: &Manifest) -> Key {
    (manifest.name.clone(), manifest.version.clone())
}

/// A parsed reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// `name@version`.
    Exact(String, semver::Version),
    /// A bare name.
    Name(String),
}

/// Reads `name@version` or a bare name; a two-part version has patch 0.
pub fn parse_reference(text: &str) -> Option<Reference> {
    let Some((name, version)) = text.rsplit_once('@') else {
        return (!text.is_empty()).then(|| Reference::Name(text.to_owned()));
    };
    let version = semver::Version::parse(version)
        .or_else(|_| semver::Version::parse(&format!("{version}.0")))
        .ok()?;
    (!name.is_empty()).then(|| Reference::Exact(name.to_owned(), version))
}

/// The manifest that a request means.
///
/// # Errors
/// `manifest_required`, `manifest_not_found`, or `invalid_request` for a reference of another form.
pub fn resolve(
    parts: &dyn Parts,
    registry: &Registry,
    reference: Option<&str>,
) -> Result<Arc<Manifest>, ErrorObject> {
    let missing = || {
        ErrorObject::new(
            Code::ManifestNotFound,
            "no manifest of this name and version is registered",
        )
    };
    let found = match reference {
        None => return resolve_unnamed(parts, registry),
        Some(text) => match parts.parse_reference(text) {
            Some(Reference::Exact(name, version)) => registry.get(&name, &version).cloned(),
            Some(Reference::Name(name)) => parts.pick_version(&registry.versions(&name)),
            None => {
                let message = "`manifest` is name@version, or a name";
                return Err(ErrorObject::new(Code::InvalidRequest, message)
                    .with_violations(&[Violation::new("/manifest", "pattern", message)]));
            }
        },
    };
    found.ok_or_else(missing)
}

fn resolve_unnamed(parts: &dyn Parts, registry: &Registry) -> Result<Arc<Manifest>, ErrorObject> {
    if let Some(start) = registry.start() {
        return Ok(Arc::clone(start));
    }
    let mut names: Vec<&str> = registry
        .all()
        .map(|manifest| manifest.name.as_str())
        .collect();
    names.dedup();
    match names.as_slice() {
        [name] => parts.pick_version(&registry.versions(name)),
        _ => None,
    }
    .ok_or_else(|| {
        ErrorObject::new(
            Code::ManifestRequired,
            "name a manifest: the runtime has no single one to choose",
        )
    })
}

/// The highest version; a pre-release only where there is no release.
pub fn pick_version(versions: &[&Arc<Manifest>]) -> Option<Arc<Manifest>> {
    let release = |manifest: &&&Arc<Manifest>| manifest.version.pre.is_empty();
    let highest = |candidates: Vec<&&Arc<Manifest>>| {
        candidates
            .into_iter()
            .max_by(|a, b| a.version.cmp(&b.version))
            .map(|manifest| Arc::clone(manifest))
    };
    highest(versions.iter().filter(release).collect())
        .or_else(|| highest(versions.iter().collect()))
}

/// The registry that all calls share; held for moments only.
pub fn lock(registry: &Mutex<Registry>) -> MutexGuard<'_, Registry> {
    registry.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Loads a document of a stranger and puts it into the registry that all calls share.
///
/// # Errors
/// As [`load`] and [`Registry::register`].
pub fn register(
    parts: &(impl Parts + ?Sized),
    registry: &Mutex<Registry>,
    document: &Value,
    profiles: &[Profile],
) -> Result<(Registered, Arc<Manifest>), ErrorObject> {
    let manifest = Arc::new(load(parts, document, profiles)?);
    let registered = lock(registry).register(parts, Arc::clone(&manifest))?;
    Ok((registered, manifest))
}

/// Loads a document of a stranger.
///
/// # Errors
/// `manifest_invalid`, `unsupported_protocol_version`, `unsupported_runtime` or `profile_not_supported`, each with its violations.
pub fn load(
    parts: &(impl Parts + ?Sized),
    document: &Value,
    profiles: &[Profile],
) -> Result<Manifest, ErrorObject> {
    let manifest = parts
        .read_manifest(document)
        .map_err(|violations| parts.manifest_refusal(&violations))?;
    let missing = parts.sandbox().unsupported_runtimes(&manifest, profiles);
    if !missing.is_empty() {
        return Err(ErrorObject::new(
            Code::UnsupportedRuntime,
            "the manifest needs code runtimes that are not offered; GET /capabilities lists those that are",
        )
        .with_violations(&missing));
    }
    let unsupported = parts.unsupported_members(&manifest, profiles);
    if unsupported.is_empty() {
        return Ok(manifest);
    }
    Err(ErrorObject::new(
        Code::ProfileNotSupported,
        "the manifest needs profiles that this runtime does not declare",
    )
    .with_violations(&unsupported))
}

/// The refusal of a document that breaks rules.
pub fn refusal(violations: &[Violation]) -> ErrorObject {
    let version_only = violations
        .iter()
        .all(|violation| violation.rule == manifest::UNSUPPORTED_PROTOCOL_VERSION);
    let error = if version_only {
        ErrorObject::new(
            Code::UnsupportedProtocolVersion,
            "this runtime speaks version 2.0 of the protocol",
        )
    } else {
        ErrorObject::new(
            Code::ManifestInvalid,
            format!("the manifest has {} violations", violations.len()),
        )
    };
    error.with_violations(violations)
}

/// The members that belong to profiles the runtime does not declare.
pub fn unsupported_members(manifest: &Manifest, profiles: &[Profile]) -> Vec<Violation> {
    manifest
        .needs()
        .iter()
        .filter(|need| !profiles.contains(&need.profile))
        .map(|need| {
            let message = format!(
                "`{}` needs the profile {}",
                need.member,
                need.profile.name()
            );
            Violation::new(
                need.pointer.clone(),
                Code::ProfileNotSupported.name(),
                message,
            )
        })
        .collect()
}

/// Refuses another document under a taken name and version.
///
/// # Errors
/// `manifest_conflict`.
pub fn check_conflict(known: &Manifest, other: &Manifest) -> Result<(), ErrorObject> {
    if known.digest == other.digest {
        return Ok(());
    }
    Err(ErrorObject::new(
        Code::ManifestConflict,
        "another manifest has this name and version; raise the version",
    )
    .with("digest", known.digest.clone()))
}

/// The answer to a registration.
pub fn registered_answer(manifest: &Manifest) -> Value {
    let mut answer = manifest_reference(manifest);
    answer["protocol_version"] = json!("2.0");
    if !manifest.warnings().is_empty() {
        answer["warnings"] = manifest
            .warnings()
            .iter()
            .map(super::error::violation_value)
            .collect();
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::super::fixture::manifest;
    use super::super::parts;
    use super::*;

    const PARTS: parts::Reference = parts::Reference;

    fn versioned(name: &str, version: &str) -> Arc<Manifest> {
        Arc::new(manifest(&json!({"name": name, "version": version})))
    }

    fn registry(all: &[(&str, &str)]) -> Registry {
        let mut registry = Registry::new(100, 1 << 20);
        for (name, version) in all {
            registry
                .register(&PARTS, versioned(name, version))
                .expect("registers");
        }
        registry
    }

    fn resolved(registry: &Registry, reference: Option<&str>) -> Result<String, Code> {
        resolve(&PARTS, registry, reference)
            .map(|m| format!("{}@{}", m.name, m.version))
            .map_err(|error| error.code)
    }

    #[test]
    fn references_select_exactly_or_the_highest_release() {
        let registry = registry(&[
            ("a", "1.9.0"),
            ("a", "1.10.0"),
            ("a", "2.0.0-beta.1"),
            ("b", "1.0.0-rc.2"),
            ("b", "1.0.0-rc.10"),
        ]);
        assert_eq!(
            resolved(&registry, Some("a@1.9.0")),
            Ok("a@1.9.0".to_owned())
        );
        assert_eq!(resolved(&registry, Some("a@1.9")), Ok("a@1.9.0".to_owned()));
        assert_eq!(resolved(&registry, Some("a")), Ok("a@1.10.0".to_owned()));
        assert_eq!(
            resolved(&registry, Some("b")),
            Ok("b@1.0.0-rc.10".to_owned())
        );
        assert_eq!(resolved(&registry, Some("c")), Err(Code::ManifestNotFound));
        assert_eq!(
            resolved(&registry, Some("a@3.0.0")),
            Err(Code::ManifestNotFound)
        );
        for bad in ["", "a@", "@1.0.0", "a@latest"] {
            assert_eq!(
                resolved(&registry, Some(bad)),
                Err(Code::InvalidRequest),
                "{bad}"
            );
        }
        assert_eq!(resolved(&registry, None), Err(Code::ManifestRequired));
    }

    #[test]
    fn without_reference_the_start_manifest_or_the_only_name() {
        let mut registry = registry(&[("a", "1.0.0"), ("a", "1.1.0")]);
        assert_eq!(resolved(&registry, None), Ok("a@1.1.0".to_owned()));
        registry.set_start(&versioned("a", "1.0.0"));
        registry
            .register(&PARTS, versioned("b", "1.0.0"))
            .expect("registers");
        assert_eq!(resolved(&registry, None), Ok("a@1.0.0".to_owned()));
        registry.remove("a", &semver::Version::new(1, 0, 0));
        assert_eq!(resolved(&registry, None), Err(Code::ManifestRequired));
        assert_eq!(
            resolved(&Registry::new(1, 1 << 20), None),
            Err(Code::ManifestRequired)
        );
    }

    #[test]
    fn the_same_again_is_known_and_another_is_a_conflict() {
        let mut registry = registry(&[("a", "1.0.0")]);
        assert_eq!(
            registry.register(&PARTS, versioned("a", "1.0.0")),
            Ok(Registered::Known)
        );
        let other = Arc::new(manifest(
            &json!({"name": "a", "version": "1.0.0", "description": "other"}),
        ));
        assert_eq!(
            registry.register(&PARTS, other).map_err(|e| e.code),
            Err(Code::ManifestConflict)
        );
        let mut full = Registry::new(1, 1 << 20);
        assert_eq!(
            full.register(&PARTS, versioned("a", "1.0.0")),
            Ok(Registered::Created)
        );
        assert_eq!(
            full.register(&PARTS, versioned("b", "1.0.0"))
                .map_err(|e| e.code),
            Err(Code::CapacityExceeded)
        );
    }

    #[test]
    fn documents_are_refused_with_the_right_code() {
        let core = [Profile::Core, Profile::Session];
        let code = |document: &Value| {
            load(&PARTS, document, &core)
                .map_err(|error| error.code)
                .map(|_| ())
        };
        assert_eq!(code(&json!({})), Err(Code::ManifestInvalid));
        let human = manifest(&json!({})).document;
        assert_eq!(code(&human), Err(Code::ProfileNotSupported));
        let all = [Profile::Core, Profile::Session, Profile::Human];
        assert!(load(&PARTS, &human, &all).is_ok());
    }
}
