//! The open loop: a thread that lets arrivals in when they are due and never waits for an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::gate::Queue;
use super::schedule::{Chance, Schedule};
use super::tally::Slice;

/// Longest sleep at once, so that a stop is seen.
const NAP: Duration = Duration::from_millis(50);

/// Which queue each arrival goes to: by weights, decided by the seed.
pub struct Mix {
    queues: Vec<(Arc<Queue>, u32)>,
    total: usize,
}

impl Mix {
    /// A mix of queues by weights.
    pub fn new(queues: Vec<(Arc<Queue>, u32)>) -> Self {
        let total = queues.iter().map(|(_, weight)| *weight as usize).sum();
        Self { queues, total }
    }

    /// The queues.
    pub fn queues(&self) -> impl Iterator<Item = &Arc<Queue>> {
        self.queues.iter().map(|(queue, _)| queue)
    }

    fn pick(&self, chance: &mut Chance) -> Option<&Arc<Queue>> {
        let mut at = chance.below(self.total);
        for (queue, weight) in &self.queues {
            let weight = *weight as usize;
            if at < weight {
                return Some(queue);
            }
            at -= weight;
        }
        None
    }
}

/// Tells the thread to stop when whoever waits for it is gone.
struct Leash(Arc<AtomicBool>);

impl Drop for Leash {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Lets all arrivals of a schedule in, counted from the begin of the slice.
///
/// # Errors
/// When the thread ended early: the suite is at fault.
pub async fn arrivals(schedule: Schedule, mix: Arc<Mix>, slice: Arc<Slice>) -> Result<(), String> {
    let stop = Arc::new(AtomicBool::new(false));
    let leash = Leash(Arc::clone(&stop));
    // A thread of its own sleeps to some ten microseconds; the timers of the async runtime do to a millisecond.
    let thread = tokio::task::spawn_blocking(move || {
        let mut chance = Chance::new(!schedule.seed);
        for due in schedule.due() {
            let at = slice.begun + due;
            if !sleep_until(at, &stop) {
                return;
            }
            if let Some(queue) = mix.pick(&mut chance) {
                queue.arrive(at, &slice);
            }
        }
        sleep_until(slice.begun + schedule.time, &stop);
    });
    let done = thread.await;
    drop(leash);
    done.map_err(|error| format!("the thread of arrivals ended early: {error}"))
}

/// Sleeps; `false` when it is to stop.
fn sleep_until(at: Instant, stop: &AtomicBool) -> bool {
    loop {
        if stop.load(Ordering::Relaxed) {
            return false;
        }
        let left = at.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(NAP));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::schedule::Spread;
    use crate::bench::workload::Workload;
    use std::sync::atomic::AtomicUsize;

    fn queue(workload: Workload, outstanding: &Arc<AtomicUsize>, most: usize) -> Arc<Queue> {
        Arc::new(Queue::new(workload, Arc::clone(outstanding), most))
    }

    #[tokio::test]
    async fn nobody_takes_them_and_all_arrive_in_time_all_the_same() {
        let outstanding = Arc::new(AtomicUsize::new(0));
        let one = queue(Workload::Step, &outstanding, 10);
        let other = queue(Workload::Create, &outstanding, 10);
        let mix = Arc::new(Mix::new(vec![
            (Arc::clone(&one), 3),
            (Arc::clone(&other), 1),
        ]));
        let time = Duration::from_millis(100);
        let workloads = [Workload::Step, Workload::Create];
        let slice = Arc::new(
            Slice::new(Instant::now(), time, Duration::from_secs(1), &workloads).expect("a slice"),
        );
        let schedule = Schedule {
            from: 1000.0,
            to: 1000.0,
            time,
            spread: Spread::Even,
            seed: 1,
        };
        arrivals(schedule, mix, Arc::clone(&slice))
            .await
            .expect("done");
        {
            let tally = slice.tally();
            assert_eq!((tally.due, tally.not_sent, tally.errors), (100, 90, 90));
        }
        // Whoever waits in vain is counted, and then nothing is outstanding.
        one.expire(Duration::ZERO);
        other.expire(Duration::ZERO);
        assert_eq!(outstanding.load(Ordering::Relaxed), 0);
        let tally = slice.tally();
        assert_eq!((tally.errors, tally.right), (100, 0));
        assert!(
            tally
                .reasons
                .0
                .keys()
                .any(|reason| reason.contains("10 were outstanding"))
        );
    }

    #[test]
    fn a_mix_keeps_to_its_weights() {
        let outstanding = Arc::new(AtomicUsize::new(0));
        let mix = Mix::new(vec![
            (queue(Workload::Step, &outstanding, 1), 3),
            (queue(Workload::Create, &outstanding, 1), 1),
        ]);
        let mut chance = Chance::new(5);
        let steps = (0..4000)
            .filter_map(|_| mix.pick(&mut chance))
            .filter(|queue| queue.workload() == Workload::Step)
            .count();
        assert!((2850..3150).contains(&steps), "{steps}");
    }
}
