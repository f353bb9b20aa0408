//! What has to be there before somebody's own target is started: the mocks, the shared folder, the secrets.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mock_services::MockServices;

use super::target::Own;
use crate::cli::failure::Failure;
use crate::cli::harness;
use crate::suite::Options;
use crate::suite::files::{Files, Temporary};
use crate::suite::identity::Keys;
use crate::suite::lanes::Lanes;
use crate::suite::measure::Process;
use crate::suite::options::test_secrets;
use crate::suite::signals::Signals;
use crate::suite::signals::book::LogBook;
use crate::suite::target::claims::Claims;
use crate::suite::target::definition::{Definition, Delivery, Logs, SharedFolder, Start};
use crate::suite::target::environment::Known;
use crate::suite::target::starting::Surroundings;
use crate::suite::target::{HttpTarget, Target as _, command, stdio};

/// The ground on which somebody's own target is started, or reached.
pub(in crate::cli) struct Ground {
    /// What its maker says of it.
    pub definition: Definition,
    /// The model and the services.
    pub mocks: Arc<MockServices>,
    /// Removed with this value, where the folder is of the harness' own making.
    pub temporary: Option<Temporary>,
    folder: PathBuf,
    known: Known,
    pid: Option<u32>,
    objects: bool,
    files: Option<Files>,
    signals: Signals,
    lanes: Option<Arc<Lanes>>,
    /// The file with the manifest of the instance that is asked what it can do.
    manifest: Option<PathBuf>,
}

/// What is known of a target.
pub(in crate::cli) struct Facts {
    /// Secrets to search for.
    pub secrets: Vec<(String, String)>,
    /// What its maker says.
    pub claims: Claims,
    /// Base URL of its clock.
    pub clock: Option<String>,
    /// Its processes.
    pub process: Option<Process>,
    /// Whether it was told where the object store is.
    pub objects: bool,
    /// The folder that it shares with the harness.
    pub files: Option<Files>,
    /// What can be seen of what it tells its operator.
    pub signals: Signals,
    /// Starts an instance for each case, where manifests are delivered by file.
    pub lanes: Option<Arc<Lanes>>,
}

impl Facts {
    /// The options of a run with what is known of the target.
    pub fn on(&self, options: Options) -> Options {
        let known = |name: &str| -> String {
            let found = self.secrets.iter().find(|(own, _)| own == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        Options {
            keys: Keys {
                hs256: known("OAP_TEST_JWT_HS256"),
                static_token: known("OAP_TEST_STATIC_TOKEN"),
            },
            secrets: self.secrets.clone(),
            claims: self.claims.clone(),
            clock: self.clock.clone(),
            process: self.process,
            files: self.files.clone(),
            signals: self.signals.clone(),
            objects: self.objects,
            lanes: self.lanes.clone(),
            ..options
        }
    }
}

/// What can be seen of a target's signals.
fn signals(definition: &Definition, folder: &Path) -> Signals {
    let logs = definition.observe.logs.as_ref().map(|logs| match logs {
        Logs::File(path) => LogBook::of_file(folder.join(path)),
        Logs::Stdout | Logs::Stderr => LogBook::default(),
    });
    Signals {
        collector: match definition.start {
            Some(_) => definition.inject.otlp.is_some(),
            None => definition.services.collector_port.is_some(),
        },
        logs,
        metrics: definition.observe.metrics.clone(),
    }
}

/// Reads a variable of this process.
fn own_variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Ground {
    /// Starts the mocks and makes the folder.
    pub async fn lay(own: Own) -> Result<Self, Failure> {
        let Own {
            mut definition,
            folder,
            listen,
            pid,
        } = own;
        let starts = definition.start.is_some();
        if !starts {
            secrets_from_here(&mut definition);
        }
        let known = Known::of(&definition, &own_variable).map_err(Failure::usage)?;
        let mut credentials = known.credentials();
        if let Some(id) = own_variable("AWS_ACCESS_KEY_ID").filter(|_| !starts) {
            credentials.object_key_id = id;
        }
        let services = &definition.services;
        let bind = services.bind.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let at = |given: Option<SocketAddr>, port: Option<u16>| {
            given.or_else(|| Some(SocketAddr::new(bind, port.unwrap_or(0))))
        };
        let objects = starts || listen.objects.is_some() || services.objects_port.is_some();
        let mock_options = mock_services::Options {
            model_listen: at(listen.model, services.model_port),
            calendar_listen: at(listen.calendar, services.calendar_port),
            email_listen: at(None, None),
            crm_listen: at(None, None),
            objects_listen: at(listen.objects, services.objects_port),
            collector_listen: at(None, services.collector_port),
            credentials,
            allow_non_loopback: services.bind.is_some(),
            advertise: services.advertise.clone(),
            ..mock_services::Options::default()
        };
        let signals = signals(&definition, &folder);
        let mocks = mocks(mock_options.clone()).await?;
        let (files, temporary) = shared(&definition, &folder)?;
        let lanes = if definition.manifest.delivery == Delivery::File {
            // Ports that were given are taken by the mocks above.
            let any = Some(SocketAddr::new(bind, 0));
            let options = mock_services::Options {
                model_listen: any,
                calendar_listen: any,
                objects_listen: any,
                collector_listen: any,
                ..mock_options
            };
            let lanes = Lanes::new(
                definition.clone(),
                folder.clone(),
                known.clone(),
                options,
                files.clone(),
                own_variable,
            );
            Some(Arc::new(lanes.map_err(Failure::harness)?))
        } else {
            None
        };
        let manifest = match &lanes {
            Some(lanes) => Some(lanes.control(&mocks).map_err(Failure::harness)?),
            None => None,
        };
        Ok(Self {
            definition,
            mocks,
            temporary,
            folder,
            known,
            pid,
            objects,
            files,
            signals,
            lanes,
            manifest,
        })
    }

    /// How the target is started, where it is.
    pub fn start(&self) -> Option<&Start> {
        self.definition.start.as_ref()
    }

    /// How a target that listens is started, and the base URL of its clock.
    pub fn plan(&self) -> Result<(command::Plan, Option<String>), Failure> {
        let (plan, clock) = self.surroundings().plan().map_err(Failure::usage)?;
        refuse_beyond_loopback(&plan.http, &self.definition)?;
        Ok((plan, clock))
    }

    /// How an adapter is started, and the base URL of its runtime's clock.
    pub fn adapter(&self) -> Result<(stdio::Plan, Option<String>), Failure> {
        self.surroundings().adapter().map_err(Failure::usage)
    }

    /// The target that somebody else started.
    pub fn elsewhere(&self) -> Result<HttpTarget, Failure> {
        let url = self.definition.connect.base_url.as_deref();
        let headers = self.known.headers.clone();
        let target = HttpTarget::new(url.unwrap_or_default(), headers).map_err(Failure::usage)?;
        refuse_beyond_loopback(&target, &self.definition)?;
        Ok(target)
    }

    /// The base URL of the clock of a target that somebody else started.
    pub fn clock_elsewhere(&self) -> Option<String> {
        let clock = self.definition.inject.clock.as_ref();
        clock.map(|clock| clock.url.clone())
    }

    /// What is known of the target.
    pub fn facts(&self, clock: Option<String>) -> Facts {
        Facts {
            secrets: self.known.searched(),
            claims: Claims::of(&self.definition),
            clock,
            process: self.pid.map(Process::Tree),
            objects: self.objects,
            files: self.files.clone(),
            signals: self.signals.clone(),
            lanes: self.lanes.clone(),
        }
    }

    fn surroundings(&self) -> Surroundings<'_> {
        Surroundings {
            definition: &self.definition,
            folder: &self.folder,
            known: &self.known,
            mocks: &self.mocks,
            shared: self.files.as_ref().map(Files::path),
            manifest: self.manifest.as_deref(),
            logs: self.signals.logs.as_ref(),
            own: &own_variable,
        }
    }
}

/// It was started in an environment that is like this one.
fn secrets_from_here(definition: &mut Definition) {
    for (name, _) in test_secrets() {
        if own_variable(&name).is_some_and(|value| !value.is_empty()) {
            definition.secrets.entry(name.clone()).or_insert(name);
        }
    }
}

/// The secrets that are searched for in what a target left behind: those of the test environment, of this one under the same names,
/// and those that its definition names.
pub(super) fn searched(mut definition: Definition) -> Result<Vec<(String, String)>, Failure> {
    secrets_from_here(&mut definition);
    let known = Known::of(&definition, &own_variable).map_err(Failure::usage)?;
    let mut searched = known.searched();
    searched.extend(test_secrets());
    Ok(searched)
}

/// Starts model and services.
pub(super) async fn mocks(options: mock_services::Options) -> Result<Arc<MockServices>, Failure> {
    mock_services::start(options)
        .await
        .map(Arc::new)
        .map_err(harness::mocks_failed)
}

/// The folder that target and harness share; one of the harness' own is removed with the second value.
fn shared(
    definition: &Definition,
    folder: &Path,
) -> Result<(Option<Files>, Option<Temporary>), Failure> {
    match &definition.inject.files {
        Some(SharedFolder::At(path)) => {
            let files = Files::at(&folder.join(path)).map_err(Failure::usage)?;
            Ok((Some(files), None))
        }
        Some(SharedFolder::Own(false)) => Ok((None, None)),
        _ if definition.start.is_none() => Ok((None, None)),
        _ => {
            let own = Temporary::new().map_err(Failure::harness)?;
            Ok((Some(own.files().clone()), Some(own)))
        }
    }
}

fn refuse_beyond_loopback(target: &HttpTarget, definition: &Definition) -> Result<(), Failure> {
    if target.is_loopback() || definition.connect.allow_destructive {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{} is not on this machine's loopback; the cases create, close and delete sessions and manifests \
         there: add --allow-destructive, or allow_destructive in [connect], if that is meant",
        target.base_url()
    )))
}
