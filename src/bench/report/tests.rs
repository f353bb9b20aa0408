use super::*;
use crate::bench::compare;
use crate::bench::schedule::Spread;
use crate::bench::tally::Slice;
use crate::bench::terms::Rate;
use std::time::Instant;

const HOSTILE: &str = "<img src=x onerror=alert(1)>|\u{1b}[31m";

fn plan() -> Plan {
    Plan {
        workloads: vec![(Workload::Step, 1)],
        rate: Rate::Fixed(100.0),
        time: Duration::from_secs(1),
        warm_up: Duration::ZERO,
        slices: 2,
        spread: Spread::Even,
        seed: 1,
        salt: 1,
        connections: 4,
        most_outstanding: 16,
        error_budget: 0.01,
        fail_above: Vec::new(),
        hold: Vec::new(),
        timeout: Duration::from_secs(1),
        command: "oap-conform bench".to_owned(),
    }
}

fn contender(name: &str, right: u64, wrong: u64, errors: u64) -> ContenderReport {
    let slice = Slice::new(
        Instant::now(),
        Duration::from_secs(1),
        Duration::from_secs(2),
        &[Workload::Step],
    )
    .expect("a slice");
    for number in 0..right {
        let due = slice.begun + Duration::from_millis(number);
        slice.is_due(Workload::Step, due);
        slice.is_right(Workload::Step, due, due + Duration::from_millis(2));
    }
    (0..wrong).for_each(|_| slice.is_wrong(HOSTILE));
    for _ in 0..errors {
        slice.is_due(Workload::Step, slice.begun);
        slice.is_error(Workload::Step, slice.begun, "answered 503");
    }
    let tally = slice.tally();
    let one = SliceReport::of(&tally, slice.time, (100.0, 100.0), Usage::default(), None);
    ContenderReport {
        totals: Totals {
            time_s: 1.0,
            due: tally.due,
            right,
            wrong,
            errors,
            rate_due: tally.due as f64,
            rate_achieved: right as f64,
            latency: tally.latency(),
            ..Totals::default()
        },
        skipped: None,
        curve: tally.curve(),
        windows: vec![(100.0, 99.0), (100.0, 101.0)],
        slices: vec![one.clone(), one],
        faults: tally.faults.clone(),
        reasons: tally.reasons.clone(),
        ..ContenderReport::skipped(name, "http://127.0.0.1:1", String::new())
    }
}

fn outcome(plan: &Plan, contenders: Vec<ContenderReport>) -> Outcome {
    let comparisons = vec![Comparison {
        contender: "b".to_owned(),
        base: "a".to_owned(),
        p50: compare::ratio(&[2.0, 2.0], &[1.0, 1.0], 1),
        p99: None,
        throughput: None,
        knee: None,
    }];
    let workloads = plan.workloads.clone();
    Outcome::new(
        plan,
        workloads,
        contenders,
        comparisons,
        Vec::new(),
        Duration::from_secs(2),
    )
}

#[test]
fn the_exit_code_says_what_came_of_it() {
    let plan = plan();
    let code = |contenders: Vec<ContenderReport>| outcome(&plan, contenders).exit_code;
    assert_eq!(
        code(vec![contender("a", 100, 0, 1)]),
        0,
        "within the budget"
    );
    assert_eq!(code(vec![contender("a", 100, 0, 5)]), 1, "beyond it");
    assert_eq!(code(vec![contender("a", 100, 1, 0)]), 1, "a wrong answer");
    assert_eq!(
        code(vec![contender("a", 0, 1, 0)]),
        1,
        "nothing but wrong answers"
    );
    assert_eq!(code(vec![contender("a", 0, 0, 50)]), 4, "no answer");
    assert_eq!(
        code(vec![contender("a", 100, 0, 0), contender("b", 0, 0, 9)]),
        4
    );
    let skipped = || ContenderReport::skipped("c", "http://127.0.0.1:1", "why".to_owned());
    assert_eq!(code(vec![skipped()]), 4, "nobody was loaded");
    assert_eq!(code(vec![skipped(), contender("a", 100, 0, 0)]), 0);
    let strict = Plan {
        fail_above: vec!["p99=1ms".parse().expect("a bound")],
        ..plan.clone()
    };
    let failed = outcome(&strict, vec![contender("a", 100, 0, 0)]);
    assert_eq!(failed.exit_code, 1);
    assert!(
        failed.failures[0].contains("above p99=1ms"),
        "{:?}",
        failed.failures
    );
    let lax = Plan {
        fail_above: vec!["p99=3ms".parse().expect("a bound")],
        ..plan.clone()
    };
    assert_eq!(outcome(&lax, vec![contender("a", 100, 0, 0)]).exit_code, 0);
}

#[test]
fn nothing_of_a_target_is_more_than_text_in_any_report() {
    let outcome = outcome(
        &plan(),
        vec![contender(HOSTILE, 100, 3, 0), contender("b", 100, 0, 0)],
    );
    let html = outcome.html().expect("a page");
    assert!(!html.contains("<img") && !html.contains('\u{1b}') && !html.contains("<script"));
    assert!(html.contains("&lt;img") && html.matches("<svg").count() == 2);
    assert!(html.contains("default-src &#x27;none&#x27;") || html.contains("default-src 'none'"));
    let markdown = outcome.markdown();
    assert!(!markdown.contains("<img") && !markdown.contains('\u{1b}'));
    let row = markdown
        .lines()
        .find(|line| line.contains("&lt;img"))
        .expect("a row");
    assert_eq!(
        row.replace("\\|", "").matches('|').count(),
        text::HEADS.len() + 1,
        "{row}"
    );
    let text = outcome.text();
    assert!(
        !text.contains('\u{1b}') && text.contains("WRONG, 3 times"),
        "{text}"
    );
}

#[test]
fn figures_that_cannot_be_seen_are_dashes() {
    let outcome = outcome(&plan(), vec![contender("a", 100, 0, 0)]);
    let text = outcome.text();
    let row = text
        .lines()
        .find(|line| line.starts_with("a "))
        .expect("a row");
    assert!(row.trim_end().ends_with('-'), "{row}");
    assert!(
        text.contains("2.00 (an interval takes 6 slices or more)")
            && text.contains("every answer was right"),
        "{text}"
    );
    let value = serde_json::to_value(&outcome).expect("JSON");
    assert!(value["contenders"][0]["totals"]["memory_bytes"].is_null());
    assert_eq!(value["contenders"][0]["totals"]["latency"]["count"], 100);
}

#[test]
fn errors_within_the_budget_are_told_and_a_workload_without_success_fails() {
    let plan = Plan {
        error_budget: 0.5,
        ..plan()
    };
    let within = outcome(&plan, vec![contender("a", 100, 0, 2)]);
    assert_eq!(within.exit_code, 0);
    assert!(
        within
            .text()
            .contains("no answer was wrong; 2 of 102 arrivals came to none"),
        "{}",
        within.text()
    );
    let mut one = contender("a", 100, 0, 2);
    one.by_workload = vec![OfWorkload {
        workload: "meetbot",
        due: 2,
        right: 0,
        latency: Latency::default(),
    }];
    let without = outcome(&plan, vec![one]);
    assert_eq!(without.exit_code, 1);
    assert!(
        without.failures[0].contains("meetbot"),
        "{:?}",
        without.failures
    );
}
