//! Results that are given again for equal code, arguments, seed and start time, if the operator asks for it (`spec/sandbox.md`, 8.2).

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::json;
use crate::runtime::held_bytes;
use crate::sandbox::Job;

/// Most results.
const MOST: usize = 10_000;

/// Most bytes of memory of all results.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// What a run is known by.
pub(super) type RunKey = [u8; 32];

/// A result with its logs.
#[derive(Debug, Clone)]
pub(super) struct KeptResult {
    pub(super) output: Value,
    pub(super) logs: String,
}

/// Results by what they depend on; the oldest go first.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<Shelf>);

#[derive(Debug, Default)]
struct Shelf {
    results: HashMap<RunKey, (Arc<KeptResult>, usize)>,
    order: VecDeque<RunKey>,
    bytes: usize,
}

/// What the result of a job depends on, its code and limits among them.
pub(super) fn key(job: &Job) -> RunKey {
    let limits = &job.limits;
    let mut hash = Sha256::new();
    for text in [
        job.program.language.runtime(),
        &job.program.entrypoint,
        &job.program.code,
        &json::canonical(&job.arguments),
    ] {
        hash.update(text.len().to_le_bytes());
        hash.update(text.as_bytes());
    }
    hash.update(job.seed);
    hash.update(job.clock_ns.to_le_bytes());
    hash.update(limits.cpu.as_nanos().to_le_bytes());
    hash.update(limits.memory.to_le_bytes());
    hash.finalize().into()
}

impl Kept {
    /// The result of a run like this one.
    pub(super) fn get(&self, key: &RunKey) -> Option<Arc<KeptResult>> {
        let shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.results.get(key).map(|(kept, _)| Arc::clone(kept))
    }

    /// Remembers a result.
    pub(super) fn put(&self, key: RunKey, kept: KeptResult) {
        let weight = held_bytes(&kept.output) + kept.logs.len() + 256;
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if weight > MOST_BYTES || shelf.results.contains_key(&key) {
            return;
        }
        shelf.results.insert(key, (Arc::new(kept), weight));
        shelf.order.push_back(key);
        shelf.bytes += weight;
        while shelf.order.len() > MOST || shelf.bytes > MOST_BYTES {
            let Some(oldest) = shelf.order.pop_front() else {
                return;
            };
            if let Some((_, weight)) = shelf.results.remove(&oldest) {
                shelf.bytes = shelf.bytes.saturating_sub(weight);
            }
        }
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
