//! From what a case says and what was observed to a verdict. Pure: no clock, no chance, no sockets.

use serde_json::{Map, Value, json};

use super::case::{AnswerExpect, Case, Expect, ManyExpect, Place, Step, Stimulus};
use super::invariants;
use super::matcher::{Matcher, Outcome, absent};
use super::observed::{Observed, StepObserved, Stop};
use super::secrets::Secrets;
use super::sight::{answer_value, model_request, of_service, service_request};
use super::substitute::{self, Bindings};
use super::target::{Answer, Exchange, SendError};
use super::verdict::{Mismatch, Verdict};
use super::wire::Wire;
use crate::requirement::{Level, Registry};

/// What every case is judged by.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    /// The requirements.
    pub registry: &'a Registry,
    /// The messages of the protocol.
    pub wire: &'a Wire,
    /// What the target must not let out.
    pub secrets: &'a Secrets,
}

/// The verdict on one case.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// What was not as it must be.
    pub mismatches: Vec<Mismatch>,
    /// How many matchers were applied to a value.
    pub assertions: usize,
    /// Why it is neither pass nor fail.
    pub reason: Option<String>,
}

impl Judgement {
    /// A verdict without observations.
    pub fn without(verdict: Verdict, reason: impl Into<String>) -> Self {
        Self {
            verdict,
            mismatches: Vec::new(),
            assertions: 0,
            reason: Some(reason.into()),
        }
    }
}

/// Judges one case by what was observed of it.
pub fn judge(case: &Case, observed: &Observed, ground: &Ground<'_>) -> Judgement {
    if let Some(message) = &observed.harness {
        return Judgement::without(Verdict::HarnessError, message);
    }
    if let Some(problem) = observed.control.obstacle() {
        return Judgement::without(Verdict::SetupFailed, &problem.message);
    }
    if let Some(Stop::Unseen(reason)) = &observed.stop {
        return Judgement::without(Verdict::NotObserved, reason);
    }
    let mut bench = Reading {
        case,
        mismatches: Vec::new(),
        assertions: 0,
        setup: None,
        harness: None,
    };
    bench.steps(observed);
    if let Some(message) = bench.harness {
        return Judgement::without(Verdict::HarnessError, message);
    }
    if let Some(message) = invariants::own_messages(case, observed, ground.wire) {
        return Judgement::without(Verdict::HarnessError, message);
    }
    let complete = bench.setup.is_none() && observed.stop.is_none();
    let unseen = unseen(case, observed, ground.registry);
    if complete && unseen.is_none() {
        bench.sights(observed);
    }
    let (mut mismatches, assertions, mut setup) = (bench.mismatches, bench.assertions, bench.setup);
    mismatches.extend(invariants::check(case, observed, ground, complete));
    if let Some(ended) = observed.ended
        && !mismatches.iter().any(|mismatch| mismatch.no_answer)
    {
        mismatches.push(Mismatch {
            cites: case.requirements.clone(),
            place: "target".to_owned(),
            pointer: String::new(),
            expected: Value::from("a target that goes on"),
            got: absent(),
            message: ended.to_owned(),
            no_answer: true,
        });
    }
    if setup.is_none()
        && let Some(Stop::Unbound { step, name }) = &observed.stop
    {
        setup = Some(format!(
            "step {} needs ${{{name}}}, which no answer brought",
            step + 1
        ));
    }
    if setup.is_none()
        && let Some(problem) = &observed.control.problem
    {
        setup = Some(problem.message.clone());
    }
    match unseen {
        Some(reason) if mismatches.is_empty() && setup.is_none() => {
            Judgement::without(Verdict::NotObserved, reason)
        }
        _ => conclude(mismatches, assertions, setup, ground.registry),
    }
}

/// Why what the case expects of the target's signals cannot be said to hold or not: they cannot be seen at all, or there is none of
/// what only has a form where it is there. That a signal SHOULD be there and is not is for the expectation to say.
fn unseen(case: &Case, observed: &Observed, registry: &Registry) -> Option<String> {
    for sight in case.expect.sights() {
        let what = match sight.place {
            Place::Logs => "log line",
            Place::Spans => "span",
            Place::Metrics => "metric",
            Place::Collector => "request to the collector",
            Place::Texts => "signal",
            _ => continue,
        };
        let Some(value) = observed.signals.at(sight.place) else {
            return Some(format!(
                "no {what} can be seen; say in [inject] and [observe] of the target's definition where they are"
            ));
        };
        let cites = match sight.cites.first() {
            Some(_) => &sight.cites,
            None => &case.requirements,
        };
        let must = |id: &String| {
            let requirement = registry.get(id);
            requirement.is_some_and(|requirement| requirement.level == Level::Must)
        };
        let empty = match sight.place {
            Place::Metrics => value.get("status") == Some(&Value::from(404)),
            Place::Collector => value.get("requests") == Some(&Value::from(0)),
            _ => value.as_array().is_some_and(Vec::is_empty),
        };
        if empty && cites.first().is_some_and(must) {
            return Some(format!("no {what} of this case was seen"));
        }
    }
    None
}

/// The judgement that mismatches, or an obstacle, come to.
pub(super) fn conclude(
    mismatches: Vec<Mismatch>,
    assertions: usize,
    setup: Option<String>,
    registry: &Registry,
) -> Judgement {
    let (verdict, reason) = if !mismatches.is_empty() {
        let binding = mismatches
            .iter()
            .flat_map(|mismatch| &mismatch.cites)
            .any(|id| {
                registry
                    .get(id)
                    .is_none_or(|requirement| requirement.level == Level::Must)
            });
        (
            if binding {
                Verdict::Fail
            } else {
                Verdict::Warn
            },
            setup,
        )
    } else if let Some(reason) = setup {
        (Verdict::SetupFailed, Some(reason))
    } else if assertions == 0 {
        (
            Verdict::NotObserved,
            Some("nothing was observed that an expectation speaks of".to_owned()),
        )
    } else {
        (Verdict::Pass, None)
    };
    Judgement {
        verdict,
        mismatches,
        assertions,
        reason,
    }
}

/// What an expectation is applied to, and where that is.
struct Spot<'a> {
    place: String,
    prefix: String,
    observed: Option<&'a Value>,
}

struct Reading<'a> {
    case: &'a Case,
    mismatches: Vec<Mismatch>,
    assertions: usize,
    /// Why the case could not be brought to its point.
    setup: Option<String>,
    harness: Option<String>,
}

impl Reading<'_> {
    fn cites(&self, own: &[String]) -> Vec<String> {
        if own.is_empty() {
            self.case.requirements.clone()
        } else {
            own.to_vec()
        }
    }

    fn steps(&mut self, observed: &Observed) {
        for (index, (step, seen)) in self.case.steps.iter().zip(&observed.steps).enumerate() {
            let place = step.place(index);
            let before = self.mismatches.len();
            self.step(step, seen, &place);
            if self.harness.is_some() {
                return;
            }
            let is_setup = step.setup
                || matches!(
                    (&step.stimulus, &step.expect),
                    (Stimulus::Open(_), Expect::Nothing)
                );
            if is_setup && self.mismatches.len() > before {
                let first = self.mismatches.swap_remove(before);
                self.mismatches.truncate(before);
                self.setup = Some(
                    format!("{place}: {} {}", first.pointer, first.message).replace(":  ", ": "),
                );
                return;
            }
        }
    }

    fn step(&mut self, step: &Step, seen: &StepObserved, place: &str) {
        let cites = self.cites(&step.cites);
        let mut silent = false;
        for exchange in &seen.exchanges {
            if let Err(error) = &exchange.outcome {
                silent = true;
                if let SendError::Unsendable(_) = error {
                    self.harness = Some(format!("{place}: {error}"));
                    return;
                }
                self.mismatches.push(Mismatch {
                    cites: cites.clone(),
                    place: place.to_owned(),
                    pointer: String::new(),
                    expected: Value::from("an answer"),
                    got: absent(),
                    message: error.to_string(),
                    no_answer: true,
                });
            }
        }
        if silent {
            // One silence says it; the answers to other simultaneous requests prove little then.
            self.mismatches.dedup();
            return;
        }
        match &step.expect {
            Expect::Nothing => {
                if let (Stimulus::Open(_), Some(answer)) = (
                    &step.stimulus,
                    seen.exchanges.first().and_then(Exchange::answer),
                ) {
                    let opened = json!({"status": {"$pattern": "^2..$"}, "body": {"session_id": {"$type": "string"}}});
                    let value = answer_value(answer);
                    let assertions = self.assertions;
                    self.apply(
                        &opened,
                        &Bindings::new(),
                        Spot {
                            place: place.to_owned(),
                            prefix: String::new(),
                            observed: Some(&value),
                        },
                        &cites,
                    );
                    self.assertions = assertions;
                }
            }
            Expect::One(expect) if seen.measured.is_some() => {
                let figures = json!({"body": seen.measured});
                self.apply(
                    &expected_value(expect),
                    &seen.bindings,
                    Spot {
                        place: place.to_owned(),
                        prefix: String::new(),
                        observed: Some(&figures),
                    },
                    &cites,
                );
            }
            Expect::One(expect) => {
                if let Some(answer) = seen.exchanges.first().and_then(Exchange::answer) {
                    self.answer(expect, answer, &seen.bindings, place, &cites);
                }
            }
            Expect::Many(expect) => self.many(expect, seen, place, &cites),
        }
        for (name, pointer) in &seen.missing {
            self.mismatches.push(Mismatch {
                cites: cites.clone(),
                place: place.to_owned(),
                pointer: format!("/body{pointer}"),
                expected: json!({"$type": "any"}),
                got: absent(),
                message: format!("is not there to be saved as ${{{name}}}"),
                no_answer: false,
            });
        }
    }

    fn answer(
        &mut self,
        expect: &AnswerExpect,
        answer: &Answer,
        bindings: &Bindings,
        place: &str,
        cites: &[String],
    ) {
        let value = answer_value(answer);
        self.apply(
            &expected_value(expect),
            bindings,
            Spot {
                place: place.to_owned(),
                prefix: String::new(),
                observed: Some(&value),
            },
            cites,
        );
    }

    fn many(&mut self, expect: &ManyExpect, seen: &StepObserved, place: &str, cites: &[String]) {
        let answers: Vec<&Answer> = seen.exchanges.iter().filter_map(Exchange::answer).collect();
        let answered = |index: usize| seen.exchanges.get(index).map(|exchange| exchange.answered);
        if let Some(each) = &expect.each {
            let before = self.mismatches.len();
            for answer in &answers {
                // Which of equal requests is answered first is chance, so the place does not number them.
                self.answer(
                    each,
                    answer,
                    &seen.bindings,
                    &format!("{place}, each answer"),
                    cites,
                );
            }
            let tail = self.mismatches.split_off(before);
            let mut tail: Vec<(String, Mismatch)> = tail
                .into_iter()
                .map(|mismatch| {
                    (
                        format!(
                            "{} {} {}",
                            mismatch.pointer, mismatch.expected, mismatch.got
                        ),
                        mismatch,
                    )
                })
                .collect();
            tail.sort_by(|a, b| a.0.cmp(&b.0));
            tail.dedup_by(|a, b| a.0 == b.0);
            self.mismatches
                .extend(tail.into_iter().map(|(_, mismatch)| mismatch));
        }
        for (index, tally) in expect.tally.iter().enumerate() {
            let of = substitute::substitute(&expected_value(&tally.of), &seen.bindings)
                .ok()
                .and_then(|source| Matcher::compile(&source).ok());
            let Some(of) = of else {
                self.harness = Some(format!("{place}: tally {index} cannot be counted"));
                return;
            };
            let latest = tally.before.and_then(answered).flatten();
            let count = seen
                .exchanges
                .iter()
                .filter(|exchange| tally.before.is_none() || exchange.answered < latest)
                .filter_map(Exchange::answer)
                .filter(|answer| of.matches(Some(&answer_value(answer))))
                .count();
            let count = Value::from(count);
            self.apply(
                &tally.is,
                &seen.bindings,
                Spot {
                    place: place.to_owned(),
                    prefix: format!("/tally/{index}"),
                    observed: Some(&count),
                },
                cites,
            );
        }
    }

    fn sights(&mut self, observed: &Observed) {
        let bindings = observed
            .steps
            .last()
            .map(|step| step.bindings.clone())
            .unwrap_or_default();
        for sight in self.case.expect.sights() {
            let cites = self.cites(&sight.cites);
            let (place, prefix, value) = match sight.place {
                Place::ServiceCalls(name) => (
                    name.to_owned(),
                    "/calls",
                    Some(Value::from(of_service(observed, name).count())),
                ),
                Place::ServiceRequests(name) => (
                    name.to_owned(),
                    "/requests",
                    Some(of_service(observed, name).map(service_request).collect()),
                ),
                Place::ServiceState(name) => (
                    name.to_owned(),
                    "/state",
                    observed.states.get(name).cloned(),
                ),
                Place::ModelCalls => (
                    "model".to_owned(),
                    "/calls",
                    Some(Value::from(of_service(observed, "model").count())),
                ),
                Place::ModelRequests => (
                    "model".to_owned(),
                    "/requests",
                    Some(of_service(observed, "model").map(model_request).collect()),
                ),
                Place::Transcript => ("transcript".to_owned(), "", observed.transcript.clone()),
                Place::File(name) => (
                    format!("file {name}"),
                    "",
                    observed.files.get(name).cloned(),
                ),
                Place::Logs | Place::Spans | Place::Metrics | Place::Collector | Place::Texts => {
                    let name = match sight.place {
                        Place::Logs => "logs",
                        Place::Spans => "spans",
                        Place::Metrics => "metrics",
                        Place::Collector => "collector",
                        _ => "texts",
                    };
                    (
                        name.to_owned(),
                        "",
                        observed.signals.at(sight.place).cloned(),
                    )
                }
            };
            let before = self.mismatches.len();
            let spot = Spot {
                place: place.clone(),
                prefix: prefix.to_owned(),
                observed: value.as_ref(),
            };
            self.apply(sight.matcher, &bindings, spot, &cites);
            if prefix == "/calls" && place != "model" {
                let effects: Vec<String> = of_service(observed, &place)
                    .map(|call| format!("{} {}", call.method, call.path))
                    .collect();
                for mismatch in &mut self.mismatches[before..] {
                    mismatch.message = match effects.as_slice() {
                        [] => format!("{}; nothing was called", mismatch.message),
                        effects => format!("{}; called: {}", mismatch.message, effects.join(", ")),
                    };
                }
            }
        }
    }

    fn apply(&mut self, source: &Value, bindings: &Bindings, spot: Spot<'_>, cites: &[String]) {
        let outcome = substitute::substitute(source, bindings)
            .map_err(|unbound| unbound.to_string())
            .and_then(|source| Matcher::compile(&source).map_err(|error| error.to_string()))
            .map(|matcher| matcher.check(spot.observed));
        let Outcome {
            assertions,
            differences,
        } = match outcome {
            Ok(outcome) => outcome,
            Err(message) => {
                // A name that an answer should have brought: the answer is at fault, and that has been said.
                self.setup
                    .get_or_insert(format!("{}: {message}", spot.place));
                return;
            }
        };
        self.assertions += assertions;
        self.mismatches
            .extend(differences.into_iter().map(|difference| Mismatch {
                cites: cites.to_vec(),
                place: spot.place.clone(),
                pointer: format!("{}{}", spot.prefix, difference.pointer),
                expected: difference.expected,
                got: difference.got,
                message: difference.message,
                no_answer: false,
            }));
    }
}

/// What an answer must be, as one matcher over what [`answer_value`] gives.
pub(crate) fn expected_value(expect: &AnswerExpect) -> Value {
    let mut members = Map::new();
    if let Some(status) = &expect.status {
        members.insert("status".to_owned(), status.clone());
    }
    if !expect.headers.is_empty() {
        let headers = expect
            .headers
            .iter()
            .map(|(name, matcher)| (name.to_ascii_lowercase(), matcher.clone()))
            .collect();
        members.insert("headers".to_owned(), Value::Object(headers));
    }
    if let Some(body) = &expect.body {
        members.insert("body".to_owned(), body.clone());
    }
    Value::Object(members)
}
