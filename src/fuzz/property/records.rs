//! Transcripts: each by itself, and the one of the case against what was seen. Both are the suite's own checks.

use super::Ground;
use crate::fuzz::oracle::Surprise;
use crate::suite::offline::{self, Record};
use crate::suite::target::Exchange;
use crate::suite::transcript;
use crate::suite::wire::Finding;

/// What is wrong with the transcripts of a run.
pub(super) fn check(ground: &Ground<'_>) -> Vec<Surprise> {
    let observed = ground.observed;
    let mut found = Vec::new();
    for (index, (step, taken)) in ground.case.steps.iter().zip(&observed.steps).enumerate() {
        let place = step.place(index);
        for transcript in taken.exchanges.iter().filter_map(closed) {
            let digest = transcript
                .pointer("/manifest/digest")
                .and_then(serde_json::Value::as_str);
            let record = Record {
                transcript: &transcript,
                manifest: digest.and_then(|digest| observed.documents.get(digest)),
            };
            let judged = offline::judge(&record, ground.judge.wire, ground.judge.secrets);
            let findings = judged.findings.into_iter().map(|told| told.finding);
            found.extend(findings.map(|finding| of(finding, &format!("{place}, transcript"))));
        }
    }
    if observed.stop.is_none() && observed.transcript.is_some() {
        let findings = transcript::check(observed, ground.judge.secrets);
        found.extend(
            findings
                .into_iter()
                .map(|finding| of(finding, "transcript")),
        );
    }
    found
}

/// The transcript that a close answered.
fn closed(exchange: &Exchange) -> Option<serde_json::Value> {
    let answer = exchange.answer().filter(|answer| answer.status == 200)?;
    let is_close = exchange.request.method == "POST" && exchange.request.path.ends_with("/close");
    is_close
        .then(|| answer.json()?.get("transcript").cloned())
        .flatten()
}

fn of(finding: Finding, place: &str) -> Surprise {
    Surprise {
        requirement: finding.requirement,
        step: None,
        place: place.to_owned(),
        pointer: finding.difference.pointer,
        expected: finding.difference.expected,
        got: finding.difference.got,
        message: finding.difference.message,
        expect: None,
    }
}
