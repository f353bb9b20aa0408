//! The lives of a target that the harness started: how often it ended, whether it may be started again, and what is said of it.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::process::Process;
use crate::suite::secrets::Secrets;
use crate::suite::verdict::RunError;

/// How often a target that ended by itself is started again unless its definition says otherwise.
pub(super) const RESTARTS: u32 = 3;

/// How long an answer may still be on its way when the process has ended.
pub(super) const LAST_ANSWER: Duration = Duration::from_millis(200);

/// One life: from a start to the end.
pub(super) trait Life: Send + Sync {
    /// What it is called in a sentence.
    const NAME: &'static str;

    /// Its process.
    fn process(&self) -> &Process;

    /// Whether nothing can be asked any more.
    fn is_over(&self) -> bool {
        self.process().exit().is_some()
    }

    /// Why it must not be started again, whatever is left of its restarts.
    fn forbids(&self) -> Option<String> {
        None
    }

    /// Ends what is left of it.
    fn end(&self) -> impl Future<Output = ()> + Send;
}

impl Life for Process {
    const NAME: &'static str = "the target";

    fn process(&self) -> &Process {
        self
    }

    async fn end(&self) {
        self.stop().await;
    }
}

/// The life that a target leads now, and what is known of those before it.
#[derive(Debug)]
pub(super) struct Lives<L> {
    current: Mutex<Arc<L>>,
    /// Held while it is brought back.
    reviving: tokio::sync::Mutex<()>,
    /// How often it is started again at most.
    restarts: u32,
    restarted: AtomicU32,
    ended_before: AtomicUsize,
    hung: AtomicBool,
    /// How the first life that ended did.
    words: Mutex<Option<String>>,
    secrets: Arc<Secrets>,
}

impl<L: Life> Lives<L> {
    /// A target with its first life; these secrets must not show in what it wrote.
    pub(super) fn new(first: Arc<L>, restarts: u32, secrets: Arc<Secrets>) -> Self {
        Self {
            current: Mutex::new(first),
            reviving: tokio::sync::Mutex::new(()),
            restarts,
            restarted: AtomicU32::new(0),
            ended_before: AtomicUsize::new(0),
            hung: AtomicBool::new(false),
            words: Mutex::new(None),
            secrets,
        }
    }

    /// The life that it leads now.
    pub(super) fn current(&self) -> Arc<L> {
        Arc::clone(&lock(&self.current))
    }

    /// How often it ended by itself.
    pub(super) fn deaths(&self) -> usize {
        let now = usize::from(self.current().is_over());
        self.ended_before.load(Ordering::Relaxed) + now
    }

    /// What there is to say of how it ended, with the last that it wrote; `None` when it never did by itself.
    pub(super) fn remark(&self) -> Option<String> {
        let times = match self.deaths() {
            0 => return None,
            1 => "once".to_owned(),
            times => format!("{times} times"),
        };
        let words = lock(&self.words).clone().or_else(|| {
            let life = self.current();
            // What must not go on is told as the end of the run.
            life.forbids().is_none().then(|| self.epitaph(&life))
        })?;
        Some(format!(
            "{} ended during the run, {times}: {words}",
            L::NAME
        ))
    }

    /// Why this life answers no more.
    pub(super) fn how(&self, life: &L) -> String {
        if let Some(why) = life.forbids() {
            return why;
        }
        let name = L::NAME;
        if self.hung.load(Ordering::Relaxed) {
            return format!("{name} hung and was ended");
        }
        match life.process().exit() {
            Some(exit) => format!("{name} ended by itself ({exit})"),
            None => format!("{name} closed its output"),
        }
    }

    fn epitaph(&self, life: &L) -> String {
        let process = life.process();
        let how = process
            .exit()
            .map_or("it closed its output".to_owned(), |exit| exit.to_string());
        format!("{how}{}", process.last_words(&self.secrets))
    }

    /// Ends the life that hangs.
    pub(super) async fn abandon(&self) {
        self.hung.store(true, Ordering::Relaxed);
        self.current().end().await;
    }

    /// Begins another life when this one is over, as far as it may; `start` is given the one that is over.
    ///
    /// # Errors
    /// When it does not come back any more, with a sentence that says how it ended.
    pub(super) async fn bring_back<F>(
        &self,
        start: impl FnOnce(Arc<L>) -> F + Send,
    ) -> Result<(), String>
    where
        F: Future<Output = Result<Arc<L>, RunError>> + Send,
    {
        let _one = self.reviving.lock().await;
        let old = self.current();
        if !old.is_over() {
            return Ok(());
        }
        let how = self.how(&old);
        if old.forbids().is_some() {
            return Err(how);
        }
        let used = self.restarted.load(Ordering::Relaxed);
        if used >= self.restarts {
            return Err(match used {
                0 => format!("{how}, and is not started again"),
                1 => format!("{how} after a restart, and is not started again"),
                _ => format!("{how} after {used} restarts, and is not started again"),
            });
        }
        // Only the first is told: the others are mostly the same.
        lock(&self.words).get_or_insert_with(|| self.epitaph(&old));
        old.end().await;
        self.restarted.fetch_add(1, Ordering::Relaxed);
        match start(old).await {
            Ok(life) => {
                *lock(&self.current) = life;
                self.ended_before.fetch_add(1, Ordering::Relaxed);
                self.hung.store(false, Ordering::Relaxed);
                Ok(())
            }
            Err(_) => {
                self.restarted.store(self.restarts, Ordering::Relaxed);
                Err(format!("{how}, and does not get ready again"))
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
