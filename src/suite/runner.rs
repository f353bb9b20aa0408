//! All cases against one target: ready, discover, run in parallel, judge, report.

mod again;
mod ready;
mod turns;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use ready::{Ready, ready};

use super::applicability::{Applicability, Capabilities, applicability};
use super::baseline;
use super::case::Case;
use super::event::{Event, EventSink};
use super::execute::{Bench, execute};
use super::judge::{Ground, Judgement, conclude, judge};
use super::keep::keep;
use super::observed::{Observed, Whereabouts};
use super::options::{Options, select};
use super::order::{longest_last, shuffled, token};
use super::report::exchanges::{CaseExchanges, bound_run};
use super::report::{
    CaseReport, Flake, Normaliser, Report, RunBlock, Sample, TargetBlock, assemble, shown,
};
use super::secrets::Secrets;
use super::solo;
use super::target::{Counted, Patience, Target};
use super::verdict::{RunError, Verdict};
use super::wire::Wire;
use crate::requirement::Registry;
use mock_services::MockServices;

/// The reason of a case that a run did not come to.
pub const NOT_STARTED: &str = "not started: an earlier case failed, and the run was to stop then";

/// Runs cases against a target and reports.
///
/// # Errors
/// When nothing is selected, the target is not there or not ready, or the suite itself is at fault. A bad target is no error.
pub async fn run(
    cases: &[Case],
    target: Arc<dyn Target>,
    mocks: Arc<MockServices>,
    options: &Options,
    sink: &dyn EventSink,
) -> Result<Report, RunError> {
    let wire = Wire::embedded().map_err(RunError::Harness)?;
    run_on(
        Registry::embedded(),
        wire,
        cases,
        target,
        mocks,
        options,
        sink,
    )
    .await
}

/// [`run`] with a registry and a wire of the caller's own.
///
/// # Errors
/// As [`run`].
pub async fn run_on(
    registry: &Registry,
    wire: &Wire,
    cases: &[Case],
    target: Arc<dyn Target>,
    mocks: Arc<MockServices>,
    options: &Options,
    sink: &dyn EventSink,
) -> Result<Report, RunError> {
    let began = Instant::now();
    let started_at = jiff::Timestamp::now().to_string();
    let last_failed = if options.last_failed {
        Some(last_failed(options)?)
    } else {
        None
    };
    let (selected, selection) = select(cases, registry, options, last_failed.as_ref());
    if selected.is_empty() {
        return Err(RunError::NothingSelected(nothing_selected(
            options,
            cases.len(),
        )));
    }
    let Ready {
        bench,
        capabilities,
        counted,
        patience,
    } = ready(target, mocks, options).await?;
    let secrets = Secrets::new(options.secrets.iter().cloned());
    let mut running = Running {
        ground: Ground {
            registry,
            wire,
            secrets: &secrets,
        },
        options,
        sink,
        bench,
        counted: Arc::clone(&counted),
        own: Vec::new(),
        results: BTreeMap::new(),
        doubtful: BTreeSet::new(),
        stopped: false,
        patience,
        ends_met: 0,
        ends_blamed: 0,
    };
    sink.event(&Event::RunStarted {
        total: selected.len() * options.repeat.max(1),
        target: counted.base_url(),
        seed: options.seed,
        jobs: options.jobs.max(1),
    });
    running.all(&selected, &capabilities).await?;
    // An end that no case can be blamed for, or a model that nobody scripted: not everything was seen.
    let unseen = running.bench.target.deaths() > running.ends_blamed || !capabilities.model;
    let own = running.own;
    let results = running.results;
    let mut exchanges = results
        .iter()
        .filter_map(|(id, result)| Some((id.clone(), result.exchanges.clone()?)))
        .collect();
    bound_run(&mut exchanges);
    let run = RunBlock {
        unseen,
        command: secrets.redact_text(&options.command),
        suite: format!("oap-conform {}", env!("CARGO_PKG_VERSION")),
        started_at,
        duration_ms: millis(began.elapsed()),
        median_case_ms: median(
            results
                .values()
                .flat_map(|result| result.durations.iter().copied()),
        ),
        median_harness_ms: (!own.is_empty()).then(|| median(own.into_iter())),
        requests: counted.count() + options.lanes.as_ref().map_or(0, |lanes| lanes.requests()),
        seed: options.seed,
        jobs: options.jobs.max(1),
        repeat: options.repeat.max(1),
        selection,
        target: TargetBlock {
            base_url: secrets.redact_text(counted.base_url()),
            profiles: capabilities.profiles.clone(),
            implementation: capabilities
                .implementation
                .as_ref()
                .map(|own| shown(own, &secrets)),
        },
        flakes: results
            .iter()
            .filter_map(|(id, result)| result.flake(id))
            .collect(),
        case_ms: results
            .iter()
            .map(|(id, result)| (id.clone(), median(result.durations.iter().copied())))
            .collect(),
        exchanges,
    };
    let reports = results.into_values().map(|result| result.report).collect();
    let frozen = options
        .revision
        .as_ref()
        .map(|revision| registry.only(&revision.ids()));
    let mut report = assemble(
        &selected,
        reports,
        frozen.as_ref().unwrap_or(registry),
        &capabilities.profiles,
        &options.profiles,
        run,
    );
    if let Some(known) = &options.baseline {
        let universe = cases.iter().map(|case| case.id.as_str()).collect();
        baseline::apply(&mut report, known, &universe, baseline::today());
    }
    if let Some(path) = &options.state_file {
        remember_failed(path, &report)?;
    }
    sink.event(&Event::RunFinished { report: &report });
    Ok(report)
}

/// What is known of one case so far.
struct CaseResult {
    report: CaseReport,
    /// Of the run of the case that the report speaks of; `None` when it passed.
    exchanges: Option<CaseExchanges>,
    durations: Vec<Duration>,
    verdicts: BTreeMap<&'static str, usize>,
    /// The failure and what came when it was verified again alone, where that was done.
    samples: Vec<Sample>,
}

impl CaseResult {
    fn flake(&self, id: &str) -> Option<Flake> {
        (self.verdicts.len() > 1).then(|| Flake {
            id: id.to_owned(),
            verdicts: self.verdicts.clone(),
            samples: self.samples.clone(),
        })
    }
}

struct Running<'a> {
    ground: Ground<'a>,
    options: &'a Options,
    sink: &'a dyn EventSink,
    bench: Bench,
    /// What the target's requests go through.
    counted: Arc<Counted>,
    /// What each case took beside its requests, where they ran one by one.
    own: Vec<Duration>,
    results: BTreeMap<String, CaseResult>,
    /// Cases whose failure may be chance.
    doubtful: BTreeSet<String>,
    stopped: bool,
    /// Counts the target's silence, where it may be given up for it.
    patience: Option<Arc<Patience>>,
    /// Ends of the target after which it was brought back.
    ends_met: usize,
    /// Ends of the target that a case is blamed for.
    ends_blamed: usize,
}

impl Running<'_> {
    async fn all(
        &mut self,
        selected: &[&Case],
        capabilities: &Capabilities,
    ) -> Result<(), RunError> {
        let mut applicable = Vec::new();
        for case in selected {
            let verdict =
                match applicability(case, self.ground.registry, capabilities, self.options.force) {
                    Applicability::Applicable => {
                        applicable.push(Arc::new((*case).clone()));
                        continue;
                    }
                    Applicability::NotApplicable(reason) => {
                        Judgement::without(Verdict::NotApplicable, reason)
                    }
                    Applicability::NotImplemented(reason) => {
                        Judgement::without(Verdict::NotImplemented, reason)
                    }
                    Applicability::NotObserved(reason) => {
                        Judgement::without(Verdict::NotObserved, reason)
                    }
                };
            self.note(case, verdict, None);
        }
        let strays = self.bench.mocks.stray_calls().len();
        for iteration in 0..self.options.repeat.max(1) {
            self.pass(&applicable, iteration).await?;
        }
        if self.bench.mocks.stray_calls().len() > strays {
            self.blame_strays(&applicable).await?;
        }
        if self.options.verify_alone && self.options.repeat <= 1 {
            self.verify_alone(&applicable).await?;
        }
        for case in selected {
            if !self.results.contains_key(&case.id) {
                let unseen = Judgement::without(Verdict::NotObserved, NOT_STARTED);
                self.note(case, unseen, None);
            }
        }
        Ok(())
    }

    /// Every case once, as many at a time as there are jobs.
    async fn pass(&mut self, cases: &[Arc<Case>], iteration: usize) -> Result<(), RunError> {
        let order = shuffled(cases, self.options.seed.wrapping_add(iteration as u64));
        // Who moves the clock moves it for everybody, and who measures must not be disturbed: these come last and one by one.
        let (alone, mut together): (Vec<_>, Vec<_>) =
            order.into_iter().partition(|case| case.runs_alone());
        longest_last(&mut together);
        let jobs = self.options.jobs.max(1);
        self.at_a_time(jobs, together, iteration).await?;
        self.at_a_time(1, alone, iteration).await
    }

    fn judged(
        &mut self,
        case: &Case,
        observed: &Observed,
        iteration: usize,
    ) -> Result<(), RunError> {
        let mut judgement = judge(case, observed, &self.ground);
        if let Some(revision) = &self.options.revision
            && !judgement.mismatches.is_empty()
        {
            let counted = revision.counted(judgement.mismatches);
            judgement = conclude(
                counted,
                judgement.assertions,
                judgement.reason,
                self.ground.registry,
            );
        }
        if !judgement.mismatches.is_empty() || judgement.reason.is_some() {
            let place = observed.whereabouts.clone().unwrap_or_else(|| Whereabouts {
                origins: self.bench.origins.clone(),
                model: self.bench.mocks.model_url(),
                target: self.bench.target.base_url().to_owned(),
            });
            let normaliser = Normaliser::new(
                case,
                observed,
                &place.origins,
                &place.model,
                &place.target,
                self.ground.secrets,
            );
            judgement.reason = judgement.reason.map(|reason| normaliser.text(&reason));
            judgement.mismatches = judgement
                .mismatches
                .into_iter()
                .map(|mismatch| normaliser.mismatch(mismatch))
                .collect();
            judgement.mismatches.dedup();
        }
        let failed = judgement.verdict == Verdict::Fail;
        let together = self.options.jobs > 1;
        if matches!(
            judgement.verdict,
            Verdict::Fail | Verdict::Warn | Verdict::SetupFailed
        ) && observed.ended.is_none()
            && solo::is_doubtful(case, observed, &judgement.mismatches, together)
        {
            self.doubtful.insert(case.id.clone());
        }
        let report = self.note(case, judgement, Some(observed.duration));
        if report.verdict != Verdict::Pass
            && let Some(result) = self.results.get_mut(&case.id)
            && result.report == report
        {
            result.exchanges = CaseExchanges::of(observed, &report.mismatches, self.ground.secrets);
        }
        if report.verdict != Verdict::Pass
            && let Some(folder) = &self.options.keep
        {
            let folder = if self.options.repeat > 1 {
                folder.join(format!("{iteration}"))
            } else {
                folder.clone()
            };
            keep(&folder, &report, observed, self.ground.secrets).map_err(RunError::Usage)?;
        }
        let expected = |known: &Arc<baseline::Baseline>| known.of(&case.id).next().is_some();
        self.stopped |= failed
            && self.options.fail_fast
            && !self.options.baseline.as_ref().is_some_and(expected);
        Ok(())
    }

    /// Files a judgement; of several of one case the worst stays.
    fn note(
        &mut self,
        case: &Case,
        judgement: Judgement,
        duration: Option<Duration>,
    ) -> CaseReport {
        let report = CaseReport {
            id: case.id.clone(),
            title: case.title.clone(),
            file: case.file.clone(),
            requirements: case.requirements.clone(),
            profile: case.profile(self.ground.registry),
            verdict: judgement.verdict,
            mismatches: judgement.mismatches,
            assertions: judgement.assertions,
            reason: judgement.reason,
            leaves_open: Vec::new(),
            expected: false,
        };
        self.sink.event(&Event::CaseFinished {
            case: &report,
            duration: duration.unwrap_or_default(),
        });
        let result = self
            .results
            .entry(case.id.clone())
            .or_insert_with(|| CaseResult {
                report: report.clone(),
                exchanges: None,
                durations: Vec::new(),
                verdicts: BTreeMap::new(),
                samples: Vec::new(),
            });
        *result.verdicts.entry(report.verdict.name()).or_default() += 1;
        result.durations.extend(duration);
        if report.verdict > result.report.verdict {
            result.report = report.clone();
        }
        report
    }
}

fn nothing_selected(options: &Options, of: usize) -> String {
    if of == 0 {
        return "there are no cases; name a folder that holds some".to_owned();
    }
    if options.last_failed {
        return "no case is left: the last run failed none, or the filter excludes them; run without --last-failed".to_owned();
    }
    if let Some(shard) = options.shard {
        return format!(
            "shard {shard} holds none of the cases that are left of {of}; take fewer shards, or a wider filter"
        );
    }
    format!(
        "no case of {of} is left by filter '{}' and the profiles given; see oap-conform list",
        options.filter
    )
}

/// The ids that failed last time.
fn last_failed(options: &Options) -> Result<BTreeSet<String>, RunError> {
    let Some(path) = &options.state_file else {
        return Err(RunError::Usage(
            "last failures are not kept here; name a state file".to_owned(),
        ));
    };
    no_pipe(path)?;
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(RunError::NothingSelected(
                "no run has left its failures here; run without --last-failed first".to_owned(),
            ))
        }
        Err(error) => Err(RunError::Usage(format!(
            "{} cannot be read: {error}",
            path.display()
        ))),
    }
}

/// Opening a pipe could wait for ever.
fn no_pipe(path: &Path) -> Result<(), RunError> {
    match path.metadata() {
        Ok(found) if !found.is_file() => Err(RunError::Usage(format!(
            "{} is no file; remove it",
            path.display()
        ))),
        _ => Ok(()),
    }
}

fn remember_failed(path: &Path, report: &Report) -> Result<(), RunError> {
    no_pipe(path)?;
    let failed: String = report
        .cases
        .iter()
        .filter(|case| !case.expected)
        .filter(|case| {
            !matches!(
                case.verdict,
                Verdict::Pass | Verdict::NotApplicable | Verdict::NotImplemented
            )
        })
        .map(|case| format!("{}\n", case.id))
        .collect();
    let written = path
        .parent()
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| std::fs::write(path, failed));
    // A folder that cannot be written costs --last-failed, never a verdict.
    match written {
        Err(error)
            if error.kind() != std::io::ErrorKind::PermissionDenied
                && error.kind() != std::io::ErrorKind::ReadOnlyFilesystem =>
        {
            Err(RunError::Usage(format!(
                "{} cannot be written: {error}",
                path.display()
            )))
        }
        _ => Ok(()),
    }
}

fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 100_000.0).round() / 100.0
}

fn median(durations: impl Iterator<Item = Duration>) -> f64 {
    let mut all: Vec<Duration> = durations.collect();
    all.sort_unstable();
    match all.len() {
        0 => 0.0,
        count if count % 2 == 1 => millis(all[count / 2]),
        count => millis((all[count / 2 - 1] + all[count / 2]) / 2),
    }
}
