//! `oap-conform fuzz`: generated worlds against a runtime, judged by properties.

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::Format;
use super::failure::{Failure, read_file};
use super::harness;
use super::output::{self, Destination};
use super::run::seed_from_clock;
use super::run::stand::Stand;
use super::run::target::{Chosen, TargetChoice};
use crate::fuzz::{self, Known, Outcome, Plan, Watch, property, report};
use crate::suite::target::definition::Limits;
use crate::suite::target::family;
use crate::suite::{Options, Times};

const AFTER_HELP: &str = "\
A world is a manifest, a script of the model, the behaviour of services and the calls of a client,
all drawn from the seed. Each is run as an ordinary case, and every property must hold in it.
What fails is made as small as it can be, told as a story and saved as a case that 'run' takes:

  oap-conform fuzz --command 'python3 main.py' --seed 1 --cases 2000
  oap-conform run --command 'python3 main.py' --cases .oap-conform/fuzz

The same seed gives the same worlds, whatever --jobs is. --list shows the properties. A file for
--known says which failures are accepted for now:

  [[known]]
  property = \"observation-is-the-fold-of-results\"
  requirement = \"OBS-009\"     # absent: every requirement of the property
  reason = \"numbers above 2^53 are rounded until the next release\"

Exit codes: 0 every property held, or only known failures; 1 one did not, or a failure is flaky;
2 usage; 3 the target is not there; 4 no world was observed; 5 the harness failed";

/// Options of `fuzz`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Fuzz {
    #[command(flatten)]
    target: TargetChoice,
    /// Decides every world [default: from the clock, printed]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Worlds to try
    #[arg(long, value_name = "N", default_value = "500", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    cases: u64,
    /// The number of the first world, to try one of a seed again
    #[arg(long, value_name = "K", default_value = "0")]
    at: u64,
    /// Begin no world after so many seconds
    #[arg(long, value_name = "SECS", value_parser = clap::value_parser!(u64).range(1..=604_800))]
    time: Option<u64>,
    /// Worlds that are tried at the same time [default: 2, or what the target's definition says]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    /// Only this property; repeat for more
    #[arg(long = "property", value_name = "ID")]
    properties: Vec<String>,
    /// Begin no further world after the first that fails
    #[arg(long)]
    fail_fast: bool,
    /// Most runs to make one failure smaller; 0 leaves it as it was found
    #[arg(long, value_name = "N", default_value = "300")]
    shrink: usize,
    /// Longest time to make one failure smaller, in seconds
    #[arg(long, value_name = "SECS", default_value = "60", value_parser = clap::value_parser!(u64).range(0..=86_400))]
    shrink_time: u64,
    /// Accept the failures that this file names
    #[arg(long, value_name = "FILE")]
    known: Option<PathBuf>,
    /// The folder for the case of each failure
    #[arg(
        long,
        value_name = "DIR",
        default_value = ".oap-conform/fuzz",
        conflicts_with = "no_save"
    )]
    save: PathBuf,
    /// Save no case
    #[arg(long)]
    no_save: bool,
    /// What stands on standard output
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Also write a report into a file: FORMAT is json or text; repeat for more
    #[arg(long = "report", value_name = "FORMAT=PATH")]
    reports: Vec<Destination<Form>>,
    /// Longest wait for one answer, in milliseconds [default: 10000, or what the target's definition says]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=600_000))]
    timeout: Option<u64>,
    /// Only show the properties and what each says
    #[arg(long)]
    list: bool,
}

/// The forms of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Text,
}

impl FromStr for Form {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "json" => Ok(Self::Json),
            "text" => Ok(Self::Text),
            other => Err(format!(
                "'{other}' is no form of this report; use json or text"
            )),
        }
    }
}

impl Fuzz {
    /// Tries worlds and prints what they came to.
    pub async fn execute(self) -> Result<u8, Failure> {
        if self.list {
            match self.format {
                Format::Text => output::show(&report::list()),
                Format::Json => println!("{}", harness::pretty(&report::list_json())?),
            }
            return Ok(0);
        }
        if self.target.transcripts().is_some() {
            return Err(Failure::usage(
                "transcripts cannot be fuzzed; name a runtime with --command, --stdio, --url or --target",
            ));
        }
        let chosen = self.target.chosen()?;
        let plan = self.plan(&chosen)?;
        output::prepare(self.reports.iter().map(|one| one.path.as_path()))?;
        if self.target.is_silent() {
            eprintln!(
                "fuzzing the built-in reference: there is no oap-target.toml here, and no --command, --url or --stdio"
            );
        }
        let options = self.options(&chosen, &plan);
        if let Chosen::Own(own) = &chosen
            && own.definition.start.is_some()
        {
            // So that also what left its group is found and ended.
            family::take_in_orphans();
        }
        let outcome = harness::to_its_end(self.on_stand(chosen, options, &plan)).await?;
        self.write(&outcome)?;
        Ok(outcome.exit_code().number())
    }

    /// Starts what is fuzzed, fuzzes it, and ends it.
    async fn on_stand(
        &self,
        chosen: Chosen,
        options: Options,
        plan: &Plan,
    ) -> Result<Outcome, Failure> {
        let stand = Stand::up(chosen).await?;
        let options = stand.on(options);
        let bar = Bar::new(plan.cases);
        let work = fuzz::fuzz(
            Arc::clone(&stand.target),
            Arc::clone(&stand.mocks),
            &options,
            plan,
            &bar,
        );
        let outcome = tokio::select! {
            biased;
            failure = stand.broken() => Err(failure),
            outcome = work => outcome.map_err(Failure::from),
        };
        bar.0.finish_and_clear();
        let broke = stand.down(None).await;
        let outcome = outcome?;
        match broke {
            Some(failure) => Err(failure),
            None => Ok(outcome),
        }
    }

    fn write(&self, outcome: &Outcome) -> Result<(), Failure> {
        for Destination { format, path } in &self.reports {
            let text = match format {
                Form::Json => harness::pretty(&outcome.json())? + "\n",
                Form::Text => outcome.text(),
            };
            std::fs::write(path, text).map_err(|error| output::cannot_write(path, &error))?;
        }
        match self.format {
            Format::Text => output::show(&outcome.text()),
            Format::Json => output::show(&(harness::pretty(&outcome.json())? + "\n")),
        }
        Ok(())
    }

    fn plan(&self, chosen: &Chosen) -> Result<Plan, Failure> {
        for name in &self.properties {
            if !property::all().iter().any(|property| property.id == name) {
                return Err(Failure::usage(format!(
                    "there is no property '{name}'; 'oap-conform fuzz --list' shows them"
                )));
            }
        }
        let defaults = Options::default();
        let limits = limits(chosen);
        let most = limits.jobs.map_or(usize::MAX, usize::from);
        let asked = self.jobs.or(limits.jobs).map(usize::from);
        let target = self.target.words();
        let with = |words: &[String]| {
            let mut all = target.clone();
            all.extend_from_slice(words);
            all.join(" ")
        };
        let own: Vec<String> = self
            .properties
            .iter()
            .map(|name| format!("--property {name}"))
            .collect();
        Ok(Plan {
            seed: self.seed.unwrap_or_else(seed_from_clock),
            salt: seed_from_clock(),
            first: self.at,
            cases: self.cases,
            time: self.time.map(Duration::from_secs),
            jobs: asked.unwrap_or(defaults.jobs).min(most),
            properties: self.properties.iter().cloned().collect::<BTreeSet<_>>(),
            fail_fast: self.fail_fast,
            shrink: self.shrink,
            shrink_time: Duration::from_secs(self.shrink_time),
            known: self
                .known
                .as_deref()
                .map(known)
                .transpose()?
                .unwrap_or_default(),
            save: (!self.no_save).then(|| self.save.clone()),
            command: format!("oap-conform fuzz {}", with(&own))
                .trim_end()
                .to_owned(),
            run_command: format!("oap-conform run {}", with(&[]))
                .trim_end()
                .to_owned(),
        })
    }

    fn options(&self, chosen: &Chosen, plan: &Plan) -> Options {
        let defaults = Options::default();
        let request = self.timeout.or(limits(chosen).request_ms);
        Options {
            seed: plan.seed,
            jobs: plan.jobs,
            times: Times {
                request: request.map_or(defaults.times.request, Duration::from_millis),
                ..defaults.times
            },
            command: plan.run_command.clone(),
            gives_up: matches!(chosen, Chosen::Own(_)),
            ..defaults
        }
    }
}

fn limits(chosen: &Chosen) -> Limits {
    match chosen {
        Chosen::Own(own) => own.definition.limits.clone(),
        _ => Limits::default(),
    }
}

fn known(path: &Path) -> Result<Known, Failure> {
    let bytes = read_file(path)?;
    let cannot = |why: String| Failure::usage(format!("cannot use {}: {why}", path.display()));
    let text = String::from_utf8(bytes).map_err(|_| cannot("it is not UTF-8".to_owned()))?;
    Known::parse(&text).map_err(cannot)
}

/// Shows how far it is, on standard error; draws nothing where that is no terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new(cases: u64) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::new(cases);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }
}

impl Watch for Bar {
    fn tried(&self, done: u64, _of: u64, failed: u64) {
        self.0.set_position(done);
        if failed > 0 {
            self.0.set_message(format!("{failed} failed"));
        }
    }

    fn shrinks(&self, property: &str, runs: usize) {
        self.0
            .set_message(format!("{property}: shrinking, run {runs}"));
    }
}
