//! All that one run has on our side.

use std::sync::Arc;

use wasmtime::Linker;

use super::job::{Door, Job};
use super::limits::{Deadline, Meter};
use super::oap_http;
use super::wasi::{self, Wasi};

/// The state of one run. No two runs share one.
pub(super) struct Host {
    /// Files, clock, chance, standard output.
    pub(super) wasi: Wasi,
    /// Memory.
    pub(super) meter: Meter,
    /// Time.
    pub(super) deadline: Deadline,
    /// The network.
    pub(super) outside: Outside,
}

/// The way to the network.
pub(super) struct Outside {
    /// Leads there; without one nothing does.
    pub(super) door: Option<Arc<dyn Door>>,
    /// Whether the code was refused once.
    pub(super) denied: bool,
    /// Whether a call is under way: `oap_alloc`, which receives the reply, may not begin another.
    pub(super) busy: bool,
}

impl Host {
    /// The state in which a run of this job begins.
    pub(super) fn new(job: &Job, deadline: Deadline) -> Self {
        Self {
            wasi: Wasi::new(&job.limits, job.clock_ns, job.seed),
            meter: Meter::new(job.limits.memory),
            deadline,
            outside: Outside {
                door: job.door.clone(),
                denied: false,
                busy: false,
            },
        }
    }
}

/// Everything that a module can import: WASI preview 1 and `oap.http`.
///
/// # Errors
/// When two functions have one name, which is a mistake of ours.
pub(super) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    wasi::link(&mut linker, |host: &mut Host| &mut host.wasi)?;
    oap_http::link(&mut linker)?;
    Ok(linker)
}
