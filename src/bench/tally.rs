//! What came of arrivals: counted, and their latencies in histograms of a fixed size, whatever the rate.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;

use super::workload::Workload;
use crate::suite::report::text::{cut, one_line};

/// Longest latency that is told apart, in microseconds: an hour.
const LONGEST: u64 = 3_600_000_000;

/// Most different reasons that are kept; what comes beyond them is counted together.
const MOST_REASONS: usize = 20;

/// Longest reason, in characters.
const LONGEST_REASON: usize = 300;

/// In how many parts the time of a slice is seen.
pub const WINDOWS: usize = 20;

/// Quantiles of a curve.
const CURVE: [f64; 15] = [
    0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995, 0.999, 0.9995, 0.9999, 0.99999, 1.0,
];

/// Latencies, in microseconds, with three digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Latency {
    /// How many.
    pub count: u64,
    /// The mean.
    pub mean_us: u64,
    /// Half of them are no longer.
    pub p50_us: u64,
    /// 90 of 100.
    pub p90_us: u64,
    /// 99 of 100.
    pub p99_us: u64,
    /// 999 of 1000.
    pub p999_us: u64,
    /// All.
    pub max_us: u64,
}

impl Latency {
    fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile: f64| histogram.value_at_quantile(quantile);
        if histogram.is_empty() {
            return Self::default();
        }
        Self {
            count: histogram.len(),
            mean_us: histogram.mean() as u64,
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: histogram.max(),
        }
    }
}

/// Reasons and how often each was seen; bounded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Reasons(pub BTreeMap<String, u64>);

impl Reasons {
    /// Counts one.
    pub fn add(&mut self, reason: &str) {
        self.add_many(reason, 1);
    }

    fn add_many(&mut self, reason: &str, count: u64) {
        let reason = cut(one_line(reason), LONGEST_REASON);
        let known = self.0.contains_key(&reason) || self.0.len() < MOST_REASONS;
        let key = if known {
            reason
        } else {
            "other reasons".to_owned()
        };
        *self.0.entry(key).or_default() += count;
    }

    /// Adds those of another.
    pub fn merge(&mut self, other: &Self) {
        for (reason, count) in &other.0 {
            self.add_many(reason, *count);
        }
    }
}

/// A part of a slice's time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// Arrivals that were due in it.
    pub due: u64,
    /// Right answers that came in it, whenever they were due.
    pub right: u64,
}

/// The counts of one slice, or of several together.
#[derive(Debug, Clone)]
pub struct Tally {
    /// Arrivals that were due.
    pub due: u64,
    /// Answers that were as they must be.
    pub right: u64,
    /// Answers that were not, and rounds that the judge found at fault.
    pub wrong: u64,
    /// Arrivals that came to no answer, or to one that says that the target cannot now; those not sent included.
    pub errors: u64,
    /// Arrivals that were not sent, because too many were outstanding.
    pub not_sent: u64,
    /// Why there were errors.
    pub reasons: Reasons,
    /// What was wrong.
    pub faults: Reasons,
    /// Parts of the time.
    pub windows: Vec<Window>,
    latency: Histogram<u64>,
    delay: Histogram<u64>,
    by_workload: BTreeMap<Workload, Own>,
    /// Right answers that came within the time of the slice.
    on_time: u64,
    /// How long after that time the others came.
    late: Histogram<u64>,
    /// The shortest latency of a right answer, in microseconds.
    shortest: Option<u64>,
}

/// What came of the arrivals of one workload.
#[derive(Debug, Clone)]
struct Own {
    due: u64,
    right: u64,
    latency: Histogram<u64>,
}

/// The figures of one workload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OfWorkload {
    /// Its name.
    pub workload: &'static str,
    /// Arrivals that were due.
    pub due: u64,
    /// Right answers.
    pub right: u64,
    /// Latencies, as those of all.
    pub latency: Latency,
}

fn histogram() -> Result<Histogram<u64>, String> {
    Histogram::new_with_bounds(1, LONGEST, 3).map_err(|error| error.to_string())
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(LONGEST).max(1)
}

impl Tally {
    /// Nothing yet.
    ///
    /// # Errors
    /// When no histogram can be made: the suite is at fault.
    pub fn new(workloads: &[Workload]) -> Result<Self, String> {
        let by_workload = workloads
            .iter()
            .map(|workload| {
                let latency = histogram()?;
                let (due, right) = (0, 0);
                Ok((
                    *workload,
                    Own {
                        due,
                        right,
                        latency,
                    },
                ))
            })
            .collect::<Result<_, String>>()?;
        Ok(Self {
            due: 0,
            right: 0,
            wrong: 0,
            errors: 0,
            not_sent: 0,
            reasons: Reasons::default(),
            faults: Reasons::default(),
            windows: vec![Window::default(); WINDOWS],
            latency: histogram()?,
            delay: histogram()?,
            by_workload,
            on_time: 0,
            late: histogram()?,
            shortest: None,
        })
    }

    /// Adds what another counted.
    pub fn merge(&mut self, other: &Self) {
        self.due += other.due;
        self.right += other.right;
        self.wrong += other.wrong;
        self.errors += other.errors;
        self.not_sent += other.not_sent;
        self.reasons.merge(&other.reasons);
        self.faults.merge(&other.faults);
        for (own, other) in self.windows.iter_mut().zip(&other.windows) {
            own.due += other.due;
            own.right += other.right;
        }
        // All have the same bounds, so nothing can be beyond them.
        let _ = self.latency.add(&other.latency);
        let _ = self.delay.add(&other.delay);
        for (workload, other) in &other.by_workload {
            if let Some(own) = self.by_workload.get_mut(workload) {
                own.due += other.due;
                own.right += other.right;
                let _ = own.latency.add(&other.latency);
            }
        }
        self.on_time += other.on_time;
        let _ = self.late.add(&other.late);
        self.shortest = [self.shortest, other.shortest].into_iter().flatten().min();
    }

    /// Latencies from when requests were due to their right answers. What came to no answer, or was not sent, counts as long as a
    /// request may take: left out, a target would look the better the more it drops.
    pub fn latency(&self) -> Latency {
        Latency::of(&self.latency)
    }

    /// From when requests were due to when they were sent.
    pub fn delay(&self) -> Latency {
        Latency::of(&self.delay)
    }

    /// The figures of each workload.
    pub fn by_workload(&self) -> impl Iterator<Item = OfWorkload> + '_ {
        self.by_workload.iter().map(|(workload, own)| OfWorkload {
            workload: workload.name(),
            due: own.due,
            right: own.right,
            latency: Latency::of(&own.latency),
        })
    }

    /// Quantiles and their latencies in microseconds, as far as there are enough answers to tell them apart.
    pub fn curve(&self) -> Vec<(f64, u64)> {
        let count = self.latency.len() as f64;
        CURVE
            .into_iter()
            .filter(|quantile| count > 0.0 && (*quantile >= 1.0 || (1.0 - quantile) * count >= 1.0))
            .map(|quantile| (quantile, self.latency.value_at_quantile(quantile)))
            .collect()
    }

    /// Right answers per second of a slice of this length. What came after its end counts if it came no later than the fastest answer
    /// could: that much no target can help, and a backlog does not make it longer.
    pub fn achieved(&self, time: Duration) -> f64 {
        let just_after = self
            .shortest
            .map_or(0, |shortest| self.late.count_between(0, shortest));
        let time = time.as_secs_f64();
        if time > 0.0 {
            (self.on_time + just_after) as f64 / time
        } else {
            0.0
        }
    }

    fn no_answer(&mut self, workload: Workload, waited: Duration) {
        let waited = micros(waited);
        self.errors += 1;
        self.latency.saturating_record(waited);
        if let Some(own) = self.by_workload.get_mut(&workload) {
            own.latency.saturating_record(waited);
        }
    }
}

/// One slice: when it began, how long it is to last, and what came of it.
#[derive(Debug)]
pub struct Slice {
    /// When it began.
    pub begun: Instant,
    /// How long arrivals come.
    pub time: Duration,
    /// How long a request may take.
    patience: Duration,
    tally: Mutex<Tally>,
}

impl Slice {
    /// A slice that begins now.
    ///
    /// # Errors
    /// As [`Tally::new`].
    pub fn new(
        begun: Instant,
        time: Duration,
        patience: Duration,
        workloads: &[Workload],
    ) -> Result<Self, String> {
        Ok(Self {
            begun,
            time,
            patience,
            tally: Mutex::new(Tally::new(workloads)?),
        })
    }

    /// What came of it so far.
    pub fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn window(&self, at: Instant) -> Option<usize> {
        let share =
            at.saturating_duration_since(self.begun).as_secs_f64() / self.time.as_secs_f64();
        let window = (share * WINDOWS as f64) as usize;
        (share.is_finite() && window < WINDOWS).then_some(window)
    }

    /// Counts an arrival that is due.
    pub fn is_due(&self, workload: Workload, at: Instant) {
        let window = self.window(at);
        let mut tally = self.tally();
        tally.due += 1;
        if let Some(own) = tally.by_workload.get_mut(&workload) {
            own.due += 1;
        }
        if let Some(window) = window.and_then(|window| tally.windows.get_mut(window)) {
            window.due += 1;
        }
    }

    /// Counts an arrival that is not sent.
    pub fn is_not_sent(&self, workload: Workload, most: usize) {
        let mut tally = self.tally();
        tally.no_answer(workload, self.patience);
        tally.not_sent += 1;
        tally
            .reasons
            .add(&format!("not sent: {most} were outstanding"));
    }

    /// Counts how long after its time an arrival was sent.
    pub fn is_sent(&self, due: Instant) {
        let late = micros(due.elapsed());
        self.tally().delay.saturating_record(late);
    }

    /// Counts a right answer that came at this time.
    pub fn is_right(&self, workload: Workload, due: Instant, came: Instant) {
        let latency = micros(came.saturating_duration_since(due));
        let window = self.window(came);
        let late = came.saturating_duration_since(self.begun + self.time);
        let mut tally = self.tally();
        tally.right += 1;
        tally.shortest = Some(
            tally
                .shortest
                .map_or(latency, |shortest| shortest.min(latency)),
        );
        if late.is_zero() {
            tally.on_time += 1;
        } else {
            tally.late.saturating_record(micros(late));
        }
        tally.latency.saturating_record(latency);
        if let Some(own) = tally.by_workload.get_mut(&workload) {
            own.right += 1;
            own.latency.saturating_record(latency);
        }
        if let Some(window) = window.and_then(|window| tally.windows.get_mut(window)) {
            window.right += 1;
        }
    }

    /// Counts a wrong answer.
    pub fn is_wrong(&self, fault: &str) {
        let mut tally = self.tally();
        tally.wrong += 1;
        tally.faults.add(fault);
    }

    /// Counts an arrival without a usable answer.
    pub fn is_error(&self, workload: Workload, due: Instant, reason: &str) {
        let mut tally = self.tally();
        tally.no_answer(workload, self.patience.max(due.elapsed()));
        tally.reasons.add(reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice() -> Slice {
        let second = Duration::from_secs(1);
        Slice::new(Instant::now(), second, 2 * second, &[Workload::Step]).expect("a slice")
    }

    #[test]
    fn latency_counts_from_when_it_was_due() {
        let slice = slice();
        for millis in 1..=1000 {
            let due = slice.begun + Duration::from_micros(millis);
            slice.is_due(Workload::Step, due);
            slice.is_right(Workload::Step, due, due + Duration::from_millis(millis));
        }
        let tally = slice.tally();
        let latency = tally.latency();
        assert_eq!((tally.due, tally.right, latency.count), (1000, 1000, 1000));
        for (got, millis) in [
            (latency.p50_us, 500.0),
            (latency.p90_us, 900.0),
            (latency.p99_us, 990.0),
            (latency.p999_us, 999.0),
            (latency.max_us, 1000.0),
        ] {
            assert!(
                (got as f64 / 1000.0 / millis - 1.0).abs() < 0.002,
                "{got} {millis}"
            );
        }
        assert_eq!(
            tally.by_workload().next().map(|one| one.latency),
            Some(latency)
        );
        assert_eq!(
            tally.curve().last().map(|(quantile, _)| *quantile),
            Some(1.0)
        );
        assert!(
            !tally
                .curve()
                .iter()
                .any(|(quantile, _)| *quantile == 0.9999)
        );
    }

    #[test]
    fn what_is_late_lowers_the_throughput_and_what_is_as_late_as_all_does_not() {
        let slice = slice();
        let answered = |at: u64, took: u64| {
            let due = slice.begun + Duration::from_millis(at);
            slice.is_right(Workload::Step, due, due + Duration::from_millis(took));
        };
        (0..100).for_each(|number| answered(number * 10, 100));
        assert!((slice.tally().achieved(slice.time) - 100.0).abs() < 1.0);
        answered(999, 2000);
        let achieved = slice.tally().achieved(slice.time);
        assert!(
            (99.0..=101.0).contains(&achieved),
            "one that is late is one, {achieved}"
        );
    }

    #[test]
    fn a_backlog_is_no_throughput() {
        for due_each in [12_500, 6_250] {
            let slice = slice();
            for number in 0..1_000_000 / due_each {
                let due = slice.begun + Duration::from_micros(number * due_each);
                // One after the other, 40 a second.
                let came = slice.begun + Duration::from_millis(20 + number * 25);
                slice.is_right(Workload::Step, due, came);
            }
            let achieved = slice.tally().achieved(slice.time);
            assert!((39.0..=42.0).contains(&achieved), "{achieved}");
        }
    }

    #[test]
    fn reasons_are_bounded_and_safe_to_show() {
        let mut reasons = Reasons::default();
        for number in 0..1000 {
            reasons.add(&format!("reason\n{number} {}", "x".repeat(2000)));
        }
        assert_eq!(reasons.0.len(), MOST_REASONS + 1);
        assert_eq!(reasons.0.values().sum::<u64>(), 1000);
        assert!(
            reasons
                .0
                .keys()
                .all(|key| !key.contains('\n') && key.chars().count() <= LONGEST_REASON + 1)
        );
    }

    #[test]
    fn merged_tallies_count_both() {
        let (one, other) = (slice(), slice());
        for slice in [&one, &other] {
            slice.is_due(Workload::Step, slice.begun);
            slice.is_right(
                Workload::Step,
                slice.begun,
                slice.begun + Duration::from_millis(3),
            );
            slice.is_wrong("w");
            slice.is_error(Workload::Step, slice.begun, "e");
            slice.is_not_sent(Workload::Step, 5);
        }
        let mut all = one.tally().clone();
        all.merge(&other.tally());
        assert_eq!(
            (all.due, all.right, all.wrong, all.errors, all.not_sent),
            (2, 2, 2, 4, 2)
        );
        assert_eq!((all.latency().count, all.windows[0].right), (6, 2));
        assert!(
            all.latency().p50_us >= 1_990_000,
            "what got no answer is not fast"
        );
        let own: Vec<OfWorkload> = all.by_workload().collect();
        assert_eq!((own[0].due, own[0].right), (2, 2));
        assert_eq!(all.faults.0.get("w"), Some(&2));
    }
}
