//! Sandboxes in which equal input gives other output (`spec/sandbox.md`, section 5).

use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::super::Mutant;
use super::isolation::prefixed;
use crate::json;
use crate::runtime::Parts;
use crate::runtime::sandbox::{SandboxParts, asked};
use crate::sandbox::Job;

/// All of them.
pub fn mutants() -> Vec<Mutant> {
    [clocks(), chance(), seeds(), place()]
        .into_iter()
        .flatten()
        .collect()
}

const HOUR_NS: u64 = 3_600_000_000_000;

fn clocks() -> Vec<Mutant> {
    vec![
        swap_sandbox!(
            "clocks-are-real",
            "SBX-031",
            "the clock shows the real time",
            fn clock_ns(&self, _: Timestamp) -> u64 {
                asked::clock_ns(Timestamp::now())
            }
        ),
        swap_sandbox!(
            "clocks-start-with-1970",
            "SBX-031",
            "the clock starts at zero",
            fn clock_ns(&self, _: Timestamp) -> u64 {
                0
            }
        ),
        swap_sandbox!(
            "clocks-are-an-hour-late",
            "SBX-031",
            "the clock starts an hour after the timestamp",
            fn clock_ns(&self, start: Timestamp) -> u64 {
                asked::clock_ns(start).saturating_add(HOUR_NS)
            }
        ),
        swap_sandbox!(
            "clocks-drop-fractions",
            "SBX-031",
            "the clock starts at the whole second",
            fn clock_ns(&self, start: Timestamp) -> u64 {
                asked::clock_ns(start) / 1_000_000_000 * 1_000_000_000
            }
        ),
        swap_sandbox!(
            "clocks-run",
            "SBX-031",
            "the clock moves while the code works",
            fn job(&self, job: Job) -> Job {
                prefixed(
                    job,
                    "import time as _time\n_now, _looks = _time.time_ns, []\ndef _run():\n    _looks.append(1)\n    return _now() + len(_looks) * 1000000\n_time.time_ns = _run",
                    "{ const now = Date.now; let looks = 0; Date.now = () => now() + (looks += 1); }",
                )
            }
        ),
        swap_sandbox!(
            "clocks-stand-while-sleeping",
            "SBX-031",
            "sleeping does not move the clock",
            fn job(&self, job: Job) -> Job {
                prefixed(
                    job,
                    "import time as _time\n_time.sleep = lambda seconds: None",
                    "globalThis.setTimeout = wake => { Promise.resolve().then(wake); };",
                )
            }
        ),
    ]
}

fn hashed(parts: &[&str]) -> [u8; 32] {
    Sha256::digest(parts.concat().as_bytes()).into()
}

fn digits(seed: Option<u64>) -> String {
    seed.map(|seed| seed.to_string()).unwrap_or_default()
}

/// The job with another source of UUIDs: this text in place of each.
fn with_uuids(job: Job, uuid: &str) -> Job {
    prefixed(
        job,
        &format!("import uuid as _uuid\n_uuid.uuid4 = lambda: '{uuid}'"),
        &format!(
            "Object.defineProperty(globalThis, 'crypto', {{value: {{randomUUID: () => '{uuid}', getRandomValues: array => array.fill(Math.random() * 256)}}}});"
        ),
    )
}

fn chance() -> Vec<Mutant> {
    vec![
        swap_sandbox!(
            "equal-runs-differ",
            "SBX-030",
            "chance is that of the host, so that no two runs are alike",
            fn seed(&self, _: &str, _: &Value, _: Option<u64>) -> [u8; 32] {
                hashed(&[&Uuid::new_v4().to_string()])
            }
        ),
        Mutant::part(
            "chance-goes-on",
            "SBX-032",
            "one generator goes on from run to run",
            GoesOn(AtomicU64::new(0)),
        ),
        swap_sandbox!(
            "chance-ignores-the-code",
            "SBX-032",
            "draws the same for all code",
            fn seed(&self, _: &str, arguments: &Value, seed: Option<u64>) -> [u8; 32] {
                asked::seed("", arguments, seed)
            }
        ),
        swap_sandbox!(
            "chance-ignores-the-arguments",
            "SBX-032",
            "draws the same for all arguments",
            fn seed(&self, code: &str, _: &Value, seed: Option<u64>) -> [u8; 32] {
                asked::seed(code, &Value::Null, seed)
            }
        ),
        swap_sandbox!(
            "chance-takes-arguments-as-written",
            "SBX-032",
            "the order of the arguments' members counts",
            fn seed(&self, code: &str, arguments: &Value, seed: Option<u64>) -> [u8; 32] {
                hashed(&[code, &arguments.to_string(), &digits(seed)])
            }
        ),
        swap_sandbox!(
            "no-seed-is-zero",
            "SBX-032",
            "takes the seed 0 where none was given",
            fn seed(&self, code: &str, arguments: &Value, seed: Option<u64>) -> [u8; 32] {
                asked::seed(code, arguments, Some(seed.unwrap_or_default()))
            }
        ),
        swap_sandbox!(
            "uuids-are-real",
            "SBX-032",
            "UUIDs are drawn by the host",
            fn job(&self, job: Job) -> Job {
                with_uuids(job, &Uuid::new_v4().to_string())
            }
        ),
    ]
}

/// How many runs there were.
struct GoesOn(AtomicU64);

impl SandboxParts for GoesOn {
    fn seed(&self, code: &str, arguments: &Value, seed: Option<u64>) -> [u8; 32] {
        let run = self.0.fetch_add(1, Ordering::Relaxed).to_string();
        hashed(&[code, &json::canonical(arguments), &digits(seed), "/", &run])
    }
}

impl Parts for GoesOn {
    fn sandbox(&self) -> &dyn SandboxParts {
        self
    }
}

fn seeds() -> Vec<Mutant> {
    vec![
        swap_sandbox!(
            "seeds-are-ignored",
            "SBX-033",
            "draws the same for all seeds",
            fn seed(&self, code: &str, arguments: &Value, _: Option<u64>) -> [u8; 32] {
                asked::seed(code, arguments, None)
            }
        ),
        swap_sandbox!(
            "seeds-have-32-bits",
            "SBX-033",
            "only the last 32 bits of a seed count",
            fn seed(&self, code: &str, arguments: &Value, seed: Option<u64>) -> [u8; 32] {
                asked::seed(code, arguments, seed.map(|seed| seed & 0xffff_ffff))
            }
        ),
        swap_sandbox!(
            "uuids-are-always-the-same",
            "SBX-033",
            "UUIDs do not depend on the seed",
            fn job(&self, job: Job) -> Job {
                with_uuids(job, "00000000-0000-4000-8000-000000000000")
            }
        ),
    ]
}

fn place() -> Vec<Mutant> {
    vec![swap_sandbox!(
        "local-time-is-new-york",
        "SBX-034",
        "local time is that of a host in New York",
        fn job(&self, job: Job) -> Job {
            prefixed(
                job,
                "import time as _time\n_time.timezone = 18000\n_time.localtime = lambda at=0: _time.gmtime(at - 18000)",
                "Date.prototype.getTimezoneOffset = () => 300;",
            )
        }
    )]
}
