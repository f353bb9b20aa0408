//! `oap-conform diff`: what differs between two reports, or between two manifests.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::documents::compat::{self, Form, OfManifests};
use super::failure::{Failure, read_bounded};
use super::output::{read_report, show};
use crate::document::Format;
use crate::suite::report;
use crate::suite::report::diff::{DiffFormat, diff, render};

const AFTER_HELP: &str = "\
Exit codes of two reports: 0 nothing got worse; 1 something did.
Exit codes of two manifests: 0; 1 with --check the version of the newer one is too low, or --fail-on names a change.
Both: 2 one cannot be read, or one is a report and the other a manifest.

What counts as breaking, in which direction, is said in spec/compatibility.md.

Examples:
  oap-conform diff before.json after.json
  oap-conform diff --check meetbot-1.0.0.json meetbot.yaml
  oap-conform diff --fail-on breaking --accept 0f3c2a9be1d45678 old.json new.json";

/// Options of `diff`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct DiffCommand {
    /// The older report, or the older manifest (JSON or YAML, - is the standard input)
    #[arg(value_name = "OLD")]
    before: PathBuf,
    /// The newer one
    #[arg(value_name = "NEW")]
    after: PathBuf,
    /// What stands on standard output
    #[arg(long, value_enum, default_value = "text")]
    format: Shown,
    #[command(flatten)]
    manifests: OfManifests,
}

/// The forms of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shown {
    /// For people
    Text,
    /// For programs; the schema is spec/schemas/report-diff.json, or manifest-diff.json
    Json,
    /// For the summary of a pipeline's step
    Markdown,
}

/// What tells the two kinds of documents apart.
#[derive(Deserialize)]
struct Marks {
    totals: Option<IgnoredAny>,
    requirements: Option<IgnoredAny>,
    actions: Option<IgnoredAny>,
}

/// Whether a file is, or was surely meant to be, a report; what cannot be read is left to whoever says why.
fn is_report(path: &Path) -> bool {
    if path == Path::new("-") || Format::of(path) == Format::Yaml {
        return false;
    }
    let Ok(bytes) = read_bounded(path, report::MOST_BYTES as u64) else {
        return false;
    };
    let marks: Result<Marks, _> = serde_json::from_slice(&bytes);
    marks.is_ok_and(|marks| {
        marks.actions.is_none() && (marks.totals.is_some() || marks.requirements.is_some())
    })
}

impl DiffCommand {
    /// Compares. Ends with 1 if something got worse, or if manifests do not pass what was asked of them.
    pub fn execute(self) -> Result<u8, Failure> {
        match (is_report(&self.before), is_report(&self.after)) {
            (true, true) => self.reports(),
            (false, false) => {
                let form = match self.format {
                    Shown::Text => Form::Text,
                    Shown::Json => Form::Json,
                    Shown::Markdown => Form::Markdown,
                };
                compat::execute(&self.before, &self.after, form, &self.manifests)
            }
            (report, _) => {
                let (report, other) = match report {
                    true => (&self.before, &self.after),
                    false => (&self.after, &self.before),
                };
                Err(Failure::usage(format!(
                    "{} is a report and {} is no report; give two reports, or two manifests",
                    report.display(),
                    other.display()
                )))
            }
        }
    }

    fn reports(self) -> Result<u8, Failure> {
        if let Some(option) = self.manifests.given() {
            return Err(Failure::usage(format!(
                "{option} is for manifests; leave it out to compare reports"
            )));
        }
        let found = diff(&read_report(&self.before)?, &read_report(&self.after)?);
        let format = match self.format {
            Shown::Text => DiffFormat::Text,
            Shown::Json => DiffFormat::Json,
            Shown::Markdown => DiffFormat::Markdown,
        };
        show(&render(&found, format).map_err(Failure::harness)?);
        Ok(u8::from(found.is_worse()))
    }
}
