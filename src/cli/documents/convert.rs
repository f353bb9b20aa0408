//! `oap-conform convert`: a document in the other of its two spellings.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::bundle::write;
use super::given::{BOUNDS, Judged, Shown, Source, named_twice, sources, tell, worst};
use super::validate::told;
use crate::cli::failure::Failure;
use crate::cli::output::show;
use crate::diagnostic::Violation;
use crate::document::{Document, format, numbers};
use crate::manifest::{self, layout};
use crate::requirement::Profile;
use crate::runtime::parts::Reference;
use crate::runtime::plan;
use crate::workflow::{request, translate};

const AFTER_HELP: &str = "\
Exit codes: 0 converted, 1 the document is not valid or the other spelling cannot say it, 2 it cannot be read.

snake and jsonld are the two spellings of a manifest. Both have the same digest, which is compared before anything is \
printed: what the other spelling cannot say is refused, and so is a number with more digits than can be kept. The JSON-LD spelling refers to the published context; names of \
other vocabularies stay, the contexts that declared them do not. A manifest that has the spelling already stays as it is. \
node and plan turn a session's action plan into a node of a workflow and back, where both can say the same. \
Printed is JSON; YAML is read.

The answer of --format json is described by spec/schemas/documents.json.

Examples:
  oap-conform convert --to jsonld meetbot.json > meetbot.jsonld
  oap-conform convert --to snake manifest.yaml --output manifest.json
  echo '{\"action\": \"look\", \"args\": {}}' | oap-conform convert --to node -";

/// Options of `convert`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct Convert {
    /// What the document becomes
    #[arg(long, value_enum, value_name = "FORM")]
    to: To,
    /// JSON or YAML files; - is the standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write the document into this file; for one document
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    output: Option<PathBuf>,
    /// Print nothing but whether it can be converted
    #[arg(long)]
    check: bool,
    /// What stands on standard output
    #[arg(long, value_enum, default_value = "text")]
    format: Shown,
}

/// What a document becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum To {
    /// A manifest with members in snake_case
    Snake,
    /// A manifest in camelCase, with @context and @type
    Jsonld,
    /// A node of a workflow, from an action plan of a session
    Node,
    /// An action plan of a session, from a node
    Plan,
}

/// A converted document.
struct Done {
    text: String,
    value: Value,
    digest: Option<String>,
}

impl Convert {
    /// Converts every document, whatever is wrong with those before it.
    pub fn execute(self) -> Result<u8, Failure> {
        let sources = sources(&self.files)?;
        let printed = self.format == Shown::Text && !self.check;
        if sources.len() > 1 && (printed || self.output.is_some()) {
            return Err(Failure::usage(
                "several documents are converted with --check or --format json, and written one by one",
            ));
        }
        let (judged, texts): (Vec<Judged>, Vec<Option<String>>) =
            sources.iter().map(|source| self.one(source)).unzip();
        if let Some(output) = &self.output {
            for text in texts.iter().flatten() {
                write(output, text)?;
            }
            return tell(&judged, self.format);
        }
        if !printed {
            return tell(&judged, self.format);
        }
        for (judged, text) in judged.iter().zip(&texts) {
            eprint!("{}", judged.complaints());
            show(text.as_deref().unwrap_or_default());
        }
        Ok(worst(&judged))
    }

    fn one(&self, source: &Source) -> (Judged, Option<String>) {
        let document = match source.read(&BOUNDS) {
            Ok(document) => document,
            Err(unread) => return (Judged::unread(source, unread), None),
        };
        let twice = named_twice(&document);
        if !twice.is_empty() {
            return (Judged::new(source, &document, twice), None);
        }
        match self.to.convert(&document) {
            Err(violations) => (Judged::new(source, &document, violations), None),
            Ok(done) => {
                let changed = match done.text == document.text() {
                    true => Vec::new(),
                    false => inexact(&document),
                };
                if !changed.is_empty() {
                    return (Judged::new(source, &document, changed), None);
                }
                let mut judged = Judged::new(source, &document, Vec::new());
                judged = judged.with("converted", done.value);
                judged = match done.digest {
                    Some(digest) => judged
                        .saying(format!("converted {digest}"))
                        .with("digest", digest),
                    None => judged.saying("converted"),
                };
                (judged, Some(done.text))
            }
        }
    }
}

impl To {
    fn convert(self, document: &Document) -> Result<Done, Vec<Violation>> {
        match self {
            Self::Snake | Self::Jsonld => self.respelled(document),
            Self::Node => {
                let plan = plan::plan_of(document.value().clone()).map_err(|error| told(&error))?;
                let members = plan.raw.as_object().cloned().unwrap_or_default();
                let node = translate::node_of(&members).map_err(|found| vec![found])?;
                Ok(done(node, &layout::NODE, None))
            }
            Self::Plan => {
                let value = document.value();
                request::read_nodes(&Reference, value, &Profile::ALL)
                    .map_err(|error| told(&error))?;
                let plan = translate::plan_of(&Reference, value).map_err(|found| vec![found])?;
                Ok(done(plan, &layout::PLAN, None))
            }
        }
    }

    fn respelled(self, document: &Document) -> Result<Done, Vec<Violation>> {
        let manifest = manifest::load(document.value())?;
        let unified = manifest::unified(document.value());
        if unified.is_json_ld() == (self == Self::Jsonld) {
            let text = match document.format() {
                // As it is, to the last space.
                crate::document::Format::Json => document.text().to_owned(),
                crate::document::Format::Yaml => {
                    format::value(document.value(), Some(&layout::MANIFEST))
                }
            };
            return Ok(Done {
                text,
                value: document.value().clone(),
                digest: Some(manifest.digest),
            });
        }
        let respelled = match self {
            Self::Jsonld => manifest::to_json_ld(&manifest).map_err(|error| {
                let pointer = unified.original(&error.pointer);
                vec![Violation::new(pointer, "not_expressible", error.message)]
            })?,
            _ => manifest.document,
        };
        Ok(done(respelled, &layout::MANIFEST, Some(manifest.digest)))
    }
}

/// Numbers that would be other ones in the converted document.
fn inexact(document: &Document) -> Vec<Violation> {
    let places = numbers::inexact(document).into_iter();
    places
        .take(manifest::MAX_VIOLATIONS)
        .map(|place| {
            let message =
                "this number cannot be kept exactly; write it with fewer digits, or as a text";
            Violation::new(place, "inexact_number", message)
        })
        .collect()
}

fn done(value: Value, shape: &'static format::Shape, digest: Option<String>) -> Done {
    Done {
        text: format::value(&value, Some(shape)),
        value,
        digest,
    }
}
