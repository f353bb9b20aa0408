//! A script as a sequence: the first entry that is not used up and has no objection to the request answers it.

use std::time::Duration;

use crate::journal::{Service, UnusedEntry};

/// How often an entry may answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Times {
    /// Exactly so often, from 1.
    Count(u32),
    /// Without limit; never reported as unused.
    Any,
}

/// What all entries have in common.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) times: Times,
    pub(crate) optional: bool,
    pub(crate) delay: Duration,
}

/// One entry of a script.
pub(crate) trait Entry {
    /// What its predicates look at.
    type Request: ?Sized;

    fn terms(&self) -> &Terms;

    /// The predicates that do not hold, each as a clause; none means that the entry fits.
    fn objections(&self, request: &Self::Request) -> Vec<String>;

    /// The entry in one line.
    fn summary(&self) -> String;
}

/// The entries of one service with their use counts.
#[derive(Debug, Clone)]
pub(crate) struct Sequence<E> {
    entries: Vec<E>,
    used: Vec<u32>,
}

impl<E> Default for Sequence<E> {
    fn default() -> Self {
        Sequence {
            entries: Vec::new(),
            used: Vec::new(),
        }
    }
}

impl<E> From<Vec<E>> for Sequence<E> {
    fn from(entries: Vec<E>) -> Self {
        let used = vec![0; entries.len()];
        Sequence { entries, used }
    }
}

impl<E: Entry> Sequence<E> {
    fn spent(&self, index: usize) -> bool {
        match self.entries[index].terms().times {
            Times::Count(count) => self.used[index] >= count,
            Times::Any => false,
        }
    }

    /// Takes the first fitting entry and counts its use.
    pub(crate) fn take(&mut self, request: &E::Request) -> Option<(usize, &E)> {
        let index = (0..self.entries.len()).find(|&index| {
            !self.spent(index) && self.entries[index].objections(request).is_empty()
        })?;
        self.used[index] = self.used[index].saturating_add(1);
        Some((index, &self.entries[index]))
    }

    /// Why nothing fits: the entry with the fewest objections (the earlier of equals), and its position.
    pub(crate) fn nearest(&self, request: &E::Request) -> (Option<usize>, String) {
        if self.entries.is_empty() {
            return (None, "the script has no entry".to_owned());
        }
        let open = (0..self.entries.len()).filter(|&index| !self.spent(index));
        let nearest = open
            .map(|index| (index, self.entries[index].objections(request)))
            .min_by_key(|(index, objections)| (objections.len(), *index));
        if let Some((index, objections)) = nearest {
            let why = objections.join("; ");
            return (
                Some(index),
                format!(
                    "the nearest is entry {index} ({}), but {why}",
                    self.entries[index].summary()
                ),
            );
        }
        let fitting = (0..self.entries.len())
            .find(|&index| self.entries[index].objections(request).is_empty());
        let count = self.entries.len();
        match fitting {
            Some(index) => {
                let summary = self.entries[index].summary();
                (
                    Some(index),
                    format!(
                        "the nearest is entry {index} ({summary}), but it is used up, as are all {count}"
                    ),
                )
            }
            None => (
                None,
                format!("the script is used up: all {count} of its entries have answered"),
            ),
        }
    }

    /// Entries that should have answered more often.
    pub(crate) fn unused(&self, service: Service) -> impl Iterator<Item = UnusedEntry> {
        self.entries.iter().zip(&self.used).enumerate().filter_map(
            move |(index, (entry, &used))| {
                let terms = entry.terms();
                let Times::Count(times) = terms.times else {
                    return None;
                };
                (!terms.optional && used < times).then(|| UnusedEntry {
                    service,
                    index,
                    summary: entry.summary(),
                    used,
                    times,
                })
            },
        )
    }

    /// How many calls the entries have answered.
    pub(crate) fn answered(&self) -> u64 {
        self.used.iter().map(|&used| u64::from(used)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone)]
    struct Word(&'static str, Terms);

    impl Entry for Word {
        type Request = str;

        fn terms(&self) -> &Terms {
            &self.1
        }

        fn objections(&self, request: &str) -> Vec<String> {
            self.0
                .split(' ')
                .filter(|word| !request.contains(word))
                .map(|word| format!("no {word}"))
                .collect()
        }

        fn summary(&self) -> String {
            self.0.to_owned()
        }
    }

    fn sequence(words: &[(&'static str, Times, bool)]) -> Sequence<Word> {
        let entry = |&(word, times, optional)| {
            Word(
                word,
                Terms {
                    times,
                    optional,
                    delay: Duration::ZERO,
                },
            )
        };
        words.iter().map(entry).collect::<Vec<_>>().into()
    }

    #[test]
    fn first_unused_fitting_entry_is_taken() {
        let mut script = sequence(&[
            ("a", Times::Count(2), false),
            ("b", Times::Any, false),
            ("a", Times::Count(1), false),
        ]);
        let mut take = |text| script.take(text).map(|(index, _)| index);
        assert_eq!(take("b"), Some(1));
        assert_eq!(take("a b"), Some(0));
        assert_eq!(take("a"), Some(0));
        assert_eq!(take("a"), Some(2));
        assert_eq!(take("a"), None);
        assert_eq!(take("b"), Some(1));
        assert_eq!(script.answered(), 5);
    }

    #[test]
    fn nearest_has_the_fewest_objections() {
        let script = sequence(&[
            ("a b c", Times::Count(1), false),
            ("a b", Times::Count(1), false),
        ]);
        let (index, why) = script.nearest("a");
        assert_eq!(index, Some(1));
        assert_eq!(why, "the nearest is entry 1 (a b), but no b");
    }

    #[test]
    fn nearest_tells_of_a_used_up_script() {
        let mut script = sequence(&[("a", Times::Count(1), false)]);
        script.take("a");
        let (index, why) = script.nearest("a");
        assert_eq!(index, Some(0));
        assert!(why.contains("used up"), "{why}");
        assert!(script.nearest("x").1.contains("all 1 of its entries"));
        assert_eq!(sequence(&[]).nearest("x").1, "the script has no entry");
    }

    #[test]
    fn unused_counts_and_spares_the_optional() {
        let mut script = sequence(&[
            ("a", Times::Count(3), false),
            ("b", Times::Any, false),
            ("c", Times::Count(1), true),
            ("d", Times::Count(1), false),
        ]);
        script.take("a");
        let unused: Vec<_> = script
            .unused(Service::Email)
            .map(|entry| (entry.index, entry.used, entry.times))
            .collect();
        assert_eq!(unused, [(0, 1, 3), (3, 0, 1)]);
    }
}
