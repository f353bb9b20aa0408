//! The proof of the properties of `fuzz`: hand-written cases on the good reference breach none of them, and on the mutants some do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use mock_services::MockServices;
use serde::{Deserialize, Serialize};

use crate::fuzz::generate::{Offer, draw};
use crate::fuzz::lower::{self, Label};
use crate::fuzz::property::{self, Breach, Ground};
use crate::fuzz::trial::{Laboratory, Manner, Trial};
use crate::mutants::{self, Mutant};
use crate::requirement::Registry;
use crate::runtime::{self, Reference};
use crate::selftest::{
    MUTANT_PATIENCE, full_capabilities, join_all, mocks, reference, terms, with_roots, with_signals,
};
use crate::suite::Times;
use crate::suite::applicability::{Applicability, applicability};
use crate::suite::case::Case;
use crate::suite::execute::execute;
use crate::suite::files::Temporary;
use crate::suite::measure::Process;
use crate::suite::options::Options;
use crate::suite::order::token;
use crate::suite::runner::{Ready, ready};
use crate::suite::secrets::Secrets;
use crate::suite::target::HttpTarget;
use crate::suite::wire::Wire;

/// The mutants that generated worlds do not reach, with the reasons.
const UNREACHABLE: &str = include_str!("fuzz_unreachable.toml");

/// One in so many worlds is run twice, for the properties that compare two runs.
const TWICE: u64 = 4;

/// Worlds of one mutant that are tried at the same time: most of their time they wait.
const AT_ONCE: usize = 6;

/// How the properties are proven.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Decides the worlds, which are the same for every mutant.
    pub seed: u64,
    /// Most worlds that one mutant meets.
    pub cases: u64,
    /// So many mutants, evenly spread over all in the order of their names; `None`: all.
    pub sample: Option<usize>,
    /// Only mutants whose name or requirement holds one of these texts, a comma list.
    pub filter: String,
    /// No mutant is begun later than this.
    pub time: Option<Duration>,
    /// Mutants that are judged at the same time, at least 1.
    pub lanes: usize,
}

/// What came of one mutant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scored {
    /// Its name.
    pub mutant: String,
    /// The requirement that it breaks.
    pub requirement: String,
    /// The worlds until a property was breached; `None`: none was.
    pub found_after: Option<u64>,
    /// The properties that were breached in that world, the one that speaks for the requirement first.
    pub properties: Vec<&'static str>,
    /// Whether the one that speaks for the requirement is among them.
    pub by_its_own: bool,
    /// Why no world is expected to find it.
    pub unreachable: Option<String>,
    /// The worlds that it met.
    pub worlds: u64,
}

/// What a hand-written case or a world breached on the good reference: a false alarm. Its like on a mutant counts for nothing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FalseAlarm {
    /// The case, or that of the world.
    pub case: String,
    /// The property.
    pub property: &'static str,
    /// The requirement.
    pub requirement: &'static str,
    /// Where, and what.
    pub message: String,
}

/// What the proof came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// The seed of the worlds.
    pub seed: u64,
    /// Most worlds that one mutant met.
    pub cases: u64,
    /// Hand-written cases that were run against the good reference.
    pub handwritten: usize,
    /// What they breached there.
    pub false_alarms: Vec<FalseAlarm>,
    /// The mutants in the order of their names.
    pub mutants: Vec<Scored>,
    /// Mutants that were chosen and not begun for want of time.
    pub left: usize,
    /// Which mutants each property found.
    pub properties: BTreeMap<&'static str, Vec<String>>,
}

impl Outcome {
    /// The mutants that a wire can show.
    pub fn reachable(&self) -> impl Iterator<Item = &Scored> {
        self.mutants
            .iter()
            .filter(|mutant| mutant.unreachable.is_none())
    }

    /// The share of those that were found, from 0 to 1; `None` without any.
    pub fn share(&self) -> Option<f64> {
        let all = self.reachable().count();
        let found = self
            .reachable()
            .filter(|mutant| mutant.found_after.is_some())
            .count();
        (all > 0).then(|| found as f64 / all as f64)
    }

    /// The mean number of worlds until a mutant was found, over those that were.
    pub fn mean(&self) -> Option<f64> {
        let found: Vec<u64> = self
            .mutants
            .iter()
            .filter_map(|mutant| mutant.found_after)
            .collect();
        (!found.is_empty()).then(|| found.iter().sum::<u64>() as f64 / found.len() as f64)
    }
}

/// Told of progress: how many of how many, and what was done last.
pub type Watch<'w> = &'w (dyn Fn(usize, usize, &str) + Sync);

/// Proves the properties: first that the hand-written cases raise no false alarm, then that mutants are found.
///
/// # Errors
/// When a target or the mock services cannot be started, or the suite itself is at fault.
pub async fn prove(handwritten: &[Case], plan: &Plan, watch: Watch<'_>) -> Result<Outcome, String> {
    let began = Instant::now();
    let unreachable = Unreachable::read()?;
    let chosen = chosen(plan);
    let total = chosen.len() + 1;
    let done = AtomicUsize::new(0);
    let worlds = Arc::new(Worlds::new(plan));
    let (ran, false_alarms) = alarms(handwritten, plan, &worlds).await?;
    let quiet: BTreeSet<Kind> = false_alarms.iter().map(FalseAlarm::kind).collect();
    watch(
        done.fetch_add(1, Ordering::Relaxed) + 1,
        total,
        "the good reference",
    );
    let next = AtomicUsize::new(0);
    let lane = || async {
        let mocks = mocks().await?;
        let mut scored = Vec::new();
        while let Some(mutant) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
            if plan.time.is_some_and(|time| began.elapsed() >= time) {
                break;
            }
            let mut one = score(mutant, plan, &worlds, &quiet, &mocks)
                .await
                .map_err(|error| format!("mutant {}: {error}", mutant.name))?;
            one.unreachable = unreachable.reason(mutant);
            scored.push(one);
            watch(done.fetch_add(1, Ordering::Relaxed) + 1, total, mutant.name);
        }
        Ok::<_, String>(scored)
    };
    let mut scored = Vec::new();
    for lane in join_all((0..plan.lanes.max(1)).map(|_| lane())).await {
        scored.extend(lane?);
    }
    scored.sort_by(|a: &Scored, b| a.mutant.cmp(&b.mutant));
    let mut properties: BTreeMap<&'static str, Vec<String>> = property::all()
        .iter()
        .map(|property| (property.id, Vec::new()))
        .collect();
    for one in &scored {
        for property in &one.properties {
            let found = properties.entry(property).or_default();
            found.push(one.mutant.clone());
        }
    }
    Ok(Outcome {
        seed: plan.seed,
        cases: plan.cases,
        handwritten: ran,
        false_alarms,
        left: chosen.len() - scored.len(),
        mutants: scored,
        properties,
    })
}

/// The mutants of a plan.
fn chosen(plan: &Plan) -> Vec<Mutant> {
    let wanted: BTreeSet<&str> = terms(&plan.filter).collect();
    let mut all = mutants::all();
    all.retain(|mutant| {
        wanted.is_empty()
            || wanted
                .iter()
                .any(|term| mutant.name.contains(term) || mutant.requirement.contains(term))
    });
    match plan.sample.filter(|sample| *sample < all.len()) {
        None => all,
        Some(sample) => {
            let of = all.len();
            let mut place = 0;
            all.retain(|_| {
                place += 1;
                place * sample / of > (place - 1) * sample / of
            });
            all
        }
    }
}

/// A kind of breach: property and requirement.
type Kind = (&'static str, String);

impl FalseAlarm {
    fn new(case: &Case, breach: Breach) -> Self {
        Self {
            case: case.id.clone(),
            property: breach.property,
            requirement: breach.requirement,
            message: format!("{} {}: {}", breach.place, breach.pointer, breach.message),
        }
    }

    fn kind(&self) -> Kind {
        (self.property, self.requirement.to_owned())
    }
}

/// The worlds of a seed as cases. Every mutant meets the same ones, so each is drawn and lowered once.
struct Worlds {
    seed: u64,
    offer: Offer,
    made: Vec<OnceLock<Result<World, String>>>,
}

#[derive(Clone)]
struct World {
    case: Case,
    /// Whether it is run twice, for the properties that compare two runs.
    twice: bool,
}

impl Worlds {
    fn new(plan: &Plan) -> Self {
        Self {
            seed: plan.seed,
            offer: Offer::of(&full_capabilities()),
            made: (0..plan.cases).map(|_| OnceLock::new()).collect(),
        }
    }

    fn get(&self, place: usize) -> Option<Result<World, String>> {
        let made = self.made.get(place)?.get_or_init(|| {
            let index = place as u64;
            let world = draw(self.seed, index, &self.offer)?;
            let label = Label::drawn(self.seed, index);
            Ok(World {
                case: lower::case(&lower::document(&world, &label))?,
                twice: index.is_multiple_of(TWICE) && world.is_sequential(),
            })
        });
        Some(made.clone())
    }

    /// Tries them in order, several at a time, and hands each trial over with its number until one is enough; how many were handed over.
    async fn each(
        self: &Arc<Self>,
        laboratory: &Arc<Laboratory>,
        mut enough: impl FnMut(u64, &Trial) -> bool,
    ) -> Result<u64, String> {
        let mut tasks = tokio::task::JoinSet::new();
        let mut waiting: BTreeMap<usize, Trial> = BTreeMap::new();
        let (mut next, mut done) = (0, 0);
        loop {
            while tasks.len() + waiting.len() < AT_ONCE && next < self.made.len() {
                let (place, worlds, laboratory) = (next, Arc::clone(self), Arc::clone(laboratory));
                next += 1;
                tasks.spawn(async move {
                    let world = worlds.get(place).ok_or("there is no such world")??;
                    let manner = Manner {
                        attempt: 0,
                        twice: world.twice,
                        alone: false,
                    };
                    let trial = laboratory.attempt_case(world.case, manner).await?;
                    Ok::<_, String>((place, trial))
                });
            }
            let Some(joined) = tasks.join_next().await else {
                return Ok(done as u64);
            };
            let (place, trial) =
                joined.map_err(|error| format!("a world's task ended early: {error}"))??;
            waiting.insert(place, trial);
            // The first that shows something is the first of the seed, whichever ended first.
            while let Some(trial) = waiting.remove(&done) {
                done += 1;
                if enough(done as u64, &trial) {
                    return Ok(done as u64);
                }
            }
        }
    }
}

/// One mutant against worlds, until a property is breached.
async fn score(
    mutant: &Mutant,
    plan: &Plan,
    worlds: &Arc<Worlds>,
    quiet: &BTreeSet<Kind>,
    mocks: &Arc<MockServices>,
) -> Result<Scored, String> {
    let folder = Temporary::new()?;
    let config = with_roots(reference(mocks), folder.files(), mocks);
    let (config, signals) = with_signals(config, folder.files(), mocks);
    let standing = mutant.start(config).await?;
    let options = Options {
        files: Some(folder.files().clone()),
        signals,
        seed: plan.seed,
        clock: standing.clock_url(),
        process: Some(Process::Own),
        capabilities: Some(full_capabilities()),
        times: Times {
            request: MUTANT_PATIENCE,
            ..Times::default()
        },
        ..Options::default()
    };
    let mut scored = Scored {
        mutant: mutant.name.to_owned(),
        requirement: mutant.requirement.to_owned(),
        found_after: None,
        properties: Vec::new(),
        by_its_own: false,
        unreachable: None,
        worlds: 0,
    };
    let own = property::of(mutant.requirement).id;
    let tried = match laboratory(&standing.url, mocks, &options).await {
        Ok(laboratory) => {
            let enough = |done: u64, trial: &Trial| {
                let told = trial.breaches.iter().filter(|breach| {
                    !quiet.contains(&(breach.property, breach.requirement.to_owned()))
                });
                let found: BTreeSet<&'static str> = told.map(|breach| breach.property).collect();
                if found.is_empty() {
                    return false;
                }
                scored.found_after = Some(done);
                scored.by_its_own = found.contains(own);
                scored.properties = found.into_iter().collect();
                scored.properties.sort_by_key(|name| *name != own);
                true
            };
            worlds.each(&laboratory, enough).await
        }
        Err(error) => Err(error),
    };
    standing.shutdown().await;
    scored.worlds = tried?;
    Ok(scored)
}

async fn laboratory(
    url: &str,
    mocks: &Arc<MockServices>,
    options: &Options,
) -> Result<Arc<Laboratory>, String> {
    let target = Arc::new(HttpTarget::new(url, Vec::new())?);
    let Ready {
        bench,
        capabilities,
        ..
    } = ready(target, Arc::clone(mocks), options)
        .await
        .map_err(|error| error.to_string())?;
    Ok(Arc::new(Laboratory {
        bench,
        capabilities,
        secrets: Secrets::new(options.secrets.iter().cloned()),
        wire: Wire::embedded()?,
        properties: BTreeSet::new(),
        salt: options.seed,
    }))
}

/// Hand-written cases and the worlds on the good reference: how many cases ran, and what a property takes for a breach.
async fn alarms(
    cases: &[Case],
    plan: &Plan,
    worlds: &Arc<Worlds>,
) -> Result<(usize, Vec<FalseAlarm>), String> {
    let seed = plan.seed;
    let mocks = mocks().await?;
    let folder = Temporary::new()?;
    let config = with_roots(reference(&mocks), folder.files(), &mocks);
    let (config, signals) = with_signals(config, folder.files(), &mocks);
    let running = runtime::start(config, Arc::new(Reference))
        .await
        .map_err(|error| error.to_string())?;
    let options = Options {
        files: Some(folder.files().clone()),
        signals,
        seed,
        clock: running.clock_url(),
        process: Some(Process::Own),
        ..Options::default()
    };
    let laboratory = laboratory(&format!("http://{}", running.addr), &mocks, &options).await;
    let found = match laboratory {
        Ok(laboratory) => {
            let found = of_cases(cases, seed, &laboratory).await;
            with_worlds(found, worlds, &laboratory).await
        }
        Err(error) => Err(error),
    };
    running.shutdown().await;
    found
}

async fn with_worlds(
    of_cases: Result<(usize, Vec<FalseAlarm>), String>,
    worlds: &Arc<Worlds>,
    laboratory: &Arc<Laboratory>,
) -> Result<(usize, Vec<FalseAlarm>), String> {
    let (ran, mut found) = of_cases?;
    let take = |_, trial: &Trial| {
        let breaches = trial.breaches.iter().cloned();
        found.extend(breaches.map(|breach| FalseAlarm::new(&trial.case, breach)));
        false
    };
    worlds.each(laboratory, take).await?;
    Ok((ran, found))
}

async fn of_cases(
    cases: &[Case],
    seed: u64,
    laboratory: &Laboratory,
) -> Result<(usize, Vec<FalseAlarm>), String> {
    let mut ran = 0;
    let mut found = Vec::new();
    for case in cases {
        let applies = applicability(case, Registry::embedded(), &laboratory.capabilities, false);
        // What measures the machine says nothing of the properties.
        if applies != Applicability::Applicable || case.measures() {
            continue;
        }
        let observed = execute(case, &token(seed, 0, &case.id), &laboratory.bench).await;
        if let Some(message) = &observed.harness {
            return Err(format!("{}: {message}", case.id));
        }
        ran += 1;
        let breaches = property::breaches(&Ground {
            case,
            observed: &observed,
            again: None,
            capabilities: &laboratory.capabilities,
            judge: laboratory.judge(),
        });
        let alarms = breaches.into_iter();
        found.extend(alarms.map(|breach| FalseAlarm::new(case, breach)));
    }
    Ok((ran, found))
}

/// The mutants that worlds do not reach.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unreachable {
    unreachable: Vec<Reason>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    /// Beginnings of requirements, such as `OBV`, or names of mutants.
    of: Vec<String>,
    /// Why no world shows them.
    reason: String,
}

impl Unreachable {
    fn read() -> Result<Self, String> {
        toml::from_str(UNREACHABLE)
            .map_err(|error| format!("conformance/fuzz_unreachable.toml: {error}"))
    }

    fn reason(&self, mutant: &Mutant) -> Option<String> {
        let fits = |of: &String| mutant.requirement.starts_with(of.as_str()) || mutant.name == of;
        let mut reasons = self.unreachable.iter();
        reasons
            .find(|one| one.of.iter().any(fits))
            .map(|one| one.reason.clone())
    }
}
