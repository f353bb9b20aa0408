//! Frozen revisions: which requirements and cases counted when a revision of the protocol was released. A file of them never
//! changes; what the suite learns later does not change a verdict by an earlier revision.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::case::Case;
use super::verdict::Mismatch;
use crate::embedded;
use crate::requirement::{Level, Profile, Registry, Requirement};

/// The folder of revisions in the repository.
pub const FOLDER: &str = "spec/revisions/";
/// Largest file that is read, in bytes.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// A frozen revision; `spec/schemas/revision.json` describes its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revision {
    /// Its name, `2.0`.
    pub revision: String,
    /// The day of its release, `YYYY-MM-DD`.
    pub released: String,
    /// SHA-256 over its lists, in hexadecimal digits.
    pub digest: String,
    /// The requirements that counted, by id.
    pub requirements: Vec<Frozen>,
    /// Ids of the cases that counted, in order.
    pub cases: Vec<String>,
}

/// A requirement as it was at a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frozen {
    /// Its id.
    pub id: String,
    /// How binding it was.
    pub level: Level,
    /// SHA-256 of its sentence with white space folded, in hexadecimal digits.
    pub quote: String,
}

impl Frozen {
    fn of(requirement: &Requirement) -> Self {
        let folded: Vec<&str> = requirement.quote.split_whitespace().collect();
        Self {
            id: requirement.id.clone(),
            level: requirement.level,
            quote: hex(&Sha256::digest(folded.join(" ").as_bytes())),
        }
    }
}

impl Revision {
    /// What counts today, as a revision. What is excluded, pending or of a draft does not count, nor do cases about it.
    pub fn of(name: &str, released: &str, registry: &Registry, cases: &[Case]) -> Self {
        let requirements: Vec<Frozen> = registry
            .iter()
            .filter(|requirement| counts(requirement))
            .map(Frozen::of)
            .collect();
        let counted: BTreeSet<&str> = requirements.iter().map(|own| own.id.as_str()).collect();
        let own = |case: &&Case| {
            let main = case.requirements.first();
            main.is_some_and(|id| counted.contains(id.as_str()))
                && !case.needs.contains(&Profile::Draft21)
        };
        let mut ids: Vec<String> = cases
            .iter()
            .filter(own)
            .map(|case| case.id.clone())
            .collect();
        ids.sort();
        let mut revision = Self {
            revision: name.to_owned(),
            released: released.to_owned(),
            digest: String::new(),
            requirements,
            cases: ids,
        };
        revision.digest = revision.measured();
        revision
    }

    /// Reads the file of a revision.
    ///
    /// # Errors
    /// When it is too large, or not what the schema says.
    pub fn read(name: &str, text: &str) -> Result<Self, String> {
        let path = format!("{FOLDER}{name}.toml");
        if text.len() > MOST_BYTES {
            return Err(format!("{path}: it is larger than {MOST_BYTES} bytes"));
        }
        let revision: Self = toml::from_str(text).map_err(|error| format!("{path}: {error}"))?;
        if revision.revision == name {
            Ok(revision)
        } else {
            Err(format!("{path}: it says that it is {}", revision.revision))
        }
    }

    /// The revision of that name which this binary carries.
    ///
    /// # Errors
    /// When there is none, with those that there are, or it cannot be read.
    pub fn named(name: &str) -> Result<Self, String> {
        // Only names that are listed are looked up, so that a name is never a path.
        let names = names();
        if !names.iter().any(|known| known == name) {
            let known = match names.as_slice() {
                [] => "none is frozen yet".to_owned(),
                names => format!("there are {}", names.join(", ")),
            };
            return Err(format!("no revision '{name}'; {known}"));
        }
        let text = embedded::text(&format!("{FOLDER}{name}.toml")).unwrap_or_default();
        Self::read(name, &text)
    }

    /// The digest that the lists have.
    pub fn measured(&self) -> String {
        let mut sum = Sha256::new();
        sum.update(format!("revision {} {}\n", self.revision, self.released));
        for own in &self.requirements {
            sum.update(format!("{} {} {}\n", own.id, own.level, own.quote));
        }
        for case in &self.cases {
            sum.update(format!("{case}\n"));
        }
        hex(&sum.finalize())
    }

    /// Its file.
    pub fn text(&self) -> String {
        let mut text = format!(
            "# What counted in revision {} of the protocol: requirements with their sentence's SHA-256, and cases.\n\
             # Released: never edit this file. A later revision gets its own.\n\
             revision = \"{}\"\nreleased = \"{}\"\ndigest = \"{}\"\n\nrequirements = [\n",
            self.revision, self.revision, self.released, self.digest
        );
        // Writing to a string cannot fail.
        for own in &self.requirements {
            let _ = writeln!(
                text,
                "  {{ id = \"{}\", level = \"{}\", quote = \"{}\" }},",
                own.id, own.level, own.quote
            );
        }
        text.push_str("]\n\ncases = [\n");
        for case in &self.cases {
            let _ = writeln!(text, "  \"{case}\",");
        }
        text.push_str("]\n");
        text
    }

    /// Ids of its requirements.
    pub fn ids(&self) -> BTreeSet<&str> {
        self.requirements
            .iter()
            .map(|own| own.id.as_str())
            .collect()
    }

    /// What was broken since the release: its own lists, a requirement or a case that is not as it was.
    pub fn problems(&self, registry: &Registry, cases: &[Case]) -> Vec<String> {
        let name = format!("revision {}", self.revision);
        let mut problems = Vec::new();
        if self.digest != self.measured() {
            problems.push(format!(
                "{name}: its lists are not those of its release; restore spec/revisions/{}.toml",
                self.revision
            ));
        }
        for own in &self.requirements {
            let now = registry.get(&own.id);
            let wrong = match now {
                None => Some("is gone".to_owned()),
                Some(now) if now.level != own.level => {
                    Some(format!("was {}, and is {} now", own.level, now.level))
                }
                Some(now) if Frozen::of(now).quote != own.quote => {
                    Some("quotes another sentence now".to_owned())
                }
                Some(now) if now.exclusion.is_some() || now.pending => {
                    Some("was judged, and is not any more".to_owned())
                }
                Some(_) => None,
            };
            problems.extend(wrong.map(|wrong| {
                let id = &own.id;
                format!("{name}: {id} {wrong}; leave it as it was, and give a new rule a new id")
            }));
        }
        let known: BTreeSet<&str> = cases.iter().map(|case| case.id.as_str()).collect();
        problems.extend(
            self.cases
                .iter()
                .filter(|id| !known.contains(id.as_str()))
                .map(|id| format!("{name}: the case {id} is gone; ids are stable for ever")),
        );
        problems
    }

    /// What of a case's mismatches counts in this revision: what cites one of its requirements, and only those.
    pub fn counted(&self, mismatches: Vec<Mismatch>) -> Vec<Mismatch> {
        let ids = self.ids();
        mismatches
            .into_iter()
            .filter_map(|mut mismatch| {
                mismatch.cites.retain(|id| ids.contains(id.as_str()));
                (!mismatch.cites.is_empty()).then_some(mismatch)
            })
            .collect()
    }
}

/// Names of the revisions that this binary carries, in order.
pub fn names() -> Vec<String> {
    embedded::list(FOLDER)
        .iter()
        .filter_map(|path| path.strip_prefix(FOLDER)?.strip_suffix(".toml"))
        .map(str::to_owned)
        .collect()
}

/// What is wrong with the revisions that this binary carries, of all of them.
pub fn problems(registry: &Registry, cases: &[Case]) -> Vec<String> {
    let read = |name: String| match Revision::named(&name) {
        Ok(revision) => revision.problems(registry, cases),
        Err(error) => vec![error],
    };
    names().into_iter().flat_map(read).collect()
}

/// How many requirements of each level a revision has.
pub fn by_level(revision: &Revision) -> BTreeMap<Level, usize> {
    let mut counts = BTreeMap::new();
    for own in &revision.requirements {
        *counts.entry(own.level).or_default() += 1;
    }
    counts
}

/// Whether a name may be one of a revision, and of its file.
pub fn is_name(name: &str) -> bool {
    let parts: Vec<&str> = name.split('.').collect();
    let number = |part: &&str| {
        (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    (2..=3).contains(&parts.len()) && parts.iter().all(number)
}

fn counts(requirement: &Requirement) -> bool {
    requirement.exclusion.is_none()
        && !requirement.pending
        && requirement.profile != Profile::Draft21
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests;
