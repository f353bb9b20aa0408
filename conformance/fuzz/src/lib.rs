//! The doors through which strangers' bytes come in, for fuzzing; `.ci/fuzz` runs them, and an ordinary test replays what they found.

use std::path::Path;

pub mod doors;

/// A fuzz target: its whole file.
#[macro_export]
macro_rules! target {
    ($name:literal) => {
        ::libfuzzer_sys::fuzz_target!(init: $crate::write_seeds($name), |bytes: &[u8]| $crate::run($name, bytes));
    };
}

/// Gives an input to a target.
///
/// # Panics
/// When there is no such target, and on a finding.
pub fn run(name: &str, bytes: &[u8]) {
    let found = doors::TARGETS.iter().find(|(target, _)| *target == name);
    let (_, door) = found.unwrap_or_else(|| panic!("there is no target {name} in this build"));
    door(bytes);
}

/// With `OAP_FUZZ_SEEDS` writes the seeds into that folder and ends; the checkout is the working folder.
///
/// # Panics
/// When a seed cannot be written.
pub fn write_seeds(name: &str) {
    let Some(folder) = std::env::var_os("OAP_FUZZ_SEEDS") else {
        return;
    };
    let folder = Path::new(&folder);
    for (number, seed) in doors::seeds::of(name, Path::new(".")).iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{number:04}")), seed).expect("a seed is written");
    }
    std::process::exit(0);
}
