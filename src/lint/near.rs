//! Which of the known names somebody meant.

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
    use super::{nearest, slips};

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
    fn counts_slips() {
        assert_eq!(slips("abcd", "abcd", 2), Some(0));
        assert_eq!(slips("abcd", "abdc", 2), Some(1));
        assert_eq!(slips("abcd", "bd", 2), Some(2));
        assert_eq!(slips("abcd", "xyz", 2), None);
        assert_eq!(slips("", "ab", 2), Some(2));
    }
}
