//! Mutants of `spec/registration.md`: answers to registrations, and the registry.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::Method;
use serde_json::{Value, json};

use super::Mutant;
use super::documents::{Loaded, overlook, take_out};
use super::proxy::{Request, Tamper};
use crate::diagnostic::Violation;
use crate::json::{self, Duplicates, Limits, ReadError};
use crate::manifest::{self, Manifest};
use crate::requirement::Profile;
use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::registry::{self, Reference, Registered, Registry};
use crate::runtime::wire;

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [
        registrations(),
        refusals(),
        conflicts(),
        reading(),
        references(),
        sessions(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

type Done = Result<(Registered, Arc<Manifest>), ErrorObject>;

/// How long the mutant that does not lock leaves others the time to come in between.
const GAP: Duration = Duration::from_millis(40);

fn registrations() -> Vec<Mutant> {
    vec![
        swap!(
            "registers-nothing",
            "REG-001",
            "answers 201 to a manifest and forgets it",
            fn register(
                &self,
                _: &Mutex<Registry>,
                document: &Value,
                profiles: &[Profile],
            ) -> Done {
                let manifest = registry::load(self, document, profiles)?;
                Ok((Registered::Created, Arc::new(manifest)))
            }
        ),
        swap!(
            "digests-have-three-parts",
            "REG-001",
            "makes the digest of the version that is meant, not of the one that is written",
            fn read_manifest(&self, document: &Value) -> Loaded {
                let mut manifest = manifest::load(document)?;
                let mut meant = manifest.document.clone();
                meant["version"] = json!(manifest.version.to_string());
                manifest.digest = json::digest(&meant);
                Ok(manifest)
            }
        ),
        swap!(
            "keeps-what-it-refuses",
            "REG-005",
            "refuses a broken manifest and keeps what is left of it",
            fn register(
                &self,
                registry: &Mutex<Registry>,
                document: &Value,
                profiles: &[Profile],
            ) -> Done {
                registry::register(self, registry, document, profiles).inspect_err(|_| {
                    let rest = overlook(
                        document,
                        |_| true,
                        |rest, violation| take_out(rest, &violation.pointer),
                    );
                    if let Ok(manifest) = rest {
                        // Whether there is room for it is no matter.
                        let _ = registry::lock(registry).register(self, Arc::new(manifest));
                    }
                })
            }
        ),
        swap!(
            "last-member-of-a-manifest-wins",
            "REG-006",
            "reads a manifest that names a member twice as if the first were not there",
            fn read_json(&self, bytes: &[u8]) -> Result<Value, ReadError> {
                json::read(bytes, &Limits::DOCUMENT, Duplicates::Refuse).or_else(|error| {
                    json::read(bytes, &Limits::DOCUMENT, Duplicates::KeepLast)
                        .ok()
                        .filter(|document| {
                            error.code == "duplicate_key" && document.get("actions").is_some()
                        })
                        .ok_or(error)
                })
            }
        ),
        swap!(
            "conflicts-with-itself",
            "REG-007",
            "refuses a manifest that is registered already as a conflict",
            fn check_conflict(&self, known: &Manifest, _: &Manifest) -> Result<(), ErrorObject> {
                let error = ErrorObject::new(
                    Code::ManifestConflict,
                    "this manifest is registered already",
                );
                Err(error.with("digest", known.digest.clone()))
            }
        ),
        swap!(
            "registers-the-same-as-new",
            "REG-007",
            "answers 201 to a manifest that is registered already",
            fn register(
                &self,
                registry: &Mutex<Registry>,
                document: &Value,
                profiles: &[Profile],
            ) -> Done {
                let (_, manifest) = registry::register(self, registry, document, profiles)?;
                Ok((Registered::Created, manifest))
            }
        ),
    ]
}

fn refusals() -> Vec<Mutant> {
    vec![
        swap!(
            "refusals-are-bad-requests",
            "REG-002",
            "refuses a broken manifest with 400",
            fn manifest_refusal(&self, violations: &[Violation]) -> ErrorObject {
                ErrorObject::new(Code::InvalidRequest, "this is no manifest")
                    .with_violations(violations)
            }
        )
        .rewriting(),
        swap!(
            "refusals-say-nothing",
            "REG-002",
            "refuses a broken manifest without a list of violations",
            fn manifest_refusal(&self, _: &[Violation]) -> ErrorObject {
                ErrorObject::new(Code::ManifestInvalid, "this is no manifest")
            }
        )
        .rewriting(),
        swap!(
            "stops-at-the-first-violation",
            "REG-003",
            "reports the first violation that it finds",
            fn read_manifest(&self, document: &Value) -> Loaded {
                manifest::load(document)
                    .map_err(|violations| violations.into_iter().take(1).collect())
            }
        ),
        swap!(
            "stops-at-fifty-violations",
            "REG-003",
            "reports fifty violations and leaves the others out",
            fn read_manifest(&self, document: &Value) -> Loaded {
                manifest::load(document)
                    .map_err(|violations| violations.into_iter().take(50).collect())
            }
        ),
        swap!(
            "pointers-are-not-escaped",
            "REG-004",
            "writes slashes and tildes of names as they are into pointers",
            fn read_manifest(&self, document: &Value) -> Loaded {
                repointed(document, |pointer| {
                    pointer.replace("~1", "/").replace("~0", "~")
                })
            }
        ),
        swap!(
            "pointers-are-snake-case",
            "REG-004",
            "points into the snake_case form of a document that was sent in the other spelling",
            fn read_manifest(&self, document: &Value) -> Loaded {
                if document.get("@type").is_none() {
                    return manifest::load(document);
                }
                repointed(document, |pointer| {
                    let mut snake = String::new();
                    for letter in pointer.chars() {
                        if letter.is_ascii_uppercase() {
                            snake.push('_');
                        }
                        snake.push(letter.to_ascii_lowercase());
                    }
                    snake
                })
            }
        ),
        swap!(
            "every-rule-is-invalid",
            "REG-017",
            "gives every violation the rule `invalid`",
            fn manifest_refusal(&self, violations: &[Violation]) -> ErrorObject {
                let same: Vec<_> = violations
                    .iter()
                    .map(|violation| {
                        Violation::new(&*violation.pointer, "invalid", &*violation.message)
                    })
                    .collect();
                registry::refusal(&same)
            }
        )
        .rewriting(),
    ]
}

fn repointed(document: &Value, change: fn(&str) -> String) -> Loaded {
    manifest::load(document).map_err(|mut violations| {
        for violation in &mut violations {
            violation.pointer = change(&violation.pointer);
        }
        violations
    })
}

fn conflicts() -> Vec<Mutant> {
    vec![
        swap!(
            "last-registration-wins",
            "REG-008",
            "lets another manifest take a name and version that is taken",
            fn check_conflict(&self, _: &Manifest, _: &Manifest) -> Result<(), ErrorObject> {
                Ok(())
            }
        ),
        swap!(
            "checks-before-it-locks",
            "REG-008",
            "looks whether a version is taken, and registers it a moment later without looking again",
            fn register(
                &self,
                registry: &Mutex<Registry>,
                document: &Value,
                profiles: &[Profile],
            ) -> Done {
                let manifest = Arc::new(registry::load(self, document, profiles)?);
                let (name, version) = (&manifest.name, &manifest.version);
                if registry::lock(registry).get(name, version).is_none() {
                    tokio::task::block_in_place(|| std::thread::sleep(GAP));
                    registry::lock(registry).remove(name, version);
                }
                let registered = registry::lock(registry).register(self, Arc::clone(&manifest))?;
                Ok((registered, manifest))
            }
        ),
    ]
}

fn reading() -> Vec<Mutant> {
    vec![
        swap!(
            "lists-one-version-of-a-name",
            "REG-009",
            "leaves all versions of a name but one out of the list",
            fn manifest_list(&self, manifests: &[Arc<Manifest>]) -> Value {
                let mut names = BTreeSet::new();
                let firsts: Vec<_> = manifests
                    .iter()
                    .filter(|one| names.insert(&one.name))
                    .cloned()
                    .collect();
                wire::manifest_list(&firsts)
            }
        )
        .rewriting(),
        swap!(
            "reads-back-what-it-knows",
            "REG-010",
            "answers a document without the members that it does not know",
            fn manifest_answer(&self, manifest: &Manifest) -> Value {
                let mut known = manifest.clone();
                if let Value::Object(members) = &mut known.document {
                    members.retain(|name, _| !name.starts_with("x-"));
                }
                wire::manifest_answer(&known)
            }
        )
        .rewriting(),
        Mutant::proxy(
            "deletes-nothing",
            "REG-011",
            "answers that a manifest is deleted and leaves it where it is",
            DeletesNothing,
        ),
    ]
}

struct DeletesNothing;

impl Tamper for DeletesNothing {
    fn request(&self, request: &mut Request) {
        if request.is(Method::DELETE, "/manifests/*") {
            request.method = Method::GET;
        }
    }
}

fn references() -> Vec<Mutant> {
    vec![
        swap!(
            "versions-are-not-looked-at",
            "REG-012",
            "takes the highest version of a name, whichever was asked for",
            fn parse_reference(&self, text: &str) -> Option<Reference> {
                registry::parse_reference(text).map(|reference| match reference {
                    Reference::Exact(name, _) | Reference::Name(name) => Reference::Name(name),
                })
            }
        ),
        swap!(
            "versions-are-compared-as-text",
            "REG-013",
            "takes the version for the highest that stands last in the alphabet",
            fn pick_version(&self, versions: &[&Arc<Manifest>]) -> Option<Arc<Manifest>> {
                versions
                    .iter()
                    .max_by_key(|one| one.version.to_string())
                    .map(|one| Arc::clone(one))
            }
        ),
        swap!(
            "pre-releases-are-releases",
            "REG-013",
            "takes a pre-release for the highest version though there is a release",
            fn pick_version(&self, versions: &[&Arc<Manifest>]) -> Option<Arc<Manifest>> {
                versions
                    .iter()
                    .max_by(|a, b| a.version.cmp(&b.version))
                    .map(|one| Arc::clone(one))
            }
        ),
        swap!(
            "references-lose-their-pre-release",
            "REG-014",
            "takes the release where its pre-release was asked for",
            fn parse_reference(&self, text: &str) -> Option<Reference> {
                registry::parse_reference(text).map(|reference| match reference {
                    Reference::Exact(name, mut version) => {
                        version.pre = semver::Prerelease::EMPTY;
                        Reference::Exact(name, version)
                    }
                    bare => bare,
                })
            }
        ),
        Mutant::proxy(
            "last-manifest-by-default",
            "REG-015",
            "gives a session that names no manifest the one that was registered last",
            LastManifest::default(),
        ),
    ]
}

/// The name in the last registration that came by.
#[derive(Default)]
struct LastManifest(Mutex<Value>);

impl Tamper for LastManifest {
    fn request(&self, request: &mut Request) {
        let Ok(mut body) = serde_json::from_slice::<Value>(&request.body) else {
            return;
        };
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if request.is(Method::POST, "/manifests") {
            *last = body["name"].take();
        } else if request.is(Method::POST, "/sessions") && body.get("manifest").is_none() {
            body["manifest"] = last.clone();
            request.body = Bytes::from(body.to_string());
        }
    }
}

fn sessions() -> Vec<Mutant> {
    vec![swap!(
        "sessions-follow-the-registry",
        "REG-016",
        "goes on with the manifest that the name of the session's own means by now",
        fn session_manifest(
            &self,
            own: &Arc<Manifest>,
            registry: &Registry,
        ) -> Option<Arc<Manifest>> {
            registry::pick_version(&registry.versions(&own.name))
        }
    )]
}
