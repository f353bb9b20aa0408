//! Limits: what ends a run, and what must not.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{
    FailureCode, Job, Language, done_after, failure, generate, job, module, result, run, wat,
};

const CPU: Duration = Duration::from_millis(200);

/// Runs something without an end, and looks at what it used.
fn ends_for_its_processor_time(job: Job, what: &str) {
    let finished = run(job);
    let failure = finished.outcome.expect_err(what);
    assert_eq!(
        failure.code,
        FailureCode::CpuLimit,
        "{what}: {}",
        failure.message
    );
    assert!(finished.cpu >= CPU, "{what}: {:?}", finished.cpu);
    // SBX 3.2.
    assert!(
        finished.cpu <= Duration::from_millis(300),
        "{what}: {:?}",
        finished.cpu
    );
}

#[test]
fn a_loop_ends() {
    ends_for_its_processor_time(module(&generate("(loop $l (br $l)) unreachable")), "loop");
}

#[test]
fn a_loop_before_the_call_ends() {
    let start = "(func $boot (loop $l (br $l))) (start $boot)";
    let body = format!("{start} {}", generate("(i64.const 0)"));
    ends_for_its_processor_time(module(&body), "start");
    let body = format!(
        "(func (export \"_initialize\") (loop $l (br $l))) {}",
        generate("(i64.const 0)")
    );
    ends_for_its_processor_time(module(&body), "_initialize");
    let code = format!(
        "(module (memory (export \"memory\") 1)
           (func (export \"oap_alloc\") (param i32) (result i32) (loop $l (br $l)) unreachable)
           {})",
        generate("(i64.const 0)")
    );
    ends_for_its_processor_time(job(Language::Wasm, &code, json!({})), "oap_alloc");
}

#[test]
fn long_instructions_and_calls_of_the_host_in_a_loop_end() {
    for (name, types, call) in [
        ("sched_yield", "(result i32)", "(call $f)"),
        (
            "random_get",
            "(param i32 i32) (result i32)",
            "(call $f (i32.const 0) (i32.const 4194304))",
        ),
        (
            "fd_write",
            "(param i32 i32 i32 i32) (result i32)",
            "(call $f (i32.const 2) (i32.const 32) (i32.const 1) (i32.const 40))",
        ),
        (
            "poll_oneoff",
            "(param i32 i32 i32 i32) (result i32)",
            "(call $f (i32.const 4096) (i32.const 8192) (i32.const 1) (i32.const 40))",
        ),
    ] {
        // At 32 an iovec of 32 MiB; at 4096, all zero, a subscription to a clock.
        let body = format!(
            "(import \"wasi_snapshot_preview1\" \"{name}\" (func $f {types}))
             {}",
            generate(&format!(
                "(i32.store (i32.const 32) (i32.const 65536)) (i32.store (i32.const 36) (i32.const 33554432))
                 (loop $l (drop {call}) (br $l)) unreachable"
            ))
        );
        let job = job(Language::Wasm, &wat(600, &body), json!({}));
        ends_for_its_processor_time(job, name);
    }
    let body = generate(
        "(loop $l
           (memory.fill (i32.const 0) (i32.const 1) (i32.const 33554432))
           (memory.copy (i32.const 1) (i32.const 0) (i32.const 33554431))
           (br $l)) unreachable",
    );
    ends_for_its_processor_time(
        job(Language::Wasm, &wat(600, &body), json!({})),
        "memory.fill",
    );
}

#[test]
fn a_lower_limit_ends_earlier() {
    let mut job = module(&generate("(loop $l (br $l)) unreachable"));
    job.limits.cpu = Duration::from_millis(50);
    let finished = run(job);
    assert_eq!(
        finished.outcome.map_err(|failure| failure.code),
        Err(FailureCode::CpuLimit)
    );
    assert!(finished.cpu >= Duration::from_millis(50));
    assert!(
        finished.cpu < Duration::from_millis(125),
        "{:?}",
        finished.cpu
    );
}

#[test]
fn real_time_has_a_limit_too() {
    let mut job = module(&generate("(loop $l (br $l)) unreachable"));
    job.limits.cpu = Duration::from_secs(3600);
    job.limits.wall = Duration::from_millis(100);
    let (code, message) = failure(job);
    assert_eq!(code, FailureCode::Error);
    assert!(message.contains("0.1 s"), "{message}");
}

#[test]
fn sleeping_costs_nothing() {
    // A subscription at 4096: clock 1 (monotonic), a day.
    let body = format!(
        "(import \"wasi_snapshot_preview1\" \"poll_oneoff\" (func $poll (param i32 i32 i32 i32) (result i32)))
         {}",
        done_after(
            "(i32.store (i32.const 4112) (i32.const 1))
             (i64.store (i32.const 4120) (i64.const 86400000000000))
             (drop (call $poll (i32.const 4096) (i32.const 8192) (i32.const 1) (i32.const 40)))"
        )
    );
    let started = Instant::now();
    let finished = run(module(&body));
    assert_eq!(finished.outcome.expect("it succeeds"), json!("done"));
    assert!(finished.cpu < CPU);
    assert!(started.elapsed() < Duration::from_secs(30));
}

/// Grows the memory to `pages`, touches the last byte, and traps when that is refused.
fn grows_to(pages: u32) -> String {
    done_after(&format!(
        "(if (i32.eq (memory.grow (i32.const {})) (i32.const -1)) (then unreachable))
         (i32.store8 (i32.const {}) (i32.const 1))",
        pages - 2,
        pages * 65536 - 1,
    ))
}

#[test]
fn sixty_four_mebibytes_are_exact() {
    let finished = run(module(&grows_to(1024)));
    assert_eq!(finished.outcome.expect("it succeeds"), json!("done"));
    assert_eq!(finished.memory, 64 * 1024 * 1024);
    let finished = run(module(&grows_to(1025)));
    assert_eq!(
        finished.outcome.map_err(|failure| failure.code),
        Err(FailureCode::MemoryLimit)
    );
    assert_eq!(finished.memory, 2 * 65536);
}

#[test]
fn what_a_module_begins_with_counts() {
    let done = done_after("");
    assert_eq!(
        result(job(Language::Wasm, &wat(1024, &done), json!({}))),
        json!("done")
    );
    for pages in [1025, 16_384, 16_385, 65_536] {
        let (code, _) = failure(job(Language::Wasm, &wat(pages, &done), json!({})));
        assert_eq!(code, FailureCode::MemoryLimit, "{pages}");
    }
}

#[test]
fn who_gets_by_without_the_memory_succeeds() {
    let body = done_after(
        "(if (i32.ne (memory.grow (i32.const 65000)) (i32.const -1)) (then unreachable))
         (drop (memory.grow (i32.const 65536)))",
    );
    assert_eq!(result(module(&body)), json!("done"));
}

#[test]
fn a_lower_memory_limit_holds() {
    let mut small = module(&grows_to(17));
    small.limits.memory = 1024 * 1024;
    let (code, message) = failure(small);
    assert_eq!(code, FailureCode::MemoryLimit);
    assert!(message.contains("1 MiB"), "{message}");
    let mut small = module(&grows_to(16));
    small.limits.memory = 1024 * 1024;
    assert_eq!(result(small), json!("done"));
}

#[test]
fn tables_are_memory_too() {
    let body = format!(
        "(table $t 1 funcref) {}",
        done_after(
            "(if (i32.ne (table.grow $t (ref.null func) (i32.const 100000)) (i32.const -1)) (then unreachable))
             (if (i32.eq (table.grow $t (ref.null func) (i32.const 9999)) (i32.const -1)) (then unreachable))"
        )
    );
    assert_eq!(result(module(&body)), json!("done"));
}

#[test]
fn recursion_ends() {
    let body = format!(
        "(func $down (param i32) (result i32) (i32.add (call $down (local.get 0)) (i32.const 1))) {}",
        done_after("(drop (call $down (i32.const 0)))")
    );
    let (code, message) = failure(module(&body));
    assert_eq!(code, FailureCode::Error);
    assert!(message.contains("too deeply"), "{message}");
}

#[test]
fn a_result_may_have_a_mebibyte() {
    let long = |bytes: u32| {
        let body = generate(&format!(
            "(memory.fill (i32.const 0) (i32.const 120) (i32.const {bytes}))
             (i32.store8 (i32.const 0) (i32.const 34)) (i32.store8 (i32.const {}) (i32.const 34))
             (i64.const {bytes})",
            bytes - 1
        ));
        job(Language::Wasm, &wat(20, &body), json!({}))
    };
    let longest = 1024 * 1024;
    assert_eq!(
        result(long(longest)).as_str().map(str::len),
        Some(longest as usize - 2)
    );
    assert_eq!(failure(long(longest + 1)).0, FailureCode::OutputLimit);
}
