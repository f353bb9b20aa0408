//! `oap-conform diff` of two manifests: what changed, whom it breaks, and which version that demands.

mod render;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use semver::Version;
use serde_json::Value;

use super::given::{Judged, Source, named_twice, sources};
use crate::cli::failure::Failure;
use crate::cli::output::show;
use crate::compat::demand::{self, Bump, Refusal};
use crate::compat::{self, Change, Level};
use crate::document::{Document, Limits};
use crate::json;
use crate::manifest;

/// Options of `diff` that are for manifests only.
#[derive(Debug, Args)]
pub(in crate::cli) struct OfManifests {
    /// Manifests: end with 1 if the version of NEW is too low for what changed
    #[arg(long, help_heading = "Options for manifests")]
    pub check: bool,
    /// Manifests: a change that is known and accepted, by its fingerprint; repeat for more
    #[arg(long, value_name = "FINGERPRINT", value_parser = fingerprint, help_heading = "Options for manifests")]
    pub accept: Vec<String>,
    /// Manifests: end with 1 on changes that are not accepted [default: none]
    #[arg(
        long,
        value_enum,
        value_name = "LEVEL",
        help_heading = "Options for manifests"
    )]
    pub fail_on: Option<FailOn>,
}

impl OfManifests {
    /// The first of its options that was given.
    pub fn given(&self) -> Option<&'static str> {
        if self.check {
            Some("--check")
        } else if !self.accept.is_empty() {
            Some("--accept")
        } else {
            self.fail_on.map(|_| "--fail-on")
        }
    }
}

/// Which changes end the command with 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum FailOn {
    /// Those that break something
    Breaking,
    /// All
    Any,
    /// None
    None,
}

/// How a comparison is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Form {
    Text,
    Json,
    Markdown,
}

fn fingerprint(text: &str) -> Result<String, String> {
    let digits = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    match text.len() == 16 && text.chars().all(digits) {
        true => Ok(text.to_owned()),
        false => Err("a fingerprint has 16 digits 0-9 and a-f, as diff prints it".to_owned()),
    }
}

/// One of the two documents.
struct Side {
    name: String,
    document: Document,
    digest: String,
    /// What it is called in its own words, as far as it says.
    called: Option<String>,
    version: Option<Version>,
}

/// What was found out about two manifests.
struct Comparison<'o> {
    old: Side,
    new: Side,
    changes: Vec<Change>,
    accept: &'o [String],
    /// With `--check`, whether the version of the newer one fits.
    fits: Option<Result<(), Refusal>>,
}

impl Comparison<'_> {
    fn is_accepted(&self, change: &Change) -> bool {
        self.accept.contains(&change.fingerprint)
    }

    /// The worst level of what is not accepted.
    fn worst(&self) -> Option<Level> {
        let counts = self
            .changes
            .iter()
            .filter(|change| !self.is_accepted(change));
        counts.map(|change| change.level).max()
    }

    fn count(&self, level: Level) -> usize {
        let counts = self
            .changes
            .iter()
            .filter(|change| !self.is_accepted(change));
        counts.filter(|change| change.level == level).count()
    }

    fn accepted(&self) -> usize {
        let changes = self.changes.iter();
        changes.filter(|change| self.is_accepted(change)).count()
    }

    /// The part of the version that has to be raised, and the least version with it raised.
    fn demanded(&self) -> Option<(Bump, Version)> {
        let old = self.old.version.as_ref()?;
        let bump = Bump::demanded(old, self.worst());
        Some((bump, bump.least(old)))
    }

    /// Fingerprints that accept nothing.
    fn idle(&self) -> Vec<&str> {
        let mut idle: Vec<&str> = self.accept.iter().map(String::as_str).collect();
        idle.retain(|print| {
            !self
                .changes
                .iter()
                .any(|change| change.fingerprint == *print)
        });
        idle.dedup();
        idle
    }
}

/// Whether a value is a manifest by its looks: it lists actions, or says that it is one.
fn looks_like_a_manifest(value: &Value) -> bool {
    manifest::unified(value)
        .value
        .as_object()
        .is_some_and(|members| members.contains_key("actions"))
}

/// Compares two manifests. Ends with 1 if the version is too low, with `--check`, or on changes that `--fail-on` names.
pub(in crate::cli) fn execute(
    old: &Path,
    new: &Path,
    form: Form,
    options: &OfManifests,
) -> Result<u8, Failure> {
    let given = sources(&[PathBuf::from(old), PathBuf::from(new)])?;
    let [old, new] = &given[..] else {
        return Err(Failure::harness("diff compares two documents"));
    };
    let (old, new) = (read(old)?, read(new)?);
    let changes = compat::compare(&old.document, &new.document);
    let mut comparison = Comparison {
        old,
        new,
        changes,
        accept: &options.accept,
        fits: None,
    };
    if options.check {
        let version = |side: &Side| {
            side.version.clone().ok_or_else(|| {
                let name = &side.name;
                Failure::usage(format!(
                    "--check needs the version of {name}; write it as MAJOR.MINOR.PATCH"
                ))
            })
        };
        let (before, after) = (version(&comparison.old)?, version(&comparison.new)?);
        let differs = comparison.old.digest != comparison.new.digest;
        comparison.fits = Some(demand::check(&before, &after, differs, comparison.worst()));
    }
    show(&match form {
        Form::Text => render::text(&comparison),
        Form::Json => render::json(&comparison)?,
        Form::Markdown => render::markdown(&comparison),
    });
    let failing = match options.fail_on {
        Some(FailOn::Breaking) => comparison.worst() == Some(Level::Breaking),
        Some(FailOn::Any) => comparison.worst().is_some(),
        Some(FailOn::None) | None => false,
    };
    let unfit = matches!(comparison.fits, Some(Err(_)));
    Ok(u8::from(failing || unfit))
}

fn read(source: &Source) -> Result<Side, Failure> {
    let complain = |judged: &Judged| Failure::usage(judged.complaints().trim_end().to_owned());
    let document = source
        .read(&Limits::DOCUMENT)
        .map_err(|unread| complain(&Judged::unread(source, unread)))?;
    let twice = named_twice(&document);
    if !twice.is_empty() {
        return Err(complain(&Judged::new(source, &document, twice)));
    }
    if !looks_like_a_manifest(document.value()) {
        return Err(Failure::usage(format!(
            "cannot compare {}: it is no report and no manifest; name two reports of 'oap-conform run', or two manifests",
            source.name()
        )));
    }
    let form = manifest::unified(document.value()).value;
    let text = |name: &str| form.get(name).and_then(Value::as_str).map(str::to_owned);
    Ok(Side {
        name: source.name(),
        digest: json::digest(&form),
        called: text("name"),
        version: text("version").and_then(|text| manifest::parse_version(&text)),
        document,
    })
}
