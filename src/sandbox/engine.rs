//! The engine that everything runs on: one of them in a process, with the interpreters and the modules that it knows.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use wasmtime::{
    Config, InstanceAllocationStrategy, InstancePre, Linker, OptLevel, PoolingAllocationConfig,
};

use super::guests::{Guest, Guests, Progress};
use super::host::{self, Host};
use super::job::{Failure, Language};
use super::module::Modules;
use super::ticking::{Ticker, Ticking};

/// The version that `Cargo.toml` names.
pub(super) const WASMTIME: &str = "48.0.8";

/// Native stack that WebAssembly may use, in bytes; a thread that runs it needs twice as much.
const STACK: usize = 2 * 1024 * 1024;

/// Most linear memory that an instance can have, in bytes, whatever limit a run has.
pub(super) const MOST_MEMORY: usize = 1024 * 1024 * 1024;

/// How many instances there can be at once: as many as a runtime can have threads that run code.
const INSTANCES: u32 = 192;

/// Most tables of one module.
pub(super) const TABLES: u32 = 4;

/// Most elements of one table.
pub(super) const TABLE_ELEMENTS: usize = 100_000;

/// Why there is no engine, or no interpreter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineError(String);

impl EngineError {
    /// With what happened, and what to do.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for EngineError {}

/// What runs code: the configured engine, what guests may import, the guests themselves and the modules of strangers.
pub(super) struct Engine {
    wasmtime: wasmtime::Engine,
    /// Compiles with every core; what it makes runs on `wasmtime`.
    compiler: wasmtime::Engine,
    linker: Linker<Host>,
    guests: Guests,
    modules: Modules,
    ticker: Ticker,
}

impl Engine {
    /// The engine of this process; the first call makes it.
    ///
    /// # Errors
    /// When the system grants no address space or no thread; the next call tries again.
    pub(super) fn shared() -> Result<Arc<Self>, EngineError> {
        static SHARED: OnceLock<Arc<Engine>> = OnceLock::new();
        static MAKING: Mutex<()> = Mutex::new(());
        if let Some(engine) = SHARED.get() {
            return Ok(Arc::clone(engine));
        }
        let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = SHARED.get() {
            return Ok(Arc::clone(engine));
        }
        let engine = Arc::new(Self::new()?);
        Ok(Arc::clone(SHARED.get_or_init(|| engine)))
    }

    fn new() -> Result<Self, EngineError> {
        let cannot = |what: &str, error: &dyn fmt::Display| {
            EngineError::new(format!("cannot start the sandbox: {what}: {error}"))
        };
        let wasmtime = wasmtime::Engine::new(&config(false)).map_err(|error| {
            cannot(
                "no engine (is the address space limited, 'ulimit -v'?)",
                &error.root_cause(),
            )
        })?;
        let compiler = wasmtime::Engine::new(
            config(true).allocation_strategy(InstanceAllocationStrategy::OnDemand),
        )
        .map_err(|error| cannot("no compiler", &error.root_cause()))?;
        let linker = host::linker(&wasmtime)
            .map_err(|error| cannot("its functions do not link", &error.root_cause()))?;
        let ticker = Ticker::start(&wasmtime, INSTANCES as usize)
            .map_err(|error| cannot("no thread", &error))?;
        Ok(Self {
            wasmtime,
            compiler,
            linker,
            guests: Guests::default(),
            modules: Modules::default(),
            ticker,
        })
    }

    /// What stores are made with.
    pub(super) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.wasmtime
    }

    /// The interpreter of a language: loads or compiles it at first need, while others that need it wait.
    ///
    /// # Errors
    /// When there is none for this language, or it cannot be made; the next call tries again.
    pub(super) fn guest(&self, language: Language) -> Result<InstancePre<Host>, EngineError> {
        self.prepare(language, &|_| {})
            .map(|guest| guest.module.clone())
    }

    /// The same, telling what is made, and how it was.
    ///
    /// # Errors
    /// As [`Engine::guest`].
    pub(super) fn prepare(
        &self,
        language: Language,
        watch: &dyn Fn(&Progress),
    ) -> Result<&Guest, EngineError> {
        self.guests.get(language, self, watch)
    }

    /// A stranger's module, `code` as the manifest has it; `networked` when it may import `oap.http`.
    ///
    /// # Errors
    /// Why it is refused.
    pub(super) fn module(
        self: &Arc<Self>,
        code: &str,
        networked: bool,
    ) -> Result<InstancePre<Host>, Failure> {
        self.modules.get(code, networked, self)
    }

    /// Waits until fewer than the most instances run, and keeps the epoch moving while the guard lives. Have one for a run,
    /// and drop the store before it.
    pub(super) fn ticking(&self) -> Ticking {
        self.ticker.ticking()
    }

    /// How many instances can run at once.
    pub(super) fn most_instances(&self) -> usize {
        self.ticker.most()
    }

    /// What compiles for this engine with every core.
    pub(super) fn compiler(&self) -> &wasmtime::Engine {
        &self.compiler
    }

    /// The modules of strangers that it knows.
    pub(super) fn modules(&self) -> &Modules {
        &self.modules
    }

    /// What modules may import.
    pub(super) fn linker(&self) -> &Linker<Host> {
        &self.linker
    }

    /// A name for code that this engine can run: another version, configuration or processor has another.
    pub(super) fn key(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.wasmtime
            .precompile_compatibility_hash()
            .hash(&mut hasher);
        format!("wasmtime-{WASMTIME}-{:016x}", hasher.finish())
    }
}

/// `parallel` says whether compiling takes every core: strangers' modules must leave some to the runs.
fn config(parallel: bool) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(INSTANCES)
        .total_memories(INSTANCES)
        .total_tables(INSTANCES * TABLES)
        .max_memories_per_module(1)
        .max_tables_per_module(TABLES)
        .table_elements(TABLE_ELEMENTS)
        .max_memory_size(MOST_MEMORY)
        // Nothing of a run is kept for the next one, and zeroing by hand was slower than by the kernel.
        .linear_memory_keep_resident(0)
        .table_keep_resident(0);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .parallel_compilation(parallel)
        .cranelift_opt_level(OptLevel::Speed)
        .memory_init_cow(true)
        .max_wasm_stack(STACK)
        // Runs are ended by the clock of their thread, which is looked at when the epoch moves on.
        .epoch_interruption(true)
        // Equal input, equal bits, on any machine (spec/sandbox.md, section 5).
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        // What compilers emit by default, and nothing that is younger.
        .wasm_gc(false)
        .wasm_tail_call(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false)
        .wasm_stack_switching(false)
        // Nobody sees places in strangers' code.
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false)
        .native_unwind_info(false);
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_engine_and_its_key_names_the_version() {
        let engine = Engine::shared().expect("started");
        assert!(Arc::ptr_eq(&engine, &Engine::shared().expect("there")));
        assert!(engine.key().starts_with("wasmtime-48.0.8-"));
        let manifest = include_str!("../../Cargo.toml");
        assert!(manifest.contains(&format!("wasmtime = {{ version = \"={WASMTIME}\"")));
    }

    #[test]
    fn what_the_compiler_makes_the_engine_runs() {
        let engine = Engine::shared().expect("started");
        let hash = |engine: &wasmtime::Engine| {
            let mut hasher = DefaultHasher::new();
            engine.precompile_compatibility_hash().hash(&mut hasher);
            hasher.finish()
        };
        assert_eq!(hash(engine.wasmtime()), hash(engine.compiler()));
    }
}
