//! `oap-conform validate`: whether a document is what it should be.

use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use super::given::{BOUNDS, Judged, Shown, Source, named_twice, sources, tell};
use super::schema::known_kind;
use crate::cli::failure::Failure;
use crate::diagnostic::Violation;
use crate::document::{Document, Limits};
use crate::manifest;
use crate::requirement::Profile;
use crate::runtime::error::ErrorObject;
use crate::runtime::parts::Reference;
use crate::runtime::plan::{self, LONGEST_REPLY};
use crate::schema;
use crate::workflow::request;

const AFTER_HELP: &str = "\
Exit codes: 0 all are valid, 1 one is not, 2 one cannot be read.

A manifest, in either spelling, is held against every rule of spec/manifests.md, a plan against spec/plans.md, \
node, nodes and execute-request against spec/workflows.md with their expressions and templates, and every other \
kind against its schema alone. 'oap-conform schema' lists the kinds.

The answer of --format json is described by spec/schemas/documents.json.

Examples:
  oap-conform validate manifest meetbot.json other.yaml
  curl -s localhost:8080/capabilities | oap-conform validate capabilities -";

/// Most nodes of one call (spec/workflows.md 4.1.1).
pub(super) const MOST_NODES: usize = 100;

/// Longest document that is no manifest, plan or message of a client, in bytes.
const LONGEST: usize = 16 * 1024 * 1024;

/// Most values of such a document, which take more memory than its text does.
const MOST_VALUES: usize = 600_000;

/// Options of `validate`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct Validate {
    /// What the documents are: manifest, plan, node, transcript, …
    #[arg(value_parser = known_kind)]
    kind: String,
    /// JSON or YAML files; - is the standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What stands on standard output
    #[arg(long, value_enum, default_value = "text")]
    format: Shown,
}

impl Validate {
    /// Judges every document, whatever is wrong with those before it.
    pub fn execute(self) -> Result<u8, Failure> {
        let judged: Vec<Judged> = sources(&self.files)?
            .iter()
            .map(|source| judge(&self.kind, source).with("kind", self.kind.as_str()))
            .collect();
        tell(&judged, self.format)
    }
}

/// Reads and judges one document.
fn judge(kind: &str, source: &Source) -> Judged {
    let document = match source.read(&limits(kind)) {
        Ok(document) => document,
        Err(unread) => return Judged::unread(source, unread),
    };
    let mut found = named_twice(&document);
    if matches!(kind, "manifest" | "manifest-jsonld") {
        return as_manifest(kind, source, &document, found);
    }
    found.extend(violations(kind, document.value()));
    let line = format!("valid {kind}");
    Judged::new(source, &document, found).saying(line)
}

fn as_manifest(
    kind: &str,
    source: &Source,
    document: &Document,
    mut found: Vec<Violation>,
) -> Judged {
    let unified = manifest::unified(document.value());
    if kind == "manifest-jsonld" && !unified.is_json_ld() {
        let message = "add \"@type\": \"OpenAction:Manifest\"; this is not the JSON-LD spelling";
        found.push(Violation::new("", "required", message));
    }
    match manifest::load(document.value()) {
        Ok(manifest) => {
            let name = format!("{}@{}", manifest.name, manifest.version);
            let line = format!("valid manifest {name} {}", manifest.digest);
            Judged::new(source, document, found)
                .warned(document, manifest.warnings())
                .with("name", name)
                .with("digest", manifest.digest.as_str())
                .saying(line)
        }
        Err(violations) => {
            found.extend(violations);
            Judged::new(source, document, found)
        }
    }
}

/// What is wrong with a value that is to be a message of this kind.
fn violations(kind: &str, value: &Value) -> Vec<Violation> {
    let refused = match kind {
        "plan" => plan::plan_of(value.clone()).err(),
        "node" | "nodes" if value.is_array() != (kind == "nodes") => {
            let message = match kind {
                "node" => "write one node here, or validate it as nodes",
                _ => "write an array of nodes here, or validate it as node",
            };
            return vec![Violation::new("", "type", message)];
        }
        "nodes" if !(1..=MOST_NODES).contains(&value.as_array().map_or(0, Vec::len)) => {
            let message = format!("write 1 to {MOST_NODES} nodes");
            return vec![Violation::new("", "minItems", message)];
        }
        "node" | "nodes" => request::read_nodes(&Reference, value, &Profile::ALL).err(),
        "execute-request" => request::read_execute(&Reference, value, &Profile::ALL).err(),
        "plan-request" => request::read_plan_request(&Reference, value, &Profile::ALL).err(),
        _ => {
            return match schema::named(kind) {
                Some(schema) => schema.violations(value),
                // A test of this crate excludes it.
                None => vec![Violation::new("", "schema", "there is no such schema")],
            };
        }
    };
    refused.as_ref().map(told).unwrap_or_default()
}

/// The violations of a refusal; one for the whole where it names no places.
pub(super) fn told(error: &ErrorObject) -> Vec<Violation> {
    let violations = error.violations();
    if violations.is_empty() {
        return vec![Violation::new("", error.code.name(), error.message.clone())];
    }
    violations
}

/// The protocol's own bounds, where it has some.
fn limits(kind: &str) -> Limits {
    let bytes = match kind {
        "manifest" | "manifest-jsonld" | "observation" => Limits::DOCUMENT.bytes,
        "plan" => LONGEST_REPLY,
        "node" | "nodes" | "execute-request" | "plan-request" => request::LARGEST_BODY,
        _ => LONGEST,
    };
    Limits {
        bytes,
        values: if bytes == LONGEST {
            MOST_VALUES
        } else {
            BOUNDS.values
        },
        ..BOUNDS
    }
}
