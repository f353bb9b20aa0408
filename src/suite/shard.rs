//! A part of the cases that several machines share out without talking to each other.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Most shards of a run.
pub const MOST: u32 = 256;

/// One of several parts. A case's id alone decides which part it is in, so that a new case moves no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shard {
    /// Which one, from 1.
    pub index: u32,
    /// How many there are.
    pub of: u32,
}

impl Shard {
    /// One of several parts.
    ///
    /// # Errors
    /// When there is no such part, or there are too many.
    pub fn new(index: u32, of: u32) -> Result<Self, String> {
        if (1..=of).contains(&index) && of <= MOST {
            Ok(Self { index, of })
        } else {
            Err(format!(
                "no shard {index}/{of}; write k/n with k from 1 to n, and n at most {MOST}"
            ))
        }
    }

    /// Whether a case is in this part.
    pub fn holds(self, id: &str) -> bool {
        let sum = Sha256::digest(id.as_bytes());
        let number = sum
            .iter()
            .take(8)
            .fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
        number % u64::from(self.of.max(1)) + 1 == u64::from(self.index)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text
            .split_once('/')
            .and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((index, of)) => Self::new(index, of),
            None => Err(format!(
                "'{text}' is no shard; write k/n, such as 1/4 for the first of four"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requirement::Registry;
    use crate::suite::load;

    #[test]
    fn shards_are_written_as_a_fraction() {
        assert_eq!("2/4".parse(), Shard::new(2, 4));
        assert_eq!(Shard::new(2, 4).expect("a shard").to_string(), "2/4");
        for text in [
            "",
            "2",
            "0/4",
            "5/4",
            "1/0",
            "1/257",
            "-1/4",
            "1/4/2",
            "a/b",
            "1 /4",
            "99999999999/4",
        ] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_case_is_in_one_shard_by_its_id_alone() {
        for of in [1, 2, 3, 7] {
            for id in ["ACT-001-a", "SBX-042-exception-text.python", ""] {
                let holders =
                    (1..=of).filter(|index| Shard::new(*index, of).expect("a shard").holds(id));
                assert_eq!(holders.count(), 1, "{id} of {of}");
            }
        }
        // First 8 bytes of the SHA-256 of "abc" are ba7816bf8f01cfea: even, and 10 in the last hexadecimal digit.
        assert!(Shard::new(1, 2).expect("a shard").holds("abc"));
        assert!(Shard::new(11, 16).expect("a shard").holds("abc"));
    }

    #[test]
    fn the_shards_of_all_cases_are_about_as_large() {
        let cases = load::embedded_cases(Registry::embedded()).expect("cases");
        for of in [2_u32, 3, 4] {
            let mean = cases.len() as f64 / f64::from(of);
            for index in 1..=of {
                let shard = Shard::new(index, of).expect("a shard");
                let own = cases.iter().filter(|case| shard.holds(&case.id)).count();
                let off = (own as f64 - mean).abs() / mean;
                assert!(off <= 0.15, "{shard} holds {own} of {}", cases.len());
            }
        }
    }
}
