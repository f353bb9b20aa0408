//! Targets that take their manifest from a file: each case has an instance of its own, with its own mocks and its own file, and as many
//! cases run side by side as there are jobs.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mock_services::MockServices;

use super::case::Case;
use super::clock::Clock;
use super::execute::{Bench, execute_on, origins_of, prepared};
use super::files::{Files, Temporary};
use super::observed::{ControlProblem, Observed, Whereabouts};
use super::prepare::{self, Origins};
use super::signals::book::LogBook;
use super::target::definition::Definition;
use super::target::environment::Known;
use super::target::started::Started;
use super::target::starting::Surroundings;
use super::target::{Counted, ENDED, Target};
use super::verdict::RunError;

/// What fails within this time has not been waited for.
const AT_ONCE: Duration = Duration::from_secs(3);

/// The token in the manifest of an instance that no case runs on.
const NOBODY: &str = "oapt0000000000000000";

/// How the instances of a target are started.
pub struct Lanes {
    /// What its maker says of it.
    definition: Definition,
    /// The folder of the definition.
    folder: PathBuf,
    /// The secrets of the run.
    known: Known,
    /// How the mocks of an instance are started; their ports are chosen anew each time.
    mocks: mock_services::Options,
    /// The folder that target and harness share.
    files: Option<Files>,
    /// Where the manifests lie.
    place: Temporary,
    /// Reads a variable of the harness' own environment.
    own: fn(&str) -> Option<String>,
    /// Requests that were sent to instances so far.
    sent: AtomicUsize,
}

impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The rest holds secrets.
        f.debug_struct("Lanes")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// Why a case has no instance.
enum Obstacle {
    /// The target does not get ready with the manifest of the case.
    Target(String),
    /// The harness is at fault.
    Own(String),
}

/// One instance and what belongs to it.
struct Lane {
    bench: Bench,
    started: Started,
    counted: Arc<Counted>,
}

impl Lanes {
    /// Instances of what a definition in this folder describes.
    ///
    /// # Errors
    /// When there is no place for their manifests.
    pub fn new(
        definition: Definition,
        folder: PathBuf,
        known: Known,
        mocks: mock_services::Options,
        files: Option<Files>,
        own: fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        Ok(Self {
            definition,
            folder,
            known,
            mocks,
            files,
            place: Temporary::new()?,
            own,
            sent: AtomicUsize::new(0),
        })
    }

    /// Requests that were sent to instances so far.
    pub fn requests(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }

    /// A file with a manifest for an instance that is only asked what it can do.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn control(&self, mocks: &MockServices) -> Result<PathBuf, String> {
        let origins = self.origins(mocks);
        let manifest = prepare::ready(&prepare::control(), NOBODY, &origins);
        self.write(NOBODY, &manifest.document.to_string())
    }

    /// Runs a case on an instance of its own.
    pub(super) async fn execute(&self, case: &Case, token: &str, bench: &Bench) -> Observed {
        let began = Instant::now();
        let observed = self.once(case, token, bench).await;
        // A port that was free can be somebody else's before the target listens there, so what went wrong at once is tried again.
        if observed.control.obstacle().is_some() && began.elapsed() < AT_ONCE {
            return self.once(case, token, bench).await;
        }
        observed
    }

    async fn once(&self, case: &Case, token: &str, bench: &Bench) -> Observed {
        let lane = self.lane(case, token, bench).await;
        let observed = match lane {
            Ok(lane) => {
                let mut observed = execute_on(case, token, &lane.bench).await;
                observed.whereabouts = Some(Whereabouts {
                    origins: lane.bench.origins.clone(),
                    model: lane.bench.mocks.model_url(),
                    target: lane.bench.target.base_url().to_owned(),
                });
                if lane.bench.target.deaths() > 0 {
                    observed.ended = Some(ENDED);
                }
                self.sent.fetch_add(lane.counted.count(), Ordering::Relaxed);
                lane.started.stop().await;
                observed
            }
            Err(Obstacle::Own(message)) => Observed::broken(token, message),
            Err(Obstacle::Target(message)) => {
                let mut observed = Observed::broken(token, String::new());
                observed.harness = None;
                observed.control.problem = Some(ControlProblem {
                    soft: false,
                    message,
                });
                observed
            }
        };
        // The folder is removed with the run in any case.
        let _ = std::fs::remove_file(self.path(token));
        observed
    }

    async fn lane(&self, case: &Case, token: &str, bench: &Bench) -> Result<Lane, Obstacle> {
        let mocks = mock_services::start(mock_services::Options {
            // Whatever carries no token is this case's: nobody else calls these mocks.
            default_token: Some(token.to_owned()),
            ..self.mocks.clone()
        })
        .await
        .map_err(|error| Obstacle::Own(error.to_string()))?;
        let mocks = Arc::new(mocks);
        let origins = self.origins(&mocks);
        let manifest = prepared(case, token, &origins).map_err(Obstacle::Own)?;
        let path = self
            .write(token, &manifest.document.to_string())
            .map_err(Obstacle::Own)?;
        let (started, clock) = self
            .start(&mocks, &path, bench.signals.logs.as_ref())
            .await?;
        let clock = match clock {
            Some(url) => {
                let clock = Clock::new(&url).map_err(Obstacle::Own)?;
                clock.look(bench.times.request).await;
                Some(Arc::new(clock))
            }
            None => None,
        };
        let counted = Arc::new(Counted::new(started.target()));
        Ok(Lane {
            bench: Bench {
                target: Arc::clone(&counted) as Arc<dyn Target>,
                mocks,
                origins,
                clock,
                alone: true,
                delivered: true,
                lanes: None,
                ..bench.clone()
            },
            started,
            counted,
        })
    }

    /// Starts the instance over these mocks, and tells the base URL of its clock. A case that ends it does not get it back.
    async fn start(
        &self,
        mocks: &MockServices,
        manifest: &Path,
        logs: Option<&LogBook>,
    ) -> Result<(Started, Option<String>), Obstacle> {
        let surroundings = || Surroundings {
            definition: &self.definition,
            folder: &self.folder,
            known: &self.known,
            mocks,
            shared: self.files.as_ref().map(Files::path),
            manifest: Some(manifest),
            logs,
            own: &self.own,
        };
        let start = self.definition.start.as_ref();
        if start.is_some_and(|start| start.stdio.is_some()) {
            let (mut plan, clock) = surroundings().adapter().map_err(Obstacle::Own)?;
            plan.restarts = 0;
            let started = Started::behind(plan).await.map_err(not_ready)?;
            return Ok((started, clock));
        }
        let (mut plan, clock) = surroundings().plan().map_err(Obstacle::Own)?;
        plan.restarts = 0;
        let started = Started::listening(plan).await.map_err(not_ready)?;
        Ok((started, clock))
    }

    fn origins(&self, mocks: &MockServices) -> Origins {
        Origins {
            folder: self.files.as_ref().map(|files| files.path().to_owned()),
            ..origins_of(mocks)
        }
    }

    fn path(&self, token: &str) -> PathBuf {
        Path::new(self.place.files().path()).join(format!("{token}.json"))
    }

    fn write(&self, token: &str, manifest: &str) -> Result<PathBuf, String> {
        let path = self.path(token);
        std::fs::write(&path, manifest)
            .map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
        Ok(path)
    }
}

fn not_ready(error: RunError) -> Obstacle {
    let message = error.to_string();
    match error {
        RunError::NotReady(_) | RunError::Unreachable(_) => {
            // What it wrote last differs from run to run.
            let sentence = message.split("; the last that it wrote").next();
            Obstacle::Target(format!(
                "with the manifest of this case: {}",
                sentence.unwrap_or_default()
            ))
        }
        _ => Obstacle::Own(message),
    }
}
