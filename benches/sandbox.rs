//! What the sandbox costs, all in one run, since figures of two runs on a shared machine say nothing about each other.
//!
//! `cargo bench --no-default-features --features sandbox --bench sandbox`
//!
//! Before criterion's own figures come three tables: calls (median and 95th part of a hundred, cold ones in processes of their
//! own, bare Wasmtime, `python3 -c` and `node -e` beside them), memory of an idle engine, and by how much runaways overrun
//! their limit. `OAP_BENCH_RUNAWAYS` says how many runaways there are (30 unless told; each takes a fifth of a second).

use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

use criterion::Criterion;
use oap_conform::sandbox::{
    Cancel, FailureCode, Job, Language, Limits, Program, Sandbox, Settings, survey,
};
use serde_json::{Value, json};
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, InstancePre, Linker, Module,
    PoolingAllocationConfig, Store,
};

/// Makes a process of this program measure one thing and print it.
const ROLE: &str = "OAP_BENCH_ROLE";

/// Gives its input back.
const ECHO: &str = r#"(module
    (memory (export "memory") 1)
    (func (export "oap_alloc") (param i32) (result i32) i32.const 1024)
    (func (export "generate") (param $at i32) (param $length i32) (result i64)
        (i64.or (i64.shl (i64.extend_i32_u (local.get $at)) (i64.const 32)) (i64.extend_i32_u (local.get $length)))))"#;

/// Does about a millisecond of work first.
const WORK: &str = r#"(module
    (memory (export "memory") 1)
    (func (export "oap_alloc") (param i32) (result i32) i32.const 1024)
    (func $fib (param $n i32) (result i32)
        (if (result i32) (i32.lt_u (local.get $n) (i32.const 2))
            (then (local.get $n))
            (else (i32.add
                (call $fib (i32.sub (local.get $n) (i32.const 1)))
                (call $fib (i32.sub (local.get $n) (i32.const 2)))))))
    (func (export "generate") (param $at i32) (param $length i32) (result i64)
        (drop (call $fib (i32.const 24)))
        (i64.or (i64.shl (i64.extend_i32_u (local.get $at)) (i64.const 32)) (i64.extend_i32_u (local.get $length)))))"#;

const JAVASCRIPT: &str = "function generate({purpose}) { return 'Agenda: ' + purpose; }";
const PYTHON: &str = "def generate(purpose):\n    return 'Agenda: ' + purpose\n";

fn job(language: Language, code: &str) -> Job {
    Job {
        program: Program {
            language,
            code: code.into(),
            entrypoint: "generate".to_owned(),
        },
        arguments: json!({"purpose": "weekly sync"}),
        limits: Limits::default(),
        clock_ns: 1_767_225_600_000_000_000,
        seed: [7; 32],
        door: None,
        cancel: Cancel::default(),
    }
}

fn call(sandbox: &Sandbox, job: &Job) -> Value {
    sandbox.run(job).outcome.expect("the snippet runs")
}

/// A module on bare Wasmtime: the same pool and stack, no limits, no files, no clock, no result to check.
struct Bare {
    engine: Engine,
    module: InstancePre<()>,
}

impl Bare {
    fn new(code: &[u8]) -> Self {
        let mut pool = PoolingAllocationConfig::new();
        pool.max_memory_size(1 << 30)
            .total_memories(8)
            .total_core_instances(8)
            .total_tables(8)
            .table_elements(100_000);
        let mut config = Config::new();
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let engine = Engine::new(&config).expect("an engine");
        let module = Module::new(&engine, code).expect("a module");
        let mut linker = Linker::new(&engine);
        linker
            .define_unknown_imports_as_traps(&module)
            .expect("defined");
        let module = linker.instantiate_pre(&module).expect("linked");
        Self { engine, module }
    }

    fn instantiate(&self) {
        let mut store = Store::new(&self.engine, ());
        black_box(self.module.instantiate(&mut store).expect("an instance"));
    }

    fn call(&self, input: &[u8]) -> Vec<u8> {
        let mut store = Store::new(&self.engine, ());
        let instance = self.module.instantiate(&mut store).expect("an instance");
        let alloc = instance
            .get_typed_func::<i32, i32>(&mut store, "oap_alloc")
            .expect("exported");
        let run = instance
            .get_typed_func::<(i32, i32), i64>(&mut store, "generate")
            .expect("exported");
        let memory = instance.get_memory(&mut store, "memory").expect("exported");
        let length = i32::try_from(input.len()).expect("short");
        let at = alloc.call(&mut store, length).expect("allocated");
        memory
            .write(&mut store, at as usize, input)
            .expect("in bounds");
        let packed = run.call(&mut store, (at, length)).expect("ran");
        let mut output = vec![0; (packed & 0xffff_ffff) as usize];
        memory
            .read(&store, (packed >> 32) as usize, &mut output)
            .expect("in bounds");
        output
    }
}

/// The module of a guest, as it is carried.
fn guest(language: Language) -> Vec<u8> {
    let path = format!(
        "{}/fixtures/guests/{}.wasm.zst",
        env!("CARGO_MANIFEST_DIR"),
        language.runtime()
    );
    let packed = std::fs::read(path).expect("carried");
    zstd::decode_all(&packed[..]).expect("unpacks")
}

/// Median and 95th part of a hundred, in milliseconds.
fn spread(mut times: Vec<f64>) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    let at = |part: usize| times[(times.len() - 1) * part / 100];
    (at(50), at(95))
}

fn timed(times: usize, mut what: impl FnMut()) -> (f64, f64) {
    for _ in 0..times / 10 {
        what();
    }
    let one = |()| {
        let started = Instant::now();
        what();
        started.elapsed().as_secs_f64() * 1e3
    };
    spread(std::iter::repeat_n((), times).map(one).collect())
}

fn row(name: &str, (median, high): (f64, f64), note: &str) -> f64 {
    println!("{name:<44} {median:>9.3} {high:>9.3}   {note}");
    median
}

fn judged(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}

fn calls(sandbox: &Sandbox) {
    println!("\n{:<44} {:>9} {:>9}", "ms", "p50", "p95");
    for language in [Language::JavaScript, Language::Python] {
        let bare = Bare::new(&guest(language));
        let name = format!("instantiate {}, bare Wasmtime", language.runtime());
        row(&name, timed(300, || bare.instantiate()), "");
    }
    for (name, code) in [("echo", ECHO), ("work", WORK)] {
        let bare = Bare::new(code.as_bytes());
        let input = json!({"purpose": "weekly sync"}).to_string();
        row(
            &format!("instantiate wasm {name}, bare Wasmtime"),
            timed(1000, || bare.instantiate()),
            "",
        );
        let raw = row(
            &format!("call wasm {name}, bare Wasmtime"),
            timed(1000, || drop(bare.call(input.as_bytes()))),
            "",
        );
        let ours = job(Language::Wasm, code);
        let times = timed(1000, || drop(call(sandbox, &ours)));
        let ratio = times.0 / raw;
        let note = format!("{ratio:.2} x bare; target 1.5: {}", judged(ratio <= 1.5));
        row(&format!("call wasm {name}"), times, &note);
    }
    for (language, code, target) in [
        (Language::JavaScript, JAVASCRIPT, 0.3),
        (Language::Python, PYTHON, 2.0),
    ] {
        let ours = job(language, code);
        let times = timed(500, || drop(call(sandbox, &ours)));
        let note = format!("target {target}: {}", judged(times.0 < target));
        row(&format!("call {}, warm", language.runtime()), times, &note);
    }
    cold();
    for (program, arguments) in [
        ("python3", ["-c", "print('Agenda: ' + 'weekly sync')"]),
        ("node", ["-e", "console.log('Agenda: ' + 'weekly sync')"]),
    ] {
        let run = || Command::new(program).args(arguments).output();
        if run().is_ok_and(|output| output.status.success()) {
            let name = format!("process {program} {}", arguments[0]);
            row(&name, timed(20, || drop(run())), "");
        } else {
            println!("process {program}: not on this machine");
        }
    }
}

/// The first call in a new process: with a compiled guest, and without one.
fn cold() {
    let folder = std::env::temp_dir().join(format!("oap-bench-{}", std::process::id()));
    for language in [Language::JavaScript, Language::Python] {
        let name = language.runtime();
        let first = || -> (f64, f64) {
            let started = Instant::now();
            let said = child(name, &folder);
            let whole = started.elapsed().as_secs_f64() * 1e3;
            (said.trim().parse().expect("a number"), whole)
        };
        let (inside, _) = first();
        println!(
            "{:<44} {inside:>9.1}             once on a machine",
            format!("first call {name}, compiling")
        );
        let (inside, whole) = (0..10).map(|_| first()).unzip();
        row(
            &format!("first call {name}, compiled before"),
            spread(inside),
            "",
        );
        row(
            &format!("process with one call of {name}"),
            spread(whole),
            "",
        );
    }
    std::fs::remove_dir_all(&folder).expect("removed");
}

/// What a process of this program prints in a role.
fn child(role: &str, folder: &std::path::Path) -> String {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program)
        .env(ROLE, role)
        .env("OAP_CONFORM_CACHE", folder)
        .output()
        .expect("started");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

fn play(role: &str) {
    let sandbox = Sandbox::start(Settings::default());
    if role == "memory" {
        return memory(&sandbox);
    }
    let (language, code) = if role == "javascript" {
        (Language::JavaScript, JAVASCRIPT)
    } else {
        (Language::Python, PYTHON)
    };
    let started = Instant::now();
    let value = call(&sandbox, &job(language, code));
    println!("{}", started.elapsed().as_secs_f64() * 1e3);
    assert_eq!(value, "Agenda: weekly sync");
}

/// Resident memory of this process, in MiB; 0 where the system does not say.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}

fn memory(sandbox: &Sandbox) {
    println!("\n{:<44} {:>9}", "resident memory of one process, MiB", "");
    let show = |what: &str| println!("{what:<44} {:>9.1}", resident());
    show("before the engine");
    call(sandbox, &job(Language::Wasm, ECHO));
    show("engine, after a small module");
    for (language, code) in [
        (Language::JavaScript, JAVASCRIPT),
        (Language::Python, PYTHON),
    ] {
        let ours = job(language, code);
        call(sandbox, &ours);
        show(&format!("and {}, after one call", language.runtime()));
        for _ in 0..200 {
            call(sandbox, &ours);
        }
        show(&format!("and {}, idle after 200 more", language.runtime()));
    }
}

/// By how much code that never ends gets more processor time than its limit.
fn runaways(sandbox: &Sandbox) {
    let kinds = [
        (
            "wasm loop",
            Language::Wasm,
            r#"(module (memory (export "memory") 1) (func (export "oap_alloc") (param i32) (result i32) i32.const 0)
                (func (export "generate") (param i32 i32) (result i64) (loop br 0) i64.const 0))"#,
        ),
        (
            "javascript catch-all",
            Language::JavaScript,
            "function generate() { while (true) { try { while (true) {} } catch (e) {} } }",
        ),
        (
            "javascript regex",
            Language::JavaScript,
            "function generate() { return /(a+)+$/.test('a'.repeat(60) + 'b'); }",
        ),
        (
            "python finally",
            Language::Python,
            "def generate(purpose):\n    while True:\n        try:\n            while True: pass\n        finally:\n            continue\n",
        ),
        (
            "python big number",
            Language::Python,
            "def generate(purpose):\n    return len(str(7 ** (10 ** 8)))\n",
        ),
    ];
    let count = std::env::var("OAP_BENCH_RUNAWAYS")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(30_usize);
    let limit = Limits::default().cpu.as_secs_f64() * 1e3;
    println!(
        "\n{:<32} {:>6} {:>9} {:>9} {:>9}",
        "processor time over 200 ms, in ms", "runs", "median", "p95", "most"
    );
    let mut all = Vec::new();
    for (index, (name, language, code)) in kinds.iter().enumerate() {
        let ours = job(*language, code);
        let runs = (count + kinds.len() - 1 - index) / kinds.len();
        let over: Vec<f64> = (0..runs)
            .map(|_| {
                let finished = sandbox.run(&ours);
                let code = finished.outcome.expect_err("it never ends").code;
                assert_eq!(code, FailureCode::CpuLimit, "{name}");
                finished.cpu.as_secs_f64() * 1e3 - limit
            })
            .collect();
        overrun(name, &over);
        all.extend(over);
    }
    overrun("all", &all);
}

fn overrun(name: &str, over: &[f64]) {
    if over.is_empty() {
        return;
    }
    let (median, high) = spread(over.to_vec());
    let most = over.iter().copied().fold(f64::MIN, f64::max);
    println!(
        "{name:<32} {:>6} {median:>9.2} {high:>9.2} {most:>9.2}",
        over.len()
    );
}

fn measure(criterion: &mut Criterion, sandbox: &Sandbox) {
    let mut group = criterion.benchmark_group("sandbox");
    group.measurement_time(Duration::from_secs(3));
    let input = json!({"purpose": "weekly sync"}).to_string();
    for (name, code) in [("echo", ECHO), ("work", WORK)] {
        let bare = Bare::new(code.as_bytes());
        group.bench_function(format!("bare_wasmtime/{name}"), |bencher| {
            bencher.iter(|| bare.call(black_box(input.as_bytes())));
        });
        let ours = job(Language::Wasm, code);
        group.bench_function(format!("wasm/{name}"), |bencher| {
            bencher.iter(|| call(sandbox, black_box(&ours)));
        });
    }
    for (language, code) in [
        (Language::JavaScript, JAVASCRIPT),
        (Language::Python, PYTHON),
    ] {
        let ours = job(language, code);
        group.bench_function(format!("{}/warm", language.runtime()), |bencher| {
            bencher.iter(|| call(sandbox, black_box(&ours)));
        });
    }
    group.finish();
}

fn main() {
    if let Ok(role) = std::env::var(ROLE) {
        return play(&role);
    }
    let sandbox = Sandbox::start(Settings::default());
    // `cargo test --benches` asks only whether it runs.
    if !std::env::args().any(|argument| argument == "--test") {
        survey(&|progress| println!("{progress}")).expect("ready");
        calls(&sandbox);
        let folder = std::env::temp_dir().join(format!("oap-bench-{}", std::process::id()));
        // The first compiles, and memory that a compiler used stays with its process.
        child("memory", &folder);
        print!("{}", child("memory", &folder));
        std::fs::remove_dir_all(&folder).expect("removed");
        runaways(&sandbox);
        println!();
    }
    let mut criterion = Criterion::default().configure_from_args();
    measure(&mut criterion, &sandbox);
    criterion.final_summary();
}
