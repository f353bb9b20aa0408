//! Two contenders beside each other: the ratio of a figure over the rounds of a run, and how far chance could move it.

use serde::Serialize;

use super::schedule::Chance;

/// How often rounds are drawn again.
const DRAWS: usize = 2000;

/// Of fewer rounds than these an interval that is drawn from them would be too narrow: of three, one in four would tell a target apart
/// from itself.
pub const LEAST_ROUNDS: usize = 6;

/// A ratio with the interval that 95 of 100 such runs would lie in.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ratio {
    /// The ratio of the medians over all rounds.
    pub ratio: f64,
    /// The ends of the interval; `None` of fewer than [`LEAST_ROUNDS`] rounds.
    pub interval: Option<(f64, f64)>,
    /// Of how many rounds.
    pub rounds: usize,
}

impl Ratio {
    /// Whether one is told apart from the other at all.
    pub fn tells_apart(&self) -> bool {
        self.interval
            .is_some_and(|(low, high)| low > 1.0 || high < 1.0)
    }
}

/// The ratio of `ours` to `base`, round by round: both were measured shortly after each other in each, so rounds are drawn in pairs.
/// `None` of fewer than two rounds, or of figures that have no ratio.
pub fn ratio(ours: &[f64], base: &[f64], seed: u64) -> Option<Ratio> {
    let pairs: Vec<(f64, f64)> = ours
        .iter()
        .zip(base)
        .map(|(ours, base)| (*ours, *base))
        .filter(|(ours, base)| ours.is_finite() && base.is_finite() && *ours > 0.0 && *base > 0.0)
        .collect();
    if pairs.len() < 2 {
        return None;
    }
    let of = |pairs: &[(f64, f64)]| {
        let ours = median(pairs.iter().map(|pair| pair.0).collect());
        ours / median(pairs.iter().map(|pair| pair.1).collect())
    };
    let mut chance = Chance::new(seed);
    let mut drawn: Vec<f64> = (0..DRAWS)
        .map(|_| {
            let again: Vec<(f64, f64)> = (0..pairs.len())
                .filter_map(|_| pairs.get(chance.below(pairs.len())).copied())
                .collect();
            of(&again)
        })
        .collect();
    drawn.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| {
        let place = (share * (DRAWS - 1) as f64).round() as usize;
        drawn.get(place).copied().unwrap_or(f64::NAN)
    };
    Some(Ratio {
        ratio: of(&pairs),
        interval: (pairs.len() >= LEAST_ROUNDS).then(|| (at(0.025), at(0.975))),
        rounds: pairs.len(),
    })
}

/// The median; of an even number the mean of the two in the middle, of none not a number.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match (figures.get(middle), figures.len() % 2) {
        (None, _) => f64::NAN,
        (Some(one), 1) => *one,
        (Some(upper), _) => figures
            .get(middle.wrapping_sub(1))
            .map_or(*upper, |lower| (lower + upper) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clear_ratio_is_told_apart_and_its_interval_holds_it() {
        let base = [10.0, 11.0, 9.0, 10.5, 9.5, 10.2, 9.8, 10.1];
        let ours: Vec<f64> = base.iter().map(|figure| figure * 2.0).collect();
        let found = ratio(&ours, &base, 1).expect("a ratio");
        assert!((found.ratio - 2.0).abs() < 1e-9);
        let holds = found
            .interval
            .is_some_and(|(low, high)| low <= 2.0 && high >= 2.0);
        assert!(holds && found.tells_apart(), "{found:?}");
        assert_eq!(Some(found), ratio(&ours, &base, 1), "the seed decides");
    }

    #[test]
    fn noise_is_not_told_apart() {
        let one = [10.0, 14.0, 8.0, 12.0, 9.0, 13.0];
        let other = [13.0, 9.0, 12.0, 8.0, 14.0, 10.0];
        let found = ratio(&one, &other, 3).expect("a ratio");
        let is_wide = found.interval.is_some_and(|(low, high)| low < high);
        assert!(!found.tells_apart() && is_wide, "{found:?}");
        let few = ratio(&one[..5], &other[..5], 3).expect("a ratio");
        assert_eq!(few.interval, None);
    }

    #[test]
    fn what_has_no_ratio_has_none() {
        assert_eq!(ratio(&[1.0], &[1.0], 1), None);
        assert_eq!(ratio(&[1.0, 0.0, f64::NAN], &[1.0, 2.0, 3.0], 1), None);
        assert!(median(Vec::new()).is_nan());
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), 2.5);
    }
}
