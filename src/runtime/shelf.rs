//! Values that are kept to be given again, within bounds; the oldest go first.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A hash over all that a value depends on.
pub type Key = [u8; 32];

/// Most values.
const MOST: usize = 10_000;

/// Values by their keys.
#[derive(Debug)]
pub(super) struct Shelf<V> {
    most_bytes: usize,
    rows: Mutex<Rows<V>>,
}

#[derive(Debug)]
struct Rows<V> {
    values: HashMap<Key, Row<V>>,
    /// The keys in the order in which their values came.
    order: BTreeMap<u64, Key>,
    next: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Row<V> {
    value: Arc<V>,
    number: u64,
    weight: usize,
}

impl<V> Shelf<V> {
    /// An empty one for values of so many bytes of memory together.
    pub(super) fn new(most_bytes: usize) -> Self {
        Self {
            most_bytes,
            rows: Mutex::new(Rows {
                values: HashMap::new(),
                order: BTreeMap::new(),
                next: 0,
                bytes: 0,
            }),
        }
    }

    /// The value of this key.
    pub(super) fn get(&self, key: &Key) -> Option<Arc<V>> {
        let rows = self.rows();
        rows.values.get(key).map(|row| Arc::clone(&row.value))
    }

    /// Keeps a value of so many bytes, in place of an older one unless that one stays.
    pub(super) fn put(&self, key: Key, value: V, weight: usize, stays: impl Fn(&V) -> bool) {
        let mut rows = self.rows();
        let known = rows.values.get(&key);
        if weight > self.most_bytes || known.is_some_and(|row| stays(&row.value)) {
            return;
        }
        rows.take_out(&key);
        let number = rows.next;
        rows.next += 1;
        rows.order.insert(number, key);
        rows.bytes += weight;
        let row = Row {
            value: Arc::new(value),
            number,
            weight,
        };
        rows.values.insert(key, row);
        while rows.values.len() > MOST || rows.bytes > self.most_bytes {
            let Some((_, oldest)) = rows.order.pop_first() else {
                return;
            };
            rows.take_out(&oldest);
        }
    }

    fn rows(&self) -> MutexGuard<'_, Rows<V>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> Rows<V> {
    fn take_out(&mut self, key: &Key) {
        if let Some(row) = self.values.remove(key) {
            self.order.remove(&row.number);
            self.bytes = self.bytes.saturating_sub(row.weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(shelf: &Shelf<u8>, key: u8) -> Option<u8> {
        shelf.get(&[key; 32]).map(|value| *value)
    }

    fn sizes(shelf: &Shelf<u8>) -> (usize, usize, usize) {
        let rows = shelf.rows();
        (rows.values.len(), rows.order.len(), rows.bytes)
    }

    #[test]
    fn the_oldest_go_first_and_the_bound_holds() {
        let shelf = Shelf::new(100);
        for number in 0..3 {
            shelf.put([number; 32], number, 50, |_| true);
        }
        assert_eq!(value(&shelf, 0), None);
        assert_eq!((value(&shelf, 1), value(&shelf, 2)), (Some(1), Some(2)));
        shelf.put([7; 32], 7, 101, |_| true);
        assert_eq!(value(&shelf, 7), None);
        assert_eq!(sizes(&shelf), (2, 2, 100));
    }

    #[test]
    fn a_value_takes_the_place_of_another_unless_that_stays() {
        let shelf = Shelf::new(100);
        shelf.put([1; 32], 1, 10, |_| false);
        shelf.put([1; 32], 2, 20, |_| false);
        assert_eq!(value(&shelf, 1), Some(2));
        shelf.put([1; 32], 3, 30, |known| *known == 2);
        assert_eq!(value(&shelf, 1), Some(2));
        assert_eq!(sizes(&shelf), (1, 1, 20));
    }

    #[test]
    fn the_number_is_bounded_too() {
        let shelf = Shelf::new(usize::MAX);
        for number in 0..=MOST {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&(number as u64).to_le_bytes());
            shelf.put(key, 0, 1, |_| true);
        }
        assert_eq!(value(&shelf, 0), None);
        assert_eq!(sizes(&shelf), (MOST, MOST, MOST));
    }
}
