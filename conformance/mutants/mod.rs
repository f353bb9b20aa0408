//! Deliberately broken targets. Each breaks one requirement and must be killed by a case that cites it (`conformance/README.md`).
//!
//! A mutant swaps one part of the reference, changes how it is configured, or stands as a proxy before it; none lives in `src/runtime`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::runtime::{self, Config, Parts, Reference, Running};
use crate::suite::matrix;

#[macro_use]
mod swap;

pub mod access;
pub mod actions;
pub mod capabilities;
pub mod documents;
pub mod errors;
pub mod expressions;
pub mod extensions;
pub mod human;
pub mod idempotency;
pub mod manifests;
pub mod model;
pub mod observability;
pub mod observations;
pub mod plans;
pub mod proxy;
pub mod registration;
pub mod replies;
pub mod sandbox;
pub mod schemas;
pub mod secrets;
pub mod sessions;
pub mod steps;
pub mod storage;
pub mod transcripts;
pub mod workflows;

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

    /// Starts it, made from the reference with this configuration.
    ///
    /// # Errors
    /// When the reference or the proxy cannot be started.
    pub async fn start(&self, mut config: Config) -> Result<Standing, String> {
        let mut parts: Arc<dyn Parts> = Arc::new(Reference);
        match &self.breaks {
            Break::Part(part) => parts = Arc::clone(part),
            Break::Config(change) => change(&mut config),
            Break::Proxy(_) => {}
        }
        let running = runtime::start(config, parts)
            .await
            .map_err(|error| error.to_string())?;
        let target = format!("http://{}", running.addr);
        let Break::Proxy(tamper) = &self.breaks else {
            return Ok(Standing {
                url: target,
                running,
                proxy: None,
            });
        };
        let proxy = proxy::start(target, Arc::clone(tamper))
            .await
            .map_err(|error| error.to_string())?;
        Ok(Standing {
            url: format!("http://{}", proxy.address),
            running,
            proxy: Some(proxy),
        })
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

/// A mutant that listens.
pub struct Standing {
    /// Its base URL.
    pub url: String,
    running: Running,
    proxy: Option<proxy::Proxy>,
}

impl Standing {
    /// Where its clock can be moved.
    pub fn clock_url(&self) -> Option<String> {
        self.running.clock_url()
    }

    /// Ends it.
    pub async fn shutdown(self) {
        drop(self.proxy);
        self.running.shutdown().await;
    }
}

/// All mutants, in order of their names.
pub fn all() -> Vec<Mutant> {
    let mut mutants: Vec<Mutant> = [
        plans::mutants(),
        observations::mutants(),
        observability::mutants(),
        errors::mutants(),
        expressions::mutants(),
        extensions::mutants(),
        capabilities::mutants(),
        access::mutants(),
        actions::mutants(),
        human::mutants(),
        idempotency::mutants(),
        manifests::mutants(),
        model::mutants(),
        registration::mutants(),
        replies::mutants(),
        sandbox::mutants(),
        schemas::mutants(),
        secrets::mutants(),
        sessions::mutants(),
        steps::mutants(),
        storage::mutants(),
        transcripts::mutants(),
        workflows::mutants(),
    ]
    .into_iter()
    .flatten()
    .collect();
    mutants.sort_by_key(|mutant| mutant.name);
    mutants
}

/// The value behind a lock of a mutant that remembers something; a panic elsewhere does not matter here.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
