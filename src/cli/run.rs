//! `oap-conform run`: judge a runtime.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use mock_services::MockServices;

use super::Format;
use super::failure::Failure;
use super::harness;
use crate::mutants::{self, Standing};
use crate::requirement::{Profile, Registry};
use crate::runtime::{self, Reference, Running};
use crate::selftest;
use crate::suite::applicability::Capabilities;
use crate::suite::case::Case;
use crate::suite::describe;
use crate::suite::files::{Files, Temporary};
use crate::suite::identity::Keys;
use crate::suite::measure::Process;
use crate::suite::report::{Progress, Report, Style, render_json, render_terminal};
use crate::suite::target::{HttpTarget, Target, discover};
use crate::suite::{EventSink, Options, Times};

const AFTER_HELP: &str = "\
Without --url the built-in reference is judged. With --url the runtime that listens there is;
start it first in the whole environment of spec/harness.md (tokens, granted names, time limit of
the model), with OPENAI_BASE_URL leading to --model-listen:

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
    /// Judge the runtime that listens at this base URL
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Judge a deliberately broken target, to see a check fail; 'explain' names the mutants of a requirement
    #[arg(long, value_name = "NAME", conflicts_with = "url")]
    mutant: Option<String>,
    /// Where the scripted model listens, for a runtime at --url
    #[arg(long, value_name = "ADDR", requires = "url")]
    model_listen: Option<std::net::SocketAddr>,
    /// Where the calendar listens, which the plugins of a runtime at --url call
    #[arg(long, value_name = "ADDR", requires = "url")]
    calendar_listen: Option<std::net::SocketAddr>,
    /// Where the object store listens, for a runtime at --url; without it the cases about S3 do not apply
    #[arg(long, value_name = "ADDR", requires = "url")]
    objects_listen: Option<std::net::SocketAddr>,
    /// A folder that the runtime at --url sees under the same path and allows as a root; without it the cases about files do not apply
    #[arg(long, value_name = "DIR", requires = "url")]
    files: Option<PathBuf>,
    /// Where the clock of the runtime at --url can be moved; without it the cases that move it do not apply
    #[arg(long, value_name = "URL", requires = "url")]
    clock: Option<String>,
    /// Process of the runtime at --url, whose processor time is then measured; without it that limit is not observed
    #[arg(long, value_name = "PID", requires = "url")]
    pid: Option<u32>,
    /// Judge a runtime beyond loopback; the cases create, close and delete there
    #[arg(long, requires = "url")]
    allow_destructive: bool,
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
    /// Only the cases that failed last time in this folder
    #[arg(long)]
    last_failed: bool,
    /// Cases that run at the same time
    #[arg(long, value_name = "N", default_value = "2", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
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
    #[arg(long, conflicts_with_all = ["repeat", "keep", "report"])]
    dry: bool,
    /// Longest wait for one answer, in milliseconds
    #[arg(long, value_name = "MS", default_value = "10000", value_parser = clap::value_parser!(u64).range(1..=600_000))]
    timeout: u64,
    /// Text or JSON on standard output
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Also write a report, as json=PATH
    #[arg(long, value_name = "FORMAT=PATH", value_parser = report_path)]
    report: Vec<PathBuf>,
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

/// A target that this process started.
enum BuiltIn {
    Reference(Running),
    Mutant(Standing),
}

impl BuiltIn {
    fn url(&self) -> String {
        match self {
            Self::Reference(running) => format!("http://{}", running.addr),
            Self::Mutant(standing) => standing.url.clone(),
        }
    }

    fn clock_url(&self) -> Option<String> {
        match self {
            Self::Reference(running) => running.clock_url(),
            Self::Mutant(standing) => standing.clock_url(),
        }
    }

    async fn shutdown(self) {
        match self {
            Self::Reference(running) => running.shutdown().await,
            Self::Mutant(standing) => standing.shutdown().await,
        }
    }
}

fn report_path(text: &str) -> Result<PathBuf, String> {
    match text.split_once('=') {
        Some(("json", path)) if !path.is_empty() => Ok(PathBuf::from(path)),
        _ => Err("write it as json=PATH".to_owned()),
    }
}

impl Run {
    /// Runs the cases and prints the report.
    pub async fn execute(self) -> Result<u8, Failure> {
        let cases = harness::cases(self.cases.as_deref())?;
        let external = self.external()?;
        let mocks = mock_services::start(mock_services::Options {
            model_listen: self.model_listen,
            calendar_listen: self.calendar_listen,
            objects_listen: self.objects_listen,
            credentials: match external {
                Some(_) => harness::credentials(),
                None => mock_services::Credentials::default(),
            },
            ..mock_services::Options::default()
        })
        .await
        .map_err(harness::mocks_failed)?;
        let mocks = Arc::new(mocks);
        let own = match external {
            Some(_) => None,
            None => Some(Temporary::new().map_err(Failure::harness)?),
        };
        let files = match (&own, &self.files) {
            (Some(own), _) => Some(own.files().clone()),
            (None, Some(folder)) => Some(Files::at(folder).map_err(Failure::usage)?),
            (None, None) => None,
        };
        let (target, standing) = match external {
            Some(target) => (target, None),
            None => {
                let standing = self.built_in(&mocks, files.as_ref()).await?;
                let target =
                    HttpTarget::new(&standing.url(), Vec::new()).map_err(Failure::harness)?;
                (target, Some(standing))
            }
        };
        let target: Arc<dyn Target> = Arc::new(target);
        let clock = match &standing {
            Some(standing) => standing.clock_url(),
            None => self.clock.clone(),
        };
        let options = Options {
            files,
            ..self.options(standing.is_none(), clock)
        };
        let code = if self.dry {
            self.plan(&cases, target.as_ref(), &options).await
        } else {
            tokio::select! {
                code = self.judge(&cases, Arc::clone(&target), Arc::clone(&mocks), &options) => code,
                stopped = harness::interrupted() => {
                    stopped?;
                    Err(Failure::harness("interrupted; no verdict"))
                }
            }
        };
        if let Some(standing) = standing {
            standing.shutdown().await;
        }
        code
    }

    /// Starts the reference, or the mutant that was asked for.
    async fn built_in(
        &self,
        mocks: &MockServices,
        files: Option<&Files>,
    ) -> Result<BuiltIn, Failure> {
        harness::prepare_sandbox().await?;
        let config = selftest::reference(mocks);
        let config = match files {
            Some(files) => selftest::with_roots(config, files, mocks),
            None => config,
        };
        let Some(name) = &self.mutant else {
            return runtime::start(config, Arc::new(Reference))
                .await
                .map(BuiltIn::Reference)
                .map_err(|error| Failure::harness(error.to_string()));
        };
        let mutant = mutants::all()
            .into_iter()
            .find(|mutant| mutant.name == name)
            .ok_or_else(|| {
                Failure::usage(format!(
                    "there is no mutant '{name}'; 'oap-conform explain REQUIREMENT' names those of a requirement"
                ))
            })?;
        mutant
            .start(config)
            .await
            .map(BuiltIn::Mutant)
            .map_err(Failure::harness)
    }

    async fn judge(
        &self,
        cases: &[Case],
        target: Arc<dyn Target>,
        mocks: Arc<MockServices>,
        options: &Options,
    ) -> Result<u8, Failure> {
        let progress = Progress::new();
        let sink: &dyn EventSink = if std::io::stderr().is_terminal() {
            &progress
        } else {
            &()
        };
        let report = crate::suite::run(cases, target, mocks, options, sink).await?;
        self.print(&report)?;
        Ok(report.exit_code().number())
    }

    fn print(&self, report: &Report) -> Result<(), Failure> {
        let json = render_json(report).map_err(Failure::harness)?;
        for path in &self.report {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder).map_err(|error| {
                    Failure::usage(format!("cannot write {}: {error}", path.display()))
                })?;
            }
            std::fs::write(path, &json).map_err(|error| {
                Failure::usage(format!("cannot write {}: {error}", path.display()))
            })?;
        }
        let text = match self.format {
            Format::Json => json,
            Format::Text => render_terminal(
                report,
                Registry::embedded(),
                Style {
                    colour: std::io::stdout().is_terminal()
                        && std::env::var_os("NO_COLOR").is_none(),
                    verbose: self.verbose,
                },
            ),
        };
        // A reader that went away early, such as `head`, is not an error of the run.
        let _ = std::io::stdout().write_all(text.as_bytes());
        Ok(())
    }

    async fn plan(
        &self,
        cases: &[Case],
        target: &dyn Target,
        options: &Options,
    ) -> Result<u8, Failure> {
        crate::suite::target::wait_ready(target, options.times.ready).await?;
        let capabilities: Capabilities = discover(target, options.times.request).await;
        let planned = describe::plan(cases, Registry::embedded(), &capabilities, options)?;
        match self.format {
            Format::Json => println!("{}", harness::pretty(&planned)?),
            Format::Text => print!("{}", describe::plan_text(&planned)),
        }
        Ok(0)
    }

    /// The target at `--url`, refused beyond loopback unless that was allowed.
    fn external(&self) -> Result<Option<HttpTarget>, Failure> {
        let Some(url) = &self.url else {
            return Ok(None);
        };
        let target = HttpTarget::new(url, Vec::new()).map_err(Failure::usage)?;
        if !target.is_loopback() && !self.allow_destructive {
            return Err(Failure::usage(format!(
                "{url} is not on this machine's loopback; the cases create, close and delete sessions and manifests \
                 there: add --allow-destructive if that is meant"
            )));
        }
        Ok(Some(target))
    }

    /// This command without what chooses cases, order and form of the answer.
    fn command(&self) -> String {
        let mut words = vec!["oap-conform run".to_owned()];
        let mut add = |flag: &str, value: Option<String>| {
            words.extend(value.map(|value| format!("{flag} {value}")));
        };
        add("--url", self.url.clone());
        add("--model-listen", self.model_listen.map(|at| at.to_string()));
        add(
            "--calendar-listen",
            self.calendar_listen.map(|at| at.to_string()),
        );
        add(
            "--objects-listen",
            self.objects_listen.map(|at| at.to_string()),
        );
        let shared = self.files.as_ref();
        add("--files", shared.map(|folder| folder.display().to_string()));
        add("--clock", self.clock.clone());
        add("--pid", self.pid.map(|pid| pid.to_string()));
        add("--mutant", self.mutant.clone());
        let folder = self.cases.as_ref();
        add("--cases", folder.map(|folder| folder.display().to_string()));
        if self.allow_destructive {
            words.push("--allow-destructive".to_owned());
        }
        words.join(" ")
    }

    fn options(&self, external: bool, clock: Option<String>) -> Options {
        let defaults = Options::default();
        let secrets = if external {
            let from_environment = |(name, value): (String, String)| {
                let value = std::env::var(&name).unwrap_or(value);
                (name, value)
            };
            defaults.secrets.into_iter().map(from_environment).collect()
        } else {
            defaults.secrets
        };
        let known = |name: &str| -> String {
            let found = secrets.iter().find(|(own, _)| own == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let keys = Keys {
            hs256: known("OAP_TEST_JWT_HS256"),
            static_token: known("OAP_TEST_STATIC_TOKEN"),
        };
        Options {
            filter: self.filter.clone(),
            profiles: self.profile.iter().copied().collect(),
            jobs: usize::from(self.jobs),
            seed: self.seed.unwrap_or_else(seed_from_clock),
            repeat: self.repeat as usize,
            fail_fast: self.fail_fast,
            last_failed: self.last_failed,
            state_file: Some(PathBuf::from(STATE_FILE)),
            keep: self.keep.clone(),
            times: Times {
                request: std::time::Duration::from_millis(self.timeout),
                ..Times::default()
            },
            force: false,
            capabilities: None,
            command: self.command(),
            secrets,
            keys,
            clock,
            process: match self.url {
                Some(_) => self.pid.map(Process::Tree),
                None => Some(Process::Own),
            },
            files: None,
            objects: self.url.is_none() || self.objects_listen.is_some(),
        }
    }
}

/// A seed that another run will not share; it keeps apart the manifests of two runs against one target.
fn seed_from_clock() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(1, |since| since.as_micros() as u64)
}
