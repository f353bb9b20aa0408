//! `oap-conform verify`: transcripts, without the runtime that they are of.

use std::path::PathBuf;

use clap::Args;

use crate::cli::failure::{Failure, plural};
use crate::cli::output::{Output, Shown};
use crate::cli::run::stand;
use crate::suite::Options;
use crate::suite::gate::FailOn;
use crate::suite::offline::{self, Sources};
use crate::suite::report::Report;
use crate::suite::verdict::{ExitCode, Verdict};

const AFTER_HELP: &str = "\
A transcript is judged by its manifest: the one of its digest, or else of its name and version, that
is named, lies beside it as NAME.manifest.json, or is among the fixtures of this program. Without it
nothing is replayed or checked against schemas, and the report says that it passed in part.

  oap-conform verify transcripts/ --against manifests/
  my-runtime export --all | oap-conform verify - --manifest meetbot.json --report sarif=oap.sarif

Exit codes: 0 nothing in them breaks a requirement, 1 something does, 2 a file cannot be read.";

/// Options of `verify`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct Verify {
    /// Transcripts: .json files, .jsonl or .ndjson streams, folders of both, or - for standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Judge by this manifest, JSON or YAML; repeat for more
    #[arg(long, value_name = "FILE")]
    manifest: Vec<PathBuf>,
    /// Judge by the manifests of this folder; repeat for more
    #[arg(long, value_name = "DIR")]
    against: Vec<PathBuf>,
    /// Only these: a comma list of parts or globs of TRANSCRIPT-<path>
    #[arg(
        long,
        value_name = "FILTER",
        default_value = "",
        hide_default_value = true
    )]
    filter: String,
    /// Search for the value of this environment variable too; repeat for more
    #[arg(long, value_name = "NAME")]
    secret: Vec<String>,
    /// Do not take for a secret what only looks like one
    #[arg(long)]
    no_secret_shapes: bool,
    /// Outcomes that give a non-zero exit: a comma list of violation, warning, incomplete; or none
    #[arg(long, value_name = "OUTCOMES", default_value = "violation")]
    fail_on: FailOn,
    #[command(flatten)]
    output: Output,
    /// Also show what does not apply
    #[arg(long, short)]
    verbose: bool,
}

impl Verify {
    /// Judges what is named and prints the report.
    pub fn execute(self) -> Result<u8, Failure> {
        self.output.prepare()?;
        let mut secrets = stand::of_the_environment()?;
        for name in &self.secret {
            let value = std::env::var(name).map_err(|_| {
                Failure::usage(format!(
                    "there is no environment variable {name} with a text; set it"
                ))
            })?;
            secrets.push((name.clone(), value));
        }
        let command = self.again();
        let sources = Sources {
            paths: self.paths,
            manifests: self.manifest,
            against: self.against,
            by_shape: !self.no_secret_shapes,
        };
        let options = Options {
            filter: self.filter,
            command,
            secrets,
            ..Options::default()
        };
        let report = offline::verify(&sources, &options, &())?;
        self.output.write(&report, self.verbose)?;
        if self.output.format == Shown::Text {
            eprintln!("{}", told(&report));
        }
        let code = report.exit_code_by(&self.fail_on);
        let unread = count(&report, Verdict::SetupFailed);
        if code == ExitCode::Conformant && unread > 0 {
            return Ok(ExitCode::Usage.number());
        }
        Ok(code.number())
    }
}

impl Verify {
    /// The command without paths, which each failure is told with.
    fn again(&self) -> String {
        let named = |option: &str, paths: &[PathBuf]| -> Vec<String> {
            let words = paths.iter().map(|path| path.display().to_string());
            words.flat_map(|path| [option.to_owned(), path]).collect()
        };
        let secrets = self.secret.iter();
        let words = named("--manifest", &self.manifest)
            .into_iter()
            .chain(named("--against", &self.against))
            .chain(secrets.flat_map(|name| ["--secret".to_owned(), name.clone()]))
            .chain(
                self.no_secret_shapes
                    .then(|| "--no-secret-shapes".to_owned()),
            );
        // What no shell can be given, a NUL, is in no path.
        words.fold(offline::VERIFY.to_owned(), |command, word| {
            let word = shlex::try_quote(&word).map_or_else(|_| word.clone(), Into::into);
            format!("{command} {word}")
        })
    }
}

fn count(report: &Report, verdict: Verdict) -> usize {
    let of_verdict = report.cases.iter().filter(|case| case.verdict == verdict);
    of_verdict.count()
}

/// What an auditor asked, answered: the verdict of a report says more than a transcript can show.
fn told(report: &Report) -> String {
    let broken = count(report, Verdict::Fail);
    let unread = count(report, Verdict::SetupFailed);
    let read = plural(report.cases.len() - unread, "transcript");
    let mut told = if broken == 0 {
        format!("nothing in {read} breaks a requirement that a transcript can show")
    } else {
        format!("{broken} of {read} break a requirement")
    };
    // A reason that one has which was judged is that its manifest is not known.
    let is_judged = |verdict| matches!(verdict, Verdict::Pass | Verdict::Warn | Verdict::Fail);
    let unheld = report
        .cases
        .iter()
        .filter(|case| is_judged(case.verdict) && case.reason.is_some());
    let unheld = unheld.count();
    if unheld > 0 {
        told.push_str(&format!(
            "; {unheld} of them judged without a manifest, so only in part: pass --manifest FILE or --against DIR"
        ));
    }
    if unread > 0 {
        told.push_str(&format!("; {unread} could not be read"));
    }
    told
}
