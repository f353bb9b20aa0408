//! The modules of strangers: compiled once on a thread of their own, kept as long as there is room.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use wasmtime::{InstancePre, Module};

use super::engine::Engine;
use super::host::Host;
use super::intake;
use super::job::{Failure, FailureCode};

/// How long a run waits for its module, and before that for its turn to compile.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many modules are compiled at once.
const COMPILING: usize = 2;

/// Most bytes of machine code that are kept.
const MOST_BYTES: usize = 128 * 1024 * 1024;

/// Most modules that are kept.
const MOST_MODULES: usize = 256;

/// Native stack of a thread that compiles, in bytes.
const STACK: usize = 16 * 1024 * 1024;

/// What a module is known by: its text, and whether it may have the network.
type Key = [u8; 32];

/// The modules that an engine knows.
#[derive(Default)]
pub(super) struct Modules {
    known: Mutex<Known>,
    compiling: Mutex<usize>,
    compiled: Condvar,
}

/// What is kept, and when each was used last.
#[derive(Default)]
struct Known {
    slots: HashMap<Key, Slot>,
    uses: u64,
    bytes: usize,
}

struct Slot {
    entry: Arc<Entry>,
    used: u64,
    /// Of machine code; 0 while it is compiled.
    bytes: usize,
}

/// One module, or the promise of one.
#[derive(Default)]
struct Entry {
    outcome: Mutex<Option<Result<InstancePre<Host>, Failure>>>,
    settled: Condvar,
}

impl Modules {
    /// The module that `code` stands for, compiled now or earlier.
    ///
    /// # Errors
    /// Why it is refused; [`FailureCode::Busy`] when it could not be compiled in time.
    pub(super) fn get(
        &self,
        code: &str,
        networked: bool,
        engine: &Arc<Engine>,
    ) -> Result<InstancePre<Host>, Failure> {
        let mut sum = Sha256::new();
        sum.update([u8::from(networked)]);
        sum.update(code);
        let key: Key = sum.finalize().into();
        // Not in the condition: the lock would be held while this waits.
        let known = lock(&self.known).touch(&key);
        if let Some(entry) = known {
            return entry.wait();
        }
        let module = intake::read(code, networked)?;
        let (entry, ours) = lock(&self.known).enter(key);
        if ours {
            self.compile(key, &entry, module, engine);
        }
        entry.wait()
    }

    /// Has the module compiled elsewhere; the entry learns what came of it.
    fn compile(&self, key: Key, entry: &Arc<Entry>, module: Vec<u8>, engine: &Arc<Engine>) {
        let busy = || {
            Err(Failure::new(
                FailureCode::Busy,
                "too many modules are being compiled; try again",
            ))
        };
        if !self.take_turn() {
            return self.settle(key, entry, busy());
        }
        let (theirs, host) = (Arc::clone(entry), Arc::clone(engine));
        let started = std::thread::Builder::new()
            .name("sandbox-compiler".to_owned())
            .stack_size(STACK)
            .spawn(move || {
                let made = catch_unwind(AssertUnwindSafe(|| link(&module, &host)));
                let made = made
                    .unwrap_or_else(|_| Err(error("the compiler failed on the module".to_owned())));
                host.modules().settle(key, &theirs, made);
                host.modules().end_turn();
            });
        if started.is_err() {
            self.settle(key, entry, busy());
            self.end_turn();
        }
    }

    fn take_turn(&self) -> bool {
        let (mut compiling, waited) = self
            .compiled
            .wait_timeout_while(lock(&self.compiling), PATIENCE, |now| *now >= COMPILING)
            .unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            return false;
        }
        *compiling += 1;
        true
    }

    fn end_turn(&self) {
        *lock(&self.compiling) -= 1;
        self.compiled.notify_one();
    }

    /// Keeps a module, or forgets what is none, and tells those who wait.
    fn settle(&self, key: Key, entry: &Entry, outcome: Result<InstancePre<Host>, Failure>) {
        let bytes = outcome.as_ref().ok().map(|made| size(made.module()));
        lock(&self.known).settle(&key, bytes);
        *lock(&entry.outcome) = Some(outcome);
        entry.settled.notify_all();
    }
}

impl Known {
    fn touch(&mut self, key: &Key) -> Option<Arc<Entry>> {
        self.uses += 1;
        let slot = self.slots.get_mut(key)?;
        slot.used = self.uses;
        Some(Arc::clone(&slot.entry))
    }

    /// The entry, and whether it is new, so that the caller must settle it.
    fn enter(&mut self, key: Key) -> (Arc<Entry>, bool) {
        if let Some(entry) = self.touch(&key) {
            return (entry, false);
        }
        let entry = Arc::new(Entry::default());
        let slot = Slot {
            entry: Arc::clone(&entry),
            used: self.uses,
            bytes: 0,
        };
        self.slots.insert(key, slot);
        (entry, true)
    }

    fn settle(&mut self, key: &Key, bytes: Option<usize>) {
        let Some(bytes) = bytes else {
            self.slots.remove(key);
            return;
        };
        if let Some(slot) = self.slots.get_mut(key) {
            slot.bytes = bytes;
            self.bytes += bytes;
        }
        while self.bytes > MOST_BYTES || self.slots.len() > MOST_MODULES {
            // What is being compiled has nothing to free, and somebody waits for it.
            let compiled = self.slots.iter().filter(|(_, slot)| slot.bytes > 0);
            let Some(oldest) = compiled
                .min_by_key(|(_, slot)| slot.used)
                .map(|(key, _)| *key)
            else {
                return;
            };
            if let Some(slot) = self.slots.remove(&oldest) {
                self.bytes -= slot.bytes;
            }
        }
    }
}

impl Entry {
    fn wait(&self) -> Result<InstancePre<Host>, Failure> {
        let (outcome, _) = self
            .settled
            .wait_timeout_while(lock(&self.outcome), PATIENCE, |outcome| outcome.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        outcome.clone().unwrap_or_else(|| {
            // What is compiled at all takes about a second: somebody else has the processors.
            Err(Failure::new(
                FailureCode::Busy,
                "the module is still being compiled; try again",
            ))
        })
    }
}

fn link(module: &[u8], engine: &Engine) -> Result<InstancePre<Host>, Failure> {
    let refuse = |what: &str, reason: &wasmtime::Error| {
        let reason = reason.root_cause().to_string();
        error(format!("{what}: {}", intake::brief(&reason)))
    };
    let module = Module::from_binary(engine.wasmtime(), module)
        .map_err(|reason| refuse("the module does not compile", &reason))?;
    engine
        .linker()
        .instantiate_pre(&module)
        .map_err(|reason| refuse("the module does not link", &reason))
}

/// What keeping it costs, in bytes; never 0.
fn size(module: &Module) -> usize {
    let code = module.image_range();
    let bytes = (code.end as usize).saturating_sub(code.start as usize);
    // Its types, names and image of memory are not in there.
    bytes + 16 * 1024
}

fn error(message: String) -> Failure {
    Failure::new(FailureCode::Error, message)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAT: &str = r#"(module (memory (export "memory") 1) (func (export "oap_alloc") (param i32) (result i32) i32.const 0))"#;

    fn engine() -> Arc<Engine> {
        Engine::shared().expect("started")
    }

    fn refused(code: &str) -> String {
        match engine().module(code, false) {
            Ok(_) => panic!("taken: {code}"),
            Err(failure) => failure.message,
        }
    }

    #[test]
    fn a_module_is_compiled_once() {
        let first = engine()
            .module(WAT, false)
            .map_err(|failure| failure.message);
        let again = engine()
            .module(WAT, false)
            .map_err(|failure| failure.message);
        assert!(Module::same(
            first.expect("made").module(),
            again.expect("known").module()
        ));
    }

    #[test]
    fn a_function_of_another_type_is_not_given() {
        let code = r#"(module (import "wasi_snapshot_preview1" "fd_write" (func (param f32))))"#;
        let message = refused(code);
        assert!(message.contains("does not link"), "{message}");
        // Nothing of it is kept.
        assert_eq!(refused(code), message);
    }

    #[test]
    fn many_ask_for_one_at_once() {
        let code = format!("{WAT};; asked for by many");
        let modules: Vec<_> = std::thread::scope(|scope| {
            let asked: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| engine().module(&code, false).map_err(|f| f.message)))
                .collect();
            asked
                .into_iter()
                .map(|one| one.join().expect("no panic").expect("made"))
                .collect()
        });
        let first = modules.first().expect("eight");
        assert!(
            modules
                .iter()
                .all(|one| Module::same(first.module(), one.module()))
        );
    }

    #[test]
    fn what_was_used_least_recently_goes_first() {
        let mut known = Known::default();
        let key = |n: u16| {
            let mut key = [0; 32];
            key[..2].copy_from_slice(&n.to_le_bytes());
            key
        };
        for n in 0..4 {
            assert!(known.enter(key(n)).1);
        }
        assert!(!known.enter(key(3)).1);
        for n in 0..3 {
            known.settle(&key(n), Some(MOST_BYTES / 3));
        }
        assert!(known.touch(&key(0)).is_some());
        known.settle(&key(3), Some(1));
        assert_eq!(known.slots.len(), 4, "exactly full");
        assert!(known.enter(key(4)).1);
        known.settle(&key(4), Some(MOST_BYTES / 3));
        assert!(known.touch(&key(1)).is_none(), "the oldest is gone");
        assert!(known.touch(&key(0)).is_some());
        assert!(known.enter(key(5)).1);
        known.settle(&key(5), None);
        assert!(known.touch(&key(5)).is_none(), "a refused one is forgotten");
        for n in 100..1000 {
            known.enter(key(n));
            known.settle(&key(n), Some(1));
        }
        assert_eq!(known.slots.len(), MOST_MODULES);
        let bytes: usize = known.slots.values().map(|slot| slot.bytes).sum();
        assert_eq!(known.bytes, bytes);
    }
}
