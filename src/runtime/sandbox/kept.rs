//! Results that are given again for equal code, arguments, seed and start time, if the operator asks for it (`spec/sandbox.md`, 8.2).

use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::runtime::held_bytes;
use crate::runtime::reads::equal;
use crate::runtime::shelf::{Key, Shelf};
use crate::sandbox::Job;

/// Most bytes of memory of all results.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// A result with its logs.
#[derive(Debug, Clone)]
pub(super) struct KeptResult {
    pub(super) output: Value,
    pub(super) logs: String,
}

/// Results by what they depend on; the oldest go first.
#[derive(Debug)]
pub(super) struct Kept(Shelf<KeptResult>);

impl Default for Kept {
    fn default() -> Self {
        Self(Shelf::new(MOST_BYTES))
    }
}

/// What the result of a job depends on, its code and limits among them.
pub(super) fn key(job: &Job) -> Key {
    let limits = &job.limits;
    let mut hash = Sha256::new();
    for text in [
        job.program.language.runtime(),
        &job.program.entrypoint,
        &job.program.code,
    ] {
        equal::add(&mut hash, text);
    }
    equal::add_arguments(&mut hash, &job.arguments);
    hash.update(job.seed);
    hash.update(job.clock_ns.to_le_bytes());
    hash.update(limits.cpu.as_nanos().to_le_bytes());
    hash.update(limits.memory.to_le_bytes());
    hash.finalize().into()
}

impl Kept {
    /// The result of a run like this one.
    pub(super) fn get(&self, key: &Key) -> Option<Arc<KeptResult>> {
        self.0.get(key)
    }

    /// Remembers a result. One that is known already is as good.
    pub(super) fn put(&self, key: Key, kept: KeptResult) {
        let weight = held_bytes(&kept.output) + kept.logs.len() + 256;
        self.0.put(key, kept, weight, |_| true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::{Cancel, Language, Limits, Program};
    use serde_json::json;

    fn job(arguments: Value, seed: u8) -> Job {
        Job {
            program: Program {
                language: Language::Python,
                code: "c".into(),
                entrypoint: "generate".to_owned(),
            },
            arguments,
            limits: Limits::default(),
            clock_ns: 7,
            seed: [seed; 32],
            door: None,
            cancel: Cancel::default(),
        }
    }

    #[test]
    fn equal_runs_have_one_key_and_others_have_not() {
        let one = key(&job(json!({"a": 1, "b": 2}), 1));
        assert_eq!(one, key(&job(json!({"b": 2, "a": 1}), 1)));
        assert_ne!(one, key(&job(json!({"a": 1, "b": 2}), 2)));
        assert_ne!(one, key(&job(json!({"a": 1}), 1)));
        let mut later = job(json!({"a": 1, "b": 2}), 1);
        later.clock_ns += 1;
        assert_ne!(one, key(&later));
        let mut other = job(json!({"a": 1, "b": 2}), 1);
        other.program.entrypoint = "generat".to_owned();
        other.program.code = "ec".into();
        assert_ne!(one, key(&other));
        // Python tells integers apart that a double does not.
        let large = |id: u64| key(&job(json!({"id": id}), 1));
        assert_ne!(large(9_007_199_254_740_993), large(9_007_199_254_740_992));
    }

    #[test]
    fn the_oldest_go_first() {
        let kept = Kept::default();
        let large = "x".repeat(MOST_BYTES / 2);
        for number in 0..3 {
            let result = KeptResult {
                output: json!(large),
                logs: String::new(),
            };
            kept.put([number; 32], result);
        }
        assert!(kept.get(&[0; 32]).is_none());
        assert!(kept.get(&[2; 32]).is_some());
    }
}
