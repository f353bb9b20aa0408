//! Turns, cancelling, and what must not cost a worker.

use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::time::Duration;

use serde_json::json;

use super::super::queue::{QueueKey, Ran, Turns};
use super::{
    Cancel, FailureCode, Job, PATIENCE, Sandbox, Settings, code, done_after, door, empty_reply,
    generate, module, run_in,
};

const IMPORT: &str = "(import \"oap\" \"http\" (func $http (param i32 i32) (result i64)))";

fn sandbox(workers: usize) -> Sandbox {
    Sandbox::start(Settings {
        workers,
        waiting: 100,
        ..Settings::default()
    })
}

fn quick() -> Job {
    module(&done_after(""))
}

/// A job that is in its door until the barrier opens, and whose door tells that it is there.
fn held(barrier: &Arc<Barrier>) -> (Job, mpsc::Receiver<()>) {
    let (sender, there) = mpsc::channel();
    let barrier = Arc::clone(barrier);
    let mut job = asks_and_then("");
    job.door = door(move |_| {
        let _ = sender.send(());
        barrier.wait();
        Ok(empty_reply())
    });
    (job, there)
}

fn asks_and_then(instructions: &str) -> Job {
    module(&format!(
        "{IMPORT}
         (data (i32.const 65536) \"{{\\22method\\22:\\22GET\\22,\\22url\\22:\\22http://a.example/\\22}}\") {}",
        done_after(&format!(
            "(drop (call $http (i32.const 65536) (i32.const 42))) {instructions}"
        ))
    ))
}

fn path(names: &str) -> QueueKey {
    QueueKey::new(names.split('/').map(str::to_owned))
}

#[test]
fn turns_go_round_the_keys() {
    let mut turns = Turns::new();
    for (key, task) in [("a", 1), ("a", 2), ("a", 3), ("b", 4), ("c", 5), ("b", 6)] {
        turns.push(&path(key), task);
    }
    assert_eq!(turns.waiting(), 6);
    let mut order = Vec::new();
    while let Some((key, task)) = turns.next(1) {
        turns.finished(&key, Ran::InTime);
        order.push(task);
    }
    assert_eq!(order, [1, 4, 5, 2, 6, 3]);
    assert_eq!(turns.waiting(), 0);
}

#[test]
fn however_many_there_are_below_a_key_it_has_one_turn() {
    let mut turns = Turns::new();
    for call in 0..40 {
        turns.push(&path(&format!("attacker/spin/{call}")), "spin");
    }
    turns.push(&path("attacker/other/1"), "its other action");
    turns.push(&path("victim/small/1"), "victim");
    let mut order = Vec::new();
    while let Some((key, task)) = turns.next(1) {
        turns.finished(&key, Ran::InTime);
        order.push(task);
    }
    assert_eq!(order.len(), 42);
    assert_eq!(order[..3], ["spin", "victim", "its other action"]);
}

#[test]
fn each_narrower_key_leaves_one_place_more() {
    let mut turns = Turns::new();
    for call in 0..9 {
        turns.push(&path(&format!("attacker/spin/{call}")), "spin");
    }
    let mut running = Vec::new();
    while let Some((key, _)) = turns.next(3) {
        running.push(key);
    }
    assert_eq!(running.len(), 2, "one action leaves a place to the others");
    turns.push(&path("attacker/small/1"), "small");
    assert_eq!(turns.next(3).map(|(_, task)| task), Some("small"));
    turns.push(&path("attacker/tiny/1"), "tiny");
    assert_eq!(turns.next(3), None, "and a caller to the other callers");
    turns.push(&path("victim/small/1"), "victim");
    assert_eq!(turns.next(3).map(|(_, task)| task), Some("victim"));
    for key in running {
        turns.finished(&key, Ran::TooLong);
    }
    assert_eq!(turns.next(3).map(|(_, task)| task), Some("tiny"));
}

#[test]
fn who_met_the_limit_goes_behind_the_others_but_not_for_ever() {
    let mut turns = Turns::new();
    for key in ["slow", "a"] {
        turns.push(&path(key), key.to_owned());
        let (key, _) = turns.next(1).expect("its turn");
        let slow = key == path("slow");
        turns.finished(&key, if slow { Ran::TooLong } else { Ran::InTime });
    }
    turns.push(&path("slow"), "slow 1".to_owned());
    turns.push(&path("slow"), "slow 2".to_owned());
    for n in 0..9 {
        turns.push(&path(&format!("key {n}")), n.to_string());
    }
    let mut order = Vec::new();
    while let Some((key, task)) = turns.next(1) {
        // What did not run says nothing about the key.
        turns.finished(&key, Ran::Not);
        order.push(task);
    }
    assert_eq!(
        order,
        [
            "0", "1", "2", "3", "slow 1", "4", "5", "6", "7", "slow 2", "8"
        ]
    );
    turns.push(&path("slow"), "slow".to_owned());
    let (key, _) = turns.next(1).expect("its turn");
    turns.push(&path("slow"), "again".to_owned());
    turns.push(&path("other"), "other".to_owned());
    turns.finished(&key, Ran::InTime);
    let next = turns.next(1).map(|(_, task)| task);
    assert_eq!(next.as_deref(), Some("other"), "it went to the end");
}

#[test]
fn only_so_many_slow_keys_are_remembered() {
    let mut turns = Turns::new();
    for n in 0..2000 {
        let key = path(&format!("{n}"));
        turns.push(&key, n);
        let (key, _) = turns.next(1).expect("its turn");
        turns.finished(&key, Ran::TooLong);
    }
    // The first is forgotten, the last is not.
    turns.push(&path("1999"), 1);
    turns.push(&path("0"), 2);
    assert_eq!(turns.next(1).map(|(_, task)| task), Some(2));
}

#[test]
fn a_key_has_so_many_running_and_no_more() {
    let mut turns = Turns::new();
    for (key, task) in [("a", 1), ("a", 2), ("a", 3), ("b", 4)] {
        turns.push(&path(key), task);
    }
    let mut next = || turns.next(2).map(|(_, task)| task);
    assert_eq!(
        [next(), next(), next(), next()],
        [Some(1), Some(4), Some(2), None]
    );
    turns.finished(&path("a"), Ran::InTime);
    assert_eq!(turns.next(2), Some((path("a"), 3)));
    assert_eq!(turns.next(2), None);
}

proptest::proptest! {
    #[test]
    fn turns_are_in_order_and_nobody_is_left_out(
        steps in proptest::collection::vec((0_usize..6, proptest::bool::ANY, 0_usize..3), 0..60),
        most in 1_usize..4,
    ) {
        let keys = ["a/x", "a/y", "b/x", "b/y", "c/x", "d/x"].map(path);
        let ends = [Ran::InTime, Ran::TooLong, Ran::Not];
        let mut turns = Turns::new();
        let mut running: Vec<QueueKey> = Vec::new();
        let mut last = [None; 6];
        let (mut pushed, mut taken) = (0, 0);
        for (step, (key, push, end)) in steps.into_iter().enumerate() {
            if push {
                turns.push(&keys[key], (key, step));
                pushed += 1;
            } else if let Some((name, (key, task))) = turns.next(most) {
                proptest::prop_assert_eq!(&name, &keys[key]);
                proptest::prop_assert!(last[key] < Some(task));
                last[key] = Some(task);
                taken += 1;
                running.push(name.clone());
                let many = running.iter().filter(|one| **one == name).count();
                proptest::prop_assert!(many <= most.saturating_sub(1).max(1));
            } else if let Some(name) = running.pop() {
                turns.finished(&name, ends[end]);
            }
            proptest::prop_assert_eq!(turns.waiting(), pushed - taken);
        }
        while !running.is_empty() || turns.waiting() > 0 {
            match turns.next(most) {
                Some((name, (key, task))) => {
                    proptest::prop_assert!(last[key] < Some(task));
                    last[key] = Some(task);
                    running.push(name);
                }
                None => turns.finished(&running.pop().expect("somebody holds the turn"), Ran::InTime),
            }
        }
    }
}

#[test]
fn one_key_s_jobs_delay_no_other() {
    let sandbox = sandbox(1);
    let barrier = Arc::new(Barrier::new(2));
    let (job, there) = held(&barrier);
    let (sender, receiver) = mpsc::channel();
    let order = Arc::new(Mutex::new(Vec::new()));
    sandbox.submit("held", job, |_| {});
    there.recv_timeout(PATIENCE).expect("it runs");
    for (key, name) in [("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1")] {
        let (order, sender) = (Arc::clone(&order), sender.clone());
        sandbox.submit(key, quick(), move |finished| {
            assert!(finished.outcome.is_ok());
            order.lock().expect("lock").push(name);
            let _ = sender.send(());
        });
    }
    barrier.wait();
    for _ in 0..4 {
        receiver.recv_timeout(PATIENCE).expect("it runs");
    }
    assert_eq!(*order.lock().expect("lock"), ["a1", "b1", "a2", "a3"]);
}

#[test]
fn a_key_leaves_a_worker_to_the_others() {
    let sandbox = sandbox(2);
    let barrier = Arc::new(Barrier::new(2));
    let (job, there) = held(&barrier);
    let (sender, second) = mpsc::channel();
    sandbox.submit("a", job, |_| {});
    sandbox.submit("a", quick(), move |finished| {
        let _ = sender.send(finished.outcome.is_ok());
    });
    there.recv_timeout(PATIENCE).expect("it runs");
    assert_eq!(
        run_in(&sandbox, quick()).outcome.expect("it succeeds"),
        json!("done")
    );
    assert!(second.try_recv().is_err());
    barrier.wait();
    assert_eq!(second.recv_timeout(PATIENCE), Ok(true));
}

#[test]
fn runaways_delay_nobody() {
    let sandbox = sandbox(4);
    let (sender, receiver) = mpsc::channel();
    for _ in 0..6 {
        let sender = sender.clone();
        let job = module(&generate("(loop $l (br $l)) unreachable"));
        sandbox.submit("runaway", job, move |finished| {
            let _ = sender.send(code(&finished) == Some(FailureCode::CpuLimit));
        });
    }
    for n in 0..20 {
        let sender = sender.clone();
        sandbox.submit(format!("small {n}").as_str(), quick(), move |finished| {
            let _ = sender.send(finished.outcome.is_ok());
        });
    }
    for _ in 0..26 {
        assert_eq!(receiver.recv_timeout(PATIENCE), Ok(true));
    }
}

#[test]
fn what_is_cancelled_ends_soon_or_does_not_begin() {
    let sandbox = sandbox(1);
    let mut job = asks_and_then("(loop $l (br $l))");
    job.limits.cpu = Duration::from_secs(3600);
    job.limits.wall = Duration::from_secs(3600);
    let cancel = job.cancel.clone();
    // Cancelled from within the run, which then goes on in its loop.
    job.door = door(move |_| {
        cancel.cancel();
        Ok(empty_reply())
    });
    assert_eq!(code(&run_in(&sandbox, job)), Some(FailureCode::Cancelled));

    let (sender, there) = mpsc::channel();
    let mut job = asks_and_then("(loop $l (br $l))");
    job.limits.cpu = Duration::from_secs(3600);
    job.limits.wall = Duration::from_secs(3600);
    job.door = door(move |_| {
        let _ = sender.send(());
        Ok(empty_reply())
    });
    let cancel = job.cancel.clone();
    let canceller = std::thread::spawn(move || {
        there.recv_timeout(PATIENCE).expect("it runs");
        cancel.cancel();
    });
    assert_eq!(code(&run_in(&sandbox, job)), Some(FailureCode::Cancelled));
    canceller.join().expect("no panic");

    let job = quick();
    job.cancel.cancel();
    let finished = run_in(&sandbox, job);
    assert_eq!(code(&finished), Some(FailureCode::Cancelled));
    assert_eq!(finished.cpu, Duration::ZERO);
}

#[test]
fn dropping_the_last_handle_ends_everything() {
    let sandbox = sandbox(1);
    let (sender, receiver) = mpsc::channel();
    let (there, runs) = mpsc::channel();
    let mut job = asks_and_then("(loop $l (br $l))");
    job.limits.cpu = Duration::from_secs(3600);
    job.limits.wall = Duration::from_secs(3600);
    job.door = door(move |_| {
        let _ = there.send(());
        Ok(empty_reply())
    });
    for job in [job, quick(), quick()] {
        let sender = sender.clone();
        sandbox.submit("a", job, move |finished| {
            let _ = sender.send(code(&finished));
        });
    }
    let clone = sandbox.clone();
    drop(sandbox);
    runs.recv_timeout(PATIENCE).expect("it runs");
    drop(clone);
    for _ in 0..3 {
        assert_eq!(
            receiver.recv_timeout(PATIENCE),
            Ok(Some(FailureCode::Cancelled))
        );
    }
}

#[test]
fn the_last_handle_may_be_dropped_on_a_worker() {
    let sandbox = sandbox(2);
    let (sender, receiver) = mpsc::channel();
    let clone = sandbox.clone();
    sandbox.submit("a", quick(), move |finished| {
        drop(clone);
        let _ = sender.send(finished.outcome.is_ok());
    });
    drop(sandbox);
    receiver.recv_timeout(PATIENCE).expect("it ends");
}

#[test]
fn a_panic_costs_no_worker() {
    let sandbox = sandbox(1);
    let mut job = asks_and_then("");
    job.door = door(|_| panic!("a mistake in the door"));
    let failure = run_in(&sandbox, job).outcome.expect_err("it fails");
    assert_eq!(failure.code, FailureCode::Error);
    assert_eq!(failure.message, "the sandbox failed");
    sandbox.submit("a", quick(), |_| panic!("a mistake in the callback"));
    assert_eq!(
        run_in(&sandbox, quick()).outcome.expect("it succeeds"),
        json!("done")
    );
}

#[test]
fn one_too_many_is_refused_at_once() {
    let sandbox = Sandbox::start(Settings {
        workers: 1,
        waiting: 1,
        ..Settings::default()
    });
    let barrier = Arc::new(Barrier::new(2));
    let (job, there) = held(&barrier);
    sandbox.submit("a", job, |_| {});
    there.recv_timeout(PATIENCE).expect("it runs");
    let (sender, waits) = mpsc::channel();
    sandbox.submit("b", quick(), move |finished| {
        let _ = sender.send(finished.outcome.is_ok());
    });
    let failure = run_in(&sandbox, quick()).outcome.expect_err("refused");
    assert_eq!(failure.code, FailureCode::Busy);
    assert_eq!(failure.message, "the sandbox is busy; try again");
    let unchecked = sandbox.check(&quick().program, false);
    assert_eq!(unchecked.expect_err("refused").code, FailureCode::Busy);
    barrier.wait();
    assert_eq!(waits.recv_timeout(PATIENCE), Ok(true));
}

#[test]
fn a_cancelled_job_that_waits_is_told_of_in_its_turn() {
    let sandbox = sandbox(1);
    let barrier = Arc::new(Barrier::new(2));
    let (job, there) = held(&barrier);
    sandbox.submit("a", job, |_| {});
    there.recv_timeout(PATIENCE).expect("it runs");
    let cancel = Cancel::default();
    let (sender, receiver) = mpsc::channel();
    let mut waits = quick();
    waits.cancel = cancel.clone();
    sandbox.submit("a", waits, move |finished| {
        let _ = sender.send(code(&finished));
    });
    cancel.cancel();
    barrier.wait();
    assert_eq!(
        receiver.recv_timeout(PATIENCE),
        Ok(Some(FailureCode::Cancelled))
    );
}

#[test]
fn a_victim_waits_for_one_turn_of_a_caller_with_many_runaways() {
    let sandbox = sandbox(2);
    let order = Arc::new(Mutex::new(Vec::new()));
    let (sender, receiver) = mpsc::channel();
    let submit = |key: &str, name: &'static str, job: Job| {
        let (order, sender) = (Arc::clone(&order), sender.clone());
        sandbox.submit(path(key), job, move |_| {
            order.lock().expect("lock").push(name);
            let _ = sender.send(());
        });
    };
    let barrier = Arc::new(Barrier::new(2));
    let (job, there) = held(&barrier);
    submit("attacker/spin/0", "spin", job);
    there.recv_timeout(PATIENCE).expect("it runs");
    for call in 1..10 {
        let job = module(&generate("(loop $l (br $l)) unreachable"));
        submit(&format!("attacker/spin/{call}"), "spin", job);
    }
    // All that the attacker may hold is held, and yet there is a worker.
    submit("victim/small/1", "victim", quick());
    receiver.recv_timeout(PATIENCE).expect("it runs");
    assert_eq!(*order.lock().expect("lock"), ["victim"]);
    submit("attacker/small/1", "its other action", quick());
    barrier.wait();
    for _ in 0..11 {
        receiver.recv_timeout(PATIENCE).expect("it runs");
    }
    let order = order.lock().expect("lock");
    let other = order.iter().position(|name| *name == "its other action");
    // The one that was under way, and at most the one whose turn came first.
    assert!(other.is_some_and(|place| place <= 3), "{order:?}");
}

#[test]
fn a_key_holds_no_more_than_its_share() {
    let sandbox = Sandbox::start(Settings {
        workers: 6,
        waiting: 100,
        per_key: 2,
    });
    let barrier = Arc::new(Barrier::new(3));
    let mut under_way = Vec::new();
    let (sender, receiver) = mpsc::channel();
    for _ in 0..2 {
        let (job, there) = held(&barrier);
        sandbox.submit("slow", job, |_| {});
        under_way.push(there);
    }
    for there in under_way {
        there.recv_timeout(PATIENCE).expect("it runs");
    }
    sandbox.submit("slow", quick(), move |finished| {
        let _ = sender.send(finished.outcome.is_ok());
    });
    assert!(run_in(&sandbox, quick()).outcome.is_ok());
    assert!(receiver.try_recv().is_err(), "its share is used up");
    barrier.wait();
    assert_eq!(receiver.recv_timeout(PATIENCE), Ok(true));
}
