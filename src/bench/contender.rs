//! One target under load: its seats, its queues, its processes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mock_services::MockServices;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::gate::Queue;
use super::pace::{self, Mix};
use super::schedule::Schedule;
use super::seat::{Hall, occupy};
use super::tally::{Slice, Tally};
use super::terms::Plan;
use super::workload::{Cases, Workload, runs_in};
use crate::suite::measure::Process;
use crate::suite::options::Options;
use crate::suite::runner::{Ready, ready};
use crate::suite::secrets::Secrets;
use crate::suite::target::{Counted, Target};
use crate::suite::verdict::RunError;
use crate::suite::{Capabilities, wire::Wire};

/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How often it is looked whether anything is outstanding.
const PAUSE: Duration = Duration::from_millis(1);
/// How much longer than the time-out of a request seats are waited for.
const LEEWAY: Duration = Duration::from_secs(5);

/// What is put under load.
pub struct Entrant {
    /// Its name, which no other has.
    pub name: String,
    /// The runtime.
    pub target: Arc<dyn Target>,
    /// The model and the services that it asks, and nobody else.
    pub mocks: Arc<MockServices>,
    /// What is known of it.
    pub options: Options,
}

/// What the processes of a target took during one slice.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// Processor time.
    pub processor: Option<Duration>,
    /// The most resident memory that was seen, in bytes.
    pub memory: Option<u64>,
}

/// A slice that is over.
pub struct Ran {
    /// Its counts, which late verdicts are still added to.
    pub slice: Arc<Slice>,
    /// What its processes took.
    pub usage: Usage,
}

/// One target that stands.
pub struct Contender {
    /// Its name.
    pub name: String,
    /// What it can do.
    pub capabilities: Capabilities,
    hall: Arc<Hall>,
    counted: Arc<Counted>,
    process: Option<Process>,
    outstanding: Arc<AtomicUsize>,
    mix: Arc<Mix>,
    workloads: Vec<Workload>,
    seats: JoinSet<()>,
    strays: usize,
    timeout: Duration,
}

impl Contender {
    /// Waits for a target and asks it what it can do.
    ///
    /// # Errors
    /// When it is not there or not ready.
    pub async fn ready(entrant: Entrant, plan: &Plan) -> Result<Self, RunError> {
        let options = &entrant.options;
        let strays = entrant.mocks.stray_calls().len();
        let own = options.process;
        let Ready {
            bench,
            capabilities,
            counted,
            ..
        } = ready(entrant.target, entrant.mocks, options).await?;
        // This very process is the load as well: what it takes says nothing about the target.
        let process = bench
            .target
            .process()
            .map(Process::Tree)
            .or(own)
            .filter(|process| *process != Process::Own);
        Ok(Self {
            hall: Arc::new(Hall {
                name: entrant.name.clone(),
                bench,
                secrets: Secrets::new(options.secrets.iter().cloned()),
                wire: Wire::embedded().map_err(RunError::Harness)?,
                salt: plan.salt,
                connections: Arc::new(Semaphore::new(plan.connections.max(1))),
                besides: Arc::new(Semaphore::new(plan.connections.max(1))),
                rounds: AtomicUsize::new(0),
                judged: AtomicUsize::new(0),
                unjudged: AtomicUsize::new(0),
                remarks: std::sync::Mutex::default(),
            }),
            name: entrant.name,
            capabilities,
            counted,
            process,
            outstanding: Arc::default(),
            mix: Arc::new(Mix::new(Vec::new())),
            workloads: Vec::new(),
            seats: JoinSet::new(),
            strays,
            timeout: plan.timeout,
        })
    }

    /// Its base URL, without secrets.
    pub fn url(&self) -> String {
        self.hall.secrets.redact_text(self.counted.base_url())
    }

    /// Requests that it got, all of them.
    pub fn requests(&self) -> usize {
        self.counted.count()
    }

    /// Rounds that the judge looked at.
    pub fn judged(&self) -> usize {
        self.hall.judged.load(Ordering::Relaxed)
    }

    /// Rounds that were cut short, which it could not look at.
    pub fn unjudged(&self) -> usize {
        self.hall.unjudged.load(Ordering::Relaxed)
    }

    /// Why rounds could not be set up.
    pub fn obstacles(&self) -> super::tally::Reasons {
        self.hall.remarks().obstacles.clone()
    }

    /// What its code runs in.
    pub fn runs_in(&self) -> Option<&'static str> {
        runs_in(&self.capabilities)
    }

    /// Takes seats for these workloads, and waits until they are ready.
    ///
    /// # Errors
    /// When the suite itself is at fault.
    pub async fn sit(
        &mut self,
        plan: &Plan,
        workloads: &[(Workload, u32)],
    ) -> Result<(), RunError> {
        let total: u32 = workloads.iter().map(|(_, weight)| *weight).sum();
        // Twice as many as connections: while one round is tidied up another is ready.
        let all = (plan.connections * 2).min(plan.most_outstanding.max(plan.connections));
        let mut queues = Vec::new();
        for (workload, weight) in workloads {
            let queue = Arc::new(Queue::new(
                *workload,
                Arc::clone(&self.outstanding),
                plan.most_outstanding.max(1),
            ));
            let cases = Cases::of(*workload, &self.capabilities).map_err(RunError::Harness)?;
            let cases = Arc::new(cases);
            let share = f64::from(*weight) / f64::from(total.max(1));
            let seats = ((all as f64 * share).ceil() as usize).clamp(1, all.max(1));
            for _ in 0..seats {
                let hall = Arc::clone(&self.hall);
                self.seats
                    .spawn(occupy(hall, Arc::clone(&queue), Arc::clone(&cases)));
            }
            queues.push((queue, *weight, seats));
        }
        let deadline = Instant::now() + self.timeout;
        while queues
            .iter()
            .any(|(queue, _, seats)| queue.ready() < *seats)
            && Instant::now() < deadline
            && self.hall.remarks().obstacles.0.is_empty()
        {
            tokio::time::sleep(PAUSE).await;
        }
        self.workloads = workloads.iter().map(|(workload, _)| *workload).collect();
        self.mix = Arc::new(Mix::new(
            queues
                .into_iter()
                .map(|(queue, weight, _)| (queue, weight))
                .collect(),
        ));
        self.at_fault()
    }

    fn at_fault(&self) -> Result<(), RunError> {
        let message = self.hall.remarks().harness.clone();
        message.map_or(Ok(()), |message| Err(RunError::Harness(message)))
    }

    /// Loads it for the time of a schedule, and waits until nothing of that is outstanding.
    ///
    /// # Errors
    /// When the suite itself is at fault.
    pub async fn run(&self, schedule: Schedule) -> Result<Ran, RunError> {
        // One that is gone is brought back; one that does not come back shows in errors.
        let _ = self.hall.bench.target.revive().await;
        let slice = Slice::new(Instant::now(), schedule.time, self.timeout, &self.workloads);
        let slice = Arc::new(slice.map_err(RunError::Harness)?);
        let before = self.processor().await;
        let work = async {
            pace::arrivals(schedule, Arc::clone(&self.mix), Arc::clone(&slice)).await?;
            self.drained().await;
            Ok(())
        };
        let (done, memory) = tokio::join!(work, self.most_memory(&slice));
        done.map_err(RunError::Harness)?;
        let after = self.processor().await;
        self.at_fault()?;
        Ok(Ran {
            slice,
            usage: Usage {
                processor: before
                    .zip(after)
                    .map(|(before, after)| after.saturating_sub(before)),
                memory,
            },
        })
    }

    /// Waits until everything that arrived came to something. No request takes longer than its time-out, so this ends with the last
    /// request of the last whole session.
    async fn drained(&self) {
        while self.outstanding.load(Ordering::Acquire) > 0 {
            tokio::time::sleep(PAUSE).await;
            self.mix
                .queues()
                .for_each(|queue| queue.expire(self.timeout));
        }
    }

    async fn processor(&self) -> Option<Duration> {
        let process = self.process?;
        let used = tokio::task::spawn_blocking(move || process.used().ok());
        used.await.ok().flatten()
    }

    /// The most memory that is seen while a slice lasts.
    async fn most_memory(&self, slice: &Slice) -> Option<u64> {
        let process = self.process?;
        let mut most = None;
        loop {
            let seen = tokio::task::spawn_blocking(move || process.resident().ok());
            most = most.max(seen.await.ok().flatten());
            if slice.begun.elapsed() + LOOK > slice.time {
                return most;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Leaves all seats; what was under way is judged, and what was opened is closed. Afterwards what the services saw of nobody is
    /// counted as a fault of the last slice.
    ///
    /// # Errors
    /// When the suite itself is at fault.
    pub async fn leave(&mut self, last: Option<&Arc<Slice>>, clean: bool) -> Result<(), RunError> {
        self.mix.queues().for_each(|queue| queue.close());
        let rest = async { while self.seats.join_next().await.is_some() {} };
        if tokio::time::timeout(self.timeout.saturating_add(LEEWAY), rest)
            .await
            .is_err()
        {
            self.seats.shutdown().await;
            return self.at_fault();
        }
        let strays = self
            .hall
            .bench
            .mocks
            .stray_calls()
            .len()
            .saturating_sub(self.strays);
        // Of a request that was given up a call may still come, when its token is gone.
        if strays > 0
            && clean
            && let Some(slice) = last
        {
            slice.is_wrong(&format!(
                "{strays} calls reached model or services under the token of no session of {}",
                self.name
            ));
        }
        self.at_fault()
    }

    /// An empty tally of its workloads.
    ///
    /// # Errors
    /// When the suite itself is at fault.
    pub fn tally(&self) -> Result<Tally, RunError> {
        Tally::new(&self.workloads).map_err(RunError::Harness)
    }
}
