//! What a target tells its operator: seen and wrong, seen and empty, not to be seen at all.

use super::*;
use crate::suite::observed::Seen;

/// A case that looks at one kind of signal; ACT-001 is a MUST, STP-002 a SHOULD.
fn looks(requirement: &str, what: &str) -> Case {
    case(&format!(
        "id: {requirement}-told\ntitle: it is told\nrequirements: [{requirement}]\nneeds: [session]\nmanifest: none\n\
         steps:\n  - open: {{}}\nexpect:\n  {what}\n"
    ))
}

fn verdict(case: &Case, signals: Seen) -> Judgement {
    let mut observed = nothing();
    observed.steps = vec![seen("POST", "/sessions", 201, &json!({"session_id": "s"}))];
    observed.signals = signals;
    verdict_on(case, &observed)
}

/// Each kind: the expectation, what fits it, what does not, what is there where there is nothing, and its name.
fn kinds() -> Vec<(&'static str, Seen, Seen, Seen, &'static str, &'static str)> {
    let logs = |value: Value| Seen {
        logs: Some(value),
        ..Seen::default()
    };
    let spans = |value: Value| Seen {
        spans: Some(value),
        ..Seen::default()
    };
    let metrics = |value: Value| Seen {
        metrics: Some(value),
        ..Seen::default()
    };
    let collector = |value: Value| Seen {
        collector: Some(value),
        ..Seen::default()
    };
    let texts = |value: Value| Seen {
        told: Some(value),
        ..Seen::default()
    };
    vec![
        (
            "logs: {$has: {event: step}}",
            logs(json!([{"event": "step"}])),
            logs(json!([{"event": "node"}])),
            logs(json!([])),
            "logs",
            "log line",
        ),
        (
            "spans: {$has: {name: step}}",
            spans(json!([{"name": "step"}])),
            spans(json!([{"name": "node"}])),
            spans(json!([])),
            "spans",
            "span",
        ),
        (
            "metrics: {status: 200}",
            metrics(json!({"status": 200})),
            metrics(json!({"status": 500})),
            metrics(json!({"status": 404})),
            "metrics",
            "metric",
        ),
        (
            "collector: {slow_answers: 0}",
            collector(json!({"requests": 3, "slow_answers": 0})),
            collector(json!({"requests": 3, "slow_answers": 2})),
            collector(json!({"requests": 0, "slow_answers": 0})),
            "collector",
            "request to the collector",
        ),
        (
            "texts: {$has: step}",
            texts(json!(["step"])),
            texts(json!(["node"])),
            texts(json!([])),
            "texts",
            "signal",
        ),
    ]
}

#[test]
fn signals_are_judged_where_they_are() {
    for (what, good, bad, _, place, _) in kinds() {
        let case = looks("ACT-001", what);
        assert_eq!(verdict(&case, good).verdict, Verdict::Pass, "{what}");
        let judgement = verdict(&case, bad);
        assert_eq!(judgement.verdict, Verdict::Fail, "{what}");
        assert_eq!(judgement.mismatches.len(), 1, "{what}");
        assert_eq!(judgement.mismatches[0].place, place);
    }
}

#[test]
fn what_cannot_be_seen_is_not_observed() {
    for (what, _, _, _, _, name) in kinds() {
        for requirement in ["ACT-001", "STP-002"] {
            let judgement = verdict(&looks(requirement, what), Seen::default());
            assert_eq!(judgement.verdict, Verdict::NotObserved, "{what}");
            let reason = judgement.reason.expect("said");
            assert!(
                reason.starts_with(&format!("no {name} can be seen;")),
                "{reason}"
            );
        }
    }
}

#[test]
fn a_form_is_not_observed_where_there_is_nothing_and_a_wish_is_violated() {
    for (what, _, _, empty, _, name) in kinds() {
        let judgement = verdict(&looks("ACT-001", what), empty.clone());
        assert_eq!(judgement.verdict, Verdict::NotObserved, "{what}");
        assert_eq!(
            judgement.reason,
            Some(format!("no {name} of this case was seen"))
        );
        let wish = verdict(&looks("STP-002", what), empty);
        assert_ne!(wish.verdict, Verdict::NotObserved, "{what}");
    }
}

#[test]
fn the_nearest_citation_says_whether_it_is_a_wish() {
    let own = |cites: &str| {
        let case = looks(
            "ACT-001",
            &format!("logs: {{match: {{$has: {{event: step}}}}, cites: [{cites}]}}"),
        );
        let signals = Seen {
            logs: Some(json!([])),
            ..Seen::default()
        };
        verdict(&case, signals).verdict
    };
    assert_eq!(
        (own("ACT-001"), own("STP-002")),
        (Verdict::NotObserved, Verdict::Warn)
    );
}

#[test]
fn what_is_wrong_besides_unseen_signals_is_still_wrong() {
    let case = looks("ACT-001", "logs: {$has: {event: step}}");
    let with = |change: fn(&mut Observed)| {
        let mut observed = nothing();
        observed.steps = vec![seen("POST", "/sessions", 201, &json!({"session_id": "s"}))];
        change(&mut observed);
        verdict_on(&case, &observed).verdict
    };
    assert_eq!(with(|_| {}), Verdict::NotObserved);
    assert_eq!(
        with(|observed| observed.ended = Some("ended by signal 11")),
        Verdict::Fail
    );
    assert_eq!(
        with(|observed| {
            observed.control.problem = Some(ControlProblem {
                soft: true,
                message: "wrong digest".into(),
            });
        }),
        Verdict::SetupFailed
    );
}
