//! All cases against one target: ready, discover, run in parallel, judge, report.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::applicability::{Applicability, Capabilities, applicability};
use super::case::Case;
use super::clock::Clock;
use super::event::{Event, EventSink};
use super::execute::{Bench, execute};
use super::judge::{Ground, Judgement, judge};
use super::keep::keep;
use super::observed::Observed;
use super::options::{Options, select};
use super::order::{shuffled, token};
use super::report::{CaseReport, Flake, Normaliser, Report, RunBlock, TargetBlock, assemble};
use super::secrets::Secrets;
use super::target::{Counted, Target, discover, wait_ready};
use super::verdict::{RunError, Verdict};
use super::wire::Wire;
use crate::requirement::{Profile, Registry};
use mock_services::MockServices;

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
    if !options.force {
        wait_ready(target.as_ref(), options.times.ready).await?;
    }
    let counted = Arc::new(Counted::new(target));
    let capabilities = match (&options.capabilities, options.force) {
        (Some(declared), _) => declared.clone(),
        (None, true) => Capabilities::of(Profile::ALL),
        (None, false) => discover(counted.as_ref(), options.times.request).await,
    };
    let clock = match &options.clock {
        Some(url) => {
            let clock = Clock::new(url).map_err(RunError::Usage)?;
            clock.look(options.times.request).await;
            Some(Arc::new(clock))
        }
        None => None,
    };
    let capabilities = Capabilities {
        clock: clock.is_some(),
        files: options.files.is_some(),
        objects: options.objects,
        ..capabilities
    };
    let secrets = Secrets::new(options.secrets.iter().cloned());
    let mut bench = Bench::new(
        Arc::clone(&counted) as Arc<dyn Target>,
        mocks,
        options.times,
    );
    bench.clock = clock;
    bench.process = options.process;
    bench.files.clone_from(&options.files);
    bench.origins.folder = options.files.as_ref().map(|files| files.path().to_owned());
    if capabilities.profiles.contains(&Profile::Access) {
        bench.keys = Some(options.keys.clone());
    }
    let mut running = Running {
        ground: Ground {
            registry,
            wire,
            secrets: &secrets,
        },
        options,
        sink,
        bench,
        results: BTreeMap::new(),
        stopped: false,
    };
    sink.event(&Event::RunStarted {
        total: selected.len() * options.repeat.max(1),
        target: counted.base_url(),
        seed: options.seed,
        jobs: options.jobs.max(1),
    });
    running.all(&selected, &capabilities).await?;
    let results = running.results;
    let run = RunBlock {
        command: options.command.clone(),
        suite: format!("oap-conform {}", env!("CARGO_PKG_VERSION")),
        started_at,
        duration_ms: millis(began.elapsed()),
        median_case_ms: median(
            results
                .values()
                .flat_map(|result| result.durations.iter().copied()),
        ),
        requests: counted.count(),
        seed: options.seed,
        jobs: options.jobs.max(1),
        repeat: options.repeat.max(1),
        selection,
        target: TargetBlock {
            base_url: counted.base_url().to_owned(),
            profiles: capabilities.profiles.clone(),
            implementation: capabilities.implementation.clone(),
        },
        flakes: results
            .iter()
            .filter_map(|(id, result)| result.flake(id))
            .collect(),
        case_ms: results
            .iter()
            .map(|(id, result)| (id.clone(), median(result.durations.iter().copied())))
            .collect(),
    };
    let reports = results.into_values().map(|result| result.report).collect();
    let report = assemble(
        &selected,
        reports,
        registry,
        &capabilities.profiles,
        &options.profiles,
        run,
    );
    if let Some(path) = &options.state_file {
        remember_failed(path, &report)?;
    }
    sink.event(&Event::RunFinished { report: &report });
    Ok(report)
}

/// What is known of one case so far.
struct CaseResult {
    report: CaseReport,
    durations: Vec<Duration>,
    verdicts: BTreeMap<&'static str, usize>,
}

impl CaseResult {
    fn flake(&self, id: &str) -> Option<Flake> {
        (self.verdicts.len() > 1).then(|| Flake {
            id: id.to_owned(),
            verdicts: self.verdicts.clone(),
        })
    }
}

struct Running<'a> {
    ground: Ground<'a>,
    options: &'a Options,
    sink: &'a dyn EventSink,
    bench: Bench,
    results: BTreeMap<String, CaseResult>,
    stopped: bool,
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
        for case in selected {
            if !self.results.contains_key(&case.id) {
                let reason = "not started: an earlier case failed, and the run was to stop then";
                self.note(case, Judgement::without(Verdict::NotObserved, reason), None);
            }
        }
        Ok(())
    }

    /// Every case once, as many at a time as there are jobs.
    async fn pass(&mut self, cases: &[Arc<Case>], iteration: usize) -> Result<(), RunError> {
        let order = shuffled(cases, self.options.seed.wrapping_add(iteration as u64));
        // Who moves the clock moves it for everybody, and who measures must not be disturbed: these come last and one by one.
        let (alone, together): (Vec<_>, Vec<_>) =
            order.into_iter().partition(|case| case.runs_alone());
        let jobs = self.options.jobs.max(1);
        self.at_a_time(jobs, together, iteration).await?;
        self.at_a_time(1, alone, iteration).await
    }

    async fn at_a_time(
        &mut self,
        jobs: usize,
        mut waiting: Vec<Arc<Case>>,
        iteration: usize,
    ) -> Result<(), RunError> {
        let mut tasks = tokio::task::JoinSet::new();
        // A task that panics takes its case's name along, so it is kept here.
        let mut names: BTreeMap<tokio::task::Id, Arc<Case>> = BTreeMap::new();
        loop {
            while !self.stopped && tasks.len() < jobs {
                let Some(case) = waiting.pop() else { break };
                self.sink.event(&Event::CaseStarted { id: &case.id });
                let token = token(self.options.seed, iteration, &case.id);
                let bench = self.bench.clone();
                let own = Arc::clone(&case);
                let handle = tasks.spawn(async move { execute(&own, &token, &bench).await });
                names.insert(handle.id(), case);
            }
            let Some(joined) = tasks.join_next_with_id().await else {
                break;
            };
            let (id, observed) = match joined {
                Ok((id, observed)) => (id, observed),
                Err(error) => (
                    error.id(),
                    Observed::broken("", format!("the case's task ended early: {error}")),
                ),
            };
            if let Some(case) = names.remove(&id) {
                self.judged(&case, &observed, iteration)?;
            }
        }
        Ok(())
    }

    fn judged(
        &mut self,
        case: &Case,
        observed: &Observed,
        iteration: usize,
    ) -> Result<(), RunError> {
        let mut judgement = judge(case, observed, &self.ground);
        if !judgement.mismatches.is_empty() || judgement.reason.is_some() {
            let normaliser = Normaliser::new(
                case,
                observed,
                &self.bench.origins,
                &self.bench.mocks.model_url(),
                self.bench.target.base_url(),
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
        let report = self.note(case, judgement, Some(observed.duration));
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
        self.stopped |= failed && self.options.fail_fast;
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
            requirements: case.requirements.clone(),
            profile: case.profile(self.ground.registry),
            verdict: judgement.verdict,
            mismatches: judgement.mismatches,
            assertions: judgement.assertions,
            reason: judgement.reason,
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
                durations: Vec::new(),
                verdicts: BTreeMap::new(),
            });
        *result.verdicts.entry(report.verdict.name()).or_default() += 1;
        result.durations.extend(duration);
        if report.verdict > result.report.verdict {
            result.report = report.clone();
        }
        report
    }

    /// Calls without a token cannot be told apart while cases run together. Those that did not pass run once more, each alone,
    /// so that such a call is the target's doing in that case and not the harness's.
    async fn blame_strays(&mut self, cases: &[Arc<Case>]) -> Result<(), RunError> {
        let iteration = self.options.repeat.max(1);
        let bench = Bench {
            alone: true,
            ..self.bench.clone()
        };
        for case in cases {
            let failed = self.results.get(&case.id).is_some_and(|result| {
                matches!(
                    result.report.verdict,
                    Verdict::Fail | Verdict::Warn | Verdict::SetupFailed
                )
            });
            if !failed {
                continue;
            }
            self.sink.event(&Event::CaseRepeatedAlone { id: &case.id });
            let token = token(self.options.seed, iteration, &case.id);
            let observed = execute(case, &token, &bench).await;
            let before = self.results.remove(&case.id);
            self.judged(case, &observed, iteration)?;
            if let (Some(before), Some(after)) = (before, self.results.get_mut(&case.id)) {
                after.durations = before.durations;
                after.verdicts = before.verdicts;
                // Alone it must not look better than it was: the first failure stands.
                if before.report.verdict > after.report.verdict {
                    after.report = before.report;
                }
            }
        }
        Ok(())
    }
}

fn nothing_selected(options: &Options, of: usize) -> String {
    if of == 0 {
        return "there are no cases; name a folder that holds some".to_owned();
    }
    if options.last_failed {
        return "no case is left: the last run failed none, or the filter excludes them; run without --last-failed".to_owned();
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

fn remember_failed(path: &Path, report: &Report) -> Result<(), RunError> {
    let failed: String = report
        .cases
        .iter()
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
