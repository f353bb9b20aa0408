//! `oap-conform bundle`: one manifest out of several files.

use std::path::PathBuf;

use clap::Args;

use super::given::{BOUNDS, Judged, Shown, named_twice, sources, tell};
use super::written;
use crate::cli::failure::Failure;
use crate::cli::output::show;
use crate::diagnostic::Violation;
use crate::document::{Limits, format};
use crate::json;
use crate::manifest::bundle::bundle;
use crate::manifest::{self, layout};

const AFTER_HELP: &str = "\
Exit codes: 0 joined, 1 a reference cannot be followed or the result is no valid manifest, 2 the file cannot be read.

In the manifest's schemas \"$ref\": \"slot.json#/$defs/day\" stands for a part of another file, and a schema that is \
nothing but {\"$ref\": \"slot.json\"} for the whole of it; code, prompt and description can be {\"file\": \"agenda.py\"}. \
A Wasm module becomes base64. Files are JSON or YAML by their names, lie below the manifest's folder and are read \
relative to the file that names them. Links that lead out of that folder, URLs and circles of files are refused.

The answer of --format json is described by spec/schemas/documents.json.

Examples:
  oap-conform bundle src/manifest.yaml > manifest.json
  oap-conform bundle src/manifest.json --output manifest.json --format json";

/// Options of `bundle`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct BundleCommand {
    /// The manifest, JSON or YAML; - is the standard input, whose references start from the current folder
    file: PathBuf,
    /// Write the manifest into this file, and what was joined to standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How it is told what was joined
    #[arg(long, value_enum, default_value = "text", requires = "output")]
    format: Shown,
}

impl BundleCommand {
    /// Joins the manifest.
    pub fn execute(self) -> Result<u8, Failure> {
        let sources = sources(std::slice::from_ref(&self.file))?;
        let Some(source) = sources.first() else {
            return Err(Failure::usage("name a manifest"));
        };
        let document = match source.read(&BOUNDS) {
            Ok(document) => document,
            Err(unread) => return self.refuse(Judged::unread(source, unread)),
        };
        let twice = named_twice(&document);
        if !twice.is_empty() {
            return self.refuse(Judged::new(source, &document, twice));
        }
        let judged = |found| Judged::new(source, &document, found);
        let bundled = match bundle(document.value(), &source.folder()) {
            Ok(bundled) => bundled,
            Err(found) => return self.refuse(judged(found)),
        };
        let manifest = match manifest::load(&bundled.document) {
            Ok(manifest) => manifest,
            // Pointers into the joined document lead to the nearest place in the one that was given.
            Err(found) => return self.refuse(judged(found)),
        };
        let most = Limits::DOCUMENT.bytes;
        let mut text = format::value(&bundled.document, Some(&layout::MANIFEST));
        if text.len() > most {
            text = bundled.document.to_string();
        }
        if text.len() > most {
            let message = format!(
                "joined it has {} bytes; a manifest has at most {most}",
                text.len()
            );
            return self.refuse(judged(vec![Violation::new("", "too_large", message)]));
        }
        let Some(output) = &self.output else {
            show(&text);
            return Ok(0);
        };
        write(output, &text)?;
        let files: Vec<String> = bundled
            .files
            .iter()
            .map(|file| file.display().to_string())
            .collect();
        let line = format!(
            "joined with {} to {}@{} {}",
            crate::cli::failure::plural(files.len(), "file"),
            manifest.name,
            manifest.version,
            manifest.digest
        );
        let judged = judged(Vec::new())
            .with("digest", json::digest(&manifest.document))
            .with("files", files)
            .saying(line);
        tell(&[judged], self.format)
    }

    fn refuse(&self, judged: Judged) -> Result<u8, Failure> {
        match self.format {
            Shown::Text => eprint!("{}", judged.complaints()),
            Shown::Json => {
                tell(std::slice::from_ref(&judged), Shown::Json)?;
            }
        }
        Ok(judged.code())
    }
}

/// Writes a document into the file that a command line names; a link is not followed.
pub(super) fn write(path: &std::path::Path, text: &str) -> Result<(), Failure> {
    written::to(path, text)
        .map_err(|error| Failure::usage(format!("cannot write {}: {error}", path.display())))
}
