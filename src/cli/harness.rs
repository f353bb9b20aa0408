//! What several commands need: the cases, the mock services, the reference, the wish to stop.

use std::collections::BTreeMap;
use std::path::Path;

use mock_services::{Credentials, StartError};
use serde::Serialize;

use super::failure::Failure;
use crate::requirement::Registry;
use crate::runtime;
use crate::suite::case::Case;
use crate::suite::load;
use crate::suite::target::process;

/// The cases of a folder, or those that this binary carries.
pub(super) fn cases(folder: Option<&Path>) -> Result<Vec<Case>, Failure> {
    let registry = Registry::embedded();
    match folder {
        Some(folder) => load::directory(folder, registry),
        None => load::embedded_cases(registry),
    }
    .map_err(|errors| Failure::cases(&errors))
}

/// Requirement ids and the cases that cite them.
pub(super) fn cited(cases: &[Case]) -> BTreeMap<String, Vec<String>> {
    let mut cited: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for case in cases {
        for id in case.cited() {
            cited
                .entry(id.to_owned())
                .or_default()
                .push(case.id.clone());
        }
    }
    cited
}

/// Indented JSON.
pub(super) fn pretty(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(value)
        .map(crate::suite::report::text::json)
        .map_err(|error| Failure::harness(format!("cannot write the answer as JSON: {error}")))
}

/// The test credentials, each replaced by the environment variable of its name where that is set.
pub(super) fn credentials() -> Credentials {
    let defaults = Credentials::default();
    let or = |name: &str, default: String| std::env::var(name).unwrap_or(default);
    Credentials {
        calendar: or("CALENDAR_TOKEN", defaults.calendar),
        email: or("EMAIL_TOKEN", defaults.email),
        crm: or("CRM_TOKEN", defaults.crm),
        model_key: or("OPENAI_API_KEY", defaults.model_key),
        object_key_id: or("AWS_ACCESS_KEY_ID", defaults.object_key_id),
        object_key: or("AWS_SECRET_ACCESS_KEY", defaults.object_key),
    }
}

/// What it means when the mock services do not start.
pub(super) fn mocks_failed(error: StartError) -> Failure {
    match error {
        StartError::Busy { .. } | StartError::Listen { .. } => {
            Failure::unreachable(error.to_string())
        }
        StartError::NotLoopback { .. } | StartError::Invalid(_) => {
            Failure::usage(error.to_string())
        }
        StartError::System(_) => Failure::harness(error.to_string()),
    }
}

/// Makes the interpreters of the sandbox ready before cases run, so that none of them waits for a compiler; tells of it on
/// standard error where it takes a while.
pub(super) async fn prepare_sandbox() -> Result<(), Failure> {
    let prepared = tokio::task::spawn_blocking(|| {
        let compiling = std::cell::Cell::new(false);
        runtime::prepare_sandbox(&|line| {
            compiling.set(compiling.get() || line.starts_with("compiling"));
            if compiling.get() {
                eprintln!("{line}");
            }
        })
    });
    match prepared.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Failure::harness(error.to_string())),
        Err(error) => Err(Failure::harness(format!("the sandbox: {error}"))),
    }
}

/// What a run says that was interrupted.
pub(super) const INTERRUPTED: &str = "interrupted; no verdict";

/// What work that starts processes comes to, unless a signal ends it. However it ended, nothing that it started goes on.
pub(super) async fn to_its_end<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut work = std::pin::pin!(work);
    let outcome = tokio::select! {
        // Signals are listened for before anything is started that they are to end.
        biased;
        stopped = interrupted() => stopped.and_then(|()| Err(Failure::harness(INTERRUPTED))),
        outcome = &mut work => outcome,
    };
    process::stop_all().await;
    outcome
}

/// Waits for Ctrl-C, a request to terminate, or the end of the terminal.
pub(super) async fn interrupted() -> Result<(), Failure> {
    let cannot =
        |error: std::io::Error| Failure::harness(format!("cannot listen for signals: {error}"));
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
        // The terminal was closed.
        let mut hang_up = signal(SignalKind::hangup()).map_err(cannot)?;
        let mut quit = signal(SignalKind::quit()).map_err(cannot)?;
        tokio::select! {
            done = tokio::signal::ctrl_c() => done.map_err(cannot),
            _ = quit.recv() => Ok(()),
            _ = terminate.recv() => Ok(()),
            _ = hang_up.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    {
        tokio::signal::ctrl_c().await.map_err(cannot)
    }
}
