//! What a run of load came to, and the forms in which it is told.

mod html;
mod markdown;
mod plot;
mod text;

use std::time::Duration;

use serde::Serialize;

use super::campaign::KEEPS_UP;
use super::compare::Ratio;
use super::contender::Usage;
use super::tally::{Latency, OfWorkload, Reasons, Tally};
use super::terms::{Bound, Plan};
use super::workload::Workload;
use crate::suite::verdict::ExitCode;

/// One slice of one contender.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SliceReport {
    /// Arrivals per second at its begin, as asked for.
    pub rate_from: f64,
    /// And at its end.
    pub rate_to: f64,
    /// Its length in seconds.
    pub time_s: f64,
    /// Arrivals.
    pub due: u64,
    /// Right answers.
    pub right: u64,
    /// Wrong ones.
    pub wrong: u64,
    /// Errors, those not sent included.
    pub errors: u64,
    /// Not sent.
    pub not_sent: u64,
    /// Arrivals per second, as they came.
    pub rate_due: f64,
    /// Right answers per second.
    pub rate_achieved: f64,
    /// Latency from when it was due; what came to no answer counts as the time-out.
    pub latency: Latency,
    /// Processor time of the target in seconds; `null`: it cannot be seen.
    pub processor_s: Option<f64>,
    /// Most resident memory of the target in bytes; `null`: it cannot be seen.
    pub memory_bytes: Option<u64>,
    /// In a search: whether the target kept up and kept to the bounds.
    pub held: Option<bool>,
    /// Why there were errors.
    pub reasons: Reasons,
    /// What was wrong.
    pub faults: Reasons,
}

impl SliceReport {
    /// It in one line, for people.
    pub fn line(&self) -> String {
        text::slice(self)
    }

    /// The report of a slice.
    pub fn of(
        tally: &Tally,
        time: Duration,
        (from, to): (f64, f64),
        usage: Usage,
        held: Option<bool>,
    ) -> Self {
        Self {
            rate_from: from,
            rate_to: to,
            time_s: time.as_secs_f64(),
            due: tally.due,
            right: tally.right,
            wrong: tally.wrong,
            errors: tally.errors,
            not_sent: tally.not_sent,
            rate_due: tally.due as f64 / time.as_secs_f64().max(1e-9),
            rate_achieved: tally.achieved(time),
            latency: tally.latency(),
            processor_s: usage.processor.map(|time| time.as_secs_f64()),
            memory_bytes: usage.memory,
            held,
            reasons: tally.reasons.clone(),
            faults: tally.faults.clone(),
        }
    }
}

/// All counted slices of one contender together; in a search those of the highest rate that held.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Totals {
    /// Their length in seconds.
    pub time_s: f64,
    /// Arrivals.
    pub due: u64,
    /// Right answers.
    pub right: u64,
    /// Wrong ones, also of the warm-up and of slices that did not hold.
    pub wrong: u64,
    /// Errors, those not sent included.
    pub errors: u64,
    /// Not sent.
    pub not_sent: u64,
    /// Arrivals per second.
    pub rate_due: f64,
    /// Right answers per second, the mean of the slices.
    pub rate_achieved: f64,
    /// Latency from when it was due; what came to no answer counts as the time-out.
    pub latency: Latency,
    /// From when requests were due to when they were sent: what waiting for a connection, or this program, took of the latency.
    pub sent_late: Latency,
    /// Processor time of the target in seconds; `null`: it cannot be seen.
    pub processor_s: Option<f64>,
    /// The same for one right answer, in microseconds.
    pub processor_us_per_answer: Option<f64>,
    /// Most resident memory of the target in bytes; `null`: it cannot be seen.
    pub memory_bytes: Option<u64>,
}

/// The end of a search.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Found {
    /// The highest rate that held; `null`: none did.
    pub held: Option<f64>,
    /// The lowest that did not; `null`: all did.
    pub broke: Option<f64>,
}

/// One contender.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ContenderReport {
    /// Its name.
    pub name: String,
    /// Its base URL.
    pub target: String,
    /// Why it was not loaded.
    pub skipped: Option<String>,
    /// All slices together.
    pub totals: Totals,
    /// Latency by workload.
    pub by_workload: Vec<OfWorkload>,
    /// Quantiles and latencies in microseconds.
    pub curve: Vec<(f64, u64)>,
    /// Arrivals and right answers per second, by parts of the time or by slices of a search.
    pub windows: Vec<(f64, f64)>,
    /// Each slice.
    pub slices: Vec<SliceReport>,
    /// What came before, which counts in nothing but wrong answers.
    pub warm_up: Option<SliceReport>,
    /// What a search came to.
    pub knee: Option<Found>,
    /// What was wrong, and how often.
    pub faults: Reasons,
    /// Why there were errors, and how many.
    pub reasons: Reasons,
    /// Why rounds could not be set up.
    pub obstacles: Reasons,
    /// All requests that it got, set-up and tidying included.
    pub requests: usize,
    /// Rounds whose calls to model and services, messages and transcript were judged.
    pub rounds_judged: usize,
    /// Rounds that an error or a wrong answer cut short, so that only their answers could be looked at.
    pub rounds_cut_short: usize,
}

impl ContenderReport {
    /// One that was not loaded.
    pub fn skipped(name: &str, target: &str, why: String) -> Self {
        Self {
            name: name.to_owned(),
            target: target.to_owned(),
            skipped: Some(why),
            totals: Totals::default(),
            by_workload: Vec::new(),
            curve: Vec::new(),
            windows: Vec::new(),
            slices: Vec::new(),
            warm_up: None,
            knee: None,
            faults: Reasons::default(),
            reasons: Reasons::default(),
            obstacles: Reasons::default(),
            requests: 0,
            rounds_judged: 0,
            rounds_cut_short: 0,
        }
    }

    /// Whether right answers came as fast as they were due.
    pub fn keeps_up(&self) -> bool {
        self.totals.right > 0 && self.totals.rate_achieved >= KEEPS_UP * self.totals.rate_due
    }
}

/// A contender beside the first; below 1 its latency is shorter, or its throughput smaller.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Which.
    pub contender: String,
    /// The first.
    pub base: String,
    /// Of median latencies.
    pub p50: Option<Ratio>,
    /// Of 99th percentiles.
    pub p99: Option<Ratio>,
    /// Of throughputs.
    pub throughput: Option<Ratio>,
    /// Of the highest rates that held.
    pub knee: Option<f64>,
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// Which program.
    pub suite: String,
    /// The command that does the same again.
    pub command: String,
    /// What was asked, with weights.
    pub workloads: Vec<(String, u32)>,
    /// The rate, in words.
    pub rate: String,
    /// How arrivals were spread.
    pub spread: &'static str,
    /// Decides arrivals.
    pub seed: u64,
    /// Most requests at the same time.
    pub connections: usize,
    /// Most arrivals outstanding.
    pub most_outstanding: usize,
    /// The share of arrivals that may be errors.
    pub error_budget: f64,
    /// Bounds that fail the run.
    pub fail_above: Vec<Bound>,
    /// Bounds of a search.
    pub hold: Vec<Bound>,
    /// How long it took, in seconds.
    pub duration_s: f64,
    /// The contenders, those left out first.
    pub contenders: Vec<ContenderReport>,
    /// Each of the others beside the first.
    pub comparisons: Vec<Comparison>,
    /// What else is to be known.
    pub remarks: Vec<String>,
    /// Why the run fails; empty where it does not.
    pub failures: Vec<String>,
    /// What the process ends with.
    pub exit_code: u8,
}

impl Outcome {
    /// Puts an outcome together.
    pub fn new(
        plan: &Plan,
        workloads: Vec<(Workload, u32)>,
        contenders: Vec<ContenderReport>,
        comparisons: Vec<Comparison>,
        remarks: Vec<String>,
        took: Duration,
    ) -> Self {
        let failures: Vec<String> = contenders
            .iter()
            .filter(|one| one.skipped.is_none())
            .flat_map(|one| failures(one, plan))
            .collect();
        let answered = contenders.iter().any(|one| one.totals.right > 0)
            && contenders
                .iter()
                .all(|one| one.skipped.is_some() || one.totals.right > 0 || one.totals.wrong > 0);
        let wrong = contenders.iter().any(|one| one.totals.wrong > 0);
        let code = if wrong {
            ExitCode::Violation
        } else if !answered {
            ExitCode::Incomplete
        } else if failures.is_empty() {
            ExitCode::Conformant
        } else {
            ExitCode::Violation
        };
        Self {
            suite: format!("oap-conform {}", env!("CARGO_PKG_VERSION")),
            command: plan.command.clone(),
            workloads: workloads
                .into_iter()
                .map(|(workload, weight)| (workload.name().to_owned(), weight))
                .collect(),
            rate: plan.rate.to_string(),
            spread: plan.spread.name(),
            seed: plan.seed,
            connections: plan.connections,
            most_outstanding: plan.most_outstanding,
            error_budget: plan.error_budget,
            fail_above: plan.fail_above.clone(),
            hold: plan.hold.clone(),
            duration_s: took.as_secs_f64(),
            contenders,
            comparisons,
            remarks,
            failures,
            exit_code: code.number(),
        }
    }

    /// For people, in a terminal.
    pub fn text(&self) -> String {
        text::render(self)
    }

    /// For a summary.
    pub fn markdown(&self) -> String {
        markdown::render(self)
    }

    /// One page with plots that needs nothing else.
    ///
    /// # Errors
    /// When the template cannot be filled in: a fault of the suite.
    pub fn html(&self) -> Result<String, String> {
        html::render(self)
    }
}

/// Why a contender fails the run.
fn failures(one: &ContenderReport, plan: &Plan) -> Vec<String> {
    let mut failures = Vec::new();
    let totals = &one.totals;
    if totals.wrong > 0 {
        failures.push(format!("{}: {} wrong", one.name, totals.wrong));
    }
    if totals.right == 0 {
        failures.push(match one.knee {
            None if totals.due == 0 => {
                format!("{}: nothing was due; raise --rate, or --for", one.name)
            }
            Some(_) => format!("{}: no rate held", one.name),
            None => format!("{}: no right answer came", one.name),
        });
        return failures;
    }
    for own in one
        .by_workload
        .iter()
        .filter(|own| own.due > 0 && own.right == 0)
    {
        failures.push(format!(
            "{}: no right answer came to any of {} arrivals of {}",
            one.name, own.due, own.workload
        ));
    }
    let share = totals.errors as f64 / totals.due.max(1) as f64;
    if share > plan.error_budget {
        failures.push(format!(
            "{}: {} of {} arrivals are errors, {:.3}%; the budget is {:.3}%",
            one.name,
            totals.errors,
            totals.due,
            share * 100.0,
            plan.error_budget * 100.0
        ));
    }
    for bound in plan
        .fail_above
        .iter()
        .filter(|bound| !bound.holds(&totals.latency))
    {
        failures.push(format!(
            "{}: {} is {}, above {bound}",
            one.name,
            bound.quantile.name(),
            text::time(bound.quantile.of(&totals.latency))
        ));
    }
    failures
}

#[cfg(test)]
mod tests;
