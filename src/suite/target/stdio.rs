//! A target behind an adapter that speaks JSON lines on its standard input and output (`spec/stdio.md`).

mod conversation;
mod line;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::lives::{LAST_ANSWER, Life, Lives};
use super::process::{Launch, Process};
use super::{Boxed, Exchange, HttpRequest, SendError, Target};
use crate::suite::secrets::Secrets;
use crate::suite::verdict::RunError;
use conversation::{Conversation, State};

#[doc(hidden)]
pub use conversation::overheard;

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
    pub secrets: Arc<Secrets>,
}

/// A runtime behind an adapter that the harness started.
pub struct StdioTarget {
    url: String,
    plan: Plan,
    lives: Lives<Running>,
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

    /// Asks it to end by closing its input, and makes it end if it does not.
    async fn stop(&self, patience: Duration) {
        self.talk.close();
        let _ = tokio::time::timeout(patience, self.process.ended()).await;
        self.process.stop().await;
        // What it wrote until its end counts, unless somebody else holds its output open.
        let _ = tokio::time::timeout(LAST_ANSWER, self.talk.over()).await;
        self.talk.gone();
    }
}

impl Life for Running {
    const NAME: &'static str = "the adapter";

    fn process(&self) -> &Process {
        &self.process
    }

    fn is_over(&self) -> bool {
        self.process.exit().is_some() || !matches!(self.state(), State::Ready | State::Silent)
    }

    fn forbids(&self) -> Option<String> {
        match self.state() {
            State::Broken(why) => Some(why),
            _ => None,
        }
    }

    async fn end(&self) {
        self.stop(Duration::ZERO).await;
    }
}

impl StdioTarget {
    /// Starts the adapter and waits until it says that it is ready.
    ///
    /// # Errors
    /// [`RunError::Usage`] when the command cannot be started, [`RunError::NotReady`] when the adapter ended, broke the protocol or said
    /// nothing in time: one sentence, and the last that it wrote to standard error.
    pub async fn start(plan: Plan) -> Result<Arc<Self>, RunError> {
        let running = launch(&plan, 1).await?;
        let secrets = Arc::clone(&plan.secrets);
        Ok(Arc::new(Self {
            url: format!("stdio:{}", plan.name),
            lives: Lives::new(running, plan.restarts, secrets),
            plan,
        }))
    }

    /// Ends it: closes its input, and kills it when it takes longer than it may.
    pub async fn stop(&self) {
        self.lives
            .current()
            .stop(self.plan.launch.stop_timeout)
            .await;
    }

    /// Waits until the adapter breaks the protocol, which ends a run: the sentence says where and how.
    pub async fn broken(&self) -> RunError {
        loop {
            let running = self.lives.current();
            running.talk.over().await;
            if let Some(error) = self.fault(&running) {
                return error;
            }
            // It ended by itself; another one may take its place.
            drop(running);
            tokio::time::sleep(LAST_ANSWER).await;
        }
    }

    /// How the adapter broke the protocol, if it did; all that it wrote is known when it was stopped.
    pub fn broke(&self) -> Option<RunError> {
        self.fault(&self.lives.current())
    }

    fn fault(&self, running: &Running) -> Option<RunError> {
        let why = running.forbids()?;
        let words = running.process.last_words(&self.plan.secrets);
        Some(RunError::NotReady(format!("{why}{words}")))
    }

    /// What there is to say of how it ended, with the last that it wrote; `None` when it never did by itself.
    pub fn remark(&self) -> Option<String> {
        self.lives.remark()
    }

    /// The end of what it wrote to standard error, without secrets.
    pub fn log(&self) -> String {
        self.lives
            .current()
            .process
            .stderr()
            .text(&self.plan.secrets)
    }

    async fn outcome(
        &self,
        request: &HttpRequest,
        timeout: Duration,
    ) -> Result<super::Answer, SendError> {
        let running = self.lives.current();
        if running.is_over() {
            return Err(SendError::Ended(self.lives.how(&running)));
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
            return Err(SendError::Ended(self.lives.how(&running)));
        }
        outcome
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
        Box::pin(
            self.lives
                .bring_back(|old| launch(&self.plan, old.talk.next())),
        )
    }

    fn deaths(&self) -> usize {
        self.lives.deaths()
    }

    fn process(&self) -> Option<u32> {
        Some(self.lives.current().process.id())
    }

    fn abandon(&self) -> Boxed<'_, bool> {
        Box::pin(async move {
            self.lives.abandon().await;
            true
        })
    }
}

/// Starts the adapter and waits for its first line.
async fn launch(plan: &Plan, first: u64) -> Result<Arc<Running>, RunError> {
    let (process, pipes) = Process::start(&plan.launch).map_err(RunError::Usage)?;
    let talk = pipes
        .ok_or_else(|| "the adapter was started without its two ends".to_owned())
        .and_then(|pipes| {
            Conversation::new(pipes.stdout, pipes.stdin, first, Arc::clone(&plan.secrets))
        })
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
    let why = format!("{why}{}", running.process.last_words(&plan.secrets));
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
