//! Turns, cancelling, and what must not cost a worker.

use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::time::Duration;

use serde_json::json;

use super::super::queue::Turns;
use super::{
    Cancel, FailureCode, Job, PATIENCE, Sandbox, Settings, code, done_after, door, empty_reply,
    generate, module, run_in,
};

const IMPORT: &str = "(import \"oap\" \"http\" (func $http (param i32 i32) (result i64)))";

fn sandbox(workers: usize) -> Sandbox {
    Sandbox::start(Settings {
        workers,
        waiting: 100,
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

#[test]
fn turns_go_round_the_keys() {
    let mut turns = Turns::new();
    for (key, task) in [("a", 1), ("a", 2), ("a", 3), ("b", 4), ("c", 5), ("b", 6)] {
        turns.push(key, task);
    }
    assert_eq!(turns.waiting(), 6);
    let mut order = Vec::new();
    while let Some((key, task)) = turns.next(1) {
        turns.finished(&key);
        order.push(task);
    }
    assert_eq!(order, [1, 4, 5, 2, 6, 3]);
    assert_eq!(turns.waiting(), 0);
}

#[test]
fn a_key_has_so_many_running_and_no_more() {
    let mut turns = Turns::new();
    for (key, task) in [("a", 1), ("a", 2), ("a", 3), ("b", 4)] {
        turns.push(key, task);
    }
    let mut next = || turns.next(2).map(|(_, task)| task);
    assert_eq!(
        [next(), next(), next(), next()],
        [Some(1), Some(4), Some(2), None]
    );
    turns.finished("a");
    assert_eq!(turns.next(2), Some(("a".to_owned(), 3)));
    assert_eq!(turns.next(2), None);
}

proptest::proptest! {
    #[test]
    fn turns_are_in_order_and_nobody_is_left_out(
        steps in proptest::collection::vec((0_usize..4, proptest::bool::ANY), 0..60),
        most in 1_usize..4,
    ) {
        let keys = ["a", "b", "c", "d"];
        let mut turns = Turns::new();
        let mut running: Vec<String> = Vec::new();
        let mut last = [None; 4];
        let (mut pushed, mut taken) = (0, 0);
        for (step, (key, push)) in steps.into_iter().enumerate() {
            if push {
                turns.push(keys[key], (key, step));
                pushed += 1;
            } else if let Some((name, (key, task))) = turns.next(most) {
                proptest::prop_assert_eq!(&name, keys[key]);
                proptest::prop_assert!(last[key] < Some(task));
                last[key] = Some(task);
                taken += 1;
                running.push(name.clone());
                let many = running.iter().filter(|one| **one == name).count();
                proptest::prop_assert!(many <= most);
            } else if let Some(name) = running.pop() {
                turns.finished(&name);
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
                None => turns.finished(&running.pop().expect("somebody holds the turn")),
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
        sandbox.submit(&format!("small {n}"), quick(), move |finished| {
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
    assert_eq!(failure.message, "the sandbox is busy; try again");
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
