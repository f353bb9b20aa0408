//! The cases that transcripts are in the report: one each, as long as a file has not thousands of them.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Conclusion, SECRETS, SHOWN, Told};
use crate::requirement::{Level, Profile, Registry};
use crate::suite::case::Case;
use crate::suite::options::OBJECT_KEY;
use crate::suite::report::CaseReport;
use crate::suite::secrets::Secrets;
use crate::suite::verdict::{Mismatch, Verdict};

/// What the ids of their cases begin with.
pub(super) const PREFIX: &str = "TRANSCRIPT-";

/// What the id of the case of all further ones ends with.
pub(super) const FURTHER: &str = "#further";

/// No key of a store in a transcript.
const KEY_OF_A_STORE: &str = "STO-004";

/// Transcripts of one file that are cases of their own; all further ones are one case together, so that no stream fills the memory.
const MOST_CASES: u64 = 500;

/// Most mismatches that such a case has.
const MOST_MISMATCHES: usize = 200;

/// The case that a file is in the report. It has no steps that anybody takes; the model of a case wants one.
///
/// # Errors
/// When the model of a case has no room for it: the suite itself is at fault.
pub(super) fn of(name: &str) -> Result<Case, String> {
    let shown: Vec<&str> = SHOWN.iter().map(|(id, _)| *id).collect();
    let mut case: Case = serde_json::from_value(json!({
        "id": format!("{PREFIX}{name}"),
        "title": "the transcript is complete, agrees with itself and shows nothing that is forbidden",
        "requirements": shown,
        "manifest": "none",
        "steps": [{"close": {}}],
    }))
    .map_err(|error| format!("the case of {name}: {error}"))?;
    case.file = name.to_owned();
    Ok(case)
}

/// The cases so far, with what came of them.
pub(super) struct Cases<'r> {
    registry: &'r Registry,
    secrets: &'r Secrets,
    pub cases: Vec<Case>,
    pub results: Vec<CaseReport>,
    /// What the transcripts show of.
    pub profiles: BTreeSet<Profile>,
}

impl<'r> Cases<'r> {
    pub fn new(registry: &'r Registry, secrets: &'r Secrets) -> Self {
        Self {
            registry,
            secrets,
            cases: Vec::new(),
            results: Vec::new(),
            profiles: BTreeSet::from([Profile::Core, Profile::Session]),
        }
    }

    /// Takes in one transcript of a file; back comes its case, unless it went into that of all further ones.
    pub fn add(&mut self, file: &Case, conclusion: Conclusion) -> Option<&CaseReport> {
        let Conclusion {
            ordinal,
            judged,
            note,
        } = conclusion;
        if judged.has_questions {
            self.profiles.insert(Profile::Human);
        }
        let mut case = file.clone();
        // What this one does not show is not spoken for.
        case.requirements = judged.shown.iter().map(|id| (*id).to_owned()).collect();
        if ordinal > MOST_CASES {
            case.id = format!("{}{FURTHER}", file.id);
            case.title = format!("the transcripts from the {}th on", MOST_CASES + 1);
        } else if ordinal > 1 {
            case.id = format!("{}#{ordinal}", file.id);
        }
        let mut result = report_of(&case, self.verdict(&judged.findings, judged.assertions));
        result.reason = note;
        result.assertions = judged.assertions.max(judged.findings.len());
        let place = (ordinal > MOST_CASES).then(|| format!("transcript {ordinal}"));
        result.mismatches = judged
            .findings
            .into_iter()
            .map(|told| self.mismatch(told, place.as_deref()))
            .collect();
        result.mismatches.dedup();
        if ordinal > MOST_CASES + 1 {
            self.fold(case, result);
            return None;
        }
        self.cases.push(case);
        self.results.push(result);
        self.results.last()
    }

    /// A file of which nothing, or nothing more, can be said.
    pub fn unread(&mut self, file: &Case, why: String) -> CaseReport {
        let mut case = file.clone();
        let is_known = self.cases.iter().any(|known| known.id == case.id);
        if is_known {
            // What came before is judged and stays so.
            case.id = format!("{}#rest", file.id);
        }
        let result = CaseReport {
            reason: Some(why),
            ..report_of(&case, Verdict::SetupFailed)
        };
        self.cases.push(case);
        self.results.push(result.clone());
        result
    }

    /// Adds a transcript to the last case, which is that of all further ones.
    fn fold(&mut self, case: Case, result: CaseReport) {
        if let Some(last) = self.cases.last_mut() {
            let new: Vec<String> = case
                .requirements
                .into_iter()
                .filter(|id| !last.requirements.contains(id))
                .collect();
            last.requirements.extend(new);
        }
        let Some(last) = self.results.last_mut() else {
            return;
        };
        if let Some(case) = self.cases.last() {
            last.requirements.clone_from(&case.requirements);
        }
        last.assertions += result.assertions;
        last.reason = last.reason.take().or(result.reason);
        let rank = |verdict| match verdict {
            Verdict::Fail => 2,
            Verdict::Warn => 1,
            _ => 0,
        };
        if rank(result.verdict) > rank(last.verdict) {
            last.verdict = result.verdict;
        }
        let room = MOST_MISMATCHES.saturating_sub(last.mismatches.len());
        last.mismatches
            .extend(result.mismatches.into_iter().take(room));
    }

    fn verdict(&self, findings: &[Told], assertions: usize) -> Verdict {
        let must = |told: &Told| {
            self.registry
                .get(&told.finding.requirement)
                .is_none_or(|requirement| requirement.level == Level::Must)
        };
        match findings {
            [] if assertions == 0 => Verdict::NotObserved,
            [] => Verdict::Pass,
            findings if findings.iter().any(must) => Verdict::Fail,
            _ => Verdict::Warn,
        }
    }

    fn mismatch(&self, told: Told, place: Option<&str>) -> Mismatch {
        let line = told.line.map(|line| format!("line {line}"));
        let place = match (place, line) {
            (Some(place), Some(line)) => format!("{place}, {line}"),
            (Some(place), None) => place.to_owned(),
            (None, Some(line)) => line,
            (None, None) => "transcript".to_owned(),
        };
        let mut mismatch = told.finding.at(&place);
        if mismatch.cites == [SECRETS] && mismatch.message.contains(OBJECT_KEY) {
            mismatch.cites.push(KEY_OF_A_STORE.to_owned());
        }
        mismatch.message = self.secrets.redact_text(&mismatch.message);
        mismatch
    }
}

fn report_of(case: &Case, verdict: Verdict) -> CaseReport {
    CaseReport {
        id: case.id.clone(),
        title: case.title.clone(),
        file: case.file.clone(),
        requirements: case.requirements.clone(),
        profile: Profile::Session,
        verdict,
        mismatches: Vec::new(),
        assertions: 0,
        reason: None,
        leaves_open: Vec::new(),
        expected: false,
    }
}
