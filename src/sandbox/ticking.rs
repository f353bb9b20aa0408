//! The beat that running code is interrupted by, and the count of how much runs at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::Thread;
use std::time::Duration;

/// How often running code can be looked at.
pub(super) const BEAT: Duration = Duration::from_millis(1);

/// Beats without anything running after which the thread goes to sleep; waking it costs more than a few idle beats.
const LINGER: u32 = 50;

/// A thread that moves an engine's epoch on as long as anything runs.
#[derive(Debug)]
pub(super) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
    most: usize,
}

#[derive(Debug)]
struct Shared {
    running: AtomicUsize,
    places: Mutex<usize>,
    freed: Condvar,
}

impl Ticker {
    /// Starts the thread; it sleeps until something runs. At most `most` run at once.
    ///
    /// # Errors
    /// When the system grants no thread.
    pub(super) fn start(engine: &wasmtime::Engine, most: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            running: AtomicUsize::new(0),
            places: Mutex::new(most),
            freed: Condvar::new(),
        });
        let (seen, engine) = (Arc::clone(&shared), engine.weak());
        let handle = std::thread::Builder::new()
            .name("sandbox-ticker".to_owned())
            .spawn(move || {
                let mut idle = 0;
                while let Some(engine) = engine.upgrade() {
                    if seen.running.load(Ordering::Acquire) > 0 {
                        idle = 0;
                    } else if idle < LINGER {
                        idle += 1;
                    } else {
                        drop(engine);
                        std::thread::park();
                        idle = 0;
                        continue;
                    }
                    engine.increment_epoch();
                    drop(engine);
                    std::thread::sleep(BEAT);
                }
            })?;
        Ok(Self {
            shared,
            thread: handle.thread().clone(),
            most,
        })
    }

    /// Waits for a place, and keeps the beat going while it is held.
    pub(super) fn ticking(&self) -> Ticking {
        let places = self
            .shared
            .places
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut places = self
            .shared
            .freed
            .wait_while(places, |places| *places == 0)
            .unwrap_or_else(PoisonError::into_inner);
        *places -= 1;
        drop(places);
        if self.shared.running.fetch_add(1, Ordering::AcqRel) == 0 {
            self.thread.unpark();
        }
        Ticking(Arc::clone(&self.shared))
    }

    /// How many may run at once.
    pub(super) fn most(&self) -> usize {
        self.most
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        // The thread ends when it finds no engine.
        self.thread.unpark();
    }
}

/// A place among what runs: as long as it is held the epoch moves on every millisecond, and an instance can be had of the pool.
///
/// Hold it longer than the store of the run, for the instance leaves the pool with the store.
#[derive(Debug)]
pub(super) struct Ticking(Arc<Shared>);

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
        *self.0.places.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn the_epoch_moves_only_while_something_runs() {
        let mut config = wasmtime::Config::new();
        config.epoch_interruption(true);
        let engine = wasmtime::Engine::new(&config).expect("made");
        let ticker = Ticker::start(&engine, 1).expect("started");
        let module =
            wasmtime::Module::new(&engine, "(module (func (export \"spin\") (loop br 0)))")
                .expect("compiles");
        // Ended by the beat, every time that the thread is woken anew; without it this would never end.
        for _ in 0..3 {
            let ticking = ticker.ticking();
            let mut store = wasmtime::Store::new(&engine, ());
            store.set_epoch_deadline(3);
            let instance = wasmtime::Instance::new(&mut store, &module, &[]).expect("made");
            let spin = instance
                .get_typed_func::<(), ()>(&mut store, "spin")
                .expect("there");
            assert!(spin.call(&mut store, ()).is_err());
            drop(ticking);
            std::thread::sleep(BEAT * (LINGER + 20));
        }
    }

    #[test]
    fn no_more_than_the_most_run_at_once() {
        let engine = wasmtime::Engine::default();
        let ticker = Ticker::start(&engine, 2).expect("started");
        let (first, second) = (ticker.ticking(), ticker.ticking());
        let (sender, receiver) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let third = ticker.ticking();
                sender.send(()).expect("heard");
                drop(third);
            });
            assert!(receiver.recv_timeout(Duration::from_millis(50)).is_err());
            drop(first);
            receiver
                .recv_timeout(Duration::from_secs(10))
                .expect("its turn came");
        });
        drop(second);
    }
}
