//! The interpreters: WebAssembly modules that the program carries, made ready at first need.

use std::fmt;
use std::io::Read as _;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use wasmtime::InstancePre;

use super::cache::Folder;
use super::engine::{Engine, EngineError};
use super::host::Host;
use super::job::Language;
use super::precompiled::Precompiled;

/// Most bytes that a guest may have when it is unpacked.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// The digests of the unpacked guests, as `sha256sum` writes them.
const SUMS: &str = include_str!("../../fixtures/guests/SHA256SUMS.raw");

/// A guest as it is carried.
#[derive(Clone, Copy)]
pub(super) struct Image {
    /// The code runtime that it is.
    pub(super) name: &'static str,
    /// What is in it, for people.
    pub(super) about: &'static str,
    /// The module, compressed with Zstandard.
    pub(super) packed: &'static [u8],
    /// The digest of the module, in hexadecimal digits.
    pub(super) sha256: &'static str,
}

/// How a guest was made ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prepared {
    /// From code that an earlier process compiled and kept.
    Loaded,
    /// By compiling it.
    Compiled,
}

/// Something that happened to a guest while it was made ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// There is no code of it on this machine, so it is compiled, which takes seconds.
    Compiling {
        /// The code runtime.
        guest: &'static str,
    },
    /// It can be called.
    Ready {
        /// The code runtime.
        guest: &'static str,
        /// How it was made ready.
        how: Prepared,
        /// How long that took.
        took: Duration,
        /// Why the next process will have to compile it again, when it will.
        unsaved: Option<String>,
    },
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compiling { guest } => {
                write!(
                    f,
                    "compiling {guest} for this machine (a few seconds, once)"
                )
            }
            Self::Ready {
                guest,
                how,
                took,
                unsaved,
            } => {
                let how = match how {
                    Prepared::Loaded => "loaded",
                    Prepared::Compiled => "compiled",
                };
                write!(f, "{guest} {how} in {} ms", took.as_millis())?;
                match unsaved {
                    Some(reason) => write!(f, ", but not kept: {reason}"),
                    None => Ok(()),
                }
            }
        }
    }
}

/// The guest of a language; `None` when the language has none.
pub(super) fn image(language: Language) -> Option<Image> {
    let (about, packed): (_, &[u8]) = match language {
        Language::Wasm => return None,
        Language::JavaScript => (
            "QuickJS-ng",
            include_bytes!("../../fixtures/guests/javascript.wasm.zst"),
        ),
        Language::Python => (
            "CPython 3.11",
            include_bytes!("../../fixtures/guests/python3.11.wasm.zst"),
        ),
    };
    let name = language.runtime();
    Some(Image {
        name,
        about,
        packed,
        sha256: sum(&format!("{name}.wasm")),
    })
}

/// The digest of a file by its name; empty, which no digest equals, when there is none.
fn sum(file: &str) -> &'static str {
    SUMS.lines()
        .filter_map(|line| line.split_once("  "))
        .find(|(_, name)| *name == file)
        .map_or("", |(sum, _)| sum)
}

impl Image {
    /// The module, unpacked and checked.
    ///
    /// # Errors
    /// When the program carries something else than it was built with.
    pub(super) fn module(&self) -> Result<Vec<u8>, EngineError> {
        let broken = |reason: &dyn fmt::Display| {
            EngineError::new(format!(
                "the guest {} that this program carries is broken: {reason}; install the program again",
                self.name
            ))
        };
        let mut module = Vec::new();
        zstd::Decoder::new(self.packed)
            .and_then(|decoder| decoder.take(MOST_BYTES).read_to_end(&mut module))
            .map_err(|error| broken(&error))?;
        let mut sum = String::with_capacity(64);
        for byte in Sha256::digest(&module) {
            use fmt::Write as _;
            // Writing to a string cannot fail.
            let _ = write!(sum, "{byte:02x}");
        }
        if sum == self.sha256 {
            Ok(module)
        } else {
            Err(broken(&format!(
                "its SHA-256 is {sum}, not {}",
                self.sha256
            )))
        }
    }
}

/// The guests of an engine.
#[derive(Default)]
pub(super) struct Guests {
    javascript: Slot,
    python: Slot,
}

#[derive(Default)]
struct Slot {
    ready: OnceLock<Guest>,
    making: Mutex<()>,
}

/// A guest that can be called, and how that came.
#[derive(Clone)]
pub(super) struct Guest {
    /// The interpreter.
    pub(super) module: InstancePre<Host>,
    /// Loaded or compiled.
    pub(super) how: Prepared,
    /// How long that took.
    pub(super) took: Duration,
    /// Why compiled code was not kept.
    pub(super) unsaved: Option<String>,
}

impl Guests {
    /// The guest of a language; whoever comes first makes it ready, the others wait.
    ///
    /// # Errors
    /// When the language has none, or it cannot be made.
    pub(super) fn get(
        &self,
        language: Language,
        engine: &Engine,
        watch: &dyn Fn(&Progress),
    ) -> Result<&Guest, EngineError> {
        let slot = match language {
            Language::JavaScript => &self.javascript,
            Language::Python => &self.python,
            Language::Wasm => return Err(no_guest(language)),
        };
        if let Some(guest) = slot.ready.get() {
            return Ok(guest);
        }
        let _making = slot.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(guest) = slot.ready.get() {
            return Ok(guest);
        }
        let image = image(language).ok_or_else(|| no_guest(language))?;
        let guest = make(&image, engine, Folder::open(&engine.key()), watch)?;
        Ok(slot.ready.get_or_init(|| guest))
    }
}

fn no_guest(language: Language) -> EngineError {
    EngineError::new(format!("{} needs no guest", language.runtime()))
}

/// Loads a guest from the folder, or compiles it and keeps it there.
fn make(
    image: &Image,
    engine: &Engine,
    folder: Result<Folder, String>,
    watch: &dyn Fn(&Progress),
) -> Result<Guest, EngineError> {
    let started = Instant::now();
    let name = image.name;
    let cannot = |error: wasmtime::Error| {
        EngineError::new(format!(
            "cannot make the guest {name} ready: {}",
            error.root_cause()
        ))
    };
    let family = format!("{name}-");
    let file = format!("{family}{}", image.sha256);
    let kept = folder.as_ref().ok().and_then(|folder| folder.read(&file));
    // What cannot be loaded is as good as missing, and is replaced.
    let loaded = kept.and_then(|kept| Precompiled::from_file(kept).load(engine.wasmtime()).ok());
    let (module, how, unsaved) = match loaded {
        Some(module) => (module, Prepared::Loaded, None),
        None => {
            watch(&Progress::Compiling { guest: name });
            let code = Precompiled::compile(engine.compiler(), &image.module()?).map_err(cannot)?;
            let module = code.load(engine.wasmtime()).map_err(cannot)?;
            let saved = folder.and_then(|folder| folder.write(&family, &file, code.bytes()));
            (module, Prepared::Compiled, saved.err())
        }
    };
    let guest = Guest {
        module: engine.linker().instantiate_pre(&module).map_err(cannot)?,
        how,
        took: started.elapsed(),
        unsaved,
    };
    watch(&Progress::Ready {
        guest: name,
        how,
        took: guest.took,
        unsaved: guest.unsaved.clone(),
    });
    Ok(guest)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::fs;

    use super::*;

    const WAT: &str = r#"(module (memory (export "memory") 1) (func (export "oap_alloc") (param i32) (result i32) i32.const 7))"#;

    /// A small guest, made as the real ones are.
    fn small() -> Image {
        let module = wat::parse_str(WAT).expect("reads");
        let packed = zstd::encode_all(&module[..], 3).expect("packed");
        let mut sha256 = String::new();
        for byte in Sha256::digest(&module) {
            use fmt::Write as _;
            let _ = write!(sha256, "{byte:02x}");
        }
        Image {
            name: "small",
            about: "a test",
            packed: Box::leak(packed.into_boxed_slice()),
            sha256: Box::leak(sha256.into_boxed_str()),
        }
    }

    /// Makes it and gives what was told.
    fn told(image: &Image, folder: Result<Folder, String>) -> Vec<Progress> {
        let engine = Engine::shared().expect("started");
        let told = RefCell::new(Vec::new());
        let made = make(image, &engine, folder, &|progress| {
            told.borrow_mut().push(progress.clone());
        });
        assert!(made.is_ok(), "{:?}", made.err());
        told.into_inner()
    }

    fn how(told: &[Progress]) -> (Prepared, Option<&str>) {
        match told.last() {
            Some(Progress::Ready { how, unsaved, .. }) => (*how, unsaved.as_deref()),
            other => panic!("not ready: {other:?}"),
        }
    }

    #[test]
    fn compiled_once_and_loaded_afterwards() {
        let temporary = tempfile::tempdir().expect("made");
        let folder = || Folder::open_in(temporary.path(), "key");
        let image = small();
        let first = told(&image, folder());
        assert_eq!(first.first(), Some(&Progress::Compiling { guest: "small" }));
        assert_eq!(how(&first), (Prepared::Compiled, None));
        assert_eq!(how(&told(&image, folder())), (Prepared::Loaded, None));
        // What does not hold the digest it begins with is replaced.
        let file = folder()
            .expect("there")
            .path()
            .join(format!("small-{}", image.sha256));
        let mut bytes = fs::read(&file).expect("read");
        *bytes.last_mut().expect("not empty") ^= 1;
        fs::write(&file, &bytes).expect("written");
        assert_eq!(how(&told(&image, folder())), (Prepared::Compiled, None));
        assert_eq!(how(&told(&image, folder())), (Prepared::Loaded, None));
        // So is what holds it but is no code of this engine.
        let other = folder().expect("there");
        let name = format!("small-{}", image.sha256);
        other
            .write("small-", &name, b"no code at all")
            .expect("written");
        assert_eq!(how(&told(&image, folder())), (Prepared::Compiled, None));
        assert_eq!(how(&told(&image, folder())), (Prepared::Loaded, None));
    }

    #[test]
    fn code_of_another_configuration_is_not_loaded() {
        let temporary = tempfile::tempdir().expect("made");
        let folder = || Folder::open_in(temporary.path(), "key");
        let image = small();
        let other = wasmtime::Engine::default();
        let module = wat::parse_str(WAT).expect("reads");
        let code = Precompiled::compile(&other, &module).expect("compiles");
        let name = format!("small-{}", image.sha256);
        folder()
            .expect("there")
            .write("small-", &name, code.bytes())
            .expect("written");
        assert_eq!(how(&told(&image, folder())), (Prepared::Compiled, None));
    }

    #[test]
    fn without_a_folder_it_is_compiled_and_said() {
        let reason = Err("no folder here".to_owned());
        let told = told(&small(), reason);
        assert_eq!(how(&told), (Prepared::Compiled, Some("no folder here")));
        let shown = told.last().map(ToString::to_string).unwrap_or_default();
        assert!(shown.ends_with("but not kept: no folder here"), "{shown}");
    }

    #[test]
    fn a_guest_that_is_not_what_it_should_be_is_not_run() {
        let good = small();
        let none: [u8; 0] = [];
        let other = zstd::encode_all(&b"\0asm\x01\0\0\0"[..], 3).expect("packed");
        for packed in [&none[..], b"no archive", &good.packed[..9], &other] {
            let image = Image {
                packed: Box::leak(packed.to_vec().into_boxed_slice()),
                ..good
            };
            let error = image.module().expect_err("refused").to_string();
            assert!(error.starts_with("the guest small that"), "{error}");
        }
    }

    #[test]
    fn the_guests_are_those_of_the_sums() {
        assert!(image(Language::Wasm).is_none());
        for language in [Language::JavaScript, Language::Python] {
            let image = image(language).expect("carried");
            image.module().expect("as it was built");
        }
    }
}
