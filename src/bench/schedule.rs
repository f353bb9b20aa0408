//! When requests are due: decided by rate, time and seed before anything is sent, and made one by one, however many there are.

use std::time::Duration;

/// Chance that a seed decides: SplitMix64.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// Chance of this seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to below 1.
    pub fn share(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number below `most`, which is not 0.
    pub fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.number() % most.max(1) as u64).unwrap_or(0)
    }
}

/// How arrivals are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Spread {
    /// As independent callers come.
    #[default]
    Poisson,
    /// At equal distances.
    Even,
}

impl Spread {
    /// The name on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Poisson => "poisson",
            Self::Even => "even",
        }
    }
}

/// One schedule: a rate that stays, or goes evenly from one to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// Arrivals per second at the begin.
    pub from: f64,
    /// Arrivals per second at the end.
    pub to: f64,
    /// How long.
    pub time: Duration,
    /// How they are spread.
    pub spread: Spread,
    /// Decides all chance.
    pub seed: u64,
}

impl Schedule {
    /// When each arrival is due, from the begin of the schedule, in order.
    pub fn due(&self) -> impl Iterator<Item = Duration> + Send + use<> {
        let own = *self;
        let mut chance = Chance::new(own.seed);
        let mut expected = 0.0_f64;
        let mut first = true;
        std::iter::from_fn(move || {
            // So many arrivals are expected up to here; where on the clock that is, the rate says.
            expected += match own.spread {
                Spread::Even if first => 0.5,
                Spread::Even => 1.0,
                Spread::Poisson => -(1.0 - chance.share()).ln(),
            };
            first = false;
            own.when(expected)
        })
    }

    /// When so many arrivals are expected to have come; `None`: not within its time.
    fn when(&self, expected: f64) -> Option<Duration> {
        let time = self.time.as_secs_f64();
        if time <= 0.0 {
            return None;
        }
        let slope = (self.to - self.from) / time;
        let at = if slope.abs() < 1e-9 {
            expected / self.from
        } else {
            // Of a decreasing rate there may never be so many.
            let root = self.from.mul_add(self.from, 2.0 * slope * expected);
            if root < 0.0 {
                return None;
            }
            (root.sqrt() - self.from) / slope
        };
        (at.is_finite() && (0.0..time).contains(&at)).then(|| Duration::from_secs_f64(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(from: f64, to: f64, seconds: u64, spread: Spread) -> Schedule {
        Schedule {
            from,
            to,
            time: Duration::from_secs(seconds),
            spread,
            seed: 7,
        }
    }

    #[test]
    fn even_arrivals_have_equal_distances_and_fill_the_time() {
        let due: Vec<Duration> = schedule(100.0, 100.0, 10, Spread::Even).due().collect();
        assert_eq!(due.len(), 1000);
        assert_eq!(due[0], Duration::from_millis(5));
        for pair in due.windows(2) {
            let distance = (pair[1] - pair[0]).as_secs_f64();
            assert!((distance - 0.01).abs() < 1e-6, "{distance}");
        }
    }

    #[test]
    fn arrivals_of_chance_have_the_rate_and_its_spread_and_come_again_with_the_seed() {
        let one = schedule(1000.0, 1000.0, 60, Spread::Poisson);
        let due: Vec<Duration> = one.due().collect();
        // Four standard deviations.
        assert!((due.len() as f64 - 60_000.0).abs() < 4.0 * 60_000_f64.sqrt());
        assert!(due.is_sorted());
        let gaps: Vec<f64> = due
            .windows(2)
            .map(|pair| (pair[1] - pair[0]).as_secs_f64())
            .collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        // Of an exponential distribution the deviation is the mean.
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.03);
        assert_eq!(due, one.due().collect::<Vec<_>>());
        assert_ne!(due, Schedule { seed: 8, ..one }.due().collect::<Vec<_>>());
    }

    #[test]
    fn a_ramp_has_the_area_under_its_line_up_and_down() {
        for (from, to) in [(0.0, 100.0), (100.0, 0.0), (20.0, 80.0)] {
            let due: Vec<Duration> = schedule(from, to, 10, Spread::Even).due().collect();
            let area = (from + to) / 2.0 * 10.0;
            assert!(
                (due.len() as f64 - area).abs() <= 1.0,
                "{from} to {to}: {}",
                due.len()
            );
            let half = due.iter().filter(|due| due.as_secs() < 5).count() as f64;
            let expected = (from + (from + to) / 2.0) / 2.0 * 5.0;
            assert!((half - expected).abs() <= 1.0, "{from} to {to}: {half}");
        }
    }

    #[test]
    fn arrivals_are_not_made_before_they_are_asked_for() {
        let endless = schedule(1e6, 1e6, 1_000_000, Spread::Poisson);
        assert_eq!(endless.due().take(3).count(), 3);
        assert_eq!(schedule(0.0, 0.0, 5, Spread::Even).due().count(), 0);
    }
}
