//! Cases that run a second time, each alone: to find whose doing something was.

use std::sync::Arc;
use std::time::Instant;

use super::Running;
use crate::suite::case::Case;
use crate::suite::event::Event;
use crate::suite::report::{CaseReport, Sample};
use crate::suite::solo;
use crate::suite::verdict::{RunError, Verdict};

impl Running<'_> {
    /// Calls without a token cannot be told apart while cases run together. Those that did not pass run once more, each alone,
    /// so that such a call is the target's doing in that case and not the harness's.
    pub(super) async fn blame_strays(&mut self, cases: &[Arc<Case>]) -> Result<(), RunError> {
        let iteration = self.options.repeat.max(1);
        for case in cases {
            let failed = self.results.get(&case.id).is_some_and(|result| {
                matches!(
                    result.report.verdict,
                    Verdict::Fail | Verdict::Warn | Verdict::SetupFailed
                )
            });
            if !failed {
                continue;
            }
            self.sink.event(&Event::CaseRepeatedAlone { id: &case.id });
            let Some(observed) = self.alone(case, iteration).await? else {
                continue;
            };
            let before = self.results.remove(&case.id);
            self.judged(case, &observed, iteration)?;
            if let (Some(before), Some(after)) = (before, self.results.get_mut(&case.id)) {
                after.durations = before.durations;
                after.verdicts = before.verdicts;
                // Alone it must not look better than it was: the first failure stands.
                if before.report.verdict > after.report.verdict {
                    after.report = before.report;
                    after.exchanges = before.exchanges;
                }
            }
        }
        Ok(())
    }

    /// Failures that may be chance are tried once more, each alone. One that passes then is a flake, with what was seen both
    /// times; the failure stands as the case's verdict.
    pub(super) async fn verify_alone(&mut self, cases: &[Arc<Case>]) -> Result<(), RunError> {
        let iteration = self.options.repeat.max(1) + 1;
        let doubtful = std::mem::take(&mut self.doubtful);
        let again: Vec<_> = cases
            .iter()
            .filter(|case| doubtful.contains(&case.id))
            .take(solo::MOST_CASES)
            .collect();
        let began = Instant::now();
        for case in again {
            if began.elapsed() > solo::MOST_TIME {
                break;
            }
            self.sink.event(&Event::CaseRepeatedAlone { id: &case.id });
            let Some(observed) = self.alone(case, iteration).await? else {
                continue;
            };
            let Some(before) = self.results.remove(&case.id) else {
                continue;
            };
            self.judged(case, &observed, iteration)?;
            let Some(after) = self.results.remove(&case.id) else {
                continue;
            };
            let varied = after.report.verdict != before.report.verdict;
            let mut stays = before;
            if varied {
                stays.samples = vec![sample(&stays.report, false), sample(&after.report, true)];
                for (verdict, count) in after.verdicts {
                    *stays.verdicts.entry(verdict).or_default() += count;
                }
            }
            if after.report.verdict > stays.report.verdict {
                stays.report = after.report;
                stays.exchanges = after.exchanges;
            }
            self.results.insert(case.id.clone(), stays);
        }
        Ok(())
    }
}

/// One run of a case, for a reader who compares two.
fn sample(report: &CaseReport, alone: bool) -> Sample {
    Sample {
        alone,
        verdict: report.verdict,
        mismatches: report.mismatches.clone(),
        reason: report.reason.clone(),
    }
}
