//! What went over the wire in a case that did not pass: as it was, without secrets, and bounded.
//!
//! It stands in the report's `run` block, since times, ids and tokens in it differ from run to run.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::suite::observed::Observed;
use crate::suite::secrets::{REDACTED, Secrets};
use crate::suite::target::Exchange;
use crate::suite::verdict::Mismatch;

/// Longest text kept of one body or header, in bytes.
pub const MOST_TEXT: usize = 8 * 1024;
/// Most that is kept of one case, in bytes.
pub const MOST_CASE: usize = 64 * 1024;
/// Most that is kept of one run, in bytes; a report stays far below what `report` reads.
pub const MOST_RUN: usize = 16 * 1024 * 1024;
/// Larger bodies are not looked at: they would have to be searched for secrets first.
const MOST_SEARCHED: usize = 256 * 1024;
/// Most headers kept of one message.
const MOST_HEADERS: usize = 64;
/// A shorter piece of a caller's token would be found by chance.
const LEAST_TOKEN: usize = 12;

/// The exchanges of one case.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseExchanges {
    /// In the order of the case; those of steps that failed are kept first when not all have room.
    pub kept: Vec<ExchangeReport>,
    /// How many there were besides.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: usize,
}

/// One request and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExchangeReport {
    /// The step, counted from 1; `None` for the registration before the first.
    pub step: Option<usize>,
    /// Whether a mismatch is about this step.
    pub failed: bool,
    /// What was sent.
    pub request: RequestReport,
    /// What came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<AnswerReport>,
    /// Why nothing did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
}

/// What was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestReport {
    /// HTTP method.
    pub method: String,
    /// Path with its query.
    pub path: String,
    /// Headers in order.
    pub headers: Vec<(String, String)>,
    /// The body; JSON is indented.
    pub body: String,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerReport {
    /// HTTP status.
    pub status: u16,
    /// Headers in order.
    pub headers: Vec<(String, String)>,
    /// The body; JSON is indented.
    pub body: String,
}

impl CaseExchanges {
    /// What is kept of a case; `None` when nothing was sent.
    pub fn of(observed: &Observed, mismatches: &[Mismatch], secrets: &Secrets) -> Option<Self> {
        let failed: BTreeSet<usize> = mismatches.iter().filter_map(step_of).collect();
        let registration = observed.control.exchanges.iter().map(|one| (None, one));
        let steps = observed.steps.iter().enumerate().flat_map(|(index, step)| {
            step.exchanges
                .iter()
                .map(move |exchange| (Some(index + 1), exchange))
        });
        let all: Vec<(Option<usize>, &Exchange)> = registration.chain(steps).collect();
        let hidden = Hidden::new(&all, secrets);
        let fails = |step: &Option<usize>| step.is_some_and(|step| failed.contains(&step));
        let mut kept: BTreeMap<usize, ExchangeReport> = BTreeMap::new();
        let mut room = MOST_CASE;
        let (first, then): (Vec<_>, Vec<_>) = all
            .iter()
            .enumerate()
            .partition(|(_, (step, _))| fails(step));
        for (index, (step, exchange)) in first.into_iter().chain(then) {
            // Once it is full, the rest is not even looked at: a flood costs no more than the bound.
            if room == 0 {
                break;
            }
            let one = hidden.exchange(exchange, *step, fails(step));
            match room.checked_sub(one.weight()) {
                Some(left) => {
                    room = left;
                    kept.insert(index, one);
                }
                None => room = 0,
            }
        }
        (!all.is_empty()).then(|| Self {
            left_out: all.len() - kept.len(),
            kept: kept.into_values().collect(),
        })
    }

    /// How many bytes of text it holds.
    pub fn weight(&self) -> usize {
        self.kept.iter().map(ExchangeReport::weight).sum()
    }

    /// The same without anything kept: only how many exchanges there were.
    #[must_use]
    pub fn emptied(&self) -> Self {
        Self {
            kept: Vec::new(),
            left_out: self.left_out + self.kept.len(),
        }
    }
}

/// Keeps a run below [`MOST_RUN`]: the cases that come first keep theirs, of the others only the number stays.
pub fn bound_run(exchanges: &mut BTreeMap<String, CaseExchanges>) {
    let mut room = MOST_RUN;
    for case in exchanges.values_mut() {
        match room.checked_sub(case.weight()) {
            Some(left) => room = left,
            None => *case = case.emptied(),
        }
    }
}

impl ExchangeReport {
    fn weight(&self) -> usize {
        let headers = |headers: &[(String, String)]| -> usize {
            headers
                .iter()
                .map(|(name, value)| name.len() + value.len())
                .sum()
        };
        let request = &self.request;
        let sent = request.method.len()
            + request.path.len()
            + headers(&request.headers)
            + request.body.len();
        let answer = self.answer.as_ref();
        sent + answer.map_or(0, |answer| headers(&answer.headers) + answer.body.len())
    }
}

/// The step that a mismatch is about, counted from 1.
pub fn step_of(mismatch: &Mismatch) -> Option<usize> {
    let rest = mismatch.place.strip_prefix("step ")?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

/// What must not be shown: known secrets, and the tokens that callers sent.
struct Hidden<'a> {
    secrets: &'a Secrets,
    tokens: Vec<String>,
}

impl<'a> Hidden<'a> {
    fn new(exchanges: &[(Option<usize>, &Exchange)], secrets: &'a Secrets) -> Self {
        let mut tokens = BTreeSet::new();
        for (_, exchange) in exchanges {
            for (name, value) in &exchange.request.headers {
                if name.eq_ignore_ascii_case("authorization") {
                    let words = value.split_ascii_whitespace();
                    // A signed token is also told by one of its parts.
                    tokens.extend(
                        words.flat_map(|word| std::iter::once(word).chain(word.split('.'))),
                    );
                }
            }
        }
        let mut tokens: Vec<String> = tokens
            .into_iter()
            .filter(|token| token.len() >= LEAST_TOKEN)
            .map(str::to_owned)
            .collect();
        tokens.sort_by_key(|token| std::cmp::Reverse(token.len()));
        Self { secrets, tokens }
    }

    fn exchange(&self, exchange: &Exchange, step: Option<usize>, failed: bool) -> ExchangeReport {
        ExchangeReport {
            step,
            failed,
            request: RequestReport {
                method: self.text(&exchange.request.method),
                path: self.text(&exchange.request.path),
                headers: self.headers(&exchange.request.headers),
                body: self.body(&exchange.request.body),
            },
            answer: exchange.answer().map(|answer| AnswerReport {
                status: answer.status,
                headers: self.headers(&answer.headers),
                body: self.body(&answer.body),
            }),
            error: exchange
                .outcome
                .as_ref()
                .err()
                .map(|error| self.text(&error.to_string())),
            duration_ms: (exchange.duration.as_secs_f64() * 100_000.0).round() / 100.0,
        }
    }

    fn headers(&self, headers: &[(String, String)]) -> Vec<(String, String)> {
        headers
            .iter()
            .take(MOST_HEADERS)
            .map(|(name, value)| {
                // What a request carries to prove who sends it is nobody's business.
                let value = if name.eq_ignore_ascii_case("authorization") {
                    REDACTED.to_owned()
                } else {
                    self.text(value)
                };
                (self.text(name), value)
            })
            .collect()
    }

    fn body(&self, bytes: &[u8]) -> String {
        if bytes.len() > MOST_SEARCHED {
            return format!("({} bytes, not shown)", bytes.len());
        }
        // In JSON a secret can hide behind escapes, so it is searched as a value first.
        let text = match serde_json::from_slice(bytes) {
            Ok(value) => serde_json::to_string_pretty(&self.secrets.redact(&value)).ok(),
            Err(_) => None,
        };
        match text {
            Some(text) => self.text(&text),
            None => self.text(&String::from_utf8_lossy(bytes)),
        }
    }

    /// Redacted first and cut then: a cut must not leave a piece of a secret that nobody finds.
    fn text(&self, text: &str) -> String {
        let mut text = if text.len() > MOST_SEARCHED * 4 {
            return format!("({} bytes, not shown)", text.len());
        } else {
            self.secrets.redact_text(text)
        };
        for token in &self.tokens {
            if text.contains(token.as_str()) {
                text = text.replace(token.as_str(), REDACTED);
            }
        }
        if text.len() > MOST_TEXT {
            let whole = text.len();
            text.truncate(text.floor_char_boundary(MOST_TEXT));
            text.push_str(&format!("… ({whole} bytes in all)"));
        }
        text
    }
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::observed::StepObserved;
    use crate::suite::target::{Answer, HttpRequest, SendError};
    use serde_json::{Value, json};
    use std::time::Duration;

    const SECRET: &str = "cal-tok+en/3f9a1c77==";
    const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJVLTEifQ.c2lnbmF0dXJlLW9mLXRoaXM";

    fn secrets() -> Secrets {
        Secrets::new([("CALENDAR_TOKEN".to_owned(), SECRET.to_owned())])
    }

    fn exchange(body: &[u8]) -> Exchange {
        let mut request = HttpRequest::new("POST", format!("/x?token={SECRET}"));
        request
            .headers
            .push(("Authorization".into(), format!("Bearer {TOKEN}")));
        Exchange {
            request,
            outcome: Ok(Answer {
                status: 200,
                headers: vec![("x-echo".into(), format!("{SECRET} {TOKEN}"))],
                body: body.to_vec(),
            }),
            duration: Duration::from_micros(1_500),
            answered: None,
        }
    }

    fn observed(bodies: &[Vec<u8>]) -> Observed {
        let mut observed = Observed::broken("oapt0000000000000000", String::new());
        observed.steps = bodies
            .iter()
            .map(|body| StepObserved {
                exchanges: vec![exchange(body)],
                ..StepObserved::default()
            })
            .collect();
        observed
    }

    fn mismatch(place: &str) -> Mismatch {
        Mismatch {
            cites: vec!["ACT-001".into()],
            place: place.into(),
            pointer: String::new(),
            expected: Value::Null,
            got: Value::Null,
            message: String::new(),
            no_answer: false,
        }
    }

    #[test]
    fn neither_secrets_nor_tokens_of_callers_are_kept() {
        let body = json!({"a": TOKEN, "b": SECRET, "c": TOKEN.split('.').next_back(), SECRET: 1});
        let escaped = br#"{"a":"\u0063al-tok+en\/3f9a1c77=="}"#.to_vec();
        let observed = observed(&[body.to_string().into_bytes(), escaped, TOKEN.into()]);
        let kept = CaseExchanges::of(&observed, &[], &secrets()).expect("kept");
        let text = serde_json::to_string(&kept).expect("JSON");
        for part in ["3f9a1c77", "eyJzdWIiOiJVLTEifQ", "c2lnbmF0dXJlLW9mLXRoaXM"] {
            assert!(!text.contains(part), "{part} is in {text}");
        }
        assert!(text.matches(REDACTED).count() >= 9, "{text}");
        assert_eq!(kept.kept[0].duration_ms, 1.5);
    }

    #[test]
    fn much_is_cut_and_what_failed_has_room_first() {
        let mut bodies = vec![vec![b'x'; 20_000]; 40];
        bodies.push(vec![b'y'; 300_000]);
        let observed = observed(&bodies);
        let kept = CaseExchanges::of(
            &observed,
            &[mismatch("step 40 (step)"), mismatch("calendar")],
            &secrets(),
        )
        .expect("kept");
        assert!(kept.weight() <= MOST_CASE, "{}", kept.weight());
        assert_eq!(kept.kept.len() + kept.left_out, 41);
        let last = kept.kept.last().expect("one");
        assert_eq!((last.step, last.failed), (Some(40), true));
        let answer = last.answer.as_ref().expect("an answer");
        assert!(answer.body.ends_with("x… (20000 bytes in all)"));
        let large = CaseExchanges::of(&observed, &[mismatch("step 41 (x)")], &secrets());
        let large = large.expect("kept").kept.pop().expect("one");
        assert_eq!(large.answer.expect("one").body, "(300000 bytes, not shown)");
    }

    #[test]
    fn no_answer_is_told_as_such() {
        let mut observed = observed(&[Vec::new()]);
        observed.steps[0].exchanges[0].outcome = Err(SendError::TimedOut(Duration::from_secs(10)));
        let kept = CaseExchanges::of(&observed, &[], &secrets()).expect("kept");
        assert_eq!(
            kept.kept[0].error.as_deref(),
            Some("no answer within 10000 ms")
        );
        assert!(CaseExchanges::of(&Observed::broken("", String::new()), &[], &secrets()).is_none());
    }

    #[test]
    fn a_run_is_bounded_as_a_whole() {
        let body = "é".repeat(4_000).into_bytes();
        let one = CaseExchanges::of(&observed(&vec![body; 7]), &[], &secrets()).expect("kept");
        let mut all: BTreeMap<String, CaseExchanges> = (0..400)
            .map(|index| (format!("{index:04}"), one.clone()))
            .collect();
        bound_run(&mut all);
        let weight: usize = all.values().map(CaseExchanges::weight).sum();
        assert!(weight <= MOST_RUN && weight > MOST_RUN - MOST_CASE);
        assert_eq!(all["0399"], one.emptied());
        assert_eq!(all["0399"].left_out, one.kept.len() + one.left_out);
    }

    #[test]
    fn steps_are_known_by_their_place() {
        for (place, step) in [
            ("step 2 (step)", Some(2)),
            ("step 12", Some(12)),
            ("step ", None),
            ("calendar", None),
            ("step 99999999999999999999999", None),
        ] {
            assert_eq!(step_of(&mismatch(place)), step, "{place}");
        }
    }
}
