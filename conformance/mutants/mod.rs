//! Deliberately broken targets. Each breaks one requirement and must be killed by a case that cites it (`conformance/README.md`).
//!
//! A mutant swaps one part of the reference, changes how it is configured, or stands as a proxy before it; none lives in `src/runtime`.

use std::sync::Arc;

use crate::runtime::{Config, Parts};
use crate::suite::matrix;

pub mod proxy;

/// One deliberately broken target.
pub struct Mutant {
    /// Kebab-case name of the wrong behaviour; stands in the `kills` of cases.
    pub name: &'static str,
    /// The one requirement it breaks.
    pub requirement: &'static str,
    /// What it does wrong, in one sentence.
    pub behaviour: &'static str,
    /// How it is made.
    pub breaks: Break,
    /// Whether it only rewrites an answer on its way out, so that nothing but the asserted member differs.
    pub rewrites_answer: bool,
}

/// How a mutant is made from the reference.
pub enum Break {
    /// The reference with one part swapped.
    Part(Arc<dyn Parts>),
    /// The reference, differently configured.
    Config(fn(&mut Config)),
    /// A proxy before the reference.
    Proxy(Arc<dyn proxy::Tamper>),
}

impl Mutant {
    /// A mutant with one part swapped.
    pub fn part(
        name: &'static str,
        requirement: &'static str,
        behaviour: &'static str,
        part: impl Parts,
    ) -> Self {
        Self::new(name, requirement, behaviour, Break::Part(Arc::new(part)))
    }

    /// A mutant that is configured wrongly.
    pub fn config(
        name: &'static str,
        requirement: &'static str,
        behaviour: &'static str,
        change: fn(&mut Config),
    ) -> Self {
        Self::new(name, requirement, behaviour, Break::Config(change))
    }

    /// A mutant behind a proxy that changes requests, or drops or repeats them.
    pub fn proxy(
        name: &'static str,
        requirement: &'static str,
        behaviour: &'static str,
        tamper: impl proxy::Tamper,
    ) -> Self {
        Self::new(name, requirement, behaviour, Break::Proxy(Arc::new(tamper)))
    }

    /// Marks a mutant that only rewrites an answer; at most a quarter may.
    #[must_use]
    pub fn rewriting(mut self) -> Self {
        self.rewrites_answer = true;
        self
    }

    /// What the reports say of it.
    pub fn summary(&self) -> matrix::Mutant {
        matrix::Mutant {
            name: self.name.to_owned(),
            requirement: self.requirement.to_owned(),
            behaviour: self.behaviour.to_owned(),
        }
    }

    fn new(
        name: &'static str,
        requirement: &'static str,
        behaviour: &'static str,
        breaks: Break,
    ) -> Self {
        Self {
            name,
            requirement,
            behaviour,
            breaks,
            rewrites_answer: false,
        }
    }
}

/// All mutants, in order of their names.
pub fn all() -> Vec<Mutant> {
    let mut mutants: Vec<Mutant> = Vec::new();
    mutants.sort_by_key(|mutant| mutant.name);
    mutants
}
