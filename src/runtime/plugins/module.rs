//! Code that is a WebAssembly module: binary, or in its text format.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::manifest::RunCode;
use crate::sandbox::Language;

/// The largest file of a module, in bytes (`spec/sandbox.md`, 3.9).
pub(super) const LARGEST: usize = 16 * 1024 * 1024;

/// The function that is called unless the descriptor names another.
pub(super) const ENTRYPOINT: &str = "generate";

/// Whether the code in a file of this name is a module.
pub(super) fn is_module(file: &str) -> bool {
    [".wasm", ".wat"].iter().any(|end| file.ends_with(end))
}

/// The code as a definition of `run_code` would have it, with the default limits and no network. Whether it can be run is found out
/// when it is.
pub(super) fn read(bytes: &[u8], entrypoint: &str) -> RunCode {
    let code = match std::str::from_utf8(bytes) {
        Ok(text) if !bytes.starts_with(b"\0asm") => text.to_owned(),
        _ => STANDARD.encode(bytes),
    };
    RunCode {
        runtime: Language::Wasm.runtime().to_owned(),
        code,
        entrypoint: entrypoint.to_owned(),
        cpu_ms: 200,
        memory_mib: 64,
        network: Vec::new(),
    }
}
