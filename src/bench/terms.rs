//! What a run of load is to do, and what it must keep to.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::schedule::Spread;
use super::tally::Latency;
use super::workload::Workload;

/// Highest rate that may be asked for, in arrivals per second.
pub const MOST_RATE: f64 = 1_000_000.0;

/// The rate of arrivals.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    /// So many per second.
    Fixed(f64),
    /// Evenly from one to another.
    Ramp(f64, f64),
    /// From one upward, to the highest that the target keeps up with; and no higher than the other.
    Knee(f64, f64),
}

impl Rate {
    /// The rate of the warm-up.
    pub const fn first(self) -> f64 {
        match self {
            Self::Fixed(rate) | Self::Knee(rate, _) => rate,
            Self::Ramp(from, to) => (from + to) / 2.0,
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(rate) => write!(f, "{rate} a second"),
            Self::Ramp(from, to) => write!(f, "from {from} to {to} a second"),
            Self::Knee(first, _) => write!(f, "from {first} a second to the knee"),
        }
    }
}

/// A quantile that a bound can be set on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantile {
    /// The median.
    P50,
    /// 90 of 100.
    P90,
    /// 99 of 100.
    P99,
    /// 999 of 1000.
    P999,
    /// All.
    Max,
}

impl Quantile {
    const ALL: [(Self, &'static str); 5] = [
        (Self::P50, "p50"),
        (Self::P90, "p90"),
        (Self::P99, "p99"),
        (Self::P999, "p99.9"),
        (Self::Max, "max"),
    ];

    /// The name on the command line and in reports.
    pub fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(own, _)| *own == self);
        found.map_or("max", |(_, name)| name)
    }

    /// It of a latency, in microseconds.
    pub const fn of(self, latency: &Latency) -> u64 {
        match self {
            Self::P50 => latency.p50_us,
            Self::P90 => latency.p90_us,
            Self::P99 => latency.p99_us,
            Self::P999 => latency.p999_us,
            Self::Max => latency.max_us,
        }
    }
}

/// A bound on latency, such as `p99=50ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// Which.
    pub quantile: Quantile,
    /// What it may be at most.
    pub most: Duration,
}

impl Bound {
    /// Whether a latency keeps to it.
    pub fn holds(&self, latency: &Latency) -> bool {
        u128::from(self.quantile.of(latency)) <= self.most.as_micros()
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.most.as_micros();
        if micros.is_multiple_of(1000) {
            write!(f, "{}={}ms", self.quantile.name(), micros / 1000)
        } else {
            write!(f, "{}={micros}us", self.quantile.name())
        }
    }
}

impl Serialize for Bound {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Bound {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "'{text}' is no bound; write p50, p90, p99, p99.9 or max and a time, such as p99=50ms"
            )
        };
        let (name, time) = text.split_once('=').ok_or_else(wrong)?;
        let (quantile, _) = Quantile::ALL
            .into_iter()
            .find(|(_, own)| *own == name)
            .ok_or_else(wrong)?;
        Ok(Self {
            quantile,
            most: duration(time)?,
        })
    }
}

/// A time such as `250ms`, `10s` or `2m`.
///
/// # Errors
/// When it is none, or longer than a day.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is no time; write 250ms, 10s or 2m, at most a day");
    let units = [
        ("us", 1e-6),
        ("ms", 1e-3),
        ("s", 1.0),
        ("m", 60.0),
        ("h", 3600.0),
    ];
    let (number, unit) = units
        .into_iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)))
        .ok_or_else(wrong)?;
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let seconds = number * unit;
    if !(0.0..=86_400.0).contains(&seconds) {
        return Err(wrong());
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// A rate in arrivals per second.
///
/// # Errors
/// When it is none, not above 0, or too high.
pub fn rate(text: &str) -> Result<f64, String> {
    text.parse::<f64>()
        .ok()
        .filter(|rate| *rate > 0.0 && *rate <= MOST_RATE)
        .ok_or_else(|| {
            format!("'{text}' is no rate; write how many come in a second, above 0 and up to {MOST_RATE}")
        })
}

/// A ramp, `FROM..TO`.
///
/// # Errors
/// When it is none.
pub fn ramp(text: &str) -> Result<(f64, f64), String> {
    let (from, to) = text
        .split_once("..")
        .ok_or_else(|| format!("'{text}' is no ramp; write it as FROM..TO, such as 10..500"))?;
    Ok((rate(from)?, rate(to)?))
}

/// A share such as `0.1%`, or `0.001`.
///
/// # Errors
/// When it is none from 0 to 1.
pub fn share(text: &str) -> Result<f64, String> {
    let (number, of) = match text.strip_suffix('%') {
        Some(number) => (number, 100.0),
        None => (text, 1.0),
    };
    number
        .parse::<f64>()
        .map(|number| number / of)
        .ok()
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| format!("'{text}' is no share; write 0.1% or 0.001"))
}

/// Weights of `mixed`, `step=10,create=2`.
///
/// # Errors
/// When a workload is unknown or comes twice, or a weight is no number above 0.
pub fn mix(text: &str) -> Result<Vec<(Workload, u32)>, String> {
    let mut mix: Vec<(Workload, u32)> = Vec::new();
    for one in text.split(',') {
        let (name, weight) = one
            .split_once('=')
            .ok_or_else(|| format!("'{one}' is no weight; write WORKLOAD=N, such as step=10"))?;
        let workload: Workload = name.parse()?;
        let weight = weight
            .parse::<u32>()
            .ok()
            .filter(|weight| (1..=1_000_000).contains(weight))
            .ok_or_else(|| format!("'{weight}' is no weight; write a number from 1 to 1000000"))?;
        if mix.iter().any(|(own, _)| *own == workload) {
            return Err(format!("{workload} has two weights; give it one"));
        }
        mix.push((workload, weight));
    }
    Ok(mix)
}

/// What a run is to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What is asked, with weights; more than one is a mix.
    pub workloads: Vec<(Workload, u32)>,
    /// How often.
    pub rate: Rate,
    /// How long, for each contender: in all, or one try of a search.
    pub time: Duration,
    /// How long before that, without counting.
    pub warm_up: Duration,
    /// In how many slices the time is cut, so that contenders take turns; at least 1.
    pub slices: usize,
    /// How arrivals are spread.
    pub spread: Spread,
    /// Decides arrivals, mix and draws.
    pub seed: u64,
    /// Keeps the tokens of two runs on one target apart; decides nothing else.
    pub salt: u64,
    /// Most requests to one target at the same time, at least 1.
    pub connections: usize,
    /// Most arrivals of one target that wait or are being answered, at least 1.
    pub most_outstanding: usize,
    /// The share of arrivals that may be errors.
    pub error_budget: f64,
    /// Bounds that end the run as a failure.
    pub fail_above: Vec<Bound>,
    /// Bounds that a rate must keep to in a search.
    pub hold: Vec<Bound>,
    /// Longest wait for an answer, from when it was due.
    pub timeout: Duration,
    /// The command that does the same again.
    pub command: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_users_write_is_read() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(ramp("10..500"), Ok((10.0, 500.0)));
        assert_eq!(share("0.1%"), Ok(0.001));
        assert_eq!(share("1"), Ok(1.0));
        let bound: Bound = "p99.9=50ms".parse().expect("a bound");
        assert_eq!(
            (bound.quantile, bound.to_string()),
            (Quantile::P999, "p99.9=50ms".to_owned())
        );
        assert_eq!(
            mix("step=3,create=1"),
            Ok(vec![(Workload::Step, 3), (Workload::Create, 1)])
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for text in ["", "5", "s", "-1s", "NaNs", "inf s", "25h", "1e400s"] {
            assert!(duration(text).is_err(), "{text}");
        }
        for text in ["0", "-3", "NaN", "inf", "2000000", "x"] {
            assert!(rate(text).is_err(), "{text}");
        }
        assert!(ramp("5").is_err() && ramp("5..0").is_err());
        assert!(share("101%").is_err() && share("x").is_err() && share("NaN").is_err());
        assert!("p98=1s".parse::<Bound>().is_err() && "p99".parse::<Bound>().is_err());
        for text in ["step", "step=0", "stop=1", "step=1,step=2", "step=-1"] {
            assert!(mix(text).is_err(), "{text}");
        }
    }
}
