//! `oap-conform selftest`: prove that every check can fail.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::Format;
use super::failure::{Failure, plural};
use super::harness;
use crate::fuzzing;
use crate::requirement::Registry;
use crate::selftest::{Outcome, Plan, selftest, terms};
use crate::suite::Case;
use crate::suite::options::{Options, select};
use crate::suite::verdict::ExitCode;

/// With fewer cases than this each mutant is listed with its killers.
const FEW_CASES: usize = 30;

/// The least share of the mutants that worlds can reach, which has to be found.
const LEAST_SHARE: f64 = 0.9;

/// Options of `selftest`.
#[derive(Debug, Args)]
pub(super) struct Selftest {
    /// Only these cases and the mutants that they speak for; a mutant's name works too
    #[arg(
        long,
        value_name = "FILTER",
        default_value = "",
        hide_default_value = true
    )]
    filter: String,
    /// Every case against every mutant; otherwise those of its requirement and a fortieth of the others
    #[arg(long)]
    full: bool,
    /// Mutants that are judged at the same time
    #[arg(long, value_name = "N", default_value = "2", value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
    /// Chooses the fortieth of further cases
    #[arg(long, value_name = "N", default_value = "1")]
    seed: u64,
    /// Prove the properties of `fuzz` instead: no hand-written case may breach one on the good reference, and generated worlds
    /// have to find the mutants
    #[arg(long, conflicts_with = "full")]
    fuzz: bool,
    /// With --fuzz: most worlds that one mutant meets
    #[arg(long, value_name = "N", default_value = "2000", requires = "fuzz", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    worlds: u64,
    /// With --fuzz: so many mutants, evenly spread, and as many hand-written cases
    #[arg(long, value_name = "N", requires = "fuzz", value_parser = clap::value_parser!(u32).range(1..))]
    sample: Option<u32>,
    /// With --fuzz: begin no mutant after so many seconds
    #[arg(long, value_name = "SECS", requires = "fuzz")]
    time: Option<u64>,
    /// Text or JSON
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Take the cases from this folder
    #[arg(long, value_name = "DIR")]
    cases: Option<PathBuf>,
}

impl Selftest {
    /// Runs null targets and mutants and prints what they proved.
    pub async fn execute(self) -> Result<u8, Failure> {
        let all = harness::cases(self.cases.as_deref())?;
        if self.fuzz {
            return self.prove(&all).await;
        }
        let wanted = Options {
            filter: self.filter.clone(),
            ..Options::default()
        };
        let (chosen, _) = select(&all, Registry::embedded(), &wanted, None);
        let chosen: Vec<_> = if chosen.is_empty() {
            // The filter may name a mutant; then the cases that promise to kill it are meant.
            let promises = |case: &&Case| {
                let named = |name: &String| terms(&self.filter).any(|term| name.contains(term));
                case.kills.iter().any(named)
            };
            all.iter().filter(promises).cloned().collect()
        } else {
            chosen.into_iter().cloned().collect()
        };
        if chosen.is_empty() {
            return Err(Failure::usage(format!(
                "no case or mutant fits '{}'; 'oap-conform list' shows the cases, 'explain' the mutants",
                self.filter
            )));
        }
        let plan = Plan {
            lanes: usize::from(self.jobs),
            seed: self.seed,
            full: self.full,
            filter: self.filter,
        };
        let bar = progress();
        harness::prepare_sandbox().await?;
        let outcome = selftest(&chosen, &all, &plan, &|done, of, name| {
            bar.set_length(of as u64);
            bar.set_position(done as u64);
            bar.set_message(name.to_owned());
        })
        .await
        .map_err(Failure::harness)?;
        bar.finish_and_clear();
        match self.format {
            Format::Json => println!("{}", harness::pretty(&outcome.report)?),
            Format::Text => print!("{}", render(&outcome, chosen.len())),
        }
        Ok(if outcome.problems.is_empty() {
            ExitCode::Conformant
        } else {
            ExitCode::Violation
        }
        .number())
    }

    /// Proves the properties of `fuzz`.
    async fn prove(self, all: &[Case]) -> Result<u8, Failure> {
        let plan = fuzzing::Plan {
            seed: self.seed,
            cases: self.worlds,
            sample: self.sample.map(|sample| sample as usize),
            filter: self.filter,
            time: self.time.map(Duration::from_secs),
            lanes: usize::from(self.jobs),
        };
        let every = plan
            .sample
            .map_or(1, |sample| all.len().div_ceil(sample.max(1)).max(1));
        let handwritten: Vec<Case> = all.iter().step_by(every).cloned().collect();
        let bar = progress();
        harness::prepare_sandbox().await?;
        let outcome = fuzzing::prove(&handwritten, &plan, &|done, of, name| {
            bar.set_length(of as u64);
            bar.set_position(done as u64);
            bar.set_message(name.to_owned());
        })
        .await
        .map_err(Failure::harness)?;
        bar.finish_and_clear();
        match self.format {
            Format::Json => println!("{}", harness::pretty(&outcome)?),
            Format::Text => print!("{}", table(&outcome)),
        }
        let holds = outcome.false_alarms.is_empty()
            && outcome.share().is_none_or(|share| share >= LEAST_SHARE);
        let code = if holds {
            ExitCode::Conformant
        } else {
            ExitCode::Violation
        };
        Ok(code.number())
    }
}

fn progress() -> ProgressBar {
    let bar = if std::io::stderr().is_terminal() {
        ProgressBar::no_length()
    } else {
        ProgressBar::hidden()
    };
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    bar
}

/// What the proof of the properties came to, as a table.
fn table(outcome: &fuzzing::Outcome) -> String {
    let mut lines = vec![format!(
        "{:<44} {:<8} {:>7}  property",
        "mutant", "breaks", "worlds"
    )];
    for one in &outcome.mutants {
        let after = one
            .found_after
            .map_or_else(|| "-".to_owned(), |worlds| worlds.to_string());
        let what = match (one.properties.first(), &one.unreachable) {
            (Some(property), None) => (*property).to_owned(),
            (Some(property), Some(_)) => {
                format!("{property}, in spite of its entry in fuzz_unreachable.toml")
            }
            (None, Some(reason)) => format!("not reached: {reason}"),
            (None, None) => "NOT FOUND".to_owned(),
        };
        lines.push(format!(
            "{:<44} {:<8} {after:>7}  {what}",
            one.mutant, one.requirement
        ));
    }
    lines.push(String::new());
    for (property, mutants) in &outcome.properties {
        lines.push(format!(
            "{property:<40} found {}",
            plural(mutants.len(), "mutant")
        ));
    }
    lines.push(String::new());
    lines.extend(outcome.false_alarms.iter().map(|alarm| {
        format!(
            "false alarm: {} {} ({}): {}",
            alarm.case, alarm.property, alarm.requirement, alarm.message
        )
    }));
    lines.push(format!(
        "hand-written cases: {} run on the good reference, {}",
        outcome.handwritten,
        plural(outcome.false_alarms.len(), "false alarm")
    ));
    let found = outcome
        .reachable()
        .filter(|one| one.found_after.is_some())
        .count();
    let share = outcome
        .share()
        .map_or_else(String::new, |share| format!(", {:.1} %", share * 100.0));
    lines.push(format!(
        "mutants that worlds can reach: {found} of {} found within {} worlds each{share}",
        outcome.reachable().count(),
        outcome.cases
    ));
    if let Some(mean) = outcome.mean() {
        lines.push(format!(
            "worlds until a mutant was found: {mean:.1} in the mean"
        ));
    }
    if outcome.left > 0 {
        lines.push(format!(
            "{} left for want of time",
            plural(outcome.left, "mutant")
        ));
    }
    lines.join("\n") + "\n"
}

fn render(outcome: &Outcome, cases: usize) -> String {
    let report = &outcome.report;
    let mut lines: Vec<String> = report
        .null_targets
        .iter()
        .map(|null| {
            format!(
                "null target {:<22} {} of {cases} cases executed, {}",
                null.name,
                null.cases_executed,
                plural(null.passes, "pass").replace("passs", "passes")
            )
        })
        .collect();
    let killed = report
        .mutants
        .iter()
        .filter(|mutant| !mutant.killed_by.is_empty())
        .count();
    lines.push(format!(
        "mutants: {killed} of {} killed by a case that cites what they break, in {} runs of a case",
        report.mutants.len(),
        outcome.runs
    ));
    if cases < FEW_CASES {
        lines.extend(report.mutants.iter().map(|mutant| {
            let by = mutant.killed_by.join(", ");
            let by = if by.is_empty() { "nothing" } else { &by };
            format!("  {} ({}) killed by {by}", mutant.name, mutant.requirement)
        }));
    }
    lines.push(format!(
        "cases: {} of {cases} kill at least one mutant",
        cases - report.cases_without_mutant.len()
    ));
    lines.extend(
        outcome
            .problems
            .iter()
            .map(|problem| format!("  problem: {problem}")),
    );
    lines.push(match outcome.problems.len() {
        0 => "selftest: every check can fail".to_owned(),
        count => format!("selftest: {}", plural(count, "problem")),
    });
    lines.join("\n") + "\n"
}
