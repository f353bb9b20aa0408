//! Options of `serve` about sandboxed code.

use clap::Args;

use crate::runtime::{self, Ceiling, SandboxSettings};

/// How sandboxed code is run.
#[derive(Debug, Args)]
pub(super) struct SandboxOptions {
    /// Most processor time that a manifest can give its code, in milliseconds
    #[arg(long, value_name = "MS", default_value = "200", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    sandbox_cpu_ms: u64,
    /// Most memory that a manifest can give its code, in MiB
    #[arg(long, value_name = "MIB", default_value = "64", value_parser = clap::value_parser!(u64).range(1..=1024))]
    sandbox_memory_mib: u64,
    /// Threads that run code, 1 to 64; by default two for each processor, at least 8 and at most 32. Code with granted network, which mostly waits, has four times as many of its own, 32 to 128
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(runtime::MOST_WORKERS)))]
    sandbox_workers: Option<u16>,
    /// Remember results of code for equal code, arguments, seed and start time
    #[arg(long)]
    cache_code_results: bool,
}

impl SandboxOptions {
    /// What they come to.
    pub fn settings(&self) -> SandboxSettings {
        let standard = SandboxSettings::default();
        SandboxSettings {
            ceiling: Ceiling::of(self.sandbox_cpu_ms, self.sandbox_memory_mib),
            workers: self.sandbox_workers.map_or(standard.workers, usize::from),
            cache_results: self.cache_code_results,
            ..standard
        }
    }
}

/// Makes the interpreters ready behind the back of whoever starts a runtime, and tells what takes time.
pub(super) fn prepare() {
    let prepare = || {
        if let Err(error) = runtime::prepare_sandbox(&|line| eprintln!("{line}")) {
            eprintln!("code cannot be run here: {error}");
        }
    };
    // Without the thread the first run that needs an interpreter waits for it.
    let _ = std::thread::Builder::new()
        .name("sandbox-preparing".to_owned())
        .spawn(prepare);
}
