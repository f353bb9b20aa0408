//! How a service behaves when an action calls it.

use proptest::prelude::*;
use serde_json::json;

use super::{Brief, Feature};
use crate::fuzz::world::{Reply, Shape};

/// `timeout_ms` of an action whose service is slow.
pub(super) const SHORT_MS: u64 = 250;

/// How late a late answer is: later than any action waits that has it.
const LATE_MS: u64 = 700;

/// Longest reply that is read (`spec/actions.md`, 3.4), and one more.
const TOO_BIG: usize = (1 << 20) + 1;

/// The answers of a service, in order.
pub(super) fn replies(brief: &Brief, output: &Shape) -> BoxedStrategy<Vec<Reply>> {
    prop::collection::vec(reply(brief, output), 0..4).boxed()
}

/// Whether one of the answers is later than an action with [`SHORT_MS`] waits.
pub(super) fn is_slow(replies: &[Reply]) -> bool {
    replies
        .iter()
        .any(|reply| matches!(reply, Reply::Late(_) | Reply::Fault("timeout")))
}

fn reply(brief: &Brief, output: &Shape) -> BoxedStrategy<Reply> {
    let good = prop::sample::select(output.good.clone()).prop_map(|value| Reply::Json(200, value));
    let bad = if output.bad.is_empty() {
        good.clone().boxed()
    } else {
        prop::sample::select(output.bad.clone())
            .prop_map(|value| Reply::Json(200, value))
            .boxed()
    };
    let first = output.first();
    let failures = prop::sample::select(vec![
        Reply::Json(400, json!({"error": "no"})),
        Reply::Json(404, first.clone()),
        Reply::Json(408, json!({})),
        Reply::Json(409, first),
        Reply::Empty(429),
        Reply::Json(500, json!({"error": "busy"})),
        Reply::Text("<h1>down</h1>".to_owned()),
        Reply::Empty(503),
    ]);
    let no_json = prop::sample::select(vec![
        Reply::Text("no json".to_owned()),
        Reply::Text("{\"p\": NaN}".to_owned()),
        Reply::Text("{\"p\": 1} {\"p\": 2}".to_owned()),
        Reply::Empty(200),
        Reply::Empty(204),
        Reply::Big(TOO_BIG),
    ]);
    let broken = prop::sample::select(vec![Reply::Fault("disconnect"), Reply::Fault("truncated")]);
    let slow = prop::sample::select(vec![Reply::Late(LATE_MS), Reply::Fault("timeout")]);
    let redirects = prop::sample::select(vec![
        Reply::Redirect(302, None),
        Reply::Redirect(307, None),
        Reply::Redirect(302, Some("crm")),
        Reply::Redirect(308, Some("email")),
    ]);
    let echo = prop::sample::select(vec!["", ":base64", ":base64url", ":percent", ":json"])
        .prop_map(Reply::Echo);
    prop_oneof![
        4 => good,
        brief.weight(Feature::InvalidOutputs, 4) => bad,
        brief.weight(Feature::Failures, 3) => failures,
        brief.weight(Feature::NoJson, 2) => no_json,
        brief.weight(Feature::Broken, 2) => broken,
        brief.weight(Feature::Slow, 1) => slow,
        brief.weight(Feature::Redirects, 3) => redirects,
        brief.weight(Feature::Echo, 3) => echo,
    ]
    .boxed()
}
