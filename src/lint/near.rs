//! Which of the known names somebody meant.

use std::cell::Cell;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Most names that one is compared with.
const MOST_NAMES: usize = 1000;

/// Longest name that is compared, in characters.
const LONGEST: usize = 128;

/// The name among `known` that `given` was surely meant to be: written with other capitals or separators, or at most two slips of
/// the hand away (one, in a name of up to four characters). None when `given` is itself known, or when two are equally near.
pub fn nearest<'k>(given: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let wanted = folded(given);
    if wanted.len() > LONGEST || wanted.is_empty() {
        return None;
    }
    let mut best: Option<(usize, &'k str)> = None;
    let mut tie = false;
    for name in known.into_iter().take(MOST_NAMES) {
        if name == given {
            return None;
        }
        if letters(name).abs_diff(wanted.len()) > 2 {
            continue;
        }
        let other = folded(name);
        let most = if wanted.len().min(other.len()) <= 4 {
            1
        } else {
            2
        };
        let Some(distance) = distance(&wanted, &other, most) else {
            continue;
        };
        match best {
            Some((least, _)) if distance > least => {}
            Some((least, before)) if distance == least => tie |= before != name,
            _ => {
                best = Some((distance, name));
                tie = false;
            }
        }
    }
    best.filter(|_| !tie).map(|(_, name)| name)
}

/// Longest name that is found by its parts, in characters; of each there are as many as pairs of characters.
const LONGEST_INDEXED: usize = 24;

/// Most names that are compared closely with those of one list, all that are asked for together.
const MOST_COMPARED: usize = 100_000;

/// Known names that many given ones are held against, as [`nearest`] holds one: each is compared only with those that have nearly
/// the same characters in the same order.
#[derive(Debug)]
pub struct Names<'k> {
    names: Vec<&'k str>,
    exact: HashSet<&'k str>,
    /// What is left of a name when up to two characters go, as a digest, with the name's place; in order.
    parts: Vec<(u64, usize)>,
    /// The places of names that are too long for that.
    long: Vec<usize>,
    /// How many may still be compared.
    left: Cell<usize>,
}

impl<'k> Names<'k> {
    /// Takes the known names.
    pub fn of(known: impl IntoIterator<Item = &'k str>) -> Self {
        let names: Vec<&str> = known.into_iter().take(MOST_NAMES).collect();
        let mut parts = Vec::new();
        let mut long = Vec::new();
        for (place, name) in names.iter().enumerate() {
            let folded = folded(name);
            if folded.len() > LONGEST_INDEXED {
                long.push(place);
            } else {
                parts.extend(parts_of(&folded).into_iter().map(|part| (part, place)));
            }
        }
        parts.sort_unstable();
        Self {
            exact: names.iter().copied().collect(),
            names,
            parts,
            long,
            left: Cell::new(MOST_COMPARED),
        }
    }

    /// As [`nearest`]; also none when more were compared already than any document of people needs.
    pub fn nearest(&self, given: &str) -> Option<&'k str> {
        let wanted = folded(given);
        if self.exact.contains(given) || wanted.len() > LONGEST {
            return None;
        }
        let mut places = Vec::new();
        if wanted.len() <= LONGEST_INDEXED + 2 {
            for part in parts_of(&wanted) {
                let first = self.parts.partition_point(|(other, _)| *other < part);
                let same = self.parts.iter().skip(first);
                let same = same.take_while(|(other, _)| *other == part);
                places.extend(same.map(|(_, place)| *place));
            }
        }
        if wanted.len() + 2 > LONGEST_INDEXED {
            places.extend(&self.long);
        }
        places.sort_unstable();
        places.dedup();
        let left = self.left.get().checked_sub(places.len())?;
        self.left.set(left);
        let near = places.into_iter().filter_map(|place| self.names.get(place));
        nearest(given, near.copied())
    }
}

/// Digests of what is left of a name when up to two characters go, one of a name of up to four; names that are as near have one in common.
fn parts_of(name: &[char]) -> Vec<u64> {
    let digest = |first: usize, second: usize| {
        let mut hasher = DefaultHasher::new();
        let kept = name.iter().enumerate();
        for (_, c) in kept.filter(|(at, _)| *at != first && *at != second) {
            c.hash(&mut hasher);
        }
        hasher.finish()
    };
    let none = name.len();
    let mut parts = vec![digest(none, none)];
    for first in 0..name.len() {
        parts.push(digest(first, none));
        if name.len() > 4 {
            parts.extend((first + 1..name.len()).map(|second| digest(first, second)));
        }
    }
    parts.sort_unstable();
    parts.dedup();
    parts
}

/// How many slips of the hand lie between two names: a character too many, too few, another one, or two changed about; none when
/// there are more than `most`.
pub fn slips(a: &str, b: &str, most: usize) -> Option<usize> {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    distance(&a, &b, most)
}

/// How long a name is without separators: what there is to know before it is copied. Few letters become two in lower case.
fn letters(name: &str) -> usize {
    name.chars().filter(|c| !matches!(c, '_' | '-')).count()
}

/// Capitals and separators are no difference.
fn folded(name: &str) -> Vec<char> {
    let plain = name.chars().filter(|c| !matches!(c, '_' | '-'));
    plain
        .flat_map(char::to_lowercase)
        .take(LONGEST + 1)
        .collect()
}

fn distance(a: &[char], b: &[char], most: usize) -> Option<usize> {
    if a.len().abs_diff(b.len()) > most || a.len().max(b.len()) > LONGEST {
        return None;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at =
                |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX / 2);
            let swap = usize::from(x != y);
            let mut least = (at(&above, j) + swap)
                .min(at(&above, j + 1) + 1)
                .min(at(&row, j) + 1);
            let crossed = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if crossed {
                least = least.min(at(&before, j - 1) + 1);
            }
            row.push(least);
        }
        if row.iter().min().is_some_and(|least| *least > most + 1) {
            return None;
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().filter(|distance| *distance <= most)
}

#[cfg(test)]
mod tests {
    use super::{Names, nearest, slips};

    #[test]
    fn finds_what_was_meant() {
        let known = ["endpoint", "method", "timeout_ms", "name", "auth"];
        for (given, meant) in [
            ("endpont", "endpoint"),
            ("endpiont", "endpoint"),
            ("Method", "method"),
            ("timeoutMs", "timeout_ms"),
            ("timeout-ms", "timeout_ms"),
            ("nam", "name"),
            ("methods", "method"),
        ] {
            assert_eq!(nearest(given, known), Some(meant), "{given}");
        }
    }

    #[test]
    fn does_not_guess_wildly() {
        let known = ["endpoint", "method", "name", "auth"];
        for given in ["", "url", "retries", "authority", "name", "x", "gauge"] {
            assert_eq!(nearest(given, known), None, "{given}");
        }
        assert_eq!(
            nearest("actian", ["action", "actiun"]),
            None,
            "two are as near"
        );
    }

    #[test]
    fn an_index_finds_what_a_look_at_each_finds() {
        let long = "a_name_that_is_longer_than_what_is_found_by_parts";
        let known = [
            "endpoint",
            "method",
            "timeout_ms",
            "name",
            "auth",
            "day",
            "days",
            "p0001",
            "p0002",
            "p0010",
            "id",
            "é",
            "naïve_mode",
            long,
            "",
        ];
        let names = Names::of(known);
        let given = [
            "endpont",
            "endpiont",
            "Method",
            "timeoutMs",
            "nam",
            "nmae",
            "methods",
            "url",
            "authority",
            "p0003",
            "r0001",
            "p001",
            "day",
            "dya",
            "i",
            "di",
            "e",
            "naive_mode",
            "naivemode",
            "",
            "a_name_that_is_longer_than_what_is_found_by_part",
            "a_nmae_that_is_longer_than_what_is_found_by_prats",
            "endpoints_",
            "daay",
            "dy",
        ];
        for given in given {
            assert_eq!(names.nearest(given), nearest(given, known), "{given}");
        }
    }

    #[test]
    fn counts_slips() {
        assert_eq!(slips("abcd", "abcd", 2), Some(0));
        assert_eq!(slips("abcd", "abdc", 2), Some(1));
        assert_eq!(slips("abcd", "bd", 2), Some(2));
        assert_eq!(slips("abcd", "xyz", 2), None);
        assert_eq!(slips("", "ab", 2), Some(2));
    }
}
