//! From a definition to what is started: ports, placeholders, environment, the command's words.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mock_services::MockServices;

use super::HttpTarget;
use super::command::Plan;
use super::definition::{Definition, Logs, Start};
use super::environment::{Known, Own, environment, values_of};
use super::lives::RESTARTS;
use super::placeholders::{Values, asks_for, expand};
use super::process::Launch;
use super::stdio;
use crate::suite::secrets::Secrets;
use crate::suite::signals::book::LogBook;

/// Where a target listens unless its definition says otherwise.
const BASE_URL: &str = "http://127.0.0.1:${port}";

/// What a target is started with.
#[derive(Clone, Copy)]
pub struct Surroundings<'s> {
    /// What its maker says.
    pub definition: &'s Definition,
    /// The folder of the definition.
    pub folder: &'s Path,
    /// The secrets of the run.
    pub known: &'s Known,
    /// Model and services.
    pub mocks: &'s MockServices,
    /// The absolute path of the folder that it shares with the harness.
    pub shared: Option<&'s str>,
    /// The file with its manifest, where it is delivered so.
    pub manifest: Option<&'s Path>,
    /// What its log lines are read into, where they are on a stream.
    pub logs: Option<&'s LogBook>,
    /// The harness' own environment.
    pub own: Own<'s>,
}

/// What is needed to start one instance.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The process.
    pub launch: Launch,
    /// What placeholders stand for.
    pub values: Values,
}

impl Surroundings<'_> {
    /// Prepares one instance: ports are chosen anew each time.
    ///
    /// # Errors
    /// When there is no free port, or a placeholder stands for nothing.
    pub fn prepare(&self) -> Result<Prepared, String> {
        let start = self.start()?;
        let mark = mark();
        let mut values = values_of(self.mocks, self.definition.inject.model_wire, self.known);
        values.insert("port", free_port()?.to_string());
        values.insert("run_id", mark.clone());
        if let Some(folder) = self.shared {
            values.insert("folder", folder.to_owned());
        }
        if let Some(manifest) = self.manifest {
            values.insert("manifest", manifest.display().to_string());
        }
        let clock = self.definition.inject.clock.as_ref();
        let wants_clock = clock.is_some_and(|clock| asks_for(&clock.url, "clock_port"))
            || start
                .words()
                .iter()
                .chain(start.env.values())
                .any(|text| asks_for(text, "clock_port"));
        if wants_clock {
            values.insert("clock_port", free_port()?.to_string());
        }
        let words = start
            .words()
            .iter()
            .map(|word| expand(word, &values))
            .collect::<Result<Vec<String>, String>>()
            .map_err(|reason| format!("[start] command: {reason}"))?;
        let environment: BTreeMap<String, String> =
            environment(self.definition, self.known, &values, self.own)?;
        let launch = Launch {
            words,
            cwd: self.cwd(start),
            environment,
            mark,
            stop_timeout: start.stop_timeout(),
            piped: start.stdio.is_some(),
            stdout: self.book(&Logs::Stdout),
            stderr: self.book(&Logs::Stderr),
        };
        Ok(Prepared { launch, values })
    }

    /// How an instance that listens is started and reached, and the base URL of its clock.
    ///
    /// # Errors
    /// As [`Surroundings::prepare`], and when its base URL is none.
    pub fn plan(&self) -> Result<(Plan, Option<String>), String> {
        let start = self.start()?;
        let prepared = self.prepare()?;
        let base = self.definition.connect.base_url.as_deref();
        let base = expand(base.unwrap_or(BASE_URL), &prepared.values)?;
        let clock = self.clock(&prepared.values)?;
        let plan = Plan {
            launch: prepared.launch,
            http: HttpTarget::new(&base, self.known.headers.clone())?,
            ready: start.ready.clone(),
            ready_timeout: start.ready_timeout(),
            restarts: self.definition.limits.restarts.unwrap_or(RESTARTS),
            secrets: Arc::new(Secrets::new(self.known.searched())),
        };
        Ok((plan, clock))
    }

    /// How an adapter is started, and the base URL of its runtime's clock.
    ///
    /// # Errors
    /// As [`Surroundings::prepare`].
    pub fn adapter(&self) -> Result<(stdio::Plan, Option<String>), String> {
        let start = self.start()?;
        let prepared = self.prepare()?;
        let clock = self.clock(&prepared.values)?;
        let name = shlex::try_join(start.words().iter().map(String::as_str));
        let plan = stdio::Plan {
            name: name.unwrap_or_else(|_| start.words().join(" ")),
            launch: prepared.launch,
            ready_timeout: start.ready_timeout(),
            restarts: self.definition.limits.restarts.unwrap_or(RESTARTS),
            secrets: Arc::new(Secrets::new(self.known.searched())),
        };
        Ok((plan, clock))
    }

    fn book(&self, stream: &Logs) -> Option<LogBook> {
        let here = self.definition.observe.logs.as_ref() == Some(stream);
        self.logs.filter(|_| here).cloned()
    }

    fn clock(&self, values: &Values) -> Result<Option<String>, String> {
        let clock = self.definition.inject.clock.as_ref();
        clock.map(|clock| expand(&clock.url, values)).transpose()
    }

    fn start(&self) -> Result<&Start, String> {
        let start = self.definition.start.as_ref();
        start.ok_or_else(|| "the target's definition does not say how it is started".to_owned())
    }

    fn cwd(&self, start: &Start) -> PathBuf {
        let folder = match &start.cwd {
            Some(cwd) => self.folder.join(cwd),
            None => self.folder.to_owned(),
        };
        std::fs::canonicalize(&folder).unwrap_or(folder)
    }
}

/// A port of loopback that nobody listens on just now.
fn free_port() -> Result<u16, String> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| format!("no port is free on 127.0.0.1: {error}"))
}

/// A mark that no other run has.
fn mark() -> String {
    let chance = std::hash::RandomState::new().build_hasher().finish();
    format!("{:x}-{chance:016x}", std::process::id())
}
