//! What fuzzing found once, and damaged seeds, given to the fuzz targets' own functions: no panic, and no answer that contradicts
//! itself. `.ci/fuzz` looks for more.

#[path = "../fuzz/src/doors/mod.rs"]
mod doors;

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use doors::{TARGETS, Target, seeds};

/// Seeds of each target that are damaged, and how often each.
const SEEDS: usize = 14;
const TIMES: usize = 3;

/// Longest time for one input; the fuzzer allows 5 s, on a machine with nothing else to do.
const LONGEST: Duration = Duration::from_secs(20);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Gives an input to a target, and says which it was when that went wrong.
fn given((name, door): &Target, what: &str, bytes: &[u8]) {
    let began = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| door(bytes)));
    let took = began.elapsed();
    assert!(
        outcome.is_ok(),
        "{name}: {what}: {:?}",
        String::from_utf8_lossy(bytes)
    );
    assert!(took < LONGEST, "{name}: {what} took {took:?}");
}

#[test]
fn what_was_found_stays_mended() {
    let mut replayed = 0;
    for target in TARGETS {
        for path in listed(&root().join("conformance/fuzz/regressions").join(target.0)) {
            let bytes = fs::read(&path).expect("a regression is read");
            given(target, &path.display().to_string(), &bytes);
            replayed += 1;
        }
    }
    let kept: usize = listed(&root().join("conformance/fuzz/regressions"))
        .iter()
        .map(|folder| listed(folder).len())
        .sum();
    assert_eq!(replayed, kept, "a regression belongs to no target");
}

#[test]
fn damaged_seeds_are_survived() {
    let mut chance = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |below: usize| {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        usize::try_from(chance % below.max(1) as u64).unwrap_or(0)
    };
    for target in TARGETS {
        let seeds = seeds::of(target.0, root());
        assert!(!seeds.is_empty(), "{} has no seeds", target.0);
        for seed in seeds.iter().step_by(seeds.len().div_ceil(SEEDS)) {
            given(target, "a seed", seed);
            for _ in 0..TIMES {
                let mut cut = seed.clone();
                cut.truncate(next(seed.len()));
                given(target, "a truncated seed", &cut);
                let mut flipped = seed.clone();
                for _ in 0..=next(4) {
                    let at = next(flipped.len());
                    if let Some(byte) = flipped.get_mut(at) {
                        *byte ^= 1 << next(8);
                    }
                }
                given(target, "a seed with flipped bits", &flipped);
            }
        }
    }
}

#[test]
fn each_target_has_its_program() {
    let programs = listed(&root().join("conformance/fuzz/fuzz_targets"));
    let programs: BTreeSet<String> = programs
        .iter()
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    let names: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(programs, names);
    for name in &names {
        let path = root().join(format!("conformance/fuzz/fuzz_targets/{name}.rs"));
        let text = fs::read_to_string(path).expect("a program");
        assert!(
            text.contains(&format!("target!(\"{name}\")")),
            "{name} runs another target"
        );
    }
}
