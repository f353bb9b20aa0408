//! Whose turn it is: as many cases at a time as there are jobs, and what becomes of them when the target ends or hangs meanwhile.
//!
//! A target that ends costs the case that ended it. While cases run side by side it cannot be told which one that was, so those
//! that met the end run once more, each alone; and from the first end on, the others run one by one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Bench, Case, Event, Judgement, Observed, RunError, Running, Verdict, execute, token};
use crate::suite::target::ENDED;

/// One run of a case.
struct Turn {
    case: Arc<Case>,
    /// How often the target had ended before.
    ends: usize,
    /// Whether others may run at the same time.
    beside: bool,
    begun: Instant,
    /// How long requests had been on their way before.
    flown: Duration,
}

/// A case during which the target ended, with others beside it.
struct Suspect {
    case: Arc<Case>,
    observed: Observed,
}

impl Running<'_> {
    /// Runs cases, at most `jobs` at the same time.
    pub(super) async fn at_a_time(
        &mut self,
        jobs: usize,
        mut waiting: Vec<Arc<Case>>,
        iteration: usize,
    ) -> Result<(), RunError> {
        let mut tasks = tokio::task::JoinSet::new();
        // A task that panics takes its case's name along, so it is kept here.
        let mut turns: BTreeMap<tokio::task::Id, Turn> = BTreeMap::new();
        let mut suspects: Vec<Suspect> = Vec::new();
        loop {
            let jobs = if self.bench.target.deaths() > 0 {
                1
            } else {
                jobs
            };
            if tasks.is_empty() {
                self.question(std::mem::take(&mut suspects), iteration)
                    .await?;
            }
            while !self.stopped && tasks.len() < jobs {
                let Some(case) = waiting.pop() else { break };
                self.sink.event(&Event::CaseStarted { id: &case.id });
                if let Err(gone) = self.brought_back().await {
                    self.note(&case, Judgement::without(Verdict::SetupFailed, gone), None);
                    continue;
                }
                let turn = Turn {
                    case: Arc::clone(&case),
                    ends: self.bench.target.deaths(),
                    beside: jobs > 1,
                    begun: Instant::now(),
                    flown: self.counted.in_flight(),
                };
                let token = token(self.options.seed, iteration, &case.id);
                let bench = self.bench.clone();
                let handle = tasks.spawn(async move { execute(&case, &token, &bench).await });
                turns.insert(handle.id(), turn);
            }
            let Some(joined) = tasks.join_next_with_id().await else {
                break;
            };
            let (id, mut observed) = match joined {
                Ok((id, observed)) => (id, observed),
                Err(error) => (
                    error.id(),
                    Observed::broken("", format!("the case's task ended early: {error}")),
                ),
            };
            let Some(turn) = turns.remove(&id) else {
                continue;
            };
            if !self.ended_since(turn.ends).await? {
                self.judged(&turn.case, &observed, iteration)?;
                self.owned(&turn);
            } else if turn.beside {
                suspects.push(Suspect {
                    case: turn.case,
                    observed,
                });
            } else {
                observed.ended = Some(ENDED);
                self.judged(&turn.case, &observed, iteration)?;
            }
        }
        self.question(suspects, iteration).await
    }

    /// Notes what the suite itself took for a case: all but the requests. Known where cases run one by one and share a target.
    fn owned(&mut self, turn: &Turn) {
        if self.options.jobs <= 1 && self.bench.lanes.is_none() {
            let flown = self.counted.in_flight().saturating_sub(turn.flown);
            self.own.push(turn.begun.elapsed().saturating_sub(flown));
        }
    }

    /// Runs a case with nobody beside it; `None`: the target is gone for good.
    pub(super) async fn alone(
        &mut self,
        case: &Case,
        iteration: usize,
    ) -> Result<Option<Observed>, RunError> {
        if self.brought_back().await.is_err() {
            return Ok(None);
        }
        let bench = Bench {
            alone: true,
            ..self.bench.clone()
        };
        let ends = bench.target.deaths();
        let token = token(self.options.seed, iteration, &case.id);
        let mut observed = execute(case, &token, &bench).await;
        if self.ended_since(ends).await? {
            observed.ended = Some(ENDED);
        }
        Ok(Some(observed))
    }

    /// Finds out which of some cases ended the target. The others are judged by what they come to alone; if it was none of them
    /// then, all stay blamed.
    async fn question(&mut self, suspects: Vec<Suspect>, iteration: usize) -> Result<(), RunError> {
        let again_at = self.options.repeat.max(1) + 2 + iteration;
        let mut found = false;
        let mut others = Vec::new();
        for suspect in suspects {
            self.sink.event(&Event::CaseRepeatedAlone {
                id: &suspect.case.id,
            });
            match self.alone(&suspect.case, again_at).await? {
                Some(again) if again.ended.is_some() => {
                    found = true;
                    self.judged(&suspect.case, &again, iteration)?;
                }
                again => others.push((suspect, again)),
            }
        }
        for (suspect, again) in others {
            let observed = match again {
                Some(again) if found => again,
                _ => Observed {
                    ended: Some(ENDED),
                    ..suspect.observed
                },
            };
            self.judged(&suspect.case, &observed, iteration)?;
        }
        Ok(())
    }

    /// Sees to it that the target is there.
    async fn brought_back(&mut self) -> Result<(), String> {
        let ends = self.bench.target.deaths();
        if ends == 0 {
            return Ok(());
        }
        self.bench.target.revive().await?;
        if ends > self.ends_met {
            self.ends_met = ends;
            // A new process has a clock that was not moved.
            if let Some(clock) = &self.bench.clock {
                clock.look(self.options.times.request).await;
            }
        }
        Ok(())
    }

    /// Whether the target ended since it had ended so often; one that hangs is ended here.
    async fn ended_since(&mut self, ends: usize) -> Result<bool, RunError> {
        if let Some(patience) = self.patience.clone().filter(|patience| patience.hangs()) {
            patience.abandon_hung().await.map_err(RunError::NotReady)?;
            // One that cannot come back has fallen silent for good: that says nothing about the cases that are left.
            let back = self.bench.target.revive().await;
            back.map_err(RunError::NotReady)?;
        }
        let now = self.bench.target.deaths();
        if now > ends {
            self.ends_blamed = self.ends_blamed.max(now);
        }
        Ok(now > ends)
    }
}
