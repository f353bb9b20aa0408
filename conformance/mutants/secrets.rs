//! Mutants of `spec/secrets.md`: references and redaction.

use std::cell::RefCell;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::Value;

use super::Mutant;
use crate::manifest::{Manifest, Mapping, Piece, Text};
use crate::model::ModelConfig;
use crate::runtime::credentials::{self, Credentials, Place};
use crate::runtime::error::ErrorObject;
use crate::runtime::plan::Scope;
use crate::runtime::redact::{self, Redactor, Site};
use crate::runtime::{Parts, prompt, request, wire};
use crate::workflow::parts::WorkflowParts;

/// The mutants.
pub fn mutants() -> Vec<Mutant> {
    [references(), encodings(), redaction(), workflows()]
        .into_iter()
        .flatten()
        .collect()
}

type Resolved = Result<String, ErrorObject>;

fn references() -> Vec<Mutant> {
    vec![
        swap!(
            "references-are-sent",
            "SEC-001",
            "sends headers with `${NAME}` as it stands",
            fn fill_text(&self, text: &Text, credentials: &Credentials, place: Place) -> Resolved {
                if place == Place::Header {
                    return Ok(text.source().to_owned());
                }
                credentials::fill(text, |name, _| {
                    credentials::resolve_variable(credentials, name, place)
                })
            }
        ),
        swap!(
            "one-reference-a-value",
            "SEC-001",
            "replaces the first reference of a header only",
            fn fill_text(&self, text: &Text, credentials: &Credentials, place: Place) -> Resolved {
                let mut first = true;
                credentials::fill(text, |name, _| {
                    if std::mem::take(&mut first) {
                        credentials::resolve_variable(credentials, name, place)
                    } else {
                        Ok(format!("${{{name}}}"))
                    }
                })
            }
        ),
        swap!(
            "endpoint-variables-unknown",
            "SEC-002",
            "sends endpoints with the names of their variables in place of the values",
            fn resolve_variable(
                &self,
                credentials: &Credentials,
                name: &str,
                place: Place,
            ) -> Resolved {
                match place {
                    Place::Endpoint if credentials.variable(name).is_some() => Ok(name.to_owned()),
                    _ => credentials::resolve_variable(credentials, name, place),
                }
            }
        ),
        swap!(
            "secrets-in-endpoints",
            "SEC-002",
            "puts secrets into endpoints",
            fn resolve_variable(
                &self,
                credentials: &Credentials,
                name: &str,
                _: Place,
            ) -> Resolved {
                credentials::resolve_variable(credentials, name, Place::Header)
            }
        ),
        swap!(
            "unset-is-empty",
            "SEC-003",
            "takes a variable that is not set for an empty text",
            fn resolve_variable(
                &self,
                credentials: &Credentials,
                name: &str,
                place: Place,
            ) -> Resolved {
                Ok(credentials::resolve_variable(credentials, name, place).unwrap_or_default())
            }
        ),
        swap!(
            "environment-is-granted",
            "SEC-003",
            "takes any variable of its own process",
            fn resolve_variable(
                &self,
                credentials: &Credentials,
                name: &str,
                place: Place,
            ) -> Resolved {
                credentials::resolve_variable(credentials, name, place)
                    .or_else(|error| std::env::var(name).map_err(|_| error))
            }
        ),
        Mutant::part(
            "model-key-is-granted",
            "SEC-004",
            "takes the key of the model for a reference with its name",
            KeyForAll::default(),
        ),
        swap!(
            "line-breaks-are-cut-out",
            "SEC-005",
            "takes the line breaks out of a credential and sends the rest",
            fn fill_text(&self, text: &Text, credentials: &Credentials, place: Place) -> Resolved {
                credentials::fill(text, |name, _| {
                    let value = credentials::resolve_variable(credentials, name, place)?;
                    Ok(value.replace(['\r', '\n'], ""))
                })
            }
        ),
        Mutant::config(
            "short-secrets-are-granted",
            "SEC-006",
            "grants a secret of four characters, and does not redact it",
            |config| {
                let short: Vec<_> = config
                    .secrets
                    .extract_if(.., |_, value| value.len() < redact::SHORTEST_SECRET)
                    .collect();
                config.variables.extend(short);
            },
        ),
        swap!(
            "references-in-arguments",
            "SEC-012",
            "replaces `${NAME}` in the arguments of a plan by the credential",
            fn fill_text(&self, text: &Text, credentials: &Credentials, place: Place) -> Resolved {
                GRANTED.with_borrow_mut(|granted| *granted = credentials.clone());
                credentials::fill(text, |name, _| {
                    credentials::resolve_variable(credentials, name, place)
                })
            },
            fn request_value(&self, map: Option<&Mapping>, args: &Value) -> Value {
                let sent = request::mapped(map, args);
                GRANTED.with_borrow(|granted| filled(&sent, granted))
            }
        ),
        swap!(
            "references-shown-as-values",
            "SEC-013",
            "writes the values of endpoint variables into the contract",
            fn contract(&self, scope: &Scope<'_>, allowed: &[&crate::manifest::Action]) -> String {
                prompt::contract(scope, allowed).replace("${OAP_TEST_REGION}", "eu")
            }
        ),
        swap!(
            "manifests-read-with-values",
            "REG-010",
            "shows manifests with the values of their variables",
            fn manifest_answer(&self, manifest: &Manifest) -> Value {
                let answer = wire::manifest_answer(manifest).to_string();
                let answer = answer
                    .replace("${OAP_TEST_REGION}", "eu")
                    .replace("${CRM_TOKEN}", redact::MARK);
                serde_json::from_str(&answer).unwrap_or_default()
            }
        )
        .rewriting(),
    ]
}

/// One store of keys for the model and for actions.
#[derive(Default)]
struct KeyForAll(OnceLock<String>);

impl Parts for KeyForAll {
    fn model_headers(&self, model: &ModelConfig) -> Vec<(String, String)> {
        self.0.get_or_init(|| model.api_key.clone());
        model.wire.headers(&model.api_key)
    }

    fn resolve_variable(&self, credentials: &Credentials, name: &str, place: Place) -> Resolved {
        let known = self.0.get().filter(|_| name == "OPENAI_API_KEY").cloned();
        known.map_or_else(
            || credentials::resolve_variable(credentials, name, place),
            Ok,
        )
    }
}

thread_local! {
    /// The credentials of the request that is being rendered; that happens on one thread, without a pause.
    static GRANTED: RefCell<Credentials> = RefCell::default();
}

fn filled(value: &Value, granted: &Credentials) -> Value {
    match value {
        Value::String(text) => {
            let Ok(text) = Text::parse(text) else {
                return value.clone();
            };
            let pieces = text.pieces().iter().map(|piece| match piece {
                Piece::Literal(literal) => literal.as_str(),
                Piece::Variable(name) => granted
                    .secret(name)
                    .or(granted.variable(name))
                    .unwrap_or_default(),
            });
            Value::String(pieces.collect())
        }
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| (name.clone(), filled(member, granted)))
            .collect(),
        other => other.clone(),
    }
}

/// The forms of a secret without those that `dropped` names.
fn forms_without(secret: &str, dropped: impl Fn(&str) -> bool) -> Vec<String> {
    let mut forms = redact::encodings(secret);
    forms.retain(|form| form == secret || !dropped(form));
    forms
}

fn encodings() -> Vec<Mutant> {
    vec![
        swap!(
            "json-escapes-unknown",
            "SEC-009",
            "does not find a secret that is escaped for JSON",
            fn secret_forms(&self, secret: &str) -> Vec<String> {
                forms_without(secret, |form| form.contains('\\'))
            }
        ),
        swap!(
            "percent-encoding-unknown",
            "SEC-009",
            "does not find a secret in percent-encoding",
            fn secret_forms(&self, secret: &str) -> Vec<String> {
                forms_without(secret, |form| form.contains('%'))
            }
        ),
        swap!(
            "lower-case-percent-unknown",
            "SEC-009",
            "does not find a secret in percent-encoding with small letters",
            fn secret_forms(&self, secret: &str) -> Vec<String> {
                forms_without(secret, |form| form.contains("%2f") || form.contains("%3a"))
            }
        ),
        swap!(
            "base64-alone-only",
            "SEC-009",
            "finds a secret in base64 only where nothing stands before it",
            fn secret_forms(&self, secret: &str) -> Vec<String> {
                let alone = STANDARD_NO_PAD.encode(secret);
                let plain = |form: &str| form.contains(['%', '\\']) || alone.starts_with(form);
                forms_without(secret, |form| !plain(form))
            }
        ),
        swap!(
            "base64url-unknown",
            "SEC-009",
            "does not find a secret in the URL alphabet of base64",
            fn secret_forms(&self, secret: &str) -> Vec<String> {
                let other = |form: &str| form.contains(['%', '\\', ' ', '=', ':']);
                forms_without(secret, |form| !other(form) && form.contains(['-', '_']))
            }
        ),
        swap!(
            "parts-are-redacted",
            "SEC-014",
            "redacts the first twelve characters of a secret wherever they stand",
            fn secret_forms(&self, secret: &str) -> Vec<String> {
                let mut forms = redact::encodings(secret);
                forms.extend(secret.get(..12).map(str::to_owned));
                forms
            }
        ),
    ]
}

fn redaction() -> Vec<Mutant> {
    vec![
        swap!(
            "validates-before-redacting",
            "SEC-008",
            "redacts a reply only when it leaves, after it was validated and merged",
            fn redact_value(&self, site: Site, redactor: &Redactor, value: Value) -> Value {
                if site == Site::ServiceReply {
                    value
                } else {
                    redactor.value(value)
                }
            }
        ),
        swap!(
            "answers-unredacted",
            "SEC-010",
            "lets out to clients and into transcripts whatever holds a secret",
            fn redact_value(&self, _: Site, _: &Redactor, value: Value) -> Value {
                value
            },
            fn redact_text(&self, site: Site, redactor: &Redactor, text: &str) -> String {
                match site {
                    Site::Prompt => redactor.text(text).into_owned(),
                    _ => text.to_owned(),
                }
            }
        ),
        swap!(
            "prompts-unredacted",
            "SEC-011",
            "shows the model the secrets in goal, observation and refused replies",
            fn redact_value(&self, site: Site, redactor: &Redactor, value: Value) -> Value {
                if site == Site::Request {
                    value
                } else {
                    redactor.value(value)
                }
            },
            fn redact_text(&self, _: Site, _: &Redactor, text: &str) -> String {
                text.to_owned()
            }
        ),
        Mutant::part(
            "plans-unredacted",
            "SEC-012",
            "sends services the secrets that a model or a person recites",
            RecitesOn,
        ),
    ]
}

/// Takes what a model or a person says as it is, and passes it on.
struct RecitesOn;

impl WorkflowParts for RecitesOn {
    fn clean_input(&self, _: &Redactor, input: Value) -> Value {
        input
    }
}

impl Parts for RecitesOn {
    fn workflow(&self) -> &dyn WorkflowParts {
        self
    }

    fn redact_value(&self, site: Site, redactor: &Redactor, value: Value) -> Value {
        if site == Site::HumanAnswer {
            value
        } else {
            redactor.value(value)
        }
    }

    fn redact_text(&self, site: Site, redactor: &Redactor, text: &str) -> String {
        match site {
            Site::ModelReply => text.to_owned(),
            _ => redactor.text(text).into_owned(),
        }
    }
}

/// What is redacted for sessions only.
fn workflows() -> Vec<Mutant> {
    vec![
        swap_workflow!(
            "inputs-of-nodes-are-taken-raw",
            "SEC-012",
            "sends services the secrets that a client's node recites",
            fn clean_nodes(&self, _: &Redactor, nodes: Value) -> Value {
                nodes
            },
            fn clean_input(&self, _: &Redactor, input: Value) -> Value {
                input
            }
        ),
        swap_workflow!(
            "assembled-secrets-go-out",
            "SEC-012",
            "sends services the secrets that templates put together out of parts",
            fn clean_input(&self, _: &Redactor, input: Value) -> Value {
                input
            }
        ),
        swap_workflow!(
            "workflows-take-states-raw",
            "SEC-012",
            "sends services the secrets that a client's state recites",
            fn clean_state(&self, _: &Redactor, state: Value) -> Value {
                state
            },
            fn clean_input(&self, _: &Redactor, input: Value) -> Value {
                input
            }
        ),
        Mutant::part(
            "workflows-answer-unredacted",
            "SEC-010",
            "redacts in sessions, and nothing of a workflow",
            OpenWorkflows,
        ),
        Mutant::part(
            "workflow-prompts-unredacted",
            "SEC-011",
            "shows the model that plans again whatever a service or a client recited",
            OpenPrompts,
        ),
        swap_workflow!(
            "references-in-nodes-are-filled",
            "SEC-013",
            "reads `${NAME}` in the nodes of a request as a reference",
            fn clean_nodes(&self, redactor: &Redactor, nodes: Value) -> Value {
                let filled = |text: &str| {
                    text.replace("${CRM_TOKEN}", "[CRM]")
                        .replace("${EMAIL_TOKEN}", "[EMAIL]")
                };
                texts(&redactor.value(nodes), &filled)
            }
        ),
    ]
}

/// Redacts nothing of a workflow.
struct OpenWorkflows;

impl WorkflowParts for OpenWorkflows {
    fn clean_reply(&self, _: &Redactor, reply: Value) -> Value {
        reply
    }

    fn clean_state(&self, _: &Redactor, state: Value) -> Value {
        state
    }
}

impl Parts for OpenWorkflows {
    fn workflow(&self) -> &dyn WorkflowParts {
        self
    }

    fn redact_value(&self, site: Site, redactor: &Redactor, value: Value) -> Value {
        match site {
            Site::Answer => value,
            _ => redactor.value(value),
        }
    }

    fn redact_text(&self, site: Site, redactor: &Redactor, text: &str) -> String {
        match site {
            Site::ModelReply => text.to_owned(),
            _ => redactor.text(text).into_owned(),
        }
    }
}

/// Redacts no prompt, and nothing that goes into one.
struct OpenPrompts;

impl WorkflowParts for OpenPrompts {
    fn clean_reply(&self, _: &Redactor, reply: Value) -> Value {
        reply
    }

    fn clean_state(&self, _: &Redactor, state: Value) -> Value {
        state
    }
}

impl Parts for OpenPrompts {
    fn workflow(&self) -> &dyn WorkflowParts {
        self
    }

    fn redact_text(&self, site: Site, redactor: &Redactor, text: &str) -> String {
        match site {
            Site::Prompt => text.to_owned(),
            _ => redactor.text(text).into_owned(),
        }
    }
}

/// A value with every text changed.
fn texts(value: &Value, change: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(change(text)),
        Value::Array(elements) => elements
            .iter()
            .map(|element| texts(element, change))
            .collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| (name.clone(), texts(member, change)))
            .collect(),
        other => other.clone(),
    }
}
