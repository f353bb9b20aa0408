//! A target behind an adapter that speaks JSON lines on its standard input and output (`spec/stdio.md`).

mod conversation;
mod line;

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::process::{Launch, Process};
use super::{Boxed, Exchange, HttpRequest, SendError, Target};
use crate::suite::secrets::Secrets;
use crate::suite::verdict::RunError;
use conversation::{Conversation, State};

/// How long an answer may still be on its way when the process has ended.
const LAST_ANSWER: Duration = Duration::from_millis(200);

/// How an adapter is started.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The command as its maker wrote it, for reports.
    pub name: String,
    /// The command.
    pub launch: Launch,
    /// How long it may take until it says that it is ready.
    pub ready_timeout: Duration,
    /// How often it is started again when it ended by itself.
    pub restarts: u32,
    /// What must not show in what it wrote.
    pub secrets: Secrets,
}

/// A runtime behind an adapter that the harness started.
pub struct StdioTarget {
    url: String,
    plan: Plan,
    secrets: Arc<Secrets>,
    current: Mutex<Arc<Running>>,
    /// Held while it is brought back.
    reviving: tokio::sync::Mutex<()>,
    restarted: AtomicU32,
    ended_before: AtomicUsize,
    hung: AtomicBool,
    words: Mutex<Option<String>>,
}

/// One adapter process and the conversation with it.
struct Running {
    process: Arc<Process>,
    talk: Conversation,
}

impl Running {
    fn state(&self) -> State {
        self.talk.state().borrow().clone()
    }

    /// Whether nothing can be asked any more.
    fn is_over(&self) -> bool {
        self.process.exit().is_some() || !matches!(self.state(), State::Ready | State::Silent)
    }

    /// Asks it to end by closing its input, and makes it end if it does not.
    async fn stop(&self, patience: Duration) {
        self.talk.close();
        let _ = tokio::time::timeout(patience, self.process.ended()).await;
        self.process.stop().await;
        self.talk.gone();
    }
}

impl StdioTarget {
    /// Starts the adapter and waits until it says that it is ready.
    ///
    /// # Errors
    /// [`RunError::Usage`] when the command cannot be started, [`RunError::NotReady`] when the adapter ended, broke the protocol or said
    /// nothing in time: one sentence, and the last that it wrote to standard error.
    pub async fn start(plan: Plan) -> Result<Arc<Self>, RunError> {
        let secrets = Arc::new(plan.secrets.clone());
        let running = launch(&plan, 1, &secrets).await?;
        Ok(Arc::new(Self {
            url: format!("stdio:{}", plan.name),
            plan,
            secrets,
            current: Mutex::new(running),
            reviving: tokio::sync::Mutex::new(()),
            restarted: AtomicU32::new(0),
            ended_before: AtomicUsize::new(0),
            hung: AtomicBool::new(false),
            words: Mutex::new(None),
        }))
    }

    /// Ends it: closes its input, and kills it when it takes longer than it may.
    pub async fn stop(&self) {
        self.current().stop(self.plan.launch.stop_timeout).await;
    }

    /// Waits until the adapter breaks the protocol, which ends a run: the sentence says where and how.
    pub async fn broken(&self) -> RunError {
        loop {
            let running = self.current();
            let mut state = running.talk.state();
            let ended = state.wait_for(|state| matches!(state, State::Closed | State::Broken(_)));
            if let Ok(state) = ended.await
                && let State::Broken(why) = &*state
            {
                return RunError::NotReady(format!("{why}{}", self.last_words(&running)));
            }
            // It ended by itself; another one may take its place.
            drop(running);
            tokio::time::sleep(LAST_ANSWER).await;
        }
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
        Some(format!(
            "the adapter ended during the run, {times}: {words}"
        ))
    }

    /// The end of what it wrote to standard error, without secrets.
    pub fn log(&self) -> String {
        self.current().process.stderr().text(&self.secrets)
    }

    fn current(&self) -> Arc<Running> {
        Arc::clone(&lock(&self.current))
    }

    fn last_words(&self, running: &Running) -> String {
        running.process.last_words(&self.secrets)
    }

    fn epitaph(&self, running: &Running) -> String {
        let how = running
            .process
            .exit()
            .map_or("it closed its output".to_owned(), |exit| exit.to_string());
        format!("{how}{}", self.last_words(running))
    }

    fn how(&self, running: &Running) -> String {
        if let State::Broken(why) = running.state() {
            return why;
        }
        if self.hung.load(Ordering::Relaxed) {
            return "the adapter hung and was ended".to_owned();
        }
        match running.process.exit() {
            Some(exit) => format!("the adapter ended by itself ({exit})"),
            None => "the adapter closed its output".to_owned(),
        }
    }

    async fn outcome(
        &self,
        request: &HttpRequest,
        timeout: Duration,
    ) -> Result<super::Answer, SendError> {
        let running = self.current();
        if running.is_over() {
            return Err(SendError::Ended(self.how(&running)));
        }
        let exchange = tokio::time::timeout(timeout, running.talk.exchange(request));
        let outcome = tokio::select! {
            outcome = exchange => outcome.unwrap_or(Err(SendError::TimedOut(timeout))),
            // Its children may hold the output open when it is gone.
            () = async {
                running.process.ended().await;
                tokio::time::sleep(LAST_ANSWER).await;
            } => Err(SendError::Broken(String::new())),
        };
        if let Err(SendError::Broken(_)) = outcome {
            // The news of its end can be a moment late.
            let _ = tokio::time::timeout(LAST_ANSWER, running.process.ended()).await;
            return Err(SendError::Ended(self.how(&running)));
        }
        outcome
    }

    async fn bring_back(&self) -> Result<(), String> {
        let _one = self.reviving.lock().await;
        let old = self.current();
        if !old.is_over() {
            return Ok(());
        }
        let how = self.how(&old);
        if let State::Broken(_) = old.state() {
            return Err(how);
        }
        let used = self.restarted.load(Ordering::Relaxed);
        if used >= self.plan.restarts {
            return Err(match used {
                0 => format!("{how}, and is not started again"),
                _ => format!("{how} after {used} restarts, and is not started again"),
            });
        }
        // Only the first is told: the others are mostly the same.
        lock(&self.words).get_or_insert_with(|| self.epitaph(&old));
        old.stop(Duration::ZERO).await;
        self.restarted.fetch_add(1, Ordering::Relaxed);
        match launch(&self.plan, old.talk.next(), &self.secrets).await {
            Ok(running) => {
                *lock(&self.current) = running;
                self.ended_before.fetch_add(1, Ordering::Relaxed);
                self.hung.store(false, Ordering::Relaxed);
                Ok(())
            }
            Err(_) => {
                self.restarted.store(self.plan.restarts, Ordering::Relaxed);
                Err(format!("{how}, and does not get ready again"))
            }
        }
    }
}

impl Target for StdioTarget {
    fn base_url(&self) -> &str {
        &self.url
    }

    fn send(&self, request: HttpRequest, timeout: Duration) -> Boxed<'_, Exchange> {
        Box::pin(async move {
            let began = Instant::now();
            let outcome = self.outcome(&request, timeout).await;
            Exchange {
                request,
                outcome,
                duration: began.elapsed(),
                answered: None,
            }
        })
    }

    fn revive(&self) -> Boxed<'_, Result<(), String>> {
        Box::pin(self.bring_back())
    }

    fn deaths(&self) -> usize {
        let now = usize::from(self.current().is_over());
        self.ended_before.load(Ordering::Relaxed) + now
    }

    fn process(&self) -> Option<u32> {
        Some(self.current().process.id())
    }

    fn abandon(&self) -> Boxed<'_, bool> {
        Box::pin(async move {
            self.hung.store(true, Ordering::Relaxed);
            self.current().stop(Duration::ZERO).await;
            true
        })
    }
}

/// Starts the adapter and waits for its first line.
async fn launch(plan: &Plan, first: u64, secrets: &Arc<Secrets>) -> Result<Arc<Running>, RunError> {
    let (process, pipes) = Process::start(&plan.launch).map_err(RunError::Usage)?;
    let talk = pipes
        .ok_or_else(|| "the adapter was started without its two ends".to_owned())
        .and_then(|pipes| Conversation::new(pipes.stdout, pipes.stdin, first, Arc::clone(secrets)))
        .map_err(RunError::Harness);
    let talk = match talk {
        Ok(talk) => talk,
        Err(error) => {
            process.stop().await;
            return Err(error);
        }
    };
    let running = Running { process, talk };
    let why = match greeting(&running, plan.ready_timeout).await {
        None => return Ok(Arc::new(running)),
        Some(why) => why,
    };
    let why = format!("{why}{}", running.process.last_words(secrets));
    running.stop(Duration::ZERO).await;
    Err(RunError::NotReady(why))
}

/// Why the adapter is not ready; `None`: it is.
async fn greeting(running: &Running, patience: Duration) -> Option<String> {
    let mut state = running.talk.state();
    let said = async {
        match state.wait_for(|state| *state != State::Silent).await {
            Ok(state) => state.clone(),
            Err(_) => State::Closed,
        }
    };
    let said = tokio::select! {
        said = tokio::time::timeout(patience, said) => said,
        () = async {
            running.process.ended().await;
            tokio::time::sleep(LAST_ANSWER).await;
        } => Ok(State::Closed),
    };
    match said {
        Ok(State::Ready) => None,
        Ok(State::Broken(why)) => Some(why),
        Ok(State::Silent | State::Closed) => {
            let exit = tokio::time::timeout(LAST_ANSWER, running.process.ended()).await;
            Some(match exit {
                Ok(exit) => format!("the adapter ended before it was ready, with {exit}"),
                Err(_) => "the adapter closed its output before it was ready".to_owned(),
            })
        }
        Err(_) => Some(format!(
            "the adapter said nothing within {} s; its first line has to be {}",
            patience.as_secs_f64(),
            r#"{"ready": true, "protocol": "oap-stdio/1"}"#
        )),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
