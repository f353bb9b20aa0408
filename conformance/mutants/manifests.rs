//! Mutants of `spec/manifests.md`: documents that are read wrongly.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Mutant;
use super::documents::{
    Loaded, fill, head, overlook, overlooking, put, refusing, some_action, take_out, with_fractions,
};
use crate::diagnostic::Violation;
use crate::json;
use crate::manifest::{self, Manifest, UNSUPPORTED_PROTOCOL_VERSION};
use crate::requirement::Profile;
use crate::runtime::Parts;
use crate::runtime::registry::{self, Reference};

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [
        document(),
        unknown(),
        actions(),
        members(),
        targets(),
        spellings(),
        calls(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn document() -> Vec<Mutant> {
    vec![
        swap!(
            "manifests-may-be-empty",
            "MAN-001",
            "accepts a manifest without any action",
            fn read_manifest(&self, document: &Value) -> Loaded {
                let mut manifest = overlook(
                    document,
                    |violation| violation.rule == "minItems" && violation.pointer == "/actions",
                    |document, _| put(document, "/actions", json!([some_action()])),
                )?;
                manifest.actions.retain(|action| action.name != "nothing");
                Ok(manifest)
            }
        ),
        overlooking(
            "missing-members-are-invented",
            "MAN-001",
            "makes up a name, a version or an action where a manifest has none",
            |violation| violation.rule == "required" && violation.pointer.is_empty(),
            |document, _| {
                fill(document, "", "name", "unnamed");
                fill(document, "", "version", "1.0.0");
                fill(document, "", "actions", json!([some_action()]));
            },
        ),
        overlooking(
            "names-are-any-text",
            "MAN-002",
            "accepts every text as a name",
            |violation| violation.rule != "duplicate_name" && violation.pointer.ends_with("/name"),
            |document, violation| {
                let other = format!("renamed{}", violation.pointer.replace('/', "-"));
                put(document, &violation.pointer, other);
            },
        ),
        swap!(
            "names-may-end-in-a-line-break",
            "MAN-002",
            "looks for the end of a name before a line break, as the `$` of many expressions does",
            fn read_manifest(&self, document: &Value) -> Loaded {
                overlook(
                    document,
                    |violation| {
                        violation.pointer == "/name"
                            && document["name"]
                                .as_str()
                                .is_some_and(|name| name.ends_with('\n'))
                    },
                    |mended, _| {
                        put(
                            mended,
                            "/name",
                            document["name"].as_str().unwrap_or_default().trim_end(),
                        )
                    },
                )
            }
        ),
        refusing(
            "names-end-at-64",
            "MAN-002",
            "refuses names of more than 64 characters",
            |manifest, _| {
                (manifest.name.len() > 64)
                    .then(|| Violation::new("/name", "maxLength", "be shorter"))
            },
        ),
        overlooking(
            "versions-are-any-text",
            "MAN-003",
            "accepts every text as a version",
            |violation| violation.rule == "invalid_version",
            |document, _| put(document, "/version", "7.7.7"),
        ),
        refusing(
            "versions-are-three-numbers",
            "MAN-003",
            "refuses versions with a pre-release part",
            |manifest, _| {
                (!manifest.version.pre.is_empty())
                    .then(|| Violation::new("/version", "invalid_version", "three numbers"))
            },
        ),
        swap!(
            "references-have-three-parts",
            "MAN-004",
            "does not know a version of two parts in a reference",
            fn parse_reference(&self, text: &str) -> Option<Reference> {
                let parts = text
                    .rsplit_once('@')
                    .map_or(3, |(_, version)| version.split('.').count());
                registry::parse_reference(text).filter(|_| parts > 2)
            }
        ),
        swap!(
            "versions-are-answered-as-written",
            "MAN-004",
            "answers a registration with two parts where the version was written so",
            fn registered_answer(&self, manifest: &Manifest) -> Value {
                let mut answer = registry::registered_answer(manifest);
                answer["version"] = json!(manifest.declared_version);
                answer
            }
        )
        .rewriting(),
        overlooking(
            "every-protocol-version-is-spoken",
            "MAN-005",
            "accepts manifests for any version of the protocol",
            |violation| violation.rule == UNSUPPORTED_PROTOCOL_VERSION,
            |document, violation| take_out(document, &violation.pointer),
        ),
        refusing(
            "other-minor-versions-are-refused",
            "MAN-005",
            "refuses manifests for another minor version of the protocol",
            |manifest, _| {
                let version = manifest.document.get("protocol_version")?;
                (version != "2.0").then(|| {
                    Violation::new(
                        "/protocol_version",
                        UNSUPPORTED_PROTOCOL_VERSION,
                        "write 2.0",
                    )
                })
            },
        ),
    ]
}

/// A mutant that takes the members of a profile without having it.
fn granting(name: &'static str, behaviour: &'static str, profile: Profile) -> Mutant {
    struct Grants(Profile);
    impl Parts for Grants {
        fn unsupported_members(&self, manifest: &Manifest, profiles: &[Profile]) -> Vec<Violation> {
            registry::unsupported_members(manifest, &[profiles, &[self.0]].concat())
        }
    }
    Mutant::part(name, "MAN-007", behaviour, Grants(profile))
}

fn unknown() -> Vec<Mutant> {
    vec![
        refusing(
            "unknown-members-are-refused",
            "MAN-006",
            "refuses manifests with members that it does not know",
            |manifest, _| {
                manifest
                    .warnings()
                    .iter()
                    .find(|warning| warning.rule == "unknown_member")
                    .cloned()
            },
        ),
        swap!(
            "unknown-members-are-dropped",
            "MAN-006",
            "forgets members that it does not know, so that they take no part in the digest",
            fn read_manifest(&self, document: &Value) -> Loaded {
                let manifest = manifest::load(document)?;
                let mut known = document.clone();
                for warning in manifest
                    .warnings()
                    .iter()
                    .filter(|warning| warning.rule == "unknown_member")
                {
                    take_out(&mut known, &warning.pointer);
                }
                manifest::load(&known)
            }
        ),
        granting(
            "guards-are-dropped",
            "accepts `access_control` without the profile and lets everybody in",
            Profile::Access,
        ),
        granting(
            "files-without-storage",
            "accepts actions on files without having a storage",
            Profile::Storage,
        ),
        granting(
            "code-without-sandbox",
            "accepts actions that bring code without having a sandbox",
            Profile::Sandbox,
        ),
        granting(
            "conditions-are-dropped",
            "accepts conditionals, fallbacks and plugins without the profile",
            Profile::Workflow,
        ),
        Mutant::part(
            "templates-are-shown-as-they-are",
            "MAN-007",
            "accepts a template in a prompt without the profile, and would show its braces to people",
            BracesAreText,
        ),
    ]
}

struct BracesAreText;

impl Parts for BracesAreText {
    fn unsupported_members(&self, manifest: &Manifest, profiles: &[Profile]) -> Vec<Violation> {
        let mut found = registry::unsupported_members(manifest, profiles);
        found.retain(|violation| !violation.pointer.ends_with("/prompt"));
        found
    }
}

fn actions() -> Vec<Mutant> {
    vec![
        overlooking(
            "actions-share-names",
            "MAN-008",
            "accepts two actions of one name, of which one can never be chosen",
            |violation| {
                violation.rule == "duplicate_name" && violation.pointer.starts_with("/actions/")
            },
            |document, violation| {
                let other = format!("twin{}", violation.pointer.replace('/', "-"));
                put(document, &violation.pointer, other);
            },
        ),
        refusing(
            "names-differ-in-more-than-case",
            "MAN-008",
            "refuses two actions whose names differ in case only",
            |manifest, _| {
                let names: BTreeSet<String> = manifest
                    .actions
                    .iter()
                    .map(|action| action.name.to_lowercase())
                    .collect();
                (names.len() < manifest.actions.len())
                    .then(|| Violation::new("/actions", "duplicate_name", "choose another name"))
            },
        ),
        overlooking(
            "malformed-schemas-allow-anything",
            "MAN-009",
            "accepts a malformed schema and then enforces nothing",
            |violation| violation.rule == "invalid_schema",
            |document, violation| put(document, &head(&violation.pointer, 3), true),
        ),
        overlooking(
            "missing-schemas-allow-anything",
            "MAN-009",
            "accepts an action without one of its schemas and enforces nothing",
            |violation| violation.rule == "required" && violation.pointer.starts_with("/actions/"),
            |document, violation| {
                let camel = document.get("@type").is_some();
                let names = if camel {
                    ["inputSchema", "outputSchema"]
                } else {
                    ["input_schema", "output_schema"]
                };
                for name in names {
                    fill(document, &violation.pointer, name, true);
                }
            },
        ),
        overlooking(
            "actions-ask-nothing",
            "MAN-013",
            "accepts a question to a person without a text",
            |violation| {
                violation.pointer.starts_with("/actions/")
                    && matches!(violation.rule.as_str(), "required" | "minLength" | "type")
            },
            |document, violation| {
                let action = head(&violation.pointer, 2);
                take_out(document, &format!("{action}/prompt"));
                fill(document, &action, "prompt", "?");
            },
        ),
        overlooking(
            "broken-intents-are-dropped",
            "MAN-014",
            "accepts a manifest with a broken intent and leaves all intents out",
            |violation| violation.pointer.starts_with("/intents"),
            |document, _| take_out(document, "/intents"),
        ),
    ]
}

fn members() -> Vec<Mutant> {
    vec![
        overlooking(
            "unknown-types-are-calls",
            "MAN-010",
            "takes an action of an unknown type for an API action",
            |violation| {
                violation.pointer.ends_with("/type") || violation.pointer.ends_with("/actionType")
            },
            |document, violation| put(document, &violation.pointer, "invoke_api"),
        ),
        overlooking(
            "every-header-may-stand",
            "MAN-010",
            "accepts headers that belong to the connection or are none",
            |violation| violation.pointer.contains("/headers"),
            |document, violation| take_out(document, &violation.pointer),
        ),
        overlooking(
            "broken-maps-are-dropped",
            "MAN-010",
            "accepts a broken map and passes values on as they are",
            |violation| violation.pointer.contains("_map"),
            |document, violation| take_out(document, &head(&violation.pointer, 3)),
        ),
        overlooking(
            "wrong-members-are-absent",
            "MAN-010",
            "takes a member of a wrong type or form for one that is not there",
            |violation| {
                [
                    "completes_goal",
                    "feature_flag",
                    "effects",
                    "description",
                    "auth",
                ]
                .iter()
                .any(|name| head(&violation.pointer, 3).ends_with(name))
            },
            |document, violation| take_out(document, &head(&violation.pointer, 3)),
        ),
        overlooking(
            "timeouts-are-clamped",
            "MAN-010",
            "brings a time limit that is out of range into it",
            |violation| violation.pointer.ends_with("/timeout_ms"),
            |document, violation| {
                let given = document.pointer(&violation.pointer).and_then(Value::as_f64);
                let clamped = given
                    .map_or(10_000.0, |limit| limit.clamp(1.0, 600_000.0))
                    .floor();
                put(document, &violation.pointer, clamped);
            },
        ),
    ]
}

fn targets() -> Vec<Mutant> {
    vec![
        overlooking(
            "targets-lie-anywhere",
            "MAN-011",
            "accepts a result path that leads out of the environment",
            |violation| {
                violation.pointer.contains("/result_path")
                    && violation.rule != "overlapping_targets"
            },
            |document, violation| take_out(document, &head(&violation.pointer, 3)),
        ),
        overlooking(
            "targets-may-overlap",
            "MAN-012",
            "accepts targets that lie within one another and keeps the first",
            |violation| violation.rule == "overlapping_targets",
            |document, violation| take_out(document, &violation.pointer),
        ),
    ]
}

fn spellings() -> Vec<Mutant> {
    vec![
        refusing(
            "json-ld-is-foreign",
            "MAN-015",
            "refuses manifests in the JSON-LD spelling",
            |_, document| {
                document
                    .get("@type")
                    .map(|_| Violation::new("/@type", "type", "write snake_case"))
            },
        ),
        swap!(
            "json-ld-members-mean-nothing",
            "MAN-015",
            "accepts the JSON-LD spelling and ignores its maps and result paths",
            fn read_manifest(&self, document: &Value) -> Loaded {
                let mut plain = document.clone();
                for action in plain["actions"].as_array_mut().into_iter().flatten() {
                    for member in ["/requestMap", "/responseMap", "/resultPath"] {
                        take_out(action, member);
                    }
                }
                manifest::load(if document.get("@type").is_some() {
                    &plain
                } else {
                    document
                })
            }
        ),
        overlooking(
            "other-spellings-are-unknown-members",
            "MAN-016",
            "ignores members in the spelling that the document does not use",
            |violation| violation.rule == "mixed_spelling",
            |document, violation| take_out(document, &violation.pointer),
        ),
        swap!(
            "digests-are-of-the-spelling",
            "MAN-017",
            "makes the digest of the document as it was sent",
            fn read_manifest(&self, document: &Value) -> Loaded {
                let mut manifest = manifest::load(document)?;
                manifest.digest = json::digest(document);
                Ok(manifest)
            }
        ),
        swap!(
            "digests-keep-fractions-of-zero",
            "MAN-017",
            "makes another digest of 1.0 than of 1",
            fn read_manifest(&self, document: &Value) -> Loaded {
                let mut manifest = manifest::load(document)?;
                manifest.digest = json::digest(&with_fractions(&manifest.document));
                Ok(manifest)
            }
        ),
    ]
}

fn calls() -> Vec<Mutant> {
    vec![
        overlooking(
            "every-text-is-an-endpoint",
            "MAN-018",
            "accepts every text as an endpoint, and none too",
            |violation| violation.pointer.ends_with("/endpoint") || violation.rule == "required",
            |document, violation| {
                let action = head(&violation.pointer, 2);
                take_out(document, &format!("{action}/endpoint"));
                fill(document, &action, "endpoint", "http://127.0.0.1:9/");
            },
        ),
        overlooking(
            "every-method-is-sent",
            "MAN-018",
            "accepts every text as a method, and none too",
            |violation| violation.pointer.ends_with("/method") || violation.rule == "required",
            |document, violation| {
                let action = head(&violation.pointer, 2);
                take_out(document, &format!("{action}/method"));
                fill(document, &action, "method", "GET");
            },
        ),
        overlooking(
            "broken-references-are-text",
            "MAN-019",
            "takes a reference that is not well-formed for plain text",
            |violation| violation.rule == "invalid_variable",
            |document, violation| {
                if violation.pointer.ends_with("/endpoint") {
                    put(document, &violation.pointer, "http://127.0.0.1:9/");
                } else {
                    take_out(document, &violation.pointer);
                }
            },
        ),
        refusing(
            "references-stand-everywhere",
            "MAN-019",
            "looks for references in descriptions too, and refuses what is none",
            |manifest, _| {
                let text = manifest.description.as_deref()?;
                text.contains("${")
                    .then(|| Violation::new("/description", "invalid_variable", "write ${NAME}"))
            },
        ),
    ]
}
