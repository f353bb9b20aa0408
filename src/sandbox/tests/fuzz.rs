//! Mutated modules and results: nothing that a stranger sends makes the sandbox panic, hang or believe what is not so.
//!
//! An ordinary test run tries some hundred. `OAP_FUZZ_SECONDS=600 cargo test --release --lib sandbox::tests::fuzz` goes on for that
//! long; each failure prints the seed that repeats it (`OAP_FUZZ_SEED`).

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::{intake, reply};
use super::{Language, Limits, Sandbox, Settings, job, wat};

/// Cases of an ordinary run.
const FEW: u64 = 300;

/// Modules that mutations start from, as WAT that follows a memory and `oap_alloc`.
const BODIES: [&str; 10] = [
    r#"(func (export "generate") (param i32 i32) (result i64) (i64.const 0))"#,
    r#"(func (export "generate") (param i32 i32) (result i64)
       (i64.or (i64.shl (i64.extend_i32_u (local.get 0)) (i64.const 32)) (i64.extend_i32_u (local.get 1))))"#,
    r#"(func (export "generate") (param i32 i32) (result i64) (loop (br 0)) (unreachable))"#,
    r#"(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
       (func (export "generate") (param i32 i32) (result i64)
       (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))) (i64.const 4294967296))"#,
    r#"(import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
       (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
       (func (export "generate") (param i32 i32) (result i64)
       (drop (call $random (i32.const 0) (i32.const 4096)))
       (drop (call $poll (i32.const 0) (i32.const 4096) (i32.const 3) (i32.const 8))) (i64.const 0))"#,
    r#"(func (export "generate") (param i32 i32) (result i64)
       (drop (memory.grow (i32.const 7))) (memory.fill (i32.const 0) (i32.const 120) (i32.const 65536)) (i64.const 65536))"#,
    r#"(table 4 funcref) (elem (i32.const 0) $other) (func $other (result i64) (i64.const 4294967297))
       (func (export "generate") (param i32 i32) (result i64) (call_indirect (result i64) (i32.const 0)))"#,
    r#"(func (export "generate") (param i32 i32) (result i64) (local i32 i32 i64)
       (block (block (block (block
         (if (local.get 0) (then (local.set 2 (local.get 1)) (local.set 3 (local.get 0)) (br_table 1 2 3 4 1 2 3 4 1 (local.get 0))))
         (if (local.get 1) (then (local.set 4 (i64.const 1)) (br_table 4 3 2 1 4 3 2 1 2 (local.get 1))))))))
         (loop (result i64) (br_if 0 (local.get 2)) (local.get 4)) (return)
       (i64.extend_i32_u (local.get 3)))"#,
    r#"(table 4 8 funcref) (elem $some func 0) (data $text "abc")
       (func (export "generate") (param i32 i32) (result i64)
       (drop (table.grow (ref.null func) (local.get 0))) (drop (table.get (i32.const 0))) (table.set (i32.const 1) (ref.func 0))
       (table.copy (i32.const 0) (i32.const 1) (i32.const 2)) (table.fill (i32.const 0) (ref.null func) (i32.const 1))
       (table.init $some (i32.const 0) (i32.const 0) (i32.const 1)) (elem.drop $some)
       (memory.init $text (i32.const 0) (i32.const 0) (i32.const 3)) (data.drop $text)
       (memory.copy (i32.const 0) (i32.const 1) (i32.const 2)) (drop (memory.grow (i32.const 1))) (i64.const 0))"#,
    r#"(func (export "generate") (param i32 i32) (result i64)
       (block (result i64) (block (result i64) (block (result i64)
         (br_table 0 1 2 0 1 2 2 (i64.const 1) (local.get 0)))
         (i64.const 1) (i64.add)) (i64.const 2) (i64.mul)))"#,
];

/// What is put into modules: a table of branches with its bytes said many times, and instructions that become calls out of the code.
const PARTS: [&[u8]; 6] = [
    &[0x20, 0, 0x0e, 8, 0, 1, 0, 1, 0, 1, 0, 1, 0],
    &[0x02, 0x40, 0x0b],
    &[0x20, 0, 0x04, 0x40, 0x20, 0, 0x21, 1, 0x0b],
    &[0x20, 0, 0x40, 0, 0x1a],
    &[0xd0, 0x70, 0x20, 0, 0xfc, 0x0f, 0, 0x1a],
    &[0x20, 0, 0x25, 0, 0x1a],
];

/// Texts that mutations start from.
const RESULTS: [&str; 10] = [
    r#"{"result":{"a":[1,2.5e3,-0,"\ud83d\ude00",null,true],"b":{"c":"x"}}}"#,
    r#"{"error":{"kind":"failed","message":"ValueError: no"}}"#,
    r#"{"result":18446744073709551615}"#,
    r#"{"result":-9223372036854775808}"#,
    r#"{"result":1e308}"#,
    r#"{"result":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}"#,
    r#"{"result":"\u0000\u001f\\\"\/é€"}"#,
    r#"{"error":{"kind":"memory"},"result":1}"#,
    r#"{"result":{"result":{"error":{"kind":"network","message":"n"}}}}"#,
    r#"[{"a":1},{"a":2},"text",0.1,1E-7,  12345678901234567890 ]"#,
];

/// What is put into texts: ends of things, and what other readers take for JSON.
const PIECES: [&[u8]; 16] = [
    b"NaN",
    b"Infinity",
    b"-",
    b"1e999",
    b"\\ud800",
    b"\\u",
    b"[",
    b"{\"a\":",
    b"]",
    b"}",
    b"\"",
    b"\xff",
    b"\xed\xa0\x80",
    b"99999999999999999999",
    b"// x\n",
    b",",
];

/// A stream of chance (xorshift).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// Changes some bytes: other values, pieces put in, parts taken out or said twice.
    fn mutate(&mut self, bytes: &mut Vec<u8>, pieces: &[&[u8]]) {
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            let end = (at + self.below(9)).min(bytes.len());
            match self.below(6) {
                0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                1 if at < bytes.len() => bytes[at] = self.next() as u8,
                2 => drop(bytes.drain(at..end)),
                3 => {
                    let part = bytes[at..end].to_vec();
                    bytes.splice(at..at, part);
                }
                4 if !pieces.is_empty() => {
                    let piece = pieces[self.below(pieces.len())];
                    bytes.splice(at..at, piece.iter().copied());
                }
                // A length of something, much too large.
                _ => drop(bytes.splice(at..end, [0xff, 0xff, 0xff, 0xff, 0x0f])),
            }
        }
    }
}

/// Tries with a new seed each: some, or as long as the environment says.
fn each(mut attempt: impl FnMut(&mut Chance)) -> u64 {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    if let Some(seed) = number("OAP_FUZZ_SEED") {
        attempt(&mut Chance(seed | 1));
        return 1;
    }
    let began = Instant::now();
    let time = number("OAP_FUZZ_SECONDS").map(Duration::from_secs);
    let mut tries = 0;
    while time.map_or(tries < FEW, |time| began.elapsed() < time) {
        let seed = (0x9e37_79b9_7f4a_7c15_u64 ^ time.map_or(0, |_| u64::from(std::process::id())))
            .wrapping_add(tries.wrapping_mul(0xbf58_476d_1ce4_e5b9))
            | 1;
        let tried = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            attempt(&mut Chance(seed));
        }));
        assert!(tried.is_ok(), "repeat with OAP_FUZZ_SEED={seed}");
        tries += 1;
    }
    tries
}

/// Longer runs come upon recursion, for which `Sandbox::run` needs more stack than the thread of a test has.
fn on_a_large_stack(test: fn()) {
    let thread = std::thread::Builder::new().stack_size(8 << 20).spawn(test);
    thread.expect("a thread").join().expect("no failure");
}

#[test]
fn mutated_modules_are_refused_or_run_within_their_limits() {
    on_a_large_stack(modules);
}

fn modules() {
    let sandbox = Sandbox::start(Settings::default());
    let modules: Vec<Vec<u8>> = BODIES
        .iter()
        .map(|body| intake::read(&wat(2, body), false).expect("a module"))
        .collect();
    let mut accepted = 0_u64;
    let tries = each(|chance| {
        let mut module = modules[chance.below(modules.len())].clone();
        chance.mutate(&mut module, &PARTS);
        let code = STANDARD.encode(&module);
        let read = intake::read(&code, chance.below(2) == 0);
        let mut job = job(Language::Wasm, &code, json!({"n": 1}));
        job.limits = Limits {
            cpu: Duration::from_millis(5),
            memory: 4 << 20,
            output: 1 << 16,
            ..Limits::default()
        };
        let began = Instant::now();
        let finished = sandbox.run(&job);
        assert!(
            finished.memory <= job.limits.memory,
            "{} bytes",
            finished.memory
        );
        // Generous: the machines are shared. A run that never ends would be seen all the same.
        assert!(began.elapsed() < Duration::from_secs(60));
        if let Ok(value) = &finished.outcome {
            assert!(value.to_string().len() <= 1 << 17);
        }
        accepted += u64::from(read.is_ok());
    });
    println!("{tries} modules, {accepted} of them accepted and run");
}

#[test]
fn mutated_results_are_refused_or_are_what_json_says() {
    let mut read = 0_u64;
    let tries = each(|chance| {
        let mut text = RESULTS[chance.below(RESULTS.len())].as_bytes().to_vec();
        chance.mutate(&mut text, &PIECES);
        let _ = reply::unwrap(&text, 1 << 16);
        let Ok(value) = reply::result(&text, 1 << 16) else {
            return;
        };
        read += 1;
        assert!(depth(&value) <= 64);
        // Another reader, which knows less of what is refused here, finds the same in it.
        let other: Value = serde_json::from_slice(&text).expect("JSON to others too");
        assert_eq!(value, other);
        let written = value.to_string();
        assert_eq!(
            reply::result(written.as_bytes(), 1 << 20).expect("reads again"),
            value
        );
    });
    println!("{tries} results, {read} of them read");
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(elements) => 1 + elements.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
