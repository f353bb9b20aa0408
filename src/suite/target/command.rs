//! A target that the harness starts by a command: ready, driven over HTTP, started again when it ends by itself, and ended.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::lives::{LAST_ANSWER, Lives};
use super::process::{Exit, Launch, Process};
use super::{Boxed, Exchange, HttpRequest, HttpTarget, SendError, Target, bounded};
use crate::suite::secrets::Secrets;
use crate::suite::verdict::RunError;

/// Time between two looks at a target that is not ready yet.
pub(in crate::suite) const PAUSE: Duration = Duration::from_millis(20);

/// Longest wait for one answer while a target is not ready yet.
pub(in crate::suite) const LOOK: Duration = Duration::from_secs(2);

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
    pub secrets: Arc<Secrets>,
}

/// A running target of the harness' own.
pub struct CommandTarget {
    plan: Plan,
    lives: Lives<Process>,
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
        let secrets = Arc::clone(&plan.secrets);
        Ok(Arc::new(Self {
            lives: Lives::new(process, plan.restarts, secrets),
            plan,
        }))
    }

    /// Ends it.
    pub async fn stop(&self) {
        self.lives.current().stop().await;
    }

    /// What it wrote last, without secrets: both streams, as far as they are kept.
    pub fn log(&self) -> String {
        let process = self.lives.current();
        let secrets = &self.plan.secrets;
        format!(
            "standard error:\n{}\nstandard output:\n{}\n",
            process.stderr().text(secrets),
            process.stdout().text(secrets)
        )
    }

    /// What there is to say of how it ended, with the last that it wrote; `None` when it never did by itself.
    pub fn remark(&self) -> Option<String> {
        self.lives.remark()
    }

    async fn answer(&self, request: HttpRequest, timeout: Duration) -> Exchange {
        let process = self.lives.current();
        let began = Instant::now();
        let gone = |request: HttpRequest| Exchange {
            request,
            outcome: Err(SendError::Ended(self.lives.how(&process))),
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
}

impl Target for CommandTarget {
    fn base_url(&self) -> &str {
        self.plan.http.base_url()
    }

    fn send(&self, request: HttpRequest, timeout: Duration) -> Boxed<'_, Exchange> {
        Box::pin(self.answer(request, timeout))
    }

    fn revive(&self) -> Boxed<'_, Result<(), String>> {
        Box::pin(self.lives.bring_back(|_| launch(&self.plan)))
    }

    fn deaths(&self) -> usize {
        self.lives.deaths()
    }

    fn process(&self) -> Option<u32> {
        Some(self.lives.current().id())
    }

    fn abandon(&self) -> Boxed<'_, bool> {
        Box::pin(async move {
            self.lives.abandon().await;
            true
        })
    }
}

/// Whoever listens there already would be judged in place of the target.
async fn free(http: &HttpTarget) -> Result<(), RunError> {
    if is_free(http).await {
        return Ok(());
    }
    Err(RunError::Unreachable(format!(
        "the port is taken: something listens at {} before the target is started; end it, or let the target listen on ${{port}}",
        http.base_url()
    )))
}

/// Whether nobody listens there yet.
pub(in crate::suite) async fn is_free(http: &HttpTarget) -> bool {
    let probe = http.send(HttpRequest::new("GET", "/healthz"), LOOK).await;
    matches!(probe.outcome, Err(SendError::Unreachable(_)))
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
    let Err(unready) = until_ready(plan, process).await else {
        return Ok(());
    };
    let url = plan.http.base_url();
    let why = match unready {
        Unready::Ended(exit) => format!("the target ended before it was ready, with {exit}"),
        unready => format!(
            "the target is not ready after {} s: {}",
            plan.ready_timeout.as_secs_f64(),
            match unready {
                Unready::Status(status) => format!("GET {} answers {status}", plan.ready),
                Unready::Broken(error) => format!("GET {} of {url}: {error}", plan.ready),
                _ => format!(
                    "nobody listens at {url}; it has to listen on the port that stands in PORT and in ${{port}}"
                ),
            }
        ),
    };
    let words = process.last_words(&plan.secrets);
    Err(RunError::NotReady(format!("{why}{words}")))
}

/// Why a process is not ready.
pub(in crate::suite) enum Unready {
    /// It ended.
    Ended(Exit),
    /// Nobody listens where it should.
    Silent,
    /// It answers with this status.
    Status(u16),
    /// It gives no answer.
    Broken(SendError),
}

/// Asks until it answers below 500, and tells the status.
pub(in crate::suite) async fn until_ready(plan: &Plan, process: &Process) -> Result<u16, Unready> {
    let deadline = Instant::now() + plan.ready_timeout;
    let mut before = None;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let request = HttpRequest::new("GET", plan.ready.as_str());
        let time = left.clamp(PAUSE, LOOK);
        let exchange = tokio::select! {
            exchange = bounded(&plan.http, request, time) => exchange,
            exit = process.ended() => return Err(Unready::Ended(exit)),
        };
        let why = match exchange.outcome {
            Ok(answer) if answer.status < 500 => return Ok(answer.status),
            Ok(answer) => Unready::Status(answer.status),
            Err(SendError::Unreachable(_)) => Unready::Silent,
            // The last look is cut short by the end of patience; what was seen before says more.
            Err(error) => match (before.take(), &error) {
                (Some(before), SendError::TimedOut(_)) if time < LOOK => before,
                _ => Unready::Broken(error),
            },
        };
        if Instant::now() + PAUSE >= deadline {
            return Err(why);
        }
        before = Some(why);
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            _ = process.ended() => {}
        }
    }
}
