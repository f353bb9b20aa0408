//! A seat runs the case of a workload again and again; after each round the judge looks at all that was seen of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::gate::{Course, Gate, Queue};
use super::tally::Reasons;
use super::workload::{Cases, ROUND};
use crate::requirement::Registry;
use crate::suite::case::Case;
use crate::suite::execute::{Bench, execute};
use crate::suite::judge::{self, judge};
use crate::suite::observed::Observed;
use crate::suite::order::token;
use crate::suite::secrets::Secrets;
use crate::suite::verdict::Verdict;
use crate::suite::wire::Wire;

/// How long a seat rests that could not be set up.
const REST: Duration = Duration::from_millis(100);

/// What all seats of one contender share.
pub struct Hall {
    /// The contender's name; it is part of every token.
    pub name: String,
    /// The bench of the suite.
    pub bench: Bench,
    /// What it must not let out.
    pub secrets: Secrets,
    /// The messages of the protocol.
    pub wire: &'static Wire,
    /// Keeps the tokens of two runs apart.
    pub salt: u64,
    /// Timed requests at the same time.
    pub connections: Arc<Semaphore>,
    /// Requests that are not timed, at the same time.
    pub besides: Arc<Semaphore>,
    /// Numbers the rounds.
    pub rounds: AtomicUsize,
    /// Rounds that the judge looked at.
    pub judged: AtomicUsize,
    /// Rounds that an error or a wrong answer cut short: what they did besides cannot be told.
    pub unjudged: AtomicUsize,
    /// What went wrong where nothing is timed.
    pub remarks: std::sync::Mutex<Remarks>,
}

/// What is told of a contender besides its figures.
#[derive(Debug, Clone, Default)]
pub struct Remarks {
    /// Why rounds could not be set up.
    pub obstacles: Reasons,
    /// What went wrong in the suite itself.
    pub harness: Option<String>,
}

impl Hall {
    /// The remarks so far.
    pub fn remarks(&self) -> std::sync::MutexGuard<'_, Remarks> {
        self.remarks
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn obstacle(&self, what: &str) {
        let what = self.secrets.redact_text(what);
        self.remarks().obstacles.add(&what);
    }

    /// The judge's word on a round: what is at fault, `None` where nothing is.
    fn verdict(&self, case: &Case, observed: &Observed) -> Option<String> {
        let ground = judge::Ground {
            registry: Registry::embedded(),
            wire: self.wire,
            secrets: &self.secrets,
        };
        let judgement = judge(case, observed, &ground);
        match judgement.verdict {
            Verdict::Pass | Verdict::Warn => None,
            _ => Some(judgement.mismatches.first().map_or_else(
                || {
                    judgement
                        .reason
                        .unwrap_or_else(|| "nothing was observed".to_owned())
                },
                |first| {
                    let cites = first.cites.join(", ");
                    format!(
                        "{}: {} {} ({cites})",
                        first.place, first.pointer, first.message
                    )
                },
            )),
        }
    }
}

/// Runs rounds until no more arrivals will come.
pub async fn occupy(hall: Arc<Hall>, queue: Arc<Queue>, cases: Arc<Cases>) {
    while !queue.is_closed() {
        let round = hall.rounds.fetch_add(1, Ordering::Relaxed);
        let id = format!("bench/{}/{}", hall.name, cases.workload);
        let token = token(hall.salt, round, &id);
        let gate = Arc::new(Gate::new(
            Arc::clone(&hall.bench.target),
            Arc::clone(&hall.connections),
            Arc::clone(&hall.besides),
            hall.secrets.clone(),
            Arc::clone(&queue),
            Arc::clone(&cases),
        ));
        let bench = Bench {
            target: Arc::clone(&gate) as _,
            ..hall.bench.clone()
        };
        let observed = execute(&cases.whole, &token, &bench).await;
        let course = gate.take_course();
        let (own, its) = (Arc::clone(&hall), Arc::clone(&cases));
        // Judging is work for a processor, and must not hold up answers that come meanwhile.
        let seen = tokio::task::spawn_blocking(move || conclude(&own, &its, observed, course));
        match seen.await {
            Ok(true) => {}
            Ok(false) => tokio::time::sleep(REST).await,
            Err(error) => {
                hall.remarks().harness = Some(format!("a round's judgement ended early: {error}"));
                return;
            }
        }
    }
}

/// Settles a round; `false` when it could not be set up.
fn conclude(hall: &Hall, cases: &Cases, mut observed: Observed, mut course: Course) -> bool {
    if let Some(message) = observed.harness.take() {
        hall.remarks().harness.get_or_insert(message);
        return false;
    }
    if let Some(problem) = observed.control.obstacle() {
        hall.obstacle(&problem.message);
        return false;
    }
    let asked = course.timed > 0 || course.spoiled || course.cut || course.slice.is_some();
    if !asked {
        let fault = hall.verdict(&cases.whole, &observed);
        hall.obstacle(&fault.unwrap_or_else(|| "no session could be opened".to_owned()));
        return false;
    }
    if course.spoiled {
        // It was counted already. What else it did is not known of a request whose answer did not come, and what follows from a wrong
        // answer would only repeat it.
        hall.unjudged.fetch_add(1, Ordering::Relaxed);
        return true;
    }
    if cases.answers.is_empty() {
        if course.has_open() {
            let fault = hall.verdict(&cases.whole, &observed);
            hall.judged.fetch_add(1, Ordering::Relaxed);
            course.settle(
                fault
                    .map(|fault| hall.secrets.redact_text(&fault))
                    .as_deref(),
            );
        }
        return true;
    }
    let fault = if course.timed == ROUND && !course.cut {
        hall.judged.fetch_add(1, Ordering::Relaxed);
        hall.verdict(&cases.whole, &observed)
    } else if let Some((part, steps)) = cases.part(course.timed) {
        // The load ended in the middle: what was asked until then is a round of its own.
        observed.steps.truncate(steps);
        observed.stop = None;
        observed.unused.clear();
        hall.judged.fetch_add(1, Ordering::Relaxed);
        hall.verdict(part, &observed)
    } else {
        None
    };
    if let (Some(fault), Some(slice)) = (fault, &course.slice) {
        let fault = hall.secrets.redact_text(&fault);
        slice.is_wrong(&format!("{}: {fault}", cases.workload));
    }
    true
}
