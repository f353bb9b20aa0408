//! `oap-conform sandbox check`: whether this machine can run code of strangers, and what that costs here.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Format;
use super::failure::Failure;
use super::harness;
use crate::sandbox::{
    Cancel, GuestFacts, Job, Language, Limits, Prepared, Program, Sandbox, Settings, Survey, survey,
};
use crate::suite::verdict::ExitCode;

const AFTER_HELP: &str = "\
Compiled interpreters are kept in $OAP_CONFORM_CACHE, else in oap-conform in $XDG_CACHE_HOME or
~/.cache. A folder that others may change is not used; without one they are compiled in each process.

Exit codes: 0 all of it works, 5 something does not.";

/// Runs of each snippet after the first.
const WARM_RUNS: usize = 21;

/// Options of `sandbox`.
#[derive(Debug, Args)]
pub(super) struct SandboxCommand {
    #[command(subcommand)]
    command: Subject,
}

#[derive(Debug, Subcommand)]
enum Subject {
    /// Show engine, interpreters, cache and limits, and run a snippet of each language
    #[command(after_help = AFTER_HELP)]
    Check {
        /// Text or JSON
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
}

/// What came of the snippet of one language.
struct Sample {
    language: Language,
    result: Result<Value, String>,
    first: Duration,
    warm: Duration,
    memory: usize,
}

impl SandboxCommand {
    /// Prints what the sandbox is made of and what its snippets came to.
    pub fn execute(self) -> Result<u8, Failure> {
        let Subject::Check { format } = self.command;
        let found = survey(&|progress| {
            if format == Format::Text {
                eprintln!("{progress}");
            }
        })
        .map_err(|error| Failure::harness(error.to_string()))?;
        let sandbox = Sandbox::start(Settings::default());
        let samples = Language::ALL.map(|language| sample(&sandbox, language));
        match format {
            Format::Json => println!("{}", harness::pretty(&as_json(&found, &samples))?),
            Format::Text => print!("{}", as_text(&found, &samples)),
        }
        let works = samples.iter().all(|sample| sample.result.is_ok());
        Ok(if works {
            ExitCode::Conformant
        } else {
            ExitCode::Harness
        }
        .number())
    }
}

/// The code of a snippet: it gives a text that only running it can give.
fn snippet(language: Language) -> &'static str {
    match language {
        // Gives the `n` that stands in {"n":20}, one higher and as text, which adds to a digit of memory.
        Language::Wasm => {
            r#"(module
                (memory (export "memory") 1)
                (func (export "oap_alloc") (param i32) (result i32) i32.const 1024)
                (func (export "generate") (param $at i32) (param $length i32) (result i64)
                    (local $digit i32)
                    (local.set $digit (i32.add (local.get $at) (i32.const 6)))
                    (i32.store8 (local.get $digit) (i32.add (i32.load8_u (local.get $digit)) (i32.const 1)))
                    (i64.or
                        (i64.shl (i64.extend_i32_u (i32.add (local.get $at) (i32.const 5))) (i64.const 32))
                        (i64.const 2))))"#
        }
        Language::JavaScript => "function generate({n}) { return n + 1; }",
        Language::Python => "def generate(n):\n    return n + 1\n",
    }
}

fn sample(sandbox: &Sandbox, language: Language) -> Sample {
    let job = Job {
        program: Program {
            language,
            code: snippet(language).into(),
            entrypoint: "generate".to_owned(),
        },
        arguments: json!({"n": 20}),
        limits: Limits::default(),
        clock_ns: 0,
        seed: [0; 32],
        door: None,
        cancel: Cancel::default(),
    };
    let run = || {
        let started = Instant::now();
        let finished = sandbox.run(&job);
        (finished, started.elapsed())
    };
    let (finished, first) = run();
    let mut warm: Vec<Duration> = (0..WARM_RUNS).map(|_| run().1).collect();
    warm.sort_unstable();
    let result = match finished.outcome {
        Ok(value) if value == 21 => Ok(value),
        Ok(other) => Err(format!("it gave {other}, not 21")),
        Err(failure) => Err(format!("{}: {}", failure.code.name(), failure.message)),
    };
    Sample {
        language,
        result,
        first,
        warm: warm.get(WARM_RUNS / 2).copied().unwrap_or_default(),
        memory: finished.memory,
    }
}

fn as_json(found: &Survey, samples: &[Sample]) -> Value {
    let limits = Limits::default();
    let guests: Vec<Value> = found
        .guests
        .iter()
        .map(|guest| {
            json!({
                "runtime": guest.runtime,
                "about": guest.about,
                "bytes": guest.bytes,
                "packed_bytes": guest.packed_bytes,
                "sha256": guest.sha256,
                "prepared": word(guest.how),
                "prepared_ms": milliseconds(guest.took),
                "unsaved": guest.unsaved,
            })
        })
        .collect();
    let runs: Vec<Value> = samples
        .iter()
        .map(|sample| {
            let mut run = json!({
                "runtime": sample.language.runtime(),
                "first_ms": milliseconds(sample.first),
                "warm_ms": milliseconds(sample.warm),
                "memory_bytes": sample.memory,
            });
            let (name, value) = match &sample.result {
                Ok(value) => ("result", value.clone()),
                Err(message) => ("error", Value::from(message.as_str())),
            };
            if let Value::Object(members) = &mut run {
                members.insert(name.to_owned(), value);
            }
            run
        })
        .collect();
    json!({
        "engine": {
            "wasmtime": found.wasmtime,
            "platform": found.platform,
            "processor": found.processor,
            "instances": found.instances,
        },
        "cache": match &found.cache {
            Ok(path) => json!({"path": path.display().to_string()}),
            Err(reason) => json!({"unusable": reason}),
        },
        "guests": guests,
        "limits": {
            "cpu_ms": limits.cpu.as_millis(),
            "memory_bytes": limits.memory,
            "output_bytes": limits.output,
            "logs_bytes": limits.logs,
            "file_bytes": limits.file_bytes,
            "files": limits.files,
            "wall_ms": limits.wall.as_millis(),
        },
        "runs": runs,
    })
}

fn as_text(found: &Survey, samples: &[Sample]) -> String {
    let limits = Limits::default();
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "engine   Wasmtime {} on {} ({}), up to {} runs at once",
        found.wasmtime,
        found.platform,
        found.processor.join(" "),
        found.instances
    );
    let _ = match &found.cache {
        Ok(path) => writeln!(text, "cache    {}", path.display()),
        Err(reason) => writeln!(text, "cache    none: {reason}"),
    };
    let _ = writeln!(
        text,
        "limits   {} ms CPU, {} memory, {} result, {} logs, {} in {} files, {} s in all",
        limits.cpu.as_millis(),
        size(limits.memory),
        size(limits.output),
        size(limits.logs),
        size(limits.file_bytes),
        limits.files,
        limits.wall.as_secs()
    );
    let _ = writeln!(
        text,
        "\n{:<12} {:<14} {:>9} {:>9}   {:<18} sha256",
        "guest", "is", "size", "packed", "made ready"
    );
    for guest in &found.guests {
        let _ = writeln!(text, "{}", line(guest));
    }
    let _ = writeln!(
        text,
        "\n{:<12} {:>10} {:>10} {:>10}   result",
        "snippet", "first", "warm p50", "memory"
    );
    for sample in samples {
        let result = match &sample.result {
            Ok(value) => format!("{value}, as it should be"),
            Err(message) => format!("FAILED: {message}"),
        };
        let _ = writeln!(
            text,
            "{:<12} {:>7.2} ms {:>7.2} ms {:>10}   {result}",
            sample.language.runtime(),
            milliseconds(sample.first),
            milliseconds(sample.warm),
            size(sample.memory),
        );
    }
    text
}

fn line(guest: &GuestFacts) -> String {
    let made = format!("{} in {} ms", word(guest.how), guest.took.as_millis());
    let short: String = guest.sha256.chars().take(16).collect();
    format!(
        "{:<12} {:<14} {:>9} {:>9}   {made:<18} {short}…",
        guest.runtime,
        guest.about,
        size(guest.bytes),
        size(guest.packed_bytes),
    )
}

fn word(how: Prepared) -> &'static str {
    match how {
        Prepared::Loaded => "loaded",
        Prepared::Compiled => "compiled",
    }
}

/// Thousandths of a second, to the microsecond.
fn milliseconds(time: Duration) -> f64 {
    Duration::from_micros(u64::try_from(time.as_micros()).unwrap_or(u64::MAX)).as_secs_f64() * 1e3
}

/// A number of bytes for people.
fn size(bytes: usize) -> String {
    const KIB: usize = 1024;
    const MIB: usize = 1024 * KIB;
    let tenths = |unit: usize| {
        let tenths = bytes.saturating_mul(10) / unit;
        match (tenths / 10, tenths % 10) {
            (whole, 0) => whole.to_string(),
            (whole, part) => format!("{whole}.{part}"),
        }
    };
    match bytes {
        MIB.. => format!("{} MiB", tenths(MIB)),
        KIB.. => format!("{} KiB", tenths(KIB)),
        _ => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        for (bytes, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (65_536, "64 KiB"),
            (1_677_722, "1.6 MiB"),
            (64 * 1024 * 1024, "64 MiB"),
        ] {
            assert_eq!(size(bytes), shown);
        }
    }
}
