//! Between a case and the target: timed requests wait here until one is due, and their answers are looked at.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::Semaphore;

use super::tally::Slice;
use super::workload::{Cases, Workload};
use crate::suite::matcher::absent;
use crate::suite::report::text::cut;
use crate::suite::secrets::Secrets;
use crate::suite::sight::answer_value;
use crate::suite::target::{Answer, Boxed, Exchange, HttpRequest, SendError, Target};

/// What a case is told whose round is not to go on.
const OVER: &str = "the round is over";

/// Longest value that is told of a wrong answer, in characters.
const LONGEST_VALUE: usize = 80;

/// One arrival: something that was due, whether or not anybody was free to send it.
#[derive(Debug)]
pub struct Arrival {
    workload: Workload,
    due: Instant,
    slice: Arc<Slice>,
    outstanding: Arc<AtomicUsize>,
    settled: bool,
}

impl Arrival {
    fn right(mut self, came: Instant) {
        self.settled = true;
        self.slice.is_right(self.workload, self.due, came);
    }

    fn wrong(mut self, fault: &str) {
        self.settled = true;
        self.slice.is_wrong(&format!("{}: {fault}", self.workload));
    }

    fn error(mut self, reason: &str) {
        self.settled = true;
        self.slice.is_error(
            self.workload,
            self.due,
            &format!("{}: {reason}", self.workload),
        );
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        if !self.settled {
            self.slice.is_error(
                self.workload,
                self.due,
                &format!("{}: given up", self.workload),
            );
        }
        // The last, so that who waits for none to be outstanding finds all of them counted.
        self.outstanding.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Arrivals of one workload of one contender that wait for a seat.
#[derive(Debug)]
pub struct Queue {
    workload: Workload,
    waiting: Mutex<VecDeque<Arrival>>,
    /// One permit for each that waits.
    count: Semaphore,
    /// Seats that are ready for one.
    ready: AtomicUsize,
    /// Of all workloads of the contender.
    outstanding: Arc<AtomicUsize>,
    most: usize,
}

impl Queue {
    /// An empty queue; `outstanding` is shared by those of one contender.
    pub fn new(workload: Workload, outstanding: Arc<AtomicUsize>, most: usize) -> Self {
        Self {
            workload,
            waiting: Mutex::default(),
            count: Semaphore::new(0),
            ready: AtomicUsize::new(0),
            outstanding,
            most,
        }
    }

    /// The workload.
    pub const fn workload(&self) -> Workload {
        self.workload
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Arrival>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what is due, unless too much is outstanding already. Never waits.
    pub fn arrive(&self, due: Instant, slice: &Arc<Slice>) {
        slice.is_due(self.workload, due);
        if self.outstanding.fetch_add(1, Ordering::AcqRel) >= self.most {
            self.outstanding.fetch_sub(1, Ordering::AcqRel);
            slice.is_not_sent(self.workload, self.most);
            return;
        }
        self.waiting().push_back(Arrival {
            workload: self.workload,
            due,
            slice: Arc::clone(slice),
            outstanding: Arc::clone(&self.outstanding),
            settled: false,
        });
        self.count.add_permits(1);
    }

    /// The next arrival that is not too late by `patience`; `None`: no more will come.
    async fn next(&self, patience: Duration) -> Option<Arrival> {
        let _ready = Ready::at(&self.ready);
        loop {
            self.count.acquire().await.ok()?.forget();
            let arrival = self.waiting().pop_front()?;
            if arrival.due.elapsed() < patience {
                return Some(arrival);
            }
            arrival.error(&not_sent_within(patience));
        }
    }

    /// Counts as errors what has waited longer than `patience`: there may be no seat left that would.
    pub fn expire(&self, patience: Duration) {
        while let Ok(permit) = self.count.try_acquire() {
            let late = |arrival: &Arrival| arrival.due.elapsed() >= patience;
            let Some(arrival) = ({
                let mut waiting = self.waiting();
                if waiting.front().is_some_and(late) {
                    waiting.pop_front()
                } else {
                    None
                }
            }) else {
                return;
            };
            permit.forget();
            arrival.error(&not_sent_within(patience));
        }
    }

    /// How many seats are ready.
    pub fn ready(&self) -> usize {
        self.ready.load(Ordering::Acquire)
    }

    /// No more will come.
    pub fn close(&self) {
        self.count.close();
    }

    /// Whether no more will come.
    pub fn is_closed(&self) -> bool {
        self.count.is_closed()
    }
}

fn not_sent_within(patience: Duration) -> String {
    format!(
        "not sent within {} ms: no connection was free",
        patience.as_millis()
    )
}

/// Counts a seat as ready for as long as it waits.
struct Ready<'a>(&'a AtomicUsize);

impl<'a> Ready<'a> {
    fn at(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Ready<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// How a round went, as its gate saw it.
#[derive(Debug, Default)]
pub struct Course {
    /// Timed requests that were answered rightly, one after the other.
    pub timed: usize,
    /// Whether one was not: then the rest of the round shows nothing.
    pub spoiled: bool,
    /// Whether the load ended before the round did.
    pub cut: bool,
    /// A whole session that was not yet judged, and when its last answer came.
    open: Option<(Arrival, Option<Instant>)>,
    /// The slice that its last request belongs to.
    pub slice: Option<Arc<Slice>>,
}

impl Course {
    /// Whether a session waits for its verdict.
    pub const fn has_open(&self) -> bool {
        self.open.is_some()
    }

    /// Settles a whole session: `fault` is what the judge found.
    pub fn settle(&mut self, fault: Option<&str>) {
        match (self.open.take(), fault) {
            (Some((arrival, _)), Some(fault)) => arrival.wrong(fault),
            (Some((arrival, Some(came))), None) => arrival.right(came),
            (Some((arrival, None)), None) => arrival.error("the session did not come to its close"),
            (None, _) => {}
        }
    }
}

/// The target as one round sees it.
pub struct Gate {
    inner: Arc<dyn Target>,
    connections: Arc<Semaphore>,
    besides: Arc<Semaphore>,
    secrets: Secrets,
    queue: Arc<Queue>,
    cases: Arc<Cases>,
    course: Mutex<Course>,
}

impl Gate {
    /// A gate before a target for one round: `connections` are for what is timed, `besides` for the rest, which must not stand in its
    /// way; `secrets` are left out of what is told.
    pub fn new(
        inner: Arc<dyn Target>,
        connections: Arc<Semaphore>,
        besides: Arc<Semaphore>,
        secrets: Secrets,
        queue: Arc<Queue>,
        cases: Arc<Cases>,
    ) -> Self {
        Self {
            inner,
            connections,
            besides,
            secrets,
            queue,
            cases,
            course: Mutex::default(),
        }
    }

    fn course(&self) -> MutexGuard<'_, Course> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the round went.
    pub fn take_course(&self) -> Course {
        std::mem::take(&mut self.course())
    }

    async fn pass(&self, lanes: &Semaphore, request: HttpRequest, timeout: Duration) -> Exchange {
        let permit = lanes.acquire().await;
        let exchange = self.inner.send(request, timeout).await;
        drop(permit);
        exchange
    }

    /// A timed request: waits until it is due, sends it, looks at the answer.
    async fn timed(&self, request: HttpRequest, timeout: Duration) -> Exchange {
        if self.course().spoiled {
            return over(request);
        }
        let Some(arrival) = self.queue.next(timeout).await else {
            self.course().cut = true;
            return over(request);
        };
        self.course().slice = Some(Arc::clone(&arrival.slice));
        let permit = self.connections.acquire().await;
        let left = timeout.saturating_sub(arrival.due.elapsed());
        arrival.slice.is_sent(arrival.due);
        let exchange = self.inner.send(request, left).await;
        let came = Instant::now();
        drop(permit);
        if self.cases.answers.is_empty() {
            // A whole session: only its begin was this.
            match trouble(&exchange) {
                Some(reason) => {
                    self.course().spoiled = true;
                    arrival.error(&reason);
                }
                None => self.course().open = Some((arrival, None)),
            }
            return exchange;
        }
        let number = self.course().timed;
        match (trouble(&exchange), exchange.answer()) {
            (Some(reason), _) => {
                self.course().spoiled = true;
                arrival.error(&reason);
            }
            (None, Some(answer)) => match self.fault(number, answer) {
                Some(fault) => {
                    self.course().spoiled = true;
                    arrival.wrong(&fault);
                }
                None => {
                    self.course().timed += 1;
                    arrival.right(came);
                }
            },
            (None, None) => {}
        }
        exchange
    }

    /// What is wrong with the answer to the timed request of this number.
    fn fault(&self, number: usize, answer: &Answer) -> Option<String> {
        let Some(matcher) = self.cases.answers.get(number) else {
            return Some("more requests than the round has".to_owned());
        };
        let outcome = matcher.check(Some(&answer_value(answer)));
        let first = outcome.differences.first()?;
        Some(format!(
            "{}: {}; expected {}, got {} (status {})",
            first.pointer,
            first.message,
            self.short(&first.expected),
            self.short(&first.got),
            answer.status
        ))
    }

    /// A value as far as it fits into a line.
    fn short(&self, value: &Value) -> String {
        if *value == absent() {
            return "nothing".to_owned();
        }
        cut(self.secrets.redact(value).to_string().into(), LONGEST_VALUE)
    }

    /// A request of a whole session that was begun.
    async fn go_on(&self, request: HttpRequest, timeout: Duration) -> Exchange {
        let exchange = self.pass(&self.connections, request, timeout).await;
        let came = Instant::now();
        let mut course = self.course();
        // What comes after its end only tidies up.
        let under_way = matches!(course.open, Some((_, None)));
        if under_way
            && let Some(reason) = trouble(&exchange)
            && let Some((arrival, _)) = course.open.take()
        {
            course.spoiled = true;
            drop(course);
            arrival.error(&reason);
            return exchange;
        }
        if self.queue.workload().ends(&exchange.request)
            && let Some((_, end)) = &mut course.open
        {
            end.get_or_insert(came);
        }
        drop(course);
        exchange
    }
}

/// Why an answer is none that could be right or wrong: it did not come, or says that the target cannot now.
fn trouble(exchange: &Exchange) -> Option<String> {
    match &exchange.outcome {
        // Each had another rest of its time left.
        Err(SendError::TimedOut(_)) => Some("no answer within the time-out".to_owned()),
        Err(error) => Some(error.to_string()),
        Ok(answer) if answer.status == 429 || answer.status >= 500 => {
            Some(format!("answered {}", answer.status))
        }
        Ok(_) => None,
    }
}

fn over(request: HttpRequest) -> Exchange {
    Exchange {
        request,
        outcome: Err(SendError::Ended(OVER.to_owned())),
        duration: Duration::ZERO,
        answered: None,
    }
}

impl Target for Gate {
    fn base_url(&self) -> &str {
        self.inner.base_url()
    }

    fn send(&self, request: HttpRequest, timeout: Duration) -> Boxed<'_, Exchange> {
        Box::pin(async move {
            let workload = self.queue.workload();
            let open = self.course().has_open();
            if open {
                self.go_on(request, timeout).await
            } else if workload.begins(&request) {
                self.timed(request, timeout).await
            } else {
                self.pass(&self.besides, request, timeout).await
            }
        })
    }
}
