//! One world tried on the target: lowered, run, judged.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::lower::{self, Label};
use super::property::{self, Breach, Ground};
use super::world::World;
use crate::requirement::Registry;
use crate::suite::Capabilities;
use crate::suite::case::Case;
use crate::suite::execute::{Bench, execute};
use crate::suite::judge;
use crate::suite::observed::{Observed, Stop};
use crate::suite::order::token;
use crate::suite::secrets::Secrets;
use crate::suite::target::{ENDED, Exchange};
use crate::suite::verdict::Verdict;
use crate::suite::wire::Wire;

/// The requirement that a target breaks which ends, or answers nothing any more.
const GOES_ON: &str = "ERR-014";

/// What every world of a campaign is tried with.
pub struct Laboratory {
    /// The bench of the suite.
    pub bench: Bench,
    /// What the target says that it can do.
    pub capabilities: Capabilities,
    /// What it must not let out.
    pub secrets: Secrets,
    /// The messages of the protocol.
    pub wire: &'static Wire,
    /// Ids of the properties that count; empty: all.
    pub properties: BTreeSet<String>,
    /// What tokens are made of, besides the case.
    pub salt: u64,
}

/// What came of one world.
#[derive(Debug)]
pub struct Trial {
    /// The case that it was lowered to.
    pub case: Case,
    /// What happened.
    pub observed: Observed,
    /// What no property allows.
    pub breaches: Vec<Breach>,
}

impl Trial {
    /// Why nothing was observed of the world, where the target did not take its manifest.
    pub fn obstacle(&self) -> Option<&str> {
        self.observed
            .control
            .obstacle()
            .map(|problem| problem.message.as_str())
    }
}

/// How a world is tried.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner {
    /// Keeps apart the tokens of several trials of one world.
    pub attempt: usize,
    /// Whether it is run a second time under another token, for the properties that compare two runs.
    pub twice: bool,
    /// Whether nothing else runs on the target.
    pub alone: bool,
}

impl Laboratory {
    /// What runs are judged by.
    pub fn judge(&self) -> judge::Ground<'_> {
        judge::Ground {
            registry: Registry::embedded(),
            wire: self.wire,
            secrets: &self.secrets,
        }
    }

    /// Tries a world.
    ///
    /// # Errors
    /// When the suite itself is at fault: the world makes no case, or the case cannot be run.
    pub async fn attempt(
        self: &Arc<Self>,
        world: &World,
        label: &Label,
        manner: Manner,
    ) -> Result<Trial, String> {
        self.attempt_case(lower::case(&lower::document(world, label))?, manner)
            .await
    }

    /// Tries a world that was lowered already.
    ///
    /// # Errors
    /// When the suite itself is at fault: the case cannot be run.
    pub async fn attempt_case(&self, case: Case, manner: Manner) -> Result<Trial, String> {
        let observed = self.run(&case, manner.attempt * 2, manner.alone).await?;
        let again = if manner.twice && observed.control.obstacle().is_none() {
            Some(
                self.run(&case, manner.attempt * 2 + 1, manner.alone)
                    .await?,
            )
        } else {
            None
        };
        let mut breaches = property::breaches(&Ground {
            case: &case,
            observed: &observed,
            again: again.as_ref(),
            capabilities: &self.capabilities,
            judge: self.judge(),
        });
        breaches.extend(silence(&case, &observed));
        breaches.retain(|breach| {
            self.properties.is_empty() || self.properties.contains(breach.property)
        });
        Ok(Trial {
            case,
            observed,
            breaches,
        })
    }

    /// Runs a case.
    async fn run(&self, case: &Case, iteration: usize, alone: bool) -> Result<Observed, String> {
        let bench = Bench {
            alone,
            ..self.bench.clone()
        };
        bench.target.revive().await?;
        let ends = bench.target.deaths();
        let token = token(self.salt, iteration, &case.id);
        let mut observed = execute(case, &token, &bench).await;
        if bench.target.deaths() > ends {
            observed.ended = Some(ENDED);
        }
        match observed.harness.take() {
            Some(message) => Err(message),
            None => Ok(observed),
        }
    }

    /// Whether `run` finds a case at fault by itself, and without the properties.
    ///
    /// # Errors
    /// When the case cannot be run.
    pub async fn fails_as_case(&self, case: &Case, attempt: usize) -> Result<bool, String> {
        let observed = self.run(case, attempt * 2, true).await?;
        let judgement = judge::judge(case, &observed, &self.judge());
        Ok(matches!(judgement.verdict, Verdict::Fail | Verdict::Warn))
    }
}

/// A call that was not answered, or a target that ended: nobody else speaks of these.
fn silence(case: &Case, observed: &Observed) -> Option<Breach> {
    let (place, message) = if let Some(ended) = observed.ended {
        ("target".to_owned(), ended.to_owned())
    } else if observed.stop == Some(Stop::NoAnswer) {
        let index = observed.steps.len().checked_sub(1)?;
        let failed = |exchange: &Exchange| {
            let error = exchange.outcome.as_ref().err()?;
            Some(error.to_string())
        };
        let why = observed
            .steps
            .get(index)?
            .exchanges
            .iter()
            .find_map(failed)?;
        (case.steps.get(index)?.place(index), why)
    } else {
        return None;
    };
    Some(Breach {
        property: property::of(GOES_ON).id,
        requirement: GOES_ON,
        place,
        pointer: String::new(),
        expected: "an answer, whatever was sent".to_owned(),
        got: Value::Null,
        message,
        expectation: observed
            .ended
            .is_none()
            .then(|| observed.steps.len().checked_sub(1))
            .flatten()
            .map(|index| {
                let answered = json!({"status": {"$type": "integer"}});
                let together = observed.steps[index].exchanges.len() > 1;
                property::Expectation::Step(
                    index,
                    if together {
                        json!({"each": answered})
                    } else {
                        answered
                    },
                )
            }),
    })
}
