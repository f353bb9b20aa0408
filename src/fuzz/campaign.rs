//! Many worlds against one target: drawn, tried, counted; what fails is confirmed alone, shrunk, told and saved.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mock_services::MockServices;
use serde_json::Value;

use super::coverage::Tally;
use super::generate::{Offer, draw};
use super::known::Known;
use super::lower::{self, Label};
use super::property::{self, Breach, Expectation};
use super::report::{Failure, Outcome, Sizes, Tried};
use super::shrink::{Shrinker, size};
use super::story::{self, Subject};
use super::trial::{Laboratory, Manner, Trial};
use super::world::World;
use super::write;
use crate::requirement::Registry;
use crate::suite::options::Options;
use crate::suite::runner::{Ready, ready};
use crate::suite::secrets::Secrets;
use crate::suite::target::{Patience, Target};
use crate::suite::verdict::RunError;
use crate::suite::wire::Wire;

/// How often a failure is looked for again before it is called flaky.
const CONFIRMATIONS: usize = 3;

/// One in so many worlds is run twice, for the properties that compare two runs.
const TWICE: u64 = 4;

/// Most failures that are shrunk; more are told as they were found.
const MOST_SHRUNK: usize = 20;

/// What a campaign is to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Decides every world.
    pub seed: u64,
    /// Keeps the tokens of two campaigns on one target apart; decides nothing else.
    pub salt: u64,
    /// The number of the first world.
    pub first: u64,
    /// How many worlds.
    pub cases: u64,
    /// No world is begun later than this.
    pub time: Option<Duration>,
    /// Worlds that are tried at the same time, at least 1.
    pub jobs: usize,
    /// Ids of the properties that count; empty: all.
    pub properties: BTreeSet<String>,
    /// Whether the first failure is the last world.
    pub fail_fast: bool,
    /// Most runs to shrink one failure; 0: none is shrunk.
    pub shrink: usize,
    /// Longest time to shrink one failure.
    pub shrink_time: Duration,
    /// Failures that are known and accepted.
    pub known: Known,
    /// The folder for case files; `None`: none is saved.
    pub save: Option<PathBuf>,
    /// The command that does the same again, without seed and numbers.
    pub command: String,
    /// The command that runs cases against the same target, without cases.
    pub run_command: String,
}

/// Is told how far a campaign is.
pub trait Watch: Sync {
    /// So many worlds were tried, and so many of them failed.
    fn tried(&self, _done: u64, _of: u64, _failed: u64) {}
    /// A failure is being shrunk: so many runs so far.
    fn shrinks(&self, _property: &str, _runs: usize) {}
}

impl Watch for () {}

/// A kind of failure: property and requirement.
type Kind = (&'static str, &'static str);

/// What was found of one kind.
struct Found {
    /// How many worlds show it.
    worlds: u64,
    /// The first of them.
    index: u64,
    /// Whether it was seen in a world that ran twice.
    twice: bool,
    breach: Breach,
}

/// Tries worlds and reports.
///
/// # Errors
/// When the target is not there, is gone for good, or the suite itself is at fault. A bad target is no error.
pub async fn fuzz(
    target: Arc<dyn Target>,
    mocks: Arc<MockServices>,
    options: &Options,
    plan: &Plan,
    watch: &dyn Watch,
) -> Result<Outcome, RunError> {
    let began = Instant::now();
    let Ready {
        bench,
        capabilities,
        counted,
        patience,
    } = ready(target, mocks, options).await?;
    let offer = Offer::of(&capabilities);
    let laboratory = Arc::new(Laboratory {
        bench,
        capabilities,
        secrets: Secrets::new(options.secrets.iter().cloned()),
        wire: Wire::embedded().map_err(RunError::Harness)?,
        properties: plan.properties.clone(),
        salt: plan.salt,
    });
    let mut campaign = Campaign {
        laboratory,
        offer,
        plan,
        watch,
        patience,
        began,
        attempts: CONFIRMATIONS,
        tried: Tried::default(),
        tally: Tally::default(),
        found: BTreeMap::new(),
        failed: 0,
    };
    campaign.all().await?;
    let mut failures = Vec::new();
    let found = std::mem::take(&mut campaign.found);
    for (place, ((property, requirement), found)) in found.into_iter().enumerate() {
        let failure = campaign
            .explain(property, requirement, found, place < MOST_SHRUNK)
            .await?;
        failures.push(failure);
    }
    let capabilities = &campaign.laboratory.capabilities;
    Ok(Outcome {
        seed: plan.seed,
        first: plan.first,
        target: campaign.laboratory.secrets.redact_text(counted.base_url()),
        profiles: capabilities
            .profiles
            .iter()
            .map(ToString::to_string)
            .collect(),
        properties: property::all()
            .iter()
            .filter(|one| plan.properties.is_empty() || plan.properties.contains(one.id))
            .map(|one| one.id)
            .collect(),
        coverage: campaign.tally.coverage(capabilities),
        tried: campaign.tried,
        failures,
        requests: counted.count(),
        duration_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

struct Campaign<'a> {
    laboratory: Arc<Laboratory>,
    offer: Offer,
    plan: &'a Plan,
    watch: &'a dyn Watch,
    patience: Option<Arc<Patience>>,
    began: Instant,
    /// Keeps the tokens of trials apart.
    attempts: usize,
    tried: Tried,
    tally: Tally,
    found: BTreeMap<Kind, Found>,
    failed: u64,
}

impl Campaign<'_> {
    /// Every world once, as many at a time as there are jobs.
    async fn all(&mut self) -> Result<(), RunError> {
        let mut next = self.plan.first;
        let end = self.plan.first.saturating_add(self.plan.cases);
        let mut tasks = tokio::task::JoinSet::new();
        loop {
            let late = self
                .plan
                .time
                .is_some_and(|time| self.began.elapsed() >= time);
            let enough = self.plan.fail_fast && self.failed > 0;
            while next < end && !late && !enough && tasks.len() < self.plan.jobs.max(1) {
                let index = next;
                next += 1;
                let laboratory = Arc::clone(&self.laboratory);
                let world = draw(self.plan.seed, index, &self.offer).map_err(RunError::Harness)?;
                let twice = index.is_multiple_of(TWICE) && world.is_sequential();
                let label = Label::drawn(self.plan.seed, index);
                tasks.spawn(async move {
                    let manner = Manner {
                        attempt: 0,
                        twice,
                        alone: false,
                    };
                    let trial = laboratory.attempt(&world, &label, manner).await;
                    (index, world, twice, trial)
                });
            }
            let Some(joined) = tasks.join_next().await else {
                return Ok(());
            };
            let (index, world, twice, trial) = joined.map_err(|error| {
                RunError::Harness(format!("a world's task ended early: {error}"))
            })?;
            self.given_up().await?;
            let trial = trial.map_err(|message| at_fault(self.plan.seed, index, &message))?;
            self.count(index, &world, twice, trial);
            self.watch
                .tried(self.tried.worlds, self.plan.cases, self.failed);
        }
    }

    /// Ends a target that hangs, so that it can come back.
    async fn given_up(&self) -> Result<(), RunError> {
        let Some(patience) = self.patience.as_ref().filter(|patience| patience.hangs()) else {
            return Ok(());
        };
        patience.abandon_hung().await.map_err(RunError::NotReady)?;
        let back = self.laboratory.bench.target.revive().await;
        back.map_err(RunError::NotReady)
    }

    fn count(&mut self, index: u64, world: &World, twice: bool, trial: Trial) {
        self.tried.worlds += 1;
        if let Some(obstacle) = trial.obstacle() {
            self.tried.refused += 1;
            let obstacle = self.laboratory.secrets.redact_text(obstacle);
            self.tried.refusal.get_or_insert((index, obstacle));
        } else {
            for feature in &world.features {
                *self.tried.features.entry(feature.name()).or_default() += 1;
            }
            self.tried.sequential += u64::from(world.is_sequential());
            self.tried.twice += u64::from(twice);
        }
        self.tally.take(&trial.observed);
        if trial.breaches.is_empty() {
            return;
        }
        let mut kinds = BTreeSet::new();
        for breach in trial.breaches {
            let kind = (breach.property, breach.requirement);
            if !kinds.insert(kind) {
                continue;
            }
            let found = self.found.entry(kind).or_insert_with(|| Found {
                worlds: 0,
                index,
                twice,
                breach: breach.clone(),
            });
            found.worlds += 1;
            // Which world ends first is chance, which is the first of the seed is not.
            if index < found.index {
                (found.index, found.twice, found.breach) = (index, twice, breach);
            }
        }
        let new = kinds
            .iter()
            .any(|(property, requirement)| self.plan.known.reason(property, requirement).is_none());
        self.failed += u64::from(new);
    }

    /// Confirms a failure alone, makes it small, tells and saves it.
    async fn explain(
        &mut self,
        property: &'static str,
        requirement: &'static str,
        found: Found,
        shrinks: bool,
    ) -> Result<Failure, RunError> {
        let known = self.plan.known.reason(property, requirement);
        let seed = self.plan.seed;
        let label = self.label(property, requirement, found.index);
        let world = draw(seed, found.index, &self.offer).map_err(RunError::Harness)?;
        let sizes = Sizes {
            found: size(&world),
            shrunk: size(&world),
        };
        let mut failure = Failure {
            property,
            requirement,
            index: found.index,
            worlds: found.worlds,
            known: known.map(str::to_owned),
            flaky: false,
            runs: 0,
            sizes,
            breach: found.breach,
            story: String::new(),
            repeat: format!(
                "{} --seed {seed} --at {} --cases 1",
                self.plan.command, found.index
            ),
            file: None,
            judged_by_run: false,
            run: None,
        };
        if known.is_some() {
            return Ok(failure);
        }
        let mut confirmed = None;
        for _ in 0..CONFIRMATIONS {
            failure.runs += 1;
            confirmed = self.breaks(&world, &label, found.twice, &failure).await?;
            if confirmed.is_some() {
                break;
            }
        }
        let Some((mut trial, mut breach)) = confirmed else {
            failure.flaky = true;
            return Ok(failure);
        };
        let mut least = world;
        if shrinks {
            let began = Instant::now();
            let mut shrinker = Shrinker::new(least);
            let most = self.plan.shrink;
            while failure.runs < most && began.elapsed() < self.plan.shrink_time {
                let Some(candidate) = shrinker.candidate() else {
                    break;
                };
                failure.runs += 1;
                self.watch.shrinks(property, failure.runs);
                let fails = self
                    .breaks(&candidate, &label, found.twice, &failure)
                    .await?;
                let broken = fails.is_some();
                if let Some(seen) = fails {
                    (trial, breach) = seen;
                }
                shrinker.tried(candidate, broken);
            }
            least = shrinker.world().clone();
            failure.sizes.shrunk = size(&least);
        }
        failure.story = story::tell(&Subject {
            world: &least,
            case: &trial.case,
            observed: &trial.observed,
            breach: &breach,
            registry: Registry::embedded(),
            secrets: &self.laboratory.secrets,
        });
        let document = self.with_demand(&least, &label, &breach)?;
        failure.breach = breach;
        if let Some(folder) = &self.plan.save {
            let path = save(folder, &label, &document).map_err(RunError::Usage)?;
            failure.run = Some(format!(
                "{} --cases {} --filter {}",
                self.plan.run_command,
                folder.display(),
                label.id()
            ));
            failure.file = Some(path);
        }
        let case = lower::case(&document).map_err(RunError::Harness)?;
        self.attempts += 1;
        let judged = self.laboratory.fails_as_case(&case, self.attempts).await;
        failure.judged_by_run = judged.map_err(RunError::Harness)?;
        Ok(failure)
    }

    /// Tries a world alone; what it shows if it fails in the same way.
    async fn breaks(
        &mut self,
        world: &World,
        label: &Label,
        twice: bool,
        failure: &Failure,
    ) -> Result<Option<(Trial, Breach)>, RunError> {
        self.attempts += 1;
        let manner = Manner {
            attempt: self.attempts,
            twice,
            alone: true,
        };
        let trial = self.laboratory.attempt(world, label, manner).await;
        self.given_up().await?;
        // A cut can make a case that cannot be run, such as one that names a session which nobody opened. It is no smaller failure.
        let Ok(trial) = trial else { return Ok(None) };
        let same = |breach: &&Breach| {
            breach.property == failure.property && breach.requirement == failure.requirement
        };
        let breach = trial.breaches.iter().find(same).cloned();
        Ok(breach.map(|breach| (trial, breach)))
    }

    fn label(&self, property: &str, requirement: &str, index: u64) -> Label {
        let seed = self.plan.seed;
        let known = Registry::embedded().get(requirement).is_some();
        let title = property::all()
            .iter()
            .find(|one| one.id == property)
            .map_or("every property holds", |one| one.title);
        Label {
            requirement: if known {
                requirement
            } else {
                lower::MAIN_REQUIREMENT
            }
            .to_owned(),
            slug: format!("fuzz-{seed}-{index}"),
            title: title.to_owned(),
            notes: Some(format!(
                "Found by oap-conform fuzz with seed {seed} as world {index}, and shrunk; the property is {property}."
            )),
        }
    }

    /// The case file of a world that states what the property demands, as far as a case can say it.
    fn with_demand(
        &self,
        world: &World,
        label: &Label,
        breach: &Breach,
    ) -> Result<Value, RunError> {
        let plain = lower::document(world, label);
        let mut document = plain.clone();
        match &breach.expectation {
            Some(Expectation::Step(index, expect)) => {
                if let Some(step) = document.pointer_mut(&format!("/steps/{index}"))
                    && let Some(members) = step.as_object_mut()
                {
                    members.insert("expect".to_owned(), expect.clone());
                    if let Some(members) = document.as_object_mut() {
                        members.shift_remove("expect");
                    }
                }
            }
            Some(Expectation::After(expect)) => document["expect"] = expect.clone(),
            None => {}
        }
        // What a case cannot say is left to what `run` checks of every case.
        match lower::case(&document) {
            Ok(_) => Ok(document),
            Err(_) => Ok(plain),
        }
    }
}

fn at_fault(seed: u64, index: u64, message: &str) -> RunError {
    RunError::Harness(format!("world {index} of seed {seed}: {message}"))
}

/// Writes a case file into a folder.
fn save(folder: &Path, label: &Label, document: &Value) -> Result<PathBuf, String> {
    let cannot = |path: &Path, error: std::io::Error| {
        format!(
            "{} cannot be written: {error}; name another folder with --save",
            path.display()
        )
    };
    std::fs::create_dir_all(folder).map_err(|error| cannot(folder, error))?;
    let path = folder.join(format!("{}.yaml", label.id()));
    std::fs::write(&path, write::yaml(document)).map_err(|error| cannot(&path, error))?;
    Ok(path)
}
