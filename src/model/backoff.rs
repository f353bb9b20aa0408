//! How long to wait before a failing model is asked again: what the model said, and else longer each time, with chance, so that many
//! sessions do not come back at once.
//!
//! A step call never waits (`spec/model.md` 3.1, 3.6); who drives sessions in the background does.

use std::time::Duration;

use jiff::Timestamp;

/// The longest time that a `Retry-After` is heeded for (`spec/model.md` 3.6).
pub const LONGEST_REST: Duration = Duration::from_secs(60 * 60);

/// Growing delays with chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The longest delay after the first failure.
    pub first: Duration,
    /// The longest delay after any.
    pub longest: Duration,
    /// Where the chance comes from: the same seed gives the same delays.
    pub seed: u64,
}

impl Backoff {
    /// Delays of up to half a second at first, and of up to a minute.
    pub fn new(seed: u64) -> Self {
        Self {
            first: Duration::from_millis(500),
            longest: Duration::from_secs(60),
            seed,
        }
    }

    /// How long to wait after this many failures in a row, counted from 1: between half of a bound that doubles each time and
    /// the whole of it, and after what the model said, which is never undercut.
    pub fn delay(&self, failures: u32, retry_after: Option<Duration>) -> Duration {
        let doubled = failures.saturating_sub(1).min(31);
        let bound = self
            .first
            .saturating_mul(1 << doubled)
            .min(self.longest)
            .min(LONGEST_REST);
        let half = bound / 2;
        // A fraction of 2^32, which no rounding brings to 1.
        let chance =
            mixed(self.seed ^ u64::from(failures).wrapping_mul(0x9e37_79b9_7f4a_7c15)) >> 32;
        let nanos = half.as_nanos().saturating_mul(u128::from(chance)) >> 32;
        let own = half + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        match retry_after {
            Some(said) => own + said.min(LONGEST_REST),
            None => own,
        }
    }
}

/// SplitMix64: every bit of the seed moves every bit of what comes out.
fn mixed(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// How long a `Retry-After` asks to wait from now on, at most [`LONGEST_REST`]; `None` where it is neither seconds nor a date.
pub fn rest_of(retry_after: &str, now: Timestamp) -> Option<Duration> {
    let text = retry_after.trim();
    let rest = if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
        // What is too large for a number is longer than any wait.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let date = jiff::fmt::rfc2822::DateTimeParser::new()
            .parse_timestamp(text)
            .ok()?;
        Duration::try_from(date.duration_since(now)).unwrap_or_default()
    };
    Some(rest.min(LONGEST_REST))
}

/// Whole seconds until then, rounded up, so that whoever waits as long does not come too early; `None` once it has come.
pub fn seconds_until(then: Timestamp, now: Timestamp) -> Option<u64> {
    let left = Duration::try_from(then.duration_since(now)).ok()?;
    let whole = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    (whole > 0).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest_and_vary() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let backoff = Backoff::new(seed);
            for failures in [1, 2, 3, 8, 40, u32::MAX] {
                let bound = Duration::from_millis(500)
                    .saturating_mul(1 << (failures - 1).min(20))
                    .min(Duration::from_secs(60));
                let delay = backoff.delay(failures, None);
                assert!(delay >= bound / 2 && delay < bound, "{failures}: {delay:?}");
                assert_eq!(delay, backoff.delay(failures, None));
            }
            seen.insert(backoff.delay(3, None));
        }
        assert!(seen.len() > 190, "only {} delays", seen.len());
    }

    #[test]
    fn what_the_model_said_is_never_undercut() {
        for seed in 0..50 {
            let delay = |said| Backoff::new(seed).delay(1, Some(Duration::from_secs(said)));
            assert!((7000..7500).contains(&delay(7).as_millis()));
            assert!(delay(86_400) < LONGEST_REST + Duration::from_secs(1));
        }
        // No bound that somebody sets makes it overflow.
        let wide = Backoff {
            first: Duration::MAX,
            longest: Duration::MAX,
            seed: 1,
        };
        assert!(wide.delay(u32::MAX, Some(Duration::MAX)) <= LONGEST_REST * 2);
    }

    #[test]
    fn seconds_and_dates_are_heeded_for_an_hour_at_most() {
        let now: Timestamp = "1994-11-06T08:49:07Z".parse().expect("a time");
        let rest = |text: &str| rest_of(text, now).map(|rest| rest.as_secs());
        assert_eq!(rest("7"), Some(7));
        assert_eq!(rest("0"), Some(0));
        assert_eq!(rest("86400"), Some(3600));
        assert_eq!(rest("999999999"), Some(3600));
        assert_eq!(rest("99999999999999999999999"), Some(3600));
        assert_eq!(rest("Sun, 06 Nov 1994 08:49:37 GMT"), Some(30));
        assert_eq!(rest("Sun, 06 Nov 1994 08:48:37 GMT"), Some(0));
        for text in ["", "-1", "1.5", "soon", "7s"] {
            assert_eq!(rest(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_left_is_rounded_up() {
        let now = Timestamp::UNIX_EPOCH;
        let left =
            |millis: i64| seconds_until(Timestamp::from_millisecond(millis).expect("a time"), now);
        assert_eq!(left(7000), Some(7));
        assert_eq!(left(6001), Some(7));
        assert_eq!(left(1), Some(1));
        assert_eq!(left(0), None);
        assert_eq!(left(-5000), None);
    }
}
