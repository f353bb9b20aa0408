//! `oap-conform lint`: manifests, plans, targets and cases held against the rules.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, ValueEnum};

use super::written;
use crate::cli::failure::{Failure, plural, read_bounded};
use crate::cli::output::{Destination, cannot_write, prepare, show};
use crate::document::Lines;
use crate::lint::config::{self, Config};
use crate::lint::score::Score;
use crate::lint::{DocumentKind, Preset, Severity, all};

mod annotations;
mod draw;
mod explain;
mod files;
mod json;
mod junit;
mod loaded;
mod look;
mod mend;
mod report;
mod sarif;

pub(in crate::cli) use explain::explain;
pub(super) use loaded::told;

use look::Ask;
use report::{FileReport, Report, Shown};

/// The configuration that is read where none is named.
const CONFIG: &str = "oap-lint.toml";

const AFTER_HELP: &str = "\
Without a path it looks through the current folder. Of folders it takes the .json, .yaml and .yml files
that look like one of the kinds, nearly do, are called oap-*.* or *.oap.*, or do not read at all, and oap-target.toml; others are
counted. Hidden folders, node_modules and target are passed over.

  oap-conform lint agents/ --preset strict
  oap-conform lint manifest.json --fix
  oap-conform lint - --format json < manifest.yaml
  oap-conform explain literal_credential

A finding is accepted by \"x-lint-ignore\": [\"rule\"] in the object it is about, by the comment
'# oap-lint-ignore: rule reason' in YAML, or by [[ignore]] in oap-lint.toml; spec/lint.md says more.

Exit codes: 0 nothing found that fails, 1 something found, 2 a file cannot be read, or wrong usage.";

/// Options of `lint`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct Lint {
    /// Files, folders, globs, or - for standard input [default: the current folder]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// What the files are [default: what each looks like]
    #[arg(long, value_enum)]
    kind: Option<KindName>,
    /// Which rules are asked [default: recommended, or what the configuration says]
    #[arg(long, value_enum)]
    preset: Option<PresetName>,
    /// Only this rule, whatever the preset; repeat for more
    #[arg(long, value_name = "RULE")]
    only: Vec<String>,
    /// Not this rule; repeat for more
    #[arg(long, value_name = "RULE")]
    skip: Vec<String>,
    /// The configuration [default: ./oap-lint.toml if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Pass over files that look like none of the kinds, or do not read, even where they are named
    #[arg(long)]
    skip_unknown: bool,
    /// Mend what can be mended without a change of meaning
    #[arg(long)]
    fix: bool,
    /// Mend also where somebody should look at the result
    #[arg(long)]
    fix_unsafe: bool,
    /// Print what would be mended as a unified diff, and change nothing
    #[arg(long, visible_alias = "dry-run")]
    diff: bool,
    /// What stands on standard output
    #[arg(long, value_enum, default_value = "text")]
    format: Form,
    /// Also write a report into a file: FORMAT is one of those of --format; repeat for more
    #[arg(long = "report", value_name = "FORMAT=PATH")]
    reports: Vec<Destination<Form>>,
    /// Fail on findings of this severity and worse
    #[arg(long, value_enum, value_name = "SEVERITY", default_value = "error")]
    fail_on: FailOn,
    /// Fail when there are more warnings than this
    #[arg(long, value_name = "N")]
    max_warnings: Option<usize>,
    /// Fail when the overall score is lower than this
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=100))]
    min_score: Option<u64>,
    /// Print the rules instead
    #[arg(long)]
    list_rules: bool,
}

/// The kinds of documents, as the command line names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KindName {
    /// A manifest, in either spelling
    Manifest,
    /// A node of the workflow profile, a list of them, or a request with open_action
    Plan,
    /// The definition of a target
    Target,
    /// A case of the suite
    Case,
}

impl KindName {
    const fn kind(self) -> DocumentKind {
        match self {
            Self::Manifest => DocumentKind::Manifest,
            Self::Plan => DocumentKind::Plan,
            Self::Target => DocumentKind::Target,
            Self::Case => DocumentKind::Case,
        }
    }
}

/// The presets, as the command line names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PresetName {
    /// Only what the specification demands
    Spec,
    /// And what nearly every author wants to know
    Recommended,
    /// And everything else
    Strict,
}

impl PresetName {
    const fn preset(self) -> Preset {
        match self {
            Self::Spec => Preset::Spec,
            Self::Recommended => Preset::Recommended,
            Self::Strict => Preset::Strict,
        }
    }
}

/// The forms of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// For people: each finding drawn on its line
    Text,
    /// A line for each finding
    Short,
    /// For programs; the schema is spec/schemas/lint-report.json
    Json,
    /// SARIF 2.1.0
    Sarif,
    /// Workflow commands of GitHub Actions, which show findings beside the lines
    Github,
    /// JUnit XML
    Junit,
}

impl FromStr for Form {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        <Self as ValueEnum>::from_str(text, false)
            .map_err(|_| "the form is one of text, short, json, sarif, github, junit".to_owned())
    }
}

/// From which severity on findings fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Errors
    Error,
    /// Warnings and errors
    Warning,
    /// Everything
    Note,
    /// Nothing
    Never,
}

impl FailOn {
    const fn least(self) -> Option<Severity> {
        match self {
            Self::Error => Some(Severity::Error),
            Self::Warning => Some(Severity::Warning),
            Self::Note => Some(Severity::Note),
            Self::Never => None,
        }
    }
}

impl Lint {
    /// Looks at all documents and says what was found.
    pub fn execute(self) -> Result<u8, Failure> {
        if self.list_rules {
            show(&explain::list(self.format)?);
            return Ok(0);
        }
        prepare(self.reports.iter().map(|one| one.path.as_path()))?;
        let (config_path, config_text) = config_text(self.config.as_deref())?;
        let config = read_config(&config_path, &config_text)?;
        let ask = self.ask(config)?;
        let files = files::found(&self.paths)?;
        if ask.mend.writes() && files.iter().any(files::Source::is_stdin) {
            return Err(Failure::usage(
                "the standard input cannot be mended; give a file, or add --diff",
            ));
        }
        let look::All {
            looked,
            mut unreadable,
            unknown,
        } = look::all(&files, &ask)?;
        let mut reports: Vec<FileReport> = Vec::with_capacity(looked.len() + 1);
        let mut scores: Vec<Score> = Vec::with_capacity(looked.len());
        let mut used = std::collections::BTreeSet::new();
        let mut names: Vec<String> = Vec::with_capacity(looked.len());
        for looked in looked {
            scores.push(looked.score);
            used.extend(looked.used);
            names.push(looked.report.path.clone());
            unreadable.extend(looked.unwritten);
            reports.push(looked.report);
        }
        let whole = files.iter().any(|file| !file.is_named());
        let unused: Vec<Shown> = look::unused_entries(&ask, &used, &names, whole)
            .into_iter()
            .map(|finding| {
                Shown::new(
                    &finding,
                    &config_text,
                    &config_text,
                    &Lines::of(&config_text),
                    None,
                )
            })
            .collect();
        if !unused.is_empty() {
            reports.push(FileReport::of_config(&config_path, unused));
        }
        let report = Report::new(reports, unreadable, unknown, &ask, Score::overall(scores));
        self.write(&report)?;
        Ok(self.verdict(&report))
    }

    fn ask(&self, config: Config) -> Result<Ask, Failure> {
        for id in self.only.iter().chain(&self.skip) {
            config::known(id).map_err(Failure::usage)?;
        }
        let preset = match (self.preset, config.preset) {
            (Some(named), _) => named.preset(),
            (None, Some(configured)) => configured,
            (None, None) => Preset::Recommended,
        };
        let selection = config
            .selection(preset)
            .only(self.only.iter().cloned())
            .skip(self.skip.iter().cloned());
        let rules = all().filter(|rule| selection.has(rule)).count();
        if rules == 0 {
            return Err(Failure::usage(
                "no rule is left; --only and --skip (or 'skip' of the configuration) leave none",
            ));
        }
        Ok(Ask {
            config,
            selection,
            preset,
            chosen: !self.only.is_empty(),
            rules,
            kind: self.kind.map(KindName::kind),
            skip_unknown: self.skip_unknown,
            mend: mend::Mend {
                safe: self.fix || self.fix_unsafe || self.diff,
                also_unsafe: self.fix_unsafe,
                only_show: self.diff,
            },
        })
    }

    fn write(&self, report: &Report) -> Result<(), Failure> {
        for Destination { format, path } in &self.reports {
            let text = self.render(report, *format, false)?;
            written::to(path, &text).map_err(|error| cannot_write(path, &error))?;
        }
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        if self.diff && self.format == Form::Text {
            // The difference alone, for `patch` and `git apply`.
            let diffs = report.files.iter().filter_map(|file| file.diff.as_deref());
            let diffs: String = diffs.collect();
            if std::io::stdout().is_terminal() {
                show(&crate::suite::report::text::lines(&diffs));
            } else {
                show(&diffs);
            }
            complain(&draw::summary(report));
        } else {
            show(&self.render(report, self.format, colour)?);
        }
        for (path, why) in &report.unreadable {
            complain(&format!("error: {}\n", draw::cannot(path, why)));
        }
        Ok(())
    }

    fn render(&self, report: &Report, form: Form, colour: bool) -> Result<String, Failure> {
        match form {
            Form::Text => Ok(draw::text(report, colour)),
            Form::Short => Ok(draw::short(report)),
            Form::Json => json::render(report),
            Form::Sarif => sarif::render(report),
            Form::Github => Ok(annotations::render(report)),
            Form::Junit => junit::render(report, self.fail_on.least()),
        }
    }

    /// The exit code, and on standard error why it is not 0 where the findings do not say so.
    fn verdict(&self, report: &Report) -> u8 {
        let mut fails = false;
        if let Some(least) = self.fail_on.least() {
            fails |= report.count_from(least) > 0;
        }
        let warnings = report.count(Severity::Warning);
        if let Some(most) = self.max_warnings.filter(|most| warnings > *most) {
            complain(&format!(
                "error: {} found, and --max-warnings allows {most}\n",
                plural(warnings, "warning")
            ));
            fails = true;
        }
        if let (Some(least), Some(score)) = (self.min_score, report.score)
            && score < least
        {
            complain(&format!(
                "error: the score is {score}, and --min-score wants {least}\n"
            ));
            fails = true;
        }
        if report.unreadable.is_empty() {
            u8::from(fails)
        } else {
            2
        }
    }
}

/// The path and text of a configuration, of `oap-lint.toml` of the current folder if none is named; an empty text where there is none.
pub(super) fn config_text(named: Option<&Path>) -> Result<(PathBuf, String), Failure> {
    let path = match named {
        Some(path) => path.to_owned(),
        None if Path::new(CONFIG).exists() => PathBuf::from(CONFIG),
        None => return Ok((PathBuf::from(CONFIG), String::new())),
    };
    let cannot = |why: String| Failure::usage(format!("cannot use {}: {why}", path.display()));
    let bytes = read_bounded(&path, config::MOST_BYTES as u64).map_err(cannot)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| cannot("it is not UTF-8; save it as UTF-8".to_owned()))?;
    Ok((path, text))
}

pub(super) fn read_config(path: &Path, text: &str) -> Result<Config, Failure> {
    Config::read(text).map_err(|error| {
        let place = Lines::of(text).place(text, error.span.start);
        Failure::usage(format!(
            "{}:{}:{}: {}",
            path.display(),
            place.line,
            place.column,
            crate::suite::report::text::one_line(&error.message)
        ))
    })
}

/// Tells something on standard error, which may be gone.
fn complain(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
