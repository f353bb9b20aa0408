//! A whole run: contenders are made ready, warmed up, loaded in turns, judged to the end and compared.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::compare::ratio;
use super::contender::{Contender, Entrant, Ran};
use super::knee::Knee;
use super::report::{Comparison, ContenderReport, Found, Outcome, SliceReport, Totals};
use super::schedule::Schedule;
use super::tally::{OfWorkload, Tally};
use super::terms::{Plan, Rate};
use super::workload::Workload;
use crate::suite::verdict::RunError;

/// The share of what is due that must be achieved for a target to keep up.
pub const KEEPS_UP: f64 = 0.95;

/// So many arrivals a try of a search has time for.
const LEAST_OF_A_TRY: f64 = 20.0;

/// Is told how far a run is.
pub trait Watch: Sync {
    /// What happens now.
    fn now(&self, _what: &str) {}
    /// A slice of a contender is over.
    fn ran(&self, _contender: &str, _slice: &SliceReport) {}
}

impl Watch for () {}

/// One contender and all that was measured of it.
struct Lane {
    contender: Contender,
    warm_up: Option<Ran>,
    ran: Vec<(Ran, f64, f64)>,
    knee: Option<Knee>,
}

/// Loads all entrants and reports.
///
/// # Errors
/// When a target is not there or not ready, or the suite itself is at fault. A bad or slow target is no error.
pub async fn bench(
    entrants: Vec<Entrant>,
    plan: &Plan,
    watch: &dyn Watch,
) -> Result<Outcome, RunError> {
    let began = Instant::now();
    let mut lanes = Vec::new();
    let mut remarks = Vec::new();
    let mut skipped = Vec::new();
    for entrant in entrants {
        let contender = Contender::ready(entrant, plan).await?;
        lanes.push(Lane {
            contender,
            warm_up: None,
            ran: Vec::new(),
            knee: match plan.rate {
                Rate::Knee(first, most) => Some(Knee::new(first, most)),
                _ => None,
            },
        });
    }
    let workloads = common(plan, &mut lanes, &mut remarks, &mut skipped);
    for lane in &lanes {
        if let Some(code) = lane.contender.runs_in()
            && workloads
                .iter()
                .any(|(workload, _)| *workload == Workload::StepCode)
        {
            remarks.push(format!("{}: code runs in {code}", lane.contender.name));
        }
    }
    if !workloads.is_empty() {
        for lane in &mut lanes {
            watch.now(&format!("{}: taking seats", lane.contender.name));
            lane.contender.sit(plan, &workloads).await?;
        }
        for lane in &mut lanes {
            if plan.warm_up.is_zero() {
                continue;
            }
            watch.now(&format!("{}: warming up", lane.contender.name));
            let rate = plan.rate.first();
            let schedule = schedule(plan, (rate, rate), plan.warm_up, u64::MAX);
            lane.warm_up = Some(lane.contender.run(schedule).await?);
        }
        if matches!(plan.rate, Rate::Knee(..)) {
            search(&mut lanes, plan, watch).await?;
        } else {
            rounds(&mut lanes, plan, watch).await?;
        }
    }
    watch.now("closing what is open");
    for lane in &mut lanes {
        let all = || {
            lane.ran
                .iter()
                .map(|(ran, ..)| ran)
                .chain(lane.warm_up.as_ref())
        };
        let clean = all().all(|ran| ran.slice.tally().errors == 0);
        let last = lane.ran.last().map(|(ran, ..)| Arc::clone(&ran.slice));
        lane.contender.leave(last.as_ref(), clean).await?;
    }
    let mut contenders = skipped;
    for lane in &lanes {
        contenders.push(report(lane, plan)?);
    }
    let comparisons = compared(&contenders, plan);
    Ok(Outcome::new(
        plan,
        workloads,
        contenders,
        comparisons,
        remarks,
        began.elapsed(),
    ))
}

/// What is asked of all contenders alike. Of a mix that is what each can do; of one workload, contenders that cannot do it are left
/// out.
fn common(
    plan: &Plan,
    lanes: &mut Vec<Lane>,
    remarks: &mut Vec<String>,
    skipped: &mut Vec<ContenderReport>,
) -> Vec<(Workload, u32)> {
    if let [(workload, weight)] = plan.workloads.as_slice() {
        lanes.retain(|lane| {
            let Err(why) = workload.fits(&lane.contender.capabilities) else {
                return true;
            };
            skipped.push(ContenderReport::skipped(
                &lane.contender.name,
                &lane.contender.url(),
                format!("{workload} is skipped: {why}"),
            ));
            false
        });
        return if lanes.is_empty() {
            Vec::new()
        } else {
            vec![(*workload, *weight)]
        };
    }
    plan.workloads
        .iter()
        .copied()
        .filter(|(workload, _)| {
            let stands_out = lanes.iter().find_map(|lane| {
                let why = workload.fits(&lane.contender.capabilities).err()?;
                Some(format!(
                    "{workload} is left out of the mix: {}: {why}",
                    lane.contender.name
                ))
            });
            let fits = stands_out.is_none();
            remarks.extend(stands_out);
            fits
        })
        .collect()
}

fn schedule(plan: &Plan, (from, to): (f64, f64), time: Duration, round: u64) -> Schedule {
    Schedule {
        from,
        to,
        time,
        spread: plan.spread,
        // All contenders of a round get the same arrivals.
        seed: plan.seed ^ round.wrapping_mul(0x9e37_79b9_7f4a_7c15),
    }
}

/// Slice after slice, each contender once a round, in an order that moves on from round to round.
async fn rounds(lanes: &mut [Lane], plan: &Plan, watch: &dyn Watch) -> Result<(), RunError> {
    let slices = u32::try_from(plan.slices.max(1)).unwrap_or(u32::MAX);
    let ends = match plan.rate {
        Rate::Fixed(rate) | Rate::Knee(rate, _) => (rate, rate),
        Rate::Ramp(from, to) => (from, to),
    };
    let count = lanes.len();
    for round in 0..slices {
        let schedule = schedule(plan, ends, plan.time / slices, u64::from(round));
        for place in 0..count {
            let turn = (place + round as usize) % count;
            let Some(lane) = lanes.get_mut(turn) else {
                continue;
            };
            watch.now(&format!(
                "{}: slice {} of {slices}",
                lane.contender.name,
                round + 1
            ));
            let ran = lane.contender.run(schedule).await?;
            watch.ran(&lane.contender.name, &of_slice(&ran, ends, None));
            lane.ran.push((ran, ends.0, ends.1));
        }
    }
    Ok(())
}

/// All searches at the same time, slice after slice in turns.
async fn search(lanes: &mut [Lane], plan: &Plan, watch: &dyn Watch) -> Result<(), RunError> {
    let count = lanes.len();
    for round in 0_usize.. {
        let mut any = false;
        for place in 0..count {
            let Some(lane) = lanes.get_mut((place + round) % count) else {
                continue;
            };
            let Some(rate) = lane.knee.as_ref().and_then(Knee::next) else {
                continue;
            };
            any = true;
            watch.now(&format!("{}: {rate:.1} a second", lane.contender.name));
            // Of a try in which nothing was due nothing could be said.
            let enough = Duration::try_from_secs_f64(LEAST_OF_A_TRY / rate).unwrap_or(plan.time);
            let ran = lane
                .contender
                .run(schedule(
                    plan,
                    (rate, rate),
                    plan.time.max(enough),
                    round as u64,
                ))
                .await?;
            let held = holds(&ran.slice.tally(), ran.slice.time, plan);
            watch.ran(
                &lane.contender.name,
                &of_slice(&ran, (rate, rate), Some(held)),
            );
            if let Some(knee) = &mut lane.knee {
                knee.tell(held);
            }
            lane.ran.push((ran, rate, rate));
        }
        if !any {
            return Ok(());
        }
    }
    Ok(())
}

/// Whether a target kept up during a slice, and kept to the bounds of a search.
fn holds(tally: &Tally, time: Duration, plan: &Plan) -> bool {
    let latency = tally.latency();
    let due = tally.due as f64 / time.as_secs_f64().max(1e-9);
    tally.right > 0
        && tally.wrong == 0
        && tally.errors as f64 <= plan.error_budget * tally.due as f64
        && tally.achieved(time) >= KEEPS_UP * due
        && plan.hold.iter().all(|bound| bound.holds(&latency))
}

fn of_slice(ran: &Ran, ends: (f64, f64), held: Option<bool>) -> SliceReport {
    SliceReport::of(&ran.slice.tally(), ran.slice.time, ends, ran.usage, held)
}

fn report(lane: &Lane, plan: &Plan) -> Result<ContenderReport, RunError> {
    let contender = &lane.contender;
    let mut total = contender.tally()?;
    let mut time = Duration::ZERO;
    let mut slices = Vec::new();
    let mut achieved = Vec::new();
    for (ran, from, to) in &lane.ran {
        let tally = ran.slice.tally();
        let held = lane
            .knee
            .as_ref()
            .map(|_| holds(&tally, ran.slice.time, plan));
        slices.push(SliceReport::of(
            &tally,
            ran.slice.time,
            (*from, *to),
            ran.usage,
            held,
        ));
        // What broke a search's bounds was meant to, and slower tries are no figures of the rate that was found; wrong answers count
        // all the same.
        if is_beside(lane, held, *from) {
            total.wrong += tally.wrong;
            total.faults.merge(&tally.faults);
            continue;
        }
        achieved.push(tally.achieved(ran.slice.time));
        total.merge(&tally);
        time += ran.slice.time;
    }
    let warm_up = lane
        .warm_up
        .as_ref()
        .map(|ran| of_slice(ran, (plan.rate.first(), plan.rate.first()), None));
    if let Some(ran) = &lane.warm_up {
        let tally = ran.slice.tally();
        total.wrong += tally.wrong;
        total.faults.merge(&tally.faults);
    }
    let by_workload: Vec<OfWorkload> = total.by_workload().collect();
    let counted = || {
        lane.ran
            .iter()
            .zip(&slices)
            .filter(|((_, from, _), slice)| !is_beside(lane, slice.held, *from))
    };
    let processor: Option<Duration> = counted().map(|((ran, ..), _)| ran.usage.processor).sum();
    let totals = Totals {
        time_s: time.as_secs_f64(),
        due: total.due,
        right: total.right,
        wrong: total.wrong,
        errors: total.errors,
        not_sent: total.not_sent,
        rate_due: total.due as f64 / time.as_secs_f64().max(1e-9),
        rate_achieved: if achieved.is_empty() {
            0.0
        } else {
            achieved.iter().sum::<f64>() / achieved.len() as f64
        },
        latency: total.latency(),
        sent_late: total.delay(),
        processor_s: processor
            .map(|time| time.as_secs_f64())
            .filter(|_| !lane.ran.is_empty()),
        processor_us_per_answer: processor
            .filter(|_| total.right > 0)
            .map(|time| time.as_secs_f64() * 1e6 / total.right as f64),
        memory_bytes: counted()
            .filter_map(|((ran, ..), _)| ran.usage.memory)
            .max(),
    };
    let knee = lane.knee.as_ref().map(|knee| Found {
        held: knee.held(),
        broke: knee.broke(),
    });
    Ok(ContenderReport {
        name: contender.name.clone(),
        target: contender.url(),
        skipped: None,
        totals,
        by_workload,
        curve: total.curve(),
        windows: windows(lane, &total, time),
        slices,
        warm_up,
        knee,
        faults: total.faults,
        reasons: total.reasons,
        obstacles: contender.obstacles(),
        requests: contender.requests(),
        rounds_judged: contender.judged(),
        rounds_cut_short: contender.unjudged(),
    })
}

/// Whether a slice is a try of a search at another rate than the highest that held.
fn is_beside(lane: &Lane, held: Option<bool>, rate: f64) -> bool {
    let found = lane.knee.as_ref().and_then(Knee::held);
    held == Some(false) || (held.is_some() && found.is_some_and(|found| rate < found))
}

/// Rates of arrivals and of right answers in each part of the time; of a search, of each slice.
fn windows(lane: &Lane, total: &Tally, time: Duration) -> Vec<(f64, f64)> {
    if lane.knee.is_some() {
        let mut points: Vec<(f64, f64)> = lane
            .ran
            .iter()
            .map(|(ran, from, _)| (*from, ran.slice.tally().achieved(ran.slice.time)))
            .collect();
        points.sort_by(|one, other| one.0.total_cmp(&other.0));
        return points;
    }
    let each = time.as_secs_f64() / total.windows.len().max(1) as f64;
    total
        .windows
        .iter()
        .filter(|_| each > 0.0)
        .map(|window| (window.due as f64 / each, window.right as f64 / each))
        .collect()
}

/// Every contender beside the first that was loaded with any success.
fn compared(contenders: &[ContenderReport], plan: &Plan) -> Vec<Comparison> {
    // Of one that gave no right answer there is nothing to compare.
    let mut loaded = contenders
        .iter()
        .filter(|one| one.skipped.is_none() && one.totals.right > 0);
    let Some(base) = loaded.next() else {
        return Vec::new();
    };
    let figures = |one: &ContenderReport, of: fn(&SliceReport) -> f64| -> Vec<f64> {
        one.slices.iter().map(of).collect()
    };
    loaded
        .map(|one| {
            let of = |figure: fn(&SliceReport) -> f64| {
                // Slices of a search have rates of their own, so they are no pairs.
                plan_pairs(plan)
                    .then(|| ratio(&figures(one, figure), &figures(base, figure), plan.seed))?
            };
            Comparison {
                contender: one.name.clone(),
                base: base.name.clone(),
                p50: of(|slice| slice.latency.p50_us as f64),
                p99: of(|slice| slice.latency.p99_us as f64),
                throughput: of(|slice| slice.rate_achieved),
                knee: one
                    .knee
                    .as_ref()
                    .and_then(|knee| knee.held)
                    .zip(base.knee.as_ref().and_then(|knee| knee.held))
                    .map(|(one, base)| one / base),
            }
        })
        .collect()
}

const fn plan_pairs(plan: &Plan) -> bool {
    !matches!(plan.rate, Rate::Knee(..))
}
