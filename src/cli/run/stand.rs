//! What stands while cases run: the target, the mocks that it asks, and the folder that it shares.

use std::path::Path;
use std::sync::Arc;

use mock_services::{MockServices, ModelWire};

use super::ground::{self, Facts, Ground};
use super::target::{Asking, Chosen, Own};
use crate::cli::failure::Failure;
use crate::cli::harness;
use crate::model::Wire;
use crate::mutants::{self, Standing};
use crate::runtime::{self, Reference, Running};
use crate::selftest;
use crate::suite::Options;
use crate::suite::files::Temporary;
use crate::suite::measure::Process;
use crate::suite::options::test_secrets;
use crate::suite::target::claims::Claims;
use crate::suite::target::definition::Definition;
use crate::suite::target::started::Started;
use crate::suite::target::{HttpTarget, Target};

/// A target and what belongs to it.
pub(in crate::cli) struct Stand {
    /// The runtime under test.
    pub target: Arc<dyn Target>,
    /// The model and the services.
    pub mocks: Arc<MockServices>,
    kind: Kind,
    facts: Facts,
    /// Removed with this value.
    _folder: Option<Temporary>,
}

enum Kind {
    Reference(Running),
    Mutant(Standing),
    Started(Started),
    Elsewhere,
}

impl Stand {
    /// Starts what is to be started, and waits until it is ready.
    pub async fn up(chosen: Chosen) -> Result<Self, Failure> {
        match chosen {
            Chosen::Reference(asking) => Self::built_in(None, asking).await,
            Chosen::Mutant(name, asking) => Self::built_in(Some(&name), asking).await,
            Chosen::Own(own) => Self::own(*own).await,
        }
    }

    /// Starts the reference, or a mutant.
    async fn built_in(mutant: Option<&str>, asking: Asking) -> Result<Self, Failure> {
        let mocks = ground::mocks(mock_services::Options::default()).await?;
        let folder = Temporary::new().map_err(Failure::harness)?;
        let files = folder.files().clone();
        harness::prepare_sandbox().await?;
        let config = selftest::with_roots(selftest::reference(&mocks), &files, &mocks);
        let (mut config, signals) = selftest::with_signals(config, &files, &mocks);
        config.model.wire = wire(asking.wire);
        config.model.base_url = mocks.model_url_of(asking.wire);
        config.model.stream = asking.stream;
        let (kind, url, clock) = match mutant {
            None => {
                let running = runtime::start(config, Arc::new(Reference))
                    .await
                    .map_err(|error| Failure::harness(error.to_string()))?;
                let (url, clock) = (format!("http://{}", running.addr), running.clock_url());
                (Kind::Reference(running), url, clock)
            }
            Some(name) => {
                let standing = mutant_named(name)?
                    .start(config)
                    .await
                    .map_err(Failure::harness)?;
                let (url, clock) = (standing.url.clone(), standing.clock_url());
                (Kind::Mutant(standing), url, clock)
            }
        };
        let target = HttpTarget::new(&url, Vec::new()).map_err(Failure::harness)?;
        Ok(Self {
            target: Arc::new(target),
            mocks,
            kind,
            facts: Facts {
                secrets: test_secrets(),
                claims: Claims {
                    wire: asking.wire,
                    ..Claims::default()
                },
                clock,
                process: Some(Process::Own),
                objects: true,
                files: Some(files),
                signals,
                lanes: None,
            },
            _folder: Some(folder),
        })
    }

    /// Starts somebody's own target, or goes where it listens.
    async fn own(own: Own) -> Result<Self, Failure> {
        let ground = Ground::lay(own).await?;
        let (target, kind, clock) = match ground.start() {
            None => {
                let target: Arc<dyn Target> = Arc::new(ground.elsewhere()?);
                (target, Kind::Elsewhere, ground.clock_elsewhere())
            }
            Some(start) => {
                let (started, clock) = if start.stdio.is_some() {
                    let (plan, clock) = ground.adapter()?;
                    (Started::behind(plan).await?, clock)
                } else {
                    let (plan, clock) = ground.plan()?;
                    (Started::listening(plan).await?, clock)
                };
                (started.target(), Kind::Started(started), clock)
            }
        };
        Ok(Self {
            target,
            kind,
            facts: ground.facts(clock),
            mocks: ground.mocks,
            _folder: ground.temporary,
        })
    }

    /// The options of a run with what is known of the target.
    pub fn on(&self, options: Options) -> Options {
        self.facts.on(options)
    }

    /// Waits until the run cannot go on: an adapter that breaks the protocol can be asked nothing more.
    pub async fn broken(&self) -> Failure {
        match &self.kind {
            Kind::Started(started) => started.broken().await.into(),
            _ => std::future::pending().await,
        }
    }

    /// Ends what was started. What a target wrote that ended during the run is told on standard error, and kept in the folder
    /// for failures. Comes back with why there is no verdict after all: an adapter that broke its protocol up to its end.
    pub async fn down(self, keep: Option<&Path>) -> Option<Failure> {
        match self.kind {
            Kind::Reference(running) => running.shutdown().await,
            Kind::Mutant(standing) => standing.shutdown().await,
            Kind::Started(started) => {
                if let Some(remark) = started.remark() {
                    eprintln!("{remark}");
                }
                started.stop().await;
                if let Some(folder) = keep {
                    // A log that cannot be kept costs no verdict.
                    let _ = std::fs::create_dir_all(folder)
                        .and_then(|()| std::fs::write(folder.join("target.log"), started.log()));
                }
                return started.broke().map(Failure::from);
            }
            Kind::Elsewhere => {}
        }
        None
    }
}

/// The secrets that are searched for in what a target left behind: those of the test environment, of this one under the same names,
/// and those that its definition names.
pub(super) fn searched(chosen: Chosen) -> Result<Vec<(String, String)>, Failure> {
    ground::searched(match chosen {
        Chosen::Own(own) => own.definition,
        Chosen::Reference(_) | Chosen::Mutant(..) => Definition::default(),
    })
}

/// The secrets of the test environment, and of this one under the same names.
pub(in crate::cli) fn of_the_environment() -> Result<Vec<(String, String)>, Failure> {
    ground::searched(Definition::default())
}

/// The mocks' wire, as the reference names it.
fn wire(wire: ModelWire) -> Wire {
    match wire {
        ModelWire::OpenAi => Wire::OpenAi,
        ModelWire::Anthropic => Wire::Anthropic,
        ModelWire::Cohere => Wire::Cohere,
    }
}

fn mutant_named(name: &str) -> Result<mutants::Mutant, Failure> {
    let found = mutants::all()
        .into_iter()
        .find(|mutant| mutant.name == name);
    found.ok_or_else(|| {
        Failure::usage(format!(
            "there is no mutant '{name}'; 'oap-conform explain REQUIREMENT' names those of a requirement"
        ))
    })
}
