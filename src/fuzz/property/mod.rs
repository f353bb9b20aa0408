//! The properties that every run of every world must have.
//!
//! What is wrong with a run is found in three ways, once for all properties ([`Evidence`]): by the model of the protocol, by what the
//! suite checks of every case and transcript, and by rules of their own. Each finding names the requirement that it breaks, and belongs to
//! the property that speaks for that requirement.

mod evidence;
mod exchanges;
mod list;
mod records;
mod repeats;
mod rerun;
mod workflows;

#[cfg(test)]
mod tests;

use crate::requirement::Registry;
use crate::suite::Capabilities;
use crate::suite::case::Case;
use crate::suite::judge;
use crate::suite::observed::Observed;

pub use evidence::Evidence;

/// Everything that is not as the properties say in one run: the door for whoever judges a run as a whole. What several properties look
/// at is worked out once.
pub fn breaches(ground: &Ground<'_>) -> Vec<Breach> {
    let evidence = Evidence::new(*ground);
    all()
        .iter()
        .flat_map(|property| property.breaches(&evidence))
        .collect()
}

/// Something that holds of every run of every case, whatever the case is.
#[derive(Debug, Clone, Copy)]
pub struct Property {
    /// Its name on the command line and in reports: kebab-case, stable for ever.
    pub id: &'static str,
    /// What holds, in one sentence.
    pub title: &'static str,
    /// The requirements that it speaks for, the main one first. Of the last property none: it speaks for all others.
    pub requirements: &'static [&'static str],
}

/// What a property is judged by: one case, and what was observed of it.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    /// The case that the world was lowered to; its expectations are empty.
    pub case: &'a Case,
    /// What happened.
    pub observed: &'a Observed,
    /// What happened when the same case was run once more under another token, where that was done.
    pub again: Option<&'a Observed>,
    /// What the target says that it can do.
    pub capabilities: &'a Capabilities,
    /// Requirements, messages and secrets, as the judge of cases has them.
    pub judge: judge::Ground<'a>,
}

impl<'a> Ground<'a> {
    /// The requirements of the protocol.
    pub fn registry(&self) -> &'a Registry {
        self.judge.registry
    }
}

/// One place where a property does not hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Breach {
    /// The id of the property.
    pub property: &'static str,
    /// The requirement that is violated.
    pub requirement: &'static str,
    /// Where it was seen: `step 3 (step)`, `transcript`, `calendar calls`, `model calls`.
    pub place: String,
    /// JSON Pointer into what is at that place; empty for the whole.
    pub pointer: String,
    /// What had to be there, as a person would say it.
    pub expected: String,
    /// What was there.
    pub got: serde_json::Value,
    /// The breach in one sentence.
    pub message: String,
    /// The same demand as an expectation of a case, as far as a case can say it.
    pub expectation: Option<Expectation>,
}

/// A demand in the language of cases.
#[derive(Debug, Clone, PartialEq)]
pub enum Expectation {
    /// `expect` of the step with this index, which counts from 0.
    Step(usize, serde_json::Value),
    /// `expect` of the case.
    After(serde_json::Value),
}

/// Every property, in the order of reports. A requirement belongs to one of them; those that none names belong to the last.
pub fn all() -> &'static [Property] {
    &list::ALL
}

/// The property that speaks for a requirement.
pub fn of(requirement: &str) -> &'static Property {
    list::of(requirement)
}

impl Property {
    /// Looks for breaches in one run; none means that it holds, or that nothing it is about has happened.
    pub fn breaches(&self, evidence: &Evidence<'_>) -> Vec<Breach> {
        evidence.of(self)
    }

    /// Whether it speaks for a requirement.
    pub fn speaks_for(&self, requirement: &str) -> bool {
        std::ptr::eq(of(requirement), self) || of(requirement).id == self.id
    }
}
