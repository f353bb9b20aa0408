//! The runner against a target that ends while cases run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::fake::{self, Defect};
use super::{CALL, REFUSAL, WISH, case, registry, wire};
use crate::suite::options::Options;
use crate::suite::report::Report;
use crate::suite::runner::run_on;
use crate::suite::target::{Boxed, Exchange, HttpRequest, HttpTarget, SendError, Target};
use crate::suite::verdict::Verdict;

/// A good target that ends when it is asked for a certain path.
struct Mortal {
    inner: HttpTarget,
    deadly: &'static str,
    /// How often it ends of it.
    lives: AtomicUsize,
    restarts: AtomicUsize,
    dead: AtomicBool,
    deaths: AtomicUsize,
}

impl Mortal {
    async fn answer(&self, request: HttpRequest, timeout: Duration) -> Exchange {
        let asked = request.path.contains(self.deadly);
        if asked
            && !self.dead.load(Ordering::SeqCst)
            && self
                .lives
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                    left.checked_sub(1)
                })
                .is_ok()
        {
            self.dead.store(true, Ordering::SeqCst);
            self.deaths.fetch_add(1, Ordering::SeqCst);
        }
        if self.dead.load(Ordering::SeqCst) {
            return Exchange {
                request,
                outcome: Err(SendError::Ended("the target ended by itself".to_owned())),
                duration: Duration::ZERO,
                answered: None,
            };
        }
        self.inner.send(request, timeout).await
    }
}

impl Target for Mortal {
    fn base_url(&self) -> &str {
        self.inner.base_url()
    }

    fn send(&self, request: HttpRequest, timeout: Duration) -> Boxed<'_, Exchange> {
        Box::pin(self.answer(request, timeout))
    }

    fn revive(&self) -> Boxed<'_, Result<(), String>> {
        Box::pin(async {
            if !self.dead.load(Ordering::SeqCst) {
                return Ok(());
            }
            let left = self
                .restarts
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                    left.checked_sub(1)
                });
            left.map_err(|_| "the target is not started again".to_owned())?;
            self.dead.store(false, Ordering::SeqCst);
            Ok(())
        })
    }

    fn deaths(&self) -> usize {
        self.deaths.load(Ordering::SeqCst)
    }
}

/// All sample cases against one that ends at most `lives` times and is started again at most `restarts` times.
async fn with(deadly: &'static str, lives: usize, restarts: usize, jobs: usize) -> Report {
    let mocks = mock_services::start(mock_services::Options::default()).await;
    let mocks = Arc::new(mocks.expect("starts"));
    let fake = fake::start(Defect::None, mocks.model_url()).await;
    let target = Arc::new(Mortal {
        inner: HttpTarget::new(&fake.url, Vec::new()).expect("a target"),
        deadly,
        lives: AtomicUsize::new(lives),
        restarts: AtomicUsize::new(restarts),
        dead: AtomicBool::new(false),
        deaths: AtomicUsize::new(0),
    });
    let cases = [REFUSAL, CALL, WISH].map(case).to_vec();
    let options = Options {
        jobs,
        ..Options::default()
    };
    run_on(&registry(), &wire(), &cases, target, mocks, &options, &())
        .await
        .expect("runs")
}

fn verdicts(report: &Report) -> [Verdict; 3] {
    ["ACT-001", "STP-001", "STP-002"].map(|id| {
        let mut cases = report.cases.iter();
        cases
            .find(|case| case.id.starts_with(id))
            .expect(id)
            .verdict
    })
}

#[tokio::test]
async fn an_end_costs_the_case_that_brings_it_about() {
    for jobs in [1, 3] {
        let report = with("/nobody/", usize::MAX, 3, jobs).await;
        assert_eq!(
            verdicts(&report),
            [Verdict::Pass, Verdict::Fail, Verdict::Pass],
            "{jobs} jobs"
        );
        let failed = report
            .cases
            .iter()
            .find(|case| case.verdict == Verdict::Fail);
        let mismatches = &failed.expect("one").mismatches;
        assert!(
            mismatches
                .iter()
                .any(|one| one.no_answer && one.message == "the target ended by itself"),
            "{mismatches:?}"
        );
    }
}

#[tokio::test]
async fn an_end_that_does_not_come_again_is_no_pass() {
    for jobs in [1, 3] {
        let report = with("/nobody/", 1, 3, jobs).await;
        assert_eq!(verdicts(&report)[1], Verdict::Fail, "{jobs} jobs");
        assert_ne!(report.exit_code().number(), 0);
    }
}

#[tokio::test]
async fn without_a_restart_the_rest_is_told_at_once() {
    let report = with("/manifests", usize::MAX, 0, 1).await;
    assert_eq!(verdicts(&report), [Verdict::SetupFailed; 3]);
    let told = |reason: &str| {
        let reasons = report
            .cases
            .iter()
            .filter_map(|case| case.reason.as_deref());
        reasons.filter(|own| own.contains(reason)).count()
    };
    assert_eq!(told("the target ended by itself"), 1);
    assert_eq!(told("the target is not started again"), 2);
}
