//! What stands when the first case begins: the target is there, it was asked what it can do, and the bench is laid.

use std::sync::Arc;

use mock_services::MockServices;

use crate::requirement::Profile;
use crate::suite::applicability::Capabilities;
use crate::suite::clock::Clock;
use crate::suite::execute::Bench;
use crate::suite::options::Options;
use crate::suite::target::{Counted, Patience, Target, discover, wait_ready};
use crate::suite::verdict::RunError;

/// A target that can be given cases.
pub struct Ready {
    /// What cases are run with.
    pub bench: Bench,
    /// What the target can do.
    pub capabilities: Capabilities,
    /// Counts the requests to the target.
    pub counted: Arc<Counted>,
    /// Counts its silence, where it may be given up for it.
    pub patience: Option<Arc<Patience>>,
}

/// Waits for a target, asks it what it can do, and lays the bench.
///
/// # Errors
/// When the target is not there or not ready, or its clock has no usable address.
pub async fn ready(
    target: Arc<dyn Target>,
    mocks: Arc<MockServices>,
    options: &Options,
) -> Result<Ready, RunError> {
    if !options.force {
        wait_ready(target.as_ref(), options.times.ready).await?;
    }
    let counted = Arc::new(Counted::new(target));
    let capabilities = match (&options.capabilities, options.force) {
        (Some(declared), _) => declared.clone(),
        (None, true) => Capabilities::of(Profile::ALL),
        (None, false) => {
            let found = discover(counted.as_ref(), options.times.request).await;
            options.claims.over(found)
        }
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
    // Null targets and mutants are silent on purpose, and every case is to meet them.
    let patience = options
        .gives_up
        .then(|| Arc::new(Patience::new(Arc::clone(&counted) as _)));
    let watched: Arc<dyn Target> = match &patience {
        Some(patience) => Arc::clone(patience) as _,
        None => Arc::clone(&counted) as _,
    };
    let mut bench = Bench::new(watched, mocks, options.times);
    bench.clock = clock;
    bench.process = options.process;
    bench.files.clone_from(&options.files);
    bench.signals.clone_from(&options.signals);
    bench.lanes.clone_from(&options.lanes);
    bench.origins.folder = options.files.as_ref().map(|files| files.path().to_owned());
    if capabilities.profiles.contains(&Profile::Access) {
        bench.keys = Some(options.keys.clone());
    }
    Ok(Ready {
        bench,
        capabilities,
        counted,
        patience,
    })
}
