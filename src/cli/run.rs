//! `oap-conform run`: judge a runtime.

pub(super) mod ground;
pub(super) mod stand;
pub(super) mod target;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use mock_services::MockServices;

use super::failure::Failure;
use super::gate::{Gate, Terms};
use super::harness;
use super::output::{Output, Shown};
use crate::requirement::{Profile, Registry};
use crate::suite::case::Case;
use crate::suite::report::{Progress, Report};
use crate::suite::target::claims::Claims;
use crate::suite::target::definition::Limits;
use crate::suite::target::{Target, discover, family};
use crate::suite::{EventSink, Options, Times};
use crate::suite::{describe, offline};
use stand::Stand;
use target::{Chosen, TargetChoice};

const AFTER_HELP: &str = "\
Without a target of your own the built-in reference is judged. With --command the suite starts
yours, tells it in its environment where model and services are, and ends it:

  oap-conform run --command 'python3 main.py'

oap-target.toml says the same and more; spec/harness.md describes both. With --url the runtime
that listens there is judged; start it first in the whole environment of spec/harness.md, with
OPENAI_BASE_URL leading to --model-listen:

  OPENAI_BASE_URL=http://127.0.0.1:9100/v1 OPENAI_API_KEY=sk-test-model-key-0001 \
    OAP_TEST_PLUGIN_ORIGIN=http://127.0.0.1:9101 my-runtime &
  oap-conform run --url http://127.0.0.1:8080 --model-listen 127.0.0.1:9100 \
    --calendar-listen 127.0.0.1:9101";

/// The folder that remembers which cases failed last.
const STATE_FILE: &str = ".oap-conform/last-failed";

/// Options of `run`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Run {
    #[command(flatten)]
    target: TargetChoice,
    /// Only these cases: a comma list of parts or globs of case ids, requirement ids or sections
    #[arg(
        long,
        value_name = "FILTER",
        default_value = "",
        hide_default_value = true
    )]
    filter: String,
    /// Only cases of this profile; repeat for more
    #[arg(long, value_name = "PROFILE")]
    profile: Vec<Profile>,
    #[command(flatten)]
    gate: Gate,
    /// Only the cases that failed last time in this folder
    #[arg(long)]
    last_failed: bool,
    /// Cases that run at the same time [default: 2, or what the target's definition says]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    /// Seed of tokens and order [default: from the clock, printed]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Run each case N times and print those whose verdict varies
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    repeat: u32,
    /// Start no further case after the first failure
    #[arg(long)]
    fail_fast: bool,
    /// Only show what would run, and why or why not
    #[arg(long, conflicts_with_all = ["repeat", "keep", "reports"])]
    dry: bool,
    /// Longest wait for one answer, in milliseconds [default: 10000, or what the target's definition says]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=600_000))]
    timeout: Option<u64>,
    #[command(flatten)]
    output: Output,
    /// Keep the redacted exchanges of each failure in this folder
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Take the cases from this folder
    #[arg(long, value_name = "DIR")]
    cases: Option<PathBuf>,
    /// Also show what does not apply
    #[arg(long, short)]
    verbose: bool,
}

impl Run {
    /// Runs the cases and prints the report; again on each change, where that was asked for.
    pub async fn execute(self) -> Result<u8, Failure> {
        if !self.gate.watch.is_on() {
            return self.once().await;
        }
        let mut paths: Vec<PathBuf> = self.cases.iter().cloned().collect();
        let stranger = self.target.is_stranger();
        paths.extend(self.target.file().map(Into::into));
        paths.extend(self.gate.baseline_file(stranger).map(Into::into));
        let own: Vec<PathBuf> = self.output.paths().chain(self.keep.clone()).collect();
        self.gate
            .watch
            .repeat(paths, &own, async || {
                if stranger && self.target.is_silent() {
                    return Err(Failure::usage(
                        "oap-target.toml is gone; put it back, and nothing else is judged meanwhile",
                    ));
                }
                self.once().await
            })
            .await
    }

    async fn once(&self) -> Result<u8, Failure> {
        let chosen = self.target.chosen()?;
        let terms = self.gate.terms(self.target.is_stranger())?;
        self.output.prepare()?;
        if let Some(folder) = self.target.transcripts() {
            return self.offline(folder, terms);
        }
        let cases = harness::cases(self.cases.as_deref())?;
        if self.target.is_silent() {
            // A pipeline in the wrong folder must not take this for a verdict on its own runtime.
            eprintln!(
                "judging the built-in reference: there is no oap-target.toml here, and no --command, --url or --stdio"
            );
        }
        let options = terms.on(self.options(&chosen));
        if let Chosen::Own(own) = &chosen {
            Claims::of(&own.definition)
                .check(Registry::embedded(), &cases)
                .map_err(Failure::usage)?;
            if own.definition.start.is_some() {
                // So that also what left its group is found and ended.
                family::take_in_orphans();
            }
        }
        harness::to_its_end(self.on_stand(chosen, &cases, options)).await
    }

    /// Judges a folder of transcripts.
    fn offline(&self, folder: &Path, terms: Terms) -> Result<u8, Failure> {
        if self.dry {
            return Err(Failure::usage(
                "--dry is for runtimes; transcripts are judged without anything being sent",
            ));
        }
        let chosen = self.target.chosen()?;
        let options = terms.on(self.options(&chosen));
        let options = Options {
            secrets: stand::searched(chosen)?,
            ..options
        };
        let report = offline::run(folder, &options, &())?;
        self.output.write(&report, self.verbose)?;
        Ok(report.exit_code_by(self.gate.fail_on()).number())
    }

    /// Starts what is judged, judges it, and ends it.
    async fn on_stand(
        &self,
        chosen: Chosen,
        cases: &[Case],
        options: Options,
    ) -> Result<u8, Failure> {
        let stand = Stand::up(chosen).await?;
        let options = stand.on(options);
        let work = async {
            if self.dry {
                let planned = self.plan(cases, stand.target.as_ref(), &options).await;
                return planned.map(|()| None);
            }
            let (target, mocks) = (Arc::clone(&stand.target), Arc::clone(&stand.mocks));
            self.judge(cases, target, mocks, &options).await.map(Some)
        };
        let report = tokio::select! {
            biased;
            failure = stand.broken() => Err(failure),
            report = work => report,
        };
        let broke = stand.down(self.keep.as_deref()).await;
        let report = report?;
        // An adapter that broke its protocol in the last moment has no verdict either.
        if let Some(failure) = broke {
            return Err(failure);
        }
        let Some(report) = report else {
            return Ok(0);
        };
        self.output.write(&report, self.verbose)?;
        Ok(report.exit_code_by(self.gate.fail_on()).number())
    }

    async fn judge(
        &self,
        cases: &[Case],
        target: Arc<dyn Target>,
        mocks: Arc<MockServices>,
        options: &Options,
    ) -> Result<Report, Failure> {
        let progress = Progress::new();
        let sink: &dyn EventSink = if std::io::stderr().is_terminal() {
            &progress
        } else {
            &()
        };
        Ok(crate::suite::run(cases, target, mocks, options, sink).await?)
    }

    async fn plan(
        &self,
        cases: &[Case],
        target: &dyn Target,
        options: &Options,
    ) -> Result<(), Failure> {
        crate::suite::target::wait_ready(target, options.times.ready).await?;
        let found = discover(target, options.times.request).await;
        let capabilities = options.claims.over(found);
        let planned = describe::plan(cases, Registry::embedded(), &capabilities, options)?;
        match self.output.format {
            Shown::Json => println!("{}", harness::pretty(&planned)?),
            Shown::Text => print!("{}", describe::plan_text(&planned)),
            _ => {
                return Err(Failure::usage(
                    "--dry shows text or json only; choose one of them with --format",
                ));
            }
        }
        Ok(())
    }

    /// This command without what chooses cases, order and form of the answer.
    fn command(&self) -> String {
        let mut words = vec!["oap-conform run".to_owned()];
        words.extend(self.target.words());
        if let Some(folder) = &self.cases {
            words.push(format!("--cases {}", folder.display()));
        }
        words.extend(self.gate.words());
        words.join(" ")
    }

    fn options(&self, chosen: &Chosen) -> Options {
        let limits = match chosen {
            Chosen::Own(own) => own.definition.limits.clone(),
            _ => Limits::default(),
        };
        let defaults = Options::default();
        let asked = self.jobs.or(limits.jobs).map(usize::from);
        let most = limits.jobs.map_or(usize::MAX, usize::from);
        let request = self.timeout.or(limits.request_ms);
        Options {
            filter: self.filter.clone(),
            profiles: self.profile.iter().copied().collect(),
            jobs: asked.unwrap_or(defaults.jobs).min(most),
            seed: self.seed.unwrap_or_else(seed_from_clock),
            repeat: self.repeat as usize,
            fail_fast: self.fail_fast,
            last_failed: self.last_failed,
            state_file: Some(PathBuf::from(STATE_FILE)),
            keep: self.keep.clone(),
            times: Times {
                request: request.map_or(defaults.times.request, Duration::from_millis),
                ..defaults.times
            },
            command: self.command(),
            gives_up: matches!(chosen, Chosen::Own(_)),
            ..defaults
        }
    }
}

/// A seed that another run will not share; it keeps apart the manifests of two runs against one target.
pub(super) fn seed_from_clock() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(1, |since| since.as_micros() as u64)
}
