//! The proof of the properties of `fuzz`: hand-written cases on the good reference breach none of them, and on the mutants some do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mock_services::MockServices;
use serde::{Deserialize, Serialize};

use crate::fuzz::generate::{Offer, draw};
use crate::fuzz::lower::Label;
use crate::fuzz::property::{self, Ground};
use crate::fuzz::trial::{Laboratory, Manner};
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
    /// The worlds until a property that speaks for the requirement was breached; `None`: none was.
    pub found_after: Option<u64>,
    /// The property.
    pub property: Option<&'static str>,
    /// The first property of another requirement that was breached, and after how many worlds.
    pub otherwise: Option<(&'static str, u64)>,
    /// Why no world is expected to find it.
    pub unreachable: Option<String>,
    /// The worlds that it met.
    pub worlds: u64,
}

/// What a hand-written case breached on the good reference: a false alarm.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FalseAlarm {
    /// The case.
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
    let (ran, false_alarms) = alarms(handwritten, plan.seed).await?;
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
            let mut one = score(mutant, plan, &mocks)
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
        if let Some(property) = one.property {
            properties
                .entry(property)
                .or_default()
                .push(one.mutant.clone());
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

/// One mutant against worlds, until a property that speaks for what it breaks is breached.
async fn score(mutant: &Mutant, plan: &Plan, mocks: &Arc<MockServices>) -> Result<Scored, String> {
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
    let scored = async {
        let laboratory = laboratory(&standing.url, mocks, &options).await?;
        let offer = Offer::of(&laboratory.capabilities);
        let mut scored = Scored {
            mutant: mutant.name.to_owned(),
            requirement: mutant.requirement.to_owned(),
            found_after: None,
            property: None,
            otherwise: None,
            unreachable: None,
            worlds: 0,
        };
        for index in 0..plan.cases {
            let world = draw(plan.seed, index, &offer)?;
            let manner = Manner {
                attempt: 0,
                twice: index % TWICE == 0,
                alone: true,
            };
            scored.worlds = index + 1;
            let trial = laboratory
                .attempt(&world, &Label::drawn(plan.seed, index), manner)
                .await?;
            let fits = |id: &str| property::of(mutant.requirement).id == id;
            if let Some(breach) = trial.breaches.iter().find(|breach| fits(breach.property)) {
                scored.found_after = Some(index + 1);
                scored.property = Some(breach.property);
                break;
            }
            if let (None, Some(breach)) = (scored.otherwise, trial.breaches.first()) {
                scored.otherwise = Some((breach.property, index + 1));
            }
        }
        Ok(scored)
    }
    .await;
    standing.shutdown().await;
    scored
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

/// Hand-written cases on the good reference: how many ran, and what of them a property takes for a breach.
async fn alarms(cases: &[Case], seed: u64) -> Result<(usize, Vec<FalseAlarm>), String> {
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
        Ok(laboratory) => of_cases(cases, seed, &laboratory).await,
        Err(error) => Err(error),
    };
    running.shutdown().await;
    found
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
        found.extend(breaches.into_iter().map(|breach| FalseAlarm {
            case: case.id.clone(),
            property: breach.property,
            requirement: breach.requirement,
            message: format!("{} {}: {}", breach.place, breach.pointer, breach.message),
        }));
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
