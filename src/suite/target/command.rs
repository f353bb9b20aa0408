//! A target that the harness starts by a command: ready, driven over HTTP, started again when it ends by itself, and ended.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::process::{Launch, Process};
use super::{Boxed, Exchange, HttpRequest, HttpTarget, SendError, Target, bounded};
use crate::suite::secrets::Secrets;
use crate::suite::verdict::RunError;

/// How often a target that ended by itself is started again unless its definition says otherwise.
pub const RESTARTS: u32 = 3;

/// Time between two looks at a target that is not ready yet.
const PAUSE: Duration = Duration::from_millis(20);

/// Longest wait for one answer while a target is not ready yet.
const LOOK: Duration = Duration::from_secs(2);

/// How long an answer may still be on its way when the process has ended.
const LAST_ANSWER: Duration = Duration::from_millis(200);

/// What is started, and how it is known to be ready.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The command.
    pub launch: Launch,
    /// How it is reached.
    pub http: HttpTarget,
    /// The path that is asked until it answers below 500.
    pub ready: String,
    /// How long it may take.
    pub ready_timeout: Duration,
    /// How often it is started again when it ended by itself.
    pub restarts: u32,
    /// What must not show in what it wrote.
    pub secrets: Secrets,
}

/// A running target of the harness' own.
pub struct CommandTarget {
    plan: Plan,
    current: Mutex<Arc<Process>>,
    /// Held while it is brought back.
    reviving: tokio::sync::Mutex<()>,
    restarted: AtomicU32,
    ended_before: AtomicUsize,
    hung: AtomicBool,
    words: Mutex<Option<String>>,
}

impl CommandTarget {
    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// [`RunError::Usage`] when the command cannot be started, [`RunError::NotReady`] or [`RunError::Unreachable`] when it ended or
    /// does not get ready, or something else listens there: one sentence, and the last that it wrote.
    pub async fn start(plan: Plan) -> Result<Arc<Self>, RunError> {
        free(&plan.http).await?;
        let process = launch(&plan).await?;
        Ok(Arc::new(Self {
            plan,
            current: Mutex::new(process),
            reviving: tokio::sync::Mutex::new(()),
            restarted: AtomicU32::new(0),
            ended_before: AtomicUsize::new(0),
            hung: AtomicBool::new(false),
            words: Mutex::new(None),
        }))
    }

    /// Ends it.
    pub async fn stop(&self) {
        self.current().stop().await;
    }

    /// What it wrote last, without secrets: both streams, as far as they are kept.
    pub fn log(&self) -> String {
        let process = self.current();
        let secrets = &self.plan.secrets;
        format!(
            "standard error:\n{}\nstandard output:\n{}\n",
            process.stderr().text(secrets),
            process.stdout().text(secrets)
        )
    }

    /// What there is to say of how it ended, with the last that it wrote; `None` when it never did by itself.
    pub fn remark(&self) -> Option<String> {
        let times = self.deaths();
        if times == 0 {
            return None;
        }
        let words = lock(&self.words).clone();
        let words = words.unwrap_or_else(|| self.epitaph(&self.current()));
        let times = if times == 1 {
            "once".to_owned()
        } else {
            format!("{times} times")
        };
        Some(format!("the target ended during the run, {times}: {words}"))
    }

    fn current(&self) -> Arc<Process> {
        Arc::clone(&lock(&self.current))
    }

    fn epitaph(&self, process: &Process) -> String {
        let how = process
            .exit()
            .map_or("it runs".to_owned(), |exit| exit.to_string());
        format!("{how}{}", process.last_words(&self.plan.secrets))
    }

    fn how(&self, process: &Process) -> String {
        if self.hung.load(Ordering::Relaxed) {
            return "the target hung and was ended".to_owned();
        }
        match process.exit() {
            Some(exit) => format!("the target ended by itself ({exit})"),
            None => "the target ended by itself".to_owned(),
        }
    }

    async fn answer(&self, request: HttpRequest, timeout: Duration) -> Exchange {
        let process = self.current();
        let began = Instant::now();
        let gone = |request: HttpRequest| Exchange {
            request,
            outcome: Err(SendError::Ended(self.how(&process))),
            duration: began.elapsed(),
            answered: None,
        };
        if process.exit().is_some() {
            return gone(request);
        }
        let kept = request.clone();
        let exchange = tokio::select! {
            exchange = self.plan.http.send(request, timeout) => exchange,
            () = async {
                process.ended().await;
                tokio::time::sleep(LAST_ANSWER).await;
            } => return gone(kept),
        };
        // A connection that broke because the process went is told as that; the news of it can be a moment late.
        if matches!(
            exchange.outcome,
            Err(SendError::Broken(_) | SendError::Unreachable(_))
        ) && tokio::time::timeout(LAST_ANSWER, process.ended())
            .await
            .is_ok()
        {
            return gone(kept);
        }
        exchange
    }

    async fn bring_back(&self) -> Result<(), String> {
        let _one = self.reviving.lock().await;
        let old = self.current();
        if old.exit().is_none() {
            return Ok(());
        }
        let used = self.restarted.load(Ordering::Relaxed);
        if used >= self.plan.restarts {
            let how = self.how(&old);
            return Err(match used {
                0 => format!("{how}, and is not started again"),
                1 => format!("{how} after a restart, and is not started again"),
                _ => format!("{how} after {used} restarts, and is not started again"),
            });
        }
        // Only the first is told: the others are mostly the same.
        lock(&self.words).get_or_insert_with(|| self.epitaph(&old));
        old.stop().await;
        self.restarted.fetch_add(1, Ordering::Relaxed);
        match launch(&self.plan).await {
            Ok(process) => {
                *lock(&self.current) = process;
                self.ended_before.fetch_add(1, Ordering::Relaxed);
                self.hung.store(false, Ordering::Relaxed);
                Ok(())
            }
            Err(_) => {
                self.restarted.store(self.plan.restarts, Ordering::Relaxed);
                Err(format!("{}, and does not get ready again", self.how(&old)))
            }
        }
    }
}

impl Target for CommandTarget {
    fn base_url(&self) -> &str {
        self.plan.http.base_url()
    }

    fn send(&self, request: HttpRequest, timeout: Duration) -> Boxed<'_, Exchange> {
        Box::pin(self.answer(request, timeout))
    }

    fn revive(&self) -> Boxed<'_, Result<(), String>> {
        Box::pin(self.bring_back())
    }

    fn deaths(&self) -> usize {
        let now = usize::from(self.current().exit().is_some());
        self.ended_before.load(Ordering::Relaxed) + now
    }

    fn process(&self) -> Option<u32> {
        Some(self.current().id())
    }

    fn abandon(&self) -> Boxed<'_, bool> {
        Box::pin(async move {
            self.hung.store(true, Ordering::Relaxed);
            self.current().stop().await;
            true
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whoever listens there already would be judged in place of the target.
async fn free(http: &HttpTarget) -> Result<(), RunError> {
    let probe = http.send(HttpRequest::new("GET", "/healthz"), LOOK).await;
    match probe.outcome {
        Err(SendError::Unreachable(_)) => Ok(()),
        _ => Err(RunError::Unreachable(format!(
            "the port is taken: something listens at {} before the target is started; end it, or let the target listen on ${{port}}",
            http.base_url()
        ))),
    }
}

/// Starts the command and waits until it is ready.
async fn launch(plan: &Plan) -> Result<Arc<Process>, RunError> {
    let (process, _) = Process::start(&plan.launch).map_err(RunError::Usage)?;
    let outcome = ready(plan, &process).await;
    if let Err(error) = outcome {
        process.stop().await;
        return Err(error);
    }
    Ok(process)
}

async fn ready(plan: &Plan, process: &Process) -> Result<(), RunError> {
    let deadline = Instant::now() + plan.ready_timeout;
    let url = plan.http.base_url();
    let words = || process.last_words(&plan.secrets);
    let mut why = String::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let request = HttpRequest::new("GET", plan.ready.as_str());
        let time = left.clamp(PAUSE, LOOK);
        let exchange = tokio::select! {
            exchange = bounded(&plan.http, request, time) => exchange,
            exit = process.ended() => {
                return Err(RunError::NotReady(format!(
                    "the target ended before it was ready, with {exit}{}", words()
                )));
            }
        };
        why = match &exchange.outcome {
            Ok(answer) if answer.status < 500 => return Ok(()),
            Ok(answer) => format!("GET {} answers {}", plan.ready, answer.status),
            // The last look is cut short by the end of patience; what was seen before says more.
            Err(SendError::TimedOut(_)) if time < LOOK && !why.is_empty() => why,
            Err(SendError::Unreachable(_)) => format!(
                "nobody listens at {url}; it has to listen on the port that stands in PORT and in ${{port}}"
            ),
            Err(error) => format!("GET {} of {url}: {error}", plan.ready),
        };
        if Instant::now() + PAUSE >= deadline {
            return Err(RunError::NotReady(format!(
                "the target is not ready after {} s: {why}{}",
                plan.ready_timeout.as_secs_f64(),
                words()
            )));
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            _ = process.ended() => {}
        }
    }
}
