//! Texts that a regular expression may match: guesses, for expressions of plain parts.

/// Longest text that is guessed, in characters.
const LONGEST: usize = 256;

/// Deepest groups that are followed.
const DEEPEST: usize = 8;

/// The shortest text that each alternative of an expression seems to match, one longer than that, and none where the expression is
/// more than literals, classes, groups and repetitions.
pub(super) fn guess(pattern: &str) -> Vec<String> {
    let least = Reader::new(pattern, 0).whole();
    let more = Reader::new(pattern, 1).whole();
    least.into_iter().chain(more).collect()
}

struct Reader<'p> {
    rest: std::iter::Peekable<std::str::Chars<'p>>,
    /// How often more than needed something is repeated.
    more: usize,
}

impl<'p> Reader<'p> {
    fn new(pattern: &'p str, more: usize) -> Self {
        Self {
            rest: pattern.chars().peekable(),
            more,
        }
    }

    fn whole(mut self) -> Option<String> {
        let text = self.alternatives(0)?;
        (self.rest.next().is_none() && text.chars().count() <= LONGEST).then_some(text)
    }

    /// The first of several alternatives.
    fn alternatives(&mut self, depth: usize) -> Option<String> {
        if depth > DEEPEST {
            return None;
        }
        let first = self.sequence(depth)?;
        while self.rest.next_if_eq(&'|').is_some() {
            self.sequence(depth)?;
        }
        Some(first)
    }

    fn sequence(&mut self, depth: usize) -> Option<String> {
        let mut text = String::new();
        while let Some(next) = self.rest.peek().copied() {
            if matches!(next, '|' | ')') {
                break;
            }
            self.rest.next();
            let one = match next {
                '^' | '$' => continue,
                '(' => {
                    if self.rest.next_if_eq(&'?').is_some() && self.rest.next() != Some(':') {
                        return None;
                    }
                    let inner = self.alternatives(depth + 1)?;
                    self.rest.next_if_eq(&')')?;
                    inner
                }
                '[' => self.class()?.to_string(),
                '\\' => escaped(self.rest.next()?)?.to_string(),
                '.' => "a".to_owned(),
                '*' | '+' | '?' | '{' => return None,
                plain => plain.to_string(),
            };
            let times = self.times()?;
            if one.len().saturating_mul(times) > LONGEST * 4 {
                return None;
            }
            text.push_str(&one.repeat(times));
            if text.len() > LONGEST * 4 {
                return None;
            }
        }
        Some(text)
    }

    /// How often what went before is repeated.
    fn times(&mut self) -> Option<usize> {
        let Some(sign) = self
            .rest
            .next_if(|next| matches!(next, '*' | '+' | '?' | '{'))
        else {
            return Some(1);
        };
        let (least, most) = match sign {
            '*' => (0, usize::MAX),
            '+' => (1, usize::MAX),
            '?' => (0, 1),
            _ => {
                let inside: String =
                    std::iter::from_fn(|| self.rest.next_if(|next| *next != '}')).collect();
                self.rest.next_if_eq(&'}')?;
                match inside.split_once(',') {
                    None => {
                        let times = inside.parse().ok()?;
                        (times, times)
                    }
                    Some((least, "")) => (least.parse().ok()?, usize::MAX),
                    Some((least, most)) => (least.parse().ok()?, most.parse().ok()?),
                }
            }
        };
        self.rest.next_if_eq(&'?');
        Some(least.saturating_add(self.more).min(most))
    }

    /// A member of a class.
    fn class(&mut self) -> Option<char> {
        let negated = self.rest.next_if_eq(&'^').is_some();
        let mut members = Vec::new();
        loop {
            match self.rest.next()? {
                ']' => break,
                '\\' => members.push(escaped(self.rest.next()?)?),
                member => members.push(member),
            }
            if members.len() > LONGEST {
                return None;
            }
        }
        if !negated {
            return members.first().copied();
        }
        ['a', '0', '_', ' ', '-', 'é']
            .into_iter()
            .find(|candidate| !members.contains(candidate))
    }
}

fn escaped(letter: char) -> Option<char> {
    Some(match letter {
        'd' => '0',
        'w' => 'a',
        's' => ' ',
        'D' | 'S' => 'a',
        'W' => '-',
        'n' => '\n',
        't' => '\t',
        letter if letter.is_ascii_alphanumeric() => return None,
        literal => literal,
    })
}

#[cfg(test)]
mod tests {
    use super::guess;

    #[test]
    fn plain_expressions_are_met() {
        for (pattern, text) in [
            ("^[a-z]+$", "a"),
            (r"^\d{4}-\d{2}$", "0000-00"),
            ("^(EUR|USD)$", "EUR"),
            ("^ev_[0-9]{3,}x?$", "ev_000"),
            ("a.c", "aac"),
        ] {
            assert_eq!(
                guess(pattern).first().map(String::as_str),
                Some(text),
                "{pattern}"
            );
        }
        for odd in ["(?=a)", "a{", "(", "[", "\\", "*", r"\p{L}", "a{999999999}"] {
            assert!(guess(odd).is_empty(), "{odd}");
        }
    }
}
