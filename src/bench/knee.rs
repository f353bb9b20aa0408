//! The highest rate that a target keeps up with: raised until it does not hold, then narrowed.

/// How close the highest rate that holds and the lowest that does not come.
const CLOSE: f64 = 1.08;

/// Most slices of one search.
const MOST: usize = 40;

/// A search: says the next rate, and is told what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Knee {
    next: f64,
    /// The highest rate that may be tried.
    most: f64,
    held: Option<f64>,
    broke: Option<f64>,
    /// Whether the rate broke once already: a machine that was busy elsewhere breaks one too.
    doubted: bool,
    tried: usize,
}

impl Knee {
    /// A search that begins at `first` arrivals per second and goes up to `most`.
    pub fn new(first: f64, most: f64) -> Self {
        Self {
            next: first.min(most),
            most,
            held: None,
            broke: None,
            doubted: false,
            tried: 0,
        }
    }

    /// The rate to try next; `None`: it is found.
    pub fn next(&self) -> Option<f64> {
        let narrow = match (self.held, self.broke) {
            (Some(held), Some(broke)) => broke / held <= CLOSE,
            (Some(held), None) => held >= self.most,
            // Below one in a hundred seconds there is nothing to be found.
            (None, Some(broke)) => broke < 0.01,
            (None, None) => false,
        };
        (!narrow && self.tried < MOST).then_some(self.next)
    }

    /// Takes in whether the target kept up with [`Knee::next`].
    pub fn tell(&mut self, held: bool) {
        self.tried += 1;
        if !held && !self.doubted {
            self.doubted = true;
            return;
        }
        self.doubted = false;
        if held {
            self.held = Some(self.next);
        } else {
            self.broke = Some(self.next);
        }
        self.next = match (self.held, self.broke) {
            (Some(held), Some(broke)) => (held * broke).sqrt(),
            (Some(held), None) => (held * 2.0).min(self.most),
            (None, Some(broke)) => broke / 4.0,
            (None, None) => self.next,
        };
    }

    /// The highest rate that held.
    pub const fn held(&self) -> Option<f64> {
        self.held
    }

    /// The lowest rate that did not hold; `None`: all did, up to the highest that may be tried.
    pub const fn broke(&self) -> Option<f64> {
        self.broke
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn searched(first: f64, limit: f64) -> (Knee, usize) {
        let mut knee = Knee::new(first, 100_000.0);
        let mut slices = 0;
        while let Some(rate) = knee.next() {
            slices += 1;
            knee.tell(rate <= limit);
        }
        (knee, slices)
    }

    #[test]
    fn the_knee_is_found_from_below_and_from_above() {
        for (first, limit) in [(10.0, 730.0), (5000.0, 730.0), (730.0, 730.0), (1.0, 0.3)] {
            let (knee, slices) = searched(first, limit);
            let held = knee.held().expect("held");
            assert!(
                held <= limit && held * CLOSE >= limit,
                "{first}, {limit}: {held}"
            );
            assert!(slices < MOST, "{slices}");
        }
    }

    #[test]
    fn one_bad_slice_is_not_believed() {
        let mut knee = Knee::new(100.0, 400.0);
        knee.tell(false);
        assert_eq!(knee.next(), Some(100.0));
        knee.tell(true);
        assert_eq!((knee.held(), knee.next()), (Some(100.0), Some(200.0)));
    }

    #[test]
    fn a_search_ends_where_nothing_holds_or_everything_does() {
        assert_eq!(searched(10.0, 0.0).0.held(), None);
        let (knee, _) = searched(10.0, f64::INFINITY);
        assert_eq!((knee.held(), knee.broke()), (Some(100_000.0), None));
    }
}
