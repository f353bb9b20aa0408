//! `oap-conform bench`: load on runtimes, with every answer looked at.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

mod contenders;
mod plan;
mod progress;

use super::Format;
use super::failure::Failure;
use super::harness;
use super::output::{self, Destination};
use super::run::stand::Stand;
use super::run::target::Chosen;
use crate::bench::terms::{self, Bound, Plan};
use crate::bench::{self, Entrant, Outcome, Workload};
use crate::suite::target::family;
use crate::suite::{Options, Times};
use progress::Bar;

const AFTER_HELP: &str = "\
Requests come when they are due, whether or not earlier ones were answered, and latency counts from
when each was due: a target that stalls is charged for all that would have come meanwhile. Every
answer is matched as in 'run', and what model and services saw is judged after each round.

  oap-conform bench --target oap-target.toml --workload step --rate 200 --for 30s
  oap-conform bench --target mine/oap-target.toml --reference --rate 100 --for 60s \\
    --report html=load.html
  oap-conform bench --command 'python3 main.py' --workload meetbot --ramp 1..50 --for 60s
  oap-conform bench --reference --workload mixed --find-knee --hold p99=50ms --for 5s
  oap-conform bench --rate 100 --for 10s --fail-above p99=20ms --error-budget 0.1%
  oap-conform bench --contender 'mine=--url http://127.0.0.1:8080 --model-listen 127.0.0.1:9100
    --calendar-listen 127.0.0.1:9101 --pid 4711'

An arrival that comes to no answer is an error, and counts in the latencies as one that took the
time-out. A search gives each rate it tries the time that 20 arrivals take.

Workloads: create (open a session), step (an action that calls a service), step-failing (one whose
service refuses), step-code (code in the sandbox), meetbot (a whole session of four steps, opened
and closed), execute (POST /execute with one node), mixed (by --mix). What rounds need besides, such
as a manifest or closing a session, is asked but not timed.

Several contenders take turns in short slices, in an order that moves on, and all get the same
arrivals; ratios to the first come with 95% intervals, drawn from the slices where they are 6 or
more. Processor time and memory are shown for what is started here, or given with --pid; else '-'.
The built-in reference runs in this very process, beside what makes the load.

Exit codes: 0 fine; 1 an answer was wrong, or the error budget or --fail-above is broken; 2 usage;
3 a target is not there; 4 no right answer came, no rate held, or nothing fits what is asked; 5 the harness failed";

/// Options of `bench`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Bench {
    /// Load the runtime that this file describes; repeat for more [default: oap-target.toml, where it is in this folder]
    #[arg(long = "target", value_name = "FILE")]
    targets: Vec<PathBuf>,
    /// Start this command and load the runtime that then listens on the port in PORT; repeat for more
    #[arg(long = "command", value_name = "COMMAND")]
    commands: Vec<String>,
    /// Load the built-in reference
    #[arg(long)]
    reference: bool,
    /// Load a deliberately broken target, to see wrong answers found; repeat for more
    #[arg(long = "mutant", value_name = "NAME")]
    mutants: Vec<String>,
    /// Load any target under a name of yours, with the options by which 'run' finds it; repeat for more
    #[arg(long = "contender", value_name = "NAME=OPTIONS")]
    contenders: Vec<String>,
    /// What is asked: create, step, step-failing, step-code, meetbot, execute or mixed
    #[arg(long, value_name = "WORKLOAD", default_value = "step")]
    workload: Asked,
    /// Weights of mixed [default: create=2,step=10,step-failing=1,step-code=1,meetbot=1,execute=3]
    #[arg(long, value_name = "WORKLOAD=N,…", value_parser = Mixture::from_str)]
    mix: Option<Mixture>,
    /// Arrivals per second; with --find-knee the rate that is tried first [default: 10]
    #[arg(long, value_name = "R", value_parser = terms::rate)]
    rate: Option<f64>,
    /// Raise the rate, or lower it, evenly over the time
    #[arg(long, value_name = "FROM..TO", value_parser = terms::ramp, conflicts_with_all = ["rate", "find_knee"])]
    ramp: Option<(f64, f64)>,
    /// Raise the rate until the target does not keep up, or --hold breaks, and narrow down where that is
    #[arg(long)]
    find_knee: bool,
    /// A bound that a rate must keep to in a search; repeat for more [default: p99=100ms]
    #[arg(long, value_name = "QUANTILE=TIME", requires = "find_knee")]
    hold: Vec<Bound>,
    /// The highest rate of a search
    #[arg(long, value_name = "R", value_parser = terms::rate, requires = "find_knee")]
    most_rate: Option<f64>,
    /// How long each contender is loaded; with --find-knee one try
    #[arg(long = "for", value_name = "TIME", default_value = "10s", value_parser = terms::duration)]
    time: Duration,
    /// How long it is loaded before that, without counting; 0s for not at all
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = terms::duration)]
    warm_up: Duration,
    /// In how many slices the time is cut [default: 1, of several contenders 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000), conflicts_with = "find_knee")]
    slices: Option<u16>,
    /// How arrivals are spread: poisson, as independent callers come, or even
    #[arg(long, value_enum, default_value = "poisson")]
    arrivals: Arrivals,
    /// Decides arrivals, mix and intervals [default: from the clock, printed]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Most requests to one target at the same time
    #[arg(long, value_name = "N", default_value = "32", value_parser = clap::value_parser!(u16).range(1..=4096))]
    connections: u16,
    /// Most arrivals of one target that wait or are being answered; those beyond it are not sent and count as errors
    #[arg(long, value_name = "N", default_value = "1024", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    most_outstanding: u32,
    /// Longest wait for an answer, from when it was due; of a whole session, for each of its requests
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = terms::duration)]
    timeout: Duration,
    /// The share of arrivals that may be errors
    #[arg(long, value_name = "SHARE", default_value = "0.1%", value_parser = terms::share)]
    error_budget: f64,
    /// Fail where a latency is above this, such as p99=50ms; repeat for more
    #[arg(long, value_name = "QUANTILE=TIME")]
    fail_above: Vec<Bound>,
    /// What stands on standard output
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Also write a report into a file: FORMAT is json, markdown, html or text; repeat for more
    #[arg(long = "report", value_name = "FORMAT=PATH")]
    reports: Vec<Destination<Form>>,
}

/// How arrivals are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Arrivals {
    /// As independent callers come
    Poisson,
    /// At equal distances
    Even,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    One(Workload),
    Mixed,
}

impl FromStr for Asked {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "mixed" {
            return Ok(Self::Mixed);
        }
        text.parse()
            .map(Self::One)
            .map_err(|error: String| format!("{error} or mixed"))
    }
}

/// Weights of a mix.
#[derive(Debug, Clone)]
struct Mixture(Vec<(Workload, u32)>);

impl FromStr for Mixture {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        terms::mix(text).map(Self)
    }
}

/// The forms of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Markdown,
    Html,
    Text,
}

impl FromStr for Form {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "json" => Ok(Self::Json),
            "markdown" => Ok(Self::Markdown),
            "html" => Ok(Self::Html),
            "text" => Ok(Self::Text),
            other => Err(format!(
                "'{other}' is no form of this report; use json, markdown, html or text"
            )),
        }
    }
}

impl Bench {
    /// Loads targets and prints what it came to.
    pub async fn execute(self) -> Result<u8, Failure> {
        let named = self.named()?;
        let plan = self.plan(named.len(), &named)?;
        output::prepare(self.reports.iter().map(|one| one.path.as_path()))?;
        let mut chosen = Vec::new();
        for one in named {
            if one.choice.transcripts().is_some() {
                return Err(Failure::usage(
                    "transcripts cannot be loaded; name a runtime with --command, --url or --target",
                ));
            }
            if one.choice.is_silent() {
                eprintln!(
                    "loading the built-in reference: there is no oap-target.toml here, and no --command, --target or --contender"
                );
            }
            chosen.push((one.name, one.choice.chosen()?));
        }
        let starts =
            |chosen: &Chosen| matches!(chosen, Chosen::Own(own) if own.definition.start.is_some());
        if chosen.iter().any(|(_, chosen)| starts(chosen)) {
            // So that also what left its group is found and ended.
            family::take_in_orphans();
        }
        let outcome = harness::to_its_end(self.on_stands(chosen, &plan)).await?;
        self.write(&outcome)?;
        Ok(outcome.exit_code)
    }

    /// Starts what is loaded, loads it, and ends it.
    async fn on_stands(
        &self,
        chosen: Vec<(String, Chosen)>,
        plan: &Plan,
    ) -> Result<Outcome, Failure> {
        let mut stands = Vec::new();
        let mut entrants = Vec::new();
        let mut failed = None;
        for (name, chosen) in chosen {
            let options = self.options(&chosen, plan);
            match Stand::up(chosen).await {
                Ok(stand) => {
                    entrants.push(Entrant {
                        name,
                        target: Arc::clone(&stand.target),
                        mocks: Arc::clone(&stand.mocks),
                        options: stand.on(options),
                    });
                    stands.push(stand);
                }
                Err(failure) => {
                    failed = Some(Failure {
                        message: format!("{name}: {}", failure.message),
                        ..failure
                    });
                    break;
                }
            }
        }
        let bar = Bar::new();
        let outcome = match failed {
            Some(failure) => Err(failure),
            None => {
                let work = bench::bench(entrants, plan, &bar);
                tokio::select! {
                    biased;
                    failure = any_broken(&stands) => Err(failure),
                    outcome = work => outcome.map_err(Failure::from),
                }
            }
        };
        bar.clear();
        let mut broke = None;
        for stand in stands {
            broke = broke.or(stand.down(None).await);
        }
        let outcome = outcome?;
        match broke {
            Some(failure) => Err(failure),
            None => Ok(outcome),
        }
    }

    fn write(&self, outcome: &Outcome) -> Result<(), Failure> {
        let json = || harness::pretty(outcome).map(|text| text + "\n");
        for Destination { format, path } in &self.reports {
            let text = match format {
                Form::Json => json()?,
                Form::Markdown => outcome.markdown(),
                Form::Html => outcome.html().map_err(Failure::harness)?,
                Form::Text => outcome.text(),
            };
            std::fs::write(path, text).map_err(|error| output::cannot_write(path, &error))?;
        }
        match self.format {
            Format::Text => output::show(&outcome.text()),
            Format::Json => output::show(&json()?),
        }
        Ok(())
    }

    fn options(&self, chosen: &Chosen, plan: &Plan) -> Options {
        let defaults = Options::default();
        let limits = match chosen {
            Chosen::Own(own) => own.definition.limits.clone(),
            _ => Default::default(),
        };
        let request = limits
            .request_ms
            .map_or(plan.timeout, Duration::from_millis);
        Options {
            seed: plan.seed,
            times: Times {
                request: request.min(plan.timeout),
                ..defaults.times
            },
            ..defaults
        }
    }
}

/// Waits until one of them cannot go on.
async fn any_broken(stands: &[Stand]) -> Failure {
    let mut waits: Vec<_> = stands
        .iter()
        .map(|stand| Box::pin(stand.broken()))
        .collect();
    std::future::poll_fn(|context| {
        for wait in &mut waits {
            if let std::task::Poll::Ready(failure) = wait.as_mut().poll(context) {
                return std::task::Poll::Ready(failure);
            }
        }
        std::task::Poll::Pending
    })
    .await
}

#[cfg(test)]
pub(in crate::cli) mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        bench: Bench,
    }

    /// Options as they are read from a command line.
    pub(super) fn parsed(words: &[&str]) -> Bench {
        Line::try_parse_from(std::iter::once(&"bench").chain(words))
            .expect("options")
            .bench
    }
}
