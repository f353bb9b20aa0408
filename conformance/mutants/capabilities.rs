//! Mutants of `spec/capabilities.md`: runtimes that say something else of themselves than what is there.

use axum::http::HeaderValue;
use serde_json::{Value, json};

use super::Mutant;
use super::proxy::{Request, Response, Tamper};
use crate::manifest::Manifest;
use crate::requirement::Profile;
use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::{Answer, Parts, Session, opening, registry, wire};

/// All mutants of this section.
pub fn mutants() -> Vec<Mutant> {
    vec![
        Mutant::proxy(
            "answers-are-plain-text",
            "CAP-001",
            "Announces every answer as plain text.",
            PlainText,
        )
        .rewriting(),
        Mutant::proxy(
            "guesses-at-versions",
            "CAP-009",
            "Takes anything that begins with a 2 for version 2.0.",
            Guessing,
        ),
        said(
            "core-goes-without-saying",
            "CAP-002",
            "Does not name the profile core.",
            |said| remove(said, "core"),
        ),
        said(
            "has-profiles-of-its-own",
            "CAP-002",
            "Names a profile that is neither in the table nor marked as its own.",
            |said| push(said, "fast"),
        ),
        said(
            "names-a-runtime-without-its-sandbox",
            "CAP-002",
            "Names a code runtime among its profiles and not the sandbox.",
            |said| remove(said, "sandbox"),
        ),
        Mutant::part(
            "people-without-sessions",
            "CAP-002",
            "Declares and offers the profile human without sessions.",
            Sessionless,
        ),
        said(
            "speaks-of-another-version",
            "CAP-003",
            "Says that it speaks version 1.0 of the protocol.",
            |said| said["protocol_version"] = json!("1.0"),
        ),
        said(
            "offers-code-without-a-sandbox",
            "CAP-003",
            "Offers a code runtime although it declares no sandbox.",
            |said| {
                if let Some(profiles) = said["profiles"].as_array_mut() {
                    profiles.retain(|name| !name.as_str().unwrap_or("").starts_with("sandbox"));
                }
            },
        ),
        said(
            "says-nothing-of-its-limits",
            "CAP-004",
            "States none of its limits.",
            |said| said["limits"] = json!({}),
        ),
        Mutant::part(
            "is-always-starting",
            "CAP-005",
            "Never says that it is well.",
            Starting,
        )
        .rewriting(),
        Mutant::part(
            "does-not-say-its-version",
            "CAP-007",
            "Leaves the version of the protocol out of its answers.",
            Versionless,
        )
        .rewriting(),
        version(
            "speaks-every-version",
            "Opens a session for any version of the protocol.",
            |_| true,
        ),
        version(
            "speaks-one-minor-version",
            "Refuses another minor version than its own.",
            |version| version == "2.0",
        ),
    ]
}

/// A mutant that says something else of itself.
fn said(
    name: &'static str,
    requirement: &'static str,
    behaviour: &'static str,
    change: fn(&mut Value),
) -> Mutant {
    struct Said(fn(&mut Value));
    impl Parts for Said {
        fn capabilities(&self, profiles: &[Profile]) -> Value {
            let mut said = wire::capabilities(
                profiles,
                self.body_limits(),
                self.observation_limit(),
                self.attempts_allowed(),
            );
            (self.0)(&mut said);
            said
        }
    }
    Mutant::part(name, requirement, behaviour, Said(change)).rewriting()
}

fn push(said: &mut Value, profile: &str) {
    if let Some(profiles) = said["profiles"].as_array_mut() {
        profiles.push(Value::from(profile));
    }
}

fn remove(said: &mut Value, profile: &str) {
    if let Some(profiles) = said["profiles"].as_array_mut() {
        profiles.retain(|name| name != profile);
    }
}

/// A mutant that speaks other versions.
fn version(name: &'static str, behaviour: &'static str, speaks: fn(&str) -> bool) -> Mutant {
    struct Version(fn(&str) -> bool);
    impl Parts for Version {
        fn check_protocol_version(&self, version: &str) -> Result<(), ErrorObject> {
            if (self.0)(version) {
                return Ok(());
            }
            opening::check_protocol_version(version).and(Err(ErrorObject::new(
                Code::UnsupportedProtocolVersion,
                "another version",
            )))
        }
    }
    Mutant::part(name, "CAP-008", behaviour, Version(speaks))
}

/// Reads whatever looks like a version of this major version as 2.0.
struct Guessing;

impl Tamper for Guessing {
    fn request(&self, request: &mut Request) {
        let Ok(mut body) = serde_json::from_slice::<Value>(&request.body) else {
            return;
        };
        if let Some(members) = body.as_object_mut() {
            let looks_right = |value: &Value| value.to_string().trim_matches('"').starts_with('2');
            members.retain(|name, value| {
                !matches!(name.as_str(), "protocol_version" | "protocolVersion")
                    || !looks_right(value)
            });
            request.body = body.to_string().into();
        }
    }
}

struct PlainText;

impl Tamper for PlainText {
    fn response(&self, _: &Request, response: &mut Response) {
        response.headers.insert(
            "content-type",
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
    }
}

struct Sessionless;

impl Parts for Sessionless {
    fn profiles(&self, _: &[Profile]) -> Vec<Profile> {
        vec![Profile::Core, Profile::Human]
    }
}

struct Starting;

impl Parts for Starting {
    fn health(&self) -> Value {
        json!({"status": "starting"})
    }
}

struct Versionless;

impl Parts for Versionless {
    fn registered_answer(&self, manifest: &Manifest) -> Value {
        without_version(registry::registered_answer(manifest))
    }

    fn created_answer(&self, session: &Session) -> Answer {
        let mut answer = wire::created_answer(session);
        answer.body = without_version(Value::clone(&answer.body)).into();
        answer
    }
}

fn without_version(mut body: Value) -> Value {
    if let Some(members) = body.as_object_mut() {
        members.shift_remove("protocol_version");
    }
    body
}
