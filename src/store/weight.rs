//! What sessions weigh, each and together, without looking at all of them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The bytes of all that are counted in; clones are the same sum.
#[derive(Debug, Clone, Default)]
pub(super) struct Total(Arc<AtomicUsize>);

impl Total {
    /// The bytes.
    pub(super) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// The bytes of one, part of a sum while it is counted in.
#[derive(Debug)]
pub(super) struct Weight(Mutex<Weighed>);

#[derive(Debug)]
struct Weighed {
    bytes: usize,
    counted_in: Option<Total>,
}

impl Weight {
    /// One of so many bytes that is not counted in.
    pub(super) fn new(bytes: usize) -> Self {
        Self(Mutex::new(Weighed {
            bytes,
            counted_in: None,
        }))
    }

    fn weighed(&self) -> MutexGuard<'_, Weighed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bytes.
    pub(super) fn bytes(&self) -> usize {
        self.weighed().bytes
    }

    /// It has so many bytes by now.
    pub(super) fn set(&self, bytes: usize) {
        let mut weighed = self.weighed();
        if let Some(Total(total)) = &weighed.counted_in {
            // Sums of this kind wrap around and back: the order of additions does not matter.
            total.fetch_add(bytes, Ordering::Relaxed);
            total.fetch_sub(weighed.bytes, Ordering::Relaxed);
        }
        weighed.bytes = bytes;
    }

    /// Counts it in, in this sum alone.
    pub(super) fn count_in(&self, total: &Total) {
        self.count_out();
        let mut weighed = self.weighed();
        total.0.fetch_add(weighed.bytes, Ordering::Relaxed);
        weighed.counted_in = Some(total.clone());
    }

    /// Counts it out; what it gains from then on is nobody's.
    pub(super) fn count_out(&self) {
        let mut weighed = self.weighed();
        if let Some(Total(total)) = weighed.counted_in.take() {
            total.fetch_sub(weighed.bytes, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_sum_is_that_of_those_that_are_counted_in(moves in prop::collection::vec((0..4_usize, 0..3_u8, 0..1000_usize), 0..60)) {
            let total = Total::default();
            let weights: Vec<Weight> = (0..4).map(Weight::new).collect();
            let mut inside = [false; 4];
            for (index, what, bytes) in moves {
                match what {
                    0 => weights[index].set(bytes),
                    1 => {
                        weights[index].count_in(&total);
                        inside[index] = true;
                    }
                    _ => {
                        weights[index].count_out();
                        inside[index] = false;
                    }
                }
                let counted = weights.iter().zip(inside).filter(|(_, inside)| *inside);
                let sum: usize = counted.map(|(weight, _)| weight.bytes()).sum();
                prop_assert_eq!(total.bytes(), sum);
            }
        }
    }
}
