//! The exchanges of a run in their order; of those at the same time every order that explains what was seen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::agreement::Agreement;
use super::calls::{Calls, contest, names};
use super::journal::Journal;
use super::said::{Scripts, is_model};
use super::session::Session;
use super::surprise::{Seen, Surprise, elsewhere};
use crate::fuzz::property::Ground;
use crate::requirement::Profile;
use crate::suite::case::{Case, Identity, Signer, Step, Stimulus};
use crate::suite::identity::{AUDIENCE, STATIC_SUBJECT};
use crate::suite::observed::StepObserved;
use crate::suite::target::Exchange;

/// Simultaneous requests of which every order is tried; of more none is.
const MOST_TOGETHER: usize = 5;

/// What is known at one point of the run.
#[derive(Debug, Clone)]
pub struct State<'a> {
    /// The sessions by id.
    pub sessions: BTreeMap<String, Session>,
    /// The calls of the mocks.
    pub journal: Journal<'a>,
    /// Answers that have to be repeated, by caller, method, path and key: the canonical body, and the answer.
    pub kept: BTreeMap<[String; 4], Kept>,
    /// Answers to the simultaneous requests of this step that are not kept, by the same: one of equal requests runs, and the others can
    /// repeat its answer.
    pub shared: BTreeMap<[String; 4], Kept>,
    /// Whether one of equal simultaneous requests is taken to have repeated such an answer; else each ran, and was answered alike.
    pub shares: bool,
    /// Keys of requests whose body was refused: whether they count as used is not told here.
    pub vague: BTreeSet<[String; 4]>,
    /// Whether something happened after which nothing can be foreseen.
    pub lost: bool,
}

/// The answer to a request with a key.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// The canonical body without the key.
    pub sent: String,
    /// The status.
    pub status: u16,
    /// The body of the answer.
    pub body: Value,
}

/// Everything in a run that the protocol does not allow, as far as the model of it can tell.
pub fn follow(ground: &Ground<'_>) -> Vec<Surprise> {
    let (case, observed) = (ground.case, ground.observed);
    if observed.control.obstacle().is_some() || !case.extensions.is_empty() {
        return Vec::new();
    }
    let agreements: BTreeMap<&str, Arc<Agreement>> = observed
        .documents
        .iter()
        .map(|(digest, document)| (digest.as_str(), Arc::new(Agreement::new(document))))
        .collect();
    let calls = Calls {
        ground,
        agreements,
        scripts: Scripts::new(case, &observed.token, ground.capabilities.wire),
        has_access: ground.capabilities.profiles.contains(&Profile::Access),
        has_people: ground.capabilities.profiles.contains(&Profile::Human),
    };
    let mut state = State {
        sessions: BTreeMap::new(),
        journal: Journal::new(&observed.calls),
        kept: BTreeMap::new(),
        shared: BTreeMap::new(),
        shares: true,
        vague: BTreeSet::new(),
        lost: !observed.strays.is_empty(),
    };
    let mut surprises = Vec::new();
    for (index, (step, taken)) in case.steps.iter().zip(&observed.steps).enumerate() {
        if state.lost {
            return surprises;
        }
        if matches!(
            step.stimulus,
            Stimulus::Advance(_) | Stimulus::Calibrate(_) | Stimulus::Processor(_)
        ) {
            // Time that passed can have ended anything.
            return surprises;
        }
        let place = step.place(index);
        state.journal.begin(taken.calls);
        state.shared.clear();
        surprises.extend(group(&calls, &mut state, index, &place, step, taken));
        if taken.calls.is_some() {
            surprises.extend(stray(&state, Some(index)));
            state.journal.over();
        }
    }
    if observed.stop.is_none() && observed.harness.is_none() {
        state.journal.begin(None);
        surprises.extend(stray(&state, None));
    }
    surprises
}

/// The first call that nothing stands for.
fn stray(state: &State<'_>, step: Option<usize>) -> Option<Surprise> {
    if state.lost || state.journal.mixed {
        return None;
    }
    let left = state.journal.left();
    let call = left.first()?;
    let requirement = if is_model(call) { "PLN-020" } else { "PLN-015" };
    Some(elsewhere(
        requirement,
        step,
        call.service.name(),
        "",
        crate::suite::matcher::absent(),
        Value::from(format!("{} {}", call.method, call.path)),
        "is a call that no accepted plan and no step call stands for",
    ))
}

/// What one step of the case brought: one exchange, or several at the same time.
fn group<'a>(
    calls: &Calls<'_>,
    state: &mut State<'a>,
    index: usize,
    place: &str,
    step: &Step,
    taken: &StepObserved,
) -> Vec<Surprise> {
    let exchanges: &[Exchange] = &taken.exchanges;
    let users: Vec<Option<String>> = step
        .callers
        .iter()
        .map(|name| {
            subject(
                calls.ground.case,
                name.as_deref(),
                &calls.ground.observed.token,
            )
        })
        .collect();
    let grouped = exchanges.len() > 1;
    let mut seen = Vec::new();
    let bars = step.callers.iter().map(|name| {
        let identity = calls
            .ground
            .case
            .access
            .get(name.as_deref().unwrap_or("user"));
        identity.filter(|_| calls.has_access).and_then(barred)
    });
    for ((exchange, user), barred) in exchanges.iter().zip(&users).zip(bars) {
        let Some(answer) = exchange.answer() else {
            state.lost = true;
            return Vec::new();
        };
        let rival = exchanges.iter().any(|other| {
            !std::ptr::eq(other, exchange)
                && own(&other.request.path) == own(&exchange.request.path)
        });
        let contested = exchanges.iter().zip(&users).any(|(other, its)| {
            let other = (&other.request, its.as_deref());
            contest((&exchange.request, user.as_deref()), other)
        });
        seen.push(Seen {
            step: index,
            place,
            caller: user.as_deref(),
            barred,
            exchange,
            answer,
            grouped,
            rival,
            contested,
        });
    }
    if !grouped {
        return seen
            .iter()
            .flat_map(|seen| calls.exchange(state, seen))
            .collect();
    }
    // Whose call to the model, or of a service, is whose cannot be told of two sessions that look alike, nor of one beside a workflow.
    let stepped: BTreeSet<&str> = exchanges
        .iter()
        .filter(|exchange| exchange.request.method == "POST")
        .filter_map(|exchange| own(&exchange.request.path))
        .collect();
    let has_workflow = exchanges
        .iter()
        .any(|exchange| exchange.request.path == "/execute");
    if exchanges.len() > MOST_TOGETHER || stepped.len() > 1 || (has_workflow && !stepped.is_empty())
    {
        state.journal.mixed = true;
        for id in stepped {
            if let Some(session) = state.sessions.get_mut(id) {
                session.lost = true;
            }
        }
        for (exchange, user) in exchanges.iter().zip(&users) {
            state
                .vague
                .extend(names(&exchange.request, user.as_deref()));
        }
        let safe = |seen: &&Seen<'_>| {
            own(&seen.exchange.request.path).is_none_or(|id| !state.sessions.contains_key(id))
        };
        let rest: Vec<Seen<'_>> = seen.iter().filter(safe).copied().collect();
        if rest
            .iter()
            .any(|seen| seen.exchange.request.path == "/sessions")
        {
            state.lost = true;
            return Vec::new();
        }
        return rest
            .iter()
            .flat_map(|seen| calls.exchange(state, seen))
            .collect();
    }
    state.journal.mixed |= stepped.is_empty();
    let mut first: Vec<usize> = (0..seen.len()).collect();
    first.sort_by_key(|index| seen[*index].exchange.answered);
    let mut best: Option<(Vec<Surprise>, State<'a>)> = None;
    let all = orders(&first);
    let ways = [true, false].into_iter();
    for (shares, order) in ways.flat_map(|shares| all.iter().map(move |order| (shares, order))) {
        let mut after = state.clone();
        after.shares = shares;
        let found: Vec<Surprise> = order
            .iter()
            .flat_map(|index| calls.exchange(&mut after, &seen[*index]))
            .collect();
        // An order that explains everything is better than one in which a session is followed no more.
        let rank = |found: &Vec<Surprise>, after: &State<'_>| {
            let left = taken.calls.and_then(|_| stray(after, None)).is_some();
            (found.len() + usize::from(left), followed_no_more(after))
        };
        let is_better = best
            .as_ref()
            .is_none_or(|(least, then)| rank(&found, &after) < rank(least, then));
        if is_better {
            let is_it = rank(&found, &after) == (0, followed_no_more(state));
            best = Some((found, after));
            if is_it {
                break;
            }
        }
    }
    let Some((mut found, after)) = best else {
        return Vec::new();
    };
    // Which calls to the model were those of a session that is followed no more cannot be told from those of the others.
    let lost = followed_no_more(&after) > followed_no_more(state);
    *state = after;
    state.lost |= lost && state.sessions.len() > 1 && taken.calls.is_none();
    for surprise in &mut found {
        surprise.message = format!(
            "{}; no order of the simultaneous calls explains it",
            surprise.message
        );
    }
    found
}

/// How many sessions are followed no more.
fn followed_no_more(state: &State<'_>) -> usize {
    state
        .sessions
        .values()
        .filter(|session| session.lost)
        .count()
}

/// The session that a path is about.
pub(super) fn own(path: &str) -> Option<&str> {
    let path = path.split('?').next()?;
    let mut segments = path.strip_prefix("/sessions/")?.split('/');
    segments.next()
}

/// Every order of these, the given one first.
fn orders(first: &[usize]) -> Vec<Vec<usize>> {
    match first {
        [] => vec![Vec::new()],
        _ => (0..first.len())
            .flat_map(|at| {
                let mut rest = first.to_vec();
                let head = rest.remove(at);
                orders(&rest).into_iter().map(move |mut tail| {
                    tail.insert(0, head);
                    tail
                })
            })
            .collect(),
    }
}

/// The subject of a caller; `None`: its token is a bad one, or none.
fn subject(case: &Case, name: Option<&str>, token: &str) -> Option<String> {
    let plain = Identity::default();
    let identity = case.access.get(name.unwrap_or("user")).unwrap_or(&plain);
    let odd = identity.none
        || identity.raw.is_some()
        || !identity.claims.is_empty()
        || !identity.header.is_empty()
        || !matches!(identity.sign, Signer::Hs256 | Signer::Ed25519);
    if odd {
        return None;
    }
    if identity.table {
        return Some(STATIC_SUBJECT.to_owned());
    }
    let user = identity.user.as_deref().unwrap_or("U-${token}");
    Some(user.replace("${token}", token))
}

/// The rule by which a token is none, where it certainly is none (`spec/access.md`, section 1).
fn barred(identity: &Identity) -> Option<&'static str> {
    let is_basic = |raw: &String| raw.starts_with("Basic ");
    if identity.none || identity.raw.as_ref().is_some_and(is_basic) {
        return Some("ACC-001");
    }
    if identity.raw.is_some() || identity.table || !identity.header.is_empty() {
        return None;
    }
    match identity.sign {
        Signer::None | Signer::Hs256WithPublicKey => return Some("ACC-003"),
        Signer::WrongKey => return Some("ACC-004"),
        _ => {}
    }
    let seconds = |claim: &str| identity.claims.get(claim).and_then(Value::as_i64);
    let audience = identity.claims.get("aud").and_then(Value::as_str);
    if seconds("exp").is_some_and(|exp| exp < -60) {
        Some("ACC-005")
    } else if seconds("nbf").is_some_and(|nbf| nbf > 60) {
        Some("ACC-006")
    } else {
        audience
            .is_some_and(|audience| audience != AUDIENCE)
            .then_some("ACC-007")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::target::HttpRequest;

    #[test]
    fn every_order_is_tried_once() {
        let all = orders(&[2, 0, 1]);
        assert_eq!(all.len(), 6);
        assert_eq!(all[0], [2, 0, 1]);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 6);
    }

    #[test]
    fn a_key_is_contested_by_another_body_only() {
        let sent = |key: Option<&str>, body: Value| {
            let mut request = HttpRequest::new("POST", "/sessions/a/step").json(&body);
            let header = key.map(|key| ("Idempotency-Key".to_owned(), key.to_owned()));
            request.headers.extend(header);
            request
        };
        let plain = sent(Some("k"), serde_json::json!({}));
        let with = |other: &HttpRequest| contest((&plain, Some("U")), (other, Some("U")));
        assert!(with(&sent(
            None,
            serde_json::json!({"requestId": "k", "note": 1})
        )));
        assert!(!with(&sent(None, serde_json::json!({"requestId": "k"}))));
        assert!(!with(&sent(Some("l"), serde_json::json!({"note": 1}))));
        assert!(!contest(
            (&plain, Some("U")),
            (&sent(Some("k"), serde_json::json!([])), Some("V"))
        ));
    }

    #[test]
    fn a_token_that_is_none_is_known_by_its_rule() {
        for (identity, rule) in [
            (serde_json::json!({"none": true}), Some("ACC-001")),
            (serde_json::json!({"raw": "Basic eA=="}), Some("ACC-001")),
            (serde_json::json!({"sign": "none"}), Some("ACC-003")),
            (serde_json::json!({"sign": "wrong_key"}), Some("ACC-004")),
            (serde_json::json!({"claims": {"exp": -61}}), Some("ACC-005")),
            (serde_json::json!({"claims": {"exp": -30}}), None),
            (serde_json::json!({"claims": {"nbf": 61}}), Some("ACC-006")),
            (serde_json::json!({"claims": {"aud": "x"}}), Some("ACC-007")),
            (serde_json::json!({"user": "B"}), None),
        ] {
            let read: Identity = serde_json::from_value(identity).expect("an identity");
            assert_eq!(barred(&read), rule, "{read:?}");
        }
    }

    #[test]
    fn paths_name_their_session() {
        assert_eq!(own("/sessions/abc/step?x=1"), Some("abc"));
        assert_eq!(own("/sessions/abc"), Some("abc"));
        assert_eq!(own("/sessions"), None);
    }
}
