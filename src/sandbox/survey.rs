//! What the sandbox of this process is made of, for people who look after it.

use std::path::PathBuf;
use std::time::Duration;

use super::cache::Folder;
use super::engine::{Engine, EngineError, WASMTIME};
use super::guests::{self, Prepared, Progress};
use super::job::Language;

/// Engine, guests and cache folder of this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Version of Wasmtime.
    pub wasmtime: &'static str,
    /// Architecture and operating system, `x86_64-linux`.
    pub platform: String,
    /// What of the processor's abilities matters for compiled code; empty on a processor that this program knows nothing about.
    pub processor: Vec<&'static str>,
    /// How many runs there can be at once.
    pub instances: usize,
    /// Where compiled guests are kept, or why nowhere.
    pub cache: Result<PathBuf, String>,
    /// The interpreters.
    pub guests: Vec<GuestFacts>,
}

/// One interpreter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestFacts {
    /// The code runtime that it is.
    pub runtime: &'static str,
    /// What is in it.
    pub about: &'static str,
    /// Size of the module, in bytes.
    pub bytes: usize,
    /// The same as it is carried, compressed.
    pub packed_bytes: usize,
    /// Digest of the module, in hexadecimal digits; checked.
    pub sha256: &'static str,
    /// How it was made ready in this process.
    pub how: Prepared,
    /// How long that took.
    pub took: Duration,
    /// Why the next process will have to compile it again, when it will.
    pub unsaved: Option<String>,
}

/// Makes the engine and all guests ready and says what they are; `watch` is told of each step. Blocks, for seconds on a machine
/// that has no compiled guests yet.
///
/// # Errors
/// When there is no engine, or a guest cannot be made ready.
pub fn survey(watch: &dyn Fn(&Progress)) -> Result<Survey, EngineError> {
    let engine = Engine::shared()?;
    let mut facts = Vec::new();
    for language in Language::ALL {
        let Some(image) = guests::image(language) else {
            continue;
        };
        let guest = engine.prepare(language, watch)?;
        facts.push(GuestFacts {
            runtime: image.name,
            about: image.about,
            bytes: image.module()?.len(),
            packed_bytes: image.packed.len(),
            sha256: image.sha256,
            how: guest.how,
            took: guest.took,
            unsaved: guest.unsaved.clone(),
        });
    }
    Ok(Survey {
        wasmtime: WASMTIME,
        platform: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        processor: processor(),
        instances: engine.most_instances(),
        cache: Folder::open(&engine.key()).map(|folder| folder.path().to_owned()),
        guests: facts,
    })
}

#[cfg(target_arch = "x86_64")]
fn processor() -> Vec<&'static str> {
    // The macro takes a literal, so there is no list to walk.
    [
        ("sse4.2", is_x86_feature_detected!("sse4.2")),
        ("popcnt", is_x86_feature_detected!("popcnt")),
        ("avx", is_x86_feature_detected!("avx")),
        ("avx2", is_x86_feature_detected!("avx2")),
        ("fma", is_x86_feature_detected!("fma")),
        ("bmi1", is_x86_feature_detected!("bmi1")),
        ("bmi2", is_x86_feature_detected!("bmi2")),
        ("lzcnt", is_x86_feature_detected!("lzcnt")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
    ]
    .into_iter()
    .filter_map(|(name, there)| there.then_some(name))
    .collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn processor() -> Vec<&'static str> {
    Vec::new()
}
